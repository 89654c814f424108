"""Sensors of what batteries are used for, of the markets, and of what dispatch brings."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.const import UnitOfEnergy, UnitOfPower
from homeassistant.helpers.typing import StateType

from .model.market import PriceSlot
from .model.programme import Constraint, PreviewSlot, ProgrammeMode, ProgrammeState
from .sensor_site import NetflexSensorDescription
from .site.economy import DispatchProof
from .site.view import SiteView
from .view_values import Attributes, rounded

IDLE: Final = "idle"
"""The battery rests: no mode wants anything."""
NOT_FOLLOWED: Final = "not_followed"
"""The battery has a programme, and its user has chosen something else."""
UNBOUND: Final = "none"

_MODES: Final = [*(mode.value for mode in ProgrammeMode), IDLE, NOT_FOLLOWED]
_CONSTRAINTS: Final = (
    Constraint.STOP,
    Constraint.GRID_OPERATOR,
    Constraint.SITE_POWER,
    Constraint.MAINTENANCE,
    Constraint.NO_MEASUREMENT,
    Constraint.BATTERY_POWER,
    Constraint.STATE_OF_ENERGY,
)
"""The most important first."""


def _has_programme(view: SiteView, asset_id: str) -> bool:
    return asset_id in view.programmes


def _standing(view: SiteView, asset_id: str) -> ProgrammeState | None:
    return None if view.plan is None else view.plan.programmes.get(asset_id)


def _mode(
    read: Callable[[ProgrammeState], ProgrammeMode | None],
) -> Callable[[SiteView, str], StateType]:
    def value(view: SiteView, asset_id: str) -> StateType:
        if view.plan is None:
            return None
        if (standing := _standing(view, asset_id)) is None:
            return NOT_FOLLOWED
        mode = read(standing)
        return IDLE if mode is None else mode.value

    return value


def _mode_attributes(view: SiteView, asset_id: str) -> Attributes:
    standing = _standing(view, asset_id)
    if standing is None:
        return {}
    return {
        "wish": rounded(standing.wish),
        "inactive": {item.mode.value: item.text for item in standing.inactive},
    }


def _constraint(view: SiteView, asset_id: str) -> StateType:
    standing = _standing(view, asset_id)
    if standing is None:
        return None if view.plan is None else UNBOUND
    found = (item for item in _CONSTRAINTS if item in standing.constraints)
    return next((item.value for item in found), UNBOUND)


def _constraint_attributes(view: SiteView, asset_id: str) -> Attributes:
    standing = _standing(view, asset_id)
    found = () if standing is None else standing.constraints
    return {"all": [item.value for item in _CONSTRAINTS if item in found]}


def _coming(view: SiteView, asset_id: str) -> PreviewSlot | None:
    """Return the next span with other modes than now."""
    slots = view.previews.get(asset_id, ())
    return slots[1] if len(slots) > 1 else None


def _next_change(view: SiteView, asset_id: str) -> datetime | None:
    slot = _coming(view, asset_id)
    return None if slot is None else slot.start


def _next_attributes(view: SiteView, asset_id: str) -> Attributes:
    slot = _coming(view, asset_id)
    return {"modes": [] if slot is None else [mode.value for mode in slot.modes]}


PROGRAMME_SENSORS: Final = (
    NetflexSensorDescription(
        key="active_mode",
        translation_key="active_mode",
        device_class=SensorDeviceClass.ENUM,
        options=_MODES,
        value_fn=_mode(lambda standing: standing.active),
        exists_fn=_has_programme,
    ),
    NetflexSensorDescription(
        key="effective_mode",
        translation_key="effective_mode",
        device_class=SensorDeviceClass.ENUM,
        options=_MODES,
        value_fn=_mode(lambda standing: standing.effective),
        attributes_fn=_mode_attributes,
        exists_fn=_has_programme,
    ),
    NetflexSensorDescription(
        key="bound_by",
        translation_key="bound_by",
        device_class=SensorDeviceClass.ENUM,
        options=[*(item.value for item in _CONSTRAINTS), UNBOUND],
        value_fn=_constraint,
        attributes_fn=_constraint_attributes,
        exists_fn=_has_programme,
    ),
    NetflexSensorDescription(
        key="next_change",
        translation_key="next_change",
        device_class=SensorDeviceClass.TIMESTAMP,
        value_fn=_next_change,
        attributes_fn=_next_attributes,
        exists_fn=_has_programme,
    ),
)
"""Of a battery that has a programme."""


def _price(
    key: str, read: Callable[[SiteView], PriceSlot | None], currency: str
) -> NetflexSensorDescription:
    """Return the sensor of a price, shown per kWh as on an invoice."""

    def value(view: SiteView, _subject: str) -> StateType:
        slot = read(view)
        return None if slot is None else round(slot.value / 1000, 6)

    def attributes(view: SiteView, _subject: str) -> Attributes:
        slot = read(view)
        return {
            "from": None if slot is None else slot.start,
            "until": None if slot is None else slot.end,
        }

    return NetflexSensorDescription(
        key=key,
        translation_key=key,
        native_unit_of_measurement=f"{currency}/kWh",
        suggested_display_precision=4,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=value,
        attributes_fn=attributes,
        available_fn=lambda view, _subject: read(view) is not None,
        exists_fn=lambda view, _subject: read(view) is not None,
    )


def _imbalance_price(view: SiteView, _subject: str) -> StateType:
    imbalance = view.market.imbalance
    return None if imbalance is None else imbalance.price


def _imbalance_volume(view: SiteView, _subject: str) -> StateType:
    imbalance = view.market.imbalance
    return None if imbalance is None else rounded(imbalance.volume, 1)


def _imbalance_attributes(view: SiteView, _subject: str) -> Attributes:
    if (imbalance := view.market.imbalance) is None:
        return {}
    return {
        "quality": imbalance.quality.value,
        "period_start": imbalance.start,
        "period_end": imbalance.end,
        "as_of": imbalance.received,
    }


def _has_imbalance(view: SiteView, _subject: str) -> bool:
    return view.market.imbalance is not None


def market_sensors(currency: str) -> tuple[NetflexSensorDescription, ...]:
    """Return the sensors of what the markets say."""
    return (
        _price("import_price", lambda view: view.market.import_price, currency),
        _price("export_price", lambda view: view.market.export_price, currency),
        NetflexSensorDescription(
            key="imbalance_price",
            translation_key="imbalance_price",
            native_unit_of_measurement=f"{currency}/MWh",
            suggested_display_precision=2,
            state_class=SensorStateClass.MEASUREMENT,
            value_fn=_imbalance_price,
            attributes_fn=_imbalance_attributes,
            available_fn=_has_imbalance,
            exists_fn=_has_imbalance,
        ),
        NetflexSensorDescription(
            key="imbalance_volume",
            translation_key="imbalance_volume",
            native_unit_of_measurement=UnitOfPower.MEGA_WATT,
            device_class=SensorDeviceClass.POWER,
            suggested_display_precision=0,
            state_class=SensorStateClass.MEASUREMENT,
            value_fn=_imbalance_volume,
            attributes_fn=_imbalance_attributes,
            available_fn=_has_imbalance,
            exists_fn=_has_imbalance,
        ),
    )


def _proof(view: SiteView, source_id: str) -> DispatchProof | None:
    """Return the newest proof of a source, of the running dispatch where one runs."""
    return next(
        (item for item in view.dispatch_proofs if item.command.source == source_id),
        None,
    )


def _delivered(view: SiteView, source_id: str) -> StateType:
    proof = _proof(view, source_id)
    return None if proof is None or not proof.proved else rounded(proof.delivered)


def _proof_attributes(view: SiteView, source_id: str) -> Attributes:
    if (proof := _proof(view, source_id)) is None:
        return {}
    command = proof.command
    return {
        "action": command.action.value,
        "asked_power": command.power,
        "start": command.start,
        "end": proof.ended or command.end,
        "running": proof.ended is None,
        "method": proof.method.value,
        "baseline": rounded(proof.baseline),
        "delivered_power": rounded(proof.power),
        "proved": round(proof.proved),
        "unproved": round(proof.unproved),
    }


DISPATCH_SENSORS: Final = (
    NetflexSensorDescription(
        key="delivered_energy",
        translation_key="delivered_energy",
        native_unit_of_measurement=UnitOfEnergy.WATT_HOUR,
        device_class=SensorDeviceClass.ENERGY,
        suggested_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        suggested_display_precision=2,
        value_fn=_delivered,
        attributes_fn=_proof_attributes,
    ),
    NetflexSensorDescription(
        key="next_dispatch",
        translation_key="next_dispatch",
        device_class=SensorDeviceClass.TIMESTAMP,
        value_fn=lambda view, source_id: min(
            (
                item.start
                for item in view.economy.dispatches
                if item.source == source_id
            ),
            default=None,
        ),
    ),
)
"""Of a dispatch source."""
