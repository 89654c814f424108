"""What a rehearsal found: steps, measured traces and the outcome, and its JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
import math
from typing import Any, Final

from ..model.orders import OrderName
from .rehearsal_plant import RehearsalMode

FORMAT: Final = 1


class Outcome(StrEnum):
    """What a rehearsal as a whole has shown."""

    PASSED = "passed"
    FAILED = "failed"
    ENDED_EARLY = "ended_early"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What an order did at the meter or the assets, in W of its own direction.

    `before` was measured when the order was given, `after` at the end of the step (in
    shadow: predicted). `seconds` until it was kept. `exercised`: something had to
    change for it; a limit above what flowed anyway proves little.
    """

    what: str
    """What the order bounds, in words."""
    limit: float
    before: float | None
    after: float | None
    seconds: float | None
    exercised: bool
    predicted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: what was expected, what was seen, and how long it took.

    `passed` None: shown, not judged. `at` is when it was asked for, to be found in the
    operator's own log. `ms` from the request to the answer that counts.
    """

    chapter: str
    title: str
    expected: str
    seen: str
    passed: bool | None
    at: datetime
    ms: float | None = None
    effect: Effect | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One value of a trace: s since its begin, W in the order's own direction.

    `ordered` is the limit in force, None while there is none.
    """

    at: float
    value: float | None
    ordered: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What flowed while one order went through its values; `marks` are the orders."""

    name: OrderName
    what: str
    samples: tuple[Sample, ...]
    marks: tuple[tuple[float, str], ...]
    predicted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PointSeen:
    """One point of the table and what the first interrogation brought for it."""

    name: str
    direction: str
    type_id: int
    ioa: int
    unit: str
    value: str
    quality: str
    present: bool | None
    """None for the control direction: it is shown by its orders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalResult:
    """Everything that a rehearsal found. Times are aware UTC."""

    mode: RehearsalMode
    started: datetime
    ended: datetime
    steps: tuple[Step, ...]
    traces: tuple[Trace, ...] = ()
    points: tuple[PointSeen, ...] = ()
    ended_early: str | None = None
    """Why not all of the list was gone through, in a user's words."""
    left_out: tuple[str, ...] = ()
    """Chapters that were not begun."""

    @property
    def outcome(self) -> Outcome:
        """What the rehearsal has shown."""
        if self.ended_early is not None:
            return Outcome.ENDED_EARLY
        return Outcome.FAILED if self.count(False) else Outcome.PASSED

    def count(self, passed: bool | None) -> int:
        """Return how many steps were judged so."""
        return sum(step.passed is passed for step in self.steps)

    @property
    def chapters(self) -> dict[str, tuple[Step, ...]]:
        """The steps by chapter, in their order."""
        found: dict[str, list[Step]] = {}
        for step in self.steps:
            found.setdefault(step.chapter, []).append(step)
        return {name: tuple(steps) for name, steps in found.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalRange:
    """The journal's records of a rehearsal: sequence numbers and SHA-256 hashes."""

    first: int
    last: int
    hash_before: str
    head_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A rehearsal with what a reader needs to know where and how it was made.

    `facts` are sections of labels and values in words. `warnings` come first in the
    report.
    """

    site: str
    result: RehearsalResult
    facts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    journal: JournalRange | None = None


def to_json(evidence: Evidence) -> dict[str, Any]:
    """Return the evidence as JSON values."""
    result = evidence.result
    journal = evidence.journal
    return {
        "format": FORMAT,
        "kind": "netflex_rehearsal",
        "site": evidence.site,
        "mode": result.mode.value,
        "outcome": result.outcome.value,
        "started": result.started.isoformat(),
        "ended": result.ended.isoformat(),
        "passed": result.count(True),
        "failed": result.count(False),
        "not_judged": result.count(None),
        "ended_early": result.ended_early,
        "left_out": list(result.left_out),
        "warnings": list(evidence.warnings),
        "facts": {name: dict(section) for name, section in evidence.facts.items()},
        "journal": None
        if journal is None
        else {
            "first": journal.first,
            "last": journal.last,
            "hash_before": journal.hash_before,
            "head_hash": journal.head_hash,
        },
        "steps": [_step(step) for step in result.steps],
        "traces": [_trace(trace) for trace in result.traces],
        "points": [
            {
                "name": point.name,
                "direction": point.direction,
                "type_id": point.type_id,
                "ioa": point.ioa,
                "unit": point.unit,
                "value": point.value,
                "quality": point.quality,
                "present": point.present,
            }
            for point in result.points
        ],
    }


def _step(step: Step) -> dict[str, Any]:
    effect = step.effect
    return {
        "chapter": step.chapter,
        "title": step.title,
        "expected": step.expected,
        "seen": step.seen,
        "passed": step.passed,
        "at": step.at.isoformat(),
        "ms": _rounded(step.ms),
        "notes": list(step.notes),
        "effect": None
        if effect is None
        else {
            "what": effect.what,
            "limit_w": _rounded(effect.limit),
            "before_w": _rounded(effect.before),
            "after_w": _rounded(effect.after),
            "seconds": _rounded(effect.seconds),
            "exercised": effect.exercised,
            "predicted": effect.predicted,
        },
    }


def _trace(trace: Trace) -> dict[str, Any]:
    return {
        "order": trace.name.value,
        "what": trace.what,
        "predicted": trace.predicted,
        "marks": [[_rounded(at), text] for at, text in trace.marks],
        "samples": [
            [_rounded(one.at), _rounded(one.value), _rounded(one.ordered)]
            for one in trace.samples
        ],
    }


def _rounded(value: float | None) -> float | None:
    """Return a number as JSON can hold it."""
    if value is None or not math.isfinite(value):
        return None
    return round(value, 3)
