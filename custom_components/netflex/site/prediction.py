"""What would flow if every asset did what a plan tells it, and nothing else changed."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..model.asset import Asset, AssetState
from ..model.connection import GridType, power_of_current
from ..model.phrase import Phrase
from ..model.plan import Plan, Setpoint, SetpointKind
from ..model.reading import MeterReading
from .measurements import asset_power


@dataclass(frozen=True, slots=True, kw_only=True)
class Flows:
    """W: import positive at the connection point, the assets' sums positive.

    None where a part of it is not known.
    """

    power: float | None = None
    production: float | None = None
    consumption: float | None = None


def measured_flows(
    assets: Mapping[str, Asset],
    states: Mapping[str, AssetState],
    reading: MeterReading | None,
) -> Flows:
    """Return what flows now, as it was measured last."""
    powers = _powers(assets, states)
    return _flows(assets, powers, None if reading is None else _power(reading))


def predicted_flows(
    assets: Mapping[str, Asset],
    states: Mapping[str, AssetState],
    base: float | None,
    plan: Plan,
    grid_type: GridType,
) -> Flows:
    """Return what would flow; `base` is what flows without what setpoints move.

    What may rise does not, beyond what it does now: whether a car or the sun would
    follow is not known.
    """
    now = _powers(assets, states)
    told = {
        asset_id: _told(assets[asset_id], power, plan.setpoints[asset_id], grid_type)
        if power is not None and asset_id in plan.setpoints
        else power
        for asset_id, power in now.items()
    }
    moved = (told[asset_id] for asset_id in told if assets[asset_id].controllable)
    power = None if base is None else base + sum(value or 0.0 for value in moved)
    return _flows(assets, told, power)


def _power(reading: MeterReading) -> float | None:
    return reading.line_power.total() if reading.power is None else reading.power


def _powers(
    assets: Mapping[str, Asset], states: Mapping[str, AssetState]
) -> dict[str, float | None]:
    return {
        asset_id: asset_power(asset, states.get(asset_id))
        for asset_id, asset in assets.items()
        if asset.consumes or asset.produces
    }


def _flows(
    assets: Mapping[str, Asset], powers: Mapping[str, float | None], power: float | None
) -> Flows:
    def total(sign: float, concerned: list[str]) -> float | None:
        if any(powers[asset_id] is None for asset_id in concerned):
            return None
        return sum(max(0.0, sign * (powers[one] or 0.0)) for one in concerned)

    return Flows(
        power=power,
        production=total(-1.0, [one for one in powers if assets[one].produces]),
        consumption=total(1.0, [one for one in powers if assets[one].consumes]),
    )


def _told(asset: Asset, power: float, setpoint: Setpoint, grid_type: GridType) -> float:
    """Return the W that an asset would have under its setpoint."""
    if (value := setpoint.value) is None:
        return power
    if setpoint.kind is SetpointKind.POWER:
        return value
    if setpoint.kind is SetpointKind.PRODUCTION:
        return max(power, -value)
    if setpoint.kind is SetpointKind.CURRENT:
        return min(power, power_of_current(value, grid_type, asset.phases))
    return power if value else 0.0


def in_words(asset: Asset, setpoint: Setpoint) -> str:
    """Return what an asset is told."""
    value = setpoint.value
    if value is None:
        told: str = Phrase("told_no_limit", "no limit")
    elif setpoint.kind is SetpointKind.CURRENT:
        told = (
            Phrase("told_at_most", "at most {current}", current=f"{value:.1f} A")
            if value
            else Phrase("told_pause", "pause")
        )
    elif setpoint.kind is SetpointKind.POWER:
        power = f"{abs(value):.0f} W"
        told = (
            Phrase("told_charge", "charge with {power}", power=power)
            if value > 0
            else Phrase("told_discharge", "discharge with {power}", power=power)
        )
        if abs(value) < 1:
            told = Phrase("told_rest", "neither charge nor discharge")
    elif setpoint.kind is SetpointKind.PRODUCTION:
        told = Phrase("told_produce", "produce at most {power}", power=f"{value:.0f} W")
    else:
        told = Phrase("value_on", "on") if value else Phrase("value_off", "off")
    return Phrase("told", "{name}: {told}", name=asset.name, told=told)
