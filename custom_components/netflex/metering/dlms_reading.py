"""From what a pushed DLMS meter says to a reading: units, signs, and values by age.

Each push brings some of the values. Those of the others stay, each with the time that
it came; what measures power and has come too long ago is left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ..model.connection import NOMINAL_VOLTAGE, GridType, Line, LineValues
from ..model.reading import BreakerState, MeterReading
from .dlms_apdu import Push
from .dlms_axdr import Datum, read_time
from .dlms_objects import EXPECTED_PERIODS, Obis, PushedValue, PushGroup, objects_of

OLD: Final = 2 * EXPECTED_PERIODS[PushGroup.TECHNICAL] + 2.0
"""s after which a power, current or voltage that has not come again is left out."""
OBJECT_LIMIT: Final = 256
"""Objects that are kept of one meter; an E450 pushes some thirty."""

_WATT, _VAR, _WATT_HOUR, _VAR_HOUR, _AMPERE, _VOLT, _HERTZ = 27, 29, 30, 32, 33, 35, 44
_USUAL_CURRENT_PARTS: Final = 100.0
"""Of an ampere, with meters that do not say it, as Landis+Gyr's E450."""
_TELLING_POWER: Final = 300.0
"""W from which a power says something about the parts of the currents."""
_PLAINLY_LESS: Final = 0.7
_HIGHEST_VOLTAGE: Final = 1000.0
"""V; a voltage above it, without a scaler, is in tenths."""
_HIGHEST_FREQUENCY: Final = (100.0, 1000.0)
"""Hz; above these a frequency without a scaler is in tenths, or hundredths."""

