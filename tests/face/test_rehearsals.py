"""Rehearsing from Home Assistant: the action, the button, the sensor, the report."""

import asyncio
from collections.abc import AsyncGenerator, Callable
import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import (
    HomeAssistantError,
    ServiceValidationError,
    Unauthorized,
)
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.netflex import runtime
from custom_components.netflex.const import DOMAIN
from custom_components.netflex.rehearsals import async_newest_rehearsal, rehearsals_path
from custom_components.netflex.telecontrol import rehearsal as rehearsal_module
from tests.e2e.bench import entry_data
from tests.ports import free_port

from .test_real_site import shows
from .translations import ENGLISH

pytestmark = pytest.mark.usefixtures("socket_enabled")
SENSOR = "sensor.site_rehearsal"
BUTTON = "button.site_rehearse_in_shadow"


async def until(hass: HomeAssistant, condition: Callable[[], bool]) -> None:
    """Wait for something that the site does by itself."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)
            await hass.async_block_till_done(wait_background_tasks=False)


@pytest.fixture
def hass_config_dir(tmp_path: Path) -> str:
    return str(tmp_path)


@pytest.fixture
def short() -> Any:
    """Only the parts of the list that need no plant."""
    wire = tuple(
        chapter
        for chapter in rehearsal_module.CHAPTERS
        if chapter.title in {"Link", "Clock", "What must be refused"}
    )
    with patch(
        "custom_components.netflex.site.rehearsal.SiteRehearsal.run.__kwdefaults__",
        {"pace": None, "chapters": wire},
    ):
        yield


@pytest.fixture
async def entry(hass: HomeAssistant, short: None) -> AsyncGenerator[MockConfigEntry]:
    """A real site with a station and nothing behind it."""
    assert await async_setup_component(hass, "http", {})
    entry = MockConfigEntry(domain=DOMAIN, title="Site", data=entry_data(free_port()))
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await until(hass, lambda: entry.runtime_data.coordinator.data.link.listening)
    yield entry
    await hass.config_entries.async_unload(entry.entry_id)
    await runtime.async_close_parked(hass, entry.entry_id)


async def rehearse(
    hass: HomeAssistant, entry: MockConfigEntry, **options: Any
) -> dict[str, Any]:
    response = await hass.services.async_call(
        DOMAIN,
        "rehearse",
        {"config_entry_id": entry.entry_id, **options},
        blocking=True,
        return_response=True,
    )
    assert isinstance(response, dict)
    return response


async def test_the_action_returns_what_came_of_it_and_where_it_lies(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    tmp_path: Path,
    hass_client: ClientSessionGenerator,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    response = await rehearse(hass, entry)
    assert response["outcome"] == "passed", response["failed_steps"]
    assert response["mode"] == "shadow"
    assert response["failed"] == 0
    folder = tmp_path / "netflex" / "rehearsals" / entry.entry_id
    html, data = Path(response["html"]), Path(response["json"])
    assert html.parent == data.parent == folder
    found = json.loads(data.read_bytes())
    assert found["passed"] == response["passed"] > 10
    assert found["facts"]["Versions"]["Netflex integration"]
    assert found["journal"]["head_hash"] == response["journal_head"]

    client = await hass_client()
    path = response["html_link"].partition("?")[0]
    answer = await client.get(path)
    assert answer.status == 200
    assert "Netflex rehearsal" in await answer.text()
    for name in ("..%2Fsecrets.yaml", "rehearsal_20200101T000000Z_real.html"):
        answer = await client.get(f"{path.rpartition('/')[0]}/{name}")
        assert answer.status in {400, 404}
    stranger = await hass_client_no_auth()
    assert (await stranger.get(path)).status == 401
    assert (await stranger.get(response["html_link"])).status == 200


async def test_only_administrators_get_a_report(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    hass_client: ClientSessionGenerator,
    hass_read_only_access_token: str,
) -> None:
    response = await rehearse(hass, entry)
    client = await hass_client(hass_read_only_access_token)
    path = response["html_link"].partition("?")[0]
    assert (await client.get(path)).status == 403
    assert (await client.get(f"{path}?authSig=made-up")).status in {401, 403}


async def test_S07_real_orders_need_a_confirmation_of_their_own(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    with pytest.raises(ServiceValidationError) as refused:
        await rehearse(hass, entry, real=True)
    assert refused.value.translation_key == "rehearsal_not_confirmed"
    response = await rehearse(hass, entry, real=True, confirmed=True)
    assert response["mode"] == "real"


async def test_the_button_rehearses_in_shadow_and_the_sensor_tells(
    hass: HomeAssistant, entry: MockConfigEntry, hass_read_only_user: MockUser
) -> None:
    await until(hass, shows(hass, SENSOR, "never"))
    await hass.services.async_call(
        "button", "press", {"entity_id": BUTTON}, blocking=True
    )
    await until(hass, shows(hass, SENSOR, "passed"))
    state = hass.states.get(SENSOR)
    assert state is not None
    assert state.attributes["mode"] == "shadow"
    assert state.attributes["failed"] == 0
    assert Path(state.attributes["report"]).is_file()
    with pytest.raises(Unauthorized):
        await hass.services.async_call(
            "button",
            "press",
            {"entity_id": BUTTON},
            blocking=True,
            context=Context(user_id=hass_read_only_user.id),
        )
    # The newest one is still known after a restart.
    assert await hass.config_entries.async_reload(entry.entry_id)
    await until(hass, shows(hass, SENSOR, "passed"))


async def test_one_rehearsal_at_a_time_and_none_survives_its_site(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    held = asyncio.Event()

    async def hold(run: Any) -> None:
        held.set()
        while True:
            await run.pause()

    chapters = (
        rehearsal_module.CHAPTERS[0],
        rehearsal_module.Chapter(title="Hold", shows="", steps=hold),
    )
    with patch(
        "custom_components.netflex.site.rehearsal.SiteRehearsal.run.__kwdefaults__",
        {"pace": None, "chapters": chapters},
    ):
        task = asyncio.create_task(rehearse(hass, entry, real=True, confirmed=True))
        async with asyncio.timeout(30):
            await held.wait()
    with pytest.raises(ServiceValidationError) as refused:
        await rehearse(hass, entry)
    assert refused.value.translation_key == "rehearsal_running"
    await until(hass, shows(hass, SENSOR, "running"))
    assert await hass.config_entries.async_unload(entry.entry_id)
    with pytest.raises(ServiceValidationError) as refused:
        await task
    assert refused.value.translation_key == "rehearsal_cancelled"


async def test_a_fault_of_its_own_ends_it_with_a_text(
    hass: HomeAssistant, entry: MockConfigEntry, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(_run: Any) -> None:
        raise ZeroDivisionError

    chapters = (
        rehearsal_module.CHAPTERS[0],
        rehearsal_module.Chapter(title="Fail", shows="", steps=fail),
    )
    with (
        patch(
            "custom_components.netflex.site.rehearsal.SiteRehearsal.run.__kwdefaults__",
            {"pace": None, "chapters": chapters},
        ),
        pytest.raises(HomeAssistantError) as failed,
    ):
        await rehearse(hass, entry)
    assert failed.value.translation_key == "rehearsal_faulty"
    assert "ZeroDivisionError" in caplog.text
    await until(hass, shows(hass, SENSOR, "ended_early"))
    # The next one may begin.
    assert (await rehearse(hass, entry))["outcome"] == "passed"


async def test_a_site_without_telecontrol_has_nothing_to_rehearse(
    hass: HomeAssistant,
) -> None:
    entry = MockConfigEntry(
        domain=DOMAIN, title="Site", data=entry_data(0, telecontrol=False)
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done(wait_background_tasks=False)
    with pytest.raises(ServiceValidationError) as refused:
        await rehearse(hass, entry)
    assert refused.value.translation_key == "no_telecontrol"
    assert hass.states.get(BUTTON) is None
    await hass.config_entries.async_unload(entry.entry_id)
    await runtime.async_close_parked(hass, entry.entry_id)


@pytest.mark.parametrize(
    "key",
    [
        "no_telecontrol",
        "operator_connected",
        "rehearsal_cancelled",
        "rehearsal_running",
        "site_in_shadow",
    ],
)
def test_every_refusal_has_a_text(key: str) -> None:
    assert "{site}" in ENGLISH["exceptions"][key]["message"]


@pytest.mark.parametrize(
    ("target", "key"),
    [
        ("site.rehearsal.SiteRehearsal.run", "rehearsal_failed"),
        ("rehearsals.write_evidence", "report_not_written"),
    ],
)
async def test_what_the_machine_refuses_is_told_in_the_users_words(
    hass: HomeAssistant, entry: MockConfigEntry, target: str, key: str
) -> None:
    full = OSError(28, "No space left on device")
    with (
        patch(f"custom_components.netflex.{target}", side_effect=full),
        pytest.raises(HomeAssistantError) as failed,
    ):
        await rehearse(hass, entry)
    assert failed.value.translation_key == key
    assert "the disk is full" in str(failed.value.translation_placeholders)


async def test_reports_are_for_administrators_and_one_that_is_damaged_is_none(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    hass_client: ClientSessionGenerator,
    hass_read_only_access_token: str,
) -> None:
    folder = rehearsals_path(hass, entry.entry_id)
    folder.mkdir(parents=True)
    name = "rehearsal_20260101T000000Z_shadow"
    (folder / f"{name}.html").write_text("<p>", encoding="utf-8")
    (folder / f"{name}.json").write_text('{"format": 1}', encoding="utf-8")
    assert await async_newest_rehearsal(hass, entry.entry_id) is None
    url = f"/api/netflex/rehearsals/{entry.entry_id}"
    client = await hass_client(hass_read_only_access_token)
    assert (await client.get(f"{url}/{name}.html")).status == 403
    client = await hass_client()
    assert (await client.get(f"{url}/{name}.html")).status == 200
    (folder / f"{name}.html").unlink()
    assert (await client.get(f"{url}/{name}.html")).status == 404
    assert (await client.get(f"{url}/secrets.yaml")).status == 404
