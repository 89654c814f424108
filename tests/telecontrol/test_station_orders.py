"""Orders of the operator over a real socket: acceptance list A12 to A23."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from custom_components.netflex.iec104 import Cause, TimeTag, TypeId
from custom_components.netflex.iec104.asdu import Asdu
from custom_components.netflex.iec104.information_objects import CommandObject
from custom_components.netflex.model.orders import OrderName, OrderSource, QMode
from custom_components.netflex.telecontrol.point import Execution, TimeTagChoice
from custom_components.netflex.telecontrol.settings import ProblemKey
from custom_components.netflex.telecontrol.station import TelecontrolStation

from .bench import ORDERS, POINTS, SETTINGS, Rtu, Told, connected, running, with_points

SINGLES = ["emergency_stop_production", "emergency_stop_consumption", "test"]
LIMITS = ["minsetp", "maxsetp", "maxsetap", "minsetap"]
FLOATS = [*LIMITS, "minsetq", "maxsetq", "redenp", "redenq"]


@pytest.mark.parametrize("tagged", [False, True])
@pytest.mark.parametrize("name", SINGLES)
async def test_A12_single_commands_on_and_off(
    station: TelecontrolStation, rtu: Rtu, name: str, tagged: bool
) -> None:
    for value in (True, False):
        rtu.asdus.clear()
        result = await rtu.order(name, value, tagged=tagged)
        assert result.accepted
        assert result.terminated
        assert rtu.sequence(name) == [7, 11, 10]
        assert rtu.heard(f"{name}_feedback") == [(11, value)]
        order = station.orders.get(OrderName(name))
        assert order is not None
        assert order.value is value
        assert order.source is OrderSource.OPERATOR


@pytest.mark.parametrize("tagged", [False, True])
async def test_A13_double_command(
    station: TelecontrolStation, rtu: Rtu, tagged: bool
) -> None:
    for wire, mode in ((2, QMode.REMOTE), (1, QMode.LOCAL)):
        rtu.asdus.clear()
        result = await rtu.order("q_mode", wire, tagged=tagged)
        assert result.accepted
        assert rtu.sequence("q_mode") == [7, 11, 10]
        assert station.orders.q_mode is not None
        assert station.orders.q_mode.value is mode
        assert (await rtu.feedback("q_mode")).value == wire
    for reserved in (0, 3):
        result = await rtu.order("q_mode", reserved, tagged=tagged)
        assert not result.accepted
        assert station.orders.q_mode.value is QMode.LOCAL


@pytest.mark.parametrize("tagged", [False, True])
@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("value", [0.0, -0.0, 100.0, 1e-45, 3.4e38])
async def test_A14_setpoints_and_their_bounds(
    station: TelecontrolStation, rtu: Rtu, name: str, value: float, tagged: bool
) -> None:
    result = await rtu.order(name, value, tagged=tagged)
    assert result.accepted is (value <= 100)
    order = station.orders.get(OrderName(name))
    if value > 100:
        assert order is None
        return
    assert rtu.sequence(name) == [7, 11, 10]
    assert order is not None
    feedback = await rtu.feedback(name)
    assert feedback.value == order.value == pytest.approx(value)
    assert str(feedback.value)[0] != "-"


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), float("-inf"), -0.6, 100.6, 65_536.0]
)
async def test_A15_what_is_no_value_changes_nothing(
    station: TelecontrolStation, rtu: Rtu, told: Told, name: str, value: float
) -> None:
    if name.endswith("q") and value == -0.6:
        value = -100.6
    if name.startswith("reden") and value == 100.6:
        value = 65_535.6
    accepted = await rtu.order(name, 10.0)
    before = station.orders
    rtu.asdus.clear()
    result = await rtu.order(name, value)
    assert accepted.accepted
    assert not result.accepted
    assert result.confirmation is not None
    assert result.confirmation.cause == 7
    assert station.orders == before
    assert (await rtu.feedback(name)).value == 10.0
    assert told.events[-1].accepted is False
    assert told.events[-1].reason


async def test_A16_wrong_addresses_and_types(
    station: TelecontrolStation, rtu: Rtu
) -> None:
    ioa = POINTS["maxsetp"].ioa
    for options, cause in (
        ({"common_address": 99}, 46),
        ({"common_address": 65535}, 46),
    ):
        result = await rtu.client.command(ioa, TypeId.C_SE_NC_1, 1.0, **options)
        assert result.confirmation is not None
        assert (result.confirmation.cause, result.confirmation.negative) == (
            cause,
            True,
        )
    unknown = await rtu.client.command(777, TypeId.C_SE_NC_1, 1.0)
    assert unknown.confirmation is not None
    assert unknown.confirmation.cause == 47
    other = await rtu.client.command(ioa, TypeId.C_SC_NA_1, True)
    assert other.confirmation is not None
    assert other.confirmation.cause == 44
    assert not station.orders.present()


@pytest.mark.parametrize(
    ("cause", "answer", "negative"),
    [(3, 45, True), (5, 45, True), (8, 9, True), (20, 45, True)],
)
async def test_A17_other_causes_do_nothing(
    station: TelecontrolStation, rtu: Rtu, cause: int, answer: int, negative: bool
) -> None:
    _send(rtu, cause=cause)
    heard = await _answer(rtu)
    assert (heard.cause, heard.negative) == (answer, negative)
    assert not station.orders.present()


async def test_A18_a_negative_request_is_not_carried_out(
    station: TelecontrolStation, rtu: Rtu
) -> None:
    _send(rtu, negative=True)
    heard = await _answer(rtu)
    assert (heard.cause, heard.negative) == (7, True)
    assert not station.orders.present()


async def test_A19_the_test_bit_is_answered_and_never_acts(
    station: TelecontrolStation, rtu: Rtu, told: Told
) -> None:
    for name, value in (("emergency_stop_production", True), ("maxsetp", 0.0)):
        result = await rtu.order(name, value, test=True, wait_termination=False)
        assert result.accepted
        assert result.confirmation is not None
        assert result.confirmation.test
    assert not station.orders.present()
    assert not told.events


@pytest.mark.parametrize("sequence", [False, True])
async def test_A20_only_one_object_in_a_command(
    station: TelecontrolStation, rtu: Rtu, sequence: bool
) -> None:
    ioa = POINTS["minsetp"].ioa
    objects = tuple(
        CommandObject(type_id=TypeId.C_SE_NC_1, ioa=ioa + at, value=5.0)
        for at in range(2)
    )
    rtu.client.send(
        Asdu(
            type_id=TypeId.C_SE_NC_1,
            cause=Cause.ACTIVATION,
            objects=objects,
            common_address=100,
            sequence=sequence,
        )
    )
    assert (await _answer(rtu)).negative
    assert not station.orders.present()


@pytest.mark.parametrize("execution", Execution)
async def test_A21_each_point_has_its_own_way_of_execution(
    told: Told, execution: Execution
) -> None:
    points = with_points(maxsetp={"execution": execution})
    async with (
        running(told, settings=replace(SETTINGS, points=points)) as station,
        connected(station) as rtu,
    ):
        direct = await rtu.order("maxsetp", 40.0)
        assert direct.accepted is (execution is not Execution.SELECT)
        ioa = POINTS["maxsetp"].ioa
        selected = await rtu.client.command(ioa, TypeId.C_SE_NC_1, 30.0, select=True)
        assert selected.accepted is (execution is not Execution.DIRECT)
        bad = await rtu.client.command(ioa, TypeId.C_SE_NC_1, 300.0, select=True)
        assert not bad.accepted
        assert station.orders.maxsetp is not None
        expected = 40.0 if execution is Execution.DIRECT else 30.0
        assert station.orders.maxsetp.value == expected


@pytest.mark.parametrize(
    ("choice", "plain", "tagged"),
    [("never", True, False), ("either", True, True), ("always", False, True)],
)
async def test_A12_each_point_has_its_own_choice_of_time_tags(
    told: Told, choice: str, plain: bool, tagged: bool
) -> None:
    points = with_points(
        maxsetp={"time_tag": TimeTagChoice(choice)},
        maxsetp_feedback={
            "time_tag": TimeTagChoice.NEVER
            if choice == "never"
            else TimeTagChoice.ALWAYS
        },
    )
    async with (
        running(told, settings=replace(SETTINGS, points=points)) as station,
        connected(station) as rtu,
    ):
        assert (await rtu.order("maxsetp", 40.0)).accepted is plain
        assert (await rtu.order("maxsetp", 40.0, tagged=True)).accepted is tagged
        returned = [asdu for asdu in rtu.asdus if asdu.cause == Cause.RETURN_REMOTE]
        for asdu in returned:
            assert (asdu.objects[0].time_tag is None) is (choice == "never")


@pytest.mark.parametrize("name", ["maxsetp", "q_mode"])
@pytest.mark.parametrize("off", [timedelta(minutes=-5), timedelta(minutes=5)])
async def test_A22_S03_stale_and_future_orders_are_refused(
    station: TelecontrolStation, rtu: Rtu, told: Told, name: str, off: timedelta
) -> None:
    value = ORDERS[OrderName(name)][0]
    tag = TimeTag.from_wall_clock(datetime.now(UTC) + off)
    result = await rtu.order(name, value, time_tag=tag)
    assert not result.accepted
    assert station.orders.get(OrderName(name)) is None
    assert ProblemKey.STALE_ORDER in told.problems
    assert (await rtu.order(name, value, tagged=True)).accepted
    assert ProblemKey.STALE_ORDER not in told.problems


async def test_A22_an_invalid_time_tag_is_refused(
    station: TelecontrolStation, rtu: Rtu
) -> None:
    now = datetime.now(UTC)
    tag = TimeTag(
        milliseconds=now.second * 1000,
        minute=now.minute,
        hour=now.hour,
        day=now.day,
        month=now.month,
        year=now.year % 100,
        invalid=True,
    )
    assert not (await rtu.order("maxsetp", 10.0, time_tag=tag)).accepted


@pytest.mark.parametrize("summer_flag", [False, True])
async def test_A22_belgian_time_is_understood(
    station: TelecontrolStation, rtu: Rtu, summer_flag: bool
) -> None:
    wall = datetime.now(ZoneInfo("Europe/Brussels"))
    tag = TimeTag.from_wall_clock(wall, summer_time=summer_flag and bool(wall.dst()))
    assert (await rtu.order("maxsetp", 10.0, time_tag=tag)).accepted


async def test_A23_every_one_of_many_setpoints_is_confirmed_in_order(
    station: TelecontrolStation, rtu: Rtu, told: Told
) -> None:
    values = [float(index % 101) for index in range(1000)]
    point = POINTS["maxsetp"]
    for value in values:
        rtu.client.send(
            Asdu(
                type_id=TypeId.C_SE_NC_1,
                cause=Cause.ACTIVATION,
                objects=(
                    CommandObject(type_id=TypeId.C_SE_NC_1, ioa=point.ioa, value=value),
                ),
                common_address=100,
            )
        )
    async with asyncio.timeout(10):
        while len([c for c, _ in rtu.heard("maxsetp") if c == 10]) < len(values):
            await asyncio.sleep(0.01)
    confirmed = [value for cause, value in rtu.heard("maxsetp") if cause == 7]
    assert confirmed == values
    assert station.orders.maxsetp is not None
    assert station.orders.maxsetp.value == values[-1]
    assert (await rtu.feedback("maxsetp")).value == values[-1]


def _send(rtu: Rtu, *, cause: int = 6, negative: bool = False) -> None:
    point = POINTS["maxsetp"]
    rtu.client.send(
        Asdu(
            type_id=TypeId.C_SE_NC_1,
            cause=cause,
            objects=(
                CommandObject(type_id=TypeId.C_SE_NC_1, ioa=point.ioa, value=5.0),
            ),
            common_address=100,
            negative=negative,
        )
    )


async def _answer(rtu: Rtu) -> Asdu:
    async with asyncio.timeout(20):
        while True:
            for asdu in rtu.asdus:
                if asdu.type_id == TypeId.C_SE_NC_1:
                    return asdu
            await asyncio.sleep(0.005)
