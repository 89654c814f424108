"""The controlling station, against ours and against a socket that misbehaves."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from custom_components.netflex.iec104 import (
    Asdu,
    Cause,
    CloseCode,
    CloseReason,
    ControllingConfig,
    ControllingStation,
    LinkClosedError,
    LinkParameters,
    LinkState,
    MonitorObject,
    TimeTag,
    TimeZoneMode,
    TimeZonePolicy,
    TypeId,
)
from custom_components.netflex.iec104.apdu import (
    ApduFramer,
    UFunction,
    build_i,
    build_s,
    build_u,
)
from custom_components.netflex.iec104.asdu import encode_asdu
from custom_components.netflex.iec104.information_objects import QualifiedRequest

from .bench import (
    FEEDBACK,
    MEASUREMENT,
    NOW,
    Q_MODE,
    SELECTED_SETPOINT,
    SETPOINT,
    STOP_PRODUCTION,
    Bench,
    Clock,
    Plant,
    VirtualTimers,
    running,
)


@asynccontextmanager
async def rtu(bench: Bench, **fields: object) -> AsyncGenerator[ControllingStation]:
    station = ControllingStation(time_source=bench.clock, **fields)
    await station.connect(*bench.address)
    await station.start_dt()
    try:
        yield station
    finally:
        await station.close()


async def test_interrogation():
    async with running() as bench, rtu(bench) as station:
        result = await station.general_interrogation(originator=4)
        assert result.terminated
        assert result.confirmation.positive
        assert result.confirmation.originator == 4
        assert {obj.ioa for obj in result.objects} == set(bench.plant.values)
        assert result.terminated_after >= result.confirmation.after >= 0
        refused = await station.general_interrogation(qualifier=21)
        assert not refused.confirmation.positive
        assert not refused.terminated


async def test_commands_and_what_comes_back():
    async with running() as bench, rtu(bench) as station:
        result = await station.command(SETPOINT, TypeId.C_SE_NC_1, 40.0, originator=7)
        assert result.accepted
        assert result.terminated
        assert result.confirmation.originator == 7
        assert [(obj.ioa, obj.value) for obj in result.return_information] == [
            (SETPOINT + FEEDBACK, 40.0)
        ]
        assert (
            result.confirmation.after
            <= result.returned_after
            <= result.terminated_after
        )
        assert (await station.command(Q_MODE, TypeId.C_DC_TA_1, 2)).accepted
        assert bench.plant.executed[-1].time == NOW


async def test_refused_commands():
    async with running() as bench, rtu(bench) as station:
        for ioa, type_id, value, address, cause in (
            (SETPOINT, TypeId.C_SE_NC_1, 101.0, 100, 7),
            (SETPOINT, TypeId.C_SE_NC_1, 50.0, 99, 46),
            (9, TypeId.C_SE_NC_1, 50.0, 100, 47),
            (SETPOINT, TypeId.C_SC_NA_1, True, 100, 44),
        ):
            result = await station.command(ioa, type_id, value, common_address=address)
            assert (result.confirmation.cause, result.accepted) == (cause, False)
            assert not result.terminated
        assert not bench.plant.executed


async def test_test_bit_waits_for_no_termination():
    async with running() as bench, rtu(bench) as station:
        result = await station.command(STOP_PRODUCTION, 45, True, test=True)
        assert result.accepted
        assert result.confirmation.test
        assert not bench.plant.executed


async def test_select_before_operate():
    async with running() as bench, rtu(bench) as station:
        result = await station.command(SELECTED_SETPOINT, 50, 40.0, select=True)
        assert result.selection.positive
        assert result.accepted
        result = await station.command(SETPOINT, 50, 40.0, select=True)
        assert not result.selection.positive
        assert result.confirmation is None
        assert (await station.select(SELECTED_SETPOINT, 63, 40.0)).positive
        assert (await station.cancel(SELECTED_SETPOINT, 63, 40.0)).positive
        assert not (await station.cancel(SELECTED_SETPOINT, 63, 40.0)).positive


async def test_termination_that_does_not_come_is_missing():
    plant = Plant()
    plant.defers = True
    config = ControllingConfig(response_timeout=0.02)
    async with running(plant) as bench, rtu(bench, config=config) as station:
        result = await station.command(STOP_PRODUCTION, 45, True)
        assert result.accepted
        assert not result.terminated
        early = await station.command(STOP_PRODUCTION, 45, True, wait_termination=False)
        assert early.accepted


async def test_system_functions():
    async with running() as bench, rtu(bench) as station:
        assert (await station.clock_sync(NOW + timedelta(seconds=4))).positive
        assert bench.station.status.clock_offset == 4.0
        assert (await station.test_command(5)).positive
        assert not (await station.counter_interrogation()).positive
        assert not (await station.reset_process()).positive
        assert (await station.read(MEASUREMENT)).value == 0.0
        assert await station.read(9) is None
        assert await station.test() >= 0


async def test_local_time_zone():
    zone = TimeZonePolicy(mode=TimeZoneMode.LOCAL, zone=ZoneInfo("Europe/Brussels"))
    config = ControllingConfig(time_zone=zone)
    async with running(time_zone=zone) as bench, rtu(bench, config=config) as station:
        assert (await station.clock_sync()).positive
        assert bench.station.status.clock_offset == 0.0


async def test_events_reach_the_callback():
    seen: list[Asdu] = []
    async with running() as bench, rtu(bench, on_asdu=seen.append) as station:
        await station.test()
        bench.station.report(
            MonitorObject(type_id=TypeId.M_ME_NC_1, ioa=MEASUREMENT, value=3.0)
        )
        await bench.settled()
        await station.test()
        assert [asdu.cause for asdu in seen] == [Cause.INITIALIZED, Cause.SPONTANEOUS]


async def test_stop_and_start_again():
    async with running() as bench, rtu(bench) as station:
        await station.stop_dt()
        assert station.state is LinkState.STOPPED
        await station.stop_dt()
        assert bench.station.status.state is LinkState.STOPPED
        await station.start_dt()
        assert (await station.command(SETPOINT, 50, 1.0)).accepted


async def test_stop_while_the_station_sends():
    async with running() as bench, rtu(bench) as station:
        for value in range(3):
            bench.station.report(
                MonitorObject(type_id=13, ioa=MEASUREMENT, value=float(value))
            )
        await station.stop_dt()
        assert station.state is LinkState.STOPPED
        assert bench.station.status.last_close is None


async def test_any_asdu_can_be_sent():
    seen: list[Asdu] = []
    async with running() as bench, rtu(bench, on_asdu=seen.append) as station:
        request = QualifiedRequest(type_id=TypeId.C_IC_NA_1, qualifier=99)
        station.send(Asdu(type_id=100, cause=6, objects=(request,), common_address=100))
        station.send_raw(bytes((45, 1, 6, 0, 100, 0, 1)))
        for _ in range(100):
            if station.close_reason is not None:
                break
            await asyncio.sleep(0.001)
        assert bench.watcher.closed[0].code is CloseCode.MALFORMED_ASDU
        assert seen[-1].negative


async def test_end_of_the_connection_wakes_everyone():
    reasons: list[CloseReason] = []
    plant = Plant()
    plant.defers = True
    async with running(plant) as bench, rtu(bench, on_closed=reasons.append) as station:
        waiting = [
            asyncio.create_task(station.command(STOP_PRODUCTION, 45, True)),
            asyncio.create_task(station.test()),
        ]
        await bench.settled()
        await station.test()
        waiting[1].cancel()
        bench.station.close_connections("a test")
        with pytest.raises(LinkClosedError, match="peer_closed"):
            await waiting[0]
        for request in (station.test(), station.start_dt(), station.read(1)):
            with pytest.raises(LinkClosedError):
                await request
        assert [reason.code for reason in reasons] == [CloseCode.PEER_CLOSED]


async def test_refused_connection_is_an_oserror():
    async with running() as bench:
        address = bench.address
    with pytest.raises(OSError):
        await ControllingStation().connect(*address)


class Misbehaving(asyncio.Protocol):
    """A station that answers each APDU with what the test tells it to."""

    def __init__(self, answers: dict[bytes, bytes]) -> None:
        self.answers = answers
        self.received: list[bytes] = []
        self.framer = ApduFramer()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        for apdu in self.framer.feed(data):
            self.received.append(apdu)
            self.transport.write(self.answers.get(apdu, b""))


@asynccontextmanager
async def against(answers: dict[bytes, bytes]):
    loop = asyncio.get_running_loop()
    peer = Misbehaving(answers)
    server = await loop.create_server(lambda: peer, "127.0.0.1", 0)
    timers = VirtualTimers()
    station = ControllingStation(
        ControllingConfig(link=LinkParameters()), timers=timers, time_source=Clock()
    )
    await station.connect(*server.sockets[0].getsockname())
    try:
        yield station, peer, timers
    finally:
        await station.close()
        server.close()
        await server.wait_closed()


START = {build_u(UFunction.STARTDT_ACT): build_u(UFunction.STARTDT_CON)}
EVENT = encode_asdu(
    Asdu(
        type_id=1,
        cause=3,
        common_address=100,
        objects=(MonitorObject(type_id=1, ioa=1, value=True),),
    )
)


async def test_start_that_is_not_confirmed_ends_at_t1():
    async with against({}) as (station, _, timers):
        starting = asyncio.create_task(station.start_dt())
        await asyncio.sleep(0.01)
        assert station.state is LinkState.STARTING
        timers.advance(15.1)
        with pytest.raises(LinkClosedError) as caught:
            await starting
        assert caught.value.reason.code is CloseCode.T1_START


async def test_stop_that_is_not_confirmed_ends_at_t1():
    async with against(START) as (station, _, timers):
        await station.start_dt()
        stopping = asyncio.create_task(station.stop_dt())
        await asyncio.sleep(0.01)
        timers.advance(15.1)
        with pytest.raises(LinkClosedError) as caught:
            await stopping
        assert caught.value.reason.code is CloseCode.T1_STOP


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (build_i(0, 0, EVENT), CloseCode.INFORMATION_WHILE_STOPPED),
        (build_s(0), CloseCode.SUPERVISORY_WHILE_STOPPED),
        (build_u(UFunction.STARTDT_ACT), CloseCode.WRONG_DIRECTION),
        (build_u(UFunction.STOPDT_ACT), CloseCode.WRONG_DIRECTION),
        (build_u(UFunction.STARTDT_CON) + build_i(1, 0, EVENT), CloseCode.SEND_NUMBER),
        (
            build_u(UFunction.STARTDT_CON) + build_i(0, 1, EVENT),
            CloseCode.RECEIVE_NUMBER,
        ),
        (
            build_u(UFunction.STARTDT_CON) + build_i(0, 0, EVENT[:-1]),
            CloseCode.MALFORMED_ASDU,
        ),
        (
            build_u(UFunction.STARTDT_CON) + build_i(0, 0, b"\x02" + EVENT[1:]),
            CloseCode.MALFORMED_ASDU,
        ),
        (b"\x16", CloseCode.FRAMING),
    ],
)
async def test_misbehaving_station_is_closed_with_the_rule(
    answer: bytes, code: CloseCode
):
    answers = {build_u(UFunction.STARTDT_ACT): answer}
    async with against(answers) as (station, _, _):
        with suppress(LinkClosedError):
            await station.start_dt()
            await station.test()
        assert station.close_reason.code is code


async def test_received_events_are_acknowledged_after_w_and_after_t2():
    events = b"".join(build_i(number, 0, EVENT) for number in range(9))
    answers = {build_u(UFunction.STARTDT_ACT): START[build_u(0x07)] + events}
    async with against(answers) as (station, peer, timers):
        await station.start_dt()
        await asyncio.sleep(0.01)
        assert peer.received[1:] == [build_s(8)]
        timers.advance(10.1)
        await asyncio.sleep(0.01)
        assert peer.received[2:] == [build_s(9)]


async def test_silent_station_is_tested_and_closed():
    async with against(START) as (station, peer, timers):
        await station.start_dt()
        timers.advance(20.1)
        await asyncio.sleep(0.01)
        assert peer.received[-1] == build_u(UFunction.TESTFR_ACT)
        timers.advance(15.1)
        assert station.close_reason.code is CloseCode.T1_TEST


async def test_foreign_confirmation_of_an_untagged_twin_is_not_taken():
    tag = TimeTag.from_wall_clock(NOW)
    async with running() as bench, rtu(bench) as station:
        first, second = await asyncio.gather(
            station.command(SETPOINT, 63, 10.0, time_tag=tag),
            station.command(SETPOINT, 50, 20.0),
        )
        assert first.accepted
        assert second.accepted
        assert [one.value for one in bench.plant.executed] == [10.0, 20.0]
