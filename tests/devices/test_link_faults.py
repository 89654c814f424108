"""Field problems of links, each with what must come of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
import struct

from modbus_connection import ModbusTcpParams
from modbus_connection.tmodbus import ModbusConnection
from pymodbus.constants import ExcCodes
import pytest

from custom_components.netflex.devices import session
from custom_components.netflex.devices.dedicated import DedicatedUnits
from custom_components.netflex.devices.device import DeviceConfig, DeviceError
from custom_components.netflex.devices.factory import build_device
from custom_components.netflex.devices.link import (
    LinkError,
    LinkErrorKind,
    UnitLink,
    endpoint_of,
)
from custom_components.netflex.devices.ports import LinkParams, ModbusUnit, Transport
from custom_components.netflex.devices.profile import Area, LinkSettings
from custom_components.netflex.devices.profile_loader import ProfileLibrary
from custom_components.netflex.devices.scheduler import Preempted, Priority
from custom_components.netflex.model.asset import Asset, Category, Nature
from custom_components.netflex.model.plan import Setpoint, SetpointKind

from .maps import alfen, alfen_takes
from .servers import Map, Server, eventually, serving

QUICK = LinkSettings(timeout=0.5, connect_timeout=5.0)
"""As short as a busy machine bears that has to answer within it."""

LIBRARY_LIMIT = 10.0
"""s that modbus_connection waits for an answer where nobody asks for less."""


def registers() -> Map:
    unit = Map()
    unit.fill(0, 130, 7)
    return unit


class SharedUnits:
    """What Home Assistant hands out: modbus_connection's shared connections."""

    def __init__(self) -> None:
        self.connections: dict[LinkParams, ModbusConnection] = {}
        self.released: list[LinkParams] = []

    async def unit(self, link: LinkParams, unit_id: int) -> ModbusUnit:
        if link not in self.connections:
            self.connections[link] = ModbusConnection(
                ModbusTcpParams(host=link.host, port=link.port)
            )
        return self.connections[link].for_unit(unit_id)

    async def release(self, link: LinkParams) -> None:
        self.released.append(link)
        await self.connections.pop(link).close()

    async def close(self) -> None:
        for link in tuple(self.connections):
            await self.release(link)


@pytest.fixture(params=["dedicated", "shared"])
async def any_units(
    request: pytest.FixtureRequest, socket_enabled: None
) -> AsyncIterator[DedicatedUnits | SharedUnits]:
    units = DedicatedUnits() if request.param == "dedicated" else SharedUnits()
    yield units
    await units.close()


@asynccontextmanager
async def linked(
    units: DedicatedUnits | SharedUnits,
    server: Server,
    unit: int = 1,
    settings: LinkSettings = QUICK,
) -> AsyncIterator[UnitLink]:
    endpoint = endpoint_of(server.link, units)
    endpoint.hold()
    try:
        yield await endpoint.attach(unit, settings)
    finally:
        await endpoint.release()


async def read(link: UnitLink, count: int = 2) -> list[int]:
    return await link.read(Area.HOLDING, 0, count, Priority.FAST)


async def failing(link: UnitLink, count: int = 2) -> LinkError:
    with pytest.raises(LinkError) as caught:
        await read(link, count)
    return caught.value


async def test_good_answers(any_units: DedicatedUnits | SharedUnits) -> None:
    async with serving({1: registers()}) as server, linked(any_units, server) as link:
        assert await read(link, 125) == [7] * 125


async def test_nobody_listens(any_units: DedicatedUnits | SharedUnits) -> None:
    async with serving({1: registers()}) as server:
        await server.stop()
        async with linked(any_units, server) as link:
            err = await failing(link)
            assert err.kind is LinkErrorKind.LINK
            assert link.down
            await server.start()
            for _ in range(3):
                assert "next attempt in" in (await failing(link)).text
            assert server.connections == 0, "the back-off asks nobody"


async def test_silence_takes_the_time_that_it_may_and_no_more(
    any_units: DedicatedUnits | SharedUnits,
) -> None:
    async with serving({1: registers()}) as server, linked(any_units, server) as link:
        await read(link)
        server.garble = lambda data: b""
        server.requests.clear()
        async with asyncio.timeout(LIBRARY_LIMIT / 2):
            err = await failing(link)
        assert err.kind is LinkErrorKind.TIMEOUT
        assert len(server.requests) == 1, "nobody repeats it behind our back"
        assert not link.down, "one lost answer is not a lost link"
        await failing(link)
        await failing(link)
        assert link.down


