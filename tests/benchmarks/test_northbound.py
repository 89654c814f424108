"""What the bridge costs, and what one broker carries: 10, 100 and 1,000 homes.

Share of a core: CPU s of this process for each s of a site whose every attribute is told
once a second, the broker being another process. The homes are bridges without Home
Assistant, all in this one process, so that its own cost divided by the homes is what one
home pays; the broker's is read from the system.
"""

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
import os
from pathlib import Path
import resource
import subprocess
import sys
import time
from typing import IO

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from custom_components.netflex.model.asset import Asset, Category, Nature
from custom_components.netflex.model.connection import Line
from custom_components.netflex.northbound.bridge import Bridge, BridgePorts
from custom_components.netflex.northbound.codec import Format
from custom_components.netflex.northbound.direct_control import Paces, SiteDescription
from custom_components.netflex.northbound.outbox import Outbox
from custom_components.netflex.northbound.settings import NorthboundSettings
from custom_components.netflex.northbound.values import Point
from tests.certificates import CertificateAuthority
from tests.northbound.broker import Broker, until
from tests.northbound.homes import HOME, points, settings_of

pytestmark = [pytest.mark.peer, pytest.mark.usefixtures("socket_enabled")]

CHARGERS = 100
"""Of five attributes each."""
SECONDS = 20
MESSAGES = 60_000
"""Told by all homes together."""
EVERY_SECOND = Paces(
    room=1.0, water=1.0, sub_meter=1.0, technical=1.0, energy=1.0, billing=1.0
)

_COUNTER = """
import sys, time
import paho.mqtt.client as mqtt
count = 0
def heard(client, userdata, message):
    global count
    count += 1
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
client.on_message = heard
client.connect("127.0.0.1", int(sys.argv[1]))
client.subscribe("@update/#", 0)
client.loop_start()
while True:
    time.sleep(0.05)
    print(count, flush=True)
"""


def chargers() -> SiteDescription:
    """Return a site of 500 attributes."""
    return SiteDescription(
        assets=tuple(
            Asset(
                id=f"c{number}",
                name=f"Charger {number}",
                nature=Nature.CHARGER,
                category=Category.EV,
                rated_consumption=11_000.0,
                lines=tuple(Line),
            )
            for number in range(CHARGERS)
        )
    )


def changing(second: int) -> dict[str, Point]:
    """Return points that have all changed."""
    found = {}
    for number in range(CHARGERS):
        place, value = f"asset.c{number}", 1000.0 + second + number / 7
        found[f"{place}.power"] = Point(value=value, unit="W")
        found[f"{place}.energy_consumed"] = Point(value=value * 10, unit="Wh")
        for line in Line:
            found[f"{place}.current.{line}"] = Point(value=value / 230, unit="A")
    return found


def cpu_of(pid: int) -> float:
    """Return the CPU s that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_of(pid: int) -> float:
    """Return the MB that a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


@asynccontextmanager
async def told(
    settings: NorthboundSettings,
    folder: Path,
    site: SiteDescription,
    executor: ThreadPoolExecutor,
    clock: list[float],
) -> AsyncGenerator[Bridge]:
    """Run a bridge on a clock of the benchmark's own."""
    bridge = Bridge(
        settings,
        Outbox(folder / f"{settings.endpoint}.db", 10_000, executor),
        BridgePorts(
            take_setting=lambda _setting: None,
            clock=lambda: clock[0],
            monotonic=lambda: clock[0],
        ),
    )
    await bridge.start(site)
    try:
        yield bridge
    finally:
        await bridge.stop()


async def share_of_a_core(
    settings: NorthboundSettings, folder: Path, seconds: int
) -> tuple[float, int]:
    """Return the CPU s a s, and the messages, of 500 attributes told every second."""
    clock = [1_768_478_400.0]
    with ThreadPoolExecutor(1) as executor:
        async with told(settings, folder, chargers(), executor, clock) as bridge:
            await until(lambda: bridge.state.connected)
            bridge.take(changing(0))
            await until(lambda: bridge.state.stored == 0)
            begun, sent = time.process_time(), bridge.state.sent
            for second in range(1, seconds + 1):
                clock[0] += 1.0
                bridge.take(changing(second))
                while bridge.state.stored:
                    await asyncio.sleep(0.002)
            used = time.process_time() - begun
            return used / seconds, bridge.state.sent - sent


