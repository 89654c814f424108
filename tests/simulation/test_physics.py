"""The plant: what the parts draw is what the connection point sees."""

from math import sqrt
import random

import pytest

from custom_components.netflex.model.connection import GridType
from custom_components.netflex.simulation.household import SimulatedSite, SiteSettings
from custom_components.netflex.simulation.physics import (
    STEP,
    Battery,
    Boiler,
    ChargePoint,
    Contactor,
    Inverter,
    Plant,
    PlantPart,
)


def plant(*parts: PlantPart, grid_type: GridType = GridType.STAR) -> Plant:
    return Plant(grid_type, parts, random.Random(1))


def run(target: Plant, seconds: float) -> None:
    for _ in range(round(seconds / STEP)):
        target.step(STEP)


def site(seed: int = 1) -> SimulatedSite:
    return SimulatedSite(SiteSettings(seed=seed), clock=lambda: 0.0)


def test_same_seed_gives_the_same_day_and_another_seed_another() -> None:
    first, second, third = site(7), site(7), site(8)
    for one in (first, second, third):
        run(one.plant, 20)
    assert first.plant.connection == second.plant.connection
    assert first.plant.connection != third.plant.connection


def test_opening_the_contactor_takes_the_production_away_at_once() -> None:
    solar = Inverter(10_000, Contactor("solar"), sun=0.8)
    target = plant(solar)
    run(target, 15)
    assert target.connection.total_power == pytest.approx(-8_000)
    solar.feeder.closed = False
    target.step(STEP)
    assert target.connection.total_power == 0


def test_inverter_waits_before_it_feeds_again() -> None:
    solar = Inverter(10_000, Contactor("solar", closed=False), sun=1.0)
    target = plant(solar)
    run(target, 1)
    solar.feeder.closed = True
    run(target, solar.reconnect_delay - 0.2)
    assert solar.power == 0
    run(target, 10)
    assert solar.power == pytest.approx(-10_000)


def test_inverter_stays_below_its_ceiling_and_the_sun() -> None:
    solar = Inverter(10_000, Contactor("solar"), sun=1.0, ceiling=3_000)
    target = plant(solar)
    run(target, 15)
    assert solar.power == pytest.approx(-3_000)
    solar.sun = 0.1
    run(target, 2)
    assert solar.power == pytest.approx(-1_000)


@pytest.mark.parametrize(
    ("offered", "wanted", "expected"),
    [(5.9, 16, 0), (6, 16, 6), (20, 16, 16), (20, 4, 0), (0, 16, 0)],
)
def test_car_draws_nothing_below_six_amperes(
    offered: float, wanted: float, expected: float
) -> None:
    car = ChargePoint(Contactor("charger"), offered=offered, wanted=wanted)
    run(plant(car), 10)
    assert car.current == pytest.approx(expected)


def test_car_lets_go_within_half_a_second_of_a_pause() -> None:
    car = ChargePoint(Contactor("charger"), offered=16)
    target = plant(car)
    run(target, 10)
    assert car.current == 16
    car.offered = 0
    run(target, 0.5)
    assert car.current == 0


def test_pulled_cable_and_open_feeder_stop_the_current_hard() -> None:
    car = ChargePoint(Contactor("charger"), offered=16)
    target = plant(car)
    for attribute, owner in (("plugged", car), ("closed", car.feeder)):
        run(target, 10)
        assert car.current == 16
        setattr(owner, attribute, False)
        target.step(STEP)
        assert car.current == 0
        setattr(owner, attribute, True)


def test_battery_gives_back_less_than_it_took() -> None:
    battery = Battery(5_000, 5_000, 10_000, Contactor("battery"), state_of_charge=50)
    target = plant(battery)
    battery.target = 5_000
    run(target, 120)
    battery.target = -5_000
    run(target, 120)
    assert battery.state_of_charge < 50
    assert battery.energy_charged == pytest.approx(battery.energy_discharged, rel=0.01)


@pytest.mark.parametrize(("charge", "target"), [(0.0, -4_000.0), (100.0, 4_000.0)])
def test_empty_and_full_battery_refuse(charge: float, target: float) -> None:
    battery = Battery(
        5_000, 5_000, 10_000, Contactor("battery"), state_of_charge=charge
    )
    battery.target = target
    run(plant(battery), 2)
    assert battery.power == 0


def test_boiler_obeys_its_contactor_and_its_thermostat() -> None:
    boiler = Boiler(Contactor("boiler"), 2_400)
    target = plant(boiler)
    run(target, 1)
    assert target.connection.power == pytest.approx((0, 2_400, 0))
    boiler.temperature = 70
    run(target, 1)
    assert boiler.power == 0
    boiler.temperature = 50
    run(target, 1)
    assert boiler.power == 2_400
    boiler.contactor.closed = False
    run(target, 1)
    assert target.connection.total_power == 0


def test_star_currents_follow_the_power_of_each_line() -> None:
    target = plant(Boiler(Contactor("boiler"), 2_300, branch=2))
    run(target, 1)
    assert target.connection.current == pytest.approx((0, 0, 10))
    assert target.connection.voltage[2] < target.connection.voltage[0]


def test_delta_load_between_two_lines_loads_both_and_counts_once() -> None:
    target = plant(Boiler(Contactor("b"), 2_300, branch=1), grid_type=GridType.DELTA)
    run(target, 1)
    connection = target.connection
    assert connection.current == pytest.approx((0, 10, 10), abs=1e-9)
    assert connection.total_power == pytest.approx(2_300)
    assert connection.power[1] == 0
    assert connection.voltage[1] == 0


def test_delta_three_phase_load_draws_equal_line_currents() -> None:
    car = ChargePoint(
        Contactor("charger"), grid_type=GridType.DELTA, offered=16, wanted=16
    )
    target = plant(car, grid_type=GridType.DELTA)
    run(target, 10)
    assert target.connection.current == pytest.approx((16, 16, 16))
    assert target.connection.total_power == pytest.approx(16 * 230 * sqrt(3))


def test_single_phase_site_carries_everything_on_its_line() -> None:
    target = plant(
        Boiler(Contactor("b"), 2_300, branch=1), grid_type=GridType.SINGLE_PHASE
    )
    run(target, 1)
    assert target.connection.current == pytest.approx((10, 0, 0))


def test_energy_is_counted_by_direction() -> None:
    solar = Inverter(3_600, Contactor("solar"), sun=1.0)
    boiler = Boiler(Contactor("boiler"), 7_200, branch=0)
    target = plant(solar, boiler)
    run(target, 60)
    boiler.contactor.closed = False
    run(target, 60)
    assert target.import_energy == pytest.approx(60 * 3_600 / 3_600, rel=0.2)
    assert target.export_energy == pytest.approx(60 * 3_600 / 3_600, rel=0.02)
