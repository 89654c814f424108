"""The fixed scenario: every kind of order, every kind of device, and three faults.

What counts is read from the simulated devices' registers and from what the RTU was
answered; our own entities are not asked.
"""

import asyncio
from contextlib import suppress
from pathlib import Path
import time

from custom_components.netflex.simulated_entry import (
    CONTRACT_CONSUMPTION,
    CONTRACT_INJECTION,
)

from . import annexe_steps, fault_steps, order_steps, programme_steps
from .probes import Probes
from .report import Step, table, write_json
from .scenario import Scenario
from .stage import StageSettings, staged

BUDGET = 90.0
"""s from the moment that Home Assistant first runs to the end."""

_VALIDITY = 12.0
"""s that the charging station keeps a setpoint; the keep-alive learns it."""


async def _run(play: Scenario) -> None:
    """Run all steps in their order; only a failed connection ends the scenario."""
    consumption = CONTRACT_CONSUMPTION * 1000 * 0.6
    injection = CONTRACT_INJECTION * 1000 * 0.3
    for name, expected, work in (
        ("connect", "TCP and STARTDT within 1 s", order_steps.connect),
        (
            "end of initialization",
            "M_EI_NA_1 after STARTDT",
            order_steps.initialized,
        ),
        (
            "interrogation",
            "all points, stops off, limits 100 %",
            order_steps.interrogation,
        ),
        ("clock sync", "confirmed", order_steps.synchronized),
        (
            "undisturbed",
            "charger follows us and its car draws 16 A; nothing else held back",
            order_steps.undisturbed,
        ),
        (
            "annexe, undisturbed",
            "over entities: charger, inverter, battery, relay, meter; over Modbus: "
            "load and meter; entities and registers agree",
            annexe_steps.undisturbed,
        ),
        (
            "limit on consumption",
            f"MAXSETP 60 %: import at most {consumption / 1000:.1f} kW, "
            "charger lowered, not paused",
            lambda play: order_steps.limit_consumption(play, consumption),
        ),
        (
            "limit on injection",
            f"MINSETP 30 %: injection at most {injection / 1000:.1f} kW through "
            "the inverter's own limit",
            lambda play: order_steps.limit_injection(play, injection),
        ),
        (
            "battery's programme, bounded",
            "dispatch discharges and yields to MINSETP; then backup reserve, hold, "
            "self-consumption, each by its schedule",
            programme_steps.programme,
        ),
        (
            "stop consumption",
            "charger 0 A, boiler off, battery not charging; terminated within 5 s",
            order_steps.stop_consumption,
        ),
        (
            "stop production, device",
            "inverter limited to 0 %, battery not discharging",
            order_steps.stop_production,
        ),
        (
            "stop production, relay",
            "relay energised, contactor open, no production",
            order_steps.stop_by_relay,
        ),
        (
            "annexe, both stops",
            "charger 0 A, inverter 0 %, battery 0 W, contactor off, load not asked; "
            "their entities say the same",
            annexe_steps.stopped,
        ),
        (
            "connection lost and back",
            "stops hold meanwhile and are still reported on",
            order_steps.connection_lost,
        ),
        (
            "release",
            "relay falls, inverter free, car charges again; not all at once",
            order_steps.release,
        ),
        (
            "annexe, released",
            "after the house: its load is asked again and runs",
            annexe_steps.released,
        ),
        (
            "loop blocked 5 s in a stop",
            "confirmed and relay energised while Home Assistant's loop stands "
            "still; inverter at 0 % afterwards",
            fault_steps.blocked,
        ),
        (
            "killed -9 in a stop",
            "relay stays; after the start both stops are reported on before "
            "anything else, boiler and charger are off",
            fault_steps.killed,
        ),
        (
            "charger meanwhile",
            "shown as it is: no relay, so its own validity and safe current rule "
            "until we are back; 0 A at the end",
            fault_steps.charger_meanwhile,
        ),
    ):
        await play.step(name, expected, work)
        if not play.welcome:
            # Nothing listens: every further step would wait in vain.
            return


async def run_check(settings: StageSettings, result: Path | None) -> int:
    """Run the scenario; print the table, write the JSON; return the exit status."""
    async with staged(settings) as stage:
        print("Starting the simulated site, the RTU and Home Assistant ...", flush=True)
        site = await stage.start_devices()
        _, rtu = await stage.start_operator()
        # A battery at its reserve, so that the charger alone has to yield.
        await site.ask(
            "set",
            sun=0.0,
            household_level=1.0,
            car_current=16,
            state_of_charge=10,
            validity=_VALIDITY,
        )
        child = await stage.start_home_assistant()
        async with stage.home_assistant() as home_assistant:
            await home_assistant.wait_until_running(child)
        running = time.monotonic()
        print("Home Assistant runs. Steps:", flush=True)
        async with Probes(stage.ports.wires) as probes:
            scenario = Scenario(stage=stage, site=site, rtu=rtu, probes=probes)
            with suppress(TimeoutError):
                async with asyncio.timeout(BUDGET * 2):
                    await _run(scenario)
        took = time.monotonic() - running
    return conclude(scenario, result, took=took, budget=BUDGET)


def conclude(
    scenario: Scenario, result: Path | None, *, took: float, budget: float
) -> int:
    """Print the table and write the JSON of a scenario; return the exit status.

    `took` and `budget` are s.
    """
    scenario.steps.append(
        Step(
            step="time",
            expected=f"at most {budget:.0f} s from when Home Assistant first ran",
            seen=f"{took:.0f} s",
            ms=round(1000 * took, 1),
            passed=took <= budget,
        )
    )
    print(table(scenario.steps))
    if result is not None:
        write_json(result, scenario.steps)
    failed = [step.step for step in scenario.steps if not step.passed]
    if failed:
        folder = scenario.stage.settings.folder
        print(f"FAILED: {', '.join(failed)}. Logs are in {folder}")
        return 1
    print("All steps passed.")
    return 0
