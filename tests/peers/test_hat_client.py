"""hat-drivers' client, a third implementation, against the controlled station."""

import asyncio
import json
import os
from pathlib import Path
import subprocess
from zoneinfo import ZoneInfo

import pytest

from custom_components.netflex.iec104 import (
    ControlledStation,
    StationConfig,
    TimeZoneMode,
    TimeZonePolicy,
)
from tests.iec104.bench import FEEDBACK, Q_MODE, SETPOINT, STOP_PRODUCTION, Plant

SCRIPT = Path(__file__).with_name("hat_rtu.py")


@pytest.fixture
def hat_python(peer_python: Path) -> Path:
    """Return an interpreter that has hat-drivers."""
    python = Path(os.environ.get("HAT_PYTHON", peer_python))
    # Isolated, because a working directory could shadow what it looks for.
    command = [str(python), "-I", "-c", "import hat.drivers.iec104"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("hat-drivers is not installed for the peers' interpreter")
    return python


async def test_hat_client_uses_every_service(hat_python: Path, socket_enabled: None):
    plant = Plant()
    policy = TimeZonePolicy(mode=TimeZoneMode.LOCAL, zone=ZoneInfo("Europe/Brussels"))
    station = ControlledStation(
        StationConfig(host="127.0.0.1", port=0, time_zone=policy), plant
    )
    await station.start()
    try:
        host, port = station.address
        process = await asyncio.create_subprocess_exec(
            *(str(hat_python), "-I", str(SCRIPT), host, str(port)),
            stdout=asyncio.subprocess.PIPE,
            # It writes the local time of its machine.
            env={**os.environ, "TZ": "Europe/Brussels"},
        )
        async with asyncio.timeout(30):
            output, _ = await process.communicate()
    finally:
        await station.stop()
    answers = json.loads(output)

    assert [one["kind"] for one in answers["start"]] == ["InitializationMsg"]
    first, *data, last = answers["interrogation"]
    assert (first["cause"], last["cause"]) == (
        "ACTIVATION_CONFIRMATION",
        "ACTIVATION_TERMINATION",
    )
    assert {one["cause"] for one in data} == {"INTERROGATED_STATION"}
    assert [one["ioa"] for one in data] == sorted(plant.values)
    assert {one["originator"] for one in answers["interrogation"]} == {7}
    assert [one["cause"] for one in answers["clock"]] == ["ACTIVATION_CONFIRMATION"]
    for name, ioa, value in (
        ("single", STOP_PRODUCTION, 1),
        ("double", Q_MODE, 2),
        ("floating", SETPOINT, 40.0),
        ("floating_with_time", SETPOINT, 60.0),
    ):
        confirmed, returned, ended = answers[name]
        assert confirmed["cause"] == "ACTIVATION_CONFIRMATION"
        assert not confirmed["negative"]
        assert returned["cause"] == "REMOTE_COMMAND"
        assert (returned["ioa"], returned["value"]) == (ioa + FEEDBACK, value)
        assert ended["cause"] == "ACTIVATION_TERMINATION"
    (refused,) = answers["too_much"]
    assert (refused["cause"], refused["negative"]) == ("ACTIVATION_CONFIRMATION", True)
    assert abs(station.status.clock_offset) < 2
    assert [one.value for one in plant.executed] == [True, 2, 40.0, 60.0]
