"""Hold: the battery neither charges nor discharges."""

from ....model.programme import Hold
from . import causes
from .view import Answer, BatteryView, exactly


def wish(view: BatteryView, parameters: Hold) -> Answer:
    """Wish for nothing."""
    return exactly(0.0, causes.holds())
