"""Schedules: when something is on, by the local clock, over every change of it.

A period names local times. What that means where the clock changes: a local time
that does not exist is the moment of the jump, one that comes twice is its first
coming. So periods that follow each other without a gap stay so, and no period is on
twice in one night.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

from .phrase import Phrase

type Holidays = frozenset[date]
"""Public holidays at the site, as local dates."""

type EntityWindows = Mapping[str, tuple["Window", ...]]
"""By entity: when it is on, as far as it says (a calendar's events; of an entity that
only says that it is on, one window up to its next change). An entity that says nothing
has no entry, one that says that it is off has no window."""


class DayGroup(StrEnum):
    """Days by their kind."""

    ALL = "all"
    WEEKDAYS = "weekdays"
    """Monday to Friday, public holidays left out."""
    WEEKENDS = "weekends"
    """Saturday and Sunday."""
    HOLIDAYS = "holidays"
    """Public holidays, whichever day of the week they are on."""


class Weekday(StrEnum):
    """Days of the week, in the order of `date.weekday`."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


_WEEK = tuple(Weekday)


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthDay:
    """A day of every year; 29 February is the last of February in other years."""

    month: int
    day: int

    def __post_init__(self) -> None:
        """Raise ValueError where no year has such a day."""
        date(2024, self.month, self.day)


@dataclass(frozen=True, slots=True, kw_only=True)
class Season:
    """From one day of the year to another, both included, over New Year or not."""

    first: MonthDay
    last: MonthDay

    def includes(self, day: date) -> bool:
        """Return whether a day lies in it."""
        first = (self.first.month, self.first.day)
        last = (self.last.month, self.last.day)
        this = (day.month, day.day)
        if first <= last:
            return first <= this <= last
        return this >= first or this <= last


@cache
def zone_of(name: str) -> ZoneInfo:
    """Return a time zone, read from disk once. Raises ValueError where it is unknown."""
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError) as err:
        raise ValueError(
            Phrase("zone_unknown", "the time zone {zone} is not known", zone=name)
        ) from err


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From one local time to another on certain days, `end` excluded.

    A period that ends at or before its start goes over midnight (equal times: all
    day) and belongs to the day on which it starts. Making the first period of a time
    zone reads that zone from disk: not on an event loop.
    """

    start: time
    end: time
    time_zone: str
    """IANA name: Europe/Brussels."""
    days: DayGroup | frozenset[Weekday] = DayGroup.ALL
    """An explicit set of weekdays does not look at holidays."""
    season: Season | None = None
    """None: the whole year."""

    def __post_init__(self) -> None:
        """Raise ValueError where a time or its zone means nothing."""
        if self.start.tzinfo is not None or self.end.tzinfo is not None:
            raise ValueError(
                Phrase("period_local", "times of a period are local: without an offset")
            )
        if not self.days:
            raise ValueError(
                Phrase("period_needs_day", "a period needs at least one day")
            )
        zone_of(self.time_zone)

    def begins_on(self, day: date, holidays: Holidays) -> bool:
        """Return whether it starts on a local day."""
        if self.season is not None and not self.season.includes(day):
            return False
        if self.days is DayGroup.ALL:
            return True
        if self.days is DayGroup.HOLIDAYS:
            return day in holidays
        if self.days is DayGroup.WEEKDAYS:
            return day.weekday() < 5 and day not in holidays
        if self.days is DayGroup.WEEKENDS:
            return day.weekday() >= 5
        return _WEEK[day.weekday()] in self.days

    def on(self, day: date) -> tuple[datetime, datetime]:
        """Return its start and end in UTC, were it to start on a local day."""
        last = day if self.end > self.start else day + timedelta(days=1)
        return (
            instant(day, self.start, self.time_zone),
            instant(last, self.end, self.time_zone),
        )


@lru_cache(maxsize=4096)
def instant(day: date, at: time, time_zone: str) -> datetime:
    """Return a local time in UTC, whatever the clock does on that day."""
    zone = zone_of(time_zone)
    local = datetime.combine(day, at)
    utc = local.replace(tzinfo=zone).astimezone(UTC)
    if utc.astimezone(zone).replace(tzinfo=None) == local:
        return utc
    # It lies in a gap: with the offset of after the jump it is before the jump.
    before = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    early = before.astimezone(zone).utcoffset()
    while utc - before > timedelta(seconds=1):
        middle = before + (utc - before) / 2
        if middle.astimezone(zone).utcoffset() == early:
            before = middle
        else:
            utc = middle
    return utc.replace(microsecond=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A span of time in UTC, `end` excluded; None is open."""

    start: datetime | None = None
    end: datetime | None = None

    def covers(self, utc: datetime) -> bool:
        """Return whether a moment lies in it."""
        return (self.start is None or self.start <= utc) and (
            self.end is None or utc < self.end
        )

    def hours_left(self, utc: datetime) -> float | None:
        """Return the h until it ends, None where nobody knows when."""
        return None if self.end is None else (self.end - utc).total_seconds() / 3600


