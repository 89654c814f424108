"""Home Assistant's own dialogs, as a person goes through them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
import time

from playwright.async_api import Page, expect


class Person:
    """Somebody at a browser, who does one named step after the other."""

    def __init__(self, page: Page, address: str) -> None:
        """Sit down before a page; `address` is Home Assistant's."""
        self.page = page
        self.address = address
        self.steps: list[tuple[str, float]] = []
        """What was done, and the s that it took."""

    @asynccontextmanager
    async def step(self, name: str) -> AsyncIterator[None]:
        """Take the time of one step."""
        begun = time.monotonic()
        yield
        self.steps.append((name, time.monotonic() - begun))

    async def open(self, path: str) -> None:
        """Go to a page of Home Assistant."""
        await self.page.goto(f"{self.address}/{path}")

    async def choose(self, text: str) -> None:
        """Click what a menu or list of the dialog offers."""
        await self.page.get_by_text(text).last.click()

    async def type(self, field: str, text: str) -> None:
        """Fill in a text."""
        await self.page.get_by_role("textbox", name=field).fill(text)

    async def number(self, field: str, value: float) -> None:
        """Fill in a number."""
        await self.page.get_by_role("spinbutton", name=field).fill(f"{value:g}")

    async def serial_port(self, path: str) -> None:
        """Enter a port that the list of ports does not have."""
        selector = self.page.locator("ha-selector-serial_port")
        await selector.click()
        await self.page.get_by_text("Enter manually", exact=True).click()
        await selector.get_by_role("textbox", name="Port").fill(path)

    async def select(self, label: str, option: str) -> None:
        """Choose from a list that unfolds."""
        chooser = self.page.locator("ha-selector-select").filter(has_text=label)
        await chooser.click()
        await self.page.get_by_role("menuitem", name=option).click()

    async def submit(self) -> None:
        """Submit the form in front."""
        await self.page.get_by_role("button", name="Submit").click()

    async def finish(self) -> None:
        """Close the dialog that says that it is done; it may not refuse instead."""
        button = self.page.get_by_role("button", name="Finish")
        refused = self.page.locator("ha-dialog ha-alert[alert-type=error]")
        await button.or_(refused).first.wait_for()
        assert await refused.all_inner_texts() == []
        await button.click()
        await expect(button).to_have_count(0)
