"""Follows the journal's chain from its first record to its last."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
import time
from typing import Any, Final, Self
import zlib

from ..model.failure import reason_of
from ..model.phrase import Phrase
from .journal_files import Segment
from .journal_format import NO_HASH, ChainEnd, Record, RecordError, RecordKind, decode

MAX_BREAKS: Final = 100
"""Breaks that are named one by one; more of them are only counted."""
SHARE: Final = 0.2
"""Part of one processor that a verification may take."""


TORN: Final = Phrase("record_torn", "the last line is torn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """One place where the chain does not hold. `line` counts from 1.

    `explained`: a power cut took records that were not on the disk yet.
    """

    segment: str
    line: int
    fault: str
    explained: bool = False

    def __str__(self) -> str:
        """Return place and fault for a person."""
        return f"{self.segment}, line {self.line}: {self.fault}"

    @property
    def words(self) -> Phrase:
        """Place and fault for a user."""
        return Phrase(
            "journal_place",
            "{file}, line {line}: {fault}",
            file=self.segment,
            line=str(self.line),
            fault=self.fault,
        )

    @property
    def place(self) -> tuple[str, int]:
        """What tells it from other breaks, whatever is said of it."""
        return (self.segment, self.line)

    @classmethod
    def named_by(cls, record: Record) -> Self | None:
        """Return the break that a record names, None where it names none."""
        if record.kind != RecordKind.BREAK:
            return None
        data = record.data
        return cls(
            segment=str(data.get("segment")),
            line=data["line"] if isinstance(data.get("line"), int) else 0,
            fault=str(data.get("fault")),
            explained=data.get("explained") is True,
        )

    def to_data(self) -> dict[str, Any]:
        """Return the data of the record that names it."""
        return {
            "explained": self.explained,
            "fault": self.fault,
            "line": self.line,
            "segment": self.segment,
        }


@dataclass(slots=True, kw_only=True)
class Verdict:
    """What a verification has found.

    `named` are the breaks that records name, by their place; `broken` counts all.
    """

    records: int = 0
    end: ChainEnd = field(default_factory=ChainEnd)
    breaks: list[Break] = field(default_factory=list)
    broken: int = 0
    named: dict[tuple[str, int], Break] = field(default_factory=dict)

    @property
    def sound(self) -> bool:
        """Whether every record follows from the one before."""
        return not self.broken

    @property
    def unnamed(self) -> list[Break]:
        """The breaks that no record names yet."""
        return [one for one in self.breaks if one.place not in self.named]

    @property
    def alarming(self) -> list[Break]:
        """The breaks that nothing harmless explains, in the words that name them."""
        known = [self.named.get(one.place, one) for one in self.breaks]
        return [one for one in known if not one.explained]


class ChainCheck:
    """The chain, checked line by line."""

    def __init__(self) -> None:
        """Start before the first record."""
        self.verdict = Verdict()
        self._end: ChainEnd | None = None
        self._begins_after: ChainEnd | None = None
        self._pruned: dict[object, object] = {}
        self._first: tuple[str, int] | None = None
        self._faulty = False

    def take(self, segment: Segment, number: int, line: bytes) -> Record | None:
        """Check one line as it stands in the file; None where it is no record."""
        place = (segment.name, number)
        if not line.endswith(b"\n"):
            self._fault(place, TORN)
            return None
        try:
            record = decode(line[:-1])
        except RecordError as err:
            self._fault(place, reason_of(err))
            return None
        self._check(place, record, first_of=segment if number == 1 else None)
        return record

    def unreadable(self, segment: Segment, number: int, err: Exception) -> None:
        """Take that a file cannot be read any further."""
        self._fault(
            (segment.name, number),
            Phrase(
                "record_unread",
                "the file cannot be read: {reason}",
                reason=reason_of(err),
            ),
        )

    def finish(self) -> Verdict:
        """Return what was found, once every line was taken."""
        before, first = self._begins_after, self._first
        if before is not None and first is not None:
            known = (
                before.hash == NO_HASH
                if before.sequence == 0
                else self._pruned.get(before.sequence) == before.hash
            )
            if not known:
                self._add(
                    first, Phrase("record_missing", "records before it are missing")
                )
        return self.verdict

    def _check(
        self, place: tuple[str, int], record: Record, *, first_of: Segment | None
    ) -> None:
        verdict = self.verdict
        expected = self._end
        if self._first is None:
            self._first = place
            if not self._faulty:
                self._begins_after = ChainEnd(record.sequence - 1, record.previous)
        if expected is not None and record.previous != expected.hash:
            self._fault(
                place,
                Phrase(
                    "record_not_next", "it does not follow from the record before it"
                ),
            )
        elif expected is not None and record.sequence != expected.sequence + 1:
            self._fault(
                place,
                Phrase(
                    "record_number", "its number does not follow from the one before it"
                ),
            )
        elif first_of is not None and record.sequence != first_of.first:
            self._fault(
                place,
                Phrase(
                    "record_file",
                    "its number is not the one that its file is named after",
                ),
            )
        self._faulty = False
        self._end = verdict.end = ChainEnd(record.sequence, record.hash)
        verdict.records += 1
        if (named := Break.named_by(record)) is not None:
            verdict.named[named.place] = named
        elif record.kind == RecordKind.PRUNED:
            self._pruned[record.data.get("last")] = record.data.get("sha256")

    def _fault(self, place: tuple[str, int], fault: str) -> None:
        """Note the beginning of a break; what follows it unread belongs to it."""
        # The next readable record is taken as it is: it begins the next stretch.
        self._end = None
        if not self._faulty:
            self._add(place, fault)
        self._faulty = True

    def _add(self, place: tuple[str, int], fault: str) -> None:
        self.verdict.broken += 1
        if len(self.verdict.breaks) < MAX_BREAKS:
            segment, line = place
            self.verdict.breaks.append(Break(segment=segment, line=line, fault=fault))


def read_records(
    segments: Iterable[Segment], check: ChainCheck | None = None
) -> Iterator[tuple[bytes, Record]]:
    """Yield every readable record with its line, and check the chain on the way."""
    check = ChainCheck() if check is None else check
    for segment in segments:
        number = 0
        try:
            for number, line in enumerate(segment.lines(), start=1):
                record = check.take(segment, number, line)
                if record is not None:
                    yield line, record
        except FileNotFoundError:
            # Deleted meanwhile because its time was over.
            continue
        except (OSError, EOFError, zlib.error) as err:
            check.unreadable(segment, number + 1, err)


def verify(
    segments: Iterable[Segment], *, upto: int | None = None, pause: Callable[[], bool]
) -> Verdict | None:
    """Check the whole chain, up to a sequence number where one is given.

    `pause` is called after every record and may sleep; False from it ends the
    verification without a verdict (None).
    """
    check = ChainCheck()
    for _line, record in read_records(segments, check):
        if not pause():
            return None
        if upto is not None and record.sequence >= upto:
            break
    return check.finish()


class Pacer:
    """Lets a long loop take only a share of the processor; False ends it."""

    def __init__(self, ending: Callable[[], bool]) -> None:
        """Begin; `ending` says that the loop is to end."""
        self._ending = ending
        self._begun = time.monotonic()
        self._count = 0

    def __call__(self) -> bool:
        """Sleep where it is time to; False ends the loop."""
        self._count += 1
        if self._count % 50 == 0:
            worked = time.monotonic() - self._begun
            time.sleep(min(1.0, worked * (1 / SHARE - 1)))
            self._begun = time.monotonic()
        return not self._ending()
