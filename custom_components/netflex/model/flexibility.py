"""How well loads follow the sources outside that hold them back, by season."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType


class Flexibility(StrEnum):
    """Class of a load, by the share of commands that it followed (GOFLEX D8.3)."""

    HIGH = "high"
    """Above 90 %."""
    MIDDLE = "middle"
    """50 to 90 %."""
    LOW = "low"
    """Below 50 %."""
    NONE = "none"
    """It followed none."""


class Season(StrEnum):
    """Three months each, as meteorologists count them in the northern hemisphere."""

    WINTER = "winter"
    SPRING = "spring"
    SUMMER = "summer"
    AUTUMN = "autumn"


def season_of(at: datetime) -> Season:
    """Return the season of a moment: December begins the winter."""
    return tuple(Season)[at.month % 12 // 3]


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """Commands that found a load on, and how many of them it followed."""

    commands: int = 0
    followed: int = 0
    vetoed: int = 0
    """Outweighed by an inhabitant: the on/auto switch or *wanted*."""

    @property
    def share(self) -> float | None:
        """Return the share that was followed, 0..1, None without a command."""
        return self.followed / self.commands if self.commands else None

    @property
    def flexibility(self) -> Flexibility | None:
        """Return the class, None without a command."""
        if (share := self.share) is None:
            return None
        if not share:
            return Flexibility.NONE
        if share > 0.9:
            return Flexibility.HIGH
        return Flexibility.MIDDLE if share >= 0.5 else Flexibility.LOW


NOTHING_FOLLOWED = Followed()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadFlexibility:
    """One load: what it followed in each season, and who vetoes now."""

    seasons: Mapping[Season, Followed] = field(
        default_factory=lambda: MappingProxyType({})
    )
    now: Followed = NOTHING_FOLLOWED
    """Of the present season."""
    veto: str | None = None
    """Why an inhabitant outweighs what holds it back now, in words; None: nobody."""
