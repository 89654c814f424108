"""What markets, schedules and dispatch sources say, as one value for the site."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Self

from ..model.dispatch import DispatchAction, DispatchCommand
from ..model.market import NO_MARKET, GridFrequency, Imbalance, Market, PriceSlot
from ..model.schedule import EntityWindows, Holidays


class Baseline(StrEnum):
    """What the energy of a dispatch is counted against."""

    DAYS_BEFORE = "days_before"
    """The same quarter hour of the days before."""
    BEFORE_START = "before_start"
    """What the meter said in the quarter of an hour before it began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Economy:
    """Everything outside the house that bears on what a battery is used for.

    `names` and `baselines` are by the id of a dispatch's source; `problems` say, by
    what they are about, why something is missing here although it should not.
    """

    market: Market = NO_MARKET
    dispatches: tuple[DispatchCommand, ...] = ()
    frequency: GridFrequency | None = None
    holidays: Holidays = frozenset()
    entity_windows: EntityWindows = field(default_factory=lambda: MappingProxyType({}))
    names: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    baselines: Mapping[str, Baseline] = field(
        default_factory=lambda: MappingProxyType({})
    )
    problems: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


NO_ECONOMY = Economy()


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketNow:
    """What the markets say at one moment; None: nobody says it, or not lately."""

    import_price: PriceSlot | None = None
    export_price: PriceSlot | None = None
    imbalance: Imbalance | None = None
    dispatches: tuple[DispatchCommand, ...] = ()
    """Those that hold, of all sources."""


NOTHING_NOW = MarketNow()


def market_now(economy: Economy, utc: datetime) -> MarketNow:
    """Return what counts at a moment."""
    market = economy.market
    imbalance = market.imbalance
    if imbalance is not None and not imbalance.usable(utc):
        imbalance = None
    prices = (market.import_price, market.export_price)
    paid, got = (None if series is None else series.at(utc) for series in prices)
    return MarketNow(
        import_price=paid,
        export_price=got,
        imbalance=imbalance,
        dispatches=tuple(item for item in economy.dispatches if item.active(utc)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchProof:
    """What became of one command. `delivered` Wh in the direction that was asked.

    `baseline` is the mean W so far of what the site would have done, import positive;
    None: nobody knows. `proved` and `unproved` are the s with and without proof.
    """

    command: DispatchCommand
    name: str
    method: Baseline
    delivered: float = 0.0
    baseline: float | None = None
    proved: float = 0.0
    unproved: float = 0.0
    ended: datetime | None = None
    """When it ended or was withdrawn (UTC); None: it goes on."""

    @property
    def power(self) -> float | None:
        """Return the mean W that was delivered, None without proof."""
        return self.delivered * 3600 / self.proved if self.proved else None

    def count(
        self, seconds: float, power: float | None, baseline: float | None
    ) -> Self:
        """Return it with some s counted; `power` W of import."""
        if power is None or baseline is None:
            return replace(self, unproved=self.unproved + seconds)
        more = power - baseline if _rises(self.command) else baseline - power
        proved = self.proved + seconds
        known = self.baseline or 0.0
        return replace(
            self,
            delivered=self.delivered + more * seconds / 3600,
            baseline=(known * self.proved + baseline * seconds) / proved,
            proved=proved,
        )


_RISING: Final = frozenset({DispatchAction.CHARGE_MAX, DispatchAction.AVOID_EXPORT})


def _rises(command: DispatchCommand) -> bool:
    """Whether it asks for more import, or less injection."""
    return command.action in _RISING or (command.power or 0.0) > 0
