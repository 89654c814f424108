"""How a site speaks northbound: where to, as whom, and what is allowed."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from .codec import Format
from .direct_control import DEFAULT_PACES, Paces

DEFAULT_PORT: Final = 8883


class Protocol(StrEnum):
    """Which consumers are spoken with."""

    CLOUDIO_02 = "cloudio_v0_2"
    CLOUDIO_01 = "cloudio_v0_1"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """PEM files: the broker's authorities, our certificate and its key, or neither.

    Without `authorities` those count that this machine knows.
    """

    authorities: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """What who asks northbound may do to loads. s."""

    lost_after: float = 300.0
    """After this a lost broker's commands end."""
    longest: float = 4 * 3600.0
    """A command that nobody renews ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NorthboundSettings:
    """`endpoint` is cloud.iO's name of it, or the base of plain topics.

    `tls` None: without. `control` None: outbound only.
    """

    host: str
    endpoint: str
    port: int = DEFAULT_PORT
    protocol: Protocol = Protocol.CLOUDIO_02
    format: Format = Format.JSON
    transactions: bool = False
    tls: TlsFiles | None = None
    username: str | None = None
    password: str | None = None
    control: Control | None = None
    paces: Paces = DEFAULT_PACES
    most_stored: int = 500_000
    """Messages kept on disk while the broker is away; then the oldest go."""
    keepalive: int = 30
    """s after which a silent broker is asked whether it is there."""

    @property
    def recipient(self) -> str:
        """Return who is told, as one word: what waits for one is not for another."""
        return f"{self.protocol} {self.host}:{self.port} {self.endpoint}"
