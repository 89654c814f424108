"""Setting up a site and changing it: what is asked, refused and stored."""

from collections.abc import Callable, Iterator
import errno
import socket
from typing import Any
from unittest.mock import patch

from homeassistant.config_entries import SOURCE_USER
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.netflex.const import DOMAIN
from custom_components.netflex.entry_site import site_config, station_settings
from custom_components.netflex.flows.site_checks import bind_error, canonical
from custom_components.netflex.model.connection import GridType

from . import sites
from .fakes import FakeSite
from .translations import assert_result_is_translated

SITE: dict[str, Any] = {
    "name": "Bakery",
    "grid_type": "star",
    "main_fuse": 63,
    "contract_consumption": 40,
    "contract_injection": 25,
    "contract_unit": "kW",
    "telecontrol": True,
    "more": {"cos_phi": 1},
}
STATION: dict[str, Any] = {
    "bind_address": "192.0.2.1",
    "allowed_clients": ["192.0.2.10"],
    "allow_any_client": False,
    "more": {"port": 2404, "common_address": 100},
}
BIND_ERROR = "custom_components.netflex.config_flow.bind_error"


@pytest.fixture
def bindable() -> Iterator[Any]:
    """Say that any address may be listened on, without trying."""
    with patch(BIND_ERROR, return_value=None) as tried:
        yield tried


@pytest.fixture(autouse=True)
def _fake_runtime(no_entities: None, faked: Callable[[], FakeSite]) -> None:
    """What is set up runs no station."""


async def begin(hass: HomeAssistant) -> Any:
    return await choose(hass, "site")


async def choose(hass: HomeAssistant, option: str) -> Any:
    menu = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USER}
    )
    assert_result_is_translated(menu)
    return await submit(hass, menu, {"next_step_id": option})


async def submit(hass: HomeAssistant, result: Any, values: dict[str, Any]) -> Any:
    result = await hass.config_entries.flow.async_configure(result["flow_id"], values)
    await hass.async_block_till_done()
    assert_result_is_translated(result)
    return result


async def reach_station(hass: HomeAssistant, site: dict[str, Any] = SITE) -> Any:
    result = await submit(hass, await begin(hass), site)
    assert result["step_id"] == "telecontrol"
    return result


async def test_a_site_with_telecontrol(hass: HomeAssistant, bindable: Any) -> None:
    result = await submit(hass, await reach_station(hass), STATION)

    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "Bakery"
    assert result["data"] == {
        "name": "Bakery",
        "grid_type": "3N400",
        "main_fuse": 63,
        "contract_consumption": 40,
        "contract_injection": 25,
        "contract_unit": "kW",
        "cos_phi": 1.0,
        "telecontrol": True,
        "bind_address": "192.0.2.1",
        "port": 2404,
        "common_address": 100,
        "allowed_clients": ["192.0.2.10"],
        "allow_any_client": False,
    }
    entry = result["result"]
    # Nothing identifies a site: its name and its listener are what is unique.
    assert entry.unique_id is None
    assert (entry.version, entry.minor_version) == (1, 1)
    assert site_config(entry).connection.contract_consumption == 40_000
    assert station_settings(entry) is not None
    bindable.assert_called_once_with("192.0.2.1", 2404)


async def test_a_site_without_telecontrol_needs_no_contract(
    hass: HomeAssistant,
) -> None:
    values = {
        key: value for key, value in SITE.items() if not key.startswith("contract_")
    }
    values |= {"contract_unit": "kW", "telecontrol": False, "grid_type": "delta"}
    result = await submit(hass, await begin(hass), values)

    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"]["telecontrol"] is False
    assert result["data"]["port"] == 2404
    assert station_settings(result["result"]) is None
    connection = site_config(result["result"]).connection
    assert connection.grid_type is GridType.DELTA
    assert connection.contract_consumption is None


async def test_a_contract_in_kva_keeps_its_cos_phi(
    hass: HomeAssistant, bindable: Any
) -> None:
    values = {**SITE, "contract_unit": "kVA", "more": {"cos_phi": 0.9}}
    result = await submit(hass, await reach_station(hass, values), STATION)

    assert result["data"]["cos_phi"] == 0.9
    connection = site_config(result["result"]).connection
    assert connection.contract_injection == pytest.approx(22_500)


