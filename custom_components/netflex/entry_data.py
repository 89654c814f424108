"""The stored form of a site: config entry and subentry data, and what they mean.

The forms write this format and the composition reads it; nothing else knows its
keys. Powers in W and currents in A, except the contract, which is kept in the unit
that the user's contract names.
"""

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.const import CONF_HOST, CONF_PORT

from .devices.device import DeviceConfig, ParamValue
from .devices.levers import LEVER_PARAMS
from .devices.ports import Connection, LinkParams, Transport
from .devices.profile_loader import ProfileLibrary
from .devices.virtual_meter import VirtualMeterConfig
from .entry_feeder import feeders
from .entry_meter import (
    CONF_MAX_AGE,
    capacity_tariff,
    sensor_params,
    sensor_roles,
    share_config,
)
from .entry_output import output_wiring
from .entry_s1 import s1_config, with_overloads
from .entry_virtual_meter import virtual_meters
from .iec104.engine import Engine
from .model.asset import Asset, Category, Direction, EmergencyOutput, Nature, StopPath
from .model.connection import ConnectionPoint, GridType, Line, power_of_current
from .model.reading import MeterRole
from .protection_options import CONF_PROTECTION, protection
from .site.config import STALE_AFTER, MeterConfig, OutputConfig, SiteConfig
from .site_options import CONF_LIMITS, site_rules
from .telecontrol.settings import TelecontrolSettings
from .telecontrol_options import (
    CONF_SHADOW,
    checked_options,
    missing_engine,
    telecontrol_settings,
)

CONF_GRID_TYPE: Final = "grid_type"
CONF_MAIN_FUSE: Final = "main_fuse"
CONF_CONTRACT_CONSUMPTION: Final = "contract_consumption"
CONF_CONTRACT_INJECTION: Final = "contract_injection"
CONF_CONTRACT_UNIT: Final = "contract_unit"
CONF_COS_PHI: Final = "cos_phi"
CONF_TELECONTROL: Final = "telecontrol"
CONF_BIND_ADDRESS: Final = "bind_address"
CONF_COMMON_ADDRESS: Final = "common_address"
CONF_ALLOWED_CLIENTS: Final = "allowed_clients"
CONF_ALLOW_ANY_CLIENT: Final = "allow_any_client"

CONF_SOURCE: Final = "source"
CONF_PROFILE: Final = "profile"
CONF_PARAMS: Final = "params"
CONF_TRANSPORT: Final = "transport"
CONF_CONNECTION: Final = "connection"
CONF_BAUDRATE: Final = "baudrate"
CONF_ROLE: Final = "role"
CONF_PHASES: Final = "phases"
CONF_LINES: Final = "lines"
CONF_PRIORITY: Final = "priority"
CONF_NEVER_SHED: Final = "never_shed"
CONF_MINIMUM_ON: Final = "minimum_on"
CONF_MINIMUM_OFF: Final = "minimum_off"
CONF_COMFORT_LOW: Final = "comfort_low"
CONF_COMFORT_HIGH: Final = "comfort_high"
CONF_MAX_CURRENT: Final = "max_current"
CONF_MIN_CURRENT: Final = "min_current"
CONF_SAFE_CURRENT: Final = "safe_current"
CONF_SWITCHES_PHASES: Final = "switches_phases"
CONF_OFF_WHEN_LIMITED: Final = "off_when_limited"
CONF_RATED_POWER: Final = "rated_power"
CONF_RATED_CHARGE: Final = "rated_charge"
CONF_RATED_DISCHARGE: Final = "rated_discharge"
CONF_RESERVE: Final = "reserve"
CONF_CATEGORY: Final = "category"
CONF_STOPS: Final = "stops"
CONF_ENERGISED_WHEN_STOPPED: Final = "energised_when_stopped"
CONF_ASSETS: Final = "assets"
CONF_CONTROL_ENTITY: Final = "control_entity"
CONF_POINTS: Final = "points"

DEFAULT_PORT: Final = 2404
DEFAULT_COMMON_ADDRESS: Final = 100
DEFAULT_MODBUS_PORT: Final = 502
DEFAULT_MINIMUM_CURRENT: Final = 6.0

