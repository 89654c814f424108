"""The action that pulls the plug, and what is shown of what it learned."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from unittest.mock import AsyncMock

from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import ServiceValidationError, Unauthorized
from homeassistant.helpers import device_registry as dr
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser

from custom_components.netflex.const import DOMAIN
from custom_components.netflex.devices.silence import SilenceFacts
from custom_components.netflex.site.silence_test import (
    SilenceRefusedError,
    SilenceResult,
)
from custom_components.netflex.site.view import LearnedFallback
from custom_components.netflex.stored import SiteMemory, read_site_memory

from . import sites
from .fakes import FakeSite

RESULT = SilenceResult(
    seconds=64.04,
    told=16.0,
    fell_back_after=60.12,
    fallback=6.0,
    expected=SilenceFacts(after=60.0, fallback=6.0),
    ended_by="it has fallen back",
    came_back=True,
)
LEARNED = LearnedFallback(value=6.0, after=60.12, at=datetime(2026, 11, 22, tzinfo=UTC))


def device_id(hass: HomeAssistant, subject: str) -> str:
    (entry,) = hass.config_entries.async_entries(DOMAIN)
    registry = dr.async_get(hass)
    (found,) = (
        device.id
        for device in dr.async_entries_for_config_entry(registry, entry.entry_id)
        if (DOMAIN, subject) in device.identifiers
    )
    return found


async def pull(hass: HomeAssistant, device: str, **more: Any) -> Any:
    return await hass.services.async_call(
        DOMAIN,
        "test_silence",
        {"device_id": device, **more},
        blocking=True,
        return_response=True,
    )


async def test_what_a_device_did_is_returned(
    hass: HomeAssistant, site: FakeSite
) -> None:
    site.test_silence = AsyncMock(return_value=RESULT)  # type: ignore[attr-defined]
    answer = await pull(hass, device_id(hass, sites.CHARGER_ID), seconds=90)
    site.test_silence.assert_awaited_once_with(sites.CHARGER_ID, 90.0)  # type: ignore[attr-defined]
    assert answer["fell_back"] is True
    assert answer["fell_back_after"] == 60.1
    assert answer["fallback"] == 6.0
    assert answer["came_back"] is True


async def test_why_it_may_not_be_is_said(hass: HomeAssistant, site: FakeSite) -> None:
    site.test_silence = AsyncMock(  # type: ignore[attr-defined]
        side_effect=SilenceRefusedError("stop_active", "an emergency stop is in force")
    )
    with pytest.raises(ServiceValidationError) as caught:
        await pull(hass, device_id(hass, sites.CHARGER_ID))
    assert caught.value.translation_key == "silence_refused"
    assert caught.value.translation_placeholders == {
        "device": "Charger",
        "reason": "an emergency stop is in force",
    }


@pytest.mark.parametrize("subject", [sites.METER_ID, sites.RELAY_ID])
async def test_only_what_is_driven_can_be_left_alone(
    hass: HomeAssistant, site: FakeSite, subject: str
) -> None:
    with pytest.raises(ServiceValidationError) as caught:
        await pull(hass, device_id(hass, subject))
    assert caught.value.translation_key == "no_asset"


async def test_of_a_site_that_does_not_run_it_is_said(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry
) -> None:
    charger = device_id(hass, sites.CHARGER_ID)
    await hass.config_entries.async_unload(entry.entry_id)
    with pytest.raises(ServiceValidationError) as caught:
        await pull(hass, charger)
    assert caught.value.translation_key == "site_not_loaded"


async def test_administrators_only(hass: HomeAssistant, site: FakeSite) -> None:
    user = MockUser(groups=[]).add_to_hass(hass)
    with pytest.raises(Unauthorized):
        await hass.services.async_call(
            DOMAIN,
            "test_silence",
            {"device_id": device_id(hass, sites.CHARGER_ID)},
            blocking=True,
            context=Context(user_id=user.id),
        )


async def test_what_was_learned_is_an_attribute(
    hass: HomeAssistant, entry: MockConfigEntry, show: Callable[..., Any]
) -> None:
    await show(fallbacks={sites.CHARGER_ID: LEARNED})
    problem = hass.states.get("binary_sensor.charger_problem")
    assert problem is not None
    assert problem.attributes["learned_fallback"] == 6.0
    assert problem.attributes["learned_fallback_after"] == 60


def test_what_was_learned_survives_a_restart() -> None:
    memory = SiteMemory(fallbacks={"charger": LEARNED})
    assert read_site_memory(memory.to_dict()).fallbacks == {"charger": LEARNED}
    broken = memory.to_dict() | {"fallbacks": {"charger": {"value": "x"}}}
    assert read_site_memory(broken).fallbacks == {}