@pytest.mark.parametrize(
    ("changes", "field", "error"),
    [
        ({"name": "   "}, "name", "name_missing"),
        ({"main_fuse": 5}, "main_fuse", "fuse_out_of_range"),
        ({"main_fuse": 63000}, "main_fuse", "fuse_out_of_range"),
        ({"contract_consumption": 0}, "contract_consumption", "contract_required"),
        ({"contract_injection": -5}, "contract_injection", "contract_negative"),
        (
            {"contract_consumption": 4e6, "telecontrol": False},
            "contract_consumption",
            "contract_too_large",
        ),
        # 63 A on three phases are 43 kW: 17,5 of which the browser made 175.
        ({"contract_injection": 175}, "contract_injection", "contract_above_fuse"),
        (
            {
                "grid_type": "single_phase",
                "contract_consumption": 22,
                "contract_injection": 10,
            },
            "contract_consumption",
            "contract_above_fuse",
        ),
        (
            {"contract_unit": "kVA", "more": {"cos_phi": 0.2}},
            "base",
            "cos_phi_out_of_range",
        ),
    ],
)
async def test_what_is_wrong_with_a_site_is_said_and_can_be_put_right(
    hass: HomeAssistant,
    bindable: Any,
    changes: dict[str, Any],
    field: str,
    error: str,
) -> None:
    result = await submit(hass, await begin(hass), SITE | changes)

    assert result["type"] is FlowResultType.FORM
    assert result["errors"] == {field: error}
    result = await submit(hass, result, SITE)
    assert result["step_id"] == "telecontrol"


@pytest.mark.parametrize("key", ["contract_consumption", "contract_injection"])
async def test_telecontrol_needs_the_contract(hass: HomeAssistant, key: str) -> None:
    values = {name: value for name, value in SITE.items() if name != key}
    result = await submit(hass, await begin(hass), values)

    assert result["errors"] == {key: "contract_required"}


async def test_a_second_site_of_the_same_name_is_refused(hass: HomeAssistant) -> None:
    sites.site_entry(complete=False).add_to_hass(hass)

    result = await submit(hass, await begin(hass), SITE | {"name": " bakery "})

    assert result["errors"] == {"name": "name_taken"}


@pytest.mark.parametrize(
    ("changes", "field", "error", "details"),
    [
        (
            {"bind_address": "eth0"},
            "bind_address",
            "address_invalid",
            {"address": "eth0"},
        ),
        (
            {"allowed_clients": ["192.0.2.10", "rtu.local"]},
            "allowed_clients",
            "client_invalid",
            {"client": "rtu.local"},
        ),
        (
            {"more": {"port": 0, "common_address": 100}},
            "base",
            "port_out_of_range",
            {},
        ),
        (
            {"more": {"port": 2404, "common_address": 65535}},
            "base",
            "common_address_out_of_range",
            {},
        ),
    ],
)
async def test_what_is_wrong_with_a_station_is_said_and_can_be_put_right(
    hass: HomeAssistant,
    bindable: Any,
    changes: dict[str, Any],
    field: str,
    error: str,
    details: dict[str, str],
) -> None:
    result = await submit(hass, await reach_station(hass), STATION | changes)

    assert result["errors"] == {field: error}
    assert details.items() <= result["description_placeholders"].items()
    bindable.assert_not_called()
    result = await submit(hass, result, STATION)
    assert result["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::"])
