"""The one thread-safe door between the station's event loop and the site's."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
import logging
import threading

_LOGGER = logging.getLogger(__name__)

STOP_TIMEOUT = 5.0
"""s that a loop gets to finish what runs on it."""


class LoopThread:
    """An event loop in a thread of its own.

    What runs on it keeps running while every other loop of the process is
    blocked. It is entered only through `call` and `run`.
    """

    def __init__(self, name: str) -> None:
        """Prepare a loop; nothing runs before `start`."""
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Whether the loop takes work."""
        return self._loop is not None

    async def start(self) -> None:
        """Start the thread and wait until its loop runs."""
        started: asyncio.Future[asyncio.AbstractEventLoop] = (
            asyncio.get_running_loop().create_future()
        )
        self._thread = threading.Thread(
            target=self._main, args=(started,), name=self._name, daemon=True
        )
        self._thread.start()
        self._loop = await started

    def _main(self, started: asyncio.Future[asyncio.AbstractEventLoop]) -> None:
        """Run the loop until it is stopped, then cancel what is left on it."""
        with asyncio.Runner() as runner:
            loop = runner.get_loop()
            started.get_loop().call_soon_threadsafe(started.set_result, loop)
            loop.run_forever()

    def call(self, function: Callable[..., object], *args: object) -> None:
        """Have a function called on the loop; dropped once the loop has stopped."""
        if (loop := self._loop) is None:
            return
        try:
            loop.call_soon_threadsafe(function, *args)
        except RuntimeError:
            _LOGGER.debug("%s: %s came after the loop had closed", self._name, function)

    async def run[T](self, work: Coroutine[object, object, T]) -> T:
        """Run a coroutine on the loop and return its result to the caller's loop.

        Raises RuntimeError where the loop does not run.
        """
        if (loop := self._loop) is None:
            work.close()
            raise RuntimeError(f"{self._name} does not run")
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))

    async def stop(self) -> None:
        """Stop the loop and wait for its thread."""
        loop, self._loop = self._loop, None
        if loop is None or self._thread is None:
            return
        with suppress(RuntimeError):  # A fault on it may have ended it already.
            loop.call_soon_threadsafe(loop.stop)
        await asyncio.get_running_loop().run_in_executor(
            None, self._thread.join, STOP_TIMEOUT
        )
        if self._thread.is_alive():
            _LOGGER.error("%s did not stop within %s s", self._name, STOP_TIMEOUT)


class BackDoor:
    """The way back: calls from another thread onto the loop that made it."""

    def __init__(self) -> None:
        """Remember the running loop."""
        self._loop = asyncio.get_running_loop()
        self._open = True

    def call(self, function: Callable[..., object], *args: object) -> None:
        """Have a function called on the remembered loop, unless closed."""
        if not self._open:
            return
        try:
            self._loop.call_soon_threadsafe(self._enter, function, args)
        except RuntimeError:
            _LOGGER.debug("%s came after its loop had closed", function)

    def _enter(self, function: Callable[..., object], args: tuple[object, ...]) -> None:
        if self._open:
            function(*args)

    def close(self) -> None:
        """Let nothing through any more; to be called on the remembered loop."""
        self._open = False
