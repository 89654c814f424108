"""What every mode of a battery's programme takes and returns."""

from dataclasses import dataclass
from math import inf
from typing import Final, NamedTuple

from ....model.asset import Asset
from ....model.dispatch import DispatchCommand
from ....model.market import GridFrequency, Market
from ....model.phrase import Phrase
from ....model.plan import Cause
from ....model.schedule import ALWAYS, EntityWindows, Holidays, Window
from ....model.snapshot import Clock
from ...tuning import Tuning

_LEAST_EFFICIENCY: Final = 0.3


class Assigned(NamedTuple):
    """A dispatch command, and one battery's part (0 to 1) of what it asks of several."""

    command: DispatchCommand
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryView:
    """One battery and its moment. W charging positive, charge in %."""

    asset: Asset
    charge: float | None
    told: float | None
    """W: its newest setpoint."""
    low: float
    """W, 0 or negative: as far as it can be discharged now."""
    high: float
    """W: as far as it can be charged now."""
    need: float
    """W that all batteries together would have to take for the connection point to be
    at zero: what would be injected is positive, what would be imported negative."""
    quarter_limit: float | None
    """W of import that the running quarter hour leaves; None: nobody knows."""
    market: Market
    frequency: GridFrequency | None
    dispatches: tuple[Assigned, ...]
    """The commands for it that hold now, the one that wins first."""
    clock: Clock
    holidays: Holidays
    entities: EntityWindows
    tuning: Tuning
    window: Window = ALWAYS
    """The scheduled window that the mode is in."""

    def energy_to(self, charge: float) -> float | None:
        """Return the Wh from its charge up to another one (down: negative)."""
        if self.charge is None or self.asset.capacity is None:
            return None
        return (charge - self.charge) / 100 * self.asset.capacity

    @property
    def efficiency(self) -> float:
        """Return the share of what it takes that it stores, never a nonsense."""
        return min(1.0, max(_LEAST_EFFICIENCY, self.asset.charge_efficiency))

    @property
    def seconds_left(self) -> float | None:
        """Return the s until its window ends, never so few that a power runs away."""
        if self.window.end is None:
            return None
        left = (self.window.end - self.clock.utc).total_seconds()
        return max(self.tuning.quarter_end, left)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryWish:
    """What a mode wishes. W charging positive; infinite is as much as there is.

    A target counts only inside the bounds of the modes before. `shared`: it is what
    all batteries together should do, and so is an end that is called so.
    """

    cause: Cause
    target: float | None = None
    low: float = -inf
    high: float = inf
    shared: bool = False
    """Target and finite ends are of all batteries together."""
    all_low: float = -inf
    """As far as all batteries together may discharge for it."""
    gradual: bool = False
    """Its target drifts: it is not followed by every single W."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CannotAct:
    """Why a mode that is scheduled cannot act: something that it needs is missing."""

    key: str
    text: str


type Answer = BatteryWish | CannotAct | None
"""None: it may act, and has nothing to say now."""

NO_CHARGE: Final = CannotAct(
    key="charge_unknown",
    text=Phrase("lacks_charge", "the battery does not say its state of charge"),
)
NO_CAPACITY: Final = CannotAct(
    key="capacity_unknown",
    text=Phrase("lacks_capacity", "the battery's capacity is not set"),
)
NO_END: Final = CannotAct(
    key="window_open",
    text=Phrase("lacks_end", "nobody says when its scheduled time ends"),
)
NO_CLOCK: Final = CannotAct(
    key="clock_not_synchronised",
    text=Phrase("lacks_clock", "the clock is not synchronised"),
)
NO_PRICE: Final = CannotAct(
    key="price_unknown",
    text=Phrase("lacks_price", "there is no price for now, or it is out of date"),
)
IMBALANCE_EARLY: Final = CannotAct(
    key="imbalance_early",
    text=Phrase("lacks_time", "the settlement period has only just begun"),
)
NO_IMBALANCE: Final = CannotAct(
    key="imbalance_unknown",
    text=Phrase(
        "lacks_imbalance",
        "there is no imbalance of the system for now, or it is out of date",
    ),
)
NO_FREQUENCY: Final = CannotAct(
    key="frequency_unknown",
    text=Phrase("lacks_frequency", "nobody measures the frequency now"),
)
NO_QUARTER: Final = CannotAct(
    key="quarter_unknown",
    text=Phrase("lacks_quarter", "the demand of the quarter hour is not known"),
)
SCHEDULE_UNKNOWN: Final = CannotAct(
    key="schedule_unknown",
    text=Phrase("lacks_schedule", "the entity of its schedule says nothing"),
)


def lacks_energy(view: BatteryView) -> CannotAct | None:
    """Return why the battery's energy is not known, None where it is."""
    if view.charge is None:
        return NO_CHARGE
    return NO_CAPACITY if view.asset.capacity is None else None


def exactly(target: float, cause: Cause, *, gradual: bool = False) -> BatteryWish:
    """Return the wish of a mode that leaves nothing to those after it."""
    return BatteryWish(
        cause=cause, target=target, low=target, high=target, gradual=gradual
    )


def at_least(power: float, cause: Cause, *, gradual: bool = False) -> BatteryWish:
    """Return the wish to charge with a power: those after it may charge faster."""
    return BatteryWish(cause=cause, target=power, low=power, gradual=gradual)


def no_import(view: BatteryView, cause: Cause) -> BatteryWish:
    """Return the wish to deliver what would be imported and never to import more."""
    need = view.need
    return BatteryWish(
        cause=cause, target=need if need < 0 else None, high=need, shared=True
    )


def no_export(view: BatteryView, cause: Cause) -> BatteryWish:
    """Return the wish to take what would be injected and never to inject more."""
    need = view.need
    return BatteryWish(
        cause=cause, target=need if need > 0 else None, low=need, shared=True
    )
