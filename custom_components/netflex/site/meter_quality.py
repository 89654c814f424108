"""How far a meter can be trusted: its errors, and what its values say against it."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from ..model.connection import GridType
from ..model.phrase import Phrase
from ..model.reading import MeterReading, MeterRole

PHASE_ORDER: Final = "phase_order"
_SAMPLES = 60
_SAMPLE_EVERY = 60.0
"""s between samples: together they look back one hour."""
_LASTING = 10
"""Readings in a row that show the same, before it is said."""
_PATIENCE = {"clock": 60, "frozen": 1}
"""The same where it differs; how long a meter is frozen is counted elsewhere."""
_FROZEN = 300.0
"""s in which every value stays the same, after which a meter is frozen."""
_FROZEN_READINGS = 30
_FROZEN_VALUES = 4
"""Measurements that a reading must have for that: one alone may well stay the same."""
_STRANGE = ((50.0, 150.0), (480.0, 3000.0))
"""V that no live line has: low voltage is 230 V or 400 V, medium voltage above."""
_LIVE = 180.0
"""V above which a line surely is connected."""
_DEAD = 50.0
"""V below which a line of a grid with other lines connected is missing."""
_BALANCE = 0.05
_BALANCE_FLOOR = 100.0
"""W that the sum of the lines may differ from the total; all are rounded to 1 W."""
_APPARENT = 1.1
"""Active power above this share of volts times amperes cannot be."""


class ErrorRate:
    """The share of damaged telegrams in the last hour."""

    def __init__(self) -> None:
        """Know of no telegram yet."""
        self._samples: deque[tuple[float, int, int]] = deque(maxlen=_SAMPLES)

    def rate(self, now: float, good: int, damaged: int) -> float | None:
        """Return the share in % at monotonic `now`; None where there were none."""
        samples = self._samples
        if samples and good + damaged < samples[-1][1] + samples[-1][2]:
            # The source has begun to count anew.
            samples.clear()
        _, good_before, damaged_before = samples[0] if samples else (now, 0, 0)
        if not samples or now - samples[-1][0] >= _SAMPLE_EVERY:
            samples.append((now, good, damaged))
        bad = damaged - damaged_before
        total = good - good_before + bad
        if total:
            return 100.0 * bad / total
        return None if not good + damaged else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a meter's values say against it or its wiring.

    `key` is that of the problem (phase_missing, meter_defective ...).
    """

    key: str
    text: str


