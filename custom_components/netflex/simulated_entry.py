"""The stored form of a simulated site: what its forms would have stored.

One description serves the choice in the flow and the demonstration: a house with a P1
meter, a charging station, a solar inverter behind a contactor, and a battery.
"""

from collections.abc import Mapping
from typing import Any, Final

CONF_SIMULATION: Final = "simulation"
"""Key of an entry's data; its value has the ports of the wires and the length of a
day in s. Without it nothing is simulated."""
CONF_WIRES: Final = "wires"
CONF_DAY_LENGTH: Final = "day_length"
DAY_LENGTH: Final = 900.0
LOOPBACK: Final = "127.0.0.1"

MAIN_FUSE: Final = 40.0
"""A."""
CONTRACT_CONSUMPTION: Final = 20.0
"""kW."""
CONTRACT_INJECTION: Final = 10.0
"""kW."""
RATED_SOLAR: Final = 12_000.0
"""W."""
RATED_BATTERY: Final = 5_000.0
"""W."""

WIRES: Final = ("meter", "charger", "inverter", "battery", "relay")

_THREE_PHASES: Final[Mapping[str, Any]] = {"phases": 3, "lines": ["L1", "L2", "L3"]}
_BATTERY_REGISTERS: Final[dict[str, str | float]] = {
    "unit": 1,
    "soc_register": 0,
    "soc_scale": 0.1,
    "power_register": 2,
    "power_type": "s32",
    "setpoint_register": 100,
    "setpoint_type": "s32",
    "echo_register": 4,
    "mode_register": 102,
    "max_charge_register": 6,
    "max_discharge_register": 8,
    "limits_type": "s32",
    "silence": 60,
}
"""The register list of the simulated battery, as a user would enter it."""


def simulated_data(name: str, station_port: int) -> dict[str, Any]:
    """Return a simulated site's own data; the RTU comes from the same machine."""
    return {
        "name": name,
        "grid_type": "3N400",
        "main_fuse": MAIN_FUSE,
        "contract_consumption": CONTRACT_CONSUMPTION,
        "contract_injection": CONTRACT_INJECTION,
        "contract_unit": "kW",
        "cos_phi": 1.0,
        "telecontrol": True,
        "bind_address": LOOPBACK,
        "port": station_port,
        "common_address": 100,
        "allowed_clients": [LOOPBACK],
        "allow_any_client": False,
    }


def simulated_subentries(
    wires: Mapping[str, int], ids: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return the meter and the devices; both arguments by the name of the wire.

    `wires` are the ports, `ids` the subentries' ids.
    """
    described = {
        "meter": (
            "meter",
            "Grid meter",
            {
                "source": "p1",
                "port": f"socket://{LOOPBACK}:{wires['meter']}",
                "role": "connection_point",
            },
        ),
        "charger": (
            "charger",
            "Charger",
            {
                **_profile("alfen_ng9xx", wires["charger"], socket=1),
                **_THREE_PHASES,
                "max_current": 20.0,
                "min_current": 6.0,
                "safe_current": 6.0,
                "priority": 5,
            },
        ),
        "inverter": (
            "inverter",
            "Solar inverter",
            {
                **_profile("sunspec_inverter", wires["inverter"], unit=1),
                **_THREE_PHASES,
                "rated_power": RATED_SOLAR,
                "category": "solar",
            },
        ),
        "battery": (
            "battery",
            "Battery",
            {
                **_profile("generic_battery", wires["battery"], **_BATTERY_REGISTERS),
                **_THREE_PHASES,
                "rated_charge": RATED_BATTERY,
                "rated_discharge": RATED_BATTERY,
                "reserve": 10.0,
            },
        ),
        "relay": (
            "relay",
            "Solar contactor",
            {
                **_profile("moxa_iologik_e1214", wires["relay"], output=0, contact=0),
                "stops": ["production"],
                "energised_when_stopped": True,
                "assets": [ids["inverter"]],
            },
        ),
    }
    return [
        {
            "data": data,
            "subentry_id": ids[wire],
            "subentry_type": kind,
            "title": title,
            "unique_id": None,
        }
        for wire, (kind, title, data) in described.items()
    ]


def _profile(profile: str, port: int, **params: str | float) -> dict[str, Any]:
    return {
        "source": "profile",
        "profile": profile,
        "host": LOOPBACK,
        "port": port,
        "params": params,
    }
