"""A P1 port on the network: serial servers of RFC 2217, serial proxies of ESPHome."""

import asyncio
import base64
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import quote

from aioesphomeapi import api_pb2
import pytest

from custom_components.netflex.metering.errors import CannotConnectError
from custom_components.netflex.metering.p1_port import probe_p1
from custom_components.netflex.metering.p1_reader import P1Source

from .esphome_proxy import serial_proxy
from .recordings import recorded
from .wires import Listener, until

pytestmark = pytest.mark.usefixtures("socket_enabled")

IAC, DO, WILL, SB, SE = 255, 253, 251, 250, 240
COM_PORT = 44
SERVER = 100
"""What a server adds to a client's command when it answers."""
SET_BAUDRATE, SET_DATASIZE, SET_PARITY, SET_STOPSIZE = 1, 2, 3, 4
NONE, ONE = 1, 1
TRAILING_FF = "be_emucs17_3ph_business_13months_trailing_ff"


@dataclass(slots=True)
class SerialServer:
    """Takes the settings of a serial port, and plays the port again and again.

    Everything is granted, as RFC 2217 has it; octet 255 is doubled in the data.
    """

    data: bytes
    url: str = ""
    settings: dict[int, int] = field(default_factory=dict)

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        playing = asyncio.create_task(self._play(writer))
        try:
            await self._obey(reader, writer)
        except ConnectionResetError:
            pass
        finally:
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)

    async def _play(self, writer: asyncio.StreamWriter) -> None:
        while True:
            await asyncio.sleep(0.02)
            if {SET_BAUDRATE, SET_DATASIZE, SET_PARITY, SET_STOPSIZE} <= set(
                self.settings
            ):
                writer.write(self.data.replace(b"\xff", b"\xff\xff"))

    async def _obey(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while octet := await reader.read(1):
            if octet[0] != IAC:
                continue
            (command,) = await reader.readexactly(1)
            if command in {DO, WILL}:
                (option,) = await reader.readexactly(1)
                granted = WILL if command == DO else DO
                writer.write(bytes([IAC, granted, option]))
            elif command == SB:
                asked = (await reader.readuntil(bytes([IAC, SE])))[:-2]
                self._take(asked, writer)

    def _take(self, asked: bytes, writer: asyncio.StreamWriter) -> None:
        option, command, value = asked[0], asked[1], asked[2:]
        assert option == COM_PORT
        self.settings[command] = int.from_bytes(value)
        writer.write(
            bytes([IAC, SB, COM_PORT, command + SERVER]) + value + bytes([IAC, SE])
        )


@asynccontextmanager
async def serial_server(data: bytes) -> AsyncGenerator[SerialServer]:
    served = SerialServer(data)
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    served.url = f"rfc2217://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield served
    finally:
        server.close()
        server.close_clients()
        await server.wait_closed()


async def test_the_port_is_set_up_and_read() -> None:
    async with serial_server(recorded(TRAILING_FF)) as server:
        telegram = await probe_p1(server.url, 5.0)
        assert telegram.version == "50217"
        assert server.settings[SET_BAUDRATE] == 115_200
        assert server.settings[SET_DATASIZE] == 8
        assert server.settings[SET_PARITY] == NONE
        assert server.settings[SET_STOPSIZE] == ONE


async def test_every_telegram_comes_through() -> None:
    async with serial_server(recorded(TRAILING_FF)) as server:
        source = P1Source(server.url, meter_id="meter")
        heard = Listener()
        await heard.start(source)
        try:
            await until(lambda: source.status.good >= 3)
            assert source.status.damaged == 0
            assert source.status.connected
        finally:
            await source.stop()


# --------------------------------------------------------------- ESPHome serial proxies


async def test_a_serial_proxy_is_set_up_read_and_given_back() -> None:
    async with serial_proxy(recorded(TRAILING_FF)) as proxy:
        telegram = await probe_p1(proxy.url, 10.0)
        assert telegram.version == "50217"
        settings = proxy.settings
        assert settings is not None
        assert settings.instance == 1
        assert (settings.baudrate, settings.data_size, settings.stop_bits) == (
            115_200,
            8,
            1,
        )
        assert proxy.mode == api_pb2.SERIAL_PROXY_MODE_RAW
        await until(lambda: proxy.released == 1)
        source = P1Source(proxy.url, meter_id="meter")
        heard = Listener()
        await heard.start(source)
        try:
            await until(lambda: source.status.good >= 3)
            assert source.status.damaged == 0
            assert source.status.connected
        finally:
            await source.stop()
        await until(lambda: proxy.released == 2)


async def test_a_serial_proxy_that_another_reads_is_named() -> None:
    async with serial_proxy(recorded(TRAILING_FF)) as proxy:
        source = P1Source(proxy.url, meter_id="meter")
        heard = Listener()
        await heard.start(source)
        try:
            await until(lambda: source.status.good >= 1)
            with pytest.raises(CannotConnectError, match="is in use by another"):
                await probe_p1(proxy.url, 10.0)
        finally:
            await source.stop()


async def test_a_serial_proxy_without_that_port_is_named() -> None:
    async with serial_proxy(recorded(TRAILING_FF)) as proxy:
        url = proxy.url.replace("P1", "P2")
        with pytest.raises(CannotConnectError, match="'P2 port' does not exist"):
            await probe_p1(url, 10.0)


# Two of its characters mean something else in the query of a URL.
KEY = base64.b64encode(bytes(range(219, 251))).decode()


@pytest.mark.parametrize("key", [KEY, quote(KEY, safe="")], ids=["as-is", "quoted"])
async def test_a_serial_proxy_with_a_key(key: str) -> None:
    """As ESPHome shows it, with a plus sign, or as a URL should have it."""
    assert "+" in KEY
    assert "/" in KEY
    async with serial_proxy(recorded(TRAILING_FF), key=base64.b64decode(KEY)) as proxy:
        telegram = await probe_p1(f"{proxy.url}&key={key}", 10.0)
        assert telegram.version == "50217"


async def test_a_serial_proxy_with_another_key_is_named_and_the_key_is_not() -> None:
    other = base64.b64encode(bytes(32)).decode()
    async with serial_proxy(recorded(TRAILING_FF), key=base64.b64decode(KEY)) as proxy:
        with pytest.raises(
            CannotConnectError, match="Invalid encryption key"
        ) as raised:
            await probe_p1(f"{proxy.url}&key={other}", 10.0)
        assert other not in str(raised.value)
