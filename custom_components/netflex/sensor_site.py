"""Sensors of the site: the operator's orders, the limits in force, what is left."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import (
    PERCENTAGE,
    EntityCategory,
    UnitOfElectricCurrent,
    UnitOfPower,
    UnitOfTime,
)
from homeassistant.helpers.typing import StateType

from .model.asset import Direction
from .model.connection import Line
from .model.orders import LinkState, OrderName, QMode
from .model.phrase import Phrase
from .model.plan import ALL_ASSETS, SITE, Infeasible, Quantity, Scope
from .model.reading import MeterRole
from .site.view import SiteView, StopProof
from .view_values import (
    ORDER_LIMITS,
    Attributes,
    allows_less,
    as_state,
    limit_attributes,
    limit_of,
    ordered_limit_of,
    rounded,
)

NO_LINK_REASON: Final = "none"


@dataclass(frozen=True, kw_only=True)
class NetflexSensorDescription(SensorEntityDescription):
    """A sensor that reads a view; the text is the id of its subject.

    `exists_fn` None: it is always there. `available_fn` None: always available.
    """

    value_fn: Callable[[SiteView, str], StateType | datetime]
    attributes_fn: Callable[[SiteView, str], Attributes] | None = None
    available_fn: Callable[[SiteView, str], bool] | None = None
    exists_fn: Callable[[SiteView, str], bool] | None = None
    rate: float | None = None
    """s between two writes of a changed value; None: as its device class says."""
    channel: int | None = None
    """Of the meter behind a smart meter that it belongs to."""


def has_station(view: SiteView, _subject: str) -> bool:
    """Whether the site has a station at all."""
    return view.telecontrol


def _order_value(name: OrderName) -> Callable[[SiteView, str], StateType]:
    def value(view: SiteView, _subject: str) -> StateType:
        order = view.orders.get(name)
        return None if order is None else order.value

    return value


def _order_attributes(name: OrderName) -> Callable[[SiteView, str], Attributes]:
    def attributes(view: SiteView, _subject: str) -> Attributes:
        order = view.orders.get(name)
        return {
            "source": None if order is None else order.source.value,
            "ordered_at": None if order is None else order.at,
        }

    return attributes


def _order_power(name: OrderName) -> Callable[[SiteView, str], StateType]:
    scope, quantity = ORDER_LIMITS[name]

    def value(view: SiteView, _subject: str) -> StateType:
        limit = ordered_limit_of(view, scope, quantity)
        return None if limit is None else rounded(limit.value)

    return value


def _limit(
    scope: Scope, quantity: Quantity
) -> tuple[Callable[[SiteView, str], StateType], Callable[[SiteView, str], Attributes]]:
    def value(view: SiteView, _subject: str) -> StateType:
        limit = limit_of(view, scope, quantity)
        return None if limit is None else rounded(limit.value)

    def attributes(view: SiteView, _subject: str) -> Attributes:
        return limit_attributes(limit_of(view, scope, quantity))

    return value, attributes


def _limit_sensor(
    key: str, scope: Scope, quantity: Quantity
) -> NetflexSensorDescription:
    value, attributes = _limit(scope, quantity)
    return NetflexSensorDescription(
        key=key,
        translation_key=key,
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        suggested_unit_of_measurement=UnitOfPower.KILO_WATT,
        suggested_display_precision=2,
        state_class=SensorStateClass.MEASUREMENT,
        # A limit changes by an order or a contract, and is waited for.
        rate=0.0,
        value_fn=value,
        attributes_fn=attributes,
        available_fn=lambda view, _subject: view.plan is not None,
    )


def _percentage_sensor(name: OrderName) -> NetflexSensorDescription:
    return NetflexSensorDescription(
        key=f"order_{name.value}",
        translation_key=f"order_{name.value}",
        native_unit_of_measurement=PERCENTAGE,
        suggested_display_precision=0,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=_order_value(name),
        attributes_fn=_order_attributes(name),
        available_fn=has_station,
        exists_fn=has_station,
    )


def _order_power_sensor(name: OrderName) -> NetflexSensorDescription:
    return NetflexSensorDescription(
        key=f"order_{name.value}_power",
        translation_key=f"order_{name.value}_power",
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        suggested_unit_of_measurement=UnitOfPower.KILO_WATT,
        suggested_display_precision=2,
        state_class=SensorStateClass.MEASUREMENT,
        rate=0.0,
        value_fn=_order_power(name),
        available_fn=lambda view, _subject: view.telecontrol and view.plan is not None,
        exists_fn=has_station,
    )


def _plain_order_sensor(name: OrderName) -> NetflexSensorDescription:
    """Return a sensor of an order whose unit is not confirmed or that has none."""
    return NetflexSensorDescription(
        key=f"order_{name.value}",
        translation_key=f"order_{name.value}",
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value_fn=_order_value(name),
        attributes_fn=_order_attributes(name),
        available_fn=has_station,
        exists_fn=has_station,
    )


STATUSES: Final = [
    "normal",
    "limited",
    "not_metered",
    "infeasible",
    "stopped",
    "shadow",
]


def _status(view: SiteView, _subject: str) -> StateType:
    """Return what matters most about the site now."""
    if (plan := view.plan) is None:
        return None
    if view.shadow:
        return "shadow"
    if plan.stopped:
        return "stopped"
    if plan.infeasible:
        return "infeasible"
    if not plan.metered:
        return "not_metered"
    limited = any(allows_less(view, name) for name in ORDER_LIMITS)
    return "limited" if limited else "normal"


def _status_attributes(view: SiteView, _subject: str) -> Attributes:
    plan = view.plan
    return {
        "problems": [problem.text for problem in view.problems],
        "infeasible": []
        if plan is None
        else [_infeasible_text(item) for item in plan.infeasible],
    }


def _infeasible_text(item: Infeasible) -> str:
    return Phrase(
        f"infeasible_{item.problem.value}",
        f"{{limit}}: {{missing}} ({item.problem.value})",
        limit=item.limit.cause.text,
        missing=f"{item.missing:.0f} {item.limit.quantity.unit}",
    )


def _proof_of(view: SiteView, direction: Direction) -> StopProof | None:
    return next((proof for proof in view.proofs if proof.direction is direction), None)


PROOF_STATES: Final = ["not_stopped", "in_progress", "confirmed"]


def _proof_sensor(direction: Direction) -> NetflexSensorDescription:
    def value(view: SiteView, _subject: str) -> StateType:
        if view.plan is None or direction not in view.plan.stopped:
            return "not_stopped"
        proof = _proof_of(view, direction)
        done = proof is not None and proof.written and not proof.missing
        return "confirmed" if done else "in_progress"

    def attributes(view: SiteView, _subject: str) -> Attributes:
        proof = _proof_of(view, direction)
        return {
            "not_confirmed": [] if proof is None else list(proof.missing),
            "seconds": None if proof is None else rounded(proof.seconds, 3),
        }

    key = f"stop_{direction.value}_proof"
    return NetflexSensorDescription(
        key=key,
        translation_key=key,
        device_class=SensorDeviceClass.ENUM,
        options=PROOF_STATES,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=value,
        attributes_fn=attributes,
    )


def _headroom_power(quantity: Quantity) -> Callable[[SiteView, str], StateType]:
    def value(view: SiteView, _subject: str) -> StateType:
        if view.plan is None:
            return None
        headroom = view.plan.headroom
        return rounded(
            headroom.import_power
            if quantity is Quantity.IMPORT
            else headroom.injection_power
        )

    return value


def _metered(view: SiteView, _subject: str) -> bool:
    return view.plan is not None and view.plan.metered


def _headroom_sensor(quantity: Quantity) -> NetflexSensorDescription:
    key = f"headroom_{quantity.value}"
    return NetflexSensorDescription(
        key=key,
        translation_key=key,
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        suggested_unit_of_measurement=UnitOfPower.KILO_WATT,
        suggested_display_precision=2,
        state_class=SensorStateClass.MEASUREMENT,
        rate=10.0,
        value_fn=_headroom_power(quantity),
        available_fn=_metered,
    )


def line_headroom_sensor(line: Line) -> NetflexSensorDescription:
    """Return the sensor of what is left on one line before its fuse."""

    def value(view: SiteView, _subject: str) -> StateType:
        if view.plan is None:
            return None
        return rounded(view.plan.headroom.line_current[line], 1)

    return NetflexSensorDescription(
        key=f"headroom_current_{line.lower()}",
        translation_key="headroom_current",
        translation_placeholders={"line": line.value},
        device_class=SensorDeviceClass.CURRENT,
        native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        suggested_display_precision=1,
        state_class=SensorStateClass.MEASUREMENT,
        entity_registry_enabled_default=False,
        value_fn=value,
        available_fn=_metered,
    )


def _has_stand_in(view: SiteView, _subject: str) -> bool:
    """Whether more than one meter can measure the connection point."""
    roles = [meter.role for meter in view.meters.values()]
    return roles.count(MeterRole.CONNECTION_POINT) > 1


def _site_meter(view: SiteView, _subject: str) -> StateType:
    meter = None if view.site_meter is None else view.meters.get(view.site_meter)
    return None if meter is None else as_state(meter.name)


def _site_meter_attributes(view: SiteView, _subject: str) -> Attributes:
    switch = view.meter_switch
    preferred = None if switch is None else view.meters.get(switch.preferred)
    return {
        "in_place_of": None if preferred is None else preferred.name,
        "since": None if switch is None else switch.at,
        "reason": None if switch is None else switch.reason,
    }


def _link_reason(view: SiteView, _subject: str) -> StateType:
    """Return why the operator's link is as it is."""
    link = view.link
    if link.problem is not None:
        return as_state(link.problem)
    if not link.connected and link.last_close_reason is not None:
        return as_state(link.last_close_reason)
    return NO_LINK_REASON


