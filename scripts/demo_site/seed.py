"""Writes a configuration folder: one user, no onboarding, the site set up.

Home Assistant must not run meanwhile. Whoever comes from this machine is logged in
without a form; the token is for the demonstration's own requests.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
import json
from pathlib import Path
import secrets
from typing import Any
import uuid

import jwt

from custom_components.netflex.simulated_entry import (
    simulated_data,
    simulated_subentries,
)

from .annexe import COLD_STORE_ID, annexe_configuration, annexe_subentries
from .home import REST, home_options
from .programme import CONFIGURATION, MARKET, mode_subentries

ENTRY_ID = "01JNETFLEXDEMO000000000001"
SITE_NAME = "Demo site"
BOILER_SWITCH = "switch.boiler_relay"
BOILER_POWER = "sensor.boiler_relay_power"

METER_ID = "01JNETFLEXDEMOMETER0000001"
CHARGER_ID = "01JNETFLEXDEMOCHARGER00001"
INVERTER_ID = "01JNETFLEXDEM0INVERTER0001"
BATTERY_ID = "01JNETFLEXDEMOBATTERY00001"
BOILER_ID = "01JNETFLEXDEMOBOILER000001"
RELAY_ID = "01JNETFLEXDEMORELAY0000001"

_CONFIGURATION = """\
homeassistant:
  auth_providers:
    - type: trusted_networks
      trusted_networks: ["127.0.0.1", "::1"]
      allow_bypass_login: true
logger:
  default: warning
  logs:
    custom_components.netflex: info
    homeassistant.bootstrap: info
frontend:
history:
logbook:
recorder:
  commit_interval: 5
system_health:
# The water heater's switch and meter: an ordinary device of an ordinary integration.
modbus:
  - name: boiler_relay
    type: tcp
    host: 127.0.0.1
    port: {boiler}
    timeout: 2
    switches:
      - name: Boiler relay
        unique_id: boiler_relay
        slave: 1
        address: 0
        write_type: coil
        scan_interval: 5
        verify:
          input_type: coil
    sensors:
      - name: Boiler relay power
        unique_id: boiler_relay_power
        slave: 1
        address: 0
        input_type: input
        unit_of_measurement: W
        device_class: power
        state_class: measurement
        scan_interval: 1
