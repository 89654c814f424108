"""Chapters of a rehearsal that give orders: reasons, limits, stops, test, Q mode."""

import asyncio
from dataclasses import replace
from typing import Final

from ..model.orders import TEST_REASON, OrderName, OrderSource, QMode
from ..model.phrase import Phrase, listed, sentences
from .meaning import OrderValue
from .point import REASON_ORDERS
from .rehearsal_client import Answer
from .rehearsal_plant import (
    FLOWS,
    LIMITED,
    Bounded,
    Observation,
    RehearsalMode,
    Verdict,
)
from .rehearsal_record import Effect
from .rehearsal_run import Run, Tracer

BAND: Final = 0.2
"""Share of the reactive band's range that a rehearsal orders."""
RECOVERED: Final = 0.8
"""Share of what flowed before that counts as flowing again."""
WORTH: Final = 500.0
"""W below which waiting for something to flow again proves nothing."""
STOPS: Final = {
    OrderName.EMERGENCY_STOP_PRODUCTION: Phrase(
        "chapter_stop_production", "Emergency stop of production"
    ),
    OrderName.EMERGENCY_STOP_CONSUMPTION: Phrase(
        "chapter_stop_consumption", "Emergency stop of consumption"
    ),
}
"""Titles of the emergency stops."""
_ON: Final = Phrase("title_on", "on")
_RELEASED: Final = Phrase("title_released", "released")
_MIRRORED: Final = Phrase("expect_mirrored", "Confirmed and mirrored")
_UNDECIDED: Final = Phrase("seen_undecided", "the decision does not know it")
_UNKNOWN: Final = Phrase("seen_unknown", "unknown")


async def reasons(run: Run) -> None:
    """Mark everything that follows as a test."""
    for name in sorted(REASON_ORDERS):
        answer = await run.client.order(name, TEST_REASON, feedback=run.pace.feedback)
        run.add(
            f"{name.upper()} = {TEST_REASON}",
            expected=Phrase(
                "expect_test", "Confirmed and mirrored: what follows is a test"
            ),
            seen=_answered(answer),
            passed=answer.accepted and answer.mirrored,
            ms=answer.confirmed,
        )


async def limit(run: Run, name: OrderName) -> None:
    """Give one limit at 100, 50 and 0 % and take it back."""
    tracer = Tracer(name, FLOWS[name], predicted=run.mode is RehearsalMode.SHADOW)
    first = None if run.plant is None else run.plant.observe().flow(name)
    for percent in (100.0, 50.0, 0.0, 100.0):
        await _order(run, tracer, name, percent, f"{percent:g} %")
    await _recover(run, tracer, name, first)
    _keep(run, tracer)


async def stop(run: Run, name: OrderName) -> None:
    """Give one emergency stop and release it."""
    tracer = Tracer(name, FLOWS[name], predicted=run.mode is RehearsalMode.SHADOW)
    first = None if run.plant is None else run.plant.observe().flow(name)
    await _order(run, tracer, name, True, _ON)
    await _order(run, tracer, name, False, _RELEASED)
    await _recover(run, tracer, name, first)
    _keep(run, tracer)


async def both_stops(run: Run) -> None:
    """Hold both stops together and release one: the other holds."""
    client, feedback = run.client, run.pace.feedback
    production = OrderName.EMERGENCY_STOP_PRODUCTION
    consumption = OrderName.EMERGENCY_STOP_CONSUMPTION
    for name in (production, consumption):
        answer = await client.order(name, True, feedback=feedback)
        run.add(
            Phrase("title_beside", "{name} on, beside the other", name=STOPS[name])
            if name is consumption
            else _titled(name, _ON),
            expected=_MIRRORED,
            seen=_answered(answer),
            passed=answer.accepted and answer.mirrored,
            ms=answer.mirrored_after,
        )
    answer = await client.order(consumption, False, feedback=feedback)
    holds = client.shows(production, True)
    run.add(
        Phrase("title_one_released", "Only the stop of consumption released"),
        expected=Phrase(
            "expect_one_released", "It is released, the stop of production still holds"
        ),
        seen=listed(
            _answered(answer),
            Phrase(
                "seen_other_stop",
                "stop of production {shown}",
                shown=client.shown(production),
            ),
        ),
        passed=answer.accepted and answer.mirrored and holds,
        ms=answer.mirrored_after,
    )
    answer = await client.order(production, False, feedback=feedback)
    run.add(
        Phrase("title_other_released", "The stop of production released"),
        expected=_MIRRORED,
        seen=_answered(answer),
        passed=answer.accepted and answer.mirrored,
        ms=answer.mirrored_after,
    )


