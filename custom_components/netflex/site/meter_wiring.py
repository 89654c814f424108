"""Whether a meter sees what the site's own devices do: its sign, ratio and lines.

A charger that begins to draw 7 kW moves the meter of the connection point by 7 kW. One
whose transformers look the other way moves it down, one with a wrong ratio too little or
too much, one with lines interchanged on another line. Only clear steps count, several of
them, and one that agrees takes back what was said.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

from ..model.asset import Asset, AssetState
from ..model.connection import NO_LINE_VALUES, GridType, Line, LineValues
from ..model.phrase import Phrase
from ..model.reading import MeterReading, line_import_current
from .meter_quality import PHASE_ORDER, Finding

SPAN: Final = 40.0
"""s that are looked at together: a level, the way to another, and that level."""
LEVEL: Final = 10.0
"""s at either end in which devices and meter must be steady."""
_APART: Final = 0.5
"""s between two samples at least: a meter may say more than is needed here."""
_SAMPLES: Final = 128
_STEP: Final = 1000.0
"""W that the devices must change by together."""
_STEADY: Final = 0.1
"""Share of the step by which the devices may move within a level."""
_QUIET: Final = 0.3
"""The same of the meter: the house goes on living."""
_OLD: Final = 15.0
"""s after which the last word of a device is none any more."""
_VOTES: Final = 3
"""Steps in a row that say the same."""
_AGREES: Final = (0.75, 1.3)
"""The meter's step in those of the devices."""
_UNMOVED: Final = 0.05
_RECENT: Final = 300.0
"""s by which a device may speak late: a step of the meter in them may be its own."""
_LATE: Final = 0.6
"""Share of the step that the meter must have stayed within then."""
_ALIKE: Final = 0.25
"""Share by which ratios may differ that show the same."""
_LINE_STEP: Final = 5.0
"""A on one line alone, the others below the next."""
_OTHER_LINES: Final = 1.0
_LINE_VOTES: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    at: float
    known: float
    """W of all devices that say their power."""
    power: float
    drawn: LineValues
    """A by line of the devices that only consume."""
    current: LineValues


