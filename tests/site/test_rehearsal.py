"""Rehearsing a site: its own orders, its own end, the operator's always first (S07)."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
import re
import shutil

import pytest

from custom_components.netflex.model.orders import NO_ORDERS, OrderName, OrderSource
from custom_components.netflex.model.phrase import Phrase
from custom_components.netflex.site.rehearsal import ENDS
from custom_components.netflex.site.rehearsal_seat import RehearsalRefusedError
from custom_components.netflex.telecontrol.journal_files import list_segments
from custom_components.netflex.telecontrol.journal_format import (
    Record,
    RecordKind,
    decode,
)
from custom_components.netflex.telecontrol.order_store import OrderStore
from custom_components.netflex.telecontrol.rehearsal import CHAPTERS, Chapter
from custom_components.netflex.telecontrol.rehearsal_plant import RehearsalMode
from custom_components.netflex.telecontrol.rehearsal_record import Evidence, Outcome
from custom_components.netflex.telecontrol.rehearsal_report import report
from custom_components.netflex.telecontrol.rehearsal_run import Pace, Run
from custom_components.netflex.telecontrol.rehearsal_station import RehearsalEnd

from .bench import CONTRACT, Bench, running

pytestmark = pytest.mark.usefixtures("socket_enabled")

QUICK = Pace(
    poll=0.02, dwell=0.0, recover=0.0, hopeless=30.0, feedback=20.0, decide=20.0
)
VERSIONS = {"Netflex": "1.2.3"}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with running(tmp_path / "orders") as bench:
        bench.plant.solar.sun = 0.8
        await bench.until(lambda: bench.station[-1].address is not None, 30.0)
        await bench.until(lambda: produced(bench) > 2_500, 30.0)
        yield bench


def produced(bench: Bench) -> float:
    """What the site knows of its inverter, W."""
    power = bench.site.view.states["solar"].power
    return 0.0 if power is None else -power


def part(*words: str) -> tuple[Chapter, ...]:
    """Chapters of the list by words of their titles."""
    return tuple(
        chapter
        for chapter in CHAPTERS
        if chapter.title == "Link" or any(word in chapter.title for word in words)
    )


async def records(bench: Bench) -> list[Record]:
    journal = bench.host.journal
    assert journal is not None
    await journal.settled(2.0)
    return [
        decode(line)
        for segment in list_segments(journal.folder)
        for line in segment.path.read_bytes().rstrip(b"\0").splitlines()
        if line
    ]


def failed(evidence: Evidence) -> list[str]:
    return [
        f"{step.title}: {step.seen}"
        for step in evidence.result.steps
        if step.passed is False
    ]


class Words(HTMLParser):
    """Collects the texts of a page in which phrases were not said."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._style = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._style = tag == "style"

    def handle_data(self, data: str) -> None:
        if not self._style:
            self.found.append(data)


def unsaid(evidence: Evidence) -> list[str]:
    """Return what of a report could not be said in another language.

    Names of the site, its devices and points, and signs of the protocol are said by
    nobody.
    """
    page = report(
        evidence, "0", say=lambda text: "" if isinstance(text, Phrase) else text
    )
    words = Words()
    words.feed(page)
    assert evidence.journal is not None
    names = {
        *(point.name for point in evidence.result.points),
        *(point.unit for point in evidence.result.points),
        *VERSIONS,
        evidence.site,
        evidence.journal.hash_before,
        evidence.journal.head_hash,
        "Solar contactor",
        "builtin",
    }
    return [
        text
        for text in words.found
        if text not in names and re.search(r"[a-z]{3,}", text)
    ]


async def test_S07_shadow_goes_through_the_list_and_writes_nothing(
    bench: Bench,
) -> None:
    before = (await records(bench))[-1]
    evidence = await bench.site.rehearsal.run(real=False, versions=VERSIONS, pace=QUICK)
    assert failed(evidence) == []
    assert unsaid(evidence) == []
    assert evidence.result.outcome is Outcome.PASSED
    assert evidence.result.mode is RehearsalMode.SHADOW
    stop = next(
        step for step in evidence.result.steps if step.title.startswith("Emergency")
    )
    assert stop.effect is not None
    assert stop.effect.predicted
    assert stop.effect.before is not None
    assert stop.effect.before > 2_500
    assert stop.effect.after == 0
    assert any("Solar: produce at most 0 W" in note for note in stop.notes)
    # Nothing of it reached a device, a relay or the decision that drives.
    assert not bench.coil()
    assert bench.plant.solar.power < -2_500
    assert bench.events == []
    assert bench.site.view.orders == NO_ORDERS
    assert bench.station[-1].orders == NO_ORDERS
    new = [one for one in await records(bench) if one.sequence > before.sequence]
    assert not [one for one in new if one.kind == RecordKind.ORDER]
    written = [
        one
        for one in new
        if one.kind == RecordKind.WRITE
        and any("grid operator" in cause.lower() for cause in one.data["causes"])
    ]
    assert written == []
    journal = evidence.journal
    assert journal is not None
    mine = [one for one in new if one.kind == RecordKind.REHEARSAL]
    assert journal.first <= mine[0].sequence <= mine[-1].sequence <= journal.last
    assert {one.sequence: one.hash for one in new}[journal.last] == journal.head_hash
    assert evidence.facts["Versions"] == VERSIONS
    assert any("Unconfirmed" in text for text in evidence.warnings)


