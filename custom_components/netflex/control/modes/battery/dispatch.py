"""Dispatch: the battery does what a command from outside asks, while there is one.

Charge or discharge with all there is, with a power, or avoid import or export. Where
the command allows deviation, the modes after it may do more of the same.
"""

from dataclasses import replace
from math import inf

from ....model.dispatch import DispatchAction, DispatchCommand
from ....model.plan import Cause
from ....model.programme import Dispatch
from . import causes
from .view import (
    NO_CLOCK,
    Answer,
    BatteryView,
    BatteryWish,
    exactly,
    no_export,
    no_import,
)


def wish(view: BatteryView, parameters: Dispatch) -> Answer:
    """Wish for what the command asks."""
    order = next(
        (o for o in view.dispatches if parameters.hears(o.command.source)), None
    )
    if order is None:
        return None
    if not view.clock.synchronised:
        return NO_CLOCK
    command = order.command
    cause = causes.dispatched(command.source, command.action)
    if command.action is DispatchAction.AVOID_IMPORT:
        answer = no_import(view, cause)
        if not command.allow_deviation:
            answer = replace(answer, low=min(0.0, view.need))
        return answer
    if command.action is DispatchAction.AVOID_EXPORT:
        answer = no_export(view, cause)
        if not command.allow_deviation:
            answer = replace(answer, high=max(0.0, view.need))
        return answer
    return _power(command, order.share, cause)


def _power(command: DispatchCommand, share: float, cause: Cause) -> BatteryWish:
    """Return the wish for a power; what is as much as there is leaves no deviation."""
    if command.action is DispatchAction.CHARGE_MAX:
        return exactly(inf, cause)
    if command.action is DispatchAction.DISCHARGE_MAX:
        return exactly(-inf, cause)
    answer = exactly((command.power or 0.0) * share, cause)
    if command.allow_deviation and command.power:
        if command.power > 0:
            return replace(answer, high=inf)
        return replace(answer, low=-inf)
    return answer
