"""Dispatch: what somebody outside orders of batteries for a while, by agreement."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from .phrase import Phrase
from .programme import Programme


class DispatchAction(StrEnum):
    """What a dispatch asks for."""

    CHARGE_MAX = "charge_max"
    """As much as every limit leaves."""
    DISCHARGE_MAX = "discharge_max"
    AVOID_IMPORT = "avoid_import"
    """No import at the connection point."""
    AVOID_EXPORT = "avoid_export"
    POWER = "power"
    """Exactly `power`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchCommand:
    """One command of one source, from `start` to `end` (aware UTC, end excluded).

    Several may be active at once: the one with the lowest `priority` wins, then the
    one that began later. A source that is lost takes its own commands along, nothing
    else does.
    """

    source: str
    """Id of the source that gave it."""
    action: DispatchAction
    start: datetime
    end: datetime
    assets: frozenset[str] | None = None
    """Ids of the batteries that it is for; None: all of them."""
    power: float | None = None
    """W for action `power`, charging positive: of all its batteries together."""
    allow_deviation: bool = False
    """Whether modes of lower priority may do more of the same."""
    priority: int = 0
    """Lower wins."""
    baseline: float | None = None
    """W at the connection point without it, import positive: what the energy that was
    delivered is counted against. None: nobody has said."""

    def __post_init__(self) -> None:
        """Raise ValueError where it cannot be carried out."""
        if self.end <= self.start:
            raise ValueError(
                Phrase("must_end_later", "a dispatch must end after it starts")
            )
        if (self.action is DispatchAction.POWER) is (self.power is None):
            raise ValueError(
                Phrase(
                    "only_power_needs_power",
                    "the action power, and it alone, needs a power",
                )
            )

    def concerns(self, asset_id: str) -> bool:
        """Return whether it is for one battery."""
        return self.assets is None or asset_id in self.assets

    def active(self, utc: datetime) -> bool:
        """Return whether it holds at a moment."""
        return self.start <= utc < self.end


def by_precedence(
    commands: Iterable[DispatchCommand], asset_id: str, utc: datetime
) -> list[DispatchCommand]:
    """Return the commands that hold for a battery now, the one that wins first."""
    active = [c for c in commands if c.active(utc) and c.concerns(asset_id)]
    active.sort(key=lambda c: (c.priority, -c.start.timestamp(), c.source))
    return active


def listeners(
    command: DispatchCommand, programmes: Mapping[str, Programme]
) -> tuple[str, ...]:
    """Return the ids of the batteries whose programme does what a command says."""
    return tuple(
        asset_id
        for asset_id, programme in programmes.items()
        if command.concerns(asset_id) and programme.hears(command.source)
    )
