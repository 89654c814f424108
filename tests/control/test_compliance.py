"""Compliance: how each order of the grid operator is kept, and what follows if not."""

from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise
import json

import pytest

from custom_components.netflex.control.decide import decide
from custom_components.netflex.control.memory import EMPTY, Memory, from_dict, to_dict
from custom_components.netflex.model.asset import Asset, Direction, EmergencyOutput
from custom_components.netflex.model.connection import Line
from custom_components.netflex.model.orders import NO_ORDERS, GridOrders
from custom_components.netflex.model.plan import (
    Compliance,
    ComplianceState,
    Escalation,
    Plan,
)
from custom_components.netflex.model.snapshot import (
    Clock,
    ComplianceRules,
    SiteModel,
    Snapshot,
)

from .closed_loop import Car, Loop, Sample, Sun, devices_of
from .sites import (
    START,
    battery,
    charger,
    inverter,
    load,
    orders,
    reading,
    site,
    step,
    stop,
)


@dataclass
class Watch:
    """A site whose meter says what it is told to say."""

    model: SiteModel
    given: GridOrders
    now: float = 100.0
    memory: Memory = EMPTY
    plan: Plan | None = None

    def measure(self, *powers: float | None) -> Compliance:
        """Take one decision a second; None is a meter that says nothing new."""
        for power in powers:
            self.now += 1.0
            if power is not None:
                self.newest = reading(power, self.now)
            self.decide()
        return self.only()

    def decide(self) -> None:
        self.plan, self.memory = decide(
            self.model,
            Snapshot(orders=self.given, reading=self.newest),
            self.memory,
            Clock(monotonic=self.now, utc=START + timedelta(seconds=self.now)),
        )

    def only(self) -> Compliance:
        assert self.plan is not None
        (found,) = self.plan.compliance
        return found

    newest = None


def watch(percent: float = 50.0, **rules: object) -> Watch:
    """10 kW of import at most: half of the contract."""
    options = ComplianceRules(**rules)  # type: ignore[arg-type]
    # A charger that does not answer: nobody can say that nothing is left to be done.
    model = site(charger(), compliance=options)
    before = Watch(model=model, given=NO_ORDERS, now=99.0)
    before.decide()
    return Watch(model=model, given=orders(maxsetp=percent), memory=before.memory)


def test_time_from_the_order_to_the_first_reading_inside() -> None:
    site_ = watch()
    assert site_.measure(12_000.0).state is ComplianceState.PENDING
    assert site_.measure(*[12_000.0] * 8).seconds is None
    found = site_.measure(9000.0, 9000.0)
    assert found.state is ComplianceState.INSIDE
    # The order came with the decision at 101 s, the first reading inside at 110 s.
    assert found.seconds == 9.0
    assert found.ordered_at == START
    assert found.inside_at == START + timedelta(seconds=110)
    assert (found.name, found.limit.value, found.measured) == ("maxsetp", 1e4, 9000.0)
    assert (found.violations, found.worst, found.level) == (0, 0.0, Escalation.NONE)


def test_an_order_that_is_kept_already_took_no_time() -> None:
    found = watch().measure(9000.0, 9000.0)
    assert (found.seconds, found.state) == (0.0, ComplianceState.INSIDE)


def test_every_violation_is_counted_with_its_time_and_its_worst() -> None:
    site_ = watch()
    site_.measure(*[9000.0] * 3)
    found = site_.measure(11_000.0, 14_000.0, 12_000.0)
    assert found.state is ComplianceState.VIOLATED
    assert (found.violations, found.worst, found.outside_for) == (1, 4000.0, 2.0)
    found = site_.measure(9000.0, 9000.0, 11_500.0, 11_500.0, 9000.0, 9000.0)
    assert (found.violations, found.worst) == (2, 4000.0)
    # Until a reading inside is proven, it counts as outside.
    assert found.violation_seconds == pytest.approx(5.0, abs=1.0)
    assert (found.seconds, found.outside_for) == (0.0, None)


