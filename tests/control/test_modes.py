"""Modes in closed loop: what each asks for, and that limits come after every one."""

from collections.abc import Callable
from datetime import timedelta
import json

import pytest

from custom_components.netflex.control.memory import from_dict, to_dict
from custom_components.netflex.model.asset import Asset
from custom_components.netflex.model.connection import Line
from custom_components.netflex.model.modes import BatteryMode, ChargerMode, LoadMode
from custom_components.netflex.model.orders import NO_ORDERS
from custom_components.netflex.model.snapshot import UserLimits

from .closed_loop import Loop, Sample, Switched, changes, devices_of
from .sites import START, battery, charger, inverter, keys, load, orders, site, stop

SUN = 9000.0


def charging(mode: ChargerMode, *more: Asset, **options: object) -> Loop:
    """A car of 11 kW at a site of 1.5 kW, with as much sun as a test says."""
    model = site(
        charger(maximum=16.0),
        inverter(rated=12_000.0),
        *more,
        **options.pop("site", {}),
    )
    user = options.pop("user", {"car": UserLimits(mode=mode)})
    sun = options.pop("sun", lambda at: 0.0)
    return Loop(
        site=model,
        devices=devices_of(model, sun={"sun": sun}, **options.pop("devices", {})),
        user=lambda at: user,
        **options,  # type: ignore[arg-type]
    )


def car(sample: Sample) -> float:
    return sample.plan.setpoints["car"].value or 0.0


def cause(sample: Sample, name: str = "car") -> list[str]:
    return keys(sample.plan, name)


# ---------------------------------------------------------------------------- chargers


def test_off_charges_nothing_and_says_so() -> None:
    loop = charging(ChargerMode.OFF, sun=lambda at: SUN)
    last = loop.run(60)[-1]
    assert car(last) == 0.0
    assert cause(last) == ["mode_off"]
    loop.user = lambda at: {"car": UserLimits(mode=ChargerMode.FAST)}
    # Its user's word is no limit that has to prove lasting room.
    assert car(loop.run(5)[-1]) >= 6.0


def test_minimum_charges_at_the_minimum_day_and_night() -> None:
    for sun in (0.0, SUN):
        last = charging(ChargerMode.MINIMUM, sun=lambda at, sun=sun: sun).run(60)[-1]
        assert car(last) == 6.0
        assert "mode_minimum" in cause(last)


def test_fast_charges_with_all_that_the_limits_leave() -> None:
    assert car(charging(ChargerMode.FAST).run(60)[-1]) == 16.0
    # A mode that is none for a charger is the default.
    other = charging(ChargerMode.FAST, user={"car": UserLimits(mode=BatteryMode.IDLE)})
    assert car(other.run(60)[-1]) == 16.0


def test_solar_charges_with_the_surplus_only() -> None:
    loop = charging(ChargerMode.SOLAR)
    assert car(loop.run(120)[-1]) == 0.0
    loop = charging(ChargerMode.SOLAR, sun=lambda at: SUN)
    samples = loop.run(600)
    settled = samples[-120:]
    assert all(sample.power <= 100.0 for sample in settled)
    assert settled[-1].devices["car"] == pytest.approx(7500.0, abs=500.0)
    assert cause(settled[-1])[0] == "solar_surplus"
    assert changes(settled, "car") <= 4


def test_solar_goes_on_at_its_minimum_while_a_cloud_passes() -> None:
    def sun(at: float) -> float:
        return 0.0 if 1400 < at < 1500 or at > 1800 else SUN

    samples = charging(ChargerMode.SOLAR, sun=sun).run(1200)
    cloud = [sample for sample in samples if 1410 < sample.at < 1500]
    assert all(car(sample) == 6.0 for sample in cloud)
    # A sun that does not come back ends it, after its patience.
    assert car(next(s for s in samples if s.at >= 1960)) == 6.0
    assert car(samples[-1]) == 0.0


