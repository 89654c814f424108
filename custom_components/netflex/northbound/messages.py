"""What passes over the wire, before it is octets; and how a dialect makes it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .values import Attribute, Tree, Value

type Data = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One message to the broker; `data` None is an empty payload."""

    topic: str
    data: Data | None
    retain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A value at Unix time `at` in s; None: nobody knows it any more."""

    attribute: Attribute
    value: Value | None
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A set that was taken over: its attribute, its value, when and by which message."""

    attribute: Attribute
    value: bool
    at: float
    correlation: str | int | None = None
    """Id by which its sender knows the answer."""


class Dialect(Protocol):
    """How one kind of consumer is spoken with. Pure: it only makes messages."""

    @property
    def will(self) -> Outgoing:
        """What the broker says when it loses us, and we when we go."""

    @property
    def subscription(self) -> str:
        """The topics of settings, with wildcards."""

    @property
    def tells_all_anew(self) -> bool:
        """Whether every value is told again after each connection."""

    def online(self, tree: Tree, known: Mapping[str, Told]) -> list[Outgoing]:
        """Announce ourselves with everything that is known."""

    def told(self, values: Sequence[Told]) -> list[Outgoing]:
        """Tell values of one moment."""

    def changed(self, before: Tree, after: Tree) -> list[Outgoing]:
        """Tell of what has come or gone in the tree."""

    def did_set(self, setting: Setting) -> list[Outgoing]:
        """Confirm a set that was taken over."""

    def refused(self, path: str, data: Data | None, reason: str) -> list[Outgoing]:
        """Answer a set that changed nothing, where the consumer knows such answers."""

    def stored(self, messages: Iterable[Outgoing], at: float) -> list[Outgoing]:
        """Send what was stored while nobody could be told, in order."""

    def path_of(self, topic: str) -> str | None:
        """Return the attribute's path in a topic of a setting, None where it has none."""
