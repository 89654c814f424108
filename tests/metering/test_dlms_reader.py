"""A pushed DLMS meter as a source, over a serial line and over TCP."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from serialx import Parity

from custom_components.netflex.metering.dlms_apdu import DlmsKeys
from custom_components.netflex.metering.dlms_link import Framing
from custom_components.netflex.metering.dlms_objects import PushGroup
from custom_components.netflex.metering.dlms_port import DlmsLine, probe_dlms
from custom_components.netflex.metering.dlms_reader import DlmsSource
from custom_components.netflex.metering.dlms_reading import OLD
from custom_components.netflex.metering.errors import (
    CannotConnectError,
    KeyMissingError,
    KeyWrongError,
    NoDataError,
    NotDlmsError,
)

from .dlms_recordings import E450_KEYS, OTHER_KEY, meter, pushing
from .wires import Line, Listener, adapter, until

pytestmark = pytest.mark.usefixtures("socket_enabled")

WRONG = DlmsKeys(encryption=OTHER_KEY)


@asynccontextmanager
async def running(
    url: str, **options: Any
) -> AsyncGenerator[tuple[DlmsSource, Listener]]:
    source = DlmsSource(url, meter_id="meter", **options)
    heard = Listener()
    await source.start(heard.readings.append, heard.statuses.append)
    try:
        yield source, heard
    finally:
        await source.stop()


# ------------------------------------------------------------------------ it is read


@pytest.mark.parametrize("framing", Framing)
@pytest.mark.parametrize("keys", [None, E450_KEYS], ids=["plain", "enciphered"])
async def test_over_tcp(framing: Framing, keys: DlmsKeys | None) -> None:
    wire = meter(framing, keys=keys)
    async with (
        pushing(wire) as url,
        running(url, keys=keys) as (source, heard),
    ):
        await until(lambda: len(heard.readings) >= 3)
        await until(lambda: source.groups[PushGroup.ENERGY].received >= 1)
        await until(lambda: heard.readings[-1].energy_import is not None)
        reading = heard.readings[-1]
        assert (reading.power, reading.energy_import) == (6900.0, 12_048_950.0)
        status = source.status
        assert (status.connected, status.damaged, status.problem) == (True, 0, None)
        assert status.details["framing"] == framing
        assert {str(code) for code in source.values} >= {"1-0:1.7.0", "1-0:5.8.0"}
        technical = source.groups[PushGroup.TECHNICAL]
        assert technical.newest is not None
        assert technical.expected_period == 5.0


@pytest.mark.parametrize("framing", Framing)
async def test_over_a_serial_line_with_noise(framing: Framing) -> None:
    """Octets as they come at 2400 baud would be too slow here; the noise is alike."""
    wire, line = meter(framing), Line()
    try:
        async with running(line.device, line=DlmsLine.PLAIN_2400) as (source, heard):
            await until(lambda: source.status.connected)
            for number in range(30):
                wire.damage = int(number % 3 == 1)
                data = wire.push(PushGroup.TECHNICAL)
                for start in range(0, len(data), 64):
                    line.send(data[start : start + 64])
                    await asyncio.sleep(0)
            await until(lambda: source.status.good == 20)
            assert source.status.damaged == 10
            assert len(heard.readings) == 20
    finally:
        line.close()


async def test_registers_wait_for_the_next_power() -> None:
    """So that a meter's rhythm is that of its power."""
    now = 0.0
    async with (
        adapter() as port,
        running(port.url, clock=lambda: now) as (source, heard),
    ):
        wire = meter()
        await until(lambda: port.accepted)
        port.send(wire.push(PushGroup.TECHNICAL))
        await until(lambda: len(heard.readings) == 1)
        now = 3.0
        port.send(wire.push(PushGroup.ENERGY))
        await until(lambda: source.status.good == 2)
        assert len(heard.readings) == 1
        now = 5.0
        port.send(wire.push(PushGroup.TECHNICAL))
        await until(lambda: len(heard.readings) == 2)
        reading = heard.readings[-1]
        assert (reading.power, reading.received) == (6900.0, 5.0)
        assert (reading.energy_import, reading.measured["energy_import"]) == (
            12_048_950.0,
            3.0,
        )
        # Where no power comes any more they are told by themselves, without one.
        now = 5.0 + OLD + 1.0
        port.send(wire.push(PushGroup.ENERGY))
        await until(lambda: len(heard.readings) == 3)
        assert heard.readings[-1].power is None


