"""Steps of the check: the connection, the operator's limits and emergency stops."""

import asyncio
import time

from .scenario import POLL, STOP_CONSUMPTION, STOP_PRODUCTION, Scenario, terminated
from .watching import Seen, hold, require, until

MARGIN = 1.03
"""What the plant may exceed a limit by: a household cannot be foreseen."""


async def connect(play: Scenario) -> Seen:
    """Connect and start data transfer."""
    play.welcome = await play.rtu.ask("connect", within=10)
    started = play.welcome["started"]
    require(started is not None and started < 1000, f"STARTDT after {started} ms")
    return Seen(f"STARTDT confirmed after {started:.1f} ms", started)


async def initialized(play: Scenario) -> Seen:
    """Look whether the end of initialization came."""
    return _welcomed(play, "initialized")


async def synchronized(play: Scenario) -> Seen:
    """Look whether the clock was taken."""
    return _welcomed(play, "synchronized")


def _welcomed(play: Scenario, key: str) -> Seen:
    after = play.welcome.get(key)
    require(after is not None, "it did not come")
    return Seen(f"{after:.1f} ms after the connection", after)


async def interrogation(play: Scenario) -> Seen:
    """Look at what the first interrogation brought."""
    after, points = play.welcome.get("interrogated"), play.welcome.get("points")
    require(after is not None, "it was not terminated")
    mirrored = await play.mirrored()
    for name, wanted in (
        (STOP_PRODUCTION, False),
        (STOP_CONSUMPTION, False),
        ("maxsetp", 100),
        ("minsetp", 100),
    ):
        require(mirrored[name] == wanted, f"{name} is {mirrored[name]}")
    return Seen(f"{points} points, terminated after {after:.1f} ms", after)


async def undisturbed(play: Scenario) -> Seen:
    """Wait until the site runs without any order."""
    begun = time.monotonic()
    charger, ms = await until(
        play.probes.charger,
        lambda it: it.accounted and it.current > 15.9,
        within=25,
        since=begun,
    )
    # The next step begins from a plant that every poll has seen at rest.
    await asyncio.sleep(POLL)
    inverter, relay = await play.probes.inverter(), await play.probes.relay()
    require(not inverter.stopped and not relay.coil, f"{inverter}, {relay}")
    power = await play.probes.site_power()
    return Seen(
        f"setpoint {charger.setpoint:.1f} A, car draws {charger.current:.1f} A, "
        f"import {power / 1000:.1f} kW",
        ms,
    )


async def limit_consumption(play: Scenario, limit: float) -> Seen:
    """Limit import to `limit` W: the charger yields."""
    before = await play.probes.site_power()
    require(before > limit, f"import is only {before:.0f} W before the order")
    answer = await play.order("maxsetp", 60)
    await until(
        play.probes.charger,
        lambda it: 6 <= it.setpoint < 16,
        within=5,
        since=answer["sent_at"],
    )
    power, ms = await until(
        play.probes.site_power,
        lambda it: it <= limit * MARGIN,
        within=10,
        since=answer["sent_at"],
    )
    await hold(play.probes.site_power, lambda it: it <= limit * MARGIN, for_s=2)
    charger = await play.probes.charger()
    require(charger.setpoint >= 6, "the charger was paused")
    await play.order("maxsetp", 100)
    return Seen(
        f"confirmed in {answer['confirmed']:.0f} ms; charger then at "
        f"{charger.setpoint:.1f} A; import {before / 1000:.1f} -> "
        f"{power / 1000:.1f} kW and stays",
        ms,
    )


async def limit_injection(play: Scenario, limit: float) -> Seen:
    """Limit injection to `limit` W: the inverter yields."""
    # A full battery, so that only the inverter can yield.
    await play.site.ask("set", sun=1.0, car_plugged=False, state_of_charge=100)
    await until(play.probes.inverter, lambda it: it.power > 11_900, within=8)
    # A sun that rises within seconds is seen by the inverter's next poll only.
    await asyncio.sleep(POLL)
    before = await play.probes.site_power()
    require(before < -limit * 1.5, f"only {before:.0f} W before the order")
    answer = await play.order("minsetp", 30)
    power, ms = await until(
        play.probes.site_power,
        lambda it: it >= -limit * MARGIN,
        within=10,
        since=answer["sent_at"],
    )
    await hold(play.probes.site_power, lambda it: it >= -limit * MARGIN, for_s=2)
    inverter = await play.probes.inverter()
    require(
        inverter.limited and inverter.limit < 100 and inverter.power > 0,
        f"{inverter}",
    )
    await play.order("minsetp", 100)
    return Seen(
        f"confirmed in {answer['confirmed']:.0f} ms; inverter limited to "
        f"{inverter.limit:.0f} %; injection {-before / 1000:.1f} -> "
        f"{-power / 1000:.1f} kW and stays",
        ms,
    )


