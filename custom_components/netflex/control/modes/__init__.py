"""Modes: one file each, a pure function that says what an asset would like.

`wish(view, user, memory)` looks at one asset (`view`), at what its user has set
(`user`) and at what it remembered, and returns a `Wish` with what to remember next. A
mode knows nothing of limits: they come after it and win. A new mode is a new file and
a line in `_MODES`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from ...model.asset import Nature
from ...model.modes import BatteryMode, ChargerMode, LoadMode, Mode
from ...model.snapshot import Clock, UserLimits
from ..estimate import Picture
from ..flows import future_production
from ..memory import NEW_MODE, Memory, ModeMemory
from ..tuning import Tuning
from ..units import Unit
from . import (
    deadline,
    fast,
    heat_pump,
    idle,
    load_always,
    load_solar,
    minimum,
    off,
    override,
    self_consumption,
    solar,
    solar_minimum,
    target,
)
from .wish import View, Wish

_LONGEST_STEP: Final = 5.0
"""s of a pause between two decisions that energy is counted for."""


class _Function(Protocol):
    def __call__(
        self, view: View, user: UserLimits, memory: ModeMemory
    ) -> tuple[Wish, ModeMemory]:
        """Return what an asset would like, and what to remember."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    wish: _Function
    follows: bool = False
    """It lives from what would be injected: its draw is no one else's."""


_MODES: Final[dict[Nature, dict[Mode, _Entry]]] = {
    Nature.CHARGER: {
        ChargerMode.OFF: _Entry(wish=off.wish),
        ChargerMode.MINIMUM: _Entry(wish=minimum.wish),
        ChargerMode.SOLAR: _Entry(wish=solar.wish, follows=True),
        ChargerMode.SOLAR_MINIMUM: _Entry(wish=solar_minimum.wish, follows=True),
        ChargerMode.FAST: _Entry(wish=fast.wish),
        ChargerMode.DEADLINE: _Entry(wish=deadline.wish, follows=True),
    },
    Nature.BATTERY: {
        BatteryMode.SELF_CONSUMPTION: _Entry(wish=self_consumption.wish),
        BatteryMode.IDLE: _Entry(wish=idle.wish),
    },
    Nature.LOAD: {
        LoadMode.ALWAYS: _Entry(wish=load_always.wish),
        LoadMode.SOLAR: _Entry(wish=load_solar.wish, follows=True),
    },
}
"""By nature: the same word may mean something else elsewhere."""

_UNBOUNDED: Final = frozenset({None, ChargerMode.FAST})

_DEFAULT: Final[dict[Nature, Mode]] = {
    Nature.CHARGER: ChargerMode.FAST,
    Nature.BATTERY: BatteryMode.SELF_CONSUMPTION,
    Nature.LOAD: LoadMode.ALWAYS,
}


def _entry(unit: Unit) -> _Entry | None:
    """Return the mode of a unit; one that is not for its nature counts as none."""
    nature = unit.asset.nature
    if (default := _DEFAULT.get(nature)) is None:
        return None
    told = unit.user.override
    if nature is Nature.CHARGER and told is not None and told.current is not None:
        return _Entry(wish=override.wish)
    if nature is Nature.BATTERY and unit.user.target_power is not None:
        return _Entry(wish=target.wish)
    modes, mode = _MODES[nature], unit.user.mode
    return modes[mode if mode in modes else default]


def surplus(seen: Picture, units: Iterable[Unit]) -> float | None:
    """Return the W that would be injected if nobody lived from it, None unknown.

    Batteries do not count: they yield to who uses the sun now.
    """
    base = seen.base[0]
    if base is None or not seen.fresh:
        return None
    power = base
    for unit in units:
        if not unit.movable or unit.asset.nature is Nature.BATTERY:
            continue
        if unit.asset.nature is Nature.INVERTER:
            power += future_production(unit) - unit.curtailed
        elif not unit.follows:
            power += unit.draw
    return -power


def apply(
    units: list[Unit], seen: Picture, memory: Memory, clock: Clock, tuning: Tuning
) -> None:
    """Set what each unit would like: its bounds, what is assured, what is urgent."""
    entries = []
    sun_counts = False
    for unit in units:
        # Who wants all that there is needs no thought: there may be a thousand of them.
        if not unit.movable or (
            unit.asset.nature is Nature.CHARGER
            and unit.user.mode in _UNBOUNDED
            and unit.user.override is None
            and unit.held_back is None
            and unit.past.mode is NEW_MODE
        ):
            continue
        if (entry := _entry(unit)) is not None:
            entries.append((unit, entry))
            unit.follows = entry.follows
            sun_counts |= entry.follows or unit.asset.sg_ready
    left = surplus(seen, units) if sun_counts else None
    elapsed = 0.0 if memory.at is None else clock.monotonic - memory.at
    for unit, entry in entries:
        view = View(
            asset=unit.asset,
            state=unit.state,
            told=unit.past.value,
            draw=unit.draw,
            least=_least(unit),
            most=max(0.0, unit.high),
            surplus=left,
            elapsed=min(_LONGEST_STEP, elapsed),
            clock=clock,
            tuning=tuning,
            held_back=unit.held_back,
        )
        wish, unit.mode_memory = entry.wish(view, unit.user, unit.past.mode)
        if unit.asset.sg_ready:
            counted = 0.0 if entry.follows else unit.draw
            wish, unit.mode_memory = heat_pump.advised(
                view, wish, unit.mode_memory, counted=counted
            )
        _take(unit, wish)
        _hold_back(unit, wish)


def _hold_back(unit: Unit, wish: Wish) -> None:
    """Pause a charger that somebody outside asks to wait.

    The user's word goes before: a car that must be charged by a time, an override. A
    load's own modes weigh what is asked against its comfort.
    """
    if (
        unit.held_back is not None
        and unit.asset.nature is Nature.CHARGER
        and unit.user.override is None
        and not wish.urgent
    ):
        unit.narrow_high(0.0, unit.held_back)


def _least(unit: Unit) -> float:
    """Return the W below which an asset does nothing."""
    if unit.asset.nature is Nature.CHARGER:
        return unit.asset.minimum_current * unit.watts
    if unit.asset.nature is Nature.LOAD:
        return unit.asset.rated_consumption
    return 0.0


def _take(unit: Unit, wish: Wish) -> None:
    """Bring a wish into a unit; nothing that it says widens a bound."""
    unit.wish = wish
    unit.urgent = wish.urgent
    unit.assured = wish.low
    if unit.asset.nature is Nature.BATTERY:
        return
    if wish.cause is not None and wish.high < unit.high:
        unit.narrow_high(wish.high, wish.cause)
