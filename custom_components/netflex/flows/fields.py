"""Form fields that several forms share, and what is wrong with their values.

Bounds are not given to the selectors: what is out of range is said in the form's own
words instead of a validator's.
"""

from collections.abc import Mapping
import re
from typing import Any, Final

from homeassistant.data_entry_flow import section
from homeassistant.helpers.selector import (
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)
import voluptuous as vol

from ..devices.device import ParamValue
from ..devices.profile_params import ParamSpec, ParamType, problem_of
from ..entry_data import CONF_LINES, CONF_PHASES, CONF_PRIORITY
from ..model.connection import GridType, Line
from ..model.phrase import Phrase

SECTION_MORE: Final = "more"
"""Collapsed part of a form with what is rarely changed."""

SECTION_TARIFF: Final = "tariff"
SECTION_SHARING: Final = "sharing"
SECTION_ESCALATION: Final = "escalation"
SECTIONS: Final = (SECTION_MORE, SECTION_TARIFF, SECTION_SHARING, SECTION_ESCALATION)

PARAM_UNIT: Final = "unit"
LONG_LIST: Final = 8
"""Parameters above which a form shows only those that must be filled in."""

_KEY: Final = re.compile(r"[a-z0-9_-]+")
_UNTRANSLATED: Final = frozenset({"u16", "s16", "u32", "s32", "f32"})

type Fields = dict[vol.Marker, Any]


def number(unit: str | None = None, step: float | None = None) -> NumberSelector:
    """Return a field for a number."""
    config = NumberSelectorConfig(mode=NumberSelectorMode.BOX, step=step or "any")
    if unit is not None:
        config["unit_of_measurement"] = unit
    return NumberSelector(config)


def whole_number(unit: str | None = None) -> Any:
    """Return a field for a whole number."""
    return vol.All(number(unit, 1), vol.Coerce(int))


def choice(
    options: list[str], translation_key: str | None = None, *, multiple: bool = False
) -> SelectSelector:
    """Return a field for one or several of some texts."""
    config = SelectSelectorConfig(
        options=options, multiple=multiple, mode=SelectSelectorMode.DROPDOWN
    )
    if translation_key is not None:
        config["translation_key"] = translation_key
    return SelectSelector(config)


def part(name: str, fields: Fields) -> Fields:
    """Return fields as a collapsed part of a form."""
    return {vol.Required(name): section(vol.Schema(fields), {"collapsed": True})}


def more(fields: Fields) -> Fields:
    """Return fields as the collapsed part of a form for what is rarely changed."""
    return part(SECTION_MORE, fields)


def flat(user_input: Mapping[str, Any]) -> dict[str, Any]:
    """Return a form's input with the collapsed parts laid out."""
    values = {key: value for key, value in user_input.items() if key not in SECTIONS}
    for name in SECTIONS:
        values |= dict(user_input.get(name, {}))
    return values


