"""Sensors of the bridge to a broker: what waits, what was lost, what was refused."""

from datetime import datetime
from typing import Final

from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.const import EntityCategory
from homeassistant.helpers.typing import StateType

from .northbound.commands import Problem
from .sensor_site import NetflexSensorDescription
from .site.view import SiteView
from .view_values import Attributes

NO_REFUSAL: Final = "none"


def has_northbound(view: SiteView, _subject: str) -> bool:
    """Whether the site tells anything to a broker."""
    return view.northbound is not None


def _has_certificate(view: SiteView, _subject: str) -> bool:
    return view.northbound is not None and view.northbound.certificate_ends is not None


def _last_refusal(view: SiteView, _subject: str) -> str | None:
    if view.northbound is None:
        return None
    refusal = view.northbound.last_refusal
    return NO_REFUSAL if refusal is None else refusal.reason


def _refusals(view: SiteView, _subject: str) -> Attributes:
    state = view.northbound
    refusal = None if state is None else state.last_refusal
    return {
        "subject": None if refusal is None else refusal.subject,
        "text": None if refusal is None else refusal.text,
        "at": None if refusal is None else refusal.at,
        "accepted": None if state is None else state.accepted,
        "refused": {} if state is None else dict(state.refused),
    }


def _certificate_ends(view: SiteView, _subject: str) -> datetime | None:
    return None if view.northbound is None else view.northbound.certificate_ends


def _count(
    key: str, name: str, state_class: SensorStateClass
) -> NetflexSensorDescription:
    def value(view: SiteView, _subject: str) -> StateType:
        count: int | None = getattr(view.northbound, name, None)
        return count

    return NetflexSensorDescription(
        key=key,
        translation_key=key,
        entity_category=EntityCategory.DIAGNOSTIC,
        state_class=state_class,
        rate=10.0,
        value_fn=value,
        exists_fn=has_northbound,
        available_fn=has_northbound,
    )


NORTHBOUND_SENSORS: Final = (
    _count("northbound_stored", "stored", SensorStateClass.MEASUREMENT),
    _count("northbound_dropped", "dropped", SensorStateClass.TOTAL_INCREASING),
    NetflexSensorDescription(
        key="northbound_refusal",
        translation_key="northbound_refusal",
        device_class=SensorDeviceClass.ENUM,
        options=[NO_REFUSAL, *(item.value for item in Problem)],
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=_last_refusal,
        attributes_fn=_refusals,
        exists_fn=has_northbound,
        available_fn=has_northbound,
    ),
    NetflexSensorDescription(
        key="northbound_certificate",
        translation_key="northbound_certificate",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value_fn=_certificate_ends,
        exists_fn=_has_certificate,
        available_fn=_has_certificate,
    ),
)
