"""Dynamic peak discharge: what is above a charge is spent within the scheduled peak.

It begins at full power at the latest when the time that is left only just does for it,
and at once while the system is short. It never charges in the peak.
"""

from math import inf
from typing import Final

from ....model.plan import Cause
from ....model.programme import PeakDischarge
from . import causes
from .system import system_state
from .view import NO_END, Answer, BatteryView, BatteryWish, lacks_energy

_BEGUN: Final = 0.9
"""Share of its power from which it counts as discharging at full power."""
_BAND: Final = 0.1
"""Share by which the moments of beginning and of ending lie apart."""


def wish(view: BatteryView, parameters: PeakDischarge) -> Answer:
    """Wish to spend the energy, and when."""
    if (lacking := lacks_energy(view)) is not None:
        return lacking
    end = view.window.end
    missing = view.energy_to(parameters.charge)
    if end is None or missing is None:
        return NO_END
    cause = causes.peak_discharge(parameters.charge, end)
    available = -missing
    wait = BatteryWish(cause=cause, high=0.0)
    if available <= 0:
        return wait
    hours = max(0.0, (end - view.clock.utc).total_seconds() / 3600)
    # What has begun goes on, although what is left shrinks as fast as the time does.
    begun = view.told is not None and view.told <= _BEGUN * view.low < 0
    if available >= -view.low * hours * (1 - _BAND if begun else 1.0):
        return _flat_out(cause)
    if _short(view, parameters):
        reserve = max(0.0, -view.need) * hours if parameters.prioritise_load else 0.0
        if available > reserve * (1.0 if begun else 1 + _BAND):
            return _flat_out(cause)
    if not parameters.prioritise_load:
        return wait
    # What the site uses is covered, nothing is charged.
    need = min(0.0, view.need)
    return BatteryWish(cause=cause, target=need, high=need, shared=True)


def _flat_out(cause: Cause) -> BatteryWish:
    return BatteryWish(cause=cause, target=-inf, high=-inf)


def _short(view: BatteryView, parameters: PeakDischarge) -> bool:
    """Return whether the system is short; where nobody knows it counts as not."""
    rule = parameters.prediction
    system = system_state(
        view.market, view.clock.utc, rule, rule, parameters.trusted_after
    )
    return system is not None and system.short
