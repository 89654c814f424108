"""Triggers: what the grid operator does, as the start of an automation."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast, override

from homeassistant.const import ATTR_CONFIG_ENTRY_ID, CONF_OPTIONS
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.trigger import (
    Trigger,
    TriggerActionRunner,
    TriggerConfig,
    TriggerNotTriggeredReporter,
)
from homeassistant.helpers.typing import ConfigType
import voluptuous as vol

from .model.asset import Direction
from .model.orders import OrderEvent, OrderName
from .site.view import SiteView
from .site_changes import (
    CONNECTED,
    ENDED,
    KEPT_AGAIN,
    LOST,
    NOT_KEPT,
    STARTED,
    compliance_changes,
    link_changes,
    stop_changes,
)
from .site_signals import async_on_order, async_on_view

CONF_ORDERS: Final = "orders"
CONF_ACCEPTED_ONLY: Final = "accepted_only"
CONF_DIRECTION: Final = "direction"
CONF_CHANGE: Final = "change"
ANY: Final = "any"


def site_schema(options: Mapping[Any, Any]) -> vol.Schema:
    """Return the form of a trigger or condition of one site, with its options."""
    return vol.Schema(
        {
            vol.Required(CONF_OPTIONS): {
                vol.Required(ATTR_CONFIG_ENTRY_ID): cv.string,
                **options,
            }
        }
    )


class _SiteTrigger(Trigger):
    """A trigger of one site."""

    schema: vol.Schema

    @override
    @classmethod
    async def async_validate_config(
        cls, hass: HomeAssistant, config: ConfigType
    ) -> ConfigType:
        return cast(ConfigType, cls.schema(config))

    def __init__(self, hass: HomeAssistant, config: TriggerConfig) -> None:
        super().__init__(hass, config)
        self._options: Mapping[str, Any] = config.options or {}
        self._site: str = self._options[ATTR_CONFIG_ENTRY_ID]


class OrderReceived(_SiteTrigger):
    """Fires with every order that arrives."""

    schema = site_schema(
        {
            vol.Optional(CONF_ORDERS, default=list): vol.All(
                cv.ensure_list, [vol.In([name.value for name in OrderName])]
            ),
            vol.Optional(CONF_ACCEPTED_ONLY, default=True): cv.boolean,
        }
    )

    @override
    async def async_attach_runner(
        self,
        run_action: TriggerActionRunner,
        did_not_trigger: TriggerNotTriggeredReporter | None = None,
    ) -> CALLBACK_TYPE:
        @callback
        def take(event: OrderEvent) -> None:
            orders = self._options[CONF_ORDERS]
            if orders and event.name.value not in orders:
                return
            if self._options[CONF_ACCEPTED_ONLY] and not event.accepted:
                return
            run_action(
                {
                    "order": event.name.value,
                    "value": event.value,
                    "accepted": event.accepted,
                    "relaxes": event.relaxes,
                    "source": event.source.value,
                    "reason": event.reason,
                    "ordered_at": event.at.isoformat(),
                },
                f"order {event.name.value} received",
            )

        return async_on_order(self._hass, self._site, take)


class _ChangeTrigger(_SiteTrigger):
    """A trigger of what differs between two views."""

    @abstractmethod
    def _changes(
        self, before: SiteView, after: SiteView
    ) -> Iterator[tuple[dict[str, Any], str]]:
        """Yield the variables of each change and its description."""

    @override
    async def async_attach_runner(
        self,
        run_action: TriggerActionRunner,
        did_not_trigger: TriggerNotTriggeredReporter | None = None,
    ) -> CALLBACK_TYPE:
        @callback
        def take(before: SiteView, after: SiteView) -> None:
            for variables, description in self._changes(before, after):
                if self._options[CONF_CHANGE] in {ANY, variables["change"]}:
                    run_action(variables, description)

        return async_on_view(self._hass, self._site, take)


class StopChanged(_ChangeTrigger):
    """Fires when an emergency stop, whoever gave it, begins or ends."""

    schema = site_schema(
        {
            vol.Optional(CONF_DIRECTION, default=ANY): vol.In([ANY, *Direction]),
            vol.Optional(CONF_CHANGE, default=ANY): vol.In([ANY, STARTED, ENDED]),
        }
    )

    @override
    def _changes(
        self, before: SiteView, after: SiteView
    ) -> Iterator[tuple[dict[str, Any], str]]:
        for item in stop_changes(before, after):
            if self._options[CONF_DIRECTION] in {ANY, item["direction"]}:
                yield item, f"stop of {item['direction']} {item['change']}"


class LinkChanged(_ChangeTrigger):
    """Fires when the operator's link comes up or is lost."""

    schema = site_schema(
        {vol.Optional(CONF_CHANGE, default=ANY): vol.In([ANY, CONNECTED, LOST])}
    )

    @override
    def _changes(
        self, before: SiteView, after: SiteView
    ) -> Iterator[tuple[dict[str, Any], str]]:
        for item in link_changes(before, after):
            yield item, f"grid operator's link {item['change']}"


class ComplianceChanged(_ChangeTrigger):
    """Fires when a limit of the operator is not kept, or is kept again."""

    schema = site_schema(
        {vol.Optional(CONF_CHANGE, default=ANY): vol.In([ANY, NOT_KEPT, KEPT_AGAIN])}
    )

    @override
    def _changes(
        self, before: SiteView, after: SiteView
    ) -> Iterator[tuple[dict[str, Any], str]]:
        for item in compliance_changes(before, after):
            yield item, f"{item['order']} {item['change']}"


TRIGGERS: Final[dict[str, type[Trigger]]] = {
    "order_received": OrderReceived,
    "stop_changed": StopChanged,
    "link_changed": LinkChanged,
    "compliance_changed": ComplianceChanged,
}


async def async_get_triggers(hass: HomeAssistant) -> dict[str, type[Trigger]]:
    """Return the triggers of a site."""
    return TRIGGERS
