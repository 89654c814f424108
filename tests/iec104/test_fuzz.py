"""Hostile input: every octet stream is answered by the table or ends the connection."""

from collections import deque
import random
import struct
from typing import cast

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from custom_components.netflex.iec104 import (
    Cause,
    CloseCode,
    ConnectionInfo,
    LinkState,
    MonitorObject,
    StationConfig,
    TypeId,
)
from custom_components.netflex.iec104.apdu import (
    MAX_ASDU,
    START,
    ApduFramer,
    IApdu,
    UApdu,
    UFunction,
    build_i,
    build_s,
    build_u,
    parse_apdu,
)
from custom_components.netflex.iec104.connection import Connection
from custom_components.netflex.iec104.group import RedundancyGroup

from .bench import (
    MEASUREMENT,
    NOW,
    SETPOINT,
    STOP_PRODUCTION,
    Clock,
    Plant,
    VirtualTimers,
    Watcher,
)
from .fuzzing import mutated, random_asdu

INPUTS = 10_000


class MemoryTransport:
    """A transport that keeps what is written, for links without a socket."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, name: str) -> None:
        return None


class DirectTimers(VirtualTimers):
    """Virtual time that calls at once what is to be called soon."""

    def call_soon(self, callback, /):
        return self.call_at(self.time(), callback)


class Side:
    """One client of a station without sockets."""

    def __init__(self, group: RedundancyGroup, number: int) -> None:
        info = ConnectionInfo(
            number=number, address="192.0.2.1", port=number, opened_at=NOW
        )
        self.connection = Connection(group, info)
        group.connections.add(self.connection)
        self.transport = MemoryTransport()
        self.link = self.connection.link
        self.link.connection_made(cast("object", self.transport))
        self.framer = ApduFramer()
        self.send_number = 0
        self.receive_number = 0

    def send(self, data: bytes) -> list[object]:
        """Hand over octets; return what is answered."""
        self.link.data_received(data)
        return self.received()

    def received(self) -> list[object]:
        """Return the APDUs that were written since the last call."""
        frames = []
        for data in self.transport.written:
            for apdu in self.framer.feed(data):
                frame = parse_apdu(apdu)
                if isinstance(frame, IApdu):
                    assert frame.send_number == self.receive_number
                    self.receive_number = (self.receive_number + 1) & 0x7FFF
                frames.append(frame)
        assert self.framer.fault is None
        self.transport.written.clear()
        return frames

    def request(self, asdu: bytes) -> list[bytes]:
        """Send an I APDU and acknowledge; return the ASDUs that are answered."""
        apdu = build_i(self.send_number, self.receive_number, asdu)
        self.send_number = (self.send_number + 1) & 0x7FFF
        answers = [one.asdu for one in self.send(apdu) if isinstance(one, IApdu)]
        while not self.transport.closed:
            more = self.send(build_s(self.receive_number))
            if not more:
                break
            answers += [one.asdu for one in more if isinstance(one, IApdu)]
        return answers

    def start(self) -> None:
        self.send(build_u(UFunction.STARTDT_ACT))
        self.send(build_s(self.receive_number))


def station(plant: Plant, timers: VirtualTimers) -> RedundancyGroup:
    config = StationConfig(max_connections=100)
    return RedundancyGroup(config, plant, Watcher(), timers, Clock())


def test_ten_thousand_hostile_asdus_are_answered_once_or_close():
    noise = random.Random(60870)
    plant, timers = Plant(), DirectTimers()
    group = station(plant, timers)
    number = 1
    side = Side(group, number)
    side.start()
    bystander = Side(group, 0)
    closes = answered = 0
    for _ in range(INPUTS):
        asdu = random_asdu(noise)
        before = len(plant.executed)
        answers = side.request(asdu)
        if side.transport.closed:
            assert side.link.close_reason.code is CloseCode.MALFORMED_ASDU
            assert len(plant.executed) == before
            closes += 1
            number += 1
            side = Side(group, number)
            side.start()
            continue
        answered += 1
        causes = [answer[2] & 0x3F for answer in answers]
        direct = [cause for cause in causes if cause in (5, 7, 9, 44, 45, 46, 47)]
        assert len(direct) == 1, (asdu.hex(), causes)
        if len(plant.executed) > before:
            assert causes == [7, 11, 10]
    assert bystander.link.state is LinkState.STOPPED
    assert bystander.send(build_u(UFunction.TESTFR_ACT)) == [
        UApdu(UFunction.TESTFR_CON)
    ]
    assert closes > INPUTS / 20
    assert answered > INPUTS / 20
    assert plant.executed


def test_ten_thousand_hostile_streams_touch_nobody_else():
    noise = random.Random(104)
    plant, timers = Plant(), DirectTimers()
    group = station(plant, timers)
    closes = 0
    for number in range(INPUTS):
        side = Side(group, number)
        if noise.random() < 0.5:
            side.send(build_u(UFunction.STARTDT_ACT))
        side.send(mutated(noise, side.receive_number))
        closes += side.transport.closed
        assert side.transport.closed is (side.link.close_reason is not None)
        side.link.connection_lost(None)
        assert not group.connections
        assert group.active is None
    assert closes > INPUTS / 20


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
