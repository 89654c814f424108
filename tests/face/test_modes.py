"""Modes, deadlines and the peak target: a user's wishes on their way to the decision."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from homeassistant.core import HomeAssistant, State
from homeassistant.helpers import entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    mock_restore_cache,
    mock_restore_cache_with_extra_data,
)

from custom_components.netflex.const import DOMAIN
from custom_components.netflex.entry_device import device_config
from custom_components.netflex.model.connection import GridType
from custom_components.netflex.model.modes import BatteryMode, ChargerMode, LoadMode
from custom_components.netflex.model.plan import CapacityPlan
from custom_components.netflex.model.snapshot import UserLimits
from custom_components.netflex.select import MAINTENANCE

from . import sites
from .fakes import FakeSite
from .test_compliance import with_plan

type Show = Callable[..., Awaitable[None]]

DUE = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)


def entity(hass: HomeAssistant, platform: str, subject: str, key: str) -> str:
    found = er.async_get(hass).async_get_entity_id(platform, DOMAIN, f"{subject}_{key}")
    assert found is not None, key
    return found


async def act(
    hass: HomeAssistant, platform: str, action: str, entity_id: str, **data: Any
) -> None:
    await hass.services.async_call(
        platform, action, {"entity_id": entity_id, **data}, blocking=True
    )


@pytest.mark.parametrize(
    ("subject", "default", "mode"),
    [
        (sites.CHARGER_ID, "fast", ChargerMode.SOLAR_MINIMUM),
        (sites.BATTERY_ID, "self_consumption", BatteryMode.IDLE),
        (sites.LOAD_ID, "always", LoadMode.SOLAR),
    ],
)
async def test_a_mode_is_a_wish(
    hass: HomeAssistant, site: FakeSite, subject: str, default: str, mode: Any
) -> None:
    select = entity(hass, "select", subject, "mode")
    shown = hass.states.get(select)
    assert shown is not None
    assert shown.state == default
    more = {MAINTENANCE} if subject == sites.BATTERY_ID else set()
    assert set(shown.attributes["options"]) == {*type(mode), *more}
    await act(hass, "select", "select_option", select, option=mode.value)
    assert site.commands == [("user", subject, UserLimits(mode=mode))]
    await hass.async_block_till_done()
    shown = hass.states.get(select)
    assert shown is not None
    assert shown.state == mode.value


async def test_energy_and_deadline_go_together(
    hass: HomeAssistant, site: FakeSite
) -> None:
    number = entity(hass, "number", sites.CHARGER_ID, "charge_energy")
    when = entity(hass, "datetime", sites.CHARGER_ID, "charge_deadline")
    await act(hass, "number", "set_value", number, value=12.5)
    await act(hass, "datetime", "set_value", when, datetime="2026-11-23T07:30:00+01:00")
    assert site.commands[-1] == (
        "user",
        sites.CHARGER_ID,
        UserLimits(energy=12_500.0, deadline=DUE),
    )
    await act(hass, "number", "set_value", number, value=0)
    assert site.commands[-1][2] == UserLimits(energy=None, deadline=DUE)


async def test_the_peak_target_and_what_going_on_costs(
    hass: HomeAssistant,
    all_enabled: None,
    site: FakeSite,
    show: Show,
    entry: MockConfigEntry,
) -> None:
    number = entity(hass, "number", entry.entry_id, "peak_target")
    await act(hass, "number", "set_value", number, value=4.5)
    await act(hass, "number", "set_value", number, value=0)
    assert site.commands == [("peak", 4500.0), ("peak", None)]
    held = CapacityPlan(
        free=5200.0, allowed=6000.0, forecast=7000.0, urgent=("car",), cost=7.5
    )
    await show(**with_plan(site.view, capacity=held))
    shown = hass.states.get(entity(hass, "sensor", entry.entry_id, "quarter_cost"))
    assert shown is not None
    assert float(shown.state) == 7.5
    assert shown.attributes["urgent"] == ["car"]


async def test_wishes_outlive_a_restart(
    hass: HomeAssistant, entry: MockConfigEntry, faked: Callable[[], FakeSite]
) -> None:
    registry = er.async_get(hass)
    entry.add_to_hass(hass)
    for platform, key, name in (
        ("select", "mode", "charger_mode"),
        ("datetime", "charge_deadline", "charger_by"),
        ("number", "charge_energy", "charger_energy"),
    ):
        registry.async_get_or_create(
            platform, DOMAIN, f"{sites.CHARGER_ID}_{key}", suggested_object_id=name
        )
    mock_restore_cache(
        hass,
        [
            State("select.charger_mode", "deadline"),
            State("datetime.charger_by", DUE.isoformat()),
        ],
    )
    mock_restore_cache_with_extra_data(
        hass,
        [
            (State("select.charger_mode", "deadline"), {}),
            (State("datetime.charger_by", DUE.isoformat()), {}),
            (
                State("number.charger_energy", "9"),
                {
                    "native_max_value": 200,
                    "native_min_value": 0,
                    "native_step": 0.5,
                    "native_unit_of_measurement": "kWh",
                    "native_value": 9.0,
                },
            ),
        ],
    )
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert faked().view.user[sites.CHARGER_ID] == UserLimits(
        mode=ChargerMode.DEADLINE, energy=9000.0, deadline=DUE
    )


def test_comfort_and_times_of_a_load_reach_its_asset() -> None:
    data = {
        **sites.LOAD,
        "minimum_on": 300,
        "minimum_off": 120,
        "comfort_low": 45,
        "comfort_high": None,
        "temperature_entity": "sensor.tank",
        "local_on_entity": "binary_sensor.switch",
    }
    kind, subentry_id, title, _ = next(
        item for item in sites.ALL_SUBENTRIES if item[0] == "load"
    )
    config = device_config(
        sites.subentry(kind, subentry_id, title, data), GridType.STAR
    )
    asset = config.asset
    assert asset is not None
    assert (asset.minimum_on, asset.minimum_off) == (300.0, 120.0)
    assert (asset.comfort_low, asset.comfort_high) == (45.0, None)
    assert config.entities["temperature"] == "sensor.tank"
    assert config.entities["local_on"] == "binary_sensor.switch"
