"""What the entities of a site show, and when they are not available."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import MappingProxyType

from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import STATE_OFF, STATE_ON, STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import HomeAssistant, State
from homeassistant.helpers import device_registry as dr, entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.netflex.binary_sensor import OVERLOAD_SENSOR
from custom_components.netflex.const import DOMAIN
from custom_components.netflex.coordinator import SiteCoordinator
from custom_components.netflex.model.asset import Direction
from custom_components.netflex.model.orders import (
    NO_ORDERS,
    GridOrders,
    LinkState,
    LocalStops,
    Order,
    OrderEvent,
    OrderName,
    OrderSource,
    QMode,
)
from custom_components.netflex.model.plan import (
    SITE,
    Infeasible,
    Limit,
    Plan,
    Problem,
    Quantity,
    Setpoint,
    SetpointKind,
    Source,
)
from custom_components.netflex.sensor_economy import (
    DISPATCH_SENSORS,
    PROGRAMME_SENSORS,
    market_sensors,
)
from custom_components.netflex.sensor_feeder import FEEDER_SENSORS
from custom_components.netflex.sensor_power import POWER_SENSORS
from custom_components.netflex.sensor_virtual_meter import VIRTUAL_METER_SENSORS
from custom_components.netflex.site.view import (
    MeterView,
    SiteProblem,
    SiteView,
    StopProof,
)

from . import sites
from .fakes import NOW, ORDERED, STOPPED, FakeSite, full_view, state
from .translations import ENGLISH

type Show = Callable[..., Awaitable[None]]

SITE_ID = "01SITE00000000000000000000"


def find(hass: HomeAssistant, platform: str, subject: str, key: str) -> State:
    """Return the state of an entity by what it is about."""
    entity_id = er.async_get(hass).async_get_entity_id(
        platform, DOMAIN, f"{subject}_{key}"
    )
    assert entity_id is not None, key
    found = hass.states.get(entity_id)
    assert found is not None, key
    return found


async def test_every_entity_has_a_translated_name_and_states(
    hass: HomeAssistant, all_enabled: None, site: FakeSite, entry: MockConfigEntry
) -> None:
    registered = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)

    assert len(registered) > 80
    for item in registered:
        texts = ENGLISH["entity"][item.domain]
        if item.translation_key is None:
            assert item.original_device_class or item.device_class, item.entity_id
            continue
        assert texts[item.translation_key]["name"], item.entity_id
        found = hass.states.get(item.entity_id)
        assert found is not None
        for option in found.attributes.get("options", ()):
            assert texts[item.translation_key]["state"][option]


async def test_every_translated_name_belongs_to_an_entity(
    hass: HomeAssistant, all_enabled: None, site: FakeSite, entry: MockConfigEntry
) -> None:
    registered = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    used = {(item.domain, item.translation_key) for item in registered}
    # Parts that this site does not have; each has tests of its own.
    for items in (
        FEEDER_SENSORS,
        VIRTUAL_METER_SENSORS,
        POWER_SENSORS,
        PROGRAMME_SENSORS,
        DISPATCH_SENSORS,
        market_sensors("EUR"),
    ):
        used |= {("sensor", item.translation_key) for item in items}
    used |= {("binary_sensor", "dispatch_active"), ("event", "dispatch")}
    used.add(("binary_sensor", OVERLOAD_SENSOR.translation_key))

    # A meter that counts the four quadrants, a heat pump that was held back, a site that
    # offers flexibility.
    used |= {
        ("sensor", "reactive_energy"),
        ("sensor", "heat_pump_state"),
        ("sensor", "flexibility"),
        ("sensor", "commands_followed"),
        ("sensor", "flexoffers"),
        ("sensor", "flexoffers_shifted"),
        ("sensor", "flexoffers_usability"),
        ("binary_sensor", "flexoffer_manager"),
    }
    used |= {("event", "power_quality"), ("event", "load_step")}

    translated = {
        (platform, key)
        for platform, texts in ENGLISH["entity"].items()
        for key in texts
    }
    assert translated <= used


async def test_attributes_have_translated_names(
    hass: HomeAssistant, all_enabled: None, site: FakeSite, entry: MockConfigEntry
) -> None:
    own = {
        "unit_of_measurement", "device_class", "friendly_name", "state_class",
        "options", "icon", "min", "max", "step", "mode", "event_types", "event_type",
        "restored", "supported_features", "last_reset",
    }  # fmt: skip
    for item in er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id):
        found = hass.states.get(item.entity_id)
        assert found is not None
        # The one of the device class is named after it.
        if item.translation_key is None:
            continue
        texts = ENGLISH["entity"][item.domain][item.translation_key]
        for attribute in set(found.attributes) - own:
            assert texts["state_attributes"][attribute]["name"], item.entity_id


async def test_devices_hang_below_the_site(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry
) -> None:
    registry = dr.async_get(hass)

    def device(subject: str) -> dr.DeviceEntry:
        found = registry.async_get_device_by_identifier(
            (DOMAIN, subject), entry.entry_id
        )
        assert found is not None
        return found

    main = device(entry.entry_id)
    assert main.name == "Bakery"
    for subentry in entry.subentries.values():
        below = device(subentry.subentry_id)
        assert below.name == subentry.title
        assert below.via_device_id == main.id
        assert below.config_subentry_id == subentry.subentry_id
    charger = device(sites.CHARGER_ID)
    assert charger.manufacturer is not None
    assert charger.manufacturer.startswith("Alfen")
    battery = device(sites.BATTERY_ID)
    assert (battery.manufacturer, battery.model) == (None, None)


async def test_meter_shows_its_reading_in_our_sign(
    hass: HomeAssistant, site: FakeSite
) -> None:
    meter = sites.METER_ID

    assert float(find(hass, "sensor", meter, "power").state) == -1250
    assert float(find(hass, "sensor", meter, "line_current_l1").state) == 2.31
    assert float(find(hass, "sensor", meter, "line_voltage_l3").state) == 229.9
    energy = find(hass, "sensor", meter, "energy_import")
    assert float(energy.state) == pytest.approx(1234.567)
    assert energy.attributes["unit_of_measurement"] == "kWh"
    assert find(hass, "sensor", meter, "breaker").state == "connected"
    assert find(hass, "sensor", meter, "problem_reason").state == "none"


async def test_only_what_a_meter_measures_becomes_an_entity(
    hass: HomeAssistant, all_enabled: None, site: FakeSite, show: Show
) -> None:
    registry = er.async_get(hass)

    def exists(key: str) -> bool:
        unique_id = f"{sites.SUBMETER_ID}_{key}"
        return registry.async_get_entity_id("sensor", DOMAIN, unique_id) is not None

    assert exists("power")
    assert exists("reactive_power")
    assert not exists("line_current_l1")
    assert not exists("breaker")

    reading = site.view.meters[sites.METER_ID].reading
    assert reading is not None
    await show(
        meters={
            **site.view.meters,
            sites.SUBMETER_ID: MeterView(
                meter_id=sites.SUBMETER_ID, reading=reading, available=True
            ),
        }
    )

    assert exists("line_current_l1")
    assert exists("breaker")


async def test_a_silent_meter_is_unavailable_and_says_why(
    hass: HomeAssistant, site: FakeSite, show: Show
) -> None:
    meter = site.view.meters[sites.METER_ID]
    text = "The connection stands, but the meter is silent."
    await show(
        meters={
            **site.view.meters,
            sites.METER_ID: replace(meter, available=False, problem=text),
        }
    )

    assert find(hass, "sensor", sites.METER_ID, "power").state == STATE_UNAVAILABLE
    assert find(hass, "sensor", sites.METER_ID, "problem_reason").state == text
    problem = find(hass, "binary_sensor", sites.METER_ID, "problem")
    assert problem.state == STATE_ON
    assert problem.attributes["reason"] == text


async def test_charger_shows_what_it_does_and_why(
    hass: HomeAssistant, site: FakeSite
) -> None:
    charger = sites.CHARGER_ID

    assert float(find(hass, "sensor", charger, "power").state) == 4140
    assert float(find(hass, "sensor", charger, "current_l2").state) == 6
    assert find(hass, "sensor", charger, "charger_state").state == "charging"
    assert float(find(hass, "sensor", charger, "applied_limit").state) == 6
    setpoint = find(hass, "sensor", charger, "setpoint")
    assert float(setpoint.state) == 6
    assert setpoint.attributes["source"] == "grid_operator"
    assert setpoint.attributes["cause"] == ORDERED.text
    assert setpoint.attributes["causes"] == [
        ORDERED.text,
        "Main fuse of L1: 63.0 A",
    ]
    assert find(hass, "binary_sensor", charger, "problem").state == STATE_OFF


async def test_a_lost_device_is_unavailable_and_its_reason_is_not(
    hass: HomeAssistant, site: FakeSite, show: Show
) -> None:
    charger, text = sites.CHARGER_ID, "192.0.2.30:502 does not answer. " + "x" * 300
    await show(
        states={
            **site.view.states,
            charger: state(charger, available=False, problem=text),
        }
    )

    for key in ("power", "applied_limit", "charger_state", "energy_consumed"):
        assert find(hass, "sensor", charger, key).state == STATE_UNAVAILABLE, key
    reason = find(hass, "sensor", charger, "problem_reason").state
    assert reason.startswith("192.0.2.30:502 does not answer.")
    assert len(reason) == 255
    problem = find(hass, "binary_sensor", charger, "problem")
    assert problem.state == STATE_ON
    assert problem.attributes["reason"] == text
    # What we want of it is ours to say.
    assert float(find(hass, "sensor", charger, "setpoint").state) == 6
    assert float(find(hass, "number", charger, "user_limit").state) == 32


async def test_a_device_that_does_not_follow_has_a_problem(
    hass: HomeAssistant, site: FakeSite, show: Show
) -> None:
    charger = sites.CHARGER_ID
    await show(states={**site.view.states, charger: state(charger, follows=False)})

    problem = find(hass, "binary_sensor", charger, "problem")
    assert problem.state == STATE_ON
    assert problem.attributes["follows"] is False


async def test_before_a_device_said_anything_nothing_is_invented(
    hass: HomeAssistant, site: FakeSite, show: Show
) -> None:
    await show(states={})

    assert find(hass, "binary_sensor", sites.LOAD_ID, "problem").state == STATE_UNKNOWN
    assert find(hass, "switch", sites.LOAD_ID, "user_switch").state == STATE_UNKNOWN
    assert find(hass, "sensor", sites.LOAD_ID, "power").state == STATE_UNAVAILABLE


async def test_production_counts_positive_where_it_is_shown(
    hass: HomeAssistant, site: FakeSite, show: Show
) -> None:
    inverter = sites.INVERTER_ID

    assert float(find(hass, "sensor", inverter, "production").state) == 9000
    assert float(find(hass, "sensor", inverter, "applied_power_limit").state) == 20000
    # No limit is not a limit of zero.
    assert find(hass, "sensor", inverter, "setpoint").state == STATE_UNKNOWN

    await show(states={**site.view.states, inverter: state(inverter, power=0.0)})
    assert find(hass, "sensor", inverter, "production").state in {"0", "0.0"}


async def test_battery_load_and_relay(hass: HomeAssistant, site: FakeSite) -> None:
    assert float(find(hass, "sensor", sites.BATTERY_ID, "power").state) == -3000
    soc = find(hass, "sensor", sites.BATTERY_ID, "state_of_charge")
    assert float(soc.state) == 55.5
    assert float(find(hass, "sensor", sites.BATTERY_ID, "setpoint").state) == -3000
    assert find(hass, "binary_sensor", sites.LOAD_ID, "running").state == STATE_ON
    assert find(hass, "sensor", sites.LOAD_ID, "setpoint").state == "on"
    assert find(hass, "binary_sensor", sites.RELAY_ID, "energised").state == STATE_OFF


async def test_orders_in_percent_and_power(hass: HomeAssistant, site: FakeSite) -> None:
    percent = find(hass, "sensor", SITE_ID, "order_maxsetp")
    assert float(percent.state) == 50
    assert percent.attributes["source"] == "operator"
    assert percent.attributes["ordered_at"] == NOW
    power = find(hass, "sensor", SITE_ID, "order_maxsetp_power")
    assert float(power.state) == 18
    assert power.attributes["unit_of_measurement"] == "kW"
    assert find(hass, "sensor", SITE_ID, "order_q_mode").state == "local"
    # Never received is absent, not zero.
    assert find(hass, "sensor", SITE_ID, "order_minsetp").state == STATE_UNKNOWN
    assert find(hass, "sensor", SITE_ID, "order_minsetp_power").state == STATE_UNKNOWN
    limit = find(hass, "sensor", SITE_ID, "import_limit")
    assert float(limit.state) == 18
    assert limit.attributes["source"] == "grid_operator"
    assert limit.attributes["since"] == NOW
    assert find(hass, "sensor", SITE_ID, "injection_limit").state == STATE_UNKNOWN
    assert float(find(hass, "sensor", SITE_ID, "headroom_import").state) == 19.25


async def test_the_tightest_of_several_limits_is_the_one_in_force(
    hass: HomeAssistant, site: FakeSite, show: Show
) -> None:
    assert site.view.plan is not None
    tighter = Limit(
        scope=SITE,
        quantity=Quantity.IMPORT,
        value=10_000.0,
        source=Source.METER_THRESHOLD,
        cause=STOPPED,
    )
    # The plan names the tightest limit only; what was ordered stays known beside it.
    await show(plan=replace(site.view.plan, limits=(tighter,)))

    assert float(find(hass, "sensor", SITE_ID, "import_limit").state) == 10
    assert float(find(hass, "sensor", SITE_ID, "order_maxsetp_power").state) == 18


async def test_both_kinds_of_stop_are_shown_apart(
    hass: HomeAssistant, site: FakeSite, show: Show
) -> None:
    assert site.view.plan is not None
    ordered = Order(value=True, source=OrderSource.OPERATOR, at=NOW)
    await show(
        orders=GridOrders(emergency_stop_production=ordered),
        local_stops=LocalStops(consumption=frozenset({"Button at the door"})),
        plan=replace(site.view.plan, stopped=frozenset(Direction)),
        proofs=(
            StopProof(direction=Direction.PRODUCTION, written=False, missing=("Roof",)),
            StopProof(direction=Direction.CONSUMPTION, written=True, seconds=0.0421),
        ),
    )

    def binary(key: str) -> State:
        return find(hass, "binary_sensor", SITE_ID, key)

    assert binary("order_emergency_stop_production").state == STATE_ON
    assert binary("order_emergency_stop_consumption").state == STATE_OFF
    assert binary("production_stopped").state == STATE_ON
    assert binary("production_stopped").attributes["operator"] is True
    assert binary("consumption_stopped").state == STATE_ON
    held_by = binary("consumption_stopped").attributes["local_holders"]
    assert held_by == ["Button at the door"]
    assert find(hass, "sensor", SITE_ID, "status").state == "stopped"
    proof = find(hass, "sensor", SITE_ID, "stop_production_proof")
    assert proof.state == "in_progress"
    assert proof.attributes["not_confirmed"] == ["Roof"]
    proof = find(hass, "sensor", SITE_ID, "stop_consumption_proof")
    assert proof.state == "confirmed"
    assert proof.attributes["seconds"] == 0.042


async def test_a_stop_shows_before_the_plan_that_carries_it_out(
    hass: HomeAssistant, site: FakeSite, show: Show
) -> None:
    await show(plan=None, local_stops=LocalStops(production=frozenset({"entity"})))

    stopped = find(hass, "binary_sensor", SITE_ID, "production_stopped")
    assert stopped.state == STATE_ON
    assert find(hass, "sensor", SITE_ID, "status").state == STATE_UNKNOWN
    assert find(hass, "sensor", SITE_ID, "import_limit").state == STATE_UNAVAILABLE
    assert find(hass, "binary_sensor", SITE_ID, "infeasible").state == STATE_UNAVAILABLE


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"metered": False}, "not_metered"),
        ({}, "limited"),
    ],
)
async def test_status_names_what_matters_most(
    hass: HomeAssistant,
    site: FakeSite,
    show: Show,
    changes: dict[str, object],
    status: str,
) -> None:
    assert site.view.plan is not None
    await show(plan=replace(site.view.plan, **changes))  # type: ignore[arg-type]

    assert find(hass, "sensor", SITE_ID, "status").state == status


@pytest.mark.parametrize(("percent", "status"), [(100.0, "normal"), (0.0, "limited")])
async def test_an_order_that_allows_all_limits_nothing(
    hass: HomeAssistant, site: FakeSite, show: Show, percent: float, status: str
) -> None:
    order = Order(value=percent, source=OrderSource.OPERATOR, at=NOW)
    await show(orders=GridOrders(maxsetp=order))

    assert find(hass, "sensor", SITE_ID, "status").state == status


async def test_a_limit_that_cannot_be_met_is_said_with_its_figures(
    hass: HomeAssistant, site: FakeSite, show: Show
) -> None:
    assert site.view.plan is not None
    missing = Infeasible(
        limit=site.view.plan.limits[0], missing=1234.5, problem=Problem.UNCONTROLLABLE
    )
    await show(
        plan=replace(site.view.plan, infeasible=(missing,)),
        problems=(SiteProblem(key="limit_infeasible", subject="x", text="Too much"),),
    )

    infeasible = find(hass, "binary_sensor", SITE_ID, "infeasible")
    assert infeasible.state == STATE_ON
    assert infeasible.attributes["limits"] == [
        {
            "limit": ORDERED.text,
            "missing": 1234,
            "unit": "W",
            "problem": "uncontrollable",
        }
    ]
    status = find(hass, "sensor", SITE_ID, "status")
    assert status.state == "infeasible"
    assert status.attributes["problems"] == ["Too much"]
    assert status.attributes["infeasible"] == [
        f"{ORDERED.text}: 1234 W (uncontrollable)"
    ]


async def test_the_link_and_why_it_is_as_it_is(
    hass: HomeAssistant, site: FakeSite, show: Show
) -> None:
    link = find(hass, "binary_sensor", SITE_ID, "operator_link")
    assert link.state == STATE_ON
    assert link.attributes["client"] == "192.0.2.10"
    assert find(hass, "sensor", SITE_ID, "link_reason").state == "none"
    assert float(find(hass, "sensor", SITE_ID, "clock_offset").state) == 0.012

    await show(link=LinkState(listening=True, last_close_reason="t1 expired"))
    assert find(hass, "binary_sensor", SITE_ID, "operator_link").state == STATE_OFF
    assert find(hass, "sensor", SITE_ID, "link_reason").state == "t1 expired"

    await show(link=LinkState(problem="Port 2404 is in use"))
    assert find(hass, "sensor", SITE_ID, "link_reason").state == "Port 2404 is in use"


class TestWithoutTelecontrol:
    """A site that the grid operator does not control."""

    @pytest.fixture
    def view(self) -> SiteView:
        return replace(
            full_view(), telecontrol=False, orders=NO_ORDERS, link=LinkState()
        )

    async def test_there_is_nothing_of_the_operator(
        self, hass: HomeAssistant, site: FakeSite, show: Show
    ) -> None:
        registry = er.async_get(hass)

        def exists(platform: str, key: str) -> bool:
            unique_id = f"{SITE_ID}_{key}"
            return bool(registry.async_get_entity_id(platform, DOMAIN, unique_id))

        assert not exists("binary_sensor", "operator_link")
        assert not exists("sensor", "order_maxsetp")
        assert not exists("event", "grid_order")
        assert exists("sensor", "import_limit")
        assert exists("switch", "local_stop_production")

        # It comes when telecontrol is switched on later.
        await show(telecontrol=True)
        assert exists("binary_sensor", "operator_link")
        assert exists("event", "grid_order")
        await show(telecontrol=False)
        link = find(hass, "binary_sensor", SITE_ID, "operator_link")
        assert link.state == STATE_UNAVAILABLE


async def test_an_event_fires_for_every_order(
    hass: HomeAssistant, site: FakeSite
) -> None:
    site.order(
        OrderEvent(
            name=OrderName.MAXSETP,
            value=40.0,
            source=OrderSource.OPERATOR,
            at=NOW,
            client="192.0.2.10",
        )
    )
    await hass.async_block_till_done()
    event = find(hass, "event", SITE_ID, "grid_order")
    assert event.attributes["event_type"] == "maxsetp"
    assert event.attributes["value"] == 40.0
    assert event.attributes["accepted"] is True
    assert event.attributes["relaxes"] is False
    assert event.attributes["client"] == "192.0.2.10"
    assert event.attributes["ordered_at"] == NOW.isoformat()

    site.order(
        OrderEvent(
            name=OrderName.Q_MODE,
            value=QMode.REMOTE,
            source=OrderSource.OPERATOR,
            at=NOW,
            accepted=False,
            reason="stale",
        )
    )
    await hass.async_block_till_done()
    event = find(hass, "event", SITE_ID, "grid_order")
    assert event.attributes["event_type"] == "q_mode"
    assert event.attributes["value"] == "remote"
    assert event.attributes["accepted"] is False
    assert event.attributes["reason"] == "stale"
    assert set(event.attributes["event_types"]) == {name.value for name in OrderName}


async def test_a_subentry_that_is_added_gets_entities_without_a_reload(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry, show: Show
) -> None:
    coordinator: SiteCoordinator = entry.runtime_data.coordinator
    added = ConfigSubentry(
        data=MappingProxyType(sites.ENTITY_CHARGER),
        subentry_id="01SECOND000000000000000000",
        subentry_type="charger",
        title="Second wallbox",
        unique_id=None,
    )
    hass.config_entries.async_add_subentry(entry, added)
    coordinator.async_asset_changed(added.subentry_id)
    coordinator.async_asset_changed(added.subentry_id)
    await hass.async_block_till_done()

    assert entry.runtime_data.site is site
    problem = find(hass, "binary_sensor", added.subentry_id, "problem")
    assert problem.state == STATE_UNKNOWN
    registered = er.async_get(hass).async_get(problem.entity_id)
    assert registered is not None
    assert registered.config_subentry_id == added.subentry_id
    await show(
        states={
            **site.view.states,
            added.subentry_id: state(added.subentry_id, energy_consumed=5000.0),
        }
    )
    energy = find(hass, "sensor", added.subentry_id, "energy_consumed")
    assert float(energy.state) == 5

    hass.config_entries.async_remove_subentry(entry, added.subentry_id)
    await show(states={})
    assert hass.states.get(energy.entity_id) is None
    # Nothing of it comes back while others are still to be found.
    coordinator.async_asset_changed(added.subentry_id)
    await show(states={added.subentry_id: state(added.subentry_id, power=1.0)})
    assert hass.states.get(energy.entity_id) is None


async def test_unloading_leaves_nothing_behind(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry
) -> None:
    assert await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_block_till_done()

    link = find(hass, "binary_sensor", SITE_ID, "operator_link")
    assert link.state == STATE_UNAVAILABLE
    order = OrderEvent(
        name=OrderName.TEST, value=True, source=OrderSource.OPERATOR, at=NOW
    )
    site.order(order)
    event = find(hass, "event", SITE_ID, "grid_order")
    assert event.state == STATE_UNAVAILABLE


async def test_an_empty_plan_is_no_setpoint(
    hass: HomeAssistant, site: FakeSite, show: Show
) -> None:
    await show(
        plan=Plan(
            at=2.0,
            setpoints={
                sites.LOAD_ID: Setpoint(
                    asset_id=sites.LOAD_ID, kind=SetpointKind.SWITCH, value=None
                )
            },
        )
    )

    assert find(hass, "sensor", sites.LOAD_ID, "setpoint").state == STATE_UNKNOWN
    charger = find(hass, "sensor", sites.CHARGER_ID, "setpoint")
    assert charger.state == STATE_UNKNOWN
    assert charger.attributes["causes"] == []


async def test_events_of_the_station_are_counted(
    hass: HomeAssistant, all_enabled: None, site: FakeSite, show: Show
) -> None:
    await show(link=replace(site.view.link, events_waiting=7, events_dropped=2))

    assert find(hass, "sensor", SITE_ID, "events_waiting").state == "7"
    assert find(hass, "sensor", SITE_ID, "events_dropped").state == "2"
