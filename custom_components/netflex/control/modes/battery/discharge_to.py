"""Discharge to a state of charge by the end of the scheduled window, evenly.

What is too much divided by the time that is left; the modes after it may discharge
faster. Once there, they may not charge it right away again.
"""

from ....model.programme import DischargeTo
from . import causes
from .view import NO_END, Answer, BatteryView, BatteryWish, lacks_energy


def wish(view: BatteryView, parameters: DischargeTo) -> Answer:
    """Wish for the power that is right on time."""
    if (lacking := lacks_energy(view)) is not None:
        return lacking
    left, end = view.seconds_left, view.window.end
    missing = view.energy_to(parameters.charge)
    if left is None or end is None or missing is None:
        return NO_END
    cause = causes.discharges_to(parameters.charge, end)
    if missing < 0:
        power = missing / (left / 3600)
        return BatteryWish(cause=cause, target=power, high=power, gradual=True)
    if (view.charge or 0.0) >= parameters.charge - view.tuning.charge_band:
        return BatteryWish(cause=cause, high=0.0)
    return None
