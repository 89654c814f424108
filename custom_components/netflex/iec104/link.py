"""One link of IEC 60870-5-104: the state machine that both stations share.

Numbered transfer with the windows k and w, the supervision times t1..t3, start,
stop and test of data transfer, including the state in which a stop waits for the
acknowledgement of what was sent before. Every close carries a reason.
"""

import asyncio
from collections import deque
import logging
from typing import Final, cast

from .apdu import (
    SEQUENCE_MASK,
    ApduFramer,
    FramingError,
    IApdu,
    SApdu,
    UFunction,
    build_i,
    build_s,
    build_u,
    parse_apdu,
)
from .asdu import HEADER_SIZE
from .link_user import (
    CloseCode,
    CloseReason,
    Direction,
    LinkState,
    LinkUser,
    Outgoing,
    Role,
    TimerHandle,
    Timers,
    WireHook,
)
from .parameters import LinkParameters

_LOGGER = logging.getLogger(__name__)

CLOSE_GRACE: Final = 5.0
"""Seconds that a peer has to take what is still in the socket after a close."""


class Link(asyncio.Protocol):
    """One connection's link layer, on any asyncio transport.

    `timers` is a LoopTimers or, in tests, a clock that is moved by hand. `wire`
    sees every APDU in both directions.
    """

    def __init__(
        self,
        role: Role,
        parameters: LinkParameters,
        user: LinkUser,
        timers: Timers,
        wire: WireHook | None = None,
    ) -> None:
        """Prepare an unconnected link."""
        self.state = LinkState.STOPPED
        self.close_reason: CloseReason | None = None
        self.received = 0
        self.sent = 0
        self.lost = asyncio.Event()
        self._role = role
        self._parameters = parameters
        self._user = user
        self._timers = timers
        self._wire = wire
        self._transport: asyncio.Transport | None = None
        self._framer = ApduFramer()
        self._send_number = 0
        self._receive_number = 0
        self._unacknowledged: deque[tuple[float, Outgoing]] = deque()
        self._to_acknowledge = 0
        self._t2_at: float | None = None
        self._t3_at = 0.0
        self._test_at: float | None = None
        self._function_at: float | None = None
        self._timer: TimerHandle | None = None
        self._timer_at = 0.0
        self._out: list[bytes] = []
        self._corked = False
        self._write_paused = False

    # Transport side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin in state STOPPED with all numbers at zero."""
        self._transport = cast(asyncio.Transport, transport)
        self._t3_at = self._timers.time() + self._parameters.t3
        self._arm(self._t3_at)
        self._user.link_opened()

    def data_received(self, data: bytes) -> None:
        """Carry out the APDUs in `data`; never raises."""
        if self.state is LinkState.CLOSED:
            return
        self._corked = True
        try:
            self._carry_out(data)
        except Exception:
            # The last line of defence: a fault of ours must end this connection
            # only, and must not be swallowed.
            _LOGGER.exception("Unexpected error; closing the connection")
            self.close(CloseReason(CloseCode.INTERNAL, "unexpected error"))
        finally:
            self._corked = False
            self.flush()

    def eof_received(self) -> bool:
        """Close when the peer does."""
        self.close(CloseReason(CloseCode.PEER_CLOSED))
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the transport."""
        if exc is None:
            self.close(CloseReason(CloseCode.PEER_CLOSED))
        else:
            self.close(CloseReason(CloseCode.CONNECTION_LOST, str(exc)))
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.lost.set()

    def pause_writing(self) -> None:
        """Stop reading from a peer that does not read, so that memory stays bounded."""
        self._write_paused = True
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on when the peer reads again."""
        self._write_paused = False
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
            self.pump()

    # User side.

    @property
    def transport(self) -> asyncio.Transport | None:
        """Return the transport while there is one."""
        return self._transport

    @property
    def unacknowledged(self) -> int:
        """Return how many sent I APDUs the peer has not acknowledged."""
        return len(self._unacknowledged)

    def pump(self) -> None:
        """Send what the user has, as far as state and window allow."""
        if self._write_paused:
            return
        unacknowledged = self._unacknowledged
        window = self._parameters.k
        now = self._timers.time()
        while self.state is LinkState.STARTED and len(unacknowledged) < window:
            outgoing = self._user.next_asdu()
            if outgoing is None:
                break
            self._send_information(outgoing, now)
        if not self._corked:
            self.flush()

    def send(self, outgoing: Outgoing) -> bool:
        """Send one ASDU out of turn; False when state, window or a slow reader forbid.

        It leaves with the next flush.
        """
        if (
            self._write_paused
            or self.state is not LinkState.STARTED
            or len(self._unacknowledged) >= self._parameters.k
        ):
            return False
        self._send_information(outgoing, self._timers.time())
        return True

    def flush(self) -> None:
        """Write what was sent, in one piece."""
        if self._out:
            data = b"".join(self._out)
            self._out.clear()
            if self._transport is not None:
                self._transport.write(data)

    def send_start(self) -> None:
        """Send STARTDT act (controlling station)."""
        self._request(UFunction.STARTDT_ACT, LinkState.STARTING)

    def send_stop(self) -> None:
        """Acknowledge what was received, then send STOPDT act (controlling station)."""
        if self._to_acknowledge:
            self._send_supervisory()
        self._request(UFunction.STOPDT_ACT, LinkState.STOPPING)

    def send_test(self) -> None:
        """Send TESTFR act unless one is outstanding."""
        if self._test_at is None and self.state is not LinkState.CLOSED:
            self._test_at = self._timers.time() + self._parameters.t1
            self._arm(self._test_at)
            self._write(build_u(UFunction.TESTFR_ACT))
            if not self._corked:
                self.flush()

    def close(self, reason: CloseReason) -> None:
        """Close actively; what is already written is still delivered."""
        if self.state is LinkState.CLOSED:
            return
        self.state = LinkState.CLOSED
        self.close_reason = reason
        _LOGGER.debug("Closing the connection: %s", reason)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.flush()
        if (transport := self._transport) is not None:
            transport.close()
            self._timer = self._timers.call_at(
                self._timers.time() + CLOSE_GRACE, transport.abort
            )
        lost = [outgoing for _, outgoing in self._unacknowledged]
        self._unacknowledged.clear()
        self._user.link_closed(reason, lost)

    # Reception.

    def _carry_out(self, data: bytes) -> None:
        now = self._timers.time()
        self._t3_at = now + self._parameters.t3
        for apdu in self._framer.feed(data):
            self.received += 1
            if self._wire is not None:
                self._wire(Direction.RECEIVED, apdu)
            try:
                frame = parse_apdu(apdu)
            except FramingError as err:
                self.close(CloseReason(CloseCode.CONTROL_FIELD, str(err)))
                return
            if isinstance(frame, IApdu):
                self._on_information(frame, now)
            elif isinstance(frame, SApdu):
                self._on_supervisory(frame.receive_number)
            else:
                self._on_function(frame.function)
            if self.state is LinkState.CLOSED:
                return
        if self._framer.fault is not None:
            self.close(CloseReason(CloseCode.FRAMING, str(self._framer.fault)))

    def _on_information(self, frame: IApdu, now: float) -> None:
        # A controlled station goes on sending until it has seen STOPDT act.
        if self.state is not LinkState.STARTED and (
            self.state is not LinkState.STOPPING or self._role is Role.CONTROLLED
        ):
            self.close(
                CloseReason(
                    CloseCode.INFORMATION_WHILE_STOPPED,
                    f"I APDU in state {self.state}",
                )
            )
            return
        if frame.send_number != self._receive_number:
            self.close(
                CloseReason(
                    CloseCode.SEND_NUMBER,
                    f"N(S) {frame.send_number}, expected {self._receive_number}",
                )
            )
            return
        if not self._acknowledge(frame.receive_number):
            return
        if len(frame.asdu) < HEADER_SIZE:
            self.close(
                CloseReason(
                    CloseCode.MALFORMED_ASDU,
                    f"{len(frame.asdu)} octets are shorter than a header",
                )
            )
            return
        self._receive_number = (self._receive_number + 1) & SEQUENCE_MASK
        self._to_acknowledge += 1
        self._user.asdu_received(frame.asdu)
        self.pump()
        # Most requests are acknowledged by their answer and never need t2.
        if self._to_acknowledge:
            self._owe_acknowledgement(now)

    def _owe_acknowledgement(self, received_at: float) -> None:
        if self.state is LinkState.CLOSED:
            return
        if (
            self._to_acknowledge >= self._parameters.w
            or self.state is LinkState.STOPPING
        ):
            self._send_supervisory()
        elif self._t2_at is None:
            self._t2_at = received_at + self._parameters.t2
            self._arm(self._t2_at)

    def _on_supervisory(self, receive_number: int) -> None:
        if self.state in (LinkState.STOPPED, LinkState.STARTING):
            self.close(
                CloseReason(
                    CloseCode.SUPERVISORY_WHILE_STOPPED,
                    f"S APDU in state {self.state}",
                )
            )
            return
        if self._acknowledge(receive_number):
            self.pump()

    def _acknowledge(self, receive_number: int) -> bool:
        """Take N(R); False when it lay outside what is outstanding (and closed)."""
        unacknowledged = self._unacknowledged
        remaining = (self._send_number - receive_number) & SEQUENCE_MASK
        if remaining > len(unacknowledged):
            self.close(
                CloseReason(
                    CloseCode.RECEIVE_NUMBER,
                    f"N(R) {receive_number} outside the {len(unacknowledged)} "
                    f"outstanding before {self._send_number}",
                )
            )
            return False
        for _ in range(len(unacknowledged) - remaining):
            _, outgoing = unacknowledged.popleft()
            if outgoing.reports_arrival:
                self._user.acknowledged(outgoing)
        if (
            self.state is LinkState.STOPPING
            and self._role is Role.CONTROLLED
            and not unacknowledged
        ):
            self._confirm_stop()
        return True

    def _on_function(self, function: UFunction) -> None:
        if function is UFunction.TESTFR_ACT:
            self._write(build_u(UFunction.TESTFR_CON))
        elif function is UFunction.TESTFR_CON:
            # An unasked confirmation must not touch any other supervision.
            if self._test_at is not None:
                self._test_at = None
                self._arm(self._t3_at)
                self._user.test_confirmed()
        elif self._role is Role.CONTROLLED:
            self._on_controlled_function(function)
        else:
            self._on_controlling_function(function)

    def _on_controlled_function(self, function: UFunction) -> None:
        if function is UFunction.STARTDT_ACT:
            if self.state is LinkState.STOPPED:
                refusal = self._user.start_requested()
                if refusal is not None:
                    self.close(refusal)
                    return
            self._write(build_u(UFunction.STARTDT_CON))
            if self.state is not LinkState.STARTED:
                self._enter(LinkState.STARTED)
                self.pump()
        elif function is UFunction.STOPDT_ACT:
            if self._to_acknowledge:
                self._send_supervisory()
            if self.state is LinkState.STARTED and self._unacknowledged:
                self._enter(LinkState.STOPPING)
            elif self.state is not LinkState.STOPPING:
                self._confirm_stop()

    def _confirm_stop(self) -> None:
        self._write(build_u(UFunction.STOPDT_CON))
        if self.state is not LinkState.STOPPED:
            self._enter(LinkState.STOPPED)

    def _on_controlling_function(self, function: UFunction) -> None:
        if function is UFunction.STARTDT_CON:
            if self.state is LinkState.STARTING:
                self._function_at = None
                self._enter(LinkState.STARTED)
                self.pump()
        elif function is UFunction.STOPDT_CON:
            if self.state is LinkState.STOPPING:
                self._function_at = None
                self._enter(LinkState.STOPPED)
        else:
            self.close(
                CloseReason(
                    CloseCode.WRONG_DIRECTION, f"{function.name} from a station"
                )
            )

    # Transmission.

    def _enter(self, state: LinkState) -> None:
        self.state = state
        self._user.state_changed(state)

    def _request(self, function: UFunction, state: LinkState) -> None:
        self._function_at = self._timers.time() + self._parameters.t1
        self._arm(self._function_at)
        self._write(build_u(function))
        self._enter(state)
        if not self._corked:
            self.flush()

    def _send_information(self, outgoing: Outgoing, now: float) -> None:
        if not self._unacknowledged:
            self._arm(now + self._parameters.t1)
        self._unacknowledged.append((now, outgoing))
        number = self._send_number
        self._write(build_i(number, self._receive_number, outgoing.asdu))
        self._send_number = (number + 1) & SEQUENCE_MASK
        self._to_acknowledge = 0
        self._t2_at = None

    def _send_supervisory(self) -> None:
        self._write(build_s(self._receive_number))
        self._to_acknowledge = 0
        self._t2_at = None

    def _write(self, apdu: bytes) -> None:
        if self.state is LinkState.CLOSED:
            return
        self.sent += 1
        if self._wire is not None:
            self._wire(Direction.SENT, apdu)
        self._out.append(apdu)

    # Supervision. One alarm serves all times: restarting one is an assignment, and
    # the alarm is only set anew when something falls due earlier than it.

    def _arm(self, when: float) -> None:
        if self._timer is not None:
            if self._timer_at <= when:
                return
            self._timer.cancel()
        self._timer_at = when
        self._timer = self._timers.call_at(when, self._supervise)

    def _supervise(self) -> None:
        self._timer = None
        now = self._timers.time()
        t1 = self._parameters.t1
        if self._unacknowledged and now >= self._unacknowledged[0][0] + t1:
            oldest = (self._send_number - len(self._unacknowledged)) & SEQUENCE_MASK
            self._expire(CloseCode.T1_INFORMATION, f"I APDU {oldest} unacknowledged")
        elif self._test_at is not None and now >= self._test_at:
            self._expire(CloseCode.T1_TEST, "TESTFR unanswered")
        elif self._function_at is not None and now >= self._function_at:
            if self.state is LinkState.STARTING:
                self._expire(CloseCode.T1_START, "STARTDT unanswered")
            else:
                self._expire(CloseCode.T1_STOP, "STOPDT unanswered")
        else:
            if self._t2_at is not None and now >= self._t2_at:
                self._send_supervisory()
            if now >= self._t3_at:
                self.send_test()
            self.flush()
            self._arm_next()

    def _expire(self, code: CloseCode, detail: str) -> None:
        self.close(CloseReason(code, f"{detail} for {self._parameters.t1:g} s"))

    def _arm_next(self) -> None:
        due = [at for at in (self._t2_at, self._function_at) if at is not None]
        due.append(self._t3_at if self._test_at is None else self._test_at)
        if self._unacknowledged:
            due.append(self._unacknowledged[0][0] + self._parameters.t1)
        self._arm(min(due))
