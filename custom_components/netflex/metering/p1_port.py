"""The port of a P1 meter (see `port`): opened, tried, and judged when it is mute."""

import asyncio
from collections.abc import Callable
import time
from typing import Any

from ..model.failure import reason_of
from ..model.phrase import Phrase, advised
from .errors import (
    DARK_ADAPTER,
    ONE_READER,
    CannotConnectError,
    EncryptedError,
    MeterError,
    NotP1Error,
    mute,
)
from .p1_framer import TelegramFramer
from .p1_objects import Telegram
from .port import PortConnection

_BAUD_RATE = 115200
_ON_NETWORK = frozenset({"socket", "tcp", "rfc2217", "esphome", "esphome-hass"})


async def open_p1(connection: PortConnection, url: str) -> None:
    """Open a connection at the rate of P1.

    Raises:
        CannotConnectError: It cannot be opened; the text says why.
    """
    try:
        await connection.open(url, baudrate=_BAUD_RATE, low_latency=True)
    except CannotConnectError as error:
        if url.partition("://")[0] in _ON_NETWORK:
            raise CannotConnectError(advised(reason_of(error), DARK_ADAPTER)) from error
        raise


async def probe_p1(
    url: str, timeout: float = 10.0, *, clock: Callable[[], float] = time.monotonic
) -> Telegram:
    """Open a port and return its first good telegram, within `timeout` s.

    Raises:
        CannotConnectError: The port cannot be opened, or is closed at once.
        NoDataError: Nothing comes.
        EncryptedError: The meter encrypts.
        NotP1Error: Bytes come, but no good telegram.
    """
    framer = TelegramFramer()
    first: asyncio.Future[Telegram] = asyncio.get_running_loop().create_future()

    def take(data: bytes) -> None:
        for telegram in framer.feed(data):
            if not first.done():
                first.set_result(telegram)

    connection = PortConnection(take, clock)
    await open_p1(connection, url)
    ends: list[asyncio.Future[Any]] = [first, connection.lost]
    try:
        await asyncio.wait(ends, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await connection.close()
    if first.done():
        return first.result()
    raise no_telegram(connection, encrypted=framer.encrypted > 0)


def no_telegram(connection: PortConnection, *, encrypted: bool) -> MeterError:
    """Return why a connection has brought no good telegram."""
    if encrypted:
        return EncryptedError(
            Phrase(
                "port_encrypted",
                "The meter encrypts its telegrams, as meters of other countries do; "
                "Belgian meters never do, and no key can be entered here.",
            )
        )
    if connection.received:
        return NotP1Error(
            Phrase(
                "port_not_p1",
                "Data comes in, but no good P1 telegram: check that this is the P1 "
                "port, that the cable inverts the signal, and that the adapter is set "
                "to 115200 baud, 8N1.",
            )
        )
    if connection.lost.done():
        return CannotConnectError(advised(connection.lost.result(), ONE_READER))
    return mute()
