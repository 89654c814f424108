"""The point table of the Netflex interface (data model version 1.0) as data.

The names are public, the addresses are not: Annex B of the grid operator's
specification holds them. Whatever Annex B may say differently per point is a field
here, and the default table carries placeholder addresses and is not confirmed.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
import math
from types import MappingProxyType
from typing import Final

from ..iec104.information_objects import MAX_IOA, UNTAGGED, TypeId
from ..model.asset import Category
from ..model.orders import POWER_LIMIT_ORDERS, STOP_ORDERS, OrderName

DEFAULT_PROFILE: Final = "netflex-1.0-unconfirmed"
FEEDBACK_SUFFIX: Final = "_feedback"
INTERFACE_VERSION: Final = "interface_version"
MAX_SCALE: Final = 1e6
MAX_NUMBER: Final = 1e9
REACTIVE_BAND_ORDERS: Final = frozenset({OrderName.MINSETQ, OrderName.MAXSETQ})
REASON_ORDERS: Final = frozenset({OrderName.REDENP, OrderName.REDENQ})


class PointDirection(StrEnum):
    """Who sends the point."""

    CONTROL = "control"
    """The grid operator: commands and setpoints."""
    MONITOR = "monitor"
    """The site: feedback and measurements."""


class Sign(StrEnum):
    """How the sign on the wire relates to the sign inside."""

    POSITIVE = "positive"
    """The same."""
    NEGATIVE = "negative"
    """Reversed: a limit arrives as 0..-100, a measurement or the reactive band counts
    generation as positive.
    """
    ABSOLUTE = "absolute"
    """Only the magnitude counts."""


class TimeTagChoice(StrEnum):
    """Whether a point's types carry CP56Time2a."""

    NEVER = "never"
    EITHER = "either"
    """Commands: with and without are both taken."""
    ALWAYS = "always"
    """Monitored values: except in interrogations, which never carry one."""


class Execution(StrEnum):
    """How a command or setpoint may be given."""

    DIRECT = "direct"
    SELECT = "sbo"
    """Select before operate only."""
    BOTH = "both"


class StaleQuality(StrEnum):
    """What a monitored value reports while its source has nothing newer.

    For feedback the source is the operator: it applies until an order was received.
    """

    GOOD = "good"
    NOT_TOPICAL = "not_topical"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One information object: value inside = value on the wire x scale, then sign.

    `type_id` is the type without a time tag. `minimum` and `maximum` are in `unit`:
    a setpoint outside is refused, a measurement outside is reported as an overflow.
    `initial` is reported while nothing was received or measured; of the interface
    version it is the version. `invert` swaps both states of a single command, and
    local (1) and remote (2) of the double point.
    """

    name: str
    direction: PointDirection
    type_id: int
    ioa: int
    unit: str = ""
    scale: float = 1.0
    sign: Sign = Sign.POSITIVE
    time_tag: TimeTagChoice = TimeTagChoice.NEVER
    minimum: float | None = None
    maximum: float | None = None
    execution: Execution | None = None
    initial: float | None = None
    quality: StaleQuality | None = None
    invert: bool = False

    @property
    def order(self) -> OrderName | None:
        """The order that the point gives or mirrors, None for measurements."""
        return _ORDER_OF.get(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class PointProblem:
    """One fault of a point table. `line` counts a CSV file's lines from 1."""

    text: str
    point: str | None = None
    column: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        """Return the fault with its place, in a user's words."""
        place = [
            f"line {self.line}" if self.line is not None else "",
            self.point or "",
            self.column or "",
        ]
        prefix = ", ".join(part for part in place if part)
        return f"{prefix}: {self.text}" if prefix else self.text


