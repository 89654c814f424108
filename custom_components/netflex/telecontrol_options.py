"""The stored options of a site: telecontrol by topic, and local stop inputs.

`entry.options` holds `version` and one mapping per topic; a topic or a field that is
left out has the value of the classes below it. What has another version or an
unknown key is refused (OptionsError), never guessed. Times are in seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import voluptuous as vol

from .flexoffer_options import CONF_FLEXOFFERS, FLEXOFFERS_SCHEMA
from .iec104 import (
    EndOfInitializationRule,
    LinkParameters,
    ParameterError,
    SecondClientRule,
    StaleCommandRule,
    TimeZoneMode,
    TimeZonePolicy,
    TlsSettings,
)
from .iec104.engine import Engine, is_installed
from .iec104.tls import MinimumVersion
from .market.options import CONF_MARKET, MARKET_SCHEMA
from .metadata_options import CONF_METADATA, METADATA_SCHEMA
from .model.asset import Direction
from .model.failure import reason_of
from .model.orders import POWER_LIMIT_ORDERS, OrderName
from .model.phrase import Phrase
from .northbound_options import CONF_NORTHBOUND, NORTHBOUND_SCHEMA
from .protection_options import CONF_PROTECTION, PROTECTION_SCHEMA
from .readings_options import CONF_READINGS, READINGS_SCHEMA
from .site_options import CONF_LIMITS, LIMITS_SCHEMA
from .telecontrol.link_loss import LinkLossAction, LinkLossPolicy
from .telecontrol.parameter_words import parameter_words
from .telecontrol.point import first_problems
from .telecontrol.point_csv import read_points, write_points
from .telecontrol.points import DEFAULT_POINTS, PointTable, PointTableError
from .telecontrol.settings import (
    OPERATOR_ZONE,
    SetpointFeedback,
    TelecontrolSettings,
    operator_time,
)

OPTIONS_VERSION: Final = 1
EDITED_PROFILE: Final = "edited"
"""Profile of a point table that a person has changed."""

CONF_VERSION: Final = "version"
CONF_LINK: Final = "link"
CONF_LINK_LOSS: Final = "link_loss"
CONF_POINTS: Final = "points"
CONF_TLS: Final = "tls"
CONF_ENGINE: Final = "engine"
CONF_LOCAL_STOP_INPUTS: Final = "local_stop_inputs"

LINK_PARAMETERS: Final = ("t0", "t1", "t2", "t3", "k", "w")
CONF_END_OF_INITIALIZATION: Final = "end_of_initialization"
CONF_SECOND_CLIENT: Final = "second_client"
CONF_STALE_COMMAND: Final = "stale_command"
CONF_MAX_COMMAND_DELAY: Final = "max_command_delay"
CONF_TERMINATION: Final = "termination"
CONF_SETPOINT_FEEDBACK: Final = "setpoint_feedback"
CONF_SELECT_TIMEOUT: Final = "select_timeout"
CONF_TIME_ZONE: Final = "time_zone"

CONF_ACTION: Final = "action"
CONF_DELAY: Final = "delay"
CONF_FALLBACK: Final = "fallback"

CONF_SHADOW: Final = "shadow"

CONF_CSV: Final = "csv"
CONF_POINT_PROFILE: Final = "profile"
CONF_CONFIRMED: Final = "confirmed"

CONF_ENABLED: Final = "enabled"
CONF_CERTIFICATE: Final = "certificate"
CONF_KEY: Final = "key"
CONF_AUTHORITIES: Final = "authorities"
CONF_REVOCATIONS: Final = "revocations"
CONF_PEER_NAMES: Final = "peer_names"
CONF_MINIMUM_VERSION: Final = "minimum_version"

_seconds = vol.Coerce(float)


def _word(words: type[StrEnum]) -> Any:
    return vol.In([word.value for word in words])


_LINK_SCHEMA: Final = vol.Schema(
    {
        **{vol.Optional(name): _seconds for name in ("t0", "t1", "t2", "t3")},
        **{vol.Optional(name): vol.Coerce(int) for name in ("k", "w")},
        vol.Optional(CONF_END_OF_INITIALIZATION): _word(EndOfInitializationRule),
        vol.Optional(CONF_SECOND_CLIENT): _word(SecondClientRule),
        vol.Optional(CONF_STALE_COMMAND): _word(StaleCommandRule),
        vol.Optional(CONF_MAX_COMMAND_DELAY): _seconds,
        vol.Optional(CONF_TERMINATION): bool,
        vol.Optional(CONF_SETPOINT_FEEDBACK): _word(SetpointFeedback),
        vol.Optional(CONF_SELECT_TIMEOUT): _seconds,
        vol.Optional(CONF_TIME_ZONE): _word(TimeZoneMode),
    }
)
"""t0..t3 in s, k and w in APDUs, and the rules of the application layer."""

_LINK_LOSS_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_ACTION): _word(LinkLossAction),
        vol.Required(CONF_DELAY): _seconds,
        vol.Optional(CONF_FALLBACK, default=dict): {
            vol.Optional(name.value): vol.Coerce(float)
            for name in sorted(POWER_LIMIT_ORDERS)
        },
    }
)
"""What becomes of setpoints, after how many s; fallback values in percent."""

_POINTS_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_CSV): str,
        vol.Required(CONF_POINT_PROFILE): str,
        vol.Required(CONF_CONFIRMED): bool,
    }
)
"""The point table as a CSV file; `confirmed`: compared with the operator's Annex B."""

