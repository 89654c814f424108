"""Devices over existing entities: success is what the entity says."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import replace
import time

import pytest

from custom_components.netflex.devices import entity_device
from custom_components.netflex.devices.dedicated import DedicatedUnits
from custom_components.netflex.devices.device import (
    DeviceConfig,
    DeviceError,
    ProbeError,
)
from custom_components.netflex.devices.entity_device import EntityDevice
from custom_components.netflex.devices.factory import build_device, probe
from custom_components.netflex.devices.ports import EntityValue
from custom_components.netflex.devices.profile_loader import ProfileLibrary
from custom_components.netflex.model.asset import Asset, Category, ChargerState, Nature
from custom_components.netflex.model.plan import Setpoint, SetpointKind

LOAD = Asset(
    id="boiler",
    name="Boiler",
    nature=Nature.LOAD,
    category=Category.FLEXIBLE_CONSUMPTION,
    rated_consumption=3000,
)
CHARGER = replace(LOAD, id="car", nature=Nature.CHARGER, category=Category.EV)
INVERTER = replace(
    LOAD,
    id="sun",
    nature=Nature.INVERTER,
    category=Category.SOLAR,
    rated_production=5000,
)


class Entities:
    """Entities that do what they are told after a moment, or not."""

    def __init__(self, **values: EntityValue) -> None:
        self.values = {key.replace("__", "."): value for key, value in values.items()}
        self.calls: list[tuple[str, float | bool]] = []
        self.obeys = True
        self.fails: Exception | None = None
        self.delay = 0.0
        self._watchers: list[tuple[Collection[str], Callable[[str], None]]] = []

    def read(self, entity: str) -> EntityValue | None:
        return self.values.get(entity)

    def watch(
        self, entities: Collection[str], callback: Callable[[str], None]
    ) -> Callable[[], None]:
        entry = (entities, callback)
        self._watchers.append(entry)
        return lambda: self._watchers.remove(entry)

    def report(self, entity: str, **changes: object) -> None:
        self.values[entity] = replace(
            self.values[entity],
            last_reported=time.monotonic(),
            **changes,  # type: ignore[arg-type]
        )
        for entities, callback in tuple(self._watchers):
            if entity in entities:
                callback(entity)

    async def _set(self, entity: str, value: float | bool) -> None:
        self.calls.append((entity, value))
        if self.fails is not None:
            raise self.fails
        if self.obeys:
            if self.delay:
                loop = asyncio.get_running_loop()
                loop.call_later(self.delay, lambda: self.report(entity, value=value))
            else:
                self.report(entity, value=value)

    async def set_number(self, entity: str, value: float) -> None:
        await self._set(entity, value)

    async def set_switch(self, entity: str, on: bool) -> None:
        await self._set(entity, on)


def boiler(**kwargs: object) -> tuple[EntityDevice, Entities]:
    entities = Entities(
        switch__boiler=EntityValue(value=True),
        sensor__boiler=EntityValue(value=2.9, unit="kW", last_reported=0.0),
    )
    roles = {"switch": "switch.boiler", "power": "sensor.boiler"}
    return (
        EntityDevice(asset=LOAD, roles=roles, entities=entities, within=0.1),
        entities,
    )


def switch(on: bool | None, *, emergency: bool = False) -> Setpoint:
    return Setpoint(
        asset_id="boiler",
        kind=SetpointKind.SWITCH,
        value=None if on is None else float(on),
        emergency=emergency,
    )


async def test_a_switch_is_done_when_its_state_says_so() -> None:
    device, entities = boiler()
    entities.delay = 0.02
    states = []
    await device.start(states.append)
    await asyncio.sleep(0)
    assert device.state.enabled is True
    assert device.state.power == 2900.0
    applied = await device.apply(switch(False))
    assert applied.confirmed
    assert applied.readback == 0.0
    assert device.state.enabled is False
    assert device.state.follows is True
    await device.stop()
    assert entities.calls == [("switch.boiler", False)]


async def test_the_same_again_makes_no_call() -> None:
    device, entities = boiler()
    await device.start(lambda state: None)
    await device.apply(switch(False))
    assert (await device.apply(switch(False))).confirmed
    assert len(entities.calls) == 1
    await device.stop()


async def test_a_call_that_returns_proves_nothing() -> None:
    device, entities = boiler()
    entities.obeys = False
    await device.start(lambda state: None)
    applied = await device.apply(switch(False))
    assert not applied.confirmed
    assert applied.readback == 1.0
    await asyncio.sleep(0.05)
    entities.report("sensor.boiler", value=2.8)
    assert device.state.follows is False
    assert "does not do" in (device.state.problem or "")
    await device.stop()


async def test_a_stop_is_tried_twice() -> None:
    device, entities = boiler()
    entities.obeys = False
    await device.start(lambda state: None)
    assert not (await device.apply(switch(False, emergency=True))).confirmed
    assert len(entities.calls) == 2
    await device.stop()


async def test_S15_someone_who_switches_it_on_again_is_noticed() -> None:
    device, entities = boiler()
    await device.start(lambda state: None)
    await device.apply(switch(False, emergency=True))
    entities.report("switch.boiler", value=True)
    assert device.state.follows is False
    assert "someone else" in (device.state.problem or "")
    assert (await device.apply(switch(False))).confirmed
    assert entities.calls == [("switch.boiler", False)] * 2
    assert device.state.problem is None
    await device.stop()


async def test_an_unavailable_entity_is_said_and_not_called() -> None:
    device, entities = boiler()
    await device.start(lambda state: None)
    entities.report("switch.boiler", available=False, value=None)
    assert not device.state.available
    assert "switch.boiler is not available" in (device.state.problem or "")
    with pytest.raises(DeviceError) as caught:
        await device.apply(switch(False))
    assert caught.value.key == "unavailable"
    assert not entities.calls
    entities.report("switch.boiler", available=True, value=True)
    assert device.state.available
    await device.stop()


async def test_a_missing_entity_is_said() -> None:
    device, entities = boiler()
    del entities.values["switch.boiler"]
    await device.start(lambda state: None)
    await asyncio.sleep(0)
    assert not device.state.available
    assert "does not exist" in (device.state.problem or "")
    await device.stop()


async def test_a_failing_call_is_told() -> None:
    device, entities = boiler()
    entities.fails = RuntimeError("no route to the relay")
    await device.start(lambda state: None)
    with pytest.raises(DeviceError, match="no route to the relay"):
        await device.apply(switch(False))
    await device.stop()


async def test_the_newest_setpoint_wins() -> None:
    device, entities = boiler()
    entities.obeys = False
    await device.start(lambda state: None)
    older = asyncio.create_task(device.apply(switch(True)))
    first = asyncio.create_task(device.apply(switch(False)))
    await asyncio.sleep(0.01)
    entities.obeys = True
    assert (await device.apply(switch(False, emergency=True))).confirmed
    with pytest.raises(DeviceError) as caught:
        await first
    assert caught.value.key == "superseded"
    await asyncio.gather(older, return_exceptions=True)
    await device.stop()


def car(
    unit: str = "A", minimum: float = 0, enable: bool = False
) -> tuple[EntityDevice, Entities]:
    entities = Entities(
        number__limit=EntityValue(
            value=16.0, unit=unit, minimum=minimum, maximum=32.0, step=1.0
        ),
        switch__charge=EntityValue(value=True),
        sensor__power=EntityValue(value=11.0, unit="kW"),
        sensor__state=EntityValue(value="Charging"),
    )
    roles = {"number": "number.limit", "power": "sensor.power", "state": "sensor.state"}
    if enable:
        roles["enable"] = "switch.charge"
    return (
        EntityDevice(asset=CHARGER, roles=roles, entities=entities, within=0.1),
        entities,
    )


def current(value: float | None) -> Setpoint:
    return Setpoint(asset_id="car", kind=SetpointKind.CURRENT, value=value)


@pytest.mark.parametrize(
    ("asked", "set_to"), [(13.7, 13.0), (40.0, 32.0), (0.0, 0.0), (None, 32.0)]
)
async def test_a_number_as_a_charger(asked: float | None, set_to: float) -> None:
    device, entities = car()
    await device.start(lambda state: None)
    await asyncio.sleep(0)
    assert device.state.power == 11000.0
    assert device.state.charger_state is ChargerState.CHARGING
    assert device.state.current_limit == 16.0
    applied = await device.apply(current(asked))
    assert applied.confirmed
    assert entities.calls == [("number.limit", set_to)]
    assert applied.readback == set_to
    await device.stop()


async def test_a_charger_that_cannot_go_to_zero_is_paused_by_its_switch() -> None:
    device, entities = car(minimum=6, enable=True)
    await device.start(lambda state: None)
    applied = await device.apply(current(0.0))
    assert entities.calls == [("switch.charge", False)]
    assert applied.confirmed
    assert applied.readback == 0.0
    await device.apply(current(8.0))
    assert entities.calls[1:] == [("switch.charge", True), ("number.limit", 8.0)]
    await device.stop()


async def test_S12_a_charger_that_cannot_be_stopped_says_so() -> None:
    device, entities = car(minimum=6)
    await device.start(lambda state: None)
    applied = await device.apply(current(0.0))
    assert entities.calls == [("number.limit", 6.0)]
    assert applied.readback == 6.0
    assert not applied.confirmed
    assert "cannot be stopped" in (device.state.problem or "")
    await device.stop()


@pytest.mark.parametrize(
    ("unit", "maximum", "asked", "set_to"),
    [
        ("W", 5000.0, 2500.4, 2500.0),
        ("kW", 5.0, 2999.0, 2.0),
        ("%", 100.0, 2549.0, 50.0),
        ("%", 100.0, None, 100.0),
        ("%", 100.0, 0.0, 0.0),
    ],
)
async def test_a_number_as_an_inverter(
    unit: str, maximum: float, asked: float | None, set_to: float
) -> None:
    entities = Entities(
        number__limit=EntityValue(
            value=maximum, unit=unit, minimum=0.0, maximum=maximum, step=1.0
        ),
        sensor__power=EntityValue(value=-3200.0, unit="W"),
    )
    device = EntityDevice(
        asset=INVERTER,
        roles={"number": "number.limit", "power": "sensor.power"},
        entities=entities,
        within=0.1,
    )
    await device.start(lambda state: None)
    setpoint = Setpoint(asset_id="sun", kind=SetpointKind.PRODUCTION, value=asked)
    applied = await device.apply(setpoint)
    assert applied.confirmed
    assert device.state.power == -3200.0
    if entities.calls:
        assert entities.calls == [("number.limit", set_to)]
    assert entities.values["number.limit"].value == set_to
    await device.stop()


def sun(**roles: str) -> tuple[EntityDevice, Entities]:
    entities = Entities(
        number__limit=EntityValue(value=100.0, unit="%", minimum=10.0, maximum=100.0),
        switch__inverter=EntityValue(value=True),
    )
    device = EntityDevice(asset=INVERTER, roles=roles, entities=entities, within=0.1)
    return device, entities


def produced(value: float | None) -> Setpoint:
    return Setpoint(asset_id="sun", kind=SetpointKind.PRODUCTION, value=value)


async def test_an_inverter_with_a_switch_only_is_stopped_and_let_go() -> None:
    device, entities = sun(enable="switch.inverter")
    assert device.device_id == "sun"
    await device.start(lambda state: None)
    assert (await device.apply(produced(0.0))).readback == 0.0
    assert (await device.apply(produced(2500.0))).confirmed
    assert entities.calls == [("switch.inverter", False), ("switch.inverter", True)]
    await device.stop()


async def test_a_stop_needs_only_the_switch_where_the_number_is_away() -> None:
    device, entities = sun(number="number.limit", enable="switch.inverter")
    await device.start(lambda state: None)
    entities.report("number.limit", available=False, value=None)
    with pytest.raises(DeviceError, match=r"number\.limit is not available") as caught:
        await device.apply(produced(2500.0))
    assert caught.value.key == "unavailable"
    applied = await device.apply(produced(0.0))
    assert applied.confirmed
    assert entities.calls == [("switch.inverter", False)]
    await device.stop()


async def test_a_percentage_of_an_unknown_power_is_no_limit() -> None:
    entities = Entities(number__limit=EntityValue(value=50.0, unit="%"))
    device = EntityDevice(
        asset=replace(INVERTER, rated_production=0.0),
        roles={"number": "number.limit"},
        entities=entities,
    )
    await device.start(lambda state: None)
    await asyncio.sleep(0)
    assert device.state.power_limit is None
    with pytest.raises(DeviceError, match="rated production is not known") as caught:
        await device.apply(produced(2500.0))
    assert caught.value.key == "config"
    assert not entities.calls
    await device.stop()


async def test_a_setpoint_of_another_kind_is_refused() -> None:
    device, entities = boiler()
    with pytest.raises(DeviceError, match="a load takes") as caught:
        await device.apply(produced(0.0))
    assert caught.value.key == "config"
    assert not entities.calls


async def test_a_call_that_does_not_end_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(entity_device, "_CALL_LIMIT", 0.01)
    device, entities = boiler()

    async def hang(_entity: str, _on: bool) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(entities, "set_switch", hang)
    await device.start(lambda state: None)
    with pytest.raises(DeviceError, match="did not end in time") as caught:
        await device.apply(switch(False))
    assert caught.value.key == "timeout"
    await device.stop()


@pytest.mark.parametrize(
    ("value", "unit", "celsius"),
    [(50.0, "°C", 50.0), (122.0, "°F", 50.0), (True, None, None), ("hot", None, None)],
)
async def test_a_temperature_is_in_degrees_celsius(
    value: float | str | bool, unit: str | None, celsius: float | None
) -> None:
    entities = Entities(
        switch__boiler=EntityValue(value=True),
        sensor__water=EntityValue(value=value, unit=unit),
    )
    roles = {"switch": "switch.boiler", "temperature": "sensor.water"}
    device = EntityDevice(asset=LOAD, roles=roles, entities=entities)
    await device.start(lambda state: None)
    await asyncio.sleep(0)
    assert device.state.temperature == celsius
    await device.stop()


async def test_the_test_of_a_form_names_an_entity_that_is_away(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    _, entities = car()
    entities.report("number.limit", available=False)
    settings = DeviceConfig(
        device_id="car",
        name="Car",
        asset=CHARGER,
        entities={"number": "number.limit"},
    )
    with pytest.raises(ProbeError, match=r"number\.limit is not available") as caught:
        await probe(settings, units=units, entities=entities, profiles=profiles)
    assert caught.value.key == "no_answer"


async def test_roles_and_units_are_checked(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    _, entities = car(unit="°C")

    def config(asset: Asset, **roles: str) -> DeviceConfig:
        return DeviceConfig(
            device_id=asset.id, name=asset.name, asset=asset, entities=roles
        )

    with pytest.raises(DeviceError, match="needs a switch"):
        build_device(
            config(LOAD, number="number.limit"),
            units=units,
            entities=entities,
            profiles=profiles,
        )
    with pytest.raises(ProbeError, match="°C") as caught:
        await probe(
            config(CHARGER, number="number.limit"),
            units=units,
            entities=entities,
            profiles=profiles,
        )
    assert caught.value.key == "config"
    with pytest.raises(ProbeError, match="does not exist"):
        await probe(
            config(CHARGER, number="number.other"),
            units=units,
            entities=entities,
            profiles=profiles,
        )
    with pytest.raises(ProbeError, match="is not a switch"):
        await probe(
            config(LOAD, switch="number.limit"),
            units=units,
            entities=entities,
            profiles=profiles,
        )
    result = await probe(
        config(LOAD, switch="switch.charge"),
        units=units,
        entities=entities,
        profiles=profiles,
    )
    assert result.values["switch"] is True
