"""Whole days of a site in closed loop, drawn into the report.

A quiet hour passes in steps of a minute (of ten seconds where a report is wanted);
around everything that happens the step is one or two seconds.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import exp, pi, sin

import pytest

from custom_components.netflex.model.connection import GridType, Line
from custom_components.netflex.model.demand import CapacityHold, CapacityTariff
from custom_components.netflex.model.modes import ChargerMode
from custom_components.netflex.model.orders import NO_ORDERS, GridOrders
from custom_components.netflex.model.plan import ComplianceState
from custom_components.netflex.model.snapshot import SiteModel, UserLimits
from tests.report import Show

from .closed_loop import Device, Loop, Sample, SwitchingCar, devices_of
from .sites import battery, charger, inverter, load, orders, site, stop

BEGIN = 12 * 3600.0
"""Loop time of midnight: the loop's clock begins at noon."""
HOUR = 3600.0
CLOSE = 180.0
"""s after an event that are looked at closely."""


def hour(at: float) -> float:
    """Return the hour of the day, 0 to 24."""
    return (at - BEGIN) / HOUR


def house(at: float) -> tuple[float, float, float]:
    """Return what a household draws on each line: more in the morning and evening."""
    now = hour(at)
    busy = exp(-((now - 7.5) ** 2) / 1.5) + 1.6 * exp(-((now - 19.0) ** 2) / 4.0)
    kettle = 2000.0 if int(now * 60) % 47 == 0 and 7 < now < 22 else 0.0
    return (250.0 + 700.0 * busy + kettle, 200.0 + 900.0 * busy, 150.0 + 500.0 * busy)


def sunshine(peak: float) -> Callable[[float], float]:
    """Return a day of sun with clouds, at most `peak` W."""

    def sun(at: float) -> float:
        now = hour(at)
        cloud = 0.35 if sin(at / 700.0) > 0.8 else 1.0
        return (
            max(0.0, sin((now - 7) / 12 * pi)) * peak * cloud if 7 < now < 19 else 0.0
        )

    return sun


@pytest.fixture
def coarse(draw: Show | None) -> float:
    """Return the step of quiet hours in s."""
    return 60.0 if draw is None else 10.0


def live(
    loop: Loop,
    coarse: float,
    events: Sequence[float] = (),
    *,
    fine: float = 1.0,
    hours: tuple[float, float] = (0.0, 24.0),
) -> list[Sample]:
    """Run a day, closely around the hours at which something happens."""
    loop.now = BEGIN + hours[0] * HOUR - 1.0
    loop.noise = 10.0
    for event in sorted(events):
        _run(loop, coarse, BEGIN + event * HOUR - 10.0)
        _run(loop, fine, BEGIN + event * HOUR + CLOSE)
    _run(loop, coarse, BEGIN + hours[1] * HOUR)
    return loop.samples


def _run(loop: Loop, step: float, end: float) -> None:
    loop.step = step
    while loop.now < end - 1e-6:
        loop.tick()


def at_hour(samples: list[Sample], begin: float, end: float) -> list[Sample]:
    return [s for s in samples if BEGIN + begin * HOUR <= s.at < BEGIN + end * HOUR]


def lasting(samples: list[Sample], broken: Callable[[Sample], bool]) -> int:
    """Return the longest run of samples in a row that break something."""
    longest = run = 0
    for sample in samples:
        run = run + 1 if broken(sample) else 0
        longest = max(longest, run)
    return longest


def daily(model: SiteModel, devices: list[Device], **options: object) -> Loop:
    return Loop(site=model, devices=devices, **({"base": house} | options))  # type: ignore[arg-type]


