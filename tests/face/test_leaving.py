"""Consent that is taken back, sites that are taken down, identities that are replaced."""

from datetime import timedelta
import json
from typing import Any
from unittest.mock import Mock, patch

from homeassistant.const import STATE_OFF, STATE_ON
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.netflex.const import DOMAIN
from custom_components.netflex.model.asset import Direction
from custom_components.netflex.pseudonyms import replaced
from custom_components.netflex.simulation.flexoffer_manager import SimulatedManager
from custom_components.netflex.site_flexoffers import flexoffers_store
from custom_components.netflex.site_northbound import outbox_path
from custom_components.netflex.switch import HOLDER
from custom_components.netflex.telecontrol.journal_format import RecordKind

from . import sites
from .fakes import FakeSite
from .test_real_site import OVEN, add_oven, running, shows, until  # noqa: F401
from .test_remote_actions import HOUR, call as on_load

BROKER = {
    "enabled": True,
    "protocol": "plain",
    "broker": "127.0.0.1",
    "broker_port": 9,
    "endpoint": "house",
    "use_tls": False,
    "consent": {"by": "Owner", "at": "2026-01-01T00:00:00+00:00"},
}


async def act(
    hass: HomeAssistant, entry: MockConfigEntry, name: str, **said: Any
) -> Any:
    return await hass.services.async_call(
        DOMAIN,
        name,
        {"config_entry_id": entry.entry_id, **said},
        blocking=True,
        return_response=True,
    )


