"""What cannot be met: limits that the planned flows still break, and by how much."""

from collections.abc import Iterator

from ..model.asset import Direction, Nature
from ..model.plan import Infeasible, Problem
from . import unbalance
from .flows import Balance, expected, is_cut_off, is_stop, others, planned, total
from .units import Unit

_NEGLIGIBLE = (5.0, 0.05)
"""W and A below which a limit counts as met."""


def find_infeasible(balance: Balance) -> tuple[Infeasible, ...]:
    """Return the limits that the plan does not meet, the most important first."""
    found = [
        *_flows(balance),
        *_budgets(balance),
        *unbalance.infeasible(balance, _problem(balance)),
    ]
    found.sort(key=lambda item: (item.limit.source, str(item.limit.scope.id)))
    return tuple(found)


def _flows(balance: Balance) -> Iterator[Infeasible]:
    picture = balance.picture
    moved = planned(balance)
    for unit in balance.of(Nature.BATTERY):
        for channel in (0, *unit.paths):
            moved[channel] += unit.flow(channel, unit.told or 0.0)
    for sign, bounds, base in (
        (1, balance.imports, picture.steady_base),
        (-1, balance.injections, picture.injection_base),
    ):
        for bound in bounds:
            channel = bound.channel
            flow = total(base, channel) + moved[channel]
            if sign > 0:
                flow += balance.extra[channel]
            missing = sign * flow - bound.limit.value
            if missing > _NEGLIGIBLE[channel > 0]:
                yield Infeasible(
                    limit=bound.limit,
                    missing=missing,
                    problem=_problem(balance),
                )


def _budgets(balance: Balance) -> Iterator[Infeasible]:
    for budget in balance.limits.budgets:
        if is_stop(budget):
            continue
        used = others(balance.site, budget)
        for unit in balance.units:
            if unit.asset.id in budget.members:
                used += _claimed(unit, budget.direction)
        missing = used - budget.limit.value
        if missing > _NEGLIGIBLE[0]:
            yield Infeasible(
                limit=budget.limit, missing=missing, problem=_problem(balance)
            )


def _claimed(unit: Unit, direction: Direction) -> float:
    """Return the W of a direction that an asset may claim under the plan."""
    asset = unit.asset
    if direction is Direction.PRODUCTION:
        if not unit.movable:
            return 0.0 if is_cut_off(unit) else asset.rated_production
        if asset.nature is Nature.INVERTER:
            return asset.rated_production if unit.told is None else unit.told
        if asset.nature is Nature.CHARGER:
            return max(0.0, -unit.measured)
        return max(0.0, -(unit.told or 0.0))
    if not unit.movable:
        return asset.rated_consumption
    if asset.nature is Nature.CHARGER:
        return (unit.told or 0.0) * unit.watts
    return max(0.0, expected(unit))


def _problem(balance: Balance) -> Problem:
    if not balance.picture.fresh:
        return Problem.STALE_METER
    if any(unit.asset.controllable and unit.state is None for unit in balance.units):
        return Problem.ASSET_UNAVAILABLE
    return Problem.UNCONTROLLABLE
