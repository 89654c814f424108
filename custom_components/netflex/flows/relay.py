"""The forms of a relay module's output that an emergency stop drives."""

from collections.abc import Mapping
from typing import Any, ClassVar, override

from homeassistant.config_entries import SubentryFlowResult
from homeassistant.const import CONF_NAME
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

from ..entry_data import (
    ASSET_TYPES,
    CONF_ASSETS,
    CONF_CONTROL_ENTITY,
    CONF_ENERGISED_WHEN_STOPPED,
    CONF_PARAMS,
    CONF_STOPS,
    DeviceSource,
    SubentryType,
)
from ..entry_output import (
    CONF_BISTABLE,
    CONF_CONTACT,
    CONF_CONTACT_ENTITY,
    CONF_INPUT_STOPS,
    CONF_POWER_UP,
    CONF_WATCHDOG,
    CONTACT_CLOSED,
    CONTACT_OPEN,
    PARAM_CONTACT,
    PARAM_STOP_INPUT,
    output_wiring,
)
from ..model.asset import Direction, EmergencyOutput, Nature
from ..site.config import PowerUp, SafeValue
from ..site.outputs import behaviour, in_words
from .asset import AssetFlow
from .fields import Fields, choice, more
from .subentry import Errors


class RelayFlow(AssetFlow):
    """Adds or changes an emergency output."""

    kind: ClassVar = SubentryType.RELAY
    nature: ClassVar = Nature.RELAY
    sources: ClassVar = (DeviceSource.PROFILE, DeviceSource.ENTITY)
    control_domains: ClassVar = ("switch", "input_boolean")

    @override
    def _entity_schema(self) -> vol.Schema:
        return vol.Schema(
            {
                vol.Required(CONF_NAME): TextSelector(),
                vol.Required(CONF_CONTROL_ENTITY): EntitySelector(
                    EntitySelectorConfig(domain=list(self.control_domains))
                ),
                vol.Optional(CONF_CONTACT_ENTITY): EntitySelector(
                    EntitySelectorConfig(domain=["binary_sensor", "input_boolean"])
                ),
            }
        )

    @override
    def _asset_fields(self) -> Fields:
        assets = [
            SelectOptionDict(value=item.subentry_id, label=item.title)
            for item in self._get_entry().subentries.values()
            if item.subentry_type in ASSET_TYPES
        ]
        return {
            vol.Required(CONF_STOPS, default=[Direction.PRODUCTION.value]): choice(
                [direction.value for direction in Direction],
                "direction",
                multiple=True,
            ),
            vol.Required(CONF_ENERGISED_WHEN_STOPPED, default=True): BooleanSelector(),
            vol.Optional(CONF_ASSETS, default=list): SelectSelector(
                SelectSelectorConfig(
                    options=assets, multiple=True, mode=SelectSelectorMode.LIST
                )
            ),
            **self._input_fields(),
            **more(
                {
                    vol.Required(CONF_BISTABLE, default=False): BooleanSelector(),
                    vol.Required(CONF_POWER_UP, default=PowerUp.OFF.value): choice(
                        [item.value for item in PowerUp], "power_up"
                    ),
                    vol.Required(CONF_WATCHDOG, default=SafeValue.NONE.value): choice(
                        [item.value for item in SafeValue], "watchdog"
                    ),
                }
            ),
        }

    def _input_fields(self) -> Fields:
        """Return what is asked of the inputs that were named with the device."""
        params = self._data.get(CONF_PARAMS, {})
        fields: Fields = {}
        if PARAM_CONTACT in params or self._data.get(CONF_CONTACT_ENTITY):
            fields[vol.Required(CONF_CONTACT, default=CONTACT_CLOSED)] = choice(
                [CONTACT_CLOSED, CONTACT_OPEN], "contact_when_stopped"
            )
        if PARAM_STOP_INPUT in params:
            default = [direction.value for direction in Direction]
            fields[vol.Required(CONF_INPUT_STOPS, default=default)] = choice(
                default, "direction", multiple=True
            )
        return fields

    @override
    def _finish(self) -> SubentryFlowResult:
        """Show what becomes of the output in every situation, before it is stored."""
        return self.async_show_form(
            step_id="behaviour",
            data_schema=vol.Schema({}),
            description_placeholders={
                "name": self._title,
                "table": in_words(
                    behaviour(
                        EmergencyOutput(
                            asset_id="",
                            name=self._title,
                            stops=frozenset(Direction),
                            energised_when_stopped=self._data[
                                CONF_ENERGISED_WHEN_STOPPED
                            ],
                        ),
                        output_wiring(self._data),
                    )
                ),
            },
            last_step=True,
        )

    async def async_step_behaviour(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Store the output once its behaviour was seen."""
        return super()._finish()

    @override
    def _asset_errors(self, values: Mapping[str, Any]) -> Errors:
        errors: Errors = {}
        if not values[CONF_STOPS]:
            errors[CONF_STOPS] = "stops_required"
        if values.get(CONF_INPUT_STOPS) == []:
            errors[CONF_INPUT_STOPS] = "input_stops_required"
        return errors

    @override
    def _asset_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {
            CONF_STOPS: list(values[CONF_STOPS]),
            CONF_ENERGISED_WHEN_STOPPED: values[CONF_ENERGISED_WHEN_STOPPED],
            CONF_ASSETS: list(values.get(CONF_ASSETS, ())),
            CONF_CONTACT: values.get(CONF_CONTACT, CONTACT_CLOSED),
            CONF_INPUT_STOPS: list(values.get(CONF_INPUT_STOPS, ())),
            CONF_BISTABLE: values[CONF_BISTABLE],
            CONF_POWER_UP: values[CONF_POWER_UP],
            CONF_WATCHDOG: values[CONF_WATCHDOG],
        }

    @override
    def _shown_asset(self) -> dict[str, Any]:
        """Leave out assets that were removed since."""
        shown = super()._shown_asset()
        if CONF_ASSETS in shown:
            known = self._get_entry().subentries
            shown[CONF_ASSETS] = [item for item in shown[CONF_ASSETS] if item in known]
        return shown
