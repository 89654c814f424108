"""Charge from solar only: what would be injected is stored, nothing else ever is."""

from ....model.programme import SolarCharge
from ... import explain
from .view import NO_CHARGE, Answer, BatteryView, BatteryWish


def wish(view: BatteryView, parameters: SolarCharge) -> Answer:
    """Wish for the surplus of the sun."""
    if view.charge is None:
        return NO_CHARGE
    cause = explain.surplus()
    sun = max(0.0, view.need)
    if sun > 0 and view.charge < parameters.charge:
        return BatteryWish(
            cause=cause, target=sun, low=sun, high=sun, shared=True, gradual=True
        )
    return BatteryWish(cause=cause, high=sun, shared=True)
