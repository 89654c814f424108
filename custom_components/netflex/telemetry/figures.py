"""Figures: what a battery does for a site, in energy and in money.

Pure sums over flows. Every figure is compared with the same site *without a battery*:
by default the flow at the connection point less what the batteries took from it
(counterfactual arithmetic: nothing else would have behaved otherwise), or the totals of
a run without batteries, where one was made with the same decision (a back-test, or days
on which orders would have curtailed more without them).

What nobody measured is in no sum; `coverage` says how much was. What happened under
orders that the grid operator marks as a test is counted apart and is in no figure.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, Final, Self

from ..model.demand import QUARTER, CapacityTariff, MinimumRule
from ..model.flows import Flow

_ROUND_TRIP_LEAST: Final = 0.2
"""Cycles from which a round trip says something: before, what was stored decides it."""
_WHOLE: Final = 0.98
"""Share of a quarter hour that must be known for it to be a peak."""
_PRICED: Final = 0.9
"""Share of the known time that must have prices for money to be given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Sums at the connection point, with or without batteries. Wh, money, W."""

    imported: float = 0.0
    exported: float = 0.0
    cost: float = 0.0
    """Of what was imported while its price was known."""
    revenue: float = 0.0
    peak: float | None = None
    """W: the highest quarter hour of import; None: none was known whole."""

    def __add__(self, other: Self) -> Self:
        """Return both together."""
        peaks = [p for p in (self.peak, other.peak) if p is not None]
        return replace(
            self,
            imported=self.imported + other.imported,
            exported=self.exported + other.exported,
            cost=self.cost + other.cost,
            revenue=self.revenue + other.revenue,
            peak=max(peaks, default=None),
        )


NO_SIDE: Final = Side()


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What flows add up to over a time; two times that follow each other add up too."""

    seconds: float = 0.0
    """How long it was, tests left out."""
    known: float = 0.0
    """s of it in which the connection point was measured."""
    filled: float = 0.0
    """s of these that were gaps and were filled in afterwards."""
    priced: float = 0.0
    """s of those known with every price that what flowed needs."""
    certification: float = 0.0
    """s under orders that are a test."""
    with_battery: Side = NO_SIDE
    without: Side = NO_SIDE
    consumed: float = 0.0
    """Wh that the site used, batteries left out, while its production was known."""
    produced: float | None = None
    used: float = 0.0
    """Wh of production that were not injected."""
    charged: float | None = None
    discharged: float | None = None
    missed: float | None = None
    """Wh that the grid operator's limits cost."""
    stored_before: float | None = None
    """Wh in the batteries at the start and at the end."""
    stored_after: float | None = None

    def __add__(self, other: Self) -> Self:
        """Return both together, `other` being the later one."""
        sums: dict[str, Any] = {
            name: _plus(getattr(self, name), getattr(other, name)) for name in _ADDED
        }
        before, after = self.stored_before, other.stored_after
        return replace(
            self,
            **sums,
            with_battery=self.with_battery + other.with_battery,
            without=self.without + other.without,
            stored_before=other.stored_before if before is None else before,
            stored_after=self.stored_after if after is None else after,
        )


_ADDED: Final = tuple(
    item.name
    for item in fields(Totals)
    if item.name not in {"with_battery", "without", "stored_before", "stored_after"}
)
NO_TOTALS: Final = Totals()


