"""Requests to a simulation process, in process and in a process of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
import json
import os
from pathlib import Path
import signal
import sys

import pytest

from custom_components.netflex.simulation.day import (
    Day,
    car_is_home,
    clock_text,
    household,
    sun,
)
from custom_components.netflex.simulation.household import SimulatedSite, SiteSettings
from custom_components.netflex.simulation.remote import (
    RemoteClient,
    RemoteError,
    RemoteServer,
)
from custom_components.netflex.simulation.site_remote import site_requests

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.usefixtures("socket_enabled")


@pytest.fixture
async def site() -> AsyncIterator[SimulatedSite]:
    target = SimulatedSite(SiteSettings(), clock=lambda: 5.0)
    await target.start()
    yield target
    await target.stop()


@pytest.fixture
async def client(site: SimulatedSite) -> AsyncIterator[RemoteClient]:
    server = RemoteServer(site_requests(site))
    await server.start()
    remote = await RemoteClient.connect(server.port)
    yield remote
    await remote.close()
    await server.stop()


async def test_settings_change_the_plant(
    client: RemoteClient, site: SimulatedSite
) -> None:
    await client.ask("set", sun=0.5, car_plugged=False, validity=12)
    assert site.solar.sun == 0.5
    assert site.car.plugged is False
    assert site.socket.validity == 12
    status = await client.ask("status")
    assert status["sun"] == 0.5
    assert status["wires"]["relay"]["plugged"] is True


@pytest.mark.parametrize(
    "request_",
    [
        {"do": "set", "weather": 1},
        {"do": "unplug", "wire": "fridge"},
        {"do": "set", "sun": "bright"},
        {"do": "writes", "wire": "meter"},
        {"do": "dance"},
    ],
)
async def test_what_cannot_be_done_is_answered_and_the_next_request_works(
    client: RemoteClient, request_: dict[str, object]
) -> None:
    with pytest.raises(RemoteError):
        await client.ask(**request_)  # type: ignore[arg-type]
    assert await client.ask("set", sun=0.1) == {}


async def test_day_begins_when_it_is_told(
    client: RemoteClient, site: SimulatedSite
) -> None:
    await client.ask("day", origin=0.0, length=24.0, start_hour=8.25)
    site.tick(5.0)
    assert site.solar.sun == 1.0
    assert site.car.plugged


async def test_device_is_unplugged_plugged_and_made_faulty(
    client: RemoteClient, site: SimulatedSite
) -> None:
    for wire in ("meter", "charger"):
        await client.ask("unplug", wire=wire)
        assert not site.wire(wire).plugged
        await client.ask("plug", wire=wire)
        assert site.wire(wire).plugged
    await client.ask("fault", wire="charger", delay=0.5)
    await client.ask("fault", wire="meter", silent=True, damage=2)
    assert site.wires["charger"].delay == 0.5
    assert (site.meter.silent, site.meter.damage) == (True, 2)


async def test_line_that_is_no_request_does_not_end_the_connection(
    site: SimulatedSite,
) -> None:
    server = RemoteServer(site_requests(site))
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"hello\n[1]\n" + json.dumps({"do": "status"}).encode() + b"\n")
    answers = [json.loads(await reader.readline()) for _ in range(3)]
    assert [item["ok"] for item in answers] == [False, False, True]
    writer.close()
    await server.stop()


def test_day_passes_in_its_length_and_begins_at_its_hour() -> None:
    day = Day(origin=100, length=240, start_hour=6)
    assert day.hour(100) == 6
    assert day.hour(100 + 60) == 12
    assert day.hour(100 + 200) == 2
    assert day.at(12) == 160
    assert day.at(2) == 300


def test_sun_shines_by_day_and_the_car_leaves_once() -> None:
    assert sun(5) == sun(23) == 0
    assert sun(13.25) == 1
    assert sun(9) < sun(12)
    assert not car_is_home(11)
    assert car_is_home(18)
    assert household(7.5) == 1.5
    assert 0.4 < household(3) < 0.6
    assert clock_text(13.99) == "13:59"


@asynccontextmanager
async def started(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "custom_components.netflex.simulation",
        *arguments,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def ports_of(process: asyncio.subprocess.Process) -> dict[str, int]:
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 20)
    ready: dict[str, int] = json.loads(line)["ready"]
    return ready


@pytest.mark.slow
@pytest.mark.parametrize("side", ["devices", "operator"])
async def test_process_says_its_ports_and_ends_when_told(side: str) -> None:
    async with started(side) as process:
        ports = await ports_of(process)
        remote = await RemoteClient.connect(ports["control"])
        assert await remote.ask("status")
        await remote.close()
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 5) == 0


@pytest.mark.slow
async def test_process_ends_with_its_parent() -> None:
    script = (
        "import subprocess, sys, time;"
        "child = subprocess.Popen([sys.executable, '-m',"
        "'custom_components.netflex.simulation', 'devices'],"
        "stdout=subprocess.PIPE);"
        "child.stdout.readline();"
        "print(child.pid, flush=True);"
        "time.sleep(60)"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    child = int(await asyncio.wait_for(parent.stdout.readline(), 20))
    parent.kill()
    await parent.wait()
    async with asyncio.timeout(5):
        while _running(child):
            await asyncio.sleep(0.05)


def _running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/stat")
    return not (status.exists() and status.read_text().split()[2] == "Z")
