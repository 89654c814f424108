"""Load mode "always": on as long as the limits leave room for it."""

from ...model.snapshot import UserLimits
from ..memory import ModeMemory
from .comfort import needed
from .wish import View, Wish


def wish(view: View, user: UserLimits, memory: ModeMemory) -> tuple[Wish, ModeMemory]:
    """Wish to be on, unless its comfort says otherwise."""
    found, memory = needed(view, user, memory)
    if found is not None:
        return found, memory
    return Wish(high=view.most, target=view.least), memory