def test_solar_plus_minimum_never_pauses_and_takes_the_surplus() -> None:
    loop = charging(ChargerMode.SOLAR_MINIMUM, sun=lambda at: SUN if at > 1300 else 0)
    samples = loop.run(600)
    assert all(car(sample) == 6.0 for sample in samples[5:250])
    assert samples[-1].devices["car"] == pytest.approx(7500.0, abs=500.0)


def test_a_car_goes_before_the_battery_and_no_battery_feeds_it() -> None:
    loop = charging(ChargerMode.SOLAR, battery(rated=6000.0), sun=lambda at: SUN)
    samples = loop.run(900)
    assert samples[-1].devices["car"] == pytest.approx(7500.0, abs=600.0)
    assert samples[-1].devices["battery"] >= -300.0


def test_two_cars_share_the_surplus_and_a_fast_one_takes_from_it() -> None:
    both = {
        "car": UserLimits(mode=ChargerMode.SOLAR),
        "two": UserLimits(mode=ChargerMode.SOLAR),
    }
    model = site(
        charger(lines=(Line.L1,), maximum=16.0),
        charger("two", lines=(Line.L2,), maximum=16.0),
        inverter(),
    )
    loop = Loop(
        site=model,
        devices=devices_of(model, sun={"sun": lambda at: 5500.0}),
        user=lambda at: both,
    )
    last = loop.run(600)[-1]
    assert last.devices["car"] == pytest.approx(last.devices["two"], abs=150.0)
    assert last.power <= 100.0
    both["two"] = UserLimits(mode=ChargerMode.FAST)
    last = loop.run(900)[-1]
    assert last.plan.setpoints["two"].value == 16.0
    assert last.plan.setpoints["car"].value == 0.0


def test_solar_charging_finds_what_a_limit_of_no_injection_hides() -> None:
    """Curtailed sun shows no surplus at the meter: it is asked for step by step."""
    loop = charging(
        ChargerMode.SOLAR,
        sun=lambda at: 11_000.0,
        orders=lambda at: orders(minsetp=0.0),
    )
    samples = loop.run(1200)
    assert samples[-1].devices["car"] > 6000.0
    assert all(sample.power > -300.0 for sample in samples[60:])


# ---------------------------------------------------------------------------- deadline


def due(hours: float, energy: float) -> dict[str, UserLimits]:
    return {
        "car": UserLimits(
            mode=ChargerMode.DEADLINE,
            energy=energy,
            deadline=START + timedelta(seconds=1000, hours=hours),
        )
    }


def delivered(samples: list[Sample], step: float) -> float:
    return sum(sample.devices["car"] for sample in samples) * step / 3600


def test_by_deadline_spreads_what_the_sun_does_not_deliver() -> None:
    loop = charging(ChargerMode.DEADLINE, user=due(4.0, 20_000.0), step=5.0)
    samples = loop.run(4 * 3600)
    powers = [sample.devices["car"] for sample in samples[60:-120]]
    # 20 kWh in four hours: about 5 kW all the time, not 11 kW for two hours.
    assert max(powers) < 6000.0
    assert min(powers) > 4500.0
    assert delivered(samples, 5.0) == pytest.approx(20_000.0, rel=0.03)
    assert "deadline" in cause(samples[300])


def test_by_deadline_waits_for_the_sun_and_starts_late_enough() -> None:
    loop = charging(ChargerMode.DEADLINE, user=due(3.0, 4000.0), step=5.0)
    samples = loop.run(3 * 3600)
    first = next(sample.at for sample in samples if sample.devices["car"] > 0)
    # 4 kWh at the minimum of 4.1 kW take an hour.
    assert first - 1000 > 1.7 * 3600
    assert delivered(samples, 5.0) == pytest.approx(4000.0, rel=0.05)
    sunny = charging(
        ChargerMode.DEADLINE, user=due(3.0, 4000.0), sun=lambda at: SUN, step=5.0
    )
    samples = sunny.run(2000)
    assert delivered(samples, 5.0) > 2000.0
    assert all(sample.power < 200.0 for sample in samples[60:])


