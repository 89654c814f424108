"""Options of a site by topic: what is asked, refused, stored and taken up."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.netflex.const import DOMAIN
from custom_components.netflex.entry_site import station_settings
from custom_components.netflex.iec104 import (
    EndOfInitializationRule,
    LinkParameters,
    SecondClientRule,
    StaleCommandRule,
    TimeZoneMode,
)
from custom_components.netflex.iec104.engine import Engine
from custom_components.netflex.model.orders import OrderName
from custom_components.netflex.telecontrol.link_loss import LinkLossAction
from custom_components.netflex.telecontrol.settings import (
    SetpointFeedback,
    TelecontrolSettings,
)
from custom_components.netflex.telecontrol_options import (
    LocalStopInputs,
    OptionsError,
    checked_options,
    local_stop_inputs,
    telecontrol_settings,
)

from . import sites
from .fakes import FakeRuntime, FakeSite
from .translations import ENGLISH, assert_result_is_translated

LINK: dict[str, Any] = {
    "end_of_initialization": "on_start",
    "second_client": "refuse",
    "termination": False,
    "setpoint_feedback": "spontaneous",
    "time_zone": "local",
    "max_command_delay": 20,
    "stale_command": "silent",
    "more": {
        "t0": 20,
        "t1": 12,
        "t2": 8,
        "t3": 30,
        "k": 9,
        "w": 6,
        "select_timeout": 10,
    },
}
LINK_LOSS: dict[str, Any] = {
    "action": "fallback",
    "delay": 60,
    "fallback": {"minsetp": 0, "maxsetp": 70},
}


@pytest.fixture(autouse=True)
def _fake_runtime(no_entities: None, faked: Callable[[], FakeSite]) -> None:
    """What is set up runs no station."""


@pytest.fixture
def entry() -> MockConfigEntry:
    return sites.site_entry(complete=False)


async def begin(hass: HomeAssistant, entry: MockConfigEntry) -> Any:
    result = await hass.config_entries.options.async_init(entry.entry_id)
    assert_result_is_translated(result, "options")
    return result


async def submit(hass: HomeAssistant, result: Any, values: dict[str, Any]) -> Any:
    result = await hass.config_entries.options.async_configure(
        result["flow_id"], values
    )
    await hass.async_block_till_done()
    assert_result_is_translated(result, "options")
    return result


async def choose(hass: HomeAssistant, result: Any, step: str) -> Any:
    return await submit(hass, result, {"next_step_id": step})


async def reach(hass: HomeAssistant, entry: MockConfigEntry, *steps: str) -> Any:
    result = await begin(hass, entry)
    for step in steps:
        result = await choose(hass, result, step)
    return result


def stored(entry: MockConfigEntry) -> TelecontrolSettings:
    settings = station_settings(entry)
    assert settings is not None
    return settings


async def test_every_topic_can_be_reached(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry
) -> None:
    topics = (await begin(hass, entry))["menu_options"]

    assert topics == [
        "link",
        "link_loss",
        "points",
        "tls",
        "engine",
        "local_stops",
        "limits",
        "protection",
        "market",
        "readings",
        "metadata",
        "northbound",
        "flexoffers",
        "shadow",
        "commissioning",
    ]
    for topic in topics:
        result = await reach(hass, entry, topic)
        assert result["step_id"].startswith(topic)


async def test_rules_and_times_of_the_link(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry
) -> None:
    runtime: FakeRuntime = entry.runtime_data

    result = await submit(hass, await reach(hass, entry, "link"), LINK)

    assert result["type"] is FlowResultType.CREATE_ENTRY
    settings = stored(entry)
    assert settings.link == LinkParameters(t0=20, t1=12, t2=8, t3=30, k=9, w=6)
    assert settings.end_of_initialization is EndOfInitializationRule.ON_START
    assert settings.second_client is SecondClientRule.REFUSE
    assert settings.stale_command is StaleCommandRule.SILENT
    assert not settings.termination
    assert settings.setpoint_feedback is SetpointFeedback.SPONTANEOUS
    assert settings.max_command_delay == 20
    assert settings.select_timeout == 10
    assert settings.time_zone.mode is TimeZoneMode.LOCAL
    assert settings.time_zone.zone == ZoneInfo("Europe/Brussels")
    assert runtime.changes == 1
    assert entry.state is ConfigEntryState.LOADED
    # What was chosen is what the form shows next.
    shown = await reach(hass, entry, "link")
    suggested = {
        str(marker): marker.description["suggested_value"]
        for marker in shown["data_schema"].schema
        if marker.description
    }
    assert suggested["time_zone"] == "local"
    assert suggested["max_command_delay"] == 20


@pytest.mark.parametrize(
    ("changes", "more", "field", "detail"),
    [
        ({}, {"t1": 0.5}, "base", "t1 is 0.5: must be 1 to 255"),
        ({}, {"t2": 12}, "base", "t2 is 12.0: must be below t1 (12)"),
        ({}, {"k": 0}, "base", "k is 0: must be 1 to 32767"),
        ({}, {"w": 7}, "base", "w is 7: must be at most 2/3 of k (6)"),
        ({}, {"select_timeout": 0}, "base", "select_timeout is 0"),
        (
            {"max_command_delay": -1},
            {},
            "max_command_delay",
            "max_command_delay is -1.0: must be 0 to 3600",
        ),
    ],
)
async def test_what_is_wrong_with_the_link_is_said_and_can_be_put_right(
    hass: HomeAssistant,
    site: FakeSite,
    entry: MockConfigEntry,
    changes: dict[str, Any],
    more: dict[str, Any],
    field: str,
    detail: str,
) -> None:
    values = deepcopy(LINK) | changes
    values["more"] |= more

    result = await submit(hass, await reach(hass, entry, "link"), values)

    assert result["errors"] == {field: "not_possible"}
    assert detail in result["description_placeholders"]["detail"]
    assert not entry.options
    result = await submit(hass, result, LINK)
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_S05_what_becomes_of_limits_without_a_link(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry
) -> None:
    result = await submit(hass, await reach(hass, entry, "link_loss"), LINK_LOSS)

    assert result["type"] is FlowResultType.CREATE_ENTRY
    policy = stored(entry).link_loss
    assert policy.action is LinkLossAction.FALLBACK
    assert policy.delay == 60
    assert policy.fallback == {OrderName.MINSETP: 0, OrderName.MAXSETP: 70}
    # Other topics keep it.
    await submit(hass, await reach(hass, entry, "link"), LINK)
    assert stored(entry).link_loss == policy


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"delay": -1}, "the delay is -1 s: it must be 0 s or more"),
        ({"fallback": {"minsetp": 120}}, "must be 0 to 100 %"),
        ({"fallback": {}}, "a fallback needs at least one value"),
    ],
)
async def test_S05_a_policy_that_cannot_be_is_refused(
    hass: HomeAssistant,
    site: FakeSite,
    entry: MockConfigEntry,
    changes: dict[str, Any],
    detail: str,
) -> None:
    result = await reach(hass, entry, "link_loss")

    result = await submit(hass, result, LINK_LOSS | changes)

    assert result["errors"] == {"base": "not_possible"}
    assert detail in result["description_placeholders"]["detail"]
    result = await submit(hass, result, LINK_LOSS)
    assert result["type"] is FlowResultType.CREATE_ENTRY


# ----------------------------------------------------------------------------- engine


async def test_without_another_engine_there_is_nothing_to_choose(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry
) -> None:
    with patch("custom_components.netflex.iec104.engine.find_spec", return_value=None):
        menu = await hass.config_entries.options.async_init(entry.entry_id)
    assert "engine" not in menu["menu_options"]
    assert "tls" in menu["menu_options"]
    with patch("custom_components.netflex.iec104.engine.find_spec"):
        menu = await hass.config_entries.options.async_init(entry.entry_id)
    assert "engine" in menu["menu_options"]


async def test_an_engine_that_is_not_installed_is_refused(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry
) -> None:
    result = await reach(hass, entry, "engine")
    assert "not terminated" in result["description_placeholders"]["deviations"]
    with patch("custom_components.netflex.iec104.engine.find_spec", return_value=None):
        result = await submit(hass, result, {"engine": "c104"})

    assert result["errors"] == {"engine": "not_possible"}
    assert "not installed" in result["description_placeholders"]["detail"]
    result = await submit(hass, result, {"engine": "builtin"})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert stored(entry).engine is Engine.BUILTIN


async def test_an_engine_that_has_gone_can_be_replaced(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(
        entry, options={"version": 1, "engine": "c104"}
    )
    with patch("custom_components.netflex.iec104.engine.find_spec", return_value=None):
        assert stored(entry).engine is Engine.BUILTIN
        result = await begin(hass, entry)
        assert result["step_id"] == "engine"
        assert result["errors"] == {"engine": "not_possible"}
        result = await submit(hass, result, {"engine": "builtin"})

        assert result["type"] is FlowResultType.CREATE_ENTRY
        assert stored(entry).engine is Engine.BUILTIN


async def test_an_engine_that_is_installed_is_used(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry
) -> None:
    with patch(
        "custom_components.netflex.iec104.engine.find_spec", return_value=object()
    ):
        result = await submit(
            hass, await reach(hass, entry, "engine"), {"engine": "c104"}
        )

        assert result["type"] is FlowResultType.CREATE_ENTRY
        assert stored(entry).engine is Engine.C104


# -------------------------------------------------------------------------------- TLS


def tls(folder: Path | str, **changes: Any) -> dict[str, Any]:
    return {
        "enabled": True,
        "certificate": f"{folder}/own.pem",
        "key": f"{folder}/own.key",
        "authorities": f"{folder}/ca.pem",
        "more": {"peer_names": [" rtu.example "], "minimum_version": "1.3"},
    } | changes


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Files that can be read; a test says what is in them."""
    for name in ("own.pem", "own.key", "ca.pem"):
        (tmp_path / name).write_text(name)
    return tmp_path


