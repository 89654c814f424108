"""Yes or no: the operator's link, the stops, and what has a problem."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, override

from homeassistant.components.binary_sensor import (
    BinarySensorEntity,
    BinarySensorEntityDescription,
)
from homeassistant.components.binary_sensor.const import BinarySensorDeviceClass
from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import EntityCategory

from .coordinator import SiteCoordinator
from .entity import NetflexEntity, ShownEntity, platform_setup
from .entry_data import CONF_ROLE, CONF_SOURCE, DeviceSource, SubentryType
from .model.asset import Direction
from .model.orders import OrderName
from .model.reading import MeterRole
from .sensor_flexoffers import has_flexoffers
from .sensor_northbound import has_northbound
from .sensor_site import has_station
from .site.view import SiteView
from .view_values import (
    Attributes,
    answers,
    asset_has_problem,
    asset_problem,
    measures,
    meter_of,
    silence_attributes,
    state_of,
)

# Everything is read from the coordinator.
PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class NetflexBinarySensorDescription(BinarySensorEntityDescription):
    """A binary sensor that reads a view; the text is the id of its subject.

    `exists_fn` None: it is always there. `available_fn` None: always available.
    """

    value_fn: Callable[[SiteView, str], bool | None]
    attributes_fn: Callable[[SiteView, str], Attributes] | None = None
    available_fn: Callable[[SiteView, str], bool] | None = None
    exists_fn: Callable[[SiteView, str], bool] | None = None


def _ordered(name: OrderName) -> NetflexBinarySensorDescription:
    """Return a command of the operator; never received is off."""

    def value(view: SiteView, _subject: str) -> bool:
        order = view.orders.get(name)
        return order is not None and bool(order.value)

    def attributes(view: SiteView, _subject: str) -> Attributes:
        order = view.orders.get(name)
        return {
            "source": None if order is None else order.source.value,
            "ordered_at": None if order is None else order.at,
        }

    test = name is OrderName.TEST
    return NetflexBinarySensorDescription(
        key=f"order_{name.value}",
        translation_key=f"order_{name.value}",
        entity_category=EntityCategory.DIAGNOSTIC if test else None,
        value_fn=value,
        attributes_fn=attributes,
        exists_fn=has_station,
        available_fn=has_station,
    )


def _stopped(direction: Direction) -> NetflexBinarySensorDescription:
    """Return whether a direction is stopped, whoever stopped it."""

    def value(view: SiteView, _subject: str) -> bool:
        if view.plan is not None and direction in view.plan.stopped:
            return True
        return view.orders.stopped(direction) or view.local_stops.stopped(direction)

    def attributes(view: SiteView, _subject: str) -> Attributes:
        return {
            "operator": view.orders.stopped(direction),
            "local_holders": sorted(view.local_stops.holders(direction)),
        }

    return NetflexBinarySensorDescription(
        key=f"{direction.value}_stopped",
        translation_key=f"{direction.value}_stopped",
        value_fn=value,
        attributes_fn=attributes,
    )


def _link_attributes(view: SiteView, _subject: str) -> Attributes:
    link = view.link
    return {
        "listening": link.listening,
        "client": link.client,
        "since": link.since,
        "last_close_reason": link.last_close_reason,
        "last_refused_client": link.last_refused_client,
    }


def _northbound_attributes(view: SiteView, _subject: str) -> Attributes:
    state = view.northbound
    return {
        "since": None if state is None else state.since,
        "problem": None if state is None else state.problem_text,
        "attributes": None if state is None else state.attributes,
        "control": None if state is None else state.control,
    }


def _flexoffer_attributes(view: SiteView, _subject: str) -> Attributes:
    state = view.flexoffers
    return {
        "problem": None if state is None else state.problem,
        "last_beat": None if state is None else state.last_beat,
    }


def _infeasible(view: SiteView, _subject: str) -> bool | None:
    return None if view.plan is None else bool(view.plan.infeasible)


def _infeasible_attributes(view: SiteView, _subject: str) -> Attributes:
    if view.plan is None:
        return {"limits": []}
    return {
        "limits": [
            {
                "limit": item.limit.cause.text,
                "missing": round(item.missing),
                "unit": item.limit.quantity.unit,
                "problem": item.problem.value,
            }
            for item in view.plan.infeasible
        ]
    }


def _dispatch_attributes(view: SiteView, _subject: str) -> Attributes:
    """Return what is asked of batteries now, by whom and until when."""
    names = view.economy.names
    return {
        "commands": [
            {
                "source": names.get(item.source, item.source),
                "action": item.action.value,
                "power": item.power,
                "end": item.end,
                "priority": item.priority,
            }
            for item in view.market.dispatches
        ]
    }


SITE_SENSORS: Final = (
    NetflexBinarySensorDescription(
        key="operator_link",
        translation_key="operator_link",
        device_class=BinarySensorDeviceClass.CONNECTIVITY,
        value_fn=lambda view, _subject: view.link.connected,
        attributes_fn=_link_attributes,
        exists_fn=has_station,
        available_fn=has_station,
    ),
    NetflexBinarySensorDescription(
        key="northbound",
        translation_key="northbound",
        device_class=BinarySensorDeviceClass.CONNECTIVITY,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda view, _subject: (
            None if view.northbound is None else view.northbound.connected
        ),
        attributes_fn=_northbound_attributes,
        exists_fn=has_northbound,
        available_fn=has_northbound,
    ),
    NetflexBinarySensorDescription(
        key="flexoffer_manager",
        translation_key="flexoffer_manager",
        device_class=BinarySensorDeviceClass.CONNECTIVITY,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda view, _subject: (
            None if view.flexoffers is None else view.flexoffers.connected
        ),
        attributes_fn=_flexoffer_attributes,
        exists_fn=has_flexoffers,
        available_fn=has_flexoffers,
    ),
    _ordered(OrderName.EMERGENCY_STOP_PRODUCTION),
    _ordered(OrderName.EMERGENCY_STOP_CONSUMPTION),
    _ordered(OrderName.TEST),
    *(_stopped(direction) for direction in Direction),
    NetflexBinarySensorDescription(
        key="infeasible",
        translation_key="infeasible",
        device_class=BinarySensorDeviceClass.PROBLEM,
        value_fn=_infeasible,
        attributes_fn=_infeasible_attributes,
        available_fn=lambda view, _subject: view.plan is not None,
    ),
    NetflexBinarySensorDescription(
        key="dispatch_active",
        translation_key="dispatch_active",
        device_class=BinarySensorDeviceClass.RUNNING,
        value_fn=lambda view, _subject: bool(view.market.dispatches),
        attributes_fn=_dispatch_attributes,
        exists_fn=lambda view, _subject: bool(view.economy.dispatches),
    ),
)


def _enabled(view: SiteView, asset_id: str) -> bool | None:
    state = state_of(view, asset_id)
    return None if state is None else state.enabled


def _meter_problem(view: SiteView, meter_id: str) -> bool | None:
    meter = meter_of(view, meter_id)
    return None if meter is None else not meter.available


def _meter_reason(view: SiteView, meter_id: str) -> Attributes:
    meter = meter_of(view, meter_id)
    return {"reason": None if meter is None else meter.problem}


METER_SENSORS: Final = (
    NetflexBinarySensorDescription(
        key="problem",
        device_class=BinarySensorDeviceClass.PROBLEM,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=_meter_problem,
        attributes_fn=_meter_reason,
    ),
)


def _overloaded(view: SiteView, meter_id: str) -> bool | None:
    meter = meter_of(view, meter_id)
    if meter is None or meter.power is None:
        return None
    return bool(meter.power.overloaded)


def _overloaded_lines(view: SiteView, meter_id: str) -> Attributes:
    meter = meter_of(view, meter_id)
    overloaded = {} if meter is None or meter.power is None else meter.power.overloaded
    return {"lines": {line.value: current for line, current in overloaded.items()}}


OVERLOAD_SENSOR: Final = NetflexBinarySensorDescription(
    key="overload",
    translation_key="overload",
    device_class=BinarySensorDeviceClass.PROBLEM,
    value_fn=_overloaded,
    attributes_fn=_overloaded_lines,
    available_fn=measures,
)
"""Of a meter that samples the waveform and is told what is too much."""

_PROBLEM: Final = NetflexBinarySensorDescription(
    key="problem",
    device_class=BinarySensorDeviceClass.PROBLEM,
    entity_category=EntityCategory.DIAGNOSTIC,
    value_fn=asset_has_problem,
    attributes_fn=lambda view, asset_id: {
        "reason": asset_problem(view, asset_id),
        "answers": answers(view, asset_id),
        "follows": None
        if (state := state_of(view, asset_id)) is None
        else state.follows,
        **silence_attributes(view, asset_id),
    },
)


_NOT_FOLLOWED: Final = NetflexBinarySensorDescription(
    key="setpoint_not_followed",
    translation_key="setpoint_not_followed",
    device_class=BinarySensorDeviceClass.PROBLEM,
    entity_category=EntityCategory.DIAGNOSTIC,
    value_fn=lambda view, asset_id: (
        None
        if (state := state_of(view, asset_id)) is None or state.follows is None
        else not state.follows
    ),
    attributes_fn=lambda view, asset_id: {
        "contested": None
        if (state := state_of(view, asset_id)) is None
        else state.contested,
    },
    available_fn=answers,
)


def _output_attributes(view: SiteView, relay_id: str) -> Attributes:
    """Return what becomes of an emergency output, and what proves it (S13)."""
    output = view.outputs.get(relay_id)
    if output is None:
        return {}
    return {
        "behaviour": [
            {
                "stop_in_force": item.ordered,
                "when": item.situation.value,
                "coil": "on" if item.energised else "off",
                "stops": item.stopped,
                "note": item.note,
            }
            for item in output.behaviour
        ],
        "bistable": output.bistable,
        "contact_agrees": output.contact_agrees,
        "stop_input_open": output.stop_input_open,
        "safe_state": output.safe_state,
    }


def _state_sensor(
    key: str,
    device_class: BinarySensorDeviceClass,
    attributes: Callable[[SiteView, str], Attributes] | None = None,
) -> NetflexBinarySensorDescription:
    return NetflexBinarySensorDescription(
        key=key,
        translation_key=key,
        device_class=device_class,
        value_fn=_enabled,
        attributes_fn=attributes,
        available_fn=answers,
    )


_OWN_SENSORS: Final = {
    SubentryType.METER: METER_SENSORS,
    SubentryType.CHARGER: (_PROBLEM, _NOT_FOLLOWED),
    SubentryType.INVERTER: (_PROBLEM, _NOT_FOLLOWED),
    SubentryType.BATTERY: (_PROBLEM, _NOT_FOLLOWED),
    SubentryType.LOAD: (
        _PROBLEM,
        _NOT_FOLLOWED,
        _state_sensor("running", BinarySensorDeviceClass.RUNNING),
    ),
    SubentryType.RELAY: (
        _PROBLEM,
        _state_sensor("energised", BinarySensorDeviceClass.POWER, _output_attributes),
    ),
    SubentryType.VIRTUAL_METER: (),
    SubentryType.FEEDER: (),
    SubentryType.BATTERY_MODE: (),
    SubentryType.DISPATCH_SOURCE: (
        NetflexBinarySensorDescription(
            key="dispatch_active",
            translation_key="dispatch_active",
            device_class=BinarySensorDeviceClass.RUNNING,
            value_fn=lambda view, source_id: any(
                item.source == source_id for item in view.market.dispatches
            ),
        ),
    ),
}


def _of_site(coordinator: SiteCoordinator) -> Iterable[NetflexEntity]:
    for description in SITE_SENSORS:
        yield NetflexBinarySensor(coordinator, description)


def _of_subentry(
    coordinator: SiteCoordinator, subentry: ConfigSubentry
) -> Iterable[NetflexEntity]:
    for description in _OWN_SENSORS[SubentryType(subentry.subentry_type)]:
        yield NetflexBinarySensor(coordinator, description, subentry)
    if subentry.data.get(CONF_SOURCE) == DeviceSource.S1 and (
        subentry.data[CONF_ROLE] == MeterRole.CONNECTION_POINT
    ):
        yield NetflexBinarySensor(coordinator, OVERLOAD_SENSOR, subentry)


async_setup_entry = platform_setup(of_site=_of_site, of_subentry=_of_subentry)


class NetflexBinarySensor(ShownEntity, BinarySensorEntity):
    """A binary sensor that reads one fact of the site's view."""

    entity_description: NetflexBinarySensorDescription
    _unrecorded_attributes = frozenset({"behaviour", "when_silent", "limits", "reason"})

    @property
    @override
    def is_on(self) -> bool | None:
        return self.entity_description.value_fn(self.view, self.subject)
