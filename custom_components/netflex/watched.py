"""Entities that are only read: followed through every change, report and rename."""

from collections.abc import Callable, Iterable

from homeassistant.core import (
    CALLBACK_TYPE,
    Event,
    EventStateReportedData,
    HomeAssistant,
    State,
    callback,
)
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.event import (
    EventStateChangedData,
    async_track_entity_registry_updated_event,
    async_track_state_change_event,
    async_track_state_report_event,
)


class WatchedEntities:
    """Tells when any of some entities says something.

    Entities are named by their registry id, or by their entity id.
    """

    def __init__(self, hass: HomeAssistant, on_change: Callable[[], None]) -> None:
        """Watch nothing yet."""
        self._hass = hass
        self._on_change = on_change
        self._references: frozenset[str] = frozenset()
        self._reports = False
        self._ends: list[CALLBACK_TYPE] = []

    @callback
    def async_set(self, references: Iterable[str], *, reports: bool = False) -> None:
        """Watch these; `reports`: also when they say the same again."""
        self._references = frozenset(references)
        self._reports = reports
        self._watch()

    @callback
    def async_stop(self) -> None:
        """Watch nothing any more."""
        for end in self._ends:
            end()
        self._ends = []

    def entity_id(self, reference: str) -> str:
        """Return how an entity is called now; its reference where nobody knows."""
        registry = er.async_get(self._hass)
        return er.async_resolve_entity_id(registry, reference) or reference

    def state(self, reference: str) -> State | None:
        """Return what an entity says now."""
        return self._hass.states.get(self.entity_id(reference))

    @callback
    def _watch(self) -> None:
        self.async_stop()
        if not (names := [self.entity_id(item) for item in self._references]):
            return
        self._ends = [
            async_track_state_change_event(self._hass, names, self._changed),
            async_track_entity_registry_updated_event(self._hass, names, self._renamed),
        ]
        if self._reports:
            self._ends.append(
                async_track_state_report_event(self._hass, names, self._reported)
            )

    @callback
    def _changed(self, _event: Event[EventStateChangedData]) -> None:
        self._on_change()

    @callback
    def _reported(self, _event: Event[EventStateReportedData]) -> None:
        self._on_change()

    @callback
    def _renamed(self, _event: Event[er.EventEntityRegistryUpdatedData]) -> None:
        self._watch()
        self._on_change()
