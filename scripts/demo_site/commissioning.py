"""The guided commissioning in a browser, as an installer at the site clicks through it."""

from typing import Final

from playwright.async_api import Locator, Page, expect

from custom_components.netflex.simulation.remote import RemoteClient

BUTTON: Final = "input of Solar contactor"
"""The stop button of the demonstration, at its relay module."""
RUN: Final = 300_000
"""ms that a part of a run may take on a loaded machine."""
_SETTINGS: Final = "config/integrations/integration/netflex"


async def open_commissioning(page: Page, address: str) -> None:
    """Open the options of the site, and its commissioning."""
    await page.goto(f"{address}/{_SETTINGS}")
    await page.get_by_role("button", name="Configure").first.click()
    await page.get_by_text("Commissioning").last.click()


async def choose_checks(page: Page) -> None:
    """Choose a step of a charger and an inverter, a relay, and the stop button."""
    await page.get_by_text("Try what is set up").last.click()
    groups = page.locator("ha-selector-select")
    await _only(groups.filter(has_text="Small steps"), "Charger", "Solar inverter")
    await _only(groups.filter(has_text="Stops by their own setpoint"))
    await _only(groups.filter(has_text="Emergency outputs"), "Solar contactor")
    await _only(groups.filter(has_text="Stop buttons"), BUTTON)


async def say_on_site(page: Page) -> None:
    """Say that somebody is at the site, and begin."""
    switches = page.locator("ha-selector-boolean").get_by_role("switch")
    await switches.last.press("Space")
    await page.get_by_role("button", name="Submit").click()


async def press_button(page: Page, plant: RemoteClient) -> None:
    """Press and release the stop button when the page asks for it."""
    press = page.get_by_text(f"Press the stop button now: {BUTTON}")
    await expect(press).to_be_visible(timeout=RUN)
    await plant.ask("set", stop_button=True)
    release = page.get_by_text(f"Release the stop button now: {BUTTON}")
    await expect(release).to_be_visible(timeout=RUN)
    await plant.ask("set", stop_button=False)


async def _only(group: Locator, *names: str) -> None:
    """Choose these of a group of boxes, and no other."""
    boxes = group.get_by_role("checkbox")
    await expect(boxes).not_to_have_count(0)
    for box in await boxes.all():
        if await box.get_attribute("aria-checked") == "true":
            await box.press("Space")
        await expect(box).not_to_be_checked()
    for name in names:
        chosen = group.get_by_role("checkbox", name=name, exact=True)
        await chosen.press("Space")
        await expect(chosen).to_be_checked()
