"""Inputs that stop the site: contacts that open, or whose wire breaks (S13)."""

from typing import Any, Final

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.const import STATE_OFF, STATE_ON, Platform
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.selector import (
    BooleanSelector,
    EntitySelector,
    EntitySelectorConfig,
)
import voluptuous as vol

from ..const import DOMAIN
from ..model.asset import Direction
from ..telecontrol_options import CONF_LOCAL_STOP_INPUTS, local_stop_inputs
from .site_checks import Errors
from .topics import TopicFlow

CONF_STOP_NOW: Final = "stop_now"
INPUT_DOMAINS: Final = [Platform.BINARY_SENSOR.value, "input_boolean"]
OPEN: Final = "inputs_open"


class LocalStopSteps(TopicFlow):
    """The step that chooses the inputs."""

    async def async_step_local_stops(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the inputs of each direction, normally closed."""
        errors: Errors = {}
        details: dict[str, str] = {}
        shown = self._shown_inputs()
        if user_input is not None:
            stop_now = user_input.get(CONF_STOP_NOW, False)
            known = {entity for entities in shown.values() for entity in entities}
            shown = {
                direction.value: list(dict.fromkeys(user_input[direction.value]))
                for direction in Direction
            }
            errors, details = self._input_errors(shown, known, stop_now=stop_now)
            if not errors:
                return self.finish({CONF_LOCAL_STOP_INPUTS: self._references(shown)})
        return self.async_show_form(
            step_id="local_stops",
            data_schema=self.add_suggested_values_to_schema(
                _schema(ask_to_stop=OPEN in errors.values()), shown
            ),
            errors=errors,
            description_placeholders=details,
        )

    def _shown_inputs(self) -> dict[str, list[str]]:
        """Return the stored inputs as the entity ids of now."""
        registry = er.async_get(self.hass)
        inputs = local_stop_inputs(self.options)
        return {
            direction.value: [
                er.async_resolve_entity_id(registry, reference) or reference
                for reference in inputs.of(direction)
            ]
            for direction in Direction
        }

    def _references(self, shown: dict[str, list[str]]) -> dict[str, list[str]]:
        """Return the inputs by what survives a rename."""
        registry = er.async_get(self.hass)
        return {
            direction: [
                entity_id
                if (found := registry.async_get(entity_id)) is None
                else found.id
                for entity_id in entities
            ]
            for direction, entities in shown.items()
        }

    def _input_errors(
        self, shown: dict[str, list[str]], known: set[str], *, stop_now: bool
    ) -> tuple[Errors, dict[str, str]]:
        """Return what is wrong; an input that is chosen already may be away."""
        registry = er.async_get(self.hass)
        errors: Errors = {}
        opened: list[str] = []
        silent: list[str] = []
        for direction, entities in shown.items():
            for entity_id in entities:
                found = registry.async_get(entity_id)
                if found is not None and found.platform == DOMAIN:
                    errors[direction] = "own_input"
                state = self.hass.states.get(entity_id)
                if state is not None and state.state == STATE_OFF:
                    opened.append(entity_id)
                elif (state is None or state.state != STATE_ON) and (
                    entity_id not in known
                ):
                    silent.append(entity_id)
                    errors.setdefault(direction, "input_silent")
        new = [entity_id for entity_id in opened if entity_id not in known]
        if not errors and new and not stop_now:
            errors["base"] = OPEN
        return errors, {"silent": ", ".join(silent), "open": ", ".join(new)}


def _schema(*, ask_to_stop: bool) -> vol.Schema:
    """Return the form; `ask_to_stop` adds the checkbox for inputs that are open now."""
    fields: dict[vol.Marker, Any] = {
        vol.Optional(direction.value, default=list): EntitySelector(
            EntitySelectorConfig(domain=INPUT_DOMAINS, multiple=True)
        )
        for direction in Direction
    }
    if ask_to_stop:
        fields[vol.Required(CONF_STOP_NOW, default=False)] = BooleanSelector()
    return vol.Schema(fields)
