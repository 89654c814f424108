"""Without the grid: back-up operation, and the way back to the grid (S20)."""

from collections.abc import Iterable
from dataclasses import replace

from ..model.asset import Direction, Nature
from ..model.orders import GridOrders, OrderName
from ..model.phrase import Phrase
from ..model.plan import Alarm
from ..model.reading import BreakerState
from ..model.snapshot import SiteModel, Snapshot
from . import explain
from .tuning import Tuning
from .units import Unit

_DEEP = 5.0
"""% of charge at or below which a battery without a reserve counts as empty."""


def orders_in_force(
    orders: GridOrders, *, islanded: bool, blacks_out: bool
) -> GridOrders:
    """Return the orders that act now.

    An islanded house feeds nothing into the grid: the operator's stop of production
    waits for the grid, unless the user wants it to act there, too. A stop that is
    given on the site itself always acts.
    """
    if not islanded or blacks_out:
        return orders
    return orders.with_order(OrderName.EMERGENCY_STOP_PRODUCTION, None)


def in_force(site: SiteModel, snapshot: Snapshot) -> Snapshot:
    """Return what the decision acts on while the house is islanded."""
    if not snapshot.islanded or site.protection.stop_blacks_out_island:
        return snapshot
    orders = orders_in_force(snapshot.orders, islanded=True, blacks_out=False)
    return replace(snapshot, orders=orders)


def without_grid(snapshot: Snapshot) -> bool:
    """Return whether the grid is away: an island, or the meter's breaker is open."""
    reading = snapshot.reading
    return snapshot.islanded or (
        reading is not None
        and reading.breaker in {BreakerState.DISCONNECTED, BreakerState.READY}
    )


def bound(site: SiteModel, snapshot: Snapshot, units: Iterable[Unit]) -> None:
    """Bound chargers while the house lives on its battery."""
    if not snapshot.islanded or site.protection.charge_on_island:
        return
    cause = explain.island()
    for unit in units:
        if unit.asset.nature is Nature.CHARGER:
            unit.narrow_high(0.0, cause)


def alarms(units: Iterable[Unit], tuning: Tuning) -> tuple[Alarm, ...]:
    """Return the batteries that a stop keeps from being charged while they are empty."""
    found = []
    for unit in units:
        state, asset = unit.state, unit.asset
        if (
            asset.nature is not Nature.BATTERY
            or state is None
            or state.state_of_charge is None
            or Direction.CONSUMPTION not in unit.held
        ):
            continue
        empty = max(asset.reserve, _DEEP) + tuning.charge_band
        if state.state_of_charge <= empty:
            found.append(
                Alarm(
                    key="deep_discharge",
                    subject=asset.id,
                    text=Phrase(
                        "nearly_empty",
                        "{name} is at {charge} and may not be charged while "
                        "consumption is stopped",
                        name=asset.name,
                        charge=f"{state.state_of_charge:.0f} %",
                    ),
                )
            )
    return tuple(found)
