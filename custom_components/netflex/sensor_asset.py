"""Sensors of the assets: what they say, what they are told, and why."""

from collections.abc import Callable, Mapping
from typing import Final

from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.const import (
    PERCENTAGE,
    EntityCategory,
    UnitOfElectricCurrent,
    UnitOfEnergy,
    UnitOfPower,
    UnitOfTime,
)
from homeassistant.helpers.typing import StateType

from .entry_data import SubentryType
from .model.asset import AssetState, ChargerState, HeatPumpState
from .model.connection import Line
from .model.flexibility import Flexibility
from .sensor_site import NetflexSensorDescription
from .site.view import SiteView
from .view_values import (
    Attributes,
    answers,
    as_state,
    asset_problem,
    rounded,
    setpoint_attributes,
    setpoint_of,
    state_of,
)

NO_PROBLEM: Final = "none"


def _reads(
    value: Callable[[AssetState], float | None], digits: int = 0, sign: int = 1
) -> Callable[[SiteView, str], StateType]:
    """Return a reader of one field of an asset's state."""

    def read(view: SiteView, asset_id: str) -> StateType:
        state = state_of(view, asset_id)
        if state is None or (known := value(state)) is None:
            return None
        # Adding zero turns the -0.0 of a device at rest into 0.
        return rounded(sign * known + 0.0, digits)

    return read


def _said(value: Callable[[AssetState], object]) -> Callable[[SiteView, str], bool]:
    """Return whether an asset says something at all."""

    def exists(view: SiteView, asset_id: str) -> bool:
        state = state_of(view, asset_id)
        return state is not None and value(state) is not None

    return exists


def _power(
    key: str = "power",
    *,
    sign: int = 1,
    value: Callable[[AssetState], float | None] = lambda state: state.power,
    diagnostic: bool = False,
) -> NetflexSensorDescription:
    """Return a power in W; with `sign` -1 production counts positive."""
    return NetflexSensorDescription(
        key=key,
        translation_key=None if key == "power" else key,
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        suggested_display_precision=0,
        state_class=SensorStateClass.MEASUREMENT,
        entity_category=EntityCategory.DIAGNOSTIC if diagnostic else None,
        entity_registry_enabled_default=not diagnostic,
        value_fn=_reads(value, sign=sign),
        available_fn=answers,
        exists_fn=_said(value),
    )


def _energy(
    key: str, value: Callable[[AssetState], float | None]
) -> NetflexSensorDescription:
    return NetflexSensorDescription(
        key=key,
        translation_key=key,
        device_class=SensorDeviceClass.ENERGY,
        native_unit_of_measurement=UnitOfEnergy.WATT_HOUR,
        suggested_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        suggested_display_precision=1,
        state_class=SensorStateClass.TOTAL_INCREASING,
        value_fn=_reads(value),
        available_fn=answers,
        exists_fn=_said(value),
    )


def current_sensor(line: Line) -> NetflexSensorDescription:
    """Return the sensor of an asset's current on one line of the site."""
    return NetflexSensorDescription(
        key=f"current_{line.lower()}",
        translation_key="line_current",
        translation_placeholders={"line": line.value},
        device_class=SensorDeviceClass.CURRENT,
        native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        suggested_display_precision=1,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=_reads(lambda state: state.currents[line], digits=2),
        available_fn=answers,
        exists_fn=_said(lambda state: state.currents[line]),
    )


def _setpoint_value(view: SiteView, asset_id: str) -> StateType:
    setpoint = setpoint_of(view, asset_id)
    return None if setpoint is None else rounded(setpoint.value, 1)


def _switched(view: SiteView, asset_id: str) -> StateType:
    setpoint = setpoint_of(view, asset_id)
    if setpoint is None or setpoint.value is None:
        return None
    return "on" if setpoint.value else "off"


def _setpoint(
    device_class: SensorDeviceClass, unit: str, precision: int
) -> NetflexSensorDescription:
    """Return the sensor of what an asset is told; it is ours, so always available."""
    return NetflexSensorDescription(
        key="setpoint",
        translation_key="setpoint",
        device_class=device_class,
        native_unit_of_measurement=unit,
        suggested_display_precision=precision,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=_setpoint_value,
        attributes_fn=setpoint_attributes,
    )


