"""What a stored site means to the layers below."""

from typing import Any

import pytest

from custom_components.netflex.devices.ports import LinkParams
from custom_components.netflex.devices.profile_loader import ProfileLibrary
from custom_components.netflex.entry_device import (
    device_config,
    meter_config,
    output_config,
)
from custom_components.netflex.entry_site import (
    connection_point,
    site_config,
    station_settings,
)
from custom_components.netflex.model.asset import Category, Direction, Nature, StopPath
from custom_components.netflex.model.connection import GridType, Line
from custom_components.netflex.model.reading import MeterRole
from custom_components.netflex.site.config import SiteConfig

from . import sites


def test_contract_in_kva_counts_with_its_cos_phi() -> None:
    connection = connection_point(sites.SITE_DATA)

    assert connection.grid_type is GridType.STAR
    assert connection.main_fuse == 63
    assert connection.contract_consumption == pytest.approx(36_000)
    assert connection.contract_injection == pytest.approx(22_500)


def test_contract_in_kw_ignores_cos_phi() -> None:
    connection = connection_point({**sites.SITE_DATA, "contract_unit": "kW"})

    assert connection.contract_consumption == pytest.approx(40_000)


@pytest.mark.parametrize("value", [None, 0, 0.0])
def test_a_contract_that_is_not_named_is_absent(value: float | None) -> None:
    connection = connection_point({**sites.SITE_DATA, "contract_injection": value})

    assert connection.contract_injection is None


@pytest.mark.parametrize(
    ("changes", "clients"),
    [
        ({}, frozenset({"192.0.2.10"})),
        ({"allow_any_client": True}, None),
        ({"allowed_clients": []}, frozenset()),
    ],
)
def test_station_lets_in_whom_the_user_named(
    changes: dict[str, Any], clients: frozenset[str] | None
) -> None:
    settings = station_settings(sites.site_entry(data=changes))

    assert settings is not None
    assert settings.allowed_clients == clients
    assert (settings.bind_address, settings.port) == ("127.0.0.1", 2404)
    assert settings.common_address == 100


def test_a_site_without_telecontrol_has_no_station() -> None:
    assert station_settings(sites.site_entry(data={"telecontrol": False})) is None


def test_meters_by_p1_and_by_profile() -> None:
    p1 = meter_config(sites.subentry("meter", "m1", "P1", sites.P1_METER))
    modbus = meter_config(sites.subentry("meter", "m2", "Hall", sites.MODBUS_METER))

    assert (p1.meter_id, p1.name) == ("m1", "P1")
    assert p1.url == "socket://127.0.0.1:8088"
    assert p1.device is None
    assert p1.role is MeterRole.CONNECTION_POINT
    assert modbus.url is None
    assert modbus.role is MeterRole.SUBFEEDER
    assert modbus.device is not None
    assert modbus.device.asset is None
    assert modbus.device.profile == "acuvim_ii"
    assert modbus.device.link == LinkParams(host="192.0.2.20", port=502)
    assert modbus.device.params["ct_primary"] == 400


@pytest.mark.parametrize(
    ("grid_type", "rated"),
    [(GridType.STAR, 22_080), (GridType.DELTA, 12_748)],
)
def test_charger_power_follows_from_current_and_grid(
    grid_type: GridType, rated: float
) -> None:
    config = device_config(
        sites.subentry("charger", "c1", "Charger", sites.CHARGER), grid_type
    )

    assert config.asset is not None
    assert config.asset.nature is Nature.CHARGER
    assert config.asset.category is Category.EV
    assert config.asset.rated_consumption == pytest.approx(rated, abs=1)
    assert config.asset.safe_current == 8
    assert config.asset.maximum_current == 32
    assert config.params == {"socket": 1}
    assert not config.asset.stays_stopped


def test_charger_through_entities_has_roles_and_no_link() -> None:
    config = device_config(
        sites.subentry("charger", "c1", "Wallbox", sites.ENTITY_CHARGER), GridType.STAR
    )

    assert config.entities == {
        "number": "number.wallbox_limit",
        "power": "sensor.wallbox_power",
    }
    assert config.link is None
    assert config.profile is None
    assert config.asset is not None
    assert config.asset.lines == (Line.L2,)


def test_load_is_driven_through_a_switch_and_stays_off() -> None:
    config = device_config(
        sites.subentry("load", "l1", "Oven", sites.LOAD), GridType.STAR
    )

    assert config.entities == {"switch": "switch.oven"}
    assert config.asset is not None
    assert config.asset.stays_stopped
    assert config.asset.rated_consumption == 6000
    assert config.asset.priority == 5


def test_an_asset_of_unknown_line_counts_on_every_line() -> None:
    data = {**sites.LOAD, "phases": 1, "lines": []}

    config = device_config(sites.subentry("load", "l1", "Oven", data), GridType.STAR)

    assert config.asset is not None
    assert config.asset.lines == (Line.L1, Line.L2, Line.L3)


def test_battery_has_a_rating_per_direction() -> None:
    config = device_config(
        sites.subentry("battery", "b1", "Battery", sites.BATTERY), GridType.STAR
    )

    assert config.asset is not None
    assert config.asset.rated_consumption == 10_000
    assert config.asset.rated_production == 9_000
    assert config.asset.reserve == 15


def test_output_names_what_it_stops() -> None:
    config = output_config(
        sites.subentry("relay", "r1", "Relay", sites.relay("i1", "i2"))
    )

    assert config.output.asset_id == "r1"
    assert config.output.stops == {Direction.PRODUCTION}
    assert config.output.assets == {"i1", "i2"}
    assert config.output.energised_when_stopped
    assert config.device.asset is not None
    assert config.device.asset.nature is Nature.RELAY
    assert config.device.params == {"output": 0}


def test_a_whole_site_keeps_every_id_and_knows_its_relays() -> None:
    config = site_config(sites.site_entry())
    by_id = {item.device_id: item.asset for item in config.devices}

    assert config.site_id == "01SITE00000000000000000000"
    assert config.name == "Bakery"
    assert [item.meter_id for item in config.meters] == [
        sites.METER_ID,
        sites.SUBMETER_ID,
    ]
    assert set(by_id) == {
        sites.CHARGER_ID,
        sites.WALLBOX_ID,
        sites.INVERTER_ID,
        sites.BATTERY_ID,
        sites.LOAD_ID,
    }
    behind = {
        key
        for key, asset in by_id.items()
        if asset is not None and StopPath.RELAY in asset.stop_paths
    }
    assert behind == {sites.INVERTER_ID}
    assert [item.output.asset_id for item in config.outputs] == [sites.RELAY_ID]


def test_S12_a_profile_says_which_device_keeps_a_stop() -> None:
    def kept(config: SiteConfig) -> set[str]:
        return {
            item.device_id
            for item in config.devices
            if item.asset is not None and item.asset.stays_stopped
        }

    entry = sites.site_entry()

    assert kept(site_config(entry)) == {sites.LOAD_ID}
    with_profiles = kept(site_config(entry, ProfileLibrary.load()))
    assert sites.INVERTER_ID in with_profiles
    assert sites.CHARGER_ID not in with_profiles


def test_equal_data_gives_equal_configurations() -> None:
    """A change of one subentry is found by comparing what was applied."""
    assert site_config(sites.site_entry()) == site_config(sites.site_entry())
