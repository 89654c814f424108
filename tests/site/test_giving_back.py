"""What becomes of a load that leaves the site: who has it moved, who holds it off."""

import pytest

from custom_components.netflex.model.asset import Asset, Category, HeatPumpState, Nature
from custom_components.netflex.model.plan import Cause, Setpoint, SetpointKind, Source
from custom_components.netflex.site.giving_back import holds_off, is_moved

LOAD = Asset(
    id="load",
    name="Heat pump",
    nature=Nature.LOAD,
    category=Category.FLEXIBLE_CONSUMPTION,
    rated_consumption=3000,
)
BATTERY = Asset(
    id="load", name="Battery", nature=Nature.BATTERY, category=Category.STORAGE
)


def told(
    value: float | None,
    heat_pump: HeatPumpState | None = None,
    source: Source | None = None,
) -> Setpoint:
    return Setpoint(
        asset_id="load",
        kind=SetpointKind.SWITCH,
        value=value,
        heat_pump=heat_pump,
        causes=()
        if source is None
        else (Cause(source=source, key="cause", text="because"),),
    )


@pytest.mark.parametrize(
    ("setpoint", "moved"),
    [
        (None, False),
        (told(1.0), False),
        (told(0.0), True),
        (told(0.0, HeatPumpState.BLOCKED), True),
        (told(1.0, HeatPumpState.NORMAL), False),
        (told(1.0, HeatPumpState.RECOMMENDED), True),
        (told(1.0, HeatPumpState.FORCED), True),
    ],
)
def test_a_load_is_moved_that_is_off_or_runs_harder_than_by_itself(
    setpoint: Setpoint | None, moved: bool
) -> None:
    assert is_moved(LOAD, setpoint) is moved
    assert not is_moved(BATTERY, setpoint)


@pytest.mark.parametrize(
    ("source", "held"),
    [
        (Source.EMERGENCY_STOP, True),
        (Source.FUSE, True),
        (Source.GRID_OPERATOR, True),
        (Source.USER, True),
        (Source.DISPATCH, False),
        (Source.SAFE_STATE, False),
    ],
)
def test_S14_a_stop_a_limit_and_the_user_hold_it_off_a_source_outside_does_not(
    source: Source, held: bool
) -> None:
    assert (holds_off(told(0.0, source=source)) is not None) is held
    # What runs is held off by nobody, whatever bounds it.
    assert holds_off(told(1.0, HeatPumpState.FORCED, source)) is None
