"""Sensors of the daily report on the data: the site's, and one of each source."""

from typing import Final

from homeassistant.components.sensor import SensorStateClass
from homeassistant.const import PERCENTAGE, EntityCategory
from homeassistant.helpers.typing import StateType

from .sensor_site import NetflexSensorDescription
from .site.quality_problems import fault_text
from .site.view import SiteView
from .telemetry.quality import SourceQuality
from .view_values import Attributes, rounded


def _percent(share: float | None) -> float | None:
    return None if share is None else rounded(share * 100, 1)


def source_quality(source: SourceQuality) -> float | None:
    """Return the share of a source's data that came and can be believed, 0..1."""
    if source.completeness is None:
        return None
    believed = 1.0 if source.plausibility is None else source.plausibility
    return source.completeness * believed


def _of_site(view: SiteView, _subject: str) -> StateType:
    if view.quality is None:
        return None
    shares = [
        share
        for source in view.quality.sources
        if (share := source_quality(source)) is not None
    ]
    return _percent(sum(shares) / len(shares)) if shares else None


def _site_attributes(view: SiteView, _subject: str) -> Attributes:
    if (report := view.quality) is None:
        return {}
    return {
        "observed": _percent(report.observed),
        "faults": [
            f"{fault.name}: {fault_text(fault)}" if fault.name else fault_text(fault)
            for fault in report.faults
        ],
    }


def _source(view: SiteView, subject: str) -> SourceQuality | None:
    for source in () if view.quality is None else view.quality.sources:
        if source.source == subject:
            return source
    return None


def _of_source(view: SiteView, subject: str) -> StateType:
    source = _source(view, subject)
    return None if source is None else _percent(source_quality(source))


def _source_attributes(view: SiteView, subject: str) -> Attributes:
    source = _source(view, subject)
    if source is None or view.quality is None:
        return {}
    return {
        "completeness": _percent(source.completeness),
        "plausibility": _percent(source.plausibility),
        "clock_offset": rounded(source.clock_offset, 1),
        "faults": [
            fault_text(fault)
            for fault in view.quality.faults
            if fault.source == subject
        ],
    }


SITE_QUALITY_SENSORS: Final = (
    NetflexSensorDescription(
        key="data_quality",
        translation_key="data_quality",
        native_unit_of_measurement=PERCENTAGE,
        state_class=SensorStateClass.MEASUREMENT,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=_of_site,
        attributes_fn=_site_attributes,
    ),
)
SOURCE_QUALITY_SENSORS: Final = (
    NetflexSensorDescription(
        key="data_quality",
        translation_key="data_quality",
        native_unit_of_measurement=PERCENTAGE,
        state_class=SensorStateClass.MEASUREMENT,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value_fn=_of_source,
        attributes_fn=_source_attributes,
    ),
)
