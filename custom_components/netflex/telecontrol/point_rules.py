"""What a point of the Netflex interface may be, and what is wrong with another."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
import math
from types import MappingProxyType
from typing import Final

from ..iec104.information_objects import MAX_IOA, UNTAGGED, TypeId
from ..model.asset import Category
from ..model.orders import POWER_LIMIT_ORDERS, STOP_ORDERS, OrderName
from ..model.phrase import Phrase
from .point import (
    INTERFACE_VERSION,
    REACTIVE_BAND_ORDERS,
    Point,
    PointDirection,
    PointProblem,
    Sign,
    StaleQuality,
    TimeTagChoice,
    feedback_name,
    power_name,
    reactive_power_name,
)

MAX_SCALE: Final = 1e6
MAX_NUMBER: Final = 1e9

_SINGLE_COMMANDS = frozenset({*STOP_ORDERS, OrderName.TEST})
_SETPOINT_TYPES = (TypeId.C_SE_NC_1, TypeId.C_SE_NB_1, TypeId.C_SE_NA_1)
_MEASURED_TYPES = (TypeId.M_ME_NC_1, TypeId.M_ME_NB_1, TypeId.M_ME_NA_1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
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


def _rules() -> Iterator[tuple[str, Rule]]:
    control, monitor = PointDirection.CONTROL, PointDirection.MONITOR
    for name in OrderName:
        command: tuple[int, ...] = _SETPOINT_TYPES
        mirror: tuple[int, ...] = _MEASURED_TYPES
        if name in _SINGLE_COMMANDS:
            command, mirror = (TypeId.C_SC_NA_1,), (TypeId.M_SP_NA_1,)
        elif name is OrderName.Q_MODE:
            command, mirror = (TypeId.C_DC_NA_1,), (TypeId.M_DP_NA_1,)
        units = _order_units(name)
        yield name.value, Rule(direction=control, types=command, units=units)
        yield feedback_name(name), Rule(direction=monitor, types=mirror, units=units)
    yield INTERFACE_VERSION, Rule(direction=monitor, types=_MEASURED_TYPES)
    for names, units in (
        (power_name, ("kW", "W", "MW")),
        (reactive_power_name, ("kvar", "var", "Mvar")),
    ):
        for category in Category:
            rule = Rule(direction=monitor, types=_MEASURED_TYPES, units=units)
            yield names(category), rule


RULES: Final = MappingProxyType(dict(_rules()))
POINT_NAMES: Final = tuple(RULES)


def is_binary(name: str) -> bool:
    """Tell whether a point of the interface has states rather than a number."""
    return RULES[name].binary


def check_point(point: Point) -> Iterator[PointProblem]:
    """Yield everything that is wrong with one point by itself."""
    rule = RULES.get(point.name)
    if rule is None:
        yield PointProblem(
            point=point.name,
            column="name",
            text=Phrase("point_unknown", "the Netflex interface has no such point"),
        )
        return
    for column, text in _faults(point, rule):
        yield PointProblem(point=point.name, column=column, text=text)


def _faults(point: Point, rule: Rule) -> Iterator[tuple[str, Phrase]]:
    if point.direction is not rule.direction:
        yield "direction", Phrase("must_be", "must be {wanted}", wanted=rule.direction)
    if point.type_id in UNTAGGED and UNTAGGED[TypeId(point.type_id)] in rule.types:
        plain = int(UNTAGGED[TypeId(point.type_id)])
        yield (
            "type_id",
            Phrase(
                "point_tagged",
                "{given} is {plain} with a time tag: write {plain} and choose the tag in "
                "the column time_tag",
                given=str(point.type_id),
                plain=str(plain),
            ),
        )
    elif point.type_id not in rule.types:
        expected = " / ".join(str(int(type_id)) for type_id in rule.types)
        yield (
            "type_id",
            Phrase(
                "must_be_not",
                "must be {wanted}, not {given}",
                wanted=expected,
                given=str(point.type_id),
            ),
        )
    if not 1 <= point.ioa <= MAX_IOA:
        yield (
            "ioa",
            Phrase(
                "point_ioa",
                "must be 1 to {most}, not {given}",
                most=str(MAX_IOA),
                given=str(point.ioa),
            ),
        )
    if point.unit not in rule.units:
        expected = " / ".join(rule.units) or Phrase("point_empty", "empty")
        yield (
            "unit",
            Phrase(
                "must_be_not",
                "must be {wanted}, not {given}",
                wanted=expected,
                given=repr(point.unit),
            ),
        )
    yield from _number_faults(point, rule)
    if rule.direction is PointDirection.CONTROL:
        yield from _control_faults(point)
    else:
        yield from _monitor_faults(point, rule)


def _number_faults(point: Point, rule: Rule) -> Iterator[tuple[str, Phrase]]:
    if not (math.isfinite(point.scale) and point.scale > 0):
        yield (
            "scale",
            Phrase(
                "point_scale", "must be a number above 0; the sign has its own column"
            ),
        )
    elif not 1 / MAX_SCALE <= point.scale <= MAX_SCALE:
        yield (
            "scale",
            Phrase(
                "parameter_range",
                "must be {low} to {high}",
                low=f"{1 / MAX_SCALE:f}",
                high=f"{MAX_SCALE:.0f}",
            ),
        )
    if rule.binary and point.scale != 1:
        yield (
            "scale",
            Phrase(
                "point_scale_states", "must be 1: the point has states, not a number"
            ),
        )
    if rule.binary and point.sign is not Sign.POSITIVE:
        yield (
            "sign",
            Phrase(
                "point_sign_states",
                "must be positive: the point has states; invert swaps them",
            ),
        )
    if point.invert and not rule.binary:
        yield (
            "invert",
            Phrase(
                "point_invert",
                "must be false: only commands with states can be inverted",
            ),
        )
    if point.order in REACTIVE_BAND_ORDERS and point.sign is Sign.ABSOLUTE:
        yield (
            "sign",
            Phrase(
                "point_band_sign", "must be positive or negative: a band has two signs"
            ),
        )
    for column, value in (
        ("min", point.minimum),
        ("max", point.maximum),
        ("initial", point.initial),
    ):
        if value is not None and not abs(value) <= MAX_NUMBER:
            yield (
                column,
                Phrase(
                    "point_at_most",
                    "must be a number of at most {most}",
                    most=f"{MAX_NUMBER:.0f}",
                ),
            )
    if (
        point.minimum is not None
        and point.maximum is not None
        and not point.minimum < point.maximum
    ):
        yield "max", Phrase("point_above_min", "must be above min")
    if rule.binary and not (point.minimum is None and point.maximum is None):
        yield (
            "min",
            Phrase(
                "point_no_range", "must be empty, and max too: the point has states"
            ),
        )


def _control_faults(point: Point) -> Iterator[tuple[str, Phrase]]:
    if point.execution is None:
        yield "execution", Phrase("point_execution", "must be direct, sbo or both")
    if point.initial is not None:
        yield (
            "initial",
            Phrase("point_of_feedback", "must be empty: it belongs to the feedback"),
        )
    if point.quality is not None:
        yield (
            "quality",
            Phrase("point_of_feedback", "must be empty: it belongs to the feedback"),
        )
    order = point.order
    if order in POWER_LIMIT_ORDERS and (point.minimum, point.maximum) != (0, 100):
        yield (
            "min",
            Phrase(
                "point_percentage", "must be 0, and max 100: the limit is a percentage"
            ),
        )
    elif not is_binary(point.name) and None in (point.minimum, point.maximum):
        yield (
            "min",
            Phrase(
                "point_needs_range",
                "must be given, and max too: what is outside is refused",
            ),
        )


def _monitor_faults(point: Point, rule: Rule) -> Iterator[tuple[str, Phrase]]:
    if point.execution is not None:
        yield (
            "execution",
            Phrase("point_no_command", "must be empty: nobody commands it"),
        )
    if point.time_tag is TimeTagChoice.EITHER:
        yield "time_tag", Phrase("point_time_tag", "must be never or always")
    if point.initial is None:
        yield "initial", Phrase("point_given", "must be given")
    elif rule.binary and point.initial not in (0, 1):
        yield (
            "initial",
            Phrase("point_initial", "must be 0 (off, local) or 1 (on, remote)"),
        )
    if point.quality is None:
        yield "quality", Phrase("point_quality", "must be good, not_topical or invalid")
    elif (
        point.quality is StaleQuality.GOOD
        and point.order is None
        and point.name != INTERFACE_VERSION
    ):
        yield (
            "quality",
            Phrase(
                "point_stale",
                "must be not_topical or invalid: a stale value is never good",
            ),
        )


def check_table(points: tuple[Point, ...]) -> Iterator[PointProblem]:
    """Yield everything that is wrong with a table, its points included."""
    for point in points:
        yield from check_point(point)
    for name, count in Counter(point.name for point in points).items():
        if count > 1:
            yield PointProblem(
                point=name,
                text=Phrase("point_count", "is there {count} times", count=str(count)),
            )
    owners: dict[tuple[PointDirection, int], str] = {}
    for point in points:
        key = (point.direction, point.ioa)
        owner = owners.setdefault(key, point.name)
        if owner != point.name:
            text = Phrase(
                "point_owner",
                "{ioa} is the address of {owner} too",
                ioa=str(point.ioa),
                owner=owner,
            )
            yield PointProblem(point=point.name, column="ioa", text=text)
    by_name = {point.name: point for point in points}
    band = [by_name.get(name) for name in sorted(REACTIVE_BAND_ORDERS)]
    if len({(point.unit, point.sign) for point in band if point is not None}) > 1:
        yield PointProblem(
            point=OrderName.MAXSETQ,
            column="sign",
            text=Phrase(
                "point_band",
                "both ends of the reactive band need the same unit and sign",
            ),
        )
    present = by_name.keys()
    for name in OrderName:
        if name.value not in present:
            yield PointProblem(
                point=name.value,
                text=Phrase(
                    "point_missing", "is missing: every command needs its point"
                ),
            )
