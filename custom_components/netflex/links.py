"""Who holds which shared Modbus connection, and what reaches existing entities.

Connections are Home Assistant's own, shared with every other integration. They are
taken and given back per device, not per entry: a removed charger must not keep its
only client slot.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine
import time
from typing import cast

from homeassistant.components.climate.const import (
    DOMAIN as CLIMATE,
    SERVICE_SET_TEMPERATURE,
)
from homeassistant.components.modbus import async_get_unit
from homeassistant.components.number import ATTR_MAX, ATTR_MIN, ATTR_STEP, ATTR_VALUE
from homeassistant.components.number.const import SERVICE_SET_VALUE
from homeassistant.components.select import ATTR_OPTION, SERVICE_SELECT_OPTION
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import (
    ATTR_ENTITY_ID,
    ATTR_TEMPERATURE,
    ATTR_UNIT_OF_MEASUREMENT,
    SERVICE_TURN_OFF,
    SERVICE_TURN_ON,
    STATE_OFF,
    STATE_ON,
    STATE_UNAVAILABLE,
    STATE_UNKNOWN,
)
from homeassistant.core import (
    Event,
    EventStateChangedData,
    EventStateReportedData,
    HomeAssistant,
    State,
    callback,
)
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.event import (
    async_track_state_change_event,
    async_track_state_report_event,
)
from modbus_connection import ModbusSerialParams, ModbusTcpParams

from .devices.ports import EntityValue, LinkParams, ModbusUnit, Transport

type _Release = Callable[[], Coroutine[object, object, None] | None]


def modbus_params(link: LinkParams) -> ModbusTcpParams | ModbusSerialParams:
    """Return a link as the shared connections name it."""
    if link.transport is Transport.TCP:
        return ModbusTcpParams(host=link.host, port=link.port)
    device = link.host
    if link.transport is Transport.RTU_OVER_TCP:
        host = f"[{link.host}]" if ":" in link.host else link.host
        device = f"socket://{host}:{link.port}"
    return ModbusSerialParams(device=device, framer="rtu", baudrate=link.baudrate)


class _Hold:
    """Stands for the entry while a unit is taken, so that it can be given back."""

    def __init__(self, entry: ConfigEntry) -> None:
        self.entry_id = entry.entry_id
        self.releases: list[_Release] = []

    def async_on_unload(self, release: _Release) -> None:
        self.releases.append(release)


class SharedLinks:
    """Hands out units on Home Assistant's shared connections (a UnitFactory)."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry) -> None:
        """Take nothing yet."""
        self._hass = hass
        self._entry = entry
        self._holds: dict[LinkParams, list[_Hold]] = {}

    async def unit(self, link: LinkParams, unit_id: int) -> ModbusUnit:
        """Return a unit; raises HomeAssistantError if the link is used otherwise."""
        hold = _Hold(self._entry)
        unit = async_get_unit(
            self._hass, cast(ConfigEntry, hold), modbus_params(link), unit_id
        )
        self._holds.setdefault(link, []).append(hold)
        return unit

    async def release(self, link: LinkParams) -> None:
        """Give back all units held on a link; the last holder closes it."""
        for hold in self._holds.pop(link, ()):
            for release in hold.releases:
                if (work := release()) is not None:
                    await work

    async def close(self) -> None:
        """Give back everything."""
        await asyncio.gather(*(self.release(link) for link in list(self._holds)))


class Entities:
    """Reads and drives existing entities (an EntityPort).

    Entities are named by their registry id, which survives a rename, or by their
    entity id where they have no registry entry.
    """

    def __init__(self, hass: HomeAssistant) -> None:
        """Watch nothing yet."""
        self._hass = hass

    def _entity_id(self, entity: str) -> str | None:
        return er.async_resolve_entity_id(er.async_get(self._hass), entity)

    def read(self, entity: str) -> EntityValue | None:
        """Return what an entity says now, None where there is none."""
        entity_id = self._entity_id(entity)
        state = self._hass.states.get(entity_id) if entity_id is not None else None
        return _value(state) if state is not None else None

    def watch(
        self, entities: Collection[str], callback: Callable[[str], None]
    ) -> Callable[[], None]:
        """Call back on every report of the entities, changed or not."""
        names = {
            entity_id: entity
            for entity in entities
            if (entity_id := self._entity_id(entity)) is not None
        }

        @_callback
        def changed(event: Event[EventStateChangedData]) -> None:
            callback(names[event.data["entity_id"]])

        @_callback
        def reported(event: Event[EventStateReportedData]) -> None:
            callback(names[event.data["entity_id"]])

        ends = (
            async_track_state_change_event(self._hass, list(names), changed),
            async_track_state_report_event(self._hass, list(names), reported),
        )

        def end() -> None:
            for stop in ends:
                stop()

        return end

    async def set_number(self, entity: str, value: float) -> None:
        """Set a number or input_number, or the temperature of a thermostat."""
        if (entity_id := self._entity_id(entity)) is None:
            return
        domain = entity_id.partition(".")[0]
        thermostat = domain == CLIMATE
        await self._hass.services.async_call(
            domain,
            SERVICE_SET_TEMPERATURE if thermostat else SERVICE_SET_VALUE,
            {
                ATTR_ENTITY_ID: entity_id,
                ATTR_TEMPERATURE if thermostat else ATTR_VALUE: value,
            },
            blocking=True,
        )

    async def set_option(self, entity: str, option: str) -> None:
        """Choose an option of a select or input_select."""
        if (entity_id := self._entity_id(entity)) is None:
            return
        await self._hass.services.async_call(
            entity_id.partition(".")[0],
            SERVICE_SELECT_OPTION,
            {ATTR_ENTITY_ID: entity_id, ATTR_OPTION: option},
            blocking=True,
        )

    async def set_switch(self, entity: str, on: bool) -> None:
        """Switch an entity on or off, by its own domain's action."""
        if (entity_id := self._entity_id(entity)) is None:
            return
        await self._hass.services.async_call(
            entity_id.partition(".")[0],
            SERVICE_TURN_ON if on else SERVICE_TURN_OFF,
            {ATTR_ENTITY_ID: entity_id},
            blocking=True,
        )


_callback = callback


def _value(state: State) -> EntityValue:
    """Translate a state into the form that devices read."""
    attributes = state.attributes
    available = state.state != STATE_UNAVAILABLE
    if state.domain == CLIMATE:
        # What is driven is its set temperature; its state is only its mode.
        value: float | str | bool | None = attributes.get(ATTR_TEMPERATURE)
    else:
        value = _content(state.state)
    return EntityValue(
        value=value,
        available=available,
        unit=attributes.get(ATTR_UNIT_OF_MEASUREMENT),
        last_reported=time.monotonic()
        - max(0.0, time.time() - state.last_reported_timestamp),
        minimum=attributes.get(ATTR_MIN),
        maximum=attributes.get(ATTR_MAX),
        step=attributes.get(ATTR_STEP),
    )


def _content(text: str) -> float | str | bool | None:
    """Return a state's text as what it means."""
    if text in (STATE_UNAVAILABLE, STATE_UNKNOWN):
        return None
    if text in (STATE_ON, STATE_OFF):
        return text == STATE_ON
    try:
        return float(text)
    except ValueError:
        return text
