"""Exports the journal for a period: as it is (JSON Lines), or as a table (CSV)."""

from collections.abc import Iterator
import csv
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
import io
import json
import os
from pathlib import Path
from typing import Final

from .journal_files import Segment, list_segments
from .journal_format import Record, timestamp
from .journal_verify import read_records

COLUMNS: Final = (
    "seq",
    "at",
    "mono",
    "boot",
    "kind",
    "name",
    "value",
    "accepted",
    "source",
    "client",
    "text",
    "data",
    "prev",
    "sha256",
)
"""Of a CSV; `data` is the whole record's data as JSON."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


class ExportFormat(StrEnum):
    """How a period is written."""

    JSON_LINES = "json_lines"
    """The journal's own lines, whose chain can be checked."""
    CSV = "csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What was exported; the hashes are None where the period has no records."""

    path: Path
    count: int
    first_hash: str | None
    last_hash: str | None


def export_journal(
    folder: Path,
    target: Path,
    start: datetime,
    end: datetime,
    file_format: ExportFormat,
) -> Export:
    """Write the records from `start` until before `end` (aware) to a file.

    Blocks. An export that fails leaves no file. Raises OSError.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.tmp")
    count, first, last = 0, None, None
    try:
        with temporary.open("wb") as file:
            if file_format is ExportFormat.CSV:
                file.write(_row(COLUMNS))
            for line, record in _period(folder, start, end):
                count += 1
                first, last = first or record.hash, record.hash
                csv_format = file_format is ExportFormat.CSV
                file.write(_row(_cells(record)) if csv_format else line)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return Export(path=target, count=count, first_hash=first, last_hash=last)


def _period(
    folder: Path, start: datetime, end: datetime
) -> Iterator[tuple[bytes, Record]]:
    since = timestamp(start.astimezone(UTC))
    until = timestamp(end.astimezone(UTC))
    for line, record in read_records(_segments(folder, start)):
        if since <= record.at < until:
            yield line, record


def _segments(folder: Path, start: datetime) -> list[Segment]:
    """Return the segments that may hold records since `start`.

    A day is left for clocks that were set back while a segment was written.
    """
    month = f"{start.astimezone(UTC) - timedelta(days=1):%Y%m}"
    if not folder.is_dir():
        return []
    segments = list_segments(folder)
    return [
        segment
        for segment, after in zip(segments, [*segments[1:], None], strict=True)
        if after is None or after.month >= month
    ]


def _cells(record: Record) -> tuple[object, ...]:
    data = record.data
    return (
        record.sequence,
        record.at,
        record.boot_time,
        record.boot_id,
        record.kind,
        *(_cell(data.get(key)) for key in COLUMNS[5:10]),
        _cell(data.get("text", data.get("reason"))),
        json.dumps(data, sort_keys=True),
        record.previous,
        record.hash,
    )


def _cell(value: object) -> object:
    """Return what a spreadsheet shows and never computes."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


def _row(cells: tuple[object, ...]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().encode("utf-8")
