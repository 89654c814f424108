"""The decision: limits, wishes, sharing, shaping and causes, in one pure function."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from ..model.asset import Direction, HeatPumpState, Nature
from ..model.connection import Line, LineValues
from ..model.orders import Stops
from ..model.plan import (
    Cause,
    Headroom,
    Limit,
    Plan,
    Quantity,
    Scope,
    ScopeKind,
    Setpoint,
    SetpointKind,
    Source,
)
from ..model.snapshot import Clock, SiteModel, Snapshot
from . import (
    capacity as capacity_,
    compliance,
    escalation,
    explain,
    feeders,
    island,
    limits as limits_,
    modes,
    overloads,
    overrides,
    phases,
    reactive,
    trip,
    unbalance,
    units as units_,
    unlimited,
)
from .allocate import Capacities, allocate
from .balance import balance, capacities
from .bank import Bank, bank_of
from .batteries import set_batteries
from .compliance import Judged
from .escalation import Actions
from .estimate import Picture, picture
from .flows import Balance, set_curtailed
from .infeasible import find_infeasible
from .inverters import set_inverters
from .layout import layout_of
from .limits import Limits
from .memory import AssetMemory, Memory
from .shape import (
    Moment,
    drawn_by,
    remembered,
    safe_current,
    shape_charger,
    shape_inverter,
    shape_load,
)
from .stops import acts_in, relay_states, unreached
from .tuning import DEFAULT, Tuning
from .units import Unit, at_reserve, is_full
from .wishes import remember_appetite

_REBOUND = 0.5
"""Share of the main fuse that comes back per minute, where the site says nothing."""
_LONGEST_STEP = 5.0
"""s: a ramp does not make up for a longer pause between two decisions."""


def decide(
    site: SiteModel,
    snapshot: Snapshot,
    memory: Memory,
    clock: Clock,
    tuning: Tuning = DEFAULT,
) -> tuple[Plan, Memory]:
    """Return what every asset shall do now, and what to remember for the next time.

    Pure: the same arguments give the same result. Every controllable asset has a
    setpoint in the plan, and every emergency output has one too.
    """
    now = clock.monotonic
    away = island.without_grid(snapshot)
    snapshot = overrides.in_force(island.in_force(site, snapshot), clock)
    limits = limits_.collect(site, snapshot)
    layout = layout_of(site)
    returned = memory.without_grid and not away
    memory = replace(memory, grid_back=True) if returned else memory
    units = units_.build(
        layout, snapshot, memory, clock, tuning, limits, grid_back=returned
    )
    island.bound(site, snapshot, units)
    seen = picture(layout, snapshot, units, memory, clock, tuning)
    feeders.reckon(layout, snapshot, units, seen, memory, now)
    judged = compliance.judge(
        site,
        snapshot,
        limits,
        memory.orders,
        clock,
        tuning,
        first=memory.started is None,
    )
    judged = escalation.escalate(site, units, judged, now, tuning)
    actions = unlimited.switched_off(site, limits, escalation.actions(site, judged))
    escalation.cut_off(units, actions)
    actions = overrides.tested(site, snapshot, units, actions)
    _go_safe(units, seen, site)
    grid = site.connection.grid_type
    overloads.tighten(seen, units, snapshot.overloads, grid, now, tuning)
    set_curtailed(units)
    modes.apply(units, seen, memory, clock, tuning)
    elapsed = min(_LONGEST_STEP, now - (now if memory.at is None else memory.at))
    stress = trip.stress(layout, seen, memory, elapsed)
    flows = balance(site, units, seen, limits, memory, now, tuning, actions, stress)
    held = capacity_.held(site, snapshot, seen, tuning)
    flows.shaved = capacity_.shaved(site, held)
    moment = Moment(
        now=now,
        elapsed=elapsed,
        fresh=seen.fresh,
        ramp=_ramp(site, units),
        tuning=tuning,
        last_start=memory.last_start,
        last_start_power=memory.last_start_power,
        rebound=_rebound(site),
        blind=feeders.blind(layout, seen),
    )
    left = _share_out(flows, held, now, tuning)
    pasts = _shape_consumers(units, moment)
    phases.choose(layout, units, left, pasts, moment)
    bank = bank_of(layout, snapshot, units, clock, elapsed, tuning)
    set_batteries(flows, tuning, bank)
    unbalance.set_batteries(flows)
    set_inverters(flows)
    unbalance.set_inverters(flows)
    for unit in units:
        if unit.asset.nature is Nature.INVERTER:
            pasts[unit.asset.id] = shape_inverter(unit, unit.past, moment)
    known = memory.setpoints
    plan = _plan(site, snapshot, clock, limits, flows, moment, judged, actions, known)
    plan = capacity_.shown(plan, held, units)
    if bank is not None:
        plan = _with_programmes(plan, bank, clock)
    after = _memory(memory, plan, units, pasts, seen, snapshot, moment, judged)
    plan, after = reactive.spread(
        site, snapshot, units, seen, plan, memory, after, tuning
    )
    return plan, replace(after, stress=stress) if stress else after


def _with_programmes(plan: Plan, bank: Bank, clock: Clock) -> Plan:
    """Return the plan with how programmes stand, and when their schedules change."""
    changes = [] if plan.next_change is None else [plan.next_change]
    if (until := bank.until) is not None:
        changes.append(clock.monotonic + (until - clock.utc).total_seconds())
    return replace(
        plan, programmes=bank.states(), next_change=min(changes, default=None)
    )


def _share_out(
    flows: Balance, held: capacity_.Held | None, now: float, tuning: Tuning
) -> Capacities:
    """Fit wishes into what is left; again where the lines would differ too much."""
    left = [capacity.left for capacity in flows.consumption]
    attempt = 0
    while True:
        for capacity, value in zip(flows.consumption, left, strict=True):
            capacity.left = value
        differences = unbalance.capacities(flows, attempt)
        found = [*capacities(flows), *capacity_.soft(flows, held), *differences]
        rest = allocate(flows.units, found, now, tuning)
        unbalance.stand_back(flows)
        attempt += 1
        if attempt == unbalance.ATTEMPTS or not unbalance.broken(flows):
            return rest


def _go_safe(units: list[Unit], seen: Picture, site: SiteModel) -> None:
    """Bound chargers by their safe current where nobody can measure."""
    silent = {
        channel
        for channel, line in enumerate(Line, start=1)
        if line in site.connection.lines and seen.import_base[channel] is None
    }
    if seen.safe:
        cause = explain.safe_state("safe_current")
        for unit in units:
            safe_current(unit, cause)
    elif silent:
        cause = explain.safe_state("line")
        for unit in units:
            if not silent.isdisjoint(unit.lines):
                safe_current(unit, cause)


def _ramp(site: SiteModel, units: list[Unit]) -> float | None:
    """Return the W/s of each asset of the site's common ramp, None without one."""
    if site.ramp_up is None:
        return None
    return site.ramp_up / max(1, sum(unit.movable for unit in units))


