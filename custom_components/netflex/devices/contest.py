"""Whether a device keeps doing what it was told, or somebody else drives it too."""

from collections import deque

_WINDOW = 600.0
"""s over which changes by somebody else are counted."""
_FIGHT = 2
"""Changes within the window that make two controllers of it."""


class Contest:
    """Follows one device's answers to one setpoint after the other."""

    def __init__(self) -> None:
        """Start with nothing told."""
        self._followed = False
        self._since: float | None = None
        self._changes: deque[float] = deque(maxlen=16)

    def told(self) -> None:
        """Begin anew: something was written."""
        self._followed = False

    def look(self, follows: bool | None, now: float) -> None:
        """Take the newest answer: whether it agrees with what was written."""
        if follows is None:
            return
        if follows:
            self._since = None
            self._followed = True
            return
        if self._since is None:
            self._since = now
        if self._followed:
            # It had followed and nothing was written since: that was not ours.
            self._followed = False
            self._changes.append(now)

    def contested(self, now: float) -> bool:
        """Whether somebody else changes what it was told again and again."""
        return sum(at > now - _WINDOW for at in self._changes) >= _FIGHT

    def unfollowed(self, now: float) -> float:
        """Return the s for which it has not followed, 0 where it does."""
        return 0.0 if self._since is None else now - self._since
