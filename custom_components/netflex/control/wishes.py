"""Wishes: what each asset would like, before anything but itself is asked.

Every wish is a function of one unit and what is known; a mode adds a wish and
nothing else. Limits never come from here.
"""

from dataclasses import replace

from ..model.asset import ChargerState
from . import explain
from .estimate import Picture
from .memory import AssetMemory
from .tuning import Tuning
from .units import Unit


def charger_wish(unit: Unit) -> float:
    """Return the most in A that a charger may use for itself, 0 where below minimum."""
    amps = unit.amperes(unit.high) + 1e-9
    return amps if amps >= unit.asset.minimum_current else 0.0


def charger_demand(unit: Unit) -> float:
    """Return the A that a charger needs now: less than its wish while it lends."""
    wish = charger_wish(unit)
    appetite = unit.past.appetite
    if wish == 0 or appetite is None:
        return wish
    return min(wish, max(appetite, unit.asset.minimum_current))


def load_wish(unit: Unit) -> bool:
    """Return whether a load is wanted on; without a word of the user it is."""
    if unit.high <= 0:
        return False
    if unit.user.switch is False:
        unit.high_causes = (
            explain.user_word(unit.user, "switch", explain.user_switch()),
        )
        return False
    return True


def battery_wish(picture: Picture, others: float | None) -> float | None:
    """Return the W (charging positive) that brings the connection point to zero.

    `others` is what everything but these batteries draws. None: nobody knows.
    """
    if others is None or not picture.fresh:
        return None
    return -others


def remember_appetite(
    unit: Unit, past: AssetMemory, now: float, tuning: Tuning
) -> AssetMemory:
    """Return the memory with what the car is known to take at most.

    A car that leaves a good part of its limit unused for a while lends it; as soon
    as it draws nearly what it kept, it gets its full share again.
    """
    state = unit.state
    if (
        state is None
        or state.charger_state is ChargerState.IDLE
        or unit.past.value is None
    ):
        if past.appetite is None and past.slack_since is None:
            return past
        return replace(past, appetite=None, slack_since=None)
    if state.power is None and state.currents.total() is None:
        return past
    amps = max(0.0, unit.amperes(unit.measured))
    margin = tuning.reclaim_margin
    if past.appetite is not None and amps > past.appetite - margin / 2:
        return replace(past, appetite=None, slack_since=None)
    if unit.past.value < max(amps + margin * 1.5, unit.asset.minimum_current):
        return replace(past, slack_since=None) if past.slack_since else past
    since = now if past.slack_since is None else past.slack_since
    appetite = past.appetite
    if now - since >= tuning.reclaim_delay:
        appetite = amps + margin
    if since == past.slack_since and appetite == past.appetite:
        return past
    return replace(past, slack_since=since, appetite=appetite)
