"""The store of readings: one SQLite file, bounded in days and in size.

Everything here blocks and belongs to one thread; `keeper.py` owns that thread. Write-
ahead logging and one transaction for each minute: a kill -9 costs the minute that was
being written, a power cut at most those since the last checkpoint, the file never.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import tzinfo
from itertools import batched
from pathlib import Path
import sqlite3
from typing import Final, Self

from ..model.failure import reason_of
from ..model.phrase import Phrase
from .rollups import (
    between_neighbours,
    counter_buckets,
    day_edges,
    edges,
    gaps,
    gauge_buckets,
    merge,
    spans,
)
from .sqlite import hold_file, transaction
from .values import (
    STORED_RESOLUTIONS,
    Bucket,
    Gap,
    Reading,
    Resolution,
    Series,
    SeriesKind,
    TextReading,
)

FORMAT: Final = 2
"""Version of the file's tables; a newer one is refused, never guessed."""
_BEFORE_FILLING: Final = 1
"""Version without marks of what was filled in; they are added."""
_PERIOD: Final = 60
_BATCH: Final = 2000
_DAY: Final = 86400

_TABLES: Final = """
CREATE TABLE series (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, unit TEXT
);
CREATE TABLE reading (
    series INTEGER NOT NULL, at INTEGER NOT NULL, value REAL NOT NULL,
    PRIMARY KEY (series, at)
) WITHOUT ROWID;
CREATE TABLE word (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE text_reading (
    series INTEGER NOT NULL, at INTEGER NOT NULL, word INTEGER NOT NULL,
    PRIMARY KEY (series, at)
) WITHOUT ROWID;
CREATE TABLE bucket (
    series INTEGER NOT NULL, width INTEGER NOT NULL, start INTEGER NOT NULL,
    count INTEGER NOT NULL, mean REAL, minimum REAL, maximum REAL, delta REAL,
    PRIMARY KEY (series, width, start)
) WITHOUT ROWID;
"""
_FILLED: Final = """
CREATE TABLE filled (
    series INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (series, at)
) WITHOUT ROWID
"""


class TelemetryStoreError(Exception):
    """The file cannot be used; the text says why."""


