"""Short words for programmes, prices, imbalance and what is decided with them."""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any

from custom_components.netflex.control.decide import decide
from custom_components.netflex.control.memory import EMPTY, Memory
from custom_components.netflex.model.asset import Asset, AssetState
from custom_components.netflex.model.market import (
    Imbalance,
    Market,
    PriceSeries,
    PriceSlot,
)
from custom_components.netflex.model.plan import Plan
from custom_components.netflex.model.programme import (
    PARAMETERS,
    ModeEntry,
    Parameters,
    Programme,
    ProgrammeMode,
    ProgrammeState,
)
from custom_components.netflex.model.schedule import Period, Schedule
from custom_components.netflex.model.snapshot import Clock, Snapshot

from .sites import START, battery, reading, site, state

MODES = {kind: mode for mode, kind in PARAMETERS.items()}
HOUR = timedelta(hours=1)


def between(start: str, end: str, **options: Any) -> Schedule:
    """Return a schedule of every day, in UTC."""
    return Schedule(
        periods=(
            Period(
                start=time.fromisoformat(start),
                end=time.fromisoformat(end),
                time_zone="UTC",
                **options,
            ),
        )
    )


def entry(parameters: Parameters, schedule: Schedule | None = None) -> ModeEntry:
    """Return an entry of a programme, its mode by its parameters."""
    return ModeEntry(
        mode=MODES[type(parameters)], parameters=parameters, schedule=schedule
    )


def programme(*entries: Parameters | ModeEntry, **options: Any) -> Programme:
    """Return a programme, the most important mode first."""
    return Programme(
        entries=tuple(
            item if isinstance(item, ModeEntry) else entry(item) for item in entries
        ),
        **options,
    )


def store(name: str = "battery", **options: Any) -> Asset:
    """Return a battery of 5 kW and 10 kWh that stores all it takes."""
    return battery(
        name,
        **({"capacity": 10_000.0, "charge_efficiency": 1.0, "reserve": 0.0} | options),
    )


def prices(
    *values: float, start: datetime = START, step: timedelta = HOUR, **options: Any
) -> PriceSeries:
    """Return prices that follow each other from a moment on."""
    return PriceSeries(
        slots=tuple(
            PriceSlot(start=start + n * step, end=start + (n + 1) * step, value=value)
            for n, value in enumerate(values)
        ),
        **({"received": start} | options),
    )


def imbalance(
    volume: float | None,
    price: float | None = 100.0,
    *,
    at: datetime = START,
    period: float = 900.0,
    back: int = 0,
    **options: Any,
) -> Imbalance:
    """Return the imbalance of the period of a moment, or of one `back` before it."""
    began = at.timestamp() // period * period - back * period
    return Imbalance(
        start=datetime.fromtimestamp(began, UTC),
        price=price,
        volume=volume,
        period_seconds=period,
        **({"received": at} | options),
    )


def decided(
    programmes: Mapping[str, Programme] | Programme,
    power: float | None,
    *,
    states: Mapping[str, AssetState | float] | None = None,
    assets: tuple[Asset, ...] = (),
    charge: float | None = 50.0,
    utc: datetime = START,
    at: float = 100.0,
    memory: Memory = EMPTY,
    synchronised: bool = True,
    options: Mapping[str, Any] | None = None,
    **known: Any,
) -> tuple[Plan, Memory]:
    """Return a decision of batteries at a meter that reads `power`; 50 % unless said.

    `states` are powers, or whole states, by id; all else rests.
    """
    given = programmes if isinstance(programmes, Mapping) else {"battery": programmes}
    if not assets:
        assets = tuple(store(name) for name in given)
    model = site(*assets, programmes=given, **(options or {}))
    full = {}
    for asset in assets:
        value = (states or {}).get(asset.id, 0.0)
        extra = {"state_of_charge": charge} if asset.id in given else {}
        full[asset.id] = (
            value if isinstance(value, AssetState) else state(asset, value, at, **extra)
        )
    snapshot = Snapshot(
        reading=None if power is None else reading(power, at), states=full, **known
    )
    now = Clock(monotonic=at, utc=utc, synchronised=synchronised)
    return decide(model, snapshot, memory, now)


def told(result: Plan, name: str = "battery") -> float:
    """Return what a battery is told, W."""
    value = result.setpoints[name].value
    assert value is not None
    return value


def one(
    given: Programme, power: float | None, **options: Any
) -> tuple[float, ProgrammeState]:
    """Return what a battery alone is told, and how its programme stands."""
    result, _ = decided(given, power, **options)
    return told(result), result.programmes["battery"]


def short_market(volume: float, price: float = 100.0, **options: Any) -> Market:
    """Return a market whose running period has an imbalance; positive is short."""
    return Market(imbalance=imbalance(volume, price, **options))


def why(stands: ProgrammeState) -> dict[ProgrammeMode, str]:
    """Return why modes cannot act."""
    return {item.mode: item.key for item in stands.inactive}
