"""What describes the house to those who look after it."""

from typing import Any, Final

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.helpers.selector import TextSelector, TextSelectorConfig
import voluptuous as vol

from ..metadata_options import (
    CONF_METADATA,
    LONG_TEXTS,
    METADATA_SCHEMA,
    NUMBERS,
    TEXTS,
)
from .fields import number
from .site_checks import Errors
from .topics import TopicFlow

METADATA_FORM: Final = vol.Schema(
    {
        **{
            vol.Optional(key): TextSelector(
                TextSelectorConfig(multiline=key in LONG_TEXTS)
            )
            for key in TEXTS
        },
        **{vol.Optional(key): number(unit) for key, unit in NUMBERS.items()},
    }
)


class MetadataSteps(TopicFlow):
    """The step that asks for the description of the house."""

    async def async_step_metadata(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for all of it; nothing is needed."""
        errors: Errors = {}
        shown = self.options.get(CONF_METADATA, {})
        if user_input is not None:
            shown = user_input
            try:
                return self.finish({CONF_METADATA: METADATA_SCHEMA(user_input)})
            except vol.MultipleInvalid as err:
                errors = {
                    str(item.path[0]): "metadata_out_of_range" for item in err.errors
                }
        return self.async_show_form(
            step_id=CONF_METADATA,
            data_schema=self.add_suggested_values_to_schema(METADATA_FORM, shown),
            errors=errors,
        )
