"""The stored options of the readings that are kept in the house."""

from typing import Final

import voluptuous as vol

from .telemetry.keeper import DEFAULT_BOUNDS

CONF_READINGS: Final = "readings"
CONF_KEEP: Final = "keep"
CONF_DAYS: Final = "days"
CONF_MEGABYTES: Final = "megabytes"

READINGS_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_KEEP): bool,
        vol.Optional(CONF_DAYS, default=DEFAULT_BOUNDS.days): vol.All(
            vol.Coerce(int), vol.Range(min=1, max=3660)
        ),
        vol.Optional(CONF_MEGABYTES, default=DEFAULT_BOUNDS.megabytes): vol.All(
            vol.Coerce(float), vol.Range(min=1, max=100_000)
        ),
    }
)
"""Nothing is kept before somebody has switched it on."""
