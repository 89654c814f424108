"""A rehearsal's orders beside the operator's own: the tighter of both holds."""

from dataclasses import replace

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
from .point import REASON_ORDERS


def as_rehearsal(orders: GridOrders) -> GridOrders:
    """Return orders with a rehearsal as their source."""
    marked = NO_ORDERS
    for name, order in orders.present().items():
        marked = marked.with_order(name, replace(order, source=OrderSource.REHEARSAL))
    return marked


def tighter(operator: GridOrders, rehearsal: GridOrders) -> GridOrders:
    """Return what holds while a rehearsal runs beside the operator's own orders.

    Every order of the operator keeps holding: a stop stays on, of two limits the
    lower one counts. A reactive band that both have is their common part, and the
    operator's where there is none. The operator's reasons stay where one of their
    own orders binds.
    """
    if rehearsal == NO_ORDERS:
        return operator
    result = operator
    for name in (*STOP_ORDERS, OrderName.TEST):
        result = result.with_order(
            name, _stopping(operator.get(name), rehearsal.get(name))
        )
    for name in POWER_LIMIT_ORDERS:
        result = result.with_order(
            name, _lower(operator.get(name), rehearsal.get(name))
        )
    result = _with_band(result, rehearsal)
    if not binds(operator):
        for name in REASON_ORDERS:
            if (order := rehearsal.get(name)) is not None:
                result = result.with_order(name, order)
    return result


def _stopping(own: AnyOrder | None, other: AnyOrder | None) -> AnyOrder | None:
    if own is None or (not own.value and other is not None and other.value):
        return other
    return own


def _lower(own: AnyOrder | None, other: AnyOrder | None) -> AnyOrder | None:
    if own is None or other is None:
        return other if own is None else own
    return other if float(other.value) < float(own.value) else own


def _with_band(operator: GridOrders, rehearsal: GridOrders) -> GridOrders:
    """Return the operator's orders with a rehearsal's Q mode and band."""
    if not _remote(operator):
        if rehearsal.q_mode is None and (
            rehearsal.minsetq is None and rehearsal.maxsetq is None
        ):
            return operator
        return replace(
            operator,
            q_mode=rehearsal.q_mode or operator.q_mode,
            minsetq=rehearsal.minsetq or operator.minsetq,
            maxsetq=rehearsal.maxsetq or operator.maxsetq,
        )
    if not _remote(rehearsal):
        return operator
    low = _higher(operator.minsetq, rehearsal.minsetq)
    high = _least(operator.maxsetq, rehearsal.maxsetq)
    if low is not None and high is not None and low.value > high.value:
        return operator
    return replace(operator, minsetq=low, maxsetq=high)


def _remote(orders: GridOrders) -> bool:
    return orders.q_mode is not None and orders.q_mode.value is QMode.REMOTE


def _higher(
    own: Order[float] | None, other: Order[float] | None
) -> Order[float] | None:
    if own is None or other is None:
        return other if own is None else own
    return other if other.value > own.value else own


def _least(own: Order[float] | None, other: Order[float] | None) -> Order[float] | None:
    if own is None or other is None:
        return other if own is None else own
    return other if other.value < own.value else own


def binds(orders: GridOrders) -> bool:
    """Tell whether a stop is on, a limit is below 100 %, or Q mode is remote."""
    if _remote(orders):
        return True
    if any(order is not None and order.value for order in map(orders.get, STOP_ORDERS)):
        return True
    return any(
        order is not None and float(order.value) < 100
        for order in map(orders.get, POWER_LIMIT_ORDERS)
    )