def test_winter_day_with_three_cars_on_a_25_ampere_delta_connection(
    coarse: float,
) -> None:
    """Three single-phase cars come home at six on 3 x 230 V and 25 A."""
    pairs = ((Line.L1, Line.L2), (Line.L2, Line.L3), (Line.L1, Line.L3))
    model = site(
        *(
            charger(name, lines=lines, phases=1)
            for name, lines in zip("abc", pairs, strict=True)
        ),
        grid_type=GridType.DELTA,
        main_fuse=25.0,
        contract_consumption=9200.0,
    )
    home = {"a": 18.0, "b": 18.5, "c": 19.0}
    devices = devices_of(
        model,
        **{
            name: {
                "delay": 4.0,
                "appetite": lambda at, since=since: (
                    16.0 if since < hour(at) < since + 5 else 0.0
                ),
            }
            for name, since in home.items()
        },
    )
    loop = daily(model, devices, unsigned=True)
    samples = live(loop, coarse, [18.0, 18.5, 19.0, 23.0])
    # A kettle is over the fuse for a sample, until the cars have followed.
    assert lasting(samples, lambda s: max(s.currents) > 25.3) <= 10
    evening = at_hour(samples, 20.0, 22.9)
    assert all(any(s.devices[name] > 1000 for s in evening) for name in "abc")
    power = [sum(s.devices[name] for name in "abc") for s in evening]
    assert sum(power) / len(power) > 4000.0


def test_sunny_day_without_injection(coarse: float) -> None:
    """MINSETP is 0 all day; battery and a solar car take what they can."""
    model = site(charger(maximum=16.0), battery(), inverter(rated=10_000.0))
    loop = daily(
        model,
        devices_of(
            model,
            sun={"sun": sunshine(9500.0), "delay": 3.0},
            battery={"charge": 20.0},
            car={"appetite": lambda at: 16.0 if 10 < hour(at) < 16 else 0.0},
        ),
        orders=lambda at: orders(minsetp=0.0),
        user=lambda at: {"car": UserLimits(mode=ChargerMode.SOLAR)},
    )
    samples = live(loop, coarse, [8.0, 10.0, 11.5, 13.0, 14.5, 16.0, 17.0])
    noon = at_hour(samples, 7.0, 19.0)
    close = [now for before, now in pairwise(noon) if now.at - before.at < 1.5]
    assert len(close) > 1000
    assert lasting(close, lambda s: s.power < -300.0) <= 10
    assert sum(s.power < -300.0 for s in close) <= len(close) * 0.05
    # The sun is used: the battery fills and the car charges.
    assert any(s.devices["car"] > 5000.0 for s in at_hour(samples, 11.0, 15.9))
    assert any(s.devices["battery"] > 3000.0 for s in noon)


STEPS = (100.0, 60.0, 30.0, 0.0, 100.0)


@pytest.mark.parametrize("name", ["maxsetp", "minsetp"])
def test_day_of_dso_steps_100_60_30_0_100(name: str, coarse: float) -> None:
    """One step every two hours, in one direction or the other."""
    hours = (9.0, 11.0, 13.0, 15.0, 17.0)

    def given(at: float) -> GridOrders:
        now = [p for p, since in zip(STEPS, hours, strict=True) if hour(at) >= since]
        return orders(**{name: now[-1]}) if now else NO_ORDERS

    model = site(
        charger(maximum=16.0),
        battery(rated=3000.0),
        inverter(rated=12_000.0),
        load(),
        contract_injection=10_000.0,
        contract_consumption=15_000.0,
    )
    loop = daily(
        model,
        devices_of(
            model,
            car={"delay": 6.0} if name == "maxsetp" else {"appetite": lambda at: 0.0},
            battery={"charge": 70.0, "capacity": 400_000.0},
            sun={"sun": lambda at: 11_500.0 if name == "minsetp" else 0.0},
            boiler={"duty": lambda at: name == "maxsetp"},
        ),
        base=lambda at: (300.0, 200.0, 100.0),
        orders=given,
    )
    samples = live(loop, coarse, hours)
    contract = 15_000.0 if name == "maxsetp" else 10_000.0
    sign = 1 if name == "maxsetp" else -1
    for percent, since in zip(STEPS, hours, strict=True):
        held = at_hour(samples, since + 60 / HOUR, since + 2.0 - 20 / HOUR)
        limit = contract * percent / 100
        assert held
        assert max(sign * s.power for s in held) <= limit + 150.0
        for sample in held:
            (found,) = sample.plan.compliance
            assert found.state is ComplianceState.INSIDE
            assert found.seconds is not None
            assert found.seconds < 60.0


