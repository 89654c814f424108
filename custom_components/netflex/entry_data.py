"""The stored form of a site: the keys of config entry and subentry data.

The forms write this format; `entry_site`, `entry_device` and `entry_asset` say what it
means, and nothing else knows its keys. Powers in W and currents in A, except the
contract, which is kept in the unit that the user's contract names.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

CONF_GRID_TYPE: Final = "grid_type"
CONF_MAIN_FUSE: Final = "main_fuse"
CONF_CONTRACT_CONSUMPTION: Final = "contract_consumption"
CONF_CONTRACT_INJECTION: Final = "contract_injection"
CONF_CONTRACT_UNIT: Final = "contract_unit"
CONF_COS_PHI: Final = "cos_phi"
CONF_TELECONTROL: Final = "telecontrol"
CONF_BIND_ADDRESS: Final = "bind_address"
CONF_COMMON_ADDRESS: Final = "common_address"
CONF_ALLOWED_CLIENTS: Final = "allowed_clients"
CONF_ALLOW_ANY_CLIENT: Final = "allow_any_client"

CONF_SOURCE: Final = "source"
CONF_PROFILE: Final = "profile"
CONF_PARAMS: Final = "params"
CONF_TRANSPORT: Final = "transport"
CONF_CONNECTION: Final = "connection"
CONF_BAUDRATE: Final = "baudrate"
CONF_ROLE: Final = "role"
CONF_PHASES: Final = "phases"
CONF_LINES: Final = "lines"
CONF_PRIORITY: Final = "priority"
CONF_NEVER_SHED: Final = "never_shed"
CONF_MINIMUM_ON: Final = "minimum_on"
CONF_MINIMUM_OFF: Final = "minimum_off"
CONF_REMOTE_LOST_AFTER: Final = "remote_lost_after"
CONF_COMFORT_LOW: Final = "comfort_low"
CONF_COMFORT_HIGH: Final = "comfort_high"
CONF_MAX_CURRENT: Final = "max_current"
CONF_MIN_CURRENT: Final = "min_current"
CONF_SAFE_CURRENT: Final = "safe_current"
CONF_SWITCHES_PHASES: Final = "switches_phases"
CONF_OFF_WHEN_LIMITED: Final = "off_when_limited"
CONF_RATED_POWER: Final = "rated_power"
CONF_RATED_CHARGE: Final = "rated_charge"
CONF_RATED_DISCHARGE: Final = "rated_discharge"
CONF_RESERVE: Final = "reserve"
CONF_CEILING: Final = "ceiling"
CONF_CAPACITY: Final = "capacity"
CONF_EFFICIENCY: Final = "charge_efficiency"
CONF_DEAD_BAND: Final = "dead_band"
CONF_RAMP: Final = "ramp"
CONF_LOW_CHARGE: Final = "low_charge"
CONF_HOT: Final = "hot"
CONF_CATEGORY: Final = "category"
CONF_STOPS: Final = "stops"
CONF_ENERGISED_WHEN_STOPPED: Final = "energised_when_stopped"
CONF_ASSETS: Final = "assets"
CONF_CONTROL_ENTITY: Final = "control_entity"
CONF_PROCESS: Final = "process"
CONF_WIRING: Final = "wiring"
"""What a load is for, and how it is wired: for people only."""
CONF_POINTS: Final = "points"

DEFAULT_PORT: Final = 2404
DEFAULT_COMMON_ADDRESS: Final = 100
DEFAULT_MODBUS_PORT: Final = 502
DEFAULT_MINIMUM_CURRENT: Final = 6.0

CONF_SECOND_CONTACT: Final = "second_contact_entity"
"""Of a heat pump with two SG-ready contacts."""

MEASURING_ENTITIES: Final[Mapping[str, str]] = {
    "power_entity": "power",
    "current_l1_entity": "current_l1",
    "current_l2_entity": "current_l2",
    "current_l3_entity": "current_l3",
    "energy_entity": "energy",
    "state_entity": "state",
    "soc_entity": "soc",
    "temperature_entity": "temperature",
    "local_on_entity": "local_on",
    "enable_entity": "enable",
    CONF_SECOND_CONTACT: "second_contact",
    "contact_entity": "contact",
}
"""Keys of the entities that are only read (and `enable`), with their roles."""

ENTITY_KEYS: Final = (CONF_CONTROL_ENTITY, *MEASURING_ENTITIES)
"""Every key of a subentry that holds a reference to an entity."""


class ContractUnit(StrEnum):
    """What the figures of a contract are in."""

    KW = "kW"
    KVA = "kVA"


class SubentryType(StrEnum):
    """Kinds of subentries: meters and assets of the site."""

    METER = "meter"
    CHARGER = "charger"
    INVERTER = "inverter"
    BATTERY = "battery"
    LOAD = "load"
    RELAY = "relay"
    VIRTUAL_METER = "virtual_meter"
    FEEDER = "feeder"
    BATTERY_MODE = "battery_mode"
    """One mode of the programme of one or more batteries."""
    DISPATCH_SOURCE = "dispatch_source"


class DeviceSource(StrEnum):
    """Through what a subentry's device is reached."""

    P1 = "p1"
    S1 = "s1"
    DLMS = "dlms"
    """A meter that pushes at its consumer interface."""
    PROFILE = "profile"
    ENTITY = "entity"
    TABLE = "table"
    """A controller of the user's own, over a list of points."""
    METERED = "metered"
    """It balances itself and is driven through the virtual meter that it reads."""


USER_PORTS: Final = (DeviceSource.P1, DeviceSource.S1, DeviceSource.DLMS)
"""Sources that are a port of the smart meter itself."""

ASSET_TYPES: Final = (
    SubentryType.CHARGER,
    SubentryType.INVERTER,
    SubentryType.BATTERY,
    SubentryType.LOAD,
)
"""Subentries that are assets of the decision, in the order of the forms."""
