"""The stored form of a pushed DLMS meter, and what it means."""

from collections.abc import Mapping
from typing import Any, Final

from .metering.dlms_apdu import DlmsKeys, parse_key
from .metering.dlms_port import DlmsLine
from .metering.dlms_reading import OLD
from .site.config import DlmsConfig

CONF_DLMS_LINE: Final = "dlms_line"
CONF_DLMS_KEY: Final = "dlms_key"
CONF_DLMS_AUTHENTICATION_KEY: Final = "dlms_authentication_key"
DLMS_KEYS: Final = (CONF_DLMS_KEY, CONF_DLMS_AUTHENTICATION_KEY)
"""What is a secret: neither in diagnostics nor in a site's file."""

DLMS_STALE_AFTER: Final = OLD
"""s without a good push after which a meter that pushes every 5 s is stale."""


def dlms_config(data: Mapping[str, Any]) -> DlmsConfig:
    """Return how a pushed DLMS meter is read."""
    return DlmsConfig(keys=dlms_keys(data), line=DlmsLine(data[CONF_DLMS_LINE]))


def dlms_keys(data: Mapping[str, Any]) -> DlmsKeys | None:
    """Return the keys that are stored, None where there is none.

    Raises:
        ValueError: One of them is none.
    """
    key, authentication = (data.get(name) for name in DLMS_KEYS)
    if not key:
        return None
    return DlmsKeys(
        encryption=parse_key(key),
        authentication=parse_key(authentication) if authentication else None,
    )
