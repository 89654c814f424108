"""A P1 source on real wires: connected, cut, silent, noisy, and back again."""

import asyncio
from collections.abc import AsyncGenerator, Callable
import logging
import time

import pytest

from custom_components.netflex.metering.p1_reader import SILENCE, P1Source
from custom_components.netflex.metering.port_source import BACKOFF
from custom_components.netflex.model.connection import GridType
from custom_components.netflex.model.reading import MeterReading

from .recordings import STREAM, THREE_PHASE, encrypted_frame, recorded, telegrams_of
from .wires import Line, Listener, adapter, until

pytestmark = pytest.mark.usefixtures("socket_enabled")

_STREAM = telegrams_of(recorded(STREAM))
_GOOD = _STREAM[0]
_FAST = (0.02, 0.03)
type Make = Callable[..., P1Source]


@pytest.fixture(name="make")
async def _make() -> AsyncGenerator[Make]:
    """Make sources that retry fast, and stop them in the end."""
    made: list[P1Source] = []

    def make(url: str, **options: object) -> P1Source:
        settings: dict[str, object] = {"backoff": _FAST, "silence": 5.0, **options}
        source = P1Source(url, meter_id="meter", **settings)  # type: ignore[arg-type]
        made.append(source)
        return source

    yield make
    for source in made:
        await source.stop()


async def test_tcp_reading_within_a_second(make: Make) -> None:
    async with adapter() as wire:
        wire.greeting = _GOOD
        heard = Listener()
        source = make(wire.url)
        started = time.monotonic()
        await heard.start(source)
        await until(lambda: heard.readings, 1.0)
        (reading,) = heard.readings
        assert started <= reading.received <= time.monotonic()
        assert reading.meter_id == "meter"
        assert reading.grid_type is GridType.DELTA
        status = source.status
        assert (status.connected, status.good, status.damaged) == (True, 1, 0)
        assert status.last_good == reading.received
        assert status.problem is None
        assert [status.connected for status in heard.statuses] == [True]
        assert source.telegram is not None
        assert source.telegram.version == "50216"
        await source.stop()
        assert not source.status.connected


async def test_serial_line_with_noise_keeps_every_good_telegram(make: Make) -> None:
    line = Line()
    try:
        heard = Listener()
        source = make(line.device)
        await heard.start(source)
        await until(lambda: source.status.connected)
        noisy = bytearray(_STREAM[1])
        noisy[100] ^= 0x80
        line.send(_GOOD[300:])
        for data in (_STREAM[0], bytes(noisy), _STREAM[2], b"\xff/\x00", _STREAM[3]):
            for start in range(0, len(data), 60):
                line.send(data[start : start + 60])
                await asyncio.sleep(0)
        await until(lambda: len(heard.readings) == 3)
        status = source.status
        assert (status.good, status.damaged) == (3, 2)
        assert all(
            earlier.received <= later.received
            for earlier, later in zip(heard.readings, heard.readings[1:], strict=False)
        )
    finally:
        line.close()


@pytest.mark.slow
async def test_serial_line_at_its_real_rate_with_noise(make: Make) -> None:
    """Eight seconds of 115200 baud, a telegram a second, every fourth one damaged."""
    line = Line()
    try:
        heard = Listener()
        source = make(line.device)
        await heard.start(source)
        await until(lambda: source.status.connected)
        loop = asyncio.get_running_loop()
        begin = loop.time()
        for second, data in enumerate(_STREAM[:8]):
            noisy = bytearray(data)
            if second % 4 == 1:
                noisy[50 * second] ^= 0x80
            for start in range(0, len(noisy), 58):
                line.send(bytes(noisy[start : start + 58]))
                await asyncio.sleep(0.005)
            await asyncio.sleep(max(begin + second + 1 - loop.time(), 0))
        await until(lambda: source.status.good == 6)
        assert source.status.damaged == 2
        assert len(heard.readings) == 6
    finally:
        line.close()


async def test_unplugged_serial_line_is_said_and_retried(make: Make) -> None:
    line = Line()
    heard = Listener()
    source = make(line.device)
    await heard.start(source)
    await until(lambda: source.status.connected)
    line.send(_GOOD)
    await until(lambda: heard.readings)
    line.close()
    await until(lambda: source.status.problem_key == "cannot_connect")
    assert not source.status.connected
    assert source.status.last_good == heard.readings[0].received
    assert heard.statuses[-1].problem is not None


