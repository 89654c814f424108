"""Controlled stations from the wire: time to confirm, to interrogate, and memory.

A client on a bare socket, each station in a process of its own, taking turns.

Confirmations are timed twice. One at a time, as a telecontrol server gives orders: the
one before has ended, and the station waits. And back to back, the next command being
sent as soon as the one before is confirmed: then what a station still does for the last
one counts, and so does that it is awake, which favours the station that takes longer
over it where waking a core is what costs most.
"""

from collections.abc import Generator
from contextlib import contextmanager
import gc
import logging
from pathlib import Path
import resource
import signal
import socket
from statistics import median
import struct
import subprocess
import sys
from time import perf_counter, sleep
import tracemalloc
from typing import NamedTuple, cast

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tests.iec104.bench import Plant, Watcher
from tests.iec104.fuzzing import Outcome, hostile_asdus, hostile_streams
from tests.iec104.wireless import DirectTimers, Side, station
from tests.ports import free_port

ROOT = Path(__file__).parent.parent.parent
BUILTIN = [sys.executable, "-m", "tests.benchmarks.iec104_station"]
PEERS = ROOT / "tests" / "peers"
PEER_SERVERS = {"c104": PEERS / "c104_server.py", "hat": PEERS / "hat_server.py"}
RUNS, COMMANDS, INTERROGATIONS = 5, 1000, 20
PAUSE = 0.001
"""s after a confirmation in which every station ends what belongs to the order."""
ASDUS = 34
STALL = 0.2


class BareClient:
    """Blocking socket, correct numbers, an acknowledgement every eighth I APDU."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(10)
        self._buffer = b""
        self._sent = self._received = 0
        self._socket.sendall(bytes.fromhex("680407000000"))
        while self._apdu()[2] != 0x0B:
            pass

    def close(self) -> None:
        """Disconnect."""
        self._socket.close()

    def command(self, value: float) -> float:
        """Return the seconds from sending a setpoint to its confirmation."""
        begun = perf_counter()
        self.send_command(value)
        self.confirmation()
        return perf_counter() - begun

    def send_command(self, value: float) -> None:
        """Send a setpoint."""
        body = bytes((50, 1, 6, 0, 100, 0, 10, 0, 0)) + struct.pack("<fB", value, 0)
        self._send(body)

    def confirmation(self) -> None:
        """Read to the next confirmation of a setpoint."""
        while (asdu := self._asdu())[:1] != b"\x32" or asdu[2] != 7:
            pass

    def interrogate(self) -> tuple[float, int, int]:
        """Return seconds to the termination, ASDUs of values, and values."""
        begun = perf_counter()
        self._send(bytes((100, 1, 6, 0, 100, 0, 0, 0, 0, 20)))
        asdus = values = 0
        while (asdu := self._asdu())[0] != 100 or asdu[2] != 10:
            if asdu[2] == 20:
                asdus += 1
                values += asdu[1] & 0x7F
        return perf_counter() - begun, asdus, values

    def _send(self, asdu: bytes) -> None:
        header = struct.pack(
            "<BBHH", 0x68, 4 + len(asdu), self._sent << 1, self._received << 1
        )
        self._sent = (self._sent + 1) & 0x7FFF
        self._socket.sendall(header + asdu)

    def _asdu(self) -> bytes:
        while (apdu := self._apdu())[2] & 1:
            pass
        self._note()
        return apdu[6:]

    def _note(self) -> None:
        self._received = (self._received + 1) & 0x7FFF
        if self._received % 8 == 0:
            self._socket.sendall(struct.pack("<BBHH", 0x68, 4, 1, self._received << 1))

    def _apdu(self) -> bytes:
        while len(self._buffer) < 2 or len(self._buffer) < 2 + self._buffer[1]:
            data = self._socket.recv(65536)
            assert data, "the station closed the connection"
            self._buffer += data
        end = 2 + self._buffer[1]
        apdu, self._buffer = self._buffer[:end], self._buffer[end:]
        return apdu


def resident_octets(pid: int) -> int:
    """Return a process's resident memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


