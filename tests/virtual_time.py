"""An event loop whose clock jumps to the next timer instead of waiting for it.

Seconds pass at once, and durations are exact on however busy a machine. For what has
timers and, at most, wires to itself on loopback: threads and other processes need
seconds that are real.
"""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
import selectors
from typing import Any


class _Jump(selectors.DefaultSelector):
    """A selector that never waits; it tells how long it was asked to."""

    def __init__(self, passed: Callable[[float], None]) -> None:
        super().__init__()
        self._passed = passed

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "everything waits for ever"
            self._passed(timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop on a clock of its own, which starts at 0 s."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Jump(self._pass))

    def _pass(self, seconds: float) -> None:
        self._now += max(seconds, 0.0)

    def time(self) -> float:
        return self._now


def virtual_time[**P](
    test: Callable[P, Coroutine[Any, Any, None]],
) -> Callable[P, None]:
    """Run a test on such a loop; `asyncio.get_running_loop().time` is its clock."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run


def now() -> float:
    """Return the running loop's clock in s: on other loops the monotonic one."""
    return asyncio.get_running_loop().time()
