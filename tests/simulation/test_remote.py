"""Requests to a simulated site: look, change, break, mend."""

import asyncio
from collections.abc import AsyncIterator
import json

import pytest

from custom_components.netflex.devices.ports import LinkParams
from custom_components.netflex.simulation.day import (
    Day,
    car_is_home,
    clock_text,
    household,
    sun,
)
from custom_components.netflex.simulation.household import SimulatedSite, SiteSettings
from custom_components.netflex.simulation.remote import (
    RemoteClient,
    RemoteError,
    RemoteServer,
)
from custom_components.netflex.simulation.site_remote import site_requests
from tests.devices.servers import own_units

pytestmark = pytest.mark.usefixtures("socket_enabled")


@pytest.fixture
async def site() -> AsyncIterator[SimulatedSite]:
    target = SimulatedSite(SiteSettings(), clock=lambda: 5.0)
    await target.start()
    yield target
    await target.stop()


@pytest.fixture
async def client(site: SimulatedSite) -> AsyncIterator[RemoteClient]:
    server = RemoteServer(site_requests(site))
    await server.start()
    remote = await RemoteClient.connect(server.port)
    yield remote
    await remote.close()
    await server.stop()


async def test_settings_change_the_plant(
    client: RemoteClient, site: SimulatedSite
) -> None:
    await client.ask("set", sun=0.5, car_plugged=False, validity=12)
    assert site.solar.sun == 0.5
    assert site.car.plugged is False
    assert site.socket.validity == 12
    status = await client.ask("status")
    assert status["sun"] == 0.5
    assert status["wires"]["relay"]["plugged"] is True


@pytest.mark.parametrize(
    "request_",
    [
        {"do": "set", "weather": 1},
        {"do": "unplug", "wire": "fridge"},
        {"do": "set", "sun": "bright"},
        {"do": "writes", "wire": "meter"},
        {"do": "dance"},
    ],
)
async def test_what_cannot_be_done_is_answered_and_the_next_request_works(
    client: RemoteClient, request_: dict[str, object]
) -> None:
    with pytest.raises(RemoteError):
        await client.ask(**request_)  # type: ignore[arg-type]
    assert await client.ask("set", sun=0.1) == {}


async def test_day_begins_when_it_is_told(
    client: RemoteClient, site: SimulatedSite
) -> None:
    await client.ask("day", origin=0.0, length=24.0, start_hour=8.25)
    site.tick(5.0)
    assert site.solar.sun == 1.0
    assert site.car.plugged


async def test_device_is_unplugged_plugged_and_made_faulty(
    client: RemoteClient, site: SimulatedSite
) -> None:
    for wire in ("meter", "charger"):
        await client.ask("unplug", wire=wire)
        assert not site.wire(wire).plugged
        await client.ask("plug", wire=wire)
        assert site.wire(wire).plugged
    await client.ask("fault", wire="charger", delay=0.5)
    await client.ask("fault", wire="meter", silent=True, damage=2)
    assert site.wires["charger"].delay == 0.5
    assert (site.meter.silent, site.meter.damage) == (True, 2)


async def test_what_was_written_to_a_device_can_be_seen(
    client: RemoteClient, site: SimulatedSite
) -> None:
    link = LinkParams(host="127.0.0.1", port=site.wire("relay").port)
    async with own_units() as units:
        await (await units.unit(link, 1)).write_coil(0, True)
    (write,) = (await client.ask("writes", wire="relay", since=5.0))["writes"]
    assert write == {
        "at": 5.0,
        "unit": 1,
        "space": "coils",
        "address": 0,
        "values": [1],
    }
    assert (await client.ask("writes", wire="relay", since=5.1))["writes"] == []


async def test_a_restart_forgets_what_was_written(
    client: RemoteClient, site: SimulatedSite
) -> None:
    site.socket.write("holding", 1210, [0x4120, 0], 5.0)
    site.relays.write("coils", 0, [1], 5.0)
    assert site.solar_contactor.closed is False
    for wire in ("charger", "relay"):
        await client.ask("reboot", wire=wire)
    assert site.socket.setpoint == 0.0
    assert site.socket.applied(5.0) == site.socket.safe_current
    assert site.solar_contactor.closed
    with pytest.raises(RemoteError):
        await client.ask("reboot", wire="meter")


async def test_line_that_is_no_request_does_not_end_the_connection(
    site: SimulatedSite,
) -> None:
    server = RemoteServer(site_requests(site))
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"hello\n[1]\n" + json.dumps({"do": "status"}).encode() + b"\n")
    answers = [json.loads(await reader.readline()) for _ in range(3)]
    assert [item["ok"] for item in answers] == [False, False, True]
    writer.close()
    await server.stop()


def test_day_passes_in_its_length_and_begins_at_its_hour() -> None:
    day = Day(origin=100, length=240, start_hour=6)
    assert day.hour(100) == 6
    assert day.hour(100 + 60) == 12
    assert day.hour(100 + 200) == 2
    assert day.at(12) == 160
    assert day.at(2) == 300


def test_sun_shines_by_day_and_the_car_leaves_once() -> None:
    assert sun(5) == sun(23) == 0
    assert sun(13.25) == 1
    assert sun(9) < sun(12)
    assert not car_is_home(11)
    assert car_is_home(18)
    assert household(7.5) == 1.5
    assert 0.4 < household(3) < 0.6
    assert clock_text(13.99) == "13:59"
