"""The site as a rehearsal sees it: orders, flows, and whether limits are kept."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from ..model.asset import Direction
from ..model.orders import NO_ORDERS, STOP_ORDERS, GridOrders, OrderName
from ..model.phrase import Phrase
from ..model.plan import Compliance, ComplianceState, Infeasible, Plan, Problem
from ..model.snapshot import SiteModel, Snapshot
from ..telecontrol.rehearsal_orders import tighter
from ..telecontrol.rehearsal_plant import LIMITED, Bounded, Observation, Verdict
from .prediction import Flows, in_words, measured_flows, predicted_flows

_VERDICTS: Final = {
    ComplianceState.INSIDE: Verdict.KEPT,
    ComplianceState.PENDING: Verdict.PENDING,
    ComplianceState.VIOLATED: Verdict.PENDING,
    ComplianceState.INFEASIBLE: Verdict.IMPOSSIBLE,
    ComplianceState.UNKNOWN: Verdict.UNKNOWN,
}
_WORST: Final = (
    Verdict.UNKNOWN,
    Verdict.IMPOSSIBLE,
    Verdict.PENDING,
    Verdict.KEPT,
)
COUNTED: Final = Phrase(
    "note_counted",
    "Not everything in this sum has a sensor: a switched load without one counts at "
    "its rated power while it is on",
)
_PROBLEMS: Final = {
    Problem.UNCONTROLLABLE: Phrase(
        "why_uncontrollable", "what is left cannot be controlled"
    ),
    Problem.STALE_METER: Phrase("why_stale_meter", "the site meter is silent"),
    Problem.ASSET_UNAVAILABLE: Phrase("why_unavailable", "an asset does not answer"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a site knows at one moment; `missing` has not confirmed a stop yet.

    `shadow`: the site only decides. `base` is what flows at the connection point without what setpoints move, W.
    """

    at: float
    model: SiteModel
    snapshot: Snapshot
    plan: Plan | None
    base: float | None
    shadow: bool
    missing: Mapping[Direction, tuple[str, ...]]


type Looker = Callable[[GridOrders | None], Look]
"""Looks at the site; with orders, at what would be decided for them."""


class SitePlant:
    """Looks at the site for a rehearsal.

    In shadow the rehearsal's orders are only asked about: a decision is taken for
    them beside the real one, and what would flow is predicted.
    """

    def __init__(
        self, look: Looker, utcnow: Callable[[], datetime], *, real: bool
    ) -> None:
        """Look at a site; `real`: the rehearsal's orders are in force there."""
        self._look = look
        self._utcnow = utcnow
        self._real = real
        self.ordered = NO_ORDERS
        """What the rehearsal orders now."""

    def utc(self) -> datetime:
        """Return the site's wall clock."""
        return self._utcnow()

    def observe(self) -> Observation:
        """Return what is known now."""
        look = self._look(None)
        if not self._real and self.ordered != NO_ORDERS:
            orders = tighter(look.snapshot.orders, self.ordered)
            look = self._look(orders)
        snapshot, model, plan = look.snapshot, look.model, look.plan
        reading = snapshot.reading
        if reading is not None and look.at - reading.received > model.meter_timeout:
            reading = None
        measured = measured_flows(model.assets, snapshot.states, reading)
        predicted = None
        if not self._real and plan is not None:
            predicted = predicted_flows(
                model.assets,
                snapshot.states,
                look.base,
                plan,
                model.connection.grid_type,
            )
        seen = Observation(
            at=look.at,
            orders=snapshot.orders,
            power=measured.power,
            reactive_power=None if reading is None else reading.reactive_power,
            production=measured.production,
            consumption=measured.consumption,
            measured_at=None if reading is None else reading.received,
        )
        if plan is None:
            return seen
        return replace(seen, bounded=_bounded(seen, look, plan, predicted))


def _bounded(
    seen: Observation, look: Look, plan: Plan, predicted: Flows | None
) -> dict[OrderName, Bounded]:
    """Return every limit of the operator in force, with whether it is kept."""
    found: dict[OrderName, list[Compliance]] = {}
    for item in plan.compliance:
        if item.name in LIMITED:
            found.setdefault(OrderName(item.name), []).append(item)
    flows = replace(
        seen,
        power=seen.power if predicted is None else predicted.power,
        production=seen.production if predicted is None else predicted.production,
        consumption=seen.consumption if predicted is None else predicted.consumption,
    )
    rules = look.model.compliance
    result = {}
    for name, items in found.items():
        limit = sum(item.limit.value for item in items)
        tolerance = max(rules.band, rules.tolerance * limit)
        missing = [one for one in plan.infeasible if one.limit.cause.key == name]
        bounded = Bounded(
            limit=limit,
            value=flows.flow(name),
            now=seen.flow(name),
            verdict=_worst(items),
            tolerance=tolerance,
            seconds=_seconds(items),
            why=_why(missing),
            missing=_unconfirmed(name, look),
            told=_told(name, look.model, plan),
        )
        if bounded.verdict is Verdict.UNKNOWN and bounded.value is not None:
            # A switched load without a sensor counts at its rating here.
            bounded = replace(
                bounded,
                verdict=_predicted(bounded, bool(missing)),
                seconds=None,
                why=bounded.why or COUNTED,
            )
        if predicted is not None:
            bounded = replace(
                bounded,
                verdict=_predicted(bounded, bool(missing)),
                seconds=None,
                missing=(),
            )
        result[name] = bounded
    return result


def _worst(items: list[Compliance]) -> Verdict:
    return min((_VERDICTS[item.state] for item in items), key=_WORST.index)


def _seconds(items: list[Compliance]) -> float | None:
    seconds = [item.seconds for item in items]
    known = [one for one in seconds if one is not None]
    return max(known) if len(known) == len(seconds) else None


def _predicted(bounded: Bounded, missing: bool) -> Verdict:
    if bounded.value is None:
        return Verdict.UNKNOWN
    if missing:
        return Verdict.IMPOSSIBLE
    inside = bounded.value <= bounded.limit + bounded.tolerance
    return Verdict.KEPT if inside else Verdict.PENDING


def _why(missing: list[Infeasible]) -> str:
    if not missing:
        return ""
    most = max(missing, key=lambda item: item.missing)
    return Phrase(
        "note_too_much",
        "{power} too much, and nothing more can yield: {why}",
        power=f"{most.missing / 1000:.2f} kW",
        why=_PROBLEMS[most.problem],
    )


def _told(name: OrderName, model: SiteModel, plan: Plan) -> tuple[str, ...]:
    """Return what assets are told because of an order."""
    return tuple(
        in_words(model.assets[asset_id], setpoint)
        for asset_id, setpoint in plan.setpoints.items()
        if asset_id in model.assets
        and any(cause.key == name for cause in setpoint.causes)
    )


def _unconfirmed(name: OrderName, look: Look) -> tuple[str, ...]:
    direction = STOP_ORDERS.get(name)
    return () if direction is None else look.missing.get(direction, ())
