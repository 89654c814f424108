"""A complete site as the forms store it, for the tests of the face."""

from types import MappingProxyType
from typing import Any

from homeassistant.config_entries import ConfigSubentry, ConfigSubentryData
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.netflex.const import DOMAIN

SITE_DATA: dict[str, Any] = {
    "name": "Bakery",
    "grid_type": "3N400",
    "main_fuse": 63.0,
    "contract_consumption": 40.0,
    "contract_injection": 25.0,
    "contract_unit": "kVA",
    "cos_phi": 0.9,
    "telecontrol": True,
    "bind_address": "127.0.0.1",
    "port": 2404,
    "common_address": 100,
    "allowed_clients": ["192.0.2.10"],
    "allow_any_client": False,
}

P1_METER: dict[str, Any] = {
    "source": "p1",
    "port": "socket://127.0.0.1:8088",
    "role": "connection_point",
}
MODBUS_METER: dict[str, Any] = {
    "source": "profile",
    "profile": "acuvim_ii",
    "host": "192.0.2.20",
    "port": 502,
    "params": {"unit": 1, "ct_primary": 400, "ct_secondary": 5},
    "role": "submeter",
}
CHARGER: dict[str, Any] = {
    "source": "profile",
    "profile": "alfen_ng9xx",
    "host": "192.0.2.30",
    "port": 502,
    "params": {"socket": 1},
    "phases": 3,
    "lines": ["L1", "L2", "L3"],
    "max_current": 32.0,
    "min_current": 6.0,
    "safe_current": 8.0,
    "priority": 1,
}
ENTITY_CHARGER: dict[str, Any] = {
    "source": "entity",
    "control_entity": "number.wallbox_limit",
    "power_entity": "sensor.wallbox_power",
    "phases": 1,
    "lines": ["L2"],
    "max_current": 16.0,
    "min_current": 6.0,
    "safe_current": 0.0,
    "priority": 2,
}
INVERTER: dict[str, Any] = {
    "source": "profile",
    "profile": "sunspec_inverter",
    "host": "192.0.2.40",
    "port": 502,
    "params": {"unit": 1},
    "rated_power": 20000.0,
    "category": "solar",
    "phases": 3,
    "lines": ["L1", "L2", "L3"],
}
BATTERY: dict[str, Any] = {
    "source": "profile",
    "profile": "generic_battery",
    "host": "192.0.2.50",
    "port": 502,
    "params": {"unit": 1},
    "rated_charge": 10000.0,
    "rated_discharge": 9000.0,
    "reserve": 15.0,
    "phases": 3,
    "lines": ["L1", "L2", "L3"],
}
LOAD: dict[str, Any] = {
    "source": "entity",
    "control_entity": "switch.oven",
    "rated_power": 6000.0,
    "priority": 5,
    "never_shed": False,
    "phases": 3,
    "lines": ["L1", "L2", "L3"],
}


def relay(*assets: str) -> dict[str, Any]:
    """Return a relay's data that interrupts the named assets."""
    return {
        "source": "profile",
        "profile": "moxa_iologik_e1214",
        "host": "192.0.2.60",
        "port": 502,
        "params": {"output": 0},
        "stops": ["production"],
        "energised_when_stopped": True,
        "assets": list(assets),
    }


ALL_SUBENTRIES: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("meter", "01METER0000000000000000000", "P1 port", P1_METER),
    ("meter", "01SUBMETER0000000000000000", "Hall meter", MODBUS_METER),
    ("charger", "01CHARGER00000000000000000", "Charger", CHARGER),
    ("charger", "01WALLBOX00000000000000000", "Wallbox", ENTITY_CHARGER),
    ("inverter", "01INVERTER0000000000000000", "Roof", INVERTER),
    ("battery", "01BATTERY00000000000000000", "Battery", BATTERY),
    ("load", "01LOAD00000000000000000000", "Oven", LOAD),
    (
        "relay",
        "01RELAY0000000000000000000",
        "Emergency relay",
        relay("01INVERTER0000000000000000"),
    ),
)
(
    METER_ID,
    SUBMETER_ID,
    CHARGER_ID,
    WALLBOX_ID,
    INVERTER_ID,
    BATTERY_ID,
    LOAD_ID,
    RELAY_ID,
) = (item[1] for item in ALL_SUBENTRIES)


def subentry(
    kind: str, subentry_id: str, title: str, data: dict[str, Any]
) -> ConfigSubentry:
    """Return a subentry as Home Assistant keeps it."""
    return ConfigSubentry(
        data=MappingProxyType(data),
        subentry_id=subentry_id,
        subentry_type=kind,
        title=title,
        unique_id=None,
    )


def site_entry(
    *,
    data: dict[str, Any] | None = None,
    complete: bool = True,
    meters: bool = False,
) -> MockConfigEntry:
    """Return a site's entry, with one subentry of every kind when complete.

    An incomplete one has none at all, or its P1 meter alone.
    """
    shown = ALL_SUBENTRIES if complete else ALL_SUBENTRIES[: int(meters)]
    return MockConfigEntry(
        domain=DOMAIN,
        title="Bakery",
        entry_id="01SITE00000000000000000000",
        version=1,
        minor_version=1,
        data={**SITE_DATA, **(data or {})},
        subentries_data=[
            ConfigSubentryData(
                data=item,
                subentry_id=subentry_id,
                subentry_type=kind,
                title=title,
                unique_id=None,
            )
            for kind, subentry_id, title, item in shown
        ],
    )
