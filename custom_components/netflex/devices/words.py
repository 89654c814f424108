"""What is said of devices and entities in several places."""

from typing import Final

from ..model.asset import Nature
from ..model.phrase import Phrase

_NATURES: Final = {
    Nature.CHARGER: Phrase("nature_charger", "charger"),
    Nature.BATTERY: Phrase("nature_battery", "battery"),
    Nature.INVERTER: Phrase("nature_inverter", "inverter"),
    Nature.LOAD: Phrase("nature_load", "load"),
    Nature.RELAY: Phrase("nature_relay", "relay"),
    Nature.METER: Phrase("nature_meter", "meter"),
}


def nature_of(nature: Nature) -> str:
    """Return what a device is called."""
    return _NATURES[nature]


def entity_gone(entity: str) -> Phrase:
    """Return that there is no such entity."""
    return Phrase("entity_gone", "{entity} does not exist", entity=entity)


def entity_away(entity: str) -> Phrase:
    """Return that an entity says nothing now."""
    return Phrase("entity_away", "{entity} is not available", entity=entity)


def other_unit(entity: str, unit: str, wanted: str) -> Phrase:
    """Return that an entity is in a unit that does not fit."""
    return Phrase(
        "entity_unit",
        "{entity} is in {unit}, not in {wanted}",
        entity=entity,
        unit=unit,
        wanted=wanted,
    )
