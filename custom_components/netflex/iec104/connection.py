"""One client of a controlled station: its queues and its link."""

from collections import deque
from collections.abc import Sequence
from typing import Final

from .application import ConnectionInfo
from .asdu import (
    Cause,
    MalformedAsduError,
    UnknownTypeError,
    decode_asdu,
    encode_header,
    mirror,
)
from .group import RedundancyGroup
from .information_objects import EndOfInitialization, encode_object
from .interrogation import Interrogation
from .link import Link
from .link_user import CloseCode, CloseReason, LinkState, Outgoing, Role, WireHook
from .requests import RequestHandler

MAX_REPLIES: Final = 16_384
"""Unsent answers after which a client that only asks is disconnected."""


class _OutgoingInitialization(Outgoing):
    """M_EI_NA_1, due again on the next connection until it is acknowledged."""

    __slots__ = ()
    reports_arrival = True


class Connection:
    """The link's user: decides what is sent next and hands requests on."""

    def __init__(
        self,
        group: RedundancyGroup,
        info: ConnectionInfo,
        wire: WireHook | None = None,
    ) -> None:
        """Make a connection with its link, not yet on a transport."""
        self.info = info
        self.has_started = False
        self.is_announced = False
        self.interrogation: Interrogation | None = None
        self.link = Link(Role.CONTROLLED, group.config.link, self, group.timers, wire)
        self._group = group
        self._replies: deque[Outgoing] = deque()
        self._waiting: bytes | None = None
        self._requests = RequestHandler(self, group)
        self._in_request = False

    # Called by the link.

    def link_opened(self) -> None:
        """Check the name in the peer's certificate and announce the connection."""
        settings = self._group.config.tls
        if settings is not None and self.link.transport is not None:
            peer = self.link.transport.get_extra_info("ssl_object")
            if not settings.accepts(peer):
                reason = CloseReason(
                    CloseCode.TLS, "the certificate has no wanted name"
                )
                self.link.close(reason)
                self._group.refuse(self.info.address, reason)
                return
        self.is_announced = True
        self._group.counters.connections += 1
        self._group.observer.connection_opened(self.info)

    def start_requested(self) -> CloseReason | None:
        """Take over the redundancy group, or be refused."""
        return self._group.start_requested(self)

    def state_changed(self, state: LinkState) -> None:
        """Enter or leave the redundancy group."""
        if state is LinkState.STARTED:
            self._group.active = self
            if self._group.owes_end_of_initialization(self):
                self.send_end_of_initialization(0)
            self.has_started = True
        else:
            self._drop()
            self._group.stopped(self)
            if state is LinkState.STOPPED and self._group.active is self:
                self._group.active = None
        self._group.observer.state_changed(self.info, state)

    def asdu_received(self, asdu: bytes) -> None:
        """Answer a request, or close on a malformed one."""
        try:
            request = decode_asdu(asdu, strict_length=self._group.config.strict_length)
        except MalformedAsduError as err:
            self.link.close(CloseReason(CloseCode.MALFORMED_ASDU, str(err)))
            return
        except UnknownTypeError:
            request = None
        self._in_request = True
        try:
            self._requests.handle(asdu, request)
        finally:
            self._in_request = False

    def next_asdu(self) -> Outgoing | None:
        """Hand out answers, then events, then the interrogation, then cyclic values."""
        if self._replies:
            return self._replies.popleft()
        if (waiting := self._group.events.next_asdu()) is not None:
            return waiting
        if self.interrogation is not None:
            return self._next_interrogated(self.interrogation)
        return self._group.next_cyclic()

    def acknowledged(self, sent: Outgoing) -> None:
        """Note that the end of initialization has arrived."""
        if isinstance(sent, _OutgoingInitialization):
            self._group.initialization_due = False

    def test_confirmed(self) -> None:
        """Need nothing: silence is supervised by the link."""

    def link_closed(self, reason: CloseReason, lost: Sequence[Outgoing]) -> None:
        """Give back what was not acknowledged and leave the station."""
        self._drop()
        self._group.closed(self, reason)
        self._group.events.give_back(lost)

    # Called by requests and responders.

    @property
    def is_started(self) -> bool:
        """Tell whether data may flow to this client now."""
        return self._group.active is self and self.link.state is LinkState.STARTED

    def reply(self, asdu: bytes) -> None:
        """Send an answer ahead of everything else."""
        outgoing = Outgoing(asdu)
        if not self._replies and self.link.send(outgoing):
            # A confirmation does not wait for what is made after it, nor for the
            # rest of the segment that its request came in.
            self.link.flush()
        else:
            self._replies.append(outgoing)
            self._added()

    def answer(self, asdu: bytes) -> None:
        """Send an answer that must not overtake the events before it."""
        outgoing = Outgoing(asdu)
        if (
            self._in_request
            and not self._replies
            and self._group.events.empty
            and self.link.send(outgoing)
        ):
            return
        self._group.events.add_answer(outgoing)
        self._added()

    def send_end_of_initialization(self, cause: int) -> None:
        """Send M_EI_NA_1 with a cause of initialization."""
        body = encode_object(EndOfInitialization(cause=cause))
        header = encode_header(
            EndOfInitialization().type_id,
            1,
            Cause.INITIALIZED,
            self._group.config.common_address,
        )
        self._replies.append(_OutgoingInitialization(header + body))

    def interrogate(self, request: bytes) -> bool:
        """Start an interrogation, or let one wait; False when one waits already."""
        if self.interrogation is None:
            self._start_interrogation(request)
        elif self._waiting is None:
            self._waiting = request
        else:
            return False
        return True

    def cancel_interrogation(self) -> bool:
        """Stop the running interrogation; False when there is none."""
        if self.interrogation is None:
            return False
        self._end_interrogation()
        return True

    def mirrored(self, request: bytes, cause: int, *, negative: bool = False) -> bytes:
        """Return a request's mirror with the station's own common address."""
        return mirror(
            request,
            cause,
            negative=negative,
            common_address=self._group.config.common_address,
        )

    def _added(self) -> None:
        if len(self._replies) + self._group.events.answers > MAX_REPLIES:
            self.link.close(
                CloseReason(CloseCode.QUEUE_FULL, f"{MAX_REPLIES} unsent answers")
            )
        elif not self._in_request:
            self._group.pump_soon()

    def _start_interrogation(self, request: bytes) -> None:
        self._replies.append(
            Outgoing(self.mirrored(request, Cause.ACTIVATION_CONFIRMATION))
        )
        self.interrogation = Interrogation(
            request,
            self._group.application.points(),
            self._group.config.common_address,
            sequence=self._group.config.sequence,
        )

    def _end_interrogation(self) -> None:
        self.interrogation = None
        if self._waiting is not None:
            request, self._waiting = self._waiting, None
            self._start_interrogation(request)

    def _next_interrogated(self, interrogation: Interrogation) -> Outgoing:
        asdu = interrogation.next_asdu()
        if asdu is None:
            asdu = self.mirrored(interrogation.request, Cause.ACTIVATION_TERMINATION)
            self._group.counters.interrogations += 1
            self._group.last_interrogation = self._group.now()
            self._group.events.overflow = False
            self._group.observer.interrogated(self.info)
            self._end_interrogation()
        return Outgoing(asdu)

    def _drop(self) -> None:
        self._replies.clear()
        self.interrogation = None
        self._waiting = None
