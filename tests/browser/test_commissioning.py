"""The guided commissioning in a real browser, on the simulated devices."""

from pathlib import Path

from playwright.async_api import Locator, expect
import pytest

from scripts.demo_site.stage import Stage

from .browsing import browsing
from .forms import Person

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.usefixtures("socket_enabled"),
]

RUN = 300_000
"""ms that a run of two checks may take on a loaded machine."""


async def open_commissioning(person: Person) -> None:
    """Open the options of the site, and its commissioning."""
    await person.open("config/integrations/integration/netflex")
    await person.page.get_by_role("button", name="Configure").first.click()
    await person.choose("Commissioning")


async def only(group: Locator, name: str | None) -> None:
    """Choose one of a group of boxes, or none."""
    boxes = group.get_by_role("checkbox")
    await expect(boxes).not_to_have_count(0)
    for box in await boxes.all():
        if await box.get_attribute("aria-checked") == "true":
            await box.press("Space")
        await expect(box).not_to_be_checked()
    if name is not None:
        chosen = group.get_by_role("checkbox", name=name, exact=True)
        await chosen.press("Space")
        await expect(chosen).to_be_checked()


async def test_a_commissioning_tells_what_is_proven_and_what_is_only_configured(
    demo: Stage, chromium: Path
) -> None:
    async with browsing(chromium, height=1400) as page:
        person = Person(page, f"http://127.0.0.1:{demo.ports.http}")
        await open_commissioning(person)
        await person.choose("Try what is set up")
        groups = page.locator("ha-selector-select")
        await only(groups.filter(has_text="Small steps"), "Battery")
        await only(groups.filter(has_text="Stops by their own setpoint"), "Boiler")
        await only(groups.filter(has_text="Emergency outputs"), None)
        switches = page.locator("ha-selector-boolean").get_by_role("switch")
        await expect(switches).to_have_count(2)
        rehearse, on_site = await switches.all()
        await rehearse.press("Space")
        await person.submit()
        await expect(page.get_by_text("Somebody has to be there")).to_be_visible()
        await on_site.press("Space")
        await person.submit()
        await expect(page.get_by_text("1 of 2: Battery: small steps")).to_be_visible()

        # A page that is loaded anew finds the run again.
        await page.reload()
        await open_commissioning(person)
        await expect(page.get_by_text("2 of 2: Boiler: stop")).to_be_visible(
            timeout=RUN
        )
        await expect(page.get_by_text("What was proven")).to_be_visible(timeout=RUN)
        rows = page.get_by_role("row")
        steps = rows.filter(has_text="Battery: Follows small steps").first
        await expect(steps).to_contain_text("✓ proven")
        await expect(steps).to_contain_text("It follows. A step of 1000 W was told")
        stop = rows.filter(has_text="Boiler: Stop by its own setpoint")
        await expect(stop).to_contain_text("✓ proven")
        await expect(stop).to_contain_text("its own reading went from 2400 W to 0")
        untried = rows.filter(has_text="Cold store: Stop by its own setpoint")
        await expect(untried).to_contain_text("– only configured")
        await expect(untried).to_contain_text("Not tried yet")
        await page.get_by_role("button", name="Close").first.click()

        await open_commissioning(person)
        await person.choose("Show the checklist")
        await expect(stop).to_contain_text("✓ proven")
    async with demo.home_assistant() as home_assistant:
        state = await home_assistant.get("states/sensor.demo_site_commissioning")
    assert state["state"] == "done"
    assert state["attributes"]["proven"] == 2
