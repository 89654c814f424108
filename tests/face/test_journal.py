"""The journal in Home Assistant: exported by an action, and in no diagnostics."""

from collections.abc import AsyncIterator
import csv
from datetime import timedelta
import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.netflex import actions, runtime
from custom_components.netflex.const import DOMAIN
from custom_components.netflex.diagnostics import async_get_config_entry_diagnostics
from custom_components.netflex.telecontrol.journal import Journal
from custom_components.netflex.telecontrol.journal_format import RecordKind, decode
from tests.e2e.bench import entry_data


@pytest.fixture
def hass_config_dir(tmp_path: Path) -> str:
    return str(tmp_path)


@pytest.fixture
async def entry(hass: HomeAssistant) -> AsyncIterator[MockConfigEntry]:
    entry = MockConfigEntry(
        domain=DOMAIN, title="Site", data=entry_data(0, telecontrol=False)
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done(wait_background_tasks=False)
    yield entry
    await hass.config_entries.async_unload(entry.entry_id)
    await runtime.async_close_parked(hass, entry.entry_id)


async def export(
    hass: HomeAssistant, entry: MockConfigEntry, **options: Any
) -> dict[str, Any]:
    response = await hass.services.async_call(
        DOMAIN,
        "export_journal",
        {
            "config_entry_id": entry.entry_id,
            "from": dt_util.now() - timedelta(hours=1),
            **options,
        },
        blocking=True,
        return_response=True,
    )
    assert isinstance(response, dict)
    return response


async def test_export_returns_file_count_and_hashes(
    hass: HomeAssistant, entry: MockConfigEntry, tmp_path: Path
) -> None:
    journal: Journal = entry.runtime_data.journal
    journal.record(RecordKind.LINK, {"event": "opened"})
    response = await export(hass, entry)
    path = Path(response["path"])
    assert path.parent == tmp_path / "netflex"
    lines = path.read_bytes().splitlines()
    assert len(lines) == response["count"] >= 3
    assert decode(lines[0]).hash == response["first_hash"]
    assert decode(lines[-1]).hash == response["last_hash"]
    response = await export(hass, entry, format="csv")
    text = Path(response["path"]).read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert len(rows) == response["count"]
    assert [row["seq"] for row in rows] == [
        str(number) for number in range(1, len(rows) + 1)
    ]


async def test_an_empty_period_is_refused(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    with pytest.raises(ServiceValidationError) as refused:
        await export(hass, entry, to=dt_util.now() - timedelta(hours=2))
    assert refused.value.translation_key == "period_empty"


async def test_a_disk_that_takes_no_export_is_named(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    with (
        patch.object(
            actions, "export_journal", side_effect=OSError("the disk is full")
        ),
        pytest.raises(HomeAssistantError) as failed,
    ):
        await export(hass, entry)
    assert failed.value.translation_key == "export_failed"
    assert "the disk is full" in str(failed.value)


async def test_diagnostics_hold_no_journal(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    journal: Journal = entry.runtime_data.journal
    journal.record(RecordKind.RELEASE, {"instructed_by": "Zebulon", "reference": "T9"})
    found = json.dumps(await async_get_config_entry_diagnostics(hass, entry))
    assert "Zebulon" not in found
    assert "sha256" not in found