def suggested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values for every part of a form, to be suggested there."""
    return {**values, **{name: dict(values) for name in SECTIONS}}


def line_fields(grid_type: GridType) -> Fields:
    """Return the fields for phases and lines; a single-phase site has no choice."""
    if grid_type is GridType.SINGLE_PHASE:
        return {}
    return {
        vol.Required(CONF_PHASES, default="3"): choice(["1", "3"], "phases"),
        vol.Optional(CONF_LINES, default=list): choice(
            [line.value for line in Line], multiple=True
        ),
    }


def line_values(values: Mapping[str, Any], grid_type: GridType) -> dict[str, Any]:
    """Return phases and lines as they are stored."""
    if grid_type is GridType.SINGLE_PHASE:
        return {CONF_PHASES: 1, CONF_LINES: [Line.L1.value]}
    phases = int(values[CONF_PHASES])
    lines = list(values.get(CONF_LINES, ()))
    if phases == 3 and not lines:
        lines = [line.value for line in Line]
    return {CONF_PHASES: phases, CONF_LINES: lines}


def line_errors(values: Mapping[str, Any], grid_type: GridType) -> dict[str, str]:
    """Return what is wrong with phases and lines.

    A single-phase asset lies between a line and neutral, in a delta grid between two
    lines; without lines it is counted on each of them.
    """
    if grid_type is GridType.SINGLE_PHASE:
        return {}
    count = len(values.get(CONF_LINES, ()))
    if int(values[CONF_PHASES]) == 3:
        return {} if count in {0, 3} else {CONF_LINES: "lines_of_three_phases"}
    if grid_type is GridType.DELTA:
        return {} if count in {0, 2} else {CONF_LINES: "lines_of_delta"}
    return {} if count in {0, 1} else {CONF_LINES: "lines_of_one_phase"}


def priority_field() -> Fields:
    """Return the field for who is served first."""
    return {vol.Required(CONF_PRIORITY, default=0): whole_number()}


def at_least(
    values: Mapping[str, Any], bounds: Mapping[str, float], error: str
) -> dict[str, str]:
    """Return an error for every value below its bound."""
    return {key: error for key, bound in bounds.items() if values[key] < bound}


def param_fields(specs: Mapping[str, ParamSpec], *, rare: bool) -> Fields:
    """Return the fields for a profile's parameters, the rare ones or the others.

    Of a long list only what must be filled in counts as not rare; the Modbus unit
    is nearly always what the profile says.
    """
    long = len(specs) > LONG_LIST
    return {
        _marker(spec): _param_selector(spec)
        for spec in specs.values()
        if rare is (not spec.required and (long or spec.name == PARAM_UNIT))
    }


def _marker(spec: ParamSpec) -> vol.Marker:
    default = vol.UNDEFINED if spec.default is None else _shown(spec, spec.default)
    if spec.required:
        return vol.Required(spec.name, default=default)
    return vol.Optional(spec.name, default=default)


def _param_selector(spec: ParamSpec) -> Any:
    if spec.choices:
        options = [str(value) for value in spec.choices]
        return choice(options, param_translation(spec))
    if spec.type is ParamType.STR:
        return str
    return number(spec.unit, 1 if spec.type is ParamType.INT else None)


def param_translation(spec: ParamSpec) -> str | None:
    """Return the key of a parameter's choices in the translations.

    Numbers, units and register types read the same in every language.
    """
    words = [str(value) for value in spec.choices]
    if spec.type is not ParamType.STR or not words or set(words) <= _UNTRANSLATED:
        return None
    if not all(_KEY.fullmatch(word) for word in words):
        return None
    return f"param_{spec.name}"


def _shown(spec: ParamSpec, value: ParamValue) -> ParamValue:
    """Return a stored value as its field shows it."""
    return str(value) if spec.choices else value


def shown_params(
    specs: Mapping[str, ParamSpec], params: Mapping[str, ParamValue]
) -> dict[str, ParamValue]:
    """Return stored parameters as their fields show them."""
    return {
        name: _shown(spec, params[name])
        for name, spec in specs.items()
        if name in params
    }


def param_values(
    specs: Mapping[str, ParamSpec], values: Mapping[str, Any]
) -> tuple[dict[str, ParamValue], dict[str, str], dict[str, str]]:
    """Return a form's parameters as they are stored, its errors and their details."""
    params: dict[str, ParamValue] = {}
    errors: dict[str, str] = {}
    details: dict[str, str] = {}
    for name, spec in specs.items():
        value = values.get(name)
        if value is None or value == "":
            continue
        value = _typed(spec, value)
        if problem := problem_of(spec, value):
            errors[name] = "param_invalid"
            details["detail"] = Phrase(
                "param_problem", "{name} {problem}", name=spec.text, problem=problem
            )
            continue
        params[name] = value
    return params, errors, details


def _typed(spec: ParamSpec, value: Any) -> ParamValue:
    """Return a field's value in the parameter's type, where it fits."""
    if spec.type is ParamType.STR:
        return str(value)
    numeric = float(value)
    whole = spec.type is ParamType.INT and numeric == int(numeric)
    return int(numeric) if whole else numeric
