"""What one decision hands to the next: an immutable value.

`survives` in a field's metadata says that it is kept over a restart. Everything
else starts conservatively: setpoints are read back from the devices, timers start
anew, and nothing is raised before they have run.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Final

from ..model.asset import Direction
from ..model.connection import Line
from ..model.plan import Cause, Setpoint
from . import compliance_store
from .compliance import Record

VERSION: Final = 1

type Channels = tuple[float | None, ...]
"""W in total, A on L1, L2, L3 and on each feeder's; None where it is not measured."""

NOTHING_KNOWN: Final[Channels] = (None, None, None, None)


def fitted(values: Channels, size: int) -> Channels:
    """Return channels of a site that may have had other feeders before."""
    if len(values) == size:
        return values
    # Which feeder the others belonged to is not known any more.
    return (*values[:4], *(None,) * (size - 4))


class UnknownVersionError(ValueError):
    """A stored memory has a version that this program does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeMemory:
    """What a mode remembers of its asset. Times are monotonic s, energies Wh."""

    short_since: float | None = None
    """Since when there is too little sun for what runs."""
    sunny: bool = False
    """SG-ready: whether the sun carries it."""
    turning_since: float | None = None
    """SG-ready: since when that looks otherwise."""
    running_since: float | None = None
    """Loads: since when it is on."""
    request: tuple[float | None, float | None] | None = field(
        default=None, metadata={"survives": True}
    )
    """Energy and deadline (UTC, s since 1970) that the user asked for."""
    delivered: float = field(default=0.0, metadata={"survives": True})
    """Of this request."""
    counter: float | None = field(default=None, metadata={"survives": True})
    """The charger's energy counter at that moment."""


NEW_MODE: Final = ModeMemory()


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetMemory:
    """What is remembered of one asset. Times are monotonic s."""

    told: bool = False
    """Whether `value` was decided; otherwise it was read back from the device."""
    value: float | None = None
    """Newest setpoint, in the unit of its kind."""
    before: float | None = None
    """Setpoint before the newest change."""
    changed: float | None = None
    """When `value` last changed."""
    candidate: float | None = None
    """The least that a rising setpoint could have been since `candidate_since`."""
    candidate_since: float | None = None
    off_since: float | None = None
    """When it was paused or shed."""
    on_since: float | None = None
    waiting_since: float | None = None
    """Since when a charger wants its minimum in vain."""
    appetite: float | None = None
    """A that a car takes at most, where it left some unused; None: unknown."""
    slack_since: float | None = None
    """Since when a car leaves some of its limit unused."""
    phases: int | None = field(default=None, metadata={"survives": True})
    """Phases that a charger was told to use; None: all that it has."""
    phase_since: float | None = None
    """Since when the other number of phases would be better."""
    phase_changed: float | None = None
    """When it was last told another number of phases."""
    phase_switches: int = 0
    """How often while this car is there."""
    held: frozenset[Direction] = frozenset()
    """Directions under an emergency stop, or waiting for their turn after one."""
    held_until: float | None = None
    """When its turn comes; None while the stop holds."""
    low_charge: bool = False
    """A battery at its reserve, until the charge is clearly above it."""
    full: bool = False
    """A battery that was full, until its charge is clearly below it."""
    bound: tuple[Cause, ...] = ()
    """What last bound it."""
    lines: tuple[Line, ...] = field(default=(), metadata={"survives": True})
    """Lines on which its car was last seen to draw."""
    mode: ModeMemory = field(default=NEW_MODE, metadata={"survives": True})


