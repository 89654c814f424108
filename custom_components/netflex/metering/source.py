"""Meter sources: things that own a connection and bring readings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from ..model.reading import MeterReading

_NO_DETAILS: Mapping[str, float | str | bool | None] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterStatus:
    """How a source is doing.

    `last_good` is monotonic s of the newest good reading, None when there was none
    yet; whoever uses the readings decides from it when they are stale. `good` and
    `damaged` count since the start of the source, over reconnections.
    """

    connected: bool = False
    last_good: float | None = None
    good: int = 0
    damaged: int = 0
    problem: str | None = None
    """Why there is no reading, in the user's words."""
    problem_key: str | None = None
    """The same as a stable key, one of those in `errors`."""
    details: Mapping[str, float | str | bool | None] = field(default=_NO_DETAILS)
    """What only this kind of source knows (dropped bytes, meter version ...)."""


class MeterSource(Protocol):
    """A meter that is read without being asked twice.

    `on_reading` gets every good reading as soon as its last byte is there, on the
    loop that `start` was called on. `on_status` is called when `connected` or
    `problem` changes. Both must return at once. `status` is always up to date.
    """

    meter_id: str

    @property
    def status(self) -> MeterStatus:
        """The newest status."""

    async def start(
        self,
        on_reading: Callable[[MeterReading], None],
        on_status: Callable[[MeterStatus], None],
    ) -> None:
        """Start reading; returns at once, a meter that is not there is retried."""

    async def stop(self) -> None:
        """Stop reading and close the connection; harmless when not started."""
