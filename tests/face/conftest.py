"""A site in Home Assistant whose view a test decides."""

from collections.abc import Awaitable, Callable, Generator
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from homeassistant.core import HomeAssistant, ServiceRegistry
from homeassistant.data_entry_flow import FlowManager
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.issue_registry import IssueRegistry
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.netflex.const import DOMAIN
from custom_components.netflex.coordinator import NetflexConfigEntry, SiteCoordinator
from custom_components.netflex.site.view import SiteView

from . import sites
from .fakes import FakeRuntime, FakeSite, full_view
from .translations import (
    assert_exception_is_translated,
    assert_issue_is_translated,
    assert_step_is_translated,
)


@pytest.fixture(autouse=True)
def everything_is_translated(request: pytest.FixtureRequest) -> Generator[None]:
    """Have whatever any test here shows to a user looked up in the translations.

    Each form, menu, error and end of a flow; each repair; what each action refuses.
    """
    if "hass" not in request.fixturenames:
        yield
        return
    hass: HomeAssistant = request.getfixturevalue("hass")
    handle, create = FlowManager._async_handle_step, IssueRegistry.async_get_or_create
    call = ServiceRegistry.async_call

    async def handled(
        manager: FlowManager[Any, Any], flow: Any, step_id: str, user_input: Any
    ) -> Any:
        result = await handle(manager, flow, step_id, user_input)
        assert_step_is_translated(hass, flow, result)
        return result

    def created(registry: IssueRegistry, domain: str, *args: Any, **said: Any) -> Any:
        issue = create(registry, domain, *args, **said)
        if domain == DOMAIN:
            assert_issue_is_translated(issue)
        return issue

    async def called(
        services: ServiceRegistry, domain: str, service: str, *args: Any, **given: Any
    ) -> Any:
        try:
            return await call(services, domain, service, *args, **given)
        except HomeAssistantError as err:
            if domain == DOMAIN:
                assert_exception_is_translated(err)
            raise

    with (
        patch.object(FlowManager, "_async_handle_step", handled),
        patch.object(IssueRegistry, "async_get_or_create", created),
        patch.object(ServiceRegistry, "async_call", called),
    ):
        yield


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
