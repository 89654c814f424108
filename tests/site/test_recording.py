"""The ring of what the decision was run with: bounded, exported, run again."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from custom_components.netflex.control.replay import replay
from custom_components.netflex.control.scenario import open_scenario
from custom_components.netflex.model.orders import GridOrders, OrderName
from custom_components.netflex.model.snapshot import Clock, SiteModel, Snapshot
from custom_components.netflex.site import recording as recording_module
from custom_components.netflex.site.recording import BLOCK, Recording
from tests.control.sites import START, charger, orders, reading, site, state

from .bench import running

MODEL = site(charger())


def fill(
    recording: Recording,
    count: int,
    *,
    first: int = 0,
    given: GridOrders | None = None,
    model: SiteModel = MODEL,
) -> None:
    for number in range(first, first + count):
        at = 100.0 + number
        recording.note(
            model,
            Snapshot(
                reading=reading(1000.0 + number, at),
                states={"car": state(charger(), float(number % 7), at)},
                **({} if given is None else {"orders": given}),
            ),
            Clock(monotonic=at, utc=START + timedelta(seconds=at)),
        )


async def settle(recording: Recording) -> None:
    async with asyncio.timeout(20.0):
        while recording._packing is not None:
            await asyncio.sleep(0.005)


async def test_blocks_and_newest_moments_are_one_scenario(tmp_path: Path) -> None:
    recording = Recording()
    fill(recording, BLOCK)
    await settle(recording)
    fill(recording, 50, first=BLOCK)
    end = START + timedelta(days=1)
    export = await recording.export(tmp_path / "deep" / "a.jsonl", START, end)
    assert export is not None
    assert export.count == BLOCK + 50
    assert (export.first, export.last) == recording.bounds
    with export.path.open() as file:
        _, moments = open_scenario(file)
        steps = list(replay(moments))
    assert len(steps) == BLOCK + 50
    powers = [step.snapshot.reading.power for step in steps if step.snapshot.reading]
    assert powers == [1000.0 + number for number in range(BLOCK + 50)]


async def test_only_the_time_that_was_asked_for(tmp_path: Path) -> None:
    recording = Recording()
    fill(recording, BLOCK)
    await settle(recording)
    fill(recording, 20, first=BLOCK)
    late = START + timedelta(seconds=100 + BLOCK)
    export = await recording.export(tmp_path / "a", late, late + timedelta(seconds=9))
    assert export is not None
    assert export.count == 10
    none = await recording.export(tmp_path / "b", START, START + timedelta(seconds=9))
    assert none is None
    assert not (tmp_path / "b").exists()


async def test_it_keeps_no_more_than_it_may() -> None:
    recording = Recording(capacity=40_000)
    for number in range(6):
        fill(recording, BLOCK, first=number * BLOCK)
        await settle(recording)
    assert recording.bounds is not None
    assert recording.bounds[0] > START + timedelta(seconds=100)
    kept = sum(len(block.data) for block in recording._blocks)
    assert 0 < kept <= 40_000
    await recording.stop()


async def test_orders_are_kept_at_once_and_readings_once_a_second() -> None:
    recording = Recording()
    clock = Clock(monotonic=100.0, utc=START)
    snapshot = Snapshot(reading=reading(0.0))
    recording.note(MODEL, snapshot, clock)
    for tenth in range(1, 5):
        at = 100.0 + tenth / 10
        recording.note(MODEL, snapshot, Clock(monotonic=at, utc=START))
    given = Snapshot(reading=reading(0.0), orders=orders(maxsetp=10.0))
    recording.note(MODEL, given, Clock(monotonic=100.45, utc=START))
    assert len(recording._newest) == 2


async def test_of_one_moment_the_first_is_kept() -> None:
    recording = Recording()
    assert recording.bounds is None
    clock = Clock(monotonic=100.0, utc=START)
    recording.note(MODEL, Snapshot(), clock)
    recording.note(MODEL, Snapshot(orders=orders(maxsetp=10.0)), clock)
    assert len(recording._newest) == 1
    assert recording.bounds == (START, START)


async def test_an_export_waits_for_what_is_being_packed(tmp_path: Path) -> None:
    recording = Recording()
    fill(recording, BLOCK)
    assert recording._packing is not None
    end = START + timedelta(days=1)
    export = await recording.export(tmp_path / "a.jsonl", START, end)
    assert export is not None
    assert export.count == BLOCK


async def test_a_block_that_cannot_be_packed_is_lost_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_frames: object) -> None:
        raise MemoryError

    recording = Recording()
    with monkeypatch.context() as patch:
        patch.setattr(recording_module, "_compress", fail)
        fill(recording, BLOCK)
        await settle(recording)
    assert "A part of the recording is lost" in caplog.text
    fill(recording, 20, first=BLOCK)
    end = START + timedelta(days=1)
    export = await recording.export(tmp_path / "a.jsonl", START, end)
    assert export is not None
    assert export.count == 20


async def test_an_end_in_the_middle_of_packing_is_an_end() -> None:
    recording = Recording()
    fill(recording, BLOCK)
    task = recording._packing
    assert task is not None
    await recording.stop()
    assert task.done()


@pytest.mark.usefixtures("socket_enabled")
async def test_a_running_site_is_exported_and_decides_alike(tmp_path: Path) -> None:
    async with running(tmp_path / "orders") as bench:
        bench.plant.car.plugged = True
        await bench.connect()
        await bench.until(lambda: bench.charger_register() >= 6.0, 15.0)
        await bench.rtu.order(OrderName.MAXSETP, 10.0)
        await bench.until(lambda: bench.charger_register() == 0.0, 15.0)
        bounds = bench.site.recording.bounds
        assert bounds is not None
        export = await bench.site.recording.export(tmp_path / "a.jsonl", *bounds)
    assert export is not None
    with export.path.open() as file:
        _, moments = open_scenario(file)
        last = list(replay(moments))[-1]
    assert last.plan.setpoints["charger"].value == 0.0
    assert [limit.cause.key for limit in last.plan.ordered] == ["maxsetp"]
    assert last.plan.setpoints["charger"].causes
