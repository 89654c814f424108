"""Programmes: the modes that a battery goes through, by priority and by schedule.

Charge is in % of the battery's capacity, power in W and positive, prices in the user's
currency per MWh. What a mode does with its parameters is said in `control/modes/battery`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from types import MappingProxyType
from typing import Final

from .market import SETTLEMENT_PERIOD
from .phrase import Phrase
from .schedule import Schedule


class ProgrammeMode(StrEnum):
    """What a battery can be used for, besides the limits that always hold."""

    IMPORT_AVOIDANCE = "import_avoidance"
    EXPORT_AVOIDANCE = "export_avoidance"
    IMPORT_AVOIDANCE_WHEN_SHORT = "import_avoidance_when_short"
    CHARGE_TO = "charge_to"
    DISCHARGE_TO = "discharge_to"
    IMBALANCE_CHASE = "imbalance_chase"
    PEAK_DISCHARGE = "peak_discharge"
    PEAK_APPROACH = "peak_approach"
    DISPATCH = "dispatch"
    SELF_CONSUMPTION = "self_consumption"
    PEAK_SHAVING = "peak_shaving"
    HOLD = "hold"
    BACKUP_RESERVE = "backup_reserve"
    FREQUENCY_RESPONSE = "frequency_response"
    SOLAR_CHARGE = "solar_charge"
    PRICE_THRESHOLD = "price_threshold"
    CHEAPEST_HOURS = "cheapest_hours"


_FIELDS: Final = {
    "charge": Phrase("field_charge", "State of charge"),
    "power": Phrase("field_power", "Power"),
    "recharge_to": Phrase("field_recharge_to", "Recharge to"),
    "reserve": Phrase("field_reserve", "Reserve"),
    "settlement_period": Phrase("field_settlement_period", "Settlement period"),
    "charge_curve": Phrase("field_charge_curve", "Charge curve"),
    "discharge_curve": Phrase("field_discharge_curve", "Discharge curve"),
    "force_charge": Phrase("field_force_charge", "Charge in any case to"),
    "encourage_charge": Phrase(
        "field_encourage_charge", "Charge to, while there is plenty"
    ),
    "assumed_power": Phrase("field_assumed_power", "Assumed power"),
    "force_factor": Phrase("field_force_factor", "Factor in any case"),
    "encourage_factor": Phrase(
        "field_encourage_factor", "Factor while there is plenty"
    ),
    "hours": Phrase("field_hours", "Hours"),
    "ramp": Phrase("field_ramp", "Ramp"),
}
"""What forms call the parameters."""


def _charge(value: float, name: str) -> None:
    if not 0.0 <= value <= 100.0:
        raise ValueError(
            Phrase(
                "mode_charge", "{field}: must be from 0 to 100 %", field=_FIELDS[name]
            )
        )


def _positive(value: float | None, name: str) -> None:
    if value is not None and value <= 0:
        raise ValueError(
            Phrase("mode_positive", "{field}: must be more than 0", field=_FIELDS[name])
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedPrice:
    """A price that holds in a schedule, always without one."""

    value: float
    """Currency per MWh."""
    schedule: Schedule | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Whether the running settlement period is judged before its own figures count.

    Until `trusted_after` of the period has passed, its own figures move too much. Up
    to `time_cutoff` s into it, the period before may stand for it, where that is
    allowed and its volume was at least `volume_cutoff`.
    """

    allow: bool = False
    volume_cutoff: float = 0.0
    """MW, whichever the direction."""
    time_cutoff: float = 300.0
    """s."""


