"""Which values of a site are kept, and under which keys.

Keys never change, since histories hang on them: `site.…`, `meter.<id>.…`,
`asset.<id>.…`, `demand.…`, `market.…`. W, Wh, %, A, MW, money per MWh; words are
stable keys, not sentences.
"""

from functools import lru_cache

from ..model.plan import SITE, Plan, Quantity
from ..telemetry.values import Series, SeriesKind
from .view import SiteView

type Values = dict[Series, float | None]
type Words = dict[Series, str | None]


def kept_values(view: SiteView) -> tuple[Values, Words]:
    """Return what of a view is kept; what is not known is None."""
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
    return values, words


def _market(view: SiteView, values: Values) -> None:
    """Keep what the markets say, where the site follows them at all."""
    followed, now = view.economy.market, view.market
    if followed.import_price is not None:
        _gauge(values, "market.import_price", "/MWh", _of(now.import_price, "value"))
    if followed.export_price is not None:
        _gauge(values, "market.export_price", "/MWh", _of(now.export_price, "value"))
    if followed.imbalance is not None:
        _gauge(values, "market.imbalance_price", "/MWh", _of(now.imbalance, "price"))
        _gauge(values, "market.imbalance_volume", "MW", _of(now.imbalance, "volume"))


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