def test_an_order_not_reached_by_its_deadline_is_a_violation() -> None:
    site_ = watch(deadline=5.0)
    assert site_.measure(*[12_000.0] * 6).state is ComplianceState.PENDING
    found = site_.measure(12_000.0, 12_000.0)
    assert (found.state, found.violations) == (ComplianceState.VIOLATED, 1)
    assert found.violation_seconds == 2.0


def test_tolerance_and_band_are_the_users() -> None:
    assert watch().measure(*[10_100.0] * 3).state is ComplianceState.INSIDE
    assert watch(percent=0.0).measure(*[100.0] * 3).state is ComplianceState.INSIDE
    tight = watch(tolerance=0.0, band=10.0)
    assert tight.measure(*[10_100.0] * 3).state is ComplianceState.PENDING


def test_S19_a_single_sample_is_no_violation_and_escalates_nothing() -> None:
    site_ = watch(retry=0.0, tighten=0.0, open_loop=0.0, repair=0.0)
    site_.measure(*[9000.0] * 3)
    for _ in range(20):
        found = site_.measure(15_000.0, 9000.0)
    assert (found.violations, found.level) == (0, Escalation.NONE)
    # The same sample again and again is one sample.
    found = site_.measure(15_000.0, None, None, None)
    assert (found.violations, found.level) == (0, Escalation.NONE)
    found = site_.measure(15_000.0)
    assert (found.violations, found.level) == (1, Escalation.RETRY)
    assert site_.measure(15_000.0).level is Escalation.TIGHTEN


def test_S19_a_stale_meter_escalates_nothing_and_is_said() -> None:
    site_ = watch(retry=10.0, samples=3)
    site_.measure(*[9000.0] * 3, *[12_000.0] * 4)
    found = site_.measure(*[None] * 120)
    assert (found.state, found.measured) == (ComplianceState.UNKNOWN, None)
    assert found.level is Escalation.NONE
    before = found.violation_seconds
    found = site_.measure(12_000.0, 12_000.0)
    # Two minutes in which nobody measured are neither a violation nor kept.
    assert found.unmeasured_seconds == 121.0
    assert found.violation_seconds == before + 1
    assert found.outside_for == 4.0
    assert found.level is Escalation.NONE
    assert site_.measure(*[12_000.0] * 5).level is Escalation.NONE
    assert site_.measure(12_000.0).level is Escalation.RETRY


def test_a_repeated_order_goes_on_and_a_new_value_begins_anew() -> None:
    site_ = watch()
    site_.measure(*[12_000.0] * 5, *[9000.0] * 3)
    again = site_.given.maxsetp
    assert again is not None
    site_.given = replace(
        NO_ORDERS, maxsetp=replace(again, at=again.at + timedelta(seconds=60))
    )
    found = site_.measure(9000.0)
    assert (found.seconds, found.ordered_at) == (5.0, START)
    site_.given = orders(maxsetp=40.0)
    found = site_.measure(9000.0, 9000.0)
    assert (found.state, found.seconds) == (ComplianceState.PENDING, None)
    site_.given = NO_ORDERS
    site_.newest = reading(9000.0, site_.now)
    site_.decide()
    assert site_.plan is not None
    assert site_.plan.compliance == ()


def test_figures_survive_a_restart_and_escalation_does_not() -> None:
    site_ = watch(retry=2.0)
    site_.measure(*[12_000.0] * 5, *[9000.0] * 3, *[11_000.0] * 6)
    before = site_.only()
    assert before.level is Escalation.RETRY
    site_.memory = from_dict(json.loads(json.dumps(to_dict(site_.memory))))
    site_.now = 5000.0
    found = site_.measure(9000.0)
    assert found.level is Escalation.NONE
    for name in ("ordered_at", "inside_at", "seconds", "violations", "worst"):
        assert getattr(found, name) == getattr(before, name), name
    assert not found.resumed
    # Without a stored memory nothing is known of the time before.
    site_.memory = EMPTY
    assert site_.measure(9000.0).resumed


