"""A user port as a meter source: it owns its connection and never gives up."""

from abc import ABC, abstractmethod
import asyncio
from collections.abc import Callable, Mapping, Sequence
import logging
import random
from types import MappingProxyType
from typing import ClassVar, Final

from ..model.failure import reason_of
from ..model.reading import MeterReading
from .errors import MeterError
from .source import MeterStatus

_LOGGER = logging.getLogger(__name__)

BACKOFF: Final = (1.0, 2.0, 5.0, 10.0, 30.0)
"""s between tries to connect; the last one repeats. What is good starts anew."""
_JITTER: Final = 0.2


class PortSource(ABC):
    """Reads one connection after the other; how one is read is the port's own matter.

    `meter_id` names the meter in its readings. Staleness is not judged here: each
    reading carries its arrival, and `status.last_good` that of the newest.
    """

    port_name: ClassVar[str]
    """P1, S1 or DLMS."""

    def __init__(
        self,
        url: str,
        *,
        meter_id: str,
        clock: Callable[[], float],
        backoff: Sequence[float],
        silence: float,
    ) -> None:
        """Prepare a source; nothing is opened before `start`.

        `silence` is s without a byte after which a connection is taken for dead, and
        without anything good after which the user is told.
        """
        self.meter_id = meter_id
        self._url = url
        self._clock = clock
        self._backoff = backoff
        self._silence = silence
        self._task: asyncio.Task[None] | None = None
        self._on_reading: Callable[[MeterReading], None] = _ignore
        self._on_status: Callable[[MeterStatus], None] = _ignore
        self._connected = False
        self._connections = 0
        self._last_good: float | None = None
        self._problem: MeterError | None = None

    @property
    @abstractmethod
    def status(self) -> MeterStatus:
        """How the port is doing."""

    def _status(
        self,
        *,
        good: int,
        damaged: int,
        details: Mapping[str, float | str | bool | None],
    ) -> MeterStatus:
        """Return how the port is doing; its connections are counted for every port."""
        problem = self._problem
        return MeterStatus(
            connected=self._connected,
            last_good=self._last_good,
            good=good,
            damaged=damaged,
            problem=None if problem is None else reason_of(problem),
            problem_key=None if problem is None else problem.key,
            details=MappingProxyType({**details, "connections": self._connections}),
        )

    @abstractmethod
    async def _read(self) -> None:
        """Read one connection until it ends.

        Raises:
            MeterError: It could not be opened, was lost, or is silent.
        """

    @property
    @abstractmethod
    def _good(self) -> int:
        """How many good things have come."""

    def _prepare(self) -> None:
        """Forget what a run before has left."""
        self._problem = None

    async def start(
        self,
        on_reading: Callable[[MeterReading], None],
        on_status: Callable[[MeterStatus], None],
    ) -> None:
        """Start reading; a port that is not there is tried again and again.

        Raises:
            RuntimeError: It has been started already.
        """
        if self._task is not None:
            raise RuntimeError("The source is running")
        self._on_reading = on_reading
        self._on_status = on_status
        self._prepare()
        self._task = asyncio.create_task(
            self._run(), name=f"netflex {self.port_name} {self.meter_id}"
        )

    async def stop(self) -> None:
        """Stop reading and close the port."""
        if (task := self._task) is None:
            return
        self._task = None
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self._connected = False

    async def _run(self) -> None:
        failures = 0
        while True:
            good = self._good
            try:
                await self._read()
            except MeterError as problem:
                self._show(connected=False, problem=problem)
            except Exception as error:
                fault = MeterError(repr(error))
                if str(fault) != str(self._problem):
                    _LOGGER.exception("%s port of %s", self.port_name, self.meter_id)
                self._show(connected=False, problem=fault)
            failures = 1 if self._good > good else failures + 1
            wait = self._backoff[min(failures, len(self._backoff)) - 1]
            await asyncio.sleep(wait * random.uniform(1 - _JITTER, 1 + _JITTER))

    def _opened(self) -> None:
        """Note that a connection stands.

        The last problem stands until something good disproves it: a port that is off
        can be opened again and again.
        """
        self._connections += 1
        self._show(connected=True, problem=self._problem)

    def _show(self, *, connected: bool, problem: MeterError | None) -> None:
        """Note how the port is doing, and tell where it has changed.

        The log is the listener's, which knows the meter's name and says it once.
        """
        if str(problem) == str(self._problem) and connected == self._connected:
            return
        self._connected = connected
        self._problem = problem
        self._call(self._on_status, self.status)

    def _call[ValueT](
        self, callback: Callable[[ValueT], None] | None, value: ValueT
    ) -> None:
        """Call back; a fault in there must not cost what comes next."""
        if callback is None:
            return
        try:
            callback(value)
        except Exception:
            _LOGGER.exception(
                "%s port of %s: a callback failed", self.port_name, self.meter_id
            )


def _ignore(_: object) -> None:
    """Stand for a callback until the source is started."""
