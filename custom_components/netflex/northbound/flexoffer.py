"""FlexOffers: flexibility that is offered to an aggregator, and what is made of it.

After the FlexOffer specification (Aalborg University; MIRABEL, TOTALFLEX, GOFLEX): an
offer is a profile of slices with bounds of energy, a window in which it may start, bounds
of its energy as a whole, two deadlines for the aggregator and a default schedule, which
is what happens without one. Energies are Wh, consumption positive; times are aware UTC
and lie on a grid of intervals (900 s unless said otherwise).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Self

from ..model.phrase import Phrase

INTERVAL: Final = 900
"""s of one interval, unless an offer says otherwise."""
TOLERANCE: Final = 1.0
"""Wh by which a schedule may be beside its bounds: messages carry rounded kWh."""


class OfferState(StrEnum):
    """Where an offer is in its life."""

    INITIAL = "initial"
    """Made, and not told to anybody yet."""
    OFFERED = "offered"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    ASSIGNED = "assigned"
    """It has a schedule, which is obligatory."""
    EXECUTED = "executed"
    INVALID = "invalid"
    """A deadline has passed, or it cannot be kept any more."""
    CANCELED = "canceled"


ENDED: Final = frozenset(
    {
        OfferState.REJECTED,
        OfferState.EXECUTED,
        OfferState.INVALID,
        OfferState.CANCELED,
    }
)

_NEXT: Final = {
    OfferState.INITIAL: {OfferState.OFFERED, OfferState.INVALID, OfferState.CANCELED},
    OfferState.OFFERED: {
        OfferState.ACCEPTED,
        OfferState.REJECTED,
        OfferState.ASSIGNED,
        OfferState.INVALID,
        OfferState.CANCELED,
    },
    OfferState.ACCEPTED: {
        OfferState.REJECTED,
        OfferState.ASSIGNED,
        OfferState.INVALID,
        OfferState.CANCELED,
    },
    # A new schedule may take the place of one while it is being carried out.
    OfferState.ASSIGNED: {
        OfferState.ASSIGNED,
        OfferState.EXECUTED,
        OfferState.INVALID,
        OfferState.CANCELED,
    },
}


class OfferError(ValueError):
    """An offer, a schedule or a step that is not allowed; `phrase` says why."""

    def __init__(self, phrase: Phrase) -> None:
        """Give the reason in a user's words."""
        super().__init__(str(phrase))
        self.phrase = phrase


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """From least to most, Wh."""

    low: float
    high: float

    def __post_init__(self) -> None:
        """Raise ValueError where nothing fits in between."""
        if not self.low <= self.high:
            raise ValueError("the lower bound must not be above the upper one")

    def holds(self, energy: float) -> bool:
        """Whether an energy is inside, as exactly as messages are."""
        return self.low - TOLERANCE <= energy <= self.high + TOLERANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When an offer starts, and the Wh of each of its intervals.

    `number` rises with each update that the aggregator sends.
    """

    start: datetime
    energies: tuple[float, ...]
    number: int = 0

    @property
    def total(self) -> float:
        """Return the energy as a whole."""
        return sum(self.energies)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One interval of a schedule: Wh, and the mean W that this is."""

    start: datetime
    end: datetime
    energy: float

    @property
    def power(self) -> float:
        """Return the mean power, consumption positive."""
        return self.energy * 3600 / (self.end - self.start).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexOffer:
    """One offer of one asset. `slices` are the bounds of each interval."""

    id: str
    asset_id: str
    offered_by: str
    created: datetime
    slices: tuple[Bounds, ...]
    total: Bounds
    start_after: datetime
    start_before: datetime
    accept_before: datetime
    assign_before: datetime
    default: Schedule
    interval: int = INTERVAL
    location: str | None = None
    state: OfferState = OfferState.INITIAL
    reason: str | None = None
    schedule: Schedule | None = None
    """What the aggregator wants done; None before it says."""

    def __post_init__(self) -> None:
        """Raise OfferError where nobody could carry it out."""
        if not self.slices:
            raise OfferError(Phrase("offer_empty", "it offers nothing"))
        if self.start_before < self.start_after:
            raise OfferError(
                Phrase("offer_window", "it would have to start before it may")
            )
        if not self.accept_before <= self.assign_before <= self.start_before:
            raise OfferError(
                Phrase("offer_deadlines", "its deadlines are not one after the other")
            )
        least = sum(item.low for item in self.slices)
        most = sum(item.high for item in self.slices)
        if most < self.total.low or least > self.total.high:
            raise OfferError(
                Phrase("offer_total", "its slices cannot add up to what it offers")
            )

    @property
    def length(self) -> timedelta:
        """Return how long it takes once it has started."""
        return timedelta(seconds=self.interval * len(self.slices))

    @property
    def ended(self) -> bool:
        """Whether nothing will come of it any more."""
        return self.state in ENDED

    def to(self, state: OfferState, reason: str | None = None) -> Self:
        """Return it in its next state. Raises OfferError where there is no such step."""
        if state not in _NEXT.get(self.state, ()):
            raise OfferError(
                Phrase(
                    "offer_step",
                    "an offer that is {state} cannot become {next}",
                    state=self.state.value,
                    next=state.value,
                )
            )
        return replace(self, state=state, reason=reason)

    def assigned(self, schedule: Schedule, now: datetime) -> Self:
        """Return it with a schedule. Raises OfferError where it may not be kept."""
        check_schedule(self, schedule, now)
        return replace(self.to(OfferState.ASSIGNED), schedule=schedule)

    def at(self, now: datetime) -> Self:
        """Return it as time has left it: deadlines passed, or carried out."""
        if self.state in {OfferState.INITIAL, OfferState.OFFERED}:
            if now >= self.accept_before:
                return self.to(
                    OfferState.INVALID,
                    Phrase("offer_unanswered", "nobody accepted it in time"),
                )
        elif self.state is OfferState.ACCEPTED:
            if now >= self.assign_before:
                return self.to(
                    OfferState.INVALID,
                    Phrase("offer_unassigned", "it was not assigned in time"),
                )
        elif (
            self.state is OfferState.ASSIGNED
            and self.schedule is not None
            and now >= self.schedule.start + self.length
        ):
            return self.to(OfferState.EXECUTED)
        return self

    def slots(self) -> tuple[Slot, ...]:
        """Return the intervals of what is to be done: assigned, else the default."""
        schedule = self.schedule or self.default
        width = timedelta(seconds=self.interval)
        return tuple(
            Slot(
                start=schedule.start + index * width,
                end=schedule.start + (index + 1) * width,
                energy=energy,
            )
            for index, energy in enumerate(schedule.energies)
        )