async def test_order(run: Run) -> None:
    """Give the test command: mirrored, without any effect on the plant."""
    before = None if run.plant is None else run.plant.observe()
    for value in (True, False):
        answer = await run.client.order(
            OrderName.TEST, value, feedback=run.pace.feedback
        )
        seen, untouched = _answered(answer), True
        if run.plant is not None and before is not None:
            await run.pause()
            untouched = _limits(run.plant.observe()) == _limits(before)
            seen = listed(
                seen,
                Phrase("seen_no_limit_changed", "no limit changed")
                if untouched
                else Phrase("seen_limits_changed", "limits changed"),
            )
        run.add(
            Phrase("title_test_on", "Test on")
            if value
            else Phrase("title_test_off", "Test off"),
            expected=Phrase(
                "expect_no_effect", "Confirmed and mirrored, no effect on the plant"
            ),
            seen=seen,
            passed=answer.accepted and answer.mirrored and untouched,
            ms=answer.confirmed,
        )


async def reactive(run: Run) -> None:
    """Give a reactive band in local, turn to remote and back."""
    points = run.client.points.by_name
    low = BAND * (points[OrderName.MINSETQ].minimum or 0.0)
    high = BAND * (points[OrderName.MAXSETQ].maximum or 0.0)
    unit = points[OrderName.MINSETQ].unit
    not_applied = Phrase("expect_not_applied", "Confirmed and mirrored, not applied")
    steps: tuple[tuple[OrderName, OrderValue, Phrase, Phrase], ...] = (
        (
            OrderName.Q_MODE,
            QMode.LOCAL,
            Phrase("title_q_local", "Q mode local"),
            _MIRRORED,
        ),
        (
            OrderName.MINSETQ,
            low,
            Phrase(
                "title_in_local", "{order} in local", order=f"MINSETQ {low:g} {unit}"
            ),
            not_applied,
        ),
        (
            OrderName.MAXSETQ,
            high,
            Phrase(
                "title_in_local", "{order} in local", order=f"MAXSETQ {high:g} {unit}"
            ),
            not_applied,
        ),
        (
            OrderName.Q_MODE,
            QMode.REMOTE,
            Phrase("title_q_remote", "Q mode remote"),
            Phrase("expect_applies", "Confirmed and mirrored, the band applies"),
        ),
        (
            OrderName.Q_MODE,
            QMode.LOCAL,
            Phrase("title_q_local_again", "Q mode local again"),
            _MIRRORED,
        ),
    )
    for name, value, title, expected in steps:
        given = run.utc()
        answer = await run.client.order(name, value, feedback=run.pace.feedback)
        passed = answer.accepted and answer.mirrored
        seen = _answered(answer)
        if run.plant is not None:
            decided = await _decided(run, name, value)
            passed = passed and decided
            seen = listed(
                seen,
                Phrase("seen_decided", "the decision works with it")
                if decided
                else _UNDECIDED,
            )
            reactive_power = run.plant.observe().reactive_power
            if value is QMode.REMOTE and reactive_power is not None:
                seen = listed(
                    seen,
                    Phrase(
                        "seen_reactive",
                        "{power} at the meter",
                        power=f"{reactive_power:.0f} var",
                    ),
                )
        run.add(
            title,
            expected=expected,
            seen=seen,
            passed=passed,
            ms=answer.confirmed,
            at=given,
        )


