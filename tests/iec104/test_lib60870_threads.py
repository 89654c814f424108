"""c104's threads and the station's loop wait for each other within bounds only."""

import asyncio
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
import socket
import struct
import subprocess
import sys
import time

import pytest

from custom_components.netflex.iec104 import (
    Cause,
    Command,
    ParameterError,
    Responder,
    StationConfig,
    TlsSettings,
    TypeId,
    engine as engine_module,
    lib60870_calls,
    lib60870_station,
)
from custom_components.netflex.iec104.apdu import UFunction, build_i, build_u
from custom_components.netflex.iec104.engine import Engine, check_engine
from custom_components.netflex.iec104.lib60870 import Report, Verdict
from custom_components.netflex.iec104.link_user import Direction

from .bench import (
    FEEDBACK,
    MEASUREMENT,
    SELECTED_SETPOINT,
    SETPOINT,
    STOP_PRODUCTION,
    Plant,
    body,
    setpoint,
    single,
)
from .engines import answered, answers_to, running_on
from .test_application_layer import interrogated, interrogation
from .test_engines import until

needs_c104 = pytest.mark.lib60870
SE = TypeId.C_SE_NC_1


class LatePlant(Plant):
    """Leaves every confirmation to the test."""

    def __init__(self) -> None:
        super().__init__()
        self.responders: list[Responder] = []

    def execute(self, command: Command, responder: Responder) -> None:
        self.executed.append(command)
        responder.defer()
        self.responders.append(responder)


def stand_still(condition: Callable[[], bool]) -> None:
    """Let nothing of the loop run until the condition holds."""
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)


@pytest.fixture
def late_octets(monkeypatch: pytest.MonkeyPatch, lib60870: None) -> Generator[None]:
    """Let c104 tell of what passed on the wire long after it passed."""
    handed_on = lib60870_calls.Calls.apdu
    alarms: list[asyncio.TimerHandle] = []

    def late(calls: lib60870_calls.Calls, direction: Direction, apdu: bytes) -> None:
        def in_time() -> None:
            alarms.append(
                calls.loop.call_later(0.05, handed_on, calls, direction, apdu)
            )

        with suppress(RuntimeError):
            calls.loop.call_soon_threadsafe(in_time)

    monkeypatch.setattr(lib60870_calls.Calls, "apdu", late)
    yield
    for alarm in alarms:
        alarm.cancel()


@needs_c104
@pytest.mark.parametrize(
    ("deselects", "value", "refused"),
    [(False, 40.0, False), (False, 41.0, True), (True, 40.0, True)],
)
async def test_A21_a_selection_is_known_before_its_execution_is_answered(
    late_octets: None, deselects: bool, value: float, refused: bool
):
    selected = setpoint(SELECTED_SETPOINT, 40.0, select=True)
    async with running_on(Engine.C104) as bench, await bench.client() as client:
        client.request(selected)
        if deselects:
            client.request(selected, Cause.DEACTIVATION)
        client.request(setpoint(SELECTED_SETPOINT, value))
        *confirmed, executed = [(SE, 7, False)] * (1 + deselects) + [(SE, 7, refused)]
        assert await client.answers(1 + deselects) == confirmed
        assert await client.answers(1) == [executed]
        assert len(bench.plant.executed) == (not refused)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch, lib60870: None) -> None:
    """Shorten the bounds."""
    monkeypatch.setattr(lib60870_calls, "ANSWER_TIMEOUT", 0.4)
    monkeypatch.setattr(lib60870_calls, "READ_TIMEOUT", 0.15)


