"""A serial proxy of ESPHome: its native API, plain or encrypted, as serialx asks it.

The messages are aioesphomeapi's own; framing, order and answers are the device's.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aioesphomeapi import api_pb2
from aioesphomeapi.core import MESSAGE_TYPE_TO_PROTO
from cryptography.exceptions import InvalidTag
from noise.connection import NoiseConnection

API_VERSION = (1, 18)
PORT_NAME = "P1 port"
_NUMBERS = {kind: number for number, kind in MESSAGE_TYPE_TO_PROTO.items()}
_SUBSCRIBE = api_pb2.SERIAL_PROXY_REQUEST_TYPE_SUBSCRIBE
_PIECE = 256


async def _varint(reader: asyncio.StreamReader) -> int:
    value = shift = 0
    while True:
        (octet,) = await reader.readexactly(1)
        value |= (octet & 0x7F) << shift
        if octet < 0x80:
            return value
        shift += 7


def _varint_octets(value: int) -> bytes:
    octets = bytearray()
    while value >= 0x80:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*octets, value])


class _Plain:
    """Messages as they are: a zero, length and number of the message, its content."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader = reader
        self._writer = writer

    async def greet(self) -> None:
        """Nothing is agreed on first."""

    async def read(self) -> tuple[int, bytes]:
        assert await self._reader.readexactly(1) == b"\0"
        length, number = await _varint(self._reader), await _varint(self._reader)
        return number, await self._reader.readexactly(length)

    def write(self, number: int, content: bytes) -> None:
        head = _varint_octets(len(content)) + _varint_octets(number)
        self._writer.write(b"\0" + head + content)


