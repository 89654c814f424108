"""Soft limits: the quarter hour of the capacity tariff, and the surplus of the sun.

Both hold only those who agreed to it: who lives from the sun, and everyone whose user
has not said that it must be done by a time. They never bound what a stop, a fuse or the
grid operator demands.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from ..model.asset import Nature
from ..model.demand import QUARTER, CapacityHold, QuarterDemand
from ..model.plan import SITE, CapacityPlan, Limit, Plan, Quantity, Setpoint
from ..model.snapshot import SiteModel, Snapshot
from . import explain
from .allocate import Capacity
from .estimate import Picture
from .flows import Balance, Bound, future_production, total
from .modes import surplus
from .tuning import Tuning
from .units import Unit

_CENT: Final = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The running quarter hour and the import that it leaves, W."""

    quarter: QuarterDemand
    limit: Limit
    free: float
    cost: float | None
    """Of what the forecast is above `free`."""


def held(
    site: SiteModel, snapshot: Snapshot, seen: Picture, tuning: Tuning
) -> Held | None:
    """Return how the quarter hour is held, None where it is not or cannot be."""
    quarter, tariff = snapshot.quarter, site.tariff
    if tariff.hold is CapacityHold.OFF or quarter is None or not seen.fresh:
        return None
    free = tariff.free(quarter.month_peak)
    allowed = left_of(quarter, site, tuning)
    cause = explain.capacity(free, tariff.cost(1000.0))
    return Held(
        quarter=quarter,
        limit=Limit(
            scope=SITE,
            quantity=Quantity.IMPORT,
            value=allowed,
            source=cause.source,
            cause=cause,
        ),
        free=free,
        cost=tariff.cost(quarter.forecast - free),
    )


def left_of(quarter: QuarterDemand, site: SiteModel, tuning: Tuning) -> float:
    """Return the W of import that end a quarter hour at what is free in it."""
    free = site.tariff.free(quarter.month_peak)
    # Close to its end a quarter would let anything pass, or nothing at all.
    remaining = max(quarter.remaining, tuning.quarter_end)
    allowed = (free - quarter.average) * QUARTER / remaining
    return min(max(0.0, allowed), site.connection.fuse_power)


def shaved(site: SiteModel, found: Held | None) -> list[Bound]:
    """Return what batteries hold for the quarter hour, or only do not exceed."""
    if found is None:
        return []
    value = found.limit.value * (1.0 - site.tolerance)
    only = not site.tariff.shave
    return [Bound(limit=found.limit, value=value, channel=0, yields_only=only)]


def soft(balance: Balance, found: Held | None) -> list[Capacity]:
    """Return what tariff and sun leave for those who agreed to yield to them."""
    result = []
    if found is not None:
        result.append(_of_quarter(balance, found))
    if (sun := _of_surplus(balance)) is not None:
        result.append(sun)
    return result


def _of_quarter(balance: Balance, found: Held) -> Capacity:
    members, used = set(), 0.0
    for unit in balance.units:
        nature = unit.asset.nature
        if nature is Nature.INVERTER and unit.movable:
            used += future_production(unit)
        elif nature is Nature.BATTERY and unit.movable and balance.site.tariff.shave:
            used += min(unit.low, unit.high)
        elif nature not in {Nature.CHARGER, Nature.LOAD} or not unit.movable:
            continue
        elif unit.urgent or unit.asset.never_shed:
            used += unit.draw
        else:
            members.add(unit.asset.id)
    base = total(balance.picture.import_base, 0)
    steady = total(balance.picture.steady_base, 0)
    keep = 1.0 - balance.site.tolerance
    return Capacity(
        limit=found.limit,
        left=found.limit.value * keep - base - used,
        channel=0,
        grace=max(0.0, base - steady),
        members=frozenset(members),
    )


def _of_surplus(balance: Balance) -> Capacity | None:
    members = frozenset(unit.asset.id for unit in balance.units if unit.follows)
    if not members:
        return None
    cause = explain.surplus()
    left = surplus(balance.picture, balance.units)
    return Capacity(
        limit=Limit(
            scope=SITE,
            quantity=Quantity.IMPORT,
            value=0.0,
            source=cause.source,
            cause=cause,
        ),
        left=0.0 if left is None else left,
        channel=0,
        members=members,
        beyond=True,
    )


def shown(plan: Plan, found: Held | None, units: list[Unit]) -> Plan:
    """Return the plan with how the quarter hour is held."""
    if found is None:
        return plan
    return replace(
        plan,
        setpoints=_priced(plan, found, units),
        limits=(*plan.limits, found.limit),
        capacity=CapacityPlan(
            free=found.free,
            allowed=found.limit.value,
            forecast=found.quarter.forecast,
            urgent=tuple(sorted(unit.asset.id for unit in units if unit.urgent)),
            cost=found.cost,
        ),
    )


def _priced(plan: Plan, found: Held, units: list[Unit]) -> Mapping[str, Setpoint]:
    """Return the setpoints, those that go before the tariff with its price."""
    if not found.cost or found.cost < _CENT:
        return plan.setpoints
    cause = explain.beyond_capacity(round(found.cost, 2))
    priced = {
        unit.asset.id: replace(setpoint, causes=(*setpoint.causes, cause))
        for unit in units
        if unit.urgent
        and unit.told
        and (setpoint := plan.setpoints.get(unit.asset.id)) is not None
    }
    return MappingProxyType({**plan.setpoints, **priced}) if priced else plan.setpoints
