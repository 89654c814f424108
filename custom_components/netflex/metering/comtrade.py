"""Recordings as COMTRADE files (IEEE C37.111-1999, IEC 60255-24:2013).

Two files: a configuration (.cfg) in text and the samples (.dat) in binary. The edition of
1999 has 16 bits a sample, so large currents lose digits; that of 2013 has 32 and keeps
all of them. Times are UTC.
"""

from datetime import UTC, datetime
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .recorder import Recording
from .s1_format import CHANNELS, NOMINAL_FREQUENCY, UNITS

_PHASES: Final = ("A", "A", "B", "B", "C", "C", "N")
_MICROSECOND: Final = 1e-6


class Edition(IntEnum):
    """The revision year that the files name."""

    Y1999 = 1999
    Y2013 = 2013

    @property
    def largest(self) -> int:
        """The largest sample; the smallest number marks a missing one."""
        return 2**15 - 1 if self is Edition.Y1999 else 2**31 - 1


def to_comtrade(
    recording: Recording, *, station: str, edition: Edition = Edition.Y2013
) -> tuple[str, bytes]:
    """Return the content of the configuration and of the data file.

    `station` names the place; commas and line ends in it are left out. Where frames are
    missing the rate is given as unknown and the time stamps of the samples count.
    """
    coarseness = _coarseness(recording.digits, edition.largest)
    digits = np.rint(recording.digits / coarseness).astype(np.int32)
    steps = recording.steps * coarseness
    lines = [
        f"{_plain(station)},S1,{edition.value}",
        f"{len(CHANNELS)},{len(CHANNELS)}A,0D",
    ]
    for column, (name, unit, phase) in enumerate(
        zip(CHANNELS, UNITS, _PHASES, strict=True)
    ):
        lines.append(
            f"{column + 1},{name.upper()},{phase},,{unit},{steps[column]:.9g},0,0,"
            f"{-edition.largest},{edition.largest},1,1,P"
        )
    count = len(digits)
    lines.append(f"{NOMINAL_FREQUENCY:g}")
    if recording.complete:
        lines += ["1", f"{recording.rate:.6f},{count}"]
    else:
        lines += ["0", f"0,{count}"]
    # When the first sample was taken, and the trigger: there is none but the user.
    lines += [_stamp(recording.started)] * 2
    lines += ["BINARY" if edition is Edition.Y1999 else "BINARY32", "1"]
    if edition is Edition.Y2013:
        # UTC, no local time; reliable to a second; leap seconds are not known of.
        lines += ["0,x", "A,3"]
    return "\r\n".join([*lines, ""]), _data(recording, digits, edition)


def _coarseness(digits: NDArray[np.int32], largest: int) -> NDArray[np.float64]:
    """Return how many digits of the meter one of the file is worth, by channel."""
    highest = np.abs(digits.astype(np.int64)).max(axis=0)
    ratio: NDArray[np.float64] = np.maximum(highest / largest, 1.0)
    return ratio


def _data(recording: Recording, digits: NDArray[np.int32], edition: Edition) -> bytes:
    """Return the samples: number, time in us, and the channels, little endian."""
    number = "<i2" if edition is Edition.Y1999 else "<i4"
    rows = np.empty(
        len(digits),
        dtype=[("n", "<u4"), ("time", "<u4"), ("values", number, (len(CHANNELS),))],
    )
    rows["n"] = np.arange(1, len(digits) + 1)
    rows["time"] = np.rint(recording.times / _MICROSECOND)
    rows["values"] = digits
    return rows.tobytes()


def _stamp(time: datetime) -> str:
    """Return a time as the standard writes it."""
    return f"{time.astimezone(UTC):%d/%m/%Y,%H:%M:%S.%f}"


def _plain(text: str) -> str:
    """Return a text that fits a field: printable ASCII, 64 characters, no comma."""
    plain = "".join(
        character for character in text if " " <= character <= "~" and character != ","
    )
    return plain[:64].strip() or "netflex"
