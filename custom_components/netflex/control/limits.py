"""Limits: collected from every source, intersected, never added.

An absent limit is the absence of a `Limit`; zero is a value. Percentages count on
the denominators that the safety rules name.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..model.asset import Direction
from ..model.connection import ConnectionPoint, GridType
from ..model.orders import Order, OrderName, Stops
from ..model.phrase import Phrase
from ..model.plan import (
    ALL_ASSETS,
    SITE,
    Cause,
    Limit,
    Quantity,
    Scope,
    ScopeKind,
    Source,
)
from ..model.snapshot import Sharing, SiteModel, Snapshot
from . import explain
from .layout import Layout, layout_of

_DIRECTION_QUANTITY = {
    Direction.PRODUCTION: Quantity.PRODUCTION,
    Direction.CONSUMPTION: Quantity.CONSUMPTION,
}

_SITE_ORDERS = {
    OrderName.MAXSETP: (Quantity.IMPORT, Direction.CONSUMPTION),
    OrderName.MINSETP: (Quantity.INJECTION, Direction.PRODUCTION),
}

_ASSET_ORDERS = {
    OrderName.MAXSETAP: Direction.PRODUCTION,
    OrderName.MINSETAP: Direction.CONSUMPTION,
}

_CONTRACT = Phrase("base_contract", "contract")
_NAMEPLATE = Phrase("base_nameplate", "nameplate; the contract is missing")
_FUSE = Phrase("base_fuse", "fuse; the contract is missing")
_INSTALLED = Phrase("base_installed", "installed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Denominator:
    """What 100 % is, in W, and where the figure comes from."""

    power: float
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A limit on the sum of some assets in one direction."""

    limit: Limit
    direction: Direction
    members: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """All limits of one moment.

    `all` has every limit of every source, `effective` the tightest of each scope
    and quantity. `budgets` are those on sums of assets.
    """

    all: tuple[Limit, ...]
    effective: dict[tuple[Scope, Quantity], Limit]
    budgets: tuple[Budget, ...]
    feeders: tuple[tuple[int, Limit], ...] = ()
    """The fuses of the feeders by channel; nothing else bounds these scopes."""

    def of_site(self, quantity: Quantity) -> Limit | None:
        """Return the tightest limit of a quantity at the connection point."""
        return self.effective.get((SITE, quantity))

    def of_line(self, line: str) -> Limit | None:
        """Return the tightest limit of the current on a line."""
        return self.effective.get(
            (Scope(kind=ScopeKind.LINE, id=line), Quantity.CURRENT)
        )

    def ordered(self) -> tuple[Limit, ...]:
        """Return the effective limits, the most important source first."""
        ranked = _by_importance(self.effective.values())
        if not self.feeders:
            return ranked
        # Those of the feeders are in order already, and all of one source.
        above = [limit for limit in ranked if limit.source < Source.FEEDER]
        return (
            *above,
            *(limit for _, limit in self.feeders),
            *ranked[len(above) :],
        )

    def of_operator(self) -> tuple[Limit, ...]:
        """Return all limits of the grid operator, whatever else is tighter."""
        return _by_importance(
            limit for limit in self.all if limit.source is Source.GRID_OPERATOR
        )


def _by_importance(limits: Iterable[Limit]) -> tuple[Limit, ...]:
    return tuple(
        sorted(
            limits,
            key=lambda limit: (
                limit.source,
                limit.scope.kind,
                limit.scope.id or "",
                limit.quantity,
                limit.scope.line or "",
            ),
        )
    )


def installed(
    site: SiteModel, direction: Direction, members: Iterable[str] | None = None
) -> float:
    """Return the installed AC power in W of a direction, of all assets or some."""
    ids = site.assets if members is None else members
    return sum(
        site.assets[asset_id].rated_production
        if direction is Direction.PRODUCTION
        else site.assets[asset_id].rated_consumption
        for asset_id in ids
    )


