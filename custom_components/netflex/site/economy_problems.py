"""What markets, calendars and dispatch sources owe, once they have owed it for a while.

And what is ordered of batteries that none of them listens to, which is said at once.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from ..model.dispatch import listeners
from ..model.phrase import Phrase
from ..model.programme import Programme
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

    def look(
        self, economy: Economy, programmes: Mapping[str, Programme], now: float
    ) -> None:
        """Note what is missing. `programmes` are by the battery's id."""
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
        ) + tuple(_unheard(economy, programmes))


def unheard(source: str) -> Phrase:
    """Return the words for a dispatch that no battery listens to."""
    return Phrase(
        "dispatch_unheard",
        "{source} orders batteries, and no mode of their programmes listens to it",
        source=source,
    )


def _unheard(
    economy: Economy, programmes: Mapping[str, Programme]
) -> Iterator[SiteProblem]:
    """Yield a problem of each source whose commands are nobody's."""
    sources = {
        command.source
        for command in economy.dispatches
        if not listeners(command, programmes)
    }
    for source in sorted(sources):
        text = unheard(economy.names.get(source, source))
        yield SiteProblem(key="dispatch_unheard", subject=source, text=text)
