"""A site as a file, and back into the forms of another one."""

from collections.abc import Callable
import json
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import uuid4

from homeassistant.config_entries import SOURCE_USER
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.util.ulid import ulid_now
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.netflex.site_file import (
    SiteFileError,
    export_site,
    read_site_file,
)

from . import sites
from .fakes import FakeSite
from .test_northbound import uploads
from .translations import assert_result_is_translated


def exported(**changes: Any) -> dict[str, Any]:
    return json.loads(json.dumps(export_site(sites.site_entry()))) | changes


def test_what_belongs_to_one_house_stays_out() -> None:
    text = json.dumps(exported())
    assert "192.0.2.10" not in text, "who may connect"
    for subentry_id in sites.site_entry().subentries:
        assert subentry_id not in text
    assert "allowed_clients" not in text
    assert "bind_address" not in text


def test_parts_still_refer_to_each_other_after_both_ways() -> None:
    entry = sites.site_entry()
    site = read_site_file(json.dumps(export_site(entry)), ulid_now)
    assert site.name == entry.title
    kinds = [item["subentry_type"] for item in site.subentries]
    assert kinds == [item.subentry_type for item in entry.subentries.values()]
    by_title = {item["title"]: item for item in site.subentries}
    for subentry in entry.subentries.values():
        if subentry.subentry_type != "relay":
            assert by_title[subentry.title]["data"] == dict(subentry.data)
            continue
        titles = {entry.subentries[item].title for item in subentry.data["assets"]}
        new = by_title[subentry.title]["data"]["assets"]
        assert {by_title[title]["subentry_id"] for title in titles} == set(new)
        assert not set(new) & set(entry.subentries)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("{", "not_json"),
        ("[]", "not_a_site"),
        ('{"kind": "other"}', "not_a_site"),
        (json.dumps(exported(version=2)), "other_version"),
        (json.dumps(exported(site=None)), "site_incomplete"),
        (json.dumps(exported(site={"grid_type": "3N400"})), "site_incomplete"),
        (
            json.dumps(exported(site=exported()["site"] | {"grid_type": "9x9"})),
            "site_incomplete",
        ),
        (
            json.dumps(exported(site=exported()["site"] | {"main_fuse": "63"})),
            "site_incomplete",
        ),
        (json.dumps(exported(options={"version": 99})), "options_unusable"),
        (json.dumps(exported(parts=None)), "part_unusable"),
        (json.dumps(exported(parts=[{"kind": "meter"}])), "part_unusable"),
        (
            json.dumps(exported(parts=[exported()["parts"][0] | {"kind": "toaster"}])),
            "part_unusable",
        ),
        (json.dumps(exported(parts=[exported()["parts"][0]] * 2)), "part_unusable"),
        (" " * 2_000_001, "file_too_large"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(text: str, key: str) -> None:
    with pytest.raises(SiteFileError) as refused:
        read_site_file(text, ulid_now)
    assert refused.value.key == key


async def test_a_site_is_exported_and_set_up_from_its_file(
    hass: HomeAssistant,
    no_entities: None,
    faked: Callable[[], FakeSite],
    tmp_path: Path,
) -> None:
    entry: MockConfigEntry = sites.site_entry()
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    answer = await hass.services.async_call(
        "netflex",
        "export_site",
        {"config_entry_id": entry.entry_id},
        blocking=True,
        return_response=True,
    )
    text = json.dumps(answer["site"])

    async def submit(result: Any, values: dict[str, Any]) -> Any:
        result = await hass.config_entries.flow.async_configure(
            result["flow_id"], values
        )
        await hass.async_block_till_done()
        assert_result_is_translated(result)
        return result

    result = await hass.config_entries.flow.async_init(
        "netflex", context={"source": SOURCE_USER}
    )
    result = await submit(result, {"next_step_id": "import_site"})
    result = await submit(result, {"text": "nonsense"})
    assert result["errors"] == {"base": "not_json"}
    gone = await submit(result, {"file": str(uuid4())})
    assert gone["errors"] == {"file": "file_gone"}
    path = tmp_path / "site.json"
    path.write_text(text, encoding="utf-8")
    with uploads({"site": path}) as given:
        result = await submit(result, {"file": given["site_file"]})
    assert result["step_id"] == "site"
    shown = {
        str(marker): marker.description["suggested_value"]
        for marker in result["data_schema"].schema
        if marker.description and "suggested_value" in marker.description
    }
    assert shown["main_fuse"] == 63.0
    result = await submit(result, shown | {"name": "Copy", "more": {"cos_phi": 0.9}})
    assert result["step_id"] == "telecontrol"
    with patch("custom_components.netflex.config_flow.bind_error", return_value=None):
        result = await submit(
            result,
            {
                "bind_address": "127.0.0.2",
                "allowed_clients": ["192.0.2.77"],
                "allow_any_client": False,
                "more": {"port": 2404, "common_address": 100},
            },
        )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    copy = result["result"]
    assert copy.data["allowed_clients"] == ["192.0.2.77"]
    assert [item.title for item in copy.subentries.values()] == [
        item.title for item in entry.subentries.values()
    ]
    assert not copy.subentries.keys() & entry.subentries.keys()
