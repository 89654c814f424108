"""What a station's user may decide while it runs: late answers, other clients."""

import asyncio

import pytest

from custom_components.netflex.iec104 import (
    Command,
    CommandPoint,
    ControlledStation,
    ControllingConfig,
    ControllingStation,
    LinkClosedError,
    MonitorObject,
    Responder,
    StationConfig,
    TypeId,
)

IOA = 1001


class LatePlant:
    """Takes commands and leaves their confirmation to the test."""

    def __init__(self) -> None:
        self.responders: asyncio.Queue[Responder] = asyncio.Queue()

    def points(self) -> list[MonitorObject]:
        return []

    def point(self, ioa: int) -> MonitorObject | None:
        return None

    def command_point(self, ioa: int) -> CommandPoint | None:
        return CommandPoint(type_ids=frozenset({TypeId.C_SC_NA_1}))

    def execute(self, command: Command, responder: Responder) -> None:
        responder.defer()
        self.responders.put_nowait(responder)


@pytest.fixture
async def plant(socket_enabled: None) -> LatePlant:
    return LatePlant()


@pytest.fixture
async def station(plant: LatePlant):
    station = ControlledStation(StationConfig(port=0), plant)
    await station.start()
    yield station
    await station.stop()


@pytest.fixture
async def client(station: ControlledStation):
    client = ControllingStation(ControllingConfig(response_timeout=2.0))
    await client.connect(*station.address)
    await client.start_dt()
    yield client
    await client.close()


@pytest.mark.parametrize("positive", [True, False])
async def test_deferred_confirmation_is_sent_later_and_once(
    plant: LatePlant, client: ControllingStation, positive: bool
) -> None:
    asking = asyncio.create_task(client.command(IOA, TypeId.C_SC_NA_1, True))
    responder = await plant.responders.get()
    await client.test()
    assert not asking.done()
    responder.confirm(positive=positive)
    responder.confirm(positive=not positive)
    responder.terminate()
    result = await asking
    assert result.accepted is positive
    assert result.terminated is positive


async def test_late_refusal_does_not_reach_the_next_client(
    plant: LatePlant, station: ControlledStation, client: ControllingStation
) -> None:
    asking = asyncio.create_task(client.command(IOA, TypeId.C_SC_NA_1, True))
    responder = await plant.responders.get()
    await client.close()
    with pytest.raises(LinkClosedError):
        await asking
    while station.status.connections:
        await asyncio.sleep(0.01)
    rejections = station.status.counters.rejections
    responder.confirm(positive=False)
    assert station.status.counters.rejections == rejections


async def test_clients_can_be_exchanged_without_dropping_an_allowed_link(
    station: ControlledStation, client: ControllingStation
) -> None:
    station.set_allowed_clients(frozenset({"127.0.0.1", "192.0.2.1"}))
    await client.test()
    station.set_allowed_clients(frozenset({"192.0.2.1"}))
    with pytest.raises(LinkClosedError):
        await client.test()
    assert station.status.connections == 0
