"""What a site of 20 assets costs Home Assistant's loop, at one reading a second.

Home Assistant runs with all of the site's entities; the meter is a simulated P1 port on
loopback on a thread of its own, the assets are driven over entities that report each
second. CPU time of the loop's own thread is counted, so that whatever else the machine
does does not matter; the same house without the site is taken off.
"""

import asyncio
from asyncio import Handle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
import random
import time
from typing import Any

from homeassistant.config_entries import ConfigSubentryData
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.netflex.const import DOMAIN
from custom_components.netflex.simulation.household import SimulatedSite, SiteSettings
from custom_components.netflex.site.door import LoopThread
from tests.face import sites
from tests.ports import free_port

pytestmark = [pytest.mark.usefixtures("socket_enabled"), pytest.mark.timeout(300)]

SECONDS, SMOKE = 60.0, 2.0
SHARE_PERCENT, LONGEST_MS, SET_UP_MS = 5.0, 20.0, 1000.0
"""What the project promises."""
KINDS = {"charger": 8, "battery": 4, "inverter": 4, "load": 4}


@dataclass(slots=True)
class Cost:
    """CPU time of the loop's thread: in all, and of each turn of a callback."""

    wall: float = 0.0
    spent: float = 0.0
    blocks: list[float] = field(default_factory=list)
    """ms, those of half a millisecond and more."""

    @property
    def percent(self) -> float:
        """Share of a core."""
        return 100 * self.spent / self.wall

    @property
    def longest(self) -> float:
        """Ms of the longest time that nothing else had its turn."""
        return max(self.blocks, default=0.0)


@contextmanager
def counting(cost: Cost) -> Iterator[None]:
    """Count the CPU time of every callback that the loop runs on this thread."""
    original = Handle._run

    def run(handle: Handle) -> None:
        begun = time.thread_time_ns()
        original(handle)
        if (took := (time.thread_time_ns() - begun) / 1e6) >= 0.5:
            cost.blocks.append(took)

    Handle._run = run  # type: ignore[method-assign]
    begun, wall = time.thread_time(), time.monotonic()
    try:
        yield
    finally:
        cost.spent += time.thread_time() - begun
        cost.wall += time.monotonic() - wall
        Handle._run = original  # type: ignore[method-assign]


def names() -> Iterator[tuple[str, str]]:
    """Yield kind and name of every asset."""
    for kind, count in KINDS.items():
        for number in range(count):
            yield kind, f"{kind}{number}"


def subentries(meter_port: int) -> Iterator[ConfigSubentryData]:
    """Yield the meter and the assets, each over entities of its own."""
    described = {
        "charger": sites.ENTITY_CHARGER | {"phases": 3, "lines": ["L1", "L2", "L3"]},
        "battery": {
            key: value
            for key, value in sites.BATTERY.items()
            if key not in {"profile", "host", "port", "params"}
        },
        "inverter": {
            key: value
            for key, value in sites.INVERTER.items()
            if key not in {"profile", "host", "port", "params"}
        },
        "load": sites.LOAD,
    }
    meter = sites.P1_METER | {"port": f"socket://127.0.0.1:{meter_port}"}
    yield subentry("meter", "meter", meter)
    for kind, name in names():
        domain = "input_boolean" if kind == "load" else "input_number"
        data = described[kind] | {
            "source": "entity",
            "control_entity": f"{domain}.{name}",
            "power_entity": f"sensor.{name}_power",
        }
        if kind == "battery":
            data["soc_entity"] = f"sensor.{name}_charge"
        yield subentry(kind, name, data)


def subentry(kind: str, name: str, data: dict[str, Any]) -> ConfigSubentryData:
    return ConfigSubentryData(
        data=data,
        subentry_id=name,
        subentry_type=kind,
        title=name.title(),
        unique_id=None,
    )


async def house(hass: HomeAssistant) -> None:
    """Set up what the assets are driven by."""
    numbers = {
        name: {"min": -20_000, "max": 20_000, "mode": "box"}
        for kind, name in names()
        if kind != "load"
    }
    switches = {name: {} for kind, name in names() if kind == "load"}
    assert await async_setup_component(hass, "input_number", {"input_number": numbers})
    assert await async_setup_component(
        hass, "input_boolean", {"input_boolean": switches}
    )


