"""Devices from their configuration, and the connection test of a form."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
import time
from types import MappingProxyType

from ..model.asset import Nature
from ..model.failure import reason_of
from ..model.phrase import Phrase, sentences
from ..model.reading import MeterReading
from .budget import DailyBudget
from .device import (
    Device,
    DeviceConfig,
    DeviceError,
    MeterDevice,
    ProbeError,
    ProbeResult,
)
from .entity_device import NUMBER, EntityDevice, probe_entities
from .entity_meter import MAX_AGE, entity_meter, probe_sensors
from .exchange_table import ExchangeTable, TableError, table_profile
from .levers import levered
from .link import LinkError, LinkErrorKind, endpoint_of
from .meter_server import MeterServers
from .metered_charger import MeteredCharger
from .modbus_device import TIME_TO_LIVE, ModbusDevice
from .modbus_meter import ModbusMeter
from .natures import NATURES
from .ports import EntityPort, LinkParams, UnitFactory, WriteBudget
from .profile import Poll, Profile
from .profile_loader import ProfileLibrary
from .recognition import NotIdentified
from .registers import Value
from .scheduler import Preempted, Priority
from .sensed_charger import SensedCharger, measures
from .sensed_inverter import SensedInverter
from .session import Session, problem_key
from .sunspec import SCALE_SUFFIX
from .values import text_of
from .words import nature_of
from .yaml_nodes import ProfileError

_PROBE_LIMIT = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Metering:
    """What virtual meters need of their site.

    `reading` returns the newest reading of the site meter; `note` takes the id of a
    charger, the new status of its meter, and why.
    """

    servers: MeterServers
    reading: Callable[[], MeterReading | None]
    note: Callable[[str, str, str | None], None]


def _bind(config: DeviceConfig, profiles: ProfileLibrary) -> Profile:
    if config.table:
        return _bind_table(config)
    try:
        file = profiles.get(config.profile or "")
    except KeyError:
        raise DeviceError(
            "config",
            Phrase(
                "no_profile",
                "there is no device profile {profile}",
                profile=str(config.profile),
            ),
            {"profile": str(config.profile)},
        ) from None
    try:
        profile = file.bind(config.params)
    except ProfileError as err:
        raise DeviceError("config", reason_of(err), {"profile": file.id}) from err
    nature = Nature.METER if config.asset is None else config.asset.nature
    # A relay's module switches a load just as well.
    loads = {Nature.LOAD, Nature.RELAY}
    if profile.kind is not nature and not {profile.kind, nature} <= loads:
        raise DeviceError(
            "config",
            Phrase(
                "profile_of_another",
                "{profile} is the profile of a {kind}, not a {nature}",
                profile=profile.id,
                kind=nature_of(profile.kind),
                nature=nature_of(nature),
            ),
        )
    return profile


def _bind_table(config: DeviceConfig) -> Profile:
    if config.asset is None:
        raise DeviceError(
            "config", Phrase("table_of_asset", "an exchange table belongs to an asset")
        )
    params = config.params
    try:
        return table_profile(
            ExchangeTable(
                lines=config.table,
                unit=int(params.get("unit", 1)),
                deadline=float(params.get("deadline", 5.0)),
                heartbeat=float(params.get("heartbeat", 1.0)),
            ),
            config.asset.nature,
        ).bind({})
    except (TableError, ProfileError) as err:
        raise DeviceError("config", reason_of(err)) from err


def _link(config: DeviceConfig) -> LinkParams:
    if config.link is None:
        raise DeviceError(
            "config",
            Phrase("needs_address", "a device with a profile needs an address"),
        )
    return config.link


def _serial(config: DeviceConfig) -> str | None:
    serial = config.params.get("serial")
    return None if serial in {None, ""} else str(serial)


def build_device(
    config: DeviceConfig,
    *,
    units: UnitFactory,
    entities: EntityPort | None = None,
    profiles: ProfileLibrary,
    budget: WriteBudget | None = None,
    metering: Metering | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Device:
    """Return the device of an asset; it opens nothing before `start`.

    Devices of one link that are built with the same `units` share one line.
    `metering` is needed for chargers behind a virtual meter.
    Raises DeviceError (`config`).
    """
    if (asset := config.asset) is None:
        raise DeviceError(
            "config", Phrase("needs_asset", "a device that is driven needs an asset")
        )
    if (meter := config.virtual_meter) is not None:
        if metering is None:
            raise DeviceError(
                "config",
                Phrase("no_virtual_meter", "a virtual meter cannot be served here"),
            )
        drives = config.profile is not None or NUMBER in config.entities
        own: Device | None = None
        if drives:
            own = build_device(
                replace(config, virtual_meter=None),
                units=units,
                entities=entities,
                profiles=profiles,
                budget=budget,
                clock=clock,
            )
        elif entities is not None and measures(config.entities):
            own = SensedCharger(
                asset=asset, roles=config.entities, entities=entities, clock=clock
            )
        return MeteredCharger(
            asset=asset,
            config=meter,
            own=own,
            drives=drives,
            servers=metering.servers,
            reading=metering.reading,
            note=partial(metering.note, config.device_id),
            clock=clock,
        )
    if asset.nature is Nature.CHARGER and not (
        config.profile is not None or NUMBER in config.entities
    ):
        raise DeviceError(
            "config",
            Phrase(
                "needs_virtual_meter",
                "it balances itself, and no virtual meter serves it yet: add one for it",
            ),
        )
    if (
        asset.nature is Nature.INVERTER
        and not asset.controllable
        and entities is not None
    ):
        return SensedInverter(
            asset=asset, roles=config.entities, entities=entities, clock=clock
        )
    time_to_live = float(config.params.get("time_to_live", TIME_TO_LIVE))
    if config.profile is None and not config.table:
        if entities is None:
            raise DeviceError(
                "config",
                Phrase("no_entities", "existing entities cannot be reached here"),
            )
        roles, port = levered(config, entities)
        return EntityDevice(asset=asset, roles=roles, entities=port, clock=clock)
    profile = _bind(config, profiles)
    if NATURES[asset.nature].control not in profile.controls:
        raise DeviceError(
            "config",
            Phrase(
                "profile_not_driving",
                "{profile} offers nothing that a {nature} is driven by",
                profile=profile.id,
                nature=nature_of(asset.nature),
            ),
        )
    return ModbusDevice(
        asset=asset,
        profile=profile,
        link=_link(config),
        units=units,
        budget=budget or DailyBudget(clock),
        serial=_serial(config),
        time_to_live=time_to_live,
        clock=clock,
    )


def build_meter(
    config: DeviceConfig,
    *,
    units: UnitFactory,
    entities: EntityPort | None = None,
    profiles: ProfileLibrary,
    clock: Callable[[], float] = time.monotonic,
) -> MeterDevice:
    """Return a meter; it opens nothing before `start`. Raises DeviceError."""
    if config.profile is None:
        if entities is None:
            raise DeviceError(
                "config",
                Phrase("meter_needs", "a meter needs a device profile or sensors"),
            )
        return entity_meter(
            config.device_id, config.entities, config.params, entities, clock
        )
    return ModbusMeter(
        meter_id=config.device_id,
        name=config.name,
        profile=_bind(config, profiles),
        link=_link(config),
        units=units,
        serial=_serial(config),
        clock=clock,
    )


async def probe(
    config: DeviceConfig,
    *,
    units: UnitFactory,
    entities: EntityPort | None = None,
    profiles: ProfileLibrary,
) -> ProbeResult:
    """Test a configuration: read only, everything given back. Raises ProbeError."""
    if config.profile is None and not config.table:
        if entities is None:
            raise ProbeError(
                "config", Phrase("nothing_to_test", "there is nothing to test")
            )
        if config.asset is None:
            return probe_sensors(
                config.entities,
                entities,
                max_age=float(config.params.get("max_age", MAX_AGE)),
            )
        try:
            roles, port = levered(config, entities)
        except DeviceError as err:
            raise ProbeError("config", err.text) from err
        return probe_entities(config.asset, roles, port)
    try:
        profile, link = _bind(config, profiles), _link(config)
    except DeviceError as err:
        raise ProbeError("config", err.text) from err
    session = Session(
        name=config.name,
        profile=profile,
        endpoint=endpoint_of(link, units),
        units=units,
        serial=_serial(config),
        on_change=lambda: None,
    )
    try:
        async with asyncio.timeout(_PROBE_LIMIT):
            await session.ensure_ready(Priority.FAST)
            for poll in Poll:
                await session.poll(poll)
    except LinkError as err:
        text = err.text
        clients = profile.link.max_clients
        if err.kind is LinkErrorKind.LINK and clients is not None:
            text = sentences(
                text,
                Phrase(
                    "few_clients",
                    "It accepts {clients} at a time: another program may hold it",
                    clients=_connections(clients),
                ),
            )
        raise ProbeError(problem_key(err), text) from err
    except NotIdentified as err:
        raise ProbeError(err.key, err.text) from err
    except (TimeoutError, Preempted) as err:
        raise ProbeError(
            "no_answer", Phrase("answers_too_slowly", "it answers too slowly")
        ) from err
    finally:
        await session.close()
    return _result(session)


def _connections(number: int) -> Phrase:
    if number == 1:
        return Phrase("one_connection", "1 connection")
    return Phrase("some_connections", "{number} connections", number=str(number))


def _result(session: Session) -> ProbeResult:
    profile, values = session.profile, session.values

    def text(key: str | None) -> str | None:
        value: Value | None = values.get(key) if key else None
        return None if value is None else text_of(value)

    return ProbeResult(
        nature=profile.kind,
        serial=text(profile.identity.serial),
        model=text(profile.identity.model),
        firmware=text(profile.identity.firmware),
        values=MappingProxyType(
            {
                key: value
                for key, value in values.items()
                if not key.endswith(SCALE_SUFFIX)
            }
        ),
    )
