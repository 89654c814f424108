"""Overrides: what an asset does for a while in place of its mode, and what is tested.

An override is one more word of the user. It bounds as the user's limits do and wishes as
a mode does; nothing that it says widens a limit of anybody else.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from ..model.snapshot import Clock, Override, SiteModel, Snapshot, UserLimits
from . import explain
from .escalation import Actions
from .units import Unit

DRIVES: Final = frozenset({explain.CUT_OFF, explain.TESTED})
"""Keys of the causes for which an emergency output acts without a stop."""


def in_force(snapshot: Snapshot, clock: Clock) -> Snapshot:
    """Return a snapshot in which overrides count, those whose time is over do not."""
    changed = {
        asset_id: _counted(limits, limits.override, clock)
        for asset_id, limits in snapshot.user.items()
        if limits.override is not None
    }
    if not changed:
        return snapshot
    return replace(snapshot, user={**snapshot.user, **changed})


def has_ended(override: Override, clock: Clock) -> bool:
    """Whether the time of an override is over."""
    return override.until is not None and clock.utc >= override.until


def next_end(snapshot: Snapshot, clock: Clock) -> float | None:
    """Return when the next override ends, monotonic s, None where none does."""
    ends = [
        limits.override.until
        for limits in snapshot.user.values()
        if limits.override is not None and limits.override.until is not None
    ]
    if not ends:
        return None
    return clock.monotonic + (min(ends) - clock.utc).total_seconds()


def tested(
    site: SiteModel, snapshot: Snapshot, units: Iterable[Unit], actions: Actions
) -> Actions:
    """Return the actions with the outputs that are tested; what they cut off rests."""
    outputs = dict(actions.outputs)
    for output in site.outputs:
        limits = snapshot.user.get(output.asset_id)
        if limits is None or limits.override is None or not limits.override.stop:
            continue
        cause = outputs[output.asset_id] = explain.override(limits.override)
        for unit in units:
            if unit.asset.id in output.assets:
                unit.narrow_high(0.0, cause)
                unit.narrow_low(0.0, cause)
    return actions if outputs == actions.outputs else replace(actions, outputs=outputs)


def _counted(limits: UserLimits, override: Override, clock: Clock) -> UserLimits:
    if has_ended(override, clock):
        return replace(limits, override=None)
    target, switch = override.target_power, override.switch
    return replace(
        limits,
        current=_least(limits.current, override.current),
        power=_least(limits.power, override.power),
        target_power=limits.target_power if target is None else target,
        switch=limits.switch if switch is None else switch,
    )


def _least(one: float | None, other: float | None) -> float | None:
    known = [value for value in (one, other) if value is not None]
    return min(known, default=None)
