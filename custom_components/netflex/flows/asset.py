"""The steps that the forms of assets share, beyond those of all subentries.

An asset may also be reached through entities of another integration, and the decision
must know what it is: its rating, its phases, its place in the order.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, override

from homeassistant.config_entries import SubentryFlowResult
from homeassistant.const import CONF_NAME
from homeassistant.helpers.selector import (
    EntitySelector,
    EntitySelectorConfig,
    TextSelector,
)
import voluptuous as vol

from ..devices.device import DeviceConfig
from ..devices.levers import LEVER_PARAMS, OPTIONS, TEMPERATURES
from ..entry_data import (
    CONF_CONTROL_ENTITY,
    CONF_GRID_TYPE,
    CONF_PHASES,
    CONF_SOURCE,
    ENTITY_KEYS,
    DeviceSource,
)
from ..entry_device import entity_roles, lever_params
from ..model.asset import Asset, Category, Nature
from ..model.connection import GridType
from .fields import Fields, flat, more, number, suggested
from .references import kept_references, shown_references
from .subentry import Errors, SubentryFlow


class AssetFlow(SubentryFlow):
    """Steps through the forms of one kind of asset."""

    control_domains: ClassVar[tuple[str, ...]] = ()
    """Domains of the entities that may be driven."""
    measuring_sensors: ClassVar[tuple[str, ...]] = ()
    """What may measure a device that no setpoint reaches."""

    @override
    async def _async_step_source(self, source: DeviceSource) -> SubentryFlowResult:
        if source is DeviceSource.ENTITY:
            return await self.async_step_entity()
        if source is DeviceSource.METERED:
            return await self.async_step_metered()
        return await super()._async_step_source(source)

    # ---------------------------------------------------------------- through entities

    async def async_step_entity(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the entities that stand for the device, and look at them."""
        errors: Errors = {}
        details: dict[str, str] = {}
        shown = self._shown_entities()
        if user_input is not None:
            shown = flat(user_input)
            errors, details = await self._async_take_entities(shown)
            if not errors:
                return await self._async_described()
        return self.async_show_form(
            step_id="entity",
            data_schema=self.add_suggested_values_to_schema(
                self._entity_schema(), suggested(shown)
            ),
            errors=errors,
            description_placeholders={"detail": "", **details},
            last_step=False,
        )

    def _entity_schema(self) -> vol.Schema:
        sensor = EntitySelectorConfig(domain="sensor")
        fields: Fields = {
            vol.Required(CONF_NAME): TextSelector(),
            vol.Required(CONF_CONTROL_ENTITY): EntitySelector(
                EntitySelectorConfig(domain=list(self.control_domains))
            ),
            vol.Optional("power_entity"): EntitySelector(
                EntitySelectorConfig(domain="sensor", device_class="power")
            ),
        }
        rare: Fields = {
            vol.Optional("current_l1_entity"): EntitySelector(sensor),
            vol.Optional("current_l2_entity"): EntitySelector(sensor),
            vol.Optional("current_l3_entity"): EntitySelector(sensor),
            vol.Optional("energy_entity"): EntitySelector(sensor),
        }
        if self.nature is Nature.BATTERY:
            fields[vol.Required("soc_entity")] = EntitySelector(
                EntitySelectorConfig(domain="sensor", device_class="battery")
            )
        if self.nature is Nature.LOAD:
            rare[vol.Optional("temperature_entity")] = EntitySelector(
                EntitySelectorConfig(domain="sensor", device_class="temperature")
            )
            rare[vol.Optional("local_on_entity")] = EntitySelector(
                EntitySelectorConfig(domain=["binary_sensor", "input_boolean"])
            )
            rare |= {
                vol.Optional("second_contact_entity"): EntitySelector(
                    EntitySelectorConfig(domain=["switch", "input_boolean"])
                ),
                **{vol.Optional(key): TextSelector() for key in OPTIONS},
                **{vol.Optional(key): number("°") for key in TEMPERATURES},
            }
        else:
            rare[vol.Optional("enable_entity")] = EntitySelector(
                EntitySelectorConfig(domain=["switch", "input_boolean"])
            )
        return vol.Schema({**fields, **more(rare)})

    def _shown_entities(self) -> dict[str, Any]:
        """Return the stored references as the entity ids of now."""
        if not self._data:
            return {}
        return {
            CONF_NAME: self._title,
            **lever_params(self._data),
            **shown_references(self.hass, ENTITY_KEYS, self._data),
        }

    async def _async_take_entities(
        self, values: dict[str, Any]
    ) -> tuple[Errors, dict[str, str]]:
        """Check the form's entities, and keep references that survive a rename."""
        kept, errors = kept_references(self.hass, ENTITY_KEYS, values)
        errors = self._name_errors(values[CONF_NAME]) | errors
        data = {
            CONF_SOURCE: DeviceSource.ENTITY.value,
            **kept,
            **lever_params(values),
        }
        if any(
            item.data.get(CONF_CONTROL_ENTITY) == data[CONF_CONTROL_ENTITY]
            for item in self._others()
        ):
            errors[CONF_CONTROL_ENTITY] = "already_configured"
        if errors:
            return errors, {}
        _, error, detail = await self._async_test(
            DeviceConfig(
                device_id="test",
                name=values[CONF_NAME],
                asset=self._asset_for_test(),
                entities=entity_roles(data, self.kind),
                params=lever_params(data),
            ),
        )
        if error is not None:
            return {"base": error}, {"detail": detail}
        for key in (*ENTITY_KEYS, *LEVER_PARAMS):
            self._data.pop(key, None)
        self._unique_id = None
        self._keep(values[CONF_NAME], data)
        return {}, {}

    # ----------------------------------------------------------------- only measured

    async def async_step_metered(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask what measures a device that no setpoint reaches."""
        errors: Errors = {}
        shown = self._shown_entities()
        if user_input is not None:
            shown = flat(user_input)
            if not (errors := self._take_sensors(shown)):
                return await self._async_described()
        sensors = EntitySelectorConfig(domain="sensor")
        fields: Fields = {
            vol.Required(CONF_NAME): TextSelector(),
            **{
                vol.Optional(key): EntitySelector(sensors)
                for key in self.measuring_sensors
            },
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
        kept, errors = kept_references(self.hass, self.measuring_sensors, values)
        errors = self._name_errors(values[CONF_NAME]) | errors
        if not errors:
            for key in ENTITY_KEYS:
                self._data.pop(key, None)
            data = {CONF_SOURCE: DeviceSource.METERED.value, **kept}
            self._keep(values[CONF_NAME], data)
        return errors

    # ----------------------------------------------------------------- the asset itself

    async def async_step_asset(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for what the decision must know of the asset."""
        errors: Errors = {}
        shown = self._shown_asset()
        if user_input is not None:
            shown = flat(user_input)
            if not (errors := self._asset_errors(shown)):
                self._data |= self._asset_values(shown)
                return self._finish()
        return self.async_show_form(
            step_id="asset",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema(self._asset_fields()), suggested(shown)
            ),
            errors=errors,
            description_placeholders={"name": self._title},
            last_step=True,
        )

    @abstractmethod
    def _asset_fields(self) -> Fields:
        """Return the fields of the asset's form; none: there is no such form."""

    @abstractmethod
    def _asset_errors(self, values: Mapping[str, Any]) -> Errors:
        """Return what is wrong with the asset's form."""

    @abstractmethod
    def _asset_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the asset's form as it is stored."""

    def _shown_asset(self) -> dict[str, Any]:
        """Return what is stored, in the form's words."""
        shown = dict(self._data)
        if CONF_PHASES in shown:
            shown[CONF_PHASES] = str(shown[CONF_PHASES])
        return shown

    @override
    async def _async_described(self) -> SubentryFlowResult:
        return await self.async_step_asset()

    @override
    def _asset_for_test(self) -> Asset:
        """Return an asset of the right nature; a test looks at nothing else of it."""
        return Asset(
            id="test",
            name="test",
            nature=self.nature,
            category=Category.FLEXIBLE_CONSUMPTION,
        )

    @property
    def _grid_type(self) -> GridType:
        return GridType(self._get_entry().data[CONF_GRID_TYPE])
