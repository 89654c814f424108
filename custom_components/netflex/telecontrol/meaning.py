"""What a value on the wire means as an order, and an order on the wire.

Source: seed table of the Netflex interface and the agreed meaning of orders. The
reactive band stays in the operator's own sign here, because a reversed sign swaps
its ends: `order_book` turns it for the decision.
"""

from collections.abc import Mapping
import math
from typing import Final

from ..iec104.information_objects import DoublePoint, PointValue, Quality, TypeId
from ..model.orders import POWER_LIMIT_ORDERS, STOP_ORDERS, OrderName, QMode
from ..model.phrase import Phrase
from .point import (
    REACTIVE_BAND_ORDERS,
    REASON_ORDERS,
    UNIT_FACTORS,
    Point,
    Sign,
    StaleQuality,
)

type OrderValue = bool | float | int | QMode

OVERSHOOT: Final = 0.005
"""Share of a range's largest bound by which a rounded value may overshoot it."""

_QUALITIES: Final = {
    StaleQuality.GOOD: Quality.GOOD,
    StaleQuality.NOT_TOPICAL: Quality.NOT_TOPICAL,
    StaleQuality.INVALID: Quality.INVALID,
}
_INTEGER_TYPES: Final = frozenset({TypeId.M_ME_NB_1})
_FLOAT_MAX: Final = 3.4028234663852886e38
_WIRE_RANGES: Final[Mapping[int, tuple[float, float]]] = {
    TypeId.M_ME_NA_1: (-1, 1),
    TypeId.M_ME_NB_1: (-32768, 32767),
    TypeId.M_ME_NC_1: (-_FLOAT_MAX, _FLOAT_MAX),
}


class OrderRefusedError(Exception):
    """A value that is no order; the message says why in a user's words."""


def decode_order(point: Point, value: PointValue) -> OrderValue:
    """Return the order that `value` gives on a point of the control direction.

    Raises OrderRefusedError for reserved states, NaN, infinities and everything
    outside the point's range.
    """
    name = _order(point)
    if name is OrderName.Q_MODE:
        if value not in (DoublePoint.OFF, DoublePoint.ON):
            raise OrderRefusedError(
                Phrase(
                    "refused_reserved",
                    "state {state} of a double command is reserved",
                    state=str(int(value)),
                )
            )
        remote = (value == DoublePoint.ON) != point.invert
        return QMode.REMOTE if remote else QMode.LOCAL
    if name in STOP_ORDERS or name is OrderName.TEST:
        return bool(value) != point.invert
    if not math.isfinite(value):
        raise OrderRefusedError(
            Phrase("refused_no_number", "the value is not a number")
        )
    number = _without_sign(point, value * point.scale)
    if name in REASON_ORDERS:
        return _in_range(point, round(number))
    # Adding zero turns -0.0 into 0.0.
    return _in_range(point, number, overshoot=True) + 0.0


def encode_command(point: Point, order: OrderValue) -> PointValue:
    """Return the value that gives an order on a point of the control direction.

    The inverse of `decode_order`, as exact as the type on the wire.
    """
    if isinstance(order, QMode):
        on = (order is QMode.REMOTE) != point.invert
        return DoublePoint.ON if on else DoublePoint.OFF
    if isinstance(order, bool):
        return order != point.invert
    number = float(order)
    if point.sign is Sign.NEGATIVE and point.order not in REACTIVE_BAND_ORDERS:
        number = -number
    raw = number / point.scale
    if point.type_id == TypeId.C_SE_NB_1:
        return round(raw)
    # Adding zero keeps a reversed zero from being sent as -0.0.
    return raw + 0.0


def encode_order(point: Point, order: OrderValue | None) -> tuple[PointValue, Quality]:
    """Return what a feedback point reports of an order and with which quality.

    None, never received, reports the point's initial value.
    """
    if order is None:
        return _wire(point, point.initial or 0.0), stale_quality(point)
    if isinstance(order, QMode):
        return _wire(point, float(order is QMode.REMOTE)), Quality.GOOD
    return _wire(point, float(order)), Quality.GOOD