def test_a_limit_on_assets_is_judged_by_the_assets_themselves() -> None:
    model = site(inverter(), battery())
    loop = Loop(
        site=model,
        devices=devices_of(model, sun={"delay": 6.0, "sun": lambda at: 7000.0}),
        orders=lambda at: orders(maxsetap=10.0) if at > 1020 else NO_ORDERS,
    )
    loop.run(60)
    (found,) = loop.samples[-1].plan.compliance
    assert (found.name, found.state) == ("maxsetap", ComplianceState.INSIDE)
    assert found.seconds == pytest.approx(7.0, abs=2.5)


def test_a_stop_is_judged_too_and_an_asset_that_is_silent_is_unknown() -> None:
    model = site(inverter())

    def works(at: float) -> bool:
        return at < 1030

    loop = Loop(
        site=model,
        devices=devices_of(model, sun={"sun": lambda at: 7000.0, "online": works}),
        orders=lambda at: stop("production") if at > 1010 else NO_ORDERS,
    )
    loop.run(25)
    (found,) = loop.samples[-1].plan.compliance
    assert found.name == "emergency_stop_production"
    assert found.state is ComplianceState.INSIDE
    loop.run(10)
    assert loop.samples[-1].plan.compliance[0].state is ComplianceState.UNKNOWN


class Rebel(Car):
    """A charger that says yes and draws 16 A all the same."""

    loop: Loop
    obeys_after = 0.0

    def physics(self, at: float, seconds: float) -> float:
        cut = False
        if hasattr(self, "loop") and self.loop.samples:
            relay = self.loop.samples[-1].plan.setpoints.get("relay")
            cut = relay is not None and relay.value == 1.0
        if cut:
            return 0.0
        if self.obeys_after and at > self.obeys_after:
            return super().physics(at, seconds)
        return 16.0 * self.watts(3)


RULES = ComplianceRules(
    retry=20.0,
    tighten=30.0,
    open_loop=45.0,
    relay=60.0,
    repair=120.0,
    relay_allowed=True,
    calm=20.0,
    relay_back=60.0,
)


def relay(*assets: str) -> EmergencyOutput:
    return EmergencyOutput(
        asset_id="relay",
        name="relay",
        stops=frozenset({Direction.CONSUMPTION}),
        assets=frozenset(assets),
    )


def rebellion(*more: Asset, rules: ComplianceRules = RULES, **options: object) -> Loop:
    """An import limit of 6 kW with a charger of 11 kW that does not obey."""
    model = site(
        charger("rebel"),
        *more,
        outputs=(options.pop("output", relay("rebel")),),
        compliance=rules,
    )
    rebel = Rebel(asset=model.assets["rebel"])
    loop = Loop(
        site=model,
        devices=[rebel, *devices_of(site(*more))],
        orders=lambda at: orders(maxsetp=30.0),
        **options,  # type: ignore[arg-type]
    )
    rebel.loop = loop
    return loop


def levels(samples: list[Sample]) -> list[Escalation]:
    """Return the steps in the order in which they were reached."""
    found: list[Escalation] = []
    for sample in samples:
        level = sample.plan.compliance[0].level
        if not found or found[-1] is not level:
            found.append(level)
    return found


def test_S19_a_restart_gives_nothing_back_that_a_relay_cut_off() -> None:
    loop = rebellion()
    loop.run(75)
    assert loop.samples[-1].plan.setpoints["relay"].value == 1.0
    loop.memory = from_dict(json.loads(json.dumps(to_dict(loop.memory))))
    samples = loop.run(RULES.relay_back - 10)
    assert {sample.plan.setpoints["relay"].value for sample in samples} == {1.0}
    assert samples[0].plan.compliance[0].level is Escalation.RELAY
    rebel = loop.devices[0]
    assert isinstance(rebel, Rebel)
    rebel.obeys_after = loop.now
    assert loop.run(300)[-1].plan.setpoints["relay"].value == 0.0