@contextmanager
def started(command: list[str]) -> Generator[tuple[subprocess.Popen[bytes], int]]:
    """Run a station; yield its process and port."""
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        yield process, int(process.stdout.readline())
    finally:
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def percentile(samples: list[float], share: float) -> float:
    """Return the sample below which that share lies."""
    return sorted(samples)[min(len(samples) - 1, int(len(samples) * share))]


class Measured(NamedTuple):
    """Medians of one station: times in ms, and the ASDUs of one interrogation."""

    confirmation: float
    confirmation_p99: float
    back_to_back: float
    back_to_back_p99: float
    interrogation: float
    asdus: int


def one_at_a_time(client: BareClient, value: float) -> float:
    """Return the ms to the confirmation of an order that finds the station waiting."""
    sleep(PAUSE)
    return 1000 * client.command(value)


def measured(command: list[str], commands: int, interrogations: int) -> Measured:
    """Ask one station, in a process of its own, everything."""
    with started(command) as (_, port):
        client = BareClient(port)
        for number in range(min(50, commands)):
            client.command(number)
        single = [one_at_a_time(client, number % 100) for number in range(commands)]
        chained = [1000 * client.command(number % 100) for number in range(commands)]
        rounds = [client.interrogate() for _ in range(interrogations)]
        client.close()
    assert all(values >= 1000 for _, _, values in rounds)
    return Measured(
        median(single),
        percentile(single, 0.99),
        median(chained),
        percentile(chained, 0.99),
        1000 * median(taken for taken, _, _ in rounds),
        rounds[0][1],
    )


def test_iec104_confirmation_and_interrogation(
    benchmark: BenchmarkFixture,
    capsys: pytest.CaptureFixture[str],
    socket_enabled: None,
    request: pytest.FixtureRequest,
) -> None:
    """The built-in station and, when benchmarks are run, the peers' beside it."""
    runs, commands, interrogations = RUNS, COMMANDS, INTERROGATIONS
    peers = ["builtin", *PEER_SERVERS]
    if benchmark.disabled:
        runs, commands, interrogations, peers = 1, 50, 2, ["builtin"]
    taken: dict[str, list[Measured]] = {name: [] for name in peers}

    def one_run() -> None:
        for name in peers:
            argv = BUILTIN
            if name in PEER_SERVERS:
                python = request.getfixturevalue("peer_python")
                script = PEER_SERVERS[name]
                argv = [str(python), "-I", "-W", "ignore", str(script)]
                argv.append(str(free_port()))
            taken[name].append(measured(argv, commands, interrogations))

    benchmark.pedantic(one_run, rounds=runs)
    lines = [
        f"{'station':10}{'confirm ms':>12}{'p99':>9}{'chained':>9}{'p99':>9}"
        f"{'1000 pts':>10}{'ASDUs':>7}"
    ]
    figures = {}
    for name, rows in taken.items():
        figures[name] = figure = Measured(
            *(median(column) for column in zip(*rows, strict=True))
        )
        lines.append(
            f"{name:10}{figure.confirmation:12.3f}{figure.confirmation_p99:9.3f}"
            f"{figure.back_to_back:9.3f}{figure.back_to_back_p99:9.3f}"
            f"{figure.interrogation:10.2f}{figure.asdus:7}"
        )
        benchmark.extra_info[name] = {
            "confirmation_ms": figure.confirmation,
            "confirmation_p99_ms": figure.confirmation_p99,
            "back_to_back_ms": figure.back_to_back,
            "back_to_back_p99_ms": figure.back_to_back_p99,
            "interrogation_1000_ms": figure.interrogation,
            "interrogation_asdus": figure.asdus,
        }
    ours = figures["builtin"]
    for name in peers[1:]:
        peer = figures[name]
        ratios = {
            "confirmation": ours.confirmation / peer.confirmation,
            "back_to_back": ours.back_to_back / peer.back_to_back,
            "interrogation": ours.interrogation / peer.interrogation,
        }
        shown = ", ".join(f"{key} {value:.2f}" for key, value in ratios.items())
        lines.append(f"builtin / {name}: {shown}")
        benchmark.extra_info[f"builtin_to_{name}"] = ratios
    with capsys.disabled():
        if not benchmark.disabled:
            print("\n" + "\n".join(lines))  # noqa: T201
    assert ours.asdus <= ASDUS


