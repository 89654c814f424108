"""A grid operator's day: which order at which hour, and why, in words."""

from collections.abc import Iterator
from dataclasses import dataclass

from ..model.orders import OrderName
from .operator import OrderValue


@dataclass(frozen=True, slots=True, kw_only=True)
class DayOrder:
    """One order of the day. `words` say what the operator wants with it."""

    hour: float
    name: OrderName
    value: OrderValue
    words: str


_DAY = (
    (7.0, OrderName.REDENP, 1, "the reason of what follows is congestion"),
    (7.1, OrderName.MAXSETP, 40, "morning peak: import at most 40 % of the contract"),
    (8.8, OrderName.MAXSETP, 100, "the morning peak is over"),
    (11.8, OrderName.MINSETP, 50, "a sunny noon: inject at most 50 % of the contract"),
    (12.8, OrderName.MINSETP, 0, "no injection at all; the sun may still be used"),
    (
        13.8,
        OrderName.EMERGENCY_STOP_PRODUCTION,
        True,
        "EMERGENCY: everything that produces stops, by interface and by contactor",
    ),
    (14.6, OrderName.EMERGENCY_STOP_PRODUCTION, False, "production is released"),
    (14.8, OrderName.MINSETP, 100, "injection is free up to the contract again"),
    (15.5, OrderName.MAXSETAP, 60, "the assets produce at most 60 % of what is there"),
    (16.5, OrderName.MAXSETAP, 100, "and may produce fully again"),
    (17.2, OrderName.MINSETAP, 50, "evening peak: the assets take at most 50 %"),
    (
        18.2,
        OrderName.EMERGENCY_STOP_CONSUMPTION,
        True,
        "EMERGENCY: everything that can be switched off stops consuming",
    ),
    (19.0, OrderName.EMERGENCY_STOP_CONSUMPTION, False, "consumption is released"),
    (20.0, OrderName.MINSETAP, 100, "the evening peak is over"),
    (20.2, OrderName.REDENP, 99, "a test follows: reason 99"),
    (20.4, OrderName.TEST, True, "the test command, mirrored and without effect"),
    (20.8, OrderName.TEST, False, "the test is over"),
    (21.0, OrderName.REDENP, 0, "back to normal"),
)


def operator_day() -> Iterator[DayOrder]:
    """Yield the orders of a day in the order of their hours."""
    for hour, name, value, words in _DAY:
        yield DayOrder(hour=hour, name=name, value=value, words=words)
