"""What the station writes into the journal: orders, answers, feedback, the link."""

from collections import Counter
from collections.abc import Mapping
import time
from typing import Final

from ..iec104 import Cause, CloseReason, ConnectionInfo
from ..iec104.information_objects import PointValue
from ..model.orders import AnyOrder, GridOrders, OrderEvent, OrderName
from .journal import Journal
from .journal_format import RecordKind, timestamp

WRITE_PATIENCE: Final = 0.1
"""s that a confirmation waits for its record at most: the order is in force already."""
REFUSED_INTERVAL: Final = 60.0
_MAX_ADDRESSES: Final = 50

_FEEDBACK_CAUSES: Final = {
    Cause.RETURN_REMOTE: "command",
    Cause.RETURN_LOCAL: "local",
}


class StationJournal:
    """The station's side of a journal; without one it records nothing."""

    def __init__(self, journal: Journal | None) -> None:
        """Wrap a journal that is started by its owner."""
        self._journal = journal
        self._refused: Counter[str] = Counter()
        self._refused_at: float | None = None

    async def written(self) -> None:
        """Wait, for a bounded time, until a killed process keeps the records."""
        if self._journal is not None:
            await self._journal.settled(WRITE_PATIENCE)

    def restored(self, orders: Mapping[OrderName, AnyOrder]) -> None:
        """Compare the orders in force after a start with what was recorded."""
        if self._journal is not None:
            self._journal.reconcile(orders)

    def order(self, event: OrderEvent, orders: GridOrders) -> None:
        """Record an order, taken or refused; `orders` are in force with it."""
        kind = RecordKind.ORDER if event.accepted else RecordKind.ORDER_REFUSED
        self._record(
            kind,
            accepted=event.accepted,
            at=timestamp(event.at),
            certification=orders.certifies,
            client=event.client,
            name=event.name,
            reason=event.reason,
            relaxes=event.relaxes,
            source=event.source,
            value=event.value,
        )

    def confirmed(self, name: OrderName, client: str, *, positive: bool) -> None:
        """Record the answer to an order."""
        self._record(
            RecordKind.CONFIRMATION, accepted=positive, client=client, name=name
        )

    def terminated(self, name: OrderName, client: str) -> None:
        """Record that an order was reported as carried out."""
        self._record(RecordKind.TERMINATION, client=client, name=name)

    def feedback(self, name: OrderName, value: PointValue, cause: int) -> None:
        """Record what the operator was told of an order."""
        self._record(
            RecordKind.FEEDBACK,
            cause=_FEEDBACK_CAUSES.get(Cause(cause), str(cause)),
            name=name,
            value=value,
        )

    def release(self, name: str, reference: str) -> None:
        """Record that all orders were released, and on whose instruction (S06)."""
        self._record(RecordKind.RELEASE, instructed_by=name, reference=reference)

    def link(
        self,
        event: str,
        connection: ConnectionInfo,
        reason: CloseReason | None = None,
    ) -> None:
        """Record what has become of a connection."""
        self._record(
            RecordKind.LINK,
            client=connection.address,
            connection=connection.number,
            event=event,
            reason=None if reason is None else str(reason),
        )

    def refused(self, address: str, reason: CloseReason) -> None:
        """Record refused clients, once a minute at most, with how many there were."""
        if self._journal is None:
            return
        if address in self._refused or len(self._refused) < _MAX_ADDRESSES:
            self._refused[address] += 1
        now = time.monotonic()
        if self._refused_at is not None and now - self._refused_at < REFUSED_INTERVAL:
            return
        self._refused_at = now
        self._record(
            RecordKind.CLIENT_REFUSED,
            client=address,
            reason=str(reason),
            tries=dict(self._refused),
        )
        self._refused.clear()

    def _record(self, kind: RecordKind, **data: object) -> None:
        if self._journal is not None:
            self._journal.record(kind, data)
