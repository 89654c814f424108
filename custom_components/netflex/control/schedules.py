"""Schedules looked up once per change: a decision a second asks for the same windows."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from ..model.schedule import EntityWindows, Holidays, Schedule, Window, active, upcoming
from ..model.snapshot import Clock, Snapshot
from .layout import Layout

_LONGEST: Final = timedelta(hours=24)
"""How long a look-up counts at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """A window (None: off) that holds from one moment to another, for some holidays."""

    since: datetime
    until: datetime
    holidays: Holidays
    window: Window | None


@dataclass(slots=True)
class Schedules:
    """The schedules of one decision; `until` is when the first of them changes."""

    clock: Clock
    holidays: Holidays
    entities: EntityWindows
    known: dict[int, _Known]
    until: datetime | None = field(default=None)

    def window(self, schedule: Schedule) -> Window | None:
        """Return the window that a schedule is on in now, None where it is off.

        Raises UnknownScheduleError where the entity that it follows says nothing.
        """
        utc = self.clock.utc
        if schedule.entity is not None:
            window = active(schedule, utc, self.holidays, self.entities)
            if window is not None and window.end is not None:
                self._due(window.end)
            return window
        known = self.known.get(id(schedule))
        if (
            known is None
            or not known.since <= utc < known.until
            or known.holidays != self.holidays
        ):
            known = self.known[id(schedule)] = self._look(schedule)
        self._due(known.until)
        return known.window

    def _look(self, schedule: Schedule) -> _Known:
        utc = self.clock.utc
        window = active(schedule, utc, self.holidays)
        ends = [utc + _LONGEST]
        if window is not None and window.end is not None:
            ends.append(window.end)
        # A period that comes first may begin while another one is on.
        ends += [
            item.start
            for item in upcoming(schedule, utc, utc + _LONGEST, self.holidays)
            if item.start is not None and item.start > utc
        ]
        return _Known(since=utc, until=min(ends), holidays=self.holidays, window=window)

    def _due(self, at: datetime) -> None:
        if self.until is None or at < self.until:
            self.until = at


def schedules_of(layout: Layout, snapshot: Snapshot, clock: Clock) -> Schedules:
    """Return the schedules of a decision, with what is known of the site's already.

    Kept by identity: the site's programmes, and the schedules in them, live as long
    as its layout does.
    """
    known: dict[int, _Known] = layout.kept.setdefault("schedules", {})
    return Schedules(clock, snapshot.holidays, snapshot.entity_windows, known)