def _rebound(site: SiteModel) -> float:
    """Return the W/s of loads that come back at most."""
    if site.rebound is not None:
        return site.rebound / 60
    return site.connection.fuse_power * _REBOUND / 60


def _shape_consumers(units: list[Unit], moment: Moment) -> dict[str, AssetMemory]:
    pasts: dict[str, AssetMemory] = {}
    for unit in units:
        past = unit.past
        if unit.asset.nature is Nature.CHARGER:
            past = remember_appetite(unit, past, moment.now, moment.tuning)
            past = shape_charger(unit, past, moment)
        elif unit.asset.nature is Nature.LOAD:
            past = shape_load(unit, past, moment)
        elif unit.asset.nature is Nature.BATTERY and unit.state is not None:
            past = replace(
                past,
                low_charge=at_reserve(unit, moment.tuning),
                full=is_full(unit, moment.tuning),
            )
        pasts[unit.asset.id] = past
    return pasts


def _plan(
    site: SiteModel,
    snapshot: Snapshot,
    clock: Clock,
    limits: Limits,
    flows: Balance,
    moment: Moment,
    judged: tuple[Judged, ...],
    actions: Actions,
    known: Mapping[str, Setpoint],
) -> Plan:
    stops = Stops(orders=snapshot.orders, local=snapshot.local_stops)
    stopped = frozenset(
        direction for direction in Direction if stops.stopped(direction)
    )
    setpoints = {
        unit.asset.id: _setpoint(unit, known.get(unit.asset.id), actions)
        for unit in flows.units
        if unit.asset.controllable
    }
    setpoints |= _relays(site, stops, limits, actions)
    for unit in flows.units:
        if unit.held_until is not None:
            moment.due(unit.held_until)
    if (end := overrides.next_end(snapshot, clock)) is not None:
        moment.due(end)
    safe = _safe_limits(flows)
    infeasible = find_infeasible(flows)
    return Plan(
        at=clock.monotonic,
        setpoints=MappingProxyType(setpoints),
        limits=(*limits.ordered(), *safe),
        ordered=limits.of_operator(),
        stopped=stopped,
        infeasible=infeasible,
        headroom=_headroom(limits, flows.picture),
        feeders=feeders.flows(layout_of(site), flows.units, flows.picture, limits),
        metered=flows.picture.fresh,
        uncontrolled=unreached(site, stopped),
        alarms=island.alarms(flows.units, moment.tuning),
        compliance=compliance.figures(judged, infeasible),
        next_change=moment.next_change,
    )


def _setpoint(unit: Unit, known: Setpoint | None, actions: Actions) -> Setpoint:
    """Return what a unit is told; the same object as before where it is the same."""
    causes, attempt = _causes(unit), _attempt(unit, actions)
    heat_pump = _heat_pump(unit)
    if (
        known is not None
        and known.value == unit.told
        and known.causes == causes
        and known.emergency is unit.emergency
        and known.phases == unit.phases
        and known.heat_pump is heat_pump
        and known.attempt == attempt
        and known.reactive is None
    ):
        return known
    return Setpoint(
        asset_id=unit.asset.id,
        kind=unit.kind,
        value=unit.told,
        causes=causes,
        emergency=unit.emergency,
        phases=unit.phases,
        heat_pump=heat_pump,
        attempt=attempt,
    )


