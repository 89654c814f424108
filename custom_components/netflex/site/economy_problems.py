"""What markets, calendars and dispatch sources owe, once they have owed it for a while."""

from typing import Final

from .economy import Economy
from .lasting import Lasting
from .view import SiteProblem

SAID_AFTER: Final = 300.0
"""s: an integration may start late, and a server may be away for a moment."""


class EconomyProblems:
    """Turns what is missing for long into problems; times are monotonic s."""

    def __init__(self) -> None:
        """Know of nothing yet."""
        self._lasting = Lasting[str]()
        self.problems: tuple[SiteProblem, ...] = ()
        """What is missing now, and has been for a while."""

    def look(self, economy: Economy, now: float) -> None:
        """Note what is missing."""
        self._lasting.take(economy.problems, now)
        self.problems = tuple(
            SiteProblem(
                key="dispatch_source_unusable"
                if subject in economy.names
                else "market_source_unusable",
                subject=subject,
                text=text,
            )
            for subject, text in economy.problems.items()
            if self._lasting.seconds(subject, now) >= SAID_AFTER
        )
