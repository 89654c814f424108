"""What holds for every description of an entity, whatever it is about."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
import json
from pathlib import Path
import re

from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.components.sensor.const import (
    DEVICE_CLASS_STATE_CLASSES,
    DEVICE_CLASS_UNITS,
)
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.entity import EntityDescription
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.netflex import (
    binary_sensor,
    button,
    datetime,
    event,
    number,
    select,
    switch,
)
from custom_components.netflex.binary_sensor import NetflexBinarySensorDescription
from custom_components.netflex.entry_data import SubentryType
from custom_components.netflex.model.asset import AssetState
from custom_components.netflex.model.connection import Line
from custom_components.netflex.sensor_asset import ASSET_SENSORS, current_sensor
from custom_components.netflex.sensor_commissioning import COMMISSIONING_SENSORS
from custom_components.netflex.sensor_compliance import COMPLIANCE_SENSORS
from custom_components.netflex.sensor_demand import DEMAND_SENSORS
from custom_components.netflex.sensor_economy import (
    DISPATCH_SENSORS,
    PROGRAMME_SENSORS,
    market_sensors,
)
from custom_components.netflex.sensor_feeder import FEEDER_SENSORS
from custom_components.netflex.sensor_figures import figure_sensors
from custom_components.netflex.sensor_flexoffers import FLEXOFFER_SENSORS
from custom_components.netflex.sensor_meter import METER_SENSORS
from custom_components.netflex.sensor_northbound import NORTHBOUND_SENSORS
from custom_components.netflex.sensor_power import POWER_SENSORS
from custom_components.netflex.sensor_quality import (
    SITE_QUALITY_SENSORS,
    SOURCE_QUALITY_SENSORS,
)
from custom_components.netflex.sensor_rehearsal import REHEARSAL_SENSORS
from custom_components.netflex.sensor_site import (
    SITE_SENSORS,
    NetflexSensorDescription,
    line_headroom_sensor,
)
from custom_components.netflex.sensor_sub_meter import SUB_METER_SENSORS
from custom_components.netflex.sensor_virtual_meter import VIRTUAL_METER_SENSORS
from custom_components.netflex.site.view import SiteView

from . import sites
from .fakes import FakeSite, full_view
from .translations import ENGLISH

ICONS = json.loads(
    Path("custom_components/netflex/icons.json").read_text(encoding="utf-8")
)["entity"]
SENSORS: tuple[NetflexSensorDescription, ...] = (
    *SITE_SENSORS,
    *NORTHBOUND_SENSORS,
    *REHEARSAL_SENSORS,
    *COMMISSIONING_SENSORS,
    *COMPLIANCE_SENSORS,
    *DEMAND_SENSORS,
    *SITE_QUALITY_SENSORS,
    *SOURCE_QUALITY_SENSORS,
    *FLEXOFFER_SENSORS,
    *map(line_headroom_sensor, Line),
    *map(current_sensor, Line),
    *market_sensors("EUR"),
    *figure_sensors("EUR"),
    *METER_SENSORS,
    *POWER_SENSORS,
    *SUB_METER_SENSORS,
    *VIRTUAL_METER_SENSORS,
    *FEEDER_SENSORS,
    *DISPATCH_SENSORS,
    *PROGRAMME_SENSORS,
    *(item for items in ASSET_SENSORS.values() for item in items),
)
BINARY_SENSORS = (
    *binary_sensor.SITE_SENSORS,
    binary_sensor.OVERLOAD_SENSOR,
    *(item for items in binary_sensor._OWN_SENSORS.values() for item in items),
)
OTHERS: dict[str, Iterable[EntityDescription]] = {
    "button": [button.DESCRIPTION],
    "datetime": [datetime.DEADLINE],
    "number": [number.CHARGER_LIMIT, number.CHARGER_ENERGY, number.PEAK_TARGET],
    "select": [description for description, _ in select.MODES.values()],
    "switch": [*switch.LOCAL_STOPS, switch.LOAD, switch.LOCK_OUT],
}
EVENTS = (
    event.DESCRIPTION,
    event.POWER_QUALITY,
    event.LOAD_STEP,
    event.BATTERY_ALERT,
    event.DISPATCH,
)
KINDS = {"datetime": "date and time"}
RATIOS = {"voltage_crest", "current_crest"}
"""Quotients of two like quantities: they have no unit."""
SETTINGS = {"device_fallback", "delivered_energy", "fallback_in"}
"""Figures whose history sums up to nothing: a setting, a countdown, one proof."""


def every() -> Iterator[tuple[str, EntityDescription]]:
    for description in SENSORS:
        yield "sensor", description
    for description in BINARY_SENSORS:
        yield "binary_sensor", description
    for platform, descriptions in OTHERS.items():
        for description in descriptions:
            yield platform, description


def named(found: Iterable[tuple[str, EntityDescription]]) -> list[pytest.ParameterSet]:
    """Return each kind of entity once: those of three lines are one."""
    kinds = {
        (platform, item.translation_key or item.key, str(item.device_class)): item
        for platform, item in found
    }
    return [
        pytest.param(platform, item, id=f"{platform}.{key}.{device_class}")
        for (platform, key, device_class), item in kinds.items()
    ]


@pytest.mark.parametrize(("platform", "description"), named(every()))
def test_it_has_a_name_and_an_icon(
    platform: str, description: EntityDescription
) -> None:
    key = description.translation_key
    if key is None:
        assert description.device_class is not None, "nothing gives it a name"
        return
    assert ENGLISH["entity"][platform][key]["name"]
    assert description.device_class is not None or key in ICONS[platform]


def test_events_have_icons() -> None:
    assert {item.translation_key for item in EVENTS} == set(ICONS["event"])
    assert set(ENGLISH["entity"]["event"]) == set(ICONS["event"])


def test_every_entity_is_documented_and_nothing_else() -> None:
    """With its kind, and whether it is disabled at first."""
    page = Path(".github/docs/entities.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+?) \| ([a-z ]+) \| (off)? ?\| .*\|$", page, re.MULTILINE)
    entities = [*every(), *(("event", item) for item in EVENTS)]
    assert {(name, kind, bool(off)) for name, kind, off in rows} == {
        (
            re.sub(r"{\w+}", "…", shown_name(platform, item)),
            KINDS.get(platform, platform.replace("_", " ")),
            not item.entity_registry_enabled_default,
        )
        for platform, item in entities
    }


def shown_name(platform: str, description: EntityDescription) -> str:
    """Return the name in English; without one, that of its device class."""
    if description.translation_key is None:
        return str(description.device_class).replace("_", " ").capitalize()
    name: str = ENGLISH["entity"][platform][description.translation_key]["name"]
    return name.replace("{line}", "L…")


def test_no_icon_is_kept_that_nothing_shows() -> None:
    shown = {(platform, item.translation_key) for platform, item in every()}
    shown |= {("event", key) for key in ENGLISH["entity"]["event"]}
    kept = {(platform, key) for platform, keys in ICONS.items() for key in keys}
    assert kept <= shown


@pytest.mark.parametrize(
    "description", [item.values[1] for item in named(("sensor", s) for s in SENSORS)]
)
def test_a_sensors_classes_and_unit_belong_together(
    description: NetflexSensorDescription,
) -> None:
    device_class, unit = (
        description.device_class,
        description.native_unit_of_measurement,
    )
    translated = (
        ENGLISH["entity"]["sensor"]
        .get(description.translation_key, {})
        .get("unit_of_measurement")
    )
    if device_class in {SensorDeviceClass.ENUM, SensorDeviceClass.TIMESTAMP}:
        assert unit is translated is description.state_class is None
        return
    if description.translation_key != "sub_meter_counter":  # Its telegram says it.
        if device_class is not None:
            assert unit in DEVICE_CLASS_UNITS.get(device_class, {unit})
        if description.state_class is not None:
            assert (unit or translated) is not None or (
                device_class is SensorDeviceClass.POWER_FACTOR
                or description.translation_key in RATIOS
            )
    assert unit is None or translated is None, "Home Assistant refuses both"
    if device_class is not None and description.state_class is not None:
        allowed = DEVICE_CLASS_STATE_CLASSES.get(device_class)
        assert allowed is None or description.state_class in allowed
    if unit is not None and device_class is not SensorDeviceClass.MONETARY:
        yesterday = description.key.endswith("_yesterday")
        timed = description.key.startswith(("time_to_comply", "violation_time"))
        reactive_order = description.key.startswith("order_")
        assert (
            description.state_class is not None
            or yesterday
            or timed
            or reactive_order
            or description.key in SETTINGS
        )


@pytest.mark.parametrize(
    "description", [item.values[1] for item in named(("sensor", s) for s in SENSORS)]
)
def test_what_is_about_the_plumbing_is_diagnostic_and_what_identifies_is_off(
    description: NetflexSensorDescription,
) -> None:
    assert description.entity_category is not EntityCategory.CONFIG
    if description.translation_key in {"ean", "serial"}:
        assert not description.entity_registry_enabled_default
        assert description.entity_category is EntityCategory.DIAGNOSTIC
    words = description.device_class is None and description.options is None
    if (
        words
        and description.state_class is None
        and not description.key.endswith("_yesterday")
    ):
        assert description.entity_category is EntityCategory.DIAGNOSTIC


def test_what_only_grows_is_a_total() -> None:
    lost = {"northbound_dropped", "events_dropped", "lost_frames", "damaged_readings"}
    found = {item.key: item.state_class for item in SENSORS if item.key in lost}
    assert found == dict.fromkeys(lost, SensorStateClass.TOTAL_INCREASING)


async def test_no_two_entities_of_a_device_have_one_name(
    hass: HomeAssistant, all_enabled: None, site: FakeSite, entry: MockConfigEntry
) -> None:
    registered = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    names = Counter(
        (item.device_id, item.domain, item.original_name) for item in registered
    )
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("kind", ASSET_SENSORS)
def test_what_a_device_never_says_is_no_entity(kind: SubentryType) -> None:
    """A switch without a power sensor has no power; it does not stay unknown."""
    silent = AssetState(asset_id=sites.LOAD_ID, available=True)
    view = replace(full_view(), states={sites.LOAD_ID: silent}, flexibility={})
    always = {
        item.key
        for item in ASSET_SENSORS[kind]
        if item.exists_fn is None or item.exists_fn(view, sites.LOAD_ID)
    }
    assert always <= {"setpoint", "problem_reason"}


@pytest.mark.parametrize("description", SENSORS + BINARY_SENSORS, ids=lambda d: d.key)
def test_of_a_site_that_says_nothing_nothing_is_invented(
    description: NetflexSensorDescription | NetflexBinarySensorDescription,
) -> None:
    """Before the first plan, reading and state: unknown or absent, and never 0."""
    nothing, subject = SiteView(), "nobody"
    value = description.value_fn(nothing, subject)
    available = description.available_fn
    shown = available is None or available(nothing, subject)
    if shown and isinstance(description, NetflexSensorDescription):
        counted = {"good_readings", "damaged_readings"} & {description.key}
        counted |= {"events_waiting", "events_dropped"} & {description.key}
        words = isinstance(value, str) and value in (description.options or {"none"})
        assert value is None or words or counted
    elif shown:
        assert value in {None, False}
    if description.attributes_fn is not None:
        description.attributes_fn(nothing, subject)
    if description.exists_fn is not None:
        assert not description.exists_fn(nothing, subject)


OURS = {
    "commands_followed", "damaged_readings", "error_rate", "flexibility",
    "good_readings", "problem", "problem_reason", "setpoint", "share_readers",
    "writes_left",
}  # fmt: skip
"""What the site itself knows of a device that does not answer."""
REMEMBERED = {"device_fallback"}
"""What a device does by itself, which is what it does while nobody reaches it."""
PARTS = {
    SubentryType.METER: sites.METER_ID,
    SubentryType.CHARGER: sites.CHARGER_ID,
    SubentryType.INVERTER: sites.INVERTER_ID,
    SubentryType.BATTERY: sites.BATTERY_ID,
    SubentryType.LOAD: sites.LOAD_ID,
    SubentryType.RELAY: sites.RELAY_ID,
}


@pytest.mark.parametrize("kind", PARTS)
def test_what_does_not_answer_is_unavailable(kind: SubentryType) -> None:
    """The values of its last answer are still in the view, and are not shown."""
    subject, view = PARTS[kind], full_view()
    gone = replace(
        view,
        states={
            key: replace(item, available=False) for key, item in view.states.items()
        },
        meters={
            key: replace(item, available=False) for key, item in view.meters.items()
        },
    )
    lines = tuple(map(current_sensor, Line))
    sensors = (
        METER_SENSORS if kind is SubentryType.METER else ASSET_SENSORS[kind] + lines
    )
    shown = {
        item.key
        for item in (*sensors, *binary_sensor._OWN_SENSORS[kind])
        if item.available_fn is None or item.available_fn(gone, subject)
    }
    assert shown <= OURS | REMEMBERED
    assert "problem" in shown
