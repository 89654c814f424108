"""Acceptance list of the link layer, L1 to L25 (L26, TLS, has a file of its own)."""

import asyncio
from datetime import timedelta
import errno
import random
import socket
import time

import pytest

from custom_components.netflex.iec104 import (
    Cause,
    CloseCode,
    ControlledStation,
    EndOfInitializationRule,
    LinkParameters,
    LinkState,
    LoopTimers,
    MonitorObject,
    SecondClientRule,
    StaleCommandRule,
    StationConfig,
    TimeTag,
    TypeId,
    controlled_station,
)
from custom_components.netflex.iec104.apdu import UFunction, build_i, build_s, build_u
from custom_components.netflex.iec104.information_objects import (
    CommandObject,
    QualifiedRequest,
    encode_object,
)

from .bench import (
    MEASUREMENT,
    NOW,
    SETPOINT,
    Bench,
    Plant,
    RawClient,
    body,
    running,
    setpoint,
)

INTERROGATION = QualifiedRequest(type_id=TypeId.C_IC_NA_1, qualifier=20)
SETPOINT_ASDU = body(
    TypeId.C_SE_NC_1, Cause.ACTIVATION, encode_object(setpoint(SETPOINT))
)


def event(value: float) -> MonitorObject:
    return MonitorObject(type_id=TypeId.M_ME_NC_1, ioa=MEASUREMENT, value=value)


def unanswered() -> CommandObject:
    """A command that is received and not answered: its time tag is an hour old."""
    return CommandObject(
        type_id=TypeId.C_SE_TC_1,
        ioa=SETPOINT,
        value=1.0,
        time_tag=TimeTag.from_wall_clock(NOW - timedelta(hours=1)),
    )


SILENT = {"max_command_delay": 10.0, "stale_command": StaleCommandRule.SILENT}


async def closed_for(bench: Bench, code: CloseCode) -> None:
    assert bench.station.status.last_close is not None
    assert bench.station.status.last_close.code is code
    assert bench.watcher.closed[-1].code is code


async def test_L01_silent_client_is_tested_after_t3():
    async with running() as bench, await bench.client(started=False) as client:
        await client.barrier()
        bench.timers.advance(19.9)
        await client.silence()
        bench.timers.advance(20.1)
        await client.expect_function(UFunction.TESTFR_ACT)


async def test_L02_test_is_confirmed_before_start():
    async with running() as bench, await bench.client(started=False) as client:
        client.function(UFunction.TESTFR_ACT)
        await client.expect_function(UFunction.TESTFR_CON)


async def test_L03_information_before_start_closes_and_is_not_executed():
    async with running() as bench, await bench.client(started=False) as client:
        client.information(SETPOINT_ASDU)
        await client.expect_closed()
        await closed_for(bench, CloseCode.INFORMATION_WHILE_STOPPED)
        assert not bench.plant.executed


async def test_L03_supervisory_before_start_closes():
    async with running() as bench, await bench.client(started=False) as client:
        client.acknowledge(0)
        await client.expect_closed()
        await closed_for(bench, CloseCode.SUPERVISORY_WHILE_STOPPED)


async def test_L04_start_is_confirmed_then_end_of_initialization():
    async with running() as bench, await bench.client(started=False) as client:
        bench.station.report(event(1.0))
        client.function(UFunction.STARTDT_ACT)
        await client.expect_function(UFunction.STARTDT_CON)
        assert await client.raw_asdu() == bytes.fromhex("460104006400 000000 00")
        assert (await client.asdu()).cause == Cause.SPONTANEOUS


async def test_L04_end_of_initialization_once_per_start_of_the_station():
    rule = EndOfInitializationRule.ON_START
    async with running(end_of_initialization=rule) as bench:
        async with await bench.client(started=False) as client:
            client.function(UFunction.STARTDT_ACT)
            await client.expect_function(UFunction.STARTDT_CON)
            assert (await client.asdu()).type_id == TypeId.M_EI_NA_1
        # Not acknowledged: it is due again.
        async with await bench.client() as client:
            await client.barrier()
        async with await bench.client(started=False) as client:
            client.function(UFunction.STARTDT_ACT)
            await client.expect_function(UFunction.STARTDT_CON)
            await client.silence()


