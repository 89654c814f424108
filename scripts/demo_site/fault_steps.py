"""Steps of the check: Home Assistant's loop blocked, and the process killed."""

import asyncio
import time

from .scenario import STOP_CONSUMPTION, STOP_PRODUCTION, Scenario
from .watching import Seen, require, until

_BLOCK_SECONDS = 5.0
_SHORT_VALIDITY = 5.0
_DEAD = 6.0
"""s for which nobody starts Home Assistant again."""


async def blocked(play: Scenario) -> Seen:
    """Stop production while Home Assistant's loop stands still."""
    blocker = await play.stage.inside()
    blocking = asyncio.create_task(
        blocker.ask("block", seconds=_BLOCK_SECONDS, timeout=15)
    )
    try:
        await asyncio.sleep(0.5)
        answer = await play.order(STOP_PRODUCTION, True, wait=False)
        _, relay_ms = await until(
            play.probes.relay, lambda it: it.coil, within=3, since=answer["sent_at"]
        )
        link = await play.rtu.ask("round_trip")
    finally:
        times = await blocking
    relayed_at = answer["sent_at"] + relay_ms / 1000
    require(
        times["begun"] < answer["sent_at"] and relayed_at < times["ended"],
        "the loop did not stand still at that time",
    )
    require(answer["confirmed"] < 1000, f"confirmed in {answer['confirmed']} ms")
    _, inverter_ms = await until(
        play.probes.inverter,
        lambda it: it.stopped,
        within=10,
        since=answer["sent_at"],
    )
    await play.mirror(STOP_PRODUCTION, wanted=True)
    return Seen(
        f"confirmed in {answer['confirmed']:.0f} ms, relay in {relay_ms:.0f} ms, "
        f"TESTFR in {link['ms']:.0f} ms; inverter at 0 % after "
        f"{inverter_ms / 1000:.1f} s",
        relay_ms,
    )


async def killed(play: Scenario) -> Seen:
    """Kill Home Assistant right after a stop was confirmed; start it again."""
    hass = play.stage.hass
    require(hass is not None and hass.running, "Home Assistant does not run")
    assert hass is not None
    # Shorter than the absence, so that the charger shows what it does alone.
    await play.site.ask("set", validity=_SHORT_VALIDITY)
    answer = await play.order(STOP_CONSUMPTION, True, wait=False)
    await hass.kill()
    gone = time.monotonic()
    play.trace.start(gone)
    try:
        await asyncio.sleep(_DEAD)
        await play.stage.start_home_assistant()
        welcome = await play.rtu.ask("connect", within=45, timeout=60)
        back = time.monotonic()
        require(welcome["initialized"] is not None, "no end of initialization")
        for name in (STOP_CONSUMPTION, STOP_PRODUCTION):
            await play.mirror(name, wanted=True, cause=20)
        _, stopped_ms = await until(play.stopped, lambda it: it, within=15, since=back)
    finally:
        await play.trace.stop()
    require(play.trace.relay_held, "the relay fell meanwhile")
    return Seen(
        f"killed {1000 * (gone - answer['sent_at']):.0f} ms after the order; "
        f"operator connected again after {back - gone:.1f} s with both stops on; "
        f"everything stopped {stopped_ms / 1000:.1f} s later; relay never fell",
        1000 * (back - gone),
    )


async def charger_meanwhile(play: Scenario) -> Seen:
    """Show what the charging station did on its own."""
    charger = await play.probes.charger()
    require(charger.applied == 0, f"{charger.applied:g} A at the end")
    return Seen(play.trace.words(), None)
