"""S1 at full rate: decoding with all quantities, and what a port costs the loop."""

import asyncio
from collections.abc import Callable, Generator
from concurrent.futures import Executor
import sys
from time import perf_counter, process_time, thread_time
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from custom_components.netflex.metering.overload import OverloadLimits
from custom_components.netflex.metering.s1_analysis import (
    DEFAULT_SETTINGS,
    S1Analysis,
    S1Result,
    S1Settings,
)
from custom_components.netflex.metering.s1_reader import BLOCK, FAST_BLOCK, S1Source
from custom_components.netflex.model.connection import LineValues
from tests.metering.s1_waves import STAR, Channel, Tone, pieces, star, stream
from tests.metering.wires import Line

WANTED = 200.0
"""Times real time, on one core, in the pieces that a site's port is analysed in."""
MOST_CPU = 0.05
"""Of a core, for reading and analysing, above an idle loop."""
MOST_STALL = 0.010
"""s that the loop may be late because of it."""
_RATE = 2600
_OCTETS_PER_SECOND = 45 * _RATE


@pytest.fixture(name="loaded", scope="module")
def _loaded() -> bytes:
    """Return 9.8 s of three distorted phases, a whole number of turns of the sequence."""
    channels = star()
    for column, lag in ((1, 10), (3, 130), (5, 250)):
        channels[column] = Channel(
            (Tone(1, 12, lag), Tone(3, 2, 3 * lag), Tone(5, 1, 5 * lag), Tone(7, 0.5))
        )
    part = stream(channels, 1280 / _RATE * 2, info=STAR)
    return b"".join(part) * 10


_WATCHED = S1Settings(
    overload=OverloadLimits(current=LineValues(l1=40.0, l2=40.0, l3=40.0), periods=2)
)
"""As on a site: a fuse is watched, in shorter pieces."""


def _analyse(data: bytes, size: int, settings: S1Settings) -> S1Analysis:
    analysis = S1Analysis("meter", settings)
    for part in pieces(data, size):
        analysis.take(part, None)
    return analysis


@pytest.mark.parametrize(
    ("settings", "block"),
    [(DEFAULT_SETTINGS, BLOCK), (_WATCHED, FAST_BLOCK)],
    ids=["measured", "watched"],
)
def test_decoding_and_all_quantities(
    benchmark: BenchmarkFixture,
    capsys: pytest.CaptureFixture[str],
    loaded: bytes,
    settings: S1Settings,
    block: float,
) -> None:
    """Frames, window quantities, sags, steps, the fuse and the recorder's ring."""
    size = 45 * round(_RATE * block)
    seconds = len(loaded) / _OCTETS_PER_SECOND
    analysis = _analyse(loaded, size, settings)
    assert analysis.counts.good * 45 == len(loaded)
    times = []
    for _ in range(2 if benchmark.disabled else 30):
        begin = process_time()
        _analyse(loaded, size, settings)
        times.append(process_time() - begin)
    ratio = seconds / min(times)
    with capsys.disabled():
        sys.stdout.write(
            f"\nS1 in pieces of {1000 * block:.0f} ms: {ratio:.0f} times real time, "
            f"{1000 * min(times) / seconds:.2f} ms CPU per s\n"
        )
    benchmark.extra_info.update(times_real_time=ratio)
    benchmark.pedantic(_analyse, args=(loaded, size, settings), rounds=3)
    if not benchmark.disabled:
        assert ratio >= WANTED


_SENDER = """
import os, sys, time
chunk, seconds = int(sys.argv[1]), float(sys.argv[2])
data = sys.stdin.buffer.read()
begin = time.monotonic()
sent = 0
while time.monotonic() - begin < seconds:
    os.write(1, data[sent % len(data):][:chunk])
    sent += len(data[sent % len(data):][:chunk])
    wait = begin + sent / 117000 - time.monotonic()
    if wait > 0:
        time.sleep(wait)
"""


class _Lateness:
    """How late a timer of 5 ms comes: what another task would wait."""

    def __init__(self) -> None:
        self.values: list[float] = []
        self._stop = asyncio.Event()

    async def watch(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._stop.is_set():
            begin = loop.time()
            await asyncio.sleep(0.005)
            self.values.append(loop.time() - begin - 0.005)

    def stop(self) -> None:
        self._stop.set()

    def worst(self, part: float = 0.0) -> float:
        values = sorted(self.values)
        return values[int((1 - part) * (len(values) - 1))]


async def _measured(seconds: float) -> tuple[float, _Lateness]:
    """Return CPU per s of this process over a time, and how late the loop was."""
    late = _Lateness()
    watching = asyncio.create_task(late.watch())
    begin, cpu = perf_counter(), process_time()
    await asyncio.sleep(seconds)
    used = (process_time() - cpu) / (perf_counter() - begin)
    late.stop()
    await watching
    return used, late


@pytest.fixture(name="line")
def _line() -> Generator[Line]:
    line = Line()
    yield line
    line.close()


async def _read(
    line: Line, data: bytes, chunk: int, seconds: float, settings: S1Settings
) -> tuple[float, _Lateness, float, _Lateness, S1Source]:
    """Measure an idle loop, then one that reads a port at full rate."""
    idle, idle_late = await _measured(seconds)
    source = S1Source(line.device, meter_id="meter", settings=settings)
    await source.start(lambda _: None, lambda _: None)
    sender = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _SENDER,
        str(chunk),
        str(seconds + 1.5),
        stdin=asyncio.subprocess.PIPE,
        stdout=line._master,
    )
    feeding = asyncio.create_task(sender.communicate(data))
    try:
        while not source.status.good:
            await asyncio.sleep(0.05)
        busy, busy_late = await _measured(seconds)
        await feeding
        await asyncio.sleep(0.3)
    finally:
        if sender.returncode is None:
            sender.kill()
        await asyncio.gather(feeding, return_exceptions=True)
        await source.stop()
    return idle, idle_late, busy, busy_late, source


