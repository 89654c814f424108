"""The batteries of a site that follow programmes, together.

Each programme says what its battery wishes. What is wished of all of them together (no
import, no injection) is shared out by what each can still do and how much it holds; no
battery charges what another one delivers. Dead band and ramp shape a wish; the bounds
that avoid an import or an injection are kept at once. Limits come after all of it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final

from ..model.dispatch import DispatchCommand, by_precedence
from ..model.modes import BatteryMode
from ..model.plan import Cause, Source
from ..model.programme import Constraint, Programme, ProgrammeMode, ProgrammeState
from ..model.snapshot import Clock, SiteModel, Snapshot
from . import capacity, island
from .flows import split
from .layout import Layout
from .modes.battery.view import Assigned, BatteryView
from .programme import Choice, choose
from .schedules import Schedules, schedules_of
from .tuning import Tuning
from .units import Unit

_LEAST_SHARE: Final = 0.01
"""A battery at its end still takes its part, as long as it can."""
_NEGLIGIBLE: Final = 1.0
"""W that count as done."""


@dataclass(slots=True, kw_only=True)
class Member:
    """One battery and what its programme comes to in this decision. W."""

    unit: Unit
    programme: Programme
    choice: Choice | None = None
    wish: float = 0.0
    """Charging positive, before every limit."""
    lacking: bool = False
    """Together with others it cannot do all of what is wished."""

    @property
    def finite(self) -> float:
        """Return the target, an infinite one as its rated power."""
        asset, choice = self.unit.asset, self.choice
        target = 0.0 if choice is None else choice.target.value
        return min(max(target, -asset.rated_production), asset.rated_consumption)

    @property
    def does(self) -> float:
        """Return what of its wish the battery can do now."""
        return min(max(self.wish, self.unit.low), self.unit.high)

    @property
    def causes(self) -> list[Cause]:
        """Return why it wishes what it wishes, and what keeps the group from more."""
        if self.choice is None:
            return []
        causes = [self.choice.cause]
        if self.lacking:
            up = self.choice.target.value > 0
            causes += self.unit.high_causes if up else self.unit.low_causes
        return causes


@dataclass(slots=True, kw_only=True)
class Bank:
    """The programmes of one decision."""

    site: SiteModel
    snapshot: Snapshot
    clock: Clock
    tuning: Tuning
    schedules: Schedules
    elapsed: float
    """s since the decision before."""
    members: dict[str, Member]
    orders: dict[str, tuple[Assigned, ...]] = field(default_factory=dict)

    @property
    def until(self) -> datetime | None:
        """Return when the first schedule or dispatch changes, None where none does."""
        utc = self.clock.utc
        times = [
            at
            for command in self.snapshot.dispatches
            for at in (command.start, command.end)
            if at > utc
        ]
        if self.schedules.until is not None:
            times.append(self.schedules.until)
        return min(times, default=None)

    def decide(self, need: float, others: Sequence[float]) -> None:
        """Set what each battery wishes.

        `need` is the W that all batteries together would have to take for the
        connection point to be at zero, `others` what those without a programme are
        told by their user.
        """
        members = [m for m in self.members.values() if m.unit.movable]
        self._hand_out_orders()
        limit = self._quarter_limit()
        for member in members:
            view = self._view(member, need, limit)
            member.choice = choose(member.programme, view, self.schedules)
        own = [m for m in members if m.choice and not m.choice.target.shared]
        for member in own:
            self._shape(member, member.finite)
        fixed = [*others, *(member.does for member in own)]
        shared = [m for m in members if m.choice and m.choice.target.shared]
        for sign in (1, -1):
            self._share(shared, sign, sum(max(0.0, sign * power) for power in fixed))
        for sign in (1, -1):
            _keep_ends(members, sign, sum(max(0.0, sign * power) for power in others))

    def _hand_out_orders(self) -> None:
        """Set which commands each battery hears, and its part of them."""
        utc, commands = self.clock.utc, self.snapshot.dispatches
        if not commands:
            return
        listening = [
            member
            for member in self.members.values()
            if member.unit.movable
            and any(e.mode is ProgrammeMode.DISPATCH for e in member.programme)
        ]
        for member in listening:
            asset_id = member.unit.asset.id
            self.orders[asset_id] = tuple(
                Assigned(command, _part(command, member, listening))
                for command in by_precedence(commands, asset_id, utc)
            )

    def _quarter_limit(self) -> float | None:
        quarter = self.snapshot.quarter
        if quarter is None:
            return None
        left = capacity.left_of(quarter, self.site, self.tuning)
        return left * (1.0 - self.site.tolerance)

    def _view(self, member: Member, need: float, limit: float | None) -> BatteryView:
        unit, snapshot = member.unit, self.snapshot
        return BatteryView(
            asset=unit.asset,
            charge=None if unit.state is None else unit.state.state_of_charge,
            told=unit.past.value,
            low=min(0.0, unit.low),
            high=max(0.0, unit.high),
            need=need,
            quarter_limit=limit,
            market=snapshot.market,
            frequency=snapshot.frequency,
            dispatches=self.orders.get(unit.asset.id, ()),
            clock=self.clock,
            holidays=snapshot.holidays,
            entities=snapshot.entity_windows,
            tuning=self.tuning,
        )

    def _share(self, members: Iterable[Member], sign: int, done: float) -> None:
        """Share out what is wished in one direction, `done` W of it by others already.

        Who wishes most comes first: what he does is done for those who wish less.
        """
        groups: dict[float, list[Member]] = {}
        for member in members:
            assert member.choice is not None
            target = sign * member.choice.target.value
            if target > 0 or (target == 0 and sign > 0):
                groups.setdefault(target, []).append(member)
        for target in sorted(groups, reverse=True):
            group = groups[target]
            rest = max(0.0, target - done)
            if not self._stands(group, sign * rest):
                rooms = [_room(member, sign) for member in group]
                weights = [
                    room * _fraction(member, sign)
                    for room, member in zip(rooms, group, strict=True)
                ]
                shares = split(rest, rooms, weights)
                lacking = rest - sum(shares) > _NEGLIGIBLE
                for member, share in zip(group, shares, strict=True):
                    member.lacking = lacking
                    self._shape(member, sign * share, banded=False)
            done += sum(max(0.0, sign * member.does) for member in group)

    def _stands(self, group: Sequence[Member], total: float) -> bool:
        """Keep a group where it is, if that is nearly what is wished; say whether."""
        last = [member.unit.past.value or 0.0 for member in group]
        bands = [self._band(member) for member in group]
        if abs(total - sum(last)) > min(bands) or min(last) < 0 < max(last):
            return False
        for member, value in zip(group, last, strict=True):
            unit = member.unit
            # Not where one has reached an end.
            if not unit.past.told or not unit.low <= value <= unit.high:
                return False
        for member, value in zip(group, last, strict=True):
            member.wish = value
        return True

    def _band(self, member: Member) -> float:
        band = member.programme.dead_band
        return self.tuning.dead_band if band is None else band

    def _shape(self, member: Member, value: float, *, banded: bool = True) -> None:
        """Set a wish, behind its dead band and its ramp."""
        past, choice = member.unit.past, member.choice
        last = past.value or 0.0
        gradual = choice is not None and choice.target.gradual
        if banded and gradual and value and past.told and value * last > 0:
            if abs(value - last) <= self._band(member):
                value = last
        if (ramp := member.programme.ramp) is not None:
            step = ramp * self.elapsed
            value = min(max(value, last - step), last + step)
        # Toward zero: a wish of all together is never exceeded by rounding.
        member.wish = float(int(value))

    def states(self) -> MappingProxyType[str, ProgrammeState]:
        """Return how each programme stands, once everything has been decided."""
        return MappingProxyType(
            {asset_id: _state(member) for asset_id, member in self.members.items()}
        )


def bank_of(
    layout: Layout,
    snapshot: Snapshot,
    units: Iterable[Unit],
    clock: Clock,
    elapsed: float,
    tuning: Tuning,
) -> Bank | None:
    """Return the batteries that follow a programme now, None where none does.

    While the house is without the grid nothing is earned: they keep it alive.
    """
    programmes = layout.site.programmes
    if not programmes or island.without_grid(snapshot):
        return None
    members = {
        unit.asset.id: Member(unit=unit, programme=programmes[unit.asset.id])
        for unit in units
        if unit.asset.id in programmes and _follows(unit)
    }
    if not members:
        return None
    return Bank(
        site=layout.site,
        snapshot=snapshot,
        clock=clock,
        tuning=tuning,
        schedules=schedules_of(layout, snapshot, clock),
        elapsed=elapsed,
        members=members,
    )


def _follows(unit: Unit) -> bool:
    """Return whether a battery follows its programme: no word of its user is against it."""
    user = unit.user
    return user.target_power is None and user.mode not in _OTHER_MODES


_OTHER_MODES: Final = frozenset({BatteryMode.SELF_CONSUMPTION, BatteryMode.IDLE})


def _part(command: DispatchCommand, member: Member, all_: list[Member]) -> float:
    """Return a battery's part of a power that is asked of several, by what they can."""
    if command.power is None:
        return 1.0
    sign = 1 if command.power > 0 else -1
    members = [m for m in all_ if command.concerns(m.unit.asset.id)]
    able = sum(_able(m.unit, sign) for m in members)
    if able <= 0:
        return 1.0 / len(members)
    return _able(member.unit, sign) / able


