"""Fast overload signals in the decision: they tighten at once and never raise."""

from typing import Any

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.netflex.control.decide import decide
from custom_components.netflex.control.memory import EMPTY, Memory
from custom_components.netflex.control.overloads import LASTING, STALE
from custom_components.netflex.model.asset import AssetState
from custom_components.netflex.model.connection import Line
from custom_components.netflex.model.plan import Plan
from custom_components.netflex.model.power_quality import Overload
from custom_components.netflex.model.reading import MeterReading
from custom_components.netflex.model.snapshot import SiteModel, Snapshot

from .sites import charger, clock, inverter, load, reading, site, state, values

AT = 100.0
CALM = (20.0, 20.0, 20.0)


def overload(current: float, line: Line = Line.L2, **changes: Any) -> Overload:
    """An overload of a 40 A fuse, as it was seen just now."""
    values = {
        "at": AT + 0.5,
        "line": line,
        "active": True,
        "current": current,
        "threshold": 40.0,
        "power": current * 230.0,
        "since": AT + 0.45,
    }
    return Overload(**(values | changes))


def decided(
    model: SiteModel,
    measured: MeterReading | None,
    states: dict[str, AssetState],
    *overloads: Overload,
    memory: Memory = EMPTY,
    at: float = AT + 0.55,
) -> tuple[Plan, Memory]:
    snapshot = Snapshot(reading=measured, states=states, overloads=overloads)
    return decide(model, snapshot, memory, clock(at))


class Driving:
    """A car that draws what it was told, 16 A of the 20 A on each line."""

    def __init__(self, *more: Any) -> None:
        self.model = site(charger(maximum=16.0), *more)
        self.states = {
            asset.id: state(asset, 11_040.0 if asset.id == "car" else 0.0, AT)
            for asset in self.model.assets.values()
        }
        self.reading = reading(13_800.0, AT, currents=CALM)
        self.memory = EMPTY
        self.plan(at=AT)

    def plan(self, *overloads: Overload, at: float = AT + 0.55) -> Plan:
        result, self.memory = decided(
            self.model,
            self.reading,
            self.states,
            *overloads,
            memory=self.memory,
            at=at,
        )
        return result


def test_a_car_yields_before_the_next_reading() -> None:
    driving = Driving()
    assert values(driving.plan()) == {"car": 16.0}
    # 48 A of which the car can be 16 at most: 32 are not its own, so 8 are left.
    assert values(driving.plan(overload(48.0))) == {"car": 8.0}
    # With less than its minimum it pauses at once (S18).
    assert values(driving.plan(overload(52.0), at=AT + 0.6)) == {"car": 0.0}


@pytest.mark.parametrize(
    "signal",
    [
        overload(60.0, at=AT + 0.55 - STALE - 0.01),
        overload(60.0, active=False),
        overload(39.0),
    ],
    ids=["stale", "over", "below what is there"],
)
def test_what_proves_nothing_changes_nothing(signal: Overload) -> None:
    assert values(Driving().plan(signal)) == {"car": 16.0}


def test_the_base_that_later_decisions_start_from_is_the_meters() -> None:
    driving = Driving()
    known = driving.memory.base
    driving.plan(overload(48.0))
    assert driving.memory.base == known


def test_another_line_holds_nobody() -> None:
    model = site(charger(maximum=16.0, lines=(Line.L1,)))
    states = {"car": state(model.assets["car"], 3_680.0, AT)}
    plan, _ = decided(
        model, reading(13_800.0, AT, currents=CALM), states, overload(60.0, Line.L3)
    )
    assert values(plan) == {"car": 16.0}


def test_it_counts_while_the_meter_is_silent() -> None:
    driving = Driving()
    late = AT + driving.model.meter_timeout + 1.0
    signal = overload(48.0, at=late, since=late)
    assert values(driving.plan(at=late)) == {"car": 16.0}
    assert values(driving.plan(signal, at=late)) == {"car": 8.0}


def test_it_counts_without_any_reading_and_never_lifts_the_safe_current() -> None:
    model = site(charger(maximum=16.0))
    states = {"car": state(model.assets["car"], 11_040.0, AT)}
    silent, _ = decided(model, None, states)
    assert values(silent) == {"car": 6.0}
    mild, _ = decided(model, None, states, overload(41.0))
    assert values(mild) == {"car": 6.0}
    grave, _ = decided(model, None, states, overload(90.0))
    assert values(grave) == {"car": 0.0}


def test_S19_a_load_yields_to_what_lasts_and_not_to_an_inrush() -> None:
    driving = Driving(load(rated=2300.0))
    boiler = driving.model.assets["boiler"]
    driving.states["boiler"] = state(boiler, 2300.0, AT)
    driving.plan(at=AT)
    assert values(driving.plan(overload(70.0)))["boiler"] == 1.0
    lasting = overload(70.0, since=AT + 0.5 - LASTING)
    assert values(driving.plan(lasting))["boiler"] == 0.0


def test_production_yields_to_an_overload_of_injection() -> None:
    model = site(inverter(rated=20_000.0), contract_injection=30_000.0)
    states = {"sun": state(model.assets["sun"], -18_000.0, AT)}
    measured = reading(-18_000.0, AT, currents=(26.0, 26.0, 26.0))
    calm, memory = decided(model, measured, states, at=AT)
    assert calm.setpoints["sun"].value in {None, 20_000.0}
    signal = overload(55.0, power=-55.0 * 230.0)
    plan, _ = decided(model, measured, states, signal, memory=memory)
    assert plan.setpoints["sun"].value is not None
    assert plan.setpoints["sun"].value < 20_000.0


@settings(max_examples=60, deadline=None)
@given(
    current=st.floats(0, 120),
    line=st.sampled_from(list(Line)),
    age=st.floats(0, 1),
    lasted=st.floats(0, 5),
    base=st.floats(0, 45),
)
def test_no_signal_ever_raises_a_charger(
    current: float, line: Line, age: float, lasted: float, base: float
) -> None:
    model = site(charger(maximum=16.0))
    states = {"car": state(model.assets["car"], 0.0, AT)}
    measured = reading(3 * 230.0 * base, AT, currents=(base, base, base))
    at = AT + 0.55
    signal = overload(current, line, at=at - age, since=at - age - lasted)
    without, _ = decided(model, measured, states, at=at)
    with_it, _ = decided(model, measured, states, signal, at=at)
    calm, told = values(without)["car"], values(with_it)["car"]
    assert calm is not None
    assert told is not None
    assert told <= calm
