"""Battery mode "self-consumption": it keeps the connection point at zero.

Reserve, full charge and the user's own limit are bounds of the battery, set before any
mode is asked.
"""

from ...model.snapshot import UserLimits
from .. import explain
from ..memory import ModeMemory
from .wish import View, Wish


def wish(view: View, user: UserLimits, memory: ModeMemory) -> tuple[Wish, ModeMemory]:
    """Wish to take what would be injected and to deliver what would be imported."""
    return (
        Wish(
            low=-view.asset.rated_production,
            high=view.most,
            cause=explain.self_consumption(),
        ),
        memory,
    )
