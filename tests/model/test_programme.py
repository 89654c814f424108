"""Programmes: read from plain JSON, and refused with the place of what is wrong."""

from typing import Any

import pytest

from custom_components.netflex.control.codec import CodecError, decode, encode
from custom_components.netflex.model.programme import (
    PARAMETERS,
    CurvePoint,
    Programme,
    ProgrammeMode,
    charge_at,
)
from custom_components.netflex.model.schedule import DayGroup, Weekday

NIGHT = {
    "periods": [{"start": "22:00", "end": "06:00", "time_zone": "Europe/Brussels"}]
}
CURVES = {
    "charge_curve": [{"price": -50, "charge": 100}, {"price": 20, "charge": 0}],
    "discharge_curve": [{"price": 80, "charge": 100}, {"price": 300, "charge": 0}],
}
NEEDED: dict[str, dict[str, Any]] = {
    "charge_to": {"charge": 80},
    "discharge_to": {"charge": 20},
    "imbalance_chase": CURVES,
    "peak_discharge": {"charge": 10},
    "peak_approach": {
        "peak": NIGHT,
        "force_charge": 60,
        "encourage_charge": 90,
        "assumed_power": 5000,
    },
    "backup_reserve": {"charge": 30},
    "frequency_response": {"power": 3000},
    "price_threshold": {"charge_below": 50},
    "cheapest_hours": {"hours": 3},
}


def entry(mode: str, **parameters: Any) -> dict[str, Any]:
    return {
        "mode": mode,
        "parameters": {**NEEDED.get(mode, {}), **parameters},
        "schedule": NIGHT,
    }


def test_every_mode_is_read_and_written() -> None:
    given = {"entries": [entry(mode) for mode in ProgrammeMode], "ramp": 500}
    programme = decode(Programme, given)
    assert [item.mode for item in programme] == list(ProgrammeMode)
    assert [type(item.parameters) for item in programme] == list(PARAMETERS.values())
    assert decode(Programme, encode(programme)) == programme


def test_days_are_a_kind_or_a_list() -> None:
    def days(value: Any) -> Any:
        period = {**NIGHT["periods"][0], "days": value}
        item = {**entry("hold"), "schedule": {"periods": [period]}}
        programme = decode(Programme, {"entries": [item]})
        assert decode(Programme, encode(programme)) == programme
        schedule = programme.entries[0].schedule
        assert schedule is not None
        return schedule.periods[0].days

    assert days("weekends") is DayGroup.WEEKENDS
    assert days(["monday", "friday"]) == {Weekday.MONDAY, Weekday.FRIDAY}
    with pytest.raises(CodecError, match="days"):
        days("someday")


@pytest.mark.parametrize(
    ("item", "place", "problem"),
    [
        ({"mode": "dance", "parameters": {}}, "entries[0].mode", "must be one of"),
        (entry("charge_to", charge=101), "entries[0].parameters", "0 to 100"),
        (entry("charge_to", colour=1), "entries[0].parameters.colour", "not known"),
        (
            {"mode": "charge_to", "parameters": {}},
            "entries[0].parameters.charge",
            "miss",
        ),
        ({"mode": "hold"}, "entries[0].parameters", "is missing"),
        ({**entry("charge_to"), "schedule": None}, "entries[0]", "needs a schedule"),
        (entry("hold") | {"schedule": {}}, "entries[0].schedule", "either periods or"),
        (
            entry("price_threshold", charge_below=None),
            "entries[0].parameters",
            "needed",
        ),
        (
            entry("price_threshold", discharge_above=40),
            "entries[0].parameters",
            "must be lower than",
        ),
        (
            entry("imbalance_chase", charge_curve=CURVES["charge_curve"][::-1]),
            "entries[0].parameters",
            "rising prices",
        ),
        (
            entry("imbalance_chase", charge_curve=[{"price": 0, "charge": 100}]),
            "entries[0].parameters",
            "must not lie above",
        ),
        (entry("frequency_response", dead_band=0.2), "entries[0].parameters", "beyond"),
        (
            {
                **entry("hold"),
                "schedule": {"periods": [{**NIGHT["periods"][0], "start": "25:00"}]},
            },
            "entries[0].schedule.periods[0].start",
            "time of the day",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place(
    item: dict[str, Any], place: str, problem: str
) -> None:
    with pytest.raises(CodecError, match=problem) as caught:
        decode(Programme, {"entries": [item]})
    assert caught.value.place == place


def test_a_curve_is_straight_between_its_points_and_level_beyond() -> None:
    curve = (
        CurvePoint(price=0.0, charge=100.0),
        CurvePoint(price=100.0, charge=50.0),
        CurvePoint(price=200.0, charge=0.0),
    )
    assert [charge_at(curve, price) for price in (-5, 0, 50, 100, 150, 999)] == [
        100.0, 100.0, 75.0, 50.0, 25.0, 0.0,
    ]  # fmt: skip
