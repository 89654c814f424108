"""FlexOffers: made, written in every dialect, assigned, carried out, measured."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
import json
from typing import Any

import aiohttp
from aiohttp import web
from hypothesis import given, strategies as st
import pytest

from custom_components.netflex.northbound import flexoffer_agent, flexoffer_manager
from custom_components.netflex.northbound.flexoffer import (
    Bounds,
    FlexOffer,
    OfferError,
    OfferState,
    Schedule,
)
from custom_components.netflex.northbound.flexoffer_agent import (
    AgentHooks,
    FlexOfferAgent,
)
from custom_components.netflex.northbound.flexoffer_execution import Execution, moved
from custom_components.netflex.northbound.flexoffer_making import (
    BatteryNow,
    ChargingNow,
    LoadNow,
    Terms,
    battery_offer,
    charging_offer,
    load_offer,
)
from custom_components.netflex.northbound.flexoffer_manager import (
    FlexOfferManager,
    ManagerError,
    Operation,
)
from custom_components.netflex.northbound.flexoffer_messages import (
    BoundNames,
    Dialect,
    EnergySign,
    MessageError,
    read_answers,
    read_schedule,
    write_offer,
    write_schedule,
)
from custom_components.netflex.simulation.flexoffer_manager import (
    SimulatedManager,
    read_offer,
)

NOW = datetime(2026, 11, 22, 12, 2, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
PASSWORD = "secret"
NOTHING = Operation(power=None, prognosis=())
DIALECTS = [
    Dialect(bounds=names, sign=sign) for names in BoundNames for sign in EnergySign
]


def terms() -> Terms:
    numbers = count(1)
    return Terms(offered_by="home", new_id=lambda: f"offer-{next(numbers)}")


def boiler(**changes: Any) -> FlexOffer:
    load = LoadNow(
        asset_id="boiler", rated=2400.0, mean=800.0, hold=1800.0, window=3600.0
    )
    offer = load_offer(load, NOW, terms())
    assert offer is not None
    return replace(offer, **changes)


def test_bounds_hold_something() -> None:
    with pytest.raises(ValueError, match="lower bound"):
        Bounds(low=1.0, high=0.0)
    with pytest.raises(ValueError, match="lower bound"):
        Bounds(low=float("nan"), high=1.0)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"slices": ()}, "offers nothing"),
        ({"start_before": NOW}, "start before it may"),
        ({"assign_before": NOW - QUARTER}, "deadlines"),
        ({"total": Bounds(low=9000.0, high=9000.0)}, "cannot add up"),
    ],
)
def test_an_offer_that_nobody_could_carry_out_is_none(
    changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(OfferError, match=reason):
        boiler(**changes)


# ------------------------------------------------------------------------------- making


def test_a_load_offers_to_be_held_back_and_makes_up_for_it() -> None:
    offer = boiler()
    # 30 min at 800 W are 400 Wh; what is not drawn then is drawn afterwards.
    assert len(offer.slices) == 3
    assert offer.slices[0] == Bounds(low=0.0, high=600.0)
    assert offer.default.energies == (200.0, 200.0, 200.0)
    assert offer.total == Bounds(low=200.0, high=600.0)
    assert offer.start_after == datetime(2026, 11, 22, 12, 15, tzinfo=UTC)
    assert offer.start_before - offer.start_after == timedelta(hours=1)
    assert offer.assign_before == offer.start_after - timedelta(minutes=5)
    assert offer.accept_before == NOW + timedelta(minutes=5)


@pytest.mark.parametrize("mean", [0.0, 100.0])
def test_a_load_that_draws_nothing_to_speak_of_offers_nothing(mean: float) -> None:
    load = LoadNow(asset_id="b", rated=2000.0, mean=mean, hold=1800.0, window=0.0)
    assert load_offer(load, NOW, terms()) is None


def test_a_car_offers_when_it_is_charged_and_not_how_much() -> None:
    car = ChargingNow(
        asset_id="car",
        energy=10_000.0,
        deadline=NOW + timedelta(hours=6),
        most=11_000.0,
    )
    offer = charging_offer(car, NOW, terms())
    assert offer is not None
    assert offer.total == Bounds(low=10_000.0, high=10_000.0)
    assert offer.default.energies[:4] == (2750.0, 2750.0, 2750.0, 1750.0)
    assert offer.default.total == pytest.approx(10_000.0)
    assert offer.start_after + offer.length <= car.deadline


def test_a_car_without_time_to_spare_offers_nothing() -> None:
    car = ChargingNow(
        asset_id="car",
        energy=10_000.0,
        deadline=NOW + timedelta(hours=1, minutes=15),
        most=11_000.0,
    )
    assert charging_offer(car, NOW, terms()) is None


def test_a_battery_offers_what_it_can_take_and_give() -> None:
    battery = BatteryNow(
        asset_id="battery", takes=3000.0, gives=8000.0, charge=5000.0, discharge=5000.0
    )
    offer = battery_offer(battery, NOW, terms())
    assert offer is not None
    assert offer.slices[0] == Bounds(low=-1250.0, high=1250.0)
    assert offer.total == Bounds(low=-5000.0, high=3000.0)
    assert offer.default.total == 0.0


@given(
    mean=st.floats(0, 10_000),
    rated=st.floats(0, 10_000),
    hold=st.floats(0, 86_400),
    returns=st.floats(0, 1),
)
def test_every_offer_can_be_kept_by_doing_what_is_usual(
    mean: float, rated: float, hold: float, returns: float
) -> None:
    load = LoadNow(
        asset_id="b", rated=rated, mean=mean, hold=hold, window=3600.0, returns=returns
    )
    if (offer := load_offer(load, NOW, terms())) is None:
        return
    offer = offer.to(OfferState.OFFERED)
    assert offer.assigned(offer.default, NOW).state is OfferState.ASSIGNED


# --------------------------------------------------------------------------------- life


def assigned(offer: FlexOffer | None = None, number: int = 1) -> FlexOffer:
    offer = (offer or boiler()).to(OfferState.OFFERED).to(OfferState.ACCEPTED)
    schedule = Schedule(
        start=offer.start_after, energies=(0.0, 0.0, 400.0), number=number
    )
    return offer.assigned(schedule, NOW)


def test_the_life_of_an_offer() -> None:
    offer = assigned()
    assert offer.state is OfferState.ASSIGNED
    assert [slot.power for slot in offer.slots()] == [0.0, 0.0, 1600.0]
    end = offer.start_after + 3 * QUARTER
    assert offer.at(end - timedelta(seconds=1)) is offer
    assert offer.at(end).state is OfferState.EXECUTED


def test_deadlines_end_an_offer() -> None:
    offer = boiler().to(OfferState.OFFERED)
    assert offer.at(offer.accept_before).state is OfferState.INVALID
    accepted = offer.to(OfferState.ACCEPTED)
    assert accepted.at(offer.accept_before) is accepted
    assert accepted.at(offer.assign_before).reason == "it was not assigned in time"


@pytest.mark.parametrize(
    ("state", "next_state"),
    [
        (OfferState.REJECTED, OfferState.ACCEPTED),
        (OfferState.EXECUTED, OfferState.ASSIGNED),
        (OfferState.INITIAL, OfferState.ASSIGNED),
        (OfferState.CANCELED, OfferState.OFFERED),
    ],
)
def test_there_is_no_way_back(state: OfferState, next_state: OfferState) -> None:
    with pytest.raises(OfferError, match=f"{state.value} cannot become"):
        boiler(state=state).to(next_state)


@pytest.mark.parametrize(
    ("energies", "start", "words"),
    [
        ((0.0, 0.0), 0, "2 intervals, 3 were offered"),
        ((0.0, 0.0, 700.0), 0, "interval 3 wants 0.70 kWh"),
        ((-50.0, 200.0, 200.0), 0, "interval 1 wants -0.05 kWh"),
        ((0.0, 0.0, 0.0), 0, "wants 0.00 kWh in all"),
        ((600.0, 600.0, 600.0), 0, "wants 1.80 kWh in all"),
        ((0.0, 0.0, 400.0), -1, "outside the window"),
        ((0.0, 0.0, 400.0), 5, "outside the window"),
    ],
)
def test_a_schedule_outside_what_was_offered_is_refused(
    energies: tuple[float, ...], start: int, words: str
) -> None:
    offer = boiler().to(OfferState.OFFERED)
    schedule = Schedule(start=offer.start_after + start * QUARTER, energies=energies)
    with pytest.raises(OfferError, match=words):
        offer.assigned(schedule, NOW)


def test_a_schedule_after_its_deadline_is_refused_an_update_is_not() -> None:
    offer = boiler().to(OfferState.OFFERED)
    late = offer.assign_before
    schedule = Schedule(start=offer.start_after, energies=(0.0, 0.0, 400.0), number=1)
    with pytest.raises(OfferError, match="after its deadline"):
        offer.assigned(schedule, late)
    offer = assigned()
    newer = replace(schedule, energies=(0.0, 200.0, 200.0), number=2)
    assert offer.assigned(newer, late).schedule == newer
    with pytest.raises(OfferError, match="not newer"):
        offer.assigned(schedule, late)


# ----------------------------------------------------------------------------- messages


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
def test_an_offer_arrives_as_it_was_meant_in_every_dialect(dialect: Dialect) -> None:
    battery = BatteryNow(
        asset_id="battery", takes=3000.0, gives=8000.0, charge=5000.0, discharge=2500.0
    )
    offer = battery_offer(battery, NOW, terms())
    assert offer is not None
    message = json.loads(json.dumps(write_offer(offer, dialect)))
    seen = read_offer(message, dialect)
    assert seen.slices == offer.slices
    assert seen.total == offer.total
    assert seen.default == offer.default
    assert (seen.start_after, seen.start_before) == (
        offer.start_after,
        offer.start_before,
    )
    assert message["startAfterInterval"] == int(offer.start_after.timestamp()) // 900
    assert message["creationTime"] == "2026-11-22T12:02:00.000+0000"


def test_case_16_flexoffer_sign_switch() -> None:
    """The same discharge is negative for one manager and positive for the other."""
    discharge = Schedule(start=NOW, energies=(-1000.0,))
    amounts = {}
    for sign in EnergySign:
        dialect = Dialect(sign=sign)
        message = write_schedule(discharge, dialect)
        amounts[sign] = message["scheduleSlices"][0]["energyAmount"]
        assert read_schedule(message, dialect).energies == (-1000.0,)
    assert amounts == {EnergySign.CONSUMPTION: -1.0, EnergySign.PRODUCTION: 1.0}
    offer = boiler()
    flipped = write_offer(offer, Dialect(sign=EnergySign.PRODUCTION))
    bounds = flipped["flexOfferProfileConstraints"][0]["energyConstraintList"][0]
    # A load never produces: its bounds turn round, and zero has no sign.
    assert bounds == {"lower": -0.6, "upper": 0.0}
    assert str(bounds["upper"]) == "0.0"


def test_both_spellings_of_bounds_are_written_and_read() -> None:
    offer = boiler()
    for names, keys in (
        (BoundNames.SHORT, {"lower", "upper"}),
        (BoundNames.LONG, {"lowerBound", "upperBound"}),
    ):
        message = write_offer(offer, Dialect(bounds=names))
        assert set(message["totalEnergyConstraint"]) == keys
        # Read in the other dialect all the same.
        for other in BoundNames:
            assert read_offer(message, Dialect(bounds=other)).total == offer.total


SCHEDULE = {
    "startTime": "2026-11-22T12:15:00.000+0000",
    "scheduleSlices": [{"duration": 1, "energyAmount": 0.2}],
}


@pytest.mark.parametrize(
    "body",
    [
        [{"id": "offer-1", "flexOfferSchedule": SCHEDULE}],
        [{"flexOffer": {"id": "offer-1", "flexOfferSchedule": SCHEDULE}}],
        [{"flexOfferId": "offer-1", **SCHEDULE}],
        {"offer-1": SCHEDULE},
        {"flexOffers": [{"id": "offer-1", "flexOfferSchedule": SCHEDULE}]},
    ],
    ids=["list", "wrapped", "bare schedule", "by id", "inside"],
)
def test_answers_are_read_in_the_forms_that_managers_use(body: object) -> None:
    (answer,) = read_answers(body, Dialect())
    assert answer.offer_id == "offer-1"
    assert answer.schedule is not None
    assert answer.schedule.energies == (200.0,)
    assert answer.schedule.start == datetime(2026, 11, 22, 12, 15, tzinfo=UTC)


def test_a_slice_may_stand_for_several_intervals() -> None:
    message = SCHEDULE | {
        "scheduleSlices": [
            {"duration": 2, "energyAmount": 0.3},
            {"duration": 2, "energyAmount": [0.1, 0.4]},
        ]
    }
    energies = read_schedule(message, Dialect()).energies
    assert energies == pytest.approx((150.0, 150.0, 100.0, 400.0))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scheduleSlices": []}, "not empty"),
        ({"scheduleSlices": "all"}, "list"),
        ({"scheduleSlices": [7]}, "object"),
        ({"scheduleSlices": [{"energyAmount": "much"}]}, "energyAmount: must be a num"),
        ({"scheduleSlices": [{"energyAmount": True}]}, "must be a number"),
        ({"scheduleSlices": [{"energyAmount": float("nan")}]}, "finite"),
        ({"scheduleSlices": [{"energyAmount": 1, "duration": 0}]}, "duration"),
        ({"scheduleSlices": [{"energyAmount": 1, "duration": 10**9}]}, "duration"),
        ({"scheduleSlices": [{"energyAmount": [1], "duration": 2}]}, "as many"),
        ({"startTime": "soon"}, "'soon' is no time"),
        ({"startTime": 7}, "must be a time"),
        ({"updateId": "x"}, "updateId"),
    ],
)
def test_a_message_that_makes_no_sense_names_its_place(
    change: dict[str, Any], words: str
) -> None:
    with pytest.raises(MessageError, match=words):
        read_schedule(SCHEDULE | change, Dialect())


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["id", "state", "flexOfferSchedule", "scheduleSlices", "startTime"]
                ),
                inner,
                max_size=3,
            )
        ),
        max_leaves=12,
    )
)
def test_nothing_that_a_manager_says_raises_anything_else(body: object) -> None:
    with suppress(MessageError):
        read_answers(body, Dialect())


# ---------------------------------------------------------------------------- execution


def test_what_was_drawn_is_measured_interval_by_interval() -> None:
    execution = Execution(assigned())
    start = execution.offer.start_after
    for second in range(-60, 3 * 900 + 60, 10):
        at = start + timedelta(seconds=second)
        power = 0.0 if second < 1800 else 1500.0
        execution.take(at, power)
    first, second_, third = execution.results()
    assert (first.measured, first.shifted) == (0.0, -200.0)
    assert second_.known == pytest.approx(1.0)
    assert third.measured == pytest.approx(375.0, abs=3)
    wanted, done = moved(execution.results())
    assert wanted == pytest.approx(200 + 200 + 200)
    assert done == pytest.approx(200 + 200 + 175, abs=5)


def test_what_nobody_measured_is_absent_and_not_zero() -> None:
    execution = Execution(assigned())
    start = execution.offer.start_after
    for second in range(0, 900, 10):
        execution.take(
            start + timedelta(seconds=second), None if 200 < second < 500 else 0.0
        )
    first = execution.results()[0]
    assert first.measured is None
    assert first.shifted is None
    assert first.known == pytest.approx(0.65, abs=0.05)


# -------------------------------------------------------------------------------- agent


class House:
    """An agent with a clock of its own against a manager on a real port."""

    def __init__(
        self, manager: SimulatedManager, session: aiohttp.ClientSession
    ) -> None:
        self.manager = manager
        self.now = NOW
        self.session = session
        self.assigned: list[FlexOffer] = []
        self.ended: list[FlexOffer] = []
        self.agent = self.new_agent()

    def new_agent(self, word: str = PASSWORD) -> FlexOfferAgent:
        return FlexOfferAgent(
            FlexOfferManager(
                self.session,
                self.manager.url,
                "home",
                word,
                self.manager.dialect,
                utcnow=lambda: self.now,
                timeout=5.0,
            ),
            AgentHooks(
                assigned=self.assigned.append,
                ended=self.ended.append,
                operation=lambda: Operation(power=1234.0, prognosis=(300.0,)),
            ),
            utcnow=lambda: self.now,
        )


@pytest.fixture(params=DIALECTS, ids=str)
async def any_house(request: pytest.FixtureRequest) -> AsyncGenerator[House]:
    async with (
        SimulatedManager(dialect=request.param) as manager,
        aiohttp.ClientSession() as session,
    ):
        yield House(manager, session)


@pytest.fixture
async def house() -> AsyncGenerator[House]:
    async with SimulatedManager() as manager, aiohttp.ClientSession() as session:
        yield House(manager, session)


pytestmark = pytest.mark.usefixtures("socket_enabled")


async def test_from_offer_to_measured_execution(any_house: House) -> None:
    house, agent = any_house, any_house.agent
    agent.add(boiler())
    await agent.step()
    (offer,) = agent.offers
    assert offer.state is OfferState.OFFERED
    await agent.step()
    (offer,) = agent.offers
    assert offer.state is OfferState.ASSIGNED
    assert [slot.energy for slot in offer.slots()] == [0.0, 0.0, 200.0]
    assert house.assigned == [offer]
    while house.now < offer.start_after + 3 * QUARTER:
        agent.take_power(house.now, {"boiler": 0.0})
        house.now += timedelta(seconds=30)
    agent.take_power(house.now, {"boiler": 0.0})
    await agent.step()
    assert agent.offers == ()
    assert [item.state for item in house.ended] == [OfferState.EXECUTED]
    (report,) = house.manager.measurements
    assert report["flexOfferId"] == offer.id
    assert [row["measured"] for row in report["measurements"]] == [0.0, 0.0, 0.0]
    assert abs(report["measurements"][2]["scheduled"]) == 0.2
    assert house.manager.told[-1].state == "executed"
    figures = agent.figures
    assert (figures.offered, figures.assigned, figures.executed) == (1, 1, 1)
    assert figures.usability == 1.0
    assert figures.shifted == pytest.approx(400.0)
    assert figures.followed == pytest.approx(1.0)
    assert figures.shifted_by == {"boiler": pytest.approx(400.0)}
    # The figures go on where the ones before a restart have ended.
    house.now = offer.created
    again = house.new_agent()
    again.restore([], figures)
    again.add(boiler())
    await again.step()
    assert (again.figures.offered, again.figures.executed) == (2, 1)
    assert again.figures.usability == 0.5
    assert again.figures.shifted == pytest.approx(400.0)
    power = house.manager.beats[0]["operationInfo"]["operationPower"]
    sign = 1 if house.manager.dialect.sign is EnergySign.CONSUMPTION else -1
    assert power == pytest.approx(1.234 * sign)


async def test_a_rejected_offer_ends_with_its_reason(house: House) -> None:
    house.manager.rejected["offer-1"] = "too small"
    house.agent.add(boiler())
    await house.agent.step()
    await house.agent.step()
    (ended,) = house.ended
    assert (ended.state, ended.reason) == (OfferState.REJECTED, "too small")


async def test_a_schedule_outside_the_bounds_changes_nothing_and_is_said(
    house: House,
) -> None:
    house.manager.assign = lambda offer: Schedule(
        start=offer.start_after, energies=(900.0,) * len(offer.slices), number=1
    )
    house.agent.add(boiler())
    await house.agent.step()
    await house.agent.step()
    assert house.assigned == []
    assert house.agent.status.refused is not None
    assert "interval 1 wants 0.90 kWh" in house.agent.status.refused
    assert "interval 1 wants" in (house.manager.told[-1].reason or "")
    # The manager repeats it with every heartbeat: it is counted and answered once.
    await house.agent.step()
    assert house.agent.figures.refused == 1
    assert len(house.manager.told) == 1


async def test_an_update_takes_the_place_of_a_schedule(house: House) -> None:
    house.agent.add(boiler())
    await house.agent.step()
    await house.agent.step()
    (offer,) = house.agent.offers
    house.manager.schedules[offer.id] = Schedule(
        start=offer.start_after, energies=(0.0, 200.0, 200.0), number=2
    )
    await house.agent.step()
    await house.agent.step()
    assert [len(item.slots()) for item in house.assigned] == [3, 3]
    assert house.assigned[-1].slots()[1].energy == 200.0


async def test_a_manager_that_is_away_harms_nothing(house: House) -> None:
    agent = house.agent
    agent.add(boiler())
    await agent.step()
    await agent.step()
    assert agent.offers[0].state is OfferState.ASSIGNED
    house.manager.broken = 503
    house.manager.retry_after = "120"
    with pytest.raises(ManagerError, match="503") as failure:
        await agent.step()
    assert failure.value.retry_after == 120.0
    assert agent.offers[0].state is OfferState.ASSIGNED
    house.now += timedelta(seconds=901)
    with pytest.raises(ManagerError):
        await agent.step()
    (ended,) = house.ended
    assert ended.state is OfferState.INVALID
    assert ended.reason == "the manager has been silent for 900 s"
    # What became of it is told once it is back.
    house.manager.broken = None
    await agent.step()
    assert house.manager.told[-1].reason == ended.reason
    assert agent.status.connected


async def test_a_login_that_has_run_out_is_renewed(house: House) -> None:
    await house.agent.step()
    house.manager.expire()
    await house.agent.step()
    assert house.manager.logins == 2


async def test_a_wrong_password_is_said(house: House) -> None:
    agent = house.new_agent("wrong")
    with pytest.raises(ManagerError, match="does not let this user in") as failure:
        await agent.step()
    assert failure.value.refused


@pytest.mark.parametrize("broken", [500, 429, 302])
async def test_other_answers_are_failures(house: House, broken: int) -> None:
    house.manager.broken = broken
    with pytest.raises(ManagerError, match=f"answers {broken}"):
        await house.agent.step()


async def test_what_is_no_json_is_a_failure(house: House) -> None:
    house.manager.garbage = True
    with pytest.raises(ManagerError, match="not JSON"):
        await house.agent.step()


@asynccontextmanager
async def manager_that_answers(
    login: str, beat: str = "[]", *, silent: bool = False, limit: float = 10.0
) -> AsyncGenerator[FlexOfferManager]:
    """Talk to a manager that gives these texts for a login and for a heartbeat."""

    ended = asyncio.Event()

    async def log_in(request: web.Request) -> web.Response:
        return web.Response(text=login)

    async def schedules(request: web.Request) -> web.Response:
        if silent:
            await ended.wait()
        return web.Response(text=beat)

    app = web.Application()
    app.add_routes(
        [web.post("/user/login", log_in), web.post("/flexoffer/schedules", schedules)]
    )
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with aiohttp.ClientSession() as session:
            yield FlexOfferManager(
                session, url, "home", PASSWORD, Dialect(), timeout=limit
            )
    finally:
        ended.set()
        await runner.cleanup()


@pytest.mark.parametrize(
    "login",
    [
        '"abc"',
        '{"token": "abc"}',
        '{"jwt": "abc"}',
        '{"data": {"access_token": "abc"}}',
    ],
)
async def test_a_token_is_found_wherever_a_manager_puts_it(login: str) -> None:
    async with manager_that_answers(login, beat="") as manager:
        assert await manager.beat(NOTHING) == []


@pytest.mark.parametrize("login", ["[]", '""', "{}", '{"data": {"user": 1}}', "7"])
async def test_a_login_without_a_token_is_said(login: str) -> None:
    async with manager_that_answers(login) as manager:
        with pytest.raises(ManagerError, match="login has no token"):
            await manager.beat(NOTHING)


async def test_an_answer_that_makes_no_sense_is_said_with_its_place() -> None:
    async with manager_that_answers('"t"', '[{"id": 7}]') as manager:
        with pytest.raises(
            ManagerError, match="makes no sense: an entry names no offer"
        ):
            await manager.beat(NOTHING)


async def test_an_answer_without_end_is_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(flexoffer_manager, "MOST_BYTES", 1024)
    async with manager_that_answers('"t"', " " * 2000 + "[]") as manager:
        with pytest.raises(ManagerError, match="larger than 1 KiB"):
            await manager.beat(NOTHING)


async def test_an_answer_that_does_not_come_is_said() -> None:
    async with manager_that_answers('"t"', silent=True, limit=0.2) as manager:
        with pytest.raises(ManagerError, match="did not answer in time"):
            await manager.beat(NOTHING)


async def test_a_report_that_the_manager_does_not_want_is_dropped(house: House) -> None:
    house.agent.add(boiler())
    await house.agent.step()
    tell, refused = house.agent._manager.tell, []

    async def refuse(offer: FlexOffer) -> None:
        refused.append(offer.id)
        raise ManagerError("It answers 404", final=True)

    house.agent._manager.tell = refuse  # type: ignore[method-assign]
    house.agent.cancel("boiler", "the load is locked out")
    await house.agent.step()
    house.agent._manager.tell = tell  # type: ignore[method-assign]
    await house.agent.step()
    assert refused == ["offer-1"]
    assert house.manager.told == []
    assert house.agent.status.connected


async def test_one_that_the_manager_cannot_take_now_is_told_again(house: House) -> None:
    house.agent.add(boiler())
    await house.agent.step()
    tell = house.agent._manager.tell

    async def fail(offer: FlexOffer) -> None:
        raise ManagerError("It answers 503")

    house.agent._manager.tell = fail  # type: ignore[method-assign]
    house.agent.cancel("boiler", "the load is locked out")
    with pytest.raises(ManagerError, match="503"):
        await house.agent.step()
    house.agent._manager.tell = tell  # type: ignore[method-assign]
    await house.agent.step()
    assert [item.state for item in house.manager.told] == ["canceled"]


async def test_a_manager_that_asks_for_time_gets_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            raise asyncio.CancelledError

    house.manager.broken, house.manager.retry_after = 503, "200"
    monkeypatch.setattr(flexoffer_agent, "JITTER", 0.0)
    monkeypatch.setattr(flexoffer_agent.asyncio, "sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await house.agent.run()
    assert waits == [200.0, 200.0, 200.0]


async def test_a_state_that_goes_backwards_is_ignored(house: House) -> None:
    house.agent.add(boiler())
    await house.agent.step()
    await house.agent.step()
    (offer,) = house.agent.offers
    assert offer.state is OfferState.ASSIGNED
    del house.manager.schedules[offer.id]  # it says "Accepted" of it again
    await house.agent.step()
    assert house.agent.offers == (offer,)
    assert house.ended == []


async def test_an_offer_that_the_manager_cannot_use_ends(house: House) -> None:
    house.agent.add(boiler())
    await house.agent.step()  # logged in
    house.agent.add(boiler(id="offer-2"))
    original = house.agent._manager.offer

    async def refuse(offer: FlexOffer) -> None:
        if offer.id == "offer-2":
            raise ManagerError("It answers 400", final=True)
        await original(offer)

    house.agent._manager.offer = refuse  # type: ignore[method-assign]
    await house.agent.step()
    assert [(item.id, item.reason) for item in house.ended] == [
        ("offer-2", "It answers 400")
    ]


async def test_nobody_there_is_a_failure() -> None:
    async with SimulatedManager() as manager, aiohttp.ClientSession() as session:
        house = House(manager, session)
        await manager.__aexit__()
        with pytest.raises(ManagerError, match="cannot be reached"):
            await house.agent.step()
        await manager.__aenter__()


async def test_an_assigned_offer_goes_on_after_a_restart(house: House) -> None:
    offer = assigned()
    agent = house.new_agent()
    agent.restore([offer])
    assert house.assigned == [offer]
    house.now = offer.start_after + 3 * QUARTER
    await agent.step()
    assert [item.state for item in house.ended] == [OfferState.EXECUTED]
    (report,) = house.manager.measurements
    assert [row["measured"] for row in report["measurements"]] == [None, None, None]


async def test_an_asset_that_is_taken_away_takes_its_offer_along(house: House) -> None:
    house.agent.add(boiler())
    assert house.agent.has_offer("boiler")
    await house.agent.step()
    house.agent.cancel("boiler", "the load is locked out")
    assert not house.agent.has_offer("boiler")
    await house.agent.step()
    assert house.manager.told[-1].state == "canceled"
    assert house.manager.told[-1].reason == "the load is locked out"


async def test_a_fault_of_our_own_does_not_end_the_heartbeats(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> Operation:
        raise RuntimeError("made to fail")

    house.agent._hooks = replace(house.agent._hooks, operation=fail)
    running = asyncio.create_task(house.agent.run())
    while house.agent.status.problem is None:
        await asyncio.sleep(0.01)
    assert not running.done()
    assert house.agent.status.problem == (
        "an error of the integration itself: RuntimeError: made to fail"
    )
    assert "A heartbeat of the FlexOffers failed" in caplog.text
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
