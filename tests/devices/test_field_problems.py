"""Field problems of Modbus devices, each with what must come of it.

| no | problem | met by |
|---|---|---|
| 01 | a device bears one client (SolarEdge, Huawei, KEBA, Kostal; Alfen two) | one connection for all its devices, given back by tests; the message names another program |
| 02 | refused means: not enabled in the device | the profile's `requires` in the message |
| 03 | idle close, half-open connections | polled more often; opened again without a blip |
| 04 | watchdogs | a keep-alive of its own, ended with the setpoint's owner |
| 05 | a foreign or initial 0 kept alive | only what we wrote is refreshed |
| 06 | validity too short or not readable | learned, warned of |
| 07 | nobody knows the fallback | shown beside the setpoint |
| 08 | memory that wears | written on change, within a budget that is kept |
| 09 | range-checked writes | limits are read first and clamped to |
| 10 | function 6 only, 16 only | per step in the profile |
| 11 | single-value, value-aligned, short reads | the planner |
| 12 | a register that closes the link | never touched |
| 13 | sentinels, garbled scale factors | unknown, not zero |
| 14 | a meter that answers with old values | its own age is read |
| 15 | torn totals | not believed |
| 16 | gateways: late, wrong unit, number 0, 0x0B | tolerant connection, that unit only |
| 17 | slow dongles | pauses and times of the profile |
| 18 | firmware regressions | a nudge, variants, the firmware is shown |
| 19 | monitoring only: writes ignored | read-back |
| 20 | phase switches under load | at rest, and verified |
| 21 | phase rotation between chargers | the lines of each asset |
| 22 | another device at the address | its serial number on every slow poll |
| 23 | two controllers | drift of what was written |
| 24 | a stop behind slow reads, and different stops | priorities and sequences of their own |
| 25 | a relay's latched safe state | seen by read-back, never cleared by us |
"""

import asyncio
from copy import deepcopy
from dataclasses import replace
import logging
import math

from pymodbus.constants import ExcCodes
import pytest

from custom_components.netflex.devices.blocks import plan_polls
from custom_components.netflex.devices.dedicated import DedicatedUnits
from custom_components.netflex.devices.device import DeviceError, ProbeError
from custom_components.netflex.devices.factory import build_device, probe
from custom_components.netflex.devices.link import BACK_OFF, LinkErrorKind, endpoint_of
from custom_components.netflex.devices.nudge import nudge
from custom_components.netflex.devices.ports import LinkParams, Transport
from custom_components.netflex.devices.profile import Area, LinkSettings, Persistence
from custom_components.netflex.devices.profile_loader import (
    BUILT_IN,
    ProfileLibrary,
    read_file,
)
from custom_components.netflex.devices.scheduler import Priority
from custom_components.netflex.devices.totals import Totals
from custom_components.netflex.model.connection import Line
from tests.virtual_time import virtual_time

from . import test_chargers, test_inverters
from .families import Family
from .maps import alfen, alfen_takes
from .servers import Map, Server, eventually, f32, own_units, serving
from .test_alfen import CHARGER, config, current, started

QUICK = LinkSettings(timeout=0.5, connect_timeout=5.0)


def family(name: str) -> Family:
    families = (*test_chargers.FAMILIES, *test_inverters.FAMILIES)
    return next(item for item in families if item.profile == name)


async def test_field_problem_01_one_client_only(
    units: DedicatedUnits, profiles: ProfileLibrary, shipped: ProfileLibrary
) -> None:
    """Two devices of one station, and their tests, take one connection."""
    contents = alfen()
    contents[2] = alfen()[1]
    contents[200].put(1105, [2])
    async with serving(contents, alfen_takes()) as server:
        first = await started(server, units, profiles)
        second = await started(server, units, profiles, socket=2)
        await probe(config(server), units=units, profiles=profiles)
        assert server.connections == 1
        await first.stop()
        await second.stop()
        await server.stop()
        with pytest.raises(ProbeError, match="another program may hold it"):
            await probe(config(server), units=units, profiles=profiles)
    for name in ("solaredge_inverter", "huawei_sun2000", "keba_kecontact"):
        assert shipped.get(name).max_clients == 1


