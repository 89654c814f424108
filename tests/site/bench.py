"""A whole site on real wires: simulated devices, an RTU, and no Home Assistant."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from custom_components.netflex.control.tuning import Tuning
from custom_components.netflex.devices.dedicated import DedicatedUnits
from custom_components.netflex.devices.device import DeviceConfig
from custom_components.netflex.devices.factory import build_device, build_meter
from custom_components.netflex.devices.ports import EntityValue, LinkParams
from custom_components.netflex.devices.profile_loader import ProfileLibrary
from custom_components.netflex.metering.p1_reader import P1Source
from custom_components.netflex.model.asset import (
    Asset,
    Category,
    Direction,
    EmergencyOutput,
    Nature,
)
from custom_components.netflex.model.connection import ConnectionPoint, GridType, Line
from custom_components.netflex.model.orders import LocalStops, OrderEvent
from custom_components.netflex.simulation.household import SimulatedSite, SiteSettings
from custom_components.netflex.simulation.operator import Rtu
from custom_components.netflex.site.config import MeterConfig, OutputConfig, SiteConfig
from custom_components.netflex.site.meters import AnyMeter, SiteMeters
from custom_components.netflex.site.site import Site, SitePorts
from custom_components.netflex.site.station_host import StationHost
from custom_components.netflex.telecontrol.journal import Journal
from custom_components.netflex.telecontrol.order_store import OrderStore
from custom_components.netflex.telecontrol.settings import TelecontrolSettings
from custom_components.netflex.telecontrol.station import TelecontrolStation

LOOPBACK = "127.0.0.1"
ALL_LINES = tuple(Line)
CONTRACT = 20_000.0

QUICK = Tuning(
    settle=2.0,
    doubt=1.0,
    raise_delay=0.5,
    resume_delay=0.5,
    resume_patience=5.0,
    minimum_off=0.5,
    release_delay=0.3,
    stagger=0.2,
    ramp_time=2.0,
)
"""The decision's times, shortened; the devices keep theirs."""

BATTERY_REGISTERS = {
    "soc_register": 0,
    "soc_scale": 0.1,
    "power_register": 2,
    "power_type": "s32",
    "echo_register": 4,
    "max_charge_register": 6,
    "max_discharge_register": 8,
    "limits_type": "s32",
    "setpoint_register": 100,
    "setpoint_type": "s32",
    "mode_register": 102,
    "silence": 60.0,
}


class Switches:
    """Home Assistant's switches, as far as an entity port shows them."""

    def __init__(self, **contacts: Callable[[bool], None]) -> None:
        self._contacts = contacts
        self._on = dict.fromkeys(contacts, True)
        self._watchers: list[Callable[[str], None]] = []

    def read(self, entity: str) -> EntityValue | None:
        if entity not in self._on:
            return None
        now = asyncio.get_running_loop().time()
        return EntityValue(value=self._on[entity], last_reported=now)

    def watch(
        self, entities: Collection[str], callback: Callable[[str], None]
    ) -> Callable[[], None]:
        self._watchers.append(callback)
        return lambda: self._watchers.remove(callback)

    async def set_number(self, entity: str, value: float) -> None:
        raise AssertionError(f"{entity} is not a number")

    async def set_switch(self, entity: str, on: bool) -> None:
        self.turn(entity, on)

    def turn(self, entity: str, on: bool) -> None:
        self._on[entity] = on
        self._contacts[entity](on)
        for watcher in list(self._watchers):
            watcher(entity)

    def on(self, entity: str) -> bool:
        return self._on[entity]


def assets() -> dict[str, Asset]:
    """The simulated site's assets, as an installer describes them."""
    return {
        "charger": Asset(
            id="charger",
            name="Charger",
            nature=Nature.CHARGER,
            category=Category.EV,
            rated_consumption=22_080.0,
            phases=3,
            lines=ALL_LINES,
            maximum_current=32.0,
            safe_current=6.0,
        ),
        "solar": Asset(
            id="solar",
            name="Solar",
            nature=Nature.INVERTER,
            category=Category.SOLAR,
            rated_production=12_000.0,
            phases=3,
            lines=ALL_LINES,
        ),
        "battery": Asset(
            id="battery",
            name="Battery",
            nature=Nature.BATTERY,
            category=Category.STORAGE,
            rated_consumption=5_000.0,
            rated_production=5_000.0,
            phases=3,
            lines=ALL_LINES,
            reserve=10.0,
        ),
        "boiler": Asset(
            id="boiler",
            name="Boiler",
            nature=Nature.LOAD,
            category=Category.FLEXIBLE_CONSUMPTION,
            rated_consumption=2_400.0,
            lines=(Line.L1,),
            stays_stopped=True,
        ),
    }


