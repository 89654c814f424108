"""What Home Assistant's hassfest and HACS check of an integration's files.

Neither can be installed from a package, so these are checks of our own after their
published rules. Each function takes the parsed content of a file and returns what is
wrong with it in words, nothing where all is well. The real hassfest and HACS action run
in the repository's workflows.
"""

from collections.abc import Callable, Iterator, Mapping
import re
from typing import Any
from urllib.parse import urlparse

from packaging.requirements import Requirement

type Faults = Iterator[str]
type Content = Mapping[str, Any]

MANIFEST_REQUIRED = {
    "domain", "name", "codeowners", "config_flow", "documentation", "integration_type",
    "iot_class", "issue_tracker", "requirements", "version",
}  # fmt: skip
MANIFEST_OPTIONAL = {
    "after_dependencies", "bluetooth", "dependencies", "dhcp", "homekit",
    "import_executor", "loggers", "mqtt", "preview_features", "quality_scale",
    "single_config_entry", "ssdp", "usb", "zeroconf",
}  # fmt: skip
INTEGRATION_TYPES = {"device", "hub", "service"}
IOT_CLASSES = {
    "assumed_state", "calculated", "cloud_polling", "cloud_push", "local_polling",
    "local_push",
}  # fmt: skip
# Home Assistant refuses or warns about integrations that ask for these.
REFUSED_REQUIREMENTS = {
    "async-timeout", "pyserial-asyncio", "pytest", "setuptools", "wheel",
}  # fmt: skip
HACS_KEYS = {
    "content_in_root", "country", "filename", "hacs", "hide_default_branch",
    "homeassistant", "name", "persistent_directory", "render_readme", "zip_release",
}  # fmt: skip

_KEY = re.compile(r"(?!.*[_-]{2})[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?")


def manifest_faults(manifest: Content) -> Faults:
    """Check keys, their order, and the values that hassfest looks at."""
    keys = list(manifest)
    if keys != (order := ["domain", "name", *sorted({*keys} - {"domain", "name"})]):
        yield f"keys are not in the order {order}"
    for missing in sorted(MANIFEST_REQUIRED - {*keys}):
        yield f"{missing} is missing"
    for unknown in sorted({*keys} - MANIFEST_REQUIRED - MANIFEST_OPTIONAL):
        yield f"{unknown} is not known"
    if manifest.get("integration_type") not in INTEGRATION_TYPES:
        yield "integration_type is not one of a config entry's"
    if manifest.get("iot_class") not in IOT_CLASSES:
        yield "iot_class is not known"
    for key in ("documentation", "issue_tracker"):
        url = urlparse(str(manifest.get(key)))
        if url.scheme != "https" or not url.netloc or "home-assistant.io" in url.netloc:
            yield f"{key} is not an https address of the project's own"
    if not re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", str(manifest.get("version"))):
        yield "version is not one that HACS can compare"
    for owner in manifest.get("codeowners", []):
        if not owner.startswith("@"):
            yield f"code owner {owner} does not start with @"
    for text in manifest.get("requirements", []):
        if " " in text:
            yield f"requirement {text} holds a space"
        if Requirement(text).name in REFUSED_REQUIREMENTS:
            yield f"requirement {text} is one that Home Assistant refuses"


def hacs_faults(content: Content) -> Faults:
    """Check hacs.json: HACS refuses keys that it does not know."""
    for unknown in sorted({*content} - HACS_KEYS):
        yield f"{unknown} is not known"
    if not content.get("name"):
        yield "name is missing"
    if content.get("zip_release") and not content.get("filename"):
        yield "zip_release needs filename"


# --- translations ------------------------------------------------------------------

type Shape = Callable[[Any, str], Faults]


def _text(value: Any, where: str) -> Faults:
    if not isinstance(value, str) or not value:
        yield f"{where} is not a text"
        return
    if value != value.strip():
        yield f"{where} has spaces around it"
    if re.search(r"<[a-z/!]", value, re.IGNORECASE):
        yield f"{where} holds HTML"
    if "://" in value:
        yield f"{where} holds an address: use a placeholder"
    if re.search(r"'\{[^}]*\}'", value):
        yield f"{where} quotes a placeholder with single quotes"
    if "[%key:" in value:
        yield f"{where} refers to another text: only core resolves that"


