"""The command line of a DLMS meter as an installer runs it."""

import asyncio
import json
from pathlib import Path
import signal
import subprocess
import sys

import pytest

from custom_components.netflex.cli.metering import main
from custom_components.netflex.metering.dlms_link import Framing
from tests.metering.dlms_recordings import (
    E450_KEYS,
    FOLDER,
    OTHER_KEY,
    meter,
    pushing,
    recorded,
)

from .test_metering import _MODULE, _ROOT, _lines, _run

KEY = E450_KEYS.encryption.hex()
AUTHENTICATION = (E450_KEYS.authentication or b"").hex()
PLAIN = FOLDER / "e450_hdlc_listed.hex"
ENCIPHERED = FOLDER / "e450_hdlc_enciphered.hex"


def test_recording_as_json_lines_without_home_assistant() -> None:
    done = _run("dlms", str(PLAIN))
    reading, last = _lines(done.stdout)
    assert reading["power"] == 28.0
    assert reading["line_voltage"] == {"l1": 236.0, "l2": 236.0, "l3": 0.0}
    assert reading["groups"] == ["energy", "technical"]
    assert reading["values"]["1-0:4.8.0"] == 344_697.0
    assert last["summary"] == {
        "good": 1,
        "damaged": 0,
        "enciphered": 0,
        "wrong_key": 0,
        "dropped_bytes": 0,
        "framing": "hdlc",
        "groups": {
            "technical": {"received": 1, "expected_period": 5.0},
            "energy": {"received": 1, "expected_period": 300.0},
            "billing": {"received": 0, "expected_period": 2_592_000.0},
        },
    }
    assert done.returncode == 0
    packages = set(json.loads(done.stderr.splitlines()[-1]))
    assert "custom_components" in packages
    assert not packages & {"homeassistant", "voluptuous", "probatio"}


def test_octets_and_damage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = bytearray(recorded("e450_hdlc_listed") * 3)
    data[700] ^= 0x20
    path = tmp_path / "recording"
    path.write_bytes(data)
    assert main(["dlms", str(path), "--count", "1"]) == 0
    reading, last = _lines(capsys.readouterr().out)
    assert reading["serial"] == "1909113"
    assert (last["summary"]["good"], last["summary"]["damaged"]) == (2, 1)


@pytest.mark.parametrize(
    ("arguments", "status", "counts"),
    [
        ([], 1, (0, 1, 0)),
        (["--key", OTHER_KEY.hex()], 1, (0, 0, 1)),
        (["--key", KEY], 0, (1, 0, 0)),
        (["--key", KEY, "--authentication-key", AUTHENTICATION], 0, (1, 0, 0)),
        (["--key", KEY, "--authentication-key", KEY], 1, (0, 0, 1)),
    ],
)
def test_keys(
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    status: int,
    counts: tuple[int, int, int],
) -> None:
    assert main(["dlms", str(ENCIPHERED), *arguments]) == status
    printed = capsys.readouterr()
    summary = _lines(printed.out)[-1]["summary"]
    assert (summary["good"], summary["enciphered"], summary["wrong_key"]) == counts
    assert ("key" in printed.err) == (status == 1)


def test_a_key_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "key"
    path.write_text(f"{KEY.upper()}\n")
    assert main(["dlms", str(ENCIPHERED), "--key", f"@{path}"]) == 0
    assert _lines(capsys.readouterr().out)[0]["power"] == 545.0


def test_what_is_no_key_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["dlms", str(ENCIPHERED), "--key", "5FDE"])
    assert "32 hexadecimal digits" in capsys.readouterr().err


@pytest.mark.usefixtures("socket_enabled")
async def test_port_until_interrupted() -> None:
    async with pushing(meter(Framing.MBUS, keys=E450_KEYS)) as url:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", _MODULE, "dlms", url, "--key", KEY),
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout is not None
        async with asyncio.timeout(20):
            # The first push may be one of the energy group alone, without a power.
            while "power" not in (
                reading := json.loads(await process.stdout.readline())
            ):
                assert reading["groups"] == ["energy"]
            process.send_signal(signal.SIGINT)
            output, errors = await process.communicate()
    assert reading["power"] == 6900.0
    assert "technical" in reading["groups"]
    last = _lines(output.decode())[-1]["summary"]
    assert last["good"] >= 1
    assert last["framing"] == "mbus"
    assert (process.returncode, errors) == (0, b"")
