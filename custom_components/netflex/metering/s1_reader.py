"""The S1 port as a meter source: it owns its connection and never gives up.

Octets are collected on the loop and analysed in an executor, block by block. The loop
sees one reading a second, and events as they happen.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
import logging
import random
import time
from typing import Final, Never

from ..model.power_quality import Overload, PowerEvent, PowerQuality
from ..model.reading import MeterReading
from .errors import SWITCH_ON, CannotConnectError, MeterError, NoDataError, NotS1Error
from .port import PortConnection
from .recorder import Recording
from .s1_analysis import DEFAULT_SETTINGS, S1Analysis, S1Result, S1Settings, to_reading
from .s1_format import S1Counts, S1Format
from .s1_port import (
    CONVINCING,
    SUFFICIENT,
    TRIAL,
    no_frame,
    open_s1,
    rates_to_try,
    undamaged_part,
)
from .source import MeterStatus

_LOGGER = logging.getLogger(__name__)

BLOCK: Final = 0.1
"""s of samples that are analysed together."""
FAST_BLOCK: Final = 0.05
"""The same where an overload is watched: with a period to measure, within 0.1 s."""
BACKOFF: Final = (1.0, 2.0, 5.0, 10.0, 30.0)
"""s between tries to connect; the last one repeats. A good frame starts anew."""
_JITTER: Final = 0.2
SILENCE: Final = 5.0
"""s without a byte after which a connection is taken for dead, and without a good frame
after which the user is told. A meter sends thousands a second."""
PENDING_LIMIT: Final = 262144
"""Bytes, 2 s, that may wait for the executor; what comes on top is dropped and counted."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class S1Listeners:
    """Who wants what of an S1 port; all are called on the loop and return at once."""

    on_quality: Callable[[PowerQuality], None] | None = None
    """Once a second."""
    on_event: Callable[[PowerEvent], None] | None = None
    on_overload: Callable[[Overload], None] | None = None


NO_LISTENERS: Final = S1Listeners()


