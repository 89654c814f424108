"""What the site shows: one immutable view that entities read from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ..model.asset import AssetState, Direction
from ..model.orders import NO_LOCAL_STOPS, NO_ORDERS, GridOrders, LinkState, LocalStops
from ..model.plan import Plan
from ..model.reading import MeterReading
from ..model.snapshot import UserLimits


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


_NO_LINK = LinkState()


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
    states: Mapping[str, AssetState] = field(
        default_factory=lambda: MappingProxyType({})
    )
    user: Mapping[str, UserLimits] = field(default_factory=lambda: MappingProxyType({}))
    plan: Plan | None = None
    proofs: tuple[StopProof, ...] = ()
    problems: tuple[SiteProblem, ...] = ()
