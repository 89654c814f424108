"""Scenarios: what a site knew, line by line, for the decision to be run over it again.

A scenario is a text file in UTF-8, one JSON object per line (JSON Lines). Empty lines
and lines that begin with `#` are skipped. This is its schema, version 1; whatever is
not named here, is missing, or has another type is refused with its line.

The first line is the head:

    format    "netflex-replay"
    version   1
    start     UTC of `t` 0, ISO 8601 with its offset
    site      the site: `SiteModel` (model/snapshot.py); powers W, currents A
    repeat    optional, s: between two lines the decision is run this often, with the
              last line's readings and answers as if they had come anew; without it,
              it is run once per line, as recorded

Every further line is one moment. `t` is required and rises from line to line; of the
rest a line names what changed, and everything else stays as it was:

    t             monotonic s
    anew          optional: true forgets everything that was known before
    utc           optional: UTC, where it is not `start` plus `t`
    meter         optional: the meter's own time
    synchronised  optional: false while the clock is not to be relied on
    site          a changed site
    orders        all orders in force, by their Netflex names (`GridOrders`): an object
                  `{"value": 50, "source": "operator", "at": "2026-01-15T12:00:00Z"}`,
                  or its value alone, which is then an order of the operator now;
                  `{}` is none
    local_stops   `{"production": ["button"], "consumption": []}`
    reading       the connection point's meter (`MeterReading`), null while there is
                  none; `meter_id` and `received` may be left out (now)
    states        by asset id (`AssetState`); null forgets one; `asset_id`,
                  `available` (true) and `at` (now) may be left out
    feeder_readings  the feeders' own meters by the id of the feeder; null forgets one
    user          by asset id (`UserLimits`); null forgets one
    quarter       the running quarter hour (`QuarterDemand`), or null
    overloads     the fast alarms of lines (list of `Overload`)
    islanded      whether the house lives on its own
    remote        by asset id what sources outside ask (list of `RemoteCommand`); null
                  forgets those of one
    market        prices and imbalance (`Market`), `{}` is nothing known
    dispatches    all dispatch commands that are known (list of `DispatchCommand`)
    frequency     the grid's (`GridFrequency`), or null; `received` may be left out (now)
    holidays      list of days
    entity_windows  by entity: when it is on (list of `Window`); null forgets one

`states`, `feeder_readings`, `user`, `remote` and `entity_windows` name only what changed.
Signs and units are those of the model: W, A, Wh and s, consumption and import positive.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
import json
from types import MappingProxyType
from typing import Any, Final

from ..model.asset import AssetState
from ..model.demand import QuarterDemand
from ..model.dispatch import DispatchCommand
from ..model.failure import reason_of
from ..model.market import GridFrequency, Market
from ..model.orders import NO_ORDERS, GridOrders, LocalStops, OrderSource
from ..model.phrase import Phrase
from ..model.power_quality import Overload
from ..model.reading import MeterReading
from ..model.remote import RemoteCommand
from ..model.schedule import Holidays, Window
from ..model.snapshot import Clock, SiteModel, Snapshot, UserLimits
from .codec import NO_OBJECT, CodecError, decode, encode, must_be, not_known

FORMAT: Final = "netflex-replay"
VERSION: Final = 1

_MOMENT: Final = frozenset(
    {
        "t",
        "anew",
        "utc",
        "meter",
        "synchronised",
        "site",
        "orders",
        "local_stops",
        "reading",
        "states",
        "user",
        "quarter",
        "overloads",
        "feeder_readings",
        "islanded",
        "remote",
        "market",
        "dispatches",
        "frequency",
        "holidays",
        "entity_windows",
    }
)


class ScenarioError(ValueError):
    """A scenario that cannot be used: its line, its place, and what is wrong."""

    def __init__(self, line: int, problem: str) -> None:
        """Name the line, counted from 1."""
        self.line = line
        super().__init__(
            Phrase(
                "table_line", "line {line}: {problem}", line=str(line), problem=problem
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The first line."""

    format: str
    version: int
    start: datetime
    site: SiteModel
    repeat: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What was known at one line, and what the decision is run with."""

    line: int
    site: SiteModel
    snapshot: Snapshot
    clock: Clock


@dataclass(slots=True)
class _Known:
    """What the lines so far add up to."""

    head: Head
    site: SiteModel
    snapshot: Snapshot = field(default_factory=Snapshot)
    at: float | None = None
    meter: datetime | None = None
    synchronised: bool = True


def open_scenario(
    lines: Iterable[str], changes: Mapping[str, str] | None = None
) -> tuple[Head, Iterator[Moment]]:
    """Return the head of a scenario and its moments, which are read as they are asked.

    ScenarioError says what is wrong, also while the moments are read. `changes` are
    values by their place in the site (`connection.main_fuse`,
    `assets.car.maximum_current`), put in place of what the scenario says.
    """
    numbered = _numbered(lines)
    for number, text in numbered:
        try:
            head = _head(_object(text), changes or {})
        except CodecError as err:
            raise ScenarioError(number, reason_of(err)) from err
        return head, _moments(head, numbered, changes or {})
    raise ScenarioError(1, Phrase("scenario_no_head", "there is no head"))


def _numbered(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    for number, text in enumerate(lines, 1):
        if text.strip() and not text.startswith("#"):
            yield number, text


def _moments(
    head: Head, lines: Iterator[tuple[int, str]], changes: Mapping[str, str]
) -> Iterator[Moment]:
    known = _Known(head=head, site=head.site)
    for number, text in lines:
        try:
            yield _moment(known, _object(text), number, changes)
        except CodecError as err:
            raise ScenarioError(number, reason_of(err)) from err


def _object(text: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except ValueError as err:
        raise CodecError(
            "", Phrase("scenario_no_json", "is no JSON: {reason}", reason=str(err))
        ) from err
    if not isinstance(data, dict):
        raise CodecError("", NO_OBJECT)
    return data


def _head(data: dict[str, Any], changes: Mapping[str, str]) -> Head:
    if data.get("format") != FORMAT:
        raise CodecError(
            "format",
            Phrase(
                "scenario_none",
                "must be {format}: this is no scenario",
                format=repr(FORMAT),
            ),
        )
    if data.get("version") != VERSION:
        raise CodecError("version", must_be(str(VERSION)))
    head = decode(Head, {**data, "site": _changed(data.get("site"), changes)})
    if head.repeat is not None and head.repeat <= 0:
        raise CodecError(
            "repeat", Phrase("must_be_more", "must be more than {least}", least="0")
        )
    return head


def site_of(data: Any, changes: Mapping[str, str]) -> SiteModel:
    """Return a site from its JSON, with values replaced by their place.

    Raises CodecError for what is no site.
    """
    return decode(SiteModel, _changed(data, changes), "site")


def _changed(site: Any, changes: Mapping[str, str]) -> Any:
    """Return a site's JSON with values replaced by their place."""
    for place, text in changes.items():
        if not isinstance(site, dict):
            return site
        site = json.loads(json.dumps(site))
        target = site
        *path, last = place.split(".")
        for name in path:
            target = target.setdefault(name, {})
            if not isinstance(target, dict):
                raise CodecError(
                    f"site.{place}", Phrase("does_not_exist", "does not exist")
                )
        try:
            target[last] = json.loads(text)
        except ValueError:
            target[last] = text
    return site


