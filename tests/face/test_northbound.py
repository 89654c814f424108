"""The bridge to a broker in Home Assistant: forms, consent, entities, repairs, commands."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
import json
from pathlib import Path
import stat
import time
from types import MappingProxyType
from typing import Any
from unittest.mock import patch
from uuid import uuid4

from homeassistant.const import STATE_OFF, STATE_ON
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.netflex.diagnostics import async_get_config_entry_diagnostics
from custom_components.netflex.entry_site import site_config
from custom_components.netflex.model.asset import Direction
from custom_components.netflex.model.northbound import NorthboundState
from custom_components.netflex.northbound.connection import LinkProblem
from custom_components.netflex.northbound.direct_control import (
    Thermometer,
    direct_control_tree,
)
from custom_components.netflex.northbound.settings import TlsFiles
from custom_components.netflex.northbound_options import (
    NORTHBOUND_SCHEMA,
    PACES,
    northbound_settings,
)
from custom_components.netflex.site.view import SiteView
from custom_components.netflex.site_file import export_site
from custom_components.netflex.site_northbound import (
    WARN_BEFORE,
    WITHOUT_BROKER,
    describe_site,
    northbound_folder,
    problems_of,
)
from custom_components.netflex.telecontrol_options import OptionsError, checked_options
from tests.certificates import CertificateAuthority
from tests.northbound.broker import LIMIT, Broker, listening
from tests.northbound.conftest import broker, tls_broker  # noqa: F401
from tests.ports import free_port

from . import sites
from .fakes import FakeSite, full_view
from .test_real_site import OVEN, add_oven, running, shows  # noqa: F401
from .test_repairs import issues
from .translations import assert_result_is_translated

pytestmark = pytest.mark.usefixtures("socket_enabled")

ENDPOINT = "goflex-dc-004"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
STORED: dict[str, Any] = {
    "enabled": True,
    "protocol": "cloudio_v0_2",
    "broker": "127.0.0.1",
    "endpoint": ENDPOINT,
    "control": True,
    "consent": {"by": "Anna", "at": NOW.isoformat()},
}


async def until(hass: HomeAssistant, condition: Callable[[], bool]) -> None:
    """Wait for what the site and a broker do by themselves."""
    async with asyncio.timeout(LIMIT):
        while not condition():
            await asyncio.sleep(0.02)
            await hass.async_block_till_done()


def options(**northbound: Any) -> dict[str, Any]:
    return {"version": 1, "northbound": {**STORED, **northbound}}


@contextmanager
def uploads(files: dict[str, Path]) -> Iterator[dict[str, str]]:
    """Have files uploaded, by the names that they have here; yield the form's fields."""
    ids = {f"{name}_file": str(uuid4()) for name in files}
    paths = dict(zip(ids.values(), files.values(), strict=True))

    @contextmanager
    def given(_hass: HomeAssistant, file_id: str) -> Iterator[Path]:
        yield paths[file_id]

    with patch("custom_components.netflex.flows.uploads.process_uploaded_file", given):
        yield ids


async def form(hass: HomeAssistant, entry: MockConfigEntry) -> Any:
    """Open the form of the bridge."""
    flows = hass.config_entries.options
    result: Any = await flows.async_init(entry.entry_id)
    result = await flows.async_configure(
        result["flow_id"], {"next_step_id": "northbound"}
    )
    assert_result_is_translated(result, "options")
    return result


async def submit(hass: HomeAssistant, result: Any, data: dict[str, Any]) -> Any:
    result = await hass.config_entries.options.async_configure(result["flow_id"], data)
    assert_result_is_translated(result, "options")
    await hass.async_block_till_done()
    return result


def filled(port: int, **changes: Any) -> dict[str, Any]:
    more = NORTHBOUND_SCHEMA(dict(STORED))
    return {
        "enabled": True,
        "protocol": "cloudio_v0_2",
        "broker": "127.0.0.1",
        "broker_port": port,
        "endpoint": ENDPOINT,
        "use_tls": True,
        "control": True,
        **changes,
        "more": {
            name: more[name]
            for name in (
                "format",
                "transactions",
                "lost_after",
                "longest_hold",
                "most_stored",
                *PACES,
            )
        }
        | {"lost_after": 1.0, "technical": 1.0},
    }


@pytest.fixture
def folder(hass: HomeAssistant, tmp_path: Path) -> Path:
    """A configuration folder of the test's own."""
    hass.config.config_dir = str(tmp_path)
    return tmp_path


