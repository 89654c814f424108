"""Feeders: what flows on sub-circuits, with a meter of their own or without one.

A feeder with a meter is treated as the connection point is. Without one nobody
knows what else is plugged in there: the margin that the installer named counts, and
every asset that nobody moves counts at what it says, or at its rated power.
"""

from types import MappingProxyType

from ..model.asset import Nature
from ..model.connection import Line, LineValues
from ..model.plan import FeederFlow
from ..model.snapshot import Snapshot
from . import explain
from .estimate import Picture
from .layout import Branch, Layout
from .limits import Limits
from .memory import Memory, fitted
from .shape import safe_current
from .units import Unit


def reckon(
    layout: Layout,
    snapshot: Snapshot,
    units: list[Unit],
    seen: Picture,
    memory: Memory,
    now: float,
) -> None:
    """Fill in what flows on feeders that no meter measures now.

    Where the meter of a feeder is silent its last base counts, never one that
    produces, and after the site's delay its chargers keep to their safe current.
    """
    if not layout.branches:
        return
    imported, injected = list(seen.import_base), list(seen.injection_base)
    steady, believed = list(seen.steady_base), list(seen.base)
    unmoved = _unmoved(layout, units)
    last = fitted(memory.base, layout.size)
    for branch in layout.branches:
        first = branch.first
        if seen.fresh and any(
            seen.measured[channel] is not None for channel in range(first, first + 3)
        ):
            continue
        metered = branch.feeder.meter is not None
        for channel in range(first, first + 3):
            drawn, produced = unmoved[channel]
            least = branch.feeder.other_loads + drawn
            if metered and (held := last[channel]) is not None:
                least = max(held, 0.0) if not seen.fresh else max(held, least)
            imported[channel] = steady[channel] = least
            injected[channel] = produced
            believed[channel] = last[channel] if metered else least
        if metered:
            _go_safe(layout, snapshot, branch, units, memory, now)
    seen.import_base, seen.injection_base = tuple(imported), tuple(injected)
    seen.steady_base, seen.base = tuple(steady), tuple(believed)


def _unmoved(layout: Layout, units: list[Unit]) -> dict[int, tuple[float, float]]:
    """Return by channel the A that assets draw, and produce, that nobody moves."""
    found = dict.fromkeys(range(4, layout.size), (0.0, 0.0))
    for unit in units:
        if unit.movable or len(unit.paths) == len(unit.lines):
            continue
        asset = unit.asset
        said = None if unit.state is None else unit.state.power
        if asset.controllable and asset.nature is Nature.CHARGER:
            # What it may rise to on top of this is booked for every fuse alike.
            said = max(unit.drawn, default=0.0)
        draws = asset.rated_consumption if said is None else max(said, 0.0)
        makes = -asset.rated_production if said is None else min(said, 0.0)
        for channel in unit.paths[len(unit.lines) :]:
            drawn, produced = found[channel]
            found[channel] = (drawn + draws / unit.watts, produced + makes / unit.watts)
    return found


def _go_safe(
    layout: Layout,
    snapshot: Snapshot,
    branch: Branch,
    units: list[Unit],
    memory: Memory,
    now: float,
) -> None:
    """Bound the chargers of a feeder whose meter is silent by their safe current."""
    reading = snapshot.feeder_readings.get(branch.feeder.id)
    since = reading.received if reading is not None else memory.started
    silent = now - (now if since is None else since)
    if silent <= branch.feeder.meter_timeout + layout.site.safe_delay and (
        reading is not None
    ):
        return
    cause = explain.silent_feeder(branch.feeder.name)
    for unit in units:
        if unit.asset.id in branch.members:
            safe_current(unit, cause)


def blind(layout: Layout, seen: Picture) -> frozenset[str]:
    """Return the assets behind a feeder whose own meter is silent: none is raised."""
    if not seen.fresh:
        return frozenset()
    return frozenset().union(
        *(
            branch.members
            for branch in layout.branches
            if branch.feeder.meter is not None
            and all(
                seen.measured[channel] is None
                for channel in range(branch.first, branch.first + 3)
            )
        )
    )


def flows(
    layout: Layout, units: list[Unit], seen: Picture, limits: Limits
) -> MappingProxyType[str, FeederFlow]:
    """Return what is shown of each feeder; nothing on old data."""
    if not layout.branches or not seen.fresh:
        return MappingProxyType({})
    drawn = [0.0] * layout.size
    for unit in units:
        if unit.movable:
            currents = unit.currents
            for channel in unit.paths[len(unit.lines) :]:
                drawn[channel] += currents[(channel - 1) % 3 + 1]
    left: dict[int, float] = {channel: limit.value for channel, limit in limits.feeders}
    found = {}
    for branch in layout.branches:
        current: dict[Line, float] = {}
        headroom: dict[Line, float] = {}
        metered = False
        for line in layout.site.connection.lines:
            channel = branch.channel(line)
            flow = seen.measured[channel]
            metered = metered or flow is not None
            if flow is None:
                flow = (seen.import_base[channel] or 0.0) + drawn[channel]
            current[line] = flow
            headroom[line] = left[channel] - abs(flow)
        found[branch.feeder.id] = FeederFlow(
            current=LineValues.of(current),
            headroom=LineValues.of(headroom),
            metered=metered,
        )
    return MappingProxyType(found)