def check_schedule(offer: FlexOffer, schedule: Schedule, now: datetime) -> None:
    """Raise OfferError where a schedule is not what was offered.

    A part of it that has gone by already is as good as never assigned.
    """
    if len(schedule.energies) != len(offer.slices):
        raise OfferError(
            Phrase(
                "schedule_length",
                "the schedule has {given} intervals, {offered} were offered",
                given=str(len(schedule.energies)),
                offered=str(len(offer.slices)),
            )
        )
    if not offer.start_after <= schedule.start <= offer.start_before:
        raise OfferError(
            Phrase("schedule_window", "the schedule starts outside the window")
        )
    update = offer.schedule is not None
    if not update and now >= offer.assign_before:
        raise OfferError(
            Phrase("schedule_late", "the schedule came after its deadline")
        )
    if offer.schedule is not None and schedule.number <= offer.schedule.number:
        raise OfferError(
            Phrase("schedule_older", "the schedule is not newer than the one in force")
        )
    for index, (energy, bounds) in enumerate(
        zip(schedule.energies, offer.slices, strict=True), start=1
    ):
        if not bounds.holds(energy):
            raise OfferError(
                Phrase(
                    "schedule_slice",
                    "interval {index} wants {energy}, from {low} to {high} were offered",
                    index=str(index),
                    energy=kilowatt_hours(energy),
                    low=kilowatt_hours(bounds.low),
                    high=kilowatt_hours(bounds.high),
                )
            )
    if not offer.total.holds(schedule.total):
        raise OfferError(
            Phrase(
                "schedule_total",
                "the schedule wants {energy} in all, from {low} to {high} were offered",
                energy=kilowatt_hours(schedule.total),
                low=kilowatt_hours(offer.total.low),
                high=kilowatt_hours(offer.total.high),
            )
        )


def kilowatt_hours(energy: float) -> str:
    """Return Wh in a user's words."""
    return f"{energy / 1000:.2f} kWh"


def next_interval(now: datetime, interval: int = INTERVAL) -> datetime:
    """Return when the next interval of the grid begins."""
    start = int(now.timestamp()) // interval * interval + interval
    return datetime.fromtimestamp(start, now.tzinfo)
