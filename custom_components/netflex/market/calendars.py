"""When schedules, calendars and other entities are on, and which days are holidays.

A calendar says it by an action, in advance; a `schedule` by an action too, as its week;
anything else only whether it is on now.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import ATTR_ENTITY_ID, STATE_ON, STATE_UNAVAILABLE, Platform
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.util import dt as dt_util

from ..const import LOGGER
from ..model.schedule import Weekday, Window, instant
from ..watched import WatchedEntities

CALENDAR: Final = Platform.CALENDAR
SCHEDULE: Final = "schedule"
AHEAD: Final = timedelta(days=8)
"""How far schedules are looked ahead: a week, and the day that it began on."""
HOLIDAYS_AHEAD: Final = timedelta(days=60)
LOOK_EVERY: Final = timedelta(minutes=15)
"""A calendar may get an event without its state changing."""
PATIENCE: Final = 30.0
"""s that one question may take."""


class Calendars:
    """Follows the entities that schedules and holidays come from."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        on_change: Callable[[], None],
    ) -> None:
        """Follow nothing yet."""
        self._hass = hass
        self._entry = entry
        self._on_change = on_change
        self._entities = WatchedEntities(hass, self._look)
        self._references: frozenset[str] = frozenset()
        self._holidays: str | None = None
        self._end: CALLBACK_TYPE | None = None
        self._task: asyncio.Task[None] | None = None
        self._again = False
        self.windows: Mapping[str, tuple[Window, ...]] = {}
        """By reference, when it is on (UTC); one that says nothing has no entry."""
        self.holidays: frozenset[date] = frozenset()

    @callback
    def async_set(self, references: Iterable[str], holidays: str | None) -> None:
        """Follow these entities, and this calendar of holidays."""
        wanted = frozenset(references)
        if (wanted, holidays) == (self._references, self._holidays):
            return
        self.async_stop()
        self._references, self._holidays = wanted, holidays
        followed = wanted | ({holidays} if holidays is not None else set())
        self._entities.async_set(followed)
        if followed:
            self._end = async_track_time_interval(
                self._hass, self._look_again, LOOK_EVERY, name="netflex calendars"
            )
        self._look()

    @callback
    def async_stop(self) -> None:
        """Follow nothing any more."""
        self._references, self._holidays = frozenset(), None
        self._entities.async_stop()
        if self._end is not None:
            self._end()
            self._end = None
        if self._task is not None:
            self._task.cancel()
            self._task = None

    @callback
    def _look_again(self, _now: datetime) -> None:
        self._look()

    @callback
    def _look(self) -> None:
        if self._task is not None and not self._task.done():
            self._again = True
            return
        self._task = self._entry.async_create_background_task(
            self._hass, self._async_look(), "netflex look at calendars"
        )

    async def _async_look(self) -> None:
        while True:
            self._again = False
            windows = {}
            for reference in sorted(self._references):
                if (found := await self._async_windows(reference)) is not None:
                    windows[reference] = found
            holidays = frozenset[date]()
            if self._holidays is not None:
                holidays = await self._async_holidays(self._holidays)
            if (windows, holidays) != (self.windows, self.holidays):
                self.windows, self.holidays = windows, holidays
                self._on_change()
            if not self._again:
                return

    async def _async_windows(self, reference: str) -> tuple[Window, ...] | None:
        """Return when an entity is on, None where it says nothing."""
        entity_id = self._entities.entity_id(reference)
        state = self._hass.states.get(entity_id)
        if state is None or state.state == STATE_UNAVAILABLE:
            return None
        now = dt_util.now()
        if state.domain == CALENDAR:
            events = await self._async_events(entity_id, now, now + AHEAD)
            return None if events is None else tuple(_windows(events))
        if state.domain == SCHEDULE:
            week = await self._async_ask(SCHEDULE, "get_schedule", entity_id, {})
            zone = self._hass.config.time_zone
            return None if week is None else tuple(_week(week, now, zone))
        return (Window(),) if state.state == STATE_ON else ()

    async def _async_holidays(self, reference: str) -> frozenset[date]:
        """Return the days of a calendar; what was known stays while it says nothing."""
        start = dt_util.start_of_local_day() - timedelta(days=1)
        events = await self._async_events(
            self._entities.entity_id(reference), start, start + HOLIDAYS_AHEAD
        )
        return self.holidays if events is None else frozenset(_days(events))

    async def _async_events(
        self, entity_id: str, start: datetime, end: datetime
    ) -> list[Any] | None:
        answer = await self._async_ask(
            CALENDAR,
            "get_events",
            entity_id,
            {"start_date_time": start.isoformat(), "end_date_time": end.isoformat()},
        )
        events = None if answer is None else answer.get("events")
        return events if isinstance(events, list) else None

    async def _async_ask(
        self, domain: str, action: str, entity_id: str, data: dict[str, Any]
    ) -> Mapping[str, Any] | None:
        """Return what one entity answers, None where it does not."""
        try:
            async with asyncio.timeout(PATIENCE):
                answer = await self._hass.services.async_call(
                    domain,
                    action,
                    {ATTR_ENTITY_ID: entity_id, **data},
                    blocking=True,
                    return_response=True,
                )
        except (HomeAssistantError, TimeoutError, ValueError) as err:
            LOGGER.debug("%s does not answer: %s", entity_id, err)
            return None
        own = (answer or {}).get(entity_id)
        return own if isinstance(own, Mapping) else None


def _windows(events: Iterable[Any]) -> Iterable[Window]:
    """Yield when a calendar's events are."""
    zone = dt_util.get_default_time_zone()
    for event in events:
        start, end = (_moment(event.get(key), zone) for key in ("start", "end"))
        if start is not None and end is not None and start < end:
            yield Window(start=start, end=end)


def _moment(text: Any, zone: tzinfo) -> datetime | None:
    """Return a time of an event in UTC; a day alone begins at midnight."""
    if not isinstance(text, str):
        return None
    if (day := dt_util.parse_date(text)) is not None:
        return datetime.combine(day, time(), zone).astimezone(UTC)
    found = dt_util.parse_datetime(text)
    if found is None:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)


def _days(events: Iterable[Any]) -> Iterable[date]:
    """Yield the local days that events touch."""
    zone = dt_util.get_default_time_zone()
    for window in _windows(events):
        assert window.start is not None
        assert window.end is not None
        day = window.start.astimezone(zone).date()
        last = (window.end - timedelta(microseconds=1)).astimezone(zone).date()
        while day <= last:
            yield day
            day += timedelta(days=1)


def _week(week: Mapping[str, Any], now: datetime, time_zone: str) -> Iterable[Window]:
    """Yield when a weekly schedule is on from yesterday on."""
    first = now.date() - timedelta(days=1)
    for number in range(AHEAD.days + 2):
        day = first + timedelta(days=number)
        for item in week.get(tuple(Weekday)[day.weekday()], ()):
            yield Window(
                start=_at(day, item["from"], time_zone),
                end=_at(day, item["to"], time_zone),
            )


def _at(day: date, at: Any, time_zone: str) -> datetime:
    """Return a local time of a schedule in UTC; its end of a day is the next midnight."""
    if at == time.max or str(at).startswith("24:"):
        return instant(day + timedelta(days=1), time(), time_zone)
    return instant(
        day, at if isinstance(at, time) else time.fromisoformat(at), time_zone
    )