class S1Source:
    """Reads an S1 port: serial, or a URL of serialx (see `port`).

    `meter_id` names the meter in its readings. `baudrate` is found out where it is not
    given, `block` is s between analyses. Staleness is not judged here: each reading
    carries its arrival, and `status.last_good` that of the newest one.
    """

    def __init__(
        self,
        url: str,
        *,
        meter_id: str,
        settings: S1Settings = DEFAULT_SETTINGS,
        listeners: S1Listeners = NO_LISTENERS,
        baudrate: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        utc_now: Callable[[], datetime] = _utc_now,
        backoff: Sequence[float] = BACKOFF,
        silence: float = SILENCE,
        block: float | None = None,
    ) -> None:
        """Prepare a source; nothing is opened before `start`.

        Raises:
            ValueError: More waveform is to be kept than can be.
        """
        self.meter_id = meter_id
        self.quality: PowerQuality | None = None
        """The newest second."""
        self._url = url
        self._settings = settings
        self._listeners = listeners
        self._fixed = baudrate
        self._clock = clock
        self._utc_now = utc_now
        self._backoff = backoff
        self._silence = silence
        self._block = block or (FAST_BLOCK if settings.overload else BLOCK)
        self._analysis = S1Analysis(meter_id, settings)
        self._task: asyncio.Task[None] | None = None
        self._on_reading: Callable[[MeterReading], None] = _ignore
        self._on_status: Callable[[MeterStatus], None] = _ignore
        self._pending = bytearray()
        self._overrun = 0
        self._connected = False
        self._connections = 0
        self._baudrate: int | None = None
        # Counts of connections at a rate that was right; those of trials are nobody's.
        self._counts = S1Counts()
        self._accepted = False
        self._last_good: float | None = None
        self._problem: MeterError | None = None

    @property
    def status(self) -> MeterStatus:
        """How the port is doing; `good` and `damaged` count frames."""
        counts = self._counts
        if self._accepted:
            counts += self._analysis.counts
        kind = self.format
        return MeterStatus(
            connected=self._connected,
            last_good=self._last_good,
            good=counts.good,
            damaged=counts.damaged,
            problem=None if self._problem is None else str(self._problem),
            problem_key=None if self._problem is None else self._problem.key,
            details={
                "lost": counts.lost,
                "refused": counts.refused,
                "invalid": counts.invalid,
                "dropped_bytes": counts.dropped,
                "overrun_bytes": self._overrun,
                "connections": self._connections,
                "baudrate": self._baudrate,
                "sampling_rate": None if kind is None else kind.rate,
                "sampling_per_period": None if kind is None else kind.per_period,
            },
        )

    @property
    def format(self) -> S1Format | None:
        """What the meter says about itself; its identifier is personal."""
        return self._analysis.format

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
        self._close_counts()
        # A new one: a job of the last run may still be busy with the old one.
        self._analysis = S1Analysis(self.meter_id, self._settings)
        self._task = asyncio.create_task(
            self._run(), name=f"netflex S1 {self.meter_id}"
        )

    async def stop(self) -> None:
        """Stop reading and close the port."""
        if (task := self._task) is None:
            return
        self._task = None
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self._connected = False

    async def record(self, seconds: float, *, before: float = 0.0) -> Recording:
        """Return the waveform of the next `seconds`, and of some s before that.

        Raises:
            ValueError: More is asked for than is kept (`S1Settings.keep`).
            NoDataError: Nothing has come in that time.
        """
        if seconds < 0 or before < 0 or not 0 < seconds + before <= self._settings.keep:
            raise ValueError(f"At most {self._settings.keep:g} s can be recorded")
        analysis = self._analysis
        first = self._clock() - before
        # The last samples come with the block after them.
        await asyncio.sleep(seconds + 2 * self._block)
        begin = first - analysis.offset
        started = self._utc_now() - timedelta(seconds=self._clock() - first)

        def cut() -> Recording | None:
            end = begin + seconds + before
            return analysis.recorder.cut(begin, end, started=started)

        loop = asyncio.get_running_loop()
        recording = await loop.run_in_executor(None, cut)
        if recording is None:
            raise NoDataError(f"There are no samples to record. {SWITCH_ON}")
        return recording

    async def _run(self) -> None:
        failures = 0
        while True:
            good = self.status.good
            try:
                await self._read()
            except MeterError as problem:
                self._show(connected=False, problem=problem)
            except Exception as error:
                _LOGGER.exception("S1 port of %s", self.meter_id)
                self._show(connected=False, problem=MeterError(str(error)))
            failures = 1 if self.status.good > good else failures + 1
            wait = self._backoff[min(failures, len(self._backoff)) - 1]
            await asyncio.sleep(wait * random.uniform(1 - _JITTER, 1 + _JITTER))

    async def _read(self) -> None:
        """Find the rate, and read until the connection ends.

        Raises:
            MeterError: It could not be opened, was lost, is silent, or has no frames.
        """
        profile = self._settings.profile
        rates = rates_to_try(self._url, profile, fixed=self._fixed, last=self._baudrate)
        parts: dict[float, int] = {}
        problem: MeterError | None = None
        for rate in rates:
            try:
                async with self._connection(rate) as connection:
                    if len(rates) == 1:
                        await self._watch(connection, rate)
                    part = await self._judge(connection)
                    if part >= CONVINCING:
                        await self._watch(connection, rate)
                    problem = problem or no_frame(connection, self._analysis.counts)
                    parts[part] = rate
            except CannotConnectError as error:
                if self._accepted:
                    raise
                problem = problem or error
        best = max(parts, default=0.0)
        if best < SUFFICIENT:
            raise problem or NotS1Error
        async with self._connection(parts[best]) as connection:
            await self._watch(connection, parts[best])

    @asynccontextmanager
    async def _connection(self, baudrate: int) -> AsyncGenerator[PortConnection]:
        """Hold the port open at one rate."""
        self._close_counts()
        self._pending.clear()
        connection = PortConnection(self._take, self._clock)
        try:
            await open_s1(connection, self._url, baudrate)
            self._connections += 1
            # The last problem stands until a frame disproves it: a port that is off
            # can be opened again and again.
            self._show(connected=True, problem=self._problem)
            yield connection
        finally:
            await connection.close()

    async def _judge(self, connection: PortConnection) -> float:
        """Read a little; return the part of it that is undamaged frames.

        Raises:
            MeterError: Nothing comes.
        """
        opened = self._clock()
        first: float | None = None
        while first is None or self._clock() - first < TRIAL:
            await self._step(connection)
            if first is None and connection.received:
                first = self._clock()
            if connection.lost.done():
                raise CannotConnectError(connection.lost.result())
            if first is None and self._clock() - opened >= self._silence:
                raise no_frame(connection, S1Counts())
        return undamaged_part(self._analysis.counts, self._settings.profile)

    async def _watch(self, connection: PortConnection, baudrate: int) -> Never:
        """Read until the connection ends, and see whether it brings frames."""
        self._accepted = True
        self._baudrate = baudrate
        opened = self._clock()
        while True:
            await self._step(connection)
            if connection.lost.done():
                raise CannotConnectError(connection.lost.result())
            now = self._clock()
            silent = now - connection.last_byte >= self._silence
            counts = self._analysis.counts
            if counts.good and silent:
                raise NoDataError(f"The meter has fallen silent. {SWITCH_ON}")
            if now - max(opened, self._last_good or opened) >= self._silence:
                problem = no_frame(connection, counts)
                if silent:
                    raise problem
                self._show(connected=True, problem=problem)

    async def _step(self, connection: PortConnection) -> None:
        """Wait for a block of octets, have it analysed, and tell what it brings."""
        await asyncio.wait({connection.lost}, timeout=self._block)
        if not self._pending:
            return
        data, self._pending = bytes(self._pending), bytearray()
        received = connection.last_byte
        result = await asyncio.get_running_loop().run_in_executor(
            None, self._analysis.take, data, received
        )
        if result.qualities:
            self._last_good = received
            if self._problem is not None:
                self._show(connected=True, problem=None)
        self._tell(result)

    def _tell(self, result: S1Result) -> None:
        listeners = self._listeners
        for overload in result.overloads:
            self._call(listeners.on_overload, overload)
        for event in result.events:
            self._call(listeners.on_event, event)
        for quality in result.qualities:
            self.quality = quality
            self._call(listeners.on_quality, quality)
            self._call(self._on_reading, to_reading(quality))

    def _take(self, data: bytes) -> None:
        """Keep octets of the port until they are analysed."""
        room = PENDING_LIMIT - len(self._pending)
        self._overrun += max(len(data) - room, 0)
        self._pending += data[: max(room, 0)]

    def _close_counts(self) -> None:
        """Keep the counts of a connection that is over, unless it was a trial."""
        counts = self._analysis.reopen()
        if self._accepted:
            self._counts += counts
        self._accepted = False

    def _show(self, *, connected: bool, problem: MeterError | None) -> None:
        """Note how the port is doing, and say so where it has changed."""
        changed = str(problem) != str(self._problem)
        if not changed and connected == self._connected:
            return
        self._connected = connected
        self._problem = problem
        if changed and problem is None:
            _LOGGER.info("S1 port of %s: frames come in again", self.meter_id)
        elif changed:
            _LOGGER.warning("S1 port of %s: %s", self.meter_id, problem)
        self._call(self._on_status, self.status)

    def _call[ValueT](
        self, callback: Callable[[ValueT], None] | None, value: ValueT
    ) -> None:
        """Call back; a fault in there must not cost the next block."""
        if callback is None:
            return
        try:
            callback(value)
        except Exception:
            _LOGGER.exception("S1 port of %s: a callback failed", self.meter_id)


def _ignore(_: object) -> None:
    """Stand for a callback until the source is started."""
