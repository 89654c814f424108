"""Keeps what a site stores whole in Home Assistant's backups.

Orders and counted writes are: a torn slot or line is told by its sum or its form, and
there is always one before it. Everything else is brought up to date and held still here.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
import sqlite3
from typing import Final

from homeassistant.core import CALLBACK_TYPE, HomeAssistant
from homeassistant.helpers.event import async_call_later
from homeassistant.util.hass_dict import HassKey

from .const import DOMAIN, LOGGER
from .coordinator import NetflexConfigEntry
from .northbound.outbox import OutboxError
from .runtime import NetflexRuntime

PATIENCE: Final = 5.0
"""s that a backup waits for the disk of one site."""
LONGEST: Final = 6 * 3600.0
"""s after which a backup that never said its end is not waited for."""

_FAULTS: Final = (OSError, sqlite3.Error, OutboxError)


@dataclass(slots=True)
class _Held:
    """The sites that hold their files still, and what ends that some time."""

    sites: list[NetflexRuntime]
    give_up: CALLBACK_TYPE


DATA_HELD: HassKey[_Held] = HassKey(f"{DOMAIN}_held_for_backup")


async def async_pre_backup(hass: HomeAssistant) -> None:
    """Have on the disk what there is, and hold the files still.

    What cannot be stored must not keep the user from a backup: it is said.
    """
    await async_post_backup(hass)
    entries: list[NetflexConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    sites = [entry.runtime_data for entry in entries]

    async def give_up(_now: object) -> None:
        await async_post_backup(hass)

    hass.data[DATA_HELD] = _Held(sites, async_call_later(hass, LONGEST, give_up))
    await asyncio.gather(*(_hold(site) for site in sites))


async def async_post_backup(hass: HomeAssistant) -> None:
    """Let the files go on as usual."""
    if (held := hass.data.pop(DATA_HELD, None)) is None:
        return
    held.give_up()
    for site in held.sites:
        await _let_go(site)


async def async_join_backup(hass: HomeAssistant, site: NetflexRuntime) -> None:
    """Hold the files of a site that was set up while a backup runs, until its end."""
    if (held := hass.data.get(DATA_HELD)) is None:
        return
    held.sites.append(site)
    try:
        await _hold(site)
    finally:
        if hass.data.get(DATA_HELD) is not held:
            # It ended meanwhile, and let go of what was not held yet.
            await _let_go(site)


async def _let_go(site: NetflexRuntime) -> None:
    site.journal.hold_segment(False)
    for part in (site.readings, site.northbound):
        # One that was closed meanwhile holds nothing any more.
        with suppress(*_FAULTS):
            await part.async_hold_file(False)


async def _hold(site: NetflexRuntime) -> None:
    journal = site.journal
    journal.hold_segment(True)
    if not (await journal.still(PATIENCE) and await journal.flush(PATIENCE)):
        LOGGER.warning(
            "The backup may lack the newest records of the journal of %s: its disk "
            "does not take them",
            site.name,
        )
    for what, hold in (
        ("what is remembered", site.async_save),
        ("the newest readings", partial(site.readings.async_hold_file, True)),
        ("messages for the broker", partial(site.northbound.async_hold_file, True)),
    ):
        try:
            async with asyncio.timeout(PATIENCE):
                await hold()
        except (TimeoutError, *_FAULTS) as err:
            LOGGER.warning(
                "The backup may lack %s of %s: %s",
                what,
                site.name,
                err or "the disk does not answer",
            )