ALWAYS = Window()


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When something is on: in its periods, the first that matches, or with an entity.

    `entity` names a `schedule` or `calendar` of Home Assistant that says so instead
    of periods.
    """

    periods: tuple[Period, ...] = ()
    entity: str | None = None

    def __post_init__(self) -> None:
        """Raise ValueError where nothing says when it is on, or two things do."""
        if bool(self.periods) is (self.entity is not None):
            raise ValueError(
                Phrase("schedule_needs", "a schedule needs either periods or an entity")
            )


class UnknownScheduleError(LookupError):
    """The entity that a schedule follows says nothing."""


def active(
    schedule: Schedule | None,
    utc: datetime,
    holidays: Holidays = frozenset(),
    entities: EntityWindows | None = None,
) -> Window | None:
    """Return the window that a schedule is on in at a moment, None where it is off.

    No schedule is always on. Of several periods that match, the first counts. Raises
    UnknownScheduleError where the entity that it follows says nothing.
    """
    if schedule is None:
        return ALWAYS
    if schedule.entity is not None:
        windows = (entities or {}).get(schedule.entity)
        if windows is None:
            raise UnknownScheduleError(schedule.entity)
        return next((window for window in windows if window.covers(utc)), None)
    for period in schedule.periods:
        today = utc.astimezone(zone_of(period.time_zone)).date()
        for day in (today, today - timedelta(days=1)):
            if period.begins_on(day, holidays):
                start, end = period.on(day)
                if start <= utc < end:
                    return Window(start=start, end=end)
    return None


def upcoming(
    schedule: Schedule,
    start: datetime,
    end: datetime,
    holidays: Holidays = frozenset(),
    entities: EntityWindows | None = None,
) -> Iterator[Window]:
    """Yield all windows of a schedule that touch a span, in no order, overlaps too.

    An entity that says nothing has none.
    """
    if schedule.entity is not None:
        for window in (entities or {}).get(schedule.entity, ()):
            if (window.start is None or window.start < end) and (
                window.end is None or start < window.end
            ):
                yield window
    for period in schedule.periods:
        zone = zone_of(period.time_zone)
        day = start.astimezone(zone).date() - timedelta(days=1)
        last = end.astimezone(zone).date()
        while day <= last:
            if period.begins_on(day, holidays):
                begins, ends = period.on(day)
                if begins < ends and begins < end and start < ends:
                    yield Window(start=begins, end=ends)
            day += timedelta(days=1)


def preview(
    schedule: Schedule | None,
    start: datetime,
    hours: float,
    holidays: Holidays = frozenset(),
    entities: EntityWindows | None = None,
) -> tuple[Window, ...]:
    """Return when a schedule is on in the next hours, in order and cut to them.

    Windows that overlap or follow each other at once are one.
    """
    end = start + timedelta(hours=hours)
    if schedule is None:
        return (Window(start=start, end=end),)
    spans = sorted(
        (max(window.start or start, start), min(window.end or end, end))
        for window in upcoming(schedule, start, end, holidays, entities)
    )
    merged: list[tuple[datetime, datetime]] = []
    for begins, ends in spans:
        if merged and begins <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], ends))
        else:
            merged.append((begins, ends))
    return tuple(Window(start=begins, end=ends) for begins, ends in merged)