NO_PREDICTION: Final = Prediction()
TRUSTED_AFTER: Final = 1.0 / 3.0
"""Share of a settlement period: 5 of 15 min, 10 of 30 min."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportAvoidance:
    """The battery delivers what would be imported and never charges from the grid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportAvoidance:
    """The battery takes what would be injected and never discharges into the grid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportAvoidanceWhenShort:
    """Import avoidance while the system is short, or is taken to be."""

    prediction: Prediction = NO_PREDICTION
    trusted_after: float = TRUSTED_AFTER


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeTo:
    """Evenly up to `charge` by the end of the scheduled window; faster is allowed."""

    charge: float

    def __post_init__(self) -> None:
        """Raise ValueError for a charge that cannot be."""
        _charge(self.charge, "charge")


@dataclass(frozen=True, slots=True, kw_only=True)
class DischargeTo:
    """Evenly down to `charge` by the end of the scheduled window; faster is allowed."""

    charge: float

    def __post_init__(self) -> None:
        """Raise ValueError for a charge that cannot be."""
        _charge(self.charge, "charge")


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """The charge in % that is right at a price."""

    price: float
    charge: float

    def __post_init__(self) -> None:
        """Raise ValueError for a charge that cannot be."""
        _charge(self.charge, "charge")


type Curve = tuple[CurvePoint, ...]
"""Points by rising price, straight in between; level beyond its ends."""


def _rising(curve: Curve, name: str) -> None:
    if not curve:
        raise ValueError(
            Phrase(
                "mode_curve", "{field}: needs at least one point", field=_FIELDS[name]
            )
        )
    if any(before.price >= after.price for before, after in pairwise(curve)):
        raise ValueError(
            Phrase(
                "mode_rising", "{field}: must have rising prices", field=_FIELDS[name]
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImbalanceChase:
    """Follows the imbalance price: curves say which charge is right at a price.

    Below `charge_curve` the battery charges up to it, above `discharge_curve` it
    discharges down to it, by the end of the settlement period.
    """

    charge_curve: Curve
    discharge_curve: Curve
    shift_long: float = 0.0
    """Taken off the price while the system is long."""
    shift_short: float = 0.0
    """Added to the price while it is short."""
    import_rates: tuple[TimedPrice, ...] = ()
    """What an imported MWh costs besides the imbalance price; those that hold add up."""
    export_rates: tuple[TimedPrice, ...] = ()
    """What an injected MWh costs: taken off the imbalance price; those that hold
    add up."""
    when_short: Prediction = NO_PREDICTION
    """Whether the period before stands for this one where it was short."""
    when_long: Prediction = NO_PREDICTION
    default_prices: tuple[TimedPrice, ...] = ()
    """In place of an imbalance price that nobody knows; the first that holds."""
    settlement_period: float = SETTLEMENT_PERIOD
    """s, where no data name it."""
    trusted_after: float = TRUSTED_AFTER

    def __post_init__(self) -> None:
        """Raise ValueError where a curve is none, or both overlap."""
        _positive(self.settlement_period, "settlement_period")
        _rising(self.charge_curve, "charge_curve")
        _rising(self.discharge_curve, "discharge_curve")
        for point in (*self.charge_curve, *self.discharge_curve):
            low = charge_at(self.charge_curve, point.price)
            if low > charge_at(self.discharge_curve, point.price):
                raise ValueError(
                    Phrase(
                        "mode_curves",
                        "the charge curve must not lie above the discharge curve",
                    )
                )


def charge_at(curve: Curve, price: float) -> float:
    """Return the charge in % of a curve at a price."""
    if price <= curve[0].price:
        return curve[0].charge
    for before, after in pairwise(curve):
        if price <= after.price:
            share = (price - before.price) / (after.price - before.price)
            return before.charge + share * (after.charge - before.charge)
    return curve[-1].charge


@dataclass(frozen=True, slots=True, kw_only=True)
class PeakDischarge:
    """Spends what is above `charge` within the scheduled peak, as late as it may.

    While the system is short it is spent at once; `prioritise_load` keeps then what
    the site itself will need until the end of the peak.
    """

    charge: float
    prediction: Prediction = NO_PREDICTION
    prioritise_load: bool = False
    trusted_after: float = TRUSTED_AFTER

    def __post_init__(self) -> None:
        """Raise ValueError for a charge that cannot be."""
        _charge(self.charge, "charge")


@dataclass(frozen=True, slots=True, kw_only=True)
class PeakApproach:
    """Is full enough when the next peak begins, and best while the system is long.

    From the times that `assumed_power` needs, two lines lead from 0 to their charge
    at `cushion` s before the peak. Below the line of `force_charge` it charges in any
    case, below that of `encourage_charge` while the system is long.
    """

    peak: Schedule
    force_charge: float
    encourage_charge: float
    assumed_power: float
    """W that it is taken to charge with."""
    force_factor: float = 1.0
    """Of the time that it needs; more is more careful."""
    encourage_factor: float = 1.0
    cushion: float = 900.0
    prediction: Prediction = NO_PREDICTION
    trusted_after: float = TRUSTED_AFTER

    def __post_init__(self) -> None:
        """Raise ValueError for a charge or a power that cannot be."""
        _charge(self.force_charge, "force_charge")
        _charge(self.encourage_charge, "encourage_charge")
        _positive(self.assumed_power, "assumed_power")
        _positive(self.force_factor, "force_factor")
        _positive(self.encourage_factor, "encourage_factor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """Does what a dispatch commands, while one does."""

    sources: frozenset[str] | None = None
    """Ids of the sources that it listens to; None: every one."""

    def hears(self, source: str) -> bool:
        """Return whether it listens to a source."""
        return self.sources is None or source in self.sources


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfConsumption:
    """Keeps the connection point at zero; `reserve` % are not used for it."""

    reserve: float = 0.0

    def __post_init__(self) -> None:
        """Raise ValueError for a charge that cannot be."""
        _charge(self.reserve, "reserve")


@dataclass(frozen=True, slots=True, kw_only=True)
class PeakShaving:
    """Holds import below a power, or below what the capacity tariff leaves.

    It never charges above it, and what is below it may charge up to `recharge_to`.
    """

    limit: float | None = None
    """W of import; None: what the capacity tariff of the running quarter leaves."""
    recharge_to: float = 0.0
    """% up to which it charges from what the limit leaves; 0: not at all."""

    def __post_init__(self) -> None:
        """Raise ValueError for a power or a charge that cannot be."""
        if self.limit is not None and self.limit < 0:
            raise ValueError(
                Phrase("mode_limit", "the import limit must not be below 0")
            )
        _charge(self.recharge_to, "recharge_to")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Neither charges nor discharges."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupReserve:
    """Keeps `charge` % for an outage; below it, it charges with `power`."""

    charge: float
    power: float | None = None
    """W from the grid; None: as much as it takes."""
    from_grid: bool = True
    """Whether it may charge from the grid for it, or from the sun alone."""

    def __post_init__(self) -> None:
        """Raise ValueError for a charge or a power that cannot be."""
        _charge(self.charge, "charge")
        _positive(self.power, "power")


@dataclass(frozen=True, slots=True, kw_only=True)
class FrequencyResponse:
    """Power by the grid's frequency: none in the dead band, all of it at `full_at`.

    Below the nominal frequency it discharges, above it charges, in a straight line.
    """

    power: float
    """W at `full_at`, either way."""
    nominal: float = 50.0
    dead_band: float = 0.02
    """Hz from the nominal frequency."""
    full_at: float = 0.2
    """Hz from the nominal frequency."""

    def __post_init__(self) -> None:
        """Raise ValueError where there is no line."""
        _positive(self.power, "power")
        if not 0 <= self.dead_band < self.full_at:
            raise ValueError(
                Phrase(
                    "mode_full_at",
                    "the deviation with full power must be beyond the dead band",
                )
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class SolarCharge:
    """Charges from what would be injected, and from nothing else."""

    charge: float = 100.0
    """% up to which it charges."""

    def __post_init__(self) -> None:
        """Raise ValueError for a charge that cannot be."""
        _charge(self.charge, "charge")


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceThreshold:
    """Charges below one price of import, discharges above another one."""

    charge_below: float | None = None
    discharge_above: float | None = None
    power: float | None = None
    """W; None: as much as it can."""
    export: bool = False
    """Whether it discharges into the grid, by the price of injection; otherwise only
    what the site uses, by the price of the import that is spared."""

    def __post_init__(self) -> None:
        """Raise ValueError where it would do nothing, or both at once."""
        low, high = self.charge_below, self.discharge_above
        if low is None and high is None:
            raise ValueError(
                Phrase(
                    "mode_one_price",
                    "a price to charge below or one to discharge above is needed",
                )
            )
        if low is not None and high is not None and low >= high:
            raise ValueError(
                Phrase(
                    "mode_prices",
                    "the price to charge below must be lower than the one to discharge above",
                )
            )
        _positive(self.power, "power")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheapestHours:
    """Charges in the cheapest hours of its scheduled window, as far as prices are known."""

    hours: float
    """h, counted in the steps of the prices, the cheapest first, earlier before later."""
    charge: float = 100.0
    """% up to which it charges."""
    power: float | None = None
    """W; None: as much as it can."""

    def __post_init__(self) -> None:
        """Raise ValueError for hours, a charge or a power that cannot be."""
        _positive(self.hours, "hours")
        _charge(self.charge, "charge")
        _positive(self.power, "power")


type Parameters = (
    ImportAvoidance
    | ExportAvoidance
    | ImportAvoidanceWhenShort
    | ChargeTo
    | DischargeTo
    | ImbalanceChase
    | PeakDischarge
    | PeakApproach
    | Dispatch
    | SelfConsumption
    | PeakShaving
    | Hold
    | BackupReserve
    | FrequencyResponse
    | SolarCharge
    | PriceThreshold
    | CheapestHours
)

PARAMETERS: Final[Mapping[ProgrammeMode, type[Parameters]]] = MappingProxyType(
    {
        ProgrammeMode.IMPORT_AVOIDANCE: ImportAvoidance,
        ProgrammeMode.EXPORT_AVOIDANCE: ExportAvoidance,
        ProgrammeMode.IMPORT_AVOIDANCE_WHEN_SHORT: ImportAvoidanceWhenShort,
        ProgrammeMode.CHARGE_TO: ChargeTo,
        ProgrammeMode.DISCHARGE_TO: DischargeTo,
        ProgrammeMode.IMBALANCE_CHASE: ImbalanceChase,
        ProgrammeMode.PEAK_DISCHARGE: PeakDischarge,
        ProgrammeMode.PEAK_APPROACH: PeakApproach,
        ProgrammeMode.DISPATCH: Dispatch,
        ProgrammeMode.SELF_CONSUMPTION: SelfConsumption,
        ProgrammeMode.PEAK_SHAVING: PeakShaving,
        ProgrammeMode.HOLD: Hold,
        ProgrammeMode.BACKUP_RESERVE: BackupReserve,
        ProgrammeMode.FREQUENCY_RESPONSE: FrequencyResponse,
        ProgrammeMode.SOLAR_CHARGE: SolarCharge,
        ProgrammeMode.PRICE_THRESHOLD: PriceThreshold,
        ProgrammeMode.CHEAPEST_HOURS: CheapestHours,
    }
)
"""The type of each mode's parameters."""

