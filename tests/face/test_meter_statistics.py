"""Meters in the energy dashboard and in the long-term statistics, by their own rules."""

from datetime import timedelta
import logging

from homeassistant.components.energy import async_get_manager
from homeassistant.components.energy.validate import async_validate
from homeassistant.components.recorder.core import Recorder
from homeassistant.components.recorder.statistics import (
    async_list_statistic_ids,
    validate_statistics,
)
from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.components.sensor.const import (
    DEVICE_CLASS_STATE_CLASSES,
    DEVICE_CLASS_UNITS,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
    do_adhoc_statistics,
)

from custom_components.netflex.const import DOMAIN
from custom_components.netflex.sensor_demand import DEMAND_SENSORS
from custom_components.netflex.sensor_meter import METER_SENSORS
from custom_components.netflex.sensor_sub_meter import SUB_METER_SENSORS, UNITS

from . import sites
from .fakes import FakeSite

METER = sites.METER_ID


def entity_id(hass: HomeAssistant, key: str, owner: str = METER) -> str:
    found = er.async_get(hass).async_get_entity_id("sensor", DOMAIN, f"{owner}_{key}")
    assert found is not None, key
    return found


def test_units_and_state_classes_are_those_of_their_device_class() -> None:
    for item in (*METER_SENSORS, *DEMAND_SENSORS, *SUB_METER_SENSORS):
        kind = item.device_class
        if kind in {None, SensorDeviceClass.ENUM, SensorDeviceClass.MONETARY}:
            continue
        assert kind is not None
        if item.state_class is not None:
            assert item.state_class in DEVICE_CLASS_STATE_CLASSES[kind], item.key
        units = DEVICE_CLASS_UNITS.get(kind, {None})
        if item.channel is None:
            assert item.native_unit_of_measurement in units, item.key
        elif item.state_class is not None:
            # The unit comes with the telegram, and is the right one for its kind.
            assert set(UNITS.values()) & units, item.key
        if item.suggested_unit_of_measurement is not None:
            assert item.suggested_unit_of_measurement in units, item.key


def test_what_counts_up_and_what_is_measured() -> None:
    for item in (*METER_SENSORS, *SUB_METER_SENSORS, *DEMAND_SENSORS):
        if item.device_class in {
            SensorDeviceClass.ENERGY,
            SensorDeviceClass.REACTIVE_ENERGY,
            SensorDeviceClass.GAS,
            SensorDeviceClass.WATER,
        }:
            assert item.state_class is SensorStateClass.TOTAL_INCREASING, item.key
        elif item.device_class in {
            SensorDeviceClass.POWER,
            SensorDeviceClass.CURRENT,
            SensorDeviceClass.VOLTAGE,
            SensorDeviceClass.REACTIVE_POWER,
            SensorDeviceClass.FREQUENCY,
        }:
            assert item.state_class is SensorStateClass.MEASUREMENT, item.key


async def test_the_energy_dashboard_takes_them(
    recorder_mock: Recorder,
    hass: HomeAssistant,
    site: FakeSite,
    entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert await async_setup_component(hass, "energy", {})
    assert await async_setup_component(hass, "sensor", {})
    await async_wait_recording_done(hass)
    now = dt_util.utcnow()
    start = now.replace(minute=now.minute - now.minute % 5, second=0, microsecond=0)
    do_adhoc_statistics(hass, start=start - timedelta(minutes=5))
    do_adhoc_statistics(hass, start=start)
    await async_wait_recording_done(hass)

    manager = await async_get_manager(hass)
    await manager.async_update(
        {
            "energy_sources": [
                {
                    "type": "grid",
                    "stat_energy_from": entity_id(hass, "energy_import"),
                    "stat_energy_to": entity_id(hass, "energy_export"),
                    "stat_cost": None,
                    "entity_energy_price": None,
                    "number_energy_price": None,
                    "stat_compensation": None,
                    "entity_energy_price_export": None,
                    "number_energy_price_export": None,
                    "stat_rate": entity_id(hass, "power"),
                    "cost_adjustment_day": 0.0,
                },
                {
                    "type": "gas",
                    "stat_energy_from": entity_id(hass, "mbus1_gas"),
                    "stat_cost": None,
                    "entity_energy_price": None,
                    "number_energy_price": None,
                },
                {
                    "type": "water",
                    "stat_energy_from": entity_id(hass, "mbus2_water"),
                    "stat_cost": None,
                    "entity_energy_price": None,
                    "number_energy_price": None,
                },
            ],
            "device_consumption": [
                {"stat_consumption": entity_id(hass, "mbus4_electricity")},
                {"stat_consumption": entity_id(hass, "mbus3_heat")},
            ],
        }
    )
    found = (await async_validate(hass)).as_dict()
    assert found == {
        "energy_sources": [[], [], []],
        "device_consumption": [[], []],
        "device_consumption_water": [],
    }

    statistics = {
        item["statistic_id"]: item for item in await async_list_statistic_ids(hass)
    }
    for key, has_sum in {
        "energy_import": True,
        "mbus1_gas": True,
        "power": False,
        "line_current_l1": False,
        "line_voltage_l3": False,
    }.items():
        item = statistics[entity_id(hass, key)]
        assert item["has_sum"] is has_sum, key
        assert item["unit_class"] is not None, key
    for key in ("demand_average", "month_peak", "billed_peak"):
        assert entity_id(hass, key, entry.entry_id) in statistics, key
    wrong = await recorder_mock.async_add_executor_job(validate_statistics, hass)
    assert not wrong.keys() & statistics.keys()
    assert not [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.WARNING and "p1_port" in record.getMessage()
    ]
