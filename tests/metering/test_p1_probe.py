"""The one telegram that a form asks for, or why there is none."""

import asyncio
import errno
import socket

import pytest

from custom_components.netflex.metering import port
from custom_components.netflex.metering.errors import (
    CannotConnectError,
    EncryptedError,
    MeterError,
    NoDataError,
    NotP1Error,
)
from custom_components.netflex.metering.p1_port import probe_p1

from .recordings import THREE_PHASE, encrypted_frame, recorded
from .wires import Line, adapter

pytestmark = pytest.mark.usefixtures("socket_enabled")


@pytest.mark.parametrize("scheme", ["socket", "tcp"])
async def test_first_good_telegram_over_tcp(scheme: str) -> None:
    async with adapter() as wire:
        wire.greeting = recorded(THREE_PHASE)[400:] + recorded(THREE_PHASE)
        telegram = await probe_p1(wire.url.replace("socket", scheme), 2.0)
    assert telegram.serial == "1SAG3105056625"


async def test_first_good_telegram_over_a_serial_line() -> None:
    line = Line()
    try:
        probing = asyncio.create_task(probe_p1(line.device, 2.0))
        while not probing.done():
            line.send(recorded(THREE_PHASE))
            await asyncio.sleep(0.02)
        assert (await probing).version == "50217"
    finally:
        line.close()


@pytest.mark.parametrize(
    ("sent", "error", "key"),
    [
        (b"", NoDataError, "no_data"),
        (b"garbage" * 20, NotP1Error, "not_p1"),
        (recorded("derived_bad_crc"), NotP1Error, "not_p1"),
        (encrypted_frame(), EncryptedError, "encrypted"),
    ],
    ids=["silent", "garbage", "bad CRC", "encrypted"],
)
async def test_why_there_is_no_telegram(
    sent: bytes, error: type[MeterError], key: str
) -> None:
    async with adapter() as wire:
        wire.greeting = sent
        with pytest.raises(error) as caught:
            await probe_p1(wire.url, 0.1)
    assert caught.value.key == key
    assert str(caught.value)


async def test_connection_that_is_closed_at_once() -> None:
    async with adapter() as wire:
        probing = asyncio.create_task(probe_p1(wire.url, 5.0))
        while not probing.done():
            wire.drop()
            await asyncio.sleep(0.01)
        with pytest.raises(CannotConnectError, match="one reader"):
            await probing


async def test_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        free = unused.getsockname()[1]
        with pytest.raises(CannotConnectError, match="refuses") as caught:
            await probe_p1(f"socket://127.0.0.1:{free}", 1.0)
    assert caught.value.key == "cannot_connect"
    # The port may be off, and its adapter with it.
    assert "has no power" in str(caught.value)


async def test_an_adapter_on_usb_has_its_power_from_there() -> None:
    with pytest.raises(CannotConnectError, match="is not there") as caught:
        await probe_p1("/dev/netflex-no-such-port", 1.0)
    assert "has no power" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError(), "does not answer"),
        (PermissionError(), "may not be opened by Home Assistant"),
        (socket.gaierror(), "there is no host of this name"),
        (OSError(errno.EHOSTUNREACH, "No route"), "cannot be reached over the network"),
    ],
)
async def test_why_a_port_cannot_be_opened(
    monkeypatch: pytest.MonkeyPatch, error: OSError, words: str
) -> None:
    """What neither root's rights nor loopback bring about."""

    async def fail(*_args: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(port, "create_serial_connection", fail)
    with pytest.raises(CannotConnectError, match=words) as caught:
        await probe_p1("socket://user:geheim@p1.example:23/x?key=geheim", 1.0)
    assert str(caught.value).startswith("socket://p1.example:23/x")
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("written", ["192.168.1.20", "dongle.local:8088"])
async def test_an_address_without_its_socket_is_told_how_it_is_written(
    written: str,
) -> None:
    with pytest.raises(CannotConnectError, match=r"written socket://") as caught:
        await probe_p1(written, 1.0)
    assert "cable" not in str(caught.value)


async def test_port_that_is_in_use() -> None:
    line = Line()
    try:
        first = asyncio.create_task(probe_p1(line.device, 5.0))
        await asyncio.sleep(0.04)
        with pytest.raises(CannotConnectError, match="in use"):
            await probe_p1(line.device, 1.0)
        line.send(recorded(THREE_PHASE))
        assert (await first).version == "50217"
    finally:
        line.close()