_CLOCK: Final = Obis(0, 1, 0, 0)
_TARIFF: Final = Obis(0, 96, 14, 0)
_BREAKER: Final = Obis(0, 96, 3, 10)
_SERIALS: Final = (Obis(0, 96, 1, 0), Obis(0, 96, 1, 1), Obis(0, 42, 0, 0))
_BREAKERS: Final = (
    BreakerState.DISCONNECTED,
    BreakerState.CONNECTED,
    BreakerState.READY,
)
_CURRENTS: Final = (31, 51, 71)
_VOLTAGES: Final = (32, 52, 72)
_FREQUENCY: Final = 14
_QUADRANTS: Final = (5, 6, 7, 8)
_LINE_STEP: Final = 20
"""Between the codes of one line and those of the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """A value and when it came (monotonic s)."""

    value: PushedValue
    received: float


class DlmsValues:
    """The newest value of each object of one meter."""

    def __init__(self, meter_id: str) -> None:
        """Begin without any; `meter_id` names the meter in its readings."""
        self._meter_id = meter_id
        self._known: dict[Obis, _Known] = {}
        self._newest: dict[PushGroup, float] = {}
        self._meter_time: datetime | None = None
        # Of an ampere, where the meter does not say it; fewer once its power says so.
        self._parts = _USUAL_CURRENT_PARTS

    @property
    def newest(self) -> Mapping[PushGroup, float]:
        """When each group came last (monotonic s)."""
        return dict(self._newest)

    def values(self) -> dict[Obis, float | str]:
        """Return the newest value of each object, in its unit where it has one."""
        found: dict[Obis, float | str] = {}
        for code, known in sorted(self._known.items()):
            value: float | str | None = _scaled(code, known.value, self._parts)
            if value is None:
                value = _shown(known.value.datum)
            if value is not None:
                found[code] = value
        return found

    def take(self, push: Push, received: float) -> frozenset[PushGroup]:
        """Keep what a push brings; return the groups of which it has something."""
        objects = objects_of(push.data)
        groups = set()
        for code, value in objects.items():
            if code not in self._known and len(self._known) >= OBJECT_LIMIT:
                continue
            self._known[code] = _Known(value=value, received=received)
            if (group := code.group) is not None:
                groups.add(group)
                self._newest[group] = received
        clock = objects.get(_CLOCK)
        octets = None if clock is None else clock.datum.value
        own = read_time(octets) if isinstance(octets, bytes) else None
        self._meter_time = own or push.time
        currents = (objects.get(Obis(1, line, 7, 0)) for line in _CURRENTS)
        if any(current and current.scaler is None for current in currents):
            self._weigh_currents(received)
        return frozenset(groups)

    def reading(self, received: float) -> MeterReading:
        """Return what is known, as of a push that came at `received`."""
        values = _Values(self._known, received, self._parts)
        line_voltage = values.lines(_VOLTAGES[0], _VOLT, "line_voltage")
        power = values.net(1, 2, _WATT, "power")
        if power is None:
            power = values.get(Obis(1, 16, 7, 0), _WATT, "power")
        return MeterReading(
            meter_id=self._meter_id,
            received=received,
            meter_time=self._meter_time,
            grid_type=_grid_type(line_voltage),
            power=power,
            reactive_power=values.net(3, 4, _VAR, "reactive_power"),
            line_power=values.net_lines(21, 22, "line_power"),
            line_current=values.lines(_CURRENTS[0], _AMPERE, "line_current"),
            line_voltage=line_voltage,
            current_resolution=self._current_resolution(),
            frequency=values.get(Obis(1, _FREQUENCY, 7, 0), _HERTZ, "frequency"),
            energy_import=values.register(1, 0, "energy_import"),
            energy_export=values.register(2, 0, "energy_export"),
            energy_import_tariffs=(
                values.register(1, 1, "energy_import_tariffs"),
                values.register(1, 2, "energy_import_tariffs"),
            ),
            energy_export_tariffs=(
                values.register(2, 1, "energy_export_tariffs"),
                values.register(2, 2, "energy_export_tariffs"),
            ),
            reactive_energy=values.quadrants(),
            tariff=self._tariff(),
            breaker=self._breaker(),
            serial=self._text(_SERIALS),
            measured=values.measured,
            outdated=frozenset(values.outdated),
        )

    def _text(self, codes: tuple[Obis, ...]) -> str | None:
        for code in codes:
            known = self._known.get(code)
            if known is not None and (text := known.value.datum.text):
                return text
        return None

    def _weigh_currents(self, received: float) -> None:
        """Hold currents without a power of ten against the power that they carry.

        Voltage times current is never less than the power: where it seems so, the
        currents are in larger parts. That is kept; too large a current is the safe side.
        """
        reading = self.reading(received)
        power = abs(reading.power or 0.0)
        apparent = sum(
            current * (reading.line_voltage[line] or NOMINAL_VOLTAGE)
            for line, current in reading.line_current.items()
        )
        while (
            self._parts > 1
            and power >= _TELLING_POWER
            and apparent < _PLAINLY_LESS * power
        ):
            self._parts /= 10
            apparent *= 10

    def _current_resolution(self) -> float:
        """Return the step of the currents in A."""
        known = self._known.get(Obis(1, _CURRENTS[0], 7, 0))
        if known is None or known.value.scaler is None:
            return 1 / self._parts
        return 10.0**known.value.scaler

    def _tariff(self) -> int | None:
        """Return the active tariff: 2 of RATE2 or 0002."""
        text = self._text((_TARIFF,)) or ""
        return int(text[-1]) if text[-1:].isdecimal() else None

    def _breaker(self) -> BreakerState | None:
        known = self._known.get(_BREAKER)
        state = None if known is None else known.value.datum.number
        return _BREAKERS[int(state)] if state in {0, 1, 2} else None


class _Values:
    """Looks values up and notes how old they are."""

    def __init__(
        self, known: Mapping[Obis, _Known], received: float, parts: float
    ) -> None:
        self._known = known
        self._parts = parts
        self._received = received
        self.measured: dict[str, float] = {}
        self.outdated: set[str] = set()

    def get(self, code: Obis, unit: int, name: str) -> float | None:
        """Return a value in its unit, None where there is none that can be used."""
        if (known := self._known.get(code)) is None:
            return None
        momentary = code.group is PushGroup.TECHNICAL
        if momentary and self._received - known.received > OLD:
            self.outdated.add(name)
            return None
        if known.value.unit not in {None, unit}:
            return None
        if (value := _scaled(code, known.value, self._parts)) is not None:
            if known.received != self._received:
                oldest = self.measured.get(name, known.received)
                self.measured[name] = min(oldest, known.received)
        return value

    def net(
        self, towards_site: int, towards_grid: int, unit: int, name: str
    ) -> float | None:
        """Return import less injection, None where neither is there."""
        taken = self.get(Obis(1, towards_site, 7, 0), unit, name)
        given = self.get(Obis(1, towards_grid, 7, 0), unit, name)
        if taken is None and given is None:
            return None
        return (taken or 0.0) - (given or 0.0)

    def lines(self, first: int, unit: int, name: str) -> LineValues:
        """Return a quantity by line."""
        found = {}
        for number, line in enumerate(Line):
            code = Obis(1, first + _LINE_STEP * number, 7, 0)
            value = self.get(code, unit, f"{name}.{line}")
            if value is not None:
                found[line] = value
        return LineValues.of(found)

    def net_lines(self, towards_site: int, towards_grid: int, name: str) -> LineValues:
        """Return power by line, import less injection."""
        found = {}
        for number, line in enumerate(Line):
            step = _LINE_STEP * number
            value = self.net(
                towards_site + step, towards_grid + step, _WATT, f"{name}.{line}"
            )
            if value is not None:
                found[line] = value
        return LineValues.of(found)

    def register(self, quantity: int, tariff: int, name: str) -> float | None:
        """Return a counter in Wh."""
        return self.get(Obis(1, quantity, 8, tariff), _WATT_HOUR, name)

    def quadrants(
        self,
    ) -> tuple[float | None, float | None, float | None, float | None]:
        """Return reactive energy in varh by quadrant."""
        first, second, third, fourth = (
            self.get(Obis(1, quantity, 8, 0), _VAR_HOUR, "reactive_energy")
            for quantity in _QUADRANTS
        )
        return first, second, third, fourth


def _scaled(code: Obis, value: PushedValue, parts: float) -> float | None:
    """Return a value in its unit; where the meter names no power of ten, the usual.

    `parts` is how many parts of an ampere a current then counts.
    """
    if (number := value.datum.number) is None:
        return None
    if value.scaler is not None:
        # Divided, so that 2337 tenths are 233.7.
        scaler = value.scaler
        return number * 10.0**scaler if scaler >= 0 else number / 10.0**-scaler
    if code.group is not PushGroup.TECHNICAL:
        return float(number)
    if code.quantity in _CURRENTS:
        return number / parts
    if code.quantity in _VOLTAGES:
        return number / 10.0 if number > _HIGHEST_VOLTAGE else float(number)
    if code.quantity == _FREQUENCY:
        tenths, hundredths = _HIGHEST_FREQUENCY
        return number / (
            100.0 if number > hundredths else 10.0 if number > tenths else 1
        )
    return float(number)


def _shown(datum: Datum) -> str | None:
    """Return what is no number as text: a time, letters, or digits of its octets."""
    if isinstance(octets := datum.value, bytes):
        if (time := read_time(octets)) is not None:
            return time.isoformat()
        text = datum.text
        return text if text is not None and text.isprintable() else octets.hex()
    return datum.text


def _grid_type(voltages: LineValues) -> GridType | None:
    """Return what the voltages show: one line, or three against neutral."""
    present = [line for line, voltage in voltages.items() if voltage]
    if present == [Line.L1]:
        return GridType.SINGLE_PHASE
    return GridType.STAR if len(present) == len(Line) else None
