"""A day with one fault of each kind, from what devices say to sensors and repairs."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import pi, sin
import random
from typing import Any, Final

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er, issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.netflex.devices.profile_loader import ProfileLibrary
from custom_components.netflex.entry_site import site_config
from custom_components.netflex.model.asset import AssetState
from custom_components.netflex.model.connection import LineValues
from custom_components.netflex.model.reading import MeterReading, MeterRole
from custom_components.netflex.site.view import MeterView, SiteView
from custom_components.netflex.site_quality import SiteQuality
from custom_components.netflex.telemetry.quality import FaultKind

from . import sites
from .fakes import FakeSite

pytestmark = pytest.mark.usefixtures("socket_enabled")

HOUR: Final = 3600
DAY: Final = 24 * HOUR
LOOK: Final = 5
"""s between two views."""
SLOW: Final = 30
"""s between two slow polls of the charger and of the hall's meter."""
# Timers only fire for what lies ahead of the real clock.
SIX: Final = (datetime.now(UTC) + timedelta(days=3)).replace(
    hour=6, minute=0, second=0, microsecond=0
)

type Change = Callable[[float, SiteView], SiteView]


@dataclass
class Seat:
    """Where the quality looks for views, in place of Home Assistant's own pace."""

    data: SiteView = field(default_factory=SiteView)
    listener: Callable[[], None] = lambda: None

    def async_add_listener(self, listener: Callable[[], None]) -> Callable[[], None]:
        self.listener = listener
        return lambda: None


