"""A factory's own controller over a list of points: it accepts, refuses, is counted."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from custom_components.netflex.devices.dedicated import DedicatedUnits
from custom_components.netflex.devices.device import Device, DeviceConfig, DeviceError
from custom_components.netflex.devices.exchange_table import (
    ExchangeTable,
    TableError,
    points_of,
    table_profile,
)
from custom_components.netflex.devices.factory import build_device
from custom_components.netflex.devices.profile_loader import ProfileLibrary
from custom_components.netflex.model.asset import Asset, AssetState, Category, Nature
from custom_components.netflex.model.connection import Line
from custom_components.netflex.model.plan import Problem, Setpoint, SetpointKind
from tests.control.sites import charger, load, orders, plan, reading, site, state

from .servers import Map, Server, eventually, s32, serving

LINES = (
    "request; write; 100",
    "accepted; read; 200",
    "cause; read; 201",
    "heartbeat; write; 110",
    "power; read; 300; s32; 0.1; kW",
    "oven_temperature; read; 310; s16; 0.1",
)

OVEN = Asset(
    id="oven",
    name="Oven",
    nature=Nature.LOAD,
    category=Category.FLEXIBLE_CONSUMPTION,
    rated_consumption=50_000.0,
    phases=3,
    lines=tuple(Line),
)


def run(value: float, *, emergency: bool = False) -> Setpoint:
    return Setpoint(
        asset_id="oven", kind=SetpointKind.SWITCH, value=value, emergency=emergency
    )


def registers() -> Map:
    contents = Map()
    contents.put(100, [1])
    contents.put(110, [0])
    contents.put(200, [1, 0])
    contents.put(300, s32(424))
    contents.put(310, [2315])
    return contents


@asynccontextmanager
async def controller(
    units: DedicatedUnits, *, busy: bool = False
) -> AsyncIterator[tuple[Server, Device]]:
    """A controller that refuses to stop while its oven is loaded (cause 7)."""

    def takes(
        server: Server, unit: int, _function: int, address: int, values: list[int]
    ) -> None:
        if address == 100:
            refused = server.loaded and values == [0]  # type: ignore[attr-defined]
            server.set(unit, 200, [0, 7] if refused else [1, 0])

    async with serving({1: registers()}, takes) as server:
        server.loaded = busy  # type: ignore[attr-defined]
        device = build_device(
            DeviceConfig(
                device_id="oven",
                name="Oven",
                asset=OVEN,
                link=server.link,
                params={"unit": 1, "deadline": 0.3, "heartbeat": 0.2},
                table=LINES,
            ),
            units=units,
            profiles=ProfileLibrary([]),
        )
        await device.start(lambda _state: None)
        await eventually(lambda: device.state.available)
        try:
            yield server, device
        finally:
            await device.stop()


async def test_a_request_is_written_and_its_acceptance_read(
    units: DedicatedUnits,
) -> None:
    async with controller(units) as (server, device):
        applied = await device.apply(run(0.0))
        assert server.get(1, 100) == [0]
        assert applied.confirmed
        assert device.state.power == pytest.approx(42_400.0)
        assert device.state.details["oven_temperature"] == 231.5
        assert not device.state.refuses
        beat = server.get(1, 110)
        await eventually(lambda: server.get(1, 110) != beat)


async def test_a_refusal_is_an_error_with_its_cause_until_it_is_taken(
    units: DedicatedUnits,
) -> None:
    async with controller(units, busy=True) as (server, device):
        with pytest.raises(DeviceError) as caught:
            await device.apply(run(0.0, emergency=True))
        assert caught.value.key == "refused"
        assert "its cause is 7" in caught.value.text
        assert device.state.refuses
        assert "its cause is 7" in (device.state.problem or "")
        server.loaded = False  # type: ignore[attr-defined]
        applied = await device.apply(run(0.0, emergency=True))
        assert applied.confirmed
        assert not device.state.refuses
        assert device.state.problem is None


@pytest.mark.parametrize("nature", [Nature.LOAD, Nature.INVERTER, Nature.BATTERY])
def test_a_table_becomes_the_profile_of_any_nature(nature: Nature) -> None:
    profile = table_profile(ExchangeTable(lines=LINES), nature).bind({})
    assert profile.kind is nature
    assert {"power", "oven_temperature", "request_accepted"} <= set(profile.points)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("power; read; 300",), "called request"),
        (("request; write",), "line 1: it must read"),
        (("request; write; 100", "request; write; 101"), "line 2: request is there"),
        (("request; read; 100",), "cannot be of the direction read"),
        (("valve; write; 100",), "cannot be of the direction write"),
        (("request; write; 70000",), "no address"),
        (("request; write; 100; u8",), "u8 is none of"),
        (("request; write; 100; u16; zero",), "zero is no scale"),
        (("request; write; 100; u16; 1; MW",), "MW is none of"),
        (("request; write; 100", "cause; read; 5"), "called accepted"),
        (("Request; write; 100",), "is no name"),
        (("request; write; 100", *(f"p{i}; read; {i}" for i in range(60))), "at most"),
    ],
)
def test_a_table_that_cannot_be_is_said(lines: tuple[str, ...], words: str) -> None:
    with pytest.raises(TableError, match=words):
        points_of(lines)


async def test_a_table_that_cannot_be_is_an_error_of_the_configuration(
    units: DedicatedUnits,
) -> None:
    async with serving({1: registers()}) as server:
        with pytest.raises(DeviceError) as caught:
            build_device(
                DeviceConfig(
                    device_id="oven",
                    name="Oven",
                    asset=OVEN,
                    link=server.link,
                    table=("nonsense",),
                ),
                units=units,
                profiles=ProfileLibrary([]),
            )
    assert caught.value.key == "config"


# ------------------------------------------------------------------------ the decision


def told(oven_state: AssetState) -> float:
    """Return the A of a car beside an oven, under a limit of 12 kW of import."""
    oven, car = load("oven", rated=8000.0, priority=1), charger(maximum=16.0)
    result = plan(
        site(oven, car),
        reading(8000.0),
        {"oven": oven_state, "car": 0.0},
        given=orders(maxsetp=60.0),
    )
    value = result.setpoints["car"].value
    assert value is not None
    return value


def test_who_refuses_counts_at_what_it_draws_and_others_yield() -> None:
    oven = load("oven", rated=8000.0, priority=1)
    follows = state(oven, 8000.0)
    refuses = state(oven, 8000.0, refuses=True)
    # 12 kW less the 8 kW that the oven goes on drawing: 5.8 A on three phases is none.
    assert told(refuses) == 0.0
    assert told(follows) > told(refuses)


def test_what_a_refusal_leaves_too_much_of_is_infeasible() -> None:
    oven = load("oven", rated=8000.0)
    result = plan(
        site(oven),
        reading(8000.0),
        {"oven": state(oven, 8000.0, refuses=True)},
        given=orders(maxsetp=20.0),
    )
    (missing,) = result.infeasible
    assert missing.problem is Problem.UNCONTROLLABLE
    assert missing.missing == pytest.approx(4000.0, abs=1.0)