@pytest.mark.peer
async def test_from_the_form_to_a_load_that_is_held_back_and_given_back(
    hass: HomeAssistant,
    folder: Path,
    tls_broker: Broker,  # noqa: F811
    running: MockConfigEntry,  # noqa: F811
) -> None:
    oven = await add_oven(hass, running)
    files = tls_broker.files(ENDPOINT)
    assert files.authorities and files.certificate and files.key
    given = {
        "authorities": files.authorities,
        "certificate": files.certificate,
        "key": files.key,
    }
    result = await form(hass, running)
    with uploads(given) as fields:
        result = await submit(hass, result, filled(tls_broker.port, **fields))
    assert result["step_id"] == "northbound_consent", result["errors"]
    assert "northbound" not in running.options
    result = await submit(hass, result, {"by": " ", "agree": False})
    assert result["errors"] == {"by": "name_missing", "agree": "consent_needed"}
    result = await submit(hass, result, {"by": "Anna", "agree": True})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    stored = running.options["northbound"]
    assert stored["consent"]["by"] == "Anna"
    assert datetime.fromisoformat(stored["consent"]["at"]) <= dt_util.utcnow()
    kept = northbound_folder(hass, running.entry_id)
    assert stat.S_IMODE((kept / "key.pem").stat().st_mode) == 0o600
    assert not (kept / "staged").exists()

    control = f"@set/{ENDPOINT}/gateway/relay1Control/parameter"
    async with listening(tls_broker) as (client, heard):
        await until(hass, shows(hass, "binary_sensor.bakery_broker", STATE_ON))
        await until(hass, shows(hass, "binary_sensor.oven_running", STATE_ON))
        payload = {"timestamp": time.time(), "value": 0, "correlationID": "a"}
        await client.publish(control, json.dumps(payload), qos=1)
        await until(hass, shows(hass, OVEN, STATE_OFF))
        await until(hass, shows(hass, "sensor.oven_setpoint", STATE_OFF))
        setpoint = hass.states.get("sensor.oven_setpoint")
        assert setpoint is not None
        assert setpoint.attributes["source"] == "dispatch"
        assert "127.0.0.1 holds it back since" in setpoint.attributes["cause"]
        await until(hass, lambda: bool(heard.of("@didSet/")))
        relay = f"@update/{ENDPOINT}/gateway/relay1State/datapoint"
        await until(
            hass, lambda: [told["value"] for told in heard.of(relay)][-1:] == [False]
        )
        await client.publish(control, b"nonsense", qos=1)
        refusal = "sensor.bakery_last_refused_command_of_the_broker"
        await until(hass, shows(hass, refusal, "malformed"))
        shown = hass.states.get(refusal)
        assert shown is not None
        assert shown.attributes["accepted"] == 1
        assert shown.attributes["refused"] == {"malformed": 1}
        assert shown.attributes["subject"] == "gateway/relay1Control/parameter"

    # S14: losing the broker ends its command after its delay, and nothing else.
    runtime = running.runtime_data
    tls_broker.kill()
    await until(hass, shows(hass, "binary_sensor.bakery_broker", STATE_OFF))
    await until(hass, lambda: not runtime.site.view.remote.get(oven))
    await until(
        hass,
        lambda: (
            (state := hass.states.get("sensor.oven_setpoint")) is not None
            and "broker" not in str(state.attributes.get("cause"))
        ),
    )
    assert runtime.site.view.northbound is not None
    await hass.config_entries.async_remove(running.entry_id)
    await hass.async_block_till_done()
    assert not kept.exists()


@pytest.mark.peer
async def test_a_stop_holds_whatever_the_broker_asks_and_when_it_is_gone(
    hass: HomeAssistant,
    folder: Path,
    broker: Broker,  # noqa: F811
    running: MockConfigEntry,  # noqa: F811
) -> None:
    oven = await add_oven(hass, running)
    hass.config_entries.async_update_entry(
        running,
        options=options(use_tls=False, broker_port=broker.port, lost_after=0.2),
    )
    await hass.async_block_till_done()
    site = running.runtime_data.site
    await until(
        hass, lambda: bool(site.view.northbound and site.view.northbound.connected)
    )
    site.set_local_stop(Direction.CONSUMPTION, "button", held=True)
    await until(hass, shows(hass, OVEN, STATE_OFF))
    control = f"@set/{ENDPOINT}/gateway/relay1Control/parameter"
    async with listening(broker) as (client, _):
        for value in (0, 1, 0):
            payload = {"timestamp": time.time(), "value": value}
            await client.publish(control, json.dumps(payload), qos=1)
        await until(hass, lambda: site.view.northbound.accepted == 3)
    assert site.view.remote[oven]
    broker.kill()
    await until(hass, lambda: not site.view.remote.get(oven))
    assert site.view.plan is not None
    assert site.view.plan.setpoints[oven].value == 0.0
    assert site.view.plan.setpoints[oven].emergency
    assert hass.states.get(OVEN).state == STATE_OFF  # type: ignore[union-attr]


