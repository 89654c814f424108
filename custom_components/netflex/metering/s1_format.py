"""What an S1 frame looks like, as data, and what comes out of one.

Source: e-MUCS H Ed. 1.3 (26/04/2018), section 5. A later edition gets a profile of its
own beside this one; the decoder reads nothing that a profile does not say.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from ..model.connection import GridType

CHANNELS: Final = ("u1", "i1", "u2", "i2", "u3", "i3", "in")
"""Columns of a block; the neutral current last. In a delta grid u1 is U12, u2 is not
measured and u3 is U32."""
UNITS: Final = ("V", "A", "V", "A", "V", "A", "A")

_LOWEST_FREQUENCY = 40.0
_HIGHEST_FREQUENCY = 70.0
NOMINAL_FREQUENCY: Final = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A big-endian number of two's complement in a frame: where, and V or A per digit."""

    offset: int
    octets: int
    step: float


@dataclass(frozen=True, slots=True, kw_only=True)
class S1Profile:
    """One edition of the frame; offsets in octets from the opening flag."""

    name: str
    baud_rates: tuple[int, ...]
    """The rates to try, the standard's first."""
    header: bytes
    """What every frame begins with: flag, frame format, length, address, control."""
    length: int
    """Octets from flag to flag, both included."""
    checksum: tuple[int, int]
    """First octet of what the checksum covers and the first that it does not."""
    meter_id: tuple[int, int]
    info: int
    rate: int
    frequency: int
    sequence: int
    channels: tuple[Field, ...]
    """In the order of `CHANNELS`."""
    version: int
    """The format version in bits 5 to 7 of the info octet."""


EMUCS_H_1_3: Final = S1Profile(
    name="e-MUCS H 1.3",
    # The operators' brochure names 1.5 Mbit/s, the standard and a meter on a scope 2.
    baud_rates=(2_000_000, 1_500_000),
    header=bytes.fromhex("7e802bff03"),
    length=45,
    checksum=(1, 42),
    meter_id=(5, 19),
    info=19,
    rate=20,
    frequency=21,
    sequence=23,
    channels=(
        Field(offset=24, octets=2, step=0.025),
        Field(offset=26, octets=3, step=0.001),
        Field(offset=29, octets=2, step=0.025),
        Field(offset=31, octets=3, step=0.001),
        Field(offset=34, octets=2, step=0.025),
        Field(offset=36, octets=3, step=0.001),
        Field(offset=39, octets=3, step=0.001),
    ),
    version=0,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class S1Format:
    """What a meter says about its samples.

    `rate` is samples per period of the grid where `per_period`, else samples per s.
    """

    meter_id: str
    """As DIN 43863-5 writes it, 14 characters; the P1 port names the same one."""
    poly_phase: bool
    four_wire: bool
    neutral_measured: bool
    per_period: bool
    rate: int

    @property
    def grid_type(self) -> GridType:
        """The grid that the meter says it is connected to."""
        if not self.poly_phase:
            return GridType.SINGLE_PHASE
        return GridType.STAR if self.four_wire else GridType.DELTA

    def sample_rate(self, frequency: float) -> float:
        """Return samples per s at a grid frequency in Hz."""
        return self.rate * sane(frequency) if self.per_period else float(self.rate)

    def samples_per_period(self, frequency: float) -> float:
        """Return samples per period at a grid frequency in Hz."""
        return float(self.rate) if self.per_period else self.rate / sane(frequency)


def sane(frequency: float) -> float:
    """Return a frequency in Hz that can be one of a grid; a dead one shows others."""
    if _LOWEST_FREQUENCY <= frequency <= _HIGHEST_FREQUENCY:
        return frequency
    return NOMINAL_FREQUENCY


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class S1Block:
    """Consecutive samples of one format, without a gap between them.

    `digits` has the shape (n, 7), columns as `CHANNELS`; `steps` are V or A per digit,
    `frequency` is (n,) in Hz. `valid` is False where the meter says that its samples
    are not. `missing` is how many frames are missing before the first one, as far as
    the sequence number (modulo 256) and damaged frames tell.
    """

    format: S1Format
    digits: NDArray[np.int32]
    steps: NDArray[np.float64]
    frequency: NDArray[np.float64]
    mean_frequency: float
    valid: bool
    missing: int
    first_sequence: int

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.digits)

    def samples(self) -> NDArray[np.float64]:
        """Return the samples in V and A, shape (n, 7)."""
        values: NDArray[np.float64] = self.digits * self.steps
        return values


@dataclass(frozen=True, slots=True, kw_only=True)
class S1Counts:
    """What has become of a stream. Good, damaged and lost frames are those sent."""

    good: int = 0
    damaged: int = 0
    """Frames of which something came that is no good frame."""
    lost: int = 0
    """Frames missing by their sequence numbers, of which nothing came."""
    refused: int = 0
    """Undamaged frames of a format that is not known."""
    invalid: int = 0
    """Good frames whose samples the meter itself calls invalid."""
    dropped: int = 0
    """Octets that belong to no undamaged frame."""

    def __add__(self, other: Self) -> Self:
        """Return the counts of two streams together."""
        return type(self)(
            good=self.good + other.good,
            damaged=self.damaged + other.damaged,
            lost=self.lost + other.lost,
            refused=self.refused + other.refused,
            invalid=self.invalid + other.invalid,
            dropped=self.dropped + other.dropped,
        )
