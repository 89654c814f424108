"""An Accuenergy Acuvim II at the connection point as a Modbus server.

Blocks 0x3000 (fast) and 0x4000 of the Acuvim II user manual (1040E1303): floats,
high word first, secondary values behind current and voltage transformers.
"""

from typing import override

from pymodbus.constants import ExcCodes

from .modbus import SimulatedUnit
from .physics import Plant

NORMAL_BLOCK = 0x4000
FAST_BLOCK = 0x3000

_BLOCK_LENGTH = 72
_ENERGY_IMPORT = NORMAL_BLOCK + 0x48
_ENERGY_EXPORT = NORMAL_BLOCK + 0x4A
_ENERGY_UNIT = 100.0
"""Wh per count of an energy register."""


class Acuvim(SimulatedUnit):
    """The meter's unit. `current_ratio` and `voltage_ratio` are primary/secondary."""

    def __init__(
        self,
        plant: Plant,
        *,
        unit: int = 1,
        current_ratio: float = 1.0,
        voltage_ratio: float = 1.0,
    ) -> None:
        """Lay out both blocks and the energies."""
        super().__init__(unit)
        self._plant = plant
        self._current_ratio = current_ratio
        self._voltage_ratio = voltage_ratio
        self.holding.fill(FAST_BLOCK, _BLOCK_LENGTH)
        self.holding.fill(NORMAL_BLOCK, _BLOCK_LENGTH)
        self.holding.fill(_ENERGY_IMPORT, 12)
        self.refresh(0.0)

    @override
    def refresh(self, now: float) -> None:
        for block in (FAST_BLOCK, NORMAL_BLOCK):
            self._measure(block)
        self.holding.pack(_ENERGY_IMPORT, "I", self._plant.import_energy / _ENERGY_UNIT)
        self.holding.pack(_ENERGY_EXPORT, "I", self._plant.export_energy / _ENERGY_UNIT)

    def _measure(self, block: int) -> None:
        connection = self._plant.connection
        words = self.holding
        power_ratio = self._current_ratio * self._voltage_ratio
        volts = [value / self._voltage_ratio for value in connection.voltage]
        amps = [value / self._current_ratio for value in connection.current]
        watts = [value / power_ratio for value in connection.power]
        vars_ = [value / power_ratio for value in connection.reactive_power]
        words.pack(block, "f", connection.frequency)
        for at, values, sums in (
            (2, volts, False),
            (18, amps, False),
            (28, watts, True),
            (36, vars_, True),
        ):
            for index, value in enumerate(values):
                words.pack(block + at + 2 * index, "f", value)
            total = sum(values)
            words.pack(block + at + 6, "f", total if sums else total / 3)

    @override
    def write(
        self, space: str, address: int, values: list[int], now: float
    ) -> ExcCodes | None:
        return ExcCodes.ILLEGAL_ADDRESS
