"""Writes the chain: finds its end after a start, appends, and begins new segments.

Everything here blocks and belongs to the one thread that writes.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC
import fcntl
import os
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from ..model.phrase import Phrase
from .disk import reserve, sync_folder, write_all
from .journal_files import MARKER_NAME, MARKER_SIZE, Marker, Segment, list_segments
from .journal_format import ChainEnd, Draft, Record, RecordKind, Stamp, encode
from .journal_verify import TORN, Break, ChainCheck, read_records

SEGMENT_SIZE: Final = 4 * 1024 * 1024
RESERVE: Final = 256 * 1024
"""Octets that are taken on the disk ahead of what is written."""


class JournalInUseError(OSError):
    """Another process writes this journal."""


type Orders = Mapping[str, Mapping[str, Any]]
"""Value and time of every accepted order, by its Netflex name."""


class JournalWriter:
    """The open end of one journal.

    `stamp` reads the clocks. `on_closed` takes over the descriptor of a segment that
    is written to no more, to flush and close it. `hold` keeps the segment, whatever
    its age and size, while a backup reads the files.
    """

    def __init__(
        self,
        folder: Path,
        stamp: Callable[[], Stamp],
        on_closed: Callable[[int], None],
        *,
        segment_size: int = SEGMENT_SIZE,
    ) -> None:
        """Name the folder; nothing is touched before `open`."""
        self.folder = folder
        self._stamp = stamp
        self._on_closed = on_closed
        self._segment_size = segment_size
        self._reserve = min(RESERVE, segment_size)
        self._marker_fd: int | None = None
        self._lineage = ""
        self._inode = 0
        self._offset = 0
        self._reserved = 0
        self.hold = False
        self.fd: int | None = None
        self.segment: Segment | None = None
        self.end = ChainEnd()
        self.orders: dict[str, dict[str, Any]] = {}
        """The accepted orders as the journal knows them."""
        self.breaks: list[Break] = []
        """What was found damaged at the end, named in the first records."""

    # ------------------------------------------------------------------------- opening

    def open(self) -> None:
        """Find the end of the journal and begin there; OSError where that fails.

        Damage at the end begins a new segment that names it.
        """
        self.close_files()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(
            self.folder / MARKER_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as err:
                raise JournalInUseError(
                    Phrase("journal_in_use", "another process writes the journal")
                ) from err
            self._marker_fd, self._inode = fd, os.fstat(fd).st_ino
            self._begin(Marker.decode(os.pread(fd, MARKER_SIZE, 0)))
        except BaseException:
            self.close_files()
            raise

    def _begin(self, marker: Marker | None) -> None:
        segments = _without_empty(list_segments(self.folder))
        self.end, self.orders, self.breaks = ChainEnd(), {}, []
        notes: list[tuple[RecordKind, Mapping[str, Any]]] = []
        reason: str | None = None
        passed = self._read_end(segments, marker)
        if segments and (torn := self._go_on(segments[-1])):
            notes.append((RecordKind.GAP, {"octets": torn, "reason": "torn"}))
        if marker is None:
            self._lineage = uuid4().hex
            if segments:
                reason = "damaged"
                self._damaged(
                    Phrase(
                        "record_no_marker",
                        "what says how far the journal had come is missing",
                    )
                )
        else:
            self._lineage = marker.lineage
            if marker.inode != self._inode:
                reason = "restored"
                self._lineage = uuid4().hex
                notes.append((RecordKind.FORK, self._fork(marker)))
            elif not passed:
                reason = "damaged"
                self._explain_loss(marker)
        if self.breaks and reason is None:
            reason = "damaged"
        if self.fd is None or reason is not None:
            self.begin_segment(self._stamp(), reason or "first")
        notes.extend((RecordKind.BREAK, one.to_data()) for one in self.breaks)
        notes.append((RecordKind.STARTED, self._since(marker)))
        stamp = self._stamp()
        self.append([Draft(kind, stamp, data) for kind, data in notes])

    def _read_end(self, segments: Sequence[Segment], marker: Marker | None) -> bool:
        """Read the newest readable segment; tell whether it passes the marker."""
        passed = marker is None or marker.end.sequence == 0
        for segment in reversed(segments):
            check = ChainCheck()
            for _line, record in read_records([segment], check):
                self._note_orders(record)
                if marker is not None and record.sequence == marker.end.sequence:
                    passed = record.hash == marker.end.hash
            torn = segment is segments[-1] and _only_torn(check)
            if not torn:
                self.breaks = check.verdict.unnamed + self.breaks
            if check.verdict.records:
                self.end = check.verdict.end
                # A marker from before this file is for the verification to judge.
                first = segment.first
                return passed or (marker is not None and marker.end.sequence < first)
        return passed

    def _damaged(self, fault: str, *, explained: bool = False) -> None:
        """Leave a number out, so that the new segment begins at a visible break."""
        self.end = ChainEnd(self.end.sequence + 1, self.end.hash)
        first = self._place_after_all()
        month = _month(self._stamp())
        name = Segment(first, month, self.folder).name
        self.breaks.append(
            Break(segment=name, line=1, fault=fault, explained=explained)
        )

    def _explain_loss(self, marker: Marker) -> None:
        lost = marker.end.sequence - self.end.sequence
        if lost <= 0:
            self._damaged(
                Phrase("record_other", "a record is not the one that was written")
            )
            return
        first, last = str(self.end.sequence + 1), str(marker.end.sequence)
        self.end = ChainEnd(marker.end.sequence - 1, self.end.hash)
        # Only a machine that went down can have lost what was in its memory.
        if marker.boot_id != self._stamp().boot_id and not marker.closed:
            self._damaged(
                Phrase(
                    "record_power_cut",
                    "a power cut took records {first} to {last}",
                    first=first,
                    last=last,
                ),
                explained=True,
            )
        else:
            self._damaged(
                Phrase(
                    "record_gone",
                    "records {first} to {last} are missing",
                    first=first,
                    last=last,
                )
            )

    def _place_after_all(self) -> int:
        """Return a first number that no segment is named after, and set the end."""
        segments = list_segments(self.folder)
        if segments and segments[-1].first > self.end.sequence:
            self.end = ChainEnd(segments[-1].first, self.end.hash)
        return self.end.sequence + 1

    def _fork(self, marker: Marker) -> dict[str, Any]:
        return {
            "from_lineage": marker.lineage,
            "lineage": self._lineage,
            "seq": self.end.sequence,
            "sha256": self.end.hash,
            "marker_seq": marker.end.sequence,
            "marker_sha256": marker.end.hash,
        }

    def _since(self, marker: Marker | None) -> dict[str, Any]:
        """Say how the program ended before this start."""
        if marker is None or marker.end.sequence == 0:
            return {"before": "nothing"}
        if marker.closed:
            return {"before": "stopped"}
        if marker.boot_id == self._stamp().boot_id:
            return {"before": "killed"}
        return {"before": "host went down"}

    def _go_on(self, segment: Segment) -> int:
        """Open the newest segment; return the octets of a torn last record.

        A compressed one is complete: the next record begins another.
        """
        if not segment.path.exists():
            return 0
        fd = os.open(segment.path, os.O_RDWR | os.O_CLOEXEC)
        try:
            content = segment.path.read_bytes()
            written = content.find(b"\0")
            written = len(content) if written < 0 else written
            self._offset = content.rfind(b"\n", 0, written) + 1
            os.ftruncate(fd, self._offset)
        except BaseException:
            os.close(fd)
            raise
        self.fd, self.segment = fd, segment
        self._reserved = self._offset
        return written - self._offset

    # --------------------------------------------------------------------- writing

    def append(self, drafts: Sequence[Draft]) -> None:
        """Write records; on OSError none of them counts as written.

        A new month or a full segment begins a new one first.
        """
        if not drafts:
            return
        if self._due(drafts[0].stamp):
            self.begin_segment(drafts[0].stamp, "rotation")
        self._write(drafts)
        for draft in drafts:
            self._note(draft.kind, draft.data)

    def _due(self, stamp: Stamp) -> bool:
        if self.hold or self.segment is None:
            return False
        return self._offset >= self._segment_size or _month(stamp) > self.segment.month

    def begin_segment(self, stamp: Stamp, reason: str) -> None:
        """Begin a file; its first record says what it follows and repeats orders."""
        self._place_after_all()
        segment = Segment(self.end.sequence + 1, _month(stamp), self.folder)
        fd = os.open(
            segment.path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600
        )
        before = (self.fd, self.segment, self._offset, self._reserved)
        end = self.end
        self.fd, self.segment, self._offset, self._reserved = fd, segment, 0, 0
        header = Draft(
            RecordKind.SEGMENT,
            stamp,
            {"lineage": self._lineage, "orders": self.orders, "reason": reason},
        )
        try:
            self._write([header])
            sync_folder(self.folder)
        except BaseException:
            self.fd, self.segment, self._offset, self._reserved = before
            self.end = end
            os.close(fd)
            segment.path.unlink(missing_ok=True)
            with suppress(OSError):
                # The marker may tell of a first record that is gone again.
                self._mark(stamp, closed=False)
            raise
        old_fd, _segment, old_offset, _reserved = before
        if old_fd is not None:
            os.ftruncate(old_fd, old_offset)
            self._on_closed(old_fd)

    def _write(self, drafts: Sequence[Draft]) -> None:
        assert self.fd is not None
        end, lines = self.end, []
        for draft in drafts:
            line, end = encode(draft, end)
            lines.append(line)
        content = b"".join(lines)
        self._take_space(len(content))
        write_all(self.fd, content, self._offset)
        before = self._offset, self.end
        self._offset, self.end = self._offset + len(content), end
        try:
            self._mark(drafts[-1].stamp, closed=False)
        except BaseException:
            # They will be written again: nobody is to find them twice.
            self._offset, self.end = before
            self._reserved = self._offset
            os.ftruncate(self.fd, self._offset)
            raise

    def _take_space(self, size: int) -> None:
        """Keep space ahead; a full disk is only an error once that is used up."""
        assert self.fd is not None
        wanted = self._offset + size
        if wanted + self._reserve // 4 <= self._reserved:
            return
        ahead = max(wanted, self._offset + self._reserve)
        try:
            reserve(self.fd, self._reserved, ahead - self._reserved)
        except OSError:
            if wanted > self._reserved:
                raise
            return
        self._reserved = ahead

    def _mark(self, stamp: Stamp, *, closed: bool) -> None:
        assert self._marker_fd is not None
        marker = Marker(
            end=self.end,
            inode=self._inode,
            lineage=self._lineage,
            boot_id=stamp.boot_id,
            closed=closed,
        )
        write_all(self._marker_fd, marker.encode(), 0)

    def close(self) -> None:
        """End in order: give unused space back and say so in the marker."""
        if self.fd is not None and self._marker_fd is not None:
            self._mark(self._stamp(), closed=True)
            os.ftruncate(self.fd, self._offset)
            os.fdatasync(self.fd)
            os.fdatasync(self._marker_fd)
        self.close_files()

    def close_files(self) -> None:
        """Close the files as they are."""
        for fd in (self.fd, self._marker_fd):
            if fd is not None:
                os.close(fd)
        self.fd = self._marker_fd = self.segment = None

    # ------------------------------------------------------------------------- orders

    def _note_orders(self, record: Record) -> None:
        if record.kind == RecordKind.SEGMENT:
            orders = record.data.get("orders")
            self.orders = dict(orders) if isinstance(orders, dict) else {}
        else:
            self._note(record.kind, record.data)

    def _note(self, kind: str, data: Mapping[str, Any]) -> None:
        """Follow which orders the operator has given, as the journal knows them."""
        name = data.get("name")
        if kind == RecordKind.RELEASE:
            self.orders.clear()
        elif not isinstance(name, str):
            return
        elif kind == RecordKind.ORDER_LOST:
            self.orders.pop(name, None)
        elif kind == RecordKind.ORDER_RECOVERED or (
            kind == RecordKind.ORDER and data.get("source") == "operator"
        ):
            self.orders[name] = {"at": data.get("at"), "value": data.get("value")}


def compare_orders(recorded: Orders, stored: Orders, stamp: Stamp) -> list[Draft]:
    """Return records of what is in force without one, and of what is not any more."""
    drafts = [
        Draft(
            RecordKind.ORDER_RECOVERED,
            stamp,
            {"name": name, "source": "restored", **order},
        )
        for name, order in stored.items()
        if recorded.get(name) != order
    ]
    drafts.extend(
        Draft(RecordKind.ORDER_LOST, stamp, {"name": name, **order})
        for name, order in recorded.items()
        if name not in stored
    )
    return drafts


def _only_torn(check: ChainCheck) -> bool:
    """Whether nothing but the very last line is damaged, by not being complete."""
    breaks = check.verdict.breaks
    return len(breaks) == 1 and (
        breaks[0].fault == TORN and breaks[0].line == check.verdict.records + 1
    )


def _without_empty(segments: list[Segment]) -> list[Segment]:
    """Delete the newest file where the program was killed while beginning it."""
    while segments and not any(line[-1:] == b"\n" for line in segments[-1].lines()):
        segments.pop().remove()
    return segments


def _month(stamp: Stamp) -> str:
    return f"{stamp.utc.astimezone(UTC):%Y%m}"
