"""The forms of meters: over sensors, with a capacity tariff, shared with others."""

from collections.abc import Callable
from dataclasses import replace
import socket
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.netflex.const import DOMAIN
from custom_components.netflex.entry_device import meter_config
from custom_components.netflex.model.asset import Nature
from custom_components.netflex.model.connection import LineValues
from custom_components.netflex.model.demand import (
    CapacityHold,
    CapacityTariff,
    MinimumRule,
)
from custom_components.netflex.model.reading import MeterRole
from custom_components.netflex.site.config import ShareConfig
from custom_components.netflex.site.view import SiteView

from . import sites
from .fakes import FakeSite, full_view
from .test_subentry_flows import (
    NOT_SHARED,
    P1,
    TARIFF,
    Form,
    add_p1,
    device_answers,
    only_subentry,
    p1_answers,
)

MORE = {"max_age": 15, "direction": "load_positive"}
SENSORS = {
    "name": "Sensors",
    "role": "connection_point",
    "power_entity": "sensor.power",
    "current_l1_entity": "sensor.current",
    "energy_import_entity": "sensor.energy",
    "tariff": TARIFF,
    "more": MORE,
}


@pytest.fixture
def entry() -> MockConfigEntry:
    """A site without meters and assets."""
    return sites.site_entry(complete=False)


@pytest.fixture
def view() -> SiteView:
    """A site that knows nothing else of its power."""
    return replace(full_view(), meters={}, states={})


@pytest.fixture(autouse=True)
def _running(no_entities: None, site: FakeSite) -> None:
    """Every form is opened on a site that runs."""


@pytest.fixture
def form(hass: HomeAssistant, entry: MockConfigEntry) -> Callable[[], Form]:
    """Return the forms of a meter."""
    return lambda: Form(hass, entry, "meter")


@pytest.fixture
def sensors(hass: HomeAssistant) -> None:
    """Three sensors of another integration, one with a registry entry."""
    er.async_get(hass).async_get_or_create(
        "sensor", "other", "power", suggested_object_id="power"
    )
    for name, value, unit in (
        ("power", "1.5", "kW"),
        ("current", "6.5", "A"),
        ("energy", "1234.5", "kWh"),
    ):
        hass.states.async_set(f"sensor.{name}", value, {"unit_of_measurement": unit})


async def fill(form: Form, **changes: Any) -> Any:
    await form.begin()
    await form.choose("entity")
    values = {
        key: value for key, value in (SENSORS | changes).items() if value is not None
    }
    return await form.submit(values)


async def test_sensors_become_a_meter(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    form: Callable[[], Form],
    sensors: None,
) -> None:
    result = await fill(form())

    assert result["type"] is FlowResultType.CREATE_ENTRY
    subentry = only_subentry(entry)
    config = meter_config(subentry)
    assert config.stale_after == 15
    assert config.role is MeterRole.CONNECTION_POINT
    assert config.url is None
    assert config.device is not None
    registered = er.async_get(hass).async_get("sensor.power")
    assert registered is not None
    # The reference survives a rename.
    assert config.device.entities == {
        "power": registered.id,
        "current_l1": "sensor.current",
        "energy_import": "sensor.energy",
    }

    meter = form()
    await meter.begin(subentry.subentry_id)
    assert meter.shown["power_entity"] == "sensor.power"
    changed = SENSORS | {"more": MORE | {"max_age": 30, "direction": "load_negative"}}
    changed["voltage_l1_entity"] = changed.pop("current_l1_entity")
    result = await meter.submit(changed)
    # A current is no voltage.
    assert result["errors"] == {"base": "config"}
    changed["current_l2_entity"] = changed.pop("voltage_l1_entity")
    result = await meter.submit(changed)
    assert result["reason"] == "reconfigure_successful"
    config = meter_config(only_subentry(entry))
    assert config.stale_after == 30
    assert config.device is not None
    assert config.device.params["direction"] == "load_negative"
    assert "current_l1" not in config.device.entities


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"name": " "}, {"name": "name_missing"}),
        ({"current_l1_entity": None}, {"base": "too_few"}),
        (
            {"power_entity": None, "voltage_l1_entity": "sensor.voltage"},
            {"base": "no_power"},
        ),
        ({"more": MORE | {"max_age": 1}}, {"max_age": "max_age_invalid"}),
        ({"power_entity": "sensor.not_there"}, {"base": "config"}),
        ({"tariff": TARIFF | {"target_peak": 0}}, {"target_peak": "target_invalid"}),
        ({"tariff": TARIFF | {"peak_price": -1}}, {"peak_price": "price_invalid"}),
        (
            {"tariff": TARIFF | {"peak_minimum": -1}},
            {"peak_minimum": "minimum_invalid"},
        ),
    ],
)
async def test_what_is_wrong_with_sensors_is_said(
    form: Callable[[], Form],
    sensors: None,
    changes: dict[str, Any],
    errors: dict[str, str],
) -> None:
    result = await fill(form(), **changes)

    assert result["errors"] == errors


