"""What a meter, the meters behind it and its demand look like in Home Assistant."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
import json
from pathlib import Path
import re

from homeassistant.const import EVENT_STATE_CHANGED, STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr, entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.netflex import async_remove_config_entry_device
from custom_components.netflex.const import DOMAIN
from custom_components.netflex.diagnostics import (
    async_get_config_entry_diagnostics,
    redacted,
)
from custom_components.netflex.model.connection import LineValues
from custom_components.netflex.model.demand import CapacityTariff
from custom_components.netflex.site.view import MeterSwitch, SiteView

from . import sites
from .fakes import NOW, FakeSite, demand, full_view
from .test_entities import SITE_ID, find

type Show = Callable[..., Awaitable[None]]

README = Path(__file__).parents[2] / "README.md"
METER = sites.METER_ID
PERSONAL = ("ean", "serial", "mbus1_ean", "mbus1_serial")


def disabled(hass: HomeAssistant, key: str) -> bool:
    """Whether a sensor of the meter is off until somebody asks for it."""
    registry = er.async_get(hass)
    entity_id = registry.async_get_entity_id("sensor", DOMAIN, f"{METER}_{key}")
    assert entity_id is not None, key
    registered = registry.async_get(entity_id)
    assert registered is not None
    return registered.disabled


# ----------------------------------------------------------------- meters behind a meter


@pytest.mark.parametrize(
    ("channel", "kind", "name", "value", "unit", "device_class"),
    [
        (1, "gas", "Gas meter 1", 1234.567, "m³", "gas"),
        (2, "water", "Water meter 2", 872.234, "m³", "water"),
        (3, "heat", "Heat meter 3", 12.5, "GJ", "energy"),
        (4, "electricity", "Electricity meter 4", 2.5, "kWh", "energy"),
    ],
)
async def test_a_meter_behind_the_meter_is_a_device(
    hass: HomeAssistant,
    site: FakeSite,
    entry: MockConfigEntry,
    channel: int,
    kind: str,
    name: str,
    value: float,
    unit: str,
    device_class: str,
) -> None:
    counter = find(hass, "sensor", METER, f"mbus{channel}_{kind}")
    assert float(counter.state) == pytest.approx(value)
    assert counter.attributes["unit_of_measurement"] == unit
    assert counter.attributes["device_class"] == device_class
    assert counter.attributes["state_class"] == "total_increasing"

    registry = dr.async_get(hass)
    device = registry.async_get_device_by_identifier(
        (DOMAIN, f"{METER}_mbus{channel}"), entry.entry_id
    )
    meter = registry.async_get_device_by_identifier((DOMAIN, METER), entry.entry_id)
    assert device is not None
    assert meter is not None
    assert device.name == name
    assert device.via_device_id == meter.id
    assert device.config_subentry_id == METER
    assert find(hass, "sensor", METER, "mbus1_valve").state == "connected"
    assert find(hass, "sensor", METER, "mbus4_relay").state == "disconnected"


async def test_a_gas_meter_that_is_joined_later_comes_by_itself(
    hass: HomeAssistant, site: FakeSite, show: Show
) -> None:
    unique_id = f"{sites.SUBMETER_ID}_mbus1_gas"
    registry = er.async_get(hass)
    assert registry.async_get_entity_id("sensor", DOMAIN, unique_id) is None
    full = site.view.meters[METER]
    late = site.view.meters[sites.SUBMETER_ID]
    await show(
        meters={
            **site.view.meters,
            sites.SUBMETER_ID: replace(late, reading=full.reading),
        }
    )
    assert registry.async_get_entity_id("sensor", DOMAIN, unique_id) is not None


async def test_a_meter_that_is_not_read_any_more_can_be_deleted(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry, show: Show
) -> None:
    """No telegram says that a meter is gone for good, so that its user has to."""
    registry = dr.async_get(hass)

    async def removable(identifier: str) -> bool:
        device = registry.async_get_device_by_identifier(
            (DOMAIN, identifier), entry.entry_id
        )
        assert device is not None, identifier
        return await async_remove_config_entry_device(hass, entry, device)

    gas, water = f"{METER}_mbus1", f"{METER}_mbus2"
    for identifier in (entry.entry_id, METER, sites.CHARGER_ID, gas, water):
        assert not await removable(identifier), identifier
    meter = site.view.meters[METER]
    assert meter.reading is not None
    reading = replace(meter.reading, sub_meters=meter.reading.sub_meters[1:])
    await show(meters={**site.view.meters, METER: replace(meter, reading=reading)})
    assert await removable(gas)
    assert not await removable(water)
    await hass.config_entries.async_unload(entry.entry_id)
    assert await removable(water)
    assert not await removable(METER)


async def test_what_identifies_a_customer_is_off_and_redacted(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry
) -> None:
    assert all(disabled(hass, key) for key in PERSONAL)

    text = json.dumps(await async_get_config_entry_diagnostics(hass, entry))
    for secret in ("54144001234567890", "1SAG3105056625", "7FLO2123006385", "street"):
        assert secret not in text
    adapter = "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A9XYZ-if00-port0"
    assert redacted({"port": adapter, "text": f"{adapter} is gone"}) == {
        "port": "**REDACTED**",
        "text": "**REDACTED** is gone",
    }


async def test_they_can_be_switched_on(
    hass: HomeAssistant, all_enabled: None, site: FakeSite
) -> None:
    assert find(hass, "sensor", METER, "ean").state == "541440012345678901"
    assert find(hass, "sensor", METER, "mbus1_serial").state == "7FLO2123006385"
    assert find(hass, "sensor", METER, "mbus1_last_contact").state == NOW.isoformat()


# ------------------------------------------------------------------ the smart meter itself


async def test_what_a_smart_meter_says_beside_its_values(
    hass: HomeAssistant, all_enabled: None, site: FakeSite
) -> None:
    def state(key: str) -> str:
        return find(hass, "sensor", METER, key).state

    assert float(state("power_threshold")) == 10
    assert float(state("fuse_threshold")) == 40
    assert state("message") == "Works in your street"
    assert state("meter_version") == "50217"
    assert state("tariff") == "night"
    assert state("connection") == "star"
    assert float(state("error_rate")) == 0.17
    assert float(state("meter_clock_offset")) == -1.2
    assert state("share_readers") == "1"


async def test_a_long_message_is_shown_whole(
    hass: HomeAssistant, site: FakeSite, show: Show
) -> None:
    meter = site.view.meters[METER]
    assert meter.reading is not None
    assert "text" not in find(hass, "sensor", METER, "message").attributes
    long = "No power on Sunday. " * 50
    reading = replace(meter.reading, message=long)
    await show(meters={**site.view.meters, METER: replace(meter, reading=reading)})
    found = find(hass, "sensor", METER, "message")
    assert len(found.state) <= 255
    assert found.attributes["text"] == long


async def test_defaults_are_few(hass: HomeAssistant, site: FakeSite) -> None:
    for key in ("power", "line_current_l1", "energy_import", "breaker", "mbus1_gas"):
        assert not disabled(hass, key), key
    for key in ("error_rate", "meter_clock_offset", "meter_version", "line_power_l1"):
        assert disabled(hass, key), key


async def test_which_meter_measures_and_why(
    hass: HomeAssistant, site: FakeSite, show: Show
) -> None:
    found = find(hass, "sensor", SITE_ID, "site_meter")
    assert found.state == "P1 port"
    assert found.attributes["in_place_of"] is None

    await show(
        site_meter=sites.SUBMETER_ID,
        meter_switch=MeterSwitch(
            preferred=METER, used=sites.SUBMETER_ID, at=NOW, reason="It is silent"
        ),
    )
    found = find(hass, "sensor", SITE_ID, "site_meter")
    assert found.state == "Hall meter"
    assert found.attributes["in_place_of"] == "P1 port"
    assert found.attributes["since"] == NOW
    assert found.attributes["reason"] == "It is silent"


# ----------------------------------------------------------------------------- demand


async def test_the_quarter_hour_and_the_peaks(
    hass: HomeAssistant, site: FakeSite, show: Show
) -> None:
    def value(key: str) -> float:
        return float(find(hass, "sensor", SITE_ID, key).state)

    assert value("demand_average") == 1.8
    assert value("demand_forecast") == pytest.approx(1.8 + 3.6 * 600 / 900)
    assert value("demand_headroom") == 5.1
    assert value("month_peak") == 5.2
    assert find(hass, "sensor", SITE_ID, "month_peak_at").state == NOW.isoformat()
    assert value("peak_cost") == 192.5
    headroom = find(hass, "sensor", SITE_ID, "demand_headroom")
    assert headroom.attributes["target"] == 5200
    billed = find(hass, "sensor", SITE_ID, "billed_peak")
    assert float(billed.state) == 3.85
    assert billed.attributes["minimum_rule"] == "per_month"
    assert billed.attributes["confirmed"] is False
    assert billed.attributes["months"] == [
        {"month": "2026-10", "peak": 1800, "at": NOW},
        {"month": "2026-11", "peak": 5200, "at": NOW},
    ]

    await show(demand=None)
    for key in ("demand_average", "demand_headroom", "billed_peak", "month_peak_at"):
        assert find(hass, "sensor", SITE_ID, key).state == STATE_UNAVAILABLE, key

    quarter = replace(demand().quarter, month_peak=None)
    await show(demand=demand(quarter=quarter, billed=None, cost=None, history=()))
    for key in ("month_peak", "month_peak_at", "billed_peak", "peak_cost"):
        assert find(hass, "sensor", SITE_ID, key).state == STATE_UNKNOWN, key


class TestWithoutPrice:
    """A site whose user has named no price."""

    @pytest.fixture
    def view(self) -> SiteView:
        return replace(full_view(), demand=demand(tariff=CapacityTariff(), cost=None))

    async def test_no_cost_is_invented(
        self, hass: HomeAssistant, site: FakeSite
    ) -> None:
        registry = er.async_get(hass)
        unique_id = f"{SITE_ID}_peak_cost"
        assert registry.async_get_entity_id("sensor", DOMAIN, unique_id) is None


# ------------------------------------------------------------------------ rate of writes


def promised() -> int:
    """Return the writes a minute that the README promises."""
    found = re.search(r"at most (\d+) state changes a minute", README.read_text())
    assert found is not None
    return int(found[1])


class TestRate:
    """A site with one P1 meter whose every value changes every second."""

    @pytest.fixture
    def entry(self) -> MockConfigEntry:
        return sites.site_entry(complete=False, meters=True)

    def moved(self, view: SiteView, second: int) -> SiteView:
        meter = view.meters[METER]
        assert meter.reading is not None
        assert view.plan is not None
        step = float(second)
        reading = replace(
            meter.reading,
            power=1000.0 + step,
            reactive_power=10.0 + step,
            frequency=50.0 + step / 100,
            line_current=LineValues(l1=1 + step, l2=2 + step, l3=3 + step),
            line_voltage=LineValues(l1=230 + step, l2=231 + step, l3=232 + step),
            energy_import=1e6 + step,
            energy_export=2e6 + step,
            sub_meters=tuple(
                replace(item, value=(item.value or 0.0) + step)
                for item in meter.reading.sub_meters
            ),
        )
        quarter = replace(
            demand().quarter, elapsed=step % 900, average=step, power=1000.0 + step
        )
        headroom = replace(
            view.plan.headroom, import_power=1000.0 + step, injection_power=step
        )
        return replace(
            view,
            meters={
                METER: replace(
                    meter,
                    reading=reading,
                    good=second,
                    damaged=second,
                    clock_offset=step,
                    error_rate=step,
                )
            },
            plan=replace(view.plan, headroom=headroom),
            demand=demand(quarter=quarter, headroom=5000.0 + step),
            states={},
        )

    async def test_writes_are_as_few_as_promised(
        self, hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry
    ) -> None:
        coordinator = entry.runtime_data.coordinator
        changes: Counter[str] = Counter()

        @callback
        def count(event: Event) -> None:
            changes[event.data["entity_id"]] += 1

        view = site.view
        now = coordinator.monotonic()
        for second in range(1, 601):
            if second == 60:
                hass.bus.async_listen(EVENT_STATE_CHANGED, count)
            now += 1.0
            coordinator.monotonic = lambda: now  # noqa: B023
            coordinator.async_set_updated_data(self.moved(view, second))
        await hass.async_block_till_done()

        minute = changes.total() / 9
        assert changes["sensor.p1_port_power"] >= 9 * 11
        assert promised() * 0.8 <= minute <= promised()
        # Nothing waits longer than a minute.
        assert min(changes.values()) >= 8

    async def test_a_lost_meter_is_seen_at_once(
        self, hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry
    ) -> None:
        coordinator = entry.runtime_data.coordinator
        power = "sensor.p1_port_power"
        coordinator.async_set_updated_data(self.moved(site.view, 1))
        written = hass.states.get(power)
        coordinator.async_set_updated_data(self.moved(site.view, 2))
        assert hass.states.get(power) == written
        silent = self.moved(site.view, 3)
        meters = {METER: replace(silent.meters[METER], available=False)}
        coordinator.async_set_updated_data(replace(silent, meters=meters))
        found = hass.states.get(power)
        assert found is not None
        assert found.state == STATE_UNAVAILABLE