def _event_counter(
    key: str, count: Callable[[LinkState], int], state_class: SensorStateClass
) -> NetflexSensorDescription:
    """Return a count of the station's spontaneous reports to the operator."""
    return NetflexSensorDescription(
        key=key,
        translation_key=key,
        state_class=state_class,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value_fn=lambda view, _subject: count(view.link),
        exists_fn=has_station,
        available_fn=has_station,
    )


SITE_SENSORS: Final = (
    NetflexSensorDescription(
        key="status",
        translation_key="status",
        device_class=SensorDeviceClass.ENUM,
        options=STATUSES,
        value_fn=_status,
        attributes_fn=_status_attributes,
    ),
    NetflexSensorDescription(
        key="link_reason",
        translation_key="link_reason",
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=_link_reason,
        exists_fn=has_station,
        available_fn=has_station,
    ),
    NetflexSensorDescription(
        key="last_interrogation",
        translation_key="last_interrogation",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value_fn=lambda view, _subject: view.link.last_interrogation,
        exists_fn=has_station,
        available_fn=has_station,
    ),
    NetflexSensorDescription(
        key="clock_offset",
        translation_key="clock_offset",
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        suggested_display_precision=3,
        state_class=SensorStateClass.MEASUREMENT,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda view, _subject: rounded(view.link.clock_offset, 3),
        exists_fn=has_station,
        available_fn=has_station,
    ),
    NetflexSensorDescription(
        key="loop_lag",
        translation_key="loop_lag",
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        suggested_display_precision=2,
        state_class=SensorStateClass.MEASUREMENT,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        rate=60.0,
        value_fn=lambda view, _subject: rounded(view.loop_lag, 2),
    ),
    _event_counter(
        "events_waiting",
        lambda link: link.events_waiting,
        SensorStateClass.MEASUREMENT,
    ),
    _event_counter(
        "events_dropped",
        lambda link: link.events_dropped,
        SensorStateClass.TOTAL_INCREASING,
    ),
    NetflexSensorDescription(
        key="order_q_mode",
        translation_key="order_q_mode",
        device_class=SensorDeviceClass.ENUM,
        options=[mode.value for mode in QMode],
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=_order_value(OrderName.Q_MODE),
        attributes_fn=_order_attributes(OrderName.Q_MODE),
        exists_fn=has_station,
        available_fn=has_station,
    ),
    *(_percentage_sensor(name) for name in ORDER_LIMITS),
    *(_order_power_sensor(name) for name in ORDER_LIMITS),
    *(
        _plain_order_sensor(name)
        for name in (
            OrderName.MINSETQ,
            OrderName.MAXSETQ,
            OrderName.REDENP,
            OrderName.REDENQ,
        )
    ),
    _limit_sensor("import_limit", SITE, Quantity.IMPORT),
    _limit_sensor("injection_limit", SITE, Quantity.INJECTION),
    _limit_sensor("production_limit", ALL_ASSETS, Quantity.PRODUCTION),
    _limit_sensor("consumption_limit", ALL_ASSETS, Quantity.CONSUMPTION),
    NetflexSensorDescription(
        key="site_meter",
        translation_key="site_meter",
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=_site_meter,
        attributes_fn=_site_meter_attributes,
        exists_fn=_has_stand_in,
    ),
    NetflexSensorDescription(
        key="announced_change",
        translation_key="announced_change",
        device_class=SensorDeviceClass.TIMESTAMP,
        rate=10.0,
        value_fn=lambda view, _subject: view.next_change,
    ),
    _headroom_sensor(Quantity.IMPORT),
    _headroom_sensor(Quantity.INJECTION),
    *(_proof_sensor(direction) for direction in Direction),
)
