"""Causes in words: a stable key, and a sentence with its figures for a user."""

from datetime import datetime, timedelta
from functools import lru_cache
from math import inf
from typing import Final

from ..model.asset import Direction
from ..model.connection import Line
from ..model.orders import OrderName
from ..model.phrase import Moment, Phrase
from ..model.plan import Cause, Quantity, Source
from ..model.snapshot import Override, OverrideReason, UserLimits


def power(value: float) -> str:
    """Return a power in W as a user reads it."""
    if abs(value) >= 1000:
        return f"{value / 1000:.2f} kW"
    return f"{value:.0f} W"


def current(value: float) -> str:
    """Return a current in A as a user reads it."""
    return f"{value:.1f} A"


def period(seconds: float) -> str:
    """Return a time span as a user reads it."""
    if seconds < 100:
        return f"{max(0.0, seconds):.0f} s"
    return f"{timedelta(seconds=round(seconds))}"


_STOPS = {
    Direction.PRODUCTION: "production",
    Direction.CONSUMPTION: "consumption",
}


@lru_cache(maxsize=64)
def emergency_stop(direction: Direction) -> Cause:
    """Return the cause of the operator's emergency stop."""
    return Cause(
        source=Source.EMERGENCY_STOP,
        key=f"emergency_stop_{direction}",
        text=Phrase(
            f"emergency_stop_{direction}",
            f"Emergency stop of {_STOPS[direction]} by the grid operator",
        ),
    )


@lru_cache(maxsize=64)
def local_stop(direction: Direction, holders: str) -> Cause:
    """Return the cause of a stop that something on the site holds, by its names."""
    return Cause(
        source=Source.LOCAL_STOP,
        key=f"local_stop_{direction}",
        text=Phrase(
            f"local_stop_{direction}",
            f"Local stop of {_STOPS[direction]} by {{holders}}",
            holders=holders,
        ),
    )


@lru_cache(maxsize=64)
def release(direction: Direction, *, grid: bool = False) -> Cause:
    """Return the cause of waiting for one's turn after a stop, or a loss of the grid."""
    waits = (
        Phrase("release_grid", "Waits for its turn after the grid is back")
        if grid
        else Phrase(
            f"release_{direction}",
            f"Waits for its turn after a stop of {_STOPS[direction]}",
        )
    )
    return Cause(source=Source.EMERGENCY_STOP, key=f"release_{direction}", text=waits)


@lru_cache(maxsize=64)
def fuse(line: Line, value: float) -> Cause:
    """Return the cause of the main fuse on one line."""
    return Cause(
        source=Source.FUSE,
        key="main_fuse",
        text=Phrase(
            "main_fuse",
            "Main fuse {current} on {line}",
            current=current(value),
            line=line,
        ),
    )


@lru_cache(maxsize=1024)
def feeder(name: str, line: Line, value: float) -> Cause:
    """Return the cause of a feeder's own fuse on one line."""
    return Cause(
        source=Source.FEEDER,
        key="feeder_fuse",
        text=Phrase(
            "feeder_fuse",
            "Fuse {current} of {feeder} on {line}",
            current=current(value),
            feeder=name,
            line=line,
        ),
    )


@lru_cache(maxsize=64)
def unbalance(quantity: Quantity, value: float) -> Cause:
    """Return the cause of a limit on what the lines differ by, or on the neutral."""
    allowed = current(value)
    text = (
        Phrase("unbalance", "The lines may differ by {current}", current=allowed)
        if quantity is Quantity.UNBALANCE
        else Phrase("neutral", "The neutral may carry {current}", current=allowed)
    )
    return Cause(source=Source.NEUTRAL, key=quantity.value, text=text)


@lru_cache(maxsize=64)
def q_band(low: float, high: float) -> Cause:
    """Return the cause of reactive power for the grid operator's band, in var."""
    ends = {
        name: f"{end / 1000:g} kvar"
        for name, end in (("low", low), ("high", high))
        if abs(end) < inf
    }
    band = "Grid operator's band of reactive power: "
    if "high" not in ends:
        text = Phrase("q_band_low", f"{band}at least {{low}}", **ends)
    elif "low" not in ends:
        text = Phrase("q_band_high", f"{band}at most {{high}}", **ends)
    else:
        text = Phrase("q_band", f"{band}at least {{low}} and at most {{high}}", **ends)
    return Cause(source=Source.Q_BAND, key="q_band", text=text)


