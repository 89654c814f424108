"""A site in Home Assistant on real wires, as its config entry describes it."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from homeassistant.config_entries import ConfigSubentry, ConfigSubentryData
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.netflex.const import DOMAIN
from custom_components.netflex.simulation.household import SimulatedSite
from tests.peers.c104 import C104Rtu
from tests.site.bench import BATTERY_REGISTERS

LOOPBACK = "127.0.0.1"
LINES = ["L1", "L2", "L3"]
CONTRACT_KW = 20.0


def entry_data(port: int, **changes: Any) -> dict[str, Any]:
    return {
        "name": "Site",
        "grid_type": "3N400",
        "main_fuse": 63.0,
        "contract_consumption": CONTRACT_KW,
        "contract_injection": CONTRACT_KW,
        "contract_unit": "kW",
        "cos_phi": 1.0,
        "telecontrol": True,
        "bind_address": LOOPBACK,
        "port": port,
        "common_address": 100,
        "allowed_clients": [LOOPBACK],
        "allow_any_client": False,
    } | changes


def subentries(ports: Mapping[str, int]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Kind and data of every subentry of the simulated site, by title."""

    def device(wire: str, profile: str, **params: Any) -> dict[str, Any]:
        return {
            "source": "profile",
            "profile": profile,
            "host": LOOPBACK,
            "port": ports[wire],
            "params": params,
        }

    return {
        "Meter": (
            "meter",
            {
                "source": "p1",
                "port": f"socket://{LOOPBACK}:{ports['meter']}",
                "role": "connection_point",
            },
        ),
        "Charger": (
            "charger",
            device("charger", "alfen_ng9xx", socket=1)
            | {
                "phases": 3,
                "lines": LINES,
                "max_current": 32.0,
                "min_current": 6.0,
                "safe_current": 6.0,
                "priority": 0,
            },
        ),
        "Solar": (
            "inverter",
            device("inverter", "sunspec_inverter", unit=1)
            | {
                "rated_power": 12_000.0,
                "category": "solar",
                "phases": 3,
                "lines": LINES,
            },
        ),
        "Battery": (
            "battery",
            device("battery", "generic_battery", **BATTERY_REGISTERS)
            | {
                "rated_charge": 5_000.0,
                "rated_discharge": 5_000.0,
                "reserve": 10.0,
                "phases": 3,
                "lines": LINES,
            },
        ),
        "Boiler": (
            "load",
            {
                "source": "entity",
                "control_entity": "switch.boiler",
                "rated_power": 2_400.0,
                "priority": 1,
                "never_shed": False,
                "phases": 1,
                "lines": ["L1"],
            },
        ),
        "Solar contactor": (
            "relay",
            device("relay", "moxa_iologik_e1214", output=0)
            | {
                "stops": ["production"],
                "energised_when_stopped": True,
                "assets": [],
            },
        ),
    }


@dataclass(slots=True)
class SiteBench:
    """A loaded entry, the plant below it and an independent RTU above it."""

    hass: HomeAssistant
    plant: SimulatedSite
    entry: MockConfigEntry
    rtu: C104Rtu
    port: int

    async def connect(self) -> None:
        """Connect the RTU as soon as the station listens."""
        await self.until(
            lambda: self.state("binary_sensor", "operator_link") is not None
        )
        await self.until(self._listens)
        await self.rtu.connect(LOOPBACK, self.port)

    def _listens(self) -> bool:
        return bool(self.entry.runtime_data.coordinator.data.link.listening)

    async def until(self, condition: Callable[[], bool], seconds: float = 30.0) -> None:
        """Wait until a condition holds; fails loudly when it does not."""
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.01)

    def entity(self, platform: str, key: str, title: str | None = None) -> str | None:
        """Entity id by platform and the end of its unique id."""
        owner = self.subentry(title).subentry_id if title else self.entry.entry_id
        return er.async_get(self.hass).async_get_entity_id(
            platform, DOMAIN, f"{owner}_{key}"
        )

    def state(self, platform: str, key: str, title: str | None = None) -> str | None:
        entity_id = self.entity(platform, key, title)
        state = self.hass.states.get(entity_id) if entity_id else None
        return state.state if state else None

    def subentry(self, title: str) -> ConfigSubentry:
        return next(
            item for item in self.entry.subentries.values() if item.title == title
        )

    def boiler_on(self) -> bool:
        return self.plant.boiler.contactor.closed

    def coil(self) -> bool:
        return self.plant.relays.energised(0)

    def charger_register(self) -> float:
        return self.plant.socket.setpoint

    def grid_power(self) -> float:
        return self.plant.plant.connection.total_power

    async def add(self, title: str) -> None:
        """Add a subentry of the simulated site while the site runs."""
        kind, data = subentries(self.plant.ports)[title]
        self.hass.config_entries.async_add_subentry(
            self.entry,
            ConfigSubentry(
                data=MappingProxyType(data),
                subentry_type=kind,
                title=title,
                unique_id=None,
            ),
        )
        await self.hass.async_block_till_done(wait_background_tasks=False)

    async def remove(self, title: str) -> None:
        self.hass.config_entries.async_remove_subentry(
            self.entry, self.subentry(title).subentry_id
        )
        await self.hass.async_block_till_done(wait_background_tasks=False)


async def boiler_switch(hass: HomeAssistant, port: int) -> None:
    """An ordinary switch of another integration, on a Modbus wire of its own."""
    assert await async_setup_component(
        hass,
        "modbus",
        {
            "modbus": [
                {
                    "name": "boiler",
                    "type": "tcp",
                    "host": LOOPBACK,
                    "port": port,
                    "switches": [
                        {
                            "name": "Boiler",
                            "address": 0,
                            "slave": 1,
                            "write_type": "coil",
                            "verify": {"delay": 0},
                            "scan_interval": 0,
                        }
                    ],
                }
            ]
        },
    )


def make_entry(
    plant: SimulatedSite, port: int, *, without: tuple[str, ...] = ()
) -> MockConfigEntry:
    return MockConfigEntry(
        domain=DOMAIN,
        title="Site",
        data=entry_data(port),
        subentries_data=[
            ConfigSubentryData(
                subentry_type=kind, title=title, unique_id=None, data=data
            )
            for title, (kind, data) in subentries(plant.ports).items()
            if title not in without
        ],
    )