_TLS_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_ENABLED): bool,
        vol.Required(CONF_CERTIFICATE): str,
        vol.Required(CONF_KEY): str,
        vol.Required(CONF_AUTHORITIES): str,
        vol.Optional(CONF_REVOCATIONS): str,
        vol.Optional(CONF_PEER_NAMES, default=list): [str],
        vol.Optional(CONF_MINIMUM_VERSION): _word(MinimumVersion),
    }
)
"""Paths of PEM files, and the names that the RTU's certificate may carry."""

_OPTIONS_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_VERSION): OPTIONS_VERSION,
        vol.Optional(CONF_LINK, default=dict): _LINK_SCHEMA,
        vol.Optional(CONF_LINK_LOSS): _LINK_LOSS_SCHEMA,
        vol.Optional(CONF_POINTS): _POINTS_SCHEMA,
        vol.Optional(CONF_TLS): _TLS_SCHEMA,
        vol.Optional(CONF_ENGINE, default=Engine.BUILTIN.value): _word(Engine),
        vol.Optional(CONF_LOCAL_STOP_INPUTS, default=dict): {
            vol.Optional(direction.value): [str] for direction in Direction
        },
        vol.Optional(CONF_LIMITS): LIMITS_SCHEMA,
        vol.Optional(CONF_READINGS): READINGS_SCHEMA,
        vol.Optional(CONF_METADATA): METADATA_SCHEMA,
        vol.Optional(CONF_PROTECTION): PROTECTION_SCHEMA,
        vol.Optional(CONF_MARKET): MARKET_SCHEMA,
        vol.Optional(CONF_NORTHBOUND): NORTHBOUND_SCHEMA,
        vol.Optional(CONF_FLEXOFFERS): FLEXOFFERS_SCHEMA,
        vol.Optional(CONF_SHADOW): bool,
    }
)


class OptionsError(ValueError):
    """Stored options that cannot be used, with the reason in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalStopInputs:
    """Entities whose opening stops a direction, by registry id or entity id."""

    production: tuple[str, ...] = ()
    consumption: tuple[str, ...] = ()

    def of(self, direction: Direction) -> tuple[str, ...]:
        """Return the inputs of one direction."""
        return (
            self.production if direction is Direction.PRODUCTION else self.consumption
        )


def checked_options(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options with every key known; OptionsError says what is wrong."""
    if not stored:
        stored = {CONF_VERSION: OPTIONS_VERSION}
    version = stored.get(CONF_VERSION)
    if version != OPTIONS_VERSION:
        raise OptionsError(
            Phrase(
                "options_version",
                "the options have the unknown version {version}",
                version=str(version),
            )
        )
    try:
        options: dict[str, Any] = _OPTIONS_SCHEMA(dict(stored))
    except vol.Invalid as err:
        raise OptionsError(str(err)) from err
    return options


