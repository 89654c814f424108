"""What every load mode shares: comfort, times, the local switch, remote commands.

The user, the local on/auto switch, comfort and the minimum on time outweigh a source
outside the house; all of them outweigh the sun and the capacity tariff, none of them a
stop, a fuse or the grid operator (safety rule S14): those are limits, and limits come
after every wish.
"""

from dataclasses import replace

from ...model.asset import HeatPumpState
from ...model.plan import Cause
from ...model.snapshot import UserLimits
from .. import explain
from ..memory import ModeMemory
from .wish import View, Wish


def needed(
    view: View, user: UserLimits, memory: ModeMemory
) -> tuple[Wish | None, ModeMemory]:
    """Return what a load needs whatever the sun does, None where it has the choice."""
    memory = _running_since(view, memory)
    rated = view.least
    on = Wish(low=rated, high=view.most, target=rated, urgent=True)
    asset, state = view.asset, view.state
    if user.switch is not None:
        # What the user switches off is bounded where the user's limits are.
        if user.override is not None and user.override.switch:
            on = replace(on, heat_pump=HeatPumpState.FORCED)
        return (on if user.switch else Wish(high=view.most)), memory
    if state is not None and state.local_on:
        return replace(on, cause=explain.local_on()), memory
    temperature = None if state is None else state.temperature
    if temperature is not None:
        high, low = asset.comfort_high, asset.comfort_low
        if high is not None and temperature >= high:
            return _off(explain.warm_enough(temperature, high)), memory
        if low is not None and temperature <= low:
            return replace(
                on,
                cause=explain.too_cold(temperature, low),
                heat_pump=HeatPumpState.FORCED,
            ), memory
    since = memory.running_since
    if since is not None and view.clock.monotonic - since < asset.minimum_on:
        return on, memory
    if view.held_back is not None and not asset.never_shed:
        return _off(view.held_back), memory
    return None, memory


def _off(cause: Cause) -> Wish:
    return Wish(high=0.0, target=0.0, cause=cause)


def _running_since(view: View, memory: ModeMemory) -> ModeMemory:
    if view.running is (memory.running_since is not None):
        return memory
    since = view.clock.monotonic if view.running else None
    return replace(memory, running_since=since)
