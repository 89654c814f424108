"""Values of DLMS as they stand in a message: A-XDR of IEC 62056-6-2 (Green Book)."""

from datetime import UTC, datetime, timedelta, timezone
import struct
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

_METERS_ZONE: Final = ZoneInfo("Europe/Brussels")
_DEEPEST: Final = 8
_MOST: Final = 1024
"""Values of one message."""

ARRAY: Final = 1
STRUCTURE: Final = 2
OCTETS: Final = 9
DATE_TIME: Final = 25
INT8: Final = 15
ENUM: Final = 22
_BITS: Final = 4
_TEXTS: Final = (10, 12)
_FIXED: Final = {
    3: "?",
    5: ">i",
    6: ">I",
    13: ">B",
    INT8: ">b",
    16: ">h",
    17: ">B",
    18: ">H",
    20: ">q",
    21: ">Q",
    ENUM: ">B",
    23: ">f",
    24: ">d",
}
_TIMES: Final = {DATE_TIME: 12, 26: 5, 27: 4}
_UNKNOWN_YEAR: Final = 0xFFFF
_NO_DEVIATION: Final = -0x8000
_SUMMER: Final = 0x80
TIME_LENGTH: Final = 12


class DlmsError(ValueError):
    """A message is not what it should be; the text says how."""


class Datum(NamedTuple):
    """One value with its tag. Arrays and structures hold data, octets stay bytes."""

    tag: int
    value: int | float | bool | str | bytes | tuple[Datum, ...] | None

    @property
    def items(self) -> tuple[Datum, ...]:
        """The members of an array or a structure, none of anything else."""
        return self.value if isinstance(self.value, tuple) else ()

    @property
    def number(self) -> float | None:
        """The value as a number, None where it is none."""
        value = self.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return value

    @property
    def text(self) -> str | None:
        """The value as text, None where it is none."""
        if isinstance(self.value, bytes):
            return self.value.decode("ascii", "replace").strip("\0 ") or None
        return self.value if isinstance(self.value, str) else None


class Octets:
    """Reads octets from the front.

    Raises:
        DlmsError: There are not so many.
    """

    def __init__(self, data: bytes) -> None:
        """Begin at the first one."""
        self._data = data
        self._place = 0

    @property
    def left(self) -> int:
        """How many are left."""
        return len(self._data) - self._place

    def take(self, count: int) -> bytes:
        """Return the next octets."""
        if count > self.left:
            raise DlmsError("The message ends too early")
        self._place += count
        return self._data[self._place - count : self._place]

    def octet(self) -> int:
        """Return the next one."""
        return self.take(1)[0]

    def peek(self) -> int | None:
        """Return the next one and leave it there, None at the end."""
        return self._data[self._place] if self.left else None

    def length(self) -> int:
        """Return a length: one octet, or how many octets it has and those."""
        first = self.octet()
        return first if first < 0x80 else int.from_bytes(self.take(first & 0x7F))


def read_data(octets: Octets) -> Datum:
    """Return the value that comes next, with all that is in it.

    Raises:
        DlmsError: It has a tag that is not known, ends too early, or is too large.
    """
    return _read(octets, 0, [_MOST])


def _read(octets: Octets, depth: int, budget: list[int]) -> Datum:
    budget[0] -= 1
    if depth > _DEEPEST or budget[0] < 0:
        raise DlmsError("The message is larger than any meter's")
    tag = octets.octet()
    if tag == 0:
        return Datum(tag, None)
    if tag in {ARRAY, STRUCTURE}:
        count = octets.length()
        if count > octets.left:
            raise DlmsError("The message ends too early")
        return Datum(tag, tuple(_read(octets, depth + 1, budget) for _ in range(count)))
    if (layout := _FIXED.get(tag)) is not None:
        return Datum(
            tag, struct.unpack(layout, octets.take(struct.calcsize(layout)))[0]
        )
    if tag == OCTETS:
        return Datum(tag, octets.take(octets.length()))
    if tag in _TEXTS:
        return Datum(tag, octets.take(octets.length()).decode("utf-8", "replace"))
    if tag == _BITS:
        return Datum(tag, octets.take(-(-octets.length() // 8)))
    if tag in _TIMES:
        return Datum(tag, octets.take(_TIMES[tag]))
    raise DlmsError(f"A value has the unknown tag {tag}")


def read_time(data: bytes) -> datetime | None:
    """Return the 12 octets of a date and time as an aware time, None: it has none.

    Where the meter does not say how far its clock is from UTC it is taken for that of
    Belgium, which is also that of its neighbours.
    """
    if len(data) != TIME_LENGTH:
        return None
    year, month, day, _, hour, minute, second, _, deviation, status = struct.unpack(
        ">HBBBBBBBhB", data
    )
    if year == _UNKNOWN_YEAR:
        return None
    try:
        local = datetime(
            year, month, day, hour, minute, 0 if second == 0xFF else second
        )
        if deviation == _NO_DEVIATION:
            fold = 0 if status & _SUMMER else 1
            return local.replace(tzinfo=_METERS_ZONE, fold=fold).astimezone(UTC)
        # DLMS counts from local time to UTC, in minutes.
        zone = timezone(timedelta(minutes=-deviation))
        return local.replace(tzinfo=zone).astimezone(UTC)
    except ValueError, OverflowError:
        return None
