"""A rehearsal on its way: who is asked, what was found so far, how patient it is."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
import time
from typing import Any

from ..model.orders import OrderName
from .rehearsal_client import RehearsalClient
from .rehearsal_plant import Observation, Plant, RehearsalMode
from .rehearsal_record import Effect, PointSeen, Sample, Step, Trace
from .settings import TelecontrolSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How patient a rehearsal is, in s.

    `comply` for a limit to be kept, `feedback` for an order's mirror, `decide` for
    the decision to know an order. After a limit is kept it is watched for `dwell` more.
    `recover` for the plant to flow again as before, so that the next limit means
    something. `hopeless` for a limit that cannot be kept, or that nobody measures.
    """

    poll: float = 0.2
    comply: float = 90.0
    feedback: float = 6.0
    decide: float = 5.0
    dwell: float = 3.0
    recover: float = 45.0
    hopeless: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a rehearsal has come: chapters done of all, and what it does now."""

    done: int
    total: int
    chapter: str
    step: str = ""
    failed: int = 0


type ProgressHook = Callable[[Progress], None]
type StepHook = Callable[[Mapping[str, Any]], None]


class Run:
    """What the chapters of a rehearsal work with."""

    def __init__(
        self,
        client: RehearsalClient,
        settings: TelecontrolSettings,
        mode: RehearsalMode,
        plant: Plant | None,
        *,
        pace: Pace,
        on_progress: ProgressHook,
        on_step: StepHook,
    ) -> None:
        """Begin with nothing found."""
        self.client = client
        self.settings = settings
        self.mode = mode
        self.plant = plant
        self.pace = pace
        self._on_progress = on_progress
        self._on_step = on_step
        self._progress = Progress(done=0, total=1, chapter="")
        self.steps: list[Step] = []
        self.traces: list[Trace] = []
        self.points: list[PointSeen] = []

    def utc(self) -> datetime:
        """Return the wall clock."""
        return datetime.now(UTC) if self.plant is None else self.plant.utc()

    def begin(self, done: int, total: int, chapter: str) -> None:
        """Begin a chapter."""
        self._progress = Progress(
            done=done, total=total, chapter=chapter, failed=self._progress.failed
        )
        self._on_progress(self._progress)

    def add(
        self,
        title: str,
        *,
        expected: str,
        seen: str,
        passed: bool | None,
        ms: float | None = None,
        effect: Effect | None = None,
        notes: tuple[str, ...] = (),
        at: datetime | None = None,
    ) -> None:
        """Note one step; `at` is when it began where that is not just now."""
        step = Step(
            chapter=self._progress.chapter,
            title=title,
            expected=expected,
            seen=seen,
            passed=passed,
            at=self.utc() if at is None else at,
            ms=ms,
            effect=effect,
            notes=notes,
        )
        self.steps.append(step)
        self._progress = Progress(
            done=self._progress.done,
            total=self._progress.total,
            chapter=step.chapter,
            step=title,
            failed=self._progress.failed + (passed is False),
        )
        self._on_step(
            {
                "chapter": step.chapter,
                "title": title,
                "expected": expected,
                "seen": seen,
                "passed": passed,
                "ms": None if ms is None else round(ms, 3),
            }
        )
        self._on_progress(self._progress)

    def require_link(self) -> None:
        """Raise ConnectionError once the rehearsal's connection is gone."""
        if not self.client.started:
            raise ConnectionError(self.client.close_reason or "the connection is gone")

    async def pause(self) -> None:
        """Wait until the site is to be looked at again."""
        await asyncio.sleep(self.pace.poll)
        self.require_link()


class Tracer:
    """Collects what flows while one order goes through its values."""

    def __init__(self, name: OrderName, what: str, *, predicted: bool) -> None:
        """Begin now."""
        self._name = name
        self._what = what
        self._predicted = predicted
        self._begun = time.monotonic()
        self._samples: list[Sample] = []
        self._marks: list[tuple[float, str]] = []
        self._measured_at: float | None = None

    def mark(self, text: str) -> None:
        """Note that an order is given now."""
        self._marks.append((time.monotonic() - self._begun, text))
        self._measured_at = None

    def sample(self, seen: Observation) -> None:
        """Take what is new of an observation."""
        bounded = seen.bounded.get(self._name)
        ordered = None if bounded is None else bounded.limit
        newest = self._samples[-1] if self._samples else None
        if (
            seen.measured_at == self._measured_at
            and newest is not None
            and newest.ordered == ordered
        ):
            return
        self._measured_at = seen.measured_at
        value = seen.flow(self._name)
        if self._predicted and bounded is not None:
            value = bounded.value
        self._samples.append(
            Sample(at=time.monotonic() - self._begun, value=value, ordered=ordered)
        )

    def trace(self) -> Trace:
        """Return everything that was collected."""
        return Trace(
            name=self._name,
            what=self._what,
            samples=tuple(self._samples),
            marks=tuple(self._marks),
            predicted=self._predicted,
        )
