"""Connection tests of the forms hold nothing, and never end in a traceback."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
import time
from typing import Any
from unittest.mock import AsyncMock, patch

from homeassistant.components.modbus.connection import async_get_connection_info
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
import pytest

from custom_components.netflex.devices.device import (
    DeviceConfig,
    ProbeError,
    ProbeResult,
)
from custom_components.netflex.devices.ports import LinkParams
from custom_components.netflex.entry_device import device_config, output_config
from custom_components.netflex.flows.probing import (
    TemporaryUnits,
    async_test_device,
    async_test_dlms,
    async_test_p1,
    async_test_s1,
)
from custom_components.netflex.metering.errors import NoDataError, NotP1Error
from custom_components.netflex.model.asset import Asset, Category, Nature
from custom_components.netflex.model.connection import GridType
from custom_components.netflex.simulation.modbus import ModbusWire
from custom_components.netflex.simulation.relay import MoxaRelays
from custom_components.netflex.site.config import DlmsConfig
from tests.metering.recordings import THREE_PHASE, recorded
from tests.metering.wires import Adapter

from . import sites

MODULE = "custom_components.netflex.flows.probing"
LINK = LinkParams(host="192.0.2.1")
OTHER = LinkParams(host="192.0.2.2")


class Holds:
    """Stands for the shared connections and counts what is held."""

    def __init__(self) -> None:
        self.held = 0
        self.taken = 0

    @asynccontextmanager
    async def take(self, *_: Any) -> AsyncIterator[object]:
        self.held += 1
        self.taken += 1
        try:
            yield object()
        finally:
            self.held -= 1


@pytest.fixture
def holds() -> Any:
    counter = Holds()
    with patch(f"{MODULE}.async_get_temporary_unit", counter.take):
        yield counter


async def test_units_are_given_back_by_link(hass: HomeAssistant, holds: Holds) -> None:
    async with TemporaryUnits(hass) as units:
        await units.unit(LINK, 1)
        await units.unit(LINK, 2)
        await units.unit(OTHER, 1)
        await units.release(LINK)
        assert holds.held == 1
        await units.release(LINK)
    assert (holds.held, holds.taken) == (0, 3)


async def test_units_are_given_back_when_a_test_breaks(
    hass: HomeAssistant, holds: Holds
) -> None:
    async def break_off() -> None:
        async with TemporaryUnits(hass) as units:
            await units.unit(LINK, 1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await break_off()
    assert (holds.held, holds.taken) == (0, 1)


CONFIG = DeviceConfig(
    device_id="test", name="Charger", profile="alfen_ng9xx", link=LINK
)


@pytest.mark.parametrize(
    ("failure", "key", "detail"),
    [
        (ProbeError("wrong_device", "It is a heat pump"), "wrong_device", "heat pump"),
        (HomeAssistantError("in use with others"), "link_settings", "in use"),
        (ValueError("odd"), "unknown", "odd"),
    ],
)
async def test_a_failed_test_says_why(
    hass: HomeAssistant, failure: Exception, key: str, detail: str
) -> None:
    with patch(f"{MODULE}.probe", AsyncMock(side_effect=failure)):
        result, error, text = await async_test_device(hass, CONFIG)

    assert result is None
    assert error == key
    assert detail in text


async def test_a_good_test_returns_who_answered(hass: HomeAssistant) -> None:
    answer = ProbeResult(nature=Nature.CHARGER, serial="ACE1")
    with patch(f"{MODULE}.probe", AsyncMock(return_value=answer)):
        assert await async_test_device(hass, CONFIG) == (answer, None, "")


@pytest.mark.parametrize(
    ("failure", "key"), [(NotP1Error("Noise"), "not_p1"), (ValueError("x"), "unknown")]
)
async def test_a_failed_test_of_a_port_says_why(failure: Exception, key: str) -> None:
    with patch(f"{MODULE}.probe_p1", AsyncMock(side_effect=failure)):
        assert await async_test_p1("/dev/ttyUSB0") == (None, key, str(failure))


@pytest.mark.usefixtures("socket_enabled")
class TestOnTheWire:
    """The same with real sockets on this machine."""

    async def test_nobody_listens(
        self, hass: HomeAssistant, unused_tcp_port: int
    ) -> None:
        config = DeviceConfig(
            device_id="test",
            name="Charger",
            asset=Asset(
                id="test", name="test", nature=Nature.CHARGER, category=Category.EV
            ),
            profile="alfen_ng9xx",
            link=LinkParams(host="127.0.0.1", port=unused_tcp_port),
            params={"socket": 1},
        )
        result, error, detail = await async_test_device(hass, config)

        assert result is None
        assert error == "cannot_connect"
        assert detail == (
            f"No connection to 127.0.0.1:{unused_tcp_port} (the connection is refused: "
            "nothing listens there). It accepts 2 connections "
            "at a time: another program may hold it."
        )
        assert async_get_connection_info(hass) == []

    async def test_a_port_that_is_shut(self, unused_tcp_port: int) -> None:
        result, error, _ = await async_test_p1(f"socket://127.0.0.1:{unused_tcp_port}")

        assert (result, error) == (None, "cannot_connect")

    @pytest.fixture
    async def relays(self) -> AsyncGenerator[ModbusWire]:
        """A relay module on a port of this machine."""
        wire = ModbusWire(name="relays", units=[MoxaRelays({})], clock=time.monotonic)
        await wire.plug()
        yield wire
        await wire.unplug()

    async def test_a_module_that_answers(
        self, hass: HomeAssistant, relays: ModbusWire
    ) -> None:
        data = {**sites.relay(), "host": "127.0.0.1", "port": relays.port}
        config = output_config(sites.subentry("relay", "r1", "Relay", data)).device

        result, error, detail = await async_test_device(hass, config)

        assert (error, detail) == (None, "")
        assert result is not None
        assert result.nature is Nature.RELAY
        # Nothing was written, and nothing is held.
        assert not relays.writes
        assert async_get_connection_info(hass) == []

    async def test_another_device_than_the_chosen_one(
        self, hass: HomeAssistant, relays: ModbusWire
    ) -> None:
        data = {**sites.CHARGER, "host": "127.0.0.1", "port": relays.port}
        config = device_config(
            sites.subentry("charger", "c1", "Charger", data), GridType.STAR
        )

        result, error, detail = await async_test_device(hass, config)

        assert result is None
        assert error in {"wrong_device", "not_enabled", "refused"}
        assert detail
        assert async_get_connection_info(hass) == []

    async def test_a_port_that_sends_telegrams(self) -> None:
        adapter = Adapter()
        adapter.greeting = recorded(THREE_PHASE)
        await adapter.open()
        try:
            telegram, error, _ = await async_test_p1(adapter.url)
        finally:
            await adapter.close()

        assert error is None
        assert telegram is not None
        assert telegram.serial


async def test_entities_that_exist_pass_the_test(hass: HomeAssistant) -> None:
    hass.states.async_set(
        "number.wallbox_limit",
        "16",
        {"min": 6, "max": 32, "step": 1, "unit_of_measurement": "A"},
    )
    hass.states.async_set(
        "sensor.wallbox_power",
        "0",
        {"unit_of_measurement": "W", "device_class": "power"},
    )
    config = device_config(
        sites.subentry("charger", "c1", "Wallbox", sites.ENTITY_CHARGER), GridType.STAR
    )

    result, error, _ = await async_test_device(hass, config)

    assert error is None
    assert result is not None
    assert result.nature is Nature.CHARGER


async def test_an_entity_that_is_not_there_fails_the_test(hass: HomeAssistant) -> None:
    config = device_config(
        sites.subentry("charger", "c1", "Wallbox", sites.ENTITY_CHARGER), GridType.STAR
    )

    result, error, detail = await async_test_device(hass, config)

    assert result is None
    assert error in {"config", "no_answer"}
    assert detail


@pytest.mark.parametrize(
    ("fault", "key"),
    [(NoDataError("nothing came"), "no_data"), (RuntimeError("mine"), "unknown")],
)
async def test_ports_that_fail_are_told_by_a_key_and_words(
    fault: Exception, key: str
) -> None:
    with patch(f"{MODULE}.probe_s1", side_effect=fault):
        assert await async_test_s1("socket://127.0.0.1:1", None) == (
            None,
            key,
            str(fault),
        )
    config = DlmsConfig()
    with patch(f"{MODULE}.probe_dlms", side_effect=fault):
        assert await async_test_dlms("socket://127.0.0.1:1", config) == (
            None,
            key,
            str(fault),
        )
