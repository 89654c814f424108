"""What a site is made of: the values that its composition needs."""

from dataclasses import dataclass, field

from ..devices.device import DeviceConfig
from ..model.asset import EmergencyOutput
from ..model.connection import ConnectionPoint


@dataclass(frozen=True, slots=True, kw_only=True)
class StationSettings:
    """The controlled station of the site.

    `allowed_clients` None lets any client in (chosen knowingly by the user).
    """

    bind_address: str = "0.0.0.0"
    port: int = 2404
    common_address: int = 100
    allowed_clients: frozenset[str] | None = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterConfig:
    """A meter: either a P1 port at a URL or a device with a profile."""

    meter_id: str
    name: str
    url: str | None = None
    device: DeviceConfig | None = None
    connection_point: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputConfig:
    """A relay module's output as an emergency output."""

    output: EmergencyOutput
    device: DeviceConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteConfig:
    """A whole site at one connection point, without its station."""

    site_id: str
    name: str
    connection: ConnectionPoint
    meters: tuple[MeterConfig, ...] = field(default=())
    devices: tuple[DeviceConfig, ...] = field(default=())
    outputs: tuple[OutputConfig, ...] = field(default=())
