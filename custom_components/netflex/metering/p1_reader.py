"""The P1 port as a meter source."""

import asyncio
from collections.abc import Callable, Sequence
import time
from typing import ClassVar, override

from ..model.phrase import advised
from .errors import FELL_SILENT, SWITCH_ON, CannotConnectError, NoDataError
from .p1_framer import TelegramFramer
from .p1_objects import Telegram
from .p1_port import no_telegram, open_p1
from .p1_reading import GridRecognition, to_reading
from .port import PortConnection
from .port_source import BACKOFF, PortSource
from .source import MeterStatus

SILENCE = 15.0
"""s without a byte after which a connection is taken for dead, and without a good
telegram after which the user is told. A meter sends one a second, the slowest every
ten: those must not be cut off just before they speak."""


class P1Source(PortSource):
    """Reads a P1 port: serial, or a URL of serialx (see `port`).

    `on_bytes` gets everything that comes in, unchanged, for whoever shares the port.
    """

    port_name: ClassVar = "P1"

    def __init__(
        self,
        url: str,
        *,
        meter_id: str,
        on_bytes: Callable[[bytes], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        backoff: Sequence[float] = BACKOFF,
        silence: float = SILENCE,
    ) -> None:
        """Prepare a source; nothing is opened before `start`."""
        super().__init__(
            url, meter_id=meter_id, clock=clock, backoff=backoff, silence=silence
        )
        self.telegram: Telegram | None = None
        """The newest good telegram."""
        self._on_bytes = on_bytes
        self._framer = TelegramFramer()
        self._recognition = GridRecognition()

    @property
    @override
    def status(self) -> MeterStatus:
        """How the port is doing."""
        telegram, framer = self.telegram, self._framer
        return self._status(
            good=framer.good,
            damaged=framer.damaged,
            details={
                "dropped_bytes": framer.dropped,
                "encrypted_frames": framer.encrypted,
                "version": None if telegram is None else telegram.version,
                "grid_type_proven": self._recognition.proven,
            },
        )

    @property
    @override
    def _good(self) -> int:
        return self._framer.good

    @override
    async def _read(self) -> None:
        connection = PortConnection(self._take, self._clock)
        try:
            await open_p1(connection, self._url)
            self._opened()
            await self._watch(connection)
        finally:
            self._framer.close()
            await connection.close()

    async def _watch(self, connection: PortConnection) -> None:
        """Wait for the end of a connection, and see whether it brings telegrams."""
        opened = self._clock()
        encrypted = self._framer.encrypted
        while True:
            await asyncio.wait({connection.lost}, timeout=self._silence / 20)
            if connection.lost.done():
                raise CannotConnectError(connection.lost.result())
            now = self._clock()
            silent = now - connection.last_byte >= self._silence
            if self._last_good is not None and self._last_good >= opened:
                if silent:
                    raise NoDataError(advised(FELL_SILENT, SWITCH_ON))
                newest = self._last_good
            else:
                newest = opened
            if now - newest >= self._silence:
                problem = no_telegram(
                    connection, encrypted=self._framer.encrypted > encrypted
                )
                if silent:
                    raise problem
                self._show(connected=True, problem=problem)

    def _take(self, data: bytes) -> None:
        """Take bytes of the port; hand on the readings that they complete."""
        received = self._clock()
        for telegram in self._framer.feed(data):
            self.telegram = telegram
            self._last_good = received
            self._recognition = self._recognition.after(telegram)
            reading = to_reading(
                telegram,
                meter_id=self.meter_id,
                received=received,
                recognition=self._recognition,
            )
            self._call(self._on_reading, reading)
            if self._problem is not None:
                self._show(connected=True, problem=None)
        if self._on_bytes is not None:
            self._call(self._on_bytes, data)
