"""Sampling to minutes, and keeping them without the loop."""

import asyncio
from functools import partial
from itertools import pairwise
import logging
from pathlib import Path
import re
import sqlite3
import threading
from typing import Any
from unittest.mock import patch

import pytest

from custom_components.netflex.telemetry.keeper import (
    WAITING_MINUTES,
    Bounds,
    TelemetryKeeper,
)
from custom_components.netflex.telemetry.sampler import Sampler
from custom_components.netflex.telemetry.store import (
    TelemetryStore,
    TelemetryStoreError,
)
from custom_components.netflex.telemetry.values import (
    Reading,
    Series,
    SeriesKind,
    TextReading,
)

POWER = Series(key="power", kind=SeriesKind.GAUGE, unit="W")
ENERGY = Series(key="energy", kind=SeriesKind.COUNTER, unit="Wh")
MODE = Series(key="mode", kind=SeriesKind.TEXT)


def test_a_minute_is_the_mean_by_time_not_by_the_number_of_samples() -> None:
    sampler = Sampler()
    assert sampler.take(0, {POWER: 0.0}) is None
    for second in range(45, 60):
        assert sampler.take(second, {POWER: 400.0}) is None
    ended = sampler.take(60, {POWER: 0.0})
    assert ended is not None
    assert ended.readings == {POWER: [Reading(0, 100.0)]}


def test_what_nobody_measured_is_absent_not_zero() -> None:
    sampler = Sampler()
    sampler.take(0, {POWER: 50.0})
    sampler.take(30, {POWER: None})
    ended = sampler.take(60, {POWER: None})
    assert ended is not None
    assert ended.readings == {POWER: [Reading(0, 50.0)]}
    ended = sampler.take(120, {POWER: None})
    assert ended is not None
    assert ended.readings == {}


def test_a_series_that_is_not_named_any_more_ends() -> None:
    sampler = Sampler()
    sampler.take(0, {POWER: 50.0})
    sampler.take(60, {})
    ended = sampler.take(120, {})
    assert ended is not None
    assert ended.readings == {}


def test_a_counter_keeps_its_last_value_with_its_own_second() -> None:
    sampler = Sampler()
    sampler.take(5, {ENERGY: 10.0})
    sampler.take(58, {ENERGY: 12.0})
    ended = sampler.take(61, {ENERGY: 13.0})
    assert ended is not None
    assert ended.readings == {ENERGY: [Reading(58, 12.0)]}


def test_a_word_is_stored_when_it_changes_only() -> None:
    sampler = Sampler()
    sampler.take(0, {}, {MODE: "hold"})
    sampler.take(20, {}, {MODE: "hold"})
    sampler.take(40, {}, {MODE: "charge"})
    ended = sampler.take(60, {}, {MODE: "charge"})
    assert ended is not None
    assert ended.texts == {MODE: [TextReading(0, "hold"), TextReading(40, "charge")]}
    ended = sampler.take(120, {}, {MODE: None})
    assert ended is not None
    assert ended.texts == {}


def test_a_clock_that_jumps_ends_the_minute_and_goes_on() -> None:
    sampler = Sampler()
    sampler.take(600, {POWER: 10.0})
    ended = sampler.take(30, {POWER: 20.0})
    assert ended is not None
    assert ended.readings == {}, "no time passed forward in it"
    ended = sampler.take(60, {POWER: 20.0})
    assert ended is not None
    assert ended.readings == {POWER: [Reading(0, 20.0)]}


class Keeping:
    """A keeper whose clock the test sets."""

    def __init__(self, path: Path, **more: Any) -> None:
        self.now = 0.0
        self.keeper = TelemetryKeeper(path, clock=lambda: self.now, **more)

    def minutes(self, count: int) -> None:
        for _ in range(count):
            self.keeper.take({POWER: 1.0}, {MODE: "hold"})
            self.now += 60.0

    async def stored(self) -> int:
        readings = await self.keeper.ask(
            lambda store: store.readings(POWER.key, 0, 10**9)
        )
        return len(readings)

    async def stored_at_last(self, count: int) -> None:
        async with asyncio.timeout(20):
            while await self.stored() < count:
                await asyncio.sleep(0.01)


async def test_minutes_are_stored_and_the_last_one_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.db"
    keeping = Keeping(path)
    await keeping.keeper.start()
    keeping.minutes(5)
    await keeping.stored_at_last(4)
    await keeping.keeper.stop()
    with TelemetryStore(path) as store:
        assert len(store.readings(POWER.key, 0, 10**9)) == 5


