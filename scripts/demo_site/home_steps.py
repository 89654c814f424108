"""Steps of the home's check: an offer's whole life, and a broker that is lost.

What loads do is read from their own registers, what is told from the broker and from
the aggregator's manager.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
import time
from typing import Final

from custom_components.netflex.simulation.flexoffer_manager import (
    SeenOffer,
    SimulatedManager,
    hold_back,
)

from .application import Application
from .home import ENDPOINT, LOST_AFTER, never
from .scenario import STOP_CONSUMPTION, Scenario
from .watching import Seen, hold, require, until

BOILER_SETPOINT: Final = "sensor.boiler_setpoint"
_LINKED: Final = "binary_sensor.demo_site_broker"
_RUNNING: Final = "binary_sensor.boiler_running"
SHIFTED: Final = "sensor.demo_site_energy_shifted_by_flexoffers"
_RELAYS: Final = ("relay1", "relay2")
"""The boiler's and the cold store's, as the endpoint numbers its loads."""
_BOILER_STATE: Final = "gateway/relay1State/datapoint"
_TO_FETCH: Final = timedelta(seconds=2)
"""Time that the home has at least to fetch a schedule before its deadline."""
_STAGGER: Final = 4.0
"""s that two loads lie apart at least when they come back."""


@dataclass(slots=True)
class HomeScenario(Scenario):
    """A scenario with an application at the broker."""

    application: Application = field(kw_only=True)

    async def on(self) -> tuple[bool, bool]:
        """Return whether the boiler's relay is closed, and the cold store is asked."""
        annexe = await self.probes.annexe()
        return await self.probes.boiler_on(), annexe.cold_store_asked

    async def told(self) -> bool | None:
        """Return what the broker heard last of the boiler's relay, None: nothing."""
        told = self.application.of(f"@update/{ENDPOINT}/{_BOILER_STATE}")
        return bool(told[-1]["value"]) if told else None

    async def set_relays(self, *, enabled: bool) -> None:
        """Have the application set both loads."""
        for relay in _RELAYS:
            path = f"{ENDPOINT}/gateway/{relay}Control/parameter"
            await self.application.set(path, int(enabled))

    async def cause(self) -> str:
        """Return why the boiler does what it does, in Home Assistant's words."""
        async with self.stage.home_assistant() as home_assistant:
            state = await home_assistant.get(f"states/{BOILER_SETPOINT}")
        return str(state["attributes"].get("cause"))


async def announced(play: HomeScenario) -> Seen:
    """Wait until the home is at the broker with everything that it knows."""
    begun = time.monotonic()
    welcome = await play.rtu.ask("connect", within=10)
    require(welcome["started"] is not None, "the operator's RTU is not connected")
    await until(play.on, lambda it: it == (True, True), within=30)
    await until(play.told, lambda it: it is True, within=30)
    online = play.application.of(f"@online/{ENDPOINT}")
    require(bool(online), "there was no @online")
    nodes = online[-1]["nodes"]
    return Seen(
        f"@online with {len(nodes)} nodes; both loads run, and the boiler's relay is told closed",
        1000 * (time.monotonic() - begun),
    )


async def offered(play: HomeScenario) -> Seen:
    """Wait until both loads are on offer, and their schedules are there."""
    manager, begun = play.stage.manager, time.monotonic()
    manager.assign = never
    # One load may be offered a window before the other: both are wanted at one time.
    taken, _ = await until(
        lambda: _together(manager), lambda it: len(it) > 1, within=90
    )
    for offer in taken:
        manager.schedules[offer.id] = hold_back(offer)
    ranges = " and ".join(
        f"{it.total.low:.0f} to {it.total.high:.1f} Wh" for it in taken
    )
    return Seen(
        f"offered {ranges}; both assigned",
        1000 * (time.monotonic() - begun),
    )


async def carried_out(play: HomeScenario) -> Seen:
    """Wait until the schedules hold both loads back, and say so."""
    begun = time.monotonic()
    await until(play.on, lambda it: it == (False, False), within=60)
    cause, _ = await until(play.cause, lambda it: "aggregator" in it, within=5)
    await until(play.told, lambda it: it is False, within=10)
    return Seen(
        f"both off; boiler: {cause!r}; the broker heard its relay open",
        1000 * (time.monotonic() - begun),
    )


async def measured(play: HomeScenario) -> Seen:
    """Wait for the reports, and for both loads to run again."""
    manager, begun = play.stage.manager, time.monotonic()
    await until(lambda: _count(manager.measurements), lambda it: it >= 2, within=60)
    known = set(manager.schedules)
    parts = [
        part
        for report in manager.measurements
        if report["flexOfferId"] in known
        for part in report["measurements"]
    ]
    require(all(part["measured"] is not None for part in parts), f"{parts}")
    ended = {item.id: item.state for item in manager.told if item.id in known}
    require(set(ended.values()) == {"executed"}, f"the offers ended as {ended}")
    await until(play.on, lambda it: it == (True, True), within=60)
    shifted, _ = await until(lambda: play.state(SHIFTED), lambda it: it > 0, within=10)
    drawn = sum(part["measured"] for part in parts)
    return Seen(
        f"both executed, {1000 * drawn:.2f} Wh drawn of 0 Wh wanted, "
        f"{1000 * shifted:.1f} Wh shifted; both run again",
        1000 * (time.monotonic() - begun),
    )


