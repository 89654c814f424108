"""One simulated site: the plant, every device on its wire, and the tick.

The site is a house with a 3N400 (or 3x230, 1x230) connection: household, solar
inverter behind a contactor, charging station, battery, water heater. The relay
module's output 0 opens the inverter's contactor, and its input 1 is the circuit of a
stop button; the charging station has no relay.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
import random
import time

from ..model.connection import GridType
from . import day as day_module
from .annexe import Annexe
from .battery import GenericBattery
from .charger import AlfenSocket, AlfenStation
from .day import Day
from .inverter import SunSpecInverter
from .meter import MeterIdentity, P1Wire
from .modbus import ModbusWire, SimulatedUnit
from .physics import (
    STEP,
    BaseLoad,
    Battery,
    Boiler,
    ChargePoint,
    Contactor,
    Inverter,
    Plant,
)
from .relay import MeteringRelay, MoxaRelays
from .s1_meter import S1Wire, waveform_of
from .site_meter import Acuvim

METER = "meter"
S1 = "s1"
SITE_METER = "site_meter"
CHARGER = "charger"
INVERTER = "inverter"
BATTERY = "battery"
RELAY = "relay"
BOILER = "boiler"
ANNEXE = "annexe"
INSPECTION = "inspection"
"""Suffix of a device's second socket: same registers, but no client limit, never
unplugged. Real devices have no such thing; checks look through it."""

_MAX_CATCH_UP = 1.0
"""Most s of physics in one tick after the process was held up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteSettings:
    """How the simulated site is built. Ports by wire name; 0 or missing: any."""

    seed: int = 1
    grid_type: GridType = GridType.STAR
    host: str = "127.0.0.1"
    ports: Mapping[str, int] = field(default_factory=dict)
    solar_power: float = 12_000.0
    """W, rated."""
    battery_power: float = 5_000.0
    """W, both ways."""
    battery_capacity: float = 10_000.0
    """Wh."""
    boiler_power: float = 2_400.0
    """W."""
    safe_current: float = 6.0
    """A, of the charging station."""
    validity: float = 60.0
    """s that the charging station keeps a setpoint."""
    inverter_controls: int = 123
    """SunSpec model through which the inverter is limited: 123 or 704."""
    meter_version: int = 21
    """eMUCS-P1 version of the telegrams: 17 or 21."""
    current_ratio: float = 1.0
    """Current transformer ratio of the Acuvim."""
    charger_clients: int | None = 2
    """TCP clients that the charging station takes."""
    annexe: bool = False
    """Whether there is an annexe with devices of its own."""


