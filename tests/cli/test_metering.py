"""The command line of meters as an installer runs it: in a process of its own."""

import asyncio
import json
from pathlib import Path
import signal
import subprocess
import sys
from typing import Any

import pytest

from custom_components.netflex.cli.metering import main
from tests.metering.recordings import (
    FOLDER,
    STREAM,
    THREE_PHASE,
    encrypted_frame,
    recorded,
    telegrams_of,
)
from tests.metering.wires import Adapter

_ROOT = Path(__file__).parents[2]
_MODULE = "custom_components.netflex.metering"
# Runs the command line and then says which packages it has imported.
_RUN = f"""
import json, runpy, sys
sys.argv = ["metering", *sys.argv[1:]]
try:
    runpy.run_module("{_MODULE}", run_name="__main__")
finally:
    packages = sorted({{name.partition(".")[0] for name in sys.modules}})
    print(json.dumps(packages), file=sys.stderr)
"""


def _lines(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _RUN, *arguments],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_recording_as_json_lines_without_home_assistant() -> None:
    done = _run("p1", str(FOLDER / "edge_line_noise_high_bit_a.txt"))
    *readings, last = _lines(done.stdout)
    assert [reading["meter_time"] for reading in readings] == [
        "2022-11-27T18:12:01+01:00",
        "2022-11-27T18:12:03+01:00",
    ]
    assert readings[0]["power"] == 3417.0
    assert readings[0]["grid_type"] == "3x230"
    assert readings[0]["line_current"] == {"l1": 14.05, "l2": 13.92, "l3": 1.72}
    assert readings[0]["quarter"]["start"] == "2022-11-27T18:00:00+01:00"
    assert last["summary"] == {
        "good": 2,
        "damaged": 1,
        "lost": 0,
        "period": None,
        "dropped_bytes": 738,
    }
    assert done.returncode == 0
    packages = set(json.loads(done.stderr.splitlines()[-1]))
    assert "custom_components" in packages
    assert not packages & {"homeassistant", "voluptuous", "probatio"}


def test_lost_telegrams_are_counted_on_the_meters_clock(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    telegrams = recorded(STREAM).split(b"/")
    recording = tmp_path / "gap.txt"
    recording.write_bytes(b"/".join(telegrams[:6] + telegrams[9:12]))
    assert main(["p1", str(recording)]) == 0
    summary = _lines(capsys.readouterr().out)[-1]["summary"]
    assert (summary["good"], summary["damaged"], summary["lost"]) == (8, 0, 3)
    assert summary["period"] == 1


def test_a_meter_that_sends_every_ten_seconds_loses_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    telegrams = telegrams_of(recorded(STREAM))
    recording = tmp_path / "slow.txt"
    recording.write_bytes(b"".join(telegrams[::10]))
    assert main(["p1", str(recording)]) == 0
    summary = _lines(capsys.readouterr().out)[-1]["summary"]
    assert (summary["good"], summary["lost"], summary["period"]) == (4, 0, 10)


def test_count_limits_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["p1", str(FOLDER / f"{STREAM}.txt"), "--count", "3"]) == 0
    assert len(_lines(capsys.readouterr().out)) == 4


def test_recording_without_a_good_telegram_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = tmp_path / "encrypted.bin"
    recording.write_bytes(encrypted_frame())
    assert main(["p1", str(recording)]) == 1
    output = capsys.readouterr()
    assert "encrypts" in output.err
    assert _lines(output.out)[-1]["summary"]["good"] == 0


@pytest.mark.usefixtures("socket_enabled")
async def test_port_until_interrupted() -> None:
    wire = Adapter()
    wire.greeting = recorded(THREE_PHASE)
    await wire.open()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        _MODULE,
        "p1",
        wire.url,
        cwd=_ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(20):
        first = json.loads(await process.stdout.readline())
        process.send_signal(signal.SIGINT)
        output, errors = await process.communicate()
    await wire.close()
    assert first["power"] == 132.0
    (last,) = _lines(output.decode())
    assert last["summary"]["good"] == 1
    assert last["summary"]["version"] == "50217"
    assert (process.returncode, errors) == (0, b"")


def test_port_that_is_not_there_fails_in_words() -> None:
    done = _run("p1", "/dev/netflex-no-such-port", "--seconds", "0.5")
    assert done.returncode == 1
    assert done.stderr.count("is not there") == 1
    assert _lines(done.stdout)[-1]["summary"]["good"] == 0


def test_reader_that_has_enough_of_the_lines_is_no_fault() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", _MODULE, "p1", str(FOLDER / f"{STREAM}.txt")],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process.stderr as errors:
        assert errors.read() == b""
    process.wait(20)
