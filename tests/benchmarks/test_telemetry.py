"""What readings cost: bytes on the disk, and time to sum a year up."""

from datetime import UTC
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from custom_components.netflex.telemetry.store import TelemetryStore
from custom_components.netflex.telemetry.values import (
    Reading,
    Resolution,
    Series,
    SeriesKind,
)

YEAR = 365 * 86400


def fill(path: Path, minutes: int, series: int) -> TelemetryStore:
    """Store readings a day at a time, half of them counters."""
    store = TelemetryStore(path)
    kinds = (SeriesKind.GAUGE, SeriesKind.COUNTER)
    named = [
        Series(key=f"s{number}", kind=kinds[number % 2]) for number in range(series)
    ]
    for start in range(0, minutes, 1440):
        store.write(
            {
                item: [
                    Reading(60 * minute, 1.37 * minute)
                    for minute in range(start, min(start + 1440, minutes))
                ]
                for item in named
            }
        )
    return store


def test_bytes_of_a_reading(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Bytes a reading, roll-ups included, over a million readings."""
    minutes = 1440 if benchmark.disabled else 100_000
    store = fill(tmp_path / "telemetry.db", minutes, 10)
    benchmark.extra_info["bytes_per_reading"] = store.size / (minutes * 10)
    assert store.size / (minutes * 10) <= 100
    newest = {Series(key="s0", kind=SeriesKind.GAUGE): [Reading(60 * minutes, 1.0)]}
    benchmark(store.write, newest)
    store.close()


@pytest.mark.parametrize("kind", ["gauge", "counter"])
def test_a_year_at_half_hours(
    benchmark: BenchmarkFixture, tmp_path: Path, kind: str
) -> None:
    """Time to query a year of one series in 17 520 roll-ups."""
    minutes = 1440 if benchmark.disabled else YEAR // 60
    store = fill(tmp_path / "telemetry.db", minutes, 2)
    key = "s0" if kind == "gauge" else "s1"
    found = benchmark(store.buckets, key, 0, YEAR, Resolution.HALF_HOUR, UTC)
    assert len(found) == minutes // 30
    store.close()