async def test_an_address_that_another_site_listens_on_is_refused(
    hass: HomeAssistant, bindable: Any, address: str
) -> None:
    sites.site_entry(complete=False).add_to_hass(hass)

    result = await reach_station(hass, SITE | {"name": "Garage"})
    result = await submit(hass, result, STATION | {"bind_address": address})

    assert result["errors"] == {"bind_address": "address_taken_by_site"}
    assert result["description_placeholders"]["site"] == "Bakery"
    values = {"more": {"port": 2405, "common_address": 100}}
    result = await submit(hass, result, STATION | values)
    assert result["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize(
    ("data", "values"),
    [
        ({}, {"more": {"port": 2405, "common_address": 100}}),
        ({"telecontrol": False}, {"bind_address": "127.0.0.1"}),
        ({}, {"bind_address": "127.0.0.2"}),
    ],
)
async def test_two_sites_beside_each_other(
    hass: HomeAssistant, bindable: Any, data: dict[str, Any], values: dict[str, Any]
) -> None:
    sites.site_entry(data=data, complete=False).add_to_hass(hass)

    result = await reach_station(hass, SITE | {"name": "Garage"})
    result = await submit(hass, result, STATION | values)

    assert result["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize(
    "error", ["port_in_use", "port_not_permitted", "address_unusable"]
)
async def test_a_port_that_cannot_be_listened_on_is_refused(
    hass: HomeAssistant, error: str
) -> None:
    with patch(BIND_ERROR, return_value=error):
        result = await submit(hass, await reach_station(hass), STATION)

    assert result["errors"] == {"bind_address": error}
    assert result["description_placeholders"]["port"] == "2404"
    with patch(BIND_ERROR, return_value=None):
        result = await submit(hass, result, STATION)
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_S08_an_adapter_that_is_not_there_yet_is_accepted_knowingly(
    hass: HomeAssistant,
) -> None:
    with patch(BIND_ERROR, return_value="address_not_there"):
        result = await reach_station(hass)
        assert "bind_later" not in result["data_schema"].schema
        result = await submit(hass, result, STATION)
        assert result["errors"] == {"bind_address": "address_not_there"}
        # Only now the form offers to wait, and waiting is a choice.
        assert "bind_later" in result["data_schema"].schema
        result = await submit(hass, result, STATION)
        assert result["errors"] == {"bind_address": "address_not_there"}
        result = await submit(hass, result, STATION | {"bind_later": True})

    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert "bind_later" not in result["data"]


async def test_waiting_for_an_adapter_does_not_excuse_another_error(
    hass: HomeAssistant,
) -> None:
    with patch(BIND_ERROR, return_value="address_not_there"):
        result = await submit(hass, await reach_station(hass), STATION)
    with patch(BIND_ERROR, return_value="port_in_use"):
        result = await submit(hass, result, STATION | {"bind_later": True})

    assert result["errors"] == {"bind_address": "port_in_use"}


async def test_clients_are_stored_as_connections_name_them(
    hass: HomeAssistant, bindable: Any
) -> None:
    clients = [" 192.0.2.10 ", "2001:DB8:0::1", "192.0.2.10", ""]
    values = STATION | {"allowed_clients": clients}
    result = await submit(hass, await reach_station(hass), values)

    assert result["data"]["allowed_clients"] == ["192.0.2.10", "2001:db8::1"]


async def test_any_client_is_let_in_only_when_it_is_chosen(
    hass: HomeAssistant, bindable: Any
) -> None:
    nobody = {key: STATION[key] for key in ("bind_address", "more")}
    result = await submit(hass, await reach_station(hass), nobody)
    settings = station_settings(result["result"])
    assert settings is not None
    assert settings.allowed_clients == frozenset()

    result = await reach_station(hass, SITE | {"name": "Garage"})
    values = STATION | {"bind_address": "192.0.2.2", "allow_any_client": True}
    result = await submit(hass, result, values)
    settings = station_settings(result["result"])
    assert settings is not None
    assert settings.allowed_clients is None


