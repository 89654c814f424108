"""Repairs: what a user must know or do, and the fixes that we can do ourselves."""

from collections.abc import Iterable
import hashlib
from typing import Final

from homeassistant.components.repairs import RepairsFlow
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from .const import DOMAIN
from .entry_data import CONF_ALLOW_ANY_CLIENT, CONF_ALLOWED_CLIENTS
from .entry_site import station_settings
from .repair_flows import FIXABLE, NEW_CLIENT, fix_of
from .simulated_entry import CONF_SIMULATION
from .site.view import SiteProblem
from .telecontrol_options import missing_engine
from .words import words_of

POINTS_UNCONFIRMED: Final = "points_unconfirmed"
ENGINE_MISSING: Final = "engine_missing"
OTHER: Final = "other"
"""Translation key of a problem that this version has no text of its own for."""

SEVERITIES: Final = {
    "asset_not_stopped": ir.IssueSeverity.CRITICAL,
    "battery_fault": ir.IssueSeverity.ERROR,
    "battery_hot": ir.IssueSeverity.ERROR,
    "battery_low": ir.IssueSeverity.WARNING,
    "battery_silent": ir.IssueSeverity.ERROR,
    "breaker_open": ir.IssueSeverity.ERROR,
    "current_reversed": ir.IssueSeverity.WARNING,
    "clock_not_synchronised": ir.IssueSeverity.WARNING,
    "cut_off_by_relay": ir.IssueSeverity.WARNING,
    "data_doubtful": ir.IssueSeverity.WARNING,
    "data_not_collected": ir.IssueSeverity.WARNING,
    "decision_failed": ir.IssueSeverity.CRITICAL,
    "dispatch_source_unusable": ir.IssueSeverity.WARNING,
    "dispatch_unheard": ir.IssueSeverity.WARNING,
    "device_not_told": ir.IssueSeverity.ERROR,
    "frames_lost": ir.IssueSeverity.WARNING,
    "falls_back": ir.IssueSeverity.ERROR,
    "grid_type_differs": ir.IssueSeverity.WARNING,
    "in_shadow": ir.IssueSeverity.WARNING,
    "journal_broken": ir.IssueSeverity.ERROR,
    "journal_disk_short": ir.IssueSeverity.WARNING,
    "journal_not_written": ir.IssueSeverity.ERROR,
    "limit_infeasible": ir.IssueSeverity.WARNING,
    "limit_not_kept": ir.IssueSeverity.ERROR,
    "local_stop_input_silent": ir.IssueSeverity.ERROR,
    "market_source_unusable": ir.IssueSeverity.WARNING,
    "meter_damaged": ir.IssueSeverity.ERROR,
    "meter_defective": ir.IssueSeverity.ERROR,
    "meter_disagrees": ir.IssueSeverity.ERROR,
    "loop_held_up": ir.IssueSeverity.WARNING,
    "meter_encrypted": ir.IssueSeverity.ERROR,
    "meter_errors": ir.IssueSeverity.WARNING,
    "meter_fuse_threshold": ir.IssueSeverity.WARNING,
    "meter_key_missing": ir.IssueSeverity.ERROR,
    "meter_key_wrong": ir.IssueSeverity.ERROR,
    "meter_no_data": ir.IssueSeverity.ERROR,
    "meter_not_dlms": ir.IssueSeverity.ERROR,
    "meter_not_p1": ir.IssueSeverity.ERROR,
    "meter_not_s1": ir.IssueSeverity.ERROR,
    "meter_ratio": ir.IssueSeverity.WARNING,
    "meter_replaced": ir.IssueSeverity.WARNING,
    "meter_silent": ir.IssueSeverity.WARNING,
    "meter_slow": ir.IssueSeverity.WARNING,
    "meter_threshold": ir.IssueSeverity.WARNING,
    "meter_unknown_format": ir.IssueSeverity.ERROR,
    NEW_CLIENT: ir.IssueSeverity.WARNING,
    "northbound_certificate_ended": ir.IssueSeverity.ERROR,
    "northbound_certificate_ends": ir.IssueSeverity.WARNING,
    "northbound_no_broker": ir.IssueSeverity.WARNING,
    "northbound_not_stored": ir.IssueSeverity.WARNING,
    "no_site_meter": ir.IssueSeverity.WARNING,
    "operator_link_lost": ir.IssueSeverity.ERROR,
    "orders_not_stored": ir.IssueSeverity.ERROR,
    "orders_restored": ir.IssueSeverity.WARNING,
    OTHER: ir.IssueSeverity.WARNING,
    "phase_missing": ir.IssueSeverity.ERROR,
    "phase_order": ir.IssueSeverity.WARNING,
    "setpoint_not_followed": ir.IssueSeverity.ERROR,
    "share_failed": ir.IssueSeverity.WARNING,
    "site_meter_silent": ir.IssueSeverity.ERROR,
    "stale_order": ir.IssueSeverity.WARNING,
    "shadow_overruled": ir.IssueSeverity.WARNING,
    "station_failed": ir.IssueSeverity.ERROR,
    "station_not_listening": ir.IssueSeverity.ERROR,
    "stop_consumption_not_confirmed": ir.IssueSeverity.CRITICAL,
    "stop_not_kept": ir.IssueSeverity.WARNING,
    "stop_not_possible": ir.IssueSeverity.ERROR,
    "stop_production_not_confirmed": ir.IssueSeverity.CRITICAL,
    "two_controllers": ir.IssueSeverity.WARNING,
    "write_budget_spent": ir.IssueSeverity.WARNING,
    "contact_disagrees": ir.IssueSeverity.ERROR,
    "output_in_safe_state": ir.IssueSeverity.ERROR,
    "output_lets_go": ir.IssueSeverity.WARNING,
    "output_needs_home_assistant": ir.IssueSeverity.WARNING,
    "virtual_meter_failed": ir.IssueSeverity.ERROR,
    "deep_discharge": ir.IssueSeverity.CRITICAL,
}
"""Problems that have a text of their own, and how bad each is."""


