"""Setting up in a real browser, from nothing to a working site, by the forms alone.

The P1 port is a pseudo-terminal on which the telegrams of a real meter are replayed;
the charger is a simulated one behind a real Modbus connection. Nobody thinks or reads
here: a person takes longer. `--log-cli-level=info` shows the seconds of each step.
"""

import asyncio
from collections.abc import AsyncIterator
import logging
from pathlib import Path
import time

from playwright.async_api import Page, expect
import pytest

from custom_components.netflex.devices.profile_loader import ProfileLibrary
from custom_components.netflex.simulation.modbus import ModbusWire
from custom_components.netflex.simulation.profiled import SimulatedDevice
from scripts.demo_site.stage import Stage, StageSettings, staged
from tests.e2e.test_p1_meter import DELTA_STREAM, serial_port
from tests.metering.recordings import recorded, telegrams_of

from .browsing import browsing
from .forms import Person

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.usefixtures("socket_enabled"),
]

_LOGGER = logging.getLogger(__name__)
ALL_STEPS = 900.0
"""s that an installer may take; half of it is left to reading."""
INTEGRATION = "config/integrations/integration/netflex"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """Home Assistant without a site, and the devices that it could have."""
    settings = StageSettings(folder=tmp_path / "demo", http_port=18_200, site=False)
    async with staged(settings) as stage:
        await stage.start_devices()
        child = await stage.start_home_assistant()
        async with stage.home_assistant() as home_assistant:
            await home_assistant.wait_until_running(child)
        yield stage


@pytest.fixture
async def person(stage: Stage, chromium: Path) -> AsyncIterator[Person]:
    """A person before an empty page."""
    async with browsing(chromium) as page:
        yield Person(page, f"http://127.0.0.1:{stage.ports.http}")


async def add_integration(person: Person, choice: str) -> None:
    """Open the first form of a site."""
    page = person.page
    await person.open("config/integrations/dashboard")
    await page.get_by_role("button", name="Add integration").click()
    search = page.get_by_placeholder("Search").or_(page.get_by_role("searchbox"))
    await search.last.fill("Netflex")
    await page.get_by_text("Netflex", exact=True).last.click()
    await person.choose(choice)


async def add_site(person: Person, port: int) -> None:
    """Go through both forms of a site of one's own, telecontrol included."""
    await add_integration(person, "A site of your own")
    await person.type("Name", "Bakery")
    await person.select("Connection", "Three phases without neutral, 3 x 230 V")
    await person.number("Main fuse", 40)
    await person.number("Contractual consumption", 15)
    await person.number("Contractual injection", 10)
    await person.submit()
    await expect(person.page.get_by_text("The grid operator's link")).to_be_visible()
    await person.choose("More settings")
    await person.number("Port", port)
    await person.submit()
    await person.finish()


async def add_meter(person: Person, path: str) -> None:
    """Add the meter behind a serial port."""
    await person.open(INTEGRATION)
    await person.page.get_by_text("Add meter").first.click()
    await person.choose("P1 port of a smart meter")
    await person.type("Name", "P1")
    await person.serial_port(path)
    await person.submit()
    await person.finish()


async def add_charger(person: Person, port: int) -> None:
    """Add the charger behind Modbus."""
    await person.open(INTEGRATION)
    await person.page.get_by_text("Add charger").first.click()
    await person.choose("Connect to the charger (Modbus)")
    await person.choose("Alfen: Eve Single")
    await person.submit()
    await person.type("Name", "Charger")
    await person.type("Address", "127.0.0.1")
    await person.number("Port", port)
    await person.submit()
    await person.number("Maximum current", 32)
    await person.number("Safe current", 6)
    await person.submit()
    await person.finish()


async def change_options(person: Person) -> None:
    """Hold the grid operator's limits with a larger margin."""
    await person.page.get_by_role("button", name="Configure").first.click()
    await person.choose("Holding limits")
    await person.number("Margin", 2)
    await person.submit()
    await person.finish()


async def add_dashboard(person: Person) -> None:
    """Add the dashboard that builds itself, and open it."""
    await person.open("config/lovelace/dashboards")
    await person.page.get_by_role("button", name="Add dashboard").click()
    await person.page.get_by_role("button", name="Netflex").click()
    await person.type("Title", "Energy site")
    create = person.page.get_by_role("button", name="Create")
    await create.click()
    await expect(create).to_have_count(0)
    await person.open("energy-site")


