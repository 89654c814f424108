"""A battery's year at a quarter of an hour, run by the decision itself."""

from datetime import UTC, datetime, timedelta
from math import pi, sin
from time import process_time

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from custom_components.netflex.control.backtest import Options, backtest
from custom_components.netflex.model.flows import Conditions
from custom_components.netflex.model.programme import (
    CheapestHours,
    ModeEntry,
    Parameters,
    SelfConsumption,
)
from custom_components.netflex.telemetry.figures import total
from tests.control.programmes import between, entry, programme, store
from tests.control.sites import site

QUARTER = timedelta(minutes=15)
MARGIN = 2
"""A shared machine may be this much slower than the one that the target is for."""


def year(quarters: int) -> list[Conditions]:
    """Return quarter hours of a house with the sun and dynamic prices."""
    rows = []
    for n in range(quarters):
        hour = n % 96 / 4
        rows.append(
            Conditions(
                start=datetime(2025, 1, 1, tzinfo=UTC) + n * QUARTER,
                seconds=900.0,
                load=400.0 + 37.0 * (n % 11) + (900.0 if 17 <= hour < 22 else 0.0),
                production=max(0.0, sin((hour - 6) / 12 * pi)) * (800 + 29 * (n % 97)),
                import_price=150.0 + 100.0 * sin((hour - 10) / 6 * pi),
                export_price=30.0 + 100.0 * sin((hour - 10) / 6 * pi),
            )
        )
    return rows


@pytest.mark.parametrize(
    "modes",
    [
        (SelfConsumption(),),
        (
            entry(CheapestHours(hours=3.0, charge=60.0), between("22:00", "06:00")),
            SelfConsumption(reserve=10.0),
        ),
    ],
    ids=["self_consumption", "cheapest_hours"],
)
def test_a_year_of_one_battery(
    benchmark: BenchmarkFixture, modes: tuple[Parameters | ModeEntry, ...]
) -> None:
    """At most 60 s of one core; `decisions` per row are at least one."""
    rows = year(96 if benchmark.disabled else 365 * 96)
    model = site(store(), programmes={"battery": programme(*modes)})
    seconds = []

    def run() -> int:
        began = process_time()
        spans = list(backtest(model, rows, Options()))
        found = total(spans)
        seconds.append(process_time() - began)
        assert found.known == pytest.approx(len(rows) * 900.0)
        return len(spans)

    spans = benchmark.pedantic(run, rounds=1)
    benchmark.extra_info["decisions_per_row"] = spans / len(rows)
    benchmark.extra_info["processor_seconds"] = seconds[-1]
    assert seconds[-1] <= 60.0 * MARGIN
