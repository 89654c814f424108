"""Prices as others write them: units, and lists of what is to come.

Sensors of price integrations carry their forecast in an attribute, actions return it,
and each has words of its own for the same three things: from when, until when, how
much. What is read here becomes slots in currency per MWh. A row that is not understood
is left out; a list of numbers alone is a day only if it has one number for each hour,
half hour or quarter hour of that day, however long the clock makes it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import pairwise
import math
from typing import Any, Final

from ..model.market import PriceSlot
from ..model.phrase import Phrase

MOST_ROWS: Final = 2000
"""Of one list; a week of quarters has 672."""
_MOST_STEP: Final = timedelta(days=1)
"""Longest time that a row without an end can stand for."""

_START: Final = (
    "start",
    "start_time",
    "start_timestamp",
    "startsAt",
    "starts_at",
    "from",
    "valid_from",
    "timestamp",
    "datetime",
    "time",
    "hour",
)
_END: Final = ("end", "end_time", "end_timestamp", "till", "to", "until", "valid_to")
_DAYS: Final = (
    ("raw_today", "raw_tomorrow"),
    ("prices_today", "prices_tomorrow"),
    ("today", "tomorrow"),
)
_LISTS: Final = ("prices", "forecast", "forecasts", "data", "rates", "price_data")


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceUnit:
    """A unit of prices: a value times `factor` is currency per MWh.

    `currency` is as it is written, without a word for its hundredth; None: not named.
    """

    factor: float
    currency: str | None = None


PER_KWH: Final = PriceUnit(factor=1000.0)
PER_MWH: Final = PriceUnit(factor=1.0)
_CENTS_PER_KWH: Final = PriceUnit(factor=10.0)

_HUNDREDTHS: Final = frozenset(
    {"c", "ct", "cent", "cents", "¢", "p", "penny", "pence", "öre", "øre", "snt"}
)
_ENERGIES: Final = {"wh": 1e6, "kwh": 1e3, "mwh": 1.0, "gwh": 1e-3}

_VALUES: Final[Mapping[str, PriceUnit | None]] = {
    "value": None,
    "price": None,
    "total": None,
    "marketprice": None,
    "market_price": None,
    "value_inc_vat": None,
    "price_per_kwh": PER_KWH,
    "per_kwh": PER_KWH,
    "price_ct_per_kwh": _CENTS_PER_KWH,
    "price_eur_per_mwh": PER_MWH,
    "price_per_mwh": PER_MWH,
    "imbalance_price": None,
    "imbalanceprice": None,
}
"""Words for a price; with a unit where the word says it, else the sensor's own."""

_SHORT: Final = ("volume", "imbalance_volume", "niv", "nrv", "net_imbalance_volume")
_LONG: Final = ("system_imbalance", "systemimbalance", "si")
"""Words for a volume in MW, positive while the system is short, and while it is long."""


def read_unit(text: str | None) -> PriceUnit | None:
    """Return the unit that a sensor names, None where it is none of a price of energy."""
    if text is None or text.count("/") != 1:
        return None
    money, energy = (part.strip() for part in text.split("/"))
    if (factor := _ENERGIES.get(energy.casefold())) is None or not money:
        return None
    if money.casefold() in _HUNDREDTHS or money.endswith("¢"):
        return PriceUnit(factor=factor / 100)
    lower = money.casefold()
    for currency in ("eur", "€", "usd", "$"):
        if lower in {f"c{currency}", f"{currency}cent", f"{currency} cent"}:
            return PriceUnit(factor=factor / 100)
    return PriceUnit(factor=factor, currency="EUR" if money == "€" else money.upper())


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """What makes a market's price the user's own: value times this, plus that.

    `addition` is currency per MWh: levies, fees and what the supplier adds.
    """

    multiplier: float = 1.0
    addition: float = 0.0

    def apply(self, slots: Iterable[PriceSlot]) -> tuple[PriceSlot, ...]:
        """Return prices as the user pays or gets them."""
        return tuple(
            PriceSlot(
                start=slot.start,
                end=slot.end,
                value=slot.value * self.multiplier + self.addition,
            )
            for slot in slots
        )


