"""Rehearsing a site from Home Assistant: who may, what comes back, where it lies."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from pathlib import Path
import platform
from typing import Any, Final

from aiohttp import web
from homeassistant.components.http.auth import SIGN_QUERY_PARAM, async_sign_path
from homeassistant.components.http.const import KEY_HASS_USER
from homeassistant.const import __version__ as HOME_ASSISTANT_VERSION
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers.http import KEY_HASS, HomeAssistantView
from homeassistant.loader import async_get_integration

from .const import DOMAIN, LOGGER
from .coordinator import NetflexConfigEntry
from .model.phrase import Phrase
from .site.rehearsal_seat import RehearsalRefusedError
from .site.rehearsal_status import RehearsalStatus
from .telecontrol.rehearsal_files import (
    NAME,
    ReportFiles,
    newest_report,
    write_evidence,
)
from .telecontrol.rehearsal_plant import RehearsalMode
from .telecontrol.rehearsal_record import Evidence, Outcome
from .words import said, words_of

LINK_DAYS: Final = 1
"""For how long the link to a report can be opened."""
URL: Final = f"/api/{DOMAIN}/rehearsals/{{entry_id}}/{{name}}"


def rehearsals_path(hass: HomeAssistant, entry_id: str) -> Path:
    """Return the folder of a site's reports."""
    return Path(hass.config.path(DOMAIN, "rehearsals", entry_id))


async def async_rehearse(
    hass: HomeAssistant, entry: NetflexConfigEntry, *, real: bool
) -> dict[str, Any]:
    """Rehearse a site and keep the report; return what came of it.

    Raises ServiceValidationError where it may not begin, HomeAssistantError where it
    fails.
    """
    rehearsal = entry.runtime_data.site.rehearsal
    try:
        evidence = await rehearsal.run(real=real, versions=await async_versions(hass))
    except RehearsalRefusedError as err:
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key=err.key,
            translation_placeholders={"site": entry.title},
        ) from err
    except OSError as err:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="rehearsal_failed",
            translation_placeholders={"site": entry.title, "error": said(hass, err)},
        ) from err
    except Exception as err:
        LOGGER.exception("The rehearsal of %s had a fault of its own", entry.title)
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="rehearsal_faulty",
            translation_placeholders={"site": entry.title},
        ) from err
    words = words_of(hass)
    try:
        files = await hass.async_add_executor_job(
            partial(write_evidence, say=words.say, language=words.language),
            rehearsals_path(hass, entry.entry_id),
            evidence,
        )
    except OSError as err:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="report_not_written",
            translation_placeholders={"site": entry.title, "error": said(hass, err)},
        ) from err
    rehearsal.set_report(str(files.html))
    return _response(hass, entry, evidence, files)


async def async_newest_rehearsal(
    hass: HomeAssistant, entry_id: str
) -> RehearsalStatus | None:
    """Return what the newest report says, None where there is none."""
    found = await hass.async_add_executor_job(
        newest_report, rehearsals_path(hass, entry_id)
    )
    if found is None:
        return None
    path, data = found
    try:
        return _status(path, data)
    except KeyError, TypeError, ValueError:
        return None


@callback
def async_register_rehearsals(hass: HomeAssistant) -> None:
    """Serve the reports to administrators."""
    if "http" in hass.config.components:
        hass.http.register_view(RehearsalView)


class RehearsalView(HomeAssistantView):
    """Hands out a report to an administrator, or to who has a signed link to it."""

    url = URL
    name = f"api:{DOMAIN}:rehearsals"

    async def get(
        self, request: web.Request, entry_id: str, name: str
    ) -> web.StreamResponse:
        """Return a report's file."""
        hass = request.app[KEY_HASS]
        signed = (
            SIGN_QUERY_PARAM in request.query and "Authorization" not in request.headers
        )
        if not signed and not request[KEY_HASS_USER].is_admin:
            return web.Response(status=HTTPStatus.FORBIDDEN)
        entry = hass.config_entries.async_get_entry(entry_id)
        if entry is None or entry.domain != DOMAIN or not NAME.fullmatch(name):
            return web.Response(status=HTTPStatus.NOT_FOUND)
        path = rehearsals_path(hass, entry_id) / name
        try:
            content = await hass.async_add_executor_job(path.read_bytes)
        except OSError:
            return web.Response(status=HTTPStatus.NOT_FOUND)
        kind = "text/html" if path.suffix == ".html" else "application/json"
        return web.Response(
            body=content,
            content_type=kind,
            charset="utf-8",
            headers={
                "Content-Security-Policy": (
                    "default-src 'none'; style-src 'unsafe-inline'; sandbox"
                ),
                "X-Content-Type-Options": "nosniff",
            },
        )


def _response(
    hass: HomeAssistant,
    entry: NetflexConfigEntry,
    evidence: Evidence,
    files: ReportFiles,
) -> dict[str, Any]:
    result, say = evidence.result, words_of(hass).say
    return {
        "outcome": result.outcome.value,
        "mode": result.mode.value,
        "passed": result.count(True),
        "failed": result.count(False),
        "not_judged": result.count(None),
        "ended_early": None if result.ended_early is None else say(result.ended_early),
        "failed_steps": [
            f"{say(step.chapter)}: {say(step.title)}: {say(step.seen)}"
            for step in result.steps
            if step.passed is False
        ],
        "started": result.started.isoformat(),
        "ended": result.ended.isoformat(),
        "html": str(files.html),
        "json": str(files.json),
        "json_sha256": files.json_hash,
        "journal_head": None
        if evidence.journal is None
        else evidence.journal.head_hash,
        **report_links(hass, entry.entry_id, files),
    }


def report_links(
    hass: HomeAssistant, entry_id: str, files: ReportFiles
) -> dict[str, str]:
    """Return links by which a report can be opened for a day."""
    if "http" not in hass.config.components:
        return {}
    return {
        f"{kind}_link": async_sign_path(
            hass,
            URL.format(entry_id=entry_id, name=path.name),
            timedelta(days=LINK_DAYS),
        )
        for kind, path in (("html", files.html), ("json", files.json))
    }


async def async_versions(hass: HomeAssistant) -> dict[str, str]:
    """Return what runs here, for a report."""
    integration = await async_get_integration(hass, DOMAIN)
    return {
        Phrase("version_integration", "Netflex integration"): str(integration.version),
        Phrase("version_data_model", "Netflex data model"): "1.0",
        "Home Assistant": HOME_ASSISTANT_VERSION,
        "Python": platform.python_version(),
        Phrase("version_system", "System"): await hass.async_add_executor_job(
            partial(platform.platform, terse=True)
        ),
    }


def _status(path: Path, data: Mapping[str, Any]) -> RehearsalStatus:
    return RehearsalStatus(
        mode=RehearsalMode(data["mode"]),
        started=datetime.fromisoformat(data["started"]),
        outcome=Outcome(data["outcome"]),
        ended=datetime.fromisoformat(data["ended"]),
        ended_early=data["ended_early"],
        passed=int(data["passed"]),
        failed=int(data["failed"]),
        report=str(path),
    )
