"""Chapters of a rehearsal that look at the protocol: link, points, clock, refusals."""

import asyncio
from datetime import timedelta
import math
from typing import Final

from ..iec104 import Cause, CommandResult, DoublePoint, PointValue, TypeId
from ..iec104.information_objects import MAX_IOA, TAGGED, MonitorObject
from ..model.orders import OrderName, OrderSource
from ..model.phrase import Phrase, listed
from .meaning import encode_command
from .point import PointDirection, TimeTagChoice
from .rehearsal_client import in_words
from .rehearsal_order_steps import refused
from .rehearsal_record import PointSeen
from .rehearsal_run import Run
from .settings import STANDARD_MAX_DELAY

INITIALIZATION: Final = 5.0
"""s that the end of initialization may take after STARTDT."""
STALE: Final = 3600.0
"""s that a stale time tag is old."""
_CONFIRMED: Final = Phrase("seen_confirmed", "Confirmed")
_POSITIVELY: Final = Phrase("expect_positively", "Confirmed positively")
_MISSING: Final = Phrase("seen_is_missing", "missing")


async def link(run: Run) -> None:
    """Connect, start, test, stop and start again."""
    client = run.client
    within_t1 = Phrase(
        "expect_t1",
        "Confirmed within t1 ({time})",
        time=f"{run.settings.link.t1:g} s",
    )
    ms = await client.open()
    run.add(
        Phrase("title_connect", "Connect over TCP"),
        expected=Phrase("expect_connected", "The station takes the connection"),
        seen=Phrase("seen_connected", "Connected"),
        passed=True,
        ms=ms,
    )
    ms = await client.start()
    run.add(
        "STARTDT",
        expected=within_t1,
        seen=_CONFIRMED,
        passed=True,
        ms=ms,
    )
    came = await client.wait_initialized(INITIALIZATION)
    run.add(
        Phrase("title_initialization", "End of initialization"),
        expected=Phrase("expect_initialization", "M_EI_NA_1 after the start"),
        seen=Phrase("seen_received", "Received")
        if came
        else Phrase(
            "seen_nothing_within",
            "Nothing within {time}",
            time=f"{INITIALIZATION:g} s",
        ),
        passed=came,
    )
    ms = 1000 * await client.station.test()
    run.add(
        "TESTFR",
        expected=within_t1,
        seen=_CONFIRMED,
        passed=True,
        ms=ms,
    )
    ms = await client.stop()
    run.add(
        "STOPDT",
        expected=Phrase("expect_stopdt", "Confirmed; no data until the next STARTDT"),
        seen=_CONFIRMED,
        passed=True,
        ms=ms,
    )
    ms = await client.start()
    run.add(
        Phrase("title_startdt_again", "STARTDT again on the same connection"),
        expected=Phrase("expect_startdt", "Confirmed; data flows again"),
        seen=_CONFIRMED,
        passed=True,
        ms=ms,
    )


