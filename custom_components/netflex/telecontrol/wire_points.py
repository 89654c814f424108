"""The points of the control direction as the protocol's station asks for them."""

from functools import partial

from ..iec104 import CommandPoint, Execution as WireExecution, PointValue
from ..iec104.information_objects import TAGGED, TypeId
from ..model.orders import STOP_ORDERS
from .meaning import OrderRefusedError, decode_order
from .point import Execution, Point, TimeTagChoice
from .points import PointTable

_EXECUTIONS = {
    Execution.DIRECT: WireExecution.DIRECT,
    Execution.SELECT: WireExecution.SBO,
    Execution.BOTH: WireExecution.BOTH,
}


def command_points(table: PointTable, *, termination: bool) -> dict[int, CommandPoint]:
    """Return the description of every controllable point by its address."""
    return {
        ioa: CommandPoint(
            type_ids=_type_ids(point),
            execution=_EXECUTIONS[point.execution or Execution.DIRECT],
            accepts=partial(_accepts, point),
            exempt_from_delay=partial(_switches_stop_on, point),
            termination=termination,
        )
        for ioa, point in table.orders.items()
    }


def _switches_stop_on(point: Point, value: PointValue) -> bool:
    """Tell whether a command switches an emergency stop on."""
    return point.order in STOP_ORDERS and decode_order(point, value) is True


def _accepts(point: Point, value: PointValue) -> bool:
    try:
        decode_order(point, value)
    except OrderRefusedError:
        return False
    return True


def _type_ids(point: Point) -> frozenset[int]:
    plain = point.type_id
    tagged = TAGGED[TypeId(plain)]
    if point.time_tag is TimeTagChoice.NEVER:
        return frozenset({plain})
    if point.time_tag is TimeTagChoice.ALWAYS:
        return frozenset({tagged})
    return frozenset({plain, tagged})
