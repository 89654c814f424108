"""The working view of one asset during one decision.

A `Unit` lives for one call of `decide` only. Power is in W, load positive; `low`
and `high` are what the asset may be told to do, after everything that concerns
it alone: stops, nameplate, its own state, the state of charge, the user.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import floor, inf
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..model.asset import Asset, AssetState, ChargerState, Direction, Nature
from ..model.connection import NO_LINE_VALUES, GridType, Line, power_of_current
from ..model.plan import Cause, SetpointKind
from ..model.remote import held_back
from ..model.snapshot import NO_USER_LIMITS, Clock, Override, Snapshot, UserLimits
from . import explain
from .layout import Layout
from .limits import Limits
from .memory import NEW_ASSET, NEW_MODE, AssetMemory, Memory, ModeMemory
from .stops import takes_stop
from .tuning import Tuning

if TYPE_CHECKING:
    from .modes.wish import Wish

KINDS = {
    Nature.CHARGER: SetpointKind.CURRENT,
    Nature.BATTERY: SetpointKind.POWER,
    Nature.INVERTER: SetpointKind.PRODUCTION,
    Nature.LOAD: SetpointKind.SWITCH,
}

CHANNEL = {Line.L1: 1, Line.L2: 2, Line.L3: 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Footing:
    """How an asset stands in the site while it uses certain lines."""

    names: tuple[Line, ...]
    lines: tuple[int, ...]
    """Channels 1..3 of the lines that carry its current."""
    paths: tuple[int, ...]
    """All channels of current that it passes: those, and those of its feeders."""
    watts: float
    """W that 1 A on each of those lines is."""
    ceiling: float
    """Chargers: A that it is installed for."""
    ceiling_causes: tuple[Cause, ...]


def footing(layout: Layout, asset: Asset, lines: tuple[Line, ...]) -> Footing:
    """Return how an asset stands on some of its lines, made once."""
    known: dict[tuple[str, tuple[Line, ...]], Footing] = layout.kept.setdefault(
        "footings", {}
    )
    key = (asset.id, lines)
    found = known.get(key)
    if found is None:
        watts = power_per_ampere(layout.site.connection.grid_type, asset, len(lines))
        ceiling = 0.0
        causes: tuple[Cause, ...] = ()
        if asset.nature is Nature.CHARGER:
            ceiling = charger_ceiling(asset, watts, len(lines))
            causes = (explain.device_current(ceiling),)
        found = known[key] = Footing(
            names=lines,
            lines=tuple(CHANNEL[line] for line in lines),
            paths=layout.paths(asset.id, lines),
            watts=watts,
            ceiling=ceiling,
            ceiling_causes=causes,
        )
    return found


_DRAWING = 1.0
"""A from which a line of a car counts as used."""


@dataclass(slots=True, kw_only=True)
class Unit:
    """One asset as this decision sees it."""

    asset: Asset
    state: AssetState | None
    """None where the device does not answer or its answer is old."""
    user: UserLimits
    past: AssetMemory
    footing: Footing
    lines: tuple[int, ...]
    """Channels 1..3 of the lines that carry its current."""
    paths: tuple[int, ...]
    """Those and the channels of its feeders."""
    watts: float
    """W that 1 A on each of those lines is."""
    movable: bool
    """It takes setpoints and answers."""
    doubt: float = 0.0
    """s for which its newest answer may be older than what the meter shows."""
    held_back: Cause | None = None
    """Why a source outside the house has it disabled, None where none does."""
    drawn: tuple[float, ...] = ()
    """W, at the two newest readings of the site meter, the newest last."""
    low: float = 0.0
    high: float = 0.0
    low_causes: tuple[Cause, ...] = ()
    high_causes: tuple[Cause, ...] = ()
    firm_low: float | None = None
    """Batteries: `low` without the grid operator's limits on assets, where one of them
    narrowed it: what a fuse may still ask for."""
    emergency: bool = False
    held: frozenset[Direction] = frozenset()
    held_until: float | None = None
    measured: float = 0.0
    """W: what it said, or what it is taken to do where it says nothing."""
    hull: tuple[float, float] = (0.0, 0.0)
    """W: between what it may have been drawing when the meter was read."""
    wide: tuple[float, float] = (0.0, 0.0)
    """The same if it changed after its own newest answer."""
    free: tuple[float, float] = (0.0, 0.0)
    """The same if it started or stopped and has not said so yet."""
    currents: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0, 0.0])
    """A on channels 1..3 that go with `measured`; channel 0 is unused."""
    draw: float = 0.0
    """W: the estimate of its present draw that fits the meter."""
    curtailed: float = 0.0
    """Inverters: W that a limit on injection keeps it from producing, as far as is
    known."""
    wish: Wish | None = None
    """What its mode would like; None where it has none."""
    assured: float = 0.0
    """W of it that do not depend on the sun."""
    follows: bool = False
    """It lives from what would be injected otherwise."""
    urgent: bool = False
    """The user's word outweighs the capacity tariff."""
    mode_memory: ModeMemory = NEW_MODE
    told: float | None = None
    """The new setpoint, in the unit of its kind."""
    causes: Sequence[Cause] = ()
    phases: int | None = None
    """Chargers that can be switched: the phases that it is told to use."""
    share: float = 0.0
    """Chargers: A that this decision leaves it, before timers."""
    on: bool = False
    """Loads: whether this decision leaves it on, before timers."""

    @property
    def kind(self) -> SetpointKind:
        """Return what its setpoint means."""
        return KINDS[self.asset.nature]

    @property
    def plugged(self) -> bool:
        """Whether a car may draw; unknown counts as plugged in."""
        return self.state is None or self.state.charger_state not in {
            ChargerState.IDLE,
            ChargerState.FAULT,
        }

    def narrow_high(self, value: float, cause: Cause) -> None:
        """Lower the upper bound; an equal bound is named too."""
        if value < self.high - 1e-9:
            self.high = value
            self.high_causes = (cause,)
        elif value <= self.high + 1e-9 and cause not in self.high_causes:
            self.high_causes = (*self.high_causes, cause)

    def narrow_low(self, value: float, cause: Cause) -> None:
        """Raise the lower bound; an equal bound is named too."""
        if value > self.low + 1e-9:
            self.low = value
            self.low_causes = (cause,)
        elif value >= self.low - 1e-9 and cause not in self.low_causes:
            self.low_causes = (*self.low_causes, cause)

    def uses(self, channel: int) -> bool:
        """Return whether what it draws passes a channel."""
        return channel == 0 or channel in self.paths

    def flow(self, channel: int, power: float) -> float:
        """Return its flow in a channel (W or A) when it draws `power` W."""
        if channel == 0:
            return power
        moved = (power - self.measured) / self.watts
        return self.currents[(channel - 1) % 3 + 1] + moved

    def amperes(self, value: float) -> float:
        """Return the current per line in A of a power in W."""
        return value / self.watts


