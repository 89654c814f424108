"""Bridges of made homes, and what they are told."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from custom_components.netflex.model.asset import Asset, Category, Nature
from custom_components.netflex.model.connection import Line
from custom_components.netflex.model.reading import MeterRole
from custom_components.netflex.northbound.bridge import Bridge, BridgePorts
from custom_components.netflex.northbound.direct_control import (
    MeterPart,
    SiteDescription,
    Thermometer,
)
from custom_components.netflex.northbound.messages import Setting
from custom_components.netflex.northbound.outbox import Outbox
from custom_components.netflex.northbound.settings import Control, NorthboundSettings
from custom_components.netflex.northbound.values import Point

from .broker import Broker, until

ENDPOINT = "goflex-dc-004"
BOILER = Asset(
    id="boiler",
    name="Boiler",
    nature=Nature.LOAD,
    category=Category.FLEXIBLE_CONSUMPTION,
    rated_consumption=2000.0,
    lines=(Line.L1,),
)
HOME = SiteDescription(
    meters=(MeterPart(id="p1", role=MeterRole.CONNECTION_POINT),),
    assets=(BOILER,),
    thermometers={"boiler": Thermometer.WATER},
)
CONTROL = "gateway/relay1Control/parameter"


def points(power: float = 1500.0, *, enabled: bool = True) -> dict[str, Point]:
    """Return the points of `HOME`."""
    return {
        "grid.import_power": Point(value=max(0.0, power), unit="W"),
        "grid.export_power": Point(value=max(0.0, -power), unit="W"),
        "grid.energy_import": Point(value=1_234_567.0, unit="Wh", counter=True),
        "asset.boiler.power": Point(value=2000.0, unit="W"),
        "asset.boiler.temperature": Point(value=52.0, unit="°C"),
        "asset.boiler.enabled": Point(value=enabled),
        "asset.boiler.remote_enabled": Point(value=enabled),
    }


@dataclass
class Home:
    """One bridge with a clock of its own, both in s."""

    bridge: Bridge
    time: list[float]
    settings: list[Setting] = field(default_factory=list)
    links: list[bool] = field(default_factory=list)
    refuse: str | None = None

    def take(self, values: dict[str, Point], seconds: float = 1.0) -> None:
        self.time[0] += seconds
        self.bridge.take(values)

    async def connected(self) -> None:
        await until(lambda: self.bridge.state.connected)


def settings_of(broker: Broker, **changes: object) -> NorthboundSettings:
    """Return the settings of an endpoint of a broker; it may be controlled."""
    tls = broker.files(ENDPOINT) if broker.authority is not None else None
    settings = NorthboundSettings(
        host="127.0.0.1",
        port=broker.port,
        endpoint=ENDPOINT,
        tls=tls,
        control=Control(),
    )
    return replace(settings, **changes)


@asynccontextmanager
async def home(
    settings: NorthboundSettings,
    folder: Path,
    site: SiteDescription = HOME,
    delays: Callable[[int], float] = lambda failures: 0.05,
) -> AsyncGenerator[Home]:
    """Run a bridge; `now` starts at a fixed Unix time."""
    time = [1_768_478_400.0]
    made: list[Home] = []

    def take_setting(setting: Setting) -> str | None:
        made[0].settings.append(setting)
        return made[0].refuse

    bridge = Bridge(
        settings,
        Outbox(folder / "outbox.db", settings.most_stored),
        BridgePorts(
            take_setting=take_setting,
            on_link=lambda connected: made[0].links.append(connected),
            clock=lambda: time[0],
            monotonic=lambda: time[0],
            delays=delays,
        ),
    )
    made.append(Home(bridge=bridge, time=time))
    await bridge.start(site)
    try:
        yield made[0]
    finally:
        await bridge.stop()
