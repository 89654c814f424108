"""The quarter hour against what meters print, registers and closed forms."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.netflex.metering.demand import (
    NO_MEMORY,
    DemandMemory,
    billed_peak,
    follow,
    yearly_cost,
)
from custom_components.netflex.metering.p1 import parse_telegram
from custom_components.netflex.metering.p1_framer import TelegramFramer
from custom_components.netflex.metering.p1_reading import to_reading
from custom_components.netflex.metering.p1_values import SUMMER, WINTER
from custom_components.netflex.model.demand import MinimumRule, QuarterDemand
from custom_components.netflex.model.reading import MeterReading, MonthPeak

from .recordings import STREAM, reading_at, recorded

_NOON = datetime(2024, 3, 5, 12, 0, tzinfo=WINTER)


def _all(
    readings: Iterable[MeterReading], memory: DemandMemory = NO_MEMORY
) -> tuple[DemandMemory, list[QuarterDemand]]:
    demands = []
    for reading in readings:
        memory, demand = follow(memory, reading)
        if demand is not None:
            demands.append(demand)
    return memory, demands


def _seconds(
    start: datetime, count: int, power: float, *, register: float | None = None
) -> list[MeterReading]:
    """Return readings of a constant import, a second apart, the first at `start`."""
    return [
        reading_at(
            start + timedelta(seconds=second),
            power=power,
            energy_import=None
            if register is None
            else float(round(register + power * second / 3600)),
        )
        for second in range(count)
    ]


def test_recorded_quarter_is_reproduced_within_the_resolution_of_the_registers() -> (
    None
):
    readings = [
        to_reading(telegram, meter_id="meter", received=0.0)
        for telegram in TelegramFramer().feed(recorded(STREAM))
    ]
    _, demands = _all(readings)
    boundary = next(
        place for place, demand in enumerate(demands) if demand.elapsed == 0
    )
    assert demands[boundary].start == datetime(2022, 11, 27, 18, 0, tzinfo=WINTER)
    at_boundary = readings[boundary].energy_import
    assert at_boundary is not None
    integrated = 0.0
    for reading, demand in zip(readings[boundary:], demands[boundary:], strict=True):
        assert reading.energy_import is not None
        # The meter's own demand: what its registers counted in the quarter so far.
        assert demand.average == pytest.approx(
            (reading.energy_import - at_boundary) * 4
        )
        # And what its own power adds up to; a register shows whole Wh, 4 W each, and
        # so does the one at the boundary.
        assert abs(demand.average - integrated * 4) <= 8.0
        assert demand.complete
        integrated += (reading.power or 0.0) / 3600
    assert demands[-1].elapsed == 29
    assert not demands[boundary - 1].complete


@pytest.mark.parametrize(
    ("name", "elapsed", "printed", "forecast"),
    [
        ("be_emucs17_1ph_gas_empty_history", 56, 32, 32 + 524 * 844 / 900),
        ("be_emucs17_3ph_gas_3month_history", 180, 26, 26 + 132 * 720 / 900),
        (
            "be_emucs17_3ph_business_13months_trailing_ff",
            386,
            4065,
            4065 + 9258 * 514 / 900,
        ),
        ("be_emucs17_3x230_delta_peak", 356, 78, 78 + 182 * 544 / 900),
    ],
)
def test_printed_demand_is_taken_as_it_is(
    name: str, elapsed: int, printed: float, forecast: float
) -> None:
    telegram = parse_telegram(recorded(name).rstrip(b"\xff"))
    _, demand = follow(NO_MEMORY, to_reading(telegram, meter_id="m", received=0.0))
    assert demand is not None
    assert demand.elapsed == elapsed
    assert demand.average == pytest.approx(printed)
    assert demand.forecast == pytest.approx(forecast)
    assert demand.complete
    assert demand.month_peak == telegram.month_peak


def test_constant_import_is_its_own_forecast() -> None:
    _, demands = _all(_seconds(_NOON, 901, 3600.0, register=1000.0))
    for demand in demands[:-1]:
        assert demand.forecast == pytest.approx(3600.0, abs=4.0)
    assert demands[450].average == pytest.approx(1800.0)
    assert demands[-1].elapsed == 0
    assert demands[-1].finished is None
    _, more = _all(_seconds(_NOON - timedelta(seconds=5), 906, 3600.0, register=1000.0))
    assert more[-1].finished == pytest.approx(3600.0, abs=4.0)
    assert more[-1].month_peak == MonthPeak(
        power=more[-1].finished, at=_NOON + timedelta(minutes=15)
    )


def test_injection_does_not_count() -> None:
    readings = _seconds(_NOON - timedelta(seconds=2), 300, -5000.0)
    _, demands = _all(readings)
    assert demands[-1].average == 0
    assert demands[-1].forecast == 0
    assert demands[-1].power == 0


def test_power_alone_is_integrated() -> None:
    _, demands = _all(_seconds(_NOON - timedelta(seconds=1), 902, 2400.0))
    assert demands[-2].average == pytest.approx(2400 * 899 / 900)
    assert demands[-1].finished == pytest.approx(2400.0)
    assert demands[-1].complete


def test_beginning_that_was_not_seen_is_an_estimate() -> None:
    _, demands = _all(_seconds(_NOON + timedelta(seconds=300), 601, 1800.0))
    assert demands[0].average == pytest.approx(600.0)
    assert not demands[0].complete
    assert demands[0].forecast == pytest.approx(1800.0)
    assert demands[-1].elapsed == 0
    assert demands[-1].finished is None
    assert demands[-1].complete


def test_registers_bridge_a_gap_within_a_quarter() -> None:
    before = _seconds(_NOON - timedelta(seconds=3), 10, 0.0, register=5000.0)
    after = reading_at(
        _NOON + timedelta(minutes=10), power=0.0, energy_import=5000.0 + 250
    )
    _, demands = _all([*before, after])
    assert demands[-1].average == pytest.approx(1000.0)
    assert demands[-1].complete


def test_power_does_not_bridge_a_long_gap() -> None:
    before = _seconds(_NOON - timedelta(seconds=3), 10, 1000.0)
    _, demands = _all([*before, reading_at(_NOON + timedelta(minutes=10), power=0.0)])
    assert not demands[-1].complete


def test_gap_over_the_boundary_is_shared_out_and_is_an_estimate() -> None:
    before = _seconds(_NOON - timedelta(seconds=10), 11, 3600.0, register=100.0)
    after = reading_at(
        _NOON + timedelta(minutes=20),
        power=3600.0,
        energy_import=float(100 + 10 + 1200),
    )
    memory, demands = _all([*before, after])
    assert demands[-1].start == _NOON + timedelta(minutes=15)
    assert demands[-1].average == pytest.approx(1200.0, abs=4.0)
    assert not demands[-1].complete
    assert demands[-1].finished is None
    assert memory.peak is None


def test_one_missing_second_at_the_boundary_costs_nothing() -> None:
    readings = _seconds(_NOON - timedelta(seconds=20), 940, 3600.0, register=0.0)
    del readings[20], readings[918:921]
    _, demands = _all(readings)
    assert demands[-1].finished == pytest.approx(3600.0, abs=8.0)
    assert demands[-1].complete


def test_register_that_goes_back_is_another_meter() -> None:
    readings = _seconds(_NOON - timedelta(seconds=5), 100, 3600.0, register=90000.0)
    readings += _seconds(_NOON + timedelta(seconds=95), 100, 3600.0, register=10.0)
    _, demands = _all(readings)
    assert not demands[-1].complete
    assert demands[-1].average >= 0


def test_demand_that_lags_at_the_start_of_a_quarter_is_not_believed() -> None:
    readings = [
        reading_at(
            _NOON + timedelta(seconds=second),
            power=1000.0,
            energy_import=float(round(50000 + second * 1000 / 3600)),
            quarter_demand=4000.0 if second <= 1 else second * 1000 / 900,
        )
        for second in range(-3, 5)
    ]
    _, demands = _all(readings)
    by_elapsed = {demand.elapsed: demand.average for demand in demands}
    assert by_elapsed[899] == 4000.0
    assert by_elapsed[0] == pytest.approx(0.0, abs=4.0)
    assert by_elapsed[1] == pytest.approx(1.1, abs=4.0)
    assert by_elapsed[2] == pytest.approx(2.2, abs=0.1)


def test_case_08_the_double_hour_in_autumn_is_two_hours_of_quarters() -> None:
    first = datetime(2024, 10, 27, 2, 59, 50, tzinfo=SUMMER)
    readings = [
        reading_at(
            (first + timedelta(seconds=second)).astimezone(
                SUMMER if second < 10 else WINTER
            ),
            power=900.0,
        )
        for second in range(920)
    ]
    assert readings[10].meter_time is not None
    assert readings[10].meter_time.hour == 2
    _, demands = _all(readings)
    assert demands[10].elapsed == 0
    assert demands[9].start != demands[10].start
    assert demands[-1].finished == pytest.approx(900.0)
    again, _ = follow(
        NO_MEMORY, reading_at(datetime(2024, 10, 27, 2, 30, tzinfo=SUMMER), power=1.0)
    )
    _, demand = follow(
        again, reading_at(datetime(2024, 10, 27, 2, 30, tzinfo=WINTER), power=1.0)
    )
    assert demand is not None
    assert not demand.complete


def test_clock_set_back_within_a_quarter_goes_on() -> None:
    readings = _seconds(_NOON - timedelta(seconds=1), 200, 3600.0, register=0.0)
    memory, _ = _all(readings)
    back = reading_at(_NOON + timedelta(seconds=190), power=3600.0, energy_import=200.0)
    _, demand = follow(memory, back)
    assert demand is not None
    assert demand.elapsed == 190
    assert demand.average == pytest.approx(800.0, abs=8.0)


def test_clock_set_back_over_a_boundary_begins_anew() -> None:
    memory, _ = _all(_seconds(_NOON - timedelta(seconds=1), 30, 3600.0, register=0.0))
    back = reading_at(_NOON - timedelta(seconds=450), power=1000.0, energy_import=8.0)
    _, demand = follow(memory, back)
    assert demand is not None
    assert demand.average == pytest.approx(500.0)
    assert not demand.complete


def test_month_ends_with_the_quarter_that_ends_at_midnight() -> None:
    last = datetime(2024, 1, 31, 23, 44, 59, tzinfo=WINTER)
    memory, demands = _all(_seconds(last, 902, 5000.0))
    assert demands[-1].start == datetime(2024, 2, 1, tzinfo=WINTER)
    assert demands[-1].month_peak is None
    assert demands[-1].finished == pytest.approx(5000.0)
    (closed,) = memory.months
    assert closed.power == pytest.approx(5000.0)
    assert closed.at == closed.month_end == datetime(2024, 2, 1, tzinfo=WINTER)


def test_year_ends() -> None:
    last = datetime(2024, 12, 31, 23, 44, 59, tzinfo=WINTER)
    memory, _ = _all(_seconds(last, 902, 100.0))
    assert memory.months[0].month_end == datetime(2025, 1, 1, tzinfo=WINTER)


def test_peak_that_the_meter_still_prints_of_last_month_is_not_this_months() -> None:
    old = MonthPeak(power=7000.0, at=datetime(2024, 2, 1, tzinfo=WINTER))
    when = datetime(2024, 2, 1, 0, 0, 1, tzinfo=WINTER)
    _, demand = follow(NO_MEMORY, reading_at(when, power=1.0, month_peak=old))
    assert demand is not None
    assert demand.month_peak is None
    last = when - timedelta(seconds=2)
    _, demand = follow(NO_MEMORY, reading_at(last, power=1.0, month_peak=old))
    assert demand is not None
    assert demand.month_peak == old


def test_meter_without_a_clock_uses_the_time_that_is_given() -> None:
    reading = MeterReading(meter_id="meter", received=0.0, power=900.0)
    assert follow(NO_MEMORY, reading) == (NO_MEMORY, None)
    _, demand = follow(NO_MEMORY, reading, _NOON + timedelta(seconds=90))
    assert demand is not None
    assert (demand.elapsed, demand.start) == (90, _NOON)


def test_reading_without_any_measurement_changes_nothing() -> None:
    assert follow(NO_MEMORY, reading_at(_NOON)) == (NO_MEMORY, None)


def test_register_without_power_is_extrapolated() -> None:
    readings = [
        reading_at(_NOON + timedelta(seconds=step * 30), energy_import=step * 10.0)
        for step in range(-1, 11)
    ]
    _, demands = _all(readings)
    assert demands[-1].average == pytest.approx(400.0)
    assert demands[-1].forecast == pytest.approx(1200.0)


def test_headroom_ends_the_quarter_at_the_target() -> None:
    demand = QuarterDemand(
        start=_NOON, elapsed=300.0, average=1000.0, power=500.0, complete=True
    )
    room = demand.headroom(2500.0)
    assert room == pytest.approx(2250.0)
    assert demand.average + room * demand.remaining / 900 == pytest.approx(2500.0)
    assert demand.headroom(500.0) < 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-20000, 20000), min_size=1, max_size=20), st.integers(0, 10))
def test_average_is_what_was_imported_whatever_the_power_does(
    steps: list[float], lead: int
) -> None:
    start = _NOON - timedelta(seconds=lead + 1)
    powers = [steps[second // 46 % len(steps)] for second in range(lead + 902)]
    readings, register = [], 10_000.0
    for second, power in enumerate(powers):
        when = start + timedelta(seconds=second)
        readings.append(reading_at(when, power=power, energy_import=register))
        register += max(power, 0.0) / 3600
    _, demands = _all(readings)
    imported = sum(max(power, 0.0) for power in powers[lead + 1 : lead + 901]) / 3600
    assert demands[-1].finished == pytest.approx(imported * 4, abs=1e-3)


@pytest.mark.parametrize(
    ("rule", "mean"),
    [(MinimumRule.PER_MONTH, 3500.0), (MinimumRule.ON_MEAN, 2750.0)],
)
def test_minimum_is_per_month_or_on_the_mean(rule: MinimumRule, mean: float) -> None:
    months = [MonthPeak(power=power, at=_NOON) for power in (1000.0, 4500.0)]
    assert billed_peak(months, rule=rule) == mean


def test_billed_peak_is_over_twelve_months_with_the_running_one() -> None:
    history = parse_telegram(
        recorded("be_emucs17_3ph_business_13months_trailing_ff").rstrip(b"\xff")
    )
    assert history.month_peak is not None
    powers = [peak.power for peak in history.peak_history]
    assert billed_peak(history.peak_history) == pytest.approx(sum(powers[1:]) / 12)
    assert billed_peak(history.peak_history, history.month_peak) == pytest.approx(
        (sum(powers[2:]) + 25891) / 12
    )


def test_months_before_the_meter_was_there_do_not_count() -> None:
    for name, months in (
        ("be_emucs17_3ph_gas_water_history_invalid_ts", [1862, 4229, 4927]),
        (
            "be_emucs21_3ph_gas_water_ean_relays",
            [4198, 4147, 6511, 6341, 4379, 4524, 5871, 6227, 7529],
        ),
    ):
        history = parse_telegram(recorded(name)).peak_history
        assert len(history) == len(months) + 1
        assert billed_peak(history, minimum=0.0) == pytest.approx(
            sum(months) / len(months)
        )
    assert billed_peak(()) is None
    assert billed_peak((), MonthPeak(power=100.0, at=_NOON)) == 2500.0


def test_yearly_cost() -> None:
    assert yearly_cost(4000.0, 50.0) == 200.0


def test_quarters_are_the_same_in_every_time_zone() -> None:
    when = datetime(2024, 7, 1, 10, 7, 30, tzinfo=UTC)
    india = timezone(timedelta(hours=5, minutes=30))
    starts = set()
    for zone in (UTC, SUMMER, india):
        _, demand = follow(NO_MEMORY, reading_at(when.astimezone(zone), power=1.0))
        assert demand is not None
        assert demand.elapsed == 450
        starts.add(demand.start)
    assert len(starts) == 1
