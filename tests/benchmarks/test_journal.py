"""What the journal costs: records per second, and the time of a confirmation.

Station and RTU run on an event loop and thread of their own each. Orders are stored
in both cases; with the journal a confirmation waits for its record as well.
"""

import asyncio
from pathlib import Path
from statistics import median, quantiles
import time

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from custom_components.netflex.iec104 import ControllingConfig, ControllingStation
from custom_components.netflex.site.door import LoopThread
from custom_components.netflex.telecontrol.journal import Journal
from custom_components.netflex.telecontrol.journal_files import list_segments
from custom_components.netflex.telecontrol.journal_format import RecordKind
from custom_components.netflex.telecontrol.journal_verify import verify
from custom_components.netflex.telecontrol.order_store import OrderStore
from custom_components.netflex.telecontrol.points import DEFAULT_POINTS
from custom_components.netflex.telecontrol.settings import TelecontrolSettings
from custom_components.netflex.telecontrol.station import TelecontrolStation

pytestmark = [pytest.mark.usefixtures("socket_enabled"), pytest.mark.timeout(300)]

RECORDS = 50_000
RECORDS_PER_SECOND = 5_000.0
ORDERS = 1_000
ROUNDS = 5
ADDED_MS = 2.0
"""Median ms that the journal may add to a confirmation."""


async def write(folder: Path, count: int) -> float:
    """Return the s from the first record to the last one in the page cache."""
    journal = Journal(folder, queue_size=2 * count)
    journal.start(lambda _key, _text: None)
    await journal.settled(10.0)
    began = time.perf_counter()
    for number in range(count):
        journal.record(
            RecordKind.WRITE,
            {
                "causes": ["The grid operator's MAXSETP: 5000 W"],
                "device": "charger",
                "quantity": "current",
                "readback": 16.0,
                "value": number / 10,
            },
        )
    assert await journal.settled(60.0)
    seconds = time.perf_counter() - began
    await journal.close()
    return seconds


def test_records_per_second(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    count = RECORDS if benchmark.enabled else 500
    seconds: list[float] = []
    benchmark.pedantic(
        lambda: seconds.append(asyncio.run(write(tmp_path / "journal", count))),
        rounds=1,
        iterations=1,
    )
    began = time.perf_counter()
    verdict = verify(list_segments(tmp_path / "journal"), pause=lambda: True)
    checked = time.perf_counter() - began
    assert verdict is not None
    assert verdict.sound
    assert verdict.records >= count
    benchmark.extra_info["records_per_second"] = round(count / seconds[0])
    benchmark.extra_info["verified_per_second"] = round(verdict.records / checked)
    if benchmark.enabled:
        assert benchmark.extra_info["records_per_second"] > RECORDS_PER_SECOND


async def confirm(folder: Path, orders: int, *, journalled: bool) -> list[float]:
    """Return the ms from each order's APDU to its confirmation."""
    folder.mkdir(parents=True)
    loop = LoopThread("station")
    await loop.start()
    journal = Journal(folder / "journal") if journalled else None
    if journal is not None:
        journal.start(lambda _key, _text: None)

    async def begin() -> TelecontrolStation:
        station = TelecontrolStation(
            TelecontrolSettings(bind_address="127.0.0.1", port=0, allowed_clients=None),
            OrderStore(folder / "orders"),
            on_order=lambda _event, _orders: None,
            on_link=lambda _link: None,
            on_problem=lambda _key, _text: None,
            journal=journal,
        )
        await station.start()
        return station

    station = await loop.run(begin())
    client = ControllingStation(ControllingConfig())
    assert station.address is not None
    await client.connect(*station.address)
    await client.start_dt()
    point = DEFAULT_POINTS.by_name["maxsetp"]
    times = []
    for number in range(orders):
        began = time.perf_counter()
        result = await client.command(
            point.ioa,
            point.type_id,
            float(50 + number % 2),
            wait_termination=False,
        )
        times.append(1000 * (time.perf_counter() - began))
        assert result.accepted
    await client.close()
    await loop.run(station.stop())
    if journal is not None:
        await journal.close()
    await loop.stop()
    return times


def test_confirmation_waits_for_the_record_and_never_for_the_disk(
    benchmark: BenchmarkFixture, tmp_path: Path
) -> None:
    orders = ORDERS if benchmark.enabled else 10
    rounds = ROUNDS if benchmark.enabled else 1
    times: dict[bool, list[float]] = {False: [], True: []}

    def run() -> None:
        for number in range(rounds):
            for journalled, measured in times.items():
                folder = tmp_path / f"{number}-{journalled}"
                measured.extend(
                    asyncio.run(confirm(folder, orders, journalled=journalled))
                )

    benchmark.pedantic(run, rounds=1, iterations=1)
    for journalled, values in times.items():
        name = "with_journal" if journalled else "without_journal"
        p99 = quantiles(values, n=100)[98] if len(values) > 2 else max(values)
        benchmark.extra_info[f"{name}_median_ms"] = round(median(values), 3)
        benchmark.extra_info[f"{name}_p99_ms"] = round(p99, 3)
    assert len(times[True]) == len(times[False]) == rounds * orders
    if benchmark.enabled:
        assert median(times[True]) - median(times[False]) < ADDED_MS