async def test_adapter_that_goes_away_and_comes_back(make: Make) -> None:
    async with adapter() as wire:
        wire.greeting = _GOOD
        heard = Listener()
        source = make(wire.url)
        await heard.start(source)
        await until(lambda: heard.readings)
        await wire.close()
        await until(lambda: "refuses" in (source.status.problem or ""))
        assert source.status.problem_key == "cannot_connect"
        assert not source.status.connected
        await wire.open()
        await until(lambda: len(heard.readings) == 2)
        assert source.status.connected
        assert source.status.problem is None
        assert source.status.details["connections"] == 2
        assert [status.connected for status in heard.statuses][-1]


async def test_half_a_telegram_before_a_cut_does_not_reach_over_it(make: Make) -> None:
    async with adapter() as wire:
        heard = Listener()
        source = make(wire.url)
        await heard.start(source)
        await until(lambda: source.status.connected and wire.accepted == 1)
        wire.send(_STREAM[0] + _STREAM[1][:200])
        await until(lambda: heard.readings)
        wire.greeting = _STREAM[1][200:] + _STREAM[2]
        wire.drop()
        await until(lambda: len(heard.readings) == 2)
        assert source.status.good == 2
        assert source.status.damaged == 1


async def test_silence_names_the_user_port_and_reconnects(make: Make) -> None:
    async with adapter() as wire:
        heard = Listener()
        source = make(wire.url, silence=0.1)
        await heard.start(source)
        await until(lambda: source.status.problem_key == "no_data")
        assert "switched off" in (source.status.problem or "")
        assert "Mijn Fluvius" in (source.status.problem or "")
        await until(lambda: wire.accepted >= 3)
        # While it is tried again and again the problem stands.
        assert {status.problem_key for status in heard.statuses[1:]} == {"no_data"}
        wire.greeting = _GOOD
        await until(lambda: heard.readings)
        assert source.status.problem is None


async def test_meter_that_falls_silent_on_an_open_connection(make: Make) -> None:
    async with adapter() as wire:
        wire.greeting = _GOOD
        heard = Listener()
        source = make(wire.url, silence=0.1)
        await heard.start(source)
        await until(lambda: wire.accepted >= 2)
        assert any("silent" in (status.problem or "") for status in heard.statuses)


async def test_meter_that_sends_every_ten_seconds_is_not_cut_off(make: Make) -> None:
    now = 0.0
    # A tenth of the real times, on a clock that the test turns.
    async with adapter() as wire:
        heard = Listener()
        source = make(wire.url, silence=SILENCE / 10, clock=lambda: now)
        await heard.start(source)
        await until(lambda: wire.accepted == 1)
        for number in range(1, 5):
            now += 1.0
            # The source has looked at the time meanwhile.
            await asyncio.sleep(0.05)
            await asyncio.sleep(0.05)
            wire.send(_GOOD)
            await until(lambda count=number: source.status.good == count)
        assert wire.accepted == 1
        assert [status.problem for status in heard.statuses] == [None]
        now += SILENCE / 10 + 0.1
        await until(lambda: wire.accepted == 2)


async def test_encrypted_meter_is_named(make: Make) -> None:
    async with adapter() as wire:
        heard = Listener()
        source = make(wire.url, silence=0.2)
        await heard.start(source)
        while source.status.problem_key is None:
            wire.send(encrypted_frame())
            await asyncio.sleep(0.02)
        assert source.status.problem_key == "encrypted"
        assert source.status.connected
        assert source.status.details["encrypted_frames"]


async def test_bytes_that_are_no_telegram_are_named(make: Make) -> None:
    async with adapter() as wire:
        heard = Listener()
        source = make(wire.url, silence=0.2)
        await heard.start(source)
        while source.status.problem_key is None:
            wire.send(b"\x7e\x80\x2b\xff\x03 something else\r\n")
            await asyncio.sleep(0.02)
        assert source.status.problem_key == "not_p1"
        wire.send(_GOOD)
        await until(lambda: heard.readings)
        assert source.status.problem is None


