"""The host of the station: what it does when its station changes or cannot begin."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from custom_components.netflex.model.asset import Direction
from custom_components.netflex.model.orders import GridOrders, OrderName
from custom_components.netflex.site.station_host import StationHost
from custom_components.netflex.telecontrol.order_slots import (
    FILE_SIZE,
    UnknownFormatError,
)
from custom_components.netflex.telecontrol.order_store import OrderStore
from custom_components.netflex.telecontrol.settings import TelecontrolSettings
from custom_components.netflex.telecontrol.station import TelecontrolStation
from tests.telecontrol.bench import SETTINGS, connected

from .fakes import FakeDevice, until
from .test_outputs import output

pytestmark = pytest.mark.usefixtures("socket_enabled")


@dataclass
class Listener:
    """The site behind the door."""

    orders: list[GridOrders] = field(default_factory=list)

    def on_orders(self, orders: GridOrders, *_more: object) -> None:
        self.orders.append(orders)

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_args, **_kwargs: None


@dataclass
class Bench:
    """A host whose stations keep their orders in one file."""

    path: Path
    listener: Listener = field(default_factory=Listener)
    relay: FakeDevice = field(default_factory=lambda: FakeDevice("contactor"))
    made: list[TelecontrolStation] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.host = StationHost(self.factory(), lambda _config: self.relay)

    def factory(
        self, settings: TelecontrolSettings = SETTINGS
    ) -> Callable[[StationHost], TelecontrolStation]:
        def make(host: StationHost) -> TelecontrolStation:
            self.made.append(
                TelecontrolStation(
                    settings,
                    OrderStore(self.path),
                    on_order=host.on_order,
                    on_link=host.on_link,
                    on_problem=host.on_problem,
                )
            )
            return self.made[-1]

        return make

    def coil(self) -> float | None:
        return self.relay.applied[-1].value if self.relay.applied else None

    def stopped(self) -> bool:
        orders = self.listener.orders
        return bool(orders) and orders[-1].stopped(Direction.PRODUCTION)


@asynccontextmanager
async def running(path: Path) -> AsyncIterator[Bench]:
    bench = Bench(path)
    await bench.host.start()
    await bench.host.set_outputs((output(),))
    await bench.host.attach(bench.listener)  # type: ignore[arg-type]
    await bench.host.listen()
    try:
        yield bench
    finally:
        await bench.host.stop()


async def stop_production(bench: Bench) -> None:
    async with connected(bench.made[-1]) as rtu:
        await rtu.order(
            OrderName.EMERGENCY_STOP_PRODUCTION, True, wait_termination=False
        )
        await until(bench.stopped)
    await until(lambda: bench.coil() == 1.0)


async def test_S04_stored_orders_that_are_not_understood_keep_the_host_from_starting(
    tmp_path: Path,
) -> None:
    path = tmp_path / "orders"
    path.write_bytes(b"x" * (FILE_SIZE + 1))
    bench = Bench(path)
    with pytest.raises(UnknownFormatError):
        await bench.host.start()
    # Nothing of it is left: no thread, and nobody who holds the file.
    assert not bench.host._thread.running
    path.unlink()
    store = OrderStore(path)
    await store.load()
    await store.close()


async def test_S04_another_station_goes_on_with_the_orders_of_the_one_before(
    tmp_path: Path,
) -> None:
    async with running(tmp_path / "orders") as bench:
        await stop_production(bench)
        before = len(bench.listener.orders)
        other = replace(SETTINGS, common_address=7)
        await bench.host.replace_station(bench.factory(other))
        await until(lambda: len(bench.listener.orders) > before)
        assert bench.stopped()
        assert bench.coil() == 1.0
        assert bench.made[0].address is None
        assert bench.made[1].address is not None
        assert bench.made[1].settings.common_address == 7


async def test_S06_a_release_on_instruction_lets_the_outputs_go(tmp_path: Path) -> None:
    async with running(tmp_path / "orders") as bench:
        await stop_production(bench)
        await bench.host.release_orders("J. Peeters", "T-1")
        await until(lambda: not bench.stopped())
        await until(lambda: bench.coil() == 0.0)


async def test_without_a_station_there_is_nothing_to_release_or_to_reload() -> None:
    host = StationHost(None, lambda _config: FakeDevice())
    await host.start()
    await host.release_orders("J. Peeters", "T-1")
    await host.reload_certificates()
    await host.reconfigure(SETTINGS)
    await host.listen()
    await host.stop()
    assert not host.has_station
