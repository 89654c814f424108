"""What the hours of one source say, and what is wrong with them."""

from .quality import (
    Expectation,
    Fault,
    FaultKind,
    SeriesQuality,
    SourceQuality,
    Thresholds,
)
from .quality_tally import HourTally, SeriesTally


def judge(
    expectation: Expectation,
    names: list[str],
    hours: list[HourTally],
    thresholds: Thresholds,
) -> tuple[SourceQuality, list[Fault]]:
    """Return what the hours of one source say, and what is wrong with them."""
    observed = sum(hour.observed for hour in hours)
    faults: list[Fault] = []
    rows = []
    for name in names:
        tallies = [hour.series[name] for hour in hours if name in hour.series]
        row, wrong = _judge_series(expectation, name, tallies, observed, thresholds)
        rows.append(row)
        faults += wrong
    judged = observed >= thresholds.observed_least
    missing = [fault for fault in faults if fault.kind is FaultKind.MISSING]
    if (judged and not names) or (missing and len(missing) == len(names)):
        # One silent device is one fault, not one for each of its values.
        shares = [1 - fault.amount for fault in missing] or [0.0]
        rest = [fault for fault in faults if fault.kind is not FaultKind.MISSING]
        whole = _fault(expectation, FaultKind.MISSING, 1 - max(shares))
        faults = [whole, *rest]
    if (energy := _energy_fault(hours, thresholds)) is not None:
        faults.append(_fault(expectation, FaultKind.ENERGY, energy))
    offsets = [hour.clock_sum / hour.clock_count for hour in hours if hour.clock_count]
    offset = max(offsets, key=abs, default=None)
    if offset is not None and abs(offset) > thresholds.clock:
        faults.append(_fault(expectation, FaultKind.CLOCK, offset))
    shares = [row.completeness for row in rows if row.completeness is not None]
    believed = [row.plausibility for row in rows if row.plausibility is not None]
    return (
        SourceQuality(
            source=expectation.source,
            name=expectation.name,
            completeness=min(shares, default=0.0 if judged else None),
            plausibility=min(believed, default=None),
            clock_offset=offset,
            series=tuple(rows),
        ),
        faults,
    )


def _judge_series(
    expectation: Expectation,
    name: str,
    tallies: list[SeriesTally],
    observed: float,
    thresholds: Thresholds,
) -> tuple[SeriesQuality, list[Fault]]:
    received = sum(tally.count for tally in tallies)
    expected = int(observed / expectation.period_of(name))
    completeness = min(1.0, received / expected) if expected else None
    implausible = sum(tally.implausible for tally in tallies)
    plausibility = 1 - implausible / received if received else None
    stuck = sum(tally.stuck for tally in tallies)
    faults = []
    if observed >= thresholds.observed_least:
        # One arrival may just lie beyond an end of what was looked at.
        lacking = expected - received > 1
        if (
            lacking
            and completeness is not None
            and completeness < thresholds.completeness
        ):
            share = 1 - completeness
            faults.append(_fault(expectation, FaultKind.MISSING, share, name))
        if plausibility is not None and plausibility < thresholds.plausible:
            share = 1 - plausibility
            faults.append(_fault(expectation, FaultKind.IMPLAUSIBLE, share, name))
        if stuck > 0:
            faults.append(_fault(expectation, FaultKind.STUCK, stuck, name))
    row = SeriesQuality(
        series=name,
        received=received,
        expected=expected,
        completeness=completeness,
        plausibility=plausibility,
    )
    return row, faults


def _fault(
    expectation: Expectation, kind: FaultKind, amount: float, series: str | None = None
) -> Fault:
    return Fault(
        source=expectation.source,
        name=expectation.name,
        kind=kind,
        amount=amount,
        series=series,
    )


def _energy_fault(hours: list[HourTally], thresholds: Thresholds) -> float | None:
    """Return the Wh by which counters and power differ; None: within what is allowed.

    A counter moves in steps: one step is unknown at each end of an unbroken time.
    """
    integral = sum(hour.integral for hour in hours)
    counted = sum(hour.counted for hour in hours)
    throughput = sum(hour.throughput for hour in hours)
    step = max((hour.step for hour in hours), default=0.0)
    breaks = sum(hour.breaks for hour in hours)
    # Many breaks with a coarse counter say nothing; then nothing is claimed.
    allowed = max(
        thresholds.energy * throughput,
        thresholds.energy_least,
        2 * step * (breaks + 1),
    )
    difference = counted - integral
    return difference if abs(difference) > allowed else None
