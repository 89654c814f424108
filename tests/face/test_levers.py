"""Loads without a switch of their own, driven through real entities."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from homeassistant.const import STATE_OFF, STATE_ON
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
import pytest

from custom_components.netflex.devices.dedicated import DedicatedUnits
from custom_components.netflex.devices.device import (
    Device,
    DeviceConfig,
    DeviceError,
    ParamValue,
    ProbeError,
)
from custom_components.netflex.devices.factory import build_device, probe
from custom_components.netflex.devices.profile_loader import ProfileLibrary
from custom_components.netflex.links import Entities
from custom_components.netflex.model.asset import Asset, Category, HeatPumpState, Nature
from custom_components.netflex.model.plan import Setpoint, SetpointKind
from custom_components.netflex.site.giving_back import enable

LOAD = Asset(
    id="load",
    name="Heat pump",
    nature=Nature.LOAD,
    category=Category.FLEXIBLE_CONSUMPTION,
    rated_consumption=3000,
)
CHARGER = Asset(id="load", name="Charger", nature=Nature.CHARGER, category=Category.EV)


def config(
    entities: dict[str, str], *, asset: Asset = LOAD, **params: ParamValue
) -> DeviceConfig:
    return DeviceConfig(
        device_id="load", name="Load", asset=asset, entities=entities, params=params
    )


@asynccontextmanager
async def running(hass: HomeAssistant, settings: DeviceConfig) -> AsyncIterator[Device]:
    device = build_device(
        settings,
        units=DedicatedUnits(),
        entities=Entities(hass),
        profiles=ProfileLibrary([]),
    )
    await device.start(lambda state: None)
    await asyncio.sleep(0)
    try:
        yield device
    finally:
        await device.stop()


def switched(
    on: bool, *, emergency: bool = False, heat_pump: HeatPumpState | None = None
) -> Setpoint:
    return Setpoint(
        heat_pump=heat_pump,
        asset_id="load",
        kind=SetpointKind.SWITCH,
        value=float(on),
        emergency=emergency,
    )


@pytest.fixture
async def helpers(hass: HomeAssistant) -> None:
    assert await async_setup_component(hass, "homeassistant", {})
    assert await async_setup_component(
        hass,
        "input_boolean",
        {"input_boolean": {"lock": {}, "boost": {"initial": True}, "boiler": {}}},
    )
    assert await async_setup_component(
        hass,
        "input_select",
        {"input_select": {"mode": {"options": ["eco", "off", "comfort"]}}},
    )
    assert await async_setup_component(
        hass,
        "input_number",
        {"input_number": {"current": {
            "min": 0, "max": 32, "step": 1, "unit_of_measurement": "A"}}},
    )  # fmt: skip
    assert await async_setup_component(
        hass,
        "climate",
        {"climate": {
            "platform": "generic_thermostat", "name": "living",
            "heater": "input_boolean.boiler", "target_sensor": "sensor.room",
            "min_temp": 5, "max_temp": 30, "target_temp": 21,
            "initial_hvac_mode": "heat", "precision": 0.1}},
    )  # fmt: skip
    # The thermostat heeds a change of the room, not what it finds when it starts.
    await hass.async_block_till_done()
    hass.states.async_set("sensor.room", "19", {"unit_of_measurement": "°C"})
    await hass.async_block_till_done()


@pytest.mark.usefixtures("helpers")
async def test_sg_ready_is_locked_by_one_contact_and_not_forced_on_the_way(
    hass: HomeAssistant,
) -> None:
    """1:0 locks it, 0:0 leaves it to itself; 1:1 would force it on."""
    seen = []
    hass.bus.async_listen(
        "state_changed",
        lambda event: seen.append(
            (
                hass.states.is_state("input_boolean.lock", STATE_ON),
                hass.states.is_state("input_boolean.boost", STATE_ON),
            )
        ),
    )
    roles = {"switch": "input_boolean.lock", "second_contact": "input_boolean.boost"}
    async with running(hass, config(roles)) as device:
        assert device.state.enabled is True
        assert (await device.apply(switched(False, emergency=True))).confirmed
        assert hass.states.is_state("input_boolean.lock", STATE_ON)
        assert hass.states.is_state("input_boolean.boost", STATE_OFF)
        assert device.state.enabled is False
        assert (await device.apply(switched(True))).confirmed
        assert hass.states.is_state("input_boolean.lock", STATE_OFF)
        assert (True, True) not in seen


@pytest.mark.usefixtures("helpers")
@pytest.mark.parametrize("before", HeatPumpState)
@pytest.mark.parametrize("after", HeatPumpState)
async def test_sg_ready_goes_from_each_state_to_each_other_without_a_detour(
    hass: HomeAssistant, before: HeatPumpState, after: HeatPumpState
) -> None:
    """No way leads over forced, and none between two states that run over blocked."""
    roles = {"switch": "input_boolean.lock", "second_contact": "input_boolean.boost"}
    contacts = {
        HeatPumpState.BLOCKED: (True, False),
        HeatPumpState.NORMAL: (False, False),
        HeatPumpState.RECOMMENDED: (False, True),
        HeatPumpState.FORCED: (True, True),
    }

    def now() -> tuple[bool, bool]:
        return (
            hass.states.is_state("input_boolean.lock", STATE_ON),
            hass.states.is_state("input_boolean.boost", STATE_ON),
        )

    async with running(hass, config(roles)) as device:
        seen: list[tuple[bool, bool]] = []
        hass.bus.async_listen("state_changed", lambda event: seen.append(now()))
        for state in (before, after):
            seen.clear()
            on = state is not HeatPumpState.BLOCKED
            applied = await device.apply(switched(on, heat_pump=state))
            assert applied.confirmed
            assert now() == contacts[state]
            assert device.state.heat_pump is state
            assert device.state.enabled is on
    between = set(seen) - {contacts[before], contacts[after]}
    assert contacts[HeatPumpState.FORCED] not in between
    if HeatPumpState.BLOCKED not in {before, after}:
        assert contacts[HeatPumpState.BLOCKED] not in between


@pytest.mark.usefixtures("helpers")
@pytest.mark.parametrize("before", HeatPumpState)
async def test_a_heat_pump_that_leaves_is_left_to_itself(
    hass: HomeAssistant, before: HeatPumpState
) -> None:
    roles = {"switch": "input_boolean.lock", "second_contact": "input_boolean.boost"}
    async with running(hass, config(roles)) as device:
        on = before is not HeatPumpState.BLOCKED
        await device.apply(switched(on, heat_pump=before))
        found = await enable(device, LOAD)
        assert found.reason is None
        assert device.state.heat_pump is HeatPumpState.NORMAL


@pytest.mark.usefixtures("helpers")
async def test_S15_a_second_contact_that_somebody_closes_is_noticed(
    hass: HomeAssistant,
) -> None:
    roles = {"switch": "input_boolean.lock", "second_contact": "input_boolean.boost"}
    async with running(hass, config(roles)) as device:
        await device.apply(switched(False))
        assert device.state.follows is True
        hass.states.async_set("input_boolean.boost", STATE_ON)
        await hass.async_block_till_done()
        assert device.state.follows is False
        assert device.state.enabled is True


@pytest.mark.usefixtures("helpers")
async def test_a_select_is_off_with_one_option_and_on_with_all_others(
    hass: HomeAssistant,
) -> None:
    settings = config(
        {"switch": "input_select.mode"}, on_option="comfort", off_option="off"
    )
    async with running(hass, settings) as device:
        assert device.state.enabled is True
        assert (await device.apply(switched(False))).confirmed
        assert hass.states.is_state("input_select.mode", "off")
        assert (await device.apply(switched(True))).confirmed
        assert hass.states.is_state("input_select.mode", "comfort")


@pytest.mark.usefixtures("helpers")
async def test_a_thermostat_is_stopped_by_its_set_temperature(
    hass: HomeAssistant,
) -> None:
    """A real generic thermostat opens the boiler's switch when it is turned down."""
    settings = config(
        {"switch": "climate.living"}, on_temperature=21.0, off_temperature=7.0
    )
    async with running(hass, settings) as device:
        await hass.async_block_till_done()
        assert hass.states.is_state("input_boolean.boiler", STATE_ON)
        assert device.state.enabled is True
        assert (await device.apply(switched(False))).confirmed
        await hass.async_block_till_done()
        assert hass.states.is_state("input_boolean.boiler", STATE_OFF)
        assert (await device.apply(switched(True))).confirmed
        state = hass.states.get("climate.living")
        assert state is not None
        assert state.attributes["temperature"] == 21.0


