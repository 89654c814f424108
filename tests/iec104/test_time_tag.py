"""CP56Time2a and its meaning."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st
import pytest

from custom_components.netflex.iec104 import TimeTag, TimeZoneMode, TimeZonePolicy

BRUSSELS = ZoneInfo("Europe/Brussels")
MOMENTS = st.datetimes(
    datetime(2000, 1, 2),
    datetime(2099, 12, 30),
).map(
    lambda moment: moment.replace(
        tzinfo=UTC, microsecond=moment.microsecond // 1000 * 1000
    )
)


def test_golden_octets():
    tag = TimeTag(
        milliseconds=59_999,
        minute=58,
        hour=23,
        day=31,
        month=12,
        year=26,
        day_of_week=4,
        invalid=True,
        summer_time=True,
    )
    assert tag.encode() == bytes.fromhex("5fea ba 97 9f 0c 1a")
    assert TimeTag.decode(tag.encode()) == tag


@given(
    st.builds(
        TimeTag,
        milliseconds=st.integers(0, 65535),
        minute=st.integers(0, 63),
        hour=st.integers(0, 31),
        day=st.integers(0, 31),
        month=st.integers(0, 15),
        year=st.integers(0, 127),
        day_of_week=st.integers(0, 7),
        invalid=st.booleans(),
        summer_time=st.booleans(),
        substituted=st.booleans(),
    )
)
def test_round_trip_of_every_field(tag: TimeTag):
    assert TimeTag.decode(b"x" + tag.encode(), 1) == tag


@given(st.binary(min_size=7, max_size=7))
def test_any_octets_decode_and_mean_something_or_are_impossible(octets: bytes):
    tag = TimeTag.decode(octets)
    try:
        wall = tag.wall_clock()
    except ValueError:
        return
    again = TimeTag.from_wall_clock(wall)
    assert (again.minute, again.hour, again.day, again.month) == (
        tag.minute,
        tag.hour,
        tag.day,
        tag.month,
    )


REPEATED = TimeTag(milliseconds=0, minute=30, hour=2, day=25, month=10, year=26)
"""Half past two on the night when that hour comes twice."""


@given(MOMENTS, st.sampled_from([TimeZoneMode.UTC, TimeZoneMode.LOCAL]))
def test_a_written_tag_reads_as_the_same_moment(moment: datetime, mode: TimeZoneMode):
    policy = TimeZonePolicy(mode=mode, zone=BRUSSELS)
    assert policy.moment(policy.tag(moment), moment + timedelta(minutes=3)) == moment


@given(MOMENTS, st.sampled_from([UTC, BRUSSELS]))
def test_auto_finds_the_peers_zone(moment: datetime, zone: object):
    mode = TimeZoneMode.UTC if zone is UTC else TimeZoneMode.LOCAL
    peer = TimeZonePolicy(mode=mode, zone=BRUSSELS)
    ours = TimeZonePolicy(mode=TimeZoneMode.AUTO, zone=BRUSSELS)
    assert ours.moment(peer.tag(moment), moment + timedelta(minutes=3)) == moment


@pytest.mark.parametrize(("summer_time", "hour"), [(True, 0), (False, 1)])
def test_the_repeated_hour_is_told_apart_by_the_summer_bit(
    summer_time: bool, hour: int
):
    policy = TimeZonePolicy(mode=TimeZoneMode.LOCAL, zone=BRUSSELS)
    tag = replace(REPEATED, summer_time=summer_time)
    expected = datetime(2026, 10, 25, hour, 30, tzinfo=UTC)
    assert policy.moment(tag, expected) == expected
    assert policy.tag(expected).summer_time is summer_time


@pytest.mark.parametrize("mode", [TimeZoneMode.LOCAL, TimeZoneMode.AUTO])
@pytest.mark.parametrize("hour", [0, 1])
def test_a_peer_without_summer_bit_is_understood_in_both_passes_of_the_repeated_hour(
    mode: TimeZoneMode, hour: int
):
    policy = TimeZonePolicy(mode=mode, zone=BRUSSELS)
    now = datetime(2026, 10, 25, hour, 29, tzinfo=UTC)
    assert policy.moment(REPEATED, now) == now + timedelta(minutes=1)


def test_an_order_of_the_first_pass_stays_old_in_the_second():
    policy = TimeZonePolicy(mode=TimeZoneMode.LOCAL, zone=BRUSSELS)
    now = datetime(2026, 10, 25, 1, 31, tzinfo=UTC)
    tag = replace(REPEATED, summer_time=True)
    assert now - policy.moment(tag, now) == timedelta(hours=1, minutes=1)


@pytest.mark.parametrize(
    "fields", [{"minute": 64}, {"month": -1}, {"milliseconds": 65536}]
)
def test_fields_that_do_not_fit_are_refused(fields: dict[str, int]):
    good = {"milliseconds": 0, "minute": 0, "hour": 0, "day": 1, "month": 1, "year": 0}
    with pytest.raises(ValueError, match="CP56Time2a"):
        TimeTag(**good | fields).encode()
