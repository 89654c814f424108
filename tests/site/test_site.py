"""What a site does as a whole: one trial at a time, inputs kept, a station that fails."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
import time

import pytest

from custom_components.netflex.devices.device import DeviceConfig, MeterStatus
from custom_components.netflex.devices.silence import SilenceFacts
from custom_components.netflex.model.asset import AssetState, ChargerState, Direction
from custom_components.netflex.model.connection import (
    ConnectionPoint,
    GridType,
    LineValues,
)
from custom_components.netflex.model.orders import LocalStops
from custom_components.netflex.model.reading import MeterReading
from custom_components.netflex.site.commissioning import CommissioningRefusedError
from custom_components.netflex.site.commissioning_record import Check
from custom_components.netflex.site.config import MeterConfig, OutputConfig, SiteConfig
from custom_components.netflex.site.meters import SiteMeters
from custom_components.netflex.site.silence_test import SilenceRefusedError
from custom_components.netflex.site.site import Site, SitePorts
from custom_components.netflex.site.station_host import StationHost

from .fakes import FakeDevice, FakeMeter, until
from .test_outputs import PRODUCTION, output
from .test_silence import CHARGER, Alone


@dataclass
class Bench:
    """A site with a meter, a charger that a car charges at, and outputs."""

    site: Site
    host: StationHost
    charger: Alone
    outputs: dict[str, FakeDevice]
    saved: list[LocalStops] = field(default_factory=list)

    def problems(self) -> set[str]:
        return {problem.key for problem in self.site.view.problems}

    def ready(self) -> bool:
        """Whether the site is measured and the charger was told something."""
        plan = self.site.view.plan
        told = None if plan is None else plan.setpoints.get("charger")
        return plan is not None and plan.metered and told is not None


@asynccontextmanager
async def running(*outputs: OutputConfig) -> AsyncIterator[Bench]:
    charger, meter = Alone(SilenceFacts(after=60.0, fallback=6.0)), FakeMeter("hall")
    charger.state = replace(
        charger.state, charger_state=ChargerState.CHARGING, follows=True
    )
    made: dict[str, FakeDevice] = {}
    saved: list[LocalStops] = []

    def make_output(config: OutputConfig) -> FakeDevice:
        made[config.output.asset_id] = FakeDevice(config.output.asset_id)
        return made[config.output.asset_id]

    host = StationHost(None, make_output)
    site = Site(
        SiteConfig(
            site_id="site",
            name="Site",
            connection=ConnectionPoint(grid_type=GridType.STAR, main_fuse=63.0),
            meters=(
                MeterConfig(
                    meter_id="hall",
                    name="Hall meter",
                    device=DeviceConfig(device_id="hall", name="Hall meter"),
                ),
            ),
            devices=(DeviceConfig(device_id="charger", name="Charger", asset=CHARGER),),
            outputs=outputs,
        ),
        SitePorts(
            make_device=lambda _config: charger,
            meters=SiteMeters(lambda _config: meter),
            save_local_stops=saved.append,
        ),
        host,
    )
    await host.start()
    await site.start()
    meter.tell(MeterStatus(connected=True))
    meter.read(
        MeterReading(
            meter_id="hall",
            received=time.monotonic(),
            power=700.0,
            line_power=LineValues(l1=230.0, l2=230.0, l3=240.0),
            line_current=LineValues(l1=1.0, l2=1.0, l3=1.0),
            line_voltage=LineValues(l1=230.0, l2=230.0, l3=230.0),
        )
    )
    try:
        yield Bench(site, host, charger, made, saved)
    finally:
        await site.stop()
        await host.stop()


async def test_S10_nothing_is_commissioned_while_a_device_is_left_alone() -> None:
    async with running() as bench:
        await until(bench.ready)
        alone = asyncio.create_task(bench.site.test_silence("charger", 60.0))
        await until(lambda: bench.charger.silent)
        with pytest.raises(CommissioningRefusedError, match="a device is left alone"):
            bench.site.commissioning.start([("charger", Check.SOFTWARE_STOP)])
        alone.cancel()
        await asyncio.gather(alone, return_exceptions=True)
        assert not bench.charger.silent
        # Nothing was seen, so nothing is known of it.
        assert bench.site.fallbacks == {}


async def test_S10_no_device_is_left_alone_while_a_commissioning_runs() -> None:
    async with running() as bench:
        await until(bench.ready)
        bench.site.commissioning.start([("charger", Check.SOFTWARE_STOP)])
        with pytest.raises(SilenceRefusedError, match="a commissioning runs") as caught:
            await bench.site.test_silence("charger")
        assert caught.value.key == "running"
        await bench.site.commissioning.cancel()


async def test_S13_what_a_modules_input_holds_is_kept_for_the_next_start() -> None:
    async with running(output(input_stops=PRODUCTION)) as bench:
        relay = bench.outputs["contactor"]

        def says(*, closed: bool) -> None:
            relay.state = AssetState(
                asset_id="contactor",
                available=True,
                at=1.0,
                details={"stop_input": closed},
            )
            bench.host._thread.call(relay.on_state, relay.state)

        says(closed=False)
        await until(lambda: bench.site.view.local_stops.stopped(Direction.PRODUCTION))
        assert bench.saved[-1].holders(Direction.PRODUCTION) == {"input of Contactor"}
        says(closed=True)
        await until(
            lambda: not bench.site.view.local_stops.stopped(Direction.PRODUCTION)
        )
        assert not bench.saved[-1].stopped(Direction.PRODUCTION)


async def test_a_station_that_cannot_be_opened_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(_host: StationHost) -> None:
        raise RuntimeError("the certificate is gone")

    monkeypatch.setattr(StationHost, "listen", fail)
    async with running() as bench:
        await until(lambda: "station_failed" in bench.problems())
        (problem,) = (
            one for one in bench.site.view.problems if one.key == "station_failed"
        )
        assert problem.text == "the certificate is gone"
    assert "The station could not be opened" in caplog.text
