"""Days to run a back-test over: CSV, what `get_readings` answers, or the store itself.

A CSV file is UTF-8, its separator a comma, its first line a header. Lines that begin
with `#` are skipped. Columns, in any order:

    time              ISO 8601, the start of the row; without an offset it is local time
                      of the site's zone, and of an hour that comes twice the first
                      rows are the first hour
    load              W that the site uses, batteries left out; or instead of it
    grid              W at the connection point, import positive, with
    battery           W of all batteries as recorded, charging positive (0 if left out)
    production        W that generators yielded, positive; where `grid` is given it is
                      added to it (0 if left out)
    import_price      currency per MWh that an imported MWh costs, all in
    export_price      currency per MWh that an injected MWh brings, all in
    imbalance_price   currency per MWh of the settlement period
    imbalance_volume  MW of the settlement period, positive where the system is short
    minsetp maxsetp minsetap maxsetap      the grid operator's orders in %
    emergency_stop_production emergency_stop_consumption test      0 or 1
    redenp redenq     reason codes

Rows are a minute to an hour long, all alike; a row lasts until the next one, and longer
rows than the usual one are followed by a gap. An empty field is not known: without a
load the row is a gap, without a price there is none, without an order none is in force.

The JSON of `get_readings` (or of the REST view) and the store hold the same as series:
`site.power`, `site.battery_power`, `site.production`, `market.import_price`,
`market.export_price`, `market.imbalance_price`, `market.imbalance_volume` and
`orders.<name>`, as gauges; `site.power` must be there.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
import csv
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from itertools import pairwise
import json
from math import isfinite
from pathlib import Path
from typing import Any, Final

from ..model.flows import Conditions
from ..model.orders import OrderName
from .store import TelemetryStore
from .stored_flows import (
    BATTERY,
    EXPORT_PRICE,
    GRID,
    IMBALANCE_PRICE,
    IMBALANCE_VOLUME,
    IMPORT_PRICE,
    ORDERS,
    PRODUCTION,
)
from .values import Resolution, SeriesKind

_ORDERS: Final = {
    name.value: name
    for name in OrderName
    if name not in {OrderName.Q_MODE, OrderName.MINSETQ, OrderName.MAXSETQ}
}
_PRICES: Final = ("import_price", "export_price", "imbalance_price", "imbalance_volume")
_COLUMNS: Final = frozenset(
    {"time", "load", "grid", "battery", "production", *_PRICES, *_ORDERS}
)
_SERIES: Final = {
    "grid": GRID,
    "battery": BATTERY,
    "production": PRODUCTION,
    "import_price": IMPORT_PRICE,
    "export_price": EXPORT_PRICE,
    "imbalance_price": IMBALANCE_PRICE,
    "imbalance_volume": IMBALANCE_VOLUME,
    **{name: f"{ORDERS}{name}" for name in _ORDERS},
}
_SHORTEST: Final = 60.0
_LONGEST: Final = 3600.0
_SQLITE: Final = b"SQLite format 3\x00"


class DaysError(ValueError):
    """Days that cannot be used: where, and why."""


@dataclass(slots=True)
class _Row:
    at: datetime
    values: dict[str, float] = field(default_factory=dict)


def read_days(path: Path, zone: tzinfo) -> list[Conditions]:
    """Return the rows of a file in order of time, gaps included.

    Raises DaysError, OSError, and TelemetryStoreError for a store that cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(64)
    if start.startswith(_SQLITE):
        rows = _from_store(path, zone)
    elif start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        rows = _from_readings(json.loads(path.read_text(encoding="utf-8-sig")))
    else:
        with path.open(encoding="utf-8-sig", newline="") as text:
            rows = list(_from_csv(text, zone))
    return _conditions(rows)


def _from_csv(lines: Iterable[str], zone: tzinfo) -> Iterator[_Row]:
    reader = csv.DictReader(line for line in lines if not line.startswith("#"))
    names = [] if reader.fieldnames is None else [n.strip() for n in reader.fieldnames]
    reader.fieldnames = names
    if unknown := sorted(set(names) - _COLUMNS):
        raise DaysError(
            f"column {unknown[0]!r} is not known; known are "
            + ", ".join(sorted(_COLUMNS))
        )
    if "time" not in names or not {"load", "grid"} & set(names):
        raise DaysError("the columns time and load, or time and grid, are needed")
    before: datetime | None = None
    for number, given in enumerate(reader, 2):
        if None in given or None in given.values():
            raise DaysError(f"row {number}: must have {len(names)} fields")
        row = _Row(_time(given.pop("time"), number, zone, before))
        for name, text in given.items():
            if text.strip():
                row.values[name] = _number(text, name, number)
        before = row.at
        yield row