async def stop_consumption(play: Scenario) -> Seen:
    """Stop consumption: charger, boiler and battery."""
    await play.site.ask("set", sun=0.5, car_plugged=True, state_of_charge=60)
    await until(play.probes.charger, lambda it: it.current > 5, within=12)
    require(await play.probes.boiler_on(), "the boiler was off already")
    answer = await play.order(STOP_CONSUMPTION, True)
    sent = answer["sent_at"]
    charger, charger_ms = await until(
        play.probes.charger, lambda it: it.applied == 0, within=5, since=sent
    )
    _, boiler_ms = await until(
        play.probes.boiler_on, lambda it: not it, within=5, since=sent
    )
    await until(play.probes.charger, lambda it: it.current == 0, within=3)
    await until(
        play.probes.battery,
        lambda it: it.setpoint <= 0 and it.power <= 0,
        within=3,
    )
    await play.mirror(STOP_CONSUMPTION, wanted=True)
    return Seen(
        f"terminated in {terminated(answer):.0f} ms; charger {charger.applied:g} A "
        f"{charger_ms:.0f} ms and boiler off {boiler_ms:.0f} ms after the order",
        max(charger_ms, boiler_ms),
    )


async def stop_production(play: Scenario) -> Seen:
    """Stop production through the devices' own interfaces."""
    production = (await play.probes.inverter()).power
    require(production > 500, f"the sun gives only {production:.0f} W")
    play.stop_order = await play.order(STOP_PRODUCTION, True)
    inverter, ms = await until(
        play.probes.inverter,
        lambda it: it.stopped,
        within=5,
        since=play.stop_order["sent_at"],
    )
    await until(
        play.probes.battery,
        lambda it: it.setpoint >= 0 and it.power >= 0,
        within=3,
    )
    await play.mirror(STOP_PRODUCTION, wanted=True)
    return Seen(
        f"terminated in {terminated(play.stop_order):.0f} ms; limit of the inverter "
        f"{inverter.limit:g} %",
        ms,
    )


async def stop_by_relay(play: Scenario) -> Seen:
    """Look whether the same stop opened the inverter's contactor."""
    require(bool(play.stop_order), "production was not stopped")
    written = await play.site.ask(
        "writes", wire="relay", since=play.stop_order["sent_at"]
    )
    coil = [item for item in written["writes"] if item["space"] == "coils"]
    require(bool(coil), "nobody wrote the coil")
    await until(play.probes.relay, lambda it: it.coil and it.contactor_open, within=1)
    await until(play.probes.inverter, lambda it: it.power == 0, within=1)
    return Seen(
        "coil on, auxiliary contact says open, 0 W produced",
        1000 * (coil[0]["at"] - play.stop_order["sent_at"]),
    )


async def connection_lost(play: Scenario) -> Seen:
    """Drop the connection under both stops and come back."""
    await play.rtu.ask("disconnect")
    begun = time.monotonic()
    try:
        await hold(play.stopped, lambda it: it, for_s=2)
    finally:
        welcome = await play.rtu.ask("connect", within=5)
    require(welcome["initialized"] is not None, "no end of initialization")
    require(welcome["interrogated"] is not None, "no interrogation")
    for name in (STOP_CONSUMPTION, STOP_PRODUCTION):
        await play.mirror(name, wanted=True, cause=20)
    require(await play.stopped(), "a stop did not hold")
    return Seen(
        "2 s without connection: relay, inverter, charger and boiler stopped; "
        f"back with {welcome['points']} points, both stops on",
        1000 * (time.monotonic() - begun),
    )


async def release(play: Scenario) -> Seen:
    """Release both stops."""
    production = await play.order(STOP_PRODUCTION, False)
    await play.order(STOP_CONSUMPTION, False)
    sent = production["sent_at"]
    _, relay_ms = await until(
        play.probes.relay, lambda it: not it.coil, within=15, since=sent
    )
    _, inverter_ms = await until(
        play.probes.inverter,
        lambda it: not it.stopped and it.power > 100,
        within=20,
        since=sent,
    )
    _, charger_ms = await until(
        play.probes.charger, lambda it: it.current >= 5.9, within=25, since=sent
    )
    for name in (STOP_CONSUMPTION, STOP_PRODUCTION):
        await play.mirror(name, wanted=False)
    return Seen(
        f"relay fell after {relay_ms / 1000:.1f} s, inverter produces after "
        f"{inverter_ms / 1000:.1f} s, car charges after {charger_ms / 1000:.1f} s",
        max(relay_ms, inverter_ms, charger_ms),
    )
