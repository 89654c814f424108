"""Load mode "solar": on while the sun carries it, or its comfort needs it."""

from ...model.snapshot import UserLimits
from .. import explain
from ..memory import ModeMemory
from .comfort import needed
from .solar import hold_through_clouds
from .wish import View, Wish


def wish(view: View, user: UserLimits, memory: ModeMemory) -> tuple[Wish, ModeMemory]:
    """Wish for the surplus, and to go on while a cloud passes."""
    found, memory = needed(view, user, memory)
    if found is not None:
        return found, memory
    memory, holds = hold_through_clouds(view, memory)
    return (
        Wish(low=view.least if holds else 0.0, high=view.most, cause=explain.surplus()),
        memory,
    )
