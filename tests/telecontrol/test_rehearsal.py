"""The certification rehearsal on its own listener, with its own orders (S07)."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from custom_components.netflex.iec104 import ControllingStation, MonitorObject, Quality
from custom_components.netflex.model.asset import Direction
from custom_components.netflex.model.orders import (
    NO_LOCAL_STOPS,
    NO_ORDERS,
    GridOrders,
    LinkState,
    LocalStops,
    Order,
    OrderEvent,
    OrderName,
    OrderSource,
    QMode,
)
from custom_components.netflex.telecontrol import rehearsal_station
from custom_components.netflex.telecontrol.journal_format import RecordKind
from custom_components.netflex.telecontrol.meaning import decode_order, encode_command
from custom_components.netflex.telecontrol.point import Execution, Sign, TimeTagChoice
from custom_components.netflex.telecontrol.points import DEFAULT_POINTS
from custom_components.netflex.telecontrol.rehearsal import CHAPTERS, Chapter, Rehearsal
from custom_components.netflex.telecontrol.rehearsal_client import (
    RehearsalClient,
    in_words,
)
from custom_components.netflex.telecontrol.rehearsal_orders import tighter
from custom_components.netflex.telecontrol.rehearsal_plant import RehearsalMode
from custom_components.netflex.telecontrol.rehearsal_record import (
    Outcome,
    RehearsalResult,
)
from custom_components.netflex.telecontrol.rehearsal_run import Pace, Run
from custom_components.netflex.telecontrol.rehearsal_station import (
    RehearsalEnd,
    RehearsalState,
    RehearsalStation,
)
from custom_components.netflex.telecontrol.settings import TelecontrolSettings
from custom_components.netflex.telecontrol.station import TelecontrolStation

from .bench import IMPATIENT, until, with_points

pytestmark = pytest.mark.usefixtures("socket_enabled")

QUICK = Pace(
    poll=0.01,
    comply=10.0,
    feedback=10.0,
    decide=1.0,
    dwell=0.02,
    recover=0.1,
    hopeless=0.1,
)
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@dataclass
class Host:
    """What the site's host would do with a rehearsal."""

    states: list[RehearsalState] = field(default_factory=list)
    events: list[OrderEvent] = field(default_factory=list)
    records: list[tuple[RecordKind, Mapping[str, Any]]] = field(default_factory=list)

    def on_state(self, state: RehearsalState, event: OrderEvent | None) -> None:
        self.states.append(state)
        if event is not None:
            self.events.append(event)

    def record(self, kind: RecordKind, data: Mapping[str, Any]) -> None:
        self.records.append((kind, data))


@asynccontextmanager
async def station(
    host: Host,
    *,
    real: bool = False,
    settings: TelecontrolSettings = IMPATIENT,
    **times: float,
) -> AsyncIterator[tuple[RehearsalStation, tuple[str, int]]]:
    rehearsal = RehearsalStation(
        settings, real=real, on_state=host.on_state, record=host.record, **times
    )
    address = await rehearsal.start(LinkState(), NO_LOCAL_STOPS, {})
    try:
        yield rehearsal, address
    finally:
        await rehearsal.close()


async def whole_list(
    settings: TelecontrolSettings = IMPATIENT,
) -> tuple[Host, RehearsalResult]:
    host = Host()
    async with station(host, settings=settings) as (_rehearsal, address):
        result = await Rehearsal(
            address, settings, RehearsalMode.WIRE, None, pace=QUICK
        ).run()
    return host, result


