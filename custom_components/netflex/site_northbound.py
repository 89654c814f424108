"""The bridge to a broker that a site has while it is switched on and consented to."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
import shutil
import time
from typing import Any, Final

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .coordinator import NetflexConfigEntry, SiteCoordinator
from .model.asset import Asset, Nature
from .model.northbound import NorthboundState
from .model.phrase import Moment, Phrase
from .model.plan import Cause, Source
from .model.remote import RemoteCommand
from .northbound.bridge import Bridge, BridgePorts
from .northbound.direct_control import MeterPart, SiteDescription, Thermometer
from .northbound.messages import Setting
from .northbound.outbox import Outbox
from .northbound.points import (
    Points,
    asset_points,
    grid_points,
    kept_points,
    meter_points,
)
from .northbound.settings import NorthboundSettings, Protocol
from .northbound.tls import TlsFilesError, read_certificate
from .northbound_options import CONF_FILES, northbound_settings
from .site.config import SiteConfig
from .site.site import Site
from .site.telemetry_feed import kept_values
from .site.view import SiteProblem, SiteView

SOURCE: Final = "northbound"
"""Who asks in remote commands that come from the broker."""
WARN_BEFORE: Final = timedelta(days=30)
"""Time before the end of our certificate from which somebody is asked to renew it."""
WITHOUT_BROKER: Final = timedelta(minutes=10)
"""Time without a broker after which somebody is asked to look."""
ROOM_LIMIT: Final = 35.0
"""degC below which a load's comfort is that of a room, not of water."""
_TEMPERATURE: Final = "temperature_entity"
_LOCAL_ON: Final = "local_on_entity"
TAKE_EVERY: Final = 0.5
"""s between two looks at most: views may come faster than once a second."""


class SiteNorthbound:
    """Runs the bridge as the options say, and takes its commands to the site."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: NetflexConfigEntry,
        coordinator: SiteCoordinator,
        site: Site,
    ) -> None:
        """Prepare; nothing is told to anybody yet."""
        self._hass = hass
        self._entry = entry
        self._coordinator = coordinator
        self._site = site
        self._settings: NorthboundSettings | None = None
        self._marks: object = None
        self._bridge: Bridge | None = None
        self._description = SiteDescription()
        self._assets: Mapping[str, Asset] = {}
        self._relays: frozenset[str] = frozenset()
        self._certificate_ends: datetime | None = None
        self._unsubscribe: CALLBACK_TYPE | None = None
        self._taken = 0.0

    async def async_set(self, options: Mapping[str, Any], config: SiteConfig) -> None:
        """Follow the options and the site: begin, end, or go on in another way."""
        description = describe_site(self._entry, config)
        self._assets = {item.id: item for item in description.assets}
        self._relays = frozenset(description.relays)
        settings = northbound_settings(
            options, northbound_folder(self._hass, self._entry.entry_id)
        )
        marks = options.get(CONF_FILES)
        if settings == self._settings and marks == self._marks:
            if self._bridge is not None and description != self._description:
                self._description = description
                await self._bridge.set_site(description)
            return
        allowed = settings is not None and settings.control is not None
        await self.async_stop()
        if not allowed:
            self._site.withdraw_remote(
                SOURCE,
                Phrase("set_switched_off", "control from outside was switched off"),
            )
        self._settings, self._marks = settings, marks
        self._description = description
        if settings is None:
            return
        await self._async_start(settings)

    async def _async_start(self, settings: NorthboundSettings) -> None:
        path = outbox_path(self._hass, self._entry.entry_id)
        await self._hass.async_add_executor_job(
            partial(path.parent.mkdir, parents=True, exist_ok=True)
        )
        self._certificate_ends = await self._hass.async_add_executor_job(
            _certificate_ends, settings
        )
        self._bridge = Bridge(
            settings,
            Outbox(path, settings.most_stored),
            BridgePorts(take_setting=self._take_setting, on_link=self._on_link),
        )
        await self._bridge.start(self._description)
        self._unsubscribe = self._coordinator.async_add_listener(self._take)
        self._take()

    async def async_stop(self) -> None:
        """Take leave of the broker; what was not told waits on disk."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        bridge, self._bridge, self._settings = self._bridge, None, None
        if bridge is not None:
            self._site.set_remote_lost(SOURCE, lost=True)
            await bridge.stop()
            self._site.set_northbound(None)

    async def async_hold_file(self, hold: bool) -> None:
        """Leave what waits as it is while a backup copies it; OutboxError if not."""
        if self._bridge is not None:
            await self._bridge.hold_file(hold)

    @callback
    def _take(self) -> None:
        """Tell what is due; show how the bridge does."""
        bridge, now = self._bridge, time.monotonic()
        if bridge is None or now - self._taken < TAKE_EVERY:
            return
        self._taken = now
        bridge.take(self._points(self._coordinator.data))
        self._show()

    def _show(self) -> None:
        if self._bridge is None or self._settings is None:
            return
        state = replace(self._bridge.state, certificate_ends=self._certificate_ends)
        self._site.set_northbound(
            state, problems_of(state, self._settings.host, dt_util.utcnow())
        )

    def _points(self, view: SiteView) -> Points:
        points = kept_points(*kept_values(view))
        for meter_id, meter in view.meters.items():
            reading = meter.reading if meter.available else None
            points |= meter_points(meter_id, reading)
        site_meter = (
            None if view.site_meter is None else view.meters.get(view.site_meter)
        )
        points |= grid_points(
            site_meter.reading
            if site_meter is not None and site_meter.available
            else None
        )
        for asset_id in self._assets.keys() | self._relays:
            held = any(
                command.source == SOURCE and not command.enabled
                for command in view.remote.get(asset_id, ())
            )
            points |= asset_points(
                asset_id,
                view.states.get(asset_id),
                self._assets.get(asset_id),
                held=held,
            )
        return points

    # ----------------------------------------------------------------------- commands

    @callback
    def _on_link(self, connected: bool) -> None:
        self._site.set_remote_lost(SOURCE, lost=not connected)
        self._show()

    @callback
    def _take_setting(self, setting: Setting) -> str | None:
        """Take a set to the site as one more source; return why not, if it cannot be."""
        settings, asset_id = self._settings, setting.attribute.commands
        asset = None if asset_id is None else self._assets.get(asset_id)
        if settings is None or settings.control is None or asset is None:
            return Phrase("set_load_gone", "there is no such load any more")
        if asset.nature is not Nature.LOAD or not asset.controllable:
            return Phrase(
                "set_uncontrolled", "{name} cannot be controlled", name=asset.name
            )
        if asset.never_shed:
            return Phrase(
                "set_never_held", "{name} is never held back", name=asset.name
            )
        at = datetime.fromtimestamp(setting.at, UTC)
        enabled = setting.value
        figures = {"host": settings.host, "time": Moment(at)}
        self._site.give_remote(
            asset.id,
            RemoteCommand(
                source=SOURCE,
                enabled=enabled,
                at=at,
                lost_after=settings.control.lost_after,
                until=time.monotonic() + settings.control.longest,
                cause=Cause(
                    source=Source.DISPATCH,
                    key="remote_enable" if enabled else "remote_hold",
                    text=Phrase(
                        "remote_enable", "{host} lets it run since {time}", **figures
                    )
                    if enabled
                    else Phrase(
                        "remote_hold", "{host} holds it back since {time}", **figures
                    ),
                ),
            ),
        )
        return None


