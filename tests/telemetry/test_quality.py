"""A day's data: what is missing, what cannot be, and nothing else."""

from collections.abc import Callable, Iterator
import json
from math import sin, tau
import random

from hypothesis import given, strategies as st
import pytest

from custom_components.netflex.telemetry.quality import (
    Expectation,
    Fault,
    FaultKind,
    Range,
    Thresholds,
)
from custom_components.netflex.telemetry.quality_ledger import DAY, QualityLedger
from custom_components.netflex.telemetry.quality_tally import HOUR

SIX = 1_767_420_000.0 - 1_767_420_000.0 % DAY + 6 * HOUR
"""06:00 UTC of a day."""

METER = Expectation(
    source="p1",
    name="Digital meter",
    period=10.0,
    ranges={
        "power": Range(low=-20_000, high=20_000),
        "voltage": Range(low=180, high=270),
    },
    restless=frozenset({"voltage"}),
    counters=(("energy_import",), ("energy_export",)),
)
CHARGER = Expectation(
    source="charger",
    name="Charger",
    period=30.0,
    ranges={"power": Range(low=-500, high=13_000)},
    counters=(("energy_consumed",), ()),
)
BOTH = (METER, CHARGER)

type Values = dict[str, float | None]
type Change = Callable[[float, Values], Values | None]


def keep(_at: float, values: Values) -> Values:
    return values


class Home:
    """A meter and a charger whose counters follow their power exactly."""

    def __init__(self) -> None:
        self.random = random.Random(4)
        self.energy = {"import": 1e6, "export": 5e5, "charger": 2e4}

    def meter(self, at: float) -> Values:
        power = 3000 * sin(tau * at / DAY) + self.random.uniform(-50, 50)
        self.energy["import" if power > 0 else "export"] += abs(power) * 10 / HOUR
        return {
            "power": power,
            "voltage": 230 + self.random.uniform(-3, 3),
            "energy_import": self.energy["import"],
            "energy_export": self.energy["export"],
        }

    def charger(self, at: float) -> Values:
        power = 7000.0 if at % DAY < 4 * HOUR else 0.0
        self.energy["charger"] += power * 30 / HOUR
        return {"power": power, "energy_consumed": self.energy["charger"]}


def times(start: float, end: float) -> Iterator[float]:
    at = start
    while at < end:
        yield at
        at += 10.0


def live(
    ledger: QualityLedger,
    meter: Change = keep,
    charger: Change = keep,
    *,
    start: float = SIX - DAY,
    end: float = SIX,
    offset: float = 0.3,
    asleep: Callable[[float], bool] = lambda _at: False,
) -> None:
    """Live through a time, with changes to what arrives."""
    home = Home()
    for at in times(start, end):
        coming = [(METER, meter(at, home.meter(at)))]
        if at % 30 == 0:
            coming.append((CHARGER, charger(at, home.charger(at))))
        if asleep(at):
            continue
        ledger.look(at, BOTH)
        for expectation, values in coming:
            if values is not None:
                clock = offset if expectation is METER else None
                ledger.arrive(at, expectation, values, clock_offset=clock)


def faults(ledger: QualityLedger) -> list[tuple[str, FaultKind, str | None]]:
    return [
        (fault.source, fault.kind, fault.series)
        for fault in ledger.report(SIX, BOTH).faults
    ]


def only(ledger: QualityLedger) -> Fault:
    (fault,) = ledger.report(SIX, BOTH).faults
    return fault


def test_a_good_day_has_no_fault() -> None:
    ledger = QualityLedger()
    live(ledger)
    report = ledger.report(SIX, BOTH)
    assert report.faults == ()
    assert (report.start, report.end) == (SIX - DAY, SIX)
    assert report.observed == pytest.approx(1.0, abs=0.001)
    for source in report.sources:
        assert source.completeness == pytest.approx(1.0, abs=0.001)
        assert source.plausibility == 1.0
    meter = report.sources[0]
    assert [row.series for row in meter.series] == [
        "energy_export",
        "energy_import",
        "power",
        "voltage",
    ]
    assert meter.clock_offset == pytest.approx(0.3)


