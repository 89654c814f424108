"""Devices that announce themselves: when they are offered, to whom, and followed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address
import json
import time
from types import MappingProxyType
from typing import Any
from unittest.mock import AsyncMock, patch

from homeassistant.components.usb.models import USBDevice
from homeassistant.components.usb.utils import usb_device_matches_matcher
from homeassistant.config_entries import (
    SOURCE_DHCP,
    SOURCE_IGNORE,
    SOURCE_USB,
    SOURCE_ZEROCONF,
    ConfigSubentry,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.service_info.dhcp import DhcpServiceInfo
from homeassistant.helpers.service_info.usb import UsbServiceInfo
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.netflex.const import DOMAIN
from custom_components.netflex.devices.device import DeviceConfig, ProbeResult
from custom_components.netflex.devices.profile_loader import ProfileLibrary
from custom_components.netflex.entry_data import SubentryType
from custom_components.netflex.flows.announced import BY_HARDWARE, BY_SERVICE
from custom_components.netflex.metering.p1_objects import Telegram
from custom_components.netflex.model.asset import AssetState
from custom_components.netflex.simulation.modbus import ModbusWire
from custom_components.netflex.simulation.profiled import SimulatedDevice

from . import sites
from .fakes import FakeSite
from .test_config_flow import SITE, submit, suggested
from .translations import ENGLISH, INTEGRATION, assert_result_is_translated

ASK = "custom_components.netflex.flows.discovery.async_test_device"
FORM_ASKS = "custom_components.netflex.flows.subentry.async_test_device"
LISTEN = "custom_components.netflex.flows.discovery.async_test_p1"
BY_ID = "custom_components.netflex.flows.discovery.get_serial_by_id"
MANIFEST: dict[str, Any] = json.loads((INTEGRATION / "manifest.json").read_text())
SERIAL = "ACE0123456"
OLD, NEW = "192.0.2.30", "192.0.2.31"
PATH = "/dev/serial/by-id/usb-FTDI_P1_Converter_Cable_P1XZ6U1M-if00-port0"


@pytest.fixture
def entry() -> MockConfigEntry:
    """A site with the charger of this serial number, and nothing else."""
    return site_with(charger(SERIAL))


@pytest.fixture(autouse=True)
def _platforms(no_entities: None, faked: Any) -> None:
    """No entities are looked at."""


def charger(serial: str | None, **changes: Any) -> ConfigSubentry:
    params = {"socket": 1} | ({} if serial is None else {"serial": serial})
    data = {**sites.CHARGER, "params": params} | changes
    return sites.subentry("charger", sites.CHARGER_ID, "Charger", data)


def site_with(*subentries: ConfigSubentry, title: str = "Bakery") -> MockConfigEntry:
    entry = sites.site_entry(complete=False)
    return MockConfigEntry(
        domain=DOMAIN,
        title=title,
        data=dict(entry.data) | {"name": title},
        version=entry.version,
        minor_version=entry.minor_version,
        subentries_data=[
            {
                "data": dict(item.data),
                "subentry_id": item.subentry_id,
                "subentry_type": item.subentry_type,
                "title": item.title,
                "unique_id": item.unique_id,
            }
            for item in subentries
        ],
    )


@contextmanager
def answers(
    serial: str | None = SERIAL,
    *,
    only: str | None = None,
    values: Mapping[str, float] = MappingProxyType({}),
) -> Iterator[AsyncMock]:
    """Have the device answer as any of its profiles, or as one only."""

    async def ask(_hass: HomeAssistant, config: DeviceConfig) -> Any:
        if only not in {None, config.profile} or config.asset is None:
            return None, "wrong_device", "another device answers"
        return (
            ProbeResult(
                nature=config.asset.nature,
                serial=serial,
                model="X1",
                values=values,
            ),
            None,
            "",
        )

    with patch(ASK, AsyncMock(side_effect=ask)) as asked:
        yield asked


def mdns(
    host: str = NEW, *, kind: str = "_alfen._tcp.local.", name: str = "alf_1"
) -> ZeroconfServiceInfo:
    address = ip_address(host)
    return ZeroconfServiceInfo(
        ip_address=address,
        ip_addresses=[address],
        port=1502,
        hostname=f"{name}.local.",
        type=kind,
        name=f"{name}.{kind}",
        properties={},
    )


def dhcp(host: str = NEW, mac: str = "0015bb000001") -> DhcpServiceInfo:
    return DhcpServiceInfo(ip=host, hostname="sma1", macaddress=mac)


CABLE = UsbServiceInfo(
    device="/dev/ttyUSB0",
    vid="0403",
    pid="6001",
    serial_number="P1XZ6U1M",
    manufacturer="FTDI",
    description="P1 Converter Cable",
)
SOURCES = {
    ZeroconfServiceInfo: SOURCE_ZEROCONF,
    DhcpServiceInfo: SOURCE_DHCP,
    UsbServiceInfo: SOURCE_USB,
}


async def announce(hass: HomeAssistant, info: Any) -> Any:
    result = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCES[type(info)]}, data=info
    )
    await hass.async_block_till_done()
    assert_result_is_translated(result)
    return result


async def is_left_alone(hass: HomeAssistant, info: Any, reason: str) -> None:
    result = await announce(hass, info)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == reason
    assert not hass.config_entries.flow.async_progress()


async def next_form(hass: HomeAssistant, result: Any) -> Any:
    """Return the form of a subentry to which a flow hands over, as a browser does."""
    kind, flow_id = result["next_flow"]
    assert kind == "config_subentries_flow"
    return await hass.config_entries.subentries.async_configure(flow_id)


def only(entry: MockConfigEntry) -> ConfigSubentry:
    (item,) = entry.subentries.values()
    return item


# ------------------------------------------------------------------------ what is offered


async def test_a_new_device_goes_on_in_its_own_form(
    hass: HomeAssistant, hass_client: ClientSessionGenerator
) -> None:
    entry = site_with()
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    with answers() as asked:
        result = await announce(hass, mdns())
    assert result["step_id"] == "discovered"
    assert asked.await_args.args[1].link.port == 502
    assert result["description_placeholders"]["sites"] == "Bakery"

    assert await async_setup_component(hass, "config", {})
    # Over HTTP, because the dialog in the browser takes the site from the answer.
    client = await hass_client()
    answer = await client.post(
        f"/api/config/config_entries/flow/{result['flow_id']}", json={}
    )
    handed = await answer.json()
    assert handed["reason"] == "goes_on"
    assert handed["result"]["entry_id"] == entry.entry_id
    assert handed["result"]["domain"] == DOMAIN
    form = await next_form(hass, handed)
    assert form["step_id"] == "device"

    shown = suggested(form["data_schema"].schema)
    assert (shown["name"], shown["host"]) == ("Alfen X1", NEW)
    with patch(FORM_ASKS, AsyncMock(return_value=(None, None, ""))):
        form = await hass.config_entries.subentries.async_configure(
            form["flow_id"],
            {
                "name": "Charger",
                "host": NEW,
                "port": 502,
                "socket": "1",
                "more": {"transport": "tcp"},
            },
        )
    assert form["step_id"] == "asset"


async def test_which_site_and_what_it_is_there(hass: HomeAssistant) -> None:
    first, second = site_with(), site_with(title="Mill")
    first.add_to_hass(hass)
    second.add_to_hass(hass)
    with answers(None, values={"soc": 55.0}):
        result = await announce(hass, dhcp())
    assert {str(key) for key in result["data_schema"].schema} == {"site", "kind"}
    result = await submit(
        hass, result, {"site": second.entry_id, "kind": SubentryType.BATTERY}
    )
    form = await next_form(hass, result)
    assert form["handler"] == (second.entry_id, "battery")
    assert suggested(form["data_schema"].schema)["host"] == NEW


async def test_an_inverter_without_battery_is_only_an_inverter(
    hass: HomeAssistant,
) -> None:
    site_with().add_to_hass(hass)
    with answers(None):
        result = await announce(hass, dhcp())
    assert result["data_schema"].schema == {}


async def test_without_a_site_one_is_set_up_first(hass: HomeAssistant) -> None:
    with answers():
        result = await announce(hass, mdns())
    assert result["step_id"] == "first_site"
    result = await submit(hass, result, {"next_step_id": "site"})
    result = await submit(hass, result, {**SITE, "telecontrol": False})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    # The identity is the device's: a second site may be found the same way.
    assert result["result"].unique_id is None
    assert (await next_form(hass, result))["step_id"] == "device"


async def test_the_last_site_is_removed_meanwhile(hass: HomeAssistant) -> None:
    entry = site_with()
    entry.add_to_hass(hass)
    with answers():
        result = await announce(hass, mdns())
    await hass.config_entries.async_remove(entry.entry_id)
    result = await submit(hass, result, {})
    assert result["step_id"] == "first_site"


async def test_a_solaredge_tells_its_port(hass: HomeAssistant) -> None:
    site_with().add_to_hass(hass)
    with answers(only="solaredge_inverter") as asked:
        result = await announce(hass, mdns(kind="_solaredge-modbus._tcp.local."))
    assert result["step_id"] == "discovered"
    assert {call.args[1].link.port for call in asked.await_args_list} == {1502}


# -------------------------------------------------------------------- what is left alone


async def test_what_does_not_answer_is_not_offered(hass: HomeAssistant) -> None:
    site_with().add_to_hass(hass)
    with answers(only="none"):
        await is_left_alone(hass, dhcp(), "no_modbus")


@pytest.mark.parametrize("host", [NEW, "ALF_1", "alf_1.lan", "alf_1.local"])
async def test_what_a_site_reaches_there_is_not_asked(
    hass: HomeAssistant, host: str
) -> None:
    site_with(charger(None, host=host)).add_to_hass(hass)
    with answers() as asked:
        await is_left_alone(hass, mdns(), "already_configured")
    asked.assert_not_awaited()


async def test_what_is_driven_through_its_own_integration(hass: HomeAssistant) -> None:
    other = MockConfigEntry(domain="peblar", data={"host": NEW})
    other.add_to_hass(hass)
    number = er.async_get(hass).async_get_or_create(
        "number", "peblar", "limit", config_entry=other
    )
    data = {**sites.ENTITY_CHARGER, "control_entity": number.id}
    wallbox = sites.subentry("charger", sites.WALLBOX_ID, "Wallbox", data)
    site_with(wallbox).add_to_hass(hass)
    with answers() as asked:
        await is_left_alone(
            hass, mdns(kind="_http._tcp.local.", name="pblr-1"), "already_configured"
        )
    asked.assert_not_awaited()


async def test_what_was_ignored_stays_so(hass: HomeAssistant) -> None:
    MockConfigEntry(
        domain=DOMAIN, source=SOURCE_IGNORE, unique_id=f"alfen_ng9xx_{SERIAL}"
    ).add_to_hass(hass)
    with answers():
        await is_left_alone(hass, mdns(), "already_configured")


async def test_one_device_is_offered_once(hass: HomeAssistant) -> None:
    site_with().add_to_hass(hass)
    with answers():
        assert (await announce(hass, mdns()))["type"] is FlowResultType.FORM
        again = await announce(hass, mdns("192.0.2.32"))
    assert again["reason"] == "already_in_progress"


# ----------------------------------------------------------------- what has a new address


async def test_a_known_device_is_followed(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry
) -> None:
    runtime = entry.runtime_data
    site.show(states={})
    runtime.coordinator.data = site.view
    with answers():
        await is_left_alone(hass, mdns(), "already_configured")
    assert only(entry).data["host"] == NEW
    assert only(entry).data["max_current"] == 32.0
    # The running site has taken the change up; it was not set up again.
    assert entry.runtime_data is runtime
    assert runtime.changes == 1


async def test_a_device_that_answers_is_not_moved(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry
) -> None:
    site.show(
        states={sites.CHARGER_ID: AssetState(asset_id=sites.CHARGER_ID, available=True)}
    )
    entry.runtime_data.coordinator.data = site.view
    with answers():
        await is_left_alone(hass, mdns(), "already_configured")
    assert only(entry).data["host"] == OLD


@pytest.mark.parametrize(
    "changes",
    [{"host": "charger.lan"}, {"port": 5020}, {"transport": "rtu_over_tcp"}],
    ids=["by name", "another port", "behind a gateway"],
)
async def test_what_is_not_reached_by_its_own_address_stays(
    hass: HomeAssistant, changes: dict[str, Any]
) -> None:
    entry = site_with(charger(SERIAL, **changes))
    entry.add_to_hass(hass)
    with answers():
        await is_left_alone(hass, mdns(), "already_configured")
    assert only(entry).data["host"] == changes.get("host", OLD)


async def test_another_device_of_the_family_is_offered(hass: HomeAssistant) -> None:
    entry = site_with(charger("ACE9999999"))
    entry.add_to_hass(hass)
    with answers():
        assert (await announce(hass, mdns()))["step_id"] == "discovered"
    assert only(entry).data["host"] == OLD


async def test_a_device_without_serial_is_known_by_its_hardware_address(
    hass: HomeAssistant,
) -> None:
    data = {**sites.INVERTER, "profile": "sma_inverter", "host": OLD}
    entry = site_with(sites.subentry("inverter", sites.INVERTER_ID, "Roof", data))
    entry.add_to_hass(hass)
    with answers(None):
        await is_left_alone(hass, dhcp(OLD), "already_configured")
        assert only(entry).data["mac"] == "0015bb000001"
        await is_left_alone(hass, dhcp(NEW), "already_configured")
        assert only(entry).data["host"] == NEW
        other = await announce(hass, dhcp("192.0.2.40", "0015bb000002"))
    assert other["step_id"] == "discovered"


async def test_a_new_address_in_the_form_forgets_the_hardware_address(
    hass: HomeAssistant,
) -> None:
    data = {**sites.INVERTER, "profile": "sma_inverter", "mac": "0015bb000001"}
    roof = sites.subentry("inverter", sites.INVERTER_ID, "Roof", data)
    entry = site_with(roof)
    entry.add_to_hass(hass)
    form = await entry.start_subentry_reconfigure_flow(hass, sites.INVERTER_ID)
    with patch(FORM_ASKS, AsyncMock(return_value=(None, None, ""))):
        form = await hass.config_entries.subentries.async_configure(
            form["flow_id"],
            {
                "name": "Roof",
                "host": "192.0.2.99",
                "port": 502,
                "more": {"unit": 3, "transport": "tcp"},
            },
        )
    assert form["step_id"] == "asset"
    shown = suggested(form["data_schema"].schema)
    await hass.config_entries.subentries.async_configure(
        form["flow_id"],
        {key: value for key, value in shown.items() if key != "more"} | {"more": {}},
    )
    assert only(entry).data["host"] == "192.0.2.99"
    assert "mac" not in only(entry).data


@pytest.mark.usefixtures("socket_enabled")
async def test_a_simulated_inverter_on_a_real_wire(hass: HomeAssistant) -> None:
    """Nothing stands in between: the profile's own recognition decides."""
    site_with().add_to_hass(hass)
    profile = ProfileLibrary.load(None).get("solaredge_inverter").bind({})
    device = SimulatedDevice(profile, serial="SE-1")
    wire = ModbusWire(name="roof", units=device.units, clock=time.monotonic)
    await wire.plug()
    try:
        info = mdns("127.0.0.1", kind="_solaredge-modbus._tcp.local.")
        info.port = wire.port
        result = await announce(hass, info)
    finally:
        await wire.unplug()
    assert result["step_id"] == "discovered"
    # It has no battery, so there is nothing to choose.
    assert result["data_schema"].schema == {}
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["context"]["unique_id"] == "solaredge_inverter_SE-1"


