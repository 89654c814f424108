"""Sensors of what the batteries bring: today, yesterday, this month.

They are there as soon as readings are kept and the site has a battery.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.const import PERCENTAGE, UnitOfEnergy, UnitOfPower
from homeassistant.helpers.typing import StateType

from .sensor_site import NetflexSensorDescription
from .site.view import SiteView
from .telemetry.figures import Figures
from .view_values import Attributes, rounded


@dataclass(frozen=True, kw_only=True)
class FigureSensorDescription(NetflexSensorDescription):
    """A sensor of a figure; `period` is "today", "yesterday" or "month"."""

    period: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Figure:
    name: str
    value: Callable[[Figures], float | None]
    digits: int
    unit: str | None = None
    device_class: SensorDeviceClass | None = None
    shown: int = 1
    """Digits that are displayed."""
    suggested_unit: str | None = None
    periods: tuple[str, ...] = ("today", "yesterday", "month")
    enabled: frozenset[str] = frozenset({"today", "month"})
    counts: bool = False
    """It grows within its period: its history is no measurement's."""


def _percent(value: float | None) -> float | None:
    return None if value is None else value * 100


_FIGURES: Final = (
    _Figure(
        name="saved",
        value=lambda found: found.saved,
        digits=2,
        shown=2,
        device_class=SensorDeviceClass.MONETARY,
        enabled=frozenset({"today", "yesterday", "month"}),
        counts=True,
    ),
    _Figure(
        name="energy_cost",
        value=lambda found: found.cost,
        digits=2,
        shown=2,
        device_class=SensorDeviceClass.MONETARY,
        enabled=frozenset(),
        counts=True,
    ),
    _Figure(
        name="self_use",
        value=lambda found: _percent(found.self_use),
        digits=1,
        unit=PERCENTAGE,
    ),
    _Figure(
        name="self_sufficiency",
        value=lambda found: _percent(found.self_sufficiency),
        digits=1,
        unit=PERCENTAGE,
    ),
    _Figure(
        name="cycles",
        value=lambda found: found.cycles,
        digits=2,
        shown=2,
        counts=True,
    ),
    _Figure(
        name="round_trip",
        value=lambda found: _percent(found.efficiency),
        digits=1,
        unit=PERCENTAGE,
        periods=("month",),
    ),
    _Figure(
        name="missed",
        value=lambda found: found.missed,
        digits=0,
        unit=UnitOfEnergy.WATT_HOUR,
        suggested_unit=UnitOfEnergy.KILO_WATT_HOUR,
        shown=2,
        device_class=SensorDeviceClass.ENERGY,
        enabled=frozenset({"month"}),
        counts=True,
    ),
    _Figure(
        name="peak_avoided",
        value=lambda found: found.peak_avoided,
        digits=0,
        unit=UnitOfPower.WATT,
        suggested_unit=UnitOfPower.KILO_WATT,
        shown=2,
        device_class=SensorDeviceClass.POWER,
        periods=("month",),
    ),
    _Figure(
        name="tariff_saved",
        value=lambda found: found.tariff_saved,
        digits=2,
        shown=2,
        device_class=SensorDeviceClass.MONETARY,
        periods=("month",),
        counts=True,
    ),
)


def _state_class(figure: _Figure, period: str) -> SensorStateClass | None:
    """Return how a figure is summed up over the years; yesterday's is today's again."""
    if not figure.counts:
        return SensorStateClass.MEASUREMENT
    return None if period == "yesterday" else SensorStateClass.TOTAL


def _of(view: SiteView, period: str) -> Figures | None:
    found: Figures | None = getattr(view.figures, period, None)
    return found


def _description(
    figure: _Figure, period: str, currency: str
) -> FigureSensorDescription:
    def value(view: SiteView, _subject: str) -> StateType:
        found = _of(view, period)
        return None if found is None else rounded(figure.value(found), figure.digits)

    def attributes(view: SiteView, _subject: str) -> Attributes:
        found = _of(view, period)
        if found is None or view.figures is None:
            return {}
        measured = {
            "coverage": rounded(_percent(found.coverage), 1),
            "filled": rounded(_percent(found.filled), 1),
        }
        if period != "month":
            return measured
        tested = view.figures.certification
        return measured | {"certification_hours": rounded(tested / 3600, 2)}

    def known(view: SiteView, _subject: str) -> bool:
        return _of(view, period) is not None

    key = f"{figure.name}_{period}"
    money = figure.device_class is SensorDeviceClass.MONETARY
    return FigureSensorDescription(
        period=period,
        key=key,
        translation_key=key,
        device_class=figure.device_class,
        native_unit_of_measurement=currency if money else figure.unit,
        suggested_unit_of_measurement=figure.suggested_unit,
        suggested_display_precision=figure.shown,
        state_class=_state_class(figure, period),
        entity_registry_enabled_default=period in figure.enabled,
        rate=60.0,
        value_fn=value,
        attributes_fn=attributes,
        available_fn=known,
        exists_fn=known,
    )


def figure_sensors(currency: str) -> Iterator[FigureSensorDescription]:
    """Yield the sensors of a house whose prices are in a currency."""
    for figure in _FIGURES:
        for period in figure.periods:
            yield _description(figure, period, currency)
