"""The command line of devices, in a process of its own."""

import asyncio
import json
from pathlib import Path
import sys

import pytest

from custom_components.netflex.cli.devices import main
from custom_components.netflex.devices.profile_loader import BUILT_IN, ProfileLibrary
from tests.devices.maps import alfen
from tests.devices.servers import serving

_ROOT = Path(__file__).parents[2]


async def run(*arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "custom_components.netflex.devices",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=_ROOT,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_check_shows_the_reads_and_the_writes() -> None:
    code, out, err = await run("check", str(BUILT_IN / "alfen_ng9xx.yaml"))
    assert (code, err) == (0, "")
    assert "fast unit 1 holding 300+62" in out
    assert "write: the setpoint to socket holding 1210 as f32" in out
    assert "again every 20 s" in out


async def test_check_names_file_line_and_key(tmp_path: Path) -> None:
    source = (BUILT_IN / "alfen_ng9xx.yaml").read_text()
    bad = tmp_path / "mine.yaml"
    bad.write_text(source.replace("min_active: 6", "min_activ: 6"))
    line = source[: source.index("min_active: 6")].count("\n") + 1
    code, _, err = await run("check", str(bad))
    assert code == 1
    assert err.strip() == (
        f"mine.yaml:{line}: controls.current_limit.min_activ: unknown key; "
        "did you mean min_active?"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["alfen"], "alfen:1: is neither a file nor one of abb"),
        (["alfen_ng9xx", "--param", "socket"], "socket: must be NAME=VALUE"),
        (["alfen_ng9xx", "--param", "plug=2"], "with one of socket, nudge"),
        (["alfen_ng9xx", "--param", "socket=left"], "socket: left is no int"),
        (["alfen_ng9xx", "--param", "nudge=often"], "nudge: often is no float"),
    ],
)
def test_what_is_wrong_with_the_arguments_is_said(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", *arguments]) == 1
    said = capsys.readouterr()
    assert words in said.err
    assert said.out == ""


@pytest.mark.parametrize(
    ("profile", "params", "read"),
    [
        ("alfen_ng9xx", ["socket=2"], "fast unit 2 holding 300+62"),
        ("alfen_ng9xx", ["socket=0x2"], "fast unit 2 holding 300+62"),
        ("alfen_ng9xx", ["nudge=2.5"], "fast unit 1 holding 300+62"),
        ("acuvim_ii", ["direction=load_negative"], "holding"),
    ],
)
def test_parameters_are_filled_in(
    profile: str, params: list[str], read: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [word for param in params for word in ("--param", param)]
    assert main(["check", profile, *given]) == 0
    assert read in capsys.readouterr().out


async def test_read_prints_what_a_device_says(socket_enabled: None) -> None:
    async with serving(alfen()) as server:
        code, out, _ = await run(
            "read", "alfen_ng9xx", "--host", "127.0.0.1", "--port", str(server.port)
        )
        assert code == 0
        answer = json.loads(out)
        assert answer["serial"] == "ACE0123456"
        assert answer["values"]["power"] == 10700.0
        assert not server.writes()


async def test_read_says_why_it_cannot(socket_enabled: None) -> None:
    async with serving(alfen()) as server:
        port = str(server.port)
    code, out, err = await run(
        "read", "moxa_iologik_e1214", "--host", "127.0.0.1", "--port", port
    )
    assert (code, out) == (1, "")
    assert err.startswith("cannot_connect: ")


@pytest.mark.parametrize("profile", ProfileLibrary.load().ids())
def test_every_shipped_profile_can_be_checked(
    profile: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", profile]) == 0
    assert profile in capsys.readouterr().out
