"""The application layer's acceptance list on both engines.

Where c104 answers otherwise, the test names its deviation; a test that fails there
after an update of c104 says that the list of deviations is due for a look.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from custom_components.netflex.iec104 import (
    Cause,
    DoublePoint,
    EndOfInitializationRule,
    LinkState,
    MonitorObject,
    Quality,
    RejectionReason,
    SecondClientRule,
    StaleCommandRule,
    StationConfig,
    TimeTag,
    TypeId,
)
from custom_components.netflex.iec104.apdu import UFunction
from custom_components.netflex.iec104.asdu import decode_asdu
from custom_components.netflex.iec104.engine import Engine, make_station
from custom_components.netflex.iec104.information_objects import (
    InformationObject,
    QualifiedRequest,
    ReadRequest,
    TestCommand as LinkTestCommand,
    encode_object,
)
from custom_components.netflex.iec104.lib60870_deviations import (
    DEVIATIONS,
    DeviationKey,
)

from .bench import (
    COMMON_ADDRESS,
    EITHER_SETPOINT,
    FEEDBACK,
    MEASUREMENT,
    NOW,
    Q_MODE,
    SELECTED_SETPOINT,
    SETPOINT,
    STOP_CONSUMPTION,
    STOP_PRODUCTION,
    TEST,
    Plant,
    body,
    double,
    setpoint,
    single,
)
from .engines import EngineBench, answered, answers_to, running_on
from .test_application_layer import clock, interrogated, interrogation

GLOBAL = 65535
FOREIGN = 99
SC, DC, SE = TypeId.C_SC_NA_1, TypeId.C_DC_NA_1, TypeId.C_SE_NC_1


@pytest.fixture(
    params=[
        Engine.BUILTIN,
        pytest.param(Engine.C104, marks=pytest.mark.lib60870),
    ]
)
def engine(request: pytest.FixtureRequest) -> Engine:
    if request.param is Engine.C104:
        request.getfixturevalue("lib60870")
    return request.param


def twice(bench: EngineBench, type_id: int, cause: int) -> list[tuple[int, int, bool]]:
    """Return the refusal of a wrong address or type."""
    return bench.differs(
        DeviationKey.TWO_ANSWERS,
        ours=[(type_id, cause, True)],
        c104=[(type_id, 7, True), (type_id, cause, False)],
    )


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("common_address", [COMMON_ADDRESS, GLOBAL])
async def test_A01_interrogation(engine: Engine, common_address: int):
    async with running_on(engine) as bench, await bench.client() as client:
        client.request(interrogation(), common_address=common_address)
        asdus = await interrogated(client)
        assert await answered(client) == []
        assert [asdu.cause for asdu in asdus[:1] + asdus[-1:]] == [7, 10]
        assert {asdu.cause for asdu in asdus[1:-1]} == {20}
        assert {asdu.common_address for asdu in asdus} == {COMMON_ADDRESS}
        objects = [obj for asdu in asdus[1:-1] for obj in asdu.objects]
        assert [obj.ioa for obj in objects] == sorted(bench.plant.values)
        types = bench.differs(
            DeviationKey.TAGGED_VALUES, ours={1, 3, 13}, c104={13, 30, 31, 36}
        )
        assert {obj.type_id for obj in objects} == types
        await until(lambda: bench.watcher.interrogations == 1)
        assert bench.station.status.last_interrogation == NOW


async def test_A01_values_come_by_address(engine: Engine):
    plant = Plant()
    plant.put(TypeId.M_ME_NC_1, 20_000, 1.0)
    async with running_on(engine, plant) as bench, await bench.client() as client:
        client.request(interrogation())
        asdus = await interrogated(client)
        ioas = [obj.ioa for asdu in asdus[1:-1] for obj in asdu.objects]
        by_type = sorted(plant.values, key=lambda ioa: (plant.values[ioa].type_id, ioa))
        assert ioas == bench.differs(
            DeviationKey.INTERROGATION, ours=sorted(plant.values), c104=by_type
        )


async def test_A02_interrogation_mirrors_originator_and_test_bit(engine: Engine):
    async with running_on(engine) as bench, await bench.client() as client:
        client.request(interrogation(), originator=7, test=True)
        asdus = await interrogated(client)
        ends = asdus[0], asdus[-1]
        assert {(asdu.originator, asdu.test) for asdu in ends} == {(7, True)}
        assert {(asdu.originator, asdu.test) for asdu in asdus[1:-1]} == {
            bench.differs(DeviationKey.ORIGINATOR, ours=(7, True), c104=(0, False))
        }


async def test_A03_interrogation_of_a_wrong_common_address(engine: Engine):
    async with running_on(engine) as bench, await bench.client() as client:
        given = await answers_to(client, interrogation(), common_address=7)
        assert given == twice(bench, 100, 46)


@pytest.mark.parametrize(
    ("request_object", "cause", "answer"),
    [
        (interrogation(21), 6, (100, 7, True)),
        (interrogation(99), 6, (100, 7, True)),
        (interrogation(ioa=5), 6, (100, 47, True)),
        (interrogation(), 3, (100, 45, True)),
    ],
)
async def test_A04_interrogations_that_are_refused(
    engine: Engine,
    request_object: QualifiedRequest,
    cause: int,
    answer: tuple[int, int, bool],
):
    async with running_on(engine) as bench, await bench.client() as client:
        assert await answers_to(client, request_object, cause) == [answer]


async def test_A04_deactivation_when_none_runs(engine: Engine):
    async with running_on(engine) as bench, await bench.client() as client:
        given = await answers_to(client, interrogation(), 8)
        if bench.differs(DeviationKey.INTERROGATION, ours=False, c104=True):
            assert (given[0], given[-1]) == ((100, 7, False), (100, 10, False))
        else:
            assert given == [(100, 9, True)]


async def test_A05_two_interrogations_back_to_back(engine: Engine):
    async with running_on(engine) as bench, await bench.client() as client:
        for originator in (1, 2):
            client.request(interrogation(), originator=originator)
        for originator in (1, 2):
            asdus = await interrogated(client)
            assert asdus[0].originator == asdus[-1].originator == originator
            count = sum(len(asdu.objects) for asdu in asdus[1:-1])
            assert count == len(bench.plant.values)


async def test_A06_an_interrogation_is_not_older_than_an_event(engine: Engine):
    async with running_on(engine) as bench, await bench.client() as client:
        for value in (1.0, 2.0, 3.0):
            client.request(interrogation())
            await interrogated(client)
            bench.station.report(bench.plant.put(TypeId.M_ME_NC_1, MEASUREMENT, value))
            event = await client.asdu()
            assert (event.cause, event.objects[0].value) == (3, value)
            client.request(interrogation())
            asdus = await interrogated(client)
            values = {
                obj.ioa: obj.value for asdu in asdus[1:-1] for obj in asdu.objects
            }
            assert values[MEASUREMENT] == value


async def test_A06_a_value_that_was_not_reported_is_interrogated(engine: Engine):
    async with running_on(engine) as bench, await bench.client() as client:
        client.request(interrogation())
        await interrogated(client)
        await asyncio.sleep(0.05)
        bench.plant.put(TypeId.M_ME_NC_1, MEASUREMENT, 7.0)
        client.request(interrogation())
        asdus = await interrogated(client)
        values = [obj.value for asdu in asdus[1:-1] for obj in asdu.objects]
        assert 7.0 in values


async def test_A07_counter_interrogation_without_counters(engine: Engine):
    request = QualifiedRequest(type_id=TypeId.C_CI_NA_1, qualifier=5)
    async with running_on(engine) as bench, await bench.client() as client:
        assert await answers_to(client, request) == bench.differs(
            DeviationKey.INTERROGATION,
            ours=[(101, 7, True)],
            c104=[(101, 7, False), (101, 10, False)],
        )


async def test_A08_read(engine: Engine):
    async with running_on(engine) as bench, await bench.client() as client:
        bench.plant.put(TypeId.M_ME_NC_1, MEASUREMENT, 12.5)
        request = ReadRequest(ioa=MEASUREMENT)
        client.request(request, Cause.REQUEST, originator=3)
        if bench.differs(DeviationKey.READ, ours=False, c104=True):
            assert await client.answers(1) == [(102, 7, False)]
        asdu = await client.asdu()
        assert (asdu.cause, asdu.type_id) == (5, 13)
        assert asdu.originator == bench.differs(DeviationKey.ORIGINATOR, ours=3, c104=0)
        assert [(obj.ioa, obj.value) for obj in asdu.objects] == [(MEASUREMENT, 12.5)]


async def test_A08_reads_that_are_refused(engine: Engine):
    async with running_on(engine) as bench, await bench.client() as client:
        unknown = await answers_to(client, ReadRequest(ioa=9), 5)
        assert unknown == twice(bench, 102, 47)
        activated = await answers_to(client, ReadRequest(ioa=MEASUREMENT), 6)
        assert activated == [(102, 45, True)]


@pytest.mark.parametrize("common_address", [COMMON_ADDRESS, GLOBAL])
async def test_A09_clock_synchronization(engine: Engine, common_address: int):
    request = clock(NOW + timedelta(seconds=2))
    async with running_on(engine) as bench, await bench.client() as client:
        client.request(request, common_address=common_address)
        asdu = await client.asdu()
        assert (asdu.cause, asdu.negative) == (7, False)
        assert (asdu.objects, asdu.common_address) == ((request,), COMMON_ADDRESS)
        await until(lambda: bench.station.status.clock_offset == 2.0)
        assert bench.watcher.clocks[0].time == NOW + timedelta(seconds=2)


@pytest.mark.parametrize(
    "request_object",
    [
        clock(invalid=True),
        clock(ioa=4),
        clock(day=30, month=2),
    ],
)
async def test_A09_a_clock_that_is_none_is_not_used(
    engine: Engine, request_object: InformationObject
):
    async with running_on(engine) as bench, await bench.client() as client:
        ours = 47 if request_object.ioa else 7
        assert await answers_to(client, request_object) == bench.differs(
            DeviationKey.CLOCK, ours=[(103, ours, True)], c104=[(103, 7, False)]
        )
        assert await answers_to(client, clock(), test=True) == [(103, 7, False)]
        assert bench.station.status.clock_offset is None


async def test_A10_test_command_is_mirrored(engine: Engine):
    command = LinkTestCommand(counter=4711, time_tag=TimeTag.from_wall_clock(NOW))
    async with running_on(engine) as bench, await bench.client() as client:
        client.request(command, originator=9)
        asdu = await client.asdu()
        assert (asdu.cause, asdu.negative, asdu.originator) == (7, False, 9)
        assert asdu.objects == (command,)


async def test_A10_reset_process(engine: Engine):
    request = QualifiedRequest(type_id=TypeId.C_RP_NA_1, qualifier=1)
    async with running_on(engine) as bench, await bench.client() as client:
        assert await answers_to(client, request) == bench.differs(
            DeviationKey.RESET,
            ours=[(105, 7, True)],
            c104=[(105, 7, True), (105, 47, False)],
        )


@pytest.mark.parametrize("type_id", [2, 104, 106, 127])
async def test_A11_unknown_types(engine: Engine, type_id: int):
    async with running_on(engine) as bench, await bench.client() as client:
        client.information(body(type_id, 6, bytes(3) + b"\x04\x05"))
        assert await answered(client) == bench.differs(
            DeviationKey.NO_ANSWER, ours=[(type_id, 44, True)], c104=[]
        )


async def test_A11_monitored_types_are_no_commands(engine: Engine):
    obj = MonitorObject(type_id=TypeId.M_SP_NA_1, ioa=SETPOINT, value=True)
    async with running_on(engine) as bench, await bench.client() as client:
        assert await answers_to(client, obj) == twice(bench, 1, 44)


@pytest.mark.parametrize("ioa", [STOP_PRODUCTION, STOP_CONSUMPTION, TEST])
@pytest.mark.parametrize("value", [True, False])
async def test_A12_single_commands(engine: Engine, ioa: int, value: bool):
    async with running_on(engine) as bench, await bench.client() as client:
        client.request(single(ioa, value), originator=7)
        asdus = [await client.asdu() for _ in bench.carried_out]
        assert [asdu.cause for asdu in asdus] == bench.carried_out
        assert [asdu.originator for asdu in asdus[:2]] == [7, 0]
        assert await answered(client) == []
        feedback = asdus[1].objects[0]
        assert (feedback.ioa, feedback.value) == (ioa + FEEDBACK, value)
        assert feedback.time_tag.wall_clock() == NOW.replace(tzinfo=None)
        assert [one.value for one in bench.plant.executed] == [value]
        assert bench.plant.executed[0].originator == 7


async def test_A12_commands_with_a_time_tag(engine: Engine):
    tag = TimeTag.from_wall_clock(NOW)
    request = single(STOP_PRODUCTION, type_id=TypeId.C_SC_TA_1, time_tag=tag)
    async with running_on(engine) as bench, await bench.client() as client:
        given = await answers_to(client, request)
        taken = bench.differs(DeviationKey.ONE_TYPE, ours=True, c104=False)
        assert len(bench.plant.executed) == taken
        assert given == (
            [(58, 7, False), (30, 11, False), (58, 10, False)]
            if taken
            else twice(bench, 58, 44)
        )


@pytest.mark.parametrize("value", [1, 2])
async def test_A13_double_command(engine: Engine, value: int):
    async with running_on(engine) as bench, await bench.client() as client:
        client.request(double(Q_MODE, value))
        expected = bench.carried_out
        given = await client.answers(len(expected))
        assert [cause for _, cause, _ in given] == expected
        assert bench.plant.executed[0].value == DoublePoint(value)


@pytest.mark.parametrize("value", [0, 3])
async def test_A13_reserved_states_are_refused(engine: Engine, value: int):
    async with running_on(engine) as bench, await bench.client() as client:
        assert await answers_to(client, double(Q_MODE, value)) == [(DC, 7, True)]
        assert not bench.plant.executed


async def test_A14_setpoints_and_their_bounds(engine: Engine):
    async with running_on(engine) as bench, await bench.client() as client:
        for value in (0.0, 100.0, -0.0, 1e-45, 55.5):
            client.request(setpoint(SETPOINT, value))
            asdus = [await client.asdu() for _ in bench.carried_out]
            assert [asdu.cause for asdu in asdus] == bench.carried_out
            assert asdus[1].objects[0].value == pytest.approx(value)
        assert len(bench.plant.executed) == 5


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), float("-inf"), -0.001, 100.001, 3.4e38]
)
async def test_A15_impossible_values_change_nothing(engine: Engine, value: float):
    async with running_on(engine) as bench, await bench.client() as client:
        assert await answers_to(client, setpoint(SETPOINT, value)) == [(SE, 7, True)]
        assert not bench.plant.executed
        await until(lambda: bench.watcher.rejections)
        assert [one.reason for one in bench.watcher.rejections] == [
            RejectionReason.VALUE
        ]


@pytest.mark.parametrize(
    ("request_object", "common_address", "cause"),
    [
        (setpoint(SETPOINT), FOREIGN, 46),
        (setpoint(9), COMMON_ADDRESS, 47),
        (setpoint(STOP_PRODUCTION), COMMON_ADDRESS, 44),
        (single(SETPOINT), COMMON_ADDRESS, 44),
    ],
)
async def test_A16_wrong_addresses_and_types(
    engine: Engine, request_object: InformationObject, common_address: int, cause: int
):
    async with running_on(engine) as bench, await bench.client() as client:
        given = await answers_to(client, request_object, common_address=common_address)
        assert given == twice(bench, request_object.type_id, cause)
        assert not bench.plant.executed
        await until(lambda: bench.watcher.rejections)
        assert [one.cause for one in bench.watcher.rejections] == [cause]


@pytest.mark.parametrize("cause", [3, 5, 20])
async def test_A17_other_causes(engine: Engine, cause: int):
    async with running_on(engine) as bench, await bench.client() as client:
        given = await answers_to(client, setpoint(SETPOINT), cause)
        assert given == bench.differs(
            DeviationKey.NO_ANSWER, ours=[(SE, 45, True)], c104=[]
        )
        assert not bench.plant.executed
        await until(lambda: bench.watcher.rejections)
        assert bench.watcher.rejections[0].reason is RejectionReason.CAUSE


async def test_A17_deactivation_without_a_selection(engine: Engine):
    async with running_on(engine) as bench, await bench.client() as client:
        given = await answers_to(client, setpoint(SETPOINT), 8)
        cause = bench.differs(DeviationKey.CANCELLATION, ours=9, c104=7)
        assert given == [(SE, cause, True)]
        assert not bench.plant.executed


async def test_A18_negative_request_is_refused(engine: Engine):
    async with running_on(engine) as bench, await bench.client() as client:
        given = await answers_to(client, setpoint(SETPOINT), negative=True)
        assert given == [(SE, 7, True)]
        assert not bench.plant.executed


async def test_A19_test_bit_is_mirrored_and_nothing_is_executed(engine: Engine):
    async with running_on(engine) as bench, await bench.client() as client:
        client.request(single(STOP_PRODUCTION), test=True, originator=3)
        asdu = await client.asdu()
        assert (asdu.cause, asdu.negative, asdu.test) == (7, False, True)
        assert asdu.originator == 3
        assert await answered(client) == []
        assert not bench.plant.executed


@pytest.mark.parametrize("count", [2, 0x81])
async def test_A20_more_than_one_object(engine: Engine, count: int):
    encoded = encode_object(setpoint(SETPOINT)) * (2 if count == 2 else 1)
    async with running_on(engine) as bench, await bench.client() as client:
        client.information(body(SE, 6, encoded, count))
        assert await answered(client) == bench.differs(
            DeviationKey.NO_ANSWER, ours=[(SE, 7, True)], c104=[]
        )
        assert not bench.plant.executed


@pytest.mark.parametrize(
    "request_bytes",
    [
        body(SE, 6, encode_object(setpoint(SETPOINT))[:-1]),
        body(SE, 6, encode_object(setpoint(SETPOINT)), 2),
        body(SE, 6, encode_object(setpoint(SETPOINT)), 0),
        body(SE, 6, encode_object(setpoint(SETPOINT)) + b"\x00"),
    ],
    ids=["truncated", "two_announced", "none_announced", "trailing"],
)
async def test_A20_structure_faults_do_nothing(engine: Engine, request_bytes: bytes):
    async with running_on(engine) as bench, await bench.client() as client:
        client.information(request_bytes)
        if bench.differs(DeviationKey.STRUCTURE, ours=True, c104=False):
            await client.expect_closed()
        else:
            await answered(client)
        assert not bench.plant.executed


async def test_A21_select_and_execute(engine: Engine):
    async with running_on(engine) as bench, await bench.client() as client:
        selected = setpoint(SELECTED_SETPOINT, 40.0, select=True)
        assert await answers_to(client, selected) == [(SE, 7, False)]
        assert not bench.plant.executed
        client.request(setpoint(SELECTED_SETPOINT, 40.0))
        given = [cause for _, cause, _ in await client.answers(3)]
        assert given[0] == 7
        # Return information and termination come from different threads of c104.
        assert set(given) == {7, 10, 11}
        if bench.engine is Engine.BUILTIN:
            assert given == [7, 11, 10]
        assert [one.value for one in bench.plant.executed] == [40.0]


async def test_A21_a_selection_is_used_up_by_its_execution(engine: Engine):
    async with running_on(engine) as bench, await bench.client() as client:
        await answers_to(client, setpoint(SELECTED_SETPOINT, select=True))
        client.request(setpoint(SELECTED_SETPOINT))
        await client.answers(3)
        given = await answers_to(client, setpoint(SELECTED_SETPOINT))
        assert given == [(SE, 7, True)]
        assert len(bench.plant.executed) == 1
        await until(lambda: bench.watcher.rejections)
        assert bench.watcher.rejections[0].reason is RejectionReason.NOT_SELECTED


async def test_A21_select_on_a_direct_point(engine: Engine):
    async with running_on(engine) as bench, await bench.client() as client:
        given = await answers_to(client, setpoint(SETPOINT, select=True))
        assert given == [(SE, 7, True)]
        await until(lambda: bench.watcher.rejections)
        assert bench.watcher.rejections[0].reason is RejectionReason.NOT_SELECTABLE


async def test_A21_select_where_both_are_allowed(engine: Engine):
    async with running_on(engine) as bench, await bench.client() as client:
        given = await answers_to(client, setpoint(EITHER_SETPOINT, select=True))
        refused = bench.differs(DeviationKey.EXECUTION_BOTH, ours=False, c104=True)
        assert given == [(SE, 7, refused)]


async def test_A21_an_impossible_value_is_refused_at_the_latest_when_executed(
    engine: Engine,
):
    async with running_on(engine) as bench, await bench.client() as client:
        given = await answers_to(
            client, setpoint(SELECTED_SETPOINT, 101.0, select=True)
        )
        refused = bench.differs(DeviationKey.SELECTION, ours=True, c104=False)
        assert given == [(SE, 7, refused)]
        given = await answers_to(client, setpoint(SELECTED_SETPOINT, 101.0))
        assert given[0] == (SE, 7, True)
        assert not bench.plant.executed


async def test_A21_execution_of_another_value(engine: Engine):
    async with running_on(engine) as bench, await bench.client() as client:
        await answers_to(client, setpoint(SELECTED_SETPOINT, 40.0, select=True))
        client.request(setpoint(SELECTED_SETPOINT, 41.0))
        assert await client.answers(1) == [(SE, 7, True)]
        assert not bench.plant.executed


async def test_A21_deselect(engine: Engine):
    async with running_on(engine) as bench, await bench.client() as client:
        selected = setpoint(SELECTED_SETPOINT, select=True)
        await answers_to(client, selected)
        cause = bench.differs(DeviationKey.CANCELLATION, ours=9, c104=7)
        assert await answers_to(client, selected, 8) == [(SE, cause, False)]
        client.request(setpoint(SELECTED_SETPOINT))
        assert await client.answers(1) == [(SE, 7, True)]
        assert not bench.plant.executed


def tagged_plant() -> Plant:
    """Return a plant whose setpoint takes a time tag only."""
    plant = Plant()
    point = plant.commands[SETPOINT]
    plant.commands[SETPOINT] = type(point)(
        type_ids=frozenset({TypeId.C_SE_TC_1}), accepts=point.accepts
    )
    return plant


@pytest.mark.parametrize("rule", StaleCommandRule)
@pytest.mark.parametrize("off", [-11, 11])
async def test_A22_stale_commands_are_not_executed(
    engine: Engine, off: int, rule: StaleCommandRule
):
    tag = TimeTag.from_wall_clock(NOW + timedelta(seconds=off))
    request = setpoint(SETPOINT, type_id=TypeId.C_SE_TC_1, time_tag=tag)
    async with (
        running_on(
            engine, tagged_plant(), max_command_delay=10, stale_command=rule
        ) as bench,
        await bench.client() as client,
    ):
        negative = rule is StaleCommandRule.NEGATIVE
        assert await answers_to(client, request) == [(63, 7, True)] * negative
        assert not bench.plant.executed
        await until(lambda: bench.watcher.rejections)
        assert bench.watcher.rejections[0].reason is RejectionReason.STALE


async def test_A22_fresh_commands_are_executed(engine: Engine):
    tag = TimeTag.from_wall_clock(NOW - timedelta(seconds=9))
    request = setpoint(SETPOINT, type_id=TypeId.C_SE_TC_1, time_tag=tag)
    async with (
        running_on(engine, tagged_plant(), max_command_delay=10) as bench,
        await bench.client() as client,
    ):
        client.request(request)
        given = await client.answers(len(bench.carried_out))
        assert [cause for _, cause, _ in given] == bench.carried_out
        assert bench.plant.executed[0].delay == 9.0
        assert bench.plant.executed[0].time == NOW - timedelta(seconds=9)


async def test_A23_many_setpoints_are_answered_in_order(engine: Engine):
    async with running_on(engine) as bench, await bench.client() as client:
        for number in range(300):
            client.request(setpoint(SETPOINT, number / 4))
        confirmed: list[float] = []
        returned: list[float] = []
        for _ in range(300 * len(bench.carried_out)):
            asdu = await client.asdu()
            if asdu.cause == 7:
                confirmed.append(asdu.objects[0].value)
            elif asdu.cause == 11:
                returned.append(asdu.objects[0].value)
        assert confirmed == returned == [number / 4 for number in range(300)]


@pytest.mark.parametrize("cause", [Cause.RETURN_LOCAL, Cause.SPONTANEOUS])
async def test_A24_local_change_is_reported_once(engine: Engine, cause: Cause):
    async with running_on(engine) as bench, await bench.client() as client:
        point = bench.plant.put(TypeId.M_SP_TB_1, STOP_PRODUCTION + FEEDBACK, True)
        moment = datetime(2026, 1, 2, 3, 4, 5, 678_900, UTC)
        bench.station.report(point, cause, at=moment)
        asdu = await client.asdu()
        assert (asdu.cause, asdu.originator) == (cause, 0)
        assert [obj.value for obj in asdu.objects] == [True]
        tag = asdu.objects[0].time_tag
        assert tag.wall_clock() == datetime(2026, 1, 2, 3, 4, 5, 678_000)
        day = bench.differs(DeviationKey.SUMMER_TIME, ours=5, c104=0)
        assert tag.day_of_week == day
        await asyncio.sleep(0.05)
        assert await answered(client) == []


async def test_A25_cyclic_values_share_one_asdu(engine: Engine):
    async with running_on(engine) as bench, await bench.client() as client:
        await until(lambda: bench.watcher.states)
        for ioa in range(MEASUREMENT, MEASUREMENT + 14):
            bench.station.report(bench.plant.values[ioa], Cause.PERIODIC)
        asdu = decode_asdu(await client.raw_asdu())
        assert (asdu.cause, len(asdu.objects)) == (Cause.PERIODIC, 14)
        assert all(obj.quality == Quality.GOOD for obj in asdu.objects)
        assert await answered(client) == []


@pytest.mark.parametrize("quality", [Quality.NOT_TOPICAL, Quality.INVALID])
@pytest.mark.parametrize(
    ("type_id", "ioa"),
    [
        (TypeId.M_SP_TB_1, STOP_PRODUCTION + FEEDBACK),
        (TypeId.M_DP_TB_1, Q_MODE + FEEDBACK),
        (TypeId.M_ME_NC_1, MEASUREMENT),
        (TypeId.M_ME_NB_1, MEASUREMENT),
        (TypeId.M_ME_NA_1, MEASUREMENT),
    ],
)
async def test_A26_quality_is_carried(
    engine: Engine, type_id: TypeId, ioa: int, quality: Quality
):
    async with running_on(engine) as bench, await bench.client() as client:
        point = MonitorObject(type_id=type_id, ioa=ioa, value=1, quality=quality)
        bench.plant.values[ioa] = point
        bench.station.report(point)
        found = (await client.asdu()).objects[0]
        assert (found.type_id, found.quality) == (type_id, quality)
        assert found.value == pytest.approx(1, abs=1e-4)


async def test_A26_a_value_that_does_not_fit_is_sent_as_invalid(engine: Engine):
    async with running_on(engine) as bench, await bench.client() as client:
        bench.plant.put(TypeId.M_ME_NC_1, MEASUREMENT, 1e39)
        client.request(interrogation())
        objects = [obj for asdu in await interrogated(client) for obj in asdu.objects]
        (found,) = [obj for obj in objects if obj.ioa == MEASUREMENT]
        assert (found.value, found.quality) == (0.0, Quality.INVALID)
        with pytest.raises(ValueError, match="does not fit"):
            bench.station.report(bench.plant.values[MEASUREMENT])


async def test_A27_order_of_a_connect(engine: Engine):
    async with running_on(engine) as bench:
        async with await bench.client(started=False) as client:
            client.function(UFunction.STARTDT_ACT)
            await client.expect_function(UFunction.STARTDT_CON)
            assert await client.answers(1) == [(70, 4, False)]
            client.request(interrogation())
            await interrogated(client)
            assert await answers_to(client, clock()) == [(103, 7, False)]
            assert bench.watcher.states == [LinkState.STARTED]
            status = bench.station.status
            assert (status.listening, status.connections) == (True, 1)
            assert status.client.address == "127.0.0.1"
        await until(lambda: bench.watcher.closed)
        assert bench.station.status.client is None
        port = bench.differs(DeviationKey.CLIENTS, ours=True, c104=False)
        assert (bench.watcher.opened[0].port > 0) is port


async def test_A28_events_from_before_a_connect_are_delivered(engine: Engine):
    async with running_on(engine) as bench:
        for value in (True, False):
            bench.station.report(
                bench.plant.put(TypeId.M_SP_TB_1, STOP_PRODUCTION + FEEDBACK, value)
            )
        assert bench.station.status.events_waiting == 2
        async with await bench.client() as client:
            values: list[object] = []
            while len(values) < 2:
                asdu = await client.asdu()
                assert asdu.cause == 3
                values += [obj.value for obj in asdu.objects]
            assert values == [True, False]
        await until(lambda: bench.watcher.closed)
        bench.station.report(bench.plant.values[STOP_PRODUCTION + FEEDBACK])
        async with await bench.client() as client:
            assert await client.answers(1) == [(30, 3, False)]


async def test_A28_a_stopped_client_is_sent_nothing_until_it_starts_again(
    engine: Engine,
):
    async with running_on(engine) as bench, await bench.client() as client:
        await until(lambda: bench.station.status.state is LinkState.STARTED)
        client.function(UFunction.STOPDT_ACT)
        await client.expect_function(UFunction.STOPDT_CON)
        await until(lambda: bench.station.status.state is LinkState.STOPPED)
        bench.station.report(bench.plant.values[STOP_PRODUCTION + FEEDBACK])
        assert bench.station.status.events_waiting == 1
        client.function(UFunction.TESTFR_ACT)
        await client.expect_function(UFunction.TESTFR_CON)
        client.function(UFunction.STARTDT_ACT)
        await client.expect_function(UFunction.STARTDT_CON)
        assert await client.answers(1) == [(30, 3, False)]


async def test_starting_and_stopping_twice_is_once(engine: Engine):
    async with running_on(engine) as bench:
        address = bench.address
        async with await bench.client() as client:
            await bench.station.start()
            assert bench.address == address
            assert await answered(client) == []
        await bench.station.stop()
        await bench.station.stop()
        assert bench.station.address is None


async def test_A28_what_was_not_acknowledged_is_sent_again(engine: Engine):
    async with running_on(engine) as bench:
        async with await bench.client() as client:
            bench.station.report(bench.plant.values[STOP_PRODUCTION + FEEDBACK])
            assert await client.answers(1) == [(30, 3, False)]
        await until(lambda: bench.watcher.closed)
        async with await bench.client() as client:
            await asyncio.sleep(0.05)
            assert await answered(client) == bench.differs(
                DeviationKey.EVENTS, ours=[(30, 3, False)], c104=[]
            )


async def test_A28_a_restarted_station_announces_itself_again(engine: Engine):
    rule = EndOfInitializationRule.ON_START
    async with running_on(engine, end_of_initialization=rule) as bench:
        for _ in range(2):
            async with await bench.client() as client:
                await answered(client)
            async with await bench.client(started=False) as client:
                client.function(UFunction.STARTDT_ACT)
                await client.expect_function(UFunction.STARTDT_CON)
                assert await answered(client) == []
            await bench.station.stop()
            assert bench.station.address is None
            await bench.station.start()


async def test_A29_return_information_waits_for_the_connection_only(engine: Engine):
    plant = Plant()
    plant.defers = True
    async with running_on(engine, plant) as bench:
        async with await bench.client() as client:
            given = await answers_to(client, single(STOP_PRODUCTION))
            assert given == [(SC, 7, False)]
        await until(lambda: bench.watcher.closed)
        responder = plant.deferred[0]
        async with await bench.client() as client:
            assert not responder.alive
            value = plant.values[STOP_PRODUCTION + FEEDBACK]
            assert not responder.return_information([value])
            assert not responder.terminate()
            assert await answered(client) == []


async def test_A30_stop_during_an_interrogation(engine: Engine):
    plant = Plant()
    for ioa in range(20_000, 21_000):
        plant.put(TypeId.M_ME_NC_1, ioa, 1.0)
    async with running_on(engine, plant) as bench, await bench.client() as client:
        await answers_to(client, setpoint(SELECTED_SETPOINT, select=True))
        client.request(interrogation())
        client.request(setpoint(SETPOINT, 1000.0))
        client.request(single(STOP_PRODUCTION))
        started = asyncio.get_running_loop().time()
        await until(lambda: plant.executed)
        assert asyncio.get_running_loop().time() - started < 5
        confirmed = False
        while not confirmed:
            raw = await client.raw_asdu()
            confirmed = (raw[0], raw[2]) == (SC, 7)


async def test_A31_test_command_reaches_the_application(engine: Engine):
    async with running_on(engine) as bench, await bench.client() as client:
        client.request(single(TEST))
        await client.answers(len(bench.carried_out))
        assert [one.ioa for one in bench.plant.executed] == [TEST]


async def test_refusing_and_failing_applications_answer_negatively(
    engine: Engine, caplog: pytest.LogCaptureFixture
):
    plant = Plant()
    async with running_on(engine, plant) as bench, await bench.client() as client:
        plant.refuses = True
        assert await answers_to(client, setpoint(SETPOINT)) == [(SE, 7, True)]
        plant.refuses, plant.fails = False, True
        assert await answers_to(client, setpoint(SETPOINT)) == [(SE, 7, True)]
        plant.fails = False
        assert "Carrying out a command failed" in caplog.text
        caplog.clear()
        client.request(setpoint(SETPOINT))
        given = await client.answers(len(bench.carried_out))
        assert [cause for _, cause, _ in given] == bench.carried_out


async def test_only_allowed_clients_get_in(engine: Engine):
    async with running_on(engine, allowed_clients=frozenset({"127.0.0.9"})) as bench:
        client = await bench.client(started=False)
        await client.expect_closed()
        await client.disconnect()
        await until(lambda: bench.watcher.refused)
        assert bench.watcher.refused[0][0] == "127.0.0.1"
        bench.station.set_allowed_clients(frozenset({"127.0.0.1"}))
        async with await bench.client() as client:
            bench.station.set_allowed_clients(frozenset({"127.0.0.9"}))
            await client.expect_closed()
        await until(lambda: bench.watcher.closed)
        assert str(bench.watcher.closed[-1].code) == "address_refused"


async def test_second_client(engine: Engine):
    async with (
        running_on(engine) as bench,
        await bench.client() as first,
        await bench.client() as second,
    ):
        assert await answers_to(second, interrogation(21)) == [(100, 7, True)]
        if bench.differs(DeviationKey.SECOND_CLIENT, ours=True, c104=False):
            await first.expect_closed()
        else:
            initialized = bench.differs(
                DeviationKey.INITIALIZATION, ours=[], c104=[(70, 4, False)]
            )
            given = await answers_to(first, interrogation(21))
            # A request right after the start may be answered before it: see
            # the words of this deviation.
            assert sorted(given) == [*initialized, (100, 7, True)]
            assert bench.station.status.connections == 2


async def test_second_client_may_be_refused(engine: Engine):
    async with (
        running_on(engine, second_client=SecondClientRule.REFUSE) as bench,
        await bench.client() as first,
    ):
        await until(lambda: bench.watcher.states)
        second = await bench.client(started=False)
        second.function(UFunction.STARTDT_ACT)
        await second.expect_closed()
        await second.disconnect()
        assert await answers_to(first, interrogation(21)) == [(100, 7, True)]


async def test_an_address_that_cannot_be_had_is_said(engine: Engine):
    async with running_on(engine) as bench:
        host, port = bench.address
        other = make_station(
            engine,
            StationConfig(host=host, port=port),
            Plant(),
            command_addresses=(),
        )
        with pytest.raises(OSError, match="in use"):
            await other.start()
        assert other.address is None


def test_every_deviation_has_a_text_and_a_test():
    folder = Path(__file__).parent
    source = "".join(
        (folder / name).read_text() for name in ("engines.py", "test_engines.py")
    )
    assert {deviation.key for deviation in DEVIATIONS} == set(DeviationKey)
    elsewhere = {DeviationKey.TLS, DeviationKey.ADDRESS}
    for deviation in DEVIATIONS:
        assert deviation.text.endswith(".")
        assert (
            deviation.key in elsewhere or f"DeviationKey.{deviation.key.name}" in source
        )
