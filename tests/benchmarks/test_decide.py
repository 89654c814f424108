"""How long one decision takes, from five assets to a car park of a thousand."""

from collections.abc import Callable
from dataclasses import replace
from math import log
from time import process_time
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from custom_components.netflex.control.decide import decide
from custom_components.netflex.control.memory import EMPTY, Memory
from custom_components.netflex.model.asset import AssetState
from custom_components.netflex.model.connection import Feeder
from custom_components.netflex.model.orders import NO_ORDERS, GridOrders
from custom_components.netflex.model.plan import Plan
from custom_components.netflex.model.snapshot import SiteModel, Snapshot
from tests.control.sites import (
    battery,
    charger,
    clock,
    inverter,
    load,
    orders,
    reading,
    site,
    state,
    stop,
)

MARGIN = 4
"""A shared machine may be this much slower than the one that the target is for."""


def mixed(size: int) -> SiteModel:
    """Return a site of `size` assets: a battery, inverters, loads, else chargers."""
    others = [battery(), inverter(), load()]
    others += [inverter(f"sun{n}") for n in range(size // 20)]
    others += [load(f"load{n}", phases=1) for n in range(size // 20)]
    chargers = [
        charger(f"car{n:04}", priority=n % 3, maximum=16.0 + n % 17)
        for n in range(size - len(others))
    ]
    return site(*others, *chargers, main_fuse=40.0 + 4.0 * size)


def feeding(size: int, feeders: int) -> SiteModel:
    """Return the same site with its assets spread over feeders, two levels deep.

    Every tenth feeder carries the nine after it; their fuses are tight.
    """
    model = mixed(size)
    names = sorted(model.assets)
    return replace(
        model,
        feeders=tuple(
            Feeder(
                id=f"feeder{n:02}",
                name=f"Row {n}",
                fuse=4.0 * size / feeders * (10 if n % 10 == 0 else 1),
                parent=None if n % 10 == 0 else f"feeder{n - n % 10:02}",
                members=frozenset(names[n::feeders]),
                other_loads=2.0,
            )
            for n in range(feeders)
        ),
    )


def runner(model: SiteModel, given: GridOrders) -> Callable[[], tuple[Plan, Memory]]:
    """Return a decision after which time goes on: every call has a new reading."""
    memory = EMPTY
    at = 100.0
    states: dict[str, AssetState] = {}

    def decide_once() -> tuple[Plan, Memory]:
        nonlocal memory, at
        at += 1.0
        snapshot = Snapshot(
            orders=given, reading=reading(900.0 * len(states), at), states=states
        )
        result, memory = decide(model, snapshot, memory, clock(at))
        return result, memory

    for name, asset in model.assets.items():
        power = {"charger": 4000.0, "inverter": -3000.0, "load": 2000.0}.get(
            asset.nature, 0.0
        )
        states[name] = state(asset, power, at + 59.0)
    return decide_once


@pytest.mark.parametrize(
    ("size", "feeders", "target"),
    [(5, 0, 1.0), (10, 0, 0.5), (100, 0, 5.0), (1000, 0, 20.0), (1000, 50, 20.0)],
)
def test_decision(
    benchmark: BenchmarkFixture, size: int, feeders: int, target: float
) -> None:
    """A limit is in force and a reading is new; target in ms, median."""
    model = feeding(size, feeders) if feeders else mixed(size)
    once = runner(model, orders(maxsetp=80.0, minsetap=60.0))
    result, _ = benchmark.pedantic(once, rounds=50, iterations=1, warmup_rounds=5)
    assert len(result.setpoints) == size
    stats: Any = benchmark.stats
    if stats is not None:
        assert stats.stats.median * 1000 <= target * MARGIN


def test_stop_of_a_thousand(benchmark: BenchmarkFixture) -> None:
    """The path of an emergency stop through the decision."""
    once = runner(mixed(1000), stop("production", "consumption"))
    result, _ = benchmark.pedantic(once, rounds=30, iterations=1, warmup_rounds=3)
    assert all(not item.value for item in result.setpoints.values())


SIZES = (10, 30, 100, 300, 1000, 3000)


def median_of(size: int) -> float:
    """Return the ms of processor time that one decision takes, the median of some."""
    once = runner(feeding(size, max(1, size // 20)), NO_ORDERS)
    times = []
    for _ in range(9):
        begin = process_time()
        once()
        times.append(process_time() - begin)
    return sorted(times)[4] * 1000


def plotted(times: dict[int, float]) -> str:
    """Return the growth as a plot: a bar for each size, as long as ms per n log n."""
    weights = {size: ms / (size * log(size)) for size, ms in times.items()}
    longest = max(weights.values())
    return "\n".join(
        f"{size:5} assets {times[size]:8.2f} ms "
        f"{'#' * max(1, round(40 * weight / longest))} {weight * 1e3:.2f} us per n log n"
        for size, weight in weights.items()
    )


def test_growth_is_no_worse_than_n_log_n(benchmark: BenchmarkFixture) -> None:
    """From 10 to 3,000 assets on feeders, two levels deep."""
    times = benchmark.pedantic(
        lambda: {size: median_of(size) for size in SIZES}, rounds=1
    )
    plot = plotted(times)
    benchmark.extra_info["growth_ms"] = {str(size): ms for size, ms in times.items()}
    benchmark.extra_info["growth"] = plot
    for small in (10, 100):
        for large in SIZES:
            if large > small:
                allowed = large * log(large) / (small * log(small))
                # A quarter more: other programs share the machine's caches.
                assert times[large] <= times[small] * allowed * 1.25, plot
