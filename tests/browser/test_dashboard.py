"""The dashboard of a simulated site in the real frontend, an order arriving live."""

from pathlib import Path

from playwright.async_api import expect
import pytest

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