NEEDS_WINDOW: Final = frozenset(
    {
        ProgrammeMode.CHARGE_TO,
        ProgrammeMode.DISCHARGE_TO,
        ProgrammeMode.PEAK_DISCHARGE,
        ProgrammeMode.CHEAPEST_HOURS,
    }
)
"""Modes that work towards the end of their scheduled window: they need a schedule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeEntry:
    """One mode of a programme with its parameters; no schedule is always."""

    mode: ProgrammeMode
    parameters: Parameters
    schedule: Schedule | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for parameters of another mode, or a schedule missing."""
        if type(self.parameters) is not PARAMETERS[self.mode]:
            raise ValueError(
                Phrase(
                    "mode_parameters",
                    "these are no parameters of {mode}",
                    mode=self.mode.value,
                )
            )
        if self.schedule is None and self.mode in NEEDS_WINDOW:
            raise ValueError(
                Phrase(
                    "mode_window",
                    "this mode needs a schedule: it works towards its end",
                )
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Programme:
    """The modes of one battery, the most important first.

    A mode may act only inside the bounds that those before it left. Where none wants
    anything, the battery rests.
    """

    entries: tuple[ModeEntry, ...]
    dead_band: float | None = None
    """W that it is not moved for; None: the decision's own default."""
    ramp: float | None = None
    """W/s of its wishes; what a limit demands is done at once. None: no ramp."""

    def __post_init__(self) -> None:
        """Raise ValueError for a dead band or a ramp that cannot be."""
        if self.dead_band is not None and self.dead_band < 0:
            raise ValueError(
                Phrase("mode_dead_band", "the dead band must not be below 0")
            )
        _positive(self.ramp, "ramp")

    def hears(self, source: str) -> bool:
        """Return whether any of its modes listens to a dispatch source."""
        return any(
            isinstance(entry.parameters, Dispatch) and entry.parameters.hears(source)
            for entry in self.entries
        )

    def __iter__(self) -> Iterator[ModeEntry]:
        """Iterate over the modes, the most important first."""
        return iter(self.entries)


class Constraint(StrEnum):
    """What kept a battery from doing what its programme wished."""

    BATTERY_POWER = "battery_power"
    """What the device can do, or its user lets it do."""
    SITE_POWER = "site_power"
    """Fuse, feeder, meter, contract or capacity tariff, with the change foreseen."""
    STATE_OF_ENERGY = "state_of_energy"
    GRID_OPERATOR = "grid_operator"
    STOP = "stop"
    MAINTENANCE = "maintenance"
    """It is locked out."""
    NO_MEASUREMENT = "no_measurement"
    """The site's meter or the battery itself is silent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inactive:
    """A mode that is scheduled and cannot act, and why."""

    mode: ProgrammeMode
    key: str
    """Stable and translatable."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgrammeState:
    """How a battery's programme stands in one decision."""

    active: ProgrammeMode | None = None
    """The most important mode that has a say now; None: none has."""
    effective: ProgrammeMode | None = None
    """The mode whose target or bound decided the wish; None: it rests."""
    wish: float | None = None
    """W before every limit, charging positive; None: the programme is not followed."""
    constraints: frozenset[Constraint] = frozenset()
    inactive: tuple[Inactive, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewSlot:
    """A span of the coming hours in which the same modes are scheduled."""

    start: datetime
    end: datetime
    modes: tuple[ProgrammeMode, ...]
    """The most important first."""
