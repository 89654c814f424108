"""Whether everything that a user gets to see has its text."""

import json
from pathlib import Path
import string
from typing import Any

from homeassistant.components.repairs import RepairsFlow
from homeassistant.config_entries import ConfigSubentryFlow, OptionsFlow
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, section
from homeassistant.exceptions import HomeAssistantError, Unauthorized
from homeassistant.helpers.issue_registry import IssueEntry

from custom_components.netflex.const import DOMAIN

INTEGRATION = Path(__file__).parents[2] / "custom_components" / "netflex"
ENGLISH: dict[str, Any] = json.loads(
    (INTEGRATION / "translations" / "en.json").read_text()
)
ICONS: dict[str, Any] = json.loads((INTEGRATION / "icons.json").read_text())


def placeholders(text: str) -> set[str]:
    """Return the names in braces of a text."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def assert_result_is_translated(result: Any, kind: str | None = None) -> None:
    """Check a form's or a menu's texts; `kind` is a subentry's type or "options"."""
    if kind == "options":
        texts = ENGLISH["options"]
    elif kind is not None:
        texts = ENGLISH["config_subentries"][kind]
    else:
        texts = ENGLISH["config"]
    _assert_result(result, texts)


def assert_step_is_translated(hass: HomeAssistant, flow: Any, result: Any) -> None:
    """Check what a step of any flow shows, where it is one of ours."""
    handler = flow.handler
    if isinstance(flow, ConfigSubentryFlow):
        if _is_ours(hass, handler[0]):
            assert_result_is_translated(result, handler[1])
    elif isinstance(flow, OptionsFlow):
        if _is_ours(hass, handler):
            assert_result_is_translated(result, "options")
    elif handler == DOMAIN and isinstance(flow, RepairsFlow):
        key = (flow.data or {})["key"]
        _assert_result(result, ENGLISH["issues"][key]["fix_flow"])
    elif handler == DOMAIN:
        assert_result_is_translated(result)


def _is_ours(hass: HomeAssistant, entry_id: str) -> bool:
    entry = hass.config_entries.async_get_entry(entry_id)
    return entry is not None and entry.domain == DOMAIN


def assert_exception_is_translated(err: HomeAssistantError) -> None:
    """Check the text of what an action of ours refuses with."""
    if isinstance(err, Unauthorized):
        return  # Home Assistant itself says that.
    assert err.translation_domain == DOMAIN, repr(err)
    assert err.translation_key is not None
    message = ENGLISH["exceptions"][err.translation_key]["message"]
    assert placeholders(message) <= set(err.translation_placeholders or ())


def assert_issue_is_translated(issue: IssueEntry) -> None:
    """Check the text of a repair, and that it has the flow that it promises."""
    assert issue.translation_key is not None
    texts = ENGLISH["issues"][issue.translation_key]
    given = set(issue.translation_placeholders or ())
    assert placeholders(texts["title"] + texts.get("description", "")) <= given
    assert issue.is_fixable is ("fix_flow" in texts)


def _assert_result(result: Any, texts: dict[str, Any]) -> None:
    if result["type"] is FlowResultType.ABORT:
        if result.get("translation_domain") is None:
            assert result["reason"] in texts["abort"]
        return
    if result["type"] in {
        FlowResultType.CREATE_ENTRY,
        FlowResultType.SHOW_PROGRESS_DONE,
    }:
        return
    if result["type"] is FlowResultType.SHOW_PROGRESS:
        said = placeholders(texts["progress"][result["progress_action"]])
        assert said <= set(result["description_placeholders"] or ())
        return
    step = texts["step"][result["step_id"]]
    given = set(result.get("description_placeholders") or ())
    assert step["title"]
    assert placeholders(step["title"] + step.get("description", "")) <= given
    if result["type"] is FlowResultType.MENU:
        # Some choices are there only while there is something to choose.
        assert set(result["menu_options"]) <= set(step["menu_options"])
        return
    _assert_fields(result["data_schema"].schema, step, given)
    for error in (result["errors"] or {}).values():
        assert placeholders(texts["error"][error]) <= given, error


def _assert_fields(
    schema: dict[Any, Any], step: dict[str, Any], given: set[str]
) -> None:
    for marker, field in schema.items():
        key = str(marker)
        if isinstance(field, section):
            part = step["sections"][key]
            assert part["name"]
            _assert_fields(field.schema.schema, part, given)
            continue
        assert step["data"][key]
        assert placeholders(step["data_description"][key]) <= given
        _assert_options(field)


def _assert_options(field: Any) -> None:
    config = getattr(field, "config", None) or {}
    if (translation_key := config.get("translation_key")) is None:
        return
    texts = ENGLISH["selector"][translation_key]
    for option in config.get("options", ()):
        assert texts["options"][option]
    for name, part in config.get("fields", {}).items():
        assert texts["fields"][name]["name"]
        _assert_options(part["selector"])
