"""What of a house's devices can be offered: loads, chargers with a deadline, batteries.

Each function looks at one device as it is now and returns an offer, or None where there
is nothing worth offering. Powers W, energies Wh, consumption positive.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, exp
from typing import Final, Self

from .flexoffer import INTERVAL, Bounds, FlexOffer, Schedule, next_interval

LEAST: Final = 100.0
"""Wh that must be movable for an offer to be worth its messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferTimes:
    """How fast the offers of a house go, s. `minute` is what a minute of theirs takes.

    `look` is between two looks at what is drawn, `memory` the time over which the usual
    draw is averaged, `beat` between two heartbeats.
    """

    minute: float = 60.0
    look: float = 5.0
    memory: float = 3600.0
    beat: float = 60.0

    @classmethod
    def hurried(cls, minute: float) -> Self:
        """Return times in which a minute takes that many s: for demonstrations."""
        return cls(
            minute=minute, look=minute / 12, memory=60 * minute, beat=max(1.0, minute)
        )


@dataclass(slots=True)
class UsualDraw:
    """What an asset has drawn of late, W, averaged over `memory` s."""

    memory: float
    mean: float = 0.0
    since: float | None = None
    at: float | None = None

    def take(self, now: float, power: float | None) -> None:
        """Take over what it draws at monotonic `now`, W; None: nobody knows."""
        if power is None:
            self.at = None
            return
        if self.since is None:
            self.since, self.mean = now, power
        elif self.at is not None:
            share = 1 - exp(-(now - self.at) / self.memory)
            self.mean += share * (power - self.mean)
        self.at = now

    def known(self, now: float) -> bool:
        """Whether it has been watched for long enough to say what is usual."""
        return self.since is not None and now - self.since >= self.memory / 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How a house offers.

    `lead` s before its start by which an offer must be assigned, `patience` s that the
    aggregator has to accept it, `least` Wh that must be movable.
    """

    offered_by: str
    new_id: Callable[[], str]
    location: str | None = None
    lead: float = 300.0
    patience: float = 300.0
    interval: int = INTERVAL
    least: float = LEAST

    @classmethod
    def of(cls, offered_by: str, new_id: Callable[[], str], times: OfferTimes) -> Self:
        """Return the terms of a house whose minutes take what `times` says."""
        minute = times.minute
        return cls(
            offered_by=offered_by,
            new_id=new_id,
            lead=5 * minute,
            patience=5 * minute,
            interval=max(1, round(15 * minute)),
            least=LEAST * minute / 60,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadNow:
    """A load that is enabled as long as nobody holds it back.

    `mean` W that it has drawn of late. `hold` s for which it may be held back,
    `window` s within which it may begin. `returns` is the share of what it did not
    draw that it draws afterwards (heat that has to be made up for), 0..1.
    """

    asset_id: str
    rated: float
    mean: float
    hold: float
    window: float
    returns: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargingNow:
    """A car that needs `energy` by `deadline`, at `most` W."""

    asset_id: str
    energy: float
    deadline: datetime
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryNow:
    """A battery: Wh that it can still take and give, W each way, both positive."""

    asset_id: str
    takes: float
    gives: float
    charge: float
    discharge: float
    intervals: int = 4
    window: float = 3600.0


def load_offer(load: LoadNow, now: datetime, terms: Terms) -> FlexOffer | None:
    """Offer to hold a load back for a while; half of the time it makes up for it."""
    held = max(1, int(load.hold // terms.interval))
    per_interval = load.mean * terms.interval / 3600
    saved = held * per_interval
    if load.mean <= 0 or saved < terms.least:
        return None
    most = max(load.rated, load.mean) * terms.interval / 3600
    # What was not drawn comes back afterwards, as fast as the load can.
    room = most - per_interval
    back = ceil(saved * load.returns / room) if room > 0 and load.returns > 0 else 0
    count = held + min(back, held)
    usual = (per_interval,) * count
    total = sum(usual)
    return _offer(
        load.asset_id,
        now,
        terms,
        slices=tuple(Bounds(low=0.0, high=most) for _ in usual),
        total=Bounds(low=total - saved, high=total),
        energies=usual,
        window=load.window,
    )


def charging_offer(
    charging: ChargingNow, now: datetime, terms: Terms
) -> FlexOffer | None:
    """Offer when a car is charged, all of it by its deadline.

    Without a schedule it charges at once, as fast as it can.
    """
    start = _first_start(now, terms)
    count = int((charging.deadline - start).total_seconds() // terms.interval)
    per_interval = charging.most * terms.interval / 3600
    if charging.energy < terms.least or count < 1 or per_interval <= 0:
        return None
    needed = ceil(charging.energy / per_interval)
    if needed >= count:
        # No time to spare: there is nothing to choose.
        return None
    energies, left = [], charging.energy
    for _ in range(count):
        energies.append(min(left, per_interval))
        left -= energies[-1]
    return _offer(
        charging.asset_id,
        now,
        terms,
        slices=tuple(Bounds(low=0.0, high=per_interval) for _ in energies),
        total=Bounds(low=charging.energy, high=charging.energy),
        energies=tuple(energies),
        window=0.0,
    )


def battery_offer(battery: BatteryNow, now: datetime, terms: Terms) -> FlexOffer | None:
    """Offer what a battery can take and give within some intervals."""
    hours = terms.interval / 3600
    takes, gives = battery.charge * hours, battery.discharge * hours
    count = battery.intervals
    total = Bounds(
        low=-min(battery.gives, gives * count), high=min(battery.takes, takes * count)
    )
    if total.high - total.low < terms.least:
        return None
    return _offer(
        battery.asset_id,
        now,
        terms,
        slices=tuple(Bounds(low=-gives, high=takes) for _ in range(count)),
        total=total,
        energies=(0.0,) * count,
        window=battery.window,
    )


def _first_start(now: datetime, terms: Terms) -> datetime:
    """Return the first interval that leaves the aggregator its time."""
    return next_interval(
        now + timedelta(seconds=terms.patience + terms.lead), terms.interval
    )


def _offer(
    asset_id: str,
    now: datetime,
    terms: Terms,
    *,
    slices: tuple[Bounds, ...],
    total: Bounds,
    energies: tuple[float, ...],
    window: float,
) -> FlexOffer:
    start = _first_start(now, terms)
    assign = start - timedelta(seconds=terms.lead)
    steps = int(window // terms.interval)
    return FlexOffer(
        id=terms.new_id(),
        asset_id=asset_id,
        offered_by=terms.offered_by,
        location=terms.location,
        created=now,
        slices=slices,
        total=total,
        start_after=start,
        start_before=start + timedelta(seconds=steps * terms.interval),
        accept_before=min(now + timedelta(seconds=terms.patience), assign),
        assign_before=assign,
        default=Schedule(start=start, energies=energies),
        interval=terms.interval,
    )