CONTEXT = "custom_components.netflex.iec104.TlsSettings.server_context"


async def test_tls_is_stored_once_its_files_fit(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry, files: Path
) -> None:
    runtime: FakeRuntime = entry.runtime_data
    with patch(CONTEXT):
        result = await submit(hass, await reach(hass, entry, "tls"), tls(files))

        assert result["type"] is FlowResultType.CREATE_ENTRY
        settings = stored(entry).tls
        assert settings is not None
        assert settings.certificate == files / "own.pem"
        assert settings.peer_names == {"rtu.example"}
        assert settings.minimum_version == "1.3"
        assert settings.revocations is None
        assert runtime.reloads == 0
        # The same again: the files may have been renewed.
        await submit(hass, await reach(hass, entry, "tls"), tls(files))
        assert runtime.reloads == 1

    off = tls(files, enabled=False)
    result = await submit(hass, await reach(hass, entry, "tls"), off)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert stored(entry).tls is None
    assert entry.options["tls"]["key"] == str(files / "own.key")


async def test_paths_count_from_the_configuration(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry
) -> None:
    folder = Path(hass.config.path("ssl"))
    more = {"peer_names": [], "minimum_version": "1.2", "revocations": "ssl/crl.pem"}
    with patch(CONTEXT), patch.object(Path, "read_bytes"):
        await submit(hass, await reach(hass, entry, "tls"), tls("ssl", more=more))

    settings = stored(entry).tls
    assert settings is not None
    assert settings.key == folder / "own.key"
    assert settings.revocations == folder / "crl.pem"


