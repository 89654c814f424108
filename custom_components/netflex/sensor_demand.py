"""Sensors of the quarter hour and the peaks that the capacity tariff is billed on."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.const import UnitOfPower
from homeassistant.helpers.typing import StateType

from .model.reading import MonthPeak
from .sensor_site import NetflexSensorDescription
from .site.view import DemandView, SiteView
from .view_values import Attributes, rounded

CURRENCY: Final = "EUR"


def _metered(view: SiteView, _subject: str) -> bool:
    return view.demand is not None


def _power(
    key: str,
    value: Callable[[DemandView], float | None],
    attributes: Callable[[DemandView], Attributes] | None = None,
) -> NetflexSensorDescription:
    """Return one power of the demand, kW of import."""

    def read(view: SiteView, _subject: str) -> StateType:
        return None if view.demand is None else rounded(value(view.demand))

    def more(view: SiteView, _subject: str) -> Attributes:
        if view.demand is None or attributes is None:
            return {}
        return attributes(view.demand)

    return NetflexSensorDescription(
        key=key,
        translation_key=key,
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        suggested_unit_of_measurement=UnitOfPower.KILO_WATT,
        suggested_display_precision=2,
        state_class=SensorStateClass.MEASUREMENT,
        rate=15.0,
        value_fn=read,
        attributes_fn=None if attributes is None else more,
        available_fn=_metered,
        exists_fn=_metered,
    )


def _quarter(demand: DemandView) -> Attributes:
    return {"quarter": demand.quarter.start, "complete": demand.quarter.complete}


def _target(demand: DemandView) -> Attributes:
    return {"target": rounded(demand.target)}


def _month_peak(demand: DemandView) -> float | None:
    peak = demand.quarter.month_peak
    return None if peak is None else peak.power


def _month_peak_at(view: SiteView, _subject: str) -> datetime | None:
    if view.demand is None or view.demand.quarter.month_peak is None:
        return None
    return view.demand.quarter.month_peak.at


def _months(demand: DemandView) -> Attributes:
    running = demand.quarter.month_peak
    peaks = demand.history if running is None else (*demand.history, running)
    return {
        "months": [_row(peak, demand.quarter.start) for peak in peaks[-13:]],
        "minimum": rounded(demand.tariff.minimum),
        "minimum_rule": demand.tariff.rule.value,
        # The sources disagree on where the minimum is applied.
        "confirmed": False,
    }


def _row(peak: MonthPeak, now: datetime) -> dict[str, Any]:
    """Return a month's peak; the running month has no end yet."""
    within = now if peak.month_end is None else peak.month_end - timedelta(days=1)
    return {"month": f"{within:%Y-%m}", "peak": rounded(peak.power), "at": peak.at}


def _has_price(view: SiteView, _subject: str) -> bool:
    return view.demand is not None and view.demand.tariff.price is not None


def _cost(view: SiteView, _subject: str) -> StateType:
    return None if view.demand is None else rounded(view.demand.cost, 2)


def _held(view: SiteView, _subject: str) -> bool:
    return view.plan is not None and view.plan.capacity is not None


def _quarter_cost(view: SiteView, _subject: str) -> StateType:
    if view.plan is None or view.plan.capacity is None:
        return None
    return rounded(view.plan.capacity.cost, 2)


def _quarter_held(view: SiteView, _subject: str) -> Attributes:
    if view.plan is None or (capacity := view.plan.capacity) is None:
        return {}
    return {
        "target": rounded(capacity.free),
        "allowed": rounded(capacity.allowed),
        "urgent": list(capacity.urgent),
    }


DEMAND_SENSORS: Final = (
    NetflexSensorDescription(
        key="quarter_cost",
        translation_key="quarter_cost",
        device_class=SensorDeviceClass.MONETARY,
        native_unit_of_measurement=CURRENCY,
        suggested_display_precision=2,
        rate=15.0,
        value_fn=_quarter_cost,
        attributes_fn=_quarter_held,
        available_fn=_held,
        exists_fn=_has_price,
    ),
    _power("demand_average", lambda demand: demand.quarter.average, _quarter),
    _power("demand_forecast", lambda demand: demand.quarter.forecast),
    _power("demand_headroom", lambda demand: demand.headroom, _target),
    _power("month_peak", _month_peak),
    NetflexSensorDescription(
        key="month_peak_at",
        translation_key="month_peak_at",
        device_class=SensorDeviceClass.TIMESTAMP,
        value_fn=_month_peak_at,
        available_fn=_metered,
        exists_fn=_metered,
    ),
    _power("billed_peak", lambda demand: demand.billed, _months),
    NetflexSensorDescription(
        key="peak_cost",
        translation_key="peak_cost",
        device_class=SensorDeviceClass.MONETARY,
        native_unit_of_measurement=CURRENCY,
        suggested_display_precision=2,
        value_fn=_cost,
        available_fn=_metered,
        exists_fn=_has_price,
    ),
)
