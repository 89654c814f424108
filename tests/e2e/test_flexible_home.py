"""The demonstration's flexible home, with a real broker and a real Home Assistant."""

import asyncio
import json
from pathlib import Path
import sys

import pytest

from scripts.demo_site.processes import ROOT
from tests.ports import free_port

pytestmark = [pytest.mark.usefixtures("socket_enabled"), pytest.mark.slow]


@pytest.mark.peer
@pytest.mark.timeout(900)
async def test_an_offer_is_executed_and_loads_outlive_their_broker(
    mosquitto: Path, tmp_path: Path
) -> None:
    """S14: what a lost broker asked ends, staggered, unless a stop holds."""
    result, log = tmp_path / "home.json", tmp_path / "home.log"
    with log.open("wb") as stream:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "scripts.demo_site",
            "--check=home",
            f"--json={result}",
            f"--port={free_port()}",
            f"--iec104-port={free_port()}",
            cwd=ROOT,
            stdout=stream,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            await process.wait()
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()
    assert result.exists(), log.read_text()
    steps = {step["step"]: step for step in json.loads(result.read_text())}
    # How long it takes says something of this machine only.
    del steps["time"]
    failed = {name: step["seen"] for name, step in steps.items() if not step["passed"]}
    assert failed == {}
    assert list(steps) == [
        "at the broker",
        "offers",
        "schedules carried out",
        "execution measured",
        "held over the broker",
        "broker killed",
        "broker back",
        "broker killed in a stop",
        "stop released",
    ]
