"""A broker that goes, stalls or refuses; an endpoint that is killed."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
import gc
import logging
from pathlib import Path
import signal
import socket
import sqlite3
import sys
import tracemalloc
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode
import pytest

from custom_components.netflex.northbound import connection, link
from custom_components.netflex.northbound.commands import Incoming
from custom_components.netflex.northbound.connection import explain, probe
from custom_components.netflex.northbound.link import LONGEST_DELAY, back_off
from custom_components.netflex.northbound.outbox import Outbox
from custom_components.netflex.northbound.settings import (
    NorthboundSettings,
    Protocol,
    TlsFiles,
)
from tests.certificates import CertificateAuthority
from tests.ports import free_port

from .broker import LIMIT, Broker, Heard, listening, until
from .homes import ENDPOINT, Home, home, points, settings_of

pytestmark = [pytest.mark.peer, pytest.mark.usefixtures("socket_enabled")]

ROOT = Path(__file__).parents[2]
POWER = "obis_1_0_1_7_0_255_2"


def powers(heard: Heard) -> list[float]:
    """Return every power that was told, at once or delayed, in order."""
    found = []
    for topic, data in heard.messages:
        told = [{"topic": topic, "data": data}]
        if topic.startswith("@delayed/"):
            told = data["messages"]
        found += [
            item["data"]["value"]
            for item in told
            if item["topic"].startswith("@update/") and POWER in item["topic"]
        ]
    return found


def in_order(values: list[float]) -> list[float]:
    """Return values without repetitions; fails where one comes before its time."""
    once = list(dict.fromkeys(values))
    assert once == sorted(once)
    return once


async def tell(house: Home, first: int, count: int, seconds: float = 5.0) -> None:
    for number in range(first, first + count):
        house.take(points(float(number)), seconds)
        if number % 50 == 0:
            await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait shorter for what does not come."""
    monkeypatch.setattr(link, "SPILL_EVERY", 0.02)
    monkeypatch.setattr(connection, "TIMEOUT", 2.0)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Let bridges connect while it is set: listeners can be there before them."""
    gate = asyncio.Event()
    gate.set()
    real = link.connected

    @asynccontextmanager
    async def gated(*args: Any) -> AsyncGenerator[aiomqtt.Client]:
        await gate.wait()
        async with real(*args) as client:
            yield client

    monkeypatch.setattr(link, "connected", gated)
    return gate


@asynccontextmanager
async def back(broker: Broker, gate: asyncio.Event) -> AsyncGenerator[Heard]:
    """Start a broker again, listen, and only then let bridges in."""
    await broker.start()
    async with listening(broker) as (_, heard):
        gate.set()
        yield heard


def full_disk() -> sqlite3.Connection:
    """Stand in for a database on a disk that is full."""
    raise sqlite3.OperationalError("database or disk is full")


def link_of(house: Home) -> link.Link:
    return house.bridge._link


async def gone(broker: Broker, gate: asyncio.Event, house: Home) -> None:
    gate.clear()
    broker.kill()
    await until(lambda: not house.bridge.state.connected)


@pytest.mark.parametrize("protocol", [Protocol.CLOUDIO_02, Protocol.CLOUDIO_01])
async def test_an_hour_without_a_broker_loses_nothing_and_keeps_the_order(
    broker: Broker, tmp_path: Path, gate: asyncio.Event, protocol: Protocol
) -> None:
    settings = settings_of(broker, protocol=protocol)
    async with home(settings, tmp_path) as house:
        await house.connected()
        house.take(points(0.0))
        await until(lambda: house.bridge.state.stored == 0)
        await gone(broker, gate, house)
        # 720 values of 5 s are an hour.
        await tell(house, 1, 720)
        assert house.bridge.state.stored >= 720
        async with back(broker, gate) as heard:
            await until(lambda: 720.0 in powers(heard))
            await tell(house, 721, 5)
            await until(lambda: 725.0 in powers(heard))
        assert in_order(powers(heard)) == [float(n) for n in range(1, 726)]
        delayed = heard.of(f"@delayed/{ENDPOINT}")
        assert bool(delayed) is (protocol is Protocol.CLOUDIO_02)
        await until(lambda: house.bridge.state.stored == 0)
        assert house.bridge.state.dropped == 0
        assert house.links[:3] == [True, False, True]


async def test_memory_stays_flat_however_long_the_broker_is_away(
    broker: Broker, tmp_path: Path
) -> None:
    broker.kill()
    sizes = []
    async with home(settings_of(broker, most_stored=5000), tmp_path) as house:
        tracemalloc.start()
        try:
            for part in range(6):
                await tell(house, part * 2000, 2000)
                await until(lambda: not link_of(house)._queue)
                await until(lambda: not link_of(house)._sending)
                gc.collect()
                sizes.append(tracemalloc.get_traced_memory()[0])
        finally:
            tracemalloc.stop()
        status = house.bridge.state
        assert status.stored == 5000
        assert status.dropped > 10_000
    # Each part tells 4,000 values: kept in memory they would be megabytes.
    assert max(sizes[2:]) < sizes[1] + 1_000_000, sizes


async def test_beyond_the_bound_the_oldest_go_and_are_counted(
    broker: Broker, tmp_path: Path, gate: asyncio.Event
) -> None:
    gate.clear()
    broker.kill()
    async with home(settings_of(broker, most_stored=100), tmp_path) as house:
        await tell(house, 1, 300)
        await until(lambda: house.bridge.state.stored == 100)
        # Two powers each time, and what is told more rarely.
        assert house.bridge.state.dropped > 2 * 300 - 100
        async with back(broker, gate) as heard:
            await until(lambda: 300.0 in powers(heard))
        kept = in_order(powers(heard))
        assert kept == [float(n) for n in range(int(kept[0]), 301)]
        assert kept[0] > 150


async def test_a_disk_that_takes_nothing_is_said_and_memory_is_sent_all_the_same(
    broker: Broker,
    tmp_path: Path,
    gate: asyncio.Event,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with home(settings_of(broker), tmp_path) as house:
        await house.connected()
        await gone(broker, gate, house)
        await tell(house, 1, 3)
        await until(lambda: house.bridge.state.stored > 0)
        outbox = link_of(house)._outbox
        monkeypatch.setattr(outbox, "_opened", full_disk)
        await tell(house, 4, 3)
        await until(lambda: link_of(house).store_problem is not None)
        async with back(broker, gate) as heard:
            await until(lambda: 6.0 in powers(heard))
            monkeypatch.undo()
            await tell(house, 7, 1)
            await until(lambda: set(powers(heard)) == {float(n) for n in range(1, 8)})
    assert caplog.text.count("Messages cannot be stored: ") == 1


async def test_more_than_memory_holds_is_lost_oldest_first_and_counted(
    broker: Broker,
    tmp_path: Path,
    gate: asyncio.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(link, "_MOST_IN_MEMORY", 50)
    async with home(settings_of(broker), tmp_path) as house:
        await house.connected()
        await gone(broker, gate, house)
        monkeypatch.setattr(link_of(house)._outbox, "_opened", full_disk)
        await tell(house, 1, 100)
        await until(lambda: link_of(house).lost > 0)
        assert len(link_of(house)._queue) <= 50
        async with back(broker, gate) as heard:
            await until(lambda: 100.0 in powers(heard))
    assert in_order(powers(heard))[0] > 1.0


async def test_a_task_of_a_link_that_dies_says_so(
    broker: Broker,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(self: link.Link) -> None:
        raise RuntimeError("made to fail")

    monkeypatch.setattr(link.Link, "_spill", fail)
    async with home(settings_of(broker), tmp_path) as house:
        await house.connected()
        await until(lambda: "made to fail" in caplog.text)
    assert "netflex northbound fail has failed" in caplog.text


async def test_a_link_that_never_began_stops(tmp_path: Path) -> None:
    settings = NorthboundSettings(
        host="127.0.0.1", port=1, endpoint=ENDPOINT, tls=None, control=None
    )
    outbox = Outbox(tmp_path / "outbox.db", 10)
    unused = link.Link(settings, None, outbox, None)  # type: ignore[arg-type]
    await unused.stop()
    assert not unused.connected


async def test_what_waits_outlives_the_bridge(broker: Broker, tmp_path: Path) -> None:
    broker.kill()
    async with home(settings_of(broker), tmp_path) as house:
        await tell(house, 1, 20)
    await broker.start()
    async with (
        listening(broker) as (_, heard),
        home(settings_of(broker), tmp_path) as house,
    ):
        await tell(house, 21, 5)
        await until(lambda: 25.0 in powers(heard))
    assert in_order(powers(heard)) == [float(n) for n in range(1, 26)]


@asynccontextmanager
async def program(
    broker: Broker, folder: Path, first: int
) -> AsyncGenerator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.northbound.endpoint",
        str(broker.port),
        str(folder),
        str(first),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def progress(process: asyncio.subprocess.Process, stored: int) -> int:
    """Wait until a program has stored so many messages; return how far it is."""
    assert process.stdout is not None
    async with asyncio.timeout(50):
        while line := await process.stdout.readline():
            number, waiting = map(int, line.split())
            if waiting >= stored:
                return number
    raise AssertionError("the endpoint has ended")


async def test_kill_9_of_the_endpoint_costs_at_most_what_was_not_stored_yet(
    broker: Broker, tmp_path: Path
) -> None:
    broker.kill()
    async with program(broker, tmp_path, 1) as process:
        reached = await progress(process, 400)
        process.kill()
        await process.wait()
    await broker.start()
    async with (
        listening(broker) as (_, heard),
        program(broker, tmp_path, reached + 1000) as process,
    ):
        await until(lambda: any(value > reached + 1000 for value in powers(heard)))
        process.kill()
        # Its last will speaks for it.
        await until(lambda: heard.of(f"@offline/{ENDPOINT}"))
    before = [value for value in in_order(powers(heard)) if value <= reached + 500]
    assert before == [float(n) for n in range(1, len(before) + 1)]
    # It stores once a second at the latest and tells a value every 10 ms.
    assert len(before) > reached - 250


async def test_a_broker_that_stalls_is_given_up_and_nothing_is_lost(
    broker: Broker, tmp_path: Path
) -> None:
    async with home(settings_of(broker), tmp_path) as house:
        await house.connected()
        await tell(house, 1, 3)
        await until(lambda: house.bridge.state.stored == 0)
        broker.signal(signal.SIGSTOP)
        await tell(house, 4, 30)
        # Half open: the socket is there and nobody answers.
        await until(lambda: not house.bridge.state.connected)
        await until(lambda: house.bridge._outbox.count >= 30)
        broker.signal(signal.SIGCONT)
        async with listening(broker) as (_, heard):
            await until(lambda: 33.0 in powers(heard))
        told = in_order(powers(heard))
        assert told == [float(n) for n in range(int(told[0]), 34)]
        assert told[0] <= 4.0
        await until(lambda: house.bridge.state.stored == 0)


async def test_taking_leave_of_a_broker_that_stalls_ends_and_loses_nothing(
    broker: Broker, tmp_path: Path
) -> None:
    async with asyncio.timeout(LIMIT), home(settings_of(broker), tmp_path) as house:
        await house.connected()
        broker.signal(signal.SIGSTOP)
        await tell(house, 1, 20)
    broker.signal(signal.SIGCONT)
    async with (
        listening(broker) as (_, heard),
        home(settings_of(broker), tmp_path),
    ):
        await until(lambda: 20.0 in powers(heard))
    assert in_order(powers(heard))[-1] == 20.0


async def test_leaving_while_it_connects_leaves_no_connection_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "TIMEOUT", LIMIT)
    open_links: set[object] = set()

    async def silent(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        open_links.add(writer)
        await reader.read()
        open_links.discard(writer)
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        broker = Broker(Path("none"), tmp_path)
        broker.port = server.sockets[0].getsockname()[1]
        async with home(settings_of(broker), tmp_path):
            await until(lambda: open_links)
        await until(lambda: not open_links)


async def test_a_try_that_fails_after_it_was_given_up_tells_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, over = asyncio.Event(), asyncio.Event()

    async def enter(_client: aiomqtt.Client) -> aiomqtt.Client:
        begun.set()
        await over.wait()
        raise aiomqtt.MqttError("[Errno 111] Connection refused")

    monkeypatch.setattr(aiomqtt.Client, "__aenter__", enter)
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _loop, context: told.append(context)
    )
    broker = Broker(Path("none"), tmp_path)

    async def connect() -> None:
        async with connection.connected(settings_of(broker), None, "netflex-test"):
            pass

    trying = asyncio.create_task(connect())
    await begun.wait()
    trying.cancel()
    await asyncio.sleep(0)
    over.set()
    with pytest.raises(asyncio.CancelledError):
        await trying
    gc.collect()
    assert not told


async def test_the_clients_own_words_are_for_debugging_only(
    broker: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broker.kill()
    caplog.set_level(logging.INFO)
    tries: list[int] = []

    def delays(failures: int) -> float:
        tries.append(failures)
        return 0.005

    async with home(settings_of(broker), tmp_path, delays=delays) as house:
        # Away for many tries: the first one says so.
        await until(lambda: len(tries) >= 20)
        await broker.start()
        await house.connected()
        broker.kill()
        await until(lambda: not house.bridge.state.connected)
    told = [item.message for item in caplog.records if "northbound" in item.name]
    where = f"the broker 127.0.0.1 port {broker.port}"
    lost = [text for text in told if text.startswith(f"No connection to {where}")]
    assert len(lost) == 2
    assert told.count(f"Connected to {where} again") == 1
    assert not [item for item in caplog.records if "mqtt" in item.name]


async def test_a_fault_of_our_own_is_logged_once_however_often_it_comes(
    broker: Broker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tries: list[int] = []

    @asynccontextmanager
    async def faulty(*_args: Any) -> AsyncGenerator[aiomqtt.Client]:
        tries.append(1)
        raise RuntimeError("a fault")
        yield

    monkeypatch.setattr(link, "connected", faulty)
    async with home(settings_of(broker), tmp_path, delays=lambda _: 0.001) as house:
        await until(lambda: len(tries) >= 20)
        assert house.bridge.state.problem is not None
    assert caplog.text.count("has failed") == 1


async def test_a_fault_of_our_own_ends_one_connection_and_not_the_link(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with home(settings_of(broker), tmp_path) as house:
        await house.connected()
        real = house.bridge.on_message
        faults = [RuntimeError("a fault")]

        def faulty(incoming: Incoming) -> None:
            if faults:
                raise faults.pop()
            real(incoming)

        monkeypatch.setattr(house.bridge, "on_message", faulty)
        async with listening(broker) as (client, _):
            await client.publish(f"@set/{ENDPOINT}/x", b"{}", qos=1)
            await until(lambda: house.links[-2:] == [False, True])
            await client.publish(f"@set/{ENDPOINT}/x", b"{}", qos=1)
            await until(lambda: house.bridge.state.refused)


async def test_a_broker_killed_again_and_again_loses_nothing(
    broker: Broker, tmp_path: Path, gate: asyncio.Event
) -> None:
    everything: list[float] = []
    async with home(settings_of(broker), tmp_path) as house:
        for start in range(1, 200, 40):
            await gone(broker, gate, house)
            await tell(house, start, 20)
            async with back(broker, gate) as heard:
                await house.connected()
                await tell(house, start + 20, 20)
                last = float(start + 39)
                async with asyncio.timeout(LIMIT):
                    while last not in powers(heard):
                        await asyncio.sleep(0.01)
            everything += powers(heard)
        assert house.bridge.state.dropped == 0
    assert in_order(everything) == [float(n) for n in range(1, 201)]


def test_tries_come_ever_more_rarely_and_never_in_step() -> None:
    for failures in range(20):
        longest = min(LONGEST_DELAY, 2.0**failures)
        delays = {back_off(failures) for _ in range(50)}
        assert len(delays) > 10
        assert all(longest / 2 <= delay <= longest for delay in delays)
    assert back_off(10_000) <= LONGEST_DELAY


# ------------------------------------------------------------------ what is wrong there


async def test_a_good_connection_has_nothing_wrong_and_leaves_no_trace(
    tls_broker: Broker,
) -> None:
    async with listening(tls_broker) as (_, heard):
        assert await probe(settings_of(tls_broker)) is None
    assert heard.messages == []


async def test_the_test_says_what_is_wrong(
    tls_broker: Broker, broker: Broker, tmp_path: Path
) -> None:
    good = settings_of(tls_broker)
    assert good.tls is not None
    stranger = CertificateAuthority(tmp_path, "stranger")
    _, strange, key = stranger.issue("goflex-dc-004")
    _, old, old_key = tls_broker.authority.issue("old", timedelta(days=-1))  # type: ignore[union-attr]
    wrong = {
        "connection_refused": replace(good, port=free_port()),
        "broker_untrusted": replace(
            good, tls=replace(good.tls, authorities=stranger.path)
        ),
        "certificate_refused": replace(
            good, tls=replace(good.tls, certificate=strange, key=key)
        ),
        "tls_failed": replace(good, port=broker.port),
        "certificate_unusable": replace(
            good, tls=replace(good.tls, certificate=tmp_path / "missing.pem")
        ),
    }
    found = {}
    for expected, settings in wrong.items():
        problem = await probe(settings)
        found[expected] = None if problem is None else problem.key
    assert found == {key: key for key in wrong} | {"tls_failed": found["tls_failed"]}
    assert found["tls_failed"] in {"tls_failed", "connection_lost"}
    for tls in (
        TlsFiles(authorities=good.tls.authorities),
        replace(good.tls, certificate=old, key=old_key),
    ):
        problem = await probe(replace(good, tls=tls))
        assert problem is not None
        assert problem.key == "certificate_refused"


def test_a_name_that_nobody_knows_is_named() -> None:
    # Tests resolve no names.
    problem = explain(socket.gaierror(-2, "Name or service not known"))
    assert problem.key == "name_unknown"
    assert "nobody knows a host" in problem.text


async def test_a_broker_that_wants_a_password_says_so(
    mosquitto: Path, tmp_path: Path
) -> None:
    broker = Broker(mosquitto, tmp_path)
    text = broker._config.read_text().replace("anonymous true", "anonymous false")
    broker._config.write_text(text)
    await broker.start()
    try:
        problem = await probe(settings_of(broker, username="me", password="wrong"))
    finally:
        broker.stop()
    assert problem is not None
    assert problem.key == "not_authorised"


class Deaf:
    """A client of a broker that grants no subscription; mosquitto's rules never refuse one."""

    async def subscribe(self, _topic: str, qos: int) -> list[ReasonCode]:
        return [ReasonCode(PacketTypes.SUBACK, identifier=0x80)]