def _texts(value: Any, where: str) -> Faults:
    """Check named texts, `{"key": "text"}`."""
    yield from _named(_text)(value, where)


def _named(shape: Shape) -> Shape:
    """Return the shape `{"any key": shape}`."""

    def check(value: Any, where: str) -> Faults:
        if not isinstance(value, dict):
            yield f"{where} is not an object"
            return
        for key, item in value.items():
            if not _KEY.fullmatch(key):
                yield f"{where}.{key} is not a valid key"
            yield from shape(item, f"{where}.{key}")

    return check


def _object(required: dict[str, Shape], optional: dict[str, Shape]) -> Shape:
    """Return the shape of an object with these keys and no others."""

    def check(value: Any, where: str) -> Faults:
        if not isinstance(value, dict):
            yield f"{where} is not an object"
            return
        for missing in sorted({*required} - {*value}):
            yield f"{where}.{missing} is missing"
        for key, item in value.items():
            if shape := {**required, **optional}.get(key):
                yield from shape(item, f"{where}.{key}")
            else:
                yield f"{where}.{key} is not known"

    return check


def _described(shape: Shape) -> Shape:
    """Return the shape, with every described field one that there is."""

    def check(value: Any, where: str) -> Faults:
        yield from shape(value, where)
        described = value.get("data_description", {})
        for key in sorted({*described} - {*value.get("data", {})}):
            yield f"{where}.data_description.{key} describes no field"

    return check


def _fix_flow_or_description(value: Any, where: str) -> Faults:
    yield from _object(
        {"title": _text},
        {
            "description": _text,
            "fix_flow": _object({"step": _named(_STEP)}, _FLOW_ENDS),
        },
    )(value, where)
    if ("description" in value) == ("fix_flow" in value):
        yield f"{where} needs either description or fix_flow"


_FIELDS: dict[str, Shape] = {
    "data": _texts,
    "data_description": _texts,
    "description": _text,
}
_STEP = _described(
    _object(
        {},
        _FIELDS
        | {
            "title": _text,
            "submit": _text,
            "menu_options": _texts,
            "menu_option_descriptions": _texts,
            "sections": _named(_described(_object({"name": _text}, _FIELDS))),
        },
    )
)
_FLOW_ENDS: dict[str, Shape] = {
    "abort": _texts,
    "create_entry": _texts,
    "error": _texts,
    "progress": _texts,
}
_FLOW: dict[str, Shape] = {"step": _named(_STEP), **_FLOW_ENDS}
_ACTION = _object(
    {"name": _text, "description": _text},
    {
        "fields": _named(_object({"name": _text, "description": _text}, {})),
        "sections": _named(_object({"name": _text}, {"description": _text})),
    },
)
_ENTITY = _object(
    {},
    {
        "name": _text,
        "state": _texts,
        "unit_of_measurement": _text,
        "state_attributes": _named(_object({}, {"name": _text, "state": _texts})),
    },
)
_TRANSLATIONS = _object(
    {},
    {
        "title": _text,
        "common": _texts,
        "conditions": _named(_ACTION),
        "config": _object(
            {"step": _named(_STEP)},
            {
                "flow_title": _text,
                "initiate_flow": _object({"user": _text}, {}),
                **_FLOW_ENDS,
            },
        ),
        "config_subentries": _named(
            _object(
                {
                    "entry_type": _text,
                    "initiate_flow": _object({"user": _text}, {"reconfigure": _text}),
                    "step": _named(_STEP),
                },
                _FLOW_ENDS,
            )
        ),
        "device": _named(_object({"name": _text}, {})),
        "entity": _named(_named(_ENTITY)),
        "exceptions": _named(_object({"message": _text}, {})),
        "issues": _named(_fix_flow_or_description),
        "options": _object({}, _FLOW),
        "selector": _named(
            _object(
                {},
                {
                    "options": _texts,
                    "fields": _named(_object({"name": _text}, {"description": _text})),
                },
            )
        ),
        "services": _named(_ACTION),
        "system_health": _object({}, {"info": _texts}),
        "triggers": _named(_ACTION),
    },
)


