"""The journal's records: canonical JSON lines, each bound to the one before it.

A line is a JSON object with sorted keys and no spaces, in ASCII. Its last member
`sha256` is the SHA-256, in hexadecimal, of the line without that member; `prev` is
the `sha256` of the record before it. Whoever has the files needs nothing else to
check them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
import json
import math
from typing import Any, Final

from ..model.phrase import Phrase

FORMAT: Final = 1
NO_HASH: Final = "0" * 64
"""`prev` of the very first record."""
_MEMBERS: Final = frozenset(
    {"at", "boot", "data", "format", "kind", "mono", "prev", "seq", "sha256"}
)
_SEAL: Final = b',"sha256":"'
_SEAL_SIZE: Final = len(_SEAL) + 64 + len('"}')
_MAX_TEXT: Final = 2000


class RecordKind(StrEnum):
    """What a record tells of."""

    STARTED = "started"
    """The program, with the time that it was not there."""
    STOPPED = "stopped"
    SEGMENT = "segment"
    """The first record of every file of the journal."""
    BREAK = "break"
    """A place where the journal was found damaged or changed."""
    GAP = "gap"
    """Records that could not be written."""
    FORK = "fork"
    """The journal goes on from a copy, so from a restored backup."""
    PRUNED = "pruned"
    """A file beyond its time was deleted."""
    ORDER = "order"
    ORDER_REFUSED = "order_refused"
    ORDER_RECOVERED = "order_recovered"
    """In force after a start without a record of it."""
    ORDER_LOST = "order_lost"
    """Recorded, but not in force after a start."""
    CONFIRMATION = "confirmation"
    TERMINATION = "termination"
    FEEDBACK = "feedback"
    RELEASE = "release"
    LINK = "link"
    CLIENT_REFUSED = "client_refused"
    WRITE = "write"
    """A setpoint that a device took, with what it read back."""
    WRITE_FAILED = "write_failed"
    STOP_PROOF = "stop_proof"
    LOCAL_STOP = "local_stop"
    CONTRACT = "contract"
    INFEASIBLE = "infeasible"
    COMPLIANCE = "compliance"
    """Whether the meter shows that an order's limit is kept."""
    REHEARSAL = "rehearsal"
    """What a rehearsal orders, and its beginning and end; never the operator's."""
    SHADOW = "shadow"
    """Whether the site only decides, and nothing is written to any device."""
    LOOP_HELD_UP = "loop_held_up"
    """Meters, devices and the decision waited for another part of the program."""
    METER = "meter"
    """Another meter measures the connection point, or the first one again."""
    SILENCE_TEST = "silence_test"
    """A device was left alone on purpose: what it then did."""
    COMMISSIONING = "commissioning"
    """What was tried on purpose, and what it showed."""
    OVERRIDE = "override"
    """An asset is used in another way than its mode says for a while, or no longer."""
    VIRTUAL_METER = "virtual_meter"
    """A charger that balances itself has lost the meter that it reads, or has it."""
    REMOTE = "remote"
    """What a source outside the house asks of a load, or that it has ended."""
    CONSENT = "consent"
    """A consent to tell others was withdrawn, and what was erased with it."""
    DISPATCH = "dispatch"
    """A dispatch of batteries begins, or has ended with what it delivered."""


URGENT: Final = frozenset(
    {
        RecordKind.STARTED,
        RecordKind.STOPPED,
        RecordKind.ORDER,
        RecordKind.ORDER_RECOVERED,
        RecordKind.ORDER_LOST,
        RecordKind.RELEASE,
        RecordKind.STOP_PROOF,
        RecordKind.LOCAL_STOP,
        RecordKind.CONTRACT,
        RecordKind.SHADOW,
        RecordKind.BREAK,
        RecordKind.GAP,
    }
)
"""Kept longest when the disk does not follow, and flushed at once."""


class RecordError(ValueError):
    """A line that is no record, or not an unchanged one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """Both clocks at one moment: aware UTC, and s since the boot that is named."""

    utc: datetime
    boot_time: float
    boot_id: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A record before it has its place in the chain; `data` is JSON."""

    kind: RecordKind
    stamp: Stamp
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record as read back; `at` as printed (ISO 8601, UTC)."""

    sequence: int
    at: str
    boot_time: float
    boot_id: str
    kind: str
    data: Mapping[str, Any]
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class ChainEnd:
    """The newest record's sequence number and hash."""

    sequence: int = 0
    hash: str = NO_HASH


def encode(draft: Draft, end: ChainEnd) -> tuple[bytes, ChainEnd]:
    """Return the line of a record that follows `end`, and the new end."""
    sequence = end.sequence + 1
    members = {
        "at": timestamp(draft.stamp.utc),
        "boot": draft.stamp.boot_id,
        "data": draft.data,
        "format": FORMAT,
        "kind": draft.kind,
        "mono": round(draft.stamp.boot_time, 6),
        "prev": end.hash,
        "seq": sequence,
    }
    try:
        text = _dump(members)
    except TypeError, ValueError, RecursionError:
        # A value that is no JSON must not keep the event itself out.
        text = _dump(members | {"data": _cleaned(draft.data)})
    body = text.encode("ascii")
    digest = sha256(body).hexdigest()
    line = body[:-1] + _SEAL + digest.encode("ascii") + b'"}\n'
    return line, ChainEnd(sequence, digest)


def decode(line: bytes) -> Record:
    """Return the record of a line without its newline; its own hash is checked.

    Raises RecordError for everything else, an unknown format version included.
    """
    if len(line) <= _SEAL_SIZE or not line[-_SEAL_SIZE:].startswith(_SEAL):
        raise RecordError(Phrase("record_none", "it is no record"))
    stated = line[-66:-2]
    digest = sha256(line[:-_SEAL_SIZE] + b"}").hexdigest()
    if digest.encode("ascii") != stated or line[-2:] != b'"}':
        raise RecordError(Phrase("record_hash", "its hash does not fit"))
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as err:
        raise RecordError(Phrase("record_no_json", "it is no JSON")) from err
    if found.get("format") != FORMAT:
        raise RecordError(
            Phrase(
                "record_format",
                "its format {format} is not known",
                format=repr(found.get("format")),
            )
        )
    if found.keys() != _MEMBERS:
        raise RecordError(
            Phrase("record_members", "its members are not those of a record")
        )
    return Record(
        sequence=found["seq"],
        at=found["at"],
        boot_time=found["mono"],
        boot_id=found["boot"],
        kind=found["kind"],
        data=found["data"],
        previous=found["prev"],
        hash=found["sha256"],
    )


def timestamp(at: datetime) -> str:
    """Return the one form of a time in the journal, which sorts as text."""
    return at.isoformat(timespec="microseconds")


def _dump(members: Mapping[str, Any]) -> str:
    return json.dumps(members, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _cleaned(value: object, depth: int = 5) -> object:
    """Return what JSON can hold of a value."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping) and depth:
        return {str(key): _cleaned(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset) and depth:
        return [_cleaned(item, depth - 1) for item in value]
    return str(value)[:_MAX_TEXT]