@needs_c104
@pytest.mark.parametrize("positive", [True, False])
async def test_a_deferred_confirmation_is_waited_for(lib60870: None, positive: bool):
    plant = LatePlant()
    async with running_on(Engine.C104, plant) as bench, await bench.client() as client:
        client.request(setpoint(SETPOINT))
        await until(lambda: plant.responders)
        # The loop goes on meanwhile, and so does everything that it sends.
        bench.station.report(plant.values[MEASUREMENT])
        await asyncio.sleep(0.05)
        plant.responders[0].confirm(positive=positive)
        plant.responders[0].return_information([plant.values[SETPOINT + FEEDBACK]])
        given = [await client.raw_asdu() for _ in range(3 if positive else 2)]
        answers = [(raw[0], raw[2]) for raw in given]
        assert answers[0] == (SE, 7 if positive else 0x47)
        assert (TypeId.M_ME_NC_1, Cause.SPONTANEOUS) in answers
        assert ((TypeId.M_ME_TF_1, Cause.RETURN_REMOTE) in answers) is positive


@needs_c104
async def test_a_confirmation_that_comes_too_late_is_a_refusal(
    short: None, caplog: pytest.LogCaptureFixture
):
    plant = LatePlant()
    async with running_on(Engine.C104, plant) as bench, await bench.client() as client:
        client.request(setpoint(SETPOINT))
        assert await client.answers(1) == [(SE, 7, True)]
        assert "had no answer within 0.4 s" in caplog.text
        caplog.clear()
        plant.responders[0].confirm()
        assert await answered(client) == []


@needs_c104
async def test_what_was_refused_while_the_loop_stood_still_is_never_carried_out(
    short: None, caplog: pytest.LogCaptureFixture
):
    async with running_on(Engine.C104) as bench, await bench.client() as client:
        client.request(setpoint(SETPOINT))
        stand_still(lambda: "had no answer" in caplog.text)
        assert await client.answers(1) == [(SE, 7, True)]
        assert "had no answer" in caplog.text
        caplog.clear()
        assert not bench.plant.executed
        assert await answers_to(client, setpoint(SETPOINT, 101.0)) == [(SE, 7, True)]


@needs_c104
async def test_values_are_read_while_the_loop_stands_still(
    short: None, caplog: pytest.LogCaptureFixture
):
    def interrogate(address: tuple[str, int]) -> bytes:
        with socket.create_connection(address) as raw:
            raw.sendall(build_u(UFunction.STARTDT_ACT))
            raw.sendall(build_i(0, 0, body(100, 6, b"\x00\x00\x00\x14")))
            received = b""
            while bytes((100, 1, 10)) not in received:
                received += raw.recv(65536)
            return received

    async with running_on(Engine.C104) as bench:
        with ThreadPoolExecutor(1) as pool:
            found = pool.submit(interrogate, bench.address)
            stand_still(found.done)
            assert found.done()
        assert struct.pack("<H", MEASUREMENT) in found.result()
        assert "those of before" in caplog.text
        caplog.clear()


@needs_c104
async def test_commands_reports_reads_and_restarts_at_once(lib60870: None):
    plant = Plant()
    async with running_on(Engine.C104, plant) as bench:
        for _ in range(3):
            async with (
                await bench.client() as first,
                await bench.client() as second,
            ):
                clients = (first, second)
                for number in range(60):
                    for client in clients:
                        client.request(setpoint(SETPOINT, float(number)))
                        client.request(single(STOP_PRODUCTION, number % 2 == 0))
                    if number % 10 == 0:
                        first.request(interrogation())
                    bench.station.report(
                        plant.put(TypeId.M_ME_NC_1, MEASUREMENT, float(number))
                    )
                    await asyncio.sleep(0)
                await until(lambda: len(plant.executed) >= 240)
                plant.executed.clear()
                # In the middle of what is still being sent:
                await bench.station.stop()
            await bench.station.start()
        async with await bench.client() as client:
            client.request(interrogation())
            assert (await interrogated(client))[-1].cause == 10


@needs_c104
async def test_stop_while_a_command_waits_for_its_answer(lib60870: None):
    plant = LatePlant()
    async with running_on(Engine.C104, plant) as bench, await bench.client() as client:
        client.request(setpoint(SETPOINT))
        await until(lambda: plant.responders)
        stopping = asyncio.create_task(bench.station.stop())
        await asyncio.sleep(0.05)
        plant.responders[0].confirm()
        await asyncio.wait_for(stopping, 20)