def telecontrol_settings(
    stored: Mapping[str, Any], **station: Any
) -> TelecontrolSettings:
    """Return the settings of the station; OptionsError says what is wrong.

    `station` gives the fields of the settings that are no options: the address to
    listen on, who may connect. An `engine` among them goes before the stored one.
    """
    options = checked_options(stored)
    link = options[CONF_LINK]
    plain = {
        name: link[name]
        for name in (CONF_MAX_COMMAND_DELAY, CONF_TERMINATION, CONF_SELECT_TIMEOUT)
        if name in link
    }
    rules: dict[str, type[StrEnum]] = {
        CONF_END_OF_INITIALIZATION: EndOfInitializationRule,
        CONF_SECOND_CLIENT: SecondClientRule,
        CONF_STALE_COMMAND: StaleCommandRule,
        CONF_SETPOINT_FEEDBACK: SetpointFeedback,
    }
    words: dict[str, Any] = {
        name: rule(link[name]) for name, rule in rules.items() if name in link
    }
    numbers = {name: link[name] for name in LINK_PARAMETERS if name in link}
    station.setdefault("engine", Engine(options[CONF_ENGINE]))
    try:
        return TelecontrolSettings(
            **station,
            **plain,
            **words,
            link=LinkParameters(**numbers),
            time_zone=_time_zone(link.get(CONF_TIME_ZONE)),
            link_loss=_link_loss(options.get(CONF_LINK_LOSS)),
            points=_points(options.get(CONF_POINTS)),
            tls=tls_settings(options.get(CONF_TLS)),
        )
    except ParameterError as err:
        raise OptionsError(parameter_words(err)) from err
    except PointTableError as err:
        raise OptionsError(first_problems(err.problems)) from err
    except ValueError as err:
        raise OptionsError(reason_of(err)) from err


def missing_engine(stored: Mapping[str, Any]) -> Engine | None:
    """Return the chosen engine where it is not installed any more, or TLS is on."""
    options = checked_options(stored)
    engine = Engine(options[CONF_ENGINE])
    with_tls = tls_settings(options.get(CONF_TLS)) is not None
    unusable = engine is Engine.C104 and with_tls
    return engine if unusable or not is_installed(engine) else None


def local_stop_inputs(stored: Mapping[str, Any]) -> LocalStopInputs:
    """Return the inputs that stop the site; OptionsError says what is wrong."""
    inputs = checked_options(stored).get(CONF_LOCAL_STOP_INPUTS, {})
    return LocalStopInputs(
        production=tuple(inputs.get(Direction.PRODUCTION, ())),
        consumption=tuple(inputs.get(Direction.CONSUMPTION, ())),
    )


def stored_points(table: PointTable) -> dict[str, Any]:
    """Return a point table as the options hold it."""
    return {
        CONF_CSV: write_points(table),
        CONF_POINT_PROFILE: table.profile,
        CONF_CONFIRMED: table.confirmed,
    }


def tls_settings(stored: Mapping[str, Any] | None) -> TlsSettings | None:
    """Return the TLS settings, None where TLS is off."""
    if stored is None or not stored[CONF_ENABLED]:
        return None
    revocations = stored.get(CONF_REVOCATIONS)
    return TlsSettings(
        certificate=Path(stored[CONF_CERTIFICATE]),
        key=Path(stored[CONF_KEY]),
        authorities=Path(stored[CONF_AUTHORITIES]),
        revocations=None if revocations is None else Path(revocations),
        peer_names=frozenset(stored.get(CONF_PEER_NAMES, ())),
        minimum_version=MinimumVersion(
            stored.get(CONF_MINIMUM_VERSION, MinimumVersion.TLS_1_2)
        ),
    )


def _time_zone(mode: str | None) -> TimeZonePolicy:
    match mode:
        case TimeZoneMode.UTC:
            return TimeZonePolicy()
        case TimeZoneMode.LOCAL:
            return TimeZonePolicy(mode=TimeZoneMode.LOCAL, zone=ZoneInfo(OPERATOR_ZONE))
        case _:
            return operator_time()


def _link_loss(stored: Mapping[str, Any] | None) -> LinkLossPolicy:
    if stored is None:
        return LinkLossPolicy()
    return LinkLossPolicy(
        action=LinkLossAction(stored[CONF_ACTION]),
        delay=stored[CONF_DELAY],
        fallback={
            OrderName(name): value
            for name, value in stored.get(CONF_FALLBACK, {}).items()
        },
    )


def _points(stored: Mapping[str, Any] | None) -> PointTable:
    if stored is None:
        return DEFAULT_POINTS
    return read_points(
        stored[CONF_CSV],
        profile=stored[CONF_POINT_PROFILE],
        confirmed=stored[CONF_CONFIRMED],
    )
