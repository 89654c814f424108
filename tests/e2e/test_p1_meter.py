"""A P1 port in Home Assistant: from the finished form to its entities."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import cycle
import os
import pty
import tty
from types import SimpleNamespace
from typing import Any

from aioesphomeapi import APIClient
from homeassistant.components.esphome.serial_proxy import (
    build_url,
    register_serialx_transport,
)
from homeassistant.config_entries import SOURCE_USER, ConfigEntryState
from homeassistant.core import Event, HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import entity_registry as er, issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from yarl import URL

from custom_components.netflex import runtime
from custom_components.netflex.const import DOMAIN
from custom_components.netflex.metering.errors import CannotConnectError
from custom_components.netflex.metering.p1_port import probe_p1
from custom_components.netflex.metering.p1_reader import P1Source
from tests.metering.esphome_proxy import PORT_NAME, serial_proxy
from tests.metering.recordings import recorded, telegrams_of
from tests.metering.wires import adapter
from tests.ports import free_port

from .bench import entry_data

pytestmark = pytest.mark.usefixtures("socket_enabled")

NEWEST = "be_emucs21_3ph_gas_water_ean_relays"
DELTA_STREAM = "be_emucs16_3x230_delta_stream_40s"
IN_TIME = 3.0
"""s from the finished form to the entities."""
_TURN = 0.05


@asynccontextmanager
async def playing(
    telegrams: list[bytes], send: Callable[[bytes], None], interval: float
) -> AsyncIterator[None]:
    """Play telegrams round and round, whoever listens."""

    async def play() -> None:
        for telegram in cycle(telegrams):
            send(telegram)
            await asyncio.sleep(interval)

    task = asyncio.create_task(play())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def network_port(telegrams: list[bytes], interval: float) -> AsyncGenerator[str]:
    async with adapter() as wire, playing(telegrams, wire.send, interval):
        yield wire.url


@asynccontextmanager
async def serial_port(telegrams: list[bytes], interval: float) -> AsyncGenerator[str]:
    master, slave = pty.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)

    def send(data: bytes) -> None:
        # Nobody reads between the test of the form and the site: bytes are lost, as on
        # a real line.
        with suppress(BlockingIOError):
            os.write(master, data)

    try:
        async with playing(telegrams, send, interval):
            yield os.ttyname(slave)
    finally:
        os.close(master)
        os.close(slave)


@asynccontextmanager
async def proxied_port(telegrams: list[bytes], interval: float) -> AsyncGenerator[str]:
    """Play a serial proxy of ESPHome, which is set up over its own protocol."""
    async with serial_proxy(telegrams[0], interval) as proxy:
        yield proxy.url


@asynccontextmanager
async def proxy_of_home_assistant(
    hass: HomeAssistant, telegrams: list[bytes]
) -> AsyncGenerator[tuple[str, Callable[[], None]]]:
    """Play a serial proxy of a device that Home Assistant's own ESPHome holds.

    Its handler of such ports and its client are the real ones, and so is the wire; what
    it does besides, from the dashboard to Bluetooth, is left out. Returned are the port
    and what loads ESPHome.
    """
    async with serial_proxy(telegrams[0], 0.05) as proxy:
        address = URL(proxy.url)
        assert address.host is not None
        assert address.port is not None
        client = APIClient(address.host, address.port, None)
        await client.connect(login=True)
        device = MockConfigEntry(domain="esphome", title="Meter cupboard")
        device.add_to_hass(hass)
        stop: list[Callable[[Event], None]] = []

        def load() -> None:
            stop.append(register_serialx_transport(hass.loop))
            device.runtime_data = SimpleNamespace(client=client)
            device.mock_state(hass, ConfigEntryState.LOADED)

        try:
            yield str(build_url(device.entry_id, PORT_NAME)), load
        finally:
            for unregister in stop:
                unregister(Event("stop"))
            await client.disconnect()


PORTS = {"socket": network_port, "pty": serial_port, "esphome": proxied_port}


@pytest.fixture
async def entry(hass: HomeAssistant) -> AsyncGenerator[MockConfigEntry]:
    """A site without telecontrol and without a meter."""
    entry = MockConfigEntry(
        domain=DOMAIN, title="Site", data=entry_data(2404, telecontrol=False)
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    yield entry
    if entry.state is ConfigEntryState.LOADED:
        await hass.config_entries.async_remove(entry.entry_id)
    await hass.async_block_till_done(wait_background_tasks=False)


async def add_meter(
    hass: HomeAssistant, entry: MockConfigEntry, url: str, **sharing: Any
) -> None:
    """Go through the form."""
    flows = hass.config_entries.subentries
    result: Any = await flows.async_init(
        (entry.entry_id, "meter"), context={"source": SOURCE_USER}
    )
    result = await flows.async_configure(result["flow_id"], {"next_step_id": "p1"})
    result = await flows.async_configure(
        result["flow_id"],
        {
            "name": "Meter",
            "port": url,
            "role": "connection_point",
            "tariff": {
                "peak_price": 50,
                "peak_minimum": 2.5,
                "peak_minimum_rule": "per_month",
            },
            "sharing": {"share": False, "share_port": 8088, "share_allowed": []}
            | sharing,
        },
    )
    if result["type"] is FlowResultType.MENU:
        # What the meter shows is not what the site is set up for.
        assert result["step_id"] == "doubts"
        result = await flows.async_configure(
            result["flow_id"], {"next_step_id": "keep"}
        )
    assert result["type"] is FlowResultType.CREATE_ENTRY, result


def state(hass: HomeAssistant, entry: MockConfigEntry, key: str) -> str | None:
    """State of a sensor of the meter or of the site, None where it has no value."""
    (meter,) = entry.subentries
    registry = er.async_get(hass)
    for owner in (meter, entry.entry_id):
        entity_id = registry.async_get_entity_id("sensor", DOMAIN, f"{owner}_{key}")
        if entity_id is not None and (found := hass.states.get(entity_id)) is not None:
            return None if found.state in {"unknown", "unavailable"} else found.state
    return None


async def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize(
    "interval", [0.05, pytest.param(1.0, marks=pytest.mark.slow)], ids=["fast", "real"]
)
async def test_entities_come_within_seconds_of_the_form(
    hass: HomeAssistant, entry: MockConfigEntry, port: str, interval: float
) -> None:
    telegrams = telegrams_of(recorded(NEWEST))
    wanted = {
        "power",
        "line_current_l1",
        "energy_import",
        "breaker",
        "mbus1_gas",
        "mbus2_water",
        "demand_average",
        "demand_forecast",
        "month_peak",
        "billed_peak",
        "peak_cost",
    }

    def missing() -> set[str]:
        return {key for key in wanted if state(hass, entry, key) is None}

    async with PORTS[port](telegrams, interval) as url:
        await add_meter(hass, entry, url)
        # Counted in turns of the loop: what a busy machine does elsewhere is no part
        # of the promise.
        turns = 0
        while missing():
            assert turns * _TURN < IN_TIME, missing()
            await asyncio.sleep(_TURN)
            turns += 1
        assert entry.runtime_data.coordinator.data.demand is not None


async def test_a_serial_proxy_that_home_assistants_esphome_holds(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """While ESPHome is not loaded that is said, and afterwards the port is read."""
    telegrams = telegrams_of(recorded(NEWEST))
    async with proxy_of_home_assistant(hass, telegrams) as (url, load):
        assert url.startswith("esphome-hass://")
        with pytest.raises(CannotConnectError, match="ESPHome has not loaded yet"):
            await probe_p1(url, 20.0)
        load()
        with pytest.raises(CannotConnectError, match="'P2 port' does not exist"):
            await probe_p1(url.replace("P1", "P2"), 20.0)
        with pytest.raises(CannotConnectError, match="No ESPHome config entry"):
            await probe_p1("esphome-hass://esphome/other?port_name=P1", 20.0)
        await add_meter(hass, entry, url)
        await until(lambda: state(hass, entry, "mbus1_gas") is not None)
        assert state(hass, entry, "breaker") is not None
        assert await hass.config_entries.async_remove(entry.entry_id)


async def test_a_recorded_stream_of_a_delta_grid(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    async with network_port(telegrams_of(recorded(DELTA_STREAM)), 0.02) as url:
        await add_meter(hass, entry, url)
        await until(lambda: state(hass, entry, "line_current_l2") is not None)
        # Its second voltage is none: it measures none.
        assert state(hass, entry, "line_voltage_l1") is not None
        assert state(hass, entry, "line_voltage_l2") is None

        def differs() -> bool:
            issues = ir.async_get(hass).issues.values()
            return any(item.translation_key == "grid_type_differs" for item in issues)

        # The site is set up as 3N400.
        await until(differs)


async def test_a_port_that_is_off_says_how_to_switch_it_on(
    hass: HomeAssistant, entry: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient = partial(P1Source, silence=0.4, backoff=(0.05,))
    monkeypatch.setattr(runtime, "P1Source", impatient)
    async with adapter() as wire:
        async with playing(telegrams_of(recorded(NEWEST)), wire.send, 0.05):
            await add_meter(hass, entry, wire.url)
            await until(lambda: state(hass, entry, "power") is not None)

        def repair() -> ir.IssueEntry | None:
            issues = ir.async_get(hass).issues.values()
            return next(
                (item for item in issues if item.translation_key == "meter_no_data"),
                None,
            )

        await until(repair)
        found = repair()
        assert found is not None
        assert found.translation_placeholders is not None
        assert "Mijn Fluvius" in found.translation_placeholders["text"]
        async with playing(telegrams_of(recorded(NEWEST)), wire.send, 0.05):
            await until(lambda: repair() is None)


async def test_another_system_reads_the_same_port_through_us(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    shared = free_port()
    async with network_port(telegrams_of(recorded(NEWEST)), 0.05) as url:
        await add_meter(
            hass,
            entry,
            url,
            share=True,
            share_port=shared,
            share_allowed=["127.0.0.0/8"],
        )
        await until(lambda: state(hass, entry, "power") is not None)
        telegram = await probe_p1(f"socket://127.0.0.1:{shared}", 3.0)
        assert telegram.version == "50221"


async def test_the_running_month_survives_a_restart(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    async with network_port(telegrams_of(recorded(NEWEST)), 0.05) as url:
        await add_meter(hass, entry, url)
        await until(lambda: state(hass, entry, "demand_average") is not None)
    (meter,) = entry.subentries
    kept = entry.runtime_data._meters.demand_memories[meter]
    assert kept.time is not None
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert await hass.config_entries.async_setup(entry.entry_id)
    again = entry.runtime_data._meters.demand_memories[meter]
    assert again.month == kept.month
    assert again.register == kept.register
