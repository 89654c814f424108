"""The stored options of FlexOffers: the manager, what is offered, and the consent.

Nothing is offered, and nothing told, before somebody has consented: who, and when.
"""

from collections.abc import Mapping
from typing import Any, Final

import voluptuous as vol

from .entry_data import SubentryType
from .northbound.flexoffer_messages import BoundNames, Dialect, EnergySign
from .northbound_options import CONF_CONSENT, CONSENT_SCHEMA

CONF_FLEXOFFERS: Final = "flexoffers"
CONF_ENABLED: Final = "enabled"
CONF_URL: Final = "url"
CONF_USERNAME: Final = "username"
CONF_PASSWORD: Final = "password"
CONF_ASSETS: Final = "assets"
CONF_BOUNDS: Final = "bounds"
CONF_SIGN: Final = "sign"
CONF_HOLD: Final = "hold"
CONF_WINDOW: Final = "window"
CONF_LOST_AFTER: Final = "lost_after"

OFFERED_TYPES: Final = frozenset(
    {SubentryType.LOAD, SubentryType.CHARGER, SubentryType.BATTERY}
)
"""Kinds of devices whose flexibility can be offered."""
FLEXOFFERS_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_ENABLED): bool,
        vol.Required(CONF_URL): vol.All(str, vol.Match(r"^https?://[^\s/]+")),
        vol.Required(CONF_USERNAME): vol.All(str, vol.Length(min=1, max=200)),
        vol.Required(CONF_PASSWORD): str,
        vol.Optional(CONF_ASSETS, default=list): [str],
        vol.Optional(CONF_BOUNDS, default=BoundNames.SHORT.value): vol.In(
            [item.value for item in BoundNames]
        ),
        vol.Optional(CONF_SIGN, default=EnergySign.CONSUMPTION.value): vol.In(
            [item.value for item in EnergySign]
        ),
        vol.Optional(CONF_HOLD, default=30.0): vol.All(
            vol.Coerce(float), vol.Range(min=15, max=720)
        ),
        vol.Optional(CONF_WINDOW, default=60.0): vol.All(
            vol.Coerce(float), vol.Range(min=0, max=1440)
        ),
        vol.Optional(CONF_LOST_AFTER, default=900.0): vol.All(
            vol.Coerce(float), vol.Range(min=60, max=86_400)
        ),
        vol.Optional(CONF_CONSENT): CONSENT_SCHEMA,
    }
)
"""`hold` and `window` are minutes, `lost_after` s."""


def active(options: Mapping[str, Any]) -> bool:
    """Whether anything may be offered: switched on, and consented to."""
    return bool(options.get(CONF_ENABLED)) and CONF_CONSENT in options


def dialect(options: Mapping[str, Any]) -> Dialect:
    """Return how the manager wants to be spoken to."""
    return Dialect(
        bounds=BoundNames(options[CONF_BOUNDS]), sign=EnergySign(options[CONF_SIGN])
    )
