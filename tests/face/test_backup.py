"""What a site stores is whole in a backup, whatever is written meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
import logging
from pathlib import Path
import sqlite3
import tarfile
from typing import Any

from homeassistant.components.backup import async_get_manager
from homeassistant.components.backup.manager import (
    BackupManager,
    BackupPlatformProtocol,
)
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)
from securetar import atomic_contents_add

from custom_components.netflex import backup, runtime
from custom_components.netflex.const import DOMAIN
from custom_components.netflex.northbound.messages import Outgoing
from custom_components.netflex.telecontrol.journal import Journal
from custom_components.netflex.telecontrol.journal_files import list_segments
from custom_components.netflex.telecontrol.journal_format import RecordKind
from custom_components.netflex.telecontrol.journal_verify import verify
from custom_components.netflex.telecontrol.order_book import OrderBook
from custom_components.netflex.telecontrol.order_store import OrderStore
from custom_components.netflex.telemetry.keeper import TelemetryKeeper
from custom_components.netflex.telemetry.values import Series, SeriesKind
from tests.e2e.bench import entry_data
from tests.ports import free_port

from .test_northbound import STORED
from .test_unload import until

pytestmark = pytest.mark.usefixtures("socket_enabled")

PLATFORM: BackupPlatformProtocol = backup
SERIES = [
    Series(key=f"power_{number}", kind=SeriesKind.GAUGE, unit="W")
    for number in range(40)
]


@pytest.fixture
def hass_config_dir(tmp_path: Path) -> str:
    (tmp_path / "config").mkdir()
    return str(tmp_path / "config")


@pytest.fixture
async def entry(hass: HomeAssistant) -> AsyncIterator[MockConfigEntry]:
    """A site that keeps readings, and whose broker is away."""
    entry = MockConfigEntry(
        domain=DOMAIN,
        title="Site",
        data=entry_data(free_port()),
        options={
            "version": 1,
            "readings": {"keep": True},
            "northbound": STORED | {"broker_port": free_port()},
        },
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done(wait_background_tasks=False)
    yield entry
    await backup.async_post_backup(hass)
    await hass.config_entries.async_unload(entry.entry_id)
    await runtime.async_close_parked(hass, entry.entry_id)


def keeper_of(entry: MockConfigEntry) -> TelemetryKeeper:
    keeper = entry.runtime_data.readings._keeper
    assert keeper is not None
    return keeper


class Minutes:
    """The clock of a keeper, which goes a minute further with each reading."""

    def __init__(self, keeper: TelemetryKeeper) -> None:
        self._keeper = keeper
        self.now = keeper._clock()
        keeper._clock = lambda: self.now

    def write(self, count: int) -> None:
        for _ in range(count):
            self.now += 60.0
            self._keeper.take(dict.fromkeys(SERIES, self.now), {})


async def copied(hass: HomeAssistant, target: Path) -> Path:
    """Copy the configuration the way that Home Assistant backs it up."""

    def copy() -> None:
        with tarfile.open(target.with_suffix(".tar"), "w") as archive:
            atomic_contents_add(
                archive, Path(hass.config.config_dir), lambda _path: False, "data"
            )
        with tarfile.open(target.with_suffix(".tar")) as archive:
            archive.extractall(target, filter="data")

    await hass.async_add_executor_job(copy)
    return target / "data"


def rows(path: Path, table: str) -> int:
    """Return how much a copied store has, after a look at all of it."""
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        found: int = db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]  # noqa: S608
    db.close()
    return found


async def test_everything_is_whole_in_copies_that_are_made_during_writes(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    entry: MockConfigEntry,
    tmp_path: Path,
) -> None:
    run = entry.runtime_data
    minutes = Minutes(keeper_of(entry))
    minutes.write(30)
    outbox = run.northbound._bridge._outbox
    messages = [
        Outgoing(topic=f"@update/{number}", data={"value": number}, retain=False)
        for number in range(50)
    ]
    await outbox.append(messages)
    # Stored some time later, unless a backup comes first.
    stores = (f"{DOMAIN}.{entry.entry_id}", f"{DOMAIN}.{entry.entry_id}.quality")
    assert not [name for name in stores if name in hass_storage]
    await PLATFORM.async_pre_backup(hass)
    for name in stores:
        assert hass_storage[name]["data"]
    kept = await keeper_of(entry).ask(lambda store: len(store.series()))
    writing = True

    async def write() -> None:
        number = 0
        while writing:
            number += 1
            run.journal.record(RecordKind.WRITE, {"value": number})
            run.journal.record(RecordKind.ORDER, {"name": "maxsetp", "value": number})
            minutes.write(3)
            await outbox.append(messages)
            run._save_soon()
            await asyncio.sleep(0.002)

    task = asyncio.create_task(write())
    try:
        for number in range(4):
            data = await copied(hass, tmp_path / f"copy{number}")
            mine = data / DOMAIN
            readings = mine / "readings" / f"{entry.entry_id}.db"
            assert rows(readings, "series") >= kept >= len(SERIES)
            assert rows(readings, "reading") >= 29 * len(SERIES)
            waiting = mine / "northbound" / entry.entry_id / "outbox.db"
            assert rows(waiting, "message") >= 50
            verdict = verify(
                list_segments(mine / "journal" / entry.entry_id), pause=lambda: True
            )
            assert verdict is not None
            assert verdict.sound, verdict
            orders = OrderStore(data / ".storage" / f"{DOMAIN}.{entry.entry_id}.orders")
            assert (await orders.load()).copied
            await orders.close()
    finally:
        writing = False
        await task
    await PLATFORM.async_post_backup(hass)
    assert await run.journal.settled(30.0)


async def test_orders_are_whole_in_copies_that_are_made_during_writes(
    hass: HomeAssistant, tmp_path: Path
) -> None:
    """Neither held nor locked: an order never waits for a backup."""
    path = Path(hass.config.config_dir) / "orders"
    store = OrderStore(path)
    await store.load()
    writing, written = True, 0

    async def write() -> None:
        nonlocal written
        while writing:
            await store.write(OrderBook()).written
            written += 1

    task = asyncio.create_task(write())
    for number in range(50):
        before = written
        await until(lambda before=before: written > before)
        target = tmp_path / f"orders{number}"
        await hass.async_add_executor_job(
            lambda target=target: target.write_bytes(path.read_bytes())
        )
        copy = OrderStore(target)
        assert (await copy.load()).copied
        await copy.close()
    writing = False
    await task
    await store.close()


async def test_files_are_held_and_let_go_again(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    journal: Journal = entry.runtime_data.journal
    writer = journal._writer
    await PLATFORM.async_pre_backup(hass)
    assert writer.hold
    assert await journal.settled(0.0)
    content = list_segments(journal.folder)[-1].path.read_bytes()
    assert b'"kind":"started"' in content
    assert await checkpoint(entry) == 0
    # Orders and readings go on meanwhile.
    journal.record(RecordKind.LINK, {"event": "opened"})
    assert await journal.settled(10.0)
    await PLATFORM.async_post_backup(hass)
    assert not writer.hold
    assert await checkpoint(entry) > 0
    await PLATFORM.async_post_backup(hass)


async def checkpoint(entry: MockConfigEntry) -> int:
    """Return after how many pages of its log the store's file is written to; 0: never."""

    def ask(store: Any) -> int:
        (pages,) = store._db.execute("PRAGMA wal_autocheckpoint").fetchone()
        return int(pages)

    return await keeper_of(entry).ask(ask)