async def test_tls_needs_its_three_files(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry, files: Path
) -> None:
    more = {"peer_names": [], "minimum_version": "1.2"}
    result = await reach(hass, entry, "tls")

    result = await submit(hass, result, {"enabled": True, "more": more})
    assert result["errors"] == dict.fromkeys(
        ("certificate", "key", "authorities"), "file_missing"
    )
    gone = tls(files, key=str(files / "gone.key"))
    result = await submit(hass, result, gone)
    assert result["errors"] == {"key": "file_unreadable"}
    assert "it is not there" in result["description_placeholders"]["detail"]
    # They can be read, and are no certificates.
    result = await submit(hass, result, tls(files))
    assert result["errors"] == {"base": "tls_unusable"}
    assert result["description_placeholders"]["detail"]
    result = await submit(hass, result, {"enabled": False, "more": more})
    assert result["type"] is FlowResultType.CREATE_ENTRY


# ------------------------------------------------------------------ local stop inputs


BUTTON = "binary_sensor.button"
KEY_SWITCH = "input_boolean.key_switch"


async def test_S13_inputs_are_kept_by_what_survives_a_rename(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry
) -> None:
    button = er.async_get(hass).async_get_or_create(
        "binary_sensor", "modbus", "button", suggested_object_id="button"
    )
    hass.states.async_set(BUTTON, "on")
    hass.states.async_set(KEY_SWITCH, "on")

    result = await submit(
        hass,
        await reach(hass, entry, "local_stops"),
        {"production": [BUTTON, BUTTON], "consumption": [BUTTON, KEY_SWITCH]},
    )

    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert local_stop_inputs(entry.options) == LocalStopInputs(
        production=(button.id,), consumption=(button.id, KEY_SWITCH)
    )
    # Chosen before, an input may be away; none is a choice too.
    hass.states.async_set(BUTTON, "unavailable")
    result = await reach(hass, entry, "local_stops")
    result = await submit(hass, result, {"production": [BUTTON]})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert local_stop_inputs(entry.options) == LocalStopInputs(production=(button.id,))


