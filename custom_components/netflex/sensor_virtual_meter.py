"""Sensors of a virtual meter: how it is doing and what its charger is shown."""

from collections.abc import Callable
from typing import Final

from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.const import EntityCategory, UnitOfElectricCurrent, UnitOfTime
from homeassistant.helpers.typing import StateType

from .devices.metered_charger import MeterStatus, VirtualMeterView
from .devices.virtual_meter import Report
from .model.connection import Line
from .sensor_site import NetflexSensorDescription
from .site.view import SiteView
from .view_values import Attributes, rounded


def _reads(
    value: Callable[[VirtualMeterView], StateType],
) -> Callable[[SiteView, str], StateType]:
    def read(view: SiteView, meter_id: str) -> StateType:
        meter = view.virtual_meters.get(meter_id)
        return None if meter is None else value(meter)

    return read


def _known(view: SiteView, meter_id: str) -> bool:
    return meter_id in view.virtual_meters


def _status_attributes(view: SiteView, meter_id: str) -> Attributes:
    meter = view.virtual_meters.get(meter_id)
    if meter is None:
        return {}
    return {
        "problem": meter.problem,
        "different_polls": len(meter.polls),
        "refused_clients": len(meter.strangers),
    }


def _report_attributes(view: SiteView, meter_id: str) -> Attributes:
    meter = view.virtual_meters.get(meter_id)
    return {} if meter is None else {"why": meter.why}


def _current(line: Line) -> NetflexSensorDescription:
    return NetflexSensorDescription(
        key=f"shown_current_{line.lower()}",
        translation_key="shown_current",
        translation_placeholders={"line": line.value},
        device_class=SensorDeviceClass.CURRENT,
        native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        suggested_display_precision=1,
        state_class=SensorStateClass.MEASUREMENT,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value_fn=_reads(lambda meter: rounded(meter.currents[line], 2)),
        available_fn=_known,
    )


VIRTUAL_METER_SENSORS: Final = (
    NetflexSensorDescription(
        key="meter_status",
        translation_key="meter_status",
        device_class=SensorDeviceClass.ENUM,
        options=[status.value for status in MeterStatus],
        value_fn=_reads(lambda meter: meter.status.value),
        attributes_fn=_status_attributes,
        available_fn=_known,
    ),
    NetflexSensorDescription(
        key="shown",
        translation_key="shown",
        device_class=SensorDeviceClass.ENUM,
        options=[report.value for report in Report],
        value_fn=_reads(lambda meter: meter.report.value),
        attributes_fn=_report_attributes,
        available_fn=_known,
    ),
    NetflexSensorDescription(
        key="granted_current",
        translation_key="granted_current",
        device_class=SensorDeviceClass.CURRENT,
        native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        suggested_display_precision=1,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=_reads(lambda meter: rounded(meter.granted, 1)),
        available_fn=_known,
    ),
    NetflexSensorDescription(
        key="poll_age",
        translation_key="poll_age",
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        suggested_display_precision=0,
        state_class=SensorStateClass.MEASUREMENT,
        entity_category=EntityCategory.DIAGNOSTIC,
        # It changes every second.
        entity_registry_enabled_default=False,
        value_fn=_reads(lambda meter: rounded(meter.poll_age, 0)),
        available_fn=_known,
    ),
    *map(_current, Line),
)