async def test_a_file_that_cannot_be_used_is_said_and_nothing_else_fails(
    tmp_path: Path,
) -> None:
    path = tmp_path / "telemetry.db"
    path.write_bytes(b"no database" * 500)
    keeping = Keeping(path)
    await keeping.keeper.start()
    assert "cannot be read" in (keeping.keeper.problem or "")
    keeping.minutes(3)
    with pytest.raises(TelemetryStoreError, match="cannot be read"):
        await keeping.stored()
    await keeping.keeper.stop()
    assert path.read_bytes() == b"no database" * 500


async def test_what_the_disk_does_not_take_waits_and_is_bounded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    keeping = Keeping(tmp_path / "telemetry.db")
    await keeping.keeper.start()
    with patch.object(
        TelemetryStore, "write", side_effect=sqlite3.OperationalError("disk is full")
    ):
        for _ in range(WAITING_MINUTES + 10):
            keeping.minutes(1)
            await asyncio.sleep(0)
        async with asyncio.timeout(20):
            while keeping.keeper.problem is None:
                await asyncio.sleep(0.01)
    assert "disk is full" in keeping.keeper.problem
    async with asyncio.timeout(20):
        while keeping.keeper.problem is not None:
            keeping.minutes(1)
            await asyncio.sleep(0.01)
    await keeping.stored_at_last(WAITING_MINUTES)
    await keeping.keeper.stop()
    told = [item.message for item in caplog.records if "netflex" in item.name]
    assert len(told) == 3, "not stored, lost, stored again; each once"
    assert sum("disk is full" in text for text in told) == 1
    assert sum("Readings are lost" in text for text in told) == 1
    assert re.search(r"stored again; [1-9]\d* minutes of them are lost", told[-1])
    with TelemetryStore(tmp_path / "telemetry.db") as store:
        kept = store.readings(POWER.key, 0, 10**9)
    assert kept[0].at > 0, "the oldest went"
    assert [later.at - sooner.at for sooner, later in pairwise(kept)] == [60] * (
        len(kept) - 1
    )


async def test_a_minute_that_makes_room_while_it_is_written_costs_no_other(
    tmp_path: Path,
) -> None:
    keeping = Keeping(tmp_path / "telemetry.db")
    await keeping.keeper.start()
    # All of it in one turn of the loop: the first write has not come back.
    keeping.minutes(WAITING_MINUTES + 10)
    await asyncio.wait_for(asyncio.shield(keeping.keeper._writing), 20)
    keeping.minutes(1)
    await keeping.stored_at_last(WAITING_MINUTES)
    await keeping.keeper.stop()


async def test_old_readings_are_forgotten_as_time_goes_by(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path / "telemetry.db", bounds=Bounds(days=1, megabytes=9))
    await keeping.keeper.start()
    keeping.minutes(3)
    await keeping.stored_at_last(2)
    keeping.now += 2 * 86400
    keeping.minutes(2)
    async with asyncio.timeout(20):
        while await keeping.keeper.ask(lambda store: store.readings("power", 0, 180)):
            await asyncio.sleep(0.01)
    await keeping.keeper.stop()


async def test_nothing_of_the_store_happens_on_the_event_loop(tmp_path: Path) -> None:
    threads: dict[str, set[int]] = {}

    class Watched(sqlite3.Connection):
        def execute(self, sql: str, *given: Any) -> sqlite3.Cursor:
            verb = sql.split(maxsplit=1)[0].upper() if sql.strip() else ""
            threads.setdefault(verb, set()).add(threading.get_ident())
            return super().execute(sql, *given)

        def executemany(self, sql: str, given: Any) -> sqlite3.Cursor:
            verb = sql.split(maxsplit=1)[0].upper()
            threads.setdefault(verb, set()).add(threading.get_ident())
            return super().executemany(sql, given)

        def close(self) -> None:
            threads.setdefault("CLOSE", set()).add(threading.get_ident())
            super().close()

    connect = partial(sqlite3.connect, factory=Watched)
    with patch.object(sqlite3, "connect", connect):
        keeping = Keeping(tmp_path / "telemetry.db", bounds=Bounds(days=1))
        await keeping.keeper.start()
    keeping.minutes(3)
    await keeping.stored_at_last(2)
    # Two days later, so that something is pruned; then a gap is filled.
    keeping.now += 2 * 86400
    keeping.minutes(3)
    gap = [Reading(2 * 86400, 5.0)]
    assert await keeping.keeper.ask(lambda store: store.fill({POWER: gap})) == 1
    await keeping.keeper.ask(lambda store: store.erase([MODE.key]))
    await keeping.keeper.stop()
    assert {"BEGIN", "REPLACE", "INSERT", "DELETE", "COMMIT", "CLOSE"} <= threads.keys()
    assert len(set().union(*threads.values())) == 1
    assert threading.get_ident() not in threads["COMMIT"]
