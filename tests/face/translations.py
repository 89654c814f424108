"""Whether everything that a user gets to see has its text."""

import json
from pathlib import Path
import string
from typing import Any

from homeassistant.data_entry_flow import FlowResultType, section

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
    if result["type"] is FlowResultType.ABORT:
        if result.get("translation_domain") is None:
            assert result["reason"] in texts["abort"]
        return
    if result["type"] is FlowResultType.CREATE_ENTRY:
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
