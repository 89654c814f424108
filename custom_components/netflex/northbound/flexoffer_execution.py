"""What became of an assigned schedule, interval by interval, and the figures of it.

The figures are GOFLEX's: how much energy each load really shifted, and how usable the
aggregation was. Energies Wh, consumption positive.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Self

from .flexoffer import FlexOffer, Slot

HOUR = 3600.0
LONGEST = 120.0
"""s between two measurements above which nobody knows what was drawn in between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotResult:
    """One interval: what was wanted and what was measured.

    `measured` is None, and `known` below 1, where it was not measured all the time.
    """

    slot: Slot
    measured: float | None
    known: float
    """Share of the interval that was measured, 0..1."""
    usual: float
    """What the default schedule has at that place: what was shifted counts from it."""

    @property
    def shifted(self) -> float | None:
        """Return what was drawn more than usual; less is negative."""
        return None if self.measured is None else self.measured - self.usual


@dataclass(slots=True)
class _Sum:
    energy: float = 0.0
    seconds: float = 0.0


@dataclass(slots=True)
class Execution:
    """Adds up what one offer's asset draws while its schedule holds."""

    offer: FlexOffer
    _sums: dict[int, _Sum] = field(default_factory=dict)
    _last: tuple[datetime, float] | None = None

    def take(self, now: datetime, power: float | None) -> None:
        """Take over what the asset draws at `now`, W; None: nobody measures it."""
        last, self._last = self._last, None if power is None else (now, power)
        if last is None or power is None:
            return
        seconds = (now - last[0]).total_seconds()
        if not 0 < seconds <= LONGEST:
            return
        mean = (last[1] + power) / 2
        for index, slot in enumerate(self.offer.slots()):
            begin, end = max(last[0], slot.start), min(now, slot.end)
            part = (end - begin).total_seconds()
            if part > 0:
                found = self._sums.setdefault(index, _Sum())
                found.energy += mean * part / HOUR
                found.seconds += part

    def update(self, offer: FlexOffer) -> None:
        """Go on with an updated schedule: what is past was measured all the same."""
        if offer.slots()[0].start != self.offer.slots()[0].start:
            self._sums.clear()
        self.offer = offer

    def drawn(self, now: datetime) -> float | None:
        """Return the Wh of the running interval so far, None where nobody knows."""
        for index, slot in enumerate(self.offer.slots()):
            if slot.start <= now < slot.end:
                found = self._sums.get(index)
                gone = (now - slot.start).total_seconds()
                if found is None:
                    return 0.0 if gone < LONGEST else None
                return found.energy if found.seconds > gone - LONGEST else None
        return None

    def results(self) -> tuple[SlotResult, ...]:
        """Return every interval of the schedule."""
        usual = self.offer.default.energies
        return tuple(
            _result(slot, self._sums.get(index), usual[index])
            for index, slot in enumerate(self.offer.slots())
        )


def _result(slot: Slot, found: _Sum | None, usual: float) -> SlotResult:
    width = (slot.end - slot.start).total_seconds()
    known = 0.0 if found is None else min(1.0, found.seconds / width)
    return SlotResult(
        slot=slot,
        # A minute without a measurement may hide what mattered.
        measured=found.energy if found is not None and known >= 0.95 else None,
        known=known,
        usual=usual,
    )


_NOTHING: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferFigures:
    """What offers have brought; energies Wh, shares 0..1, None where nobody knows."""

    offered: int = 0
    assigned: int = 0
    executed: int = 0
    refused: int = 0
    """Schedules that were not what had been offered."""
    wanted_by: Mapping[str, float] = _NOTHING
    """By asset: what the schedules moved away from the default."""
    shifted_by: Mapping[str, float] = _NOTHING
    """By asset: what of it was really moved, in intervals that were measured."""

    @property
    def shifted(self) -> float:
        """Return what all assets have moved."""
        return sum(self.shifted_by.values())

    @property
    def followed(self) -> float | None:
        """Return the share of what the schedules moved that was really moved."""
        wanted = sum(self.wanted_by.values())
        return self.shifted / wanted if wanted else None

    @property
    def usability(self) -> float | None:
        """Return the share of what was offered that the aggregator made use of."""
        return min(1.0, self.assigned / self.offered) if self.offered else None

    def ended(self, asset_id: str, results: Iterable[SlotResult]) -> Self:
        """Return them with what became of one schedule."""
        wanted, done = moved(results)
        return replace(
            self,
            wanted_by=_more(self.wanted_by, asset_id, wanted),
            shifted_by=_more(self.shifted_by, asset_id, done),
        )


def _more(sums: Mapping[str, float], key: str, value: float) -> Mapping[str, float]:
    return MappingProxyType({**sums, key: sums.get(key, 0.0) + value})


def moved(results: Iterable[SlotResult]) -> tuple[float, float]:
    """Return the Wh that a schedule moved, and how much of it was measured to move.

    Only what went in the wanted direction counts, and no more than was wanted.
    """
    wanted = done = 0.0
    for result in results:
        if (shifted := result.shifted) is None:
            continue
        aim = result.slot.energy - result.usual
        wanted += abs(aim)
        if aim * shifted > 0:
            done += min(abs(aim), abs(shifted))
    return wanted, done
