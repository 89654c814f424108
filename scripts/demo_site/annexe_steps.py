"""Steps of the check: the annexe, whose devices are reached in other ways.

Charger, inverter, battery, relay and a meter are entities of other integrations; a load takes
requests over an exchange table, and a meter has a profile. Each step reads the devices'
own registers, and what Home Assistant shows of them.
"""

import time

from .annexe import (
    BATTERY,
    CHARGER,
    CONTACTOR,
    INVERTER,
    METER_POWER,
    SOLAR_METER_POWER,
)
from .probes import AnnexeRegisters
from .scenario import Scenario
from .watching import Seen, require, until

_WITHIN = 20.0
"""s in which a device behind entities that are polled must have followed."""


async def undisturbed(play: Scenario) -> Seen:
    """Look at every device without any order."""
    begun = time.monotonic()
    annexe, ms = await until(
        play.probes.annexe,
        lambda it: it.charger > 2_000 and it.cold_store > 0 and it.cold_store_accepts,
        within=_WITHIN,
        since=begun,
    )
    await _agree(play)
    meter = await play.state(METER_POWER)
    solar = await play.state(SOLAR_METER_POWER)
    require(abs(meter - annexe.meter) < 200, f"{METER_POWER} is {meter:g}: {annexe}")
    require(abs(solar) < 20, f"{SOLAR_METER_POWER} is {solar:g} without sun")
    return Seen(f"{_words(annexe)}; its meter {meter:.0f} W", ms)


async def stopped(play: Scenario) -> Seen:
    """Look whether both stops that are in force have reached every device."""
    begun = time.monotonic()
    annexe, ms = await until(
        play.probes.annexe,
        lambda it: it.consumption_stopped and it.production_stopped,
        within=5,
        since=begun,
    )
    await _agree(play)
    return Seen(_words(annexe), ms)


async def released(play: Scenario) -> Seen:
    """Look whether the annexe comes back after the house: its cold store first."""
    begun = time.monotonic()
    annexe, ms = await until(
        play.probes.annexe,
        lambda it: it.cold_store_asked and it.cold_store > 0,
        within=_WITHIN,
        since=begun,
    )
    await _agree(play)
    return Seen(_words(annexe), ms)


async def _agree(play: Scenario) -> None:
    """Wait until the driven entities say what the registers do."""

    async def differing() -> list[str]:
        annexe = await play.probes.annexe()
        told = {
            CHARGER: annexe.charger_limit,
            INVERTER: annexe.inverter_limit,
            BATTERY: annexe.battery_target,
        }
        wrong = [
            f"{entity} is {shown:g}, its register {value}"
            for entity, value in told.items()
            if (shown := await play.state(entity)) != value
        ]
        if await play.is_on(CONTACTOR) is not annexe.contactor:
            wrong.append(f"{CONTACTOR} differs from its coil")
        return wrong

    await until(differing, lambda it: not it, within=5)


def _words(annexe: AnnexeRegisters) -> str:
    return (
        f"charger {annexe.charger_limit} A ({annexe.charger:.0f} W), inverter "
        f"{annexe.inverter_limit} % ({annexe.inverter:.0f} W), battery "
        f"{annexe.battery_target} W, contactor {'on' if annexe.contactor else 'off'}, "
        f"cold store {annexe.cold_store:.0f} W"
    )
