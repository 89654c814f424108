"""Relay modules as Modbus servers whose contacts move contactors in the plant.

`MoxaRelays` is an ioLogik E1214 (Moxa, "ioLogik E1200 Series User's Manual",
appendix A: coils 0-5, output word 32, inputs 0-5, cycle counts from input word 64,
safe flags from discrete 4112); `MeteringRelay` is a plain
switched and metered output, as many households have for a water heater.
"""

from collections.abc import Mapping
from typing import override

from pymodbus.constants import ExcCodes

from .modbus import SimulatedUnit
from .physics import Boiler, Contactor

_OUTPUTS = 6
_OUTPUT_WORD = 32
_INPUT_WORD = 48
_CYCLES = 64
_CONNECTED = 4096
_SAFE = 4112
_POWER_WORD = 0


class MoxaRelays(SimulatedUnit):
    """Six relays and six inputs.

    `openers` names the contactors that an energised relay opens (normally closed
    auxiliary): a dead module lets the plant run. Input n reports the auxiliary
    contact of output n's contactor, 1 while it is open. Input `button` is the circuit
    of a stop button, 1 while nobody holds it down.
    """

    def __init__(
        self,
        openers: Mapping[int, Contactor],
        *,
        button: int | None = None,
        unit: int = 1,
    ) -> None:
        """Start with every relay at rest."""
        super().__init__(unit)
        self._openers = openers
        self._button = button
        self._button_held = False
        self.coils.fill(0, _OUTPUTS)
        self.discrete.fill(0, _OUTPUTS)
        self.holding.fill(_OUTPUT_WORD, 1)
        self.inputs.fill(_INPUT_WORD, 1)
        self.inputs.fill(_CYCLES, 2 * _OUTPUTS)
        self.discrete.fill(_CONNECTED, _OUTPUTS)
        self.discrete.fill(_SAFE, _OUTPUTS)
        self._move()

    def energised(self, output: int) -> bool:
        """Tell whether a relay's coil has current."""
        return self.coils.get(output, 1) == [1]

    @property
    def button_held(self) -> bool:
        """Whether somebody holds the stop button down."""
        return self._button_held

    @button_held.setter
    def button_held(self, held: bool) -> None:
        self._button_held = held
        self._move()

    def reboot(self) -> None:
        """Let every relay fall, as a module does that restarts."""
        self.coils.fill(0, _OUTPUTS)
        self._move()

    @override
    def refresh(self, now: float) -> None:
        """Nothing changes but by a write, or by a hand."""

    @override
    def write(
        self, space: str, address: int, values: list[int], now: float
    ) -> ExcCodes | None:
        before = self.coils.get(0, _OUTPUTS) or []
        if space == "coils":
            self.coils.put(address, values)
        else:
            self.coils.put(0, [values[0] >> output & 1 for output in range(_OUTPUTS)])
        for output, old in enumerate(before):
            if self.energised(output) and not old:
                at = _CYCLES + 2 * output
                self.inputs.pack(at, "I", self.inputs.unpack(at, "I") + 1)
        self._move()
        return None

    def _move(self) -> None:
        """Move the contactors and show the result."""
        for output, contactor in self._openers.items():
            contactor.closed = not self.energised(output)
            self.discrete.put(output, [int(not contactor.closed)])
        if self._button is not None:
            self.discrete.put(self._button, [int(not self._button_held)])
        for word, bits in ((self.holding, self.coils), (self.inputs, self.discrete)):
            packed = sum(
                bit << output for output, bit in enumerate(bits.get(0, _OUTPUTS) or [])
            )
            word.put(_OUTPUT_WORD if word is self.holding else _INPUT_WORD, [packed])


class MeteringRelay(SimulatedUnit):
    """One output that closes a load's contactor, and its power in W.

    Coil 0 is the output; input register 0 the power, input register 1 the
    temperature of the water in 0.1 degrees C.
    """

    def __init__(self, boiler: Boiler, *, unit: int = 1) -> None:
        """Start as the contactor stands."""
        super().__init__(unit)
        self._boiler = boiler
        self.coils.fill(0, 1)
        self.inputs.fill(_POWER_WORD, 2)
        self.refresh(0.0)

    @override
    def refresh(self, now: float) -> None:
        self.coils.put(0, [int(self._boiler.contactor.closed)])
        self.inputs.put(
            _POWER_WORD,
            [round(self._boiler.power), round(10 * self._boiler.temperature)],
        )

    @override
    def write(
        self, space: str, address: int, values: list[int], now: float
    ) -> ExcCodes | None:
        self._boiler.contactor.closed = bool(values[0])
        return None
