"""Which devices announce themselves, how, and as what they may be part of a site.

Only announcements with a known source have a matcher in the manifest. What announces
itself is asked over Modbus before it is offered, so that a vendor's other products and
devices whose Modbus is switched off are never shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from homeassistant.const import CONF_HOST, CONF_MAC, CONF_NAME, CONF_PORT

from ..devices.device import ProbeResult
from ..entry_data import CONF_PROFILE, CONF_SOURCE, DeviceSource, SubentryType

STATE_OF_CHARGE: Final = "soc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """One kind of announcement and the profiles of what may have sent it."""

    profiles: tuple[str, ...]
    tells_port: bool = False
    """Whether the announced port is that of Modbus."""


ALFEN: Final = Announced(profiles=("alfen_ng9xx",))
PEBLAR: Final = Announced(profiles=("peblar",))
SOLAREDGE: Final = Announced(
    profiles=("solaredge_inverter", "solaredge_storage"), tells_port=True
)
FRONIUS: Final = Announced(profiles=("fronius_inverter", "sunspec_storage"))
SMA: Final = Announced(profiles=("sma_inverter", "sma_storage"))

BY_SERVICE: Final[Mapping[str, Announced]] = {
    # Alfen, "Modbus Slave TCP/IP" (mDNS); its port is that of its web service.
    "_alfen._tcp.local.": ALFEN,
    # Home Assistant's own integration peblar: services named pblr-*; again the web.
    "_http._tcp.local.": PEBLAR,
    # Home Assistant's own integration solaredge_modbus.
    "_solaredge-modbus._tcp.local.": SOLAREDGE,
}
BY_HARDWARE: Final[Mapping[str, Announced]] = {
    # Home Assistant's own integrations fronius, sma and solaredge.
    "0003ac": FRONIUS,
    "0015bb": SMA,
    "002702": SOLAREDGE,
}
"""By the first three bytes of the hardware address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Something that announced itself and has answered as what it is."""

    kind: SubentryType
    source: DeviceSource
    profile: str | None = None
    label: str
    """Vendor and model, for people."""
    host: str | None = None
    """Host name or IP address; None for a serial port."""
    port: int | str
    """Of Modbus, or the path of a serial port."""
    serial: str | None = None
    mac: str | None = None

    @property
    def place(self) -> str:
        """Where it is reached, for people."""
        return str(self.port) if self.host is None else self.host

    @property
    def identity(self) -> str:
        """What tells it from every other, as well as that is known."""
        return f"{self.profile or self.source}_{self.serial or self.mac or self.place}"

    def prefilled(self) -> dict[str, Any]:
        """Return what the form of its kind begins with."""
        values = {
            CONF_SOURCE: self.source.value,
            CONF_NAME: self.label,
            CONF_PORT: self.port,
            CONF_PROFILE: self.profile,
            CONF_HOST: self.host,
            CONF_MAC: self.mac,
        }
        return {key: value for key, value in values.items() if value is not None}


def is_what_it_seems(kind: SubentryType, result: ProbeResult) -> bool:
    """Whether an answer is that of this kind: an inverter may have no battery."""
    if kind is SubentryType.BATTERY:
        return result.values.get(STATE_OF_CHARGE) is not None
    return True
