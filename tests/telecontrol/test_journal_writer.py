"""The open end of a journal on a disk that fails at one step: nothing is lost twice."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
import errno
import os
from pathlib import Path

import pytest

from custom_components.netflex.telecontrol import journal_writer
from custom_components.netflex.telecontrol.journal_files import list_segments, pack
from custom_components.netflex.telecontrol.journal_format import (
    Draft,
    RecordKind,
    Stamp,
)
from custom_components.netflex.telecontrol.journal_writer import JournalWriter

from .journals import Clock, check, kinds, records, values

CLOCK = Clock()
STAMP = Stamp(utc=CLOCK.at, boot_time=1.0, boot_id="boot")
APRIL = Stamp(utc=CLOCK.at + timedelta(days=31), boot_time=2.0, boot_id="boot")
"""Another month begins another segment."""


def opened(folder: Path, **options: int) -> JournalWriter:
    writer = JournalWriter(folder, lambda: STAMP, os.close, **options)
    writer.open()
    return writer


def append(writer: JournalWriter, *values: object, at: Stamp = STAMP) -> None:
    for value in values:
        writer.append([Draft(RecordKind.WRITE, at, {"value": value})])


@contextmanager
def failing(
    monkeypatch: pytest.MonkeyPatch, owner: object, name: str
) -> Iterator[None]:
    """Have one step fail as a full disk does."""

    def fail(*_args: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, fail)
        yield


def refused(action: Callable[[], None]) -> None:
    with pytest.raises(OSError, match="No space left"):
        action()


@pytest.mark.parametrize("step", ["sync_folder", "reserve", "write_all"])
@pytest.mark.parametrize("killed", [True, False])
def test_a_segment_that_cannot_be_begun_leaves_the_one_before_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, killed: bool
) -> None:
    writer = opened(tmp_path)
    append(writer, 1, 2)
    (first,) = list_segments(tmp_path)
    with failing(monkeypatch, journal_writer, step):
        refused(lambda: append(writer, 3, at=APRIL))
    assert list_segments(tmp_path) == [first]
    if killed:
        writer.close_files()
        writer = opened(tmp_path)
    append(writer, 3, 4, at=APRIL)
    writer.close()
    assert len(list_segments(tmp_path)) == 2
    assert check(tmp_path).sound
    assert values(records(tmp_path)) == [1, 2, 3, 4]
    assert "break" not in kinds(tmp_path)


def test_what_could_not_be_marked_is_written_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = opened(tmp_path)
    append(writer, 1)
    with failing(monkeypatch, writer, "_mark"):
        refused(lambda: append(writer, 2))
    append(writer, 2, 3)
    writer.close()
    assert check(tmp_path).sound
    assert values(records(tmp_path)) == [1, 2, 3]


def test_a_full_disk_is_an_error_once_the_space_that_was_kept_is_used_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = opened(tmp_path, segment_size=4096)
    writer.hold = True
    written = 0
    with failing(monkeypatch, journal_writer, "reserve"):
        append(writer, "a")
        written += 1

        def fill() -> None:
            nonlocal written
            while written < 100:
                append(writer, "a")
                written += 1

        refused(fill)
    assert 5 < written < 100
    append(writer, "last")
    writer.close()
    assert check(tmp_path).sound
    assert values(records(tmp_path)) == ["a"] * written + ["last"]


def test_a_journal_that_cannot_be_opened_is_let_go_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(tmp_path).close()
    writer = JournalWriter(tmp_path, lambda: STAMP, os.close)
    before = len(os.listdir("/proc/self/fd"))
    with failing(monkeypatch, os, "ftruncate"):
        refused(writer.open)
    assert len(os.listdir("/proc/self/fd")) == before
    # Nobody holds it: another one may write.
    other = opened(tmp_path)
    append(other, 1)
    other.close()
    assert check(tmp_path).sound


def test_behind_a_compressed_file_another_one_begins(tmp_path: Path) -> None:
    writer = opened(tmp_path)
    append(writer, 1)
    writer.close()
    (first,) = list_segments(tmp_path)
    pack(first)
    writer = opened(tmp_path)
    append(writer, 2)
    writer.close()
    assert len(list_segments(tmp_path)) == 2
    assert not first.path.exists()
    assert check(tmp_path).sound
    assert values(records(tmp_path)) == [1, 2]


def test_records_that_were_written_anew_are_not_the_ones_that_were_written(
    tmp_path: Path,
) -> None:
    true, forged = tmp_path / "true", tmp_path / "forged"
    for folder, value in ((true, 1), (forged, 2)):
        writer = opened(folder)
        append(writer, value)
        writer.close()
    # A chain that holds in itself, in place of the one that the marker knows.
    (mine,), (other,) = list_segments(true), list_segments(forged)
    mine.path.write_bytes(other.path.read_bytes())
    writer = opened(true)
    assert [one.fault for one in writer.breaks] == [
        "a record is not the one that was written"
    ]
    writer.close()
    assert "break" in kinds(true)


def test_behind_a_newest_file_that_nobody_can_read_numbers_go_on(
    tmp_path: Path,
) -> None:
    writer = opened(tmp_path, segment_size=600)
    append(writer, *range(8))
    writer.close()
    *_older, newest = list_segments(tmp_path)
    newest.path.write_bytes(b"\xff\xfe garbage\n" * 50)
    writer = opened(tmp_path, segment_size=600)
    append(writer, "after")
    writer.close()
    assert list_segments(tmp_path)[-1].first > newest.first
    assert check(tmp_path).unnamed == []
    assert values(records(tmp_path))[-1] == "after"
