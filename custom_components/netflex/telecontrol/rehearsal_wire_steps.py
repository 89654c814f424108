"""Chapters of a rehearsal that look at the protocol: link, points, clock, refusals."""

import asyncio
from datetime import timedelta
import math
from typing import Final

from ..iec104 import Cause, CommandResult, DoublePoint, PointValue, TypeId
from ..iec104.information_objects import MAX_IOA, TAGGED, MonitorObject
from ..model.orders import OrderName, OrderSource
from .meaning import encode_command
from .point import PointDirection, TimeTagChoice
from .rehearsal_client import in_words
from .rehearsal_record import PointSeen
from .rehearsal_run import Run
from .settings import STANDARD_MAX_DELAY

INITIALIZATION: Final = 5.0
"""s that the end of initialization may take after STARTDT."""
STALE: Final = 3600.0
"""s that a stale time tag is old."""


async def link(run: Run) -> None:
    """Connect, start, test, stop and start again."""
    client = run.client
    ms = await client.open()
    run.add(
        "Connect over TCP",
        expected="The station takes the connection",
        seen="Connected",
        passed=True,
        ms=ms,
    )
    ms = await client.start()
    run.add(
        "STARTDT",
        expected=f"Confirmed within t1 ({run.settings.link.t1:g} s)",
        seen="Confirmed",
        passed=True,
        ms=ms,
    )
    came = await client.wait_initialized(INITIALIZATION)
    run.add(
        "End of initialization",
        expected="M_EI_NA_1 after the start",
        seen="Received" if came else f"Nothing within {INITIALIZATION:g} s",
        passed=came,
    )
    ms = 1000 * await client.station.test()
    run.add(
        "TESTFR",
        expected=f"Confirmed within t1 ({run.settings.link.t1:g} s)",
        seen="Confirmed",
        passed=True,
        ms=ms,
    )
    ms = await client.stop()
    run.add(
        "STOPDT",
        expected="Confirmed; no data until the next STARTDT",
        seen="Confirmed",
        passed=True,
        ms=ms,
    )
    ms = await client.start()
    run.add(
        "STARTDT again on the same connection",
        expected="Confirmed; data flows again",
        seen="Confirmed",
        passed=True,
        ms=ms,
    )


async def points(run: Run) -> None:
    """Interrogate, and look for every point of the table."""
    client = run.client
    result = await client.interrogate()
    confirmed = result.confirmation is not None and result.confirmation.positive
    run.add(
        "General interrogation (type 100, qualifier 20)",
        expected="Confirmed positively, all points, then terminated",
        seen=(
            f"{'Confirmed' if confirmed else 'Refused'}, {len(result.objects)} objects "
            f"in {result.asdus} ASDUs, "
            f"{'terminated' if result.terminated else 'not terminated'}"
        ),
        passed=confirmed and result.terminated,
        ms=(
            None if result.terminated_after is None else 1000 * result.terminated_after
        ),
    )
    found: dict[int, MonitorObject] = {obj.ioa: obj for obj in result.objects}
    run.points.extend(_seen(run, found))
    missing = [one.name for one in run.points if one.present is False]
    expected = len(client.monitored())
    run.add(
        "Every point of the table is present",
        expected=f"{expected} points of the monitoring direction, at their addresses",
        seen=(
            f"{expected - len(missing)} of {expected}"
            + (f"; missing: {', '.join(missing)}" if missing else "")
        ),
        passed=not missing,
    )
    known = {client.points.by_name[name].ioa for name in client.monitored()}
    strangers = sorted(found.keys() - known)
    run.add(
        "No other points",
        expected="Nothing that the table does not name",
        seen=(
            "Nothing else"
            if not strangers
            else "Also at " + ", ".join(map(str, strangers))
        ),
        passed=not strangers,
    )
    unread = [
        name
        for name in client.monitored()
        if await client.station.read(client.points.by_name[name].ioa) is None
    ]
    run.add(
        "Every point can be read by itself (type 102)",
        expected=f"{expected} answers with cause 5 (requested)",
        seen=(
            f"{expected - len(unread)} of {expected}"
            + (f"; refused: {', '.join(unread)}" if unread else "")
        ),
        passed=not unread,
    )


