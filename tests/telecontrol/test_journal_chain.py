"""Whoever changes the journal is found out, at the start and in the background."""

import asyncio
import gzip
from hashlib import sha256
from pathlib import Path
import shutil
import threading
from typing import Any

from hypothesis import HealthCheck, given, settings, strategies as st
import pytest

from custom_components.netflex.telecontrol.journal import JournalProblem
from custom_components.netflex.telecontrol.journal_files import list_segments
from custom_components.netflex.telecontrol.journal_format import (
    NO_HASH,
    ChainEnd,
    Draft,
    RecordError,
    RecordKind,
    Stamp,
    decode,
    encode,
)
from custom_components.netflex.telecontrol.journal_verify import verify

from .journals import (
    Clock,
    Problems,
    check,
    fill,
    kinds,
    newest,
    records,
    running,
    write,
)

CLOCK = Clock()
STAMP = Stamp(utc=CLOCK.at, boot_time=1.25, boot_id="boot")


async def until(condition: Any, seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of several segments, closed in order."""
    folder = tmp_path_factory.mktemp("journal") / "j"
    asyncio.run(fill(folder, 30, segment_size=3000))
    for segment in list_segments(folder):
        # Compressed ones are read alike; here they are changed as text.
        if not segment.path.exists():
            segment.path.write_bytes(gzip.decompress(segment.packed.read_bytes()))
            segment.packed.unlink()
    assert check(folder).sound
    assert len(list_segments(folder)) > 3
    return folder


def lines_of(folder: Path) -> list[bytes]:
    return [line for segment in list_segments(folder) for line in segment.lines()]


def put(folder: Path, source: Path, lines: list[bytes]) -> None:
    """Write changed lines into the files that they would be in."""
    folder.mkdir()
    shutil.copy(source / "marker", folder / "marker")
    segments = list_segments(source)
    counts = [len(list(segment.lines())) for segment in segments]
    rest = list(lines)
    for segment, count in zip(segments[:-1], counts[:-1], strict=True):
        (folder / segment.path.name).write_bytes(b"".join(rest[:count]))
        rest = rest[count:]
    (folder / segments[-1].path.name).write_bytes(b"".join(rest))


@st.composite
def tampered(draw: st.DrawFn, lines: list[bytes]) -> list[bytes]:
    """Flip, delete, insert, duplicate or reorder; never nothing."""
    changed = list(lines)
    how = draw(st.sampled_from(("flip", "delete", "insert", "swap", "repeat")))
    at = draw(st.integers(0, len(lines) - 1))
    if how == "flip":
        where = draw(st.integers(0, len(lines[at]) - 2))
        octet = lines[at][where]
        other = draw(st.integers(1, 255).filter(lambda n: n not in (octet, 10)))
        changed[at] = lines[at][:where] + bytes((other,)) + lines[at][where + 1 :]
    elif how == "delete":
        # The very last records are guarded by the marker, not by the chain.
        at = min(at, len(lines) - 2)
        del changed[at : draw(st.integers(at + 1, len(lines) - 1))]
    elif how == "insert":
        changed.insert(at, draw(st.sampled_from((b"{}\n", b"x\n", lines[0]))))
    elif how == "repeat":
        changed.insert(at, lines[at])
    else:
        other = draw(st.integers(0, len(lines) - 1).filter(lambda n: n != at))
        changed[at], changed[other] = lines[other], lines[at]
    return changed


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_case_14_every_change_breaks_the_chain(
    original: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    changed = data.draw(tampered(lines_of(original)))
    folder = tmp_path_factory.mktemp("changed") / "j"
    put(folder, original, changed)
    assert not check(folder).sound


@given(text=st.text(), number=st.floats(allow_nan=False, allow_infinity=False))
def test_a_record_is_read_back_as_it_was_written(text: str, number: float) -> None:
    data = {"text": text, "number": number, "list": [text, None, True]}
    line, end = encode(Draft(RecordKind.WRITE, STAMP, data), ChainEnd(41, "a" * 64))
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    record = decode(line[:-1])
    assert record.data == data
    assert (record.sequence, record.previous) == (42, "a" * 64)
    assert (record.sequence, record.hash) == (end.sequence, end.hash)


def test_an_unknown_format_is_refused_aloud() -> None:
    line, _end = encode(Draft(RecordKind.WRITE, STAMP, {}), ChainEnd(0, NO_HASH))
    newer = line[:-78].replace(b'"format":1', b'"format":2') + b"}"
    sealed = newer[:-1] + b',"sha256":"' + sha256(newer).hexdigest().encode() + b'"}'
    with pytest.raises(RecordError, match="format 2"):
        decode(sealed)


async def change(folder: Path, line: int, segment: int = 0) -> None:
    """Change a value in one line of a segment that is not compressed yet."""
    path = list_segments(folder)[segment].path
    content = path.read_bytes().splitlines(keepends=True)
    content[line] = content[line].replace(b'"value":', b'"value":1')
    path.write_bytes(b"".join(content))


async def test_a_break_is_named_in_a_new_segment_once(tmp_path: Path) -> None:
    folder = tmp_path / "j"
    await fill(folder, 20, segment_size=3000)
    segments = list_segments(folder)
    first = segments[0]
    if not first.path.exists():
        first.path.write_bytes(gzip.decompress(first.packed.read_bytes()))
        first.packed.unlink()
    await change(folder, 3)
    problems = Problems()
    async with running(folder, problems) as journal:
        await until(lambda: "break" in kinds(folder))
        await write(journal, "goes on")
        assert JournalProblem.BROKEN in problems
    assert f"{first.name}, line 4: its hash" in problems[JournalProblem.BROKEN]
    verdict = check(folder)
    assert verdict.broken == 1
    assert not verdict.unnamed
    last = [r for r in records(folder) if r.kind == "segment"][-1]
    assert last.data["reason"] == "damaged"

    again = Problems()
    async with running(folder, again) as journal:
        await until(lambda: JournalProblem.BROKEN in again)
        await write(journal, "goes on")
    assert kinds(folder).count("break") == 1


async def test_damage_at_the_end_begins_a_new_segment_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "j"
    await fill(folder, 5)
    await change(folder, -1)
    await change(folder, -2)
    problems = Problems()
    async with running(folder, problems) as journal:
        await write(journal, "after")
        await until(lambda: JournalProblem.BROKEN in problems)
    assert len(list_segments(folder)) == 2
    assert check(folder).unnamed == []


@pytest.mark.parametrize("gone", ["marker", "newest", "oldest", "middle", "all"])
async def test_a_file_that_is_taken_away_is_missed(tmp_path: Path, gone: str) -> None:
    folder = tmp_path / "j"
    await fill(folder, 30, segment_size=3000)
    segments = list_segments(folder)
    if gone == "marker":
        (folder / "marker").unlink()
    elif gone == "all":
        for segment in segments:
            segment.remove()
    else:
        places = {"newest": -1, "oldest": 0, "middle": 1}
        segments[places[gone]].remove()
    problems = Problems()
    async with running(folder, problems) as journal:
        await until(lambda: JournalProblem.BROKEN in problems)
        await write(journal, "after")
        await until(lambda: not check(folder).unnamed)
    verdict = check(folder)
    assert verdict.broken == 1
    assert "break" in kinds(folder)


async def test_an_unreadable_newest_file_is_kept_and_named(tmp_path: Path) -> None:
    folder = tmp_path / "j"
    await fill(folder, 5)
    newest(folder).write_bytes(b"\xff\xfe garbage\n" * 50)
    problems = Problems()
    async with running(folder, problems) as journal:
        await write(journal, "after")
        await until(lambda: JournalProblem.BROKEN in problems)
    first, second = list_segments(folder)
    assert list(first.lines()) == [b"\xff\xfe garbage\n"] * 50
    assert check(folder).unnamed == []
    assert records(folder)[0].sequence == second.first


async def test_a_damaged_compressed_file_is_a_break(tmp_path: Path) -> None:
    folder = tmp_path / "j"
    await fill(folder, 30, segment_size=3000)
    first = list_segments(folder)[0]
    content = first.path.read_bytes() if first.path.exists() else None
    packed = bytearray(
        first.packed.read_bytes() if content is None else gzip.compress(content)
    )
    packed[len(packed) // 2] ^= 0xFF
    first.path.unlink(missing_ok=True)
    first.packed.write_bytes(packed)
    problems = Problems()
    async with running(folder, problems):
        await until(lambda: JournalProblem.BROKEN in problems)
        await until(lambda: not check(folder).unnamed)


def test_a_verification_ends_when_it_is_told_to(original: Path) -> None:
    asked = []

    def pause() -> bool:
        asked.append(threading.current_thread())
        return len(asked) < 5

    assert verify(list_segments(original), pause=pause) is None
    assert len(asked) == 5
