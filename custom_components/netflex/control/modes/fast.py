"""Charger mode "fast": it charges with all that the limits leave."""

from ...model.snapshot import UserLimits
from ..memory import ModeMemory
from .wish import View, Wish


def wish(view: View, user: UserLimits, memory: ModeMemory) -> tuple[Wish, ModeMemory]:
    """Wish for all that there is."""
    return Wish(high=view.most, target=view.most), memory
