"""The operator's list from the command line, against a station in another process."""

import json
from pathlib import Path
import re
import subprocess
import sys

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "custom_components.netflex.telecontrol")


def rehearse(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "rehearse", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def test_the_list_against_the_bare_station(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "--port", "0", "--address", "127.0.0.1"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as station:
        try:
            assert station.stdout is not None
            found = re.search(r"port (\d+)", station.stdout.readline())
            assert found is not None
            result = rehearse(
                *("--host", "127.0.0.1", "--port", found[1]),
                *("--real-orders", "--report", str(tmp_path)),
            )
        finally:
            station.terminate()
            station.communicate(timeout=20)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "0 not passed" in result.stdout
    assert "1/15 Link" in result.stdout
    (data,) = tmp_path.glob("*.json")
    found_data = json.loads(data.read_bytes())
    assert found_data["mode"] == "wire"
    assert found_data["failed"] == 0
    html = data.with_suffix(".html").read_text(encoding="utf-8")
    assert "Only the answers of the station were judged" in html


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--host", "127.0.0.1"), 2, "--real-orders"),
        (("--host", "127.0.0.1", "--port", "1", "--real-orders"), 2, "Ended early"),
        (
            ("--host", "127.0.0.1", "--real-orders", "--points", "no_such_file"),
            2,
            "no_such_file",
        ),
    ],
)
def test_what_cannot_begin_says_why(
    arguments: tuple[str, ...], code: int, said: str
) -> None:
    result = rehearse(*arguments)
    assert result.returncode == code
    assert said in result.stderr
    assert "Traceback" not in result.stderr