def site_config(plant: SimulatedSite) -> SiteConfig:
    """The whole site on the simulated site's ports."""
    ports = plant.ports
    known = assets()

    def device(
        asset_id: str, wire: str, profile: str, **params: object
    ) -> DeviceConfig:
        return DeviceConfig(
            device_id=asset_id,
            name=known[asset_id].name,
            asset=known[asset_id],
            profile=profile,
            link=LinkParams(host=LOOPBACK, port=ports[wire]),
            params=params,  # type: ignore[arg-type]
        )

    relay = Asset(
        id="relay",
        name="Solar contactor",
        nature=Nature.RELAY,
        category=Category.OTHER_PRODUCTION,
        stays_stopped=True,
    )
    return SiteConfig(
        site_id="site",
        name="Site",
        connection=ConnectionPoint(
            grid_type=GridType.STAR,
            main_fuse=63.0,
            contract_consumption=CONTRACT,
            contract_injection=CONTRACT,
        ),
        meters=(
            MeterConfig(
                meter_id="meter",
                name="Meter",
                url=f"socket://{LOOPBACK}:{ports['meter']}",
            ),
        ),
        devices=(
            device("charger", "charger", "alfen_ng9xx", socket=1),
            device("solar", "inverter", "sunspec_inverter"),
            device("battery", "battery", "generic_battery", **BATTERY_REGISTERS),
            DeviceConfig(
                device_id="boiler",
                name="Boiler",
                asset=known["boiler"],
                entities={"switch": "boiler"},
            ),
        ),
        outputs=(
            OutputConfig(
                output=EmergencyOutput(
                    asset_id="relay",
                    name="Solar contactor",
                    stops=frozenset({Direction.PRODUCTION}),
                    assets=frozenset({"solar"}),
                ),
                device=DeviceConfig(
                    device_id="relay",
                    name="Solar contactor",
                    asset=relay,
                    profile="moxa_iologik_e1214",
                    link=LinkParams(host=LOOPBACK, port=ports["relay"]),
                    params={"output": 0},
                ),
            ),
        ),
    )


@dataclass(slots=True)
class Bench:
    """A running site, the plant below it and the operator's RTU above it."""

    plant: SimulatedSite
    switches: Switches
    host: StationHost
    site: Site
    rtu: Rtu
    station: list[TelecontrolStation]
    events: list[OrderEvent] = field(default_factory=list)

    @property
    def port(self) -> int:
        address = self.station[-1].address
        assert address is not None
        return address[1]

    async def connect(self) -> None:
        await self.until(lambda: self.station[-1].address is not None)
        await self.rtu.connect(LOOPBACK, self.port)

    async def until(self, condition: Callable[[], bool], seconds: float = 30.0) -> None:
        """Wait until a condition holds; fails loudly when it does not."""
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.005)

    def coil(self) -> bool:
        return self.plant.relays.energised(0)

    def grid_power(self) -> float:
        return self.plant.plant.connection.total_power

    def charger_register(self) -> float:
        return self.plant.socket.setpoint


def make_host(
    store: Path,
    profiles: ProfileLibrary,
    made: list[TelecontrolStation],
    journal: Journal | None = None,
) -> StationHost:
    def make_station(host: StationHost) -> TelecontrolStation:
        station = TelecontrolStation(
            TelecontrolSettings(
                bind_address=LOOPBACK,
                port=0,
                allowed_clients=frozenset({LOOPBACK}),
            ),
            OrderStore(store),
            on_order=host.on_order,
            on_link=host.on_link,
            on_problem=host.on_problem,
            journal=host.journal,
        )
        made.append(station)
        return station

    units = DedicatedUnits()
    return StationHost(
        make_station,
        lambda config: build_device(config.device, units=units, profiles=profiles),
        journal,
    )


def make_site(
    config: SiteConfig,
    switches: Switches,
    host: StationHost,
    profiles: ProfileLibrary,
    local_stops: LocalStops | None = None,
) -> Site:
    units = DedicatedUnits()

    def make_meter(meter: MeterConfig) -> AnyMeter:
        if meter.url is not None:
            return P1Source(meter.url, meter_id=meter.meter_id)
        assert meter.device is not None
        return build_meter(meter.device, units=units, profiles=profiles)

    return Site(
        config,
        SitePorts(
            make_device=lambda device: build_device(
                device, units=units, entities=switches, profiles=profiles
            ),
            meters=SiteMeters(make_meter),
            save_local_stops=lambda _stops: None,
        ),
        host,
        local_stops=local_stops or LocalStops(),
        tuning=QUICK,
    )


@asynccontextmanager
async def running(
    store: Path,
    settings: SiteSettings | None = None,
    *,
    prepare: Callable[[SimulatedSite], Awaitable[None]] | None = None,
) -> AsyncIterator[Bench]:
    """Run plant, site and RTU; everything is closed at the end.

    `prepare` gets the plant before the site starts.
    """
    plant = SimulatedSite(settings or SiteSettings())
    await plant.start()
    if prepare is not None:
        await prepare(plant)
    ticking = asyncio.create_task(plant.run())
    profiles = ProfileLibrary.load()
    contactor = plant.boiler.contactor
    switches = Switches(boiler=lambda on: setattr(contactor, "closed", on))
    made: list[TelecontrolStation] = []
    host = make_host(store, profiles, made, Journal(store.with_name("journal")))
    await host.start()
    site = make_site(site_config(plant), switches, host, profiles)
    bench = Bench(plant, switches, host, site, Rtu(), made)
    site.subscribe(lambda _view: None, bench.events.append)
    await site.start()
    try:
        yield bench
    finally:
        await bench.rtu.disconnect()
        await site.stop()
        await host.stop()
        ticking.cancel()
        with suppress(asyncio.CancelledError):
            await ticking
        await plant.stop()
