"""What the tests of both stations stand on: a plant, a clock and a bare client."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
import heapq
import itertools
from typing import Self

from custom_components.netflex.iec104 import (
    ClockSync,
    CloseReason,
    Command,
    CommandPoint,
    ConnectionInfo,
    ControlledStation,
    Execution,
    LinkState,
    MonitorObject,
    PointValue,
    Rejection,
    Responder,
    StationConfig,
    StationObserver,
    TypeId,
)
from custom_components.netflex.iec104.apdu import (
    ApduFramer,
    IApdu,
    SApdu,
    UApdu,
    UFunction,
    build_i,
    build_s,
    build_u,
    parse_apdu,
)
from custom_components.netflex.iec104.asdu import (
    SEQUENCE_BIT,
    Asdu,
    Cause,
    decode_asdu,
    encode_asdu,
)
from custom_components.netflex.iec104.information_objects import (
    COMMAND_TYPES,
    CommandObject,
    InformationObject,
)

NOW = datetime(2026, 7, 1, 10, 0, tzinfo=UTC)
COMMON_ADDRESS = 100

STOP_PRODUCTION = 1001
STOP_CONSUMPTION = 1002
TEST = 1003
Q_MODE = 1004
SETPOINT = 2001
SELECTED_SETPOINT = 2002
EITHER_SETPOINT = 2003
SETPOINTS = tuple(range(2011, 2019))
FEEDBACK = 10_000
"""Added to a command's address for its feedback."""
MEASUREMENT = 3001

SINGLE = frozenset({TypeId.C_SC_NA_1, TypeId.C_SC_TA_1})
DOUBLE = frozenset({TypeId.C_DC_NA_1, TypeId.C_DC_TA_1})
FLOAT = frozenset({TypeId.C_SE_NC_1, TypeId.C_SE_TC_1})


def percentage(value: PointValue) -> bool:
    """Accept 0..100."""
    return 0 <= value <= 100


class VirtualTimers:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        """Begin at an arbitrary time."""
        self._now = 1000.0
        self._due: list[tuple[float, int, _Alarm]] = []
        self._order = itertools.count()

    def time(self) -> float:
        """Return the virtual seconds."""
        return self._now

    def call_at(self, when: float, callback: Callable[[], object], /) -> _Alarm:
        """Set an alarm."""
        alarm = _Alarm(callback)
        heapq.heappush(self._due, (when, next(self._order), alarm))
        return alarm

    def call_soon(self, callback: Callable[[], object], /) -> asyncio.Handle:
        """Call in the real loop's next turn."""
        return asyncio.get_running_loop().call_soon(callback)

    def advance(self, seconds: float) -> None:
        """Move on, ringing every alarm at its time."""
        until = self._now + seconds
        while self._due and self._due[0][0] <= until:
            when, _, alarm = heapq.heappop(self._due)
            self._now = max(self._now, when)
            if not alarm.cancelled:
                alarm.callback()
        self._now = until


@dataclass(slots=True, eq=False)
class _Alarm:
    callback: Callable[[], object]
    cancelled: bool = False

    def cancel(self) -> None:
        """Withdraw it."""
        self.cancelled = True


class Plant:
    """An application with every kind of point, which carries out at once."""

    def __init__(self) -> None:
        """Begin with everything off and 14 measurements of zero."""
        self.executed: list[Command] = []
        self.values: dict[int, MonitorObject] = {}
        self.commands: dict[int, CommandPoint] = {}
        self.deferred: list[Responder] = []
        self.defers = False
        self.refuses = False
        self.fails = False
        for ioa in (STOP_PRODUCTION, STOP_CONSUMPTION, TEST):
            self.commands[ioa] = CommandPoint(type_ids=SINGLE, exempt_from_delay=bool)
            self.put(TypeId.M_SP_TB_1, ioa + FEEDBACK, False)
        self.commands[Q_MODE] = CommandPoint(type_ids=DOUBLE)
        self.put(TypeId.M_DP_TB_1, Q_MODE + FEEDBACK, 1)
        for ioa, execution in (
            (SETPOINT, Execution.DIRECT),
            (SELECTED_SETPOINT, Execution.SBO),
            (EITHER_SETPOINT, Execution.BOTH),
            *((ioa, Execution.DIRECT) for ioa in SETPOINTS),
        ):
            self.commands[ioa] = CommandPoint(
                type_ids=FLOAT, execution=execution, accepts=percentage
            )
            self.put(TypeId.M_ME_TF_1, ioa + FEEDBACK, 100.0)
        for ioa in range(MEASUREMENT, MEASUREMENT + 14):
            self.put(TypeId.M_ME_NC_1, ioa, 0.0)

    def put(self, type_id: int, ioa: int, value: PointValue) -> MonitorObject:
        """Set a monitored value."""
        obj = MonitorObject(type_id=type_id, ioa=ioa, value=value)
        self.values[ioa] = obj
        return obj

    def points(self) -> Iterable[MonitorObject]:
        """Return everything, deliberately not in ascending order."""
        return reversed(self.values.values())

    def point(self, ioa: int) -> MonitorObject | None:
        """Return one value."""
        return self.values.get(ioa)

    def command_point(self, ioa: int) -> CommandPoint | None:
        """Return a command's description."""
        return self.commands.get(ioa)

    def execute(self, command: Command, responder: Responder) -> None:
        """Take the value, confirm, feed back and, unless deferred, terminate."""
        if self.fails:
            raise RuntimeError("the plant broke")
        if self.refuses:
            responder.confirm(positive=False)
            return
        self.executed.append(command)
        responder.confirm()
        feedback = self.values[command.ioa + FEEDBACK]
        changed = self.put(feedback.type_id, feedback.ioa, command.value)
        if self.defers:
            self.deferred.append(responder)
            return
        responder.return_information([changed])
        responder.terminate()