@lru_cache(maxsize=64)
def off_without_limit(limit: Cause) -> Cause:
    """Return the cause of a relay for production that cannot be limited."""
    return Cause(
        source=limit.source,
        key=CUT_OFF,
        text=Phrase(
            "off_without_limit",
            "It cannot be limited and is off while this holds: {limit}",
            limit=limit.text,
        ),
    )


@lru_cache(maxsize=8)
def island() -> Cause:
    """Return the cause of what rests while the house is islanded."""
    return Cause(
        source=Source.SAFE_STATE,
        key="islanded",
        text=Phrase("islanded", "The house is without the grid: chargers rest"),
    )


@lru_cache(maxsize=8)
def locked_out() -> Cause:
    """Return the cause of an asset that is locked out for maintenance."""
    return Cause(
        source=Source.USER,
        key="locked_out",
        text=Phrase("locked_out", "Locked out for maintenance"),
    )


@lru_cache(maxsize=64)
def silent_feeder(name: str) -> Cause:
    """Return the cause of acting without a feeder's own measurement."""
    return Cause(
        source=Source.SAFE_STATE,
        key="feeder_meter_stale",
        text=Phrase(
            "feeder_meter_stale",
            "The meter of {feeder} is silent: chargers on it keep to their safe current",
            feeder=name,
        ),
    )


@lru_cache(maxsize=64)
def fuse_threshold(line: Line, value: float) -> Cause:
    """Return the cause of the smart meter's own supervision of one line."""
    return Cause(
        source=Source.METER_THRESHOLD,
        key="meter_fuse_threshold",
        text=Phrase(
            "meter_fuse_threshold",
            "The meter disconnects above {current} on {line}",
            current=current(value),
            line=line,
        ),
    )


@lru_cache(maxsize=64)
def contract(quantity: Quantity, value: float) -> Cause:
    """Return the cause of what the contract allows in one direction, W."""
    allowed = power(value)
    return Cause(
        source=Source.CONTRACT,
        key="contract",
        text=Phrase(
            "contract_import", "The contract allows {power} of import", power=allowed
        )
        if quantity is Quantity.IMPORT
        else Phrase(
            "contract_injection",
            "The contract allows {power} of injection",
            power=allowed,
        ),
    )


@lru_cache(maxsize=64)
def power_threshold(value: float) -> Cause:
    """Return the cause of the smart meter's own limiter."""
    return Cause(
        source=Source.METER_THRESHOLD,
        key="meter_power_threshold",
        text=Phrase(
            "meter_power_threshold",
            "The meter disconnects above {power}",
            power=power(value),
        ),
    )


_WITHOUT_METER = {
    "safe_current": "chargers keep to their safe current",
    "line": "it names no current on a line",
    "rest": "batteries rest",
    "not_raised": "nothing is raised",
    "not_back": "nothing comes back",
}


@lru_cache(maxsize=64)
def safe_state(what: str) -> Cause:
    """Return the cause of acting without a measurement, `what` of _WITHOUT_METER."""
    return Cause(
        source=Source.SAFE_STATE,
        key="meter_stale",
        text=Phrase(
            f"meter_stale_{what}", f"The site meter is silent: {_WITHOUT_METER[what]}"
        ),
    )


_ORDERS = {
    OrderName.MAXSETP: "consumption at the connection point",
    OrderName.MINSETP: "injection at the connection point",
    OrderName.MAXSETAP: "production of the assets",
    OrderName.MINSETAP: "consumption of the assets",
}


@lru_cache(maxsize=256)
def grid_order(name: OrderName, percent: float, base: float, what: str) -> Cause:
    """Return the cause of one of the four power limits of the grid operator.

    `base` is the denominator in W, `what` says where it comes from.
    """
    return Cause(
        source=Source.GRID_OPERATOR,
        key=name.value,
        text=Phrase(
            f"order_{name.value}",
            f"Grid operator limits {_ORDERS[name]} to {{percent}} of"
            " {base} ({what}): {power}",
            percent=f"{percent:g} %",
            base=power(base),
            what=what,
            power=power(base * percent / 100),
        ),
    )