def test_by_deadline_counts_over_a_restart_and_is_done_once() -> None:
    user = due(2.0, 10_000.0)
    loop = charging(ChargerMode.DEADLINE, user=user, step=5.0)
    loop.run(2400)
    before = loop.memory.asset("car").mode.delivered
    assert before > 1500.0
    loop.memory = from_dict(json.loads(json.dumps(to_dict(loop.memory))))
    loop.run(5)
    assert loop.memory.asset("car").mode.delivered >= before
    samples = loop.run(2 * 3600)
    assert loop.memory.asset("car").mode.delivered == pytest.approx(10_000.0, rel=0.05)
    assert car(samples[-1]) == 0.0
    assert "energy_delivered" in cause(samples[-1])


def test_by_deadline_uses_the_chargers_own_counter() -> None:
    loop = charging(ChargerMode.DEADLINE, user=due(2.0, 6000.0))
    device = loop.devices[0]
    details = device.details
    device.details = lambda at: details(at) | {"energy_consumed": 50_000.0}  # type: ignore[method-assign]
    loop.run(60)
    device.details = lambda at: details(at) | {"energy_consumed": 52_500.0}  # type: ignore[method-assign]
    loop.run(5)
    assert loop.memory.asset("car").mode.delivered == pytest.approx(2500.0, abs=100)


def test_a_missed_deadline_goes_on_at_full_power() -> None:
    loop = charging(ChargerMode.DEADLINE, user=due(-1.0, 6000.0))
    last = loop.run(60)[-1]
    assert car(last) == 16.0
    assert not last.plan.setpoints["car"].causes


def test_without_a_deadline_it_charges_at_once_and_says_why() -> None:
    user = {"car": UserLimits(mode=ChargerMode.DEADLINE, energy=5000.0)}
    assert car(charging(ChargerMode.DEADLINE, user=user).run(60)[-1]) == 16.0


def test_by_deadline_does_not_trust_a_clock_that_is_not_synchronised() -> None:
    loop = charging(ChargerMode.DEADLINE, user=due(10.0, 6000.0), synchronised=False)
    assert car(loop.run(60)[-1]) == 16.0


# ------------------------------------------------------------------ limits come after


@pytest.mark.parametrize("mode", list(ChargerMode))
def test_protection_is_the_last_stage_after_every_mode(mode: ChargerMode) -> None:
    """Ordered limits, stops and the fuse bind in every mode."""
    user = due(0.5, 20_000.0) if mode is ChargerMode.DEADLINE else None
    options = {} if user is None else {"user": user}
    loop = charging(mode, site={"main_fuse": 20.0}, **options)
    loop.base = lambda at: (2500.0,) * 3
    loop.run(120)
    for sample in loop.samples[20:]:
        assert max(sample.currents) <= 20.3
    loop.base = lambda at: (500.0,) * 3
    loop.orders = lambda at: orders(maxsetp=10.0)
    assert loop.run(60)[-1].devices["car"] == 0.0
    loop.orders = lambda at: stop("consumption")
    assert loop.run(10)[-1].devices["car"] == 0.0
    loop.orders = lambda at: NO_ORDERS
    loop.meter_works = lambda at: False
    assert loop.run(120)[-1].devices["car"] <= 6.0 * 690


# --------------------------------------------------------------------------- batteries


def test_an_idle_battery_rests_unless_a_limit_needs_it() -> None:
    model = site(battery(), inverter())
    loop = Loop(
        site=model,
        devices=devices_of(model, sun={"sun": lambda at: 6000.0}),
        user=lambda at: {"battery": UserLimits(mode=BatteryMode.IDLE)},
    )
    last = loop.run(60)[-1]
    assert last.devices["battery"] == 0.0
    assert cause(last, "battery") == ["mode_idle"]
    loop.orders = lambda at: orders(minsetp=10.0)
    assert loop.run(60)[-1].devices["battery"] > 2000.0


