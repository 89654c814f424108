"""Waking a firmware that stalls: a second connection, opened and closed."""

import asyncio
from contextlib import suppress
import logging

from .ports import LinkParams, Transport

_LOGGER = logging.getLogger(__name__)

_PATIENCE = 10.0
"""s that a connection may take to open; the firmware in question is slow at it."""


async def nudge(link: LinkParams, every: float) -> None:
    """Open and close a connection every so many s, until cancelled.

    Nothing is sent on it. Where it cannot be opened, the next one is tried later:
    whether the device answers is not found out here.
    """
    if link.transport is Transport.SERIAL:
        return
    while True:
        await asyncio.sleep(every)
        try:
            async with asyncio.timeout(_PATIENCE):
                _, writer = await asyncio.open_connection(link.host, link.port)
        except (OSError, TimeoutError) as err:
            _LOGGER.debug("%s could not be woken: %s", link, err)
            continue
        writer.close()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await writer.wait_closed()