"""


_DASHBOARD = """\
lovelace:
  dashboards:
    demo-site:
      mode: yaml
      filename: dashboard.yaml
      title: Demo site
      icon: mdi:transmission-tower
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where everything listens: Home Assistant, the station, the devices by wire.

    `manager` and `broker` are those of a flexible house; None: there is none.
    """

    http: int
    iec104: int
    wires: Mapping[str, int]
    manager: int | None = None
    broker: int | None = None


def seed(folder: Path, ports: Ports, *, site: bool = True) -> str:
    """Write the folder anew; return a long-lived access token.

    Without `site` nothing of ours is set up yet: what a new user begins with.
    """
    store = folder / ".storage"
    store.mkdir(parents=True)
    (folder / "configuration.yaml").write_text(
        _CONFIGURATION.format(boiler=ports.wires["boiler"])
        + annexe_configuration(ports.wires["annexe"])
        + (_DASHBOARD if site else "")
        + CONFIGURATION
    )
    (folder / "dashboard.yaml").write_text("strategy:\n  type: custom:netflex\n")
    now = datetime.now(UTC)
    token_id, key = uuid.uuid4().hex, secrets.token_hex(64)
    for name, version, minor, data in (
        ("auth", 1, 1, _auth(token_id, key, now)),
        (
            "onboarding",
            4,
            1,
            {"done": ["user", "core_config", "analytics", "integration"]},
        ),
        ("core.config", 1, 4, _CORE),
        ("http", 2, 2, _http(ports.http, now)),
        (
            "core.config_entries",
            1,
            5,
            {"entries": [_entry(ports, now)] if site else []},
        ),
    ):
        document = {
            "version": version,
            "minor_version": minor,
            "key": name,
            "data": data,
        }
        (store / name).write_text(json.dumps(document, indent=2))
    claims = {"iss": token_id, "iat": now, "exp": now + timedelta(days=3650)}
    return jwt.encode(claims, key, algorithm="HS256")


def _auth(token_id: str, key: str, now: datetime) -> dict[str, Any]:
    user = uuid.uuid4().hex
    return {
        "users": [
            {
                "id": user,
                "group_ids": ["system-admin"],
                "is_owner": True,
                "is_active": True,
                "name": "Demo",
                "system_generated": False,
                "local_only": False,
            }
        ],
        "groups": [
            {"id": "system-admin", "name": "Administrators"},
            {"id": "system-users", "name": "Users"},
            {"id": "system-read-only", "name": "Read Only"},
        ],
        "credentials": [],
        "refresh_tokens": [
            {
                "id": token_id,
                "user_id": user,
                "client_id": None,
                "client_name": "Demo",
                "client_icon": None,
                "token_type": "long_lived_access_token",
                "created_at": now.isoformat(),
                "access_token_expiration": 315360000.0,
                "token": secrets.token_hex(64),
                "jwt_key": key,
                "last_used_at": None,
                "last_used_ip": None,
                "expire_at": None,
                "credential_id": None,
                "version": None,
            }
        ],
    }


_CORE = {
    "latitude": 50.85,
    "longitude": 4.35,
    "elevation": 20,
    "unit_system_v2": "metric",
    "location_name": SITE_NAME,
    "time_zone": "Europe/Brussels",
    "external_url": None,
    "internal_url": None,
    "currency": "EUR",
    "country": "BE",
    "language": "en",
    "radius": 100,
}


def _http(port: int, now: datetime) -> dict[str, Any]:
    return {
        "stable": {
            "server_port": port,
            "server_host": ["127.0.0.1"],
            "cors_allowed_origins": [],
            "login_attempts_threshold": -1,
            "ip_ban_enabled": True,
            "ssl_profile": "modern",
            "use_x_frame_options": True,
            "created_at": now.isoformat(),
            "error": None,
            "error_message": None,
        },
        "pending": None,
        "yaml_migration_done": True,
    }


def _entry(ports: Ports, now: datetime) -> dict[str, Any]:
    options: dict[str, Any] = {"version": 1, "market": MARKET}
    if ports.manager is not None:
        flexible = [BOILER_ID, COLD_STORE_ID]
        options |= home_options(ports.broker, ports.manager, flexible, now)
    return {
        "created_at": now.isoformat(),
        "modified_at": now.isoformat(),
        "data": simulated_data(SITE_NAME, ports.iec104),
        "disabled_by": None,
        "discovery_keys": {},
        "domain": "netflex",
        "entry_id": ENTRY_ID,
        "minor_version": 1,
        "options": options,
        "pref_disable_new_entities": False,
        "pref_disable_polling": False,
        "source": "user",
        "subentries": _subentries(ports.wires, flexible=ports.manager is not None),
        "title": SITE_NAME,
        "unique_id": None,
        "version": 1,
    }


def _subentries(wires: Mapping[str, int], *, flexible: bool) -> list[dict[str, Any]]:
    ids = {
        "meter": METER_ID,
        "charger": CHARGER_ID,
        "inverter": INVERTER_ID,
        "battery": BATTERY_ID,
        "relay": RELAY_ID,
    }
    parts = [
        *map(_with_button, simulated_subentries(wires, ids)),
        _BOILER,
        *annexe_subentries(wires["annexe"]),
        *mode_subentries(BATTERY_ID),
    ]
    if not flexible:
        return parts
    return [
        part | {"data": part["data"] | {"minimum_off": REST}}
        if part["subentry_type"] == "load"
        else part
        for part in parts
    ]


def _with_button(part: dict[str, Any]) -> dict[str, Any]:
    """Wire the stop button to the relay module, whose input it is."""
    if part["subentry_type"] != "relay":
        return part
    data = part["data"]
    data = data | {
        "params": data["params"] | {"stop_input": 1},
        "input_stops": ["consumption", "production"],
    }
    return part | {"data": data}


_BOILER: dict[str, Any] = {
    "data": {
        "source": "entity",
        "control_entity": BOILER_SWITCH,
        "power_entity": BOILER_POWER,
        "rated_power": 2_400.0,
        "priority": 1,
        "never_shed": False,
        "phases": 1,
        "lines": ["L2"],
    },
    "subentry_id": BOILER_ID,
    "subentry_type": "load",
    "title": "Boiler",
    "unique_id": None,
}
"""A device of another integration, which only the demonstration sets up."""