@dataclass
class Watcher(StationObserver):
    """Notes everything that a station tells."""

    opened: list[ConnectionInfo] = field(default_factory=list)
    states: list[LinkState] = field(default_factory=list)
    closed: list[CloseReason] = field(default_factory=list)
    refused: list[tuple[str, CloseReason]] = field(default_factory=list)
    interrogations: int = 0
    clocks: list[ClockSync] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    allows_reset: bool = False

    def connection_opened(self, connection: ConnectionInfo) -> None:
        """Note it."""
        self.opened.append(connection)

    def state_changed(self, connection: ConnectionInfo, state: LinkState) -> None:
        """Note it."""
        self.states.append(state)

    def connection_closed(
        self, connection: ConnectionInfo, reason: CloseReason
    ) -> None:
        """Note it."""
        self.closed.append(reason)

    def connection_refused(self, address: str, reason: CloseReason) -> None:
        """Note it."""
        self.refused.append((address, reason))

    def interrogated(self, connection: ConnectionInfo) -> None:
        """Note it."""
        self.interrogations += 1

    def clock_synchronized(self, sync: ClockSync) -> None:
        """Note it."""
        self.clocks.append(sync)

    def rejected(self, rejection: Rejection) -> None:
        """Note it."""
        self.rejections.append(rejection)

    def reset_requested(self, connection: ConnectionInfo, qualifier: int) -> bool:
        """Allow it where the test says so."""
        return self.allows_reset


class Clock:
    """The host's clock, moved by hand."""

    def __init__(self) -> None:
        """Begin on a summer's day."""
        self.now = NOW

    def __call__(self) -> datetime:
        """Return its time."""
        return self.now


