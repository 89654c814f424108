"""Export avoidance: nothing is injected as far as the battery can help it.

It takes what would be injected, more is left to the modes after it; whatever they
wish, the battery never discharges into an injection.
"""

from ....model.programme import ExportAvoidance
from . import causes
from .view import Answer, BatteryView, no_export


def wish(view: BatteryView, parameters: ExportAvoidance) -> Answer:
    """Wish for no injection."""
    return no_export(view, causes.avoids_export())
