"""Emergency outputs: what they are wired to, what proves them, what fails (S13)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from custom_components.netflex.devices.device import DeviceConfig
from custom_components.netflex.model.asset import AssetState, Direction, EmergencyOutput
from custom_components.netflex.model.orders import (
    NO_LOCAL_STOPS,
    NO_ORDERS,
    GridOrders,
    LocalStops,
    Stops,
)
from custom_components.netflex.site.config import (
    OutputConfig,
    OutputWiring,
    PowerUp,
    SafeValue,
)
from custom_components.netflex.site.outputs import (
    OutputWatch,
    behaviour,
    contact_agrees,
    held_by_module,
    in_words,
    input_holder,
    output_views,
)
from custom_components.netflex.site.station_host import StationHost
from custom_components.netflex.site.view import Situation

from .fakes import FakeDevice, until

PRODUCTION = frozenset({Direction.PRODUCTION})
BOTH = frozenset(Direction)


def output(
    name: str = "Contactor",
    *,
    energised: bool = True,
    stops: frozenset[Direction] = PRODUCTION,
    **wiring: object,
) -> OutputConfig:
    asset_id = name.lower()
    return OutputConfig(
        output=EmergencyOutput(
            asset_id=asset_id,
            name=name,
            stops=stops,
            energised_when_stopped=energised,
        ),
        device=DeviceConfig(device_id=asset_id, name=name),
        wiring=OutputWiring(**wiring),  # type: ignore[arg-type]
    )


@dataclass
class Listener:
    """The site behind the door."""

    inputs: list[tuple[Direction, str, bool]] = field(default_factory=list)
    proofs: list[tuple[Direction, tuple[str, ...]]] = field(default_factory=list)

    def on_local_input(self, direction: Direction, holder: str, *, held: bool) -> None:
        self.inputs.append((direction, holder, held))

    def on_proof(self, direction: Direction, missing: tuple[str, ...]) -> None:
        self.proofs.append((direction, missing))

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_args, **_kwargs: None


@dataclass
class Bench:
    """A station host without a station, its outputs' devices and its listener."""

    host: StationHost
    devices: dict[str, FakeDevice]
    listener: Listener

    def says(self, asset_id: str, *, available: bool = True, **details: bool) -> None:
        device = self.devices[asset_id]
        device.state = AssetState(
            asset_id=asset_id, available=available, at=1.0, details=details
        )
        self.host._thread.call(device.on_state, device.state)

    def coil(self, asset_id: str) -> float | None:
        applied = self.devices[asset_id].applied
        return applied[-1].value if applied else None


@asynccontextmanager
async def running(*outputs: OutputConfig) -> AsyncIterator[Bench]:
    devices: dict[str, FakeDevice] = {}

    def make(config: OutputConfig) -> FakeDevice:
        device = FakeDevice(config.output.asset_id)
        device.state = AssetState(asset_id=config.output.asset_id, available=False)
        devices[config.output.asset_id] = device
        return device

    host = StationHost(None, make)
    listener = Listener()
    await host.start()
    await host.set_outputs(outputs)
    await host.attach(listener)  # type: ignore[arg-type]
    try:
        yield Bench(host=host, devices=devices, listener=listener)
    finally:
        await host.stop()


STOPPED = LocalStops().with_holder(Direction.PRODUCTION, "button", held=True)

# ------------------------------------------------------------------ several, both ways


async def test_S13_several_outputs_of_one_action_act_each_in_its_own_wiring() -> None:
    """A contact that opens when energised, and one that opens when it drops."""
    async with running(output("First"), output("Second", energised=False)) as bench:
        await until(lambda: bench.coil("first") == 0 and bench.coil("second") == 1)
        bench.host.set_local_stops(STOPPED)
        await until(lambda: bench.coil("first") == 1 and bench.coil("second") == 0)
        bench.host.set_local_stops(NO_LOCAL_STOPS)
        await until(lambda: bench.coil("first") == 0 and bench.coil("second") == 1)


# --------------------------------------------------------------------------- the proof


async def test_S13_a_coil_is_no_proof_where_there_is_a_contact() -> None:
    async with running(output(contact_when_stopped=True)) as bench:
        bench.says("contactor", contact=False)
        bench.host.set_local_stops(STOPPED)
        bench.host.report_assets(Direction.PRODUCTION, 1, ())
        await until(lambda: bench.coil("contactor") == 1)
        await until(
            lambda: (
                bench.listener.proofs[-1:] == [(Direction.PRODUCTION, ("Contactor",))]
            )
        )
        bench.says("contactor", contact=True)
        await until(lambda: bench.listener.proofs[-1] == (Direction.PRODUCTION, ()))
        # A contact that nobody can read any more proves nothing.
        bench.says("contactor", available=False, contact=True)
        await until(
            lambda: bench.listener.proofs[-1] == (Direction.PRODUCTION, ("Contactor",))
        )


