"""Reactive power: the grid operator's band, spread over what can give it.

Only in mode remote. It takes what active power leaves of each asset's apparent power
(P² + Q² <= S²) and never the other way round; an asset under a stop gives none.
"""

from dataclasses import dataclass, replace
from math import sqrt
from types import MappingProxyType

from ..model.asset import Direction, Nature
from ..model.orders import QMode
from ..model.plan import (
    SITE,
    Infeasible,
    Limit,
    Plan,
    Problem,
    Quantity,
    ReactivePlan,
    Setpoint,
    Source,
)
from ..model.protection import ReactiveScope
from ..model.snapshot import SiteModel, Snapshot
from . import explain
from .estimate import Picture
from .flows import lead_of
from .memory import Memory
from .tuning import Tuning
from .units import Unit

_NATURES = frozenset({Nature.INVERTER, Nature.BATTERY})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Giver:
    """One asset that can give reactive power, in var either way."""

    unit: Unit
    present: float
    measured: bool
    most: float


def spread(
    site: SiteModel,
    snapshot: Snapshot,
    units: list[Unit],
    seen: Picture,
    plan: Plan,
    memory: Memory,
    after: Memory,
    tuning: Tuning,
) -> tuple[Plan, Memory]:
    """Return the plan with reactive power beside its setpoints, and what to remember.

    `memory` is that of the decision before, `after` that of this one so far.
    """
    band = _band(snapshot)
    if band is None:
        return plan, after
    low, high = band
    now = plan.at
    givers = [giver for unit in units if (giver := _giver(unit, memory)) is not None]
    told = {
        giver.unit.asset.id: memory.reactive.get(giver.unit.asset.id, 0.0)
        for giver in givers
    }
    base = _base(site, snapshot, seen, givers)
    fresh_band = memory.reactive_band != band
    target = sum(told.values())
    if base is not None and (fresh_band or _settled(givers, memory, now, tuning)):
        target = _target(low - base, high - base, target)
    shares = _shares(givers, target)
    if target == sum(told.values()) and _as_good(told, shares, givers):
        shares = told
    changed = any(shares[name] != told[name] for name in shares)
    infeasible = _infeasible(low, high, base, givers, units)
    cause = explain.q_band(low, high)
    setpoints: dict[str, Setpoint] = dict(plan.setpoints)
    for name, value in shares.items():
        known = setpoints[name]
        setpoints[name] = replace(known, reactive=value, causes=(*known.causes, cause))
    return (
        replace(
            plan,
            setpoints=MappingProxyType(setpoints),
            infeasible=(*plan.infeasible, *infeasible),
            reactive=ReactivePlan(
                low=low,
                high=high,
                told=sum(shares.values()),
                missing=sum(item.missing for item in infeasible),
                known=base is not None,
            ),
        ),
        replace(
            after,
            reactive=MappingProxyType(shares),
            reactive_band=band,
            reactive_changed=now if changed or fresh_band else memory.reactive_changed,
        ),
    )


_NEGLIGIBLE = 10.0
"""var that count as met."""
_DEAD_BAND = 50.0
"""var that are not worth a write while the band is kept."""


def _band(snapshot: Snapshot) -> tuple[float, float] | None:
    """Return the band in var, load positive; None in mode local or without a band."""
    orders = snapshot.orders
    if orders.q_mode is None or orders.q_mode.value is not QMode.REMOTE:
        return None
    if orders.minsetq is None and orders.maxsetq is None:
        return None
    low = float("-inf") if orders.minsetq is None else orders.minsetq.value
    high = float("inf") if orders.maxsetq is None else orders.maxsetq.value
    return (low, high) if low <= high else None


