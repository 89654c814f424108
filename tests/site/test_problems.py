"""What a user is told, and that it names its cause."""

from dataclasses import replace

from custom_components.netflex.control.explain import q_band
from custom_components.netflex.control.stops import Weakness, WeakStop, weak_stops
from custom_components.netflex.model.asset import AssetState, Direction, EmergencyOutput
from custom_components.netflex.model.connection import ConnectionPoint, GridType
from custom_components.netflex.model.orders import LinkState
from custom_components.netflex.model.plan import (
    SITE,
    Cause,
    Infeasible,
    Limit,
    Plan,
    Problem,
    Quantity,
    Source,
)
from custom_components.netflex.model.reading import MeterReading
from custom_components.netflex.model.snapshot import SiteModel
from custom_components.netflex.site.problems import find_problems
from custom_components.netflex.site.view import MeterView, SiteProblem, SiteView

from .bench import assets

METER = MeterView(
    meter_id="meter",
    reading=MeterReading(meter_id="meter", received=0.0),
    available=True,
)
FINE = SiteView(meters={"meter": METER}, site_meter="meter")
CONNECTION = ConnectionPoint(grid_type=GridType.STAR, main_fuse=63.0)


def problems(view: SiteView, **more: object) -> dict[str, SiteProblem]:
    arguments: dict[str, object] = {
        "names": {key: asset.name for key, asset in assets().items()},
        "station": {},
        "inputs": {},
        "writing": {},
        "weak": (),
        "decision": None,
    }
    found = find_problems(view, **(arguments | more))  # type: ignore[arg-type]
    return {problem.key: problem for problem in found}


def test_a_site_without_problems_has_none() -> None:
    assert problems(FINE) == {}


def test_a_missing_meter_is_said() -> None:
    assert set(problems(SiteView())) == {"no_site_meter"}


def test_a_silent_meter_says_why() -> None:
    silent = MeterView(meter_id="meter", problem="Nobody listens at 192.0.2.1:1234")
    view = SiteView(meters={"meter": silent}, site_meter="meter")
    assert problems(view)["site_meter_silent"].text == silent.problem


def test_S08_a_refused_client_is_named() -> None:
    view = SiteView(
        link=LinkState(last_refused_client="192.0.2.7"),
        meters={"meter": METER},
        site_meter="meter",
    )
    assert problems(view)["new_client"].subject == "192.0.2.7"


def test_S12_what_a_stop_cannot_be_relied_on_for_is_named_before_it_matters() -> None:
    site = SiteModel(connection=CONNECTION, assets=assets())
    found = find_problems(
        FINE,
        names={"charger": "Charger", "solar": "Solar"},
        station={},
        inputs={},
        writing={},
        weak=weak_stops(site),
        decision=None,
    )
    named = {problem.subject for problem in found if problem.key == "stop_not_kept"}
    assert named == {"charger", "solar", "battery"}
    relay = EmergencyOutput(
        asset_id="relay",
        name="Relay",
        stops=frozenset({Direction.PRODUCTION}),
        assets=frozenset({"solar"}),
    )
    covered = SiteModel(connection=CONNECTION, assets=assets(), outputs=(relay,))
    assert "solar" not in {item.asset_id for item in weak_stops(covered)}


def test_S19_a_limit_that_cannot_be_met_says_what_is_missing() -> None:
    cause = Cause(
        source=Source.GRID_OPERATOR,
        key="maxsetp",
        text="The grid operator limits consumption to 0 %",
    )
    limit = Limit(
        scope=SITE,
        quantity=Quantity.IMPORT,
        value=0.0,
        source=Source.GRID_OPERATOR,
        cause=cause,
    )
    plan = Plan(
        at=0.0,
        infeasible=(
            Infeasible(limit=limit, missing=812.4, problem=Problem.UNCONTROLLABLE),
        ),
    )
    view = SiteView(meters={"meter": METER}, site_meter="meter", plan=plan)
    text = problems(view)["limit_infeasible"].text
    assert "812 W" in text
    assert cause.text in text


def test_reactive_power_that_nothing_can_give_is_said_in_var() -> None:
    limit = Limit(
        scope=SITE,
        quantity=Quantity.REACTIVE,
        value=500.0,
        source=Source.Q_BAND,
        cause=q_band(-500.0, 500.0),
    )
    plan = Plan(
        at=0.0,
        infeasible=(
            Infeasible(limit=limit, missing=7000.0, problem=Problem.UNCONTROLLABLE),
        ),
    )
    view = SiteView(meters={"meter": METER}, site_meter="meter", plan=plan)
    found = problems(view)["limit_infeasible"]
    assert found.subject == "q_band"
    assert found.text == (
        "Grid operator's band of reactive power: at least -0.5 kvar and at most "
        "0.5 kvar: 7000 var missing"
    )


def test_a_failed_decision_and_a_deaf_device_are_said() -> None:
    found = problems(
        FINE, decision="ValueError: x", writing={"Charger": "No answer within 5 s"}
    )
    assert found["decision_failed"].text == "ValueError: x"
    assert found["device_not_told"].subject == "Charger"


def test_what_assets_do_with_what_they_are_told_is_said() -> None:
    """Named once it lasts: a moment after a write says nothing."""

    def said(**state: object) -> dict[str, SiteProblem]:
        values = {"asset_id": "charger", "available": True, "follows": False} | state
        states = {"charger": AssetState(**values)}  # type: ignore[arg-type]
        return problems(
            SiteView(meters={"meter": METER}, site_meter="meter", states=states)
        )

    assert not said(unfollowed=5.0)
    lasting = said(unfollowed=31.0, problem="its data source is something else")
    assert "data source" in lasting["setpoint_not_followed"].text
    assert not said(unfollowed=31.0, available=False)
    assert said(contested=True, unfollowed=31.0).keys() == {"two_controllers"}
    assert said(writes_left=0).keys() == {"write_budget_spent"}
    assert not said(writes_left=3)


def test_case_12_a_validity_that_lapses_is_an_alarm() -> None:
    def seen(left: float | None, *, available: bool = True) -> set[str]:
        state = AssetState(
            asset_id="charger", available=available, at=1.0, fallback_in=left
        )
        return set(problems(replace(FINE, states={"charger": state})))

    assert seen(45.0) == set()
    assert seen(None) == set()
    assert seen(4.0) == {"falls_back"}
    assert seen(0.0) == {"falls_back"}


def test_a_clock_that_is_not_synchronised_is_said() -> None:
    assert set(problems(FINE, synchronised=False)) == {"clock_not_synchronised"}


def test_a_station_that_does_not_listen_says_why() -> None:
    view = replace(FINE, link=LinkState(problem="Port 2404 is used by another program"))
    found = problems(view)["station_not_listening"]
    assert found.subject == "station"
    assert found.text == "Port 2404 is used by another program"


def test_a_loop_that_is_held_up_says_how_long_at_worst() -> None:
    found = problems(replace(FINE, loop_lag=2.34), loop_endangers=True)["loop_held_up"]
    assert found.text == "At worst 2.3 s in the last minute"
    # One that is late now and then endangers nothing.
    assert problems(replace(FINE, loop_lag=2.34)) == {}


def test_a_stop_that_nothing_carries_out_is_named_with_its_direction() -> None:
    weak = WeakStop(
        asset_id="solar",
        direction=Direction.PRODUCTION,
        weakness=Weakness.NOT_STOPPED,
    )
    found = problems(FINE, weak=(weak,))["stop_not_possible"]
    assert found.subject == "solar"
    assert found.text == "Nothing stops the production of Solar"
