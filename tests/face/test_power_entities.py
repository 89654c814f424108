"""What a meter at an S1 port looks like in Home Assistant."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
import json
import re

from homeassistant.const import EVENT_STATE_CHANGED, STATE_UNAVAILABLE
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.netflex.const import DOMAIN
from custom_components.netflex.diagnostics import async_get_config_entry_diagnostics
from custom_components.netflex.entry_site import site_config
from custom_components.netflex.metering.s1_analysis import S1Analysis, to_reading
from custom_components.netflex.model.connection import GridType, Line
from custom_components.netflex.model.power_quality import PowerQuality
from custom_components.netflex.sensor import NetflexSensor
from custom_components.netflex.site.view import (
    MeterView,
    PowerCounts,
    PowerView,
    SiteView,
)
from tests.metering.s1_players import S1Port, flow

from . import sites
from .fakes import FakeSite, full_view
from .test_entities import find
from .test_meter_entities import README

type Show = Callable[..., Awaitable[None]]

S1_ID = "01S1PORT000000000000000000"
S1_METER = {
    "source": "s1",
    "port": "/dev/serial/by-id/usb-FTDI_RS422_AB12345-if00-port0",
    "role": "connection_point",
    "overload_current": None,
    "s1_baudrate": "automatic",
    "s1_grid_type": "automatic",
    "s1_turned": ["L2", "N"],
}


def quality() -> PowerQuality:
    wire = S1Port(state=flow(10.0, 5.0, -8.0)).wire
    (found,) = S1Analysis(S1_ID).take(wire.frames(2700), 1.0).qualities
    return found


def s1_view(power: PowerView, *, available: bool = True) -> MeterView:
    assert power.quality is not None
    return MeterView(
        meter_id=S1_ID,
        name="S1 port",
        reading=to_reading(power.quality),
        available=available,
        good=2600,
        details={"lost": 3, "baudrate": 2_000_000, "sampling_rate": 52},
        power=power,
    )


POWER = PowerView(quality=quality(), counts=PowerCounts(sags=2, steps=7))


@pytest.fixture
def view() -> SiteView:
    shown = full_view()
    return replace(
        shown, meters={**shown.meters, S1_ID: s1_view(POWER)}, states=shown.states
    )


@pytest.fixture
def entry(hass: HomeAssistant) -> MockConfigEntry:
    entry = sites.site_entry(complete=False, meters=True)
    entry.add_to_hass(hass)
    hass.config_entries.async_add_subentry(
        entry, sites.subentry("meter", S1_ID, "S1 port", S1_METER)
    )
    return entry


def value(hass: HomeAssistant, key: str) -> float:
    return float(find(hass, "sensor", S1_ID, key).state)


def registered(hass: HomeAssistant) -> dict[str, bool]:
    """Whether each sensor of the port is enabled, by key."""
    registry = er.async_get(hass)
    return {
        entry.unique_id.removeprefix(f"{S1_ID}_"): not entry.disabled
        for entry in registry.entities.values()
        if entry.unique_id.startswith(S1_ID) and entry.domain == "sensor"
    }


async def test_power_quality_is_shown(hass: HomeAssistant, site: FakeSite) -> None:
    assert value(hass, "power") == pytest.approx(7 * 230, abs=2)
    assert value(hass, "apparent_power") == pytest.approx(23 * 230, abs=2)
    assert value(hass, "power_factor") == pytest.approx(7 / 23, abs=0.002)
    assert value(hass, "voltage_unbalance") == pytest.approx(0, abs=0.01)
    assert value(hass, "line_current_l3") == pytest.approx(8.0, abs=0.01)
    assert value(hass, "sags") == 2
    distortion = find(hass, "sensor", S1_ID, "voltage_distortion_l1")
    assert float(distortion.state) == pytest.approx(0, abs=0.05)
    orders = distortion.attributes["harmonics"]
    assert len(orders) == 25
    assert orders[0] == pytest.approx(230, abs=0.1)
    # What changes every second and is no figure stays out of the recorder.
    assert "harmonics" in NetflexSensor._unrecorded_attributes


async def test_what_few_need_is_off(hass: HomeAssistant, site: FakeSite) -> None:
    enabled = registered(hass)
    assert enabled["current_distortion_l2"]
    assert enabled["interruptions"]
    harmonics = [key for key in enabled if "_harmonic_" in key]
    assert len(harmonics) == 3 * 2 * 12
    for key in (*harmonics, "load_steps", "lost_frames", "line_power_factor_l1"):
        assert not enabled[key], key
    # No delta grid: no voltage between the lines that it does not print.
    assert "voltage_u31" not in enabled


async def test_all_of_them_say_what_they_measure(
    all_enabled: None, hass: HomeAssistant, site: FakeSite
) -> None:
    assert value(hass, "current_harmonic_3_l1") == pytest.approx(0, abs=0.01)
    assert value(hass, "voltage_harmonic_25_l3") == pytest.approx(0, abs=0.05)
    assert value(hass, "line_power_factor_l3") == pytest.approx(-1, abs=0.001)
    assert value(hass, "voltage_crest_l1") == pytest.approx(2**0.5, abs=0.01)
    assert value(hass, "lost_frames") == 3
    assert value(hass, "load_steps") == 7


async def test_an_overload_names_its_lines(
    hass: HomeAssistant, site: FakeSite, show: Show
) -> None:
    overload = find(hass, "binary_sensor", S1_ID, "overload")
    assert overload.state == "off"
    power = replace(POWER, overloaded={Line.L2: 47.5})
    await show(meters={**site.view.meters, S1_ID: s1_view(power)})
    overload = find(hass, "binary_sensor", S1_ID, "overload")
    assert overload.state == "on"
    assert overload.attributes["lines"] == {"L2": 47.5}
    await show(meters={**site.view.meters, S1_ID: s1_view(POWER, available=False)})
    assert find(hass, "sensor", S1_ID, "power_factor").state == STATE_UNAVAILABLE
    assert find(hass, "binary_sensor", S1_ID, "overload").state == STATE_UNAVAILABLE
    # Counts are facts: they stay.
    assert value(hass, "sags") == 2


async def test_diagnostics_show_the_port_and_not_whose_it_is(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry
) -> None:
    shown = await async_get_config_entry_diagnostics(hass, entry)
    text = json.dumps(shown)
    assert "AB12345" not in text
    meter = shown["view"]["meters"][S1_ID]
    assert meter["details"]["baudrate"] == 2_000_000
    assert len(meter["power"]["quality"]["lines"]) == 3


def test_what_is_stored_is_what_is_read(entry: MockConfigEntry) -> None:
    _, config = site_config(entry).meters
    assert config.url == S1_METER["port"]
    assert config.s1 is not None
    settings = config.s1.settings
    assert settings.signs == (1, -1, 1, -1)
    assert settings.grid_type is None
    # The main fuse, where no other threshold is named.
    assert settings.overload is not None
    assert settings.overload.current.l3 == 63.0
    assert config.s1.baudrate is None


@pytest.mark.parametrize(
    ("changes", "threshold"),
    [({"overload_current": 25.0}, 25.0), ({"role": "submeter"}, None)],
)
def test_a_threshold_of_its_own_and_a_meter_inside_the_site(
    entry: MockConfigEntry,
    hass: HomeAssistant,
    changes: dict[str, object],
    threshold: float | None,
) -> None:
    data = S1_METER | changes | {"s1_baudrate": "1500000", "s1_grid_type": "delta"}
    hass.config_entries.async_update_subentry(entry, entry.subentries[S1_ID], data=data)
    _, config = site_config(entry).meters
    assert config.s1 is not None
    assert config.s1.baudrate == 1_500_000
    assert config.s1.settings.grid_type is GridType.DELTA
    overload = config.s1.settings.overload
    assert (None if overload is None else overload.current.l1) == threshold


async def test_writes_are_as_few_as_promised(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry
) -> None:
    found = re.search(r"S1 port adds at most (\d+)", README.read_text())
    assert found is not None
    coordinator = entry.runtime_data.coordinator
    changes: Counter[str] = Counter()
    ours = {
        item.entity_id
        for item in er.async_get(hass).entities.values()
        if item.unique_id.startswith(S1_ID) and item.platform == DOMAIN
    }

    @callback
    def count(event: Event) -> None:
        if event.data["entity_id"] in ours:
            changes[event.data["entity_id"]] += 1

    now = coordinator.monotonic()
    second_of = POWER.quality
    assert second_of is not None
    for second in range(1, 361):
        if second == 60:
            hass.bus.async_listen(EVENT_STATE_CHANGED, count)
        now += 1.0
        coordinator.monotonic = lambda: now  # noqa: B023
        step = 1 + second / 500
        moved = replace(
            second_of,
            power=second_of.power * step,
            reactive_power=100.0 * step,
            apparent_power=second_of.apparent_power * step,
            power_factor=0.3 * step,
            neutral_current=3.0 * step,
            voltage_unbalance=0.01 * step,
            lines=tuple(
                replace(
                    line,
                    voltage=line.voltage * step,
                    current=line.current * step,
                    voltage_distortion=0.02 * step,
                    current_distortion=0.2 * step,
                )
                for line in second_of.lines
            ),
        )
        view = site.view
        meters = {**view.meters, S1_ID: s1_view(replace(POWER, quality=moved))}
        coordinator.async_set_updated_data(replace(view, meters=meters))
    await hass.async_block_till_done()
    minute = changes.total() / 5
    assert int(found[1]) * 0.8 <= minute <= int(found[1])
