"""Frames of a pushed DLMS meter out of a stream of bytes that may be damaged anywhere.

Two framings are in use at consumer interfaces: HDLC (IEC 62056-46, frame format type 3)
and the long frame of M-Bus (EN 13757-2). Which one a meter uses shows in its frames.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from .crc_x25 import GOOD_RESIDUE, residue

_LONGEST_FRAME: Final = 2049
"""Bytes of an HDLC frame, more than one of M-Bus has."""
_SLICE: Final = 2048
BUFFER_LIMIT: Final = _LONGEST_FRAME + _SLICE
"""Bytes that are held at most."""

_FLAG: Final = 0x7E
_FORMAT_TYPE: Final = 0xA0
_FORMAT_MASK: Final = 0xF0
_SEGMENTED: Final = 0x08
_LENGTH_HIGH: Final = 0x07
_LLC: Final = (b"\xe6\xe7\x00", b"\xe6\xe6\x00")
_LONGEST_ADDRESS: Final = 4

_LONG: Final = 0x68
_SHORT: Final = 0x10
_STOP: Final = 0x16
_SHORT_LENGTH: Final = 5
_LONG_HEAD: Final = 4
_LONG_REST: Final = 6
"""Bytes of a long frame beside those that its length counts."""
_LONG_USER: Final = 9
"""Where its user data begin: behind control, address, CI and the two access points."""
_SHORTEST_LONG: Final = _LONG_USER - _LONG_HEAD
_OVERFLOWN: Final = 16
"""A length below this may have lost its ninth bit: some meters send 257 as 1."""
_CI_LAST: Final = 0x10
_CI_NUMBER: Final = 0x0F


class Framing(StrEnum):
    """How a meter wraps what it pushes."""

    HDLC = "hdlc"
    MBUS = "mbus"


@dataclass(frozen=True, slots=True)
class Frame:
    """An undamaged frame; `last` says that its content ends what was begun before.

    `number` is that of the fragment, where the framing numbers them, `broken` whether
    bytes were dropped in front of it.
    """

    framing: Framing
    content: bytes
    last: bool
    number: int | None = None
    broken: bool = False


class FrameCutter:
    """Cuts frames out of bytes, in whatever pieces they come; it never raises.

    A damaged frame costs only itself, and the buffer is bounded. `dropped` counts bytes
    that belong to no good frame, `damaged` the rows of such bytes; the rest of a frame in
    whose middle the stream is joined is no damage.
    """

    def __init__(self) -> None:
        """Begin with an empty buffer."""
        self.dropped = 0
        self.damaged = 0
        self._buffer = b""
        # Whether bytes were dropped since the last good frame.
        self._hole = True

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes; return the frames that they complete, in order."""
        frames: list[Frame] = []
        for start in range(0, len(data), _SLICE):
            self._buffer += data[start : start + _SLICE]
            self._take(frames)
        return frames

    def close(self) -> None:
        """Give up what is kept: the stream has ended, another one may begin."""
        if self._buffer.strip(b"\x7e"):
            self._lose(len(self._buffer))
        self._buffer = b""
        self._hole = True

    def _take(self, frames: list[Frame]) -> None:
        buffer, place = self._buffer, 0
        while place < len(buffer):
            found = _frame_at(buffer, place)
            if found is None and len(buffer) - place <= _LONGEST_FRAME:
                # What may be a frame is kept until the rest has come.
                break
            if found is None or not found[0]:
                if buffer[place] != _FLAG or not _between(buffer, place):
                    self._lose(1)
                place += 1
                continue
            length, frame = found
            place += length
            if frame is not None:
                frames.append(replace(frame, broken=self._hole))
            self._hole = False
        self._buffer = buffer[place:]

    def _lose(self, octets: int) -> None:
        self.dropped += octets
        if not self._hole:
            self.damaged += 1
            self._hole = True


type _Found = tuple[int, Frame | None]
"""Bytes that are used, 0 where there is no frame, and the frame if it has content."""
_NOTHING: Final[_Found] = (0, None)


def _between(buffer: bytes, place: int) -> bool:
    """Whether a flag stands where frames meet: it is idle line, not damage."""
    return place + 1 == len(buffer) or buffer[place + 1] in {_FLAG, _LONG, _SHORT}


def _hdlc_at(buffer: bytes, place: int) -> _Found | None:
    first = place + 1
    if len(buffer) < first + 2:
        begins = len(buffer) == first or buffer[first] & _FORMAT_MASK == _FORMAT_TYPE
        return None if begins else _NOTHING
    if buffer[first] & _FORMAT_MASK != _FORMAT_TYPE:
        return _NOTHING
    length = (buffer[first] & _LENGTH_HIGH) << 8 | buffer[first + 1]
    end = first + length
    # Format, two addresses, control, and the checksum of the header.
    header = _behind_address(buffer, _behind_address(buffer, first + 2)) + 3
    if header > len(buffer):
        return None
    # A length that is damaged shows here, before its many bytes are waited for.
    if header > end or residue(buffer[first:header]) != GOOD_RESIDUE:
        return _NOTHING
    if end >= len(buffer):
        return None
    if buffer[end] != _FLAG or residue(buffer[first:end]) != GOOD_RESIDUE:
        return _NOTHING
    content = buffer[header : max(end - 2, header)]
    if content.startswith(_LLC):
        content = content[len(_LLC[0]) :]
    last = not buffer[first] & _SEGMENTED
    # The closing flag may open the next frame.
    return end - place, Frame(Framing.HDLC, content, last) if content else None


def _behind_address(buffer: bytes, place: int) -> int:
    """Return where an address ends: behind its first odd octet, or too far away."""
    for end in range(place, min(place + _LONGEST_ADDRESS, len(buffer))):
        if buffer[end] & 1:
            return end + 1
    return place + _LONGEST_ADDRESS


def _long_at(buffer: bytes, place: int) -> _Found | None:
    head = buffer[place : place + _LONG_HEAD]
    if len(head) < _LONG_HEAD:
        return None if len(set(head[1:3])) <= 1 else _NOTHING
    if head[1] != head[2] or head[3] != _LONG:
        return _NOTHING
    lengths = [head[1]] if head[1] >= _SHORTEST_LONG else []
    if head[1] < _OVERFLOWN:
        lengths.append(head[1] + 256)
    waits = False
    for length in lengths:
        end = place + length + _LONG_REST
        if end > len(buffer):
            waits = True
            continue
        whole = buffer[place:end]
        summed = sum(whole[_LONG_HEAD:-2]) & 0xFF
        if whole[-1] != _STOP or summed != whole[-2]:
            continue
        control = whole[6]
        frame = Frame(
            Framing.MBUS,
            whole[_LONG_USER:-2],
            last=bool(control & _CI_LAST),
            number=control & _CI_NUMBER,
        )
        return len(whole), frame
    return None if waits else _NOTHING


def _short_at(buffer: bytes, place: int) -> _Found | None:
    """Return the short frame by which a master greets the bus; it has no content."""
    whole = buffer[place : place + _SHORT_LENGTH]
    if len(whole) < _SHORT_LENGTH:
        return None
    good = whole[-1] == _STOP and (whole[1] + whole[2]) & 0xFF == whole[3]
    return (_SHORT_LENGTH, None) if good else _NOTHING


_READERS: Final = {_FLAG: _hdlc_at, _LONG: _long_at, _SHORT: _short_at}


def _frame_at(buffer: bytes, place: int) -> _Found | None:
    """Return the frame that begins at a place; None: that cannot be said yet."""
    reader = _READERS.get(buffer[place])
    return _NOTHING if reader is None else reader(buffer, place)
