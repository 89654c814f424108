"""Remote commands: what a source outside the house asks of a load or a charger."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from .plan import Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteCommand:
    """What one source asks of one asset; one that nobody asks anything is enabled.

    It is one more source that can only tighten: `enabled` True asks for nothing, it
    takes back what the same source asked before. `at` (aware UTC) is when its sender
    gave it. Monotonic s: it ends by itself at `until`, and `lost_after` s after
    `lost_at`, the moment at which its source was lost; None: not by a time, not lost.
    """

    source: str
    """Id of who asks, the same for everything that it asks."""
    enabled: bool
    at: datetime
    lost_after: float
    cause: Cause
    """Who asks and since when, in a user's words."""
    until: float | None = None
    lost_at: float | None = None

    @property
    def ends(self) -> float | None:
        """Return the monotonic s at which it ends by itself, None as long as it holds."""
        ends = [] if self.until is None else [self.until]
        if self.lost_at is not None:
            ends.append(self.lost_at + self.lost_after)
        return min(ends, default=None)

    def holds(self, now: float) -> bool:
        """Whether it is still in force at monotonic `now`."""
        return (ends := self.ends) is None or now < ends


def held_back(commands: Iterable[RemoteCommand], now: float) -> RemoteCommand | None:
    """Return the oldest command in force that holds a load back, None where none does."""
    binding = [item for item in commands if not item.enabled and item.holds(now)]
    return min(binding, key=lambda item: item.at, default=None)
