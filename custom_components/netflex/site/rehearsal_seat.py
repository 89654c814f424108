"""A rehearsal's place beside the operator's station, on the station's loop (S07)."""

from collections.abc import Callable
from dataclasses import dataclass

from ..model.asset import Direction
from ..model.measurement import Measurements
from ..model.orders import NO_ORDERS, GridOrders, LinkState, LocalStops, OrderEvent
from ..telecontrol.rehearsal_orders import tighter
from ..telecontrol.rehearsal_station import (
    RecordHook,
    RehearsalEnd,
    RehearsalState,
    RehearsalStation,
)
from ..telecontrol.settings import TelecontrolSettings
from ..telecontrol.station import TelecontrolStation


class RehearsalRefusedError(Exception):
    """A rehearsal that may not begin; `key` is stable, the message for a user."""

    def __init__(self, key: str, text: str) -> None:
        """Hold both."""
        super().__init__(text)
        self.key = key


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalAccess:
    """Where a rehearsal's station listens, and how the operator's is set."""

    address: tuple[str, int]
    settings: TelecontrolSettings
    link: LinkState


class RehearsalSeat:
    """Holds one rehearsal at most; all methods run on the station's loop.

    `changed` is called at once with every change of what a rehearsal orders.
    """

    def __init__(
        self,
        record: RecordHook,
        changed: Callable[[RehearsalState, OrderEvent | None], None],
    ) -> None:
        """Begin without a rehearsal."""
        self._record = record
        self._changed = changed
        self._station: RehearsalStation | None = None
        self._measurements: Measurements | None = None

    def combined(self, orders: GridOrders) -> GridOrders:
        """Return what holds with a rehearsal beside the operator's own orders."""
        return tighter(orders, self.in_force)

    @property
    def in_force(self) -> GridOrders:
        """What a rehearsal has carried out now."""
        return NO_ORDERS if self._station is None else self._station.in_force

    @property
    def _running(self) -> RehearsalStation | None:
        station = self._station
        return None if station is None or station.ended is not None else station

    async def start(
        self, operator: TelecontrolStation | None, local: LocalStops, *, real: bool
    ) -> RehearsalAccess:
        """Open the rehearsal's listener.

        Raises RehearsalRefusedError where it may not begin, OSError where it cannot
        listen.
        """
        if operator is None:
            raise RehearsalRefusedError(
                "no_telecontrol", "The site has no telecontrol to rehearse"
            )
        if self._running is not None:
            raise RehearsalRefusedError(
                "rehearsal_running", "A rehearsal of this site is running already"
            )
        if real and operator.link.connected:
            raise RehearsalRefusedError(
                "operator_connected",
                "The grid operator is connected. Only a rehearsal in shadow is possible "
                "now",
            )
        station = RehearsalStation(
            operator.settings, real=real, on_state=self._changed, record=self._record
        )
        self._station = station
        address = await station.start(operator.link, local, self._measurements)
        return RehearsalAccess(
            address=address, settings=operator.settings, link=operator.link
        )

    async def end(self, reason: RehearsalEnd) -> None:
        """End what runs and wait until its listener is gone."""
        if self._station is not None:
            await self._station.close(reason)

    def operator_link(self, link: LinkState) -> None:
        """Look whether the operator has come."""
        if (station := self._running) is not None:
            station.operator_link(link)

    def operator_order(self, event: OrderEvent) -> None:
        """Give way to whatever happens to the operator's own orders."""
        if (station := self._running) is not None:
            station.operator_order(event)

    def set_measurements(self, measurements: Measurements) -> None:
        """Show a rehearsal what the operator's station shows."""
        self._measurements = measurements
        if (station := self._running) is not None:
            station.set_measurements(measurements)

    def set_local_stops(self, local: LocalStops) -> None:
        """Show a rehearsal the site's own stops."""
        if (station := self._running) is not None:
            station.set_local_stops(local)

    def stop_written(self, direction: Direction, missing: tuple[str, ...]) -> None:
        """Pass on what the outputs of a stop confirm."""
        if (station := self._running) is not None:
            station.stop_written(direction, missing)
