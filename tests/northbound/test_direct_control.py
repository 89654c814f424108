"""The tree of a Direct Control site: every topic of GOFLEX's appendix 4."""

from dataclasses import replace

import pytest

from custom_components.netflex.model.asset import Asset, AssetState, Category, Nature
from custom_components.netflex.model.connection import Line, LineValues
from custom_components.netflex.model.reading import MeterReading, MeterRole
from custom_components.netflex.northbound.cloudio import CloudIo
from custom_components.netflex.northbound.direct_control import (
    MeterPart,
    Paces,
    SiteDescription,
    Thermometer,
    direct_control_tree,
)
from custom_components.netflex.northbound.messages import Told
from custom_components.netflex.northbound.points import (
    asset_points,
    grid_points,
    meter_points,
)
from custom_components.netflex.northbound.values import Constraint, ValueType

from .homes import BOILER

HEATING = replace(BOILER, id="heating", name="Heating")
SITE = SiteDescription(
    meters=(
        MeterPart(id="p1", role=MeterRole.CONNECTION_POINT, reactive=True),
        MeterPart(id="second", role=MeterRole.CONNECTION_POINT),
        MeterPart(id="hem", role=MeterRole.SUBFEEDER),
    ),
    assets=(
        BOILER,
        HEATING,
        Asset(
            id="car",
            name="Car",
            nature=Nature.CHARGER,
            category=Category.EV,
            rated_consumption=11_000.0,
            lines=tuple(Line),
        ),
        Asset(
            id="battery",
            name="Battery",
            nature=Nature.BATTERY,
            category=Category.STORAGE,
            rated_consumption=3000.0,
            rated_production=3000.0,
        ),
        Asset(
            id="roof",
            name="Roof",
            nature=Nature.INVERTER,
            category=Category.SOLAR,
            rated_production=5000.0,
        ),
    ),
    relays=("stop",),
    thermometers={"boiler": Thermometer.WATER, "heating": Thermometer.ROOM},
    local_switches=frozenset({"boiler"}),
)

APPENDIX_4 = """
nodes/ambientSensor-1/objects/temperature/attributes/datapoint
nodes/boilerSensor-1/objects/temperature/attributes/datapoint
nodes/powerMeter-1/objects/kWhTotal/attributes/datapoint
nodes/powerMeter-1/objects/wattsClamp1/attributes/datapoint
nodes/powerMeter-1/objects/wattsClamp2/attributes/datapoint
nodes/powerMeter-1/objects/wattsClamp3/attributes/datapoint
nodes/powerMeter-1/objects/wattsTotal/attributes/datapoint
nodes/SmartMeterBilling/objects/obis_1_1_1_8_1_255_2/attributes/datapoint
nodes/SmartMeterBilling/objects/obis_1_1_1_8_2_255_2/attributes/datapoint
nodes/SmartMeterBilling/objects/obis_1_1_2_8_1_255_2/attributes/datapoint
nodes/SmartMeterBilling/objects/obis_1_1_2_8_2_255_2/attributes/datapoint
nodes/SmartMeterEnergy/objects/obis_1_1_1_8_0_255_2/attributes/datapoint
nodes/SmartMeterEnergy/objects/obis_1_1_2_8_0_255_2/attributes/datapoint
nodes/SmartMeterEnergy/objects/obis_1_1_5_8_0_255_2/attributes/datapoint
nodes/SmartMeterEnergy/objects/obis_1_1_6_8_0_255_2/attributes/datapoint
nodes/SmartMeterEnergy/objects/obis_1_1_7_8_0_255_2/attributes/datapoint
nodes/SmartMeterEnergy/objects/obis_1_1_8_8_0_255_2/attributes/datapoint
nodes/SmartMeterTechnical/objects/obis_1_0_1_7_0_255_2/attributes/datapoint
nodes/SmartMeterTechnical/objects/obis_1_0_2_7_0_255_2/attributes/datapoint
nodes/gateway/objects/relay1State/attributes/datapoint
nodes/gateway/objects/relay2State/attributes/datapoint
nodes/gateway/objects/switchState/attributes/datapoint
nodes/gateway/objects/relay1Control/attributes/parameter
nodes/gateway/objects/relay2Control/attributes/parameter
"""


def test_every_topic_of_the_gateways_is_there_in_their_own_words() -> None:
    tree, _ = direct_control_tree(SITE)
    dialect = CloudIo(endpoint="goflex-dc-004", old=True)
    told = [Told(attribute=item, value=1.0, at=1.0) for item in tree.values()]
    topics = {
        message.topic.removeprefix("@update/goflex-dc-004/")
        for message in dialect.told(told)
    }
    assert set(APPENDIX_4.split()) <= topics


