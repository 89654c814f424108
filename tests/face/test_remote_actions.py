"""The actions by which automations hold loads back, over the real site."""

from typing import Any

from homeassistant.const import STATE_OFF, STATE_ON
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.netflex.const import DOMAIN
from custom_components.netflex.model.asset import Direction

from . import sites
from .fakes import FakeSite
from .test_real_site import OVEN, add_oven, running, shows, until  # noqa: F401
from .test_silence import device_id

HOUR = "01:00:00"


async def call(hass: HomeAssistant, action: str, subject: str, **said: Any) -> Any:
    return await hass.services.async_call(
        DOMAIN,
        action,
        {"device_id": device_id(hass, subject), **said},
        blocking=True,
        return_response=action == "hold_back",
    )


async def test_an_automation_holds_a_load_back_and_gives_it_back(
    hass: HomeAssistant,
    running: MockConfigEntry,  # noqa: F811
) -> None:
    oven = await add_oven(hass, running)
    await until(hass, shows(hass, OVEN, STATE_ON))
    site = running.runtime_data.site
    found = await call(
        hass, "hold_back", oven, source="Evening", reason="dear", duration=HOUR
    )
    assert set(found) == {"until"}
    await until(hass, shows(hass, OVEN, STATE_OFF))
    (cause,) = site.view.plan.setpoints[oven].causes
    assert cause.text.startswith("Evening holds it back since ")
    assert cause.text.endswith(": dear")
    await call(hass, "release_load", oven, source="Somebody else")
    assert len(site.view.remote[oven]) == 1
    await call(hass, "release_load", oven)
    assert not site.view.remote.get(oven)


async def test_S14_releasing_a_load_lifts_no_stop(
    hass: HomeAssistant,
    running: MockConfigEntry,  # noqa: F811
) -> None:
    oven = await add_oven(hass, running)
    await until(hass, shows(hass, OVEN, STATE_ON))
    await call(hass, "hold_back", oven, source="Evening", duration=HOUR)
    await until(hass, shows(hass, OVEN, STATE_OFF))
    site = running.runtime_data.site
    site.set_local_stop(Direction.CONSUMPTION, "panel", held=True)
    await call(hass, "release_load", oven, source="Evening")
    assert not site.view.remote.get(oven)
    assert site.view.plan.setpoints[oven].value == 0
    assert hass.states.is_state(OVEN, STATE_OFF)


@pytest.mark.parametrize(
    ("subject", "said", "key"),
    [
        (sites.CHARGER_ID, {"duration": HOUR}, "no_load"),
        (sites.LOAD_ID, {"duration": "25:00:00"}, "held_back_too_long"),
        (sites.LOAD_ID, {"until": "2001-01-01 00:00:00"}, "end_has_passed"),
    ],
)
async def test_what_cannot_be_held_back_is_refused_with_a_reason(
    hass: HomeAssistant,
    site: FakeSite,
    subject: str,
    said: dict[str, Any],
    key: str,
) -> None:
    with pytest.raises(ServiceValidationError) as caught:
        await call(hass, "hold_back", subject, source="Evening", **said)
    assert caught.value.translation_key == key


async def test_a_load_that_must_stay_on_is_not_held_back(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry
) -> None:
    load = entry.subentries[sites.LOAD_ID]
    hass.config_entries.async_update_subentry(
        entry, load, data={**load.data, "never_shed": True}
    )
    with pytest.raises(ServiceValidationError) as caught:
        await call(hass, "hold_back", sites.LOAD_ID, source="Evening", duration=HOUR)
    assert caught.value.translation_key == "never_held_back"


async def test_S14_a_load_may_have_a_delay_of_its_own_after_a_loss(
    hass: HomeAssistant,
    running: MockConfigEntry,  # noqa: F811
) -> None:
    oven = await add_oven(hass, running)
    subentry = running.subentries[oven]
    hass.config_entries.async_update_subentry(
        running, subentry, data={**subentry.data, "remote_lost_after": 7.0}
    )
    await hass.async_block_till_done()
    await call(hass, "hold_back", oven, source="Evening", duration=HOUR)
    site = running.runtime_data.site
    (command,) = site.view.remote[oven]
    assert command.lost_after == 7.0
