"""The dashboard of a simulated site in the real frontend, orders and wishes live."""

import asyncio
from pathlib import Path

from playwright.async_api import expect
import pytest

from scripts.demo_site.home_assistant import HomeAssistant
from scripts.demo_site.pictures import hold_boiler_back
from scripts.demo_site.seed import ENTRY_ID
from scripts.demo_site.stage import Stage

from .browsing import browsing

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.usefixtures("socket_enabled"),
]


async def test_an_order_is_seen_live_and_says_what_became_of_it(
    demo: Stage, chromium: Path
) -> None:
    _, rtu = await demo.start_operator()
    async with browsing(chromium, width=1400, height=1100) as page:
        await page.goto(f"http://127.0.0.1:{demo.ports.http}/demo-site")
        site = page.locator("netflex-site-card")
        await expect(site.get_by_text("Nothing ordered")).to_be_visible()
        link = page.locator("netflex-link-card")
        await expect(link.get_by_text("Waits for the operator")).to_be_visible()
        await rtu.ask("connect", within=60, timeout=90)
        await expect(link.get_by_text("Connected", exact=True)).to_be_visible()
        await rtu.ask("order", name="maxsetp", value=40, wait=True)
        row = page.locator("netflex-timeline-card").get_by_role("row", name="MAXSETP")
        await expect(row).to_contain_text("40 %")
        await expect(row).to_contain_text("kept")
        await expect(site.get_by_text("Limited by the grid operator")).to_be_visible()
        await rtu.ask("order", name="emergency_stop_consumption", value=True, wait=True)
        await expect(site.get_by_text("Emergency stop", exact=True)).to_be_visible()


async def until_boiler(home_assistant: HomeAssistant, *, draws: bool) -> None:
    """Wait until the boiler draws its power, or none, by its own reading."""
    async with asyncio.timeout(120):
        while True:
            state = await home_assistant.get("states/sensor.boiler_power")
            if (float(state["state"]) > 1000) is draws:
                return
            await asyncio.sleep(0.05)


async def test_not_now_gives_a_held_load_back_and_is_taken_back(
    demo: Stage, chromium: Path
) -> None:
    async with demo.home_assistant() as home_assistant:
        await until_boiler(home_assistant, draws=True)
        await hold_boiler_back(home_assistant)
        await until_boiler(home_assistant, draws=False)
        async with browsing(chromium, width=400, height=900) as page:
            await page.goto(
                f"http://127.0.0.1:{demo.ports.http}/demo-site/house-{ENTRY_ID.lower()}"
            )
            house = page.locator("netflex-house-card")
            await expect(house.get_by_text("Boiler is held back now.")).to_be_visible()
            await expect(house.get_by_text("Aggregator")).to_be_visible()
            await house.get_by_role("button", name="Boiler: Not now (2 h)").click()
            await expect(house.get_by_text("Nothing is held back now.")).to_be_visible()
            await until_boiler(home_assistant, draws=True)
            await house.get_by_role("button", name="Boiler: Take it back").click()
            await expect(house.get_by_text("Boiler is held back now.")).to_be_visible()
            await until_boiler(home_assistant, draws=False)
