"""Import avoidance: nothing is imported as far as the battery can help it.

It delivers what would be imported, more is left to the modes after it; whatever they
wish, the battery never charges into an import.
"""

from ....model.programme import ImportAvoidance
from . import causes
from .view import Answer, BatteryView, no_import


def wish(view: BatteryView, parameters: ImportAvoidance) -> Answer:
    """Wish for no import."""
    return no_import(view, causes.avoids_import())