class _Ours:
    """What reading does to the loop, in CPU time: a busy machine adds nothing to it.

    While a callback runs nothing else can, and while an analysis computes it holds the
    interpreter; both together are the longest that others wait because of us.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.callbacks: list[float] = []
        self.analyses: list[float] = []
        self.hops: list[float] = []
        """Wall-clock s that handing a piece to the thread and back takes, less the
        analysis itself."""
        run, take = asyncio.Handle._run, S1Analysis.take
        submit = asyncio.BaseEventLoop.run_in_executor
        analysed: list[float] = []

        def timed_run(handle: asyncio.Handle) -> None:
            begin = thread_time()
            run(handle)
            self.callbacks.append(thread_time() - begin)

        def timed_take(
            analysis: S1Analysis, data: bytes, received: float | None
        ) -> S1Result:
            begin, cpu = perf_counter(), thread_time()
            result = take(analysis, data, received)
            self.analyses.append(thread_time() - cpu)
            analysed.append(perf_counter() - begin)
            return result

        def timed_submit(
            loop: asyncio.BaseEventLoop,
            executor: Executor | None,
            function: Callable[..., Any],
            *args: Any,
        ) -> asyncio.Future[Any]:
            begin = perf_counter()
            future = submit(loop, executor, function, *args)

            def back(_: object) -> None:
                if analysed:
                    self.hops.append(perf_counter() - begin - analysed.pop())

            future.add_done_callback(back)
            return future

        monkeypatch.setattr(asyncio.Handle, "_run", timed_run)
        monkeypatch.setattr(S1Analysis, "take", timed_take)
        monkeypatch.setattr(asyncio.BaseEventLoop, "run_in_executor", timed_submit)

    @property
    def stall(self) -> float:
        """The longest s that the loop stands still because of us."""
        return max(self.callbacks) + max(self.analyses)


@pytest.mark.parametrize(
    "settings", [DEFAULT_SETTINGS, _WATCHED], ids=["measured", "watched"]
)
@pytest.mark.parametrize("chunk", [62, 512, 1872], ids=["0.5ms", "4ms", "16ms"])
@pytest.mark.usefixtures("socket_enabled")
def test_reading_a_port_at_full_rate(
    benchmark: BenchmarkFixture,
    capsys: pytest.CaptureFixture[str],
    loaded: bytes,
    line: Line,
    chunk: int,
    settings: S1Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A pty fed by another process; a USB adapter hands over 512 octets or 16 ms."""
    seconds = 0.5 if benchmark.disabled else 8.0
    ours = _Ours(monkeypatch)

    def run() -> tuple[float, _Lateness, float, _Lateness, S1Source]:
        return asyncio.run(_read(line, loaded, chunk, seconds, settings))

    idle, idle_late, busy, busy_late, source = benchmark.pedantic(run, rounds=1)
    status = source.status
    assert status.good > 2500 * seconds
    assert (status.damaged, status.details["overrun_bytes"]) == (0, 0)
    with capsys.disabled():
        sys.stdout.write(
            f"\nS1 from a pty, {chunk} octets a time, pieces of "
            f"{1000 * source._block:.0f} ms: {100 * (busy - idle):.1f} % of a "
            f"core above idle; loop late at most {1000 * busy_late.worst():.1f} ms "
            f"(idle {1000 * idle_late.worst():.1f} ms), "
            f"p99 {1000 * busy_late.worst(0.01):.1f} ms; CPU of the longest callback "
            f"{1000 * max(ours.callbacks):.2f} ms, of the longest analysis "
            f"{1000 * max(ours.analyses):.2f} ms; hop to the thread and back at most "
            f"{1000 * max(ours.hops):.2f} ms\n"
        )
    benchmark.extra_info.update(
        core=busy - idle,
        own_stall=ours.stall,
        worst_stall=busy_late.worst(),
        p99=busy_late.worst(0.01),
        longest_hop=max(ours.hops),
    )
    assert len(ours.analyses) >= seconds / source._block / 2
    if not benchmark.disabled:
        assert busy - idle <= MOST_CPU
        # The worst delay of all is the machine's as much as ours. This part is ours,
        # and what is seen of it on the loop is more than an idle one shows.
        assert ours.stall <= MOST_STALL
        assert busy_late.worst(0.01) - idle_late.worst(0.01) <= MOST_STALL
