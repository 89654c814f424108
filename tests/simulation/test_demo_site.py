"""What the demonstration is made of, without starting Home Assistant."""

import asyncio
import json
import os
from pathlib import Path
import signal
import socket
import sys
import time
from types import MappingProxyType

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
import pytest

from custom_components.netflex.devices.profile_loader import ProfileLibrary
from custom_components.netflex.entry_site import site_config, station_settings
from custom_components.netflex.flexoffer_options import active
from custom_components.netflex.model.asset import Nature
from custom_components.netflex.northbound_options import northbound_settings
from custom_components.netflex.simulation.household import SimulatedSite, SiteSettings
from custom_components.netflex.telecontrol_options import checked_options
from scripts.demo_site.home import LOST_AFTER, REST
from scripts.demo_site.probes import Probes
from scripts.demo_site.processes import ROOT, Child, ClaimedPorts, DemoError
from scripts.demo_site.report import Step, table, write_json
from scripts.demo_site.seed import INVERTER_ID, Ports, seed
from scripts.demo_site.watching import StepFailed, Trace, hold, until

WIRES = (
    "meter",
    "charger",
    "inverter",
    "battery",
    "relay",
    "boiler",
    "site_meter",
    "annexe",
)


def seeded(folder: Path, **ports_of_a_home: int) -> dict[str, object]:
    ports = Ports(
        http=8123,
        iec104=2404,
        wires={name: 15_020 + index for index, name in enumerate(WIRES)},
        **ports_of_a_home,
    )
    seed(folder, ports)
    document = json.loads((folder / ".storage/core.config_entries").read_text())
    entry: dict[str, object] = document["data"]["entries"][0]
    return entry


def loaded(stored: dict[str, object]) -> ConfigEntry:
    return ConfigEntry(
        **{
            key: stored[key]
            for key in (
                "data",
                "domain",
                "entry_id",
                "minor_version",
                "options",
                "source",
                "title",
                "unique_id",
                "version",
            )
        },
        discovery_keys=MappingProxyType({}),
        subentries_data=stored["subentries"],
    )


def test_seeded_entry_is_a_site_that_the_integration_understands(
    tmp_path: Path,
) -> None:
    entry = loaded(seeded(tmp_path / "config"))
    site = site_config(entry)
    profiles = ProfileLibrary.load()
    assert site.connection.contract_consumption == 20_000
    assert site.meters[0].url == "socket://127.0.0.1:15020"
    assert {item.asset.nature.value for item in site.devices if item.asset} == {
        "charger",
        "inverter",
        "battery",
        "load",
    }
    assert site.outputs[0].output.assets == {INVERTER_ID}
    for device in (*site.devices, *(item.device for item in site.outputs)):
        if device.profile is not None:
            known = profiles.get(device.profile).params
            assert set(device.params) <= set(known)
    station = station_settings(entry)
    assert station is not None
    assert (station.port, station.allowed_clients) == (2404, {"127.0.0.1"})
    assert all(isinstance(item, ConfigSubentry) for item in entry.subentries.values())


def test_a_flexible_home_offers_its_loads_and_lets_the_broker_hold_them(
    tmp_path: Path,
) -> None:
    entry = loaded(seeded(tmp_path / "config", manager=18_830, broker=18_831))
    options = checked_options(entry.options)
    flexoffers = options["flexoffers"]
    loads = {
        device.asset.id: device.asset
        for device in site_config(entry).devices
        if device.asset is not None and device.asset.nature is Nature.LOAD
    }
    assert set(flexoffers["assets"]) == set(loads)
    assert active(flexoffers)
    assert {asset.minimum_off for asset in loads.values()} == {REST}
    settings = northbound_settings(options["northbound"], tmp_path)
    assert settings is not None
    assert (settings.host, settings.port, settings.tls) == ("127.0.0.1", 18_831, None)
    assert settings.control is not None
    assert settings.control.lost_after == LOST_AFTER
    without = loaded(seeded(tmp_path / "without", manager=18_830))
    assert "northbound" not in without.options


def test_the_demo_has_every_nature_over_modbus_and_over_entities(
    tmp_path: Path,
) -> None:
    entry = loaded(seeded(tmp_path / "config"))
    site = site_config(entry)
    devices = [
        *((item.asset.nature, item) for item in site.devices if item.asset),
        *((Nature.RELAY, item.device) for item in site.outputs),
        *((Nature.METER, item.device) for item in site.meters if item.device),
    ]
    over_modbus = {nature for nature, device in devices if device.link is not None}
    over_entities = {nature for nature, device in devices if device.entities}
    assert over_modbus == set(Nature)
    assert over_entities == set(Nature)


def test_the_configuration_knows_every_entity_that_the_site_drives_or_reads(
    tmp_path: Path,
) -> None:
    entry = loaded(seeded(tmp_path / "config"))
    site = site_config(entry)
    yaml = (tmp_path / "config" / "configuration.yaml").read_text()
    devices = [
        *site.devices,
        *(item.device for item in (*site.outputs, *site.meters) if item.device),
    ]
    for entity in {entity for item in devices for entity in item.entities.values()}:
        name = entity.partition(".")[2].replace("_", " ")
        assert f"- name: {name.capitalize()}\n" in yaml, entity


