"""Composes one site from its config entry, and keeps it composed."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
import time
from typing import Any

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.event import async_call_later
from homeassistant.helpers.storage import STORAGE_DIR
from homeassistant.util import dt as dt_util
from homeassistant.util.hass_dict import HassKey

from .const import DOMAIN
from .control.tuning import DEFAULT as TUNING
from .coordinator import NetflexConfigEntry, SiteCoordinator
from .devices.budget import StoredBudget
from .devices.chosen import ChosenUnits
from .devices.dedicated import DedicatedUnits
from .devices.device import Device, DeviceConfig, DeviceError
from .devices.factory import Metering, build_device, build_meter
from .devices.meter_server import MeterServers
from .devices.profile_loader import ProfileLibrary
from .devices.virtual_meter import VirtualMeterConfig
from .entity import async_register_devices
from .entry_site import market_config, mode_zones, site_config, station_settings
from .flexoffer_options import CONF_FLEXOFFERS
from .island_input import IslandWatch
from .left_loads import async_say_left_off
from .links import Entities, SharedLinks
from .local_stop_inputs import LocalStopWatch
from .market.feed import SiteMarket
from .market.store import dispatch_store
from .metering.dlms_reader import DlmsSource
from .metering.p1_reader import P1Source
from .metering.p1_shared import SharedP1Source
from .metering.recorder import Recording
from .metering.s1_reader import S1Source
from .model.connection import Feeder
from .model.orders import NO_LOCAL_STOPS, LinkState, LocalStops
from .model.phrase import Phrase
from .model.schedule import zone_of
from .northbound_options import CONF_NORTHBOUND
from .protection_options import CONF_PROTECTION, island_input
from .readings_options import CONF_READINGS
from .rehearsals import async_newest_rehearsal
from .site.borrowed_device import BorrowedDevice
from .site.config import MeterConfig, OutputConfig, SiteConfig
from .site.journal_notes import note_virtual_meter
from .site.meters import AnyMeter, SiteMeters
from .site.site import Site, SitePorts
from .site.station_host import OutputFactory, StationFactory, StationHost
from .site_flexoffers import SiteFlexOffers, flexoffers_store
from .site_northbound import SiteNorthbound, async_forget_northbound
from .site_quality import SiteQuality, quality_store
from .site_readings import SiteReadings, async_forget_readings
from .stored import SiteMemory, SiteStore, read_site_memory
from .telecontrol.journal import Journal
from .telecontrol.order_store import OrderStore
from .telecontrol.settings import TelecontrolSettings
from .telecontrol.station import TelecontrolStation
from .telecontrol.wire_trace import WireEntry, WireTrace
from .telecontrol_options import checked_options, local_stop_inputs

SAVE_DELAY = 10.0
"""s that a change which nothing depends on waits for others before it is stored."""
PARK_SECONDS = 10.0
"""s that a station waits for its site after an unload, before it closes."""


@dataclass(slots=True)
class _Parked:
    """A station without a site, between an unload and the next set-up."""

    host: StationHost
    settings: TelecontrolSettings | None
    trace: WireTrace
    cancel: CALLBACK_TYPE | None = None


DATA_STATIONS: HassKey[dict[str, _Parked]] = HassKey(f"{DOMAIN}_stations")


class NetflexRuntime:
    """One running site with everything that the face owns for it."""

    def __init__(
        self, hass: HomeAssistant, entry: NetflexConfigEntry, profiles: ProfileLibrary
    ) -> None:
        """Prepare; nothing runs before `async_start`."""
        self._hass = hass
        self._entry = entry
        self._profiles = profiles
        self._links = ChosenUnits(SharedLinks(hass, entry))
        self._entities = Entities(hass)
        self._budget = StoredBudget(_writes_path(hass, entry.entry_id))
        self._meters = SiteMeters(self._make_meter, local_time=dt_util.now)
        self._meter_servers = MeterServers()
        self._lock = asyncio.Lock()
        self._stopped = False
        self._applied: SiteConfig
        self._store = SiteStore(hass, entry.entry_id)
        self._local_stops = NO_LOCAL_STOPS
        self._left_off: Mapping[str, str | None] = {}
        self._station: _Parked
        self._inputs: LocalStopWatch
        self._island: IslandWatch
        self.site: Site
        self.coordinator: SiteCoordinator
        self.readings: SiteReadings
        self.quality: SiteQuality
        self.market: SiteMarket
        self.northbound: SiteNorthbound
        self.flexoffers: SiteFlexOffers

    # --------------------------------------------------------------------- composition

    async def async_start(self) -> None:
        """Start the site; waits for no device and no meter."""
        stored = read_site_memory(await self._store.async_load())
        await self._hass.async_add_executor_job(self._budget.load)
        self._local_stops = stored.local_stops
        await self._async_load_zones()
        self._applied = site_config(self._entry, self._profiles)
        self._station = await self._async_take_station()
        self._meters.restore_demand(stored.demand)
        self._meters.on_quarter = self._save_soon
        self.site = Site(
            self._applied,
            SitePorts(
                make_device=self._make_device,
                meters=self._meters,
                save_local_stops=self._save_local_stops,
                save_fallbacks=lambda _fallbacks: self._save_soon(),
                save_memory=self._save_soon,
                zone=dt_util.get_default_time_zone,
            ),
            self._station.host,
            local_stops=self._local_stops,
            memory=stored.memory,
            locked=stored.locked,
            fallbacks=stored.fallbacks,
            overrides=stored.overrides,
            tuning=TUNING,
        )
        self.site.commissioning.restore(stored.commissioned)
        self.site.flexibility.restore(stored.flexibility)
        self.site.rehearsal.restore(
            await async_newest_rehearsal(self._hass, self._entry.entry_id)
        )
        self.coordinator = SiteCoordinator(self._hass, self._entry, self.site)
        self._meters.power.on_event = self.coordinator.async_take_power_event
        self._inputs = LocalStopWatch(self._hass, self.site)
        self._island = IslandWatch(self._hass, self.site)
        self.readings = SiteReadings(
            self._hass, self._entry, self.coordinator, self.site, lambda: self._applied
        )
        self.quality = SiteQuality(
            self._hass,
            self._entry,
            self.site,
            self.coordinator,
            self._profiles,
            lambda: self._applied,
        )
        self.market = SiteMarket(self._hass, self._entry, self.site)
        self.northbound = SiteNorthbound(
            self._hass, self._entry, self.coordinator, self.site
        )
        self.flexoffers = SiteFlexOffers(
            self._hass, self._entry, self.coordinator, self.site, self.market
        )
        try:
            await self.site.start()
            await self.market.async_start(market_config(self._entry, self._applied))
            self._inputs.async_set(local_stop_inputs(self._entry.options))
            self._island.async_set(_island_input(self._entry))
            await self._async_follow_options()
            await self.quality.async_start()
        except BaseException:
            await self.async_stop(park=False)
            raise

    async def async_stop(self, *, park: bool) -> None:
        """Stop the site; the station waits for the next one if `park`."""
        async with self._lock:
            # A change that comes later would bring back what is closed here.
            self._stopped = True
            await self._async_close(park=park)

    async def _async_close(self, *, park: bool) -> None:
        self._left_off = self.site.left_off
        self._inputs.async_stop()
        await self.readings.async_stop()
        await self.quality.async_stop()
        await self.flexoffers.async_stop()
        await self.market.async_stop()
        await self.northbound.async_stop()
        self._island.async_stop()
        await self.coordinator.async_shutdown()
        await self.site.stop()
        await self._links.close()
        await self._budget.close()
        await self._store.async_save(self._stored())
        if park:
            self._park()
        else:
            await self._station.host.stop()

    async def async_record_waveform(
        self, meter_id: str, seconds: float, *, before: float
    ) -> Recording | None:
        """Return a recording of a meter's waveform, None where it samples none.

        Raises:
            ValueError: More is asked for than is kept.
            NoDataError: Nothing has come in that time.
        """
        return await self._meters.power.record(meter_id, seconds, before=before)

    def _make_device(self, config: DeviceConfig) -> Device:
        return build_device(
            config,
            units=self._links,
            entities=self._entities,
            profiles=self._profiles,
            budget=self._budget,
            metering=Metering(
                servers=self._meter_servers,
                reading=lambda: self._meters.site_reading(time.monotonic()),
                note=partial(note_virtual_meter, self._station.host.record),
            ),
        )

    def _make_meter(self, config: MeterConfig) -> AnyMeter:
        if config.url is not None and (s1 := config.s1) is not None:
            return S1Source(
                config.url,
                meter_id=config.meter_id,
                settings=s1.settings,
                baudrate=s1.baudrate,
            )
        if config.url is not None and (dlms := config.dlms) is not None:
            return DlmsSource(
                config.url, meter_id=config.meter_id, keys=dlms.keys, line=dlms.line
            )
        if config.url is not None and (share := config.share) is not None:
            return SharedP1Source(
                config.url,
                meter_id=config.meter_id,
                host=share.host,
                port=share.port,
                allowed=share.allowed,
            )
        if config.url is not None:
            return P1Source(config.url, meter_id=config.meter_id)
        if config.device is None:
            raise DeviceError(
                "config",
                Phrase(
                    "meter_needs_way",
                    "{name} has neither port nor profile",
                    name=config.name,
                ),
            )
        return build_meter(
            config.device,
            units=self._links,
            entities=self._entities,
            profiles=self._profiles,
        )

    # ------------------------------------------------------------------------- station

    @property
    def name(self) -> str:
        """What the user calls the site."""
        return self._entry.title

    @property
    def settings(self) -> TelecontrolSettings | None:
        """How the operator's station is set; None: there is no telecontrol."""
        return self._station.settings

    @property
    def journal(self) -> Journal:
        """The journal of the site, which the station's host owns."""
        assert self._station.host.journal is not None
        return self._station.host.journal

    def wire_log(self) -> tuple[WireEntry, ...]:
        """Return the newest APDUs and changes of the link, oldest first."""
        return self._station.trace.entries()

    async def async_reload_certificates(self) -> None:
        """Read the TLS files anew; OSError where they are not usable."""
        await self._station.host.reload_certificates()

    async def _async_take_station(self) -> _Parked:
        """Return the station that was parked, or a new one."""
        settings = station_settings(self._entry)
        folder = _orders_path(self._hass, self._entry.entry_id).parent
        await self._hass.async_add_executor_job(
            partial(folder.mkdir, parents=True, exist_ok=True)
        )
        parked = self._hass.data.setdefault(DATA_STATIONS, {}).pop(
            self._entry.entry_id, None
        )
        if parked is not None and parked.cancel is not None:
            parked.cancel()
            parked.cancel = None
        if parked is not None:
            station, parked_settings = parked, parked.settings
            if settings != parked_settings:
                await self._async_change_station(station, settings)
            return station
        trace = WireTrace()
        station = _Parked(
            host=StationHost(
                self._station_factory(settings, trace),
                self._output_factory(),
                Journal(journal_path(self._hass, self._entry.entry_id)),
            ),
            settings=settings,
            trace=trace,
        )
        await station.host.start()
        return station

    def _station_factory(
        self, settings: TelecontrolSettings | None, trace: WireTrace
    ) -> StationFactory | None:
        if settings is None:
            return None
        path = _orders_path(self._hass, self._entry.entry_id)

        def make(host: StationHost) -> TelecontrolStation:
            def on_link(link: LinkState) -> None:
                trace.link(link)
                host.on_link(link)

            return TelecontrolStation(
                settings,
                OrderStore(path),
                on_order=host.on_order,
                on_link=on_link,
                on_problem=host.on_problem,
                journal=host.journal,
                wire_log=trace.apdu,
            )

        return make

    def _output_factory(self) -> OutputFactory:
        # Nothing here may wait for what others do on a shared connection.
        units, profiles = ChosenUnits(DedicatedUnits()), self._profiles
        # A parked station outlives this runtime: it must not hold on to it.
        entities, home = self._entities, self._hass.loop

        def make(config: OutputConfig) -> Device:
            device = build_device(
                config.device, units=units, entities=entities, profiles=profiles
            )
            if config.needs_home_assistant:
                return BorrowedDevice(device, home)
            return device

        return make

    async def _async_change_station(
        self, station: _Parked, settings: TelecontrolSettings | None
    ) -> None:
        """Change the settings of a station; only new wires drop the link."""
        old, station.settings = station.settings, settings
        if old is not None and settings is not None:
            await station.host.reconfigure(settings)
        else:
            await station.host.replace_station(
                self._station_factory(settings, station.trace)
            )

    def _park(self) -> None:
        """Keep the station for a site that comes back within seconds."""
        station, entry_id = self._station, self._entry.entry_id
        stations = self._hass.data[DATA_STATIONS]
        stations[entry_id] = station

        async def close(_now: object) -> None:
            if stations.get(entry_id) is station:
                del stations[entry_id]
                await station.host.stop()

        station.cancel = async_call_later(self._hass, PARK_SECONDS, close)

    # ------------------------------------------------------------------------- storing

    @callback
    def _save_local_stops(self, stops: LocalStops) -> None:
        self._local_stops = stops
        self._entry.async_create_task(
            self._hass,
            self._store.async_save(self._stored()),
            "netflex save local stops",
        )

    @callback
    def _save_soon(self) -> None:
        """Store what has changed, without haste."""
        self._store.async_delay_save(self._stored, SAVE_DELAY)

    def _stored(self) -> dict[str, Any]:
        return SiteMemory(
            local_stops=self._local_stops,
            memory=self.site.memory,
            demand=self._meters.demand_memories,
            locked=self.site.locked,
            fallbacks=self.site.fallbacks,
            overrides=self.site.overrides,
            commissioned=self.site.commissioning.results,
            left_off=self._left_off or self.site.left_off,
            flexibility=self.site.flexibility.counts,
        ).to_dict()

    async def async_save(self) -> None:
        """Store at once what is otherwise stored some time later."""
        await self._store.async_save(self._stored())
        await self.quality.async_save()
        await self.market.async_save()
        await self.flexoffers.async_save()

    # ------------------------------------------------------------------------- changes

    async def async_entry_changed(self) -> None:
        """Bring the running site to what the entry says now, and nothing more.

        Added, changed and removed subentries add, replace and remove that one
        device; nothing else is touched.
        """
        async with self._lock:
            if self._stopped:
                return
            await self._async_load_zones()
            old, new = self._applied, site_config(self._entry, self._profiles)
            self._applied = new
            if new.shadow != old.shadow:
                await self.site.set_shadow(new.shadow)
            if new.connection != old.connection:
                self.site.set_connection(new.connection)
            if new.rules != old.rules:
                self.site.set_rules(new.rules)
            if new.feeders != old.feeders:
                self.site.set_feeders(new.feeders)
            if new.programmes != old.programmes:
                self.site.set_programmes(new.programmes)
            if new.health != old.health:
                self.site.set_health(new.health)
            await self.market.async_set(market_config(self._entry, new))
            settings = station_settings(self._entry)
            if settings != self._station.settings:
                await self._async_change_station(self._station, settings)
            self._inputs.async_set(local_stop_inputs(self._entry.options))
            await self._async_follow_options()
            self._island.async_set(_island_input(self._entry))
            self.coordinator.async_settings_changed()
            known, present = _members(old), _members(new)
            for subject in known.keys() - present.keys():
                left = await self.site.remove(subject)
                if left is not None:
                    async_say_left_off(self._hass, self._entry, [left])
            for subject, member in present.items():
                if known.get(subject) == member:
                    continue
                await self._async_apply(member)
                self.coordinator.async_asset_changed(subject)
            if new.name != old.name:
                async_register_devices(self._hass, self._entry)

    async def _async_load_zones(self) -> None:
        """Read the time zones of schedules, which happens from disk."""
        for zone in mode_zones(self._entry):
            with suppress(ValueError):  # Said where the mode is read.
                await self._hass.async_add_executor_job(zone_of, zone)

    async def _async_follow_options(self) -> None:
        """Keep readings and tell a broker as the options say."""
        options = checked_options(self._entry.options)
        await self.readings.async_set(options.get(CONF_READINGS, {}))
        await self.northbound.async_set(options.get(CONF_NORTHBOUND, {}), self._applied)
        await self.flexoffers.async_set(options.get(CONF_FLEXOFFERS, {}), self._applied)

    async def _async_apply(self, member: _Member) -> None:
        """Add one member to the site, or put it in the place of the old one."""
        if isinstance(member, MeterConfig):
            await self.site.add_meter(member)
        elif isinstance(member, OutputConfig):
            await self.site.add_output(member)
        elif isinstance(member, DeviceConfig):
            await self.site.add_device(member)

        # A virtual meter is part of the charger that reads it, which is a member too;
        # feeders are one tree, which is taken over as a whole.


