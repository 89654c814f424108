"""The S1 user port: from octets to blocks of samples.

One fixed frame per sample instant: HDLC UI frames of ISO/IEC 13239 without transparency,
with a frame check sequence of 16 bits (CRC-16/X-25). Flags occur inside frames, so
frames are found by their header and judged by closing flag and checksum, all that came
in at once: a damaged frame costs only itself.
"""

from dataclasses import dataclass, replace
from functools import cache
import itertools
import re
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .crc_x25 import BYTE_TABLE, GOOD_RESIDUE, residue
from .s1_format import EMUCS_H_1_3, S1Block, S1Counts, S1Format, S1Profile

_SLICE: Final = 65536
_FLAG: Final = 0x7E
# An UI frame to all stations, of any length.
_ANY_HEADER: Final = re.compile(rb"\x7e\x80([\x08-\xff])\xff\x03", re.DOTALL)

_SEQUENCE: Final = 256
"""Sequence numbers before they begin anew."""
_TURNS: Final = np.arange(_SLICE, dtype=np.intp).astype(np.uint8)
"""Sequence numbers in a row, more than a slice of the stream has frames."""

_POLY_PHASE: Final = 0b00001
_PER_PERIOD: Final = 0b00010
_FOUR_WIRE: Final = 0b00100
_VALID: Final = 0b01000
_NEUTRAL: Final = 0b10000
_VERSION_SHIFT: Final = 5
_RATE_STEP: Final = 100
"""Samples per s of one digit of the rate, where sampling is per second."""


@dataclass(frozen=True, slots=True, eq=False)
class _Checksums:
    """The checksum of many frames at once.

    A checksum is linear: each octet contributes, by its place, a number of its own, and
    all of them are added modulo 2 to that of a frame of zeros.
    """

    contributions: NDArray[np.uint16]
    places: NDArray[np.intp]
    zeros: int

    def of(self, content: NDArray[np.uint8], shared: int = 0) -> NDArray[np.uint16]:
        """Return the checksums of the rows of an array.

        The first `shared` octets are the same in all of them.
        """
        if not len(content):
            return np.empty(0, dtype=np.uint16)
        # Octet by octet, so that whole rows are added.
        indices = np.add(content[:, shared:].T, self.places[shared:, None], order="C")
        numbers = self.contributions.take(indices)
        checksums: NDArray[np.uint16] = np.bitwise_xor.reduce(numbers, axis=0)
        same = self.contributions.take(content[0, :shared] + self.places[:shared])
        checksums ^= np.bitwise_xor.reduce(same) ^ np.uint16(self.zeros)
        return checksums