async def test_L05_second_start_is_confirmed_without_a_second_end_of_initialization():
    async with running() as bench, await bench.client() as client:
        client.function(UFunction.STARTDT_ACT)
        await client.expect_function(UFunction.STARTDT_CON)
        await client.silence()


async def test_L06_stop_of_an_idle_link_is_only_confirmed():
    async with running() as bench, await bench.client() as client:
        client.function(UFunction.STOPDT_ACT)
        await client.expect_function(UFunction.STOPDT_CON)
        bench.station.report(event(1.0))
        await client.silence()
        assert bench.station.status.state is LinkState.STOPPED
        client.function(UFunction.STOPDT_ACT)
        await client.expect_function(UFunction.STOPDT_CON)


async def test_L07_stop_acknowledges_what_was_received_first():
    async with running(**SILENT) as bench, await bench.client() as client:
        for _ in range(3):
            client.request(unanswered())
        client.function(UFunction.STOPDT_ACT)
        await client.expect_supervisory(3)
        await client.expect_function(UFunction.STOPDT_CON)
        assert not bench.plant.executed


async def test_L08_stopdt_waits_for_own_unacknowledged():
    async with running() as bench, await bench.client() as client:
        bench.station.report(event(1.0))
        await client.asdu()
        client.function(UFunction.STOPDT_ACT)
        await client.silence()
        assert bench.station.status.state is LinkState.STOPPING
        bench.station.report(event(2.0))
        await client.silence()
        client.acknowledge()
        await client.expect_function(UFunction.STOPDT_CON)
        await client.silence()
        assert bench.station.status.events_waiting == 1


async def test_L08_unconfirmed_stop_ends_at_t1_and_keeps_the_events():
    async with running() as bench:
        async with await bench.client() as client:
            bench.station.report(event(1.0))
            await client.asdu()
            client.function(UFunction.STOPDT_ACT)
            await client.silence()
            bench.timers.advance(15.1)
            await client.expect_closed()
            await closed_for(bench, CloseCode.T1_INFORMATION)
        async with await bench.client() as client:
            assert (await client.asdu()).objects[0].value == 1.0


async def test_L08_information_in_unconfirmed_stop_closes():
    async with running() as bench, await bench.client() as client:
        bench.station.report(event(1.0))
        await client.asdu()
        client.function(UFunction.STOPDT_ACT)
        client.information(SETPOINT_ASDU)
        await client.expect_closed()
        await closed_for(bench, CloseCode.INFORMATION_WHILE_STOPPED)
        assert not bench.plant.executed


async def test_L08_start_in_unconfirmed_stop_starts_again():
    async with running() as bench, await bench.client() as client:
        bench.station.report(event(1.0))
        await client.asdu()
        client.function(UFunction.STOPDT_ACT)
        client.function(UFunction.STARTDT_ACT)
        await client.expect_function(UFunction.STARTDT_CON)
        bench.station.report(event(2.0))
        assert (await client.asdu()).objects[0].value == 2.0


async def test_L09_information_after_stop_closes():
    async with running() as bench, await bench.client() as client:
        client.function(UFunction.STOPDT_ACT)
        await client.expect_function(UFunction.STOPDT_CON)
        client.information(SETPOINT_ASDU)
        await client.expect_closed()
        await closed_for(bench, CloseCode.INFORMATION_WHILE_STOPPED)
        assert not bench.plant.executed


async def test_L10_events_of_the_stopped_time_arrive_in_order():
    async with running() as bench, await bench.client() as client:
        client.function(UFunction.STOPDT_ACT)
        await client.expect_function(UFunction.STOPDT_CON)
        for value in range(40):
            bench.station.report(event(float(value)))
        await client.silence()
        client.function(UFunction.STARTDT_ACT)
        await client.expect_function(UFunction.STARTDT_CON)
        values = []
        while len(values) < 40:
            values += [obj.value for obj in (await client.asdu()).objects]
        assert values == list(range(40))


async def test_L11_gap_in_the_send_number_closes():
    async with running() as bench, await bench.client() as client:
        client.write(build_i(1, client.receive_number, SETPOINT_ASDU))
        await client.expect_closed()
        await closed_for(bench, CloseCode.SEND_NUMBER)
        assert not bench.plant.executed


