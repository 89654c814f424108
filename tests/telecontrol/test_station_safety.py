"""Safety rules S01 to S08 and acceptance list A24 to A31 at the station."""

import asyncio
from dataclasses import replace
import errno
import os
from pathlib import Path
import threading
from typing import Self

import pytest

from custom_components.netflex.iec104 import (
    Cause,
    ControllingConfig,
    ControllingStation,
    LinkClosedError,
    Quality,
    StaleCommandRule,
    TimeTag,
)
from custom_components.netflex.iec104.asdu import Asdu
from custom_components.netflex.iec104.information_objects import CommandObject
from custom_components.netflex.model.asset import Category, Direction
from custom_components.netflex.model.measurement import CategoryMeasurement
from custom_components.netflex.model.orders import (
    LocalStops,
    OrderName,
    OrderSource,
    QMode,
)
from custom_components.netflex.telecontrol import (
    order_desk,
    order_store,
    station as station_module,
)
from custom_components.netflex.telecontrol.link_loss import (
    LinkLossAction,
    LinkLossPolicy,
)
from custom_components.netflex.telecontrol.order_slots import SLOT_SIZE, read_slots
from custom_components.netflex.telecontrol.order_store import OrderStoreError
from custom_components.netflex.telecontrol.point import Sign, StaleQuality
from custom_components.netflex.telecontrol.settings import (
    ProblemKey,
    SetpointFeedback,
    TelecontrolSettings,
    Timing,
)
from custom_components.netflex.telecontrol.station import TelecontrolStation

from .bench import (
    ALARMED,
    IMPATIENT,
    ORDERS,
    SETTINGS,
    Clock,
    Rtu,
    Told,
    connected,
    running,
    until,
    with_points,
)

STOP = "emergency_stop_production"
LOCAL_STOP = LocalStops(production=frozenset({"the red button"}))


