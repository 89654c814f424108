"""Fills gaps in the kept readings from what Home Assistant's recorder has.

After the start, and every hour where a gap is found, minutes that nobody stored are
made of the recorded states. They are marked as filled in, never take the place of what
was measured, and reach no further back than a series does: what was erased stays so.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import partial
import math
import sqlite3
from typing import Final

from homeassistant.const import ATTR_UNIT_OF_MEASUREMENT
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, State, callback
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.helpers.recorder import DATA_INSTANCE, get_instance
from homeassistant.helpers.start import async_at_started
from homeassistant.util import dt as dt_util

from .const import DOMAIN, LOGGER
from .devices.profile_parts import MEASURES
from .model.failure import reason_of
from .model.phrase import Phrase
from .site_readings_sources import Formulas, Sources, Term
from .telemetry.held import (
    SILENCE,
    Awake,
    Note,
    awake,
    minute_ends,
    minute_means,
    readings_of,
    summed,
)
from .telemetry.keeper import TelemetryKeeper
from .telemetry.store import TelemetryStore, TelemetryStoreError
from .telemetry.stored_flows import GRID
from .telemetry.values import Gap, Reading, Series, SeriesKind

LOOK_BACK: Final = timedelta(days=10)
"""How far back gaps are filled: as long as the recorder keeps states by itself."""
OVERLAP: Final = timedelta(days=1)
"""What is looked through again after a look that went well."""
EVERY: Final = timedelta(hours=1)
SETTLED: Final = 300
"""s after which neither the keeper nor the recorder still waits to store something."""
_HOUR: Final = 3600
_MINUTE: Final = 60


class HistoryState(StrEnum):
    """What became of filling gaps."""

    WAITING = "waiting"
    """Home Assistant has not started yet, or nothing was looked for yet."""
    NO_RECORDER = "no_recorder"
    """There is no history: the recorder is not set up."""
    FAILED = "failed"
    """The recorder's database did not answer; it is asked again."""
    READ = "read"


class _HistoryError(Exception):
    """The recorder did not answer."""


type _Gaps = dict[Series, list[Gap]]
type _History = Mapping[str, list[State]]


class ReadingsFill:
    """Fills the gaps of one site's readings."""

    def __init__(
        self,
        hass: HomeAssistant,
        sources: Callable[[], Sources],
        site_meter: Callable[[], str | None],
        on_filled: Callable[[date], None],
    ) -> None:
        """Prepare; `on_filled` is told each local day that readings were added to."""
        self._hass = hass
        self._sources = sources
        self._site_meter = site_meter
        self._on_filled = on_filled
        self._keeper: TelemetryKeeper | None = None
        self._tried: set[tuple[str, int]] = set()
        """Series and hours that have been looked for: nothing more will come."""
        self._done = 0
        """Unix time up to which was looked, successfully."""
        self._ends: list[CALLBACK_TYPE] = []
        self._task: asyncio.Task[None] | None = None
        self.state = HistoryState.WAITING
        self.filled = 0
        """Readings that were filled in since the start."""

    @callback
    def async_start(self, keeper: TelemetryKeeper) -> None:
        """Fill once Home Assistant has started, and from then on every hour."""
        self._keeper = keeper
        self._tried.clear()
        self._done = 0
        self._ends = [
            async_track_time_interval(
                self._hass, self._look, EVERY, name=f"{DOMAIN} filling"
            ),
            async_at_started(self._hass, self._look),
        ]

    async def async_stop(self) -> None:
        """Fill no more."""
        self._keeper = None
        while self._ends:
            self._ends.pop()()
        if (task := self._task) is not None:
            self._task = None
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    @callback
    def _look(self, _now: object = None) -> None:
        if not self._hass.is_running or (
            self._task is not None and not self._task.done()
        ):
            return
        if DATA_INSTANCE not in self._hass.data:
            if self.state is not HistoryState.NO_RECORDER:
                LOGGER.info("Gaps in the readings stay: there is no recorder")
            self.state = HistoryState.NO_RECORDER
            return
        self._task = self._hass.async_create_background_task(
            self._fill(), name=f"{DOMAIN} filling"
        )

    async def _fill(self) -> None:
        now = int(dt_util.utcnow().timestamp())
        end = now - SETTLED
        start = max(now - _seconds(LOOK_BACK), self._done - _seconds(OVERLAP))
        self._tried = {item for item in self._tried if item[1] >= start - _HOUR}
        if (keeper := self._keeper) is None:
            return
        try:
            formulas = self._sources().formulas(self._site_meter())
            gaps = await keeper.ask(partial(_gaps, keys=formulas, start=start, end=end))
            for hour in sorted(_hours(gaps)):
                await self._fill_hour(keeper, formulas, gaps, hour, end)
            self._done = end
            self.state = HistoryState.READ
        except (TelemetryStoreError, sqlite3.Error, _HistoryError) as err:
            LOGGER.warning("Gaps in the readings are not filled now: %s", err)
            self.state = HistoryState.FAILED
        except Exception:  # noqa: BLE001 - said, and tried again in an hour
            LOGGER.exception("Filling gaps in the readings had a fault of its own")
            self.state = HistoryState.FAILED

    async def _fill_hour(
        self,
        keeper: TelemetryKeeper,
        formulas: Formulas,
        gaps: _Gaps,
        hour: int,
        end: int,
    ) -> None:
        minutes = {
            series: found
            for series, missing in gaps.items()
            if (series.key, hour) not in self._tried
            and (found := _minutes(missing, hour))
        }
        if not minutes:
            return
        # The site's meter speaks all the time: it tells when the recorder recorded.
        wanted = {
            term.entity_id
            for key in (GRID, *(series.key for series in minutes))
            for formula in formulas.get(key, ())
            for term in formula.terms
        }

        def made() -> dict[Series, list[Reading]]:
            history = _history(self._hass, hour, sorted(wanted))
            return {
                series: found
                for series, missing in minutes.items()
                if (found := _filled(series, formulas, history, hour, missing))
            }

        # Thousands of states: neither read nor summed up on the event loop.
        recorder = get_instance(self._hass)
        readings = await recorder.async_add_executor_job(made)
        if readings and (new := await keeper.ask(lambda store: store.fill(readings))):
            self.filled += new
            zone = dt_util.get_default_time_zone()
            for at in (hour, hour + _HOUR - 1):
                self._on_filled(datetime.fromtimestamp(at, zone).date())
        if hour + _HOUR <= end:
            self._tried.update((series.key, hour) for series in minutes)


