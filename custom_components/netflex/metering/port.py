"""The port of a meter: a serial device, or a URL that serialx knows.

`socket://host:port`, `tcp://host:port` and `rfc2217://host:port` are adapters on the
network, `esphome://` and `esphome-hass://` serial proxies of ESPHome. What goes wrong is
said in the user's words.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
import errno
import re
import socket
from typing import override
from urllib.parse import urlsplit

from serialx import (
    BaseSerialTransport,
    Parity,
    SerialException,
    StopBits,
    create_serial_connection,
)

from ..model.failure import reason_of
from ..model.phrase import Phrase
from .errors import CannotConnectError

_KEY = re.compile(r"(?<=[?&])(?:key|noise_psk)=[^&#]*")
_CONNECT_TIMEOUT = 10.0
_CLOSE_TIMEOUT = 2.0
_REST = 0.008
"""s that reading rests: at 2 Mbit/s 1.6 kB, well within what the kernel keeps."""
_SMALL_PIECE = 400


class PortConnection(asyncio.Protocol):
    """One open connection; `lost` is done, with the reason in words, when it ends.

    `last_byte` is monotonic s of the newest byte, of the opening before the first.
    """

    def __init__(
        self, on_data: Callable[[bytes], None], clock: Callable[[], float]
    ) -> None:
        """Prepare a connection that hands its bytes to `on_data`."""
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.last_byte = clock()
        self.received = 0
        self._on_data = on_data
        self._clock = clock
        self._transport: BaseSerialTransport | None = None
        self._closing = False
        self._rests = False
        self._rest: asyncio.TimerHandle | None = None

    async def open(
        self,
        url: str,
        *,
        baudrate: int,
        low_latency: bool,
        parity: Parity = Parity.NONE,
    ) -> None:
        """Open the port, 8N1 unless there is a parity.

        `low_latency` asks for each byte at once (a telegram a second). Without it the
        adapter is to collect them (thousands of frames a second), and where it does
        not, reading a local port rests a little after each small piece.

        Raises:
            CannotConnectError: It cannot be opened; the text says why.
        """
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT):
                self._transport, _ = await create_serial_connection(
                    asyncio.get_running_loop(),
                    lambda: self,
                    _with_whole_key(url),
                    baudrate=baudrate,
                    byte_size=8,
                    parity=parity,
                    stopbits=StopBits.ONE,
                    low_latency=low_latency,
                )
        # Other integrations bring handlers of their own (serial proxies), which may
        # raise anything; none of it may end a source.
        except Exception as error:
            raise CannotConnectError(_reason(url, error)) from error
        self.last_byte = self._clock()
        self._rests = not low_latency and not urlsplit(url).scheme

    async def close(self) -> None:
        """Close the port and wait until it is closed; that is no loss."""
        self._closing = True
        if self._rest is not None:
            self._rest.cancel()
        if self._transport is None:
            return
        self._transport.abort()
        # A driver may hang when it is closed; that must not hold up a new try.
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await self._transport.wait_closed()
        self._transport = None

    @override
    def data_received(self, data: bytes) -> None:
        """Hand bytes on."""
        self.last_byte = self._clock()
        self.received += len(data)
        self._on_data(data)
        if self._rests and len(data) < _SMALL_PIECE and self._transport is not None:
            self._transport.pause_reading()
            loop = asyncio.get_running_loop()
            self._rest = loop.call_later(_REST, self._read_on)

    def _read_on(self) -> None:
        self._rest = None
        if self._transport is not None and not self._closing:
            self._transport.resume_reading()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """Note why the connection has ended."""
        if not self._closing and not self.lost.done():
            self.lost.set_result(
                Phrase("port_closed", "The other end closed the connection.")
                if exc is None
                else Phrase(
                    "port_lost",
                    "The connection was lost: {reason}.",
                    reason=reason_of(exc),
                )
            )


def _with_whole_key(url: str) -> str:
    """Return a URL whose key keeps its plus signs.

    Keys of serial proxies are shown in base64, and pasted like that; the query of a URL
    reads a plus sign as a blank.
    """
    return _KEY.sub(lambda found: found[0].replace("+", "%2B"), url)


def _reason(url: str, error: Exception) -> Phrase:
    """Return why a port could not be opened; never the query, which may hold a key."""
    try:
        parts = urlsplit(url)
        port = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        port = port if parts.scheme else parts.path
    except ValueError:
        port = Phrase("port_address", "The address")
    match error:
        case TimeoutError():
            return Phrase("port_no_answer", "{port} does not answer.", port=port)
        case ConnectionRefusedError():
            return Phrase(
                "port_refuses",
                "{port} refuses the connection: is the adapter set up, and free?",
                port=port,
            )
        case _ if "://" not in url and not url.startswith("/"):
            return Phrase(
                "port_no_serial",
                "{port} is no serial port of this machine; an adapter in the network "
                "is written {example}.",
                port=port,
                example="socket://ADDRESS:PORT",
            )
        case FileNotFoundError():
            return Phrase(
                "port_missing",
                "{port} is not there: is the cable plugged in?",
                port=port,
            )
        case PermissionError():
            return Phrase(
                "port_denied", "{port} may not be opened by Home Assistant.", port=port
            )
        case socket.gaierror():
            return Phrase(
                "port_name_unknown", "{port}: there is no host of this name.", port=port
            )
        case OSError(errno=errno.EBUSY):
            return Phrase(
                "port_busy",
                "{port} is in use by another program or integration.",
                port=port,
            )
        case OSError(errno=errno.EHOSTUNREACH | errno.ENETUNREACH):
            return Phrase(
                "port_unreachable",
                "{port} cannot be reached over the network.",
                port=port,
            )
        case ValueError() | SerialException() | OSError():
            return Phrase(
                "port_unusable",
                "{port} cannot be opened: {reason}.",
                port=port,
                reason=reason_of(error),
            )
    why = _KEY.sub("", str(error)) or type(error).__name__
    return Phrase(
        "port_not_now",
        "{port} cannot be opened now: {reason}.",
        port=port,
        reason=why.removesuffix("."),
    )
