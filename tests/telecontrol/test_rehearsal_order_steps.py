"""What a rehearsal's orders show of the site behind the station."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
import re

import pytest

from custom_components.netflex.model.orders import (
    NO_ORDERS,
    GridOrders,
    Order,
    OrderName,
    OrderSource,
    QMode,
)
from custom_components.netflex.telecontrol import rehearsal_order_steps as steps
from custom_components.netflex.telecontrol.point import Execution
from custom_components.netflex.telecontrol.rehearsal_client import RehearsalClient
from custom_components.netflex.telecontrol.rehearsal_plant import (
    Bounded,
    Observation,
    RehearsalMode,
    Verdict,
)
from custom_components.netflex.telecontrol.rehearsal_record import Step
from custom_components.netflex.telecontrol.rehearsal_run import Pace, Run
from custom_components.netflex.telecontrol.rehearsal_station import RehearsalStation
from custom_components.netflex.telecontrol.settings import TelecontrolSettings
from tests.virtual_time import now

from .bench import SETTINGS, with_points
from .test_rehearsal import NOW, Host, station

pytestmark = pytest.mark.usefixtures("socket_enabled")

CONTRACT = 20_000.0
PATIENT = Pace(
    poll=0.005,
    comply=30.0,
    feedback=20.0,
    decide=20.0,
    dwell=0.01,
    recover=0.0,
    hopeless=0.05,
)
"""Waits long for what comes, and not at all for what does not matter here."""
MAXSETP = OrderName.MAXSETP


@dataclass
class Site:
    """A house that draws `draws` W, of which all but `stubborn` W obeys a limit."""

    station: RehearsalStation
    draws: float = 8_000.0
    stubborn: float = 0.0
    knows: bool = True
    """Whether the decision works with what the station orders."""
    metered: bool = True
    operator: GridOrders = NO_ORDERS
    """What the operator's own station orders, at least as tight."""
    recovers_after: float = 0.0
    """s until it draws again after a limit."""
    missing: tuple[str, ...] = ()
    verdict: Verdict | None = None
    """What is said of a limit; None: what is true."""
    _limited_at: float = field(default=-1e9)

    def utc(self) -> datetime:
        return NOW

    def _orders(self) -> GridOrders:
        if not self.knows:
            return NO_ORDERS
        if self.operator != NO_ORDERS:
            return self.operator
        return self.station.orders

    def observe(self) -> Observation:
        orders = self._orders()
        limit = (
            None if orders.maxsetp is None else CONTRACT * orders.maxsetp.value / 100
        )
        draws = self.draws
        if limit is not None and limit < draws:
            draws, self._limited_at = max(limit, self.stubborn), now()
        elif now() - self._limited_at < self.recovers_after:
            draws = 0.0
        power = draws if self.metered else None
        bounded = {}
        if limit is not None:
            kept = Verdict.KEPT if draws <= limit else Verdict.PENDING
            bounded[MAXSETP] = Bounded(
                limit=limit,
                value=power,
                now=power,
                verdict=self.verdict or kept,
                missing=self.missing,
            )
        return Observation(
            at=now(),
            orders=orders,
            power=power,
            reactive_power=1_200.0 if self.metered else None,
            measured_at=now(),
            bounded=bounded,
        )


@dataclass
class Bench:
    """A rehearsal of real orders on a wire of its own, and the site behind it."""

    run: Run
    site: Site

    @property
    def steps(self) -> dict[str, Step]:
        return {step.title: step for step in self.run.steps}


@asynccontextmanager
async def rehearsing(
    client_settings: TelecontrolSettings = SETTINGS, *, pace: Pace = PATIENT
) -> AsyncIterator[Bench]:
    async with station(Host(), real=True, settings=SETTINGS) as (rehearsal, address):
        client = RehearsalClient(address, client_settings)
        await client.open()
        await client.start()
        await client.interrogate()
        site = Site(rehearsal)
        run = Run(
            client,
            SETTINGS,
            RehearsalMode.REAL,
            site,
            pace=pace,
            on_progress=lambda _progress: None,
            on_step=lambda _step: None,
        )
        try:
            yield Bench(run, site)
        finally:
            await client.drop()


async def test_a_limit_that_is_kept_passes_once_it_was_watched_for_a_while() -> None:
    async with rehearsing() as bench:
        await steps.limit(bench.run, MAXSETP)
        assert [step.passed for step in bench.run.steps] == [True] * 4
        none = bench.steps["MAXSETP 0 %"]
        assert "Consumption at the connection point went from" in none.seen
        assert re.search(r"at most: kept \d+\.\d s after the order", none.seen)


async def test_a_limit_that_is_not_kept_in_time_fails() -> None:
    async with rehearsing(pace=replace(PATIENT, comply=0.05)) as bench:
        bench.site.stubborn = 3_000.0
        await steps.limit(bench.run, MAXSETP)
        none = bench.steps["MAXSETP 0 %"]
        assert none.passed is False
        assert "went from 8.00 kW to 3.00 kW, 0.00 kW at most" in none.seen
        assert none.seen.endswith("not kept within 0.05 s")


