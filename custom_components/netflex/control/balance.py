"""Flows against limits: what is left for consumption, batteries and inverters.

Import limits are met by discharging before consumers yield, injection limits by
charging before production is curtailed. Channel 0 is W at the connection point,
channels 1 to 3 are A on its lines, import positive.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor

from ..model.asset import Direction, Nature
from ..model.connection import Line
from ..model.plan import Cause, Limit, Quantity, Source
from ..model.snapshot import SiteModel
from . import explain
from .allocate import Capacity, load_power
from .estimate import Picture
from .limits import Budget, Limits
from .memory import Channels, Memory
from .stops import has_relay
from .tuning import Tuning
from .units import Unit
from .wishes import battery_wish

_INVERTER_LEAD = 0.05
"""Share of its rated power that an inverter below its limit may rise by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A limit with the value that the decision aims at: with its margin."""

    limit: Limit
    value: float
    channel: int


@dataclass(slots=True, kw_only=True)
class Balance:
    """One decision's flows and the limits that they are held against."""

    site: SiteModel
    units: list[Unit]
    picture: Picture
    limits: Limits
    imports: list[Bound]
    injections: list[Bound]
    extra: list[float]
    """W and A that may come on top of the base: see `unforeseen`."""
    consumption: list[Capacity]
    """The limits on sums of consumers, with what is left of each."""

    def of(self, nature: Nature) -> list[Unit]:
        """Return the movable units of a nature."""
        return [u for u in self.units if u.asset.nature is nature and u.movable]


def balance(
    site: SiteModel,
    units: list[Unit],
    picture: Picture,
    limits: Limits,
    memory: Memory,
    now: float,
    tuning: Tuning,
) -> Balance:
    """Return the flows and bounds of one decision; inverters get their budgets."""
    imports: list[Bound] = []
    injections: list[Bound] = []
    keep = 1.0 - site.tolerance
    for quantity, bounds in (
        (Quantity.IMPORT, imports),
        (Quantity.INJECTION, injections),
    ):
        if (limit := limits.of_site(quantity)) is not None:
            bounds.append(Bound(limit=limit, value=limit.value * keep, channel=0))
    for channel, line in enumerate(Line, start=1):
        if (limit := limits.of_line(line)) is not None:
            bound = Bound(
                limit=limit,
                value=limit.value * keep - picture.resolution,
                channel=channel,
            )
            imports.append(bound)
            injections.append(bound)
    result = Balance(
        site=site,
        units=units,
        picture=picture,
        limits=limits,
        imports=imports,
        injections=injections,
        extra=_unforeseen(site, units, memory, now, tuning),
        consumption=_consumption_budgets(site, units, limits),
    )
    for budget in _production_budgets(limits):
        _share_production(result, budget, discharge=0.0)
    _bound_discharge(result)
    return result


def total(values: Channels, channel: int) -> float:
    """Return the base of a channel, 0 where nobody knows it."""
    return values[channel] or 0.0


def _unforeseen(
    site: SiteModel,
    units: list[Unit],
    memory: Memory,
    now: float,
    tuning: Tuning,
) -> list[float]:
    """Return what may come on top of the base by assets that nobody moves.

    A charger that does not answer may rise to what it was told or to its safe
    current. A generator that a relay is about to cut off takes its production along.
    """
    extra = [0.0, 0.0, 0.0, 0.0]
    for unit in units:
        if unit.movable:
            continue
        power = 0.0
        asset = unit.asset
        if asset.nature is Nature.CHARGER and unit.state is None and unit.high > 0:
            reach = max(unit.past.value or 0.0, asset.safe_current)
            power = max(0.0, reach * unit.watts - max(unit.past.drawn, default=0.0))
        elif asset.produces and Direction.PRODUCTION in unit.held:
            power = _lost_generation(site, unit, memory, now, tuning)
        if power:
            extra[0] += power
            for channel in unit.lines:
                extra[channel] += power / unit.watts
    return extra


def _lost_generation(
    site: SiteModel, unit: Unit, memory: Memory, now: float, tuning: Tuning
) -> float:
    if not has_relay(unit.asset.id, Direction.PRODUCTION, site.outputs):
        return 0.0
    if unit.state is not None and unit.state.power is not None:
        return max(0.0, -unit.state.power)
    since = memory.stopped.get(Direction.PRODUCTION, now)
    return unit.asset.rated_production if now - since < tuning.settle else 0.0