CUT_OFF: Final = "cut_off"
"""Key of what a relay ends because a limit is not kept."""


@lru_cache(maxsize=64)
def cut_off(limit: Cause) -> Cause:
    """Return the cause of a relay that acts because a limit is not kept."""
    return Cause(
        source=limit.source,
        key=CUT_OFF,
        text=Phrase(
            "cut_off",
            "Cut off by a relay, since this is not kept: {limit}",
            limit=limit.text,
        ),
    )


@lru_cache(maxsize=256)
def device_power(what: str, value: float) -> Cause:
    """Return the cause of what a device says that it can do now."""
    return Cause(
        source=Source.DEVICE,
        key="device_limit",
        text=Phrase(
            f"itself_{what}",
            f"The device itself {what} {{power}} at most",
            power=power(value),
        ),
    )


@lru_cache(maxsize=256)
def device_current(value: float) -> Cause:
    """Return the cause of a charger at the most that its installation allows."""
    return Cause(
        source=Source.DEVICE,
        key="installation_limit",
        text=Phrase(
            "installation_limit",
            "The charger is installed for {current}",
            current=current(value),
        ),
    )


@lru_cache(maxsize=8)
def silent_device() -> Cause:
    """Return the cause of counting a device that does not answer."""
    return Cause(
        source=Source.DEVICE,
        key="device_silent",
        text=Phrase("device_silent", "The device does not answer: it is not raised"),
    )


@lru_cache(maxsize=64)
def reserve(charge: float | None, floor: float) -> Cause:
    """Return the cause of a battery that is not discharged any further."""
    kept = f"{floor:.0f} %"
    text = (
        Phrase(
            "battery_reserve_unknown",
            "Nobody knows how full the battery is, and it keeps a reserve of {floor}",
            floor=kept,
        )
        if charge is None
        else Phrase(
            "battery_reserve",
            "The battery is at {charge} and keeps a reserve of {floor}",
            charge=f"{charge:.0f} %",
            floor=kept,
        )
    )
    return Cause(
        source=Source.STATE_OF_ENERGY,
        key="battery_reserve",
        text=text,
    )


@lru_cache(maxsize=64)
def full(ceiling: float) -> Cause:
    """Return the cause of a battery that takes no more."""
    return Cause(
        source=Source.STATE_OF_ENERGY,
        key="battery_full",
        text=(
            Phrase("battery_full", "The battery is full")
            if ceiling >= 100
            else Phrase(
                "battery_ceiling",
                "The battery is charged to {ceiling} at most",
                ceiling=f"{ceiling:g} %",
            )
        ),
    )


@lru_cache(maxsize=256)
def user_current(value: float) -> Cause:
    """Return the cause of a user's limit on a charger."""
    return Cause(
        source=Source.USER,
        key="user_limit",
        text=Phrase("user_limit", "Your limit is {limit}", limit=current(value)),
    )


@lru_cache(maxsize=256)
def user_power(value: float) -> Cause:
    """Return the cause of a user's limit in W."""
    return Cause(
        source=Source.USER,
        key="user_limit",
        text=Phrase("user_limit", "Your limit is {limit}", limit=power(value)),
    )


@lru_cache(maxsize=256)
def user_target(value: float) -> Cause:
    """Return the cause of a user's target for a battery."""
    return Cause(
        source=Source.USER,
        key="user_target",
        text=Phrase("user_target", "Your target is {power}", power=power(value)),
    )


@lru_cache(maxsize=8)
def user_switch() -> Cause:
    """Return the cause of a load that the user wants off."""
    return Cause(
        source=Source.USER,
        key="user_switch",
        text=Phrase("user_switch", "You switched it off"),
    )


TESTED: Final = "commissioning"
"""Key of what the commissioning does with an asset or an output."""