type _Member = MeterConfig | DeviceConfig | OutputConfig | VirtualMeterConfig | Feeder


def _members(config: SiteConfig) -> dict[str, _Member]:
    """Return all members of a site by the id of their subentry."""
    members: dict[str, _Member] = {meter.meter_id: meter for meter in config.meters}
    members.update({device.device_id: device for device in config.devices})
    members.update({item.output.asset_id: item for item in config.outputs})
    members.update({item.meter_id: item for item in config.virtual_meters})
    members.update({item.id: item for item in config.feeders})
    return members


def _island_input(entry: NetflexConfigEntry) -> str | None:
    return island_input(entry.options.get(CONF_PROTECTION, {}))


async def async_close_parked(hass: HomeAssistant, entry_id: str) -> None:
    """Close the station of an entry that is gone for good."""
    parked = hass.data.get(DATA_STATIONS, {}).pop(entry_id, None)
    if parked is None:
        return
    if parked.cancel is not None:
        parked.cancel()
    await parked.host.stop()


async def async_forget_orders(hass: HomeAssistant, entry_id: str) -> None:
    """Delete what was stored for an entry that was removed."""
    await SiteStore(hass, entry_id).async_remove()
    await quality_store(hass, entry_id).async_remove()
    await async_forget_readings(hass, entry_id)
    await dispatch_store(hass, entry_id).async_remove()
    await async_forget_northbound(hass, entry_id)
    await flexoffers_store(hass, entry_id).async_remove()
    for path in (_orders_path(hass, entry_id), _writes_path(hass, entry_id)):
        await hass.async_add_executor_job(partial(path.unlink, missing_ok=True))


def journal_path(hass: HomeAssistant, entry_id: str) -> Path:
    """Return the journal's folder: it stays for years, whatever becomes of the entry."""
    return Path(hass.config.path(DOMAIN, "journal", entry_id))


def _orders_path(hass: HomeAssistant, entry_id: str) -> Path:
    return Path(hass.config.path(STORAGE_DIR, f"{DOMAIN}.{entry_id}.orders"))


def _writes_path(hass: HomeAssistant, entry_id: str) -> Path:
    return Path(hass.config.path(STORAGE_DIR, f"{DOMAIN}.{entry_id}.writes"))
