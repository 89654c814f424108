"""The point table of the Netflex interface (data model version 1.0) as data.

The names are public, the addresses are not: Annex B of the grid operator's
specification holds them. Whatever Annex B may say differently per point is a field
of the point, and the default table carries placeholder addresses and is not
confirmed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from ..model.asset import Category
from ..model.orders import POWER_LIMIT_ORDERS, OrderName
from .point import (
    INTERFACE_VERSION,
    REASON_ORDERS,
    Execution,
    Point,
    PointDirection,
    PointTableError,
    StaleQuality,
    TimeTagChoice,
    feedback_name,
    power_name,
    reactive_power_name,
)
from .point_rules import RULES, check_table

__all__ = [
    "DEFAULT_POINTS",
    "DEFAULT_PROFILE",
    "Point",
    "PointDirection",
    "PointTable",
    "PointTableError",
    "feedback_name",
]

DEFAULT_PROFILE: Final = "netflex-1.0-unconfirmed"


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
        if problems := list(check_table(self.points)):
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


def _default_points() -> Iterator[Point]:
    """Addresses are placeholders in blocks: commands, setpoints, then measurements."""
    commands = iter(range(1001, 2000))
    setpoints = iter(range(2001, 3000))
    control: list[Point] = []
    feedback: list[Point] = []
    for name in OrderName:
        rule = RULES[name.value]
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
                type_id=int(RULES[feedback_name(name)].types[0]),
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
        type_id=int(RULES[name].types[0]),
        ioa=ioa,
        unit=RULES[name].units[0],
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