class PointTableError(Exception):
    """A point table that cannot be used; `problems` names everything that is wrong."""

    def __init__(self, problems: Iterable[PointProblem]) -> None:
        """Join the problems into one message, a line each."""
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True, slots=True, kw_only=True)
class PointTable:
    """All points of one station, checked when it is made (PointTableError).

    `confirmed` tells whether a person has compared it with the operator's Annex B.
    """

    points: tuple[Point, ...]
    profile: str = DEFAULT_PROFILE
    confirmed: bool = False
    orders: Mapping[int, Point] = field(init=False, repr=False, compare=False)
    """Points of the control direction by object address."""
    by_name: Mapping[str, Point] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse a table with faults and index a sound one."""
        if problems := list(_check_table(self.points)):
            raise PointTableError(problems)
        by_ioa = {
            point.ioa: point
            for point in self.points
            if point.direction is PointDirection.CONTROL
        }
        by_name = {point.name: point for point in self.points}
        object.__setattr__(self, "orders", MappingProxyType(by_ioa))
        object.__setattr__(self, "by_name", MappingProxyType(by_name))

    def feedback(self, name: OrderName) -> Point | None:
        """Return the point that mirrors an order, None where the table has none."""
        return self.by_name.get(feedback_name(name))


def feedback_name(name: OrderName) -> str:
    """Return the name of the point that mirrors an order."""
    return f"{name}{FEEDBACK_SUFFIX}"


def power_name(category: Category) -> str:
    """Return the name of a category's active power."""
    return f"p_{category}"


def reactive_power_name(category: Category) -> str:
    """Return the name of a category's reactive power."""
    return f"q_{category}"


_ORDER_OF: Final = {name.value: name for name in OrderName} | {
    feedback_name(name): name for name in OrderName
}

UNIT_FACTORS: Final[Mapping[str, float]] = MappingProxyType(
    {"W": 1.0, "kW": 1e3, "MW": 1e6, "var": 1.0, "kvar": 1e3, "Mvar": 1e6}
)
"""W or var per unit of a measurement."""

