"""The guided commissioning in the options: it starts, follows, shows and brings in."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.translation import async_get_translations
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.netflex.commissioning import (
    _changed,
    async_apply,
    async_export,
    site_proposals,
)
from custom_components.netflex.const import DOMAIN
from custom_components.netflex.devices.device import DeviceConfig
from custom_components.netflex.entry_site import connection_point
from custom_components.netflex.model.asset import Asset, Category, Direction, Nature
from custom_components.netflex.model.connection import Line
from custom_components.netflex.model.orders import NO_ORDERS, LinkState
from custom_components.netflex.model.phrase import Phrase, sentences
from custom_components.netflex.profiles import async_profiles
from custom_components.netflex.site.commissioning_checklist import Proposal
from custom_components.netflex.site.commissioning_record import (
    Check,
    Outcome,
    Response,
    Result,
    Turned,
    fingerprint,
)
from custom_components.netflex.site.commissioning_stage import CommissioningPace
from custom_components.netflex.stored import SiteMemory, read_site_memory
from custom_components.netflex.words import Words

from . import sites
from .fakes import NOW, FakeSite
from .test_words import texts

BUTTON = "binary_sensor.button"
PACE = CommissioningPace(look=0.01, level=0.05, confirm=10.0, press=20.0)


@pytest.fixture
async def ready(site: FakeSite, tmp_path: Path, hass: HomeAssistant) -> FakeSite:
    """A site without orders and operator, with one stop button."""
    hass.config.config_dir = str(tmp_path)
    site.show(orders=NO_ORDERS, link=LinkState(listening=True))
    site.commissioning.set_pace(PACE)
    site.commissioning.set_stop_inputs({BUTTON: "Red button"})
    return site


async def open_menu(hass: HomeAssistant, entry: MockConfigEntry) -> Any:
    flows = hass.config_entries.options
    result: Any = await flows.async_init(entry.entry_id)
    return await flows.async_configure(
        result["flow_id"], {"next_step_id": "commissioning"}
    )


async def choose(hass: HomeAssistant, result: Any, step: str) -> Any:
    return await hass.config_entries.options.async_configure(
        result["flow_id"], {"next_step_id": step}
    )


async def answer(hass: HomeAssistant, result: Any, **values: Any) -> Any:
    return await hass.config_entries.options.async_configure(result["flow_id"], values)


async def follow(hass: HomeAssistant, result: Any) -> Any:
    """Return what the form shows now, as a page asks for it."""
    return await hass.config_entries.options.async_configure(result["flow_id"])


async def shown(
    hass: HomeAssistant, result: Any, condition: Callable[[Any], bool]
) -> Any:
    async with asyncio.timeout(10):
        while not condition(found := await follow(hass, result)):
            await asyncio.sleep(0.01)
    return found


def press(site: FakeSite, *, held: bool) -> None:
    """Press or release the button; everything confirms at once."""
    assert site.view.plan is not None
    stopped = frozenset({Direction.PRODUCTION} if held else ())
    site.view = replace(
        site.view,
        plan=replace(site.view.plan, stopped=stopped),
        proofs=(),
    )
    site.set_local_stop(Direction.PRODUCTION, BUTTON, held=held)


async def begin(hass: HomeAssistant, entry: MockConfigEntry) -> Any:
    result = await choose(hass, await open_menu(hass, entry), "commissioning_start")
    assert result["type"] is FlowResultType.FORM
    return await answer(
        hass, result, stop_inputs=[BUTTON], rehearse=False, on_site=True
    )


async def test_it_is_started_followed_and_shown(
    hass: HomeAssistant, ready: FakeSite, entry: MockConfigEntry
) -> None:
    result = await begin(hass, entry)
    assert result["type"] is FlowResultType.SHOW_PROGRESS
    assert result["description_placeholders"]["step"] == "Red button: stop button"
    result = await shown(
        hass, result, lambda r: r["progress_action"] == "commissioning_prompt"
    )
    assert result["description_placeholders"]["prompt"].startswith("Press the stop")
    assert result["description_placeholders"]["number"] == "1"
    await hass.async_block_till_done()
    state = hass.states.get("sensor.bakery_commissioning")
    assert state is not None
    assert state.state == "waiting"
    assert state.attributes["step"] == "Red button: stop button"
    # The page is loaded anew: another form finds the same run.
    again = await open_menu(hass, entry)
    assert again["type"] is FlowResultType.SHOW_PROGRESS
    assert again["description_placeholders"]["prompt"].startswith("Press the stop")
    await ready.commissioning.cancel()
    result = await shown(
        hass, again, lambda r: r["type"] is not FlowResultType.SHOW_PROGRESS
    )
    assert result["step_id"] == "commissioning_result"
    assert result["description_placeholders"]["early"] == "**It was cancelled.**"
    assert "Red button" in result["description_placeholders"]["checklist"]
    assert "only configured" in result["description_placeholders"]["checklist"]
    result = await answer(hass, result)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    state = hass.states.get("sensor.bakery_commissioning")
    assert state is not None
    assert state.state == "ended_early"


async def test_closing_the_form_ends_the_run(
    hass: HomeAssistant, ready: FakeSite, entry: MockConfigEntry
) -> None:
    result = await begin(hass, entry)
    assert ready.commissioning.running
    hass.config_entries.options.async_abort(result["flow_id"])
    await hass.async_block_till_done()
    assert not ready.commissioning.running
    assert ready.commissioning.status is not None
    assert ready.commissioning.status.ended_early == "It was cancelled"


async def test_it_is_not_begun_without_somebody_there_or_with_a_reason(
    hass: HomeAssistant, ready: FakeSite, entry: MockConfigEntry
) -> None:
    result = await choose(hass, await open_menu(hass, entry), "commissioning_start")
    asked = {"stop_inputs": [BUTTON], "rehearse": False}
    result = await answer(hass, result, **asked, on_site=False)
    assert result["errors"] == {"on_site": "not_on_site"}
    ready.show(shadow=True)
    result = await answer(hass, result, **asked, on_site=True)
    assert result["errors"] == {"base": "commissioning_not_now"}
    assert "shadow" in result["description_placeholders"]["detail"]
    ready.show(shadow=False)
    result = await answer(hass, result, rehearse=False, on_site=True)
    assert result["errors"] == {"base": "nothing_to_try"}
    result = await answer(hass, result, **asked, on_site=True)
    assert result["type"] is FlowResultType.SHOW_PROGRESS
    await ready.commissioning.cancel()
    await hass.async_block_till_done()


async def test_a_form_outlives_its_site(
    hass: HomeAssistant, ready: FakeSite, entry: MockConfigEntry
) -> None:
    result = await begin(hass, entry)
    await hass.config_entries.async_unload(entry.entry_id)
    await ready.commissioning.cancel()
    await hass.async_block_till_done()
    result = await shown(
        hass, result, lambda r: r["type"] is not FlowResultType.SHOW_PROGRESS
    )
    assert result["reason"] == "site_not_running"


async def test_a_site_that_does_not_run_has_none(
    hass: HomeAssistant, ready: FakeSite, entry: MockConfigEntry
) -> None:
    await hass.config_entries.async_unload(entry.entry_id)
    assert entry.state is ConfigEntryState.NOT_LOADED
    result = await open_menu(hass, entry)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "site_not_running"


# ----------------------------------------------------------------------------- proofs


def device(subject: str, name: str, nature: Nature) -> DeviceConfig:
    return DeviceConfig(
        device_id=subject,
        name=name,
        asset=Asset(
            id=subject,
            name=name,
            nature=nature,
            category=Category.EV,
            rated_consumption=1000.0,
            phases=3,
            lines=tuple(Line),
        ),
    )


def proven(
    config: DeviceConfig,
    *,
    order: tuple[Line, ...] | None = None,
    turned: Turned | None = None,
) -> Result:
    return Result(
        check=Check.RESPONSE,
        subject=config.device_id,
        name=config.name,
        outcome=Outcome.PROVEN if turned is None else Outcome.FAILED,
        text=sentences(
            Phrase("step_followed", "It follows"),
            Phrase(
                "after",
                "{what} after {time}",
                what=Phrase("step_told", "A step of {power} was told", power="1000 W"),
                time="1.5 s",
            ),
        ),
        at=NOW,
        setup=fingerprint(config),
        seconds=1.0,
        response=Response(
            told=1000.0,
            lines=() if order is None else order[:1],
            lines_agree=None if order is None else False,
            order=order,
            turned=turned,
        ),
    )


@pytest.fixture
def learned(ready: FakeSite) -> FakeSite:
    """A charger whose phases are turned, a battery whose power has the other sign."""
    charger = device(sites.CHARGER_ID, "Charger", Nature.CHARGER)
    battery = device(sites.BATTERY_ID, "Battery", Nature.BATTERY)
    wallbox = device(sites.WALLBOX_ID, "Wallbox", Nature.CHARGER)
    ready.devices = {item.device_id: item for item in (charger, battery, wallbox)}
    results = (
        proven(charger, order=(Line.L2, Line.L3, Line.L1)),
        proven(battery, turned=Turned.READING),
        # A meter that looks the other way is nothing of the asset's own.
        proven(wallbox, turned=Turned.METER),
    )
    ready.commissioning.restore({(r.subject, r.check): r for r in results})
    return ready


async def test_what_is_proven_changes_the_configuration_only_when_confirmed(
    hass: HomeAssistant, learned: FakeSite, entry: MockConfigEntry
) -> None:
    before = {key: dict(item.data) for key, item in entry.subentries.items()}
    result = await open_menu(hass, entry)
    assert "commissioning_apply" in result["menu_options"]
    result = await choose(hass, result, "commissioning_apply")
    (field,) = result["data_schema"].schema.values()
    labels = [option["label"] for option in field.config["options"]]
    assert labels == [
        "Charger: its phases are on L2 L3 L1",
        "Battery: the sign of its power is the other way round",
    ]
    # Nothing is chosen, nothing changes.
    result = await answer(hass, result, proposals=[])
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert {key: dict(item.data) for key, item in entry.subentries.items()} == before

    result = await choose(hass, await open_menu(hass, entry), "commissioning_apply")
    result = await answer(hass, result, proposals=[sites.CHARGER_ID, sites.BATTERY_ID])
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert entry.subentries[sites.CHARGER_ID].data["lines"] == ["L2", "L3", "L1"]
    params = entry.subentries[sites.BATTERY_ID].data["params"]
    assert params["power_sign"] == "load_negative"
    assert params["unit"] == 1


async def test_the_checklist_speaks_the_language_of_home_assistant(
    hass: HomeAssistant, learned: FakeSite, entry: MockConfigEntry
) -> None:
    hass.config.language = "nl"
    await async_get_translations(hass, "nl", "common", {DOMAIN})
    result = await choose(hass, await open_menu(hass, entry), "commissioning_checklist")
    checklist = result["description_placeholders"]["checklist"]
    assert "| ✓ bewezen | **Charger**: Volgt kleine stappen | Hij volgt. " in checklist
    assert "**Aansluiting**: Contract en zekering | Hoofdzekering 63,0 A" in checklist
    result = await choose(hass, await open_menu(hass, entry), "commissioning_apply")
    (field,) = result["data_schema"].schema.values()
    labels = [option["label"] for option in field.config["options"]]
    assert labels[1] == "Battery: het teken van zijn vermogen is omgekeerd"


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        (
            "nl",
            ("Controlelijst", "✓ bewezen", "Volgt kleine stappen", "Hij volgt. "),
        ),
        ("fr", ("Liste de contrôle", "✓ prouvé", "Intégration Netflex")),
        ("de", ("Checkliste", "✓ bewiesen", "Netflex-Datenmodell")),
        ("en", ("Checklist", "✓ proven", "It follows. A step of 1000 W was told")),
    ],
)
async def test_the_report_speaks_the_language_of_home_assistant(
    hass: HomeAssistant,
    learned: FakeSite,
    entry: MockConfigEntry,
    language: str,
    expected: tuple[str, ...],
) -> None:
    hass.config.language = language
    await async_get_translations(hass, language, "common", {DOMAIN})
    found = await async_export(hass, entry)
    page = Path(found["html"]).read_text(encoding="utf-8")
    assert f'<html lang="{language}">' in page
    for words in expected:
        assert words in page
    english = ("Checklist<", "proven", "Standing", "Netflex integration", "Not tried")
    assert all((words in page) is (language == "en") for words in english)
    # What programs read stays as it is.
    assert "It follows" in Path(found["json"]).read_text(encoding="utf-8")


async def test_proofs_are_shown_and_forgotten(
    hass: HomeAssistant, learned: FakeSite, entry: MockConfigEntry
) -> None:
    result = await choose(hass, await open_menu(hass, entry), "commissioning_checklist")
    checklist = result["description_placeholders"]["checklist"]
    assert "✓ proven | **Charger**: Follows small steps" in checklist
    assert "✗ failed | **Battery**: Follows small steps" in checklist
    # 12:00 UTC, on the clocks of the house.
    assert "2026-11-22 04:00" in checklist
    assert "UTC" not in checklist
    assert checklist.startswith("**1 proven, 5 failed**; ")
    assert (await answer(hass, result))["type"] is FlowResultType.CREATE_ENTRY
    result = await choose(hass, await open_menu(hass, entry), "commissioning_reset")
    result = await answer(hass, result, subjects=[sites.CHARGER_ID])
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert (sites.CHARGER_ID, Check.RESPONSE) not in learned.commissioning.results
    assert (sites.BATTERY_ID, Check.RESPONSE) in learned.commissioning.results


async def test_the_result_leads_to_what_it_would_change(
    hass: HomeAssistant, learned: FakeSite, entry: MockConfigEntry
) -> None:
    result = await begin(hass, entry)
    await learned.commissioning.cancel()
    result = await shown(
        hass, result, lambda r: r["type"] is not FlowResultType.SHOW_PROGRESS
    )
    result = await answer(hass, result)
    assert result["step_id"] == "commissioning_apply"


async def test_the_checklist_is_exported_and_diagnosed(
    hass: HomeAssistant, learned: FakeSite, entry: MockConfigEntry, tmp_path: Path
) -> None:
    found = await hass.services.async_call(
        DOMAIN,
        "export_checklist",
        {"config_entry_id": entry.entry_id},
        blocking=True,
        return_response=True,
    )
    assert found is not None
    assert found["proven"] == 1
    # The steps of battery and wallbox, the charger's lines, and both meters.
    assert found["failed"] == 5
    written = json.loads(Path(str(found["json"])).read_text())
    assert written["format"] == "netflex-commissioning"
    assert len(written["results"]) == 3
    assert "Bakery" in Path(str(found["html"])).read_text()
    (tmp_path / "netflex" / "rehearsals" / entry.entry_id).rename(tmp_path / "gone")
    (tmp_path / "netflex" / "rehearsals" / entry.entry_id).write_text("in the way")
    with pytest.raises(HomeAssistantError) as caught:
        await hass.services.async_call(
            DOMAIN,
            "export_checklist",
            {"config_entry_id": entry.entry_id},
            blocking=True,
            return_response=True,
        )
    assert caught.value.translation_key == "checklist_not_written"


async def test_the_action_cancels_and_the_report_follows(
    hass: HomeAssistant, ready: FakeSite, entry: MockConfigEntry, tmp_path: Path
) -> None:
    await begin(hass, entry)
    await hass.services.async_call(
        DOMAIN,
        "cancel_commissioning",
        {"config_entry_id": entry.entry_id},
        blocking=True,
    )
    assert not ready.commissioning.running
    assert ready.commissioning.status is not None
    assert ready.commissioning.status.ended_early == "It was cancelled"
    folder = tmp_path / "netflex" / "rehearsals" / entry.entry_id
    async with asyncio.timeout(10):
        while not list(folder.glob("commissioning_*.html")):
            await asyncio.sleep(0.01)


def test_results_survive_a_restart() -> None:
    config = device("charger", "Charger", Nature.CHARGER)
    result = proven(config, order=(Line.L2, Line.L3, Line.L1))
    memory = SiteMemory(commissioned={(result.subject, result.check): result})
    stored = json.loads(json.dumps(memory.to_dict()))
    restored = read_site_memory(stored).commissioned
    assert restored == memory.commissioned
    # What was said before the restart is said in the user's language after it.
    dutch = Words("nl", texts("nl"))
    said = dutch.say(restored[result.subject, result.check].text)
    assert said.startswith("Hij volgt. ")
    assert said.endswith(" van 1000 W werd opgedragen na 1,5 s")
    # Results of a version that stored plain texts are read too.
    stored["commissioned"]["results"][0]["text"] = "It follows."
    (plain,) = read_site_memory(stored).commissioned.values()
    assert dutch.say(plain.text) == "It follows."
    for wrong in ({"key": "step_followed"}, {"key": "k", "text": "t", "figures": []}):
        stored["commissioned"]["results"][0]["text"] = wrong
        assert read_site_memory(stored).commissioned == {}
    stored = json.loads(json.dumps(memory.to_dict()))
    stored["commissioned"]["results"][0]["outcome"] = "perhaps"
    assert read_site_memory(stored).commissioned == {}


async def test_a_proof_without_a_place_in_the_configuration_changes_nothing(
    hass: HomeAssistant, learned: FakeSite, entry: MockConfigEntry
) -> None:
    """A sign that the device's profile fixes cannot be turned from here."""
    config = learned.devices[sites.CHARGER_ID]
    inverter = device(sites.INVERTER_ID, "Roof", Nature.INVERTER)
    learned.devices = {item.device_id: item for item in (config, inverter)}
    results = (
        proven(config, turned=Turned.READING),
        proven(inverter, turned=Turned.SETPOINT),
        # Nothing is wrong with it.
        proven(device("gone", "Gone", Nature.CHARGER), order=(Line.L1,)),
    )
    learned.commissioning.restore({(r.subject, r.check): r for r in results})
    assert site_proposals(hass, entry) == []
    before = {key: dict(item.data) for key, item in entry.subentries.items()}
    wanted = learned.commissioning.proposals(learned.view, connection_point(entry.data))
    assert {item.subject for item in wanted} == {sites.CHARGER_ID, sites.INVERTER_ID}
    gone = replace(wanted[0], subject="gone")
    async_apply(hass, entry, [*wanted, gone])
    assert {key: dict(item.data) for key, item in entry.subentries.items()} == before


