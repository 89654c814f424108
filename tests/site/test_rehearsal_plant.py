"""The site as a rehearsal sees it: what is kept, pending, impossible or unknown."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from custom_components.netflex.model.asset import AssetState, Direction
from custom_components.netflex.model.connection import ConnectionPoint, GridType
from custom_components.netflex.model.orders import (
    GridOrders,
    Order,
    OrderName,
    OrderSource,
)
from custom_components.netflex.model.plan import (
    SITE,
    Cause,
    Compliance,
    ComplianceState,
    Infeasible,
    Limit,
    Plan,
    Problem,
    Quantity,
    Setpoint,
    SetpointKind,
    Source,
)
from custom_components.netflex.model.reading import MeterReading
from custom_components.netflex.model.snapshot import SiteModel, Snapshot
from custom_components.netflex.site.rehearsal_plant import COUNTED, Look, SitePlant
from custom_components.netflex.telecontrol.rehearsal_plant import Bounded, Verdict

from .bench import assets

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
MAXSETP = OrderName.MAXSETP
CAUSE = Cause(source=Source.GRID_OPERATOR, key="maxsetp", text="MAXSETP 50 %")
LIMIT = Limit(
    scope=SITE,
    quantity=Quantity.IMPORT,
    value=4_000.0,
    source=Source.GRID_OPERATOR,
    cause=CAUSE,
)
ORDERED = GridOrders(maxsetp=Order(value=50.0, source=OrderSource.REHEARSAL, at=AT))
STATES = {
    "charger": AssetState(asset_id="charger", available=True, power=5_000.0),
    "solar": AssetState(asset_id="solar", available=True, power=0.0),
    "battery": AssetState(asset_id="battery", available=True, power=0.0),
    "boiler": AssetState(asset_id="boiler", available=True, enabled=False),
}
PLAN = Plan(
    at=0.0,
    setpoints={
        "charger": Setpoint(
            asset_id="charger", kind=SetpointKind.CURRENT, value=0.0, causes=(CAUSE,)
        )
    },
    compliance=(
        Compliance(
            name="maxsetp",
            limit=LIMIT,
            ordered_at=AT,
            state=ComplianceState.PENDING,
        ),
    ),
)


def look(
    plan: Plan | None = PLAN,
    *,
    states: Mapping[str, AssetState] = STATES,
    received: float = 99.0,
    base: float | None = 1_000.0,
) -> Look:
    return Look(
        at=100.0,
        model=SiteModel(
            connection=ConnectionPoint(grid_type=GridType.STAR, main_fuse=63.0),
            assets=assets(),
        ),
        snapshot=Snapshot(
            reading=MeterReading(meter_id="meter", received=received, power=6_000.0),
            states=states,
        ),
        plan=plan,
        base=base,
        shadow=False,
        missing={Direction.CONSUMPTION: ("Relay",)},
    )


def bounded(seen: Look, *, real: bool = True) -> Bounded:
    plant = SitePlant(lambda _orders: seen, lambda: AT, real=real)
    return plant.observe().bounded[MAXSETP]


def test_what_flows_is_what_was_measured() -> None:
    plant = SitePlant(lambda _orders: look(), lambda: AT, real=True)
    seen = plant.observe()
    assert (seen.power, seen.production, seen.consumption) == (6_000.0, 0.0, 5_000.0)
    assert seen.measured_at == 99.0
    assert plant.utc() == AT


def test_an_old_reading_is_none() -> None:
    seen = SitePlant(lambda _orders: look(received=90.0), lambda: AT, real=True)
    assert seen.observe().power is None
    assert seen.observe().measured_at is None


def test_without_a_decision_no_limit_is_known() -> None:
    plant = SitePlant(lambda _orders: look(None), lambda: AT, real=True)
    assert plant.observe().bounded == {}
    assert plant.observe().power == 6_000.0


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        (ComplianceState.INSIDE, Verdict.KEPT),
        (ComplianceState.PENDING, Verdict.PENDING),
        (ComplianceState.VIOLATED, Verdict.PENDING),
        (ComplianceState.INFEASIBLE, Verdict.IMPOSSIBLE),
    ],
)
def test_a_real_order_is_judged_as_the_decision_does(
    state: ComplianceState, verdict: Verdict
) -> None:
    plan = replace(PLAN, compliance=(replace(PLAN.compliance[0], state=state),))
    found = bounded(look(plan))
    assert found.verdict is verdict
    assert (found.limit, found.value) == (4_000.0, 6_000.0)
    assert found.told == ("Charger: pause",)


def test_what_has_no_sensor_counts_at_its_rating_and_that_is_said() -> None:
    unknown = replace(PLAN.compliance[0], state=ComplianceState.UNKNOWN)
    found = bounded(look(replace(PLAN, compliance=(unknown,))))
    assert found.verdict is Verdict.PENDING
    assert found.why == COUNTED


def test_in_shadow_what_would_flow_is_judged() -> None:
    asked: list[GridOrders | None] = []

    def ask(orders: GridOrders | None) -> Look:
        asked.append(orders)
        return look()

    plant = SitePlant(ask, lambda: AT, real=False)
    plant.observe()
    assert asked == [None]
    plant.ordered = ORDERED
    found = plant.observe().bounded[MAXSETP]
    assert asked[-1] == ORDERED
    # The charger would pause: what is left is what no setpoint moves.
    assert (found.value, found.now) == (1_000.0, 6_000.0)
    assert found.verdict is Verdict.KEPT
    assert found.missing == ()


def test_in_shadow_what_nobody_measures_is_unknown() -> None:
    found = bounded(look(base=None), real=False)
    assert found.value is None
    assert found.verdict is Verdict.UNKNOWN


def test_in_shadow_what_cannot_be_met_is_impossible_and_says_why() -> None:
    missing = Infeasible(limit=LIMIT, missing=2_500.0, problem=Problem.UNCONTROLLABLE)
    found = bounded(look(replace(PLAN, infeasible=(missing,))), real=False)
    assert found.verdict is Verdict.IMPOSSIBLE
    assert found.why == (
        "2.50 kW too much, and nothing more can yield: what is left cannot be controlled"
    )
