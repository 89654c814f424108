"""What the parts of a site should bring, and what of it comes: the data quality's input."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from ..metering.dlms_reader import TECHNICAL_PUSHES
from ..model.asset import Asset, AssetState, Nature
from ..model.connection import ConnectionPoint, Line
from ..model.reading import MeterRole
from ..telemetry.quality import Expectation, Range
from ..telemetry.quality_ledger import QualityLedger
from .view import MeterView, SiteView

SAMPLED: Final = 60.0
"""s between two looks at what speaks only when something changes."""
_MARGIN: Final = 1.5
"""Times what the fuse or the nameplate allows that a value may be and still be true."""
_SUBMETER: Final = Range(low=-1e7, high=1e7)
_VOLTAGE: Final = Range(low=0.0, high=265.0)
"""230 V in every grid of Belgium, 15 % more at most; a line that is not there reads 0."""

type Values = Mapping[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slower:
    """Series that come less often than the others of their source, every `period` s.

    `detail` is the detail of the source that counts how often they came so far.
    """

    period: float
    series: frozenset[str]
    detail: str


NONE_SLOWER: Final[Mapping[str, Slower]] = MappingProxyType({})


class QualityFeed:
    """Follows one site; `now` is Unix time in s.

    `periods` are s between two answers of a device or meter that is polled; who is not
    in it is looked at once a minute, and counts as there while it is available.
    `slower` are the series, by source, that have a rhythm of their own.
    """

    def __init__(self, ledger: QualityLedger) -> None:
        """Go on with what was counted."""
        self._ledger = ledger
        self._good: dict[str, int] = {}
        self._at: dict[str, float] = {}
        self._slow: dict[str, int] = {}
        self._minute: int | None = None

    def take(
        self,
        now: float,
        view: SiteView,
        connection: ConnectionPoint,
        assets: Mapping[str, Asset],
        periods: Mapping[str, float],
        slower: Mapping[str, Slower] = NONE_SLOWER,
    ) -> None:
        """Count what came since the last call."""
        wanted = expectations(view, connection, assets, periods, slower)
        self._ledger.look(now, wanted)
        minute = int(now // SAMPLED)
        sampling = minute != self._minute
        self._minute = minute
        for expectation in wanted:
            source = expectation.source
            if (meter := view.meters.get(source)) is not None:
                count = self._came(meter, periods, sampling=sampling)
                if count:
                    self._ledger.arrive(
                        now,
                        expectation,
                        _meter_values(meter),
                        count=count,
                        counts=self._slow_counts(source, meter.details, slower),
                        clock_offset=meter.clock_offset,
                    )
            elif (state := view.states.get(source)) is not None and self._answered(
                state, expectation.period, sampled=source not in periods, now=sampling
            ):
                self._ledger.arrive(
                    now,
                    expectation,
                    _asset_values(state),
                    counts=self._slow_counts(source, state.details, slower),
                )

    def _slow_counts(
        self, source: str, details: Mapping[str, object], slower: Mapping[str, Slower]
    ) -> Mapping[str, int]:
        """Return how often the slower series of a source came since the last time."""
        slow = slower.get(source)
        if slow is None or (so_far := _so_far(details, slow)) is None:
            return {}
        before, self._slow[source] = self._slow.get(source), so_far
        new = 0 if before is None or so_far < before else so_far - before
        return dict.fromkeys(slow.series, new)

    def _came(
        self, meter: MeterView, periods: Mapping[str, float], *, sampling: bool
    ) -> int:
        """Return how many readings a meter has brought."""
        if _period(meter, periods) is None:
            return int(sampling and meter.available)
        before, good = self._good.get(meter.meter_id), _good(meter)
        self._good[meter.meter_id] = good
        # It counts from its own start: a meter that was set up anew begins again.
        return 0 if before is None or good < before else good - before

    def _answered(
        self, state: AssetState, period: float, *, sampled: bool, now: bool
    ) -> bool:
        """Whether a device has answered anew; answers beside its polls do not count."""
        if sampled:
            return now and state.available
        if not state.available or state.at is None:
            return False
        before = self._at.get(state.asset_id)
        if before is not None and 0 <= state.at - before < period / 2:
            return False
        self._at[state.asset_id] = state.at
        return before is not None


def expectations(
    view: SiteView,
    connection: ConnectionPoint,
    assets: Mapping[str, Asset],
    periods: Mapping[str, float],
    slower: Mapping[str, Slower] = NONE_SLOWER,
) -> tuple[Expectation, ...]:
    """Return what each meter and each device of a site should bring."""
    return tuple(
        _with_slower(item, view, slower.get(item.source))
        for item in (
            *_meters(view.meters.values(), connection, periods),
            *_assets(view.states, assets, periods),
        )
    )


def _with_slower(
    expectation: Expectation, view: SiteView, slow: Slower | None
) -> Expectation:
    """Return it with the rhythm of its slower series, where the source counts them."""
    source = view.meters.get(expectation.source) or view.states.get(expectation.source)
    if slow is None or source is None or _so_far(source.details, slow) is None:
        return expectation
    periods = dict.fromkeys(slow.series, slow.period)
    return replace(expectation, slower=MappingProxyType(periods))


def _so_far(details: Mapping[str, object], slow: Slower) -> int | None:
    """Return how often the slower series have come, None: nobody counts."""
    count = details.get(slow.detail)
    return count if isinstance(count, int) else None


def _meters(
    meters: Iterable[MeterView],
    connection: ConnectionPoint,
    periods: Mapping[str, float],
) -> Iterator[Expectation]:
    most = connection.fuse_power * _MARGIN
    for meter in meters:
        at_connection = meter.role is MeterRole.CONNECTION_POINT
        power = Range(low=-most, high=most) if at_connection else _SUBMETER
        ranges = {"power": power, "frequency": Range(low=45.0, high=55.0)}
        for line in Line:
            ranges[f"line_voltage.{line.value}"] = _VOLTAGE
            if at_connection:
                amperes = connection.main_fuse * _MARGIN
                ranges[f"line_current.{line.value}"] = Range(low=-amperes, high=amperes)
        yield Expectation(
            source=meter.meter_id,
            name=meter.name,
            period=_period(meter, periods) or SAMPLED,
            ranges=MappingProxyType(ranges),
            restless=frozenset(f"line_voltage.{line.value}" for line in Line),
            counters=(("energy_import",), ("energy_export",)),
        )


def _good(meter: MeterView) -> int:
    """Return how many readings have come; of groups, those with the power count."""
    pushes = meter.details.get(TECHNICAL_PUSHES)
    return pushes if isinstance(pushes, int) else meter.good


def _period(meter: MeterView, periods: Mapping[str, float]) -> float | None:
    """Return the s between two readings: what its rhythm is, else what it should be."""
    if meter.meter_id not in periods:
        return None
    return meter.period or periods[meter.meter_id]


def _assets(
    states: Mapping[str, AssetState],
    assets: Mapping[str, Asset],
    periods: Mapping[str, float],
) -> Iterator[Expectation]:
    for asset_id in states:
        if (asset := assets.get(asset_id)) is None:
            continue
        ranges = {
            "state_of_charge": Range(low=0.0, high=100.0),
            "temperature": Range(low=-40.0, high=150.0),
        }
        if asset.rated_consumption or asset.rated_production:
            ranges["power"] = Range(
                low=-max(100.0, _MARGIN * asset.rated_production),
                high=max(100.0, _MARGIN * asset.rated_consumption),
            )
        yield Expectation(
            source=asset_id,
            name=asset.name,
            period=periods.get(asset_id, SAMPLED),
            ranges=MappingProxyType(ranges),
            counters=_counters(asset),
        )


def _counters(asset: Asset) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the counters that an asset's power fills: one way, or both."""
    if asset.nature is Nature.INVERTER:
        return (), ("energy_produced",)
    if asset.rated_production > 0:
        return ("energy_consumed",), ("energy_produced",)
    return ("energy_consumed",), ()


def _meter_values(meter: MeterView) -> Values:
    if (reading := meter.reading) is None:
        return {}
    values: dict[str, float | None] = {
        "power": reading.power,
        "frequency": reading.frequency,
        "energy_import": reading.energy_import,
        "energy_export": reading.energy_export,
    }
    for line in Line:
        values[f"line_voltage.{line.value}"] = reading.line_voltage[line]
        values[f"line_current.{line.value}"] = reading.line_current[line]
    return values


def _asset_values(state: AssetState) -> Values:
    return {
        "power": state.power,
        "state_of_charge": state.state_of_charge,
        "temperature": state.temperature,
        "energy_consumed": state.energy_consumed,
        "energy_produced": state.energy_produced,
    }