def encode_measurement(point: Point, value: float) -> tuple[PointValue, Quality]:
    """Return a measurement (W or var, load positive) as it goes onto the wire.

    What lies outside the point's range or its type's is reported at the bound, with
    the overflow bit; what is no number as an invalid zero.
    """
    if not math.isfinite(value):
        return _fit(point, 0.0)[0], Quality.INVALID
    number = value / UNIT_FACTORS.get(point.unit, 1.0)
    if point.sign is Sign.NEGATIVE:
        number = -number
    elif point.sign is Sign.ABSOLUTE:
        number = abs(number)
    low = -math.inf if point.minimum is None else point.minimum
    high = math.inf if point.maximum is None else point.maximum
    bounded = min(max(number, low), high)
    wire, quality = _fit(point, bounded / point.scale)
    if bounded != number:
        quality |= Quality.OVERFLOW
    return wire, quality


def stale_quality(point: Point) -> Quality:
    """Return what the point reports while its source has nothing newer."""
    return _QUALITIES[point.quality or StaleQuality.NOT_TOPICAL]


def relaxes(
    name: OrderName, before: OrderValue | None, after: OrderValue | None
) -> bool:
    """Tell whether an order loosens what was in force (None: nothing was).

    A value that stays is not looser. The test command and the reasons bind nothing.
    """
    if name in STOP_ORDERS:
        return bool(before) and not after
    if name is OrderName.Q_MODE:
        return before is QMode.REMOTE and after is not QMode.REMOTE
    if name not in POWER_LIMIT_ORDERS and name not in REACTIVE_BAND_ORDERS:
        return False
    if before is None:
        return False
    if after is None:
        return True
    if name is OrderName.MINSETQ:
        return float(after) < float(before)
    return float(after) > float(before)


def _order(point: Point) -> OrderName:
    if point.order is None:
        raise ValueError(f"{point.name} carries no order")
    return point.order


def _without_sign(point: Point, number: float) -> float:
    if point.order in REACTIVE_BAND_ORDERS:
        return number
    if point.sign is Sign.NEGATIVE:
        return -number
    return abs(number) if point.sign is Sign.ABSOLUTE else number


def _in_range[T: (int, float)](
    point: Point, number: T, *, overshoot: bool = False
) -> T | float:
    """Return the number, moved onto a bound that it overshoots a little.

    A lower bound of zero is exact: what is negative there has another sign, and
    must not count as the tightest limit by accident of rounding.
    """
    low, high = point.minimum or 0.0, point.maximum or 0.0
    slack = OVERSHOOT * max(abs(low), abs(high)) if overshoot else 0.0
    if high < number <= high + slack:
        return high
    if low < 0 and low - slack <= number < low:
        return low
    if not low <= number <= high:
        unit = f" {point.unit}" if point.unit else ""
        raise OrderRefusedError(
            Phrase(
                "refused_outside",
                "{value} is outside {low} to {high}",
                value=f"{number:g}{unit}",
                low=f"{low:g}",
                high=f"{high:g}{unit}",
            )
        )
    return number


def _wire(point: Point, number: float) -> PointValue:
    if point.type_id == TypeId.M_SP_NA_1:
        return bool(number) != point.invert
    if point.type_id == TypeId.M_DP_NA_1:
        on = bool(number) != point.invert
        return DoublePoint.ON if on else DoublePoint.OFF
    if point.sign is Sign.NEGATIVE and point.order not in REACTIVE_BAND_ORDERS:
        number = -number
    return _fit(point, number / point.scale)[0]


def _fit(point: Point, raw: float) -> tuple[float | int, Quality]:
    low, high = _WIRE_RANGES[point.type_id]
    bounded = min(max(raw, low), high)
    quality = Quality.GOOD if bounded == raw else Quality.OVERFLOW
    if point.type_id in _INTEGER_TYPES:
        return round(bounded), quality
    # Adding zero keeps a reversed zero from being sent as -0.0.
    return bounded + 0.0, quality
