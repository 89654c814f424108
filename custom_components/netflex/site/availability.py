"""Says once in the log that a device is lost, and once that it is back."""

import logging

_LOGGER = logging.getLogger(__name__)


class AvailabilityLog:
    """Watches one device."""

    def __init__(self, name: str) -> None:
        """Expect `name` to answer; until it has, only a reason counts as lost."""
        self._name = name
        self._lost: bool | None = None

    def take(self, *, available: bool, problem: str | None) -> None:
        """Take what is known of it now; `problem` is why it does not answer.

        A device that has not answered yet, and does not say why, is still being
        asked for the first time.
        """
        if available:
            if self._lost:
                _LOGGER.info("%s answers again", self._name)
            self._lost = False
        elif self._lost is False or (self._lost is None and problem is not None):
            self._lost = True
            _LOGGER.warning(
                "%s does not answer: %s", self._name, problem or "no reason is known"
            )
