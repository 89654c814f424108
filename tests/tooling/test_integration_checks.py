"""The checks of the integration's files find the mistakes that they are for."""

from collections.abc import Callable
import copy
import json
from pathlib import Path
from typing import Any

from homeassistant import components
import pytest

from . import integration_files as check

CORE = Path(components.__file__).parent

GOOD_MANIFEST = {
    "domain": "sample",
    "name": "Sample",
    "codeowners": ["@somebody"],
    "config_flow": True,
    "documentation": "https://github.com/somebody/sample",
    "integration_type": "hub",
    "iot_class": "local_push",
    "issue_tracker": "https://github.com/somebody/sample/issues",
    "requirements": ["pymodbus>=3.11,<4"],
    "version": "1.2.3",
}
GOOD_TEXTS = {
    "config": {
        "step": {
            "user": {
                "title": "Site",
                "data": {"name": "Name"},
                "data_description": {"name": "Shown everywhere"},
                "sections": {"more": {"name": "More", "data": {"port": "Port"}}},
            }
        },
        "error": {"in_use": "Port {port} is in use"},
    },
    "config_subentries": {
        "meter": {
            "entry_type": "Meter",
            "initiate_flow": {"user": "Add meter", "reconfigure": "Change"},
            "step": {"user": {"data": {"url": "Port"}}},
        }
    },
    "entity": {"sensor": {"link": {"name": "Link", "state": {"up": "Connected"}}}},
    "exceptions": {"refused": {"message": "{device} refused"}},
    "issues": {"gone": {"title": "Gone", "description": "It is gone"}},
    "services": {
        "rehearse": {
            "name": "Rehearse",
            "description": "Runs through",
            "fields": {"site": {"name": "Site", "description": "Which one"}},
        }
    },
}
GOOD_ICONS = {
    "entity": {
        "sensor": {
            "link": {"default": "mdi:lan", "state": {"up": "mdi:lan-connect"}},
            "load": {"default": "mdi:gauge", "range": {"0": "mdi:a", "50": "mdi:b"}},
        }
    },
    "services": {"rehearse": {"service": "mdi:play"}},
}
GOOD_SERVICES = {
    "rehearse": {"fields": {"site": {"required": True, "selector": {"text": None}}}}
}


