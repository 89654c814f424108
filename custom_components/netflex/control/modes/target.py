"""A battery whose user names the power: a manual override, inside every limit."""

from ...model.snapshot import UserLimits
from .. import explain
from ..memory import ModeMemory
from .wish import View, Wish


def wish(view: View, user: UserLimits, memory: ModeMemory) -> tuple[Wish, ModeMemory]:
    """Wish for the user's target."""
    target = user.target_power or 0.0
    return (
        Wish(
            low=target,
            high=target,
            target=target,
            cause=explain.user_word(user, "target_power", explain.user_target(target)),
            urgent=True,
        ),
        memory,
    )
