"""What waits to be written: bounded, with a record of what did not fit."""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from .journal_format import URGENT, Draft, RecordKind, Stamp, timestamp
from .journal_verify import Break
from .journal_writer import Orders

BATCH: Final = 64
"""Records that are encoded in one go: the other threads have to get their turn."""


@dataclass(frozen=True, slots=True)
class Reconcile:
    """Compare the orders in force with those that the journal knows."""

    orders: Orders


@dataclass(frozen=True, slots=True)
class NameBreaks:
    """Begin a new segment that names what the verification has found."""

    breaks: tuple[Break, ...]


type Work = list[Draft] | Reconcile | NameBreaks


class RecordQueue:
    """The journal's queue; guarded by its owner's lock.

    A tenth of it is kept for orders and the like. `count` counts what was taken in.
    """

    def __init__(self, size: int, stamp: Callable[[], Stamp]) -> None:
        """Start empty."""
        self._size = size
        self._stamp = stamp
        self._items: deque[Draft | Reconcile | NameBreaks] = deque()
        self._lost: Counter[str] = Counter()
        self._lost_since: Stamp | None = None
        self.count = 0

    def __bool__(self) -> bool:
        """Tell whether anything waits."""
        return bool(self._items)

    def put(self, draft: Draft) -> None:
        """Take a record in, or count it as lost where there is no room."""
        room = self._size if draft.kind in URGENT else self._size * 9 // 10
        if len(self._items) < room:
            self.end_gap()
            self.add(draft)
        else:
            self._lost[draft.kind] += 1
            self._lost_since = self._lost_since or draft.stamp

    def add(self, item: Draft | Reconcile | NameBreaks) -> None:
        """Take in what is never lost."""
        self._items.append(item)
        self.count += 1

    def end_gap(self) -> None:
        """Say what was lost, before what comes after it."""
        if self._lost_since is None:
            return
        data = {
            "reason": "the disk did not follow",
            "records": dict(self._lost),
            "since": timestamp(self._lost_since.utc),
        }
        self._lost.clear()
        self._lost_since = None
        self.add(Draft(RecordKind.GAP, self._stamp(), data))

    def take(self) -> Work:
        """Return records in a row, or one other item; nothing waits: no records."""
        batch: list[Draft] = []
        while self._items and len(batch) < BATCH:
            item = self._items[0]
            if isinstance(item, Draft):
                batch.append(item)
                self._items.popleft()
            elif batch:
                break
            else:
                self._items.popleft()
                return item
        return batch

    def give_back(self, work: Work) -> None:
        """Put back what could not be written, before everything else."""
        self._items.extendleft(reversed(work) if isinstance(work, list) else (work,))

    def clear(self) -> None:
        """Forget everything."""
        self._items.clear()
