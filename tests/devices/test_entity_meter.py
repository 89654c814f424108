"""A meter over sensors of another integration: each value with its age."""

import asyncio
from collections.abc import Callable, Collection
from typing import Self

import pytest

from custom_components.netflex.devices.device import (
    DeviceConfig,
    DeviceError,
    MeterStatus,
    ProbeError,
)
from custom_components.netflex.devices.entity_meter import EntityMeter
from custom_components.netflex.devices.factory import build_meter, probe
from custom_components.netflex.devices.ports import EntityValue
from custom_components.netflex.devices.profile_loader import ProfileLibrary
from custom_components.netflex.model.reading import MeterReading

ROLES = {"power": "s.p", "current_l1": "s.i", "energy_import": "s.e"}


class Sensors:
    """Sensors that say what the test wants (an EntityPort)."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.values: dict[str, EntityValue] = {}
        self.watchers: list[Callable[[str], None]] = []

    def say(
        self, entity: str, value: float | str | None, unit: str, available: bool = True
    ) -> None:
        self.values[entity] = EntityValue(
            value=value, unit=unit, available=available, last_reported=self.now
        )
        for watcher in list(self.watchers):
            watcher(entity)

    def read(self, entity: str) -> EntityValue | None:
        return self.values.get(entity)

    def watch(
        self, entities: Collection[str], callback: Callable[[str], None]
    ) -> Callable[[], None]:
        self.watchers.append(callback)
        return lambda: self.watchers.remove(callback)

    async def set_number(self, entity: str, value: float) -> None:
        raise AssertionError("a meter drives nothing")

    async def set_switch(self, entity: str, on: bool) -> None:
        raise AssertionError("a meter drives nothing")


class Watched:
    """A meter that runs, and what it said."""

    def __init__(self, sensors: Sensors, roles: dict[str, str], **more: object) -> None:
        self.sensors = sensors
        self.readings: list[MeterReading] = []
        self.statuses: list[MeterStatus] = []
        self.meter = EntityMeter(
            meter_id="meter",
            roles=roles,
            entities=sensors,
            clock=lambda: sensors.now,
            **more,  # type: ignore[arg-type]
        )

    async def __aenter__(self) -> Self:
        await self.meter.start(self.readings.append, self.statuses.append)
        await settle()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.meter.stop()
        assert not self.sensors.watchers


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
def sensors() -> Sensors:
    sensors = Sensors()
    sensors.say("s.p", 1.5, "kW")
    sensors.say("s.i", -6.5, "A")
    sensors.say("s.e", 1234.5, "kWh")
    return sensors


async def test_sensors_make_a_reading_in_our_units(sensors: Sensors) -> None:
    async with Watched(sensors, ROLES) as watched:
        (reading,) = watched.readings
    assert reading.power == 1500
    assert reading.line_current.l1 == 6.5
    assert reading.energy_import == 1_234_500
    assert reading.received == 1000
    assert reading.measured == {
        "power": 1000.0,
        "line_current.L1": 1000.0,
        "energy_import": 1000.0,
    }
    assert watched.meter.status.connected
    assert watched.meter.status.good == 1


async def test_what_is_reported_together_is_one_reading(sensors: Sensors) -> None:
    async with Watched(sensors, ROLES) as watched:
        sensors.now += 1
        for entity, value, unit in (("s.p", 2.0, "kW"), ("s.i", 8.0, "A")):
            sensors.say(entity, value, unit)
        await settle()
        assert len(watched.readings) == 2
        assert watched.readings[-1].power == 2000
        assert watched.readings[-1].line_current.l1 == 8
        # The same value again is news all the same.
        sensors.now += 1
        sensors.say("s.p", 2.0, "kW")
        await settle()
        assert watched.readings[-1].received == sensors.now
        assert watched.readings[-1].age("line_current.L1", sensors.now) == 1


async def test_an_old_value_is_left_out_and_named(sensors: Sensors) -> None:
    async with Watched(sensors, ROLES, max_age=10.0) as watched:
        sensors.now += 11
        sensors.say("s.p", 1.0, "kW")
        await settle()
        reading = watched.readings[-1]
        assert reading.line_current.l1 is None
        assert reading.outdated == {"line_current.L1"}
        # A counter is a fact of the past.
        assert reading.energy_import == 1_234_500
        assert "s.i has said nothing for 11 s" in str(watched.meter.status.details)
        assert watched.meter.status.problem is None


async def test_without_a_fresh_power_there_is_no_reading(sensors: Sensors) -> None:
    async with Watched(sensors, ROLES, max_age=10.0) as watched:
        sensors.now += 11
        sensors.say("s.i", 7.0, "A")
        await settle()
        assert len(watched.readings) == 1
        (status,) = watched.statuses
        assert status.problem == "s.p has said nothing for 11 s"
        assert not status.connected
        sensors.say("s.p", None, "kW", available=False)
        await settle()
        assert watched.statuses[-1].problem == "s.p is not available"
        assert watched.statuses[-1].problem_key == "unavailable"
        sensors.say("s.p", 1.0, "kW")
        await settle()
        assert len(watched.readings) == 2
        assert watched.statuses[-1].problem is None


async def test_the_sum_of_the_lines_is_as_old_as_its_oldest_part() -> None:
    sensors = Sensors()
    roles = {f"power_l{line}": f"s.l{line}" for line in (1, 2, 3)}
    for line in (1, 2, 3):
        sensors.say(f"s.l{line}", 100.0 * line, "W")
        sensors.now += 1
    async with Watched(sensors, roles, negative=True) as watched:
        (reading,) = watched.readings
        assert reading.power == -600
        assert reading.line_power.l2 == -200
        assert reading.received == 1000
        del sensors.values["s.l2"]
        sensors.say("s.l1", 1.0, "W")
        await settle()
        assert watched.meter.status.problem == "s.l2 does not exist"


async def test_import_and_injection_apart(sensors: Sensors) -> None:
    sensors.say("s.x", 2000.0, "W")
    async with Watched(sensors, ROLES | {"power_export": "s.x"}) as watched:
        assert watched.readings[-1].power == -500


@pytest.mark.parametrize(
    "roles",
    [
        {"power": "s.p", "current_l1": "s.i"},
        {"current_l1": "s.i", "current_l2": "s.i", "voltage_l1": "s.v"},
        ROLES | {"switch": "s.s"},
    ],
)
def test_what_makes_no_meter(sensors: Sensors, roles: dict[str, str]) -> None:
    with pytest.raises(DeviceError):
        EntityMeter(meter_id="meter", roles=roles, entities=sensors)


class TestFactory:
    """Built and tested like every other meter."""

    @pytest.fixture(scope="class")
    def profiles(self) -> ProfileLibrary:
        return ProfileLibrary(())

    def config(self, **roles: str) -> DeviceConfig:
        return DeviceConfig(
            device_id="meter",
            name="Meter",
            entities=ROLES | roles,
            params={"max_age": 20.0, "direction": "load_negative"},
        )

    async def test_built(self, sensors: Sensors, profiles: ProfileLibrary) -> None:
        meter = build_meter(
            self.config(),
            units=None,  # type: ignore[arg-type]
            entities=sensors,
            profiles=profiles,
            clock=lambda: sensors.now,
        )
        readings: list[MeterReading] = []
        await meter.start(readings.append, lambda _status: None)
        await settle()
        await meter.stop()
        assert readings[0].power == -1500

    async def test_tested(self, sensors: Sensors, profiles: ProfileLibrary) -> None:
        loop = asyncio.get_running_loop()
        sensors.now = loop.time()
        sensors.say("s.p", 1.5, "kW")
        sensors.say("s.i", 2.5, "A")
        result = await probe(
            self.config(),
            units=None,  # type: ignore[arg-type]
            entities=sensors,
            profiles=profiles,
        )
        assert result.values["power"] == 1500

    @pytest.mark.parametrize(
        ("value", "unit", "age", "key", "text"),
        [
            (1.0, "A", 0.0, "config", "is in A, not in V"),
            ("high", "V", 0.0, "config", "is not a number"),
            (None, "V", 0.0, "no_answer", "is not a number"),
            (230.0, "V", 60.0, "no_answer", "said nothing for 60 s"),
        ],
    )
    async def test_what_is_wrong_is_said(
        self,
        sensors: Sensors,
        profiles: ProfileLibrary,
        value: float | str | None,
        unit: str,
        age: float,
        key: str,
        text: str,
    ) -> None:
        sensors.now = asyncio.get_running_loop().time()
        for entity in ("s.p", "s.i"):
            sensors.say(entity, 1.0, "kW" if entity == "s.p" else "A")
        sensors.now -= age
        sensors.say("s.u", value, unit)
        with pytest.raises(ProbeError, match=text) as caught:
            await probe(
                self.config(voltage_l1="s.u"),
                units=None,  # type: ignore[arg-type]
                entities=sensors,
                profiles=profiles,
            )
        assert caught.value.key == key
