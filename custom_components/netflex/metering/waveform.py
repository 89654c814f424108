"""From the channels of a meter to the lines of the grid that it is connected to."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..model.connection import GridType, Line

NOMINAL_SIGNS: Final = (1, 1, 1, 1)
"""Of the currents I1, I2, I3 and IN, as the meter gives them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """How the channels of a meter are read.

    `signs` turn currents round: import has to come out positive (see `s1_signs`). No
    public text says which direction S1 counts.
    """

    grid_type: GridType
    signs: tuple[int, int, int, int] = NOMINAL_SIGNS
    neutral_measured: bool = False

    @property
    def lines(self) -> tuple[Line, ...]:
        """The lines that have samples."""
        return self.grid_type.lines

    @property
    def metered(self) -> NDArray[np.float64]:
        """1 for each line whose voltage times current is power, else 0."""
        if self.grid_type is GridType.DELTA:
            return np.array([1.0, 0.0, 1.0])
        return np.ones(len(self.lines))

    def lines_of(self, samples: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return voltages, then currents of the lines, then the neutral current.

        `samples` has the shape (n, 7), the result (n, 2 * lines + 1). In a delta grid
        the second current follows from the others, sample by sample, and the second
        voltage is U31. A neutral current that is not measured is the sum of the lines.
        """
        u1, i1, u2, i2, u3, i3, neutral = samples.T
        s1, s2, s3, sn = self.signs
        out = np.empty((len(samples), 2 * len(self.lines) + 1))
        if self.grid_type is GridType.SINGLE_PHASE:
            out[:, 0] = u1
            out[:, 1] = i1 * s1
            out[:, 2] = neutral * sn if self.neutral_measured else out[:, 1]
            return out
        out[:, 0] = u1
        out[:, 2] = u3
        out[:, 3] = i1 * s1
        out[:, 5] = i3 * s3
        if self.grid_type is GridType.DELTA:
            out[:, 1] = u3 - u1
            out[:, 4] = -(out[:, 3] + out[:, 5])
            out[:, 6] = 0.0
        else:
            out[:, 1] = u2
            out[:, 4] = i2 * s2
            out[:, 6] = (
                neutral * sn if self.neutral_measured else out[:, 3:6].sum(axis=1)
            )
        return out
