"""The journal's view of compliance: what lasts is recorded, what flickers is not."""

from dataclasses import replace
from typing import Any

from custom_components.netflex.model.plan import (
    SITE,
    Cause,
    Compliance,
    ComplianceState,
    Escalation,
    Infeasible,
    Limit,
    Plan,
    Problem,
    Quantity,
    Source,
)
from custom_components.netflex.site.compliance_notes import STEADY, ComplianceNotes
from custom_components.netflex.site.journal_notes import FEASIBLE_AGAIN, SiteNotes

CAUSE = Cause(source=Source.GRID_OPERATOR, key="maxsetp", text="MAXSETP 25 %")
ORDER = Compliance(
    name="maxsetp",
    limit=Limit(
        scope=SITE,
        quantity=Quantity.IMPORT,
        value=5000.0,
        source=Source.GRID_OPERATOR,
        cause=CAUSE,
    ),
    ordered_at=None,
    state=ComplianceState.PENDING,
)


class Recorder:
    def __init__(self) -> None:
        self.notes = ComplianceNotes(lambda _kind, data: self.records.append(data))
        self.records: list[Any] = []
        self.now = 0.0

    def see(self, seconds: float = 1.0, **changes: Any) -> list[str]:
        """Show one plan for some time; return the states that were recorded."""
        before = len(self.records)
        end = self.now + seconds
        while self.now < end:
            self.now += 1.0
            item = replace(ORDER, **changes)
            self.notes.take(Plan(at=self.now, compliance=(item,)))
        return [str(record["state"]) for record in self.records[before:]]


def test_the_first_proof_is_recorded_at_once_and_a_wait_is_not() -> None:
    record = Recorder()
    assert record.see(30.0) == []
    assert record.see(state=ComplianceState.INSIDE, seconds=30.0) == ["inside"]
    assert record.records[0]["kept"] is True
    assert record.records[0]["limit"] == 5000.0


def test_what_flickers_is_not_recorded() -> None:
    record = Recorder()
    record.see(state=ComplianceState.INSIDE)
    for _ in range(20):
        assert record.see(state=ComplianceState.VIOLATED) == []
        assert record.see(state=ComplianceState.INFEASIBLE) == []
    assert record.see(STEADY + 2, state=ComplianceState.VIOLATED) == ["violated"]
    assert record.see(STEADY + 2, state=ComplianceState.INSIDE) == ["inside"]


def test_every_step_is_recorded_at_once_there_and_back() -> None:
    record = Recorder()
    record.see(state=ComplianceState.VIOLATED)
    assert record.see(state=ComplianceState.VIOLATED, level=Escalation.RETRY)
    assert record.records[-1]["level"] == "retry"
    assert record.see(
        state=ComplianceState.VIOLATED, level=Escalation.RELAY, outputs=("relay",)
    )
    assert record.records[-1]["outputs"] == ["relay"]
    assert record.see(state=ComplianceState.VIOLATED)
    assert record.records[-1]["level"] == "none"


def test_a_new_value_is_a_new_order() -> None:
    record = Recorder()
    record.see(5.0, state=ComplianceState.INSIDE)
    limit = replace(ORDER.limit, value=3000.0)
    assert record.see(5.0, limit=limit) == ["pending"]
    assert record.see(5.0, limit=limit, state=ComplianceState.INSIDE) == ["inside"]


def test_a_limit_that_is_missed_by_turns_is_recorded_once() -> None:
    records: list[Any] = []
    notes = SiteNotes(lambda _kind, data: records.append(dict(data)))
    missing = Infeasible(
        limit=ORDER.limit, missing=800.0, problem=Problem.UNCONTROLLABLE
    )
    for second in range(600):
        missed = (missing,) if second % 20 < 10 else ()
        notes.plan(Plan(at=float(second), infeasible=missed))
    assert [record["value"] for record in records] == [True]
    for second in range(600, 700):
        notes.plan(Plan(at=float(second)))
    assert [record["value"] for record in records] == [True, False]
    assert records[-1]["seconds"] == FEASIBLE_AGAIN
    notes.plan(Plan(at=700.0, infeasible=(missing,)))
    assert records[-1]["value"] is True
