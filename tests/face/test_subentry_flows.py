"""Adding and changing meters and assets: what is asked, tested and stored."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import AsyncMock, patch

from homeassistant.config_entries import SOURCE_USER
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.netflex.const import DOMAIN
from custom_components.netflex.devices.device import DeviceConfig, ProbeResult
from custom_components.netflex.devices.ports import LinkParams, Transport
from custom_components.netflex.devices.profile_loader import ProfileLibrary
from custom_components.netflex.devices.profile_params import ParamSpec, ParamType
from custom_components.netflex.entry_data import SubentryType
from custom_components.netflex.entry_device import (
    device_config,
    meter_config,
    output_config,
)
from custom_components.netflex.flows.fields import (
    param_fields,
    param_translation,
    param_values,
)
from custom_components.netflex.metering.p1_objects import Telegram
from custom_components.netflex.model.asset import Direction, Nature
from custom_components.netflex.model.connection import (
    NO_LINE_VALUES,
    GridType,
    Line,
    LineValues,
)
from custom_components.netflex.model.demand import CapacityTariff
from custom_components.netflex.model.reading import MeterRole
from custom_components.netflex.site.config import OutputWiring, SafeValue

from . import sites
from .fakes import FakeSite
from .test_config_flow import suggested
from .translations import ENGLISH, assert_result_is_translated

TEST_DEVICE = "custom_components.netflex.flows.subentry.async_test_device"
TEST_P1 = "custom_components.netflex.flows.meter.async_test_p1"
SERIAL = "ACE0123456"


@pytest.fixture
def entry() -> MockConfigEntry:
    """A site without meters and assets."""
    return sites.site_entry(complete=False)


@pytest.fixture(autouse=True)
def _running(no_entities: None, site: FakeSite) -> None:
    """Every form is opened on a site that runs."""


@contextmanager
def device_answers(
    nature: Nature = Nature.CHARGER,
    *,
    serial: str | None = SERIAL,
    error: str | None = None,
    detail: str = "",
    values: Mapping[str, float] | None = None,
) -> Iterator[AsyncMock]:
    """Have every test of a device end like this."""
    result = (
        ProbeResult(nature=nature, serial=serial, values=values or {})
        if error is None
        else None
    )
    with patch(TEST_DEVICE, AsyncMock(return_value=(result, error, detail))) as test:
        yield test


@contextmanager
def p1_answers(
    *,
    serial: str | None = "1SAG3100000001",
    error: str | None = None,
    line_voltage: LineValues = NO_LINE_VALUES,
) -> Iterator[AsyncMock]:
    """Have every test of a P1 port end like this."""
    telegram = Telegram(ident="FLU5", serial=serial, line_voltage=line_voltage)
    result = (telegram if error is None else None, error, "Words")
    with patch(TEST_P1, AsyncMock(return_value=result)) as test:
        yield test


FAMILIES = {
    "charger": "alfen_ng9xx",
    "inverter": "sunspec_inverter",
    "battery": "generic_battery",
    "relay": "moxa_iologik_e1214",
}


class Form:
    """Goes through the forms of one subentry."""

    def __init__(self, hass: HomeAssistant, entry: MockConfigEntry, kind: str) -> None:
        self._hass = hass
        self._entry = entry
        self._kind = kind
        self.result: Any = None

    async def begin(self, subentry_id: str | None = None) -> Any:
        if subentry_id is None:
            self.result = await self._hass.config_entries.subentries.async_init(
                (self._entry.entry_id, self._kind), context={"source": SOURCE_USER}
            )
        else:
            self.result = await self._entry.start_subentry_reconfigure_flow(
                self._hass, subentry_id
            )
        assert_result_is_translated(self.result, self._kind)
        return await self._pick_family()

    async def submit(self, values: dict[str, Any]) -> Any:
        self.result = await self._hass.config_entries.subentries.async_configure(
            self.result["flow_id"], values
        )
        await self._hass.async_block_till_done()
        assert_result_is_translated(self.result, self._kind)
        return self.result

    async def choose(self, option: str) -> Any:
        await self.submit({"next_step_id": option})
        return await self._pick_family()

    async def _pick_family(self) -> Any:
        """Choose the family that these tests describe, where several are offered."""
        if self.result.get("step_id") == "profile":
            (selector,) = self.result["data_schema"].schema.values()
            offered = [option["value"] for option in selector.config["options"]]
            if (family := FAMILIES.get(self._kind)) in offered:
                return await self.submit({"profile": family})
        return self.result

    @property
    def shown(self) -> dict[str, Any]:
        return suggested(self.result["data_schema"].schema)


@pytest.fixture
def form(
    hass: HomeAssistant, entry: MockConfigEntry, request: pytest.FixtureRequest
) -> Callable[[str], Form]:
    """Return the forms of one kind of subentry."""
    return lambda kind: Form(hass, entry, kind)


def only_subentry(entry: MockConfigEntry) -> Any:
    (subentry,) = entry.subentries.values()
    return subentry


TCP = {"transport": "tcp"}
DEVICE = {"name": "Charger", "host": "Charger.Lan ", "port": 502, "socket": "1"}
CHARGER_DEVICE = {**DEVICE, "more": TCP}
CHARGER_ASSET = {
    "max_current": 32,
    "phases": "3",
    "lines": [],
    "safe_current": 8,
    "more": {"min_current": 6, "priority": 1},
}


async def reach_charger_asset(form: Form) -> None:
    await form.begin()
    await form.choose("profile")
    with device_answers():
        await form.submit(CHARGER_DEVICE)
    assert form.result["step_id"] == "asset"


# ---------------------------------------------------------------------------- chargers


async def test_a_charger_with_a_profile(
    hass: HomeAssistant, entry: MockConfigEntry, form: Callable[[str], Form]
) -> None:
    charger = form("charger")
    result = await charger.begin()
    assert result["type"] is FlowResultType.MENU
    result = await charger.choose("profile")
    assert result["step_id"] == "device"
    assert "Active Load Balancing" in result["description_placeholders"]["requires"]
    with device_answers() as test:
        await charger.submit(CHARGER_DEVICE)
    tested: DeviceConfig = test.await_args.args[1]
    assert tested.link == LinkParams(host="charger.lan", port=502)
    assert tested.profile == "alfen_ng9xx"
    assert tested.asset is not None
    assert tested.asset.nature is Nature.CHARGER

    result = await charger.submit(CHARGER_ASSET)

    assert result["type"] is FlowResultType.CREATE_ENTRY
    subentry = only_subentry(entry)
    assert subentry.title == "Charger"
    assert subentry.unique_id == f"{SERIAL}_socket1"
    assert dict(subentry.data) == {
        "source": "profile",
        "profile": "alfen_ng9xx",
        "host": "charger.lan",
        "port": 502,
        "transport": "tcp",
        "connection": "shared",
        "params": {"socket": 1, "serial": SERIAL},
        "max_current": 32,
        "min_current": 6,
        "safe_current": 8,
        "priority": 1,
        "switches_phases": False,
        "phases": 3,
        "lines": ["L1", "L2", "L3"],
    }
    config = device_config(subentry, GridType.STAR)
    assert config.asset is not None
    assert config.asset.maximum_current == 32
    # The site takes it up by itself; nothing was reloaded.
    assert entry.runtime_data.changes == 1


@pytest.mark.parametrize(
    "error",
    [
        "cannot_connect",
        "no_answer",
        "refused",
        "wrong_device",
        "not_enabled",
        "config",
        "link_settings",
        "unknown",
    ],
)
async def test_what_the_test_finds_is_said_and_can_be_put_right(
    form: Callable[[str], Form], error: str
) -> None:
    charger = form("charger")
    await charger.begin()
    await charger.choose("profile")
    with device_answers(error=error, detail="In words."):
        result = await charger.submit(CHARGER_DEVICE)

    assert result["errors"] == {"base": error}
    assert result["description_placeholders"]["detail"] == "In words."
    assert charger.shown["host"] == CHARGER_DEVICE["host"]
    with device_answers():
        result = await charger.submit(CHARGER_DEVICE)
    assert result["step_id"] == "asset"


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"name": " "}, {"name": "name_missing"}),
        ({"host": " "}, {"host": "host_missing"}),
        ({"port": 0}, {"port": "port_out_of_range"}),
    ],
)
async def test_what_is_wrong_with_an_address_is_not_even_tried(
    form: Callable[[str], Form], changes: dict[str, Any], errors: dict[str, str]
) -> None:
    charger = form("charger")
    await charger.begin()
    await charger.choose("profile")
    with device_answers() as test:
        result = await charger.submit(CHARGER_DEVICE | changes)

    assert result["errors"] == errors
    test.assert_not_awaited()


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"max_current": 5}, {"max_current": "maximum_below_minimum"}),
        ({"max_current": 80}, {"max_current": "above_main_fuse"}),
        ({"safe_current": 3}, {"safe_current": "safe_current_impossible"}),
        ({"safe_current": 40}, {"safe_current": "safe_current_impossible"}),
        (
            {"more": {"min_current": 4, "priority": 0}},
            {"base": "minimum_below_standard"},
        ),
        ({"lines": ["L1", "L2"]}, {"lines": "lines_of_three_phases"}),
        ({"phases": "1", "lines": ["L1", "L2"]}, {"lines": "lines_of_one_phase"}),
    ],
)
async def test_what_is_wrong_with_a_charger(
    entry: MockConfigEntry,
    form: Callable[[str], Form],
    changes: dict[str, Any],
    errors: dict[str, str],
) -> None:
    charger = form("charger")
    await reach_charger_asset(charger)

    result = await charger.submit(CHARGER_ASSET | changes)

    assert result["errors"] == errors
    result = await charger.submit(CHARGER_ASSET)
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_a_second_charger_of_the_same_name_or_place_is_refused(
    hass: HomeAssistant, entry: MockConfigEntry, form: Callable[[str], Form]
) -> None:
    charger = form("charger")
    await reach_charger_asset(charger)
    await charger.submit(CHARGER_ASSET)

    second = form("charger")
    await second.begin()
    await second.choose("profile")
    with device_answers(serial=None):
        result = await second.submit(CHARGER_DEVICE)
        assert result["errors"] == {
            "name": "name_taken",
            "host": "already_configured",
        }
        # Its other socket is another charger.
        values = CHARGER_DEVICE | {"name": "Second", "socket": "2"}
        result = await second.submit(values)
    assert result["step_id"] == "asset"


async def test_the_same_charger_under_another_address_is_refused(
    entry: MockConfigEntry, form: Callable[[str], Form]
) -> None:
    charger = form("charger")
    await reach_charger_asset(charger)
    await charger.submit(CHARGER_ASSET)

    second = form("charger")
    await second.begin()
    await second.choose("profile")
    with device_answers():
        values = CHARGER_DEVICE | {"name": "Second", "host": "192.0.2.9"}
        result = await second.submit(values)

    assert result["errors"] == {"host": "already_configured"}


async def test_changing_a_charger(
    hass: HomeAssistant, entry: MockConfigEntry, form: Callable[[str], Form]
) -> None:
    charger = form("charger")
    await reach_charger_asset(charger)
    await charger.submit(CHARGER_ASSET)
    before = only_subentry(entry)

    result = await charger.begin(before.subentry_id)
    assert result["step_id"] == "device"
    assert charger.shown["name"] == "Charger"
    assert charger.shown["host"] == "charger.lan"
    assert charger.shown["socket"] == "1"
    # A charger that was replaced brings its own serial number.
    with device_answers(serial="ACE9999999") as test:
        await charger.submit(CHARGER_DEVICE | {"name": "Front", "socket": "2"})
    assert "serial" not in test.await_args.args[1].params or (
        test.await_args.args[1].params["serial"] == "ACE9999999"
    )
    assert charger.shown["max_current"] == 32
    assert charger.shown["phases"] == "3"
    result = await charger.submit(
        CHARGER_ASSET | {"max_current": 16, "phases": "1", "lines": ["L3"]}
    )

    assert result["reason"] == "reconfigure_successful"
    after = only_subentry(entry)
    assert after.subentry_id == before.subentry_id
    assert after.title == "Front"
    assert after.unique_id == "ACE9999999_socket2"
    assert after.data["params"] == {"socket": 2, "serial": "ACE9999999"}
    assert after.data["max_current"] == 16
    assert after.data["lines"] == ["L3"]


async def test_a_charger_through_a_gateway(
    entry: MockConfigEntry, form: Callable[[str], Form]
) -> None:
    charger = form("charger")
    await charger.begin()
    await charger.choose("profile")
    with device_answers(serial=None):
        await charger.submit({**DEVICE, "more": {"transport": "rtu_over_tcp"}})
    await charger.submit(CHARGER_ASSET)

    subentry = only_subentry(entry)
    assert subentry.unique_id is None
    assert subentry.data["params"] == {"socket": 1}
    link = device_config(subentry, GridType.STAR).link
    assert link is not None
    assert link.transport is Transport.RTU_OVER_TCP


# ---------------------------------------------------------------------------- entities


@pytest.fixture
def number(hass: HomeAssistant) -> er.RegistryEntry:
    """A number that another integration brings, with a registry entry."""
    registry = er.async_get(hass)
    return registry.async_get_or_create(
        "number", "wallbox", "limit", suggested_object_id="wallbox_limit"
    )


ENTITIES = {
    "name": "Wallbox",
    "control_entity": "number.wallbox_limit",
    "power_entity": "sensor.wallbox_power",
    "more": {"current_l1_entity": "sensor.wallbox_l1"},
}


async def test_a_charger_through_entities_survives_a_rename(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    form: Callable[[str], Form],
    number: er.RegistryEntry,
) -> None:
    charger = form("charger")
    await charger.begin()
    await charger.choose("entity")
    with device_answers(serial=None) as test:
        await charger.submit(ENTITIES)
    assert test.await_args.args[1].entities == {
        "number": number.id,
        "power": "sensor.wallbox_power",
        "current_l1": "sensor.wallbox_l1",
    }
    result = await charger.submit(CHARGER_ASSET | {"phases": "1", "lines": ["L1"]})

    assert result["type"] is FlowResultType.CREATE_ENTRY
    subentry = only_subentry(entry)
    assert subentry.data["source"] == "entity"
    assert subentry.data["control_entity"] == number.id
    assert subentry.data["power_entity"] == "sensor.wallbox_power"

    er.async_get(hass).async_update_entity(
        number.entity_id, new_entity_id="number.garage"
    )
    result = await charger.begin(subentry.subentry_id)
    assert result["step_id"] == "entity"
    assert charger.shown["control_entity"] == "number.garage"
    with device_answers(serial=None):
        values = {key: ENTITIES[key] for key in ("name", "more")}
        await charger.submit(values | {"control_entity": "number.garage"})
    await charger.submit(CHARGER_ASSET | {"phases": "1", "lines": ["L1"]})

    subentry = only_subentry(entry)
    assert subentry.data["control_entity"] == number.id
    # A sensor that was taken out of the form is gone.
    assert "power_entity" not in subentry.data


async def test_our_own_entities_and_taken_ones_are_refused(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    form: Callable[[str], Form],
    number: er.RegistryEntry,
) -> None:
    own = er.async_get(hass).async_get_or_create("number", DOMAIN, "own")
    charger = form("charger")
    await charger.begin()
    await charger.choose("entity")
    with device_answers(serial=None) as test:
        result = await charger.submit(ENTITIES | {"control_entity": own.entity_id})
        assert result["errors"] == {"control_entity": "own_entity"}
        test.assert_not_awaited()
        await charger.submit(ENTITIES)
        await charger.submit(CHARGER_ASSET)

        second = form("charger")
        await second.begin()
        await second.choose("entity")
        result = await second.submit(ENTITIES | {"name": "Second"})
    assert result["errors"] == {"control_entity": "already_configured"}


@pytest.mark.parametrize("kind", ["charger", "inverter", "load"])
@pytest.mark.parametrize("error", ["no_answer", "config", "unknown"])
async def test_entities_that_do_not_fit_are_said(
    form: Callable[[str], Form], kind: str, error: str
) -> None:
    asset = form(kind)
    await asset.begin()
    await asset.choose("entity")
    entity = "switch.oven" if kind == "load" else "number.wallbox_limit"
    with device_answers(error=error, detail="In words."):
        result = await asset.submit({**ENTITIES, "control_entity": entity})

    assert result["errors"] == {"base": error}
    assert result["description_placeholders"]["detail"] == "In words."


async def test_a_load(
    entry: MockConfigEntry, form: Callable[[str], Form], hass: HomeAssistant
) -> None:
    load = form("load")
    await load.begin()
    result = await load.choose("entity")
    assert result["step_id"] == "entity"
    with device_answers(Nature.LOAD, serial=None) as test:
        await load.submit({"name": "Oven", "control_entity": "switch.oven", "more": {}})
    assert test.await_args.args[1].entities == {"switch": "switch.oven"}
    values = {
        "rated_power": 0,
        "phases": "3",
        "lines": [],
        "never_shed": True,
        "more": {"priority": 4},
    }
    result = await load.submit(values)
    assert result["errors"] == {"rated_power": "rating_missing"}
    values["rated_power"] = 6000
    for rare, error in (
        ({"minimum_on": -1}, "times_negative"),
        ({"comfort_low": 60, "comfort_high": 50}, "comfort_impossible"),
    ):
        result = await load.submit(values | {"more": {"priority": 4} | rare})
        assert result["errors"] == {"base": error}
    result = await load.submit(values)

    assert result["type"] is FlowResultType.CREATE_ENTRY
    config = device_config(only_subentry(entry), GridType.STAR)
    assert config.asset is not None
    assert config.asset.never_shed
    assert config.asset.rated_consumption == 6000
    assert config.asset.priority == 4

    await load.begin(only_subentry(entry).subentry_id)
    assert load.shown["control_entity"] == "switch.oven"


async def test_an_inverter_through_an_entity(
    entry: MockConfigEntry, form: Callable[[str], Form]
) -> None:
    inverter = form("inverter")
    await inverter.begin()
    await inverter.choose("entity")
    with device_answers(Nature.INVERTER, serial=None) as test:
        await inverter.submit(
            {
                "name": "Roof",
                "control_entity": "number.roof_limit",
                "more": {"enable_entity": "switch.roof"},
            }
        )
    assert test.await_args.args[1].entities == {
        "number": "number.roof_limit",
        "enable": "switch.roof",
    }
    values = {
        "rated_power": 20000,
        "phases": "3",
        "lines": [],
        "category": "wind",
        "more": {"priority": 0},
    }
    await inverter.submit(values | {"rated_power": 0})
    assert inverter.result["errors"] == {"rated_power": "rating_missing"}
    await inverter.submit(values)

    config = device_config(only_subentry(entry), GridType.STAR)
    assert config.asset is not None
    assert config.asset.rated_production == 20_000
    assert config.asset.category == "wind"


# ----------------------------------------------------------- other devices with profiles


async def test_a_battery_through_entities(
    entry: MockConfigEntry, form: Callable[[str], Form]
) -> None:
    battery = form("battery")
    await battery.begin()
    await battery.choose("entity")
    with device_answers(Nature.BATTERY, serial=None) as test:
        await battery.submit(
            {
                "name": "Battery",
                "control_entity": "number.battery_power",
                "soc_entity": "sensor.battery",
                "more": {},
            }
        )
    assert test.await_args.args[1].entities == {
        "number": "number.battery_power",
        "soc": "sensor.battery",
    }
    result = await battery.submit(
        {
            "rated_charge": 5000,
            "rated_discharge": 5000,
            "reserve": 10,
            "phases": "3",
            "lines": [],
            "more": {"priority": 0},
        }
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert only_subentry(entry).data["soc_entity"] == "sensor.battery"


async def test_a_battery_with_its_register_map(
    entry: MockConfigEntry, form: Callable[[str], Form]
) -> None:
    battery = form("battery")
    await battery.begin()
    result = await battery.choose("profile")
    values = {
        "name": "Battery",
        "host": "192.0.2.50",
        "port": 502,
        "power_register": 100,
        "setpoint_register": 200,
        "more": {**TCP, "unit": 3, "soc_register": 101, "power_sign": "load_negative"},
    }
    with device_answers(Nature.BATTERY, serial=None) as test:
        result = await battery.submit(values | {"power_register": 70000})
        assert result["errors"] == {"power_register": "param_invalid"}
        assert "65535" in result["description_placeholders"]["detail"]
        result = await battery.submit(values | {"power_register": 1.5})
        assert result["errors"] == {"power_register": "param_invalid"}
        test.assert_not_awaited()
        await battery.submit(values)
    params = test.await_args.args[1].params
    assert params["power_register"] == 100
    assert params["unit"] == 3
    assert params["power_sign"] == "load_negative"
    assert params["power_type"] == "s16"
    assert "echo_register" not in params

    asset = {
        "rated_charge": 10000,
        "rated_discharge": 9000,
        "reserve": 15,
        "phases": "3",
        "lines": [],
        "more": {"priority": 0},
    }
    result = await battery.submit(asset | {"rated_charge": 0, "reserve": 120})
    assert result["errors"] == {
        "rated_charge": "rating_missing",
        "reserve": "not_a_percentage",
    }
    for rare, errors in (
        ({"charge_efficiency": 0}, {"charge_efficiency": "not_a_percentage"}),
        ({"ceiling": 10}, {"ceiling": "ceiling_below_reserve"}),
        ({"dead_band": -1}, {"dead_band": "not_positive"}),
    ):
        result = await battery.submit(asset | {"more": {"priority": 0} | rare})
        assert result["errors"] == errors
    result = await battery.submit(asset | {"capacity": 0})
    assert result["errors"] == {"capacity": "not_positive"}
    result = await battery.submit(asset)
    assert result["type"] is FlowResultType.CREATE_ENTRY

    await battery.begin(only_subentry(entry).subentry_id)
    assert battery.shown["power_register"] == 100
    assert battery.shown["soc_register"] == 101
    assert battery.shown["power_sign"] == "load_negative"


async def test_an_inverter_with_a_profile(
    entry: MockConfigEntry, form: Callable[[str], Form]
) -> None:
    inverter = form("inverter")
    await inverter.begin()
    await inverter.choose("profile")
    with device_answers(Nature.INVERTER):
        await inverter.submit(
            {
                "name": "Roof",
                "host": "192.0.2.40",
                "port": 502,
                "revert": 90,
                "more": {**TCP, "unit": 126},
            }
        )
    await inverter.submit(
        {
            "rated_power": 20000,
            "phases": "3",
            "lines": ["L2", "L3", "L1"],
            "category": "solar",
            "more": {"priority": 0},
        }
    )

    subentry = only_subentry(entry)
    assert subentry.unique_id == f"{SERIAL}_unit126"
    config = device_config(subentry, GridType.STAR)
    assert config.asset is not None
    # The order of the lines is the order of its own phases.
    assert config.asset.lines == (Line.L2, Line.L3, Line.L1)


async def test_a_relay_names_what_it_interrupts(
    hass: HomeAssistant, entry: MockConfigEntry, form: Callable[[str], Form]
) -> None:
    charger = form("charger")
    await reach_charger_asset(charger)
    await charger.submit(CHARGER_ASSET)
    charger_id = only_subentry(entry).subentry_id

    relay = form("relay")
    await relay.begin()
    await relay.choose("profile")
    device = {
        "name": "Relay",
        "host": "192.0.2.60",
        "port": 502,
        "output": 2,
        "more": {**TCP, "unit": 1},
    }
    with device_answers(Nature.RELAY, serial=None):
        await relay.submit(device)
    values = {
        "stops": ["consumption"],
        "energised_when_stopped": False,
        "assets": [charger_id],
        "more": {"bistable": False, "power_up": "off", "watchdog": "none"},
    }
    result = await relay.submit(values | {"stops": []})
    assert result["errors"] == {"stops": "stops_required"}
    result = await relay.submit(values)
    # Shown before it is stored: what becomes of the output when something fails.
    assert result["step_id"] == "behaviour"
    assert (
        "No stop, the module restarts: coil off, **stopped**"
        in result["description_placeholders"]["table"]
    )
    result = await relay.submit({})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    (subentry,) = entry.get_subentries_of_type("relay")
    output = output_config(subentry).output
    assert output.stops == {Direction.CONSUMPTION}
    assert output.assets == {charger_id}
    assert not output.energised_when_stopped

    # An asset that was removed since is not offered and not suggested.
    hass.config_entries.async_remove_subentry(entry, charger_id)
    await relay.begin(subentry.subentry_id)
    with device_answers(Nature.RELAY, serial=None):
        await relay.submit(device)
    assert relay.shown["assets"] == []
    assert relay.shown["energised_when_stopped"] is False


async def test_a_relay_may_be_a_switch_of_another_integration(
    hass: HomeAssistant, entry: MockConfigEntry, form: Callable[[str], Form]
) -> None:
    hass.states.async_set("switch.contactor", "off")
    hass.states.async_set("binary_sensor.contactor", "on")
    relay = form("relay")
    await relay.begin()
    await relay.choose("entity")
    await relay.submit(
        {
            "name": "Relay",
            "control_entity": "switch.contactor",
            "contact_entity": "binary_sensor.contactor",
        }
    )
    await relay.submit(
        {
            "stops": ["production"],
            "energised_when_stopped": True,
            "assets": [],
            "contact_when_stopped": "open",
            "more": {"bistable": False, "power_up": "off", "watchdog": "none"},
        }
    )
    result = await relay.submit({})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    (subentry,) = entry.get_subentries_of_type("relay")
    config = output_config(subentry)
    assert config.device.entities == {
        "switch": "switch.contactor",
        "contact": "binary_sensor.contactor",
    }
    assert config.needs_home_assistant
    assert config.wiring.contact_when_stopped is False


async def test_S13_inputs_of_a_relay_module_are_asked_about_where_they_are_named(
    entry: MockConfigEntry, form: Callable[[str], Form]
) -> None:
    relay = form("relay")
    await relay.begin()
    await relay.choose("profile")
    with device_answers(Nature.RELAY, serial=None):
        await relay.submit(
            {
                "name": "Relay",
                "host": "192.0.2.60",
                "port": 502,
                "output": 2,
                "contact": 3,
                "stop_input": 4,
                "more": {**TCP, "unit": 1},
            }
        )
    values = {
        "stops": ["production"],
        "energised_when_stopped": True,
        "assets": [],
        "contact_when_stopped": "open",
        "input_stops": [],
        "more": {"bistable": True, "power_up": "off", "watchdog": "off"},
    }
    result = await relay.submit(values)
    assert result["errors"] == {"input_stops": "input_stops_required"}
    await relay.submit(values | {"input_stops": ["consumption"]})
    result = await relay.submit({})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    (subentry,) = entry.get_subentries_of_type("relay")
    assert output_config(subentry).wiring == OutputWiring(
        bistable=True,
        watchdog=SafeValue.OFF,
        contact_when_stopped=False,
        input_stops=frozenset({Direction.CONSUMPTION}),
    )


# ------------------------------------------------------------------------------ meters

TARIFF = {
    "peak_minimum": 2.5,
    "peak_minimum_rule": "per_month",
    "peak_hold": "off",
    "peak_shave": True,
}
NOT_SHARED = {"share": False, "share_port": 8088, "share_allowed": []}
P1: dict[str, Any] = {
    "name": "P1",
    "port": "/dev/ttyUSB0",
    "role": "connection_point",
    "tariff": TARIFF,
    "sharing": NOT_SHARED,
}


async def add_p1(form: Form, **changes: Any) -> Any:
    await form.begin()
    await form.choose("p1")
    return await form.submit(P1 | changes)


async def test_a_p1_port(entry: MockConfigEntry, form: Callable[[str], Form]) -> None:
    with p1_answers() as test:
        result = await add_p1(form("meter"))

    assert result["type"] is FlowResultType.CREATE_ENTRY
    test.assert_awaited_once_with("/dev/ttyUSB0")
    subentry = only_subentry(entry)
    assert subentry.unique_id == "1SAG3100000001"
    assert dict(subentry.data) == {
        "source": "p1",
        "port": "/dev/ttyUSB0",
        "role": "connection_point",
        "target_peak": None,
        "peak_price": None,
        **TARIFF,
        **NOT_SHARED,
    }
    config = meter_config(subentry)
    assert config.url == "/dev/ttyUSB0"
    assert config.tariff == CapacityTariff()
    assert config.share is None


@pytest.mark.parametrize(
    "error", ["cannot_connect", "no_data", "not_p1", "encrypted", "unknown"]
)
async def test_what_is_wrong_with_a_p1_port_is_said(
    form: Callable[[str], Form], error: str
) -> None:
    meter = form("meter")
    with p1_answers(error=error):
        result = await add_p1(meter)
    assert result["errors"] == {"base": error}
    assert result["description_placeholders"]["detail"] == "Words"
    with p1_answers():
        result = await meter.submit(P1)
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_a_port_or_a_meter_is_read_once(
    entry: MockConfigEntry, form: Callable[[str], Form]
) -> None:
    with p1_answers() as test:
        await add_p1(form("meter"))
        test.reset_mock()
        result = await add_p1(form("meter"), name="Second")
        assert result["errors"] == {"port": "already_configured"}
        result = await add_p1(form("meter"), name="Second", port=" ")
        assert result["errors"] == {"port": "port_missing"}
        test.assert_not_awaited()
        result = await add_p1(form("meter"), name="Second", port="/dev/ttyUSB1")
    assert result["errors"] == {"port": "already_configured"}


async def test_a_port_that_the_site_reads_is_not_opened_twice(
    entry: MockConfigEntry, form: Callable[[str], Form]
) -> None:
    with p1_answers():
        await add_p1(form("meter"))
    meter = form("meter")
    await meter.begin(only_subentry(entry).subentry_id)
    assert meter.shown["port"] == P1["port"]
    assert meter.shown["peak_minimum"] == 2.5
    with p1_answers(error="cannot_connect") as test:
        result = await meter.submit(P1 | {"role": "submeter", "name": "Hall"})

    test.assert_not_awaited()
    assert result["reason"] == "reconfigure_successful"
    subentry = only_subentry(entry)
    assert subentry.title == "Hall"
    assert subentry.unique_id == "1SAG3100000001"
    assert meter_config(subentry).role is MeterRole.SUBFEEDER
    # Another port is tried.
    await meter.begin(subentry.subentry_id)
    with p1_answers(error="no_data"):
        result = await meter.submit(P1 | {"port": "/dev/ttyUSB1"})
    assert result["errors"] == {"base": "no_data"}


async def test_a_modbus_meter_with_its_transformers(
    entry: MockConfigEntry, form: Callable[[str], Form]
) -> None:
    meter = form("meter")
    await meter.begin()
    await meter.choose("profile")
    result = await meter.submit({"profile": "acuvim_ii"})
    assert result["step_id"] == "device"
    with device_answers(Nature.METER) as test:
        result = await meter.submit(
            {
                "name": "Main",
                "host": "192.0.2.20",
                "port": 502,
                "pt1": 1,
                "pt2": 1,
                "ct1": 400,
                "ct2": 5,
                "direction": "load_negative",
                "energy": "primary",
                "role": "connection_point",
                "tariff": {**TARIFF, "target_peak": 4.5, "peak_price": 52.1},
                "more": {**TCP, "unit": 1},
            }
        )
    assert test.await_args.args[1].asset is None

    assert result["type"] is FlowResultType.CREATE_ENTRY
    config = meter_config(only_subentry(entry))
    assert config.role is MeterRole.CONNECTION_POINT
    assert config.tariff == CapacityTariff(target=4500.0, price=52.1)
    assert config.device is not None
    assert config.device.params["ct1"] == 400
    assert config.device.params["direction"] == "load_negative"
    await meter.begin(only_subentry(entry).subentry_id)
    assert meter.shown["ct1"] == 400
    assert meter.shown["role"] == "connection_point"


# --------------------------------------------------------------------------- grid types


class TestSinglePhase:
    """A site on one phase has no lines to choose."""

    @pytest.fixture
    def entry(self) -> MockConfigEntry:
        return sites.site_entry(data={"grid_type": "1x230"}, complete=False)

    async def test_phases_and_lines_are_not_asked(
        self, entry: MockConfigEntry, form: Callable[[str], Form]
    ) -> None:
        charger = form("charger")
        await reach_charger_asset(charger)
        values = {
            key: value
            for key, value in CHARGER_ASSET.items()
            if key not in {"phases", "lines"}
        }
        await charger.submit(values)

        assert only_subentry(entry).data["phases"] == 1
        assert only_subentry(entry).data["lines"] == ["L1"]


class TestDelta:
    """In a delta grid a single phase lies between two lines."""

    @pytest.fixture
    def entry(self) -> MockConfigEntry:
        return sites.site_entry(data={"grid_type": "3x230"}, complete=False)

    async def test_a_single_phase_uses_two_lines(
        self, entry: MockConfigEntry, form: Callable[[str], Form]
    ) -> None:
        charger = form("charger")
        await reach_charger_asset(charger)
        result = await charger.submit(CHARGER_ASSET | {"phases": "1", "lines": ["L1"]})
        assert result["errors"] == {"lines": "lines_of_delta"}
        await charger.submit(CHARGER_ASSET | {"phases": "1", "lines": ["L1", "L3"]})

        assert only_subentry(entry).data["lines"] == ["L1", "L3"]


# ----------------------------------------------------------------------------- profiles


def libraries(*ids: str) -> ProfileLibrary:
    """Return a library with copies of a profile, as a user's own files would be."""
    from dataclasses import replace  # noqa: PLC0415

    charger = ProfileLibrary.load().get("alfen_ng9xx")
    return ProfileLibrary(
        replace(charger, id=item, models=(f"Model {item}",)) for item in ids
    )


