"""Cheapest hours: it charges while import is cheapest within its scheduled window.

What is not known yet when the window begins (tomorrow's prices before noon) is not
waited for: of what is known, the cheapest is chosen, and chosen anew when more is.
"""

from datetime import timedelta
from math import inf

from ....model.market import PriceSlot
from ....model.programme import CheapestHours
from ....model.schedule import Window
from . import causes
from .view import NO_CHARGE, NO_CLOCK, NO_END, NO_PRICE, Answer, BatteryView, at_least


def wish(view: BatteryView, parameters: CheapestHours) -> Answer:
    """Wish for all of its power in the cheapest hours."""
    if not view.clock.synchronised:
        return NO_CLOCK
    if view.charge is None:
        return NO_CHARGE
    series, utc, window = view.market.import_price, view.clock.utc, view.window
    if window.start is None or window.end is None:
        return NO_END
    if series is None or series.at(utc) is None:
        return NO_PRICE
    if view.charge >= parameters.charge:
        return None
    slots = series.between(window.start, window.end, utc)
    if any(span.covers(utc) for span in cheapest(slots, window, parameters.hours)):
        power = inf if parameters.power is None else parameters.power
        return at_least(power, causes.cheapest(parameters.hours))
    return None


def cheapest(
    slots: tuple[PriceSlot, ...], window: Window, hours: float
) -> tuple[Window, ...]:
    """Return the cheapest spans of a window, the cheapest first, `hours` in all.

    Of equal prices the earlier ones come first, and of the last one its beginning.
    """
    left = timedelta(hours=hours)
    chosen = []
    for slot in sorted(slots, key=lambda slot: (slot.value, slot.start)):
        start, end = slot.start, slot.end
        if window.start is not None:
            start = max(start, window.start)
        if window.end is not None:
            end = min(end, window.end)
        end = min(end, start + left)
        if end > start:
            chosen.append(Window(start=start, end=end))
            left -= end - start
    return tuple(chosen)
