"""Devices of a site: what a change of one of them touches."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from custom_components.netflex.devices.device import Applied, DeviceConfig
from custom_components.netflex.model.asset import (
    Asset,
    AssetState,
    Category,
    Direction,
    Nature,
    StopPath,
)
from custom_components.netflex.model.plan import Setpoint
from custom_components.netflex.site.seats import Seats

CHARGER = Asset(
    id="charger",
    name="Charger",
    nature=Nature.CHARGER,
    category=Category.EV,
    rated_consumption=11_000,
)
CONFIG = DeviceConfig(device_id="charger", name="Charger", asset=CHARGER, profile="x")


class Counting:
    """A device that counts how often it is started and stopped."""

    def __init__(self, config: DeviceConfig) -> None:
        self.device_id = config.device_id
        self.state = AssetState(asset_id=config.device_id, available=True)
        self.started = 0
        self.stopped = 0
        self.behind: list[bool] = []

    async def start(self, on_state: Callable[[AssetState], None]) -> None:
        self.started += 1

    async def apply(self, setpoint: Setpoint) -> Applied:
        return Applied(written_at=0.0, confirmed=True)

    async def stop(self) -> None:
        self.stopped += 1

    def set_behind_relay(self, behind: bool) -> None:
        self.behind.append(behind)


class Bench:
    """Seats whose devices can be looked at."""

    def __init__(self) -> None:
        self.made: list[Counting] = []
        self.seats = Seats(
            self.make,
            lambda _kind, _fields: None,
            on_state=lambda: None,
            on_written=lambda: None,
        )

    def make(self, config: DeviceConfig) -> Counting:
        self.made.append(Counting(config))
        return self.made[-1]


def behind(*paths: StopPath) -> DeviceConfig:
    return replace(CONFIG, asset=replace(CHARGER, stop_paths=frozenset(paths)))


async def test_a_relay_that_names_a_device_does_not_rebuild_it() -> None:
    bench = Bench()
    await bench.seats.put(CONFIG)
    await bench.seats.put(behind(StopPath.SETPOINT, StopPath.RELAY))
    await bench.seats.put(behind(StopPath.SETPOINT))

    (device,) = bench.made
    assert (device.started, device.stopped) == (1, 0)
    assert device.behind == [True, False]
    await bench.seats.stop()


async def test_a_relay_that_names_a_device_is_known_to_the_decision_at_once() -> None:
    bench = Bench()
    await bench.seats.put(CONFIG)
    await bench.seats.put(behind(StopPath.RELAY))

    assert bench.seats.assets()["charger"].stop_paths == {StopPath.RELAY}
    assert bench.seats.unconfirmed(Direction.CONSUMPTION) == ()
    await bench.seats.stop()


@pytest.mark.parametrize(
    "changed",
    [
        replace(CONFIG, profile="y"),
        replace(CONFIG, asset=replace(CHARGER, rated_consumption=22_000)),
        replace(CONFIG, name="Charger in front"),
    ],
    ids=["profile", "rating", "name"],
)
async def test_any_other_change_puts_a_new_device_in_its_place(
    changed: DeviceConfig,
) -> None:
    bench = Bench()
    await bench.seats.put(CONFIG)
    await bench.seats.put(changed)

    old, new = bench.made
    assert (old.started, old.stopped) == (1, 1)
    assert (new.started, new.stopped) == (1, 0)
    await bench.seats.stop()
