"""Waits, on any event loop, for what another thread does with records."""

import asyncio
from dataclasses import dataclass
import logging

_LOGGER = logging.getLogger(__name__)


@dataclass(slots=True)
class _Waiting:
    """Someone who waits until so many records are done."""

    count: int
    future: asyncio.Future[bool]


class Waits:
    """Futures by the number of records that they wait for; guarded by its owner."""

    def __init__(self) -> None:
        """Start with nobody waiting."""
        self._waiting: list[_Waiting] = []

    def add(self, count: int) -> asyncio.Future[bool]:
        """Return what ends when `count` records are done, on the running loop."""
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        # Whoever gave up waiting leaves nothing behind, however long it hangs.
        self._waiting = [one for one in self._waiting if not one.future.done()]
        self._waiting.append(_Waiting(count, future))
        return future

    def settle(self, count: int, result: bool) -> None:
        """Tell those who wait for `count` records or fewer how it went."""
        for one in self._waiting:
            if one.count > count:
                continue
            try:
                one.future.get_loop().call_soon_threadsafe(_resolve, one.future, result)
            except RuntimeError:
                _LOGGER.debug("A record was written after its event loop had closed")
        self._waiting = [one for one in self._waiting if one.count > count]


async def within(timeout: float, future: asyncio.Future[bool]) -> bool:
    """Wait for `future` for `timeout` s at most; False where that is not enough."""
    try:
        async with asyncio.timeout(timeout):
            return await future
    except TimeoutError:
        return False


def _resolve(future: asyncio.Future[bool], result: bool) -> None:
    if not future.done():
        future.set_result(result)
