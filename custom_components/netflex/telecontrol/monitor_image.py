"""What the operator reads: feedback, interface version and measurements."""

from collections.abc import Callable, Iterator

from ..iec104 import MonitorObject, PointValue, Quality
from ..iec104.information_objects import TAGGED, TypeId
from ..model.asset import Category, Direction
from ..model.measurement import CategoryMeasurement, Measurements
from ..model.orders import STOP_ORDERS, GridOrders, OrderName
from .meaning import encode_measurement, encode_order, stale_quality
from .point import (
    INTERFACE_VERSION,
    Point,
    PointDirection,
    TimeTagChoice,
    power_name,
    reactive_power_name,
)
from .points import PointTable
from .settings import TelecontrolSettings

_NO_ASSETS = CategoryMeasurement()


class MonitorImage:
    """The monitored points' values at any moment.

    `accepted` returns the orders to be mirrored, `shown` whether the emergency stop
    of a direction is reported as on, `now` monotonic s.
    """

    def __init__(
        self,
        settings: TelecontrolSettings,
        accepted: Callable[[], GridOrders],
        shown: Callable[[Direction], bool],
        now: Callable[[], float],
    ) -> None:
        """Start with nothing measured."""
        self._accepted = accepted
        self._shown = shown
        self._now = now
        self._measured: tuple[float, Measurements] | None = None
        self.set_settings(settings)

    def set_settings(self, settings: TelecontrolSettings) -> None:
        """Take other points and options."""
        table = settings.points
        self._table = table
        self._blocked = settings.bench
        self._timeout = settings.timing.measurement_timeout
        self._monitored = {
            point.ioa: point
            for point in table.points
            if point.direction is PointDirection.MONITOR
        }
        self._powers = dict(_powers(table))

    def set_measurements(self, measurements: Measurements) -> None:
        """Take new measurements; a category that is not among them has no assets."""
        self._measured = (self._now(), measurements)

    def points(self) -> list[MonitorObject]:
        """Return every monitored point."""
        return [self._object(point) for point in self._monitored.values()]

    def point(self, ioa: int) -> MonitorObject | None:
        """Return one monitored point, None where there is none."""
        point = self._monitored.get(ioa)
        return None if point is None else self._object(point)

    def feedback(self, name: OrderName) -> MonitorObject | None:
        """Return the mirror of an order, None where the table has no such point."""
        point = self._table.feedback(name)
        return None if point is None else self._object(point)

    def measurements(self) -> list[MonitorObject]:
        """Return P and Q of every category."""
        return [self._object(self._table.by_name[name]) for name in self._powers]

    def _object(self, point: Point) -> MonitorObject:
        value, quality = self._value(point)
        if self._blocked and point.order is not None:
            quality |= Quality.BLOCKED
        type_id = point.type_id
        if point.time_tag is TimeTagChoice.ALWAYS:
            type_id = TAGGED[TypeId(type_id)]
        return MonitorObject(
            type_id=type_id, ioa=point.ioa, value=value, quality=quality
        )

    def _value(self, point: Point) -> tuple[PointValue, Quality]:
        name = point.order
        if name is None:
            return self._measured_value(point)
        direction = STOP_ORDERS.get(name)
        order = self._accepted().get(name)
        if direction is not None and (order is not None or self._shown(direction)):
            return encode_order(point, self._shown(direction))
        return encode_order(point, None if order is None else order.value)

    def _measured_value(self, point: Point) -> tuple[PointValue, Quality]:
        if point.name == INTERFACE_VERSION or self._measured is None:
            return encode_order(point, None)
        at, measurements = self._measured
        category, reactive = self._powers[point.name]
        measured = measurements.get(category, _NO_ASSETS)
        power = measured.reactive_power if reactive else measured.power
        value, quality = encode_measurement(point, power)
        late = self._timeout is not None and self._now() - at > self._timeout
        if late or not measured.topical:
            quality |= stale_quality(point)
        return value, quality


def _powers(table: PointTable) -> Iterator[tuple[str, tuple[Category, bool]]]:
    """Yield the measured points: their category and whether Q is meant."""
    for names, reactive in ((power_name, False), (reactive_power_name, True)):
        for category in Category:
            if names(category) in table.by_name:
                yield names(category), (category, reactive)
