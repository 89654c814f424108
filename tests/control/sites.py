"""Short words to describe sites, states, readings and orders in tests."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from custom_components.netflex.control.decide import decide
from custom_components.netflex.control.memory import EMPTY, Memory
from custom_components.netflex.model.asset import (
    Asset,
    AssetState,
    Category,
    ChargerState,
    Nature,
)
from custom_components.netflex.model.connection import (
    ConnectionPoint,
    GridType,
    Line,
    LineValues,
    current_of_power,
)
from custom_components.netflex.model.orders import (
    NO_ORDERS,
    GridOrders,
    LocalStops,
    Order,
    OrderSource,
)
from custom_components.netflex.model.plan import Plan
from custom_components.netflex.model.reading import MeterReading
from custom_components.netflex.model.snapshot import (
    Clock,
    SiteModel,
    Snapshot,
    UserLimits,
)

START = datetime(2026, 1, 15, 12, tzinfo=UTC)
ALL = (Line.L1, Line.L2, Line.L3)


def charger(name: str = "car", *, maximum: float = 32.0, **options: Any) -> Asset:
    """Return a three-phase charger on a star grid, unless `lines` say otherwise."""
    lines = options.pop("lines", ALL)
    phases = options.pop("phases", len(lines))
    defaults = {
        "rated_consumption": maximum * 230.0 * phases,
        "safe_current": 6.0,
    }
    return Asset(
        id=name,
        name=name,
        nature=Nature.CHARGER,
        category=Category.EV,
        phases=phases,
        lines=lines,
        maximum_current=maximum,
        **(defaults | options),
    )


def battery(name: str = "battery", *, rated: float = 5000.0, **options: Any) -> Asset:
    """Return a battery that charges and discharges at the same rated power."""
    return Asset(
        id=name,
        name=name,
        nature=Nature.BATTERY,
        category=Category.STORAGE,
        **(
            {
                "rated_consumption": rated,
                "rated_production": rated,
                "phases": 3,
                "lines": ALL,
                "reserve": 10.0,
            }
            | options
        ),
    )


def inverter(name: str = "sun", *, rated: float = 8000.0, **options: Any) -> Asset:
    """Return a solar inverter on three lines."""
    return Asset(
        id=name,
        name=name,
        nature=Nature.INVERTER,
        **(
            {
                "category": Category.SOLAR,
                "rated_production": rated,
                "phases": 3,
                "lines": ALL,
            }
            | options
        ),
    )


def load(name: str = "boiler", *, rated: float = 3000.0, **options: Any) -> Asset:
    """Return a switched load on one line."""
    return Asset(
        id=name,
        name=name,
        nature=Nature.LOAD,
        category=Category.FLEXIBLE_CONSUMPTION,
        **({"rated_consumption": rated, "lines": (Line.L2,)} | options),
    )


def site(*assets: Asset, **options: Any) -> SiteModel:
    """Return a site of 40 A on three phases, 20 kW in and 10 kW out by contract."""
    point = {
        "grid_type": GridType.STAR,
        "main_fuse": 40.0,
        "contract_consumption": 20_000.0,
        "contract_injection": 10_000.0,
    }
    for name in tuple(options):
        if name in point:
            point[name] = options.pop(name)
    return SiteModel(
        connection=ConnectionPoint(**point),
        assets={asset.id: asset for asset in assets},
        **({"tolerance": 0.0} | options),
    )


def order(value: Any) -> Order[Any]:
    """Return an order of the operator."""
    return Order(value=value, source=OrderSource.OPERATOR, at=START)


def orders(**values: Any) -> GridOrders:
    """Return grid orders by the names of their fields."""
    return replace(NO_ORDERS, **{name: order(value) for name, value in values.items()})


def stop(*directions: str) -> GridOrders:
    """Return the operator's emergency stops of the named directions."""
    return orders(**{f"emergency_stop_{direction}": True for direction in directions})


def reading(
    power: float | None,
    at: float = 100.0,
    *,
    currents: tuple[float, float, float] | None = None,
    grid: GridType = GridType.STAR,
    **options: Any,
) -> MeterReading:
    """Return a reading, balanced over the lines unless signed currents are given."""
    if currents is None and power is not None:
        each = current_of_power(power, grid, 1 if grid is GridType.SINGLE_PHASE else 3)
        currents = (each, each, each)
    values = (
        None
        if currents is None
        else LineValues(**dict(zip(("l1", "l2", "l3"), currents, strict=True)))
    )
    return MeterReading(
        meter_id="meter",
        received=at,
        grid_type=grid,
        power=power,
        signed_currents=True,
        **({} if values is None else {"line_current": values}),
        **options,
    )


def state(
    asset: Asset, power: float | None, at: float = 100.0, **options: Any
) -> AssetState:
    """Return what a device says: its power, and what goes with it."""
    defaults: dict[str, Any] = {}
    if asset.nature is Nature.CHARGER:
        defaults["charger_state"] = (
            ChargerState.CHARGING if power else ChargerState.CONNECTED
        )
    elif asset.nature is Nature.BATTERY:
        defaults["state_of_charge"] = 50.0
    elif asset.nature is Nature.LOAD:
        defaults["enabled"] = True
    return AssetState(
        asset_id=asset.id, available=True, at=at, power=power, **(defaults | options)
    )


def clock(at: float = 100.0) -> Clock:
    """Return the clocks at a monotonic time."""
    return Clock(monotonic=at, utc=START)


def plan(
    model: SiteModel,
    measured: MeterReading | None,
    states: Mapping[str, AssetState | float],
    *,
    given: GridOrders = NO_ORDERS,
    user: Mapping[str, UserLimits] | None = None,
    local: LocalStops | None = None,
    memory: Memory = EMPTY,
    at: float = 100.0,
) -> Plan:
    """Return the plan of one decision; states may be named by their power alone."""
    return step(
        model,
        measured,
        states,
        given=given,
        user=user,
        local=local,
        memory=memory,
        at=at,
    )[0]


def step(
    model: SiteModel,
    measured: MeterReading | None,
    states: Mapping[str, AssetState | float],
    *,
    given: GridOrders = NO_ORDERS,
    user: Mapping[str, UserLimits] | None = None,
    local: LocalStops | None = None,
    memory: Memory = EMPTY,
    at: float = 100.0,
) -> tuple[Plan, Memory]:
    """Return the plan of one decision and the memory after it."""
    full = {
        name: value
        if isinstance(value, AssetState)
        else state(model.assets[name], value, at)
        for name, value in states.items()
    }
    snapshot = Snapshot(
        orders=given,
        reading=measured,
        states=full,
        **({} if local is None else {"local_stops": local}),
        **({} if user is None else {"user": user}),
    )
    return decide(model, snapshot, memory, clock(at))


def values(result: Plan) -> dict[str, float | None]:
    """Return what each asset is told."""
    return {name: setpoint.value for name, setpoint in result.setpoints.items()}


def keys(result: Plan, name: str) -> list[str]:
    """Return the keys of the causes of one setpoint."""
    return [cause.key for cause in result.setpoints[name].causes]