MEASURING_ENTITIES: Final[Mapping[str, str]] = {
    "power_entity": "power",
    "current_l1_entity": "current_l1",
    "current_l2_entity": "current_l2",
    "current_l3_entity": "current_l3",
    "energy_entity": "energy",
    "state_entity": "state",
    "soc_entity": "soc",
    "temperature_entity": "temperature",
    "local_on_entity": "local_on",
    "enable_entity": "enable",
    "second_contact_entity": "second_contact",
}
"""Keys of the entities that are only read (and `enable`), with their roles."""

ENTITY_KEYS: Final = (CONF_CONTROL_ENTITY, *MEASURING_ENTITIES)
"""Every key of a subentry that holds a reference to an entity."""


class ContractUnit(StrEnum):
    """What the figures of a contract are in."""

    KW = "kW"
    KVA = "kVA"


class SubentryType(StrEnum):
    """Kinds of subentries: meters and assets of the site."""

    METER = "meter"
    CHARGER = "charger"
    INVERTER = "inverter"
    BATTERY = "battery"
    LOAD = "load"
    RELAY = "relay"
    VIRTUAL_METER = "virtual_meter"
    FEEDER = "feeder"


class DeviceSource(StrEnum):
    """Through what a subentry's device is reached."""

    P1 = "p1"
    S1 = "s1"
    PROFILE = "profile"
    ENTITY = "entity"
    TABLE = "table"
    """A controller of the user's own, over a list of points."""
    METERED = "metered"
    """It balances itself and is driven through the virtual meter that it reads."""


USER_PORTS: Final = (DeviceSource.P1, DeviceSource.S1)
"""Sources that are a port of the smart meter itself."""

ASSET_TYPES: Final = (
    SubentryType.CHARGER,
    SubentryType.INVERTER,
    SubentryType.BATTERY,
    SubentryType.LOAD,
)
"""Subentries that are assets of the decision, in the order of the forms."""


def site_config(
    entry: ConfigEntry, profiles: ProfileLibrary | None = None
) -> SiteConfig:
    """Return the whole site of a config entry, without its station.

    The profiles say which devices keep a stop without being refreshed; without them
    none of those with a profile does, which is the safe side.
    """
    grid_type = _grid_type(entry)
    connection = connection_point(entry.data)
    subentries = tuple(entry.subentries.values())
    relays = [item for item in subentries if item.subentry_type == SubentryType.RELAY]
    outputs = tuple(output_config(item) for item in relays)
    interrupted = frozenset[str]().union(*(item.output.assets for item in outputs))
    meters = virtual_meters(
        (
            item
            for item in subentries
            if item.subentry_type == SubentryType.VIRTUAL_METER
        ),
        grid_type,
    )
    measuring = tuple(
        with_overloads(meter_config(item), connection)
        for item in subentries
        if item.subentry_type == SubentryType.METER
    )
    options = checked_options(entry.options)
    return SiteConfig(
        site_id=entry.entry_id,
        name=entry.title,
        connection=connection,
        shadow=in_shadow(entry),
        meters=measuring,
        devices=tuple(
            _metered(
                _kept_stopped(
                    device_config(
                        item, grid_type, behind_relay=item.subentry_id in interrupted
                    ),
                    profiles,
                ),
                meters.get(item.subentry_id),
            )
            for item in subentries
            if item.subentry_type in ASSET_TYPES
        ),
        outputs=outputs,
        rules=replace(
            site_rules(options.get(CONF_LIMITS, {})),
            protection=protection(options.get(CONF_PROTECTION, {})),
        ),
        feeders=feeders(
            (item for item in subentries if item.subentry_type == SubentryType.FEEDER),
            measuring,
        ),
        virtual_meters=tuple(meters.values()),
    )


