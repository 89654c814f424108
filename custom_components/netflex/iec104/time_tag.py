"""CP56Time2a, the seven-octet time of IEC 60870-5-4, and what it means in UTC.

The wire carries a wall clock without a zone: whether that clock is UTC or local
time with the summer-time flag is a matter of agreement, so a policy decides.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
import struct
from typing import Final, Self

CP56_SIZE: Final = 7
CENTURY: Final = 2000
_CP56 = struct.Struct("<HBBBBB")


def utc_now() -> datetime:
    """Return the host's clock in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeTag:
    """A CP56Time2a as it stands on the wire; may hold an impossible date.

    `milliseconds` counts within the minute (0..59999), `year` is 0..99 of this
    century, `day_of_week` 1 (Monday)..7, 0 when not used. `invalid` is IV,
    `summer_time` is SU, `substituted` is the minute octet's reserved bit.
    """

    milliseconds: int
    minute: int
    hour: int
    day: int
    month: int
    year: int
    day_of_week: int = 0
    invalid: bool = False
    summer_time: bool = False
    substituted: bool = False

    @classmethod
    def decode(cls, buffer: bytes, offset: int = 0) -> Self:
        """Read seven octets; reserved bits are dropped, nothing is checked."""
        milliseconds, minute, hour, day, month, year = _CP56.unpack_from(buffer, offset)
        return cls(
            milliseconds=milliseconds,
            minute=minute & 0x3F,
            hour=hour & 0x1F,
            day=day & 0x1F,
            month=month & 0x0F,
            year=year & 0x7F,
            day_of_week=day >> 5,
            invalid=bool(minute & 0x80),
            summer_time=bool(hour & 0x80),
            substituted=bool(minute & 0x40),
        )

    def encode(self) -> bytes:
        """Return the seven octets; ValueError when a field does not fit its bits."""
        if not (
            0 <= self.minute <= 0x3F
            and 0 <= self.hour <= 0x1F
            and 0 <= self.day <= 0x1F
            and 0 <= self.month <= 0x0F
            and 0 <= self.year <= 0x7F
            and 0 <= self.day_of_week <= 7
            and 0 <= self.milliseconds <= 0xFFFF
        ):
            raise ValueError(f"a field does not fit CP56Time2a: {self}")
        return _CP56.pack(
            self.milliseconds,
            self.minute | self.substituted << 6 | self.invalid << 7,
            self.hour | self.summer_time << 7,
            self.day | self.day_of_week << 5,
            self.month,
            self.year,
        )

    @classmethod
    def from_wall_clock(cls, wall: datetime, *, summer_time: bool = False) -> Self:
        """Tag a wall clock reading; fractions of a millisecond are cut off."""
        return cls(
            milliseconds=wall.second * 1000 + wall.microsecond // 1000,
            minute=wall.minute,
            hour=wall.hour,
            day=wall.day,
            month=wall.month,
            year=wall.year % 100,
            day_of_week=wall.isoweekday(),
            summer_time=summer_time,
        )

    def wall_clock(self) -> datetime:
        """Return the naive wall clock; ValueError for a date that cannot be."""
        if self.milliseconds > 59_999 or self.year > 99:
            raise ValueError(f"impossible time: {self}")
        second, millisecond = divmod(self.milliseconds, 1000)
        return datetime(
            CENTURY + self.year,
            self.month,
            self.day,
            self.hour,
            self.minute,
            second,
            millisecond * 1000,
        )


class TimeZoneMode(StrEnum):
    """Which clock the time tags of both directions show."""

    UTC = "utc"
    LOCAL = "local"
    AUTO = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeZonePolicy:
    """How time tags are read and written.

    UTC: both directions are UTC, SU is never set and is ignored when received.
    LOCAL: wall clock of `zone`. In the repeated hour SU means its first pass; without
    SU it is the pass that is nearest to our own clock, because peers are known that
    never set it, and an order of theirs would be refused for its age.
    AUTO: writes UTC; reads as UTC, as local time, or as local time that never
    changes to summer time, whichever is nearest to our own clock.
    """

    mode: TimeZoneMode = TimeZoneMode.UTC
    zone: tzinfo = UTC

    def tag(self, moment: datetime) -> TimeTag:
        """Return the time tag of an aware `moment`."""
        wall, summer_time = self._wall_clock(moment)
        return TimeTag.from_wall_clock(wall, summer_time=summer_time)

    def octets(self, moment: datetime) -> bytes:
        """Return the seven octets of `tag(moment)`, without making the tag."""
        wall, summer_time = self._wall_clock(moment)
        return _CP56.pack(
            wall.second * 1000 + wall.microsecond // 1000,
            wall.minute,
            wall.hour | summer_time << 7,
            wall.day | wall.isoweekday() << 5,
            wall.month,
            wall.year % 100,
        )

    def _wall_clock(self, moment: datetime) -> tuple[datetime, bool]:
        if self.mode is not TimeZoneMode.LOCAL:
            return moment.astimezone(UTC), False
        wall = moment.astimezone(self.zone)
        return wall, bool(wall.dst())

    def moment(self, tag: TimeTag, reference: datetime) -> datetime:
        """Return what `tag` means, in UTC; `reference` is our own clock (aware).

        Raises ValueError for an impossible date. The invalid bit is the caller's.
        """
        wall = tag.wall_clock()
        if self.mode is TimeZoneMode.UTC:
            return wall.replace(tzinfo=UTC)
        passes = [
            wall.replace(tzinfo=self.zone, fold=fold)
            for fold in ((0,) if tag.summer_time else (1, 0))
        ]
        readings = [local.astimezone(UTC) for local in passes]
        if self.mode is TimeZoneMode.AUTO:
            local = passes[0]
            standard = (local.utcoffset() or timedelta()) - (local.dst() or timedelta())
            readings.insert(0, wall.replace(tzinfo=UTC))
            readings.append((wall - standard).replace(tzinfo=UTC))
        return min(readings, key=lambda reading: abs(reading - reference))
