"""One actor per asset: the newest setpoint wins and a fault stays its own."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from custom_components.netflex.devices.device import DeviceError
from custom_components.netflex.model.plan import Cause, Source
from custom_components.netflex.site import actors
from custom_components.netflex.site.actors import AssetActor

from .fakes import FakeDevice, switch, until


@pytest.fixture
def device() -> FakeDevice:
    return FakeDevice()


@pytest.fixture
async def actor(device: FakeDevice) -> AsyncIterator[AssetActor]:
    actor = AssetActor(device, "Boiler", lambda: None)
    actor.start()
    yield actor
    await actor.stop()


async def test_a_setpoint_is_written_once_while_it_stands(
    actor: AssetActor, device: FakeDevice
) -> None:
    actor.post(switch(0.0))
    await until(lambda: actor.done)
    cause = Cause(source=Source.USER, key="user", text="You asked for it")
    actor.post(replace(switch(0.0), causes=(cause,)))
    await asyncio.sleep(0.02)
    assert len(device.applied) == 1
    assert actor.done


async def test_the_newest_setpoint_overtakes_one_that_is_stuck(
    actor: AssetActor, device: FakeDevice
) -> None:
    device.gate = asyncio.Event()
    actor.post(switch(1.0))
    await until(lambda: device.newest is not None)
    actor.post(switch(0.0, emergency=True))
    await until(lambda: device.newest is not None and device.newest.emergency)
    device.gate.set()
    await until(lambda: actor.done)
    assert [setpoint.value for setpoint in device.applied] == [0.0]


async def test_a_stop_that_fails_is_tried_again_and_named(
    actor: AssetActor, device: FakeDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actors, "EMERGENCY_RETRIES", (0.01,))
    device.error = DeviceError("timeout", "No answer within 2 s")
    actor.post(switch(0.0, emergency=True))
    await until(lambda: len(device.applied) >= 3)
    assert not actor.done
    assert actor.problem == "No answer within 2 s"
    device.error = None
    await until(lambda: actor.done)
    assert actor.problem is None


async def test_reasons_that_change_are_one_line_and_so_is_the_return(
    actor: AssetActor,
    device: FakeDevice,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(actors, "RETRIES", (0.001,))
    caplog.set_level("INFO", actors.__name__)
    device.error = DeviceError("timeout", "No answer within 0 s")
    actor.post(switch(1.0))
    for tries in range(1, 20):
        await until(lambda tries=tries: len(device.applied) >= tries)
        device.error = DeviceError("timeout", f"No answer within {tries} s")
    device.error = None
    await until(lambda: actor.done)
    assert caplog.messages == [
        "Boiler could not be told: No answer within 0 s",
        "Boiler takes setpoints again",
    ]


async def test_of_a_device_that_is_away_others_say_so(
    actor: AssetActor,
    device: FakeDevice,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(actors, "RETRIES", (0.001,))
    caplog.set_level("INFO", actors.__name__)
    device.state = replace(device.state, available=False)
    device.error = DeviceError("cannot_connect", "Connection refused")
    actor.post(switch(1.0))
    await until(lambda: len(device.applied) >= 20)
    assert actor.problem == "Connection refused"
    device.error = None
    await until(lambda: actor.done)
    assert not caplog.messages


async def test_a_fault_in_a_device_does_not_end_its_actor(
    actor: AssetActor,
    device: FakeDevice,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(actors, "RETRIES", (0.01,))
    device.error = RuntimeError("boom")  # type: ignore[assignment]
    actor.post(switch(1.0))
    await until(lambda: len(device.applied) >= 2)
    assert "a write failed" in caplog.text
    assert caplog.text.count("a write failed") == 1
    device.error = None
    await until(lambda: actor.done)


async def test_S15_a_load_switched_on_again_is_switched_off_again(
    actor: AssetActor, device: FakeDevice
) -> None:
    actor.post(switch(0.0, emergency=True))
    await until(lambda: actor.done)
    device.state = replace(device.state, enabled=True)
    actor.state_changed()
    await until(lambda: len(device.applied) == 2)
    device.state = replace(device.state, enabled=False)
    actor.state_changed()
    await asyncio.sleep(0.02)
    assert [setpoint.value for setpoint in device.applied][:2] == [0.0, 0.0]


async def test_a_setpoint_that_stands_is_repeated_for_the_keep_alive(
    actor: AssetActor, device: FakeDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actors, "REAFFIRM_INTERVAL", 0.01)
    actor.post(switch(1.0))
    await until(lambda: len(device.applied) >= 3)


async def test_an_unavailable_device_does_not_count_as_drifted(
    actor: AssetActor, device: FakeDevice
) -> None:
    actor.post(switch(0.0))
    await until(lambda: actor.done)
    device.state = replace(device.state, enabled=True, available=False)
    actor.state_changed()
    await asyncio.sleep(0.02)
    assert len(device.applied) == 1
