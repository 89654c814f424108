"""A meter that pushes DLMS: its form, its secrets, and its entities on real wires."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
import json
from typing import Any

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.netflex.diagnostics import async_get_config_entry_diagnostics
from custom_components.netflex.entry_device import meter_config
from custom_components.netflex.metering.dlms_apdu import DlmsKeys
from custom_components.netflex.metering.dlms_link import Framing
from custom_components.netflex.metering.dlms_objects import PushGroup
from custom_components.netflex.metering.dlms_port import DlmsLine
from custom_components.netflex.metering.dlms_reading import OLD
from custom_components.netflex.simulation.dlms_meter import DlmsWire
from custom_components.netflex.site_file import export_site
from tests.metering.dlms_recordings import E450_KEYS, OTHER_KEY, meter, pushing
from tests.metering.wires import Line

from . import sites
from .test_real_site import running as running_site
from .test_repairs import issues
from .test_subentry_flows import TARIFF, Form, only_subentry

pytestmark = pytest.mark.usefixtures("socket_enabled")

running = running_site
KEY = E450_KEYS.encryption.hex()
AUTHENTICATION = (E450_KEYS.authentication or b"").hex()
VALUES: dict[str, Any] = {
    "name": "E450",
    "role": "connection_point",
    "tariff": TARIFF,
    "more": {"dlms_line": "2400_8e1"},
}
EXPECTED = {
    "sensor.e450_power": "6900.0",
    "sensor.e450_current_l2": "10.0",
    "sensor.e450_voltage_l3": "230.0",
    "sensor.e450_energy_import": "12048.95",
}


@pytest.fixture
def form(hass: HomeAssistant, running: MockConfigEntry) -> Form:
    return Form(hass, running, "meter")


def e450(**options: Any) -> DlmsWire:
    """Return a simulated meter whose clock goes."""
    return meter(utc=lambda: datetime.now(UTC), **options)


async def fill(form: Form, port: str, **changes: Any) -> Any:
    await form.begin()
    await form.choose("dlms")
    return await form.submit(VALUES | {"port": port} | changes)


def with_keys(**more: str) -> dict[str, Any]:
    return {"more": VALUES["more"] | more}


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


def shown(hass: HomeAssistant) -> dict[str, str]:
    states = {entity_id: hass.states.get(entity_id) for entity_id in EXPECTED}
    return {key: state.state for key, state in states.items() if state is not None}


@pytest.mark.parametrize("framing", Framing)
@pytest.mark.parametrize("keys", [None, E450_KEYS], ids=["plain", "enciphered"])
async def test_from_the_form_to_entities_over_the_network(
    hass: HomeAssistant,
    running: MockConfigEntry,
    form: Form,
    framing: Framing,
    keys: DlmsKeys | None,
) -> None:
    changes: dict[str, Any] = {}
    if keys is not None:
        changes = {"dlms_key": KEY.upper()}
        changes |= with_keys(dlms_authentication_key=AUTHENTICATION)
    async with pushing(e450(framing=framing, keys=keys)) as url:
        result = await fill(form, url, **changes)
        assert result["type"] is FlowResultType.CREATE_ENTRY, result
        subentry = only_subentry(running)
        assert subentry.unique_id == "44337811"
        config = meter_config(subentry)
        assert config.dlms is not None
        assert (config.dlms.keys, config.dlms.line) == (keys, DlmsLine.M_BUS)
        assert config.stale_after == OLD
        await until(lambda: shown(hass) == EXPECTED)
        await hass.config_entries.async_remove(running.entry_id)
        await hass.async_block_till_done()


async def test_from_the_form_to_entities_over_a_serial_line(
    hass: HomeAssistant, running: MockConfigEntry, form: Form
) -> None:
    wire, line = e450(), Line()
    line.set_blocking(False)

    async def play() -> None:
        while True:
            for group in PushGroup:
                # While nobody reads, what does not fit is lost, as on a real line.
                with suppress(BlockingIOError):
                    line.send(wire.push(group))
            await asyncio.sleep(0.05)

    playing = asyncio.create_task(play())
    try:
        # A pseudo terminal has no parity, and says so from the second time on.
        result = await fill(form, line.device, more={"dlms_line": "2400_8n1"})
        assert result["type"] is FlowResultType.CREATE_ENTRY, result
        await until(lambda: shown(hass) == EXPECTED)
        await hass.config_entries.async_remove(running.entry_id)
        await hass.async_block_till_done()
    finally:
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
        line.close()


async def test_a_key_that_is_wrong_or_missing_is_said(form: Form) -> None:
    async with pushing(e450(keys=E450_KEYS)) as url:
        result = await fill(form, url)
        assert result["errors"] == {"base": "key_missing"}
        values = VALUES | {"port": url}
        result = await form.submit(values | {"dlms_key": OTHER_KEY.hex()})
        assert result["errors"] == {"base": "key_wrong"}
        assert "another key" in result["description_placeholders"]["detail"]
        # What is secret is not handed out again, not even in a form with an error.
        assert OTHER_KEY.hex() not in str(form.shown)
        for changes, errors in (
            ({"dlms_key": "5FDE"}, {"dlms_key": "key_invalid"}),
            (with_keys(dlms_authentication_key=KEY), {"dlms_key": "key_needed"}),
            ({"port": " "}, {"port": "port_missing"}),
        ):
            result = await form.submit(values | changes)
            assert result["errors"] == errors


async def test_a_wrong_key_becomes_a_repair_and_a_right_one_ends_it(
    hass: HomeAssistant, running: MockConfigEntry, form: Form
) -> None:
    wire = e450(keys=E450_KEYS)
    async with pushing(wire) as url:
        await fill(form, url, dlms_key=KEY)
        await until(lambda: shown(hass) == EXPECTED)
        subentry = only_subentry(running)
        changed = {**subentry.data, "dlms_key": OTHER_KEY.hex()}
        hass.config_entries.async_update_subentry(running, subentry, data=changed)

        def wrong() -> bool:
            return any("key_wrong" in issue for issue in issues(hass))

        await until(wrong)
        assert running.state is ConfigEntryState.LOADED
        again = Form(hass, running, "meter")
        await again.begin(subentry.subentry_id)
        result = await again.submit(VALUES | {"port": url, "dlms_key": KEY})
        assert result["type"] is FlowResultType.ABORT
        await until(lambda: not wrong())
        await until(lambda: shown(hass) == EXPECTED)
        await hass.config_entries.async_remove(running.entry_id)
        await hass.async_block_till_done()


async def test_a_stored_key_stays_where_the_form_leaves_it_empty(
    hass: HomeAssistant, running: MockConfigEntry, form: Form
) -> None:
    async with pushing(e450(keys=E450_KEYS)) as url:
        await fill(form, url, dlms_key=KEY)
        subentry = only_subentry(running)
        again = Form(hass, running, "meter")
        await again.begin(subentry.subentry_id)
        assert "dlms_key" not in again.shown
        result = await again.submit(VALUES | {"port": url, "name": "Renamed"})
        assert result["reason"] == "reconfigure_successful"
        after = only_subentry(running)
        assert (after.title, after.data["dlms_key"]) == ("Renamed", KEY)
        await hass.config_entries.async_remove(running.entry_id)
        await hass.async_block_till_done()


async def test_keys_are_in_no_file(
    hass: HomeAssistant, running: MockConfigEntry, form: Form
) -> None:
    async with pushing(e450(keys=E450_KEYS)) as url:
        await fill(
            form,
            url,
            dlms_key=KEY,
            **with_keys(dlms_authentication_key=AUTHENTICATION),
        )
        await until(lambda: shown(hass) == EXPECTED)
        assert only_subentry(running).data["dlms_key"] == KEY
        for content in (
            await async_get_config_entry_diagnostics(hass, running),
            export_site(running),
        ):
            text = json.dumps(content, default=str)
            assert "E450" in text or "e450" in text or "dlms" in text
            assert KEY not in text.lower()
            assert AUTHENTICATION not in text.lower()
        await hass.config_entries.async_remove(running.entry_id)
        await hass.async_block_till_done()


@pytest.mark.usefixtures("all_enabled")
async def test_all_three_groups_are_entities(
    hass: HomeAssistant, running: MockConfigEntry, form: Form
) -> None:
    wire = e450()
    async with pushing(wire) as url:
        wire.periods = dict.fromkeys(PushGroup, 0.05)
        await fill(form, url)
        expected = {
            "sensor.e450_reactive_energy_quadrant_i": "30.098",
            "sensor.e450_reactive_energy_quadrant_iv": "9801.363",
            "sensor.e450_energy_import_day_tariff": "8768.04",
            "sensor.e450_energy_import_night_tariff": "3280.91",
            "sensor.e450_energy_injection": "18.054",
            "sensor.e450_reactive_power": "0.0",
        }

        def said() -> bool:
            states = {key: hass.states.get(key) for key in expected}
            return expected == {
                key: item and item.state for key, item in states.items()
            }

        await until(said)
        await hass.config_entries.async_remove(running.entry_id)
        await hass.async_block_till_done()


def test_a_meter_without_a_key_is_read_without() -> None:
    data = {
        "source": "dlms",
        "port": "/dev/ttyUSB0",
        "role": "connection_point",
        "dlms_line": "115200_8n1",
        "dlms_key": None,
        "dlms_authentication_key": None,
    }
    config = meter_config(sites.subentry("meter", "m1", "E450", data))
    assert config.dlms is not None
    assert (config.dlms.keys, config.dlms.line) == (None, DlmsLine.PLAIN_115200)
