"""What became of each order, and the flows of the last hour."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from custom_components.netflex.model.asset import AssetState, Direction
from custom_components.netflex.model.orders import OrderEvent, OrderName, OrderSource
from custom_components.netflex.model.plan import (
    SITE,
    Cause,
    Compliance,
    ComplianceState,
    Limit,
    Plan,
    Quantity,
    Setpoint,
    SetpointKind,
    Source,
)
from custom_components.netflex.model.reading import MeterReading
from custom_components.netflex.site.timeline import ORDERS_KEPT, SAMPLES_KEPT, Timeline
from custom_components.netflex.site.view import MeterView, SiteView, StopProof

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CAUSE = Cause(source=Source.GRID_OPERATOR, key="maxsetp", text="MAXSETP 50 %")


def event(name: OrderName = OrderName.MAXSETP, value: float = 50.0, **more: object):
    return OrderEvent(
        **{"name": name, "value": value, "source": OrderSource.OPERATOR, "at": AT}
        | more
    )


def limit(value: float = 10_000.0) -> Limit:
    return Limit(
        scope=SITE,
        quantity=Quantity.IMPORT,
        value=value,
        source=Source.GRID_OPERATOR,
        cause=CAUSE,
        since=AT,
    )


def limited(*, follows: bool | None) -> SiteView:
    """Return a view in which one charger is told to follow a limit."""
    setpoint = Setpoint(
        asset_id="car", kind=SetpointKind.CURRENT, value=6.0, causes=(CAUSE,)
    )
    return SiteView(
        plan=Plan(
            at=1.0,
            setpoints={"car": setpoint},
            limits=(limit(),),
            ordered=(limit(),),
            compliance=(
                Compliance(
                    name="maxsetp",
                    limit=limit(),
                    ordered_at=AT,
                    state=ComplianceState.PENDING,
                ),
            ),
        ),
        states={"car": AssetState(asset_id="car", available=True, follows=follows)},
        meters={
            "p1": MeterView(
                meter_id="p1",
                available=True,
                reading=MeterReading(meter_id="p1", received=1.0, power=4000.0),
            )
        },
        site_meter="p1",
    )


def after(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


def test_a_limit_is_applied_once_all_that_it_binds_have_confirmed() -> None:
    timeline = Timeline()
    timeline.take_order(event())
    timeline.take_view(limited(follows=None), after(0.1))
    assert timeline.orders[0].applied is None
    timeline.take_view(limited(follows=False), after(0.2))
    assert timeline.orders[0].applied is None
    timeline.take_view(limited(follows=True), after(0.3))
    assert timeline.orders[0].applied == 0.3
    timeline.take_view(limited(follows=False), after(9))
    assert timeline.orders[0].applied == 0.3


def test_what_was_measured_of_an_order_stays_with_it_when_a_newer_one_comes() -> None:
    timeline = Timeline()
    timeline.take_order(event())
    timeline.take_view(limited(follows=True), after(1))
    timeline.take_order(event(value=100.0, at=after(5)))
    newest, older = timeline.orders
    assert (newest.open, older.open) == (True, False)
    assert older.compliance is not None
    assert older.compliance.state is ComplianceState.PENDING
    timeline.take_view(limited(follows=True), after(6))
    assert timeline.orders[0].compliance is None
    assert timeline.orders[0].applied is None, "the plan still has the older order"


def test_a_refused_order_closes_nothing_and_is_never_applied() -> None:
    timeline = Timeline()
    timeline.take_order(event())
    timeline.take_order(event(value=999.0, accepted=False, reason="out of range"))
    timeline.take_view(limited(follows=True), after(1))
    refused, kept = timeline.orders
    assert (refused.accepted, refused.applied, refused.open) == (False, None, False)
    assert kept.open


def test_a_stop_is_applied_as_its_proof_says_and_its_release_as_planned() -> None:
    timeline = Timeline()
    stop = OrderName.EMERGENCY_STOP_CONSUMPTION
    timeline.take_order(event(stop, value=True))
    stopped = Plan(at=1.0, stopped=frozenset({Direction.CONSUMPTION}))
    proof = StopProof(
        direction=Direction.CONSUMPTION, written=True, missing=("Charger",)
    )
    timeline.take_view(SiteView(plan=stopped, proofs=(proof,)), after(1))
    assert timeline.orders[0].applied is None
    done = replace(proof, missing=(), seconds=0.042)
    timeline.take_view(SiteView(plan=stopped, proofs=(done,)), after(2))
    assert timeline.orders[0].applied == 0.042
    timeline.take_order(event(stop, value=False, at=after(10)))
    timeline.take_view(SiteView(plan=stopped, proofs=(done,)), after(11))
    assert timeline.orders[0].applied is None
    timeline.take_view(SiteView(plan=Plan(at=2.0)), after(12))
    assert timeline.orders[0].applied == 2.0


def test_changes_are_counted_so_that_nothing_is_sent_twice() -> None:
    timeline = Timeline()
    timeline.take_order(event())
    timeline.take_view(limited(follows=True), after(1))
    before = timeline.changes
    timeline.take_view(limited(follows=True), after(2))
    assert timeline.changes == before


def test_samples_are_spaced_bounded_and_absent_where_nobody_measures() -> None:
    timeline = Timeline()
    for second in range(SAMPLES_KEPT * 5 + 50):
        timeline.take_view(limited(follows=True), after(second))
    assert len(timeline.samples) == SAMPLES_KEPT
    assert timeline.newest_samples(2) == timeline.samples[-2:]
    newest = timeline.samples[-1]
    assert (newest.power, newest.import_limit) == (4000.0, 10_000.0)
    assert newest.injection_limit is None
    blind = replace(limited(follows=True), site_meter=None)
    timeline.take_view(blind, after(SAMPLES_KEPT * 5 + 100))
    assert timeline.samples[-1].power is None


def test_a_clock_set_back_does_not_end_the_samples() -> None:
    timeline = Timeline()
    timeline.take_view(limited(follows=True), after(0))
    timeline.take_view(limited(follows=True), after(-3600))
    assert len(timeline.samples) == 2


def test_only_the_newest_orders_are_kept() -> None:
    timeline = Timeline()
    for number in range(ORDERS_KEPT + 7):
        timeline.take_order(event(value=float(number)))
    assert len(timeline.orders) == ORDERS_KEPT
    assert timeline.orders[0].value == ORDERS_KEPT + 6