def connection_point(data: Mapping[str, Any]) -> ConnectionPoint:
    """Return contract and fuse from an entry's data, the contract in W.

    A capacity that is missing or zero is absent: the forms refuse it once
    telecontrol is on.
    """
    return ConnectionPoint(
        grid_type=GridType(data[CONF_GRID_TYPE]),
        main_fuse=float(data[CONF_MAIN_FUSE]),
        contract_consumption=contract_power(data, CONF_CONTRACT_CONSUMPTION),
        contract_injection=contract_power(data, CONF_CONTRACT_INJECTION),
    )


def contract_power(data: Mapping[str, Any], key: str) -> float | None:
    """Return one contractual capacity in W, None where none is named."""
    if not (value := data.get(key)):
        return None
    if data[CONF_CONTRACT_UNIT] == ContractUnit.KVA:
        return float(value) * float(data[CONF_COS_PHI]) * 1000
    return float(value) * 1000


def station_settings(entry: ConfigEntry) -> TelecontrolSettings | None:
    """Return the settings of the controlled station, None without telecontrol.

    An engine that is gone is replaced by the built-in one: nothing that stops the
    site may depend on it. OptionsError says what is wrong with stored options.
    """
    data = entry.data
    if not data[CONF_TELECONTROL]:
        return None
    replaced: dict[str, Any] = {}
    if missing_engine(entry.options) is not None:
        replaced["engine"] = Engine.BUILTIN
    return telecontrol_settings(
        entry.options,
        **replaced,
        bind_address=data[CONF_BIND_ADDRESS],
        port=int(data[CONF_PORT]),
        common_address=int(data[CONF_COMMON_ADDRESS]),
        allowed_clients=(
            None
            if data[CONF_ALLOW_ANY_CLIENT]
            else frozenset(data[CONF_ALLOWED_CLIENTS])
        ),
        bench=in_shadow(entry),
    )


def admits_operator(data: Mapping[str, Any]) -> bool:
    """Whether an operator's client is allowed to connect."""
    return bool(
        data[CONF_TELECONTROL]
        and (data[CONF_ALLOW_ANY_CLIENT] or data[CONF_ALLOWED_CLIENTS])
    )


def in_shadow(entry: ConfigEntry) -> bool:
    """Whether the site only decides: never while a client is allowed (S07)."""
    wanted = bool(entry.options.get(CONF_SHADOW, False))
    return wanted and not admits_operator(entry.data)


def meter_config(subentry: ConfigSubentry) -> MeterConfig:
    """Return a meter from its subentry."""
    data = subentry.data
    source = DeviceSource(data[CONF_SOURCE])
    stale_after, device = STALE_AFTER, None
    if source is DeviceSource.ENTITY:
        params = sensor_params(data)
        stale_after = float(params[CONF_MAX_AGE])
        device = DeviceConfig(
            device_id=subentry.subentry_id,
            name=subentry.title,
            entities=sensor_roles(data),
            params=params,
        )
    elif source is DeviceSource.PROFILE:
        device = _device(subentry, None)
    return MeterConfig(
        meter_id=subentry.subentry_id,
        name=subentry.title,
        url=data[CONF_PORT] if source in USER_PORTS else None,
        device=device,
        role=MeterRole(data[CONF_ROLE]),
        stale_after=stale_after,
        tariff=capacity_tariff(data),
        share=share_config(data) if source is DeviceSource.P1 else None,
        s1=s1_config(data) if source is DeviceSource.S1 else None,
    )


def device_config(
    subentry: ConfigSubentry, grid_type: GridType, *, behind_relay: bool = False
) -> DeviceConfig:
    """Return an asset's device from its subentry.

    The grid type decides what a charger's current means in W; `behind_relay` adds
    the emergency output to the ways in which the asset can be stopped.
    """
    asset = _ASSETS[SubentryType(subentry.subentry_type)](subentry, grid_type)
    if behind_relay:
        asset = replace(asset, stop_paths=asset.stop_paths | {StopPath.RELAY})
    return _device(subentry, asset)