_CURRENT_SETPOINT: Final = _setpoint(
    SensorDeviceClass.CURRENT, UnitOfElectricCurrent.AMPERE, 1
)
_POWER_SETPOINT: Final = _setpoint(SensorDeviceClass.POWER, UnitOfPower.WATT, 0)


def _problem_text(view: SiteView, asset_id: str) -> StateType:
    problem = asset_problem(view, asset_id)
    return NO_PROBLEM if problem is None else as_state(problem)


PROBLEM_REASON: Final = NetflexSensorDescription(
    key="problem_reason",
    translation_key="problem_reason",
    entity_category=EntityCategory.DIAGNOSTIC,
    value_fn=_problem_text,
)
"""Available whatever the device does: it says why the others are not."""


WRITES_LEFT: Final = NetflexSensorDescription(
    key="writes_left",
    translation_key="writes_left",
    entity_category=EntityCategory.DIAGNOSTIC,
    state_class=SensorStateClass.MEASUREMENT,
    value_fn=_reads(lambda state: state.writes_left),
    exists_fn=_said(lambda state: state.writes_left),
)
"""Available whatever the device does: we count."""

FALLBACK_IN: Final = NetflexSensorDescription(
    key="fallback_in",
    translation_key="fallback_in",
    device_class=SensorDeviceClass.DURATION,
    native_unit_of_measurement=UnitOfTime.SECONDS,
    suggested_display_precision=0,
    entity_category=EntityCategory.DIAGNOSTIC,
    entity_registry_enabled_default=False,
    value_fn=_reads(lambda state: state.fallback_in),
    available_fn=answers,
    exists_fn=_said(lambda state: state.fallback_in),
)
"""How long the device goes on with its setpoint when nobody refreshes it."""


def _fallback(
    device_class: SensorDeviceClass, unit: str, precision: int
) -> NetflexSensorDescription:
    """Return the sensor of what a device does when nobody refreshes its setpoint."""
    return NetflexSensorDescription(
        key="device_fallback",
        translation_key="device_fallback",
        device_class=device_class,
        native_unit_of_measurement=unit,
        suggested_display_precision=precision,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=_reads(lambda state: state.device_fallback, digits=1),
        exists_fn=_said(lambda state: state.device_fallback),
    )


_FALLBACK_CURRENT: Final = _fallback(
    SensorDeviceClass.CURRENT, UnitOfElectricCurrent.AMPERE, 1
)
_FALLBACK_POWER: Final = _fallback(SensorDeviceClass.POWER, UnitOfPower.WATT, 0)


def _charger_state(view: SiteView, asset_id: str) -> StateType:
    state = state_of(view, asset_id)
    if state is None or state.charger_state is None:
        return None
    return state.charger_state.value


_APPLIED_LIMIT: Final = NetflexSensorDescription(
    key="applied_limit",
    translation_key="applied_limit",
    device_class=SensorDeviceClass.CURRENT,
    native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
    suggested_display_precision=1,
    state_class=SensorStateClass.MEASUREMENT,
    value_fn=_reads(lambda state: state.current_limit, digits=1),
    available_fn=answers,
    exists_fn=_said(lambda state: state.current_limit),
)

_ENERGY_CONSUMED: Final = _energy(
    "energy_consumed", lambda state: state.energy_consumed
)
_ENERGY_PRODUCED: Final = _energy(
    "energy_produced", lambda state: state.energy_produced
)


def _heat_pump(view: SiteView, asset_id: str) -> StateType:
    state = state_of(view, asset_id)
    if state is None or state.heat_pump is None:
        return None
    return state.heat_pump.value


_HEAT_PUMP: Final = NetflexSensorDescription(
    key="heat_pump_state",
    translation_key="heat_pump_state",
    device_class=SensorDeviceClass.ENUM,
    options=[state.value for state in HeatPumpState],
    value_fn=_heat_pump,
    attributes_fn=setpoint_attributes,
    available_fn=answers,
    exists_fn=_said(lambda state: state.heat_pump),
)


def _held_once(view: SiteView, asset_id: str) -> bool:
    return asset_id in view.flexibility


def _flexibility(view: SiteView, asset_id: str) -> StateType:
    known = view.flexibility.get(asset_id)
    if known is None or (found := known.now.flexibility) is None:
        return None
    return found.value


