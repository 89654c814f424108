"""The station's command line, in a process of its own as an installer runs it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
import csv
import io
import os
from pathlib import Path
import re
import signal
import subprocess
import sys

import pytest

from custom_components.netflex.iec104 import (
    ControllingConfig,
    ControllingStation,
    LinkClosedError,
)
from custom_components.netflex.iec104.lib60870_deviations import DEVIATIONS
from custom_components.netflex.telecontrol.point_csv import write_points
from custom_components.netflex.telecontrol.points import DEFAULT_POINTS

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "custom_components.netflex.telecontrol")
HEADER = (
    "name,direction,type_id,ioa,unit,scale,sign,time_tag,min,max,execution,initial,"
    "quality,invert"
)


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_list_points_prints_the_table() -> None:
    result = _run("--list-points")
    assert result.returncode == 0
    assert result.stdout.splitlines()[0] == HEADER
    names = [row["name"] for row in csv.DictReader(io.StringIO(result.stdout))]
    assert names[:4] == [
        "emergency_stop_production",
        "emergency_stop_consumption",
        "test",
        "q_mode",
    ]
    assert "maxsetap_feedback" in names
    assert "q_flexible_consumption" in names
    assert result.stdout == write_points(DEFAULT_POINTS)


def test_points_are_read_and_their_faults_named(tmp_path: Path) -> None:
    table = tmp_path / "annex-b.csv"
    text = write_points(DEFAULT_POINTS)
    table.write_text(text.replace("maxsetp,control,50,2002", "maxsetp,control,50,9"))
    listed = _run("--points", str(table), "--list-points")
    assert "maxsetp,control,50,9," in listed.stdout
    table.write_text(text.replace("maxsetp,control,50,2002", "maxsetp,control,50,2001"))
    refused = _run("--points", str(table), "--list-points")
    assert refused.returncode == 2
    assert "2001 is the address of minsetp too" in refused.stderr
    assert _run("--points", str(tmp_path / "none.csv")).returncode == 2
    assert _run("--port", "99999").returncode == 2


@asynccontextmanager
async def _station(
    *arguments: str,
) -> AsyncGenerator[tuple[asyncio.subprocess.Process, asyncio.StreamReader, int]]:
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        "--address",
        "127.0.0.1",
        "--port",
        "0",
        *arguments,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            first = (await process.stdout.readline()).decode()
            found = re.search(r"listening on 127\.0\.0\.1 port (\d+)", first)
            assert found is not None, first
            yield process, process.stdout, int(found[1])
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.usefixtures("socket_enabled")
async def test_the_bare_station_prints_orders_and_apdus(tmp_path: Path) -> None:
    async with _station() as (process, output, port):
        client = ControllingStation(ControllingConfig())
        await client.connect("127.0.0.1", port)
        await client.start_dt()
        points = DEFAULT_POINTS.by_name
        stop = await client.command(points["emergency_stop_production"].ioa, 45, True)
        assert stop.accepted
        assert stop.terminated
        limit = await client.command(points["maxsetp"].ioa, 50, 42.0)
        assert limit.accepted
        refused = await client.command(points["maxsetp"].ioa, 50, 200.0)
        assert not refused.accepted
        found = await client.general_interrogation()
        assert len(found.objects) == 27
        values = {obj.ioa: (obj.value, obj.quality) for obj in found.objects}
        assert values[points["maxsetp_feedback"].ioa] == (42.0, 0)
        assert values[points["p_solar"].ioa] == (0.0, 0)
        await client.close()
        process.send_signal(signal.SIGINT)
        printed = (await output.read()).decode()
        assert await process.wait() == 0
    for expected in (
        "ORDER emergency_stop_production = on accepted from 127.0.0.1",
        "ORDER maxsetp = 42.0 accepted from 127.0.0.1",
        "ORDER maxsetp = 200.0 refused: 200 % is outside 0 to 100 %",
        "U STARTDT_ACT",
        "C_SE_NC_1 activation_confirmation",
        "M_ME_NC_1 interrogated_by_station",
        "LINK data transfer started, 127.0.0.1",
    ):
        assert expected in printed


@pytest.mark.lib60870
@pytest.mark.usefixtures("socket_enabled", "lib60870")
async def test_the_bare_station_runs_on_c104() -> None:
    async with _station("--engine", "c104") as (process, output, port):
        client = ControllingStation(ControllingConfig())
        await client.connect("127.0.0.1", port)
        await client.start_dt()
        ioa = DEFAULT_POINTS.by_name["maxsetp"].ioa
        limit = await client.command(ioa, 50, 42.0, wait_termination=False)
        assert limit.accepted
        assert not (await client.command(ioa, 50, 200.0)).accepted
        found = await client.general_interrogation()
        assert len(found.objects) == 27
        await client.close()
        process.send_signal(signal.SIGINT)
        printed = (await output.read()).decode()
        assert await process.wait() == 0
    for expected in (
        "ORDER maxsetp = 42.0 accepted from 127.0.0.1",
        "ORDER maxsetp = 200.0 refused: 200 % is outside 0 to 100 %",
        "C_SE_NC_1 activation_confirmation",
        "LINK data transfer started, 127.0.0.1",
    ):
        assert expected in printed


def test_an_engine_that_is_not_installed_is_named() -> None:
    # As where c104 is not installed: a finder that finds everything but it.
    code = (
        "import sys, importlib.util as u; find = u.find_spec;"
        "u.find_spec = lambda name, *more: None if name == 'c104' else find(name, *more);"
        "from custom_components.netflex.cli.telecontrol import main;"
        "main(['--engine', 'c104'])"
    )
    refused = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert refused.returncode == 2
    assert "the package c104 is not installed for this Python" in refused.stderr


def test_help_names_what_c104_does_differently() -> None:
    printed = " ".join(_run("--help").stdout.split())
    for deviation in DEVIATIONS:
        assert deviation.text in printed


@pytest.mark.usefixtures("socket_enabled")
async def test_the_bare_station_ends_when_nobody_reads_its_lines() -> None:
    async with _station() as (process, output, port):
        assert process.stdout is not None
        output._transport.close()
        client = ControllingStation(ControllingConfig())
        await client.connect("127.0.0.1", port)
        with suppress(LinkClosedError):
            await client.start_dt()
        await process.wait()
        await client.close()


def test_home_assistant_is_not_imported() -> None:
    code = (
        "import sys, custom_components.netflex.cli.telecontrol;"
        "print([m for m in sys.modules if m.split('.')[0] in"
        " ('homeassistant', 'voluptuous', 'probatio')])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert result.stdout.strip() == "[]"
