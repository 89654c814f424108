"""The command line of brokers as an installer runs it: in a process of its own."""

import asyncio
import json
from pathlib import Path
import signal
import sys

import pytest

from custom_components.netflex.northbound.codec import Format
from tests.northbound.broker import Broker, listening
from tests.northbound.conftest import broker, tls_broker  # noqa: F401
from tests.northbound.homes import ENDPOINT, home, points, settings_of
from tests.ports import free_port

pytestmark = [pytest.mark.peer, pytest.mark.usefixtures("socket_enabled")]

_ROOT = Path(__file__).parents[2]
# Runs the command line and then says whether Home Assistant was imported.
_RUN = """
import runpy, signal, sys
# Whoever runs the tests in the background has it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv = ["northbound", *sys.argv[1:]]
try:
    runpy.run_module("custom_components.netflex.northbound", run_name="__main__")
finally:
    assert "homeassistant" not in sys.modules
"""


async def run(*arguments: object) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _RUN,
        *map(str, arguments),
        cwd=_ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(50):
        output, errors = await process.communicate()
    return process.returncode, output.decode(), errors.decode()


def tls(broker: Broker) -> list[object]:  # noqa: F811
    files = broker.files(ENDPOINT)
    return [
        *("--authorities", files.authorities),
        *("--certificate", files.certificate),
        *("--key", files.key),
    ]


async def test_a_broker_is_tried(
    tls_broker: Broker,  # noqa: F811
) -> None:
    where = ["test", "127.0.0.1", "--port"]
    status, output, _ = await run(*where, tls_broker.port, *tls(tls_broker))
    assert (status, output) == (0, f"127.0.0.1:{tls_broker.port} lets us in\n")
    status, output, errors = await run(*where, free_port(), "--no-tls")
    assert (status, output) == (1, "")
    assert errors.startswith("connection_refused: ")
    status, _, errors = await run(*where, tls_broker.port)
    assert status == 1
    assert errors.startswith("broker_untrusted: ")


async def test_what_a_site_tells_is_watched_in_either_format(
    tls_broker: Broker,  # noqa: F811
    tmp_path: Path,
) -> None:
    settings = settings_of(tls_broker, format=Format.CBOR)
    async with (
        listening(tls_broker) as (client, _),
        home(settings, tmp_path) as house,
    ):
        await house.connected()
        house.take(points())
        await client.publish("strange", b"\xff", retain=True, qos=1)
        status, output, _ = await run(
            *("watch", "127.0.0.1", "--port", tls_broker.port),
            *("--count", 2, "--seconds", 40, *tls(tls_broker)),
        )
    assert status == 0
    lines = {line["topic"]: line for line in map(json.loads, output.splitlines())}
    online = lines[f"@online/{ENDPOINT}"]
    assert online["retained"] is True
    assert online["data"]["version"] == "v0.2"
    assert lines["strange"]["octets"] == "ff"
    assert lines["strange"]["problem"]


async def test_watching_needs_a_broker(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("secret\n")
    status, output, errors = await run(
        *("watch", "127.0.0.1", "--port", free_port(), "--no-tls"),
        *("--user", "me", "--password", f"@{password}"),
    )
    assert (status, output) == (1, "")
    assert errors.startswith("connection_refused: ")
    assert "secret" not in errors


async def test_a_file_of_the_password_that_is_not_there_is_said(
    tmp_path: Path,
) -> None:
    status, output, errors = await run(
        *("test", "127.0.0.1", "--no-tls", "--user", "me"),
        *("--password", f"@{tmp_path / 'gone'}"),
    )
    assert (status, output) == (1, "")
    (said,) = errors.splitlines()
    assert "No such file" in said
    assert "gone" in said


async def test_watching_ends_well_when_it_is_interrupted(
    tls_broker: Broker,  # noqa: F811
) -> None:
    async with listening(tls_broker) as (client, _):
        await client.publish("news", b"1", retain=True, qos=1)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _RUN, "watch", "127.0.0.1"),
            *map(str, ("--port", tls_broker.port, *tls(tls_broker))),
            cwd=_ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        async with asyncio.timeout(50):
            assert json.loads(await process.stdout.readline())["topic"] == "news"
            process.send_signal(signal.SIGINT)
            _, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")
