"""An emergency output that is only an entity: driven from the station's loop (S09)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
import threading
import time

import pytest

from custom_components.netflex.devices.device import DeviceConfig, DeviceError
from custom_components.netflex.devices.factory import build_device
from custom_components.netflex.devices.profile_loader import ProfileLibrary
from custom_components.netflex.model.asset import (
    Asset,
    AssetState,
    Category,
    Direction,
    EmergencyOutput,
    Nature,
)
from custom_components.netflex.model.orders import (
    NO_LOCAL_STOPS,
    NO_ORDERS,
    LocalStops,
    Stops,
)
from custom_components.netflex.site import borrowed_device
from custom_components.netflex.site.borrowed_device import BorrowedDevice
from custom_components.netflex.site.config import OutputConfig, OutputWiring
from custom_components.netflex.site.door import LoopThread
from custom_components.netflex.site.outputs import OutputWatch
from custom_components.netflex.site.station_host import StationHost

from .bench import Switches
from .fakes import FakeDevice, switch, until
from .test_outputs import Listener

STOPPED = LocalStops().with_holder(Direction.PRODUCTION, "button", held=True)


def output(**roles: str) -> OutputConfig:
    return OutputConfig(
        output=EmergencyOutput(
            asset_id="relay",
            name="Contactor",
            stops=frozenset({Direction.PRODUCTION}),
            energised_when_stopped=True,
        ),
        device=DeviceConfig(
            device_id="relay",
            name="Contactor",
            asset=Asset(
                id="relay",
                name="Contactor",
                nature=Nature.RELAY,
                category=Category.FLEXIBLE_CONSUMPTION,
            ),
            entities={"switch": "coil", **roles},
        ),
        wiring=OutputWiring(contact_when_stopped=False if roles else None),
    )


class Plant(Switches):
    """A switch and its auxiliary contact; remembers which thread drove it."""

    def __init__(self) -> None:
        self.driven_by: list[threading.Thread] = []
        self.welded = False
        super().__init__(coil=self._move, contact=lambda _on: None)
        self._on |= {"coil": False, "contact": True}

    def _move(self, on: bool) -> None:
        self.driven_by.append(threading.current_thread())
        if not self.welded:
            self.turn("contact", not on)


@asynccontextmanager
async def running(
    plant: Plant, config: OutputConfig
) -> AsyncIterator[tuple[StationHost, Listener]]:
    home = asyncio.get_running_loop()

    def make(wanted: OutputConfig) -> BorrowedDevice:
        return BorrowedDevice(
            build_device(wanted.device, entities=plant, **NOTHING_ELSE), home
        )

    host, listener = StationHost(None, make), Listener()  # type: ignore[arg-type]
    await host.start()
    await host.set_outputs((config,))
    await host.attach(listener)  # type: ignore[arg-type]
    try:
        yield host, listener
    finally:
        await host.stop()


NOTHING_ELSE = {"units": None, "profiles": ProfileLibrary([])}


async def test_a_stop_drives_an_entity_on_its_own_loop_and_is_proved() -> None:
    plant = Plant()
    async with running(plant, output()) as (host, listener):
        host.set_local_stops(STOPPED)
        await until(lambda: plant.on("coil"))
        await until(
            lambda: (Direction.PRODUCTION, ("Home Assistant",)) in listener.proofs
        )
        assert set(plant.driven_by) == {threading.current_thread()}
        host.set_local_stops(NO_LOCAL_STOPS)
        await until(lambda: not plant.on("coil"))


async def test_what_is_ordered_while_the_loop_stands_still_is_done_when_it_goes_on() -> (
    None
):
    plant = Plant()
    async with running(plant, output()) as (host, _listener):
        await until(lambda: bool(plant._watchers))
        host.set_local_stops(STOPPED)
        time.sleep(0.04)  # noqa: ASYNC251  as a badly written integration does
        assert not plant.on("coil"), "its loop stood still"
        await until(lambda: plant.on("coil"))


async def test_S13_an_entitys_auxiliary_contact_is_proof_and_its_switch_is_not() -> (
    None
):
    plant = Plant()
    plant.welded = True
    config = output(contact="contact")
    async with running(plant, config) as (host, listener):
        host.set_local_stops(STOPPED)
        await until(lambda: plant.on("coil"))
        await until(
            lambda: any("Contactor" in missing for _, missing in listener.proofs)
        )
        plant.turn("contact", False)
        await until(lambda: listener.proofs[-1][1] == ("Home Assistant",))


async def test_an_output_that_is_an_entity_says_that_it_needs_home_assistant() -> None:
    (problem,) = OutputWatch().problems(
        (output(),), {}, Stops(orders=NO_ORDERS, local=NO_LOCAL_STOPS), 0.0
    )
    assert problem.key == "output_needs_home_assistant"
    assert problem.subject == "relay"


async def test_without_its_loop_a_device_says_so_instead_of_waiting() -> None:
    gone = asyncio.new_event_loop()
    gone.close()
    device = BorrowedDevice(FakeDevice(), gone)
    with pytest.raises(DeviceError, match="does not run"):
        await device.apply(switch(1.0))


class Unbuildable(FakeDevice):
    """A device that cannot be started."""

    async def start(self, on_state: Callable[[AssetState], None]) -> None:
        raise ValueError("no such entity")


async def test_one_that_cannot_be_started_stays_unavailable_and_that_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    device = BorrowedDevice(Unbuildable("relay"), asyncio.get_running_loop())
    await device.start(pytest.fail)
    await until(lambda: "relay could not be started" in caplog.text)
    assert "no such entity" in caplog.text
    assert not device.state.available


async def test_one_whose_loop_stands_still_does_not_hold_up_the_stopping(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(borrowed_device, "STOP_TIMEOUT", 0.01)
    thread, go_on = LoopThread("netflex home"), threading.Event()
    await thread.start()

    async def home() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    device = BorrowedDevice(FakeDevice("relay"), await thread.run(home()))
    thread.call(go_on.wait, 20)
    await device.stop()
    assert "relay was left without having stopped" in caplog.text
    go_on.set()
    await thread.stop()
