"""Acuvim II: transformer ratios, signs, readings."""

import pytest

from custom_components.netflex.devices.dedicated import DedicatedUnits
from custom_components.netflex.devices.device import DeviceConfig, MeterStatus
from custom_components.netflex.devices.factory import build_meter, probe
from custom_components.netflex.devices.profile_loader import ProfileLibrary
from custom_components.netflex.model.asset import Nature
from custom_components.netflex.model.reading import MeterReading

from .maps import acuvim
from .servers import Server, eventually, f32, serving


def config(server: Server, **params: float | str) -> DeviceConfig:
    return DeviceConfig(
        device_id="main",
        name="Main meter",
        profile="acuvim_ii",
        link=server.link,
        params=params,
    )


async def read(
    server: Server,
    units: DedicatedUnits,
    profiles: ProfileLibrary,
    **params: float | str,
) -> MeterReading:
    readings: list[MeterReading] = []
    meter = build_meter(config(server, **params), units=units, profiles=profiles)
    await meter.start(readings.append, lambda status: None)
    await eventually(lambda: readings)
    await meter.stop()
    return readings[0]


async def test_reading_with_current_and_voltage_transformers(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    """CT 400/5 and PT 20000/100: V x 200, I x 80, P x 16000."""
    async with serving({1: acuvim()}) as server:
        reading = await read(
            server,
            units,
            profiles,
            pt1=20000,
            pt2=100,
            ct1=400,
            ct2=5,
            energy="secondary",
        )
    assert reading.meter_id == "main"
    assert reading.frequency == pytest.approx(49.98)
    assert reading.line_voltage.l1 == 57.5 * 200
    assert reading.line_current.l2 == 2.25 * 80
    assert reading.line_power.l3 == -110.0 * 16000
    assert reading.power == 160.0 * 16000
    assert reading.reactive_power == 12.0 * 16000
    assert reading.energy_import == pytest.approx(12345.6e3 * 16000)
    assert reading.energy_export == pytest.approx(65.4e3 * 16000)


async def test_reading_without_transformers_and_turned_round(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving({1: acuvim()}) as server:
        reading = await read(server, units, profiles, direction="load_negative")
    assert reading.power == -160.0
    assert reading.line_power.l3 == 110.0
    assert reading.line_current.l1 == 2.5
    assert reading.energy_import == pytest.approx(65.4e3)
    assert reading.energy_export == pytest.approx(12345.6e3)


async def test_one_request_for_all_that_changes_fast(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving({1: acuvim()}) as server:
        await read(server, units, profiles)
        fast = [r for r in server.requests if r.count == 60]
        assert [(r.function, r.address) for r in fast] == [(3, 0x4000)]


async def test_lost_and_back_is_said(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving({1: acuvim()}) as server:
        statuses: list[MeterStatus] = []
        readings: list[MeterReading] = []
        meter = build_meter(config(server), units=units, profiles=profiles)
        await meter.start(readings.append, statuses.append)
        await eventually(lambda: readings)
        await server.stop()
        await eventually(lambda: not meter.status.connected)
        assert statuses[-1].problem_key == "cannot_connect"
        count = len(readings)
        await server.start()
        await eventually(lambda: len(readings) > count)
        assert meter.status.problem is None
        assert [status.connected for status in statuses] == [True, False, True]
        await meter.stop()


async def test_a_wrong_device_is_recognised(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    contents = acuvim()
    contents.put(0x4000, f32(3.5e8))
    async with serving({1: contents}) as server:
        meter = build_meter(config(server), units=units, profiles=profiles)
        statuses: list[MeterStatus] = []
        await meter.start(lambda reading: None, statuses.append)
        await eventually(lambda: statuses)
        assert statuses[-1].problem_key == "wrong_device"
        await meter.stop()


async def test_probe(units: DedicatedUnits, profiles: ProfileLibrary) -> None:
    async with serving({1: acuvim()}) as server:
        result = await probe(config(server), units=units, profiles=profiles)
        assert result.nature is Nature.METER
        assert result.values["power"] == 160.0
