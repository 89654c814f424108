"""Tells what happens at a site in Home Assistant's activity, as sentences."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from homeassistant.components.logbook.const import (
    LOGBOOK_ENTRY_MESSAGE,
    LOGBOOK_ENTRY_NAME,
)
from homeassistant.const import ATTR_NAME
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers.translation import async_get_cached_translations

from .activity import (
    ATTR_KIND,
    COMPLIANCE,
    EVENT_ACTIVITY,
    HOLD,
    LINK,
    ORDER,
    STOP,
    VETO,
)
from .const import DOMAIN
from .model.asset import Direction
from .model.orders import POWER_LIMIT_ORDERS, OrderSource, QMode
from .model.phrase import Phrase
from .site_changes import CONNECTED, NOT_KEPT, STARTED
from .words import words_of

type Facts = Mapping[str, Any]

_ORDER_NAME: Final = (
    f"component.{DOMAIN}.entity.event.grid_order"
    ".state_attributes.event_type.state.{order}"
)
_ON: Final = Phrase("activity_on", "on")
_OFF: Final = Phrase("activity_off", "off")
_Q_MODES: Final[Mapping[str, str]] = {
    QMode.LOCAL: Phrase("activity_local", "local"),
    QMode.REMOTE: Phrase("activity_remote", "remote"),
}


@callback
def async_describe_events(
    hass: HomeAssistant,
    async_describe_event: Callable[[str, str, Callable[[Event], dict[str, str]]], None],
) -> None:
    """Say what the events of a site mean."""

    @callback
    def describe(event: Event) -> dict[str, str]:
        facts = event.data
        say = words_of(hass).say
        return {
            LOGBOOK_ENTRY_NAME: facts[ATTR_NAME],
            LOGBOOK_ENTRY_MESSAGE: say(_SENTENCES[facts[ATTR_KIND]](hass, facts)),
        }

    async_describe_event(DOMAIN, EVENT_ACTIVITY, describe)


def _order(hass: HomeAssistant, facts: Facts) -> str:
    order, value = _order_name(hass, facts["order"]), _value(facts)
    if not facts["accepted"]:
        return Phrase(
            "activity_refused",
            "refused an order, {order} {value}: {reason}",
            order=order,
            value=value,
            reason=facts["reason"] or "–",
        )
    match facts["source"]:
        case OrderSource.RESTORED:
            return Phrase(
                "activity_restored",
                "went on with an order from before the start: {order} {value}",
                order=order,
                value=value,
            )
        case OrderSource.FALLBACK:
            return Phrase(
                "activity_fallback",
                "fell back without the grid operator's link: {order} {value}",
                order=order,
                value=value,
            )
        case OrderSource.REHEARSAL:
            return Phrase(
                "activity_rehearsed",
                "rehearsed an order: {order} {value}",
                order=order,
                value=value,
            )
    return Phrase(
        "activity_ordered",
        "received an order: {order} {value}",
        order=order,
        value=value,
    )


def _stop(_hass: HomeAssistant, facts: Facts) -> str:
    started = facts["change"] == STARTED
    if facts["direction"] == Direction.PRODUCTION:
        if started:
            return Phrase("activity_stop_production", "stopped production in emergency")
        return Phrase(
            "activity_released_production", "released production after its stop"
        )
    if started:
        return Phrase("activity_stop_consumption", "stopped consumption in emergency")
    return Phrase(
        "activity_released_consumption", "released consumption after its stop"
    )


def _link(_hass: HomeAssistant, facts: Facts) -> str:
    if facts["change"] == CONNECTED:
        return Phrase(
            "activity_connected",
            "is connected with the grid operator's RTU {client}",
            client=facts["client"] or "–",
        )
    return Phrase(
        "activity_lost",
        "lost the grid operator's link: {reason}",
        reason=facts["reason"] or "–",
    )


def _compliance(hass: HomeAssistant, facts: Facts) -> str:
    order = _order_name(hass, facts["order"])
    if facts["change"] == NOT_KEPT:
        return Phrase(
            "activity_not_kept",
            "does not keep an order, {order}: {measured} measured, {limit} allowed",
            order=order,
            measured=_kilowatt(facts["measured"]),
            limit=_kilowatt(facts["limit"]),
        )
    return Phrase("activity_kept_again", "keeps an order again: {order}", order=order)


def _hold(_hass: HomeAssistant, facts: Facts) -> str:
    if facts["change"] == STARTED:
        return Phrase("activity_held", "is held back: {cause}", cause=facts["cause"])
    return Phrase("activity_let_go", "is no longer held back")


def _veto(_hass: HomeAssistant, facts: Facts) -> str:
    return Phrase(
        "activity_veto",
        "is not held back, although a source outside wants it: {cause}",
        cause=facts["cause"],
    )


_SENTENCES: Final[Mapping[str, Callable[[HomeAssistant, Facts], str]]] = {
    ORDER: _order,
    STOP: _stop,
    LINK: _link,
    COMPLIANCE: _compliance,
    HOLD: _hold,
    VETO: _veto,
}


def _order_name(hass: HomeAssistant, order: str) -> str:
    """Return what an order is called; its Netflex name where there is no site."""
    texts = async_get_cached_translations(hass, hass.config.language, "entity", DOMAIN)
    return texts.get(_ORDER_NAME.format(order=order), order)


def _value(facts: Facts) -> str:
    """Return the value of an order as it is read: %, on or off, who controls."""
    value = facts["value"]
    if isinstance(value, bool):
        return _ON if value else _OFF
    if value in _Q_MODES:
        return _Q_MODES[value]
    if value is None:
        return "–"
    unit = " %" if facts["order"] in POWER_LIMIT_ORDERS else ""
    return f"{value:g}{unit}"


def _kilowatt(power: float | None) -> str:
    return "–" if power is None else f"{power / 1000:.1f} kW"
