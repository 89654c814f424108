"""One bench for both engines, and a name for every difference that a test allows."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from custom_components.netflex.iec104 import StationConfig
from custom_components.netflex.iec104.apdu import (
    IApdu,
    SApdu,
    UApdu,
    UFunction,
    parse_apdu,
)
from custom_components.netflex.iec104.engine import Engine, Station, make_station
from custom_components.netflex.iec104.information_objects import InformationObject
from custom_components.netflex.iec104.lib60870_deviations import (
    DEVIATIONS,
    DeviationKey,
)

from .bench import COMMON_ADDRESS, Clock, Plant, RawClient, Watcher

KNOWN = {deviation.key for deviation in DEVIATIONS}

type Answer = tuple[int, int, bool]
"""Type, cause and P/N."""


@dataclass
class EngineBench:
    """A running station of one engine, in real time."""

    engine: Engine
    station: Station
    plant: Plant
    watcher: Watcher
    clock: Clock

    def differs[T](self, key: DeviationKey, *, ours: T, c104: T) -> T:
        """Return what this engine does where c104 deviates."""
        assert key in KNOWN
        assert ours != c104
        return ours if self.engine is Engine.BUILTIN else c104

    @property
    def carried_out(self) -> list[int]:
        """Causes that follow a direct command which is carried out."""
        return self.differs(DeviationKey.TERMINATION, ours=[7, 11, 10], c104=[7, 11])

    @property
    def address(self) -> tuple[str, int]:
        assert self.station.address is not None
        return self.station.address

    async def client(self, *, started: bool = True) -> RawClient:
        client = await RawClient.connect(self.address)
        client.skips_supervisory = True
        if started:
            await client.start()
        return client


@asynccontextmanager
async def running_on(
    engine: Engine, plant: Plant | None = None, **settings: object
) -> AsyncIterator[EngineBench]:
    """Run a station on a free port."""
    settings.setdefault("common_address", COMMON_ADDRESS)
    config = StationConfig(host="127.0.0.1", port=0, **settings)  # type: ignore[arg-type]
    plant = Plant() if plant is None else plant
    watcher, clock = Watcher(), Clock()
    station = make_station(
        engine,
        config,
        plant,
        command_addresses=plant.commands,
        observer=watcher,
        time_source=clock,
    )
    await station.start()
    try:
        yield EngineBench(engine, station, plant, watcher, clock)
    finally:
        await station.stop()


async def answers_to(
    client: RawClient, request: InformationObject, cause: int = 6, **header: object
) -> list[Answer]:
    """Send a request; return everything that comes before the link's test is answered."""
    client.request(request, cause, **header)
    return await answered(client)


async def answered(client: RawClient) -> list[Answer]:
    """Return all that has been answered so far, acknowledged."""
    client.function(UFunction.TESTFR_ACT)
    answers: list[Answer] = []
    while True:
        apdu = await client.apdu()
        assert apdu is not None, "closed"
        frame = parse_apdu(apdu)
        if isinstance(frame, IApdu):
            client.receive_number = (client.receive_number + 1) & 0x7FFF
            raw = frame.asdu
            answers.append((raw[0], raw[2] & 0x3F, bool(raw[2] & 0x40)))
        elif frame == UApdu(UFunction.TESTFR_CON):
            client.acknowledge()
            return answers
        else:
            assert isinstance(frame, SApdu)
