"""What would flow under a plan, and what assets are told in words."""

from dataclasses import replace

import pytest

from custom_components.netflex.model.asset import Asset, AssetState
from custom_components.netflex.model.connection import GridType, LineValues
from custom_components.netflex.model.plan import Plan, Setpoint, SetpointKind
from custom_components.netflex.model.reading import MeterReading
from custom_components.netflex.site.prediction import (
    Flows,
    in_words,
    measured_flows,
    predicted_flows,
)

from .bench import assets

ASSETS = assets()


def state(key: str, power: float | None, **more: object) -> AssetState:
    return AssetState(asset_id=key, available=True, power=power, **more)  # type: ignore[arg-type]


STATES = {
    "charger": state("charger", 6_900.0),
    "solar": state("solar", -4_000.0),
    "battery": state("battery", -1_000.0),
    "boiler": state("boiler", None, enabled=True),
}
READING = MeterReading(meter_id="meter", received=0.0, power=5_000.0)


def told(key: str, kind: SetpointKind, value: float | None) -> Setpoint:
    return Setpoint(asset_id=key, kind=kind, value=value)


def test_what_flows_is_summed_by_direction() -> None:
    assert measured_flows(ASSETS, STATES, READING) == Flows(
        power=5_000.0, production=5_000.0, consumption=9_300.0
    )


def test_a_sum_of_which_a_part_is_unknown_is_unknown() -> None:
    """Absent is not zero: only the directions of the asset that says nothing."""
    states = STATES | {"solar": state("solar", None)}
    flows = measured_flows(ASSETS, states, None)
    assert flows == Flows(power=None, production=None, consumption=9_300.0)


def test_a_meter_that_prints_only_lines_is_summed() -> None:
    lines = replace(READING, power=None, line_power=LineValues(l1=1.0, l2=2.0, l3=3.0))
    assert measured_flows({}, {}, lines).power == 6.0


def test_what_a_plan_bounds_would_flow_and_what_it_frees_would_not() -> None:
    plan = Plan(
        at=0.0,
        setpoints={
            "charger": told("charger", SetpointKind.CURRENT, 0.0),
            "solar": told("solar", SetpointKind.PRODUCTION, 10_000.0),
            "battery": told("battery", SetpointKind.POWER, 2_000.0),
            "boiler": told("boiler", SetpointKind.SWITCH, 0.0),
        },
    )
    flows = predicted_flows(ASSETS, STATES, 500.0, plan, GridType.STAR)
    # The sun would not shine more because it may.
    assert flows == Flows(power=-1_500.0, production=4_000.0, consumption=2_000.0)


def test_without_a_limit_everything_flows_on() -> None:
    plan = Plan(
        at=0.0, setpoints={"solar": told("solar", SetpointKind.PRODUCTION, None)}
    )
    flows = predicted_flows(ASSETS, STATES, None, plan, GridType.STAR)
    assert flows == Flows(power=None, production=5_000.0, consumption=9_300.0)


@pytest.mark.parametrize(
    ("key", "kind", "value", "words"),
    [
        ("solar", SetpointKind.PRODUCTION, None, "Solar: no limit"),
        ("solar", SetpointKind.PRODUCTION, 0.0, "Solar: produce at most 0 W"),
        ("charger", SetpointKind.CURRENT, 0.0, "Charger: pause"),
        ("charger", SetpointKind.CURRENT, 6.0, "Charger: at most 6.0 A"),
        ("battery", SetpointKind.POWER, 0.0, "Battery: neither charge nor discharge"),
        ("battery", SetpointKind.POWER, 500.0, "Battery: charge with 500 W"),
        ("battery", SetpointKind.POWER, -500.0, "Battery: discharge with 500 W"),
        ("boiler", SetpointKind.SWITCH, 1.0, "Boiler: on"),
        ("boiler", SetpointKind.SWITCH, 0.0, "Boiler: off"),
    ],
)
def test_what_an_asset_is_told_is_said_in_words(
    key: str, kind: SetpointKind, value: float | None, words: str
) -> None:
    asset: Asset = ASSETS[key]
    assert in_words(asset, told(key, kind, value)) == words
