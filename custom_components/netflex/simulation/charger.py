"""An Alfen NG9xx charging station as a Modbus server.

Register map and behaviour: Alfen, "Implementation of Modbus Slave TCP/IP for Alfen
NG9xx", v2.3 (zero-based addresses, high word first). Unit 200 is the station, unit
1 its socket. A written maximum current counts down its validity time and then gives
way to the safe current; nothing is kept over a reboot.
"""

from datetime import UTC, datetime
import struct
from typing import override

from pymodbus.constants import ExcCodes

from ..model.connection import NOMINAL_VOLTAGE
from .modbus import SimulatedUnit, unpack
from .physics import ChargePoint

STATION_UNIT = 200
SOCKET_UNIT = 1

_MAX_CURRENT = 1210
_PHASES = 1215
_ABSENT = 0xFFFF
"""What the station says for a value that it does not have."""
_FLOATS_1200 = (1206, 1210, 1212)


class AlfenSocket(SimulatedUnit):
    """Socket 1: measurements, state, and the maximum current with its validity.

    `safe_current` A is drawn at most once nobody has written for `validity` s.
    `station_current` A is what the installation allows.
    """

    def __init__(
        self,
        point: ChargePoint,
        *,
        safe_current: float = 6.0,
        station_current: float = 32.0,
        validity: float = 60.0,
        value_aligned: bool = True,
    ) -> None:
        """Start as after a reboot: nothing written, on the safe current."""
        super().__init__(SOCKET_UNIT)
        self.point = point
        self.safe_current = safe_current
        self.station_current = station_current
        self.validity = validity
        self.setpoint = 0.0
        self._expires: float | None = None
        self.holding.fill(300, 126, _ABSENT)
        self.holding.fill(1200, 16, 0)
        self.holding.put(_PHASES, [point.phases])
        if value_aligned:
            self.split_values_refused = frozenset(_second_words())
        self.refresh(0.0)

    def remaining(self, now: float) -> float:
        """Return the s that the written setpoint is still valid, 0 when expired."""
        return 0.0 if self._expires is None else max(0.0, self._expires - now)

    def accounted(self, now: float) -> bool:
        """Tell whether the written setpoint is what counts."""
        return self.remaining(now) > 0

    def applied(self, now: float) -> float:
        """Return the maximum current in A that the station applies."""
        wanted = self.setpoint if self.accounted(now) else self.safe_current
        return min(wanted, self.station_current)

    def reboot(self) -> None:
        """Forget the setpoint, as the station does."""
        self.setpoint = 0.0
        self._expires = None

    def tick(self, now: float) -> None:
        """Offer the car what is applied now."""
        self.point.offered = self.applied(now)

    def state(self, now: float) -> str:
        """Return the mode-3 state: A free, B1 paused, C1 waiting, C2 charging."""
        if not self.point.plugged:
            return "A"
        if self.applied(now) < 6 or not self.point.feeder.closed:
            return "B1"
        return "C2" if self.point.current > 0.5 else "C1"

    @override
    def refresh(self, now: float) -> None:
        words = self.holding
        point = self.point
        currents = [
            point.current if point.phases == 3 or index == point.first_branch else 0.0
            for index in range(3)
        ]
        words.put(300, [3])
        words.pack(301, "Q", 400)
        words.put(305, [0])
        for index, current in enumerate(currents):
            share = point.power * current / max(sum(currents), 1e-9)
            words.pack(306 + 2 * index, "f", NOMINAL_VOLTAGE)
            words.pack(320 + 2 * index, "f", current)
            words.pack(338 + 2 * index, "f", share)
            words.pack(362 + 4 * index, "d", point.energy / 3)
        words.pack(318, "f", 0.0 if point.phases == 3 else point.current)
        words.pack(326, "f", sum(currents))
        words.pack(334, "f", 0.99)
        words.pack(336, "f", 50.0)
        words.pack(344, "f", point.power)
        words.pack(374, "d", point.energy)
        words.put(1200, [1])
        words.text(1201, 5, self.state(now))
        words.pack(1206, "f", self.applied(now))
        words.pack(1208, "I", int(self.remaining(now)))
        words.pack(_MAX_CURRENT, "f", self.setpoint)
        words.pack(1212, "f", self.safe_current)
        words.put(1214, [int(self.accounted(now))])

    @override
    def write(
        self, space: str, address: int, values: list[int], now: float
    ) -> ExcCodes | None:
        if address == _MAX_CURRENT and len(values) == 2:
            current = unpack(values, "f")
            if not 0 <= current <= 80:
                return ExcCodes.ILLEGAL_VALUE
            self.setpoint = current
            self._expires = now + self.validity
            self.tick(now)
            return None
        if address == _PHASES and len(values) == 1:
            if values[0] not in {1, 3}:
                return ExcCodes.ILLEGAL_VALUE
            self.holding.put(_PHASES, values)
            self.point.phases = values[0]
            return None
        return ExcCodes.ILLEGAL_ADDRESS


class AlfenStation(SimulatedUnit):
    """Unit 200: who the station is and what it allows."""

    def __init__(self, socket: AlfenSocket, *, serial: str = "ACE0123456") -> None:
        """Lay out the product and station registers."""
        super().__init__(STATION_UNIT)
        self._socket = socket
        words = self.holding
        words.fill(100, 79, _ABSENT)
        words.text(100, 17, "ALF_1000")
        words.text(117, 5, "Alfen NV")
        words.put(122, [1])
        words.text(123, 17, "6.4.0-4210")
        words.text(140, 17, "NG910")
        words.text(157, 11, serial)
        words.put(178, [60])
        words.fill(1100, 6, 0)
        words.put(1104, [1])
        words.put(1105, [1])
        self.refresh(0.0)

    @override
    def refresh(self, now: float) -> None:
        today = datetime.now(UTC)
        self.holding.put(
            168,
            [
                today.year,
                today.month,
                today.day,
                today.hour,
                today.minute,
                today.second,
            ],
        )
        self.holding.pack(174, "Q", 1000 * now)
        self.holding.pack(1100, "f", self._socket.station_current)
        self.holding.pack(1102, "f", 31.5)

    @override
    def write(
        self, space: str, address: int, values: list[int], now: float
    ) -> ExcCodes | None:
        return ExcCodes.ILLEGAL_ADDRESS


def _second_words() -> set[int]:
    """Return every address of the socket that is not the first of its value."""
    second = {302, 303, 304}
    second |= {start + 1 for start in range(306, 362, 2)}
    for start in range(362, 426, struct.calcsize("d") // 2):
        second |= {start + 1, start + 2, start + 3}
    second |= {1202, 1203, 1204, 1205, 1209}
    second |= {start + 1 for start in _FLOATS_1200}
    return second
