"""Keeps the journal whole in Home Assistant's backups."""

import asyncio
from collections.abc import Iterator

from homeassistant.core import HomeAssistant

from .const import DOMAIN, LOGGER
from .telecontrol.journal import Journal

FLUSH_TIMEOUT = 5.0
"""s that a backup waits for the journal's disk."""


async def async_pre_backup(hass: HomeAssistant) -> None:
    """Begin and delete no files from here on, and have on the disk what there is.

    A journal that cannot be flushed must not keep the user from a backup.
    """
    journals = list(_journals(hass))
    for journal in journals:
        journal.hold_segment(True)
    flushed = await asyncio.gather(
        *(journal.flush(FLUSH_TIMEOUT) for journal in journals)
    )
    if not all(flushed):
        LOGGER.warning("The backup may lack the newest records of the journal")


async def async_post_backup(hass: HomeAssistant) -> None:
    """Let the journals' files go on as usual."""
    for journal in _journals(hass):
        journal.hold_segment(False)


def _journals(hass: HomeAssistant) -> Iterator[Journal]:
    for entry in hass.config_entries.async_loaded_entries(DOMAIN):
        yield entry.runtime_data.journal