async def _together(manager: SimulatedManager) -> list[SeenOffer]:
    """Return the offers of the newest window that may still be assigned."""
    newest = max((it.start_after for it in manager.offers.values()), default=None)
    soon = datetime.now(UTC) + _TO_FETCH
    return [
        offer
        for offer in manager.offers.values()
        if offer.start_after == newest and offer.assign_before > soon
    ]


async def _count(items: object) -> int:
    assert hasattr(items, "__len__")
    return len(items)


async def held(play: HomeScenario) -> Seen:
    """Have the application hold both loads back."""
    begun = time.monotonic()
    confirmed = f"@didSet/{ENDPOINT}/gateway/relay"
    before = len(play.application.of(confirmed))
    await play.set_relays(enabled=False)
    _, ms = await until(
        play.on, lambda it: it == (False, False), within=15, since=begun
    )
    await until(
        lambda: _count(play.application.of(confirmed)[before:]),
        lambda it: it >= 2,
        within=5,
    )
    cause, _ = await until(play.cause, lambda it: "127.0.0.1" in it, within=5)
    return Seen(f"both off and confirmed (@didSet); boiler: {cause!r}", ms)


async def broker_killed(play: HomeScenario) -> Seen:
    """Kill the broker: what it asked ends, and the loads return one by one."""
    killed = await _kill_broker(play)
    await hold(play.on, lambda it: it == (False, False), for_s=LOST_AFTER / 2)
    back: dict[int, float] = {}
    while len(back) < len(_RELAYS):
        states, now = await play.on(), time.monotonic() - killed
        for index, is_on in enumerate(states):
            if is_on:
                back.setdefault(index, now)
        require(now < 90, f"after {now:.0f} s only {len(back)} came back")
        await asyncio.sleep(0.1)
    first, second = sorted(back.values())
    require(first >= LOST_AFTER, f"the first came back after {first:.1f} s already")
    require(second - first >= _STAGGER, f"{second - first:.1f} s between the two")
    # What is told next must be what Home Assistant has seen, a poll later.
    await until(lambda: play.is_on(_RUNNING), bool, within=15)
    return Seen(
        f"first load back {first:.1f} s after the kill, the second "
        f"{second - first:.1f} s later",
        1000 * second,
    )


async def resumed(play: HomeScenario) -> Seen:
    """Start the broker again: what was missed is told, and commands work again."""
    begun = time.monotonic()
    await play.stage.start_broker()
    late = f"@delayed/{ENDPOINT}"
    await until(lambda: _count(play.application.of(late)), bool, within=90)
    back = 1000 * (time.monotonic() - begun)
    await until(lambda: play.is_on(_LINKED), bool, within=15)
    messages = [
        message for batch in play.application.of(late) for message in batch["messages"]
    ]
    times = [
        item["data"]["timestamp"]
        for item in messages
        if item["topic"].startswith("@update/")
    ]
    require(times == sorted(times), "what was stored came out of order")
    relay = [
        item["data"]["value"]
        for item in messages
        if item["topic"].endswith(_BOILER_STATE)
    ]
    require(relay[-1:] == [True], f"of the boiler's relay {relay} was told")
    await until(lambda: _listens(play), bool, within=15)
    await held(play)
    return Seen(
        f"back after {back / 1000:.1f} s; {len(messages)} messages of the time without "
        f"it, in order, among them the boiler's return; both loads held again",
        back,
    )


async def stop_holds(play: HomeScenario) -> Seen:
    """Kill the broker under the operator's stop: no load comes back."""
    await play.order(STOP_CONSUMPTION, True)
    await _kill_broker(play)
    await hold(play.on, lambda it: it == (False, False), for_s=LOST_AFTER + 15)
    async with play.stage.home_assistant() as home_assistant:
        state = await home_assistant.get(f"states/{BOILER_SETPOINT}")
    source = state["attributes"].get("source")
    require(source == "emergency_stop", f"the boiler is held by {source}")
    return Seen(
        f"{LOST_AFTER + 15:.0f} s after the kill both are off; boiler held by {source}",
        None,
    )


async def released(play: HomeScenario) -> Seen:
    """Release the stop: now they come back, one by one; the broker's word has ended."""
    begun = time.monotonic()
    await play.order(STOP_CONSUMPTION, False)
    await until(play.on, any, within=60)
    first = time.monotonic()
    require(await play.on() != (True, True), "both came back at once")
    _, ms = await until(play.on, all, within=60, since=begun)
    require(time.monotonic() - first >= _STAGGER, "they came back together")
    return Seen(
        f"first {first - begun:.1f} s after the release, the second "
        f"{time.monotonic() - first:.1f} s later",
        ms,
    )


async def _listens(play: HomeScenario) -> bool:
    return play.application.connected


async def _kill_broker(play: HomeScenario) -> float:
    broker = play.stage.broker
    require(broker is not None and broker.running, "the broker does not run")
    assert broker is not None
    await broker.kill()
    return time.monotonic()
