"""The clients of c104's server, as far as it lets them be known.

It tells the address of who connects and how many there are, neither a port nor who
leaves or why. With one RTU that is all there is to know; of several, the newest
counts as the one that speaks and the oldest as the one that left.
"""

from dataclasses import dataclass
from time import monotonic
from typing import Final

from .application import ConnectionInfo
from .group import RedundancyGroup
from .link_user import CloseCode, CloseReason, LinkState

SETTLE: Final = 0.25
"""Seconds for which c104 has to count fewer clients before one is given up."""

_UNKNOWN_END = CloseReason(CloseCode.CONNECTION_LOST, "c104 does not say why")


@dataclass(slots=True, eq=False)
class Client:
    """One client."""

    info: ConnectionInfo
    state: LinkState = LinkState.STOPPED
    has_started: bool = False
    awaits_start: bool = False
    """Known to be started before the STARTDT con was seen."""


class Clients:
    """All clients, told to the group's observer as they come and go."""

    def __init__(self, group: RedundancyGroup) -> None:
        """Begin without any."""
        self._group = group
        self._clients: list[Client] = []
        self._numbers = 0
        self._fewer_since: float | None = None

    def __len__(self) -> int:
        """Return how many are connected."""
        return len(self._clients)

    @property
    def active(self) -> Client | None:
        """Return the newest started client."""
        return self._newest(LinkState.STARTED)

    @property
    def speaking(self) -> Client | None:
        """Return whom an APDU counts as from."""
        return self.active or self._newest(LinkState.STOPPED)

    @property
    def addresses(self) -> set[str]:
        """Return where the clients are."""
        return {client.info.address for client in self._clients}

    def admitted(self, address: str) -> None:
        """Take a new client in."""
        self._numbers += 1
        info = ConnectionInfo(
            number=self._numbers, address=address, port=0, opened_at=self._group.now()
        )
        self._clients.append(Client(info))
        self._fewer_since = None
        self._group.counters.connections += 1
        self._group.observer.connection_opened(info)

    def started(self) -> Client | None:
        """Follow a STARTDT con; return a client that is started by it."""
        for client in self._clients:
            if client.awaits_start:
                client.awaits_start = False
                return None
        return self._start()

    def gave_command(self) -> Client | None:
        """Follow a command, which may be told of before the STARTDT con is."""
        if self.active is not None:
            return None
        client = self._start()
        if client is not None:
            client.awaits_start = True
        return client

    def _start(self) -> Client | None:
        """Start the newest client that waits for it."""
        client = self._newest(LinkState.STOPPED)
        if client is not None:
            client.state = LinkState.STARTED
            self._group.observer.state_changed(client.info, client.state)
        return client

    def stopped(self) -> None:
        """Stop the newest started client."""
        client = self.active
        if client is not None:
            client.state = LinkState.STOPPED
            self._group.observer.state_changed(client.info, client.state)

    def counted(self, connected: int, started: int) -> None:
        """Give up clients that c104 has not counted for a while."""
        now = monotonic()
        if connected >= len(self._clients):
            self._fewer_since = None
        elif self._fewer_since is None:
            self._fewer_since = now
        elif now - self._fewer_since >= SETTLE:
            self._fewer_since = None
            while len(self._clients) > connected:
                self._close(self._missing(started), _UNKNOWN_END)

    def forget(self, reason: CloseReason) -> None:
        """Give up all."""
        for client in list(self._clients):
            self._close(client, reason)

    def _missing(self, started: int) -> Client:
        active = [one for one in self._clients if one.state is LinkState.STARTED]
        idle = [one for one in self._clients if one.state is not LinkState.STARTED]
        return (active + idle if len(active) > started else idle + active)[0]

    def _newest(self, state: LinkState) -> Client | None:
        found = (one for one in reversed(self._clients) if one.state is state)
        return next(found, None)

    def _close(self, client: Client, reason: CloseReason) -> None:
        self._clients.remove(client)
        client.state = LinkState.CLOSED
        self._group.last_close = (self._group.now(), client.info, reason)
        self._group.observer.connection_closed(client.info, reason)
