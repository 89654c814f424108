"""A SunSpec inverter as a Modbus server, limited through model 704 or 123.

Models and offsets: the SunSpec Alliance's public model definitions (1 common, 103
three-phase inverter, 120 nameplate, 121 settings, 123 immediate controls, 704 DER
AC controls). Limits and the connection command revert by themselves once their
revert time is over.
"""

from dataclasses import dataclass
from typing import override

from pymodbus.constants import ExcCodes

from .modbus import SimulatedUnit, unpack
from .physics import Inverter

BASE = 40_000

_MODEL_123_LENGTH = 24
_MODEL_704_LENGTH = 65
_NOT_IMPLEMENTED = 0xFFFF
_NOT_IMPLEMENTED_SIGNED = 0x8000
_SCALE_PERCENT = -1
_SCALE_POWER = 0


@dataclass(slots=True)
class _Reverting:
    """A value in force until its revert time is over (0: for good)."""

    active: bool = False
    deadline: float | None = None

    def start(self, now: float, seconds: float) -> None:
        self.active = True
        self.deadline = now + seconds if seconds > 0 else None

    def stop(self) -> None:
        self.active = False
        self.deadline = None

    def expired(self, now: float) -> bool:
        """Tell once that the time is over."""
        if self.active and self.deadline is not None and now >= self.deadline:
            self.stop()
            return True
        return False

    def remaining(self, now: float) -> float:
        return 0.0 if self.deadline is None else max(0.0, self.deadline - now)