@pytest.mark.usefixtures("helpers")
async def test_a_number_like_an_easee_and_a_boilers_switch(
    hass: HomeAssistant,
) -> None:
    async with running(
        hass, config({"number": "input_number.current"}, asset=CHARGER)
    ) as device:
        for value in (16.0, 0.0):
            applied = await device.apply(
                Setpoint(asset_id="load", kind=SetpointKind.CURRENT, value=value)
            )
            assert applied.confirmed
            assert applied.readback == value
    async with running(hass, config({"switch": "input_boolean.boiler"})) as device:
        assert (await device.apply(switched(True))).confirmed
        assert (await device.apply(switched(False, emergency=True))).confirmed
        assert hass.states.is_state("input_boolean.boiler", STATE_OFF)


@pytest.mark.usefixtures("helpers")
@pytest.mark.parametrize(
    "params",
    [
        {"on_option": "comfort"},
        {"on_option": "off", "off_option": "off"},
        {"on_temperature": 21.0},
        {"on_option": "comfort", "off_option": "off",
         "on_temperature": 21.0, "off_temperature": 7.0},
    ],
)  # fmt: skip
async def test_what_stands_for_a_switch_must_be_complete(
    hass: HomeAssistant, params: dict[str, ParamValue]
) -> None:
    settings = config({"switch": "input_select.mode"}, **params)
    with pytest.raises(DeviceError) as caught:
        build_device(
            settings,
            units=DedicatedUnits(),
            entities=Entities(hass),
            profiles=ProfileLibrary([]),
        )
    assert caught.value.key == "config"
    with pytest.raises(ProbeError):
        await probe(
            settings,
            units=DedicatedUnits(),
            entities=Entities(hass),
            profiles=ProfileLibrary([]),
        )
