"""Sensors of the FlexOffers: what is on offer, and what it has brought."""

from collections.abc import Callable
from typing import Final

from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.const import PERCENTAGE, EntityCategory, UnitOfEnergy
from homeassistant.helpers.typing import StateType

from .sensor_site import NetflexSensorDescription
from .site.view import SiteView
from .view_values import Attributes, rounded


def has_flexoffers(view: SiteView, _subject: str) -> bool:
    """Whether the site offers anything to an aggregator."""
    return view.flexoffers is not None


def _open(view: SiteView, _subject: str) -> StateType:
    return None if view.flexoffers is None else len(view.flexoffers.offers)


def _attributes(view: SiteView, _subject: str) -> Attributes:
    if (state := view.flexoffers) is None:
        return {}
    return {
        "refused": state.refused,
        "refusals": state.refusals,
        "offered": state.offered,
        "executed": state.executed,
        "followed": None if state.followed is None else rounded(state.followed * 100),
        "offers": [
            {
                "device": offer.asset_id,
                "state": offer.state,
                "start": offer.start.isoformat(),
                "until": offer.until.isoformat(),
                "energy": rounded(offer.energy),
            }
            for offer in state.offers
        ],
    }


def _shifted(view: SiteView, _subject: str) -> StateType:
    return None if view.flexoffers is None else rounded(view.flexoffers.shifted)


def _usability(view: SiteView, _subject: str) -> StateType:
    state = view.flexoffers
    if state is None or state.usability is None:
        return None
    return rounded(state.usability * 100)


def _has_shifted(view: SiteView, asset_id: str) -> bool:
    return view.flexoffers is not None and asset_id in view.flexoffers.shifted_by


def _shifted_by_asset(view: SiteView, asset_id: str) -> StateType:
    if view.flexoffers is None or asset_id not in view.flexoffers.shifted_by:
        return None
    return rounded(view.flexoffers.shifted_by[asset_id])


def _energy_shifted(
    value: Callable[[SiteView, str], StateType],
    exists: Callable[[SiteView, str], bool],
) -> NetflexSensorDescription:
    return NetflexSensorDescription(
        key="flexoffers_shifted",
        translation_key="flexoffers_shifted",
        device_class=SensorDeviceClass.ENERGY,
        state_class=SensorStateClass.TOTAL_INCREASING,
        native_unit_of_measurement=UnitOfEnergy.WATT_HOUR,
        suggested_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        value_fn=value,
        exists_fn=exists,
        available_fn=exists,
    )


SHIFTED_BY_ASSET: Final = _energy_shifted(_shifted_by_asset, _has_shifted)
"""Of a device whose offers were carried out once."""
FLEXOFFER_SENSORS: Final = (
    NetflexSensorDescription(
        key="flexoffers",
        translation_key="flexoffers",
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=_open,
        attributes_fn=_attributes,
        exists_fn=has_flexoffers,
        available_fn=has_flexoffers,
    ),
    _energy_shifted(_shifted, has_flexoffers),
    NetflexSensorDescription(
        key="flexoffers_usability",
        translation_key="flexoffers_usability",
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=PERCENTAGE,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=_usability,
        exists_fn=has_flexoffers,
        available_fn=has_flexoffers,
    ),
)
