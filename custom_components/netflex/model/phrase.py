"""What a user is told, which can be told in another language too."""

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
        phrase = super().__new__(cls, english.format(**figures))
        phrase.key = key
        phrase.figures = figures
        return phrase