@lru_cache(maxsize=64)
def override(what: Override) -> Cause:
    """Return the cause of what an asset does for a while in place of its mode."""
    told: str = Phrase("override_nothing", "nothing")
    if what.stop:
        told = Phrase("override_stopped", "stopped")
    elif what.current is not None:
        told = current(what.current)
    elif what.power is not None:
        told = Phrase("override_at_most", "{power} at most", power=power(what.power))
    elif what.target_power is not None:
        told = power(what.target_power)
    elif what.switch is not None:
        told = (
            Phrase("override_on", "on")
            if what.switch
            else Phrase("override_off", "off")
        )
    if what.reason is OverrideReason.COMMISSIONING:
        text = Phrase("commissioning_tells", "Commissioning: {told}", told=told)
        return Cause(source=Source.USER, key=TESTED, text=text)
    if what.until is None:
        text = Phrase("override", "Override: {told}", told=told)
    else:
        text = Phrase(
            "override_until",
            "Override until {until}: {told}",
            until=Moment(what.until),
            told=told,
        )
    return Cause(source=Source.USER, key="override", text=text)


def user_word(user: UserLimits, field: str, own: Cause) -> Cause:
    """Return the cause of a user's value: the override's where that one counts."""
    told = user.override
    if told is not None and getattr(told, field) == getattr(user, field):
        return override(told)
    return own


@lru_cache(maxsize=8)
def self_consumption() -> Cause:
    """Return the cause of a battery that follows the site."""
    return Cause(
        source=Source.SELF_CONSUMPTION,
        key="self_consumption",
        text=Phrase("self_consumption", "Keeps the connection point at zero"),
    )


@lru_cache(maxsize=64)
def below_minimum(value: float) -> Cause:
    """Return the cause of a pause because too little is left for a minimum."""
    return Cause(
        source=Source.DEVICE,
        key="below_minimum",
        text=Phrase(
            "below_minimum",
            "Less than the minimum of {current} is left, so it pauses",
            current=current(value),
        ),
    )


@lru_cache(maxsize=64)
def phases(number: int, source: Source) -> Cause:
    """Return the cause of a charger that goes to another number of phases."""
    text = (
        Phrase("phases_one", "Goes to 1 phase: the minimum on three does not fit")
        if number == 1
        else Phrase(
            "phases_more",
            "Goes to {number} phases: there is room for it",
            number=str(number),
        )
    )
    return Cause(source=source, key="phases", text=text)


@lru_cache(maxsize=8)
def lent() -> Cause:
    """Return the cause of a share that a car leaves to others."""
    return Cause(
        source=Source.DEVICE,
        key="share_lent",
        text=Phrase(
            "share_lent", "The car draws less than its share; others use the rest"
        ),
    )


RISING: Final = "rising"
"""Key of what is on its way to a looser limit."""
COMING_BACK: Final = "coming_back"
"""Key of a load that nothing holds any more, and that waits for its turn."""


@lru_cache(maxsize=8)
def rising(source: Source) -> Cause:
    """Return the cause of a setpoint that is on its way to a looser limit."""
    return Cause(
        source=source,
        key=RISING,
        text=Phrase("rising", "Rises slowly after a tighter limit"),
    )


@lru_cache(maxsize=8)
def coming_back(source: Source) -> Cause:
    """Return the cause of a load that nothing holds any more and whose turn comes."""
    return Cause(
        source=source,
        key=COMING_BACK,
        text=Phrase("coming_back", "Free again, comes back in its turn"),
    )


@lru_cache(maxsize=8)
def mode_off() -> Cause:
    """Return the cause of a charger that its user turned off."""
    return Cause(
        source=Source.USER, key="mode_off", text=Phrase("mode_off", "Its mode is off")
    )


@lru_cache(maxsize=8)
def mode_minimum() -> Cause:
    """Return the cause of a charger at its minimum by its user's choice."""
    return Cause(
        source=Source.USER,
        key="mode_minimum",
        text=Phrase("mode_minimum", "Its mode is the minimum current"),
    )


@lru_cache(maxsize=8)
def mode_idle() -> Cause:
    """Return the cause of a battery that rests by its user's choice."""
    return Cause(
        source=Source.USER,
        key="mode_idle",
        text=Phrase("mode_idle", "Its mode is idle"),
    )


