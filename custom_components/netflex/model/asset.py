"""Assets: what consumes, stores or produces behind the connection point."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from .connection import NO_LINE_VALUES, Line, LineValues


class Nature(StrEnum):
    """What the controller sees of a device, whoever made it."""

    CHARGER = "charger"
    BATTERY = "battery"
    INVERTER = "inverter"
    LOAD = "load"
    RELAY = "relay"
    METER = "meter"


class Category(StrEnum):
    """Measurement categories of the Netflex data model, in its order."""

    SOLAR = "solar"
    WIND = "wind"
    CHP = "chp"
    STORAGE = "storage"
    EV = "ev"
    FLEXIBLE_CONSUMPTION = "flexible_consumption"
    OTHER_PRODUCTION = "other_production"


class Direction(StrEnum):
    """One side of the energy flow, as the emergency stops name it."""

    PRODUCTION = "production"
    CONSUMPTION = "consumption"


class StopPath(StrEnum):
    """How an asset can be stopped, from the softest to the hardest."""

    SETPOINT = "setpoint"
    """Its own interface takes a setpoint of zero or off."""
    RELAY = "relay"
    """An emergency output of the site interrupts or blocks it."""


class HeatPumpState(StrEnum):
    """The four states of an SG-ready heat pump, in the order of the label."""

    BLOCKED = "blocked"
    """1:0, it may not run."""
    NORMAL = "normal"
    """0:0, left to itself."""
    RECOMMENDED = "recommended"
    """0:1, advised to run harder than it would."""
    FORCED = "forced"
    """1:1, told to run as hard as it can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One asset as installed: fixed facts, in W and A, all positive.

    `rated_consumption` and `rated_production` are the nameplate powers by
    direction; 0 means that the asset never does it. `lines` are the lines of the
    connection point that carry its current, in the order of its own phases; a
    single-phase asset in a delta grid loads two lines with `phases` 1.
    """

    id: str
    name: str
    nature: Nature
    category: Category
    rated_consumption: float = 0.0
    rated_production: float = 0.0
    phases: int = 1
    lines: tuple[Line, ...] = (Line.L1,)
    priority: int = 0
    """Lower is served first and shed last."""
    controllable: bool = True
    """False: it cannot be given a setpoint; others yield for it."""
    minimum_current: float = 6.0
    """Chargers: below this a charger is paused (IEC 61851), in A."""
    maximum_current: float | None = None
    """Chargers: what the installation allows, in A per line."""
    switches_phases: bool = False
    """Chargers: the user lets it be switched between one phase and three."""
    safe_current: float = 0.0
    """Chargers: what may be drawn when nobody can measure, in A."""
    off_when_limited: bool = False
    """Inverters without a power limit: a relay cuts them off while a limit on
    production holds; otherwise they count at full and others yield."""
    reserve: float = 0.0
    """Batteries: state of charge in % below which it is not discharged."""
    ceiling: float = 100.0
    """Batteries: state of charge in % from which it is not charged."""
    capacity: float | None = None
    """Batteries: Wh between empty and full; None: nobody has said."""
    charge_efficiency: float = 0.95
    """Batteries: share of what it takes that it stores, 0..1."""
    sg_ready: bool = False
    """Loads: a heat pump that takes the four states of SG-ready."""
    never_shed: bool = False
    """Only an emergency stop or the fuse may switch it off."""
    minimum_on: float = 0.0
    """Loads: s that it stays on for its own sake once it is on."""
    minimum_off: float | None = None
    """Loads: s that it stays off once it is off; None: the decision's own default."""
    remote_lost_after: float | None = None
    """Loads: s that it stays held back once the source outside that asked for it is
    lost; None: as the source says."""
    comfort_low: float | None = None
    """Loads: degC at which it is needed whatever the sun and the tariff say."""
    comfort_high: float | None = None
    """Loads: degC from which it is not wanted."""
    stop_paths: frozenset[StopPath] = frozenset({StopPath.SETPOINT})
    stays_stopped: bool = False
    """True where the device keeps a stop without being refreshed."""

    @property
    def produces(self) -> bool:
        """Whether it can feed power into the site."""
        return self.rated_production > 0

    @property
    def consumes(self) -> bool:
        """Whether it can draw power from the site."""
        return self.rated_consumption > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyOutput:
    """A relay that an emergency stop drives, on the loop of the station.

    `energised_when_stopped` is the coil's state while the order is active; the
    opposite is the state without an order. `assets` names what it interrupts.
    """

    asset_id: str
    name: str
    stops: frozenset[Direction]
    energised_when_stopped: bool = True
    assets: frozenset[str] = frozenset()


class ChargerState(StrEnum):
    """What the car and the charger are doing (IEC 61851 in plain words)."""

    IDLE = "idle"
    CONNECTED = "connected"
    CHARGING = "charging"
    FAULT = "fault"


_NO_DETAILS: Mapping[str, float | str | bool | None] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetState:
    """What a device said last.

    `at` is monotonic s of the newest good answer, None when there was none yet.
    `available` is False as soon as the device does not answer. Everything that
    the device did not say is None.
    """

    asset_id: str
    available: bool
    at: float | None = None
    power: float | None = None
    """W, load positive."""
    reactive_power: float | None = None
    """var, load positive."""
    currents: LineValues = NO_LINE_VALUES
    """A by line of the connection point, unsigned."""
    current_limit: float | None = None
    """A: the limit that the device says it applies (read-back)."""
    power_limit: float | None = None
    """W: the bound or target that the device says it applies (read-back)."""
    enabled: bool | None = None
    """Loads, relays and inverters: connected / on / coil energised."""
    charger_state: ChargerState | None = None
    phase_choices: tuple[int, ...] = ()
    """Chargers: numbers of phases that it can be told to use."""
    state_of_charge: float | None = None
    """%."""
    max_charge_power: float | None = None
    """W, what the battery accepts now."""
    max_discharge_power: float | None = None
    """W, positive, what the battery delivers now."""
    takes_reactive: bool = False
    """Whether it takes `Setpoint.reactive` besides its setpoint."""
    max_reactive: float | None = None
    """var that it can give either way, where it says so or its profile knows."""
    reactive_setpoint: float | None = None
    """var: the reactive power that it was told last and took; None: its own."""
    energy_consumed: float | None = None
    """Wh."""
    energy_produced: float | None = None
    """Wh."""
    heat_pump: HeatPumpState | None = None
    """SG-ready heat pumps: what their two contacts say (read-back)."""
    temperature: float | None = None
    """Loads: degC of what it heats or cools."""
    local_on: bool | None = None
    """Loads: its own on/auto switch stands at on; None: it has none."""
    device_fallback: float | None = None
    """A or W: what the device does when nobody refreshes it."""
    fallback_in: float | None = None
    """s until the device falls back, where it says so."""
    follows: bool | None = None
    """Whether read-back agrees with the newest setpoint; None: not known yet."""
    unfollowed: float = 0.0
    """s for which it has not done what it was told, 0 while it does."""
    contested: bool = False
    """Whether somebody else changes what it was told, again and again."""
    writes_left: int | None = None
    """Writes to memory that wears which are left today, None where none wears; stops
    and tighter limits have a reserve besides."""
    refuses: bool = False
    """It says that it does not take what it is asked: others yield for it."""
    problem: str | None = None
    """Why it is unavailable, refuses or does not follow, in a user's words."""
    details: Mapping[str, float | str | bool | None] = field(default=_NO_DETAILS)
    """Everything else that its profile names."""