def test_iec104_memory_does_not_grow(benchmark: BenchmarkFixture) -> None:
    """1000 reconnects and 10 000 orders leave nothing behind."""
    reconnects, orders = (50, 500) if benchmark.disabled else (1000, 10_000)
    plant = Plant()
    group = station(plant, DirectTimers())
    notes = cast(Watcher, group.observer)
    order = bytes((50, 1, 6, 0, 100, 0)) + struct.pack("<HBfB", 2001, 0, 50.0, 0)

    def session(count: int) -> None:
        side = Side(group, 1)
        side.start()
        for _ in range(count):
            assert len(side.request(order)) == 3
        side.link.eof_received()
        side.link.connection_lost(None)
        plant.executed.clear()
        notes.opened.clear()
        notes.closed.clear()
        group.timers.advance(100)

    def everything() -> None:
        for _ in range(reconnects):
            session(1)
        session(orders)

    session(100)
    gc.collect()
    tracemalloc.start()
    session(10)
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    benchmark.pedantic(everything, rounds=1)
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    benchmark.extra_info["grown_octets"] = grown
    assert grown < 20_000


def test_iec104_a_million_hostile_inputs(
    benchmark: BenchmarkFixture, caplog: pytest.LogCaptureFixture
) -> None:
    """Each is answered by the table or closes; none disturbs another client."""
    inputs = 1000 if benchmark.disabled else 1_000_000
    # Each close is worth a line at the level below.
    caplog.set_level(logging.WARNING, "custom_components.netflex")
    outcomes: list[Outcome] = []

    def everything() -> None:
        outcomes.append(hostile_asdus(inputs // 2, seed=1906))
        outcomes.append(hostile_streams(inputs - inputs // 2, seed=1907))

    benchmark.pedantic(everything, rounds=1)
    asdus, streams = outcomes
    assert asdus.executed
    assert streams.closed
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]
    benchmark.extra_info["inputs"] = inputs
    benchmark.extra_info["answered_asdus"] = asdus.answered
    benchmark.extra_info["closed"] = asdus.closed + streams.closed


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
def test_iec104_process_does_not_grow(
    benchmark: BenchmarkFixture, socket_enabled: None
) -> None:
    """Reconnects and orders over real sockets leave the station's process its size."""
    reconnects, orders = (20, 200) if benchmark.disabled else (1000, 10_000)
    resident: list[int] = []

    def sessions(port: int, connects: int, commands: int) -> None:
        for _ in range(connects):
            client = BareClient(port)
            client.command(1)
            client.close()
        client = BareClient(port)
        for number in range(commands):
            client.command(number % 100)
        client.close()

    def everything() -> None:
        with started(BUILTIN) as (process, port):
            sessions(port, 100, 1000)
            resident.append(resident_octets(process.pid))
            sessions(port, reconnects, orders)
            resident.append(resident_octets(process.pid))

    benchmark.pedantic(everything, rounds=1)
    before, after = resident
    benchmark.extra_info["resident_octets"] = before
    benchmark.extra_info["grown_octets"] = after - before
    assert after - before < 1_000_000


@pytest.mark.slow
def test_iec104_link_survives_a_stall(
    benchmark: BenchmarkFixture, socket_enabled: None
) -> None:
    """The station's process stands still for 200 ms; then it answers what waited."""
    stalls = 2 if benchmark.disabled else 20
    late: list[float] = []

    def everything() -> None:
        with started(BUILTIN) as (process, port):
            client = BareClient(port)
            client.command(1)
            for number in range(stalls):
                process.send_signal(signal.SIGSTOP)
                client.send_command(number)
                sleep(STALL)
                begun = perf_counter()
                process.send_signal(signal.SIGCONT)
                client.confirmation()
                late.append(perf_counter() - begun)
            # Still the same connection.
            client.command(1)
            client.close()

    benchmark.pedantic(everything, rounds=1)
    assert len(late) == stalls
    benchmark.extra_info["stall_ms"] = 1000 * STALL
    benchmark.extra_info["confirmed_after_stall_ms"] = 1000 * median(late)
