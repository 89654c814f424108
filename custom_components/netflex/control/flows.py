"""Flows and what they are held against: the common ground of one decision.

Channel 0 is W at the connection point, channels 1 to 3 are A on its lines, the
channels after these A on the lines of the feeders, import positive.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..model.asset import Nature
from ..model.orders import OrderName
from ..model.plan import Limit, Source
from ..model.snapshot import SiteModel
from . import explain
from .allocate import Capacity, load_power
from .estimate import Picture
from .layout import layout_of
from .limits import Budget, Limits
from .memory import Channels
from .units import Unit

_AT_ITS_LIMIT = 0.95
"""Share of its limit from which an inverter counts as held back by it."""
_INVERTER_LEAD = 0.05
"""Share of its rated power that an inverter below its limit may rise by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A limit with the value that the decision aims at: with its margin."""

    limit: Limit
    value: float
    channel: int
    open_loop: bool = False
    """Nothing is counted on that only a measurement knows."""
    yields_only: bool = False
    """Batteries charge less for it; they do not discharge."""


@dataclass(slots=True, kw_only=True)
class Balance:
    """One decision's flows and the limits that they are held against."""

    site: SiteModel
    units: list[Unit]
    picture: Picture
    limits: Limits
    imports: list[Bound]
    injections: list[Bound]
    extra: list[float]
    """W and A that may come on top of the base: see `unforeseen`."""
    consumption: list[Capacity]
    """The limits on sums of consumers, with what is left of each."""
    shaved: list[Bound] = field(default_factory=list)
    """What batteries hold for the capacity tariff."""

    def of(self, nature: Nature) -> list[Unit]:
        """Return the movable units of a nature."""
        return [u for u in self.units if u.asset.nature is nature and u.movable]


def total(values: Channels, channel: int) -> float:
    """Return the base of a channel, 0 where nobody knows it."""
    return values[channel] or 0.0


def is_stop(budget: Budget) -> bool:
    """Return whether a limit on all assets is an emergency stop."""
    return budget.limit.source < Source.FUSE


def others(site: SiteModel, budget: Budget) -> float:
    """Return the rated power of members that no unit stands for (meters, relays)."""
    return layout_of(site).silent_power(budget.direction, budget.members)


def is_cut_off(unit: Unit) -> bool:
    """Return whether a relay ends what a unit produces."""
    return any(cause.key == explain.CUT_OFF for cause in unit.low_causes)


def lead_of(unit: Unit) -> float:
    """Return the W that an inverter may rise by before others have yielded."""
    return unit.asset.rated_production * _INVERTER_LEAD


def may_rise(balance: Balance) -> list[float]:
    """Return by channel the A that inverters may rise by before batteries have yielded.

    On lines and feeders; at the connection point batteries follow the meter instead.
    """
    flows = [0.0] * len(balance.extra)
    for unit in balance.of(Nature.INVERTER):
        more = min(lead_of(unit), future_production(unit) - unit.low)
        for channel in unit.paths:
            flows[channel] += more / unit.watts
    return flows


def set_curtailed(units: list[Unit]) -> None:
    """Set what limits on injection keep inverters from producing, a little at a time."""
    for unit in units:
        if (
            unit.asset.nature is Nature.INVERTER
            and unit.movable
            and unit.past.value is not None
            and -unit.draw >= unit.past.value * _AT_ITS_LIMIT - lead_of(unit)
            and any(cause.key == OrderName.MINSETP for cause in unit.past.bound)
        ):
            unit.curtailed = lead_of(unit)


def future_production(unit: Unit) -> float:
    """Return what an inverter will draw (negative W): now, within its bounds."""
    return max(unit.low, min(unit.draw, 0.0))


def expected(unit: Unit) -> float:
    """Return the W that a unit will draw once it follows its new setpoint."""
    nature = unit.asset.nature
    if nature is Nature.CHARGER:
        told = (unit.told or 0.0) * unit.watts
        if unit.state is not None and unit.state.follows is False:
            return unit.draw
        return min(unit.draw, told)
    if nature is Nature.LOAD:
        if not unit.told:
            return 0.0
        return load_power(unit)
    if nature is Nature.INVERTER:
        return future_production(unit)
    return unit.told or 0.0


def movements(balance: Balance) -> tuple[list[float], list[float]]:
    """Return by channel what all but the batteries move, now and after the plan."""
    now = [0.0] * len(balance.extra)
    then = now.copy()
    battery = Nature.BATTERY
    for unit in balance.units:
        if not unit.movable or unit.asset.nature is battery:
            continue
        present, planned = unit.draw, expected(unit)
        now[0] += present
        then[0] += planned
        moved = (present - unit.measured) / unit.watts
        change = (planned - present) / unit.watts
        currents = unit.currents
        for channel in unit.paths:
            flow = currents[(channel - 1) % 3 + 1] + moved
            now[channel] += flow
            then[channel] += flow + change
    return now, then


def planned(balance: Balance) -> list[float]:
    """Return by channel what all but the batteries move after the plan."""
    flows = [0.0] * len(balance.extra)
    battery = Nature.BATTERY
    for unit in balance.units:
        if not unit.movable or unit.asset.nature is battery:
            continue
        power = expected(unit)
        flows[0] += power
        moved = (power - unit.measured) / unit.watts
        currents = unit.currents
        for channel in unit.paths:
            flows[channel] += currents[(channel - 1) % 3 + 1] + moved
    return flows


def distribute(
    room: float,
    demands: Sequence[float],
    most: Sequence[float],
    weights: Sequence[float] | None = None,
) -> list[float]:
    """Return shares of `room`: demands first, proportionally, then up to the most.

    In proportion to `weights`: to the most, where there are none.
    """
    weights = most if weights is None else weights
    shares = [0.0] * len(most)
    for ceiling in (demands, most):
        rooms = [
            max(0.0, top - share) for top, share in zip(ceiling, shares, strict=True)
        ]
        more = split(room - sum(shares), rooms, weights)
        shares = [share + own for share, own in zip(shares, more, strict=True)]
    return shares


def split(
    amount: float, rooms: Sequence[float], weights: Sequence[float]
) -> list[float]:
    """Return shares of an amount by weight, none above its room."""
    shares = [0.0] * len(rooms)
    for _ in range(len(rooms) + 1):
        spare = amount - sum(shares)
        still = [i for i, room in enumerate(rooms) if shares[i] < room - 1e-9]
        weight = sum(weights[i] for i in still)
        if spare <= 1e-9 or weight <= 0:
            break
        for i in still:
            shares[i] = min(rooms[i], shares[i] + spare * weights[i] / weight)
    return shares