def _seconds(span: timedelta) -> int:
    return int(span.total_seconds())


def _gaps(store: TelemetryStore, *, keys: Iterable[str], start: int, end: int) -> _Gaps:
    """Return the gaps of series that can be filled, from their own first reading on."""
    wanted = set(keys)
    found = {}
    for series in store.series():
        if series.key not in wanted or (first := store.first(series.key)) is None:
            continue
        if missing := store.gaps(series.key, max(first, start), end):
            found[series] = missing
    return found


def _hours(gaps: _Gaps) -> set[int]:
    return {
        hour
        for missing in gaps.values()
        for gap in missing
        for hour in range(gap.start - gap.start % _HOUR, gap.end, _HOUR)
    }


def _minutes(missing: Iterable[Gap], hour: int) -> list[int]:
    """Return the whole minutes of an hour that lie in gaps."""
    return [
        minute
        for gap in missing
        for minute in range(
            max(hour, math.ceil(gap.start / _MINUTE) * _MINUTE),
            min(hour + _HOUR, gap.end - gap.end % _MINUTE),
            _MINUTE,
        )
    ]


def _history(hass: HomeAssistant, hour: int, entity_ids: list[str]) -> _History:
    """Return what the recorder has of an hour, and of a little before it.

    Runs in the recorder's own executor.
    """
    # Its requirements are installed with it only.
    from homeassistant.components.recorder.history import get_significant_states  # noqa: PLC0415
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    try:
        found = get_significant_states(
            hass,
            datetime.fromtimestamp(hour - SILENCE, UTC),
            datetime.fromtimestamp(hour + _HOUR, UTC),
            entity_ids,
            significant_changes_only=False,
        )
    except SQLAlchemyError as err:
        raise _HistoryError(
            Phrase(
                "recorder_silent",
                "the recorder does not answer: {reason}",
                reason=reason_of(err),
            )
        ) from err
    return {
        entity_id: [state for state in states if isinstance(state, State)]
        for entity_id, states in found.items()
    }


def _filled(
    series: Series,
    formulas: Formulas,
    history: _History,
    hour: int,
    minutes: Iterable[int],
) -> list[Reading]:
    """Return the readings of a series; what the first formula lacks the next one has."""
    counter = series.kind is SeriesKind.COUNTER
    make = minute_ends if counter else minute_means
    recorded = _recorded(history, hour)
    left = set(minutes)
    found: dict[int, float] = {}
    for formula in formulas[series.key]:
        parts = [
            (term.factor, make(_notes(term, history), recorded, left))
            for term in formula.terms
        ]
        found |= summed(parts, least=formula.least)
        left -= found.keys()
    return readings_of(found, counter=counter)


def _recorded(history: _History, hour: int) -> Awake:
    """Return when the recorder recorded; what held before the start says nothing."""
    start = hour - SILENCE
    return awake(
        at
        for states in history.values()
        for state in states
        if (at := state.last_updated_timestamp) > start
    )


def _notes(term: Term, history: _History) -> list[Note]:
    return [
        Note(state.last_updated_timestamp, _value(term, state))
        for state in history.get(term.entity_id, ())
    ]


def _value(term: Term, state: State) -> float | None:
    """Return a state in the term's unit, None where it says nothing that is usable."""
    try:
        value = float(state.state)
    except ValueError:
        return None
    if not math.isfinite(value):
        return None
    if term.measure is not None:
        unit = state.attributes.get(ATTR_UNIT_OF_MEASUREMENT) or term.measure
        measure, factor = MEASURES.get(unit, (unit, 1.0))
        if measure != term.measure:
            return None
        value *= factor
    return abs(value) if term.magnitude else value
