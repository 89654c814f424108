"""Minutes out of what a recorder noted: held values, silences, sums."""

import pytest

from custom_components.netflex.telemetry.held import (
    SILENCE,
    Note,
    awake,
    minute_ends,
    minute_means,
    readings_of,
    summed,
)
from custom_components.netflex.telemetry.values import Reading

ALWAYS = awake(range(0, 3600, 30))


def test_a_value_holds_until_the_next_one_and_is_weighted_by_time() -> None:
    notes = [Note(0.0, 100.0), Note(45.0, 500.0), Note(60.0, 40.0)]
    means = minute_means(notes, ALWAYS, [0, 60, 120])
    assert means == {0: pytest.approx(200.0), 60: 40.0, 120: 40.0}


def test_only_the_minutes_that_are_asked_for_are_made() -> None:
    assert minute_means([Note(0.0, 1.0)], ALWAYS, [600]) == {600: 1.0}
    assert minute_means([Note(0.0, 1.0)], ALWAYS, []) == {}
    assert minute_means([], ALWAYS, [0]) == {}


def test_what_is_not_known_ends_a_value() -> None:
    notes = [Note(0.0, 100.0), Note(80.0, None), Note(215.0, 30.0)]
    # Of the second minute a third is known, of the fourth less than half.
    assert minute_means(notes, ALWAYS, [0, 60, 120, 180, 240]) == {0: 100.0, 240: 30.0}


def test_a_value_does_not_hold_while_the_recorder_was_down() -> None:
    recorded = awake([0.0, 60.0, 120.0, 1800.0, 1860.0])
    means = minute_means([Note(0.0, 7.0)], recorded, range(0, 1980, 60))
    assert list(means) == [0, 60, 120, 180, 1800, 1860, 1920]
    ends = minute_ends([Note(0.0, 7.0)], recorded, range(0, 1980, 60))
    assert list(ends) == [0, 60, 120, 1800, 1860]
    assert recorded.at(120 + SILENCE - 1)
    assert not recorded.at(120 + SILENCE)
    assert not recorded.at(-1.0)
    assert not awake([]).at(0.0)


def test_a_counter_is_what_it_stood_at_in_the_last_second() -> None:
    notes = [Note(10.0, 5.0), Note(59.5, 6.0), Note(130.0, None)]
    assert minute_ends(notes, ALWAYS, [-60, 0, 60, 120]) == {0: 5.0, 60: 6.0}


def test_a_sum_is_of_the_minutes_that_all_parts_know() -> None:
    parts = [(1.0, {0: 10.0, 60: 20.0}), (-2.0, {60: 30.0, 120: 1.0})]
    assert summed(parts) == {60: -40.0}
    assert summed(parts, least=0.0) == {60: 0.0}
    assert summed([]) == {}


def test_readings_have_the_second_of_their_kind() -> None:
    values = {60: 2.0, 0: 1.0}
    assert readings_of(values, counter=False) == [Reading(0, 1.0), Reading(60, 2.0)]
    assert readings_of(values, counter=True) == [Reading(59, 1.0), Reading(119, 2.0)]
