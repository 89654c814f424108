"""How the grid operator's limits are held, and what follows if they are not."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.helpers.selector import BooleanSelector
import voluptuous as vol

from ..model.snapshot import Sharing
from ..site_options import (
    CONF_BAND,
    CONF_CALM,
    CONF_DEADLINE,
    CONF_HOLD_CONTRACT,
    CONF_LIMITS,
    CONF_MARGIN,
    CONF_RAMP,
    CONF_REBOUND,
    CONF_RELAY_ALLOWED,
    CONF_RELAY_BACK,
    CONF_SAFE_DELAY,
    CONF_SAMPLES,
    CONF_SHARING,
    CONF_TOLERANCE,
    STEPS,
    shown_rules,
    site_rules,
)
from .fields import (
    SECTION_ESCALATION,
    choice,
    flat,
    number,
    part,
    suggested,
    whole_number,
)
from .site_checks import Errors
from .topics import TopicFlow

LIMITS_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_HOLD_CONTRACT): BooleanSelector(),
        vol.Required(CONF_SHARING): choice(
            [item.value for item in Sharing], "asset_sharing"
        ),
        vol.Required(CONF_MARGIN): number("%"),
        vol.Required(CONF_RAMP): number("W/s"),
        vol.Required(CONF_SAFE_DELAY): number("s"),
        vol.Required(CONF_REBOUND): number("W/min"),
        vol.Required(CONF_DEADLINE): number("s"),
        vol.Required(CONF_TOLERANCE): number("%"),
        vol.Required(CONF_BAND): number("W"),
        vol.Required(CONF_SAMPLES): whole_number(),
        **part(
            SECTION_ESCALATION,
            {
                vol.Required(CONF_RELAY_ALLOWED): BooleanSelector(),
                **{vol.Required(step): number("s") for step in STEPS},
                vol.Required(CONF_CALM): number("s"),
                vol.Required(CONF_RELAY_BACK): number("s"),
            },
        ),
    }
)

_MOST: Final = {CONF_MARGIN: 50.0, CONF_TOLERANCE: 100.0}


class LimitSteps(TopicFlow):
    """The step that asks how limits are held."""

    async def async_step_limits(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for sharing, margins, deadlines and what follows."""
        errors: Errors = {}
        shown = shown_rules(site_rules(self.options.get(CONF_LIMITS, {})))
        if user_input is not None:
            shown = flat(user_input)
            errors = _errors(shown)
            if not errors:
                return self.finish({CONF_LIMITS: shown})
        return self.async_show_form(
            step_id=CONF_LIMITS,
            data_schema=self.add_suggested_values_to_schema(
                LIMITS_SCHEMA, suggested(shown)
            ),
            errors=errors,
        )


def _errors(values: Mapping[str, Any]) -> Errors:
    """Return what is wrong; fields of the collapsed part count as base."""
    errors: Errors = {}
    steps = {*STEPS, CONF_CALM, CONF_RELAY_BACK}
    for key, value in values.items():
        if isinstance(value, str | bool):
            continue
        if value < 0 or value > _MOST.get(key, value):
            errors["base" if key in steps else key] = "limit_out_of_range"
    if values[CONF_SAMPLES] < 2:
        errors[CONF_SAMPLES] = "samples_too_few"
    taken = [values[step] for step in STEPS if values[step]]
    if not errors and any(later < earlier for earlier, later in pairwise(taken)):
        errors["base"] = "steps_out_of_order"
    return errors