def test_day_with_a_stop_during_a_phase_switch(coarse: float) -> None:
    """A solar car changes between one and three phases, and a stop comes in between."""
    model = site(charger(maximum=16.0, switches_phases=True), inverter(rated=12_000.0))
    car = SwitchingCar(asset=model.assets["car"], appetite=lambda at: 16.0)
    devices = [car, *devices_of(site(inverter(rated=12_000.0)))]
    devices[1].sun = lambda at: 2500.0 if hour(at) < 12 else 9000.0  # type: ignore[attr-defined]
    stopped = [0.0]

    def given(at: float) -> GridOrders:
        # The stop comes while the charger rests in the middle of its change.
        if not stopped[0] and car.switches and at < car.resting_until:
            stopped[0] = at
        inside = stopped[0] and stopped[0] <= at < stopped[0] + 900.0
        return stop("consumption") if inside else NO_ORDERS

    loop = daily(
        model,
        devices,
        base=lambda at: (200.0, 200.0, 200.0),
        orders=given,
        user=lambda at: {"car": UserLimits(mode=ChargerMode.SOLAR)},
    )
    live(loop, coarse, [7.02, 7.07, 7.12, 12.0], hours=(7.0, 19.0))
    assert car.switches
    assert stopped[0]
    during = [s for s in loop.samples if stopped[0] + 5 <= s.at < stopped[0] + 890]
    assert during
    assert all(s.devices["car"] == 0.0 for s in during)
    assert all(s.plan.setpoints["car"].value == 0.0 for s in during)
    later = [s for s in loop.samples if s.at > stopped[0] + 1800]
    assert any(s.devices["car"] > 0.0 for s in later)


def test_day_of_sun_and_charging_whose_production_is_stopped(coarse: float) -> None:
    """30 kW of sun and 40 kW of charging on 63 A; the main fuse must hold."""
    model = site(
        charger("left"), charger("right"), inverter(rated=30_000.0), main_fuse=63.0
    )
    loop = daily(
        model,
        devices_of(
            model,
            left={"delay": 1.0, "appetite": lambda at: 29.0 if hour(at) > 9 else 0.0},
            right={"delay": 1.0, "appetite": lambda at: 29.0 if hour(at) > 9 else 0.0},
            sun={"delay": 1.0, "sun": lambda at: 30_000.0 if 9 < hour(at) < 17 else 0},
        ),
        base=lambda at: (500.0,) * 3,
        orders=lambda at: stop("production") if 12 <= hour(at) < 14 else NO_ORDERS,
    )
    samples = live(loop, coarse, [9.0, 12.0, 14.0])
    before = at_hour(samples, 11.5, 12.0)[-1]
    assert before.devices["left"] + before.devices["right"] > 39_000.0
    stopped = at_hour(samples, 12.0, 14.0)
    assert max(max(s.currents) for s in stopped) <= 63.0
    assert all(s.devices["sun"] == 0.0 for s in stopped[3:])


def test_day_with_a_base_load_above_maxsetp(coarse: float) -> None:
    """MAXSETP 20 % from six to nine in the evening: the house alone draws more."""
    model = site(charger(), load(), contract_consumption=10_000.0)
    loop = daily(
        model,
        devices_of(model),
        base=lambda at: (1000.0,) * 3 if 18 < hour(at) < 21 else (300.0,) * 3,
        orders=lambda at: orders(maxsetp=20.0) if 18 <= hour(at) < 22 else NO_ORDERS,
    )
    samples = live(loop, coarse, [18.0, 21.0, 22.0])
    hard = at_hour(samples, 18.05, 20.95)
    assert all(s.devices["car"] == 0.0 == s.devices["boiler"] for s in hard)
    assert {s.plan.compliance[0].state for s in hard} == {ComplianceState.INFEASIBLE}
    assert hard[-1].plan.infeasible[0].missing == pytest.approx(1000.0, abs=60.0)
    eased = at_hour(samples, 21.1, 21.9)
    assert {s.plan.compliance[0].state for s in eased} == {ComplianceState.INSIDE}
    assert samples[-1].devices["car"] > 0.0