async def test_a_meter_that_goes_away_and_comes_back() -> None:
    wire = meter()
    async with pushing(wire) as url, running(url, backoff=(0.05,)) as (source, heard):
        await until(lambda: heard.readings)
        await wire.unplug()
        await until(lambda: source.status.problem_key == "cannot_connect")
        await wire.plug()
        seen = len(heard.readings)
        await until(lambda: len(heard.readings) > seen)
        assert source.status.problem is None


# -------------------------------------------------------------------- it is not read


@pytest.mark.parametrize(
    ("keys", "key"),
    [(None, "key_missing"), (WRONG, "key_wrong")],
    ids=["none", "wrong"],
)
async def test_a_key_that_does_not_fit_is_named(
    keys: DlmsKeys | None, key: str
) -> None:
    wire = meter(keys=E450_KEYS)
    async with (
        pushing(wire) as url,
        running(url, keys=keys, silence=1.0) as (source, heard),
    ):
        await until(lambda: source.status.problem_key == key)
        assert source.status.connected
        assert not heard.readings
        text = str(source.status)
        assert OTHER_KEY.hex() not in text


async def test_a_meter_that_is_silent_is_named() -> None:
    async with (
        adapter() as port,
        running(port.url, silence=0.1, backoff=(0.05,)) as (source, _),
    ):
        await until(lambda: source.status.problem_key == "no_data")
        await until(lambda: port.accepted >= 2)


async def test_something_else_is_named() -> None:
    async with adapter() as port, running(port.url, silence=0.3) as (source, _):
        await until(lambda: port.accepted)

        def noisy() -> bool:
            port.send(b"/FLU5\r\n\r\n1-0:1.7.0(00.132*kW)\r\n!0000\r\n")
            return source.status.problem_key == "not_dlms"

        await until(noisy)


# --------------------------------------------------------------------------- it is tried


@pytest.mark.parametrize("framing", Framing)
async def test_a_test_says_what_it_has_found(framing: Framing) -> None:
    async with pushing(meter(framing, keys=E450_KEYS)) as url:
        found = await probe_dlms(url, 5.0, keys=E450_KEYS)
        assert (found.framing, found.encrypted) == (framing, True)
        assert found.reading.serial == "44337811"
        with pytest.raises(KeyMissingError, match="enter the key"):
            await probe_dlms(url, 5.0)
        with pytest.raises(KeyWrongError, match="another key"):
            await probe_dlms(url, 5.0, keys=WRONG)


async def test_a_test_of_something_else() -> None:
    async with adapter() as port:
        with pytest.raises(NoDataError, match="switched off"):
            await probe_dlms(port.url, 0.1)
        port.greeting = b"noise" * 100
        with pytest.raises(NotDlmsError, match="speed and the parity"):
            await probe_dlms(port.url, 0.2)
    with pytest.raises(CannotConnectError):
        await probe_dlms(port.url, 0.2)


@pytest.mark.parametrize(
    ("line", "baudrate", "parity"),
    [
        (DlmsLine.M_BUS, 2400, Parity.EVEN),
        (DlmsLine.PLAIN_2400, 2400, Parity.NONE),
        (DlmsLine.EVEN_9600, 9600, Parity.EVEN),
        (DlmsLine.PLAIN_9600, 9600, Parity.NONE),
        (DlmsLine.PLAIN_115200, 115200, Parity.NONE),
    ],
)
def test_lines(line: DlmsLine, baudrate: int, parity: Parity) -> None:
    assert (line.baudrate, line.parity) == (baudrate, parity)
