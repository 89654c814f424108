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
from ..model.plan import Cause, Limit, Source
from . import explain
from .tuning import Tuning
from .units import Footing, Unit
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
    against: int | None = None
    """Channel of the line that it is the difference to."""
    beyond: bool = False
    """What is assured to a unit may go beyond it."""
    weight: float = 0.0
    """Of the shares that are rising, in its unit per A."""
    level: float = 0.0
    """A of the common level at which `left` counts."""
    version: int = 0
    """Counts the changes of its weight while it is tight, 0 otherwise."""
    asked: float = 0.0
    """What shares would take of it, while they are counted."""
    rising: list[_Share] = field(default_factory=list)

    def settle(self, level: float) -> None:
        """Take what the rising shares have used up since the last change."""
        if self.weight > 0:
            self.left -= (level - self.level) * self.weight
        self.level = level

    def reach(self) -> float:
        """Return the level at which it is used up."""
        if self.weight <= _EPSILON:
            return inf
        return self.level + max(self.left, 0.0) / self.weight


class Capacities:
    """All capacities, found by what a unit's current passes."""

    def __init__(self, capacities: Iterable[Capacity]) -> None:
        """Index the capacities by channel; those of some members stand apart."""
        self._by_channel: dict[int, list[Capacity]] = {}
        self._sums: list[Capacity] = []
        self._shared: dict[
            tuple[tuple[int, ...], float], list[tuple[Capacity, float]]
        ] = {}
        self._differences: list[Capacity] = []
        for capacity in capacities:
            if capacity.against is not None:
                self._differences.append(capacity)
            elif capacity.members is None:
                self._by_channel.setdefault(capacity.channel, []).append(capacity)
            else:
                self._sums.append(capacity)

    def uses(
        self, unit: Unit, standing: Footing | None = None
    ) -> list[tuple[Capacity, float]]:
        """Return what a unit draws on, and how much of each 1 A of it uses.

        `standing` asks for other lines than those that it uses now.
        """
        standing = unit.footing if standing is None else standing
        found = self._shared.get((standing.paths, standing.watts))
        if found is None:
            found = self._gather(standing)
            self._shared[standing.paths, standing.watts] = found
        if not self._sums:
            return found
        asset_id, watts = unit.asset.id, standing.watts
        return found + [
            (capacity, watts)
            for capacity in self._sums
            if capacity.members is not None and asset_id in capacity.members
        ]

    def _gather(self, standing: Footing) -> list[tuple[Capacity, float]]:
        """Return what everybody who stands there draws on."""
        watts = standing.watts
        found = [(capacity, watts) for capacity in self._by_channel.get(0, ())]
        found += [
            (capacity, 1.0)
            for channel in standing.paths
            for capacity in self._by_channel.get(channel, ())
        ]
        # Who draws on both lines makes no difference between them.
        found += [
            (capacity, 1.0)
            for capacity in self._differences
            if capacity.channel in standing.lines
            and capacity.against not in standing.lines
        ]
        return found


@dataclass(slots=True, eq=False)
class _Share:
    """One charger while it is raised."""

    unit: Unit
    amps: float
    cap: float
    uses: list[tuple[Capacity, float]]
    tight: list[tuple[Capacity, float]] = field(default_factory=list)
    """Those of `uses` that cannot give everyone what they ask for."""
    active: bool = False
    done: bool = False
    binding: Limit | None = None


def allocate(
    units: list[Unit],
    capacities: list[Capacity],
    now: float,
    tuning: Tuning,
) -> Capacities:
    """Set the share of every charger and the state of every load.

    `units` are in order of priority. Causes are noted on the units. Returns what is
    left.
    """
    shares: list[_Share] = []
    index = Capacities(capacities)
    for unit in units:
        if unit.asset.nature is Nature.LOAD and unit.asset.never_shed:
            _place_load(unit, index, protective_only=True)
    for _, tier in groupby(units, key=lambda unit: unit.asset.priority):
        members = list(tier)
        for unit in members:
            if unit.asset.nature is Nature.LOAD and not unit.asset.never_shed:
                _place_load(unit, index, protective_only=False)
        chargers = [
            unit
            for unit in members
            if unit.asset.nature is Nature.CHARGER and unit.movable
        ]
        wanting = [unit for unit in chargers if _wants(unit)]
        admitted = _admit(wanting, index, now, tuning)
        _assure(admitted)
        _fill(admitted)
        shares += admitted
    _second_round(shares)
    _idle_round(units, index, now, tuning)
    for share in shares:
        _settle_share(share)
    return index