def test_S19_what_does_not_obey_is_escalated_step_by_step_to_its_relay() -> None:
    loop = rebellion()
    samples = loop.run(75)
    assert levels(samples) == [
        Escalation.NONE,
        Escalation.RETRY,
        Escalation.TIGHTEN,
        Escalation.OPEN_LOOP,
        Escalation.RELAY,
    ]
    last = samples[-1]
    assert last.plan.compliance[0].outputs == ("relay",)
    assert last.plan.setpoints["relay"].value == 1.0
    assert not last.plan.setpoints["relay"].emergency
    (cause,) = last.plan.setpoints["relay"].causes
    assert cause.key == "cut_off"
    assert last.power <= 6100
    assert last.plan.setpoints["rebel"].attempt == 4
    assert last.plan.compliance[0].seconds == pytest.approx(62.0, abs=4)


def test_S19_every_step_has_a_way_back() -> None:
    loop = rebellion()
    rebel = loop.devices[0]
    assert isinstance(rebel, Rebel)
    rebel.obeys_after = 1100.0
    samples = loop.run(400)
    last = samples[-1].plan
    assert last.compliance[0].level is Escalation.NONE
    assert last.setpoints["relay"].value == 0.0
    assert last.compliance[0].outputs == ()
    assert last.compliance[0].violations <= 1
    # The relay gives back once, not again and again.
    relays = [sample.plan.setpoints["relay"].value for sample in samples]
    assert sum(a != b for a, b in pairwise(relays)) == 2
    assert samples[-1].devices["rebel"] > 0


def test_S19_a_relapse_takes_longer_to_be_trusted_again() -> None:
    samples = rebellion().run(1200)
    closed = [sample.at for sample in samples if sample.plan.setpoints["relay"].value]
    # It keeps disobeying: most of the time it is cut off, with ever longer calm.
    assert len(closed) > 700
    assert samples[-1].plan.compliance[0].violations >= 2


def test_S19_a_relay_needs_the_users_word_and_a_known_reach() -> None:
    forbidden = rebellion(rules=replace(RULES, relay_allowed=False))
    unknown = rebellion(output=relay())
    needed = rebellion(load("pump", never_shed=True), output=relay("rebel", "pump"))
    other = rebellion(
        output=replace(relay("rebel"), stops=frozenset({Direction.PRODUCTION}))
    )
    for loop in (forbidden, unknown, needed, other):
        samples = loop.run(150)
        assert all(sample.plan.setpoints["relay"].value == 0.0 for sample in samples)
        assert samples[-1].plan.compliance[0].level is Escalation.REPAIR


def test_S19_infeasible_is_a_state_and_switches_nothing_off() -> None:
    """Base load alone is above the limit; all that may yield has yielded."""
    model = site(
        charger(lines=(Line.L1,)),
        load("pump", never_shed=True),
        outputs=(relay("car"),),
        compliance=RULES,
    )
    loop = Loop(
        site=model,
        devices=devices_of(model),
        base=lambda at: (3000.0,) * 3 if at < 1300 else (300.0,) * 3,
        orders=lambda at: orders(maxsetp=30.0),
    )
    samples = loop.run(600)
    hard = [sample for sample in samples if 1060 <= sample.at < 1300]
    for sample in hard:
        (found,) = sample.plan.compliance
        assert found.state is ComplianceState.INFEASIBLE
        assert found.level <= Escalation.RETRY
        assert sample.plan.setpoints["relay"].value == 0.0
        assert sample.devices["pump"] == 3000.0
    # No wind-up: what was missing is not made up for.
    back = samples[-1]
    assert back.plan.compliance[0].state is ComplianceState.INSIDE
    assert back.power > 5500