@pytest.mark.parametrize(
    ("when_stopped", "contact", "stopped", "agrees"),
    [
        (True, True, True, True),
        (True, False, True, False),
        (True, False, False, True),
        (False, False, True, True),
        (False, True, True, False),
        (None, None, True, True),
        (True, None, True, False),
    ],
)
def test_S13_what_a_contact_says(
    when_stopped: bool | None, contact: bool | None, stopped: bool, agrees: bool
) -> None:
    details = {} if contact is None else {"contact": contact}
    state = AssetState(asset_id="contactor", available=True, details=details)
    config = output(contact_when_stopped=when_stopped)
    assert contact_agrees(config, state, stopped=stopped) is agrees


# -------------------------------------------------------------------------- the inputs


async def test_S13_a_broken_wire_at_a_modules_input_stops_on_the_emergency_loop() -> (
    None
):
    async with running(output(stops=BOTH, input_stops=BOTH), output("Other")) as bench:
        bench.says("contactor", stop_input=True)
        await until(lambda: bench.coil("contactor") == 0)
        bench.says("contactor", stop_input=False)
        # Its own output and every other one: without the site having said a word.
        await until(lambda: bench.coil("contactor") == 1 and bench.coil("other") == 1)
        holder = "input of Contactor"
        await until(
            lambda: (
                {
                    (Direction.PRODUCTION, holder, True),
                    (Direction.CONSUMPTION, holder, True),
                }
                <= set(bench.listener.inputs)
            )
        )
        # What the site sends meanwhile does not release it.
        bench.host.set_local_stops(NO_LOCAL_STOPS)
        await asyncio.sleep(0.05)
        assert bench.coil("contactor") == 1
        bench.says("contactor", stop_input=True)
        await until(lambda: bench.coil("contactor") == 0 and bench.coil("other") == 0)


async def test_S13_an_unreachable_module_holds_the_last_state_of_its_input() -> None:
    async with running(output(input_stops=PRODUCTION)) as bench:
        bench.says("contactor", stop_input=False)
        await until(lambda: bench.coil("contactor") == 1)
        bench.says("contactor", available=False, stop_input=True)
        await asyncio.sleep(0.05)
        assert bench.coil("contactor") == 1
        bench.says("contactor", stop_input=True)
        await until(lambda: bench.coil("contactor") == 0)
        bench.says("contactor", available=False, stop_input=False)
        await asyncio.sleep(0.05)
        assert bench.coil("contactor") == 0


async def test_S13_what_an_input_held_before_a_restart_holds_until_it_is_read() -> None:
    holder = input_holder(output().output)
    assert held_by_module(holder)
    stored = LocalStops().with_holder(Direction.PRODUCTION, holder, held=True)
    async with running(output(input_stops=PRODUCTION)) as bench:
        bench.host.set_local_stops(stored)
        await until(lambda: bench.coil("contactor") == 1)
        bench.says("contactor", stop_input=True)
        await until(lambda: bench.coil("contactor") == 0)


async def test_an_input_that_is_one_no_more_releases_what_it_held() -> None:
    config = output(input_stops=PRODUCTION)
    async with running(config) as bench:
        bench.says("contactor", stop_input=False)
        await until(lambda: bench.coil("contactor") == 1)
        await bench.host.set_outputs((replace(config, wiring=OutputWiring()),))
        await until(lambda: bench.coil("contactor") == 0)
        await until(
            lambda: (
                (Direction.PRODUCTION, "input of Contactor", False)
                in bench.listener.inputs
            )
        )


async def test_an_input_that_stays_one_holds_while_its_output_is_set_up_anew() -> None:
    config = output(input_stops=PRODUCTION)
    async with running(config) as bench:
        bench.says("contactor", stop_input=False)
        await until(lambda: bench.coil("contactor") == 1)
        await until(lambda: len(bench.listener.inputs) == len(Direction))
        before = list(bench.listener.inputs)
        wiring = replace(config.wiring, watchdog=SafeValue.OFF)
        await bench.host.set_outputs((replace(config, wiring=wiring),))
        # Another device is in its place, which has read nothing yet.
        await until(lambda: bench.coil("contactor") == 1)
        assert bench.listener.inputs == before
        bench.says("contactor", stop_input=True)
        await until(lambda: bench.coil("contactor") == 0)


async def test_a_site_that_comes_later_is_told_what_an_input_holds() -> None:
    async with running(output(input_stops=PRODUCTION)) as bench:
        bench.host.detach()
        bench.says("contactor", stop_input=False)
        await until(lambda: bench.coil("contactor") == 1)
        assert bench.listener.inputs == []
        await bench.host.attach(bench.listener)  # type: ignore[arg-type]
        holder = "input of Contactor"
        await until(
            lambda: (
                bench.listener.inputs
                == [
                    (Direction.PRODUCTION, holder, True),
                    (Direction.CONSUMPTION, holder, False),
                ]
            )
        )


