"""How the connection is protected beyond its fuse, and what happens on an island."""

from dataclasses import dataclass
from enum import StrEnum


class TripCurve(StrEnum):
    """What the main fuse tolerates for a while. Off: never above its rating."""

    OFF = "off"
    FUSE_GG = "gG"
    BREAKER_B = "B"
    BREAKER_C = "C"


class ReactiveScope(StrEnum):
    """Where the grid operator's reactive band counts."""

    CONNECTION_POINT = "connection_point"
    ASSETS = "assets"
    """The sum of everything that produces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """Limits and rules that a user may set; None and OFF: not there.

    `unbalance` is the largest difference in A between two lines, `neutral` the
    largest current in A of the neutral; both only mean something with a neutral.
    """

    unbalance: float | None = None
    neutral: float | None = None
    curve: TripCurve = TripCurve.OFF
    stop_blacks_out_island: bool = False
    """Stop of production acts on an islanded house, too."""
    charge_on_island: bool = False
    """Chargers may go on while the house is islanded."""
    reactive_scope: ReactiveScope = ReactiveScope.CONNECTION_POINT


DEFAULT_PROTECTION = Protection()
