"""Limits, setpoints and the plan: what one decision yields."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from types import MappingProxyType

from .asset import Direction, HeatPumpState
from .connection import NO_LINE_VALUES, Line, LineValues
from .programme import ProgrammeState


class Source(IntEnum):
    """Who demands a limit, in the order of precedence (lower wins)."""

    HARDWARE_STOP = 0
    EMERGENCY_STOP = 10
    LOCAL_STOP = 11
    FUSE = 20
    FEEDER = 21
    METER_THRESHOLD = 22
    SAFE_STATE = 23
    """Missing data: what may be done when nobody can measure."""
    NEUTRAL = 24
    """Unbalance of the lines, or the neutral."""
    GRID_OPERATOR = 30
    CONTRACT = 31
    """What the contract allows without any order, where the user wants it held."""
    DEVICE = 40
    STATE_OF_ENERGY = 41
    Q_BAND = 50
    CAPACITY_TARIFF = 60
    DISPATCH = 70
    ECONOMIC = 80
    SELF_CONSUMPTION = 90
    USER = 100
    """A manual override: it may tighten anything and loosen the economic ones."""


class Quantity(StrEnum):
    """What a limit bounds; but for reactive power, positive in its own direction."""

    IMPORT = "import"
    """W at the connection point."""
    INJECTION = "injection"
    """W at the connection point."""
    CURRENT = "current"
    """A on a line, either way."""
    CONSUMPTION = "consumption"
    """W of an asset or of all assets."""
    PRODUCTION = "production"
    """W of an asset or of all assets."""
    UNBALANCE = "unbalance"
    """A between the fullest and the emptiest line."""
    NEUTRAL = "neutral"
    """A in the neutral."""
    REACTIVE = "reactive"
    """var, load positive: an end of the grid operator's band."""

    @property
    def unit(self) -> str:
        """Return the unit of its values."""
        if self is Quantity.REACTIVE:
            return "var"
        return "A" if self in _IN_AMPERES else "W"


_IN_AMPERES = frozenset({Quantity.CURRENT, Quantity.UNBALANCE, Quantity.NEUTRAL})


class ScopeKind(StrEnum):
    """What a limit applies to."""

    SITE = "site"
    LINE = "line"
    ASSETS = "assets"
    """All assets of the limit's direction together; `id` names a category."""
    ASSET = "asset"
    FEEDER = "feeder"
    """One line of a sub-circuit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a limit applies to; `id` names the line, the asset or the feeder.

    `line` is the line of a feeder, None for everything else.
    """

    kind: ScopeKind
    id: str | None = None
    line: Line | None = None


