"""Write budgets for memory that wears, counted in memory."""

from collections.abc import Callable
import time

_DAY = 86400.0


class DailyBudget:
    """Counts writes per device and control over the last day (rolling, in s).

    It forgets at a restart; where that matters the site brings a budget of its own
    that does not.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with nothing spent."""
        self._clock = clock
        self._spent: dict[tuple[str, str], list[float]] = {}

    def spend(self, device_id: str, control: str, limit: int, *, urgent: bool) -> bool:
        """Count one write and return whether it may be done; urgent ones always."""
        now = self._clock()
        spent = [
            at for at in self._spent.get((device_id, control), ()) if at > now - _DAY
        ]
        allowed = urgent or len(spent) < limit
        if allowed:
            spent.append(now)
        self._spent[device_id, control] = spent
        return allowed
