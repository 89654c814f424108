"""A battery with a plain register map as a Modbus server.

Holding registers of the unit, 32-bit values signed with the high word first:

| address | type | unit | access | meaning |
|---|---|---|---|---|
| 0 | u16 | 0.1 % | R | state of charge |
| 1 | u16 | | R | state: 0 standby, 1 charging, 2 discharging, 3 fault |
| 2 | s32 | W | R | power, charging positive |
| 4 | s32 | W | R | target in force (echo) |
| 6 | s32 | W | R | most that it charges with now |
| 8 | s32 | W | R | most that it discharges with now, positive |
| 10 | s32 | Wh | R | energy charged |
| 12 | s32 | Wh | R | energy discharged |
| 14 | u16 | s | R | seconds until it stands by, 65535 without supervision |
| 100 | s32 | W | R/W | power setpoint, charging positive |
| 102 | u16 | | R/W | 0 local (own mode), 1 remote (follows 100) |
| 103 | u16 | | R/W | heartbeat, any value |
| 104 | u16 | s | R/W | silence that it bears, 60 at start, 0 any |

Local mode, or nobody writing to 100..104 for that long, makes it stand by at 0 W.
"""

from typing import override

from pymodbus.constants import ExcCodes

from .modbus import SimulatedUnit
from .physics import Battery

STATE_OF_CHARGE = 0
STATE = 1
POWER = 2
TARGET = 4
MAX_CHARGE = 6
MAX_DISCHARGE = 8
ENERGY_CHARGED = 10
ENERGY_DISCHARGED = 12
SILENCE_LEFT = 14
SET_POWER = 100
MODE_REMOTE = 102
SILENCE = 104

_UNSUPERVISED = 0xFFFF
_SILENCE_AT_START = 60


class GenericBattery(SimulatedUnit):
    """The battery's unit."""

    def __init__(self, battery: Battery, *, unit: int = 1) -> None:
        """Start in local mode, standing by."""
        super().__init__(unit)
        self.battery = battery
        self._heard: float | None = None
        self.holding.fill(0, 15)
        self.holding.fill(SET_POWER, 5)
        self.holding.put(SILENCE, [_SILENCE_AT_START])
        self.refresh(0.0)

    @property
    def remote(self) -> bool:
        """Whether it follows the setpoint."""
        return self.holding.unpack(MODE_REMOTE, "H") == 1

    def silence_left(self, now: float) -> float | None:
        """Return the s until it stands by, None without supervision."""
        silence = self.holding.unpack(SILENCE, "H")
        if silence == 0 or self._heard is None:
            return None
        return max(0.0, self._heard + silence - now)

    def tick(self, now: float) -> None:
        """Pass the target in force on to the plant."""
        follows = self.remote and self.silence_left(now) != 0
        self.battery.target = self.holding.unpack(SET_POWER, "i") if follows else 0.0

    @override
    def refresh(self, now: float) -> None:
        words, part = self.holding, self.battery
        words.put(STATE_OF_CHARGE, [round(10 * part.state_of_charge)])
        idle = abs(part.power) < 1
        words.put(STATE, [0 if idle else 1 if part.power > 0 else 2])
        left = self.silence_left(now)
        words.put(SILENCE_LEFT, [_UNSUPERVISED if left is None else round(left)])
        for address, value in (
            (POWER, part.power),
            (TARGET, part.target),
            (MAX_CHARGE, part.max_charge),
            (MAX_DISCHARGE, part.max_discharge),
            (ENERGY_CHARGED, part.energy_charged),
            (ENERGY_DISCHARGED, part.energy_discharged),
        ):
            words.pack(address, "i", value)

    @override
    def write(
        self, space: str, address: int, values: list[int], now: float
    ) -> ExcCodes | None:
        if address < SET_POWER:
            return ExcCodes.ILLEGAL_ADDRESS
        if address == SET_POWER and len(values) < 2:
            return ExcCodes.ILLEGAL_VALUE
        self.holding.put(address, values)
        self._heard = now
        self.tick(now)
        return None
