"""A profile's parameters, and filling them into its file.

`{param: name, times: a, plus: b}` anywhere in the file stands for the parameter's
value (times a, plus b); a mapping with `only_if: name` is there only when the
parameter has a value, with `only_if: {name: [x, y]}` only when it is one of them.
Filling in works on YAML nodes, so errors keep their line.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import yaml

from ..model.phrase import Phrase
from .device import ParamValue
from .yaml_nodes import ProfileError, Reader


class ParamType(StrEnum):
    """What a form asks for."""

    INT = "int"
    FLOAT = "float"
    STR = "str"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParamSpec:
    """One parameter that a user fills in."""

    name: str
    type: ParamType
    text: str
    default: ParamValue | None = None
    choices: tuple[ParamValue, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    required: bool = False
    unit: str | None = None


def read_params(reader: Reader | None) -> dict[str, ParamSpec]:
    """Read the `params:` section of a file."""
    if reader is None:
        return {}
    with reader.section() as section:
        return {name: _param(name, entry) for name, entry in section.entries()}


def _param(name: str, reader: Reader) -> ParamSpec:
    with reader.section() as section:
        kind = section.need("type").choice(ParamType)
        default = section.get("default")
        choices = section.get("choices")
        minimum, maximum = section.get("min"), section.get("max")
        required, unit = section.get("required"), section.get("unit")
        spec = ParamSpec(
            name=name,
            type=kind,
            text=section.need("text").text(),
            default=None if default is None else _typed(default, kind),
            choices=()
            if choices is None
            else tuple(_typed(entry, kind) for entry in choices.items()),
            minimum=None if minimum is None else minimum.number(),
            maximum=None if maximum is None else maximum.number(),
            required=required is not None and required.boolean(),
            unit=None if unit is None else unit.text(),
        )
    if spec.default is not None and (problem := problem_of(spec, spec.default)):
        reader.fail(f"its default {problem}")
    return spec


def _typed(reader: Reader, kind: ParamType) -> ParamValue:
    if kind is ParamType.INT:
        return reader.integer()
    return reader.number() if kind is ParamType.FLOAT else reader.text()


def problem_of(spec: ParamSpec, value: object) -> str | None:
    """Return what is wrong with a value, None where it fits."""
    if spec.type is ParamType.STR:
        if not isinstance(value, str):
            return Phrase("must_be_text", "must be a text")
    elif isinstance(value, bool) or not isinstance(value, int | float):
        return Phrase("must_be_number", "must be a number")
    elif spec.type is ParamType.INT and value != int(value):
        return Phrase("must_be_whole", "must be a whole number")
    if spec.choices and value not in spec.choices:
        return Phrase(
            "must_be_one_of",
            "must be one of {choices}",
            choices=", ".join(map(str, spec.choices)),
        )
    if isinstance(value, int | float):
        if spec.minimum is not None and value < spec.minimum:
            return Phrase(
                "must_be_at_least",
                "must be at least {least}",
                least=f"{spec.minimum:g}",
            )
        if spec.maximum is not None and value > spec.maximum:
            return Phrase(
                "must_be_at_most", "must be at most {most}", most=f"{spec.maximum:g}"
            )
    return None


def fill_in(
    file: str, specs: Mapping[str, ParamSpec], given: Mapping[str, ParamValue]
) -> dict[str, ParamValue]:
    """Return all parameters that have a value, defaults included.

    Raises ProfileError where one is missing, unknown to its choices or bounds.
    """
    values: dict[str, ParamValue] = {}
    for name, spec in specs.items():
        value = given.get(name, spec.default)
        if value is None or value == "":
            if spec.required:
                raise ProfileError(file, 1, f"params.{name}", "must be filled in")
            continue
        if problem := problem_of(spec, value):
            raise ProfileError(file, 1, f"params.{name}", problem)
        values[name] = int(value) if spec.type is ParamType.INT else value
    return values


class Binder:
    """Fills parameters into the nodes of one file."""

    def __init__(
        self,
        file: str,
        specs: Mapping[str, ParamSpec],
        values: Mapping[str, ParamValue],
    ) -> None:
        """Bind `values`, the result of `fill_in`."""
        self._file = file
        self._specs = specs
        self._values = values

    def bind(self, node: yaml.Node, path: str = "") -> yaml.Node | None:
        """Return the node with parameters filled in, None where it is not there.

        `path` is its key from the top, for messages.
        """
        if isinstance(node, yaml.SequenceNode):
            bound = [
                self.bind(entry, f"{path}[{index}]")
                for index, entry in enumerate(node.value)
            ]
            return yaml.SequenceNode(
                node.tag,
                [entry for entry in bound if entry is not None],
                node.start_mark,
                node.end_mark,
            )
        if not isinstance(node, yaml.MappingNode):
            return node
        keys = {key.value for key, _ in node.value}
        if "param" in keys:
            return self._reference(node, path)
        entries = []
        for key, value in node.value:
            if key.value == "only_if":
                if not self._holds(value, path):
                    return None
                continue
            below = f"{path}.{key.value}" if path else str(key.value)
            if (bound_value := self.bind(value, below)) is not None:
                entries.append((key, bound_value))
        return yaml.MappingNode(node.tag, entries, node.start_mark, node.end_mark)

    def _fail(self, node: yaml.Node, path: str, text: str) -> ProfileError:
        return ProfileError(self._file, node.start_mark.line + 1, path, text)

    def _known(self, node: yaml.Node, path: str) -> str:
        name = str(node.value)
        if name not in self._specs:
            raise self._fail(node, path, f"there is no parameter {name}")
        return name

    def _holds(self, node: yaml.Node, path: str) -> bool:
        if isinstance(node, yaml.ScalarNode):
            return self._known(node, path) in self._values
        for name, allowed in (
            Reader(self._file, node, f"{path}.only_if").section().entries()
        ):
            if name not in self._specs:
                raise self._fail(node, path, f"there is no parameter {name}")
            wanted = {str(entry.plain()) for entry in allowed.one_or_more()}
            if str(self._values.get(name)) not in wanted:
                return False
        return True

    def _reference(self, node: yaml.MappingNode, path: str) -> yaml.Node | None:
        with Reader(self._file, node, path).section() as section:
            name = self._known(section.need("param").node, path)
            times, plus = section.get("times"), section.get("plus")
            factor = 1 if times is None else times.number()
            addend = 0 if plus is None else plus.number()
        value = self._values.get(name)
        if value is None:
            return None
        if isinstance(value, str):
            if times or plus:
                raise self._fail(node, path, f"{name} is a text: no times, no plus")
            tag = "tag:yaml.org,2002:str"
        else:
            value = value * factor + addend
            whole = value == int(value)
            tag = f"tag:yaml.org,2002:{'int' if whole else 'float'}"
            value = int(value) if whole else value
        return yaml.ScalarNode(tag, str(value), node.start_mark, node.end_mark)
