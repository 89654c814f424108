"""Import avoidance while the system is short, or is taken to be; else it says nothing."""

from ....model.programme import ImportAvoidanceWhenShort
from . import causes
from .system import system_state, unknown
from .view import NO_CLOCK, Answer, BatteryView, no_import


def wish(view: BatteryView, parameters: ImportAvoidanceWhenShort) -> Answer:
    """Wish for no import while the volume of the imbalance is positive."""
    if not view.clock.synchronised:
        return NO_CLOCK
    rule = parameters.prediction
    system = system_state(
        view.market, view.clock.utc, rule, rule, parameters.trusted_after
    )
    if system is None:
        return unknown(view, parameters.trusted_after)
    return no_import(view, causes.avoids_import_short()) if system.short else None
