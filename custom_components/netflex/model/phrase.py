"""What a user is told, which can be told in another language too."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import reduce
from typing import Self


class Phrase(str):
    """An English text that remembers what it was made from.

    Everywhere it is just its text: in the journal, as JSON, in a comparison; what is
    read back from there is a plain text. Only whoever speaks to a user looks at `key`
    and `figures`, and puts the figures into the words of the user's language. A figure
    may be a phrase itself.
    """

    __slots__ = ("figures", "key")

    key: str
    figures: dict[str, str]

    def __new__(cls, key: str, english: str, /, **figures: str) -> Self:
        """Put the figures into the English words, `Fuse {current} on {line}`."""
        return cls.kept(key, english.format(**figures), figures)

    @classmethod
    def kept(cls, key: str, text: str, figures: Mapping[str, str]) -> Self:
        """Return a phrase as it was when it was stored, its English `text` included."""
        phrase = super().__new__(cls, text)
        phrase.key = key
        phrase.figures = dict(figures)
        return phrase


class Moment(str):
    """A time among the figures of a phrase; whoever says it knows the user's zone.

    As a plain text it is in UTC, and says so.
    """

    __slots__ = ("at",)

    at: datetime

    def __new__(cls, at: datetime) -> Self:
        """Take an aware time."""
        moment = super().__new__(cls, f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC")
        moment.at = at
        return moment


def listed(first: str, *others: str) -> str:
    """Return several things that are said of one, in one sentence."""
    return reduce(
        lambda one, other: Phrase(
            "listed", "{first}; {second}", first=one, second=other
        ),
        others,
        first,
    )


def sentences(first: str, *others: str) -> str:
    """Return several sentences, each without its full stop, as one text."""
    return reduce(
        lambda one, other: Phrase(
            "sentences", "{first}. {second}", first=one, second=other
        ),
        others,
        first,
    )


def advised(problem: str, advice: str) -> Phrase:
    """Return a problem and what to do about it, each a sentence with its full stop."""
    return Phrase("advised", "{problem} {advice}", problem=problem, advice=advice)