async def test_S07_real_orders_reach_the_assets_and_end(bench: Bench) -> None:
    seen: list[float] = []

    async def watch(run: Run) -> None:
        seen.append(bench.plant.solar.power)
        assert bench.site.view.orders.redenp is not None
        assert bench.site.view.orders.redenp.source is OrderSource.REHEARSAL

    chapters = (
        *part("Reason", "Emergency stop of production"),
        Chapter(title="Watch", shows="", steps=watch),
    )
    evidence = await bench.site.rehearsal.run(
        real=True, versions=VERSIONS, pace=QUICK, chapters=chapters
    )
    assert failed(evidence) == []
    stop = next(step for step in evidence.result.steps if step.effect is not None)
    assert stop.effect is not None
    assert stop.effect.exercised
    assert not stop.effect.predicted
    assert stop.effect.after == pytest.approx(0, abs=200)
    assert stop.effect.seconds is not None
    assert stop.ms is not None
    # Its time is that of the order, not of what came of it.
    released = evidence.result.steps[evidence.result.steps.index(stop) + 1]
    taken = timedelta(seconds=stop.effect.seconds, milliseconds=-5)
    assert stop.at + taken <= released.at
    assert [event.source for event in bench.events] == (
        [OrderSource.REHEARSAL] * len(bench.events)
    )
    await bench.until(lambda: bench.site.view.orders == NO_ORDERS, 30.0)
    await bench.until(lambda: not bench.coil(), 30.0)
    found = await records(bench)
    events = [one.data["event"] for one in found if one.kind == RecordKind.REHEARSAL]
    assert events[0] == "started"
    assert "order" in events
    assert events[-1] == "ended"
    assert not [one for one in found if one.kind == RecordKind.ORDER]
    assert any(one.kind == RecordKind.WRITE and one.data["emergency"] for one in found)
    # Nothing is kept: the operator's own set was never touched.
    assert bench.station[-1].orders == NO_ORDERS
    status = bench.site.view.rehearsal
    assert status is not None
    assert status.outcome is Outcome.PASSED


async def test_S07_a_connected_rtu_is_never_displaced(bench: Bench) -> None:
    await bench.connect()
    with pytest.raises(RehearsalRefusedError) as refused:
        await bench.site.rehearsal.run(real=True, versions=VERSIONS, pace=QUICK)
    assert refused.value.key == "operator_connected"
    evidence = await bench.site.rehearsal.run(
        real=False, versions=VERSIONS, pace=QUICK, chapters=part("Clock")
    )
    assert failed(evidence) == []
    assert bench.rtu.connected
    assert bench.rtu.close_reason is None
    assert (await bench.rtu.order(OrderName.MAXSETP, 80.0)).accepted


@pytest.mark.parametrize("how", ["STARTDT", "order"])
async def test_S07_the_operator_ends_a_rehearsal_at_once(
    bench: Bench, how: str
) -> None:
    """Its own orders are in force the moment its RTU starts or orders something."""
    await bench.connect()
    await bench.rtu.order(OrderName.MAXSETAP, 70.0)
    await bench.rtu.disconnect()
    await bench.until(lambda: not bench.site.view.link.connected, 30.0)
    held = asyncio.Event()

    async def hold(run: Run) -> None:
        await run.client.order(OrderName.EMERGENCY_STOP_PRODUCTION, True, feedback=20.0)
        await bench.until(bench.coil, 30.0)
        held.set()
        while True:
            await run.pause()

    task = asyncio.create_task(
        bench.site.rehearsal.run(
            real=True,
            versions=VERSIONS,
            pace=QUICK,
            chapters=(
                *part("nothing else"),
                Chapter(title="Hold", shows="", steps=hold),
            ),
        )
    )
    async with asyncio.timeout(30):
        await held.wait()
    orders = bench.site.view.orders
    assert orders.emergency_stop_production is not None
    assert orders.emergency_stop_production.source is OrderSource.REHEARSAL
    # The operator's own limit held all along.
    assert orders.maxsetap is not None
    assert orders.maxsetap.value == 70.0
    assert orders.maxsetap.source is OrderSource.OPERATOR
    if how == "order":
        await bench.rtu.connect("127.0.0.1", bench.port)
        await bench.rtu.order(OrderName.MAXSETAP, 60.0)
    else:
        await bench.rtu.connect("127.0.0.1", bench.port)
    async with asyncio.timeout(30):
        evidence = await task
    assert evidence.result.outcome is Outcome.ENDED_EARLY
    assert evidence.result.ended_early == ENDS[RehearsalEnd.OPERATOR_CONNECTED]
    await bench.until(lambda: not bench.coil(), 30.0)
    orders = bench.site.view.orders
    assert orders.emergency_stop_production is None
    assert orders.maxsetap is not None
    assert orders.maxsetap.value == (60.0 if how == "order" else 70.0)
    assert bench.rtu.connected


