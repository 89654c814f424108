"""Recorded pushes of DLMS meters (see dlms/INDEX.md), and pushes made for a test."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
import time
from typing import Any

from custom_components.netflex.metering.dlms_apdu import DlmsKeys, Push
from custom_components.netflex.metering.dlms_link import Framing
from custom_components.netflex.metering.dlms_objects import PushGroup
from custom_components.netflex.metering.dlms_stream import DlmsStream
from custom_components.netflex.simulation.dlms_encoding import hdlc_frames
from custom_components.netflex.simulation.dlms_meter import DlmsWire

from .s1_players import flow

FOLDER = Path(__file__).parent / "dlms"
NAMES = sorted(path.stem for path in FOLDER.glob("*.hex"))
E450_KEYS = DlmsKeys(
    encryption=bytes.fromhex("5FDE26FE7A1A36B6E1C0BA048FA9A023"),
    authentication=bytes.fromhex("7DA42A44E00BD0AF5E1A911E3CCA64FD"),
)
MA309_KEYS = DlmsKeys(encryption=bytes.fromhex("36C66639E48A8CA4D6BC8B282A793BBB"))
OTHER_KEY = bytes(range(16))
KEYS = {"e450_hdlc_enciphered": E450_KEYS, "ma309_mbus_enciphered": MA309_KEYS}
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def recorded(name: str) -> bytes:
    """Return the bytes of a recording."""
    return bytes.fromhex((FOLDER / f"{name}.hex").read_text())


def pushes_of(
    data: bytes, keys: DlmsKeys | None = None
) -> tuple[list[Push], DlmsStream]:
    """Return the pushes in some bytes, and the stream that found them."""
    stream = DlmsStream(keys)
    return stream.feed(data), stream


def meter(framing: Framing = Framing.HDLC, **options: Any) -> DlmsWire:
    """Return a simulated meter: 2300 W of import on each line."""
    options = {"state": lambda: flow(10.0, 10.0, 10.0), "utc": lambda: NOON} | options
    return DlmsWire(framing=framing, **options)


def three_pushes(
    wire: DlmsWire, groups: Iterable[PushGroup] = PushGroup
) -> list[bytes]:
    """Return one push of each group."""
    return [wire.push(group) for group in groups]


def framed(message: bytes) -> bytes:
    """Return a message in the frames of an E450."""
    return b"".join(hdlc_frames(message))


@asynccontextmanager
async def pushing(wire: DlmsWire) -> AsyncGenerator[str]:
    """Serve a meter on TCP that pushes its power every 20 ms; yield where."""
    wire.periods = {PushGroup.TECHNICAL: 0.02, PushGroup.ENERGY: 0.05}
    await wire.plug()

    async def play() -> None:
        while True:
            wire.tick(time.monotonic())
            await asyncio.sleep(0.01)

    playing = asyncio.create_task(play())
    try:
        yield f"socket://127.0.0.1:{wire.port}"
    finally:
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
        await wire.unplug()
