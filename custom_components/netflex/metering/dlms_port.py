"""The consumer interface of a pushed DLMS meter: opened, tried, judged when mute."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
import time
from typing import Any, Final

from serialx import Parity

from ..model.phrase import Phrase, advised
from ..model.reading import MeterReading
from .dlms_apdu import DlmsKeys
from .dlms_link import Framing
from .dlms_reading import DlmsValues
from .dlms_stream import DlmsStream
from .errors import (
    ONE_READER,
    CannotConnectError,
    KeyMissingError,
    KeyWrongError,
    MeterError,
    NotDlmsError,
    mute,
)
from .port import PortConnection

SWITCH_ON: Final = Phrase(
    "port_switch_on_dlms",
    "The consumer interface may be switched off: ask your grid operator to open it, and "
    "check that the adapter is an M-Bus one for the side of a slave.",
)


class DlmsLine(StrEnum):
    """How a serial line is set: its rate, and the parity of its eight bits.

    A meter on M-Bus has 2400 8E1 as a rule; others print theirs in their manual. An
    adapter on the network is set by itself.
    """

    M_BUS = "2400_8e1"
    PLAIN_2400 = "2400_8n1"
    EVEN_9600 = "9600_8e1"
    PLAIN_9600 = "9600_8n1"
    PLAIN_115200 = "115200_8n1"

    @property
    def baudrate(self) -> int:
        """Bits a second."""
        return int(self.partition("_")[0])

    @property
    def parity(self) -> Parity:
        """Even, or none."""
        return Parity.EVEN if self.endswith("e1") else Parity.NONE


async def open_dlms(connection: PortConnection, url: str, line: DlmsLine) -> None:
    """Open a connection.

    Raises:
        CannotConnectError: It cannot be opened; the text says why.
    """
    await connection.open(
        url, baudrate=line.baudrate, parity=line.parity, low_latency=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DlmsFound:
    """What a port has shown."""

    reading: MeterReading
    framing: Framing
    encrypted: bool


async def probe_dlms(
    url: str,
    timeout: float = 20.0,
    *,
    keys: DlmsKeys | None = None,
    line: DlmsLine = DlmsLine.M_BUS,
    clock: Callable[[], float] = time.monotonic,
) -> DlmsFound:
    """Open a port and return what its first push says, within `timeout` s.

    Raises:
        CannotConnectError: The port cannot be opened, or is closed at once.
        NoDataError: Nothing comes.
        KeyMissingError, KeyWrongError: The meter enciphers.
        NotDlmsError: Bytes come, but no push.
    """
    stream, values = DlmsStream(keys), DlmsValues("test")
    first: asyncio.Future[DlmsFound | None] = asyncio.get_running_loop().create_future()

    def take(data: bytes) -> None:
        for push in stream.feed(data):
            values.take(push, clock())
            if not first.done() and stream.framing is not None:
                found = DlmsFound(
                    reading=values.reading(clock()),
                    framing=stream.framing,
                    encrypted=push.encrypted,
                )
                first.set_result(found)
        if (stream.enciphered or stream.wrong_key) and not first.done():
            first.set_result(None)

    connection = PortConnection(take, clock)
    await open_dlms(connection, url, line)
    ends: list[asyncio.Future[Any]] = [first, connection.lost]
    try:
        await asyncio.wait(ends, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await connection.close()
    if first.done() and (found := first.result()) is not None:
        return found
    raise no_push(connection, stream)


def no_push(connection: PortConnection, stream: DlmsStream) -> MeterError:
    """Return why a connection has brought no push that can be read."""
    if stream.wrong_key:
        return KeyWrongError(
            Phrase(
                "port_key_wrong",
                "The meter enciphers with another key: check the key that your grid "
                "operator has given for this meter, and that its digits are all there.",
            )
        )
    if stream.enciphered:
        return KeyMissingError(
            Phrase(
                "port_key_missing",
                "The meter enciphers what it pushes: enter the key that your grid "
                "operator gives on request.",
            )
        )
    if connection.received:
        return NotDlmsError(
            Phrase(
                "port_not_dlms",
                "Data comes in, but no push of a DLMS meter: check the speed and the "
                "parity of the line, and that the adapter is made for this meter's "
                "interface.",
            )
        )
    if connection.lost.done():
        return CannotConnectError(advised(connection.lost.result(), ONE_READER))
    return mute(SWITCH_ON)