async def test_a_backup_that_never_ends_is_given_up(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    writer = entry.runtime_data.journal._writer
    await PLATFORM.async_pre_backup(hass)
    async_fire_time_changed(
        hass, dt_util.utcnow() + timedelta(seconds=backup.LONGEST + 1)
    )
    await hass.async_block_till_done()
    assert not writer.hold
    assert await checkpoint(entry) > 0


async def test_a_site_that_leaves_during_a_backup_holds_nothing_afterwards(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    writer = entry.runtime_data.journal._writer
    await PLATFORM.async_pre_backup(hass)
    assert await hass.config_entries.async_unload(entry.entry_id)
    await PLATFORM.async_post_backup(hass)
    assert not writer.hold
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done(wait_background_tasks=False)
    assert entry.runtime_data.journal._writer is writer
    assert await checkpoint(entry) > 0


@pytest.fixture
async def manager(hass: HomeAssistant, entry: MockConfigEntry) -> BackupManager:
    """Home Assistant's own backups, which know of the integration."""
    assert await async_setup_component(hass, "backup", {})
    await hass.async_block_till_done(wait_background_tasks=False)
    manager = async_get_manager(hass)
    assert DOMAIN in manager.platforms
    return manager


async def test_a_site_that_is_set_up_during_a_backup_is_held_until_its_end(
    hass: HomeAssistant, entry: MockConfigEntry, manager: BackupManager
) -> None:
    # No site is loaded when it begins.
    assert await hass.config_entries.async_unload(entry.entry_id)
    await runtime.async_close_parked(hass, entry.entry_id)
    await manager.async_pre_backup_actions()
    assert await hass.config_entries.async_setup(entry.entry_id)
    await held(entry)
    # One that is loaded anew holds as well.
    assert await hass.config_entries.async_reload(entry.entry_id)
    await held(entry)
    await manager.async_post_backup_actions()
    assert not entry.runtime_data.journal._writer.hold
    assert await checkpoint(entry) > 0


async def held(entry: MockConfigEntry) -> None:
    """Wait until everything of a site is held."""
    await until(lambda: entry.runtime_data.journal._writer.hold)
    async with asyncio.timeout(10):
        while await checkpoint(entry) != 0:
            await asyncio.sleep(0.01)


async def test_a_site_that_is_set_up_as_a_backup_ends_is_not_held_for_ever(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    manager: BackupManager,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert await hass.config_entries.async_unload(entry.entry_id)
    await manager.async_pre_backup_actions()
    reached, go_on, joined = asyncio.Event(), asyncio.Event(), asyncio.Event()
    hold = backup._hold

    async def slow(site: runtime.NetflexRuntime) -> None:
        reached.set()
        await go_on.wait()
        await hold(site)
        assert site.journal._writer.hold
        joined.set()

    monkeypatch.setattr(backup, "_hold", slow)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await reached.wait()
    await manager.async_post_backup_actions()
    go_on.set()
    await joined.wait()
    await until(lambda: not entry.runtime_data.journal._writer.hold)
    assert await checkpoint(entry) > 0


async def test_what_cannot_be_stored_keeps_nobody_from_a_backup(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def full(_hold: bool) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    async def never(_timeout: float) -> bool:
        return False

    monkeypatch.setattr(entry.runtime_data.readings, "async_hold_file", full)
    monkeypatch.setattr(entry.runtime_data.journal, "flush", never)
    caplog.clear()
    await PLATFORM.async_pre_backup(hass)
    told = [
        record.message for record in caplog.records if record.levelno >= logging.WARNING
    ]
    assert [text for text in told if "Site" in text and "journal" in text]
    assert [text for text in told if "readings of Site" in text and "full" in text]
    await PLATFORM.async_post_backup(hass)