class Disk:
    """What the store writes to: works, fails, or hangs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.error: OSError | None = None
        self.working = threading.Event()
        self.working.set()
        self.writes = 0
        write = order_store.write_all

        def write_all(fd: int, content: bytes, offset: int) -> None:
            self.writes += 1
            self.working.wait(10)
            if self.error is not None:
                raise self.error
            write(fd, content, offset)

        monkeypatch.setattr(order_store, "write_all", write_all)

    def fill(self) -> None:
        self.error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def empty(self) -> None:
        self.error = None


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch):
    disk = Disk(monkeypatch)
    yield disk
    disk.working.set()


# ----------------------------------------------------------------- S01: storing fails


async def test_S01_full_disk_confirms_what_tightens_and_refuses_what_relaxes(
    station: TelecontrolStation, rtu: Rtu, told: Told, disk: Disk
) -> None:
    assert (await rtu.order("maxsetp", 50.0)).accepted
    disk.fill()
    assert (await rtu.order(STOP, True)).accepted
    assert (await rtu.order("maxsetp", 20.0)).accepted
    assert (await rtu.order("redenp", 1.0)).accepted
    assert ProblemKey.ORDERS_NOT_STORED in told.problems
    in_force = station.orders
    for name, value in ((STOP, False), ("maxsetp", 30.0)):
        assert not (await rtu.order(name, value)).accepted
    assert station.orders == in_force
    assert told.events[-1].accepted is False
    assert told.events[-1].relaxes
    assert (await rtu.feedback("maxsetp")).value == 20.0
    assert (await rtu.feedback(STOP)).value is True
    disk.empty()
    await until(lambda: ProblemKey.ORDERS_NOT_STORED not in told.problems)
    assert (await rtu.order("maxsetp", 30.0)).accepted


async def test_S01_hung_disk_delays_no_stop_beyond_the_bound(
    told: Told, tmp_path: Path, disk: Disk
) -> None:
    async with (
        running(told, settings=IMPATIENT, path=tmp_path / "orders") as station,
        connected(station) as rtu,
    ):
        await _delays_no_stop(station, rtu, told, disk)


async def _delays_no_stop(
    station: TelecontrolStation, rtu: Rtu, told: Told, disk: Disk
) -> None:
    disk.working.clear()
    result = await rtu.order(STOP, True)
    assert result.accepted
    assert result.terminated
    assert told.events[-1].accepted
    # A disk that is known to hang is not waited for again.
    result = await rtu.order("minsetp", 0.0)
    assert result.confirmation is not None
    assert result.confirmation.after < 0.75 * station.settings.timing.write_timeout
    assert not (await rtu.order(STOP, False)).accepted
    assert station.orders.stopped(Direction.PRODUCTION)
    assert ProblemKey.ORDERS_NOT_STORED in told.problems
    disk.working.set()
    await until(lambda: ProblemKey.ORDERS_NOT_STORED not in told.problems)


async def test_S01_a_stop_acts_while_a_relaxing_order_waits_for_the_disk(
    told: Told, tmp_path: Path, disk: Disk
) -> None:
    slow = replace(SETTINGS, timing=replace(SETTINGS.timing, write_timeout=2.0))
    async with (
        running(told, settings=slow, path=tmp_path / "orders") as station,
        connected(station) as rtu,
    ):
        assert (await rtu.order("maxsetp", 50.0)).accepted
        disk.working.clear()
        begun = disk.writes
        relaxing = asyncio.create_task(rtu.order("maxsetp", 80.0))
        await until(lambda: disk.writes > begun)
        stopping = asyncio.create_task(rtu.order(STOP, True))
        await until(lambda: station.orders.stopped(Direction.PRODUCTION))
        assert station.orders.maxsetp is not None
        assert station.orders.maxsetp.value == 50.0
        assert not relaxing.done()
        disk.working.set()
        assert (await relaxing).accepted
        assert (await stopping).accepted
        assert station.orders.maxsetp.value == 80.0
    async with running(told, path=tmp_path / "orders") as station:
        assert station.orders.stopped(Direction.PRODUCTION)
        assert station.orders.maxsetp is not None
        assert station.orders.maxsetp.value == 80.0


async def test_S01_a_tighter_order_overtakes_one_that_waits_to_relax(
    told: Told, tmp_path: Path, disk: Disk
) -> None:
    slow = replace(SETTINGS, timing=replace(SETTINGS.timing, write_timeout=2.0))
    async with (
        running(told, settings=slow, path=tmp_path / "orders") as station,
        connected(station) as rtu,
    ):
        assert (await rtu.order("maxsetp", 50.0)).accepted
        disk.working.clear()
        begun = disk.writes
        relaxing = asyncio.create_task(rtu.order("maxsetp", 80.0))
        await until(lambda: disk.writes > begun)
        rtu.client.send(_setpoint(rtu, "maxsetp", 10.0))
        await until(lambda: station.orders.maxsetp.value == 10.0)
        disk.working.set()
        assert (await relaxing).accepted
        await until(lambda: (10, 10.0) in rtu.heard("maxsetp"))
        assert station.orders.maxsetp.value == 10.0
    async with running(told, path=tmp_path / "orders") as station:
        assert station.orders.maxsetp is not None
        assert station.orders.maxsetp.value == 10.0


async def test_S01_a_flood_during_a_hang_is_answered_and_bounded(
    told: Told, tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_desk, "MAX_WAITING", 5)
    slow = replace(SETTINGS, timing=replace(SETTINGS.timing, write_timeout=2.0))
    async with (
        running(told, settings=slow, path=tmp_path / "orders") as station,
        connected(station) as rtu,
    ):
        await rtu.order("maxsetp", 50.0)
        disk.working.clear()
        rtu.asdus.clear()
        for value in range(60, 80):
            rtu.client.send(_setpoint(rtu, "maxsetp", float(value)))
        rtu.client.send(_setpoint(rtu, "maxsetp", 10.0))
        # Whoever finds the queue full is answered at once, the stricter positively.
        await until(lambda: (7, 10.0) in rtu.heard("maxsetp"))
        assert (7, 79.0) in rtu.heard("maxsetp")
        assert (7, 60.0) not in rtu.heard("maxsetp")
        disk.working.set()
        await until(lambda: len([c for c, _ in rtu.heard("maxsetp") if c == 7]) == 21)
        assert station.orders.maxsetp is not None
        assert station.orders.maxsetp.value == 10.0


async def test_S01_an_order_is_in_force_before_its_confirmation(
    station: TelecontrolStation, rtu: Rtu, told: Told, disk: Disk
) -> None:
    disk.working.clear()
    ordering = asyncio.create_task(rtu.order("minsetp", 0.0))
    await until(lambda: told.events)
    assert told.orders[-1].minsetp is not None
    assert not ordering.done()
    disk.working.set()
    assert (await ordering).accepted


# ------------------------------------------------------------ S02: feedback and ending


async def test_S02_a_stop_is_fed_back_once_every_output_is_written(
    station: TelecontrolStation, rtu: Rtu, told: Told
) -> None:
    told.outputs = lambda _direction: ("relay 1", "charger")
    result = await rtu.order(STOP, True)
    assert result.terminated
    assert rtu.sequence(STOP) == [7, 10]
    assert (await rtu.feedback(STOP)).value is False
    station.stop_written(Direction.PRODUCTION, ("charger",))
    assert (await rtu.feedback(STOP)).value is False
    station.stop_written(Direction.PRODUCTION, ())
    await until(lambda: rtu.sequence(STOP) == [7, 10, 11])
    assert (await rtu.feedback(STOP)).value is True
    assert not told.problems


async def test_S02_without_proof_a_stop_is_fed_back_with_an_alarm(
    told: Told, tmp_path: Path
) -> None:
    async with (
        running(told, settings=IMPATIENT, path=tmp_path / "orders") as station,
        connected(station) as rtu,
    ):
        await _fed_back_with_an_alarm(station, rtu, told)


async def _fed_back_with_an_alarm(
    station: TelecontrolStation, rtu: Rtu, told: Told
) -> None:
    told.outputs = lambda _direction: ("relay 1", "charger")
    await rtu.order(STOP, True)
    await until(lambda: ProblemKey.STOP_PRODUCTION in told.problems)
    assert "relay 1, charger" in told.problems[ProblemKey.STOP_PRODUCTION]
    await until(lambda: rtu.sequence(STOP) == [7, 10, 11])
    station.stop_written(Direction.PRODUCTION, ("charger",))
    assert "relay 1" not in told.problems[ProblemKey.STOP_PRODUCTION]
    station.stop_written(Direction.PRODUCTION, ())
    assert not told.problems
    assert (await rtu.feedback(STOP)).value is True


async def test_S02_a_stop_that_is_released_meanwhile_is_never_fed_back_as_on(
    station: TelecontrolStation, rtu: Rtu, told: Told
) -> None:
    told.outputs = lambda _direction: None
    await rtu.order(STOP, True)
    await rtu.order(STOP, False)
    station.stop_written(Direction.PRODUCTION, ())
    await asyncio.sleep(0.05)
    assert rtu.heard(f"{STOP}_feedback") == [(11, False)]
    assert not told.problems


async def test_S02_a_stop_given_again_is_answered_in_full(
    station: TelecontrolStation, rtu: Rtu
) -> None:
    await rtu.order(STOP, True)
    rtu.asdus.clear()
    await rtu.order(STOP, True)
    assert rtu.sequence(STOP) == [7, 11, 10]


@pytest.mark.parametrize("name", [n for n in OrderName if "stop" not in n])
async def test_S02_other_feedback_is_the_accepted_value_at_once(
    station: TelecontrolStation, rtu: Rtu, name: OrderName
) -> None:
    binding, loose = ORDERS[name]
    for value in (binding, loose):
        rtu.asdus.clear()
        await rtu.order(name, value)
        assert rtu.heard(f"{name}_feedback") == [(11, pytest.approx(value))]


@pytest.mark.parametrize("feedback", SetpointFeedback)
async def test_S02_the_cause_of_a_setpoints_feedback_is_chosen(
    told: Told, feedback: SetpointFeedback
) -> None:
    settings = replace(SETTINGS, setpoint_feedback=feedback)
    cause = 11 if feedback is SetpointFeedback.RETURN_INFORMATION else 3
    async with running(told, settings=settings) as station, connected(station) as rtu:
        for name, expected in (("maxsetp", cause), ("redenp", cause), ("test", 11)):
            value: float | bool = name == "test" or 1.0
            await rtu.order(name, value)
            await until(lambda name=name: rtu.heard(f"{name}_feedback"))
            assert rtu.heard(f"{name}_feedback") == [(expected, value)]


# ------------------------------------------------------------------- S03: time tags


async def test_S03_a_stop_is_carried_out_whatever_its_time_tag_says(
    station: TelecontrolStation, rtu: Rtu
) -> None:
    old = TimeTag(milliseconds=0, minute=0, hour=0, day=1, month=1, year=20)
    invalid = TimeTag(
        milliseconds=0, minute=0, hour=0, day=1, month=1, year=20, invalid=True
    )
    impossible = TimeTag(milliseconds=0, minute=0, hour=0, day=31, month=2, year=99)
    for tag in (old, invalid, impossible):
        assert (await rtu.order(STOP, True, time_tag=tag)).accepted
        assert station.orders.stopped(Direction.PRODUCTION)
        assert not (await rtu.order(STOP, False, time_tag=tag)).accepted
        assert station.orders.stopped(Direction.PRODUCTION)
        assert (await rtu.order(STOP, False)).accepted


async def test_S03_with_inverted_polarity_the_stop_is_the_other_state(
    told: Told,
) -> None:
    points = with_points(**{STOP: {"invert": True}})
    old = TimeTag(milliseconds=0, minute=0, hour=0, day=1, month=1, year=20)
    async with (
        running(told, settings=replace(SETTINGS, points=points)) as station,
        connected(station) as rtu,
    ):
        assert (await rtu.order(STOP, False, time_tag=old)).accepted
        assert station.orders.stopped(Direction.PRODUCTION)
        assert not (await rtu.order(STOP, True, time_tag=old)).accepted
        assert (await rtu.feedback(STOP)).value is True


async def test_S03_option_drops_stale_orders_silently(told: Told) -> None:
    settings = replace(SETTINGS, stale_command=StaleCommandRule.SILENT)
    old = TimeTag(milliseconds=0, minute=0, hour=0, day=1, month=1, year=20)
    async with running(told, settings=settings) as station, connected(station) as rtu:
        rtu.client.send(_setpoint(rtu, "maxsetp", 10.0, old))
        await rtu.client.test_command()
        assert not rtu.heard("maxsetp")
        assert ProblemKey.STALE_ORDER in told.problems
        assert station.orders.maxsetp is None


# --------------------------------------------------------- S04, S06: restart, release


async def test_A28_S04_orders_are_in_force_before_a_connection_is_accepted(
    told: Told, tmp_path: Path
) -> None:
    path = tmp_path / "orders"
    async with running(told, path=path) as station, connected(station) as rtu:
        for name, (value, _) in ORDERS.items():
            assert (await rtu.order(name, value)).accepted
    accepted = station.orders
    again = Told(outputs=lambda _direction: None)
    async with running(again, path=path) as station:
        stored = station.orders
        assert stored.present().keys() == accepted.present().keys()
        for name, order in accepted.present().items():
            restored = stored.get(name)
            assert restored is not None
            assert (restored.value, restored.at) == (order.value, order.at)
            assert restored.source is OrderSource.RESTORED
        async with connected(station) as rtu:
            await rtu.client.general_interrogation()
            assert rtu.asdus[0].cause == Cause.INITIALIZED
            for name, (value, _) in ORDERS.items():
                assert rtu.heard(f"{name}_feedback") == [(20, pytest.approx(value))]


async def test_S04_load_alone_does_not_listen(told: Told, tmp_path: Path) -> None:
    async with (
        running(told, path=tmp_path / "orders") as station,
        connected(station) as rtu,
    ):
        await rtu.order(STOP, True)
    again = TelecontrolStation(
        SETTINGS,
        order_store.OrderStore(tmp_path / "orders"),
        on_order=told.on_order,
        on_link=told.on_link,
        on_problem=told.on_problem,
    )
    await again.load()
    assert again.orders.stopped(Direction.PRODUCTION)
    assert again.address is None
    await again.stop()


async def test_S06_each_stop_needs_its_own_release(
    station: TelecontrolStation, rtu: Rtu
) -> None:
    await rtu.order(STOP, True)
    station.set_local_stops(LOCAL_STOP)
    station.set_local_stops(LocalStops())
    assert station.orders.stopped(Direction.PRODUCTION)
    assert (await rtu.feedback(STOP)).value is True
    station.set_local_stops(LOCAL_STOP)
    rtu.asdus.clear()
    await rtu.order(STOP, False)
    assert not station.orders.stopped(Direction.PRODUCTION)
    assert rtu.heard(f"{STOP}_feedback") == [(11, True)]
    rtu.asdus.clear()
    station.set_local_stops(LocalStops())
    await until(lambda: rtu.heard(f"{STOP}_feedback") == [(12, False)])


async def test_S06_release_on_the_operators_instruction(
    station: TelecontrolStation, rtu: Rtu, told: Told, disk: Disk
) -> None:
    await rtu.order(STOP, True)
    await rtu.order("maxsetp", 10.0)
    for name, reference in (("", "case 12"), ("An operator", " ")):
        with pytest.raises(ValueError):
            await station.release_orders(name, reference)
    disk.fill()
    with pytest.raises(OrderStoreError):
        await station.release_orders("An operator", "case 12")
    assert station.orders.stopped(Direction.PRODUCTION)
    disk.empty()
    rtu.asdus.clear()
    told.events.clear()
    await station.release_orders("An operator", "case 12")
    assert not station.orders.present()
    assert {event.name for event in told.events} == {STOP, "maxsetp"}
    assert all("case 12" in (event.reason or "") for event in told.events)
    assert all(event.relaxes for event in told.events)
    await until(lambda: rtu.heard("maxsetp_feedback") == [(12, 100.0)])
    assert rtu.heard(f"{STOP}_feedback") == [(12, False)]


async def test_S06_a_local_stop_outlives_the_release_of_orders(
    station: TelecontrolStation, rtu: Rtu
) -> None:
    await rtu.order(STOP, True)
    station.set_local_stops(LOCAL_STOP)
    await station.release_orders("An operator", "case 12")
    assert (await rtu.feedback(STOP)).value is True


async def test_S06_orders_of_a_restored_backup_hold_with_a_problem(
    told: Told, tmp_path: Path
) -> None:
    path, copy = tmp_path / "orders", tmp_path / "copy"
    async with running(told, path=path) as station, connected(station) as rtu:
        await rtu.order("maxsetp", 10.0)
        copy.write_bytes(path.read_bytes())
    assert not told.problems
    async with running(told, path=copy) as station:
        assert station.orders.maxsetp is not None
        assert ProblemKey.ORDERS_RESTORED in told.problems
        async with connected(station) as rtu:
            await rtu.order("redenp", 0.0)
        assert ProblemKey.ORDERS_RESTORED not in told.problems


async def test_S04_orders_that_a_power_cut_tore_are_the_ones_before_and_that_is_logged(
    told: Told, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "orders"
    for value in (20.0, 10.0):
        # What a station leaves at its end is on the disk before the next one writes.
        async with running(told, path=path) as station, connected(station) as rtu:
            await rtu.order("maxsetp", value)
    content = bytearray(path.read_bytes())
    newest = read_slots(bytes(content)).newest
    assert newest is not None
    at = newest.index * SLOT_SIZE + 40
    content[at : at + 100] = bytes(100)
    path.write_bytes(content)
    async with running(told, path=path) as station:
        assert station.orders.maxsetp is not None
        assert "were torn by a power cut" in caplog.text


# -------------------------------------------------------------- S05, A29: link loss

FALLBACK = LinkLossPolicy(
    action=LinkLossAction.FALLBACK, delay=100.0, fallback={OrderName.MAXSETP: 15.0}
)
RELEASE = LinkLossPolicy(action=LinkLossAction.RELEASE, delay=100.0)


async def _order_and_leave(station: TelecontrolStation) -> None:
    async with connected(station) as rtu:
        for name in ("emergency_stop_consumption", "maxsetp", "minsetp", "minsetq"):
            await rtu.order(name, ORDERS[OrderName(name)][0])
        await rtu.order("q_mode", 2)
    await until(lambda: not station.link.connected)


async def test_A29_S05_hold_is_the_default(told: Told, tmp_path: Path) -> None:
    clock = Clock()
    async with running(told, path=tmp_path / "orders", clock=clock) as station:
        await _order_and_leave(station)
        before = station.orders
        clock.boot += 1e6
        await until(lambda: ProblemKey.LINK_LOST in told.problems)
        assert station.orders == before
        async with connected(station):
            assert ProblemKey.LINK_LOST not in told.problems
            assert station.orders == before


@pytest.mark.parametrize("policy", [FALLBACK, RELEASE])
async def test_A29_S05_setpoints_follow_the_policy_and_come_back(
    told: Told, tmp_path: Path, policy: LinkLossPolicy
) -> None:
    clock = Clock()
    settings = replace(ALARMED, link_loss=policy)
    async with running(
        told, settings=settings, path=tmp_path / "orders", clock=clock
    ) as station:
        await _order_and_leave(station)
        own = station.orders
        clock.boot += 99.9
        await asyncio.sleep(0.03)
        assert station.orders == own
        clock.boot += 0.2
        await until(lambda: station.orders != own)
        _check_policy(station, policy)
        assert told.events[-1].source is OrderSource.FALLBACK
        assert ProblemKey.LINK_LOST in told.problems
        async with connected(station):
            await until(lambda: station.link.connected)
            assert station.orders == own
            assert told.orders[-1] == own
            assert ProblemKey.LINK_LOST not in told.problems


def _check_policy(station: TelecontrolStation, policy: LinkLossPolicy) -> None:
    orders = station.orders
    assert orders.stopped(Direction.CONSUMPTION)
    assert orders.q_mode is not None
    assert orders.q_mode.value is QMode.REMOTE
    if policy is FALLBACK:
        assert orders.maxsetp is not None
        assert orders.maxsetp.value == 15.0
        assert orders.minsetp is not None
        assert orders.minsetp.value == 50.0
    else:
        assert orders.maxsetp is None
        assert orders.minsetp is None
        assert orders.minsetq is None


@pytest.mark.parametrize("rebooted", [False, True])
@pytest.mark.parametrize("clock_jump", [-1e6, 0.0, 1e6])
async def test_S05_the_age_of_a_loss_survives_the_host_and_its_clock(
    told: Told, tmp_path: Path, rebooted: bool, clock_jump: float
) -> None:
    clock = Clock()
    settings = replace(ALARMED, link_loss=RELEASE)
    path = tmp_path / "orders"
    async with running(told, settings=settings, path=path, clock=clock) as station:
        await _order_and_leave(station)
        clock.boot += 40.0
        clock.offset += clock.offset.resolution * 40e6
    clock.boot += 40.0
    clock.offset += clock.offset.resolution * 40e6
    if rebooted:
        clock.boot, clock.identity = 5.0, "boot-2"
    async with running(told, settings=settings, path=path, clock=clock) as station:
        # 80 s have passed; a clock that jumps from here on moves nothing.
        clock.offset += clock.offset.resolution * clock_jump * 1e6
        await asyncio.sleep(0.03)
        assert station.orders.maxsetp is not None
        clock.boot += 21.0
        await until(lambda: station.orders.maxsetp is None)
        assert station.orders.stopped(Direction.CONSUMPTION)


def _last_alive(path: Path) -> float:
    """Return the boot time of the newest mark that the link was up."""
    newest = read_slots(path.read_bytes()).newest
    assert newest is not None
    return newest.data["link"]["boot_time"]


async def test_S05_a_link_that_was_up_when_the_host_died_counts_from_its_last_mark(
    told: Told, tmp_path: Path
) -> None:
    clock = Clock()
    settings = replace(ALARMED, link_loss=RELEASE)
    path, copy = tmp_path / "orders", tmp_path / "copy"
    async with (
        running(told, settings=settings, path=path, clock=clock) as station,
        connected(station) as rtu,
    ):
        await rtu.order("maxsetp", 10.0)
        clock.boot += 500.0
        await until(lambda: _last_alive(path) == clock.boot)
        copy.write_bytes(path.read_bytes())
    clock.boot += 99.0
    async with running(told, settings=settings, path=copy, clock=clock) as station:
        assert station.orders.maxsetp is not None
        clock.boot += 2.0
        await until(lambda: station.orders.maxsetp is None)


async def test_S05_a_station_that_never_had_a_link_has_lost_none(
    told: Told, tmp_path: Path
) -> None:
    clock = Clock()
    settings = replace(ALARMED, link_loss=FALLBACK)
    async with running(
        told, settings=settings, path=tmp_path / "orders", clock=clock
    ) as station:
        clock.boot += 1e6
        await asyncio.sleep(0.04)
        assert not station.orders.present()
        assert not told.problems


async def test_S05_another_policy_is_taken_over_during_a_loss(
    told: Told, tmp_path: Path
) -> None:
    clock = Clock()
    settings = replace(ALARMED, link_loss=RELEASE)
    async with running(
        told, settings=settings, path=tmp_path / "orders", clock=clock
    ) as station:
        await _order_and_leave(station)
        own = station.orders
        clock.boot += 200.0
        await until(lambda: station.orders.maxsetp is None)
        await station.reconfigure(SETTINGS)
        assert station.orders == own


# --------------------------------------------------------------- S07, S08: who may


async def test_S07_on_a_bench_orders_are_refused_and_feedback_is_blocked(
    told: Told,
) -> None:
    async with running(told, settings=replace(SETTINGS, bench=True)) as station:
        assert not station.settings.admits_operator
        async with connected(station) as rtu:
            for name, (value, _) in ORDERS.items():
                result = await rtu.order(name, value)
                assert result.confirmation is not None
                assert result.confirmation.cause == 7
                assert not result.accepted
                assert (await rtu.feedback(name)).quality & Quality.BLOCKED
            assert not station.orders.present()
            assert {event.accepted for event in told.events} == {False}
            await station.reconfigure(SETTINGS)
            assert (await rtu.order("maxsetp", 10.0)).accepted
            assert (await rtu.feedback("maxsetp")).quality == Quality.GOOD


def test_S07_a_real_operator_excludes_shadow_mode() -> None:
    assert SETTINGS.admits_operator
    assert replace(SETTINGS, allowed_clients=frozenset({"192.0.2.1"})).admits_operator
    assert not replace(SETTINGS, allowed_clients=frozenset()).admits_operator
    assert not replace(SETTINGS, bench=True).admits_operator


async def test_S08_a_new_rtu_is_refused_shown_and_allowed_without_a_restart(
    told: Told,
) -> None:
    settings = replace(SETTINGS, allowed_clients=frozenset({"127.0.0.2"}))
    async with running(told, settings=settings) as station:
        for _ in range(3):
            client = ControllingStation(ControllingConfig())
            assert station.address is not None
            with pytest.raises((LinkClosedError, OSError)):
                await _connect(client, station.address)
            await client.close()
        assert station.link.last_refused_client == "127.0.0.1"
        shown = [link for link in told.links if link.last_refused_client]
        assert len(shown) == 1
        station.set_allowed_clients(frozenset({"127.0.0.1"}))
        assert station.link.last_refused_client is None
        async with connected(station) as rtu:
            station.set_allowed_clients(frozenset({"127.0.0.1", "127.0.0.2"}))
            assert (await rtu.order("maxsetp", 10.0)).accepted


async def test_S08_a_bind_address_that_is_not_there_yet_is_waited_for(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(SETTINGS, bind_address="192.0.2.7")
    async with running(told, settings=settings) as station:
        assert not station.link.listening
        assert "192.0.2.7" in (station.link.problem or "")
        monkeypatch.setattr(
            station, "_settings", replace(settings, bind_address="127.0.0.1")
        )
        await until(lambda: station.link.listening)
        assert station.link.problem is None
        async with connected(station) as rtu:
            assert (await rtu.order("maxsetp", 10.0)).accepted


async def test_S08_a_port_in_use_is_named_and_waited_for(told: Told) -> None:
    async with running(Told()) as other:
        assert other.address is not None
        settings = replace(SETTINGS, port=other.address[1])
        station = TelecontrolStation(
            settings,
            None,
            on_order=told.on_order,
            on_link=told.on_link,
            on_problem=told.on_problem,
        )
        await station.start()
        assert str(other.address[1]) in (station.link.problem or "")
    await until(lambda: station.link.listening)
    await station.stop()


# ------------------------------------------------------- A24 to A31: what is reported


async def test_A24_a_local_stop_is_reported_once_with_cause_12(
    station: TelecontrolStation, rtu: Rtu
) -> None:
    station.set_local_stops(LOCAL_STOP)
    assert (await rtu.feedback(STOP)).value is False
    station.stop_written(Direction.PRODUCTION, ())
    station.stop_written(Direction.PRODUCTION, ())
    assert (await rtu.feedback(STOP)).value is True
    assert (12, True) in rtu.heard(f"{STOP}_feedback")
    station.set_local_stops(LocalStops())
    await until(lambda: (12, False) in rtu.heard(f"{STOP}_feedback"))
    causes = [c for c, _ in rtu.heard(f"{STOP}_feedback") if c != Cause.REQUEST]
    assert causes == [12, 12]
    assert not station.orders.present()


async def test_A25_measurements_come_cyclically_in_one_asdu(
    station: TelecontrolStation, rtu: Rtu
) -> None:
    station.set_measurements(
        {
            Category.SOLAR: CategoryMeasurement(
                power=-4250.0, reactive_power=-100.0, topical=True
            )
        }
    )
    rtu.asdus.clear()
    await until(lambda: len([a for a in rtu.asdus if a.cause == Cause.PERIODIC]) >= 3)
    cyclic = [asdu for asdu in rtu.asdus if asdu.cause == Cause.PERIODIC]
    assert {len(asdu.objects) for asdu in cyclic} == {14}
    values = {obj.ioa: (obj.value, obj.quality) for obj in cyclic[-1].objects}
    points = station.settings.points.by_name
    assert values.pop(points["p_solar"].ioa) == (-4.25, 0)
    assert values.pop(points["q_solar"].ioa) == (pytest.approx(-0.1), 0)
    assert set(values.values()) == {(0.0, 0)}


async def test_A25_the_interval_is_30_s_and_does_not_drift(
    station: TelecontrolStation, monkeypatch: pytest.MonkeyPatch
) -> None:
    class SlowLoop:
        """Asyncio on a loop that is up to 0.9 s late, ending after ten rounds."""

        now = 1000.0
        CancelledError = asyncio.CancelledError

        def get_running_loop(self) -> Self:
            return self

        def time(self) -> float:
            return self.now

        async def sleep(self, seconds: float) -> None:
            self.now += seconds + 0.3 * (len(sent) % 4)
            if len(sent) == 10:
                raise asyncio.CancelledError

    sent: list[float] = []
    loop = SlowLoop()
    assert TelecontrolSettings().timing == Timing()
    station._settings = replace(SETTINGS, timing=Timing())
    monkeypatch.setattr(station, "_report", lambda *_: sent.append(loop.now))
    monkeypatch.setattr(station_module, "asyncio", loop)
    with pytest.raises(asyncio.CancelledError):
        await station._measure()
    monkeypatch.undo()
    station._settings = SETTINGS
    for number, at in enumerate(sent, start=1):
        assert 0 <= at - (1000.0 + 30.0 * number) <= 1.0


async def test_A26_a_stale_source_may_be_reported_as_invalid(told: Told) -> None:
    points = with_points(p_ev={"quality": StaleQuality.INVALID})
    async with (
        running(told, settings=replace(SETTINGS, points=points)) as station,
        connected(station) as rtu,
    ):
        station.set_measurements(
            {Category.EV: CategoryMeasurement(power=11000.0, topical=False)}
        )
        assert (await rtu.read("p_ev")).quality == Quality.INVALID
        station.set_measurements({Category.EV: CategoryMeasurement(power=11000.0)})
        assert (await rtu.read("p_ev")).quality == Quality.GOOD


async def test_A26_a_stale_source_is_reported_as_not_topical(
    told: Told,
) -> None:
    timing = replace(SETTINGS.timing, measurement_timeout=1.5)
    async with (
        running(told, settings=replace(SETTINGS, timing=timing)) as station,
        connected(station) as rtu,
    ):
        assert (await rtu.read("p_ev")).quality == Quality.NOT_TOPICAL
        station.set_measurements(
            {Category.EV: CategoryMeasurement(power=11000.0, topical=False)}
        )
        measured = await rtu.read("p_ev")
        assert (measured.value, measured.quality) == (11.0, Quality.NOT_TOPICAL)
        assert (await rtu.read("p_wind")).quality == Quality.GOOD
        station.set_measurements({Category.EV: CategoryMeasurement(power=11000.0)})
        assert (await rtu.read("p_ev")).quality == Quality.GOOD
        async with asyncio.timeout(20):
            while (await rtu.read("p_ev")).quality == Quality.GOOD:
                await asyncio.sleep(0.02)
        assert (await rtu.read("p_ev")).quality == Quality.NOT_TOPICAL
        assert (await rtu.read("p_wind")).quality == Quality.NOT_TOPICAL


async def test_A27_initialization_interrogation_and_clock(
    station: TelecontrolStation, rtu: Rtu
) -> None:
    found = await rtu.client.general_interrogation()
    sync = await rtu.client.clock_sync()
    assert rtu.asdus[0].cause == Cause.INITIALIZED
    assert found.terminated
    monitored = [
        point for point in station.settings.points.points if point.initial is not None
    ]
    assert len(found.objects) == len(monitored) == 27
    assert [obj.ioa for obj in found.objects] == sorted(p.ioa for p in monitored)
    assert {obj.time_tag for obj in found.objects} == {None}
    assert sync.positive
    assert station.link.clock_offset == pytest.approx(0.0, abs=0.5)
    assert station.link.last_interrogation is not None


async def test_A27_what_was_never_received_is_mirrored_as_no_limit(
    station: TelecontrolStation, rtu: Rtu
) -> None:
    expected = dict.fromkeys(("minsetp", "maxsetp", "maxsetap", "minsetap"), 100.0)
    expected |= {"minsetq": -100.0, "maxsetq": 100.0, "redenp": 0.0, "redenq": 0.0}
    expected |= {STOP: False, "emergency_stop_consumption": False, "test": False}
    expected |= {"q_mode": 1}
    for name, value in expected.items():
        feedback = await rtu.feedback(name)
        assert (feedback.value, feedback.quality) == (value, Quality.GOOD)
    assert (await rtu.read("interface_version")).value == 1.0
    assert not station.orders.present()


async def test_A30_a_stop_during_an_interrogation_acts_at_once(
    station: TelecontrolStation, rtu: Rtu
) -> None:
    interrogation = asyncio.create_task(rtu.client.general_interrogation())
    await rtu.order("maxsetp", 777.0)
    result = await rtu.order(STOP, True)
    assert result.accepted
    assert result.confirmation is not None
    assert result.confirmation.after < 1.0
    assert station.orders.stopped(Direction.PRODUCTION)
    found = await interrogation
    assert found.terminated


async def test_A30_outputs_are_written_before_the_termination(told: Told) -> None:
    told.outputs = lambda _direction: None
    patient = replace(SETTINGS.timing, output_grace=20.0, stop_deadline=20.0)
    async with (
        running(told, settings=replace(SETTINGS, timing=patient)) as station,
        connected(station) as rtu,
    ):
        ordering = asyncio.create_task(rtu.order(STOP, True))
        await until(lambda: (7, True) in rtu.heard(STOP))
        assert not ordering.done()
        station.stop_written(Direction.PRODUCTION, ())
        await ordering
        assert rtu.sequence(STOP) == [7, 11, 10]


async def test_A31_reason_99_and_the_test_command_change_nothing_in_the_plant(
    station: TelecontrolStation, rtu: Rtu, told: Told
) -> None:
    await rtu.order("redenp", 99.0)
    await rtu.order("test", True)
    assert [event.name for event in told.events] == ["redenp", "test"]
    assert station.orders.redenp is not None
    assert station.orders.redenp.value == 99
    await rtu.order("redenp", 41.6)
    assert station.orders.redenp.value == 42
    assert station.orders.maxsetp is None


# ------------------------------------------------------------------ reactive band


async def test_a_crossed_band_keeps_the_last_valid_one_and_is_mirrored(
    told: Told, tmp_path: Path
) -> None:
    path = tmp_path / "orders"
    async with running(told, path=path) as station, connected(station) as rtu:
        await rtu.order("minsetq", -20.0)
        await rtu.order("maxsetq", 10.0)
        await rtu.order("minsetq", 30.0)
        assert (await rtu.feedback("minsetq")).value == 30.0
        assert _band(station) == (-20.0, 10.0)
    async with running(told, path=path) as station, connected(station) as rtu:
        assert _band(station) == (-20.0, 10.0)
        assert (await rtu.feedback("minsetq")).value == 30.0
        await rtu.order("maxsetq", 40.0)
        assert _band(station) == (30.0, 40.0)


async def test_a_reversed_band_is_turned_for_the_decision_only(told: Told) -> None:
    points = with_points(
        minsetq={"sign": Sign.NEGATIVE}, maxsetq={"sign": Sign.NEGATIVE}
    )
    async with (
        running(told, settings=replace(SETTINGS, points=points)) as station,
        connected(station) as rtu,
    ):
        await rtu.order("minsetq", -20.0)
        await rtu.order("maxsetq", 50.0)
        assert _band(station) == (-50.0, 20.0)
        assert (await rtu.feedback("maxsetq")).value == 50.0


async def test_points_and_link_parameters_change_while_running(
    station: TelecontrolStation, rtu: Rtu
) -> None:
    points = with_points(maxsetp={"ioa": 4711})
    await station.reconfigure(replace(SETTINGS, points=points))
    rtu.points = points
    assert (await rtu.order("maxsetp", 10.0)).accepted
    await station.reconfigure(replace(SETTINGS, points=points, common_address=7))
    assert station.link.listening
    await until(lambda: not station.link.connected)
    async with connected(station) as other:
        other.client._config = replace(other.client._config, common_address=7)
        assert (await other.order("maxsetp", 5.0)).accepted


async def _connect(client: ControllingStation, address: tuple[str, int]) -> None:
    await client.connect(*address)
    await client.start_dt()


def _band(station: TelecontrolStation) -> tuple[float, float]:
    low, high = station.orders.minsetq, station.orders.maxsetq
    assert low is not None
    assert high is not None
    return low.value, high.value


def _setpoint(rtu: Rtu, name: str, value: float, tag: TimeTag | None = None) -> Asdu:
    type_id = 50 if tag is None else 63
    return Asdu(
        type_id=type_id,
        cause=Cause.ACTIVATION,
        objects=(
            CommandObject(
                type_id=type_id,
                ioa=rtu.points.by_name[name].ioa,
                value=value,
                time_tag=tag,
            ),
        ),
        common_address=100,
    )
