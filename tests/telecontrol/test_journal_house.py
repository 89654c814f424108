"""Rotation, years of keeping, the disk's space, and exports of any period."""

import asyncio
import csv
from dataclasses import replace
from datetime import UTC, datetime, timedelta
import errno
from itertools import pairwise
import json
from pathlib import Path
from typing import Any

import pytest

from custom_components.netflex.telecontrol import journal_house
from custom_components.netflex.telecontrol.journal import JournalProblem
from custom_components.netflex.telecontrol.journal_export import (
    COLUMNS,
    ExportFormat,
    export_journal,
)
from custom_components.netflex.telecontrol.journal_files import Segment, list_segments
from custom_components.netflex.telecontrol.journal_format import (
    RecordKind,
    Stamp,
    decode,
)
from custom_components.netflex.telecontrol.journal_house import (
    FREE_FLOOR,
    MONTHS_KEPT,
    Housekeeping,
    expired,
)

from .journals import Clock, Problems, check, fill, kinds, records, running, write


async def until(condition: Any, seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


def months(count: int, first: int = 202401) -> list[Segment]:
    """Segments of so many months in a row."""
    year, month = divmod(first, 100)
    return [
        Segment(
            index * 10 + 1,
            f"{year + (month - 1 + index) // 12}{(month - 1 + index) % 12 + 1:02d}",
            Path(),
        )
        for index in range(count)
    ]


async def test_a_new_month_and_a_full_file_begin_a_segment(tmp_path: Path) -> None:
    clock = Clock()
    async with running(tmp_path / "j", clock=clock, segment_size=4000) as journal:
        for value in range(15):
            await write(journal, value)
        clock.move(days=31)
        await write(journal, "april")
    segments = list_segments(tmp_path / "j")
    assert [segment.month for segment in segments] == ["202603", "202603", "202604"]
    found = records(tmp_path / "j")
    for segment in segments:
        assert next(segment.lines()).startswith(b'{"at"')
        header = next(r for r in found if r.sequence == segment.first)
        assert header.kind == "segment"
    assert check(tmp_path / "j").sound


async def test_a_clock_that_is_set_back_begins_no_segment(tmp_path: Path) -> None:
    clock = Clock()
    async with running(tmp_path / "j", clock=clock) as journal:
        await write(journal, 1)
        clock.at = datetime(2020, 1, 1, tzinfo=UTC)
        await write(journal, 2)
    assert len(list_segments(tmp_path / "j")) == 1
    assert check(tmp_path / "j").sound


async def test_the_open_segment_is_preallocated_and_given_back(tmp_path: Path) -> None:
    async with running(tmp_path / "j") as journal:
        await write(journal, 1)
        [segment] = list_segments(tmp_path / "j")
        assert segment.size() >= 200_000
    assert segment.size() < 2_000


async def test_nothing_moves_while_a_backup_is_made(tmp_path: Path) -> None:
    clock = Clock()
    async with running(tmp_path / "j", clock=clock, segment_size=2000) as journal:
        await write(journal, 1)
        journal.hold_segment(True)
        clock.move(days=31)
        for value in range(20):
            await write(journal, value)
        assert len(list_segments(tmp_path / "j")) == 1
        journal.hold_segment(False)
        await write(journal, "after")
        assert len(list_segments(tmp_path / "j")) == 2


async def test_ended_segments_are_compressed(tmp_path: Path) -> None:
    async with running(tmp_path / "j", segment_size=2000) as journal:
        for value in range(20):
            await write(journal, value)
        await until(lambda: journal._verified)
        await journal.flush(2.0)
        await until(lambda: list_segments(tmp_path / "j")[0].packed.exists())
        await until(lambda: not list_segments(tmp_path / "j")[0].path.exists())
    assert check(tmp_path / "j").sound


def test_two_years_are_kept_and_the_month_that_has_begun() -> None:
    now = datetime(2026, 7, 15, tzinfo=UTC)
    kept = expired(months(31), now)
    assert [segment.month for segment in kept] == [
        f"2024{month:02d}" for month in range(1, 6)
    ]
    # What is deleted last ended two years and more ago.
    assert datetime(2024, 6, 1, tzinfo=UTC) < now - timedelta(days=731)


@pytest.mark.parametrize("year", [2099, 1970])
def test_a_wrong_clock_deletes_nothing(year: int) -> None:
    now = datetime(year, 7, 15, tzinfo=UTC)
    assert expired(months(MONTHS_KEPT), now) == []
    wrong = Segment(1000, f"{year}07", Path())
    assert expired([*months(MONTHS_KEPT - 1), wrong], now) == []


async def test_what_is_deleted_is_recorded_and_the_rest_still_holds(
    tmp_path: Path,
) -> None:
    clock = Clock()
    async with running(tmp_path / "j", clock=clock, segment_size=100_000) as journal:
        for value in range(MONTHS_KEPT + 4):
            await write(journal, value)
            clock.move(days=31)
    before = len(list_segments(tmp_path / "j"))
    assert before >= MONTHS_KEPT + 4
    problems = Problems()
    async with running(tmp_path / "j", problems, clock=clock) as journal:
        await until(lambda: "pruned" in kinds(tmp_path / "j"))
        await until(lambda: len(list_segments(tmp_path / "j")) < before)
        await write(journal, "after")
    verdict = check(tmp_path / "j")
    assert verdict.sound, verdict.breaks
    assert not problems
    assert records(tmp_path / "j")[0].sequence > 1


async def test_a_disk_that_will_be_short_is_said_long_before(tmp_path: Path) -> None:
    problems = Problems()
    free = FREE_FLOOR - 1
    async with running(
        tmp_path / "j", problems, free_space=lambda _path: free
    ) as journal:
        await write(journal, 1)
        await until(lambda: JournalProblem.DISK_SHORT in problems)
    problems.clear()
    async with running(
        tmp_path / "j", problems, free_space=lambda _path: 2 * FREE_FLOOR
    ) as journal:
        await until(lambda: journal._verified and not journal._house.due)
    assert not problems


def tend(folder: Path, newest: Segment, clock: Clock) -> list[RecordKind]:
    """Go through one round; return the kinds of what it records."""
    house = Housekeeping(folder, lambda _path: 2 * FREE_FLOOR)
    stamp = Stamp(utc=clock.at, boot_time=1.0, boot_id="boot")
    found = [kind for kind, _data in house.run(newest, stamp)]
    assert house.shortage is None
    return found


async def test_a_file_that_cannot_be_compressed_stays_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_segment: Segment) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    clock = Clock()
    async with running(tmp_path / "j", clock=clock) as journal:
        journal.hold_segment(True)
        await write(journal, 1)
    first = list_segments(tmp_path / "j")[0]
    later = Segment(100, "202604", tmp_path / "j")
    with monkeypatch.context() as patch:
        patch.setattr(journal_house, "pack", fail)
        tend(tmp_path / "j", later, clock)
    assert "could not be tended: [Errno 30] Read-only file system" in caplog.text
    assert first.path.exists()
    tend(tmp_path / "j", later, clock)
    assert not first.path.exists()
    assert first.packed.exists()


