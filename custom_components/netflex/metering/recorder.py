"""The newest seconds of the waveform, and recordings cut out of them."""

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
import threading
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..model.phrase import Phrase
from .s1_format import S1Block, S1Format

LONGEST: Final = 60.0
"""s that can be kept: 4.4 MB at 2600 samples per s."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recording:
    """Samples as the meter sent them, signs and all.

    `digits` has the shape (n, 7), columns as `CHANNELS`, and `steps` V or A per digit;
    `times` are s since `started` (aware), n of them, rising, with gaps where frames are
    missing. `frequency` is the mean in Hz, `rate` the mean samples per s.
    """

    format: S1Format
    started: datetime
    digits: NDArray[np.int32]
    steps: NDArray[np.float64]
    times: NDArray[np.float64]
    frequency: float
    rate: float

    @property
    def complete(self) -> bool:
        """Whether no frame is missing between the first and the last one."""
        return bool((np.diff(self.times) < 1.5 / self.rate).all())

    def samples(self) -> NDArray[np.float64]:
        """Return the samples in V and A, shape (n, 7)."""
        values: NDArray[np.float64] = self.digits * self.steps
        return values


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    end: float
    rate: float
    block: S1Block


class Recorder:
    """Keeps the newest `seconds` of samples; may be used from several threads."""

    def __init__(self, seconds: float) -> None:
        """Keep nothing yet.

        Raises:
            ValueError: More is asked for than can be kept.
        """
        if not 0 < seconds <= LONGEST:
            raise ValueError(
                Phrase(
                    "waveform_longest",
                    "At most {time} of waveform can be kept",
                    time=f"{LONGEST:.0f} s",
                )
            )
        self.seconds = seconds
        self._pieces: deque[_Piece] = deque()
        self._lock = threading.Lock()

    @property
    def newest(self) -> float:
        """When the newest sample ended, in s; 0 before the first."""
        with self._lock:
            return self._pieces[-1].end if self._pieces else 0.0

    def add(self, block: S1Block, *, end: float, rate: float) -> None:
        """Keep a block that ends at `end` in s, of `rate` samples per s."""
        with self._lock:
            self._pieces.append(_Piece(end, rate, block))
            while self._pieces[0].end < end - self.seconds:
                self._pieces.popleft()

    def cut(self, first: float, last: float, *, started: datetime) -> Recording | None:
        """Return what lies between two times in s, None where there is nothing.

        `started` is the wall clock (aware) at `first`. Where the format has changed, the
        newest one counts.
        """
        with self._lock:
            pieces = [piece for piece in self._pieces if piece.end > first]
        if not pieces:
            return None
        kind = pieces[-1].block.format
        pieces = [piece for piece in pieces if piece.block.format == kind]
        times = np.concatenate([_times(piece) for piece in pieces])
        # Half a sample of grace, so that a border does not depend on rounding.
        grace = 0.5 / pieces[-1].rate
        chosen = (times >= first - grace) & (times < last - grace)
        if not chosen.any():
            return None
        times = times[chosen]
        begin = float(times[0])
        frequency = np.concatenate([piece.block.frequency for piece in pieces])[chosen]
        digits = np.concatenate([piece.block.digits for piece in pieces])[chosen]
        return Recording(
            format=kind,
            started=started + timedelta(seconds=begin - first),
            digits=digits,
            steps=pieces[-1].block.steps,
            times=times - begin,
            frequency=float(frequency.mean()),
            rate=kind.sample_rate(float(frequency.mean())),
        )


def _times(piece: _Piece) -> NDArray[np.float64]:
    """Return when each sample of a block begins."""
    count = len(piece.block)
    times: NDArray[np.float64] = (
        piece.end - np.arange(count, 0, -1, dtype=np.float64) / piece.rate
    )
    return times
