"""The connection point: where the site meets the grid."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt
from typing import Self

NOMINAL_VOLTAGE = 230.0
"""Voltage in V of one phase to neutral (3N400, 1x230) or line to line (3x230)."""


class Line(StrEnum):
    """A line conductor of the connection point."""

    L1 = "L1"
    L2 = "L2"
    L3 = "L3"


class GridType(StrEnum):
    """How the site is connected to the low-voltage grid."""

    SINGLE_PHASE = "1x230"
    """One phase and neutral, or two lines of a delta grid, 230 V."""
    STAR = "3N400"
    """Three phases and neutral, 230 V to neutral, 400 V between lines."""
    DELTA = "3x230"
    """Three lines without neutral, 230 V between lines."""

    @property
    def lines(self) -> tuple[Line, ...]:
        """The lines whose current the main fuse limits."""
        if self is GridType.SINGLE_PHASE:
            return (Line.L1,)
        return (Line.L1, Line.L2, Line.L3)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineValues:
    """One value per line in the unit of its field; None where it is absent."""

    l1: float | None = None
    l2: float | None = None
    l3: float | None = None

    def __getitem__(self, line: Line) -> float | None:
        """Return the value of one line."""
        if line is Line.L1:
            return self.l1
        return self.l2 if line is Line.L2 else self.l3

    def items(self) -> Iterator[tuple[Line, float]]:
        """Yield the lines that have a value, in order."""
        for line in Line:
            if (value := self[line]) is not None:
                yield line, value

    def map(self, function: Callable[[float], float]) -> Self:
        """Return the values with a function applied to those present."""
        return type(self)(
            **{line.lower(): function(value) for line, value in self.items()}
        )

    def total(self) -> float | None:
        """Return the sum of the values present, None where there is none."""
        present = [value for _, value in self.items()]
        return sum(present) if present else None

    @classmethod
    def of(cls, values: dict[Line, float]) -> Self:
        """Build from a mapping by line."""
        return cls(**{line.lower(): value for line, value in values.items()})


NO_LINE_VALUES = LineValues()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionPoint:
    """Contract and main fuse of one grid connection.

    Main fuse in A per line. Contractual capacities in W as positive numbers;
    None where telecontrol is off and the user named none.
    """

    grid_type: GridType
    main_fuse: float
    contract_consumption: float | None = None
    contract_injection: float | None = None

    @property
    def lines(self) -> tuple[Line, ...]:
        """The lines of the connection."""
        return self.grid_type.lines

    @property
    def fuse_power(self) -> float:
        """Power in W that the main fuse carries with all lines equally loaded."""
        return power_of_current(self.main_fuse, self.grid_type, len(self.lines))


@dataclass(frozen=True, slots=True, kw_only=True)
class Feeder:
    """A sub-circuit behind the main fuse, with a fuse of its own.

    `fuse` in A on each of its lines; `parent` is the id of the feeder that it hangs
    on, None where that is the main fuse. `members` are the ids of the assets that
    hang directly on it: those of its sub-feeders are theirs alone.
    """

    id: str
    name: str
    fuse: float
    parent: str | None = None
    members: frozenset[str] = frozenset()
    meter: str | None = None
    """Id of the meter of this feeder, None where nobody measures it."""
    other_loads: float = 0.0
    """A per line that unknown loads may draw; counts only without a meter."""
    meter_timeout: float = 10.0
    """s without a good reading of its meter make that stale."""


def power_of_current(current: float, grid_type: GridType, phases: int) -> float:
    """Return the power in W of a current in A at nominal voltage and cos phi 1.

    `phases` is 1 for a load between two conductors and 3 for a three-phase load.
    """
    if phases == 1:
        return current * NOMINAL_VOLTAGE
    if grid_type is GridType.DELTA:
        return current * NOMINAL_VOLTAGE * sqrt(3)
    return current * NOMINAL_VOLTAGE * 3


def current_of_power(power: float, grid_type: GridType, phases: int) -> float:
    """Return the current in A per line of a power in W, the inverse of the above."""
    return power / power_of_current(1.0, grid_type, phases)
