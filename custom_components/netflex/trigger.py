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
from .model.plan import Compliance, ComplianceState, Plan
from .site.view import SiteView
from .site_signals import async_on_order, async_on_view

CONF_ORDERS: Final = "orders"
CONF_ACCEPTED_ONLY: Final = "accepted_only"
CONF_DIRECTION: Final = "direction"
CONF_CHANGE: Final = "change"
ANY: Final = "any"
STARTED, ENDED = "started", "ended"
CONNECTED, LOST = "connected", "lost"
NOT_KEPT, KEPT_AGAIN = "not_kept", "kept_again"
_BROKEN: Final = frozenset({ComplianceState.VIOLATED, ComplianceState.INFEASIBLE})


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
        for direction in Direction:
            stopped = is_stopped(after, direction)
            wanted = self._options[CONF_DIRECTION] in {ANY, direction}
            if wanted and stopped is not is_stopped(before, direction):
                change = STARTED if stopped else ENDED
                yield (
                    {"direction": direction.value, "change": change},
                    f"stop of {direction.value} {change}",
                )


class LinkChanged(_ChangeTrigger):
    """Fires when the operator's link comes up or is lost."""

    schema = site_schema(
        {vol.Optional(CONF_CHANGE, default=ANY): vol.In([ANY, CONNECTED, LOST])}
    )

    @override
    def _changes(
        self, before: SiteView, after: SiteView
    ) -> Iterator[tuple[dict[str, Any], str]]:
        link = after.link
        if link.connected is not before.link.connected:
            change = CONNECTED if link.connected else LOST
            yield (
                {
                    "change": change,
                    "client": link.client,
                    "reason": link.last_close_reason,
                },
                f"grid operator's link {change}",
            )


class ComplianceChanged(_ChangeTrigger):
    """Fires when a limit of the operator is not kept, or is kept again."""

    schema = site_schema(
        {vol.Optional(CONF_CHANGE, default=ANY): vol.In([ANY, NOT_KEPT, KEPT_AGAIN])}
    )

    @override
    def _changes(
        self, before: SiteView, after: SiteView
    ) -> Iterator[tuple[dict[str, Any], str]]:
        if before.plan is None or after.plan is None:
            return
        earlier, now = _broken(before.plan), _broken(after.plan)
        kept = {item.name: item for item in after.plan.compliance}
        for name in now.keys() - earlier.keys():
            yield _compliance(now[name], NOT_KEPT)
        for name in earlier.keys() - now.keys():
            item = kept.get(name)
            if item is not None and item.state is ComplianceState.INSIDE:
                yield _compliance(item, KEPT_AGAIN)


def _compliance(item: Compliance, change: str) -> tuple[dict[str, Any], str]:
    variables = {
        "change": change,
        "order": item.name,
        "limit": item.limit.value,
        "measured": item.measured,
        "state": item.state.value,
    }
    return variables, f"{item.name} {change}"


def is_stopped(view: SiteView, direction: Direction) -> bool:
    """Whether an order or a local stop holds a direction."""
    return view.orders.stopped(direction) or view.local_stops.stopped(direction)


def _broken(plan: Plan) -> dict[str, Compliance]:
    return {item.name: item for item in plan.compliance if item.state in _BROKEN}


TRIGGERS: Final[dict[str, type[Trigger]]] = {
    "order_received": OrderReceived,
    "stop_changed": StopChanged,
    "link_changed": LinkChanged,
    "compliance_changed": ComplianceChanged,
}


async def async_get_triggers(hass: HomeAssistant) -> dict[str, type[Trigger]]:
    """Return the triggers of a site."""
    return TRIGGERS
