"""The operator's orders: as accepted, and as they are in force for the decision.

They differ in three ways only: a reactive band whose ends cross between two writes
keeps its last valid ends, its sign is turned to the inside's, and the policy for a
lost link may replace setpoints. Stops are never replaced.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Self

from ..model.failure import reason_of
from ..model.orders import (
    NO_ORDERS,
    POWER_LIMIT_ORDERS,
    STOP_ORDERS,
    AnyOrder,
    GridOrders,
    Order,
    OrderName,
    OrderSource,
    QMode,
)
from ..model.phrase import Phrase
from .link_loss import LinkLossAction, LinkLossPolicy, LinkMark
from .meaning import OrderValue
from .point import REACTIVE_BAND_ORDERS, REASON_ORDERS


class BookFormatError(Exception):
    """Stored orders that do not have the form that their version promises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderBook:
    """Everything of the orders that outlives the host.

    `lowest` and `highest` are the newest valid ends of the reactive band, in the
    operator's sign. `link` marks the newest known state of the operator's link.
    """

    accepted: GridOrders = NO_ORDERS
    lowest: Order[float] | None = None
    highest: Order[float] | None = None
    link: LinkMark | None = None

    def with_order(self, name: OrderName, order: AnyOrder | None) -> Self:
        """Return the book with one accepted order replaced (None: never received)."""
        accepted = self.accepted.with_order(name, order)
        if name not in REACTIVE_BAND_ORDERS:
            return replace(self, accepted=accepted)
        low, high = accepted.minsetq, accepted.maxsetq
        if low is not None and high is not None and low.value > high.value:
            return replace(self, accepted=accepted)
        return replace(self, accepted=accepted, lowest=low, highest=high)

    def in_force(self, *, reverse_band: bool = False) -> GridOrders:
        """Return the orders for the decision, the reactive band load positive."""
        low, high = self.lowest, self.highest
        if reverse_band:
            low, high = _reversed(high), _reversed(low)
        return replace(self.accepted, minsetq=low, maxsetq=high)

    def to_json(self) -> dict[str, Any]:
        """Return the book as JSON values; `from_json` is its inverse."""
        band = {"lowest": self.lowest, "highest": self.highest}
        return {
            "orders": {
                name.value: _order_to_json(order)
                for name, order in self.accepted.present().items()
            },
            "band": {
                end: _order_to_json(order)
                for end, order in band.items()
                if order is not None
            },
            "link": None if self.link is None else self.link.to_json(),
        }

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Return the stored book, its orders marked as restored.

        Raises BookFormatError for anything that `to_json` does not write.
        """
        try:
            return cls._from_json(data)
        except (KeyError, TypeError, ValueError, AttributeError) as err:
            raise BookFormatError(
                Phrase(
                    "orders_unread",
                    "stored orders are not understood: {reason}",
                    reason=reason_of(err),
                )
            ) from err

    @classmethod
    def _from_json(cls, data: Any) -> Self:
        if data.keys() != {"orders", "band", "link"}:
            raise ValueError(f"fields {sorted(data)}")
        if unknown := data["band"].keys() - {"lowest", "highest"}:
            raise ValueError(f"ends {sorted(unknown)} of the reactive band")
        accepted = NO_ORDERS
        for key, stored in data["orders"].items():
            name = OrderName(key)
            accepted = accepted.with_order(name, _order_from_json(name, stored))
        ends: dict[str, Any] = {
            end: _order_from_json(OrderName.MINSETQ, stored)
            for end, stored in data["band"].items()
        }
        link = data["link"]
        return cls(
            accepted=accepted,
            lowest=ends.get("lowest"),
            highest=ends.get("highest"),
            link=None if link is None else LinkMark.from_json(link),
        )


def apply_link_loss(
    orders: GridOrders, policy: LinkLossPolicy, at: datetime
) -> GridOrders:
    """Return the orders in force once the policy for a lost link has come due.

    Only setpoints are touched: stops, test, Q mode and reasons hold.
    """
    if policy.action is LinkLossAction.FALLBACK:
        for name, value in policy.fallback.items():
            order = Order(value=value, source=OrderSource.FALLBACK, at=at)
            orders = orders.with_order(name, order)
    elif policy.action is LinkLossAction.RELEASE:
        for name in POWER_LIMIT_ORDERS | REACTIVE_BAND_ORDERS:
            orders = orders.with_order(name, None)
    return orders


def make_order(
    name: OrderName, value: OrderValue, source: OrderSource, at: datetime
) -> AnyOrder:
    """Return an order of the type that its name has; ValueError for another."""
    if name in STOP_ORDERS or name is OrderName.TEST:
        if isinstance(value, bool):
            return Order(value=value, source=source, at=at)
    elif name is OrderName.Q_MODE:
        if isinstance(value, QMode):
            return Order(value=value, source=source, at=at)
    elif isinstance(value, bool | QMode):
        pass
    elif name in REASON_ORDERS:
        if value == int(value):
            return Order(value=int(value), source=source, at=at)
    else:
        return Order(value=float(value), source=source, at=at)
    raise ValueError(f"{value!r} is no value of {name}")


def _reversed(order: Order[float] | None) -> Order[float] | None:
    return None if order is None else replace(order, value=0.0 - order.value)


def _order_to_json(order: AnyOrder) -> dict[str, Any]:
    return {
        "value": order.value,
        "source": order.source.value,
        "at": order.at.isoformat(),
    }


_RESTORED: Final[Mapping[OrderSource, OrderSource]] = {
    OrderSource.OPERATOR: OrderSource.RESTORED,
    OrderSource.RESTORED: OrderSource.RESTORED,
}


def _order_from_json(name: OrderName, stored: Any) -> AnyOrder:
    if stored.keys() != {"value", "source", "at"}:
        raise ValueError(f"{name} has the fields {sorted(stored)}")
    at = datetime.fromisoformat(stored["at"])
    if at.tzinfo is None:
        raise ValueError(f"{name} has a time without a zone")
    value = stored["value"]
    if name is OrderName.Q_MODE:
        value = QMode(value)
    elif not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no value of {name}")
    source = _RESTORED[OrderSource(stored["source"])]
    return make_order(name, value, source, at)
