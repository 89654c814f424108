"""What stored devices mean: meters, assets and emergency outputs, how each is reached."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import CONF_HOST, CONF_PORT

from .devices.device import DeviceConfig, ParamValue
from .devices.levers import LEVER_PARAMS
from .devices.ports import Connection, LinkParams, Transport
from .entry_asset import asset_of
from .entry_data import (
    CONF_ASSETS,
    CONF_BAUDRATE,
    CONF_CONNECTION,
    CONF_CONTROL_ENTITY,
    CONF_ENERGISED_WHEN_STOPPED,
    CONF_PARAMS,
    CONF_POINTS,
    CONF_PROFILE,
    CONF_ROLE,
    CONF_SOURCE,
    CONF_STOPS,
    CONF_TRANSPORT,
    DEFAULT_MODBUS_PORT,
    MEASURING_ENTITIES,
    USER_PORTS,
    DeviceSource,
    SubentryType,
)
from .entry_dlms import DLMS_STALE_AFTER, dlms_config
from .entry_meter import (
    CONF_MAX_AGE,
    capacity_tariff,
    sensor_params,
    sensor_roles,
    share_config,
)
from .entry_output import output_wiring
from .entry_s1 import s1_config
from .model.asset import Asset, Category, Direction, EmergencyOutput, Nature, StopPath
from .model.connection import GridType
from .model.reading import MeterRole
from .site.config import STALE_AFTER, MeterConfig, OutputConfig


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
    elif source is DeviceSource.DLMS:
        stale_after = DLMS_STALE_AFTER
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
        dlms=dlms_config(data) if source is DeviceSource.DLMS else None,
    )


def device_config(
    subentry: ConfigSubentry, grid_type: GridType, *, behind_relay: bool = False
) -> DeviceConfig:
    """Return an asset's device from its subentry.

    The grid type decides what a charger's current means in W; `behind_relay` adds
    the emergency output to the ways in which the asset can be stopped.
    """
    asset = asset_of(subentry, grid_type)
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
    switched = subentry_type in {SubentryType.LOAD, SubentryType.RELAY}
    driven = "switch" if switched else "number"
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
