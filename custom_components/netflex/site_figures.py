"""The figures of a site's batteries: today, yesterday and this month, from its readings."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date, datetime, timedelta
from functools import partial
import sqlite3
from typing import Final

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.util import dt as dt_util

from .const import DOMAIN, LOGGER
from .control.backtest import Options, backtest, curtails, inverters_alone
from .model.asset import Asset, Nature
from .model.demand import CapacityTariff
from .model.flows import Conditions
from .site.site import Site
from .site.view import FiguresView
from .telemetry.days import DaysError, stored_days
from .telemetry.figures import NO_TOTALS, Totals, against, figures, total
from .telemetry.keeper import TelemetryKeeper
from .telemetry.store import TelemetryStore, TelemetryStoreError
from .telemetry.stored_flows import day_flows

EVERY: Final = timedelta(minutes=5)


class SiteFigures:
    """Sums up what a keeper has stored, now and then."""

    def __init__(
        self,
        hass: HomeAssistant,
        site: Site,
        assets: Callable[[], Mapping[str, Asset]],
    ) -> None:
        """Prepare; `assets` returns the site's as they are now, by their id."""
        self._hass = hass
        self._site = site
        self._assets = assets
        self._keeper: TelemetryKeeper | None = None
        self._days: dict[date, Totals] = {}
        """Days of this month and yesterday that are over."""
        self._unsubscribe: CALLBACK_TYPE | None = None
        self._task: asyncio.Task[None] | None = None

    @callback
    def async_start(self, keeper: TelemetryKeeper) -> None:
        """Sum up now, and from now on."""
        self._keeper = keeper
        self._days.clear()
        self._unsubscribe = async_track_time_interval(
            self._hass, self._look, EVERY, name=f"{DOMAIN} figures"
        )
        self._look()

    async def async_stop(self) -> None:
        """Show no figures any more."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        if (task := self._task) is not None:
            self._task = None
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        if self._keeper is not None:
            self._keeper = None
            self._site.set_figures(None)

    @callback
    def async_forget(self, day: date) -> None:
        """Sum a day up anew: readings were added to it."""
        self._days.pop(day, None)

    @callback
    def _look(self, _now: datetime | None = None) -> None:
        batteries = any(a.nature is Nature.BATTERY for a in self._assets().values())
        if batteries and (self._task is None or self._task.done()):
            self._task = self._hass.async_create_background_task(
                self._refresh(), name=f"{DOMAIN} figures"
            )

    async def _refresh(self) -> None:
        try:
            view = await self._sum_up(dt_util.utcnow())
        except (TelemetryStoreError, sqlite3.Error) as err:
            LOGGER.debug("There are no figures: %s", err)
            view = None
        if self._keeper is not None:
            self._site.set_figures(view)

    async def _sum_up(self, utc: datetime) -> FiguresView | None:
        if (keeper := self._keeper) is None:
            return None
        zone = dt_util.get_default_time_zone()
        today = utc.astimezone(zone).date()
        yesterday = today - timedelta(days=1)
        month = [today.replace(day=n) for n in range(1, today.day)]
        # A day may be forgotten meanwhile: it is summed up anew the next time.
        days = {}
        for day in sorted({*month, yesterday}):
            if (known := self._days.get(day)) is None:
                known = self._days[day] = await self._of_day(keeper, day, utc)
            days[day] = known
        for day in self._days.keys() - days.keys():
            del self._days[day]
        running = await self._of_day(keeper, today, utc)
        of_month = sum((days[day] for day in month), NO_TOTALS) + running
        assets = self._assets().values()
        sizes = [a.capacity for a in assets if a.nature is Nature.BATTERY]
        capacity = None if None in sizes else sum(size or 0.0 for size in sizes)
        demand = self._site.view.demand
        tariff = CapacityTariff() if demand is None else demand.tariff
        show = partial(figures, capacity=capacity)
        return FiguresView(
            today=show(running),
            yesterday=show(days[yesterday]),
            month=show(of_month, tariff=tariff),
            since={
                "today": _midnight(today),
                "month": _midnight(today.replace(day=1)),
            },
            certification=of_month.certification,
        )

    async def _of_day(
        self, keeper: TelemetryKeeper, day: date, utc: datetime
    ) -> Totals:
        """Sum a day up; where orders curtailed, against the same day without batteries.

        Less is injected then than the meter less the batteries says: what the sun
        yielded for them would have been curtailed.
        """
        totals, rows = await keeper.ask(_day_of(day, utc))
        site = inverters_alone(self._site.model)
        if not site.assets or not curtails(rows):
            return totals
        options = Options(zone=dt_util.get_default_time_zone())
        replayed = await self._hass.async_add_executor_job(
            lambda: total(backtest(site, rows, options))
        )
        return against(totals, replayed)


def _midnight(day: date) -> datetime:
    zone = dt_util.get_default_time_zone()
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def _day_of(
    day: date, utc: datetime
) -> Callable[[TelemetryStore], tuple[Totals, list[Conditions]]]:
    zone = dt_util.get_default_time_zone()
    start = _midnight(day)
    end = min(_midnight(day + timedelta(days=1)), utc)

    def ask(store: TelemetryStore) -> tuple[Totals, list[Conditions]]:
        totals = total(day_flows(store, day, zone, utc))
        try:
            rows = stored_days(store, _at(start), _at(end), zone)
        except DaysError:
            rows = []
        return totals, rows

    return ask


def _at(moment: datetime) -> int:
    return int(moment.timestamp())