class MeterWiring:
    """Compares one meter of the connection point with the devices behind it."""

    def __init__(self) -> None:
        """Have seen nothing yet."""
        self._samples: deque[_Sample] = deque(maxlen=_SAMPLES)
        self._powers: deque[tuple[float, float]] = deque(maxlen=round(_RECENT / _APART))
        self._sources: frozenset[str] = frozenset()
        self._ratios: deque[float] = deque(maxlen=_VOTES)
        self._step = 0.0
        self._seen: dict[Line, deque[Line]] = {}
        """On which line came what was drawn on this one alone."""
        self._ways: dict[Line, deque[float]] = {}
        """The step of a line in those of the devices on it."""

    def take(
        self,
        reading: MeterReading,
        assets: Mapping[str, Asset],
        states: Mapping[str, AssetState],
        now: float,
    ) -> None:
        """Look at one more reading, with what the devices say at monotonic `now`."""
        newest = self._powers[-1][0] if self._powers else -inf
        if reading.power is None or reading.received < newest + _APART:
            return
        self._powers.append((reading.received, reading.power))
        known = dict(_known(assets, states, now))
        if known.keys() != self._sources:
            # A device that comes or goes is a step of what is known, not of power.
            self._samples.clear()
            self._sources = frozenset(known)
        if not known:
            return
        by_line = reading.grid_type in {GridType.STAR, None}
        self._samples.append(
            _Sample(
                at=reading.received,
                known=sum(state.power or 0.0 for state in known.values()),
                power=reading.power,
                drawn=_drawn(assets, known.values()),
                current=line_import_current(reading) if by_line else NO_LINE_VALUES,
            )
        )
        self._judge()

    def _judge(self) -> None:
        """Compare the two ends of what was seen, once it is long enough."""
        samples = self._samples
        start, end = samples[0].at, samples[-1].at
        if end - start < SPAN:
            return
        before = [sample for sample in samples if sample.at <= start + LEVEL]
        after = [sample for sample in samples if sample.at >= end - LEVEL]
        while samples and samples[0].at <= end - SPAN:
            samples.popleft()
        if min(len(before), len(after)) < 2:
            return
        known = _rise([item.known for item in before], [item.known for item in after])
        meter = _rise([item.power for item in before], [item.power for item in after])
        step = abs(known.rise)
        if (
            step < _STEP
            or known.spread > _STEADY * step
            or meter.spread > _QUIET * step
        ):
            return
        if abs(meter.rise) > _UNMOVED * step or self._was_quiet(step):
            self._step = step
            self._ratios.append(meter.rise / known.rise)
        self._judge_lines(before, after)
        # One step is one vote.
        samples.clear()
        samples.extend(after)

    def _was_quiet(self, step: float) -> bool:
        """Whether the meter has not moved long before either.

        A device that speaks through a cloud may tell of a step that the meter has
        shown a minute ago.
        """
        since = self._powers[-1][0] - _RECENT
        recent = [power for at, power in self._powers if at >= since]
        watched = self._powers[0][0] <= since + LEVEL
        return watched and max(recent) - min(recent) < _LATE * step

    def _judge_lines(self, before: list[_Sample], after: list[_Sample]) -> None:
        """Look how each line of the meter follows what devices draw on it."""
        drawn = {
            line: _rise(
                [item.drawn[line] or 0.0 for item in before],
                [item.drawn[line] or 0.0 for item in after],
            )
            for line in Line
        }
        seen = {line: _seen(line, before, after) for line in Line}
        for line, known in drawn.items():
            meter = seen[line]
            step = abs(known.rise)
            if step >= _LINE_STEP and meter is not None and meter.follows(step):
                votes = self._ways.setdefault(line, deque(maxlen=_VOTES))
                votes.append(meter.rise / known.rise)
        moved = [line for line in Line if abs(drawn[line].rise) >= _OTHER_LINES]
        if len(moved) != 1 or (step := abs(drawn[moved[0]].rise)) < _LINE_STEP:
            return
        followed = [
            line
            for line, meter in seen.items()
            if meter is not None and meter.follows(step)
        ]
        if len(followed) == 1:
            lines = self._seen.setdefault(moved[0], deque(maxlen=_LINE_VOTES))
            lines.append(followed[0])

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What several steps in a row have shown."""
        found = []
        if (text := self._disagreement()) is not None:
            found.append(Finding(key="meter_disagrees", text=text))
        moved = [
            f"{line} → {votes[-1]}"
            for line, votes in sorted(self._seen.items())
            if line not in votes and votes.count(votes[-1]) == _LINE_VOTES
        ]
        if moved:
            text = Phrase(
                "lines_interchanged",
                "What devices draw comes on another line: {lines}",
                lines=", ".join(moved),
            )
            found.append(Finding(key=PHASE_ORDER, text=text))
        return tuple(found)

    def _disagreement(self) -> str | None:
        ratios = self._ratios
        if len(ratios) < _VOTES or any(_agrees(ratio) for ratio in ratios):
            return None
        step = f"{self._step:.0f} W"
        if all(abs(ratio) <= _UNMOVED for ratio in ratios):
            return Phrase(
                "meter_unmoved",
                "The devices changed by {step} and the meter did not move",
                step=step,
            )
        turned = [
            line.value
            for line, ways in sorted(self._ways.items())
            if len(ways) == _VOTES and all(_agrees(-way) for way in ways)
        ]
        mean = sum(ratios) / len(ratios)
        if turned and not _agrees(-mean):
            return Phrase(
                "lines_moved_away",
                "The devices changed by {step} and {lines} of the meter moved the "
                "other way",
                step=step,
                lines=", ".join(turned),
            )
        if max(ratios) - min(ratios) > _ALIKE * abs(mean):
            return None
        times = f"{abs(mean):.2g}"
        if mean > 0:
            return Phrase(
                "meter_moved_by",
                "The devices changed by {step}, the meter by {times} times as much",
                step=step,
                times=times,
            )
        if _agrees(-mean):
            return Phrase(
                "meter_moved_away",
                "The devices changed by {step} and the meter moved the other way",
                step=step,
            )
        return Phrase(
            "meter_moved_away_by",
            "The devices changed by {step} and the meter moved the other way, by "
            "{times} times as much",
            step=step,
            times=times,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rise:
    rise: float
    spread: float
    """The larger movement within one of the two levels."""

    def follows(self, step: float) -> bool:
        """Whether it is a clear step of about that size, up or down.

        A meter without power per line shows less current where injection goes down.
        """
        return abs(self.rise) >= 0.6 * step and self.spread <= _QUIET * step


def _rise(before: Sequence[float], after: Sequence[float]) -> _Rise:
    return _Rise(
        rise=sum(after) / len(after) - sum(before) / len(before),
        spread=max(max(before) - min(before), max(after) - min(after)),
    )


def _seen(
    line: Line, before: Iterable[_Sample], after: Iterable[_Sample]
) -> _Rise | None:
    """Return what a line of the meter does, None where it does not say."""
    first = [item.current[line] for item in before]
    last = [item.current[line] for item in after]
    if None in first or None in last:
        return None
    return _rise(
        [value for value in first if value is not None],
        [value for value in last if value is not None],
    )


def _known(
    assets: Mapping[str, Asset], states: Mapping[str, AssetState], now: float
) -> Iterator[tuple[str, AssetState]]:
    for key in assets:
        state = states.get(key)
        if state is None:
            continue
        fresh = state.at is not None and now - state.at <= _OLD
        if state.available and fresh and state.power is not None:
            yield key, state


def _drawn(assets: Mapping[str, Asset], states: Iterable[AssetState]) -> LineValues:
    """Sum the currents of devices that never produce: theirs have one direction."""
    sums: dict[Line, float] = {}
    for state in states:
        if assets[state.asset_id].produces:
            continue
        for line, current in state.currents.items():
            sums[line] = sums.get(line, 0.0) + current
    return LineValues.of(sums)


def _agrees(ratio: float) -> bool:
    return _AGREES[0] <= ratio <= _AGREES[1]
