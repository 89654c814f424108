"""Every test here may use sockets on the loopback interface."""

from collections.abc import AsyncIterator

import pytest

from custom_components.netflex.telecontrol.station import TelecontrolStation

from .bench import Rtu, Told, connected, running


@pytest.fixture(autouse=True)
def _sockets(socket_enabled: None) -> None:
    """Let the stations of this folder talk to each other."""


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def station(told: Told, tmp_path) -> AsyncIterator[TelecontrolStation]:
    async with running(told, path=tmp_path / "orders") as station:
        yield station


@pytest.fixture
async def rtu(station: TelecontrolStation) -> AsyncIterator[Rtu]:
    async with connected(station) as rtu:
        yield rtu
