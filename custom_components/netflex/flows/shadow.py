"""Shadow: the site decides and shows its plan, and writes nothing (S07)."""

from typing import Any

from homeassistant.config_entries import ConfigEntryState, ConfigFlowResult
from homeassistant.helpers.selector import BooleanSelector
import voluptuous as vol

from ..coordinator import NetflexConfigEntry
from ..entry_site import admits_operator
from ..telecontrol.rehearsal_orders import binds
from ..telecontrol_options import CONF_SHADOW
from .site_checks import Errors
from .topics import TopicFlow

SHADOW_SCHEMA = vol.Schema(
    {vol.Required(CONF_SHADOW, default=False): BooleanSelector()}
)


class ShadowSteps(TopicFlow):
    """The step that turns shadow on and off."""

    async def async_step_shadow(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask whether the site shall only decide."""
        errors: Errors = {}
        shown = {CONF_SHADOW: bool(self.options.get(CONF_SHADOW, False))}
        if user_input is not None:
            shown = user_input
            if user_input[CONF_SHADOW] and (error := self._shadow_error()) is not None:
                errors[CONF_SHADOW] = error
            if not errors:
                return self.finish({CONF_SHADOW: True if shown[CONF_SHADOW] else None})
        return self.async_show_form(
            step_id=CONF_SHADOW,
            data_schema=self.add_suggested_values_to_schema(SHADOW_SCHEMA, shown),
            errors=errors,
        )

    def _shadow_error(self) -> str | None:
        """Return why the site has to carry out what it decides."""
        entry: NetflexConfigEntry = self.config_entry
        if admits_operator(entry.data):
            return "shadow_with_client"
        if entry.state is ConfigEntryState.LOADED and binds(
            entry.runtime_data.coordinator.data.orders
        ):
            return "shadow_with_orders"
        return None