def _seen(run: Run, found: dict[int, MonitorObject]) -> list[PointSeen]:
    """Return the point table with what was seen of each point."""
    rows = []
    for point in run.settings.points.points:
        monitored = point.direction is PointDirection.MONITOR
        obj = found.get(point.ioa) if monitored else None
        rows.append(
            PointSeen(
                name=point.name,
                direction=point.direction.value,
                type_id=int(point.type_id),
                ioa=point.ioa,
                unit=point.unit,
                value="" if obj is None else in_words(obj),
                quality="" if obj is None or obj.quality else "good",
                present=obj is not None if monitored else None,
            )
        )
    return rows


async def clock(run: Run) -> None:
    """Set the clock and send the test command of the protocol."""
    answer = await run.client.station.clock_sync(run.utc())
    run.add(
        "Clock synchronization (type 103)",
        expected="Confirmed positively",
        seen="Confirmed" if answer.positive else f"Refused, cause {answer.cause}",
        passed=answer.positive,
        ms=1000 * answer.after,
    )
    answer = await run.client.station.test_command(counter=1)
    run.add(
        "Test command with time tag (type 107)",
        expected="Confirmed positively",
        seen="Confirmed" if answer.positive else f"Refused, cause {answer.cause}",
        passed=answer.positive,
        ms=1000 * answer.after,
    )


async def refusals(run: Run) -> None:
    """Give commands that must be refused and must change nothing."""
    client = run.client
    table = client.points
    limit = table.by_name[OrderName.MAXSETP]
    used = {point.ioa for point in table.points}
    unknown = next(ioa for ioa in range(MAX_IOA, 0, -1) if ioa not in used)
    await _refused(
        run,
        "An address that the table does not have",
        unknown,
        client.type_of(OrderName.MAXSETP),
        encode_command(limit, 50.0),
        causes=(Cause.UNKNOWN_OBJECT_ADDRESS,),
    )
    stop = table.by_name[OrderName.EMERGENCY_STOP_PRODUCTION]
    await _refused(
        run,
        "A setpoint to the address of a stop",
        stop.ioa,
        TypeId.C_SE_NC_1,
        1.0,
    )
    if limit.type_id == TypeId.C_SE_NC_1:
        for text, value in (("not a number", math.nan), ("infinity", math.inf)):
            await _refused(
                run,
                f"MAXSETP with {text}",
                limit.ioa,
                client.type_of(OrderName.MAXSETP),
                value,
                unchanged=OrderName.MAXSETP,
            )
    if limit.type_id != TypeId.C_SE_NA_1:
        await _refused(
            run,
            "MAXSETP with 150 %",
            limit.ioa,
            client.type_of(OrderName.MAXSETP),
            encode_command(limit, 150.0),
            unchanged=OrderName.MAXSETP,
        )
    mode = table.by_name[OrderName.Q_MODE]
    for state in (DoublePoint.INTERMEDIATE, DoublePoint.INDETERMINATE):
        await _refused(
            run,
            f"Q mode with the reserved state {int(state)}",
            mode.ioa,
            client.type_of(OrderName.Q_MODE),
            state,
            unchanged=OrderName.Q_MODE,
        )
    await _stale(run)
    await _with_test_bit(run)


async def _stale(run: Run) -> None:
    """Give an order whose time tag is an hour old (S03)."""
    point = run.client.points.by_name[OrderName.MAXSETP]
    delay = run.settings.max_command_delay or STANDARD_MAX_DELAY
    if point.time_tag is TimeTagChoice.NEVER or not run.settings.max_command_delay:
        return
    tag = run.settings.time_zone.tag(run.utc() - timedelta(seconds=STALE))
    result = await run.client.station.command(
        point.ioa,
        TAGGED[TypeId(point.type_id)],
        encode_command(point, 50.0),
        time_tag=tag,
    )
    run.add(
        "MAXSETP with a time tag that is an hour old",
        expected=f"Not carried out: tags may be off by {delay:g} s",
        seen=_answer(result),
        passed=not result.accepted and run.client.shows(OrderName.MAXSETP, 100.0),
    )