async def _order(
    run: Run, tracer: Tracer, name: OrderName, value: float | bool, words: str
) -> None:
    """Give one limit or stop and follow what it does."""
    before = None if run.plant is None else run.plant.observe()
    if before is not None:
        tracer.sample(before)
    tracer.mark(words)
    given = run.utc()
    answer = await run.client.order(name, value, feedback=run.pace.feedback)
    passed = answer.accepted and answer.mirrored
    seen, effect = _answered(answer), None
    judged: bool | None = False
    notes: tuple[str, ...] = ()
    if run.plant is not None and before is not None and answer.accepted:
        bounded, decided = await _follow(run, tracer, name, value)
        passed = passed and decided
        if not decided:
            seen = listed(seen, _UNDECIDED)
        elif bounded is not None:
            effect = _effect(run, name, before, bounded)
            if passed and bounded.verdict is Verdict.UNKNOWN:
                judged = None
            passed = passed and bounded.verdict is Verdict.KEPT
            seen = sentences(seen, _flowed(run, name, effect, bounded))
            notes = _notes(value, bounded, effect)
        elif value is False:
            seen = sentences(seen, Phrase("seen_free", "Nothing holds it any more"))
    run.add(
        _titled(name, words),
        expected=_expected(run, name, value),
        seen=seen,
        passed=passed or judged,
        ms=answer.mirrored_after if isinstance(value, bool) else answer.confirmed,
        effect=effect,
        notes=notes,
        at=given,
    )


async def _follow(
    run: Run, tracer: Tracer, name: OrderName, value: OrderValue
) -> tuple[Bounded | None, bool]:
    """Watch the plant until it keeps an order; tell whether it was decided at all."""
    assert run.plant is not None
    if not await _decided(run, name, value):
        return None, False
    loop = asyncio.get_running_loop()
    begun = hoped = loop.time()
    kept: float | None = None
    while True:
        seen = run.plant.observe()
        tracer.sample(seen)
        bounded = seen.bounded.get(name)
        now = loop.time()
        if bounded is None:
            return bounded, True
        if run.mode is RehearsalMode.SHADOW and (
            bounded.verdict is Verdict.KEPT or now - begun > run.pace.hopeless
        ):
            # While assets still move, their answers and the meter's do not fit.
            return bounded, True
        if bounded.verdict not in (Verdict.IMPOSSIBLE, Verdict.UNKNOWN):
            hoped = now
        if bounded.verdict is not Verdict.KEPT:
            kept = None
        elif kept is None:
            kept = now
        if kept is not None and now - kept >= run.pace.dwell:
            seconds = bounded.seconds
            return replace(
                bounded, seconds=kept - begun if seconds is None else seconds
            ), True
        if now - hoped > run.pace.hopeless or now - begun > run.pace.comply:
            return bounded, True
        await run.pause()


async def _decided(run: Run, name: OrderName, value: OrderValue) -> bool:
    """Wait until the decision works with an order, or with a tighter one."""
    assert run.plant is not None
    loop = asyncio.get_running_loop()
    until = loop.time() + run.pace.decide
    while not _works_with(run.plant.observe(), name, value):
        if loop.time() > until:
            return False
        await run.pause()
    return True


def _works_with(seen: Observation, name: OrderName, value: OrderValue) -> bool:
    order = seen.orders.get(name)
    if value is False:
        return (
            order is None
            or not order.value
            or (order.source is not OrderSource.REHEARSAL)
        )
    if order is None:
        return False
    if order.source is not OrderSource.REHEARSAL:
        # The operator's own order holds, because it is at least as tight.
        return True
    if isinstance(value, float) and not isinstance(order.value, bool | QMode):
        return abs(order.value - value) < 1e-3 * max(1.0, abs(value))
    return order.value == value


async def _recover(
    run: Run, tracer: Tracer, name: OrderName, first: float | None
) -> None:
    """Wait until something flows again, so that the next order has an effect."""
    if run.plant is None or run.mode is not RehearsalMode.REAL:
        return
    if first is None or first < WORTH:
        return
    loop = asyncio.get_running_loop()
    until = loop.time() + run.pace.recover
    while loop.time() < until:
        seen = run.plant.observe()
        tracer.sample(seen)
        flows = seen.flow(name)
        if flows is not None and flows >= RECOVERED * first:
            return
        await run.pause()


def _keep(run: Run, tracer: Tracer) -> None:
    if run.plant is not None:
        run.traces.append(tracer.trace())


def _limits(seen: Observation) -> dict[OrderName, float]:
    return {name: bounded.limit for name, bounded in seen.bounded.items()}


def _effect(run: Run, name: OrderName, before: Observation, bounded: Bounded) -> Effect:
    shadow = run.mode is RehearsalMode.SHADOW
    flowed = bounded.now if shadow else before.flow(name)
    return Effect(
        what=FLOWS[name],
        limit=bounded.limit,
        before=flowed,
        after=bounded.value,
        seconds=None if shadow else bounded.seconds,
        exercised=flowed is not None and flowed > bounded.limit + bounded.tolerance,
        predicted=shadow,
    )


