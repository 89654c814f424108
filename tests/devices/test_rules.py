"""S10 to S15 as far as devices keep them, each by its name.

What the decision and the site keep of them is in `tests/control` and `tests/site`.
"""

import asyncio
from pathlib import Path

import pytest

from custom_components.netflex.devices.budget import StoredBudget, reserve_of
from custom_components.netflex.devices.dedicated import DedicatedUnits
from custom_components.netflex.devices.factory import build_device
from custom_components.netflex.devices.profile_loader import ProfileLibrary
from custom_components.netflex.model.asset import Nature
from tests.virtual_time import virtual_time

from . import test_inverters, test_moxa
from .maps import alfen, alfen_takes, moxa
from .servers import Server, as_f32, eventually, own_units, serving
from .test_alfen import current, started


@virtual_time
async def test_S10_a_stop_is_held_when_nobody_stands_by_it_any_more(
    profiles: ProfileLibrary,
    socket_enabled: None,
) -> None:
    """Falling silent would let the charger go to its safe current of 10 A."""
    async with (
        serving(alfen(), alfen_takes(validity=2)) as server,
        own_units() as units,
    ):
        device = await started(server, units, profiles, time_to_live=0.5)
        await device.apply(current(0.0, emergency=True))
        assert device.state.device_fallback == 10.0
        first = len(server.writes())
        await eventually(lambda: len(server.writes()) >= first + 2)
        assert as_f32(server.get(1, 1210, 2)) == 0.0
        await device.stop()


@virtual_time
async def test_S10_anything_else_falls_silent_and_says_so(
    profiles: ProfileLibrary,
    socket_enabled: None,
) -> None:
    async with (
        serving(alfen(), alfen_takes(validity=2)) as server,
        own_units() as units,
    ):
        device = await started(server, units, profiles, time_to_live=0.3)
        await device.apply(current(10.0))
        await eventually(lambda: "own fallback" in (device.state.problem or ""))
        written = len(server.writes())
        await asyncio.sleep(60.0)
        assert len(server.writes()) == written
        await device.stop()


async def test_S11_a_stop_is_never_refused_however_much_was_written(
    units: DedicatedUnits, profiles: ProfileLibrary, tmp_path: Path
) -> None:
    """Twice the budget and its reserve are gone, and the count was read from disk."""
    (family,) = [f for f in test_inverters.FAMILIES if f.profile == "huawei_sun2000"]
    path = tmp_path / "writes"
    budget = StoredBudget(path)
    for _ in range(3 * (50 + reserve_of(50))):
        await budget.spend("device", "production_limit", 50, urgent=True)
    await budget.close()
    again = StoredBudget(path)
    again.load()
    async with serving(dict(family.contents)) as server:
        device = build_device(
            family.config(server), units=units, profiles=profiles, budget=again
        )
        await device.start(lambda state: None)
        await eventually(lambda: device.state.available)
        await device.apply(family.setpoint(0.0, emergency=True))
        assert server.writes()[-1].values == [0, 0]
        assert device.state.writes_left == 0
        await device.stop()
    await again.close()


def test_S12_every_profile_says_whether_it_keeps_a_stop(
    shipped: ProfileLibrary,
) -> None:
    """One that has to be refreshed does not keep it while Home Assistant is down."""
    for profile_id in shipped.ids():
        file = shipped.get(profile_id)
        if file.kind is Nature.METER or file.vendor == "Generic":
            continue
        if any(spec.required for spec in file.params.values()):
            continue
        profile = file.bind({})
        for name, controls in profile.controls.items():
            for control in controls:
                falls_back = (
                    control.fallback is not None and control.fallback.value != 0
                )
                if name != "reactive" and falls_back and not control.emergency:
                    refreshed = control.keepalive is not None or control.heartbeat
                    if refreshed or control.fallback.after is not None:
                        assert not file.stays_stopped, profile_id


async def test_S13_a_coil_that_does_not_hold_is_said_whatever_the_write_answered(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    def ignored(
        server: Server, unit: int, _f: int, address: int, _values: list[int]
    ) -> None:
        asyncio.get_running_loop().call_soon(server.set_coil, unit, address, False)

    async with serving({1: moxa()}, ignored) as server:
        device = build_device(
            test_moxa.config(server.link), units=units, profiles=profiles
        )
        await device.start(lambda state: None)
        applied = await device.apply(test_moxa.switch(True))
        assert not applied.confirmed
        assert device.state.follows is False
        await device.stop()


async def test_S14_a_released_setpoint_leaves_the_device_to_itself(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    """Losing a source takes back its own command; nothing else is written."""
    async with serving(alfen(), alfen_takes()) as server:
        device = await started(server, units, profiles)
        await device.apply(current(8.0))
        await device.apply(current(None))
        assert as_f32(server.get(1, 1210, 2)) == 32.0
        assert {write.address for write in server.writes()} == {1210}
        await device.stop()


@pytest.mark.parametrize("emergency", [False, True])
@virtual_time
async def test_S15_a_stop_is_written_again_when_somebody_lifts_it(
    profiles: ProfileLibrary, socket_enabled: None, *, emergency: bool
) -> None:
    """The device says that it no longer follows, and the same stop is written anew."""
    async with serving(alfen(), alfen_takes()) as server, own_units() as units:
        device = await started(server, units, profiles)
        await device.apply(current(0.0, emergency=emergency))
        server.set(1, 1206, [0x4180, 0])
        await eventually(lambda: device.state.follows is False)
        before = len(server.writes())
        await device.apply(current(0.0, emergency=emergency))
        assert len(server.writes()) > before
        assert device.state.follows is True
        await device.stop()
