"""A rehearsal's place beside the operator's station: one at most, and it gives way."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from custom_components.netflex.model.asset import Direction
from custom_components.netflex.model.orders import (
    NO_LOCAL_STOPS,
    NO_ORDERS,
    LocalStops,
    OrderName,
)
from custom_components.netflex.site.rehearsal_seat import (
    RehearsalRefusedError,
    RehearsalSeat,
)
from custom_components.netflex.telecontrol.rehearsal_client import RehearsalClient
from custom_components.netflex.telecontrol.rehearsal_station import (
    RehearsalEnd,
    RehearsalState,
)
from custom_components.netflex.telecontrol.station import TelecontrolStation
from tests.telecontrol.bench import IMPATIENT, Told, connected, running, until

pytestmark = pytest.mark.usefixtures("socket_enabled")


@dataclass
class Bench:
    """The operator's station and the seat beside it, as a host ties them."""

    station: TelecontrolStation
    seat: RehearsalSeat
    states: list[RehearsalState] = field(default_factory=list)

    async def start(
        self, *, real: bool, local: LocalStops = NO_LOCAL_STOPS
    ) -> RehearsalClient:
        access = await self.seat.start(self.station, local, real=real)
        client = RehearsalClient(access.address, access.settings)
        await client.open()
        await client.start()
        return client


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    told = Told()
    async with running(told, settings=IMPATIENT) as station:
        states: list[RehearsalState] = []
        seat = RehearsalSeat(
            lambda _kind, _data: None, lambda state, _event: states.append(state)
        )
        order, link = told.on_order, told.on_link
        station._on_order = lambda event, orders: (
            seat.operator_order(event),
            order(event, orders),
        )
        station._on_link = lambda state: (seat.operator_link(state), link(state))
        try:
            yield Bench(station, seat, states)
        finally:
            await seat.end(RehearsalEnd.STATION_CLOSED)


async def test_without_telecontrol_there_is_nothing_to_rehearse() -> None:
    seat = RehearsalSeat(lambda _kind, _data: None, lambda _state, _event: None)
    with pytest.raises(RehearsalRefusedError) as caught:
        await seat.start(None, NO_LOCAL_STOPS, real=False)
    assert caught.value.key == "no_telecontrol"
    assert seat.combined(NO_ORDERS) is NO_ORDERS


async def test_a_second_one_is_refused_until_the_first_has_ended() -> None:
    async with bench() as one:
        client = await one.start(real=False)
        with pytest.raises(RehearsalRefusedError) as caught:
            await one.start(real=False)
        assert caught.value.key == "rehearsal_running"
        await client.drop()
        await one.seat.end(RehearsalEnd.FINISHED)
        again = await one.start(real=False)
        await again.drop()


async def test_S07_an_order_of_the_operator_ends_it_and_only_that_one_holds() -> None:
    async with bench() as one, connected(one.station) as rtu:
        # In shadow, beside an operator that is connected already.
        client = await one.start(real=False)
        await client.order(OrderName.MAXSETP, 20.0, feedback=10.0)
        assert (await rtu.order("maxsetap", 70.0)).accepted
        await until(lambda: one.states[-1].ended is RehearsalEnd.OPERATOR_ORDER)
        combined = one.seat.combined(one.station.orders)
        assert combined == one.station.orders
        assert combined.maxsetp is None
        await until(lambda: not client.started)


async def test_stops_of_the_site_from_before_and_since_are_shown() -> None:
    async with bench() as one:
        held = LocalStops().with_holder(Direction.PRODUCTION, "button", held=True)
        client = await one.start(real=False, local=held)
        await client.interrogate()
        production = OrderName.EMERGENCY_STOP_PRODUCTION
        consumption = OrderName.EMERGENCY_STOP_CONSUMPTION
        await until(lambda: client.shows(production, True))
        assert client.shows(consumption, False)
        one.seat.set_local_stops(
            held.with_holder(Direction.CONSUMPTION, "button", held=True)
        )
        await until(lambda: client.shows(consumption, True))
        one.seat.set_local_stops(NO_LOCAL_STOPS)
        await until(lambda: client.shows(production, False))
        await client.drop()