class TelemetryStore:
    """One open file. Raises TelemetryStoreError where it cannot be used."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it."""
        try:
            # The keeper's one thread does everything after the first use.
            self._db = sqlite3.connect(path, autocommit=True)
            self._prepare(path)
        except sqlite3.DatabaseError as err:
            raise TelemetryStoreError(
                Phrase(
                    "file_unreadable",
                    "{file} cannot be read: {reason}",
                    file=path.name,
                    reason=reason_of(err),
                )
            ) from err
        self._path = path
        self._load()

    def _load(self) -> None:
        self._series: dict[str, tuple[int, SeriesKind]] = {
            key: (number, SeriesKind(kind))
            for number, key, kind in self._db.execute(
                "SELECT id, key, kind FROM series"
            )
        }
        self._words: dict[str, int] = {
            text: number
            for number, text in self._db.execute("SELECT id, text FROM word")
        }
        self._filled: set[int] = {
            number
            for (number,) in self._db.execute("SELECT DISTINCT series FROM filled")
        }
        """Series in which anything was filled in."""

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        try:
            with transaction(self._db):
                yield
        except Exception:
            # What was taken back is not known any more either.
            self._load()
            raise

    def _prepare(self, path: Path) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version not in {0, _BEFORE_FILLING, FORMAT}:
            self._db.close()
            raise TelemetryStoreError(
                Phrase(
                    "file_other_version",
                    "{file} was written by another version (format {version})",
                    file=path.name,
                    version=str(version),
                )
            )
        if version == 0:
            self._db.execute("PRAGMA page_size = 4096")
            self._db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        if version != FORMAT:
            with transaction(self._db):
                for statement in _TABLES.split(";") if version == 0 else ():
                    self._db.execute(statement)
                self._db.execute(_FILLED)
                self._db.execute(f"PRAGMA user_version = {FORMAT}")

    def close(self) -> None:
        """Write everything into the one file and close it."""
        self._db.close()

    def hold(self, hold: bool) -> None:
        """Leave the file as it is while a backup copies it, or no longer."""
        hold_file(self._db, hold=hold)

    def __enter__(self) -> Self:
        """Use it for a while."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Close it."""
        self.close()

    # ---------------------------------------------------------------------- writing

    def write(
        self,
        readings: Mapping[Series, Sequence[Reading]],
        texts: Mapping[Series, Sequence[TextReading]] | None = None,
    ) -> int:
        """Store what was measured in one transaction and roll it up; return how much.

        It takes the place of what was there, of what was filled in too.
        Raises ValueError for a series whose kind has changed.
        """
        written = 0
        with self._all_or_nothing():
            for series, given in readings.items():
                number = self._number(series)
                self._put(number, series.kind, given)
                if number in self._filled:
                    self._db.executemany(
                        "DELETE FROM filled WHERE series = ? AND at = ?",
                        ((number, reading.at) for reading in given),
                    )
                written += len(given)
            for series, words in (texts or {}).items():
                number = self._number(series)
                self._db.executemany(
                    "REPLACE INTO text_reading VALUES (?, ?, ?)",
                    ((number, item.at, self._word(item.text)) for item in words),
                )
                written += len(words)
        return written

    def fill(self, readings: Mapping[Series, Sequence[Reading]]) -> int:
        """Fill gaps from another source, marked as such; return how much was new.

        The readings are in order of time. What was measured stays, and a counter only
        takes what lies between its neighbours: it never falls by what was filled in.
        Raises ValueError for a series whose kind has changed.
        """
        written = 0
        with self._all_or_nothing():
            for series, given in readings.items():
                if not given:
                    continue
                number = self._number(series)
                known = self._readings(
                    number, given[0].at, given[-1].at + 1, around=True
                )
                taken = {item.at for item in known}
                new = [item for item in given if item.at not in taken]
                if series.kind is SeriesKind.COUNTER:
                    new = between_neighbours(known, new)
                self._put(number, series.kind, new)
                self._db.executemany(
                    "INSERT INTO filled VALUES (?, ?)",
                    ((number, item.at) for item in new),
                )
                if new:
                    self._filled.add(number)
                written += len(new)
        return written

    def _put(self, number: int, kind: SeriesKind, given: Sequence[Reading]) -> None:
        self._db.executemany(
            "REPLACE INTO reading VALUES (?, ?, ?)",
            ((number, reading.at, reading.value) for reading in given),
        )
        if given:
            self._roll_up(number, kind, [item.at for item in given])

    def _number(self, series: Series) -> int:
        if (known := self._series.get(series.key)) is not None:
            number, kind = known
            if kind is not series.kind:
                raise ValueError(f"{series.key} is a {kind}, not a {series.kind}")
            return number
        cursor = self._db.execute(
            "INSERT INTO series (key, kind, unit) VALUES (?, ?, ?)",
            (series.key, series.kind, series.unit),
        )
        assert cursor.lastrowid is not None
        self._series[series.key] = (cursor.lastrowid, series.kind)
        return cursor.lastrowid

    def _word(self, text: str) -> int:
        if (known := self._words.get(text)) is not None:
            return known
        cursor = self._db.execute("INSERT INTO word (text) VALUES (?)", (text,))
        assert cursor.lastrowid is not None
        self._words[text] = cursor.lastrowid
        return cursor.lastrowid

    def _roll_up(self, number: int, kind: SeriesKind, times: list[int]) -> None:
        """Sum up the buckets that new readings touch, and the counter's one before."""
        make = counter_buckets if kind is SeriesKind.COUNTER else gauge_buckets
        for width in STORED_RESOLUTIONS:
            starts = {at - at % width for at in times}
            if kind is SeriesKind.COUNTER:
                starts |= {start - width for start in starts}
            for chunk in batched(sorted(starts), _BATCH, strict=False):
                rows = self._readings(number, chunk[0], chunk[-1] + width, around=True)
                ends = [start + width for start in chunk]
                self._db.executemany(
                    "REPLACE INTO bucket VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        (
                            number,
                            int(width),
                            item.start,
                            item.count,
                            item.mean,
                            item.minimum,
                            item.maximum,
                            item.delta,
                        )
                        for item in make(rows, chunk, ends)
                    ),
                )

    # ---------------------------------------------------------------------- reading

    def series(self) -> list[Series]:
        """Return all series that were ever stored."""
        return [
            Series(key=key, kind=SeriesKind(kind), unit=unit)
            for key, kind, unit in self._db.execute(
                "SELECT key, kind, unit FROM series ORDER BY key"
            )
        ]

    def readings(self, key: str, start: int, end: int) -> list[Reading]:
        """Return the readings of a series in [start, end), oldest first."""
        if (known := self._series.get(key)) is None:
            return []
        return self._readings(known[0], start, end)

    def _readings(
        self, number: int, start: int, end: int, *, around: bool = False
    ) -> list[Reading]:
        """Return readings in order, `around` with one neighbour on either side."""
        if around:
            start = self._neighbour(number, "MAX(at)", "at < ?", start, start)
            end = self._neighbour(number, "MIN(at)", "at >= ?", end, end - 1) + 1
        rows = self._db.execute(
            "SELECT at, value FROM reading WHERE series = ? AND at >= ? AND at < ? "
            "ORDER BY at",
            (number, start, end),
        )
        return [Reading(at, value) for at, value in rows]

    def _neighbour(
        self, number: int, what: str, where: str, than: int, otherwise: int
    ) -> int:
        (found,) = self._db.execute(
            f"SELECT {what} FROM reading WHERE series = ? AND {where}",  # noqa: S608
            (number, than),
        ).fetchone()
        return otherwise if found is None else int(found)

    def texts(self, key: str, start: int, end: int) -> list[TextReading]:
        """Return the words of a series in [start, end), the one in force first."""
        if (known := self._series.get(key)) is None:
            return []
        rows = self._db.execute(
            "SELECT at, text FROM text_reading JOIN word ON word.id = word "
            "WHERE series = :s AND at < :end AND at >= COALESCE((SELECT MAX(at) "
            "FROM text_reading WHERE series = :s AND at <= :start), :start) "
            "ORDER BY at",
            {"s": known[0], "start": start, "end": end},
        )
        return [TextReading(at, text) for at, text in rows]

    def buckets(
        self, key: str, start: int, end: int, resolution: Resolution, zone: tzinfo
    ) -> list[Bucket]:
        """Return the roll-ups of a series whose start lies in [start, end).

        A bucket without readings is left out: it is absent, not zero. Days are those
        of `zone`.
        """
        if (known := self._series.get(key)) is None:
            return []
        number, kind = known
        if resolution is Resolution.MINUTE:
            make = counter_buckets if kind is SeriesKind.COUNTER else gauge_buckets
            rows = self._readings(number, start, end, around=True)
            return list(make(rows, *edges(start, end, resolution)))
        if resolution is Resolution.DAY:
            starts, ends = day_edges(start, end, zone)
            if not starts:
                return []
            hours = self._stored(number, Resolution.HOUR, starts[0], ends[-1])
            return list(merge(hours, starts, ends))
        return self._stored(number, resolution, start, end)

    def _stored(
        self, number: int, width: Resolution, start: int, end: int
    ) -> list[Bucket]:
        rows = self._db.execute(
            "SELECT start, count, mean, minimum, maximum, delta FROM bucket "
            "WHERE series = ? AND width = ? AND start >= ? AND start < ? ORDER BY start",
            (number, int(width), start, end),
        )
        return [
            Bucket(
                start=at, count=count, mean=mean, minimum=low, maximum=high, delta=delta
            )
            for at, count, mean, low, high, delta in rows
        ]

    def gaps(self, key: str, start: int, end: int, period: int = _PERIOD) -> list[Gap]:
        """Return the times in [start, end) in which readings of a series are missing."""
        if (known := self._series.get(key)) is None:
            return [Gap(start=start, end=end)] if end > start else []
        rows = self._db.execute(
            "SELECT at FROM reading WHERE series = ? AND at >= ? AND at < ? ORDER BY at",
            (known[0], start, end),
        )
        return gaps((at for (at,) in rows), start, end, period)

    def first(self, key: str) -> int | None:
        """Return the Unix time of the oldest reading of a series, None without any."""
        if (known := self._series.get(key)) is None:
            return None
        (at,) = self._db.execute(
            "SELECT MIN(at) FROM reading WHERE series = ?", (known[0],)
        ).fetchone()
        return None if at is None else int(at)

    def filled(self, key: str, start: int, end: int) -> list[Gap]:
        """Return the times in [start, end) that were gaps and were filled in."""
        if (known := self._series.get(key)) is None or known[0] not in self._filled:
            return []
        rows = self._db.execute(
            "SELECT at FROM filled WHERE series = ? AND at >= ? AND at < ? ORDER BY at",
            (known[0], start, end),
        )
        return spans((at for (at,) in rows), _PERIOD)

    # ---------------------------------------------------------------------- bounding

    @property
    def size(self) -> int:
        """Bytes of the file, without what is free in it."""
        (pages,) = self._db.execute("PRAGMA page_count").fetchone()
        (free,) = self._db.execute("PRAGMA freelist_count").fetchone()
        (width,) = self._db.execute("PRAGMA page_size").fetchone()
        return int((pages - free) * width)

    def prune(self, now: int, days: int, megabytes: float) -> int:
        """Forget readings older than `days`, and more where the file is too large.

        Roll-ups stay twelve times as long as readings, unless the file is too large
        with the readings of one day only. Returns the Unix time from which there are
        readings.
        """
        oldest = now - days * _DAY
        self._forget(oldest, now - 12 * days * _DAY)
        while self.size > megabytes * 1e6 and oldest < now - _DAY:
            # Halving what is left comes to an end.
            oldest = now - max(_DAY, (now - oldest) // 2)
            self._forget(oldest, now - 12 * (now - oldest))
        if self.size > megabytes * 1e6:
            self._forget(oldest, oldest)
        self._db.execute("PRAGMA incremental_vacuum").fetchall()
        return oldest

    def _forget(self, readings: int, buckets: int) -> None:
        with transaction(self._db):
            for number in [number for number, _ in self._series.values()]:
                for table in ("reading", "filled"):
                    self._db.execute(
                        f"DELETE FROM {table} WHERE series = ? AND at < ?",  # noqa: S608
                        (number, readings),
                    )
                # The word in force at the edge stays.
                self._db.execute(
                    "DELETE FROM text_reading WHERE series = :s AND at < (SELECT MAX(at)"
                    " FROM text_reading WHERE series = :s AND at <= :at)",
                    {"s": number, "at": readings},
                )
                for width in STORED_RESOLUTIONS:
                    self._db.execute(
                        "DELETE FROM bucket WHERE series = ? AND width = ? AND start < ?",
                        (number, int(width), buckets),
                    )

    def erase(self, keys: Iterable[str]) -> None:
        """Forget series altogether."""
        with transaction(self._db):
            for key in keys:
                if (known := self._series.pop(key, None)) is None:
                    continue
                for table in ("reading", "filled", "text_reading", "bucket"):
                    self._db.execute(
                        f"DELETE FROM {table} WHERE series = ?",  # noqa: S608
                        (known[0],),
                    )
                self._db.execute("DELETE FROM series WHERE id = ?", (known[0],))
                self._filled.discard(known[0])
        self._db.execute("PRAGMA incremental_vacuum").fetchall()
