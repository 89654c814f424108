"""Whether readings are kept in the house, for how long and how many."""

from typing import Any, Final

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.helpers.selector import BooleanSelector
import voluptuous as vol

from ..readings_options import (
    CONF_DAYS,
    CONF_KEEP,
    CONF_MEGABYTES,
    CONF_READINGS,
    READINGS_SCHEMA,
)
from .fields import number, whole_number
from .site_checks import Errors
from .topics import TopicFlow

READINGS_FORM: Final = vol.Schema(
    {
        vol.Required(CONF_KEEP): BooleanSelector(),
        vol.Required(CONF_DAYS): whole_number(),
        vol.Required(CONF_MEGABYTES): number("MB"),
    }
)


class ReadingSteps(TopicFlow):
    """The step that asks for the readings."""

    async def async_step_readings(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask whether to keep them, for how long, and how large the file may be."""
        errors: Errors = {}
        shown = READINGS_SCHEMA(self.options.get(CONF_READINGS, {CONF_KEEP: False}))
        if user_input is not None:
            shown = user_input
            try:
                return self.finish({CONF_READINGS: READINGS_SCHEMA(user_input)})
            except vol.MultipleInvalid as err:
                errors = {
                    str(item.path[0]): "readings_out_of_range" for item in err.errors
                }
        return self.async_show_form(
            step_id=CONF_READINGS,
            data_schema=self.add_suggested_values_to_schema(READINGS_FORM, shown),
            errors=errors,
        )