@pytest.mark.peer
async def test_switching_control_off_ends_its_commands(
    hass: HomeAssistant,
    folder: Path,
    broker: Broker,  # noqa: F811
    running: MockConfigEntry,  # noqa: F811
) -> None:
    oven = await add_oven(hass, running)
    settings = {"use_tls": False, "broker_port": broker.port}
    hass.config_entries.async_update_entry(running, options=options(**settings))
    await hass.async_block_till_done()
    site = running.runtime_data.site
    await until(
        hass, lambda: bool(site.view.northbound and site.view.northbound.connected)
    )
    async with listening(broker) as (client, _):
        payload = json.dumps({"timestamp": time.time(), "value": 0})
        control = f"@set/{ENDPOINT}/gateway/relay1Control/parameter"
        await client.publish(control, payload, qos=1)
        await until(hass, lambda: bool(site.view.remote.get(oven)))
        hass.config_entries.async_update_entry(
            running, options=options(**settings, control=False)
        )
        await hass.async_block_till_done()
        assert not site.view.remote.get(oven)
        await until(
            hass, lambda: bool(site.view.northbound and site.view.northbound.connected)
        )
        await client.publish(control, payload, qos=1)
        await until(hass, lambda: site.view.northbound.refused.get("not_allowed") == 1)
    hass.config_entries.async_update_entry(running, options={"version": 1})
    await hass.async_block_till_done()
    assert site.view.northbound is None


async def test_nothing_is_told_before_somebody_consents(
    hass: HomeAssistant,
    folder: Path,
    running: MockConfigEntry,  # noqa: F811
) -> None:
    without = {key: value for key, value in STORED.items() if key != "consent"}
    for northbound in (without, {**STORED, "enabled": False}):
        hass.config_entries.async_update_entry(
            running, options={"version": 1, "northbound": northbound}
        )
        await hass.async_block_till_done()
        assert running.runtime_data.site.view.northbound is None
        assert not northbound_folder(hass, running.entry_id).exists()
    assert northbound_settings(NORTHBOUND_SCHEMA(dict(STORED)), folder) is not None


async def test_the_form_says_what_is_wrong(
    hass: HomeAssistant,
    folder: Path,
    running: MockConfigEntry,  # noqa: F811
) -> None:
    authority = CertificateAuthority(folder, "authority")
    _, other, other_key = authority.issue("other")
    _, old, old_key = authority.issue(ENDPOINT, timedelta(days=-1))
    port = free_port()
    result = await form(hass, running)

    async def errors(files: dict[str, Path], **changes: Any) -> dict[str, str]:
        nonlocal result
        with uploads(files) as fields:
            result = await submit(hass, result, filled(port, **fields, **changes))
        assert result["type"] is FlowResultType.FORM
        found: dict[str, str] = result["errors"]
        return found

    assert await errors({}, broker="", endpoint=" ") == {
        "broker": "field_missing",
        "endpoint": "field_missing",
    }
    assert await errors({}, endpoint="a/b") == {"endpoint": "endpoint_invalid"}
    assert await errors({}, protocol="plain", endpoint="a/#") == {
        "endpoint": "endpoint_invalid"
    }
    assert await errors({}) == {"base": "certificate_missing"}
    rubbish = folder / "rubbish"
    rubbish.write_text("rubbish")
    assert await errors({"authorities": rubbish}, protocol="plain") == {
        "base": "authorities_unusable"
    }
    given = {"authorities": authority.path, "certificate": other, "key": old_key}
    assert await errors(given) == {"base": "key_differs"}
    assert await errors({"key": other_key}) == {"base": "name_differs"}
    # What was uploaded stays while the form comes back.
    assert await errors({"certificate": old, "key": old_key}) == {
        "base": "certificate_ended"
    }
    assert (
        result["description_placeholders"]["files"] == "authorities, certificate, key"
    )
    assert await errors({}, use_tls=False) == {"base": "connection_refused"}
    result = await submit(hass, result, filled(port, use_tls=False, save_anyway=True))
    assert result["step_id"] == "northbound_consent"
    result = await submit(hass, result, {"by": "Anna", "agree": True})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    # The same recipient: nobody is asked again; another one: somebody is.
    result = await form(hass, running)
    result = await submit(hass, result, filled(port, use_tls=False, broker="localhost"))
    assert result["errors"] == {"base": "connection_refused"}
    result = await submit(
        hass,
        result,
        filled(port, use_tls=False, broker="localhost", save_anyway=True),
    )
    assert result["step_id"] == "northbound_consent"
    result = await form(hass, running)
    result = await submit(hass, result, filled(port, use_tls=False))
    assert result["errors"] == {"base": "connection_refused"}
    result = await submit(hass, result, filled(port, use_tls=False, save_anyway=True))
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert running.options["northbound"]["consent"]["by"] == "Anna"


