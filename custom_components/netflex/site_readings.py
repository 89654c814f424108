"""The readings that a site keeps in the house: storing, asking, erasing."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, tzinfo
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.http import KEY_HASS, HomeAssistantView
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .coordinator import NetflexConfigEntry, SiteCoordinator
from .model.failure import reason_of
from .readings_options import CONF_DAYS, CONF_KEEP, CONF_MEGABYTES
from .site.config import SiteConfig
from .site.site import Site
from .site.telemetry_feed import kept_values
from .site_figures import SiteFigures
from .site_readings_fill import ReadingsFill
from .site_readings_sources import Sources
from .telemetry.keeper import Bounds, TelemetryKeeper
from .telemetry.store import TelemetryStore, TelemetryStoreError
from .telemetry.values import Bucket, Gap, Resolution, Series, SeriesKind

RESOLUTIONS: Final = {
    "minute": Resolution.MINUTE,
    "5minutes": Resolution.FIVE_MINUTES,
    "30minutes": Resolution.HALF_HOUR,
    "hour": Resolution.HOUR,
    "day": Resolution.DAY,
}
MOST_BUCKETS: Final = 100_000
"""Roll-ups in one answer; more are refused before anything is read."""


class ReadingsError(Exception):
    """Readings cannot be given; `key` is that of a translated text."""

    def __init__(self, key: str, **placeholders: str) -> None:
        """Give the reason."""
        super().__init__(key)
        self.key = key
        self.placeholders = placeholders


class SiteReadings:
    """Keeps one site's readings while that is switched on."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: NetflexConfigEntry,
        coordinator: SiteCoordinator,
        site: Site,
        config: Callable[[], SiteConfig],
    ) -> None:
        """Prepare; nothing is kept yet. `config` returns the site as it is now."""
        self._hass = hass
        self._entry = entry
        self._coordinator = coordinator
        self._config = config
        self._figures = SiteFigures(hass, site, lambda: config().assets)
        self._fill = ReadingsFill(
            hass,
            lambda: Sources(hass, entry.entry_id, config()),
            lambda: coordinator.data.site_meter,
            self._figures.async_forget,
        )
        self._keeper: TelemetryKeeper | None = None
        self._bounds: Bounds | None = None
        self._unsubscribe: CALLBACK_TYPE | None = None

    async def async_set(self, options: Mapping[str, Any]) -> None:
        """Follow the options: begin, end, or keep within other bounds."""
        bounds = (
            Bounds(days=options[CONF_DAYS], megabytes=options[CONF_MEGABYTES])
            if options.get(CONF_KEEP)
            else None
        )
        if bounds == self._bounds:
            return
        await self.async_stop()
        self._bounds = bounds
        if bounds is None:
            return
        path = readings_path(self._hass, self._entry.entry_id)
        await self._hass.async_add_executor_job(
            partial(path.parent.mkdir, parents=True, exist_ok=True)
        )
        self._keeper = TelemetryKeeper(path, bounds)
        await self._keeper.start()
        self._unsubscribe = self._coordinator.async_add_listener(self._take)
        self._figures.async_start(self._keeper)
        self._fill.async_start(self._keeper)

    async def async_stop(self) -> None:
        """Store what there is and let go of the file."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        await self._fill.async_stop()
        await self._figures.async_stop()
        keeper, self._keeper, self._bounds = self._keeper, None, None
        if keeper is not None:
            await keeper.stop()

    async def async_hold_file(self, hold: bool) -> None:
        """Leave the file as it is while a backup copies it; sqlite3.Error if not."""
        if self._keeper is not None:
            await self._keeper.hold_file(hold)

    @callback
    def _take(self) -> None:
        if self._keeper is not None:
            self._keeper.take(
                *kept_values(self._coordinator.data, self._config().assets)
            )

    @property
    def problem(self) -> str | None:
        """Why nothing is stored although it is switched on."""
        return None if self._keeper is None else self._keeper.problem

    @property
    def condition(self) -> dict[str, Any]:
        """How keeping and filling are doing, for who looks for a fault."""
        return {
            "kept": self._keeper is not None,
            "problem": self.problem,
            "history": self._fill.state.value,
            "filled": self._fill.filled,
        }

    async def async_get(
        self,
        start: datetime,
        end: datetime,
        resolution: Resolution,
        keys: Iterable[str] | None,
    ) -> dict[str, Any]:
        """Return roll-ups, words, gaps and what was filled in of some series, or of all.

        Raises:
            ReadingsError: Nothing is kept, too much is asked for, or the store fails.
        """
        if (keeper := self._keeper) is None:
            raise ReadingsError("readings_off", site=self._entry.title)
        zone = dt_util.get_default_time_zone()
        question = partial(
            _answer,
            start=int(start.timestamp()),
            end=int(end.timestamp()),
            resolution=resolution,
            keys=None if keys is None else set(keys),
            zone=zone,
        )
        try:
            return await keeper.ask(question)
        except TelemetryStoreError as err:
            raise ReadingsError("readings_unusable", error=reason_of(err)) from err

    async def async_erase(self) -> None:
        """Forget everything that was kept; keeping goes on if it is switched on.

        Raises OSError where a file cannot be deleted.
        """
        bounds = self._bounds
        await self.async_stop()
        try:
            await async_forget_readings(self._hass, self._entry.entry_id)
        finally:
            if bounds is not None:
                await self.async_set(
                    {
                        CONF_KEEP: True,
                        CONF_DAYS: bounds.days,
                        CONF_MEGABYTES: bounds.megabytes,
                    }
                )


def _answer(
    store: TelemetryStore,
    *,
    start: int,
    end: int,
    resolution: Resolution,
    keys: set[str] | None,
    zone: tzinfo,
) -> dict[str, Any]:
    known = store.series()
    if keys is not None and (unknown := keys - {item.key for item in known}):
        raise ReadingsError("readings_unknown", series=", ".join(sorted(unknown)))
    chosen = [item for item in known if keys is None or item.key in keys]
    if (end - start) // resolution * len(chosen) > MOST_BUCKETS:
        raise ReadingsError("readings_too_many", most=str(MOST_BUCKETS))
    return {
        item.key: _series(store, item, start, end, resolution, zone) for item in chosen
    }


def _series(
    store: TelemetryStore,
    series: Series,
    start: int,
    end: int,
    resolution: Resolution,
    zone: tzinfo,
) -> dict[str, Any]:
    answer: dict[str, Any] = {"kind": series.kind.value, "unit": series.unit}
    if series.kind is SeriesKind.TEXT:
        words = store.texts(series.key, start, end)
        answer["changes"] = [{"at": _iso(item.at), "text": item.text} for item in words]
        return answer
    buckets = store.buckets(series.key, start, end, resolution, zone)
    answer["readings"] = [_bucket(item, series.kind) for item in buckets]
    answer["gaps"] = _times(store.gaps(series.key, start, end))
    answer["filled"] = _times(store.filled(series.key, start, end))
    return answer


def _times(gaps: Iterable[Gap]) -> list[dict[str, str]]:
    return [{"start": _iso(gap.start), "end": _iso(gap.end)} for gap in gaps]


def _bucket(bucket: Bucket, kind: SeriesKind) -> dict[str, Any]:
    row: dict[str, Any] = {"start": _iso(bucket.start), "count": bucket.count}
    if kind is SeriesKind.COUNTER:
        return row | {"delta": bucket.delta}
    return row | {
        "mean": bucket.mean,
        "minimum": bucket.minimum,
        "maximum": bucket.maximum,
    }


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def readings_path(hass: HomeAssistant, entry_id: str) -> Path:
    """Return the file of a site's readings."""
    return Path(hass.config.path(DOMAIN, "readings", f"{entry_id}.db"))