@pytest.mark.usefixtures("socket_enabled")
def test_a_port_in_use_is_passed_over() -> None:
    ports = ClaimedPorts()
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        wanted = holder.getsockname()[1]
        first = ports.claim(wanted)
        assert first > wanted
        assert ports.claim(wanted) > first
    ports.release()


@pytest.mark.usefixtures("socket_enabled")
def test_a_port_is_kept_from_other_runs_until_something_listens_there() -> None:
    """Two stages at once would have one site tell that its port is in use."""
    ours, another = ClaimedPorts(), ClaimedPorts()
    port = ours.claim(24_500)
    assert another.claim(port) > port
    with socket.socket() as station:
        station.bind(("127.0.0.1", port))
    ours.release()
    another.release()
    assert another.claim(port) == port
    another.release()


def test_table_and_json_tell_the_same(tmp_path: Path) -> None:
    steps = [
        Step(step="connect", expected="within 1 s", seen="1 ms", ms=1.04, passed=True),
        Step(step="stop", expected="x " * 40, seen="nothing", ms=None, passed=False),
    ]
    write_json(tmp_path / "deep" / "result.json", steps)
    loaded = json.loads((tmp_path / "deep" / "result.json").read_text())
    assert [list(item) for item in loaded] == [
        ["step", "expected", "seen", "ms", "passed"]
    ] * 2
    lines = table(steps).splitlines()
    assert lines[0].split(" | ")[0].strip() == "step"
    assert any(line.startswith("connect") and line.endswith("yes") for line in lines)
    assert any(line.startswith("stop") and line.endswith("NO") for line in lines)
    assert all(len(line) <= len(lines[1]) for line in lines)


async def test_waiting_tells_value_and_time_or_fails_with_the_last_value() -> None:
    values = iter([1, 2, 3, 3, 3, 3])

    async def read() -> int:
        return next(values)

    begun = time.monotonic()
    value, ms = await until(read, lambda it: it == 3, within=1, since=begun - 1)
    assert value == 3
    assert 1_000 <= ms < 1_500

    async def always() -> int:
        return 4

    with pytest.raises(StepFailed, match="still 4"):
        await until(always, lambda it: it == 5, within=0.02)
    with pytest.raises(StepFailed, match="did not stay: 4"):
        await hold(always, lambda it: it == 5, for_s=0.02)


@pytest.mark.usefixtures("socket_enabled")
async def test_probes_read_what_the_devices_hold() -> None:
    site = SimulatedSite(SiteSettings(), clock=lambda: 100.0)
    await site.start()
    async with Probes(site.ports) as probes:
        site.relays.write("coils", 0, [1], 100.0)
        site.socket.write("holding", 1210, [0x4120, 0], 100.0)
        site.inverter.write(
            "holding", site.inverter.control_address("WMaxLimPct"), [250], 100.0
        )
        site.battery.write("holding", 100, [0xFFFF, 0xFC18, 1], 100.0)
        charger, inverter = await probes.charger(), await probes.inverter()
        assert (charger.setpoint, charger.applied, charger.accounted) == (10, 10, True)
        assert (charger.validity_left, charger.safe_current) == (60, 6)
        assert (inverter.limit, inverter.limited, inverter.stopped) == (
            25,
            False,
            False,
        )
        battery, relay = await probes.battery(), await probes.relay()
        assert (battery.setpoint, battery.remote) == (-1_000, True)
        assert (relay.coil, relay.contactor_open) == (True, True)
        assert await probes.boiler_on()
        expected = site.plant.connection.total_power
        assert await probes.site_power() == pytest.approx(expected, rel=1e-5)

        trace = Trace(probes)
        trace.start(time.monotonic())
        while not trace.words():
            await asyncio.sleep(0.01)
        await trace.stop()
        assert trace.relay_held
        assert trace.words().startswith("10 A from ")
    await site.stop()


async def child(tmp_path: Path, code: str) -> Child:
    return await Child.start("child", "-c", code, log=tmp_path / "log")


@pytest.mark.slow
async def test_child_that_says_nothing_useful_is_an_error(tmp_path: Path) -> None:
    process = await child(tmp_path, "print('hello')")
    with pytest.raises(DemoError, match="child did not start"):
        await process.ready()
    await process.stop()


@pytest.mark.slow
async def test_child_ends_when_it_is_stopped(tmp_path: Path) -> None:
    process = await child(tmp_path, "import time; time.sleep(60)")
    assert process.running
    await process.stop()
    assert process.process.returncode == -signal.SIGTERM


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's signal is Linux's")
async def test_child_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    child_code = (
        "import signal, time;"
        "from scripts.demo_site.processes import end_with_parent;"
        "end_with_parent(signal.SIGTERM);"
        "print('up', flush=True);"
        "time.sleep(60)"
    )
    parent_code = (
        "import subprocess, sys, time;"
        f"child = subprocess.Popen([sys.executable, '-c', {child_code!r}],"
        "stdout=subprocess.PIPE);"
        "child.stdout.readline();"
        "print(child.pid, flush=True);"
        "time.sleep(60)"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        parent_code,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert parent.stdout is not None
    pid = int(await asyncio.wait_for(parent.stdout.readline(), 20))
    parent.kill()
    await parent.wait()
    async with asyncio.timeout(5):
        while _alive(pid):
            await asyncio.sleep(0.02)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
