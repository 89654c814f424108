"""What a link and its user know of each other: time, states, reasons, calls."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic
from typing import ClassVar, Protocol


class TimerHandle(Protocol):
    """A scheduled call that can be withdrawn."""

    def cancel(self) -> None:
        """Withdraw the call."""


class Timers(Protocol):
    """A monotonic clock with alarms."""

    def time(self) -> float:
        """Return monotonic seconds."""

    def call_at(self, when: float, callback: Callable[[], object], /) -> TimerHandle:
        """Call `callback` once when `time()` reaches `when`."""

    def call_soon(self, callback: Callable[[], object], /) -> TimerHandle:
        """Call `callback` in the next turn of the event loop."""


class LoopTimers:
    """The running event loop's clock and alarms, looked up when they are needed."""

    time = staticmethod(monotonic)

    def call_at(self, when: float, callback: Callable[[], object], /) -> TimerHandle:
        """Call `callback` once when `time()` reaches `when`."""
        loop = asyncio.get_running_loop()
        return loop.call_later(when - monotonic(), callback)

    def call_soon(self, callback: Callable[[], object], /) -> TimerHandle:
        """Call `callback` in the next turn of the event loop."""
        return asyncio.get_running_loop().call_soon(callback)


class Role(StrEnum):
    """Which end of the link this is."""

    CONTROLLED = "controlled"
    CONTROLLING = "controlling"


class LinkState(StrEnum):
    """State of data transfer.

    STARTING is the controlling station waiting for STARTDT con. STOPPING is, at
    the controlling station, waiting for STOPDT con and, at the controlled station,
    the unconfirmed stopped state: nothing new is sent and STOPDT con waits for the
    acknowledgement of what is outstanding.
    """

    STOPPED = "stopped"
    STARTING = "starting"
    STARTED = "started"
    STOPPING = "stopping"
    CLOSED = "closed"


class CloseCode(StrEnum):
    """The timer or rule that ended a connection."""

    T0 = "t0"
    T1_INFORMATION = "t1_information"
    T1_TEST = "t1_test"
    T1_START = "t1_start"
    T1_STOP = "t1_stop"
    FRAMING = "framing"
    CONTROL_FIELD = "control_field"
    SEND_NUMBER = "send_number"
    RECEIVE_NUMBER = "receive_number"
    INFORMATION_WHILE_STOPPED = "information_while_stopped"
    SUPERVISORY_WHILE_STOPPED = "supervisory_while_stopped"
    WRONG_DIRECTION = "wrong_direction"
    MALFORMED_ASDU = "malformed_asdu"
    PEER_CLOSED = "peer_closed"
    CONNECTION_LOST = "connection_lost"
    REPLACED = "replaced"
    SECOND_CLIENT = "second_client"
    CONNECTION_LIMIT = "connection_limit"
    ADDRESS_REFUSED = "address_refused"
    TLS = "tls"
    QUEUE_FULL = "queue_full"
    STATION_STOPPED = "station_stopped"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class CloseReason:
    """Why a connection ended: the rule, and the circumstances in words."""

    code: CloseCode
    detail: str = ""

    def __str__(self) -> str:
        """Return rule and circumstances for a log or a sensor."""
        return f"{self.code}: {self.detail}" if self.detail else str(self.code)


class Direction(StrEnum):
    """Direction of an APDU in a wire log, seen from this end."""

    RECEIVED = "received"
    SENT = "sent"


class Outgoing:
    """An ASDU that is to be sent, handed back when it is lost.

    With `reports_arrival` its user learns as well that it was acknowledged.
    """

    __slots__ = ("asdu",)
    reports_arrival: ClassVar[bool] = False

    def __init__(self, asdu: bytes) -> None:
        """Hold the ASDU's octets."""
        self.asdu = asdu


class LinkUser(Protocol):
    """What a station does above its link. All calls come on the link's loop."""

    def link_opened(self) -> None:
        """Learn that the transport is there; may close the link at once."""

    def start_requested(self) -> CloseReason | None:
        """Allow STARTDT (None) or say why the connection is closed instead."""

    def state_changed(self, state: LinkState) -> None:
        """Learn a new state other than CLOSED."""

    def asdu_received(self, asdu: bytes) -> None:
        """Take an ASDU in sequence."""

    def next_asdu(self) -> Outgoing | None:
        """Hand out the next ASDU now that the window has room."""

    def acknowledged(self, sent: Outgoing) -> None:
        """Learn that the peer has received an ASDU that reports its arrival."""

    def test_confirmed(self) -> None:
        """Learn that the peer answered a test."""

    def link_closed(self, reason: CloseReason, lost: Sequence[Outgoing]) -> None:
        """Learn the end, once; `lost` was sent and not acknowledged, oldest first."""


type WireHook = Callable[[Direction, bytes], None]
