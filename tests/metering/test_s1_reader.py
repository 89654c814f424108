"""An S1 source on real wires: its rate found, silent, noisy, slow, and back again."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
import subprocess
import sys
import threading
import time

import pytest

from custom_components.netflex.metering.errors import (
    CannotConnectError,
    NoDataError,
    NotS1Error,
    UnknownFormatError,
)
from custom_components.netflex.metering.overload import OverloadLimits
from custom_components.netflex.metering.port import PortConnection
from custom_components.netflex.metering.s1_analysis import (
    S1Analysis,
    S1Result,
    S1Settings,
)
from custom_components.netflex.metering.s1_format import EMUCS_H_1_3, S1Counts
from custom_components.netflex.metering.s1_port import (
    probe_s1,
    rates_to_try,
    undamaged_part,
)
from custom_components.netflex.metering.s1_reader import (
    FAST_BLOCK,
    PENDING_LIMIT,
    S1Listeners,
    S1Source,
)
from custom_components.netflex.metering.source import MeterStatus
from custom_components.netflex.model.connection import GridType, LineValues
from custom_components.netflex.model.power_quality import (
    Overload,
    PowerEvent,
    PowerQuality,
    VoltageEventKind,
)
from custom_components.netflex.model.reading import MeterReading

from .s1_waves import METER, SINGLE, STAR, ZERO, frame, sine, star, stream
from .wires import Adapter, Line, adapter, until

pytestmark = pytest.mark.usefixtures("socket_enabled")

_STREAM = stream(star(), 256 * 13 / 2600)
"""1.28 s, a whole number of turns of the sequence."""
_DATA = b"".join(_STREAM)
_FAST = (0.02, 0.03)


@dataclass
class _Heard:
    """Keeps what a source says."""

    readings: list[MeterReading] = field(default_factory=list)
    statuses: list[MeterStatus] = field(default_factory=list)
    qualities: list[PowerQuality] = field(default_factory=list)
    events: list[PowerEvent] = field(default_factory=list)
    overloads: list[Overload] = field(default_factory=list)

    @property
    def listeners(self) -> S1Listeners:
        return S1Listeners(
            on_quality=self.qualities.append,
            on_event=self.events.append,
            on_overload=self.overloads.append,
        )

    async def start(self, source: S1Source) -> None:
        await source.start(self.readings.append, self.statuses.append)


type Make = Callable[..., tuple[S1Source, _Heard]]


@pytest.fixture(name="make")
async def _make() -> AsyncGenerator[Make]:
    """Make sources that retry fast, and stop them in the end."""
    made: list[S1Source] = []

    def make(url: str, **options: object) -> tuple[S1Source, _Heard]:
        heard = _Heard()
        settings: dict[str, object] = {
            "backoff": _FAST,
            "silence": 3.0,
            "block": 0.02,
            "listeners": heard.listeners,
            **options,
        }
        source = S1Source(url, meter_id="meter", **settings)  # type: ignore[arg-type]
        made.append(source)
        return source, heard

    yield make
    for source in made:
        await source.stop()


@contextmanager
def _serial() -> Generator[Line]:
    line = Line()
    try:
        yield line
    finally:
        line.close()


async def _play(line: Line | Adapter, data: bytes, rate: float = 1.0) -> None:
    """Send octets in pieces of 10 ms, at a multiple of the real rate."""
    step = 45 * 26
    begin = time.monotonic()
    for number, start in enumerate(range(0, len(data), step)):
        line.send(data[start : start + step])
        await asyncio.sleep(max(begin + number * 0.01 / rate - time.monotonic(), 0))


async def test_network_adapter_needs_no_rate(make: Make) -> None:
    async with adapter() as wire:
        wire.greeting = _DATA
        source, heard = make(wire.url)
        await heard.start(source)
        await until(lambda: heard.readings)
        (reading,) = heard.readings
        assert reading.meter_id == "meter"
        assert reading.power == pytest.approx(6900, abs=1)
        assert reading.grid_type is GridType.STAR
        (quality,) = heard.qualities
        assert source.quality is quality
        status = source.status
        assert (status.connected, status.problem) == (True, None)
        assert (status.good, status.damaged) == (len(_STREAM), 0)
        assert status.details["lost"] == 0
        assert status.details["connections"] == 1
        assert status.last_good is not None
        assert source.format is not None
        assert source.format.meter_id == METER
        # What identifies the meter is in no status.
        assert METER not in str(status)
        await source.stop()
        assert not source.status.connected


async def test_pty_at_the_first_rate(make: Make) -> None:
    with _serial() as line:
        source, heard = make(line.device)
        await heard.start(source)
        await until(lambda: source.status.connected)
        await _play(line, _DATA, rate=2)
        await until(lambda: source.status.good == len(_STREAM))
        assert source.status.details["baudrate"] == 2_000_000
        assert source.status.details["connections"] == 1
        assert heard.readings


type Wrong = Callable[..., list[int]]


@pytest.fixture(name="wrong")
async def _wrong(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Wrong]:
    """Have a port that brings other octets at each rate; tell the rates opened."""
    tasks: list[asyncio.Task[None]] = []

    def wrong(*answers: tuple[int, bytes]) -> list[int]:
        opened: list[int] = []
        by_rate = dict(answers)

        async def bring(port: PortConnection, data: bytes) -> None:
            for start in range(0, len(data), 4500):
                if port._closing:
                    break
                port.data_received(data[start : start + 4500])
                await asyncio.sleep(0.005)

        async def open_port(
            self: PortConnection, _url: str, *, baudrate: int, low_latency: bool
        ) -> None:
            assert not low_latency
            opened.append(baudrate)
            if baudrate not in by_rate:
                raise CannotConnectError("no such rate")
            tasks.append(asyncio.create_task(bring(self, by_rate[baudrate])))

        monkeypatch.setattr(PortConnection, "open", open_port)
        return opened

    yield wrong
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


_GARBAGE = bytes((31 * k * k + 7) % 256 for k in range(60000))


async def test_the_other_rate_is_found(make: Make, wrong: Wrong) -> None:
    opened = wrong((2_000_000, _GARBAGE), (1_500_000, _DATA))
    source, heard = make("/dev/ttyUSB7")
    await heard.start(source)
    await until(lambda: source.status.details["baudrate"] and heard.readings)
    assert opened == [2_000_000, 1_500_000]
    status = source.status
    assert status.details["baudrate"] == 1_500_000
    # What a trial at the wrong rate has brought is no damage of the line.
    assert (status.good > 0, status.damaged) == (True, 0)
    assert status.problem is None


async def test_a_bad_cable_is_better_than_none(make: Make, wrong: Wrong) -> None:
    noisy = bytearray(_DATA)
    for start in range(0, len(noisy), 4 * 45):
        noisy[start + 20] ^= 0xFF
    opened = wrong((2_000_000, bytes(noisy)), (1_500_000, _GARBAGE))
    source, heard = make("/dev/ttyUSB7")
    await heard.start(source)
    await until(lambda: source.status.good > 1000)
    assert opened == [2_000_000, 1_500_000, 2_000_000]
    assert source.status.damaged > 300
    assert source.status.connected


async def test_a_rate_that_the_adapter_cannot_do_is_passed_over(
    make: Make, wrong: Wrong
) -> None:
    opened = wrong((1_500_000, _DATA))
    source, heard = make("/dev/ttyUSB7")
    await heard.start(source)
    await until(lambda: heard.readings)
    assert opened == [2_000_000, 1_500_000]


async def test_no_rate_brings_frames(make: Make, wrong: Wrong) -> None:
    wrong((2_000_000, _GARBAGE), (1_500_000, _GARBAGE))
    source, heard = make("/dev/ttyUSB7")
    await heard.start(source)
    await until(lambda: source.status.problem_key == "not_s1")
    assert "1.5 Mbit/s" in (source.status.problem or "")
    assert (source.status.good, source.status.damaged) == (0, 0)


def test_rates_in_turn() -> None:
    assert rates_to_try("/dev/ttyUSB0", EMUCS_H_1_3) == (2_000_000, 1_500_000)
    assert rates_to_try("/dev/ttyUSB0", EMUCS_H_1_3, last=1_500_000) == (
        1_500_000,
        2_000_000,
    )
    assert rates_to_try("/dev/ttyUSB0", EMUCS_H_1_3, fixed=921_600) == (921_600,)
    assert len(rates_to_try("socket://10.0.0.2:2000", EMUCS_H_1_3)) == 1
    assert len(rates_to_try("rfc2217://10.0.0.2:2000", EMUCS_H_1_3)) == 2


def test_undamaged_part() -> None:
    assert undamaged_part(S1Counts(), EMUCS_H_1_3) == 0
    assert undamaged_part(S1Counts(dropped=90), EMUCS_H_1_3) == 0
    assert undamaged_part(S1Counts(good=6, dropped=90), EMUCS_H_1_3) == 0.75


@pytest.mark.slow
@pytest.mark.parametrize("chunk", [512, 4096])
async def test_serial_line_at_its_real_rate_with_noise(
    make: Make, chunk: int, tmp_path: object
) -> None:
    """Five seconds of 117 kB/s from another process, every hundredth frame damaged."""
    damaged = {k for k in range(len(_STREAM)) if k % 100 == 42}
    row = [
        data[:30] + bytes((data[30] ^ 0x55,)) + data[31:] if k in damaged else data
        for k, data in enumerate(_STREAM)
    ]
    with _serial() as line:
        source, heard = make(line.device, block=None)
        await heard.start(source)
        await until(lambda: source.status.connected)
        sender = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _SENDER,
            str(chunk),
            "4",
            stdin=subprocess.PIPE,
            stdout=line._master,
        )
        await sender.communicate(b"".join(row))
        await until(lambda: source.status.good >= 4 * (len(row) - len(damaged)))
        status = source.status
        assert status.good == 4 * (len(row) - len(damaged))
        assert status.damaged == 4 * len(damaged)
        assert status.details["lost"] == 0
        assert status.details["overrun_bytes"] == 0
        assert len(heard.readings) == 5


_SENDER = """
import os, sys, time
chunk, repeats = int(sys.argv[1]), int(sys.argv[2])
data = sys.stdin.buffer.read() * repeats
begin = time.monotonic()
for start in range(0, len(data), chunk):
    os.write(1, data[start:start + chunk])
    wait = begin + (start + chunk) / 117000 - time.monotonic()
    if wait > 0:
        time.sleep(wait)
