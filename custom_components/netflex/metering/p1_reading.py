"""From a P1 telegram to a reading: signs, the grid type, and the lines of a delta grid."""

from dataclasses import dataclass, replace
from typing import Self

from ..model.connection import NO_LINE_VALUES, GridType, Line, LineValues
from ..model.reading import MeterReading
from .p1_objects import Telegram

_MISSING_VOLTAGE = 30.0
"""V below which the second line of a three-phase meter shows no voltage."""
_PRESENT_VOLTAGE = 180.0
_LOADED_LINE = 1.0
"""A: a delta meter that prints no second current above this does not measure it."""
_CONSECUTIVE = 5
"""Telegrams in a row that prove a grid type that the meter does not name."""
_NOTHING_ESTIMATED: frozenset[str] = frozenset()
_ESTIMATED_L2 = frozenset({"line_current.L2"})


def apparent_grid_type(telegram: Telegram) -> GridType | None:
    """Return the grid type that one telegram shows, None where it shows nothing.

    A meter that prints the first line alone is single-phase. Others name their grid
    type from e-MUCS-P1 2.1 on. Before that, a second line without voltage between two
    that have it is a delta grid: its meter prints U12, 000.0 and U32.
    """
    voltage, current = telegram.line_voltage, telegram.line_current
    lines = {line for values in (voltage, current) for line, _ in values.items()}
    if lines == {Line.L1}:
        return GridType.SINGLE_PHASE
    if telegram.grid_type is not None or not lines:
        return telegram.grid_type
    outer = min(voltage.l1 or 0.0, voltage.l3 or 0.0)
    if outer > _PRESENT_VOLTAGE and (voltage.l2 or 0.0) < _MISSING_VOLTAGE:
        return GridType.DELTA
    return GridType.STAR


@dataclass(frozen=True, slots=True, kw_only=True)
class GridRecognition:
    """What a row of telegrams has shown about the grid.

    A grid type is changed only after several telegrams that agree: one with a second
    line without voltage may be a fault of the grid. `second_line_measured` says that
    the current of the second line has been seen, so that a printed zero is one.
    """

    grid_type: GridType | None = None
    proven: bool = False
    second_line_measured: bool = False
    candidate: GridType | None = None
    seen: int = 0

    def after(self, telegram: Telegram) -> Self:
        """Return what is known after one more telegram."""
        measured = self.second_line_measured or bool(telegram.line_current.l2)
        if (apparent := apparent_grid_type(telegram)) is None:
            return replace(self, second_line_measured=measured)
        seen = self.seen + 1 if apparent is self.candidate else 1
        proves = seen >= _CONSECUTIVE or telegram.grid_type is apparent
        return replace(
            self,
            grid_type=apparent if proves or not self.proven else self.grid_type,
            proven=self.proven or proves,
            second_line_measured=measured,
            candidate=apparent,
            seen=min(seen, _CONSECUTIVE),
        )


def to_reading(
    telegram: Telegram,
    *,
    meter_id: str,
    received: float,
    recognition: GridRecognition | None = None,
) -> MeterReading:
    """Return a telegram as a reading; `received` is monotonic s of its last byte.

    Without a `recognition` the grid type is what this telegram shows. In a delta grid
    the second voltage and the second power are left out: the meter measures U12 and U32
    and, with them, two powers whose sum is right and that belong to no line alone.
    """
    if recognition is None:
        recognition = GridRecognition().after(telegram)
    grid_type = recognition.grid_type
    delta = grid_type is GridType.DELTA
    voltage = telegram.line_voltage
    current = _delta_current(telegram, recognition) if delta else telegram.line_current
    power = _net_lines(telegram.line_power_import, telegram.line_power_export)
    return MeterReading(
        meter_id=meter_id,
        received=received,
        meter_time=telegram.time,
        grid_type=grid_type,
        power=_net(telegram.power_import, telegram.power_export),
        reactive_power=_net(telegram.reactive_import, telegram.reactive_export),
        line_power=replace(power, l2=None) if delta else power,
        line_current=current,
        line_voltage=replace(voltage, l2=None) if delta else voltage,
        current_resolution=telegram.current_resolution,
        frequency=telegram.frequency,
        energy_import=_total(telegram.energy_import_total, telegram.energy_import),
        energy_export=_total(telegram.energy_export_total, telegram.energy_export),
        energy_import_tariffs=telegram.energy_import,
        energy_export_tariffs=telegram.energy_export,
        tariff=telegram.tariff,
        quarter_demand=telegram.quarter_demand,
        month_peak=telegram.month_peak,
        peak_history=telegram.peak_history,
        breaker=telegram.breaker,
        power_threshold=telegram.power_threshold,
        fuse_threshold=telegram.fuse_threshold,
        message=telegram.message,
        sub_meters=telegram.sub_meters,
        version=telegram.version,
        serial=telegram.serial,
        ean=telegram.ean,
        estimated=(
            _ESTIMATED_L2
            if current is not telegram.line_current
            else _NOTHING_ESTIMATED
        ),
    )


def _delta_current(telegram: Telegram, recognition: GridRecognition) -> LineValues:
    """Return the line currents of a delta grid, all of them measured or an upper bound.

    Some meters print 0 for the second line, or nothing. Kirchhoff bounds it by the sum
    of the other two. It is never computed from power and voltage. Whole amperes hide a
    current below the first one.
    """
    current = telegram.line_current
    if current.l2 or recognition.second_line_measured:
        return current
    if current.l1 is None and current.l3 is None:
        return current
    others = (current.l1 or 0.0, current.l3 or 0.0)
    hidden = current.l2 is None or telegram.current_resolution >= 1.0
    if hidden or max(others) > _LOADED_LINE:
        return replace(current, l2=sum(others))
    return current


def _net(towards_site: float | None, towards_grid: float | None) -> float | None:
    """Return import positive, injection negative; one of the two is usually zero."""
    if towards_site is None and towards_grid is None:
        return None
    return (towards_site or 0.0) - (towards_grid or 0.0)


def _net_lines(towards_site: LineValues, towards_grid: LineValues) -> LineValues:
    if towards_site is NO_LINE_VALUES and towards_grid is NO_LINE_VALUES:
        return NO_LINE_VALUES
    return LineValues(
        l1=_net(towards_site.l1, towards_grid.l1),
        l2=_net(towards_site.l2, towards_grid.l2),
        l3=_net(towards_site.l3, towards_grid.l3),
    )


def _total(
    total: float | None, tariffs: tuple[float | None, float | None]
) -> float | None:
    if total is not None:
        return total
    present = [tariff for tariff in tariffs if tariff is not None]
    return sum(present) if present else None