async def test_an_order_that_the_decision_does_not_know_fails() -> None:
    async with rehearsing(pace=replace(PATIENT, decide=0.02)) as bench:
        bench.site.knows = False
        await steps.limit(bench.run, MAXSETP)
        await steps.reactive(bench.run)
        assert {step.passed for step in bench.run.steps} == {False}
        assert {"the decision does not know it" in s.seen for s in bench.run.steps} == {
            True
        }
        # Confirmed and mirrored it was: what is missing is named, nothing else.
        assert bench.steps["MAXSETP 50 %"].seen.startswith("Confirmed, feedback 50")


async def test_of_what_nobody_measures_nothing_is_said() -> None:
    async with rehearsing() as bench:
        bench.site.metered = False
        bench.site.verdict = Verdict.UNKNOWN
        await steps.limit(bench.run, MAXSETP)
        assert {step.passed for step in bench.run.steps} == {None}
        assert (
            "Consumption at the connection point is not measured now"
            in bench.steps["MAXSETP 0 %"].seen
        )


async def test_what_has_not_confirmed_yet_is_named() -> None:
    async with rehearsing() as bench:
        bench.site.missing = ("Solar contactor", "Battery")
        await steps.limit(bench.run, MAXSETP)
        assert "Not confirmed yet: Solar contactor, Battery" in (
            bench.steps["MAXSETP 0 %"].notes
        )


async def test_S07_the_operators_own_tighter_limit_counts_as_known() -> None:
    async with rehearsing() as bench:
        bench.site.operator = GridOrders(
            maxsetp=Order(value=10.0, source=OrderSource.OPERATOR, at=NOW)
        )
        await steps.limit(bench.run, MAXSETP)
        assert [step.passed for step in bench.run.steps] == [True] * 4


async def test_what_flowed_is_waited_for_so_that_the_next_order_shows_something() -> (
    None
):
    async with rehearsing(pace=replace(PATIENT, recover=30.0)) as bench:
        bench.site.recovers_after = 0.05
        await steps.limit(bench.run, MAXSETP)
        (trace,) = bench.run.traces
        assert trace.marks[-1][1] == "100 %"
        assert trace.samples[-1].at > trace.marks[-1][0]
        assert trace.samples[-1].value == bench.site.draws


async def test_what_does_not_come_back_is_not_waited_for_for_ever() -> None:
    async with rehearsing(pace=replace(PATIENT, recover=0.02)) as bench:
        bench.site.recovers_after = 1e6
        await steps.limit(bench.run, MAXSETP)
        (trace,) = bench.run.traces
        assert trace.samples[-1].value == 0.0


async def test_where_nearly_nothing_flowed_nothing_is_waited_for() -> None:
    async with rehearsing(pace=replace(PATIENT, recover=1e6)) as bench:
        bench.site.draws = 300.0
        bench.site.recovers_after = 1e6
        await steps.limit(bench.run, MAXSETP)
        assert len(bench.run.traces) == 1


async def test_a_reactive_band_says_what_the_meter_sees_of_it() -> None:
    async with rehearsing() as bench:
        await steps.reactive(bench.run)
        assert [step.passed for step in bench.run.steps] == [True] * 5
        remote = bench.steps["Q mode remote"]
        assert "the decision works with it; 1200 var at the meter" in remote.seen
        assert "var at the meter" not in bench.steps["Q mode local"].seen


async def test_a_test_command_that_changes_a_limit_fails() -> None:
    async with rehearsing() as bench:
        before = bench.site.observe

        def observe() -> Observation:
            seen = before()
            if bench.site.station.orders.test is None:
                return seen
            limit = Bounded(limit=0.0, value=0.0, now=0.0, verdict=Verdict.KEPT)
            return replace(seen, bounded={MAXSETP: limit})

        bench.site.observe = observe  # type: ignore[method-assign]
        await steps.test_order(bench.run)
        on = bench.steps["Test on"]
        assert on.passed is False
        assert on.seen.endswith("; limits changed")


async def test_a_stop_whose_outputs_do_not_confirm_is_not_mirrored() -> None:
    async with rehearsing(pace=replace(PATIENT, feedback=0.05)) as bench:
        await steps.both_stops(bench.run)
        on = bench.steps["Emergency stop of production on"]
        assert on.passed is False
        assert on.seen == "Confirmed, but the feedback shows off"


async def test_a_point_that_the_station_executes_directly_gives_no_confirmation() -> (
    None
):
    selected = with_points(redenp={"execution": Execution.SELECT})
    async with rehearsing(replace(SETTINGS, points=selected)) as bench:
        await steps.reasons(bench.run)
        step = bench.steps["REDENP = 99"]
        assert step.passed is False
        assert step.seen == "No confirmation"


async def test_without_a_connection_nothing_can_be_asked() -> None:
    client = RehearsalClient(("127.0.0.1", 1), SETTINGS)
    with pytest.raises(ConnectionError, match="not connected"):
        await client.interrogate()


async def test_what_was_not_heard_yet_is_not_shown() -> None:
    client = RehearsalClient(("127.0.0.1", 1), SETTINGS)
    assert client.shown(OrderName.Q_MODE) == ""
    assert not client.shows(OrderName.Q_MODE, QMode.LOCAL)
    assert not await client.wait_initialized(0.01)
