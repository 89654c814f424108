"""The action that exports a recording for replay."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.netflex import actions_replay
from custom_components.netflex.const import DOMAIN
from custom_components.netflex.control.scenario import open_scenario
from tests.control.sites import START
from tests.site.test_recording import fill

from .fakes import FakeSite


async def test_a_recording_is_exported(
    hass: HomeAssistant,
    no_entities: None,
    site: FakeSite,
    entry: MockConfigEntry,
    tmp_path: Path,
) -> None:
    hass.config.config_dir = str(tmp_path)

    async def export(**period: object) -> dict[str, object]:
        result = await hass.services.async_call(
            DOMAIN,
            "export_replay",
            {"config_entry_id": entry.entry_id, **period},
            blocking=True,
            return_response=True,
        )
        assert result is not None
        return dict(result)

    with pytest.raises(ServiceValidationError, match="Nothing of this period"):
        await export()
    fill(site.recording, 20)
    begin, end = START + timedelta(seconds=105), START + timedelta(seconds=114)
    found = await export(**{"from": begin, "to": end})
    assert found["count"] == 10
    lines = Path(str(found["path"])).read_text().splitlines()
    assert len(list(open_scenario(lines)[1])) == 10
    with pytest.raises(ServiceValidationError, match="begin"):
        await export(**{"from": end, "to": begin})


async def test_a_recording_is_run_once_more_with_other_values(
    hass: HomeAssistant,
    no_entities: None,
    site: FakeSite,
    entry: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run(**changes: object) -> dict[str, Any]:
        result = await hass.services.async_call(
            DOMAIN,
            "replay",
            {"config_entry_id": entry.entry_id, "changes": changes},
            blocking=True,
            return_response=True,
        )
        assert result is not None
        return dict(result)

    with pytest.raises(ServiceValidationError, match="Nothing of this period"):
        await run()
    fill(site.recording, 40)
    same = await run()
    assert same["count"] == 40
    assert same["recorded"] == same["changed"]
    assert all(item["differs"] == 0 for item in same["setpoints"].values())
    (asset_id,) = same["setpoints"]
    other = await run(**{f"assets.{asset_id}.maximum_current": 8, "raise_delay": 1})
    assert other["recorded"] == same["recorded"]
    assert other["setpoints"][asset_id]["differs"] > 0
    assert other["setpoints"][asset_id]["changed"] <= 8.0
    for wrong in ({"raise_delay": "soon"}, {"connection.colour": "red"}):
        with pytest.raises(ServiceValidationError) as caught:
            await run(**wrong)
        assert caught.value.translation_key == "replay_change"
    monkeypatch.setattr(actions_replay, "LONGEST", 39)
    with pytest.raises(ServiceValidationError) as caught:
        await run()
    assert caught.value.translation_key == "replay_too_long"
