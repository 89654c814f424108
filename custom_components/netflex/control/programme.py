"""What a battery's programme wishes: its modes by priority, each inside the last ones.

A mode that comes later may set a target only inside the bounds that the earlier ones
left; it may narrow those bounds, but not past the target that stands. Without any
target the battery rests, as far as the bounds let it.
"""

from dataclasses import dataclass, replace
from math import inf
from typing import Final, NamedTuple

from ..model.plan import Cause
from ..model.programme import Inactive, ModeEntry, Programme, ProgrammeMode
from ..model.schedule import UnknownScheduleError, Window
from .modes.battery import WISHES
from .modes.battery.causes import rests
from .modes.battery.view import (
    NO_CLOCK,
    SCHEDULE_UNKNOWN,
    Answer,
    BatteryView,
    BatteryWish,
    CannotAct,
)
from .schedules import Schedules


class End(NamedTuple):
    """A target, or one end of what is left to later modes, and who set it. W."""

    value: float
    shared: bool = False
    """It is of all batteries together."""
    mode: ProgrammeMode | None = None
    cause: Cause | None = None
    gradual: bool = False


_BELOW: Final = End(-inf)
_ABOVE: Final = End(inf)


@dataclass(slots=True)
class Bounds:
    """What is left to later modes: each end, and the tightest of either kind. W."""

    low: End = _BELOW
    high: End = _ABOVE
    own_low: float = -inf
    own_high: float = inf
    shared_low: float = -inf
    """Of all batteries together."""
    shared_high: float = inf

    def raise_low(self, end: End) -> None:
        """Narrow from below."""
        self.low = end
        if end.shared:
            self.shared_low = max(self.shared_low, end.value)
        else:
            self.own_low = max(self.own_low, end.value)

    def lower_high(self, end: End) -> None:
        """Narrow from above."""
        self.high = end
        if end.shared:
            self.shared_high = min(self.shared_high, end.value)
        else:
            self.own_high = min(self.own_high, end.value)

    def within(self, target: End) -> End:
        """Return a target inside the bounds; who bounds it has decided it then."""
        if target.value > self.high.value:
            return self.high
        return self.low if target.value < self.low.value else target


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What the modes of one programme come to, before anything but themselves is asked."""

    target: End
    bounds: Bounds
    active: ProgrammeMode | None
    inactive: tuple[Inactive, ...]

    @property
    def cause(self) -> Cause:
        """Return why it is the target."""
        return self.target.cause or rests()


def choose(programme: Programme, view: BatteryView, schedules: Schedules) -> Choice:
    """Return what a programme wishes for a battery now."""
    bounds, target = Bounds(), None
    active: ProgrammeMode | None = None
    inactive: list[Inactive] = []
    for entry in programme.entries:
        answer = _ask(entry, view, schedules)
        if answer is None:
            continue
        if isinstance(answer, CannotAct):
            inactive.append(Inactive(mode=entry.mode, key=answer.key, text=answer.text))
            continue
        active = active or entry.mode
        if target is not None and bounds.low.value >= bounds.high.value:
            # Nothing is left to it; what it lacks is still worth saying.
            continue
        if answer.all_low > bounds.low.value:
            standing = bounds.high if target is None else target
            floor = min(answer.all_low, standing.value)
            bounds.raise_low(End(floor, True, entry.mode, answer.cause))
        if answer.target is not None:
            target = bounds.within(_end(answer.target, entry.mode, answer))
        _narrow(bounds, target, entry.mode, answer)
    if target is None:
        target = bounds.within(End(0.0))
    return Choice(target=target, bounds=bounds, active=active, inactive=tuple(inactive))


def _ask(entry: ModeEntry, view: BatteryView, schedules: Schedules) -> Answer:
    """Return what a mode says, None where it is not scheduled or wants nothing."""
    if entry.schedule is not None:
        if not view.clock.synchronised:
            return NO_CLOCK
        try:
            window: Window | None = schedules.window(entry.schedule)
        except UnknownScheduleError:
            return SCHEDULE_UNKNOWN
        if window is None:
            return None
        view = replace(view, window=window)
    return WISHES[entry.mode](view, entry.parameters)


def _end(value: float, mode: ProgrammeMode, wish: BatteryWish) -> End:
    # What is infinite is as much as there is: nothing to share.
    shared = wish.shared and abs(value) < inf
    return End(value, shared, mode, wish.cause, wish.gradual)


def _narrow(
    bounds: Bounds, target: End | None, mode: ProgrammeMode, wish: BatteryWish
) -> None:
    """Narrow the bounds by a wish: never past the target, or past each other."""
    if wish.low > bounds.low.value:
        ceiling = bounds.high if target is None else target
        low = _end(wish.low, mode, wish)
        bounds.raise_low(ceiling if low.value > ceiling.value else low)
    if wish.high < bounds.high.value:
        floor = bounds.low if target is None else target
        high = _end(wish.high, mode, wish)
        bounds.lower_high(floor if high.value < floor.value else high)