class RawClient:
    """A client without any protocol of its own: what it is told is what it sends."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Wrap a connected socket."""
        self.reader = reader
        self.writer = writer
        self.send_number = 0
        self.receive_number = 0
        self.acknowledges = True
        self.skips_supervisory = False
        self._framer = ApduFramer()
        self._apdus: list[bytes] = []

    @classmethod
    async def connect(cls, address: tuple[str, int]) -> Self:
        """Connect without starting."""
        return cls(*await asyncio.open_connection(*address))

    async def __aenter__(self) -> Self:
        """Stay connected."""
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Disconnect."""
        await self.disconnect()

    async def disconnect(self) -> None:
        """Close the socket."""
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:
            return

    def write(self, data: bytes) -> None:
        """Send octets."""
        self.writer.write(data)

    def function(self, function: UFunction) -> None:
        """Send a U APDU."""
        self.write(build_u(function))

    def information(self, asdu: bytes) -> None:
        """Send an I APDU with the right numbers."""
        self.write(build_i(self.send_number, self.receive_number, asdu))
        self.send_number = (self.send_number + 1) & 0x7FFF

    def acknowledge(self, receive_number: int | None = None) -> None:
        """Send an S APDU."""
        number = self.receive_number if receive_number is None else receive_number
        self.write(build_s(number))

    def request(
        self,
        obj: InformationObject,
        cause: int = Cause.ACTIVATION,
        *,
        common_address: int = COMMON_ADDRESS,
        originator: int = 0,
        test: bool = False,
        negative: bool = False,
    ) -> None:
        """Send a request with one object."""
        self.information(
            encode_asdu(
                Asdu(
                    type_id=obj.type_id,
                    cause=cause,
                    objects=(obj,),
                    common_address=common_address,
                    originator=originator,
                    test=test,
                    negative=negative,
                )
            )
        )

    async def start(self) -> None:
        """Start data transfer and take the end of initialization."""
        self.function(UFunction.STARTDT_ACT)
        await self.expect_function(UFunction.STARTDT_CON)
        end = await self.asdu()
        assert (end.type_id, end.cause) == (TypeId.M_EI_NA_1, Cause.INITIALIZED)
        self.acknowledge()

    async def apdu(self) -> bytes | None:
        """Return the next APDU, None at the end of the connection."""
        while not self._apdus:
            try:
                async with asyncio.timeout(20):
                    data = await self.reader.read(65536)
            except ConnectionError:
                return None
            if not data:
                return None
            self._apdus += self._framer.feed(data)
            assert self._framer.fault is None
        return self._apdus.pop(0)

    async def expect_function(self, function: UFunction) -> None:
        """Take the next APDU, which has to be this U APDU."""
        apdu = await self.apdu()
        assert apdu is not None, "closed"
        assert parse_apdu(apdu) == UApdu(function)

    async def expect_supervisory(self, receive_number: int) -> None:
        """Take the next APDU, which has to be this S APDU."""
        apdu = await self.apdu()
        assert apdu is not None, "closed"
        assert parse_apdu(apdu) == SApdu(receive_number)

    async def expect_closed(self) -> None:
        """Read to the end of the connection, which must come without another APDU."""
        apdu = await self.apdu()
        assert apdu is None, f"not closed but {apdu.hex()}"

    async def raw_asdu(self) -> bytes:
        """Take the next I APDU's octets, acknowledging every eighth."""
        while True:
            apdu = await self.apdu()
            assert apdu is not None, "closed"
            frame = parse_apdu(apdu)
            if not (self.skips_supervisory and isinstance(frame, SApdu)):
                break
        assert isinstance(frame, IApdu), f"no I APDU but {frame}"
        assert frame.send_number == self.receive_number
        self.receive_number = (self.receive_number + 1) & 0x7FFF
        if self.acknowledges and self.receive_number % 8 == 0:
            self.acknowledge()
        return frame.asdu

    async def asdu(self) -> Asdu:
        """Take the next I APDU, decoded."""
        return decode_asdu(await self.raw_asdu())

    async def answers(self, count: int) -> list[tuple[int, int, bool]]:
        """Take that many ASDUs; return type, cause and P/N of each."""
        taken = [await self.raw_asdu() for _ in range(count)]
        return [(raw[0], raw[2] & 0x3F, bool(raw[2] & 0x40)) for raw in taken]

    async def silence(self) -> None:
        """Prove with a test of the link that nothing else was sent before."""
        self.function(UFunction.TESTFR_ACT)
        await self.expect_function(UFunction.TESTFR_CON)

    async def barrier(self) -> None:
        """Wait until the station has carried out everything sent so far."""
        await self.silence()


def single(ioa: int, value: bool = True, **fields: object) -> CommandObject:
    """Return a single command, type 45 unless `fields` say otherwise."""
    return _command({"type_id": TypeId.C_SC_NA_1, "value": value} | fields, ioa)


def double(ioa: int, value: int = 2, **fields: object) -> CommandObject:
    """Return a double command, type 46 unless `fields` say otherwise."""
    return _command({"type_id": TypeId.C_DC_NA_1, "value": value} | fields, ioa)


def setpoint(ioa: int, value: float = 50.0, **fields: object) -> CommandObject:
    """Return a short floating point setpoint, type 50 unless `fields` say otherwise."""
    return _command({"type_id": TypeId.C_SE_NC_1, "value": value} | fields, ioa)


def _command(fields: dict[str, object], ioa: int) -> CommandObject:
    assert fields["type_id"] in COMMAND_TYPES
    return CommandObject(ioa=ioa, **fields)  # type: ignore[arg-type]


def body(type_id: int, cause: int, objects: bytes, count: int = 1) -> bytes:
    """Return an ASDU made by hand; `count` may carry the SQ bit."""
    assert count <= 127 | SEQUENCE_BIT
    return bytes((type_id, count, cause, 0, COMMON_ADDRESS, 0)) + objects


@dataclass
class Bench:
    """A running station with its plant, clock and clients."""

    station: ControlledStation
    plant: Plant
    watcher: Watcher
    timers: VirtualTimers
    clock: Clock

    @property
    def address(self) -> tuple[str, int]:
        """Return where the station listens."""
        assert self.station.address is not None
        return self.station.address

    async def client(self, *, started: bool = True) -> RawClient:
        """Connect a bare client."""
        client = await RawClient.connect(self.address)
        if started:
            await client.start()
        return client

    async def settled(self) -> None:
        """Let the loop carry out what is due."""
        for _ in range(5):
            await asyncio.sleep(0)


@asynccontextmanager
async def running(plant: Plant | None = None, **settings: object):
    """Run a station on a free port, with virtual time."""
    settings.setdefault("common_address", COMMON_ADDRESS)
    config = StationConfig(host="127.0.0.1", port=0, **settings)  # type: ignore[arg-type]
    plant = Plant() if plant is None else plant
    watcher, timers, clock = Watcher(), VirtualTimers(), Clock()
    station = ControlledStation(
        config, plant, observer=watcher, time_source=clock, timers=timers
    )
    await station.start()
    try:
        yield Bench(station, plant, watcher, timers, clock)
    finally:
        await station.stop()
