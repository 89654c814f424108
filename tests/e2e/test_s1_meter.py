"""An S1 port in Home Assistant: from the form to entities, events, plan and files."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest.mock import patch

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    SOURCE_USER,
    ConfigEntryState,
    ConfigSubentry,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import (
    device_registry as dr,
    entity_registry as er,
    issue_registry as ir,
)
import numpy as np
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.netflex import actions_waveform, runtime
from custom_components.netflex.const import DOMAIN
from custom_components.netflex.flows import probing
from custom_components.netflex.metering.s1_reader import S1Source
from custom_components.netflex.model.connection import GridType
from tests.face.translations import ENGLISH, assert_result_is_translated
from tests.metering.s1_players import S1Port, flow, s1_line, s1_port
from tests.metering.wires import adapter

from .bench import entry_data

pytestmark = pytest.mark.usefixtures("socket_enabled")

MORE = {"s1_baudrate": "automatic", "s1_grid_type": "automatic", "s1_turned": []}


@pytest.fixture(name="entry")
async def _entry(hass: HomeAssistant) -> AsyncGenerator[MockConfigEntry]:
    """A site without telecontrol and without a meter, behind a fuse of 40 A."""
    entry = MockConfigEntry(
        domain=DOMAIN,
        title="Site",
        data=entry_data(2404, telecontrol=False, main_fuse=40.0),
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    yield entry
    if entry.state is ConfigEntryState.LOADED:
        await hass.config_entries.async_remove(entry.entry_id)
    await hass.async_block_till_done(wait_background_tasks=False)


async def filled_in(
    hass: HomeAssistant, entry: MockConfigEntry, url: str, **values: Any
) -> Any:
    """Go through the form up to what it says of the port."""
    flows = hass.config_entries.subentries
    result: Any = await flows.async_init(
        (entry.entry_id, "meter"), context={"source": SOURCE_USER}
    )
    assert_result_is_translated(result, "meter")
    result = await flows.async_configure(result["flow_id"], {"next_step_id": "s1"})
    assert_result_is_translated(result, "meter")
    result = await flows.async_configure(
        result["flow_id"],
        {"name": "Waveform", "port": url, "role": "connection_point", "more": MORE}
        | values,
    )
    assert_result_is_translated(result, "meter")
    return result


async def add_s1(
    hass: HomeAssistant, entry: MockConfigEntry, url: str, **values: Any
) -> Any:
    result = await filled_in(hass, entry, url, **values)
    assert result["step_id"] == "s1_found", result
    placeholders = result["description_placeholders"]
    result = await hass.config_entries.subentries.async_configure(result["flow_id"], {})
    assert result["type"] is FlowResultType.CREATE_ENTRY, result
    await hass.async_block_till_done(wait_background_tasks=False)
    return placeholders


def entity(
    hass: HomeAssistant, entry: MockConfigEntry, key: str, platform: str = "sensor"
) -> str | None:
    meter = next(
        item.subentry_id
        for item in entry.subentries.values()
        if item.subentry_type == "meter"
    )
    return er.async_get(hass).async_get_entity_id(platform, DOMAIN, f"{meter}_{key}")


def state(
    hass: HomeAssistant, entry: MockConfigEntry, key: str, platform: str = "sensor"
) -> str | None:
    """State of an entity of the meter, None where it has no value."""
    entity_id = entity(hass, entry, key, platform)
    found = None if entity_id is None else hass.states.get(entity_id)
    if found is None or found.state in {"unknown", "unavailable"}:
        return None
    return found.state


def number(hass: HomeAssistant, entry: MockConfigEntry, key: str) -> float | None:
    text = state(hass, entry, key)
    return None if text is None else float(text)


async def until(condition: Callable[[], object], seconds: float = 15.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


def repair(hass: HomeAssistant, key: str) -> ir.IssueEntry | None:
    issues = ir.async_get(hass).issues.values()
    return next((item for item in issues if item.translation_key == key), None)


async def test_a_serial_port_becomes_entities(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    port = S1Port(state=flow(10.0, 5.0, -8.0))
    async with s1_line(port) as device:
        found = await add_s1(hass, entry, device)
        assert found["samples"] == "2600"
        assert found["grid"] == "3N400"
        await until(lambda: number(hass, entry, "power_factor") is not None)
        assert number(hass, entry, "power") == pytest.approx(230 * 7, abs=2)
        assert number(hass, entry, "line_voltage_l1") == pytest.approx(230, abs=0.2)
        assert number(hass, entry, "line_current_l3") == pytest.approx(8, abs=0.02)
        assert number(hass, entry, "voltage_distortion_l1") == pytest.approx(0, abs=0.1)
        assert number(hass, entry, "apparent_power") == pytest.approx(230 * 23, abs=5)
        assert number(hass, entry, "sags") == 0
        assert number(hass, entry, "neutral_current") is not None
        registry = er.async_get(hass)
        disabled = entity(hass, entry, "voltage_harmonic_5_l2")
        assert disabled is not None
        registered = registry.async_get(disabled)
        assert registered is not None
        assert registered.disabled
        view = entry.runtime_data.coordinator.data
        meter = view.meters[view.site_meter]
        assert meter.details["sampling_per_period"] is True


async def test_the_state_machine_hears_of_it_once_a_second_at_most(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    async with s1_port() as port:
        await add_s1(hass, entry, port.url)
        await until(lambda: state(hass, entry, "power") is not None)
        coordinator = entry.runtime_data.coordinator
        begun = hass.loop.time()
        updates = 0

        def count() -> None:
            nonlocal updates
            updates += 1

        unsubscribe = coordinator.async_add_listener(count)
        await until(lambda: updates >= 3, 30.0)
        unsubscribe()
        # However long that took: twenty pieces a second, one update.
        assert updates <= 2 + 1.5 * (hass.loop.time() - begun)
        for found in hass.states.async_all():
            assert len(repr(found.attributes)) < 4000


async def test_an_overload_reaches_the_plan_of_a_charger(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    hass.states.async_set(
        "number.wallbox", "16", {"min": 0, "max": 16, "unit_of_measurement": "A"}
    )
    hass.states.async_set("sensor.wallbox", "11040", {"unit_of_measurement": "W"})
    hass.config_entries.async_add_subentry(
        entry,
        ConfigSubentry(
            data=MappingProxyType(
                {
                    "source": "entity",
                    "control_entity": "number.wallbox",
                    "power_entity": "sensor.wallbox",
                    "phases": 3,
                    "lines": ["L1", "L2", "L3"],
                    "max_current": 16.0,
                    "min_current": 6.0,
                    "safe_current": 6.0,
                    "priority": 1,
                }
            ),
            subentry_type="charger",
            title="Wallbox",
            unique_id=None,
        ),
    )
    async with s1_port(S1Port(state=flow(20.0, 20.0, 20.0))) as port:
        await add_s1(hass, entry, port.url)
        (charger,) = (
            item.subentry_id
            for item in entry.subentries.values()
            if item.subentry_type == "charger"
        )

        def told() -> float | None:
            plan = entry.runtime_data.site._controller.plan
            setpoint = None if plan is None else plan.setpoints.get(charger)
            return None if setpoint is None else setpoint.value

        await until(lambda: (told() or 0) >= 6.0, 30.0)
        port.state = flow(20.0, 60.0, 20.0)
        await until(lambda: told() == 0.0)
        assert entry.runtime_data._meters.power.overloads()


async def test_a_sag_and_a_load_are_events(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    async with s1_port() as port:
        await add_s1(hass, entry, port.url)
        await until(lambda: state(hass, entry, "power") is not None)
        port.state = flow(10.0, 10.0, 10.0, voltage=180.0)
        await until(lambda: state(hass, entry, "power_quality", "event") is not None)
        port.state = flow(10.0, 10.0, 10.0)

        def fired(key: str) -> dict[str, Any]:
            entity_id = entity(hass, entry, key, "event")
            assert entity_id is not None
            found = hass.states.get(entity_id)
            assert found is not None
            return dict(found.attributes)

        await until(lambda: fired("power_quality")["event_type"] == "sag_ended")
        sag = fired("power_quality")
        assert sag["lines"] == ["L1", "L2", "L3"]
        assert sag["voltage"] == pytest.approx(180, abs=3)
        assert 0 < sag["duration"] < 60
        await until(lambda: number(hass, entry, "sags") == 1)

        await asyncio.sleep(0.05)
        await until(lambda: entry.runtime_data.coordinator.data is not None)
        port.state = flow(10.0, 22.0, 10.0)
        await until(
            lambda: (
                fired("load_step").get("event_type") == "switched_on"
                and fired("load_step")["line_current"].get("L2", 0) > 11
            )
        )
        step = fired("load_step")
        assert step["power"] == pytest.approx(12 * 230, abs=40)
        texts = ENGLISH["entity"]["event"]
        for key in ("power_quality", "load_step"):
            named = texts[key]["state_attributes"]
            given = fired(key)
            assert set(given["event_types"]) == set(named["event_type"]["state"])


async def test_the_waveform_is_recorded(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    hass_config_dir: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(actions_waveform, "KEPT", 1)
    async with s1_port() as port:
        await add_s1(hass, entry, port.url)
        await until(lambda: state(hass, entry, "power") is not None)
        (meter,) = entry.subentries
        device = dr.async_get(hass).async_get_device_by_identifier(
            (DOMAIN, meter), entry.entry_id
        )
        assert device is not None
        call = partial(
            hass.services.async_call,
            DOMAIN,
            "record_waveform",
            blocking=True,
            return_response=True,
        )
        values = {"device_id": device.id, "seconds": 0.3, "before": 0.2}
        first: Any = await call(values)
        response: Any = await call(values)
        files = [Path(name) for name in response["files"]]
        assert {path.suffix for path in files} == {".npz", ".cfg", ".dat", ".svg"}
        assert all(path.is_relative_to(hass_config_dir) for path in files)
        assert response["samples"] == pytest.approx(1300, abs=130)
        with np.load(files[0]) as arrays:
            assert arrays["u1"].max() == pytest.approx(230 * 2**0.5, abs=0.5)
        assert files[3].read_text().startswith("<svg")
        # The oldest made room.
        assert not any(Path(name).exists() for name in first["files"])

        with pytest.raises(ServiceValidationError) as too_long:
            await call(values | {"seconds": 29.0, "before": 2.0})
        assert too_long.value.translation_key == "recording_too_long"
        with (
            patch(
                "custom_components.netflex.actions_waveform._save",
                side_effect=OSError("No space left on device"),
            ),
            pytest.raises(HomeAssistantError) as full,
        ):
            await call(values)
        assert full.value.translation_key == "recording_failed"
        site = dr.async_get(hass).async_get_device_by_identifier(
            (DOMAIN, entry.entry_id), entry.entry_id
        )
        assert site is not None
        with pytest.raises(ServiceValidationError) as no_waveform:
            await call(values | {"device_id": site.id})
        assert no_waveform.value.translation_key == "no_waveform"
        port.wire.silent = True
        meters = entry.runtime_data._meters.power
        await until(lambda: meters._meters[meter].source._pending == b"")
        await asyncio.sleep(0.05)
        with pytest.raises(HomeAssistantError) as nothing:
            await call({"device_id": device.id, "seconds": 0.3})
        assert nothing.value.translation_key == "recording_failed"
        assert await hass.config_entries.async_unload(entry.entry_id)
        with pytest.raises(ServiceValidationError) as unloaded:
            await call(values)
        assert unloaded.value.translation_key == "site_not_loaded"
        assert await hass.config_entries.async_setup(entry.entry_id)


async def test_it_outlives_a_reload_and_takes_changes(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    async with s1_port(S1Port(state=flow(10.0, 10.0, -10.0))) as port:
        await add_s1(hass, entry, port.url)
        await until(lambda: number(hass, entry, "power") == pytest.approx(2300, abs=2))
        assert await hass.config_entries.async_reload(entry.entry_id)
        await until(lambda: number(hass, entry, "power") is not None)
        (meter,) = entry.subentries
        flows = hass.config_entries.subentries
        result: Any = await flows.async_init(
            (entry.entry_id, "meter"),
            context={"source": SOURCE_RECONFIGURE, "subentry_id": meter},
        )
        assert result["step_id"] == "s1"
        # The port is in use by the site: it is not tested again.
        result = await flows.async_configure(
            result["flow_id"],
            {
                "name": "Waveform",
                "port": port.url,
                "role": "connection_point",
                "overload_current": 32.0,
                "more": MORE | {"s1_turned": ["L3"]},
            },
        )
        assert result["type"] is FlowResultType.ABORT
        assert result["reason"] == "reconfigure_successful"
        await until(lambda: number(hass, entry, "power") == pytest.approx(6900, abs=5))
        config = entry.runtime_data._applied.meters[0]
        assert config.s1 is not None
        assert config.s1.settings.overload is not None
        assert config.s1.settings.overload.current.l2 == 32.0


async def test_a_delta_grid_is_measured_sample_by_sample(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    state_ = replace(
        flow(0.0), power=(2300.0, 0.0, 1150.0), voltage=(230.0, 0.0, 230.0)
    )
    async with s1_port(S1Port(GridType.DELTA, state_)) as port:
        found = await add_s1(hass, entry, port.url)
        assert found["grid"] == "3x230"
        await until(lambda: number(hass, entry, "line_current_l2") is not None)
        # I1 = 10 A with U12, I3 = 5 A with U32, 60 degrees apart: I2 = -(I1 + I3).
        expected = (10**2 + 5**2 + 2 * 10 * 5 * 0.5) ** 0.5
        assert number(hass, entry, "line_current_l2") == pytest.approx(
            expected, abs=0.02
        )
        assert state(hass, entry, "line_voltage_l2") is None
        assert state(hass, entry, "line_power_l2") is None
        assert number(hass, entry, "power") == pytest.approx(3450, abs=2)


async def test_what_is_wrong_is_said_in_the_form(
    hass: HomeAssistant, entry: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "S1_TIMEOUT", 0.3)
    result = await filled_in(hass, entry, "/dev/netflex-not-there")
    assert result["errors"] == {"base": "cannot_connect"}
    async with adapter() as wire:
        result = await filled_in(hass, entry, wire.url)
        assert result["errors"] == {"base": "no_data"}
        assert "Mijn Fluvius" in result["description_placeholders"]["detail"]
        wire.greeting = b"/FLU5\\253769484_A\r\n\r\n" * 200
        result = await filled_in(hass, entry, wire.url)
        assert result["errors"] == {"base": "not_s1"}
        result = await filled_in(hass, entry, wire.url, overload_current=0.0)
        assert result["errors"] == {"overload_current": "overload_invalid"}
        result = await filled_in(hass, entry, " ")
        assert result["errors"] == {"port": "port_missing"}
    async with s1_port() as port:
        await add_s1(hass, entry, port.url)
        await until(lambda: state(hass, entry, "power") is not None)
        result = await filled_in(hass, entry, port.url, name="Again")
        assert result["errors"] == {"port": "already_configured"}
    async with s1_port() as other_way_to_it:
        result = await filled_in(hass, entry, other_way_to_it.url, name="Again")
        assert result["errors"] == {"port": "already_configured"}


async def test_a_port_that_falls_silent_is_a_repair(
    hass: HomeAssistant, entry: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient = partial(S1Source, silence=0.4, backoff=(0.05,))
    monkeypatch.setattr(runtime, "S1Source", impatient)
    async with s1_port() as port:
        await add_s1(hass, entry, port.url)
        await until(lambda: state(hass, entry, "power") is not None)
        port.wire.silent = True
        await until(lambda: repair(hass, "meter_no_data") is not None)
        port.wire.silent = False
        await until(lambda: repair(hass, "meter_no_data") is None)