async def test_S07_the_whole_list_over_a_real_socket() -> None:
    host, result = await whole_list()
    assert [step for step in result.steps if step.passed is not True] == []
    assert result.outcome is Outcome.PASSED
    assert list(result.chapters) == [chapter.title for chapter in CHAPTERS]
    ordered = {event.name for event in host.events}
    assert ordered == set(OrderName)
    assert {event.source for event in host.events} == {OrderSource.REHEARSAL}
    reasons = [event.value for event in host.events if event.name is OrderName.REDENP]
    assert reasons[0] == 99
    first = next(event for event in host.events if event.name is OrderName.MINSETP)
    assert host.events.index(first) >= 2, "the reasons come before every limit"
    assert {kind for kind, _data in host.records} == {RecordKind.REHEARSAL}
    for name in ("minsetp", "maxsetp", "maxsetap", "minsetap"):
        values = [event.value for event in host.events if event.name == name]
        assert values[:4] == [100.0, 50.0, 0.0, 100.0]


async def test_the_list_fits_any_point_table() -> None:
    points = with_points(
        maxsetp={"type_id": 49, "scale": 0.1, "execution": Execution.SELECT},
        minsetp={"type_id": 48, "scale": 100.0, "sign": Sign.NEGATIVE},
        maxsetap={"time_tag": TimeTagChoice.ALWAYS},
        q_mode={"invert": True},
        q_mode_feedback={"invert": True},
        emergency_stop_production={"invert": True},
        minsetp_feedback={"sign": Sign.NEGATIVE, "type_id": 11},
    )
    _host, result = await whole_list(replace(IMPATIENT, points=points))
    assert [step for step in result.steps if step.passed is not True] == []


async def test_a_station_that_refuses_fails_the_list() -> None:
    points = with_points(maxsetap={"ioa": 2999})
    host = Host()
    async with station(host) as (_rehearsal, address):
        result = await Rehearsal(
            address,
            replace(IMPATIENT, points=points),
            RehearsalMode.WIRE,
            None,
            pace=QUICK,
        ).run()
    assert result.outcome is Outcome.FAILED
    failed = {step.chapter for step in result.steps if step.passed is False}
    assert failed == {"Limit of the assets' production (MAXSETAP)"}


async def test_S07_orders_end_with_the_connection() -> None:
    host = Host()
    async with station(host, real=True) as (rehearsal, address):
        client = RehearsalClient(address, IMPATIENT)
        await client.open()
        await client.start()
        await client.order(OrderName.MAXSETP, 20.0, feedback=10.0)
        await client.order(OrderName.EMERGENCY_STOP_PRODUCTION, True, feedback=10.0)
        assert rehearsal.in_force.maxsetp is not None
        assert rehearsal.in_force.maxsetp.source is OrderSource.REHEARSAL
        await client.drop()
        await until(lambda: rehearsal.in_force == NO_ORDERS, 20.0)
        assert host.states[-1].orders == NO_ORDERS
        assert rehearsal.ended is None
        await client.open()
        await client.start()
        await client.interrogate()
        assert client.shows(OrderName.MAXSETP, 100.0)
        assert client.shows(OrderName.EMERGENCY_STOP_PRODUCTION, False)
        await client.drop()


async def test_S07_ends_when_its_client_stays_away_or_its_time_is_up() -> None:
    host = Host()
    async with station(host, absence=0.03) as (rehearsal, _address):
        await until(lambda: rehearsal.ended is RehearsalEnd.CLIENT_LOST, 20.0)
    async with station(host, longest=0.05) as (rehearsal, address):
        await until(lambda: rehearsal.ended is RehearsalEnd.TIMED_OUT, 20.0)
        # Its listener is gone with it.
        await rehearsal.close()
        with pytest.raises(OSError):
            await RehearsalClient(address, IMPATIENT).open()


