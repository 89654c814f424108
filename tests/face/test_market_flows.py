"""The forms of prices, of a battery's modes and of dispatch sources, on a real site."""

from collections.abc import AsyncGenerator
from typing import Any

from homeassistant.config_entries import SOURCE_USER, ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, section
from homeassistant.helpers import entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
import voluptuous as vol

from custom_components.netflex.entry_programme import mode_entry
from custom_components.netflex.model.programme import (
    CheapestHours,
    ImbalanceChase,
    PeakApproach,
    PriceThreshold,
    ProgrammeMode,
)
from custom_components.netflex.model.schedule import DayGroup, Weekday

from . import sites
from .translations import assert_result_is_translated


@pytest.fixture
async def running(
    hass: HomeAssistant, no_entities: None
) -> AsyncGenerator[MockConfigEntry]:
    """A real site without telecontrol, whose battery is there in name."""
    entry = sites.site_entry(data={"telecontrol": False}, complete=False)
    entry.add_to_hass(hass)
    hass.config_entries.async_add_subentry(
        entry, sites.subentry("battery", sites.BATTERY_ID, "Battery", sites.BATTERY)
    )
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    yield entry
    if entry.state is ConfigEntryState.LOADED:
        await hass.config_entries.async_remove(entry.entry_id)
        await hass.async_block_till_done()


async def add_mode(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    mode: str,
    parameters: dict[str, Any],
    name: str = "Mode",
) -> Any:
    """Go through the forms of a mode; return the last answer."""
    flows = hass.config_entries.subentries
    result: Any = await flows.async_init(
        (entry.entry_id, "battery_mode"), context={"source": SOURCE_USER}
    )
    assert_result_is_translated(result, "battery_mode")
    result = await flows.async_configure(
        result["flow_id"],
        {"name": name, "mode": mode, "batteries": [], "priority": 10},
    )
    assert_result_is_translated(result, "battery_mode")
    return await flows.async_configure(result["flow_id"], parameters)


def kept(entry: MockConfigEntry, title: str = "Mode") -> Any:
    (found,) = (item for item in entry.subentries.values() if item.title == title)
    return found


NIGHT = {"start": "01:00:00", "end": "06:00:00", "days": ["weekdays"]}
EVENING = {
    "start": "17:00:00",
    "end": "21:00:00",
    "days": ["monday", "friday"],
    "first_day": "1-11",
    "last_day": "31-03",
    "time_zone": "Europe/Amsterdam",
}
PEAK = {
    "peak": [EVENING],
    "force_charge": 40,
    "encourage_charge": 80,
    "assumed_power": 3000,
}


@pytest.mark.parametrize("mode", [item.value for item in ProgrammeMode])
async def test_every_mode_has_a_form_with_texts(
    hass: HomeAssistant, running: MockConfigEntry, mode: str
) -> None:
    needed: dict[str, dict[str, Any]] = {
        "charge_to": {"charge": 80},
        "discharge_to": {"charge": 20},
        "imbalance_chase": {
            "charge_curve": [{"price": 0, "charge": 60}],
            "discharge_curve": [{"price": 300, "charge": 70}],
            "more": {},
        },
        "peak_discharge": {"charge": 10, "more": {}},
        "peak_approach": PEAK | {"more": {}},
        "backup_reserve": {"charge": 40},
        "frequency_response": {"power": 2000, "more": {}},
        "price_threshold": {"charge_below": 0.05},
        "cheapest_hours": {"hours": 3},
        "import_avoidance_when_short": {"more": {}},
    }
    schedule = {"periods": [NIGHT]}
    result = await add_mode(hass, running, mode, needed.get(mode, {}) | schedule)
    assert result["type"] is FlowResultType.CREATE_ENTRY, result
    await hass.async_block_till_done()
    entry = mode_entry(kept(running).data)
    assert entry.mode == mode
    assert entry.schedule is not None
    (period,) = entry.schedule.periods
    assert period.days is DayGroup.WEEKDAYS
    assert period.time_zone == hass.config.time_zone
    site = running.runtime_data.site
    assert site.view.programmes[sites.BATTERY_ID].entries == (entry,)