def translation_faults(texts: Content) -> Faults:
    """Check the structure and the texts of one language."""
    yield from _TRANSLATIONS(texts, "translations")


def leaves(content: Content, prefix: str = "") -> dict[str, str]:
    """Return the texts of nested objects by their dotted path."""
    found: dict[str, str] = {}
    for key, value in content.items():
        path = f"{prefix}.{key}" if prefix else key
        found |= leaves(value, path) if isinstance(value, dict) else {path: value}
    return found


# --- icons, actions, triggers, conditions ------------------------------------------


def _icon(value: Any, where: str) -> Faults:
    if not re.fullmatch(r"mdi:[a-z0-9-]+", str(value)):
        yield f"{where} is not an icon of Material Design"


def _range(value: Any, where: str) -> Faults:
    yield from (
        fault for key, icon in value.items() for fault in _icon(icon, f"{where}.{key}")
    )
    try:
        bounds = [float(key) for key in value]
    except ValueError:
        yield f"{where} has a bound that is no number"
    else:
        if bounds != sorted(bounds):
            yield f"{where} does not ascend"


_STATE_ICONS: dict[str, Shape] = {
    "default": _icon,
    "range": _range,
    "state": _named(_icon),
}
_ICONS = _object(
    {},
    {
        "entity": _named(
            _named(
                _object(
                    {},
                    _STATE_ICONS
                    | {"state_attributes": _named(_object({}, _STATE_ICONS))},
                )
            )
        ),
        "services": _named(_object({"service": _icon}, {"sections": _named(_icon)})),
        "triggers": _named(_object({"trigger": _icon}, {})),
        "conditions": _named(_object({"condition": _icon}, {})),
    },
)


def icon_faults(icons: Content) -> Faults:
    """Check the structure of icons.json."""
    yield from _ICONS(icons, "icons")


def action_faults(
    kind: str, described: Content | None, english: Content, icons: Content
) -> Faults:
    """Check services.yaml, triggers.yaml or conditions.yaml.

    Args:
        kind: "services", "triggers" or "conditions".
        described: the file's content, None where there is no such file.
        english: the texts in English.
        icons: the content of icons.json.
    """
    # A name that begins with a dot only holds what others refer to.
    described = {
        name: action
        for name, action in (described or {}).items()
        if not name.startswith(".")
    }
    texts, symbols = english.get(kind, {}), icons.get(kind, {})
    for name in sorted({*texts, *symbols} - {*described}):
        yield f"{kind}.{name} has a text or an icon but is not described"
    for name, action in described.items():
        if name not in texts:
            yield f"{kind}.{name} has no text"
        if name not in symbols:
            yield f"{kind}.{name} has no icon"
        fields: dict[str, Any] = {}
        for key, field in ((action or {}).get("fields") or {}).items():
            # A section is a field that holds fields.
            fields |= field.get("fields", {key: field})
        for key, field in fields.items():
            if key not in texts.get(name, {}).get("fields", {}):
                yield f"{kind}.{name}.{key} has no text"
            allowed = {
                "required",
                "default",
                "example",
                "selector",
                "context",
                "filter",
            }
            for unknown in sorted({*field} - allowed - {"advanced"}):
                yield f"{kind}.{name}.{key}.{unknown} is not known"
            if "selector" not in field:
                yield f"{kind}.{name}.{key} has no selector"


def quality_scale_faults(content: Content, known: set[str]) -> Faults:
    """Check that each rule of the quality scale is answered, and how.

    Args:
        content: the content of quality_scale.yaml.
        known: the names of all rules.
    """
    rules = content.get("rules", {})
    for missing in sorted(known - {*rules}):
        yield f"{missing} is not answered"
    for unknown in sorted({*rules} - known):
        yield f"{unknown} is no rule"
    for name, answer in rules.items():
        status = answer if isinstance(answer, str) else answer.get("status")
        if status not in {"done", "exempt", "todo"}:
            yield f"{name} has the unknown status {status}"
        if status == "exempt" and (
            isinstance(answer, str) or not str(answer.get("comment") or "").strip()
        ):
            yield f"{name} is exempt without a reason"
