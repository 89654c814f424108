"""Prices, the imbalance, holidays and the grid's frequency: what a site follows."""

from collections.abc import Mapping
from typing import Any, Final

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.const import Platform
from homeassistant.data_entry_flow import section
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

from ..market.options import (
    CONF_ADDITION,
    CONF_AREA,
    CONF_ATTRIBUTE,
    CONF_ELIA,
    CONF_ELIA_URL,
    CONF_EXPORT,
    CONF_FIXED,
    CONF_FORECAST_ENTITY,
    CONF_FREQUENCY,
    CONF_HOLIDAYS,
    CONF_IMBALANCE,
    CONF_IMPORT,
    CONF_MARKET,
    CONF_MULTIPLIER,
    CONF_PRICE_ENTITY,
    CONF_PRICE_SERVICE,
    CONF_SETTLEMENT,
    CONF_STALE_HOURS,
    MARKET_SCHEMA,
    SETTLEMENTS,
    SIDES,
)
from ..market.price_actions import PROVIDERS
from .fields import Fields, choice, number
from .references import kept_references, shown_references
from .site_checks import Errors
from .topics import TopicFlow

PRICE_DOMAINS: Final = [Platform.SENSOR.value, "input_number", Platform.NUMBER.value]
_OWN: Final = (CONF_HOLIDAYS, CONF_FREQUENCY)
_PARTS: Final = {
    CONF_IMPORT: (CONF_PRICE_ENTITY,),
    CONF_EXPORT: (CONF_PRICE_ENTITY,),
    CONF_IMBALANCE: (CONF_FORECAST_ENTITY,),
}
"""Parts of the form, and the entities in each of them."""


class MarketSteps(TopicFlow):
    """The step that asks what is followed."""

    async def async_step_market(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the source of each price, the imbalance, and what else counts."""
        errors: Errors = {}
        shown = self._shown_market()
        if user_input is not None:
            shown = user_input
            errors = self._market_errors(user_input)
            if not errors:
                kept = self._kept_market(user_input)
                try:
                    return self.finish({CONF_MARKET: MARKET_SCHEMA(kept)})
                except vol.MultipleInvalid as err:
                    errors = {_field(item): "market_impossible" for item in err.errors}
        return self.async_show_form(
            step_id=CONF_MARKET,
            data_schema=self.add_suggested_values_to_schema(
                self._market_schema(), shown
            ),
            errors=errors,
            description_placeholders={"currency": self.hass.config.currency},
        )

    def _shown_market(self) -> dict[str, Any]:
        """Return what is stored, with the entities as they are called now."""
        stored: dict[str, Any] = MARKET_SCHEMA(self.options.get(CONF_MARKET, {}))
        stored[CONF_SETTLEMENT] = str(stored[CONF_SETTLEMENT])
        shown = stored | shown_references(self.hass, _OWN, stored)
        for part, keys in _PARTS.items():
            shown[part] |= shown_references(self.hass, keys, stored[part])
        return shown

    def _kept_market(self, values: Mapping[str, Any]) -> dict[str, Any]:
        kept = {**values, **kept_references(self.hass, _OWN, values)[0]}
        for part, keys in _PARTS.items():
            filled = {
                key: value
                for key, value in values.get(part, {}).items()
                if value not in (None, "")
            }
            kept[part] = filled | kept_references(self.hass, keys, filled)[0]
        return kept

    def _market_errors(self, values: Mapping[str, Any]) -> Errors:
        _, errors = kept_references(self.hass, _OWN, values)
        for part, keys in _PARTS.items():
            inside = values.get(part, {})
            if kept_references(self.hass, keys, inside)[1]:
                errors["base"] = "own_entity"
            sources = (CONF_PRICE_ENTITY, CONF_PRICE_SERVICE, CONF_FIXED)
            if sum(inside.get(key) not in (None, "") for key in sources) > 1:
                errors["base"] = "one_price_source"
        return errors

    def _market_schema(self) -> vol.Schema:
        return vol.Schema(
            {
                **{
                    vol.Required(side): section(
                        vol.Schema(self._price_fields()),
                        {"collapsed": side != CONF_IMPORT},
                    )
                    for side in SIDES
                },
                vol.Required(CONF_IMBALANCE): section(
                    vol.Schema(
                        {
                            vol.Required(CONF_ELIA, default=False): BooleanSelector(),
                            vol.Optional(CONF_FORECAST_ENTITY): _entity(PRICE_DOMAINS),
                            vol.Optional(CONF_ATTRIBUTE): TextSelector(),
                            vol.Required(CONF_STALE_HOURS): number("h"),
                            vol.Required(CONF_ELIA_URL): TextSelector(),
                        }
                    ),
                    {"collapsed": True},
                ),
                vol.Required(CONF_SETTLEMENT): choice(
                    [str(minutes) for minutes in SETTLEMENTS]
                ),
                vol.Optional(CONF_HOLIDAYS): _entity([Platform.CALENDAR.value]),
                vol.Optional(CONF_FREQUENCY): EntitySelector(
                    EntitySelectorConfig(
                        domain=Platform.SENSOR.value, device_class="frequency"
                    )
                ),
            }
        )

    def _price_fields(self) -> Fields:
        services = [
            SelectOptionDict(value=entry.entry_id, label=entry.title)
            for domain in PROVIDERS
            for entry in self.hass.config_entries.async_entries(domain)
        ]
        money = f"{self.hass.config.currency}/kWh"
        return {
            vol.Optional(CONF_PRICE_ENTITY): _entity(PRICE_DOMAINS),
            vol.Optional(CONF_PRICE_SERVICE): SelectSelector(
                SelectSelectorConfig(
                    options=services,
                    mode=SelectSelectorMode.DROPDOWN,
                    custom_value=True,
                )
            ),
            vol.Optional(CONF_FIXED): number(money),
            vol.Required(CONF_MULTIPLIER): number(),
            vol.Required(CONF_ADDITION): number(money),
            vol.Required(CONF_STALE_HOURS): number("h"),
            vol.Optional(CONF_ATTRIBUTE): TextSelector(),
            vol.Optional(CONF_AREA): TextSelector(),
        }


def _entity(domains: list[str]) -> EntitySelector:
    return EntitySelector(EntitySelectorConfig(domain=domains))


def _field(error: vol.Invalid) -> str:
    """Return where a form shows an error: fields of a part count as the whole form."""
    path = [str(item) for item in error.path]
    return path[0] if len(path) == 1 and path[0] not in _PARTS else "base"
