"""The stored form of a meter, and what it means.

Powers are stored in kW as bills name them, ages in s.
"""

from collections.abc import Mapping
from typing import Any, Final

from .devices.entity_meter import MAX_AGE
from .model.demand import MINIMUM_PEAK, CapacityHold, CapacityTariff, MinimumRule
from .site.config import ShareConfig

CONF_TARGET_PEAK: Final = "target_peak"
CONF_PEAK_PRICE: Final = "peak_price"
CONF_PEAK_MINIMUM: Final = "peak_minimum"
CONF_PEAK_MINIMUM_RULE: Final = "peak_minimum_rule"
CONF_PEAK_HOLD: Final = "peak_hold"
CONF_PEAK_SHAVE: Final = "peak_shave"
CONF_SHARE: Final = "share"
CONF_SHARE_PORT: Final = "share_port"
CONF_SHARE_ALLOWED: Final = "share_allowed"
CONF_MAX_AGE: Final = "max_age"
CONF_DIRECTION: Final = "direction"

DEFAULT_SHARE_PORT: Final = 8088
DEFAULT_PEAK_MINIMUM: Final = MINIMUM_PEAK / 1000

SENSOR_ROLES: Final[Mapping[str, str]] = {
    "power_entity": "power",
    "power_export_entity": "power_export",
    **{
        f"{quantity}_{line}_entity": f"{quantity}_{line}"
        for quantity in ("power", "current", "voltage")
        for line in ("l1", "l2", "l3")
    },
    "reactive_power_entity": "reactive_power",
    "frequency_entity": "frequency",
    "energy_import_entity": "energy_import",
    "energy_export_entity": "energy_export",
}
"""Keys of the sensors that make up a meter, with what each of them is."""


def sensor_roles(data: Mapping[str, Any]) -> dict[str, str]:
    """Return references to the sensors of a meter by their role."""
    return {role: str(data[key]) for key, role in SENSOR_ROLES.items() if data.get(key)}


def sensor_params(data: Mapping[str, Any]) -> dict[str, int | float | str]:
    """Return how the sensors of a meter are to be read."""
    return {
        CONF_MAX_AGE: float(data.get(CONF_MAX_AGE, MAX_AGE)),
        CONF_DIRECTION: str(data.get(CONF_DIRECTION, "")),
    }


def capacity_tariff(data: Mapping[str, Any]) -> CapacityTariff:
    """Return what the demand is held against and costs, W and money a year and kW."""
    target, price = data.get(CONF_TARGET_PEAK), data.get(CONF_PEAK_PRICE)
    minimum = float(data.get(CONF_PEAK_MINIMUM, DEFAULT_PEAK_MINIMUM))
    return CapacityTariff(
        target=None if target is None else float(target) * 1000,
        price=None if price is None else float(price),
        minimum=minimum * 1000,
        rule=MinimumRule(data.get(CONF_PEAK_MINIMUM_RULE, MinimumRule.PER_MONTH)),
        hold=CapacityHold(data.get(CONF_PEAK_HOLD, CapacityHold.OFF)),
        shave=bool(data.get(CONF_PEAK_SHAVE, True)),
    )


def share_config(data: Mapping[str, Any]) -> ShareConfig | None:
    """Return to whom a P1 port is served again, None for nobody."""
    if not data.get(CONF_SHARE):
        return None
    return ShareConfig(
        port=int(data.get(CONF_SHARE_PORT, DEFAULT_SHARE_PORT)),
        allowed=tuple(data.get(CONF_SHARE_ALLOWED, ())),
    )
