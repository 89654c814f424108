"""The meters of a site, and which of them the connection point is held against."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
import logging
import time

from ..devices.device import MeterDevice, MeterStatus as DeviceStatus
from ..metering.cadence import SLOW, Cadence
from ..metering.demand import DemandMemory
from ..metering.s1_reader import S1Source
from ..metering.source import MeterSource, MeterStatus
from ..model.asset import Asset, AssetState
from ..model.connection import GridType
from ..model.phrase import Phrase
from ..model.reading import MeterReading, MeterRole
from .availability import AvailabilityLog
from .config import STALE_AFTER, MeterConfig
from .demand import SiteDemand
from .meter_quality import ErrorRate, Finding, MeterChecks
from .meter_wiring import MeterWiring
from .power_meters import PowerMeters
from .view import DemandView, MeterSwitch, MeterView

_LOGGER = logging.getLogger(__name__)

RETURN_AFTER = 60.0
"""s that the first meter must have been good for before it measures again."""

NOISY = 5.0
"""% of the telegrams of an hour; a good line damages some 0.2 % of them."""
NOISY_LEAST = 20
"""Damaged ones since the start below which nothing is said."""

type AnyMeter = MeterSource | MeterDevice
type MeterFactory = Callable[[MeterConfig], AnyMeter]


def _nothing() -> None:
    """Listen to nothing, until the site does."""


def _local_time() -> datetime:
    return datetime.now().astimezone()


@dataclass(slots=True)
class _Meter:
    config: MeterConfig
    source: AnyMeter
    checks: MeterChecks
    added: float
    availability: AvailabilityLog
    errors: ErrorRate = field(default_factory=ErrorRate)
    cadence: Cadence = field(default_factory=Cadence)
    wiring: MeterWiring = field(default_factory=MeterWiring)
    reading: MeterReading | None = None
    empty: bool = False
    """Whether it answers without saying any power or current."""
    good_since: float | None = None
    """Since when the readings come without a break."""
    clock_offset: float | None = None

    @property
    def stale_after(self) -> float:
        """The s without a reading after which it is lost.

        A P1 port sends at a rate of its own; the others are asked for readings.
        """
        if self.config.url is None:
            return self.config.stale_after
        return self.cadence.patience(self.config.stale_after)

    def fresh(self, now: float) -> bool:
        return (
            self.reading is not None and now - self.reading.received <= self.stale_after
        )

    def awaited(self, now: float) -> bool:
        """Whether it was added so lately that its first reading may still come."""
        return self.reading is None and now - self.added < self.config.stale_after

    def lasting(self, now: float) -> bool:
        """Whether it has been good for long enough to be returned to."""
        return (
            self.fresh(now)
            and self.good_since is not None
            and now - self.good_since >= RETURN_AFTER
        )


class SiteMeters:
    """Owns the meters; one of those of the connection point counts.

    That is the first one while it is fresh. Another one takes over when it goes stale,
    and gives back when the first one has been good for a while. `local_time` returns
    aware local time, for meters without a clock.
    """

    def __init__(
        self,
        make_meter: MeterFactory,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        local_time: Callable[[], datetime] = _local_time,
    ) -> None:
        """Prepare; meters are added one by one."""
        self._make_meter = make_meter
        self._monotonic = monotonic
        self._local_time = local_time
        self._meters: dict[str, _Meter] = {}
        self._used: str | None = None
        self._demand = SiteDemand(lambda: self.on_quarter())
        self.power = PowerMeters()
        """What meters that sample the waveform bring beside their readings."""
        self.switch: MeterSwitch | None = None
        """None while the first meter of the connection point measures it."""
        self.grid_type: GridType | None = None
        """What the meter of the connection point should show."""
        self.on_reading: Callable[[], None] = _nothing
        self.on_status: Callable[[], None] = _nothing
        self.on_quarter: Callable[[], None] = _nothing
        """Called when a quarter hour has ended: the demand is worth storing."""
        self.peak_target: float | None = None
        """W that a quarter hour should stay below, in place of the configured one."""

    # ----------------------------------------------------------------------- the meters

    async def add(self, config: MeterConfig) -> None:
        """Add a meter, or put another configuration in its place.

        What does not concern the connection is changed without touching it.
        """
        if (old := self._meters.get(config.meter_id)) is not None:
            if _wire(old.config) == _wire(config):
                old.config = config
                old.checks = MeterChecks(config.role)
                self.power.change_role(config.meter_id, config.role)
                return
            await old.source.stop()
        meter = _Meter(
            config=config,
            source=self._make_meter(config),
            checks=MeterChecks(config.role),
            added=self._monotonic(),
            availability=AvailabilityLog(config.name),
        )
        # In the place of the old one: the order says which meter counts first.
        self._meters[config.meter_id] = meter
        if isinstance(meter.source, S1Source):
            self.power.follow(meter.source, config.role)
        else:
            self.power.forget(config.meter_id)
        await meter.source.start(
            lambda reading: self._take(meter, reading),
            lambda status: self._status_changed(meter, status),
        )

    def _status_changed(
        self, meter: _Meter, status: MeterStatus | DeviceStatus
    ) -> None:
        # A user port can be open, and silent or unreadable all the same.
        available = status.connected and (
            meter.config.device is not None or status.problem is None
        )
        meter.availability.take(available=available, problem=status.problem)
        self.on_status()

    async def remove(self, meter_id: str) -> None:
        """Remove a meter for good, if it is there."""
        if (meter := self._meters.pop(meter_id, None)) is not None:
            await meter.source.stop()
            self._demand.forget(meter_id)
            self.power.forget(meter_id)

    async def stop(self) -> None:
        """Stop all meters."""
        for meter in self._meters.values():
            await meter.source.stop()
        self._meters.clear()

    def _take(self, meter: _Meter, reading: MeterReading) -> None:
        meter.empty = not _says_something(reading)
        if meter.empty:
            # It answers, and nobody can hold a limit against that: the last reading
            # grows old.
            return
        before, meter.reading = meter.reading, reading
        if before is None or reading.received - before.received > meter.stale_after:
            meter.good_since = reading.received
        meter.cadence.take(reading.received, meter.source.status.damaged)
        # First of all: nothing below may cost the decision a reading.
        self.on_reading()
        now = self._local_time()
        if reading.meter_time is not None:
            meter.clock_offset = (reading.meter_time - now).total_seconds()
        meter.checks.take(reading, self.grid_type)
        if meter.config.role is MeterRole.CONNECTION_POINT:
            self._demand.take(reading, now)
            self.power.compare(reading)

    def compare(
        self, assets: Mapping[str, Asset], states: Mapping[str, AssetState], now: float
    ) -> None:
        """Look whether the meters of the connection point see what the devices do."""
        for meter in self._meters.values():
            at_connection = meter.config.role is MeterRole.CONNECTION_POINT
            if at_connection and meter.reading is not None and meter.fresh(now):
                meter.wiring.take(meter.reading, assets, states, now)

    # ------------------------------------------------------------------- which one counts

    def site_meter(self, now: float) -> str | None:
        """Return the id of the meter that counts at monotonic `now`."""
        candidates = {
            meter_id: meter
            for meter_id, meter in sorted(
                self._meters.items(), key=lambda item: item[1].config.s1 is not None
            )
            if meter.config.role is MeterRole.CONNECTION_POINT
        }
        used = candidates.get(self._used) if self._used is not None else None
        chosen = self._choose(candidates, used, now)
        if chosen != self._used:
            self._switch(candidates, chosen, now)
        return chosen

    def _choose(
        self, candidates: Mapping[str, _Meter], used: _Meter | None, now: float
    ) -> str | None:
        """Return the first meter that may be relied on; the one in use if none may."""
        if used is not None and (used.fresh(now) or used.awaited(now)):
            for meter_id, meter in candidates.items():
                if meter is used or meter.lasting(now):
                    return meter_id
        for meter_id, meter in candidates.items():
            if meter.fresh(now) or (self._used is None and meter.awaited(now)):
                return meter_id
        if used is not None:
            return self._used
        return next(iter(candidates), None)

    def _switch(
        self, candidates: Mapping[str, _Meter], chosen: str | None, now: float
    ) -> None:
        before, self._used = self._used, chosen
        preferred = next(iter(candidates), None)
        if chosen is None or preferred is None or chosen == preferred:
            self.switch = None
            if before is not None and chosen is not None:
                _LOGGER.info(
                    "The connection point is measured by %s again",
                    candidates[chosen].config.name,
                )
            return
        first, taken_by = candidates[preferred], candidates[chosen].config.name
        reason = self._problem(first, now) or "It has brought no reading yet"
        self.switch = MeterSwitch(
            preferred=preferred,
            used=chosen,
            at=self._local_time().astimezone(UTC),
            reason=reason,
        )
        _LOGGER.warning(
            "The connection point is now measured by %s in place of %s: %s",
            taken_by,
            first.config.name,
            reason,
        )

    def site_reading(self, now: float) -> MeterReading | None:
        """Return the newest reading of the meter that counts, however old."""
        meter_id = self.site_meter(now)
        return self._meters[meter_id].reading if meter_id is not None else None

    def readings_of(self, meters: Mapping[str, str | None]) -> dict[str, MeterReading]:
        """Return the newest readings of some meters, by what they are asked for."""
        return {
            subject: reading
            for subject, meter_id in meters.items()
            if meter_id is not None
            and (meter := self._meters.get(meter_id)) is not None
            and (reading := meter.reading) is not None
        }

    def stale_after(self, now: float) -> float:
        """Return after how many s the readings of the meter that counts are stale."""
        meter_id = self.site_meter(now)
        if meter_id is None:
            return STALE_AFTER
        return self._meters[meter_id].stale_after

    # -------------------------------------------------------------------------- demand

    @property
    def demand_memories(self) -> Mapping[str, DemandMemory]:
        """What is to be kept of the demand over a restart, by meter."""
        return self._demand.memories

    def restore_demand(self, memories: Mapping[str, DemandMemory]) -> None:
        """Go on with the demand from what was kept; before any meter is added."""
        self._demand.restore(memories)

    def demand(self, now: float, ceiling: float) -> DemandView | None:
        """Return the demand of the connection point; None while it is not metered.

        `ceiling` is the W that the fuse carries.
        """
        meter_id = self.site_meter(now)
        if meter_id is None or not self._meters[meter_id].fresh(now):
            return None
        tariff = self._meters[meter_id].config.tariff
        if self.peak_target is not None:
            tariff = replace(tariff, target=self.peak_target)
        return self._demand.view(meter_id, tariff, ceiling)

    # --------------------------------------------------------------------------- views

    def views(self, now: float) -> dict[str, MeterView]:
        """Return what is to be shown of every meter."""
        return {
            meter_id: self._view(meter_id, meter, now)
            for meter_id, meter in self._meters.items()
        }

    def _view(self, meter_id: str, meter: _Meter, now: float) -> MeterView:
        status = meter.source.status
        error_rate = meter.errors.rate(now, status.good, status.damaged)
        return MeterView(
            meter_id=meter_id,
            name=meter.config.name,
            role=meter.config.role,
            reading=meter.reading,
            available=meter.fresh(now),
            good=status.good,
            damaged=status.damaged,
            problem=self._problem(meter, now),
            problem_key=status.problem_key,
            clock_offset=meter.clock_offset,
            error_rate=error_rate,
            findings=(
                *meter.checks.findings,
                *meter.wiring.findings,
                *_slow(meter),
                *_noisy(error_rate, status.damaged),
                *self.power.findings(meter_id),
            ),
            period=meter.cadence.period,
            details=status.details,
            power=self.power.view(meter_id),
        )

    def _problem(self, meter: _Meter, now: float) -> str | None:
        if (problem := meter.source.status.problem) is not None:
            return problem
        if meter.empty and not meter.fresh(now):
            return _NO_VALUES
        if meter.reading is None or meter.fresh(now):
            return None
        age = now - meter.reading.received
        return Phrase("no_reading", "No good reading for {age}", age=f"{age:.0f} s")


_NO_VALUES = Phrase("no_values", "It answers, but says neither power nor current")


def _says_something(reading: MeterReading) -> bool:
    if reading.power is not None:
        return True
    lines = (reading.line_power, reading.line_current)
    return any(values.total() is not None for values in lines)


def _slow(meter: _Meter) -> tuple[Finding, ...]:
    """Say that a port sends so seldom that the fuse is protected later."""
    period = meter.cadence.period
    if meter.config.url is None or period is None or period < SLOW:
        return ()
    return (
        Finding(
            key="meter_slow",
            text=Phrase(
                "sends_seldom",
                "It sends every {period}. An overload is seen only then, and the meter "
                "counts as lost after {silence} of silence",
                period=f"{period:.0f} s",
                silence=f"{meter.stale_after:.0f} s",
            ),
        ),
    )


def _noisy(error_rate: float | None, damaged: int) -> tuple[Finding, ...]:
    """Say that so much is damaged that the cable is to blame."""
    if error_rate is None or error_rate < NOISY or damaged < NOISY_LEAST:
        return ()
    text = Phrase(
        "much_damaged",
        "More than {share} of what came in the last hour was damaged",
        share=f"{NOISY:.0f} %",
    )
    return (Finding(key="meter_errors", text=text),)


def _wire(config: MeterConfig) -> MeterConfig:
    """Return what of a configuration makes the connection to the meter."""
    bare = MeterConfig(meter_id=config.meter_id, name="")
    device = config.device
    return replace(
        bare,
        url=config.url,
        device=None if device is None else replace(device, name=""),
        share=config.share,
        s1=config.s1,
        dlms=config.dlms,
        stale_after=config.stale_after,
    )
