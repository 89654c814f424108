"""The journal: what it writes survives, what it cannot write is counted."""

import asyncio
import errno
from itertools import pairwise
import os
from pathlib import Path
import shutil
import sys
import threading
from typing import Any

import pytest

from custom_components.netflex.model.orders import Order, OrderName, OrderSource
from custom_components.netflex.telecontrol import (
    journal as journal_module,
    journal_files,
)
from custom_components.netflex.telecontrol.journal import Journal, JournalProblem
from custom_components.netflex.telecontrol.journal_files import list_segments
from custom_components.netflex.telecontrol.journal_format import RecordKind

from .journals import (
    Clock,
    Problems,
    check,
    fill,
    kinds,
    newest,
    records,
    running,
    values,
    write,
)

ROOT = Path(__file__).parents[2]


async def until(condition: Any, seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


async def test_records_carry_both_clocks_a_number_and_the_hash_before(
    tmp_path: Path,
) -> None:
    clock = Clock()
    async with running(tmp_path / "j", clock=clock) as journal:
        await write(journal, 1.5)
        clock.move(seconds=2)
        await write(journal, None)
    found = records(tmp_path / "j")
    assert [record.kind for record in found] == [
        "segment",
        "started",
        "write",
        "write",
        "stopped",
    ]
    assert [record.sequence for record in found] == [1, 2, 3, 4, 5]
    assert found[2].at == "2026-03-01T00:00:00.000000+00:00"
    assert found[3].boot_time == found[2].boot_time + 2
    assert {record.boot_id for record in found} == {"boot-1"}
    for before, after in pairwise(found):
        assert after.previous == before.hash
    assert check(tmp_path / "j").sound


async def test_what_is_no_json_is_recorded_all_the_same(tmp_path: Path) -> None:
    async with running(tmp_path / "j") as journal:
        await write(journal, float("nan"), {1, 2}, object(), float("-inf"))
    found = values(records(tmp_path / "j"))
    assert found[0] == "nan"
    assert found[1] == [1, 2]
    assert found[3] == "-inf"
    assert check(tmp_path / "j").sound


async def test_records_are_in_the_page_cache_before_anyone_is_told(
    tmp_path: Path,
) -> None:
    async with running(tmp_path / "j") as journal:
        journal.record(RecordKind.ORDER, {"name": "maxsetp", "value": 50.0})
        assert await journal.settled(1.0)
        assert b'"name":"maxsetp"' in newest(tmp_path / "j").read_bytes()
        assert await journal.flush(2.0)


async def test_a_restart_goes_on_in_the_same_segment(tmp_path: Path) -> None:
    await fill(tmp_path / "j", 2)
    await fill(tmp_path / "j", 2)
    assert len(list_segments(tmp_path / "j")) == 1
    assert check(tmp_path / "j").sound
    starts = [r.data["before"] for r in records(tmp_path / "j") if r.kind == "started"]
    assert starts == ["nothing", "stopped"]


async def test_a_second_process_does_not_write_the_same_journal(tmp_path: Path) -> None:
    problems = Problems()
    async with running(tmp_path / "j") as first:
        await write(first, 1)
        async with running(tmp_path / "j", problems, retry=0.02) as second:
            second.record(RecordKind.WRITE, {"value": 2})
            await until(lambda: JournalProblem.NOT_WRITTEN in problems)
            assert not await second.settled(0.0)
            await first.close()
            await until(lambda: 2 in values(records(tmp_path / "j")))
            await until(lambda: not problems)
    assert check(tmp_path / "j").sound


# ------------------------------------------------------------------------------ kill -9

WRITER = """
import asyncio, sys
from pathlib import Path
from custom_components.netflex.telecontrol.journal import Journal
from custom_components.netflex.telecontrol.journal_format import RecordKind

async def main():
    journal = Journal(Path(sys.argv[1]), segment_size=20_000)
    journal.start(lambda key, text: None)
    number = int(sys.argv[2])
    while True:
        for _ in range(20):
            number += 1
            journal.record(RecordKind.ORDER, {"name": "maxsetp", "value": number})
        if await journal.settled(10.0):
            print(number, flush=True)

asyncio.run(main())
"""


async def test_S04_kill_9_loses_no_record_that_was_confirmed(tmp_path: Path) -> None:
    folder, number = tmp_path / "j", 0
    for round_number in range(4):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            WRITER,
            str(folder),
            str(number),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        for _ in range(3 + 5 * round_number):
            number = int(await process.stdout.readline())
        process.kill()
        left = await process.stdout.read()
        await process.wait()
        if complete := left[: left.rfind(b"\n") + 1].split():
            number = int(complete[-1])
        kept = [r.data["value"] for r in records(folder) if r.kind == "order"]
        assert kept[: kept.index(number) + 1][-20:] == [*range(number - 19, number + 1)]
        number = kept[-1]
    async with running(folder) as journal:
        await write(journal, "after")
    verdict = check(folder)
    assert verdict.sound, verdict.breaks
    previous = [r.data["before"] for r in records(folder) if r.kind == "started"]
    assert previous == ["nothing", "killed", "killed", "killed", "killed"]


async def test_a_torn_last_record_is_cut_and_said(tmp_path: Path) -> None:
    await fill(tmp_path / "j", 3)
    with newest(tmp_path / "j").open("ab") as file:
        file.write(b'{"at":"2026')
    problems = Problems()
    async with running(tmp_path / "j", problems) as journal:
        await write(journal, "after")
    assert not problems
    gap = next(r for r in records(tmp_path / "j") if r.kind == "gap")
    assert gap.data == {"octets": 11, "reason": "torn"}
    assert check(tmp_path / "j").sound


async def test_a_kill_while_a_segment_is_begun_leaves_no_trace(tmp_path: Path) -> None:
    await fill(tmp_path / "j", 3)
    end = check(tmp_path / "j").end.sequence
    (tmp_path / "j" / f"{end + 1:012d}-202612.jsonl").write_bytes(bytes(4096))
    await fill(tmp_path / "j", 3)
    assert check(tmp_path / "j").sound
    assert len(list_segments(tmp_path / "j")) == 1


# ---------------------------------------------------------------------- full, hung disk


async def test_S01_a_full_disk_leaves_a_gap_with_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problems = Problems()
    full = False
    original = os.pwrite

    def pwrite(fd: int, content: bytes, offset: int) -> int:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(fd, content, offset)

    monkeypatch.setattr(journal_files.os, "pwrite", pwrite)
    async with running(tmp_path / "j", problems, queue_size=100, retry=0.02) as journal:
        await write(journal, "before")
        full = True
        for number in range(200):
            journal.record(RecordKind.WRITE, {"value": number})
        assert not await journal.settled(1.0)
        # A disk that fails is not waited for.
        async with asyncio.timeout(20):
            assert not await journal.settled(50.0)
        journal.record(RecordKind.ORDER, {"name": "maxsetp", "value": 1.0})
        await until(lambda: JournalProblem.NOT_WRITTEN in problems)
        assert "the disk is full" in problems[JournalProblem.NOT_WRITTEN]
        full = False
        await until(lambda: not problems)
        await write(journal, "after")
    found = records(tmp_path / "j")
    story = [r for r in found if r.kind in ("gap", "order", "write")]
    lost = next(r for r in story if r.kind == "gap").data["records"]
    kept = values(found)
    # What waits comes first, then the gap, then the order that still had room.
    assert kept[0] == "before"
    assert kept[-1] == "after"
    assert lost == {"write": 200 - (len(kept) - 2)}
    assert kept[1:-1] == [*range(len(kept) - 2)]
    assert [r.kind for r in story][-3:] == ["gap", "order", "write"]
    assert check(tmp_path / "j").sound


async def test_a_disk_that_keeps_nothing_is_logged_once_and_its_return_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", journal_module.__name__)
    broken = True
    original = os.fdatasync

    def fdatasync(fd: int) -> None:
        if broken:
            raise OSError(errno.EIO, "Input/output error")
        original(fd)

    monkeypatch.setattr(journal_files.os, "fdatasync", fdatasync)
    async with running(tmp_path / "j", Problems()) as journal:
        for number in range(5):
            await write(journal, number)
            assert not await journal.flush(10.0)
        broken = False
        assert await journal.flush(10.0)
        assert await journal.flush(10.0)
    lost, back = caplog.messages
    assert str(tmp_path / "j") in lost
    assert "Input/output error" in lost
    assert back == "The journal is flushed again"


async def test_S01_a_hung_disk_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "STALLED_AFTER", 0.05)
    monkeypatch.setattr(journal_module, "HUNG_AFTER", 0.1)
    problems, answers = Problems(), threading.Event()
    answers.set()
    original = os.pwrite

    def pwrite(fd: int, content: bytes, offset: int) -> int:
        assert answers.wait(50.0)
        return original(fd, content, offset)

    monkeypatch.setattr(journal_files.os, "pwrite", pwrite)
    async with running(tmp_path / "j", problems) as journal:
        await write(journal, 1)
        answers.clear()
        journal.record(RecordKind.ORDER, {"name": "maxsetp", "value": 1.0})
        assert not await journal.settled(0.06)
        # One record that waited would take 50 s.
        async with asyncio.timeout(20):
            for _ in range(100):
                journal.record(RecordKind.ORDER, {"name": "maxsetp", "value": 2.0})
                assert not await journal.settled(50.0)
        await asyncio.sleep(0.05)
        journal.record(RecordKind.WRITE, {"value": 3})
        assert "hangs" in problems[JournalProblem.NOT_WRITTEN]
        answers.set()
        await until(lambda: not problems)
        assert await journal.settled(2.0)
    assert check(tmp_path / "j").sound
    assert kinds(tmp_path / "j").count("order") == 101


