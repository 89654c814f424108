"""Readings of meters: the one form that all meters are brought into."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from .connection import NO_LINE_VALUES, GridType, LineValues


class MeterRole(StrEnum):
    """What a meter measures."""

    CONNECTION_POINT = "connection_point"
    PRODUCTION = "production"
    SUBFEEDER = "submeter"
    """A feeder inside the site."""


class BreakerState(StrEnum):
    """Main breaker of a smart meter (0-0:96.3.10)."""

    DISCONNECTED = "disconnected"
    CONNECTED = "connected"
    READY = "ready_for_reconnection"


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthPeak:
    """A maximum of the quarter-hour demand: W and the end of its quarter."""

    power: float
    at: datetime | None
    month_end: datetime | None = None
    """End of its month (the first of the next, 00:00); None: the running month."""


class SubMeterKind(StrEnum):
    """What a meter behind the meter counts (M-Bus device types of OMS)."""

    ELECTRICITY = "electricity"
    GAS = "gas"
    HEAT = "heat"
    WATER = "water"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubMeter:
    """A meter on an M-Bus channel of the smart meter.

    `value` is a counter in `unit` (m3, GJ; Wh for electricity) as of `at`, the last
    contact over M-Bus. A meter that was announced and never read has neither.
    """

    channel: int
    kind: SubMeterKind | None = None
    device_type: int | None = None
    """0-n:24.1.0 as printed."""
    serial: str | None = None
    ean: str | None = None
    """Identifies the customer's access point: personal."""
    value: float | None = None
    unit: str | None = None
    at: datetime | None = None
    valve: BreakerState | None = None
    relay: BreakerState | None = None

    @property
    def present(self) -> bool:
        """Whether a device is on the channel; relays are printed for empty ones too."""
        return self.device_type is not None or self.value is not None


_NO_TIMES: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterReading:
    """One reading of one meter; what the meter does not measure is None.

    Where the values of a meter differ in age or quality, `measured`, `outdated` and
    `estimated` say so by the names of the fields, those of a line with its name behind
    a dot ("line_current.L2").

    `received` is monotonic s of the arrival of the last byte. `meter_time` is the
    meter's own clock (aware), which rules quarter hours. Powers in W and var, import
    positive. Line currents are unsigned RMS in A unless `signed_currents`.
    """

    meter_id: str
    received: float
    meter_time: datetime | None = None
    grid_type: GridType | None = None
    power: float | None = None
    reactive_power: float | None = None
    line_power: LineValues = NO_LINE_VALUES
    line_current: LineValues = NO_LINE_VALUES
    line_voltage: LineValues = NO_LINE_VALUES
    signed_currents: bool = False
    current_resolution: float = 0.01
    """A: the step of the printed currents (1.0 on old meters)."""
    frequency: float | None = None
    energy_import: float | None = None
    """Wh, all tariffs."""
    energy_export: float | None = None
    """Wh, all tariffs."""
    energy_import_tariffs: tuple[float | None, float | None] = (None, None)
    """Wh, tariff 1 (day in Belgium) and 2 (night)."""
    energy_export_tariffs: tuple[float | None, float | None] = (None, None)
    reactive_energy: tuple[float | None, float | None, float | None, float | None] = (
        None,
        None,
        None,
        None,
    )
    """varh by quadrant, I to IV: import is I and IV, injection II and III."""
    tariff: int | None = None
    quarter_demand: float | None = None
    """W: energy imported so far in the running quarter / 900 s (1-0:1.4.0)."""
    month_peak: MonthPeak | None = None
    peak_history: tuple[MonthPeak, ...] = ()
    """Peaks of the last months, oldest first."""
    breaker: BreakerState | None = None
    power_threshold: float | None = None
    """W: the meter's own limiter; None: not active."""
    fuse_threshold: float | None = None
    """A: the meter's own supervision; None: not active."""
    message: str | None = None
    sub_meters: tuple[SubMeter, ...] = ()
    """Gas, water, heat and slave meters that are present, by channel."""
    version: str | None = None
    """Of the meter's protocol, as printed (50217: DSMR 5.0.2, e-MUCS-P1 1.7)."""
    serial: str | None = None
    """Identifies the customer's meter: personal."""
    ean: str | None = None
    """Identifies the customer's access point: personal."""
    measured: Mapping[str, float] = field(default=_NO_TIMES)
    """Monotonic s of the values that have a time of their own; the others are of
    `received`."""
    outdated: frozenset[str] = frozenset()
    """Values that are left out because their source has said nothing for too long."""
    estimated: frozenset[str] = frozenset()
    """Values that are bounds on the safe side, not measurements."""

    def age(self, name: str, now: float) -> float:
        """Return the age in s of a value at monotonic `now`."""
        return now - self.measured.get(name, self.received)


def line_import_current(reading: MeterReading) -> LineValues:
    """Return the current per line in A, import positive, injection negative.

    Where the meter prints no power per line the unsigned current is returned: it
    counts as import, which is the safe side for the fuse.
    """
    if reading.signed_currents:
        return reading.line_current
    signed = {}
    for line, current in reading.line_current.items():
        power = reading.line_power[line]
        injecting = (
            reading.grid_type is GridType.STAR or reading.grid_type is None
        ) and (power is not None and power < 0)
        signed[line] = -current if injecting else current
    return LineValues.of(signed)
