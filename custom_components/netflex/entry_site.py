"""What a stored site means: its composition and its station's settings."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.const import CONF_PORT

from .devices.device import DeviceConfig
from .devices.profile_loader import ProfileLibrary
from .devices.virtual_meter import VirtualMeterConfig
from .entry_data import (
    ASSET_TYPES,
    CONF_ALLOW_ANY_CLIENT,
    CONF_ALLOWED_CLIENTS,
    CONF_BIND_ADDRESS,
    CONF_COMMON_ADDRESS,
    CONF_CONTRACT_CONSUMPTION,
    CONF_CONTRACT_INJECTION,
    CONF_CONTRACT_UNIT,
    CONF_COS_PHI,
    CONF_GRID_TYPE,
    CONF_HOT,
    CONF_LOW_CHARGE,
    CONF_MAIN_FUSE,
    CONF_TELECONTROL,
    ContractUnit,
    SubentryType,
)
from .entry_device import device_config, meter_config, output_config
from .entry_dispatch import dispatch_sources
from .entry_feeder import feeders
from .entry_programme import followed_entities, programmes, time_zones
from .entry_s1 import with_overloads
from .entry_virtual_meter import virtual_meters
from .iec104.engine import Engine
from .market.feed import MarketConfig
from .market.options import CONF_MARKET, market_options
from .model.connection import ConnectionPoint, GridType
from .protection_options import CONF_PROTECTION, protection
from .site.config import LOW_CHARGE, HealthLimits, SiteConfig
from .site_options import CONF_LIMITS, site_rules
from .telecontrol.settings import TelecontrolSettings
from .telecontrol_options import (
    CONF_SHADOW,
    checked_options,
    missing_engine,
    telecontrol_settings,
)


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
        programmes=programmes(
            _of_kind(entry, SubentryType.BATTERY_MODE),
            _of_kind(entry, SubentryType.BATTERY),
        ),
        health={
            item.subentry_id: _health(item.data)
            for item in _of_kind(entry, SubentryType.BATTERY)
        },
    )


def _health(data: Mapping[str, Any]) -> HealthLimits:
    """Return when a battery is not well."""
    return HealthLimits(
        low_charge=float(data.get(CONF_LOW_CHARGE, LOW_CHARGE)), hot=data.get(CONF_HOT)
    )


def market_config(entry: ConfigEntry, site: SiteConfig) -> MarketConfig:
    """Return what a site follows of markets, schedules and dispatch sources."""
    options = checked_options(entry.options)
    return MarketConfig(
        options=market_options(options.get(CONF_MARKET, {})),
        sources=dispatch_sources(_of_kind(entry, SubentryType.DISPATCH_SOURCE)),
        schedules=followed_entities(site.programmes),
    )


def mode_zones(entry: ConfigEntry) -> frozenset[str]:
    """Return the time zones that the modes of a site's batteries name."""
    return time_zones(_of_kind(entry, SubentryType.BATTERY_MODE))


def _of_kind(entry: ConfigEntry, kind: SubentryType) -> tuple[ConfigSubentry, ...]:
    return tuple(
        item for item in entry.subentries.values() if item.subentry_type == kind
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
