"""Shaping: toward the tighter side at once, toward the looser side slowly.

Each function takes what a decision leaves an asset and returns what it is told
now. Every timer lives in the asset's memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import floor, inf
from types import MappingProxyType

from ..model.asset import ChargerState, Direction, Nature
from ..model.plan import Cause, Source
from . import explain
from .memory import AssetMemory
from .tuning import Tuning
from .units import Unit
from .wishes import charger_wish


@dataclass(slots=True, kw_only=True)
class Moment:
    """What shaping knows besides one unit: time, freshness and the ramp."""

    now: float
    elapsed: float
    """s since the decision before."""
    fresh: bool
    ramp: float | None
    """W/s for each asset toward the looser side, None: its own default."""
    tuning: Tuning
    last_start: float | None
    last_start_power: float = 0.0
    """W, rated, of the load that came back then."""
    rebound: float = inf
    """W/s of loads that come back at most."""
    blind: frozenset[str] = frozenset()
    """Assets behind a feeder whose own meter is silent."""
    next_change: float | None = None

    def knows(self, unit: Unit) -> bool:
        """Return whether all that an asset's current passes is measured as it should."""
        return self.fresh and unit.asset.id not in self.blind

    def due(self, at: float) -> None:
        """Note a moment at which something will change."""
        if at > self.now and (self.next_change is None or at < self.next_change):
            self.next_change = at


def shape_charger(unit: Unit, past: AssetMemory, moment: Moment) -> AssetMemory:
    """Set what a charger is told, in A."""
    target = floor(unit.share * 10 + 1e-6) / 10
    if target < unit.asset.minimum_current:
        target = 0.0
    before = past.value
    now = moment.now
    if before is None or target <= before:
        unit.told = target
        past = _forget_candidate(past)
    else:
        past = _raise(unit, past, before, target, moment)
    waiting = unit.told == 0 and unit.plugged and charger_wish(unit) > 0
    if waiting is (past.waiting_since is None):
        past = replace(past, waiting_since=now if waiting else None)
    return _switched(past, bool(before), bool(unit.told), now, first=before is None)


def _forget_candidate(past: AssetMemory) -> AssetMemory:
    if past.candidate is None and past.candidate_since is None:
        return past
    return replace(past, candidate=None, candidate_since=None)


def _switched(
    past: AssetMemory, was_on: bool, is_on: bool, now: float, *, first: bool
) -> AssetMemory:
    """Note when an asset went on or off."""
    if is_on and (first or not was_on):
        return replace(past, on_since=now, off_since=None)
    if not is_on and (first or was_on):
        return replace(past, off_since=None if first else now, on_since=None)
    return past


def _raise(
    unit: Unit, past: AssetMemory, before: float, target: float, moment: Moment
) -> AssetMemory:
    """Raise a charger to what was free all along, once that was long enough."""
    tuning, now = moment.tuning, moment.now
    unit.told = before
    if not moment.knows(unit):
        unit.causes = [explain.safe_state("not_raised")]
        return _forget_candidate(past)
    least = target if past.candidate is None else min(past.candidate, target)
    since = now if past.candidate_since is None else past.candidate_since
    wish = charger_wish(unit)
    if before == 0:
        wanted = min(unit.asset.minimum_current + tuning.resume_margin, wish)
        off = past.off_since
        if _by_choice(past):
            delay, wanted = 0.0, unit.asset.minimum_current
        elif off is None:
            delay, wanted = tuning.raise_delay, unit.asset.minimum_current
        else:
            delay = tuning.resume_delay
            if now - off >= tuning.resume_patience:
                wanted = unit.asset.minimum_current
    else:
        delay = tuning.raise_delay
        wanted = min(before + tuning.raise_step, floor(wish * 10 + 1e-6) / 10)
    if least < wanted - 1e-9:
        # Not worth it yet: wait for more from now on.
        unit.causes = [*unit.causes, explain.rising(_source(past))]
        if target < wanted - 1e-9:
            return replace(past, candidate=None, candidate_since=None)
        return replace(past, candidate=target, candidate_since=now)
    if now - since < delay:
        moment.due(since + delay)
        unit.causes = [explain.rising(_source(past))]
        return replace(past, candidate=least, candidate_since=since)
    unit.told = least
    if moment.ramp is not None and before > 0:
        passed = now - (past.changed if past.changed is not None else now)
        allowed = before + moment.ramp * max(passed, delay) / unit.watts
        unit.told = min(least, floor(allowed * 10) / 10)
    if unit.told < target:
        unit.causes = [explain.rising(_source(past))]
    return replace(past, candidate=None, candidate_since=None)


_CHOICES = frozenset(
    {
        "user_limit",
        "user_switch",
        "locked_out",
        "islanded",
        "override",
        explain.TESTED,
        "mode_off",
        "mode_minimum",
        "below_minimum",
        f"release_{Direction.CONSUMPTION}",
        f"release_{Direction.PRODUCTION}",
    }
)


def _by_choice(past: AssetMemory) -> bool:
    """Return whether only the user, or its turn after a stop, kept it off.

    Then nothing has to prove that there is lasting room.
    """
    held = _holding(past)
    return bool(held) and all(cause.key in _CHOICES for cause in held)


def _holding(past: AssetMemory) -> list[Cause]:
    """Return what held an asset, without that it now waits for its turn."""
    return [cause for cause in past.bound if cause.key != explain.COMING_BACK]


def _source(past: AssetMemory) -> Source:
    """Return who bound an asset before it began to rise."""
    return min((cause.source for cause in past.bound), default=Source.DEVICE)


