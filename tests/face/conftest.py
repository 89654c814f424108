"""A site in Home Assistant whose view a test decides."""

from collections.abc import Awaitable, Callable, Generator
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.netflex.coordinator import NetflexConfigEntry, SiteCoordinator
from custom_components.netflex.site.view import SiteView

from . import sites
from .fakes import FakeRuntime, FakeSite, full_view


@pytest.fixture
def all_enabled() -> Generator[None]:
    """Enable also the entities that are disabled at first."""
    with patch(
        "homeassistant.helpers.entity.Entity.entity_registry_enabled_default", True
    ):
        yield


@pytest.fixture
def view() -> SiteView:
    """What the site shows; a test may replace it."""
    return full_view()


@pytest.fixture
def entry() -> MockConfigEntry:
    """The site's entry; a test may replace it."""
    return sites.site_entry()


@pytest.fixture
def faked(view: SiteView) -> Generator[Callable[[], FakeSite]]:
    """Have every set-up of the integration run a fake site with the view."""
    running: list[FakeSite] = []

    def make(
        hass: HomeAssistant, entry: NetflexConfigEntry, _profiles: object
    ) -> FakeRuntime:
        running.append(site := FakeSite(view))
        return FakeRuntime(
            SiteCoordinator(hass, entry, site),  # type: ignore[arg-type]
            site,
        )

    with patch("custom_components.netflex.lifecycle.NetflexRuntime", make):
        yield lambda: running[-1]


@pytest.fixture
def no_entities() -> Generator[None]:
    """Set up no platforms, for tests that look at none of their entities."""
    with patch("custom_components.netflex.lifecycle.PLATFORMS", []):
        yield


@pytest.fixture
async def site(
    hass: HomeAssistant, entry: MockConfigEntry, faked: Callable[[], FakeSite]
) -> FakeSite:
    """A site that is set up with all its entities."""
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return faked()


@pytest.fixture
def show(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry
) -> Callable[..., Awaitable[None]]:
    """Change the view, and let the minute pass after which every entity follows."""
    coordinator = entry.runtime_data.coordinator

    async def change(**changes: Any) -> None:
        later = coordinator.monotonic() + 100.0
        coordinator.monotonic = lambda: later
        site.show(**changes)
        async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=2))
        await hass.async_block_till_done()

    return change
