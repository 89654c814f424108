"""Back-up reserve: a charge is kept for an outage, and restored when it is not there."""

from dataclasses import replace
from math import inf

from ....model.programme import BackupReserve
from . import causes
from .view import NO_CHARGE, Answer, BatteryView, BatteryWish, at_least


def wish(view: BatteryView, parameters: BackupReserve) -> Answer:
    """Wish to charge below the reserve, and not to discharge into it."""
    if view.charge is None:
        return NO_CHARGE
    cause = causes.keeps_backup(parameters.charge)
    if view.charge < parameters.charge:
        if parameters.from_grid:
            return at_least(
                inf if parameters.power is None else parameters.power, cause
            )
        sun = max(0.0, view.need)
        return replace(at_least(sun, cause, gradual=True), shared=True)
    if view.charge <= parameters.charge + view.tuning.charge_band:
        return BatteryWish(cause=cause, low=0.0)
    return None
