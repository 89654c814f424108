"""The P1 port served again: unchanged, to those who are allowed, never blocking."""

import asyncio
from collections.abc import AsyncGenerator
import logging
import socket

import pytest

from custom_components.netflex.metering.p1_port import probe_p1
from custom_components.netflex.metering.p1_reader import P1Source
from custom_components.netflex.metering.p1_share import (
    BACKLOG_LIMIT,
    CLIENT_LIMIT,
    P1Share,
    _within,
)
from custom_components.netflex.metering.p1_shared import SHARE_PROBLEM, SharedP1Source
from custom_components.netflex.metering.source import MeterStatus
from custom_components.netflex.model.reading import MeterReading

from .recordings import THREE_PHASE, recorded
from .wires import adapter, until

pytestmark = pytest.mark.usefixtures("socket_enabled")


@pytest.fixture(name="share")
async def _share() -> AsyncGenerator[P1Share]:
    share = P1Share("127.0.0.1", 0, ["127.0.0.0/8"])
    await share.start()
    yield share
    await share.stop()


async def _is_dropped(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read() == b""
    except ConnectionError:
        return True


async def test_two_readers_get_every_byte(share: P1Share) -> None:
    connections = [
        await asyncio.open_connection("127.0.0.1", share.port) for _ in range(2)
    ]
    await until(lambda: share.readers == 2)
    data = b"\xff noise" + recorded(THREE_PHASE)
    share.send(data)
    for reader, writer in connections:
        assert await reader.readexactly(len(data)) == data
        writer.close()
    await until(lambda: share.readers == 0)


async def test_another_system_reads_through_us(share: P1Share) -> None:
    async with adapter() as wire:
        source = P1Source(wire.url, meter_id="meter", on_bytes=share.send)
        await source.start(lambda _reading: None, lambda _status: None)
        probing = asyncio.create_task(probe_p1(f"socket://127.0.0.1:{share.port}", 5.0))
        while not probing.done():
            wire.send(recorded(THREE_PHASE))
            await asyncio.sleep(0.02)
        assert (await probing).version == "50217"
        await source.stop()


async def test_who_is_not_allowed_is_dropped() -> None:
    share = P1Share("127.0.0.1", 0, ["192.168.1.0/24"])
    await share.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", share.port)
    assert await _is_dropped(reader)
    writer.close()
    assert (share.readers, share.refused) == (0, 1)
    await share.stop()


async def test_one_reader_too_many_is_dropped(share: P1Share) -> None:
    writers = []
    for _ in range(CLIENT_LIMIT + 1):
        _, writer = await asyncio.open_connection("127.0.0.1", share.port)
        writers.append(writer)
    await until(lambda: share.refused == 1)
    assert share.readers == CLIENT_LIMIT
    for writer in writers:
        writer.close()


async def test_a_reader_that_does_not_read_is_dropped_and_named_once(
    share: P1Share, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", share.port)) as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            await until(lambda: share.readers == 1)
            sent = 0
            while share.readers and sent < 100 * BACKLOG_LIMIT:
                share.send(b"x" * 8192)
                sent += 8192
                await asyncio.sleep(0)
            assert share.readers == 0
    (told,) = [item.message for item in caplog.records if "netflex" in item.name]
    assert "127.0.0.1" in told


async def test_stopping_drops_everyone_and_frees_the_port(share: P1Share) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", share.port)
    await until(lambda: share.readers == 1)
    port = share.port
    await share.stop()
    await share.stop()
    assert await _is_dropped(reader)
    writer.close()
    again = P1Share("127.0.0.1", port, ["127.0.0.1"])
    await again.start()
    await again.stop()


async def test_reading_goes_on_where_the_port_cannot_be_shared_yet(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Another program listens there: that is said once, and ends by itself."""
    caplog.set_level(logging.INFO, "custom_components.netflex")
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    heard: list[MeterStatus] = []
    readings: list[MeterReading] = []
    async with adapter() as wire:
        wire.greeting = recorded(THREE_PHASE)
        source = SharedP1Source(
            wire.url,
            meter_id="meter",
            host="127.0.0.1",
            port=port,
            allowed=["127.0.0.1"],
            retry=0.01,
        )
        await source.start(readings.append, heard.append)
        try:
            await until(lambda: readings and source.status.details[SHARE_PROBLEM])
            problem = source.status.details[SHARE_PROBLEM]
            assert f"cannot be shared on 127.0.0.1 port {port}" in str(problem)
            assert source.status.connected
            taken.close()
            await taken.wait_closed()
            await until(lambda: source.status.details[SHARE_PROBLEM] is None)
            told = [status.details[SHARE_PROBLEM] for status in heard]
            assert problem in told
            assert told[-1] is None
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            await until(lambda: source.status.details["share_readers"] == 1)
            wire.send(recorded(THREE_PHASE))
            assert (await reader.readexactly(5)).startswith(b"/")
            writer.close()
        finally:
            await source.stop()
    refused, shared = [item.message for item in caplog.records if "share" in item.name]
    assert "cannot be shared" in refused
    assert "is shared on" in shared


def test_addresses_and_networks() -> None:
    allowed = P1Share("::", 0, ["192.168.1.0/24", "fe80::/10"])._allowed
    assert _within("192.168.1.77", allowed)
    assert _within("::ffff:192.168.1.77", allowed)
    assert _within("fe80::1%eth0", allowed)
    assert not _within("192.168.2.77", allowed)
    with pytest.raises(ValueError, match="everywhere"):
        P1Share("::", 0, ["everywhere"])
