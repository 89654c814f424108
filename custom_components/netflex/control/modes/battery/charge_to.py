"""Charge to a state of charge by the end of the scheduled window, evenly.

What is missing, divided by the efficiency and by the time that is left; the modes after
it may charge faster. Once there, they may use what is above it, and nothing below.
"""

from ....model.programme import ChargeTo
from . import causes
from .view import NO_END, Answer, BatteryView, BatteryWish, at_least, lacks_energy


def wish(view: BatteryView, parameters: ChargeTo) -> Answer:
    """Wish for the power that is right on time."""
    if (lacking := lacks_energy(view)) is not None:
        return lacking
    left, end = view.seconds_left, view.window.end
    missing = view.energy_to(parameters.charge)
    if left is None or end is None or missing is None:
        return NO_END
    cause = causes.charges_to(parameters.charge, end)
    if missing > 0:
        power = missing / view.efficiency / (left / 3600)
        return at_least(power, cause, gradual=True)
    if (view.charge or 0.0) <= parameters.charge + view.tuning.charge_band:
        return BatteryWish(cause=cause, low=0.0)
    return None
