"""Which values of a site are kept, and under which keys.

Keys never change, since histories hang on them: `site.…`, `meter.<id>.…`,
`asset.<id>.…`, `demand.…`, `market.…`, `orders.…`. W, Wh, %, A, MW, money per MWh;
words are stable keys, not sentences.
"""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from ..control.withheld import by_operator, withheld
from ..model.asset import Asset, Nature
from ..model.orders import GridOrders, QMode
from ..model.plan import SITE, Plan, Quantity
from ..telemetry import stored_flows as keys
from ..telemetry.values import Series, SeriesKind
from .view import SiteView

type Values = dict[Series, float | None]
type Words = dict[Series, str | None]

_NO_ASSETS: Mapping[str, Asset] = MappingProxyType({})


def kept_values(
    view: SiteView, assets: Mapping[str, Asset] = _NO_ASSETS
) -> tuple[Values, Words]:
    """Return what of a view is kept; what is not known is None.

    `assets` are those of the site as configured: what is summed up over their kinds
    needs them.
    """
    values: Values = {}
    words: Words = {}
    for meter_id, meter in view.meters.items():
        reading = meter.reading if meter.available else None
        place = f"meter.{meter_id}"
        _gauge(values, f"{place}.power", "W", _of(reading, "power"))
        for name in ("energy_import", "energy_export"):
            _counter(values, f"{place}.{name}", _of(reading, name))
    for asset_id, state in view.states.items():
        place = f"asset.{asset_id}"
        known = state if state.available else None
        _gauge(values, f"{place}.power", "W", _of(known, "power"))
        _gauge(values, f"{place}.state_of_charge", "%", _of(known, "state_of_charge"))
        for name in ("energy_consumed", "energy_produced"):
            _counter(values, f"{place}.{name}", _of(known, name))
    if (demand := view.demand) is not None:
        _gauge(values, "demand.average", "W", demand.quarter.average)
        _gauge(values, "demand.target", "W", demand.target)
        peak = demand.quarter.month_peak
        _gauge(values, "demand.month_peak", "W", _of(peak, "power"))
    _market(view, values)
    if (plan := view.plan) is not None:
        _plan(plan, values, words)
    _flows(view, assets, values)
    _orders(view.orders, values)
    return values, words


def _flows(view: SiteView, assets: Mapping[str, Asset], values: Values) -> None:
    """Take what figures are made of: flows of the whole site."""
    meter = None if view.site_meter is None else view.meters.get(view.site_meter)
    reading = meter.reading if meter is not None and meter.available else None
    _gauge(values, keys.GRID, "W", _of(reading, "power"))
    batteries = [a for a in assets.values() if a.nature is Nature.BATTERY]
    if batteries:
        powers = [_said(view, asset, "power") for asset in batteries]
        _gauge(values, keys.BATTERY, "W", _sum(powers))
        stored = [_stored(view, asset) for asset in batteries]
        _gauge(values, keys.STORED, "Wh", _sum(stored))
    inverters = [a for a in assets.values() if a.nature is Nature.INVERTER]
    if inverters:
        yields = _sum([_said(view, asset, "power") for asset in inverters])
        yields = None if yields is None else max(0.0, -yields)
        _gauge(values, keys.PRODUCTION, "W", yields)
    if (plan := view.plan) is not None:
        held = any(by_operator(plan.setpoints.get(item.id)) for item in inverters)
        # What a curtailed inverter could yield, nobody knows.
        missed = None if held else withheld(plan)
        _gauge(values, keys.MISSED, "W", missed)
    _gauge(values, keys.CERTIFICATION, "", float(view.orders.certifies))


def _said(view: SiteView, asset: Asset, name: str) -> float | None:
    state = view.states.get(asset.id)
    return _of(state, name) if state is not None and state.available else None


def _stored(view: SiteView, asset: Asset) -> float | None:
    charge = _said(view, asset, "state_of_charge")
    if charge is None or asset.capacity is None:
        return None
    return charge / 100 * asset.capacity


def _sum(values: list[float | None]) -> float | None:
    """Return a sum, None where a part of it is not known."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _market(view: SiteView, values: Values) -> None:
    """Keep what the markets say, where the site follows them at all."""
    followed, now = view.economy.market, view.market
    if followed.import_price is not None:
        _gauge(values, keys.IMPORT_PRICE, "/MWh", _of(now.import_price, "value"))
    if followed.export_price is not None:
        _gauge(values, keys.EXPORT_PRICE, "/MWh", _of(now.export_price, "value"))
    if followed.imbalance is not None:
        _gauge(values, keys.IMBALANCE_PRICE, "/MWh", _of(now.imbalance, "price"))
        _gauge(values, keys.IMBALANCE_VOLUME, "MW", _of(now.imbalance, "volume"))


def _orders(orders: GridOrders, values: Values) -> None:
    for name, order in orders.present().items():
        if not isinstance(order.value, QMode):
            _gauge(values, f"{keys.ORDERS}{name.value}", "", float(order.value))


def _plan(plan: Plan, values: Values, words: Words) -> None:
    limits = {item.quantity: item for item in plan.limits if item.scope == SITE}
    for quantity in (Quantity.IMPORT, Quantity.INJECTION):
        limit = limits.get(quantity)
        name = f"site.{quantity.value}_limit"
        _gauge(values, name, "W", _of(limit, "value"))
        words[_word(f"{name}_cause")] = "none" if limit is None else limit.cause.key
    for asset_id, setpoint in plan.setpoints.items():
        place = f"asset.{asset_id}"
        unit = "A" if setpoint.kind.value == "current" else "W"
        _gauge(values, f"{place}.setpoint", unit, setpoint.value)
        words[_word(f"{place}.cause")] = (
            setpoint.causes[0].key if setpoint.causes else "none"
        )
    for asset_id, standing in plan.programmes.items():
        mode = standing.effective
        _gauge(values, f"asset.{asset_id}.wish", "W", standing.wish)
        words[_word(f"asset.{asset_id}.mode")] = "idle" if mode is None else mode.value
        bound = ",".join(sorted(item.value for item in standing.constraints))
        words[_word(f"asset.{asset_id}.bound_by")] = bound or "none"
    stopped = ",".join(sorted(direction.value for direction in plan.stopped))
    words[_word("site.stopped")] = stopped or "none"


def _of(owner: object | None, name: str) -> float | None:
    """Return a figure of something that may be absent."""
    value: float | None = getattr(owner, name, None)
    return value


def _gauge(values: Values, key: str, unit: str, value: float | None) -> None:
    values[_series(key, SeriesKind.GAUGE, unit)] = value


def _counter(values: Values, key: str, value: float | None) -> None:
    if value is not None:
        values[_series(key, SeriesKind.COUNTER, "Wh")] = value


def _word(key: str) -> Series:
    return _series(key, SeriesKind.TEXT)


@lru_cache(maxsize=4096)
def _series(key: str, kind: SeriesKind, unit: str | None = None) -> Series:
    """Return a series, the same object at every view."""
    return Series(key=key, kind=kind, unit=unit)
