"""Requests of a controlling station and what came back for them."""

import asyncio
from dataclasses import dataclass
from typing import Final

from .asdu import Cause
from .information_objects import MonitorObject

REFUSALS: Final = frozenset(
    {
        Cause.UNKNOWN_TYPE,
        Cause.UNKNOWN_CAUSE,
        Cause.UNKNOWN_COMMON_ADDRESS,
        Cause.UNKNOWN_OBJECT_ADDRESS,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """The one answer to a request: its cause, P/N, and the seconds it took."""

    cause: int
    negative: bool
    originator: int
    test: bool
    after: float

    @property
    def positive(self) -> bool:
        """Tell whether the request was accepted."""
        return not self.negative and self.cause not in REFUSALS


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """What came back for a command. Times are seconds since it was sent.

    `confirmation` is None when none came in time; `selection` is the answer to
    the preceding selection, where there was one. `return_information` holds what
    arrived with cause 11 or 12 between sending and the end.
    """

    selection: Confirmation | None
    confirmation: Confirmation | None
    return_information: tuple[MonitorObject, ...]
    returned_after: float | None
    terminated: bool
    terminated_after: float | None

    @property
    def accepted(self) -> bool:
        """Tell whether the command was positively confirmed."""
        return self.confirmation is not None and self.confirmation.positive


@dataclass(frozen=True, slots=True, kw_only=True)
class InterrogationResult:
    """What came back for an interrogation, in the order of arrival."""

    confirmation: Confirmation | None
    objects: tuple[MonitorObject, ...]
    asdus: int
    terminated: bool
    terminated_after: float | None


class Exchange:
    """One outstanding request."""

    __slots__ = (
        "asdus",
        "awaits_termination",
        "collects",
        "confirmation",
        "done",
        "ioa",
        "objects",
        "returned_after",
        "sent_at",
        "terminated_after",
        "type_id",
    )

    def __init__(
        self,
        type_id: int,
        ioa: int,
        sent_at: float,
        *,
        awaits_termination: bool,
        collects: frozenset[int],
    ) -> None:
        """Begin at `sent_at`; values with a cause in `collects` belong to it."""
        self.type_id = type_id
        self.ioa = ioa
        self.sent_at = sent_at
        self.awaits_termination = awaits_termination
        self.collects = collects
        self.confirmation: Confirmation | None = None
        self.objects: list[MonitorObject] = []
        self.asdus = 0
        self.returned_after: float | None = None
        self.terminated_after: float | None = None
        self.done = asyncio.get_running_loop().create_future()

    def finish(self) -> None:
        """Wake who waits."""
        if not self.done.done():
            self.done.set_result(None)