async def points(run: Run) -> None:
    """Interrogate, and look for every point of the table."""
    client = run.client
    result = await client.interrogate()
    confirmed = result.confirmation is not None and result.confirmation.positive
    run.add(
        Phrase("title_interrogation", "General interrogation (type 100, qualifier 20)"),
        expected=Phrase(
            "expect_interrogation", "Confirmed positively, all points, then terminated"
        ),
        seen=Phrase(
            "seen_interrogation",
            "{answer}, {objects} objects in {asdus} ASDUs, {end}",
            answer=_CONFIRMED
            if confirmed
            else Phrase("seen_refused_plainly", "Refused"),
            objects=str(len(result.objects)),
            asdus=str(result.asdus),
            end=Phrase("seen_terminated", "terminated")
            if result.terminated
            else Phrase("seen_not_terminated", "not terminated"),
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
        Phrase("title_all_points", "Every point of the table is present"),
        expected=Phrase(
            "expect_all_points",
            "{count} points of the monitoring direction, at their addresses",
            count=str(expected),
        ),
        seen=listed(
            _share(expected - len(missing), expected),
            *(
                (Phrase("seen_missing", "missing: {names}", names=", ".join(missing)),)
                if missing
                else ()
            ),
        ),
        passed=not missing,
    )
    known = {client.points.by_name[name].ioa for name in client.monitored()}
    strangers = sorted(found.keys() - known)
    run.add(
        Phrase("title_no_others", "No other points"),
        expected=Phrase("expect_no_others", "Nothing that the table does not name"),
        seen=(
            Phrase("seen_no_others", "Nothing else")
            if not strangers
            else Phrase(
                "seen_others",
                "Also at {addresses}",
                addresses=", ".join(map(str, strangers)),
            )
        ),
        passed=not strangers,
    )
    unread = [
        name
        for name in client.monitored()
        if await client.station.read(client.points.by_name[name].ioa) is None
    ]
    run.add(
        Phrase("title_read", "Every point can be read by itself (type 102)"),
        expected=Phrase(
            "expect_read",
            "{count} answers with cause 5 (requested)",
            count=str(expected),
        ),
        seen=listed(
            _share(expected - len(unread), expected),
            *(
                (Phrase("seen_unread", "refused: {names}", names=", ".join(unread)),)
                if unread
                else ()
            ),
        ),
        passed=not unread,
    )


def _share(count: int, expected: int) -> Phrase:
    return Phrase(
        "rehearsal_share",
        "{passed} of {judged}",
        passed=str(count),
        judged=str(expected),
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
        Phrase("title_clock", "Clock synchronization (type 103)"),
        expected=_POSITIVELY,
        seen=_CONFIRMED if answer.positive else refused(answer.cause),
        passed=answer.positive,
        ms=1000 * answer.after,
    )
    answer = await run.client.station.test_command(counter=1)
    run.add(
        Phrase("title_test_command", "Test command with time tag (type 107)"),
        expected=_POSITIVELY,
        seen=_CONFIRMED if answer.positive else refused(answer.cause),
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
        Phrase("title_unknown_address", "An address that the table does not have"),
        unknown,
        client.type_of(OrderName.MAXSETP),
        encode_command(limit, 50.0),
        causes=(Cause.UNKNOWN_OBJECT_ADDRESS,),
    )
    stop = table.by_name[OrderName.EMERGENCY_STOP_PRODUCTION]
    await _refused(
        run,
        Phrase("title_wrong_type", "A setpoint to the address of a stop"),
        stop.ioa,
        TypeId.C_SE_NC_1,
        1.0,
    )
    if limit.type_id == TypeId.C_SE_NC_1:
        for text, value in (
            (Phrase("title_nan", "MAXSETP with not a number"), math.nan),
            (Phrase("title_infinity", "MAXSETP with infinity"), math.inf),
        ):
            await _refused(
                run,
                text,
                limit.ioa,
                client.type_of(OrderName.MAXSETP),
                value,
                unchanged=OrderName.MAXSETP,
            )
    if limit.type_id != TypeId.C_SE_NA_1:
        await _refused(
            run,
            Phrase("title_too_much", "MAXSETP with 150 %"),
            limit.ioa,
            client.type_of(OrderName.MAXSETP),
            encode_command(limit, 150.0),
            unchanged=OrderName.MAXSETP,
        )
    mode = table.by_name[OrderName.Q_MODE]
    for state in (DoublePoint.INTERMEDIATE, DoublePoint.INDETERMINATE):
        await _refused(
            run,
            Phrase(
                "title_reserved",
                "Q mode with the reserved state {state}",
                state=str(int(state)),
            ),
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
        Phrase("title_stale", "MAXSETP with a time tag that is an hour old"),
        expected=Phrase(
            "expect_stale",
            "Not carried out: tags may be off by {time}",
            time=f"{delay:g} s",
        ),
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
        Phrase("title_test_bit", "MAXSETP with the test bit of the protocol set"),
        expected=Phrase(
            "expect_test_bit", "Answered with the test bit, never carried out"
        ),
        seen=listed(_answer(result), _unchanged(run, OrderName.MAXSETP, unchanged)),
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
        seen = listed(seen, _unchanged(run, unchanged, same))
    expected: str = (
        Phrase(
            "expect_refused_with",
            "Refused with cause {cause}",
            cause=str(int(causes[0])),
        )
        if causes
        else Phrase("seen_refused_plainly", "Refused")
    )
    if unchanged is not None:
        expected = listed(
            expected, Phrase("expect_unchanged", "its feedback does not change")
        )
    run.add(
        title,
        expected=expected,
        seen=seen,
        passed=refused and same,
        ms=None if confirmation is None else 1000 * confirmation.after,
    )


async def _read_mirror(run: Run, name: OrderName) -> None:
    if (point := run.client.points.feedback(name)) is not None:
        await run.client.station.read(point.ioa)


def _unchanged(run: Run, name: OrderName, same: bool) -> str:
    shown = run.client.shown(name)
    if same:
        return Phrase("seen_still", "feedback still {shown}", shown=shown)
    return Phrase("seen_now", "feedback now {shown}", shown=shown)


def _answer(result: CommandResult) -> str:
    if result.confirmation is None:
        return Phrase("seen_no_answer", "No answer")
    if result.accepted:
        return _CONFIRMED
    return refused(result.confirmation.cause)


async def loss(run: Run) -> None:
    """Cut the connection under an order, and come back."""
    client = run.client
    answer = await client.order(OrderName.MAXSETP, 50.0, feedback=run.pace.feedback)
    run.add(
        Phrase("title_before_loss", "MAXSETP 50 % before the loss"),
        expected=Phrase("expect_mirrored", "Confirmed and mirrored"),
        seen=Phrase(
            "seen_feedback_only", "Feedback {shown}", shown=answer.mirror or _MISSING
        ),
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
        Phrase("title_back", "Connect and STARTDT again"),
        expected=Phrase("expect_back", "Taken and confirmed"),
        seen=Phrase("seen_back", "Connected and confirmed"),
        passed=True,
        ms=ms,
    )
    result = await client.interrogate()
    missing = [name for name in client.monitored() if client.value(name) is None]
    shown = client.shown(OrderName.MAXSETP)
    run.add(
        Phrase("title_after_return", "General interrogation after the return"),
        expected=Phrase("expect_again", "All points again"),
        seen=Phrase(
            "seen_after_return",
            "{count} objects; MAXSETP feedback {shown}",
            count=str(len(result.objects)),
            shown=shown or _MISSING,
        ),
        passed=result.terminated and not missing,
        ms=(
            None if result.terminated_after is None else 1000 * result.terminated_after
        ),
        notes=(LOSS_NOTE,) if run.plant is not None else (),
    )


LOSS_NOTE: Final = Phrase(
    "note_loss",
    "A rehearsal's orders end with its connection, so its feedback is back at where it "
    "began. On the operator's own link stops always hold, and limits follow the site's "
    "setting for a lost link (see “The site”).",
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
        Phrase("title_cut", "Connection cut under an order"),
        expected=Phrase(
            "expect_cut",
            "The rehearsal's orders end, the operator's own are in force",
        ),
        seen=Phrase("seen_ended", "They ended")
        if limit is not None
        else Phrase("seen_in_force", "They are still in force"),
        passed=limit is not None,
        ms=limit,
    )
