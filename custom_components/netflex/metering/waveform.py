"""From the channels of a meter to the lines of the grid that it is connected to."""

from dataclasses import dataclass
from functools import lru_cache
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
        """1 for each line whose voltage times current is power, else 0; not written."""
        return _METERED[self.grid_type]

    def lines_of(self, samples: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return voltages, then currents of the lines, then the neutral current.

        `samples` has the shape (n, 7), the result (n, 2 * lines + 1). In a delta grid
        the second current follows from the others, sample by sample, and the second
        voltage is U31. A neutral current that is not measured is the sum of the lines.
        """
        lines: NDArray[np.float64] = samples @ _matrix(self)
        return lines


_METERED: Final = {
    GridType.SINGLE_PHASE: np.ones(1),
    GridType.STAR: np.ones(3),
    GridType.DELTA: np.array([1.0, 0.0, 1.0]),
}


@lru_cache(maxsize=64)
def _matrix(wiring: Wiring) -> NDArray[np.float64]:
    """Return what each channel is to each column of `lines_of`, (7, columns)."""
    count = len(wiring.lines)
    signs = wiring.signs
    out = np.zeros((7, 2 * count + 1))
    voltages, currents = out[:, :count], out[:, count : 2 * count]
    for line in range(count):
        voltages[2 * line, line] = 1.0
        currents[2 * line + 1, line] = signs[line]
    if wiring.grid_type is GridType.DELTA:
        voltages[:, 1] = voltages[:, 2] - voltages[:, 0]
        currents[:, 1] = -(currents[:, 0] + currents[:, 2])
    elif wiring.neutral_measured:
        out[6, -1] = signs[3]
    else:
        out[:, -1] = currents.sum(axis=1)
    return out