def _infeasible(
    low: float,
    high: float,
    base: float | None,
    givers: list[_Giver],
    units: list[Unit],
) -> tuple[Infeasible, ...]:
    """Return the end of the band that is out of reach, whatever is given."""
    if base is None:
        return ()
    most = sum(giver.most for giver in givers)
    end, missing = max(
        (low, low - base - most), (high, base - most - high), key=lambda it: it[1]
    )
    if missing <= _NEGLIGIBLE:
        return ()
    silent = any(
        unit.asset.nature in _NATURES and unit.asset.controllable and not unit.movable
        for unit in units
    )
    return (
        Infeasible(
            limit=Limit(
                scope=SITE,
                quantity=Quantity.REACTIVE,
                value=end,
                source=Source.Q_BAND,
                cause=explain.q_band(low, high),
            ),
            missing=missing,
            problem=Problem.ASSET_UNAVAILABLE if silent else Problem.UNCONTROLLABLE,
        ),
    )


def _giver(unit: Unit, memory: Memory) -> _Giver | None:
    asset, state = unit.asset, unit.state
    if (
        asset.nature not in _NATURES
        or state is None
        or not unit.movable
        or not state.takes_reactive
        or Direction.PRODUCTION in unit.held
        or unit.emergency
    ):
        return None
    rated = max(asset.rated_production, asset.rated_consumption)
    active = abs(unit.draw) + (lead_of(unit) if asset.nature is Nature.INVERTER else 0)
    if asset.nature is Nature.BATTERY:
        active = max(active, abs(unit.told or 0.0))
    most = sqrt(max(0.0, rated * rated - active * active))
    if state.max_reactive is not None:
        most = min(most, state.max_reactive)
    present = state.reactive_power
    if present is None:
        present = memory.reactive.get(asset.id, state.reactive_setpoint or 0.0)
    return _Giver(
        unit=unit,
        present=present,
        measured=state.reactive_power is not None,
        most=most,
    )


def _base(
    site: SiteModel, snapshot: Snapshot, seen: Picture, givers: list[_Giver]
) -> float | None:
    """Return the var in the band's scope that these assets do not give.

    None where nobody measures it: then what was told stands.
    """
    if site.protection.reactive_scope is ReactiveScope.ASSETS:
        known = {giver.unit.asset.id for giver in givers}
        return sum(
            state.reactive_power or 0.0
            for asset_id, state in snapshot.states.items()
            if asset_id in site.assets
            and asset_id not in known
            and site.assets[asset_id].produces
        )
    reading = snapshot.reading
    if not seen.fresh or reading is None or reading.reactive_power is None:
        return None
    return reading.reactive_power - sum(giver.present for giver in givers)


def _settled(givers: list[_Giver], memory: Memory, now: float, tuning: Tuning) -> bool:
    """Return whether what was told last has reached the meter."""
    if memory.reactive_changed is None:
        return True
    wait = tuning.reactive_wait
    if not all(giver.measured for giver in givers):
        wait = max(wait, tuning.settle)
    return now - memory.reactive_changed >= wait


def _target(low: float, high: float, told: float) -> float:
    """Return the least reactive power in sum that keeps the band."""
    least = min(max(0.0, low), high)
    if low <= told <= high and abs(told) - abs(least) <= _DEAD_BAND:
        return told
    return least


def _as_good(
    told: dict[str, float], shares: dict[str, float], givers: list[_Giver]
) -> bool:
    """Return whether what was told differs from the shares by their rounding only.

    Whole var do not add up to the target, and the sum of what was told is the next.
    """
    return all(
        abs(told[name] - shares[name]) <= len(givers) and abs(told[name]) <= giver.most
        for giver in givers
        for name in (giver.unit.asset.id,)
    )


def _shares(givers: list[_Giver], target: float) -> dict[str, float]:
    """Return the var of each, in proportion to what it can give."""
    most = sum(giver.most for giver in givers)
    if most <= 0:
        return {giver.unit.asset.id: 0.0 for giver in givers}
    part = max(-1.0, min(1.0, target / most))
    return {giver.unit.asset.id: float(round(part * giver.most)) for giver in givers}
