"""The guided commissioning in a real browser, on the simulated devices."""

from collections.abc import AsyncGenerator
from pathlib import Path
import re

from playwright.async_api import Page, expect
import pytest

from custom_components.netflex.simulation.remote import RemoteClient
from scripts.demo_site.commissioning import (
    BUTTON,
    RUN,
    choose_checks,
    open_commissioning,
    press_button,
    say_on_site,
)
from scripts.demo_site.stage import Stage, StageSettings, staged

from .browsing import browsing

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("socket_enabled"),
]

FOLLOWED = re.compile(
    r"It follows\. A step of \d+ W was told; its own reading moved by \d+ W after "
    r"\d+\.\d s; the meter moved by \d+ W after \d+\.\d s\. "
    r"It loads L1 L2 L3, as configured \(L1 L2 L3\)"
)
"""Sign and size of the step, the time that it took, and the lines."""
RELAY = re.compile(
    r"The coil switched after \d+\.\d s; the auxiliary contact followed after "
    r"\d+\.\d s; what is behind it fell from \d+ W to 0 after"
)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncGenerator[Stage]:
    """Return where the demonstration runs, without its longer waits."""
    settings = StageSettings(folder=tmp_path / "demo", http_port=18_123, brisk=True)
    async with staged(settings) as stage:
        yield stage


async def test_a_commissioning_tells_what_is_proven_and_what_is_only_configured(
    demo: Stage, plant: RemoteClient, chromium: Path
) -> None:
    await plant.ask("set", sun=1.0, car_plugged=True)
    async with browsing(chromium, height=1400) as page:
        address = f"http://127.0.0.1:{demo.ports.http}"
        await open_commissioning(page, address)
        await choose_checks(page)
        rehearse = page.locator("ha-selector-boolean").get_by_role("switch").first
        await expect(rehearse).to_be_checked()
        await page.get_by_role("button", name="Submit").click()
        await expect(page.get_by_text("Somebody has to be there")).to_be_visible()
        await say_on_site(page)
        await expect(page.get_by_text("1 of 5: Charger: small steps")).to_be_visible()

        # A page that is loaded anew finds the run again.
        await page.reload()
        await open_commissioning(page, address)
        await expect(page.get_by_text("2 of 5: Solar inverter: small")).to_be_visible(
            timeout=RUN
        )
        await expect(page.get_by_text("Charger: ✓ proven. It follows")).to_be_visible()
        await press_button(page, plant)
        await expect(page.get_by_text("5 of 5: Rehearsal")).to_be_visible(timeout=RUN)
        await expect(page.get_by_text("What was proven")).to_be_visible(timeout=RUN)
        await expect_proofs(page)
        await page.get_by_role("button", name="Close").first.click()

        await open_commissioning(page, address)
        await page.get_by_text("Show the checklist").last.click()
        await expect_proofs(page)
    async with demo.home_assistant() as home_assistant:
        state = await home_assistant.get("states/sensor.demo_site_commissioning")
        rehearsed = await home_assistant.get("states/sensor.demo_site_rehearsal")
    assert state["state"] == "done"
    assert state["attributes"]["proven"] == 4
    assert rehearsed["state"] == "passed"


async def expect_proofs(page: Page) -> None:
    """Look for everything that the run has shown, and has not, in the checklist."""
    for name, key, seen in (
        ("Charger", "Follows small steps", FOLLOWED),
        ("Charger", "Phase map", "Seen on L1 L2 L3 of the meter"),
        ("Solar inverter", "Follows small steps", FOLLOWED),
        ("Solar inverter", "Phase map", "Seen on L1 L2 L3 of the meter"),
        ("Grid meter", "Sign and scale of the meter", "followed the steps of Charger"),
        ("Solar contactor", "Emergency output", RELAY),
        (BUTTON, "Stop button", "It stops consumption and production"),
        ("Telecontrol", "Operator's list", re.compile(r"In shadow: \d+ steps passed")),
    ):
        row = page.get_by_role("row").filter(has_text=f"{name}: {key}").first
        await expect(row).to_contain_text("✓ proven")
        await expect(row).to_contain_text(seen)
    for name, key in (
        ("Connection", "Contract and fuse"),
        ("Cold store", "Stop by its own setpoint"),
        ("Annexe contactor", "Emergency output"),
    ):
        row = page.get_by_role("row").filter(has_text=f"{name}: {key}")
        await expect(row).to_contain_text("– only configured")