def _consumption_budgets(
    site: SiteModel, units: list[Unit], limits: Limits
) -> list[Capacity]:
    """Return the operator's limits on consuming assets, less what cannot be moved."""
    capacities = []
    for budget in limits.budgets:
        if budget.direction is not Direction.CONSUMPTION or is_stop(budget):
            continue
        fixed = sum(
            unit.asset.rated_consumption
            for unit in units
            if unit.asset.id in budget.members and not unit.movable
        )
        fixed += others(site, units, budget)
        capacities.append(
            Capacity(
                limit=budget.limit,
                left=budget.limit.value - fixed,
                channel=0,
                members=budget.members,
            )
        )
    return capacities


def others(site: SiteModel, units: list[Unit], budget: Budget) -> float:
    """Return the rated power of members that no unit stands for (meters, relays)."""
    known = {unit.asset.id for unit in units}
    return sum(
        site.assets[member].rated_production
        if budget.direction is Direction.PRODUCTION
        else site.assets[member].rated_consumption
        for member in budget.members - known
    )


def is_stop(budget: Budget) -> bool:
    """Return whether a limit on all assets is an emergency stop."""
    return budget.limit.source < Source.FUSE


def _production_budgets(limits: Limits) -> list[Budget]:
    return [
        budget
        for budget in limits.budgets
        if budget.direction is Direction.PRODUCTION and not is_stop(budget)
    ]


def _budget_room(balance: Balance, budget: Budget) -> float:
    """Return the W that movable inverters and batteries of a budget may produce."""
    fixed = others(balance.site, balance.units, budget)
    for unit in balance.units:
        if unit.asset.id not in budget.members:
            continue
        if not unit.movable:
            fixed += unit.asset.rated_production
        elif unit.asset.nature is Nature.CHARGER:
            fixed += max(0.0, -unit.measured)
    return max(0.0, budget.limit.value - fixed)


def _share_production(balance: Balance, budget: Budget, *, discharge: float) -> None:
    inverters = [
        unit for unit in balance.of(Nature.INVERTER) if unit.asset.id in budget.members
    ]
    _share_inverters(inverters, _budget_room(balance, budget) - discharge, budget.limit)


def _share_inverters(inverters: list[Unit], room: float, limit: Limit) -> None:
    """Narrow inverters so that together they produce `room` W at most.

    Who cannot use its share leaves it to the others; the rest goes by rated power.
    """
    if sum(-unit.low for unit in inverters) <= room:
        return
    shares = distribute(
        max(0.0, room),
        [_usable(unit) for unit in inverters],
        [-unit.low for unit in inverters],
    )
    for unit, share in zip(inverters, shares, strict=True):
        unit.narrow_low(-share, limit.cause)


def _usable(unit: Unit) -> float:
    """Return the W that an inverter can make use of soon.

    What it was told does not count: one that is curtailed asks for a little more
    than it produces, and so reaches its share in a few steps.
    """
    most = -unit.low
    if unit.state is None or unit.state.power is None:
        return most
    return min(most, max(0.0, -unit.draw) * 1.1 + _lead(unit))


def _lead(unit: Unit) -> float:
    return unit.asset.rated_production * _INVERTER_LEAD


def distribute(
    room: float, demands: Sequence[float], most: Sequence[float]
) -> list[float]:
    """Return shares of `room`: demands first, proportionally, then up to the most."""
    shares = [0.0] * len(most)
    for ceiling in (demands, most):
        spare = room - sum(shares)
        for _ in range(len(most) + 1):
            rooms = [
                max(0.0, top - share)
                for top, share in zip(ceiling, shares, strict=True)
            ]
            weight = sum(top for top, left in zip(most, rooms, strict=True) if left > 0)
            if spare <= 1e-9 or weight <= 0:
                break
            for index, left in enumerate(rooms):
                if left > 0:
                    shares[index] += min(left, spare * most[index] / weight)
            spare = room - sum(shares)
    return shares


def _bound_discharge(balance: Balance) -> None:
    """Let batteries yield to inverters within a limit on production."""
    batteries = balance.of(Nature.BATTERY)
    for budget in _production_budgets(balance.limits):
        members = [unit for unit in batteries if unit.asset.id in budget.members]
        if not members:
            continue
        room = _budget_room(balance, budget)
        for unit in balance.of(Nature.INVERTER):
            if unit.asset.id in budget.members:
                room -= min(
                    -unit.low,
                    max(0.0, -unit.draw) + _lead(unit) * (unit.draw < 0),
                )
        most = [-unit.low for unit in members]
        if sum(most) > room:
            shares = distribute(max(0.0, room), most, most)
            for unit, share in zip(members, shares, strict=True):
                unit.narrow_low(-share, budget.limit.cause)


def future_production(unit: Unit) -> float:
    """Return what an inverter will draw (negative W): now, within its bounds."""
    return max(unit.low, min(unit.draw, 0.0))


