"""cloud.iO's own packages at the other end of the same broker."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
import json
from pathlib import Path
from typing import Any

import pytest

from custom_components.netflex.northbound.codec import Format
from custom_components.netflex.northbound.settings import Protocol
from tests.northbound.broker import Broker, listening, until
from tests.northbound.conftest import tls_broker  # noqa: F401
from tests.northbound.homes import CONTROL, ENDPOINT, home, points, settings_of

pytestmark = [pytest.mark.peer, pytest.mark.usefixtures("socket_enabled")]

SCRIPT = Path(__file__).with_name("cloudio_peer.py")


@dataclass
class Peer:
    """A program of cloud.iO's packages, and what it said."""

    process: asyncio.subprocess.Process
    events: list[dict[str, Any]] = field(default_factory=list)

    async def listen(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            if line.startswith(b"{"):
                self.events.append(json.loads(line))

    def attributes(self, path: str) -> list[Any]:
        """Return the values of an attribute, as the connector passed them on."""
        return [
            event["data"]["value"]
            for event in self.events
            if event["event"] == "attribute" and event["id"] == f"{ENDPOINT}/{path}"
        ]

    def messages(self, topic: str) -> list[Any]:
        return [
            event["data"]
            for event in self.events
            if event["event"] == "message" and event["topic"].startswith(topic)
        ]

    def set(self, topic: str, form: Format, **data: Any) -> None:
        assert self.process.stdin is not None
        command = {"topic": topic, "format": form.value, "data": data}
        self.process.stdin.write(json.dumps(command).encode() + b"\n")


@asynccontextmanager
async def peer(
    python: Path, role: str, broker: Broker, name: str
) -> AsyncGenerator[Peer]:
    assert broker.authority is not None
    broker.authority.issue(name)
    process = await asyncio.create_subprocess_exec(
        str(python),
        "-I",
        str(SCRIPT),
        role,
        str(broker.port),
        str(broker.authority.folder),
        name,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    found = Peer(process)
    listener = asyncio.create_task(found.listen())
    try:
        await until(lambda: found.events, 50)
        yield found
    finally:
        process.kill()
        await process.wait()
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)


@pytest.mark.parametrize("form", list(Format))
async def test_an_application_sees_the_site_and_holds_a_load_back(
    peer_python: Path,
    tls_broker: Broker,  # noqa: F811
    tmp_path: Path,
    form: Format,
) -> None:
    settings = settings_of(tls_broker, format=form)
    power = "SmartMeterTechnical/obis_1_0_1_7_0_255_2/datapoint"
    async with (
        peer(peer_python, "application", tls_broker, "application-1") as app,
        home(settings, tmp_path) as house,
    ):
        await house.connected()
        await until(lambda: app.messages("@online/"))
        house.take(points(1500.0))
        # It subscribes once it has read the announcement.
        number = 1500.0
        async with asyncio.timeout(30):
            while not app.attributes(power):
                number += 1
                house.take(points(number), 5.0)
                await asyncio.sleep(0.02)
        assert 1500.0 <= app.attributes(power)[0] <= number
        app.set(
            f"@set/{ENDPOINT}/{CONTROL}",
            form,
            timestamp=house.time[0],
            value=False,
            correlationID="id-1",
        )
        await until(lambda: house.settings)
        assert house.settings[0].attribute.commands == "boiler"
        await until(lambda: app.messages("@didSet/"))
        answer = app.messages("@didSet/")[0]
        assert answer["correlationID"] == "id-1"
        assert answer["value"] is False
        assert answer["timestamp"] == house.time[0]


async def test_an_application_gets_what_was_stored_as_delayed(
    peer_python: Path,
    tls_broker: Broker,  # noqa: F811
    tmp_path: Path,
) -> None:
    settings = settings_of(tls_broker, format=Format.CBOR)
    tls_broker.kill()
    async with home(settings, tmp_path) as house:
        for number in range(10):
            house.take(points(float(number)), 5.0)
    await tls_broker.start()
    async with (
        peer(peer_python, "application", tls_broker, "application-1") as app,
        home(settings, tmp_path) as house,
    ):
        await until(lambda: app.messages("@delayed/"))
        (delayed,) = app.messages("@delayed/")
        told = [
            item["data"]["value"]
            for item in delayed["messages"]
            if "obis_1_0_1_7_0_255_2" in item["topic"]
        ]
        assert told == [float(number) for number in range(10)]
        # As cloud.iO's own endpoints write it.
        assert delayed["timestamp"] > 1e12


async def test_we_look_like_an_endpoint_of_cloud_io_itself(
    peer_python: Path,
    tls_broker: Broker,  # noqa: F811
    tmp_path: Path,
) -> None:
    async with listening(tls_broker) as (_, heard):
        async with peer(peer_python, "endpoint", tls_broker, "theirs"):
            await until(lambda: len(heard.of("@update/theirs")) > 1, 50)
            await until(lambda: heard.of("@online/theirs")[-1]["nodes"])
        settings = settings_of(
            tls_broker, format=Format.CBOR, protocol=Protocol.CLOUDIO_02
        )
        async with home(settings, tmp_path) as house:
            await house.connected()
            house.take(points())
            await until(lambda: heard.of(f"@update/{ENDPOINT}/boilerSensor-1"))
    theirs, ours = heard.of("@online/theirs")[-1], heard.of(f"@online/{ENDPOINT}")[-1]
    assert set(theirs) == set(ours)
    assert theirs["version"] == ours["version"]
    assert theirs["messageFormatVersion"] == ours["messageFormatVersion"]
    assert set(theirs["supportedFormats"]) == set(ours["supportedFormats"])
    node, own = theirs["nodes"]["ambientSensor-1"], ours["nodes"]["boilerSensor-1"]
    assert set(node) == set(own)
    theirs_update = heard.of("@update/theirs")[-1]
    (ours_update,) = heard.of(f"@update/{ENDPOINT}/boilerSensor-1")
    assert set(theirs_update) == set(ours_update)
    for key in ("type", "constraint"):
        assert theirs_update[key] == ours_update[key]
    # Seconds as well.
    assert 1e9 < theirs_update["timestamp"] < 1e11
