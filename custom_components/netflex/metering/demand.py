"""The quarter hour, its forecast and the month's peak, followed reading by reading.

Everything is on the meter's own clock, since that is the one that is billed. A meter
from e-MUCS-P1 1.7 on prints the running average (1-0:1.4.0). For others it comes from
the import registers, in which 1 Wh is 4 W of a quarter hour; a meter that has neither
has its power integrated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypedDict

from ..model.demand import MINIMUM_PEAK, QUARTER, MinimumRule, QuarterDemand
from ..model.reading import MeterReading, MonthPeak

_HOUR = 3600.0
_PER_QUARTER = _HOUR / QUARTER
"""W of a quarter hour for 1 Wh."""
_BRIDGED = 15.0
"""s between two readings that still count as having watched what lies between."""
_LAG = 5.0
"""s at the start of a quarter in which a meter may still print the last one's demand."""
_LAG_MARGIN = 20.0
"""W that a printed demand may lie above the registers before it counts as lagging."""
_MONTHS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandMemory:
    """What has to be remembered between readings; an immutable value.

    `time` is s since 1970 on the meter's clock. Quarters are counted in it, so that
    neither change to or from summer time repeats or skips one. `counter` counts import
    in Wh since the first reading, `quarter_start` is its value at the start of the
    running quarter, which is exact if `whole`.
    """

    time: float | None = None
    counter: float = 0.0
    quarter_start: float = 0.0
    whole: bool = False
    register: float | None = None
    power: float | None = None
    finished: float | None = None
    month: tuple[int, int] | None = None
    peak: MonthPeak | None = None
    """Highest quarter of the running month that was observed whole."""
    months: tuple[MonthPeak, ...] = ()
    """The same of the months before, oldest first, for meters without a history."""


NO_MEMORY = DemandMemory()


def follow(
    memory: DemandMemory, reading: MeterReading, now: datetime | None = None
) -> tuple[DemandMemory, QuarterDemand | None]:
    """Return the memory after a reading, and the demand that the reading shows.

    `now` is aware local time, for meters without a clock of their own. A reading
    without any time, or with neither power nor register nor demand, shows nothing and
    changes nothing.
    """
    when = reading.meter_time or now
    measured = (reading.power, reading.energy_import, reading.quarter_demand)
    if when is None or all(value is None for value in measured):
        return memory, None
    time = when.timestamp()
    elapsed = time % QUARTER
    power = None if reading.power is None else max(reading.power, 0.0)
    counter, known = _count(memory, reading.energy_import, power, time)
    quarter_start, whole, ended = _quarter(memory, time, counter, known, power)
    average = (counter - quarter_start) * _PER_QUARTER
    printed = reading.quarter_demand
    lags = whole and elapsed < _LAG
    if printed is not None and not (lags and printed > average + _LAG_MARGIN):
        average, whole = printed, True
        quarter_start = counter - printed / _PER_QUARTER
    start = when - timedelta(seconds=elapsed)
    after = DemandMemory(
        time=time,
        counter=counter,
        quarter_start=quarter_start,
        whole=whole,
        register=reading.energy_import,
        power=power,
        finished=ended if _is_new_quarter(memory, time) else memory.finished,
        month=(start.year, start.month),
        **_peaks(memory, start, ended),
    )
    if power is None:
        power = average * QUARTER / elapsed if elapsed else 0.0
    return after, QuarterDemand(
        start=start,
        elapsed=elapsed,
        average=average,
        power=power,
        complete=whole,
        month_peak=_printed_peak(reading, start) or after.peak,
        finished=after.finished,
    )


def _is_new_quarter(memory: DemandMemory, time: float) -> bool:
    return memory.time is None or memory.time // QUARTER != time // QUARTER


