"""A charger whose user names the current for a while: all of it, before the tariff."""

from ...model.snapshot import UserLimits
from ..memory import ModeMemory
from .wish import View, Wish


def wish(view: View, user: UserLimits, memory: ModeMemory) -> tuple[Wish, ModeMemory]:
    """Wish for the current of the override, which bounds it already."""
    most = view.most
    return Wish(low=most, high=most, target=most, urgent=True), memory