async def test_from_nothing_to_a_working_site(stage: Stage, person: Person) -> None:
    telegrams = telegrams_of(recorded(DELTA_STREAM))
    async with serial_port(telegrams, 1.0) as path:
        async with person.step("Add integration: a site of your own"):
            await add_site(person, stage.ports.iec104)
        async with person.step("Add meter: the P1 port"):
            await add_meter(person, path)
        async with person.step("Add charger: Alfen over Modbus"):
            await add_charger(person, stage.ports.wires["charger"])
        async with person.step("Options: margin below limits"):
            await change_options(person)
        async with person.step("Add dashboard, until it shows values"):
            await add_dashboard(person)
            site = person.page.locator("netflex-site-card")
            await expect(site.get_by_text("from the grid")).to_be_visible()
            await expect(site.get_by_role("button", name="Charger")).to_contain_text(
                "A"
            )
        await _entities_show_values(stage)
    for name, took in person.steps:
        _LOGGER.info("%.1f s  %s", took, name)
    assert sum(took for _, took in person.steps) < ALL_STEPS / 2


async def _entities_show_values(stage: Stage) -> None:
    """What came over both wires is in Home Assistant's own states."""
    async with stage.home_assistant() as home_assistant:
        states = {
            item["entity_id"]: item for item in await home_assistant.get("states")
        }
        entries = await home_assistant.ask("config_entries/get", domain="netflex")
    assert float(states["sensor.p1_power"]["state"]) != 0
    assert float(states["sensor.charger_setpoint"]["state"]) >= 0
    (entry,) = entries
    assert entry["state"] == "loaded"


async def test_a_simulated_site_comes_and_goes(stage: Stage, person: Person) -> None:
    await add_integration(person, "Try it with a simulated site")
    await person.submit()
    await person.finish()
    await add_dashboard(person)
    site = person.page.locator("netflex-site-card")
    await expect(site.get_by_role("button", name="Charger")).to_be_visible()
    await expect(
        person.page.locator("netflex-link-card").get_by_text("Connected", exact=True)
    ).to_be_visible()

    await person.open(INTEGRATION)
    page = person.page
    entry = page.locator("ha-config-entry-row")
    await entry.get_by_role("button", name="Menu").first.click()
    await page.get_by_role("menuitem", name="Delete").first.click()
    await page.get_by_role("button", name="Delete").last.click()
    await expect(entry).to_have_count(0)
    async with stage.home_assistant() as home_assistant:
        assert await home_assistant.ask("config_entries/get", domain="netflex") == []
        states = [item["entity_id"] for item in await home_assistant.get("states")]
    assert not [name for name in states if "simulated_site" in name]


async def test_a_new_rtu_is_let_in_by_its_repair(stage: Stage, person: Person) -> None:
    await add_site(person, stage.ports.iec104)
    _, rtu = await stage.start_operator()
    with pytest.raises(Exception, match="."):
        await rtu.ask("connect", within=5)
    page = person.page
    await person.open("config/repairs")
    await page.get_by_text("A new RTU asks to control Bakery").click()
    await expect(page.get_by_text("127.0.0.1 tried to connect")).to_be_visible()
    await person.submit()
    await person.finish()
    await expect(page.get_by_text("A new RTU asks to control")).to_have_count(0)
    await rtu.ask("connect", within=60, timeout=90)
    async with stage.home_assistant() as home_assistant, asyncio.timeout(60):
        link = "states/binary_sensor.bakery_operator_s_link"
        while (await home_assistant.get(link))["state"] != "on":
            await asyncio.sleep(0.05)
    # The client that came brings another repair, which opens the form that ends it.
    await person.open("config/repairs")
    await page.get_by_text("The points of Bakery are not confirmed").click()
    await expect(page.get_by_text("nobody has compared the points")).to_be_visible()
    await person.submit()
    await page.get_by_text("Points", exact=True).click()
    await expect(page.get_by_text("Back to the placeholders")).to_be_visible()


async def test_a_device_that_announced_itself_is_added_in_its_own_form(
    stage: Stage, person: Person
) -> None:
    await add_site(person, stage.ports.iec104)
    profile = ProfileLibrary.load(None).get("solaredge_inverter").bind({})
    device = SimulatedDevice(profile, serial="SE-1")
    wire = ModbusWire(name="roof", units=device.units, clock=time.monotonic)
    await wire.plug()
    try:
        inside = await stage.inside()
        await inside.ask(
            "announce", service="_solaredge-modbus._tcp.local.", port=wire.port
        )
        await _take_up(person)
    finally:
        await wire.unplug()


async def _take_up(person: Person) -> None:
    """Go from what was discovered to the device on its site."""
    page: Page = person.page
    await person.open("config/integrations/dashboard")
    found = page.locator("ha-config-flow-card")
    await expect(found).to_contain_text("SolarEdge")
    await found.get_by_role("button", name="Add").click()
    await expect(page.get_by_text("It can be part of: Bakery")).to_be_visible()
    await person.submit()
    await expect(page.get_by_role("textbox", name="Address")).to_have_value("127.0.0.1")
    await person.submit()
    await person.number("Rated power", 8000)
    await person.submit()
    await person.finish()
    await person.open(INTEGRATION)
    await expect(page.get_by_text("SolarEdge").first).to_be_visible()
