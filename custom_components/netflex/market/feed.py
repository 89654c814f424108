"""Brings markets, schedules and dispatch together for one site."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
import math
import time
from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import (
    ATTR_UNIT_OF_MEASUREMENT,
    STATE_UNAVAILABLE,
    STATE_UNKNOWN,
)
from homeassistant.core import HomeAssistant, State, callback
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.util import dt as dt_util

from ..entry_dispatch import DispatchSource
from ..model.dispatch import DispatchCommand
from ..model.market import GridFrequency, Imbalance, ImbalanceQuality, Market
from ..northbound.elia import EliaClient, EliaData, EliaFeed
from ..northbound.price_formats import ForecastRow, PriceUnit, read_forecast, read_unit
from ..site.availability import AvailabilityLog
from ..site.economy import NO_ECONOMY, Baseline, Economy
from ..site.site import Site
from ..watched import WatchedEntities
from .calendars import Calendars
from .dispatch import read_sources
from .kept import Kept
from .missing import not_available
from .options import MarketOptions, market_options
from .prices import PriceInput
from .store import SAVE_DELAY, dispatch_store, read_dispatch, stored_dispatch

FREQUENCY_AGE: Final = 5.0
"""s that a measured frequency counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketConfig:
    """What one site follows; `schedules` are the entities that programmes name."""

    options: MarketOptions
    sources: tuple[DispatchSource, ...] = ()
    schedules: frozenset[str] = frozenset()


NO_CONFIG: Final = MarketConfig(options=market_options({}))