async def test_a_hung_disk_does_not_hold_up_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "CLOSE_TIMEOUT", 0.1)
    answers = threading.Event()
    original = os.pwrite

    def pwrite(fd: int, content: bytes, offset: int) -> int:
        assert answers.wait(50.0)
        return original(fd, content, offset)

    monkeypatch.setattr(journal_files.os, "pwrite", pwrite)
    journal = Journal(tmp_path / "j")
    journal.start(Problems())
    async with asyncio.timeout(20):
        await journal.close()
    answers.set()
    for thread in journal._threads:
        await asyncio.to_thread(thread.join, 20.0)
    journal._writer.close()


async def test_a_fault_in_writing_is_said_and_the_records_are_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_fd: int, _content: bytes, _offset: int) -> int:
        raise ValueError("no offset")

    problems = Problems()
    async with running(tmp_path / "j", problems, retry=0.01) as journal:
        await write(journal, 1)
        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", fail)
            journal.record(RecordKind.WRITE, {"value": 2})
            await until(lambda: "no offset" in problems.get("journal_not_written", ""))
        await until(lambda: not problems)
        await write(journal, 3)
    assert caplog.text.count("Writing the journal failed") == 1
    assert values(records(tmp_path / "j")) == [1, 2, 3]


async def test_a_listener_that_fails_keeps_no_record_from_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_fd: int, _content: bytes, _offset: int) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    class Failing(Problems):
        def __call__(self, key: str, text: str | None) -> None:
            raise ValueError("no such entity")

    async with running(tmp_path / "j", Failing(), retry=0.01) as journal:
        await write(journal, 1)
        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", full)
            journal.record(RecordKind.WRITE, {"value": 2})
            await until(lambda: "listener to the journal's problems" in caplog.text)
        await until(lambda: 2 in values(records(tmp_path / "j")))