class House:
    """A house whose counters follow its powers, as the wires would tell of it."""

    def __init__(self) -> None:
        self.noise = random.Random(9)
        self.counted = dict.fromkeys(
            ("import", "export", "hall", "car", "sun", "charged", "discharged"), 1000.0
        )
        self.telegrams = 0

    def view(self, at: float) -> SiteView:
        """Return what is seen `at` s of the day."""
        wave = sin(2 * pi * at / DAY)
        car = 7000.0 if at % DAY < 4 * HOUR else 0.0
        sun = -9000.0 * max(0.0, -wave)
        battery = 3000.0 * wave
        grid = car + sun + battery + 900.0
        self.telegrams += LOOK
        for name, power in (
            ("import", max(0.0, grid)),
            ("export", max(0.0, -grid)),
            ("hall", 400.0),
            ("car", car),
            ("sun", -sun),
            ("charged", max(0.0, battery)),
            ("discharged", max(0.0, -battery)),
        ):
            self.counted[name] += power * LOOK / HOUR
        return SiteView(
            meters={
                sites.METER_ID: MeterView(
                    meter_id=sites.METER_ID,
                    name="P1 port",
                    role=MeterRole.CONNECTION_POINT,
                    available=True,
                    good=self.telegrams,
                    clock_offset=0.4,
                    reading=MeterReading(
                        meter_id=sites.METER_ID,
                        received=at,
                        power=grid,
                        energy_import=self.counted["import"],
                        energy_export=self.counted["export"],
                        line_voltage=self.voltage(),
                    ),
                ),
                sites.SUBMETER_ID: MeterView(
                    meter_id=sites.SUBMETER_ID,
                    name="Hall meter",
                    role=MeterRole.SUBFEEDER,
                    available=True,
                    good=self.telegrams,
                    details={"slow_polls": int(at // SLOW)},
                    reading=MeterReading(
                        meter_id=sites.SUBMETER_ID,
                        received=at,
                        power=400.0,
                        frequency=50.0 + self.noise.uniform(-0.02, 0.02),
                        energy_import=self.counted["hall"],
                        energy_export=0.0,
                        line_voltage=self.voltage(),
                    ),
                ),
            },
            states={
                item.asset_id: item
                for item in (
                    self.state(
                        sites.CHARGER_ID,
                        at,
                        power=car,
                        energy_consumed=self.counted["car"],
                    ),
                    self.state(sites.WALLBOX_ID, at, power=0.0),
                    self.state(
                        sites.INVERTER_ID,
                        at,
                        power=sun,
                        energy_produced=self.counted["sun"],
                    ),
                    self.state(
                        sites.BATTERY_ID,
                        at,
                        power=battery,
                        state_of_charge=50.0 + 20 * wave,
                        energy_consumed=self.counted["charged"],
                        energy_produced=self.counted["discharged"],
                    ),
                    self.state(sites.LOAD_ID, at, power=1200.0, temperature=60.0),
                )
            },
        )

    def state(self, asset_id: str, at: float, **values: Any) -> AssetState:
        return AssetState(
            asset_id=asset_id,
            available=True,
            at=at,
            details={"slow_polls": int(at // SLOW)},
            **values,
        )

    def voltage(self) -> LineValues:
        around = self.noise.uniform
        return LineValues(
            l1=230 + around(-3, 3), l2=231 + around(-3, 3), l3=229 + around(-3, 3)
        )


def meter(view: SiteView, meter_id: str, reading: Any = None, **said: Any) -> SiteView:
    """Return a view in which one meter says something else."""
    before = view.meters[meter_id]
    if reading is not None:
        assert before.reading is not None
        said["reading"] = replace(before.reading, **reading)
    return replace(view, meters={**view.meters, meter_id: replace(before, **said)})


def device(view: SiteView, asset_id: str, **said: Any) -> SiteView:
    """Return a view in which one device says something else."""
    state = replace(view.states[asset_id], **said)
    return replace(view, states={**view.states, asset_id: state})


def clock_off(_at: float, view: SiteView) -> SiteView:
    return meter(view, sites.METER_ID, clock_offset=47.0)


def voltage_stuck(at: float, view: SiteView) -> SiteView:
    if not 8 * HOUR <= at < 13 * HOUR:
        return view
    reading = view.meters[sites.METER_ID].reading
    assert reading is not None
    stuck = replace(reading.line_voltage, l2=231.0)
    return meter(view, sites.METER_ID, {"line_voltage": stuck})


def frequency_left_out(at: float, view: SiteView) -> SiteView:
    wrong = at % DAY >= 18 * HOUR
    return meter(view, sites.SUBMETER_ID, {"frequency": None}) if wrong else view


def charger_away(at: float, view: SiteView) -> SiteView:
    # It answers no slow poll either, and does not count on.
    late = max(0.0, min(at, 13 * HOUR) - 10 * HOUR)
    return device(
        view,
        sites.CHARGER_ID,
        available=late == 0 or at >= 13 * HOUR,
        details={"slow_polls": int((at - late) // SLOW)},
    )


def inverter_beyond_itself(at: float, view: SiteView) -> SiteView:
    return device(view, sites.INVERTER_ID, power=-90_000.0) if not at % 600 else view


def battery_counts_too_little(_at: float, view: SiteView) -> SiteView:
    counted = view.states[sites.BATTERY_ID].energy_consumed
    assert counted is not None
    return device(view, sites.BATTERY_ID, energy_consumed=counted * 0.8)


FAULTS: Final[dict[Change, tuple[str, FaultKind, str | None]]] = {
    clock_off: (sites.METER_ID, FaultKind.CLOCK, None),
    voltage_stuck: (sites.METER_ID, FaultKind.STUCK, "line_voltage.L2"),
    frequency_left_out: (sites.SUBMETER_ID, FaultKind.MISSING, "frequency"),
    charger_away: (sites.CHARGER_ID, FaultKind.MISSING, None),
    inverter_beyond_itself: (sites.INVERTER_ID, FaultKind.IMPLAUSIBLE, "power"),
    battery_counts_too_little: (sites.BATTERY_ID, FaultKind.ENERGY, None),
}
NOT_RUNNING: Final = ("", FaultKind.NOT_RUNNING, None)


async def day(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    site: FakeSite,
    freezer: FrozenDateTimeFactory,
    changes: list[Change],
    asleep: Callable[[float], bool] = lambda _at: False,
) -> SiteQuality:
    """Live through the 24 hours before 06:00 UTC, and let it strike six."""
    config = site_config(entry, ProfileLibrary.load())
    seat, house = Seat(), House()
    quality = SiteQuality(
        hass,
        entry,
        site,  # type: ignore[arg-type]
        seat,  # type: ignore[arg-type]
        ProfileLibrary.load(),
        lambda: config,
    )
    freezer.move_to(SIX - timedelta(days=1))
    await quality.async_start()
    for at in range(0, DAY, LOOK):
        view = house.view(float(at))
        for change in changes:
            view = change(float(at), view)
        freezer.tick(LOOK)
        if not asleep(float(at)):
            seat.data = view
            seat.listener()
    assert quality.daily is None
    freezer.move_to(SIX + timedelta(seconds=1))
    async_fire_time_changed(hass)
    await hass.async_block_till_done()
    freezer.tick(2)
    async_fire_time_changed(hass)
    await hass.async_block_till_done()
    await quality.async_stop()
    return quality


def doubted(hass: HomeAssistant) -> dict[str, str]:
    """Return the texts of the repairs on data, by whose they are."""
    return {
        placeholders["subject"]: placeholders["text"]
        for issue in ir.async_get(hass).issues.values()
        if issue.translation_key in {"data_doubtful", "data_not_collected"}
        for placeholders in [issue.translation_placeholders or {}]
    }


def shown(hass: HomeAssistant, owner: str) -> Any:
    entity_id = er.async_get(hass).async_get_entity_id(
        "sensor", "netflex", f"{owner}_data_quality"
    )
    assert entity_id is not None
    return hass.states.get(entity_id)


@pytest.fixture
async def site(
    hass: HomeAssistant,
    all_enabled: None,
    entry: MockConfigEntry,
    faked: Callable[[], FakeSite],
    freezer: FrozenDateTimeFactory,
) -> FakeSite:
    freezer.move_to(SIX - timedelta(days=1, minutes=1))
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return faked()


async def test_the_report_at_six_names_each_made_fault_and_nothing_else(
    hass: HomeAssistant,
    site: FakeSite,
    entry: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
) -> None:
    quality = await day(
        hass,
        entry,
        site,
        freezer,
        list(FAULTS),
        # From six to seven o'clock in the evening this program did not run.
        asleep=lambda at: 12 * HOUR <= at < 13 * HOUR,
    )
    report = quality.daily
    assert report is not None
    found = {(fault.source, fault.kind, fault.series) for fault in report.faults}
    assert found == {*FAULTS.values(), NOT_RUNNING}
    assert len(report.faults) == len(found)

    state = shown(hass, entry.entry_id)
    assert len(state.attributes["faults"]) == len(found)
    assert 80 < float(state.state) < 100
    repairs = doubted(hass)
    assert set(repairs) == {
        "P1 port",
        "Hall meter",
        "Charger",
        "Roof",
        "Battery",
        "site",
    }
    for owner, title, words in (
        (sites.METER_ID, "P1 port", ("its clock is 47 s fast", "voltage of L2")),
        (sites.SUBMETER_ID, "Hall meter", ("did not come: frequency",)),
        (sites.CHARGER_ID, "Charger", ("did not come: data",)),
        (sites.INVERTER_ID, "Roof", ("cannot be: power",)),
        (sites.BATTERY_ID, "Battery", ("its counters and its power differ by",)),
    ):
        for word in words:
            assert word in repairs[title], (title, repairs[title])
        own = shown(hass, owner).attributes["faults"]
        assert len(own) == len(words)
        for word in words:
            assert any(word in text for text in own)
    assert "nobody looked" in repairs["site"]
    for owner in (sites.WALLBOX_ID, sites.LOAD_ID):
        assert shown(hass, owner).state == "100.0"
        assert shown(hass, owner).attributes["faults"] == []


async def test_a_good_day_has_a_report_without_a_fault(
    hass: HomeAssistant,
    site: FakeSite,
    entry: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
) -> None:
    quality = await day(hass, entry, site, freezer, [])
    assert quality.daily is not None
    assert quality.daily.faults == ()
    assert doubted(hass) == {}
    assert float(shown(hass, entry.entry_id).state) > 99.0
