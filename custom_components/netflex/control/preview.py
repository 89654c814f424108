"""What a battery's programme has in store: which modes are scheduled, and when.

What depends on the site's power, on the charge or on the imbalance is not foreseen:
such a mode is shown while its schedule is on. A dispatch, a price threshold and the
cheapest hours are shown when they are known to act.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from ..model.market import PriceSeries
from ..model.programme import (
    CheapestHours,
    Dispatch,
    ModeEntry,
    PreviewSlot,
    PriceThreshold,
    Programme,
    ProgrammeMode,
)
from ..model.schedule import Window, preview as scheduled, upcoming
from ..model.snapshot import Snapshot
from .modes.battery.cheapest_hours import cheapest

HOURS = 48.0

type _Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """From when to when, for whom, and what is known."""

    asset_id: str
    start: datetime
    end: datetime
    snapshot: Snapshot

    def cut(self, windows: Iterable[Window]) -> Iterator[_Span]:
        """Yield what of some windows lies in the time that is looked at."""
        for window in windows:
            begins = max(window.start or self.start, self.start)
            ends = min(window.end or self.end, self.end)
            if begins < ends:
                yield begins, ends


def preview(
    programme: Programme,
    asset_id: str,
    snapshot: Snapshot,
    utc: datetime,
    hours: float = HOURS,
) -> tuple[PreviewSlot, ...]:
    """Return the next hours of a battery's programme, in order and without gaps.

    Of a snapshot it looks at prices, dispatches, holidays and entities alone.
    """
    look = _Look(
        asset_id=asset_id,
        start=utc,
        end=utc + timedelta(hours=hours),
        snapshot=snapshot,
    )
    entries = [(entry.mode, list(_spans(entry, look))) for entry in programme]
    edges = sorted(
        {look.start, look.end}
        | {edge for _, spans in entries for span in spans for edge in span}
    )
    slots: list[PreviewSlot] = []
    for start, end in pairwise(edges):
        modes: dict[ProgrammeMode, None] = {}
        for mode, spans in entries:
            if any(begins <= start < ends for begins, ends in spans):
                modes[mode] = None
        if slots and slots[-1].modes == tuple(modes):
            start = slots.pop().start
        slots.append(PreviewSlot(start=start, end=end, modes=tuple(modes)))
    return tuple(slots)


def _spans(entry: ModeEntry, look: _Look) -> Iterator[_Span]:
    """Yield when a mode is known to act, or scheduled where that is all one knows."""
    parameters, snapshot = entry.parameters, look.snapshot
    hours = (look.end - look.start).total_seconds() / 3600
    windows = scheduled(
        entry.schedule, look.start, hours, snapshot.holidays, snapshot.entity_windows
    )
    if isinstance(parameters, Dispatch):
        yield from _overlaps(look.cut(windows), look.cut(_commands(parameters, look)))
    elif isinstance(parameters, CheapestHours):
        yield from look.cut(_cheapest(entry, parameters, look))
    elif isinstance(parameters, PriceThreshold):
        yield from _overlaps(look.cut(windows), look.cut(_priced(parameters, look)))
    else:
        yield from look.cut(windows)


def _overlaps(some: Iterable[_Span], others: Iterable[_Span]) -> Iterator[_Span]:
    known = list(others)
    for start, end in some:
        for begins, ends in known:
            if max(start, begins) < min(end, ends):
                yield max(start, begins), min(end, ends)


def _commands(parameters: Dispatch, look: _Look) -> Iterator[Window]:
    for command in look.snapshot.dispatches:
        heard = parameters.sources is None or command.source in parameters.sources
        if heard and command.concerns(look.asset_id):
            yield Window(start=command.start, end=command.end)


def _cheapest(
    entry: ModeEntry, parameters: CheapestHours, look: _Look
) -> Iterator[Window]:
    series, snapshot = look.snapshot.market.import_price, look.snapshot
    if series is None or entry.schedule is None:
        return
    for window in upcoming(
        entry.schedule,
        look.start,
        look.end,
        snapshot.holidays,
        snapshot.entity_windows,
    ):
        if window.start is not None and window.end is not None:
            slots = series.between(window.start, window.end, look.start)
            yield from cheapest(slots, window, parameters.hours)


def _priced(parameters: PriceThreshold, look: _Look) -> Iterator[Window]:
    market = look.snapshot.market
    low, high = parameters.charge_below, parameters.discharge_above
    dear = market.export_price if parameters.export else market.import_price
    for series, below, above in (
        (market.import_price, low, None),
        (dear, None, high),
    ):
        yield from _beyond(series, below, above, look)


def _beyond(
    series: PriceSeries | None,
    below: float | None,
    above: float | None,
    look: _Look,
) -> Iterator[Window]:
    for slot in (
        () if series is None else series.between(look.start, look.end, look.start)
    ):
        if (below is not None and slot.value < below) or (
            above is not None and slot.value > above
        ):
            yield Window(start=slot.start, end=slot.end)