async def test_a_disk_that_fails_at_the_end_is_logged_and_lets_go_of_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_fd: int, _size: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    journal = Journal(tmp_path / "j")
    journal.start(Problems())
    await write(journal, 1)
    with monkeypatch.context() as patch:
        patch.setattr(os, "ftruncate", fail)
        await journal.close()
    assert "could not be closed in order" in caplog.text
    await fill(tmp_path / "j", 1)
    assert check(tmp_path / "j").sound


# -------------------------------------------------------------- orders, forks, markers


def order(value: float, clock: Clock) -> Order[float]:
    return Order(value=value, source=OrderSource.RESTORED, at=clock.at)


async def test_S04_orders_and_journal_are_compared_after_a_start(
    tmp_path: Path,
) -> None:
    clock = Clock()
    at = "2026-03-01T00:00:00.000000+00:00"
    async with running(tmp_path / "j", clock=clock, segment_size=600) as journal:
        for name, value in (("maxsetp", 50.0), ("minsetp", 10.0), ("redenp", 1)):
            journal.record(
                RecordKind.ORDER,
                {"at": at, "name": name, "source": "operator", "value": value},
            )
        await write(journal, *range(20))
    stored = {
        OrderName.MAXSETP: order(50.0, clock),
        OrderName.MINSETP: order(20.0, clock),
        OrderName.MAXSETAP: order(0.0, clock),
    }
    for _ in range(2):
        async with running(tmp_path / "j", clock=clock) as journal:
            journal.reconcile(stored)
            assert await journal.settled(2.0)
    found = records(tmp_path / "j")
    recovered = [r.data["name"] for r in found if r.kind == "order_recovered"]
    lost = [r.data["name"] for r in found if r.kind == "order_lost"]
    assert recovered == ["minsetp", "maxsetap"]
    assert lost == ["redenp"]
    assert check(tmp_path / "j").sound