async def test_among_several_profiles_one_is_chosen(
    entry: MockConfigEntry, form: Callable[[str], Form]
) -> None:
    charger = form("charger")
    module = "custom_components.netflex.flows.subentry"
    library = libraries("a", "b")
    with patch(f"{module}.async_profiles", AsyncMock(return_value=library)):
        await charger.begin()
        result = await charger.choose("profile")
        assert result["step_id"] == "profile"
        result = await charger.submit({"profile": "b"})
        assert result["step_id"] == "device"
        assert "Model b" in result["description_placeholders"]["device"]
        with device_answers():
            await charger.submit(CHARGER_DEVICE)
        await charger.submit(CHARGER_ASSET)
    assert only_subentry(entry).data["profile"] == "b"

    # Its file was removed since.
    result = await charger.begin(only_subentry(entry).subentry_id)
    assert result["reason"] == "profile_missing"


async def test_without_a_profile_of_its_kind_nothing_can_be_added(
    form: Callable[[str], Form],
) -> None:
    battery = form("battery")
    module = "custom_components.netflex.flows.subentry"
    library = libraries("a")
    with patch(f"{module}.async_profiles", AsyncMock(return_value=library)):
        await battery.begin()
        result = await battery.choose("profile")

    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "no_profile"


def test_a_parameter_of_text_is_asked_and_kept_as_such() -> None:
    spec = ParamSpec(name="code", type=ParamType.STR, text="Code", required=True)

    ((marker, field),) = param_fields({"code": spec}, rare=False).items()

    assert (str(marker), field) == ("code", str)
    assert param_values({"code": spec}, {"code": 12}) == ({"code": "12"}, {}, {})
    assert param_values({"code": spec}, {"code": ""}) == ({}, {}, {})


