"""From what somebody else recorded to readings of minutes.

A recorder notes what changes: a value holds until the next one, as long as anything of
the same house was noted meanwhile. Where nothing was, the recorder was down, and nobody
knows. Pure functions; times are Unix s.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from .values import Reading

SILENCE: Final = 90.0
"""s without any note after which the recorder is taken to be down."""
_MINUTE: Final = 60
_LEAST: Final = 30.0
"""s of a minute that must be known for it to have a mean."""


@dataclass(frozen=True, slots=True)
class Note:
    """From `at` on it was `value`; None: nobody knows."""

    at: float
    value: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Awake:
    """When a recorder recorded: from each moment to the other."""

    starts: Sequence[float]
    ends: Sequence[float]

    def parts(self, start: float, end: float) -> Iterable[tuple[float, float]]:
        """Yield the parts of [start, end) in which it did."""
        first = max(0, bisect_right(self.starts, start) - 1)
        for since, until in zip(self.starts[first:], self.ends[first:], strict=True):
            if since >= end:
                break
            if until > start:
                yield max(since, start), min(until, end)

    def at(self, moment: float) -> bool:
        """Whether it recorded at a moment."""
        found = bisect_right(self.starts, moment) - 1
        return found >= 0 and moment < self.ends[found]


def awake(times: Iterable[float]) -> Awake:
    """Return when a recorder recorded, from the times of all its notes."""
    starts: list[float] = []
    ends: list[float] = []
    for at in sorted(times):
        if ends and at <= ends[-1]:
            ends[-1] = at + SILENCE
        else:
            starts.append(at)
            ends.append(at + SILENCE)
    return Awake(starts=starts, ends=ends)


def minute_means(
    notes: Sequence[Note], recorded: Awake, minutes: Iterable[int]
) -> dict[int, float]:
    """Return the mean, weighted by time, of each minute that is known well enough.

    `notes` are in order of time; `minutes` are their first seconds.
    """
    wanted = set(minutes)
    sums: dict[int, tuple[float, float]] = {}
    last = max(wanted, default=0) + _MINUTE
    for note, later in pairwise([*notes, Note(last, None)]):
        if note.value is None:
            continue
        for since, until in recorded.parts(note.at, later.at):
            minute = int(since) - int(since) % _MINUTE
            while minute < until:
                if minute in wanted:
                    seconds = min(until, minute + _MINUTE) - max(since, minute)
                    held, known = sums.get(minute, (0.0, 0.0))
                    sums[minute] = held + note.value * seconds, known + seconds
                minute += _MINUTE
    return {
        minute: held / known
        for minute, (held, known) in sums.items()
        if known >= _LEAST
    }


def minute_ends(
    notes: Sequence[Note], recorded: Awake, minutes: Iterable[int]
) -> dict[int, float]:
    """Return what a counter stood at in the last second of each minute it is known."""
    times = [note.at for note in notes]
    found = {}
    for minute in minutes:
        at = minute + _MINUTE - 1
        index = bisect_right(times, at) - 1
        if index < 0 or not recorded.at(at):
            continue
        if (value := notes[index].value) is not None:
            found[minute] = value
    return found


def summed(
    parts: Sequence[tuple[float, Mapping[int, float]]], *, least: float | None = None
) -> dict[int, float]:
    """Return the sum of parts, each with its factor, of the minutes that all know.

    A sum is never below `least`.
    """
    if not parts:
        return {}
    minutes = set(parts[0][1]).intersection(*(values for _, values in parts))
    found = {}
    for minute in minutes:
        value = sum(factor * values[minute] for factor, values in parts)
        found[minute] = value if least is None else max(least, value)
    return found


def readings_of(values: Mapping[int, float], *, counter: bool) -> list[Reading]:
    """Return readings in order: of a gauge at the start of its minute, else its end."""
    late = _MINUTE - 1 if counter else 0
    return [Reading(minute + late, values[minute]) for minute in sorted(values)]
