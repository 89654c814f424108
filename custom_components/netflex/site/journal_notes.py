"""What the site writes into the journal: writes, proofs, limits and their effect."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from ..control import explain
from ..devices.device import Applied
from ..model.asset import Direction
from ..model.connection import ConnectionPoint
from ..model.orders import LocalStops
from ..model.plan import Plan, Setpoint
from ..model.snapshot import Override
from ..telecontrol.journal import Journal
from ..telecontrol.journal_format import RecordKind
from .view import MeterSwitch

FEASIBLE_AGAIN: Final = 60.0
"""s for which a limit has to be met before its infeasibility has ended."""

type Record = Callable[[RecordKind, Mapping[str, Any]], None]


def recorder(journal: Journal | None) -> Record:
    """Return what records into a journal, or nowhere without one."""
    if journal is None:
        return lambda _kind, _data: None
    return journal.record


class WriteNotes:
    """Records what one device was told and what it answered."""

    def __init__(self, device_id: str, name: str, record: Record) -> None:
        """Name the device."""
        self._subject = {"device": device_id, "name": name}
        self._record = record

    def written(self, setpoint: Setpoint, applied: Applied, tries: int) -> None:
        """Record a setpoint that was taken, with its read-back."""
        self._record(
            RecordKind.WRITE,
            {
                **self._subject,
                **_setpoint(setpoint),
                "confirmed": applied.confirmed,
                "readback": applied.readback,
                "tries": tries,
            },
        )

    def failed(self, setpoint: Setpoint, problem: str) -> None:
        """Record why a setpoint was not taken; it is tried again."""
        self._record(
            RecordKind.WRITE_FAILED,
            {**self._subject, **_setpoint(setpoint), "reason": problem},
        )


def _setpoint(setpoint: Setpoint) -> dict[str, Any]:
    return {
        "causes": [cause.text for cause in setpoint.causes],
        "emergency": setpoint.emergency,
        "phases": setpoint.phases,
        "quantity": setpoint.kind,
        "value": setpoint.value,
    }


def note_local_stops(record: Record, before: LocalStops, after: LocalStops) -> None:
    """Record local stops that were held or released."""
    for direction in Direction:
        old, new = before.holders(direction), after.holders(direction)
        for holder in sorted(old ^ new):
            record(
                RecordKind.LOCAL_STOP,
                {"direction": direction, "holder": holder, "value": holder in new},
            )


def note_override(record: Record, asset_id: str, override: Override | None) -> None:
    """Record what an asset does for a while in place of its mode, or that it ended."""
    record(
        RecordKind.OVERRIDE,
        {
            "device": asset_id,
            "value": None if override is None else explain.override(override).text,
        },
    )


def note_virtual_meter(
    record: Record, charger_id: str, status: str, why: str | None
) -> None:
    """Record that a charger has lost the meter that it is driven through, or has it."""
    record(
        RecordKind.VIRTUAL_METER,
        {"device": charger_id, "reason": why, "status": status},
    )


def note_proof(record: Record, direction: Direction, missing: tuple[str, ...]) -> None:
    """Record what has not confirmed a stop yet, or that all has."""
    record(
        RecordKind.STOP_PROOF,
        {"complete": not missing, "direction": direction, "missing": list(missing)},
    )


class SiteNotes:
    """Records what changes from one decision to the next."""

    def __init__(self, record: Record) -> None:
        """Start knowing nothing."""
        self._record = record
        self._infeasible: dict[str, float | None] = {}
        self._switch: MeterSwitch | None = None

    def meter(self, switch: MeterSwitch | None) -> None:
        """Record which meter the limits are held against, when that changes."""
        before, self._switch = self._switch, switch
        if switch == before:
            return
        data: dict[str, Any] = {"value": switch is not None}
        if switch is not None:
            data |= {
                "device": switch.used,
                "instead_of": switch.preferred,
                "reason": switch.reason,
            }
        elif before is not None:
            data |= {"device": before.preferred, "instead_of": before.used}
        self._record(RecordKind.METER, data)

    def contract(self, before: ConnectionPoint, after: ConnectionPoint) -> None:
        """Record a change of contract or fuse."""
        if before != after:
            self._record(
                RecordKind.CONTRACT,
                {"before": _connection(before), "after": _connection(after)},
            )

    def loop_lag(self, seconds: float) -> None:
        """Record that the loop of meters and devices was held up."""
        self._record(RecordKind.LOOP_HELD_UP, {"seconds": round(seconds, 3)})

    def plan(self, plan: Plan) -> None:
        """Record limits that cannot be met."""
        self._note_infeasible(plan)

    def _note_infeasible(self, plan: Plan) -> None:
        """Record a limit that cannot be met, when that begins and when it has ended.

        A limit at its edge is met and missed by turns: an end is recorded once it has
        lasted, with the s that it has, and what begins again before that is not new.
        """
        now = {
            item.limit.cause.key: {
                "limit": item.limit.cause.text,
                "missing": item.missing,
                "reason": item.problem,
                "unit": item.limit.quantity.unit,
            }
            for item in plan.infeasible
        }
        for key, data in now.items():
            if key not in self._infeasible:
                self._record(
                    RecordKind.INFEASIBLE, {"name": key, "value": True, **data}
                )
            self._infeasible[key] = None
        for key in self._infeasible.keys() - now.keys():
            since = self._infeasible[key]
            if since is None:
                self._infeasible[key] = plan.at
            elif (seconds := plan.at - since) >= FEASIBLE_AGAIN:
                del self._infeasible[key]
                self._record(
                    RecordKind.INFEASIBLE,
                    {"name": key, "value": False, "seconds": round(seconds, 1)},
                )


def _connection(connection: ConnectionPoint) -> dict[str, Any]:
    return {
        "contract_consumption": connection.contract_consumption,
        "contract_injection": connection.contract_injection,
        "grid_type": connection.grid_type,
        "main_fuse": connection.main_fuse,
    }
