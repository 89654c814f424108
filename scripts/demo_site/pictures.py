"""Takes pictures of the demonstration's dashboard; `scripts/pictures` enters here."""

import asyncio
from enum import StrEnum
from pathlib import Path
import shutil
import sys
from typing import Final

from playwright.async_api import Browser, async_playwright, expect

from custom_components.netflex.simulation.remote import RemoteClient

from .commissioning import (
    RUN,
    choose_checks,
    open_commissioning,
    press_button,
    say_on_site,
)
from .home_assistant import HomeAssistant
from .processes import ROOT, DemoError
from .seed import ENTRY_ID
from .stage import StageSettings, demo_folder, staged


class _Page(StrEnum):
    """A view of the dashboard, by the beginning of its path."""

    SITE = "site"
    HOUSE = "house"


_IMAGES: Final = ROOT / ".github" / "images"
_DAY: Final = 120.0
_SETTLING: Final = 60.0
"""s of the day until there is something to see."""
_DESKTOP: Final = (1400, 1100)
_PHONE: Final = (400, 1500)
_PHONE_HOUSE: Final = (400, 900)
_SHOTS: Final = (
    ("demo.png", *_DESKTOP, False, _Page.SITE),
    ("demo-dark.png", *_DESKTOP, True, _Page.SITE),
    ("demo-phone.png", *_PHONE, False, _Page.SITE),
    ("demo-phone-dark.png", *_PHONE, True, _Page.SITE),
    ("house-phone.png", *_PHONE_HOUSE, False, _Page.HOUSE),
    ("house-phone-dark.png", *_PHONE_HOUSE, True, _Page.HOUSE),
    ("house.png", 1400, 700, False, _Page.HOUSE),
    ("house-dark.png", 1400, 700, True, _Page.HOUSE),
)
"""File, width and height in CSS pixels, dark, page."""
_CARDS: Final = (("programme.png", "netflex-programme-card"),)
"""File and card, as it is in the first page on a desktop."""
_CHROMIUM_ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)


async def take_pictures(images: Path) -> None:
    """Run the demonstration and write the pictures."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise DemoError("Chromium is not installed: scripts/setup --ci brings it")
    expect.set_options(timeout=60_000)
    settings = StageSettings(
        folder=demo_folder("pictures"), day_length=_DAY, brisk=True
    )
    async with staged(settings) as stage, async_playwright() as playwright:
        site = await stage.start_devices()
        child = await stage.start_home_assistant()
        async with stage.home_assistant() as home_assistant:
            await home_assistant.wait_until_running(child)
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=[*_CHROMIUM_ARGUMENTS]
        )
        images.mkdir(parents=True, exist_ok=True)
        address = f"http://127.0.0.1:{stage.ports.http}"
        await _commission(browser, address, site, images / "commissioning.png")
        await stage.start_day(site)
        await asyncio.sleep(_SETTLING)
        async with stage.home_assistant() as home_assistant:
            await hold_boiler_back(home_assistant)
        url = f"{address}/demo-site"
        for name, width, height, dark, page in _SHOTS:
            address = f"{url}/{page}-{ENTRY_ID.lower()}"
            await _shoot(browser, address, images / name, width, height, dark=dark)
        for name, tag in _CARDS:
            page = await browser.new_page(viewport={"width": 700, "height": 2400})
            await page.goto(f"{url}/{_Page.SITE}-{ENTRY_ID.lower()}")
            card = page.locator(tag)
            await expect(card.locator("svg").first).to_be_visible(timeout=60_000)
            await card.screenshot(path=images / name)
            print((images / name).relative_to(ROOT))
        await browser.close()


async def _commission(
    browser: Browser, address: str, site: RemoteClient, path: Path
) -> None:
    """Commission a part of the site, and take a picture of what that has proven."""
    await site.ask("set", sun=1.0, car_plugged=True)
    page = await browser.new_page(viewport={"width": 1000, "height": 1000})
    page.set_default_timeout(60_000)
    await open_commissioning(page, address)
    await choose_checks(page)
    await say_on_site(page)
    await press_button(page, site)
    await expect(page.get_by_text("What was proven")).to_be_visible(timeout=RUN)
    await asyncio.sleep(1)
    await page.get_by_role("dialog").last.screenshot(path=path)
    await page.close()
    print(path.relative_to(ROOT))


async def hold_boiler_back(home_assistant: HomeAssistant) -> None:
    """Have something to see on the page for the people in the house."""
    devices = await home_assistant.ask("config/device_registry/list")
    (boiler,) = (item["id"] for item in devices if item["name"] == "Boiler")
    await home_assistant.ask(
        "call_service",
        domain="netflex",
        service="hold_back",
        service_data={
            "device_id": boiler,
            "source": "Aggregator",
            "reason": "evening peak",
            "duration": "01:30:00",
        },
    )


async def _shoot(
    browser: Browser, url: str, path: Path, width: int, height: int, *, dark: bool
) -> None:
    page = await browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
    )
    await page.goto(url)
    drawn = page.get_by_text("Quarter hour").or_(page.get_by_text("This month"))
    await expect(drawn.first).to_be_visible(timeout=60_000)
    await asyncio.sleep(3)
    await page.screenshot(path=path)
    await page.close()
    print(path.relative_to(ROOT))


def main() -> int:
    """Run the command line; return the exit status."""
    try:
        asyncio.run(take_pictures(_IMAGES))
    except DemoError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