def power_per_ampere(grid_type: GridType, asset: Asset, lines: int) -> float:
    """Return the W that 1 A on each of `lines` lines of an asset carries.

    In a delta grid a single-phase asset loads two lines with the same current.
    """
    if grid_type is GridType.DELTA:
        return power_of_current(1.0, grid_type, 1 if lines < 3 else asset.phases)
    if grid_type is GridType.STAR:
        return power_of_current(1.0, grid_type, 1) * lines
    return power_of_current(1.0, grid_type, 1)


def car_lines(
    asset: Asset, state: AssetState | None, past: AssetMemory
) -> tuple[Line, ...]:
    """Return the lines on which a charger's car draws, all where it is unknown.

    What was last seen is remembered while the car stays; a new car may use all.
    """
    told = asset.lines[:1] if past.phases == 1 else asset.lines
    if past.phases == 1:
        known = told
    else:
        known = past.lines or told
    if state is None:
        return known
    if state.charger_state is ChargerState.IDLE:
        return told
    if state.currents is NO_LINE_VALUES:
        return known
    seen = tuple(
        line for line in asset.lines if (state.currents[line] or 0.0) >= _DRAWING
    )
    largest = max((state.currents[line] or 0.0 for line in asset.lines), default=0.0)
    # Close to the minimum current a starting three-phase car may not have closed
    # all its contacts yet; well above it the picture is clear.
    if seen and largest >= asset.minimum_current * 0.8:
        return seen
    return known


