"""The S1 port as a meter source.

Octets are collected on the loop and analysed in a thread of the source's own, block by
block: an overload must not wait for what others have an executor do. The loop sees one
reading a second, and events as they happen.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
import time
from typing import ClassVar, Final, Never, override

from ..model.phrase import Phrase, advised
from ..model.power_quality import Overload, PowerEvent, PowerQuality
from .errors import (
    FELL_SILENT,
    SWITCH_ON,
    CannotConnectError,
    MeterError,
    NoDataError,
    NotS1Error,
)
from .port import PortConnection
from .port_source import BACKOFF, PortSource
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

BLOCK: Final = 0.1
"""s of samples that are analysed together."""
FAST_BLOCK: Final = 0.05
"""The same where an overload is watched: with a period to measure, within 0.1 s."""
SILENCE: Final = 5.0
"""s without a byte after which a connection is taken for dead, and without a good frame
after which the user is told. A meter sends thousands a second."""
_LATE: Final = 1.0
"""s that a recording waits for samples that should have come."""
_LAST_BLOCK: Final = 0.5
"""s that a stop waits for a block that is being analysed."""
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


class S1Source(PortSource):
    """Reads an S1 port: serial, or a URL of serialx (see `port`).

    `baudrate` is found out where it is not given, `block` is s between analyses.
    """

    port_name: ClassVar = "S1"

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
        super().__init__(
            url, meter_id=meter_id, clock=clock, backoff=backoff, silence=silence
        )
        self.quality: PowerQuality | None = None
        """The newest second."""
        self._settings = settings
        self._listeners = listeners
        self._fixed = baudrate
        self._utc_now = utc_now
        self._block = block or (FAST_BLOCK if settings.overload else BLOCK)
        self._analysis = S1Analysis(meter_id, settings)
        self._thread: ThreadPoolExecutor | None = None
        self._pending = bytearray()
        self._overrun = 0
        self._baudrate: int | None = None
        # Counts of connections at a rate that was right; those of trials are nobody's.
        self._counts = S1Counts()
        self._accepted = False

    def listen(self, listeners: S1Listeners) -> None:
        """Have others told what the port brings, in the place of those before."""
        self._listeners = listeners

    @property
    @override
    def status(self) -> MeterStatus:
        """How the port is doing; `good` and `damaged` count frames."""
        counts = self._counts
        if self._accepted:
            counts += self._analysis.counts
        kind = self.format
        return self._status(
            good=counts.good,
            damaged=counts.damaged,
            details={
                "lost": counts.lost,
                "refused": counts.refused,
                "invalid": counts.invalid,
                "dropped_bytes": counts.dropped,
                "overrun_bytes": self._overrun,
                "baudrate": self._baudrate,
                "sampling_rate": None if kind is None else kind.rate,
                "sampling_per_period": None if kind is None else kind.per_period,
            },
        )

    @property
    def format(self) -> S1Format | None:
        """What the meter says about itself; its identifier is personal."""
        return self._analysis.format

    @property
    @override
    def _good(self) -> int:
        return self.status.good

    @override
    def _prepare(self) -> None:
        super()._prepare()
        self._close_counts()
        # A new one: a job of the last run may still be busy with the old one.
        self._analysis = S1Analysis(self.meter_id, self._settings)
        self._thread = ThreadPoolExecutor(1, f"netflex S1 {self.meter_id}")

    @override
    async def stop(self) -> None:
        await super().stop()
        if (thread := self._thread) is not None:
            self._thread = None
            thread.shutdown(wait=False)
            # It ends with the block that it is at, within milliseconds as a rule.
            ended = asyncio.get_running_loop().run_in_executor(None, thread.shutdown)
            await asyncio.wait({ended}, timeout=_LAST_BLOCK)

    async def record(self, seconds: float, *, before: float = 0.0) -> Recording:
        """Return the waveform of the next `seconds`, and of some s before that.

        Raises:
            ValueError: More is asked for than is kept (`S1Settings.keep`).
            NoDataError: Nothing has come in that time.
        """
        if seconds < 0 or before < 0 or not 0 < seconds + before <= self._settings.keep:
            raise ValueError(
                Phrase(
                    "record_longest",
                    "At most {time} can be recorded",
                    time=f"{self._settings.keep:g} s",
                )
            )
        analysis = self._analysis
        first = self._clock() - before
        # The last samples come with the block after them, on a busy machine later.
        await asyncio.sleep(seconds + 2 * self._block)
        patience = self._clock() + _LATE
        while (
            analysis.recorder.newest + analysis.offset < first + before + seconds
            and self._clock() < patience
        ):
            await asyncio.sleep(self._block)
        begin = first - analysis.offset
        started = self._utc_now() - timedelta(seconds=self._clock() - first)

        def cut() -> Recording | None:
            end = begin + seconds + before
            return analysis.recorder.cut(begin, end, started=started)

        loop = asyncio.get_running_loop()
        recording = await loop.run_in_executor(None, cut)
        if recording is None:
            raise NoDataError(
                advised(
                    Phrase("port_no_samples", "There are no samples to record."),
                    SWITCH_ON,
                )
            )
        return recording

    @override
    async def _read(self) -> None:
        # The rate is found out first.
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
            self._opened()
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
                raise NoDataError(advised(FELL_SILENT, SWITCH_ON))
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
            self._thread, self._analysis.take, data, received
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