async def test_prices_are_per_kwh_in_a_form_and_per_mwh_in_the_decision(
    hass: HomeAssistant, running: MockConfigEntry
) -> None:
    await add_mode(
        hass,
        running,
        "price_threshold",
        {"charge_below": 0.05, "discharge_above": 0.3, "export": True},
    )
    parameters = mode_entry(kept(running).data).parameters
    assert parameters == PriceThreshold(
        charge_below=50.0, discharge_above=300.0, export=True
    )


async def test_seasons_weekdays_curves_and_rates_are_kept(
    hass: HomeAssistant, running: MockConfigEntry
) -> None:
    await add_mode(
        hass,
        running,
        "imbalance_chase",
        {
            "charge_curve": [
                {"price": -100, "charge": 95},
                {"price": 0, "charge": 60},
            ],
            "discharge_curve": [{"price": 300, "charge": 96}],
            "import_rates": [{"value": 80}, {"value": 20, **NIGHT}],
            "when_short": {"allow": True, "volume_cutoff": 50, "time_cutoff": 240},
            "schedule_entity": "schedule.trade",
            "more": {"trusted_after": 0.4},
        },
    )
    entry = mode_entry(kept(running).data)
    chase = entry.parameters
    assert isinstance(chase, ImbalanceChase)
    assert [point.charge for point in chase.charge_curve] == [95, 60]
    always, night = chase.import_rates
    assert always.schedule is None
    assert night.schedule is not None
    assert chase.when_short.allow
    assert chase.when_short.volume_cutoff == 50
    assert not chase.when_long.allow
    assert chase.trusted_after == 0.4
    assert entry.schedule is not None
    assert entry.schedule.entity == "schedule.trade"


async def test_a_change_that_comes_after_the_end_brings_nothing_back(
    hass: HomeAssistant, running: MockConfigEntry
) -> None:
    # What follows the schedule would be left behind, and the test's end sees it.
    await add_mode(
        hass,
        running,
        "price_threshold",
        {
            "charge_below": 50,
            "discharge_above": 300,
            "schedule_entity": "schedule.trade",
        },
    )
    runtime = running.runtime_data
    await hass.config_entries.async_remove(running.entry_id)
    await runtime.async_entry_changed()
    assert not hass.states.async_entity_ids("sensor")


async def test_a_changed_mode_shows_what_is_stored(
    hass: HomeAssistant, running: MockConfigEntry
) -> None:
    await add_mode(
        hass,
        running,
        "peak_approach",
        {
            "peak": [EVENING],
            "force_charge": 40,
            "encourage_charge": 80,
            "assumed_power": 3000,
            "periods": [NIGHT],
            "more": {"cushion": 600},
        },
    )
    await hass.async_block_till_done()
    subentry = kept(running)
    result: Any = await running.start_subentry_reconfigure_flow(
        hass, subentry.subentry_id
    )
    assert_result_is_translated(result, "battery_mode")
    flows = hass.config_entries.subentries
    result = await flows.async_configure(
        result["flow_id"],
        {"name": "Before", "mode": "peak_approach", "batteries": [], "priority": 5},
    )
    shown = {
        str(marker): (marker.description or {}).get("suggested_value")
        for marker in result["data_schema"].schema
    }
    assert shown["peak"] == [
        EVENING | {"first_day": "01-11", "days": shown["peak"][0]["days"]}
    ]
    assert set(shown["peak"][0]["days"]) == {"monday", "friday"}
    assert shown["periods"][0]["start"] == "01:00:00"
    result = await flows.async_configure(
        result["flow_id"],
        {
            "peak": shown["peak"],
            "force_charge": 50,
            "encourage_charge": 80,
            "assumed_power": 3000,
            "more": {"cushion": 600},
        },
    )
    assert result["reason"] == "reconfigure_successful"
    entry = mode_entry(kept(running, "Before").data)
    approach = entry.parameters
    assert isinstance(approach, PeakApproach)
    assert approach.force_charge == 50
    assert approach.cushion == 600
    (peak,) = approach.peak.periods
    assert peak.days == {Weekday.MONDAY, Weekday.FRIDAY}
    assert peak.season is not None
    assert peak.time_zone == "Europe/Amsterdam"
    assert entry.schedule is None