# ----------------------------------------------------------------------- the behaviour


def outcomes(config: OutputConfig) -> dict[tuple[bool, str], bool]:
    """Return for {order, situation} whether the output then stops."""
    return {
        (item.ordered, item.situation.value): item.stopped
        for item in behaviour(config.output, config.wiring)
    }


@pytest.mark.parametrize(
    ("config", "differs"),
    [
        # Energised to stop, the default: it holds, but a module that restarts drops it.
        (output(), {(True, "module_reboot"): False}),
        # Dropped to stop: a module that restarts stops what runs.
        (output(energised=False), {(False, "module_reboot"): True}),
        (output(power_up=PowerUp.ON), {(False, "module_reboot"): True}),
        (output(power_up=PowerUp.LAST), {}),
        (output(bistable=True), {}),
        (
            output(watchdog=SafeValue.OFF),
            {(True, "dead"): False, (True, "module_reboot"): False},
        ),
        (
            output(energised=False, watchdog=SafeValue.OFF),
            {(False, "dead"): True, (False, "module_reboot"): True},
        ),
        (
            output(energised=False, pulse=10.0),
            {(False, "dead"): True, (False, "module_reboot"): True},
        ),
        (
            output(pulse=10.0),
            {(True, "dead"): False, (True, "module_reboot"): False},
        ),
    ],
)
def test_S13_every_output_has_its_table(
    config: OutputConfig, differs: dict[tuple[bool, str], bool]
) -> None:
    expected = {
        (ordered, situation.value): ordered
        for ordered in (True, False)
        for situation in Situation
    }
    assert outcomes(config) == expected | differs


def test_S13_the_table_in_words_marks_what_differs_from_the_order() -> None:
    config = output(watchdog=SafeValue.OFF)
    lines = in_words(behaviour(config.output, config.wiring)).splitlines()
    assert len(lines) == 6
    (dead,) = (
        line for line in lines if "Stop in force, Home Assistant is dead" in line
    )
    assert "coil off" in dead
    assert "**running**" in dead
    assert "watchdog" in dead


# ------------------------------------------------------------------------ the problems


def problems(
    config: OutputConfig,
    state: AssetState,
    *times: float,
    local: LocalStops = NO_LOCAL_STOPS,
    orders: GridOrders = NO_ORDERS,
) -> list[str]:
    watch = OutputWatch()
    found: list[str] = []
    for at in times or (0.0,):
        stops = Stops(orders=orders, local=local)
        states = {config.output.asset_id: state}
        found = [item.key for item in watch.problems((config,), states, stops, at)]
    return found


def test_S13_an_output_that_lets_go_when_home_assistant_is_dead_is_said() -> None:
    state = AssetState(asset_id="contactor", available=True)
    assert problems(output(), state) == []
    assert problems(output(watchdog=SafeValue.OFF), state) == ["output_lets_go"]
    assert problems(output(energised=False, pulse=5.0), state) == []


def test_S13_a_latched_safe_state_is_said_while_it_is_read_back() -> None:
    latched = AssetState(
        asset_id="contactor", available=True, details={"safe_status": True}
    )
    assert problems(output(), latched) == ["output_in_safe_state"]
    assert problems(output(), replace(latched, details={"safe_status": False})) == []
    assert problems(output(), replace(latched, available=False)) == []


def test_S13_a_contactor_that_does_not_follow_is_said_after_a_while() -> None:
    config = output(contact_when_stopped=True)
    state = AssetState(asset_id="contactor", available=True, details={"contact": False})
    assert problems(config, state, 0.0, 5.0, local=STOPPED) == []
    assert problems(config, state, 0.0, 11.0, local=STOPPED) == ["contact_disagrees"]
    assert problems(config, state, 0.0, 11.0) == []


def test_S13_a_module_with_a_button_that_is_away_is_said() -> None:
    config = output(input_stops=PRODUCTION)
    away = AssetState(asset_id="contactor", available=False)
    assert problems(config, away, 0.0, 10.0) == []
    assert problems(config, away, 0.0, 31.0) == ["local_stop_input_silent"]


def test_what_is_shown_of_an_output() -> None:
    config = output(contact_when_stopped=True, input_stops=PRODUCTION, bistable=True)
    state = AssetState(
        asset_id="contactor",
        available=True,
        details={"contact": True, "stop_input": False, "safe_status": False},
    )
    stops = Stops(local=STOPPED)
    view = output_views((config,), {"contactor": state}, stops)["contactor"]
    assert view.bistable
    assert view.contact_agrees is True
    assert view.stop_input_open is True
    assert view.safe_state is False
    assert len(view.behaviour) == 6
