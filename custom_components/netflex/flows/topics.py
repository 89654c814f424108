"""What the steps of all options share: the draft, and how it is kept."""

from collections.abc import Mapping
from typing import Any

from homeassistant.config_entries import (
    ConfigFlowContext,
    ConfigFlowResult,
    OptionsFlow,
)

from ..telecontrol.settings import TelecontrolSettings
from ..telecontrol_options import telecontrol_settings
from .spoken import SpokenFlow


class TopicFlow(SpokenFlow[ConfigFlowContext, ConfigFlowResult, str], OptionsFlow):
    """Steps that change one topic of the options."""

    def __init__(self) -> None:
        """Know no options yet; the first step reads them."""
        self.options: dict[str, Any] = {}

    def settings(self, changes: Mapping[str, Any] | None = None) -> TelecontrolSettings:
        """Return what the station would run with; OptionsError where it would not."""
        return telecontrol_settings({**self.options, **(changes or {})})

    def finish(self, changes: Mapping[str, Any]) -> ConfigFlowResult:
        """Keep the options with these topics changed; None goes back to defaults."""
        options = {**self.options, **changes}
        return self.async_create_entry(
            data={key: value for key, value in options.items() if value is not None}
        )
