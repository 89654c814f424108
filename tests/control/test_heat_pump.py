"""SG-ready heat pumps in closed loop: the four states, and that limits come first."""

from datetime import timedelta

from custom_components.netflex.model.asset import HeatPumpState
from custom_components.netflex.model.modes import LoadMode
from custom_components.netflex.model.snapshot import Override, UserLimits

from .closed_loop import Loop, devices_of
from .sites import START, inverter, keys, load, orders, site, stop
from .test_remote import HOLD, Boiler

SUN = 9000.0


class House:
    """A heat pump with a thermometer, and the sun."""

    def __init__(self, **options: object) -> None:
        self.pump = Boiler(
            asset=load("pump", sg_ready=True, comfort_low=18.0, **options)
        )
        model = site(self.pump.asset, inverter(rated=12_000.0))
        sun = devices_of(model, sun={"sun": lambda at: self.sun})
        self.sun = 0.0
        self.loop = Loop(
            site=model,
            devices=[
                self.pump,
                *(item for item in sun if item.asset.id != "pump"),
            ],
        )
        self.pump.temperature = lambda at: 20.0

    def state(self, seconds: float = 60) -> HeatPumpState | None:
        return self.loop.run(seconds)[-1].plan.setpoints["pump"].heat_pump

    def states(self, seconds: float) -> list[HeatPumpState | None]:
        samples = self.loop.run(seconds)
        return [sample.plan.setpoints["pump"].heat_pump for sample in samples]


def test_without_sun_and_commands_it_is_left_to_itself() -> None:
    assert set(House().states(600)) == {HeatPumpState.NORMAL}


def test_other_loads_have_no_such_state() -> None:
    house = House()
    assert house.loop.run(5)[-1].plan.setpoints["sun"].heat_pump is None


def test_the_sun_recommends_it_and_no_cloud_flaps_its_contacts() -> None:
    house = House()
    house.loop.run(30)
    house.sun = SUN
    assert house.state(150) is HeatPumpState.NORMAL
    assert house.state(120) is HeatPumpState.RECOMMENDED
    house.sun = 0.0
    assert set(house.states(120)) == {HeatPumpState.RECOMMENDED}
    house.sun = SUN
    assert set(house.states(120)) == {HeatPumpState.RECOMMENDED}
    house.sun = 0.0
    assert house.state(300) is HeatPumpState.NORMAL


def test_a_source_outside_and_a_limit_block_it_whatever_the_sun_does() -> None:
    house = House()
    house.sun = SUN
    assert house.state(400) is HeatPumpState.RECOMMENDED
    house.loop.remote = lambda at: {"pump": (HOLD,)}
    assert house.state(5) is HeatPumpState.BLOCKED
    house.loop.remote = lambda at: {}
    assert house.state(400) is HeatPumpState.RECOMMENDED
    house.sun = 0.0
    house.loop.orders = lambda at: orders(maxsetp=5.0)
    assert house.state(60) is HeatPumpState.BLOCKED


def test_comfort_forces_it_and_a_stop_blocks_it_all_the_same() -> None:
    house = House()
    house.loop.remote = lambda at: {"pump": (HOLD,)}
    house.pump.temperature = lambda at: 17.0
    assert house.state(120) is HeatPumpState.FORCED
    house.loop.orders = lambda at: stop("consumption")
    last = house.loop.run(2)[-1].plan.setpoints["pump"]
    assert (last.value, last.heat_pump) == (0.0, HeatPumpState.BLOCKED)
    assert last.emergency


def test_an_override_forces_it_for_its_time_and_the_wanted_switch_does_not() -> None:
    house = House()
    house.loop.user = lambda at: {"pump": UserLimits(switch=True)}
    assert house.state(60) is HeatPumpState.NORMAL
    until = START + timedelta(seconds=house.loop.now + 300)
    house.loop.user = lambda at: {
        "pump": UserLimits(override=Override(switch=True, until=until))
    }
    assert house.state(60) is HeatPumpState.FORCED


def test_in_mode_solar_it_runs_recommended_and_is_blocked_without_sun() -> None:
    house = House()
    house.loop.user = lambda at: {"pump": UserLimits(mode=LoadMode.SOLAR)}
    assert house.state(300) is HeatPumpState.BLOCKED
    house.sun = SUN
    assert house.state(400) is HeatPumpState.RECOMMENDED
    assert keys(house.loop.run(1)[-1].plan, "pump") == []


def test_it_is_never_counted_below_its_rating() -> None:
    """Forced, it may draw all of it: what it is allowed is the same in every state."""
    house = House()
    house.pump.temperature = lambda at: 17.0
    house.loop.orders = lambda at: orders(maxsetp=20.0)
    samples = house.loop.run(600)
    assert all(sample.power <= 4000.0 * 1.01 for sample in samples[60:])
