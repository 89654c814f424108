"""What an SG-ready heat pump is advised besides being allowed to run.

Forced is only what its comfort needs or its user asks for; recommended is what the sun
has carried for a while, so that neither contact flaps with the clouds. What it draws is
counted at its rating in every state: no advice loosens a limit.
"""

from dataclasses import replace

from ...model.asset import HeatPumpState
from ..memory import ModeMemory
from .wish import View, Wish


def advised(
    view: View, wish: Wish, memory: ModeMemory, *, counted: float
) -> tuple[Wish, ModeMemory]:
    """Return a wish with its advice; `counted` W of its own draw lessen the surplus."""
    memory = _sunny(view, memory, counted)
    if wish.heat_pump is HeatPumpState.NORMAL and memory.sunny:
        wish = replace(wish, heat_pump=HeatPumpState.RECOMMENDED)
    return wish, memory


def _sunny(view: View, memory: ModeMemory, counted: float) -> ModeMemory:
    enough = view.surplus is not None and view.surplus + counted >= view.least
    if enough is memory.sunny:
        return (
            memory
            if memory.turning_since is None
            else replace(memory, turning_since=None)
        )
    now = view.clock.monotonic
    if memory.turning_since is None:
        return replace(memory, turning_since=now)
    if now - memory.turning_since < view.tuning.solar_patience:
        return memory
    return replace(memory, sunny=enough, turning_since=None)