async def test_L11_duplicate_is_executed_once_and_answered_before_the_close():
    async with running() as bench, await bench.client() as client:
        client.write(build_i(0, 1, SETPOINT_ASDU) * 2)
        assert [cause for _, cause, _ in await client.answers(3)] == [7, 11, 10]
        await client.expect_closed()
        await closed_for(bench, CloseCode.SEND_NUMBER)
        assert len(bench.plant.executed) == 1


@pytest.mark.parametrize("number", [2, 32767], ids=["ahead", "behind"])
@pytest.mark.parametrize("supervisory", [True, False])
async def test_L12_receive_number_outside_what_is_outstanding_closes(
    number: int, supervisory: bool
):
    async with running() as bench, await bench.client() as client:
        await client.barrier()
        if supervisory:
            client.acknowledge(number)
        else:
            client.write(build_i(0, number, SETPOINT_ASDU))
        await client.expect_closed()
        await closed_for(bench, CloseCode.RECEIVE_NUMBER)
        assert not bench.plant.executed


async def test_L12_receive_number_behind_the_oldest_closes():
    async with running() as bench, await bench.client() as client:
        bench.station.report(event(1.0))
        await client.asdu()
        client.acknowledge(2)
        client.acknowledge(1)
        await client.expect_closed()
        await closed_for(bench, CloseCode.RECEIVE_NUMBER)


async def test_L13_numbers_wrap_from_32767_to_0():
    async with running() as bench, await bench.client() as client:
        await client.barrier()
        link = bench.station._group.active.link
        link._send_number = link._receive_number = 32766
        client.send_number = client.receive_number = 32766
        for value in range(8):
            client.request(setpoint(SETPOINT, float(value)))
            assert [cause for _, cause, _ in await client.answers(3)] == [7, 11, 10]
        assert (client.send_number, client.receive_number) == (6, 22)
        await client.silence()
        assert [one.value for one in bench.plant.executed] == list(range(8))


async def test_L14_no_more_than_k_unacknowledged():
    async with running() as bench, await bench.client() as client:
        client.acknowledges = False
        await client.barrier()
        for value in range(20):
            bench.station.report(event(float(value)))
            await bench.settled()
        for value in range(12):
            assert (await client.asdu()).objects[0].value == value
        await client.silence()
        client.acknowledge()
        values = [obj.value for obj in (await client.asdu()).objects]
        assert values == list(range(12, 20))


async def test_L14_interrogation_stops_at_k_and_goes_on():
    plant = Plant()
    for ioa in range(20_000, 21_000):
        plant.put(TypeId.M_ME_NC_1, ioa, float(ioa))
    async with running(plant) as bench, await bench.client() as client:
        client.acknowledges = False
        client.request(INTERROGATION)
        for _ in range(12):
            await client.raw_asdu()
        await client.silence()
        client.acknowledges = True
        client.acknowledge()
        while (await client.asdu()).cause != Cause.ACTIVATION_TERMINATION:
            pass


async def test_L15_w_received_are_acknowledged_at_once():
    async with running(**SILENT) as bench, await bench.client() as client:
        for _ in range(8):
            client.request(unanswered())
        await client.expect_supervisory(8)


async def test_L16_t2_acknowledges_and_is_not_restarted():
    async with running(**SILENT) as bench, await bench.client() as client:
        client.request(unanswered())
        await client.silence()
        bench.timers.advance(6)
        client.request(unanswered())
        await client.silence()
        bench.timers.advance(3.9)
        await client.silence()
        bench.timers.advance(0.2)
        await client.expect_supervisory(2)
        bench.timers.advance(10.1)
        await client.silence()


async def test_L17_t1_on_own_information_closes():
    async with running() as bench, await bench.client() as client:
        await client.barrier()
        bench.station.report(event(1.0))
        await client.asdu()
        bench.timers.advance(14.9)
        await client.silence()
        bench.timers.advance(0.2)
        await client.expect_closed()
        await closed_for(bench, CloseCode.T1_INFORMATION)