class SiteMarket:
    """Tells one site what markets, schedules and dispatch sources say."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry, site: Site) -> None:
        """Follow nothing yet."""
        self._hass = hass
        self._site = site
        self._config = NO_CONFIG
        self._told = NO_ECONOMY
        self._import = PriceInput(hass, entry, self._publish, export=False)
        self._export = PriceInput(hass, entry, self._publish, export=True)
        self._entities = WatchedEntities(hass, self._publish)
        self._frequency = WatchedEntities(hass, self._publish_frequency)
        self._calendars = Calendars(hass, entry, self._publish)
        self._predicted = Kept[_Predicted]()
        self._elia: EliaFeed | None = None
        self._store = dispatch_store(hass, entry.entry_id)
        self._manual: list[DispatchCommand] = []
        self._logs: dict[str, AvailabilityLog] = {}
        """Of the entities that have said something, by the subject of a problem."""
        self._loaded = False
        site.dispatch.save = self._save

    async def async_start(self, config: MarketConfig) -> None:
        """Take over what was stored, and begin to follow."""
        self._manual = read_dispatch(
            await self._store.async_load(), self._site.dispatch, dt_util.utcnow()
        )
        self._loaded = True
        await self.async_set(config)

    async def async_set(self, config: MarketConfig) -> None:
        """Follow what the configuration names, and nothing else."""
        old, self._config = self._config, config
        self._predicted.forget()
        self._logs.clear()
        options = config.options
        self._import.async_set(options.import_price)
        self._export.async_set(options.export_price)
        followed = [item for source in config.sources for item in source.entities]
        if options.forecast is not None:
            followed.append(options.forecast.entity)
        self._entities.async_set(followed, reports=True)
        self._frequency.async_set(
            () if options.frequency is None else (options.frequency,), reports=True
        )
        calendars = {item.calendar for item in config.sources if item.calendar}
        self._calendars.async_set(config.schedules | calendars, options.holidays)
        if options.elia_url != old.options.elia_url:
            await self._async_set_elia(options.elia_url)
        self._publish()

    async def async_stop(self) -> None:
        """Follow nothing any more, and keep what is worth it."""
        self._import.async_stop()
        self._export.async_stop()
        self._entities.async_stop()
        self._frequency.async_stop()
        self._calendars.async_stop()
        await self._async_set_elia(None)
        await self.async_save()

    async def async_save(self) -> None:
        """Store the commands of the action and what proves dispatch."""
        if self._loaded:
            await self._store.async_save(self._stored())

    async def _async_set_elia(self, url: str | None) -> None:
        if self._elia is not None:
            await self._elia.stop()
            self._elia = None
        if url is not None:
            session = async_get_clientsession(self._hass)
            self._elia = EliaFeed(EliaClient(session, url), self._take_elia)
            self._elia.start()

    @callback
    def _take_elia(self, _data: EliaData) -> None:
        self._publish()

    # ---------------------------------------------------------------------- by action

    @callback
    def async_dispatch(self, command: DispatchCommand) -> None:
        """Take over a command of the action; one of the same source is replaced."""
        self._manual = [item for item in self._manual if item.source != command.source]
        self._manual.append(command)
        self._save()
        self._publish()

    @callback
    def async_cancel(self, source: str | None) -> int:
        """End commands of the action, of one source or all; return how many."""
        kept = [
            item
            for item in self._manual
            if source is not None and item.source != source
        ]
        ended = len(self._manual) - len(kept)
        self._manual = kept
        self._save()
        self._publish()
        return ended

    @callback
    def _save(self) -> None:
        self._store.async_delay_save(self._stored, SAVE_DELAY)

    def _stored(self) -> dict[str, object]:
        return stored_dispatch(self._manual, self._site.dispatch)

    # -------------------------------------------------------------------------- telling

    @callback
    def _publish(self) -> None:
        self._told = self._economy(dt_util.utcnow())
        self._site.set_economy(self._told)

    @callback
    def _publish_frequency(self) -> None:
        """Tell the frequency alone: it comes every second, and nothing else with it."""
        self._told = replace(self._told, frequency=self._measured_frequency())
        self._site.set_economy(self._told)

    def _economy(self, now: datetime) -> Economy:
        config = self._config
        problems: dict[str, str] = {}
        self._manual = [item for item in self._manual if item.end > now]
        commanded = read_sources(
            config.sources, self._entities.state, self._calendars.windows
        )
        problems |= commanded.problems
        market = self._market(config.options, problems)
        self._log_availability(problems)
        return Economy(
            market=market,
            dispatches=(*self._manual, *commanded.commands),
            frequency=self._measured_frequency(),
            holidays=self._calendars.holidays,
            entity_windows=dict(self._calendars.windows),
            names={source.id: source.name for source in config.sources},
            baselines={source.id: source.baseline for source in config.sources}
            | {item.source: Baseline.BEFORE_START for item in self._manual},
            problems=problems,
        )

    def _market(self, options: MarketOptions, problems: dict[str, str]) -> Market:
        import_price, problem = self._import.read()
        if problem is not None:
            problems["import_price"] = problem
        export_price, problem = self._export.read()
        if problem is not None:
            problems["export_price"] = problem
        imbalance = previous = None
        if self._elia is not None:
            data = self._elia.data
            if data.problem is not None:
                problems["elia"] = data.problem
            imbalance = None if data.running is None else data.running.imbalance()
            previous = None if data.previous is None else data.previous.imbalance()
        forecast: tuple[Imbalance, ...] | None = None
        if options.forecast is not None:
            state = self._entities.state(options.forecast.entity)
            if state is None or state.state == STATE_UNAVAILABLE:
                problems["imbalance_forecast"] = not_available(
                    self._entities.entity_id(options.forecast.entity)
                )
            else:
                forecast, now = self._predicted.of(
                    state, partial(imbalance_of_state, state, options)
                )
                imbalance = imbalance or now
        return Market(
            import_price=import_price,
            export_price=export_price,
            imbalance=imbalance,
            previous_imbalance=previous,
            forecast=forecast,
        )

    def _log_availability(self, problems: Mapping[str, str]) -> None:
        """Say once in the log that an entity is lost, and once that it is back.

        One that has said nothing yet may only start late; a repair tells if it stays
        away.
        """
        for subject, name in self._by_entity():
            problem = problems.get(subject)
            if problem is None:
                self._logs.setdefault(subject, AvailabilityLog(name))
            if (log := self._logs.get(subject)) is not None:
                log.take(available=problem is None, problem=problem)

    def _by_entity(self) -> Iterator[tuple[str, str]]:
        """Yield what is heard from entities: the subject of its problem, its name."""
        options = self._config.options
        for subject, entity in (
            ("import_price", options.import_price.entity),
            ("export_price", options.export_price.entity),
            ("imbalance_forecast", options.forecast and options.forecast.entity),
        ):
            if entity:
                yield subject, self._entities.entity_id(entity)
        for source in self._config.sources:
            yield source.id, source.name

    def _measured_frequency(self) -> GridFrequency | None:
        """Return what the chosen sensor measures, as old as its report."""
        reference = self._config.options.frequency
        state = None if reference is None else self._frequency.state(reference)
        if state is None or (value := _figure(state.state)) is None:
            return None
        age = (dt_util.utcnow() - state.last_reported).total_seconds()
        return GridFrequency(
            value=value,
            received=time.monotonic() - max(0.0, age),
            stale_after=FREQUENCY_AGE,
        )


type _Predicted = tuple[tuple[Imbalance, ...] | None, Imbalance | None]


def imbalance_of_state(state: State, options: MarketOptions) -> _Predicted:
    """Return what a sensor predicts, and its own value as that of the running period.

    None: it says nothing of it.
    """
    assert options.forecast is not None
    unit = read_unit(state.attributes.get(ATTR_UNIT_OF_MEASUREMENT))
    if unit is None:
        return None, None
    rows = _rows(state, unit, options.forecast.attribute)
    stale_after = options.forecast.stale_after
    forecast = tuple(
        Imbalance(
            start=row.start,
            received=state.last_reported,
            price=row.price,
            volume=row.volume,
            quality=ImbalanceQuality.FORECAST,
            period_seconds=(row.end - row.start).total_seconds(),
            stale_after=stale_after,
        )
        for row in rows
    )
    if (value := _figure(state.state)) is None:
        return forecast or None, None
    reported, settlement = state.last_reported, options.settlement
    start = datetime.fromtimestamp(
        reported.timestamp() // settlement * settlement, reported.tzinfo
    )
    running = Imbalance(
        start=start,
        received=reported,
        price=value * unit.factor,
        volume=next(
            (row.volume for row in rows if row.start <= reported < row.end), None
        ),
        period_seconds=settlement,
        stale_after=min(stale_after, settlement),
    )
    return forecast or None, running


def _rows(
    state: State, unit: PriceUnit, attribute: str | None
) -> tuple[ForecastRow, ...]:
    zone = dt_util.get_default_time_zone()
    day = state.last_reported.astimezone(zone).date()
    return read_forecast(state.attributes, unit, zone, day, attribute)


def _figure(text: str) -> float | None:
    if text in (STATE_UNAVAILABLE, STATE_UNKNOWN):
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