async def test_a_sensor_that_says_nothing_now_is_no_meter(
    hass: HomeAssistant, form: Callable[[], Form], sensors: None
) -> None:
    hass.states.async_set("sensor.power", "unavailable", {"unit_of_measurement": "W"})

    result = await fill(form())

    assert result["errors"] == {"base": "no_answer"}
    assert "sensor.power" not in result["description_placeholders"]["detail"] or (
        "not available" in result["description_placeholders"]["detail"]
    )


async def test_a_site_cannot_measure_itself(
    hass: HomeAssistant, form: Callable[[], Form], sensors: None
) -> None:
    own = er.async_get(hass).async_get_or_create("sensor", DOMAIN, "own")
    hass.states.async_set(own.entity_id, "1", {"unit_of_measurement": "W"})

    result = await fill(form(), power_entity=own.entity_id)

    assert result["errors"] == {"power_entity": "own_entity"}


async def test_the_capacity_tariff_is_stored(
    entry: MockConfigEntry, form: Callable[[], Form]
) -> None:
    tariff = {
        "target_peak": 4,
        "peak_price": 50.5,
        "peak_minimum": 2,
        "peak_minimum_rule": "on_mean",
        "peak_hold": "paid",
        "peak_shave": False,
    }
    with p1_answers():
        await add_p1(form(), tariff=tariff)

    assert meter_config(only_subentry(entry)).tariff == CapacityTariff(
        target=4000.0,
        price=50.5,
        minimum=2000.0,
        rule=MinimumRule.ON_MEAN,
        hold=CapacityHold.PAID,
        shave=False,
    )
    # What is emptied is gone.
    meter = form()
    await meter.begin(only_subentry(entry).subentry_id)
    assert meter.shown["target_peak"] == 4
    await meter.submit(P1)
    assert meter_config(only_subentry(entry)).tariff == CapacityTariff()


@pytest.mark.parametrize(
    ("sharing", "errors", "detail"),
    [
        ({"share_port": 80}, {"share_port": "share_port_invalid"}, ""),
        ({"share_allowed": [" "]}, {"share_allowed": "share_nobody"}, ""),
        (
            {"share_allowed": ["192.168.1.0/24", "kitchen"]},
            {"share_allowed": "share_reader_invalid"},
            "kitchen",
        ),
    ],
)
async def test_who_may_read_is_checked(
    form: Callable[[], Form],
    sharing: dict[str, Any],
    errors: dict[str, str],
    detail: str,
) -> None:
    shared = {"share": True, "share_port": 8088, "share_allowed": ["192.0.2.1"]}
    with p1_answers() as test:
        result = await add_p1(form(), sharing=shared | sharing)

    assert result["errors"] == errors
    assert result["description_placeholders"]["detail"] == detail
    test.assert_not_awaited()


@pytest.mark.usefixtures("socket_enabled")
async def test_a_shared_port_is_free_when_it_is_chosen(
    entry: MockConfigEntry, form: Callable[[], Form], unused_tcp_port: int
) -> None:
    shared = {"share": True, "share_allowed": ["127.0.0.1 ", "10.0.0.0/8"]}
    with socket.create_server(("0.0.0.0", 0)) as other, p1_answers():
        taken = other.getsockname()[1]
        result = await add_p1(form(), sharing=shared | {"share_port": taken})
    assert result["errors"] == {"share_port": "share_port_in_use"}

    with p1_answers():
        await add_p1(form(), sharing=shared | {"share_port": unused_tcp_port})
    expected = ShareConfig(port=unused_tcp_port, allowed=("127.0.0.1", "10.0.0.0/8"))
    assert meter_config(only_subentry(entry)).share == expected
    # Our own server on the port is no obstacle to changing something else.
    meter = form()
    await meter.begin(only_subentry(entry).subentry_id)
    with socket.create_server(("0.0.0.0", unused_tcp_port)):
        result = await meter.submit(
            P1 | {"sharing": shared | {"share_port": unused_tcp_port}, "name": "Hall"}
        )
    assert result["reason"] == "reconfigure_successful"
    await meter.begin(only_subentry(entry).subentry_id)
    await meter.submit(P1 | {"sharing": NOT_SHARED})
    assert meter_config(only_subentry(entry)).share is None