def capacities(balance: Balance) -> list[Capacity]:
    """Return what each limit leaves for chargers and loads."""
    result = []
    picture = balance.picture
    inverters = balance.of(Nature.INVERTER)
    batteries = balance.of(Nature.BATTERY)
    for bound in balance.imports:
        channel = bound.channel
        base = total(picture.import_base, channel)
        used = base + balance.extra[channel]
        for unit in inverters:
            if channel == 0 or channel in unit.lines:
                used += unit.flow(channel, future_production(unit))
        for unit in batteries:
            if channel == 0 or channel in unit.lines:
                used += unit.flow(channel, min(unit.low, unit.high))
        steady = total(picture.steady_base, channel)
        result.append(
            Capacity(
                limit=bound.limit,
                left=bound.value - used,
                channel=channel,
                grace=max(0.0, base - steady),
            )
        )
    return [*result, *balance.consumption]


def expected(unit: Unit) -> float:
    """Return the W that a unit will draw once it follows its new setpoint."""
    nature = unit.asset.nature
    if nature is Nature.CHARGER:
        told = (unit.told or 0.0) * unit.watts
        if unit.state is not None and unit.state.follows is False:
            return unit.draw
        return min(unit.draw, told)
    if nature is Nature.LOAD:
        if not unit.told:
            return 0.0
        return load_power(unit)
    if nature is Nature.INVERTER:
        return future_production(unit)
    return unit.told or 0.0


def rest(balance: Balance, channel: int, base: Channels, *, future: bool) -> float:
    """Return the flow of a channel without batteries, now or after the plan."""
    flow = total(base, channel)
    for unit in balance.units:
        if not unit.movable or unit.asset.nature is Nature.BATTERY:
            continue
        if channel == 0 or channel in unit.lines:
            flow += unit.flow(channel, expected(unit) if future else unit.draw)
    return flow


def set_batteries(balance: Balance, tuning: Tuning) -> None:
    """Set what each battery is told: its wish within every limit."""
    batteries = balance.of(Nature.BATTERY)
    for unit in balance.units:
        if unit.asset.nature is Nature.BATTERY and not unit.movable:
            _rest_silent(unit)
    if not batteries:
        return
    _wish(balance, batteries, tuning)
    ranges = []
    for bound in balance.imports:
        now = rest(balance, bound.channel, balance.picture.import_base, future=False)
        then = rest(balance, bound.channel, balance.picture.import_base, future=True)
        ranges.append((bound, max(now, then) + balance.extra[bound.channel], 1))
    for bound in balance.injections:
        base = balance.picture.injection_base
        ranges.append((bound, rest(balance, bound.channel, base, future=True), -1))
    # The fuse comes last: what it demands is not taken back by a lesser limit.
    for bound, flow, sign in sorted(ranges, key=lambda entry: -entry[0].limit.source):
        _fit(batteries, bound, flow, sign)
    for capacity in balance.consumption:
        _fit_budget(batteries, capacity)


def _rest_silent(unit: Unit) -> None:
    told = unit.past.value or 0.0
    unit.told = min(max(told, min(unit.low, 0.0)), max(unit.high, 0.0))
    unit.causes = [explain.silent_device()]
    if unit.emergency:
        unit.causes = [*unit.low_causes, *unit.high_causes]


def _wish(balance: Balance, batteries: list[Unit], tuning: Tuning) -> None:
    """Set each battery to its user's target, or to its share of the site's surplus."""
    picture = balance.picture
    following = []
    present = (
        None
        if picture.base[0] is None
        else rest(balance, 0, picture.base, future=False)
    )
    for unit in batteries:
        target = unit.user.target_power
        if target is not None and not picture.safe:
            _tell(unit, target, [explain.user_target(target)])
            present = None if present is None else present + (unit.told or 0.0)
        else:
            following.append(unit)
    wish = battery_wish(picture, present)
    if wish is None:
        for unit in following:
            held = 0.0 if picture.safe else (unit.past.value or 0.0)
            _tell(unit, held, [explain.safe_state("batteries rest")])
        return
    last = sum(unit.past.value or 0.0 for unit in following)
    if abs(wish - last) <= tuning.dead_band and any(u.past.told for u in following):
        for unit in following:
            _tell(unit, unit.past.value or 0.0, [explain.self_consumption()])
        return
    most = [max(0.0, unit.high if wish > 0 else -unit.low) for unit in following]
    shares = distribute(abs(wish), most, most)
    for unit, share in zip(following, shares, strict=True):
        value = share if wish > 0 else -share
        causes = [explain.self_consumption()]
        if sum(most) < abs(wish):
            causes += unit.high_causes if wish > 0 else unit.low_causes
        _tell(unit, value, causes)