def shown_values(schema: vol.Schema) -> dict[str, Any]:
    """Return what a form would send if its user changed nothing."""
    found: dict[str, Any] = {}
    for marker, selector in schema.schema.items():
        if isinstance(selector, section):
            found[str(marker)] = shown_values(selector.schema)
        elif (
            suggested := (marker.description or {}).get("suggested_value")
        ) is not None:
            found[str(marker)] = suggested
    return found


@pytest.mark.parametrize(
    ("mode", "parameters"),
    [
        ("price_threshold", {"charge_below": 0.05, "discharge_above": 0.3}),
        ("peak_approach", PEAK | {"more": {"cushion": 600}}),
        (
            "imbalance_chase",
            {
                "charge_curve": [{"price": 0, "charge": 60}],
                "discharge_curve": [{"price": 300, "charge": 96}],
                "import_rates": [{"value": 80}, {"value": 20, **NIGHT}],
                "default_prices": [{"value": 90, **EVENING}],
                "more": {},
            },
        ),
    ],
)
async def test_a_mode_that_is_opened_and_sent_unchanged_stays_what_it_is(
    hass: HomeAssistant, running: MockConfigEntry, mode: str, parameters: dict[str, Any]
) -> None:
    await add_mode(hass, running, mode, parameters | {"periods": [NIGHT]})
    await hass.async_block_till_done()
    before = kept(running).data
    result: Any = await running.start_subentry_reconfigure_flow(
        hass, kept(running).subentry_id
    )
    for _ in range(2):
        result = await hass.config_entries.subentries.async_configure(
            result["flow_id"], shown_values(result["data_schema"])
        )
    assert result["reason"] == "reconfigure_successful"
    assert kept(running).data == before


@pytest.mark.parametrize(
    ("mode", "parameters"),
    [
        ("charge_to", {"charge": 120, "periods": [NIGHT]}),
        ("charge_to", {"charge": 80}),
        ("price_threshold", {}),
        ("price_threshold", {"charge_below": 0.3, "discharge_above": 0.2}),
        ("cheapest_hours", {"hours": 0}),
        ("hold", {"periods": [NIGHT | {"days": ["weekdays", "monday"]}]}),
        ("hold", {"periods": [NIGHT | {"first_day": "1-11"}]}),
        ("hold", {"periods": [NIGHT | {"first_day": "31-2", "last_day": "1-4"}]}),
        ("hold", {"periods": [NIGHT | {"first_day": "soon", "last_day": "1-4"}]}),
        ("hold", {"periods": [NIGHT | {"time_zone": "Europe/Nowhere"}]}),
        ("hold", {"periods": [NIGHT], "schedule_entity": "schedule.trade"}),
        (
            "imbalance_chase",
            {
                "charge_curve": [{"price": 0, "charge": 90}],
                "discharge_curve": [{"price": 0, "charge": 20}],
                "more": {},
            },
        ),
    ],
)
async def test_what_cannot_be_is_said_and_can_be_corrected(
    hass: HomeAssistant,
    running: MockConfigEntry,
    mode: str,
    parameters: dict[str, Any],
) -> None:
    result = await add_mode(hass, running, mode, parameters)
    assert result["type"] is FlowResultType.FORM
    assert result["errors"] == {"base": "mode_impossible"}
    assert result["description_placeholders"]["detail"]
    assert_result_is_translated(result, "battery_mode")
    assert len(running.subentries) == 1


