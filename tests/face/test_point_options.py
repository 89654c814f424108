"""The point table in the options: what is edited, imported, refused and saved."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import uuid4

from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.netflex.const import DOMAIN
from custom_components.netflex.flows.points import (
    MOST_FAULTS,
    changed_point,
    in_words,
    point_fields,
    point_values,
)
from custom_components.netflex.flows.uploads import MOST_OCTETS
from custom_components.netflex.model.orders import LinkState
from custom_components.netflex.site.view import SiteView
from custom_components.netflex.telecontrol.point import (
    Execution,
    Point,
    PointProblem,
    Sign,
    StaleQuality,
    TimeTagChoice,
)
from custom_components.netflex.telecontrol.point_csv import read_points, write_points
from custom_components.netflex.telecontrol.points import DEFAULT_POINTS
from custom_components.netflex.words import Words

from . import sites
from .fakes import FakeRuntime, FakeSite, full_view
from .test_options import _fake_runtime, entry, reach, stored, submit  # noqa: F401
from .translations import ENGLISH

CSV = write_points(DEFAULT_POINTS)
MINSETP = DEFAULT_POINTS.by_name["minsetp"]


def moved(text: str, name: str, ioa: int) -> str:
    """Return a CSV in which one point has another address."""
    before = f",{DEFAULT_POINTS.by_name[name].ioa},"
    lines = [
        line.replace(before, f",{ioa},") if line.startswith(f"{name},") else line
        for line in text.splitlines()
    ]
    return "\n".join(lines)


async def edit(hass: HomeAssistant, result: Any, name: str, **changes: Any) -> Any:
    """Change some fields of one point."""
    result = await submit(hass, result, {"next_step_id": "point"})
    result = await submit(hass, result, {"point": name})
    assert result["step_id"] == "point_fields"
    assert result["description_placeholders"]["name"] == name
    point = DEFAULT_POINTS.by_name[name]
    fields = {str(marker) for marker in point_fields(point)}
    values = {key: value for key, value in point_values(point).items() if key in fields}
    return await submit(hass, result, values | changes)


async def save(hass: HomeAssistant, result: Any, *, confirmed: bool) -> Any:
    result = await submit(hass, result, {"next_step_id": "points_save"})
    return await submit(hass, result, {"confirmed": confirmed})


async def import_text(hass: HomeAssistant, result: Any, text: str) -> Any:
    result = await submit(hass, result, {"next_step_id": "points_import"})
    return await submit(hass, result, {"csv": text})


async def test_one_point_is_changed_and_confirmed(
    hass: HomeAssistant,
    site: FakeSite,
    entry: MockConfigEntry,  # noqa: F811
) -> None:
    runtime: FakeRuntime = entry.runtime_data
    result = await reach(hass, entry, "points")
    assert result["step_id"] == "points_unconfirmed"
    assert result["description_placeholders"]["profile"] == DEFAULT_POINTS.profile

    result = await edit(
        hass, result, "minsetp", ioa=5001, sign="negative", execution="both"
    )
    assert result["step_id"] == "points_unconfirmed"
    assert result["description_placeholders"]["profile"] == "edited"
    result = await save(hass, result, confirmed=True)

    assert result["type"] is FlowResultType.CREATE_ENTRY
    points = stored(entry).points
    assert points.confirmed
    assert points.by_name["minsetp"].ioa == 5001
    assert points.by_name["minsetp"].sign is Sign.NEGATIVE
    assert points.by_name["minsetp"].execution is Execution.BOTH
    others = [point for point in points.points if point.name != "minsetp"]
    assert others == [p for p in DEFAULT_POINTS.points if p.name != "minsetp"]
    assert runtime.changes == 1
    # Confirmed, the menu warns no more, and what changes nothing stays confirmed.
    result = await reach(hass, entry, "points")
    assert result["step_id"] == "points"


@pytest.mark.parametrize("point", DEFAULT_POINTS.points, ids=lambda point: point.name)
def test_every_field_of_a_point_that_means_something_can_be_edited(
    point: Point,
) -> None:
    fields = {str(marker) for marker in point_fields(point)}
    values = point_values(point)

    shown = {key: value for key, value in values.items() if key in fields}

    assert changed_point(point, shown) == point
    # What is not shown can only be what it is.
    for hidden in values.keys() - fields:
        assert values[hidden] in ("", 1.0, "positive", False)
    changed = changed_point(point, shown | {"ioa": 4711, "time_tag": "never"})
    assert (changed.ioa, changed.time_tag) == (4711, TimeTagChoice.NEVER)


async def test_a_measurement_has_initial_value_and_quality(
    hass: HomeAssistant,
    site: FakeSite,
    entry: MockConfigEntry,  # noqa: F811
) -> None:
    result = await reach(hass, entry, "points")
    result = await edit(
        hass,
        result,
        "p_solar",
        unit="MW",
        scale=0.5,
        min=-10,
        max=10,
        initial=0.5,
        quality="invalid",
        type_id="11",
    )
    result = await edit(hass, result, "q_mode_feedback", invert=True)
    await save(hass, result, confirmed=False)

    points = stored(entry).points
    solar = points.by_name["p_solar"]
    assert (solar.unit, solar.scale, solar.type_id) == ("MW", 0.5, 11)
    assert (solar.minimum, solar.maximum, solar.initial) == (-10, 10, 0.5)
    assert solar.quality is StaleQuality.INVALID
    assert points.by_name["q_mode_feedback"].invert
    assert not points.confirmed


@pytest.mark.parametrize(
    ("name", "changes", "fields", "detail"),
    [
        ("minsetp", {"ioa": 0}, {"ioa"}, "minsetp, ioa: must be 1 to 16777215"),
        ("minsetp", {"scale": -1}, {"scale"}, "minsetp, scale: must be a number above"),
        ("minsetq", {"sign": "absolute"}, {"sign"}, "a band has two signs"),
        (
            "minsetp",
            {"min": 5, "max": 4},
            {"max", "min"},
            "minsetp, max: must be above min",
        ),
        ("p_wind", {"quality": "good"}, {"quality"}, "a stale value is never good"),
        ("test_feedback", {"initial": 3}, {"initial"}, "must be 0 (off, local)"),
    ],
)
async def test_what_is_wrong_with_a_point_is_said_at_its_field(
    hass: HomeAssistant,
    site: FakeSite,
    entry: MockConfigEntry,  # noqa: F811
    name: str,
    changes: dict[str, Any],
    fields: set[str],
    detail: str,
) -> None:
    result = await edit(hass, await reach(hass, entry, "points"), name, **changes)

    assert result["step_id"] == "point_fields"
    assert set(result["errors"]) == fields
    assert set(result["errors"].values()) == {"point_invalid"}
    assert detail in result["description_placeholders"]["detail"]


async def test_points_swap_addresses_in_two_steps(
    hass: HomeAssistant,
    site: FakeSite,
    entry: MockConfigEntry,  # noqa: F811
) -> None:
    maxsetp = DEFAULT_POINTS.by_name["maxsetp"]
    result = await reach(hass, entry, "points")

    result = await edit(hass, result, "minsetp", ioa=maxsetp.ioa)
    assert result["step_id"] == "points_faulty"
    detail = f"maxsetp, ioa: {maxsetp.ioa} is the address of minsetp too"
    assert result["description_placeholders"]["detail"] == detail
    refused = await save(hass, result, confirmed=False)
    assert refused["errors"] == {"base": "points_invalid"}
    assert refused["description_placeholders"]["detail"] == detail
    assert not entry.options

    result = await reach(hass, entry, "points")
    result = await edit(hass, result, "minsetp", ioa=maxsetp.ioa)
    result = await edit(hass, result, "maxsetp", ioa=MINSETP.ioa)
    assert result["step_id"] == "points_unconfirmed"
    await save(hass, result, confirmed=True)
    assert stored(entry).points.orders[MINSETP.ioa].name == "maxsetp"


async def test_what_is_exported_can_be_imported(
    hass: HomeAssistant,
    site: FakeSite,
    entry: MockConfigEntry,  # noqa: F811
) -> None:
    result = await reach(hass, entry, "points", "points_export")
    (marker,) = result["data_schema"].schema
    exported = marker.description["suggested_value"]
    assert exported == CSV
    result = await submit(hass, result, {"csv": "not kept"})
    assert result["step_id"] == "points_unconfirmed"

    result = await import_text(hass, result, moved(exported, "minsetp", 6001))
    await save(hass, result, confirmed=True)

    assert stored(entry).points.by_name["minsetp"].ioa == 6001
    assert stored(entry).points.profile == "edited"


@pytest.mark.parametrize(
    ("text", "error", "detail"),
    [
        ("", "nothing_to_import", None),
        ("   ", "nothing_to_import", None),
        ("a,b\n1,2", "points_invalid", "line 1, name: the column is missing"),
        (
            moved(CSV, "maxsetp", MINSETP.ioa),
            "points_invalid",
            f"maxsetp, ioa: {MINSETP.ioa} is the address of minsetp too",
        ),
        (
            CSV.replace(f",{MINSETP.ioa},", ",many,"),
            "points_invalid",
            "line 6, minsetp, ioa: must be a whole number, not 'many'",
        ),
        (
            CSV.replace("minsetp,", "minset,", 1),
            "points_invalid",
            "line 6, minset, name: the Netflex interface has no such point",
        ),
    ],
)
async def test_what_is_wrong_with_a_file_is_said_with_its_line(
    hass: HomeAssistant,
    site: FakeSite,
    entry: MockConfigEntry,  # noqa: F811
    text: str,
    error: str,
    detail: str | None,
) -> None:
    result = await import_text(hass, await reach(hass, entry, "points"), text)

    assert result["step_id"] == "points_import"
    assert result["errors"] == {"base": error}
    if detail is not None:
        assert detail in result["description_placeholders"]["detail"]
    result = await submit(hass, result, {"csv": CSV})
    assert result["step_id"] == "points_unconfirmed"


@pytest.fixture
def upload(tmp_path: Path) -> Callable[[bytes], Any]:
    """Have a file uploaded with these octets."""

    def prepare(octets: bytes) -> Any:
        file = tmp_path / "points.csv"
        file.write_bytes(octets)

        @contextmanager
        def given(_hass: HomeAssistant, _file_id: str) -> Iterator[Path]:
            yield file

        return patch(
            "custom_components.netflex.flows.uploads.process_uploaded_file", given
        )

    return prepare


@pytest.mark.parametrize(
    "octets",
    [
        moved(CSV, "minsetp", 6001).encode(),
        b"\xef\xbb\xbf" + moved(CSV, "minsetp", 6001).encode(),
        moved(CSV, "minsetp", 6001).replace(",", ";").encode("cp1252"),
    ],
)
async def test_a_file_of_a_spreadsheet_is_imported(
    hass: HomeAssistant,
    site: FakeSite,
    entry: MockConfigEntry,  # noqa: F811
    upload: Callable[[bytes], Any],
    octets: bytes,
) -> None:
    result = await reach(hass, entry, "points", "points_import")
    with upload(octets):
        result = await submit(hass, result, {"file": str(uuid4())})
    await save(hass, result, confirmed=False)

    assert stored(entry).points.by_name["minsetp"].ioa == 6001


@pytest.mark.parametrize(
    ("octets", "error"),
    [
        (b"\x81\x8d", "file_not_text"),
        (b"x" * (MOST_OCTETS + 1), "file_too_large"),
        (b"\xe9t\xe9", "points_invalid"),
    ],
)
async def test_a_file_that_is_no_table_is_refused(
    hass: HomeAssistant,
    site: FakeSite,
    entry: MockConfigEntry,  # noqa: F811
    upload: Callable[[bytes], Any],
    octets: bytes,
    error: str,
) -> None:
    result = await reach(hass, entry, "points", "points_import")
    with upload(octets):
        result = await submit(hass, result, {"file": str(uuid4())})

    assert result["errors"] == {"base": error}


async def test_a_file_that_is_gone_is_said(
    hass: HomeAssistant,
    site: FakeSite,
    entry: MockConfigEntry,  # noqa: F811
) -> None:
    result = await reach(hass, entry, "points", "points_import")
    result = await submit(hass, result, {"file": str(uuid4())})

    assert result["errors"] == {"base": "file_gone"}


async def test_back_to_the_placeholders(
    hass: HomeAssistant,
    site: FakeSite,
    entry: MockConfigEntry,  # noqa: F811
) -> None:
    result = await edit(hass, await reach(hass, entry, "points"), "minsetp", ioa=6001)
    await save(hass, result, confirmed=True)
    result = await reach(hass, entry, "points", "points_reset")
    result = await submit(hass, result, {})
    assert result["step_id"] == "points_unconfirmed"

    refused = await save(hass, result, confirmed=True)
    assert refused["errors"] == {"confirmed": "still_placeholders"}
    result = await submit(hass, refused, {"confirmed": False})

    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert "points" not in entry.options
    assert stored(entry).points == DEFAULT_POINTS


def test_of_very_many_faults_the_first_are_said() -> None:
    faults = [PointProblem(text=f"fault {number}") for number in range(MOST_FAULTS + 5)]

    text = in_words(faults, Words("en", {}))

    assert text.startswith("fault 0; fault 1; ")
    assert text.endswith("; (+ 5)")


# ---------------------------------------------------------------------------- actions


async def export(hass: HomeAssistant, entry_id: str) -> Any:
    return await hass.services.async_call(
        DOMAIN,
        "export_points",
        {"config_entry_id": entry_id},
        blocking=True,
        return_response=True,
    )


async def test_points_are_exported_by_an_action(
    hass: HomeAssistant,
    site: FakeSite,
    entry: MockConfigEntry,  # noqa: F811
) -> None:
    assert await export(hass, entry.entry_id) == {
        "csv": CSV,
        "profile": "netflex-1.0-unconfirmed",
        "confirmed": False,
    }
    result = await edit(hass, await reach(hass, entry, "points"), "minsetp", ioa=6001)
    await save(hass, result, confirmed=True)
    exported = await export(hass, entry.entry_id)
    assert read_points(exported["csv"]).by_name["minsetp"].ioa == 6001
    assert exported["confirmed"]

    hass.config_entries.async_update_entry(
        entry, data={**entry.data, "telecontrol": False}
    )
    with pytest.raises(ServiceValidationError) as raised:
        await export(hass, entry.entry_id)
    assert raised.value.translation_key == "no_telecontrol"


async def test_certificates_are_read_anew_by_an_action(
    hass: HomeAssistant,
    site: FakeSite,
    entry: MockConfigEntry,  # noqa: F811
) -> None:
    runtime: FakeRuntime = entry.runtime_data

    async def reload() -> None:
        await hass.services.async_call(
            DOMAIN,
            "reload_certificates",
            {"config_entry_id": entry.entry_id},
            blocking=True,
        )

    await reload()
    assert runtime.reloads == 1
    runtime.unusable = OSError("own.pem is not there")
    with pytest.raises(HomeAssistantError) as raised:
        await reload()
    assert raised.value.translation_key == "tls_files_unusable"
    assert "tls_files_unusable" in ENGLISH["exceptions"]


# ---------------------------------------------------------------------------- repair


def warning(hass: HomeAssistant) -> ir.IssueEntry | None:
    issue_id = f"points_unconfirmed_{sites.site_entry().entry_id}"
    issue = ir.async_get(hass).async_get_issue(DOMAIN, issue_id)
    return issue if issue is not None and issue.active else None


@pytest.fixture
def view() -> SiteView:
    """A site whose operator has not come yet."""
    return replace(full_view(), link=LinkState(listening=True))


async def test_placeholders_are_warned_of_once_a_client_has_come(
    hass: HomeAssistant,
    site: FakeSite,
    entry: MockConfigEntry,  # noqa: F811
) -> None:
    assert warning(hass) is None
    up = LinkState(listening=True, connected=True, client="192.0.2.10")
    site.show(link=up)
    issue = warning(hass)
    assert issue is not None
    assert issue.severity is ir.IssueSeverity.WARNING
    assert issue.translation_key in ENGLISH["issues"]

    # Who ignores it does so for good, whatever the link does.
    ir.async_ignore_issue(hass, DOMAIN, issue.issue_id, True)
    site.show(link=LinkState(listening=True))
    site.show(link=up)
    issue = warning(hass)
    assert issue is not None
    assert issue.dismissed_version is not None

    result = await edit(hass, await reach(hass, entry, "points"), "minsetp", ioa=6001)
    await save(hass, result, confirmed=True)
    entry.runtime_data.coordinator.async_settings_changed()
    assert warning(hass) is None


async def test_a_site_that_is_removed_takes_its_warning_along(
    hass: HomeAssistant,
    site: FakeSite,
    entry: MockConfigEntry,  # noqa: F811
) -> None:
    site.show(link=LinkState(listening=True, connected=True))
    assert warning(hass) is not None

    await hass.config_entries.async_remove(entry.entry_id)

    assert warning(hass) is None