def changed(content: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy with one value set, or removed where the value is None."""
    result = copy.deepcopy(content)
    *parents, last = path.split("/")
    inner = result
    for name in parents:
        inner = inner[name]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return result


def test_good_files_have_no_faults() -> None:
    assert list(check.manifest_faults(GOOD_MANIFEST)) == []
    assert list(check.translation_faults(GOOD_TEXTS)) == []
    assert list(check.icon_faults(GOOD_ICONS)) == []
    assert (
        list(check.action_faults("services", GOOD_SERVICES, GOOD_TEXTS, GOOD_ICONS))
        == []
    )


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        ("version", None, "version is missing"),
        ("version", "main", "version is not one"),
        ("zigbee", True, "zigbee is not known"),
        (
            "documentation",
            "https://www.home-assistant.io/sample",
            "of the project's own",
        ),
        ("issue_tracker", "http://example.org", "of the project's own"),
        ("iot_class", "local", "iot_class is not known"),
        ("integration_type", "entity", "integration_type"),
        ("codeowners", ["somebody"], "does not start with @"),
        ("requirements", ["pyserial-asyncio>=0.6"], "refuses"),
        ("requirements", ["pymodbus >=3"], "holds a space"),
        ("after_dependencies", ["recorder"], "keys are not in the order"),
    ],
)
def test_manifest_faults_are_found(path: str, value: Any, fault: str) -> None:
    found = list(check.manifest_faults(changed(GOOD_MANIFEST, path, value)))
    assert any(fault in text for text in found)


USER = "config/step/user"


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        (f"{USER}/title", " Site", "spaces around it"),
        (f"{USER}/title", "", "is not a text"),
        (f"{USER}/title", "<b>Site</b>", "HTML"),
        (f"{USER}/title", "See https://example.org", "address"),
        (f"{USER}/title", "Is '{name}' right", "single quotes"),
        (f"{USER}/title", "[%key:common::state::on%]", "only core"),
        (f"{USER}/headline", "Site", "headline is not known"),
        (f"{USER}/data_description/port", "Elsewhere", "describes no field"),
        (f"{USER}/sections/more/name", None, "name is missing"),
        (f"{USER}/data/Bad Key", "x", "is not a valid key"),
        ("config/step", None, "step is missing"),
        ("config_subentries/meter/entry_type", None, "entry_type is missing"),
        ("config_subentries/meter/initiate_flow/user", None, "user is missing"),
        ("exceptions/refused/message", None, "message is missing"),
        ("issues/gone/description", None, "needs either"),
        ("entity/sensor/link/state", "up", "is not an object"),
        ("services/rehearse/description", None, "description is missing"),
        ("sensor", {}, "sensor is not known"),
    ],
)
def test_translation_faults_are_found(path: str, value: Any, fault: str) -> None:
    found = list(check.translation_faults(changed(GOOD_TEXTS, path, value)))
    assert any(fault in text for text in found)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("entity/sensor/link/default", "hass:lan"),
        ("entity/sensor/link/icon", "mdi:lan"),
        ("entity/sensor/load/range", {"50": "mdi:a", "0": "mdi:b"}),
        ("entity/sensor/load/range", {"low": "mdi:a"}),
        ("services/rehearse", "mdi:play"),
    ],
)
def test_icon_faults_are_found(path: str, value: Any) -> None:
    assert list(check.icon_faults(changed(GOOD_ICONS, path, value)))


def without(content: dict[str, Any], path: str) -> dict[str, Any]:
    return changed(content, path, None)


@pytest.mark.parametrize(
    ("described", "texts", "icons", "fault"),
    [
        (None, GOOD_TEXTS, GOOD_ICONS, "is not described"),
        (
            GOOD_SERVICES,
            without(GOOD_TEXTS, "services/rehearse"),
            GOOD_ICONS,
            "no text",
        ),
        (
            GOOD_SERVICES,
            GOOD_TEXTS,
            without(GOOD_ICONS, "services/rehearse"),
            "no icon",
        ),
        (
            GOOD_SERVICES,
            without(GOOD_TEXTS, "services/rehearse/fields/site"),
            GOOD_ICONS,
            "rehearse.site has no text",
        ),
        (
            without(GOOD_SERVICES, "rehearse/fields/site/selector"),
            GOOD_TEXTS,
            GOOD_ICONS,
            "has no selector",
        ),
        (
            changed(GOOD_SERVICES, "rehearse/fields/site/name", "Site"),
            GOOD_TEXTS,
            GOOD_ICONS,
            "name is not known",
        ),
    ],
)
def test_action_faults_are_found(
    described: dict[str, Any] | None,
    texts: dict[str, Any],
    icons: dict[str, Any],
    fault: str,
) -> None:
    found = check.action_faults("services", described, texts, icons)
    assert any(fault in text for text in found)


@pytest.mark.parametrize(
    ("rules", "fault"),
    [
        ({"brands": "done"}, "devices is not answered"),
        ({"brands": "done", "devices": "done", "shiny": "done"}, "shiny is no rule"),
        ({"brands": "done", "devices": "maybe"}, "unknown status"),
        ({"brands": "done", "devices": {"status": "exempt"}}, "without a reason"),
    ],
)
def test_quality_scale_faults_are_found(rules: dict[str, Any], fault: str) -> None:
    found = check.quality_scale_faults({"rules": rules}, {"brands", "devices"})
    assert any(fault in text for text in found)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ({"name": "Sample", "domains": ["sensor"]}, "domains is not known"),
        ({}, "name is missing"),
        ({"name": "Sample", "zip_release": True}, "needs filename"),
    ],
)
def test_hacs_faults_are_found(content: dict[str, Any], fault: str) -> None:
    assert fault in " ".join(check.hacs_faults(content))


@pytest.mark.parametrize(
    ("faults_of", "file"),
    [
        (check.translation_faults, "translations/en.json"),
        (check.icon_faults, "icons.json"),
    ],
)
@pytest.mark.parametrize("component", ["peblar", "homewizard", "solaredge_modbus"])
def test_integrations_that_core_ships_pass(
    faults_of: Callable[[check.Content], check.Faults], file: str, component: str
) -> None:
    """Core's own pass hassfest, so a check that finds fault with them is wrong."""
    texts = json.loads((CORE / component / file).read_text())
    assert list(faults_of(texts)) == []
