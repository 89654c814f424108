"""What all connections of a controlled station share: one redundancy group."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from .application import (
    Application,
    ClockSync,
    ConnectionInfo,
    Rejection,
    StationObserver,
)
from .asdu import Cause, capacity
from .config import EndOfInitializationRule, SecondClientRule, StationConfig
from .event_queue import Event, EventQueue, join_events
from .information_objects import UNTAGGED, MonitorObject, PointValue, encode_object
from .link_user import CloseCode, CloseReason, Outgoing, Timers

if TYPE_CHECKING:
    from .connection import Connection

REFUSAL_INTERVAL: Final = 60.0
MAX_REFUSALS: Final = 256


@dataclass(slots=True, kw_only=True)
class Counters:
    """What has happened since the station was made; only ever counts up."""

    connections: int = 0
    refused: int = 0
    apdus_received: int = 0
    apdus_sent: int = 0
    commands: int = 0
    rejections: int = 0
    interrogations: int = 0
    clock_synchronizations: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A command point that `connection` has selected, until `expires` (monotonic)."""

    connection: object
    type_id: int
    value: PointValue
    qualifier: int
    expires: float


class RedundancyGroup:
    """Queue, selections and clock of a station, and who is the started client."""

    def __init__(
        self,
        config: StationConfig,
        application: Application,
        observer: StationObserver,
        timers: Timers,
        time_source: Callable[[], datetime],
    ) -> None:
        """Start with an empty queue and the end of initialization due."""
        self.config = config
        self.application = application
        self.observer = observer
        self.timers = timers
        self.now = time_source
        self.events = EventQueue(config.max_events, config.common_address)
        self.connections: set[Connection] = set()
        self.active: Connection | None = None
        self.selections: dict[int, Selection] = {}
        self.counters = Counters()
        self.initialization_due = True
        self.last_close: tuple[datetime, ConnectionInfo, CloseReason] | None = None
        self.last_interrogation: datetime | None = None
        self.last_clock_sync: ClockSync | None = None
        self._cyclic: dict[tuple[int, int], Event] = {}
        self._pump_due = False
        self._refusals: dict[str, float] = {}

    # Clock.

    def operator_now(self) -> datetime:
        """Return the operator's clock as far as it is known and to be used."""
        now = self.now()
        sync = self.last_clock_sync
        if sync is None or not self.config.use_clock_offset:
            return now
        return now + timedelta(seconds=sync.offset)

    def encode_reported(self, point: MonitorObject, at: datetime | None) -> bytes:
        """Return address and element of a point, and `at` where its type has a tag.

        `at` is on our clock and None is now; the tag is on the operator's. Raises
        ValueError when the point does not fit its type.
        """
        plain = UNTAGGED.get(point.type_id)
        if plain is None or point.time_tag is not None:
            return encode_object(point)
        moment = self.operator_now()
        if at is not None:
            moment += at - self.now()
        return encode_object(point, plain) + self.config.time_zone.octets(moment)

    # Values to be reported.

    def report(self, point: MonitorObject, cause: int, at: datetime | None) -> None:
        """Queue an event, or keep the latest value of a cyclic point."""
        event = Event(point.type_id, cause, self.encode_reported(point, at))
        if cause in (Cause.PERIODIC, Cause.BACKGROUND):
            if self.active is not None:
                self._cyclic[cause, point.ioa] = event
        else:
            self.events.add(event)
            self.refresh_interrogation((point,))
        self.pump_soon()

    def refresh_interrogation(self, points: Iterable[MonitorObject]) -> None:
        """Keep a running interrogation at least as new as what is reported."""
        if self.active is not None and self.active.interrogation is not None:
            for point in points:
                self.active.interrogation.update(point)

    def next_cyclic(self) -> Outgoing | None:
        """Return the lowest addresses of one cause and type that fit one ASDU."""
        if not self._cyclic:
            return None
        keys = sorted(self._cyclic)
        first = self._cyclic[keys[0]]
        taken: list[Event] = []
        for key in keys[: capacity(first.type_id)]:
            event = self._cyclic[key]
            if event.cause != first.cause or event.type_id != first.type_id:
                break
            taken.append(self._cyclic.pop(key))
        return Outgoing(join_events(taken, self.config.common_address))

    def pump_soon(self) -> None:
        """Send in the next turn of the loop, so that what comes together is packed."""
        if not self._pump_due and self.active is not None:
            self._pump_due = True
            self.timers.call_soon(self._pump)

    def _pump(self) -> None:
        self._pump_due = False
        if self.active is not None:
            self.active.link.pump()

    # Connections.

    def start_requested(self, connection: Connection) -> CloseReason | None:
        """Apply the rule for a second client; None lets `connection` start."""
        if self.active is not None and self.active is not connection:
            if self.config.second_client is SecondClientRule.REFUSE:
                return CloseReason(
                    CloseCode.SECOND_CLIENT,
                    f"{self.active.info.address} is already started",
                )
            self.active.link.close(
                CloseReason(
                    CloseCode.REPLACED, f"{connection.info.address} sent STARTDT"
                )
            )
        return None

    def owes_end_of_initialization(self, connection: Connection) -> bool:
        """Tell whether M_EI is due on a connection that has just started."""
        if self.config.end_of_initialization is EndOfInitializationRule.ON_START:
            return self.initialization_due
        return not connection.has_started

    def stopped(self, connection: Connection) -> None:
        """Drop everything that does not outlive STOPDT or the connection."""
        self.selections = {
            ioa: selection
            for ioa, selection in self.selections.items()
            if selection.connection is not connection
        }
        if self.active is connection:
            self.events.drop_answers()
            self._cyclic.clear()

    def closed(self, connection: Connection, reason: CloseReason) -> None:
        """Forget a connection."""
        self.stopped(connection)
        self.connections.discard(connection)
        if self.active is connection:
            self.active = None
        self.counters.apdus_received += connection.link.received
        self.counters.apdus_sent += connection.link.sent
        if connection.is_announced:
            self.last_close = (self.now(), connection.info, reason)
            self.observer.connection_closed(connection.info, reason)

    def refuse(self, host: str, reason: CloseReason) -> None:
        """Count a refused client and tell of it once a minute for each address."""
        self.counters.refused += 1
        now = self.timers.time()
        told = self._refusals.get(host)
        if told is not None and now - told < REFUSAL_INTERVAL:
            return
        if len(self._refusals) >= MAX_REFUSALS:
            del self._refusals[min(self._refusals, key=self._refusals.__getitem__)]
        self._refusals[host] = now
        self.observer.connection_refused(host, reason)

    def rejected(self, rejection: Rejection) -> None:
        """Count and tell a refused request."""
        self.counters.rejections += 1
        self.observer.rejected(rejection)
