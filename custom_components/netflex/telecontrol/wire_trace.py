"""The newest APDUs and changes of the link, kept in memory for diagnostics."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Final

from ..iec104 import ConnectionInfo, Direction, describe_apdu
from ..model.orders import LinkState

MOST_ENTRIES: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class WireEntry:
    """One line of the log. `at` is aware UTC; `connection` None: the link itself."""

    at: datetime
    connection: int | None
    direction: Direction | None
    text: str


@dataclass(frozen=True, slots=True)
class _Apdu:
    at: datetime
    connection: int
    direction: Direction
    octets: bytes


class WireTrace:
    """A ring of what happened on the wire; written and read on different threads.

    APDUs are put into words only when somebody reads them: a station under load
    pays for keeping the octets, nothing else.
    """

    def __init__(
        self,
        size: int = MOST_ENTRIES,
        utcnow: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Keep the newest `size` entries."""
        self._utcnow = utcnow
        self._entries: deque[_Apdu | WireEntry] = deque(maxlen=size)
        self._lock = Lock()
        self._link = LinkState()

    def apdu(
        self, connection: ConnectionInfo, direction: Direction, octets: bytes
    ) -> None:
        """Keep one APDU (a `wire_log` of a station)."""
        self._add(_Apdu(self._utcnow(), connection.number, direction, octets))

    def link(self, link: LinkState) -> None:
        """Keep what has changed about the link."""
        before, self._link = self._link, link
        for text in _changes(before, link):
            self._add(
                WireEntry(at=self._utcnow(), connection=None, direction=None, text=text)
            )

    def entries(self) -> tuple[WireEntry, ...]:
        """Return the log in words, oldest first."""
        with self._lock:
            entries = tuple(self._entries)
        return tuple(
            entry if isinstance(entry, WireEntry) else _described(entry)
            for entry in entries
        )

    def _add(self, entry: _Apdu | WireEntry) -> None:
        with self._lock:
            self._entries.append(entry)


def _described(apdu: _Apdu) -> WireEntry:
    return WireEntry(
        at=apdu.at,
        connection=apdu.connection,
        direction=apdu.direction,
        text=describe_apdu(apdu.octets),
    )


def _changes(before: LinkState, link: LinkState) -> list[str]:
    """Return one line for every change of the link that a reader looks for."""
    texts = []
    if link.listening != before.listening:
        texts.append("listening" if link.listening else "not listening")
    if link.problem != before.problem and link.problem is not None:
        texts.append(f"cannot listen: {link.problem}")
    if link.connected != before.connected:
        texts.append("data transfer started" if link.connected else "link lost")
    if link.last_refused_client not in {before.last_refused_client, None}:
        texts.append(f"refused {link.last_refused_client}")
    if link.last_close_reason not in {before.last_close_reason, None}:
        texts.append(f"closed: {link.last_close_reason}")
    return texts
