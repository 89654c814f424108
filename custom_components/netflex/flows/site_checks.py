"""What is wrong with the description of a site, as keys of messages."""

from collections.abc import Iterable, Mapping
import errno
from ipaddress import ip_address
import socket
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_NAME, CONF_PORT

from ..entry_data import (
    CONF_ALLOWED_CLIENTS,
    CONF_BIND_ADDRESS,
    CONF_COMMON_ADDRESS,
    CONF_CONTRACT_CONSUMPTION,
    CONF_CONTRACT_INJECTION,
    CONF_CONTRACT_UNIT,
    CONF_COS_PHI,
    CONF_GRID_TYPE,
    CONF_MAIN_FUSE,
    CONF_TELECONTROL,
    ContractUnit,
)
from ..model.connection import GridType, power_of_current

FUSE_RANGE: Final = (6.0, 6300.0)
"""A: from the smallest main fuse to the largest low-voltage switchgear."""
COS_PHI_RANGE: Final = (0.5, 1.0)
CONTRACT_PER_FUSE: Final = 1.5
"""A contract above so many times what the main fuse carries has lost its decimal sign.

A browser takes the sign of its own language only and drops the other one: 17,5 is 175.
"""
CONTRACT_MAXIMUM: Final = 100_000.0
"""kW: more than any low or medium-voltage connection; a figure in W is above it."""
COMMON_ADDRESS_MAXIMUM: Final = 65_534
"""65535 addresses all stations (IEC 60870-5-101, 7.2.4)."""

NOT_THERE: Final = "address_not_there"

type Errors = dict[str, str]


def site_errors(data: Mapping[str, Any], others: Iterable[ConfigEntry]) -> Errors:
    """Return what is wrong with name, fuse and contract."""
    errors: Errors = {}
    errors |= name_errors(data[CONF_NAME], others)
    if not FUSE_RANGE[0] <= data[CONF_MAIN_FUSE] <= FUSE_RANGE[1]:
        errors[CONF_MAIN_FUSE] = "fuse_out_of_range"
    for key in (CONF_CONTRACT_CONSUMPTION, CONF_CONTRACT_INJECTION):
        if (error := _contract_error(data, key)) is not None:
            errors[key] = error
    if data[CONF_CONTRACT_UNIT] == ContractUnit.KVA and not (
        COS_PHI_RANGE[0] <= data[CONF_COS_PHI] <= COS_PHI_RANGE[1]
    ):
        errors["base"] = "cos_phi_out_of_range"
    return errors


def name_errors(name: str, others: Iterable[ConfigEntry]) -> Errors:
    """Return what is wrong with the name of a site."""
    if not name:
        return {CONF_NAME: "name_missing"}
    if any(entry.title.casefold() == name.casefold() for entry in others):
        return {CONF_NAME: "name_taken"}
    return {}


def _contract_error(data: Mapping[str, Any], key: str) -> str | None:
    value = data.get(key)
    if value is None or value == 0:
        return "contract_required" if data[CONF_TELECONTROL] else None
    if value < 0:
        return "contract_negative"
    if value > CONTRACT_MAXIMUM:
        return "contract_too_large"
    fuse = data[CONF_MAIN_FUSE]
    if not FUSE_RANGE[0] <= fuse <= FUSE_RANGE[1]:
        return None
    grid_type = GridType(data[CONF_GRID_TYPE])
    carried = power_of_current(fuse, grid_type, len(grid_type.lines))
    if value * 1000 > CONTRACT_PER_FUSE * carried:
        return "contract_above_fuse"
    return None


def telecontrol_errors(
    data: Mapping[str, Any], others: Iterable[ConfigEntry]
) -> tuple[Errors, dict[str, str]]:
    """Return what is wrong with the station's settings, and details for the texts."""
    errors: Errors = {}
    details: dict[str, str] = {}
    if not _is_address(data[CONF_BIND_ADDRESS]):
        errors[CONF_BIND_ADDRESS] = "address_invalid"
    if wrong := [
        client for client in data[CONF_ALLOWED_CLIENTS] if not _is_address(client)
    ]:
        errors[CONF_ALLOWED_CLIENTS] = "client_invalid"
        details["client"] = ", ".join(wrong)
    if not 1 <= data[CONF_PORT] <= 65_535:
        errors["base"] = "port_out_of_range"
    elif not 1 <= data[CONF_COMMON_ADDRESS] <= COMMON_ADDRESS_MAXIMUM:
        errors["base"] = "common_address_out_of_range"
    if errors:
        return errors, details
    for entry in others:
        if entry.data[CONF_TELECONTROL] and same_listener(entry.data, data):
            errors[CONF_BIND_ADDRESS] = "address_taken_by_site"
            details["site"] = entry.title
    return errors, details


def same_listener(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two stations cannot listen at the same time."""
    if int(one[CONF_PORT]) != int(other[CONF_PORT]):
        return False
    addresses = [ip_address(item[CONF_BIND_ADDRESS]) for item in (one, other)]
    if any(address.is_unspecified for address in addresses):
        return True
    return addresses[0] == addresses[1]


def canonical(address: str) -> str:
    """Return an address as it is compared with a connection's; else as it is."""
    try:
        return str(ip_address(address.strip()))
    except ValueError:
        return address.strip()


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def bind_error(address: str, port: int) -> str | None:
    """Return why a station could not listen now, None where it could. Blocking.

    Binds for a moment and never listens; that is enough to find a port on which
    another program listens.
    """
    family = socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as test:
        test.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            test.bind((address, port))
        except socket.gaierror:
            return NOT_THERE
        except PermissionError:
            return "port_not_permitted"
        except OSError as err:
            if err.errno == errno.EADDRINUSE:
                return "port_in_use"
            if err.errno in {errno.EADDRNOTAVAIL, errno.ENODEV}:
                return NOT_THERE
            return "address_unusable"
    return None
