"""The demand of the connection point, as each of its meters tells it."""

from collections.abc import Callable, Mapping
from datetime import datetime

from ..metering.demand import NO_MEMORY, DemandMemory, billed_peak, follow, yearly_cost
from ..model.demand import CapacityTariff, QuarterDemand
from ..model.reading import MeterReading, MonthPeak
from .view import DemandView


class SiteDemand:
    """Follows the quarter hour on every meter of the connection point.

    Each meter has a memory of its own, so that a meter that takes over for another
    neither invents nor loses energy. `on_quarter` is called when a quarter has ended,
    which is when the memory is worth storing.
    """

    def __init__(self, on_quarter: Callable[[], None]) -> None:
        """Remember nothing yet."""
        self._on_quarter = on_quarter
        self._memories: dict[str, DemandMemory] = {}
        self._quarters: dict[str, QuarterDemand] = {}
        self._histories: dict[str, tuple[MonthPeak, ...]] = {}

    @property
    def memories(self) -> Mapping[str, DemandMemory]:
        """What is to be kept over a restart."""
        return self._memories

    def restore(self, memories: Mapping[str, DemandMemory]) -> None:
        """Go on from what was kept."""
        self._memories = dict(memories)

    def take(self, reading: MeterReading, now: datetime) -> None:
        """Follow one more reading; `now` is aware local time."""
        meter_id = reading.meter_id
        before = self._quarters.get(meter_id)
        memory, quarter = follow(self._memories.get(meter_id, NO_MEMORY), reading, now)
        self._memories[meter_id] = memory
        if quarter is None:
            return
        self._quarters[meter_id] = quarter
        self._histories[meter_id] = reading.peak_history or memory.months
        if before is not None and before.start != quarter.start:
            self._on_quarter()

    def forget(self, meter_id: str) -> None:
        """Forget a meter that was removed."""
        for kept in (self._memories, self._quarters, self._histories):
            kept.pop(meter_id, None)

    def view(
        self, meter_id: str, tariff: CapacityTariff, ceiling: float
    ) -> DemandView | None:
        """Return the demand on one meter; `ceiling` W is what the fuse carries."""
        if (quarter := self._quarters.get(meter_id)) is None:
            return None
        target = tariff.free(quarter.month_peak)
        history = self._histories[meter_id]
        billed = billed_peak(
            history, quarter.month_peak, minimum=tariff.minimum, rule=tariff.rule
        )
        return DemandView(
            quarter=quarter,
            tariff=tariff,
            target=target,
            headroom=min(quarter.headroom(target), ceiling),
            history=history,
            billed=billed,
            cost=(
                None
                if billed is None or tariff.price is None
                else yearly_cost(billed, tariff.price)
            ),
        )
