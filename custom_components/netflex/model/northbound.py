"""How a site's bridge to a broker does, as the site and its entities see it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRefusal:
    """A set that came in and changed nothing.

    `subject` is the attribute or topic that it named, `reason` a stable key, `text` the
    reason in words; `at` is aware UTC.
    """

    subject: str
    reason: str
    text: str
    at: datetime


_NONE: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class NorthboundState:
    """The bridge at one moment; counts are since its start unless said otherwise."""

    connected: bool = False
    since: datetime | None = None
    """Of the newest change of `connected`, or the start."""
    problem: str | None = None
    """Why there is no connection, as a stable key; None while there is one."""
    problem_text: str | None = None
    store_problem: str | None = None
    """Why nothing can be stored, in words."""
    attributes: int = 0
    stored: int = 0
    """Messages that wait for the broker."""
    dropped: int = 0
    """Lost because too many waited, since the store was made."""
    sent: int = 0
    accepted: int = 0
    """Sets that were taken over."""
    refused: Mapping[str, int] = field(default=_NONE)
    """Sets that changed nothing, by the key of the reason."""
    last_refusal: SetRefusal | None = None
    control: bool = False
    """Whether somebody northbound may ask anything of loads."""
    certificate_ends: datetime | None = None
