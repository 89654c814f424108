"""The station with its journal: no order waits for it, none is without a record."""

import asyncio
from collections.abc import AsyncIterator
import errno
import os
from pathlib import Path
import threading
from typing import Any

import pytest

from custom_components.netflex.iec104 import CloseCode, CloseReason
from custom_components.netflex.telecontrol import (
    journal as journal_module,
    journal_files,
    station_journal,
)
from custom_components.netflex.telecontrol.journal import Journal
from custom_components.netflex.telecontrol.order_store import OrderStore
from custom_components.netflex.telecontrol.station import TelecontrolStation
from custom_components.netflex.telecontrol.station_journal import StationJournal

from .bench import SETTINGS, Rtu, Told, connected
from .journals import Problems, check, records, running


async def until(condition: Any, seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    async with running(tmp_path / "j", Problems(), retry=0.02) as journal:
        yield journal


def make(told: Told, path: Path, journal: Journal) -> TelecontrolStation:
    station = TelecontrolStation(
        SETTINGS,
        OrderStore(path),
        on_order=told.on_order,
        on_link=told.on_link,
        on_problem=told.on_problem,
        journal=journal,
    )
    told.station = station
    return station


@pytest.fixture
async def rtu(told: Told, tmp_path: Path, journal: Journal) -> AsyncIterator[Rtu]:
    station = make(told, tmp_path / "orders", journal)
    try:
        await station.start()
        async with connected(station) as rtu:
            yield rtu
    finally:
        await station.stop()


async def test_S01_a_confirmed_order_has_its_record(rtu: Rtu, tmp_path: Path) -> None:
    for name, value in (("maxsetp", 40.0), ("maxsetp", 90.0), ("test", True)):
        assert (await rtu.order(name, value, wait_termination=False)).accepted
        # Read at once: the record was there before the confirmation.
        orders = [r.data for r in records(tmp_path / "j") if r.kind == "order"]
        assert (orders[-1]["name"], orders[-1]["value"]) == (name, value)


async def test_A31_reason_99_and_the_test_command_mark_a_certification(
    rtu: Rtu, tmp_path: Path
) -> None:
    story = [
        ("maxsetp", 40.0, False),
        ("redenp", 99.0, True),
        ("maxsetp", 90.0, True),
        ("emergency_stop_production", True, True),
        ("redenp", 1.0, False),
        ("redenq", 99.0, True),
        ("redenq", 0.0, False),
        ("test", True, True),
        ("maxsetp", 80.0, True),
        ("test", False, False),
    ]
    for name, value, _ in story:
        assert (await rtu.order(name, value)).accepted
    assert not (await rtu.order("maxsetp", 150.0)).accepted
    found = [r.data for r in records(tmp_path / "j") if r.kind == "order"]
    assert [(one["name"], one["value"], one["certification"]) for one in found] == story

    def refused() -> list[Any]:
        kind = "order_refused"
        return [r.data for r in records(tmp_path / "j") if r.kind == kind]

    # A refusal is answered before it is written down.
    await until(lambda: bool(refused()))
    assert [one["certification"] for one in refused()] == [False]


async def test_every_answer_has_a_record(rtu: Rtu, tmp_path: Path) -> None:
    await rtu.order("maxsetp", 40.0)
    assert not (await rtu.order("maxsetp", 150.0)).accepted
    await rtu.client.close()

    def told(kind: str) -> list[Any]:
        return [r.data for r in records(tmp_path / "j") if r.kind == kind]

    await until(lambda: [d["event"] for d in told("link")][-1] == "closed")
    assert [d["event"] for d in told("link")] == ["opened", "started", "closed"]
    assert told("link")[-1]["reason"]
    assert [d["accepted"] for d in told("confirmation")] == [True, False]
    assert told("order_refused")[0]["reason"]
    assert [d["name"] for d in told("termination")] == ["maxsetp"]
    assert told("feedback")[0]["cause"] == "command"
    assert told("feedback")[0]["value"] == 40.0
    assert check(tmp_path / "j").sound


async def test_S06_a_release_is_recorded_and_nothing_is_recovered_after_it(
    rtu: Rtu, told: Told, tmp_path: Path, journal: Journal
) -> None:
    await rtu.order("maxsetp", 40.0)
    assert told.station is not None
    await told.station.release_orders("J. Peeters", "T-1")
    await told.station.stop()
    await journal.close()
    async with running(tmp_path / "j") as again:
        station = make(told, tmp_path / "orders", again)
        await station.load()
        assert await again.settled(2.0)
        await station.stop()
    found = records(tmp_path / "j")
    release = next(r.data for r in found if r.kind == "release")
    assert release == {"instructed_by": "J. Peeters", "reference": "T-1"}
    assert not [r for r in found if r.kind in ("order_recovered", "order_lost")]


async def test_S01_a_full_journal_delays_and_refuses_nothing(
    rtu: Rtu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = True
    original = os.pwrite

    def pwrite(fd: int, content: bytes, offset: int) -> int:
        if full and b'"kind"' in content:
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(fd, content, offset)

    monkeypatch.setattr(journal_files.os, "pwrite", pwrite)
    assert (await rtu.order("maxsetp", 40.0)).accepted
    monkeypatch.setattr(station_journal, "WRITE_PATIENCE", 50.0)
    # A single wait for the journal would take longer than that.
    async with asyncio.timeout(40):
        for _ in range(20):
            for on in (True, False):
                result = await rtu.order(
                    "emergency_stop_production", on, wait_termination=False
                )
                assert result.accepted
    full = False
    await until(
        lambda: sum(1 for r in records(tmp_path / "j") if r.kind == "order") == 41
    )


async def test_S01_a_hung_journal_delays_no_stop(
    rtu: Rtu, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()
    original = os.pwrite

    def pwrite(fd: int, content: bytes, offset: int) -> int:
        if b'"kind"' in content:
            assert answers.wait(50.0)
        return original(fd, content, offset)

    monkeypatch.setattr(journal_module, "STALLED_AFTER", 0.05)
    monkeypatch.setattr(journal_files.os, "pwrite", pwrite)
    try:
        async with asyncio.timeout(20):
            assert (await rtu.order("maxsetp", 40.0, wait_termination=False)).accepted
        # It is known to hang: the stop would not wait for any time.
        monkeypatch.setattr(station_journal, "WRITE_PATIENCE", 50.0)
        async with asyncio.timeout(20):
            assert (await rtu.order("emergency_stop_production", True)).accepted
        assert told.orders[-1].emergency_stop_production is not None
    finally:
        answers.set()


async def test_refused_clients_are_recorded_once_a_minute(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(
        "custom_components.netflex.telecontrol.station_journal.time.monotonic",
        lambda: now,
    )
    notes = StationJournal(journal)
    reason = CloseReason(CloseCode.ADDRESS_REFUSED)
    for number in range(500):
        notes.refused(f"10.0.0.{number % 200}", reason)
    now += 61
    notes.refused("10.0.0.1", reason)
    monkeypatch.undo()
    assert await journal.settled(2.0)
    refused = [r.data for r in records(tmp_path / "j") if r.kind == "client_refused"]
    assert [data["client"] for data in refused] == ["10.0.0.0", "10.0.0.1"]
    assert len(refused[1]["tries"]) == 50
    assert refused[1]["tries"]["10.0.0.1"] == 4
