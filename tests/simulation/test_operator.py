"""The RTU against a controlled station that mirrors what it is ordered."""

import asyncio
from collections.abc import AsyncIterator, Iterable

import pytest

from custom_components.netflex.iec104 import (
    Command,
    CommandPoint,
    ControlledStation,
    DoublePoint,
    EndOfInitializationRule,
    LinkClosedError,
    MonitorObject,
    PointValue,
    Responder,
    StationConfig,
    TypeId,
)
from custom_components.netflex.iec104.information_objects import TAGGED
from custom_components.netflex.model.orders import OrderName
from custom_components.netflex.simulation.operator import Rtu
from custom_components.netflex.simulation.operator_day import operator_day
from custom_components.netflex.telecontrol.points import DEFAULT_POINTS, PointDirection

pytestmark = pytest.mark.usefixtures("socket_enabled")


class Mirror:
    """Carries out every order by mirroring it; refuses MINSETP below 10."""

    def __init__(self) -> None:
        self.values: dict[int, PointValue] = {}
        self.commands: list[Command] = []

    def points(self) -> Iterable[MonitorObject]:
        return [
            self._object(point.ioa, point.type_id)
            for point in DEFAULT_POINTS.points
            if point.direction is PointDirection.MONITOR
        ]

    def point(self, ioa: int) -> MonitorObject | None:
        return next((item for item in self.points() if item.ioa == ioa), None)

    def command_point(self, ioa: int) -> CommandPoint | None:
        point = DEFAULT_POINTS.orders.get(ioa)
        if point is None:
            return None
        types = frozenset({point.type_id, TAGGED[point.type_id]})
        return CommandPoint(
            type_ids=types,
            accepts=lambda value: point.name != "minsetp" or value >= 10,
        )

    def execute(self, command: Command, responder: Responder) -> None:
        self.commands.append(command)
        order = DEFAULT_POINTS.orders[command.ioa].order
        assert order is not None
        mirror = DEFAULT_POINTS.feedback(order)
        assert mirror is not None
        self.values[mirror.ioa] = command.value
        responder.confirm()
        responder.return_information([self._object(mirror.ioa, mirror.type_id)])
        responder.terminate()

    def _object(self, ioa: int, type_id: int) -> MonitorObject:
        initial: PointValue = {TypeId.M_SP_NA_1: False, TypeId.M_DP_NA_1: 1}.get(
            TypeId(type_id), 0.0
        )
        return MonitorObject(
            type_id=type_id, ioa=ioa, value=self.values.get(ioa, initial)
        )


@pytest.fixture
def mirror() -> Mirror:
    return Mirror()


@pytest.fixture
async def station(mirror: Mirror) -> AsyncIterator[ControlledStation]:
    config = StationConfig(host="127.0.0.1", port=0, allowed_clients=None)
    running = ControlledStation(config, mirror)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def rtu(station: ControlledStation) -> AsyncIterator[Rtu]:
    client = Rtu()
    yield client
    await client.disconnect()


def where(station: ControlledStation) -> tuple[str, int]:
    assert station.address is not None
    return station.address


async def test_connection_begins_as_the_operator_does(
    rtu: Rtu, station: ControlledStation
) -> None:
    welcome = await rtu.connect(*where(station))
    assert rtu.connected
    assert welcome.initialized is not None
    assert welcome.interrogated is not None
    assert welcome.synchronized is not None
    assert welcome.points == sum(
        point.direction is PointDirection.MONITOR for point in DEFAULT_POINTS.points
    )
    assert rtu.heard["interface_version"].cause == 20


async def test_missing_end_of_initialization_is_told(mirror: Mirror) -> None:
    config = StationConfig(
        host="127.0.0.1",
        port=0,
        allowed_clients=None,
        end_of_initialization=EndOfInitializationRule.ON_START,
    )
    station = ControlledStation(config, mirror)
    await station.start()
    client = Rtu(initialization_timeout=0.05)
    assert (await client.connect(*where(station))).initialized is not None
    assert (await client.connect(*where(station))).initialized is None
    await client.disconnect()
    await station.stop()


@pytest.mark.parametrize("tagged", [False, True])
@pytest.mark.parametrize(
    ("name", "value", "on_the_wire"),
    [
        (OrderName.EMERGENCY_STOP_PRODUCTION, True, True),
        (OrderName.MAXSETP, 40, 40.0),
        (OrderName.Q_MODE, True, DoublePoint.ON),
        (OrderName.REDENP, 99, 99.0),
    ],
)
async def test_order_is_confirmed_returned_and_terminated(
    rtu: Rtu,
    station: ControlledStation,
    mirror: Mirror,
    name: OrderName,
    value: float,
    on_the_wire: PointValue,
    tagged: bool,
) -> None:
    await rtu.connect(*where(station))
    result = await rtu.order(name, value, tagged=tagged)
    assert result.accepted
    assert result.returned == on_the_wire
    assert result.confirmed is not None
    assert result.terminated is not None
    assert result.confirmed <= result.terminated
    heard = rtu.feedback(name)
    assert heard is not None
    assert heard.value == on_the_wire
    assert heard.cause == 11
    assert (mirror.commands[0].type_id in TAGGED.values()) is tagged


async def test_refusal_is_told(rtu: Rtu, station: ControlledStation) -> None:
    await rtu.connect(*where(station))
    result = await rtu.order(OrderName.MINSETP, 5)
    assert not result.accepted
    assert result.terminated is None


async def test_lost_connection_is_told_and_another_one_works(
    rtu: Rtu, station: ControlledStation
) -> None:
    await rtu.connect(*where(station))
    lost = asyncio.create_task(rtu.lost())
    await asyncio.sleep(0)
    station.close_connections("pulled")
    assert await asyncio.wait_for(lost, 1)
    assert not rtu.connected
    with pytest.raises(LinkClosedError):
        await rtu.order(OrderName.MAXSETP, 50)
    await rtu.connect(*where(station))
    assert (await rtu.order(OrderName.MAXSETP, 50)).accepted


async def test_nobody_listening_is_an_os_error_and_leaves_nothing_open(
    unused_tcp_port: int,
) -> None:
    client = Rtu()
    with pytest.raises(OSError):
        await client.connect("127.0.0.1", unused_tcp_port)
    assert not client.connected


async def test_link_test_and_interrogation(
    rtu: Rtu, station: ControlledStation
) -> None:
    await rtu.connect(*where(station))
    assert 0 < await rtu.test_link() < 1000
    assert await rtu.interrogate() > 20


def test_day_is_in_order_and_leaves_nothing_in_force() -> None:
    orders = list(operator_day())
    assert [item.hour for item in orders] == sorted(item.hour for item in orders)
    last = {item.name: item.value for item in orders}
    assert last == {
        OrderName.REDENP: 0,
        OrderName.MAXSETP: 100,
        OrderName.MINSETP: 100,
        OrderName.MAXSETAP: 100,
        OrderName.MINSETAP: 100,
        OrderName.EMERGENCY_STOP_PRODUCTION: False,
        OrderName.EMERGENCY_STOP_CONSUMPTION: False,
        OrderName.TEST: False,
    }