async def test_a_restored_backup_is_a_fork_and_says_so(tmp_path: Path) -> None:
    await fill(tmp_path / "j", 3)
    shutil.copytree(tmp_path / "j", tmp_path / "copy")
    copied = check(tmp_path / "copy").end
    await fill(tmp_path / "j", 5)
    problems = Problems()
    async with running(tmp_path / "copy", problems) as journal:
        await write(journal, "on the copy")
    found = records(tmp_path / "copy")
    fork = next(r for r in found if r.kind == "fork")
    assert (fork.data["seq"], fork.data["sha256"]) == (copied.sequence, copied.hash)
    segment = [r for r in found if r.kind == "segment"][-1]
    assert segment.data["reason"] == "restored"
    assert segment.data["lineage"] == fork.data["lineage"] != fork.data["from_lineage"]
    assert check(tmp_path / "copy").sound
    assert not problems
    await fill(tmp_path / "copy", 1)
    assert kinds(tmp_path / "copy").count("fork") == 1


async def test_a_power_cut_is_told_from_records_that_were_taken_away(
    tmp_path: Path,
) -> None:
    clock = Clock()
    journal = Journal(tmp_path / "j", clock=clock)
    journal.start(Problems())
    await write(journal, *range(5))
    content = newest(tmp_path / "j").read_bytes()
    marker = (tmp_path / "j" / "marker").read_bytes()
    await journal.close()
    # As if the machine had gone down before the last two records were flushed.
    (tmp_path / "j" / "marker").write_bytes(marker)
    lines = content.rstrip(b"\0").splitlines(keepends=True)
    newest(tmp_path / "j").write_bytes(b"".join(lines[:-2]) + bytes(4096))

    shutil.copytree(tmp_path / "j", tmp_path / "k")
    inode = (tmp_path / "k" / "marker").stat().st_ino
    own = (tmp_path / "j" / "marker").stat().st_ino
    same = (
        (tmp_path / "k" / "marker")
        .read_bytes()
        .replace(str(own).encode(), str(inode).encode())
    )
    (tmp_path / "k" / "marker").write_bytes(same)

    taken = Problems()
    async with running(tmp_path / "k", taken, clock=clock) as journal:
        await write(journal, "after")
        await until(lambda: JournalProblem.BROKEN in taken)
    assert "records 6 to 7 are missing" in taken[JournalProblem.BROKEN]

    cut = Problems()
    clock.identity = "boot-2"
    async with running(tmp_path / "j", cut, clock=clock) as journal:
        await write(journal, "after")
    assert not cut
    named = next(r for r in records(tmp_path / "j") if r.kind == "break")
    assert named.data["fault"] == "a power cut took records 6 to 7"
    verdict = check(tmp_path / "j")
    assert verdict.broken == 1
    assert not verdict.alarming
    assert not verdict.unnamed
