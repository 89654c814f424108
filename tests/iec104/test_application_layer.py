"""Acceptance list of the application layer, as far as the protocol decides it.

A25 to A31 need what Netflex means; here stands what the station owes them.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
import struct
from typing import cast
from zoneinfo import ZoneInfo

import pytest

from custom_components.netflex.iec104 import (
    Cause,
    DoublePoint,
    LinkState,
    MonitorObject,
    PointValue,
    Quality,
    RejectionReason,
    StaleCommandRule,
    TimeTag,
    TimeZoneMode,
    TimeZonePolicy,
    TypeId,
)
from custom_components.netflex.iec104.apdu import UFunction
from custom_components.netflex.iec104.asdu import NEGATIVE_BIT, Asdu, decode_asdu
from custom_components.netflex.iec104.group import Selection
from custom_components.netflex.iec104.information_objects import (
    ClockSynchronization,
    InformationObject,
    QualifiedRequest,
    ReadRequest,
    TestCommand as LinkTestCommand,
    encode_object,
)
from custom_components.netflex.iec104.link import Link

from .bench import (
    COMMON_ADDRESS,
    EITHER_SETPOINT,
    FEEDBACK,
    MEASUREMENT,
    NOW,
    Q_MODE,
    SELECTED_SETPOINT,
    SETPOINT,
    SETPOINTS,
    STOP_CONSUMPTION,
    STOP_PRODUCTION,
    TEST,
    Bench,
    Plant,
    RawClient,
    Watcher,
    body,
    double,
    running,
    setpoint,
    single,
)
from .wireless import DirectTimers, Side, station

GLOBAL = 65535


def interrogation(qualifier: int = 20, ioa: int = 0) -> QualifiedRequest:
    return QualifiedRequest(type_id=TypeId.C_IC_NA_1, qualifier=qualifier, ioa=ioa)


def clock(moment: datetime = NOW, **fields: object) -> ClockSynchronization:
    tag = TimeTag.from_wall_clock(moment)
    ioa = fields.pop("ioa", 0)
    if fields:
        tag = TimeTag(**{name: getattr(tag, name) for name in tag.__slots__} | fields)
    return ClockSynchronization(ioa=ioa, time_tag=tag)


async def interrogated(client: RawClient) -> list[Asdu]:
    """Return everything up to the termination."""
    seen = []
    while not seen or seen[-1].cause != Cause.ACTIVATION_TERMINATION:
        seen.append(await client.asdu())
    return seen


async def single_answer(
    client: RawClient, request: InformationObject, cause: int = 6, **header: object
) -> tuple[int, bool]:
    """Send a request; return cause and P/N of the one answer."""
    client.request(request, cause, **header)
    raw = await client.raw_asdu()
    await client.silence()
    assert raw[0] == request.type_id
    return raw[2] & 0x3F, bool(raw[2] & 0x40)


@pytest.mark.parametrize("common_address", [COMMON_ADDRESS, GLOBAL])
@pytest.mark.parametrize("sequence", [True, False])
async def test_A01_interrogation(common_address: int, sequence: bool):
    async with running(sequence=sequence) as bench, await bench.client() as client:
        client.request(interrogation(), common_address=common_address)
        asdus = await interrogated(client)
        await client.silence()
        assert [asdu.cause for asdu in asdus[:1] + asdus[-1:]] == [7, 10]
        assert {asdu.cause for asdu in asdus[1:-1]} == {20}
        assert {asdu.common_address for asdu in asdus} == {COMMON_ADDRESS}
        objects = [obj for asdu in asdus[1:-1] for obj in asdu.objects]
        assert [obj.ioa for obj in objects] == sorted(bench.plant.values)
        assert all(obj.time_tag is None for obj in objects)
        assert {obj.type_id for obj in objects} == {1, 3, 13}
        assert any(asdu.sequence for asdu in asdus) is sequence
        assert bench.watcher.interrogations == 1
        assert bench.station.status.last_interrogation == NOW


async def test_A01_thousand_floats_take_at_most_34_asdus():
    plant = Plant()
    plant.values.clear()
    for ioa in range(1000, 2000):
        plant.put(TypeId.M_ME_NC_1, ioa, ioa / 8)
    async with running(plant) as bench, await bench.client() as client:
        client.request(interrogation())
        asdus = await interrogated(client)
        assert len(asdus) - 2 == 34
        objects = [obj for asdu in asdus[1:-1] for obj in asdu.objects]
        assert [(obj.ioa, obj.value) for obj in objects] == [
            (ioa, ioa / 8) for ioa in range(1000, 2000)
        ]


async def test_A02_interrogation_mirrors_originator_and_test_bit():
    async with running() as bench, await bench.client() as client:
        client.request(interrogation(), originator=7, test=True)
        asdus = await interrogated(client)
        assert {asdu.originator for asdu in asdus} == {7}
        assert all(asdu.test for asdu in asdus)


async def test_A03_interrogation_of_a_wrong_common_address():
    async with running() as bench, await bench.client() as client:
        client.request(interrogation(), common_address=7)
        asdu = await client.asdu()
        assert (asdu.cause, asdu.negative, asdu.common_address) == (46, True, 7)
        await client.silence()


@pytest.mark.parametrize(
    ("request_object", "cause", "answer"),
    [
        (interrogation(21), 6, (7, True)),
        (interrogation(99), 6, (7, True)),
        (interrogation(ioa=5), 6, (47, True)),
        (interrogation(), 3, (45, True)),
        (interrogation(), 8, (9, True)),
        (interrogation(21), 8, (9, True)),
    ],
)
async def test_A04_interrogations_that_are_refused(
    request_object: QualifiedRequest, cause: int, answer: tuple[int, bool]
):
    async with running() as bench, await bench.client() as client:
        assert await single_answer(client, request_object, cause) == answer


async def test_A04_deactivation_stops_a_running_interrogation():
    plant = Plant()
    for ioa in range(20_000, 21_000):
        plant.put(TypeId.M_ME_NC_1, ioa, 1.0)
    async with running(plant) as bench, await bench.client() as client:
        client.acknowledges = False
        client.request(interrogation())
        for _ in range(12):
            await client.raw_asdu()
        client.request(interrogation(), Cause.DEACTIVATION)
        client.acknowledge()
        raw = await client.raw_asdu()
        assert (raw[0], raw[2]) == (TypeId.C_IC_NA_1, 9)
        await client.silence()
        assert bench.watcher.interrogations == 0


async def test_A05_two_interrogations_back_to_back():
    async with running() as bench, await bench.client() as client:
        client.request(interrogation(), originator=1)
        client.request(interrogation(), originator=2)
        for originator in (1, 2):
            asdus = await interrogated(client)
            assert {asdu.originator for asdu in asdus} == {originator}
            assert asdus[0].cause == 7
            count = sum(len(asdu.objects) for asdu in asdus[1:-1])
            assert count == len(bench.plant.values)
        await client.silence()


async def test_A05_only_one_interrogation_waits():
    plant = Plant()
    for ioa in range(20_000, 21_000):
        plant.put(TypeId.M_ME_NC_1, ioa, 1.0)
    async with running(plant) as bench, await bench.client() as client:
        for originator in (1, 2, 3):
            client.request(interrogation(), originator=originator)
        asdus = await interrogated(client) + await interrogated(client)
        confirmations = {
            asdu.originator: asdu.negative for asdu in asdus if asdu.cause == 7
        }
        assert confirmations == {1: False, 2: False, 3: True}


async def test_A06_change_during_an_interrogation():
    plant = Plant()
    for ioa in range(20_000, 21_000):
        plant.put(TypeId.M_ME_NC_1, ioa, 1.0)
    async with running(plant) as bench, await bench.client() as client:
        client.acknowledges = False
        client.request(interrogation())
        for _ in range(12):
            await client.raw_asdu()
        bench.station.report(plant.put(TypeId.M_ME_NC_1, 20_000, 2.0))
        bench.station.report(plant.put(TypeId.M_ME_NC_1, 20_999, 2.0))
        client.acknowledges = True
        client.acknowledge()
        last: dict[int, float] = {}
        spontaneous = 0
        for asdu in await interrogated(client):
            spontaneous += asdu.cause == Cause.SPONTANEOUS
            for obj in asdu.objects:
                if isinstance(obj, MonitorObject):
                    last[obj.ioa] = obj.value
        assert spontaneous == 1
        assert last[20_000] == last[20_999] == 2.0


async def test_A06_events_from_before_go_before_the_interrogated_values():
    async with running() as bench:
        bench.station.report(bench.plant.put(TypeId.M_ME_NC_1, MEASUREMENT, 1.0))
        bench.plant.put(TypeId.M_ME_NC_1, MEASUREMENT, 2.0)
        async with await bench.client(started=False) as client:
            client.function(UFunction.STARTDT_ACT)
            client.request(interrogation())
            await client.expect_function(UFunction.STARTDT_CON)
            values = [
                obj.value
                for asdu in await interrogated(client)
                for obj in asdu.objects
                if obj.ioa == MEASUREMENT
            ]
            assert values == [1.0, 2.0]


async def test_A07_counter_interrogation_without_counters():
    request = QualifiedRequest(type_id=TypeId.C_CI_NA_1, qualifier=5)
    async with running() as bench, await bench.client() as client:
        assert await single_answer(client, request) == (7, True)
        assert await single_answer(client, request, 8) == (9, True)


async def test_A08_read():
    async with running() as bench, await bench.client() as client:
        bench.plant.put(TypeId.M_ME_TF_1, MEASUREMENT, 12.5)
        client.request(ReadRequest(ioa=MEASUREMENT), Cause.REQUEST, originator=3)
        asdu = await client.asdu()
        await client.silence()
        assert (asdu.cause, asdu.type_id, asdu.originator) == (5, 13, 3)
        assert [(obj.ioa, obj.value) for obj in asdu.objects] == [(MEASUREMENT, 12.5)]


@pytest.mark.parametrize(
    ("ioa", "cause", "common_address", "answer"),
    [
        (9, 5, COMMON_ADDRESS, (47, True)),
        (MEASUREMENT, 6, COMMON_ADDRESS, (45, True)),
        (MEASUREMENT, 5, GLOBAL, (46, True)),
    ],
)
async def test_A08_reads_that_are_refused(
    ioa: int, cause: int, common_address: int, answer: tuple[int, bool]
):
    request = ReadRequest(ioa=ioa)
    async with running() as bench, await bench.client() as client:
        given = await single_answer(
            client, request, cause, common_address=common_address
        )
        assert given == answer


async def test_A08_read_does_not_overtake_an_event():
    async with running() as bench, await bench.client() as client:
        await client.barrier()
        bench.station.report(bench.plant.put(TypeId.M_ME_NC_1, MEASUREMENT, 1.0))
        bench.plant.put(TypeId.M_ME_NC_1, MEASUREMENT, 2.0)
        client.request(ReadRequest(ioa=MEASUREMENT), Cause.REQUEST)
        assert [(await client.asdu()).objects[0].value for _ in range(2)] == [1.0, 2.0]


@pytest.mark.parametrize(
    ("request_object", "common_address", "answer"),
    [
        (clock(NOW + timedelta(seconds=2)), COMMON_ADDRESS, (7, False)),
        (clock(NOW + timedelta(seconds=2)), GLOBAL, (7, False)),
        (clock(invalid=True), COMMON_ADDRESS, (7, True)),
        (clock(month=13), COMMON_ADDRESS, (7, True)),
        (clock(day=31, month=6), COMMON_ADDRESS, (7, True)),
        (clock(milliseconds=60_000), COMMON_ADDRESS, (7, True)),
        (clock(year=100), COMMON_ADDRESS, (7, True)),
        (clock(ioa=4), COMMON_ADDRESS, (47, True)),
        (clock(), 99, (46, True)),
    ],
)
async def test_A09_clock_synchronization(
    request_object: ClockSynchronization,
    common_address: int,
    answer: tuple[int, bool],
):
    async with running() as bench, await bench.client() as client:
        client.request(request_object, common_address=common_address)
        asdu = await client.asdu()
        await client.silence()
        assert (asdu.cause, asdu.negative) == answer
        assert asdu.objects == (request_object,)
        if not asdu.negative:
            assert asdu.common_address == COMMON_ADDRESS
            assert bench.station.status.clock_offset == 2.0
        else:
            assert bench.station.status.clock_offset is None


async def test_A09_clock_synchronization_in_local_summer_time():
    policy = TimeZonePolicy(mode=TimeZoneMode.LOCAL, zone=ZoneInfo("Europe/Brussels"))
    async with running(time_zone=policy) as bench, await bench.client() as client:
        request = clock(NOW + timedelta(hours=2, seconds=3), summer_time=True)
        assert await single_answer(client, request) == (7, False)
        assert bench.watcher.clocks[0].offset == 3.0
        assert bench.watcher.clocks[0].time == NOW + timedelta(seconds=3)
        # Time tags follow the operator's clock and zone from then on.
        bench.station.report(
            MonitorObject(type_id=TypeId.M_SP_TB_1, ioa=11001, value=True)
        )
        tag = (await client.asdu()).objects[0].time_tag
        assert (tag.hour, tag.milliseconds, tag.summer_time) == (12, 3000, True)


async def test_A09_test_bit_sets_no_offset():
    async with running() as bench, await bench.client() as client:
        assert await single_answer(client, clock(), test=True) == (7, False)
        assert bench.station.status.clock_offset is None


async def test_A10_test_command_is_mirrored():
    tag = TimeTag.from_wall_clock(NOW)
    async with running() as bench, await bench.client() as client:
        client.request(LinkTestCommand(counter=4711, time_tag=tag), originator=9)
        asdu = await client.asdu()
        await client.silence()
        assert (asdu.cause, asdu.negative, asdu.originator) == (7, False, 9)
        assert asdu.objects == (LinkTestCommand(counter=4711, time_tag=tag),)
        for fields, answer in (
            ({"cause": 3}, (45, True)),
            ({"common_address": GLOBAL}, (46, True)),
        ):
            request = LinkTestCommand(counter=1, time_tag=tag)
            assert await single_answer(client, request, **fields) == answer
        request = LinkTestCommand(ioa=5, counter=1, time_tag=tag)
        assert await single_answer(client, request) == (47, True)


@pytest.mark.parametrize(
    ("type_id", "element"), [(104, "aa55"), (106, "0000"), (110, "000000000000")]
)
async def test_A10_types_that_are_not_part_of_104(type_id: int, element: str):
    async with running() as bench, await bench.client() as client:
        request = body(type_id, Cause.ACTIVATION, bytes(3) + bytes.fromhex(element))
        client.information(request)
        assert await client.raw_asdu() == request[:2] + b"\x6c" + request[3:]
        await client.silence()


async def test_A10_reset_process():
    request = QualifiedRequest(type_id=TypeId.C_RP_NA_1, qualifier=1)
    async with running() as bench, await bench.client() as client:
        assert await single_answer(client, request) == (7, True)
        bench.watcher.allows_reset = True
        client.request(request)
        assert await client.answers(2) == [(105, 7, False), (70, 4, False)]
        assert await single_answer(client, request, test=True) == (7, False)


@pytest.mark.parametrize("type_id", [0, 2, 8, 127, 255])
async def test_A11_unknown_types_are_mirrored_whole(type_id: int):
    async with running() as bench, await bench.client() as client:
        request = body(type_id, Cause.ACTIVATION, b"\x01\x02\x03\x04\x05", 1)
        client.information(request)
        assert await client.raw_asdu() == request[:2] + b"\x6c" + request[3:]
        await client.silence()


@pytest.mark.parametrize("type_id", [TypeId.M_SP_NA_1, TypeId.M_ME_TF_1])
async def test_A11_monitored_types_are_no_commands(type_id: TypeId):
    obj = MonitorObject(
        type_id=type_id, ioa=SETPOINT, value=1, time_tag=TimeTag.from_wall_clock(NOW)
    )
    async with running() as bench, await bench.client() as client:
        assert await single_answer(client, obj) == (44, True)


@pytest.mark.parametrize("ioa", [STOP_PRODUCTION, STOP_CONSUMPTION, TEST])
@pytest.mark.parametrize("type_id", [TypeId.C_SC_NA_1, TypeId.C_SC_TA_1])
@pytest.mark.parametrize("value", [True, False])
async def test_A12_single_commands(ioa: int, type_id: TypeId, value: bool):
    tag = TimeTag.from_wall_clock(NOW) if type_id == TypeId.C_SC_TA_1 else None
    async with running() as bench, await bench.client() as client:
        client.request(single(ioa, value, type_id=type_id, time_tag=tag), originator=7)
        confirmed, returned, ended = [await client.asdu() for _ in range(3)]
        await client.silence()
        assert [asdu.cause for asdu in (confirmed, returned, ended)] == [7, 11, 10]
        assert [asdu.originator for asdu in (confirmed, returned, ended)] == [7, 0, 7]
        assert confirmed.objects == ended.objects
        feedback = returned.objects[0]
        assert (feedback.ioa, feedback.value) == (ioa + FEEDBACK, value)
        assert returned.type_id == TypeId.M_SP_TB_1
        assert feedback.time_tag == TimeTag.from_wall_clock(NOW)
        assert [one.value for one in bench.plant.executed] == [value]


@pytest.mark.parametrize("value", [1, 2])
async def test_A13_double_command(value: int):
    async with running() as bench, await bench.client() as client:
        client.request(double(Q_MODE, value))
        assert [cause for _, cause, _ in await client.answers(3)] == [7, 11, 10]
        assert bench.plant.executed[0].value == DoublePoint(value)


@pytest.mark.parametrize("value", [0, 3])
async def test_A13_reserved_states_are_refused(value: int):
    async with running() as bench, await bench.client() as client:
        assert await single_answer(client, double(Q_MODE, value)) == (7, True)
        assert not bench.plant.executed


@pytest.mark.parametrize("ioa", SETPOINTS)
async def test_A14_setpoints_and_their_bounds(ioa: int):
    async with running() as bench, await bench.client() as client:
        for value in (0.0, 100.0, -0.0, 1e-45, 55.5):
            client.request(setpoint(ioa, value))
            assert [cause for _, cause, _ in await client.answers(3)] == [7, 11, 10]
        assert await single_answer(client, setpoint(ioa, 3.4e38)) == (7, True)
        assert len(bench.plant.executed) == 5


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), float("-inf"), -0.001, 100.001]
)
async def test_A15_impossible_values_change_nothing(value: float):
    async with running() as bench, await bench.client() as client:
        assert await single_answer(client, setpoint(SETPOINT, value)) == (7, True)
        assert not bench.plant.executed
        assert bench.watcher.rejections[0].reason is RejectionReason.VALUE


async def test_A15_signalling_nan_is_refused():
    async with running() as bench, await bench.client() as client:
        element = struct.pack("<HBIB", SETPOINT, 0, 0x7F800001, 0)
        client.information(body(TypeId.C_SE_NC_1, Cause.ACTIVATION, element))
        assert await client.answers(1) == [(50, 7, True)]
        assert not bench.plant.executed


@pytest.mark.parametrize(
    ("request_object", "common_address", "answer"),
    [
        (setpoint(SETPOINT), 99, 46),
        (setpoint(SETPOINT), GLOBAL, 46),
        (setpoint(SETPOINT), 0, 46),
        (setpoint(9), COMMON_ADDRESS, 47),
        (setpoint(0), COMMON_ADDRESS, 47),
        (setpoint(MEASUREMENT), COMMON_ADDRESS, 47),
        (setpoint(STOP_PRODUCTION), COMMON_ADDRESS, 44),
        (single(SETPOINT), COMMON_ADDRESS, 44),
        (double(STOP_PRODUCTION), COMMON_ADDRESS, 44),
    ],
)
async def test_A16_wrong_addresses_and_types(
    request_object: InformationObject, common_address: int, answer: int
):
    async with running() as bench, await bench.client() as client:
        given = await single_answer(
            client, request_object, common_address=common_address, originator=5
        )
        assert given == (answer, True)
        assert not bench.plant.executed
        assert len(bench.watcher.rejections) == 1


async def test_A16_wrong_type_may_be_an_unknown_address():
    async with running(wrong_type_cause=47) as bench, await bench.client() as client:
        assert await single_answer(client, single(SETPOINT)) == (47, True)


@pytest.mark.parametrize(("cause", "answer"), [(3, 45), (5, 45), (8, 9), (20, 45)])
async def test_A17_other_causes(cause: int, answer: int):
    async with running() as bench, await bench.client() as client:
        given = await single_answer(client, setpoint(SETPOINT), cause)
        assert given == (answer, True)
        assert not bench.plant.executed


@pytest.mark.parametrize("cause", [6, 8])
async def test_A18_negative_request_is_refused(cause: int):
    async with running() as bench, await bench.client() as client:
        for request in (setpoint(SETPOINT), interrogation()):
            given = await single_answer(client, request, cause, negative=True)
            assert given == (cause + 1, True)
        assert not bench.plant.executed


async def test_A19_test_bit_is_mirrored_and_nothing_is_executed():
    async with running() as bench, await bench.client() as client:
        client.request(single(STOP_PRODUCTION), test=True, originator=3)
        asdu = await client.asdu()
        assert (asdu.cause, asdu.negative, asdu.test) == (7, False, True)
        assert asdu.originator == 3
        client.request(setpoint(SELECTED_SETPOINT, select=True), test=True)
        await client.raw_asdu()
        # The selection was a test as well: executing finds nothing selected.
        given = await single_answer(client, setpoint(SELECTED_SETPOINT))
        assert given == (7, True)
        assert not bench.plant.executed


@pytest.mark.parametrize("make", [setpoint, interrogation])
async def test_A20_two_objects_are_refused_with_one_answer(
    make: Callable[[int], InformationObject],
):
    objects = [make(SETPOINT), make(SETPOINT)]
    if objects[0].type_id == TypeId.C_IC_NA_1:
        objects = [interrogation(), interrogation()]
    encoded = b"".join(encode_object(obj) for obj in objects)
    async with running() as bench, await bench.client() as client:
        client.information(body(objects[0].type_id, Cause.ACTIVATION, encoded, 2))
        assert await client.answers(1) == [(objects[0].type_id, 7, True)]
        await client.silence()
        assert not bench.plant.executed
        assert bench.watcher.rejections[0].reason is RejectionReason.OBJECT_COUNT


async def test_A20_sequence_is_refused():
    async with running() as bench, await bench.client() as client:
        encoded = encode_object(setpoint(SETPOINT))
        for request in (
            body(TypeId.C_SE_NC_1, 6, encoded, 0x81),
            body(TypeId.C_SE_NC_1, 6, encoded + encoded[3:], 0x82),
        ):
            client.information(request)
            assert await client.answers(1) == [(50, 7, True)]
        assert not bench.plant.executed


@pytest.mark.parametrize(
    "request_bytes",
    [
        body(TypeId.C_SE_NC_1, 6, encode_object(setpoint(SETPOINT))[:-1]),
        body(TypeId.C_SE_NC_1, 6, encode_object(setpoint(SETPOINT)), 2),
        body(TypeId.C_SE_NC_1, 6, encode_object(setpoint(SETPOINT)), 0),
        body(TypeId.C_SE_NC_1, 6, b"", 0x80),
        body(TypeId.C_SE_NC_1, 6, encode_object(setpoint(SETPOINT)) + b"\x00"),
        body(TypeId.C_SE_NC_1, 6, b"\xff\xff\xff" + bytes(10), 0x82),
        body(TypeId.C_SE_NC_1, 6, b"")[:5],
        b"",
    ],
)
async def test_A20_structure_faults_close(request_bytes: bytes):
    async with running() as bench, await bench.client() as client:
        client.information(request_bytes)
        await client.expect_closed()
        assert bench.watcher.closed[0].code == "malformed_asdu"
        assert not bench.plant.executed


async def test_A20_octets_behind_the_object_may_be_allowed():
    request = body(TypeId.C_SE_NC_1, 6, encode_object(setpoint(SETPOINT)) + b"\x00")
    async with running(strict_length=False) as bench, await bench.client() as client:
        client.information(request)
        assert [cause for _, cause, _ in await client.answers(3)] == [7, 11, 10]


@pytest.mark.parametrize("ioa", [SELECTED_SETPOINT, EITHER_SETPOINT])
async def test_A21_select_and_execute(ioa: int):
    async with running() as bench, await bench.client() as client:
        given = await single_answer(client, setpoint(ioa, 40.0, select=True))
        assert given == (7, False)
        assert not bench.plant.executed
        client.request(setpoint(ioa, 40.0))
        assert [cause for _, cause, _ in await client.answers(3)] == [7, 11, 10]
        assert [one.value for one in bench.plant.executed] == [40.0]


async def test_A21_a_selection_is_used_up_by_its_execution():
    async with running() as bench, await bench.client() as client:
        await single_answer(client, setpoint(SELECTED_SETPOINT, select=True))
        client.request(setpoint(SELECTED_SETPOINT))
        await client.answers(3)
        given = await single_answer(client, setpoint(SELECTED_SETPOINT))
        assert given == (7, True)
        assert bench.watcher.rejections[0].reason is RejectionReason.NOT_SELECTED


async def test_A21_execute_without_select():
    async with running() as bench, await bench.client() as client:
        given = await single_answer(client, setpoint(SELECTED_SETPOINT))
        assert given == (7, True)
        client.request(setpoint(EITHER_SETPOINT))
        assert [cause for _, cause, _ in await client.answers(3)] == [7, 11, 10]


async def test_A21_select_on_a_direct_point():
    async with running() as bench, await bench.client() as client:
        given = await single_answer(client, setpoint(SETPOINT, select=True))
        assert given == (7, True)
        assert bench.watcher.rejections[0].reason is RejectionReason.NOT_SELECTABLE


async def test_A21_selection_of_an_impossible_value():
    async with running() as bench, await bench.client() as client:
        request = setpoint(SELECTED_SETPOINT, 101.0, select=True)
        assert await single_answer(client, request) == (7, True)


async def test_A21_deselect():
    async with running() as bench, await bench.client() as client:
        selected = setpoint(SELECTED_SETPOINT, select=True)
        await single_answer(client, selected)
        assert await single_answer(client, selected, 8) == (9, False)
        assert await single_answer(client, selected, 8) == (9, True)
        given = await single_answer(client, setpoint(SELECTED_SETPOINT))
        assert given == (7, True)


async def test_A21_selection_times_out():
    async with running(select_timeout=5) as bench, await bench.client() as client:
        await single_answer(client, setpoint(SELECTED_SETPOINT, select=True))
        bench.timers.advance(5)
        given = await single_answer(client, setpoint(SELECTED_SETPOINT))
        assert given == (7, True)
        assert not bench.plant.executed


@pytest.mark.parametrize("ioa", [SELECTED_SETPOINT, EITHER_SETPOINT])
@pytest.mark.parametrize(
    "other",
    [
        {"value": 41.0},
        {"qualifier": 1},
        {"type_id": TypeId.C_SE_TC_1, "time_tag": TimeTag.from_wall_clock(NOW)},
    ],
)
async def test_A21_execution_of_something_else(ioa: int, other: dict[str, object]):
    async with (
        running(strict_qualifiers=False) as bench,
        await bench.client() as client,
    ):
        await single_answer(client, setpoint(ioa, 40.0, select=True))
        request = setpoint(ioa, **{"value": 40.0} | other)
        assert await single_answer(client, request) == (7, True)
        assert not bench.plant.executed
        if ioa == SELECTED_SETPOINT:
            assert await single_answer(client, setpoint(ioa, 40.0)) == (7, True)


async def test_A21_selection_ends_with_stop_and_with_the_connection():
    async with running() as bench:
        async with await bench.client() as client:
            await single_answer(client, setpoint(SELECTED_SETPOINT, select=True))
            client.acknowledge()
            client.function(UFunction.STOPDT_ACT)
            await client.expect_function(UFunction.STOPDT_CON)
            client.function(UFunction.STARTDT_ACT)
            await client.expect_function(UFunction.STARTDT_CON)
            given = await single_answer(client, setpoint(SELECTED_SETPOINT))
            assert given == (7, True)
            await single_answer(client, setpoint(SELECTED_SETPOINT, select=True))
        async with await bench.client() as client:
            given = await single_answer(client, setpoint(SELECTED_SETPOINT))
            assert given == (7, True)
            assert not bench.plant.executed


async def test_A21_a_selection_serves_no_other_connection():
    async with running() as bench, await bench.client() as first:
        await single_answer(first, setpoint(SELECTED_SETPOINT, select=True))
        async with await bench.client() as second:
            given = await single_answer(second, setpoint(SELECTED_SETPOINT))
            assert given == (7, True)
            selected = setpoint(SELECTED_SETPOINT, select=True)
            assert await single_answer(second, selected) == (7, False)
        assert not bench.plant.executed


def test_A21_what_another_connection_holds_is_refused():
    # Between clients that are started at once, as the second engine serves them.
    plant = Plant()
    group = station(plant, DirectTimers())
    side, other = Side(group, 1), Side(group, 2)
    side.start()
    held = Selection(
        connection=other.connection,
        type_id=TypeId.C_SE_NC_1,
        value=50.0,
        qualifier=0,
        expires=group.timers.time() + 10,
    )
    for select in (True, False):
        group.selections[SELECTED_SETPOINT] = held
        request = encode_object(setpoint(SELECTED_SETPOINT, 50.0, select=select))
        (answer,) = side.request(body(TypeId.C_SE_NC_1, Cause.ACTIVATION, request))
        assert answer[2] == 7 | NEGATIVE_BIT
        reason = cast(Watcher, group.observer).rejections[-1].reason
        assert reason is RejectionReason.SELECTED_ELSEWHERE
    assert not plant.executed


def tagged(offset: float, **fields: object) -> InformationObject:
    tag = TimeTag.from_wall_clock(NOW + timedelta(seconds=offset))
    if fields:
        tag = TimeTag(**{name: getattr(tag, name) for name in tag.__slots__} | fields)
    return setpoint(SETPOINT, type_id=TypeId.C_SE_TC_1, time_tag=tag)


@pytest.mark.parametrize(
    "request_object",
    [tagged(-11), tagged(11), tagged(0, invalid=True), tagged(0, month=0)],
    ids=["stale", "future", "invalid", "impossible"],
)
@pytest.mark.parametrize("rule", StaleCommandRule)
async def test_A22_stale_commands_are_not_executed(
    request_object: InformationObject, rule: StaleCommandRule
):
    async with (
        running(max_command_delay=10, stale_command=rule) as bench,
        await bench.client() as client,
    ):
        if rule is StaleCommandRule.NEGATIVE:
            assert await single_answer(client, request_object) == (7, True)
        else:
            client.request(request_object)
            await client.silence()
        assert not bench.plant.executed
        assert bench.watcher.rejections[0].reason is RejectionReason.STALE


async def test_A22_fresh_and_unsupervised_commands_are_executed():
    async with running(max_command_delay=10) as bench, await bench.client() as client:
        client.request(tagged(-9))
        assert [cause for _, cause, _ in await client.answers(3)] == [7, 11, 10]
        assert bench.plant.executed[0].delay == 9.0
        assert bench.plant.executed[0].time == NOW - timedelta(seconds=9)
    async with running() as bench, await bench.client() as client:
        client.request(tagged(-9999))
        assert [cause for _, cause, _ in await client.answers(3)] == [7, 11, 10]


async def test_A22_a_stop_is_carried_out_whatever_its_time_tag_says():
    stale = TimeTag.from_wall_clock(NOW - timedelta(days=1))
    async with running(max_command_delay=10) as bench, await bench.client() as client:
        for value, answers in ((True, 3), (False, 1)):
            request = single(
                STOP_PRODUCTION, value, type_id=TypeId.C_SC_TA_1, time_tag=stale
            )
            client.request(request)
            await client.answers(answers)
            await client.silence()
        assert [one.value for one in bench.plant.executed] == [True]


@pytest.mark.parametrize(
    ("mode", "hours", "summer_time"),
    [
        (TimeZoneMode.UTC, 0, False),
        (TimeZoneMode.UTC, 0, True),
        (TimeZoneMode.LOCAL, 2, True),
        (TimeZoneMode.LOCAL, 2, False),
        (TimeZoneMode.AUTO, 0, False),
        (TimeZoneMode.AUTO, 1, False),
        (TimeZoneMode.AUTO, 2, False),
        (TimeZoneMode.AUTO, 2, True),
    ],
)
async def test_A22_utc_and_local_time(
    mode: TimeZoneMode, hours: int, summer_time: bool
):
    policy = TimeZonePolicy(mode=mode, zone=ZoneInfo("Europe/Brussels"))
    request = tagged(hours * 3600 + 1, summer_time=summer_time)
    async with (
        running(max_command_delay=10, time_zone=policy) as bench,
        await bench.client() as client,
    ):
        client.request(request)
        assert [cause for _, cause, _ in await client.answers(3)] == [7, 11, 10]
        assert bench.plant.executed[0].time == NOW + timedelta(seconds=1)


async def test_A22_age_is_measured_with_the_operators_clock():
    async with running(max_command_delay=10) as bench, await bench.client() as client:
        await single_answer(client, clock(NOW + timedelta(minutes=5)))
        client.request(tagged(300))
        assert [cause for _, cause, _ in await client.answers(3)] == [7, 11, 10]
    async with (
        running(max_command_delay=10, use_clock_offset=False) as bench,
        await bench.client() as client,
    ):
        await single_answer(client, clock(NOW + timedelta(minutes=5)))
        assert await single_answer(client, tagged(300)) == (7, True)


async def test_A23_thousand_setpoints_are_answered_in_order():
    async with running() as bench, await bench.client() as client:
        # They come faster than they are acknowledged, so the window fills.
        client.skips_supervisory = True
        for number in range(1000):
            client.request(setpoint(SETPOINT, number / 10))
        answers = {7: [], 11: [], 10: []}
        for _ in range(3000):
            asdu = await client.asdu()
            answers[asdu.cause].append(asdu.objects[0].value)
        expected = [
            struct.unpack("<f", struct.pack("<f", n / 10))[0] for n in range(1000)
        ]
        assert answers[7] == answers[10] == answers[11] == expected
        assert bench.plant.point(SETPOINT + FEEDBACK).value == expected[-1]


@pytest.mark.parametrize("cause", [Cause.RETURN_LOCAL, Cause.SPONTANEOUS])
async def test_A24_local_change_is_reported_once(cause: Cause):
    async with running() as bench, await bench.client() as client:
        bench.station.report(
            bench.plant.put(TypeId.M_SP_TB_1, STOP_PRODUCTION + FEEDBACK, True), cause
        )
        asdu = await client.asdu()
        await client.silence()
        assert (asdu.cause, asdu.originator) == (cause, 0)
        assert len(asdu.objects) == 1


async def test_A25_cyclic_values_share_one_asdu():
    async with running() as bench, await bench.client() as client:
        await client.barrier()
        for ioa in range(MEASUREMENT, MEASUREMENT + 14):
            bench.station.report(bench.plant.values[ioa], Cause.PERIODIC)
        raw = await client.raw_asdu()
        await client.silence()
        assert len(raw) == 118
        asdu = decode_asdu(raw)
        assert (asdu.cause, len(asdu.objects)) == (Cause.PERIODIC, 14)
        assert all(obj.quality == Quality.GOOD for obj in asdu.objects)


@pytest.mark.parametrize("quality", [Quality.NOT_TOPICAL, Quality.INVALID])
async def test_A26_quality_is_carried(quality: Quality):
    async with running() as bench, await bench.client() as client:
        await client.barrier()
        for type_id in (TypeId.M_SP_NA_1, TypeId.M_DP_NA_1, TypeId.M_ME_NC_1):
            point = MonitorObject(
                type_id=type_id, ioa=MEASUREMENT, value=1, quality=quality
            )
            bench.station.report(point)
            assert (await client.asdu()).objects[0].quality == quality


async def test_A26_a_value_that_does_not_fit_is_sent_as_invalid():
    async with running() as bench, await bench.client() as client:
        bench.plant.put(TypeId.M_ME_NC_1, MEASUREMENT, 1e39)
        client.request(ReadRequest(ioa=MEASUREMENT), Cause.REQUEST)
        obj = (await client.asdu()).objects[0]
        assert (obj.value, obj.quality) == (0.0, Quality.INVALID)
        with pytest.raises(ValueError, match="does not fit"):
            bench.station.report(bench.plant.values[MEASUREMENT])


async def test_A27_order_of_a_connect():
    async with running() as bench, await bench.client(started=False) as client:
        client.function(UFunction.STARTDT_ACT)
        await client.expect_function(UFunction.STARTDT_CON)
        assert await client.answers(1) == [(70, 4, False)]
        client.request(interrogation())
        asdus = await interrogated(client)
        assert asdus[0].cause == 7
        assert await single_answer(client, clock()) == (7, False)
        assert bench.watcher.states == [LinkState.STARTED]


async def test_A28_a_restarted_station_announces_itself_again():
    async with running(end_of_initialization="on_start") as bench:
        async with await bench.client() as client:
            await client.barrier()
        await bench.station.stop()
        await bench.station.start()
        async with await bench.client() as client:
            await client.silence()


async def test_A29_return_information_waits_for_the_connection_only():
    plant = Plant()
    plant.defers = True
    async with running(plant) as bench:
        async with await bench.client() as client:
            assert await single_answer(client, single(STOP_PRODUCTION)) == (7, False)
        responder = plant.deferred[0]
        async with await bench.client() as client:
            await client.barrier()
            assert not responder.alive
            value = plant.values[STOP_PRODUCTION + FEEDBACK]
            assert not responder.return_information([value])
            assert not responder.terminate()
            await client.silence()


async def test_A30_stop_during_an_interrogation_is_answered_at_once():
    plant = Plant()
    for ioa in range(20_000, 21_000):
        plant.put(TypeId.M_ME_NC_1, ioa, 1.0)
    async with running(plant) as bench, await bench.client() as client:
        await single_answer(client, setpoint(SELECTED_SETPOINT, select=True))
        client.acknowledge()
        client.acknowledges = False
        client.request(interrogation())
        client.request(setpoint(SETPOINT, 1000.0))
        client.request(single(STOP_PRODUCTION))
        for _ in range(12):
            await client.raw_asdu()
        client.acknowledge()
        assert await client.answers(4) == [
            (50, 7, True),
            (45, 7, False),
            (30, 11, False),
            (45, 10, False),
        ]


async def test_A30_termination_may_come_later_and_once():
    plant = Plant()
    plant.defers = True
    async with running(plant) as bench, await bench.client() as client:
        assert await single_answer(client, single(STOP_PRODUCTION)) == (7, False)
        assert await single_answer(client, single(STOP_PRODUCTION)) == (7, False)
        first, second = plant.deferred
        value = plant.values[STOP_PRODUCTION + FEEDBACK]
        for responder in (first, second):
            assert responder.return_information([value])
            assert responder.terminate()
            assert not responder.terminate()
            assert not responder.return_information([value])
            responder.confirm()
            assert await client.answers(2) == [(30, 11, False), (45, 10, False)]
            await client.silence()


async def test_A30_termination_can_be_negative():
    plant = Plant()
    plant.defers = True
    async with running(plant) as bench, await bench.client() as client:
        await single_answer(client, single(STOP_PRODUCTION))
        assert plant.deferred[0].terminate(positive=False)
        assert await client.answers(1) == [(45, 10, True)]


async def test_return_information_may_be_spontaneous():
    plant = Plant()
    plant.defers = True
    async with running(plant) as bench, await bench.client() as client:
        await single_answer(client, setpoint(SETPOINT))
        value = plant.values[SETPOINT + FEEDBACK]
        plant.deferred[0].return_information([value], cause=Cause.SPONTANEOUS)
        assert await client.answers(1) == [(TypeId.M_ME_TF_1, 3, False)]


async def test_refusing_application_answers_negatively_once():
    plant = Plant()
    plant.refuses = True
    async with running(plant) as bench, await bench.client() as client:
        assert await single_answer(client, setpoint(SETPOINT)) == (7, True)
        assert bench.watcher.rejections[0].reason is RejectionReason.APPLICATION


async def test_failing_application_answers_negatively_and_keeps_the_link(
    caplog: pytest.LogCaptureFixture,
):
    plant = Plant()
    plant.fails = True
    async with running(plant) as bench, await bench.client() as client:
        assert await single_answer(client, setpoint(SETPOINT)) == (7, True)
        assert "Carrying out a command failed" in caplog.text
        caplog.clear()
        plant.fails = False
        client.request(setpoint(SETPOINT))
        assert [cause for _, cause, _ in await client.answers(3)] == [7, 11, 10]


async def test_a_confirmation_is_written_before_what_follows_is_made():
    class Watched(Plant):
        """Notes what is on the wire once a command is confirmed."""

        link: Link
        pending: list[bytes]
        sent = 0

        def put(self, type_id: int, ioa: int, value: PointValue) -> MonitorObject:
            if self.executed:
                self.sent, self.pending = self.link.sent, list(self.link._out)
            return super().put(type_id, ioa, value)

    plant = Watched()
    async with running(plant) as bench, await bench.client() as client:
        await client.barrier()
        plant.link = bench.station._group.active.link
        before = plant.link.sent
        client.request(setpoint(SETPOINT))
        assert [cause for _, cause, _ in await client.answers(3)] == [7, 11, 10]
        assert (plant.sent - before, plant.pending) == (1, [])


async def test_point_without_termination():
    async with running() as bench, await bench.client() as client:
        point = bench.plant.commands[SETPOINT]
        bench.plant.commands[SETPOINT] = type(point)(
            type_ids=point.type_ids, termination=False
        )
        client.request(setpoint(SETPOINT))
        assert [cause for _, cause, _ in await client.answers(2)] == [7, 11]
        await client.silence()


@pytest.mark.parametrize(
    "request_object",
    [single(STOP_PRODUCTION, qualifier=4), setpoint(SETPOINT, qualifier=1)],
)
async def test_reserved_qualifiers_are_refused_unless_allowed(
    request_object: InformationObject,
):
    async with running() as bench, await bench.client() as client:
        assert await single_answer(client, request_object) == (7, True)
    async with (
        running(strict_qualifiers=False) as bench,
        await bench.client() as client,
    ):
        client.request(request_object)
        assert [cause for _, cause, _ in await client.answers(3)] == [7, 11, 10]


async def test_pulse_lengths_are_handed_on():
    async with running() as bench, await bench.client() as client:
        client.request(single(STOP_PRODUCTION, qualifier=3))
        await client.answers(3)
        assert bench.plant.executed[0].qualifier == 3


async def test_reserved_bit_of_a_single_command_is_refused():
    async with running() as bench, await bench.client() as client:
        element = struct.pack("<HBB", STOP_PRODUCTION, 0, 0x03)
        client.information(body(TypeId.C_SC_NA_1, Cause.ACTIVATION, element))
        assert await client.answers(1) == [(45, 7, True)]
        assert not bench.plant.executed


async def event_with(bench: Bench, at: datetime | None) -> None:
    bench.station.report(
        MonitorObject(type_id=TypeId.M_SP_TB_1, ioa=11001, value=True), at=at
    )


async def test_events_carry_the_time_that_they_happened():
    async with running() as bench, await bench.client() as client:
        await event_with(bench, datetime(2026, 1, 2, 3, 4, 5, 678_900, UTC))
        tag = (await client.asdu()).objects[0].time_tag
        assert tag.wall_clock() == datetime(2026, 1, 2, 3, 4, 5, 678_000)
        assert tag.day_of_week == 5