class SimulatedSite:
    """Plant and wires; `start`, then `run` until cancelled, then `stop`."""

    def __init__(
        self,
        settings: SiteSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        utc: Callable[[], datetime] = lambda: datetime.now(UTC),
        day: Day | None = None,
    ) -> None:
        """Build everything; nothing listens yet."""
        self.settings = settings
        self.day = day
        self._clock = clock
        generator = random.Random(settings.seed)
        grid = settings.grid_type
        self.solar_contactor = Contactor("solar")
        self.household = BaseLoad(generator)
        self.solar = Inverter(
            settings.solar_power,
            self.solar_contactor,
            phases=1 if grid is GridType.SINGLE_PHASE else 3,
        )
        self.car = ChargePoint(
            Contactor("charger"),
            grid_type=grid,
            phases=1 if grid is not GridType.STAR else 3,
        )
        self.storage = Battery(
            settings.battery_power,
            settings.battery_power,
            settings.battery_capacity,
            Contactor("battery"),
        )
        self.boiler = Boiler(Contactor("boiler"), settings.boiler_power)
        self.annexe = Annexe(grid, generator) if settings.annexe else None
        parts = (self.household, self.solar, self.car, self.storage, self.boiler)
        self.plant = Plant(
            grid, parts if self.annexe is None else (*parts, self.annexe), generator
        )
        self.socket = AlfenSocket(
            self.car, safe_current=settings.safe_current, validity=settings.validity
        )
        self.inverter = SunSpecInverter(self.solar, controls=settings.inverter_controls)
        self.battery = GenericBattery(self.storage)
        self.relays = MoxaRelays({0: self.solar_contactor}, button=1)
        self.meter = P1Wire(
            plant=self.plant,
            identity=MeterIdentity(
                version=settings.meter_version, grid_type=settings.grid_type
            ),
            utc=utc,
            host=settings.host,
            port=settings.ports.get(METER, 0),
        )
        self.s1 = S1Wire(
            waveform=lambda: waveform_of(self.plant.connection, grid),
            grid_type=grid,
            frequency=lambda: self.plant.frequency,
            meter_id=self.meter.identity.serial,
            host=settings.host,
            port=settings.ports.get(S1, 0),
        )
        self.wires: dict[str, ModbusWire] = {}
        self._add(
            CHARGER,
            self.socket,
            AlfenStation(self.socket),
            max_clients=settings.charger_clients,
            idle_close=60.0,
        )
        self._add(INVERTER, self.inverter)
        self._add(BATTERY, self.battery)
        self._add(RELAY, self.relays)
        self._add(BOILER, MeteringRelay(self.boiler))
        self._add(SITE_METER, Acuvim(self.plant, current_ratio=settings.current_ratio))
        if self.annexe is not None:
            self._add(ANNEXE, *self.annexe.units)
        self._last = clock()
        self._next_telegram = self._last

    @property
    def ports(self) -> dict[str, int]:
        """Port of every wire by name."""
        ports = {name: wire.port for name, wire in self.wires.items()}
        return {METER: self.meter.port, S1: self.s1.port, **ports}

    def wire(self, name: str) -> ModbusWire | P1Wire | S1Wire:
        """Return a wire by name; KeyError where there is none."""
        if name == S1:
            return self.s1
        return self.meter if name == METER else self.wires[name]

    async def start(self) -> None:
        """Listen on every wire; OSError or RuntimeError where a port is taken."""
        await self.meter.plug()
        await self.s1.plug()
        for wire in self.wires.values():
            await wire.plug()

    async def stop(self) -> None:
        """Close every wire."""
        await self.meter.unplug()
        await self.s1.unplug()
        for wire in self.wires.values():
            await wire.unplug()

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            self.tick(self._clock())
            await asyncio.sleep(STEP)

    def tick(self, now: float) -> None:
        """Advance everything to a monotonic time."""
        if self.day is not None:
            self._follow(self.day.hour(now))
        for unit in (self.socket, self.inverter, self.battery):
            unit.tick(now)
        if self.annexe is not None:
            self.annexe.solar.sun = self.solar.sun
        passed = min(now - self._last, _MAX_CATCH_UP)
        self._last = now
        while passed > 0:
            self.plant.step(min(passed, STEP))
            passed -= STEP
        self.s1.tick(now)
        if now >= self._next_telegram:
            self._next_telegram = max(self._next_telegram + 1, now)
            self.meter.send()
            for wire in self.wires.values():
                wire.close_idle()

    def _follow(self, hour: float) -> None:
        self.solar.sun = day_module.sun(hour)
        self.household.level = day_module.household(hour)
        self.car.plugged = day_module.car_is_home(hour)

    def _add(
        self,
        name: str,
        *units: SimulatedUnit,
        max_clients: int | None = None,
        idle_close: float | None = None,
    ) -> None:
        settings = self.settings
        inspection = f"{name}.{INSPECTION}"
        self.wires[name] = ModbusWire(
            name=name,
            units=units,
            clock=self._clock,
            host=settings.host,
            port=settings.ports.get(name, 0),
            max_clients=max_clients,
            idle_close=idle_close,
        )
        self.wires[inspection] = ModbusWire(
            name=inspection,
            units=units,
            clock=self._clock,
            host=settings.host,
            port=settings.ports.get(inspection, 0),
        )
