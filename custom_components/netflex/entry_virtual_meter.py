"""The stored form of a virtual meter: which charger reads it, and how that is set."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import CONF_PORT

from .devices.virtual_meter import VirtualMeterConfig
from .model.connection import GridType, Line

CONF_CHARGER: Final = "charger"
CONF_INSTALLATION_CURRENT: Final = "installation_current"
CONF_CHARGER_SAFE_CURRENT: Final = "charger_safe_current"
CONF_METER_CLIENTS: Final = "allowed_clients"
CONF_METER_ADDRESS: Final = "bind_address"
CONF_FOLD: Final = "fold"
CONF_UNIT: Final = "unit"
CONF_ORDER: Final = "order"
CONF_STALE_AFTER: Final = "stale_after"
CONF_RAMP: Final = "ramp"

DEFAULT_METER_PORT: Final = 502
DEFAULT_METER_UNIT: Final = 5
DEFAULT_STALE_AFTER: Final = 10.0
DEFAULT_RAMP: Final = 0.5

ORDERS: Final[Mapping[str, tuple[Line, Line, Line]]] = {
    "l1_l2_l3": (Line.L1, Line.L2, Line.L3),
    "l2_l3_l1": (Line.L2, Line.L3, Line.L1),
    "l3_l1_l2": (Line.L3, Line.L1, Line.L2),
    "l1_l3_l2": (Line.L1, Line.L3, Line.L2),
    "l2_l1_l3": (Line.L2, Line.L1, Line.L3),
    "l3_l2_l1": (Line.L3, Line.L2, Line.L1),
}
"""Lines of the site in the order in which the charger is shown them."""
DEFAULT_ORDER: Final = "l1_l2_l3"


def virtual_meters(
    subentries: Iterable[ConfigSubentry], grid_type: GridType
) -> dict[str, VirtualMeterConfig]:
    """Return the virtual meters by the id of the charger that reads them."""
    return {
        str(item.data[CONF_CHARGER]): virtual_meter_config(item, grid_type)
        for item in subentries
    }


def virtual_meter_config(
    subentry: ConfigSubentry, grid_type: GridType
) -> VirtualMeterConfig:
    """Return a virtual meter from its subentry."""
    data: Mapping[str, Any] = subentry.data
    return VirtualMeterConfig(
        meter_id=subentry.subentry_id,
        name=subentry.title,
        allowed=tuple(data[CONF_METER_CLIENTS]),
        installation_current=float(data[CONF_INSTALLATION_CURRENT]),
        safe_current=float(data[CONF_CHARGER_SAFE_CURRENT]),
        grid_type=grid_type,
        host=data[CONF_METER_ADDRESS],
        port=int(data[CONF_PORT]),
        unit=int(data[CONF_UNIT]),
        order=ORDERS[data.get(CONF_ORDER, DEFAULT_ORDER)],
        fold=bool(data[CONF_FOLD]),
        stale_after=float(data[CONF_STALE_AFTER]),
        ramp=float(data[CONF_RAMP]),
    )
