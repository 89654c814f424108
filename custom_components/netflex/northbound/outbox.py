"""Messages that wait for their broker: one bounded SQLite file, oldest dropped first.

Write-ahead logging and one transaction for each batch: a kill -9 costs what had not
been written yet, a power cut at most the batches since the last checkpoint, the file
never. Everything that blocks runs on the one thread of the executor.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
import json
from pathlib import Path
import sqlite3
from typing import Final

from ..model.failure import reason_of
from ..model.phrase import Phrase
from ..telemetry.sqlite import hold_file, transaction
from .codec import json_text
from .messages import Outgoing

FORMAT: Final = 1
"""Version of the file's tables; another one is refused, never guessed."""

_TABLES: Final = """
CREATE TABLE message (
    id INTEGER PRIMARY KEY, topic TEXT NOT NULL, data TEXT, retain INTEGER NOT NULL
);
CREATE TABLE figure (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE recipient (name TEXT NOT NULL);
CREATE TABLE number (subject TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""
_DROPPED: Final = "dropped"


class OutboxError(Exception):
    """The file cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One message that waits, and its place in the order."""

    id: int
    message: Outgoing


class Outbox:
    """Keeps messages in order until they are confirmed; owned by one loop.

    `count` are those that wait, `dropped` those that were lost to the bound, ever.
    """

    def __init__(self, path: Path, most: int, executor: Executor | None = None) -> None:
        """Prepare; nothing is opened before `open`."""
        self._path = path
        self._most = most
        self._own = executor is None
        self._thread = executor or ThreadPoolExecutor(
            1, thread_name_prefix="netflex northbound"
        )
        self._db: sqlite3.Connection | None = None
        self.count = 0
        self.dropped = 0

    async def open(self, recipient: str) -> None:
        """Open the file, or make it; OutboxError where it cannot be used.

        What waits for another recipient than this one is nobody's business any more,
        and goes.
        """
        await self._run(lambda: self._open(recipient))

    async def close(self) -> None:
        """Close the file; it is not opened again."""
        await self._run(self._close)
        if self._own:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, self._thread.shutdown)

    async def append(self, messages: Sequence[Outgoing]) -> None:
        """Put messages at the end; the oldest go where there are too many."""
        await self._run(lambda: self._append(messages))

    async def oldest(self, most: int) -> list[Stored]:
        """Return the oldest messages, in order."""
        return await self._run(lambda: self._oldest(most))

    async def confirm(self, last: Stored) -> None:
        """Forget everything up to and including one message."""
        await self._run(lambda: self._confirm(last.id))

    async def numbers(self) -> dict[str, int]:
        """Return the numbers that were kept of nodes."""
        return await self._run(self._numbers)

    async def keep_numbers(self, numbers: Mapping[str, int]) -> None:
        """Keep the numbers of nodes."""
        await self._run(lambda: self._keep_numbers(numbers))

    async def hold_file(self, hold: bool) -> None:
        """Leave the file as it is while a backup copies it, or no longer."""
        await self._run(lambda: hold_file(self._opened(), hold=hold))

    # ------------------------------------------------------------------- on its thread

    def _open(self, recipient: str) -> None:
        try:
            db = sqlite3.connect(self._path, autocommit=True)
            self._prepare(db)
            self._address(db, recipient)
            self._count(db)
        except sqlite3.Error as err:
            raise OutboxError(
                Phrase(
                    "file_unusable",
                    "{file} cannot be used: {reason}",
                    file=self._path.name,
                    reason=reason_of(err),
                )
            ) from err
        self._db = db

    def _prepare(self, db: sqlite3.Connection) -> None:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version not in {0, FORMAT}:
            db.close()
            raise OutboxError(
                Phrase(
                    "file_other_version",
                    "{file} was written by another version (format {version})",
                    file=self._path.name,
                    version=str(version),
                )
            )
        if version == 0:
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        if version == 0:
            db.executescript(f"BEGIN;{_TABLES}PRAGMA user_version = {FORMAT};COMMIT;")

    def _address(self, db: sqlite3.Connection, recipient: str) -> None:
        if db.execute("SELECT name FROM recipient").fetchone() == (recipient,):
            return
        with transaction(db):
            db.execute("DELETE FROM message")
            db.execute("DELETE FROM recipient")
            db.execute("INSERT INTO recipient VALUES (?)", (recipient,))

    def _count(self, db: sqlite3.Connection) -> None:
        (self.count,) = db.execute("SELECT COUNT(*) FROM message").fetchone()
        found = db.execute(
            "SELECT value FROM figure WHERE name = ?", (_DROPPED,)
        ).fetchone()
        self.dropped = 0 if found is None else found[0]

    def _close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _append(self, messages: Sequence[Outgoing]) -> None:
        db = self._opened()
        with transaction(db):
            db.executemany(
                "INSERT INTO message (topic, data, retain) VALUES (?, ?, ?)",
                (
                    (
                        item.topic,
                        None if item.data is None else json_text(item.data),
                        item.retain,
                    )
                    for item in messages
                ),
            )
            excess = max(0, self.count + len(messages) - self._most)
            if excess:
                db.execute(
                    "DELETE FROM message WHERE id IN "
                    "(SELECT id FROM message ORDER BY id LIMIT ?)",
                    (excess,),
                )
                db.execute(
                    "REPLACE INTO figure VALUES (?, ?)",
                    (_DROPPED, self.dropped + excess),
                )
        self.count += len(messages) - excess
        self.dropped += excess

    def _oldest(self, most: int) -> list[Stored]:
        rows = self._opened().execute(
            "SELECT id, topic, data, retain FROM message ORDER BY id LIMIT ?", (most,)
        )
        return [
            Stored(
                number,
                Outgoing(
                    topic=topic,
                    data=None if data is None else json.loads(data),
                    retain=bool(retain),
                ),
            )
            for number, topic, data, retain in rows
        ]

    def _confirm(self, last: int) -> None:
        db = self._opened()
        with transaction(db):
            gone = db.execute("DELETE FROM message WHERE id <= ?", (last,)).rowcount
        self.count -= gone
        if self.count == 0:
            db.execute("PRAGMA incremental_vacuum").fetchall()

    def _numbers(self) -> dict[str, int]:
        return dict(self._opened().execute("SELECT subject, value FROM number"))

    def _keep_numbers(self, numbers: Mapping[str, int]) -> None:
        db = self._opened()
        with transaction(db):
            db.executemany("REPLACE INTO number VALUES (?, ?)", numbers.items())

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            raise OutboxError(Phrase("store_closed", "the store is not open"))
        return self._db

    async def _run[T](self, job: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, job)
        except (sqlite3.Error, OSError, ValueError) as err:
            raise OutboxError(reason_of(err)) from err
