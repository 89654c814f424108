"""A list of points that a factory's own controller exchanges, as a profile.

The user writes one point a line: `name; direction; address; type; scale; unit`, for
example `power; read; 300; s32; 0.1; kW`. Type, scale and unit may be left out (u16, 1,
none). Some names have a meaning: `request` (write: what is asked of the controller,
needed), `accepted` (read: not 0 once it takes the request, 0 while it refuses),
`cause` (read: why it refuses), `heartbeat` (write: a counter that shows that we are
there), and those of every profile (`power` and so on). All others are shown.
"""

from dataclasses import dataclass
import json
import re
from typing import Final

from ..model.asset import Nature
from ..model.phrase import Phrase
from .natures import NATURES
from .profile_loader import ProfileFile, read_file

ACCEPTED: Final = "request_accepted"
CAUSE: Final = "refusal_cause"
PROFILE_ID: Final = "exchange_table"
LONGEST: Final = 60

_TYPES: Final = frozenset({"u16", "s16", "u32", "s32", "f32"})
_DIRECTIONS: Final = frozenset({"read", "write"})
_UNITS: Final = frozenset({"W", "kW", "A", "V", "%", "Hz", "Wh", "kWh", "s"})
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,40}")
_WRITTEN: Final = frozenset({"request", "heartbeat"})
_READ: Final = frozenset({"accepted", "cause"})


class TableError(Exception):
    """A line that cannot be used, in a user's words; `line` counts from 1."""

    def __init__(self, line: int, text: str) -> None:
        """Keep where and why."""
        super().__init__(
            Phrase("table_line", "line {line}: {problem}", line=str(line), problem=text)
            if line
            else text
        )
        self.line = line


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangePoint:
    """One point: a holding register on the wire, counted from 0."""

    name: str
    write: bool
    address: int
    type: str = "u16"
    scale: float = 1.0
    unit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeTable:
    """What a controller exchanges, and how it is spoken to.

    `deadline` s is how long it may take to accept; `heartbeat` s is the period of the
    heartbeat.
    """

    lines: tuple[str, ...]
    unit: int = 1
    deadline: float = 5.0
    heartbeat: float = 1.0


def points_of(lines: tuple[str, ...]) -> tuple[ExchangePoint, ...]:
    """Return the points of a table. Raises TableError."""
    if len(lines) > LONGEST:
        raise TableError(
            0,
            Phrase(
                "table_longest",
                "a table has {number} points at most",
                number=str(LONGEST),
            ),
        )
    points = []
    known: set[str] = set()
    for number, line in enumerate(lines, start=1):
        point = _point(number, line)
        if point.name in known:
            raise TableError(
                number, Phrase("table_twice", "{name} is there twice", name=point.name)
            )
        known.add(point.name)
        points.append(point)
    if "request" not in known:
        raise TableError(
            0, Phrase("table_request", "a table needs a point that is called request")
        )
    if "accepted" not in known and "cause" in known:
        raise TableError(
            0, Phrase("table_accepted", "a cause needs a point that is called accepted")
        )
    return tuple(points)


def _point(number: int, line: str) -> ExchangePoint:
    cells = [cell.strip() for cell in line.split(";")]
    if not 3 <= len(cells) <= 6:
        raise TableError(
            number,
            Phrase(
                "table_form",
                "it must read: name; direction; address; type; scale; unit",
            ),
        )
    name, direction, address, kind, scale, unit = [*cells, *[""] * (6 - len(cells))]
    if not _NAME.fullmatch(name):
        raise TableError(
            number,
            Phrase(
                "table_name",
                "{name} is no name: small letters, digits and _",
                name=name,
            ),
        )
    if direction not in _DIRECTIONS:
        raise TableError(
            number,
            Phrase(
                "table_direction",
                "the direction is read or write, not {direction}",
                direction=direction,
            ),
        )
    write = direction == "write"
    if (write and name not in _WRITTEN) or (not write and name in _WRITTEN):
        raise TableError(
            number,
            Phrase(
                "table_name_direction",
                "{name} cannot be of the direction {direction}",
                name=name,
                direction=direction,
            ),
        )
    if write is False and name in _READ and kind == "f32":
        raise TableError(
            number,
            Phrase("table_whole", "{name} is a whole number, not f32", name=name),
        )
    if not address.isdecimal() or not 0 <= int(address) <= 65_535:
        raise TableError(
            number,
            Phrase(
                "table_address",
                "{address} is no address from 0 to 65535",
                address=address,
            ),
        )
    if (kind or "u16") not in _TYPES:
        raise TableError(
            number,
            Phrase(
                "table_none_of",
                "{given} is none of {known}",
                given=kind,
                known=", ".join(sorted(_TYPES)),
            ),
        )
    if unit and unit not in _UNITS:
        raise TableError(
            number,
            Phrase(
                "table_none_of",
                "{given} is none of {known}",
                given=unit,
                known=", ".join(sorted(_UNITS)),
            ),
        )
    try:
        factor = float(scale or 1)
    except ValueError:
        factor = 0.0
    if not factor:
        raise TableError(
            number, Phrase("table_scale", "{scale} is no scale", scale=scale)
        )
    return ExchangePoint(
        name=name,
        write=write,
        address=int(address),
        type=kind or "u16",
        scale=factor,
        unit=unit or None,
    )


def table_profile(table: ExchangeTable, nature: Nature) -> ProfileFile:
    """Return a table as the profile of a device. Raises TableError, ProfileError."""
    points = {point.name: point for point in points_of(table.lines)}
    request = points["request"]
    place = _place(request)
    read: dict[str, object] = {"request_echo": place}
    for point in points.values():
        if point.write:
            continue
        if point.name == "accepted":
            read[ACCEPTED] = {
                "at": point.address,
                "t": point.type,
                "map": {0: False, "*": True},
            }
        else:
            key = CAUSE if point.name == "cause" else point.name
            read[key] = _place(point)
    readback: dict[str, object] = {
        "point": "request_echo",
        "within_s": table.deadline,
        "mismatch": "the controller does not take the request",
    }
    if "accepted" in points:
        readback["also"] = ACCEPTED
    control: dict[str, object] = {
        "write": [place],
        "persistence": "ram",
        "readback": readback,
    }
    if (beat := points.get("heartbeat")) is not None:
        control["heartbeat"] = {
            "at": beat.address,
            "kind": "counter",
            "every_s": table.heartbeat,
        }
    profile = {
        "schema": 1,
        "id": PROFILE_ID,
        "kind": nature.value,
        "vendor": "Exchange table",
        "models": ["a controller that accepts or refuses requests"],
        "status": "unverified",
        "revision": "2026-11-22",
        "sources": ["the user's own list of points"],
        "when_silent": "what its maker says; nothing is known here",
        "link": {"port": 502, "timeout": 3, "max_gap": 0},
        "units": {"main": table.unit},
        "polls": {"fast": 1, "slow": 10},
        "points": read,
        "controls": {NATURES[nature].control: control},
    }
    # JSON is YAML: the strict reader of profiles checks the table as it does a file.
    return read_file(json.dumps(profile, indent=1), "exchange table")


def _place(point: ExchangePoint) -> dict[str, object]:
    place: dict[str, object] = {"at": point.address, "t": point.type}
    if point.scale != 1.0:
        place["scale"] = point.scale
    if point.unit is not None:
        place["u"] = point.unit
    return place
