"""Escalation: what follows when a limit of the grid operator is not kept.

Steps come at the user's deadlines and only on a new measurement after others in a
row: never on a stale or single one. What cannot be met is not escalated (safety rule
S19), unless something does not do what it was told; and every step has a way back.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from ..model.asset import Asset, Direction, EmergencyOutput, Nature
from ..model.plan import Cause, Escalation, Quantity, ScopeKind, Source
from ..model.snapshot import ComplianceRules, SiteModel
from . import explain
from .compliance import Judged, Record
from .stops import acts_in
from .tuning import Tuning
from .units import Unit

_SITE_STEPS = frozenset(Escalation)
_ASSET_STEPS = _SITE_STEPS - {Escalation.TIGHTEN, Escalation.OPEN_LOOP}
_STOP_STEPS = _ASSET_STEPS - {Escalation.RELAY}

_MOST_RELAPSES = 4
"""The time to calm down is doubled at most this often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Actions:
    """What the steps that have been reached change in a decision."""

    trims: Mapping[Quantity, float] = field(default_factory=dict)
    """W to aim below a limit of the connection point."""
    open_loop: frozenset[Quantity] = frozenset()
    attempts: Mapping[Direction, int] = field(default_factory=dict)
    outputs: Mapping[str, Cause] = field(default_factory=dict)
    """Emergency outputs that act, by id."""
    cut: Mapping[str, tuple[Direction, Cause]] = field(default_factory=dict)
    """Assets behind them, by id."""


def escalate(
    site: SiteModel,
    units: list[Unit],
    judged: tuple[Judged, ...],
    now: float,
    tuning: Tuning,
) -> tuple[Judged, ...]:
    """Return the orders with the steps that are due now."""
    result = []
    for item in judged:
        record = _step(site, units, item, now, tuning)
        result.append(item if record is item.record else replace(item, record=record))
    return tuple(result)


def _step(
    site: SiteModel, units: list[Unit], item: Judged, now: float, tuning: Tuning
) -> Record:
    record, rules = item.record, site.compliance
    if not item.new or record.steady < rules.samples or record.doubts:
        return record
    if record.outside:
        return _harder(site, units, item, now, tuning)
    if record.outside is False and record.level > Escalation.NONE:
        return _softer(item, rules)
    return record


def _harder(
    site: SiteModel, units: list[Unit], item: Judged, now: float, tuning: Tuning
) -> Record:
    record, rules = item.record, site.compliance
    rebels = disobedient(site, units, item.direction, now, tuning)
    if item.members is not None:
        rebels &= item.members
    deadlines = _deadlines(item, rules)
    level = _due(item, deadlines)
    if record.infeasible and not rebels and level > Escalation.RETRY:
        level = record.level
    trim = record.trim
    if level >= Escalation.TIGHTEN and item.members is None and not record.infeasible:
        trim = min(record.peak, trim + tuning.tighten_gain * record.excess())
    outputs = record.outputs
    if level >= Escalation.RELAY and Escalation.RELAY in deadlines:
        outputs = tuple(
            output.asset_id
            for output in site.outputs
            if output.asset_id in record.outputs
            or (
                usable(site, output, item.direction)
                and not rebels.isdisjoint(output.assets)
            )
        )
    return replace(
        record,
        rebels=bool(rebels),
        level=level,
        attempts=record.attempts + (level > record.level),
        trim=trim,
        outputs=outputs,
    )


def _softer(item: Judged, rules: ComplianceRules) -> Record:
    """Return the record one step back, once it has been calm for long enough."""
    record = item.record
    calm = rules.calm * 2 ** min(record.relapses, _MOST_RELAPSES)
    if record.level is Escalation.RELAY and record.outputs:
        calm = max(calm, rules.relay_back)
    if record.newest is None or record.newest - record.since < calm:
        return record
    level = max(
        (step for step in _deadlines(item, rules) if step < record.level),
        default=Escalation.NONE,
    )
    return replace(
        record,
        level=level,
        since=record.newest,
        trim=record.trim if level >= Escalation.TIGHTEN else 0.0,
        outputs=record.outputs if level >= Escalation.RELAY else (),
    )


def _deadlines(item: Judged, rules: ComplianceRules) -> dict[Escalation, float]:
    """Return the steps that there are for a limit, with their deadlines."""
    if item.limit.source < Source.FUSE:
        steps = _STOP_STEPS
    elif item.limit.scope.kind is ScopeKind.SITE:
        steps = _SITE_STEPS
    else:
        steps = _ASSET_STEPS
    deadlines = {
        Escalation.RETRY: rules.retry,
        Escalation.TIGHTEN: rules.tighten,
        Escalation.OPEN_LOOP: rules.open_loop,
        Escalation.RELAY: rules.relay if rules.relay_allowed else None,
        Escalation.REPAIR: rules.repair,
    }
    return {
        step: deadline
        for step, deadline in deadlines.items()
        if deadline is not None and step in steps
    }