async def test_names_are_given_once(
    hass: HomeAssistant, running: MockConfigEntry
) -> None:
    await add_mode(hass, running, "hold", {})
    flows = hass.config_entries.subentries
    for name, error in (("Mode", "name_taken"), ("  ", "name_missing")):
        result: Any = await flows.async_init(
            (running.entry_id, "battery_mode"), context={"source": SOURCE_USER}
        )
        result = await flows.async_configure(
            result["flow_id"],
            {"name": name, "mode": "hold", "batteries": [], "priority": 1},
        )
        assert result["errors"] == {"name": error}
        assert_result_is_translated(result, "battery_mode")


async def test_a_removed_mode_leaves_the_programme(
    hass: HomeAssistant, running: MockConfigEntry
) -> None:
    await add_mode(hass, running, "hold", {})
    cheap = await add_mode(
        hass, running, "cheapest_hours", {"hours": 2, "periods": [NIGHT]}, "Cheap"
    )
    assert cheap["type"] is FlowResultType.CREATE_ENTRY, cheap
    await hass.async_block_till_done()
    site = running.runtime_data.site
    assert len(site.view.programmes[sites.BATTERY_ID].entries) == 2
    hass.config_entries.async_remove_subentry(running, kept(running).subentry_id)
    await hass.async_block_till_done()
    (entry,) = site.view.programmes[sites.BATTERY_ID].entries
    assert isinstance(entry.parameters, CheapestHours)
    hass.config_entries.async_remove_subentry(
        running, kept(running, "Cheap").subentry_id
    )
    await hass.async_block_till_done()
    assert site.view.programmes == {}


# ------------------------------------------------------------------------ dispatch sources


async def add_source(
    hass: HomeAssistant, entry: MockConfigEntry, kind: str, data: dict[str, Any]
) -> Any:
    flows = hass.config_entries.subentries
    result: Any = await flows.async_init(
        (entry.entry_id, "dispatch_source"), context={"source": SOURCE_USER}
    )
    assert_result_is_translated(result, "dispatch_source")
    result = await flows.async_configure(result["flow_id"], {"next_step_id": kind})
    if result["type"] is FlowResultType.ABORT:
        assert_result_is_translated(result, "dispatch_source")
        return result
    assert_result_is_translated(result, "dispatch_source")
    return await flows.async_configure(
        result["flow_id"],
        {"name": "Source", "batteries": [], "baseline": "before_start", **data},
    )


async def test_axle_is_found_by_its_account(
    hass: HomeAssistant, running: MockConfigEntry
) -> None:
    result = await add_source(hass, running, "axle", {})
    assert result["reason"] == "no_axle"
    other = MockConfigEntry(domain="axle_energy", title="Axle Energy")
    other.add_to_hass(hass)
    more = {"axle_entry": other.entry_id, "more": {}}
    result = await add_source(hass, running, "axle", more)
    assert result["errors"] == {"axle_entry": "axle_incomplete"}
    registry = er.async_get(hass)
    ids = {
        name: registry.async_get_or_create(
            "sensor", "axle_energy", f"{other.entry_id}_{name}"
        ).id
        for name in ("import_export", "start", "end")
    }
    result = await add_source(hass, running, "axle", more)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    data = kept(running, "Source").data
    assert data["direction_entity"] == ids["import_export"]
    assert data["start_entity"] == ids["start"]
    assert data["end_entity"] == ids["end"]
    assert data["baseline"] == "before_start"