@lru_cache(maxsize=8)
def surplus() -> Cause:
    """Return the cause of what lives from the sun."""
    return Cause(
        source=Source.SELF_CONSUMPTION,
        key="solar_surplus",
        text=Phrase("solar_surplus", "Follows the surplus of the sun"),
    )


@lru_cache(maxsize=64)
def by_deadline(missing: float, deadline: datetime, *, late: bool) -> Cause:
    """Return the cause of charging toward a deadline, `missing` in Wh."""
    when = Moment(deadline)
    kwh = f"{round(missing / 1000, 1):g} kWh"
    return Cause(
        source=Source.ECONOMIC,
        key="deadline",
        text=(
            Phrase(
                "deadline_missed",
                "{energy} are still missing, due since {when}",
                energy=kwh,
                when=when,
            )
            if late
            else Phrase("deadline", "{energy} more by {when}", energy=kwh, when=when)
        ),
    )


@lru_cache(maxsize=8)
def no_deadline() -> Cause:
    """Return the cause of charging at once for want of a deadline."""
    return Cause(
        source=Source.USER,
        key="no_deadline",
        text=Phrase(
            "no_deadline", "Energy or deadline is not set, so it charges at once"
        ),
    )


@lru_cache(maxsize=8)
def clock_unknown() -> Cause:
    """Return the cause of charging at once since nobody knows the time."""
    return Cause(
        source=Source.ECONOMIC,
        key="clock_not_synchronised",
        text=Phrase(
            "clock_not_synchronised",
            "The clock is not synchronised, so it does not wait for the deadline",
        ),
    )


@lru_cache(maxsize=64)
def energy_delivered(energy: float) -> Cause:
    """Return the cause of living from the sun after a request in Wh was met."""
    return Cause(
        source=Source.SELF_CONSUMPTION,
        key="energy_delivered",
        text=Phrase(
            "energy_delivered",
            "{energy} are delivered; the rest comes from the sun",
            energy=f"{energy / 1000:g} kWh",
        ),
    )


@lru_cache(maxsize=64)
def too_cold(temperature: float, low: float) -> Cause:
    """Return the cause of a load that its comfort needs."""
    return Cause(
        source=Source.USER,
        key="comfort_low",
        text=Phrase(
            "comfort_low",
            "Comfort: {temperature}, {limit} at least",
            temperature=f"{temperature:.1f} degC",
            limit=f"{low:g} degC",
        ),
    )


@lru_cache(maxsize=64)
def warm_enough(temperature: float, high: float) -> Cause:
    """Return the cause of a load that its comfort does not want."""
    return Cause(
        source=Source.USER,
        key="comfort_high",
        text=Phrase(
            "comfort_high",
            "Comfort: {temperature}, {limit} at most",
            temperature=f"{temperature:.1f} degC",
            limit=f"{high:g} degC",
        ),
    )


@lru_cache(maxsize=8)
def local_on() -> Cause:
    """Return the cause of a load whose own switch stands at on."""
    return Cause(
        source=Source.USER,
        key="local_on",
        text=Phrase("local_on", "Its on/auto switch stands at on"),
    )


@lru_cache(maxsize=64)
def capacity(free: float, cost: float | None) -> Cause:
    """Return the cause of a quarter hour that is held below W; `cost` per kW more."""
    below = power(free)
    text = (
        Phrase(
            "capacity_tariff",
            "Capacity tariff: this quarter hour stays below {power}",
            power=below,
        )
        if cost is None
        else Phrase(
            "capacity_tariff_priced",
            "Capacity tariff: this quarter hour stays below {power}; each kW more "
            "costs {cost}",
            power=below,
            cost=f"{cost:.2f}",
        )
    )
    return Cause(source=Source.CAPACITY_TARIFF, key="capacity_tariff", text=text)


@lru_cache(maxsize=64)
def beyond_capacity(cost: float) -> Cause:
    """Return the cause of what goes before the capacity tariff, and its price."""
    return Cause(
        source=Source.CAPACITY_TARIFF,
        key="beyond_capacity",
        text=Phrase(
            "beyond_capacity",
            "Goes before the capacity tariff: this quarter hour costs {cost} more",
            cost=f"{cost:.2f}",
        ),
    )
