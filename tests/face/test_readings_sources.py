"""Which entities a series can be filled from."""

from dataclasses import replace

from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er

from custom_components.netflex.devices.device import DeviceConfig
from custom_components.netflex.entry_site import site_config
from custom_components.netflex.model.asset import Asset, Category, Nature
from custom_components.netflex.site.config import MeterConfig
from custom_components.netflex.site_readings_sources import Formula, Sources, Term

from . import sites

STORE = Asset(
    id="store",
    name="Store",
    nature=Nature.BATTERY,
    category=Category.STORAGE,
    capacity=10_000.0,
)
OTHER = replace(STORE, id="other", capacity=5_000.0)
SUN = Asset(id="sun", name="Sun", nature=Nature.INVERTER, category=Category.SOLAR)


def watts(entity_id: str, factor: float = 1.0, *, magnitude: bool = False) -> Term:
    return Term(entity_id=entity_id, factor=factor, measure="W", magnitude=magnitude)


def own(hass: HomeAssistant, subject: str, key: str) -> str:
    registry = er.async_get(hass)
    return registry.async_get_or_create(
        "sensor", "netflex", f"{subject}_{key}", suggested_object_id=f"{subject}_{key}"
    ).entity_id


def sources(
    hass: HomeAssistant, *devices: DeviceConfig, meters: tuple[MeterConfig, ...] = ()
) -> Sources:
    config = replace(site_config(sites.site_entry()), devices=devices, meters=meters)
    return Sources(hass, "01SITE", config)


def device(asset: Asset, **entities: str) -> DeviceConfig:
    return DeviceConfig(
        device_id=asset.id, name=asset.name, asset=asset, entities=entities
    )


async def test_the_own_entity_comes_first_and_the_device_stands_in(
    hass: HomeAssistant,
) -> None:
    power = own(hass, "store", "power")
    charge = own(hass, "store", "state_of_charge")
    found = sources(
        hass, device(STORE, power="sensor.inside", soc="sensor.soc")
    ).formulas(None)
    assert found["asset.store.power"] == [
        Formula(terms=(watts(power),)),
        Formula(terms=(watts("sensor.inside"),)),
    ]
    assert found["site.battery_power"] == found["asset.store.power"]
    assert found["site.stored"][0].terms == (
        Term(entity_id=charge, factor=100.0, measure="%"),
    )


async def test_a_sum_of_which_a_part_says_nothing_is_none(hass: HomeAssistant) -> None:
    first, second = own(hass, "store", "power"), own(hass, "other", "power")
    both = sources(hass, device(STORE), device(OTHER)).formulas(None)
    assert both["site.battery_power"] == [Formula(terms=(watts(first), watts(second)))]
    er.async_get(hass).async_remove(second)
    assert "site.battery_power" not in sources(
        hass, device(STORE), device(OTHER)
    ).formulas(None)


async def test_production_is_positive_and_never_below_zero(
    hass: HomeAssistant,
) -> None:
    production = own(hass, "sun", "production")
    found = sources(hass, device(SUN, power="sensor.roof")).formulas(None)
    assert found["asset.sun.power"] == [
        Formula(terms=(watts(production, -1.0),)),
        Formula(terms=(watts("sensor.roof", -1.0, magnitude=True),)),
    ]
    assert found["site.production"] == [
        Formula(terms=(watts(production, 1.0),), least=0.0),
        Formula(terms=(watts("sensor.roof", 1.0, magnitude=True),), least=0.0),
    ]


async def test_a_meter_of_sensors_is_added_up_as_it_reads_itself(
    hass: HomeAssistant,
) -> None:
    meter = MeterConfig(
        meter_id="grid",
        name="Grid",
        device=DeviceConfig(
            device_id="grid",
            name="Grid",
            entities={
                "power_l1": "sensor.l1",
                "power_l2": "sensor.l2",
                "power_export": "sensor.out",
                "energy_import": "sensor.kwh",
            },
            params={"direction": "load_negative"},
        ),
    )
    found = sources(hass, meters=(meter,)).formulas("grid")
    assert found["meter.grid.power"] == [
        Formula(
            terms=(
                watts("sensor.l1", -1.0),
                watts("sensor.l2", -1.0),
                watts("sensor.out", -1.0),
            )
        )
    ]
    assert found["site.power"] == found["meter.grid.power"]
    assert found["meter.grid.energy_import"] == [
        Formula(terms=(Term(entity_id="sensor.kwh", measure="Wh"),))
    ]


async def test_prices_are_brought_to_the_unit_of_their_series(
    hass: HomeAssistant,
) -> None:
    price = own(hass, "01SITE", "import_price")
    found = sources(hass).formulas(None)
    assert found == {
        "market.import_price": [Formula(terms=(Term(entity_id=price, factor=1000.0),))]
    }
