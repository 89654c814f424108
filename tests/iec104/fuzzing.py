"""Hostile octets from a seed, and what a station may do with them."""

from dataclasses import dataclass
from random import Random

from custom_components.netflex.iec104 import CloseCode, LinkState, TypeId
from custom_components.netflex.iec104.apdu import (
    UApdu,
    UFunction,
    build_i,
    build_s,
    build_u,
)
from custom_components.netflex.iec104.information_objects import CODECS

from .bench import Q_MODE, SELECTED_SETPOINT, SETPOINT, STOP_PRODUCTION, Plant, Watcher
from .wireless import DirectTimers, Side, station

_TYPES = [*TypeId, 0, 2, 104, 106, 127, 255]
_ADDRESSES = [0, 9, 3001, STOP_PRODUCTION, Q_MODE, SETPOINT, SELECTED_SETPOINT]
_CAUSES = [3, 5, 6, 6, 6, 6, 7, 8, 10, 20, 44, 63]
_COMMON = [100, 100, 100, 100, 99, 0, 65535]


def random_asdu(noise: Random) -> bytes:
    """Return an ASDU that is nearly right: its fields are, or its length is not."""
    type_id = noise.choice(_TYPES)
    codec = CODECS.get(type_id)
    size = noise.randrange(9) if codec is None else codec.size
    count = noise.choice([1, 1, 1, 1, 1, 2, 3])
    sequence = noise.random() < 0.1
    elements = [
        noise.randbytes(size) if noise.random() < 0.5 else bytes(size)
        for _ in range(count)
    ]
    address = noise.choice(_ADDRESSES).to_bytes(3, "little")
    if sequence:
        objects = address + b"".join(elements)
    else:
        objects = b"".join(address + element for element in elements)
    flags = noise.choice([0, 0, 0, 0, 0x40, 0x80])
    header = bytes((type_id, count | sequence << 7, noise.choice(_CAUSES) | flags))
    header += bytes((noise.randrange(256),))
    asdu = header + noise.choice(_COMMON).to_bytes(2, "little") + objects
    if noise.random() < 0.1:
        asdu = asdu[: noise.randrange(len(asdu))]
    elif noise.random() < 0.1:
        asdu += noise.randbytes(noise.randrange(1, 20))
    return asdu[:249]


def mutated(noise: Random, receive_number: int) -> bytes:
    """Return a stream of several APDUs with octets changed, lost or doubled."""
    stream = bytearray()
    for number in range(noise.randrange(1, 5)):
        stream += noise.choice(
            [
                build_i(number, receive_number, random_asdu(noise)),
                build_s(receive_number),
                build_u(0x43),
                build_u(0x13),
                noise.randbytes(noise.randrange(1, 300)),
            ]
        )
    for _ in range(noise.randrange(4)):
        at = noise.randrange(len(stream))
        action = noise.randrange(3)
        if action == 0:
            stream[at] = noise.randrange(256)
        elif action == 1:
            del stream[at]
        else:
            stream.insert(at, stream[at])
        if not stream:
            break
    return bytes(stream)


@dataclass(slots=True)
class Outcome:
    """How many inputs closed their connection, were answered, were carried out."""

    closed: int = 0
    answered: int = 0
    executed: int = 0


class Arena:
    """A station under attack, and a connected client that takes no part."""

    def __init__(self) -> None:
        """Start both."""
        self.plant, self.timers, self.watcher = Plant(), DirectTimers(), Watcher()
        self.group = station(self.plant, self.timers, self.watcher)
        self.bystander = Side(self.group, 0)
        self.numbers = 0

    def attacker(self) -> Side:
        """Connect a new client."""
        self.numbers += 1
        return Side(self.group, self.numbers)

    def settle(self) -> None:
        """Let a little time pass, forget what was noted; the other client is well."""
        self.timers.advance(0.01)
        watcher = self.watcher
        for log in (self.plant.executed, watcher.rejections, watcher.states):
            log.clear()
        for log in (watcher.opened, watcher.closed, watcher.clocks):
            log.clear()
        for frame in self.bystander.received():
            assert frame == UApdu(UFunction.TESTFR_ACT)
            self.bystander.send(build_u(UFunction.TESTFR_CON))
        assert self.bystander.link.state is LinkState.STOPPED

    def finish(self) -> None:
        """Prove that the other connection never noticed."""
        assert self.bystander.send(build_u(UFunction.TESTFR_ACT)) == [
            UApdu(UFunction.TESTFR_CON)
        ]
        assert self.group.connections == {self.bystander.connection}


def hostile_asdus(count: int, seed: int) -> Outcome:
    """Send ASDUs on started links: each closes, or has exactly one direct answer."""
    noise, arena, outcome = Random(seed), Arena(), Outcome()
    side = arena.attacker()
    side.start()
    for _ in range(count):
        asdu = random_asdu(noise)
        answers = side.request(asdu)
        executed = len(arena.plant.executed)
        if side.transport.closed:
            assert side.link.close_reason.code is CloseCode.MALFORMED_ASDU
            assert not executed
            outcome.closed += 1
            side = arena.attacker()
            side.start()
        else:
            outcome.answered += 1
            outcome.executed += executed
            causes = [answer[2] & 0x3F for answer in answers]
            direct = [cause for cause in causes if cause in (5, 7, 9, 44, 45, 46, 47)]
            assert len(direct) == 1, (asdu.hex(), causes)
            assert not executed or causes == [7, 11, 10]
        arena.settle()
    side.link.eof_received()
    arena.finish()
    return outcome


def hostile_streams(count: int, seed: int) -> Outcome:
    """Send broken streams, each on a connection of its own, started or not."""
    noise, arena, outcome = Random(seed), Arena(), Outcome()
    for _ in range(count):
        side = arena.attacker()
        if noise.random() < 0.5:
            side.send(build_u(UFunction.STARTDT_ACT))
        side.send(mutated(noise, side.receive_number))
        reason = side.link.close_reason
        assert side.transport.closed is (reason is not None)
        assert reason is None or reason.code is not CloseCode.INTERNAL
        outcome.closed += side.transport.closed
        side.link.connection_lost(None)
        assert arena.group.active is None
        arena.settle()
    arena.finish()
    return outcome