def test_S19_tightening_never_aims_lower_than_what_was_too_much() -> None:
    loop = rebellion(battery(rated=3000.0), rules=replace(RULES, relay=None))
    loop.run(300)
    for record in loop.memory.orders.values():
        assert 0 <= record.trim <= record.peak + 1e-6


def test_open_loop_gives_an_injection_limit_straight_to_the_inverters() -> None:
    """What others draw is not counted on any more once the limit was not kept."""
    rules = replace(RULES, tighten=None, relay=None, open_loop=20.0, deadline=5.0)
    model = site(inverter(), compliance=rules)
    told, memory = [], EMPTY
    for second in range(60):
        at = 100.0 + second
        # 1 kW is drawn beside; the inverter produces 6 kW whatever it is told.
        result, memory = step(
            model,
            reading(-5000.0, at),
            {"sun": -6000.0},
            given=orders(minsetp=40.0),
            memory=memory,
            at=at,
        )
        told.append(result.setpoints["sun"].value)
    assert told[:21] == [5000.0] * 21
    # 1 kW at once, and 200 W each second until what is too much is aimed off as well.
    assert told[21:27] == [3800.0, 3600.0, 3400.0, 3200.0, 3000.0, 3000.0]
    (found,) = result.compliance
    assert found.level is Escalation.OPEN_LOOP


def test_an_injection_limit_that_cannot_be_kept_curtails_all_that_can_be() -> None:
    """A second source that nobody knows feeds in now and then."""
    model = site(inverter(), inverter("wild", controllable=False), compliance=RULES)
    loop = Loop(
        site=model,
        devices=devices_of(
            model,
            sun={"sun": lambda at: 6000.0},
            wild={"sun": lambda at: 6000.0},
        ),
        orders=lambda at: orders(minsetp=40.0),
        base=lambda at: (100.0,) * 3,
    )
    samples = loop.run(120)
    last = samples[-1]
    # 5.7 kW flow past everything; the limit is 4 kW: all that can be curtailed is.
    assert last.devices["sun"] == 0.0
    (found,) = last.plan.compliance
    assert found.state is ComplianceState.INFEASIBLE


def test_a_tighter_order_keeps_what_was_cut_off_and_a_looser_one_frees_it() -> None:
    loop = rebellion()
    loop.run(75)
    assert loop.samples[-1].plan.setpoints["relay"].value == 1.0
    loop.orders = lambda at: orders(maxsetp=20.0)
    loop.tick()
    assert loop.samples[-1].plan.setpoints["relay"].value == 1.0
    loop.orders = lambda at: orders(maxsetp=90.0)
    loop.tick()
    assert loop.samples[-1].plan.setpoints["relay"].value == 0.0


def test_a_relay_that_ends_production_is_booked_for_the_fuse() -> None:
    """S16 holds for a relay of an escalation, too."""
    model = site(
        inverter(controllable=False, rated=9000.0),
        charger(),
        outputs=(
            EmergencyOutput(
                asset_id="relay",
                name="relay",
                stops=frozenset({Direction.PRODUCTION}),
                assets=frozenset({"sun"}),
            ),
        ),
        compliance=replace(RULES, retry=None, tighten=None, open_loop=None, relay=3.0),
    )
    sun = Sun(asset=model.assets["sun"], sun=lambda at: 9000.0)
    loop = Loop(
        site=model,
        devices=[sun, *devices_of(site(charger()), car={"appetite": lambda at: 6.0})],
        orders=lambda at: orders(minsetp=10.0, maxsetp=60.0),
    )
    samples = loop.run(60)
    acted = next(s for s in samples if s.plan.setpoints["relay"].value == 1.0)
    assert acted.at <= 1010
    assert acted.plan.setpoints["car"].value * 690 <= 12_000 - 1500 + 200
