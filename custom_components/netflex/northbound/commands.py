"""Reading a set that comes in: taken as it is, or refused for a reason that is named."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from ..model.failure import reason_of
from ..model.phrase import Phrase
from .codec import PayloadError, TooLargeError, decode
from .messages import Data, Setting
from .values import Tree

FUTURE: Final = 60.0
"""s that a set may be ahead of our clock."""
_MILLISECONDS: Final = 1e11
"""Above it a time is in ms: as s it would lie beyond the year 5000."""
_FOREVER: Final = 1e15
_MOST_TEXT: Final = 200


class Problem(StrEnum):
    """Why a set changes nothing."""

    NOT_ALLOWED = "not_allowed"
    """The user allows no control from outside."""
    TOO_LARGE = "too_large"
    MALFORMED = "malformed"
    UNKNOWN_ATTRIBUTE = "unknown_attribute"
    NOT_SETTABLE = "not_settable"
    WRONG_TYPE = "wrong_type"
    FUTURE = "future"
    OLDER = "older"
    """Its time is before that of the present value."""
    WITHOUT_TIME = "without_time"
    """Retained by the broker, so of any age."""
    NOT_TAKEN = "not_taken"
    """The site itself does not take it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A set that changed nothing: about which attribute or topic, why, and when."""

    subject: str
    problem: Problem
    text: str
    at: float
    """Unix time in s."""
    data: Data | None = None
    """What it said, as far as it could be read."""


@dataclass(slots=True)
class SetCounts:
    """What has come in since the start."""

    accepted: int = 0
    refused: Counter[Problem] = field(default_factory=Counter)
    last: Refusal | None = None

    def refuse(self, refusal: Refusal) -> None:
        """Count a refusal."""
        self.refused[refusal.problem] += 1
        self.last = refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A message as it came: `path` None where its topic names no attribute."""

    topic: str
    path: str | None
    payload: bytes
    retained: bool


def _bounded(text: str) -> str:
    """Return a text that may hold what somebody sent; a phrase stays one."""
    return text if len(text) <= _MOST_TEXT else text[:_MOST_TEXT]


def read_set(
    incoming: Incoming,
    tree: Tree,
    since: Mapping[str, float],
    now: float,
    *,
    allowed: bool,
) -> Setting | Refusal:
    """Return what a set asks for, or why it changes nothing.

    `since` is the Unix time of each attribute's present value, `now` ours.
    """
    subject = incoming.path or incoming.topic[:_MOST_TEXT]
    data: dict[str, Any] | None = None

    def refuse(problem: Problem, text: str) -> Refusal:
        return Refusal(
            subject=subject, problem=problem, text=_bounded(text), at=now, data=data
        )

    try:
        data = decode(incoming.payload)
    except TooLargeError as err:
        return refuse(Problem.TOO_LARGE, reason_of(err))
    except PayloadError as err:
        return refuse(Problem.MALFORMED, reason_of(err))
    attribute = None if incoming.path is None else tree.get(incoming.path)
    if attribute is None:
        return refuse(
            Problem.UNKNOWN_ATTRIBUTE,
            Phrase("set_unknown", "there is no such attribute"),
        )
    if not attribute.constraint.settable or attribute.commands is None:
        return refuse(
            Problem.NOT_SETTABLE,
            Phrase(
                "set_constraint",
                "a {kind} cannot be set",
                kind=attribute.constraint.value,
            ),
        )
    if not allowed:
        return refuse(
            Problem.NOT_ALLOWED,
            Phrase("set_not_allowed", "control from outside is not allowed"),
        )
    if "value" not in data:
        return refuse(Problem.MALFORMED, Phrase("set_no_value", "it has no value"))
    value = _on(data["value"])
    if value is None:
        return refuse(
            Problem.WRONG_TYPE,
            Phrase(
                "set_type",
                "{value} is no {kind}",
                value=repr(data["value"]),
                kind=attribute.type.value.lower(),
            ),
        )
    given = data.get("timestamp")
    if given is None and incoming.retained:
        return refuse(
            Problem.WITHOUT_TIME,
            Phrase("set_kept", "the broker kept it and it does not say how old it is"),
        )
    at = now if given is None else seconds(given)
    if at is None:
        return refuse(
            Problem.WRONG_TYPE,
            Phrase("is_no_time", "{value} is no time", value=repr(given)),
        )
    if at > now + FUTURE:
        return refuse(
            Problem.FUTURE,
            Phrase(
                "set_ahead",
                "its time is {time} ahead of ours",
                time=f"{at - now:.0f} s",
            ),
        )
    if at < since.get(attribute.path, 0.0):
        return refuse(
            Problem.OLDER,
            Phrase(
                "set_older",
                "it is {time} older than the present value",
                time=f"{since[attribute.path] - at:.0f} s",
            ),
        )
    return Setting(
        attribute=attribute, value=value, at=at, correlation=correlation_of(data)
    )


def correlation_of(data: Data) -> str | int | None:
    """Return the id by which a sender knows the answer to what he sent."""
    given = data.get("correlationID")
    return given if isinstance(given, str | int) else None


def seconds(timestamp: object) -> float | None:
    """Return an epoch time in s, given in s or in ms; None where it is no time."""
    if isinstance(timestamp, bool) or not isinstance(timestamp, int | float):
        return None
    # An integer of JSON may be larger than any float.
    if not 0 < timestamp < _FOREVER:
        return None
    return timestamp / 1000 if timestamp > _MILLISECONDS else float(timestamp)


def _on(given: object) -> bool | None:
    """Return whether a given value is on; it may come as 1 or 0, None where it is not."""
    return bool(given) if given in (0, 1) and isinstance(given, int | float) else None
