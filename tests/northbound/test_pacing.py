"""Dead bands and periods of GOFLEX's table 2."""

from custom_components.netflex.northbound.pacing import Pacer
from custom_components.netflex.northbound.values import (
    ON_CHANGE,
    Attribute,
    Constraint,
    Pace,
    Point,
    Value,
    ValueType,
)

ROOM = Pace(period=900.0, dead_band=0.5)
POWER = Pace(period=15.0, only_changes=True)
ENERGY = Pace(period=15.0)


class Told:
    """What one attribute would have told, by time."""

    def __init__(self, pace: Pace, kind: ValueType = ValueType.NUMBER) -> None:
        self.pacer = Pacer()
        attribute = Attribute(
            node="n",
            object="o",
            name="a",
            point="p",
            type=kind,
            constraint=Constraint.MEASURE,
            pace=pace,
        )
        self.tree = {attribute.path: attribute}

    def at(self, now: float, value: Value | None) -> list[Value | None]:
        due = self.pacer.take(now, self.tree, {"p": Point(value=value)})
        return [told for _, told in due]


def test_a_room_is_told_each_quarter_hour_or_half_a_kelvin_later() -> None:
    told = Told(ROOM)
    assert told.at(0, 20.0) == [20.0]
    assert told.at(10, 20.4) == []
    assert told.at(20, 20.5) == [20.5]
    assert told.at(30, 20.1) == []
    assert told.at(40, 20.0) == [20.0]
    assert told.at(939, 20.1) == []
    assert told.at(940, 20.1) == [20.1]
    assert told.at(1840, 20.1) == [20.1]


def test_power_is_told_every_15_s_if_it_changes_and_energy_anyway() -> None:
    power, energy = Told(POWER), Told(ENERGY)
    assert power.at(0, 100.0) == energy.at(0, 100.0) == [100.0]
    assert power.at(1, 900.0) == energy.at(1, 900.0) == []
    assert power.at(15, 900.0) == energy.at(15, 900.0) == [900.0]
    assert power.at(30, 900.0) == []
    assert energy.at(30, 900.0) == [900.0]
    # What changes after a rest is told at once.
    assert power.at(31, 901.0) == [901.0]


def test_a_state_is_told_once_per_change() -> None:
    told = Told(ON_CHANGE, ValueType.BOOLEAN)
    assert told.at(0, True) == [True]
    assert told.at(1, True) == []
    assert told.at(1.1, False) == [False]


def test_unknown_is_told_once_and_is_not_zero() -> None:
    told = Told(ENERGY)
    assert told.at(0, None) == []
    assert told.at(1, 5.0) == [5.0]
    assert told.at(2, None) == [None]
    assert told.at(60, None) == []
    assert told.at(61, 0.0) == [0.0]


def test_a_word_is_no_number_and_a_number_is_scaled_and_rounded() -> None:
    assert Told(ENERGY).at(0, "off") == []
    assert Told(ENERGY).at(0, 1.23456) == [1.235]
    assert Told(ENERGY).at(0, float("inf")) == []
    assert Told(ENERGY).at(0, float("nan")) == []
    assert Told(ENERGY, ValueType.INTEGER).at(0, 7.0) == [7]
    assert Told(ENERGY, ValueType.STRING).at(0, "off") == ["off"]


def test_after_forgetting_everything_is_told_again() -> None:
    told = Told(ON_CHANGE)
    told.at(0, 1.0)
    told.pacer.forget()
    assert told.at(1, 1.0) == [1.0]
