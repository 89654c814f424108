"""What a controlled station needs of the application above it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from .asdu import Cause
from .information_objects import MonitorObject, PointValue
from .link_user import CloseReason, LinkState


class Execution(StrEnum):
    """How a command point may be operated."""

    DIRECT = "direct"
    SBO = "sbo"
    BOTH = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandPoint:
    """One controllable point.

    `accepts` checks a finite value (None accepts all). `exempt_from_delay` names
    values that are carried out whatever their time tag says. `termination` tells
    whether ACT_TERM follows.
    """

    type_ids: frozenset[int]
    execution: Execution = Execution.DIRECT
    accepts: Callable[[PointValue], bool] | None = None
    exempt_from_delay: Callable[[PointValue], bool] | None = None
    termination: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionInfo:
    """One client connection. `number` counts up from 1 since the station's start."""

    number: int
    address: str
    port: int
    opened_at: datetime


# A named tuple, not a dataclass: making it is part of the time to confirm.
class Command(NamedTuple):
    """A valid command to be carried out now.

    `value` is a bool (single), 1 or 2 (double) or a finite number. `time` is the
    command's own time tag in UTC, None without one or where it is unreadable.
    `delay` is its age in seconds against our clock (negative: from the future).
    """

    type_id: int
    ioa: int
    value: PointValue
    qualifier: int
    originator: int
    time: datetime | None
    delay: float | None
    received_at: datetime
    connection: ConnectionInfo


class RejectionReason(StrEnum):
    """Why a request was answered negatively (or, a stale command, not at all)."""

    COMMON_ADDRESS = "common_address"
    TYPE = "type"
    CAUSE = "cause"
    OBJECT_ADDRESS = "object_address"
    OBJECT_TYPE = "object_type"
    OBJECT_COUNT = "object_count"
    NEGATIVE_REQUEST = "negative_request"
    VALUE = "value"
    QUALIFIER = "qualifier"
    TIME_TAG = "time_tag"
    STALE = "stale"
    NOT_SELECTED = "not_selected"
    NOT_SELECTABLE = "not_selectable"
    SELECTED_ELSEWHERE = "selected_elsewhere"
    NOTHING_TO_CANCEL = "nothing_to_cancel"
    UNSUPPORTED = "unsupported"
    APPLICATION = "application"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A refused request; `request` is the ASDU as received."""

    reason: RejectionReason
    cause: int
    request: bytes
    connection: ConnectionInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSync:
    """A clock synchronization: the operator's time, ours, and theirs minus ours (s)."""

    time: datetime
    received_at: datetime
    offset: float
    connection: ConnectionInfo


class Responder(Protocol):
    """Answers one command, at once or later, on the station's loop.

    Whatever is called, exactly one confirmation is sent, return information and
    termination only after a positive one, and nothing to any other connection.
    """

    @property
    def alive(self) -> bool:
        """Tell whether answers still reach the client that gave the command."""

    def defer(self) -> None:
        """Promise, inside `Application.execute`, to confirm later."""

    def confirm(self, *, positive: bool = True) -> None:
        """Send the confirmation, inside `Application.execute` unless deferred."""

    def return_information(
        self,
        objects: Iterable[MonitorObject],
        *,
        cause: int = Cause.RETURN_REMOTE,
        at: datetime | None = None,
    ) -> bool:
        """Send feedback; False when nobody is there to get it.

        The standard's table has cause 11 for single and double points; a peer that
        minds it with measured values gets `cause` 3 (spontaneous) instead.
        """

    def terminate(self, *, positive: bool = True) -> bool:
        """Send the activation termination, once; False when nobody gets it."""


class Application(Protocol):
    """The points behind a station. Called on the station's loop; must be fast."""

    def points(self) -> Iterable[MonitorObject]:
        """Return the current value of every interrogated point, in any order."""

    def point(self, ioa: int) -> MonitorObject | None:
        """Return the current value of one point, None where there is none."""

    def command_point(self, ioa: int) -> CommandPoint | None:
        """Describe a controllable point, None where there is none."""

    def execute(self, command: Command, responder: Responder) -> None:
        """Carry out a command and confirm it through `responder` before returning.

        A command that is neither confirmed nor deferred on return is refused.
        """


class StationObserver:
    """Hooks of a station; override what is of interest. Called on its loop."""

    def connection_opened(self, connection: ConnectionInfo) -> None:
        """Learn of an accepted connection."""

    def state_changed(self, connection: ConnectionInfo, state: LinkState) -> None:
        """Learn of a start or stop of data transfer."""

    def connection_closed(
        self, connection: ConnectionInfo, reason: CloseReason
    ) -> None:
        """Learn of the end of an accepted connection."""

    def connection_refused(self, address: str, reason: CloseReason) -> None:
        """Learn of a refused client, at most once a minute for each address."""

    def interrogated(self, connection: ConnectionInfo) -> None:
        """Learn of a completed general interrogation."""

    def clock_synchronized(self, sync: ClockSync) -> None:
        """Learn of a clock synchronization."""

    def rejected(self, rejection: Rejection) -> None:
        """Learn of a request that was refused."""

    def reset_requested(self, connection: ConnectionInfo, qualifier: int) -> bool:
        """Allow a reset of the process (True); the default refuses."""
        return False