def _heat_pump(unit: Unit) -> HeatPumpState | None:
    """Return the state of an SG-ready heat pump, None for everything else."""
    if not unit.asset.sg_ready:
        return None
    if not unit.told:
        return HeatPumpState.BLOCKED
    return HeatPumpState.NORMAL if unit.wish is None else unit.wish.heat_pump


def _causes(unit: Unit) -> tuple[Cause, ...]:
    """Return what bound a setpoint, the most important first, each once."""
    causes = unit.causes
    if not unit.held and not unit.emergency:
        # Nearly all of a thousand assets: told by one or two causes.
        if len(causes) < 2:
            return tuple(causes)
        if len(causes) == 2 and causes[0] is not causes[1]:
            first, second = causes
            if first.source > second.source:
                return (second, first)
            return (first, second) if first != second else (first,)
    stops = [
        cause
        for cause in (*unit.low_causes, *unit.high_causes)
        if cause.source < Source.FUSE or cause.key == explain.TESTED
    ]
    found = dict.fromkeys([*stops, *unit.causes])
    return tuple(sorted(found, key=lambda cause: cause.source))


def _attempt(unit: Unit, actions: Actions) -> int:
    """Return how often everything in an asset's directions is to be written again."""
    if not actions.attempts:
        return 0
    return sum(
        count
        for direction, count in actions.attempts.items()
        if acts_in(unit.asset, direction)
    )


def _relays(
    site: SiteModel, stops: Stops, limits: Limits, actions: Actions
) -> dict[str, Setpoint]:
    """Return the setpoints of the emergency outputs."""
    result = {}
    for output in site.outputs:
        energised = relay_states(stops, (output,))[output.asset_id]
        causes = tuple(
            budget.limit.cause
            for budget in limits.budgets
            if budget.limit.source < Source.FUSE and budget.direction in output.stops
        )
        stopping = bool(causes)
        if (escalated := actions.outputs.get(output.asset_id)) is not None:
            energised = output.energised_when_stopped
            causes = (*causes, escalated)
        result[output.asset_id] = Setpoint(
            asset_id=output.asset_id,
            kind=SetpointKind.SWITCH,
            value=float(energised),
            causes=causes,
            emergency=stopping,
        )
    return result


def _safe_limits(flows: Balance) -> tuple[Limit, ...]:
    """Return the limits that acting without a measurement puts on chargers."""
    return tuple(
        Limit(
            scope=Scope(kind=ScopeKind.ASSET, id=unit.asset.id),
            quantity=Quantity.CURRENT,
            value=unit.asset.safe_current,
            source=cause.source,
            cause=cause,
        )
        for unit in flows.units
        if unit.asset.nature is Nature.CHARGER
        for cause in unit.high_causes
        if cause.source is Source.SAFE_STATE
    )


def _headroom(limits: Limits, seen: Picture) -> Headroom:
    """Return what is left at the meter before each limit; nothing on old data."""
    if not seen.fresh:
        return Headroom()
    power = seen.measured[0]
    imported = limits.of_site(Quantity.IMPORT)
    injected = limits.of_site(Quantity.INJECTION)
    left = {}
    for channel, line in enumerate(Line, start=1):
        limit, flow = limits.of_line(line), seen.measured[channel]
        if limit is not None and flow is not None:
            left[line] = limit.value - abs(flow)
    return Headroom(
        import_power=(
            None if power is None or imported is None else imported.value - power
        ),
        injection_power=(
            None if power is None or injected is None else injected.value + power
        ),
        line_current=LineValues.of(left),
        unbalance=unbalance.headroom(limits, seen),
    )


def _memory(
    memory: Memory,
    plan: Plan,
    units: list[Unit],
    pasts: dict[str, AssetMemory],
    seen: Picture,
    snapshot: Snapshot,
    moment: Moment,
    judged: tuple[Judged, ...],
) -> Memory:
    now = moment.now
    received = memory.received
    if seen.new and snapshot.reading is not None:
        received = snapshot.reading.received
    return Memory(
        at=now,
        started=now if memory.started is None else memory.started,
        assets=MappingProxyType(
            {
                unit.asset.id: remembered(unit, pasts[unit.asset.id], now)
                for unit in units
            }
        ),
        answers=units_.answered(units, memory.answers),
        setpoints=plan.setpoints,
        drawn=drawn_by(units, memory.drawn) if seen.new else memory.drawn,
        received=received,
        measured=seen.measured if seen.new else memory.measured,
        base=seen.base,
        quick=seen.quick,
        recent=(*memory.recent[-4:], seen.quick) if seen.new else memory.recent,
        base_before=memory.base if seen.new else memory.base_before,
        stopped=MappingProxyType(
            {
                direction: memory.stopped.get(direction, now)
                for direction in plan.stopped
            }
        ),
        last_start=moment.last_start,
        last_start_power=moment.last_start_power,
        orders=MappingProxyType(compliance.settled(judged, plan.infeasible)),
        without_grid=island.without_grid(snapshot),
        grid_back=memory.grid_back and not plan.stopped,
    )