def output_config(subentry: ConfigSubentry) -> OutputConfig:
    """Return an emergency output from a relay's subentry."""
    data = subentry.data
    asset = Asset(
        id=subentry.subentry_id,
        name=subentry.title,
        nature=Nature.RELAY,
        category=Category.FLEXIBLE_CONSUMPTION,
        stays_stopped=True,
    )
    return OutputConfig(
        output=EmergencyOutput(
            asset_id=subentry.subentry_id,
            name=subentry.title,
            stops=frozenset(Direction(item) for item in data[CONF_STOPS]),
            energised_when_stopped=data[CONF_ENERGISED_WHEN_STOPPED],
            assets=frozenset(data[CONF_ASSETS]),
        ),
        device=_device(subentry, asset),
        wiring=output_wiring(data),
    )


def link_params(data: Mapping[str, Any]) -> LinkParams:
    """Return where a device with a profile is reached."""
    return LinkParams(
        host=data[CONF_HOST],
        port=int(data.get(CONF_PORT, DEFAULT_MODBUS_PORT)),
        transport=Transport(data.get(CONF_TRANSPORT, Transport.TCP)),
        baudrate=int(data.get(CONF_BAUDRATE, 9600)),
        connection=Connection(data.get(CONF_CONNECTION, Connection.SHARED)),
    )


def entity_roles(
    data: Mapping[str, Any], subentry_type: SubentryType
) -> dict[str, str]:
    """Return references to the driven and measuring entities, by their role."""
    driven = "switch" if subentry_type is SubentryType.LOAD else "number"
    roles = (
        {driven: str(data[CONF_CONTROL_ENTITY])} if CONF_CONTROL_ENTITY in data else {}
    )
    roles.update(
        {
            role: str(data[key])
            for key, role in MEASURING_ENTITIES.items()
            if data.get(key)
        }
    )
    return roles


def lever_params(data: Mapping[str, Any]) -> dict[str, ParamValue]:
    """Return what stands for a switch where a load has none."""
    return {key: data[key] for key in LEVER_PARAMS if data.get(key) not in {None, ""}}


def _kept_stopped(
    config: DeviceConfig, profiles: ProfileLibrary | None
) -> DeviceConfig:
    """Return a device with what its profile says about keeping a stop."""
    if (
        profiles is None
        or config.asset is None
        or config.profile not in profiles.ids()
        or not profiles.get(config.profile).stays_stopped
    ):
        return config
    return replace(config, asset=replace(config.asset, stays_stopped=True))


def _metered(config: DeviceConfig, meter: VirtualMeterConfig | None) -> DeviceConfig:
    """Return a charger with the virtual meter that it reads, where there is one.

    A meter that falls silent lets go of the charger, so that it keeps no stop.
    """
    if meter is None or config.asset is None:
        return config
    return replace(
        config,
        virtual_meter=meter,
        asset=replace(config.asset, stays_stopped=False),
    )


def _grid_type(entry: ConfigEntry) -> GridType:
    """Return how the site is connected."""
    return GridType(entry.data[CONF_GRID_TYPE])


def _device(subentry: ConfigSubentry, asset: Asset | None) -> DeviceConfig:
    """Return how a subentry's device is reached."""
    data = subentry.data
    if data[CONF_SOURCE] in {DeviceSource.ENTITY, DeviceSource.METERED}:
        return DeviceConfig(
            device_id=subentry.subentry_id,
            name=subentry.title,
            asset=asset,
            entities=entity_roles(data, SubentryType(subentry.subentry_type)),
            params=lever_params(data),
        )
    if data[CONF_SOURCE] == DeviceSource.TABLE:
        return DeviceConfig(
            device_id=subentry.subentry_id,
            name=subentry.title,
            asset=asset,
            link=link_params(data),
            params=dict(data[CONF_PARAMS]),
            table=tuple(data[CONF_POINTS]),
        )
    return DeviceConfig(
        device_id=subentry.subentry_id,
        name=subentry.title,
        asset=asset,
        profile=data[CONF_PROFILE],
        link=link_params(data),
        params=dict(data[CONF_PARAMS]),
    )


