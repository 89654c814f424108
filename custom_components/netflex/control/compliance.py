"""Compliance: whether each order of the grid operator is kept, as measured.

A record per limit lives in the decision's memory. A measurement counts once, when it
is new; only several in a row prove something, and time in which nobody measures is
neither kept nor violated. What follows from a limit that is not kept is in
`escalation`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import isnan
from typing import Final

from ..model.asset import Direction
from ..model.plan import (
    Compliance,
    ComplianceState,
    Escalation,
    Infeasible,
    Limit,
    Quantity,
    ScopeKind,
    Source,
)
from ..model.snapshot import Clock, ComplianceRules, SiteModel, Snapshot
from .limits import Limits
from .tuning import Tuning

type Key = tuple[str, str | None]
"""Key of a limit's cause and id of its scope."""

_DIRECTIONS: Final = {
    Quantity.IMPORT: Direction.CONSUMPTION,
    Quantity.CONSUMPTION: Direction.CONSUMPTION,
    Quantity.INJECTION: Direction.PRODUCTION,
    Quantity.PRODUCTION: Direction.PRODUCTION,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is remembered of one limit since its order. Times are monotonic s.

    `survives` says what is kept over a restart: of what escalates only the relays,
    which go on until it has been calm for long enough.
    """

    value: float = field(metadata={"survives": True})
    """W of the limit."""
    ordered_at: datetime | None = field(metadata={"survives": True})
    begun: float
    """When it was first judged; not a number while it waits for that after a start."""
    waited: float = 0.0
    """s between the order and `begun`."""
    inside_at: datetime | None = field(default=None, metadata={"survives": True})
    seconds: float | None = field(default=None, metadata={"survives": True})
    violations: int = field(default=0, metadata={"survives": True})
    violation_seconds: float = field(default=0.0, metadata={"survives": True})
    worst: float = field(default=0.0, metadata={"survives": True})
    unmeasured: float = field(default=0.0, metadata={"survives": True})
    resumed: bool = field(default=False, metadata={"survives": True})
    measured: float | None = None
    newest: float | None = None
    """When the newest measurement was made."""
    outside: bool | None = None
    """What the last proof said; None: there was none yet."""
    since: float = 0.0
    """Begin of the present time inside or outside, shifted by what was not measured."""
    doubt: bool | None = None
    """What the newest measurements say against the last proof."""
    doubts: int = 0
    """So many of them in a row."""
    doubt_since: float = 0.0
    steady: int = 0
    """Measurements in a row without a gap."""
    violated: bool = False
    """The present time outside is a violation, and counted."""
    infeasible: bool = False
    """The decision before could do no more about it."""
    rebels: bool = False
    """Something acts against what it was told, or is silent, while it is outside."""
    level: Escalation = Escalation.NONE
    attempts: int = 0
    relapses: int = 0
    trim: float = 0.0
    """W below the limit that the decision aims at."""
    peak: float = 0.0
    """W: the largest excess of the present time outside."""
    outputs: tuple[str, ...] = field(default=(), metadata={"survives": True})
    """Emergency outputs that are driven for it: a restart gives nothing back."""

    def excess(self) -> float:
        """Return the W that the newest measurement is above the limit."""
        return 0.0 if self.measured is None else self.measured - self.value

    def outside_for(self) -> float | None:
        """Return the s of the present time outside, None while it is inside."""
        if not self.outside or self.newest is None:
            return None
        return max(0.0, self.newest - self.since)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One limit of the grid operator with its record."""

    limit: Limit
    direction: Direction
    record: Record
    fresh: bool
    """It is measured now."""
    new: bool
    """It was measured since the decision before."""
    members: frozenset[str] | None = None
    """Assets that a limit on a sum counts; None: the connection point."""

    @property
    def key(self) -> Key:
        """Return what its record is kept under."""
        return key_of(self.limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measurement:
    value: float
    """W in the limit's direction."""
    at: float
    """Monotonic s: of the oldest answer in it."""
    lasts: float
    """s after which the next one comes after a gap."""
    standby: float = 0.0
    """W that assets draw while they do nothing."""


def key_of(limit: Limit) -> Key:
    """Return what a limit's record is kept under."""
    return (limit.cause.key, limit.scope.id)


def judge(
    site: SiteModel,
    snapshot: Snapshot,
    limits: Limits,
    records: Mapping[Key, Record],
    clock: Clock,
    tuning: Tuning,
    *,
    first: bool,
) -> tuple[Judged, ...]:
    """Return each limit of the grid operator with its record brought up to date.

    `first` says that this is the first decision of this program's run.
    """
    result = []
    for limit, members in _operators(limits):
        measurement = _measure(site, snapshot, limit, members, clock, tuning)
        record = records.get(key_of(limit))
        if record is not None and isnan(record.begun):
            record = _resume(record, clock)
        fresh = measurement is not None
        if record is None or record.value != limit.value:
            record = _begin(
                limit, record, measurement, site.compliance, clock, first=first
            )
            new = False
        else:
            new = (
                measurement is not None
                # What was measured before the order says nothing about it.
                and measurement.at >= record.begun
                and (record.newest is None or measurement.at > record.newest)
            )
            if new and measurement is not None:
                record = _take(record, measurement, site.compliance, clock)
        result.append(
            Judged(
                limit=limit,
                direction=_DIRECTIONS[limit.quantity],
                record=record,
                fresh=fresh,
                new=new,
                members=members,
            )
        )
    return tuple(result)


def _operators(limits: Limits) -> Iterator[tuple[Limit, frozenset[str] | None]]:
    for budget in limits.budgets:
        if budget.limit.source in {Source.EMERGENCY_STOP, Source.GRID_OPERATOR}:
            yield budget.limit, budget.members
    for limit in limits.all:
        if limit.source is Source.GRID_OPERATOR and limit.scope.kind is ScopeKind.SITE:
            yield limit, None


def _measure(
    site: SiteModel,
    snapshot: Snapshot,
    limit: Limit,
    members: frozenset[str] | None,
    clock: Clock,
    tuning: Tuning,
) -> _Measurement | None:
    """Return what a limit bounds, None where a part of it is unknown or stale."""
    now = clock.monotonic
    sign = 1.0 if _DIRECTIONS[limit.quantity] is Direction.CONSUMPTION else -1.0
    if members is None:
        reading = snapshot.reading
        if reading is None or now - reading.received > site.meter_timeout:
            return None
        power = reading.power
        if power is None:
            power = reading.line_power.total()
        if power is None:
            return None
        return _Measurement(
            value=sign * power, at=reading.received, lasts=site.meter_timeout
        )
    total, oldest = 0.0, now
    for member in members:
        state = snapshot.states.get(member)
        if state is None or not state.available or state.power is None:
            return None
        at = now if state.at is None else state.at
        if now - at > tuning.asset_timeout:
            return None
        oldest = min(oldest, at)
        total += max(0.0, sign * state.power)
    return _Measurement(
        value=total,
        at=oldest,
        lasts=tuning.asset_timeout,
        standby=tuning.standby * len(members),
    )


def _begin(
    limit: Limit,
    before: Record | None,
    measurement: _Measurement | None,
    rules: ComplianceRules,
    clock: Clock,
    *,
    first: bool,
) -> Record:
    """Return the record of a new order.

    A tighter one goes on with what was done about the one before; it proves nothing
    that it was kept.
    """
    record = Record(
        value=limit.value,
        ordered_at=limit.since or clock.utc,
        begun=clock.monotonic,
        resumed=first and before is None and limit.since is not None,
    )
    if before is not None and limit.value < before.value:
        record = replace(
            record,
            level=before.level,
            attempts=before.attempts,
            relapses=before.relapses,
            outputs=before.outputs,
        )
    if measurement is None:
        return record
    record = replace(record, measured=measurement.value, newest=measurement.at)
    if _is_outside(record, measurement, rules):
        # It was measured before anybody could have obeyed.
        return record
    return replace(record, doubt=False, doubts=1, doubt_since=clock.monotonic, steady=1)


def _is_outside(
    record: Record, measurement: _Measurement, rules: ComplianceRules
) -> bool:
    allowed = max(rules.band, rules.tolerance * record.value, measurement.standby)
    return record.excess() > allowed


def _resume(record: Record, clock: Clock) -> Record:
    """Return a stored record that goes on now; nothing was measured meanwhile."""
    waited = 0.0
    if record.ordered_at is not None:
        waited = max(0.0, (clock.utc - record.ordered_at).total_seconds())
    return replace(record, begun=clock.monotonic, waited=waited)


def _take(
    record: Record, measurement: _Measurement, rules: ComplianceRules, clock: Clock
) -> Record:
    """Return the record after one new measurement."""
    at = measurement.at
    passed = at - (record.begun if record.newest is None else record.newest)
    gap = passed > measurement.lasts
    fresh_order = record.outside is None and record.steady == 0
    record = replace(
        record,
        measured=measurement.value,
        newest=at,
        steady=1 if gap else record.steady + 1,
        unmeasured=record.unmeasured + (passed if gap else 0.0),
        since=record.since + (passed if gap else 0.0),
    )
    outside = _is_outside(record, measurement, rules)
    if outside is record.outside:
        if record.doubts:
            record = replace(record, doubt=None, doubts=0)
    elif record.doubt is outside and not gap:
        record = replace(record, doubts=record.doubts + 1)
    else:
        since = record.begun if fresh_order and not gap else at
        record = replace(record, doubt=outside, doubts=1, doubt_since=since)
    if record.doubts >= rules.samples:
        record = _prove(record, outside=outside, clock=clock)
    return _count(record, 0.0 if gap else passed, rules)


def _prove(record: Record, *, outside: bool, clock: Clock) -> Record:
    """Return the record at the beginning of a time inside or outside."""
    record = replace(
        record,
        outside=outside,
        since=record.doubt_since,
        doubt=None,
        doubts=0,
        violated=False,
    )
    if outside:
        relapse = record.level > Escalation.NONE and record.inside_at is not None
        return replace(record, relapses=record.relapses + relapse, peak=0.0)
    if record.inside_at is None:
        ago = timedelta(seconds=clock.monotonic - record.since)
        record = replace(
            record,
            inside_at=clock.utc - ago,
            seconds=record.waited + record.since - record.begun,
        )
    return record


def _count(record: Record, passed: float, rules: ComplianceRules) -> Record:
    """Return the record with the time since the last measurement laid to it."""
    outside_for = record.outside_for()
    if outside_for is None or record.newest is None:
        return record
    late = record.waited + record.newest - record.begun - rules.deadline
    record = replace(record, peak=max(record.peak, record.excess()))
    if not record.violated:
        if record.inside_at is None and late <= 0:
            return record
        passed = outside_for if record.inside_at is not None else late
        record = replace(record, violated=True, violations=record.violations + 1)
    return replace(
        record,
        violation_seconds=record.violation_seconds + passed,
        worst=max(record.worst, record.excess()),
    )


def settled(
    judged: tuple[Judged, ...], infeasible: tuple[Infeasible, ...]
) -> dict[Key, Record]:
    """Return the records to remember; what the plan cannot meet is noted on them."""
    missing = {key_of(item.limit) for item in infeasible}
    return {
        item.key: (
            item.record
            if item.record.infeasible is (item.key in missing)
            else replace(item.record, infeasible=item.key in missing)
        )
        for item in judged
    }


def figures(
    judged: tuple[Judged, ...], infeasible: tuple[Infeasible, ...]
) -> tuple[Compliance, ...]:
    """Return what the plan says of each order."""
    missing = {key_of(item.limit) for item in infeasible}
    return tuple(
        Compliance(
            name=item.limit.cause.key,
            limit=item.limit,
            ordered_at=item.record.ordered_at,
            state=_state(item, infeasible=item.key in missing),
            level=item.record.level,
            measured=item.record.measured if item.fresh else None,
            inside_at=item.record.inside_at,
            seconds=item.record.seconds,
            outside_for=item.record.outside_for(),
            violations=item.record.violations,
            violation_seconds=item.record.violation_seconds,
            worst=item.record.worst,
            unmeasured_seconds=item.record.unmeasured,
            outputs=item.record.outputs,
            resumed=item.record.resumed,
        )
        for item in judged
    )


def _state(item: Judged, *, infeasible: bool) -> ComplianceState:
    record = item.record
    if not item.fresh:
        return ComplianceState.UNKNOWN
    if record.outside is False:
        return ComplianceState.INSIDE
    if record.outside and infeasible and not record.rebels:
        return ComplianceState.INFEASIBLE
    if record.violated:
        return ComplianceState.VIOLATED
    if record.inside_at is not None:
        return ComplianceState.INSIDE
    return ComplianceState.PENDING