NEW_ASSET: Final = AssetMemory()


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What is remembered of a site. Times are monotonic s."""

    at: float | None = None
    """Of the decision before."""
    started: float | None = None
    """Of the first decision."""
    assets: Mapping[str, AssetMemory] = field(
        default_factory=lambda: MappingProxyType({}), metadata={"survives": True}
    )
    setpoints: Mapping[str, Setpoint] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """What each asset was told, to tell it the same with the same object."""
    drawn: Mapping[str, tuple[float, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """W of each asset at the two newest readings of the site meter, the newest last."""
    answers: Mapping[str, tuple[float, float]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """When each device answered last, and how many s after the answer before."""
    received: float | None = None
    """Of the newest reading that was used."""
    measured: Channels = NOTHING_KNOWN
    """What that reading said."""
    base: Channels = NOTHING_KNOWN
    """What everything else but the movable assets draws."""
    quick: Channels = NOTHING_KNOWN
    """The same without waiting for cars and loads that may have caused a change."""
    recent: tuple[Channels, ...] = ()
    """The quick bases of the newest readings, the newest last."""
    base_before: Channels = NOTHING_KNOWN
    """The same at the reading before."""
    stopped: Mapping[Direction, float] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """Since when a direction is under an emergency stop."""
    last_start: float | None = None
    last_start_power: float = 0.0
    """W, rated, of the load that came back then."""
    """When a load last came back."""
    without_grid: bool = False
    grid_back: bool = False
    """It was lost before, and nothing was stopped since."""
    reactive: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """var that each asset was told last."""
    reactive_band: tuple[float, float] | None = None
    """var: the band that it was told for."""
    reactive_changed: float | None = None
    stress: Mapping[int, float] = field(default_factory=lambda: MappingProxyType({}))
    """By line, what is used up of the time above the fuse, 0 to 1."""
    orders: Mapping[tuple[str, str | None], Record] = field(
        default_factory=lambda: MappingProxyType({}), metadata={"survives": True}
    )
    """How each limit of the grid operator is kept."""

    def asset(self, asset_id: str) -> AssetMemory:
        """Return what is remembered of one asset."""
        return self.assets.get(asset_id, NEW_ASSET)


EMPTY: Final = Memory()


def survivors(kind: type[Memory | AssetMemory | ModeMemory]) -> frozenset[str]:
    """Return the names of the fields that are kept over a restart."""
    return frozenset(
        item.name for item in fields(kind) if item.metadata.get("survives", False)
    )


def to_dict(memory: Memory) -> dict[str, Any]:
    """Return what is kept over a restart, ready for JSON."""
    return {
        "version": VERSION,
        "assets": {
            asset_id: _kept(past)
            for asset_id, past in memory.assets.items()
            if past.lines or past.phases is not None or past.mode.request is not None
        },
        "orders": compliance_store.to_dict(memory.orders),
    }


def _kept(past: AssetMemory) -> dict[str, Any]:
    kept: dict[str, Any] = {
        "lines": [line.value for line in past.lines],
        "phases": past.phases,
    }
    if past.mode.request is not None:
        kept["mode"] = {
            "request": list(past.mode.request),
            "delivered": past.mode.delivered,
            "counter": past.mode.counter,
        }
    return kept


def _mode(kept: Mapping[str, Any] | None) -> ModeMemory:
    if kept is None:
        return NEW_MODE
    energy, deadline = kept["request"]
    return ModeMemory(
        request=(
            None if energy is None else float(energy),
            None if deadline is None else float(deadline),
        ),
        delivered=float(kept["delivered"]),
        counter=None if kept["counter"] is None else float(kept["counter"]),
    )


def from_dict(stored: Mapping[str, Any]) -> Memory:
    """Return a memory that starts from what was kept.

    Raises UnknownVersionError where another program wrote it, and ValueError
    where it is damaged.
    """
    if (version := stored.get("version")) != VERSION:
        raise UnknownVersionError(f"memory of version {version!r} is not known")
    try:
        return Memory(
            assets=MappingProxyType(
                {
                    str(asset_id): AssetMemory(
                        lines=tuple(Line(line) for line in kept["lines"]),
                        phases=kept.get("phases"),
                        mode=_mode(kept.get("mode")),
                    )
                    for asset_id, kept in stored["assets"].items()
                }
            ),
            # A memory of before orders were followed has none of it.
            orders=MappingProxyType(
                compliance_store.from_dict(stored.get("orders", []))
            ),
        )
    except (AttributeError, KeyError, TypeError) as err:
        raise ValueError(f"damaged memory: {err!r}") from err