async def test_after_what_the_broker_or_the_disk_refuses_the_form_goes_on(
    hass: HomeAssistant,
    folder: Path,
    running: MockConfigEntry,  # noqa: F811
) -> None:
    data, flows = filled(1883, use_tls=False), "custom_components.netflex.flows"
    result = await form(hass, running)
    with patch(f"{flows}.northbound.stage", side_effect=OSError("the disk is full")):
        result = await submit(hass, result, data)
    assert result["errors"] == {"base": "files_not_kept"}
    assert result["description_placeholders"]["detail"] == "the disk is full"
    refused = LinkProblem(key="broker_refused", text="not now")
    with patch(f"{flows}.northbound.probe", return_value=refused):
        result = await submit(hass, result, data)
    assert result["errors"] == {"base": "broker_refused"}
    assert result["description_placeholders"]["detail"] == "not now"
    with patch(f"{flows}.northbound.probe", return_value=None):
        result = await submit(hass, result, data)
    assert result["step_id"] == "northbound_consent"


async def test_values_out_of_range_are_refused(
    hass: HomeAssistant,
    folder: Path,
    running: MockConfigEntry,  # noqa: F811
) -> None:
    result = await form(hass, running)
    data = filled(1883, use_tls=False)
    data["more"]["technical"] = 0.1
    result = await submit(hass, result, data)
    assert result["errors"] == {"base": "northbound_out_of_range"}
    assert result["description_placeholders"]["detail"] == "technical"
    result = await submit(hass, result, {**filled(1883), "broker_port": 70_000})
    assert result["errors"] == {"broker_port": "northbound_out_of_range"}
    result = await submit(
        hass, result, filled(1883, enabled=False, broker="", endpoint="")
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert "northbound" not in running.options


@pytest.mark.parametrize(
    "wrong",
    [
        {"protocol": "kafka"},
        {"broker": ""},
        {"consent": {"by": "Anna"}},
        {"consent": {"by": "Anna", "at": "yesterday"}},
        {"consent": {"by": "Anna", "at": "2026-11-22T12:00:00"}},
        {"files": {"other": "x"}},
        {"unknown": 1},
    ],
)
def test_stored_options_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(OptionsError):
        checked_options(options(**wrong))


def test_files_are_those_that_have_been_given(tmp_path: Path) -> None:
    stored = NORTHBOUND_SCHEMA({**STORED, "files": {"authorities": "x"}})
    settings = northbound_settings(stored, tmp_path)
    assert settings is not None
    assert settings.tls == TlsFiles(authorities=tmp_path / "authorities.pem")
    complete = {"certificate": "x", "key": "y"}
    settings = northbound_settings(
        NORTHBOUND_SCHEMA({**STORED, "files": complete}), tmp_path
    )
    assert settings is not None
    assert settings.tls == TlsFiles(
        certificate=tmp_path / "certificate.pem", key=tmp_path / "key.pem"
    )


# ---------------------------------------------------------------- entities and repairs


STATE: NorthboundState = replace(
    full_view().northbound,  # type: ignore[type-var]
    certificate_ends=NOW + timedelta(days=10),
)


@pytest.fixture
def view() -> SiteView:
    """A site that tells nothing yet."""
    return replace(full_view(), northbound=None)


async def test_entities_come_with_the_bridge_and_show_it(
    hass: HomeAssistant,
    all_enabled: None,
    site: FakeSite,
    show: Callable[..., Any],
) -> None:
    assert hass.states.get("binary_sensor.bakery_broker") is None
    await show(northbound=STATE)
    shown = {
        "binary_sensor.bakery_broker": STATE_ON,
        "sensor.bakery_messages_waiting_for_the_broker": "7",
        "sensor.bakery_messages_lost_for_the_broker": "2",
        "sensor.bakery_last_refused_command_of_the_broker": "older",
        "sensor.bakery_end_of_the_broker_certificate": "2026-12-02T12:00:00+00:00",
    }
    for entity_id, state in shown.items():
        found = hass.states.get(entity_id)
        assert found is not None, entity_id
        assert found.state == state, entity_id
    await show(northbound=None)
    found = hass.states.get("binary_sensor.bakery_broker")
    assert found is not None
    assert found.state == "unavailable"


@pytest.mark.parametrize(
    ("state", "later", "keys"),
    [
        (STATE, timedelta(0), ["northbound_certificate_ends"]),
        (STATE, timedelta(days=11), ["northbound_certificate_ended"]),
        (
            replace(STATE, certificate_ends=NOW + WARN_BEFORE + timedelta(hours=1)),
            timedelta(0),
            [],
        ),
        (replace(STATE, connected=False, certificate_ends=None), timedelta(0), []),
        (
            replace(STATE, connected=False, certificate_ends=None),
            WITHOUT_BROKER,
            ["northbound_no_broker"],
        ),
        (
            replace(STATE, store_problem="disk full", certificate_ends=None),
            timedelta(0),
            ["northbound_not_stored"],
        ),
    ],
)
async def test_what_somebody_should_see_to_becomes_a_repair(
    hass: HomeAssistant,
    show: Callable[..., Any],
    state: NorthboundState,
    later: timedelta,
    keys: list[str],
) -> None:
    problems = problems_of(state, "broker.example", NOW + later)
    assert [problem.key for problem in problems] == keys
    await show(northbound=state, problems=problems)
    assert [key for key in issues(hass) if key.startswith("northbound")] == keys


async def test_secrets_stay_out_of_diagnostics_and_of_the_site_file(
    hass: HomeAssistant,
    site: FakeSite,
    entry: MockConfigEntry,
    show: Callable[..., Any],
) -> None:
    hass.config_entries.async_update_entry(
        entry,
        options=options(
            broker="broker.secret.example", username="me-secret", password="pw-secret"
        ),
    )
    await show(northbound=replace(STATE, problem="x", problem_text="at secret.example"))
    diagnostics = await async_get_config_entry_diagnostics(hass, entry)
    text = json.dumps(diagnostics)
    for secret in ("secret", ENDPOINT, "Anna"):
        assert secret not in text, secret
    assert diagnostics["view"]["northbound"]["stored"] == 7
    assert "northbound" not in export_site(entry)["options"]


# ------------------------------------------------------------------------- the site's tree


def test_a_site_is_described_by_what_it_has() -> None:
    room = {"temperature_entity": "sensor.room", "comfort_low": 19.0}
    water = {
        "temperature_entity": "sensor.boiler",
        "comfort_low": 45.0,
        "local_on_entity": "binary_sensor.boiler_on",
    }
    loads = [
        sites.subentry("load", f"01LOAD{name}", name, {**sites.LOAD, **data})
        for name, data in (("A", {}), ("B", room), ("C", water))
    ]
    entry = sites.site_entry()
    object.__setattr__(
        entry,
        "subentries",
        MappingProxyType(
            {**entry.subentries, **{item.subentry_id: item for item in loads}}
        ),
    )
    described = describe_site(entry, site_config(entry))
    assert {item.id for item in described.meters} == {sites.METER_ID, sites.SUBMETER_ID}
    assert described.thermometers == {
        "01LOADB": Thermometer.ROOM,
        "01LOADC": Thermometer.WATER,
    }
    assert described.local_switches == {"01LOADC"}
    assert described.relays == (sites.RELAY_ID,)
    tree, _ = direct_control_tree(described)
    commanded = {item.commands for item in tree.values() if item.commands}
    assert commanded == {sites.LOAD_ID, "01LOADA", "01LOADB", "01LOADC"}
