"""A start with orders on the disk: they act before the operator is let in (S04)."""

from pathlib import Path

from pymodbus.constants import ExcCodes
import pytest

from custom_components.netflex.model.asset import Direction
from custom_components.netflex.model.orders import OrderName
from custom_components.netflex.simulation.household import CHARGER, SimulatedSite
from custom_components.netflex.site import site as site_module
from custom_components.netflex.site.station_host import StationHost

from .bench import running

pytestmark = pytest.mark.usefixtures("socket_enabled")


@pytest.fixture
async def store(tmp_path: Path) -> Path:
    """A site that was stopped by the operator and has ended since."""
    store = tmp_path / "orders"
    async with running(store) as bench:
        await bench.connect()
        for name in (
            OrderName.EMERGENCY_STOP_PRODUCTION,
            OrderName.EMERGENCY_STOP_CONSUMPTION,
        ):
            assert (await bench.rtu.order(name, True)).accepted
    return store


async def test_A28_S04_first_writes_come_before_the_operator(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    listen = StationHost.listen

    async def noted(host: StationHost) -> None:
        told.append("listens")
        await listen(host)

    async def watch(plant: SimulatedSite) -> None:
        write, relay = plant.socket.write, plant.relays.write

        def charger(
            space: str, at: int, values: list[int], now: float
        ) -> ExcCodes | None:
            if at == 1210 and not any(values):
                told.append("charger")
            return write(space, at, values, now)

        def coil(space: str, at: int, values: list[int], now: float) -> ExcCodes | None:
            if space == "coils" and at == 0 and values[0]:
                told.append("relay")
            return relay(space, at, values, now)

        plant.socket.write, plant.relays.write = charger, coil

    monkeypatch.setattr(StationHost, "listen", noted)
    async with running(store, prepare=watch) as bench:
        await bench.connect()
        before = told[: told.index("listens")]
        assert {"charger", "relay"} <= set(before)
        for name in ("production", "consumption"):
            stop = OrderName(f"emergency_stop_{name}")
            await bench.until(
                lambda stop=stop: (
                    getattr(bench.rtu.feedback(stop), "value", None) is True
                )
            )


async def test_S04_an_offline_charger_does_not_keep_the_operator_out(
    store: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(site_module, "FIRST_WRITES_TIMEOUT", 0.5)

    async def unplug(plant: SimulatedSite) -> None:
        plant.socket.setpoint = 16.0
        await plant.wire(CHARGER).unplug()

    async with running(store, prepare=unplug) as bench:
        await bench.connect()
        assert "is let in all the same" in caplog.text
        orders = bench.site.view.orders
        assert orders.stopped(Direction.CONSUMPTION)
        assert bench.coil()
        assert bench.charger_register() == 16.0
        await bench.plant.wire(CHARGER).plug()
        await bench.until(lambda: bench.charger_register() == 0, 60.0)
