"""The actions of somebody who takes a consent back, or takes the site down."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from homeassistant.const import ATTR_CONFIG_ENTRY_ID
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.service import async_register_admin_service
from homeassistant.util import dt as dt_util
from homeassistant.util.json import JsonValueType
import voluptuous as vol

from .actions_common import loaded_entry, not_erased
from .const import DOMAIN
from .coordinator import NetflexConfigEntry
from .entry_data import SubentryType
from .flexoffer_options import CONF_FLEXOFFERS
from .model.modes import LoadMode
from .model.snapshot import NO_USER_LIMITS
from .northbound_options import CONF_CONSENT, CONF_ENABLED, CONF_NORTHBOUND
from .readings_options import CONF_KEEP, CONF_READINGS
from .site_flexoffers import flexoffers_store
from .site_northbound import outbox_path
from .telecontrol.journal_format import RecordKind
from .words import words_of

SERVICE_WITHDRAW_CONSENT: Final = "withdraw_consent"
SERVICE_DECOMMISSION: Final = "decommission"
ATTR_READINGS: Final = "readings"

_CONSENTED: Final = (CONF_NORTHBOUND, CONF_FLEXOFFERS)

WITHDRAW_CONSENT_SCHEMA: Final = vol.Schema(
    {
        vol.Required(ATTR_CONFIG_ENTRY_ID): cv.string,
        vol.Optional(ATTR_READINGS, default=False): cv.boolean,
    }
)
DECOMMISSION_SCHEMA: Final = vol.Schema({vol.Required(ATTR_CONFIG_ENTRY_ID): cv.string})


@callback
def async_register_leaving(hass: HomeAssistant) -> None:
    """Register the actions, which exist whether or not a site is loaded."""
    async_register_admin_service(
        hass,
        DOMAIN,
        SERVICE_WITHDRAW_CONSENT,
        _async_withdraw_consent,
        schema=WITHDRAW_CONSENT_SCHEMA,
        supports_response=SupportsResponse.OPTIONAL,
    )
    async_register_admin_service(
        hass,
        DOMAIN,
        SERVICE_DECOMMISSION,
        _async_decommission,
        schema=DECOMMISSION_SCHEMA,
        supports_response=SupportsResponse.ONLY,
    )


async def _async_withdraw_consent(call: ServiceCall) -> ServiceResponse:
    """End everything that was consented to, and erase what was kept for it."""
    return await _async_withdraw(
        call.hass, loaded_entry(call), readings=call.data[ATTR_READINGS]
    )


async def _async_withdraw(
    hass: HomeAssistant, entry: NetflexConfigEntry, *, readings: bool
) -> dict[str, Any]:
    withdrawn = [
        key for key in _CONSENTED if CONF_CONSENT in entry.options.get(key, {})
    ]
    options = dict(entry.options)
    for key in _CONSENTED:
        if key in options:
            options[key] = _without_consent(options[key])
    if readings and CONF_READINGS in options:
        options[CONF_READINGS] = {**options[CONF_READINGS], CONF_KEEP: False}
    hass.config_entries.async_update_entry(entry, options=options)
    runtime = entry.runtime_data
    # Not when its turn comes: nothing may be open, or told, when it is erased.
    await runtime.async_entry_changed()
    try:
        erased = await hass.async_add_executor_job(
            _erase_outbox, outbox_path(hass, entry.entry_id)
        )
        kept = flexoffers_store(hass, entry.entry_id)
        if await kept.async_load() is not None:
            await kept.async_remove()
            erased.append("flexoffers")
        if readings:
            await runtime.readings.async_erase()
            erased.append("readings")
    except OSError as err:
        raise not_erased(hass, entry, err) from err
    runtime.journal.record(
        RecordKind.CONSENT,
        {"value": False, "withdrawn": withdrawn, "erased": erased},
    )
    return {
        "withdrawn": withdrawn,
        "erased": erased,
        "at": dt_util.utcnow().isoformat(),
    }


def _without_consent(stored: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in stored.items() if key != CONF_CONSENT}
    return kept | {CONF_ENABLED: False}


def _erase_outbox(path: Path) -> list[str]:
    """Delete what waits for a broker, with the files beside it. Blocking."""
    found = sorted(path.parent.glob(f"{path.name}*"))
    for item in found:
        item.unlink(missing_ok=True)
    return ["outbox"] if found else []


async def _async_decommission(call: ServiceCall) -> ServiceResponse:
    """Give every load back to its own control as far as that is ours; list the rest."""
    entry = loaded_entry(call)
    runtime = entry.runtime_data
    withdrawal = await _async_withdraw(call.hass, entry, readings=False)
    words = words_of(call.hass)
    done: list[JsonValueType] = [
        {"what": "consent_withdrawn", **withdrawal},
    ]
    for asset_id, commands in list(runtime.site.view.remote.items()):
        for command in commands:
            runtime.site.withdraw_remote(command.source, "the site is taken down")
            done.append(
                {
                    "what": "released",
                    "device": entry.subentries[asset_id].title,
                    "from": command.source,
                }
            )
    left: list[JsonValueType] = []
    for subentry_id, subentry in entry.subentries.items():
        if subentry.subentry_type != SubentryType.LOAD:
            if subentry.subentry_type == SubentryType.RELAY:
                left.append({"what": "unwire_relay", "device": subentry.title})
            continue
        limits = runtime.coordinator.data.user.get(subentry_id, NO_USER_LIMITS)
        wanted = replace(limits, mode=LoadMode.ALWAYS, override=None)
        if wanted != limits:
            await runtime.coordinator.async_set_user_limits(subentry_id, wanted)
            done.append({"what": "mode_always", "device": subentry.title})
        plan, state = runtime.site.view.plan, runtime.site.view.states.get(subentry_id)
        setpoint = None if plan is None else plan.setpoints.get(subentry_id)
        if state is None or state.enabled is not True:
            left.append(
                {
                    "what": "not_on_yet",
                    "device": subentry.title,
                    "causes": []
                    if setpoint is None
                    else [words.say(cause.text) for cause in setpoint.causes],
                }
            )
    if runtime.settings is not None:
        left.append({"what": "end_telecontrol"})
    left.append({"what": "remove_site", "device": entry.title})
    runtime.journal.record(
        RecordKind.CONSENT, {"value": False, "decommissioned": True, "done": len(done)}
    )
    return {"done": done, "left": left}
