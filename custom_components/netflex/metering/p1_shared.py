"""A P1 port that is read here and served again to others at the same time."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
import logging
import time
from types import MappingProxyType
from typing import Final

from ..model.failure import reason_of
from ..model.phrase import Phrase
from ..model.reading import MeterReading
from .p1_reader import P1Source
from .p1_share import P1Share
from .source import MeterStatus

_LOGGER = logging.getLogger(__name__)

SHARE_PROBLEM: Final = "share_problem"
"""Detail of the status: why the port cannot be shared now, None where it is."""
RETRY = 30.0
"""s between tries to listen."""


class SharedP1Source:
    """A `P1Source` whose bytes go on to every reader that is allowed.

    Reading does not depend on sharing: where the port cannot be listened on, that is
    said and tried again.
    """

    def __init__(
        self,
        url: str,
        *,
        meter_id: str,
        host: str,
        port: int,
        allowed: Iterable[str],
        clock: Callable[[], float] = time.monotonic,
        retry: float = RETRY,
    ) -> None:
        """Prepare; nothing is opened before `start`.

        Raises:
            ValueError: One of the allowed is neither an address nor a network.
        """
        self.meter_id = meter_id
        self.share = P1Share(host, port, allowed)
        self._source = P1Source(
            url, meter_id=meter_id, on_bytes=self.share.send, clock=clock
        )
        self._retry = retry
        self._problem: str | None = None
        self._sharing: asyncio.Task[None] | None = None

    @property
    def status(self) -> MeterStatus:
        """How the port is doing, and who reads it with us."""
        status = self._source.status
        return replace(
            status,
            details=MappingProxyType(
                {
                    **status.details,
                    "share_readers": self.share.readers,
                    "share_refused": self.share.refused,
                    SHARE_PROBLEM: self._problem,
                }
            ),
        )

    async def start(
        self,
        on_reading: Callable[[MeterReading], None],
        on_status: Callable[[MeterStatus], None],
    ) -> None:
        """Start reading and sharing.

        Raises:
            RuntimeError: It has been started already.
        """
        await self._source.start(on_reading, lambda _status: on_status(self.status))
        self._sharing = asyncio.create_task(
            self._listen(on_status), name=f"netflex P1 share {self.meter_id}"
        )

    async def stop(self) -> None:
        """Drop the readers, stop reading and close the port."""
        if self._sharing is not None:
            self._sharing.cancel()
            await asyncio.gather(self._sharing, return_exceptions=True)
            self._sharing = None
        await self.share.stop()
        await self._source.stop()

    async def _listen(self, on_status: Callable[[MeterStatus], None]) -> None:
        while True:
            try:
                await self.share.start()
            except OSError as err:
                problem = Phrase(
                    "p1_not_shared",
                    "The P1 port cannot be shared on {where}: {reason}",
                    where=self.share.where,
                    reason=reason_of(err),
                )
                if problem != self._problem:
                    if self._problem is None:
                        _LOGGER.warning("%s", problem)
                    self._problem = problem
                    on_status(self.status)
                await asyncio.sleep(self._retry)
            else:
                if self._problem is not None:
                    _LOGGER.info("The P1 port is shared on %s", self.share.where)
                    self._problem = None
                    on_status(self.status)
                return
