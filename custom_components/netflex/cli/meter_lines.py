"""JSON lines of a meter's command line, and a meter read until told to stop."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
import json
import signal
import sys
from typing import Any

from ..metering.source import MeterSource, MeterStatus
from ..model.reading import MeterReading


class LinePrinter:
    """Prints readings as JSON lines, up to a number of them, and a last line."""

    def __init__(self, count: int | None) -> None:
        """Stop after `count` readings where it is given: `done` is set then."""
        self.done = asyncio.Event()
        self._printed = 0
        self._count = count

    def reading(self, content: Mapping[str, Any]) -> None:
        """Print a reading."""
        self.line(content)
        self._printed += 1
        if self._printed == self._count:
            self.done.set()

    def line(self, content: Mapping[str, Any]) -> None:
        """Print a line, without what is absent."""
        print(json.dumps(_present(content), default=datetime.isoformat), flush=True)

    def summary(self, counts: Mapping[str, object]) -> None:
        """Print the last line."""
        print(json.dumps({"summary": counts}), flush=True)


async def follow_source(
    source: MeterSource,
    printer: LinePrinter,
    take: Callable[[MeterReading], None],
    seconds: float | None,
) -> MeterStatus:
    """Read a meter until the printer has enough, for `seconds`, or until a signal.

    Problems go to standard error. Returns how the meter was doing in the end.
    """

    def report(status: MeterStatus) -> None:
        if status.problem is not None:
            print(status.problem, file=sys.stderr, flush=True)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, printer.done.set)
    await source.start(take, report)
    try:
        async with asyncio.timeout(seconds):
            await printer.done.wait()
    except TimeoutError:
        pass
    finally:
        await source.stop()
    return source.status


def _present(value: Any) -> Any:
    """Leave out what is absent, all the way down."""
    if isinstance(value, Mapping):
        present = {key: _present(item) for key, item in value.items()}
        return {key: item for key, item in present.items() if item not in (None, {})}
    if isinstance(value, list | tuple):
        return [_present(item) for item in value]
    return value