def _notes(value: float | bool, bounded: Bounded, effect: Effect) -> tuple[str, ...]:
    notes = []
    if bounded.why:
        notes.append(bounded.why)
    if (
        bounded.verdict is Verdict.KEPT
        and not effect.exercised
        and value
        not in (
            100.0,
            False,
        )
    ):
        notes.append(
            Phrase(
                "note_below",
                "What flowed was below the limit already, so this step shows that the "
                "order is taken, not that anything is reduced for it",
            )
        )
    if bounded.missing:
        notes.append(
            Phrase(
                "note_unconfirmed",
                "Not confirmed yet: {names}",
                names=", ".join(bounded.missing),
            )
        )
    if bounded.told:
        notes.append(Phrase("note_told", "Told: {what}", what=listed(*bounded.told)))
    return tuple(notes)


def _flowed(run: Run, name: OrderName, effect: Effect, bounded: Bounded) -> str:
    what = FLOWS[name]
    if bounded.verdict is Verdict.UNKNOWN:
        return Phrase(
            "seen_unmeasured",
            "{what} is not measured now, so nothing can be said of it",
            what=what,
        )
    figures = {
        "what": what,
        "before": kilowatts(effect.before),
        "after": kilowatts(effect.after),
        "limit": kilowatts(effect.limit),
    }
    if run.mode is RehearsalMode.SHADOW:
        told = (
            Phrase("would_be_kept", "would be kept")
            if bounded.verdict is Verdict.KEPT
            else Phrase("would_not_be_kept", "would not be kept")
        )
        return Phrase(
            "seen_predicted",
            "{what} is {before}; it would be {after}, {limit} at most: {told}",
            **figures,
            told=told,
        )
    return Phrase(
        "seen_went",
        "{what} went from {before} to {after}, {limit} at most: {told}",
        **figures,
        told=_kept(run, effect, bounded),
    )


def _kept(run: Run, effect: Effect, bounded: Bounded) -> Phrase:
    """Return whether a limit is kept, and when."""
    if bounded.verdict is Verdict.KEPT:
        if effect.seconds is None or not effect.exercised:
            return Phrase("seen_kept", "kept")
        time = f"{max(0.0, effect.seconds):.1f} s"
        return Phrase("seen_kept_after", "kept {time} after the order", time=time)
    if bounded.verdict is Verdict.IMPOSSIBLE:
        return Phrase(
            "seen_impossible",
            "not kept, though everything that may yield has yielded",
        )
    time = f"{run.pace.comply:g} s"
    return Phrase("seen_not_kept", "not kept within {time}", time=time)


def _expected(run: Run, name: OrderName, value: float | bool) -> str:
    what = LIMITED[name]
    if value is False:
        return listed(_MIRRORED, Phrase("expect_released", "the stop is released"))
    if value is True:
        text = Phrase(
            "expect_stop",
            "Confirmed, mirrored once every output is written (5 s at most)",
        )
        ends = Phrase("expect_ends", "{what} ends", what=what)
        return text if run.plant is None else listed(text, ends)
    most = Phrase(
        "expect_at_most", "{what} at most {share}", what=what, share=f"{value:g} %"
    )
    return _MIRRORED if run.plant is None else listed(_MIRRORED, most)


def _titled(name: OrderName, words: str) -> Phrase:
    """Return the title of an order with what is ordered."""
    title = STOPS.get(name, name.upper())
    return Phrase("title_order", "{name} {words}", name=title, words=words)


def _answered(answer: Answer) -> str:
    if answer.cause is None:
        return Phrase("seen_no_confirmation", "No confirmation")
    if not answer.accepted:
        return refused(answer.cause)
    if not answer.mirrored:
        return Phrase(
            "seen_other_feedback",
            "Confirmed, but the feedback shows {shown}",
            shown=answer.mirror or Phrase("seen_nothing", "nothing"),
        )
    return Phrase("seen_feedback", "Confirmed, feedback {shown}", shown=answer.mirror)


def refused(cause: int) -> Phrase:
    """Return that a command was refused, with its cause of transmission."""
    return Phrase("seen_refused", "Refused, cause {cause}", cause=str(int(cause)))


def kilowatts(value: float | None) -> str:
    """Return a power in W as a reader wants it."""
    return _UNKNOWN if value is None else f"{value / 1000:.2f} kW"
