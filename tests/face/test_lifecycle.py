"""Setting up, unloading and refusing an entry, where something is in the way."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from unittest.mock import patch

from homeassistant.config_entries import ConfigEntryDisabler, ConfigEntryState
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import Context, CoreState, HomeAssistant
from homeassistant.exceptions import Unauthorized
from homeassistant.helpers import issue_registry as ir
from modbus_connection import ModbusSerialParams, ModbusTcpParams
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser

from custom_components.netflex.const import DOMAIN
from custom_components.netflex.devices.device import DeviceError
from custom_components.netflex.devices.ports import LinkParams, Transport
from custom_components.netflex.devices.yaml_nodes import ProfileError
from custom_components.netflex.frontend import economy_feed
from custom_components.netflex.links import Entities, modbus_params
from custom_components.netflex.metering.dlms_reader import DlmsSource
from custom_components.netflex.metering.p1_reader import P1Source
from custom_components.netflex.metering.p1_shared import SharedP1Source
from custom_components.netflex.runtime import async_close_parked
from custom_components.netflex.site.config import DlmsConfig, MeterConfig, ShareConfig
from custom_components.netflex.site_quality import SiteQuality
from custom_components.netflex.telecontrol.order_store import (
    OrderStoreError,
    StoreInUseError,
)
from custom_components.netflex.telecontrol_options import OptionsError

from . import sites
from .fakes import FakeSite

START = "custom_components.netflex.lifecycle.NetflexRuntime.async_start"


@pytest.fixture
async def bare(hass: HomeAssistant) -> AsyncGenerator[MockConfigEntry]:
    """The entry of a site without telecontrol, meters and assets."""
    entry = sites.site_entry(data={"telecontrol": False}, complete=False)
    entry.add_to_hass(hass)
    yield entry
    await async_close_parked(hass, entry.entry_id)


@pytest.mark.parametrize(("version", "minor"), [(2, 1), (1, 2)])
async def test_an_entry_of_a_newer_version_is_refused_and_not_guessed(
    hass: HomeAssistant,
    caplog: pytest.LogCaptureFixture,
    version: int,
    minor: int,
) -> None:
    entry = MockConfigEntry(
        domain=DOMAIN,
        title="Bakery",
        data=sites.SITE_DATA,
        version=version,
        minor_version=minor,
    )
    entry.add_to_hass(hass)
    assert not await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.MIGRATION_ERROR
    # Of another major version Home Assistant itself says it.
    assert f"newer version ({version}.{minor})" in caplog.text or version > 1


@pytest.mark.parametrize(
    ("fault", "key"),
    [
        (ProfileError("a.yaml", 3, "vendor", "is missing"), "profile_error"),
        (OptionsError("port 0"), "options_error"),
        (OrderStoreError("the disk is full"), "order_store_error"),
    ],
)
async def test_what_keeps_a_site_from_starting_is_told_in_the_users_words(
    hass: HomeAssistant, bare: MockConfigEntry, fault: Exception, key: str
) -> None:
    with patch(START, side_effect=fault):
        assert not await hass.config_entries.async_setup(bare.entry_id)
    assert bare.state is ConfigEntryState.SETUP_ERROR
    assert bare.error_reason_translation_key == key
    assert str(fault) in (bare.reason or "")


@pytest.mark.parametrize(
    "fault", [PermissionError("not mounted yet"), StoreInUseError("held by another")]
)
async def test_files_that_may_be_usable_later_are_tried_again(
    hass: HomeAssistant, bare: MockConfigEntry, fault: Exception
) -> None:
    with patch(START, side_effect=fault):
        assert not await hass.config_entries.async_setup(bare.entry_id)
    assert bare.state is ConfigEntryState.SETUP_RETRY
    assert bare.error_reason_translation_key == "files_not_usable"
    assert str(fault) in (bare.reason or "")


async def test_a_platform_that_stays_keeps_the_site_running(
    hass: HomeAssistant, bare: MockConfigEntry
) -> None:
    assert await hass.config_entries.async_setup(bare.entry_id)
    await hass.async_block_till_done()
    unload = "homeassistant.config_entries.ConfigEntries.async_unload_platforms"
    with patch(unload, return_value=False):
        assert not await hass.config_entries.async_unload(bare.entry_id)
    assert bare.state is ConfigEntryState.FAILED_UNLOAD
    assert not bare.runtime_data.journal._closing
    await bare.runtime_data.async_stop(park=False)


async def test_stopping_home_assistant_closes_the_site(
    hass: HomeAssistant, bare: MockConfigEntry
) -> None:
    assert await hass.config_entries.async_setup(bare.entry_id)
    await hass.async_block_till_done()
    journal = bare.runtime_data.journal
    hass.set_state(CoreState.stopping)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    await hass.async_block_till_done()
    assert journal._closing


async def test_a_site_that_is_disabled_is_closed_at_once_and_has_no_problems(
    hass: HomeAssistant, bare: MockConfigEntry
) -> None:
    assert await hass.config_entries.async_setup(bare.entry_id)
    await hass.async_block_till_done()
    journal = bare.runtime_data.journal
    await hass.config_entries.async_set_disabled_by(
        bare.entry_id, ConfigEntryDisabler.USER
    )
    await hass.async_block_till_done()
    assert bare.state is ConfigEntryState.NOT_LOADED
    assert journal._closing
    assert not [
        issue for issue in ir.async_get(hass).issues.values() if issue.domain == DOMAIN
    ]


async def test_only_an_administrator_rehearses_with_the_button(
    hass: HomeAssistant, site: FakeSite
) -> None:
    user = MockUser().add_to_hass(hass)
    user.mock_policy({"entities": True})
    rehearse = "custom_components.netflex.button.async_rehearse"
    press = {"entity_id": "button.bakery_rehearse_in_shadow"}
    with patch(rehearse) as rehearsed:
        with pytest.raises(Unauthorized):
            await hass.services.async_call(
                "button", "press", press, blocking=True, context=Context(user.id)
            )
        rehearsed.assert_not_called()
        await hass.services.async_call("button", "press", press, blocking=True)
        rehearsed.assert_called_once()


def test_links_as_the_shared_connections_name_them() -> None:
    tcp = LinkParams(host="192.0.2.1", port=503)
    assert modbus_params(tcp) == ModbusTcpParams(host="192.0.2.1", port=503)
    for host, device in (
        ("192.0.2.1", "socket://192.0.2.1:26"),
        ("2001:db8::1", "socket://[2001:db8::1]:26"),
    ):
        tunnel = LinkParams(host=host, port=26, transport=Transport.RTU_OVER_TCP)
        found = modbus_params(tunnel)
        assert isinstance(found, ModbusSerialParams)
        assert (found.device, found.framer) == (device, "rtu")
    serial = LinkParams(host="/dev/ttyUSB0", transport=Transport.SERIAL, baudrate=9600)
    found = modbus_params(serial)
    assert isinstance(found, ModbusSerialParams)
    assert (found.device, found.baudrate) == ("/dev/ttyUSB0", 9600)


async def test_an_entity_that_is_gone_is_driven_by_nobody(hass: HomeAssistant) -> None:
    entities, gone = Entities(hass), "0123456789abcdef0123456789abcdef"
    with patch("homeassistant.core.ServiceRegistry.async_call") as called:
        await entities.set_number(gone, 1.0)
        await entities.set_option(gone, "eco")
        await entities.set_switch(gone, True)
    called.assert_not_called()
    assert entities.read(gone) is None


async def test_a_start_that_fails_half_way_leaves_nothing_running(
    hass: HomeAssistant, bare: MockConfigEntry
) -> None:
    started = []
    real = SiteQuality.async_start

    async def fail(quality: SiteQuality) -> None:
        await real(quality)
        started.append(quality)
        raise OptionsError("too late")

    with patch.object(SiteQuality, "async_start", fail):
        assert not await hass.config_entries.async_setup(bare.entry_id)
    assert bare.state is ConfigEntryState.SETUP_ERROR
    assert started[0]._unsubscribe == []
    assert "netflex" not in " ".join(task.get_name() for task in asyncio.all_tasks())


async def test_each_kind_of_meter_is_read_its_own_way(
    hass: HomeAssistant, bare: MockConfigEntry
) -> None:
    assert await hass.config_entries.async_setup(bare.entry_id)
    make = bare.runtime_data._make_meter
    meter = MeterConfig(meter_id="hall", name="Hall", url="socket://127.0.0.1:1")
    share = ShareConfig(port=0, allowed=("127.0.0.1",))
    assert isinstance(make(meter), P1Source)
    assert isinstance(make(replace(meter, dlms=DlmsConfig())), DlmsSource)
    assert isinstance(make(replace(meter, share=share)), SharedP1Source)
    with pytest.raises(DeviceError, match="neither port nor profile"):
        make(replace(meter, url=None))
    await hass.config_entries.async_unload(bare.entry_id)


def test_prices_that_nobody_gives_are_an_empty_series() -> None:
    assert economy_feed._series(None) == []
