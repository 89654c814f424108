"""The dashboard: which of our entities a visitor should see, in what order."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from .seed import (
    BATTERY_ID,
    BOILER_ID,
    BOILER_SWITCH,
    CHARGER_ID,
    ENTRY_ID,
    INVERTER_ID,
    METER_ID,
    RELAY_ID,
)

_SECTIONS = (
    (
        "Grid operator",
        "mdi:transmission-tower",
        (
            (ENTRY_ID, "operator_link"),
            (ENTRY_ID, "status"),
            (ENTRY_ID, "grid_order"),
            (ENTRY_ID, "stop_consumption_proof"),
            (ENTRY_ID, "stop_production_proof"),
            (ENTRY_ID, "order_maxsetp"),
            (ENTRY_ID, "order_minsetp"),
            (ENTRY_ID, "order_maxsetap"),
            (ENTRY_ID, "order_minsetap"),
        ),
    ),
    (
        "Connection point",
        "mdi:meter-electric",
        (
            (METER_ID, "power"),
            (ENTRY_ID, "import_limit"),
            (ENTRY_ID, "injection_limit"),
            (ENTRY_ID, "headroom_import"),
            (METER_ID, "line_current_l1"),
            (METER_ID, "line_current_l2"),
            (METER_ID, "line_current_l3"),
        ),
    ),
    (
        "Charger",
        "mdi:ev-station",
        (
            (CHARGER_ID, "power"),
            (CHARGER_ID, "setpoint"),
            (CHARGER_ID, "applied_limit"),
            (CHARGER_ID, "charger_state"),
            (CHARGER_ID, "user_limit"),
            (CHARGER_ID, "problem_reason"),
        ),
    ),
    (
        "Solar inverter",
        "mdi:solar-power",
        (
            (INVERTER_ID, "production"),
            (INVERTER_ID, "setpoint"),
            (INVERTER_ID, "applied_power_limit"),
        ),
    ),
    (
        "Solar contactor",
        "mdi:electric-switch",
        (
            (RELAY_ID, "energised"),
            (RELAY_ID, "setpoint"),
            (RELAY_ID, "problem_reason"),
        ),
    ),
    (
        "Battery",
        "mdi:home-battery",
        (
            (BATTERY_ID, "power"),
            (BATTERY_ID, "state_of_charge"),
            (BATTERY_ID, "setpoint"),
        ),
    ),
    (
        "Boiler",
        "mdi:water-boiler",
        (
            (BOILER_ID, "power"),
            (BOILER_ID, "setpoint"),
        ),
    ),
)
"""Title, icon and entities by the owner's id and the entity's key."""

_WITH_GRAPH = frozenset({(METER_ID, "power"), (CHARGER_ID, "power")})


def write_dashboard(path: Path, entities: Mapping[str, str]) -> list[str]:
    """Write the dashboard; return the unique ids that do not exist.

    `entities` are entity ids by unique id.
    """
    missing: list[str] = []
    sections: list[dict[str, Any]] = [
        {
            "type": "grid",
            "cards": [
                {"type": "heading", "heading": title, "icon": icon},
                *_tiles(members, entities, missing),
            ],
        }
        for title, icon, members in _SECTIONS
    ]
    sections[-1]["cards"].append({"type": "tile", "entity": BOILER_SWITCH})
    view = {
        "title": "Site",
        "type": "sections",
        "max_columns": 3,
        "sections": [*sections, _history(entities)],
    }
    document = {"title": "Demo site", "views": [view]}
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return missing


def _tiles(
    members: tuple[tuple[str, str], ...],
    entities: Mapping[str, str],
    missing: list[str],
) -> Iterator[dict[str, Any]]:
    for owner, key in members:
        unique_id = f"{owner}_{key}"
        if unique_id not in entities:
            missing.append(unique_id)
            continue
        tile: dict[str, Any] = {
            "type": "tile",
            "entity": entities[unique_id],
            "name": {"type": "entity"},
        }
        if (owner, key) in _WITH_GRAPH:
            tile["features"] = [{"type": "trend-graph", "hours_to_show": 1}]
        yield tile


def _history(entities: Mapping[str, str]) -> dict[str, Any]:
    """Return a graph of everything that flows."""
    powers = [
        entities[unique_id]
        for unique_id in (
            f"{METER_ID}_power",
            f"{INVERTER_ID}_production",
            f"{CHARGER_ID}_power",
            f"{BATTERY_ID}_power",
        )
        if unique_id in entities
    ]
    return {
        "type": "grid",
        "column_span": 3,
        "cards": [
            {
                "type": "heading",
                "heading": "The last minutes",
                "icon": "mdi:chart-line",
            },
            {
                "type": "history-graph",
                "hours_to_show": 0.2,
                "entities": powers,
                "grid_options": {"columns": "full"},
            },
        ],
    }
