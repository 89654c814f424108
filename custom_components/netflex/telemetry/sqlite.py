"""What the stores in SQLite files share."""

import sqlite3
from typing import Final

CHECKPOINT_PAGES: Final = 1000
"""Pages of the write-ahead log after which they go into the file; SQLite's default."""


class transaction:
    """One transaction: all of it or nothing."""

    def __init__(self, db: sqlite3.Connection) -> None:
        """Begin nothing yet."""
        self._db = db

    def __enter__(self) -> None:
        """Begin, and let no other writer in."""
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_exc: object) -> None:
        """Keep what was done, or take it back after an exception."""
        self._db.execute("COMMIT" if kind is None else "ROLLBACK")


def hold_file(db: sqlite3.Connection, *, hold: bool) -> None:
    """Write to the write-ahead log alone while somebody copies the files.

    The file itself then stays as it is and the log only grows: a copy of both is whole
    whenever each of them is read. Closing leaves them so.
    """
    if hold:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    db.execute(f"PRAGMA wal_autocheckpoint = {0 if hold else CHECKPOINT_PAGES}")
    db.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, hold)
