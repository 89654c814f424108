"""The flexible home's scenario: the life of an offer, and a broker that is lost.

The offer goes from its creation to its measured execution; the broker is killed, under
a stop as well, and comes back.
"""

import asyncio
from contextlib import suppress
from pathlib import Path
import time

from . import home_steps
from .application import Application
from .check import conclude
from .home import never
from .home_steps import HomeScenario
from .probes import Probes
from .processes import DemoError
from .stage import StageSettings, staged

BUDGET = 180.0
"""s from the moment that Home Assistant first runs to the end."""


async def _run(play: HomeScenario) -> None:
    for name, expected, work in (
        (
            "at the broker",
            "@online, and the boiler's relay as it is",
            home_steps.announced,
        ),
        (
            "offers",
            "boiler and cold store offered to the aggregator's manager and assigned",
            home_steps.offered,
        ),
        (
            "schedules carried out",
            "both loads off, with the aggregator as the cause; the broker hears it",
            home_steps.carried_out,
        ),
        (
            "execution measured",
            "every interval reported, offers executed, energy shifted; loads run again",
            home_steps.measured,
        ),
        ("held over the broker", "@set 0: both off, @didSet", home_steps.held),
        (
            "broker killed",
            f"after {home_steps.LOST_AFTER:.0f} s the loads return, one after the other",
            home_steps.broker_killed,
        ),
        (
            "broker back",
            "what was missed comes as @delayed, in order; @set works again",
            home_steps.resumed,
        ),
        (
            "broker killed in a stop",
            "the operator's stop goes on holding both loads",
            home_steps.stop_holds,
        ),
        (
            "stop released",
            "both loads return, one after the other",
            home_steps.released,
        ),
    ):
        await play.step(name, expected, work)
        if not play.steps[-1].passed:
            # Each step begins from what the one before has left.
            return


async def run_home_check(settings: StageSettings, result: Path | None) -> int:
    """Run the scenario; print the table, write the JSON; return the exit status."""
    async with staged(settings) as stage:
        if stage.ports.broker is None:
            raise DemoError("mosquitto is not installed: scripts/setup --ci, as root")
        print("Starting the home, the aggregator and Home Assistant ...", flush=True)
        stage.manager.assign = never
        site = await stage.start_devices()
        _, rtu = await stage.start_operator()
        await stage.start_broker()
        # No sun, no car, cold water: nothing but the loads' own sources moves them.
        await site.ask("set", sun=0.0, car_plugged=False, water_temperature=15)
        async with (
            Probes(stage.ports.wires) as probes,
            Application(stage.ports.broker) as application,
        ):
            scenario = HomeScenario(
                stage=stage, site=site, rtu=rtu, probes=probes, application=application
            )
            child = await stage.start_home_assistant()
            async with stage.home_assistant() as home_assistant:
                await home_assistant.wait_until_running(child)
            running = time.monotonic()
            print("Home Assistant runs. Steps:", flush=True)
            with suppress(TimeoutError):
                async with asyncio.timeout(BUDGET * 2):
                    await _run(scenario)
            took = time.monotonic() - running
    return conclude(scenario, result, took=took, budget=BUDGET)