def _able(unit: Unit, sign: int) -> float:
    return max(0.0, unit.high if sign > 0 else -unit.low)


def _room(member: Member, sign: int) -> float:
    """Return the W that a battery can do in a direction, by itself and its programme."""
    own, _ = _ends(member, sign)
    return min(_able(member.unit, sign), own)


def _ends(member: Member, sign: int) -> tuple[float, float]:
    """Return the W that a programme leaves in a direction: its own, and of all together."""
    assert member.choice is not None
    bounds = member.choice.bounds
    if sign > 0:
        own, shared = bounds.own_high, bounds.shared_high
    else:
        own, shared = -bounds.own_low, -bounds.shared_low
    return max(0.0, own), max(0.0, shared)


def _fraction(member: Member, sign: int) -> float:
    """Return the share of its charge that it can still take, or deliver."""
    unit = member.unit
    charge = None if unit.state is None else unit.state.state_of_charge
    if charge is None:
        return 0.5
    asset = unit.asset
    left = asset.ceiling - charge if sign > 0 else charge - asset.reserve
    return max(_LEAST_SHARE, left / 100)


def _keep_ends(members: Sequence[Member], sign: int, others: float) -> None:
    """Take back what goes beyond the ends that programmes leave, at once.

    `others` W are charged (`sign` 1) or discharged by batteries without a programme.
    """
    for member in members:
        own, _ = _ends(member, sign)
        if sign * member.wish > own:
            member.wish = sign * float(int(own))
    ends = {id(m): _ends(m, sign)[1] for m in members if sign * m.does > 0}
    # The tightest first: who still goes beyond the next one yields to that, too.
    for value in sorted(set(ends.values())):
        total = others + sum(max(0.0, sign * m.does) for m in members)
        group = [m for m in members if ends.get(id(m)) == value]
        wished = sum(sign * m.does for m in group)
        if total > value and wished > 0:
            keep = max(0.0, 1.0 - (total - value) / wished)
            for member in group:
                member.wish = float(int(member.does * keep))