def test_without_the_package_it_is_said_in_words(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(engine_module, "find_spec", lambda _: None)
    with pytest.raises(ParameterError, match=r"c104 is not installed") as fault:
        check_engine(Engine.C104, StationConfig())
    assert fault.value.field == "engine"
    check_engine(Engine.BUILTIN, StationConfig())


@needs_c104
def test_tls_is_refused_with_the_reason(lib60870: None, tmp_path):
    files = {name: tmp_path / name for name in ("certificate", "key", "authorities")}
    with pytest.raises(ParameterError, match="TLS handshake") as fault:
        check_engine(Engine.C104, StationConfig(tls=TlsSettings(**files)))
    assert fault.value.field == "engine"
    check_engine(Engine.BUILTIN, StationConfig(tls=TlsSettings(**files)))


@needs_c104
async def test_more_events_than_are_kept_drop_the_oldest_and_are_flagged(
    lib60870: None,
):
    async with running_on(Engine.C104, max_events=1000) as bench:
        for value in range(1010):
            bench.station.report(
                bench.plant.put(TypeId.M_ME_NC_1, MEASUREMENT, float(value))
            )
        status = bench.station.status
        assert (status.events_waiting, status.events_dropped) == (1000, 10)
        assert status.overflow


@needs_c104
async def test_there_are_no_certificates_to_read_anew(lib60870: None):
    async with running_on(Engine.C104) as bench, await bench.client() as client:
        await bench.station.reload_certificates()
        assert await answered(client) == []


@needs_c104
async def test_a_start_that_takes_too_long_is_given_up_and_can_be_tried_again(
    lib60870: None, monkeypatch: pytest.MonkeyPatch
):
    async with running_on(Engine.C104) as bench:
        await bench.station.stop()
        with monkeypatch.context() as hurried:
            hurried.setattr(lib60870_station, "START_TIMEOUT", 0.0)
            with pytest.raises(TimeoutError):
                await bench.station.start()
        assert bench.station.address is None
        await bench.station.start()
        async with await bench.client() as client:
            assert await answers_to(client, setpoint(SETPOINT)) != []


class Unasked:
    """A station that no call may come to."""

    config = StationConfig()

    def image(self) -> dict[int, Report]:
        raise ZeroDivisionError

    def __getattr__(self, name: str) -> Callable[..., None]:
        def never(*_arguments: object) -> None:
            raise AssertionError(f"{name} was called")

        return never


async def test_after_the_end_no_call_of_a_thread_gets_through():
    calls = lib60870_calls.Calls(Unasked(), asyncio.get_running_loop())  # type: ignore[arg-type]
    calls.close()
    assert calls.command(b"") is Verdict.NEGATIVE
    assert not calls.admits("127.0.0.1")
    calls.apdu(Direction.RECEIVED, b"")
    assert calls.current(1) is None
    await asyncio.sleep(0)


def test_a_loop_that_is_gone_is_no_fault_of_a_thread():
    loop = asyncio.new_event_loop()
    calls = lib60870_calls.Calls(Unasked(), loop)  # type: ignore[arg-type]
    loop.close()
    assert calls.command(b"") is Verdict.NEGATIVE
    assert not calls.admits("127.0.0.1")


async def test_a_fault_while_values_are_read_is_raised_in_the_thread_that_asked():
    loop = asyncio.get_running_loop()
    calls = lib60870_calls.Calls(Unasked(), loop)  # type: ignore[arg-type]
    with pytest.raises(ZeroDivisionError):
        await loop.run_in_executor(None, calls.current, 1)


def test_nothing_of_it_is_loaded_unless_chosen():
    code = (
        "import sys, custom_components.netflex.telecontrol.station;"
        "print([name for name in sys.modules"
        " if name.rpartition('.')[2].startswith(('c104', 'lib60870'))])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout == "[]\n"
