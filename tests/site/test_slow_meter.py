"""A smart meter that sends every ten seconds, on the way into the decision."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from custom_components.netflex.devices.device import DeviceConfig
from custom_components.netflex.model.asset import (
    Asset,
    AssetState,
    Category,
    ChargerState,
    Nature,
)
from custom_components.netflex.model.connection import (
    ConnectionPoint,
    GridType,
    LineValues,
)
from custom_components.netflex.model.plan import Plan
from custom_components.netflex.model.reading import MeterReading
from custom_components.netflex.site.config import MeterConfig, SiteConfig
from custom_components.netflex.site.meters import SiteMeters
from custom_components.netflex.site.site import Site, SitePorts
from custom_components.netflex.site.station_host import StationHost

from .fakes import FakeDevice, FakeMeter

SAFE = 6.0
CHARGER = Asset(
    id="charger",
    name="Charger",
    nature=Nature.CHARGER,
    category=Category.EV,
    rated_consumption=22_000.0,
    phases=3,
    maximum_current=32.0,
    safe_current=SAFE,
)


@dataclass(slots=True)
class SlowSite:
    """A site with one charger, on a clock that the test turns."""

    now: float = 1000.0
    house: float = 5.0
    """A on every line."""
    meter: FakeMeter = field(default_factory=lambda: FakeMeter("meter"))
    device: FakeDevice = field(default_factory=lambda: FakeDevice("charger"))
    site: Site = field(init=False)

    def __post_init__(self) -> None:
        clock = self.clock
        self.site = Site(
            SiteConfig(
                site_id="site",
                name="Site",
                connection=ConnectionPoint(grid_type=GridType.STAR, main_fuse=40.0),
                meters=(MeterConfig(meter_id="meter", name="Meter", url="given"),),
                devices=(
                    DeviceConfig(device_id="charger", name="Charger", asset=CHARGER),
                ),
            ),
            SitePorts(
                make_device=lambda _config: self.device,
                meters=SiteMeters(lambda _config: self.meter, monotonic=clock),
                save_local_stops=lambda _stops: None,
                monotonic=clock,
            ),
            StationHost(None, lambda config: FakeDevice(config.device.device_id)),
        )

    def clock(self) -> float:
        return self.now

    def decide(self) -> Plan:
        self.device.state = AssetState(
            asset_id="charger",
            available=True,
            at=self.now,
            charger_state=ChargerState.CHARGING,
            power=10.0 * 690.0,
            currents=LineValues(l1=10.0, l2=10.0, l3=10.0),
        )
        self.site._controller.decide()
        plan = self.site._controller.plan
        assert plan is not None
        return plan

    def send(self) -> None:
        current = self.house + 10.0
        self.meter.read(
            MeterReading(
                meter_id="meter",
                received=self.now,
                grid_type=GridType.STAR,
                power=current * 690.0,
                line_current=LineValues(l1=current, l2=current, l3=current),
            )
        )

    def run(self, seconds: int, period: int | None) -> list[Plan]:
        """Decide every second, with a reading every so many."""
        plans = []
        for second in range(seconds):
            if period is not None and second % period == 0:
                self.send()
            plans.append(self.decide())
            self.now += 1.0
        return plans


@pytest.fixture
async def slow() -> AsyncIterator[SlowSite]:
    bench = SlowSite()
    await bench.site._host.start()
    await bench.site.start()
    yield bench
    await bench.site.stop()
    await bench.site._host.stop()


async def test_it_is_relied_on_between_its_telegrams(slow: SlowSite) -> None:
    learning = slow.run(40, 10)
    # Until the rhythm is known, silence counts as loss.
    assert not all(plan.metered for plan in learning)
    assert all(plan.metered for plan in slow.run(120, 10))


async def test_its_silence_is_acted_on_in_time(slow: SlowSite) -> None:
    slow.run(60, 10)
    plans = slow.run(60, None)
    currents = [plan.setpoints["charger"].value for plan in plans]
    # The last reading is 10 s old when this begins.
    assert [plan.metered for plan in plans].index(False) == 22 - 10 + 1
    # No limit rises on old data, and the safe current follows 5 s after the loss.
    assert all(after <= before for before, after in pairwise(currents))
    assert currents[22 - 10 + 1 + 5] <= SAFE


async def test_a_fast_meter_is_lost_after_five_seconds_as_ever(slow: SlowSite) -> None:
    slow.run(60, 1)
    plans = slow.run(20, None)
    assert [plan.metered for plan in plans].index(False) == 5
