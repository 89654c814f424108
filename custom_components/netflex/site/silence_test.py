"""Pull the plug: leave one device alone for as long as nothing forbids it (S10)."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ..control.units import power_per_ampere
from ..devices.silence import Silenceable, SilenceFacts
from ..model.asset import Asset, AssetState, Nature
from ..model.connection import GridType
from ..model.phrase import Phrase
from ..model.plan import Plan
from ..telecontrol.journal_format import RecordKind
from .actors import AssetActor
from .journal_notes import Record

LOOK: Final = 0.2
"""s between two looks at the device."""
LONGEST: Final = 600.0
UNKNOWN_VALIDITY: Final = 90.0
"""s that a device is left alone whose patience nobody knows."""
SETTLE: Final = 12.0
"""s that a device is given to show what it fell back to: two slow polls."""
BACK_WITHIN: Final = 30.0
"""s in which it must follow its setpoint again."""
_MARGIN: Final = 1.0
"""A of headroom that must be left beyond the fallback."""


class SilenceRefusedError(Exception):
    """The test may not begin, in a user's words.

    `key` is stable: unknown_device, not_refreshed, not_answering, nothing_written,
    running, stop_active, limit_active, meter_stale, no_headroom.
    """

    def __init__(self, key: str, text: str) -> None:
        """Keep key and text."""
        super().__init__(text)
        self.key = key
        self.text = text


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceResult:
    """How a test went. `fell_back_after` None: it held its setpoint to the end.

    `ended_by` says in a user's words why it ended, `came_back` whether the device
    followed its setpoint again afterwards.
    """

    seconds: float
    told: float | None
    fell_back_after: float | None
    fallback: float | None
    expected: SilenceFacts
    ended_by: str
    came_back: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceSubject:
    """One device under test, and what is known of its site."""

    asset: Asset
    device: Silenceable
    state: Callable[[], AssetState]
    actor: AssetActor
    plan: Callable[[], Plan | None]
    grid_type: GridType
    clock: Callable[[], float]


def note(record: Record, asset: Asset, result: SilenceResult) -> None:
    """Record what a device did when it was left alone."""
    record(
        RecordKind.SILENCE_TEST,
        {
            "device": asset.id,
            "ended_by": result.ended_by,
            "fallback": result.fallback,
            "fell_back_after": result.fell_back_after,
            "name": asset.name,
            "seconds": result.seconds,
            "value": result.told,
        },
    )


def refusal(subject: SilenceSubject) -> SilenceRefusedError | None:
    """Return why the device may not be left alone now, None where it may."""
    name, state, plan = subject.asset.name, subject.state(), subject.plan()
    facts = subject.device.silence_facts
    if facts is None:
        return SilenceRefusedError(
            "not_refreshed",
            Phrase(
                "silence_not_refreshed",
                "{name} needs no refreshing: it keeps what it was told",
                name=name,
            ),
        )
    if not state.available:
        return SilenceRefusedError(
            "not_answering",
            Phrase("silence_not_answering", "{name} does not answer", name=name),
        )
    if plan is None or subject.asset.id not in plan.setpoints:
        return SilenceRefusedError(
            "nothing_written",
            Phrase("silence_nothing_told", "{name} was told nothing yet", name=name),
        )
    if not subject.actor.done:
        return SilenceRefusedError(
            "nothing_written",
            Phrase(
                "silence_not_taken",
                "{name} has not taken its setpoint yet",
                name=name,
            ),
        )
    return forbidden(subject, facts, plan)


def forbidden(
    subject: SilenceSubject, facts: SilenceFacts, plan: Plan
) -> SilenceRefusedError | None:
    """Return what forbids to leave the device alone, now or still (S10)."""
    name = subject.asset.name
    if plan.stopped:
        return SilenceRefusedError(
            "stop_active",
            Phrase("silence_stop", "an emergency stop is in force"),
        )
    if plan.ordered:
        return SilenceRefusedError(
            "limit_active",
            Phrase(
                "silence_limit",
                "a limit is in force: {limit}",
                limit=plan.ordered[0].cause.text,
            ),
        )
    if not plan.metered:
        return SilenceRefusedError(
            "meter_stale",
            Phrase("silence_meter", "nobody measures the connection point"),
        )
    if (short := _short(subject, facts, plan)) is not None:
        return SilenceRefusedError(
            "no_headroom",
            Phrase(
                "silence_no_room",
                "there is no room for what {name} may do then: {missing}",
                name=name,
                missing=short,
            ),
        )
    return None


def _short(subject: SilenceSubject, facts: SilenceFacts, plan: Plan) -> str | None:
    """Return what is missing for the worst that the device may do by itself."""
    asset, state, left = subject.asset, subject.state(), plan.headroom
    power = state.power or 0.0
    high, low = asset.rated_consumption, -asset.rated_production
    if asset.nature is Nature.CHARGER and facts.fallback is not None:
        watts = power_per_ampere(subject.grid_type, asset, len(asset.lines))
        high = facts.fallback * watts
    elif asset.nature is Nature.BATTERY and facts.fallback is not None:
        high = low = facts.fallback
    rise, fall = max(0.0, high - power), max(0.0, power - low)
    if left.import_power is not None and rise > left.import_power:
        return Phrase(
            "more_import",
            "{power} more import, {left} are left",
            power=f"{rise:.0f} W",
            left=f"{left.import_power:.0f} W",
        )
    if left.injection_power is not None and fall > left.injection_power:
        return Phrase(
            "more_injection",
            "{power} more injection, {left} are left",
            power=f"{fall:.0f} W",
            left=f"{left.injection_power:.0f} W",
        )
    watts = power_per_ampere(subject.grid_type, asset, len(asset.lines))
    amperes = max(rise, fall) / watts
    for line in asset.lines:
        room = left.line_current[line]
        if amperes > 0 and room is not None and amperes + _MARGIN > room:
            return Phrase(
                "more_current",
                "{current} more on {line}, {left} are left",
                current=f"{amperes:.1f} A",
                line=line,
                left=f"{room:.1f} A",
            )
    return None


async def run(subject: SilenceSubject, seconds: float | None) -> SilenceResult:
    """Leave the device alone, watch it, speak to it again.

    A stop, a limit, a lost meter or less room end it at once. Raises
    SilenceRefusedError where it may not begin.
    """
    if (refused := refusal(subject)) is not None:
        raise refused
    facts, plan = subject.device.silence_facts, subject.plan()
    assert facts is not None
    assert plan is not None
    if seconds is None:
        known = UNKNOWN_VALIDITY if facts.after is None else facts.after
        seconds = min(LONGEST, 1.5 * known + 30.0)
    told = plan.setpoints[subject.asset.id].value
    before = _applied(subject.state(), subject.asset)
    started = subject.clock()
    fell_back_at: float | None = None
    ended_by = "the time was over"
    subject.device.fall_silent()
    try:
        while (passed := subject.clock() - started) < seconds:
            await asyncio.sleep(LOOK)
            if not subject.device.silent:
                ended_by = "the decision had to tell it something tighter"
                break
            if (why := _still_forbidden(subject, facts)) is not None:
                ended_by = why
                break
            now = subject.clock()
            changed = _changed(subject, before)
            if fell_back_at is None and (changed or subject.state().fallback_in == 0):
                fell_back_at = now
            if fell_back_at is not None and (changed or now - fell_back_at >= SETTLE):
                ended_by = "it has fallen back"
                break
        passed = subject.clock() - started
        fallback = (
            None if fell_back_at is None else _applied(subject.state(), subject.asset)
        )
    finally:
        subject.device.speak()
        subject.actor.write_again()
    return SilenceResult(
        seconds=passed,
        told=told,
        fell_back_after=None if fell_back_at is None else fell_back_at - started,
        fallback=fallback,
        expected=facts,
        ended_by=ended_by,
        came_back=await _comes_back(subject),
    )


def _still_forbidden(subject: SilenceSubject, facts: SilenceFacts) -> str | None:
    plan = subject.plan()
    if plan is None or subject.asset.id not in plan.setpoints:
        return "nothing is decided any more"
    if not subject.state().available:
        return "it does not answer any more"
    found = forbidden(subject, facts, plan)
    return None if found is None else found.text


def _applied(state: AssetState, asset: Asset) -> float | None:
    """Return what the device says that it applies, A or W, 0 and 1 for a switch."""
    if asset.nature is Nature.CHARGER:
        return state.current_limit
    if asset.nature in {Nature.BATTERY, Nature.INVERTER}:
        return state.power_limit
    return None if state.enabled is None else float(state.enabled)


def _changed(subject: SilenceSubject, before: float | None) -> bool:
    """Whether the device says that it applies something else than before."""
    state, asset = subject.state(), subject.asset
    now = _applied(state, asset)
    if before is None or now is None:
        return False
    tolerance = 0.5 if asset.nature is Nature.CHARGER else max(50.0, 0.02 * abs(before))
    if asset.nature is Nature.LOAD:
        tolerance = 0.5
    return abs(now - before) > tolerance


async def _comes_back(subject: SilenceSubject) -> bool:
    """Wait until the device does again what it is told."""
    deadline = subject.clock() + BACK_WITHIN
    while subject.clock() < deadline:
        if subject.actor.done and subject.state().follows is not False:
            return True
        await asyncio.sleep(LOOK)
    return False