# --------------------------------------------------------------------------- a P1 cable


@contextmanager
def meter_talks(
    serial: str | None = "1SAG1", error: str | None = None
) -> Iterator[Any]:
    telegram = None if error else Telegram(ident="FLU5", serial=serial)
    with (
        patch(BY_ID, return_value=PATH),
        patch(LISTEN, AsyncMock(return_value=(telegram, error, ""))) as listen,
    ):
        yield listen


def p1(port: str, unique_id: str | None = None) -> ConfigSubentry:
    return ConfigSubentry(
        data=MappingProxyType({**sites.P1_METER, "port": port}),
        subentry_id=sites.METER_ID,
        subentry_type="meter",
        title="P1 port",
        unique_id=unique_id,
    )


async def test_a_p1_cable_on_which_a_meter_talks(hass: HomeAssistant) -> None:
    entry = site_with()
    entry.add_to_hass(hass)
    with meter_talks():
        result = await announce(hass, CABLE)
        assert result["step_id"] == "discovered"
        form = await next_form(hass, await submit(hass, result, {}))
    assert form["step_id"] == "p1"
    assert suggested(form["data_schema"].schema)["port"] == PATH


@pytest.mark.parametrize("port", [PATH, CABLE.device])
async def test_a_cable_that_a_site_reads(hass: HomeAssistant, port: str) -> None:
    site_with(p1(port)).add_to_hass(hass)
    with meter_talks() as listen:
        await is_left_alone(hass, CABLE, "already_configured")
    listen.assert_not_awaited()


