"""An annexe with devices of its own behind one small controller as a Modbus server.

A single-phase charger with a car, a small inverter behind a contactor, a battery, a
cold store that may refuse to run, and a meter of it all. Other integrations reach them
as ordinary registers, which is how a site gets devices that are only entities.

Unit 1, the controller:

| space | address | type | unit | access | meaning |
|---|---|---|---|---|---|
| holding | 0 | u16 | A | R/W | limit of the charger, below 6 pauses it |
| holding | 1 | u16 | % | R/W | limit of the inverter |
| holding | 2 | s16 | W | R/W | target of the battery, charging positive |
| input | 0 | s16 | W | R | power of the charger |
| input | 1 | s16 | W | R | power of the inverter, producing negative |
| input | 2 | s16 | W | R | power of the battery, charging positive |
| input | 3 | u16 | % | R | state of charge |
| input | 4 | u16 | 0.01 A | R | current of the inverter |
| input | 5 | u16 | 0.1 V | R | voltage at the inverter |
| coil | 0 | | | R/W | contactor of the inverter: off opens it |

Unit 2, the cold store's own controller, which takes a request or refuses it:

| space | address | type | unit | access | meaning |
|---|---|---|---|---|---|
| holding | 0 | u16 | | R/W | request: 1 may run, 0 must not |
| holding | 1 | u16 | | R | accepted |
| holding | 2 | u16 | | R | cause of a refusal: 0 none, 7 its door is open |
| holding | 3 | u16 | | R/W | heartbeat of whoever requests |
| holding | 4 | u16 | W | R | power |

Unit 3 is an Acuvim II.
"""

import random
from typing import override

from pymodbus.constants import ExcCodes

from ..model.connection import NOMINAL_VOLTAGE, GridType
from .modbus import SimulatedUnit
from .physics import Battery, Boiler, ChargePoint, Contactor, Inverter, Plant
from .site_meter import Acuvim

DOOR_OPEN = 7

_CHARGER_LIMIT, _INVERTER_LIMIT, _BATTERY_TARGET = 0, 1, 2
_REQUEST, _ACCEPTED, _CAUSE, _HEARTBEAT, _POWER = range(5)
_CAR = 10.0
"""A that the car wants."""


class Annexe:
    """The parts of the annexe; itself one part of the site's plant."""

    def __init__(self, grid_type: GridType, generator: random.Random) -> None:
        """Build everything at rest."""
        self.solar_contactor = Contactor("annexe solar")
        self.car = ChargePoint(
            Contactor("annexe charger"), grid_type, phases=1, wanted=_CAR
        )
        self.solar = Inverter(2_000.0, self.solar_contactor, phases=1)
        self.storage = Battery(1_500.0, 1_500.0, 3_000.0, Contactor("annexe battery"))
        self.cold_store = Boiler(Contactor("cold store", closed=False), 600.0, branch=2)
        self.plant = Plant(
            grid_type,
            (self.car, self.solar, self.storage, self.cold_store),
            generator,
        )
        self.units = (
            AnnexeController(self),
            ColdStoreController(self.cold_store),
            Acuvim(self.plant, unit=3),
        )

    def step(self, dt: float) -> None:
        """Advance every part."""
        self.plant.step(dt)

    def branches(self) -> tuple[complex, complex, complex]:
        """Return the complex power of each branch in VA."""
        first, second, third = 0j, 0j, 0j
        for part in self.plant.parts:
            one, two, three = part.branches()
            first, second, third = first + one, second + two, third + three
        return first, second, third


class AnnexeController(SimulatedUnit):
    """The registers of the annexe's charger, inverter, battery and contactor."""

    def __init__(self, annexe: Annexe, *, unit: int = 1) -> None:
        """Start with nothing limited and the battery at rest."""
        super().__init__(unit)
        self._annexe = annexe
        self.holding.put(_CHARGER_LIMIT, [round(_CAR), 100, 0])
        self.inputs.fill(0, 6)
        self.coils.fill(0, 1, 1)
        self._apply()
        self.refresh(0.0)

    @override
    def refresh(self, now: float) -> None:
        annexe = self._annexe
        for address, value in enumerate(
            (annexe.car.power, annexe.solar.power, annexe.storage.power)
        ):
            self.inputs.pack(address, "h", value)
        amps = abs(annexe.solar.power) / NOMINAL_VOLTAGE
        self.inputs.pack(3, "H", annexe.storage.state_of_charge)
        self.inputs.pack(4, "H", 100 * amps)
        self.inputs.pack(5, "H", 10 * annexe.plant.connection.voltage[0])

    @override
    def write(
        self, space: str, address: int, values: list[int], now: float
    ) -> ExcCodes | None:
        self.space(space).put(address, values)
        self._apply()
        return None

    def _apply(self) -> None:
        annexe = self._annexe
        annexe.car.offered = self.holding.unpack(_CHARGER_LIMIT, "H")
        share = self.holding.unpack(_INVERTER_LIMIT, "H") / 100
        annexe.solar.ceiling = share * annexe.solar.rated_power
        annexe.storage.target = self.holding.unpack(_BATTERY_TARGET, "h")
        annexe.solar_contactor.closed = self.coils.get(0, 1) == [1]


class ColdStoreController(SimulatedUnit):
    """The cold store's own controller: it runs when asked, unless its door is open."""

    def __init__(self, cold_store: Boiler, *, unit: int = 2) -> None:
        """Start with nothing asked."""
        super().__init__(unit)
        self._cold_store = cold_store
        self.door_open = False
        self.holding.fill(_REQUEST, 5)
        self.refresh(0.0)

    @override
    def refresh(self, now: float) -> None:
        runs = self.holding.get(_REQUEST, 1) == [1] and not self.door_open
        self._cold_store.contactor.closed = runs
        refused = self.door_open and self.holding.get(_REQUEST, 1) == [1]
        self.holding.put(_ACCEPTED, [int(not refused), DOOR_OPEN if refused else 0])
        self.holding.put(_POWER, [round(self._cold_store.power)])

    @override
    def write(
        self, space: str, address: int, values: list[int], now: float
    ) -> ExcCodes | None:
        if address not in {_REQUEST, _HEARTBEAT}:
            return ExcCodes.ILLEGAL_ADDRESS
        self.holding.put(address, values)
        self.refresh(now)
        return None
