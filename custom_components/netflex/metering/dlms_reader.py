"""A pushed DLMS meter as a meter source (IDIS consumer interface)."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
import time
from typing import ClassVar, Final, override

from ..model.phrase import advised
from .dlms_apdu import DlmsKeys
from .dlms_objects import EXPECTED_PERIODS, Obis, PushGroup
from .dlms_port import SWITCH_ON, DlmsLine, no_push, open_dlms
from .dlms_reading import OLD, DlmsValues
from .dlms_stream import DlmsStream
from .errors import FELL_SILENT, CannotConnectError, NoDataError
from .port import PortConnection
from .port_source import BACKOFF, PortSource
from .source import MeterStatus

ENERGY_PUSHES: Final = f"{PushGroup.ENERGY}_pushes"
TECHNICAL_PUSHES: Final = f"{PushGroup.TECHNICAL}_pushes"
"""Details of the status: how many pushes of a group have come."""
SILENCE: Final = 30.0
"""s without a byte after which a connection is taken for dead, and without a good push
after which the user is told. An E450 pushes every 5 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupStatus:
    """How one group of values comes: pushes so far, the newest, and what is expected.

    `newest` is monotonic s, None before the first; `expected_period` s.
    """

    received: int
    newest: float | None
    expected_period: float


class DlmsSource(PortSource):
    """Reads what a DLMS meter pushes, over a serial port or a URL (see `port`).

    Power comes with the technical group, and makes a reading each time. What comes
    between, of the registers, is in the next one; it makes one of its own only where no
    power has come for too long.
    """

    port_name: ClassVar = "DLMS"

    def __init__(
        self,
        url: str,
        *,
        meter_id: str,
        keys: DlmsKeys | None = None,
        line: DlmsLine = DlmsLine.M_BUS,
        clock: Callable[[], float] = time.monotonic,
        backoff: Sequence[float] = BACKOFF,
        silence: float = SILENCE,
    ) -> None:
        """Prepare a source; nothing is opened before `start`."""
        super().__init__(
            url, meter_id=meter_id, clock=clock, backoff=backoff, silence=silence
        )
        self._keys = keys
        self._line = line
        self._stream = DlmsStream(keys)
        self._values = DlmsValues(meter_id)
        self._received: dict[PushGroup, int] = dict.fromkeys(PushGroup, 0)
        self._read_power: float | None = None

    @property
    @override
    def status(self) -> MeterStatus:
        """How the port is doing."""
        stream = self._stream
        return self._status(
            good=stream.good,
            damaged=stream.damaged,
            details={
                "dropped_bytes": stream.dropped,
                "enciphered_pushes": stream.enciphered,
                "wrong_key_pushes": stream.wrong_key,
                "framing": stream.framing,
                **{f"{group}_pushes": count for group, count in self._received.items()},
            },
        )

    @property
    def groups(self) -> Mapping[PushGroup, GroupStatus]:
        """How each group of values comes."""
        newest = self._values.newest
        return {
            group: GroupStatus(
                received=self._received[group],
                newest=newest.get(group),
                expected_period=period,
            )
            for group, period in EXPECTED_PERIODS.items()
        }

    @property
    def values(self) -> Mapping[Obis, float | str]:
        """The newest value of each object that the meter has pushed."""
        return self._values.values()

    @property
    @override
    def _good(self) -> int:
        return self._stream.good

    @override
    async def _read(self) -> None:
        connection = PortConnection(self._take, self._clock)
        try:
            await open_dlms(connection, self._url, self._line)
            self._opened()
            await self._watch(connection)
        finally:
            self._stream.close()
            await connection.close()

    async def _watch(self, connection: PortConnection) -> None:
        """Wait for the end of a connection, and see whether it brings pushes."""
        opened = self._clock()
        while True:
            await asyncio.wait({connection.lost}, timeout=self._silence / 20)
            if connection.lost.done():
                raise CannotConnectError(connection.lost.result())
            now = self._clock()
            silent = now - connection.last_byte >= self._silence
            newest = max(opened, self._last_good or opened)
            if silent and newest > opened:
                raise NoDataError(advised(FELL_SILENT, SWITCH_ON))
            # A key that is missing or wrong shows at the first push, and stays so.
            unread = self._stream.enciphered or self._stream.wrong_key
            if now - newest >= self._silence or (unread and not self._stream.good):
                problem = no_push(connection, self._stream)
                if silent:
                    raise problem
                self._show(connected=True, problem=problem)

    def _take(self, data: bytes) -> None:
        """Take bytes of the port; hand on the readings that they complete."""
        received = self._clock()
        for push in self._stream.feed(data):
            groups = self._values.take(push, received)
            for group in groups:
                self._received[group] += 1
            self._last_good = received
            if self._is_told(groups, received):
                self._call(self._on_reading, self._values.reading(received))
            if self._problem is not None:
                self._show(connected=True, problem=None)

    def _is_told(self, groups: frozenset[PushGroup], received: float) -> bool:
        if PushGroup.TECHNICAL in groups:
            self._read_power = received
            return True
        return self._read_power is None or received - self._read_power > OLD
