"""Batteries: what each is told, its wish within every limit."""

from math import ceil, floor

from ..model.asset import Nature
from ..model.plan import Cause, Source
from . import explain
from .allocate import Capacity
from .bank import Bank
from .flows import Balance, Bound, distribute, may_rise, movements, total
from .tuning import Tuning
from .units import Unit
from .wishes import battery_wish

_FUSES = frozenset({Source.FUSE, Source.FEEDER})
_NEGLIGIBLE = 2.0
"""W that a battery is not moved for: its setpoint is in whole W."""


def set_batteries(balance: Balance, tuning: Tuning, bank: Bank | None = None) -> None:
    """Set what each battery is told: its wish within every limit.

    `bank` has those that follow a programme.
    """
    batteries = balance.of(Nature.BATTERY)
    for unit in balance.units:
        if unit.asset.nature is Nature.BATTERY and not unit.movable:
            _rest_silent(unit)
    if not batteries:
        return
    picture = balance.picture
    now, then = movements(balance)
    _wish(balance, batteries, (now[0], then[0]), tuning, bank)
    _give_way(balance, batteries, then)
    ranges = []
    for bound in balance.imports:
        channel = bound.channel
        flow = total(picture.import_base, channel) + max(now[channel], then[channel])
        ranges.append((bound, flow + balance.extra[channel], 1))
    for bound in balance.shaved:
        flow = total(picture.import_base, 0) + max(now[0], then[0])
        ranges.append((bound, flow, 1))
    for bound in balance.injections:
        flow = total(picture.injection_base, bound.channel) + then[bound.channel]
        ranges.append((bound, flow, -1))
    # The fuse comes last: what it demands is not taken back by a lesser limit.
    for bound, flow, sign in sorted(ranges, key=lambda entry: -entry[0].limit.source):
        soft = bound.limit.source is Source.CAPACITY_TARIFF
        # The user's own target goes before the tariff.
        members = [u for u in batteries if not u.urgent] if soft else batteries
        _fit(members, bound, flow + _held(batteries, members), sign)
    charged = _charged(batteries)
    for capacity in balance.consumption:
        _fit_budget(batteries, capacity)
    if _charged(batteries) < charged:
        # What may not charge any more does not take what another one delivers.
        for bound, flow, sign in ranges:
            if sign < 0:
                _fit(batteries, bound, flow, sign, yielding=True)
    _relieve_fuses(balance, batteries, then)


def _give_way(balance: Balance, batteries: list[Unit], then: list[float]) -> None:
    """Leave the sun room to rise on the lines and feeders that batteries discharge into.

    Before every limit: what one of them asks of a battery goes before the sun.
    """
    if not any((unit.told or 0.0) < 0 for unit in batteries):
        return
    rise = may_rise(balance)
    for bound in balance.injections:
        channel = bound.channel
        if rise[channel] > 0:
            flow = total(balance.picture.injection_base, channel) + then[channel]
            _fit(batteries, bound, flow - rise[channel], -1, yielding=True)


def _relieve_fuses(balance: Balance, batteries: list[Unit], then: list[float]) -> None:
    """Discharge past the grid operator's limit on production, for a fuse alone.

    A fuse goes before that limit, a stop before a fuse. Who was told to yield counts as
    having yielded, and no more is delivered than what the fuse lacks then.
    """
    able = [unit for unit in batteries if unit.firm_low is not None]
    if not able:
        return
    narrowed = [unit.low for unit in able]
    for unit in able:
        unit.low = unit.low if unit.firm_low is None else unit.firm_low
    for bound in balance.imports:
        if bound.limit.source in _FUSES:
            channel = bound.channel
            flow = total(balance.picture.import_base, channel) + then[channel]
            flow += balance.extra[channel] + _held(batteries, able)
            _fit(able, bound, flow, 1)
    for unit, low in zip(able, narrowed, strict=True):
        unit.low = low


def _held(batteries: list[Unit], members: list[Unit]) -> float:
    """Return the W of the batteries that a bound does not move."""
    if len(members) == len(batteries):
        return 0.0
    return sum(unit.told or 0.0 for unit in batteries if unit not in members)


def _rest_silent(unit: Unit) -> None:
    told = unit.past.value or 0.0
    unit.told = min(max(told, min(unit.low, 0.0)), max(unit.high, 0.0))
    unit.causes = [explain.silent_device()]
    if unit.emergency:
        unit.causes = [*unit.low_causes, *unit.high_causes]


