"""The two processes of a simulation, started as a user or the integration does."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
import json
import os
from pathlib import Path
import signal
import sys

import pytest

from custom_components.netflex.cli.simulation import main
from custom_components.netflex.iec104 import (
    Command,
    ControlledStation,
    Responder,
    StationConfig,
)
from custom_components.netflex.simulation.remote import RemoteClient, RemoteError
from tests.simulation.test_operator import Mirror

_ROOT = Path(__file__).parents[2]
_LIMIT = 30.0
"""s for a process to start, or to say something."""

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("socket_enabled")]


@asynccontextmanager
async def started(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "custom_components.netflex.simulation", *arguments),
        cwd=_ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def next_line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(_LIMIT):
        line = await process.stdout.readline()
    assert line, "the process has ended"
    return line.decode().rstrip()


async def lines_until(
    process: asyncio.subprocess.Process, wanted: Callable[[str], bool]
) -> list[str]:
    """Return what is said up to the line that is waited for."""
    lines = [await next_line(process)]
    while not wanted(lines[-1]):
        lines.append(await next_line(process))
    return lines


async def ports_of(process: asyncio.subprocess.Process) -> dict[str, int]:
    ready: dict[str, int] = json.loads(await next_line(process))["ready"]
    return ready


@asynccontextmanager
async def asked(process: asyncio.subprocess.Process) -> AsyncIterator[RemoteClient]:
    remote = await RemoteClient.connect((await ports_of(process))["control"])
    try:
        yield remote
    finally:
        await remote.close()


class Leaving(Mirror):
    """Carries out orders, but the connection ends while it tests."""

    def __init__(self) -> None:
        super().__init__()
        self.leave: Callable[[], None] | None = None

    def execute(self, command: Command, responder: Responder) -> None:
        if command.value is True and self.leave is not None:
            self.leave()
        else:
            super().execute(command, responder)


@asynccontextmanager
async def station(port: int, mirror: Mirror) -> AsyncIterator[ControlledStation]:
    config = StationConfig(host="127.0.0.1", port=port, allowed_clients=None)
    running = ControlledStation(config, mirror)
    await running.start()
    try:
        yield running
    finally:
        await running.stop()


@pytest.mark.parametrize("side", ["devices", "operator"])
async def test_process_says_its_ports_and_ends_when_told(side: str) -> None:
    async with started(side) as process:
        async with asked(process) as remote:
            assert await remote.ask("status")
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), _LIMIT) == 0


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
        sys.executable, "-c", script, cwd=_ROOT, stdout=asyncio.subprocess.PIPE
    )
    child = int(await next_line(parent))
    parent.kill()
    await parent.wait()
    async with asyncio.timeout(_LIMIT):
        while _running(child):
            await asyncio.sleep(0.05)


def _running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/stat")
    return not (status.exists() and status.read_text().split()[2] == "Z")


async def test_devices_stand_at_the_ports_and_the_hour_that_are_asked_for(
    unused_tcp_port: int,
) -> None:
    async with (
        started(
            *("devices", "--port", f"relay={unused_tcp_port}"),
            *("--day-length", "86400", "--start-hour", "13.25"),
        ) as process,
        asked(process) as remote,
    ):
        status = await remote.ask("status")
        assert status["wires"]["relay"]["port"] == unused_tcp_port
        # Noon of a clear day: the day had begun before the process was ready.
        assert status["sun"] == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("port", ["relay", "=502", "relay=many"])
def test_a_port_that_is_none_is_refused(
    port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["devices", "--port", port])
    assert f"{port} must be WIRE=PORT" in capsys.readouterr().err


async def test_a_port_in_use_ends_the_process_in_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    arguments = ["operator", "--control-port", str(port)]
    # It brings an event loop of its own, with the signals of a main thread.
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "custom_components.netflex.simulation", *arguments),
        cwd=_ROOT,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(_LIMIT):
        _, errors = await process.communicate()
    taken.close()
    assert process.returncode == 1
    (said,) = errors.decode().splitlines()
    assert said.startswith("operator: ")
    assert "in use" in said


async def test_the_rtu_does_what_it_is_asked(unused_tcp_port: int) -> None:
    async with (
        started("operator", "--iec104-port", str(unused_tcp_port)) as process,
        asked(process) as rtu,
    ):
        with pytest.raises(RemoteError, match="not connected"):
            await rtu.ask("order", name="maxsetp", value=40)
        with pytest.raises(RemoteError, match="refused|Connect call failed"):
            await rtu.ask("connect")
        async with station(unused_tcp_port, Mirror()):
            welcome = await rtu.ask("connect", within=10)
            assert welcome["points"] > 20
            done = await rtu.ask("order", name="maxsetp", value=40, tagged=True)
            assert (done["accepted"], done["returned"]) == (True, 40.0)
            assert not (await rtu.ask("order", name="minsetp", value=5))["accepted"]
            with pytest.raises(RemoteError, match="maxset"):
                await rtu.ask("order", name="maxset", value=40)
            assert (await rtu.ask("round_trip"))["ms"] > 0
            status = await rtu.ask("status")
            assert status["connected"]
            assert status["heard"]["maxsetp_feedback"]["value"] == 40.0
            await rtu.ask("disconnect")
            assert not (await rtu.ask("status"))["connected"]


async def test_the_rtu_tells_the_day_that_it_plays(unused_tcp_port: int) -> None:
    """A day of seconds: it repeats, so that nothing hangs on the moment of a start."""
    mirror = Leaving()
    async with started(
        *("operator", "--iec104-port", str(unused_tcp_port)),
        *("--day-length", "2", "--start-hour", "6.9"),
    ) as process:
        await ports_of(process)
        lines = await lines_until(process, lambda it: "is not given" in it)
        refused = [line for line in lines if "no connection yet" in line]
        assert len(refused) == 1, "it is said once, however often it is tried"
        async with station(unused_tcp_port, mirror) as running:
            await lines_until(
                process, lambda it: f"connected to 127.0.0.1:{unused_tcp_port}" in it
            )
            lines = await lines_until(process, lambda it: "MINSETP 0:" in it)
            assert "no injection at all" in lines[-1]
            # The mirror refuses what is below 10.
            assert "REFUSED after" in await next_line(process)
            await lines_until(process, lambda it: "the site reports on" in it)
            mirror.leave = lambda: running.close_connections("pulled")
            lines = await lines_until(process, lambda it: "ended meanwhile" in it)
            assert " on: " in lines[-2]
            await lines_until(process, lambda it: "RTU: the connection ended" in it)
        await lines_until(process, lambda it: "is not given" in it)
