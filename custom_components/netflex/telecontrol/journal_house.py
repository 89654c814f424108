"""Keeps the journal's files: compresses, keeps them for years, watches the disk."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
import logging
from pathlib import Path
from typing import Any, Final
import zlib

from ..model.phrase import Phrase
from .journal_files import Segment, list_segments, pack
from .journal_format import RecordError, RecordKind, Stamp, decode

_LOGGER = logging.getLogger(__name__)

MONTHS_KEPT: Final = 25
"""Two years, and the month that has begun."""
FREE_FLOOR: Final = 256 * 1024 * 1024
"""Octets that have to stay free for everything else on the disk."""
WARN_DAYS: Final = 180.0
"""How long before the disk is short, at the journal's growth, this is said."""


class Housekeeping:
    """What is done to files that are written to no more.

    `due`: someone asks for a round. `shortage` says why the disk will be short.
    """

    def __init__(self, folder: Path, free_space: Callable[[Path], int]) -> None:
        """Name the folder."""
        self._folder = folder
        self._free_space = free_space
        self.hold = False
        self.due = False
        self.shortage: str | None = None

    def run(
        self, newest: Segment, stamp: Stamp
    ) -> Iterator[tuple[RecordKind, Mapping[str, Any]]]:
        """Compress, delete what is beyond its time, and yield records of it.

        A deletion is recorded first: a file that is missing without a record was
        taken away by someone else.
        """
        self.due = False
        try:
            if not self.hold:
                yield from self._prune(stamp)
                for segment in list_segments(self._folder):
                    if segment.first < newest.first and not self.hold:
                        pack(segment)
            self.shortage = self._short(stamp)
        except (OSError, EOFError, zlib.error) as err:
            _LOGGER.warning("The journal's files could not be tended: %s", err)

    def _prune(self, stamp: Stamp) -> Iterator[tuple[RecordKind, Mapping[str, Any]]]:
        for segment in expired(list_segments(self._folder), stamp.utc):
            if (last := _last(segment)) is None:
                return
            yield (
                RecordKind.PRUNED,
                {"last": last[0], "segment": segment.name, "sha256": last[1]},
            )
            segment.remove()

    def _short(self, stamp: Stamp) -> str | None:
        segments = list_segments(self._folder)
        size = sum(segment.size() for segment in segments)
        free = self._free_space(self._folder)
        growth = size / _days(segments, stamp.utc)
        if free >= FREE_FLOOR + growth * WARN_DAYS:
            return None
        return Phrase(
            "journal_short",
            "{free} are free; the journal has {size}, grows by {growth} a day and is "
            "kept for two years",
            free=f"{free / 1e6:.0f} MB",
            size=f"{size / 1e6:.0f} MB",
            growth=f"{growth / 1e6:.1f} MB",
        )


def expired(segments: list[Segment], now: datetime) -> list[Segment]:
    """Return the oldest segments that nobody has to keep any more.

    Both the calendar and the months that have records since have to say so: a clock
    that is wrong by years must not delete anything.
    """
    today = now.astimezone(UTC)
    horizon = _months(f"{today:%Y%m}") - MONTHS_KEPT
    gone = []
    for index, segment in enumerate(segments[:-1]):
        later = {each.month for each in segments[index + 1 :]}
        if _months(segments[index + 1].month) > horizon or len(later) < MONTHS_KEPT:
            break
        gone.append(segment)
    return gone


def _months(month: str) -> int:
    return int(month[:4]) * 12 + int(month[4:])


def _last(segment: Segment) -> tuple[int, str] | None:
    """Return number and hash of a segment's last record, None where it has none."""
    last: bytes | None = None
    for line in segment.lines():
        last = line
    if last is None:
        return None
    try:
        record = decode(last.rstrip(b"\n"))
    except RecordError:
        return None
    return record.sequence, record.hash


def _days(segments: list[Segment], now: datetime) -> float:
    """Return how many days the journal covers, one at least."""
    for segment in segments:
        for line in segment.lines():
            try:
                first = datetime.fromisoformat(decode(line.rstrip(b"\n")).at)
            except RecordError, ValueError:
                break
            return max(1.0, (now - first).total_seconds() / 86_400)
    return 1.0
