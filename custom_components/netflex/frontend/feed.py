"""What the cards are told of a site, over Home Assistant's websocket.

One message has everything that a card draws, in W, A, s and ISO times, with causes in
the words of the user's language: a card looks nothing up and computes nothing but its
drawing.
"""

from collections.abc import Mapping
import time
from typing import Any, Final

from homeassistant.components.websocket_api import async_register_command
from homeassistant.components.websocket_api.connection import ActiveConnection
from homeassistant.components.websocket_api.const import ERR_NOT_FOUND
from homeassistant.components.websocket_api.decorators import (
    async_response,
    websocket_command,
)
from homeassistant.components.websocket_api.messages import event_message
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util
import voluptuous as vol

from ..const import DOMAIN
from ..coordinator import NetflexConfigEntry
from ..entry_data import (
    CONF_GRID_TYPE,
    CONF_MAIN_FUSE,
    CONF_ROLE,
    CONF_TELECONTROL,
    SubentryType,
)
from ..entry_site import site_config
from ..model.asset import Asset
from ..model.plan import Compliance, Limit, Setpoint
from ..model.reading import MeterRole
from ..site.timeline import FlowSample, PastOrder
from ..site.view import SiteView
from ..telemetry.quality import QualityReport
from ..words import Words, async_words
from .economy_feed import economy_message, has_economy
from .house_feed import (
    comfort_of,
    devices_of,
    house_message,
    month_message,
    quality_message,
)

SAMPLES_PER_MESSAGE: Final = 2
"""Newest samples of each message after the first: one may have been missed."""


@callback
def async_register_feed(hass: HomeAssistant) -> None:
    """Register the commands."""
    async_register_command(hass, _list_sites)
    async_register_command(hass, _subscribe)