class _Encrypted:
    """Messages in frames of Noise, after a handshake with the device's key."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: bytes
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._noise = NoiseConnection.from_name(b"Noise_NNpsk0_25519_ChaChaPoly_SHA256")
        self._noise.set_as_responder()
        self._noise.set_psks(key)
        self._noise.set_prologue(b"NoiseAPIInit\0\0")
        self._noise.start_handshake()

    async def greet(self) -> None:
        await self._frame()
        self._send(b"\x01meter\0")
        asked = await self._frame()
        try:
            self._noise.read_message(asked[1:])
        except InvalidTag:
            self._send(b"\x01Handshake MAC failure")
            raise ConnectionResetError from None
        self._send(b"\0" + bytes(self._noise.write_message()))

    async def read(self) -> tuple[int, bytes]:
        message = bytes(self._noise.decrypt(await self._frame()))
        return int.from_bytes(message[:2]), message[4:]

    def write(self, number: int, content: bytes) -> None:
        head = number.to_bytes(2) + len(content).to_bytes(2)
        self._send(bytes(self._noise.encrypt(head + content)))

    async def _frame(self) -> bytes:
        assert await self._reader.readexactly(1) == b"\x01"
        length = int.from_bytes(await self._reader.readexactly(2))
        return await self._reader.readexactly(length)

    def _send(self, content: bytes) -> None:
        self._writer.write(b"\x01" + len(content).to_bytes(2) + content)


@dataclass(slots=True)
class SerialProxy:
    """One ESPHome device whose second serial port plays `data` every `interval` s.

    A port is granted to one client at a time. With a `key` of 32 bytes it speaks to
    those alone that have it. `settings` are the last that a client has
    asked for, `released` counts clients that gave the port back.
    """

    data: bytes
    interval: float = 0.02
    key: bytes | None = None
    url: str = ""
    settings: api_pb2.SerialProxyConfigureRequest | None = None
    mode: int | None = None
    holder: asyncio.StreamWriter | None = None
    released: int = 0
    _playing: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        wire: _Plain | _Encrypted = _Plain(reader, writer)
        if self.key is not None:
            wire = _Encrypted(reader, writer, self.key)

        def say(answer: Any) -> None:
            wire.write(_NUMBERS[type(answer)], answer.SerializeToString())

        try:
            await wire.greet()
            while True:
                number, content = await wire.read()
                message = MESSAGE_TYPE_TO_PROTO[number]()
                message.MergeFromString(content)
                self._answer(message, writer, say)
                if isinstance(message, api_pb2.DisconnectRequest):
                    break
        except asyncio.IncompleteReadError, ConnectionResetError:
            pass
        finally:
            if self.holder is writer:
                self.holder = None
            writer.close()

    async def stop(self) -> None:
        """Play no more."""
        playing = tuple(self._playing)
        for task in playing:
            task.cancel()
        await asyncio.gather(*playing, return_exceptions=True)

    def _answer(
        self, message: Any, writer: asyncio.StreamWriter, say: Callable[[Any], None]
    ) -> None:
        match message:
            case api_pb2.HelloRequest():
                major, minor = API_VERSION
                say(
                    api_pb2.HelloResponse(
                        api_version_major=major, api_version_minor=minor, name="meter"
                    )
                )
            case api_pb2.PingRequest():
                say(api_pb2.PingResponse())
            case api_pb2.DisconnectRequest():
                say(api_pb2.DisconnectResponse())
            case api_pb2.DeviceInfoRequest():
                names = ("Other", PORT_NAME)
                proxies = [api_pb2.SerialProxyInfo(name=name) for name in names]
                say(api_pb2.DeviceInfoResponse(name="meter", serial_proxies=proxies))
            case api_pb2.SerialProxyRequest(type=kind):
                self._request(message.instance, kind, writer, say)
            case api_pb2.SerialProxySetModeRequest(mode=mode):
                self.mode = mode
                kind = api_pb2.SERIAL_PROXY_REQUEST_TYPE_SET_MODE
                say(_response(message.instance, kind))
            case api_pb2.SerialProxyConfigureRequest():
                self.settings = message
                kind = api_pb2.SERIAL_PROXY_REQUEST_TYPE_CONFIGURE
                say(_response(message.instance, kind))
                playing = asyncio.create_task(self._play(writer, message.instance, say))
                self._playing.add(playing)
                playing.add_done_callback(self._playing.discard)
            case api_pb2.SerialProxyGetModemPinsRequest():
                say(api_pb2.SerialProxyGetModemPinsResponse(instance=message.instance))
            case api_pb2.SerialProxySetModemPinsRequest():
                kind = api_pb2.SERIAL_PROXY_REQUEST_TYPE_SET_MODEM_PINS
                say(_response(message.instance, kind))

    def _request(
        self,
        instance: int,
        kind: int,
        writer: asyncio.StreamWriter,
        say: Callable[[Any], None],
    ) -> None:
        if kind != _SUBSCRIBE:
            self.released += self.holder is writer
            self.holder = None
            return
        if self.holder is not None and self.holder is not writer:
            answer = _response(instance, kind)
            answer.status = api_pb2.SERIAL_PROXY_STATUS_PORT_IN_USE
            say(answer)
            return
        self.holder = writer
        say(_response(instance, kind))

    async def _play(
        self, writer: asyncio.StreamWriter, instance: int, say: Callable[[Any], None]
    ) -> None:
        while self.holder is writer:
            for start in range(0, len(self.data), _PIECE):
                piece = self.data[start : start + _PIECE]
                say(api_pb2.SerialProxyDataReceived(instance=instance, data=piece))
            await asyncio.sleep(self.interval)


def _response(instance: int, kind: int) -> Any:
    return api_pb2.SerialProxyRequestResponse(
        instance=instance, type=kind, status=api_pb2.SERIAL_PROXY_STATUS_OK
    )


@asynccontextmanager
async def serial_proxy(
    data: bytes, interval: float = 0.02, key: bytes | None = None
) -> AsyncGenerator[SerialProxy]:
    """Serve on loopback; `url` names the port that plays."""
    proxy = SerialProxy(data, interval, key)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    number = server.sockets[0].getsockname()[1]
    name = PORT_NAME.replace(" ", "%20")
    proxy.url = f"esphome://127.0.0.1:{number}/?port_name={name}"
    try:
        yield proxy
    finally:
        server.close()
        server.close_clients()
        await server.wait_closed()
        await proxy.stop()
