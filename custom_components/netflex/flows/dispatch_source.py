"""The forms of a dispatch source: who may order batteries for a while."""

from collections.abc import Mapping
from typing import Any, Final

from homeassistant.config_entries import SOURCE_RECONFIGURE, SubentryFlowResult
from homeassistant.const import CONF_NAME, Platform
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.selector import (
    BooleanSelector,
    EntitySelector,
    EntitySelectorConfig,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
)
import voluptuous as vol

from ..entry_data import CONF_PRIORITY
from ..entry_dispatch import (
    CALENDAR_ACTIONS,
    CONF_ACTION,
    CONF_ALLOW_DEVIATION,
    CONF_BASELINE,
    CONF_BATTERIES,
    CONF_CALENDAR,
    CONF_DIRECTION,
    CONF_DISPATCH_POWER,
    CONF_END,
    CONF_KIND,
    CONF_START,
    SOURCE_ENTITIES,
    SourceKind,
)
from ..site.economy import Baseline
from .fields import Fields, choice, flat, more, suggested, whole_number
from .parts import PartFlow
from .references import kept_references, shown_references
from .site_checks import Errors

AXLE: Final = "axle_energy"
CONF_AXLE_ENTRY: Final = "axle_entry"
AXLE_SENSORS: Final = {
    CONF_DIRECTION: "import_export",
    CONF_START: "start",
    CONF_END: "end",
}
"""Which of our entities is which of Axle's, by the end of its unique id."""


class DispatchSourceFlow(PartFlow):
    """Adds or changes a dispatch source."""

    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask how the source says what it wants."""
        return self.async_show_menu(
            step_id="user", menu_options=[kind.value for kind in SourceKind]
        )

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Show the form of the stored source."""
        kind = SourceKind(self._get_reconfigure_subentry().data[CONF_KIND])
        return await self._async_step(kind, None)

    async def async_step_axle(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask which account of Axle Energy it is."""
        if not self.hass.config_entries.async_entries(AXLE):
            return self.async_abort(reason="no_axle")
        return await self._async_step(SourceKind.AXLE, user_input)

    async def async_step_entities(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the entities that say direction, start and end."""
        return await self._async_step(SourceKind.ENTITIES, user_input)

    async def async_step_calendar(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the calendar, and what its events mean."""
        return await self._async_step(SourceKind.CALENDAR, user_input)

    async def _async_step(
        self, kind: SourceKind, user_input: dict[str, Any] | None
    ) -> SubentryFlowResult:
        errors: Errors = {}
        shown = self._stored()
        if user_input is not None:
            shown = flat(user_input)
            data = self._data_of(kind, shown)
            kept, own = kept_references(self.hass, SOURCE_ENTITIES, data)
            errors = self.name_errors(shown[CONF_NAME]) | own
            if kind is SourceKind.AXLE and CONF_END not in data:
                errors[CONF_AXLE_ENTRY] = "axle_incomplete"
            if not errors:
                return self.keep(shown[CONF_NAME], data | kept)
        return self.async_show_form(
            step_id=kind.value,
            data_schema=self.add_suggested_values_to_schema(
                self._schema(kind), suggested(shown)
            ),
            errors=errors,
        )

    def _schema(self, kind: SourceKind) -> vol.Schema:
        batteries = self.batteries()
        return vol.Schema(
            {
                vol.Required(CONF_NAME): TextSelector(),
                **self._source_fields(kind),
                vol.Optional(CONF_BATTERIES, default=list): batteries,
                vol.Required(CONF_BASELINE, default=Baseline.DAYS_BEFORE.value): choice(
                    [item.value for item in Baseline], "dispatch_baseline"
                ),
                **more(
                    {
                        vol.Required(CONF_PRIORITY, default=0): whole_number(),
                        vol.Required(
                            CONF_ALLOW_DEVIATION, default=False
                        ): BooleanSelector(),
                    }
                ),
            }
        )

    def _source_fields(self, kind: SourceKind) -> Fields:
        if kind is SourceKind.AXLE:
            accounts = [
                SelectOptionDict(value=entry.entry_id, label=entry.title)
                for entry in self.hass.config_entries.async_entries(AXLE)
            ]
            config = SelectSelectorConfig(
                options=accounts, mode=SelectSelectorMode.DROPDOWN
            )
            return {vol.Required(CONF_AXLE_ENTRY): SelectSelector(config)}
        if kind is SourceKind.CALENDAR:
            return {
                vol.Required(CONF_CALENDAR): _entity(Platform.CALENDAR.value),
                vol.Required(CONF_ACTION): choice(
                    [item.value for item in CALENDAR_ACTIONS], "dispatch_action"
                ),
            }
        times = (Platform.SENSOR.value, "input_datetime", Platform.DATETIME.value)
        words = (
            Platform.SENSOR.value,
            "input_select",
            Platform.SELECT.value,
            "input_text",
        )
        figures = (Platform.SENSOR.value, "input_number", Platform.NUMBER.value)
        return {
            vol.Required(CONF_DIRECTION): _entity(*words),
            vol.Required(CONF_START): _entity(*times),
            vol.Required(CONF_END): _entity(*times),
            vol.Optional(CONF_DISPATCH_POWER): _entity(*figures),
        }

    def _data_of(self, kind: SourceKind, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the form as it is stored, with entity ids of now."""
        data = {
            CONF_KIND: kind.value,
            CONF_BATTERIES: sorted(values.get(CONF_BATTERIES, ())),
            CONF_BASELINE: values[CONF_BASELINE],
            CONF_PRIORITY: values[CONF_PRIORITY],
            CONF_ALLOW_DEVIATION: values[CONF_ALLOW_DEVIATION],
        }
        if kind is SourceKind.AXLE:
            return data | self._axle_entities(values[CONF_AXLE_ENTRY])
        for key in (*SOURCE_ENTITIES, CONF_ACTION):
            if values.get(key):
                data[key] = values[key]
        return data

    def _axle_entities(self, entry_id: str) -> dict[str, str]:
        registry = er.async_get(self.hass)
        found = {
            key: registry.async_get_entity_id(
                Platform.SENSOR, AXLE, f"{entry_id}_{name}"
            )
            for key, name in AXLE_SENSORS.items()
        }
        if any(entity_id is None for entity_id in found.values()):
            return {}
        return {CONF_AXLE_ENTRY: entry_id} | {
            key: entity_id for key, entity_id in found.items() if entity_id
        }

    def _stored(self) -> dict[str, Any]:
        if self.source != SOURCE_RECONFIGURE:
            return {}
        subentry = self._get_reconfigure_subentry()
        shown = shown_references(self.hass, SOURCE_ENTITIES, subentry.data)
        return {CONF_NAME: subentry.title, **self.present(subentry.data), **shown}


def _entity(*domains: str) -> EntitySelector:
    return EntitySelector(EntitySelectorConfig(domain=list(domains)))
