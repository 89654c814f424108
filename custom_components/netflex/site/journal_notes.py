"""What the site writes into the journal: writes, proofs, limits and their effect."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from ..devices.device import Applied
from ..model.asset import Asset, AssetState, Direction
from ..model.connection import ConnectionPoint
from ..model.orders import LocalStops
from ..model.plan import Limit, Plan, Quantity, ScopeKind, Setpoint, Source
from ..model.reading import MeterReading
from ..telecontrol.journal import Journal
from ..telecontrol.journal_format import RecordKind, timestamp

TOLERANCE: Final = 0.02
"""Of a limit: what counts as kept."""
TOLERANCE_FLOOR: Final = 100.0
"""W that count as kept in any case: meters and inverters are not exact."""

type _LimitKey = tuple[Quantity, ScopeKind, float, datetime | None]
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
        self._infeasible: dict[str, dict[str, Any]] = {}
        self._kept: dict[_LimitKey, bool] = {}

    def contract(self, before: ConnectionPoint, after: ConnectionPoint) -> None:
        """Record a change of contract or fuse."""
        if before != after:
            self._record(
                RecordKind.CONTRACT,
                {"before": _connection(before), "after": _connection(after)},
            )

    def plan(
        self,
        plan: Plan,
        reading: MeterReading | None,
        assets: Mapping[str, Asset],
        states: Mapping[str, AssetState],
    ) -> None:
        """Record limits that cannot be met, and whether orders are complied with."""
        self._note_infeasible(plan)
        kept: dict[_LimitKey, bool] = {}
        for limit in plan.limits:
            if limit.source is not Source.GRID_OPERATOR:
                continue
            measured = _measured(limit, plan.metered, reading, assets, states)
            if measured is None:
                continue
            key = (limit.quantity, limit.scope.kind, limit.value, limit.since)
            kept[key] = _keeps(measured, limit.value)
            if self._kept.get(key) is not kept[key]:
                self._record(RecordKind.COMPLIANCE, _compliance(limit, measured))
        self._kept = kept

    def _note_infeasible(self, plan: Plan) -> None:
        """Record a limit that cannot be met, when that begins and when it ends."""
        now = {
            item.limit.cause.key: {
                "limit": item.limit.cause.text,
                "missing": item.missing,
                "reason": item.problem,
                "unit": "A" if item.limit.quantity is Quantity.CURRENT else "W",
            }
            for item in plan.infeasible
        }
        for key, data in now.items():
            if key not in self._infeasible:
                self._record(
                    RecordKind.INFEASIBLE, {"name": key, "value": True, **data}
                )
        for key in self._infeasible.keys() - now.keys():
            self._record(RecordKind.INFEASIBLE, {"name": key, "value": False})
        self._infeasible = now


def _connection(connection: ConnectionPoint) -> dict[str, Any]:
    return {
        "contract_consumption": connection.contract_consumption,
        "contract_injection": connection.contract_injection,
        "grid_type": connection.grid_type,
        "main_fuse": connection.main_fuse,
    }


def _keeps(measured: float, limit: float) -> bool:
    return measured <= limit + max(TOLERANCE * limit, TOLERANCE_FLOOR)


def _compliance(limit: Limit, measured: float) -> dict[str, Any]:
    return {
        "kept": _keeps(measured, limit.value),
        "limit": limit.value,
        "measured": round(measured, 1),
        "name": limit.cause.key,
        "scope": limit.scope.kind,
        "since": None if limit.since is None else timestamp(limit.since),
        "text": limit.cause.text,
    }


def _measured(
    limit: Limit,
    metered: bool,
    reading: MeterReading | None,
    assets: Mapping[str, Asset],
    states: Mapping[str, AssetState],
) -> float | None:
    """Return what a limit bounds, in W in its own direction; None: nobody knows."""
    if limit.scope.kind is ScopeKind.SITE:
        power = reading.power if metered and reading is not None else None
        if power is None or limit.quantity not in (Quantity.IMPORT, Quantity.INJECTION):
            return None
        return power if limit.quantity is Quantity.IMPORT else -power
    if limit.scope.kind is not ScopeKind.ASSETS:
        return None
    sign = 1.0 if limit.quantity is Quantity.CONSUMPTION else -1.0
    total = 0.0
    for asset in assets.values():
        concerned = asset.consumes if sign > 0 else asset.produces
        state = states.get(asset.id)
        power = None if state is None else state.power
        if not concerned:
            continue
        if power is None:
            return None
        total += max(0.0, sign * power)
    return total
