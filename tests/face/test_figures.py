"""What batteries bring: from readings to entities, and what is kept for it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.netflex.devices.device import DeviceConfig
from custom_components.netflex.entry_site import site_config
from custom_components.netflex.model.asset import Asset, AssetState, Category, Nature
from custom_components.netflex.model.market import Market, PriceSeries, PriceSlot
from custom_components.netflex.model.orders import NO_ORDERS, GridOrders
from custom_components.netflex.model.plan import (
    Cause,
    Plan,
    Setpoint,
    SetpointKind,
    Source,
)
from custom_components.netflex.model.programme import (
    Constraint,
    ProgrammeMode,
    ProgrammeState,
)
from custom_components.netflex.readings_options import READINGS_SCHEMA
from custom_components.netflex.site.economy import Economy, MarketNow
from custom_components.netflex.site.telemetry_feed import kept_values
from custom_components.netflex.site.view import FiguresView
from custom_components.netflex.site_readings import SiteReadings
from custom_components.netflex.telemetry.figures import figures, total
from custom_components.netflex.telemetry.store import TelemetryStore
from custom_components.netflex.telemetry.stored_flows import day_flows
from custom_components.netflex.telemetry.values import Reading, Series, SeriesKind
from tests.control.sites import (
    battery as battery_asset,
    charger,
    inverter,
    order,
    site as control_site,
)

from . import sites
from .fakes import NOW, FakeSite, full_view

pytestmark = pytest.mark.usefixtures("socket_enabled")

BATTERY = Asset(
    id=sites.BATTERY_ID,
    name="Battery",
    nature=Nature.BATTERY,
    category=Category.STORAGE,
    capacity=10_000.0,
)
SUN = Asset(
    id=sites.INVERTER_ID, name="Sun", nature=Nature.INVERTER, category=Category.SOLAR
)


def kept(view: Any, *assets: Asset) -> dict[str, float | None]:
    values, _ = kept_values(view, {asset.id: asset for asset in assets})
    return {series.key: value for series, value in values.items()}


def state(asset: Asset, power: float | None, **more: Any) -> AssetState:
    return AssetState(asset_id=asset.id, available=True, power=power, **more)


def test_prices_orders_plan_and_flows_are_kept() -> None:
    slot = PriceSlot(start=NOW, end=NOW + timedelta(hours=1), value=123.0)
    plan = Plan(
        at=1.0,
        setpoints={
            BATTERY.id: Setpoint(
                asset_id=BATTERY.id,
                kind=SetpointKind.POWER,
                value=-1000.0,
                causes=(Cause(source=Source.GRID_OPERATOR, key="minsetp", text=""),),
            )
        },
        programmes={
            BATTERY.id: ProgrammeState(
                active=ProgrammeMode.PRICE_THRESHOLD,
                effective=ProgrammeMode.PRICE_THRESHOLD,
                wish=-4000.0,
                constraints=frozenset({Constraint.GRID_OPERATOR}),
            )
        },
    )
    view = replace(
        full_view(),
        site_meter=sites.METER_ID,
        states={
            BATTERY.id: state(BATTERY, -950.0, state_of_charge=40.0),
            SUN.id: state(SUN, -2200.0),
        },
        market=MarketNow(import_price=slot),
        economy=Economy(
            market=Market(import_price=PriceSeries(slots=(slot,), received=NOW))
        ),
        plan=plan,
        orders=GridOrders(minsetp=order(20.0)),
    )
    values = kept(view, BATTERY, SUN)
    assert values["site.power"] == -1250.4
    assert values["site.battery_power"] == -950.0
    assert values["site.stored"] == 4000.0
    assert values["site.production"] == 2200.0
    assert values["site.withheld"] == 3000.0
    assert values["market.import_price"] == 123.0
    assert "market.export_price" not in values, "nobody follows it"
    assert values["orders.minsetp"] == 20.0
    assert values[f"asset.{BATTERY.id}.wish"] == -4000.0


def test_a_sum_of_what_is_not_known_is_not_known() -> None:
    view = replace(full_view(), states={SUN.id: state(SUN, None)})
    values = kept(view, BATTERY, SUN)
    assert values["site.battery_power"] is None
    assert values["site.stored"] is None
    assert values["site.production"] is None
    assert "site.battery_power" not in kept(view)


@pytest.mark.parametrize(
    ("orders", "marked"),
    [
        (NO_ORDERS, 0.0),
        (GridOrders(redenp=order(3)), 0.0),
        (GridOrders(redenp=order(99)), 1.0),
        (GridOrders(redenq=order(99)), 1.0),
        (GridOrders(test=order(True)), 1.0),
        (GridOrders(test=order(False)), 0.0),
    ],
)
def test_EMS_20_orders_that_are_a_test_are_marked(
    orders: GridOrders, marked: float
) -> None:
    assert kept(replace(full_view(), orders=orders))["site.certification"] == marked


TODAY = datetime(2026, 11, 21, 23, tzinfo=UTC)
"""Midnight in Brussels."""


def fill(store: TelemetryStore) -> None:
    """Store yesterday and today up to noon: the battery spares 1 kW at 0.30 a kWh."""
    start = int((TODAY - timedelta(days=1)).timestamp())
    minutes = range(start, int(NOW.timestamp()), 60)
    rows = {
        "site.power": 500.0,
        "site.battery_power": -1000.0,
        "site.production": 0.0,
        "site.certification": 0.0,
        "site.withheld": 0.0,
        "market.import_price": 300.0,
    }
    store.write(
        {
            Series(key=key, kind=SeriesKind.GAUGE): [
                Reading(at, value) for at in minutes
            ]
            for key, value in rows.items()
        }
    )
    # From 6 to 7 o'clock UTC the operator tested.
    tested = range(int(NOW.timestamp()) - 6 * 3600, int(NOW.timestamp()) - 5 * 3600, 60)
    store.write(
        {
            Series(key="site.certification", kind=SeriesKind.GAUGE): [
                Reading(at, 1.0) for at in tested
            ]
        }
    )


def test_gaps_that_were_filled_are_counted_and_tests_stay_tests(tmp_path: Path) -> None:
    start = int(TODAY.timestamp())

    def gauge(key: str) -> Series:
        return Series(key=key, kind=SeriesKind.GAUGE)

    def readings(value: float, *minutes: range) -> list[Reading]:
        return [Reading(start + 60 * at, value) for span in minutes for at in span]

    with TelemetryStore(tmp_path / "readings.db") as store:
        spans = range(60), range(120, 180)
        store.write(
            {
                gauge("site.power"): readings(500.0, *spans),
                gauge("site.battery_power"): readings(-1000.0, *spans),
                gauge("site.certification"): readings(0.0, *spans),
            }
        )
        # The second hour was lost; half of what the battery did is known again.
        store.fill(
            {
                gauge("site.power"): readings(500.0, range(60, 120)),
                gauge("site.battery_power"): readings(-1000.0, range(60, 90)),
            }
        )
        until = TODAY + timedelta(hours=3)
        zone = ZoneInfo("Europe/Brussels")
        local = TODAY.astimezone(zone).date()
        found = total(day_flows(store, local, zone, until))
        assert (found.seconds, found.known, found.filled) == (10800, 9000, 1800)
        assert found.discharged == pytest.approx(2500.0)
        assert figures(found).filled == pytest.approx(1 / 6)
        # A test that ran when the gap began is taken to have gone on in it.
        store.write({gauge("site.certification"): readings(1.0, range(50, 60))})
        found = total(day_flows(store, local, zone, until))
        assert (found.certification, found.filled) == (4200, 0)


async def test_readings_become_figures_of_days_and_of_the_month(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    faked: Callable[[], FakeSite],
    freezer: FrozenDateTimeFactory,
    tmp_path: Path,
) -> None:
    hass.config.config_dir = str(tmp_path)
    await hass.config.async_set_time_zone("Europe/Brussels")
    freezer.move_to(NOW)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    runtime = entry.runtime_data
    site = faked()
    site.view = replace(site.view, figures=None)
    battery = DeviceConfig(device_id=BATTERY.id, name=BATTERY.name, asset=BATTERY)
    config = replace(site_config(entry), devices=(battery,))
    readings = SiteReadings(
        hass, entry, runtime.coordinator, runtime.site, lambda: config
    )
    await readings.async_set(READINGS_SCHEMA({"keep": True}))
    keeper = readings._keeper
    assert keeper is not None
    await keeper.ask(fill)
    figures = readings._figures
    assert figures._task is not None
    await figures._task
    for day in tuple(figures._days):
        figures.async_forget(day)
    figures._look()
    assert figures._task is not None
    await figures._task
    shown = site.view.figures
    assert isinstance(shown, FiguresView)
    # 13 h since midnight, one of them a test.
    assert shown.today.saved == pytest.approx(12 * 0.3)
    assert shown.yesterday.saved == pytest.approx(24 * 0.3)
    assert shown.since["today"] == TODAY
    assert shown.since["month"] == datetime(2026, 10, 31, 23, tzinfo=UTC)
    assert shown.month.saved == pytest.approx(36 * 0.3)
    assert shown.certification == pytest.approx(3600.0)
    assert shown.month.peak_without == pytest.approx(1500.0)
    assert shown.month.peak_avoided == 0.0, "below the minimum that is billed anyway"
    assert shown.today.cycles == pytest.approx(12 * 1000 / 2 / 10_000)
    assert shown.today.coverage == pytest.approx(1.0)
    await readings.async_stop()
    assert site.view.figures is None


async def test_no_battery_is_replayed_where_orders_curtail(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    faked: Callable[[], FakeSite],
    freezer: FrozenDateTimeFactory,
    tmp_path: Path,
) -> None:
    hass.config.config_dir = str(tmp_path)
    await hass.config.async_set_time_zone("Europe/Brussels")
    freezer.move_to(NOW)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    runtime = entry.runtime_data
    battery = DeviceConfig(device_id=BATTERY.id, name=BATTERY.name, asset=BATTERY)
    config = replace(site_config(entry), devices=(battery,))
    readings = SiteReadings(
        hass, entry, runtime.coordinator, runtime.site, lambda: config
    )
    fake = faked()
    await readings.async_set(READINGS_SCHEMA({"keep": True}))
    keeper, shown = readings._keeper, readings._figures
    assert keeper is not None
    start = int(TODAY.timestamp())
    minutes = range(start, start + 4 * 3600, 60)
    # 3 kW of sun on a house of 1 kW: the battery takes 2 kW, for nothing may go out.
    rows = {
        "site.power": 0.0,
        "site.battery_power": 2000.0,
        "site.production": 3000.0,
        "site.certification": 0.0,
        "market.import_price": 300.0,
        "market.export_price": 100.0,
        "orders.minsetp": 0.0,
    }

    def store(kept: TelemetryStore) -> None:
        kept.write(
            {
                Series(key=key, kind=SeriesKind.GAUGE): [
                    Reading(at, value) for at in minutes
                ]
                for key, value in rows.items()
            }
        )

    async def saved() -> float:
        shown.async_forget(TODAY.date())
        shown._look()
        assert shown._task is not None
        await shown._task
        assert fake.view.figures is not None
        found = fake.view.figures.today.saved
        assert found is not None
        return found

    await keeper.ask(store)
    assert shown._task is not None
    await shown._task
    # Nothing could be curtailed: without the battery 2 kW would have been sold.
    assert await saved() == pytest.approx(-4 * 0.2)
    fake.model = control_site(
        inverter(rated=5000.0), battery_asset(), charger(), contract_injection=5000.0
    )
    assert await saved() == pytest.approx(0.0, abs=0.01)
    await readings.async_stop()


async def test_sensors_show_what_is_known_and_the_most_useful_are_enabled(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    faked: Callable[[], FakeSite],
) -> None:
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    faked()
    await hass.async_block_till_done()
    registry = er.async_get(hass)

    def entity(key: str) -> er.RegistryEntry:
        found = registry.async_get_entity_id(
            "sensor", "netflex", f"{entry.entry_id}_{key}"
        )
        assert found is not None, key
        registered = registry.async_get(found)
        assert registered is not None
        return registered

    saved = hass.states.get(entity("saved_month").entity_id)
    assert saved is not None
    assert (saved.state, saved.attributes["unit_of_measurement"]) == ("35.5", "EUR")
    assert saved.attributes["last_reset"] == NOW.isoformat()
    assert saved.attributes["coverage"] == 99.8
    assert saved.attributes["filled"] == 1.2
    assert saved.attributes["certification_hours"] == 1.5
    share = hass.states.get(entity("self_sufficiency_today").entity_id)
    assert share is not None
    assert share.state == "61.0"
    assert entity("cycles_yesterday").disabled
    assert not entity("tariff_saved_month").disabled
