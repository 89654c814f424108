"""Dynamic peak approach: full enough when the next peak begins.

Two lines lead up to the peak, each from the moment at which its charge only just can be
reached with the assumed power. Below the line of `force_charge` it charges whatever the
market says, below that of `encourage_charge` while the system is long. It charges with
what brings it back to the end of its line, so it does not switch on and off along it.
"""

from datetime import datetime, timedelta
from math import inf

from ....model.programme import PeakApproach
from ....model.schedule import upcoming
from . import causes
from .system import system_state
from .view import (
    NO_CLOCK,
    SCHEDULE_UNKNOWN,
    Answer,
    BatteryView,
    at_least,
    lacks_energy,
)

_AHEAD = timedelta(hours=48)
"""How far ahead the next peak is looked for."""


def wish(view: BatteryView, parameters: PeakApproach) -> Answer:
    """Wish for what the lines ask for."""
    if not view.clock.synchronised:
        return NO_CLOCK
    if (lacking := lacks_energy(view)) is not None:
        return lacking
    if parameters.peak.entity is not None and (
        parameters.peak.entity not in view.entities
    ):
        return SCHEDULE_UNKNOWN
    peak = next_peak(view, parameters)
    if peak is None:
        return None
    forced = _power(
        view, parameters, peak, parameters.force_charge, parameters.force_factor
    )
    if forced is not None:
        cause = causes.peak_approach(parameters.force_charge, peak, long=False)
        return at_least(forced, cause, gradual=True)
    encouraged = _power(
        view, parameters, peak, parameters.encourage_charge, parameters.encourage_factor
    )
    if encouraged is not None and _long(view, parameters):
        cause = causes.peak_approach(parameters.encourage_charge, peak, long=True)
        return at_least(encouraged, cause, gradual=True)
    return None


def next_peak(view: BatteryView, parameters: PeakApproach) -> datetime | None:
    """Return when the next peak begins; None within one, or where none is near."""
    now = view.clock.utc
    starts = []
    for window in upcoming(
        parameters.peak, now, now + _AHEAD, view.holidays, view.entities
    ):
        if window.start is None or window.start <= now:
            return None
        starts.append(window.start)
    return min(starts, default=None)


def _power(
    view: BatteryView,
    parameters: PeakApproach,
    peak: datetime,
    charge: float,
    factor: float,
) -> float | None:
    """Return the W for a line that the battery is below, None where it is not."""
    missing = view.energy_to(charge)
    if missing is None or missing <= 0:
        return None
    efficiency = view.efficiency
    whole = charge / 100 * (view.asset.capacity or 0.0) / efficiency
    duration = whole / parameters.assumed_power * factor
    end = peak - timedelta(seconds=parameters.cushion)
    left = (end - view.clock.utc).total_seconds() / 3600
    if left <= 0:
        return inf
    if missing / efficiency <= whole * left / duration:
        return None
    return missing / efficiency / left


def _long(view: BatteryView, parameters: PeakApproach) -> bool:
    """Return whether the system is long; where nobody knows it counts as not."""
    rule = parameters.prediction
    system = system_state(
        view.market, view.clock.utc, rule, rule, parameters.trusted_after
    )
    return system is not None and system.long
