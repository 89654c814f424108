"""From the last byte of a P1 telegram on the wire to the plan that uses it.

The meter is a process of its own, so that it does not compete for the interpreter; both
ends read the machine's monotonic clock. The site decides for a charger, solar, a
battery and a switched load.
"""

import asyncio
from asyncio.subprocess import PIPE
from dataclasses import dataclass, field
import json
from statistics import median, quantiles
import sys
import time

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from custom_components.netflex.devices.device import DeviceConfig
from custom_components.netflex.metering.p1_reader import P1Source
from custom_components.netflex.model.connection import ConnectionPoint, GridType
from custom_components.netflex.model.plan import Plan
from custom_components.netflex.site.config import MeterConfig, SiteConfig
from custom_components.netflex.site.meters import SiteMeters
from custom_components.netflex.site.site import Site, SitePorts
from custom_components.netflex.site.station_host import StationHost
from tests.metering.recordings import FOLDER
from tests.site.bench import assets
from tests.site.fakes import FakeDevice

from . import p1_meter

pytestmark = [pytest.mark.usefixtures("socket_enabled"), pytest.mark.timeout(300)]

TELEGRAMS = 1000
ROUNDS = 3
INTERVAL = 0.02
P99_MS = 5.0
RECORDED = "be_emucs21_3ph_gas_water_ean_relays"


@dataclass(slots=True)
class Times:
    """ms from the last byte of each telegram to its plan, and until all know it.

    `told` is when every mailbox has its setpoint and the view its figures.
    """

    planned: list[float] = field(default_factory=list)
    told: list[float] = field(default_factory=list)


def make_site(source: P1Source) -> tuple[Site, SiteMeters]:
    meters = SiteMeters(lambda _config: source)
    site = Site(
        SiteConfig(
            site_id="site",
            name="Site",
            connection=ConnectionPoint(grid_type=GridType.STAR, main_fuse=40.0),
            meters=(MeterConfig(meter_id="meter", name="Meter", url="given"),),
            devices=tuple(
                DeviceConfig(device_id=key, name=asset.name, asset=asset)
                for key, asset in assets().items()
            ),
        ),
        SitePorts(
            make_device=lambda config: FakeDevice(config.device_id),
            meters=meters,
            save_local_stops=lambda _stops: None,
        ),
        StationHost(None, lambda config: FakeDevice(config.device.device_id)),
    )
    return site, meters


async def measure(count: int) -> Times:
    """Return the times of so many telegrams."""
    meter = await asyncio.create_subprocess_exec(
        sys.executable,
        p1_meter.__file__,
        str(FOLDER / f"{RECORDED}.txt"),
        str(count),
        str(INTERVAL),
        stdin=PIPE,
        stdout=PIPE,
    )
    assert meter.stdin is not None
    assert meter.stdout is not None
    port = int(await meter.stdout.readline())
    source = P1Source(f"socket://127.0.0.1:{port}", meter_id="meter")
    site, meters = make_site(source)
    plans: dict[int, tuple[float, float]] = {}
    carry_out = site._controller._carry_out

    def carried_out(plan: Plan) -> None:
        planned = time.monotonic()
        carry_out(plan)
        told = time.monotonic()
        if plan.metered and meters.site_reading(planned) is not None:
            plans.setdefault(source.status.good, (planned, told))

    site._controller._carry_out = carried_out
    # Entities are built from the view: that must not hold up the plan.
    site.subscribe(lambda _view: None, lambda _event: None)
    await site._host.start()
    await site.start()
    try:
        async with asyncio.timeout(120):
            sent = json.loads(await meter.stdout.readline())
            while source.status.good not in plans or source.status.good < count:
                await asyncio.sleep(0.01)
    finally:
        await site.stop()
        await site._host.stop()
        meter.stdin.close()
        await meter.wait()
    times = Times()
    for number, (planned, told) in sorted(plans.items()):
        times.planned.append(1000 * (planned - sent[number - 1]))
        times.told.append(1000 * (told - sent[number - 1]))
    return times


def p99(values: list[float]) -> float:
    return quantiles(values, n=100)[98]


def test_last_byte_to_plan(
    benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """The best of three rounds is kept: a busy machine adds to each, never takes away."""
    count = TELEGRAMS if benchmark.enabled else 10
    rounds: list[Times] = []
    benchmark.pedantic(
        lambda: rounds.append(asyncio.run(measure(count))),
        rounds=ROUNDS if benchmark.enabled else 1,
        iterations=1,
    )
    for times in rounds:
        # Two telegrams share a plan only where the machine stood still between them.
        assert len(times.planned) >= 0.9 * count
    # The first telegrams find the site still starting.
    planned = min((times.planned[count // 10 :] for times in rounds), key=p99)
    told = min((times.told[count // 10 :] for times in rounds), key=p99)
    benchmark.extra_info["median_ms"] = round(median(planned), 2)
    benchmark.extra_info["p99_ms"] = round(p99(planned), 2)
    benchmark.extra_info["told_median_ms"] = round(median(told), 2)
    benchmark.extra_info["told_p99_ms"] = round(p99(told), 2)
    with capsys.disabled():
        sys.stdout.write(
            f"\nlast byte to plan: median {median(planned):.2f} ms, p99 "
            f"{p99(planned):.2f} ms; until all know it {median(told):.2f} ms, "
            f"{p99(told):.2f} ms\n"
        )
    if benchmark.enabled:
        assert benchmark.extra_info["p99_ms"] <= P99_MS