def _plus(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return one + other


@dataclass(slots=True)
class _Quarter:
    """One quarter hour of import being summed up, in J and s."""

    start: int
    with_battery: float = 0.0
    without: float = 0.0
    known: float = 0.0

    def peaks(self) -> tuple[float, float] | None:
        """Return its demand in W, None where it is not known whole."""
        if self.known < _WHOLE * QUARTER:
            return None
        return self.with_battery / self.known, self.without / self.known


@dataclass(slots=True)
class Summing:
    """Sums up flows in order of time."""

    totals: Totals = NO_TOTALS
    _sums: dict[str, float] = field(default_factory=dict)
    _quarter: _Quarter | None = None
    _peaks: tuple[float, float] | None = None
    _stored: tuple[float | None, float | None] = (None, None)

    def add(self, flow: Flow) -> None:
        """Take one more span."""
        if flow.certification:
            self._count("certification", flow.seconds)
            return
        self._count("seconds", flow.seconds)
        if flow.stored is not None:
            first = self._stored[0]
            self._stored = (flow.stored if first is None else first, flow.stored)
        if flow.grid is None:
            return
        self._count("known", flow.seconds)
        if flow.filled:
            self._count("filled", flow.seconds)
        battery = flow.battery or 0.0
        hours = flow.seconds / 3600
        self._side("", flow.grid, flow, hours)
        self._side("without_", flow.grid - battery, flow, hours)
        needs = (
            (flow.import_price, flow.grid > 0 or flow.grid - battery > 0),
            (flow.export_price, flow.grid < 0 or flow.grid - battery < 0),
        )
        if all(price is not None for price, needed in needs if needed):
            self._count("priced", flow.seconds)
        if flow.battery is not None:
            self._count("charged", max(0.0, battery) * hours)
            self._count("discharged", max(0.0, -battery) * hours)
        if flow.production is not None:
            self._count("produced", flow.production * hours)
            injected = max(0.0, -flow.grid)
            self._count("used", max(0.0, flow.production - injected) * hours)
            consumed = flow.grid + flow.production - battery
            self._count("consumed", max(0.0, consumed) * hours)
        elif flow.battery is not None or flow.grid > 0:
            self._count("consumed", max(0.0, flow.grid - battery) * hours)
        if flow.missed is not None:
            self._count("missed", flow.missed * hours)
        self._demand(flow, battery)

    def _count(self, name: str, value: float) -> None:
        self._sums[name] = self._sums.get(name, 0.0) + value

    def _side(self, side: str, power: float, flow: Flow, hours: float) -> None:
        imported, exported = max(0.0, power) * hours, max(0.0, -power) * hours
        self._count(f"{side}imported", imported)
        self._count(f"{side}exported", exported)
        self._count(f"{side}cost", imported * (flow.import_price or 0.0) / 1e6)
        self._count(f"{side}revenue", exported * (flow.export_price or 0.0) / 1e6)

    def _demand(self, flow: Flow, battery: float) -> None:
        """Book a span's import on the quarter hours that it lies in."""
        grid = flow.grid or 0.0
        at, end = flow.start.timestamp(), flow.end.timestamp()
        while at < end - 1e-6:
            start = int((at + 1e-6) // QUARTER * QUARTER)
            if self._quarter is None or self._quarter.start != start:
                self._close()
                self._quarter = _Quarter(start)
            upto = min(end, start + QUARTER)
            seconds, at = upto - at, upto
            self._quarter.known += seconds
            self._quarter.with_battery += max(0.0, grid) * seconds
            self._quarter.without += max(0.0, grid - battery) * seconds

    def _close(self) -> None:
        if self._quarter is None or (found := self._quarter.peaks()) is None:
            return
        old = self._peaks
        self._peaks = (
            found if old is None else (max(old[0], found[0]), max(old[1], found[1]))
        )

    def done(self) -> Totals:
        """Return what the flows add up to; a quarter that goes on is no peak yet."""
        self._close()
        sums, peaks = dict(self._sums), self._peaks or (None, None)
        without = {
            name.removeprefix("without_"): sums.pop(name)
            for name in tuple(sums)
            if name.startswith("without_")
        }
        names = ("imported", "exported", "cost", "revenue")
        own = {name: sums.pop(name) for name in names if name in sums}
        return Totals(
            **sums,
            with_battery=Side(**own, peak=peaks[0]),
            without=Side(**without, peak=peaks[1]),
            stored_before=self._stored[0],
            stored_after=self._stored[1],
        )


def total(flows: Iterable[Flow]) -> Totals:
    """Return what flows in order of time add up to."""
    summing = Summing()
    for flow in flows:
        summing.add(flow)
    return summing.done()


def against(totals: Totals, replayed: Totals) -> Totals:
    """Return totals whose side without batteries is that of a run without them.

    The run may have taken a little more or less of the time for known.
    """
    if not replayed.known:
        return totals
    share = totals.known / replayed.known
    side = replayed.with_battery
    return replace(
        totals,
        without=Side(
            imported=side.imported * share,
            exported=side.exported * share,
            cost=side.cost * share,
            revenue=side.revenue * share,
            peak=side.peak,
        ),
    )


def by_day(flows: Iterable[Flow], zone: tzinfo) -> Iterator[tuple[date, Totals]]:
    """Yield the totals of each day of a zone; a flow over midnight is cut in two."""
    day, end = None, datetime.min.replace(tzinfo=UTC)
    summing = Summing()
    for given in flows:
        flow: Flow | None = given
        while flow is not None:
            if flow.start >= end:
                if day is not None:
                    yield day, summing.done()
                day, summing = flow.start.astimezone(zone).date(), Summing()
                end = _midnight(day + timedelta(days=1), zone)
            part, flow = _cut(flow, end)
            summing.add(part)
    if day is not None:
        yield day, summing.done()


def by_month(
    days: Iterable[tuple[date, Totals]],
) -> Iterator[tuple[tuple[int, int], Totals]]:
    """Yield the totals of each month (year, month) of days in order."""
    month, totals = None, NO_TOTALS
    for day, more in days:
        if (this := (day.year, day.month)) != month:
            if month is not None:
                yield month, totals
            month, totals = this, NO_TOTALS
        totals += more
    if month is not None:
        yield month, totals


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _cut(flow: Flow, at: datetime) -> tuple[Flow, Flow | None]:
    if flow.end <= at:
        return flow, None
    first = (at - flow.start).total_seconds()
    return (
        replace(flow, seconds=first, stored=None),
        replace(flow, start=at, seconds=flow.seconds - first),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What totals mean. Energy in Wh, shares 0..1, money in the user's currency.

    None is not known: nothing to divide by, too little measured, no prices.
    """

    coverage: float | None
    """Share of the time that is known."""
    filled: float | None
    """Share of the time that is known only because it was filled in afterwards."""
    cycles: float | None
    """Full cycles: half of what was charged and discharged, by the capacity."""
    efficiency: float | None
    """Of a round trip: what came out of what went in, less what is still in."""
    self_use: float | None
    """Share of the production that was not injected."""
    self_sufficiency: float | None
    """Share of the consumption that was not imported."""
    cost: float | None
    """What the import cost, less what the injection brought."""
    cost_without: float | None
    """The same without a battery."""
    saved: float | None
    peak: float | None
    """W, the highest quarter hour."""
    peak_without: float | None
    peak_avoided: float | None
    """W, never below the minimum that is billed anyway."""
    tariff_saved: float | None
    """What the avoided peak of one month is worth: a twelfth of a year's price."""
    missed: float | None


def figures(
    totals: Totals,
    *,
    capacity: float | None = None,
    tariff: CapacityTariff | None = None,
    baseline: Totals | None = None,
) -> Figures:
    """Return the figures of one time, of a month where it is about the tariff.

    `capacity` is the Wh of all batteries, `baseline` what a run without them came to.
    """
    side = totals.with_battery
    without = totals.without if baseline is None else baseline.with_battery
    priced = totals.priced >= _PRICED * totals.known > 0
    cost = side.cost - side.revenue if priced else None
    cost_without = without.cost - without.revenue if priced else None
    avoided = _avoided(side.peak, without.peak, tariff)
    return Figures(
        coverage=_share(totals.known, totals.seconds),
        filled=_share(totals.filled, totals.seconds),
        cycles=_cycles(totals, capacity),
        efficiency=_efficiency(totals, capacity),
        self_use=None
        if totals.produced is None
        else _share(totals.used, totals.produced),
        self_sufficiency=_self_sufficiency(totals),
        cost=cost,
        cost_without=cost_without,
        saved=None if cost is None or cost_without is None else cost_without - cost,
        peak=side.peak,
        peak_without=without.peak,
        peak_avoided=avoided,
        tariff_saved=None
        if avoided is None or tariff is None or tariff.price is None
        else avoided / 1000 * tariff.price / 12,
        missed=totals.missed,
    )


def _share(part: float, whole: float) -> float | None:
    return min(1.0, max(0.0, part / whole)) if whole > 0 else None


def _self_sufficiency(totals: Totals) -> float | None:
    if totals.consumed <= 0:
        return None
    return _share(totals.consumed - totals.with_battery.imported, totals.consumed)


def _cycles(totals: Totals, capacity: float | None) -> float | None:
    if not capacity or totals.charged is None or totals.discharged is None:
        return None
    return (totals.charged + totals.discharged) / 2 / capacity


def _efficiency(totals: Totals, capacity: float | None) -> float | None:
    cycles = _cycles(totals, capacity)
    before, after = totals.stored_before, totals.stored_after
    if cycles is None or cycles < _ROUND_TRIP_LEAST or before is None or after is None:
        return None
    assert totals.charged is not None
    assert totals.discharged is not None
    return _share(totals.discharged, totals.charged - (after - before))


def _avoided(
    peak: float | None, without: float | None, tariff: CapacityTariff | None
) -> float | None:
    """Return the W by which a month's billed peak is lower; negative: it is higher."""
    if peak is None or without is None:
        return None
    each_month = tariff is not None and tariff.rule is MinimumRule.PER_MONTH
    least = tariff.minimum if tariff is not None and each_month else 0.0
    return max(without, least) - max(peak, least)
