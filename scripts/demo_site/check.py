"""The fixed scenario: every kind of order, every kind of device, and three faults.

What counts is read from the simulated devices' registers and from what the RTU was
answered; our own entities are not asked.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
import json
from pathlib import Path
import time
from typing import Any

import aiohttp

from custom_components.netflex.simulation.remote import RemoteClient, RemoteError

from .probes import Probes
from .processes import DemoError
from .report import Step, table, write_json
from .seed import CONTRACT_CONSUMPTION, CONTRACT_INJECTION
from .stage import Stage, StageSettings, staged
from .watching import Seen, StepFailed, Trace, hold, require, until

BUDGET = 90.0
"""s from the moment that Home Assistant first runs to the end."""

_STOP_CONSUMPTION = "emergency_stop_consumption"
_STOP_PRODUCTION = "emergency_stop_production"
_MARGIN = 1.03
"""What the plant may exceed a limit by: a household cannot be foreseen."""
_BLOCK_SECONDS = 5.0
_VALIDITY = 12.0
"""s that the charging station keeps a setpoint; the keep-alive learns it."""
_SHORT_VALIDITY = 5.0
_DEAD = 6.0
"""s for which nobody starts Home Assistant again."""
_POLL = 5.5
"""s after which every device was polled once more."""
_TERMINATION = 5_000.0
"""ms after which a stop must be terminated whatever happened (S02)."""


@dataclass(slots=True)
class Scenario:
    """The steps with everything that they need."""

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

    async def run(self) -> None:
        """Run all steps in their order; only a failed connection ends the scenario."""
        consumption = CONTRACT_CONSUMPTION * 1000 * 0.6
        injection = CONTRACT_INJECTION * 1000 * 0.3
        for name, expected, work in (
            ("connect", "TCP and STARTDT within 1 s", self._connect),
            (
                "end of initialization",
                "M_EI_NA_1 after STARTDT",
                self._welcomed("initialized"),
            ),
            (
                "interrogation",
                "all points, stops off, limits 100 %",
                self._interrogation,
            ),
            ("clock sync", "confirmed", self._welcomed("synchronized")),
            (
                "undisturbed",
                "charger follows us and its car draws 16 A; nothing else held back",
                self._undisturbed,
            ),
            (
                "limit on consumption",
                f"MAXSETP 60 %: import at most {consumption / 1000:.1f} kW, "
                "charger lowered, not paused",
                lambda: self._limit_consumption(consumption),
            ),
            (
                "limit on injection",
                f"MINSETP 30 %: injection at most {injection / 1000:.1f} kW through "
                "the inverter's own limit",
                lambda: self._limit_injection(injection),
            ),
            (
                "stop consumption",
                "charger 0 A, boiler off, battery not charging; terminated within 5 s",
                self._stop_consumption,
            ),
            (
                "stop production, device",
                "inverter limited to 0 %, battery not discharging",
                self._stop_production,
            ),
            (
                "stop production, relay",
                "relay energised, contactor open, no production",
                self._stop_by_relay,
            ),
            (
                "connection lost and back",
                "stops hold meanwhile and are still reported on",
                self._connection_lost,
            ),
            (
                "release",
                "relay falls, inverter free, car charges again; not all at once",
                self._release,
            ),
            (
                "loop blocked 5 s in a stop",
                "confirmed and relay energised while Home Assistant's loop stands "
                "still; inverter at 0 % afterwards",
                self._blocked,
            ),
            (
                "killed -9 in a stop",
                "relay stays; after the start both stops are reported on before "
                "anything else, boiler and charger are off",
                self._killed,
            ),
            (
                "charger meanwhile",
                "shown as it is: no relay, so its own validity and safe current rule "
                "until we are back; 0 A at the end",
                self._charger_meanwhile,
            ),
        ):
            await self._step(name, expected, work)
            if not self.welcome:
                # Nothing listens: every further step would wait in vain.
                return

    async def _step(
        self, name: str, expected: str, work: Callable[[], Awaitable[Seen]]
    ) -> None:
        print(f"  {name} ...", flush=True)
        begun = time.monotonic()
        try:
            seen = await work()
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

    # Connection.

    async def _connect(self) -> Seen:
        self.welcome = await self.rtu.ask("connect", within=10)
        started = self.welcome["started"]
        require(started is not None and started < 1000, f"STARTDT after {started} ms")
        return Seen(f"STARTDT confirmed after {started:.1f} ms", started)

    def _welcomed(self, key: str) -> Callable[[], Awaitable[Seen]]:
        async def look() -> Seen:
            after = self.welcome.get(key)
            require(after is not None, "it did not come")
            return Seen(f"{after:.1f} ms after the connection", after)

        return look

    async def _interrogation(self) -> Seen:
        after, points = self.welcome.get("interrogated"), self.welcome.get("points")
        require(after is not None, "it was not terminated")
        mirrored = await self._mirrored()
        for name, wanted in (
            (_STOP_PRODUCTION, False),
            (_STOP_CONSUMPTION, False),
            ("maxsetp", 100),
            ("minsetp", 100),
        ):
            require(mirrored[name] == wanted, f"{name} is {mirrored[name]}")
        return Seen(f"{points} points, terminated after {after:.1f} ms", after)

    async def _undisturbed(self) -> Seen:
        begun = time.monotonic()
        charger, ms = await until(
            self.probes.charger,
            lambda it: it.accounted and it.current > 15.9,
            within=25,
            since=begun,
        )
        # The next step begins from a plant that every poll has seen at rest.
        await asyncio.sleep(_POLL)
        inverter, relay = await self.probes.inverter(), await self.probes.relay()
        require(not inverter.stopped and not relay.coil, f"{inverter}, {relay}")
        power = await self.probes.site_power()
        return Seen(
            f"setpoint {charger.setpoint:.1f} A, car draws {charger.current:.1f} A, "
            f"import {power / 1000:.1f} kW",
            ms,
        )

    # Limits.

    async def _limit_consumption(self, limit: float) -> Seen:
        before = await self.probes.site_power()
        require(before > limit, f"import is only {before:.0f} W before the order")
        answer = await self._order("maxsetp", 60)
        await until(
            self.probes.charger,
            lambda it: 6 <= it.setpoint < 16,
            within=5,
            since=answer["sent_at"],
        )
        power, ms = await until(
            self.probes.site_power,
            lambda it: it <= limit * _MARGIN,
            within=10,
            since=answer["sent_at"],
        )
        await hold(self.probes.site_power, lambda it: it <= limit * _MARGIN, for_s=2)
        charger = await self.probes.charger()
        require(charger.setpoint >= 6, "the charger was paused")
        await self._order("maxsetp", 100)
        return Seen(
            f"confirmed in {answer['confirmed']:.0f} ms; charger then at "
            f"{charger.setpoint:.1f} A; import {before / 1000:.1f} -> "
            f"{power / 1000:.1f} kW and stays",
            ms,
        )

    async def _limit_injection(self, limit: float) -> Seen:
        # A full battery, so that only the inverter can yield.
        await self.site.ask("set", sun=1.0, car_plugged=False, state_of_charge=100)
        await until(self.probes.inverter, lambda it: it.power > 11_900, within=8)
        # A sun that rises within seconds is seen by the inverter's next poll only.
        await asyncio.sleep(_POLL)
        before = await self.probes.site_power()
        require(before < -limit * 1.5, f"only {before:.0f} W before the order")
        answer = await self._order("minsetp", 30)
        power, ms = await until(
            self.probes.site_power,
            lambda it: it >= -limit * _MARGIN,
            within=10,
            since=answer["sent_at"],
        )
        await hold(self.probes.site_power, lambda it: it >= -limit * _MARGIN, for_s=2)
        inverter = await self.probes.inverter()
        require(
            inverter.limited and inverter.limit < 100 and inverter.power > 0,
            f"{inverter}",
        )
        await self._order("minsetp", 100)
        return Seen(
            f"confirmed in {answer['confirmed']:.0f} ms; inverter limited to "
            f"{inverter.limit:.0f} %; injection {-before / 1000:.1f} -> "
            f"{-power / 1000:.1f} kW and stays",
            ms,
        )

    # Emergency stops.

    async def _stop_consumption(self) -> Seen:
        await self.site.ask("set", sun=0.5, car_plugged=True, state_of_charge=60)
        await until(self.probes.charger, lambda it: it.current > 5, within=12)
        require(await self.probes.boiler_on(), "the boiler was off already")
        answer = await self._order(_STOP_CONSUMPTION, True)
        sent = answer["sent_at"]
        charger, charger_ms = await until(
            self.probes.charger, lambda it: it.applied == 0, within=5, since=sent
        )
        _, boiler_ms = await until(
            self.probes.boiler_on, lambda it: not it, within=5, since=sent
        )
        await until(self.probes.charger, lambda it: it.current == 0, within=3)
        await until(
            self.probes.battery,
            lambda it: it.setpoint <= 0 and it.power <= 0,
            within=3,
        )
        await self._mirror(_STOP_CONSUMPTION, wanted=True)
        return Seen(
            f"terminated in {_terminated(answer):.0f} ms; charger {charger.applied:g} A "
            f"{charger_ms:.0f} ms and boiler off {boiler_ms:.0f} ms after the order",
            max(charger_ms, boiler_ms),
        )

    async def _stop_production(self) -> Seen:
        production = (await self.probes.inverter()).power
        require(production > 500, f"the sun gives only {production:.0f} W")
        self.stop_order = await self._order(_STOP_PRODUCTION, True)
        inverter, ms = await until(
            self.probes.inverter,
            lambda it: it.stopped,
            within=5,
            since=self.stop_order["sent_at"],
        )
        await until(
            self.probes.battery,
            lambda it: it.setpoint >= 0 and it.power >= 0,
            within=3,
        )
        await self._mirror(_STOP_PRODUCTION, wanted=True)
        return Seen(
            f"terminated in {_terminated(self.stop_order):.0f} ms; limit of the inverter "
            f"{inverter.limit:g} %",
            ms,
        )

    async def _stop_by_relay(self) -> Seen:
        require(bool(self.stop_order), "production was not stopped")
        written = await self.site.ask(
            "writes", wire="relay", since=self.stop_order["sent_at"]
        )
        coil = [item for item in written["writes"] if item["space"] == "coils"]
        require(bool(coil), "nobody wrote the coil")
        await until(
            self.probes.relay, lambda it: it.coil and it.contactor_open, within=1
        )
        await until(self.probes.inverter, lambda it: it.power == 0, within=1)
        return Seen(
            "coil on, auxiliary contact says open, 0 W produced",
            1000 * (coil[0]["at"] - self.stop_order["sent_at"]),
        )

    async def _connection_lost(self) -> Seen:
        await self.rtu.ask("disconnect")
        begun = time.monotonic()
        try:
            await hold(self._stopped, lambda it: it, for_s=2)
        finally:
            welcome = await self.rtu.ask("connect", within=5)
        require(welcome["initialized"] is not None, "no end of initialization")
        require(welcome["interrogated"] is not None, "no interrogation")
        for name in (_STOP_CONSUMPTION, _STOP_PRODUCTION):
            await self._mirror(name, wanted=True, cause=20)
        require(await self._stopped(), "a stop did not hold")
        return Seen(
            "2 s without connection: relay, inverter, charger and boiler stopped; "
            f"back with {welcome['points']} points, both stops on",
            1000 * (time.monotonic() - begun),
        )

    async def _release(self) -> Seen:
        production = await self._order(_STOP_PRODUCTION, False)
        await self._order(_STOP_CONSUMPTION, False)
        sent = production["sent_at"]
        _, relay_ms = await until(
            self.probes.relay, lambda it: not it.coil, within=15, since=sent
        )
        _, inverter_ms = await until(
            self.probes.inverter,
            lambda it: not it.stopped and it.power > 100,
            within=20,
            since=sent,
        )
        _, charger_ms = await until(
            self.probes.charger, lambda it: it.current >= 5.9, within=25, since=sent
        )
        for name in (_STOP_CONSUMPTION, _STOP_PRODUCTION):
            await self._mirror(name, wanted=False)
        return Seen(
            f"relay fell after {relay_ms / 1000:.1f} s, inverter produces after "
            f"{inverter_ms / 1000:.1f} s, car charges after {charger_ms / 1000:.1f} s",
            max(relay_ms, inverter_ms, charger_ms),
        )

    # Faults.

    async def _blocked(self) -> Seen:
        blocker = await self.stage.block_loop()
        blocking = asyncio.create_task(
            blocker.ask("block", seconds=_BLOCK_SECONDS, timeout=15)
        )
        try:
            await asyncio.sleep(0.5)
            answer = await self._order(_STOP_PRODUCTION, True, wait=False)
            _, relay_ms = await until(
                self.probes.relay, lambda it: it.coil, within=3, since=answer["sent_at"]
            )
            link = await self.rtu.ask("round_trip")
        finally:
            times = await blocking
        relayed_at = answer["sent_at"] + relay_ms / 1000
        require(
            times["begun"] < answer["sent_at"] and relayed_at < times["ended"],
            "the loop did not stand still at that time",
        )
        require(answer["confirmed"] < 1000, f"confirmed in {answer['confirmed']} ms")
        _, inverter_ms = await until(
            self.probes.inverter,
            lambda it: it.stopped,
            within=10,
            since=answer["sent_at"],
        )
        await self._mirror(_STOP_PRODUCTION, wanted=True)
        return Seen(
            f"confirmed in {answer['confirmed']:.0f} ms, relay in {relay_ms:.0f} ms, "
            f"TESTFR in {link['ms']:.0f} ms; inverter at 0 % after "
            f"{inverter_ms / 1000:.1f} s",
            relay_ms,
        )

    async def _killed(self) -> Seen:
        hass = self.stage.hass
        require(hass is not None and hass.running, "Home Assistant does not run")
        assert hass is not None
        # Shorter than the absence, so that the charger shows what it does alone.
        await self.site.ask("set", validity=_SHORT_VALIDITY)
        answer = await self._order(_STOP_CONSUMPTION, True, wait=False)
        await hass.kill()
        killed = time.monotonic()
        self.trace.start(killed)
        try:
            await asyncio.sleep(_DEAD)
            await self.stage.start_home_assistant()
            welcome = await self.rtu.ask("connect", within=45, timeout=60)
            back = time.monotonic()
            require(welcome["initialized"] is not None, "no end of initialization")
            for name in (_STOP_CONSUMPTION, _STOP_PRODUCTION):
                await self._mirror(name, wanted=True, cause=20)
            _, stopped_ms = await until(
                self._stopped, lambda it: it, within=15, since=back
            )
        finally:
            await self.trace.stop()
        require(self.trace.relay_held, "the relay fell meanwhile")
        return Seen(
            f"killed {1000 * (killed - answer['sent_at']):.0f} ms after the order; "
            f"operator connected again after {back - killed:.1f} s with both stops on; "
            f"everything stopped {stopped_ms / 1000:.1f} s later; relay never fell",
            1000 * (back - killed),
        )

    async def _charger_meanwhile(self) -> Seen:
        charger = await self.probes.charger()
        require(charger.applied == 0, f"{charger.applied:g} A at the end")
        return Seen(self.trace.words(), None)

    # Helpers.

    async def _order(
        self, name: str, value: float, *, wait: bool = True
    ) -> dict[str, Any]:
        answer = await self.rtu.ask("order", name=name, value=value, wait=wait)
        require(answer["accepted"], f"{name} was refused: {answer}")
        if wait:
            took = _terminated(answer)
            require(took <= _TERMINATION, f"{name} terminated after {took:.0f} ms")
        return answer

    async def _mirrored(self) -> dict[str, Any]:
        status = await self.rtu.ask("status")
        return {
            name.removesuffix("_feedback"): heard["value"]
            for name, heard in status["heard"].items()
            if name.endswith("_feedback")
        }

    async def _mirror(
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

    async def _stopped(self) -> bool:
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


def _terminated(answer: dict[str, Any]) -> float:
    after = answer["terminated"]
    if after is None:
        raise StepFailed("the order was confirmed and never terminated")
    return float(after)


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
                    await scenario.run()
        took = time.monotonic() - running
    scenario.steps.append(
        Step(
            step="time",
            expected=f"at most {BUDGET:.0f} s from when Home Assistant first ran",
            seen=f"{took:.0f} s",
            ms=round(1000 * took, 1),
            passed=took <= BUDGET,
        )
    )
    print(table(scenario.steps))
    if result is not None:
        write_json(result, scenario.steps)
    failed = [step.step for step in scenario.steps if not step.passed]
    if failed:
        print(f"FAILED: {', '.join(failed)}. Logs are in {settings.folder}")
        return 1
    print("All steps passed.")
    return 0
