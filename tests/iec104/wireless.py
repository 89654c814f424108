"""Clients of a station without sockets: octets in, octets out, virtual time."""

from typing import cast

from custom_components.netflex.iec104 import ConnectionInfo, StationConfig
from custom_components.netflex.iec104.apdu import (
    ApduFramer,
    IApdu,
    UFunction,
    build_i,
    build_s,
    build_u,
    parse_apdu,
)
from custom_components.netflex.iec104.connection import Connection
from custom_components.netflex.iec104.group import RedundancyGroup

from .bench import NOW, Clock, Plant, VirtualTimers, Watcher


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


def station(
    plant: Plant, timers: VirtualTimers, watcher: Watcher | None = None
) -> RedundancyGroup:
    """Return the inside of a station, for sides to connect to."""
    watcher = Watcher() if watcher is None else watcher
    return RedundancyGroup(
        StationConfig(max_connections=100), plant, watcher, timers, Clock()
    )
