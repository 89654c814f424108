"""An Alfen charger in its own load balancing mode, as the client of a Socomec meter.

Behaviour: Alfen, "Actief Load Balancing via Modbus TCP/IP" (July 2018), and a
station's log of firmware 7.1.6 that names its one request: function 3, 54 registers
from 50514. It keeps each line of its meter below the configured installation
current; without a meter it draws its safe current at most, says so at once, and
calls it an error after two minutes. Whether it takes export off is an option,
because nobody has published it.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
import struct

from .physics import ChargePoint

FIRST, COUNT = 50514, 54
_CURRENTS = 50528 - FIRST
_POWERS = 50544 - FIRST
_UNKNOWN = 0xFFFFFFFF
ERROR_AFTER = 120.0


class MeterSilentError(Exception):
    """The meter did not answer, or refused."""


@dataclass(slots=True, kw_only=True)
class BalancingCharger:
    """A charger that asks a meter on its own and draws what that leaves.

    `lines` are the meter's lines, 0 to 2, that its phases are on. Times are monotonic
    s of the caller. `timeout` s is how long it waits for an answer.
    """

    point: ChargePoint
    host: str
    port: int
    unit: int = 5
    installation_current: float = 25.0
    station_current: float = 32.0
    safe_current: float = 6.0
    lines: tuple[int, ...] = (0, 1, 2)
    subtract_export: bool = False
    timeout: float = 0.5
    messages: deque[tuple[float, str]] = field(
        default_factory=lambda: deque(maxlen=200)
    )
    seen: list[int] = field(default_factory=list)
    """Registers of the newest answer."""
    _reader: asyncio.StreamReader | None = None
    _writer: asyncio.StreamWriter | None = None
    _transaction: int = 0
    _lost_since: float | None = None
    _said_error: bool = False

    @property
    def balanced(self) -> bool:
        """Whether it has its meter now."""
        return self._lost_since is None and bool(self.seen)

    async def poll(self, now: float) -> None:
        """Ask once, and offer the car what that leaves."""
        try:
            self.seen = await self.read(FIRST, COUNT)
        except MeterSilentError, OSError:
            await self.close()
            self._lose(now)
            self.point.offered = min(self.safe_current, self.station_current)
            return
        if self._lost_since is not None:
            self.messages.append((now, f"TCP MODBUS unit {self.unit} connected"))
        self._lost_since, self._said_error = None, False
        self.point.offered = max(0.0, min(self.allowed(), self.station_current))

    def _lose(self, now: float) -> None:
        if self._lost_since is None:
            self._lost_since = now
            self.messages.append(
                (now, f"Communication warning for modbus unit {self.unit}")
            )
        elif now - self._lost_since >= ERROR_AFTER and not self._said_error:
            self._said_error = True
            self.messages.append(
                (now, f"Communication error for modbus unit {self.unit}")
            )

    def allowed(self) -> float:
        """Return the A per line that its newest look at the meter leaves it."""
        own = self.point.current
        return min(
            own + self.installation_current - self.meter_current(line)
            for line in self.lines
        )

    def meter_current(self, line: int) -> float:
        """Return what the meter says of one line, in A."""
        current = self._value(_CURRENTS + 2 * line)
        if current == _UNKNOWN:
            return 0.0
        power = self._value(_POWERS + 2 * line)
        exports = power != _UNKNOWN and bool(power & 0x80000000)
        sign = -1.0 if exports and self.subtract_export else 1.0
        return sign * current / 1000

    def _value(self, offset: int) -> int:
        return self.seen[offset] << 16 | self.seen[offset + 1]

    async def read(self, address: int, count: int, function: int = 3) -> list[int]:
        """Return registers; MeterSilentError where there is no good answer."""
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(
                self.host, self.port
            )
        assert self._reader is not None
        self._transaction = (self._transaction + 1) & 0xFFFF
        self._writer.write(
            struct.pack(
                ">HHHBBHH",
                self._transaction,
                0,
                6,
                self.unit,
                function,
                address,
                count,
            )
        )
        try:
            async with asyncio.timeout(self.timeout):
                head = await self._reader.readexactly(8)
                size = struct.unpack(">HHHBB", head)[2]
                body = await self._reader.readexactly(size - 2)
        except (TimeoutError, asyncio.IncompleteReadError) as err:
            raise MeterSilentError("no answer") from err
        if head[7] != function:
            raise MeterSilentError(f"exception {body[0]}")
        return list(struct.unpack(f">{count}H", body[1:]))

    async def close(self) -> None:
        """Drop the connection."""
        writer, self._writer, self._reader = self._writer, None, None
        if writer is not None:
            writer.transport.abort()
