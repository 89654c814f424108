"""Sharing against the exact max-min optimum, which linear programs find.

Cases in which all exceed their minimum: then the optimum is one of amperes alone. The
level that the least can have is the optimum of one program; who cannot rise above it
is fixed there, and the next program raises the rest.
"""

from dataclasses import dataclass

from hypothesis import given, settings, strategies as st
import numpy as np
import pytest
from scipy.optimize import linprog

from custom_components.netflex.model.connection import Feeder, Line
from custom_components.netflex.model.snapshot import SiteModel

from .sites import ALL, charger, orders, plan, reading, site, state, values

MINIMUM = 6.0
TOLERANCE = 0.1
"""A that a share may differ from the optimum: setpoints are in tenths."""


@dataclass(frozen=True)
class Case:
    """A car park, what its lines draw besides, and what the operator leaves."""

    model: SiteModel
    base: tuple[float, float, float]
    percent: float | None


def constraints(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Return what each ampere uses of each limit, and how much there is of it."""
    assets = list(case.model.assets.values())
    rows, room = [], []

    def add(use: list[float], left: float) -> None:
        rows.append(use)
        room.append(left)

    for index, line in enumerate(ALL):
        add(
            [float(line in asset.lines) for asset in assets],
            case.model.connection.main_fuse - case.base[index],
        )
    behind = {
        feeder.id: set(feeder.members).union(
            *(f.members for f in case.model.feeders if f.parent == feeder.id)
        )
        for feeder in case.model.feeders
    }
    for feeder in case.model.feeders:
        for line in ALL:
            add(
                [
                    float(line in asset.lines and asset.id in behind[feeder.id])
                    for asset in assets
                ],
                feeder.fuse - feeder.other_loads,
            )
    if case.percent is not None:
        assert case.model.connection.contract_consumption is not None
        most = case.model.connection.contract_consumption * case.percent / 100
        add(
            [230.0 * len(asset.lines) for asset in assets],
            most - 230.0 * sum(case.base),
        )
    return np.array(rows), np.array(room)


def optimum(case: Case) -> dict[str, float] | None:
    """Return the exact max-min shares in A; None where not all get their minimum."""
    assets = list(case.model.assets.values())
    use, room = constraints(case)
    caps = [asset.maximum_current or 0.0 for asset in assets]
    fixed: dict[int, float] = {}
    size = len(assets)
    while len(fixed) < size:
        free = [index for index in range(size) if index not in fixed]
        level = _best(use, room, caps, fixed, free)
        if level is None:
            return None
        for index in free:
            most = _most(use, room, caps, fixed, free, level, index)
            if most <= level + 1e-6:
                fixed[index] = level
    shares = {asset.id: fixed[index] for index, asset in enumerate(assets)}
    return None if min(shares.values()) < MINIMUM else shares


def _best(
    use: np.ndarray,
    room: np.ndarray,
    caps: list[float],
    fixed: dict[int, float],
    free: list[int],
) -> float | None:
    """Return the highest level that all that are free can have together."""
    size = len(caps)
    cost = np.zeros(size + 1)
    cost[-1] = -1.0
    rows = [np.append(row, 0.0) for row in use]
    left = list(room)
    for index in free:
        row = np.zeros(size + 1)
        row[index], row[-1] = -1.0, 1.0
        rows.append(row)
        left.append(0.0)
    bounds = [
        (fixed[index], fixed[index]) if index in fixed else (0.0, caps[index])
        for index in range(size)
    ]
    found = linprog(cost, rows, left, bounds=[*bounds, (0.0, None)])
    return float(found.x[-1]) if found.success else None


def _most(
    use: np.ndarray,
    room: np.ndarray,
    caps: list[float],
    fixed: dict[int, float],
    free: list[int],
    level: float,
    one: int,
) -> float:
    """Return the most that one of them can have while the others keep the level."""
    size = len(caps)
    cost = np.zeros(size)
    cost[one] = -1.0
    bounds = [
        (fixed[index], fixed[index])
        if index in fixed
        else (min(level, caps[index]) - 1e-9, caps[index])
        for index in range(size)
    ]
    found = linprog(cost, use, room, bounds=bounds)
    assert found.success
    return float(found.x[one])


@st.composite
def car_parks(draw: st.DrawFn) -> Case:
    """Draw chargers on lines and feeders that mostly leave all their minimum."""
    size = draw(st.integers(2, 8))
    cars = [
        charger(
            f"car{number}",
            maximum=draw(st.sampled_from([10.0, 16.0, 20.0, 32.0])),
            lines=draw(st.sampled_from([ALL, ALL, (Line.L1,), (Line.L2,), (Line.L3,)])),
        )
        for number in range(size)
    ]
    names = [car.id for car in cars]
    feeders = []
    if draw(st.booleans()):
        half = draw(st.integers(1, size))
        feeders.append(
            Feeder(
                id="hall",
                name="Hall",
                fuse=draw(st.sampled_from([25.0, 40.0, 63.0])),
                members=frozenset(names[: half // 2]),
                other_loads=draw(st.sampled_from([0.0, 3.0])),
            )
        )
        feeders.append(
            Feeder(
                id="row",
                name="Row",
                fuse=draw(st.sampled_from([16.0, 32.0])),
                parent="hall",
                members=frozenset(names[half // 2 : half]),
            )
        )
    model = site(
        *cars,
        main_fuse=draw(st.sampled_from([32.0, 50.0, 80.0, 125.0])),
        contract_consumption=60_000.0,
        feeders=tuple(feeders),
    )
    base = (
        draw(st.floats(0, 8)),
        draw(st.floats(0, 8)),
        draw(st.floats(0, 8)),
    )
    percent = draw(st.sampled_from([None, None, 40.0, 70.0]))
    return Case(model=model, base=base, percent=percent)


def shared(case: Case) -> dict[str, float]:
    measured = reading(sum(case.base) * 230.0, currents=case.base)
    given_ = orders() if case.percent is None else orders(maxsetp=case.percent)
    states = {name: state(car, 0.0) for name, car in case.model.assets.items()}
    told = values(plan(case.model, measured, states, given=given_))
    return {name: value or 0.0 for name, value in told.items()}


@settings(max_examples=60, deadline=None)
@given(car_parks())
def test_shares_are_the_exact_max_min_optimum(case: Case) -> None:
    best = optimum(case)
    told = shared(case)
    use, room = constraints(case)
    drawn = use @ np.array([told[name] for name in case.model.assets])
    assert (drawn <= room + 1e-6).all() or set(told.values()) == {0.0}
    if best is not None:
        for name, share in best.items():
            assert told[name] == pytest.approx(share, abs=TOLERANCE), (told, best)


def test_the_optimum_of_a_case_that_can_be_reckoned_by_hand() -> None:
    """20 A in the row for two, 50 A in the hall for those two and one more."""
    case = Case(
        model=site(
            *(charger(name, maximum=32.0) for name in "abc"),
            main_fuse=80.0,
            contract_consumption=60_000.0,
            feeders=(
                Feeder(id="hall", name="", fuse=50.0, members=frozenset("c")),
                Feeder(
                    id="row", name="", fuse=20.0, parent="hall", members=frozenset("ab")
                ),
            ),
        ),
        base=(0.0, 0.0, 0.0),
        percent=None,
    )
    assert optimum(case) == pytest.approx({"a": 10.0, "b": 10.0, "c": 30.0})
    assert shared(case) == {"a": 10.0, "b": 10.0, "c": 30.0}