async def test_half_open_connection_is_replaced(
    any_units: DedicatedUnits | SharedUnits,
) -> None:
    async with serving({1: registers()}) as server, linked(any_units, server) as link:
        await read(link)
        server.garble = lambda data: b""
        for _ in range(3):
            await failing(link)
        server.garble = None
        link.allow_now()
        assert await read(link) == [7, 7]
        assert server.connections == 2


async def test_a_silent_unit_behind_a_gateway_does_not_cut_off_the_others(
    any_units: DedicatedUnits | SharedUnits,
) -> None:
    async with (
        serving({1: registers(), 2: registers()}) as server,
        linked(any_units, server) as good,
        linked(any_units, server, 2) as silent,
    ):
        server.garble = lambda data: b"" if data[6] == 2 else data
        for _ in range(3):
            await failing(silent)
            assert await read(good) == [7, 7]
        assert silent.down
        assert not good.down
        assert server.connections == 1


@pytest.mark.parametrize("code", [0x0A, 0x0B])
async def test_the_gateways_own_words_for_a_silent_unit(
    any_units: DedicatedUnits | SharedUnits, code: int
) -> None:
    async with serving({1: registers()}) as server, linked(any_units, server) as link:
        server.refuse[3, 0] = ExcCodes(code)
        err = await failing(link)
        assert err.kind is LinkErrorKind.TIMEOUT
        assert err.code == code


@pytest.mark.parametrize("code", [1, 2, 3, 4])
async def test_refusals_keep_the_link_up(
    any_units: DedicatedUnits | SharedUnits, code: int
) -> None:
    async with serving({1: registers()}) as server, linked(any_units, server) as link:
        server.refuse[3, 0] = ExcCodes(code)
        for _ in range(4):
            err = await failing(link)
            assert (err.kind, err.code) == (LinkErrorKind.REFUSED, code)
        assert not link.down


async def test_busy_is_told_at_once_on_a_connection_of_our_own(
    units: DedicatedUnits,
) -> None:
    async with serving({1: registers()}) as server, linked(units, server) as link:
        server.refuse[3, 0] = ExcCodes.DEVICE_BUSY
        err = await failing(link)
        assert (err.kind, err.code) == (LinkErrorKind.REFUSED, 6)
        assert len(server.requests) == 1
        assert not link.down


async def test_busy_cannot_hold_a_shared_connection_beyond_its_time(
    socket_enabled: None,
) -> None:
    """Tmodbus repeats a busy request for a minute with its line closed."""
    units = SharedUnits()
    async with serving({1: registers()}) as server, linked(units, server) as link:
        server.refuse[3, 0] = ExcCodes.DEVICE_BUSY
        async with asyncio.timeout(20):
            assert (await failing(link)).kind is LinkErrorKind.TIMEOUT
        server.refuse.clear()
        assert await read(link) == [7, 7]
    await units.close()


def _short(data: bytes) -> bytes:
    """Answer with one register less than asked, well-formed."""
    body = data[7:]
    short = bytes([body[0], body[1] - 2]) + body[2:-2]
    return data[:4] + struct.pack(">H", len(short) + 1) + data[6:7] + short


def _wrong_unit(data: bytes) -> bytes:
    return data[:6] + bytes([data[6] + 1]) + data[7:]


def _wrong_function(data: bytes) -> bytes:
    return data[:7] + bytes([4]) + data[8:]


@pytest.mark.parametrize("garble", [_short, _wrong_unit, _wrong_function])
async def test_answers_to_another_question_are_not_believed(
    any_units: DedicatedUnits | SharedUnits, garble: Callable[[bytes], bytes]
) -> None:
    async with serving({1: registers()}) as server, linked(any_units, server) as link:
        server.garble = garble
        err = await failing(link)
        assert err.kind is LinkErrorKind.GARBAGE
        server.garble = None
        assert await read(link) == [7, 7]


