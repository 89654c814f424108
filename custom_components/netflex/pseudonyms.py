"""Identities replaced by pseudonyms: what a site is made of, without whose it is.

The same word is the same pseudonym in every export of one site, and another in the
exports of any other: figures stay comparable over time, and nothing leads back.
"""

from collections.abc import Mapping
import hashlib
import hmac
import re
from typing import Any, Final

from .entry_data import ENTITY_KEYS

_KEYS: Final[Mapping[str, str]] = {
    "name": "name",
    "title": "name",
    "host": "host",
    "username": "name",
    "ean": "ean",
    "prosumer": "name",
    "street_address": "address",
    "contact": "contact",
    "aggregator_reference": "reference",
    # What somebody writes freely may name anybody.
    "topology": "text",
    "wiring": "text",
    "serial": "serial",
    "serial_number": "serial",
    **dict.fromkeys(ENTITY_KEYS, "entity"),
}
"""Keys whose text says who or where, with the word that stands before a pseudonym."""
_PATTERNS: Final = (
    (re.compile(r"^[a-z_]+\.[a-z0-9_]+$"), "entity"),
    (re.compile(r"^\d{1,3}(\.\d{1,3}){3}$"), "host"),
    (re.compile(r"^[a-z+]+://"), "address"),
    (re.compile(r"^/dev/"), "address"),
    (re.compile(r"^(54\d{16}|[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5})$"), "id"),
)
"""Texts that say it wherever they stand: entities, addresses, EAN codes, MACs."""
_ID: Final = re.compile(r"^[0-9A-Z]{26}$")
"""What Home Assistant gives to a part as its id."""
_KEPT: Final = frozenset({"kind", "profile", "id"})


def replaced(value: Any, secret: str, key: str | None = None) -> Any:
    """Return a value with every identity in it replaced; `secret` is the site's own."""
    if isinstance(value, Mapping):
        return {name: replaced(item, secret, name) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [replaced(item, secret, key) for item in value]
    if not isinstance(value, str) or not value or key in _KEPT:
        return value
    word = _KEYS.get(key or "")
    if word is None:
        word = next((kind for found, kind in _PATTERNS if found.search(value)), None)
    if word is None:
        return value
    return _pseudonym(word, value, secret)


def renamed_series(key: str, names: Mapping[str, str], secret: str) -> str:
    """Return the key of a series with its part called as in the site's export.

    A part that is gone has a pseudonym; `names` are those of the others by their ids.
    """
    return ".".join(
        names.get(
            place, _pseudonym("part", place, secret) if _ID.match(place) else place
        )
        for place in key.split(".")
    )


def _pseudonym(word: str, value: str, secret: str) -> str:
    code = hmac.new(secret.encode(), value.encode(), hashlib.sha256).hexdigest()[:10]
    return f"{word}-{code}"
