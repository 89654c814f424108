"""Orders into a plant that moves: no over-tightening, no slow way back."""

from dataclasses import dataclass
from itertools import pairwise, product

import pytest

from custom_components.netflex.model.orders import NO_ORDERS

from .closed_loop import Car, Loop, Store, Sun
from .sites import battery, charger, inverter, orders, site


@dataclass(kw_only=True)
class Ramping(Car):
    """A car that rises slowly and falls at once."""

    slope: float = 1.0
    amps: float = 0.0

    def physics(self, at: float, seconds: float) -> float:
        limit = self.told or 0.0
        goal = min(limit, self.appetite(at)) if limit >= 6 else 0.0
        self.amps = min(goal, self.amps + self.slope * seconds)
        return self.amps * self.watts(len(self.lines()))


@pytest.mark.parametrize(
    ("after", "poll", "cars"), list(product((1, 3, 5, 8, 20), (1.0, 2.0, 5.0), (1, 2)))
)
def test_a_limit_on_cars_that_are_rising_is_met_exactly(
    after: int, poll: float, cars: int
) -> None:
    assets = [charger(f"car{number}", maximum=16.0) for number in range(cars)]
    loop = Loop(
        site=site(*assets, main_fuse=63.0, tolerance=0.01),
        devices=[
            Ramping(
                asset=asset,
                poll=poll,
                delay=1.5,
                appetite=lambda at: 32.0 if at > 1020 else 0.0,
            )
            for asset in assets
        ],
        orders=lambda at: orders(maxsetp=40.0) if at >= 1020 + after else NO_ORDERS,
        base=lambda _: (600, 600, 600),
    )
    loop.run(20 + after - 1)
    samples = loop.run(30)
    told = [
        sum(sample.plan.setpoints[asset.id].value or 0.0 for asset in assets)
        for sample in samples
    ]
    # 8 kW less the margin and the base leave 8.8 A: at once, and never less.
    assert min(told) >= 8.7
    assert max(told) <= 8.9
    assert all(sample.power <= 8000 for sample in samples[4:] if cars == 1)


@pytest.mark.parametrize(("after", "poll"), list(product((2, 3, 4, 5, 8), (2.0, 5.0))))
def test_MINSETP_while_the_sun_rises_leaves_the_inverter_what_would_do(
    after: int, poll: float
) -> None:
    """A car leaves and the sun rises in seconds; the inverter says so much later."""
    assets = (
        charger("car", maximum=16.0),
        inverter(rated=12_000.0),
        battery(rated=5000.0),
    )

    def sun(at: float) -> float:
        return min(12_000.0, 3000.0 + max(0.0, at - 1030) * 3000.0)

    loop = Loop(
        site=site(*assets, tolerance=0.01),
        devices=[
            Car(
                asset=assets[0],
                poll=poll,
                appetite=lambda at: 16.0 if at < 1030 else 0.0,
            ),
            Sun(asset=assets[1], poll=poll, sun=sun),
            Store(asset=assets[2], poll=2.0, charge=100.0, capacity=1e6),
        ],
        orders=lambda at: orders(minsetp=30.0) if at >= 1030 + after else NO_ORDERS,
        base=lambda _: (300, 300, 500),
    )
    loop.run(30 + after - 1)
    samples = loop.run(40)
    # 3 kW of injection, 1.1 kW of base: about 4.05 kW may be produced.
    told = [sample.plan.setpoints["sun"].value or 0.0 for sample in samples]
    assert min(told[1:]) >= 2500
    assert min(told[12:]) >= 3900
    assert all(-sample.power <= 3050 for sample in samples[8:])


def test_an_inverter_that_was_held_too_tightly_is_raised_in_seconds() -> None:
    """A base that ends: what the limit leaves rises, and the inverter soon follows."""
    sun = inverter(rated=10_000.0)
    loop = Loop(
        site=site(sun, tolerance=0.0),
        devices=[Sun(asset=sun, sun=lambda _: 10_000.0)],
        orders=lambda _: orders(minsetp=20.0),
        base=lambda at: (0, 0, 0) if at < 1030 else (1200, 1200, 1200),
        noise=0.0,
    )
    loop.run(30)
    assert loop.samples[-1].devices["sun"] == pytest.approx(-2000, abs=30)
    loop.run(14)
    assert loop.samples[-1].devices["sun"] == pytest.approx(-5600, abs=100)
    assert all(-sample.power <= 2050 for sample in loop.samples[10:])


def test_a_loosened_limit_still_rises_with_its_gradient() -> None:
    sun = inverter(rated=12_000.0)
    loop = Loop(
        site=site(sun, tolerance=0.0),
        devices=[Sun(asset=sun, sun=lambda _: 12_000.0)],
        orders=lambda at: orders(minsetp=20.0 if at < 1030 else 80.0),
        base=lambda _: (0, 0, 0),
        noise=0.0,
    )
    loop.run(30)
    samples = loop.run(30)
    told = [sample.plan.setpoints["sun"].value or 0.0 for sample in samples]
    steps = [later - sooner for sooner, later in pairwise(told)]
    assert told[0] < 2500
    assert max(steps[:5]) <= 201
