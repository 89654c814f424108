"""A site that keeps what it is told, and the market that tells it."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.netflex.entry_dispatch import DispatchSource
from custom_components.netflex.market.feed import MarketConfig, SiteMarket
from custom_components.netflex.market.options import market_options
from custom_components.netflex.site.dispatch_proof import DispatchLedger
from custom_components.netflex.site.economy import NO_ECONOMY, Economy

NOW = datetime(2026, 11, 28, 10, 7, 0, tzinfo=UTC)


class ToldSite:
    """Stands for a site: it keeps the newest economy that it is told."""

    def __init__(self) -> None:
        self.economy = NO_ECONOMY
        self.dispatch = DispatchLedger(
            record=lambda _kind, _data: None, zone=lambda: UTC
        )

    def set_economy(self, economy: Economy) -> None:
        self.economy = economy


type Follow = Callable[..., Awaitable[ToldSite]]


@pytest.fixture(autouse=True)
async def _clock(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    await hass.config.async_set_time_zone("Europe/Brussels")
    freezer.move_to(NOW)


@pytest.fixture
def entry(hass: HomeAssistant) -> MockConfigEntry:
    """The site's entry."""
    entry = MockConfigEntry(domain="netflex", entry_id="01SITE")
    entry.add_to_hass(hass)
    return entry


@pytest.fixture
async def market(
    hass: HomeAssistant, entry: MockConfigEntry
) -> AsyncGenerator[SiteMarket]:
    """The market of a site; a test has it follow something."""
    site = ToldSite()
    market = SiteMarket(hass, entry, site)  # type: ignore[arg-type]
    yield market
    await market.async_stop()


@pytest.fixture
def follow(hass: HomeAssistant, market: SiteMarket) -> Follow:
    """Have the market follow options and sources; return what it tells."""

    async def start(
        options: dict[str, Any] | None = None,
        *sources: DispatchSource,
        schedules: frozenset[str] = frozenset(),
    ) -> ToldSite:
        await market.async_start(
            MarketConfig(
                options=market_options(options or {}),
                sources=sources,
                schedules=schedules,
            )
        )
        await hass.async_block_till_done(wait_background_tasks=True)
        return market._site  # type: ignore[return-value]

    return start


@pytest.fixture
def later(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> Callable[[timedelta], Awaitable[None]]:
    """Let time pass."""

    async def wait(time: timedelta) -> None:
        freezer.tick(time)
        async_fire_time_changed(hass)
        await hass.async_block_till_done(wait_background_tasks=True)

    return wait
