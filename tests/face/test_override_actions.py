"""The actions that use an asset in another way than its mode says, for a while."""

from datetime import timedelta
import json
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.util import dt as dt_util
import pytest
import voluptuous as vol

from custom_components.netflex.const import DOMAIN
from custom_components.netflex.model.modes import ChargerMode
from custom_components.netflex.model.snapshot import Override, UserLimits
from custom_components.netflex.stored import SiteMemory, read_site_memory

from . import sites
from .fakes import FakeSite
from .test_silence import device_id

NOW = "2026-11-28T12:00:00+00:00"


async def override(hass: HomeAssistant, subject: str, **said: Any) -> Any:
    return await hass.services.async_call(
        DOMAIN,
        "set_override",
        {"device_id": device_id(hass, subject), **said},
        blocking=True,
        return_response=True,
    )


@pytest.mark.freeze_time(NOW)
@pytest.mark.parametrize(
    ("subject", "said", "expected"),
    [
        (sites.CHARGER_ID, {"current": 10}, Override(current=10.0)),
        (sites.CHARGER_ID, {"current": 0}, Override(current=0.0)),
        (sites.BATTERY_ID, {"power": -2.5}, Override(target_power=-2500.0)),
        (sites.INVERTER_ID, {"limit": 3}, Override(power=3000.0)),
        (sites.LOAD_ID, {"switch": False}, Override(switch=False)),
    ],
)
async def test_each_kind_of_asset_takes_its_own(
    hass: HomeAssistant,
    site: FakeSite,
    subject: str,
    said: dict[str, Any],
    expected: Override,
) -> None:
    site.set_user_limits(subject, UserLimits(locked=False, mode=ChargerMode.SOLAR))
    found = await override(hass, subject, **said, duration="02:00:00")
    assert found == {"until": "2026-11-28T14:00:00+00:00"}
    limits = site.view.user[subject]
    assert limits.mode is ChargerMode.SOLAR
    assert limits.override is not None
    assert limits.override.until == dt_util.utcnow() + timedelta(hours=2)
    assert limits.override == Override(
        current=expected.current,
        power=expected.power,
        target_power=expected.target_power,
        switch=expected.switch,
        until=limits.override.until,
    )
    await hass.services.async_call(
        DOMAIN,
        "clear_override",
        {"device_id": device_id(hass, subject)},
        blocking=True,
    )
    assert site.view.user[subject].override is None
    assert site.view.user[subject].mode is ChargerMode.SOLAR
    # None is no error, and nothing is written for it.
    commands = len(site.commands)
    await hass.services.async_call(
        DOMAIN,
        "clear_override",
        {"device_id": device_id(hass, subject)},
        blocking=True,
    )
    assert len(site.commands) == commands


@pytest.mark.freeze_time(NOW)
async def test_an_end_may_be_a_time(hass: HomeAssistant, site: FakeSite) -> None:
    await hass.config.async_set_time_zone("Europe/Brussels")
    found = await override(
        hass, sites.CHARGER_ID, current=8, until="2026-11-28 22:00:00"
    )
    assert found == {"until": "2026-11-28T21:00:00+00:00"}


@pytest.mark.freeze_time(NOW)
@pytest.mark.parametrize(
    ("subject", "said", "key"),
    [
        (sites.CHARGER_ID, {"power": 3}, "override_takes_current"),
        (sites.CHARGER_ID, {}, "override_takes_current"),
        (sites.CHARGER_ID, {"current": 8, "power": 1}, "override_takes_current"),
        (sites.BATTERY_ID, {"current": 3}, "override_takes_power"),
        (sites.INVERTER_ID, {"switch": True}, "override_takes_limit"),
        (sites.LOAD_ID, {"limit": 3}, "override_takes_switch"),
        (sites.CHARGER_ID, {"current": 4}, "override_current"),
        (sites.CHARGER_ID, {"current": 40}, "override_current"),
    ],
)
async def test_what_does_not_fit_is_refused(
    hass: HomeAssistant, site: FakeSite, subject: str, said: dict[str, Any], key: str
) -> None:
    with pytest.raises(ServiceValidationError) as caught:
        await override(hass, subject, **said, duration="01:00:00")
    assert caught.value.translation_key == key
    assert site.commands == []


@pytest.mark.freeze_time(NOW)
async def test_it_has_one_end_in_the_future(
    hass: HomeAssistant, site: FakeSite
) -> None:
    with pytest.raises(ServiceValidationError) as caught:
        await override(hass, sites.CHARGER_ID, current=8, until="2026-11-28 03:00:00")
    assert caught.value.translation_key == "end_has_passed"
    for ends in ({}, {"duration": "01:00:00", "until": "2026-11-29 03:00:00"}):
        with pytest.raises(vol.Invalid):
            await override(hass, sites.CHARGER_ID, current=8, **ends)


def test_it_survives_a_restart_with_its_end() -> None:
    until = dt_util.parse_datetime(NOW)
    memory = SiteMemory(overrides={"charger": Override(current=10.0, until=until)})
    stored = json.loads(json.dumps(memory.to_dict()))
    assert read_site_memory(stored).overrides == memory.overrides
    stored["overrides"]["charger"]["until"] = "tomorrow"
    assert read_site_memory(stored).overrides == {}
