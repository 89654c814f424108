"""Back-test: the decision run over days that were, on batteries that are simulated.

Each row of conditions says what the site used, what its generators could yield, prices,
the imbalance and the grid operator's orders. Over it runs the same `decide` that runs a
real site, with its limits and programmes; batteries and inverters follow at once, as
well as they can. A row is decided on at its start, and again as soon as a battery has
come to an end or its charge has moved by `charge_step`.

What is known when is kept honest: prices of the next day from 13:00 on, the
imbalance of the running settlement period as the mean so far, that of the period before
once it is over. A row of a quarter hour carries its own final figure from its start on,
which the running period's own share of distrust (`trusted_after`) makes up for.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

from ..model.asset import Asset, AssetState, Nature
from ..model.connection import LineValues, current_of_power
from ..model.flows import Conditions, Flow
from ..model.market import SETTLEMENT_PERIOD
from ..model.orders import (
    NO_ORDERS,
    STOP_ORDERS,
    GridOrders,
    Order,
    OrderName,
    OrderSource,
)
from ..model.plan import Plan, Setpoint
from ..model.programme import Programme
from ..model.reading import MeterReading
from ..model.schedule import Holidays
from ..model.snapshot import Clock, SiteModel, Snapshot
from .backtest_battery import Store
from .backtest_markets import Prices, Quarter, System
from .decide import decide
from .memory import EMPTY, Memory
from .tuning import DEFAULT, Tuning
from .withheld import by_operator, withheld

_SETTLING: Final = 5.0
"""s between two decisions while a limit, a ramp or a curtailment still moves things."""
_SHORTEST: Final = 1.0
_REASONS: Final = frozenset({OrderName.REDENP, OrderName.REDENQ})


class BacktestError(ValueError):
    """A site that cannot be simulated; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a back-test is run."""

    zone: tzinfo = UTC
    """Of the site: its months, and the time at which prices are published."""
    charge: float = 50.0
    """% of every battery at the start."""
    charge_step: float = 2.0
    """% that a battery moves by at most before the next decision."""
    settlement: float = SETTLEMENT_PERIOD
    holidays: Holidays = frozenset()
    tuning: Tuning = DEFAULT


DEFAULT_OPTIONS: Final = Options()


def with_programme(site: SiteModel, programme: Programme | None) -> SiteModel:
    """Return a site whose batteries all follow one programme; None: without batteries."""
    batteries = {
        key for key, asset in site.assets.items() if asset.nature is Nature.BATTERY
    }
    if programme is not None:
        return replace(site, programmes=dict.fromkeys(batteries, programme))
    others = {key: asset for key, asset in site.assets.items() if key not in batteries}
    return replace(site, assets=others, programmes={})


def inverters_alone(site: SiteModel) -> SiteModel:
    """Return a site without batteries, whose other assets are part of its load."""
    inverters = {
        key: asset
        for key, asset in site.assets.items()
        if asset.nature is Nature.INVERTER
    }
    return replace(site, assets=inverters, programmes={}, feeders=())


def curtails(rows: Iterable[Conditions]) -> bool:
    """Return whether orders kept production or injection down in any row."""
    return any(
        row.orders.get(OrderName.EMERGENCY_STOP_PRODUCTION, 0.0) > 0
        or min(
            row.orders.get(OrderName.MINSETP, 100.0),
            row.orders.get(OrderName.MAXSETAP, 100.0),
        )
        < 100.0
        for row in rows
    )


def backtest(
    site: SiteModel, rows: Sequence[Conditions], options: Options = DEFAULT_OPTIONS
) -> Iterator[Flow]:
    """Yield what flows at a site under conditions in order of time, span by span.

    Raises BacktestError for a site with assets that cannot be simulated.
    """
    run = _Run(site, rows, options)
    for row in rows:
        yield from run.row(row)


@dataclass(slots=True)
class _Run:
    """One site over all rows."""

    site: SiteModel
    rows: Sequence[Conditions]
    options: Options
    memory: Memory = EMPTY
    _stores: dict[str, Store] = field(init=False)
    _inverters: list[Asset] = field(init=False)
    _yielded: dict[str, float] = field(init=False)
    """W of each inverter, positive."""
    _told: dict[str, float | None] = field(init=False)
    _prices: Prices = field(init=False)
    _quarter: Quarter = field(init=False)
    _system: System = field(init=False)
    _begin: datetime = field(init=False)
    _orders: tuple[object, GridOrders] = (None, NO_ORDERS)
    _before: Mapping[str, Setpoint] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assets = self.site.assets.values()
        for asset in assets:
            if asset.nature not in {Nature.BATTERY, Nature.INVERTER}:
                raise BacktestError(
                    f"{asset.id}: a {asset.nature} cannot be simulated here: its energy "
                    "belongs to the load"
                )
        self._stores = {}
        for asset in assets:
            if asset.nature is Nature.BATTERY:
                if not asset.capacity:
                    raise BacktestError(f"{asset.id}: its capacity is missing")
                energy = self.options.charge / 100 * asset.capacity
                self._stores[asset.id] = Store(asset, asset.capacity, energy)
        self._inverters = [a for a in assets if a.nature is Nature.INVERTER]
        self._yielded = {asset.id: 0.0 for asset in self._inverters}
        self._told = {}
        self._prices = Prices(self.rows, self.options.zone)
        self._quarter = Quarter(self.options.zone)
        self._system = System(self.options.settlement)
        self._begin = self.rows[0].start if self.rows else datetime.min

    def row(self, row: Conditions) -> Iterator[Flow]:
        """Yield the spans of one row."""
        if row.load is None:
            for store in self._stores.values():
                store.power = 0.0
            yield Flow(
                start=row.start,
                seconds=row.seconds,
                grid=None,
                stored=self._stored,
                import_price=row.import_price,
                export_price=row.export_price,
            )
            return
        left = row.seconds
        while left > 1e-6:
            utc = row.end - timedelta(seconds=left)
            plan = self._decide(row, row.load, utc)
            seconds = min(left, self._lasts(row, plan))
            if left - seconds < _SHORTEST:
                seconds = left
            yield self._flow(row, row.load, utc, seconds, plan)
            left -= seconds

    @property
    def _stored(self) -> float | None:
        stores = self._stores.values()
        return sum(store.energy for store in stores) if stores else None

    def _grid(self, row: Conditions, load: float) -> float:
        """Return the W at the connection point now."""
        grid = load - self._production(row)
        return grid + sum(store.power for store in self._stores.values())

    def _production(self, row: Conditions) -> float:
        if not self._inverters:
            return row.production
        return sum(self._yielded.values())

    def _decide(self, row: Conditions, load: float, utc: datetime) -> Plan:
        now = (utc - self._begin).total_seconds() + 1000.0
        self._yield(row)
        grid = self._grid(row, load)
        market = self._prices.at(utc)
        system = self._system.at(utc)
        if system["imbalance"] or system["previous_imbalance"]:
            market = replace(market, **system)
        snapshot = Snapshot(
            orders=self._in_force(row),
            reading=self._reading(grid, now),
            states=self._states(now),
            quarter=self._quarter.at(utc, grid),
            market=market,
            holidays=self.options.holidays,
        )
        clock = Clock(monotonic=now, utc=utc)
        plan, self.memory = decide(
            self.site, snapshot, self.memory, clock, self.options.tuning
        )
        for asset_id, store in self._stores.items():
            setpoint = plan.setpoints.get(asset_id)
            store.follow(0.0 if setpoint is None else setpoint.value or 0.0)
        self._yield(row, plan)
        return plan

    def _yield(self, row: Conditions, plan: Plan | None = None) -> None:
        """Share production among inverters by what they can, each below its limit."""
        rated = sum(asset.rated_production for asset in self._inverters)
        for asset in self._inverters:
            if plan is not None and (own := plan.setpoints.get(asset.id)) is not None:
                self._told[asset.id] = own.value
            able = min(asset.rated_production, row.production * _share(asset, rated))
            told = self._told.get(asset.id)
            self._yielded[asset.id] = able if told is None else min(able, told)

    def _in_force(self, row: Conditions) -> GridOrders:
        """Return the orders of a row; the same object while they are the same."""
        known, orders = self._orders
        if known == row.orders:
            return orders
        orders = NO_ORDERS
        for name, value in row.orders.items():
            given: Any = value
            if name in STOP_ORDERS or name is OrderName.TEST:
                given = bool(value)
            elif name in _REASONS:
                given = round(value)
            order = Order(value=given, source=OrderSource.OPERATOR, at=row.start)
            orders = orders.with_order(name, order)
        self._orders = (row.orders, orders)
        return orders

    def _reading(self, grid: float, now: float) -> MeterReading:
        lines = self.site.connection.lines
        kind = self.site.connection.grid_type
        each = current_of_power(grid, kind, len(lines))
        return MeterReading(
            meter_id="meter",
            received=now,
            grid_type=kind,
            power=grid,
            line_current=LineValues.of(dict.fromkeys(lines, each)),
            signed_currents=True,
        )

    def _states(self, now: float) -> dict[str, AssetState]:
        states = {
            asset_id: AssetState(
                asset_id=asset_id,
                available=True,
                at=now,
                power=store.power,
                state_of_charge=store.charge,
            )
            for asset_id, store in self._stores.items()
        }
        for asset_id, power in self._yielded.items():
            states[asset_id] = AssetState(
                asset_id=asset_id, available=True, at=now, power=-power, enabled=True
            )
        return states

    def _lasts(self, row: Conditions, plan: Plan) -> float:
        """Return the s until the next decision."""
        step = self.options.charge_step
        seconds = min((s.lasts(step) for s in self._stores.values()), default=1e9)
        if row.imbalance_volume is not None:
            seconds = min(seconds, self.options.settlement / 3)
        told = {key: item.value for key, item in plan.setpoints.items()}
        known = {key: item.value for key, item in self._before.items()}
        self._before = plan.setpoints
        if told != known and self._settles(row):
            seconds = min(seconds, _SETTLING)
        return max(seconds, _SHORTEST)

    def _settles(self, row: Conditions) -> bool:
        """Return whether what was told may go on moving by itself."""
        programmes = self.site.programmes.values()
        return (
            bool(row.orders)
            or any(item.ramp is not None for item in programmes)
            or any(told is not None for told in self._told.values())
        )

    def _flow(
        self, row: Conditions, load: float, utc: datetime, seconds: float, plan: Plan
    ) -> Flow:
        for store in self._stores.values():
            store.move(seconds)
        grid = self._grid(row, load)
        self._quarter.joules += max(0.0, grid) * seconds
        self._system.passed(row, seconds)
        return Flow(
            start=utc,
            seconds=seconds,
            grid=grid,
            battery=sum(s.power for s in self._stores.values())
            if self._stores
            else None,
            production=self._production(row),
            stored=self._stored,
            import_price=row.import_price,
            export_price=row.export_price,
            missed=withheld(plan) + self._curtailed(row, plan),
            certification=self._orders[1].certifies,
        )

    def _curtailed(self, row: Conditions, plan: Plan) -> float:
        """Return the W that inverters could yield and must not, by the operator's word."""
        rated = sum(asset.rated_production for asset in self._inverters)
        return sum(
            min(asset.rated_production, row.production * _share(asset, rated))
            - self._yielded[asset.id]
            for asset in self._inverters
            if by_operator(plan.setpoints.get(asset.id))
        )


def _share(asset: Asset, rated: float) -> float:
    return asset.rated_production / rated if rated else 0.0
