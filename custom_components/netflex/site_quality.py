"""The daily report on a site's data: counting, storing, reporting at 06:00 UTC."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.event import (
    async_track_time_interval,
    async_track_utc_time_change,
)
from homeassistant.helpers.storage import Store
from homeassistant.util import dt as dt_util

from .const import DOMAIN, LOGGER
from .coordinator import NetflexConfigEntry, SiteCoordinator
from .devices.device import DeviceConfig
from .devices.profile import Poll, Profile
from .devices.profile_loader import ProfileLibrary
from .devices.session import SLOW_POLLS
from .devices.yaml_nodes import ProfileError
from .metering.dlms_objects import EXPECTED_PERIODS, PushGroup
from .metering.dlms_reader import ENERGY_PUSHES
from .model.asset import Asset
from .model.connection import ConnectionPoint, Line
from .site.config import SiteConfig
from .site.quality_feed import QualityFeed, Slower, expectations
from .site.site import Site
from .telemetry.quality import (
    Expectation,
    QualityReport,
    report_from_dict,
    report_to_dict,
)
from .telemetry.quality_ledger import QualityLedger

STORE_VERSION: Final = 1
SAVE_EVERY: Final = timedelta(minutes=10)
"""What a crash may cost of the counting. A delayed save would be put off by each view."""
REPORT_HOUR: Final = 6
"""UTC, as GOFLEX's daily report."""
_LINES: Final = {
    f"{quantity}_{phase}": f"line_{quantity}.{line.value}"
    for quantity in ("voltage", "current")
    for phase, line in zip(("l1", "l2", "l3"), Line, strict=True)
}
"""Series of lines by the profile's name of the point."""
P1_PERIOD: Final = 1.0
"""s between two telegrams of a P1 port whose own rhythm is not known yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """What of a site's configuration counts here; `periods` s by source."""

    config: SiteConfig
    assets: Mapping[str, Asset]
    periods: Mapping[str, float]
    slower: Mapping[str, Slower]

    @property
    def connection(self) -> ConnectionPoint:
        """The connection point."""
        return self.config.connection


class SiteQuality:
    """Counts the data of one site and reports on them every day."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: NetflexConfigEntry,
        site: Site,
        coordinator: SiteCoordinator,
        profiles: ProfileLibrary,
        config: Callable[[], SiteConfig],
    ) -> None:
        """Prepare; `config` returns the site as it is now."""
        self._hass = hass
        self._site = site
        self._coordinator = coordinator
        self._profiles = profiles
        self._config = config
        self._store = quality_store(hass, entry.entry_id)
        self._ledger = QualityLedger()
        self._feed = QualityFeed(self._ledger)
        self._known: _Facts | None = None
        self.daily: QualityReport | None = None
        """The newest report of 06:00 UTC."""
        self._unsubscribe: list[CALLBACK_TYPE] = []

    async def async_start(self) -> None:
        """Go on from what was stored, and count from now on."""
        stored = await self._store.async_load()
        try:
            if stored is not None:
                self._ledger = QualityLedger.from_dict(stored["ledger"])
                self._feed = QualityFeed(self._ledger)
                self.daily = report_from_dict(stored["report"])
                self._site.set_quality(self.daily)
        except (KeyError, ValueError) as err:
            LOGGER.warning("The stored data quality is not used: %s", err)
        self._unsubscribe = [
            self._coordinator.async_add_listener(self._take),
            async_track_time_interval(self._hass, self._async_save, SAVE_EVERY),
            async_track_utc_time_change(
                self._hass, self._report, hour=REPORT_HOUR, minute=0, second=0
            ),
        ]

    async def async_stop(self) -> None:
        """Store what was counted."""
        while self._unsubscribe:
            self._unsubscribe.pop()()
        await self.async_save()

    async def async_save(self) -> None:
        """Store what was counted until now."""
        await self._store.async_save(self._stored())

    def report(self) -> QualityReport:
        """Return what the last 24 hours were like, as of now."""
        return self._ledger.report(dt_util.utcnow().timestamp(), self._expectations())

    @callback
    def _take(self) -> None:
        facts = self._facts()
        self._feed.take(
            dt_util.utcnow().timestamp(),
            self._coordinator.data,
            facts.connection,
            facts.assets,
            facts.periods,
            facts.slower,
        )

    async def _async_save(self, _now: datetime) -> None:
        await self.async_save()

    @callback
    def _report(self, _now: datetime) -> None:
        wanted = self._expectations()
        self._ledger.forget_others(item.source for item in wanted)
        self.daily = self.report()
        self._site.set_quality(self.daily)
        self._store.async_delay_save(self._stored, 0)

    def _expectations(self) -> tuple[Expectation, ...]:
        facts = self._facts()
        return expectations(
            self._coordinator.data,
            facts.connection,
            facts.assets,
            facts.periods,
            facts.slower,
        )

    def _facts(self) -> _Facts:
        """Return what does not change until the configuration does."""
        config = self._config()
        if self._known is None or self._known.config is not config:
            periods, slower = self._rhythms(config)
            self._known = _Facts(
                config=config,
                assets=config.assets,
                periods=periods,
                slower=slower,
            )
        return self._known

    def _rhythms(
        self, config: SiteConfig
    ) -> tuple[Mapping[str, float], Mapping[str, Slower]]:
        """Return the s between two answers of everything that has a rhythm.

        And by source those series that come more rarely: what a profile reads in its
        slow polls, and what a meter pushes in another group.
        """
        slower: dict[str, Slower] = {}
        periods = {
            meter.meter_id: P1_PERIOD
            for meter in config.meters
            if meter.url is not None and meter.s1 is None and meter.dlms is None
        }
        for meter in config.meters:
            if meter.dlms is not None:
                periods[meter.meter_id] = EXPECTED_PERIODS[PushGroup.TECHNICAL]
                slower[meter.meter_id] = Slower(
                    period=EXPECTED_PERIODS[PushGroup.ENERGY],
                    series=frozenset({"energy_import", "energy_export"}),
                    detail=ENERGY_PUSHES,
                )
        polled: list[tuple[str, DeviceConfig]] = [
            (device.device_id, device) for device in config.devices
        ]
        polled += [
            (meter.meter_id, meter.device)
            for meter in config.meters
            if meter.device is not None
        ]
        for source, device in polled:
            # One that cannot be set up is looked at once a minute, and found missing.
            with suppress(KeyError, ProfileError):
                if device.profile is not None:
                    profile = self._profiles.get(device.profile).bind(device.params)
                    periods[source] = profile.fast
                    slow = slow_series(profile)
                    if slow:
                        slower[source] = Slower(
                            period=profile.slow, series=slow, detail=SLOW_POLLS
                        )
        return periods, slower

    def _stored(self) -> dict[str, Any]:
        return {
            "ledger": self._ledger.to_dict(),
            "report": report_to_dict(self.daily),
        }


def slow_series(profile: Profile) -> frozenset[str]:
    """Return the series that a profile reads in its slow polls."""
    return frozenset(
        series
        for key, point in profile.points.items()
        if point.poll is Poll.SLOW
        for series in [_LINES.get(key, key)]
    )


def quality_store(hass: HomeAssistant, entry_id: str) -> Store[dict[str, Any]]:
    """Return the file of one site's counts."""
    return Store(hass, STORE_VERSION, f"{DOMAIN}.{entry_id}.quality")