def shape_load(unit: Unit, past: AssetMemory, moment: Moment) -> AssetMemory:
    """Set whether a load is told on (1) or off (0)."""
    now, tuning = moment.now, moment.tuning
    before = past.value
    if not unit.on or before is None or before > 0:
        unit.told = 1.0 if unit.on else 0.0
        past = _forget_candidate(past)
        past = _switched(past, bool(before), unit.on, now, first=before is None)
        if past.on_since is not None and now - past.on_since >= tuning.settle:
            past = replace(past, on_since=None)
        return past
    unit.told = 0.0
    unit.causes = [explain.coming_back(_source(past)), *_holding(past)]
    if not moment.knows(unit):
        unit.causes = [explain.safe_state("not_back")]
        return replace(past, candidate_since=None)
    since = now if past.candidate_since is None else past.candidate_since
    past = replace(past, candidate_since=since)
    due = since
    if not _by_choice(past):
        off = since if past.off_since is None else past.off_since
        rest = unit.asset.minimum_off
        due = max(
            since + tuning.resume_delay,
            off + (tuning.minimum_off if rest is None else rest),
        )
    if moment.last_start is not None:
        due = max(due, moment.last_start + _pause(unit, moment))
    if now < due:
        moment.due(due)
        return past
    unit.told = 1.0
    unit.causes = []
    moment.last_start = now
    moment.last_start_power = unit.asset.rated_consumption
    return replace(past, candidate_since=None, on_since=now, off_since=None)


def _pause(unit: Unit, moment: Moment) -> float:
    """Return the s that a load waits after the start of the one before.

    Loads that were held back all want heat: they come back one by one, and the more
    slowly the larger they are. Who needs it now only waits for its turn.
    """
    if unit.urgent:
        return moment.tuning.stagger
    return max(moment.tuning.stagger, moment.last_start_power / moment.rebound)


def shape_inverter(unit: Unit, past: AssetMemory, moment: Moment) -> AssetMemory:
    """Set the W that an inverter is told to produce at most, None without a limit."""
    rated = unit.asset.rated_production
    target = float(floor(-unit.low + 1e-6))
    free = target >= floor(rated)
    before = past.value
    unit.causes = [] if free else list(unit.low_causes)
    if before is None or before >= rated:
        unit.told = None if free else target
        return past
    if target <= before:
        unit.told = target
        return _forget_candidate(past)
    if not moment.knows(unit) and not free:
        unit.told = before
        unit.causes = [explain.safe_state("not_raised")]
        return past
    rate = rated / moment.tuning.ramp_time if moment.ramp is None else moment.ramp
    risen = before + rate * moment.elapsed
    if risen >= rated and free:
        unit.told = None
        return _forget_candidate(past)
    past = _watch(unit, past, target, moment)
    if (
        past.candidate_since is not None
        and past.candidate is not None
        and moment.now - past.candidate_since >= moment.tuning.production_delay
    ):
        # The limit is the same: it was only held too tightly for a while.
        risen = max(risen, past.candidate)
        past = replace(past, candidate=target, candidate_since=moment.now)
    unit.told = min(target, risen)
    if unit.told < target:
        unit.causes = [*unit.causes, explain.rising(_source(past))]
        moment.due(moment.now + (target - unit.told) / rate)
    return past


def _watch(unit: Unit, past: AssetMemory, target: float, moment: Moment) -> AssetMemory:
    """Note the least that an unchanged limit has left an inverter, since when."""
    measured = unit.state is not None and unit.state.power is not None
    if not measured or not set(unit.low_causes) & set(past.bound):
        # What it produces is only known from the meter, late: a step would swing.
        return _forget_candidate(past)
    if past.candidate is None or past.candidate_since is None:
        if any(cause.key == explain.RISING for cause in past.bound):
            # It is on its way up since the limit itself was loosened.
            return past
        return replace(past, candidate=target, candidate_since=moment.now)
    if target < past.candidate:
        return replace(past, candidate=target)
    return past


def safe_current(unit: Unit, cause: Cause) -> None:
    """Bound a charger by its safe current."""
    safe = unit.asset.safe_current
    if unit.asset.nature is Nature.CHARGER:
        unit.narrow_high(safe * unit.watts, cause)


def remembered(unit: Unit, past: AssetMemory, now: float) -> AssetMemory:
    """Return the memory of an asset after it was told its new setpoint."""
    switched = past.phase_changed == now
    changed = switched or unit.told != past.value
    lines = past.lines
    if unit.asset.nature is Nature.CHARGER and unit.state is not None:
        lines = unit.footing.names
        # What was seen on the old number of phases says nothing about the new one.
        if switched or unit.state.charger_state is ChargerState.IDLE:
            lines = ()
    bound = tuple(unit.causes) or past.bound
    mode = past.mode if unit.wish is None else unit.mode_memory
    if (
        not changed
        and past.told
        and bound == past.bound
        and lines == past.lines
        and unit.held == past.held
        and unit.held_until == past.held_until
        and mode is past.mode
    ):
        return past
    return replace(
        past,
        told=True,
        value=unit.told,
        before=past.value if changed else past.before,
        changed=now if changed else past.changed,
        held=unit.held,
        held_until=unit.held_until,
        bound=bound,
        lines=lines,
        mode=mode,
    )


def drawn_by(
    units: list[Unit], known: Mapping[str, tuple[float, ...]]
) -> Mapping[str, tuple[float, ...]]:
    """Return what assets draw at this reading and drew at the one before."""
    return MappingProxyType(
        {
            unit.asset.id: (*unit.drawn[-1:], unit.measured)
            if unit.movable
            else known.get(unit.asset.id, ())
            for unit in units
        }
    )