SITE = Scope(kind=ScopeKind.SITE)
ALL_ASSETS = Scope(kind=ScopeKind.ASSETS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why a limit or setpoint is what it is.

    `key` is stable and translatable, `text` is the same in English words with
    its figures, ready for a user and for the journal.
    """

    source: Source
    key: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One limit of one source. No limit is the absence of this object."""

    scope: Scope
    quantity: Quantity
    value: float
    source: Source
    cause: Cause
    since: datetime | None = None
    until: datetime | None = None


class SetpointKind(StrEnum):
    """What a setpoint's value means."""

    CURRENT = "current"
    """Chargers: A per line at most; 0 pauses."""
    POWER = "power"
    """Batteries: W, charging positive."""
    PRODUCTION = "production"
    """Inverters: W of production at most, positive; None: no limit."""
    SWITCH = "switch"
    """Loads and relays: 1 on, 0 off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setpoint:
    """What one asset is told, and why.

    `emergency` marks a setpoint that carries out a stop: it takes the asset's
    emergency sequence and overtakes everything on the link. `phases` asks a
    charger for 1 or 3 phases, None leaves it. `value` None releases the asset to
    itself (no limit). `reactive` is reactive power in var, power into the asset
    positive, for an asset whose state says `takes_reactive`; None leaves that to the
    asset itself. It is written after `value` and its failure never costs `value`
    anything. `heat_pump` is the state of an SG-ready heat pump, BLOCKED where `value` is
    0. `attempt` counts the times that the grid operator's limits were
    not kept and everything is therefore written once more.
    """

    asset_id: str
    kind: SetpointKind
    value: float | None
    causes: tuple[Cause, ...] = ()
    emergency: bool = False
    phases: int | None = None
    reactive: float | None = None
    heat_pump: HeatPumpState | None = None
    attempt: int = 0


class Problem(StrEnum):
    """Why a limit cannot be met."""

    UNCONTROLLABLE = "uncontrollable"
    STALE_METER = "stale_meter"
    ASSET_UNAVAILABLE = "asset_unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Infeasible:
    """A limit that cannot be met with what may be moved.

    `missing` is in the unit of the limit's quantity, positive.
    """

    limit: Limit
    missing: float
    problem: Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class FeederFlow:
    """What flows on the lines of one feeder, and what its fuse leaves.

    A per line, import positive, measured or reckoned from its assets; None where
    nobody knows.
    """

    current: LineValues = NO_LINE_VALUES
    headroom: LineValues = NO_LINE_VALUES
    metered: bool = False
    """Measured by a meter of its own that answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Headroom:
    """What is left before the tightest limit, None where there is no limit."""

    import_power: float | None = None
    injection_power: float | None = None
    line_current: LineValues = NO_LINE_VALUES
    unbalance: float | None = None
    """A between the fullest and the emptiest line."""


class ComplianceState(StrEnum):
    """Whether one order of the grid operator is complied with, as measured."""

    PENDING = "pending"
    """Not inside yet since the order, and its deadline has not passed."""
    INSIDE = "inside"
    VIOLATED = "violated"
    """Outside after it was inside, or after its deadline."""
    INFEASIBLE = "infeasible"
    """Outside, and everything that may yield has yielded."""
    UNKNOWN = "unknown"
    """Nobody measures it now."""


class Escalation(IntEnum):
    """What is done about a limit that is not kept; each step includes the ones before.

    Connection point: all of them. Limits on assets and stops skip what is done
    there anyway: they are given to the assets open loop.
    """

    NONE = 0
    RETRY = 1
    """Everything is written once more."""
    TIGHTEN = 2
    """The decision aims below the limit by what is still too much."""
    OPEN_LOOP = 3
    """Nothing is counted on that only a measurement knows."""
    RELAY = 4
    """Relays cut off what does not obey, where the user allows it."""
    REPAIR = 5
    """Somebody has to come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compliance:
    """How one limit of the grid operator is kept, since its order.

    `name` is the order's Netflex name, `limit` what it means now. A new value is a new
    order (`ordered_at` changes; what the plan before said of the old one is final); a
    repetition of the same value is not. Only confirmed samples count: a single one is
    neither a violation nor the end of one. Powers are W in the limit's own direction.
    """

    name: str
    limit: Limit
    ordered_at: datetime | None
    state: ComplianceState
    level: Escalation = Escalation.NONE
    measured: float | None = None
    """Newest measurement, None while nobody measures."""
    inside_at: datetime | None = None
    """First confirmed sample inside; None: never yet."""
    seconds: float | None = None
    """s from the order to `inside_at`; from the start where `resumed`."""
    outside_for: float | None = None
    """s of the present time outside, as far as it was measured; None: inside."""
    violations: int = 0
    """Times that it was left after it had been kept, or not reached in time."""
    violation_seconds: float = 0.0
    """s of them together."""
    worst: float = 0.0
    """W above the limit, the most during a violation."""
    unmeasured_seconds: float = 0.0
    """s since the order in which nobody measured."""
    outputs: tuple[str, ...] = ()
    """Ids of the emergency outputs that are driven for it, level `RELAY` and above."""
    resumed: bool = False
    """The order is older than this program's run and nothing of it was kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """What somebody should see to before it does harm; `subject` is an asset."""

    key: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactivePlan:
    """The reactive band in force, in var, load positive; an open end is infinite."""

    low: float
    high: float
    told: float
    """What the assets together are told."""
    missing: float = 0.0
    """What they cannot give beside their active power."""
    known: bool = True
    """False: nobody measures it, and what was told before stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityPlan:
    """How the running quarter hour is held, W of import.

    `free` is what it may reach for nothing, `allowed` the import that ends it there,
    `forecast` its demand if the import stays as it is. `urgent` are the assets whose
    user's word goes before it. `cost` is the price of the forecast above what is free,
    in the user's currency, until the month is forgotten; None without a price.
    """

    free: float
    allowed: float
    forecast: float
    urgent: tuple[str, ...] = ()
    cost: float | None = None


_NOTHING: Mapping[str, Setpoint] = MappingProxyType({})
_NO_FEEDERS: Mapping[str, FeederFlow] = MappingProxyType({})
_NO_PROGRAMMES: Mapping[str, ProgrammeState] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All setpoints of one decision, with what bounded it.

    `at` is monotonic s. `limits` are the effective limits: of each scope and quantity
    the tightest one, whose source hides all others, the most important source first;
    the capacity tariff, which binds only who agreed to it, stands beside them.
    `ordered` are the limits that the grid operator has ordered, all of them, whatever
    else is tighter. `stopped` are the directions under an emergency stop. `metered` is
    False while the site meter is stale. `uncontrolled` names assets that a stop in
    force does not reach. `compliance` has one entry for each limit and each stop of
    the grid operator.
    """

    at: float
    setpoints: Mapping[str, Setpoint] = field(default=_NOTHING)
    limits: tuple[Limit, ...] = ()
    ordered: tuple[Limit, ...] = ()
    stopped: frozenset[Direction] = frozenset()
    infeasible: tuple[Infeasible, ...] = ()
    headroom: Headroom = Headroom()
    feeders: Mapping[str, FeederFlow] = field(default=_NO_FEEDERS)
    reactive: ReactivePlan | None = None
    """None in mode local, or without a band."""
    metered: bool = False
    uncontrolled: tuple[str, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    compliance: tuple[Compliance, ...] = ()
    capacity: CapacityPlan | None = None
    """None while the quarter hour's demand is not held."""
    programmes: Mapping[str, ProgrammeState] = field(default=_NO_PROGRAMMES)
    """How the programme of each battery that has one stands."""
    next_change: float | None = None
    """Monotonic s of the next change that is known already, None: none is."""