def test_day_with_the_meter_lost_for_ten_minutes(coarse: float) -> None:
    """The meter is silent from noon for ten minutes, with a limit in force."""
    model = site(charger(safe_current=8.0), inverter())
    loop = daily(
        model,
        devices_of(model, sun={"sun": lambda at: 3000.0 if 9 < hour(at) < 17 else 0}),
        orders=lambda at: orders(maxsetp=60.0),
        meter_works=lambda at: not 12.0 <= hour(at) < 12.0 + 1 / 6,
    )
    samples = live(loop, coarse, [12.0, 12.06, 12.12, 12.18])
    lost = at_hour(samples, 12.0 + 15 / HOUR, 12.16)
    assert all(s.devices["car"] <= 8.0 * 690 + 1 for s in lost)
    assert all(not s.plan.metered for s in lost)
    told = [s.plan.setpoints["car"].value or 0.0 for s in at_hour(samples, 12.0, 12.16)]
    assert all(later <= before for before, later in pairwise(told))
    back = at_hour(samples, 12.5, 24.0)
    assert back[-1].devices["car"] > 8.0 * 690


def test_day_of_hunting_the_quarter_peak(coarse: float) -> None:
    """Two cars charge all day below 5 kW of demand; a battery shaves the kettles."""
    model = site(
        charger(maximum=16.0),
        charger("second", lines=(Line.L2,), maximum=16.0),
        battery(rated=2000.0),
        tariff=CapacityTariff(target=5000.0, price=45.0, hold=CapacityHold.TARGET),
    )
    loop = daily(model, devices_of(model, battery={"charge": 60.0}))
    live(loop, min(coarse, 30.0))
    whole = loop.quarters[2:]
    assert len(whole) >= 90
    # A kettle that begins in the last step of a quarter cannot be made up for.
    assert max(whole) <= 5070.0
    # What is free is used.
    assert sum(whole) / len(whole) > 4300.0


def test_day_of_forty_cars_on_63_amperes(coarse: float) -> None:
    """Forty cars on one 63 A connection come within half an hour; all get their turn."""
    lines = ((Line.L1,), (Line.L2,), (Line.L3,))
    cars = [
        charger(f"car{number:02}", lines=lines[number % 3], maximum=16.0)
        for number in range(40)
    ]
    model = site(*cars, main_fuse=63.0, contract_consumption=43_000.0)
    loop = daily(
        model,
        devices_of(
            model,
            **{
                car.id: {
                    "delay": 2.0 + index % 5,
                    "appetite": lambda at, since=8.0 + index / 80: (
                        16.0 if since <= hour(at) < 17 else 0.0
                    ),
                }
                for index, car in enumerate(cars)
            },
        ),
        base=lambda at: (800.0,) * 3,
    )
    samples = live(loop, coarse, [8.2, 12.0], fine=2.0, hours=(7.0, 18.0))
    assert lasting(samples, lambda s: max(s.currents) > 63.3) <= 4
    energy = dict.fromkeys((car.id for car in cars), 0.0)
    for before, sample in pairwise(samples):
        for car_id in energy:
            energy[car_id] += sample.devices[car_id] * (sample.at - before.at) / HOUR
    # Less than everyone's minimum is there: turns are taken, nobody is left out.
    assert min(energy.values()) > 3000.0
    assert max(energy.values()) < 3 * min(energy.values())
