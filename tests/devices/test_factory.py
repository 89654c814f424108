"""What cannot be built or tested as it is configured is said before anything opens."""

import asyncio
from dataclasses import replace

import pytest

from custom_components.netflex.devices import factory
from custom_components.netflex.devices.dedicated import DedicatedUnits
from custom_components.netflex.devices.device import (
    DeviceConfig,
    DeviceError,
    ProbeError,
)
from custom_components.netflex.devices.factory import (
    Metering,
    build_device,
    build_meter,
    probe,
)
from custom_components.netflex.devices.meter_server import MeterServers
from custom_components.netflex.devices.metered_charger import MeteredCharger
from custom_components.netflex.devices.ports import LinkParams
from custom_components.netflex.devices.profile_loader import (
    BUILT_IN,
    ProfileLibrary,
    read_file,
)
from custom_components.netflex.devices.virtual_meter import VirtualMeterConfig
from custom_components.netflex.model.asset import Asset, Category, Nature
from tests.virtual_time import now

from .maps import alfen, alfen_takes
from .servers import eventually, serving
from .test_alfen import CHARGER, current
from .test_entity_device import car

NOWHERE = LinkParams(host="127.0.0.1", port=1)
VIRTUAL_METER = VirtualMeterConfig(
    meter_id="virtual",
    name="Virtual meter",
    allowed=("127.0.0.1",),
    installation_current=25.0,
    safe_current=6.0,
    host="127.0.0.1",
    port=0,
    fold=False,
)
CONFIG = DeviceConfig(
    device_id="alfen",
    name="Alfen",
    asset=CHARGER,
    profile="alfen_ng9xx",
    link=NOWHERE,
)
LOAD = Asset(
    id="load",
    name="Load",
    nature=Nature.LOAD,
    category=Category.FLEXIBLE_CONSUMPTION,
    rated_consumption=3000,
)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (replace(CONFIG, profile="gone"), "no device profile gone"),
        (replace(CONFIG, params={"socket": 3}), "socket"),
        (replace(CONFIG, link=None), "needs an address"),
        (replace(CONFIG, asset=None), "needs an asset"),
        (replace(CONFIG, asset=LOAD), "the profile of a charger, not a load"),
        (replace(CONFIG, virtual_meter=VIRTUAL_METER), "cannot be served here"),
        (replace(CONFIG, profile=None), "balances itself"),
        (
            replace(CONFIG, asset=LOAD, profile=None, entities={"switch": "switch.x"}),
            "cannot be reached here",
        ),
    ],
)
def test_a_device_that_cannot_be_is_refused_in_words(
    config: DeviceConfig, words: str, profiles: ProfileLibrary
) -> None:
    with pytest.raises(DeviceError, match=words) as caught:
        build_device(config, units=DedicatedUnits(), profiles=profiles)
    assert caught.value.key == "config"


def test_a_profile_that_only_measures_drives_nothing() -> None:
    path = BUILT_IN / "alfen_ng9xx.yaml"
    source = path.read_text()
    measures = source[: source.index("controls:")]
    library = ProfileLibrary([read_file(measures, path.name)])
    with pytest.raises(DeviceError, match="offers nothing that a charger is driven by"):
        build_device(CONFIG, units=DedicatedUnits(), profiles=library)


def test_a_meter_needs_something_that_measures(profiles: ProfileLibrary) -> None:
    config = DeviceConfig(device_id="meter", name="Meter")
    with pytest.raises(DeviceError, match="needs a device profile or sensors"):
        build_meter(config, units=DedicatedUnits(), profiles=profiles)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (replace(CONFIG, profile=None), "nothing to test"),
        (replace(CONFIG, profile="gone"), "no device profile gone"),
        (replace(CONFIG, link=None), "needs an address"),
        (
            replace(CONFIG, asset=None, profile=None, table=("request; write; 1",)),
            "belongs to an asset",
        ),
    ],
)
async def test_what_cannot_be_tested_is_refused_in_words(
    config: DeviceConfig, words: str, profiles: ProfileLibrary
) -> None:
    with pytest.raises(ProbeError, match=words) as caught:
        await probe(config, units=DedicatedUnits(), profiles=profiles)
    assert caught.value.key == "config"


async def test_a_test_that_takes_too_long_ends(
    units: DedicatedUnits, profiles: ProfileLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(factory, "_PROBE_LIMIT", 0.05)
    async with serving(alfen()) as server:
        server.read_delay = 1.0
        with pytest.raises(ProbeError, match="answers too slowly") as caught:
            await probe(
                replace(CONFIG, link=server.link), units=units, profiles=profiles
            )
    assert caught.value.key == "no_answer"


@pytest.mark.parametrize(
    ("roles", "words"),
    [({"switch": "switch.charge"}, "needs a number"), ({"light": "light.x"}, "light")],
)
async def test_roles_that_cannot_be_are_refused_in_the_test_too(
    roles: dict[str, str], words: str, profiles: ProfileLibrary
) -> None:
    _, entities = car()
    config = replace(CONFIG, profile=None, link=None, entities=roles)
    with pytest.raises(ProbeError, match=words) as caught:
        await probe(
            config, units=DedicatedUnits(), entities=entities, profiles=profiles
        )
    assert caught.value.key == "config"


async def test_a_charger_with_a_virtual_meter_is_still_driven_in_its_own_way(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    servers = MeterServers(now)
    async with serving(alfen(), alfen_takes()) as server:
        device = build_device(
            replace(CONFIG, link=server.link, virtual_meter=VIRTUAL_METER),
            units=units,
            profiles=profiles,
            metering=Metering(
                servers=servers, reading=lambda: None, note=lambda *_: None
            ),
            clock=now,
        )
        assert isinstance(device, MeteredCharger)
        assert device.device_id == "alfen"
        await device.start(lambda _state: None)
        try:
            await eventually(lambda: device.state.available)
            async with asyncio.timeout(20):
                applied = await device.apply(current(10.0))
            assert applied.confirmed
            assert [write.address for write in server.writes()] == [1210]
            assert device.state.power == 10700.0
        finally:
            await device.stop()
