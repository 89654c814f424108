"""Takes pictures of the demonstration's dashboard; `scripts/pictures` enters here."""

import asyncio
from pathlib import Path
import shutil
import sys
from typing import Final

from playwright.async_api import Browser, async_playwright, expect

from .processes import ROOT, DemoError
from .stage import StageSettings, demo_folder, staged

_IMAGES: Final = ROOT / ".github" / "images"
_DAY: Final = 120.0
_SETTLING: Final = 45.0
"""s of the day until there is something to see."""
_SHOTS: Final = (
    ("demo.png", 1400, 1100, False),
    ("demo-dark.png", 1400, 1100, True),
    ("demo-phone.png", 400, 1500, False),
)
"""File, width and height in CSS pixels, dark."""
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
    settings = StageSettings(folder=demo_folder("pictures"), day_length=_DAY)
    async with staged(settings) as stage, async_playwright() as playwright:
        site = await stage.start_devices()
        child = await stage.start_home_assistant()
        async with stage.home_assistant() as home_assistant:
            await home_assistant.wait_until_running(child)
        await stage.start_day(site)
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=[*_CHROMIUM_ARGUMENTS]
        )
        await asyncio.sleep(_SETTLING)
        url = f"http://127.0.0.1:{stage.ports.http}/demo-site"
        images.mkdir(parents=True, exist_ok=True)
        for name, width, height, dark in _SHOTS:
            await _shoot(browser, url, images / name, width, height, dark=dark)
        await browser.close()


async def _shoot(
    browser: Browser, url: str, path: Path, width: int, height: int, *, dark: bool
) -> None:
    page = await browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
    )
    await page.goto(url)
    await expect(page.get_by_text("Quarter hour").first).to_be_visible(timeout=60_000)
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
