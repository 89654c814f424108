"""Limits, setpoints and the plan: what one decision yields."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from types import MappingProxyType

from .asset import Direction
from .connection import NO_LINE_VALUES, LineValues


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
    GRID_OPERATOR = 30
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
    """What a limit bounds; every value is positive in its own direction."""

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


class ScopeKind(StrEnum):
    """What a limit applies to."""

    SITE = "site"
    LINE = "line"
    ASSETS = "assets"
    """All assets of the limit's direction together; `id` names a category."""
    ASSET = "asset"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a limit applies to; `id` names the line or the asset."""

    kind: ScopeKind
    id: str | None = None


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
    itself (no limit).
    """

    asset_id: str
    kind: SetpointKind
    value: float | None
    causes: tuple[Cause, ...] = ()
    emergency: bool = False
    phases: int | None = None


class Problem(StrEnum):
    """Why a limit cannot be met."""

    UNCONTROLLABLE = "uncontrollable"
    STALE_METER = "stale_meter"
    ASSET_UNAVAILABLE = "asset_unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Infeasible:
    """A limit that cannot be met with what may be moved: what is missing, W or A."""

    limit: Limit
    missing: float
    problem: Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Headroom:
    """What is left before the tightest limit, None where there is no limit."""

    import_power: float | None = None
    injection_power: float | None = None
    line_current: LineValues = NO_LINE_VALUES


_NOTHING: Mapping[str, Setpoint] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All setpoints of one decision, with what bounded it.

    `at` is monotonic s. `limits` are the effective limits, the tightest of each
    scope and quantity, tightest source first. `stopped` are the directions under an
    emergency stop. `metered` is False while the site meter is stale.
    `uncontrolled` names assets that a stop in force does not reach.
    """

    at: float
    setpoints: Mapping[str, Setpoint] = field(default=_NOTHING)
    limits: tuple[Limit, ...] = ()
    stopped: frozenset[Direction] = frozenset()
    infeasible: tuple[Infeasible, ...] = ()
    headroom: Headroom = Headroom()
    metered: bool = False
    uncontrolled: tuple[str, ...] = ()
    next_change: float | None = None
    """Monotonic s of the next change that is known already, None: none is."""