def _share_followed(view: SiteView, asset_id: str) -> StateType:
    known = view.flexibility.get(asset_id)
    if known is None or (share := known.now.share) is None:
        return None
    return rounded(share * 100)


def _seasons(view: SiteView, asset_id: str) -> Attributes:
    """Return what was followed by season, and who outweighs a command now."""
    if (known := view.flexibility.get(asset_id)) is None:
        return {}
    return {
        "veto": None if known.veto is None else as_state(known.veto),
        **{
            season.value: {
                "commands": item.commands,
                "followed": item.followed,
                "vetoed": item.vetoed,
                "class": None if item.flexibility is None else item.flexibility.value,
            }
            for season, item in known.seasons.items()
        },
    }


_FLEXIBILITY: Final = NetflexSensorDescription(
    key="flexibility",
    translation_key="flexibility",
    device_class=SensorDeviceClass.ENUM,
    options=[item.value for item in Flexibility],
    value_fn=_flexibility,
    attributes_fn=_seasons,
    exists_fn=_held_once,
)
"""Of the present season, once a source outside has held it back."""

_COMMANDS_FOLLOWED: Final = NetflexSensorDescription(
    key="commands_followed",
    translation_key="commands_followed",
    native_unit_of_measurement=PERCENTAGE,
    suggested_display_precision=0,
    state_class=SensorStateClass.MEASUREMENT,
    value_fn=_share_followed,
    exists_fn=_held_once,
)

ASSET_SENSORS: Final[Mapping[SubentryType, tuple[NetflexSensorDescription, ...]]] = {
    SubentryType.CHARGER: (
        _power(),
        NetflexSensorDescription(
            key="charger_state",
            translation_key="charger_state",
            device_class=SensorDeviceClass.ENUM,
            options=[state.value for state in ChargerState],
            value_fn=_charger_state,
            available_fn=answers,
            exists_fn=_said(lambda state: state.charger_state),
        ),
        _APPLIED_LIMIT,
        _CURRENT_SETPOINT,
        _ENERGY_CONSUMED,
        _FALLBACK_CURRENT,
        FALLBACK_IN,
        WRITES_LEFT,
        PROBLEM_REASON,
    ),
    SubentryType.INVERTER: (
        _power("production", sign=-1),
        _power("applied_power_limit", value=lambda state: state.power_limit),
        _POWER_SETPOINT,
        _ENERGY_PRODUCED,
        _FALLBACK_POWER,
        FALLBACK_IN,
        WRITES_LEFT,
        PROBLEM_REASON,
    ),
    SubentryType.BATTERY: (
        _power(),
        NetflexSensorDescription(
            key="state_of_charge",
            device_class=SensorDeviceClass.BATTERY,
            native_unit_of_measurement=PERCENTAGE,
            suggested_display_precision=0,
            state_class=SensorStateClass.MEASUREMENT,
            value_fn=_reads(lambda state: state.state_of_charge, digits=1),
            available_fn=answers,
            exists_fn=_said(lambda state: state.state_of_charge),
        ),
        _POWER_SETPOINT,
        _power(
            "max_charge_power",
            value=lambda state: state.max_charge_power,
            diagnostic=True,
        ),
        _power(
            "max_discharge_power",
            value=lambda state: state.max_discharge_power,
            diagnostic=True,
        ),
        _energy("energy_charged", lambda state: state.energy_consumed),
        _energy("energy_discharged", lambda state: state.energy_produced),
        _FALLBACK_POWER,
        FALLBACK_IN,
        WRITES_LEFT,
        PROBLEM_REASON,
    ),
    SubentryType.LOAD: (
        _power(),
        NetflexSensorDescription(
            key="setpoint",
            translation_key="switch_setpoint",
            device_class=SensorDeviceClass.ENUM,
            options=["on", "off"],
            value_fn=_switched,
            attributes_fn=setpoint_attributes,
        ),
        _HEAT_PUMP,
        _FLEXIBILITY,
        _COMMANDS_FOLLOWED,
        _ENERGY_CONSUMED,
        PROBLEM_REASON,
    ),
    SubentryType.RELAY: (PROBLEM_REASON,),
}