async def async_forget_readings(hass: HomeAssistant, entry_id: str) -> None:
    """Delete what was kept for a site."""
    path = readings_path(hass, entry_id)
    for suffix in ("", "-wal", "-shm"):
        file = path.with_name(f"{path.name}{suffix}")
        await hass.async_add_executor_job(partial(file.unlink, missing_ok=True))


class ReadingsView(HomeAssistantView):
    """Readings for other programs of the house, with Home Assistant's own tokens."""

    url = f"/api/{DOMAIN}/readings/{{entry_id}}"
    name = f"api:{DOMAIN}:readings"

    async def get(self, request: web.Request, entry_id: str) -> web.Response:
        """Answer `?from=…&to=…&resolution=hour&series=a,b`; times are ISO 8601."""
        hass = request.app[KEY_HASS]
        entry: NetflexConfigEntry | None = hass.config_entries.async_get_entry(entry_id)
        if (
            entry is None
            or entry.domain != DOMAIN
            or entry.state is not ConfigEntryState.LOADED
        ):
            return self.json_message("There is no such site", HTTPStatus.NOT_FOUND)
        query = request.query
        start = _time(query.get("from"))
        end = _time(query.get("to")) if "to" in query else dt_util.utcnow()
        resolution = RESOLUTIONS.get(query.get("resolution", "hour"))
        if start is None or end is None or resolution is None or start >= end:
            return self.json_message(
                "Give from and to in ISO 8601, from before to, and a resolution out of "
                + ", ".join(RESOLUTIONS),
                HTTPStatus.BAD_REQUEST,
            )
        keys = query["series"].split(",") if "series" in query else None
        try:
            readings = await entry.runtime_data.readings.async_get(
                start, end, resolution, keys
            )
        except ReadingsError as err:
            return self.json_message(
                f"{err.key}: {', '.join(err.placeholders.values())}",
                HTTPStatus.BAD_REQUEST,
            )
        return self.json(readings)


def _time(text: str | None) -> datetime | None:
    """Return a time in UTC; one without a zone is Home Assistant's own."""
    # A plus sign of a zone arrives as a space where it was not encoded.
    parsed = None if text is None else dt_util.parse_datetime(text.replace(" ", "+"))
    return None if parsed is None else dt_util.as_utc(parsed)
