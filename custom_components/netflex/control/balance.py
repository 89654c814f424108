"""What limits leave: for chargers and loads, and for assets that nobody moves.

Import limits are met by discharging before consumers yield, injection limits by
charging before production is curtailed.
"""

from collections.abc import Mapping
from dataclasses import replace

from ..model.asset import Direction, Nature
from ..model.connection import Line
from ..model.plan import Limit, Quantity, Source
from ..model.snapshot import SiteModel
from . import trip
from .allocate import Capacity
from .escalation import Actions
from .estimate import Picture
from .flows import Balance, Bound, future_production, is_cut_off, is_stop, others, total
from .inverters import share_budgets
from .layout import layout_of
from .limits import Limits
from .memory import Memory
from .stops import has_relay
from .tuning import Tuning
from .units import Unit


def balance(
    site: SiteModel,
    units: list[Unit],
    picture: Picture,
    limits: Limits,
    memory: Memory,
    now: float,
    tuning: Tuning,
    actions: Actions,
    stress: Mapping[int, float],
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
            bounds.append(_site_bound(limit, limits, keep, actions))
    for channel, line in enumerate(Line, start=1):
        if (limit := limits.of_line(line)) is not None:
            value = limit.value * keep - picture.resolution
            bound = Bound(limit=limit, value=value, channel=channel)
            injections.append(bound)
            carried = trip.tolerated(layout_of(site), limits, picture, stress, channel)
            if carried is not None and carried > value:
                bound = replace(bound, value=carried)
            imports.append(bound)
    for channel, limit in limits.feeders:
        bound = Bound(limit=limit, value=limit.value * keep, channel=channel)
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
    share_budgets(result)
    return result


_OPPOSITE = {
    Quantity.IMPORT: Quantity.INJECTION,
    Quantity.INJECTION: Quantity.IMPORT,
}


def _site_bound(limit: Limit, limits: Limits, keep: float, actions: Actions) -> Bound:
    """Return the bound at the connection point, tightened where it was not kept."""
    aim = limit.value * keep
    open_loop = False
    if limit.source is Source.GRID_OPERATOR:
        trim = actions.trims.get(limit.quantity, 0.0)
        other = limits.of_site(_OPPOSITE[limit.quantity])
        if trim and other is not None:
            # Not so far that the other direction's limit would be broken.
            trim = min(trim, max(0.0, aim + other.value * keep))
        aim -= trim
        open_loop = limit.quantity in actions.open_loop
    return Bound(limit=limit, value=aim, channel=0, open_loop=open_loop)


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
    extra = [0.0] * layout_of(site).size
    for unit in units:
        if unit.movable:
            continue
        power = 0.0
        asset = unit.asset
        if asset.nature is Nature.CHARGER and unit.state is None and unit.high > 0:
            reach = max(unit.past.value or 0.0, asset.safe_current)
            power = max(0.0, reach * unit.watts - max(unit.drawn, default=0.0))
        elif asset.produces and _loses_generation(unit):
            power = _lost_generation(site, unit, memory, now, tuning)
        if power:
            extra[0] += power
            for channel in unit.paths:
                extra[channel] += power / unit.watts
    return extra


def _loses_generation(unit: Unit) -> bool:
    """Return whether a stop or a relay is about to end what a unit produces."""
    return Direction.PRODUCTION in unit.held or is_cut_off(unit)


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
        fixed += others(site, budget)
        capacities.append(
            Capacity(
                limit=budget.limit,
                left=budget.limit.value - fixed,
                channel=0,
                members=budget.members,
            )
        )
    return capacities


def capacities(balance: Balance) -> list[Capacity]:
    """Return what each limit leaves for chargers and loads."""
    result = []
    picture = balance.picture
    produced, unheeded = _produced(balance)
    extra = balance.extra
    for bound in balance.imports:
        channel = bound.channel
        base = total(picture.import_base, channel)
        used = base + extra[channel]
        if bound.open_loop:
            used = max(base, 0.0) + extra[channel]
        else:
            used += produced[channel]
        used += unheeded[channel]
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


def _unheeded(unit: Unit) -> float:
    """Return the W that a charger draws beyond what it says that it does not follow."""
    if unit.state is None or unit.state.follows is not False:
        return 0.0
    return max(0.0, unit.measured - (unit.past.value or 0.0) * unit.watts)


def _produced(balance: Balance) -> tuple[list[float], list[float]]:
    """Return by channel what production and discharge bring, and deaf chargers draw.

    The first is negative; the second is what chargers draw beyond what they were
    told and do not follow.
    """
    flows = [0.0] * len(balance.extra)
    unheeded = flows.copy()
    for unit in balance.units:
        if not unit.movable:
            continue
        nature = unit.asset.nature
        if nature is Nature.CHARGER:
            excess = _unheeded(unit)
            if excess > 0:
                unheeded[0] += excess
                for channel in unit.paths:
                    unheeded[channel] += excess / unit.watts
            continue
        if nature is Nature.INVERTER:
            power = future_production(unit)
        elif nature is Nature.BATTERY:
            power = min(unit.low, unit.high)
        else:
            continue
        flows[0] += power
        for channel in unit.paths:
            flows[channel] += unit.flow(channel, power)
    return flows, unheeded