def recorded(entry: MockConfigEntry, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return what is recorded from now on."""
    records: list[Any] = []
    journal = entry.runtime_data.journal
    record = journal.record

    def note(kind: RecordKind, data: Any) -> None:
        records.append((kind, data))
        record(kind, data)

    monkeypatch.setattr(journal, "record", note)
    return records


async def test_withdrawing_consent_ends_it_erases_what_waits_and_is_recorded(
    hass: HomeAssistant,
    running: MockConfigEntry,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    socket_enabled: None,
) -> None:
    hass.config_entries.async_update_entry(
        running,
        options={"version": 1, "northbound": BROKER, "readings": {"keep": True}},
    )
    await hass.async_block_till_done()
    outbox = outbox_path(hass, running.entry_id)
    await until(hass, outbox.exists)
    records = recorded(running, monkeypatch)
    found = await act(hass, running, "withdraw_consent", readings=True)
    assert found["withdrawn"] == ["northbound"]
    assert set(found["erased"]) == {"outbox", "readings"}
    assert not list(outbox.parent.glob("outbox.db*"))
    northbound = running.options["northbound"]
    assert northbound["enabled"] is False
    assert "consent" not in northbound
    assert running.options["readings"]["keep"] is False
    assert running.runtime_data.site.view.northbound is None
    (data,) = [data for kind, data in records if kind is RecordKind.CONSENT]
    assert data["withdrawn"] == ["northbound"]
    assert set(data["erased"]) == {"outbox", "readings"}


async def test_withdrawing_consent_ends_flexoffers_and_erases_their_schedules(
    hass: HomeAssistant,
    running: MockConfigEntry,  # noqa: F811
    hass_storage: dict[str, Any],
    socket_enabled: None,
) -> None:
    key = flexoffers_store(hass, running.entry_id).key
    async with SimulatedManager() as manager:
        options = {
            "enabled": True,
            "url": manager.url,
            "username": "home",
            "password": "secret",
            "consent": {"by": "Owner", "at": "2026-01-01T00:00:00+00:00"},
        }
        hass.config_entries.async_update_entry(
            running, options={"version": 1, "flexoffers": options}
        )
        await until(hass, lambda: bool(manager.beats))
        assert running.runtime_data.site.view.flexoffers is not None
        found = await act(hass, running, "withdraw_consent")
        assert (found["withdrawn"], found["erased"]) == (["flexoffers"], ["flexoffers"])
        beats = len(manager.beats)
        assert running.options["flexoffers"]["enabled"] is False
        assert "consent" not in running.options["flexoffers"]
        assert key not in hass_storage
        assert running.runtime_data.flexoffers._running is None
        async_fire_time_changed(hass, dt_util.utcnow() + timedelta(minutes=10))
        await hass.async_block_till_done()
        assert len(manager.beats) == beats
        assert key not in hass_storage


async def test_readings_stay_unless_the_user_says_so(
    hass: HomeAssistant,
    running: MockConfigEntry,  # noqa: F811
) -> None:
    hass.config_entries.async_update_entry(
        running, options={"version": 1, "readings": {"keep": True}}
    )
    await hass.async_block_till_done()
    found = await act(hass, running, "withdraw_consent")
    assert (found["withdrawn"], found["erased"]) == ([], [])
    assert running.options["readings"]["keep"] is True


async def test_taking_a_site_down_gives_loads_back_and_says_what_is_left(
    hass: HomeAssistant,
    running: MockConfigEntry,  # noqa: F811
) -> None:
    oven = await add_oven(hass, running)
    await until(hass, shows(hass, OVEN, STATE_ON))
    await on_load(hass, "hold_back", oven, source="Evening", duration=HOUR)
    await until(hass, shows(hass, OVEN, STATE_OFF))
    found = await act(hass, running, "decommission")
    assert not running.runtime_data.site.view.remote.get(oven)
    assert {
        "what": "released",
        "device": "Oven",
        "from": "automation Evening",
    } in found["done"]
    assert [item["what"] for item in found["left"]] == ["not_on_yet", "remove_site"]
    await hass.config_entries.async_remove(running.entry_id)
    await until(hass, shows(hass, OVEN, STATE_ON))


async def test_what_cannot_be_erased_is_said(
    hass: HomeAssistant,
    running: MockConfigEntry,  # noqa: F811
) -> None:
    hass.config_entries.async_update_entry(
        running, options={"version": 1, "readings": {"keep": True}}
    )
    await hass.async_block_till_done()
    fault = OSError(30, "Read-only file system")
    with (
        patch.object(
            type(running.runtime_data.readings), "async_erase", side_effect=fault
        ),
        pytest.raises(HomeAssistantError) as refused,
    ):
        await act(hass, running, "withdraw_consent", readings=True)
    assert refused.value.translation_key == "not_erased"
    assert refused.value.translation_placeholders is not None
    assert refused.value.translation_placeholders["site"] == running.title
    # What was consented to has ended all the same.
    assert running.options["readings"]["keep"] is False


async def test_taking_down_a_site_with_an_operator_and_a_relay_names_both(
    hass: HomeAssistant,
    site: FakeSite,
    entry: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    journal = Mock()
    monkeypatch.setattr(entry.runtime_data, "journal", journal, raising=False)
    found = await act(hass, entry, "decommission")
    (kind, data), _ = journal.record.call_args
    assert kind is RecordKind.CONSENT
    assert data["decommissioned"] is True
    left = {item["what"]: item.get("device") for item in found["left"]}
    assert left["unwire_relay"] == "Emergency relay"
    assert left["remove_site"] == entry.title
    assert "end_telecontrol" in left


async def test_S14_taking_a_site_down_lifts_no_stop(
    hass: HomeAssistant,
    running: MockConfigEntry,  # noqa: F811
) -> None:
    await add_oven(hass, running)
    await until(hass, shows(hass, OVEN, STATE_ON))
    site = running.runtime_data.site
    site.set_local_stop(Direction.CONSUMPTION, HOLDER, held=True)
    await until(hass, shows(hass, OVEN, STATE_OFF))
    found = await act(hass, running, "decommission")
    (oven, _) = found["left"]
    assert oven["what"] == "not_on_yet"
    assert oven["causes"]
    assert site.local_stops.holders(Direction.CONSUMPTION) == {HOLDER}


async def test_an_export_with_pseudonyms_names_nobody_and_is_stable(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry
) -> None:
    plain = (await act(hass, entry, "export_site"))["site"]
    once = (await act(hass, entry, "export_site", pseudonyms=True))["site"]
    again = (await act(hass, entry, "export_site", pseudonyms=True))["site"]
    assert once == again
    text = json.dumps(once)
    for identity in ("Bakery", "192.0.2.", "switch.oven", "sensor.", "socket://"):
        assert identity in json.dumps(plain)
        assert identity not in text
    assert [part["kind"] for part in once["parts"]] == [
        part["kind"] for part in plain["parts"]
    ]
    charger = sites.CHARGER["profile"]
    assert charger in text


def test_the_same_identity_is_another_pseudonym_at_another_site() -> None:
    one, other = replaced({"host": "a"}, "x"), replaced({"host": "a"}, "y")
    assert one["host"].startswith("host-")
    assert one != other
    assert replaced(["541448820000000001"], "x") != ["541448820000000001"]
    assert replaced({"power": 5.0, "phases": 3}, "x") == {"power": 5.0, "phases": 3}


@pytest.mark.parametrize("administrative", [False, True])
async def test_the_description_of_the_house_goes_along_and_who_lives_there_if_asked(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry, administrative: bool
) -> None:
    menu = await hass.config_entries.options.async_init(entry.entry_id)
    form = await hass.config_entries.options.async_configure(
        menu["flow_id"], {"next_step_id": "metadata"}
    )
    described = {"prosumer": "Jane", "ean": "541448820000000001", "heating": "Oil"}
    wrong = await hass.config_entries.options.async_configure(
        form["flow_id"], described | {"inhabitants": -1}
    )
    assert wrong["errors"] == {"inhabitants": "metadata_out_of_range"}
    await hass.config_entries.options.async_configure(
        form["flow_id"], described | {"inhabitants": 4}
    )
    await hass.async_block_till_done()
    found = await act(hass, entry, "export_site", administrative=administrative)
    kept = found["site"]["options"]["metadata"]
    assert kept["heating"] == "Oil"
    assert kept["inhabitants"] == 4
    assert ("prosumer" in kept) is administrative
    assert ("ean" in kept) is administrative
