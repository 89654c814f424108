"""Frequency response: power by a droop on the measured frequency of the grid.

In the dead band it leaves everything to the modes after it, outside nothing.
"""

from ....model.programme import FrequencyResponse
from . import causes
from .view import NO_FREQUENCY, Answer, BatteryView, exactly


def wish(view: BatteryView, parameters: FrequencyResponse) -> Answer:
    """Wish to discharge at a low frequency, to charge at a high one."""
    measured = view.frequency
    if measured is None or not measured.fresh(view.clock.monotonic):
        return NO_FREQUENCY
    deviation = measured.value - parameters.nominal
    beyond = abs(deviation) - parameters.dead_band
    if beyond <= 0:
        return None
    share = min(1.0, beyond / (parameters.full_at - parameters.dead_band))
    high = deviation > 0
    power = share * parameters.power
    return exactly(power if high else -power, causes.responds(high=high))
