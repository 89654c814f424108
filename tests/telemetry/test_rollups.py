"""Roll-ups against sums done by hand."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st
import pytest

from custom_components.netflex.telemetry.rollups import (
    counter_buckets,
    day_edges,
    edges,
    gaps,
    gauge_buckets,
    merge,
)
from custom_components.netflex.telemetry.values import Bucket, Gap, Reading

BRUSSELS = ZoneInfo("Europe/Brussels")


def counted(readings: list[tuple[int, float]], start: int, end: int, step: int):
    given = [Reading(at, value) for at, value in readings]
    return {
        item.start: item.delta
        for item in counter_buckets(given, *edges(start, end, step))
    }


def test_a_counter_is_interpolated_at_the_edges_and_loses_nothing() -> None:
    # 60 Wh a minute, read at 30 s past each minute.
    readings = [(30 + 60 * minute, 60.0 * minute) for minute in range(11)]
    found = counted(readings, 0, 600, 300)
    # From 0:30 (nothing before) to 5:00: 270 s of 1 Wh/s; then 300 s whole.
    assert found == {0: pytest.approx(270), 300: pytest.approx(300)}


def test_a_counter_that_starts_again_counts_nothing_backwards() -> None:
    readings = [(0, 100.0), (60, 160.0), (120, 5.0), (180, 65.0)]
    assert counted(readings, 0, 300, 300) == {0: pytest.approx(120)}


def test_nothing_is_believed_over_a_long_gap() -> None:
    readings = [(0, 0.0), (60, 60.0), (4000, 9000.0), (4060, 9060.0)]
    found = counted(readings, 0, 4200, 300)
    assert found == {0: pytest.approx(60), 3900: pytest.approx(60)}


def test_one_reading_of_a_counter_is_not_a_delta() -> None:
    assert counted([(100, 5.0)], 0, 300, 300) == {}


@given(
    st.lists(st.integers(1, 600), min_size=2, max_size=60),
    st.lists(st.floats(0, 500), min_size=2, max_size=60),
)
def test_deltas_of_all_buckets_are_what_was_counted(
    steps: list[int], counts: list[float]
) -> None:
    at, value, readings = 0, 0.0, []
    for step, count in zip(steps, counts, strict=False):
        at, value = at + step, value + count
        readings.append((at, value))
    first, last = readings[0], readings[-1]
    found = counted(readings, first[0], last[0] + 1, 300)
    assert sum(found.values()) == pytest.approx(last[1] - first[1], abs=1e-6)


def test_a_gauge_has_mean_and_extremes_of_what_there_is() -> None:
    readings = [Reading(0, 1.0), Reading(60, 3.0), Reading(300, 5.0)]
    found = list(gauge_buckets(readings, *edges(0, 900, 300)))
    assert found == [
        Bucket(start=0, count=2, mean=2.0, minimum=1.0, maximum=3.0),
        Bucket(start=300, count=1, mean=5.0, minimum=5.0, maximum=5.0),
    ]


@pytest.mark.parametrize(
    ("day", "hours"), [((2026, 3, 29), 23), ((2026, 10, 25), 25), ((2026, 7, 1), 24)]
)
def test_days_are_the_zones_own(day: tuple[int, int, int], hours: int) -> None:
    noon = int(datetime(*day, 12, tzinfo=BRUSSELS).timestamp())
    starts, ends = day_edges(noon, noon + 1, BRUSSELS)
    assert len(starts) == 1
    assert ends[0] - starts[0] == hours * 3600
    assert datetime.fromtimestamp(starts[0], BRUSSELS).hour == 0


def test_merged_buckets_weigh_by_their_readings() -> None:
    narrow = [
        Bucket(start=0, count=1, mean=10.0, minimum=10.0, maximum=10.0),
        Bucket(start=300, count=3, mean=2.0, minimum=1.0, maximum=4.0),
        Bucket(start=3600, count=2, delta=7.0),
    ]
    assert list(merge(narrow, *edges(0, 7200, 3600))) == [
        Bucket(start=0, count=4, mean=4.0, minimum=1.0, maximum=10.0),
        Bucket(start=3600, count=2, delta=7.0),
    ]


def test_gaps_are_named_with_their_bounds() -> None:
    times = [0, 60, 120, 600, 660]
    assert gaps(times, 0, 720, 60) == [Gap(start=180, end=600)]
    assert gaps(times, -300, 720, 60)[0] == Gap(start=-300, end=0)
    assert gaps(times, 0, 1000, 60)[-1] == Gap(start=720, end=1000)
    assert gaps([], 0, 600, 60) == [Gap(start=0, end=600)]
    assert gaps([], 0, 0, 60) == []
    assert Gap(start=180, end=600).seconds == 420


def test_one_late_reading_is_no_gap() -> None:
    assert gaps([0, 60, 190, 240], 0, 300, 60) == []


def test_days_over_an_empty_span_are_none() -> None:
    at = int(datetime(2026, 5, 1, tzinfo=UTC).timestamp())
    assert day_edges(at, at - 1, UTC) == ([], [])
