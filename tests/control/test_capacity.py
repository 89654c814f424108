"""The capacity tariff: a soft limit on the quarter hour, on the meter's own clock."""

from dataclasses import replace
from datetime import timedelta

import pytest

from custom_components.netflex.control.decide import decide
from custom_components.netflex.control.memory import EMPTY
from custom_components.netflex.model.demand import (
    QUARTER,
    CapacityHold,
    CapacityTariff,
    QuarterDemand,
)
from custom_components.netflex.model.modes import BatteryMode, ChargerMode
from custom_components.netflex.model.plan import Plan, Source
from custom_components.netflex.model.reading import MonthPeak
from custom_components.netflex.model.snapshot import SiteModel, Snapshot, UserLimits

from .closed_loop import Loop, devices_of
from .sites import (
    START,
    battery,
    charger,
    clock,
    inverter,
    keys,
    load,
    orders,
    reading,
    site,
    state as state_of,
)

HOLD = CapacityTariff(target=5000.0, price=48.0, hold=CapacityHold.TARGET)


def quarter(elapsed: float, average: float, *, peak: float = 0.0) -> QuarterDemand:
    return QuarterDemand(
        start=START,
        elapsed=elapsed,
        average=average,
        power=4000.0,
        complete=True,
        month_peak=MonthPeak(power=peak, at=None),
    )


def planned(model: SiteModel, running: QuarterDemand | None, power: float) -> Plan:
    return decide(
        model,
        Snapshot(
            reading=reading(power),
            states={"car": state_of(model.assets["car"], 0.0)},
            quarter=running,
        ),
        EMPTY,
        clock(),
    )[0]


def test_it_holds_the_largest_of_peak_floor_and_target_or_follows_what_is_paid() -> (
    None
):
    def free(tariff: CapacityTariff, peak: float) -> float:
        model = site(charger(), tariff=tariff)
        found = planned(model, quarter(450.0, 1000.0, peak=peak), 1000.0).capacity
        assert found is not None
        return found.free

    assert free(HOLD, 0.0) == 5000.0
    assert free(HOLD, 6200.0) == 6200.0
    assert free(replace(HOLD, target=None), 0.0) == 2500.0
    paid = replace(HOLD, hold=CapacityHold.PAID)
    assert free(paid, 0.0) == 2500.0
    assert free(paid, 4100.0) == 4100.0
    off = site(charger(), tariff=replace(HOLD, hold=CapacityHold.OFF))
    assert planned(off, quarter(450.0, 1000.0), 1000.0).capacity is None
    # Without a meter that counts it there is nothing to hold.
    assert planned(site(charger(), tariff=HOLD), None, 1000.0).capacity is None


def test_the_import_that_it_allows_ends_the_quarter_at_the_target() -> None:
    model = site(charger(), tariff=HOLD)
    # Half the quarter at 2 kW (1 kW of its average): 8 kW may follow.
    result = planned(model, quarter(450.0, 1000.0), 2000.0)
    assert result.capacity is not None
    assert result.capacity.allowed == pytest.approx(8000.0)
    assert keys(result, "car") == ["capacity_tariff"]
    assert result.setpoints["car"].value == pytest.approx(6000.0 / 690, abs=0.1)


@pytest.mark.parametrize("average", [0.0, 4990.0, 5000.0, 5600.0])
def test_case_07_the_last_second_of_a_quarter_neither_opens_nor_breaks_anything(
    average: float,
) -> None:
    model = site(charger(), tariff=HOLD)
    result = planned(model, quarter(899.0, average), 2000.0)
    assert result.capacity is not None
    assert 0.0 <= result.capacity.allowed <= model.connection.fuse_power
    # What one minute would use up, not what one second would.
    assert result.capacity.allowed <= max(0.0, (5000.0 - average) * QUARTER / 60) + 1
    if average >= 5000.0:
        assert result.setpoints["car"].value == 0.0


