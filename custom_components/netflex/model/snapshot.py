"""What is known at one moment: the input of one decision."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from .asset import Asset, AssetState, EmergencyOutput
from .connection import ConnectionPoint, Feeder
from .demand import DEFAULT_TARIFF, CapacityTariff, QuarterDemand
from .dispatch import DispatchCommand
from .market import NO_MARKET, GridFrequency, Market
from .modes import Mode
from .orders import NO_LOCAL_STOPS, NO_ORDERS, GridOrders, LocalStops
from .power_quality import Overload
from .programme import Programme
from .protection import DEFAULT_PROTECTION, Protection
from .reading import MeterReading
from .remote import RemoteCommand
from .schedule import EntityWindows, Holidays


class Sharing(StrEnum):
    """How a limit on the assets is shared (one value for all of them)."""

    TOTAL = "total"
    """Over the sum of all assets of the direction."""
    CATEGORY = "category"
    """The same percentage of each category's installed power."""
    ASSET = "asset"
    """The same percentage of each asset's installed power."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplianceRules:
    """When a limit of the grid operator counts as kept, and what follows if it is not.

    The deadlines `retry` to `repair` are s of being outside without a break, measured,
    counted from the order at first; None leaves a step out. `relay_allowed` lets the
    emergency outputs cut off what does not obey.
    """

    tolerance: float = 0.01
    """Share of the limit that a measurement may be above it, 0..1."""
    band: float = 100.0
    """W that it may be above at least."""
    samples: int = 2
    """Measurements in a row that prove something; one alone never does."""
    deadline: float = 60.0
    """s after an order in which it must be reached; later it is a violation."""
    retry: float | None = 20.0
    tighten: float | None = 40.0
    open_loop: float | None = 90.0
    relay: float | None = 180.0
    repair: float | None = 300.0
    relay_allowed: bool = False
    calm: float = 60.0
    """s inside after which one step is taken back; doubled with each relapse."""
    relay_back: float = 900.0
    """s inside after which a relay is given back."""


DEFAULT_COMPLIANCE = ComplianceRules()


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteModel:
    """The site as installed and configured.

    `meter_timeout` s without a good reading make the site meter stale; after
    another `safe_delay` s chargers go to their safe current. Loads that come back
    add at most `rebound` W per minute, None: half of the main fuse. `outputs` are the
    relays that emergency stops drive; `sharing` is how limits on assets are shared.
    """

    connection: ConnectionPoint
    assets: Mapping[str, Asset] = field(default_factory=dict)
    feeders: tuple[Feeder, ...] = ()
    outputs: tuple[EmergencyOutput, ...] = ()
    sharing: Sharing = Sharing.TOTAL
    meter_timeout: float = 5.0
    safe_delay: float = 5.0
    rebound: float | None = None
    ramp_up: float | None = None
    """W/s toward the looser side, None: the decision's own default."""
    tolerance: float = 0.01
    """Share of a limit that is held back as a margin, 0..1."""
    hold_contract: bool = False
    """Whether the contract bounds import and injection without any order."""
    compliance: ComplianceRules = DEFAULT_COMPLIANCE
    protection: Protection = DEFAULT_PROTECTION
    tariff: CapacityTariff = DEFAULT_TARIFF
    programmes: Mapping[str, Programme] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """By the id of the battery; one without a programme follows its mode."""


class OverrideReason(StrEnum):
    """Why an asset is used in another way than its mode says, for a while."""

    USER = "user"
    COMMISSIONING = "commissioning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """What one asset is to do for a while in place of its mode; None: nothing.

    A wish like any other: stops, fuse, grid operator and the device itself come after
    it, and it never widens the user's own limits. Units and signs are those of
    `UserLimits`; a charger with `current` charges at that, whatever its mode.
    """

    current: float | None = None
    power: float | None = None
    target_power: float | None = None
    switch: bool | None = None
    stop: bool = False
    """Stopped as an emergency stop does it; of an output: it acts."""
    until: datetime | None = None
    """UTC of its end; None: whoever set it takes it back."""
    reason: OverrideReason = OverrideReason.USER


@dataclass(frozen=True, slots=True, kw_only=True)
class UserLimits:
    """What the user asks for one asset; None: nothing.

    `current` A for a charger, `power` W (positive) as the most that it may
    consume or produce, `switch` the wanted state of a load.
    """

    current: float | None = None
    power: float | None = None
    target_power: float | None = None
    """W, charging positive: what the user wants a battery to do."""
    switch: bool | None = None
    locked: bool = False
    """Locked out for maintenance: nothing but its user starts it."""
    mode: Mode | None = None
    """How it is used; None, and a mode of another nature, is the nature's default."""
    energy: float | None = None
    """Wh that a charger is to deliver by `deadline`."""
    deadline: datetime | None = None
    override: Override | None = None
    """What holds in place of the mode for a while."""


NO_USER_LIMITS = UserLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything a decision looks at. Missing entries are unknown, not zero."""

    orders: GridOrders = NO_ORDERS
    local_stops: LocalStops = NO_LOCAL_STOPS
    reading: MeterReading | None = None
    """Newest good reading of the connection point's meter."""
    feeder_readings: Mapping[str, MeterReading] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """Newest good readings of the feeders' own meters, by the id of the feeder."""
    overloads: tuple[Overload, ...] = ()
    """Line currents that a fast meter of the connection point has seen above their
    threshold: the newest of each line, however old."""
    states: Mapping[str, AssetState] = field(
        default_factory=lambda: MappingProxyType({})
    )
    islanded: bool = False
    """The house lives on its own, away from the grid."""
    user: Mapping[str, UserLimits] = field(default_factory=lambda: MappingProxyType({}))
    remote: Mapping[str, tuple[RemoteCommand, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """What sources outside the house ask of loads, by the id of the load."""
    quarter: QuarterDemand | None = None
    """The running quarter hour on the connection point's meter."""
    market: Market = NO_MARKET
    dispatches: tuple[DispatchCommand, ...] = ()
    """Those that hold now or will; one that is over may still be among them."""
    frequency: GridFrequency | None = None
    """The newest that was measured."""
    holidays: Holidays = frozenset()
    entity_windows: EntityWindows = field(default_factory=lambda: MappingProxyType({}))
    """When the entities that schedules follow are on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """The three clocks: monotonic s, aware UTC, and the meter's own time.

    `synchronised` False: `utc` is not to be relied on, so nothing waits for it.
    """

    monotonic: float
    utc: datetime
    meter: datetime | None = None
    synchronised: bool = True
