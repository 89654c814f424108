"""The tolerant connection against gateways that bend the rules, and those that lie."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
import struct

from pymodbus import FramerType
from pymodbus.constants import ExcCodes
import pytest

from custom_components.netflex.devices.chosen import ChosenUnits
from custom_components.netflex.devices.dedicated import DedicatedUnits
from custom_components.netflex.devices.device import DeviceConfig
from custom_components.netflex.devices.factory import build_device
from custom_components.netflex.devices.link import (
    LinkError,
    LinkErrorKind,
    UnitLink,
    endpoint_of,
)
from custom_components.netflex.devices.ports import (
    Connection,
    LinkParams,
    Transport,
    UnitFactory,
)
from custom_components.netflex.devices.profile import Area, LinkSettings
from custom_components.netflex.devices.profile_loader import ProfileLibrary
from custom_components.netflex.devices.scheduler import Priority
from custom_components.netflex.devices.tolerant import TolerantUnits
from custom_components.netflex.model.asset import Asset, Category, Nature
from custom_components.netflex.model.plan import Setpoint, SetpointKind

from .maps import alfen, alfen_takes
from .servers import Map, Server, eventually, serving

QUICK = LinkSettings(timeout=0.5, connect_timeout=5.0)


def registers() -> Map:
    unit = Map(coils=dict.fromkeys(range(10), True), discrete={3: True, 4: False})
    unit.fill(0, 20, 7)
    unit.put_input(0, [5, 6])
    return unit


@pytest.fixture
async def tolerant(socket_enabled: None) -> AsyncIterator[TolerantUnits]:
    units = TolerantUnits()
    yield units
    await units.close()


def params(server: Server, transport: Transport = Transport.TCP) -> LinkParams:
    return replace(server.link, transport=transport, connection=Connection.TOLERANT)


@asynccontextmanager
async def linked(units: UnitFactory, link: LinkParams) -> AsyncIterator[UnitLink]:
    endpoint = endpoint_of(link, units)
    endpoint.hold()
    try:
        yield await endpoint.attach(1, QUICK)
    finally:
        await endpoint.release()


async def read(link: UnitLink, count: int = 2) -> list[int]:
    return await link.read(Area.HOLDING, 0, count, Priority.FAST)


async def failing(link: UnitLink) -> LinkError:
    with pytest.raises(LinkError) as caught:
        await read(link)
    return caught.value


async def test_every_function(tolerant: TolerantUnits) -> None:
    async with (
        serving({1: registers()}) as server,
        linked(tolerant, params(server)) as link,
    ):
        assert await link.read(Area.HOLDING, 0, 20, Priority.FAST) == [7] * 20
        assert await link.read(Area.INPUT, 0, 2, Priority.FAST) == [5, 6]
        assert await link.read(Area.COIL, 0, 10, Priority.FAST) == [1] * 10
        assert await link.read(Area.DISCRETE, 3, 2, Priority.FAST) == [1, 0]
        await link.write(Area.HOLDING, 1, [9], 6, Priority.SETPOINT)
        await link.write(Area.HOLDING, 2, [1, 2], 16, Priority.SETPOINT)
        await link.write(Area.COIL, 4, [0], 5, Priority.SETPOINT)
        await link.write(Area.COIL, 6, [0, 1], 15, Priority.SETPOINT)
        assert server.get(1, 0, 4) == [7, 9, 1, 2]
        assert not server.coil(1, 4)
        assert [write.function for write in server.writes()] == [6, 16, 5, 15]


async def test_serial_frames_through_the_network(tolerant: TolerantUnits) -> None:
    server = Server({1: registers()})
    server.framer = FramerType.RTU
    await server.start()
    async with linked(tolerant, params(server, Transport.RTU_OVER_TCP)) as link:
        assert await read(link) == [7, 7]
        await link.write(Area.HOLDING, 2, [1, 2], 16, Priority.SETPOINT)
        assert server.get(1, 2, 2) == [1, 2]
    await server.stop()


def _zero_transaction(data: bytes) -> bytes:
    return b"\0\0" + data[2:]


def _extra_bytes(data: bytes) -> bytes:
    return data + b"\xff"


@pytest.mark.parametrize("bend", [_zero_transaction, _extra_bytes])
async def test_rules_that_are_bent_are_borne(
    tolerant: TolerantUnits, bend: Callable[[bytes], bytes]
) -> None:
    async with (
        serving({1: registers()}) as server,
        linked(tolerant, params(server)) as link,
    ):
        server.garble = bend
        assert await read(link) == [7, 7]


async def test_the_strict_connection_does_not_bear_a_transaction_number_of_zero(
    units: DedicatedUnits,
) -> None:
    """Why there is a tolerant one at all."""
    async with serving({1: registers()}) as server, linked(units, server.link) as link:
        server.garble = _zero_transaction
        await failing(link)


def _short(data: bytes) -> bytes:
    body = data[7:]
    short = bytes([body[0], body[1] - 2]) + body[2:-2]
    return data[:4] + struct.pack(">H", len(short) + 1) + data[6:7] + short


def _other_function(data: bytes) -> bytes:
    return data[:7] + bytes([4]) + data[8:]


def _other_unit(data: bytes) -> bytes:
    return data[:6] + bytes([data[6] + 1]) + data[7:]


def _other_transaction(data: bytes) -> bytes:
    return bytes([data[0] ^ 0x55, data[1] ^ 0x55]) + data[2:]


@pytest.mark.parametrize(
    ("lie", "kind"),
    [
        (_short, LinkErrorKind.GARBAGE),
        (_other_function, LinkErrorKind.GARBAGE),
        (_other_unit, LinkErrorKind.TIMEOUT),
        (_other_transaction, LinkErrorKind.TIMEOUT),
    ],
)
async def test_answers_to_another_question_are_not_believed(
    tolerant: TolerantUnits, lie: Callable[[bytes], bytes], kind: LinkErrorKind
) -> None:
    async with (
        serving({1: registers()}) as server,
        linked(tolerant, params(server)) as link,
    ):
        assert await read(link) == [7, 7]
        server.garble = lie
        assert (await failing(link)).kind is kind
        server.garble = None
        assert await read(link) == [7, 7]


async def test_a_late_answer_is_not_taken_for_the_next_one(
    tolerant: TolerantUnits,
) -> None:
    """Where numbers mean nothing only a new connection tells them apart."""
    contents = registers()
    contents.put(0, [1, 2, 3, 4])
    async with (
        serving({1: contents}) as server,
        linked(tolerant, params(server)) as link,
    ):
        server.garble = _zero_transaction
        assert await read(link) == [1, 2]
        server.read_delay = 0.9
        assert (await failing(link)).kind is LinkErrorKind.TIMEOUT
        server.read_delay = 0
        assert await link.read(Area.HOLDING, 2, 2, Priority.FAST) == [3, 4]
        await asyncio.sleep(0.05)
        assert await read(link) == [1, 2]


async def test_a_peer_that_closes_is_noticed_at_once(tolerant: TolerantUnits) -> None:
    """Pymodbus alone waits out the whole time."""

    async def hang_up(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.read(12)
        writer.close()

    listener = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    link = LinkParams(host="127.0.0.1", port=port, connection=Connection.TOLERANT)
    patient = LinkSettings(timeout=60, connect_timeout=5.0)
    endpoint = endpoint_of(link, tolerant)
    endpoint.hold()
    unit = await endpoint.attach(1, patient)
    async with asyncio.timeout(30):
        err = await failing(unit)
    assert err.kind is LinkErrorKind.LINK
    await endpoint.release()
    listener.close()


async def test_refusals_come_at_once_and_busy_is_one(tolerant: TolerantUnits) -> None:
    async with (
        serving({1: registers()}) as server,
        linked(tolerant, params(server)) as link,
    ):
        for code in (2, 6):
            server.refuse[3, 0] = ExcCodes(code)
            err = await failing(link)
            assert (err.kind, err.code) == (LinkErrorKind.REFUSED, code)
        assert not link.down


async def test_cancelling_is_honoured(tolerant: TolerantUnits) -> None:
    """Pymodbus turns a cancellation into an error of its own; ours ends."""
    async with serving({1: registers()}) as server:
        unit = await tolerant.unit(params(server), 1)
        await unit.read_holding_registers(0, 1)
        server.read_delay = 5.0
        task = asyncio.create_task(unit.read_holding_registers(0, 1))
        await eventually(lambda: len(server.requests) == 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        server.read_delay = 0.0
        assert await unit.read_holding_registers(0, 1) == [7]


async def test_reads_are_never_interrupted_where_numbers_mean_nothing(
    tolerant: TolerantUnits,
) -> None:
    link = LinkParams(host="127.0.0.1", connection=Connection.TOLERANT)
    assert not endpoint_of(link, tolerant).numbered


async def test_a_charger_behind_a_bent_gateway_is_driven(
    socket_enabled: None, profiles: ProfileLibrary
) -> None:
    units = ChosenUnits(DedicatedUnits())
    async with serving(alfen(), alfen_takes()) as server:
        server.garble = _zero_transaction
        device = build_device(
            DeviceConfig(
                device_id="alfen",
                name="Alfen",
                asset=Asset(
                    id="alfen",
                    name="Alfen",
                    nature=Nature.CHARGER,
                    category=Category.EV,
                ),
                profile="alfen_ng9xx",
                link=params(server),
            ),
            units=units,
            profiles=profiles,
        )
        await device.start(lambda state: None)
        await eventually(lambda: device.state.available)
        applied = await device.apply(
            Setpoint(asset_id="alfen", kind=SetpointKind.CURRENT, value=10.0)
        )
        assert applied.confirmed
        assert applied.readback == 10.0
        await device.stop()
    await units.close()