async def test_S13_inputs_that_cannot_be_relied_on_are_refused(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry
) -> None:
    er.async_get(hass).async_get_or_create(
        "binary_sensor", DOMAIN, "stopped", suggested_object_id="stopped"
    )
    hass.states.async_set("binary_sensor.stopped", "on")
    hass.states.async_set(KEY_SWITCH, "unknown")
    result = await reach(hass, entry, "local_stops")

    result = await submit(hass, result, {"production": ["binary_sensor.stopped"]})
    assert result["errors"] == {"production": "own_input"}
    result = await submit(hass, result, {"consumption": [BUTTON, KEY_SWITCH]})
    assert result["errors"] == {"consumption": "input_silent"}
    silent = result["description_placeholders"]["silent"]
    assert silent == f"{BUTTON}, {KEY_SWITCH}"
    assert not entry.options


async def test_S13_an_open_input_stops_only_after_a_tick(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry
) -> None:
    hass.states.async_set(BUTTON, "off")
    result = await reach(hass, entry, "local_stops")
    assert "stop_now" not in result["data_schema"].schema

    result = await submit(hass, result, {"production": [BUTTON]})
    assert result["errors"] == {"base": "inputs_open"}
    assert result["description_placeholders"]["open"] == BUTTON
    result = await submit(hass, result, {"production": [BUTTON], "stop_now": True})

    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert local_stop_inputs(entry.options).production == (BUTTON,)


async def test_without_telecontrol_only_the_sites_own_topics_can_be_chosen(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(
        entry, data={**entry.data, "telecontrol": False}
    )

    begun = await begin(hass, entry)
    assert begun["step_id"] == "site"
    topics = [
        "local_stops",
        "limits",
        "protection",
        "market",
        "readings",
        "metadata",
        "northbound",
        "flexoffers",
        "shadow",
        "commissioning",
    ]
    assert begun["menu_options"] == topics


# ----------------------------------------------------------------------------- stored


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"version": 2}, "unknown version 2"),
        ({"link": {}}, "unknown version None"),
        ({"version": 1, "colour": "red"}, "colour"),
        ({"version": 1, "link": {"t9": 3}}, "t9"),
        ({"version": 1, "link": {"t1": 300}}, "must be 1 to 255"),
        ({"version": 1, "link": {"stale_command": "shout"}}, "stale_command"),
        ({"version": 1, "link_loss": {"action": "hold"}}, "delay"),
        (
            {"version": 1, "points": {"csv": "", "profile": "x", "confirmed": True}},
            "empty",
        ),
        ({"version": 1, "local_stop_inputs": {"sideways": []}}, "sideways"),
    ],
)
async def test_stored_options_are_never_guessed(
    hass: HomeAssistant, entry: MockConfigEntry, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(OptionsError, match=said):
        telecontrol_settings(options)

    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, options=options)
    result = await begin(hass, entry)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "options_error"
    assert said in result["description_placeholders"]["error"]


async def test_a_site_with_unknown_options_is_not_set_up(
    hass: HomeAssistant, entry: MockConfigEntry, faked: Callable[[], FakeSite]
) -> None:
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, options={"version": 2})

    assert not await hass.config_entries.async_setup(entry.entry_id)

    assert entry.state is ConfigEntryState.SETUP_ERROR
    assert entry.error_reason_translation_key == "options_error"
    assert "options_error" in ENGLISH["exceptions"]


def test_nothing_stored_is_every_default() -> None:
    assert telecontrol_settings({}) == TelecontrolSettings()
    assert telecontrol_settings(checked_options({})) == TelecontrolSettings()
    assert local_stop_inputs({}) == LocalStopInputs()
    utc = telecontrol_settings({"version": 1, "link": {"time_zone": "utc"}})
    assert utc.time_zone.mode is TimeZoneMode.UTC
