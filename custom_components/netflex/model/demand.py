"""The demand of the quarter hour: what the capacity tariff is billed on."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from .reading import MonthPeak

QUARTER = 900.0
"""s of a quarter hour; the quarters begin at 00, 15, 30 and 45 minutes."""
MINIMUM_PEAK = 2500.0
"""W below which no monthly peak is billed (Flanders, since 2023)."""


class MinimumRule(StrEnum):
    """Where the minimum of the billed peak is applied; the sources disagree."""

    PER_MONTH = "per_month"
    """Each month counts at least the minimum, then the mean is taken."""
    ON_MEAN = "on_mean"
    """The mean of the months as they are, at least the minimum."""


class CapacityHold(StrEnum):
    """What the decision does about the quarter hour's demand."""

    OFF = "off"
    """Nothing: it is only shown."""
    TARGET = "target"
    """Holds it below the user's target, or what is paid already, whichever is more."""
    PAID = "paid"
    """Holds it below what the month has reached already, whatever the target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityTariff:
    """What a user's demand is held against and costs.

    `target` is the W that a quarter hour should not exceed: the month's peak that is
    paid already counts as one too, and so does the minimum. `price` is per kW and year
    in the user's currency. The rule for the minimum is unconfirmed.
    """

    target: float | None = None
    price: float | None = None
    minimum: float = MINIMUM_PEAK
    rule: MinimumRule = MinimumRule.PER_MONTH
    hold: CapacityHold = CapacityHold.OFF
    shave: bool = True
    """Whether batteries discharge to hold it."""

    def free(self, month_peak: MonthPeak | None) -> float:
        """Return the W that a quarter hour may reach for nothing."""
        paid = 0.0 if month_peak is None else month_peak.power
        target = 0.0 if self.hold is CapacityHold.PAID else self.target or 0.0
        return max(paid, self.minimum, target)

    def cost(self, above: float) -> float | None:
        """Return what W above what is free cost until their month is forgotten.

        A month's peak is one of the twelve that are billed for a year. None: there is
        no price.
        """
        if self.price is None:
            return None
        return max(0.0, above) / 1000 * self.price / 12


DEFAULT_TARIFF = CapacityTariff()


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarterDemand:
    """The running quarter hour on the meter's own clock, in W of import.

    `average` is the energy imported so far over the whole quarter, so it rises from
    zero and reaches the quarter's demand at its end. `power` is the import now.
    """

    start: datetime
    elapsed: float
    """s since `start`, 0 to 900."""
    average: float
    power: float
    complete: bool
    """False while the beginning of the quarter was not observed: `average` is then an
    estimate."""
    month_peak: MonthPeak | None = None
    """Highest finished quarter of the running month; None: none is known."""
    finished: float | None = None
    """W: demand of the quarter before, None where it was not observed whole."""

    @property
    def remaining(self) -> float:
        """Seconds until the quarter ends."""
        return QUARTER - self.elapsed

    @property
    def forecast(self) -> float:
        """Demand in W of the whole quarter if the import stays as it is."""
        return self.average + self.power * self.remaining / QUARTER

    def headroom(self, target: float) -> float:
        """Return the import in W that ends the quarter exactly at the target.

        Negative where the target is out of reach. It grows beyond every bound toward
        the end of the quarter: whoever uses it must cap it with the fuse.
        """
        return (target - self.average) * QUARTER / max(self.remaining, 1.0)