def _time(text: str, number: int, zone: tzinfo, before: datetime | None) -> datetime:
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError as err:
        raise DaysError(f"row {number}: {text!r} is no time in ISO 8601") from err
    if at.tzinfo is not None:
        return at.astimezone(UTC)
    at = at.replace(tzinfo=zone)
    utc = at.astimezone(UTC)
    if before is not None and utc <= before:
        # An hour that comes twice, the second time.
        utc = at.replace(fold=1).astimezone(UTC)
    return utc


def _number(text: str, name: str, number: int) -> float:
    try:
        value = float(text)
    except ValueError as err:
        raise DaysError(f"row {number}: {name}: {text!r} is no number") from err
    if not isfinite(value):
        raise DaysError(f"row {number}: {name}: must be a finite number")
    return value


def _from_readings(answer: Any) -> list[_Row]:
    """Return rows of an answer of `get_readings`, whether or not it is wrapped."""
    if isinstance(answer, dict) and "service_response" in answer:
        answer = answer["service_response"]
    if not isinstance(answer, dict) or _SERIES["grid"] not in answer:
        raise DaysError(f"the series {_SERIES['grid']} is missing")
    rows: dict[datetime, _Row] = {}
    try:
        for name, key in _SERIES.items():
            for reading in answer.get(key, {}).get("readings", ()):
                if reading["mean"] is not None:
                    at = datetime.fromisoformat(reading["start"]).astimezone(UTC)
                    rows.setdefault(at, _Row(at)).values[name] = float(reading["mean"])
    except (AttributeError, KeyError, TypeError, ValueError) as err:
        raise DaysError(f"this is no answer of get_readings: {err!r}") from err
    return [rows[at] for at in sorted(rows)]


def stored_days(
    store: TelemetryStore, start: int, end: int, zone: tzinfo
) -> list[Conditions]:
    """Return the rows of five minutes of an open store whose start lies in [start, end).

    Unix time in s. Raises DaysError where there are none.
    """
    return _conditions(_stored(store, start, end, zone))


def _from_store(path: Path, zone: tzinfo) -> list[_Row]:
    with TelemetryStore(path) as store:
        gauges = {s.key for s in store.series() if s.kind is SeriesKind.GAUGE}
        if _SERIES["grid"] not in gauges:
            raise DaysError(f"{path.name}: the series {_SERIES['grid']} is missing")
        return _stored(store, 0, 2**40, zone)


def _stored(store: TelemetryStore, start: int, end: int, zone: tzinfo) -> list[_Row]:
    rows: dict[int, _Row] = {}
    for name, key in _SERIES.items():
        for bucket in store.buckets(key, start, end, Resolution.FIVE_MINUTES, zone):
            if bucket.mean is not None:
                at = datetime.fromtimestamp(bucket.start, UTC)
                row = rows.setdefault(bucket.start, _Row(at))
                row.values[name] = bucket.mean
    return [rows[at] for at in sorted(rows)]


def _conditions(rows: list[_Row]) -> list[Conditions]:
    if len(rows) < 2:
        raise DaysError("at least two rows are needed")
    lengths = Counter(
        (later.at - row.at).total_seconds() for row, later in pairwise(rows)
    )
    if (least := min(lengths)) <= 0:
        late = next(b.at for a, b in pairwise(rows) if b.at <= a.at)
        raise DaysError(f"{late.isoformat()} comes after a later row, or twice")
    usual = lengths.most_common(1)[0][0]
    if least < _SHORTEST or usual > _LONGEST:
        raise DaysError(
            f"rows of {least:g} to {usual:g} s: must be from a minute to an hour"
        )
    found = []
    following: Iterable[_Row | None] = [*rows[1:], None]
    for row, later in zip(rows, following, strict=True):
        length = usual if later is None else (later.at - row.at).total_seconds()
        found.append(_condition(row, min(length, usual)))
        if length > usual:
            gap = Conditions(start=found[-1].end, seconds=length - usual, load=None)
            found.append(gap)
    return found


def _condition(row: _Row, seconds: float) -> Conditions:
    values = row.values
    production = values.get("production", 0.0)
    load = values.get("load")
    if load is None and (grid := values.get("grid")) is not None:
        load = grid - values.get("battery", 0.0) + production
    return Conditions(
        start=row.at,
        seconds=seconds,
        load=load,
        production=production,
        orders={_ORDERS[name]: values[name] for name in _ORDERS if name in values},
        **{name: values.get(name) for name in _PRICES},
    )


def with_prices(
    rows: Iterable[Conditions],
    import_price: float | None = None,
    export_price: float | None = None,
) -> list[Conditions]:
    """Return rows in which a price that is missing is one that always holds."""

    def or_always(value: float | None, always: float | None) -> float | None:
        return always if value is None else value

    return [
        replace(
            row,
            import_price=or_always(row.import_price, import_price),
            export_price=or_always(row.export_price, export_price),
        )
        for row in rows
    ]