def drawn(hass: HomeAssistant, kind: str, name: str) -> float:
    """Return the W of an asset that does what it was told."""
    domain = "input_boolean" if kind == "load" else "input_number"
    state = hass.states.get(f"{domain}.{name}")
    assert state is not None
    if kind == "load":
        return 6000.0 if state.state == "on" else 0.0
    told = float(state.state)
    if kind == "charger":
        return 690.0 * told
    return -min(3000.0, told) if kind == "inverter" else told


async def living(hass: HomeAssistant, seconds: float) -> Cost:
    """Have every asset report once a second; return what the loop's thread spent."""
    cost, chance = Cost(), random.Random(1)
    end = asyncio.get_running_loop().time() + seconds
    with counting(cost):
        while asyncio.get_running_loop().time() < end:
            for kind, name in names():
                hass.states.async_set(
                    f"sensor.{name}_power",
                    str(round(drawn(hass, kind, name) + chance.uniform(-20, 20))),
                    {"unit_of_measurement": "W", "device_class": "power"},
                )
                if kind == "battery":
                    hass.states.async_set(
                        f"sensor.{name}_charge", "55", {"unit_of_measurement": "%"}
                    )
            await asyncio.sleep(1.0)
    return cost


@dataclass(slots=True)
class Meter:
    """The simulated house, of which only the P1 port is read."""

    plant: SimulatedSite = field(default_factory=lambda: SimulatedSite(SiteSettings()))
    ticking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self.plant.start()
        self.ticking = asyncio.create_task(self.plant.run())

    async def stop(self) -> None:
        assert self.ticking is not None
        self.ticking.cancel()
        await asyncio.gather(self.ticking, return_exceptions=True)
        await self.plant.stop()


async def test_site_of_20_assets_in_home_assistant(
    hass: HomeAssistant, benchmark: BenchmarkFixture, enable_custom_integrations: None
) -> None:
    seconds = SECONDS if benchmark.enabled else SMOKE
    # The test plug-in has asyncio look for faults, which costs what users do not pay.
    asyncio.get_running_loop().set_debug(False)
    plant_loop, meter = LoopThread("plant"), Meter()
    await plant_loop.start()
    await plant_loop.run(meter.start())
    entry = MockConfigEntry(
        domain=DOMAIN,
        title="Site",
        version=1,
        minor_version=1,
        data={**sites.SITE_DATA, "port": free_port(), "allowed_clients": []},
        subentries_data=list(subentries(meter.plant.ports["meter"])),
    )
    try:
        await house(hass)
        alone = await living(hass, seconds)
        # The code and what it depends on are there before an entry is set up.
        assert await async_setup_component(hass, DOMAIN, {})
        entry.add_to_hass(hass)
        set_up = Cost()
        with counting(set_up):
            assert await hass.config_entries.async_setup(entry.entry_id)
        await asyncio.sleep(min(5.0, seconds))
        with_site = await living(hass, seconds)
        assert entry.runtime_data.coordinator.data.plan.metered
        assert len(entry.runtime_data.coordinator.data.states) == sum(KINDS.values())
        entities = len(hass.states.async_entity_ids())
        assert await hass.config_entries.async_remove(entry.entry_id)
        await hass.async_block_till_done()
    finally:
        await plant_loop.run(meter.stop())
        await plant_loop.stop()
    benchmark.extra_info.update(
        {
            "core_percent": round(with_site.percent - alone.percent, 2),
            "core_percent_without": round(alone.percent, 2),
            "longest_block_ms": round(with_site.longest, 2),
            "longest_block_without_ms": round(alone.longest, 2),
            "blocks_above_5_ms_per_minute": round(
                60 * sum(b > 5 for b in with_site.blocks) / with_site.wall, 2
            ),
            "set_up_ms": round(1000 * set_up.wall, 1),
            "set_up_cpu_ms": round(1000 * set_up.spent, 1),
            "entities": entities,
            "promised": {
                "core_percent": SHARE_PERCENT,
                "longest_block_ms": LONGEST_MS,
                "set_up_ms": SET_UP_MS,
            },
        }
    )
    benchmark.pedantic(lambda: None)
