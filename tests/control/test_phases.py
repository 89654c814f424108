"""From three phases to one and back, with its guards."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from custom_components.netflex.control.memory import EMPTY, Memory, from_dict, to_dict
from custom_components.netflex.model.orders import NO_ORDERS
from custom_components.netflex.model.snapshot import UserLimits

from .closed_loop import Loop, SwitchingCar, worst
from .sites import charger, keys, orders, plan, reading, site, state, step, stop

CAR = charger("car", maximum=16.0, switches_phases=True)


def loop(
    base: Callable[[float], tuple[float, float, float]], **options: Any
) -> tuple[Loop, SwitchingCar]:
    car = SwitchingCar(asset=CAR, **options)
    model = site(CAR, main_fuse=20.0, contract_consumption=None)
    return Loop(site=model, devices=[car], base=base, noise=0.0), car


def test_row_12_one_phase_comes_before_none() -> None:
    """L2 and L3 are full: the minimum fits on L1 alone."""
    full, car = loop(lambda _: (500.0, 3900.0, 3900.0))
    samples = full.run(200)
    assert car.switches[0][1] == 1
    assert car.switches[0][0] >= 1000 + 30
    assert samples[-1].devices["car"] >= 15.5 * 230
    assert worst(samples, lambda s: max(s.currents)) <= 20.1
    assert len(car.switches) == 1


def test_row_12_it_says_why() -> None:
    model = site(CAR, main_fuse=20.0)
    measured = reading(0.0, currents=(2.0, 17.0, 17.0))
    memory: Memory = EMPTY
    for second in range(40):
        at = 100.0 + second
        waiting = state(CAR, 0.0, at, phase_choices=(1, 3))
        result, memory = step(
            model,
            replace(measured, received=at),
            {"car": waiting},
            memory=memory,
            at=at,
        )
        if result.setpoints["car"].phases == 1:
            break
    assert "phases" in keys(result, "car")
    assert result.setpoints["car"].value == 6


def test_row_13_it_comes_back_where_one_phase_is_not_enough() -> None:
    def base(at: float) -> tuple[float, float, float]:
        return (500.0, 3900.0, 3900.0) if at < 1200 else (500.0, 500.0, 500.0)

    full, car = loop(base)
    full.run(2000)
    assert [phases for _, phases in car.switches] == [1, 3]
    assert 600 <= car.switches[1][0] - 1200 <= 640
    assert full.samples[-1].devices["car"] > 10_000


def test_row_13_a_car_that_takes_less_than_one_phase_gives_stays_on_it() -> None:
    def base(at: float) -> tuple[float, float, float]:
        return (500.0, 3900.0, 3900.0) if at < 1200 else (500.0, 500.0, 500.0)

    full, car = loop(base, appetite=lambda _: 10.0)
    full.run(2000)
    assert [phases for _, phases in car.switches] == [1]


def test_row_14_no_line_is_overloaded_while_it_waits_for_three_phases() -> None:
    def base(at: float) -> tuple[float, float, float]:
        return (2000.0, 3900.0, 3900.0) if at < 1200 else (2000.0, 500.0, 500.0)

    full, car = loop(base, delay=4.0)
    samples = full.run(2200)
    assert worst(samples, lambda s: max(s.currents)) <= 20.1
    assert car.switches[-1][1] == 3


def test_phases_rest_between_two_changes_and_end_after_so_many() -> None:
    def base(at: float) -> tuple[float, float, float]:
        tight = int(at / 800) % 2 == 0
        return (500.0, 3900.0, 3900.0) if tight else (500.0, 500.0, 500.0)

    full, car = loop(base)
    full.run(20_000)
    gaps = [
        later - sooner
        for (sooner, _), (later, _) in zip(car.switches, car.switches[1:], strict=False)
    ]
    assert min(gaps) >= 300
    # Ten for one car, and one more down at the most: never up again.
    assert 10 <= len(car.switches) <= 11
    assert car.switches[-1][1] == 1


def test_the_next_car_starts_on_three_phases() -> None:
    full, car = loop(
        lambda at: (500.0, 3900.0, 3900.0) if at < 1200 else (500.0, 500.0, 500.0),
        appetite=lambda at: 0.0 if 1200 <= at < 1260 else 32.0,
    )
    full.run(320)
    assert [phases for _, phases in car.switches] == [1, 3]


def test_case_04_a_stop_outranks_a_change_of_phases() -> None:
    full, car = loop(lambda _: (500.0, 3900.0, 3900.0))
    full.orders = lambda at: stop("consumption") if at >= 1035 else NO_ORDERS
    samples = full.run(300)
    assert all(s.devices["car"] == 0 for s in samples if s.at > 1040)
    assert all(
        s.plan.setpoints["car"].value == 0 and s.plan.setpoints["car"].emergency
        for s in samples
        if s.at > 1035
    )
    before = len(car.switches)
    full.run(300)
    assert len(car.switches) == before


def test_no_change_without_the_users_word_or_the_devices() -> None:
    for asset, choices in (
        (charger("car", maximum=16.0), (1, 3)),
        (CAR, ()),
    ):
        model = site(asset, main_fuse=20.0)
        memory: Memory = EMPTY
        for second in range(60):
            at = 100.0 + second
            result, memory = step(
                model,
                reading(0.0, at, currents=(2.0, 18.0, 18.0)),
                {"car": state(asset, 0.0, at, phase_choices=choices)},
                memory=memory,
                at=at,
            )
        assert result.setpoints["car"].phases is None
        assert result.setpoints["car"].value == 0


def test_no_change_on_old_data() -> None:
    full, car = loop(lambda _: (500.0, 3900.0, 3900.0))
    full.meter_works = lambda at: at < 1010
    full.run(300)
    assert car.switches == []


def test_a_users_limit_in_watts_is_met_on_one_phase() -> None:
    full, car = loop(lambda _: (500.0, 500.0, 500.0))
    full.user = lambda _: {"car": UserLimits(power=2300.0)}
    full.run(300)
    assert car.switches[0][1] == 1
    assert full.samples[-1].devices["car"] == 2300


def test_the_operators_limit_is_met_on_one_phase_too() -> None:
    full, car = loop(lambda _: (300.0, 300.0, 300.0))
    full.site = site(CAR, main_fuse=20.0)
    full.orders = lambda _: orders(maxsetp=15.0)
    samples = full.run(300)
    assert car.switches[0][1] == 1
    assert samples[-1].devices["car"] > 1800
    assert worst(samples[20:], lambda s: s.power) <= 3010


def test_phases_survive_a_restart() -> None:
    full, _ = loop(lambda _: (500.0, 3900.0, 3900.0))
    full.run(100)
    kept = from_dict(to_dict(full.memory))
    assert kept.asset("car").phases == 1
    resumed = plan(
        full.site,
        reading(0.0, currents=(2.0, 17.0, 17.0)),
        {"car": state(CAR, 0.0, phase_choices=(1, 3), current_limit=0.0)},
        memory=kept,
    )
    assert resumed.setpoints["car"].phases == 1