def contract(site: SiteModel, direction: Direction) -> Denominator:
    """Return what 100 % is at the connection point.

    Where the contract is not known it is the smaller of fuse and nameplate.
    """
    point: ConnectionPoint = site.connection
    value = (
        point.contract_injection
        if direction is Direction.PRODUCTION
        else point.contract_consumption
    )
    if value is not None and value > 0:
        return Denominator(power=value, what=_CONTRACT)
    nameplate = installed(site, direction)
    if 0 < nameplate < point.fuse_power:
        return Denominator(power=nameplate, what=_NAMEPLATE)
    return Denominator(power=point.fuse_power, what=_FUSE)


def tightest(limits: Iterable[Limit]) -> dict[tuple[Scope, Quantity], Limit]:
    """Return the tightest limit of each scope and quantity.

    Of two equal values the more important source stands.
    """
    best: dict[tuple[Scope, Quantity], Limit] = {}
    for limit in limits:
        key = (limit.scope, limit.quantity)
        known = best.get(key)
        if known is None or (limit.value, limit.source) < (known.value, known.source):
            best[key] = limit
    return best


def collect(site: SiteModel, snapshot: Snapshot) -> Limits:
    """Return all limits on the connection point, its lines and sums of assets."""
    budgets = tuple(_budgets(site, snapshot))
    limits = (
        *(budget.limit for budget in budgets),
        *_line_limits(site, snapshot),
        *_site_limits(site, snapshot),
        *_unbalance_limits(site),
    )
    return Limits(
        all=limits,
        effective=tightest(limits),
        budgets=budgets,
        feeders=_feeder_limits(layout_of(site)),
    )


def _feeder_limits(layout: Layout) -> tuple[tuple[int, Limit], ...]:
    """Return the fuse of each line of each feeder by its channel."""
    known: tuple[tuple[int, Limit], ...] | None = layout.kept.get("feeder_limits")
    if known is not None:
        return known
    made = []
    for branch in layout.branches:
        feeder = branch.feeder
        for line in layout.site.connection.lines:
            cause = explain.feeder(feeder.name, line, feeder.fuse)
            limit = Limit(
                scope=Scope(kind=ScopeKind.FEEDER, id=feeder.id, line=line),
                quantity=Quantity.CURRENT,
                value=feeder.fuse,
                source=cause.source,
                cause=cause,
            )
            made.append((branch.channel(line), limit))
    layout.kept["feeder_limits"] = tuple(made)
    return tuple(made)


def stop_limits(snapshot: Snapshot) -> Iterator[Limit]:
    """Yield each stop in force as a limit of zero on all assets of its direction."""
    stops = Stops(orders=snapshot.orders, local=snapshot.local_stops)
    for direction in Direction:
        quantity = _DIRECTION_QUANTITY[direction]
        if stops.orders.stopped(direction):
            order = snapshot.orders.get(
                OrderName.EMERGENCY_STOP_PRODUCTION
                if direction is Direction.PRODUCTION
                else OrderName.EMERGENCY_STOP_CONSUMPTION
            )
            cause = explain.emergency_stop(direction)
            yield Limit(
                scope=ALL_ASSETS,
                quantity=quantity,
                value=0.0,
                source=cause.source,
                cause=cause,
                since=None if order is None else order.at,
            )
        if holders := stops.local.holders(direction):
            cause = explain.local_stop(direction, ", ".join(sorted(holders)))
            yield Limit(
                scope=ALL_ASSETS,
                quantity=quantity,
                value=0.0,
                source=cause.source,
                cause=cause,
            )


def _budgets(site: SiteModel, snapshot: Snapshot) -> Iterator[Budget]:
    """Yield the limits on all assets, by the sharing that the site chose."""
    for limit in stop_limits(snapshot):
        direction = (
            Direction.PRODUCTION
            if limit.quantity is Quantity.PRODUCTION
            else Direction.CONSUMPTION
        )
        yield Budget(
            limit=limit,
            direction=direction,
            members=_members(site, direction),
        )
    for name, direction in _ASSET_ORDERS.items():
        if (order := _power_order(snapshot, name)) is None:
            continue
        for scope, members, base in _groups(site, direction):
            yield Budget(
                limit=Limit(
                    scope=scope,
                    quantity=_DIRECTION_QUANTITY[direction],
                    value=base * order.value / 100,
                    source=Source.GRID_OPERATOR,
                    cause=explain.grid_order(name, order.value, base, _INSTALLED),
                    since=order.at,
                ),
                direction=direction,
                members=members,
            )


