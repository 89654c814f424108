"""FlexOffers as JSON, in the spellings that agents and managers in the field use.

The specification's version 1 names bounds `lowerBound` and `upperBound` and counts
production positive in one chapter, consumption in another; GOFLEX's own programs write
`lower` and `upper`. What is written is chosen once (`Dialect`), what is read may be
either. Energies of messages are kWh.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from math import isfinite
from typing import Any, Final

from ..model.phrase import Phrase
from .flexoffer import Bounds, FlexOffer, OfferState, Schedule

MOST_INTERVALS: Final = 7 * 24 * 4
"""Of one schedule: a week of quarter hours."""
_WH: Final = 1000.0


class BoundNames(StrEnum):
    """How bounds are spelled."""

    SHORT = "short"
    """`lower` and `upper`, as GOFLEX's programs write."""
    LONG = "long"
    """`lowerBound` and `upperBound`, as the specification's tables do."""


class EnergySign(StrEnum):
    """What is positive in a message."""

    CONSUMPTION = "consumption"
    PRODUCTION = "production"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one manager wants to be spoken to."""

    bounds: BoundNames = BoundNames.SHORT
    sign: EnergySign = EnergySign.CONSUMPTION

    @property
    def factor(self) -> float:
        """Return what turns our Wh into the message's kWh."""
        return (1 if self.sign is EnergySign.CONSUMPTION else -1) / _WH


class MessageError(ValueError):
    """A message that says nothing usable, with its place and what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a manager says of one offer."""

    offer_id: str
    state: OfferState | None = None
    reason: str | None = None
    schedule: Schedule | None = None


def write_offer(offer: FlexOffer, dialect: Dialect) -> dict[str, Any]:
    """Return an offer as a message."""
    message: dict[str, Any] = {
        "id": offer.id,
        "state": offer.state.value,
        "numSecondsPerInterval": offer.interval,
        "offeredById": offer.offered_by,
        "creationTime": write_time(offer.created),
        "acceptanceBeforeTime": write_time(offer.accept_before),
        "assignmentBeforeTime": write_time(offer.assign_before),
        "startAfterTime": write_time(offer.start_after),
        "startBeforeTime": write_time(offer.start_before),
        "assignment": "obligatory",
        "flexOfferProfileConstraints": [
            {
                "minDuration": 1,
                "maxDuration": 1,
                "energyConstraintList": [_write_bounds(bounds, dialect)],
            }
            for bounds in offer.slices
        ],
        "totalEnergyConstraint": _write_bounds(offer.total, dialect),
        "defaultSchedule": write_schedule(offer.default, dialect),
    }
    for key, time in (
        ("creationInterval", offer.created),
        ("acceptanceBeforeInterval", offer.accept_before),
        ("assignmentBeforeInterval", offer.assign_before),
        ("startAfterInterval", offer.start_after),
        ("startBeforeInterval", offer.start_before),
    ):
        message[key] = int(time.timestamp()) // offer.interval
    if offer.location is not None:
        message["locationId"] = offer.location
    if offer.reason is not None:
        message["stateReason"] = offer.reason
    if offer.schedule is not None:
        message["flexOfferSchedule"] = write_schedule(offer.schedule, dialect)
    return message


def write_schedule(schedule: Schedule, dialect: Dialect) -> dict[str, Any]:
    """Return a schedule as a message."""
    return {
        "scheduleId": 0,
        "updateId": schedule.number,
        "startTime": write_time(schedule.start),
        "scheduleSlices": [
            {"duration": 1, "energyAmount": _written(energy, dialect)}
            for energy in schedule.energies
        ],
    }


def read_answers(body: object, dialect: Dialect) -> list[Answer]:
    """Return what a manager says of offers: a list of them, or an object by their ids.

    Raises:
        MessageError: The answer as a whole or one of its parts makes no sense.
    """
    if isinstance(body, Mapping):
        for key in ("flexOffers", "schedules", "data"):
            if isinstance(body.get(key), list | Mapping):
                return read_answers(body[key], dialect)
        entries: list[Mapping[str, Any]] = [
            {"id": key, **_object(value, key)} for key, value in body.items()
        ]
    elif isinstance(body, list):
        entries = [_object(value, "entry") for value in body]
    else:
        raise MessageError(
            Phrase("message_neither", "the answer is neither a list nor an object")
        )
    return [_read_answer(entry, dialect) for entry in entries]


def _read_answer(entry: Mapping[str, Any], dialect: Dialect) -> Answer:
    if isinstance(entry.get("flexOffer"), Mapping):
        entry = entry["flexOffer"]
    offer_id = entry.get("id", entry.get("flexOfferId"))
    if not isinstance(offer_id, str) or not offer_id:
        raise MessageError(Phrase("message_no_offer", "an entry names no offer"))
    state = entry.get("state")
    try:
        known = None if state is None else OfferState(str(state).lower())
    except ValueError:
        # States that only some managers have (adaptation) say nothing new.
        known = None
    schedule = entry.get("flexOfferSchedule")
    if schedule is None and "scheduleSlices" in entry:
        schedule = entry
    reason = entry.get("stateReason")
    return Answer(
        offer_id=offer_id,
        state=known,
        reason=None if reason is None else str(reason)[:200],
        schedule=None if schedule is None else read_schedule(schedule, dialect),
    )


