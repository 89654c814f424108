"""What the integration's languages must have in common with its English texts.

`integration_files` has hassfest's own rules, which hold for every language alike. These
are the house's: nothing missing, nothing too much, and nothing left in English.
"""

from collections import Counter
from collections.abc import Iterator
import re

from .integration_files import Content, Faults, leaves

LANGUAGES = ("nl", "fr", "de")

_PLACEHOLDER = re.compile(r"\{\w+\}")
# What a translation keeps as it is, each with the name that a fault gives it.
_KEPT = {
    "placeholders": _PLACEHOLDER,
    "code": re.compile(r"`[^`]*`"),
    "bold parts": re.compile(r"\*\*"),
    "list items": re.compile(r"\n(?:[-*]|\d+\.) "),
    "links": re.compile(r"\]\([^)]*\)"),
    "paragraphs": re.compile(r"\n+"),
}
# An apostrophe before a brace makes the frontend show the placeholder's name instead.
_QUOTED = re.compile(r"'\{")
# English words that none of the other languages has.
_ENGLISH = re.compile(r"\b(?:and|from|its|the|this|which|with)\b", re.IGNORECASE)

# Names, abbreviations, symbols and units that are the same in all four languages.
_UNIVERSAL = {
    "Axle", "Broker", "CBOR", "Cos", "EAN", "Energy", "JSON", "L1", "L2", "L3", "Mbit/s",
    "Modbus", "Netflex", "Plus", "RTU", "TCP", "TLS", "UTC", "k", "kvar", "lower",
    "lowerBound", "phi", "t0", "t1",
    "t2", "t3", "upper", "upperBound", "var", "w",
}  # fmt: skip
# Words that a language shares with English.
SHARED_WORDS = {
    "nl": {
        "Account", "Contract", "Direct", "Hz", "Meter", "Minimum", "Open", "Reserve", "Sensor",
        "Site", "Sites", "Status", "Type", "Weekends", "Wind", "frames", "meter", "wind",
        "in",
    },
    "fr": {
        "Action", "Batteries", "Cause", "Date", "Direction", "Format", "Injection", "Local",
        "Maintenance", "Message", "Minimum", "Minute", "Mode", "Modes", "Normal", "Phases",
        "Point", "Points", "Port", "Production", "Programme", "Site", "Sites",
        "Source", "Type", "cycles", "local", "messages", "minutes", "pause", "points", "port",
    },
    "de": {
        "Format", "Hz", "Minimum", "Minute", "Name", "Normal", "Port", "Reserve", "Sensor",
        "Status", "Wind", "in",
    },
}  # fmt: skip


def language_faults(english: Content, other: Content, language: str) -> Faults:
    """Check the texts of one of LANGUAGES against the English ones."""
    wanted, given = leaves(english), leaves(other)
    for path in sorted(wanted.keys() - given.keys()):
        yield f"{path} is missing"
    for path in sorted(given.keys() - wanted.keys()):
        yield f"{path} is not in English"
    for path in sorted(wanted.keys() & given.keys()):
        for fault in text_faults(wanted[path], given[path], language):
            yield f"{path} {fault}"


def text_faults(english: str, text: str, language: str) -> Iterator[str]:
    """Say what is wrong with the translation of one text."""
    for name, pattern in _KEPT.items():
        if Counter(pattern.findall(english)) != Counter(pattern.findall(text)):
            yield f"has other {name} than English"
    if _QUOTED.search(text):
        yield "has an apostrophe before a placeholder"
    if english == text:
        if _words(text) - _UNIVERSAL - SHARED_WORDS[language]:
            yield "is still English"
    elif found := _ENGLISH.search(text):
        yield f"is partly English: {found[0]}"


def _words(text: str) -> set[str]:
    """Return what of a text could be translated: words, not figures nor placeholders."""
    words = _PLACEHOLDER.sub(" ", text).split()
    return {
        bare for word in words if (bare := word.strip(".,:;()")) and not bare.isdigit()
    }