def _members(site: SiteModel, direction: Direction) -> frozenset[str]:
    return layout_of(site).acting(direction)


type _Group = tuple[Scope, frozenset[str], float]


def _groups(site: SiteModel, direction: Direction) -> tuple[_Group, ...]:
    """Return what shares one limit on assets, with its installed power in W."""
    layout = layout_of(site)
    key = f"groups_{direction}"
    known: tuple[_Group, ...] | None = layout.kept.get(key)
    if known is None:
        known = tuple(
            (scope, members, installed(site, direction, members))
            for scope, members in _grouped(site, direction)
        )
        layout.kept[key] = known
    return known


def _grouped(
    site: SiteModel, direction: Direction
) -> Iterator[tuple[Scope, frozenset[str]]]:
    members = _members(site, direction)
    if not members:
        return
    if site.sharing is Sharing.TOTAL:
        yield ALL_ASSETS, members
    elif site.sharing is Sharing.ASSET:
        for asset_id in sorted(members):
            yield Scope(kind=ScopeKind.ASSET, id=asset_id), frozenset({asset_id})
    else:
        for category in sorted({site.assets[member].category for member in members}):
            yield (
                Scope(kind=ScopeKind.ASSETS, id=category),
                frozenset(
                    member
                    for member in members
                    if site.assets[member].category is category
                ),
            )


def _line_limits(site: SiteModel, snapshot: Snapshot) -> Iterator[Limit]:
    threshold = None if snapshot.reading is None else snapshot.reading.fuse_threshold
    main_fuse = site.connection.main_fuse
    for line in site.connection.lines:
        scope = Scope(kind=ScopeKind.LINE, id=line)
        cause = explain.fuse(line, main_fuse)
        yield Limit(
            scope=scope,
            quantity=Quantity.CURRENT,
            value=main_fuse,
            source=cause.source,
            cause=cause,
        )
        if threshold is not None:
            cause = explain.fuse_threshold(line, threshold)
            yield Limit(
                scope=scope,
                quantity=Quantity.CURRENT,
                value=threshold,
                source=cause.source,
                cause=cause,
            )


def _site_limits(site: SiteModel, snapshot: Snapshot) -> Iterator[Limit]:
    reading = snapshot.reading
    if reading is not None and reading.power_threshold is not None:
        cause = explain.power_threshold(reading.power_threshold)
        yield _of_site(Quantity.IMPORT, reading.power_threshold, cause)
    if site.hold_contract:
        yield from _contract_limits(site.connection)
    for name, (quantity, direction) in _SITE_ORDERS.items():
        if (order := _power_order(snapshot, name)) is None:
            continue
        base = contract(site, direction)
        yield Limit(
            scope=SITE,
            quantity=quantity,
            value=base.power * order.value / 100,
            source=Source.GRID_OPERATOR,
            cause=explain.grid_order(name, order.value, base.power, base.what),
            since=order.at,
        )


def _of_site(quantity: Quantity, value: float, cause: Cause) -> Limit:
    """Return a limit at the connection point, of its cause's own source."""
    return Limit(
        scope=SITE, quantity=quantity, value=value, source=cause.source, cause=cause
    )


def _contract_limits(connection: ConnectionPoint) -> Iterator[Limit]:
    """Yield what the contract allows; a direction that it does not name has no limit."""
    for quantity, allowed in (
        (Quantity.IMPORT, connection.contract_consumption),
        (Quantity.INJECTION, connection.contract_injection),
    ):
        if allowed is not None:
            yield _of_site(quantity, allowed, explain.contract(quantity, allowed))


def _unbalance_limits(site: SiteModel) -> Iterator[Limit]:
    """Yield what the user set for the lines' differences; only with a neutral."""
    if site.connection.grid_type is not GridType.STAR:
        return
    for quantity, value in (
        (Quantity.UNBALANCE, site.protection.unbalance),
        (Quantity.NEUTRAL, site.protection.neutral),
    ):
        if value is not None:
            yield _of_site(quantity, value, explain.unbalance(quantity, value))


def _power_order(snapshot: Snapshot, name: OrderName) -> Order[float] | None:
    order: Order[float] | None = getattr(snapshot.orders, name.value)
    return order
