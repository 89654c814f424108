"""Which entities of Home Assistant say what a series of readings says.

The site's own entities come first: they show the very values that are kept. Where those
were not there, the entities that a meter or a device is made of say the same.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er

from .const import DOMAIN
from .devices.profile_parts import LOAD_NEGATIVE
from .entry_meter import CONF_DIRECTION
from .model.asset import Asset, Nature
from .site.config import MeterConfig, SiteConfig
from .telemetry import stored_flows as keys

_MARKET: Final = {
    keys.IMPORT_PRICE: ("import_price", 1000.0),
    keys.EXPORT_PRICE: ("export_price", 1000.0),
    keys.IMBALANCE_PRICE: ("imbalance_price", 1.0),
    keys.IMBALANCE_VOLUME: ("imbalance_volume", 1.0),
}
"""Own sensors of the site, and how often their unit goes into that of the series."""
_COUNTERS: Final = ("energy_import", "energy_export")
_OWN_ENERGY: Final[Mapping[Nature, Mapping[str, str]]] = {
    Nature.CHARGER: {"energy_consumed": "energy_consumed"},
    Nature.LOAD: {"energy_consumed": "energy_consumed"},
    Nature.INVERTER: {"energy_produced": "energy_produced"},
    Nature.BATTERY: {
        "energy_consumed": "energy_charged",
        "energy_produced": "energy_discharged",
    },
}
"""Keys of the sensors of an asset's counters, by the counter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One entity in a sum. `measure` is the unit it is brought to; None: as it is."""

    entity_id: str
    factor: float = 1.0
    measure: str | None = None
    magnitude: bool = False
    """Only its size counts, whatever its sign."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Formula:
    """A sum of entities that is a series; never below `least`."""

    terms: tuple[Term, ...]
    least: float | None = None

    def times(self, factor: float) -> tuple[Term, ...]:
        """Return the terms of a multiple."""
        return tuple(replace(term, factor=term.factor * factor) for term in self.terms)


type Formulas = dict[str, list[Formula]]
"""By the key of a series, the best first."""


class Sources:
    """The entities of one site as it is configured now."""

    def __init__(self, hass: HomeAssistant, entry_id: str, config: SiteConfig) -> None:
        """Look entities up in the registry."""
        self._registry = er.async_get(hass)
        self._entry_id = entry_id
        self._config = config

    def formulas(self, site_meter: str | None) -> Formulas:
        """Return what every series can be filled from; `site_meter` is the counting one."""
        found: Formulas = {}
        for meter in self._config.meters:
            found |= self._of_meter(meter)
        for asset in self._config.assets.values():
            found |= self._of_asset(asset)
        for key, (name, factor) in _MARKET.items():
            found[key] = list(self._own(self._entry_id, name, None, factor))
        found[keys.GRID] = found.get(f"meter.{site_meter}.power", [])
        assets = self._config.assets.values()
        batteries = [item for item in assets if item.nature is Nature.BATTERY]
        inverters = [item for item in assets if item.nature is Nature.INVERTER]
        found[keys.BATTERY] = _sum(
            found, ((f"asset.{a.id}.power", 1) for a in batteries)
        )
        found[keys.PRODUCTION] = _sum(
            found, ((f"asset.{a.id}.power", -1) for a in inverters), least=0.0
        )
        if all(item.capacity is not None for item in batteries):
            found[keys.STORED] = _sum(
                found,
                (
                    (f"asset.{a.id}.state_of_charge", (a.capacity or 0.0) / 100)
                    for a in batteries
                ),
            )
        return {key: formulas for key, formulas in found.items() if formulas}

    def _own(
        self, subject: str, name: str, measure: str | None, factor: float = 1.0
    ) -> Iterator[Formula]:
        entity_id = self._registry.async_get_entity_id(
            "sensor", DOMAIN, f"{subject}_{name}"
        )
        if entity_id is not None:
            term = Term(entity_id=entity_id, factor=factor, measure=measure)
            yield Formula(terms=(term,))

    def _foreign(
        self,
        roles: Mapping[str, str],
        measure: str,
        *signed: tuple[str, float],
        magnitude: bool = False,
    ) -> Iterator[Formula]:
        """Yield the sum of entities by their role, if all of them are there."""
        terms = []
        for role, factor in signed:
            reference = roles.get(role)
            entity_id = (
                None
                if reference is None
                else er.async_resolve_entity_id(self._registry, reference)
            )
            if entity_id is None:
                return
            terms.append(
                Term(
                    entity_id=entity_id,
                    factor=factor,
                    measure=measure,
                    magnitude=magnitude,
                )
            )
        if terms:
            yield Formula(terms=tuple(terms))

    def _of_meter(self, meter: MeterConfig) -> Formulas:
        place, device = f"meter.{meter.meter_id}", meter.device
        found = {f"{place}.power": list(self._own(meter.meter_id, "power", "W"))}
        for name in _COUNTERS:
            found[f"{place}.{name}"] = list(self._own(meter.meter_id, name, "Wh"))
        if device is None or not (roles := device.entities):
            return found
        sign = -1.0 if device.params.get(CONF_DIRECTION) == LOAD_NEGATIVE else 1.0
        lines = [role for role in roles if role.startswith("power_l")]
        signed = [(role, sign) for role in (["power"] if "power" in roles else lines)]
        if "power_export" in roles:
            signed.append(("power_export", -1.0))
        found[f"{place}.power"] += self._foreign(roles, "W", *signed)
        for name in _COUNTERS:
            found[f"{place}.{name}"] += self._foreign(roles, "Wh", (name, 1.0))
        return found

    def _of_asset(self, asset: Asset) -> Formulas:
        place = f"asset.{asset.id}"
        inverter = asset.nature is Nature.INVERTER
        name, sign = ("production", -1.0) if inverter else ("power", 1.0)
        found = {
            f"{place}.power": list(self._own(asset.id, name, "W", sign)),
            f"{place}.state_of_charge": list(
                self._own(asset.id, "state_of_charge", "%")
            ),
        }
        own = _OWN_ENERGY.get(asset.nature, {})
        for counter, key in own.items():
            found[f"{place}.{counter}"] = list(self._own(asset.id, key, "Wh"))
        roles = self._roles(asset.id)
        # An inverter's sensor counts production whatever its sign.
        found[f"{place}.power"] += self._foreign(
            roles, "W", ("power", sign), magnitude=inverter
        )
        found[f"{place}.state_of_charge"] += self._foreign(roles, "%", ("soc", 1.0))
        for counter in own:
            found[f"{place}.{counter}"] += self._foreign(roles, "Wh", (counter, 1.0))
        return found

    def _roles(self, asset_id: str) -> Mapping[str, str]:
        for device in self._config.devices:
            if device.device_id == asset_id:
                return device.entities
        return {}


def _sum(
    found: Formulas, parts: Iterable[tuple[str, float]], *, least: float | None = None
) -> list[Formula]:
    """Return sums of series: of the best formula of each, and of the last of each.

    [] if one has none.
    """
    given = [(found.get(key, []), factor) for key, factor in parts]
    if not given or not all(formulas for formulas, _ in given):
        return []
    sums = [
        Formula(
            terms=tuple(
                term
                for formulas, factor in given
                for term in formulas[which].times(factor)
            ),
            least=least,
        )
        for which in (0, -1)
    ]
    return sums if sums[0] != sums[1] else sums[:1]