def _lines(data: Mapping[str, Any], grid_type: GridType) -> tuple[Line, ...]:
    """Return the lines that carry an asset's current.

    Where none are named, all lines of the connection do: for a single-phase asset
    of unknown line this counts its current on each, which is the safe side.
    """
    named = tuple(Line(item) for item in data.get(CONF_LINES, ()))
    return named or grid_type.lines


def _charger(subentry: ConfigSubentry, grid_type: GridType) -> Asset:
    """Return a charger, its currents in A."""
    data = subentry.data
    phases = int(data[CONF_PHASES])
    maximum = float(data[CONF_MAX_CURRENT])
    return Asset(
        id=subentry.subentry_id,
        name=subentry.title,
        nature=Nature.CHARGER,
        category=Category.EV,
        rated_consumption=power_of_current(maximum, grid_type, phases),
        phases=phases,
        lines=_lines(data, grid_type),
        priority=int(data.get(CONF_PRIORITY, 0)),
        minimum_current=float(data.get(CONF_MIN_CURRENT, DEFAULT_MINIMUM_CURRENT)),
        maximum_current=maximum,
        safe_current=float(data.get(CONF_SAFE_CURRENT, 0)),
        switches_phases=bool(data.get(CONF_SWITCHES_PHASES, False)),
    )


def _inverter(subentry: ConfigSubentry, grid_type: GridType) -> Asset:
    """Return an inverter with its rated production in W."""
    data = subentry.data
    measured_only = data[CONF_SOURCE] == DeviceSource.METERED
    return Asset(
        id=subentry.subentry_id,
        name=subentry.title,
        nature=Nature.INVERTER,
        category=Category(data.get(CONF_CATEGORY, Category.SOLAR)),
        rated_production=float(data[CONF_RATED_POWER]),
        phases=int(data[CONF_PHASES]),
        lines=_lines(data, grid_type),
        priority=int(data.get(CONF_PRIORITY, 0)),
        controllable=not measured_only,
        off_when_limited=bool(data.get(CONF_OFF_WHEN_LIMITED, False)),
        stop_paths=frozenset() if measured_only else frozenset({StopPath.SETPOINT}),
    )


def _battery(subentry: ConfigSubentry, grid_type: GridType) -> Asset:
    """Return a battery with its rated powers in W and its reserve in %."""
    data = subentry.data
    return Asset(
        id=subentry.subentry_id,
        name=subentry.title,
        nature=Nature.BATTERY,
        category=Category.STORAGE,
        rated_consumption=float(data[CONF_RATED_CHARGE]),
        rated_production=float(data[CONF_RATED_DISCHARGE]),
        phases=int(data[CONF_PHASES]),
        lines=_lines(data, grid_type),
        priority=int(data.get(CONF_PRIORITY, 0)),
        reserve=float(data.get(CONF_RESERVE, 0)),
    )


def _optional(data: Mapping[str, Any], key: str) -> float | None:
    value = data.get(key)
    return None if value is None else float(value)


def _load(subentry: ConfigSubentry, grid_type: GridType) -> Asset:
    """Return a load that is switched through an entity; a switch stays off."""
    data = subentry.data
    return Asset(
        id=subentry.subentry_id,
        name=subentry.title,
        nature=Nature.LOAD,
        category=Category.FLEXIBLE_CONSUMPTION,
        rated_consumption=float(data[CONF_RATED_POWER]),
        phases=int(data[CONF_PHASES]),
        lines=_lines(data, grid_type),
        priority=int(data.get(CONF_PRIORITY, 0)),
        never_shed=bool(data.get(CONF_NEVER_SHED, False)),
        minimum_on=float(data.get(CONF_MINIMUM_ON, 0.0)),
        minimum_off=_optional(data, CONF_MINIMUM_OFF),
        comfort_low=_optional(data, CONF_COMFORT_LOW),
        comfort_high=_optional(data, CONF_COMFORT_HIGH),
        stays_stopped=data[CONF_SOURCE] != DeviceSource.TABLE,
    )


_ASSETS: Final = {
    SubentryType.CHARGER: _charger,
    SubentryType.INVERTER: _inverter,
    SubentryType.BATTERY: _battery,
    SubentryType.LOAD: _load,
}
