"""When schedules and calendars are on, and which days are holidays."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, override

from homeassistant.components.calendar import CalendarEntity, CalendarEvent
from homeassistant.const import STATE_OFF
from homeassistant.core import HomeAssistant, SupportsResponse
from homeassistant.exceptions import HomeAssistantError
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_mock_service,
    setup_test_component_platform,
)

from custom_components.netflex.entry_dispatch import DispatchSource, SourceKind
from custom_components.netflex.model.dispatch import DispatchAction
from custom_components.netflex.model.schedule import Window

from .conftest import NOW, Follow

WEEK = {
    "name": "Peak",
    "monday": [{"from": "17:00:00", "to": "20:00:00"}],
    "saturday": [
        {"from": "08:00:00", "to": "12:00:00"},
        {"from": "22:00:00", "to": "24:00:00"},
    ],
    "sunday": [{"from": "00:00:00", "to": "06:00:00"}],
}


class Agenda(CalendarEntity):
    """A calendar whose events a test decides."""

    _attr_name = "Agenda"

    def __init__(self, events: list[CalendarEvent]) -> None:
        self.events = events
        self.asked = 0
        self.fails = False
        self.gate: asyncio.Event | None = None

    @property
    @override
    def event(self) -> CalendarEvent | None:
        return None

    @override
    async def async_get_events(
        self, hass: HomeAssistant, start_date: datetime, end_date: datetime
    ) -> list[CalendarEvent]:
        self.asked += 1
        if self.fails:
            raise HomeAssistantError("made to fail")
        found = [
            item
            for item in self.events
            if item.start_datetime_local < end_date
            and item.end_datetime_local > start_date
        ]
        if self.gate is not None:
            await self.gate.wait()
        return found


async def agenda(hass: HomeAssistant, *events: CalendarEvent) -> Agenda:
    calendar = Agenda(list(events))
    setup_test_component_platform(hass, "calendar", [calendar])
    assert await async_setup_component(
        hass, "calendar", {"calendar": {"platform": "test"}}
    )
    await hass.async_block_till_done()
    return calendar


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize("expected_lingering_timers", [True])
async def test_a_schedule_helper_is_known_a_week_ahead(
    hass: HomeAssistant, follow: Follow
) -> None:
    assert await async_setup_component(hass, "schedule", {"schedule": {"peak": WEEK}})
    site = await follow(schedules=frozenset({"schedule.peak"}))
    windows = site.economy.entity_windows["schedule.peak"]
    assert (
        Window(start=utc("2026-11-28T08:00+01:00"), end=utc("2026-11-28T12:00+01:00"))
        in windows
    )
    # Its 24:00 is where the Sunday goes on.
    assert (
        Window(start=utc("2026-11-28T22:00+01:00"), end=utc("2026-11-29T00:00+01:00"))
        in windows
    )
    assert (
        Window(start=utc("2026-11-30T17:00+01:00"), end=utc("2026-11-30T20:00+01:00"))
        in windows
    )
    assert any(item.covers(NOW) for item in windows)


async def test_any_other_entity_only_says_whether_it_is_on(
    hass: HomeAssistant, follow: Follow
) -> None:
    hass.states.async_set("input_boolean.away", "on")
    site = await follow(schedules=frozenset({"input_boolean.away"}))
    assert site.economy.entity_windows == {"input_boolean.away": (Window(),)}
    hass.states.async_set("input_boolean.away", "off")
    await hass.async_block_till_done(wait_background_tasks=True)
    assert site.economy.entity_windows == {"input_boolean.away": ()}
    hass.states.async_set("input_boolean.away", "unavailable")
    await hass.async_block_till_done(wait_background_tasks=True)
    assert site.economy.entity_windows == {}


async def test_events_of_a_calendar_come_without_its_state_changing(
    hass: HomeAssistant,
    follow: Follow,
    later: Callable[[timedelta], Awaitable[None]],
) -> None:
    first = CalendarEvent(
        start=NOW + timedelta(hours=1), end=NOW + timedelta(hours=2), summary="Peak"
    )
    calendar = await agenda(hass, first)
    site = await follow(schedules=frozenset({"calendar.agenda"}))
    assert site.economy.entity_windows["calendar.agenda"] == (
        Window(start=first.start, end=first.end),  # type: ignore[arg-type]
    )
    calendar.events.append(
        CalendarEvent(
            start=NOW + timedelta(days=1),
            end=NOW + timedelta(days=1, hours=1),
            summary="Another",
        )
    )
    await later(timedelta(minutes=15, seconds=1))
    assert len(site.economy.entity_windows["calendar.agenda"]) == 2


async def test_a_calendar_dispatches_with_its_action(
    hass: HomeAssistant, follow: Follow
) -> None:
    await agenda(
        hass,
        CalendarEvent(
            start=NOW + timedelta(hours=1), end=NOW + timedelta(hours=2), summary="x"
        ),
    )
    source = DispatchSource(
        id="calendar",
        name="Agenda",
        kind=SourceKind.CALENDAR,
        calendar="calendar.agenda",
        action=DispatchAction.AVOID_IMPORT,
    )
    site = await follow({}, source)
    (command,) = site.economy.dispatches
    assert command.action is DispatchAction.AVOID_IMPORT
    assert command.start == NOW + timedelta(hours=1)
    hass.states.async_set("calendar.agenda", "unavailable")
    await hass.async_block_till_done(wait_background_tasks=True)
    assert site.economy.dispatches == ()
    assert "calendar says nothing" in site.economy.problems["calendar"]


async def test_holidays_are_the_days_of_a_calendar(
    hass: HomeAssistant, follow: Follow
) -> None:
    await agenda(
        hass,
        CalendarEvent(
            start=date(2026, 12, 25), end=date(2026, 12, 26), summary="Kerst"
        ),
        CalendarEvent(
            start=date(2027, 1, 1), end=date(2027, 1, 3), summary="Nieuwjaar"
        ),
        CalendarEvent(start=date(2028, 1, 1), end=date(2028, 1, 2), summary="too far"),
    )
    site = await follow({"holiday_calendar": "calendar.agenda"})
    assert site.economy.holidays == {
        date(2026, 12, 25),
        date(2027, 1, 1),
        date(2027, 1, 2),
    }


@pytest.mark.parametrize("day", [date(2026, 10, 25), date(2026, 3, 29)])
async def test_a_day_is_as_long_as_the_clock_makes_it(
    hass: HomeAssistant, follow: Follow, freezer: object, day: date
) -> None:
    freezer.move_to(datetime(day.year, day.month, day.day, 1, tzinfo=UTC))  # type: ignore[attr-defined]
    await agenda(
        hass,
        CalendarEvent(start=day, end=day + timedelta(days=1), summary="A day"),
    )
    site = await follow(schedules=frozenset({"calendar.agenda"}))
    (window,) = site.economy.entity_windows["calendar.agenda"]
    assert window.start is not None
    assert window.end is not None
    hours = 25 if day.month == 10 else 23
    assert window.end - window.start == timedelta(hours=hours)


async def test_a_calendar_that_fails_is_unknown_and_holidays_stay(
    hass: HomeAssistant,
    follow: Follow,
    later: Callable[[timedelta], Awaitable[None]],
) -> None:
    day = NOW.date() + timedelta(days=1)
    calendar = await agenda(
        hass, CalendarEvent(start=day, end=day + timedelta(days=1), summary="Christmas")
    )
    site = await follow(
        {"holiday_calendar": "calendar.agenda"},
        schedules=frozenset({"calendar.agenda"}),
    )
    assert site.economy.entity_windows["calendar.agenda"]
    assert site.economy.holidays == {day}
    calendar.fails = True
    await later(timedelta(hours=1))
    assert "calendar.agenda" not in site.economy.entity_windows
    assert site.economy.holidays == {day}
    calendar.fails = False
    await later(timedelta(hours=1))
    assert site.economy.entity_windows["calendar.agenda"]


async def test_a_change_while_it_looks_is_looked_at_afterwards(
    hass: HomeAssistant, follow: Follow
) -> None:
    day = NOW.date() + timedelta(days=1)
    calendar = await agenda(hass)
    site = await follow(schedules=frozenset({"calendar.agenda"}))
    assert site.economy.entity_windows["calendar.agenda"] == ()
    calendar.gate = asyncio.Event()
    asked = calendar.asked
    hass.states.async_set("calendar.agenda", STATE_OFF, {"message": "first"})
    async with asyncio.timeout(10):
        while calendar.asked == asked:
            await asyncio.sleep(0)
    # It has read the events already when another one comes.
    calendar.events = [
        CalendarEvent(start=day, end=day + timedelta(days=1), summary="Christmas")
    ]
    hass.states.async_set("calendar.agenda", STATE_OFF, {"message": "second"})
    await asyncio.sleep(0)
    calendar.gate.set()
    await hass.async_block_till_done(wait_background_tasks=True)
    assert calendar.asked == asked + 2
    assert site.economy.entity_windows["calendar.agenda"]


@pytest.mark.parametrize(
    ("event", "hours"),
    [
        ({"start": "2026-11-22T13:00:00", "end": "2026-11-22T15:00:00"}, 2),
        ({"start": "2026-11-22T13:00:00+01:00", "end": "2026-11-22T13:00:00Z"}, 1),
        ({"start": "2026-11-22T13:00:00", "end": "2026-11-22T13:00:00"}, None),
        ({"start": "tomorrow", "end": "2026-11-22T13:00:00"}, None),
        ({"start": None, "end": "2026-11-22T13:00:00"}, None),
        ({"end": "2026-11-22T13:00:00"}, None),
    ],
)
async def test_what_a_calendar_may_answer(
    hass: HomeAssistant, follow: Follow, event: dict[str, Any], hours: int | None
) -> None:
    async_mock_service(
        hass,
        "calendar",
        "get_events",
        supports_response=SupportsResponse.ONLY,
        response={"calendar.foreign": {"events": [event]}},
    )
    hass.states.async_set("calendar.foreign", STATE_OFF)
    site = await follow(schedules=frozenset({"calendar.foreign"}))
    windows = site.economy.entity_windows["calendar.foreign"]
    assert [
        None if item.start is None or item.end is None else item.end - item.start
        for item in windows
    ] == ([] if hours is None else [timedelta(hours=hours)])


async def test_an_entry_that_is_unloaded_looks_no_more(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    follow: Follow,
    later: Callable[[timedelta], Awaitable[None]],
) -> None:
    calendar = await agenda(hass)
    site = await follow(schedules=frozenset({"calendar.agenda"}))
    before = calendar.asked
    assert before
    await follow()
    assert site.economy.entity_windows == {}
    await later(timedelta(hours=1))
    assert calendar.asked == before
