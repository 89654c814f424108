"""A page with our modules and what Home Assistant's frontend gives to cards."""

from collections.abc import AsyncGenerator
from pathlib import Path

from playwright.async_api import Error, Page, Route, async_playwright, expect
import pytest

_MODULES = (
    Path(__file__).parents[2] / "custom_components" / "netflex" / "frontend" / "www"
)
PATIENCE = 60_000
"""ms: a loaded machine draws a first page slowly."""
expect.set_options(timeout=PATIENCE)
ORIGIN = "http://cards.test"
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Cards</title>
<style>body { margin: 8px; font-family: sans-serif; }</style><body></body></html>"""
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


VIRTUALIZER = "disconnected"
"""What Home Assistant's long lists (lit-virtualizer) reject a promise of their own with,
and nobody catches, when a page is left before they are drawn."""


def failures_of(page: Page) -> list[str]:
    """Return the list that takes up everything that goes wrong in a page."""
    failures: list[str] = []

    def note(error: Error) -> None:
        if str(error) != VIRTUALIZER:
            failures.append(f"{error} {error.stack}")

    page.on("pageerror", note)
    return failures


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
