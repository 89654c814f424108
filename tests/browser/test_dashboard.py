"""The dashboard of a simulated site in the real frontend, orders and wishes live."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
import re
from zoneinfo import ZoneInfo

from playwright.async_api import Locator, expect
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


AWAY = ZoneInfo("America/New_York")


async def expect_times(
    house: Locator, begun: datetime, told: datetime, zone: ZoneInfo
) -> None:
    """Look for since and until, both on a clock of one zone.

    It was told between `begun` and `told`.
    """
    until = timedelta(minutes=90)

    def clock(moments: tuple[datetime, ...]) -> str:
        return "|".join(f"{at.astimezone(zone):%I:%M.%p}" for at in moments)

    since = re.compile(rf"since \S*\s?({clock((begun, told))}): evening peak")
    await expect(house.get_by_text(since)).to_be_visible()
    end = re.compile(rf"Until .*({clock((begun + until, told + until))})\.")
    await expect(house.get_by_text(end)).to_be_visible()


async def test_not_now_gives_a_held_load_back_and_is_taken_back(
    demo: Stage, chromium: Path
) -> None:
    async with demo.home_assistant() as home_assistant:
        await until_boiler(home_assistant, draws=True)
        begun = datetime.now(UTC)
        await hold_boiler_back(home_assistant)
        told = datetime.now(UTC)
        await until_boiler(home_assistant, draws=False)
        async with browsing(
            chromium, width=400, height=900, time_zone=str(AWAY)
        ) as page:
            await page.goto(
                f"http://127.0.0.1:{demo.ports.http}/demo-site/house-{ENTRY_ID.lower()}"
            )
            house = page.locator("netflex-house-card")
            await expect(house.get_by_text("Boiler is held back now.")).to_be_visible()
            await expect(house.get_by_text("Aggregator")).to_be_visible()
            await expect_times(house, begun, told, AWAY)
            # The user would rather have the server's time zone.
            await home_assistant.ask(
                "frontend/set_user_data",
                key="language",
                value={"language": "en", "time_zone": "server"}
                | dict.fromkeys(
                    ("number_format", "time_format", "date_format", "first_weekday"),
                    "language",
                ),
            )
            await page.reload()
            await expect(house.get_by_text("Aggregator")).to_be_visible()
            await expect_times(house, begun, told, ZoneInfo("Europe/Brussels"))
            await house.get_by_role("button", name="Boiler: Not now (2 h)").click()
            await expect(house.get_by_text("Nothing is held back now.")).to_be_visible()
            await until_boiler(home_assistant, draws=True)
            await house.get_by_role("button", name="Boiler: Take it back").click()
            await expect(house.get_by_text("Boiler is held back now.")).to_be_visible()
            await until_boiler(home_assistant, draws=False)
