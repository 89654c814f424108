"""Commissioning a site from Home Assistant: start, report, and what proofs change."""

from collections.abc import Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.util import dt as dt_util

from .const import DOMAIN, LOGGER
from .coordinator import NetflexConfigEntry
from .entry_data import CONF_LINES, CONF_PARAMS, CONF_PROFILE
from .entry_site import connection_point
from .profiles import DATA_PROFILES
from .rehearsals import async_rehearse, async_versions, rehearsals_path, report_links
from .site.commissioning_checklist import Item, Proposal, Standing
from .site.commissioning_record import Check, Turned
from .site.commissioning_report import to_json, write
from .words import said, words_of

SIGN_PARAMS: Final = {Turned.READING: "power_sign", Turned.SETPOINT: "setpoint_sign"}
_OTHER: Final = {"load_positive": "load_negative", "load_negative": "load_positive"}


def site_checklist(entry: NetflexConfigEntry) -> tuple[Item, ...]:
    """Return what is proven at a site, and what is only configured."""
    site = entry.runtime_data.site
    return site.commissioning.checklist(site.view, connection_point(entry.data))


def site_proposals(hass: HomeAssistant, entry: NetflexConfigEntry) -> list[Proposal]:
    """Return what proofs would change in the configuration, as far as that can be."""
    site = entry.runtime_data.site
    found = site.commissioning.proposals(site.view, connection_point(entry.data))
    return [
        proposal
        for proposal in found
        if (subentry := entry.subentries.get(proposal.subject)) is not None
        and _changed(hass, subentry, proposal) is not None
    ]


def async_apply(
    hass: HomeAssistant, entry: NetflexConfigEntry, proposals: Iterable[Proposal]
) -> None:
    """Bring what was proven into the configuration, as the installer has confirmed."""
    for proposal in proposals:
        subentry = entry.subentries.get(proposal.subject)
        if subentry is None:
            continue
        if (data := _changed(hass, subentry, proposal)) is not None:
            hass.config_entries.async_update_subentry(
                entry, subentry, data=MappingProxyType(data)
            )


def _changed(
    hass: HomeAssistant, subentry: ConfigSubentry, proposal: Proposal
) -> dict[str, Any] | None:
    """Return a subentry's data with a proposal in it; None where it has no place."""
    response, data = proposal.response, subentry.data
    if response.order is not None:
        return {**data, CONF_LINES: [line.value for line in response.order]}
    if response.turned is None:
        return None
    param = SIGN_PARAMS.get(response.turned)
    profiles, profile_id = hass.data.get(DATA_PROFILES), data.get(CONF_PROFILE)
    if param is None or profiles is None or profile_id not in profiles.ids():
        return None
    if (spec := profiles.get(profile_id).params.get(param)) is None:
        return None
    params: Mapping[str, Any] = data.get(CONF_PARAMS, {})
    other = _OTHER.get(str(params.get(param, spec.default)))
    if other is None:
        return None
    return {**data, CONF_PARAMS: {**params, param: other}}


def async_commission(
    hass: HomeAssistant,
    entry: NetflexConfigEntry,
    checks: Iterable[tuple[str, Check]],
    *,
    rehearse: bool,
) -> None:
    """Begin a commissioning; its report is written when it has ended.

    Raises CommissioningRefusedError where it may not begin.
    """
    commissioning = entry.runtime_data.site.commissioning

    async def rehearsal() -> None:
        await async_rehearse(hass, entry, real=False)

    commissioning.start(checks, rehearsal if rehearse else None)

    async def report() -> None:
        await commissioning.finished()
        try:
            await async_export(hass, entry)
        except HomeAssistantError as err:
            LOGGER.warning("%s", err)

    entry.async_create_background_task(hass, report(), "netflex commissioning report")


async def async_export(
    hass: HomeAssistant, entry: NetflexConfigEntry
) -> dict[str, Any]:
    """Write the checklist as files; return it with where they are.

    Raises HomeAssistantError where they cannot be written.
    """
    items = site_checklist(entry)
    words = words_of(hass)
    data = to_json(
        entry.title,
        dt_util.utcnow(),
        items,
        entry.runtime_data.site.commissioning.results.values(),
        await async_versions(hass),
    )
    try:
        files = await hass.async_add_executor_job(
            partial(write, say=words.say, language=words.language),
            rehearsals_path(hass, entry.entry_id),
            data,
            items,
        )
    except OSError as err:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="checklist_not_written",
            translation_placeholders={"site": entry.title, "error": said(hass, err)},
        ) from err
    counts = {
        standing.value: sum(item.standing is standing for item in items)
        for standing in Standing
    }
    return {
        **counts,
        "checklist": data["checklist"],
        "html": str(files.html),
        "json": str(files.json),
        "json_sha256": files.json_hash,
        **report_links(hass, entry.entry_id, files),
    }