@pytest.mark.parametrize("how", ["connects", "orders"])
async def test_S07_ends_at_once_when_the_operator_is_there(how: str) -> None:
    host = Host()
    async with station(host, real=True) as (rehearsal, address):
        client = RehearsalClient(address, IMPATIENT)
        await client.open()
        await client.start()
        await client.order(OrderName.MAXSETAP, 0.0, feedback=10.0)
        assert rehearsal.in_force.maxsetap is not None
        if how == "connects":
            rehearsal.operator_link(LinkState(connected=True, since=NOW))
            assert rehearsal.ended is RehearsalEnd.OPERATOR_CONNECTED
        else:
            rehearsal.operator_order(
                OrderEvent(
                    name=OrderName.TEST,
                    value=True,
                    source=OrderSource.OPERATOR,
                    at=NOW,
                )
            )
            assert rehearsal.ended is RehearsalEnd.OPERATOR_ORDER
        # Before anything else happens on the loop: not a moment later.
        assert rehearsal.in_force == NO_ORDERS
        assert host.states[-1].ended is rehearsal.ended
        await until(lambda: not client.started, 20.0)
        with pytest.raises(OSError):
            await client.open()


async def test_a_link_that_stays_does_not_end_it() -> None:
    host = Host()
    async with station(host) as (rehearsal, _address):
        rehearsal.operator_link(LinkState(listening=True))
        rehearsal.operator_link(LinkState(listening=True, last_refused_client="a"))
        assert rehearsal.ended is None
        rehearsal.operator_link(LinkState(connected=True, since=NOW))
        assert rehearsal.ended is not None


async def test_S07_in_shadow_nothing_is_in_force() -> None:
    host = Host()
    async with station(host) as (rehearsal, address):
        client = RehearsalClient(address, IMPATIENT)
        await client.open()
        await client.start()
        answer = await client.order(
            OrderName.EMERGENCY_STOP_CONSUMPTION, True, feedback=10.0
        )
        assert answer.mirrored
        assert rehearsal.in_force == NO_ORDERS
        assert rehearsal.orders.emergency_stop_consumption is not None
        await client.drop()


async def test_S07_an_operator_who_comes_while_it_opens_ends_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = Host()
    rehearsal = RehearsalStation(
        IMPATIENT, real=True, on_state=host.on_state, record=host.record
    )
    start = TelecontrolStation.start

    async def slowly(station: TelecontrolStation) -> None:
        await start(station)
        rehearsal.operator_link(LinkState(connected=True, since=NOW))

    monkeypatch.setattr(TelecontrolStation, "start", slowly)
    address = await rehearsal.start(LinkState(), NO_LOCAL_STOPS, {})
    assert rehearsal.ended is RehearsalEnd.OPERATOR_CONNECTED
    assert [data["event"] for _kind, data in host.records] == ["ended"]
    await rehearsal.close()
    with pytest.raises(OSError):
        await RehearsalClient(address, IMPATIENT).open()


async def test_a_station_that_cannot_listen_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # An address of documentation: no machine has it.
    monkeypatch.setattr(rehearsal_station, "LOOPBACK", "192.0.2.1")
    host = Host()
    rehearsal = RehearsalStation(
        IMPATIENT, real=False, on_state=host.on_state, record=host.record
    )
    with pytest.raises(OSError, match=r"192\.0\.2\.1 is not there"):
        await rehearsal.start(LinkState(), NO_LOCAL_STOPS, {})
    assert host.records == []


async def test_the_site_s_own_stop_is_shown_to_a_rehearsal_too() -> None:
    async with station(Host()) as (rehearsal, address):
        client = RehearsalClient(address, IMPATIENT)
        await client.open()
        await client.start()
        await client.interrogate()
        stop = OrderName.EMERGENCY_STOP_PRODUCTION
        assert client.shows(stop, False)
        rehearsal.set_local_stops(
            LocalStops().with_holder(Direction.PRODUCTION, "button", held=True)
        )
        await until(lambda: client.shows(stop, True))
        assert rehearsal.orders == NO_ORDERS
        await client.drop()