AS_IT_IS: Final = Tariff()
"""The market's price is the user's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastRow:
    """What is said of a time to come: currency per MWh, and MW, positive short."""

    start: datetime
    end: datetime
    price: float | None
    volume: float | None


def read_forecast(
    attributes: Mapping[str, Any],
    unit: PriceUnit,
    zone: tzinfo,
    today: date,
    attribute: str | None = None,
) -> tuple[ForecastRow, ...]:
    """Return what the attributes of a sensor say of the time to come, in order.

    `unit` is the sensor's own, `today` the day that a list without times is of, in
    `zone`. `attribute` names the list where it is not one of the known ones.
    """
    if attributes.get("price_in_cents") is True:
        unit = PriceUnit(factor=unit.factor / 100, currency=unit.currency)
    families: Sequence[Sequence[str]] = (
        [(attribute,)] if attribute else [*_DAYS, *((name,) for name in _LISTS)]
    )
    for names in families:
        rows: list[_Row] = []
        for offset, name in enumerate(names):
            day = today + timedelta(days=offset)
            rows += _rows(attributes.get(name), unit, zone, day)
        if forecast := _in_order(rows):
            return forecast
    return ()


def read_response(
    response: Mapping[str, Any], unit: PriceUnit, zone: tzinfo, name: str | None = None
) -> tuple[ForecastRow, ...]:
    """Return what an action answered: a list, or one list for each area or home.

    `name` says which one; without it several are refused (ValueError), since nobody
    can know which one the user lives in.
    """
    content: Any = response.get("prices", response)
    if isinstance(content, Mapping):
        lists = {key: rows for key, rows in content.items() if _is_list(rows)}
        if name is not None:
            content = lists.get(name)
        elif len(lists) > 1:
            raise ValueError(
                Phrase(
                    "which_of", "which of {names}?", names=", ".join(map(str, lists))
                )
            )
        else:
            content = next(iter(lists.values()), None)
    return _in_order(_rows(content, unit, zone))


def slots(rows: Iterable[ForecastRow]) -> tuple[PriceSlot, ...]:
    """Return the prices of rows that have one."""
    return tuple(
        PriceSlot(start=row.start, end=row.end, value=row.price)
        for row in rows
        if row.price is not None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    start: datetime
    end: datetime | None
    price: float | None
    volume: float | None


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _rows(
    content: Any, unit: PriceUnit, zone: tzinfo, day: date | None = None
) -> list[_Row]:
    """Return the rows of one list that can be understood.

    Without a day a list of numbers alone is not.
    """
    if not _is_list(content) or len(content) > MOST_ROWS:
        return []
    if content and not any(isinstance(item, Mapping) for item in content):
        return [] if day is None else list(_numbers(content, unit, zone, day))
    rows = (_row(item, unit, zone) for item in content if isinstance(item, Mapping))
    return [row for row in rows if row is not None]


def _numbers(
    content: Sequence[Any], unit: PriceUnit, zone: tzinfo, day: date
) -> Iterator[_Row]:
    """Yield the rows of a day that is written as its numbers alone."""
    start = datetime.combine(day, time(), zone).astimezone(UTC)
    end = datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC)
    step = (end - start) / len(content)
    if step not in {timedelta(minutes=minutes) for minutes in (15, 30, 60)}:
        return
    for number, item in enumerate(content):
        if (value := _figure(item)) is not None:
            yield _Row(
                start=start + number * step,
                end=start + (number + 1) * step,
                price=value * unit.factor,
                volume=None,
            )


def _row(item: Mapping[str, Any], unit: PriceUnit, zone: tzinfo) -> _Row | None:
    start = _first_time(item, _START, zone)
    price = next(
        (
            value * (own or unit).factor
            for key, own in _VALUES.items()
            if (value := _figure(item.get(key))) is not None
        ),
        None,
    )
    volume = next(
        (
            sign * value
            for sign, names in ((1.0, _SHORT), (-1.0, _LONG))
            for key in names
            if (value := _figure(item.get(key))) is not None
        ),
        None,
    )
    if start is None or (price is None and volume is None):
        return None
    return _Row(
        start=start, end=_first_time(item, _END, zone), price=price, volume=volume
    )


def _in_order(rows: list[_Row]) -> tuple[ForecastRow, ...]:
    """Return rows in order, each ending at the latest where the next one begins.

    A row without an end lasts as long as the shortest time between two rows.
    """
    known = {row.start: row for row in rows}
    starts = sorted(known)
    gaps = [after - before for before, after in pairwise(starts)]
    step = min(gaps, default=None)
    forecast = []
    for number, start in enumerate(starts):
        row = known[start]
        end = row.end
        if end is None and step is not None and step <= _MOST_STEP:
            end = start + step
        if number + 1 < len(starts):
            end = None if end is None else min(end, starts[number + 1])
        if end is not None and end > start:
            forecast.append(
                ForecastRow(start=start, end=end, price=row.price, volume=row.volume)
            )
    return tuple(forecast)


def _first_time(
    item: Mapping[str, Any], keys: Iterable[str], zone: tzinfo
) -> datetime | None:
    return next(
        (found for key in keys if (found := _time(item.get(key), zone)) is not None),
        None,
    )


def _time(value: Any, zone: tzinfo) -> datetime | None:
    """Return a time in UTC; without a zone it is local, numbers are s or ms."""
    if isinstance(value, bool):
        return None
    try:
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value / 1000 if value > 1e11 else value, UTC)
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
    except ValueError, OverflowError, OSError:
        return None
    if not isinstance(value, datetime):
        return None
    return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)


def _figure(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None
