"""What has changed between two views of a site, for automations and the activity."""

from collections.abc import Iterator
from typing import Any, Final

from .model.asset import Direction
from .model.plan import Compliance, ComplianceState, Plan
from .site.view import SiteView

STARTED, ENDED = "started", "ended"
CONNECTED, LOST = "connected", "lost"
NOT_KEPT, KEPT_AGAIN = "not_kept", "kept_again"

_BROKEN: Final = frozenset({ComplianceState.VIOLATED, ComplianceState.INFEASIBLE})

_HOLDS: Final = frozenset({"remote_hold", "flexoffer"})
"""Keys of what sources outside hold a load back for."""
"""Key of the cause with which a source outside holds a load back."""

type Change = dict[str, Any]
"""`change` says which way, the rest what it is about; W, and names that stay."""


def stop_changes(before: SiteView, after: SiteView) -> Iterator[Change]:
    """Yield every direction whose emergency stop, whoever gave it, began or ended."""
    for direction in Direction:
        stopped = is_stopped(after, direction)
        if stopped is not is_stopped(before, direction):
            yield {
                "direction": direction.value,
                "change": STARTED if stopped else ENDED,
            }


def link_changes(before: SiteView, after: SiteView) -> Iterator[Change]:
    """Yield the operator's link if it came up or was lost."""
    link = after.link
    if link.connected is not before.link.connected:
        yield {
            "change": CONNECTED if link.connected else LOST,
            "client": link.client,
            "reason": link.last_close_reason,
        }


def compliance_changes(before: SiteView, after: SiteView) -> Iterator[Change]:
    """Yield the operator's limits that are not kept any more, or kept again."""
    if before.plan is None or after.plan is None:
        return
    earlier, now = _broken(before.plan), _broken(after.plan)
    kept = {item.name: item for item in after.plan.compliance}
    for name in now.keys() - earlier.keys():
        yield _compliance(now[name], NOT_KEPT)
    for name in earlier.keys() - now.keys():
        item = kept.get(name)
        if item is not None and item.state is ComplianceState.INSIDE:
            yield _compliance(item, KEPT_AGAIN)


def is_stopped(view: SiteView, direction: Direction) -> bool:
    """Whether an order or a local stop holds a direction."""
    return view.orders.stopped(direction) or view.local_stops.stopped(direction)


def _compliance(item: Compliance, change: str) -> Change:
    return {
        "change": change,
        "order": item.name,
        "limit": item.limit.value,
        "measured": item.measured,
        "state": item.state.value,
    }


def _broken(plan: Plan) -> dict[str, Compliance]:
    return {item.name: item for item in plan.compliance if item.state in _BROKEN}


def hold_changes(before: SiteView, after: SiteView) -> Iterator[Change]:
    """Yield the loads that a source outside begins to hold back, or lets go."""
    if before.plan is None or after.plan is None:
        return
    earlier, now = _held(before.plan), _held(after.plan)
    for asset_id in now.keys() - earlier.keys():
        yield {"asset": asset_id, "change": STARTED, "cause": now[asset_id]}
    for asset_id in earlier.keys() - now.keys():
        yield {"asset": asset_id, "change": ENDED, "cause": earlier[asset_id]}


def veto_changes(before: SiteView, after: SiteView) -> Iterator[Change]:
    """Yield the loads whose inhabitants begin to outweigh what holds them back."""
    for asset_id, known in after.flexibility.items():
        earlier = before.flexibility.get(asset_id)
        if known.veto is not None and (earlier is None or earlier.veto is None):
            yield {"asset": asset_id, "change": STARTED, "cause": known.veto}


def _held(plan: Plan) -> dict[str, str]:
    """Return the causes of loads that are held back from outside, by the load."""
    return {
        setpoint.asset_id: cause.text
        for setpoint in plan.setpoints.values()
        for cause in setpoint.causes
        if cause.key in _HOLDS
    }