class TestReconfigure:
    """Changing a site that runs."""

    @pytest.fixture
    async def running(
        self, hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry
    ) -> Any:
        result = await entry.start_reconfigure_flow(hass)
        assert_result_is_translated(result)
        assert result["step_id"] == "reconfigure"
        return result

    async def test_the_form_shows_what_is_stored(
        self, hass: HomeAssistant, running: Any
    ) -> None:
        shown = suggested(running["data_schema"].schema)

        assert shown["name"] == "Bakery"
        assert shown["grid_type"] == "star"
        assert shown["contract_consumption"] == 40
        assert shown["contract_unit"] == "kVA"
        assert shown["cos_phi"] == 0.9

    async def test_a_change_reloads_nothing(
        self,
        hass: HomeAssistant,
        running: Any,
        site: FakeSite,
        entry: MockConfigEntry,
        bindable: Any,
    ) -> None:
        values = SITE | {"name": "Bakery North", "contract_consumption": 60}
        result = await submit(hass, running, values)
        shown = suggested(result["data_schema"].schema)
        assert shown["bind_address"] == "127.0.0.1"
        assert shown["allowed_clients"] == ["192.0.2.10"]
        result = await submit(hass, result, STATION | {"bind_address": "127.0.0.1"})

        assert result["type"] is FlowResultType.ABORT
        assert result["reason"] == "reconfigure_successful"
        assert entry.title == "Bakery North"
        assert entry.data["contract_consumption"] == 60
        assert entry.data["cos_phi"] == 1.0
        assert len(entry.subentries) == len(sites.ALL_SUBENTRIES)
        assert entry.runtime_data.site is site
        assert entry.runtime_data.changes == 1
        # Its own station listens there: that is no reason to refuse.
        bindable.assert_not_called()

    async def test_its_own_name_and_address_are_not_taken_by_others(
        self, hass: HomeAssistant, running: Any, bindable: Any
    ) -> None:
        result = await submit(hass, running, SITE)
        values = STATION | {"bind_address": "0.0.0.0", "allowed_clients": []}
        result = await submit(hass, result, values)

        assert result["reason"] == "reconfigure_successful"

    async def test_a_simulated_site_stays_one(
        self, hass: HomeAssistant, running: Any, entry: MockConfigEntry
    ) -> None:
        wires = {"simulation": {"meter": 1}}
        hass.config_entries.async_update_entry(entry, data={**entry.data, **wires})
        result = await submit(hass, running, SITE | {"telecontrol": False})

        assert result["reason"] == "reconfigure_successful"
        assert entry.data["simulation"] == {"meter": 1}

    async def test_a_new_port_is_tried(
        self, hass: HomeAssistant, running: Any, bindable: Any
    ) -> None:
        result = await submit(hass, running, SITE)
        more = {"port": 2405, "common_address": 100}
        await submit(hass, result, STATION | {"more": more})

        bindable.assert_called_once_with("192.0.2.1", 2405)

    async def test_switching_telecontrol_off_keeps_its_settings(
        self, hass: HomeAssistant, running: Any, entry: MockConfigEntry
    ) -> None:
        result = await submit(hass, running, SITE | {"telecontrol": False})

        assert result["reason"] == "reconfigure_successful"
        assert entry.data["telecontrol"] is False
        assert entry.data["allowed_clients"] == ["192.0.2.10"]
        assert station_settings(entry) is None

    async def test_an_error_keeps_what_was_typed(
        self, hass: HomeAssistant, running: Any
    ) -> None:
        result = await submit(hass, running, SITE | {"main_fuse": 1})

        assert result["step_id"] == "reconfigure"
        assert suggested(result["data_schema"].schema)["main_fuse"] == 1


def suggested(schema: Any) -> dict[str, Any]:
    """Return the values that a form suggests, those in its sections too."""
    found: dict[str, Any] = {}
    for marker, field in schema.items():
        if hasattr(field, "schema") and hasattr(field.schema, "schema"):
            found |= suggested(field.schema.schema)
        elif (description := getattr(marker, "description", None)) is not None:
            found[str(marker)] = description["suggested_value"]
    return found


@pytest.mark.usefixtures("socket_enabled")
class TestBinding:
    """Trying to bind, on this machine's own loopback."""

    def test_a_free_port(self, unused_tcp_port: int) -> None:
        assert bind_error("127.0.0.1", unused_tcp_port) is None

    def test_a_port_on_which_another_program_listens(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            assert bind_error("127.0.0.1", port) == "port_in_use"
        assert bind_error("127.0.0.1", port) is None

    def test_an_address_that_no_adapter_has(self) -> None:
        assert bind_error("192.0.2.1", 2404) == "address_not_there"

    def test_an_interface_that_is_not_there(self) -> None:
        assert bind_error("fe80::1%netflex0", 2404) == "address_not_there"

    @pytest.mark.parametrize(
        ("failure", "error"),
        [
            (PermissionError(errno.EACCES, "denied"), "port_not_permitted"),
            (OSError(errno.EINVAL, "invalid"), "address_unusable"),
        ],
    )
    def test_other_failures(self, failure: OSError, error: str) -> None:
        with patch("socket.socket.bind", side_effect=failure):
            assert bind_error("127.0.0.1", 102) == error


@pytest.mark.parametrize(
    ("text", "address"),
    [("2001:DB8::0:1", "2001:db8::1"), (" 10.0.0.1", "10.0.0.1"), ("rtu", "rtu")],
)
def test_addresses_are_compared_in_one_spelling(text: str, address: str) -> None:
    assert canonical(text) == address
