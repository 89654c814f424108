"""The simulated E450: when it pushes what, to whom, and its faults."""

import asyncio
from datetime import datetime, timedelta

import pytest

from custom_components.netflex.metering.dlms_objects import PushGroup, objects_of
from custom_components.netflex.metering.dlms_stream import DlmsStream
from custom_components.netflex.simulation.dlms_encoding import time_of
from tests.metering.dlms_recordings import NOON, meter


def groups_in(data: bytes) -> list[PushGroup]:
    """Return the group of each push."""
    found = []
    for push in DlmsStream().feed(data):
        groups = {code.group for code in objects_of(push.data)} - {None}
        (group,) = groups
        assert group is not None
        found.append(group)
    return found


def test_each_group_has_its_own_period() -> None:
    wire = meter()
    assert groups_in(wire.tick(0.0)) == list(PushGroup)
    assert groups_in(wire.tick(4.9)) == []
    assert groups_in(wire.tick(5.0)) == [PushGroup.TECHNICAL]
    assert groups_in(wire.tick(300.0)) == [PushGroup.TECHNICAL, PushGroup.ENERGY]
    assert groups_in(wire.tick(30 * 86400.0)) == list(PushGroup)
    assert wire.sent == 9


def test_its_faults() -> None:
    wire = meter()
    wire.damage = 1
    stream = DlmsStream()
    assert stream.feed(wire.push(PushGroup.TECHNICAL)) == []
    assert len(stream.feed(wire.push(PushGroup.TECHNICAL) * 2)) >= 1
    assert wire.damage == 0


def test_a_time_says_how_far_it_is_from_utc() -> None:
    assert time_of(NOON).hex() == "07ea0b16070c000000000000"
    summer = datetime.fromisoformat("2026-07-01T12:30:15+02:00")
    assert time_of(summer).hex() == "07ea0701030c1e0f00ff8800"
    assert summer.utcoffset() == timedelta(hours=2)


@pytest.mark.usefixtures("socket_enabled")
async def test_it_is_plugged_silenced_and_pulled() -> None:
    wire = meter()
    await wire.plug()
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
    async with asyncio.timeout(10):
        while not wire.clients:
            await asyncio.sleep(0.01)
        sent = wire.tick(0.0)
        assert await reader.readexactly(len(sent)) == sent
        wire.silent = True
        assert wire.tick(5.0)
        wire.silent = False
        sent = wire.tick(10.0)
        assert await reader.readexactly(len(sent)) == sent
        await wire.unplug()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await reader.readexactly(1)
    assert (wire.plugged, wire.clients) == (False, 0)
    writer.close()