@callback
def async_sync_problems(
    hass: HomeAssistant, entry: ConfigEntry, problems: Iterable[SiteProblem]
) -> None:
    """Raise a repair for every problem and take back those that are over.

    Without problems all repairs of the site go.
    """
    present: set[str] = set()
    for problem in problems:
        if problem.key == NEW_CLIENT and _allowed(entry, problem.subject):
            continue
        present.add(issue_id := _issue_id(entry, problem))
        _raise(hass, entry, issue_id, problem)
    prefix = f"{entry.entry_id}_"
    gone = [
        issue_id
        for domain, issue_id in ir.async_get(hass).issues
        if domain == DOMAIN and issue_id.startswith(prefix) and issue_id not in present
    ]
    for issue_id in gone:
        ir.async_delete_issue(hass, DOMAIN, issue_id)


@callback
def async_sync_points(
    hass: HomeAssistant, entry: ConfigEntry, *, client_came: bool
) -> None:
    """Say that nobody has compared the points with Annex B, once a client has come.

    It stays until somebody has, whether or not the client does, so that a user who
    ignores it does so for good. The operator of a simulated site has no Annex B.
    """
    issue_id = f"{POINTS_UNCONFIRMED}_{entry.entry_id}"
    settings = station_settings(entry)
    simulated = CONF_SIMULATION in entry.data
    if settings is None or settings.points.confirmed or simulated:
        ir.async_delete_issue(hass, DOMAIN, issue_id)
    elif client_came:
        ir.async_create_issue(
            hass,
            DOMAIN,
            issue_id,
            data=_fix_data(entry, POINTS_UNCONFIRMED),
            is_fixable=True,
            severity=ir.IssueSeverity.WARNING,
            translation_key=POINTS_UNCONFIRMED,
            translation_placeholders={
                "site": entry.title,
                "profile": settings.points.profile,
            },
        )


@callback
def async_sync_engine(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Say that the built-in engine stands in for a chosen one that is gone."""
    issue_id = f"{ENGINE_MISSING}_{entry.entry_id}"
    engine = missing_engine(entry.options)
    if engine is None or station_settings(entry) is None:
        ir.async_delete_issue(hass, DOMAIN, issue_id)
        return
    ir.async_create_issue(
        hass,
        DOMAIN,
        issue_id,
        data=_fix_data(entry, ENGINE_MISSING),
        is_fixable=True,
        severity=ir.IssueSeverity.ERROR,
        translation_key=ENGINE_MISSING,
        translation_placeholders={"site": entry.title, "engine": engine.value},
    )


@callback
def async_forget_settings(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Take back what was said about the settings of a site that is gone."""
    for key in (POINTS_UNCONFIRMED, ENGINE_MISSING):
        ir.async_delete_issue(hass, DOMAIN, f"{key}_{entry.entry_id}")


@callback
def _raise(
    hass: HomeAssistant, entry: ConfigEntry, issue_id: str, problem: SiteProblem
) -> None:
    """Raise one repair; the same again changes nothing."""
    key = problem.key if problem.key in SEVERITIES else OTHER
    fixable = key in FIXABLE
    subentry = entry.subentries.get(problem.subject)
    ir.async_create_issue(
        hass,
        DOMAIN,
        issue_id,
        data=_fix_data(entry, key, problem.subject) if fixable else None,
        is_fixable=fixable,
        severity=SEVERITIES[key],
        translation_key=key,
        translation_placeholders={
            "site": entry.title,
            "subject": subentry.title if subentry is not None else problem.subject,
            "text": words_of(hass).say(problem.text),
        },
    )


def _fix_data(
    entry: ConfigEntry, key: str, subject: str = ""
) -> dict[str, str | int | float | None]:
    """Return what the flow that fixes a problem has to know."""
    return {"entry_id": entry.entry_id, "key": key, "subject": subject}


def _issue_id(entry: ConfigEntry, problem: SiteProblem) -> str:
    """Return an id that stays while the problem does, whatever its figures say."""
    subject = hashlib.sha256(problem.subject.encode()).hexdigest()[:12]
    return f"{entry.entry_id}_{problem.key}_{subject}"


def _allowed(entry: ConfigEntry, client: str) -> bool:
    """Whether a client was let in since it was refused."""
    return bool(
        entry.data[CONF_ALLOW_ANY_CLIENT] or client in entry.data[CONF_ALLOWED_CLIENTS]
    )


async def async_create_fix_flow(
    hass: HomeAssistant, issue_id: str, data: dict[str, str | int | float | None] | None
) -> RepairsFlow:
    """Return the flow that fixes a repair, of those that have one."""
    if data is None:
        raise ValueError(f"{issue_id} has no fix")
    return fix_of(str(data["key"]), data)
