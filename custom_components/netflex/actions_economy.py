"""Actions on what batteries are used for: dispatch for a while, and their programme."""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final

from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import ATTR_CONFIG_ENTRY_ID, ATTR_MODE, ATTR_NAME
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import config_validation as cv, device_registry as dr
from homeassistant.helpers.service import async_register_admin_service
from homeassistant.util import dt as dt_util
import voluptuous as vol

from .actions_common import aware, loaded_entry
from .const import DOMAIN
from .control.codec import CodecError, decode
from .control.preview import preview
from .coordinator import NetflexConfigEntry
from .entry_data import SubentryType
from .entry_dispatch import CONF_BATTERIES
from .entry_programme import CONF_ENTRY, concerns, mode_data, programmes
from .model.dispatch import DispatchAction, DispatchCommand, listeners
from .model.programme import ModeEntry
from .model.snapshot import Snapshot
from .site.economy_problems import unheard
from .view_values import shown_preview
from .words import said, words_of

SERVICE_DISPATCH: Final = "dispatch"
SERVICE_CANCEL_DISPATCH: Final = "cancel_dispatch"
SERVICE_SET_SCHEDULE: Final = "set_schedule"
ATTR_ACTION: Final = "action"
ATTR_ALLOW_DEVIATION: Final = "allow_deviation"
ATTR_BASELINE: Final = "baseline"
ATTR_BATTERIES: Final = "batteries"
ATTR_BATTERY: Final = "battery"
ATTR_DURATION: Final = "duration"
ATTR_END: Final = "end"
ATTR_MODES: Final = "modes"
ATTR_POWER: Final = "power"
ATTR_PRIORITY: Final = "priority"
ATTR_SOURCE: Final = "source"
ATTR_START: Final = "start"
SOURCE: Final = "action"
"""Source of a dispatch by action that names none."""
LONGEST: Final = timedelta(days=7)
"""Of one dispatch: what is meant for longer is a mode with a schedule."""

_figure = vol.All(vol.Coerce(float), vol.Range(min=-1e9, max=1e9))

DISPATCH_SCHEMA: Final = vol.Schema(
    {
        vol.Required(ATTR_CONFIG_ENTRY_ID): cv.string,
        vol.Required(ATTR_ACTION): vol.Coerce(DispatchAction),
        vol.Exclusive(ATTR_END, "end"): cv.datetime,
        vol.Exclusive(ATTR_DURATION, "end"): cv.positive_time_period,
        vol.Optional(ATTR_START): cv.datetime,
        vol.Optional(ATTR_POWER): _figure,
        vol.Optional(ATTR_BATTERIES): vol.All(cv.ensure_list, [cv.string]),
        vol.Optional(ATTR_SOURCE, default=SOURCE): vol.All(
            cv.string, str.strip, vol.Length(min=1, max=60)
        ),
        vol.Optional(ATTR_PRIORITY, default=0): vol.Coerce(int),
        vol.Optional(ATTR_ALLOW_DEVIATION, default=False): cv.boolean,
        vol.Optional(ATTR_BASELINE): _figure,
    }
)

CANCEL_SCHEMA: Final = vol.Schema(
    {
        vol.Required(ATTR_CONFIG_ENTRY_ID): cv.string,
        vol.Optional(ATTR_SOURCE): cv.string,
    }
)

SET_SCHEDULE_SCHEMA: Final = vol.Schema(
    {
        vol.Required(ATTR_CONFIG_ENTRY_ID): cv.string,
        vol.Required(ATTR_BATTERY): cv.string,
        vol.Required(ATTR_MODES): vol.All(cv.ensure_list, [dict]),
    }
)


@callback
def async_register_economy(hass: HomeAssistant) -> None:
    """Register the actions."""
    hass.services.async_register(
        DOMAIN,
        SERVICE_DISPATCH,
        _async_dispatch,
        schema=DISPATCH_SCHEMA,
        supports_response=SupportsResponse.OPTIONAL,
    )
    hass.services.async_register(
        DOMAIN,
        SERVICE_CANCEL_DISPATCH,
        _async_cancel,
        schema=CANCEL_SCHEMA,
        supports_response=SupportsResponse.OPTIONAL,
    )
    async_register_admin_service(
        hass,
        DOMAIN,
        SERVICE_SET_SCHEDULE,
        _async_set_schedule,
        schema=SET_SCHEDULE_SCHEMA,
        supports_response=SupportsResponse.OPTIONAL,
    )


async def _async_dispatch(call: ServiceCall) -> ServiceResponse:
    """Order batteries for a while, inside every limit."""
    entry = loaded_entry(call)
    now = dt_util.utcnow()
    start = aware(call.data[ATTR_START]) if ATTR_START in call.data else now
    if ATTR_END in call.data:
        end = aware(call.data[ATTR_END])
    elif ATTR_DURATION in call.data:
        end = start + call.data[ATTR_DURATION]
    else:
        raise _refused("dispatch_without_end")
    if end <= max(now, start) or end - start > LONGEST:
        raise _refused("dispatch_end_impossible")
    action: DispatchAction = call.data[ATTR_ACTION]
    if (action is DispatchAction.POWER) is (ATTR_POWER not in call.data):
        raise _refused("dispatch_power")
    batteries = [
        _battery(call.hass, entry, name) for name in call.data.get(ATTR_BATTERIES, ())
    ]
    command = DispatchCommand(
        source=call.data[ATTR_SOURCE],
        action=action,
        start=start,
        end=end,
        assets=frozenset(item.subentry_id for item in batteries) or None,
        power=call.data.get(ATTR_POWER),
        allow_deviation=call.data[ATTR_ALLOW_DEVIATION],
        priority=call.data[ATTR_PRIORITY],
        baseline=call.data.get(ATTR_BASELINE),
    )
    entry.runtime_data.market.async_dispatch(command)
    heard = listeners(command, entry.runtime_data.site.view.programmes)
    answer: dict[str, Any] = {
        "source": command.source,
        "action": command.action.value,
        "start": start.isoformat(),
        "end": end.isoformat(),
        "batteries": sorted(
            subentry.title
            for asset_id in heard
            if (subentry := entry.subentries.get(asset_id)) is not None
        ),
    }
    if not heard:
        answer["problem"] = words_of(call.hass).say(unheard(command.source))
    return answer


