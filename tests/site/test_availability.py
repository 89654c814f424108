"""What the log says of a device that goes and comes."""

from dataclasses import replace

import pytest

from custom_components.netflex.devices.device import DeviceConfig, MeterStatus
from custom_components.netflex.model.asset import Asset, AssetState, Category, Nature
from custom_components.netflex.model.connection import ConnectionPoint, GridType
from custom_components.netflex.site.availability import AvailabilityLog
from custom_components.netflex.site.config import MeterConfig, SiteConfig
from custom_components.netflex.site.meters import SiteMeters
from custom_components.netflex.site.site import Site, SitePorts
from custom_components.netflex.site.station_host import StationHost

from .fakes import FakeDevice, FakeMeter

LOGGER = "custom_components.netflex.site.availability"


def messages(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [
        (record.levelname, record.getMessage())
        for record in caplog.records
        if record.name == LOGGER
    ]


def test_a_device_is_logged_once_lost_and_once_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", LOGGER)
    log = AvailabilityLog("Charger")
    log.take(available=False, problem=None)
    log.take(available=True, problem=None)
    assert messages(caplog) == []
    for problem in ("no answer in time", "no answer in time", "connection refused"):
        log.take(available=False, problem=problem)
    assert messages(caplog) == [
        ("WARNING", "Charger does not answer: no answer in time")
    ]
    log.take(available=True, problem=None)
    log.take(available=True, problem=None)
    assert messages(caplog)[1:] == [("INFO", "Charger answers again")]
    log.take(available=False, problem=None)
    assert messages(caplog)[2:] == [
        ("WARNING", "Charger does not answer: no reason is known")
    ]


def test_a_device_that_never_answered_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = AvailabilityLog("Charger")
    log.take(available=False, problem="connection refused")
    log.take(available=False, problem="connection refused")
    assert messages(caplog) == [
        ("WARNING", "Charger does not answer: connection refused")
    ]


async def test_a_port_is_logged_by_its_meters_name_whatever_it_says_next(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", LOGGER)
    meter = FakeMeter("hall")
    meters = SiteMeters(lambda _config: meter)
    await meters.add(
        MeterConfig(meter_id="hall", name="Hall meter", url="socket://127.0.0.1:1")
    )
    for connected, problem in (
        (True, None),
        (False, "The port is gone"),
        # It can be opened again, and says nothing.
        (True, "The port is gone"),
        (True, "The meter has fallen silent"),
        (False, "The port is gone"),
        (True, None),
    ):
        meter.tell(replace(MeterStatus(), connected=connected, problem=problem))
    await meters.stop()
    assert messages(caplog) == [
        ("WARNING", "Hall meter does not answer: The port is gone"),
        ("INFO", "Hall meter answers again"),
    ]


async def test_a_site_logs_devices_that_are_only_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nothing is written to either: neither a failed write nor a repair is needed."""
    caplog.set_level("INFO", LOGGER)
    asset = Asset(
        id="roof",
        name="Roof",
        nature=Nature.INVERTER,
        category=Category.SOLAR,
        rated_production=5000.0,
    )
    device, meter = FakeDevice("roof"), FakeMeter("hall")
    host = StationHost(None, lambda config: FakeDevice(config.device.device_id))
    site = Site(
        SiteConfig(
            site_id="site",
            name="Site",
            connection=ConnectionPoint(grid_type=GridType.STAR, main_fuse=40.0),
            meters=(
                MeterConfig(
                    meter_id="hall",
                    name="Hall meter",
                    device=DeviceConfig(device_id="hall", name="Hall meter"),
                ),
            ),
            devices=(DeviceConfig(device_id="roof", name="Roof", asset=asset),),
        ),
        SitePorts(
            make_device=lambda _config: device,
            meters=SiteMeters(lambda _config: meter),
            save_local_stops=lambda _stops: None,
        ),
        host,
    )
    await host.start()
    await site.start()
    try:
        for available in (True, False, False, True):
            problem = None if available else "no answer in time"
            device.state = AssetState(
                asset_id="roof", available=available, problem=problem
            )
            device.on_state(device.state)
            meter.tell(replace(MeterStatus(), connected=available, problem=problem))
    finally:
        await site.stop()
        await host.stop()
    assert messages(caplog) == [
        ("WARNING", "Roof does not answer: no answer in time"),
        ("WARNING", "Hall meter does not answer: no answer in time"),
        ("INFO", "Roof answers again"),
        ("INFO", "Hall meter answers again"),
    ]
