"""What each part of a site should bring, and how its answers are counted."""

from dataclasses import replace

import pytest

from custom_components.netflex.metering.dlms_objects import EXPECTED_PERIODS, PushGroup
from custom_components.netflex.metering.dlms_reader import TECHNICAL_PUSHES
from custom_components.netflex.model.asset import Asset, AssetState, Category, Nature
from custom_components.netflex.model.connection import (
    ConnectionPoint,
    GridType,
    LineValues,
)
from custom_components.netflex.model.reading import MeterReading, MeterRole
from custom_components.netflex.site.quality_feed import (
    QualityFeed,
    Slower,
    expectations,
)
from custom_components.netflex.site.view import MeterView, SiteView
from custom_components.netflex.telemetry.quality import SourceQuality
from custom_components.netflex.telemetry.quality_ledger import QualityLedger

POINT = ConnectionPoint(grid_type=GridType.STAR, main_fuse=25.0)
CAR = Asset(
    id="car",
    name="Charger",
    nature=Nature.CHARGER,
    category=Category.EV,
    rated_consumption=11_000.0,
)
SUN = Asset(
    id="sun",
    name="Inverter",
    nature=Nature.INVERTER,
    category=Category.SOLAR,
    rated_production=8000.0,
)
ASSETS = {"car": CAR, "sun": SUN}


def meter(**changes: object) -> MeterView:
    values = {
        "meter_id": "p1",
        "name": "Digital meter",
        "available": True,
        "good": 0,
        "reading": MeterReading(
            meter_id="p1", received=0.0, power=500.0, line_voltage=LineValues(l1=231.0)
        ),
    }
    return MeterView(**{**values, **changes})  # type: ignore[arg-type]


def view(moment: float, good: int = 0, **car: object) -> SiteView:
    state = AssetState(asset_id="car", available=True, at=moment, power=0.0)
    return SiteView(
        meters={"p1": meter(good=good)},
        states={
            "car": replace(state, **car),
            "sun": AssetState(asset_id="sun", available=True, power=-3000.0),
        },
    )


def run(
    periods: dict[str, float], views: list[tuple[float, SiteView]]
) -> QualityLedger:
    ledger = QualityLedger()
    feed = QualityFeed(ledger)
    for now, seen in views:
        feed.take(now, seen, POINT, ASSETS, periods)
    return ledger


def quality(
    ledger: QualityLedger, periods: dict[str, float], now: float, source: str
) -> SourceQuality:
    report = ledger.report(now, expectations(view(0.0), POINT, ASSETS, periods))
    (found,) = [item for item in report.sources if item.source == source]
    return found


POLLED = {"p1": 1.0, "car": 5.0}


def test_every_telegram_counts_also_between_two_views() -> None:
    views = [(float(at), view(float(at), good=at)) for at in range(0, 1200, 4)]
    found = quality(run(POLLED, views), POLLED, 1200.0, "p1")
    assert found.completeness == pytest.approx(1.0, abs=0.01)