@pytest.mark.parametrize("content", [b"", b"no record\n"])
def test_an_old_file_whose_end_nobody_can_read_is_not_deleted(
    tmp_path: Path, content: bytes
) -> None:
    """Its record would have to say what it ended with."""
    segments = [
        replace(segment, folder=tmp_path) for segment in months(MONTHS_KEPT + 5)
    ]
    for segment in segments:
        segment.path.write_bytes(content)
    clock = Clock(datetime(2026, 7, 15, tzinfo=UTC))
    assert expired(segments, clock.at)
    assert tend(tmp_path, segments[-1], clock) == []
    assert list_segments(tmp_path) == segments


def test_a_file_that_is_gone_takes_no_space(tmp_path: Path) -> None:
    assert Segment(1, "202603", tmp_path).size() == 0


async def test_what_stands_behind_the_end_of_a_file_is_a_break(tmp_path: Path) -> None:
    await fill(tmp_path / "j", 3)
    (segment,) = list_segments(tmp_path / "j")
    with segment.path.open("ab") as file:
        file.write(bytes(100))
    assert check(tmp_path / "j").sound
    with segment.path.open("ab") as file:
        file.write(b"hidden" + bytes(100))
    assert not check(tmp_path / "j").sound


# ------------------------------------------------------------------------------ export


async def year_of_records(folder: Path) -> None:
    clock = Clock()
    async with running(folder, clock=clock) as journal:
        for month in range(12):
            journal.record(
                RecordKind.ORDER,
                {"name": "maxsetp", "value": month, "client": "=HYPERLINK(1)"},
            )
            assert await journal.settled(5.0)
            clock.move(days=30)


@pytest.mark.parametrize(("start", "end"), [(0, 12), (2, 5), (11, 12), (0, 1)])
async def test_any_period_is_exported(tmp_path: Path, start: int, end: int) -> None:
    await year_of_records(tmp_path / "j")
    begin = Clock().at
    since, until_ = (begin + timedelta(days=30 * n) for n in (start, end))
    lines = export_journal(
        tmp_path / "j", tmp_path / "out.jsonl", since, until_, ExportFormat.JSON_LINES
    )
    content = (tmp_path / "out.jsonl").read_bytes().splitlines()
    found = [decode(line) for line in content]
    assert [r.data["value"] for r in found if r.kind == "order"] == [*range(start, end)]
    assert lines.count == len(content)
    assert (lines.first_hash, lines.last_hash) == (found[0].hash, found[-1].hash)
    for before, after in pairwise(found):
        assert after.previous == before.hash

    table = export_journal(
        tmp_path / "j", tmp_path / "out.csv", since, until_, ExportFormat.CSV
    )
    text = (tmp_path / "out.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == table.count == lines.count
    order = next(row for row in rows if row["kind"] == "order")
    assert order["client"] == "'=HYPERLINK(1)", "a spreadsheet computes nothing"
    assert json.loads(order["data"])["value"] == start
    assert rows[-1]["sha256"] == table.last_hash
    assert not list(tmp_path.glob(".*.tmp"))


async def test_a_period_without_records_is_empty(tmp_path: Path) -> None:
    await fill(tmp_path / "j", 3, clock=Clock())
    later = datetime(2027, 1, 1, tzinfo=UTC)
    export = export_journal(
        tmp_path / "j",
        tmp_path / "x" / "out.jsonl",
        later,
        later + timedelta(days=1),
        ExportFormat.JSON_LINES,
    )
    assert (export.count, export.first_hash, export.last_hash) == (0, None, None)
    assert (tmp_path / "x" / "out.jsonl").read_bytes() == b""
