"""The store: what is kept, what is refused, what a kill costs."""

from datetime import UTC
from pathlib import Path
import shutil
import sqlite3
import subprocess
import sys

import pytest

from custom_components.netflex.telemetry.store import (
    TelemetryStore,
    TelemetryStoreError,
)
from custom_components.netflex.telemetry.values import (
    Gap,
    Reading,
    Resolution,
    Series,
    SeriesKind,
    TextReading,
)

POWER = Series(key="meter.power", kind=SeriesKind.GAUGE, unit="W")
ENERGY = Series(key="meter.import", kind=SeriesKind.COUNTER, unit="Wh")
MODE = Series(key="battery.mode", kind=SeriesKind.TEXT)
DAY = 86400


def powers(start: int, count: int, value: float = 100.0) -> list[Reading]:
    return [Reading(start + 60 * index, value) for index in range(count)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "telemetry.db"


def test_readings_come_back_at_every_resolution(path: Path) -> None:
    with TelemetryStore(path) as store:
        written = store.write(
            {
                POWER: powers(0, 120, 50.0) + powers(7200, 60, 200.0),
                ENERGY: [Reading(60 * index, float(index)) for index in range(181)],
            }
        )
        assert written == 180 + 181
        assert store.readings(POWER.key, 60, 180) == powers(60, 2, 50.0)
        for resolution, count in (
            (Resolution.MINUTE, 180),
            (Resolution.FIVE_MINUTES, 36),
            (Resolution.HALF_HOUR, 6),
            (Resolution.HOUR, 3),
            (Resolution.DAY, 1),
        ):
            gauge = store.buckets(POWER.key, 0, 10800, resolution, UTC)
            assert len(gauge) == count
            counter = store.buckets(ENERGY.key, 0, 10800, resolution, UTC)
            assert sum(item.delta or 0 for item in counter) == pytest.approx(180)
        (day,) = store.buckets(POWER.key, 0, 10800, Resolution.DAY, UTC)
        assert (day.mean, day.minimum, day.maximum) == (100.0, 50.0, 200.0)


def test_everything_is_there_after_it_was_closed(path: Path) -> None:
    with TelemetryStore(path) as store:
        store.write({POWER: powers(0, 5)}, {MODE: [TextReading(0, "peak")]})
    with TelemetryStore(path) as store:
        assert store.series() == [MODE, POWER]
        assert len(store.readings(POWER.key, 0, 300)) == 5
        assert store.texts(MODE.key, 0, 300) == [TextReading(0, "peak")]
        store.write({POWER: powers(300, 5)}, {MODE: [TextReading(300, "peak")]})
        assert len(store.readings(POWER.key, 0, 600)) == 10


def test_minute_by_minute_yields_the_same_roll_ups_as_all_at_once(path: Path) -> None:
    counter = [Reading(60 * index + 7, index * 3.0) for index in range(70)]
    with TelemetryStore(path) as store:
        for reading in counter:
            store.write({ENERGY: [reading]})
        for resolution in (Resolution.FIVE_MINUTES, Resolution.HOUR):
            found = store.buckets(ENERGY.key, 0, 3600, resolution, UTC)
            total = sum(item.delta or 0 for item in found)
            # 3 Wh a minute from the first reading to the edge of the hour.
            assert total == pytest.approx(3 * (3600 - 7) / 60)


def test_the_word_in_force_at_the_start_is_part_of_a_period(path: Path) -> None:
    with TelemetryStore(path) as store:
        words = [TextReading(0, "hold"), TextReading(500, "charge")]
        store.write({}, {MODE: words})
        assert store.texts(MODE.key, 300, 600) == words
        assert store.texts(MODE.key, 600, 900) == words[1:]
        assert store.texts("unknown", 0, 900) == []


def test_gaps_are_found_and_filled_without_touching_what_was_measured(
    path: Path,
) -> None:
    with TelemetryStore(path) as store:
        store.write({POWER: powers(0, 5) + powers(1200, 5)})
        assert store.gaps(POWER.key, 0, 1500) == [Gap(start=300, end=1200)]
        assert store.filled(POWER.key, 0, 1500) == []
        assert store.fill({POWER: powers(0, 20, 7.0)}) == 15
        assert store.gaps(POWER.key, 0, 1500) == []
        assert store.readings(POWER.key, 0, 60)[0].value == 100.0
        buckets = store.buckets(POWER.key, 0, 900, Resolution.FIVE_MINUTES, UTC)
        assert [item.mean for item in buckets] == [100.0, 7.0, 7.0]
        assert store.gaps("unknown", 0, 60) == [Gap(start=0, end=60)]
    with TelemetryStore(path) as store:
        assert store.filled(POWER.key, 0, 1500) == [Gap(start=300, end=1200)]
        assert store.filled(POWER.key, 600, 660) == [Gap(start=600, end=660)]
        # What is measured after all takes its place, and is marked no more.
        store.write({POWER: powers(600, 1, 50.0)})
        assert store.filled(POWER.key, 0, 1500) == [
            Gap(start=300, end=600),
            Gap(start=660, end=1200),
        ]
        store.prune(now=DAY + 900, days=1, megabytes=100)
        assert store.filled(POWER.key, 0, 1500) == [Gap(start=900, end=1200)]
        store.erase([POWER.key])
        assert store.filled(POWER.key, 0, 1500) == []


def test_a_counter_that_is_filled_in_never_falls(path: Path) -> None:
    def count(*values: tuple[int, float]) -> list[Reading]:
        return [Reading(at, value) for at, value in values]

    with TelemetryStore(path) as store:
        store.write({ENERGY: count((0, 100.0), (600, 200.0), (1200, 10.0))})
        given = count(
            (60, 99.0),  # below what was measured before
            (120, 130.0),
            (180, 120.0),  # below what was filled in before
            (240, 130.0),
            (300, 201.0),  # above what is measured afterwards
            (360, 190.0),
            (700, 205.0),  # before the reset, or after it?
            (1300, 9.0),
            (1360, 11.0),
        )
        assert store.fill({ENERGY: given}) == 4
        found = store.readings(ENERGY.key, 0, 2000)
        assert found == count(
            (0, 100.0),
            (120, 130.0),
            (240, 130.0),
            (360, 190.0),
            (600, 200.0),
            (1200, 10.0),
            (1360, 11.0),
        )
        buckets = store.buckets(ENERGY.key, 0, 600, Resolution.FIVE_MINUTES, UTC)
        assert sum(item.delta or 0 for item in buckets) == pytest.approx(100.0)
        marked = store.filled(ENERGY.key, 0, 2000)
        assert marked == [
            Gap(start=120, end=180),
            Gap(start=240, end=300),
            Gap(start=360, end=420),
            Gap(start=1360, end=1420),
        ]


def test_a_file_of_the_first_format_is_taken_over(path: Path) -> None:
    with TelemetryStore(path) as store:
        store.write({POWER: powers(0, 5)})
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE filled")
        db.execute("PRAGMA user_version = 1")
    db.close()
    for _ in range(2):
        with TelemetryStore(path) as store:
            assert len(store.readings(POWER.key, 0, 300)) == 5
            assert store.filled(POWER.key, 0, 300) == []


def test_a_series_does_not_change_its_kind_and_nothing_else_is_lost(
    path: Path,
) -> None:
    with TelemetryStore(path) as store:
        store.write({POWER: powers(0, 1)})
        other = Series(key=POWER.key, kind=SeriesKind.COUNTER)
        with pytest.raises(ValueError, match="is a gauge"):
            store.write({ENERGY: [Reading(0, 1.0)], other: [Reading(0, 1.0)]})
        assert store.readings(ENERGY.key, 0, 60) == [], "one transaction"
        store.write({ENERGY: [Reading(0, 1.0)]})
        assert len(store.readings(ENERGY.key, 0, 60)) == 1
    with TelemetryStore(path) as store:
        assert len(store.readings(ENERGY.key, 0, 60)) == 1, "known after a restart too"


def test_old_readings_go_and_their_roll_ups_stay(path: Path) -> None:
    with TelemetryStore(path) as store:
        store.write(
            {POWER: [Reading(hour * 3600, 1.0) for hour in range(24 * 10)]},
            {MODE: [TextReading(0, "hold")]},
        )
        oldest = store.prune(now=10 * DAY, days=3, megabytes=100)
        assert oldest == 7 * DAY
        assert store.readings(POWER.key, 0, 7 * DAY) == []
        assert len(store.readings(POWER.key, 7 * DAY, 10 * DAY)) == 72
        assert len(store.buckets(POWER.key, 0, 10 * DAY, Resolution.HOUR, UTC)) == 240
        assert store.texts(MODE.key, 9 * DAY, 10 * DAY) == [TextReading(0, "hold")]


def test_a_file_that_grows_too_large_keeps_the_newest(path: Path) -> None:
    with TelemetryStore(path) as store:
        store.write({POWER: powers(0, 1440 * 20)})
        before = store.size
        assert before > 500_000
        oldest = store.prune(now=20 * DAY, days=400, megabytes=0.3)
        assert store.size < 300_000
        assert oldest > 10 * DAY
        assert store.readings(POWER.key, 20 * DAY - 60, 20 * DAY)


def test_erased_series_leave_nothing(path: Path) -> None:
    with TelemetryStore(path) as store:
        store.write({POWER: powers(0, 9)}, {MODE: [TextReading(0, "hold")]})
        store.erase([POWER.key, "unknown"])
        assert store.series() == [MODE]
        store.write({POWER: powers(0, 1)})
        assert len(store.readings(POWER.key, 0, 900)) == 1


def test_a_newer_format_is_refused_and_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 7")
    db.close()
    before = path.read_bytes()
    with pytest.raises(TelemetryStoreError, match="another version"):
        TelemetryStore(path)
    assert path.read_bytes() == before


def test_a_file_that_is_none_is_said(path: Path) -> None:
    path.write_bytes(b"not a database at all, by no means" * 100)
    with pytest.raises(TelemetryStoreError, match="cannot be read"):
        TelemetryStore(path)


_WRITER = """
import os, signal, sys
from pathlib import Path
from custom_components.netflex.telemetry.store import TelemetryStore
from custom_components.netflex.telemetry.values import Reading, Series, SeriesKind
series = [Series(key=f"s{i}", kind=SeriesKind.GAUGE) for i in range(20)]
store = TelemetryStore(Path(sys.argv[1]))
for minute in range(10_000):
    store.write({item: [Reading(minute * 60, 1.0)] for item in series})
    print(minute, flush=True)
"""


def test_a_kill_costs_the_last_minute_at_most_and_never_the_file(path: Path) -> None:
    for _ in range(3):
        path.unlink(missing_ok=True)
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITER, path], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        last = -1
        for line in writer.stdout:
            last = int(line)
            if last >= 40:
                break
        writer.kill()
        confirmed = [last, *map(int, writer.stdout.read().split())][-1]
        writer.wait()
        writer.stdout.close()
        with TelemetryStore(path) as store:
            for index in range(20):
                kept = store.readings(f"s{index}", 0, 10**9)
                assert len(kept) in {confirmed + 1, confirmed + 2}
                assert [item.at for item in kept] == [60 * i for i in range(len(kept))]


@pytest.mark.parametrize("held", [True, False])
def test_a_copy_that_takes_its_time_is_whole_where_the_file_is_held(
    path: Path, tmp_path: Path, held: bool
) -> None:
    """The file, then much that is written and a close, then the log."""
    copy = tmp_path / "copy.db"
    store = TelemetryStore(path)
    store.write({POWER: powers(0, 100)})
    if held:
        store.hold(True)
    shutil.copy(path, copy)
    for day in range(1, 15):
        store.write({POWER: powers(day * DAY, 1440)})
    store.close()
    log = path.with_name("telemetry.db-wal")
    if log.exists():
        shutil.copy(log, copy.with_name("copy.db-wal"))
    with sqlite3.connect(copy, autocommit=True) as db:
        sound = db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        tables = db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
    db.close()
    if not held:
        # What a plain copy may be like: the first minutes were in the log alone.
        assert not sound or not tables
        return
    assert sound
    with TelemetryStore(copy) as again:
        assert len(again.readings(POWER.key, 0, 100 * DAY)) == 100 + 14 * 1440
    with TelemetryStore(path) as original:
        assert len(original.readings(POWER.key, 0, 100 * DAY)) == 100 + 14 * 1440
    assert not log.exists()
