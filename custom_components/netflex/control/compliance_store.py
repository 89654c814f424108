"""What is kept of the grid operator's orders over a restart: figures and relays."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from math import nan
from typing import Any, Final

from ..model.plan import Escalation
from .compliance import Key, Record

_STORED_TIMES: Final = ("ordered_at", "inside_at")


def to_dict(records: Mapping[Key, Record]) -> list[dict[str, Any]]:
    """Return what is kept over a restart, ready for JSON."""
    stored = []
    for (name, scope), record in sorted(records.items(), key=str):
        kept: dict[str, Any] = {"name": name, "scope": scope}
        for item in fields(Record):
            if item.metadata.get("survives", False):
                value = getattr(record, item.name)
                is_time = item.name in _STORED_TIMES and value is not None
                kept[item.name] = value.isoformat() if is_time else value
        stored.append(kept)
    return stored


def from_dict(stored: list[dict[str, Any]]) -> dict[Key, Record]:
    """Return records that `judge` takes up again; raises ValueError if damaged."""
    result: dict[Key, Record] = {}
    for kept in stored:
        outputs = tuple(map(str, kept.get("outputs", ())))
        result[(str(kept["name"]), kept["scope"])] = Record(
            value=float(kept["value"]),
            begun=nan,
            seconds=None if kept["seconds"] is None else float(kept["seconds"]),
            violations=int(kept["violations"]),
            violation_seconds=float(kept["violation_seconds"]),
            worst=float(kept["worst"]),
            unmeasured=float(kept["unmeasured"]),
            resumed=bool(kept["resumed"]),
            ordered_at=_time(kept["ordered_at"]),
            inside_at=_time(kept["inside_at"]),
            outputs=outputs,
            level=Escalation.RELAY if outputs else Escalation.NONE,
        )
    return result


def _time(stored: str | None) -> datetime | None:
    return None if stored is None else datetime.fromisoformat(stored)