async def test_S07_a_site_that_stops_ends_its_rehearsal(
    bench: Bench, tmp_path: Path
) -> None:
    held = asyncio.Event()

    async def hold(run: Run) -> None:
        await run.client.order(OrderName.MAXSETP, 10.0, feedback=20.0)
        held.set()
        while True:
            await run.pause()

    task = asyncio.create_task(
        bench.site.rehearsal.run(
            real=True,
            versions=VERSIONS,
            pace=QUICK,
            chapters=(
                *part("nothing else"),
                Chapter(title="Hold", shows="", steps=hold),
            ),
        )
    )
    async with asyncio.timeout(30):
        await held.wait()
    await bench.until(lambda: bench.site.view.orders.maxsetp is not None, 30.0)
    # A process that is killed now finds nothing of it on the disk.
    left = tmp_path / "left"
    shutil.copyfile(tmp_path / "orders", left)
    store = OrderStore(left)
    assert (await store.load()).book.accepted == NO_ORDERS
    await store.close()
    with pytest.raises(RehearsalRefusedError) as refused:
        await bench.site.rehearsal.run(real=False, versions=VERSIONS, pace=QUICK)
    assert refused.value.key == "rehearsal_running"
    await bench.site.stop()
    with pytest.raises(RehearsalRefusedError) as refused:
        await task
    assert refused.value.key == "rehearsal_cancelled"
    assert bench.host._rehearsal.in_force == NO_ORDERS
    status = bench.site.rehearsal.status
    assert status is not None
    assert status.ended_early == ENDS[RehearsalEnd.CANCELLED]
    ended = [
        one.data["reason"]
        for one in await records(bench)
        if one.kind == RecordKind.REHEARSAL and one.data["event"] == "ended"
    ]
    assert ended == [RehearsalEnd.CANCELLED]


async def test_S07_other_settings_of_the_station_end_a_rehearsal(
    bench: Bench,
) -> None:
    held = asyncio.Event()

    async def hold(run: Run) -> None:
        held.set()
        while True:
            await run.pause()

    task = asyncio.create_task(
        bench.site.rehearsal.run(
            real=False,
            versions=VERSIONS,
            pace=QUICK,
            chapters=(
                *part("nothing else"),
                Chapter(title="Hold", shows="", steps=hold),
            ),
        )
    )
    async with asyncio.timeout(30):
        await held.wait()
    settings = bench.station[-1].settings
    await bench.host.reconfigure(replace(settings, common_address=7))
    async with asyncio.timeout(30):
        evidence = await task
    assert evidence.result.ended_early == ENDS[RehearsalEnd.STATION_CLOSED]


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_limit_is_timed_at_the_meter(bench: Bench) -> None:
    bench.plant.solar.sun = 0.0
    bench.plant.storage.state_of_charge = 0.0
    bench.plant.car.plugged = True
    await bench.until(lambda: bench.grid_power() > 8_000.0, 60.0)
    evidence = await bench.site.rehearsal.run(
        real=True,
        versions=VERSIONS,
        pace=replace(QUICK, dwell=1.0, hopeless=3.0),
        chapters=part("Limit of consumption"),
    )
    half = next(step for step in evidence.result.steps if step.title == "MAXSETP 50 %")
    assert half.passed
    assert half.effect is not None
    assert half.effect.exercised
    assert half.effect.seconds is not None
    assert half.effect.limit == pytest.approx(0.5 * CONTRACT)
    assert half.effect.after is not None
    assert half.effect.after <= 0.5 * CONTRACT * 1.02
    (trace,) = evidence.result.traces
    assert not trace.predicted
    assert [text for _at, text in trace.marks] == ["100 %", "50 %", "0 %", "100 %"]
    values = [one.value for one in trace.samples if one.value is not None]
    assert max(values) > 8_000.0
    # A house that cannot be switched off keeps drawing: that is said, not hidden.
    none = next(step for step in evidence.result.steps if step.title == "MAXSETP 0 %")
    assert none.passed is False
    assert "everything that may yield has yielded" in none.seen
    assert any("too much" in note for note in none.notes)
    assert evidence.result.outcome is Outcome.FAILED
