"""Chargers and inverters that are only measured, by sensors of other integrations."""

from dataclasses import replace

import pytest

from custom_components.netflex.devices.device import DeviceError
from custom_components.netflex.devices.ports import EntityValue
from custom_components.netflex.devices.sensed_charger import SensedCharger
from custom_components.netflex.devices.sensed_inverter import SensedInverter
from custom_components.netflex.model.asset import AssetState
from custom_components.netflex.model.connection import Line
from custom_components.netflex.model.plan import Setpoint, SetpointKind

from .test_entity_device import CHARGER, INVERTER, Entities


def sensors() -> Entities:
    return Entities(
        sensor__power=EntityValue(value=7.2, unit="kW", last_reported=20.0),
        sensor__l1=EntityValue(value=31_300.0, unit="mA", last_reported=10.0),
        sensor__energy=EntityValue(value=12.5, unit="kWh", last_reported=1.0),
    )


ROLES = {"power": "sensor.power", "current_l1": "sensor.l1", "energy": "sensor.energy"}


async def test_a_measured_charger_is_in_our_units_and_as_old_as_its_oldest_sensor() -> (
    None
):
    entities, states = sensors(), list[AssetState]()
    charger = SensedCharger(
        asset=CHARGER, roles=ROLES, entities=entities, clock=lambda: 30.0
    )
    assert charger.device_id == "car"
    await charger.start(states.append)
    assert states[-1].available
    assert states[-1].power == 7200.0
    assert states[-1].currents[Line.L1] == pytest.approx(31.3)
    # What energy it has taken says nothing of what it draws now.
    assert states[-1].at == 10.0
    entities.report("sensor.power", value=0.0)
    assert states[-1].power == 0.0
    await charger.stop()
    await charger.stop()
    entities.report("sensor.power", value=1.0)
    assert states[-1].power == 0.0


async def test_a_sensor_that_is_lost_is_named_and_its_value_absent() -> None:
    entities, states = sensors(), list[AssetState]()
    charger = SensedCharger(asset=CHARGER, roles=ROLES, entities=entities)
    await charger.start(states.append)
    entities.report("sensor.l1", available=False)
    assert not states[-1].available
    assert "sensor.l1 is not available" in (states[-1].problem or "")
    assert states[-1].currents[Line.L1] is None
    entities.report("sensor.l1", available=True, value=True)
    assert states[-1].available
    assert states[-1].currents[Line.L1] is None
    entities.report("sensor.l1", value=None)
    assert states[-1].currents[Line.L1] is None
    del entities.values["sensor.l1"]
    entities.report("sensor.power")
    assert "sensor.l1 does not exist" in (states[-1].problem or "")
    assert not states[-1].available
    await charger.stop()


@pytest.mark.parametrize("power", [-3200.0, 3200.0])
async def test_a_measured_inverter_produces_whatever_its_sensors_sign(
    power: float,
) -> None:
    entities, states = sensors(), list[AssetState]()
    entities.values["sensor.power"] = EntityValue(value=power, unit="W")
    inverter = SensedInverter(asset=INVERTER, roles=ROLES, entities=entities)
    await inverter.start(states.append)
    assert states[-1].power == -3200.0
    assert states[-1].energy_produced == 12_500.0
    assert states[-1].energy_consumed is None
    await inverter.stop()


@pytest.mark.parametrize(
    ("kind", "words"), [(SensedCharger, "charger"), (SensedInverter, "inverter")]
)
async def test_what_is_only_measured_takes_no_setpoint(
    kind: type[SensedCharger], words: str
) -> None:
    device = kind(asset=replace(CHARGER, id="it"), roles=ROLES, entities=sensors())
    setpoint = Setpoint(asset_id="it", kind=SetpointKind.CURRENT, value=0.0)
    with pytest.raises(DeviceError, match=f"this {words} is only measured") as caught:
        await device.apply(setpoint)
    assert caught.value.key == "no_control"
