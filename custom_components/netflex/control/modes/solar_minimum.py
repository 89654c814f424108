"""Charger mode "solar plus minimum": its minimum always, more from the sun."""

from ...model.snapshot import UserLimits
from .. import explain
from ..memory import ModeMemory
from .wish import View, Wish


def wish(view: View, user: UserLimits, memory: ModeMemory) -> tuple[Wish, ModeMemory]:
    """Wish for the minimum in any case, and for the surplus."""
    return Wish(low=view.least, high=view.most, cause=explain.surplus()), memory
