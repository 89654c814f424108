"""Pull the plug: one device is left alone while nothing forbids it (S10)."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
import re
import time
from types import MappingProxyType
from typing import Any

import pytest

from custom_components.netflex.devices.dedicated import DedicatedUnits
from custom_components.netflex.devices.device import Applied, DeviceConfig
from custom_components.netflex.devices.factory import build_device
from custom_components.netflex.devices.ports import LinkParams
from custom_components.netflex.devices.profile_loader import (
    BUILT_IN,
    ProfileLibrary,
    read_file,
)
from custom_components.netflex.devices.silence import Silenceable, SilenceFacts
from custom_components.netflex.model.asset import (
    Asset,
    AssetState,
    Category,
    Direction,
    Nature,
)
from custom_components.netflex.model.connection import GridType, Line, LineValues
from custom_components.netflex.model.plan import (
    SITE,
    Cause,
    Headroom,
    Limit,
    Plan,
    Quantity,
    Setpoint,
    SetpointKind,
    Source,
)
from custom_components.netflex.simulation.charger import AlfenSocket, AlfenStation
from custom_components.netflex.simulation.modbus import ModbusWire
from custom_components.netflex.simulation.physics import ChargePoint, Contactor
from custom_components.netflex.site import silence_test
from custom_components.netflex.site.actors import AssetActor
from custom_components.netflex.site.silence_test import (
    SilenceRefusedError,
    SilenceSubject,
    run,
)
from custom_components.netflex.telecontrol.journal_format import RecordKind
from tests.virtual_time import now, virtual_time

from .fakes import until

CHARGER = Asset(
    id="charger",
    name="Charger",
    nature=Nature.CHARGER,
    category=Category.EV,
    rated_consumption=22_080.0,
    phases=3,
    lines=tuple(Line),
    maximum_current=32.0,
    safe_current=6.0,
)


def setpoint(value: float, *, emergency: bool = False) -> Setpoint:
    return Setpoint(
        asset_id="charger",
        kind=SetpointKind.CURRENT,
        value=value,
        emergency=emergency,
    )


def plan(value: float = 16.0, **changes: Any) -> Plan:
    return replace(
        Plan(
            at=0.0,
            setpoints=MappingProxyType({"charger": setpoint(value)}),
            headroom=Headroom(line_current=LineValues(l1=20.0, l2=20.0, l3=20.0)),
            metered=True,
        ),
        **changes,
    )


LIMIT = Limit(
    scope=SITE,
    quantity=Quantity.IMPORT,
    value=5000.0,
    source=Source.GRID_OPERATOR,
    cause=Cause(source=Source.GRID_OPERATOR, key="maxsetp", text="MAXSETP 50 %"),
)


# ------------------------------------------------------------------- a simulated Alfen


@dataclass
class Bench:
    """A station with a validity of 2 s, and what is decided about it."""

    socket: AlfenSocket
    subject: SilenceSubject
    plan: Plan


@asynccontextmanager
async def alfen() -> AsyncIterator[Bench]:
    source = (BUILT_IN / "alfen_ng9xx.yaml").read_text()
    for key, quick in (("fast", "1"), ("spacing_ms", "0"), ("within_s", "1")):
        source = re.sub(rf"\b{key}: [\d.]+", f"{key}: {quick}", source)
    library = ProfileLibrary([read_file(source, "alfen_ng9xx.yaml")])
    socket = AlfenSocket(
        ChargePoint(feeder=Contactor("charger")), safe_current=6.0, validity=2.0
    )
    wire = ModbusWire(
        name="charger",
        units=[socket, AlfenStation(socket)],
        clock=time.monotonic,
    )
    await wire.plug()
    units = DedicatedUnits()
    device = build_device(
        DeviceConfig(
            device_id="charger",
            name="Charger",
            asset=CHARGER,
            profile="alfen_ng9xx",
            link=LinkParams(host="127.0.0.1", port=wire.port),
            params={"socket": 1},
        ),
        units=units,
        profiles=library,
    )
    assert isinstance(device, Silenceable)
    actor = AssetActor(device, "Charger", lambda: None)
    subject = SilenceSubject(
        asset=CHARGER,
        device=device,
        state=lambda: device.state,
        actor=actor,
        plan=lambda: bench.plan,
        grid_type=GridType.STAR,
        clock=time.monotonic,
    )
    bench = Bench(socket=socket, subject=subject, plan=plan())
    actor.start()
    await device.start(lambda _state: actor.state_changed())
    actor.post(setpoint(16.0))
    try:
        await until(
            lambda: (
                actor.done and device.state.follows is True and device.state.available
            ),
            10,
        )
        yield bench
    finally:
        await actor.stop()
        await device.stop()
        await units.close()
        await wire.unplug()


async def test_the_fallback_is_seen_learned_and_ended(
    socket_enabled: None,
) -> None:
    async with alfen() as bench:
        result = await run(bench.subject, None)
        assert result.ended_by == "it has fallen back"
        assert result.told == 16.0
        assert result.fallback == 6.0
        assert result.expected.fallback == 6.0
        assert result.expected.after in {1.0, 2.0}
        assert result.fell_back_after is not None
        assert result.fell_back_after <= 10.0
        assert result.came_back
        assert bench.socket.setpoint == 16.0
        assert not bench.subject.device.silent
        records: list[tuple[RecordKind, Mapping[str, Any]]] = []
        silence_test.note(
            lambda kind, data: records.append((kind, data)), CHARGER, result
        )
        ((kind, data),) = records
        assert kind is RecordKind.SILENCE_TEST
        assert data["fallback"] == 6.0


async def test_S10_a_stop_in_the_middle_ends_the_silence_at_once(
    socket_enabled: None,
) -> None:
    async with alfen() as bench:
        test = asyncio.create_task(run(bench.subject, 60.0))
        await until(lambda: bench.subject.device.silent)
        # The actor's own setpoint goes through the silence: nothing waits for the test.
        bench.plan = plan(0.0, stopped=frozenset({Direction.CONSUMPTION}))
        bench.subject.actor.post(setpoint(0.0, emergency=True))
        await until(lambda: bench.socket.setpoint == 0.0)
        result = await asyncio.wait_for(test, 20)
        assert result.fell_back_after is None
        assert "tighter" in result.ended_by or "emergency stop" in result.ended_by


async def test_S10_a_limit_in_the_middle_ends_it_too(socket_enabled: None) -> None:
    async with alfen() as bench:
        test = asyncio.create_task(run(bench.subject, 60.0))
        await until(lambda: bench.subject.device.silent)
        bench.plan = plan(ordered=(LIMIT,))
        result = await asyncio.wait_for(test, 20)
        assert "MAXSETP 50 %" in result.ended_by
        assert result.came_back


async def test_less_goes_through_the_silence_and_more_waits(
    socket_enabled: None,
) -> None:
    async with alfen() as bench:
        device = bench.subject.device
        device.fall_silent()
        bench.subject.actor.post(setpoint(20.0))
        await until(lambda: bench.subject.actor.done)
        assert bench.socket.setpoint == 16.0
        bench.subject.actor.post(setpoint(10.0))
        await until(lambda: bench.socket.setpoint == 10.0)
        assert not device.silent


# ---------------------------------------------------------------------------- refusals


class Alone:
    """A device that only knows whether it is left alone."""

    def __init__(self, facts: SilenceFacts | None) -> None:
        self.device_id = "charger"
        self.silence_facts = facts
        self.silent = False
        self.state = AssetState(
            asset_id="charger",
            available=True,
            power=0.0,
            current_limit=16.0,
        )

    async def start(self, on_state: object) -> None:
        """Start nothing."""

    async def stop(self) -> None:
        """Stop nothing."""

    async def apply(self, setpoint: Setpoint) -> Applied:
        return Applied(written_at=0.0, confirmed=True)

    def fall_silent(self) -> None:
        self.silent = True

    def speak(self) -> None:
        self.silent = False


def held(line_room: float = 20.0, **power: float) -> Headroom:
    return Headroom(line_current=LineValues(l1=line_room, l2=20.0, l3=20.0), **power)


@pytest.mark.parametrize(
    ("changes", "facts", "key"),
    [
        ({}, None, "not_refreshed"),
        (
            {"stopped": frozenset({Direction.PRODUCTION})},
            SilenceFacts(fallback=6.0),
            "stop_active",
        ),
        ({"ordered": (LIMIT,)}, SilenceFacts(fallback=6.0), "limit_active"),
        ({"metered": False}, SilenceFacts(fallback=6.0), "meter_stale"),
        ({"setpoints": MappingProxyType({})}, SilenceFacts(), "nothing_written"),
        ({"headroom": held(6.5)}, SilenceFacts(fallback=6.0), "no_headroom"),
        # Whoever does not know what it does must have room for all that it could do.
        ({"headroom": held(20.0)}, SilenceFacts(), "no_headroom"),
        (
            {"headroom": held(import_power=3000.0)},
            SilenceFacts(fallback=6.0),
            "no_headroom",
        ),
    ],
)
async def test_S10_the_plug_is_not_pulled_where_something_forbids_it(
    changes: dict[str, Any], facts: SilenceFacts | None, key: str
) -> None:
    device = Alone(facts)
    actor = AssetActor(device, "Charger", lambda: None)
    actor.start()
    actor.post(setpoint(16.0))
    await until(lambda: actor.done)
    subject = SilenceSubject(
        asset=CHARGER,
        device=device,
        state=lambda: device.state,
        actor=actor,
        plan=lambda: plan(**changes),
        grid_type=GridType.STAR,
        clock=time.monotonic,
    )
    with pytest.raises(SilenceRefusedError) as caught:
        await run(subject, 1.0)
    assert caught.value.key == key
    assert caught.value.text
    assert not device.silent
    await actor.stop()


async def test_a_device_that_holds_on_is_reported_as_holding_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(silence_test, "LOOK", 0.01)
    device = Alone(SilenceFacts(fallback=6.0))
    actor = AssetActor(device, "Charger", lambda: None)
    actor.start()
    actor.post(setpoint(16.0))
    await until(lambda: actor.done)
    result = await run(
        SilenceSubject(
            asset=CHARGER,
            device=device,
            state=lambda: device.state,
            actor=actor,
            plan=plan,
            grid_type=GridType.STAR,
            clock=time.monotonic,
        ),
        0.1,
    )
    assert result.fell_back_after is None
    assert result.ended_by == "the time was over"
    await actor.stop()


# ------------------------------------------------------------- other natures, other ends

BATTERY = Asset(
    id="charger",
    name="Battery",
    nature=Nature.BATTERY,
    category=Category.STORAGE,
    rated_consumption=5_000.0,
    rated_production=5_000.0,
    phases=3,
    lines=tuple(Line),
)
BOILER = Asset(
    id="charger",
    name="Boiler",
    nature=Nature.LOAD,
    category=Category.FLEXIBLE_CONSUMPTION,
    rated_consumption=2_400.0,
    phases=3,
    lines=tuple(Line),
)


@asynccontextmanager
async def alone(
    asset: Asset, facts: SilenceFacts, **decided: Any
) -> AsyncIterator[tuple[Alone, SilenceSubject]]:
    """A device that follows what it was told, under a plan that the test may change."""
    device = Alone(facts)
    actor = AssetActor(device, asset.name, lambda: None)
    actor.start()
    actor.post(setpoint(16.0))
    await until(lambda: actor.done)
    yield (
        device,
        SilenceSubject(
            asset=asset,
            device=device,
            state=lambda: device.state,
            actor=actor,
            plan=lambda: plan(**decided),
            grid_type=GridType.STAR,
            clock=now,
        ),
    )
    await actor.stop()


@virtual_time
async def test_one_that_does_not_answer_is_not_left_alone() -> None:
    async with alone(CHARGER, SilenceFacts(fallback=6.0)) as (device, subject):
        device.state = replace(device.state, available=False)
        with pytest.raises(SilenceRefusedError, match="Charger does not answer") as one:
            await run(subject, 5.0)
        assert one.value.key == "not_answering"


@virtual_time
async def test_one_that_has_not_taken_its_setpoint_yet_is_not_left_alone() -> None:
    async with alone(CHARGER, SilenceFacts(fallback=6.0)) as (device, subject):
        subject.actor.write_again()
        with pytest.raises(SilenceRefusedError, match="has not taken") as caught:
            await run(subject, 5.0)
        assert caught.value.key == "nothing_written"
        assert not device.silent


@virtual_time
async def test_a_battery_that_would_fall_back_to_feeding_in_needs_room_for_that() -> (
    None
):
    facts = SilenceFacts(fallback=-3_000.0)
    room = Headroom(injection_power=2_000.0)
    async with alone(BATTERY, facts, headroom=room) as (_device, subject):
        with pytest.raises(SilenceRefusedError, match="3000 W more injection, 2000 W"):
            await run(subject, 5.0)
    room = Headroom(injection_power=3_500.0)
    async with alone(BATTERY, facts, headroom=room) as (_device, subject):
        assert (await run(subject, 5.0)).ended_by == "the time was over"


@virtual_time
@pytest.mark.parametrize(
    ("asset", "before", "after", "fallback"),
    [
        (BATTERY, {"power_limit": 2_000.0}, {"power_limit": 0.0}, 0.0),
        (BOILER, {"enabled": True}, {"enabled": False}, 0.0),
    ],
)
async def test_what_a_battery_or_a_load_falls_back_to_is_seen(
    asset: Asset, before: dict[str, Any], after: dict[str, Any], fallback: float
) -> None:
    async with alone(asset, SilenceFacts(fallback=0.0)) as (device, subject):
        device.state = replace(device.state, **before)
        test = asyncio.create_task(run(subject, 60.0))
        await asyncio.sleep(10.0)
        device.state = replace(device.state, **after)
        result = await test
        assert result.ended_by == "it has fallen back"
        assert result.fell_back_after == pytest.approx(10.0, abs=0.3)
        assert result.fallback == fallback


@virtual_time
async def test_one_that_says_nothing_of_what_it_applies_has_shown_nothing() -> None:
    async with alone(BATTERY, SilenceFacts(fallback=0.0)) as (_device, subject):
        result = await run(subject, 30.0)
        assert result.fell_back_after is None
        assert result.ended_by == "the time was over"


@virtual_time
async def test_one_that_falls_silent_itself_ends_the_test() -> None:
    async with alone(CHARGER, SilenceFacts(fallback=6.0)) as (device, subject):
        test = asyncio.create_task(run(subject, 60.0))
        await asyncio.sleep(5.0)
        device.state = replace(device.state, available=False)
        result = await test
        assert result.ended_by == "it does not answer any more"
        assert not device.silent


@virtual_time
async def test_a_plan_that_leaves_it_out_ends_the_test() -> None:
    setpoints = {"charger": setpoint(16.0)}
    async with alone(CHARGER, SilenceFacts(fallback=6.0), setpoints=setpoints) as (
        _device,
        subject,
    ):
        test = asyncio.create_task(run(subject, 60.0))
        await asyncio.sleep(5.0)
        setpoints.clear()
        assert (await test).ended_by == "nothing is decided any more"


@virtual_time
async def test_one_that_does_not_follow_again_is_said_not_to_have_come_back() -> None:
    async with alone(CHARGER, SilenceFacts(fallback=6.0)) as (device, subject):
        device.state = replace(device.state, follows=False)
        result = await run(subject, 5.0)
        assert not result.came_back
        assert now() >= 5.0 + silence_test.BACK_WITHIN