_SINGLE_COMMANDS = frozenset({*STOP_ORDERS, OrderName.TEST})
_SETPOINT_TYPES = (TypeId.C_SE_NC_1, TypeId.C_SE_NB_1, TypeId.C_SE_NA_1)
_MEASURED_TYPES = (TypeId.M_ME_NC_1, TypeId.M_ME_NB_1, TypeId.M_ME_NA_1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """What a name may be: its direction, types and units; the first is the usual one."""

    direction: PointDirection
    types: tuple[int, ...]
    units: tuple[str, ...] = ("",)

    @property
    def binary(self) -> bool:
        """Whether it has states rather than a number."""
        return self.types[0] in _BINARY_TYPES


_BINARY_TYPES = frozenset(
    {TypeId.C_SC_NA_1, TypeId.C_DC_NA_1, TypeId.M_SP_NA_1, TypeId.M_DP_NA_1}
)


def _order_units(name: OrderName) -> tuple[str, ...]:
    if name in POWER_LIMIT_ORDERS:
        return ("%",)
    if name in REACTIVE_BAND_ORDERS:
        return ("%", "kvar", "var")
    return ("",)


def _rules() -> Iterator[tuple[str, _Rule]]:
    control, monitor = PointDirection.CONTROL, PointDirection.MONITOR
    for name in OrderName:
        command: tuple[int, ...] = _SETPOINT_TYPES
        mirror: tuple[int, ...] = _MEASURED_TYPES
        if name in _SINGLE_COMMANDS:
            command, mirror = (TypeId.C_SC_NA_1,), (TypeId.M_SP_NA_1,)
        elif name is OrderName.Q_MODE:
            command, mirror = (TypeId.C_DC_NA_1,), (TypeId.M_DP_NA_1,)
        units = _order_units(name)
        yield name.value, _Rule(direction=control, types=command, units=units)
        yield feedback_name(name), _Rule(direction=monitor, types=mirror, units=units)
    yield INTERFACE_VERSION, _Rule(direction=monitor, types=_MEASURED_TYPES)
    for names, units in (
        (power_name, ("kW", "W", "MW")),
        (reactive_power_name, ("kvar", "var", "Mvar")),
    ):
        for category in Category:
            rule = _Rule(direction=monitor, types=_MEASURED_TYPES, units=units)
            yield names(category), rule


_RULES: Final = MappingProxyType(dict(_rules()))
POINT_NAMES: Final = tuple(_RULES)


def is_binary(name: str) -> bool:
    """Tell whether a point of the interface has states rather than a number."""
    return _RULES[name].binary


def check_point(point: Point) -> Iterator[PointProblem]:
    """Yield everything that is wrong with one point by itself."""
    rule = _RULES.get(point.name)
    if rule is None:
        yield PointProblem(
            point=point.name,
            column="name",
            text="the Netflex interface has no such point",
        )
        return
    for column, text in _faults(point, rule):
        yield PointProblem(point=point.name, column=column, text=text)


def _faults(point: Point, rule: _Rule) -> Iterator[tuple[str, str]]:
    if point.direction is not rule.direction:
        yield "direction", f"must be {rule.direction}"
    if point.type_id in UNTAGGED and UNTAGGED[TypeId(point.type_id)] in rule.types:
        plain = int(UNTAGGED[TypeId(point.type_id)])
        yield (
            "type_id",
            f"{point.type_id} is {plain} with a time tag: write {plain} and choose the "
            "tag in the column time_tag",
        )
    elif point.type_id not in rule.types:
        expected = " or ".join(str(int(type_id)) for type_id in rule.types)
        yield "type_id", f"must be {expected}, not {point.type_id}"
    if not 1 <= point.ioa <= MAX_IOA:
        yield "ioa", f"must be 1 to {MAX_IOA}, not {point.ioa}"
    if point.unit not in rule.units:
        expected = " or ".join(rule.units) or "empty"
        yield "unit", f"must be {expected}, not {point.unit!r}"
    yield from _number_faults(point, rule)
    if rule.direction is PointDirection.CONTROL:
        yield from _control_faults(point)
    else:
        yield from _monitor_faults(point, rule)


def _number_faults(point: Point, rule: _Rule) -> Iterator[tuple[str, str]]:
    if not (math.isfinite(point.scale) and point.scale > 0):
        yield "scale", "must be a number above 0; the sign has its own column"
    elif not 1 / MAX_SCALE <= point.scale <= MAX_SCALE:
        yield "scale", f"must be {1 / MAX_SCALE:f} to {MAX_SCALE:.0f}"
    if rule.binary and point.scale != 1:
        yield "scale", "must be 1: the point has states, not a number"
    if rule.binary and point.sign is not Sign.POSITIVE:
        yield "sign", "must be positive: the point has states; invert swaps them"
    if point.invert and not rule.binary:
        yield "invert", "must be false: only commands with states can be inverted"
    if point.order in REACTIVE_BAND_ORDERS and point.sign is Sign.ABSOLUTE:
        yield "sign", "must be positive or negative: a band has two signs"
    for column, value in (
        ("min", point.minimum),
        ("max", point.maximum),
        ("initial", point.initial),
    ):
        if value is not None and not abs(value) <= MAX_NUMBER:
            yield column, f"must be a number of at most {MAX_NUMBER:.0f}"
    if (
        point.minimum is not None
        and point.maximum is not None
        and not point.minimum < point.maximum
    ):
        yield "max", "must be above min"
    if rule.binary and not (point.minimum is None and point.maximum is None):
        yield "min", "must be empty, and max too: the point has states"


def _control_faults(point: Point) -> Iterator[tuple[str, str]]:
    if point.execution is None:
        yield "execution", "must be direct, sbo or both"
    if point.initial is not None:
        yield "initial", "must be empty: it belongs to the feedback"
    if point.quality is not None:
        yield "quality", "must be empty: it belongs to the feedback"
    order = point.order
    if order in POWER_LIMIT_ORDERS and (point.minimum, point.maximum) != (0, 100):
        yield "min", "must be 0, and max 100: the limit is a percentage"
    elif not is_binary(point.name) and None in (point.minimum, point.maximum):
        yield "min", "must be given, and max too: what is outside is refused"


def _monitor_faults(point: Point, rule: _Rule) -> Iterator[tuple[str, str]]:
    if point.execution is not None:
        yield "execution", "must be empty: nobody commands it"
    if point.time_tag is TimeTagChoice.EITHER:
        yield "time_tag", "must be never or always"
    if point.initial is None:
        yield "initial", "must be given"
    elif rule.binary and point.initial not in (0, 1):
        yield "initial", "must be 0 (off, local) or 1 (on, remote)"
    if point.quality is None:
        yield "quality", "must be good, not_topical or invalid"
    elif (
        point.quality is StaleQuality.GOOD
        and point.order is None
        and point.name != INTERFACE_VERSION
    ):
        yield "quality", "must be not_topical or invalid: a stale value is never good"


def _check_table(points: tuple[Point, ...]) -> Iterator[PointProblem]:
    for point in points:
        yield from check_point(point)
    for name, count in Counter(point.name for point in points).items():
        if count > 1:
            yield PointProblem(point=name, text=f"is there {count} times")
    owners: dict[tuple[PointDirection, int], str] = {}
    for point in points:
        key = (point.direction, point.ioa)
        owner = owners.setdefault(key, point.name)
        if owner != point.name:
            text = f"{point.ioa} is the address of {owner} too"
            yield PointProblem(point=point.name, column="ioa", text=text)
    by_name = {point.name: point for point in points}
    band = [by_name.get(name) for name in sorted(REACTIVE_BAND_ORDERS)]
    if len({(point.unit, point.sign) for point in band if point is not None}) > 1:
        yield PointProblem(
            point=OrderName.MAXSETQ,
            column="sign",
            text="both ends of the reactive band need the same unit and sign",
        )
    present = by_name.keys()
    for name in OrderName:
        if name.value not in present:
            yield PointProblem(
                point=name.value, text="is missing: every command needs its point"
            )


def _default_points() -> Iterator[Point]:
    """Addresses are placeholders in blocks: commands, setpoints, then measurements."""
    commands = iter(range(1001, 2000))
    setpoints = iter(range(2001, 3000))
    control: list[Point] = []
    feedback: list[Point] = []
    for name in OrderName:
        rule = _RULES[name.value]
        low, high, initial = _ORDER_RANGES.get(name, (None, None, 0.0))
        ioa = next(commands if rule.binary else setpoints)
        unit = rule.units[0]
        control.append(
            Point(
                name=name.value,
                direction=PointDirection.CONTROL,
                type_id=int(rule.types[0]),
                ioa=ioa,
                unit=unit,
                time_tag=TimeTagChoice.EITHER,
                minimum=low,
                maximum=high,
                execution=Execution.DIRECT,
            )
        )
        feedback.append(
            Point(
                name=feedback_name(name),
                direction=PointDirection.MONITOR,
                type_id=int(_RULES[feedback_name(name)].types[0]),
                ioa=ioa + 10_000,
                unit=unit,
                time_tag=TimeTagChoice.ALWAYS,
                initial=initial,
                quality=StaleQuality.GOOD,
            )
        )
    yield from control
    yield from feedback
    yield _measured(INTERFACE_VERSION, 19_001, initial=1.0, quality=StaleQuality.GOOD)
    for index, category in enumerate(Category):
        yield _measured(power_name(category), 3001 + index)
        yield _measured(reactive_power_name(category), 3101 + index)


def _measured(
    name: str,
    ioa: int,
    *,
    initial: float = 0.0,
    quality: StaleQuality = StaleQuality.NOT_TOPICAL,
) -> Point:
    return Point(
        name=name,
        direction=PointDirection.MONITOR,
        type_id=int(TypeId.M_ME_NC_1),
        ioa=ioa,
        unit=_RULES[name].units[0],
        initial=initial,
        quality=quality,
    )


_ORDER_RANGES: Final[Mapping[OrderName, tuple[float, float, float]]] = {
    **dict.fromkeys(POWER_LIMIT_ORDERS, (0.0, 100.0, 100.0)),
    OrderName.MINSETQ: (-100.0, 100.0, -100.0),
    OrderName.MAXSETQ: (-100.0, 100.0, 100.0),
    **dict.fromkeys(REASON_ORDERS, (0.0, 65_535.0, 0.0)),
}
"""Lowest, highest, and what is reported while it was never received."""

DEFAULT_POINTS: Final = PointTable(points=tuple(_default_points()))
