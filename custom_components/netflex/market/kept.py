"""What was read of a state, kept until the entity says something again."""

from collections.abc import Callable
from datetime import datetime

from homeassistant.core import State


class Kept[ValueT]:
    """Reads a state once: its attributes may hold days of prices.

    A state that is only repeated is the same object with a later report.
    """

    def __init__(self) -> None:
        """Keep nothing yet."""
        self._state: State | None = None
        self._reported: datetime | None = None
        self._value: ValueT

    def of(self, state: State, read: Callable[[], ValueT]) -> ValueT:
        """Return what `read` makes of a state."""
        if state is not self._state or state.last_reported != self._reported:
            self._value = read()
            self._state, self._reported = state, state.last_reported
        return self._value

    def forget(self) -> None:
        """Read anew the next time: something else than the state has changed."""
        self._state = None
