"""A meter over Modbus, read by its profile."""

from collections.abc import Callable
import time
from types import MappingProxyType

from ..model.reading import MeterReading
from .device import MeterStatus
from .link import endpoint_of
from .modbus_device import Tasks
from .natures import meter_reading
from .ports import LinkParams, UnitFactory
from .profile import Profile
from .session import SLOW_POLLS, Session


class ModbusMeter:
    """Any meter with a profile. Fulfils `MeterDevice`."""

    def __init__(
        self,
        *,
        meter_id: str,
        name: str,
        profile: Profile,
        link: LinkParams,
        units: UnitFactory,
        serial: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Bind a meter to a profile and a link; nothing is opened yet."""
        self.meter_id = meter_id
        self._session = Session(
            name=name,
            profile=profile,
            endpoint=endpoint_of(link, units, clock),
            units=units,
            serial=serial,
            on_change=self._changed,
            clock=clock,
        )
        self._tasks = Tasks()
        self._on_reading: Callable[[MeterReading], None] | None = None
        self._on_status: Callable[[MeterStatus], None] | None = None
        self._status = MeterStatus()

    @property
    def status(self) -> MeterStatus:
        """How it is doing."""
        return self._status

    async def start(
        self,
        on_reading: Callable[[MeterReading], None],
        on_status: Callable[[MeterStatus], None],
    ) -> None:
        """Begin to read."""
        self._on_reading = on_reading
        self._on_status = on_status
        self._tasks.start(f"{self.meter_id} polling", self._session.run())

    async def stop(self) -> None:
        """End all tasks."""
        self._on_reading = self._on_status = None
        await self._tasks.stop()
        await self._session.close()

    def _changed(self) -> None:
        session, before = self._session, self._status
        fresh = session.available and session.at != before.last_good
        self._status = status = MeterStatus(
            connected=session.available,
            last_good=session.at,
            good=before.good + fresh,
            damaged=session.damaged,
            problem=session.problem,
            problem_key=session.problem_key,
            details=MappingProxyType(
                {SLOW_POLLS: session.slow_polls}
                | ({} if session.variant is None else {"variant": session.variant})
            ),
        )
        if fresh and session.at is not None and self._on_reading is not None:
            self._on_reading(meter_reading(self.meter_id, session.values, session.at))
        changed = (status.connected, status.problem) != (
            before.connected,
            before.problem,
        )
        if changed and self._on_status is not None:
            self._on_status(status)