def test_self_consumption_stays_inside_the_users_limit_and_the_reserve() -> None:
    model = site(battery(rated=5000.0, reserve=40.0))
    loop = Loop(
        site=model,
        devices=devices_of(model, battery={"charge": 40.5, "capacity": 1000.0}),
        user=lambda at: {
            "battery": UserLimits(mode=BatteryMode.SELF_CONSUMPTION, power=1000.0)
        },
    )
    samples = loop.run(60)
    assert min(sample.devices["battery"] for sample in samples) >= -1000.0
    assert samples[-1].devices["battery"] == 0.0
    assert loop.devices[0].charge >= 39.5  # type: ignore[attr-defined]


# ------------------------------------------------------------------------------- loads


class Boiler(Switched):
    """A load with a thermometer and an on/auto switch."""

    temperature: Callable[[float], float] = staticmethod(lambda at: 50.0)
    local_on: bool | None = None

    def details(self, at: float) -> dict[str, object]:
        return super().details(at) | {
            "temperature": self.temperature(at),
            "local_on": self.local_on,
        }


def heating(
    mode: LoadMode | None = LoadMode.SOLAR, **options: object
) -> tuple[Loop, Boiler]:
    asset = load(
        **({"comfort_low": 40.0, "comfort_high": 65.0} | options)  # type: ignore[arg-type]
    )
    model = site(asset, inverter())
    boiler = Boiler(asset=asset)
    loop = Loop(
        site=model,
        devices=[boiler, *devices_of(site(inverter()))],
        user=lambda at: {"boiler": UserLimits(mode=mode)},
    )
    return loop, boiler


def on(loop: Loop, seconds: float = 150.0) -> bool:
    return bool(loop.run(seconds)[-1].plan.setpoints["boiler"].value)


def test_a_solar_load_runs_while_the_sun_carries_it() -> None:
    loop, boiler = heating()
    assert not on(loop, 400)
    loop.devices[1].sun = lambda at: 6000.0  # type: ignore[attr-defined]
    assert on(loop)
    loop.devices[1].sun = lambda at: 0.0  # type: ignore[attr-defined]
    assert on(loop, 120)
    assert not on(loop, 180)
    assert boiler.power == 0.0


def test_comfort_needs_it_without_sun_and_ends_it_with_sun() -> None:
    loop, boiler = heating()
    boiler.temperature = lambda at: 39.0
    assert on(loop)
    loop.devices[1].sun = lambda at: 7000.0  # type: ignore[attr-defined]
    boiler.temperature = lambda at: 66.0
    assert not on(loop)
    assert "comfort_high" in cause(loop.samples[-1], "boiler")


def test_the_local_switch_at_on_outweighs_the_sun_and_no_limit() -> None:
    loop, boiler = heating()
    boiler.local_on = True
    assert on(loop)
    loop.orders = lambda at: stop("consumption")
    assert not on(loop, 10)
    loop.orders = lambda at: orders(maxsetp=5.0)
    assert not on(loop)


def test_minimum_times_of_a_load() -> None:
    loop, _ = heating(minimum_on=600.0, minimum_off=900.0)
    loop.devices[1].sun = lambda at: 6000.0 if at < 1200 else 0.0  # type: ignore[attr-defined]
    samples = loop.run(700)
    assert samples[-150].plan.setpoints["boiler"].value == 1.0
    assert not on(loop, 300)
    off_at = loop.memory.asset("boiler").off_since
    assert off_at is not None
    loop.devices[1].sun = lambda at: 6000.0  # type: ignore[attr-defined]
    assert not on(loop, off_at + 880 - loop.now)
    assert on(loop, 60)


def test_switching_it_off_and_on_is_the_users_word() -> None:
    loop, _ = heating()
    loop.user = lambda at: {"boiler": UserLimits(switch=True, mode=LoadMode.SOLAR)}
    assert on(loop)
    loop.user = lambda at: {"boiler": UserLimits(switch=False, mode=LoadMode.ALWAYS)}
    assert not on(loop, 5)
    assert cause(loop.samples[-1], "boiler") == ["user_switch"]
