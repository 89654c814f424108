"""What of the wire the station itself keeps: certificates, counts, the log."""

from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
import errno
from pathlib import Path
import shutil

import pytest

from custom_components.netflex.iec104 import (
    Cause,
    ConnectionInfo,
    ControllingConfig,
    ControllingStation,
    MonitorObject,
    Rejection,
    RejectionReason,
)
from custom_components.netflex.telecontrol import station as station_module
from custom_components.netflex.telecontrol.monitor_image import MonitorImage
from custom_components.netflex.telecontrol.station import TelecontrolStation
from custom_components.netflex.telecontrol.wire_trace import WireTrace
from tests.iec104.test_tls import Authority

from .bench import SETTINGS, Told, connected, running, until


@asynccontextmanager
async def secured(station: TelecontrolStation, authority: Authority):
    """Connect with a certificate of an authority."""
    client = ControllingStation(ControllingConfig(tls=authority.settings("rtu")))
    assert station.address is not None
    try:
        await client.connect(*station.address)
        await client.start_dt()
        yield client
    finally:
        await client.close()


async def test_L26_certificates_are_renewed_under_a_link_that_stays(
    told: Told, tmp_path: Path
) -> None:
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    server = old.settings("ems")
    async with running(told, settings=replace(SETTINGS, tls=server)) as station:
        async with secured(station, old) as client:
            renewed = new.settings("ems")
            shutil.copy(renewed.certificate, server.certificate)
            shutil.copy(renewed.key, server.key)
            shutil.copy(new.path, server.authorities)
            await station.reload_certificates()
            await client.test()
            assert station.link.connected
        async with secured(station, new) as client:
            await client.test()
        server.key.unlink()
        with pytest.raises(OSError):
            await station.reload_certificates()
        async with secured(station, new) as client:
            await client.test()


async def test_without_tls_or_a_listener_there_is_nothing_to_reload(
    told: Told,
) -> None:
    station = TelecontrolStation(
        SETTINGS,
        None,
        on_order=told.on_order,
        on_link=told.on_link,
        on_problem=told.on_problem,
    )
    await station.reload_certificates()
    async with running(told) as running_station:
        await running_station.reload_certificates()
        assert running_station.link.listening


async def test_events_that_wait_for_the_operator_are_counted(told: Told) -> None:
    async with running(told) as station:
        async with connected(station) as rtu:
            assert (await rtu.order("maxsetp", 30.0)).accepted
        await until(lambda: not station.link.connected)
        for _ in range(2):
            station.report("test", Cause.SPONTANEOUS)
            station.report("maxsetp", Cause.SPONTANEOUS)
        await until(lambda: station.link.events_waiting >= 4)
        assert station.link.events_dropped == 0
        async with connected(station):
            await until(lambda: station.link.events_waiting == 0)


async def test_the_log_of_the_wire_tells_the_story_of_a_link(told: Told) -> None:
    trace = WireTrace()
    station = TelecontrolStation(
        SETTINGS,
        None,
        on_order=told.on_order,
        on_link=trace.link,
        on_problem=told.on_problem,
        wire_log=trace.apdu,
    )
    await station.start()
    async with connected(station) as rtu:
        await rtu.order("maxsetp", 30.0)
    await until(lambda: not station.link.connected)
    await station.stop()

    texts = [entry.text for entry in trace.entries()]
    story = [
        "listening",
        "U STARTDT_ACT",
        "data transfer started",
        "C_SE_NC_1 activation CA=100",
        "C_SE_NC_1 activation_confirmation CA=100",
        "closed: the RTU has closed the connection",
        "link lost",
        "not listening",
    ]
    found = [
        next((place for place, text in enumerate(texts) if part in text), -1)
        for part in story
    ]
    assert -1 not in found, (texts, found)
    assert found == sorted(found)


async def test_measurements_that_cannot_be_sent_are_logged_once(
    told: Told, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries = []

    def faulty(_image: MonitorImage) -> list[MonitorObject]:
        tries.append(1)
        raise ValueError("no number")

    monkeypatch.setattr(MonitorImage, "measurements", faulty)
    timing = replace(SETTINGS.timing, measurement_interval=0.002)
    async with running(told, settings=replace(SETTINGS, timing=timing)):
        await until(lambda: len(tries) >= 20)
    assert caplog.text.count("Measurements could not be sent") == 1


async def test_listeners_that_fail_fail_neither_the_operator_nor_the_link(
    told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_told: object) -> None:
        raise ValueError("no such entity")

    told.on_order = told.on_link = told.on_problem = fail  # type: ignore[method-assign]
    settings = replace(SETTINGS, timing=replace(SETTINGS.timing, link_alarm=0.02))
    async with running(told, settings=settings) as station:
        async with connected(station) as rtu:
            assert (await rtu.order("maxsetp", 30.0)).accepted
            assert station.orders.maxsetp is not None
        await until(lambda: "listener to the station's problems failed" in caplog.text)
    assert "A listener to the operator's orders failed" in caplog.text
    assert "A listener to the operator's link failed" in caplog.text


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), "without more rights"),
        (OSError(errno.EMFILE, "Too many open files"), "cannot be listened on: "),
    ],
)
async def test_why_it_does_not_listen_is_shown_until_it_does(
    told: Told, monkeypatch: pytest.MonkeyPatch, error: OSError, words: str
) -> None:
    class Refusing:
        async def start(self) -> None:
            raise error

    with monkeypatch.context() as patch:
        patch.setattr(station_module, "make_station", lambda *_a, **_b: Refusing())
        async with running(told) as station:
            assert station.link.problem is not None
            assert words in station.link.problem
            assert not station.link.listening
            patch.undo()
            await until(lambda: station.link.listening)
            assert station.link.problem is None


@pytest.mark.parametrize(
    "request_octets",
    [
        # An interrogation, and a type that no standard knows.
        bytes((100, 1, 5, 0, 100, 0, 0, 0, 0, 20)),
        bytes((200, 1, 6, 0, 100, 0, 1, 0, 0, 0)),
        b"",
    ],
)
async def test_a_refused_request_that_is_no_order_is_told_as_none(
    told: Told, request_octets: bytes
) -> None:
    async with running(told) as station, connected(station):
        await until(lambda: station.link.connected)
        station._events.rejected(
            Rejection(
                reason=RejectionReason.CAUSE,
                cause=45,
                request=request_octets,
                connection=ConnectionInfo(
                    number=1,
                    address="127.0.0.1",
                    port=1,
                    opened_at=datetime.now(UTC),
                ),
            )
        )
        assert told.events == []
