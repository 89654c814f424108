"""Spontaneous events, kept until a client has acknowledged them.

Answers to commands that must not overtake events of the same point wait in the
same order, but belong to one connection and end with it.
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from .apdu import MAX_ASDU
from .asdu import HEADER, HEADER_SIZE, capacity
from .link_user import Outgoing


# A named tuple, not a dataclass: one is made for every value that is sent.
class Event(NamedTuple):
    """One encoded event: address, element and time tag are in `body`."""

    type_id: int
    cause: int
    body: bytes


def join_events(run: Sequence[Event], common_address: int) -> bytes:
    """Return the ASDU of events of one type and cause that fit together."""
    first = run[0]
    count = len(run)
    header = HEADER.pack(first.type_id, count, first.cause, 0, common_address)
    if count == 1:
        return header + first.body
    return header + b"".join([event.body for event in run])


def pack_events(events: Sequence[Event], common_address: int) -> list[bytes]:
    """Pack events in their order into as few ASDUs as one type each allows."""
    if len(events) == 1:
        return [join_events(events, common_address)]
    asdus: list[bytes] = []
    start = 0
    for end in range(1, len(events) + 1):
        first = events[start]
        if (
            end == len(events)
            or events[end].type_id != first.type_id
            or end - start == capacity(first.type_id)
        ):
            asdus.append(join_events(events[start:end], common_address))
            start = end
    return asdus


class OutgoingEvents(Outgoing):
    """An ASDU of events that go back into the queue when it is lost."""

    __slots__ = ("events",)

    def __init__(self, asdu: bytes, events: tuple[Event, ...]) -> None:
        """Keep the events with the ASDU that carries them."""
        super().__init__(asdu)
        self.events = events


class EventQueue:
    """Events and ordered answers, oldest first; drops the oldest event when full."""

    def __init__(self, capacity: int, common_address: int) -> None:
        """Hold up to `capacity` events."""
        self.dropped = 0
        self.overflow = False
        self.answers = 0
        self._capacity = capacity
        self._common_address = common_address
        self._entries: deque[Event | Outgoing] = deque()

    @property
    def empty(self) -> bool:
        """Tell that neither an event nor an answer waits."""
        return not self._entries

    @property
    def events(self) -> int:
        """Return how many events wait; `answers` counts the others."""
        return len(self._entries) - self.answers

    def add(self, event: Event) -> None:
        """Queue an event behind all others."""
        self._entries.append(event)
        self._drop_excess()

    def add_answer(self, answer: Outgoing) -> None:
        """Queue an answer behind what is already waiting."""
        self._entries.append(answer)
        self.answers += 1

    def give_back(self, lost: Sequence[Outgoing]) -> None:
        """Put unacknowledged events back in front, in their order."""
        events = [
            event
            for outgoing in lost
            if isinstance(outgoing, OutgoingEvents)
            for event in outgoing.events
        ]
        self._entries.extendleft(reversed(events))
        self._drop_excess()

    def drop_answers(self) -> None:
        """Forget the answers; their connection is gone or stopped."""
        if self.answers:
            self._entries = deque(
                entry for entry in self._entries if isinstance(entry, Event)
            )
            self.answers = 0

    def next_asdu(self) -> Outgoing | None:
        """Return the oldest answer, or the oldest events that fit into one ASDU."""
        entries = self._entries
        if not entries:
            return None
        first = entries.popleft()
        if isinstance(first, Outgoing):
            self.answers -= 1
            return first
        run = [first]
        room = MAX_ASDU - HEADER_SIZE - len(first.body)
        while entries:
            event = entries[0]
            if (
                isinstance(event, Outgoing)
                or event.type_id != first.type_id
                or event.cause != first.cause
                or len(event.body) > room
            ):
                break
            run.append(event)
            room -= len(event.body)
            entries.popleft()
        return OutgoingEvents(join_events(run, self._common_address), tuple(run))

    def _drop_excess(self) -> None:
        while self.events > self._capacity:
            for index, entry in enumerate(self._entries):
                if isinstance(entry, Event):
                    del self._entries[index]
                    break
            self.dropped += 1
            self.overflow = True