async def test_L17_acknowledgement_restarts_t1_for_the_oldest_remaining():
    async with running() as bench, await bench.client() as client:
        await client.barrier()
        bench.station.report(event(1.0))
        await client.asdu()
        bench.timers.advance(10)
        bench.station.report(event(2.0))
        client.acknowledge()
        await client.asdu()
        await client.silence()
        bench.timers.advance(14.9)
        await client.silence()
        bench.timers.advance(0.2)
        await client.expect_closed()


async def test_L18_t1_on_test_closes():
    async with running() as bench, await bench.client(started=False) as client:
        await client.barrier()
        bench.timers.advance(20.1)
        await client.expect_function(UFunction.TESTFR_ACT)
        bench.timers.advance(14.8)
        await client.silence()
        bench.timers.advance(0.2)
        await client.expect_closed()
        await closed_for(bench, CloseCode.T1_TEST)


async def test_L18_unasked_test_confirmation_cancels_no_other_timer():
    async with running() as bench, await bench.client() as client:
        await client.barrier()
        bench.station.report(event(1.0))
        await client.asdu()
        client.function(UFunction.TESTFR_CON)
        await client.silence()
        bench.timers.advance(15.1)
        await client.expect_closed()
        await closed_for(bench, CloseCode.T1_INFORMATION)


async def test_L18_answered_test_is_repeated_after_the_next_t3():
    link = LinkParameters(t3=5)
    async with running(link=link) as bench, await bench.client(started=False) as client:
        await client.barrier()
        for _ in range(3):
            bench.timers.advance(5.1)
            await client.expect_function(UFunction.TESTFR_ACT)
            client.function(UFunction.TESTFR_CON)
            await client.silence()


@pytest.mark.parametrize("apdu", ["information", "supervisory", "function"])
async def test_L19_every_received_apdu_restarts_t3(apdu: str):
    link = LinkParameters(t2=14)
    async with running(link=link, **SILENT) as bench, await bench.client() as client:
        await client.barrier()
        bench.timers.advance(12)
        received = bench.station.status.counters.apdus_received
        if apdu == "information":
            client.request(unanswered())
        elif apdu == "supervisory":
            client.acknowledge()
        else:
            client.function(UFunction.TESTFR_CON)
        while bench.station.status.counters.apdus_received == received:
            await asyncio.sleep(0)
        bench.timers.advance(12)
        await client.silence()
        bench.timers.advance(20.1)
        while (await client.apdu()) != build_u(UFunction.TESTFR_ACT):
            pass


@pytest.mark.parametrize("length", [0, 1, 2, 3, 254, 255])
async def test_L20_length_outside_4_to_253_closes(length: int):
    async with running() as bench, await bench.client(started=False) as client:
        client.write(bytes((0x68, length, 0x07, 0, 0, 0)))
        await client.expect_closed()
        await closed_for(bench, CloseCode.FRAMING)


@pytest.mark.parametrize("octet", [0x00, 0x16, 0x67, 0x69, 0xFF])
async def test_L20_wrong_start_octet_closes(octet: int):
    async with running() as bench, await bench.client() as client:
        client.write(bytes((octet,)))
        await client.expect_closed()
        await closed_for(bench, CloseCode.FRAMING)


async def test_L20_octet_by_octet_is_handled():
    async with running() as bench, await bench.client() as client:
        for octet in build_u(UFunction.TESTFR_ACT) + build_i(0, 1, SETPOINT_ASDU):
            client.write(bytes((octet,)))
            await client.writer.drain()
            await asyncio.sleep(0)
        await client.expect_function(UFunction.TESTFR_CON)
        assert [cause for _, cause, _ in await client.answers(3)] == [7, 11, 10]


async def test_L20_several_in_one_segment_are_handled():
    async with running() as bench, await bench.client() as client:
        client.write(build_u(UFunction.TESTFR_ACT) * 3)
        for _ in range(3):
            await client.expect_function(UFunction.TESTFR_CON)
        assert bench.plant.executed == []


async def test_L20_what_precedes_a_fault_is_carried_out():
    async with running() as bench, await bench.client() as client:
        client.write(build_i(0, 1, SETPOINT_ASDU) + b"\x00")
        assert [cause for _, cause, _ in await client.answers(3)] == [7, 11, 10]
        await client.expect_closed()
        assert len(bench.plant.executed) == 1


