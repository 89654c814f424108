"""Grid orders: what the grid operator has ordered, and local stops."""

from dataclasses import dataclass, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from .asset import Direction


class OrderName(StrEnum):
    """Commands and setpoints of the Netflex data model, version 1.0."""

    EMERGENCY_STOP_PRODUCTION = "emergency_stop_production"
    EMERGENCY_STOP_CONSUMPTION = "emergency_stop_consumption"
    TEST = "test"
    Q_MODE = "q_mode"
    MINSETP = "minsetp"
    MAXSETP = "maxsetp"
    MAXSETAP = "maxsetap"
    MINSETAP = "minsetap"
    MINSETQ = "minsetq"
    MAXSETQ = "maxsetq"
    REDENP = "redenp"
    REDENQ = "redenq"


STOP_ORDERS = {
    OrderName.EMERGENCY_STOP_PRODUCTION: Direction.PRODUCTION,
    OrderName.EMERGENCY_STOP_CONSUMPTION: Direction.CONSUMPTION,
}

POWER_LIMIT_ORDERS = frozenset(
    {OrderName.MINSETP, OrderName.MAXSETP, OrderName.MAXSETAP, OrderName.MINSETAP}
)

TEST_REASON = 99
"""Reason code of orders that are a test or a certification. They bind like any other."""


class QMode(StrEnum):
    """Who controls reactive power."""

    LOCAL = "local"
    REMOTE = "remote"


class OrderSource(StrEnum):
    """Where an order came from."""

    OPERATOR = "operator"
    """The grid operator's RTU."""
    RESTORED = "restored"
    """The operator's, read back from the disk after a start."""
    FALLBACK = "fallback"
    """The site's own policy after the operator's link was lost."""
    REHEARSAL = "rehearsal"
    LOCAL = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order[ValueT: (bool, float, int, QMode)]:
    """One accepted order: the value, who gave it, and when (aware UTC)."""

    value: ValueT
    source: OrderSource
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GridOrders:
    """All orders in force. None: never received, so no limit.

    Limits are in percent 0..100 of their denominator (safety.md): MINSETP of the
    contractual injection, MAXSETP of the contractual consumption, MAXSETAP of the
    installed production, MINSETAP of the installed consumption. The reactive band
    is in the unit of its points.
    """

    emergency_stop_production: Order[bool] | None = None
    emergency_stop_consumption: Order[bool] | None = None
    test: Order[bool] | None = None
    q_mode: Order[QMode] | None = None
    minsetp: Order[float] | None = None
    maxsetp: Order[float] | None = None
    maxsetap: Order[float] | None = None
    minsetap: Order[float] | None = None
    minsetq: Order[float] | None = None
    maxsetq: Order[float] | None = None
    redenp: Order[int] | None = None
    redenq: Order[int] | None = None

    def get(self, name: OrderName) -> AnyOrder | None:
        """Return one order by its Netflex name."""
        order: AnyOrder | None = getattr(self, name.value)
        return order

    def with_order(self, name: OrderName, order: AnyOrder | None) -> Self:
        """Return these orders with one replaced (None: as never received)."""
        changed: dict[str, Any] = {name.value: order}
        return replace(self, **changed)

    def stopped(self, direction: Direction) -> bool:
        """Whether the operator's emergency stop of a direction is on."""
        order = (
            self.emergency_stop_production
            if direction is Direction.PRODUCTION
            else self.emergency_stop_consumption
        )
        return order is not None and order.value

    @property
    def certifies(self) -> bool:
        """Whether the operator marks what he orders now as a test (reason 99, *test*).

        It binds like anything else, and is kept out of the figures.
        """
        reasons = (self.redenp, self.redenq)
        return any(one is not None and one.value == TEST_REASON for one in reasons) or (
            self.test is not None and self.test.value
        )

    def present(self) -> dict[OrderName, AnyOrder]:
        """Return the orders that were received, by name."""
        return {
            OrderName(item.name): order
            for item in fields(self)
            if (order := self.get(OrderName(item.name))) is not None
        }


type AnyOrder = Order[bool] | Order[float] | Order[int] | Order[QMode]

NO_ORDERS = GridOrders()


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalStops:
    """Stops given on the site itself (inputs, entity), each with its own release.

    Each direction has the names of what holds it; it is free once the last lets go.
    """

    production: frozenset[str] = frozenset()
    consumption: frozenset[str] = frozenset()

    def holders(self, direction: Direction) -> frozenset[str]:
        """Return the names of what holds the stop of a direction."""
        return (
            self.production if direction is Direction.PRODUCTION else self.consumption
        )

    def stopped(self, direction: Direction) -> bool:
        """Whether a local stop of a direction is held."""
        return bool(self.holders(direction))

    def with_holder(self, direction: Direction, holder: str, *, held: bool) -> Self:
        """Return these stops with one holder added or taken away, no other touched."""
        others = self.holders(direction) - {holder}
        holders = others | {holder} if held else others
        if direction is Direction.PRODUCTION:
            return replace(self, production=holders)
        return replace(self, consumption=holders)


NO_LOCAL_STOPS = LocalStops()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stops:
    """The effective emergency stops: the operator's or the site's own."""

    orders: GridOrders = NO_ORDERS
    local: LocalStops = NO_LOCAL_STOPS

    def stopped(self, direction: Direction) -> bool:
        """Whether anything stops a direction."""
        return self.orders.stopped(direction) or self.local.stopped(direction)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEvent:
    """One order as it arrived: what the journal and automations see.

    `accepted` is False for an order that was refused and changed nothing; `reason`
    then says why, in a user's words. `at` is aware UTC.
    """

    name: OrderName
    value: bool | float | int | QMode | None
    source: OrderSource
    at: datetime
    accepted: bool = True
    reason: str | None = None
    client: str | None = None
    relaxes: bool = False
    """Whether it loosens what was in force before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkState:
    """The operator's link as the site and its entities see it."""

    listening: bool = False
    connected: bool = False
    """An RTU has an open connection and has started data transfer."""
    client: str | None = None
    since: datetime | None = None
    """Of the newest change of `connected`."""
    last_interrogation: datetime | None = None
    clock_offset: float | None = None
    """s that the operator's clock is ahead of ours, at its last synchronisation."""
    last_close_reason: str | None = None
    last_refused_client: str | None = None
    events_waiting: int = 0
    """Not acknowledged by the operator yet, as last counted."""
    events_dropped: int = 0
    """Lost because too many waited, since the station was opened."""
    problem: str | None = None
    """Why the station does not listen, in a user's words."""
