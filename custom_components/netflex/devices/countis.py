"""The registers of a Socomec Countis E27, filled from one set of values.

Source: Socomec, "MODBUS tables of Countis E23/E24" (the same for E27 and E28).
Function 3, zero-based addresses, 32-bit values high word first. What is not known
is 0xFFFFFFFF (0xFFFF in 16-bit registers), as other programs that stand in for this
meter do; Socomec's table names no such value.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import sqrt
from types import MappingProxyType

from ..model.connection import (
    NO_LINE_VALUES,
    NOMINAL_VOLTAGE,
    GridType,
    Line,
    LineValues,
)
from ..model.reading import MeterReading, line_import_current

UNKNOWN = 0xFFFFFFFF
"""A 32-bit value that the meter does not have."""
CURRENTS = 50528
"""Where the current of L1 is: who asks for it balances."""
BLOCKS = ((50000, 80), (50512, 62), (50768, 16), (50944, 16))
"""First address and count of everything that answers; a gap would be refused."""

_LARGEST = 0x7FFFFFFF
_VENDOR = "SOCOMEC"
_PRODUCT = "Countis"
_EXTENDED = "Countis E27"
_PRODUCT_ORDER = 100
"""Product order id of the Countis family."""
_TABLE_VERSION = 100
"""1.00, in hundredths as the software version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the meter shows at one moment, import positive, in V, A, W, var and Wh.

    `currents` have the sign of the power on their line; the registers show their
    magnitude, and the direction by the sign of the power.
    """

    voltages: LineValues = NO_LINE_VALUES
    """Line to neutral."""
    line_to_line: LineValues = NO_LINE_VALUES
    """L1-L2, L2-L3, L3-L1."""
    currents: LineValues = NO_LINE_VALUES
    powers: LineValues = NO_LINE_VALUES
    power: float | None = None
    reactive_power: float | None = None
    frequency: float | None = None
    energy_import: float | None = None
    energy_export: float | None = None


def measured_by(reading: MeterReading, grid_type: GridType) -> Measured:
    """Return a site meter's reading as a Countis would have measured it.

    A meter that names no current on a line gets it from power and voltage; one that
    names no power gets it from the signed current.
    """
    delta = grid_type is GridType.DELTA
    voltages = NO_LINE_VALUES if delta else reading.line_voltage
    signed = line_import_current(reading)
    currents: dict[Line, float] = {}
    powers: dict[Line, float] = {}
    for line in grid_type.lines:
        volts = voltages[line] or NOMINAL_VOLTAGE
        power, current = reading.line_power[line], signed[line]
        if power is None and len(grid_type.lines) == 1:
            power = reading.power
        if current is None and power is not None and not delta:
            current = power / volts
        if power is None and current is not None and not delta:
            power = current * volts
        if current is not None:
            currents[line] = current
        if power is not None:
            powers[line] = power
    shown = LineValues.of(powers)
    return Measured(
        voltages=voltages,
        line_to_line=(reading.line_voltage if delta else _between(voltages, grid_type)),
        currents=LineValues.of(currents),
        powers=shown,
        power=shown.total() if reading.power is None else reading.power,
        reactive_power=reading.reactive_power,
        frequency=reading.frequency,
        energy_import=reading.energy_import,
        energy_export=reading.energy_export,
    )


def _between(voltages: LineValues, grid_type: GridType) -> LineValues:
    """Return the voltages between lines that are 120 degrees apart."""
    if grid_type is not GridType.STAR:
        return NO_LINE_VALUES
    pairs = {
        Line.L1: (voltages.l1, voltages.l2),
        Line.L2: (voltages.l2, voltages.l3),
        Line.L3: (voltages.l3, voltages.l1),
    }
    return LineValues.of(
        {
            line: sqrt(one * one + other * other + one * other)
            for line, (one, other) in pairs.items()
            if one is not None and other is not None
        }
    )


class _Image:
    """Registers under construction."""

    def __init__(self) -> None:
        self.words: dict[int, int] = {}
        for first, count in BLOCKS:
            for address in range(first, first + count):
                self.words[address] = 0xFFFF

    def number(self, address: int, value: float | None, step: float) -> None:
        """Store a 32-bit number in steps; what does not fit is not known."""
        raw = UNKNOWN
        if value is not None and abs(scaled := round(value / step)) <= _LARGEST:
            raw = scaled & 0xFFFFFFFF
        self.words[address] = raw >> 16
        self.words[address + 1] = raw & 0xFFFF

    def numbers(
        self, address: int, values: Iterable[float | None], step: float
    ) -> None:
        """Store numbers one after the other."""
        for index, value in enumerate(values):
            self.number(address + 2 * index, value, step)

    def text(self, address: int, count: int, text: str) -> None:
        """Store ASCII, two characters a register, padded with zeros."""
        raw = text.encode("ascii").ljust(2 * count, b"\0")
        for index in range(count):
            self.words[address + index] = int.from_bytes(raw[2 * index : 2 * index + 2])


def registers(measured: Measured) -> Mapping[int, int]:
    """Return every register of the meter, all from the same values."""
    image = _Image()
    _identify(image)
    volts = _three(measured.voltages)
    amperes = [_magnitude(value) for value in _three(measured.currents)]
    watts = _three(measured.powers)
    apparent = [
        None if volt is None or ampere is None else volt * ampere
        for volt, ampere in zip(volts, amperes, strict=True)
    ]
    # Without a reactive power the apparent one is not less than the active one.
    apparent = [
        _magnitude(watt)
        if value is None or (watt is not None and value < abs(watt))
        else value
        for watt, value in zip(watts, apparent, strict=True)
    ]
    total_apparent = _apparent(measured, apparent)
    image.number(50512, 0, 1)
    image.numbers(50514, _three(measured.line_to_line), 0.01)
    image.numbers(50520, volts, 0.01)
    image.number(50526, measured.frequency, 0.001)
    image.numbers(CURRENTS, amperes, 0.001)
    image.number(50534, None, 0.001)
    image.number(50536, measured.power, 10)
    image.number(50538, measured.reactive_power, 10)
    image.number(50540, total_apparent, 10)
    image.number(50542, _factor(measured.power, total_apparent), 0.001)
    image.numbers(50544, watts, 10)
    image.numbers(50550, (None, None, None), 10)
    image.numbers(50556, apparent, 10)
    image.numbers(
        50562,
        [_factor(watt, value) for watt, value in zip(watts, apparent, strict=True)],
        0.001,
    )
    image.number(50568, _mean(amperes), 0.001)
    image.number(50570, _mean(_three(measured.line_to_line)), 0.01)
    image.number(50572, _mean(volts), 0.01)
    image.number(50770, measured.energy_import, 1000)
    image.number(50776, measured.energy_export, 1000)
    image.number(50946, measured.energy_import, 10)
    image.number(50952, measured.energy_export, 10)
    return MappingProxyType(image.words)


def _identify(image: _Image) -> None:
    for address in range(50000, 50080):
        image.words[address] = 0
    for index, letter in enumerate("SOCO"):
        image.words[50000 + index] = ord(letter)
    image.words[50004] = image.words[50005] = _PRODUCT_ORDER
    image.words[50006] = image.words[50007] = _TABLE_VERSION
    image.text(50042, 8, _VENDOR)
    image.text(50050, 8, _PRODUCT)
    image.text(50058, 8, _EXTENDED)


def _three(values: LineValues) -> tuple[float | None, float | None, float | None]:
    return values.l1, values.l2, values.l3


def _magnitude(value: float | None) -> float | None:
    return None if value is None else abs(value)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _apparent(measured: Measured, by_line: Iterable[float | None]) -> float | None:
    """Return the total VA: from P and Q where both are known, else by line."""
    if measured.power is not None and measured.reactive_power is not None:
        return sqrt(measured.power**2 + measured.reactive_power**2)
    known = [value for value in by_line if value is not None]
    if known:
        return max(sum(known), abs(measured.power or 0.0))
    return _magnitude(measured.power)


def _factor(power: float | None, apparent: float | None) -> float | None:
    """Return the power factor, 1 where nothing flows."""
    if power is None or apparent is None:
        return None
    return 1.0 if apparent == 0 else max(-1.0, min(1.0, power / apparent))
