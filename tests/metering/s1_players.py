"""A simulated S1 port that plays at its real rate what a test puts on the lines."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
import os
import pty
import time
import tty

from custom_components.netflex.model.connection import GridType
from custom_components.netflex.simulation.physics import ConnectionState
from custom_components.netflex.simulation.s1_meter import S1Wire, waveform_of

STEP = 0.01
"""s between two pieces of the stream."""


def flow(
    *currents: float, voltage: float = 230.0, frequency: float = 50.0
) -> ConnectionState:
    """Return purely active currents in A by line, import positive."""
    first, second, third = (*currents, 0.0, 0.0)[:3]
    return ConnectionState(
        power=(first * voltage, second * voltage, third * voltage),
        reactive_power=(0.0, 0.0, 0.0),
        current=(abs(first), abs(second), abs(third)),
        voltage=(voltage, voltage, voltage),
        frequency=frequency,
    )


@dataclass
class S1Port:
    """An S1 port; what flows may be changed while it plays."""

    grid_type: GridType = GridType.STAR
    state: ConnectionState = field(default_factory=lambda: flow(10.0, 10.0, 10.0))

    def __post_init__(self) -> None:
        self.wire = S1Wire(
            waveform=lambda: waveform_of(self.state, self.grid_type),
            grid_type=self.grid_type,
            frequency=lambda: self.state.frequency,
        )

    @property
    def url(self) -> str:
        return f"socket://127.0.0.1:{self.wire.port}"


@asynccontextmanager
async def s1_port(port: S1Port | None = None) -> AsyncGenerator[S1Port]:
    """Serve a port on TCP at its real rate."""
    port = port or S1Port()
    await port.wire.plug()

    async def play() -> None:
        while True:
            port.wire.tick(time.monotonic())
            await asyncio.sleep(STEP)

    task = asyncio.create_task(play())
    try:
        yield port
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await port.wire.unplug()


@asynccontextmanager
async def s1_line(port: S1Port) -> AsyncIterator[str]:
    """Play a port at its real rate on a serial line; gives the device's name."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    begun = time.monotonic()
    sent = 0

    async def play() -> None:
        nonlocal sent
        rest = b""
        while True:
            due = int((time.monotonic() - begun) * 52 * port.state.frequency)
            if due > sent:
                rest += port.wire.frames(due - sent)
                sent = due
            # What the kernel does not keep waits; what nobody reads is lost.
            rest = rest[-120_000:]
            with suppress(BlockingIOError):
                rest = rest[os.write(master, rest) :]
            await asyncio.sleep(STEP / 4)

    task = asyncio.create_task(play())
    try:
        yield os.ttyname(slave)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        os.close(master)
        os.close(slave)
