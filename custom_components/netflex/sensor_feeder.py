"""Sensors of a feeder: what flows on its fullest line, and what its fuse leaves."""

from collections.abc import Callable
from typing import Final

from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.const import UnitOfElectricCurrent
from homeassistant.helpers.typing import StateType

from .model.connection import Line, LineValues
from .model.plan import FeederFlow
from .sensor_site import NetflexSensorDescription
from .site.view import SiteView
from .view_values import Attributes, rounded


def _flow(view: SiteView, feeder_id: str) -> FeederFlow | None:
    return None if view.plan is None else view.plan.feeders.get(feeder_id)


def _known(view: SiteView, feeder_id: str) -> bool:
    return _flow(view, feeder_id) is not None


def _tightest(
    values: Callable[[FeederFlow], LineValues], choose: Callable[..., float]
) -> Callable[[SiteView, str], StateType]:
    def read(view: SiteView, feeder_id: str) -> StateType:
        if (flow := _flow(view, feeder_id)) is None:
            return None
        present = [value for _, value in values(flow).items()]
        return rounded(choose(present, key=abs) if present else None, 1)

    return read


def _least(present: list[float], key: object) -> float:
    return min(present)


def _lines(
    values: Callable[[FeederFlow], LineValues],
) -> Callable[[SiteView, str], Attributes]:
    def attributes(view: SiteView, feeder_id: str) -> Attributes:
        if (flow := _flow(view, feeder_id)) is None:
            return {}
        return {
            "metered": flow.metered,
            **{
                line.lower(): rounded(values(flow)[line], 1)
                for line in Line
                if values(flow)[line] is not None
            },
        }

    return attributes


FEEDER_SENSORS: Final = (
    NetflexSensorDescription(
        key="feeder_current",
        translation_key="feeder_current",
        device_class=SensorDeviceClass.CURRENT,
        native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        suggested_display_precision=1,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=_tightest(lambda flow: flow.current, max),
        attributes_fn=_lines(lambda flow: flow.current),
        available_fn=_known,
    ),
    NetflexSensorDescription(
        key="feeder_headroom",
        translation_key="feeder_headroom",
        device_class=SensorDeviceClass.CURRENT,
        native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        suggested_display_precision=1,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=_tightest(lambda flow: flow.headroom, _least),
        attributes_fn=_lines(lambda flow: flow.headroom),
        available_fn=_known,
    ),
)
