"""Waiting for what a register should say, with the time that it took."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
import time

from .probes import ChargerRegisters, Probes


class StepFailed(Exception):
    """A step did not go as expected; the words go into `seen`."""


@dataclass(slots=True)
class Seen:
    """What a step saw: words and the ms that count."""

    words: str
    ms: float | None


def require(met: bool, words: str) -> None:
    """Fail the step with these words unless the condition is met."""
    if not met:
        raise StepFailed(words)


async def until[ValueT](
    read: Callable[[], Awaitable[ValueT]],
    met: Callable[[ValueT], bool],
    *,
    within: float,
    since: float | None = None,
) -> tuple[ValueT, float]:
    """Read until it is as wanted; return the value and the ms since `since`."""
    begun = time.monotonic()
    since = begun if since is None else since
    while True:
        value = await read()
        now = time.monotonic()
        if met(value):
            return value, 1000 * (now - since)
        if now - begun > within:
            raise StepFailed(f"after {within:g} s still {value}")
        await asyncio.sleep(0.01)


async def hold[ValueT](
    read: Callable[[], Awaitable[ValueT]],
    met: Callable[[ValueT], bool],
    *,
    for_s: float,
) -> None:
    """Read for a while; StepFailed as soon as it is not as wanted."""
    end = time.monotonic() + for_s
    while time.monotonic() < end:
        value = await read()
        require(met(value), f"it did not stay: {value}")
        await asyncio.sleep(0.05)


class Trace:
    """What relay and charger do while Home Assistant is away."""

    def __init__(self, probes: Probes) -> None:
        """Take the probes; nothing is watched yet."""
        self._probes = probes
        self._since = 0.0
        self._task: asyncio.Task[None] | None = None
        self._charger: list[tuple[float, float]] = []
        self._stopping = False
        self.relay_held = True
        """Whether relay and contactor stayed as a stop of production wants them."""

    def start(self, since: float) -> None:
        """Watch from now on; times are told from `since` on (monotonic s)."""
        self._since = since
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop watching."""
        # Asked, not cancelled: this Modbus client swallows a cancellation.
        self._stopping = True
        if self._task is not None:
            await self._task

    def words(self) -> str:
        """Tell the charger's applied current as it changed."""
        return ", then ".join(
            f"{applied:g} A from {at:.1f} s" for at, applied in self._charger
        )

    async def _run(self) -> None:
        while not self._stopping:
            charger: ChargerRegisters = await self._probes.charger()
            relay = await self._probes.relay()
            self.relay_held = self.relay_held and relay.coil and relay.contactor_open
            if not self._charger or self._charger[-1][1] != charger.applied:
                at = time.monotonic() - self._since
                self._charger.append((at, charger.applied))
            await asyncio.sleep(0.1)
