"""Remote commands on loads: one more source that can only tighten (S14)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

from custom_components.netflex.control.codec import decode, encode
from custom_components.netflex.control.tuning import DEFAULT
from custom_components.netflex.model.modes import ChargerMode
from custom_components.netflex.model.plan import Cause, Source
from custom_components.netflex.model.remote import RemoteCommand, held_back
from custom_components.netflex.model.snapshot import UserLimits

from .closed_loop import Car, Loop, Sample, Switched
from .sites import ALL, START, charger, keys, load, orders, site, stop

HOLD = RemoteCommand(
    source="aggregator",
    enabled=False,
    at=START,
    lost_after=300.0,
    cause=Cause(source=Source.DISPATCH, key="remote_hold", text="Held back"),
)


class Boiler(Switched):
    """A load with a thermometer and an on/auto switch."""

    temperature: Callable[[float], float] = staticmethod(lambda at: 50.0)
    local_on: bool | None = None

    def details(self, at: float) -> dict[str, object]:
        return super().details(at) | {
            "temperature": self.temperature(at),
            "local_on": self.local_on,
        }


def heating(*names: str, **options: object) -> tuple[Loop, dict[str, Boiler]]:
    assets = [load(name, rated=2000.0, **options) for name in names or ("boiler",)]
    boilers = {asset.id: Boiler(asset=asset) for asset in assets}
    return Loop(site=site(*assets), devices=[*boilers.values()]), boilers


def told(sample: Sample, name: str = "boiler") -> bool:
    return bool(sample.plan.setpoints[name].value)


def held(loop: Loop, command: RemoteCommand = HOLD, *names: str) -> None:
    loop.remote = lambda at: dict.fromkeys(names or ("boiler",), (command,))


def test_a_command_holds_a_load_back_and_names_its_cause() -> None:
    loop, _ = heating()
    assert told(loop.run(10)[-1])
    held(loop)
    last = loop.run(3)[-1]
    assert not told(last)
    assert keys(last.plan, "boiler") == ["remote_hold"]


def test_enabled_asks_for_nothing_and_lifts_no_stop_and_no_limit() -> None:
    loop, _ = heating()
    held(loop, replace(HOLD, enabled=True))
    assert told(loop.run(10)[-1])
    loop.orders = lambda at: stop("consumption")
    assert not told(loop.run(5)[-1])
    loop.orders = lambda at: orders(maxsetp=5.0)
    assert not told(loop.run(120)[-1])


def test_the_user_the_local_switch_and_comfort_outweigh_a_command() -> None:
    loop, boilers = heating(comfort_low=40.0, comfort_high=65.0)
    held(loop)
    assert not told(loop.run(10)[-1])
    boilers["boiler"].temperature = lambda at: 39.0
    assert told(loop.run(900)[-1])
    boilers["boiler"].temperature = lambda at: 50.0
    assert not told(loop.run(10)[-1])
    boilers["boiler"].local_on = True
    assert told(loop.run(900)[-1])
    boilers["boiler"].local_on = None
    assert not told(loop.run(10)[-1])
    loop.user = lambda at: {"boiler": UserLimits(switch=True)}
    assert told(loop.run(900)[-1])


def test_a_load_that_has_just_started_runs_its_minimum_time_first() -> None:
    loop, _ = heating(minimum_on=300.0)
    assert told(loop.run(10)[-1])
    held(loop)
    assert told(loop.run(200)[-1])
    assert not told(loop.run(120)[-1])


def test_S14_a_lost_source_loses_its_command_after_its_delay_and_no_limit() -> None:
    loop, _ = heating()
    loop.run(10)
    lost_at = loop.now + 100
    held(loop, replace(HOLD, lost_at=lost_at, lost_after=300.0))
    assert not told(loop.run(390)[-1])
    loop.orders = lambda at: stop("consumption")
    assert not told(loop.run(900)[-1])
    loop.orders = lambda at: orders()
    assert told(loop.run(900)[-1])


def test_S14_many_loads_come_back_one_after_the_other() -> None:
    names = ("a", "b", "c", "d")
    loop, _ = heating(*names)
    loop.run(60)
    held(loop, replace(HOLD, until=loop.now + 600), *names)
    samples = loop.run(2400)
    assert not any(told(samples[300], name) for name in names)
    started = sorted(
        next(s.at for s in samples[300:] if told(s, name)) for name in names
    )
    gaps = [later - earlier for earlier, later in pairwise(started)]
    assert min(gaps) > 0


def test_a_load_that_waits_for_its_turn_says_so_and_what_had_held_it() -> None:
    names = ("a", "b")
    loop, _ = heating(*names)
    loop.run(60)
    held(loop, replace(HOLD, until=loop.now + 300), *names)
    samples = loop.run(1500)
    assert keys(samples[200].plan, "b") == ["remote_hold"]
    waiting = [
        keys(sample.plan, name)
        for sample in samples[301:]
        for name in names
        if not told(sample, name)
    ]
    assert waiting
    assert all(found == ["coming_back", "remote_hold"] for found in waiting)
    # It never says so of what runs, and not twice over.
    assert told(samples[-1], "a")
    assert told(samples[-1], "b")
    assert "coming_back" not in keys(samples[-1].plan, "a")


def test_who_was_off_by_choice_comes_back_at_once_after_waiting_for_another() -> None:
    loop, _ = heating("a", "b")
    loop.user = lambda at: dict.fromkeys(("a", "b"), UserLimits(switch=False))
    loop.run(60)
    loop.user = lambda at: {}
    samples = loop.run(900)
    started = [
        next(s.at for s in samples if told(s, name)) - samples[0].at
        for name in ("a", "b")
    ]
    assert min(started) < 5
    assert max(started) < DEFAULT.resume_delay + DEFAULT.minimum_off


def test_of_several_sources_the_oldest_command_is_named() -> None:
    later = replace(HOLD, source="other", at=START + timedelta(seconds=5))
    assert held_back((later, HOLD), 0.0) is HOLD
    assert held_back((later, replace(HOLD, until=10.0)), 10.0) is later
    assert held_back((replace(HOLD, enabled=True),), 0.0) is None


def test_a_command_is_the_same_after_a_recording() -> None:
    command = replace(HOLD, until=12.5, lost_at=3.0)
    assert decode(RemoteCommand, encode(command)) == command


def charging(**user: object) -> Loop:
    """A site with one car that charges, held back from outside."""
    asset = charger("car", maximum=16.0)
    loop = Loop(site=site(asset), devices=[Car(asset=asset)])
    loop.user = lambda at: {"car": UserLimits(**user)}
    held(loop, HOLD, "car")
    return loop


def test_a_command_pauses_a_charger_and_names_its_cause() -> None:
    loop = charging()
    last = loop.run(30)[-1]
    assert last.plan.setpoints["car"].value == 0.0
    assert "remote_hold" in keys(last.plan, "car")
    loop.remote = lambda at: {}
    assert loop.run(180)[-1].plan.setpoints["car"].value == 16.0


def test_a_car_that_must_be_charged_by_a_time_does_not_wait() -> None:
    soon = START + timedelta(minutes=30)
    loop = charging(mode=ChargerMode.DEADLINE, energy=5000.0, deadline=soon)
    assert loop.run(60)[-1].plan.setpoints["car"].value == 16.0


def rising(samples: list[Sample], names: tuple[str, ...], since: int) -> list[float]:
    """Return when each load was told on again, in order."""
    return sorted(
        next(s.at for s in samples[since:] if told(s, name)) for name in names
    )


def test_S14_twenty_loads_that_come_back_add_no_more_power_per_minute_than_allowed() -> (
    None
):
    names = tuple(f"home{number:02}" for number in range(20))
    assets = [load(name, rated=1500.0) for name in names]
    loop = Loop(
        site=replace(site(*assets, main_fuse=160.0), rebound=6000.0),
        devices=[Boiler(asset=asset) for asset in assets],
    )
    loop.run(60)
    held(loop, replace(HOLD, until=loop.now + 600), *names)
    samples = loop.run(1800)
    assert not any(told(samples[590], name) for name in names)
    starts = rising(samples, names, 600)
    for first in starts:
        within = sum(first <= at < first + 60.0 for at in starts)
        assert within * 1500.0 <= 6000.0
    # They do come back: 20 of 1.5 kW at 6 kW a minute take five minutes.
    assert starts[-1] - starts[0] <= 330.0
    assert all(told(samples[-1], name) for name in names)


def test_half_of_the_main_fuse_comes_back_per_minute_where_nothing_is_said() -> None:
    names = ("a", "b", "c")
    assets = [load(name, rated=9000.0, lines=ALL) for name in names]
    loop = Loop(
        site=site(*assets, main_fuse=63.0, contract_consumption=40_000.0),
        devices=[Boiler(asset=asset) for asset in assets],
    )
    loop.run(60)
    held(loop, replace(HOLD, until=loop.now + 300), *names)
    starts = rising(loop.run(900), names, 300)
    fuse = loop.site.connection.fuse_power
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    assert min(gaps) >= 9000.0 / (fuse / 2 / 60) - 1


def test_who_needs_heat_waits_for_its_turn_only() -> None:
    names = ("cold", "other")
    assets = [load(name, rated=9000.0, comfort_low=40.0, lines=ALL) for name in names]
    boilers = {asset.id: Boiler(asset=asset) for asset in assets}
    loop = Loop(
        site=replace(
            site(*assets, main_fuse=63.0, contract_consumption=40_000.0), rebound=900.0
        ),
        devices=[*boilers.values()],
    )
    loop.run(60)
    held(loop, HOLD, *names)
    loop.run(300)
    for boiler in boilers.values():
        boiler.temperature = lambda at: 39.0
    starts = rising(loop.run(300), names, 0)
    assert starts[1] - starts[0] <= 10.0


def test_what_must_never_be_shed_is_not_held_back() -> None:
    loop, _ = heating(never_shed=True)
    held(loop)
    assert told(loop.run(60)[-1])
