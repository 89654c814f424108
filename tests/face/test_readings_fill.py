"""Gaps in the readings are filled from Home Assistant's own recorder: a real one."""

from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)
from sqlalchemy.exc import OperationalError

from custom_components.netflex.entry_site import site_config
from custom_components.netflex.readings_options import READINGS_SCHEMA
from custom_components.netflex.site_readings import SiteReadings
from custom_components.netflex.site_readings_fill import HistoryState
from custom_components.netflex.telemetry.values import Gap, Reading, Series, SeriesKind

from . import sites
from .fakes import FakeSite

pytestmark = pytest.mark.usefixtures("socket_enabled", "no_entities")

POWER = Series(key=f"meter.{sites.METER_ID}.power", kind=SeriesKind.GAUGE, unit="W")
SITE = Series(key="site.power", kind=SeriesKind.GAUGE, unit="W")
ENERGY = Series(
    key=f"meter.{sites.METER_ID}.energy_import", kind=SeriesKind.COUNTER, unit="Wh"
)
WALLBOX = Series(key="asset.01WALLBOX00000000000000000.power", kind=SeriesKind.GAUGE)
HISTORY = "homeassistant.components.recorder.history.get_significant_states"


class Filling:
    """A site that keeps readings; its times are minutes of an hour that is over."""

    def __init__(
        self, hass: HomeAssistant, entry: MockConfigEntry, readings: SiteReadings
    ) -> None:
        self.hass = hass
        self.entry = entry
        self.readings = readings
        now = int(dt_util.utcnow().timestamp())
        self.start = now - now % 3600 - 7200

    def own(self, subject: str, key: str) -> str:
        """Return the site's own entity, as it stands in the registry."""
        registered = er.async_get(self.hass).async_get_or_create(
            "sensor",
            "netflex",
            f"{subject}_{key}",
            suggested_object_id=f"own_{key}",
        )
        return registered.entity_id

    def say(self, minute: float, entity_id: str, value: object, unit: str) -> None:
        """Have an entity say something at a minute, as if it were then."""
        self.hass.states.async_set(
            entity_id,
            str(value),
            {"unit_of_measurement": unit},
            timestamp=self.start + 60 * minute,
        )

    async def measured(self, series: Series, *minutes: int, value: float = 1.0) -> None:
        readings = [Reading(self.start + 60 * at, value) for at in minutes]
        keeper = self.readings._keeper
        assert keeper is not None
        await keeper.ask(lambda store: store.write({series: readings}))

    async def fill(self) -> None:
        """Have gaps looked for as every hour, and wait for it."""
        if not await async_recorded(self.hass):
            self.readings._fill._look()
            return
        self.readings._fill._look()
        task = self.readings._fill._task
        assert task is not None
        await task

    async def stored(self, series: Series) -> dict[int, float]:
        """Return the readings of the hour by their second from its start."""
        keeper = self.readings._keeper
        assert keeper is not None
        found = await keeper.ask(
            lambda store: store.readings(series.key, self.start, self.start + 3600)
        )
        return {item.at - self.start: item.value for item in found}

    async def filled(self, series: Series) -> list[tuple[int, int]]:
        keeper = self.readings._keeper
        assert keeper is not None
        found: list[Gap] = await keeper.ask(
            lambda store: store.filled(series.key, self.start, self.start + 3600)
        )
        return [(gap.start - self.start, gap.end - self.start) for gap in found]


async def async_recorded(hass: HomeAssistant) -> bool:
    """Wait for the recorder to have written everything; False without one."""
    if "recorder" not in hass.config.components:
        return False
    await async_wait_recording_done(hass)
    return True


@pytest.fixture
async def filling(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    faked: Callable[[], FakeSite],
    tmp_path: Path,
) -> AsyncGenerator[Filling]:
    """Return a site whose entities exist and whose readings are kept."""
    hass.config.config_dir = str(tmp_path)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    runtime = entry.runtime_data
    faked().show(site_meter=sites.METER_ID)
    await hass.async_block_till_done()
    runtime.readings = SiteReadings(
        hass, entry, runtime.coordinator, runtime.site, lambda: site_config(entry)
    )
    await runtime.readings.async_set(READINGS_SCHEMA({"keep": True}))
    made = Filling(hass, entry, runtime.readings)
    yield made
    await runtime.readings.async_stop()


