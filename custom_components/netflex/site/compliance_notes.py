"""What the journal says of each order's compliance: proofs, violations, steps."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from ..model.plan import Compliance, ComplianceState, Escalation, Plan
from ..telecontrol.journal_format import RecordKind, timestamp

STEADY: Final = 3.0
"""s that a state must last before it is recorded; what it says is not delayed."""

type Record = Callable[[RecordKind, Mapping[str, Any]], None]
type _Key = tuple[str, str | None]
type _Noted = tuple[ComplianceState, Escalation, tuple[str, ...], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Last:
    """One order as it was recorded, and what it has been since when."""

    noted: _Noted | None
    present: _Noted
    since: float


class ComplianceNotes:
    """Records a state of an order once it has lasted, and each step at once."""

    def __init__(self, record: Record) -> None:
        """Start knowing nothing."""
        self._record = record
        self._orders: dict[_Key, _Last] = {}

    def take(self, plan: Plan) -> bool:
        """Follow one more plan; return whether something was recorded."""
        recorded = False
        orders: dict[_Key, _Last] = {}
        for item in plan.compliance:
            key = (item.name, item.limit.scope.id)
            present = (item.state, item.level, item.outputs, item.limit.value)
            last = self._orders.get(key)
            if last is None or last.present != present:
                last = _Last(
                    noted=None if last is None else last.noted,
                    present=present,
                    since=plan.at,
                )
            if _due(last, plan.at):
                self._record(RecordKind.COMPLIANCE, figures(item))
                last = replace(last, noted=present)
                recorded = True
            orders[key] = last
        self._orders = orders
        return recorded


def _due(last: _Last, now: float) -> bool:
    noted, present = last.noted, last.present
    if noted == present or (noted is None and present[0] is ComplianceState.PENDING):
        return False
    # A step that was taken or taken back happens once; states may flicker.
    acted = noted is not None and noted[1:3] != present[1:3]
    return acted or now - last.since >= STEADY or noted is None


def figures(item: Compliance) -> dict[str, Any]:
    """Return how one order is kept, as the journal and reports print it.

    Powers in W in the limit's own direction, times in s.
    """
    return {
        "inside_at": None if item.inside_at is None else timestamp(item.inside_at),
        "kept": item.state is ComplianceState.INSIDE,
        "level": item.level.name.lower(),
        "limit": item.limit.value,
        "measured": None if item.measured is None else round(item.measured, 1),
        "name": item.name,
        "outputs": list(item.outputs),
        "resumed": item.resumed,
        "scope": item.limit.scope.kind,
        "seconds": None if item.seconds is None else round(item.seconds, 1),
        "since": None if item.ordered_at is None else timestamp(item.ordered_at),
        "state": item.state,
        "text": item.limit.cause.text,
        "unmeasured_seconds": round(item.unmeasured_seconds, 1),
        "violation_seconds": round(item.violation_seconds, 1),
        "violations": item.violations,
        "worst": round(item.worst, 1),
    }