"""


async def test_a_sag_is_told_when_it_begins(make: Make) -> None:
    sag = [sine(230, factor=lambda time: 0.5 if time > 0.3 else 1.0), *[ZERO] * 6]
    async with adapter() as wire:
        source, heard = make(wire.url)
        await heard.start(source)
        await until(lambda: source.status.connected and wire.accepted)
        began = time.monotonic()
        await _play(wire, b"".join(stream(sag, 0.5, info=SINGLE)))
        await until(lambda: heard.events)
        (event,) = heard.events
        assert event.kind is VoltageEventKind.SAG
        assert event.duration is None
        # On the clock of arrival, which a busy machine delays and never hastens.
        assert 0.25 < event.at - began < 1.0


async def test_overload_is_signalled_within_100_ms(make: Make) -> None:
    settings = S1Settings(
        overload=OverloadLimits(current=LineValues(l1=25.0, l2=25.0, l3=25.0))
    )
    told: list[float] = []
    listeners = S1Listeners(
        on_overload=lambda overload: (
            told.append(time.monotonic()) if overload.active else None
        )
    )
    delays: list[float] = []
    async with adapter() as wire:
        source, heard = make(
            wire.url, settings=settings, listeners=listeners, block=None
        )
        assert source._block == FAST_BLOCK
        await heard.start(source)
        await until(lambda: source.status.connected and wire.accepted)
        # A busy machine may be late; the path itself is not.
        for first in range(0, 3 * 1040, 1040):
            await _play(wire, b"".join(stream(star(10), 0.2, first=first)))
            told.clear()
            begin = time.monotonic()
            await _play(wire, b"".join(stream(star(40), 0.2, first=first + 520)))
            await until(lambda: told)
            delays.append(told[0] - begin)
    # 0.1 s on a machine that has time: what is waited for is a block and a period.
    assert FAST_BLOCK + 0.02 <= 0.1
    assert min(delays) < 1.0


async def test_unplugged_and_back(make: Make) -> None:
    async with adapter() as wire:
        wire.greeting = _DATA
        source, heard = make(wire.url)
        await heard.start(source)
        await until(lambda: heard.readings)
        await wire.close()
        await until(lambda: "refuses" in (source.status.problem or ""))
        assert source.status.problem_key == "cannot_connect"
        assert not source.status.connected
        await wire.open()
        await until(lambda: len(heard.readings) >= 2)
        status = source.status
        assert (status.connected, status.problem) == (True, None)
        # Counts go on over connections, and the pause is no loss of frames.
        assert (status.good, status.details["lost"]) == (2 * len(_STREAM), 0)
        assert status.details["connections"] == 2


async def test_silence_names_the_user_port(make: Make) -> None:
    async with adapter() as wire:
        source, heard = make(wire.url, silence=0.1)
        await heard.start(source)
        await until(lambda: source.status.problem_key == "no_data")
        assert "switched off" in (source.status.problem or "")
        await until(lambda: wire.accepted >= 3)
        wire.greeting = _DATA
        await until(lambda: heard.readings)
        assert source.status.problem is None


async def test_silent_serial_line_is_not_tried_at_other_rates(make: Make) -> None:
    with _serial() as line:
        source, heard = make(line.device, silence=0.2, backoff=(5.0,))
        await heard.start(source)
        await until(lambda: source.status.problem_key == "no_data")
        assert source.status.details["connections"] == 1


async def test_meter_that_falls_silent(make: Make) -> None:
    async with adapter() as wire:
        wire.greeting = _DATA
        source, heard = make(wire.url, silence=0.15)
        await heard.start(source)
        await until(lambda: wire.accepted >= 2)
        assert any("fallen silent" in (s.problem or "") for s in heard.statuses)


async def test_p1_on_the_s1_port_is_named(make: Make) -> None:
    async with adapter() as wire:
        source, heard = make(wire.url, silence=0.1)
        await heard.start(source)
        while source.status.problem_key is None:
            wire.send(b"/FLU5\\253769484_A\r\n\r\n0-0:96.1.4(50217)\r\n")
            await asyncio.sleep(0.02)
        assert source.status.problem_key == "not_s1"
        assert source.status.connected
        wire.send(_DATA)
        await until(lambda: heard.readings)
        assert source.status.problem is None


async def test_frames_too_damaged_to_measure_are_named(make: Make) -> None:
    row = b"".join(data for k, data in enumerate(_STREAM) if k % 40 < 30)
    async with adapter() as wire:
        source, heard = make(wire.url, silence=0.2)
        await heard.start(source)
        while source.status.problem_key is None:
            wire.send(row[: 45 * 260])
            await asyncio.sleep(0.02)
        assert source.status.problem_key == "damaged"
        assert source.status.good
        assert source.status.last_good is None


async def test_unknown_format_is_named(make: Make) -> None:
    strange = b"".join(frame(sequence=k, info=STAR | 1 << 5) for k in range(50))
    async with adapter() as wire:
        source, heard = make(wire.url, silence=0.1)
        await heard.start(source)
        while source.status.problem_key is None:
            wire.send(strange)
            await asyncio.sleep(0.02)
        assert source.status.problem_key == "unknown_format"
        assert source.status.details["refused"]
        assert not heard.readings


@pytest.fixture(name="gate")
def _gate(monkeypatch: pytest.MonkeyPatch) -> Generator[threading.Event]:
    """Hold up every analysis in its thread while the event is not set."""
    gate = threading.Event()
    real = S1Analysis.take

    def take(self: S1Analysis, data: bytes, received: float | None) -> S1Result:
        gate.wait(10)
        return real(self, data, received)

    monkeypatch.setattr(S1Analysis, "take", take)
    yield gate
    gate.set()


async def test_slow_executor_costs_samples_and_no_memory(
    make: Make, gate: threading.Event
) -> None:
    async with adapter() as wire:
        source, heard = make(wire.url)
        await heard.start(source)
        await until(lambda: source.status.connected and wire.accepted)
        wire.send(_DATA[:45000])
        await asyncio.sleep(0.05)
        for _ in range(4):
            wire.send(_DATA)
            await asyncio.sleep(0.02)
        await until(lambda: source.status.details["overrun_bytes"])
        assert len(source._pending) <= PENDING_LIMIT
        gate.set()
        await until(lambda: source.status.good > 5000)
        sent = 45000 + 4 * len(_DATA)

        def unaccounted() -> int:
            details = source.status.details
            got = source.status.good * 45 + int(details["dropped_bytes"] or 0)
            return sent - got - int(details["overrun_bytes"] or 0)

        # What is still on its way comes a moment later.
        await until(lambda: 0 <= unaccounted() < 45)
        assert source.status.connected


async def test_stopped_while_the_executor_is_busy(
    make: Make, gate: threading.Event
) -> None:
    async with adapter() as wire:
        source, heard = make(wire.url)
        await heard.start(source)
        await until(lambda: source.status.connected and wire.accepted)
        wire.send(_DATA)
        await asyncio.sleep(0.05)
        async with asyncio.timeout(1):
            await source.stop()
        wire.greeting = _DATA
        gate.set()
        await heard.start(source)
        await until(lambda: heard.readings)


async def test_waveform_of_the_next_moment_and_the_one_before(make: Make) -> None:
    async with adapter() as wire:
        source, heard = make(
            wire.url, utc_now=lambda: datetime(2026, 1, 2, 12, tzinfo=UTC)
        )
        await heard.start(source)
        await until(lambda: source.status.connected and wire.accepted)
        play = asyncio.create_task(_play(wire, _DATA))
        await asyncio.sleep(0.04)
        while source.status.good < 1000:
            await asyncio.sleep(0.01)
        recording = await source.record(0.3, before=0.2)
        await play
        assert len(recording.times) == pytest.approx(1300, abs=150)
        assert recording.samples()[:, 0].max() == pytest.approx(325, abs=1)
        assert recording.started.date() == datetime(2026, 1, 2, tzinfo=UTC).date()
        with pytest.raises(ValueError, match="At most 10 s"):
            await source.record(9, before=2)
        with pytest.raises(ValueError, match="At most"):
            await source.record(-1)


async def test_nothing_to_record_is_said(make: Make) -> None:
    source, _ = make("/dev/netflex-no-such-port")
    with pytest.raises(NoDataError):
        await source.record(0.01)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("/dev/netflex-no-such-port", "is not there"),
        ("gopher://127.0.0.1:1", "cannot be opened"),
        ("socket://127.0.0.1", "cannot be opened"),
    ],
)
async def test_wrong_ports_are_said_and_retried(
    make: Make, url: str, words: str
) -> None:
    source, heard = make(url)
    await heard.start(source)
    await until(lambda: source.status.problem)
    assert words in (source.status.problem or "")
    assert source.status.problem_key == "cannot_connect"


async def test_a_callback_that_fails_costs_nothing(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: object) -> None:
        raise ValueError("not mine")

    async with adapter() as wire:
        wire.greeting = _DATA
        source, _ = make(wire.url, listeners=S1Listeners(on_quality=fail))
        readings: list[MeterReading] = []
        await source.start(readings.append, fail)
        await until(lambda: readings)
        assert source.status.connected
    assert "a callback failed" in caplog.text


async def test_started_twice_is_refused_and_stopping_twice_is_harmless(
    make: Make,
) -> None:
    source, heard = make("/dev/netflex-no-such-port")
    await source.stop()
    await heard.start(source)
    with pytest.raises(RuntimeError):
        await heard.start(source)
    await source.stop()
    await source.stop()


async def test_probe_tells_what_the_meter_is() -> None:
    with _serial() as line:

        async def play() -> None:
            await asyncio.sleep(0.05)
            await _play(line, _DATA)

        playing = asyncio.create_task(play())
        found = await probe_s1(line.device, 2.0)
        # Nobody reads any more: what is written now would block.
        playing.cancel()
        with suppress(asyncio.CancelledError):
            await playing
        assert found.baudrate == 2_000_000
        assert found.format.meter_id == METER
        assert found.format.grid_type is GridType.STAR
        assert found.undamaged > 0.95


@pytest.mark.parametrize(
    ("greeting", "error"),
    [
        (b"", NoDataError),
        (b"/FLU5 something else" * 20, NotS1Error),
        (frame(info=STAR | 1 << 6) * 9, UnknownFormatError),
    ],
)
async def test_probe_says_why_there_is_nothing(
    greeting: bytes, error: type[Exception]
) -> None:
    async with adapter() as wire:
        wire.greeting = greeting
        with pytest.raises(error):
            await probe_s1(wire.url, 0.1)


async def test_probe_of_a_port_that_is_not_there() -> None:
    with pytest.raises(CannotConnectError, match="is not there"):
        await probe_s1("/dev/netflex-no-such-port", 0.1)
