"""Sensors of how the grid operator's limits are kept, one set per direction."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.const import (
    EntityCategory,
    UnitOfPower,
    UnitOfReactivePower,
    UnitOfTime,
)
from homeassistant.helpers.typing import StateType

from .model.asset import Direction
from .model.plan import Compliance, ComplianceState, Quantity, Source
from .sensor_site import NetflexSensorDescription, has_station
from .site.view import SiteView
from .view_values import Attributes, rounded

NO_ORDER: Final = "no_order"

_QUANTITIES: Final = {
    Direction.CONSUMPTION: frozenset({Quantity.IMPORT, Quantity.CONSUMPTION}),
    Direction.PRODUCTION: frozenset({Quantity.INJECTION, Quantity.PRODUCTION}),
}

_WORST_FIRST: Final = (
    ComplianceState.VIOLATED,
    ComplianceState.INFEASIBLE,
    ComplianceState.UNKNOWN,
    ComplianceState.PENDING,
    ComplianceState.INSIDE,
)


def orders_of(view: SiteView, direction: Direction) -> tuple[Compliance, ...]:
    """Return the orders of a direction, the one that is kept worst first."""
    if view.plan is None:
        return ()
    found = [
        item
        for item in view.plan.compliance
        if item.limit.quantity in _QUANTITIES[direction]
    ]
    return tuple(sorted(found, key=lambda item: _WORST_FIRST.index(item.state)))


def missing_power(view: SiteView, direction: Direction) -> float | None:
    """Return by how many W an order of a direction cannot be met, 0 where it can."""
    if view.plan is None:
        return None
    return max(
        (
            item.missing
            for item in view.plan.infeasible
            if item.limit.quantity in _QUANTITIES[direction]
            and item.limit.source is Source.GRID_OPERATOR
        ),
        default=0.0,
    )


def missing_reactive(view: SiteView) -> float | None:
    """Return the var by which the band cannot be kept, 0 where it can or none is set.

    None while nobody measures it.
    """
    if view.plan is None:
        return None
    if (band := view.plan.reactive) is None:
        return 0.0
    return band.missing if band.known else None


def _attributes(item: Compliance) -> Attributes:
    return {
        "order": item.name,
        "state": item.state.value,
        "step": item.level.name.lower(),
        "limit": rounded(item.limit.value),
        "measured": rounded(item.measured),
        "ordered_at": item.ordered_at,
        "kept_since": item.inside_at,
        "seconds": rounded(item.seconds, 1),
        "violations": item.violations,
        "violation_seconds": rounded(item.violation_seconds),
        "worst": rounded(item.worst),
        "unmeasured_seconds": rounded(item.unmeasured_seconds),
    }


def _sensors(direction: Direction) -> Iterator[NetflexSensorDescription]:
    def state(view: SiteView, _subject: str) -> StateType:
        orders = orders_of(view, direction)
        return orders[0].state.value if orders else NO_ORDER

    def details(view: SiteView, _subject: str) -> Attributes:
        return {
            "orders": [dict(_attributes(item)) for item in orders_of(view, direction)]
        }

    def figure(
        read: Callable[[tuple[Compliance, ...]], float | None],
    ) -> Callable[[SiteView, str], StateType]:
        def value(view: SiteView, _subject: str) -> StateType:
            return rounded(read(orders_of(view, direction)))

        return value

    described = partial(_description, direction)
    yield described(
        "compliance",
        device_class=SensorDeviceClass.ENUM,
        options=[*(state.value for state in ComplianceState), NO_ORDER],
        value_fn=state,
        attributes_fn=details,
    )
    in_seconds = partial(
        described,
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        suggested_display_precision=0,
        entity_category=EntityCategory.DIAGNOSTIC,
    )
    yield in_seconds("time_to_comply", value_fn=figure(_newest_seconds))
    yield in_seconds(
        "violation_time",
        rate=10.0,
        value_fn=figure(lambda orders: sum(o.violation_seconds for o in orders)),
    )
    yield described(
        "missing",
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        suggested_unit_of_measurement=UnitOfPower.KILO_WATT,
        suggested_display_precision=2,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=lambda view, _subject: rounded(missing_power(view, direction)),
    )


def _description(
    direction: Direction, name: str, **shown: Any
) -> NetflexSensorDescription:
    """Return a sensor of a direction, which is there where there is an operator."""
    key = f"{name}_{direction.value}"
    return NetflexSensorDescription(
        key=key,
        translation_key=key,
        exists_fn=has_station,
        available_fn=_decided,
        **shown,
    )


def _newest_seconds(orders: tuple[Compliance, ...]) -> float | None:
    """Return the time to comply of the order that was given last."""
    timed = [item for item in orders if item.ordered_at is not None]
    if not timed:
        return None
    return max(timed, key=lambda item: str(item.ordered_at)).seconds


def _decided(view: SiteView, _subject: str) -> bool:
    return view.plan is not None


COMPLIANCE_SENSORS: Final = (
    *(sensor for direction in Direction for sensor in _sensors(direction)),
    NetflexSensorDescription(
        key="missing_reactive_power",
        translation_key="missing_reactive_power",
        device_class=SensorDeviceClass.REACTIVE_POWER,
        native_unit_of_measurement=UnitOfReactivePower.VOLT_AMPERE_REACTIVE,
        suggested_display_precision=0,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=lambda view, _subject: rounded(missing_reactive(view)),
        exists_fn=has_station,
        available_fn=_decided,
    ),
)
