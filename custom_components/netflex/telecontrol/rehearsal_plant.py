"""What a rehearsal can see of the site behind the station."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from ..model.orders import NO_ORDERS, GridOrders, OrderName
from ..model.phrase import Phrase

_PRODUCTION = Phrase("limited_production", "production of the assets")
_CONSUMPTION = Phrase("limited_consumption", "consumption of the assets")
_PRODUCTION_FLOWS = Phrase("flow_production", "Production of the assets")
_CONSUMPTION_FLOWS = Phrase("flow_consumption", "Consumption of the assets")
LIMITED: Mapping[OrderName, Phrase] = MappingProxyType(
    {
        OrderName.MINSETP: Phrase(
            "limited_injection", "injection at the connection point"
        ),
        OrderName.MAXSETP: Phrase(
            "limited_import", "consumption at the connection point"
        ),
        OrderName.MAXSETAP: _PRODUCTION,
        OrderName.MINSETAP: _CONSUMPTION,
        OrderName.EMERGENCY_STOP_PRODUCTION: _PRODUCTION,
        OrderName.EMERGENCY_STOP_CONSUMPTION: _CONSUMPTION,
    }
)
"""What an order bounds, in words within a sentence."""
FLOWS: Mapping[OrderName, Phrase] = MappingProxyType(
    {
        OrderName.MINSETP: Phrase(
            "flow_injection", "Injection at the connection point"
        ),
        OrderName.MAXSETP: Phrase("flow_import", "Consumption at the connection point"),
        OrderName.MAXSETAP: _PRODUCTION_FLOWS,
        OrderName.MINSETAP: _CONSUMPTION_FLOWS,
        OrderName.EMERGENCY_STOP_PRODUCTION: _PRODUCTION_FLOWS,
        OrderName.EMERGENCY_STOP_CONSUMPTION: _CONSUMPTION_FLOWS,
    }
)
"""The same at the beginning of a sentence."""


class RehearsalMode(StrEnum):
    """What becomes of a rehearsal's orders."""

    REAL = "real"
    """Carried out by the real assets."""
    SHADOW = "shadow"
    """Decided, explained and recorded; no device is written."""
    WIRE = "wire"
    """Only what the station answers is looked at."""


class Verdict(StrEnum):
    """Whether a limit is kept."""

    PENDING = "pending"
    KEPT = "kept"
    IMPOSSIBLE = "impossible"
    """Everything that may yield has yielded."""
    UNKNOWN = "unknown"
    """Nobody measures it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounded:
    """One limit of the operator as the site has it: W, positive in its direction.

    `value` is what flows: measured, or in shadow what would flow if every asset did
    what it would be told. `now` is what is measured in either case. `seconds` from the
    order to the first measurement inside. `outputs` that a stop still waits for are
    `missing`.
    """

    limit: float
    value: float | None
    now: float | None
    verdict: Verdict
    tolerance: float = 0.0
    """W that it may be above."""
    seconds: float | None = None
    why: str = ""
    missing: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    """What assets are told because of it, in words."""


_NOTHING: Mapping[OrderName, Bounded] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """The site at one moment: monotonic s, W (import positive), var.

    `orders` are those that the decision works with. `measured_at` is when the meter's
    newest reading came.
    """

    at: float
    orders: GridOrders = NO_ORDERS
    power: float | None = None
    reactive_power: float | None = None
    production: float | None = None
    """W that the assets produce, positive."""
    consumption: float | None = None
    """W that the assets consume."""
    measured_at: float | None = None
    bounded: Mapping[OrderName, Bounded] = field(default=_NOTHING)

    def flow(self, name: OrderName) -> float | None:
        """Return the W that an order bounds, 0 while it flows the other way."""
        value = {
            OrderName.MAXSETP: self.power,
            OrderName.MINSETP: None if self.power is None else -self.power,
            OrderName.MAXSETAP: self.production,
            OrderName.EMERGENCY_STOP_PRODUCTION: self.production,
            OrderName.MINSETAP: self.consumption,
            OrderName.EMERGENCY_STOP_CONSUMPTION: self.consumption,
        }[name]
        return None if value is None else max(0.0, value)


class Plant(Protocol):
    """The site, as far as a rehearsal looks at it."""

    def observe(self) -> Observation:
        """Return what is known now."""

    def utc(self) -> datetime:
        """Return the site's wall clock, aware."""
