"""Charger mode "minimum": it charges at its minimum current, day and night."""

from ...model.snapshot import UserLimits
from .. import explain
from ..memory import ModeMemory
from .wish import View, Wish


def wish(view: View, user: UserLimits, memory: ModeMemory) -> tuple[Wish, ModeMemory]:
    """Wish for the least that a car charges with."""
    least = view.least
    return (
        Wish(low=least, high=least, target=least, cause=explain.mode_minimum()),
        memory,
    )