_CONSTRAINTS: Final = {
    Source.HARDWARE_STOP: Constraint.STOP,
    Source.EMERGENCY_STOP: Constraint.STOP,
    Source.LOCAL_STOP: Constraint.STOP,
    Source.FUSE: Constraint.SITE_POWER,
    Source.FEEDER: Constraint.SITE_POWER,
    Source.METER_THRESHOLD: Constraint.SITE_POWER,
    Source.NEUTRAL: Constraint.SITE_POWER,
    Source.CAPACITY_TARIFF: Constraint.SITE_POWER,
    Source.SAFE_STATE: Constraint.NO_MEASUREMENT,
    Source.GRID_OPERATOR: Constraint.GRID_OPERATOR,
    Source.CONTRACT: Constraint.SITE_POWER,
    Source.DEVICE: Constraint.BATTERY_POWER,
    Source.USER: Constraint.BATTERY_POWER,
    Source.STATE_OF_ENERGY: Constraint.STATE_OF_ENERGY,
}


def _constraint(cause: Cause) -> Constraint | None:
    if cause.key == "locked_out":
        return Constraint.MAINTENANCE
    if cause.key == "device_silent":
        return Constraint.NO_MEASUREMENT
    return _CONSTRAINTS.get(cause.source)


def _state(member: Member) -> ProgrammeState:
    unit, choice = member.unit, member.choice
    told = unit.told or 0.0
    causes = list(unit.causes)
    if unit.held:
        causes += [*unit.low_causes, *unit.high_causes]
    if choice is None:
        return ProgrammeState(constraints=_flags(causes))
    wish = member.wish
    found: list[Cause] = []
    if wish > unit.high + _NEGLIGIBLE or (member.lacking and wish > 0):
        found += unit.high_causes
    if wish < unit.low - _NEGLIGIBLE or (member.lacking and wish < 0):
        found += unit.low_causes
    clipped = min(max(wish, unit.low), unit.high)
    if abs(told - clipped) > _NEGLIGIBLE:
        found += unit.causes
    return ProgrammeState(
        active=choice.active,
        effective=choice.target.mode,
        wish=wish,
        constraints=_flags(found),
        inactive=choice.inactive,
    )


def _flags(causes: Iterable[Cause]) -> frozenset[Constraint]:
    found = (_constraint(cause) for cause in causes)
    return frozenset(item for item in found if item is not None)
