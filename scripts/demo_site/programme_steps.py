"""Step of the check: the battery goes through its modes, and an order bounds one."""

from custom_components.netflex.simulated_entry import CONTRACT_INJECTION

from .order_steps import MARGIN
from .programme import QUIET, STORM
from .scenario import Scenario
from .watching import Seen, until

MODE = "sensor.battery_effective_mode"
BOUND = "sensor.battery_bound_by"
_FULL = 4_000.0
"""W that the battery gives or takes at least while nothing is ordered."""
_BAND = 150.0
"""W above a small limit that a household makes: MARGIN of it is next to nothing."""
_LESS = 2_000.0
"""W that the order takes away."""


async def programme(play: Scenario) -> Seen:
    """Discharge for a dispatch, bounded by the operator; charge for a storm; rest."""
    await play.site.ask("set", sun=0.7, car_plugged=False, state_of_charge=60)
    site = {"config_entry_id": play.entry_id}
    await play.act(
        "netflex", "dispatch", **site, action="discharge_max", duration={"minutes": 5}
    )
    free, _ = await until(play.probes.battery, lambda it: it.power < -_FULL, within=15)
    await _shows(play, MODE, "dispatch")
    power, _ = await until(
        play.probes.site_power, lambda it: it < -_LESS - 1_000, within=15
    )
    before = -power
    contract = CONTRACT_INJECTION * 1000
    percent = int((before - _LESS) / contract * 100)
    limit = percent / 100 * contract
    answer = await play.order("minsetp", percent)
    _, ms = await until(
        play.probes.battery,
        lambda it: it.setpoint > free.setpoint + _LESS / 2,
        within=5,
        since=answer["sent_at"],
    )
    most = limit * MARGIN + _BAND
    await until(play.probes.site_power, lambda it: -it <= most, within=10)
    bounded = await play.probes.battery()
    await _shows(play, BOUND, "grid_operator")
    await play.order("minsetp", 100)
    await play.act("input_boolean", "turn_on", entity_id=STORM)
    await play.act("netflex", "cancel_dispatch", **site)
    filled, _ = await until(
        play.probes.battery, lambda it: it.setpoint > 1_000, within=15
    )
    await _shows(play, MODE, "backup_reserve")
    await play.act("input_boolean", "turn_on", entity_id=QUIET)
    await play.act("input_boolean", "turn_off", entity_id=STORM)
    await until(play.probes.battery, lambda it: it.setpoint == 0, within=10)
    await _shows(play, MODE, "hold")
    await play.act("input_boolean", "turn_off", entity_id=QUIET)
    await _shows(play, MODE, "self_consumption")
    return Seen(
        f"dispatch {free.setpoint / 1000:.1f} kW, under MINSETP {percent} % "
        f"{bounded.setpoint / 1000:.1f} kW; backup reserve "
        f"{filled.setpoint / 1000:.1f} kW; hold 0 kW; then self-consumption",
        ms,
    )


async def _shows(play: Scenario, entity_id: str, state: str) -> None:
    await until(lambda: play.says(entity_id), lambda it: it == state, within=6)
