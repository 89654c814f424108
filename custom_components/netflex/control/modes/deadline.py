"""Charger mode "by deadline": an amount of energy by a time.

The sun comes first. What it will not deliver is spread evenly until the deadline, since
an even rate makes the lowest quarter-hour peak; below the minimum it waits for the
latest start. Once little time is left the user's word outweighs the capacity tariff.
"""

from dataclasses import replace
from typing import Final

from ...model.snapshot import UserLimits
from .. import explain
from ..memory import ModeMemory
from .solar import hold_through_clouds
from .wish import View, Wish

_RESERVE: Final = 300.0
"""s before the deadline by which it should be done: cars slow down at the end."""
_URGENT: Final = 0.7
"""Share of its power that it needs from now on, from which it is urgent."""


def wish(view: View, user: UserLimits, memory: ModeMemory) -> tuple[Wish, ModeMemory]:
    """Wish for what is needed to be done in time, and for the surplus."""
    if user.energy is None or user.deadline is None:
        return (
            Wish(
                low=view.most,
                high=view.most,
                target=view.most,
                cause=explain.no_deadline(),
            ),
            memory,
        )
    memory = count(view, user, memory)
    memory, holds = hold_through_clouds(view, memory)
    missing = user.energy - memory.delivered
    if missing <= 0:
        return (
            Wish(
                low=view.least if holds else 0.0,
                high=view.most,
                cause=explain.energy_delivered(user.energy),
            ),
            memory,
        )
    if not view.clock.synchronised:
        # Nobody knows how late it is: now is the only time that is surely early.
        return (
            Wish(low=view.most, high=view.most, cause=explain.clock_unknown()),
            memory,
        )
    left = (user.deadline - view.clock.utc).total_seconds()
    needed = missing * 3600 / max(1.0, left - _RESERVE)
    cause = explain.by_deadline(missing, user.deadline, late=left <= 0)
    if needed >= _URGENT * view.most:
        low = min(view.most, max(needed, view.least))
        return Wish(low=low, high=view.most, cause=cause, urgent=True), memory
    low = needed if needed >= view.least else (view.least if holds else 0.0)
    return Wish(low=low, high=view.most, cause=cause), memory


def count(view: View, user: UserLimits, memory: ModeMemory) -> ModeMemory:
    """Return the memory with the energy that was delivered since the request.

    The charger's own counter counts, where it has none its power does.
    """
    request = (
        user.energy,
        None if user.deadline is None else user.deadline.timestamp(),
    )
    counter = None if view.state is None else view.state.energy_consumed
    if memory.request != request:
        return replace(memory, request=request, delivered=0.0, counter=counter)
    if counter is not None and memory.counter is not None:
        # A counter that was reset counts from zero.
        more = counter - memory.counter if counter >= memory.counter else counter
    else:
        more = max(0.0, view.draw) * view.elapsed / 3600
    if not more and counter == memory.counter:
        return memory
    return replace(memory, delivered=memory.delivered + more, counter=counter)
