"""Replay: the decision run over a scenario, and what came of it in words.

The flows are those of the scenario: what other setpoints would have done to them is not
simulated.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Any

from ..model.demand import QUARTER
from ..model.phrase import Phrase
from ..model.plan import Compliance, ComplianceState, Plan, Setpoint, SetpointKind
from ..model.snapshot import Clock, SiteModel, Snapshot
from .decide import decide
from .explain import current, power
from .memory import EMPTY
from .scenario import Moment
from .tuning import DEFAULT, Tuning

_LONGEST = 60.0
"""s between two moments that a power is taken to have lasted for."""


class ChangeError(ValueError):
    """A change of a replay that cannot be made, in words."""


def changes_of(given: Mapping[str, str]) -> tuple[Tuning, dict[str, str]]:
    """Return the decision's times and the places of the site that are changed.

    Times go by the name of their field in `Tuning`, everything else is a place in the
    site (`connection.main_fuse`, `assets.car.maximum_current`); values are as JSON.
    Raises ChangeError where a time is no number.
    """
    names = {item.name for item in fields(Tuning)}
    times: dict[str, Any] = {}
    places: dict[str, str] = {}
    for place, value in given.items():
        name = place.removeprefix("site.").removeprefix("tuning.")
        if name not in names:
            places[name] = value
            continue
        try:
            times[name] = float(value)
        except ValueError as err:
            raise ChangeError(
                Phrase(
                    "point_problem",
                    "{place}: {problem}",
                    place=place,
                    problem=Phrase(
                        "is_no_number", "{value} is no number", value=repr(value)
                    ),
                )
            ) from err
    return replace(DEFAULT, **times), places


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One decision of a replay."""

    line: int
    """Of the scenario."""
    site: SiteModel
    snapshot: Snapshot
    clock: Clock
    plan: Plan


def replay(
    moments: Iterable[Moment], *, repeat: float | None = None, tuning: Tuning = DEFAULT
) -> Iterator[Step]:
    """Yield the decision of every moment, and every `repeat` s in between.

    In between the last line's readings and answers count as if they had come anew.
    """
    memory, last = EMPTY, None
    for given in moments:
        moment = given if repeat is None else _renewed(given)
        between = (
            () if last is None or repeat is None else _between(last, moment, repeat)
        )
        for each in (*between, moment):
            plan, memory = decide(each.site, each.snapshot, memory, each.clock, tuning)
            yield Step(
                line=each.line,
                site=each.site,
                snapshot=each.snapshot,
                clock=each.clock,
                plan=plan,
            )
        last = moment


def _between(last: Moment, following: Moment, repeat: float) -> Iterator[Moment]:
    begin, end = last.clock.monotonic, following.clock.monotonic
    count = 1
    while (at := begin + count * repeat) < end - 1e-9:
        yield _later(last, at)
        count += 1


def _later(moment: Moment, at: float) -> Moment:
    """Return a moment as if everything had been said again at another time."""
    clock = moment.clock
    utc = clock.utc + timedelta(seconds=at - clock.monotonic)
    return _renewed(replace(moment, clock=replace(clock, monotonic=at, utc=utc)))


def _renewed(moment: Moment) -> Moment:
    """Return a moment in which all readings and answers are of now."""
    snapshot, at = moment.snapshot, moment.clock.monotonic
    reading = snapshot.reading
    return replace(
        moment,
        snapshot=replace(
            snapshot,
            reading=None if reading is None else replace(reading, received=at),
            feeder_readings={
                feeder: replace(item, received=at)
                for feeder, item in snapshot.feeder_readings.items()
            },
            states={
                asset_id: state if state.at is None else replace(state, at=at)
                for asset_id, state in snapshot.states.items()
            },
        ),
    )


# ------------------------------------------------------------------------------- words


def describe(setpoint: Setpoint, before: Setpoint | None, name: str) -> str:
    """Return one setpoint with what bound it, as one line."""
    told = _value(setpoint)
    if before is not None and before.value != setpoint.value:
        told = f"{_value(before)} -> {told}"
    why = "; ".join(cause.text for cause in setpoint.causes) or "nothing bounds it"
    return f"{name}: {told}: {why}"


def _value(setpoint: Setpoint) -> str:
    value = setpoint.value
    if value is None:
        return "no limit"
    if setpoint.kind is SetpointKind.SWITCH:
        return "on" if value else "off"
    if setpoint.kind is SetpointKind.CURRENT:
        phases = "" if setpoint.phases is None else f" on {setpoint.phases} phase(s)"
        return f"{current(value)}{phases}" if value else "paused"
    return power(value)


