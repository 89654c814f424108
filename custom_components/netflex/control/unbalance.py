"""Unbalance of the lines and current in the neutral, as limits like the fuse (S20).

With currents in phase with their voltages the neutral carries at most the difference
between the fullest and the emptiest line, and at least 0.87 of it: holding the
difference holds both.
"""

from collections.abc import Iterator
from itertools import permutations
from math import sqrt

from ..model.asset import Nature
from ..model.plan import Infeasible, Limit, Problem, Quantity
from .allocate import Capacity, load_power
from .estimate import Picture
from .flows import Balance, expected, total
from .inverters import CONSUMERS
from .limits import Limits

_NEGLIGIBLE = 0.05
"""A below which the limit counts as met."""


def tightest(balance: Balance) -> Limit | None:
    """Return the limit that bounds the difference of two lines."""
    protection = balance.site.protection
    if protection.unbalance is None and protection.neutral is None:
        return None
    found = [
        limit
        for quantity in (Quantity.UNBALANCE, Quantity.NEUTRAL)
        if (limit := balance.limits.of_site(quantity)) is not None
    ]
    return min(found, key=lambda limit: limit.value, default=None)


def pairs() -> Iterator[tuple[int, int]]:
    """Yield the channels of two lines, the fuller and the emptier one."""
    yield from permutations((1, 2, 3), 2)


def capacities(balance: Balance, attempt: int) -> list[Capacity]:
    """Return what each line may draw more than each other one.

    Of the emptier line only what surely flows counts: what nobody moves, and at the
    first attempt what assets draw now, at the second no more of it than they have
    just been left, at the third nothing.
    """
    limit = tightest(balance)
    if limit is None:
        return []
    keep = 1.0 - balance.site.tolerance
    most, least = _flows(balance, None), _flows(balance, attempt)
    return [
        Capacity(
            limit=limit,
            left=limit.value * keep - (most[fuller] - least[emptier]),
            channel=fuller,
            against=emptier,
        )
        for fuller, emptier in pairs()
    ]


ATTEMPTS = 3
_NOTHING = 2
"""Attempt at which nothing of what chargers and loads draw is counted."""


def _flows(balance: Balance, attempt: int | None, *, full: bool = False) -> list[float]:
    """Return by line what flows; `attempt` says what chargers and loads count.

    None: nothing; `full` counts what they have been left instead.
    """
    picture = balance.picture
    flows = [total(picture.base, channel) for channel in range(4)]
    if not picture.fresh:
        flows = [total(picture.import_base, channel) for channel in range(4)]
    for unit in balance.units:
        if not unit.movable:
            continue
        power = max(unit.draw, unit.low)
        if unit.asset.nature in CONSUMERS:
            left = unit.share * unit.watts
            if unit.asset.nature is Nature.LOAD:
                left = load_power(unit) if unit.on else 0.0
            if full:
                power = left
            elif attempt is None or attempt >= _NOTHING:
                continue
            elif attempt == 0:
                power = min(unit.draw, unit.high)
            else:
                power = min(unit.draw, left)
        for channel in unit.lines:
            flows[channel] += unit.flow(channel, power)
    return flows


def broken(balance: Balance) -> bool:
    """Return whether what was shared out may exceed the limit."""
    limit = tightest(balance)
    if limit is None:
        return False
    most, least = _flows(balance, None, full=True), _flows(balance, 1)
    return any(
        most[fuller] - least[emptier] > limit.value + _NEGLIGIBLE
        for fuller, emptier in pairs()
    )


