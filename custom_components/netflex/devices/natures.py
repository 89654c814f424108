"""Natures: what a profile's points and controls mean to the decision.

The keys below are the names that profiles use; every other point of a device
becomes one of its details.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ..model.asset import Asset, AssetState, ChargerState, HeatPumpState, Nature
from ..model.connection import LineValues
from ..model.plan import SetpointKind
from ..model.reading import MeterReading
from .registers import Value
from .values import Values, number_of, truth_of


@dataclass(frozen=True, slots=True, kw_only=True)
class NatureSpec:
    """How one nature is driven."""

    control: str
    kind: SetpointKind


NATURES: Mapping[Nature, NatureSpec] = MappingProxyType(
    {
        Nature.CHARGER: NatureSpec(control="current_limit", kind=SetpointKind.CURRENT),
        Nature.BATTERY: NatureSpec(control="power", kind=SetpointKind.POWER),
        Nature.INVERTER: NatureSpec(
            control="production_limit", kind=SetpointKind.PRODUCTION
        ),
        Nature.LOAD: NatureSpec(control="switch", kind=SetpointKind.SWITCH),
        Nature.RELAY: NatureSpec(control="switch", kind=SetpointKind.SWITCH),
    }
)

_PHASES = ("l1", "l2", "l3")

STATE_KEYS = frozenset(
    {
        "power",
        "reactive_power",
        *(f"current_{phase}" for phase in _PHASES),
        "enabled",
        "state",
        "soc",
        "energy_now",
        "energy_full",
        "max_charge_power",
        "max_discharge_power",
        "max_reactive_power",
        "energy_consumed",
        "energy_produced",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Driven:
    """What the writer knows of a device, for its state."""

    readback: float | None = None
    fallback: float | None = None
    fallback_in: float | None = None
    follows: bool | None = None
    refuses: bool = False
    writes_left: int | None = None
    contested: bool = False
    unfollowed: float = 0.0
    phase_choices: tuple[int, ...] = ()
    takes_reactive: bool = False
    max_reactive: float | None = None
    reactive_setpoint: float | None = None


def asset_state(
    asset: Asset,
    values: Values,
    *,
    available: bool,
    at: float | None,
    driven: Driven,
    problem: str | None,
    details: Mapping[str, Value | None],
) -> AssetState:
    """Return the state of an asset; what the device does not say is None."""
    charger = asset.nature is Nature.CHARGER
    return AssetState(
        asset_id=asset.id,
        available=available,
        at=at,
        power=_power(values),
        reactive_power=number_of(values.get("reactive_power")),
        currents=_asset_currents(asset, values),
        current_limit=driven.readback if charger else None,
        power_limit=driven.readback
        if asset.nature in {Nature.BATTERY, Nature.INVERTER}
        else None,
        enabled=truth_of(values.get("enabled")),
        charger_state=_charger_state(values) if charger else None,
        phase_choices=driven.phase_choices,
        state_of_charge=_state_of_charge(values),
        max_charge_power=number_of(values.get("max_charge_power")),
        max_discharge_power=number_of(values.get("max_discharge_power")),
        writes_left=driven.writes_left,
        contested=driven.contested,
        unfollowed=driven.unfollowed,
        takes_reactive=driven.takes_reactive,
        max_reactive=driven.max_reactive,
        reactive_setpoint=driven.reactive_setpoint,
        temperature=number_of(values.get("temperature")),
        heat_pump=heat_pump_of(values.get("heat_pump")),
        local_on=truth_of(values.get("local_on")),
        energy_consumed=number_of(values.get("energy_consumed")),
        energy_produced=number_of(values.get("energy_produced")),
        device_fallback=driven.fallback,
        fallback_in=driven.fallback_in,
        follows=driven.follows,
        refuses=driven.refuses,
        problem=problem,
        details=MappingProxyType(dict(details)),
    )


def heat_pump_of(value: Value | None) -> HeatPumpState | None:
    """Return what the contacts of a heat pump say, None where they say nothing."""
    return None if not isinstance(value, str) else HeatPumpState(value)


def _asset_currents(asset: Asset, values: Values) -> LineValues:
    """Put the device's own phases on the lines that carry them, unsigned."""
    currents = {}
    for line, phase in zip(asset.lines, _PHASES, strict=False):
        if (current := number_of(values.get(f"current_{phase}"))) is not None:
            currents[line] = abs(current)
    return LineValues.of(currents)


def _power(values: Values) -> float | None:
    """Return W; a device may say it by phase, or by direction, both positive."""
    if "power" in values:
        return number_of(values["power"])
    if "charge_power" in values:
        charge = number_of(values["charge_power"])
        discharge = number_of(values.get("discharge_power"))
        return None if charge is None or discharge is None else charge - discharge
    parts = [
        number_of(values[key])
        for key in (f"power_{phase}" for phase in _PHASES)
        if key in values
    ]
    known = [part for part in parts if part is not None]
    return sum(known) if known and len(known) == len(parts) else None


def _charger_state(values: Values) -> ChargerState | None:
    """Return its state; where it has none, from whether it charges and is plugged."""
    value = values.get("state")
    if isinstance(value, str) and value in set(ChargerState):
        return ChargerState(value)
    if truth_of(values.get("charging")):
        return ChargerState.CHARGING
    if (plugged := truth_of(values.get("plugged"))) is None:
        return None
    return ChargerState.CONNECTED if plugged else ChargerState.IDLE


def _state_of_charge(values: Values) -> float | None:
    if (direct := number_of(values.get("soc"))) is not None:
        return direct
    now, full = (
        number_of(values.get("energy_now")),
        number_of(values.get("energy_full")),
    )
    return None if now is None or not full else 100 * now / full


def _lines(values: Values, quantity: str) -> LineValues:
    return LineValues(
        l1=number_of(values.get(f"{quantity}_l1")),
        l2=number_of(values.get(f"{quantity}_l2")),
        l3=number_of(values.get(f"{quantity}_l3")),
    )


def meter_reading(meter_id: str, values: Values, at: float) -> MeterReading:
    """Return the reading of a meter whose values were read at monotonic `at` s."""
    power = number_of(values.get("power"))
    line_power = _lines(values, "power")
    currents = _lines(values, "current")
    return MeterReading(
        meter_id=meter_id,
        received=at,
        power=line_power.total() if power is None else power,
        reactive_power=number_of(values.get("reactive_power")),
        line_power=line_power,
        line_current=currents.map(abs),
        line_voltage=_lines(values, "voltage"),
        frequency=number_of(values.get("frequency")),
        energy_import=number_of(values.get("energy_import")),
        energy_export=number_of(values.get("energy_export")),
    )