def _wish(
    balance: Balance,
    batteries: list[Unit],
    moved: tuple[float, float],
    tuning: Tuning,
    bank: Bank | None,
) -> None:
    """Set each battery to what its user, its programme or the site's surplus asks.

    `moved` is the W that all but the batteries draw besides the base, now and then.
    """
    picture = balance.picture
    following, led, targets = [], [], []
    base = picture.base[0]
    # What is about to stop is not covered any more: it would be injected.
    present = None if base is None else base + min(moved)
    for unit in batteries:
        mode = unit.wish
        if mode is not None and mode.target is not None and not picture.safe:
            _tell(unit, mode.target, [] if mode.cause is None else [mode.cause])
            targets.append(unit.told or 0.0)
            present = None if present is None else present + targets[-1]
        elif bank is not None and unit.asset.id in bank.members:
            led.append(unit)
        else:
            following.append(unit)
    wish = battery_wish(picture, present)
    if wish is None or base is None:
        for unit in [*led, *following]:
            held = 0.0 if picture.safe else (unit.past.value or 0.0)
            _tell(unit, held, [explain.safe_state("rest")])
        return
    wish += _lead(balance)
    if bank is not None and led:
        _lead_by_programmes(bank, led, _need(balance, base, moved), targets)
        wish = _between(wish, wish - sum(unit.told or 0.0 for unit in led))
    _follow(following, wish, tuning)


def _need(balance: Balance, base: float, moved: tuple[float, float]) -> float:
    """Return the W that all batteries together bring the connection point to zero with.

    What is about to start is not charged into, what is about to stop is not covered.
    """
    lead = _lead(balance)
    least, most = lead - base - max(moved), lead - base - min(moved)
    return least if least > 0 else min(0.0, most)


def _lead_by_programmes(
    bank: Bank, led: list[Unit], need: float, targets: list[float]
) -> None:
    bank.decide(need, targets)
    for unit in led:
        member = bank.members[unit.asset.id]
        _tell(unit, member.wish, member.causes)


def _between(wish: float, rest: float) -> float:
    """Return what is left of a wish: no battery charges what another one delivers."""
    return max(0.0, min(wish, rest)) if rest > 0 else min(0.0, max(wish, rest))


def _follow(following: list[Unit], wish: float, tuning: Tuning) -> None:
    """Set batteries to their shares of what brings the connection point to zero."""
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


def _lead(balance: Balance) -> float:
    """Return the W that batteries stay behind while a curtailed inverter rises.

    Production rises faster than a battery answers; what it leaves meanwhile is
    imported rather than injected.
    """
    return sum(unit.curtailed for unit in balance.of(Nature.INVERTER))


def _tell(unit: Unit, value: float, causes: list[Cause]) -> None:
    if value > unit.high:
        value, causes = unit.high, [*unit.high_causes]
    if value < unit.low:
        value, causes = unit.low, [*unit.low_causes]
    unit.told = float(round(value))
    unit.causes = causes


def _charged(batteries: list[Unit]) -> float:
    return sum(max(0.0, unit.told or 0.0) for unit in batteries)


def _fit(
    batteries: list[Unit],
    bound: Bound,
    flow: float,
    sign: int,
    *,
    yielding: bool = False,
) -> None:
    """Move batteries until a channel's flow is inside one bound, as far as they can.

    `sign` 1 holds import (they discharge), -1 injection (they charge); `yielding` only
    takes back what works against the bound.
    """
    members = [unit for unit in batteries if unit.uses(bound.channel)]
    if not members:
        return
    for unit in members:
        flow += unit.flow(bound.channel, unit.told or 0.0)
    excess = sign * flow - bound.value
    if excess <= (_NEGLIGIBLE if bound.channel == 0 else _NEGLIGIBLE / 230):
        return
    _push(members, excess, bound, sign, yielding=yielding or bound.yields_only)


def _push(
    members: list[Unit], excess: float, bound: Bound, sign: int, *, yielding: bool
) -> None:
    scales = [1.0 if bound.channel == 0 else unit.watts for unit in members]
    # First nobody works against it, then everybody works for it: no battery
    # charges what another one delivers.
    for crossing in (False,) if yielding else (False, True):
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
