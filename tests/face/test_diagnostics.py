"""Diagnostics tell everything but who it is about."""

from dataclasses import replace
import json

from homeassistant.components.system_health import DOMAIN as SYSTEM_HEALTH
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    get_system_health_info,
)

from custom_components.netflex.const import DOMAIN
from custom_components.netflex.diagnostics import (
    async_get_config_entry_diagnostics,
    async_get_device_diagnostics,
    redacted,
)
from custom_components.netflex.iec104 import Direction
from custom_components.netflex.site.view import SiteProblem, SiteView
from custom_components.netflex.telecontrol.wire_trace import WireEntry

from . import sites
from .fakes import NOW, FakeSite, full_view
from .translations import ENGLISH


@pytest.fixture
def view() -> SiteView:
    shown = full_view()
    return replace(
        shown,
        link=replace(shown.link, last_refused_client="2001:db8::7"),
        problems=(
            SiteProblem(
                key="new_client",
                subject="2001:db8::7",
                text="2001:db8::7 and 192.0.2.99 tried; socket://10.0.0.1:8088 is open",
            ),
        ),
    )


async def test_nothing_identifies_a_site(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry
) -> None:
    diagnostics = await async_get_config_entry_diagnostics(hass, entry)
    text = json.dumps(diagnostics)

    for secret in ("192.0.2.", "2001:db8", "10.0.0.1", "127.0.0.1", "Bakery"):
        assert secret not in text
    # It is still of use.
    assert diagnostics["entry"]["data"]["main_fuse"] == 63
    assert diagnostics["entry"]["data"]["allowed_clients"] == "**REDACTED**"
    subentry = diagnostics["entry"]["subentries"][sites.CHARGER_ID]
    assert subentry["type"] == "charger"
    assert subentry["data"]["profile"] == "alfen_ng9xx"
    view = diagnostics["view"]
    assert view["orders"]["maxsetp"]["value"] == 50
    assert view["plan"]["limits"][0]["source"] == "grid_operator"
    assert view["meters"][sites.METER_ID]["reading"]["line_current"]["l1"] == 2.31
    assert view["problems"][0]["key"] == "new_client"
    assert view["states"][sites.CHARGER_ID]["charger_state"] == "charging"


async def test_options_and_the_wire_are_in_it_without_addresses(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry
) -> None:
    hass.config_entries.async_update_entry(
        entry,
        options={
            "version": 1,
            "tls": {
                "enabled": False,
                "certificate": "own.pem",
                "key": "own.key",
                "authorities": "ca.pem",
                "peer_names": ["rtu.example"],
            },
        },
    )
    entry.runtime_data.wire = (
        WireEntry(at=NOW, connection=3, direction=Direction.SENT, text="U STARTDT_CON"),
        WireEntry(at=NOW, connection=None, direction=None, text="refused 192.0.2.99"),
    )

    diagnostics = await async_get_config_entry_diagnostics(hass, entry)

    assert diagnostics["wire_log"] == [
        {
            "at": "2026-11-22T12:00:00+00:00",
            "connection": 3,
            "direction": "sent",
            "text": "U STARTDT_CON",
        },
        {
            "at": "2026-11-22T12:00:00+00:00",
            "connection": None,
            "direction": None,
            "text": "refused **REDACTED**",
        },
    ]
    assert diagnostics["entry"]["options"]["tls"]["certificate"] == "own.pem"
    assert "rtu.example" not in json.dumps(diagnostics)


async def test_diagnostics_of_one_device(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry
) -> None:
    registry = dr.async_get(hass)
    device = registry.async_get_device_by_identifier(
        (DOMAIN, sites.CHARGER_ID), entry.entry_id
    )
    assert device is not None

    diagnostics = await async_get_device_diagnostics(hass, entry, device)

    assert diagnostics["type"] == "charger"
    assert diagnostics["data"]["host"] == "**REDACTED**"
    assert diagnostics["state"]["power"] == 4140.2
    assert diagnostics["setpoint"]["kind"] == "current"
    assert diagnostics["meter"] is None
    json.dumps(diagnostics)


async def test_diagnostics_of_the_sites_own_device_are_the_sites(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry
) -> None:
    device = dr.async_get(hass).async_get_device_by_identifier(
        (DOMAIN, entry.entry_id), entry.entry_id
    )
    assert device is not None

    assert await async_get_device_diagnostics(
        hass, entry, device
    ) == await async_get_config_entry_diagnostics(hass, entry)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at 192.168.1.20:502 now", "at **REDACTED**:502 now"),
        ("from fe80::1 again", "from **REDACTED** again"),
        ("socket://p1.local:8088 is shut", "**REDACTED** is shut"),
        ("firmware 6.4.0-4210 at 12:30:05", "firmware 6.4.0-4210 at 12:30:05"),
        ("version 1.2.3", "version 1.2.3"),
    ],
)
def test_addresses_inside_sentences_are_left_out(text: str, shown: str) -> None:
    assert redacted({"text": text}) == {"text": shown}


async def test_system_health(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry
) -> None:
    assert await async_setup_component(hass, SYSTEM_HEALTH, {})
    await hass.async_block_till_done()

    info = await get_system_health_info(hass, DOMAIN)

    assert info == {
        "sites": 1,
        "stations_listening": 1,
        "operators_connected": 1,
        "assets": 6,
        "assets_answering": 6,
        "problems": 1,
        "loop_lag": "0.00 s",
    }
    assert set(info) == set(ENGLISH["system_health"]["info"])
