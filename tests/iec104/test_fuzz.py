"""Hostile input: every octet stream is answered by the table or ends the connection."""

from collections import deque
import struct

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from custom_components.netflex.iec104 import (
    Cause,
    CloseCode,
    LinkState,
    MonitorObject,
    TypeId,
)
from custom_components.netflex.iec104.apdu import (
    MAX_ASDU,
    START,
    UApdu,
    UFunction,
    build_i,
    build_s,
    build_u,
)

from .bench import MEASUREMENT, SETPOINT, STOP_PRODUCTION, Plant
from .fuzzing import hostile_asdus, hostile_streams
from .wireless import DirectTimers, Side, station

INPUTS = 10_000


def test_ten_thousand_hostile_asdus_are_answered_once_or_close():
    outcome = hostile_asdus(INPUTS, seed=60870)
    assert outcome.closed > INPUTS / 20
    assert outcome.answered > INPUTS / 20
    assert outcome.executed


def test_ten_thousand_hostile_streams_touch_nobody_else():
    assert hostile_streams(INPUTS, seed=104).closed > INPUTS / 20


class LinkMachine(RuleBasedStateMachine):
    """Two clients, any order of right and wrong APDUs, time that passes."""

    def __init__(self) -> None:
        super().__init__()
        self.plant, self.timers = Plant(), DirectTimers()
        self.group = station(self.plant, self.timers)
        self.numbers = 0
        self.sides: deque[Side] = deque()
        self.connect()

    @precondition(lambda self: len(self.sides) < 3)
    @rule()
    def connect(self) -> None:
        self.numbers += 1
        self.sides.append(Side(self.group, self.numbers))

    @rule()
    def other_client(self) -> None:
        self.sides.rotate()

    @rule(function=st.sampled_from(UFunction))
    def function(self, function: UFunction) -> None:
        state = self.sides[0].link.state
        frames = self.send(build_u(function))
        if function is UFunction.TESTFR_ACT and state is not LinkState.CLOSED:
            assert UApdu(UFunction.TESTFR_CON) in frames
        if function is UFunction.STARTDT_ACT and state is not LinkState.CLOSED:
            assert frames[0] == UApdu(UFunction.STARTDT_CON)
            assert self.group.active is self.sides[0].connection

    @rule()
    def acknowledge(self) -> None:
        side = self.sides[0]
        refused = side.link.state in (LinkState.STOPPED, LinkState.CLOSED)
        self.send(build_s(side.receive_number))
        assert side.transport.closed is refused

    @rule(number=st.integers(0, 32767))
    def acknowledge_anything(self, number: int) -> None:
        self.send(build_s(number))

    @rule(value=st.floats(width=32), ioa=st.sampled_from([SETPOINT, 9]))
    def setpoint(self, value: float, ioa: int) -> None:
        side = self.sides[0]
        started = side.link.state is LinkState.STARTED
        before = len(self.plant.executed)
        body = bytes((TypeId.C_SE_NC_1, 1, Cause.ACTIVATION, 0, 100, 0))
        body += ioa.to_bytes(3, "little") + struct.pack("<f", value) + b"\x00"
        self.send(build_i(side.send_number, side.receive_number, body))
        side.send_number = (side.send_number + 1) & 0x7FFF
        wanted = started and ioa == SETPOINT and 0 <= value <= 100
        assert len(self.plant.executed) - before == wanted

    @rule(asdu=st.binary(max_size=MAX_ASDU), gap=st.sampled_from([0, 0, 0, 1, 32767]))
    def any_information(self, asdu: bytes, gap: int) -> None:
        side = self.sides[0]
        number = (side.send_number + gap) & 0x7FFF
        self.send(build_i(number, side.receive_number, asdu))
        side.send_number = (side.send_number + 1) & 0x7FFF

    @rule()
    def stop_order(self) -> None:
        side = self.sides[0]
        started = side.link.state is LinkState.STARTED
        before = len(self.plant.executed)
        body = bytes((TypeId.C_SC_NA_1, 1, Cause.ACTIVATION, 0, 100, 0))
        body += STOP_PRODUCTION.to_bytes(3, "little") + b"\x01"
        self.send(build_i(side.send_number, side.receive_number, body))
        side.send_number = (side.send_number + 1) & 0x7FFF
        assert len(self.plant.executed) - before == started

    @rule(value=st.floats(0, 100, width=32))
    def event(self, value: float) -> None:
        self.group.report(
            MonitorObject(type_id=13, ioa=MEASUREMENT, value=value), 3, None
        )

    @rule(data=st.binary(min_size=1, max_size=40).filter(lambda data: data[0] != START))
    def garbage(self, data: bytes) -> None:
        side = self.sides[0]
        self.send(data)
        assert side.transport.closed

    @rule(seconds=st.sampled_from([0.001, 5.0, 10.0, 15.0, 20.0]))
    def time_passes(self, seconds: float) -> None:
        self.timers.advance(seconds)
        for side in self.sides:
            side.received()

    def send(self, data: bytes) -> list[object]:
        side = self.sides[0]
        others = [(one, one.link.received) for one in self.sides if one is not side]
        frames = side.send(data)
        for other, received in others:
            assert other.link.received == received
            # What one client sends may replace another, and nothing else.
            if other.link.close_reason is not None:
                assert data == build_u(UFunction.STARTDT_ACT)
                assert other.link.close_reason.code is CloseCode.REPLACED
            other.received()
        return frames

    @invariant()
    def at_most_one_is_started(self) -> None:
        started = [one for one in self.sides if one.link.state is LinkState.STARTED]
        assert len(started) <= 1
        if started:
            assert self.group.active is started[0].connection

    @invariant()
    def windows_hold(self) -> None:
        for side in self.sides:
            assert side.link.unacknowledged <= 12
            assert side.link._to_acknowledge < 8

    @invariant()
    def closed_links_are_forgotten(self) -> None:
        for side in list(self.sides):
            if side.link.state is LinkState.CLOSED:
                assert side.transport.closed
                assert side.connection not in self.group.connections
                assert side.link.close_reason.code is not CloseCode.INTERNAL
                self.sides.remove(side)
        if not self.sides:
            self.connect()


TestLinkMachine = LinkMachine.TestCase
TestLinkMachine.settings = settings(
    max_examples=100, stateful_step_count=50, deadline=None
)
