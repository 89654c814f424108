"""What a battery is used for, shown and ordered: entities, events, actions, the feed."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
import json
from typing import Any

from homeassistant.core import Context, HomeAssistant, State
from homeassistant.exceptions import ServiceValidationError, Unauthorized
from homeassistant.helpers import (
    device_registry as dr,
    entity_registry as er,
    issue_registry as ir,
)
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    MockUser,
    mock_restore_cache,
)

from custom_components.netflex.entry_asset import asset_of
from custom_components.netflex.entry_programme import mode_data, mode_entry
from custom_components.netflex.frontend.economy_feed import economy_message
from custom_components.netflex.model.connection import GridType
from custom_components.netflex.model.dispatch import DispatchAction, DispatchCommand
from custom_components.netflex.model.market import (
    Imbalance,
    ImbalanceQuality,
    Market,
    PriceSeries,
    PriceSlot,
)
from custom_components.netflex.model.modes import BatteryMode
from custom_components.netflex.model.plan import Plan
from custom_components.netflex.model.programme import (
    Constraint,
    Hold,
    Inactive,
    ModeEntry,
    PreviewSlot,
    Programme,
    ProgrammeMode,
    ProgrammeState,
    SelfConsumption,
)
from custom_components.netflex.model.snapshot import UserLimits
from custom_components.netflex.sensor_economy import PROGRAMME_SENSORS
from custom_components.netflex.site.economy import (
    Baseline,
    DispatchProof,
    Economy,
    MarketNow,
)
from custom_components.netflex.site.telemetry_feed import kept_values
from custom_components.netflex.site.view import SiteProblem
from custom_components.netflex.site_file import export_site, read_site_file
from custom_components.netflex.words import Words

from . import sites
from .fakes import NOW, FakeSite, full_view
from .test_real_site import until
from .translations import ENGLISH

HOLD = ModeEntry(mode=ProgrammeMode.HOLD, parameters=Hold())
OWN = ModeEntry(mode=ProgrammeMode.SELF_CONSUMPTION, parameters=SelfConsumption())
PROGRAMME = {sites.BATTERY_ID: Programme(entries=(HOLD, OWN))}
SOURCE_ID = "01SOURCE000000000000000000"
COMMAND = DispatchCommand(
    source=SOURCE_ID,
    action=DispatchAction.DISCHARGE_MAX,
    start=NOW,
    end=NOW + timedelta(hours=1),
)

type Show = Callable[..., Awaitable[None]]


def state(hass: HomeAssistant, entity_id: str) -> State:
    found = hass.states.get(entity_id)
    assert found is not None, entity_id
    return found


def assert_attributes_are_named(hass: HomeAssistant, entity_id: str) -> None:
    """Check that what an entity tells besides its state has a name for users."""
    item = er.async_get(hass).async_get(entity_id)
    assert item is not None
    texts = ENGLISH["entity"][item.domain][item.translation_key]["state_attributes"]
    attributes = set(state(hass, entity_id).attributes) - {
        "device_class", "event_type", "event_types", "friendly_name", "icon",
        "options", "state_class", "unit_of_measurement",
    }  # fmt: skip
    assert attributes <= set(texts)


def standing(**changes: Any) -> Plan:
    programme = ProgrammeState(
        **{
            "active": ProgrammeMode.HOLD,
            "effective": ProgrammeMode.SELF_CONSUMPTION,
            "wish": -1500.0,
            "constraints": frozenset(
                {Constraint.STATE_OF_ENERGY, Constraint.GRID_OPERATOR}
            ),
            "inactive": (
                Inactive(
                    mode=ProgrammeMode.PRICE_THRESHOLD, key="x", text="no price now"
                ),
            ),
        }
        | changes
    )
    return Plan(at=1.0, programmes={sites.BATTERY_ID: programme})


async def test_the_programme_says_what_is_active_what_decides_and_what_binds(
    hass: HomeAssistant, site: FakeSite, show: Show
) -> None:
    assert hass.states.get("sensor.battery_active_mode") is None
    later = NOW + timedelta(hours=2)
    await show(
        programmes=PROGRAMME,
        plan=standing(),
        previews={
            sites.BATTERY_ID: (
                PreviewSlot(start=NOW, end=later, modes=(ProgrammeMode.HOLD,)),
                PreviewSlot(
                    start=later, end=later, modes=(ProgrammeMode.SELF_CONSUMPTION,)
                ),
            )
        },
    )
    assert state(hass, "sensor.battery_active_mode").state == "hold"
    effective = state(hass, "sensor.battery_effective_mode")
    assert effective.state == "self_consumption"
    assert effective.attributes["wish"] == -1500
    assert effective.attributes["inactive"] == {"price_threshold": "no price now"}
    bound = state(hass, "sensor.battery_bound_by")
    assert bound.state == "grid_operator"
    assert bound.attributes["all"] == ["grid_operator", "state_of_energy"]
    change = state(hass, "sensor.battery_next_change")
    assert dt_util.parse_datetime(change.state) == later
    assert change.attributes["modes"] == ["self_consumption"]
    for key in ("effective_mode", "bound_by", "next_change"):
        assert_attributes_are_named(hass, f"sensor.battery_{key}")
    await show(plan=standing(active=None, effective=None, constraints=frozenset()))
    assert state(hass, "sensor.battery_active_mode").state == "idle"
    assert state(hass, "sensor.battery_bound_by").state == "none"
    await show(plan=Plan(at=2.0))
    assert state(hass, "sensor.battery_effective_mode").state == "not_followed"


def test_every_constraint_has_its_place_and_its_words() -> None:
    (bound,) = (item for item in PROGRAMME_SENSORS if item.key == "bound_by")
    assert set(bound.options or ()) == {*(item.value for item in Constraint), "none"}


async def test_the_select_follows_the_programme_until_its_user_chooses(
    hass: HomeAssistant, site: FakeSite, show: Show
) -> None:
    mode = "select.battery_mode"
    assert state(hass, mode).state == "self_consumption"
    await show(programmes=PROGRAMME)
    assert state(hass, mode).state == "programme"

    async def choose(option: str) -> UserLimits:
        await hass.services.async_call(
            "select",
            "select_option",
            {"entity_id": mode, "option": option},
            blocking=True,
        )
        await hass.async_block_till_done()
        limits: UserLimits = site.commands[-1][2]
        return limits

    limits = await choose("idle")
    assert limits.mode is BatteryMode.IDLE
    limits = await choose("maintenance")
    assert limits.locked
    assert limits.mode is BatteryMode.IDLE
    assert state(hass, mode).state == "maintenance"
    lock_out = er.async_get(hass).async_get_entity_id(
        "switch", "netflex", f"{sites.BATTERY_ID}_lock_out"
    )
    assert lock_out is not None
    assert state(hass, lock_out).state == "on"
    limits = await choose("programme")
    assert not limits.locked
    assert limits.mode is BatteryMode.PROGRAMME
    assert state(hass, mode).state == "programme"


@pytest.mark.parametrize(
    ("last", "chosen", "restored"),
    [
        ("maintenance", "idle", BatteryMode.IDLE),
        ("programme", None, None),
        ("idle", "idle", BatteryMode.IDLE),
        ("maintenance", None, None),
    ],
)
async def test_what_was_chosen_is_restored_and_a_lock_out_never_released(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    faked: Callable[[], FakeSite],
    last: str,
    chosen: str | None,
    restored: BatteryMode | None,
) -> None:
    mock_restore_cache(hass, [State("select.battery_mode", last, {"chosen": chosen})])
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    limits = [
        item[2] for item in faked().commands if item[:2] == ("user", sites.BATTERY_ID)
    ]
    assert [item.mode for item in limits] == ([] if restored is None else [restored])
    assert not any(item.locked for item in limits)


async def test_prices_and_the_imbalance_are_shown_while_they_count(
    hass: HomeAssistant, site: FakeSite, show: Show
) -> None:
    assert hass.states.get("sensor.bakery_price_of_import") is None
    slot = PriceSlot(start=NOW, end=NOW + timedelta(hours=1), value=231.5)
    imbalance = Imbalance(
        start=NOW,
        received=NOW,
        price=190.44,
        volume=143.9,
        quality=ImbalanceQuality.NON_VALIDATED,
    )
    await show(market=MarketNow(import_price=slot, imbalance=imbalance))
    price = state(hass, "sensor.bakery_price_of_import")
    assert price.state == "0.2315"
    assert price.attributes["unit_of_measurement"] == "EUR/kWh"
    assert price.attributes["until"] == slot.end
    assert state(hass, "sensor.bakery_imbalance_price").state == "190.44"
    volume = state(hass, "sensor.bakery_imbalance_of_the_system")
    assert volume.state == "143.9"
    assert volume.attributes["unit_of_measurement"] == "MW"
    assert volume.attributes["quality"] == "non_validated"
    assert hass.states.get("sensor.bakery_price_of_injection") is None
    assert_attributes_are_named(hass, "sensor.bakery_price_of_import")
    assert_attributes_are_named(hass, "sensor.bakery_imbalance_price")
    await show(market=MarketNow())
    assert state(hass, "sensor.bakery_price_of_import").state == "unavailable"
    assert state(hass, "sensor.bakery_imbalance_price").state == "unavailable"


@pytest.fixture
def entry() -> MockConfigEntry:
    """The site with a dispatch source."""
    entry = sites.site_entry()
    source = sites.subentry(
        "dispatch_source", SOURCE_ID, "Axle", {"kind": "axle", "batteries": []}
    )
    object.__setattr__(
        entry, "subentries", {**entry.subentries, source.subentry_id: source}
    )
    return entry


async def test_a_dispatch_begins_delivers_and_ends(
    hass: HomeAssistant, site: FakeSite, show: Show
) -> None:
    assert state(hass, "binary_sensor.axle_dispatch").state == "off"
    assert state(hass, "sensor.axle_delivered_energy").state == "unknown"
    proof = DispatchProof(
        command=COMMAND,
        name="Axle",
        method=Baseline.BEFORE_START,
        delivered=1250.0,
        baseline=2000.0,
        proved=900.0,
        unproved=5.0,
    )
    economy = Economy(dispatches=(COMMAND,), names={SOURCE_ID: "Axle"})
    await show(
        economy=economy,
        market=MarketNow(dispatches=(COMMAND,)),
        dispatch_proofs=(proof,),
    )
    assert state(hass, "binary_sensor.axle_dispatch").state == "on"
    active = state(hass, "binary_sensor.bakery_dispatch")
    assert active.state == "on"
    assert active.attributes["commands"][0]["source"] == "Axle"
    event = state(hass, "event.axle_dispatch")
    assert event.attributes["event_type"] == "began"
    energy = state(hass, "sensor.axle_delivered_energy")
    assert energy.state == "1.25"
    assert energy.attributes["running"] is True
    assert energy.attributes["delivered_power"] == 5000
    assert energy.attributes["method"] == "before_start"
    for entity_id in (
        "event.axle_dispatch",
        "sensor.axle_delivered_energy",
        "binary_sensor.bakery_dispatch",
    ):
        assert_attributes_are_named(hass, entity_id)
    ended = DispatchProof(
        command=COMMAND,
        name="Axle",
        method=Baseline.BEFORE_START,
        delivered=5000.0,
        baseline=2000.0,
        proved=3600.0,
        ended=COMMAND.end,
    )
    await show(economy=Economy(), market=MarketNow(), dispatch_proofs=(ended,))
    assert state(hass, "binary_sensor.axle_dispatch").state == "off"
    event = state(hass, "event.axle_dispatch")
    assert event.attributes["event_type"] == "ended"
    assert event.attributes["delivered"] == 5000.0


async def test_an_alert_is_an_event_once_and_a_repair_as_long_as_it_lasts(
    hass: HomeAssistant, site: FakeSite, show: Show, entry: MockConfigEntry
) -> None:
    problem = SiteProblem(
        key="battery_low", subject=sites.BATTERY_ID, text="Battery holds 4 %"
    )
    assert state(hass, "event.battery_alert").state == "unknown"
    await show(problems=(problem,))
    first = state(hass, "event.battery_alert")
    assert first.attributes["event_type"] == "battery_low"
    assert first.attributes["text"] == "Battery holds 4 %"
    await show(problems=(problem,), loop_lag=0.5)
    assert state(hass, "event.battery_alert").state == first.state
    await show(problems=())
    await show(problems=(problem,))
    assert state(hass, "event.battery_alert").state != first.state


async def test_a_mode_is_no_device(
    hass: HomeAssistant, faked: Callable[[], FakeSite], entry: MockConfigEntry
) -> None:
    mode = sites.subentry("battery_mode", "01MODE", "Hold", mode_data(HOLD, [], 1))
    object.__setattr__(entry, "subentries", {**entry.subentries, "01MODE": mode})
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    devices = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    assert not any(("netflex", "01MODE") in device.identifiers for device in devices)
    assert any(("netflex", SOURCE_ID) in device.identifiers for device in devices)


def test_a_site_file_takes_modes_and_sources_to_the_next_house(
    entry: MockConfigEntry,
) -> None:
    mode = sites.subentry(
        "battery_mode", "01MODE", "Hold", mode_data(HOLD, [sites.BATTERY_ID], 1)
    )
    object.__setattr__(entry, "subentries", {**entry.subentries, "01MODE": mode})
    ids = iter(f"new-{number}" for number in range(100))
    read = read_site_file(json.dumps(export_site(entry)), lambda: next(ids))
    parts = {part["title"]: part for part in read.subentries}
    battery = parts["Battery"]["subentry_id"]
    assert parts["Hold"]["data"]["batteries"] == [battery]
    assert mode_entry(parts["Hold"]["data"]) == HOLD
    assert parts["Axle"]["data"]["kind"] == "axle"


def test_the_feed_tells_programmes_prices_and_dispatch() -> None:
    words = Words("en", {})
    assert economy_message(full_view(), words) is None
    slot = PriceSlot(start=NOW, end=NOW + timedelta(hours=1), value=231.5)
    view = replace(
        full_view(),
        programmes=PROGRAMME,
        plan=standing(),
        previews={
            sites.BATTERY_ID: (
                PreviewSlot(
                    start=NOW,
                    end=NOW + timedelta(hours=48),
                    modes=(ProgrammeMode.HOLD,),
                ),
            )
        },
        market=MarketNow(import_price=slot, dispatches=(COMMAND,)),
        economy=Economy(dispatches=(COMMAND,), names={SOURCE_ID: "Axle"}),
    )
    message = economy_message(view, words)
    assert message is not None
    assert json.loads(json.dumps(message)) == message
    programme = message["programmes"][sites.BATTERY_ID]
    assert programme["active"] == "hold"
    assert programme["constraints"] == ["grid_operator", "state_of_energy"]
    assert programme["inactive"] == [
        {"mode": "price_threshold", "text": "no price now"}
    ]
    assert [slot["modes"] for slot in programme["preview"]] == [["hold"]]
    assert message["import_price"] == 0.2315
    (dispatch,) = message["dispatches"]
    assert (dispatch["source"], dispatch["active"]) == ("Axle", True)


def test_prices_modes_and_what_bound_them_are_kept_as_readings() -> None:
    slot = PriceSlot(start=NOW, end=NOW + timedelta(hours=1), value=231.5)
    series = PriceSeries(slots=(slot,), received=NOW)
    view = replace(
        full_view(),
        plan=standing(),
        economy=Economy(market=Market(import_price=series, export_price=series)),
        market=MarketNow(import_price=slot),
    )
    values, words = kept_values(view)
    by_key = {series.key: value for series, value in values.items()}
    assert by_key["market.import_price"] == 231.5
    # A price that is followed and not known now is a gap; what nobody follows is none.
    assert by_key["market.export_price"] is None
    assert "market.imbalance_price" not in by_key
    said = {series.key: text for series, text in words.items()}
    assert said[f"asset.{sites.BATTERY_ID}.mode"] == "self_consumption"
    assert said[f"asset.{sites.BATTERY_ID}.bound_by"] == "grid_operator,state_of_energy"
    plain, _ = kept_values(full_view())
    assert not any(series.key.startswith("market.") for series in plain)


def test_a_battery_has_what_its_form_says() -> None:
    data = sites.BATTERY | {
        "capacity": 12.5,
        "ceiling": 95,
        "charge_efficiency": 92,
        "low_charge": 5,
        "hot": 45,
    }
    asset = asset_of(sites.subentry("battery", "b", "Battery", data), GridType.STAR)
    assert asset.capacity == 12_500.0
    assert asset.ceiling == 95.0
    assert asset.charge_efficiency == pytest.approx(0.92)
    older = asset_of(
        sites.subentry("battery", "b", "Battery", sites.BATTERY), GridType.STAR
    )
    assert older.capacity is None
    assert older.ceiling == 100.0


# ------------------------------------------------------------------ on the real site


@pytest.fixture
async def running(hass: HomeAssistant) -> AsyncGenerator[MockConfigEntry]:
    """A real site without telecontrol, with a battery through entities."""
    hass.states.async_set(
        "input_number.power",
        "0",
        {"min": -5000, "max": 5000, "unit_of_measurement": "W"},
    )
    hass.states.async_set("sensor.soc", "50", {"unit_of_measurement": "%"})
    for name, value, unit in (
        ("power", "800", "W"),
        ("current_l1", "3.6", "A"),
        ("voltage_l1", "230", "V"),
    ):
        hass.states.async_set(f"sensor.{name}", value, {"unit_of_measurement": unit})
    entry = sites.site_entry(data={"telecontrol": False}, complete=False)
    entry.add_to_hass(hass)
    meter = {
        "source": "entity",
        "role": "connection_point",
        "power_entity": "sensor.power",
        "current_l1_entity": "sensor.current_l1",
        "voltage_l1_entity": "sensor.voltage_l1",
        "max_age": 600.0,
    }
    hass.config_entries.async_add_subentry(
        entry, sites.subentry("meter", sites.METER_ID, "Meter", meter)
    )
    hass.config_entries.async_add_subentry(
        entry,
        sites.subentry(
            "battery",
            sites.BATTERY_ID,
            "Battery",
            {
                "source": "entity",
                "control_entity": "input_number.power",
                "soc_entity": "sensor.soc",
                "rated_charge": 5000.0,
                "rated_discharge": 5000.0,
                "reserve": 10.0,
                "phases": 3,
                "lines": [],
                "capacity": 10.0,
            },
        ),
    )
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    yield entry
    await hass.config_entries.async_remove(entry.entry_id)
    await hass.async_block_till_done()


async def act(
    hass: HomeAssistant, entry: MockConfigEntry, name: str, **data: Any
) -> Any:
    return await hass.services.async_call(
        "netflex",
        name,
        {"config_entry_id": entry.entry_id, **data},
        blocking=True,
        return_response=True,
    )


CHARGE = {
    "name": "Night",
    "mode": "charge_to",
    "parameters": {"charge": 90},
    "schedule": {"periods": [{"start": "02:00:00", "end": "06:00:00"}]},
}


async def test_a_programme_is_set_by_action_and_answered_with_its_preview(
    hass: HomeAssistant, running: MockConfigEntry
) -> None:
    modes = [CHARGE, {"mode": "hold", "parameters": {}}]
    answer = await act(hass, running, "set_schedule", battery="Battery", modes=modes)
    await hass.async_block_till_done()
    assert [item["name"] for item in answer["modes"]] == ["Night", "Battery hold"]
    period = answer["modes"][0]["schedule"]["periods"][0]
    assert period["time_zone"] == hass.config.time_zone
    preview = answer["preview"]
    assert {tuple(item["modes"]) for item in preview} == {
        ("hold",),
        ("charge_to", "hold"),
    }
    start, end = (
        dt_util.parse_datetime(preview[number][key])
        for number, key in ((0, "start"), (-1, "end"))
    )
    assert start is not None
    assert end is not None
    assert end - start == timedelta(hours=48)
    view = running.runtime_data.site.view
    assert len(view.programmes[sites.BATTERY_ID].entries) == 2
    answer = await act(
        hass, running, "set_schedule", battery=sites.BATTERY_ID, modes=[]
    )
    await hass.async_block_till_done()
    assert answer == {"modes": [], "preview": []}
    assert running.runtime_data.site.view.programmes == {}


async def test_what_batteries_share_stays_with_the_others(
    hass: HomeAssistant, running: MockConfigEntry
) -> None:
    hass.config_entries.async_add_subentry(
        running, sites.subentry("battery", "01OTHER", "Other", sites.BATTERY)
    )
    hass.config_entries.async_add_subentry(
        running, sites.subentry("battery_mode", "01MODE", "All", mode_data(OWN, [], 1))
    )
    await hass.async_block_till_done()
    await act(hass, running, "set_schedule", battery="Battery", modes=[CHARGE])
    await hass.async_block_till_done()
    programmes = running.runtime_data.site.view.programmes
    (own,) = programmes[sites.BATTERY_ID].entries
    assert own.mode is ProgrammeMode.CHARGE_TO
    assert programmes["01OTHER"].entries == (OWN,)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"battery": "Nowhere"}, "no_battery"),
        ({"modes": [{"mode": "fly", "parameters": {}}]}, "mode_not_possible"),
        ({"modes": [CHARGE | {"parameters": {"charge": 120}}]}, "mode_not_possible"),
        ({"modes": [CHARGE | {"schedule": None}]}, "mode_not_possible"),
        ({"modes": [CHARGE, {"mode": "hold"}]}, "mode_not_possible"),
    ],
)
async def test_a_programme_that_cannot_be_changes_nothing(
    hass: HomeAssistant, running: MockConfigEntry, changes: dict[str, Any], key: str
) -> None:
    await act(hass, running, "set_schedule", battery="Battery", modes=[CHARGE])
    before = dict(running.subentries)
    with pytest.raises(ServiceValidationError) as caught:
        await act(
            hass,
            running,
            "set_schedule",
            **{"battery": "Battery", "modes": [CHARGE], **changes},
        )
    assert caught.value.translation_key == key
    assert dict(running.subentries) == before


async def test_only_administrators_change_a_programme(
    hass: HomeAssistant, running: MockConfigEntry, hass_read_only_user: MockUser
) -> None:
    with pytest.raises(Unauthorized):
        await hass.services.async_call(
            "netflex",
            "set_schedule",
            {
                "config_entry_id": running.entry_id,
                "battery": "Battery",
                "modes": [],
            },
            context=Context(user_id=hass_read_only_user.id),
            blocking=True,
        )


async def test_a_dispatch_by_action_drives_the_battery_and_is_cancelled(
    hass: HomeAssistant, running: MockConfigEntry
) -> None:
    dispatch = {"mode": "dispatch", "parameters": {}}
    await act(hass, running, "set_schedule", battery="Battery", modes=[dispatch])
    await hass.async_block_till_done()
    device = dr.async_get(hass).async_get_device_by_identifier(
        ("netflex", sites.BATTERY_ID), running.entry_id
    )
    assert device is not None
    answer = await act(
        hass,
        running,
        "dispatch",
        action="power",
        power=1200,
        duration={"minutes": 30},
        batteries=[device.id],
        source="Trader",
    )
    assert answer["source"] == "Trader"
    assert answer["batteries"] == ["Battery"]
    assert "problem" not in answer
    site = running.runtime_data.site
    await until(hass, lambda: bool(site.view.market.dispatches))
    (command,) = site.view.market.dispatches
    assert command.assets == {sites.BATTERY_ID}
    assert command.end - command.start == timedelta(minutes=30)
    await until(
        hass,
        lambda: (
            site.view.plan is not None
            and (found := site.view.plan.programmes.get(sites.BATTERY_ID)) is not None
            and found.active is ProgrammeMode.DISPATCH
            and site.view.plan.setpoints[sites.BATTERY_ID].value == 1200.0
        ),
    )
    assert await act(hass, running, "cancel_dispatch", source="nobody") == {"ended": 0}
    assert await act(hass, running, "cancel_dispatch") == {"ended": 1}
    await until(hass, lambda: not site.view.market.dispatches)


async def test_a_dispatch_that_no_battery_listens_to_is_answered_and_repaired(
    hass: HomeAssistant, running: MockConfigEntry
) -> None:
    answer = await act(
        hass, running, "dispatch", action="charge_max", duration={"minutes": 5}
    )
    assert answer["batteries"] == []
    assert "no mode of their programmes listens to it" in answer["problem"]

    def said() -> bool:
        issues = ir.async_get(hass).issues.values()
        return any(issue.translation_key == "dispatch_unheard" for issue in issues)

    await until(hass, said)
    await act(hass, running, "cancel_dispatch")
    await until(hass, lambda: not said())


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"action": "charge_max"}, "dispatch_without_end"),
        (
            {"action": "charge_max", "end": "2020-01-01 00:00:00"},
            "dispatch_end_impossible",
        ),
        ({"action": "charge_max", "duration": {"days": 8}}, "dispatch_end_impossible"),
        (
            {
                "action": "charge_max",
                "start": "2030-01-02 00:00:00",
                "end": "2030-01-01 00:00:00",
            },
            "dispatch_end_impossible",
        ),
        ({"action": "power", "duration": {"hours": 1}}, "dispatch_power"),
        (
            {"action": "charge_max", "power": 5, "duration": {"hours": 1}},
            "dispatch_power",
        ),
        (
            {"action": "charge_max", "duration": {"hours": 1}, "batteries": ["x"]},
            "no_battery",
        ),
    ],
)
async def test_a_dispatch_that_cannot_be_is_refused(
    hass: HomeAssistant, running: MockConfigEntry, data: dict[str, Any], key: str
) -> None:
    with pytest.raises(ServiceValidationError) as caught:
        await act(hass, running, "dispatch", **data)
    assert caught.value.translation_key == key
    assert running.runtime_data.site.view.market.dispatches == ()


def test_the_cards_are_told_prices_and_what_was_delivered() -> None:
    start = NOW
    series = PriceSeries(
        slots=(PriceSlot(start=start, end=start + timedelta(hours=1), value=120.0),),
        received=start,
    )
    proof = DispatchProof(
        command=COMMAND,
        name="Axle",
        method=Baseline.BEFORE_START,
        delivered=1250.4,
        baseline=None,
        proved=900.0,
        ended=COMMAND.end,
    )
    view = replace(
        full_view(),
        economy=Economy(market=Market(import_price=series)),
        dispatch_proofs=(proof, replace(proof, proved=0.0, ended=None)),
    )
    message = economy_message(view, Words("en", {}))
    assert message is not None
    assert message["import_prices"] == [
        [start.isoformat(), (start + timedelta(hours=1)).isoformat(), 0.12]
    ]
    done, running = message["proofs"]
    assert (done["delivered"], done["end"]) == (1250, COMMAND.end.isoformat())
    assert (running["delivered"], running["end"], running["baseline"]) == (None,) * 3
