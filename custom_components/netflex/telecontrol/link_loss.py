"""Loss of the operator's link: what then holds, and how its age is known.

The age of a loss counts in the host's boot time, which no clock change moves. Over
a reboot the wall clock is asked once, when the orders are loaded, and never again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
import math
from pathlib import Path
import time
from types import MappingProxyType
from typing import Any, Protocol, Self

from ..model.orders import POWER_LIMIT_ORDERS, OrderName
from ..model.phrase import Phrase


class LinkLossAction(StrEnum):
    """What becomes of setpoints after the operator's link was lost."""

    HOLD = "hold"
    FALLBACK = "fallback"
    """They take fixed values until the link is back."""
    RELEASE = "release"
    """They count as never received until the link is back."""


_NO_FALLBACK: Mapping[OrderName, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkLossPolicy:
    """What becomes of setpoints `delay` s after the link was lost (ValueError).

    `fallback` gives percent 0..100 for power limits; those left out hold.
    """

    action: LinkLossAction = LinkLossAction.HOLD
    delay: float = 600.0
    fallback: Mapping[OrderName, float] = field(default=_NO_FALLBACK)

    def __post_init__(self) -> None:
        """Check delay and values."""
        if not (math.isfinite(self.delay) and self.delay >= 0):
            raise ValueError(
                Phrase(
                    "loss_delay",
                    "the delay is {delay}: it must be 0 s or more",
                    delay=f"{self.delay:g} s",
                )
            )
        for name, value in self.fallback.items():
            if name not in POWER_LIMIT_ORDERS:
                raise ValueError(
                    Phrase(
                        "loss_no_fallback",
                        "{order} is no power limit and has no fallback",
                        order=name,
                    )
                )
            if not 0 <= value <= 100:
                raise ValueError(
                    Phrase(
                        "loss_range",
                        "the fallback of {order} is {value}: it must be 0 to 100 %",
                        order=name,
                        value=str(value),
                    )
                )
        if self.action is LinkLossAction.FALLBACK and not self.fallback:
            raise ValueError(
                Phrase("loss_one_value", "a fallback needs at least one value")
            )


class HostClock(Protocol):
    """The clocks of the host."""

    def utc(self) -> datetime:
        """Return the wall clock, aware."""

    def boot_time(self) -> float:
        """Return s since the boot, suspension included; no clock change moves it."""

    def boot_id(self) -> str:
        """Return what names this boot of the host."""


class SystemClock:
    """The clocks of the machine that this runs on."""

    def __init__(self) -> None:
        """Read the identity of this boot once."""
        try:
            path = Path("/proc/sys/kernel/random/boot_id")
            self._boot_id = path.read_text(encoding="ascii").strip()
        except OSError:
            # Without an identity every start counts as another boot.
            self._boot_id = f"unknown-{time.time_ns()}"
        self._clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def utc(self) -> datetime:
        """Return the wall clock, aware."""
        return datetime.now(UTC)

    def boot_time(self) -> float:
        """Return s since the boot, suspension included."""
        return time.clock_gettime(self._clock)

    def boot_id(self) -> str:
        """Return the kernel's identity of this boot."""
        return self._boot_id


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkMark:
    """The state of the link at one moment, in clocks that can be compared later.

    `age` is s since the loss at that moment, 0 while `connected`.
    """

    connected: bool
    age: float
    utc: datetime
    boot_time: float
    boot_id: str

    @classmethod
    def now(cls, clock: HostClock, *, connected: bool, age: float = 0.0) -> Self:
        """Return a mark of this moment."""
        return cls(
            connected=connected,
            age=age,
            utc=clock.utc(),
            boot_time=clock.boot_time(),
            boot_id=clock.boot_id(),
        )

    def age_now(self, clock: HostClock) -> float:
        """Return s since the loss; of a link that was connected, s since the mark.

        A link that was connected when the host died was lost after the mark.
        """
        if self.boot_id == clock.boot_id():
            return self.age + max(0.0, clock.boot_time() - self.boot_time)
        return self.age + max(0.0, (clock.utc() - self.utc).total_seconds())

    def to_json(self) -> dict[str, Any]:
        """Return the mark as JSON values."""
        return {
            "connected": self.connected,
            "age": self.age,
            "utc": self.utc.isoformat(),
            "boot_time": self.boot_time,
            "boot_id": self.boot_id,
        }

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Return the stored mark; KeyError, TypeError or ValueError for another form."""
        if data.keys() != {"connected", "age", "utc", "boot_time", "boot_id"}:
            raise ValueError(f"link with the fields {sorted(data)}")
        utc = datetime.fromisoformat(data["utc"])
        if utc.tzinfo is None or not isinstance(data["connected"], bool):
            raise ValueError("link without a time zone or state")
        return cls(
            connected=data["connected"],
            age=float(data["age"]),
            utc=utc,
            boot_time=float(data["boot_time"]),
            boot_id=str(data["boot_id"]),
        )
