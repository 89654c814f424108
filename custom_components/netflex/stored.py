"""What is kept over a restart beside the operator's orders.

Version 2 holds the names of all that holds a local stop; version 1 knew one name
per direction. A newer version is refused by Home Assistant's store.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, override

from homeassistant.core import HomeAssistant
from homeassistant.helpers.storage import Store

from .const import DOMAIN, LOGGER
from .control.codec import decode, encode
from .control.memory import Memory, from_dict, to_dict
from .metering import demand_store
from .metering.demand import DemandMemory
from .model.asset import Direction
from .model.flexibility import Followed, Season
from .model.orders import NO_LOCAL_STOPS, LocalStops
from .model.snapshot import Override
from .site import commissioning_record
from .site.commissioning_record import Results
from .site.flexibility import Counts
from .site.view import LearnedFallback

STORE_VERSION: Final = 2


class SiteStore(Store[dict[str, Any]]):
    """The file of one site."""

    def __init__(self, hass: HomeAssistant, entry_id: str) -> None:
        """Name the file; nothing is read yet."""
        super().__init__(hass, STORE_VERSION, f"{DOMAIN}.{entry_id}")

    @override
    async def _async_migrate_func(
        self, old_major_version: int, old_minor_version: int, old_data: dict[str, Any]
    ) -> dict[str, Any]:
        """Turn the one holder per direction of version 1 into a list."""
        one = old_data.get("local_stops", {})
        holders = {
            direction.value: [one[direction.value]]
            for direction in Direction
            if one.get(direction.value) is not None
        }
        return old_data | {"local_stops": holders}


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteMemory:
    """What a site goes on with after a restart."""

    local_stops: LocalStops = NO_LOCAL_STOPS
    memory: Memory | None = None
    demand: Mapping[str, DemandMemory] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """The running quarter hour and its month, by meter."""
    locked: frozenset[str] = frozenset()
    """Assets that are locked out for maintenance."""
    fallbacks: Mapping[str, LearnedFallback] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """What devices were seen to do when they were left alone, by asset."""
    overrides: Mapping[str, Override] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """What holds for a while in place of modes, by asset; their ends are UTC."""
    commissioned: Results = field(default_factory=lambda: MappingProxyType({}))
    """What commissionings have shown."""
    left_off: Mapping[str, str | None] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """Loads that the site has switched off, each with what holds it off besides."""
    flexibility: Counts = field(default_factory=lambda: MappingProxyType({}))
    """Which commands of sources outside loads followed, by load and season."""

    def to_dict(self) -> dict[str, Any]:
        """Return the stored form."""
        stops = {
            direction.value: sorted(self.local_stops.holders(direction))
            for direction in Direction
        }
        memory = None if self.memory is None else to_dict(self.memory)
        return {
            "local_stops": stops,
            "memory": memory,
            "demand": demand_store.to_dict(self.demand),
            "locked": sorted(self.locked),
            "fallbacks": {
                asset_id: {
                    "value": learned.value,
                    "after": learned.after,
                    "at": learned.at.isoformat(),
                }
                for asset_id, learned in self.fallbacks.items()
            },
            "overrides": encode(self.overrides),
            "commissioned": commissioning_record.to_dict(self.commissioned.values()),
            "left_off": dict(self.left_off),
            "flexibility": encode(self.flexibility),
        }


def read_site_memory(stored: dict[str, Any] | None) -> SiteMemory:
    """Return what was stored; an unknown form of the decision's memory starts anew."""
    if stored is None:
        return SiteMemory()
    stops = stored.get("local_stops", {})
    return SiteMemory(
        local_stops=LocalStops(
            production=frozenset(stops.get("production", ())),
            consumption=frozenset(stops.get("consumption", ())),
        ),
        memory=_memory(stored.get("memory")),
        demand=_demand(stored.get("demand")),
        locked=frozenset(map(str, stored.get("locked", ()))),
        fallbacks=_fallbacks(stored.get("fallbacks", {})),
        overrides=_overrides(stored.get("overrides", {})),
        commissioned=_commissioned(stored.get("commissioned")),
        left_off=dict(stored.get("left_off", {})),
        flexibility=_flexibility(stored.get("flexibility", {})),
    )


def _flexibility(stored: dict[str, Any]) -> Counts:
    try:
        return decode(dict[str, dict[Season, Followed]], stored)
    except ValueError as err:
        LOGGER.warning("What loads followed is not used as it was stored: %s", err)
        return {}


def _overrides(stored: dict[str, Any]) -> Mapping[str, Override]:
    try:
        return decode(dict[str, Override], stored)
    except ValueError as err:
        LOGGER.warning("The stored overrides are not used: %s", err)
        return {}


def _commissioned(stored: dict[str, Any] | None) -> Results:
    if stored is None:
        return {}
    try:
        return commissioning_record.from_dict(stored)
    except ValueError as err:
        LOGGER.warning("The stored results of commissionings are not used: %s", err)
        return {}


def _fallbacks(stored: dict[str, Any]) -> dict[str, LearnedFallback]:
    try:
        return {
            asset_id: LearnedFallback(
                value=None if item["value"] is None else float(item["value"]),
                after=float(item["after"]),
                at=datetime.fromisoformat(item["at"]),
            )
            for asset_id, item in stored.items()
        }
    except (AttributeError, KeyError, TypeError, ValueError) as err:
        LOGGER.warning("The stored fallbacks of devices are not used: %s", err)
        return {}


def _memory(stored: dict[str, Any] | None) -> Memory | None:
    if stored is None:
        return None
    try:
        return from_dict(stored)
    except (KeyError, TypeError, ValueError) as err:
        LOGGER.warning("The stored memory of the decision is not used: %s", err)
        return None


def _demand(stored: dict[str, Any] | None) -> dict[str, DemandMemory]:
    if stored is None:
        return {}
    try:
        return demand_store.from_dict(stored)
    except ValueError as err:
        LOGGER.warning("The stored demand is not used: %s", err)
        return {}
