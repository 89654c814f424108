"""Settings of a controlled station, checked when they are made."""

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from typing import Final

from .asdu import Cause
from .parameters import LinkParameters, ParameterError, ParameterRule, require
from .time_tag import TimeZonePolicy
from .tls import TlsSettings

DEFAULT_PORT: Final = 2404
DEFAULT_COMMON_ADDRESS: Final = 100
MIN_EVENTS: Final = 1000


class EndOfInitializationRule(StrEnum):
    """When M_EI_NA_1 is sent: once after a start, or on every connection's start."""

    ON_START = "on_start"
    EVERY_STARTDT = "every_startdt"


class SecondClientRule(StrEnum):
    """What a second client's STARTDT does to the redundancy group."""

    CLOSE_FIRST = "close_first"
    REFUSE = "refuse"


class StaleCommandRule(StrEnum):
    """How a command with a stale, future or invalid time tag is answered."""

    NEGATIVE = "negative"
    SILENT = "silent"


@dataclass(frozen=True, slots=True, kw_only=True)
class StationConfig:
    """Settings of a controlled station; ParameterError names what is wrong.

    `allowed_clients` are IP addresses, None lets any in. Times are in seconds.
    `max_command_delay` 0 leaves time tags of commands unsupervised. The
    `wrong_type_cause` answers a known type on an address of another type.
    `sequence` packs interrogated runs of consecutive addresses with SQ=1.
    `use_clock_offset` tags with the operator's clock as last synchronized.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    common_address: int = DEFAULT_COMMON_ADDRESS
    link: LinkParameters = field(default_factory=LinkParameters)
    end_of_initialization: EndOfInitializationRule = (
        EndOfInitializationRule.EVERY_STARTDT
    )
    second_client: SecondClientRule = SecondClientRule.CLOSE_FIRST
    allowed_clients: frozenset[str] | None = None
    max_connections: int = 5
    max_events: int = 2000
    strict_length: bool = True
    strict_qualifiers: bool = True
    wrong_type_cause: int = Cause.UNKNOWN_TYPE
    select_timeout: float = 30.0
    max_command_delay: float = 0.0
    stale_command: StaleCommandRule = StaleCommandRule.NEGATIVE
    time_zone: TimeZonePolicy = field(default_factory=TimeZonePolicy)
    use_clock_offset: bool = True
    sequence: bool = False
    tls: TlsSettings | None = None

    def __post_init__(self) -> None:
        """Check every field and normalize the client addresses."""
        require("port", self.port, 0, 65_535)
        require("common_address", self.common_address, 1, 65_534)
        require("max_connections", self.max_connections, 1, 100)
        require("max_events", self.max_events, MIN_EVENTS, 1_000_000)
        require("select_timeout", self.select_timeout, 1, 3600)
        require("max_command_delay", self.max_command_delay, 0, 3600)
        if self.wrong_type_cause not in (
            Cause.UNKNOWN_TYPE,
            Cause.UNKNOWN_OBJECT_ADDRESS,
        ):
            raise ParameterError(
                "wrong_type_cause", self.wrong_type_cause, "must be 44 or 47"
            )
        if self.allowed_clients is not None:
            object.__setattr__(
                self,
                "allowed_clients",
                frozenset(_normalized(client) for client in self.allowed_clients),
            )

    def allows(self, address: str) -> bool:
        """Tell whether a client's address may connect."""
        if self.allowed_clients is None:
            return True
        try:
            return _normalized(address) in self.allowed_clients
        except ParameterError:
            return False


def _normalized(address: str) -> str:
    """Return one spelling per address; IPv4 inside IPv6 becomes IPv4."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError as err:
        raise ParameterError(
            "allowed_clients", address, "is no IP address", ParameterRule.NO_ADDRESS
        ) from err
    mapped = getattr(parsed, "ipv4_mapped", None)
    return str(parsed if mapped is None else mapped)