def _due(item: Judged, deadlines: Mapping[Escalation, float]) -> Escalation:
    """Return the next step if its deadline has passed, else the present one.

    One step at a time: the next measurement says whether it was enough.
    """
    level = item.record.level
    outside_for = item.record.outside_for() or 0.0
    due = [
        step
        for step, deadline in deadlines.items()
        if step > level and outside_for >= deadline
    ]
    return min(due, default=level)


def usable(site: SiteModel, output: EmergencyOutput, direction: Direction) -> bool:
    """Return whether a relay may act: it is known what it cuts off, and all may be."""
    return (
        direction in output.stops
        and bool(output.assets)
        and not any(
            site.assets[asset_id].never_shed
            for asset_id in output.assets
            if asset_id in site.assets
        )
    )


def disobedient(
    site: SiteModel,
    units: Iterable[Unit],
    direction: Direction,
    now: float,
    tuning: Tuning,
) -> frozenset[str]:
    """Return the assets that act against what they were told, or do not answer.

    An asset without control counts where a relay that may be used would end what it
    does. Who was told something new gets the time to follow.
    """
    reached = frozenset[str]()
    if site.compliance.relay_allowed:
        reached = reached.union(
            *(o.assets for o in site.outputs if usable(site, o, direction))
        )
    return frozenset(
        unit.asset.id
        for unit in units
        if _disobeys(unit, direction, now, tuning, reached=unit.asset.id in reached)
    )


def _disobeys(
    unit: Unit, direction: Direction, now: float, tuning: Tuning, *, reached: bool
) -> bool:
    asset, past, state = unit.asset, unit.past, unit.state
    if not acts_in(asset, direction):
        return False
    if state is None:
        return asset.controllable or reached
    if state.power is None and not unit.movable:
        return False
    sign = 1.0 if direction is Direction.CONSUMPTION else -1.0
    power = sign * (unit.measured if state.power is None else state.power)
    if power <= tuning.disobedience:
        return False
    if not asset.controllable:
        return reached
    if not past.told or (
        past.changed is not None and now - past.changed < tuning.settle
    ):
        return False
    allowed = _allowed(unit, asset, sign)
    return power > allowed * (1 + tuning.obedience) + tuning.disobedience


def _allowed(unit: Unit, asset: Asset, sign: float) -> float:
    """Return the W of a direction that an asset's newest setpoint allows."""
    told = unit.past.value
    if asset.nature is Nature.CHARGER:
        if sign < 0:
            return asset.rated_production if told else 0.0
        return (told or 0.0) * unit.watts
    if asset.nature is Nature.LOAD:
        return asset.rated_consumption if told else 0.0
    if asset.nature is Nature.INVERTER:
        return asset.rated_production if told is None else told
    return max(0.0, sign * (told or 0.0))


def actions(site: SiteModel, judged: tuple[Judged, ...]) -> Actions:
    """Return what the steps that have been reached change in this decision."""
    trims: dict[Quantity, float] = {}
    open_loop = set()
    attempts: dict[Direction, int] = {}
    outputs: dict[str, Cause] = {}
    cut: dict[str, tuple[Direction, Cause]] = {}
    for item in judged:
        record = item.record
        if record.attempts:
            before = attempts.get(item.direction, 0)
            attempts[item.direction] = before + record.attempts
        if item.members is None:
            # Without a measurement nobody knows what is still too much.
            if record.trim and item.fresh:
                trims[item.limit.quantity] = record.trim
            if record.level >= Escalation.OPEN_LOOP:
                open_loop.add(item.limit.quantity)
        for output in site.outputs:
            if output.asset_id in record.outputs:
                cause = explain.cut_off(item.limit.cause)
                outputs[output.asset_id] = cause
                cut |= dict.fromkeys(output.assets, (item.direction, cause))
    return Actions(
        trims=trims,
        open_loop=frozenset(open_loop),
        attempts=attempts,
        outputs=outputs,
        cut=cut,
    )


def cut_off(units: Iterable[Unit], actions: Actions) -> None:
    """Bound the assets that a relay cuts off."""
    for unit in units:
        if (found := actions.cut.get(unit.asset.id)) is None:
            continue
        direction, cause = found
        if direction is Direction.CONSUMPTION or unit.asset.nature is Nature.CHARGER:
            unit.narrow_high(0.0, cause)
        if direction is Direction.PRODUCTION:
            unit.narrow_low(0.0, cause)
