"""Feeders, protection, islanding and lock-out in Home Assistant."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.netflex.devices.device import DeviceError
from custom_components.netflex.devices.factory import build_device
from custom_components.netflex.entry_site import site_config
from custom_components.netflex.links import Entities, SharedLinks
from custom_components.netflex.model.connection import LineValues
from custom_components.netflex.model.plan import (
    Alarm,
    FeederFlow,
    Plan,
    Setpoint,
    SetpointKind,
)
from custom_components.netflex.model.protection import Protection, TripCurve
from custom_components.netflex.model.snapshot import UserLimits
from custom_components.netflex.profiles import async_profiles
from custom_components.netflex.site.problems import find_problems
from custom_components.netflex.stored import SiteMemory, read_site_memory

from . import sites
from .fakes import FakeSite, full_view
from .test_options import reach, submit
from .test_real_site import add_oven, running, shows, until  # noqa: F401
from .test_subentry_flows import Form

SUB_METER = "01SUBMETER0000000000000000"
HALL: dict[str, Any] = {
    "name": "Hall",
    "feeder_fuse": 40,
    "members": [sites.CHARGER_ID],
    "feeder_meter": SUB_METER,
    "other_loads": 2,
}


class TestFeeders:
    """What is asked, refused and stored."""

    @pytest.fixture(autouse=True)
    def _running(self, no_entities: None, site: FakeSite) -> None:
        """Every form is opened on a site that runs."""

    async def _add(
        self, hass: HomeAssistant, entry: MockConfigEntry, values: dict[str, Any]
    ) -> Any:
        form = Form(hass, entry, "feeder")
        await form.begin()
        return await form.submit(values)

    def _id(self, entry: MockConfigEntry, title: str) -> str:
        return next(
            item.subentry_id
            for item in entry.subentries.values()
            if item.title == title
        )

    async def test_a_tree_of_feeders_is_what_the_site_gets(
        self, hass: HomeAssistant, entry: MockConfigEntry
    ) -> None:
        result = await self._add(hass, entry, HALL)
        assert result["type"] is FlowResultType.CREATE_ENTRY
        hall = self._id(entry, "Hall")
        result = await self._add(
            hass,
            entry,
            {"name": "Row", "feeder_fuse": 25, "parent": hall, "other_loads": 0},
        )
        assert result["type"] is FlowResultType.CREATE_ENTRY
        first, second = site_config(entry).feeders
        assert (first.fuse, first.parent, first.meter) == (40, None, SUB_METER)
        assert first.members == {sites.CHARGER_ID}
        assert first.other_loads == 2
        assert first.meter_timeout > 0
        assert (second.name, second.parent, second.meter) == ("Row", hall, None)
        # A meter that is gone is none, a feeder that is gone is the main fuse.
        hass.config_entries.async_remove_subentry(entry, SUB_METER)
        hass.config_entries.async_remove_subentry(entry, hall)
        (left,) = site_config(entry).feeders
        assert left.parent is None

    @pytest.mark.parametrize(
        ("changes", "errors"),
        [
            ({"name": " "}, {"name": "name_missing"}),
            ({"name": "Oven"}, {"name": "name_taken"}),
            ({"feeder_fuse": 0}, {"feeder_fuse": "fuse_missing", "other_loads": "*"}),
            ({"feeder_fuse": 80}, {"feeder_fuse": "feeder_above_main_fuse"}),
            ({"other_loads": 41}, {"other_loads": "other_loads_impossible"}),
        ],
    )
    async def test_what_cannot_be_is_refused(
        self,
        hass: HomeAssistant,
        entry: MockConfigEntry,
        changes: dict[str, Any],
        errors: dict[str, str],
    ) -> None:
        result = await self._add(hass, entry, HALL | changes)
        assert result["type"] is FlowResultType.FORM
        assert result["errors"].keys() == errors.keys()
        for key, error in errors.items():
            assert error in {"*", result["errors"][key]}

    async def test_no_circle_and_no_asset_on_two_feeders(
        self, hass: HomeAssistant, entry: MockConfigEntry
    ) -> None:
        await self._add(hass, entry, HALL)
        hall = self._id(entry, "Hall")
        both = await self._add(
            hass,
            entry,
            {
                "name": "Row",
                "feeder_fuse": 25,
                "members": [sites.CHARGER_ID],
                "parent": hall,
                "other_loads": 0,
            },
        )
        assert both["errors"] == {"members": "asset_on_two_feeders"}
        assert both["description_placeholders"]["detail"] == "Charger"
        await self._add(
            hass,
            entry,
            {"name": "Row", "feeder_fuse": 25, "parent": hall, "other_loads": 0},
        )
        form = Form(hass, entry, "feeder")
        await form.begin(hall)
        circle = await form.submit(HALL | {"parent": self._id(entry, "Row")})
        assert circle["errors"] == {"parent": "feeder_circle"}
        changed = await form.submit(HALL | {"feeder_fuse": 32})
        assert changed["type"] is FlowResultType.ABORT
        assert site_config(entry).feeders[0].fuse == 32

    async def test_S21_an_inverter_without_a_limit_is_counted_or_off(
        self, hass: HomeAssistant, entry: MockConfigEntry
    ) -> None:
        form = Form(hass, entry, "inverter")
        await form.begin()
        result = await form.choose("metered")
        assert result["step_id"] == "metered"
        result = await form.submit(
            {"name": "Old roof", "power_entity": "sensor.old_roof"}
        )
        assert result["step_id"] == "asset"
        result = await form.submit(
            {
                "rated_power": 5000,
                "phases": "3",
                "lines": [],
                "category": "solar",
                "off_when_limited": True,
                "more": {"priority": 0},
            }
        )
        assert result["type"] is FlowResultType.CREATE_ENTRY
        config = next(
            item for item in site_config(entry).devices if item.name == "Old roof"
        )
        assert config.asset is not None
        assert not config.asset.controllable
        assert config.asset.off_when_limited
        assert config.asset.stop_paths == frozenset()
        hass.states.async_set("sensor.old_roof", "3.2", {"unit_of_measurement": "kW"})
        device = build_device(
            config,
            units=SharedLinks(hass, entry),
            entities=Entities(hass),
            profiles=await async_profiles(hass),
        )
        await device.start(lambda _state: None)
        assert device.state.power == -3200
        with pytest.raises(DeviceError, match="only measured"):
            await device.apply(
                Setpoint(asset_id="a", kind=SetpointKind.PRODUCTION, value=0.0)
            )
        await device.stop()

    async def test_protection_is_stored_and_read(
        self, hass: HomeAssistant, entry: MockConfigEntry
    ) -> None:
        assert site_config(entry).rules.protection == Protection()
        form = {
            "trip_curve": "breaker_b",
            "unbalance": 20,
            "neutral": 0,
            "island_input": "binary_sensor.island",
            "stop_on_island": False,
            "charge_on_island": True,
            "reactive_scope": "connection_point",
        }
        result = await submit(
            hass, await reach(hass, entry, "protection"), form | {"unbalance": 80}
        )
        assert result["errors"] == {"unbalance": "not_within_fuse"}
        result = await submit(hass, result, form)
        assert result["type"] is FlowResultType.CREATE_ENTRY
        assert site_config(entry).rules.protection == Protection(
            curve=TripCurve.BREAKER_B, unbalance=20.0, charge_on_island=True
        )
        shown = await reach(hass, entry, "protection")
        assert shown["data_schema"].schema is not None
        own = er.async_get(hass).async_get_or_create(
            "binary_sensor", "netflex", "own", suggested_object_id="own"
        )
        result = await submit(hass, shown, form | {"island_input": own.entity_id})
        assert result["errors"] == {"island_input": "own_input"}


async def test_S21_a_lock_out_is_a_switch_of_every_asset(
    hass: HomeAssistant, site: FakeSite
) -> None:
    entity_id = er.async_get(hass).async_get_entity_id(
        "switch", "netflex", f"{sites.CHARGER_ID}_lock_out"
    )
    assert entity_id is not None
    for service, locked in (("turn_on", True), ("turn_off", False)):
        await hass.services.async_call(
            "switch", service, {"entity_id": entity_id}, blocking=True
        )
        assert site.commands[-1] == (
            "user",
            sites.CHARGER_ID,
            UserLimits(locked=locked),
        )
        await hass.async_block_till_done()
        state = hass.states.get(entity_id)
        assert state is not None and state.state == ("on" if locked else "off")


def test_S21_a_lock_out_is_kept_over_a_restart() -> None:
    kept = SiteMemory(locked=frozenset({"car"})).to_dict()
    assert read_site_memory(kept).locked == {"car"}
    assert read_site_memory({"local_stops": {}}).locked == frozenset()


async def test_S20_an_island_and_a_feeder_in_a_running_site(
    hass: HomeAssistant,
    running: MockConfigEntry,  # noqa: F811
) -> None:
    """From the forms to the site: the entity says so, the tree is there."""
    oven = await add_oven(hass, running)
    form = Form(hass, running, "feeder")
    await form.begin()
    result = await form.submit(
        {"name": "Kitchen", "feeder_fuse": 16, "members": [oven], "other_loads": 0}
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    site = running.runtime_data.site
    await until(hass, lambda: len(site.look().model.feeders) == 1)
    hass.states.async_set("binary_sensor.island", "off")
    result = await submit(
        hass,
        await reach(hass, running, "protection"),
        {
            "trip_curve": "off",
            "unbalance": 0,
            "neutral": 0,
            "island_input": "binary_sensor.island",
            "stop_on_island": False,
            "charge_on_island": False,
            "reactive_scope": "assets",
        },
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert not site.look().snapshot.islanded
    hass.states.async_set("binary_sensor.island", "on")
    await until(hass, lambda: site.look().snapshot.islanded)
    # What it does not say counts as on the grid.
    hass.states.async_set("binary_sensor.island", "unavailable")
    await until(hass, lambda: not site.look().snapshot.islanded)


async def test_a_feeder_shows_its_fullest_line_and_what_is_left(
    hass: HomeAssistant, show: Callable[..., Awaitable[None]], entry: MockConfigEntry
) -> None:
    form = Form(hass, entry, "feeder")
    await form.begin()
    await form.submit({"name": "Hall", "feeder_fuse": 40, "other_loads": 0})
    feeder = next(
        item.subentry_id for item in entry.subentries.values() if item.title == "Hall"
    )
    entry.runtime_data.coordinator.async_asset_changed(feeder)
    await hass.async_block_till_done()
    flow = FeederFlow(
        current=LineValues(l1=12.0, l2=-20.0, l3=3.0),
        headroom=LineValues(l1=28.0, l2=20.0, l3=37.0),
        metered=True,
    )
    await show(plan=Plan(at=1.0, metered=True, feeders={feeder: flow}))
    registry = er.async_get(hass)
    for key, value in (("feeder_current", "-20.0"), ("feeder_headroom", "20.0")):
        entity_id = registry.async_get_entity_id("sensor", "netflex", f"{feeder}_{key}")
        assert entity_id is not None
        state = hass.states.get(entity_id)
        assert state is not None
        assert state.state == value
        assert state.attributes["metered"] is True


def test_an_alarm_becomes_a_problem_by_name() -> None:
    alarm = Alarm(key="deep_discharge", subject="b", text="It is at 4 %")
    view = full_view()
    plan = Plan(at=1.0, alarms=(alarm,))
    problems = find_problems(
        replace(view, plan=plan),
        names={"b": "Battery"},
        station={},
        inputs={},
        writing={},
        weak=(),
        decision=None,
    )
    (item,) = [found for found in problems if found.key == "deep_discharge"]
    assert (item.subject, item.text) == ("Battery", "It is at 4 %")
