"""Journals for the tests: a clock moved by hand, files read back."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
import time
from typing import Any

from custom_components.netflex.telecontrol.journal import Journal
from custom_components.netflex.telecontrol.journal_files import list_segments
from custom_components.netflex.telecontrol.journal_format import Record, RecordKind
from custom_components.netflex.telecontrol.journal_verify import (
    ChainCheck,
    Verdict,
    read_records,
)


class Clock:
    """The host's clocks, moved by hand."""

    def __init__(self, at: datetime = datetime(2026, 3, 1, tzinfo=UTC)) -> None:
        self.at = at
        self.boot = 1000.0
        self.identity = "boot-1"

    def utc(self) -> datetime:
        return self.at

    def boot_time(self) -> float:
        return self.boot

    def boot_id(self) -> str:
        return self.identity

    def move(self, **times: float) -> None:
        self.at += timedelta(**times)
        self.boot += timedelta(**times).total_seconds()


class Problems(dict[str, str]):
    """What a journal reports as a problem, until it has ended."""

    def __call__(self, key: str, text: str | None) -> None:
        if text is None:
            self.pop(key, None)
        else:
            self[key] = text


@asynccontextmanager
async def running(
    folder: Path, problems: Problems | None = None, **options: Any
) -> AsyncIterator[Journal]:
    """Run a journal; its verification is over when it is handed out."""
    journal = Journal(folder, **options)
    journal.start(Problems() if problems is None else problems)
    try:
        yield journal
    finally:
        await journal.close()


async def write(journal: Journal, *values: object) -> None:
    """Record values and wait until they are written."""
    for value in values:
        journal.record(RecordKind.WRITE, {"value": value})
    assert await journal.settled(20.0)


async def fill(folder: Path, count: int, **options: Any) -> None:
    """Leave a closed journal with so many records of writes."""
    async with running(folder, **options) as journal:
        for value in range(count):
            await write(journal, value)


def wait(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait, without an event loop, until something holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def check(folder: Path) -> Verdict:
    found = ChainCheck()
    for _pair in read_records(list_segments(folder), found):
        pass
    return found.finish()


def records(folder: Path) -> list[Record]:
    return [record for _line, record in read_records(list_segments(folder))]


def kinds(folder: Path) -> list[str]:
    return [record.kind for record in records(folder)]


def values(found: Sequence[Record]) -> list[object]:
    return [record.data["value"] for record in found if record.kind == "write"]


def newest(folder: Path) -> Path:
    return list_segments(folder)[-1].path
