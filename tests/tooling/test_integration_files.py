"""The integration's files pass what hassfest and HACS check, as far as that runs here."""

import ast
from collections.abc import Iterator
import json
from pathlib import Path
import re
from typing import Any

from homeassistant import components
from homeassistant.const import Platform
from homeassistant.util.yaml import load_yaml_dict
import pytest

from . import integration_files as check

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "custom_components" / "netflex"
CORE = Path(components.__file__).parent
SOURCES = {path: ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))}
# Components that are always there and need no dependency in the manifest.
ALWAYS_THERE = {"homeassistant", "persistent_notification", "system_health"}


def json_of(name: str) -> dict[str, Any]:
    file = PACKAGE / name
    return json.loads(file.read_text()) if file.exists() else {}


def yaml_of(name: str) -> dict[str, Any] | None:
    file = PACKAGE / name
    return load_yaml_dict(str(file)) if file.exists() else None


def rules_of_the_quality_scale() -> set[str]:
    """Return the rules that an integration of the highest tier answers."""
    return {*load_yaml_dict(str(CORE / "peblar" / "quality_scale.yaml"))["rules"]}


MANIFEST = json_of("manifest.json")
ENGLISH = json_of("translations/en.json")
ICONS = json_of("icons.json")


@pytest.mark.parametrize(
    ("module", "files"),
    [
        ("__init__", ["manifest.json", "quality_scale.yaml", "brand/icon.png"]),
        ("config_flow", ["translations/en.json"]),
        ("sensor", ["icons.json"]),
        ("actions", ["services.yaml"]),
        ("trigger", ["triggers.yaml"]),
        ("condition", ["conditions.yaml"]),
    ],
)
def test_files_are_there_for_what_the_integration_has(
    module: str, files: list[str]
) -> None:
    if (PACKAGE / f"{module}.py").exists():
        assert [name for name in files if not (PACKAGE / name).exists()] == []
    else:
        assert [name for name in files if (PACKAGE / name).exists()] == []


def test_manifest() -> None:
    assert list(check.manifest_faults(MANIFEST)) == []
    assert MANIFEST["domain"] == PACKAGE.name


def test_hacs() -> None:
    content = json.loads((ROOT / "hacs.json").read_text())
    assert list(check.hacs_faults(content)) == []
    assert content["name"] == MANIFEST["name"]


def test_translations_in_english() -> None:
    assert list(check.translation_faults(ENGLISH)) == []
    # Core's texts are compiled from that file; a custom integration has none.
    assert not (PACKAGE / "strings.json").exists()


def _undescribed(texts: Any, where: str) -> Iterator[str]:
    if not isinstance(texts, dict):
        return
    if isinstance(fields := texts.get("data"), dict):
        for key in fields.keys() - texts.get("data_description", {}).keys():
            yield f"{where}.{key}"
    for key, value in texts.items():
        yield from _undescribed(value, f"{where}.{key}")


@pytest.mark.parametrize("part", ["config", "config_subentries", "options"])
def test_every_field_of_every_form_is_described(part: str) -> None:
    assert ENGLISH[part]
    assert list(_undescribed(ENGLISH[part], part)) == []


def test_icons() -> None:
    assert list(check.icon_faults(ICONS)) == []
    named = ENGLISH.get("entity", {})
    assert [
        f"{platform}.{key}"
        for platform, keys in ICONS.get("entity", {}).items()
        for key in keys
        if key not in named.get(platform, {})
    ] == []


@pytest.mark.parametrize("kind", ["services", "triggers", "conditions"])
def test_actions(kind: str) -> None:
    described = yaml_of(f"{kind}.yaml")
    assert list(check.action_faults(kind, described, ENGLISH, ICONS)) == []


def test_quality_scale() -> None:
    content = yaml_of("quality_scale.yaml")
    if content is not None:
        rules = rules_of_the_quality_scale()
        assert list(check.quality_scale_faults(content, rules)) == []