@pytest.mark.parametrize(
    "control",
    [
        "03000000",
        "47000000",
        "ff000000",
        "07010000",
        "07000001",
        "01010000",
        "01000100",
    ],
)
async def test_L20_unknown_control_field_closes(control: str):
    async with running() as bench, await bench.client() as client:
        client.write(bytes((0x68, 4)) + bytes.fromhex(control))
        await client.expect_closed()
        await closed_for(bench, CloseCode.CONTROL_FIELD)


async def test_L20_unasked_confirmations_are_ignored():
    async with running() as bench, await bench.client(started=False) as client:
        client.function(UFunction.STARTDT_CON)
        client.function(UFunction.STOPDT_CON)
        await client.silence()
        assert bench.station.status.state is LinkState.STOPPED


async def test_L21_second_client_replaces_the_first_and_gets_its_events():
    async with running() as bench, await bench.client() as first:
        await first.barrier()
        bench.station.report(event(1.0))
        await first.asdu()
        async with await bench.client() as second:
            assert (await second.asdu()).objects[0].value == 1.0
            await first.expect_closed()
            await closed_for(bench, CloseCode.REPLACED)
            assert bench.station.status.client.number == 2


async def test_L21_of_many_clients_that_start_the_last_is_served():
    async with running() as bench:
        clients = [await bench.client() for _ in range(12)]
        for client in clients[:-1]:
            await client.expect_closed()
        clients[-1].request(setpoint(SETPOINT))
        answers = await clients[-1].answers(3)
        assert [cause for _, cause, _ in answers] == [7, 11, 10]
        assert bench.station.status.connections == 1
        assert {one.code for one in bench.watcher.closed} == {CloseCode.REPLACED}
        assert len(bench.watcher.closed) == 11
        for client in clients:
            await client.disconnect()


async def test_L21_second_client_may_be_refused():
    rule = SecondClientRule.REFUSE
    async with running(second_client=rule) as bench, await bench.client() as first:
        async with await bench.client(started=False) as second:
            await second.silence()
            second.function(UFunction.STARTDT_ACT)
            await second.expect_closed()
            await closed_for(bench, CloseCode.SECOND_CLIENT)
        await first.silence()
        assert bench.station.status.state is LinkState.STARTED


async def test_L21_stopped_second_client_disturbs_nobody():
    async with running() as bench, await bench.client() as first:
        async with await bench.client(started=False) as second:
            await second.silence()
            second.write(b"\x00")
            await second.expect_closed()
        first.request(setpoint(SETPOINT))
        assert [cause for _, cause, _ in await first.answers(3)] == [7, 11, 10]


async def test_L22_half_open_link_closes_after_t3_and_t1_and_keeps_events():
    async with running() as bench:
        async with await bench.client() as client:
            await client.barrier()
            bench.timers.advance(34.9)
            assert bench.station.status.connections == 1
            bench.timers.advance(0.2)
            await closed_for(bench, CloseCode.T1_TEST)
            bench.station.report(event(1.0))
        async with await bench.client() as client:
            assert (await client.asdu()).objects[0].value == 1.0


async def test_L22_unacknowledged_events_are_sent_again_in_order():
    async with running() as bench:
        async with await bench.client() as client:
            for value in range(5):
                bench.station.report(event(float(value)))
                await client.asdu()
            client.acknowledge(client.receive_number - 2)
            await client.barrier()
        while bench.station.status.connections:
            await asyncio.sleep(0.001)
        bench.station.report(event(5.0))
        async with await bench.client() as client:
            values = [obj.value for obj in (await client.asdu()).objects]
            assert values == [3.0, 4.0, 5.0]


@pytest.mark.parametrize("hours", [1, -1])
async def test_L23_change_of_the_system_clock_touches_no_timer(hours: int):
    async with running() as bench, await bench.client() as client:
        await client.barrier()
        bench.clock.now += timedelta(hours=hours)
        bench.timers.advance(19)
        await client.silence()
        assert bench.station.status.state is LinkState.STARTED
        bench.station.report(event(1.0))
        await client.asdu()
        bench.clock.now -= timedelta(hours=2 * hours)
        bench.timers.advance(14.9)
        await client.silence()
        bench.timers.advance(0.2)
        await client.expect_closed()
        await closed_for(bench, CloseCode.T1_INFORMATION)


