"""A page with our modules and what Home Assistant's frontend gives to cards."""

from collections.abc import AsyncGenerator
from pathlib import Path

from playwright.async_api import Page, Route, async_playwright
import pytest

from custom_components.netflex.simulation.remote import RemoteClient
from scripts.demo_site.stage import Stage, StageSettings, staged

from .browsing import ARGUMENTS, PATIENCE, failures_of

_MODULES = (
    Path(__file__).parents[2] / "custom_components" / "netflex" / "frontend" / "www"
)
ORIGIN = "http://cards.test"
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Cards</title>
<style>body { margin: 8px; font-family: sans-serif; }</style><body></body></html>"""


@pytest.fixture
async def page(chromium: Path, socket_enabled: None) -> AsyncGenerator[Page]:
    """Return an empty page that reaches nothing but our modules."""

    async def answer(route: Route) -> None:
        name = route.request.url.removeprefix(f"{ORIGIN}/")
        path = _MODULES / name
        if not name:
            await route.fulfill(body=_PAGE, content_type="text/html")
        elif path.parent == _MODULES and path.is_file():
            await route.fulfill(
                body=path.read_text(), content_type="application/javascript"
            )
        else:
            await route.abort()

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=ARGUMENTS
        )
        page = await browser.new_page(viewport={"width": 900, "height": 900})
        page.set_default_timeout(PATIENCE)
        failures = failures_of(page)
        await page.route("**/*", answer)
        await page.goto(f"{ORIGIN}/")
        yield page
        await browser.close()
        assert failures == []


@pytest.fixture
async def stage(tmp_path: Path, socket_enabled: None) -> AsyncGenerator[Stage]:
    """Return where the demonstration runs, with nothing running yet."""
    settings = StageSettings(folder=tmp_path / "demo", http_port=18_123)
    async with staged(settings) as stage:
        yield stage


@pytest.fixture
async def plant(stage: Stage) -> RemoteClient:
    """Run the devices as the demonstration does; return their remote control."""
    return await stage.start_devices()


@pytest.fixture
async def demo(stage: Stage, plant: RemoteClient) -> Stage:
    """Run Home Assistant and the devices as the demonstration does; no day."""
    child = await stage.start_home_assistant()
    async with stage.home_assistant() as home_assistant:
        await home_assistant.wait_until_running(child)
    return stage
