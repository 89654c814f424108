"""The annexe's devices as a user would have them: entities, points and a profile.

A charger, an inverter, a battery and a contactor that only Home Assistant's own
integrations know (registers as sensors and a switch, template numbers that write them),
a load over an exchange table,
and two meters: one over a profile, one made of sensors.
"""

from typing import Any, Final

CHARGER: Final = "number.controller_charger"
INVERTER: Final = "number.controller_inverter"
BATTERY: Final = "number.controller_battery"
CONTACTOR: Final = "switch.controller_contactor"
METER_POWER: Final = "sensor.annexe_meter_power"
SOLAR_METER_POWER: Final = "sensor.annexe_solar_meter_power"

_LAST: Final = 9
"""Priority: after the house's own devices, also when all come back after a stop."""

_SENSORS: Final = (
    # name, address, input type, data type, unit, device class, scale
    ("charger limit", 0, "holding", "uint16", "A", "current", 1),
    ("inverter limit", 1, "holding", "uint16", "%", None, 1),
    ("battery target", 2, "holding", "int16", "W", "power", 1),
    ("charger power", 0, "input", "int16", "W", "power", 1),
    ("inverter power", 1, "input", "int16", "W", "power", 1),
    ("battery power", 2, "input", "int16", "W", "power", 1),
    ("battery charge", 3, "input", "uint16", "%", "battery", 1),
    ("inverter current", 4, "input", "uint16", "A", "current", 0.01),
    ("inverter voltage", 5, "input", "uint16", "V", "voltage", 0.1),
)
_NUMBERS: Final = (
    # name, sensor that reads it back, address, least, most, unit
    ("charger", "charger_limit", 0, 0, 16, "A"),
    ("inverter", "inverter_limit", 1, 0, 100, "%"),
    ("battery", "battery_target", 2, -1500, 1500, "W"),
)


def annexe_configuration(port: int) -> str:
    """Return YAML that follows a list of Modbus hubs: one hub more, and numbers."""
    lines = [
        "  - name: annexe",
        "    type: tcp",
        "    host: 127.0.0.1",
        f"    port: {port}",
        "    timeout: 2",
        "    switches:",
        "      - name: Controller contactor",
        "        unique_id: controller_contactor",
        "        slave: 1",
        "        address: 0",
        "        write_type: coil",
        "        scan_interval: 1",
        "        verify:",
        "          input_type: coil",
        "    sensors:",
    ]
    for name, address, space, kind, unit, device_class, scale in _SENSORS:
        lines += [
            f"      - name: Controller {name}",
            f"        unique_id: controller_{name.replace(' ', '_')}",
            "        slave: 1",
            f"        address: {address}",
            f"        input_type: {space}",
            f"        data_type: {kind}",
            f"        unit_of_measurement: '{unit}'",
            f"        scale: {scale}",
            f"        precision: {2 if scale < 1 else 0}",
            "        state_class: measurement",
            "        scan_interval: 1",
        ]
        if device_class is not None:
            lines.append(f"        device_class: {device_class}")
    lines += ["template:", "  - number:"]
    for name, sensor, address, least, most, unit in _NUMBERS:
        source = f"sensor.controller_{sensor}"
        lines += [
            f"      - name: Controller {name}",
            f"        unique_id: controller_{name}_number",
            f"        state: \"{{{{ states('{source}') }}}}\"",
            f"        availability: \"{{{{ has_value('{source}') }}}}\"",
            f"        min: {least}",
            f"        max: {most}",
            "        step: 1",
            f"        unit_of_measurement: '{unit}'",
            "        set_value:",
            "          - action: modbus.write_register",
            "            data:",
            "              hub: annexe",
            "              slave: 1",
            f"              address: {address}",
            '              value: "{{ value | int % 65536 }}"',
        ]
    return "\n".join(lines) + "\n"


def annexe_subentries(port: int) -> list[dict[str, Any]]:
    """Return what the forms would have stored for the annexe's devices."""
    wire = {"host": "127.0.0.1", "port": port}
    one_phase = {"phases": 1, "lines": ["L1"]}
    described: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
        (
            "CHARGER",
            "charger",
            "Annexe charger",
            {
                "source": "entity",
                "control_entity": CHARGER,
                "power_entity": "sensor.controller_charger_power",
                **one_phase,
                "max_current": 10.0,
                "min_current": 6.0,
                "safe_current": 6.0,
                "priority": _LAST,
            },
        ),
        (
            "INVERTER",
            "inverter",
            "Annexe inverter",
            {
                "source": "entity",
                "control_entity": INVERTER,
                "power_entity": "sensor.controller_inverter_power",
                **one_phase,
                "rated_power": 2_000.0,
                "category": "solar",
                "priority": _LAST,
            },
        ),
        (
            "BATTERY",
            "battery",
            "Annexe battery",
            {
                "source": "entity",
                "control_entity": BATTERY,
                "power_entity": "sensor.controller_battery_power",
                "soc_entity": "sensor.controller_battery_charge",
                "phases": 3,
                "lines": ["L1", "L2", "L3"],
                "rated_charge": 1_500.0,
                "rated_discharge": 1_500.0,
                "reserve": 10.0,
                "priority": _LAST,
            },
        ),
        (
            "RELAY",
            "relay",
            "Annexe contactor",
            {
                "source": "entity",
                "control_entity": CONTACTOR,
                "stops": ["production"],
                "energised_when_stopped": False,
                "assets": [_id("INVERTER")],
            },
        ),
        (
            "LOAD",
            "load",
            "Cold store",
            {
                "source": "table",
                **wire,
                "points": [
                    "request; write; 0",
                    "accepted; read; 1",
                    "cause; read; 2",
                    "heartbeat; write; 3",
                    "power; read; 4; u16; 1; W",
                ],
                "params": {"unit": 2, "deadline": 5.0, "heartbeat": 1.0},
                "rated_power": 600.0,
                "priority": _LAST - 1,
                "never_shed": False,
                "phases": 1,
                "lines": ["L3"],
            },
        ),
        (
            "METER",
            "meter",
            "Annexe meter",
            {
                "source": "profile",
                "profile": "acuvim_ii",
                **wire,
                "params": {"unit": 3},
                "role": "submeter",
            },
        ),
        (
            "SOLARMETER",
            "meter",
            "Annexe solar meter",
            {
                "source": "entity",
                "power_entity": "sensor.controller_inverter_power",
                "current_l1_entity": "sensor.controller_inverter_current",
                "voltage_l1_entity": "sensor.controller_inverter_voltage",
                "role": "production",
            },
        ),
    )
    return [
        {
            "data": data,
            "subentry_id": _id(name),
            "subentry_type": kind,
            "title": title,
            "unique_id": None,
        }
        for name, kind, title, data in described
    ]


def _id(name: str) -> str:
    return f"01JNETFLEXANNEXE{name}".ljust(26, "0")


COLD_STORE_ID: Final = _id("LOAD")