async def test_a_listener_that_fails_fails_no_rehearsal(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Failing(Host):
        def on_state(self, state: RehearsalState, event: OrderEvent | None) -> None:
            raise ValueError("no such entity")

    async with station(Failing(), real=True) as (rehearsal, address):
        client = RehearsalClient(address, IMPATIENT)
        await client.open()
        await client.start()
        answer = await client.order(OrderName.MAXSETP, 20.0, feedback=10.0)
        assert answer.mirrored
        assert rehearsal.in_force.maxsetp is not None
        await client.drop()
    assert "A listener to the rehearsal failed" in caplog.text


async def test_a_release_that_fails_with_the_connection_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(_station: object, _name: str, _reference: str) -> None:
        raise ValueError("no release")

    monkeypatch.setattr(TelecontrolStation, "release_orders", fail)
    async with station(Host(), real=True) as (rehearsal, address):
        client = RehearsalClient(address, IMPATIENT)
        await client.open()
        await client.start()
        await client.order(OrderName.MAXSETP, 20.0, feedback=10.0)
        await client.drop()
        await until(lambda: "The rehearsal's station failed" in caplog.text)
        # Whatever became of the station's own copy: nothing is in force.
        assert rehearsal.in_force == NO_ORDERS


async def test_a_second_client_is_refused() -> None:
    host = Host()
    async with station(host) as (_rehearsal, address):
        client = RehearsalClient(address, IMPATIENT)
        await client.open()
        await client.start()
        other = ControllingStation()
        await other.connect(*address)
        with pytest.raises(ConnectionError):
            await other.start_dt()
        assert client.started
        await client.drop()


async def test_the_list_ends_early_when_the_station_goes() -> None:
    host = Host()
    async with station(host) as (rehearsal, address):

        def on_progress(progress: Any) -> None:
            if "MAXSETP" in progress.chapter and progress.step:
                rehearsal.operator_link(LinkState(connected=True, since=NOW))

        result = await Rehearsal(
            address,
            IMPATIENT,
            RehearsalMode.WIRE,
            None,
            pace=QUICK,
            on_progress=on_progress,
            ended_because=lambda: "The operator is there",
        ).run()
    assert result.outcome is Outcome.ENDED_EARLY
    assert result.ended_early == "The operator is there"
    assert "Loss of the connection" in result.left_out


@pytest.mark.parametrize("dropped", [False, True])
async def test_an_answer_that_is_missing_fails_and_ends_it_only_with_the_link(
    dropped: bool,
) -> None:
    async def wait(run: Run) -> None:
        if dropped:
            await run.client.drop()
        raise TimeoutError

    async def after(run: Run) -> None:
        run.add("After", expected="It goes on", seen="It went on", passed=True)

    link = next(chapter for chapter in CHAPTERS if chapter.title == "Link")
    async with station(Host()) as (_rehearsal, address):
        result = await Rehearsal(
            address,
            IMPATIENT,
            RehearsalMode.WIRE,
            None,
            pace=QUICK,
            chapters=(
                link,
                Chapter(title="Wait", shows="", steps=wait),
                Chapter(title="After", shows="", steps=after),
            ),
        ).run()
    missing = next(step for step in result.steps if step.chapter == "Wait")
    assert missing.passed is False
    assert missing.seen == "No answer in time"
    if dropped:
        assert result.ended_early == "The connection ended: no answer came"
        assert result.left_out == ("After",)
    else:
        assert result.ended_early is None
        assert result.steps[-1].seen == "It went on"


def limit(value: float, source: OrderSource = OrderSource.OPERATOR) -> Order[float]:
    return Order(value=value, source=source, at=NOW)


def flag(value: bool, source: OrderSource = OrderSource.OPERATOR) -> Order[bool]:
    return Order(value=value, source=source, at=NOW)


REHEARSAL = OrderSource.REHEARSAL


def test_S07_of_both_orders_the_tighter_holds() -> None:
    own = GridOrders(
        emergency_stop_production=flag(True),
        emergency_stop_consumption=flag(False),
        maxsetp=limit(30.0),
        minsetp=limit(80.0),
        redenp=Order(value=1, source=OrderSource.OPERATOR, at=NOW),
    )
    other = GridOrders(
        emergency_stop_production=flag(False, REHEARSAL),
        emergency_stop_consumption=flag(True, REHEARSAL),
        maxsetp=limit(100.0, REHEARSAL),
        minsetp=limit(0.0, REHEARSAL),
        maxsetap=limit(50.0, REHEARSAL),
        redenp=Order(value=99, source=REHEARSAL, at=NOW),
    )
    both = tighter(own, other)
    assert both.emergency_stop_production == own.emergency_stop_production
    assert both.emergency_stop_consumption == other.emergency_stop_consumption
    assert both.maxsetp == own.maxsetp
    assert both.minsetp == other.minsetp
    assert both.maxsetap == other.maxsetap
    assert both.redenp == own.redenp
    assert tighter(own, NO_ORDERS) is own
    assert tighter(NO_ORDERS, other) == other


def test_S07_a_reactive_band_keeps_to_the_operators() -> None:
    remote = Order(value=QMode.REMOTE, source=OrderSource.OPERATOR, at=NOW)
    own = GridOrders(q_mode=remote, minsetq=limit(-10.0), maxsetq=limit(5.0))
    other = GridOrders(
        q_mode=replace(remote, source=REHEARSAL),
        minsetq=limit(-20.0, REHEARSAL),
        maxsetq=limit(0.0, REHEARSAL),
    )
    both = tighter(own, other)
    assert both.minsetq == own.minsetq
    assert both.maxsetq == other.maxsetq
    apart = replace(other, minsetq=limit(6.0, REHEARSAL), maxsetq=limit(9.0, REHEARSAL))
    assert tighter(own, apart) == own
    local = replace(other, q_mode=Order(value=QMode.LOCAL, source=REHEARSAL, at=NOW))
    assert tighter(own, local) == own
    assert tighter(NO_ORDERS, other).q_mode == other.q_mode
    # A side that one of both leaves open is the other's.
    open_below = replace(other, minsetq=None)
    assert tighter(own, open_below).minsetq == own.minsetq
    assert tighter(replace(own, maxsetq=None), other).maxsetq == other.maxsetq


@pytest.mark.parametrize("sign", list(Sign))
@pytest.mark.parametrize(("type_id", "scale"), [(50, 1.0), (49, 0.01), (48, 100.0)])
@pytest.mark.parametrize("value", [0.0, 33.0, 100.0])
def test_a_command_gives_the_order_that_it_is_made_from(
    sign: Sign, type_id: int, scale: float, value: float
) -> None:
    point = replace(
        DEFAULT_POINTS.by_name["maxsetp"], sign=sign, type_id=type_id, scale=scale
    )
    assert decode_order(point, encode_command(point, value)) == pytest.approx(value)


@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("q_mode", QMode.LOCAL),
        ("q_mode", QMode.REMOTE),
        ("emergency_stop_production", True),
        ("test", False),
        ("redenp", 99),
    ],
)
def test_a_command_with_states_too(name: str, value: Any, invert: bool) -> None:
    point = DEFAULT_POINTS.by_name[name]
    if name != "redenp":
        point = replace(point, invert=invert)
    assert decode_order(point, encode_command(point, value)) == value


@pytest.mark.parametrize(
    ("value", "quality", "words"),
    [
        (True, Quality.GOOD, "on"),
        (False, Quality.BLOCKED, "off (blocked)"),
        (12.5, Quality.INVALID | Quality.NOT_TOPICAL, "12.5 (not topical, invalid)"),
        (99, Quality.GOOD, "99"),
    ],
)
def test_a_value_that_is_not_good_says_so(
    value: Any, quality: Quality, words: str
) -> None:
    point = DEFAULT_POINTS.by_name["redenp_feedback"]
    found = MonitorObject(
        type_id=point.type_id, ioa=point.ioa, value=value, quality=quality
    )
    assert in_words(found) == words
