"""The journal's files: segments by time and size, and the marker beside them.

Segments are named after their first record's sequence number and their month. The
newest is preallocated: what follows its last line is zeros. Older ones may be
compressed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
import gzip
import json
import os
from pathlib import Path
import re
from typing import Any, Final

from .journal_format import FORMAT, ChainEnd

MARKER_NAME: Final = "marker"
MARKER_SIZE: Final = 512
SUFFIX: Final = ".jsonl"
PACKED_SUFFIX: Final = ".jsonl.gz"
_NAME: Final = re.compile(r"(\d{12})-(\d{6})(\.jsonl|\.jsonl\.gz)")


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """One file of the journal; `month` is YYYYMM of its first record, in UTC."""

    first: int
    month: str
    folder: Path

    @property
    def name(self) -> str:
        """Its name without a suffix, the same whether it is compressed or not."""
        return f"{self.first:012d}-{self.month}"

    @property
    def path(self) -> Path:
        """Where it is while it is not compressed."""
        return self.folder / f"{self.name}{SUFFIX}"

    @property
    def packed(self) -> Path:
        """Where it is once it is compressed."""
        return self.folder / f"{self.name}{PACKED_SUFFIX}"

    def size(self) -> int:
        """Return its octets on the disk."""
        for path in (self.path, self.packed):
            try:
                return path.stat().st_size
            except FileNotFoundError:
                continue
        return 0

    def lines(self) -> Iterator[bytes]:
        """Yield its lines; the last one lacks its newline where it is torn.

        Raises OSError or EOFError where the file cannot be read to its end.
        """
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            file = gzip.open(self.packed, "rb")  # type: ignore[assignment]
        with file:
            for line in file:
                written, zeros, rest = line.partition(b"\0")
                if written:
                    yield written
                if zeros:
                    if rest.strip(b"\0") or file.read().strip(b"\0"):
                        yield rest.strip(b"\0") or b"?"
                    return

    def remove(self) -> None:
        """Delete it in whatever form it is there."""
        self.path.unlink(missing_ok=True)
        self.packed.unlink(missing_ok=True)


def list_segments(folder: Path) -> list[Segment]:
    """Return the segments of a folder, oldest first."""
    found = set()
    for entry in folder.iterdir():
        if (match := _NAME.fullmatch(entry.name)) is not None:
            found.add(Segment(int(match[1]), match[2], folder))
    return sorted(found)


def pack(segment: Segment) -> None:
    """Compress a segment that is written to no more; survives being killed."""
    if not segment.path.exists():
        return
    temporary = segment.packed.with_suffix(".tmp")
    with temporary.open("wb") as raw:
        with gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as packed:
            # As it is, damage included: only the space that was kept is left out.
            packed.write(segment.path.read_bytes().rstrip(b"\0"))
        raw.flush()
        os.fsync(raw.fileno())
    temporary.chmod(0o600)
    temporary.replace(segment.packed)
    segment.path.unlink()


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """How far the journal had come, kept apart from it.

    `inode` is the marker's own file: a copy has another one. `lineage` names the
    journal since its newest fork, `closed` tells of an orderly end, and `boot_id`
    which boot of the host wrote it.
    """

    end: ChainEnd
    inode: int
    lineage: str
    boot_id: str
    closed: bool = False

    def encode(self) -> bytes:
        """Return the octets of the marker's file."""
        text = json.dumps(
            {
                "boot": self.boot_id,
                "closed": self.closed,
                "format": FORMAT,
                "inode": self.inode,
                "lineage": self.lineage,
                "seq": self.end.sequence,
                "sha256": self.end.hash,
            }
        )
        return text.encode("ascii").ljust(MARKER_SIZE)

    @staticmethod
    def decode(content: bytes) -> Marker | None:
        """Return the marker, None where the octets are none."""
        try:
            found: dict[str, Any] = json.loads(content)
            if found["format"] != FORMAT:
                return None
            return Marker(
                end=ChainEnd(int(found["seq"]), str(found["sha256"])),
                inode=int(found["inode"]),
                lineage=str(found["lineage"]),
                boot_id=str(found["boot"]),
                closed=bool(found["closed"]),
            )
        except ValueError, KeyError, TypeError:
            return None


def flush_files(ended: list[int], newest: int | None) -> OSError | None:
    """Flush descriptors to the disk and close the ended ones; return why that failed."""
    failed: OSError | None = None
    for fd in ended if newest is None else [*ended, newest]:
        try:
            os.fdatasync(fd)
        except OSError as err:
            failed = err
    for fd in ended:
        os.close(fd)
    return failed
