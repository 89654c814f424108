"""Reading a site's view: small functions that several entities share."""

from collections.abc import Iterable, Mapping
from typing import Any

from homeassistant.util.json import JsonValueType

from .model.asset import AssetState
from .model.orders import OrderName
from .model.plan import ALL_ASSETS, SITE, Cause, Limit, Quantity, Scope, Setpoint
from .model.programme import PreviewSlot
from .model.reading import MeterReading, SubMeter
from .site.view import MeterView, SiteView

type Attributes = Mapping[str, Any]

MAXIMUM_STATE_LENGTH = 255
"""Characters that Home Assistant accepts as a state."""

ORDER_LIMITS: Mapping[OrderName, tuple[Scope, Quantity]] = {
    OrderName.MINSETP: (SITE, Quantity.INJECTION),
    OrderName.MAXSETP: (SITE, Quantity.IMPORT),
    OrderName.MAXSETAP: (ALL_ASSETS, Quantity.PRODUCTION),
    OrderName.MINSETAP: (ALL_ASSETS, Quantity.CONSUMPTION),
}
"""What each P order limits."""


def allows_less(view: SiteView, name: OrderName) -> bool:
    """Whether an order in force allows less than all; 100 % is the contract itself."""
    order = view.orders.get(name)
    return order is not None and float(order.value) < 100


def state_of(view: SiteView, asset_id: str) -> AssetState | None:
    """Return what an asset says, None before it said anything."""
    return view.states.get(asset_id)


def answers(view: SiteView, asset_id: str) -> bool:
    """Whether an asset answers."""
    state = view.states.get(asset_id)
    return state is not None and state.available


def silence_attributes(view: SiteView, asset_id: str) -> Attributes:
    """Return what a device does when nobody refreshes it: as said, and as seen."""
    state, learned = view.states.get(asset_id), view.fallbacks.get(asset_id)
    if state is None:
        return {}
    return {
        "when_silent": state.details.get("when_silent"),
        "fallback": state.device_fallback,
        "learned_fallback": None if learned is None else learned.value,
        "learned_fallback_after": None if learned is None else round(learned.after),
        "learned_at": None if learned is None else learned.at,
    }


def meter_of(view: SiteView, meter_id: str) -> MeterView | None:
    """Return a meter's view."""
    return view.meters.get(meter_id)


def measures(view: SiteView, meter_id: str) -> bool:
    """Whether a meter may be relied on."""
    meter = view.meters.get(meter_id)
    return meter is not None and meter.available


def reading_of(view: SiteView, meter_id: str) -> MeterReading | None:
    """Return a meter's newest reading."""
    meter = view.meters.get(meter_id)
    return meter.reading if meter is not None else None


def sub_meter_of(view: SiteView, meter_id: str, channel: int) -> SubMeter | None:
    """Return the meter on one channel behind a smart meter."""
    if (reading := reading_of(view, meter_id)) is None:
        return None
    return next((item for item in reading.sub_meters if item.channel == channel), None)


def setpoint_of(view: SiteView, asset_id: str) -> Setpoint | None:
    """Return what an asset is told."""
    return None if view.plan is None else view.plan.setpoints.get(asset_id)


def limit_of(view: SiteView, scope: Scope, quantity: Quantity) -> Limit | None:
    """Return the tightest limit in force."""
    return _tightest(() if view.plan is None else view.plan.limits, scope, quantity)


def ordered_limit_of(view: SiteView, scope: Scope, quantity: Quantity) -> Limit | None:
    """Return what the grid operator has ordered, also where something is tighter."""
    return _tightest(() if view.plan is None else view.plan.ordered, scope, quantity)


def _tightest(
    limits: Iterable[Limit], scope: Scope, quantity: Quantity
) -> Limit | None:
    matching = (
        limit for limit in limits if limit.scope == scope and limit.quantity is quantity
    )
    return min(matching, key=lambda limit: limit.value, default=None)


def limit_attributes(limit: Limit | None) -> Attributes:
    """Return why a limit is what it is."""
    if limit is None:
        return cause_attributes(())
    return {
        **cause_attributes((limit.cause,)),
        "since": limit.since,
        "until": limit.until,
    }


def cause_attributes(causes: tuple[Cause, ...]) -> Attributes:
    """Return causes, the one that bounds most first."""
    first = causes[0] if causes else None
    return {
        "source": None if first is None else first.source.name.lower(),
        "cause_key": None if first is None else first.key,
        "cause": None if first is None else first.text,
        "causes": [cause.text for cause in causes],
    }


def setpoint_attributes(view: SiteView, asset_id: str) -> Attributes:
    """Return why an asset is told what it is told."""
    setpoint = setpoint_of(view, asset_id)
    if setpoint is None:
        return cause_attributes(())
    return {
        **cause_attributes(setpoint.causes),
        "emergency": setpoint.emergency,
        "written": not view.shadow,
    }


def asset_problem(view: SiteView, asset_id: str) -> str | None:
    """Return why an asset is not as it should be, in a user's words."""
    state = view.states.get(asset_id)
    return None if state is None else state.problem


def asset_has_problem(view: SiteView, asset_id: str) -> bool | None:
    """Whether an asset is away, refuses or does not follow."""
    if (state := view.states.get(asset_id)) is None:
        return None
    return not state.available or state.follows is False or state.problem is not None


def as_state(text: str) -> str:
    """Return a text as Home Assistant can show it as a state."""
    if len(text) <= MAXIMUM_STATE_LENGTH:
        return text
    return f"{text[: MAXIMUM_STATE_LENGTH - 1]}…"


def rounded(value: float | None, digits: int = 0) -> float | None:
    """Return a value without the digits that would only fill the history."""
    return None if value is None else round(value, digits)


def shown_preview(slots: Iterable[PreviewSlot]) -> list[JsonValueType]:
    """Return the coming hours of a programme for an answer or a card."""
    return [
        {
            "start": slot.start.isoformat(),
            "end": slot.end.isoformat(),
            "modes": [mode.value for mode in slot.modes],
        }
        for slot in slots
    ]
