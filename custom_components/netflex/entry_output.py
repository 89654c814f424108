"""The stored form of how an emergency output is wired and its module set up."""

from collections.abc import Mapping
from typing import Any, Final

from .model.asset import Direction
from .site.config import OutputWiring, PowerUp, SafeValue

CONF_BISTABLE: Final = "bistable"
CONF_POWER_UP: Final = "power_up"
CONF_WATCHDOG: Final = "watchdog"
CONF_CONTACT_ENTITY: Final = "contact_entity"
CONF_CONTACT: Final = "contact_when_stopped"
CONF_INPUT_STOPS: Final = "input_stops"

CONTACT_CLOSED: Final = "closed"
CONTACT_OPEN: Final = "open"

PARAM_CONTACT: Final = "contact"
PARAM_STOP_INPUT: Final = "stop_input"
_PARAM_HOLD: Final = "hold"
_PARAM_PULSE: Final = "pulse"
_PARAM_SILENCE: Final = "silence"
_DEFAULT_PULSE: Final = 10.0
"""s, as the profile has it."""


def output_wiring(data: Mapping[str, Any]) -> OutputWiring:
    """Return a relay's wiring; what was stored before there was a form holds."""
    params = data.get("params", {})
    has_contact = PARAM_CONTACT in params or data.get(CONF_CONTACT_ENTITY)
    pulse = params.get(_PARAM_SILENCE)
    if params.get(_PARAM_HOLD) == _PARAM_PULSE:
        pulse = params.get(_PARAM_PULSE, _DEFAULT_PULSE)
    return OutputWiring(
        bistable=bool(data.get(CONF_BISTABLE, False)),
        power_up=PowerUp(data.get(CONF_POWER_UP, PowerUp.OFF)),
        watchdog=SafeValue(data.get(CONF_WATCHDOG, SafeValue.NONE)),
        pulse=None if pulse is None else float(pulse),
        contact_when_stopped=(
            data.get(CONF_CONTACT, CONTACT_CLOSED) == CONTACT_CLOSED
            if has_contact
            else None
        ),
        input_stops=(
            frozenset(
                Direction(item) for item in data.get(CONF_INPUT_STOPS) or Direction
            )
            if PARAM_STOP_INPUT in params
            else frozenset()
        ),
    )