def test_L23_link_time_is_monotonic():
    assert LoopTimers.time is time.monotonic


async def test_L24_two_hundred_connects():
    async with running() as bench:
        for _ in range(200):
            async with await bench.client() as client:
                await client.silence()
        while bench.station.status.connections:
            await asyncio.sleep(0.001)
        assert bench.station.status.counters.connections == 200
        assert not bench.station._opening


async def test_L24_connection_limit():
    async with running() as bench:
        clients = [await bench.client(started=False) for _ in range(5)]
        for client in clients:
            await client.silence()
        sixth = await RawClient.connect(bench.address)
        await sixth.expect_closed()
        assert bench.watcher.refused[0][1].code is CloseCode.CONNECTION_LIMIT
        for client in clients:
            await client.silence()
            await client.disconnect()
        await sixth.disconnect()


async def test_L24_reader_that_does_not_read_is_bounded_and_closed():
    async with running() as bench, await bench.client() as client:
        await client.barrier()
        link = bench.station._group.active.link
        client.writer.transport.pause_reading()
        flood = build_u(UFunction.TESTFR_ACT) * 10_000
        for _ in range(2000):
            if link._write_paused:
                break
            client.write(flood)
            await asyncio.sleep(0)
        assert link._write_paused
        for _ in range(20):
            client.write(flood)
            await asyncio.sleep(0.001)
        assert link.transport.get_write_buffer_size() < 1_000_000
        assert not link.transport.is_reading()
        bench.timers.advance(20.1)
        bench.timers.advance(15.1)
        await closed_for(bench, CloseCode.T1_TEST)
        client.writer.transport.abort()


async def test_L24_reader_that_reads_again_is_served_again():
    async with running() as bench, await bench.client() as client:
        await client.barrier()
        link = bench.station._group.active.link
        link.pause_writing()
        bench.station.report(event(1.0))
        await bench.settled()
        assert link.unacknowledged == 0
        link.resume_writing()
        assert (await client.asdu()).objects[0].value == 1.0


async def test_L24_client_that_only_asks_is_closed_at_a_bound():
    async with running() as bench, await bench.client() as client:
        client.acknowledges = False
        for _ in range(17_000):
            client.request(setpoint(1))
        while await client.apdu() is not None:
            pass
        await closed_for(bench, CloseCode.QUEUE_FULL)


async def test_L24_garbage_closes_only_its_own_connection():
    noise = random.Random(104)
    async with running(max_connections=50) as bench, await bench.client() as client:
        for _ in range(300):
            other = await RawClient.connect(bench.address)
            other.write(noise.randbytes(noise.randrange(1, 600)))
            other.writer.write_eof()
            while await other.apdu() is not None:
                pass
            await other.disconnect()
        await client.silence()
        assert bench.station.status.state is LinkState.STARTED
        assert not bench.plant.executed


async def test_L25_client_that_leaves_during_an_interrogation():
    plant = Plant()
    for ioa in range(20_000, 21_000):
        plant.put(TypeId.M_ME_NC_1, ioa, float(ioa))
    async with running(plant) as bench:
        client = await bench.client()
        client.request(INTERROGATION)
        await client.raw_asdu()
        client.writer.transport.abort()
        async with await bench.client() as other:
            other.request(INTERROGATION)
            seen = set()
            while (asdu := await other.asdu()).cause != Cause.ACTIVATION_TERMINATION:
                if asdu.cause == Cause.INTERROGATED_BY_STATION:
                    seen |= {obj.ioa for obj in asdu.objects}
            assert seen == set(plant.values)


async def test_refused_address_is_told_once_a_minute_and_never_read():
    async with running(allowed_clients=frozenset({"192.0.2.1"})) as bench:
        for _ in range(3):
            client = await RawClient.connect(bench.address)
            client.function(UFunction.STARTDT_ACT)
            assert await client.apdu() is None
            await client.disconnect()
        assert bench.station.status.counters.refused == 3
        assert [address for address, _ in bench.watcher.refused] == ["127.0.0.1"]
        bench.timers.advance(61)
        client = await RawClient.connect(bench.address)
        await client.expect_closed()
        await client.disconnect()
        assert len(bench.watcher.refused) == 2
        assert not bench.watcher.opened