async def test_a_callback_that_fails_costs_nothing(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    taken: list[MeterReading] = []

    def take(reading: MeterReading) -> None:
        taken.append(reading)
        raise ValueError("not mine")

    async with adapter() as wire:
        wire.greeting = _STREAM[0] + _STREAM[1]
        source = make(wire.url)
        await source.start(taken.append, lambda _status: None)
        await source.stop()
        await source.start(take, lambda _status: None)
        await until(lambda: len(taken) >= 2)
        assert source.status.connected
    assert "a callback failed" in caplog.text


async def test_bytes_are_handed_on_unchanged(make: Make) -> None:
    seen = bytearray()
    data = b"\xff\x00" + _STREAM[0] + b"noise" + _STREAM[1]
    async with adapter() as wire:
        wire.greeting = data
        heard = Listener()
        await heard.start(make(wire.url, on_bytes=seen.extend))
        await until(lambda: len(seen) == len(data))
        assert seen == data


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("/dev/netflex-no-such-port", "is not there"),
        ("gopher://127.0.0.1:1", "cannot be opened"),
        ("socket://127.0.0.1", "cannot be opened"),
        ("socket://[::1", "cannot be opened"),
    ],
)
async def test_wrong_ports_are_said_and_retried(
    make: Make, url: str, words: str
) -> None:
    heard = Listener()
    source = make(url)
    await heard.start(source)
    await until(lambda: source.status.problem)
    assert words in (source.status.problem or "")
    assert source.status.problem_key == "cannot_connect"
    assert not source.status.connected


async def test_secrets_in_a_url_are_not_told(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    heard = Listener()
    source = make("gopher://user:geheim@127.0.0.1:1/x?key=geheim")
    await heard.start(source)
    with caplog.at_level(logging.DEBUG, "custom_components.netflex"):
        await until(lambda: source.status.problem)
    assert "geheim" not in (source.status.problem or "")
    assert not [record for record in caplog.records if "geheim" in record.getMessage()]


async def test_a_problem_is_told_once_and_the_log_left_to_who_knows_the_name(
    make: Make, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []
    real = P1Source._read

    async def read(source: P1Source) -> None:
        tries.append(1)
        await real(source)

    monkeypatch.setattr(P1Source, "_read", read)
    heard = Listener()
    source = make("/dev/netflex-no-such-port", backoff=(0.001,))
    await heard.start(source)
    await until(lambda: len(tries) >= 20)
    await source.stop()
    assert not [item for item in caplog.records if "netflex" in item.name]
    assert len(heard.statuses) == 1


async def test_a_fault_of_our_own_is_logged_once_however_often_it_comes(
    make: Make, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    async def read(_source: P1Source) -> None:
        tries.append(1)
        raise KeyError("mine")

    monkeypatch.setattr(P1Source, "_read", read)
    heard = Listener()
    source = make("socket://127.0.0.1:1", backoff=(0.001,))
    await heard.start(source)
    await until(lambda: len(tries) >= 20)
    assert "mine" in (source.status.problem or "")
    assert len([item for item in caplog.records if "netflex" in item.name]) == 1


async def test_back_off_grows_and_a_good_telegram_starts_it_anew(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await real(0)

    async with adapter() as wire:
        await wire.close()
        heard = Listener()
        source = make(wire.url, backoff=BACKOFF)
        monkeypatch.setattr(
            "custom_components.netflex.metering.port_source.asyncio.sleep", sleep
        )
        await heard.start(source)
        end = time.monotonic() + 5
        while len(waits) < 7:
            assert time.monotonic() < end
            await real(0.005)
        await source.stop()
    for wait, base in zip(waits, (*BACKOFF, 30.0, 30.0), strict=False):
        assert base * 0.8 <= wait <= base * 1.2


async def test_started_twice_is_refused_and_stopping_twice_is_harmless(
    make: Make,
) -> None:
    source = make("/dev/netflex-no-such-port")
    heard = Listener()
    await source.stop()
    await heard.start(source)
    with pytest.raises(RuntimeError):
        await heard.start(source)
    await source.stop()
    await source.stop()


async def test_reading_carries_all_that_a_telegram_has(make: Make) -> None:
    async with adapter() as wire:
        wire.greeting = recorded(THREE_PHASE)
        heard = Listener()
        await heard.start(make(wire.url))
        await until(lambda: heard.readings)
    (reading,) = heard.readings
    assert reading.quarter_demand == 26.0
    assert len(reading.peak_history) == 3
    assert reading.sub_meters[0].value == 338.711
