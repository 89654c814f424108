"""From a current on a line to the plan that yields to it, over an S1 port and a site.

The port plays at its real rate in pieces of 10 ms; both ends share one process and one
clock, so what the encoder of the other end takes counts too.
"""

import asyncio
from statistics import median, quantiles
import sys
import time

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tests.metering.s1_players import flow
from tests.site.fakes import until
from tests.site.test_power_meters import running

pytestmark = [pytest.mark.usefixtures("socket_enabled"), pytest.mark.timeout(300)]

WANTED_MS = 100.0
"""The median of the ms from the first sample above the fuse to the plan."""


async def measure(count: int) -> list[float]:
    """Return the ms from an overload on the line to the decision on it."""
    times: list[float] = []
    async with running() as bench:
        await until(lambda: bench.quality() is not None, 20.0)
        decide = bench.meters.power.on_overload
        seen: list[float] = []

        def decided() -> None:
            decide()
            if bench.meters.power.overloads():
                seen.append(time.monotonic())

        bench.meters.power.on_overload = decided
        for _ in range(count):
            bench.p1.say(20.0, 20.0, 20.0)
            seen.clear()
            begin = time.monotonic()
            bench.s1.state = flow(20.0, 60.0, 20.0)
            await until(lambda: bool(seen), 20.0)
            assert bench.told() == 0.0
            times.append(1000 * (seen[0] - begin))
            bench.s1.state = flow(20.0, 20.0, 20.0)
            await until(lambda: not bench.meters.power.overloads(), 20.0)
    return times


def test_overload_to_plan(
    benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    count = 100 if benchmark.enabled else 3
    times: list[float] = []
    benchmark.pedantic(
        lambda: times.extend(asyncio.run(measure(count))), rounds=1, iterations=1
    )
    assert len(times) == count
    p90 = quantiles(times, n=10)[8]
    with capsys.disabled():
        sys.stdout.write(
            f"\nS1 overload to plan: median {median(times):.0f} ms, p90 {p90:.0f} ms\n"
        )
    benchmark.extra_info.update(median_ms=median(times), p90_ms=p90)
    if benchmark.enabled:
        assert median(times) <= WANTED_MS
