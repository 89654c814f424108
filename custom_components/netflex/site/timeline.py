"""The recent past of a site: each order with what became of it, and the flows.

It lives in memory only and is bounded: the journal is what proves, this is what the
dashboard draws.
"""

from collections import deque
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Final

from ..model.asset import Direction
from ..model.orders import POWER_LIMIT_ORDERS, STOP_ORDERS, OrderEvent, OrderName, QMode
from ..model.plan import SITE, Compliance, Plan, Quantity, Source
from .view import SiteView

ORDERS_KEPT: Final = 50
SAMPLES_KEPT: Final = 720
SAMPLE_INTERVAL: Final = 5.0
"""s between two samples of the flows: an hour is kept."""
_BINDING_SOURCES: Final = frozenset({Source.EMERGENCY_STOP, Source.GRID_OPERATOR})


@dataclass(frozen=True, slots=True, kw_only=True)
class PastOrder:
    """One order and what became of it. Times in s count from the order.

    `applied` is when every device that the order binds had confirmed its setpoint (for
    stops: every output and asset); None: not yet, or not any more since a newer order
    came. `compliance` is what the measurements say, None for what they cannot prove.
    """

    name: OrderName
    value: bool | float | int | QMode | None
    source: str
    at: datetime
    accepted: bool = True
    reason: str | None = None
    client: str | None = None
    applied: float | None = None
    compliance: Compliance | None = None
    open: bool = False
    """Whether it is in force and still followed here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSample:
    """The connection point at one moment: W, import positive; None: not known."""

    at: datetime
    power: float | None
    import_limit: float | None
    injection_limit: float | None


class Timeline:
    """Collects what orders brought about. Belongs to one loop."""

    def __init__(self) -> None:
        """Begin empty."""
        self._orders: deque[PastOrder] = deque(maxlen=ORDERS_KEPT)
        self._samples: deque[FlowSample] = deque(maxlen=SAMPLES_KEPT)
        self.changes = 0
        """Grows with every change of `orders`."""

    @property
    def orders(self) -> tuple[PastOrder, ...]:
        """The newest orders, newest first."""
        return tuple(self._orders)

    @property
    def samples(self) -> tuple[FlowSample, ...]:
        """The flows of the last hour, oldest first."""
        return tuple(self._samples)

    def newest_samples(self, count: int) -> tuple[FlowSample, ...]:
        """Return at most `count` samples, oldest first."""
        skipped = max(0, len(self._samples) - count)
        return tuple(islice(self._samples, skipped, None))

    def take_order(self, event: OrderEvent) -> None:
        """Take over an order as it arrived."""
        self.changes += 1
        if event.accepted:
            for index, past in enumerate(self._orders):
                if past.open and past.name is event.name:
                    self._orders[index] = replace(past, open=False)
        self._orders.appendleft(
            PastOrder(
                name=event.name,
                value=event.value,
                source=event.source.value,
                at=event.at,
                accepted=event.accepted,
                reason=event.reason,
                client=event.client,
                open=event.accepted,
            )
        )

    def take_view(self, view: SiteView, utc: datetime) -> None:
        """Follow the orders that are in force, and sample the flows."""
        if (plan := view.plan) is None:
            return
        for index, past in enumerate(self._orders):
            if not past.open:
                continue
            followed = _follow(past, view, plan, utc)
            if followed != past:
                self._orders[index] = followed
                self.changes += 1
        last = self._samples[-1].at if self._samples else None
        if last is None or not 0 <= (utc - last).total_seconds() < SAMPLE_INTERVAL:
            self._samples.append(_sample(view, plan, utc))


def _follow(past: PastOrder, view: SiteView, plan: Plan, utc: datetime) -> PastOrder:
    """Return an order with what is known of it now."""
    if past.name in STOP_ORDERS:
        applied = _stop_applied(past, STOP_ORDERS[past.name], view, plan, utc)
    elif past.name in POWER_LIMIT_ORDERS:
        applied = past.applied
        if applied is None and _limit_applied(past, view, plan):
            applied = _since(past, utc)
    else:
        # Labels, the test and the reactive mode are in force once accepted.
        applied = 0.0
    compliance = next(
        (
            item
            for item in plan.compliance
            if item.name == past.name.value and item.ordered_at == past.at
        ),
        past.compliance,
    )
    return replace(past, applied=applied, compliance=compliance)


def _stop_applied(
    past: PastOrder, direction: Direction, view: SiteView, plan: Plan, utc: datetime
) -> float | None:
    """Return when a stop was confirmed by all, or its release was planned."""
    if past.applied is not None:
        return past.applied
    if not past.value:
        return None if direction in plan.stopped else _since(past, utc)
    for proof in view.proofs:
        if proof.direction is direction and proof.written and not proof.missing:
            return proof.seconds if proof.seconds is not None else _since(past, utc)
    return None


def _limit_applied(past: PastOrder, view: SiteView, plan: Plan) -> bool:
    """Whether all that a limit binds have confirmed what they were told."""
    if not any(limit.since == past.at for limit in plan.ordered):
        return False
    bound = (
        setpoint.asset_id
        for setpoint in plan.setpoints.values()
        if any(cause.source in _BINDING_SOURCES for cause in setpoint.causes)
    )
    states = (view.states.get(asset_id) for asset_id in bound)
    return all(state is not None and state.follows is True for state in states)


def _since(past: PastOrder, utc: datetime) -> float:
    return max(0.0, (utc - past.at).total_seconds())


def _sample(view: SiteView, plan: Plan, utc: datetime) -> FlowSample:
    meter = None if view.site_meter is None else view.meters.get(view.site_meter)
    reading = meter.reading if meter is not None and meter.available else None
    limits = {
        limit.quantity: limit.value for limit in plan.limits if limit.scope == SITE
    }
    return FlowSample(
        at=utc,
        power=None if reading is None else reading.power,
        import_limit=limits.get(Quantity.IMPORT),
        injection_limit=limits.get(Quantity.INJECTION),
    )