async def test_a_smart_meter_of_another_grid_is_asked_about(
    entry: MockConfigEntry, form: Callable[[], Form]
) -> None:
    meter = form()
    with p1_answers(line_voltage=LineValues(l1=231.0, l2=0.0, l3=229.0)):
        result = await add_p1(meter)
        assert result["step_id"] == "doubts"
        detail = result["description_placeholders"]["detail"]
        assert detail == "- It shows a grid of 3x230, the site is set up as 3N400"
        result = await meter.choose("change")
        assert result["step_id"] == "p1"
        assert meter.shown["port"] == P1["port"]
        await meter.submit(P1)
        result = await meter.choose("keep")
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert only_subentry(entry).unique_id == "1SAG3100000001"


class TestBesideAnotherMeter:
    """A site whose P1 port measures an injection of 1250 W."""

    @pytest.fixture
    def view(self) -> SiteView:
        return full_view()

    async def test_a_meter_of_the_wrong_sign_is_asked_about(
        self,
        entry: MockConfigEntry,
        form: Callable[[], Form],
        sensors: None,
    ) -> None:
        meter = form()
        result = await fill(meter)
        assert result["type"] is FlowResultType.MENU
        assert result["step_id"] == "doubts"
        detail = result["description_placeholders"]["detail"]
        assert "1500 W where another meter measures -1250 W" in detail
        assert "check the sign" in detail
        assert not entry.subentries

        result = await meter.choose("change")
        assert result["step_id"] == "entity"
        assert meter.shown["power_entity"] == "sensor.power"
        turned = SENSORS | {"more": MORE | {"direction": "load_negative"}}
        result = await meter.submit(turned)
        assert result["type"] is FlowResultType.CREATE_ENTRY
        config = meter_config(only_subentry(entry))
        assert config.device is not None
        assert config.device.params["direction"] == "load_negative"

    async def test_it_may_be_kept_all_the_same(
        self, entry: MockConfigEntry, form: Callable[[], Form], sensors: None
    ) -> None:
        meter = form()
        await fill(meter)
        result = await meter.choose("keep")
        assert result["type"] is FlowResultType.CREATE_ENTRY
        assert only_subentry(entry).title == "Sensors"

    async def test_two_sensors_of_power_are_netted(
        self,
        hass: HomeAssistant,
        entry: MockConfigEntry,
        form: Callable[[], Form],
        sensors: None,
    ) -> None:
        hass.states.async_set("sensor.power", "0", {"unit_of_measurement": "W"})
        hass.states.async_set("sensor.sun", "1.2", {"unit_of_measurement": "kW"})
        result = await fill(form(), power_export_entity="sensor.sun")
        assert result["type"] is FlowResultType.CREATE_ENTRY

    async def test_a_feeder_is_not_compared(
        self, form: Callable[[], Form], sensors: None
    ) -> None:
        result = await fill(form(), role="submeter")
        assert result["type"] is FlowResultType.CREATE_ENTRY

    async def test_a_modbus_meter_of_a_wrong_ratio_is_asked_about(
        self, entry: MockConfigEntry, form: Callable[[], Form]
    ) -> None:
        meter = form()
        await meter.begin()
        await meter.choose("profile")
        await meter.submit({"profile": "eastron_sdm630"})
        values = {"power": -250.0, "current_l1": 1.0, "voltage_l1": 230.0}
        answers = {
            "name": "Main",
            "host": "192.0.2.20",
            "port": 502,
            "role": "connection_point",
            "direction": "load_positive",
            "tariff": TARIFF,
            "more": {"transport": "tcp", "unit": 1},
        }
        with device_answers(Nature.METER, values=values):
            result = await meter.submit(answers)
        assert result["step_id"] == "doubts"
        assert "check the ratio" in result["description_placeholders"]["detail"]
        result = await meter.choose("change")
        assert result["step_id"] == "device"
        assert meter.shown["host"] == "192.0.2.20"
        with device_answers(Nature.METER, values=values | {"power": -1300.0}):
            result = await meter.submit(answers)
        assert result["type"] is FlowResultType.CREATE_ENTRY