@websocket_command({vol.Required("type"): f"{DOMAIN}/sites"})
@callback
def _list_sites(
    hass: HomeAssistant,
    connection: ActiveConnection,
    msg: dict[str, Any],
) -> None:
    """Answer with the sites that run."""
    entries: list[NetflexConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    connection.send_result(
        msg["id"],
        [
            {
                "entry_id": entry.entry_id,
                "title": entry.title,
                # As set up, not as seen: a dashboard that is built in the first
                # second of a site must have the same cards as ever.
                "telecontrol": entry.data[CONF_TELECONTROL],
                "demand": _measures_connection(entry),
                "economy": has_economy(entry.runtime_data.coordinator.data),
                "subjects": _subjects(hass, entry),
                "entities": _entities(hass, entry),
            }
            for entry in entries
        ],
    )


@websocket_command(
    {
        vol.Required("type"): f"{DOMAIN}/subscribe",
        vol.Required("entry_id"): str,
        vol.Optional("language"): str,
        vol.Optional("time_zone"): str,
        vol.Optional("half_days", default=False): bool,
    }
)
@async_response
async def _subscribe(
    hass: HomeAssistant,
    connection: ActiveConnection,
    msg: dict[str, Any],
) -> None:
    """Send what is known of a site, now and at every change, once a second at most.

    `language` is the user's, and so is `time_zone`; without them it is what Home
    Assistant is set to. `half_days`: the user's clock times have AM and PM.
    """
    words = await async_words(
        hass,
        msg.get("language") or hass.config.language,
        msg.get("time_zone"),
        half_days=msg["half_days"],
    )
    entry: NetflexConfigEntry | None = hass.config_entries.async_get_entry(
        msg["entry_id"]
    )
    if entry is None or entry.domain != DOMAIN:
        connection.send_error(msg["id"], ERR_NOT_FOUND, "There is no such site")
        return
    if entry.state is not ConfigEntryState.LOADED:
        connection.send_error(msg["id"], "not_loaded", "The site does not run")
        return
    coordinator = entry.runtime_data.coordinator
    sent_changes = -1
    sent_quality: QualityReport | None = None

    @callback
    def send(*, first: bool = False) -> None:
        nonlocal sent_changes, sent_quality
        timeline = coordinator.timeline
        message = site_message(entry, words)
        if first:
            message["subjects"] = _subjects(hass, entry)
            message["entities"] = _entities(hass, entry)
            message["samples"] = [_sample(item) for item in timeline.samples]
        else:
            newest = timeline.newest_samples(SAMPLES_PER_MESSAGE)
            message["samples"] = [_sample(item) for item in newest]
        if timeline.changes != sent_changes:
            sent_changes = timeline.changes
            message["timeline"] = [_past_order(item) for item in timeline.orders]
        quality = coordinator.data.quality
        if first or quality is not sent_quality:
            sent_quality = quality
            message["quality"] = quality_message(coordinator.data, words)
        connection.send_message(event_message(msg["id"], message))

    @callback
    def unloaded() -> None:
        connection.send_message(event_message(msg["id"], {"unloaded": True}))

    stop_listening = coordinator.async_add_listener(send)
    forget_unload = coordinator.async_on_unload(unloaded)

    @callback
    def unsubscribe() -> None:
        stop_listening()
        forget_unload()

    connection.subscriptions[msg["id"]] = unsubscribe
    connection.send_result(msg["id"])
    send(first=True)


def site_message(entry: NetflexConfigEntry, words: Words) -> dict[str, Any]:
    """Return what is known of a site now."""
    view = entry.runtime_data.coordinator.data
    plan = view.plan
    message: dict[str, Any] = {
        "title": entry.title,
        "connection": {
            "grid_type": entry.data[CONF_GRID_TYPE],
            "main_fuse": entry.data[CONF_MAIN_FUSE],
        },
        "telecontrol": view.telecontrol,
        "meter": _meter(view, words),
        "assets": _assets(view, words),
        "house": house_message(view, monotonic=time.monotonic(), utc=dt_util.utcnow()),
        "month": month_message(view),
        "orders": {
            name.value: {
                "value": order.value,
                "source": order.source.value,
                "at": order.at.isoformat(),
            }
            for name, order in view.orders.present().items()
        },
        "local_stops": {
            "production": sorted(view.local_stops.production),
            "consumption": sorted(view.local_stops.consumption),
        },
        "proofs": [
            {
                "direction": proof.direction.value,
                "written": proof.written,
                "missing": list(proof.missing),
                "seconds": proof.seconds,
            }
            for proof in view.proofs
        ],
        "link": _link(entry, view, words),
        "loop_lag": view.loop_lag,
        "demand": _demand(view),
        "economy": economy_message(view, words),
        "currency": entry.runtime_data.coordinator.hass.config.currency,
        "problems": [
            {
                "key": problem.key,
                "subject": problem.subject,
                "text": words.say(problem.text),
            }
            for problem in view.problems
        ],
        "plan": None,
    }
    if plan is not None:
        headroom = plan.headroom
        message["plan"] = {
            "metered": plan.metered,
            "stopped": sorted(direction.value for direction in plan.stopped),
            "limits": [_limit(limit, words) for limit in plan.limits],
            "ordered": [_limit(limit, words) for limit in plan.ordered],
            "infeasible": [
                {
                    "limit": _limit(item.limit, words),
                    "missing": round(item.missing, 1),
                    "unit": item.limit.quantity.unit,
                    "problem": item.problem.value,
                }
                for item in plan.infeasible
            ],
            "headroom": {
                "import": headroom.import_power,
                "injection": headroom.injection_power,
                "lines": {
                    line.value: round(value, 1)
                    for line, value in headroom.line_current.items()
                },
            },
            "compliance": [_compliance(item) for item in plan.compliance],
            "uncontrolled": list(plan.uncontrolled),
        }
    return message


def _meter(view: SiteView, words: Words) -> dict[str, Any] | None:
    """Return what the connection point's meter says."""
    meter = None if view.site_meter is None else view.meters.get(view.site_meter)
    if meter is None:
        return None
    message: dict[str, Any] = {
        "id": meter.meter_id,
        "name": meter.name,
        "available": meter.available,
        "problem": words.say_all(meter.problem),
    }
    if (reading := meter.reading) is not None:
        message |= {
            "power": reading.power,
            "currents": {
                line.value: value for line, value in reading.line_current.items()
            },
            "line_powers": {
                line.value: value for line, value in reading.line_power.items()
            },
        }
    return message


def _assets(view: SiteView, words: Words) -> dict[str, Any]:
    """Return what each asset does and is told, and why."""
    setpoints: Mapping[str, Setpoint] = {} if view.plan is None else view.plan.setpoints
    return {
        asset_id: {
            "available": state.available,
            "power": state.power,
            "currents": {line.value: value for line, value in state.currents.items()},
            "enabled": state.enabled,
            "charger_state": None
            if state.charger_state is None
            else state.charger_state.value,
            "state_of_charge": state.state_of_charge,
            "follows": state.follows,
            "problem": words.say_all(state.problem),
            "setpoint": _setpoint(setpoints.get(asset_id), words),
        }
        for asset_id, state in view.states.items()
    }


def _setpoint(setpoint: Setpoint | None, words: Words) -> dict[str, Any] | None:
    if setpoint is None:
        return None
    return {
        "kind": setpoint.kind.value,
        "value": setpoint.value,
        "emergency": setpoint.emergency,
        "causes": [
            {
                "source": cause.source.name.lower(),
                "key": cause.key,
                "text": words.say(cause.text),
            }
            for cause in setpoint.causes
        ],
    }


def _limit(limit: Limit, words: Words) -> dict[str, Any]:
    return {
        "scope": limit.scope.kind.value,
        "id": limit.scope.id,
        "quantity": limit.quantity.value,
        "value": round(limit.value, 1),
        "source": limit.source.name.lower(),
        "text": words.say(limit.cause.text),
        "since": None if limit.since is None else limit.since.isoformat(),
    }


def _compliance(item: Compliance) -> dict[str, Any]:
    return {
        "name": item.name,
        "state": item.state.value,
        "seconds": item.seconds,
        "measured": item.measured,
        "limit": round(item.limit.value, 1),
        "outside_for": item.outside_for,
        "violations": item.violations,
        "level": item.level.name.lower(),
    }


def _past_order(past: PastOrder) -> dict[str, Any]:
    return {
        "name": past.name.value,
        "value": past.value,
        "source": past.source,
        "at": past.at.isoformat(),
        "accepted": past.accepted,
        "reason": past.reason,
        "client": past.client,
        "applied": past.applied,
        "open": past.open,
        "compliance": None if past.compliance is None else _compliance(past.compliance),
    }


def _sample(sample: FlowSample) -> list[float | None]:
    """Return Unix time in s, power, import limit and injection limit in W."""
    return [
        round(sample.at.timestamp(), 1),
        sample.power,
        sample.import_limit,
        sample.injection_limit,
    ]


def _link(
    entry: NetflexConfigEntry, view: SiteView, words: Words
) -> dict[str, Any] | None:
    """Return the health of the operator's link."""
    if not view.telecontrol:
        return None
    link = view.link
    settings = entry.runtime_data.settings
    return {
        "listening": link.listening,
        "connected": link.connected,
        "client": link.client,
        "since": None if link.since is None else link.since.isoformat(),
        "last_interrogation": None
        if link.last_interrogation is None
        else link.last_interrogation.isoformat(),
        "clock_offset": link.clock_offset,
        "last_close_reason": link.last_close_reason,
        "last_refused_client": link.last_refused_client,
        "events_waiting": link.events_waiting,
        "events_dropped": link.events_dropped,
        "problem": words.say_all(link.problem),
        "address": None
        if settings is None
        else f"{settings.bind_address}:{settings.port}",
        "points_confirmed": settings is not None and settings.points.confirmed,
    }


def _demand(view: SiteView) -> dict[str, Any] | None:
    """Return the quarter hour: W, s."""
    if (demand := view.demand) is None:
        return None
    quarter = demand.quarter
    peak = quarter.month_peak
    return {
        "start": quarter.start.isoformat(),
        "elapsed": quarter.elapsed,
        "average": quarter.average,
        "power": quarter.power,
        "forecast": quarter.forecast,
        "complete": quarter.complete,
        "target": demand.target,
        "headroom": demand.headroom,
        "month_peak": None if peak is None else peak.power,
        "month_peak_at": None
        if peak is None or peak.at is None
        else peak.at.isoformat(),
        "billed": demand.billed,
        "cost": demand.cost,
    }


def _measures_connection(entry: NetflexConfigEntry) -> bool:
    """Whether a meter of the connection point is set up."""
    return any(
        subentry.subentry_type == SubentryType.METER
        and subentry.data[CONF_ROLE] == MeterRole.CONNECTION_POINT
        for subentry in entry.subentries.values()
    )


def _subjects(
    hass: HomeAssistant, entry: NetflexConfigEntry
) -> dict[str, dict[str, Any]]:
    """Return the names and kinds of what the site has, by the subentry's id."""
    devices = devices_of(hass, entry)
    assets = {
        device.asset.id: device.asset
        for device in site_config(entry).devices
        if device.asset is not None
    }
    return {
        subentry_id: {
            "name": subentry.title,
            "kind": subentry.subentry_type,
            "device_id": devices.get(subentry_id),
            **(_rating(assets[subentry_id]) if subentry_id in assets else {}),
        }
        for subentry_id, subentry in entry.subentries.items()
    }


def _rating(asset: Asset) -> dict[str, Any]:
    """Return what an asset can do: W, and A where it is told amperes."""
    return {
        "category": asset.category.value,
        "lines": [line.value for line in asset.lines],
        "rated_consumption": asset.rated_consumption,
        "rated_production": asset.rated_production,
        "maximum_current": asset.maximum_current,
        **comfort_of(asset),
    }


def _entities(hass: HomeAssistant, entry: NetflexConfigEntry) -> dict[str, str]:
    """Return the enabled entities' ids by their unique ids."""
    registry = er.async_get(hass)
    return {
        item.unique_id: item.entity_id
        for item in er.async_entries_for_config_entry(registry, entry.entry_id)
        if item.disabled_by is None
    }
