"""Protection beyond the main fuse, and what happens without the grid."""

from typing import Any, Final

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.const import Platform
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.selector import (
    BooleanSelector,
    EntitySelector,
    EntitySelectorConfig,
)
import voluptuous as vol

from ..const import DOMAIN
from ..entry_data import CONF_GRID_TYPE, CONF_MAIN_FUSE
from ..model.connection import GridType
from ..model.protection import ReactiveScope
from ..protection_options import (
    CONF_CHARGE_ON_ISLAND,
    CONF_CURVE,
    CONF_ISLAND_INPUT,
    CONF_NEUTRAL,
    CONF_PROTECTION,
    CONF_REACTIVE_SCOPE,
    CONF_STOP_ON_ISLAND,
    CONF_UNBALANCE,
    CURVES,
    island_input,
    shown_protection,
)
from .fields import Fields, choice, number, suggested
from .site_checks import Errors
from .topics import TopicFlow

INPUT_DOMAINS: Final = [Platform.BINARY_SENSOR.value, "input_boolean"]


class ProtectionSteps(TopicFlow):
    """The step that asks for protection and back-up operation."""

    async def async_step_protection(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for unbalance, neutral, trip model, islanding and reactive scope."""
        errors: Errors = {}
        registry = er.async_get(self.hass)
        stored = self.options.get(CONF_PROTECTION, {})
        shown = shown_protection(stored)
        if (reference := island_input(stored)) is not None:
            shown[CONF_ISLAND_INPUT] = (
                er.async_resolve_entity_id(registry, reference) or reference
            )
        if user_input is not None:
            shown = user_input
            errors = self._protection_errors(shown)
            if not errors:
                return self.finish({CONF_PROTECTION: self._kept(shown)})
        return self.async_show_form(
            step_id=CONF_PROTECTION,
            data_schema=self.add_suggested_values_to_schema(
                self._protection_schema(), suggested(shown)
            ),
            errors=errors,
        )

    def _protection_schema(self) -> vol.Schema:
        fields: Fields = {
            vol.Required(CONF_CURVE): choice(list(CURVES), CONF_CURVE),
        }
        if self.config_entry.data[CONF_GRID_TYPE] == GridType.STAR:
            fields |= {
                vol.Required(CONF_UNBALANCE): number("A"),
                vol.Required(CONF_NEUTRAL): number("A"),
            }
        return vol.Schema(
            {
                **fields,
                vol.Optional(CONF_ISLAND_INPUT): EntitySelector(
                    EntitySelectorConfig(domain=INPUT_DOMAINS)
                ),
                vol.Required(CONF_STOP_ON_ISLAND): BooleanSelector(),
                vol.Required(CONF_CHARGE_ON_ISLAND): BooleanSelector(),
                vol.Required(CONF_REACTIVE_SCOPE): choice(
                    [scope.value for scope in ReactiveScope], CONF_REACTIVE_SCOPE
                ),
            }
        )

    def _protection_errors(self, values: dict[str, Any]) -> Errors:
        errors: Errors = {}
        fuse = self.config_entry.data[CONF_MAIN_FUSE]
        for key in (CONF_UNBALANCE, CONF_NEUTRAL):
            if not 0 <= values.get(key, 0) <= fuse:
                errors[key] = "not_within_fuse"
        if entity_id := values.get(CONF_ISLAND_INPUT):
            found = er.async_get(self.hass).async_get(entity_id)
            if found is not None and found.platform == DOMAIN:
                errors[CONF_ISLAND_INPUT] = "own_input"
        return errors

    def _kept(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the form as it is stored; the input by what survives a rename."""
        kept = dict(values)
        if entity_id := values.get(CONF_ISLAND_INPUT):
            found = er.async_get(self.hass).async_get(entity_id)
            kept[CONF_ISLAND_INPUT] = entity_id if found is None else found.id
        return kept