async def test_entities_and_calendars_are_sources_that_the_site_follows(
    hass: HomeAssistant, running: MockConfigEntry
) -> None:
    hass.states.async_set("sensor.direction", "charge")
    hass.states.async_set("sensor.start", "2020-01-01T00:00:00+00:00")
    hass.states.async_set("sensor.end", "2100-01-01T00:00:00+00:00")
    result = await add_source(
        hass,
        running,
        "entities",
        {
            "direction_entity": "sensor.direction",
            "start_entity": "sensor.start",
            "end_entity": "sensor.end",
            "more": {"priority": 2, "allow_deviation": True},
        },
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    source = kept(running, "Source")
    view = running.runtime_data.site.view
    (command,) = view.market.dispatches
    assert command.source == source.subentry_id
    assert (command.priority, command.allow_deviation) == (2, True)
    result = await running.start_subentry_reconfigure_flow(hass, source.subentry_id)
    assert_result_is_translated(result, "dispatch_source")
    hass.config_entries.async_remove_subentry(running, source.subentry_id)
    await hass.async_block_till_done()
    assert running.runtime_data.site.view.market.dispatches == ()
    result = await add_source(
        hass,
        running,
        "calendar",
        {"calendar_entity": "calendar.work", "action": "avoid_import", "more": {}},
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert kept(running, "Source").data["action"] == "avoid_import"


# ------------------------------------------------------------------------------ options


async def market_form(hass: HomeAssistant, entry: MockConfigEntry) -> Any:
    result: Any = await hass.config_entries.options.async_init(entry.entry_id)
    assert_result_is_translated(result, "options")
    result = await hass.config_entries.options.async_configure(
        result["flow_id"], {"next_step_id": "market"}
    )
    assert_result_is_translated(result, "options")
    return result


def market_input(**changes: Any) -> dict[str, Any]:
    price = {"multiplier": 1, "addition": 0, "stale_hours": 6}
    return {
        "import": price | changes.pop("import_price", {}),
        "export": price | changes.pop("export_price", {}),
        "imbalance": {
            "elia": False,
            "stale_hours": 1,
            "elia_url": "https://opendata.elia.be",
        }
        | changes.pop("imbalance", {}),
        "settlement_minutes": "15",
    } | changes


async def test_prices_are_followed_once_they_are_chosen(
    hass: HomeAssistant, running: MockConfigEntry
) -> None:
    registry = er.async_get(hass)
    item = registry.async_get_or_create(
        "sensor", "other", "1", suggested_object_id="price"
    )
    hass.states.async_set(item.entity_id, "0.2", {"unit_of_measurement": "EUR/kWh"})
    result = await market_form(hass, running)
    result = await hass.config_entries.options.async_configure(
        result["flow_id"],
        market_input(
            import_price={"price_entity": item.entity_id, "multiplier": 1.06},
            export_price={"fixed": 0.03},
            settlement_minutes="30",
        ),
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY, result
    await hass.async_block_till_done()
    stored = running.options["market"]
    assert stored["import"]["price_entity"] == item.id
    assert stored["settlement_minutes"] == 30
    view = running.runtime_data.site.view
    assert view.market.import_price is not None
    assert view.market.import_price.value == pytest.approx(212.0)
    assert view.market.export_price is not None
    assert view.market.export_price.value == 30.0
    result = await market_form(hass, running)
    parts = result["data_schema"].schema
    (imports,) = (field for marker, field in parts.items() if str(marker) == "import")
    suggested = {
        str(marker): (marker.description or {}).get("suggested_value")
        for marker in imports.schema.schema
    }
    assert suggested["price_entity"] == item.entity_id


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        (
            {"import_price": {"fixed": 0.2, "price_entity": "sensor.price"}},
            "one_price_source",
        ),
        ({"import_price": {"multiplier": -1}}, "market_impossible"),
        ({"import_price": {"stale_hours": 0}}, "market_impossible"),
        ({"imbalance": {"elia_url": "elia"}}, "market_impossible"),
        ({"import_price": {"price_entity": "sensor.own"}}, "own_entity"),
    ],
)
async def test_what_prices_cannot_be_is_said(
    hass: HomeAssistant,
    running: MockConfigEntry,
    changes: dict[str, Any],
    error: str,
) -> None:
    er.async_get(hass).async_get_or_create(
        "sensor", "netflex", "own", suggested_object_id="own"
    )
    result = await market_form(hass, running)
    result = await hass.config_entries.options.async_configure(
        result["flow_id"], market_input(**changes)
    )
    assert result["errors"] == {"base": error}
    assert_result_is_translated(result, "options")
