"""A browser whose pages may not go wrong, on a machine that may be slow."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Error, Page, async_playwright, expect

PATIENCE = 60_000
"""ms: a loaded machine draws a first page slowly."""
expect.set_options(timeout=PATIENCE)
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


@asynccontextmanager
async def browsing(
    chromium: Path,
    *,
    width: int = 1100,
    height: int = 1000,
    time_zone: str | None = None,
) -> AsyncIterator[Page]:
    """Open an empty page; at the end nothing may have gone wrong in it.

    `time_zone` is that of the browser's machine; None: this machine's.
    """
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=ARGUMENTS
        )
        page = await browser.new_page(
            viewport={"width": width, "height": height}, timezone_id=time_zone
        )
        page.set_default_timeout(PATIENCE)
        failures = failures_of(page)
        yield page
        await browser.close()
    assert failures == [], failures
