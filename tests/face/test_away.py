"""What Home Assistant's log and set-up make of devices that stay away."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
import logging
from pathlib import Path
import random
from typing import Any, Never
from unittest.mock import MagicMock

from homeassistant.components.input_boolean import DOMAIN as INPUT_BOOLEAN
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.netflex import links
from custom_components.netflex.const import DOMAIN
from custom_components.netflex.devices import link, session
from custom_components.netflex.devices.session import Session
from custom_components.netflex.metering import p1_reader
from custom_components.netflex.metering.p1_reader import P1Source
from custom_components.netflex.northbound import link as northbound_link
from custom_components.netflex.simulation.household import SimulatedSite, SiteSettings
from tests.ports import free_port

from . import sites
from .test_northbound import STORED
from .test_unload import until

pytestmark = pytest.mark.usefixtures("socket_enabled")

OVEN = "input_boolean.oven"


def site(meter: int, charger: int, **options: Any) -> MockConfigEntry:
    """Return a site with a P1 port, a charger and an oven that is an entity."""
    described = (
        (
            "meter",
            sites.METER_ID,
            "P1 port",
            sites.P1_METER | {"port": f"socket://127.0.0.1:{meter}"},
        ),
        (
            "charger",
            sites.CHARGER_ID,
            "Charger",
            sites.CHARGER | {"host": "127.0.0.1", "port": charger},
        ),
        ("load", sites.LOAD_ID, "Oven", sites.LOAD | {"control_entity": OVEN}),
    )
    return MockConfigEntry(
        domain=DOMAIN,
        title="Bakery",
        version=1,
        minor_version=1,
        data={**sites.SITE_DATA, "port": free_port(), "allowed_clients": []},
        options={"version": 1, **options},
        subentries_data=[
            {
                "data": data,
                "subentry_id": subentry_id,
                "subentry_type": kind,
                "title": title,
                "unique_id": None,
            }
            for kind, subentry_id, title, data in described
        ],
    )


@pytest.fixture
def tries(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Have everything that retries do so at once, and count it."""
    counted: Counter[str] = Counter()
    lost, read = Session._lost, P1Source._read

    def count_lost(self: Session, *args: Any) -> None:
        counted["charger"] += 1
        lost(self, *args)

    async def count_read(self: P1Source) -> None:
        counted["meter"] += 1
        await read(self)

    monkeypatch.setattr(Session, "_lost", count_lost)
    monkeypatch.setattr(P1Source, "_read", count_read)
    monkeypatch.setattr(session, "_RETRY_PAUSE", 0.005)
    monkeypatch.setattr(link.UnitLink, "retry_in", 0.0)
    monkeypatch.setattr(random, "uniform", lambda _low, _high: 0.005)
    return counted


@pytest.fixture
async def plant() -> AsyncGenerator[SimulatedSite]:
    """The wires of a simulated site."""
    plant = SimulatedSite(SiteSettings())
    await plant.start()
    ticking = asyncio.create_task(plant.run())
    yield plant
    ticking.cancel()
    await asyncio.gather(ticking, return_exceptions=True)
    await plant.stop()


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Return what a user finds in the log of the integration."""
    return [
        (record.levelname, record.getMessage())
        for record in caplog.records
        if record.name.startswith("custom_components.netflex")
        and record.levelno >= logging.INFO
        and ".simulation" not in record.name
    ]


async def test_what_stays_away_is_logged_once_and_its_return_once(
    hass: HomeAssistant,
    tmp_path: Path,
    plant: SimulatedSite,
    tries: Counter[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An hour of tries in little time: a meter, a charger and an entity."""
    hass.config.config_dir = str(tmp_path)
    assert await async_setup_component(
        hass, INPUT_BOOLEAN, {INPUT_BOOLEAN: {"oven": {"initial": True}}}
    )
    entry = site(plant.ports["meter"], plant.ports["charger"])
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    runtime = entry.runtime_data

    def there() -> bool:
        view = runtime.site.view
        found = [view.states.get(key) for key in (sites.CHARGER_ID, sites.LOAD_ID)]
        meter = view.meters[sites.METER_ID]
        return meter.problem is None and all(
            state is not None and state.available for state in found
        )

    await until(there)
    caplog.set_level(logging.INFO, "custom_components.netflex")
    caplog.clear()
    tries.clear()
    await plant.meter.unplug()
    await plant.wires["charger"].unplug()
    for number in range(50):
        hass.states.async_set(OVEN, STATE_UNAVAILABLE, {"said": number})
    await until(lambda: tries["meter"] >= 40 and tries["charger"] >= 40)
    await hass.async_block_till_done()
    lost = told(caplog)
    assert Counter(text.split(" does not answer: ")[0] for _, text in lost) == {
        "P1 port": 1,
        "Charger": 1,
        "Oven": 1,
    }, lost
    assert {level for level, _ in lost} == {"WARNING"}

    caplog.clear()
    await plant.meter.plug()
    await plant.wires["charger"].plug()
    hass.states.async_set(OVEN, "on")
    await until(there)
    assert sorted(told(caplog)) == [
        ("INFO", "Charger answers again"),
        ("INFO", "Oven answers again"),
        ("INFO", "P1 port answers again"),
    ]
    assert await hass.config_entries.async_remove(entry.entry_id)
    await hass.async_block_till_done()


async def test_set_up_waits_for_nothing_that_does_not_answer(
    hass: HomeAssistant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every connection hangs for ever: only a set-up that awaits none of them ends."""
    hass.config.config_dir = str(tmp_path)
    asked: set[str] = set()

    def hanging(name: str) -> Any:
        async def hang(*_args: Any, **_more: Any) -> Never:
            asked.add(name)
            await asyncio.Event().wait()
            raise AssertionError

        return hang

    unit = MagicMock()
    unit.read_holding_registers = unit.write_registers = hanging("charger")
    monkeypatch.setattr(links, "async_get_unit", lambda *_args: unit)
    monkeypatch.setattr(p1_reader, "open_p1", hanging("meter"))
    monkeypatch.setattr(northbound_link, "connected", Hanging(asked))
    entry = site(1, 1, northbound=STORED)
    entry.add_to_hass(hass)
    async with asyncio.timeout(50):
        assert await hass.config_entries.async_setup(entry.entry_id)
    view = entry.runtime_data.coordinator.data
    assert view.meters[sites.METER_ID].reading is None
    await until(lambda: asked == {"charger", "meter", "broker"})
    states = {state.entity_id: state.state for state in hass.states.async_all()}
    assert states["binary_sensor.charger_setpoint_not_followed"] == STATE_UNAVAILABLE
    # What does not depend on a device is there, and can be used.
    assert states["switch.bakery_local_stop_consumption"] == "off"
    async with asyncio.timeout(50):
        assert await hass.config_entries.async_remove(entry.entry_id)
    await hass.async_block_till_done()


class Hanging:
    """A connection to a broker that is never there."""

    def __init__(self, asked: set[str]) -> None:
        self._asked = asked

    def __call__(self, *_args: Any) -> Hanging:
        return self

    async def __aenter__(self) -> Never:
        self._asked.add("broker")
        await asyncio.Event().wait()
        raise AssertionError

    async def __aexit__(self, *_exc: object) -> None:
        """Nothing was opened."""