async def test_a_cable_that_another_integration_reads(hass: HomeAssistant) -> None:
    MockConfigEntry(domain="dsmr", data={"port": CABLE.device}).add_to_hass(hass)
    with meter_talks() as listen:
        await is_left_alone(hass, CABLE, "port_used_elsewhere")
    listen.assert_not_awaited()


async def test_a_cable_without_a_meter(hass: HomeAssistant) -> None:
    with meter_talks(error="no_data"):
        await is_left_alone(hass, CABLE, "no_telegram")


async def test_a_meter_whose_cable_moved(hass: HomeAssistant) -> None:
    entry = site_with(p1("/dev/ttyUSB7", unique_id="1SAG1"))
    entry.add_to_hass(hass)
    with meter_talks():
        await is_left_alone(hass, CABLE, "already_configured")
    assert only(entry).data["port"] == PATH


# ----------------------------------------------------------------------- what is shipped


def test_every_announcement_has_a_matcher_and_every_matcher_a_step() -> None:
    services = {
        item if isinstance(item, str) else item["type"] for item in MANIFEST["zeroconf"]
    }
    assert services == set(BY_SERVICE)
    hardware = {item["macaddress"] for item in MANIFEST["dhcp"]}
    assert hardware == {f"{prefix.upper()}*" for prefix in BY_HARDWARE}


def test_the_p1_cable_is_told_from_other_usb_adapters() -> None:
    (matcher,) = MANIFEST["usb"]

    def matches(description: str) -> bool:
        device = USBDevice(
            device=CABLE.device,
            vid="0403",
            pid="6001",
            serial_number="X",
            manufacturer="FTDI",
            description=description,
        )
        return usb_device_matches_matcher(device, {"domain": DOMAIN, **matcher})

    assert matches("P1 Converter Cable")
    assert matches("P1_Converter_Cable")
    assert not matches("FT232R USB UART")


def test_every_announcement_has_profiles_and_words() -> None:
    profiles = ProfileLibrary.load(None)
    kinds = ENGLISH["selector"]["discovered_kind"]["options"]
    for announced in (*BY_SERVICE.values(), *BY_HARDWARE.values()):
        found = [profiles.get(key) for key in announced.profiles]
        assert len({profile.kind for profile in found}) == len(found)
        assert all(not spec.required for item in found for spec in item.params.values())
        assert len(found) == 1 or {item.kind.value for item in found} <= set(kinds)
