"""Contacts that stop the site: normally closed, so that a broken wire stops (S13).

An input is `on` while its circuit is closed. Off is a stop, held in the input's own
name and released by the same input alone (S06). An input that says nothing keeps
what it last said, and after a while that is said.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Final

from homeassistant.const import STATE_OFF, STATE_ON
from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.event import (
    EventStateChangedData,
    async_call_later,
    async_track_entity_registry_updated_event,
    async_track_state_change_event,
)

from .entity import HOLDER
from .model.asset import Direction
from .site.outputs import held_by_module
from .site.site import Site
from .telecontrol_options import LocalStopInputs

SILENCE_SECONDS: Final = 30.0
"""s that an input may say nothing, as after a start, before a repair names it."""


class LocalStopWatch:
    """Holds and releases the site's own stops as the inputs say."""

    def __init__(self, hass: HomeAssistant, site: Site) -> None:
        """Watch nothing yet."""
        self._hass = hass
        self._site = site
        self._inputs = LocalStopInputs()
        self._names: dict[str, str] = {}
        self._ends: list[CALLBACK_TYPE] = []
        self._overdue: dict[str, CALLBACK_TYPE] = {}
        self._silent: dict[str, str] = {}

    @callback
    def async_set(self, inputs: LocalStopInputs) -> None:
        """Watch these inputs; what others held by themselves is released."""
        self._inputs = inputs
        self._watch()
        self._look()

    @callback
    def async_stop(self) -> None:
        """Watch nothing any more; what is held stays held."""
        for end in (*self._ends, *self._overdue.values()):
            end()
        self._ends.clear()
        self._overdue.clear()

    def _entity_ids(self) -> dict[str, str]:
        """Return how each input is called now; its reference where nobody knows."""
        registry = er.async_get(self._hass)
        return {
            reference: er.async_resolve_entity_id(registry, reference) or reference
            for direction in Direction
            for reference in self._inputs.of(direction)
        }

    @callback
    def _watch(self) -> None:
        for end in self._ends:
            end()
        entity_ids = list(self._entity_ids().values())
        self._ends = [
            async_track_state_change_event(self._hass, entity_ids, self._changed),
            async_track_entity_registry_updated_event(
                self._hass, entity_ids, self._renamed
            ),
        ]

    @callback
    def _changed(self, _event: Event[EventStateChangedData]) -> None:
        self._look()

    @callback
    def _renamed(self, _event: Event[er.EventEntityRegistryUpdatedData]) -> None:
        self._watch()
        self._look()

    def _carry_over(self, names: dict[str, str]) -> None:
        """Hold under its new name what an input held under another one."""
        for reference, name in names.items():
            old = self._names.get(reference, name)
            for direction in Direction:
                if old != name and old in self._site.local_stops.holders(direction):
                    self._site.set_local_stop(direction, name, held=True)
        self._names = names

    @callback
    def _look(self) -> None:
        """Bring the site's own stops to what the inputs say."""
        names = self._entity_ids()
        self._carry_over(names)
        self._site.set_stop_inputs({name: self._name(name) for name in names.values()})
        for direction in Direction:
            held = self._site.local_stops.holders(direction)
            inputs = {names[reference] for reference in self._inputs.of(direction)}
            for holder in sorted(inputs):
                opened = self._is_open(holder)
                if opened is not None and opened is not (holder in held):
                    self._site.set_local_stop(direction, holder, held=opened)
            for holder in sorted(held - inputs - {HOLDER}):
                if held_by_module(holder):
                    continue
                self._site.set_local_stop(direction, holder, held=False)
        self._note_silence(names)

    def _name(self, entity_id: str) -> str:
        """Return how a user knows an input."""
        state = self._hass.states.get(entity_id)
        return entity_id if state is None else state.name

    def _is_open(self, entity_id: str) -> bool | None:
        """Whether an input's circuit is open, None while it says nothing."""
        state = self._hass.states.get(entity_id)
        if state is None or state.state not in (STATE_ON, STATE_OFF):
            return None
        return state.state == STATE_OFF

    @callback
    def _note_silence(self, names: Mapping[str, str]) -> None:
        """Begin to wait for silent inputs, and forget those that speak again."""
        silent = {name for name in names.values() if self._is_open(name) is None}
        for entity_id in self._overdue.keys() - silent:
            self._overdue.pop(entity_id)()
        ended = self._silent.keys() - silent
        for entity_id in ended:
            del self._silent[entity_id]
        if ended:
            self._site.set_silent_inputs(dict(self._silent))
        for entity_id in silent - self._overdue.keys() - self._silent.keys():
            self._overdue[entity_id] = async_call_later(
                self._hass, SILENCE_SECONDS, partial(self._overdue_now, entity_id)
            )

    @callback
    def _overdue_now(self, entity_id: str, _now: datetime) -> None:
        del self._overdue[entity_id]
        held = any(
            entity_id in self._site.local_stops.holders(direction)
            for direction in Direction
        )
        kept = "its stop holds" if held else "it stops nothing until it is back"
        self._silent[entity_id] = f"{entity_id} says nothing; {kept}"
        self._site.set_silent_inputs(dict(self._silent))