class SunSpecInverter(SimulatedUnit):
    """The inverter's unit: walkable models, measurements and controls.

    `controls` names the model through which it is limited: 123 or 704.
    """

    def __init__(
        self,
        inverter: Inverter,
        *,
        unit: int = 1,
        controls: int = 123,
        serial: str = "SUN-0042",
    ) -> None:
        """Lay out the models one after the other from the SunS mark."""
        super().__init__(unit)
        self.inverter = inverter
        self._limit = _Reverting()
        self._disconnection = _Reverting()
        words = self.holding
        words.text(BASE, 2, "SunS")
        self._at: dict[int, int] = {}
        at = BASE + 2
        lengths = {1: 66, 103: 50, 120: 26, 121: 30}
        lengths[controls] = _MODEL_123_LENGTH if controls == 123 else _MODEL_704_LENGTH
        for model, length in lengths.items():
            words.fill(at, length + 2, _NOT_IMPLEMENTED)
            words.put(at, [model, length])
            self._at[model] = at
            at += length + 2
        words.put(at, [0xFFFF, 0])
        self._controls = self._at[controls]
        self._is_704 = controls == 704
        self._lay_out(serial)
        self.refresh(0.0)

    def control_address(self, name: str) -> int:
        """Return the address of a control point by its SunSpec name."""
        return self._controls + self._offsets[name]

    @property
    def limit_percent(self) -> float:
        """What WMaxLimPct holds, in % of the rated power, in force or not."""
        return self.holding.unpack(self.control_address("WMaxLimPct"), "H") / 10

    @property
    def limited(self) -> bool:
        """Whether the limit is in force."""
        return self._limit.active

    def tick(self, now: float) -> None:
        """Let revert times act and pass the controls on to the plant."""
        if self._limit.expired(now):
            self.holding.put(self.control_address(self._enable), [0])
        if self._disconnection.expired(now) and not self._is_704:
            self.holding.put(self.control_address("Conn"), [1])
        rated = self.inverter.rated_power
        self.inverter.ceiling = (
            rated * self.limit_percent / 100 if self.limited else rated
        )
        self.inverter.connected = not self._disconnection.active

    @property
    def _enable(self) -> str:
        return "WMaxLimPctEna" if self._is_704 else "WMaxLim_Ena"

    @property
    def _offsets(self) -> dict[str, int]:
        if self._is_704:
            return {
                "WMaxLimPctEna": 14,
                "WMaxLimPct": 15,
                "WMaxLimPctRvrt": 16,
                "WMaxLimPctEnaRvrt": 17,
                "WMaxLimPctRvrtTms": 18,
                "WMaxLimPctRvrtRem": 20,
                "WMaxLimPct_SF": 54,
            }
        return {
            "Conn_WinTms": 2,
            "Conn_RvrtTms": 3,
            "Conn": 4,
            "WMaxLimPct": 5,
            "WMaxLimPct_WinTms": 6,
            "WMaxLimPct_RvrtTms": 7,
            "WMaxLimPct_RmpTms": 8,
            "WMaxLim_Ena": 9,
            "WMaxLimPct_SF": 23,
        }

    def _lay_out(self, serial: str) -> None:
        words, rated = self.holding, self.inverter.rated_power
        common = self._at[1]
        words.text(common + 2, 16, "Simulated")
        words.text(common + 18, 16, "Three-phase 123")
        words.text(common + 34, 8, "none")
        words.text(common + 42, 8, "1.0.0")
        words.text(common + 50, 16, serial)
        words.put(common + 66, [self.unit])
        nameplate = self._at[120]
        words.put(nameplate + 2, [4, round(rated), _SCALE_POWER, round(rated), 0])
        settings = self._at[121]
        words.put(settings + 2, [round(rated)])
        words.put(settings + 22, [_SCALE_POWER])
        for name in self._offsets:
            words.put(self.control_address(name), [0])
        words.put(self.control_address("WMaxLimPct"), [1000])
        words.pack(self.control_address("WMaxLimPct_SF"), "h", _SCALE_PERCENT)
        if self._is_704:
            words.put(self.control_address("WMaxLimPctRvrt"), [1000])
            words.pack(self.control_address("WMaxLimPctRvrtTms"), "I", 0)
            words.pack(self.control_address("WMaxLimPctRvrtRem"), "I", 0)
        else:
            words.put(self.control_address("Conn"), [1])

    @override
    def refresh(self, now: float) -> None:
        words, at, part = self.holding, self._at[103], self.inverter
        produced = -part.power
        phase_current = produced / 3 / 230
        words.put(at + 2, [round(300 * phase_current)])
        words.put(at + 3, [round(100 * phase_current)] * 3)
        words.pack(at + 6, "h", -2)
        words.put(at + 7, [4000] * 3)
        words.put(at + 10, [2300] * 3)
        words.pack(at + 13, "h", -1)
        words.pack(at + 14, "h", produced)
        words.pack(at + 15, "h", _SCALE_POWER)
        words.put(at + 16, [5000])
        words.pack(at + 17, "h", -2)
        words.pack(at + 18, "h", produced)
        words.pack(at + 19, "h", 0)
        words.put(at + 20, [0, 0])
        words.put(at + 22, [_NOT_IMPLEMENTED_SIGNED, 0])
        words.pack(at + 24, "I", part.energy + 4_000_000)
        words.pack(at + 26, "h", 0)
        words.put(at + 38, [self.operating_state()])
        words.pack(at + 40, "I", 0)
        if self._is_704:
            words.pack(
                self.control_address("WMaxLimPctRvrtRem"),
                "I",
                round(self._limit.remaining(now)),
            )

    def operating_state(self) -> int:
        """Return St of model 103: 1 off, 2 sleeping, 4 MPPT, 5 throttled."""
        if not self.inverter.energised or not self.inverter.connected:
            return 1
        if self.inverter.sun <= 0:
            return 2
        available = self.inverter.sun * self.inverter.rated_power
        return 5 if self.limited and self.inverter.ceiling < available else 4

    @override
    def write(
        self, space: str, address: int, values: list[int], now: float
    ) -> ExcCodes | None:
        writable = {
            self.control_address(name)
            for name in self._offsets
            if not name.endswith(("_SF", "RvrtRem"))
        }
        if "WMaxLimPctRvrtTms" in self._offsets:
            writable.add(self.control_address("WMaxLimPctRvrtTms") + 1)
        if any(address + offset not in writable for offset in range(len(values))):
            return ExcCodes.ILLEGAL_ADDRESS
        percent = self.control_address("WMaxLimPct") - address
        if 0 <= percent < len(values) and values[percent] > 1000:
            return ExcCodes.ILLEGAL_VALUE
        self.holding.put(address, values)
        written = {
            name
            for name in self._offsets
            if address <= self.control_address(name) < address + len(values)
        }
        self._act(written, now)
        return None

    def _act(self, written: set[str], now: float) -> None:
        """Start, refresh or end what the written points control."""
        revert = "WMaxLimPctRvrtTms" if self._is_704 else "WMaxLimPct_RvrtTms"
        if written & {self._enable, "WMaxLimPct", revert}:
            if self._control(self._enable) == 1:
                self._limit.start(now, self._control(revert, wide=self._is_704))
            else:
                self._limit.stop()
        if "Conn" in written:
            if self._control("Conn") == 0:
                self._disconnection.start(now, self._control("Conn_RvrtTms"))
            else:
                self._disconnection.stop()
        self.tick(now)

    def _control(self, name: str, *, wide: bool = False) -> float:
        words = self.holding.get(self.control_address(name), 2 if wide else 1) or [0]
        return unpack(words, "I" if wide else "H")
