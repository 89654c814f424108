"""A P1 telegram as values: every object that Belgian meters print, typed."""

from dataclasses import dataclass
from datetime import datetime

from ..model.connection import NO_LINE_VALUES, GridType, LineValues
from ..model.reading import BreakerState, MonthPeak, SubMeter


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerFailure:
    """One row of the log of long power failures (1-0:99.97.0): end, length in s."""

    end: datetime | None
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RawObject:
    """An object that has no field of its own, or whose value cannot be read.

    `text` is what stands behind the code, parentheses included, decoded as Latin-1.
    """

    code: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Telegram:
    """One telegram with a good CRC (e-MUCS-P1 1.3 to 2.x, DSMR 5.0.2).

    Units are W, var, Wh, V, A and Hz, whatever the meter prints. Directions are
    kept apart as printed: both are positive. What is not printed is None, and so is
    a threshold of all nines, which means that it is not active. Times carry the
    offset that the meter's own flag names (S: +02:00, W: +01:00).
    """

    ident: str
    """What stands behind the slash of the first line."""
    version: str | None = None
    """0-0:96.1.4 (50217: DSMR 5.0.2, e-MUCS-P1 1.7), or 1-3:0.2.8."""
    grid_type: GridType | None = None
    """1-0:94.32.1, printed by three-phase meters from e-MUCS-P1 2.1 on."""
    serial: str | None = None
    """0-0:96.1.1, 14 characters of DIN 43863-5 on Belgian meters: personal."""
    ean: str | None = None
    """0-0:96.1.2, 18 digits: personal."""
    time: datetime | None = None
    tariff: int | None = None
    energy_import: tuple[float | None, float | None] = (None, None)
    """Wh by tariff, 1-0:1.8.1 (day in Belgium) and 1.8.2 (night)."""
    energy_export: tuple[float | None, float | None] = (None, None)
    energy_import_total: float | None = None
    """Wh, 1-0:1.8.0; Belgian meters print only the tariffs."""
    energy_export_total: float | None = None
    quarter_demand: float | None = None
    """W, 1-0:1.4.0: energy imported in the running quarter so far / 900 s."""
    month_peak: MonthPeak | None = None
    peak_history: tuple[MonthPeak, ...] = ()
    """0-0:98.1.0 by month, oldest first, whatever order the meter prints."""
    power_import: float | None = None
    power_export: float | None = None
    line_power_import: LineValues = NO_LINE_VALUES
    line_power_export: LineValues = NO_LINE_VALUES
    line_voltage: LineValues = NO_LINE_VALUES
    line_current: LineValues = NO_LINE_VALUES
    """A, unsigned RMS."""
    current_resolution: float = 0.01
    """A: the step of the printed currents, 1.0 on meters of e-MUCS-P1 1.3."""
    reactive_import: float | None = None
    reactive_export: float | None = None
    line_reactive_import: LineValues = NO_LINE_VALUES
    line_reactive_export: LineValues = NO_LINE_VALUES
    frequency: float | None = None
    breaker: BreakerState | None = None
    power_threshold: float | None = None
    """W, 0-0:17.0.0, the limiter over all phases; None: not active."""
    fuse_threshold: float | None = None
    """A, 1-0:31.4.0, valid for every phase; None: not active."""
    message: str | None = None
    message_code: str | None = None
    channels: tuple[SubMeter, ...] = ()
    """M-Bus channels by number, with those of which only a relay is known."""
    voltage_sags: LineValues = NO_LINE_VALUES
    voltage_swells: LineValues = NO_LINE_VALUES
    short_failures: int | None = None
    long_failures: int | None = None
    failure_log: tuple[PowerFailure, ...] = ()
    unknown: tuple[RawObject, ...] = ()

    @property
    def sub_meters(self) -> tuple[SubMeter, ...]:
        """The channels on which there is a meter."""
        return tuple(channel for channel in self.channels if channel.present)
