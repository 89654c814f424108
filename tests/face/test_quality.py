"""The daily report on the data: counted, reported at six, stored, asked for."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er, issue_registry as ir
from homeassistant.helpers.translation import async_get_translations
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.netflex.devices.profile_loader import ProfileLibrary
from custom_components.netflex.devices.session import SLOW_POLLS
from custom_components.netflex.entry_site import site_config
from custom_components.netflex.site.config import SiteConfig
from custom_components.netflex.site_quality import (
    SiteQuality,
    quality_store,
    slow_series,
)

from . import sites
from .fakes import FakeSite

pytestmark = pytest.mark.usefixtures("socket_enabled")

# Timers only fire for what lies ahead of the real clock.
HALF_PAST_FOUR = (datetime.now(UTC) + timedelta(days=2)).replace(
    hour=4, minute=30, second=0, microsecond=0
)


class Counted:
    """A site whose data a test lets come."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: MockConfigEntry,
        site: FakeSite,
        freezer: FrozenDateTimeFactory,
    ) -> None:
        self.hass = hass
        self.entry = entry
        self.site = site
        self.freezer = freezer
        self.config: SiteConfig = site_config(entry, ProfileLibrary.load())
        self.monotonic = 1000.0

    def start(self) -> SiteQuality:
        return SiteQuality(
            self.hass,
            self.entry,
            self.site,  # type: ignore[arg-type]
            self.entry.runtime_data.coordinator,
            ProfileLibrary.load(),
            lambda: self.config,
        )

    def minutes(self, count: int, *, charger: bool = True, every: int = 5) -> None:
        """Let minutes pass: the meter sends every second, the charger answers every five."""
        for _ in range(count * 60 // every):
            self.freezer.tick(every)
            self.monotonic += every
            meter = self.site.view.meters[sites.METER_ID]
            charger_state = self.site.view.states[sites.CHARGER_ID]
            link = self.site.view.link
            self.site.show(
                meters={
                    **self.site.view.meters,
                    sites.METER_ID: replace(meter, good=meter.good + every),
                },
                states={
                    **self.site.view.states,
                    sites.CHARGER_ID: replace(
                        charger_state,
                        available=charger,
                        at=self.monotonic if charger else charger_state.at,
                    ),
                },
                # What is published at once, in place of waiting for the next second.
                link=replace(link, events_waiting=link.events_waiting + 1),
            )


@pytest.fixture
async def counted(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    faked: Callable[[], FakeSite],
    freezer: FrozenDateTimeFactory,
) -> AsyncGenerator[Counted]:
    freezer.move_to(HALF_PAST_FOUR)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    counting = Counted(hass, entry, faked(), freezer)
    quality = counting.start()
    await quality.async_start()
    entry.runtime_data.quality = quality
    yield counting
    await entry.runtime_data.quality.async_stop()


async def ask(counted: Counted) -> dict[str, Any]:
    answer = await counted.hass.services.async_call(
        "netflex",
        "get_data_quality",
        {"config_entry_id": counted.entry.entry_id},
        blocking=True,
        return_response=True,
    )
    assert isinstance(answer, dict)
    return answer


def of(report: Any, source: str) -> Any:
    (found,) = [item for item in report["sources"] if item["source"] == source]
    return found


async def at_six(counted: Counted) -> None:
    counted.freezer.move_to(HALF_PAST_FOUR + timedelta(minutes=90, seconds=1))
    async_fire_time_changed(counted.hass)
    await counted.hass.async_block_till_done()
    await published(counted)


async def published(counted: Counted) -> None:
    """Let the second pass in which views are collected."""
    counted.freezer.tick(2)
    async_fire_time_changed(counted.hass)
    await counted.hass.async_block_till_done()


async def test_the_action_tells_what_came(counted: Counted) -> None:
    counted.minutes(15)
    answer = await ask(counted)
    assert answer["daily"] is None
    meter = of(answer["now"], sites.METER_ID)
    assert meter["completeness"] == pytest.approx(100.0, abs=2)
    assert of(answer["now"], sites.CHARGER_ID)["completeness"] == pytest.approx(
        100.0, abs=3
    )
    power = next(row for row in meter["series"] if row["series"] == "power")
    assert power["expected"] == pytest.approx(900, abs=15)


async def test_at_six_each_fault_is_named_and_raised(counted: Counted) -> None:
    hass = counted.hass
    counted.minutes(10)
    counted.minutes(5, charger=False)
    await at_six(counted)
    daily = (await ask(counted))["daily"]
    # Devices of the fakes that never answer are missing as well; the meter is not.
    missing = {
        fault["source"]: fault
        for fault in daily["faults"]
        if fault["kind"] == "missing"
    }
    assert sites.METER_ID not in missing
    charger = missing[sites.CHARGER_ID]
    assert charger["series"] is None
    assert charger["text"].endswith(" % of its values did not come: data")
    counted.hass.config.language = "nl"
    await async_get_translations(counted.hass, "nl", "common", {"netflex"})
    dutch = (await ask(counted))["daily"]["faults"]
    assert charger["text"] not in [fault["text"] for fault in dutch]
    assert any("van de waarden kwam niet binnen" in fault["text"] for fault in dutch)
    counted.hass.config.language = "en"
    issues = {
        key: issue
        for (_domain, key), issue in ir.async_get(hass).issues.items()
        if issue.translation_key == "data_doubtful"
    }
    texts = [issue.translation_placeholders for issue in issues.values()]
    assert any(item is not None and charger["text"] in item["text"] for item in texts)

    registry = er.async_get(hass)
    site_sensor = registry.async_get_entity_id(
        "sensor", "netflex", f"{counted.entry.entry_id}_data_quality"
    )
    assert site_sensor is not None
    state = hass.states.get(site_sensor)
    assert state is not None
    assert 0 < float(state.state) < 100
    assert any(charger["text"] in fault for fault in state.attributes["faults"])
    own = registry.async_get_entity_id(
        "sensor", "netflex", f"{sites.CHARGER_ID}_data_quality"
    )
    assert own is not None
    described = registry.async_get(own)
    assert described is not None
    assert described.disabled_by is er.RegistryEntryDisabler.INTEGRATION


async def test_a_better_day_takes_the_repair_back(counted: Counted) -> None:
    counted.minutes(11, charger=False)
    await at_six(counted)
    assert _doubtful(counted)
    counted.site.set_quality(None)
    await published(counted)
    assert not _doubtful(counted)


def test_what_a_profile_reads_in_its_slow_polls_is_expected_in_their_rhythm() -> None:
    profiles = ProfileLibrary.load()
    alfen = profiles.get("alfen_ng9xx").bind({"socket": 1})
    assert {"energy_consumed", "temperature"} <= slow_series(alfen)
    assert "power" not in slow_series(alfen)
    acuvim = profiles.get("acuvim_ii").bind(sites.MODBUS_METER["params"])
    assert {"energy_import", "energy_export"} <= slow_series(acuvim)
    assert "line_voltage.L1" not in slow_series(acuvim)


async def test_each_device_has_the_rhythms_of_its_profile(counted: Counted) -> None:
    quality = counted.entry.runtime_data.quality
    facts = quality._facts()
    assert facts.periods[sites.CHARGER_ID] == 5.0
    assert facts.slower[sites.CHARGER_ID].period == 30.0
    assert facts.slower[sites.CHARGER_ID].detail == SLOW_POLLS
    # What other integrations bring has no polls of ours.
    assert sites.LOAD_ID not in facts.periods
    assert sites.LOAD_ID not in facts.slower


def _doubtful(counted: Counted) -> list[str]:
    return [
        key
        for (_domain, key), issue in ir.async_get(counted.hass).issues.items()
        if issue.translation_key == "data_doubtful"
    ]


async def test_counts_and_report_outlive_a_restart(counted: Counted) -> None:
    counted.minutes(11)
    await at_six(counted)
    before = (await ask(counted))["daily"]
    assert before is not None
    await counted.entry.runtime_data.quality.async_stop()
    counted.site.set_quality(None)
    again = counted.start()
    counted.entry.runtime_data.quality = again
    await again.async_start()
    answer = await ask(counted)
    assert answer["daily"] == before
    assert of(answer["now"], sites.METER_ID)["series"][0]["received"] > 0


async def test_what_cannot_be_read_is_said_and_left(
    counted: Counted, caplog: pytest.LogCaptureFixture
) -> None:
    await counted.entry.runtime_data.quality.async_stop()
    store = quality_store(counted.hass, counted.entry.entry_id)
    await store.async_save({"ledger": {"version": 99}, "report": None})
    again = counted.start()
    counted.entry.runtime_data.quality = again
    await again.async_start()
    assert "data quality is not used: unknown version 99" in caplog.text
    counted.minutes(1)
    assert (await ask(counted))["daily"] is None


async def test_a_crash_costs_ten_minutes_of_counting_at_most(
    counted: Counted, hass_storage: dict[str, Any]
) -> None:
    key = quality_store(counted.hass, counted.entry.entry_id).key
    counted.minutes(11)
    assert key not in hass_storage
    async_fire_time_changed(counted.hass)
    await counted.hass.async_block_till_done()
    assert hass_storage[key]["data"]["ledger"]["hours"]
