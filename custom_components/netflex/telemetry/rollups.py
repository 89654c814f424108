"""Summing readings up: means of gauges, what counters counted, gaps.

Pure functions over readings in order of time.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise

from .values import Bucket, Gap, Reading

MAXIMUM_GAP = 900
"""s between two counter readings over which a straight line is believed."""
GAP_FACTOR = 2.5
"""Times the expected period after which readings are missing."""


def gauge_buckets(
    readings: Sequence[Reading], starts: Sequence[int], ends: Sequence[int]
) -> Iterator[Bucket]:
    """Yield the mean, minimum and maximum of each bucket that has readings."""
    times = [reading.at for reading in readings]
    for start, end in zip(starts, ends, strict=True):
        inside = readings[bisect_left(times, start) : bisect_left(times, end)]
        if not inside:
            continue
        values = [reading.value for reading in inside]
        yield Bucket(
            start=start,
            count=len(values),
            mean=sum(values) / len(values),
            minimum=min(values),
            maximum=max(values),
        )


def counter_buckets(
    readings: Sequence[Reading], starts: Sequence[int], ends: Sequence[int]
) -> Iterator[Bucket]:
    """Yield what a counter counted in each bucket.

    The counter at an edge lies on the line between its two neighbours, unless they are
    further apart than `MAXIMUM_GAP` or the counter fell between them (another meter, a
    reset): then the bucket has what was counted from its first or to its last reading.
    The readings may, and should, reach one beyond either side.
    """
    times = [reading.at for reading in readings]
    for start, end in zip(starts, ends, strict=True):
        low, high = bisect_left(times, start), bisect_right(times, end)
        inside = list(readings[low:high])
        count = bisect_left(times, end) - low
        at_start = _at_edge(readings, times, start)
        at_end = _at_edge(readings, times, end)
        if at_start is not None and (not inside or inside[0].at != start):
            inside.insert(0, at_start)
        if at_end is not None and inside and inside[-1].at != end:
            inside.append(at_end)
        if len(inside) < 2:
            continue
        counted = sum(
            later.value - earlier.value
            for earlier, later in pairwise(inside)
            if later.value >= earlier.value and later.at - earlier.at <= MAXIMUM_GAP
        )
        yield Bucket(start=start, count=count, delta=counted)


def _at_edge(
    readings: Sequence[Reading], times: Sequence[int], edge: int
) -> Reading | None:
    """Return the counter at an edge between two readings that belong together."""
    after = bisect_left(times, edge)
    if after < len(times) and times[after] == edge:
        return readings[after]
    if not 0 < after < len(times):
        return None
    earlier, later = readings[after - 1], readings[after]
    if later.at - earlier.at > MAXIMUM_GAP or later.value < earlier.value:
        return None
    share = (edge - earlier.at) / (later.at - earlier.at)
    return Reading(edge, earlier.value + share * (later.value - earlier.value))


def edges(start: int, end: int, step: int) -> tuple[list[int], list[int]]:
    """Return starts and ends of the buckets of `step` s that cover [start, end)."""
    first = start - start % step
    starts = list(range(first, end, step))
    return starts, [item + step for item in starts]


def day_edges(start: int, end: int, zone: tzinfo) -> tuple[list[int], list[int]]:
    """Return starts and ends of the zone's own days that touch [start, end)."""
    day = datetime.fromtimestamp(start, zone).date()
    bounds = []
    while True:
        midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
        bounds.append(round(midnight.timestamp()))
        if bounds[-1] >= end:
            break
        day += timedelta(days=1)
    return bounds[:-1], bounds[1:]


def merge(
    buckets: Iterable[Bucket], starts: Sequence[int], ends: Sequence[int]
) -> Iterator[Bucket]:
    """Yield wider buckets made of narrower ones, weighted by their readings."""
    ordered = sorted(buckets, key=lambda item: item.start)
    times = [item.start for item in ordered]
    for start, end in zip(starts, ends, strict=True):
        inside = ordered[bisect_left(times, start) : bisect_left(times, end)]
        if not inside:
            continue
        means = [(item.mean, item.count) for item in inside if item.mean is not None]
        weight = sum(count for _, count in means)
        deltas = [item.delta for item in inside if item.delta is not None]
        lows = [item.minimum for item in inside if item.minimum is not None]
        highs = [item.maximum for item in inside if item.maximum is not None]
        yield Bucket(
            start=start,
            count=sum(item.count for item in inside),
            mean=sum(mean * count for mean, count in means) / weight
            if weight
            else None,
            minimum=min(lows, default=None),
            maximum=max(highs, default=None),
            delta=sum(deltas) if deltas else None,
        )


def gaps(times: Iterable[int], start: int, end: int, period: int) -> list[Gap]:
    """Return the times in [start, end) in which readings are missing.

    `period` is the s between readings when none is missing.
    """
    found = []
    longest = period * GAP_FACTOR
    before = start
    first = True
    for at in times:
        # A period begins with its reading; before the first one nothing is due yet.
        since = before if first else before + period
        if at - before > longest or (first and at - before >= period):
            found.append(Gap(start=since, end=at))
        before, first = at, False
    since = before if first else before + period
    if end - before > longest or (first and end > before):
        found.append(Gap(start=since, end=end))
    return found


def spans(times: Iterable[int], period: int) -> list[Gap]:
    """Return the times that readings in order of time cover, each for `period` s."""
    found: list[Gap] = []
    for at in times:
        if found and at <= found[-1].end:
            found[-1] = Gap(start=found[-1].start, end=at + period)
        else:
            found.append(Gap(start=at, end=at + period))
    return found


def between_neighbours(
    known: Sequence[Reading], given: Iterable[Reading]
) -> list[Reading]:
    """Return the readings of a counter that rise from what is known to what is known.

    Both in order of time. Where the counter fell between two known readings (another
    meter, a reset), nobody can tell which of the two one in between belongs to.
    """
    times = [item.at for item in known]
    found: list[Reading] = []
    for item in given:
        at = bisect_left(times, item.at)
        low = known[at - 1].value if at > 0 else None
        high = known[at].value if at < len(known) else None
        if found and (low is None or found[-1].at > times[at - 1]):
            low = found[-1].value
        if (low is None or item.value >= low) and (high is None or item.value <= high):
            found.append(item)
    return found