def test_what_did_not_come_is_one_fault_of_its_device() -> None:
    ledger = QualityLedger()
    silent = SIX - 10 * HOUR
    live(ledger, charger=lambda at, values: values if at < silent else None)
    fault = only(ledger)
    assert (fault.source, fault.kind, fault.series) == (
        "charger",
        FaultKind.MISSING,
        None,
    )
    assert fault.amount == pytest.approx(10 / 24, abs=0.01)


def test_a_device_that_never_came_is_missing_as_a_whole() -> None:
    ledger = QualityLedger()
    live(ledger, charger=lambda _at, _values: None)
    fault = only(ledger)
    assert (fault.source, fault.kind, fault.amount) == (
        "charger",
        FaultKind.MISSING,
        1.0,
    )
    assert ledger.report(SIX, BOTH).sources[1].completeness == 0.0


def test_one_value_that_is_left_out_is_named() -> None:
    ledger = QualityLedger()
    live(
        ledger,
        meter=lambda at, values: (
            values | {"voltage": None} if at > SIX - 6 * HOUR else values
        ),
    )
    assert faults(ledger) == [("p1", FaultKind.MISSING, "voltage")]


def test_a_value_that_vanished_days_ago_is_still_missed() -> None:
    ledger = QualityLedger()
    live(ledger, start=SIX - 3 * DAY, end=SIX - 2 * DAY)
    live(
        ledger,
        meter=lambda _at, values: values | {"voltage": None},
        start=SIX - 2 * DAY,
    )
    assert faults(ledger) == [("p1", FaultKind.MISSING, "voltage")]
    assert only(ledger).amount == 1.0


def test_values_that_cannot_be_are_counted() -> None:
    ledger = QualityLedger()
    live(
        ledger,
        charger=lambda at, values: (
            values | {"power": 65_535.0} if at % 3600 < 60 else values
        ),
    )
    fault = only(ledger)
    assert (fault.source, fault.kind, fault.series) == (
        "charger",
        FaultKind.IMPLAUSIBLE,
        "power",
    )
    assert fault.amount == pytest.approx(2 / 120, abs=0.002)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_number_is_not_plausible(value: float) -> None:
    ledger = QualityLedger()
    ledger.look(SIX - 20, BOTH)
    ledger.arrive(SIX - 20, CHARGER, {"temperature": value})
    (row,) = ledger.report(SIX, BOTH).sources[1].series
    assert row.plausibility == 0.0


def test_a_counter_that_runs_backwards_cannot_be() -> None:
    ledger = QualityLedger()
    live(
        ledger,
        charger=lambda at, values: (
            values | {"energy_consumed": 1.0} if at % 7200 == 0 else values
        ),
    )
    assert ("charger", FaultKind.IMPLAUSIBLE, "energy_consumed") in faults(ledger)


def test_a_value_that_always_moves_and_stands_still_is_stuck() -> None:
    ledger = QualityLedger()
    live(
        ledger,
        meter=lambda at, values: (
            values | {"voltage": 231.4} if at > SIX - 5 * HOUR else values
        ),
    )
    fault = only(ledger)
    assert (fault.source, fault.kind, fault.series) == (
        "p1",
        FaultKind.STUCK,
        "voltage",
    )
    assert fault.amount == pytest.approx(5 * HOUR, abs=60)


@pytest.mark.parametrize(
    ("value", "hours"),
    [(231.4, 2.9), (0.0, 20.0)],
    ids=["not for long", "a line that is not there"],
)
def test_what_may_stand_still_is_not_stuck(value: float, hours: float) -> None:
    ledger = QualityLedger()
    live(
        ledger,
        meter=lambda at, values: (
            values | {"voltage": value} if at > SIX - hours * HOUR else values
        ),
    )
    assert FaultKind.STUCK not in [kind for _, kind, _ in faults(ledger)]


def test_counters_that_do_not_follow_the_power_are_named() -> None:
    ledger = QualityLedger()
    live(
        ledger,
        charger=lambda _at, values: values | {"power": (values["power"] or 0.0) * 0.8},
    )
    fault = only(ledger)
    assert (fault.source, fault.kind, fault.series) == (
        "charger",
        FaultKind.ENERGY,
        None,
    )
    # A fifth of four hours at 7 kW is counted and was never seen as power.
    assert fault.amount == pytest.approx(0.2 * 7000 * 4, rel=0.02)


