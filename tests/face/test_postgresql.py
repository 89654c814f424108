"""Long-term statistics in PostgreSQL: a real server, the recorder, our own entities."""

from collections.abc import Callable, Generator
import os
from pathlib import Path
import shutil
import subprocess
import tempfile
import time

from homeassistant.components.recorder.core import Recorder
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util
import psycopg2
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
    do_adhoc_statistics,
)

from custom_components.netflex.const import DOMAIN

from . import sites
from .fakes import FakeSite

pytestmark = pytest.mark.peer

_LIMIT = 60.0
"""s for the server to start."""


class Server:
    """A PostgreSQL server of our own: no port, a socket in its own folder.

    It refuses to run as root; then it runs as the user that Debian made for it.
    """

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._user = "postgres" if os.geteuid() == 0 else None
        # Not a test's own folder: another user could not enter that.
        self.folder = Path(tempfile.mkdtemp(prefix="netflex-pg-"))
        if self._user is not None:
            shutil.chown(self.folder, self._user)
        self._data = self.folder / "data"
        self._run(
            "initdb", "-D", str(self._data), "-A", "trust", "-U", "postgres", "-N"
        )
        self._process = subprocess.Popen(
            [
                *(self._programs / "postgres", "-D", self._data, "-k", self.folder),
                *("-c", "listen_addresses=", "-c", "fsync=off"),
            ],
            user=self._user,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _run(self, name: str, *arguments: str) -> None:
        subprocess.run(
            [self._programs / name, *arguments],
            user=self._user,
            cwd=self.folder,
            check=True,
            capture_output=True,
        )

    def make(self, database: str) -> None:
        """Make a database, once the server answers."""
        until = time.monotonic() + _LIMIT
        while True:
            try:
                self._run(
                    "createdb", "-h", str(self.folder), "-U", "postgres", database
                )
            except subprocess.CalledProcessError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
            else:
                return

    def close(self) -> None:
        """End the server and forget what it had."""
        self._process.terminate()
        self._process.wait(timeout=_LIMIT)
        shutil.rmtree(self.folder)


@pytest.fixture(scope="module")
def server(postgresql: Path) -> Generator[Server]:
    """Return a server that runs."""
    running = Server(postgresql)
    yield running
    running.close()


@pytest.fixture
def recorder_db_url(server: Server) -> str:
    """Have the recorder use it: `db_url` of Home Assistant's own configuration."""
    server.make("netflex")
    return f"postgresql://postgres@/netflex?host={server.folder}"


async def test_statistics_of_the_site_and_of_its_figures_are_in_postgresql(
    server: Server,
    recorder_mock: Recorder,
    hass: HomeAssistant,
    entry: MockConfigEntry,
    faked: Callable[[], FakeSite],
) -> None:
    assert recorder_mock.dialect_name == "postgresql"
    start = dt_util.utcnow()
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    faked()
    await async_wait_recording_done(hass)
    period = start.replace(minute=start.minute // 5 * 5, second=0, microsecond=0)
    do_adhoc_statistics(hass, start=period)
    await async_wait_recording_done(hass)
    registry = er.async_get(hass)
    wanted = {
        registry.async_get_entity_id("sensor", DOMAIN, f"{owner}_{key}")
        for owner, key in (
            (entry.entry_id, "self_sufficiency_today"),
            (entry.entry_id, "saved_today"),
            (sites.METER_ID, "energy_import"),
        )
    }
    with psycopg2.connect(
        host=str(server.folder), user="postgres", dbname="netflex"
    ) as db:
        cursor = db.cursor()
        cursor.execute(
            "SELECT statistic_id, mean, sum, state FROM statistics_short_term AS s "
            "JOIN statistics_meta AS m ON m.id = s.metadata_id"
        )
        found = {name: values for name, *values in cursor.fetchall()}
    db.close()
    assert wanted <= found.keys()
    share = registry.async_get_entity_id(
        "sensor", DOMAIN, f"{entry.entry_id}_self_sufficiency_today"
    )
    assert found[share][0] == pytest.approx(61.0)
    counter = registry.async_get_entity_id(
        "sensor", DOMAIN, f"{sites.METER_ID}_energy_import"
    )
    assert found[counter][2] == pytest.approx(1234.567)
