"""The demonstration for a person: a dashboard and a narrated day."""

import asyncio

from custom_components.netflex.simulation.household import S1

from .home import ENDPOINT, now_and_then
from .processes import Child
from .stage import StageSettings, staged

_WORDS = """
  Home Assistant          {url}/demo-site   (logged in from this machine)
  The site's settings     {url}/config/integrations/integration/netflex
  The controlled station  127.0.0.1:{iec104}, common address 100
  The aggregator's broker {broker}
  The meter's S1 port     socket://127.0.0.1:{s1}   (not set up: add it as a meter)
  Logs and configuration  {folder}

What you look at: a house at a connection of 20 kW (10 kW injection) with a P1 meter,
an Alfen charger, a 12 kW SunSpec inverter behind a contactor, a battery and a boiler,
and an annexe whose charger, inverter, battery and contactor are entities of other
integrations, all on real wires. An aggregator has offers of the boiler and of the
annexe's cold store (a quarter hour takes 15 s) and makes use of every fourth. The grid
operator's RTU, a process of its own, plays a day in {day:.0f} s, over and over. Each of its
orders is printed here as it is sent; watch the dashboard follow. A charger that is
pulled down comes back slowly; the charger's limit on the dashboard is yours to change.

Ctrl-C stops everything.
"""


async def run_show(settings: StageSettings) -> int:
    """Start everything, narrate until told to stop or something ends by itself."""
    async with staged(settings) as stage:
        print("Starting the simulated site and Home Assistant ...", flush=True)
        stage.manager.assign = now_and_then()
        site = await stage.start_devices()
        await stage.start_broker()
        child = await stage.start_home_assistant()
        async with stage.home_assistant() as home_assistant:
            await home_assistant.wait_until_running(child)
        words = _WORDS.format(
            url=f"http://127.0.0.1:{stage.ports.http}",
            iec104=stage.ports.iec104,
            s1=stage.ports.wires[S1],
            folder=settings.folder,
            day=settings.day_length,
            broker="none: mosquitto is not installed"
            if stage.broker is None
            else f"mqtt://127.0.0.1:{stage.ports.broker}, endpoint {ENDPOINT}",
        )
        print(words, flush=True)
        operator = await stage.start_day(site)
        operator.pass_on(lambda line: print(line, flush=True))
        ended = await _first_end(stage.children)
        print(f"{ended.name} ended by itself; its log is in {settings.folder}")
        return 1


async def _first_end(children: list[Child]) -> Child:
    waiting = {asyncio.ensure_future(child.process.wait()): child for child in children}
    done, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for future in pending:
        future.cancel()
    return waiting[done.pop()]
