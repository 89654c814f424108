"""An S1 meter on a site: its place among the meters, and its signals in the plan."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
import time
from typing import Any

import pytest

from custom_components.netflex.devices.device import DeviceConfig, MeterStatus
from custom_components.netflex.metering.overload import OverloadLimits
from custom_components.netflex.metering.s1_analysis import S1Analysis, S1Settings
from custom_components.netflex.metering.s1_reader import S1Source
from custom_components.netflex.model.asset import AssetState, ChargerState
from custom_components.netflex.model.connection import (
    ConnectionPoint,
    GridType,
    Line,
    LineValues,
)
from custom_components.netflex.model.power_quality import (
    Inrush,
    Overload,
    PowerEvent,
    StepEvent,
    VoltageEvent,
    VoltageEventKind,
)
from custom_components.netflex.model.reading import MeterReading, MeterRole
from custom_components.netflex.site.config import MeterConfig, S1Config, SiteConfig
from custom_components.netflex.site.meters import AnyMeter, SiteMeters
from custom_components.netflex.site.power_meters import (
    CURRENT_REVERSED,
    FRAMES_LOST,
    PowerMeters,
)
from custom_components.netflex.site.site import Site, SitePorts
from custom_components.netflex.site.station_host import StationHost
from tests.metering.s1_players import S1Port, flow, s1_port

from .bench import assets
from .fakes import FakeDevice, until

pytestmark = pytest.mark.usefixtures("socket_enabled")

FUSE = 40.0
WATCH = OverloadLimits(current=LineValues(l1=FUSE, l2=FUSE, l3=FUSE), periods=2)


class P1:
    """A P1 port that says what the test wants, when it wants it."""

    meter_id = "p1"

    def __init__(self) -> None:
        self.status = MeterStatus()

    async def start(
        self, on_reading: Callable[[MeterReading], None], on_status: object
    ) -> None:
        self._on_reading = on_reading

    async def stop(self) -> None:
        pass

    def say(self, *currents: float) -> None:
        self._on_reading(reading(*currents, at=time.monotonic()))


def reading(first: float, second: float, third: float, *, at: float) -> MeterReading:
    return MeterReading(
        meter_id="p1",
        received=at,
        grid_type=GridType.STAR,
        power=230.0 * (first + second + third),
        line_power=LineValues(l1=230.0 * first, l2=230.0 * second, l3=230.0 * third),
        line_current=LineValues(l1=first, l2=second, l3=third).map(abs),
        energy_import=1000.0,
    )


@dataclass
class Bench:
    site: Site
    meters: SiteMeters
    p1: P1
    car: FakeDevice
    s1: S1Port
    events: list[tuple[str, PowerEvent]] = field(default_factory=list)

    def told(self) -> float | None:
        plan = self.site._controller.plan
        return None if plan is None else plan.setpoints["charger"].value

    def quality(self) -> Any:
        view = self.site.view.meters["s1"].power
        return None if view is None else view.quality


def s1_config(url: str, **changes: Any) -> MeterConfig:
    config = MeterConfig(
        meter_id="s1",
        name="S1",
        url=url,
        s1=S1Config(settings=S1Settings(overload=WATCH)),
    )
    return replace(config, **changes)


@asynccontextmanager
async def running(*, first: str = "s1", with_p1: bool = True) -> AsyncIterator[Bench]:
    """A charger that draws 16 A behind a fuse of 40 A, a P1 and an S1 port."""
    p1, car = P1(), FakeDevice("charger")
    charger = replace(assets()["charger"], maximum_current=16.0)
    car.state = AssetState(
        asset_id="charger",
        available=True,
        at=time.monotonic(),
        power=11_040.0,
        currents=LineValues(l1=16.0, l2=16.0, l3=16.0),
        charger_state=ChargerState.CHARGING,
        current_limit=16.0,
    )

    def make_meter(config: MeterConfig) -> AnyMeter:
        if config.s1 is None:
            return p1
        assert config.url is not None
        return S1Source(
            config.url, meter_id=config.meter_id, settings=config.s1.settings
        )

    async with s1_port(S1Port(state=flow(20.0, 20.0, 20.0))) as port:
        configs = {"s1": s1_config(port.url)}
        if with_p1:
            configs["p1"] = MeterConfig(meter_id="p1", name="P1", url="p1")
        order = sorted(configs, key=lambda key: key != first)
        meters = SiteMeters(make_meter)
        site = Site(
            SiteConfig(
                site_id="site",
                name="Site",
                connection=ConnectionPoint(grid_type=GridType.STAR, main_fuse=FUSE),
                meters=tuple(configs[key] for key in order),
                devices=(
                    DeviceConfig(device_id="charger", name="Charger", asset=charger),
                ),
            ),
            SitePorts(
                make_device=lambda _config: car,
                meters=meters,
                save_local_stops=lambda _stops: None,
            ),
            StationHost(None, lambda config: FakeDevice(config.device.device_id)),
        )
        bench = Bench(site, meters, p1, car, port)
        meters.power.on_event = lambda meter, event: bench.events.append((meter, event))
        await site._host.start()
        await site.start()
        try:
            yield bench
        finally:
            await site.stop()
            await site._host.stop()


async def test_an_overload_is_decided_on_before_the_next_reading() -> None:
    async with running() as bench:
        await until(lambda: bench.quality() is not None, 10.0)
        bench.p1.say(20.0, 20.0, 20.0)
        await until(lambda: (bench.told() or 0.0) >= 6.0, 10.0)
        bench.s1.state = flow(20.0, 20.0, 55.0)
        # Not another word from the P1 port.
        await until(lambda: bench.told() == 0.0, 10.0)
        assert [
            (item.line.value, item.active) for item in bench.meters.power.overloads()
        ]
        # Told at once does not mean raised at once: nothing rises on the end of it.
        bench.s1.state = flow(4.0, 4.0, 4.0)
        await until(lambda: not bench.meters.power.overloads(), 10.0)
        assert bench.told() == 0.0


async def test_overloads_of_a_feeder_inside_the_site_are_not_the_fuses() -> None:
    async with running() as bench:
        await bench.site.add_meter(s1_config(bench.s1.url, role=MeterRole.SUBFEEDER))
        await until(lambda: bench.quality() is not None, 10.0)
        bench.p1.say(20.0, 20.0, 20.0)
        bench.s1.state = flow(20.0, 20.0, 55.0)
        before = bench.quality().received
        await until(lambda: bench.quality().received > before, 10.0)
        assert bench.meters.power.overloads() == ()


async def test_P1_counts_for_the_connection_point_and_S1_stands_in() -> None:
    async with running(first="s1") as bench:
        bench.p1.say(20.0, 20.0, 20.0)
        await until(lambda: bench.quality() is not None, 10.0)
        assert bench.site.view.site_meter == "p1"
        assert bench.site.view.demand is not None
    async with running(with_p1=False) as bench:
        await until(lambda: bench.quality() is not None, 10.0)
        reading = bench.meters.site_reading(time.monotonic())
        assert reading is not None
        assert reading.power == pytest.approx(3 * 20 * 230, rel=0.001)
        assert bench.site.view.site_meter == "s1"


async def test_a_sag_is_counted_and_told() -> None:
    async with running() as bench:
        await until(lambda: bench.quality() is not None, 10.0)
        bench.s1.state = flow(20.0, 20.0, 20.0, voltage=190.0)
        await until(lambda: any(isinstance(e, VoltageEvent) for _, e in bench.events))
        bench.s1.state = flow(20.0, 20.0, 20.0)

        def counts() -> Any:
            view = bench.site.view.meters["s1"].power
            assert view is not None
            return view.counts

        await until(lambda: counts().sags == 1, 10.0)
        assert (counts().swells, counts().interruptions) == (0, 0)


INRUSH = Inrush(
    at=1.0, line=Line.L1, current=40.0, peak=60.0, settled=8.0, duration=0.2
)
STEP = StepEvent(
    at=1.0,
    duration=0.1,
    power=2_000.0,
    reactive_power=0.0,
    line_power=LineValues(l1=2_000.0),
    line_current=LineValues(l1=8.7),
    harmonics=(LineValues(), LineValues(), LineValues()),
)
SAG = VoltageEvent(
    kind=VoltageEventKind.SAG,
    at=1.0,
    duration=0.5,
    lines=(Line.L1,),
    voltage=190.0,
    ratio=0.83,
)


@pytest.mark.parametrize(
    ("event", "counted"),
    [
        (INRUSH, {"inrushes": 1}),
        (STEP, {"steps": 1}),
        (SAG, {"sags": 1}),
        (replace(SAG, kind=VoltageEventKind.SWELL), {"swells": 1}),
        (replace(SAG, kind=VoltageEventKind.INTERRUPTION), {"interruptions": 1}),
        # It has only begun: it is counted when it ends.
        (replace(SAG, duration=None), {}),
    ],
)
def test_every_event_is_told_and_counted_once_it_has_ended(
    event: PowerEvent, counted: dict[str, int]
) -> None:
    meters = PowerMeters()
    told: list[tuple[str, PowerEvent]] = []
    meters.on_event = lambda meter_id, event: told.append((meter_id, event))
    source = S1Source("socket://127.0.0.1:1", meter_id="s1")
    meters.follow(source, MeterRole.CONNECTION_POINT)
    listen = source._listeners.on_event
    assert listen is not None
    listen(event)
    assert told == [("s1", event)]
    assert counts(meters) == counted


def counts(meters: PowerMeters) -> dict[str, int]:
    """What was counted at the meter, without zeros."""
    view = meters.view("s1")
    assert view is not None
    return {key: value for key, value in asdict(view.counts).items() if value}


def test_currents_that_run_the_other_way_round_than_P1_says() -> None:
    meters = PowerMeters()
    source = S1Source("socket://127.0.0.1:1", meter_id="s1")
    meters.follow(source, MeterRole.CONNECTION_POINT)
    wire = S1Port(state=flow(20.0, -20.0, 20.0)).wire
    analysis = S1Analysis("s1")
    (quality,) = analysis.take(wire.frames(2700), 1.0).qualities
    assert source._listeners.on_quality is not None
    for second in range(11):
        at = 100.0 + second
        source._listeners.on_quality(replace(quality, received=at))
        meters.compare(reading(20.0, 20.0, 20.0, at=at + 0.5))
        # Too old to be of the same moment, and its own reading: neither says anything.
        meters.compare(reading(20.0, -20.0, 20.0, at=at + 30.0))
        meters.compare(replace(reading(0.0, 0.0, 0.0, at=at), meter_id="s1"))
        assert bool(meters.findings("s1")) is (second >= 9)
    (finding,) = meters.findings("s1")
    assert finding.key == CURRENT_REVERSED
    assert "of L2 runs" in finding.text


def test_voltages_that_follow_each_other_the_wrong_way_are_said_once_it_is_sure() -> (
    None
):
    meters = PowerMeters()
    source = S1Source("socket://127.0.0.1:1", meter_id="s1")
    meters.follow(source, MeterRole.CONNECTION_POINT)
    (quality,) = S1Analysis("s1").take(S1Port().wire.frames(2700), 1.0).qualities
    listen = source._listeners.on_quality
    assert listen is not None
    said = []
    for second in range(60):
        turned = replace(quality, received=float(second), reversed_order=True)
        listen(turned)
        said.append([finding.text for finding in meters.findings("s1")])
    assert said[0] == []
    assert said[-1] == ["Its voltages follow each other in the order 132"]
    listen(replace(quality, received=61.0))
    assert meters.findings("s1") == ()


async def test_the_port_is_closed_and_counted_no_more() -> None:
    async with running() as bench:
        await until(lambda: bench.quality() is not None, 10.0)
        await bench.site.remove("s1")
        assert "s1" not in bench.site.view.meters
        await until(lambda: not bench.s1.wire.clients)
        assert await bench.meters.power.record("s1", 1.0) is None


def test_lost_frames_are_said_once_they_are_many() -> None:
    meters = PowerMeters()
    source = S1Source("socket://127.0.0.1:1", meter_id="s1")
    meters.follow(source, MeterRole.CONNECTION_POINT)
    wire = S1Port().wire
    (quality,) = S1Analysis("s1").take(wire.frames(2700), 1.0).qualities
    source._accepted = True
    listen = source._listeners.on_quality
    assert listen is not None
    for second in range(40):
        wire.damage = 500 if second >= 25 else 0
        source._analysis.take(wire.frames(2600), None)
        listen(replace(quality, received=float(second)))
        assert second > 24 or not meters.findings("s1")
    assert [finding.key for finding in meters.findings("s1")] == [FRAMES_LOST]
    assert "of the frames of the last minute" in meters.findings("s1")[0].text


async def test_lines_are_decided_on_together_and_not_with_every_block() -> None:
    meters = PowerMeters()
    source = S1Source("socket://127.0.0.1:1", meter_id="s1")
    meters.follow(source, MeterRole.CONNECTION_POINT)
    decided: list[int] = []
    meters.on_overload = lambda: decided.append(len(meters.overloads()))
    signal = source._listeners.on_overload
    assert signal is not None

    async def block(at: float, current: float, *, active: bool = True) -> None:
        for line in Line:
            signal(
                Overload(
                    at=at,
                    line=line,
                    active=active,
                    current=current,
                    threshold=FUSE,
                    power=None,
                    since=1.0,
                )
            )
        await asyncio.sleep(0)

    await block(1.0, 50.0)
    assert decided == [3]
    for step in range(3):
        await block(1.05 + 0.05 * step, 50.2)
    assert decided == [3]
    # It grows, it lasts, it ends: each is news.
    await block(1.19, 52.0)
    await block(1.24, 52.0)
    await block(1.40, 52.0)
    assert decided == [3, 3, 3]
    await block(1.45, 30.0, active=False)
    assert decided == [3, 3, 3, 0]