def _wants(unit: Unit) -> bool:
    return unit.plugged and charger_wish(unit) > 0


def _place_load(unit: Unit, capacities: Capacities, *, protective_only: bool) -> None:
    """Leave a load on where it fits; it is booked where it is on."""
    wanted = load_wish(unit)
    unit.on = False
    if not wanted:
        unit.causes = unit.high_causes
        return
    running = unit.past.value is None or unit.past.value > 0
    amps = load_power(unit) / unit.watts
    uses = capacities.uses(unit)
    for capacity, per_amp in uses:
        if protective_only and capacity.limit.source >= Source.GRID_OPERATOR:
            continue
        room = capacity.left + (capacity.grace if running else 0.0)
        if capacity.beyond and unit.assured > 0:
            continue
        # A limit that is broken already takes off what might start, too.
        if per_amp * amps > room + _EPSILON:
            unit.causes = (capacity.limit.cause,)
            return
    unit.on = True
    if unit.movable:
        for capacity, per_amp in uses:
            capacity.left -= per_amp * amps


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
    chargers: list[Unit], capacities: Capacities, now: float, tuning: Tuning
) -> list[_Share]:
    """Give each charger its minimum where it fits, in order of the queue."""
    admitted = []
    for unit in sorted(chargers, key=lambda unit: _order(unit, now, tuning)):
        uses = capacities.uses(unit)
        minimum = unit.asset.minimum_current
        short = None
        for capacity, use in uses:
            if use * minimum > capacity.left + _EPSILON and not (
                capacity.beyond and unit.assured > 0
            ):
                short = capacity
                break
        if short is not None:
            unit.share = 0.0
            unit.causes = [_why(unit, short.limit), explain.below_minimum(minimum)]
            continue
        for capacity, use in uses:
            capacity.left -= use * minimum
        admitted.append(_Share(unit, minimum, charger_demand(unit), uses))
    return admitted


def _assure(shares: list[_Share]) -> None:
    """Raise those to whom more than the minimum is assured, before the others."""
    wanting = [
        share
        for share in shares
        if share.unit.assured > (share.amps + _EPSILON) * share.unit.watts
    ]
    if not wanting:
        return
    kept = [(share, share.amps, share.cap, share.uses) for share in wanting]
    for share in wanting:
        share.cap = min(share.cap, share.unit.amperes(share.unit.assured))
        share.uses = [(c, use) for c, use in share.uses if not c.beyond]
    _fill(wanting)
    for share, amps, share.cap, share.uses in kept:
        share.binding = None
        for capacity, use in share.uses:
            if capacity.beyond:
                capacity.left -= use * (share.amps - amps)


def _second_round(shares: list[_Share]) -> None:
    """Raise those that lend as far as nobody else needs it."""
    lending = []
    for share in shares:
        wish = charger_wish(share.unit)
        if share.cap < wish - _EPSILON and share.binding is None:
            share.cap = wish
            lending.append(share)
    for _, tier in groupby(lending, key=lambda share: share.unit.asset.priority):
        _fill(list(tier))