def _tell(unit: Unit, value: float, causes: list[Cause]) -> None:
    if value > unit.high:
        value, causes = unit.high, [*unit.high_causes]
    if value < unit.low:
        value, causes = unit.low, [*unit.low_causes]
    unit.told = float(round(value))
    unit.causes = causes


def _fit(batteries: list[Unit], bound: Bound, flow: float, sign: int) -> None:
    """Move batteries until a channel's flow is inside one bound, as far as they can.

    `sign` 1 holds import (they discharge), -1 injection (they charge).
    """
    members = [
        unit for unit in batteries if bound.channel == 0 or bound.channel in unit.lines
    ]
    for unit in members:
        flow += unit.flow(bound.channel, unit.told or 0.0)
    excess = sign * flow - bound.value
    if excess <= 0.5 / 230:
        return
    _push(members, excess, bound, sign)


def _push(members: list[Unit], excess: float, bound: Bound, sign: int) -> None:
    scales = [1.0 if bound.channel == 0 else unit.watts for unit in members]
    # First nobody works against it, then everybody works for it: no battery
    # charges what another one delivers.
    for crossing in (False, True):
        rooms = [_room(unit, sign, crossing=crossing) for unit in members]
        usable = [room / scale for room, scale in zip(rooms, scales, strict=True)]
        shares = distribute(excess, usable, usable)
        excess -= sum(shares)
        for unit, share, scale in zip(members, shares, scales, strict=True):
            if share > 0:
                moved = (unit.told or 0.0) - sign * share * scale
                # Rounded to the safe side of the limit that is held.
                rounded = float(floor(moved) if sign > 0 else ceil(moved))
                unit.told = min(max(rounded, unit.low), unit.high)
                unit.causes = [bound.limit.cause]


def _room(unit: Unit, sign: int, *, crossing: bool) -> float:
    """Return the W that a battery can still be moved, up to zero or to its bound."""
    told = unit.told or 0.0
    if sign > 0:
        return max(0.0, told - (unit.low if crossing else max(unit.low, 0.0)))
    return max(0.0, (unit.high if crossing else min(unit.high, 0.0)) - told)


def _fit_budget(batteries: list[Unit], capacity: Capacity) -> None:
    """Keep charging within what a limit on consuming assets has left."""
    left = max(0.0, capacity.left)
    for unit in batteries:
        if capacity.members is None or unit.asset.id not in capacity.members:
            continue
        told = unit.told or 0.0
        if told > left:
            unit.told = float(left // 1)
            unit.causes = [capacity.limit.cause]
        left -= max(0.0, unit.told or 0.0)


def set_inverters(balance: Balance) -> None:
    """Narrow inverters to what injection limits leave, batteries charging first."""
    inverters = balance.of(Nature.INVERTER)
    if not inverters:
        return
    batteries = balance.of(Nature.BATTERY)
    for budget in _production_budgets(balance.limits):
        discharge = sum(
            max(0.0, -(unit.told or 0.0))
            for unit in batteries
            if unit.asset.id in budget.members
        )
        _share_production(balance, budget, discharge=discharge)
    consumers = [
        unit
        for unit in balance.units
        if unit.movable and unit.asset.nature in {Nature.CHARGER, Nature.LOAD}
    ]
    for bound in balance.injections:
        channel = bound.channel
        room = bound.value + total(balance.picture.injection_base, channel)
        members = [u for u in inverters if channel == 0 or channel in u.lines]
        for unit in consumers:
            if channel == 0 or channel in unit.lines:
                room += unit.flow(channel, min(unit.draw, expected(unit)))
        for unit in batteries:
            if channel == 0:
                room += _absorbs(balance, unit)
            elif channel in unit.lines:
                room += unit.flow(channel, unit.told or 0.0)
        _narrow_channel(members, room, bound)


def _absorbs(balance: Balance, unit: Unit) -> float:
    """Return the W that a battery takes before production is curtailed."""
    told = unit.told or 0.0
    failing = unit.state is not None and unit.state.follows is False
    if not balance.picture.fresh:
        return min(told, max(unit.measured, 0.0)) if told >= 0 else told
    return max(told, unit.measured if failing else unit.high)


def _narrow_channel(members: list[Unit], room: float, bound: Bound) -> None:
    if bound.channel == 0:
        _share_inverters(members, room, bound.limit)
        return
    flow = sum(unit.flow(bound.channel, unit.low) for unit in members)
    if -flow <= room or flow >= 0:
        return
    ratio = max(0.0, room) / -flow
    for unit in members:
        unit.narrow_low(unit.low * ratio, bound.limit.cause)