def test_new_kinds_of_assets_get_nodes_in_the_same_manner() -> None:
    tree, _ = direct_control_tree(SITE)
    assert {item.node for item in tree.values()} == {
        "SmartMeterTechnical",
        "SmartMeterEnergy",
        "SmartMeterBilling",
        "powerMeter-1",
        "powerMeter-2",
        "powerMeter-3",
        "boilerSensor-1",
        "ambientSensor-1",
        "charger-1",
        "battery-1",
        "inverter-1",
        "gateway",
    }
    assert "battery-1/stateOfCharge/datapoint" in tree
    assert "battery-1/kWhProduced/datapoint" in tree
    assert "inverter-1/kWhTotal/datapoint" not in tree
    assert "gateway/relay3State/datapoint" in tree
    assert "gateway/relay3Control/parameter" not in tree


def test_only_loads_that_can_be_controlled_may_be_set() -> None:
    fixed = replace(SITE, assets=(BOILER, replace(HEATING, controllable=False)))
    tree, _ = direct_control_tree(fixed)
    settable = [item for item in tree.values() if item.commands is not None]
    assert [item.commands for item in settable] == ["boiler"]
    assert settable[0].constraint is Constraint.PARAMETER
    assert settable[0].type is ValueType.BOOLEAN
    assert all(
        item.commands is not None for item in tree.values() if item.constraint.settable
    )


def test_periods_are_those_of_tables_2_and_3_and_can_be_changed() -> None:
    tree, _ = direct_control_tree(SITE)
    expected = {
        "ambientSensor-1/temperature/datapoint": (900.0, 0.5, False),
        "boilerSensor-1/temperature/datapoint": (60.0, 0.5, False),
        "powerMeter-1/wattsTotal/datapoint": (15.0, None, True),
        "powerMeter-1/ampsClamp1/datapoint": (15.0, None, True),
        "powerMeter-1/voltsClamp1/datapoint": (15.0, None, False),
        "powerMeter-1/kWhTotal/datapoint": (15.0, None, False),
        "SmartMeterTechnical/obis_1_0_1_7_0_255_2/datapoint": (5.0, None, False),
        "SmartMeterEnergy/obis_1_1_1_8_0_255_2/datapoint": (300.0, None, False),
        "SmartMeterBilling/obis_1_1_1_8_1_255_2/datapoint": (86_400.0, None, False),
        "gateway/relay1State/datapoint": (None, None, False),
    }
    for path, pace in expected.items():
        found = tree[path].pace
        assert (found.period, found.dead_band, found.only_changes) == pace, path
    changed, _ = direct_control_tree(SITE, Paces(technical=1.0))
    assert (
        changed["SmartMeterTechnical/obis_1_0_2_7_0_255_2/datapoint"].pace.period == 1
    )


def test_a_number_belongs_to_its_load_for_good() -> None:
    _, numbers = direct_control_tree(SITE)
    without = replace(SITE, assets=(HEATING,), meters=(), relays=())
    tree, numbers = direct_control_tree(without, numbers=numbers)
    assert "gateway/relay2Control/parameter" in tree
    assert "gateway/relay1Control/parameter" not in tree
    newcomer = replace(BOILER, id="newcomer")
    tree, _ = direct_control_tree(
        replace(without, assets=(HEATING, newcomer)), numbers=numbers
    )
    assert tree["gateway/relay4Control/parameter"].commands == "newcomer"


@pytest.mark.parametrize(
    ("power", "imported", "exported"),
    [(1500.0, 1500.0, 0.0), (-400.0, 0.0, 400.0), (None, None, None)],
)
def test_the_connection_point_is_two_unsigned_powers(
    power: float | None, imported: float | None, exported: float | None
) -> None:
    reading = MeterReading(meter_id="p1", received=0.0, power=power)
    points = grid_points(reading)
    assert points["grid.import_power"].value == imported
    assert points["grid.export_power"].value == exported
    assert points["grid.energy_import"].value is None


def test_every_attribute_follows_a_point_that_exists() -> None:
    tree, _ = direct_control_tree(SITE)
    points = set(grid_points(None))
    lines = LineValues(l1=1.0, l2=1.0, l3=1.0)
    for meter in SITE.meters:
        reading = MeterReading(
            meter_id=meter.id,
            received=0.0,
            line_power=lines,
            line_current=lines,
            line_voltage=lines,
        )
        points |= set(meter_points(meter.id, reading))
        points |= {f"meter.{meter.id}.power", f"meter.{meter.id}.energy_import"}
    for asset in SITE.assets:
        state = AssetState(asset_id=asset.id, available=True, currents=lines)
        points |= set(asset_points(asset.id, state, asset, held=False))
        # The kept ones, which a site's own feed names.
        points |= {
            f"asset.{asset.id}.{name}"
            for name in (
                "power",
                "energy_consumed",
                "energy_produced",
                "state_of_charge",
            )
        }
    points |= set(asset_points("stop", None, None, held=False))
    assert {item.point for item in tree.values()} <= points


def test_a_device_that_does_not_answer_is_known_for_nothing_but_that() -> None:
    state = AssetState(
        asset_id="boiler", available=False, enabled=True, temperature=5.0
    )
    points = asset_points("boiler", state, BOILER, held=True)
    assert points["asset.boiler.available"].value is False
    assert points["asset.boiler.enabled"].value is None
    assert points["asset.boiler.temperature"].value is None
    assert points["asset.boiler.remote_enabled"].value is False
