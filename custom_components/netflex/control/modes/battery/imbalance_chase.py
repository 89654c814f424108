"""Imbalance chase: the battery follows the imbalance price (NIV chase).

Two curves say which charge is right at a price. What lies between the battery's charge
and the charge curve above it is charged, what lies between it and the discharge curve
below it is discharged, by the end of the settlement period. Where the system is short
the price is raised by a shift before the curves are asked, where it is long lowered:
prices settle in that direction.
"""

from datetime import timedelta

from ....model.programme import ImbalanceChase, TimedPrice, charge_at
from ....model.schedule import UnknownScheduleError, active
from . import causes
from .system import settlement_period, system_state, unknown
from .view import NO_CLOCK, SCHEDULE_UNKNOWN, Answer, BatteryView, exactly, lacks_energy


def wish(view: BatteryView, parameters: ImbalanceChase) -> Answer:
    """Wish for the power that moves what the curves say."""
    if not view.clock.synchronised:
        return NO_CLOCK
    if (lacking := lacks_energy(view)) is not None:
        return lacking
    try:
        price = _price(view, parameters)
        if price is None:
            return unknown(view, parameters.trusted_after)
        to_charge = price + sum(_holding(view, parameters.import_rates))
        to_discharge = price - sum(_holding(view, parameters.export_rates))
    except UnknownScheduleError:
        return SCHEDULE_UNKNOWN
    above = view.energy_to(charge_at(parameters.charge_curve, to_charge)) or 0.0
    below = view.energy_to(charge_at(parameters.discharge_curve, to_discharge)) or 0.0
    hours = _hours_left(view, parameters)
    if above > 0:
        power = above / view.efficiency / hours
        return exactly(power, causes.chases(to_charge, charging=True), gradual=True)
    if below < 0:
        cause = causes.chases(to_discharge, charging=False)
        return exactly(below / hours, cause, gradual=True)
    return None


def _price(view: BatteryView, parameters: ImbalanceChase) -> float | None:
    """Return the imbalance price to act on, shifted; the default one where none is."""
    system = system_state(
        view.market,
        view.clock.utc,
        parameters.when_short,
        parameters.when_long,
        parameters.trusted_after,
    )
    if system is not None and system.price is not None:
        if system.short:
            return system.price + parameters.shift_short
        return system.price - (parameters.shift_long if system.long else 0.0)
    return next(iter(_holding(view, parameters.default_prices)), None)


def _holding(view: BatteryView, prices: tuple[TimedPrice, ...]) -> list[float]:
    """Return the prices that hold now."""
    return [
        item.value
        for item in prices
        if active(item.schedule, view.clock.utc, view.holidays, view.entities)
        is not None
    ]


def _hours_left(view: BatteryView, parameters: ImbalanceChase) -> float:
    """Return the h until the settlement period ends, never so few that a power runs away."""
    start, length = settlement_period(
        view.market, view.clock.utc, parameters.settlement_period
    )
    left = start + timedelta(seconds=length) - view.clock.utc
    return max(view.tuning.quarter_end, left.total_seconds()) / 3600