def _moment(
    known: _Known, data: dict[str, Any], line: int, changes: Mapping[str, str]
) -> Moment:
    if unknown := sorted(data.keys() - _MOMENT):
        names = ", ".join(sorted(_MOMENT))
        raise CodecError(unknown[0], not_known(names))
    at = decode(float, data.get("t"), "t")
    if known.at is not None and at <= known.at:
        raise CodecError(
            "t",
            Phrase("must_be_later", "must be later than {time}", time=f"{known.at:g}"),
        )
    known.at = at
    if "anew" in data and decode(bool, data["anew"], "anew"):
        known.snapshot = Snapshot()
    utc = known.head.start + timedelta(seconds=at)
    if "utc" in data:
        utc = decode(datetime, data["utc"], "utc")
    if "site" in data:
        known.site = site_of(data["site"], changes)
    if "meter" in data:
        known.meter = decode(datetime | None, data["meter"], "meter")  # type: ignore[arg-type]
    if "synchronised" in data:
        known.synchronised = decode(bool, data["synchronised"], "synchronised")
    known.snapshot = _snapshot(known.snapshot, data, at, utc)
    return Moment(
        line=line,
        site=known.site,
        snapshot=known.snapshot,
        clock=Clock(
            monotonic=at,
            utc=utc,
            meter=known.meter,
            synchronised=known.synchronised,
        ),
    )


def _snapshot(
    before: Snapshot, data: dict[str, Any], at: float, utc: datetime
) -> Snapshot:
    changed: dict[str, Any] = {}
    if "orders" in data:
        changed["orders"] = _orders(data["orders"], utc)
    if "local_stops" in data:
        changed["local_stops"] = decode(LocalStops, data["local_stops"], "local_stops")
    if "reading" in data:
        reading = data["reading"]
        if isinstance(reading, dict):
            reading = {"meter_id": "meter", "received": at, **reading}
        changed["reading"] = decode(MeterReading | None, reading, "reading")  # type: ignore[arg-type]
    if "states" in data:
        now = {"available": True, "at": at}
        changed["states"] = _merged(
            AssetState, before.states, data, "states", "asset_id", now
        )
    if "feeder_readings" in data:
        changed["feeder_readings"] = _merged(
            MeterReading,
            before.feeder_readings,
            data,
            "feeder_readings",
            "meter_id",
            {"received": at},
        )
    if "user" in data:
        changed["user"] = _merged(UserLimits, before.user, data, "user", None, {})
    if "remote" in data:
        changed["remote"] = _merged(
            tuple[RemoteCommand, ...], before.remote, data, "remote", None, {}
        )
    if "quarter" in data:
        changed["quarter"] = decode(QuarterDemand | None, data["quarter"], "quarter")  # type: ignore[arg-type]
    if "overloads" in data:
        changed["overloads"] = decode(
            tuple[Overload, ...], data["overloads"], "overloads"
        )
    if "islanded" in data:
        changed["islanded"] = decode(bool, data["islanded"], "islanded")
    if "entity_windows" in data:
        changed["entity_windows"] = _merged(
            tuple[Window, ...],
            before.entity_windows,
            data,
            "entity_windows",
            None,
            {},
        )
    if isinstance(data.get("frequency"), dict):
        data = {**data, "frequency": {"received": at, **data["frequency"]}}
    for name, kind in _AS_A_WHOLE.items():
        if name in data:
            changed[name] = decode(kind, data[name], name)
    return replace(before, **changed)


