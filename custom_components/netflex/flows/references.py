"""Entities that a form names: kept so that they survive a rename, shown as they are now."""

from collections.abc import Iterable, Mapping
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er

from ..const import DOMAIN
from .site_checks import Errors


def kept_references(
    hass: HomeAssistant, keys: Iterable[str], values: Mapping[str, Any]
) -> tuple[dict[str, str], Errors]:
    """Return the form's entities as references, and what is wrong with them.

    An entity of Netflex itself would feed on what it shows.
    """
    registry = er.async_get(hass)
    kept: dict[str, str] = {}
    errors: Errors = {}
    for key in keys:
        if not (entity_id := values.get(key)):
            continue
        registered = registry.async_get(entity_id)
        if registered is not None and registered.platform == DOMAIN:
            errors[key] = "own_entity"
        kept[key] = entity_id if registered is None else registered.id
    return kept, errors


def shown_references(
    hass: HomeAssistant, keys: Iterable[str], data: Mapping[str, Any]
) -> dict[str, str]:
    """Return stored references as the entity ids of now, without what is gone."""
    registry = er.async_get(hass)
    return {
        key: entity_id
        for key in keys
        if (reference := data.get(key))
        and (entity_id := er.async_resolve_entity_id(registry, reference))
    }
