"""What is told northbound: points of a site, and the attributes that carry them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite

type Value = bool | int | float | str


class ValueType(StrEnum):
    """Types of cloud.iO's attributes."""

    BOOLEAN = "Boolean"
    INTEGER = "Integer"
    NUMBER = "Number"
    STRING = "String"


class Constraint(StrEnum):
    """What an attribute of cloud.iO is for."""

    STATIC = "Static"
    PARAMETER = "Parameter"
    """Set from outside and kept."""
    STATUS = "Status"
    SETPOINT = "SetPoint"
    MEASURE = "Measure"

    @property
    def settable(self) -> bool:
        """Whether somebody outside may set it."""
        return self in {Constraint.PARAMETER, Constraint.SETPOINT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One value of a site as it holds now; None: nobody knows."""

    value: Value | None
    unit: str | None = None
    counter: bool = False
    """A counter, which only rises until its meter is replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often a value is told.

    `period` is the s between two of them, None: only when it has changed. A change by
    `dead_band` or more is told at once. `only_changes`: after a period without any
    change nothing is told.
    """

    period: float | None = None
    dead_band: float | None = None
    only_changes: bool = False


ON_CHANGE = Pace()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One attribute of the tree, and the point that it follows.

    `node` and `object` are labels. A value is the point's times `scale`. `commands` is
    the load that setting it switches, None where it cannot be set.
    """

    node: str
    object: str
    name: str
    point: str
    type: ValueType
    constraint: Constraint
    pace: Pace = ON_CHANGE
    unit: str | None = None
    scale: float = 1.0
    commands: str | None = None

    @property
    def path(self) -> str:
        """Return its place in the tree: node, object and attribute."""
        return "/".join(filter(None, (self.node, self.object, self.name)))


type Tree = Mapping[str, Attribute]
"""Attributes by their path."""


def typed(attribute: Attribute, value: Value) -> Value | None:
    """Return a point's value as its attribute carries it, None where it cannot."""
    if attribute.type is ValueType.STRING:
        return str(value)
    if attribute.type is ValueType.BOOLEAN:
        return None if isinstance(value, str) else bool(value)
    if isinstance(value, str):
        return None
    scaled = value * attribute.scale
    if not isfinite(scaled):
        return None
    return int(scaled) if attribute.type is ValueType.INTEGER else round(scaled, 3)
