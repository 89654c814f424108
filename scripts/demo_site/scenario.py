"""What every step of the check works with: the stage, and words for its questions."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
import json
import time
from typing import Any, Self

import aiohttp

from custom_components.netflex.simulation.remote import RemoteClient, RemoteError

from .probes import Probes
from .processes import DemoError
from .report import Step
from .seed import ENTRY_ID
from .stage import Stage
from .watching import Seen, StepFailed, Trace, require

STOP_CONSUMPTION = "emergency_stop_consumption"
STOP_PRODUCTION = "emergency_stop_production"
POLL = 5.5
"""s after which every device was polled once more."""
_TERMINATION = 5_000.0
"""ms after which a stop must be terminated whatever happened (S02)."""


@dataclass(slots=True)
class Scenario:
    """The processes of one run, and what its steps have seen so far."""

    stage: Stage
    site: RemoteClient
    rtu: RemoteClient
    probes: Probes
    steps: list[Step] = field(default_factory=list)
    welcome: dict[str, Any] = field(default_factory=dict)
    """How the first connection began."""
    stop_order: dict[str, Any] = field(default_factory=dict)
    """What came back for the stop of production."""
    trace: Trace = field(init=False)

    def __post_init__(self) -> None:
        """Prepare to watch what happens while Home Assistant is away."""
        self.trace = Trace(self.probes)

    async def step(
        self, name: str, expected: str, work: Callable[[Self], Awaitable[Seen]]
    ) -> None:
        """Do one step and remember what came of it; a failed one keeps evidence."""
        print(f"  {name} ...", flush=True)
        begun = time.monotonic()
        try:
            seen = await work(self)
            passed = True
        except (StepFailed, RemoteError, DemoError, OSError, TimeoutError) as error:
            words = str(error) or type(error).__name__
            seen = Seen(words, 1000 * (time.monotonic() - begun))
            passed = False
            await self._keep_evidence(name)
        self.steps.append(
            Step(
                step=name,
                expected=expected,
                seen=seen.words,
                ms=None if seen.ms is None else round(seen.ms, 1),
                passed=passed,
            )
        )

    async def _keep_evidence(self, step: str) -> None:
        """Write what Home Assistant and the plant show, for whoever looks into it."""
        name = step.replace(" ", "-").replace(",", "")
        path = self.stage.settings.folder / f"failed-{name}.json"
        evidence = {"plant": await self.site.ask("status")}
        async with self.stage.home_assistant() as home_assistant:
            with suppress(OSError, TimeoutError, aiohttp.ClientError):
                evidence["states"] = await home_assistant.get("states")
        path.write_text(json.dumps(evidence, indent=2))

    async def order(
        self, name: str, value: float, *, wait: bool = True
    ) -> dict[str, Any]:
        """Give an order that must be accepted and, with `wait`, terminated in time."""
        answer = await self.rtu.ask("order", name=name, value=value, wait=wait)
        require(answer["accepted"], f"{name} was refused: {answer}")
        if wait:
            took = terminated(answer)
            require(took <= _TERMINATION, f"{name} terminated after {took:.0f} ms")
        return answer

    async def mirrored(self) -> dict[str, Any]:
        """Return what the station mirrored last, by order."""
        status = await self.rtu.ask("status")
        return {
            name.removesuffix("_feedback"): heard["value"]
            for name, heard in status["heard"].items()
            if name.endswith("_feedback")
        }

    async def mirror(
        self, name: str, *, wanted: bool, cause: int | None = None
    ) -> None:
        """Wait until the station mirrors a stop; `cause` asks how it was told."""
        deadline = time.monotonic() + 6
        while True:
            heard = (await self.rtu.ask("status"))["heard"].get(f"{name}_feedback")
            if (
                heard is not None
                and heard["value"] is wanted
                and cause in {None, heard["cause"]}
            ):
                return
            if time.monotonic() > deadline:
                raise StepFailed(f"the station reports {name} as {heard}")
            await asyncio.sleep(0.05)

    async def state(self, entity_id: str) -> float:
        """Return what an entity shows, a number; StepFailed where it shows none."""
        shown = await self.says(entity_id)
        try:
            return float(shown)
        except ValueError:
            raise StepFailed(f"{entity_id} is {shown}") from None

    async def is_on(self, entity_id: str) -> bool:
        """Return whether an entity is on; StepFailed where it says neither."""
        shown = await self.says(entity_id)
        require(shown in {"on", "off"}, f"{entity_id} is {shown}")
        return shown == "on"

    async def says(self, entity_id: str) -> str:
        """Return what an entity shows, in Home Assistant's words."""
        async with self.stage.home_assistant() as home_assistant:
            return str((await home_assistant.get(f"states/{entity_id}"))["state"])

    async def act(self, domain: str, name: str, /, **data: Any) -> None:
        """Have Home Assistant carry out an action."""
        async with self.stage.home_assistant() as home_assistant:
            await home_assistant.ask(
                "call_service", domain=domain, service=name, service_data=data
            )

    @property
    def entry_id(self) -> str:
        """Return the id of the site's entry."""
        return ENTRY_ID

    async def stopped(self) -> bool:
        """Tell whether both stops are in force at every device."""
        relay, inverter = await self.probes.relay(), await self.probes.inverter()
        charger, boiler = await self.probes.charger(), await self.probes.boiler_on()
        return (
            relay.coil
            and relay.contactor_open
            and inverter.stopped
            and charger.applied == 0
            and not boiler
        )


def terminated(answer: dict[str, Any]) -> float:
    """Return the ms to an order's termination; StepFailed without one."""
    after = answer["terminated"]
    if after is None:
        raise StepFailed("the order was confirmed and never terminated")
    return float(after)
