"""What speaks against a meter when it is set up."""

from typing import Any

import pytest

from custom_components.netflex.model.asset import AssetState
from custom_components.netflex.model.connection import (
    ConnectionPoint,
    GridType,
    LineValues,
)
from custom_components.netflex.model.reading import MeterReading
from custom_components.netflex.site.meter_doubts import doubts

HOUSE = ConnectionPoint(grid_type=GridType.STAR, main_fuse=40.0)


def reading(**values: Any) -> MeterReading:
    return MeterReading(meter_id="meter", received=0.0, **values)


def state(power: float | None, *, available: bool = True) -> AssetState:
    return AssetState(asset_id="asset", available=available, power=power)


def said(
    power: float | None, *, other: float | None = None, devices: float | None = None
) -> str:
    others = [] if other is None else [reading(power=other)]
    states = [] if devices is None else [state(devices)]
    return "; ".join(
        doubts(reading(power=power), others=others, states=states, connection=HOUSE)
    )


@pytest.mark.parametrize(
    ("power", "other", "words"),
    [
        (3000.0, 3100.0, None),
        (-3000.0, -2800.0, None),
        (-3000.0, 3100.0, "sign"),
        (3000.0, -3100.0, "sign"),
        (600.0, 3000.0, "ratio"),
        (15000.0, 3000.0, "ratio"),
        (0.0, 3000.0, "ratio"),
        # Too little to compare.
        (-300.0, 300.0, None),
        (None, 3000.0, None),
    ],
)
def test_beside_another_meter(
    power: float | None, other: float, words: str | None
) -> None:
    found = said(power, other=other)
    assert (words in found) if words else not found
    # What another meter says outweighs what the devices suggest.
    assert said(power, other=other, devices=0.0) == found


@pytest.mark.parametrize(
    ("power", "devices", "words"),
    [
        (7400.0, 7000.0, None),
        (9000.0, 7000.0, None),
        (-7000.0, 7000.0, "sign"),
        (1400.0, 7000.0, "ratio"),
        # The sun shines on panels that nobody has named.
        (-500.0, 7000.0, None),
        (-4600.0, -5000.0, None),
        (300.0, -5000.0, None),
        (4600.0, -5000.0, "sign"),
        (-25000.0, -5000.0, "ratio"),
        (-1000.0, 1000.0, None),
    ],
)
def test_beside_the_devices(power: float, devices: float, words: str | None) -> None:
    found = said(power, devices=devices)
    assert (words in found) if words else not found


def test_devices_that_say_nothing_are_not_compared() -> None:
    states = [state(7000.0, available=False), state(None)]
    assert not doubts(reading(power=0.0), others=[], states=states, connection=HOUSE)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"line_voltage": LineValues(l1=2.3)}, None),
        ({"grid_type": GridType.STAR}, None),
        ({"grid_type": GridType.DELTA}, "a grid of 3x230, the site is set up as 3N400"),
        ({"line_voltage": LineValues(l1=100.0)}, "L1: 100.0 V"),
        ({"line_current": LineValues(l1=100.0, l2=1.0)}, None),
        ({"line_current": LineValues(l1=400.0, l2=1.0)}, "400 A behind a main fuse"),
        (
            {
                "line_voltage": LineValues(l1=230.0),
                "line_current": LineValues(l1=1.0),
                "line_power": LineValues(l1=4000.0),
            },
            "cannot be",
        ),
    ],
)
def test_what_a_reading_says_by_itself(
    values: dict[str, Any], words: str | None
) -> None:
    found = "; ".join(doubts(reading(**values), others=[], states=[], connection=HOUSE))
    assert (words in found) if words else not found
