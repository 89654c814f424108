"""Write budgets: counted before the write, kept over kill -9, never in a stop's way."""

import logging
import os
from pathlib import Path
import signal
import subprocess
import sys

import pytest

from custom_components.netflex.devices.budget import (
    DAY,
    DailyBudget,
    StoredBudget,
    reserve_of,
)
from custom_components.netflex.devices.dedicated import DedicatedUnits
from custom_components.netflex.devices.device import (
    DeviceConfig,
    DeviceError,
    RelayAware,
)
from custom_components.netflex.devices.factory import build_device
from custom_components.netflex.devices.profile_loader import ProfileLibrary, read_file
from custom_components.netflex.devices.yaml_nodes import ProfileError
from custom_components.netflex.model.asset import Asset, Category, Nature, StopPath
from custom_components.netflex.model.plan import Setpoint, SetpointKind

from .servers import Map, eventually, s32, serving, u32


async def test_S11_the_count_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "writes"
    first = StoredBudget(path)
    for _ in range(3):
        assert await first.spend("sun", "production_limit", 3, urgent=False)
    assert not await first.spend("sun", "production_limit", 3, urgent=False)
    second = StoredBudget(path)
    second.load()
    assert second.left("sun", "production_limit", 3) == 0
    assert not await second.spend("sun", "production_limit", 3, urgent=False)
    assert second.left("sun", "reactive", 3) == 3
    assert second.left("moon", "production_limit", 3) == 3


CHILD = """
import asyncio, pathlib, sys
from custom_components.netflex.devices.budget import StoredBudget
async def main():
    budget = StoredBudget(pathlib.Path(sys.argv[1]))
    while True:
        assert await budget.spend("sun", "limit", 10**6, urgent=False)
        print("written", flush=True)
asyncio.run(main())
"""