def changes(step: Step, before: Plan | None) -> Iterator[str]:
    """Yield a line for every setpoint that has another value or another cause."""
    names = {key: asset.name for key, asset in step.site.assets.items()}
    names |= {output.asset_id: output.name for output in step.site.outputs}
    known = {} if before is None else before.setpoints
    for asset_id, setpoint in sorted(step.plan.setpoints.items()):
        old = known.get(asset_id)
        same = old is not None and (
            old.value == setpoint.value
            and old.phases == setpoint.phases
            and [cause.key for cause in old.causes]
            == [cause.key for cause in setpoint.causes]
        )
        if not same:
            yield describe(setpoint, old, names.get(asset_id, asset_id))
    now = {item.limit.cause.key: item for item in step.plan.infeasible}
    gone = set() if before is None else {i.limit.cause.key for i in before.infeasible}
    for key, item in now.items():
        if key not in gone:
            unit = "A" if item.limit.quantity == "current" else "W"
            yield f"INFEASIBLE by {item.missing:.0f} {unit}: {item.limit.cause.text}"
    states = {} if before is None else {c.name: c.state for c in before.compliance}
    for found in step.plan.compliance:
        if states.get(found.name) is not found.state:
            yield f"{found.name}: {found.state.value} ({found.limit.cause.text})"


@dataclass(slots=True)
class Summary:
    """What a replay adds up to: decisions, energy, peaks, violations."""

    decisions: int = 0
    seconds: float = 0.0
    imported: float = 0.0
    """Wh at the connection point."""
    exported: float = 0.0
    highest: float | None = None
    """W, of single readings."""
    lowest: float | None = None
    quarters: dict[datetime, float] = field(default_factory=dict)
    """W by the beginning of each quarter hour, on the meter's clock where it has one."""
    energy: dict[str, float] = field(default_factory=dict)
    """Wh by asset id, consumption positive."""
    worst: dict[str, Compliance] = field(default_factory=dict)
    infeasible: dict[str, float] = field(default_factory=dict)
    """The most in W or A by the limit's text."""
    causes: dict[str, float] = field(default_factory=dict)
    """s by cause that bound a setpoint."""
    _last: Step | None = None

    def add(self, step: Step) -> None:
        """Count one more decision; its powers last until the next one."""
        self.decisions += 1
        if (last := self._last) is not None:
            passed = step.clock.monotonic - last.clock.monotonic
            self.seconds += passed
            self._lasted(last, min(passed, _LONGEST))
        self._last = step
        for item in step.plan.compliance:
            self.worst[item.name] = item
        for missing in step.plan.infeasible:
            text = missing.limit.cause.text
            self.infeasible[text] = max(self.infeasible.get(text, 0.0), missing.missing)

    def _lasted(self, step: Step, seconds: float) -> None:
        reading = step.snapshot.reading
        if reading is not None and reading.power is not None and step.plan.metered:
            value = reading.power
            self.highest = value if self.highest is None else max(self.highest, value)
            self.lowest = value if self.lowest is None else min(self.lowest, value)
            self.imported += max(0.0, value) * seconds / 3600
            self.exported += max(0.0, -value) * seconds / 3600
            at = step.clock.meter or step.clock.utc
            start = at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0)
            mean = max(0.0, value) * seconds / QUARTER
            self.quarters[start] = self.quarters.get(start, 0.0) + mean
        for asset_id, state in step.snapshot.states.items():
            if state.power is not None:
                so_far = self.energy.get(asset_id, 0.0)
                self.energy[asset_id] = so_far + state.power * seconds / 3600
        bound = {c.text for s in step.plan.setpoints.values() for c in s.causes}
        for text in bound:
            self.causes[text] = self.causes.get(text, 0.0) + seconds

    def lines(self) -> Iterator[str]:
        """Yield the summary in words."""
        yield f"decisions: {self.decisions} in {timedelta(seconds=round(self.seconds))}"
        if self.highest is not None and self.lowest is not None:
            yield (
                f"connection point: {power(self.lowest)} to {power(self.highest)}, "
                f"{self.imported / 1000:.2f} kWh in, {self.exported / 1000:.2f} kWh out"
            )
        if self.quarters:
            start, peak = max(self.quarters.items(), key=lambda item: item[1])
            yield f"highest quarter hour: {power(peak)} from {start:%Y-%m-%d %H:%M}"
        for asset_id, energy in sorted(self.energy.items()):
            yield f"{asset_id}: {energy / 1000:.2f} kWh"
        for item in self.worst.values():
            reached = "never" if item.seconds is None else f"in {item.seconds:.0f} s"
            kept = "" if item.state is ComplianceState.INSIDE else f" ({item.state})"
            yield (
                f"{item.name}: reached {reached}{kept}, {item.violations} violations, "
                f"{item.violation_seconds:.0f} s, {item.worst:.0f} W at most"
            )
        for text, missing in self.infeasible.items():
            yield f"infeasible by {missing:.0f} at most: {text}"
        ranked = sorted(self.causes.items(), key=lambda item: -item[1])
        for text, seconds in ranked[:10]:
            yield f"bound for {timedelta(seconds=round(seconds))}: {text}"
