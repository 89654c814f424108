"""Price threshold: charges while import is cheap, discharges while it is dear."""

from dataclasses import replace
from math import inf

from ....model.market import PriceSeries
from ....model.programme import PriceThreshold
from . import causes
from .view import NO_CLOCK, NO_PRICE, Answer, BatteryView, BatteryWish, exactly


def wish(view: BatteryView, parameters: PriceThreshold) -> Answer:
    """Wish for all of its power while a price is beyond its threshold."""
    if not view.clock.synchronised:
        return NO_CLOCK
    power = inf if parameters.power is None else parameters.power
    paid = _price(view, view.market.import_price)
    spared = paid
    if parameters.export:
        spared = _price(view, view.market.export_price)
    below, above = parameters.charge_below, parameters.discharge_above
    if below is not None and paid is not None and paid < below:
        return exactly(power, causes.cheap(below))
    if above is not None and spared is not None and spared > above:
        cause = causes.dear(above)
        if parameters.export:
            return exactly(-power, cause)
        used = max(0.0, -view.need)
        if not used:
            # What the sun leaves may be stored, nothing else.
            return BatteryWish(cause=cause, high=view.need, shared=True)
        return replace(exactly(-power, cause), all_low=-used)
    missing = (below is not None and paid is None) or (
        above is not None and spared is None
    )
    return NO_PRICE if missing else None


def _price(view: BatteryView, series: PriceSeries | None) -> float | None:
    slot = None if series is None else series.at(view.clock.utc)
    return None if slot is None else slot.value