async def test_field_problem_02_refused_means_not_enabled(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving(alfen()) as server:
        server.refuse[3, 0] = ExcCodes.ILLEGAL_FUNCTION
        with pytest.raises(ProbeError, match="Active Load Balancing") as caught:
            await probe(config(server), units=units, profiles=profiles)
        assert caught.value.key == "not_enabled"


async def test_field_problem_03_idle_close_and_half_open(
    units: DedicatedUnits, profiles: ProfileLibrary, shipped: ProfileLibrary
) -> None:
    profile = shipped.get("alfen_ng9xx").bind({})
    assert profile.link.idle_close == 60
    assert min(profile.fast, profile.link.idle_close / 2) < 30
    async with serving(alfen(), alfen_takes()) as server:
        device = build_device(config(server), units=units, profiles=profiles)
        seen = []
        await device.start(seen.append)
        await device.apply(current(10.0))
        await eventually(lambda: device.state.available)
        del seen[:]
        await server.stop()
        await server.start()
        assert (await device.apply(current(8.0))).confirmed
        assert all(state.available for state in seen)
        await device.stop()


@virtual_time
async def test_field_problem_04_watchdogs_are_refreshed_and_let_go(
    profiles: ProfileLibrary,
    shipped: ProfileLibrary,
    socket_enabled: None,
) -> None:
    """Never refreshed once nobody stands by the setpoint any more."""
    async with (
        serving(alfen(), alfen_takes(validity=2)) as server,
        own_units() as units,
    ):
        device = await started(server, units, profiles, time_to_live=1.2)
        await device.apply(current(10.0))
        await eventually(lambda: len(server.writes()) >= 2)
        await eventually(lambda: "nobody stands by" in (device.state.problem or ""))
        before = len(server.writes())
        await asyncio.sleep(60.0)
        assert len(server.writes()) == before
        await device.stop()
    for name, params in (
        ("keba_kecontact", {"failsafe_current": 6.0}),
        ("vestel_evc04", {}),
        ("webasto_next", {}),
        ("schneider_evlink", {}),
        ("mennekes_amtron_compact", {}),
    ):
        controls = shipped.get(name).bind(params).controls["current_limit"]
        assert any(c.keepalive or c.heartbeat for c in controls), name
    for name in ("sma_inverter", "victron_ess", "tesla_powerpack"):
        file = shipped.get(name)
        (control, *_) = next(iter(file.bind({}).controls.values()))
        assert control.keepalive or control.heartbeat, name


@pytest.mark.parametrize("foreign", [0.0, 13.0])
@virtual_time
async def test_field_problem_05_a_foreign_value_is_not_kept_alive(
    shipped: ProfileLibrary, socket_enabled: None, foreign: float
) -> None:
    """What we wrote in this run is refreshed, as long as it is ours: nothing else."""
    contents = alfen()
    contents[1].put(1210, f32(foreign))
    async with serving(contents, alfen_takes()) as server, own_units() as units:
        device = await started(server, units, shipped)
        await asyncio.sleep(300.0)
        assert device.state.available
        assert not server.writes(), "it was there before us"
        for _ in range(8):
            await device.apply(current(10.0))
            await asyncio.sleep(15.0)
        ours = [write.values for write in server.writes()]
        assert len(ours) > 4, "ours is refreshed"
        assert all(values == f32(10.0) for values in ours)
        # Released, and nobody stands by it any more: it is not ours to refresh.
        await device.apply(current(None))
        await asyncio.sleep(60.0)
        given_back = len(server.writes())
        server.set(1, 1210, f32(foreign))
        await asyncio.sleep(300.0)
        assert len(server.writes()) == given_back
        await device.apply(current(9.0))
        await device.stop()
        before = len(server.writes())
        # The next run finds our own 9 A, and they are foreign to it.
        again = await started(server, units, shipped)
        await asyncio.sleep(300.0)
        assert again.state.available
        assert len(server.writes()) == before
        await again.stop()


async def test_field_problem_06_a_short_validity_is_learned_and_said(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving(alfen(), alfen_takes(validity=10)) as server:
        device = await started(server, units, profiles)
        await device.apply(current(10.0))
        assert device.state.details["validity"] == 10
        assert "10 s only" in (device.state.problem or "")
        await device.stop()


async def test_field_problem_07_the_fallback_is_shown_beside_the_setpoint(
    units: DedicatedUnits, profiles: ProfileLibrary, shipped: ProfileLibrary
) -> None:
    async with serving(alfen(), alfen_takes()) as server:
        device = await started(server, units, profiles)
        await device.apply(current(16.0))
        await eventually(lambda: device.state.fallback_in is not None)
        assert device.state.device_fallback == 10.0
        await device.stop()
    for profile_id in shipped.ids():
        file = shipped.get(profile_id)
        assert file.when_silent or file.kind == "meter", profile_id


async def test_field_problem_08_worn_memory_is_written_on_change_only(
    units: DedicatedUnits, profiles: ProfileLibrary, shipped: ProfileLibrary
) -> None:
    huawei = family("huawei_sun2000")
    async with serving(dict(huawei.contents)) as server:
        device = build_device(huawei.config(server), units=units, profiles=profiles)
        await device.start(lambda state: None)
        await eventually(lambda: device.state.available)
        for value in (4000.0, 4000.0, 4100.0, 3900.0):
            await device.apply(huawei.setpoint(value))
        assert len(server.writes()) == 1
        assert device.state.writes_left == 49
        await device.stop()
    for profile_id in shipped.ids():
        file = shipped.get(profile_id)
        if file.params and any(spec.required for spec in file.params.values()):
            continue
        for controls in file.bind({}).controls.values():
            for control in controls:
                if control.persistence is Persistence.EEPROM:
                    assert control.keepalive is None, profile_id


async def test_field_problem_09_limits_are_read_and_clamped_to(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    """47075 of a LUNA, the rated power of a SUN2000: more is never asked."""
    huawei = family("huawei_sun2000")
    async with serving(dict(huawei.contents)) as server:
        device = build_device(huawei.config(server), units=units, profiles=profiles)
        await device.start(lambda state: None)
        await device.apply(huawei.setpoint(99_000.0))
        assert server.writes(40126)[-1].values == [0, 11000]
        server.refuse[16, 40126] = ExcCodes.ILLEGAL_VALUE
        with pytest.raises(DeviceError, match="refuses this value"):
            await device.apply(huawei.setpoint(1000.0))
        await device.stop()


@pytest.mark.parametrize(
    ("profile", "function", "value"),
    [
        ("keba_kecontact", 6, 10.0),
        ("kostal_plenticore", 6, 2830.0),
        ("peblar", 16, 10.0),
        ("go_e", 16, 10.0),
        ("etrel_inch", 16, 10.0),
    ],
)
async def test_field_problem_10_a_device_that_takes_one_function_only(
    units: DedicatedUnits,
    profiles: ProfileLibrary,
    profile: str,
    function: int,
    value: float,
) -> None:
    """Setpoint, stop and release reach it, though it refuses the other function."""
    item = family(profile)
    async with serving(deepcopy(dict(item.contents)), item.takes) as server:
        other = {6: 16, 16: 6}[function]
        server.refuse[other, 0] = ExcCodes.ILLEGAL_FUNCTION
        device = build_device(item.config(server), units=units, profiles=profiles)
        await device.start(lambda state: None)
        await eventually(lambda: device.state.available)
        for asked in (value, 0.0, value):
            assert (await device.apply(item.setpoint(asked))).confirmed, asked
        assert (await device.apply(item.setpoint(0.0, emergency=True))).confirmed
        await device.apply(item.setpoint(None))
        assert {write.function for write in server.writes()} == {function}
        await device.stop()


async def test_field_problem_11_reads_as_the_device_bears_them(
    units: DedicatedUnits, profiles: ProfileLibrary, shipped: ProfileLibrary
) -> None:
    keba = shipped.get("keba_kecontact").bind({})
    for reads in plan_polls(keba.points, keba.link, keba.blocks).values():
        assert all(read.count == 2 for read in reads)
    eastron = shipped.get("eastron_sdm630").bind({})
    for reads in plan_polls(eastron.points, eastron.link, eastron.blocks).values():
        assert all(read.count <= 60 for read in reads)
    async with serving(alfen(), alfen_takes()) as server:
        device = await started(server, units, profiles)
        await eventually(lambda: device.state.available)
        starts = {306 + 2 * n for n in range(28)} | {362 + 4 * n for n in range(16)}
        for request in server.requests:
            if request.unit == 1 and 306 <= request.address < 426:
                assert request.address in starts
        await device.stop()


def test_field_problem_12_a_register_that_closes_the_link_is_never_touched(
    shipped: ProfileLibrary,
) -> None:
    bender = shipped.get("bender_cc612").bind({})
    assert bender.link.forbidden == ((730, 741),)
    for reads in plan_polls(bender.points, bender.link, bender.blocks).values():
        for read in reads:
            assert read.at > 741 or read.at + read.count <= 730


async def test_field_problem_13_sentinels_are_unknown_and_not_zero(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    contents = alfen()
    contents[1].put(344, [0xFFFF, 0xFFFF])
    async with serving(contents) as server:
        device = await started(server, units, profiles)
        assert device.state.power is None
        await device.stop()
    asleep = next(
        item for item in test_inverters.FAMILIES if item.id == "sma_inverter_at_night"
    )
    async with serving(dict(asleep.contents)) as server:
        device = build_device(asleep.config(server), units=units, profiles=profiles)
        await device.start(lambda state: None)
        await eventually(lambda: device.state.available)
        assert device.state.power is None
        await device.stop()


async def test_field_problem_14_a_meter_that_repeats_itself_is_not_believed(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    contents = alfen()
    contents[1].put(301, [0, 0, 0, 20_000])
    async with serving(contents) as server:
        device = await started(server, units, profiles)
        await eventually(lambda: device.state.available)
        assert device.state.power is None
        await device.stop()


def test_field_problem_15_torn_totals_are_not_believed() -> None:
    totals = Totals()
    assert totals.believe("energy", 65_530.0, 0.0) == 65_530.0
    assert totals.believe("energy", 65_540.0, 5.0) == 65_540.0
    # The high word of before with the low word of now, and the other way round.
    assert totals.believe("energy", 4.0, 10.0) == 65_540.0
    assert totals.believe("energy", 131_076.0, 15.0) == 65_540.0
    assert totals.believe("energy", 65_550.0, 20.0) == 65_550.0
    # A meter that was replaced goes on from its own total.
    for seconds, shown in ((25, 65_550.0), (30, 65_550.0), (35, 120.0)):
        assert totals.believe("energy", 50.0 + 2 * seconds, seconds) == shown


async def test_field_problem_15_a_total_is_read_in_one_request(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    contents = alfen()
    async with serving(contents) as server:
        device = await started(server, units, profiles)
        await eventually(lambda: device.state.energy_consumed is not None)
        covering = [
            r for r in server.requests
            if r.unit == 1 and r.address <= 374 < r.address + r.count
        ]  # fmt: skip
        assert all(r.address + r.count >= 378 for r in covering)
        await device.stop()


async def test_field_problem_16_a_silent_unit_is_not_the_gateway(
    units: DedicatedUnits,
) -> None:
    """0x0B is one unit offline; what comes late or from another unit is not taken."""
    one, two = Map(), Map()
    one.fill(0, 9, 7)
    two.fill(0, 9, 8)
    async with serving({1: one, 2: two}) as server:
        endpoint = endpoint_of(server.link, units)
        endpoint.hold()
        good, silent = await endpoint.attach(1, QUICK), await endpoint.attach(2, QUICK)
        server.garble = lambda data: (
            data[:4] + bytes([0, 3, 2, 0x83, 0x0B]) if data[6] == 2 else data
        )
        for _ in range(3):
            with pytest.raises(Exception, match="behind the gateway") as caught:
                await silent.read(Area.HOLDING, 0, 1, Priority.FAST)
            assert caught.value.kind is LinkErrorKind.TIMEOUT  # type: ignore[attr-defined]
            assert await good.read(Area.HOLDING, 0, 1, Priority.FAST) == [7]
        assert silent.down
        assert not good.down
        assert server.connections == 1
        await endpoint.release()


def test_field_problem_17_slow_dongles_get_their_time(shipped: ProfileLibrary) -> None:
    for name in ("huawei_sun2000", "huawei_luna", "sungrow_inverter"):
        profile = shipped.get(name).bind({})
        assert profile.link.timeout >= 10
        assert profile.link.connect_delay >= 1
        assert profile.fast >= 10
    assert BACK_OFF == (1, 2, 5, 10, 15)


async def test_field_problem_18_a_firmware_that_stalls_is_woken(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    """A second connection, opened and closed; the firmware is shown."""
    async with serving(alfen(), alfen_takes()) as server:
        task = asyncio.create_task(nudge(server.link, 0.01))
        await eventually(lambda: server.connections >= 3)
        task.cancel()
        result = await probe(config(server), units=units, profiles=profiles)
        assert result.firmware == "6.4.0-4210"
        assert not server.writes()
    assert profiles.get("alfen_ng9xx").bind({"nudge": 5.0}).link.nudge == 5.0
    assert profiles.get("alfen_ng9xx").bind({}).link.nudge is None


async def test_field_problem_18_a_device_in_use_is_woken_where_that_is_asked_for(
    units: DedicatedUnits,
) -> None:
    path = BUILT_IN / "alfen_ng9xx.yaml"
    often = path.read_text().replace("nudge: {param: nudge}", "nudge: 0.02")
    library = ProfileLibrary([read_file(often, path.name)])
    async with serving(alfen(), alfen_takes()) as server:
        device = build_device(config(server), units=units, profiles=library)
        await device.start(lambda _state: None)
        await eventually(lambda: server.connections >= 3 and device.state.available)
        await device.stop()
        met = server.connections
        await asyncio.sleep(0.05)
        assert server.connections == met


async def test_field_problem_18_a_firmware_that_is_away_is_woken_later(
    socket_enabled: None, unused_tcp_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, nudge.__module__)
    server = Server(alfen())
    server.port = unused_tcp_port
    task = asyncio.create_task(nudge(server.link, 0.01))
    await eventually(lambda: caplog.text.count("could not be woken") >= 2)
    await server.start()
    await eventually(lambda: server.connections)
    assert not task.done()
    task.cancel()
    await server.stop()


async def test_field_problem_18_a_serial_port_has_no_second_connection() -> None:
    port = LinkParams(host="/dev/netflex-no-such-port", transport=Transport.SERIAL)
    await nudge(port, math.inf)


async def test_field_problem_18_a_firmware_with_mixed_bytes_is_not_driven(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    """go-e 60.3 answers low octet first: 32 A read as 8192, and would be written so."""
    item = family("go_e")
    contents = deepcopy(dict(item.contents))
    contents[1].put(211, [32 << 8])
    contents[1].put(299, [16 << 8])
    async with serving(contents, item.takes) as server:
        with pytest.raises(ProbeError, match="bytes or registers swapped"):
            await probe(item.config(server), units=units, profiles=profiles)
        device = build_device(item.config(server), units=units, profiles=profiles)
        await device.start(lambda state: None)
        with pytest.raises(DeviceError) as caught:
            await device.apply(item.setpoint(10.0))
        assert caught.value.key == "wrong_device"
        assert "swapped" in str(caught.value)
        await eventually(lambda: device.state.problem)
        assert not server.writes()
        await device.stop()
    assert any("but 60.3" in text for text in profiles.get("go_e").requires)


async def test_field_problem_18_the_firmware_is_shown(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    """Which release it is stands in what the test of the form and diagnostics show."""
    item = family("go_e")
    async with serving(deepcopy(dict(item.contents)), item.takes) as server:
        result = await probe(item.config(server), units=units, profiles=profiles)
        assert result.firmware == "60.4"
        device = build_device(item.config(server), units=units, profiles=profiles)
        await device.start(lambda state: None)
        await eventually(lambda: device.state.details.get("firmware") == "60.4")
        await device.stop()


@pytest.mark.parametrize(("step", "energy"), [(1.0, 12_345_678.0), (0.1, 1_234_567.8)])
async def test_field_problem_18_a_unit_that_changed_with_the_software(
    units: DedicatedUnits, profiles: ProfileLibrary, step: float, energy: float
) -> None:
    """KEBA's P40 counts whole Wh before 1.2.1, tenths of it afterwards."""
    item = next(
        item
        for item in test_chargers.FAMILIES
        if item.profile == "keba_kecontact" and item.params.get("model") == "P40"
    )
    item = replace(item, params={**item.params, "energy_scale": step})
    async with serving(deepcopy(dict(item.contents)), item.takes) as server:
        device = build_device(item.config(server), units=units, profiles=profiles)
        await device.start(lambda state: None)
        await eventually(lambda: device.state.energy_consumed is not None)
        assert device.state.energy_consumed == pytest.approx(energy)
        await device.stop()


async def test_field_problem_19_ignored_writes_are_no_success(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving(alfen()) as server:
        device = await started(server, units, profiles)
        applied = await device.apply(current(7.0))
        assert not applied.confirmed
        assert device.state.follows is False
        assert "Energy Management System" in (device.state.problem or "")
        assert device.state.unfollowed > 0
        await device.stop()


def test_field_problem_20_phases_are_switched_at_rest(shipped: ProfileLibrary) -> None:
    """The sequence itself is in test_phases.py."""
    switch = shipped.get("alfen_ng9xx").bind({}).phase_switch
    assert switch is not None
    assert (switch.below, switch.settle) == (1, 10)
    assert switch.cooldown >= 300


async def test_field_problem_21_rotated_phases_come_out_on_their_lines(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    assert CHARGER.lines == (Line.L2, Line.L3, Line.L1)
    async with serving(alfen()) as server:
        device = await started(server, units, profiles)
        currents = device.state.currents
        assert (currents.l1, currents.l2, currents.l3) == (15.75, 15.5, 15.25)
        await device.stop()


async def test_field_problem_22_another_device_at_the_address_is_not_written(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving(alfen(), alfen_takes()) as server:
        device = await started(server, units, profiles, serial="ACE0000001")
        with pytest.raises(DeviceError) as caught:
            await device.apply(current(10.0))
        assert caught.value.key == "wrong_device"
        assert not server.writes()
        await device.stop()


@virtual_time
async def test_field_problem_23_two_controllers_are_noticed(
    profiles: ProfileLibrary, socket_enabled: None
) -> None:
    """Somebody else's value in the setpoint's register, twice in ten minutes.

    It is found by the ordinary polls, whether it lies above ours or below, said, and
    forgotten once nobody has interfered for ten minutes.
    """
    async with serving(alfen(), alfen_takes()) as server, own_units() as units:
        device = await started(server, units, profiles)

        async def settle(amperes: float, seconds: float = 20.0) -> None:
            """Stand by a setpoint as an actor does, until it has been polled."""
            for _ in range(int(seconds / 5.0)):
                await device.apply(current(amperes))
                await asyncio.sleep(5.0)

        await settle(10.0)
        assert not device.state.contested
        for foreign in (6.0, 14.0):
            assert not device.state.contested, "once may be anything"
            before = len(server.writes())
            # Between two of our own refreshings, 20 s apart, which would hide it.
            await asyncio.sleep(2.0)
            server.set(1, 1210, f32(foreign))
            server.set(1, 1206, f32(foreign))
            await asyncio.sleep(6.0)
            await settle(10.0)
            ours = [write.values for write in server.writes()[before:]]
            assert ours, "we do not yield"
            assert all(values == f32(10.0) for values in ours)
        assert device.state.contested
        assert device.state.follows is True, "what stands there is ours again"
        await settle(10.0, 660.0)
        assert not device.state.contested
        await device.stop()


async def test_field_problem_24_each_device_has_its_own_stop(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    """KEBA: 5014 = 0, for 5004 takes no 0; what waits in line is in test_scheduler."""
    keba = family("keba_kecontact")
    async with serving(dict(keba.contents), keba.takes) as server:
        device = build_device(keba.config(server), units=units, profiles=profiles)
        await device.start(lambda state: None)
        await eventually(lambda: device.state.available)
        await device.apply(keba.setpoint(0.0, emergency=True))
        assert server.writes(5014)[-1].values == [0]
        assert not server.writes(5004)
        await device.stop()


async def test_field_problem_24_a_stop_and_its_proof_wait_for_no_spacing(
    units: DedicatedUnits, shipped: ProfileLibrary
) -> None:
    """With the profile as shipped, 50 ms between all other requests."""
    async with serving(alfen(), alfen_takes()) as server:
        device = build_device(config(server), units=units, profiles=shipped)
        await device.start(lambda state: None)
        await device.apply(current(16.0))
        gaps = []
        for _ in range(5):
            await device.apply(current(0.0, emergency=True))
            written = server.writes()[-1].at
            proof = next(r.at for r in server.requests if r.at > written)
            gaps.append(proof - written)
        assert min(gaps) < 0.045, gaps
        await device.stop()


def test_field_problem_25_a_latched_relay_is_never_cleared_by_us(
    shipped: ProfileLibrary,
) -> None:
    """Recognised by read-back (test_moxa.py); coils 4128 to 4133 are not ours."""
    for name in ("moxa_iologik_e1211", "moxa_iologik_e1212", "moxa_iologik_e1214"):
        for control in shipped.get(name).bind({}).controls["switch"]:
            assert control.readback is not None
            assert "latched" in (control.readback.mismatch or "")
            assert all((step.register.at or 0) < 4096 for step in control.steps)


MESSAGES = {
    "timeout": "no answer in time",
    "link": "no connection",
    "busy": "the device is busy",
    "refused": "no such register",
    "gateway": "behind the gateway does not answer",
    "garbage": "not understood",
}


@pytest.mark.parametrize(
    "fault", ["timeout", "link", "busy", "refused", "gateway", "garbage"]
)
async def test_every_fault_has_words_of_its_own(
    units: DedicatedUnits, fault: str
) -> None:
    unit = Map()
    unit.fill(0, 9, 7)
    async with serving({1: unit}) as server:
        endpoint = endpoint_of(server.link, units)
        endpoint.hold()
        link = await endpoint.attach(1, QUICK)
        await link.read(Area.HOLDING, 0, 2, Priority.FAST)
        if fault == "timeout":
            server.garble = lambda data: b""
        elif fault == "link":
            await server.stop()
        elif fault == "garbage":
            server.garble = lambda data: data[:7] + bytes([4]) + data[8:]
        else:
            code = {"busy": 6, "refused": 2, "gateway": 11}[fault]
            server.refuse[3, 0] = ExcCodes(code)
        with pytest.raises(Exception, match=MESSAGES[fault]) as caught:
            await link.read(Area.HOLDING, 0, 2, Priority.FAST)
        others = [words for key, words in MESSAGES.items() if key != fault]
        assert not any(words in str(caught.value) for words in others)
        await endpoint.release()