def test_a_slow_rhythm_is_what_is_expected() -> None:
    views = []
    for at in range(0, 1200, 2):
        seen = view(float(at))
        slow = meter(good=at // 10, period=10.0)
        views.append((float(at), replace(seen, meters={"p1": slow})))
    ledger = run(POLLED, views)
    report = ledger.report(1200.0, expectations(views[-1][1], POINT, ASSETS, POLLED))
    assert report.sources[0].completeness == pytest.approx(1.0, abs=0.02)


def test_of_a_meter_that_pushes_groups_those_with_the_power_count() -> None:
    """Half of the technical pushes are lost, and others come in between."""
    periods = {"p1": EXPECTED_PERIODS[PushGroup.TECHNICAL]}
    views = []
    for at in range(0, 1200, 5):
        seen = meter(good=at // 10 + at, details={TECHNICAL_PUSHES: at // 10})
        views.append((float(at), replace(view(float(at)), meters={"p1": seen})))
    report = run(periods, views).report(
        1200.0, expectations(views[-1][1], POINT, ASSETS, periods)
    )
    assert report.sources[0].completeness == pytest.approx(0.5, abs=0.02)


def test_answers_beside_the_polls_do_not_count_twice() -> None:
    views = [(float(at), view(float(at))) for at in range(1200)]
    row = quality(run(POLLED, views), POLLED, 1200.0, "car").series[0]
    assert row.received <= row.expected * 1.7
    lazy = [(float(at), view(float(at - at % 10))) for at in range(1200)]
    found = quality(run(POLLED, lazy), POLLED, 1200.0, "car")
    assert found.completeness == pytest.approx(0.5, abs=0.02)


def test_a_device_away_is_missed() -> None:
    views = [
        (float(at), view(float(at), available=at < 600)) for at in range(0, 1200, 5)
    ]
    found = quality(run(POLLED, views), POLLED, 1200.0, "car")
    assert found.completeness == pytest.approx(0.5, abs=0.02)


def test_what_speaks_when_something_changes_is_looked_at_once_a_minute() -> None:
    views = [(float(at), view(float(at))) for at in range(0, 1200, 5)]
    found = quality(run({}, views), {}, 1200.0, "sun")
    assert found.completeness == pytest.approx(1.0, abs=0.06)
    assert found.series[0].expected == pytest.approx(20, abs=1)


def test_a_meter_that_was_set_up_anew_begins_again() -> None:
    views = [
        (0.0, view(0.0, good=5000)),
        (5.0, view(5.0, good=2)),
        (10.0, view(10.0, good=7)),
    ]
    row = quality(run(POLLED, views), POLLED, 10.0, "p1").series[0]
    assert row.received == 5


def test_the_bounds_follow_the_fuse_and_the_nameplate() -> None:
    by_source = {
        item.source: item for item in expectations(view(0.0), POINT, ASSETS, POLLED)
    }
    assert by_source["p1"].ranges["power"].high == pytest.approx(1.5 * 17_250, rel=0.01)
    assert by_source["p1"].ranges["line_current.L1"].high == 37.5
    assert by_source["car"].ranges["power"].high == 16_500.0
    assert by_source["sun"].ranges["power"].low == -12_000.0
    assert by_source["sun"].counters == ((), ("energy_produced",))
    sub = replace(view(0.0), meters={"p1": meter(role=MeterRole.SUBFEEDER)})
    (other, *_rest) = expectations(sub, POINT, ASSETS, POLLED)
    assert other.ranges["power"].high > 1e6


SLOWER = {
    "car": Slower(
        period=30.0, series=frozenset({"energy_consumed"}), detail="slow_polls"
    )
}


@pytest.mark.parametrize(("lost", "completeness"), [(1, 1.0), (2, 0.5)])
def test_a_series_of_slow_polls_is_expected_in_their_rhythm(
    lost: int, completeness: float
) -> None:
    """Its value stands in every answer; it counts when the slow poll was answered."""
    ledger = QualityLedger()
    feed = QualityFeed(ledger)
    seen = view(0.0)
    for at in range(0, 1200, 5):
        seen = view(
            float(at),
            energy_consumed=1000.0,
            details={"slow_polls": at // (30 * lost)},
        )
        feed.take(float(at), seen, POINT, ASSETS, POLLED, SLOWER)
    report = ledger.report(1200.0, expectations(seen, POINT, ASSETS, POLLED, SLOWER))
    (car,) = [item for item in report.sources if item.source == "car"]
    rows = {row.series: row for row in car.series}
    assert rows["power"].completeness == pytest.approx(1.0, abs=0.02)
    counter = rows["energy_consumed"]
    assert counter.expected == pytest.approx(40, abs=1)
    assert counter.completeness == pytest.approx(completeness, abs=0.05)
    missing = [fault.series for fault in report.faults if fault.source == "car"]
    assert missing == ([] if lost == 1 else ["energy_consumed"])