class MeterChecks:
    """Looks at a meter's readings; says only what lasts."""

    def __init__(self, role: MeterRole) -> None:
        """Know nothing yet."""
        self._role = role
        self._seen: dict[str, int] = {}
        self._texts: dict[str, tuple[str, str]] = {}
        self._before: MeterReading | None = None
        self._frozen_since: float | None = None
        self._frozen = 0

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What lasts."""
        return tuple(
            Finding(key=key, text=text)
            for check, (key, text) in self._texts.items()
            if self._seen[check] >= _PATIENCE.get(check, _LASTING)
        )

    def take(self, reading: MeterReading, grid_type: GridType | None) -> None:
        """Look at one more reading of a meter on a site of a grid type."""
        before, self._before = self._before, reading
        self._note("phase", "phase_missing", _missing_phase(reading))
        self._note("grid", "grid_type_differs", self._differs(reading, grid_type))
        self._note("clock", "meter_defective", _stands_still(before, reading))
        self._note("balance", "meter_defective", _unbalanced(reading))
        self._note("apparent", "meter_defective", impossible_power(reading))
        self._note("voltage", "meter_ratio", strange_voltage(reading))
        self._note("frozen", "meter_defective", self._is_frozen(before, reading))

    def _note(self, check: str, key: str, text: str | None) -> None:
        if text is None:
            if check in self._seen:
                del self._seen[check], self._texts[check]
            return
        self._seen[check] = self._seen.get(check, 0) + 1
        self._texts[check] = (key, text)

    def _is_frozen(
        self, before: MeterReading | None, reading: MeterReading
    ) -> str | None:
        """Say for how long nothing at all has changed, though there is something."""
        values = _live_values(reading)
        if (
            before is None
            or not reading.power
            or len(values) < _FROZEN_VALUES
            or values != _live_values(before)
        ):
            self._frozen_since, self._frozen = reading.received, 0
            return None
        self._frozen += 1
        since = self._frozen_since
        seconds = 0.0 if since is None else reading.received - since
        if seconds < _FROZEN or self._frozen < _FROZEN_READINGS:
            return None
        return Phrase(
            "frozen",
            "None of its {values} values has changed for {minutes} minutes and more",
            values=str(len(values)),
            minutes=f"{_FROZEN / 60:.0f}",
        )

    def _differs(self, reading: MeterReading, grid_type: GridType | None) -> str | None:
        if (
            self._role is not MeterRole.CONNECTION_POINT
            or grid_type is None
            or reading.grid_type in {None, grid_type}
        ):
            return None
        return Phrase(
            "grid_type_differs",
            "The meter shows a grid of {shown}, the site is set up as {set}. Where the "
            "setting is right, a line is without voltage",
            shown=str(reading.grid_type),
            set=str(grid_type),
        )


def _missing_phase(reading: MeterReading) -> str | None:
    voltages = dict(reading.line_voltage.items())
    if not any(voltage > _LIVE for voltage in voltages.values()):
        return None
    dead = [line for line, voltage in voltages.items() if voltage < _DEAD]
    if not dead:
        return None
    return Phrase("no_voltage", "No voltage on {lines}", lines=", ".join(dead))


def _live_values(reading: MeterReading) -> tuple[float, ...]:
    """Return what changes all the time on a meter that measures."""
    total = reading.power, reading.reactive_power, reading.frequency
    lines = (reading.line_power, reading.line_current, reading.line_voltage)
    return (
        *(value for value in total if value is not None),
        *(value for values in lines for _, value in values.items()),
    )


def strange_voltage(reading: MeterReading) -> str | None:
    """Say which line is live, and at a voltage that no line has; None: none is."""
    strange = [
        f"{line}: {voltage:.1f} V"
        for line, voltage in reading.line_voltage.items()
        if any(low <= voltage < high for low, high in _STRANGE)
    ]
    if not strange:
        return None
    return Phrase("it_measures", "It measures {values}", values=", ".join(strange))


def _stands_still(before: MeterReading | None, reading: MeterReading) -> str | None:
    if (
        before is None
        or reading.meter_time is None
        or reading.meter_time != before.meter_time
    ):
        return None
    return Phrase(
        "clock_stands_still",
        "Its clock stands still at {time}",
        time=f"{reading.meter_time:%Y-%m-%d %H:%M:%S}",
    )


def _unbalanced(reading: MeterReading) -> str | None:
    """Compare the sum of the lines with the total, where every line has a power."""
    if reading.power is None or reading.grid_type is not GridType.STAR:
        return None
    lines = dict(reading.line_power.items())
    if len(lines) != 3:
        return None
    total = sum(lines.values())
    if abs(total - reading.power) <= max(_BALANCE_FLOOR, _BALANCE * abs(total)):
        return None
    return Phrase(
        "not_the_sum",
        "Its total of {total} is not the sum of its lines, {sum}",
        total=f"{reading.power:.0f} W",
        sum=f"{total:.0f} W",
    )


def impossible_power(reading: MeterReading) -> str | None:
    """Say which line has more watts than volt-amperes; None: none has."""
    if reading.grid_type is GridType.DELTA:
        return None
    for line, power in reading.line_power.items():
        voltage, current = reading.line_voltage[line], reading.line_current[line]
        if voltage is None or current is None:
            continue
        possible = voltage * (abs(current) + reading.current_resolution)
        if abs(power) > _APPARENT * possible + _BALANCE_FLOOR:
            return Phrase(
                "impossible_power",
                "{line}: {power} at {voltage} and {current} cannot be",
                line=line,
                power=f"{power:.0f} W",
                voltage=f"{voltage:.1f} V",
                current=f"{current:.2f} A",
            )
    return None