def _count(
    memory: DemandMemory, register: float | None, power: float | None, time: float
) -> tuple[float, bool]:
    """Return the counter now, and whether what happened since then is known.

    Registers bridge a gap of any length. Power bridges only a short one.
    """
    if memory.time is None:
        return 0.0, False
    if register is not None and memory.register is not None:
        imported = register - memory.register
        return memory.counter + max(imported, 0.0), imported >= 0
    seconds = max(time - memory.time, 0.0)
    held = power if memory.power is None else memory.power
    imported = (held or 0.0) * seconds / _HOUR
    return memory.counter + imported, held is not None and seconds <= _BRIDGED


def _quarter(
    memory: DemandMemory,
    time: float,
    counter: float,
    known: bool,
    power: float | None,
) -> tuple[float, bool, float | None]:
    """Return where the running quarter began, whether exactly, and what has ended.

    What has ended is the demand in W of the quarter before, None where no quarter has
    ended or it was not observed whole.
    """
    quarter = time // QUARTER
    before = None if memory.time is None else memory.time // QUARTER
    if memory.time is None or before is None or quarter < before:
        # The first reading, or a clock that was set back: what was imported in this
        # quarter before is taken to be as it is now.
        unseen = (power or 0.0) * (time % QUARTER) / _HOUR
        return counter - unseen, False, None
    if quarter == before:
        return memory.quarter_start, memory.whole and known, None
    gap = time - memory.time
    rate = (counter - memory.counter) / gap
    watched = known and gap <= _BRIDGED
    start = counter - rate * (time - quarter * QUARTER)
    if not (watched and memory.whole and quarter == before + 1):
        return start, watched, None
    return start, watched, (start - memory.quarter_start) * _PER_QUARTER


class _Peaks(TypedDict):
    peak: MonthPeak | None
    months: tuple[MonthPeak, ...]


def _peaks(memory: DemandMemory, start: datetime, ended: float | None) -> _Peaks:
    """Return the peaks after the quarter that has ended, if one has."""
    month = (start.year, start.month)
    peak = memory.peak
    if ended is not None and (peak is None or ended > peak.power):
        peak = MonthPeak(power=ended, at=start)
    if memory.month is None or month == memory.month:
        return {"peak": peak, "months": memory.months}
    if month < memory.month or peak is None:
        return {"peak": None, "months": memory.months}
    year, number = memory.month
    month_end = start.replace(
        year=year + number // 12, month=number % 12 + 1, day=1, hour=0, minute=0
    )
    closed = MonthPeak(power=peak.power, at=peak.at, month_end=month_end)
    return {"peak": None, "months": (*memory.months, closed)[-_MONTHS:]}


def _printed_peak(reading: MeterReading, start: datetime) -> MonthPeak | None:
    """Return the month's peak as the meter prints it, if it is of this month.

    Its stamp is the end of its quarter, so midnight of the first belongs to the month
    before.
    """
    peak = reading.month_peak
    if peak is None or peak.at is None:
        return None
    within = peak.at - timedelta(seconds=1)
    return peak if (within.year, within.month) == (start.year, start.month) else None


def billed_peak(
    history: Sequence[MonthPeak],
    running: MonthPeak | None = None,
    *,
    minimum: float = MINIMUM_PEAK,
    rule: MinimumRule = MinimumRule.PER_MONTH,
) -> float | None:
    """Return the mean in W of the last twelve monthly peaks, the running month's too.

    Months before the meter was in service do not count. None where there is no month.
    """
    finished = [peak.power for peak in history if _measured(peak)]
    powers = finished if running is None else [*finished, running.power]
    powers = powers[-_MONTHS:]
    if not powers:
        return None
    if rule is MinimumRule.PER_MONTH:
        return sum(max(power, minimum) for power in powers) / len(powers)
    return max(sum(powers) / len(powers), minimum)


def _measured(peak: MonthPeak) -> bool:
    """Whether a month was measured: before, meters print 0 W and no time within it."""
    if peak.power > 0 or peak.month_end is None:
        return True
    month_start = (peak.month_end - timedelta(days=1)).replace(day=1)
    return peak.at is not None and peak.at > month_start


def yearly_cost(billed: float, price: float) -> float:
    """Return what a billed peak in W costs a year at a price per kW and year."""
    return billed / 1000 * price