async def test_a_failed_accept_does_not_end_the_listening(
    monkeypatch: pytest.MonkeyPatch,
):
    """Out of descriptors for a moment: who is connected stays, others come later."""
    loop = asyncio.get_running_loop()
    accept, failures = loop.sock_accept, 2

    async def failing(listener: socket.socket) -> object:
        nonlocal failures
        if failures:
            failures -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return await accept(listener)

    monkeypatch.setattr(controlled_station, "ACCEPT_RETRY", 0.01)
    monkeypatch.setattr(loop, "sock_accept", failing)
    async with running() as bench, await bench.client() as client:
        await client.barrier()
        assert not failures


async def test_events_beyond_the_queue_drop_the_oldest_and_are_flagged():
    async with running(max_events=1000) as bench:
        for value in range(1010):
            bench.station.report(event(float(value)))
        status = bench.station.status
        assert (status.events_waiting, status.events_dropped) == (1000, 10)
        assert status.overflow
        async with await bench.client() as client:
            values = []
            while len(values) < 1000:
                values += [obj.value for obj in (await client.asdu()).objects]
            assert values == list(range(10, 1010))
            client.request(INTERROGATION)
            while (await client.asdu()).cause != Cause.ACTIVATION_TERMINATION:
                pass
        assert not bench.station.status.overflow


async def test_events_go_before_cyclic_values_and_only_the_latest_of_those():
    async with running() as bench, await bench.client() as client:
        await client.barrier()
        for value in (1.0, 2.0, 3.0):
            bench.station.report(event(value), Cause.PERIODIC)
        bench.station.report(
            MonitorObject(type_id=TypeId.M_SP_NA_1, ioa=11001, value=True)
        )
        first, second = await client.asdu(), await client.asdu()
        assert first.cause == Cause.SPONTANEOUS
        assert second.cause == Cause.PERIODIC
        assert [obj.value for obj in second.objects] == [3.0]


async def test_cyclic_values_are_not_kept_for_a_later_client():
    async with running() as bench:
        bench.station.report(event(1.0), Cause.PERIODIC)
        async with await bench.client() as client:
            await client.silence()


async def test_stop_names_its_reason_and_a_start_keeps_events():
    async with running() as bench, await bench.client() as client:
        await client.barrier()
        await bench.station.stop()
        await client.expect_closed()
        await closed_for(bench, CloseCode.STATION_STOPPED)
        assert bench.station.address is None
        bench.station.report(event(1.0))
        await bench.station.start()
        async with await bench.client() as again:
            assert (await again.asdu()).objects[0].value == 1.0


async def test_small_apdus_do_not_wait_for_the_clients_tcp_acknowledgement():
    async with running() as bench, await bench.client() as client:
        await client.barrier()
        wire = bench.station._group.active.link.transport.get_extra_info("socket")
        assert wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_port_in_use_is_an_oserror():
    async with running() as bench:
        host, port = bench.address
        second = ControlledStation(StationConfig(host=host, port=port), Plant())
        with pytest.raises(OSError):
            await second.start()
        assert second.address is None


@pytest.mark.slow
async def test_link_survives_a_stall_of_the_loop_of_200_ms():
    async with running() as bench, await bench.client() as client:
        client.function(UFunction.TESTFR_ACT)
        client.request(setpoint(SETPOINT))
        await client.writer.drain()
        time.sleep(0.2)  # noqa: ASYNC251 - the stall is what is tested
        await client.expect_function(UFunction.TESTFR_CON)
        assert [cause for _, cause, _ in await client.answers(3)] == [7, 11, 10]


async def test_wire_log_shows_both_directions():
    seen: list[tuple[str, bytes]] = []
    station = ControlledStation(
        StationConfig(host="127.0.0.1", port=0),
        Plant(),
        wire_log=lambda _, direction, apdu: seen.append((direction, apdu)),
    )
    await station.start()
    client = await RawClient.connect(station.address)
    await client.silence()
    await client.disconnect()
    await station.stop()
    assert seen == [
        ("received", build_u(UFunction.TESTFR_ACT)),
        ("sent", build_u(UFunction.TESTFR_CON)),
    ]
    assert build_s(1)[:2] == b"\x68\x04"