def _idle_round(
    units: list[Unit], capacities: Capacities, now: float, tuning: Tuning
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
    _fill(admitted)
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
        unit.causes = [_why(unit, share.binding)]
    elif share.amps >= charger_wish(unit) - _EPSILON:
        unit.causes = [
            cause for cause in unit.high_causes if cause.key != "installation_limit"
        ]
    else:
        unit.causes = [explain.lent()]


def _why(unit: Unit, limit: Limit) -> Cause:
    """Return what bounds a unit: of what lives from the sun, its mode knows best."""
    wish = unit.wish
    if limit.source is Source.SELF_CONSUMPTION and wish is not None:
        return wish.cause or limit.cause
    return limit.cause


def _fill(shares: list[_Share]) -> None:
    """Raise shares together until a cap or a capacity stops each of them.

    The common level rises; a share joins at what it has already and leaves at its
    cap. When a capacity is used up, all that use it stay where they are. What fits
    into all that it uses goes straight to its cap: only tight capacities matter.
    """
    rising = [share for share in shares if share.cap > share.amps + _EPSILON]
    tight = _tight(rising)
    if not tight:
        for share in rising:
            share.amps = share.cap
            share.done = True
        return
    contested = []
    for share in rising:
        share.done = False
        share.tight = [(c, use) for c, use in share.uses if c.version]
        if not share.tight:
            _take(share, share.cap)
            share.done = True
        else:
            contested.append(share)
    if contested:
        for share in contested:
            for capacity, _ in share.tight:
                capacity.rising.append(share)
        _rise(contested)
    for capacity in tight:
        capacity.version = 0
        capacity.weight = 0.0
        capacity.rising = []


def _tight(shares: list[_Share]) -> list[Capacity]:
    """Return the capacities that cannot give all what they ask for, marked.

    Where there is none, all of them have given it.
    """
    asked: list[Capacity] = []
    for share in shares:
        more = share.cap - share.amps
        for capacity, use in share.uses:
            if capacity.asked == 0.0:
                asked.append(capacity)
            capacity.asked += use * more
    found = []
    for capacity in asked:
        if capacity.asked > capacity.left:
            capacity.version = 1
            found.append(capacity)
    for capacity in asked:
        if not found:
            capacity.left -= capacity.asked
        capacity.asked = 0.0
    return found


def _take(share: _Share, amps: float) -> None:
    """Give a share more, out of all that it uses."""
    more = amps - share.amps
    for capacity, use in share.uses:
        capacity.left -= use * more
    share.amps = amps


_START, _CAP, _USED_UP = 0, 1, 2

type _Event = tuple[float, int, int, int, _Share | Capacity]


def _rise(shares: list[_Share]) -> None:
    """Raise the common level from event to event."""
    events: list[_Event] = [
        (share.amps, _START, number, 0, share) for number, share in enumerate(shares)
    ]
    heapify(events)
    number = len(events)
    level = events[0][0]
    for share in shares:
        for capacity, _ in share.tight:
            capacity.level = level
    while events:
        level = max(level, events[0][0])
        touched: dict[int, Capacity] = {}
        # Everything of one moment is settled before it is asked what is used up.
        while events and events[0][0] <= level + 1e-12:
            _, kind, order, version, subject = heappop(events)
            if isinstance(subject, Capacity):
                if version == subject.version:
                    _close(subject, level, touched)
                continue
            if subject.done:
                continue
            if kind == _START:
                _start(subject, level, touched)
                if subject.active:
                    heappush(events, (subject.cap, _CAP, order, 0, subject))
            else:
                _stop(subject, subject.cap, None, touched)
        for capacity in touched.values():
            capacity.version += 1
            reach = capacity.reach()
            if reach < inf:
                number += 1
                heappush(events, (reach, _USED_UP, number, capacity.version, capacity))


def _start(share: _Share, level: float, touched: dict[int, Capacity]) -> None:
    """Let a share rise from where it is, unless something is used up already."""
    for capacity, _ in share.tight:
        capacity.settle(level)
    for capacity, _ in share.tight:
        if capacity.left <= _EPSILON:
            share.binding = capacity.limit
            share.done = True
            return
    share.active = True
    for capacity, use in share.tight:
        capacity.weight += use
        touched[id(capacity)] = capacity


def _stop(
    share: _Share, amps: float, binding: Limit | None, touched: dict[int, Capacity]
) -> None:
    """Leave a share at a level, out of all that it uses."""
    if share.active:
        share.active = False
        for capacity, use in share.uses:
            if capacity.version:
                capacity.settle(amps)
                capacity.weight -= use
                touched[id(capacity)] = capacity
            else:
                capacity.left -= use * (amps - share.amps)
        share.amps = amps
    share.binding = binding
    share.done = True


def _close(capacity: Capacity, level: float, touched: dict[int, Capacity]) -> None:
    """Leave everyone who uses a capacity that is used up where they are."""
    capacity.settle(level)
    capacity.left = min(capacity.left, 0.0)
    for share in capacity.rising:
        if not share.done:
            _stop(share, max(level, share.amps), capacity.limit, touched)
