"""Charger mode "off": it does not charge."""

from ...model.snapshot import UserLimits
from .. import explain
from ..memory import ModeMemory
from .wish import View, Wish


def wish(view: View, user: UserLimits, memory: ModeMemory) -> tuple[Wish, ModeMemory]:
    """Wish for nothing."""
    return Wish(high=0.0, target=0.0, cause=explain.mode_off()), memory