def build(
    layout: Layout,
    snapshot: Snapshot,
    memory: Memory,
    clock: Clock,
    tuning: Tuning,
    limits: Limits,
    *,
    grid_back: bool = False,
) -> list[Unit]:
    """Return the units of all assets that act, the first served first.

    `grid_back` has them wait for their turn as after a stop of everything.
    """
    units = []
    stopped = {
        budget.direction: budget.limit.cause
        for budget in reversed(limits.budgets)
        if budget.limit.cause.key.startswith(("emergency_stop", "local_stop"))
    }
    turn = 0
    states, users = snapshot.states, snapshot.user
    for asset in layout.ranked:
        asset_id = asset.id
        state = states.get(asset_id)
        if state is not None and not _answers(state, clock, tuning):
            state = None
        past = memory.assets.get(asset_id, NEW_ASSET)
        if grid_back:
            past = replace(past, held=frozenset(Direction), held_until=None)
        footing_ = footing(
            layout,
            asset,
            car_lines(asset, state, past)
            if asset.nature is Nature.CHARGER
            else asset.lines,
        )
        unit = Unit(
            asset=asset,
            state=state,
            user=users.get(asset_id, NO_USER_LIMITS),
            past=past if past.told else _read_back(asset, state, past),
            footing=footing_,
            lines=footing_.lines,
            paths=footing_.paths,
            watts=footing_.watts,
            movable=asset.controllable and state is not None and not state.refuses,
            doubt=_doubt(memory.answers.get(asset_id), tuning),
            drawn=memory.drawn.get(asset_id, ()),
        )
        if (asked := snapshot.remote.get(asset_id)) is not None:
            command = held_back(asked, clock.monotonic)
            unit.held_back = None if command is None else command.cause
        _bound_by_device(unit, tuning)
        if unit.user is not NO_USER_LIMITS:
            _bound_by_user(unit)
        if stopped or past.held:
            turn += _bound_by_stops(
                unit, stopped, clock.monotonic, turn, tuning, grid=memory.grid_back
            )
        if unit.user.override is not None and unit.user.override.stop:
            _stop_by_override(unit, unit.user.override)
        units.append(unit)
    return units


def _doubt(answered: tuple[float, float] | None, tuning: Tuning) -> float:
    """Return the s after which a device's next answer is overdue."""
    if answered is None:
        return tuning.doubt
    return min(max(tuning.doubt, answered[1] * _LATE), tuning.doubt_most)


_LATE = 1.2
"""So many times its usual interval an answer may take."""


def answered(
    units: Sequence[Unit], known: Mapping[str, tuple[float, float]]
) -> Mapping[str, tuple[float, float]]:
    """Return when each device answered last, and how long after the time before."""
    changed = {}
    for unit in units:
        at = None if unit.state is None else unit.state.at
        if at is None:
            continue
        before = known.get(unit.asset.id)
        if before is None:
            changed[unit.asset.id] = (at, 0.0)
        elif at != before[0]:
            changed[unit.asset.id] = (at, at - before[0])
    return MappingProxyType({**known, **changed}) if changed else known


def _answers(state: AssetState, clock: Clock, tuning: Tuning) -> bool:
    return state.available and (
        state.at is None or clock.monotonic - state.at <= tuning.asset_timeout
    )


def _read_back(
    asset: Asset, state: AssetState | None, past: AssetMemory
) -> AssetMemory:
    """Return the memory of an asset that was never told anything.

    After a start the device knows better than we do what it was told last.
    """
    value: float | None = None
    if state is not None:
        if asset.nature is Nature.CHARGER:
            value = state.current_limit
        elif asset.nature is Nature.LOAD and state.enabled is not None:
            value = float(state.enabled)
        elif asset.nature is Nature.INVERTER and state.power_limit is not None:
            limited = abs(state.power_limit) < asset.rated_production * 0.999
            value = abs(state.power_limit) if limited else None
        elif asset.nature is Nature.BATTERY:
            value = state.power_limit
    return AssetMemory(
        value=value, lines=past.lines, phases=past.phases, mode=past.mode
    )


def _bound_by_device(unit: Unit, tuning: Tuning) -> None:
    """Set the bounds that nameplate, state and state of charge leave."""
    asset, state = unit.asset, unit.state
    unit.low = -asset.rated_production
    unit.high = asset.rated_consumption
    if asset.nature is Nature.CHARGER:
        unit.high = unit.footing.ceiling * unit.watts
        unit.high_causes = unit.footing.ceiling_causes
        # A charger's setpoint bounds what it draws; it never asks it to feed in.
        unit.low = 0.0
    elif asset.nature is Nature.INVERTER:
        unit.high = 0.0
    elif asset.nature is Nature.LOAD:
        unit.low = 0.0
    elif asset.nature is Nature.BATTERY:
        unit.high_causes = (explain.device_power("charges", unit.high),)
        unit.low_causes = (explain.device_power("discharges", -unit.low),)
        if state is not None:
            _bound_by_charge(unit, state, tuning)


def _bound_by_charge(unit: Unit, state: AssetState, tuning: Tuning) -> None:
    """Narrow a battery to what it says that it can do and to its reserve."""
    if state.max_charge_power is not None:
        unit.narrow_high(
            max(0.0, state.max_charge_power),
            explain.device_power("charges", round(state.max_charge_power)),
        )
    if state.max_discharge_power is not None:
        unit.narrow_low(
            -max(0.0, state.max_discharge_power),
            explain.device_power("discharges", round(state.max_discharge_power)),
        )
    charge = state.state_of_charge
    asset = unit.asset
    if is_full(unit, tuning):
        unit.narrow_high(0.0, explain.full(asset.ceiling))
    if at_reserve(unit, tuning):
        unit.narrow_low(
            0.0,
            explain.reserve(None if charge is None else floor(charge), asset.reserve),
        )