async def test_a_gap_is_filled_from_the_own_entity_and_marked(
    recorder_mock: Any, hass: HomeAssistant, filling: Filling
) -> None:
    power = filling.own(sites.METER_ID, "power")
    for minute in range(5, 30):
        filling.say(minute, power, 100, "W")
        filling.say(minute + 0.75, power, 0.5, "kW")
    await filling.measured(POWER, *range(10), *range(40, 60))
    await filling.measured(SITE, *range(10), *range(40, 60))
    await filling.fill()
    for series in (POWER, SITE):
        found = await filling.stored(series)
        assert found[540] == 1.0, "what was measured stays"
        # Three quarters of each minute at 100 W, the rest at 500 W.
        assert found[600] == pytest.approx(200.0)
        assert found[29 * 60] == pytest.approx(200.0)
        # The recorder says nothing more after 29.75 min: soon nobody knows.
        assert found[30 * 60] == pytest.approx(500.0)
        assert sorted(found)[-21:] == [31 * 60 - 60, *range(2400, 3600, 60)]
        assert await filling.filled(series) == [(600, 31 * 60)]
    condition = filling.readings.condition
    assert condition["history"] == "read"
    assert condition["filled"] == 42


async def test_a_counter_goes_on_between_what_was_measured(
    recorder_mock: Any, hass: HomeAssistant, filling: Filling
) -> None:
    power = filling.own(sites.METER_ID, "power")
    energy = filling.own(sites.METER_ID, "energy_import")
    for minute in range(60):
        filling.say(minute, power, minute, "W")
        filling.say(minute + 0.5, energy, 1 + minute / 100, "kWh")
    await filling.measured(ENERGY, 0, 1, 2, value=1000.0)
    await filling.measured(ENERGY, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, value=1420.0)
    await filling.fill()
    found = await filling.stored(ENERGY)
    assert found[3 * 60 + 59] == pytest.approx(1030.0)
    assert found[42 * 60 + 59] == pytest.approx(1420.0)
    assert 43 * 60 + 59 not in found, "more than the meter said afterwards"
    values = [found[at] for at in sorted(found)]
    assert values == sorted(values)


async def test_where_the_own_entity_was_away_the_device_itself_says_it(
    recorder_mock: Any, hass: HomeAssistant, filling: Filling
) -> None:
    own = filling.own("01WALLBOX00000000000000000", "power")
    filling.say(0, own, 7000, "W")
    filling.say(10, own, STATE_UNAVAILABLE, "W")
    for minute in range(60):
        filling.say(minute + 0.1, "sensor.wallbox_power", 3 + minute / 1000, "kW")
    await filling.measured(WALLBOX, 0, 1, *range(55, 60))
    await filling.fill()
    found = await filling.stored(WALLBOX)
    assert found[5 * 60] == 7000.0
    assert found[20 * 60] == pytest.approx(3020.0, abs=1.0)
    assert len(found) == 60


async def test_what_rests_stays_known_while_the_meter_speaks(
    recorder_mock: Any, hass: HomeAssistant, filling: Filling
) -> None:
    own = filling.own("01WALLBOX00000000000000000", "power")
    power = filling.own(sites.METER_ID, "power")
    filling.say(1, own, 0, "W")
    for minute in range(40):
        filling.say(minute, power, minute, "W")
    await filling.measured(WALLBOX, 0, 1, *range(55, 60), value=0.0)
    await filling.fill()
    assert await filling.filled(WALLBOX) == [(120, 41 * 60)]


async def test_what_was_before_the_first_reading_is_left_alone(
    recorder_mock: Any, hass: HomeAssistant, filling: Filling
) -> None:
    power = filling.own(sites.METER_ID, "power")
    for minute in range(60):
        filling.say(minute, power, minute, "W")
    await filling.measured(POWER, 30, *range(40, 60))
    await filling.fill()
    found = await filling.stored(POWER)
    assert min(found) == 1800, "what was erased stays so"
    assert len(found) == 30