def stand_back(balance: Balance) -> None:
    """Have chargers without a car stand ready only within what is left beside others.

    The car to come may use one line only; until it has come nobody yields to it.
    """
    limit = tightest(balance)
    if limit is None:
        return
    waiting = [
        unit
        for unit in balance.of(Nature.CHARGER)
        if unit.movable and not unit.plugged and unit.share > 0
    ]
    ready = [unit.share for unit in waiting]
    for unit in waiting:
        unit.share = 0.0
    most, least = _flows(balance, None, full=True), _flows(balance, 1)
    for unit, share in zip(waiting, ready, strict=True):
        room = min(
            limit.value - (most[fuller] - least[emptier])
            for fuller, emptier in pairs()
            if fuller in unit.lines
        )
        if room < share:
            unit.causes = [limit.cause]
            share = room if room >= unit.asset.minimum_current else 0.0
        unit.share = share
        for channel in unit.lines:
            most[channel] += unit.flow(channel, share * unit.watts)


def set_inverters(balance: Balance) -> None:
    """Curtail single-phase production that unbalances the lines by itself."""
    limit = tightest(balance)
    if limit is None:
        return
    inverters = [unit for unit in balance.of(Nature.INVERTER) if len(unit.lines) == 1]
    if not inverters:
        return
    flows = _planned(balance)
    for unit in inverters:
        (own,) = unit.lines
        fullest = max(flows[channel] for channel in (1, 2, 3) if channel != own)
        excess = fullest - flows[own] - limit.value
        if excess > _NEGLIGIBLE:
            present = max(unit.low, min(unit.draw, 0.0))
            lowered = min(0.0, present + excess * unit.watts)
            unit.narrow_low(lowered, limit.cause)
            flows[own] += (lowered - present) / unit.watts


def set_batteries(balance: Balance) -> None:
    """Keep single-phase batteries from unbalancing the lines."""
    limit = tightest(balance)
    batteries = [u for u in balance.of(Nature.BATTERY) if len(u.lines) == 1]
    if limit is None or not batteries:
        return
    for unit in batteries:
        (own,) = unit.lines
        flows = _planned(balance)
        others = [flows[channel] for channel in (1, 2, 3) if channel != own]
        above = flows[own] - min(others) - limit.value
        below = max(others) - flows[own] - limit.value
        moved = -max(0.0, above) if above > below else max(0.0, below)
        if abs(moved) > _NEGLIGIBLE:
            told = (unit.told or 0.0) + moved * unit.watts
            unit.told = float(round(min(max(told, unit.low), unit.high)))
            unit.causes = (limit.cause,)


def _planned(balance: Balance) -> list[float]:
    """Return by line what flows once everything follows the plan."""
    flows = [total(balance.picture.import_base, channel) for channel in range(4)]
    for unit in balance.units:
        if unit.movable:
            power = expected(unit)
            for channel in unit.lines:
                flows[channel] += unit.flow(channel, power)
    return flows


def headroom(limits: Limits, seen: Picture) -> float | None:
    """Return the A by which the lines may still differ more, None without a limit."""
    found = [
        limit.value
        for quantity in (Quantity.UNBALANCE, Quantity.NEUTRAL)
        if (limit := limits.of_site(quantity)) is not None
    ]
    flows = [value for value in seen.measured[1:4] if value is not None]
    if not found or len(flows) < 3:
        return None
    return min(found) - (max(flows) - min(flows))


def infeasible(balance: Balance, problem: Problem) -> Iterator[Infeasible]:
    """Yield the limits that the plan does not meet."""
    if tightest(balance) is None:
        return
    first, second, third = _planned(balance)[1:]
    unbalance = max(first, second, third) - min(first, second, third)
    neutral = neutral_current(first, second, third)
    for quantity, value in (
        (Quantity.UNBALANCE, unbalance),
        (Quantity.NEUTRAL, neutral),
    ):
        limit = balance.limits.of_site(quantity)
        if limit is not None and value - limit.value > _NEGLIGIBLE:
            yield Infeasible(limit=limit, missing=value - limit.value, problem=problem)


def neutral_current(first: float, second: float, third: float) -> float:
    """Return the A in the neutral of three currents in phase with their voltages."""
    squares = first * first + second * second + third * third
    products = first * second + second * third + third * first
    return sqrt(max(0.0, squares - products))