@pytest.mark.parametrize("way", ["json", "cbor", "transaction"])
@pytest.mark.timeout(300)
def test_500_attributes_a_second(
    benchmark: BenchmarkFixture, mosquitto: Path, tmp_path: Path, way: str
) -> None:
    """Share of a core, over TLS with a client certificate; at most 10 %."""
    seconds = 1 if benchmark.disabled else SECONDS

    async def run() -> tuple[float, int]:
        authority = CertificateAuthority(tmp_path, "authority")
        broker = Broker(mosquitto, tmp_path, authority)
        await broker.start()
        try:
            settings = settings_of(
                broker,
                paces=EVERY_SECOND,
                format=Format.CBOR if way == "cbor" else Format.JSON,
                transactions=way == "transaction",
            )
            return await share_of_a_core(settings, tmp_path, seconds)
        finally:
            broker.stop()

    share, messages = benchmark.pedantic(lambda: asyncio.run(run()), rounds=1)
    assert messages == seconds * (1 if way == "transaction" else 5 * CHARGERS)
    benchmark.extra_info["percent_of_a_core"] = 100 * share
    benchmark.extra_info["messages_a_second"] = messages / seconds


def _many_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 10_000 if hard == resource.RLIM_INFINITY else min(hard, 10_000)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def heard_by(counts: IO[bytes], sent: int, patience: float = 10.0) -> int:
    """Return what a subscriber has heard once it is all, or patience is at its end."""
    heard, deadline = 0, time.monotonic() + patience
    while heard < sent and time.monotonic() < deadline:
        heard = int(counts.readline())
    return heard


async def carried(
    broker: Broker, folder: Path, homes: int, rounds: int
) -> dict[str, float]:
    """Have homes tell all they know so many times, as fast as the broker takes it."""
    assert broker.process is not None
    clock = [1_768_478_400.0]
    counter = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", _COUNTER, str(broker.port)], stdout=subprocess.PIPE
    )
    assert counter.stdout is not None
    counter.stdout.readline()
    executor = ThreadPoolExecutor(1)
    try:
        async with AsyncExitStack() as stack:
            begun = time.perf_counter()
            bridges = [
                await stack.enter_async_context(
                    told(
                        replace(
                            settings_of(broker, paces=EVERY_SECOND),
                            endpoint=f"home-{number:04}",
                        ),
                        folder,
                        HOME,
                        executor,
                        clock,
                    )
                )
                for number in range(homes)
            ]
            await until(lambda: all(item.state.connected for item in bridges), 120)
            connected = time.perf_counter() - begun
            own, its = time.process_time(), cpu_of(broker.process.pid)
            begun = time.perf_counter()
            for number in range(rounds):
                clock[0] += 1.0
                values = points(1000.0 + number, enabled=bool(number % 2))
                for item in bridges:
                    item.take(values)
                    await asyncio.sleep(0)
                while any(item.state.stored for item in bridges):
                    await asyncio.sleep(0.005)
            took = time.perf_counter() - begun
            sent = sum(item.state.sent for item in bridges)
            own = time.process_time() - own
            its = cpu_of(broker.process.pid) - its
            memory = memory_of(broker.process.pid)
        heard = await asyncio.to_thread(heard_by, counter.stdout, sent)
    finally:
        counter.terminate()
        counter.wait()
        executor.shutdown()
    return {
        "s_to_connect": connected,
        "messages": sent,
        "heard_share": heard / sent,
        "messages_a_second": sent / took,
        "broker_us_a_message": 1e6 * its / sent,
        "home_us_a_message": 1e6 * own / sent,
        "broker_mb": memory,
        "dropped": sum(item.state.dropped for item in bridges),
    }


@pytest.mark.parametrize("homes", [10, 100, 1000])
@pytest.mark.timeout(400)
def test_homes_on_one_broker(
    benchmark: BenchmarkFixture, mosquitto: Path, tmp_path: Path, homes: int
) -> None:
    """What one broker on this machine carries, and how its cost grows with the homes."""
    if benchmark.disabled:
        homes = 10
    rounds = 2 if benchmark.disabled else max(2, MESSAGES // (7 * homes))

    async def run() -> dict[str, float]:
        _many_files()
        broker = Broker(mosquitto, tmp_path)
        await broker.start()
        try:
            return await carried(broker, tmp_path, homes, rounds)
        finally:
            broker.stop()

    figures = benchmark.pedantic(lambda: asyncio.run(run()), rounds=1)
    assert figures["dropped"] == 0
    assert figures["heard_share"] > 0.99
    benchmark.extra_info.update(figures)
