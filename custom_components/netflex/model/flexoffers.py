"""How a site's FlexOffers do, as the site and its entities see it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOffer:
    """One offer that has not ended; `until` is its end, energies Wh."""

    id: str
    asset_id: str
    state: str
    start: datetime
    until: datetime
    energy: float
    """What is to be drawn as a whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexOffersState:
    """The agent at one moment; counts are since it was set up.

    Shares are 0..1, None where nobody knows yet.
    """

    connected: bool = False
    problem: str | None = None
    """Why the manager cannot be used, in words; None while it can."""
    last_beat: datetime | None = None
    refused: str | None = None
    """Why the newest schedule was not taken."""
    offers: tuple[OpenOffer, ...] = ()
    offered: int = 0
    executed: int = 0
    refusals: int = 0
    """Schedules that were not taken."""
    shifted: float = 0.0
    """Wh moved away from what is usual, as measured."""
    shifted_by: Mapping[str, float] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """The same by asset."""
    followed: float | None = None
    usability: float | None = None
