"""The entity that says whether the house is islanded (S20).

What it does not say counts as on the grid: then every order acts.
"""

from homeassistant.const import STATE_ON
from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.event import (
    EventStateChangedData,
    async_track_entity_registry_updated_event,
    async_track_state_change_event,
)

from .site.site import Site


class IslandWatch:
    """Tells the site whether it is islanded."""

    def __init__(self, hass: HomeAssistant, site: Site) -> None:
        """Watch nothing yet."""
        self._hass = hass
        self._site = site
        self._reference: str | None = None
        self._ends: list[CALLBACK_TYPE] = []

    @callback
    def async_set(self, reference: str | None) -> None:
        """Watch this entity, by registry id or entity id; None: none."""
        self._reference = reference
        self._watch()
        self._look()

    @callback
    def async_stop(self) -> None:
        """Watch nothing any more."""
        for end in self._ends:
            end()
        self._ends = []

    def _entity_id(self) -> str | None:
        if self._reference is None:
            return None
        registry = er.async_get(self._hass)
        return er.async_resolve_entity_id(registry, self._reference) or self._reference

    @callback
    def _watch(self) -> None:
        self.async_stop()
        if (entity_id := self._entity_id()) is None:
            return
        self._ends = [
            async_track_state_change_event(self._hass, entity_id, self._changed),
            async_track_entity_registry_updated_event(
                self._hass, entity_id, self._renamed
            ),
        ]

    @callback
    def _changed(self, _event: Event[EventStateChangedData]) -> None:
        self._look()

    @callback
    def _renamed(self, _event: Event[er.EventEntityRegistryUpdatedData]) -> None:
        self._watch()
        self._look()

    @callback
    def _look(self) -> None:
        entity_id = self._entity_id()
        state = None if entity_id is None else self._hass.states.get(entity_id)
        self._site.set_islanded(state is not None and state.state == STATE_ON)
