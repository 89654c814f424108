"""The stored options of the bridge to a broker, and what they mean.

Nothing is told to anybody before a consent is stored: who gave it, and when. The files
of TLS lie in a folder of their own; what is stored of them are marks of their content,
so that a renewed file is a changed option. Times are in s.
"""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import voluptuous as vol

from .northbound.codec import Format
from .northbound.direct_control import DEFAULT_PACES, Paces
from .northbound.settings import (
    DEFAULT_PORT,
    Control,
    NorthboundSettings,
    Protocol,
    TlsFiles,
)

CONF_NORTHBOUND: Final = "northbound"
CONF_ENABLED: Final = "enabled"
CONF_PROTOCOL: Final = "protocol"
CONF_BROKER: Final = "broker"
CONF_BROKER_PORT: Final = "broker_port"
CONF_ENDPOINT: Final = "endpoint"
CONF_FORMAT: Final = "format"
CONF_USE_TLS: Final = "use_tls"
CONF_USERNAME: Final = "username"
CONF_PASSWORD: Final = "password"
CONF_CONTROL: Final = "control"
CONF_LOST_AFTER: Final = "lost_after"
CONF_LONGEST: Final = "longest_hold"
CONF_TRANSACTIONS: Final = "transactions"
CONF_MOST_STORED: Final = "most_stored"
CONF_FILES: Final = "files"
CONF_CONSENT: Final = "consent"
CONF_CONSENT_BY: Final = "by"
CONF_CONSENT_AT: Final = "at"

AUTHORITIES: Final = "authorities"
CERTIFICATE: Final = "certificate"
KEY: Final = "key"
FILES: Final = (AUTHORITIES, CERTIFICATE, KEY)

PACES: Final = tuple(
    item.name for item in fields(Paces) if item.name != "temperature_band"
)
"""Names of the periods."""
SHORTEST_PERIOD: Final = 1.0
_DEFAULTS: Final = NorthboundSettings(host="", endpoint="")
_CONTROL: Final = Control()

_period = vol.All(vol.Coerce(float), vol.Range(min=SHORTEST_PERIOD, max=90 * 86_400))


def _time(value: Any) -> str:
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError as err:
        raise vol.Invalid("no time") from err
    if at.tzinfo is None:
        raise vol.Invalid("a time without a zone")
    return str(value)


CONSENT_SCHEMA: Final = vol.Schema(
    {vol.Required(CONF_CONSENT_BY): str, vol.Required(CONF_CONSENT_AT): _time}
)
"""Who has consented, and when."""

NORTHBOUND_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_ENABLED): bool,
        vol.Required(CONF_PROTOCOL): vol.In([item.value for item in Protocol]),
        vol.Required(CONF_BROKER): vol.All(str, vol.Length(min=1, max=253)),
        vol.Optional(CONF_BROKER_PORT, default=DEFAULT_PORT): vol.All(
            vol.Coerce(int), vol.Range(min=1, max=65535)
        ),
        vol.Required(CONF_ENDPOINT): vol.All(str, vol.Length(min=1, max=100)),
        vol.Optional(CONF_FORMAT, default=_DEFAULTS.format.value): vol.In(
            [item.value for item in Format]
        ),
        vol.Optional(CONF_USE_TLS, default=True): bool,
        vol.Optional(CONF_USERNAME): str,
        vol.Optional(CONF_PASSWORD): str,
        vol.Optional(CONF_CONTROL, default=False): bool,
        vol.Optional(CONF_LOST_AFTER, default=_CONTROL.lost_after): vol.All(
            vol.Coerce(float), vol.Range(min=0, max=86_400)
        ),
        vol.Optional(CONF_LONGEST, default=_CONTROL.longest): vol.All(
            vol.Coerce(float), vol.Range(min=60, max=7 * 86_400)
        ),
        vol.Optional(CONF_TRANSACTIONS, default=False): bool,
        vol.Optional(CONF_MOST_STORED, default=_DEFAULTS.most_stored): vol.All(
            vol.Coerce(int), vol.Range(min=1000, max=5_000_000)
        ),
        **{
            vol.Optional(name, default=getattr(DEFAULT_PACES, name)): _period
            for name in PACES
        },
        vol.Optional(CONF_FILES, default=dict): {
            vol.Optional(name): str for name in FILES
        },
        vol.Optional(CONF_CONSENT): CONSENT_SCHEMA,
    }
)


def endpoint_problem(protocol: Protocol, endpoint: str) -> bool:
    """Return whether a name cannot stand in topics: wildcards, or slashes where none may."""
    if any(character in endpoint for character in "+#\0"):
        return True
    if protocol is Protocol.PLAIN:
        return endpoint.startswith(("/", "$")) or endpoint.endswith("/")
    return "/" in endpoint


def tls_files(folder: Path, marks: Mapping[str, str]) -> TlsFiles:
    """Return where the files lie that are there by their marks."""
    own = CERTIFICATE in marks and KEY in marks
    return TlsFiles(
        authorities=folder / f"{AUTHORITIES}.pem" if AUTHORITIES in marks else None,
        certificate=folder / f"{CERTIFICATE}.pem" if own else None,
        key=folder / f"{KEY}.pem" if own else None,
    )


def northbound_settings(
    stored: Mapping[str, Any], folder: Path
) -> NorthboundSettings | None:
    """Return the settings of the bridge, None while nothing may be told to anybody."""
    if not stored.get(CONF_ENABLED) or CONF_CONSENT not in stored:
        return None
    return bridge_settings(stored, folder)


def bridge_settings(stored: Mapping[str, Any], folder: Path) -> NorthboundSettings:
    """Return what options mean, whether or not they are in force."""
    control = None
    if stored[CONF_CONTROL]:
        control = Control(
            lost_after=stored[CONF_LOST_AFTER], longest=stored[CONF_LONGEST]
        )
    return NorthboundSettings(
        host=stored[CONF_BROKER],
        port=stored[CONF_BROKER_PORT],
        endpoint=stored[CONF_ENDPOINT],
        protocol=Protocol(stored[CONF_PROTOCOL]),
        format=Format(stored[CONF_FORMAT]),
        transactions=stored[CONF_TRANSACTIONS],
        tls=tls_files(folder, stored[CONF_FILES]) if stored[CONF_USE_TLS] else None,
        username=stored.get(CONF_USERNAME),
        password=stored.get(CONF_PASSWORD),
        control=control,
        paces=Paces(**{name: stored[name] for name in PACES}),
        most_stored=stored[CONF_MOST_STORED],
    )
