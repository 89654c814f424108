"""Flows out of the store: what was kept of a site, brought to the form of figures.

The keys are those under which a site keeps its readings.
"""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final

from ..model.flows import Flow
from .store import TelemetryStore
from .values import Resolution

GRID: Final = "site.power"
BATTERY: Final = "site.battery_power"
PRODUCTION: Final = "site.production"
STORED: Final = "site.stored"
MISSED: Final = "site.withheld"
CERTIFICATION: Final = "site.certification"
IMPORT_PRICE: Final = "market.import_price"
EXPORT_PRICE: Final = "market.export_price"
IMBALANCE_PRICE: Final = "market.imbalance_price"
IMBALANCE_VOLUME: Final = "market.imbalance_volume"
ORDERS: Final = "orders."
"""Before the Netflex name of each order that is in force."""

_KEYS: Final = (
    GRID,
    BATTERY,
    PRODUCTION,
    STORED,
    MISSED,
    CERTIFICATION,
    IMPORT_PRICE,
    EXPORT_PRICE,
)


def day_flows(
    store: TelemetryStore, day: date, zone: tzinfo, until: datetime
) -> list[Flow]:
    """Return what flowed on a day of a zone, up to a moment, gaps included.

    Minute by minute where those are kept, else in steps of five minutes. Where a battery
    is silent, what it spared is not known: that is a gap too. In a gap of it, orders go
    on being a test or none as they were before.
    """
    start = _midnight(day, zone)
    end = min(_midnight(day + timedelta(days=1), zone), int(until.timestamp()))
    for width in (Resolution.MINUTE, Resolution.FIVE_MINUTES):
        values = {
            key: {
                item.start: item.mean
                for item in store.buckets(key, start, end, width, zone)
            }
            for key in _KEYS
        }
        if values[GRID] or width is not Resolution.MINUTE:
            break
    filled = {
        at
        for span in store.filled(GRID, start, end)
        for at in range(span.start, span.end, 60)
    }
    since = store.first(BATTERY)
    certification = False
    flows = []
    for at in range(start, end - width + 1, width):
        if (marked := values[CERTIFICATION].get(at)) is not None:
            certification = bool(marked)
        flow = _flow(values, at, width, certification=certification)
        if flow.battery is None and since is not None and at >= since:
            flow = replace(flow, grid=None)
        flows.append(replace(flow, filled=True) if at in filled else flow)
    return flows


def _flow(
    values: dict[str, dict[int, float | None]],
    at: int,
    width: int,
    *,
    certification: bool,
) -> Flow:
    def mean(key: str) -> float | None:
        return values[key].get(at)

    return Flow(
        start=datetime.fromtimestamp(at, UTC),
        seconds=float(width),
        grid=mean(GRID),
        battery=mean(BATTERY),
        production=mean(PRODUCTION),
        stored=mean(STORED),
        import_price=mean(IMPORT_PRICE),
        export_price=mean(EXPORT_PRICE),
        missed=mean(MISSED),
        certification=certification,
    )


def _midnight(day: date, zone: tzinfo) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())
