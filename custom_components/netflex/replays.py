"""Runs the decision over a recording once more, beside what was recorded."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
import time
from typing import Any, Final

from .control.replay import Summary, replay
from .control.scenario import open_scenario
from .control.tuning import DEFAULT, Tuning
from .model.plan import Plan

_BREATH: Final = 0.001
"""s after every few decisions in which everything else may go on."""
_DECISIONS: Final = 5


@dataclass(slots=True)
class _Told:
    """What one asset was told, in both runs; sums of A, W or on."""

    count: int = 0
    recorded: float = 0.0
    changed: float = 0.0
    differs: int = 0


@dataclass(slots=True)
class Comparison:
    """A replay beside the recording itself."""

    recorded: Summary = field(default_factory=Summary)
    changed: Summary = field(default_factory=Summary)
    told: dict[str, _Told] = field(default_factory=dict)

    def add(self, before: Plan, after: Plan) -> None:
        """Count what both told at one moment."""
        for asset_id, setpoint in before.setpoints.items():
            other = after.setpoints.get(asset_id)
            if other is None or setpoint.value is None or other.value is None:
                continue
            told = self.told.setdefault(asset_id, _Told())
            told.count += 1
            told.recorded += setpoint.value
            told.changed += other.value
            told.differs += setpoint.value != other.value

    def to_response(self) -> dict[str, Any]:
        """Return it as an action answers."""
        return {
            "recorded": _figures(self.recorded),
            "changed": _figures(self.changed),
            "setpoints": {
                asset_id: {
                    "recorded": round(told.recorded / told.count, 2),
                    "changed": round(told.changed / told.count, 2),
                    "differs": round(told.differs / told.count, 4),
                }
                for asset_id, told in self.told.items()
            },
        }


def compare(path: Path, tuning: Tuning, places: Mapping[str, str]) -> Comparison:
    """Run a recording as it was and with changes. Blocking, with pauses for others.

    Raises ScenarioError where a place does not exist or a value does not fit.
    """
    result = Comparison()
    with ExitStack() as files:
        runs = []
        for times, changes in ((DEFAULT, None), (tuning, places)):
            file = files.enter_context(path.open(encoding="utf-8"))
            head, moments = open_scenario(file, changes)
            runs.append(replay(moments, repeat=head.repeat, tuning=times))
        for number, (before, after) in enumerate(zip(*runs, strict=True)):
            result.recorded.add(before)
            result.changed.add(after)
            result.add(before.plan, after.plan)
            if number % _DECISIONS == 0:
                time.sleep(_BREATH)
    return result


def _figures(summary: Summary) -> dict[str, Any]:
    return {
        "decisions": summary.decisions,
        "seconds": round(summary.seconds, 1),
        "bound": {text: round(lasted) for text, lasted in summary.causes.items()},
        "infeasible": {text: round(w, 1) for text, w in summary.infeasible.items()},
        "summary": list(summary.lines()),
    }