def read_schedule(message: object, dialect: Dialect) -> Schedule:
    """Return a schedule. Raises MessageError."""
    entry = _object(message, "schedule")
    slices = entry.get("scheduleSlices")
    if not isinstance(slices, list) or not slices:
        raise MessageError(
            Phrase(
                "point_problem",
                "{place}: {problem}",
                place="scheduleSlices",
                problem=Phrase("must_be_list", "must be a list that is not empty"),
            )
        )
    energies: list[float] = []
    for item in slices:
        energies += _energies(_object(item, "scheduleSlices"), dialect)
        if len(energies) > MOST_INTERVALS:
            raise MessageError(
                Phrase(
                    "point_problem",
                    "{place}: {problem}",
                    place="scheduleSlices",
                    problem=Phrase(
                        "message_too_many",
                        "more than {number} intervals",
                        number=str(MOST_INTERVALS),
                    ),
                )
            )
    number = entry.get("updateId", 0)
    if not isinstance(number, int) or isinstance(number, bool):
        raise MessageError(
            Phrase(
                "point_problem",
                "{place}: {problem}",
                place="updateId",
                problem=Phrase("must_be_whole", "must be a whole number"),
            )
        )
    return Schedule(
        start=read_time(entry.get("startTime"), "startTime"),
        energies=tuple(energies),
        number=number,
    )


def _energies(entry: Mapping[str, Any], dialect: Dialect) -> Iterator[float]:
    """Yield the Wh of each interval of a slice: one energy spread, or a list of them."""
    # One published example has a space in front of the name.
    amount = entry.get("energyAmount", entry.get(" energyAmount"))
    duration = entry.get("duration", 1)
    if (
        not isinstance(duration, int)
        or isinstance(duration, bool)
        or not 1 <= duration <= MOST_INTERVALS
    ):
        raise MessageError(
            Phrase(
                "point_problem",
                "{place}: {problem}",
                place="duration",
                problem=Phrase(
                    "must_be_intervals", "must be a whole number of intervals"
                ),
            )
        )
    if isinstance(amount, list):
        if len(amount) != duration:
            raise MessageError(
                Phrase(
                    "point_problem",
                    "{place}: {problem}",
                    place="energyAmount",
                    problem=Phrase(
                        "message_as_many", "as many values as the duration says"
                    ),
                )
            )
        for item in amount:
            yield _number(item, "energyAmount") / dialect.factor
        return
    energy = _number(amount, "energyAmount") / dialect.factor
    for _ in range(duration):
        yield energy / duration


def write_time(time: datetime) -> str:
    """Return a time as managers read it (yyyy-MM-dd'T'HH:mm:ss.SSSZ)."""
    utc = time.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}+0000"


def read_time(text: object, place: str) -> datetime:
    """Return a time in UTC; one without a zone is UTC. Raises MessageError."""
    if not isinstance(text, str):
        raise MessageError(
            Phrase(
                "point_problem",
                "{place}: {problem}",
                place=place,
                problem=Phrase("must_be_time", "must be a time"),
            )
        )
    try:
        time = datetime.fromisoformat(text.replace(" ", ""))
    except ValueError as err:
        raise MessageError(
            Phrase(
                "point_problem",
                "{place}: {problem}",
                place=place,
                problem=Phrase(
                    "is_no_time", "{value} is no time", value=repr(text[:40])
                ),
            )
        ) from err
    if time.tzinfo is None:
        return time.replace(tzinfo=UTC)
    return time.astimezone(UTC)


def read_bounds(message: object, dialect: Dialect) -> Bounds:
    """Return bounds in either spelling. Raises MessageError."""
    entry = _object(message, "bounds")
    low = entry.get("lower", entry.get("lowerBound"))
    high = entry.get("upper", entry.get("upperBound"))
    ends = [
        _number(low, "lower") / dialect.factor,
        _number(high, "upper") / dialect.factor,
    ]
    return Bounds(low=min(ends), high=max(ends))


def _write_bounds(bounds: Bounds, dialect: Dialect) -> dict[str, float]:
    ends = sorted([_written(bounds.low, dialect), _written(bounds.high, dialect)])
    if dialect.bounds is BoundNames.SHORT:
        return {"lower": ends[0], "upper": ends[1]}
    return {"lowerBound": ends[0], "upperBound": ends[1]}


def _written(energy: float, dialect: Dialect) -> float:
    # Never minus zero.
    return round(energy * dialect.factor, 4) + 0.0


def _object(value: object, place: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise MessageError(
            Phrase(
                "point_problem",
                "{place}: {problem}",
                place=place,
                problem=Phrase("must_be_object", "must be an object"),
            )
        )
    return value


def _number(value: object, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MessageError(
            Phrase(
                "point_problem",
                "{place}: {problem}",
                place=place,
                problem=Phrase("must_be_number", "must be a number"),
            )
        )
    if not isfinite(value):
        raise MessageError(
            Phrase(
                "point_problem",
                "{place}: {problem}",
                place=place,
                problem=Phrase("must_be_finite", "must be a finite number"),
            )
        )
    return float(value)
