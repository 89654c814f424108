"""The stored options that describe a house to those who look after it.

Six kinds, as GOFLEX kept them: administration, topology, energy, wiring, the aggregator,
building and household. Nothing of it decides anything; all of it may be left out.
"""

from typing import Final

import voluptuous as vol

CONF_METADATA: Final = "metadata"

PERSONAL: Final = ("prosumer", "street_address", "ean", "contact")
"""Administration: it leaves the house only where that is asked for."""
TEXTS: Final = (
    *PERSONAL,
    "topology",
    "building_type",
    "heating",
    "wiring",
    "aggregator",
    "aggregator_reference",
)
LONG_TEXTS: Final = frozenset({"topology", "wiring"})
NUMBERS: Final = {
    "heated_area": "m²",
    "boiler_volume": "L",
    "built": None,
    "inhabitants": None,
}
"""With their units."""

_MOST: Final = 4000

METADATA_SCHEMA: Final = vol.Schema(
    {
        **{vol.Optional(key): vol.All(str, vol.Length(max=_MOST)) for key in TEXTS},
        **{
            vol.Optional(key): vol.All(vol.Coerce(float), vol.Range(min=0, max=1e6))
            for key in NUMBERS
        },
    }
)
