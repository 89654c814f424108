"""Falling silent towards one device on purpose, to see what it then does."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceFacts:
    """What is expected of a device that is left alone.

    `after` s it should hold its setpoint, `fallback` A or W it should then go to; None
    is not known.
    """

    after: float | None = None
    fallback: float | None = None


@runtime_checkable
class Silenceable(Protocol):
    """A device that can be left alone and be spoken to again."""

    @property
    def silence_facts(self) -> SilenceFacts | None:
        """What is expected; None: nothing has to be refreshed, it keeps its setpoint."""

    @property
    def silent(self) -> bool:
        """Whether it is left alone now; a stop or less power ends that by itself."""

    def fall_silent(self) -> None:
        """Refresh and write nothing any more; reading goes on."""

    def speak(self) -> None:
        """Refresh again; the next setpoint is written whatever was written before."""


def tightens(value: float | None, before: float | None) -> bool:
    """Whether a setpoint leaves less than the one before; None is no limit."""
    if value is None:
        return False
    return before is None or abs(value) < abs(before) - 1e-6