async def test_the_rehearsal_is_part_of_it(
    hass: HomeAssistant, ready: FakeSite, entry: MockConfigEntry
) -> None:
    with patch("custom_components.netflex.commissioning.async_rehearse") as rehearse:
        result = await choose(hass, await open_menu(hass, entry), "commissioning_start")
        await answer(hass, result, stop_inputs=[], rehearse=True, on_site=True)
        await ready.commissioning.finished()
    rehearse.assert_awaited_once_with(hass, entry, real=False)
    assert ready.commissioning.status is not None
    assert ready.commissioning.status.ended_early is None
    await hass.async_block_till_done()


@pytest.mark.parametrize(
    ("turned", "data"),
    [
        (None, sites.BATTERY),
        (Turned.READING, sites.ENTITY_CHARGER),
        (Turned.READING, sites.CHARGER),
    ],
)
async def test_a_proposal_without_a_place_in_the_form_changes_nothing(
    hass: HomeAssistant, turned: Turned | None, data: dict[str, Any]
) -> None:
    """Nothing is turned, no profile, or a profile whose sign nobody can choose."""
    await async_profiles(hass)
    proposal = Proposal(
        subject="x", name="X", text="", response=Response(told=1.0, turned=turned)
    )
    assert _changed(hass, sites.subentry("battery", "x", "X", data), proposal) is None
