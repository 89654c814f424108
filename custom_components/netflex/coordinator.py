"""Publishes a site's readings, orders and plans, and takes the users' commands.

It drives nothing: the site's own controller does. Home Assistant may stop listening
at any time without the site noticing.
"""

from collections.abc import Callable
import time
from typing import TYPE_CHECKING, override

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.event import async_call_later
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator
from homeassistant.util import dt as dt_util

from .const import DOMAIN, LOGGER
from .model.asset import Direction
from .model.orders import OrderEvent
from .model.power_quality import PowerEvent
from .model.snapshot import UserLimits
from .repairs import async_sync_engine, async_sync_points, async_sync_problems
from .site.site import Site
from .site.timeline import Timeline
from .site.view import SiteView
from .site_signals import async_tell_order, async_tell_view

if TYPE_CHECKING:
    from .runtime import NetflexRuntime

type NetflexConfigEntry = ConfigEntry[NetflexRuntime]

PUBLISH_INTERVAL = 1.0
"""s between updates of the entities while nothing but readings change."""


class SiteCoordinator(DataUpdateCoordinator[SiteView]):
    """Brings the site's newest view to the entities, once a second at most.

    Orders, the operator's link, local stops and proofs of stops are published at
    once.
    """

    config_entry: NetflexConfigEntry

    def __init__(
        self, hass: HomeAssistant, entry: NetflexConfigEntry, site: Site
    ) -> None:
        """Prepare publishing the views of a site."""
        super().__init__(
            hass,
            LOGGER,
            config_entry=entry,
            name=f"{DOMAIN} {entry.title}",
            always_update=False,
        )
        self._site = site
        self.monotonic: Callable[[], float] = time.monotonic
        """The clock by which entities space their writes."""
        self.data = site.view
        self.timeline = Timeline()
        self._order_listeners: list[Callable[[OrderEvent], None]] = []
        self._asset_listeners: list[Callable[[str], None]] = []
        self._power_listeners: list[tuple[str, Callable[[PowerEvent], None]]] = []
        self._unload_listeners: set[Callable[[], None]] = set()
        self._pending: SiteView | None = None
        self._unschedule: CALLBACK_TYPE | None = None
        async_sync_problems(hass, entry, self.data.problems)
        self.async_settings_changed()
        site.subscribe(self._take_view, self._take_order)

    @callback
    def _take_view(self, view: SiteView) -> None:
        """Publish what must be seen at once, collect the rest."""
        if self._shutdown_requested:
            return
        self.timeline.take_view(view, dt_util.utcnow())
        self._pending = view
        if _urgent(view) != _urgent(self.data):
            self._publish()
        elif self._unschedule is None:
            self._unschedule = async_call_later(
                self.hass, PUBLISH_INTERVAL, self._publish_collected
            )

    @callback
    def _publish_collected(self, _now: object) -> None:
        self._unschedule = None
        self._publish()

    @callback
    def _publish(self) -> None:
        if self._unschedule is not None:
            self._unschedule()
            self._unschedule = None
        if (view := self._pending) is None:
            return
        self._pending = None
        if view.problems != self.data.problems:
            async_sync_problems(self.hass, self.config_entry, view.problems)
        before = self.data
        came = view.link.connected and not before.link.connected
        self.async_set_updated_data(view)
        async_tell_view(self.hass, self.config_entry.entry_id, before, view)
        if came:
            self.async_settings_changed()

    @callback
    def async_settings_changed(self) -> None:
        """Warn of settings that ask for a look, or no longer: points, the engine."""
        async_sync_engine(self.hass, self.config_entry)
        async_sync_points(
            self.hass, self.config_entry, client_came=self.data.link.connected
        )

    @callback
    def _take_order(self, event: OrderEvent) -> None:
        """Pass every order on as it happens."""
        self.timeline.take_order(event)
        async_tell_order(self.hass, self.config_entry.entry_id, event)
        for listener in list(self._order_listeners):
            listener(event)

    @override
    async def async_shutdown(self) -> None:
        """Publish nothing any more."""
        await super().async_shutdown()
        while self._unload_listeners:
            self._unload_listeners.pop()()
        if self._unschedule is not None:
            self._unschedule()
            self._unschedule = None

    async def async_set_user_limits(self, asset_id: str, limits: UserLimits) -> None:
        """Take over what the user asks of one asset."""
        self._site.set_user_limits(asset_id, limits)

    async def async_set_peak_target(self, target: float | None) -> None:
        """Take over the W that a quarter hour should stay below."""
        self._site.set_peak_target(target)

    async def async_set_local_stop(
        self, direction: Direction, holder: str, *, held: bool
    ) -> None:
        """Have one holder hold or release the site's own stop of a direction."""
        self._site.set_local_stop(direction, holder, held=held)

    async def async_release_orders(self, name: str, reference: str) -> None:
        """Release the operator's orders on the operator's instruction (S06)."""
        await self._site.release_orders(name, reference)

    @callback
    def async_on_order(
        self, listener: Callable[[OrderEvent], None]
    ) -> Callable[[], None]:
        """Call a listener with every order, accepted or refused."""
        self._order_listeners.append(listener)
        return lambda: self._order_listeners.remove(listener)

    @callback
    def async_on_unload(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call a listener when nothing is published any more."""
        self._unload_listeners.add(listener)
        return lambda: self._unload_listeners.discard(listener)

    @callback
    def async_take_power_event(self, meter_id: str, event: PowerEvent) -> None:
        """Pass on what a meter sees on its lines, as it happens."""
        for subject, listener in list(self._power_listeners):
            if subject == meter_id:
                listener(event)

    @callback
    def async_on_power_event(
        self, meter_id: str, listener: Callable[[PowerEvent], None]
    ) -> Callable[[], None]:
        """Call a listener with every event on the lines of a meter."""
        entry = (meter_id, listener)
        self._power_listeners.append(entry)
        return lambda: self._power_listeners.remove(entry)

    @callback
    def async_on_assets(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """Call a listener with the id of every subentry that is added or changed."""
        self._asset_listeners.append(listener)
        return lambda: self._asset_listeners.remove(listener)

    @callback
    def async_asset_changed(self, subentry_id: str) -> None:
        """Have the platforms create what entities a subentry now has."""
        for listener in list(self._asset_listeners):
            listener(subentry_id)


def _urgent(view: SiteView) -> tuple[object, ...]:
    """Return what of a view is published without waiting."""
    return (
        view.orders,
        view.local_stops,
        view.user,
        view.link,
        view.proofs,
        view.problems,
        view.commissioning,
        None
        if view.rehearsal is None
        else (view.rehearsal.outcome, view.rehearsal.report),
    )