def is_full(unit: Unit, tuning: Tuning) -> bool:
    """Return whether a battery takes no more, until it is clearly below full."""
    charge = None if unit.state is None else unit.state.state_of_charge
    band = tuning.charge_band if unit.past.full else 0.0
    return charge is not None and charge >= unit.asset.ceiling - band


def at_reserve(unit: Unit, tuning: Tuning) -> bool:
    """Return whether a battery may not be discharged for its state of charge.

    Unknown is not empty: then the device's own limit decides, and where it has
    none either, a reserve that cannot be watched is kept by not discharging.
    """
    state, asset = unit.state, unit.asset
    if state is None:
        return True
    if state.state_of_charge is None:
        return state.max_discharge_power is None and asset.reserve > 0
    band = tuning.charge_band if unit.past.low_charge else 0.0
    floor_charge = min(100.0, asset.reserve + band)
    return state.state_of_charge <= floor_charge


def charger_ceiling(asset: Asset, watts: float, lines: int) -> float:
    """Return the most that a charger is installed for, in A per line.

    `watts` are those of 1 A on each of the `lines` in use.
    """
    nameplate = inf
    if asset.rated_consumption > 0:
        # The nameplate holds for all its phases, whatever the car uses of them.
        share = watts / max(1, lines) * len(asset.lines)
        nameplate = asset.rated_consumption / share
    ceiling = min(
        nameplate, inf if asset.maximum_current is None else asset.maximum_current
    )
    return asset.minimum_current if ceiling == inf else floor(ceiling * 10 + 1e-6) / 10


def _bound_by_user(unit: Unit) -> None:
    user = unit.user
    if user.locked:
        cause = explain.locked_out()
        unit.narrow_high(0.0, cause)
        unit.narrow_low(0.0, cause)
        unit.high, unit.low = min(unit.high, 0.0), max(unit.low, 0.0)
    if user.current is not None and unit.asset.nature is Nature.CHARGER:
        cause = explain.user_current(user.current)
        unit.narrow_high(
            max(0.0, user.current) * unit.watts,
            explain.user_word(user, "current", cause),
        )
    if user.power is not None:
        power = max(0.0, user.power)
        cause = explain.user_word(user, "power", explain.user_power(power))
        if unit.asset.nature is not Nature.INVERTER:
            unit.narrow_high(power, cause)
        if unit.asset.nature in {Nature.INVERTER, Nature.BATTERY}:
            unit.narrow_low(-power, cause)


def _stop_by_override(unit: Unit, override: Override) -> None:
    """Have one asset stopped as an emergency stop of both directions would."""
    cause = explain.override(override)
    _stop_high(unit, cause)
    _stop_low(unit, cause)
    unit.emergency = takes_stop(unit.asset)


def _bound_by_stops(
    unit: Unit,
    stopped: dict[Direction, Cause],
    now: float,
    turn: int,
    tuning: Tuning,
    *,
    grid: bool,
) -> int:
    """Apply the stops and what follows them; return the turns that it takes.

    After a stop each asset waits for a turn of its own, so that not everything
    starts at one moment.
    """
    past = unit.past
    asset = unit.asset
    active = frozenset(direction for direction in stopped if _concerns(unit, direction))
    taken = 0
    waiting: frozenset[Direction] = frozenset()
    if past.held - active:
        until = past.held_until
        if until is None:
            until = now + tuning.release_delay + turn * tuning.stagger
            taken = 1
        if now < until:
            waiting = past.held - active
            unit.held_until = until
    unit.held = active | waiting
    for direction in sorted(unit.held):
        cause = stopped.get(direction) if direction in active else None
        cause = cause or explain.release(direction, grid=grid)
        # A charger that can feed in has only one setpoint: none of it is left.
        both = asset.nature is Nature.CHARGER
        if direction is Direction.CONSUMPTION or both:
            _stop_high(unit, cause)
        if direction is Direction.PRODUCTION:
            _stop_low(unit, cause)
    unit.emergency = bool(active) and takes_stop(asset)
    return taken


def _concerns(unit: Unit, direction: Direction) -> bool:
    if direction is Direction.PRODUCTION:
        return unit.asset.produces or unit.asset.nature is Nature.INVERTER
    return unit.asset.consumes or unit.asset.nature in {Nature.CHARGER, Nature.LOAD}


def _stop_high(unit: Unit, cause: Cause) -> None:
    unit.high = 0.0
    unit.high_causes = (cause, *(c for c in unit.high_causes if c.source < 30))


def _stop_low(unit: Unit, cause: Cause) -> None:
    unit.low = 0.0
    unit.low_causes = (cause, *(c for c in unit.low_causes if c.source < 30))
