"""What a site tells to automations, whether or not it is loaded when they start.

Triggers listen to these signals, so that an automation that was set up first, or that
outlives a reload of the site, misses nothing.
"""

from collections.abc import Callable
from typing import Final

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.dispatcher import (
    async_dispatcher_connect,
    async_dispatcher_send,
)
from homeassistant.util.signal_type import SignalType

from .const import DOMAIN
from .model.orders import OrderEvent
from .site.view import SiteView

_ORDER: Final[SignalType[str, OrderEvent]] = SignalType(f"{DOMAIN}_order")
_VIEW: Final[SignalType[str, SiteView, SiteView]] = SignalType(f"{DOMAIN}_view")


@callback
def async_tell_order(hass: HomeAssistant, entry_id: str, event: OrderEvent) -> None:
    """Tell of an order, accepted or refused."""
    async_dispatcher_send(hass, _ORDER, entry_id, event)


@callback
def async_tell_view(
    hass: HomeAssistant, entry_id: str, before: SiteView, after: SiteView
) -> None:
    """Tell that another view replaces the one before."""
    async_dispatcher_send(hass, _VIEW, entry_id, before, after)


@callback
def async_on_order(
    hass: HomeAssistant, entry_id: str, listener: Callable[[OrderEvent], None]
) -> CALLBACK_TYPE:
    """Call a listener with every order of one site."""

    @callback
    def take(of: str, event: OrderEvent) -> None:
        if of == entry_id:
            listener(event)

    return async_dispatcher_connect(hass, _ORDER, take)


@callback
def async_on_view(
    hass: HomeAssistant,
    entry_id: str,
    listener: Callable[[SiteView, SiteView], None],
) -> CALLBACK_TYPE:
    """Call a listener with each view of one site and the one before."""

    @callback
    def take(of: str, before: SiteView, after: SiteView) -> None:
        if of == entry_id:
            listener(before, after)

    return async_dispatcher_connect(hass, _VIEW, take)
