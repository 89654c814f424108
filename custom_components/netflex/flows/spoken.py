"""Forms that say what the core says in Home Assistant's language."""

from collections.abc import Mapping
from typing import Any, override

from homeassistant.core import callback
from homeassistant.data_entry_flow import FlowContext, FlowHandler, FlowResult

from ..words import words_of


class SpokenFlow[
    ContextT: FlowContext,
    ResultT: FlowResult[Any, Any],
    HandlerT,
](FlowHandler[ContextT, ResultT, HandlerT]):
    """A flow whose forms put phrases among their figures into words."""

    @callback
    @override
    def async_show_form(
        self, *, description_placeholders: Mapping[str, str] | None = None, **form: Any
    ) -> ResultT:
        """Show a form; see `FlowHandler`."""
        return super().async_show_form(
            description_placeholders=words_of(self.hass).say_all(
                description_placeholders
            ),
            **form,
        )
