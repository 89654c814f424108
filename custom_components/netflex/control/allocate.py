"""Sharing: wishes of chargers and loads are fitted into what is left.

Capacities are what one limit leaves for flexible consumption. Tiers are served in
order of priority; inside a tier loads keep running before chargers are raised,
every charger gets its minimum before anyone gets more, and the rest is shared
max-min fair in A. What cars leave unused goes round a second time.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import groupby
from math import inf

from ..model.asset import Nature
from ..model.plan import Limit, Source
from . import explain
from .tuning import Tuning
from .units import Unit
from .wishes import charger_demand, charger_wish, load_wish

_EPSILON = 1e-6


@dataclass(slots=True, kw_only=True, eq=False)
class Capacity:
    """What one limit leaves for chargers and loads, in W or A.

    `grace` may be used by loads that are on already: the part of a shortage that
    only the newest sample shows. `members` None means every asset.
    """

    limit: Limit
    left: float
    channel: int
    grace: float = 0.0
    members: frozenset[str] | None = None
    weight: float = 0.0
    """Of the shares that are rising, in its unit per A."""
    rising: list[_Share] = field(default_factory=list)

    def per_watt(self, unit: Unit) -> float:
        """Return how much of it 1 W of a unit uses."""
        if self.members is not None and unit.asset.id not in self.members:
            return 0.0
        if self.channel == 0:
            return 1.0
        return 1.0 / unit.watts if self.channel in unit.lines else 0.0


@dataclass(slots=True, eq=False)
class _Share:
    """One charger while it is raised."""

    unit: Unit
    amps: float
    cap: float
    uses: list[tuple[Capacity, float]]
    active: bool = False
    done: bool = False
    binding: Limit | None = None


def allocate(
    units: list[Unit],
    capacities: list[Capacity],
    now: float,
    tuning: Tuning,
) -> None:
    """Set the share of every charger and the state of every load.

    `units` are in order of priority. Causes are noted on the units.
    """
    shares: list[_Share] = []
    for unit in units:
        if unit.asset.nature is Nature.LOAD and unit.asset.never_shed:
            _place_load(unit, capacities, protective_only=True)
    for _, tier in groupby(units, key=lambda unit: unit.asset.priority):
        members = list(tier)
        for unit in members:
            if unit.asset.nature is Nature.LOAD and not unit.asset.never_shed:
                _place_load(unit, capacities, protective_only=False)
        chargers = [
            unit
            for unit in members
            if unit.asset.nature is Nature.CHARGER and unit.movable
        ]
        wanting = [unit for unit in chargers if _wants(unit)]
        admitted = _admit(wanting, capacities, now, tuning)
        _fill(admitted, capacities)
        shares += admitted
    _second_round(shares, capacities)
    _idle_round(units, capacities, now, tuning)
    for share in shares:
        _settle_share(share)


def _wants(unit: Unit) -> bool:
    return unit.plugged and charger_wish(unit) > 0


def _uses(unit: Unit, capacities: Iterable[Capacity]) -> list[tuple[Capacity, float]]:
    return [
        (capacity, per_watt * unit.watts)
        for capacity in capacities
        if (per_watt := capacity.per_watt(unit)) > 0
    ]


def _place_load(
    unit: Unit, capacities: list[Capacity], *, protective_only: bool
) -> None:
    """Leave a load on where it fits; it is booked where it is on."""
    wanted = load_wish(unit)
    unit.on = False
    if not wanted:
        unit.causes = list(unit.high_causes)
        return
    running = unit.past.value is None or unit.past.value > 0
    power = load_power(unit)
    uses = [(c, u) for c in capacities if (u := c.per_watt(unit)) > 0]
    for capacity, per_watt in uses:
        if protective_only and capacity.limit.source >= Source.GRID_OPERATOR:
            continue
        room = capacity.left + (capacity.grace if running else 0.0)
        # A limit that is broken already takes off what might start, too.
        if per_watt * power > room + _EPSILON:
            unit.causes = [capacity.limit.cause]
            return
    unit.on = True
    if unit.movable:
        for capacity, per_watt in uses:
            capacity.left -= per_watt * power


def load_power(unit: Unit) -> float:
    """Return the W to book for a load that is on: rated until it is measured."""
    rated = unit.asset.rated_consumption
    running = unit.past.value is None or unit.past.value > 0
    state = unit.state
    if not running or state is None or state.power is None:
        return rated
    settled = unit.past.on_since is None
    return max(state.power, 0.0) if settled else max(state.power, rated)


def _order(unit: Unit, now: float, tuning: Tuning) -> tuple[int, int, float, str]:
    """Return the place in the queue for a minimum: turns last a while, then rotate."""
    past = unit.past
    rank = unit.asset.priority
    since = past.on_since
    if past.value and (since is None or now - since < tuning.rotation):
        return (rank, 0, since or 0.0, unit.asset.id)
    if past.waiting_since is not None:
        return (rank, 1, past.waiting_since, unit.asset.id)
    return (rank, 2, since or now, unit.asset.id)


def _admit(
    chargers: list[Unit], capacities: list[Capacity], now: float, tuning: Tuning
) -> list[_Share]:
    """Give each charger its minimum where it fits, in order of the queue."""
    admitted = []
    for unit in sorted(chargers, key=lambda unit: _order(unit, now, tuning)):
        uses = _uses(unit, capacities)
        minimum = unit.asset.minimum_current
        short = next(
            (
                capacity
                for capacity, use in uses
                if use * minimum > capacity.left + _EPSILON
            ),
            None,
        )
        if short is not None:
            unit.share = 0.0
            unit.causes = [short.limit.cause, explain.below_minimum(minimum)]
            continue
        for capacity, use in uses:
            capacity.left -= use * minimum
        admitted.append(_Share(unit, minimum, charger_demand(unit), uses))
    return admitted


def _second_round(shares: list[_Share], capacities: list[Capacity]) -> None:
    """Raise those that lend as far as nobody else needs it."""
    lending = []
    for share in shares:
        wish = charger_wish(share.unit)
        if share.cap < wish - _EPSILON and share.binding is None:
            share.cap = wish
            lending.append(share)
    for _, tier in groupby(lending, key=lambda share: share.unit.asset.priority):
        _fill(list(tier), capacities)


def _idle_round(
    units: list[Unit], capacities: list[Capacity], now: float, tuning: Tuning
) -> None:
    """Let chargers without a car stand ready within what nobody uses.

    A charger that does not answer keeps what it was told, within its bounds.
    """
    idle = []
    for unit in units:
        if unit.asset.nature is not Nature.CHARGER:
            continue
        if not unit.movable:
            told = unit.past.value if unit.past.value is not None else 0.0
            unit.share = min(told, charger_wish(unit))
            unit.causes = (
                list(unit.high_causes) if unit.high <= 0 else [explain.silent_device()]
            )
        elif not _wants(unit):
            if charger_wish(unit) == 0:
                _no_wish(unit)
            else:
                idle.append(unit)
    admitted = _admit(idle, capacities, now, tuning)
    for share in admitted:
        share.cap = charger_wish(share.unit)
    _fill(admitted, capacities)
    for share in admitted:
        _settle_share(share)


def _no_wish(unit: Unit) -> None:
    unit.share = 0.0
    unit.causes = list(unit.high_causes)
    if unit.high > 0:
        unit.causes.append(explain.below_minimum(unit.asset.minimum_current))


def _settle_share(share: _Share) -> None:
    unit = share.unit
    unit.share = share.amps
    if share.binding is not None:
        unit.causes = [share.binding.cause]
    elif share.amps >= charger_wish(unit) - _EPSILON:
        unit.causes = [
            cause for cause in unit.high_causes if cause.key != "installation_limit"
        ]
    else:
        unit.causes = [explain.lent()]


def _freeze(share: _Share) -> None:
    if share.active:
        share.active = False
        for capacity, use in share.uses:
            capacity.weight -= use
    share.done = True


def _fill(shares: list[_Share], capacities: list[Capacity]) -> None:
    """Raise shares together until a cap or a capacity stops each of them.

    The common level rises; a share joins at what it has already and leaves at its
    cap. When a capacity is used up, all that use it stay where they are.
    """
    for capacity in capacities:
        capacity.weight = 0.0
        capacity.rising = []
    for share in shares:
        share.done = share.cap <= share.amps + _EPSILON
        for capacity, _ in share.uses:
            capacity.rising.append(share)
    starts = sorted(
        (share for share in shares if not share.done),
        key=lambda share: -share.amps,
    )
    caps: list[tuple[float, int]] = []
    running: list[_Share] = []
    level = starts[-1].amps if starts else 0.0
    heapify(caps)
    while starts or caps:
        next_level = min(
            starts[-1].amps if starts else inf,
            caps[0][0] if caps else inf,
        )
        full: Capacity | None = None
        for capacity in capacities:
            if capacity.weight > _EPSILON:
                reach = level + max(capacity.left, 0.0) / capacity.weight
                if reach < next_level - 1e-12:
                    next_level, full = reach, capacity
        rise = next_level - level
        for capacity in capacities:
            if capacity.weight > _EPSILON:
                capacity.left -= rise * capacity.weight
        level = next_level
        if full is not None:
            _close(full, level)
        else:
            while starts and starts[-1].amps <= level + 1e-12:
                share = starts.pop()
                if not share.done:
                    _start(share, running, caps)
            while caps and caps[0][0] <= level + 1e-12:
                share = running[heappop(caps)[1]]
                if share.active:
                    share.amps = share.cap
                    _freeze(share)
        while caps and not running[caps[0][1]].active:
            heappop(caps)
        while starts and starts[-1].done:
            starts.pop()


def _start(share: _Share, running: list[_Share], caps: list[tuple[float, int]]) -> None:
    used_up = next(
        (capacity for capacity, _ in share.uses if capacity.left <= _EPSILON), None
    )
    if used_up is not None:
        share.binding = used_up.limit
        share.done = True
        return
    share.active = True
    for capacity, use in share.uses:
        capacity.weight += use
    running.append(share)
    heappush(caps, (share.cap, len(running) - 1))


def _close(capacity: Capacity, level: float) -> None:
    """Leave everyone who uses a capacity that is used up where they are."""
    capacity.left = min(capacity.left, 0.0)
    for share in capacity.rising:
        if share.done:
            continue
        if share.active:
            share.amps = level
        share.binding = capacity.limit
        _freeze(share)
