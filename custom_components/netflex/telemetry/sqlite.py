"""What the stores in SQLite files share."""

import sqlite3


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
