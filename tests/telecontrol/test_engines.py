"""The Netflex station on lib60870: what orders do is the same on both engines."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from custom_components.netflex.iec104 import (
    Cause,
    LinkClosedError,
    MonitorObject,
    Quality,
    TimeTag,
)
from custom_components.netflex.iec104.asdu import Asdu
from custom_components.netflex.iec104.engine import Engine
from custom_components.netflex.iec104.information_objects import TypeId
from custom_components.netflex.model.asset import Category, Direction
from custom_components.netflex.model.measurement import CategoryMeasurement
from custom_components.netflex.model.orders import LocalStops, OrderSource
from custom_components.netflex.telecontrol.link_loss import (
    LinkLossAction,
    LinkLossPolicy,
)
from custom_components.netflex.telecontrol.point import TimeTagChoice
from custom_components.netflex.telecontrol.settings import (
    ProblemKey,
    TelecontrolSettings,
)

from .bench import (
    ORDERS,
    POINTS,
    SETTINGS,
    Clock,
    Rtu,
    Told,
    connected,
    running,
    until,
    with_points,
)

# Its own ACT_TERM never comes: see the deviations of c104.
UNTERMINATED = {"wait_termination": False}


@pytest.fixture(
    params=[Engine.BUILTIN, pytest.param(Engine.C104, marks=pytest.mark.lib60870)]
)
def settings(request: pytest.FixtureRequest) -> TelecontrolSettings:
    if request.param is Engine.C104:
        request.getfixturevalue("lib60870")
    return replace(SETTINGS, engine=request.param)


STOP = "emergency_stop_production"


async def _read(rtu: Rtu, name: str) -> MonitorObject:
    """Read a point; c104 confirms a read first, and our client takes that for all."""
    ioa = POINTS[name].ioa
    rtu.asdus.clear()
    await rtu.client.read(ioa)

    def found() -> list[MonitorObject]:
        answers = [asdu for asdu in rtu.asdus if asdu.cause == Cause.REQUEST]
        return [obj for asdu in answers for obj in asdu.objects if obj.ioa == ioa]

    await until(lambda: [obj for obj in found() if isinstance(obj, MonitorObject)])
    return found()[-1]


async def test_A12_A13_A14_every_order_is_confirmed_and_fed_back(
    settings: TelecontrolSettings, told: Told
) -> None:
    async with (
        running(told, settings=settings) as station,
        connected(station) as rtu,
    ):
        for name, values in ORDERS.items():
            for value in values:
                rtu.asdus.clear()
                assert (await rtu.order(name, value, **UNTERMINATED)).accepted
                feedback = f"{name}_feedback"
                await until(partial(rtu.heard, feedback))
                assert rtu.heard(feedback) == [(11, pytest.approx(value))]
                assert (await _read(rtu, f"{name}_feedback")).value == pytest.approx(
                    value
                )
                order = station.orders.get(name)
                assert order is not None
                assert order.source is OrderSource.OPERATOR
        assert [event.accepted for event in told.events] == [True] * 24
        assert {event.client for event in told.events} == {"127.0.0.1"}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.6, 100.6])
async def test_A15_what_is_no_value_changes_nothing(
    settings: TelecontrolSettings, told: Told, value: float
) -> None:
    async with (
        running(told, settings=settings) as station,
        connected(station) as rtu,
    ):
        assert (await rtu.order("maxsetp", 10.0, **UNTERMINATED)).accepted
        assert not (await rtu.order("maxsetp", value)).accepted
        assert station.orders.maxsetp is not None
        assert station.orders.maxsetp.value == 10.0
        assert (await _read(rtu, "maxsetp_feedback")).value == 10.0
        await until(lambda: told.events[-1].accepted is False)
        assert told.events[-1].reason


async def test_A16_a_wrong_type_is_told_as_a_refused_order(
    settings: TelecontrolSettings, told: Told
) -> None:
    async with (
        running(told, settings=settings) as station,
        connected(station) as rtu,
    ):
        ioa = POINTS["maxsetp"].ioa
        assert not (await rtu.client.command(ioa, TypeId.C_SC_NA_1, True)).accepted
        await until(lambda: told.events)
        assert [event.accepted for event in told.events] == [False]
        assert not station.orders.present()


async def test_A19_the_test_bit_never_acts(
    settings: TelecontrolSettings, told: Told
) -> None:
    async with (
        running(told, settings=settings) as station,
        connected(station) as rtu,
    ):
        assert (await rtu.order(STOP, True, test=True, **UNTERMINATED)).accepted
        assert not station.orders.present()
        assert not told.events


async def test_A22_S03_stale_orders_are_refused_and_a_stop_is_not(
    settings: TelecontrolSettings, told: Told
) -> None:
    always = {"time_tag": TimeTagChoice.ALWAYS}
    points = with_points(**{STOP: always, "maxsetp": always})
    stale = TimeTag.from_wall_clock(datetime.now(UTC) - timedelta(minutes=5))
    async with (
        running(told, settings=replace(settings, points=points)) as station,
        connected(station) as rtu,
    ):
        assert not (await rtu.order("maxsetp", 10.0, time_tag=stale)).accepted
        assert ProblemKey.STALE_ORDER in told.problems
        stop = await rtu.order(STOP, True, time_tag=stale, **UNTERMINATED)
        assert stop.accepted
        assert list(station.orders.present()) == [STOP]


async def test_A24_a_local_stop_is_reported_once_with_cause_12(
    settings: TelecontrolSettings, told: Told
) -> None:
    async with (
        running(told, settings=settings) as station,
        connected(station) as rtu,
    ):
        await until(lambda: station.link.connected)
        station.set_local_stops(LocalStops(production=frozenset({"the red button"})))
        station.stop_written(Direction.PRODUCTION, ())
        await until(lambda: (12, True) in rtu.heard(f"{STOP}_feedback"))
        station.set_local_stops(LocalStops())
        await until(lambda: (12, False) in rtu.heard(f"{STOP}_feedback"))
        assert [cause for cause, _ in rtu.heard(f"{STOP}_feedback")] == [12, 12]


async def test_A25_measurements_come_cyclically_in_one_asdu(
    settings: TelecontrolSettings, told: Told
) -> None:
    async with (
        running(told, settings=settings) as station,
        connected(station) as rtu,
    ):
        solar = CategoryMeasurement(power=-4250.0, reactive_power=-100.0)
        station.set_measurements({Category.SOLAR: solar})

        def cyclic() -> list[Asdu]:
            return [asdu for asdu in rtu.asdus if asdu.cause == Cause.PERIODIC]

        await until(lambda: len(cyclic()) >= 3)
        assert {len(asdu.objects) for asdu in cyclic()} == {14}
        values = {obj.ioa: (obj.value, obj.quality) for obj in cyclic()[-1].objects}
        assert values.pop(POINTS["p_solar"].ioa) == (-4.25, 0)
        assert values.pop(POINTS["q_solar"].ioa) == (pytest.approx(-0.1), 0)
        assert set(values.values()) == {(0.0, 0)}


async def test_A26_a_stale_source_is_reported_as_not_topical(
    settings: TelecontrolSettings, told: Told
) -> None:
    async with (
        running(told, settings=settings) as station,
        connected(station) as rtu,
    ):
        assert (await _read(rtu, "p_ev")).quality == Quality.NOT_TOPICAL
        station.set_measurements(
            {Category.EV: CategoryMeasurement(power=11000.0, topical=False)}
        )
        await asyncio.sleep(0.05)
        measured = await _read(rtu, "p_ev")
        assert (measured.value, measured.quality) == (11.0, Quality.NOT_TOPICAL)
        assert (await _read(rtu, "p_wind")).quality == Quality.GOOD


async def test_A27_initialization_interrogation_and_clock(
    settings: TelecontrolSettings, told: Told
) -> None:
    async with (
        running(told, settings=settings) as station,
        connected(station) as rtu,
    ):
        found = await rtu.client.general_interrogation()
        sync = await rtu.client.clock_sync()
        await until(lambda: Cause.INITIALIZED in [asdu.cause for asdu in rtu.asdus])
        assert found.terminated
        assert len({obj.ioa for obj in found.objects}) == len(found.objects) == 27
        assert sync.positive
        await until(lambda: station.link.clock_offset is not None)
        assert station.link.clock_offset == pytest.approx(0.0, abs=0.5)
        assert station.link.last_interrogation is not None


async def test_A28_S04_orders_are_in_force_before_a_connection_is_accepted(
    settings: TelecontrolSettings, told: Told, tmp_path: Path
) -> None:
    path = tmp_path / "orders"
    async with (
        running(told, settings=settings, path=path) as station,
        connected(station) as rtu,
    ):
        for name, (value, _) in ORDERS.items():
            assert (await rtu.order(name, value, **UNTERMINATED)).accepted
    again = Told(outputs=lambda _direction: ())
    async with running(again, settings=settings, path=path) as station:
        for order in station.orders.present().values():
            assert order.source is OrderSource.RESTORED
        async with connected(station) as rtu:
            found = await rtu.client.general_interrogation()
            values = {obj.ioa: obj.value for obj in found.objects}
            for name, (value, _) in ORDERS.items():
                fed_back = values[POINTS[f"{name}_feedback"].ioa]
                assert fed_back == pytest.approx(value)


async def test_A29_S05_a_lost_link_follows_the_policy_and_comes_back(
    settings: TelecontrolSettings, told: Told
) -> None:
    clock = Clock()
    policy = LinkLossPolicy(action=LinkLossAction.RELEASE, delay=100.0)
    async with running(
        told, settings=replace(settings, link_loss=policy), clock=clock
    ) as station:
        async with connected(station) as rtu:
            await rtu.order("maxsetp", 40.0, **UNTERMINATED)
            await rtu.order(STOP, True, **UNTERMINATED)
        await until(lambda: not station.link.connected)
        assert station.link.last_close_reason is not None
        clock.boot += 101
        await until(lambda: station.orders.maxsetp is None)
        assert station.orders.stopped(Direction.PRODUCTION)
        async with connected(station):
            await until(lambda: station.link.connected)
            assert station.orders.maxsetp is not None


async def test_A30_a_stop_during_an_interrogation_acts_at_once(
    settings: TelecontrolSettings, told: Told
) -> None:
    async with (
        running(told, settings=settings) as station,
        connected(station) as rtu,
    ):
        interrogation = asyncio.create_task(rtu.client.general_interrogation())
        result = await rtu.order(STOP, True, **UNTERMINATED)
        assert result.accepted
        assert result.confirmation is not None
        assert result.confirmation.after < 1.0
        assert station.orders.stopped(Direction.PRODUCTION)
        assert (await interrogation).terminated


async def test_A31_reason_99_and_the_test_command_change_nothing_in_the_plant(
    settings: TelecontrolSettings, told: Told
) -> None:
    async with (
        running(told, settings=settings) as station,
        connected(station) as rtu,
    ):
        await rtu.order("redenp", 99.0, **UNTERMINATED)
        await rtu.order("test", True, **UNTERMINATED)
        assert [event.name for event in told.events] == ["redenp", "test"]
        assert station.orders.redenp is not None
        assert station.orders.redenp.value == 99
        assert station.orders.maxsetp is None


async def test_S08_a_new_rtu_is_refused_shown_and_allowed_without_a_restart(
    settings: TelecontrolSettings, told: Told
) -> None:
    closed = replace(settings, allowed_clients=frozenset())
    async with running(told, settings=closed) as station:
        with pytest.raises((LinkClosedError, OSError)):
            async with connected(station):
                pass
        await until(lambda: station.link.last_refused_client == "127.0.0.1")
        station.set_allowed_clients(frozenset({"127.0.0.1"}))
        async with connected(station) as rtu:
            assert (await rtu.order("maxsetp", 40.0, **UNTERMINATED)).accepted


@pytest.mark.lib60870
async def test_the_engine_and_the_points_change_while_running(
    told: Told, lib60870: None
) -> None:
    async with running(told) as station:
        for engine in (Engine.C104, Engine.BUILTIN, Engine.C104):
            points = with_points(maxsetp={"ioa": 2500 + list(Engine).index(engine)})
            await station.reconfigure(replace(SETTINGS, engine=engine, points=points))
            async with connected(station) as rtu:
                result = await rtu.order("maxsetp", 40.0, **UNTERMINATED)
                assert result.accepted


@pytest.mark.lib60870
def test_one_address_in_both_directions_is_refused_on_c104(lib60870: None) -> None:
    points = with_points(maxsetp_feedback={"ioa": POINTS["maxsetp"].ioa})
    replace(SETTINGS, points=points)
    with pytest.raises(ValueError, match="both maxsetp and maxsetp_feedback"):
        replace(SETTINGS, points=points, engine=Engine.C104)