def test_the_quality_scale_has_its_rules() -> None:
    assert len(rules_of_the_quality_scale()) == 54


def test_components_that_are_imported_are_dependencies() -> None:
    named = {
        *MANIFEST.get("dependencies", []),
        *MANIFEST.get("after_dependencies", []),
    }
    # A platform of another component, as diagnostics.py, is loaded by that one.
    provided = {path.stem for path in PACKAGE.iterdir()}
    allowed = named | provided | ALWAYS_THERE | {*Platform}
    prefix = "homeassistant.components"
    missing = set()
    for path, tree in SOURCES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == prefix:
                imported = {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported = {str(node.module).removeprefix(f"{prefix}.").split(".")[0]}
                if not str(node.module).startswith(f"{prefix}."):
                    continue
            else:
                continue
            missing |= {f"{path.name}: {name}" for name in imported - allowed}
    assert missing == set()


def test_texts_that_the_code_raises_are_translated() -> None:
    """Exceptions and repairs name a text; a wrong name shows up as a bare key."""
    missing = []
    for path, tree in SOURCES.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            given = {word.arg: word.value for word in node.keywords}
            key = given.get("translation_key")
            if not isinstance(key, ast.Constant):
                continue
            name = ast.unparse(node.func)
            if name.endswith("async_create_issue"):
                texts = ENGLISH.get("issues", {})
            elif "translation_domain" in given:
                texts = ENGLISH.get("exceptions", {})
            else:
                continue
            if key.value not in texts:
                missing.append(f"{path.name}:{node.lineno}: {key.value}")
    assert missing == []


SHOWN = frozenset(
    {
        "ConfigEntryAuthFailed",
        "ConfigEntryError",
        "ConfigEntryNotReady",
        "HomeAssistantError",
        "ServiceValidationError",
        "UpdateFailed",
    }
)
"""Exceptions whose text a user reads."""
KEYED = frozenset({"ReadingsError", "RehearsalRefusedError"})
"""Our own, whose key becomes that of such a text."""


def raised() -> Iterator[tuple[str, ast.Call]]:
    """Yield every exception that the code raises, with its place."""
    for path, tree in SOURCES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                yield f"{path.name}:{node.lineno}", node.exc


def test_every_exception_that_a_user_sees_is_translated() -> None:
    texts = ENGLISH["exceptions"]
    wrong, seen = [], 0
    for place, call in raised():
        if ast.unparse(call.func) not in SHOWN:
            continue
        seen += 1
        given = {word.arg: word.value for word in call.keywords}
        if "translation_domain" not in given or "translation_key" not in given:
            wrong.append(f"{place}: is not translated")
            continue
        key = given["translation_key"]
        if isinstance(key, ast.JoinedStr):
            parts = [
                re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".+"
                for part in key.values
            ]
            found = [name for name in texts if re.fullmatch("".join(parts), name)]
        elif isinstance(key, ast.Constant):
            found = [name for name in texts if name == key.value]
        else:
            # An exception's own key: those are looked at below.
            assert ast.unparse(key) == "err.key", place
            continue
        if not found:
            wrong.append(f"{place}: {ast.unparse(key)} is no text")
        placeholders = given.get("translation_placeholders")
        named = (
            {str(getattr(item, "value", None)) for item in placeholders.keys}
            if isinstance(placeholders, ast.Dict)
            else set()
        )
        for name in found:
            used = set(re.findall(r"{(\w+)}", texts[name]["message"]))
            if used - named:
                wrong.append(f"{place}: {name} lacks {sorted(used - named)}")
    assert seen > 20
    assert wrong == []


def test_every_key_of_our_own_exceptions_is_a_text() -> None:
    keys = {
        str(call.args[0].value)
        for _place, call in raised()
        if ast.unparse(call.func) in KEYED
        and call.args
        and isinstance(call.args[0], ast.Constant)
    }
    assert len(keys) > 6
    assert keys - set(ENGLISH["exceptions"]) == set()
