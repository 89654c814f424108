"""What a site is made of: the values that its composition needs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from ..devices.device import DeviceConfig
from ..devices.virtual_meter import VirtualMeterConfig
from ..metering.dlms_apdu import DlmsKeys
from ..metering.dlms_port import DlmsLine
from ..metering.s1_analysis import DEFAULT_SETTINGS, S1Settings
from ..model.asset import Asset, Direction, EmergencyOutput
from ..model.connection import ConnectionPoint, Feeder
from ..model.demand import DEFAULT_TARIFF, CapacityTariff
from ..model.programme import Programme
from ..model.protection import DEFAULT_PROTECTION, Protection
from ..model.reading import MeterRole
from ..model.snapshot import DEFAULT_COMPLIANCE, ComplianceRules, Sharing

LOW_CHARGE = 10.0
"""% below which a battery's state of charge is low, unless its owner says otherwise."""
STALE_AFTER = 5.0
"""s without a good reading after which a meter that sends every second is stale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareConfig:
    """A P1 port served again over TCP; `allowed` are addresses or networks."""

    port: int
    allowed: tuple[str, ...]
    host: str = "0.0.0.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class S1Config:
    """How an S1 port is read; `baudrate` None: it is found out."""

    settings: S1Settings = DEFAULT_SETTINGS
    baudrate: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DlmsConfig:
    """How a pushed DLMS meter is read; `keys` None: it does not encipher."""

    keys: DlmsKeys | None = None
    line: DlmsLine = DlmsLine.M_BUS


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterConfig:
    """A meter: a port at a URL, or a device with a profile or with entities.

    The port is a P1 one where neither `s1` nor `dlms` says otherwise. `stale_after` s without a good reading it is not
    relied on any more. Of several meters of the connection point the first counts
    while it is fresh, those at an S1 port after the others: it has no registers, and
    what it alone brings is used beside them.
    """

    meter_id: str
    name: str
    url: str | None = None
    device: DeviceConfig | None = None
    role: MeterRole = MeterRole.CONNECTION_POINT
    stale_after: float = STALE_AFTER
    tariff: CapacityTariff = DEFAULT_TARIFF
    share: ShareConfig | None = None
    s1: S1Config | None = None
    dlms: DlmsConfig | None = None


class PowerUp(StrEnum):
    """What a module does with an output when it gets its supply back."""

    OFF = "off"
    ON = "on"
    LAST = "last"


class SafeValue(StrEnum):
    """What a module's own watchdog does with an output once nobody speaks to it."""

    NONE = "none"
    """It has none, or it is switched off: the output holds."""
    OFF = "off"
    ON = "on"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputWiring:
    """How an output is wired and its module set up, as the installer says.

    `pulse` s after the last pulse a relay that is held by pulses falls off.
    `contact_when_stopped` is what the auxiliary contact's input reads while the
    output stops, None without one. `input_stops` are the directions that the module's
    stop input stops: it is on while its circuit is closed.
    """

    bistable: bool = False
    """It keeps its position without supply: no dead module lets go of it."""
    power_up: PowerUp = PowerUp.OFF
    watchdog: SafeValue = SafeValue.NONE
    pulse: float | None = None
    contact_when_stopped: bool | None = None
    input_stops: frozenset[Direction] = frozenset()


DEFAULT_WIRING = OutputWiring()


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputConfig:
    """A relay module's output as an emergency output."""

    output: EmergencyOutput
    device: DeviceConfig
    wiring: OutputWiring = DEFAULT_WIRING

    @property
    def needs_home_assistant(self) -> bool:
        """Whether it is an entity of another integration: not on a loop of its own."""
        return bool(self.device.entities)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRules:
    """How a user wants limits to be held; see `SiteModel` for what each one means."""

    sharing: Sharing = Sharing.TOTAL
    tolerance: float = 0.01
    ramp_up: float | None = None
    safe_delay: float = 5.0
    rebound: float | None = None
    """W per minute of loads that come back at most; None: half of the main fuse."""
    hold_contract: bool = False
    compliance: ComplianceRules = DEFAULT_COMPLIANCE
    protection: Protection = DEFAULT_PROTECTION


DEFAULT_RULES = SiteRules()


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthLimits:
    """When a battery is not well; 0 % is never low, and without `hot` never too hot."""

    low_charge: float = LOW_CHARGE
    hot: float | None = None
    """degC."""


DEFAULT_HEALTH = HealthLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteConfig:
    """A whole site at one connection point, without its station."""

    site_id: str
    name: str
    connection: ConnectionPoint
    meters: tuple[MeterConfig, ...] = field(default=())
    devices: tuple[DeviceConfig, ...] = field(default=())
    outputs: tuple[OutputConfig, ...] = field(default=())
    rules: SiteRules = DEFAULT_RULES
    feeders: tuple[Feeder, ...] = field(default=())
    virtual_meters: tuple[VirtualMeterConfig, ...] = field(default=())
    """What chargers among the devices read; each of them has its own there too."""
    programmes: Mapping[str, Programme] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """What batteries are used for, by the battery's id."""
    health: Mapping[str, HealthLimits] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """When batteries are not well, by the battery's id."""
    shadow: bool = False
    """Whether the site only decides; excludes an operator (S07)."""

    @property
    def assets(self) -> dict[str, Asset]:
        """Return the assets behind its devices, by their id."""
        return {
            device.device_id: device.asset
            for device in self.devices
            if device.asset is not None
        }