async def _with_test_bit(run: Run) -> None:
    """Give an order with the ASDU's test bit: answered, never carried out."""
    client = run.client
    point = client.points.by_name[OrderName.MAXSETP]
    result = await client.station.command(
        point.ioa,
        client.type_of(OrderName.MAXSETP),
        encode_command(point, 10.0),
        test=True,
    )
    confirmation = result.confirmation
    await _read_mirror(run, OrderName.MAXSETP)
    unchanged = client.shows(OrderName.MAXSETP, 100.0)
    run.add(
        "MAXSETP with the test bit of the protocol set",
        expected="Answered with the test bit, never carried out",
        seen=(f"{_answer(result)}, {_unchanged(run, OrderName.MAXSETP, unchanged)}"),
        passed=confirmation is not None and confirmation.test and unchanged,
        ms=None if confirmation is None else 1000 * confirmation.after,
    )


async def _refused(
    run: Run,
    title: str,
    ioa: int,
    type_id: int,
    value: PointValue,
    *,
    causes: tuple[int, ...] = (),
    unchanged: OrderName | None = None,
) -> None:
    """Give a command that must be refused, and look whether it changed anything."""
    client = run.client
    before = ""
    if unchanged is not None:
        await _read_mirror(run, unchanged)
        before = client.shown(unchanged)
    result = await client.station.command(ioa, type_id, value)
    confirmation = result.confirmation
    refused = confirmation is not None and not confirmation.positive
    if causes and confirmation is not None:
        refused = refused and confirmation.cause in causes
    seen = _answer(result)
    same = True
    if unchanged is not None:
        await _read_mirror(run, unchanged)
        same = client.shown(unchanged) == before
        seen += f", {_unchanged(run, unchanged, same)}"
    run.add(
        title,
        expected=(
            "Refused"
            + (f" with cause {int(causes[0])}" if causes else "")
            + ("" if unchanged is None else "; its feedback does not change")
        ),
        seen=seen,
        passed=refused and same,
        ms=None if confirmation is None else 1000 * confirmation.after,
    )


async def _read_mirror(run: Run, name: OrderName) -> None:
    if (point := run.client.points.feedback(name)) is not None:
        await run.client.station.read(point.ioa)


def _unchanged(run: Run, name: OrderName, same: bool) -> str:
    shown = run.client.shown(name)
    return f"feedback {'still' if same else 'now'} {shown}"


def _answer(result: CommandResult) -> str:
    if result.confirmation is None:
        return "No answer"
    if result.accepted:
        return "Confirmed"
    return f"Refused, cause {result.confirmation.cause}"


async def loss(run: Run) -> None:
    """Cut the connection under an order, and come back."""
    client = run.client
    answer = await client.order(OrderName.MAXSETP, 50.0, feedback=run.pace.feedback)
    run.add(
        "MAXSETP 50 % before the loss",
        expected="Confirmed and mirrored",
        seen=f"Feedback {answer.mirror or 'missing'}",
        passed=answer.accepted and answer.mirrored,
        ms=answer.confirmed,
    )
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await client.drop()
    if run.plant is not None:
        await _orders_end(run, begun)
    ms = await client.open()
    ms += await client.start()
    run.add(
        "Connect and STARTDT again",
        expected="Taken and confirmed",
        seen="Connected and confirmed",
        passed=True,
        ms=ms,
    )
    result = await client.interrogate()
    missing = [name for name in client.monitored() if client.value(name) is None]
    shown = client.shown(OrderName.MAXSETP)
    run.add(
        "General interrogation after the return",
        expected="All points again",
        seen=f"{len(result.objects)} objects; MAXSETP feedback {shown or 'missing'}",
        passed=result.terminated and not missing,
        ms=(
            None if result.terminated_after is None else 1000 * result.terminated_after
        ),
        notes=(LOSS_NOTE,) if run.plant is not None else (),
    )


LOSS_NOTE: Final = (
    "A rehearsal's orders end with its connection, so its feedback is back at where it "
    "began. On the operator's own link stops always hold, and limits follow the site's "
    "setting for a lost link (see “The site”)."
)


async def _orders_end(run: Run, begun: float) -> None:
    """Wait until the site works without the rehearsal's orders again."""
    assert run.plant is not None
    loop = asyncio.get_running_loop()
    limit = None
    while loop.time() - begun < run.pace.decide:
        order = run.plant.observe().orders.maxsetp
        if order is None or order.source is not OrderSource.REHEARSAL:
            limit = 1000 * (loop.time() - begun)
            break
        await asyncio.sleep(run.pace.poll / 10)
    run.add(
        "Connection cut under an order",
        expected="The rehearsal's orders end, the operator's own are in force",
        seen="They ended" if limit is not None else "They are still in force",
        passed=limit is not None,
        ms=limit,
    )
