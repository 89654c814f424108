"""Memory over very many telegrams, on the whole way from bytes to the site's view."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from pathlib import Path
import resource
import sys

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from custom_components.netflex.metering.p1_framer import TelegramFramer
from custom_components.netflex.metering.p1_reading import GridRecognition, to_reading
from custom_components.netflex.metering.source import MeterStatus
from custom_components.netflex.model.connection import GridType
from custom_components.netflex.site.config import MeterConfig
from custom_components.netflex.site.meters import SiteMeters
from tests.metering.recordings import STREAM, recorded, telegrams_of
from tests.site.fakes import FakeMeter

pytestmark = pytest.mark.timeout(3600)

TELEGRAMS = 1_000_000
SHARES = 10
DAMAGED_EVERY = 600
"""A good line: 0.17 % of the telegrams of a real recording are damaged."""
GROWTH_KB = 512
"""Of the resident memory between the first tenth of the telegrams and the last."""
START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def stream() -> Iterator[bytes]:
    """Return telegrams without end; now and then one has a damaged character."""
    for number, telegram in enumerate(cycle(telegrams_of(recorded(STREAM)))):
        if number % DAMAGED_EVERY == DAMAGED_EVERY - 1:
            middle = len(telegram) // 2
            yield telegram[:middle] + b"\xb3" + telegram[middle + 1 :]
        else:
            yield telegram


def resident_kb() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1024


async def run(count: int) -> list[int]:
    """Return the resident memory in kB after each share of the telegrams."""
    second = 0.0
    source = FakeMeter("meter")
    meters = SiteMeters(
        lambda _config: source,
        monotonic=lambda: second,
        local_time=lambda: START + timedelta(seconds=second),
    )
    meters.grid_type = GridType.DELTA
    await meters.add(MeterConfig(meter_id="meter", name="Meter", url="given"))
    framer, recognition = TelegramFramer(), GridRecognition()
    sizes: list[int] = []
    for number, data in enumerate(islice(stream(), count), 1):
        second += 1.0
        for telegram in framer.feed(data):
            recognition = recognition.after(telegram)
            source.read(
                to_reading(
                    telegram,
                    meter_id="meter",
                    received=second,
                    recognition=recognition,
                )
            )
        source.status = MeterStatus(good=framer.good, damaged=framer.damaged)
        meters.views(second)
        if number % (count // SHARES) == 0:
            sizes.append(resident_kb())
    assert framer.good + framer.damaged == count
    assert framer.damaged == count // DAMAGED_EVERY
    return sizes


def test_memory_is_flat(
    benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    count = TELEGRAMS if benchmark.enabled else 2000
    rounds: list[list[int]] = []
    benchmark.pedantic(
        lambda: rounds.append(asyncio.run(run(count))), rounds=1, iterations=1
    )
    (sizes,) = rounds
    with capsys.disabled():
        sys.stdout.write(f"\nresident kB after each tenth of {count}: {sizes}\n")
    benchmark.extra_info["resident_kb"] = sizes
    if benchmark.enabled:
        assert sizes[-1] - sizes[0] <= GROWTH_KB