def test_no_parameter_hides_a_field_of_the_form() -> None:
    fields = {
        "name",
        "host",
        "port",
        "transport",
        "connection",
        "role",
        "more",
        "serial",
    }
    library = ProfileLibrary.load()
    for profile_id in library.ids():
        assert not fields & set(library.get(profile_id).params), profile_id


def test_only_a_short_list_of_parameters_is_shown_in_full() -> None:
    library = ProfileLibrary.load()
    for profile_id in library.ids():
        shown = param_fields(library.get(profile_id).params, rare=False)
        assert len(shown) <= 7, profile_id


def test_every_kind_of_subentry_has_forms(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    assert set(entry.supported_subentry_types) == {kind.value for kind in SubentryType}


@pytest.mark.parametrize("kind", ["charger", "battery", "inverter", "relay", "meter"])
def test_every_parameter_of_every_profile_has_its_words(kind: str) -> None:
    """A new profile brings its fields' words along."""
    device = ENGLISH["config_subentries"][kind]["step"]["device"]
    library = ProfileLibrary.load()
    for file in library.of_kind(Nature(kind)):
        for spec in file.params.values():
            place = (
                device["sections"]["more"]
                if spec.name
                in {str(key) for key in param_fields(file.params, rare=True)}
                else device
            )
            assert spec.name in place["data"], (file.id, spec.name)
            assert spec.name in place["data_description"], (file.id, spec.name)
            if (key := param_translation(spec)) is not None:
                assert set(map(str, spec.choices)) <= set(
                    ENGLISH["selector"][key]["options"]
                ), (file.id, spec.name)
