"""The P1 port as a meter source: it owns its connection and never gives up."""

import asyncio
from collections.abc import Callable, Sequence
import logging
import random
import time

from ..model.reading import MeterReading
from .errors import SWITCH_ON, CannotConnectError, MeterError, NoDataError
from .p1_framer import TelegramFramer
from .p1_objects import Telegram
from .p1_port import no_telegram, open_p1
from .p1_reading import GridRecognition, to_reading
from .port import PortConnection
from .source import MeterStatus

_LOGGER = logging.getLogger(__name__)

BACKOFF = (1.0, 2.0, 5.0, 10.0, 30.0)
"""s between tries to connect; the last one repeats. A good telegram starts anew."""
_JITTER = 0.2
SILENCE = 10.0
"""s without a byte after which a connection is taken for dead, and without a good
telegram after which the user is told. A meter sends one a second."""


class P1Source:
    """Reads a P1 port: serial, or a URL of serialx (see `port`).

    `meter_id` names the meter in its readings. `on_bytes` gets everything that comes
    in, unchanged, for whoever shares the port. Staleness is not judged here: each
    reading carries its arrival, and `status.last_good` that of the newest.
    """

    def __init__(
        self,
        url: str,
        *,
        meter_id: str,
        on_bytes: Callable[[bytes], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        backoff: Sequence[float] = BACKOFF,
        silence: float = SILENCE,
    ) -> None:
        """Prepare a source; nothing is opened before `start`."""
        self.meter_id = meter_id
        self.telegram: Telegram | None = None
        """The newest good telegram."""
        self._url = url
        self._on_bytes = on_bytes
        self._clock = clock
        self._backoff = backoff
        self._silence = silence
        self._framer = TelegramFramer()
        self._recognition = GridRecognition()
        self._task: asyncio.Task[None] | None = None
        self._on_reading: Callable[[MeterReading], None] = _ignore
        self._on_status: Callable[[MeterStatus], None] = _ignore
        self._connected = False
        self._connections = 0
        self._last_good: float | None = None
        self._problem: MeterError | None = None

    @property
    def status(self) -> MeterStatus:
        """How the port is doing."""
        telegram, framer = self.telegram, self._framer
        return MeterStatus(
            connected=self._connected,
            last_good=self._last_good,
            good=framer.good,
            damaged=framer.damaged,
            problem=None if self._problem is None else str(self._problem),
            problem_key=None if self._problem is None else self._problem.key,
            details={
                "dropped_bytes": framer.dropped,
                "encrypted_frames": framer.encrypted,
                "connections": self._connections,
                "version": None if telegram is None else telegram.version,
                "grid_type_proven": self._recognition.proven,
            },
        )

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
        self._task = asyncio.create_task(
            self._run(), name=f"netflex P1 {self.meter_id}"
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
            good = self._framer.good
            try:
                await self._read()
            except MeterError as problem:
                self._show(connected=False, problem=problem)
            except Exception as error:
                _LOGGER.exception("P1 port of %s", self.meter_id)
                self._show(connected=False, problem=MeterError(str(error)))
            failures = 1 if self._framer.good > good else failures + 1
            wait = self._backoff[min(failures, len(self._backoff)) - 1]
            await asyncio.sleep(wait * random.uniform(1 - _JITTER, 1 + _JITTER))

    async def _read(self) -> None:
        """Read one connection until it ends.

        Raises:
            MeterError: It could not be opened, was lost, or is silent.
        """
        connection = PortConnection(self._take, self._clock)
        try:
            await open_p1(connection, self._url)
            self._connections += 1
            # The last problem stands until a telegram disproves it: a port that is
            # off can be opened again and again.
            self._show(connected=True, problem=self._problem)
            await self._watch(connection)
        finally:
            self._framer.close()
            await connection.close()

    async def _watch(self, connection: PortConnection) -> None:
        """Wait for the end of a connection, and see whether it brings telegrams."""
        opened = self._clock()
        encrypted = self._framer.encrypted
        while True:
            await asyncio.wait({connection.lost}, timeout=self._silence / 20)
            if connection.lost.done():
                raise CannotConnectError(connection.lost.result())
            now = self._clock()
            silent = now - connection.last_byte >= self._silence
            if self._last_good is not None and self._last_good >= opened:
                if silent:
                    raise NoDataError(f"The meter has fallen silent. {SWITCH_ON}")
                newest = self._last_good
            else:
                newest = opened
            if now - newest >= self._silence:
                problem = no_telegram(
                    connection, encrypted=self._framer.encrypted > encrypted
                )
                if silent:
                    raise problem
                self._show(connected=True, problem=problem)

    def _take(self, data: bytes) -> None:
        """Take bytes of the port; hand on the readings that they complete."""
        received = self._clock()
        for telegram in self._framer.feed(data):
            self.telegram = telegram
            self._last_good = received
            self._recognition = self._recognition.after(telegram)
            reading = to_reading(
                telegram,
                meter_id=self.meter_id,
                received=received,
                recognition=self._recognition,
            )
            self._call(self._on_reading, reading)
            if self._problem is not None:
                self._show(connected=True, problem=None)
        if self._on_bytes is not None:
            self._call(self._on_bytes, data)

    def _show(self, *, connected: bool, problem: MeterError | None) -> None:
        """Note how the port is doing, and say so where it has changed."""
        changed = str(problem) != str(self._problem)
        if not changed and connected == self._connected:
            return
        self._connected = connected
        self._problem = problem
        if changed and problem is None:
            _LOGGER.info("P1 port of %s: telegrams come in again", self.meter_id)
        elif changed:
            _LOGGER.warning("P1 port of %s: %s", self.meter_id, problem)
        self._call(self._on_status, self.status)

    def _call[ValueT](self, callback: Callable[[ValueT], None], value: ValueT) -> None:
        """Call back; a fault in there must not cost the next telegram."""
        try:
            callback(value)
        except Exception:
            _LOGGER.exception("P1 port of %s: a callback failed", self.meter_id)


def _ignore(_: object) -> None:
    """Stand for a callback until the source is started."""