async def _async_cancel(call: ServiceCall) -> ServiceResponse:
    """End dispatches by action."""
    market = loaded_entry(call).runtime_data.market
    return {"ended": market.async_cancel(call.data.get(ATTR_SOURCE))}


async def _async_set_schedule(call: ServiceCall) -> ServiceResponse:
    """Put another programme in the place of a battery's."""
    entry = loaded_entry(call)
    battery = _battery(call.hass, entry, call.data[ATTR_BATTERY])
    new = [
        (item.pop(ATTR_NAME, None), await _async_mode(call.hass, number, item))
        for number, item in enumerate(map(dict, call.data[ATTR_MODES]), 1)
    ]
    _take_leave(call.hass, entry, battery.subentry_id)
    taken = {item.title.casefold() for item in entry.subentries.values()}
    for number, (name, mode) in enumerate(new, 1):
        title = _free(str(name or f"{battery.title} {mode.mode.value}"), taken)
        call.hass.config_entries.async_add_subentry(
            entry,
            ConfigSubentry(
                data=MappingProxyType(
                    mode_data(mode, [battery.subentry_id], number * 10)
                ),
                subentry_type=SubentryType.BATTERY_MODE,
                title=title,
                unique_id=None,
            ),
        )
    return _answer(entry, battery)


async def _async_mode(
    hass: HomeAssistant, number: int, stored: Mapping[str, Any]
) -> ModeEntry:
    """Return a mode as it was given; periods without a time zone are local."""
    try:
        # A time zone may have to be read from disk.
        entry: ModeEntry = await hass.async_add_executor_job(
            decode, ModeEntry, _with_zone(stored, hass.config.time_zone), ATTR_MODE
        )
    except CodecError as err:
        raise _refused(
            "mode_not_possible", number=str(number), error=said(hass, err)
        ) from err
    return entry


def _with_zone(value: Any, zone: str) -> Any:
    if isinstance(value, Mapping):
        zoned = {key: _with_zone(item, zone) for key, item in value.items()}
        if {"start", "end"} <= zoned.keys():
            zoned.setdefault("time_zone", zone)
        return zoned
    if isinstance(value, list | tuple):
        return [_with_zone(item, zone) for item in value]
    return value


def _take_leave(
    hass: HomeAssistant, entry: NetflexConfigEntry, battery_id: str
) -> None:
    """Take a battery out of the modes that it has; what is nobody's any more goes."""
    batteries = {
        item.subentry_id
        for item in entry.subentries.values()
        if item.subentry_type == SubentryType.BATTERY
    }
    for mode in list(entry.subentries.values()):
        if mode.subentry_type != SubentryType.BATTERY_MODE:
            continue
        if not concerns(mode.data, battery_id):
            continue
        others = set(mode.data.get(CONF_BATTERIES) or batteries) - {battery_id}
        if others:
            hass.config_entries.async_update_subentry(
                entry, mode, data={**mode.data, CONF_BATTERIES: sorted(others)}
            )
        else:
            hass.config_entries.async_remove_subentry(entry, mode.subentry_id)


def _free(title: str, taken: set[str]) -> str:
    """Return a title that no other part of the site has, and note it."""
    found, number = title, 2
    while found.casefold() in taken:
        found, number = f"{title} {number}", number + 1
    taken.add(found.casefold())
    return found


def _answer(entry: NetflexConfigEntry, battery: ConfigSubentry) -> ServiceResponse:
    """Return a battery's programme, and what it has in store."""
    modes = [
        item
        for item in entry.subentries.values()
        if item.subentry_type == SubentryType.BATTERY_MODE
        and concerns(item.data, battery.subentry_id)
    ]
    programme = programmes(modes, [battery]).get(battery.subentry_id)
    economy = entry.runtime_data.coordinator.data.economy
    snapshot = Snapshot(
        market=economy.market,
        dispatches=economy.dispatches,
        holidays=economy.holidays,
        entity_windows=economy.entity_windows,
    )
    slots = (
        ()
        if programme is None
        else preview(programme, battery.subentry_id, snapshot, dt_util.utcnow())
    )
    ordered = sorted(modes, key=lambda item: item.data["priority"])
    return {
        "modes": [{"name": item.title, **item.data[CONF_ENTRY]} for item in ordered],
        "preview": shown_preview(slots),
    }


def _battery(
    hass: HomeAssistant, entry: NetflexConfigEntry, name: str
) -> ConfigSubentry:
    """Return the battery that a device, a subentry's id or a title names."""
    device = dr.async_get(hass).async_get(name)
    named = {name} if device is None else {item[1] for item in device.identifiers}
    for subentry in entry.subentries.values():
        if subentry.subentry_type == SubentryType.BATTERY and (
            subentry.subentry_id in named or subentry.title == name
        ):
            return subentry
    raise _refused("no_battery", name=name)


def _refused(key: str, **placeholders: str) -> ServiceValidationError:
    return ServiceValidationError(
        translation_domain=DOMAIN,
        translation_key=key,
        translation_placeholders=placeholders,
    )
