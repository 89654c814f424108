"""The forms of a charger."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final, override

from homeassistant.config_entries import SubentryFlowResult
from homeassistant.const import CONF_NAME
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.selector import (
    BooleanSelector,
    EntitySelector,
    EntitySelectorConfig,
    TextSelector,
)
import voluptuous as vol

from ..const import DOMAIN
from ..entry_data import (
    CONF_MAIN_FUSE,
    CONF_MAX_CURRENT,
    CONF_MIN_CURRENT,
    CONF_PRIORITY,
    CONF_SAFE_CURRENT,
    CONF_SOURCE,
    CONF_SWITCHES_PHASES,
    DEFAULT_MINIMUM_CURRENT,
    ENTITY_KEYS,
    DeviceSource,
    SubentryType,
)
from ..model.asset import Nature
from .asset import AssetFlow
from .fields import (
    Fields,
    flat,
    line_errors,
    line_fields,
    line_values,
    more,
    number,
    priority_field,
    suggested,
)
from .subentry import Errors

MEASURING_SENSORS: Final = (
    "current_l1_entity",
    "current_l2_entity",
    "current_l3_entity",
    "power_entity",
    "energy_entity",
    "state_entity",
)
"""What may measure a charger that balances itself."""


class ChargerFlow(AssetFlow):
    """Adds or changes a charger."""

    kind: ClassVar = SubentryType.CHARGER
    nature: ClassVar = Nature.CHARGER
    sources: ClassVar = (
        DeviceSource.PROFILE,
        DeviceSource.ENTITY,
        DeviceSource.METERED,
    )
    control_domains: ClassVar = ("number", "input_number")

    @override
    async def _async_step_source(self, source: DeviceSource) -> SubentryFlowResult:
        if source is DeviceSource.METERED:
            return await self.async_step_metered()
        return await super()._async_step_source(source)

    async def async_step_metered(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask what measures a charger that balances itself."""
        errors: Errors = {}
        shown = self._shown_entities()
        if user_input is not None:
            shown = flat(user_input)
            if not (errors := self._take_sensors(shown)):
                return await self._async_described()
        sensors = EntitySelectorConfig(domain="sensor")
        fields: Fields = {
            vol.Required(CONF_NAME): TextSelector(),
            **{vol.Optional(key): EntitySelector(sensors) for key in MEASURING_SENSORS},
        }
        return self.async_show_form(
            step_id="metered",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema(fields), suggested(shown)
            ),
            errors=errors,
            last_step=False,
        )

    def _take_sensors(self, values: Mapping[str, Any]) -> Errors:
        """Check the sensors, and keep references that survive a rename."""
        registry = er.async_get(self.hass)
        errors = self._name_errors(values[CONF_NAME])
        data: dict[str, Any] = {CONF_SOURCE: DeviceSource.METERED.value}
        for key in MEASURING_SENSORS:
            if not (entity_id := values.get(key)):
                continue
            registered = registry.async_get(entity_id)
            if registered is not None and registered.platform == DOMAIN:
                errors[key] = "own_entity"
            data[key] = entity_id if registered is None else registered.id
        if not errors:
            for key in ENTITY_KEYS:
                self._data.pop(key, None)
            self._keep(values[CONF_NAME], data)
        return errors

    @override
    def _asset_fields(self) -> Fields:
        return {
            vol.Required(CONF_MAX_CURRENT): number("A"),
            **line_fields(self._grid_type),
            vol.Required(CONF_SAFE_CURRENT, default=0): number("A"),
            **more(
                {
                    vol.Required(
                        CONF_MIN_CURRENT, default=DEFAULT_MINIMUM_CURRENT
                    ): number("A"),
                    vol.Required(
                        CONF_SWITCHES_PHASES, default=False
                    ): BooleanSelector(),
                    **priority_field(),
                }
            ),
        }

    @override
    def _asset_errors(self, values: Mapping[str, Any]) -> Errors:
        errors = line_errors(values, self._grid_type)
        maximum, minimum = values[CONF_MAX_CURRENT], values[CONF_MIN_CURRENT]
        safe = values[CONF_SAFE_CURRENT]
        if minimum < DEFAULT_MINIMUM_CURRENT:
            errors["base"] = "minimum_below_standard"
        if maximum < minimum:
            errors[CONF_MAX_CURRENT] = "maximum_below_minimum"
        elif maximum > self._get_entry().data[CONF_MAIN_FUSE]:
            errors[CONF_MAX_CURRENT] = "above_main_fuse"
        if (
            CONF_MAX_CURRENT not in errors
            and safe != 0
            and not minimum <= safe <= maximum
        ):
            errors[CONF_SAFE_CURRENT] = "safe_current_impossible"
        return errors

    @override
    def _asset_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {
            CONF_MAX_CURRENT: values[CONF_MAX_CURRENT],
            CONF_MIN_CURRENT: values[CONF_MIN_CURRENT],
            CONF_SAFE_CURRENT: values[CONF_SAFE_CURRENT],
            CONF_SWITCHES_PHASES: values.get(CONF_SWITCHES_PHASES, False),
            CONF_PRIORITY: values[CONF_PRIORITY],
            **line_values(values, self._grid_type),
        }
