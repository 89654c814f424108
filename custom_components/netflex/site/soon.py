"""Something that is done soon, and once, however often it is asked for."""

import asyncio
from collections.abc import Callable


class Soon:
    """Calls a function within some time of the first time that it was asked for."""

    def __init__(self, function: Callable[[], object], within: float) -> None:
        """Prepare; `within` in s."""
        self._function = function
        self._within = within
        self._handle: asyncio.TimerHandle | None = None

    def ask(self) -> None:
        """Have it called, together with whoever asks until then."""
        if self._handle is None:
            loop = asyncio.get_running_loop()
            self._handle = loop.call_later(self._within, self._call)

    def cancel(self) -> None:
        """Take back what was asked for: it has been done, or nobody needs it any more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _call(self) -> None:
        self._handle = None
        self._function()
