"""The command line of S1 as an installer runs it: in a process of its own."""

import asyncio
import json
from pathlib import Path
import signal
import subprocess
import sys
from typing import Any

import pytest

from custom_components.netflex.cli.metering import main
from tests.metering.s1_waves import METER, SINGLE, STAR, ZERO, frame, sine, star, stream
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


def _stepping() -> list[bytes]:
    """Return 4 s of three phases; the load doubles in the middle."""
    first = stream(star(10), 2.0)
    return first + stream(star(20), 2.0, first=len(first))


def test_recording_as_json_lines_without_home_assistant(tmp_path: Path) -> None:
    frames = _stepping()
    frames[2000] = frames[2000][:30] + b"?" + frames[2000][31:]
    del frames[3000:3002]
    recording = tmp_path / "s1.bin"
    recording.write_bytes(b"".join(frames))
    done = subprocess.run(
        [sys.executable, "-c", _RUN, "s1", str(recording)],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    *lines, last = _lines(done.stdout)
    readings = [line for line in lines if "event" not in line]
    assert len(readings) == 4
    assert readings[0]["power"] == pytest.approx(6900, abs=1)
    assert readings[-1]["power"] == pytest.approx(13800, abs=2)
    assert readings[0]["grid_type"] == "3N400"
    assert readings[0]["frequency"] == 50.0
    assert readings[0]["lines"][1]["voltage"] == pytest.approx(230, abs=0.01)
    assert len(readings[0]["lines"][1]["current_harmonics"]) == 25
    (step,) = [line for line in lines if line.get("event") == "step"]
    assert step["power"] == pytest.approx(6900, abs=3)
    assert step["at"] == pytest.approx(2.01, abs=1e-3)
    assert last["summary"] == {
        "good": 10397,
        "damaged": 1,
        "lost": 2,
        "refused": 0,
        "invalid": 0,
        "dropped": 45,
        "sampling_rate": 52,
        "sampling_per_period": True,
    }
    assert done.returncode == 0
    assert METER not in done.stdout
    packages = set(json.loads(done.stderr.splitlines()[-1]))
    assert "numpy" in packages
    assert not packages & {"homeassistant", "voluptuous", "probatio"}


def test_a_sag_and_an_inrush_are_lines_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def supply(time: float) -> float:
        return 0.7 if 0.3 <= time < 0.5 else 1.0

    def motor(time: float) -> float:
        if time < 0.8:
            return 0.1
        return 6.0 if time < 0.98 else 1.0

    channels = [sine(230, factor=supply), sine(5, factor=motor), *[ZERO] * 5]
    recording = tmp_path / "s1.bin"
    recording.write_bytes(b"".join(stream(channels, 1.8, info=SINGLE)))
    assert main(["s1", str(recording)]) == 0
    events = [line for line in _lines(capsys.readouterr().out) if "event" in line]
    sag = [event for event in events if event["event"] == "sag"][-1]
    assert sag["ratio"] == pytest.approx(0.7, abs=0.01)
    assert sag["lines"] == ["L1"]
    (inrush,) = [event for event in events if event["event"] == "inrush"]
    assert inrush["current"] == pytest.approx(30, abs=0.5)
    assert inrush["line"] == "L1"


def test_count_limits_what_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = tmp_path / "s1.bin"
    recording.write_bytes(b"".join(stream(star(), 4.0)))
    assert main(["s1", str(recording), "--count", "2"]) == 0
    *readings, last = _lines(capsys.readouterr().out)
    assert len(readings) == 2
    assert last["summary"]["good"] == 10400


def test_recording_without_a_good_frame_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = tmp_path / "strange.bin"
    recording.write_bytes(frame(info=STAR | 1 << 5) * 30 + b"rest")
    assert main(["s1", str(recording)]) == 1
    (last,) = _lines(capsys.readouterr().out)
    assert last["summary"]["good"] == 0
    assert last["summary"]["refused"] == 30


@pytest.mark.usefixtures("socket_enabled")
async def test_port_until_interrupted() -> None:
    wire = Adapter()
    wire.greeting = b"".join(stream(star(), 1.2))
    await wire.open()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        _MODULE,
        "s1",
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
    assert first["power"] == pytest.approx(6900, abs=1)
    (last,) = _lines(output.decode())
    assert last["summary"]["good"] == 3120
    assert last["summary"]["lost"] == 0
    assert (process.returncode, errors) == (0, b"")
