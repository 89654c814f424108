"""The checklist of a site: what is proven, when and by what, and what is only configured."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from ..control.explain import current, power
from ..model.asset import Asset, StopPath
from ..model.connection import ConnectionPoint
from ..model.phrase import Phrase, listed, sentences
from ..telecontrol.rehearsal_plant import RehearsalMode
from ..telecontrol.rehearsal_record import Outcome as RehearsalOutcome
from .commissioning_judge import lines_in_words
from .commissioning_record import Check, Outcome, Response, Result, Results, Turned
from .rehearsal_status import RehearsalStatus
from .view import LearnedFallback

SITE: Final = "site"
NOT_TRIED: Final = Phrase("not_tried", "Not tried yet")


class Standing(StrEnum):
    """How far something is known to be true."""

    PROVEN = "proven"
    FAILED = "failed"
    NOT_SHOWN = "not_shown"
    """It was tried, and nothing was seen that speaks for or against it."""
    OUTDATED = "outdated"
    """It was tried before the subject was set up in another way."""
    CONFIGURED = "configured"
    """Somebody has entered it; nobody has tried it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One line of the checklist; `at` is UTC of the proof, `text` what was measured."""

    key: str
    subject: str
    name: str
    standing: Standing
    text: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """What a checklist is about: the site as it is set up."""

    connection: ConnectionPoint
    assets: Mapping[str, Asset]
    outputs: Mapping[str, str]
    """Names by id."""
    inputs: Mapping[str, str]
    """Names by holder."""
    meters: Mapping[str, str]
    """Names of the meters of the connection point by id."""
    telecontrol: bool
    setup_of: Callable[[str], str]
    """Fingerprint of how a subject is set up; see `commissioning_record`."""
    stepped: frozenset[str]
    """Assets that can be moved by small steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Something in the configuration that a proof says should be otherwise."""

    subject: str
    name: str
    text: str
    response: Response


def checklist(
    installed: Installed,
    results: Results,
    fallbacks: Mapping[str, LearnedFallback],
    rehearsal: RehearsalStatus | None,
) -> tuple[Item, ...]:
    """Return the whole checklist of a site."""
    return (
        *_connection(installed, results),
        *(
            item
            for key, asset in installed.assets.items()
            for item in _asset(installed, key, asset, results, fallbacks.get(key))
        ),
        *(
            _tried(installed, results, Check.RELAY, key, name)
            for key, name in installed.outputs.items()
        ),
        *(
            _tried(installed, results, Check.STOP_INPUT, key, name)
            for key, name in sorted(installed.inputs.items())
        ),
        *_rehearsal(installed, rehearsal),
    )


def proposals(installed: Installed, results: Results) -> tuple[Proposal, ...]:
    """Return what the newest proofs say should be configured otherwise."""
    found = []
    for result in results.values():
        response, asset = result.response, installed.assets.get(result.subject)
        if (
            response is None
            or asset is None
            or result.setup != installed.setup_of(result.subject)
        ):
            continue
        if response.order is not None:
            if response.order == asset.lines:
                continue
            what = Phrase(
                "proposal_lines",
                "its phases are on {order}",
                order=" ".join(response.order),
            )
        elif response.turned is Turned.READING:
            what = Phrase(
                "proposal_reading", "the sign of its power is the other way round"
            )
        elif response.turned is Turned.SETPOINT:
            what = Phrase(
                "proposal_setpoint", "the sign of its setpoint is the other way round"
            )
        else:
            continue
        found.append(
            Proposal(
                subject=result.subject,
                name=result.name,
                text=_of(result.name, what),
                response=response,
            )
        )
    return tuple(found)


def _of(name: str, text: str) -> Phrase:
    return Phrase("subject_problem", "{name}: {problem}", name=name, problem=text)


def _connection(installed: Installed, results: Results) -> Iterator[Item]:
    point = installed.connection
    contract = [
        Phrase("contract_nothing", "nothing") if value is None else power(value)
        for value in (point.contract_consumption, point.contract_injection)
    ]
    yield Item(
        key="contract",
        subject=SITE,
        name=Phrase("checklist_connection", "Connection"),
        standing=Standing.CONFIGURED,
        text=Phrase(
            "contract_entered",
            "Main fuse {fuse}, contract {consumption} of consumption and {injection} "
            "of injection, as entered",
            fuse=current(point.main_fuse),
            consumption=contract[0],
            injection=contract[1],
        ),
    )
    steps = [
        result
        for (subject, check), result in results.items()
        if check is Check.RESPONSE
        and subject in installed.assets
        and result.setup == installed.setup_of(subject)
        and result.response is not None
    ]
    for meter_id, name in installed.meters.items():
        yield _meter(meter_id, name, steps)


def _meter(meter_id: str, name: str, steps: list[Result]) -> Item:
    """Return whether the meter was seen to follow what assets did."""
    agree = [step for step in steps if step.outcome is Outcome.PROVEN]
    against = [
        step
        for step in steps
        if step.response is not None and step.response.turned is Turned.METER
    ]
    if against:
        newest = max(against, key=lambda step: step.at)
        standing, text = Standing.FAILED, _of(newest.name, newest.text)
    elif agree:
        newest = max(agree, key=lambda step: step.at)
        names = ", ".join(sorted({step.name for step in agree}))
        standing = Standing.PROVEN
        text = Phrase("meter_followed", "It followed the steps of {names}", names=names)
    else:
        return Item(
            key="meter",
            subject=meter_id,
            name=name,
            standing=Standing.CONFIGURED,
            text=Phrase(
                "meter_unseen", "Nobody has seen yet whether it follows what assets do"
            ),
        )
    return Item(
        key="meter",
        subject=meter_id,
        name=name,
        standing=standing,
        text=text,
        at=newest.at,
    )


def _asset(
    installed: Installed,
    key: str,
    asset: Asset,
    results: Results,
    fallback: LearnedFallback | None,
) -> Iterator[Item]:
    if key in installed.stepped:
        yield _tried(installed, results, Check.RESPONSE, key, asset.name)
        yield _lines(installed, results, key, asset)
    if StopPath.SETPOINT in asset.stop_paths and asset.controllable:
        kept = Phrase("not_kept", "it needs Home Assistant to stay stopped")
        yield _tried(
            installed,
            results,
            Check.SOFTWARE_STOP,
            key,
            asset.name,
            NOT_TRIED if asset.stays_stopped else listed(NOT_TRIED, kept),
        )
    if fallback is not None:
        what: str = Phrase("fallback_unsaid", "something it does not say")
        if fallback.value is not None:
            what = f"{fallback.value:g}"
        yield Item(
            key="fallback",
            subject=key,
            name=asset.name,
            standing=Standing.PROVEN,
            text=Phrase(
                "fallback_seen",
                "Left alone it fell back to {what} after {time}",
                what=what,
                time=f"{fallback.after:.0f} s",
            ),
            at=fallback.at,
        )


def _lines(installed: Installed, results: Results, key: str, asset: Asset) -> Item:
    configured = " ".join(asset.lines)
    result = results.get((key, Check.RESPONSE))
    standing, at = Standing.CONFIGURED, None
    text: str = Phrase("lines_entered", "{lines}, as entered", lines=configured)
    if result is not None and (response := result.response) is not None:
        known = result.setup == installed.setup_of(key)
        # What was seen stands, whatever was entered since.
        agree = response.lines_agree
        if response.order is not None:
            agree = asset.lines == response.order
        if known and agree is not None:
            at = result.at
            standing = Standing.PROVEN if agree else Standing.FAILED
            text = lines_in_words(response, asset)
            if agree:
                text = Phrase(
                    "lines_seen",
                    "Seen on {lines} of the meter",
                    lines=" ".join(response.lines),
                )
    return Item(
        key="lines",
        subject=key,
        name=asset.name,
        standing=standing,
        text=text,
        at=at,
    )


def _tried(
    installed: Installed,
    results: Results,
    check: Check,
    subject: str,
    name: str,
    untried: str = NOT_TRIED,
) -> Item:
    result = results.get((subject, check))
    if result is None:
        return Item(
            key=check,
            subject=subject,
            name=name,
            standing=Standing.CONFIGURED,
            text=untried,
        )
    standing = Standing(result.outcome.value)
    if result.setup != installed.setup_of(subject):
        standing = Standing.OUTDATED
    return Item(
        key=check,
        subject=subject,
        name=name,
        standing=standing,
        text=result.text,
        at=result.at,
    )


_MODES: Final = {
    RehearsalMode.REAL: Phrase("rehearsed_real", "With the real assets"),
    RehearsalMode.SHADOW: Phrase("rehearsed_shadow", "In shadow"),
    RehearsalMode.WIRE: Phrase("rehearsed_wire", "On the wire only"),
}
_REHEARSED: Final = {
    RehearsalOutcome.PASSED: Standing.PROVEN,
    RehearsalOutcome.FAILED: Standing.FAILED,
    RehearsalOutcome.ENDED_EARLY: Standing.NOT_SHOWN,
}


def _rehearsal(
    installed: Installed, rehearsal: RehearsalStatus | None
) -> Iterator[Item]:
    if not installed.telecontrol:
        return
    standing, at = Standing.CONFIGURED, None
    text: str = Phrase("not_rehearsed", "Nobody has rehearsed yet")
    if rehearsal is not None and rehearsal.outcome is not None:
        standing, at = _REHEARSED[rehearsal.outcome], rehearsal.ended
        text = Phrase(
            "rehearsed",
            "{mode}: {passed} steps passed, {failed} not",
            mode=_MODES[rehearsal.mode],
            passed=str(rehearsal.passed),
            failed=str(rehearsal.failed),
        )
        if rehearsal.ended_early is not None:
            text = sentences(text, rehearsal.ended_early)
    yield Item(
        key="rehearsal",
        subject=SITE,
        name=Phrase("checklist_telecontrol", "Telecontrol"),
        standing=standing,
        text=text,
        at=at,
    )
