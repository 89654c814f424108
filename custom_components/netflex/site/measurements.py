"""What the grid operator reads: power per asset category."""

from collections.abc import Mapping

from ..model.asset import Asset, AssetState, Category, Nature
from ..model.measurement import CategoryMeasurement, Measurements

STATE_TIMEOUT = 30.0
"""s after which the last word of a device is no longer topical."""


def measure(
    assets: Mapping[str, Asset], states: Mapping[str, AssetState], now: float
) -> Measurements:
    """Sum the assets' powers by category; `now` is monotonic s.

    An asset that never said a power counts as zero and makes its category not
    topical; one that fell silent counts with its last word, not topical either. A
    switched load without a power sensor counts at its rating while it is on.
    """
    sums = {category: CategoryMeasurement() for category in Category}
    for asset in assets.values():
        state = states.get(asset.id)
        power = asset_power(asset, state)
        topical = (
            state is not None
            and state.available
            and power is not None
            and state.at is not None
            and now - state.at <= STATE_TIMEOUT
        )
        reactive = state.reactive_power if state is not None else None
        total = sums[asset.category]
        sums[asset.category] = CategoryMeasurement(
            power=total.power + (power or 0.0),
            reactive_power=total.reactive_power + (reactive or 0.0),
            topical=total.topical and topical,
        )
    return sums


def asset_power(asset: Asset, state: AssetState | None) -> float | None:
    """Return an asset's power in W, None where nobody knows it."""
    if state is None or state.power is not None:
        return state.power if state is not None else None
    if asset.nature is Nature.LOAD and state.enabled is not None:
        return asset.rated_consumption if state.enabled else 0.0
    return None