async def test_S11_no_write_is_forgotten_by_kill_9(tmp_path: Path) -> None:
    """Whatever was sent had been counted, however the process ends."""
    path = tmp_path / "writes"
    with subprocess.Popen(  # noqa: ASYNC220  a process to be killed
        [sys.executable, "-c", CHILD, str(path)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ) as child:
        assert child.stdout is not None
        for _ in range(5):
            assert child.stdout.readline() == b"written\n"
        os.kill(child.pid, signal.SIGKILL)
        sent = 5 + child.stdout.read().count(b"written\n")
    after = StoredBudget(path)
    after.load()
    assert 10**6 - after.left("sun", "limit", 10**6) >= sent


async def test_S11_what_cannot_be_counted_is_not_written_unless_it_stops(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    folder = tmp_path / "missing folder"
    budget = StoredBudget(folder / "writes")
    for _ in range(5):
        assert not await budget.spend("sun", "limit", 50, urgent=False)
    assert await budget.spend("sun", "limit", 50, urgent=True)
    await budget.close()
    folder.mkdir()
    assert await budget.spend("sun", "limit", 50, urgent=False)
    lost, back = [item.message for item in caplog.records if "netflex" in item.name]
    assert str(folder) in lost
    assert "counted again" in back
    await budget.close()


async def test_yesterdays_writes_count_no_more_and_a_clock_set_back_gives_none(
    tmp_path: Path,
) -> None:
    now = 1_000_000.0
    budget = StoredBudget(tmp_path / "writes", lambda: now)
    await budget.spend("sun", "limit", 2, urgent=False)
    now -= 3600
    assert budget.left("sun", "limit", 2) == 1
    now += 3600 + DAY
    assert budget.left("sun", "limit", 2) == 2


def test_a_damaged_line_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "writes"
    path.write_text(f"torn\n{10**12},sun,limit\n")
    budget = StoredBudget(path)
    budget.load()
    assert budget.left("sun", "limit", 2) == 1


def test_what_was_counted_but_cannot_be_read_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    StoredBudget(tmp_path / "of a new site").load()
    assert not caplog.records
    path = tmp_path / "writes"
    path.mkdir()
    StoredBudget(path).load()
    assert "counted writes cannot be read" in caplog.text


def long_file(path: Path) -> None:
    """Write what is over in so many lines, and three of today."""
    lines = ["1.0,sun,limit"] * 5000 + [f"{10**12},sun,limit"] * 3
    path.write_text("".join(f"{line}\n" for line in lines))


def test_a_long_file_is_written_anew_without_what_is_over(tmp_path: Path) -> None:
    path = tmp_path / "writes"
    long_file(path)
    StoredBudget(path).load()
    assert path.read_text() == f"{float(10**12)},sun,limit\n" * 3
    again = StoredBudget(path)
    again.load()
    assert again.left("sun", "limit", 5) == 2


def test_a_long_file_that_cannot_be_written_anew_still_counts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "writes"
    long_file(path)
    path.with_suffix(".new").mkdir()
    budget = StoredBudget(path)
    budget.load()
    assert "cannot be shortened" in caplog.text
    assert budget.left("sun", "limit", 5) == 2
    assert len(path.read_text().splitlines()) == 5003


def huawei() -> Map:
    unit = Map()
    unit.put(30075, u32(11000))
    unit.put(32080, s32(8350))
    unit.put(40126, u32(11000))
    return unit


def limited(value: float, *, emergency: bool = False) -> Setpoint:
    return Setpoint(
        asset_id="sun", kind=SetpointKind.PRODUCTION, value=value, emergency=emergency
    )


@pytest.mark.parametrize("relay", [False, True])
async def test_S11_after_the_reserve_the_relay_acts(
    units: DedicatedUnits, profiles: ProfileLibrary, *, relay: bool
) -> None:
    """Without a relay the tighter limit is written all the same; a stop always is."""
    budget = DailyBudget(lambda: 0.0)
    for _ in range(50 + reserve_of(50)):
        await budget.spend("sun", "production_limit", 50, urgent=True)
    paths = {StopPath.SETPOINT} | ({StopPath.RELAY} if relay else set())
    async with serving({1: huawei()}) as server:
        device = build_device(
            DeviceConfig(
                device_id="sun",
                name="Roof",
                asset=Asset(
                    id="sun",
                    name="Roof",
                    nature=Nature.INVERTER,
                    category=Category.SOLAR,
                    rated_production=11000,
                    stop_paths=frozenset(paths),
                ),
                profile="huawei_sun2000",
                link=server.link,
            ),
            units=units,
            profiles=profiles,
            budget=budget,
        )
        await device.start(lambda state: None)
        await eventually(lambda: device.state.available)
        assert device.state.writes_left == 0
        if relay:
            with pytest.raises(DeviceError, match="relay has to act") as caught:
                await device.apply(limited(5000.0))
            assert caught.value.key == "write_budget"
            assert not server.writes()
        else:
            await device.apply(limited(5000.0))
            assert len(server.writes()) == 1
            # A relay that is wired in while it runs counts from then on.
            assert isinstance(device, RelayAware)
            device.set_behind_relay(True)
            with pytest.raises(DeviceError, match="relay has to act"):
                await device.apply(limited(4000.0))
        await device.apply(limited(0.0, emergency=True))
        assert server.writes()[-1].values == [0, 0]
        await device.stop()


def test_S11_a_file_that_writes_worn_memory_in_a_cycle_is_refused() -> None:
    source = """schema: 1
id: wearing
kind: inverter
vendor: V
models: [m]
status: unverified
revision: "2026-11-22"
sources: [s]
points: {power: {at: 1, u: W}}
controls:
  production_limit:
    write: [{at: 2, u: W}]
    persistence: eeprom
    keepalive: {every_s: 20}
"""
    with pytest.raises(ProfileError, match="wears must not be written in a cycle"):
        read_file(source, "wearing.yaml")