@cache
def _checksums(length: int) -> _Checksums:
    """Return how to check frames whose checksum covers this many octets."""
    last = np.array(BYTE_TABLE, dtype=np.uint16)
    rows = [last]
    for _ in range(length - 1):
        rows.append((rows[-1] >> 8) ^ last[rows[-1] & 0xFF])
    return _Checksums(
        np.concatenate(rows[::-1]),
        np.arange(length, dtype=np.intp) * 256,
        residue(bytes(length)) ^ 0xFFFF,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Numbers:
    """How the octets of a frame become its numbers: four octets each, then a shift.

    The frequency first, then the channels.
    """

    octets: NDArray[np.intp]
    """Little-endian: a number's own octets are the highest of its four."""
    shifts: NDArray[np.int32]

    def of(self, frames: NDArray[np.uint8]) -> NDArray[np.int32]:
        """Return the frequencies in mHz and the digits of the channels, (n, 8)."""
        numbers: NDArray[np.int32] = (
            frames.take(self.octets, axis=1).view("<i4") >> self.shifts
        )
        # The only one without a sign.
        numbers[:, 0] &= 0xFFFF
        return numbers


def _numbers(profile: S1Profile) -> _Numbers:
    fields = [(profile.frequency, 2)]
    fields += [(channel.offset, channel.octets) for channel in profile.channels]
    octets: list[int] = []
    for offset, width in fields:
        own = range(offset + width - 1, offset - 1, -1)
        octets += [offset] * (4 - width) + [*own]
    shifts = [32 - 8 * width for _, width in fields]
    return _Numbers(np.array(octets, dtype=np.intp), np.array(shifts, dtype=np.int32))


class S1Framer:
    """Cuts frames out of octets, in whatever pieces they come; it never raises.

    What it keeps between two pieces is shorter than a frame.
    """

    def __init__(self, profile: S1Profile = EMUCS_H_1_3) -> None:
        """Begin with an empty buffer."""
        self._profile = profile
        self._checksums = _checksums(profile.checksum[1] - profile.checksum[0])
        self._numbers = _numbers(profile)
        self._steps = np.array([channel.step for channel in profile.channels])
        self._format: tuple[bytes, S1Format] | None = None
        self._counts = S1Counts()
        self._tail = b""
        self._last: int | None = None
        # Octets, and headers in them, since the last undamaged frame.
        self._hole = 0
        self._hole_headers = 0

    @property
    def counts(self) -> S1Counts:
        """What has become of the stream so far."""
        damaged = self._damaged(self._hole, self._hole_headers)
        return self._counts + S1Counts(damaged=damaged)

    def feed(self, data: bytes) -> list[S1Block]:
        """Take octets; return the blocks that they complete, in order."""
        blocks: list[S1Block] = []
        for start in range(0, len(data), _SLICE):
            blocks += self._take(self._tail + data[start : start + _SLICE])
        return blocks

    def close(self) -> None:
        """Give up what is kept: the stream has ended, another one may begin."""
        headers = int(self._tail.startswith(self._profile.header))
        self._drop(len(self._tail), headers)
        self._counts = self.counts
        self._tail = b""
        self._last = None
        self._hole = self._hole_headers = 0

    def _take(self, buffer: bytes) -> list[S1Block]:
        header, length = self._profile.header, self._profile.length
        if (row := self._row(buffer)) is not None:
            self._tail = buffer[len(row) * length :]
            return self._decode_row(row)
        headers, begins, frames = self._find(buffer)
        blocks: list[S1Block] = []
        end = 0
        if len(begins):
            damaged = self._fill_holes(buffer, begins, headers)
            blocks = self._decode(frames, damaged)
            end = int(begins[-1]) + length
        # What may be the beginning of a frame is kept until the rest has come.
        keep = buffer.find(header, max(len(buffer) - length + 1, end))
        if keep < 0:
            keep = max(len(buffer) - len(header) + 1, end)
        self._look_for_others(buffer[end:keep])
        self._drop(keep - end, int((headers >= end).sum()))
        self._tail = buffer[keep:]
        return blocks

    def _row(self, buffer: bytes) -> NDArray[np.uint8] | None:
        """Return undamaged frames that follow one another and all say the same.

        That is the rule; None where there is anything else in the buffer.
        """
        header, length = self._profile.header, self._profile.length
        count, rest = divmod(len(buffer), length)
        begun = buffer[len(buffer) - rest :][: len(header)]
        if (
            self._hole
            or not count
            or not buffer.startswith(header)
            or not header.startswith(begun)
        ):
            return None
        octets = np.frombuffer(buffer, dtype=np.uint8, count=count * length)
        frames = octets.reshape(count, length)
        shared = self._profile.frequency
        if (frames[:, :shared] != frames[0, :shared]).any():
            return None
        own = shared - self._profile.checksum[0]
        return frames if self._undamaged(frames, own).all() else None

    def _find(
        self, buffer: bytes
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.uint8]]:
        """Return where headers stand, where undamaged frames begin, and those frames.

        Only headers with room for a whole frame behind them count.
        """
        header, length = self._profile.header, self._profile.length
        octets = np.frombuffer(buffer, dtype=np.uint8)
        if len(octets) < length:
            nowhere = np.empty(0, dtype=np.intp)
            return nowhere, nowhere, np.empty((0, length), dtype=np.uint8)
        found = np.flatnonzero(octets[: len(buffer) - length + 1] == header[0])
        for place, octet in enumerate(header[1:], start=1):
            found = found[octets[found + place] == octet]
        frames = np.lib.stride_tricks.sliding_window_view(octets, length)[found]
        good = self._undamaged(frames)
        begins, frames = found[good], frames[good]
        if (np.diff(begins) < length).any():
            apart = _apart(begins, length)
            begins, frames = begins[apart], frames[apart]
        return found, begins, frames

    def _undamaged(
        self, frames: NDArray[np.uint8], shared: int = 0
    ) -> NDArray[np.bool_]:
        """Return which frames have a closing flag and their own checksum.

        The first `shared` octets that it covers are the same in all of them.
        """
        first, end = self._profile.checksum
        sent = np.ascontiguousarray(frames[:, end : end + 2]).view("<u2")[:, 0]
        closed = frames[:, -1] == _FLAG
        undamaged: NDArray[np.bool_] = closed & (
            self._checksums.of(frames[:, first:end], shared) == sent
        )
        return undamaged

    def _fill_holes(
        self, buffer: bytes, begins: NDArray[np.intp], headers: NDArray[np.intp]
    ) -> NDArray[np.intp]:
        """Count what lies before undamaged frames; return damaged frames by frame."""
        length = self._profile.length
        damaged = np.zeros(len(begins), dtype=np.intp)
        ends = np.concatenate(([0], begins[:-1] + length))
        holes = begins - ends
        if not holes.any() and not self._hole:
            return damaged
        for index in sorted({0, *np.flatnonzero(holes).tolist()}):
            start, end = int(ends[index]), int(begins[index])
            inside = int(((headers >= start) & (headers < end)).sum())
            self._look_for_others(buffer[start:end])
            self._drop(end - start, inside)
            damaged[index] = self._close_hole()
        return damaged

    def _drop(self, octets: int, headers: int) -> None:
        self._hole += octets
        self._hole_headers += headers
        self._counts = replace(self._counts, dropped=self._counts.dropped + octets)

    def _close_hole(self) -> int:
        """Return the damaged frames since the last undamaged one, and count them."""
        damaged = self._damaged(self._hole, self._hole_headers)
        self._counts = replace(self._counts, damaged=self._counts.damaged + damaged)
        self._hole = self._hole_headers = 0
        return damaged

    def _damaged(self, octets: int, headers: int) -> int:
        """Return how many frames a hole is: those begun in it, those it has room for."""
        length = self._profile.length
        return max(min(headers, -(-octets // length)), octets // length)

    def _look_for_others(self, octets: bytes) -> None:
        """Count an undamaged frame of another length, one a time: it is evidence."""
        for match in _ANY_HEADER.finditer(octets):
            content = octets[match.start() + 1 : match.start() + 1 + match[1][0]]
            if len(content) + 2 == self._profile.length:
                continue
            if residue(content) == GOOD_RESIDUE:
                refused = self._counts.refused + 1
                self._counts = replace(self._counts, refused=refused)
                return

    def _decode_row(self, frames: NDArray[np.uint8]) -> list[S1Block]:
        """Turn frames that follow one another and say the same into blocks."""
        profile = self._profile
        first = frames[0]
        begin = int(first[profile.sequence])
        due = begin if self._last is None else (self._last + 1) % _SEQUENCE
        expected = _TURNS[begin : begin + len(frames)]
        if (
            begin != due
            or first[profile.info] >> _VERSION_SHIFT != profile.version
            or not first[profile.rate]
            or (frames[:, profile.sequence] != expected).any()
        ):
            return self._decode(frames, np.zeros(len(frames), dtype=np.intp))
        self._last = int(expected[-1])
        invalid = 0 if first[profile.info] & _VALID else len(frames)
        self._counts += S1Counts(good=len(frames), invalid=invalid)
        return [self._block(frames, 0)]

    def _decode(
        self, frames: NDArray[np.uint8], damaged: NDArray[np.intp]
    ) -> list[S1Block]:
        """Turn undamaged frames into blocks, one per format and unbroken sequence."""
        profile = self._profile
        known = (frames[:, profile.info] >> _VERSION_SHIFT) == profile.version
        known &= frames[:, profile.rate] > 0
        if not known.all():
            self._counts += S1Counts(refused=int((~known).sum()))
            frames, damaged = frames[known], damaged[known]
            if not len(frames):
                return []
        sequence = frames[:, profile.sequence].astype(np.intp)
        before = np.empty_like(sequence)
        before[0] = sequence[0] - 1 if self._last is None else self._last
        before[1:] = sequence[:-1]
        missing = (sequence - before - 1) % _SEQUENCE
        if damaged.any():
            # The length of a row of damaged frames tells how often the number wrapped.
            wraps = np.rint((damaged - missing) / _SEQUENCE).astype(np.intp)
            missing += _SEQUENCE * np.maximum(wraps, 0)
        self._last = int(sequence[-1])
        valid = frames[:, profile.info] & _VALID
        self._counts += S1Counts(
            good=len(frames),
            lost=int(np.maximum(missing - damaged, 0).sum()),
            invalid=len(frames) - int(np.count_nonzero(valid)),
        )
        described = frames[:, profile.meter_id[0] : profile.rate + 1]
        changed = missing > 0
        if not (described == described[0]).all():
            changed[1:] |= (described[1:] != described[:-1]).any(axis=1)
        changed[0] = True
        edges = [*np.flatnonzero(changed).tolist(), len(frames)]
        return [
            self._block(frames[start:end], int(missing[start]))
            for start, end in itertools.pairwise(edges)
        ]

    def _block(self, frames: NDArray[np.uint8], missing: int) -> S1Block:
        profile = self._profile
        first = frames[0]
        numbers = self._numbers.of(frames)
        frequency = numbers[:, 0] / 1000.0
        return S1Block(
            format=self._format_of(first[profile.meter_id[0] : profile.rate + 1]),
            digits=np.ascontiguousarray(numbers[:, 1:]),
            steps=self._steps,
            frequency=frequency,
            mean_frequency=float(np.add.reduce(frequency)) / len(frequency),
            valid=bool(first[profile.info] & _VALID),
            missing=missing,
            first_sequence=int(first[profile.sequence]),
        )

    def _format_of(self, described: NDArray[np.uint8]) -> S1Format:
        key = described.tobytes()
        if self._format is None or self._format[0] != key:
            profile = self._profile
            begin, end = profile.meter_id
            info, rate = key[profile.info - begin], key[profile.rate - begin]
            per_period = bool(info & _PER_PERIOD)
            name = key[: end - begin].decode("ascii", "replace").strip("\0 ")
            found = S1Format(
                meter_id=name,
                poly_phase=bool(info & _POLY_PHASE),
                four_wire=bool(info & _FOUR_WIRE),
                neutral_measured=bool(info & _NEUTRAL),
                per_period=per_period,
                rate=rate if per_period else rate * _RATE_STEP,
            )
            self._format = (key, found)
        return self._format[1]


def _apart(begins: NDArray[np.intp], length: int) -> list[int]:
    """Return the indices of frames that do not begin inside the one before."""
    kept: list[int] = []
    end = 0
    for index, begin in enumerate(begins.tolist()):
        if begin >= end:
            kept.append(index)
            end = begin + length
    return kept