def problems_of(
    state: NorthboundState, host: str, now: datetime
) -> tuple[SiteProblem, ...]:
    """Return what somebody should see to."""
    problems = []
    since = state.since or now
    if not state.connected and now - since >= WITHOUT_BROKER:
        text = state.problem_text or Phrase("does_not_answer", "it does not answer")
        problems.append(
            SiteProblem(key="northbound_no_broker", subject=host, text=text)
        )
    if state.store_problem is not None:
        problems.append(
            SiteProblem(
                key="northbound_not_stored", subject=host, text=state.store_problem
            )
        )
    if (ends := state.certificate_ends) is not None and ends - now <= WARN_BEFORE:
        key = "ended" if ends <= now else "ends"
        problems.append(
            SiteProblem(
                key=f"northbound_certificate_{key}",
                subject=host,
                text=f"{ends:%Y-%m-%d}",
            )
        )
    return tuple(problems)


def describe_site(entry: NetflexConfigEntry, config: SiteConfig) -> SiteDescription:
    """Return the site as its consumers see it."""
    assets = tuple(
        device.asset for device in config.devices if device.asset is not None
    )
    return SiteDescription(
        meters=tuple(
            MeterPart(
                id=meter.meter_id,
                role=meter.role,
                lines=config.connection.lines,
                reactive=meter.dlms is not None,
            )
            for meter in config.meters
        ),
        assets=assets,
        relays=tuple(output.output.asset_id for output in config.outputs),
        thermometers={
            asset.id: _thermometer(asset)
            for asset in assets
            if _reads(entry, asset.id, _TEMPERATURE)
        },
        local_switches=frozenset(
            asset.id for asset in assets if _reads(entry, asset.id, _LOCAL_ON)
        ),
    )


def _reads(entry: NetflexConfigEntry, asset_id: str, entity: str) -> bool:
    """Whether an asset has an entity of its own for what is only read."""
    subentry = entry.subentries.get(asset_id)
    return subentry is not None and bool(subentry.data.get(entity))


def _thermometer(asset: Asset) -> Thermometer:
    """Return what a load's thermometer measures, by what is comfortable there."""
    wanted = asset.comfort_low if asset.comfort_low is not None else asset.comfort_high
    room = wanted is not None and wanted < ROOM_LIMIT
    return Thermometer.ROOM if room else Thermometer.WATER


def _certificate_ends(settings: NorthboundSettings) -> datetime | None:
    """Return when our certificate ends, None without one that can be read. Blocking."""
    if settings.tls is None or settings.tls.certificate is None:
        return None
    try:
        return read_certificate(settings.tls.certificate).ends
    except TlsFilesError:
        return None


def common_name(settings: NorthboundSettings) -> str | None:
    """Return the name that our certificate must have, None: any."""
    return None if settings.protocol is Protocol.PLAIN else settings.endpoint


def northbound_folder(hass: HomeAssistant, entry_id: str) -> Path:
    """Return the folder of what belongs to a site's bridge."""
    return Path(hass.config.path(DOMAIN, "northbound", entry_id))


def outbox_path(hass: HomeAssistant, entry_id: str) -> Path:
    """Return the file of the messages that wait."""
    return northbound_folder(hass, entry_id) / "outbox.db"


async def async_forget_northbound(hass: HomeAssistant, entry_id: str) -> None:
    """Delete what was kept for a site's bridge: what waits, and the files of TLS."""
    folder = northbound_folder(hass, entry_id)
    await hass.async_add_executor_job(
        partial(shutil.rmtree, folder, ignore_errors=True)
    )
