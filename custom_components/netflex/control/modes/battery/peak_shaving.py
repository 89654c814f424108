"""Peak shaving: import is held below a power, or below what the capacity tariff leaves.

It delivers what would be above, charges from what is below up to a charge, and never
charges above it, whatever the modes after it wish.
"""

from ....model.programme import PeakShaving
from . import causes
from .view import NO_CHARGE, NO_QUARTER, Answer, BatteryView, BatteryWish


def wish(view: BatteryView, parameters: PeakShaving) -> Answer:
    """Wish for what keeps import below the limit."""
    limit = view.quarter_limit if parameters.limit is None else parameters.limit
    if limit is None:
        return NO_QUARTER
    cause = causes.shaves(parameters.limit)
    room = view.need + limit
    if room < 0:
        return BatteryWish(
            cause=cause, target=room, high=room, shared=True, gradual=True
        )
    if parameters.recharge_to > 0:
        if view.charge is None:
            return NO_CHARGE
        if view.charge < parameters.recharge_to:
            return BatteryWish(
                cause=cause, target=room, high=room, shared=True, gradual=True
            )
    return BatteryWish(cause=cause, high=room, shared=True)