def test_the_price_of_going_on_is_shown() -> None:
    model = site(charger(), tariff=HOLD)
    running = replace(quarter(450.0, 4000.0), power=8000.0)
    result = planned(model, running, 8000.0).capacity
    assert result is not None
    # 4 + 8 / 2 = 8 kW: 3 kW above, each 48 a year, a twelfth of it for this month.
    assert result.forecast == pytest.approx(8000.0)
    assert result.cost == pytest.approx(12.0)
    text = next(
        limit.cause.text
        for limit in planned(model, running, 8000.0).limits
        if limit.source is Source.CAPACITY_TARIFF
    )
    assert "each kW more costs 4.00" in text


def hunting(*, tariff: CapacityTariff = HOLD, **options: object) -> Loop:
    """A car that wants 11 kW beside a base that comes and goes."""
    model = site(charger(maximum=16.0), *options.pop("assets", ()), tariff=tariff)
    return Loop(
        site=model,
        devices=devices_of(model, **options.pop("devices", {})),
        base=lambda at: (900.0,) * 3 if int(at) // 240 % 2 else (200.0,) * 3,
        step=5.0,
        **options,  # type: ignore[arg-type]
    )


def test_quarters_stay_below_the_target_and_use_it() -> None:
    loop = hunting()
    loop.run(2 * 3600)
    whole = loop.quarters[1:]
    assert len(whole) >= 6
    assert max(whole) <= 5000.0
    assert min(whole) > 4500.0


def test_the_users_deadline_goes_before_the_tariff_and_the_price_is_known() -> None:
    loop = hunting(
        user=lambda at: {
            "car": UserLimits(
                mode=ChargerMode.DEADLINE,
                energy=10_000.0,
                deadline=START + timedelta(seconds=1000 + 4200),
            )
        }
    )
    samples = loop.run(4200)
    assert max(loop.quarters) > 6000.0
    assert loop.memory.asset("car").mode.delivered == pytest.approx(10_000, rel=0.05)
    costs = [s.plan.capacity.cost for s in samples if s.plan.capacity is not None]
    assert max(cost for cost in costs if cost is not None) > 4.0
    assert any("car" in s.plan.capacity.urgent for s in samples if s.plan.capacity)
    texts = [c.text for s in samples for c in s.plan.setpoints["car"].causes]
    assert any("Goes before the capacity tariff" in text for text in texts)


def test_a_battery_shaves_the_peak_where_it_may() -> None:
    def peak(*, shave: bool) -> float:
        model = site(
            battery(rated=4000.0),
            tariff=replace(HOLD, target=3000.0, shave=shave),
        )
        loop = Loop(
            site=model,
            devices=devices_of(model, battery={"charge": 90.0}),
            base=lambda at: (2000.0,) * 3,
            step=5.0,
            # Idle by its mode: only the tariff moves it.
            user=lambda at: {"battery": UserLimits(mode=BatteryMode.IDLE)},
        )
        loop.run(2800)
        return max(loop.quarters[1:])

    assert peak(shave=False) == pytest.approx(6000.0, abs=100.0)
    assert peak(shave=True) <= 3000.0


def test_loads_yield_and_what_must_not_be_shed_does_not() -> None:
    loop = hunting(
        assets=(load("pump", rated=1000.0, never_shed=True), load(rated=3000.0)),
        tariff=replace(HOLD, target=3500.0),
    )
    samples = loop.run(3600)
    assert all(sample.plan.setpoints["pump"].value == 1.0 for sample in samples)
    assert max(loop.quarters[1:]) <= 3600.0


def test_a_limit_of_the_operator_is_never_loosened_by_it() -> None:
    loop = hunting(tariff=replace(HOLD, target=15_000.0))
    loop.orders = lambda at: orders(maxsetp=20.0)
    samples = loop.run(1800)
    assert max(sample.power for sample in samples[20:]) <= 4300.0


def test_production_is_no_reason_to_import_more_later_than_it_allows() -> None:
    loop = hunting(assets=(inverter(),), devices={"sun": {"sun": lambda at: 4000.0}})
    loop.run(3600)
    assert max(loop.quarters[1:]) <= 5000.0
