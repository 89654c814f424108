"""How long one decision takes, from five assets to a car park of a thousand."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from math import log
from time import process_time
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from custom_components.netflex.control.decide import decide
from custom_components.netflex.control.memory import EMPTY, Memory
from custom_components.netflex.model.asset import AssetState, Nature
from custom_components.netflex.model.connection import Feeder
from custom_components.netflex.model.demand import QuarterDemand
from custom_components.netflex.model.market import GridFrequency, Market
from custom_components.netflex.model.orders import NO_ORDERS, GridOrders
from custom_components.netflex.model.plan import Plan
from custom_components.netflex.model.programme import (
    BackupReserve,
    ChargeTo,
    CheapestHours,
    CurvePoint,
    DischargeTo,
    Dispatch,
    ExportAvoidance,
    FrequencyResponse,
    Hold,
    ImbalanceChase,
    ImportAvoidance,
    ImportAvoidanceWhenShort,
    PeakApproach,
    PeakDischarge,
    PeakShaving,
    PriceThreshold,
    SelfConsumption,
    TimedPrice,
)
from custom_components.netflex.model.snapshot import SiteModel, Snapshot
from tests.control.programmes import between, entry, imbalance, prices, programme, store
from tests.control.sites import (
    START,
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


QUARTER = QuarterDemand(
    start=START, elapsed=300.0, average=800.0, power=2000.0, complete=True
)


def earning() -> tuple[SiteModel, Market]:
    """Return four batteries with twenty modes each, and 48 h of quarterly prices."""
    morning, evening = between("07:00", "09:00"), between("17:00", "20:00")
    day, night = between("09:00", "17:00"), between("22:00", "06:00")
    curve = (CurvePoint(price=-50.0, charge=100.0), CurvePoint(price=90.0, charge=0.0))
    above = (CurvePoint(price=95.0, charge=100.0), CurvePoint(price=300.0, charge=0.0))
    rates = (TimedPrice(value=20.0, schedule=night), TimedPrice(value=5.0))
    modes = programme(
        Dispatch(),
        FrequencyResponse(power=3000.0),
        BackupReserve(charge=10.0),
        entry(DischargeTo(charge=30.0), morning),
        entry(PeakDischarge(charge=20.0), evening),
        ImbalanceChase(
            charge_curve=curve,
            discharge_curve=above,
            import_rates=rates,
            export_rates=rates,
        ),
        entry(ChargeTo(charge=80.0), night),
        entry(ChargeTo(charge=40.0), between("14:00", "15:00")),
        PeakApproach(
            peak=evening,
            force_charge=20.0,
            encourage_charge=90.0,
            assumed_power=3000.0,
        ),
        entry(CheapestHours(hours=3.0), night),
        entry(CheapestHours(hours=2.0), day),
        PriceThreshold(charge_below=-10.0, discharge_above=400.0),
        entry(PriceThreshold(charge_below=10.0, power=2000.0), day),
        PeakShaving(limit=9000.0),
        entry(PeakShaving(), evening),
        ImportAvoidanceWhenShort(),
        entry(ExportAvoidance(), day),
        entry(ImportAvoidance(), evening),
        entry(Hold(), between("02:00", "03:00")),
        SelfConsumption(reserve=15.0),
    )
    assert len(modes.entries) == 20
    batteries = [store(f"battery{n}") for n in range(4)]
    series = prices(
        *(60.0 + 40.0 * (n % 48 - 24) / 24 for n in range(192)),
        step=timedelta(minutes=15),
        stale_after=1e6,
    )
    market = Market(
        import_price=series,
        export_price=series,
        imbalance=imbalance(80.0, 93.0, stale_after=1e6),
    )
    given = {asset.id: modes for asset in batteries}
    return site(*batteries, inverter(), programmes=given), market


def test_decision_of_four_batteries_with_twenty_modes(
    benchmark: BenchmarkFixture,
) -> None:
    """Prices of 48 h and an imbalance are known; target 2 ms, median."""
    model, market = earning()
    memory, at = EMPTY, 100.0

    def once() -> Plan:
        nonlocal memory, at
        at += 1.0
        states = {
            name: state(asset, 0.0, at)
            for name, asset in model.assets.items()
            if asset.nature is Nature.BATTERY
        }
        states["sun"] = state(model.assets["sun"], -3000.0, at)
        # The meter wavers, so that nothing is left where it was.
        snapshot = Snapshot(
            reading=reading(1500.0 + 400.0 * (at % 3), at),
            states=states,
            market=market,
            frequency=GridFrequency(value=50.0, received=at),
            quarter=QUARTER,
        )
        now = replace(clock(at), utc=START + timedelta(seconds=at))
        result, memory = decide(model, snapshot, memory, now)
        return result

    result = benchmark.pedantic(once, rounds=100, iterations=1, warmup_rounds=10)
    assert len(result.programmes) == 4
    assert all(item.active for item in result.programmes.values())
    stats: Any = benchmark.stats
    if stats is not None:
        assert stats.stats.median * 1000 <= 2.0 * MARGIN
