"""Schedules: first match, midnight, holidays, seasons and every change of the clock."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.netflex.model.schedule import (
    ALWAYS,
    DayGroup,
    MonthDay,
    Period,
    Schedule,
    Season,
    UnknownScheduleError,
    Weekday,
    Window,
    active,
    preview,
    upcoming,
)

BRUSSELS = ZoneInfo("Europe/Brussels")
SPRING = date(2026, 3, 29)
"""02:00 becomes 03:00."""
AUTUMN = date(2026, 10, 25)
"""03:00 becomes 02:00."""


def period(start: str, end: str, **options: object) -> Period:
    return Period(
        start=time.fromisoformat(start),
        end=time.fromisoformat(end),
        time_zone=options.pop("time_zone", "Europe/Brussels"),  # type: ignore[arg-type]
        **options,  # type: ignore[arg-type]
    )


def local(day: date, at: str, *, fold: int = 0) -> datetime:
    naive = datetime.combine(day, time.fromisoformat(at))
    return naive.replace(tzinfo=BRUSSELS, fold=fold).astimezone(UTC)


def on(schedule: Schedule, utc: datetime, *holidays: date) -> bool:
    return active(schedule, utc, frozenset(holidays)) is not None


def test_no_schedule_is_always_on() -> None:
    assert active(None, local(SPRING, "12:00")) is ALWAYS


def test_end_is_excluded_and_start_is_included() -> None:
    schedule = Schedule(periods=(period("07:00", "09:00"),))
    day = date(2026, 6, 1)
    assert not on(schedule, local(day, "06:59:59"))
    assert on(schedule, local(day, "07:00"))
    assert on(schedule, local(day, "08:59:59"))
    assert not on(schedule, local(day, "09:00"))


def test_a_period_over_midnight_belongs_to_the_day_on_which_it_starts() -> None:
    friday = date(2026, 6, 5)
    schedule = Schedule(
        periods=(period("22:00", "06:00", days=frozenset({Weekday.FRIDAY})),)
    )
    assert not on(schedule, local(friday, "05:00"))
    assert on(schedule, local(friday, "23:00"))
    assert on(schedule, local(friday + timedelta(days=1), "05:59"))
    assert not on(schedule, local(friday + timedelta(days=1), "23:00"))


def test_equal_times_are_the_whole_day() -> None:
    schedule = Schedule(periods=(period("00:00", "00:00", days=DayGroup.WEEKENDS),))
    saturday = date(2026, 6, 6)
    assert active(schedule, local(saturday, "13:00")) == Window(
        start=local(saturday, "00:00"), end=local(saturday + timedelta(days=1), "00:00")
    )
    assert not on(schedule, local(saturday - timedelta(days=1), "23:59"))


def test_kinds_of_days_and_public_holidays() -> None:
    labour_day = date(2026, 5, 1)  # a Friday
    noon = local(labour_day, "12:00")

    def matches(days: DayGroup | frozenset[Weekday], *holidays: date) -> bool:
        return on(
            Schedule(periods=(period("00:00", "00:00", days=days),)), noon, *holidays
        )

    assert matches(DayGroup.ALL)
    assert matches(DayGroup.WEEKDAYS)
    assert not matches(DayGroup.WEEKDAYS, labour_day)
    assert not matches(DayGroup.HOLIDAYS)
    assert matches(DayGroup.HOLIDAYS, labour_day)
    assert not matches(DayGroup.WEEKENDS, labour_day)
    assert matches(frozenset({Weekday.FRIDAY}), labour_day)
    assert not matches(frozenset({Weekday.THURSDAY, Weekday.SATURDAY}))


def test_a_season_over_new_year() -> None:
    season = Season(first=MonthDay(month=11, day=15), last=MonthDay(month=3, day=31))
    assert [
        season.includes(date(2026, month, day))
        for month, day in ((11, 14), (11, 15), (1, 1), (3, 31), (4, 1), (7, 1))
    ] == [False, True, True, True, False, False]
    summer = Season(first=MonthDay(month=4, day=1), last=MonthDay(month=4, day=30))
    assert summer.includes(date(2026, 4, 30))
    assert not summer.includes(date(2026, 5, 1))


def test_first_match_wins() -> None:
    long, short = period("08:00", "20:00"), period("09:00", "10:00")
    at = local(date(2026, 6, 1), "09:30")
    first = active(Schedule(periods=(long, short)), at)
    second = active(Schedule(periods=(short, long)), at)
    assert first is not None
    assert second is not None
    assert first.hours_left(at) == 10.5
    assert second.hours_left(at) == 0.5


def test_a_time_that_does_not_exist_is_the_moment_of_the_jump() -> None:
    jump = datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert period("02:30", "04:00").on(SPRING) == (jump, local(SPRING, "04:00"))
    assert period("01:00", "02:30").on(SPRING) == (local(SPRING, "01:00"), jump)
    inside = Schedule(periods=(period("02:15", "02:45"),))
    assert not any(
        on(inside, jump + timedelta(minutes=minute)) for minute in range(-120, 120)
    )


def test_a_time_that_comes_twice_is_its_first_coming() -> None:
    start, end = period("02:30", "03:30").on(AUTUMN)
    assert start == local(AUTUMN, "02:30", fold=0)
    assert end - start == timedelta(hours=2)
    once = Schedule(periods=(period("02:00", "02:30"),))
    minutes = [local(AUTUMN, "00:00") + timedelta(minutes=n) for n in range(360)]
    assert sum(on(once, minute) for minute in minutes) == 30


@pytest.mark.parametrize("day", [SPRING, AUTUMN])
def test_periods_that_follow_each_other_leave_no_gap_on_days_of_change(
    day: date,
) -> None:
    schedule = Schedule(
        periods=(period("22:00", "02:30"), period("02:30", "07:00")),
    )
    at = local(day - timedelta(days=1), "22:00")
    while at < local(day, "07:00"):
        assert on(schedule, at), at
        at += timedelta(minutes=5)
    assert not on(schedule, local(day, "07:00"))


def test_a_time_zone_of_its_own() -> None:
    schedule = Schedule(periods=(period("07:00", "08:00", time_zone="Asia/Tokyo"),))
    assert on(schedule, datetime(2026, 6, 1, 22, 30, tzinfo=UTC))


def test_lord_howe_changes_by_half_an_hour() -> None:
    schedule = period("02:15", "03:00", time_zone="Australia/Lord_Howe")
    start, end = schedule.on(date(2026, 10, 4))
    assert end - start == timedelta(minutes=30)


def test_what_an_entity_says() -> None:
    schedule = Schedule(entity="calendar.battery")
    now = datetime(2026, 6, 1, 12, tzinfo=UTC)
    soon = Window(start=now - timedelta(hours=1), end=now + timedelta(hours=1))
    with pytest.raises(UnknownScheduleError):
        active(schedule, now)
    assert active(schedule, now, entities={"calendar.battery": ()}) is None
    assert active(schedule, now, entities={"calendar.battery": (soon,)}) is soon
    assert active(schedule, now, entities={"calendar.battery": (Window(),)}) == ALWAYS
    assert preview(schedule, now, 48, entities={"calendar.battery": (soon,)}) == (
        Window(start=now, end=soon.end),
    )
    assert preview(schedule, now, 48) == ()


def test_preview_is_in_order_merged_and_cut() -> None:
    schedule = Schedule(
        periods=(period("09:00", "11:00"), period("07:00", "09:00")),
    )
    start = local(date(2026, 6, 1), "10:00")
    assert preview(schedule, start, 48) == (
        Window(start=start, end=local(date(2026, 6, 1), "11:00")),
        Window(
            start=local(date(2026, 6, 2), "07:00"), end=local(date(2026, 6, 2), "11:00")
        ),
        Window(
            start=local(date(2026, 6, 3), "07:00"), end=local(date(2026, 6, 3), "10:00")
        ),
    )
    assert preview(None, start, 2) == (
        Window(start=start, end=start + timedelta(hours=2)),
    )


TIMES = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 45]))
DAYS = st.dates(date(2026, 1, 1), date(2027, 12, 31))


@settings(max_examples=150, deadline=None)
@given(
    start=TIMES,
    end=TIMES,
    zone=st.sampled_from(["Europe/Brussels", "America/St_Johns", "Asia/Tokyo"]),
    day=st.one_of(DAYS, st.sampled_from([SPRING, AUTUMN])),
    group=st.sampled_from(DayGroup),
    minute=st.integers(0, 2 * 1440),
)
def test_active_and_preview_agree(
    start: time, end: time, zone: str, day: date, group: DayGroup, minute: int
) -> None:
    schedule = Schedule(
        periods=(Period(start=start, end=end, time_zone=zone, days=group),)
    )
    begin = local(day, "00:00")
    at = begin + timedelta(minutes=minute)
    holidays = frozenset({day})
    window = active(schedule, at, holidays)
    seen = preview(schedule, begin, 72, holidays)
    assert (window is not None) is any(span.covers(at) for span in seen)
    if window is not None:
        assert window in set(upcoming(schedule, at, at, holidays)) or window.covers(at)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"time_zone": "Europe/Atlantis"}, "time zone Europe/Atlantis is not known"),
        ({"time_zone": ""}, "is not known"),
        ({"time_zone": "../etc/passwd"}, "is not known"),
        ({"days": frozenset()}, "at least one day"),
    ],
)
def test_a_period_that_means_nothing_is_refused(
    options: dict[str, object], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        period("07:00", "08:00", **options)


def test_a_schedule_needs_one_thing_that_says_when() -> None:
    with pytest.raises(ValueError, match="either periods or an entity"):
        Schedule()
    with pytest.raises(ValueError, match="either periods or an entity"):
        Schedule(periods=(period("07:00", "08:00"),), entity="schedule.x")
    with pytest.raises(ValueError, match="day is out of range|day 30 must be"):
        MonthDay(month=2, day=30)