def test_a_coarse_counter_is_not_blamed_for_its_steps() -> None:
    ledger = QualityLedger()

    def coarse(_at: float, values: Values) -> Values:
        energy = values["energy_consumed"]
        assert energy is not None
        return values | {"energy_consumed": energy - energy % 1000}

    live(ledger, charger=coarse)
    assert faults(ledger) == []


def test_a_clock_that_is_off_is_named() -> None:
    ledger = QualityLedger()
    live(ledger, offset=-95.0)
    fault = only(ledger)
    assert (fault.source, fault.kind, fault.amount) == (
        "p1",
        FaultKind.CLOCK,
        pytest.approx(-95.0),
    )


def test_a_time_in_which_nobody_looked_is_no_fault_of_a_device() -> None:
    ledger = QualityLedger()
    live(ledger, asleep=lambda at: SIX - 8 * HOUR < at < SIX - 6 * HOUR)
    fault = only(ledger)
    assert (fault.source, fault.kind) == ("", FaultKind.NOT_RUNNING)
    assert fault.amount == pytest.approx(2 * HOUR, abs=30)
    assert ledger.report(SIX, BOTH).observed == pytest.approx(22 / 24, abs=0.001)


def test_several_faults_are_each_named_and_nothing_else() -> None:
    ledger = QualityLedger()
    live(
        ledger,
        meter=lambda at, values: (
            values | {"voltage": 400.0} if at % 600 == 0 else values
        ),
        charger=lambda at, values: None if at % 120 == 0 else values,
        offset=44.0,
    )
    assert sorted(faults(ledger), key=str) == sorted(
        [
            ("p1", FaultKind.IMPLAUSIBLE, "voltage"),
            ("p1", FaultKind.CLOCK, None),
            ("charger", FaultKind.MISSING, None),
        ],
        key=str,
    )


def test_it_goes_on_after_a_restart() -> None:
    ledger = QualityLedger()
    noon = SIX - 18 * HOUR
    live(ledger, charger=lambda at, values: values if at % 60 else None, end=noon)
    kept = json.loads(json.dumps(ledger.to_dict()))
    ledger = QualityLedger.from_dict(kept)
    live(ledger, start=noon)
    report = ledger.report(SIX, BOTH)
    assert report.observed == pytest.approx(1.0, abs=0.001)
    assert only(ledger).amount == pytest.approx(0.5 * 6 / 24, abs=0.01)


@pytest.mark.parametrize(
    "stored",
    [{}, {"version": 2}, {"version": 1}, {"version": 1, "began": None, "seen": {}}],
)
def test_what_was_kept_in_another_form_is_refused(stored: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="version|damaged"):
        QualityLedger.from_dict(stored)


def test_a_removed_device_is_not_missed() -> None:
    ledger = QualityLedger()
    live(ledger, end=SIX - 12 * HOUR)
    ledger.forget_others(["p1"])
    assert [item.source for item in ledger.report(SIX, (METER,)).sources] == ["p1"]
    # It comes back as a new one: nothing of before is held against it.
    assert ledger.report(SIX, BOTH).sources[1].series == ()


def test_a_device_that_was_added_lately_is_not_judged_yet() -> None:
    ledger = QualityLedger()
    for at in times(SIX - 300, SIX):
        ledger.look(at, BOTH)
    report = ledger.report(SIX, BOTH)
    assert report.faults == ()
    assert report.sources[1].completeness is None


def test_only_a_day_is_kept() -> None:
    ledger = QualityLedger()
    live(ledger, start=SIX - 4 * DAY)
    assert len(ledger.to_dict()["hours"]) <= 26
    assert ledger.report(SIX, BOTH).observed == pytest.approx(1.0, abs=0.001)


@given(
    jumps=st.lists(
        st.tuples(st.floats(-1e6, 1e6), st.integers(1, 50)), min_size=1, max_size=20
    )
)
def test_no_clock_makes_more_than_was_looked_at(
    jumps: list[tuple[float, int]],
) -> None:
    ledger, now, looked = QualityLedger(), SIX, 0.0
    for jump, count in jumps:
        now += jump
        for _ in range(count):
            now += 10.0
            looked += 10.0
            ledger.look(now, BOTH)
            ledger.arrive(now, METER, {"power": 1.0})
    report = ledger.report(now, BOTH, Thresholds())
    assert 0.0 <= report.observed <= 1.0
    for row in report.sources[0].series:
        assert row.completeness is None or 0.0 <= row.completeness <= 1.0