async def test_a_broker_that_lets_nobody_listen_is_said_once_and_told_all_the_same(
    broker: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with home(settings_of(broker), tmp_path) as house:
        for _ in range(2):
            await link_of(house)._listen(Deaf())  # type: ignore[arg-type]
    said = [item for item in caplog.records if "let us subscribe" in item.message]
    assert len(said) == 1


async def test_a_silent_broker_is_no_answer(tmp_path: Path) -> None:
    async def silent(reader: asyncio.StreamReader, writer: object) -> None:
        await reader.read()
        writer.close()  # type: ignore[attr-defined]

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        broker = Broker(Path("none"), tmp_path)
        broker.port = port
        problem = await probe(settings_of(broker))
    assert problem is not None
    assert problem.key == "no_answer"


async def test_a_running_link_says_why_it_has_no_broker(
    tls_broker: Broker, tmp_path: Path
) -> None:
    stranger = CertificateAuthority(tmp_path, "stranger")
    _, certificate, key = stranger.issue(ENDPOINT)
    good = settings_of(tls_broker)
    assert good.tls is not None
    refused = replace(good, tls=replace(good.tls, certificate=certificate, key=key))
    async with home(refused, tmp_path) as house:
        await until(lambda: house.bridge.state.problem is not None)
        assert house.bridge.state.problem == "certificate_refused"