_AS_A_WHOLE: Final[Mapping[str, Any]] = {
    "market": Market,
    "dispatches": tuple[DispatchCommand, ...],
    "frequency": GridFrequency | None,
    "holidays": Holidays,
}
"""What a line names whole."""


def _orders(data: Any, utc: datetime) -> GridOrders:
    if not isinstance(data, dict):
        raise CodecError("orders", NO_OBJECT)
    full = {
        name: order
        if order is None or isinstance(order, dict)
        else {
            "value": order,
            "source": OrderSource.OPERATOR.value,
            "at": utc.isoformat(),
        }
        for name, order in data.items()
    }
    return decode(GridOrders, full, "orders") if full else NO_ORDERS


def _merged[T](
    kind: type[T],
    before: Mapping[str, T],
    data: Mapping[str, Any],
    name: str,
    id_name: str | None,
    defaults: Mapping[str, Any],
) -> Mapping[str, T]:
    """Return what is known by id after a line; `defaults` are what it may leave out."""
    given = data[name]
    if not isinstance(given, dict):
        raise CodecError(name, NO_OBJECT)
    merged = dict(before)
    for item_id, item in given.items():
        merged.pop(item_id, None)
        if item is None:
            continue
        full = item
        if isinstance(item, dict):
            own_id = {} if id_name is None else {id_name: item_id}
            full = {**own_id, **defaults, **item}
        merged[item_id] = decode(kind, full, f"{name}.{item_id}")
    return MappingProxyType(merged)


# ----------------------------------------------------------------------------- writing


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One moment as it was: the objects themselves, which never change."""

    site: SiteModel
    snapshot: Snapshot
    clock: Clock


def write_head(frame: Frame) -> str:
    """Return the first line of a scenario that begins with a frame."""
    start = frame.clock.utc - timedelta(seconds=frame.clock.monotonic)
    return _line(
        {
            "format": FORMAT,
            "version": VERSION,
            "start": start.isoformat(),
            "site": encode(frame.site),
        }
    )


def write_frame(frame: Frame, before: Frame | None) -> str:
    """Return a frame's line: what has changed since the one before, or all of it."""
    snapshot, clock = frame.snapshot, frame.clock
    old = None if before is None else before.snapshot
    data: dict[str, Any] = {"t": clock.monotonic, "utc": clock.utc.isoformat()}
    if before is None:
        data["anew"] = True
    if before is None or before.site is not frame.site:
        data["site"] = encode(frame.site)
    if before is None or before.clock.meter != clock.meter:
        data["meter"] = encode(clock.meter)
    if before is None or before.clock.synchronised is not clock.synchronised:
        data["synchronised"] = clock.synchronised
    for item in fields(Snapshot):
        new = getattr(snapshot, item.name)
        known = None if old is None else getattr(old, item.name)
        if item.name in _BY_ASSET:
            changed = _by_asset(item.name, new, known or {})
            if changed:
                data[item.name] = changed
        elif old is None or (new is not known and new != known):
            data[item.name] = encode(new)
    for name in ("reading", "frequency"):
        if isinstance(data.get(name), dict):
            data[name].setdefault("received", clock.monotonic)
    return _line(data)


_BY_ASSET: Final = frozenset(
    {"states", "feeder_readings", "user", "remote", "entity_windows"}
)


def _by_asset(
    name: str, new: Mapping[str, Any], known: Mapping[str, Any]
) -> dict[str, Any]:
    changed: dict[str, Any] = dict.fromkeys(known.keys() - new.keys())
    for asset_id, item in new.items():
        if (old := known.get(asset_id)) is not item and old != item:
            changed[asset_id] = encode(item)
            if name == "states":
                # Absent means now, which is not what it was.
                changed[asset_id]["at"] = item.at
    return changed


def _line(data: dict[str, Any]) -> str:
    return json.dumps(data, separators=(",", ":"), allow_nan=False)
