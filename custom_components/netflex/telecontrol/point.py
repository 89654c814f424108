"""One point of the Netflex interface: its fields, its names, what may be wrong."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from ..model.asset import Category
from ..model.orders import OrderName
from ..model.phrase import Phrase, listed

FEEDBACK_SUFFIX: Final = "_feedback"
INTERFACE_VERSION: Final = "interface_version"
REACTIVE_BAND_ORDERS: Final = frozenset({OrderName.MINSETQ, OrderName.MAXSETQ})
REASON_ORDERS: Final = frozenset({OrderName.REDENP, OrderName.REDENQ})


class PointDirection(StrEnum):
    """Who sends the point."""

    CONTROL = "control"
    """The grid operator: commands and setpoints."""
    MONITOR = "monitor"
    """The site: feedback and measurements."""


class Sign(StrEnum):
    """How the sign on the wire relates to the sign inside."""

    POSITIVE = "positive"
    """The same."""
    NEGATIVE = "negative"
    """Reversed: a limit arrives as 0..-100, a measurement or the reactive band counts
    generation as positive.
    """
    ABSOLUTE = "absolute"
    """Only the magnitude counts."""


class TimeTagChoice(StrEnum):
    """Whether a point's types carry CP56Time2a."""

    NEVER = "never"
    EITHER = "either"
    """Commands: with and without are both taken."""
    ALWAYS = "always"
    """Monitored values: except in interrogations, which never carry one."""


class Execution(StrEnum):
    """How a command or setpoint may be given."""

    DIRECT = "direct"
    SELECT = "sbo"
    """Select before operate only."""
    BOTH = "both"


class StaleQuality(StrEnum):
    """What a monitored value reports while its source has nothing newer.

    For feedback the source is the operator: it applies until an order was received.
    """

    GOOD = "good"
    NOT_TOPICAL = "not_topical"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One information object: value inside = value on the wire x scale, then sign.

    `type_id` is the type without a time tag. `minimum` and `maximum` are in `unit`:
    a setpoint outside is refused, a measurement outside is reported as an overflow.
    `initial` is reported while nothing was received or measured; of the interface
    version it is the version. `invert` swaps both states of a single command, and
    local (1) and remote (2) of the double point.
    """

    name: str
    direction: PointDirection
    type_id: int
    ioa: int
    unit: str = ""
    scale: float = 1.0
    sign: Sign = Sign.POSITIVE
    time_tag: TimeTagChoice = TimeTagChoice.NEVER
    minimum: float | None = None
    maximum: float | None = None
    execution: Execution | None = None
    initial: float | None = None
    quality: StaleQuality | None = None
    invert: bool = False

    @property
    def order(self) -> OrderName | None:
        """The order that the point gives or mirrors, None for measurements."""
        return _ORDER_OF.get(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class PointProblem:
    """One fault of a point table. `line` counts a CSV file's lines from 1."""

    text: str
    point: str | None = None
    column: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        """Return the fault with its place."""
        return str(self.words)

    @property
    def words(self) -> str:
        """The fault with its place, in a user's words."""
        place = ", ".join(part for part in (self.point, self.column) if part)
        problem = self.text
        if place:
            problem = Phrase(
                "point_problem", "{place}: {problem}", place=place, problem=problem
            )
        if self.line is None:
            return problem
        figures = {"line": str(self.line), "problem": problem}
        if place:
            return Phrase("point_line", "line {line}, {problem}", **figures)
        return Phrase("table_line", "line {line}: {problem}", **figures)


class PointTableError(Exception):
    """A point table that cannot be used; `problems` names everything that is wrong."""

    def __init__(self, problems: Iterable[PointProblem]) -> None:
        """Join the problems into one message, a line each."""
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def first_problems(problems: Sequence[PointProblem]) -> str:
    """Return the first faults of a table, which may have very many."""
    return listed(*(problem.words for problem in problems[:_SHOWN]))


def feedback_name(name: OrderName) -> str:
    """Return the name of the point that mirrors an order."""
    return f"{name}{FEEDBACK_SUFFIX}"


def power_name(category: Category) -> str:
    """Return the name of a category's active power."""
    return f"p_{category}"


def reactive_power_name(category: Category) -> str:
    """Return the name of a category's reactive power."""
    return f"q_{category}"


_SHOWN: Final = 5
_ORDER_OF: Final = {name.value: name for name in OrderName} | {
    feedback_name(name): name for name in OrderName
}

UNIT_FACTORS: Final[Mapping[str, float]] = MappingProxyType(
    {"W": 1.0, "kW": 1e3, "MW": 1e6, "var": 1.0, "kvar": 1e3, "Mvar": 1e6}
)
"""W or var per unit of a measurement."""