async def test_a_late_answer_is_not_taken_for_the_next_one(
    any_units: DedicatedUnits | SharedUnits,
) -> None:
    contents = registers()
    contents.put(0, [1, 2, 3, 4])
    async with serving({1: contents}) as server, linked(any_units, server) as link:
        await read(link)
        server.read_delay = 0.8
        await failing(link)
        server.read_delay = 0
        assert await link.read(Area.HOLDING, 2, 2, Priority.FAST) == [3, 4]
        await asyncio.sleep(0.05)
        assert await read(link) == [1, 2]


async def test_a_closed_connection_is_opened_again_without_a_blip(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving(alfen(), alfen_takes()) as server:
        device = build_device(_alfen(server), units=units, profiles=profiles)
        states = []
        await device.start(states.append)
        await device.apply(_current(10.0))
        await eventually(lambda: device.state.available)
        del states[:]
        await server.stop()
        await server.start()
        applied = await device.apply(_current(6.0))
        assert applied.confirmed
        assert all(state.available for state in states)
        await device.stop()


async def test_given_back_once_behind_the_last_device(socket_enabled: None) -> None:
    units = SharedUnits()
    async with serving({1: registers(), 2: registers()}) as server:
        endpoint = endpoint_of(server.link, units)
        endpoint.hold()
        endpoint.hold()
        await (await endpoint.attach(1, QUICK)).read(Area.HOLDING, 0, 1, Priority.FAST)
        await (await endpoint.attach(2, QUICK)).read(Area.HOLDING, 0, 1, Priority.FAST)
        assert endpoint_of(server.link, units) is endpoint
        await endpoint.release()
        assert not units.released
        await endpoint.release()
        assert units.released == [server.link]
        endpoint.hold()
        link = await endpoint.attach(1, QUICK)
        assert await read(link) == [7, 7]
        await endpoint.release()
        assert len(units.released) == 2


async def test_a_link_that_can_never_work_is_told(socket_enabled: None) -> None:
    class Refusing(SharedUnits):
        async def unit(self, link: LinkParams, unit_id: int) -> ModbusUnit:
            raise OSError("already in use with different link settings")

    units = Refusing()
    endpoint = endpoint_of(LinkParams(host="127.0.0.1", port=1), units)
    with pytest.raises(LinkError, match="different link settings"):
        await endpoint.attach(1, QUICK)


async def test_reads_over_serial_frames_are_never_interrupted(
    units: DedicatedUnits,
) -> None:
    """A late serial answer cannot be told from the next one."""
    tcp = endpoint_of(LinkParams(host="127.0.0.1"), units)
    rtu = endpoint_of(
        LinkParams(host="127.0.0.1", transport=Transport.RTU_OVER_TCP), units
    )
    assert tcp.numbered
    assert not rtu.numbered


CHARGER = Asset(
    id="alfen",
    name="Alfen",
    nature=Nature.CHARGER,
    category=Category.EV,
    rated_consumption=22000,
)


def _alfen(server: Server) -> DeviceConfig:
    return DeviceConfig(
        device_id="alfen",
        name="Alfen",
        asset=CHARGER,
        profile="alfen_ng9xx",
        link=server.link,
    )


def _current(value: float, *, emergency: bool = False) -> Setpoint:
    return Setpoint(
        asset_id="alfen", kind=SetpointKind.CURRENT, value=value, emergency=emergency
    )


async def test_a_stop_is_written_before_anything_else_is_asked(
    any_units: DedicatedUnits | SharedUnits, shipped: ProfileLibrary
) -> None:
    """With the profile as shipped: neither spacing nor rate limits delay a stop."""
    async with serving(alfen(), alfen_takes()) as server:
        device = build_device(_alfen(server), units=any_units, profiles=shipped)
        await device.start(lambda state: None)
        await device.apply(_current(16.0))
        ahead = []
        for _ in range(5):
            seen = len(server.requests)
            applied = await device.apply(_current(0.0, emergency=True))
            assert applied.confirmed
            later = server.requests[seen:]
            ahead.append([request.writes for request in later].index(True))
        # At most a poll that was in flight already; how long it takes is measured
        # in the benchmarks.
        assert max(ahead) <= 1, ahead
        await device.stop()


async def test_a_stop_behind_six_slow_reads_goes_next_on_the_wire(
    any_units: DedicatedUnits | SharedUnits,
) -> None:
    async with (
        serving({1: registers()}) as server,
        linked(any_units, server, settings=LinkSettings()) as link,
    ):
        await read(link)
        server.requests.clear()
        server.read_delay = 0.1
        reads = [asyncio.create_task(read(link)) for _ in range(6)]
        await eventually(lambda: server.requests)
        await link.write(Area.HOLDING, 5, [0], 6, Priority.EMERGENCY)
        assert [r.writes for r in server.requests[:2]] == [False, True]
        await asyncio.gather(*reads)


@pytest.mark.slow
async def test_a_stop_gives_up_a_poll_that_the_device_answers_much_later(
    any_units: DedicatedUnits | SharedUnits,
) -> None:
    async with (
        serving({1: registers()}) as server,
        linked(any_units, server, settings=LinkSettings(timeout=50)) as link,
    ):
        await read(link)
        server.requests.clear()
        server.read_delay = 45.0
        poll = asyncio.create_task(read(link))
        await eventually(lambda: server.requests)
        # pymodbus serves one connection's requests side by side, as devices with a
        # queue of their own do; what counts is that ours lets the write go. How soon
        # is in test_scheduler.
        async with asyncio.timeout(20):
            await link.write(Area.HOLDING, 5, [0], 6, Priority.EMERGENCY)
        assert server.writes()
        with pytest.raises(Preempted):
            await poll


async def test_a_stop_is_tried_twice_at_once_and_no_more(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving(alfen(), alfen_takes()) as server:
        device = build_device(_alfen(server), units=units, profiles=profiles)
        await device.start(lambda state: None)
        await device.apply(_current(16.0))
        server.refuse[16, 1210] = ExcCodes.DEVICE_FAILURE
        server.requests.clear()
        with pytest.raises(DeviceError):
            await device.apply(_current(0.0, emergency=True))
        assert len(server.writes()) == 2
        await device.stop()


async def test_two_sockets_of_one_station_are_stopped_before_either_is_read_back(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    contents = alfen()
    contents[2] = alfen()[1]
    contents[200].put(1105, [2])
    async with serving(contents) as server:
        devices = []
        for socket in (1, 2):
            config = DeviceConfig(
                device_id=f"socket {socket}",
                name=f"Socket {socket}",
                asset=CHARGER,
                profile="alfen_ng9xx",
                link=server.link,
                params={"socket": socket},
            )
            device = build_device(config, units=units, profiles=profiles)
            await device.start(lambda state: None)
            devices.append(device)
        await asyncio.gather(*(d.apply(_current(16.0)) for d in devices))
        server.requests.clear()
        await asyncio.gather(*(d.apply(_current(0.0, emergency=True)) for d in devices))
        first_two = [r for r in server.requests if r.unit != 200][:3]
        assert sum(r.writes for r in first_two) == 2, first_two
        assert server.connections == 1
        for device in devices:
            await device.stop()


async def test_registers_that_a_firmware_lacks_do_not_keep_the_rest_away(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    contents = alfen()
    for at in (1102, 1103, 1104):
        del contents[200].holding[at]
    async with serving(contents, alfen_takes()) as server:
        device = build_device(_alfen(server), units=units, profiles=profiles)
        await device.start(lambda state: None)
        assert (await device.apply(_current(9.0))).confirmed
        await eventually(lambda: "temperature" in device.state.details)
        assert device.state.details["station_max"] == 32.0
        assert device.state.details["temperature"] is None
        await device.stop()


async def test_a_fault_of_our_own_is_logged_once_however_often_it_comes(
    units: DedicatedUnits,
    profiles: ProfileLibrary,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tries = []

    async def faulty(_session: session.Session, _priority: Priority) -> None:
        tries.append(1)
        raise KeyError("mine")

    monkeypatch.setattr(session, "_AFTER_A_FAULT", 0.001)
    monkeypatch.setattr(session.Session, "ensure_ready", faulty)
    async with serving(alfen(), alfen_takes()) as server:
        device = build_device(_alfen(server), units=units, profiles=profiles)
        await device.start(lambda _state: None)
        await eventually(lambda: len(tries) >= 20, limit=30.0)
        await device.stop()
    assert "the integration itself" in (device.state.problem or "")
    (told,) = [text for text in caplog.messages if "polling failed" in text]
    assert "begins again" in told
