"""Readings kept in the house: switched on, asked for, erased."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
import time
from typing import Any
from unittest.mock import patch

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.netflex import site_readings
from custom_components.netflex.entry_site import site_config
from custom_components.netflex.pseudonyms import renamed_series
from custom_components.netflex.readings_options import CONF_READINGS, READINGS_SCHEMA
from custom_components.netflex.site.telemetry_feed import kept_values
from custom_components.netflex.site_readings import SiteReadings, readings_path
from custom_components.netflex.telemetry.store import TelemetryStoreError
from custom_components.netflex.telemetry.values import Series, SeriesKind

from . import sites
from .fakes import FakeSite, full_view
from .translations import assert_result_is_translated

pytestmark = pytest.mark.usefixtures("socket_enabled")

START = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
POWER = f"meter.{sites.METER_ID}.power"


class Kept:
    """A site whose readings a test stores at times of its own."""

    def __init__(self, site: FakeSite, readings: SiteReadings) -> None:
        self.site = site
        self.readings = readings
        self.now = START.timestamp()

    def minutes(self, count: int) -> None:
        """Let minutes pass; each view is published at once."""
        for _ in range(count):
            link = self.site.view.link
            waiting = link.events_waiting + 1
            self.site.show(link=replace(link, events_waiting=waiting))
            self.now += 60


@pytest.fixture
async def kept(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    faked: Callable[[], FakeSite],
    tmp_path: Path,
) -> AsyncGenerator[Kept]:
    """Return a site that keeps readings."""
    hass.config.config_dir = str(tmp_path)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    runtime = entry.runtime_data
    runtime.readings = SiteReadings(
        hass, entry, runtime.coordinator, runtime.site, lambda: site_config(entry)
    )
    keeping = Kept(faked(), runtime.readings)
    with patch.object(time, "time", lambda: keeping.now):
        await runtime.readings.async_set(READINGS_SCHEMA({"keep": True}))
        # The keeper has taken over the clock of its own start.
        runtime.readings._keeper._clock = lambda: keeping.now
    yield keeping
    await runtime.readings.async_stop()


async def get(hass: HomeAssistant, entry: MockConfigEntry, **data: Any) -> Any:
    return await hass.services.async_call(
        "netflex",
        "get_readings",
        {"config_entry_id": entry.entry_id, "from": START.isoformat(), **data},
        blocking=True,
        return_response=True,
    )


def test_a_view_yields_figures_words_and_nothing_for_what_is_away() -> None:
    view = full_view()
    values, words = kept_values(view)
    assert values[Series(key=POWER, kind=SeriesKind.GAUGE, unit="W")] == -1250.4
    counter = Series(
        key=f"meter.{sites.METER_ID}.energy_import", kind=SeriesKind.COUNTER, unit="Wh"
    )
    assert values[counter] == 1_234_567.0
    cause = Series(key=f"asset.{sites.CHARGER_ID}.cause", kind=SeriesKind.TEXT)
    assert words[cause] not in {None, "none"}
    meters = {
        key: replace(meter, available=False) for key, meter in view.meters.items()
    }
    values, _ = kept_values(replace(view, meters=meters))
    assert values[Series(key=POWER, kind=SeriesKind.GAUGE, unit="W")] is None
    assert counter not in values


async def test_readings_come_back_with_their_gaps(
    hass: HomeAssistant, entry: MockConfigEntry, kept: Kept
) -> None:
    kept.minutes(10)
    kept.now += 1800
    kept.minutes(11)
    end = START + timedelta(hours=1)
    found = await get(
        hass, entry, to=end.isoformat(), resolution="5minutes", series=[POWER]
    )
    assert list(found) == [POWER]
    readings = found[POWER]["readings"]
    assert readings[0]["start"] == START.isoformat()
    assert [row["mean"] for row in readings] == [pytest.approx(-1250.4)] * len(readings)
    # Minutes are missing between the two spells, and from the second one on.
    starts = [gap["start"] for gap in found[POWER]["gaps"]]
    assert starts == ["2026-11-22T10:10:00+00:00", "2026-11-22T10:50:00+00:00"]
    everything = await get(hass, entry, to=end.isoformat())
    assert everything["site.stopped"]["kind"] == "text"
    assert everything["site.stopped"]["changes"]


async def test_readings_with_identities_replaced_name_parts_as_the_export_does(
    hass: HomeAssistant, entry: MockConfigEntry, kept: Kept
) -> None:
    kept.minutes(11)
    end = (START + timedelta(hours=1)).isoformat()
    plain = await get(hass, entry, to=end)
    renamed = await get(hass, entry, to=end, pseudonyms=True)
    assert len(renamed) == len(plain)
    exported = await hass.services.async_call(
        "netflex",
        "export_site",
        {"config_entry_id": entry.entry_id, "pseudonyms": True},
        blocking=True,
        return_response=True,
    )
    assert exported is not None
    site: Any = exported["site"]
    parts = {part["id"] for part in site["parts"]}
    named = {
        key.split(".")[1] for key in renamed if key.startswith(("asset.", "meter."))
    }
    assert named
    assert named <= parts
    assert not any(part in str(renamed) for part in entry.subentries)
    number = list(entry.subentries).index(sites.METER_ID) + 1
    assert renamed[f"meter.meter-{number}.power"] == plain[POWER]


def test_a_part_that_is_gone_has_a_pseudonym_in_its_series() -> None:
    key = f"asset.{sites.LOAD_ID}.power"
    gone = renamed_series(key, {}, "site")
    assert gone.startswith("asset.part-")
    assert sites.LOAD_ID not in gone
    assert gone == renamed_series(key, {}, "site") != renamed_series(key, {}, "other")
    assert renamed_series("demand.average", {}, "site") == "demand.average"


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"series": ["unknown"]}, "readings_unknown"),
        ({"to": "2040-01-01T00:00:00+00:00", "resolution": "minute"}, "too_many"),
        ({"to": "2020-01-01T00:00:00+00:00"}, "period_empty"),
    ],
)
async def test_what_cannot_be_answered_is_said(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    kept: Kept,
    data: dict[str, Any],
    key: str,
) -> None:
    kept.minutes(3)
    with pytest.raises(ServiceValidationError) as refused:
        await get(hass, entry, **{"to": "2026-11-22T12:00:00+00:00"} | data)
    assert key in str(refused.value.translation_key)


async def test_nothing_is_kept_before_it_is_switched_on(
    hass: HomeAssistant, entry: MockConfigEntry, kept: Kept
) -> None:
    await kept.readings.async_set({})
    path = readings_path(hass, entry.entry_id)
    before = path.stat().st_mtime_ns
    kept.minutes(3)
    assert path.stat().st_mtime_ns == before
    with pytest.raises(ServiceValidationError) as refused:
        await get(hass, entry, to="2026-11-22T12:00:00+00:00")
    assert refused.value.translation_key == "readings_off"


async def test_erased_readings_are_gone_from_the_disk(
    hass: HomeAssistant, entry: MockConfigEntry, kept: Kept
) -> None:
    kept.minutes(3)
    await kept.readings.async_set({})
    assert readings_path(hass, entry.entry_id).exists()
    await hass.services.async_call(
        "netflex", "erase_readings", {"config_entry_id": entry.entry_id}, blocking=True
    )
    assert list(readings_path(hass, entry.entry_id).parent.iterdir()) == []


async def test_why_there_is_no_answer_is_said(
    hass: HomeAssistant, entry: MockConfigEntry, kept: Kept
) -> None:
    kept.minutes(3)

    async def refused() -> ServiceValidationError:
        with pytest.raises(ServiceValidationError) as caught:
            await get(hass, entry, to="2026-11-22T12:00:00+00:00")
        return caught.value

    with patch.object(site_readings, "MOST_BUCKETS", 1):
        too_many = await refused()
    assert too_many.translation_key == "readings_too_many"
    assert too_many.translation_placeholders == {"most": "1"}
    with patch.object(
        kept.readings._keeper, "ask", side_effect=TelemetryStoreError("damaged")
    ):
        unusable = await refused()
    assert unusable.translation_key == "readings_unusable"
    assert unusable.translation_placeholders == {"error": "damaged"}


async def test_readings_that_cannot_be_erased_are_kept_on_with_a_reason(
    hass: HomeAssistant, entry: MockConfigEntry, kept: Kept
) -> None:
    kept.minutes(3)
    with (
        patch.object(Path, "unlink", side_effect=PermissionError("read-only")),
        pytest.raises(HomeAssistantError) as refused,
    ):
        await hass.services.async_call(
            "netflex",
            "erase_readings",
            {"config_entry_id": entry.entry_id},
            blocking=True,
        )
    assert refused.value.translation_key == "not_erased"
    assert kept.readings.condition["kept"]
    await kept.readings.async_stop()


async def test_other_programs_read_with_a_token_and_not_without(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    kept: Kept,
    hass_client: ClientSessionGenerator,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    assert await async_setup_component(hass, "http", {})
    kept.minutes(5)
    url = f"/api/netflex/readings/{entry.entry_id}"
    period = {
        "from": START.isoformat(),
        "to": "2026-11-22T12:00:00Z",
        "resolution": "minute",
    }
    stranger = await hass_client_no_auth()
    refused = await stranger.get(url, params=period)
    assert refused.status == HTTPStatus.UNAUTHORIZED
    client = await hass_client()
    answer = await client.get(url, params=period | {"series": POWER})
    assert answer.status == HTTPStatus.OK
    assert (await answer.json())[POWER]["unit"] == "W"
    for wrong in ({"from": "yesterday"}, {"resolution": "week"}, {"to": "2020-01-01"}):
        answer = await client.get(url, params=period | wrong)
        assert answer.status == HTTPStatus.BAD_REQUEST
        assert "message" in await answer.json()
    answer = await client.get("/api/netflex/readings/none", params=period)
    assert answer.status == HTTPStatus.NOT_FOUND


async def test_the_options_ask_for_consent_and_refuse_what_cannot_be(
    hass: HomeAssistant, entry: MockConfigEntry, kept: Kept
) -> None:
    async def step(flow: Any, values: dict[str, Any]) -> Any:
        result = await hass.config_entries.options.async_configure(
            flow["flow_id"], values
        )
        assert_result_is_translated(result, "options")
        return result

    flow = await hass.config_entries.options.async_init(entry.entry_id)
    result = await step(flow, {"next_step_id": "readings"})
    result = await step(flow, {"keep": True, "days": 0, "megabytes": 0.5})
    assert result["errors"] == {
        "days": "readings_out_of_range",
        "megabytes": "readings_out_of_range",
    }
    await step(flow, {"keep": True, "days": 30, "megabytes": 50})
    assert entry.options[CONF_READINGS] == {
        "keep": True,
        "days": 30,
        "megabytes": 50.0,
    }
