"""Signs of the S1 currents found out against P1."""

import random

import numpy as np
import pytest

from custom_components.netflex.metering.power_quality import to_quality, window_values
from custom_components.netflex.metering.s1_signs import SignCheck
from custom_components.netflex.metering.waveform import Wiring
from custom_components.netflex.model.connection import (
    NO_LINE_VALUES,
    GridType,
    LineValues,
)
from custom_components.netflex.model.power_quality import PowerQuality
from custom_components.netflex.model.reading import MeterReading

from .s1_waves import sine, star

_LINES = ("l1", "l2", "l3")


def _quality(grid_type: GridType, powers: list[float]) -> PowerQuality:
    """Return power quality with some power by line."""
    wiring = Wiring(grid_type=grid_type)
    channels = star(0)
    for line, power in enumerate(powers):
        lag = 120 * line if grid_type is GridType.STAR else 60 * (line > 0)
        channels[2 * line + 1] = sine(power / 230, lag)
    if grid_type is GridType.DELTA:
        channels[4] = sine(230, 60)
    samples = [[c.at(k / 2600, 50) for c in channels] for k in range(520)]
    window = window_values(
        wiring.lines_of(np.array(samples)),
        wiring,
        samples_per_period=52,
        frequency=50,
    )
    return to_quality([window], wiring, meter_id="s1", received=0.0)


def _check(
    signs: tuple[int, int, int],
    *,
    grid_type: GridType = GridType.STAR,
    by_line: bool = False,
    pairs: int = 30,
    level: float = 2000.0,
    noise: float = 30.0,
) -> tuple[bool | None, bool | None, bool | None]:
    draw = random.Random(5)
    check = SignCheck()
    for _ in range(pairs):
        real = [draw.uniform(-level, level) for _ in _LINES]
        if grid_type is GridType.DELTA:
            real[1] = 0.0
        seen = [power * sign for power, sign in zip(real, signs, strict=True)]
        printed = [power + draw.gauss(0, noise) for power in real]
        reading = MeterReading(
            meter_id="p1",
            received=0.0,
            power=sum(printed),
            line_power=LineValues(**dict(zip(_LINES, printed, strict=True)))
            if by_line
            else NO_LINE_VALUES,
        )
        check = check.after(_quality(grid_type, seen), reading)
    return check.turn


@pytest.mark.parametrize(
    "signs", [(1, 1, 1), (-1, -1, -1), (1, -1, 1), (-1, 1, 1), (1, -1, -1)]
)
@pytest.mark.parametrize("by_line", [False, True], ids=["total", "lines"])
def test_turned_currents_are_found(
    signs: tuple[int, int, int], *, by_line: bool
) -> None:
    assert _check(signs, by_line=by_line) == tuple(sign < 0 for sign in signs)


def test_delta_has_two_currents_to_turn() -> None:
    turn = _check((-1, 1, 1), grid_type=GridType.DELTA)
    assert turn == (True, None, False)


def test_too_few_pairs_or_too_little_load_prove_nothing() -> None:
    nothing = (None, None, None)
    assert _check((-1, 1, 1), pairs=9) == nothing
    assert _check((-1, 1, 1), level=60) == nothing


def test_powers_that_have_nothing_in_common_prove_nothing() -> None:
    assert _check((-1, 1, 1), noise=20000, pairs=15) == (None, None, None)


def test_reading_without_a_power_is_no_pair() -> None:
    check = SignCheck().after(
        _quality(GridType.STAR, [1.0, 2.0, 3.0]),
        MeterReading(meter_id="p1", received=0.0),
    )
    assert check == SignCheck()