async def test_a_unit_that_is_another_quantity_is_not_believed(
    recorder_mock: Any, hass: HomeAssistant, filling: Filling
) -> None:
    power = filling.own(sites.METER_ID, "power")
    for minute in range(60):
        filling.say(minute, power, minute, "var")
    await filling.measured(POWER, 0, *range(40, 60))
    await filling.fill()
    assert len(await filling.stored(POWER)) == 21


async def test_a_recorder_that_fails_is_asked_again(
    recorder_mock: Any,
    hass: HomeAssistant,
    filling: Filling,
    caplog: pytest.LogCaptureFixture,
) -> None:
    power = filling.own(sites.METER_ID, "power")
    for minute in range(60):
        filling.say(minute, power, minute, "W")
    await filling.measured(POWER, 0, *range(40, 60))
    with patch(HISTORY, side_effect=OperationalError("", None, Exception("locked"))):
        await filling.fill()
    assert filling.readings.condition["history"] == HistoryState.FAILED
    assert "are not filled now" in caplog.text
    assert len(await filling.stored(POWER)) == 21
    await filling.fill()
    assert len(await filling.stored(POWER)) == 60
    assert filling.readings.condition["history"] == HistoryState.READ


async def test_what_is_missing_for_good_is_looked_for_once(
    recorder_mock: Any, hass: HomeAssistant, filling: Filling
) -> None:
    filling.own(sites.METER_ID, "power")
    await filling.measured(POWER, 0, *range(40, 60))
    with patch(HISTORY, return_value={}) as asked:
        await filling.fill()
        first = asked.call_count
        assert first > 0
        await filling.fill()
    # Only the hour that still runs may be asked for again.
    assert asked.call_count - first <= 2


async def test_without_a_recorder_it_is_said_and_nothing_is_tried(
    hass: HomeAssistant, filling: Filling, caplog: pytest.LogCaptureFixture
) -> None:
    await filling.measured(POWER, 0, *range(40, 60))
    await filling.fill()
    assert filling.readings._fill._task is None
    assert filling.readings.condition == {
        "kept": True,
        "problem": None,
        "history": "no_recorder",
        "filled": 0,
    }
    assert len(await filling.stored(POWER)) == 21


async def test_nothing_is_filled_before_home_assistant_has_started_or_after_the_end(
    recorder_mock: Any, hass: HomeAssistant, filling: Filling
) -> None:
    await filling.readings.async_stop()
    hass.set_state(CoreState.starting)
    await filling.readings.async_set(READINGS_SCHEMA({"keep": True}))
    fill = filling.readings._fill
    assert fill._task is None
    await filling.readings.async_stop()
    hass.set_state(CoreState.running)
    hass.bus.async_fire("homeassistant_started")
    await hass.async_block_till_done()
    assert fill._task is None


async def test_a_day_that_was_filled_is_summed_up_anew(
    recorder_mock: Any, hass: HomeAssistant, filling: Filling
) -> None:
    power = filling.own(sites.METER_ID, "power")
    for minute in range(60):
        filling.say(minute, power, minute, "W")
    await filling.measured(POWER, 0, *range(40, 60))
    forgotten = []
    filling.readings._fill._on_filled = forgotten.append
    await filling.fill()
    zone = dt_util.get_default_time_zone()
    day = dt_util.utc_from_timestamp(filling.start).astimezone(zone).date()
    assert set(forgotten) == {day}


async def test_get_readings_names_what_was_filled_in(
    recorder_mock: Any, hass: HomeAssistant, filling: Filling
) -> None:
    power = filling.own(sites.METER_ID, "power")
    for minute in range(60):
        filling.say(minute, power, minute, "W")
    await filling.measured(POWER, 0, *range(40, 60))
    await filling.fill()
    begin = dt_util.utc_from_timestamp(filling.start)
    end = dt_util.utc_from_timestamp(filling.start + 3600)
    found = await hass.services.async_call(
        "netflex",
        "get_readings",
        {
            "config_entry_id": filling.entry.entry_id,
            "from": begin.isoformat(),
            "to": end.isoformat(),
            "series": [POWER.key],
        },
        blocking=True,
        return_response=True,
    )
    assert found is not None
    (span,) = found[POWER.key]["filled"]  # type: ignore[index, call-overload]
    first = dt_util.utc_from_timestamp(filling.start + 60)
    assert span["start"] == first.isoformat()
