"""What the site shows: one immutable view that entities read from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from ..devices.metered_charger import VirtualMeterView
from ..model.asset import AssetState, Direction
from ..model.connection import Line
from ..model.demand import CapacityTariff, QuarterDemand
from ..model.flexibility import LoadFlexibility
from ..model.flexoffers import FlexOffersState
from ..model.northbound import NorthboundState
from ..model.orders import NO_LOCAL_STOPS, NO_ORDERS, GridOrders, LinkState, LocalStops
from ..model.plan import Plan
from ..model.power_quality import PowerQuality
from ..model.programme import PreviewSlot, Programme
from ..model.reading import MeterReading, MeterRole, MonthPeak
from ..model.remote import RemoteCommand
from ..model.snapshot import UserLimits
from ..telemetry.figures import Figures
from ..telemetry.quality import QualityReport
from .commissioning_record import CommissioningStatus, Result
from .economy import NO_ECONOMY, NOTHING_NOW, DispatchProof, Economy, MarketNow
from .meter_quality import Finding
from .rehearsal_status import RehearsalStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerCounts:
    """Events on the lines of a meter since it was started (EN 50160 terms)."""

    sags: int = 0
    swells: int = 0
    interruptions: int = 0
    inrushes: int = 0
    steps: int = 0


NO_COUNTS = PowerCounts()


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerView:
    """What a meter that samples the waveform shows beside its reading."""

    quality: PowerQuality | None = None
    """The newest second."""
    counts: PowerCounts = NO_COUNTS
    overloaded: Mapping[Line, float] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """A on the lines that are above their threshold now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterView:
    """One meter: its newest reading and whether it may be relied on."""

    meter_id: str
    reading: MeterReading | None = None
    available: bool = False
    good: int = 0
    """Readings since start."""
    damaged: int = 0
    problem: str | None = None
    """Why there is no reading, in a user's words."""
    problem_key: str | None = None
    """The same as a stable key, where the meter's source has one."""
    name: str = ""
    role: MeterRole = MeterRole.CONNECTION_POINT
    clock_offset: float | None = None
    """s that the meter's clock is ahead of ours, at its newest reading."""
    error_rate: float | None = None
    """% of the telegrams of the last hour that were damaged."""
    period: float | None = None
    """s between its readings while they come in a steady rhythm."""
    findings: tuple[Finding, ...] = ()
    """What its values say against it or its wiring."""
    details: Mapping[str, float | str | bool | None] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """What only this kind of source knows."""
    power: PowerView | None = None
    """None where the meter samples no waveform."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterSwitch:
    """Another meter than the first one measures the connection point.

    `at` is UTC. The ids are those of the meters.
    """

    preferred: str
    used: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandView:
    """The quarter hour and the peaks, as they are billed. W, and money a year.

    `target` is what a quarter may reach for nothing: what the user allows, what the
    month has reached already, or the minimum. `headroom` is the import that ends the
    quarter there, at most what the fuse carries. `billed` is the mean of twelve months.
    """

    quarter: QuarterDemand
    tariff: CapacityTariff
    target: float
    headroom: float
    history: tuple[MonthPeak, ...] = ()
    """Peaks of the months before, oldest first."""
    billed: float | None = None
    cost: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StopProof:
    """How far one emergency stop has been carried out.

    `written` is True once every output that stops the direction was written;
    `missing` names the assets that have not confirmed yet; `seconds` is the time
    from the order to the last confirmation, None while some are missing.
    """

    direction: Direction
    written: bool
    missing: tuple[str, ...] = ()
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteProblem:
    """Something that a user must know or do; becomes a repair.

    `key` is a translation key, `subject` what it is about (an asset's or a
    client's name), `text` English words with figures.
    """

    key: str
    subject: str
    text: str


class Situation(StrEnum):
    """What may fail under an emergency output."""

    RESTART = "restart"
    """Home Assistant restarts."""
    DEAD = "dead"
    """Home Assistant is gone for long."""
    MODULE_REBOOT = "module_reboot"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputOutcome:
    """What an output does in one situation (S13).

    `ordered`: a stop is in force; `stopped`: what the output then brings about.
    """

    situation: Situation
    ordered: bool
    energised: bool
    stopped: bool
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedFallback:
    """What a device did when it was left alone: A or W, after s; `at` is UTC.

    `value` None: it was seen to fall back, and to what it does not say.
    """

    value: float | None
    after: float
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputView:
    """An emergency output beyond its coil.

    None: there is no such input, or nobody can read it.
    """

    behaviour: tuple[OutputOutcome, ...]
    bistable: bool = False
    contact_agrees: bool | None = None
    """Whether the auxiliary contact proves what the output shall do."""
    stop_input_open: bool | None = None
    safe_state: bool | None = None
    """Whether the module holds it in its own safe state."""


_NO_LINK = LinkState()


@dataclass(frozen=True, slots=True, kw_only=True)
class FiguresView:
    """What the batteries brought, by the days of the house's own zone."""

    today: Figures
    yesterday: Figures
    month: Figures
    """The running one, today included; its peaks are those of the capacity tariff."""
    since: Mapping[str, datetime] = field(default_factory=lambda: MappingProxyType({}))
    """When `today` and `month` began."""
    certification: float = 0.0
    """s of this month under orders that are a test, in none of the figures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteView:
    """Everything that is known of a site at one moment."""

    link: LinkState = _NO_LINK
    telecontrol: bool = False
    """Whether the site has a station at all."""
    orders: GridOrders = NO_ORDERS
    local_stops: LocalStops = NO_LOCAL_STOPS
    meters: Mapping[str, MeterView] = field(
        default_factory=lambda: MappingProxyType({})
    )
    site_meter: str | None = None
    """Id of the connection point's meter."""
    meter_switch: MeterSwitch | None = None
    """None while the first meter of the connection point measures it."""
    demand: DemandView | None = None
    states: Mapping[str, AssetState] = field(
        default_factory=lambda: MappingProxyType({})
    )
    user: Mapping[str, UserLimits] = field(default_factory=lambda: MappingProxyType({}))
    remote: Mapping[str, tuple[RemoteCommand, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """What sources outside the house ask of loads, by the id of the load."""
    northbound: NorthboundState | None = None
    """None while nothing is told to any broker."""
    flexoffers: FlexOffersState | None = None
    """None while nothing is offered to any aggregator."""
    flexibility: Mapping[str, LoadFlexibility] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """How loads follow sources outside, of each that was ever held back."""
    plan: Plan | None = None
    economy: Economy = NO_ECONOMY
    """What markets, schedules and dispatch sources say."""
    market: MarketNow = NOTHING_NOW
    """What of it counts now."""
    programmes: Mapping[str, Programme] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """What batteries are used for, by the battery's id."""
    previews: Mapping[str, tuple[PreviewSlot, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """The coming 48 hours of their programmes."""
    dispatch_proofs: tuple[DispatchProof, ...] = ()
    """What running and ended dispatches have brought, running ones first."""
    proofs: tuple[StopProof, ...] = ()
    problems: tuple[SiteProblem, ...] = ()
    figures: FiguresView | None = None
    """None while no readings are kept, or there is no battery."""
    quality: QualityReport | None = None
    """The newest daily report on the data; None: there was none yet."""
    loop_lag: float | None = None
    """s: the worst lateness of this loop in the last minute."""
    rehearsal: RehearsalStatus | None = None
    """The newest rehearsal since the start; None: there was none."""
    shadow: bool = False
    """The site decides and shows its plan; nothing is written to any device."""
    virtual_meters: Mapping[str, VirtualMeterView] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """What chargers that balance themselves are shown, by the meter's id."""
    outputs: Mapping[str, OutputView] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """The emergency outputs, by the id of their relay."""
    fallbacks: Mapping[str, LearnedFallback] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """What devices were seen to do when they were left alone, by asset."""
    next_change: datetime | None = None
    """UTC at which the decision knows already that something will change."""
    commissioning: CommissioningStatus | None = None
    """The newest commissioning since the start; None: there was none."""
    commissioned: tuple[Result, ...] = ()
    """What commissionings have shown."""
