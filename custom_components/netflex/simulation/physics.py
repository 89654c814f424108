"""The plant behind the wires: loads, sun, car, battery and their line currents.

Sign: power is positive into the thing named. Every part is stepped with the same
time step in s; randomness comes from one seeded generator, so that two plants
with the same seed and the same inputs stay equal.
"""

from cmath import exp, pi
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import exp as real_exp, sqrt
import random
from typing import Protocol

from ..model.connection import NOMINAL_VOLTAGE, GridType, power_of_current

STEP = 0.05
"""Step in s at which the plant is advanced."""

_LINE_RESISTANCE = 0.12
"""Ohm per conductor of the service cable: lets the voltage follow the load."""
_TURN = exp(-2j * pi / 3)
_UNIT_PHASORS = (1.0 + 0j, _TURN, _TURN * _TURN)


@dataclass(slots=True)
class Contactor:
    """A contactor in a feeder, driven by somebody's relay output."""

    name: str
    closed: bool = True


@dataclass(slots=True)
class BaseLoad:
    """Everything in the house that nobody controls, W per branch.

    Follows `level` (1 is the day's mean) with slow noise and a power factor.
    """

    generator: random.Random
    mean: tuple[float, float, float] = (700.0, 450.0, 550.0)
    level: float = 1.0
    noise: float = 0.06
    tangent_phi: float = 0.15
    _drift: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])

    def step(self, dt: float) -> None:
        """Let the noise wander (Ornstein-Uhlenbeck, time constant 20 s)."""
        keep = real_exp(-dt / 20)
        spread = self.noise * sqrt(1 - keep * keep)
        for index in range(3):
            self._drift[index] = keep * self._drift[index] + spread * (
                self.generator.gauss(0, 1)
            )

    def branches(self) -> tuple[complex, complex, complex]:
        """Return the complex power of each branch in VA."""
        return _triple(
            complex(power, power * self.tangent_phi)
            for power in (
                max(0.0, mean * self.level * (1 + drift))
                for mean, drift in zip(self.mean, self._drift, strict=True)
            )
        )


@dataclass(slots=True)
class Inverter:
    """A solar inverter: follows the sun below the ceiling it was given.

    `ceiling` in W is what its control interface allows, `connected` what its
    control interface wants, `feeder` the contactor that can take the grid away.
    After the grid returns it waits `reconnect_delay` s before it feeds again.
    """

    rated_power: float
    feeder: Contactor
    phases: int = 3
    sun: float = 0.0
    """Irradiance 0..1."""
    ceiling: float = float("inf")
    connected: bool = True
    reconnect_delay: float = 2.0
    power: float = 0.0
    """W, negative while it produces."""
    energy: float = 0.0
    """Wh produced."""
    _waited: float = 0.0

    @property
    def energised(self) -> bool:
        """Whether it sees the grid."""
        return self.feeder.closed

    def step(self, dt: float) -> None:
        """Move the production toward what sun, ceiling and grid allow."""
        if not (self.energised and self.connected):
            self._waited = 0.0
            if not self.energised:
                self.power = 0.0
            else:
                self.power = -_toward(-self.power, 0.0, 4 * self.rated_power * dt)
        else:
            self._waited += dt
            wanted = 0.0
            if self._waited >= self.reconnect_delay:
                wanted = min(self.sun * self.rated_power, max(0.0, self.ceiling))
            rate = 2.0 if wanted < -self.power else 0.25
            self.power = -_toward(-self.power, wanted, rate * self.rated_power * dt)
        self.energy += -self.power * dt / 3600

    def branches(self) -> tuple[complex, complex, complex]:
        """Return the complex power of each branch in VA."""
        return _spread(complex(self.power), self.phases, 0)


@dataclass(slots=True)
class ChargePoint:
    """A charger and the car on its cable, currents in A per phase.

    The car draws what it wants below what the charger offers, never 0 < I < 6 A
    (IEC 61851), wakes up slowly after a pause and lets go fast.
    """

    feeder: Contactor
    grid_type: GridType = GridType.STAR
    phases: int = 3
    first_branch: int = 0
    offered: float = 0.0
    plugged: bool = True
    wanted: float = 16.0
    wake_delay: float = 1.5
    current: float = 0.0
    energy: float = 0.0
    """Wh delivered to the car."""
    _awake: float = 0.0

    @property
    def charging(self) -> bool:
        """Whether current may flow: plugged, offered and the feeder closed."""
        return self.plugged and self.offered >= 6 and self.feeder.closed

    @property
    def power(self) -> float:
        """W drawn by the car."""
        return power_of_current(self.current, self.grid_type, self.phases)

    def step(self, dt: float) -> None:
        """Move the car's current toward what it is offered."""
        if not self.charging:
            self._awake = 0.0
            hard = not (self.plugged and self.feeder.closed)
            self.current = 0.0 if hard else _toward(self.current, 0.0, 40 * dt)
        else:
            self._awake += dt
            wanted = min(self.wanted, self.offered)
            if wanted < 6 or self._awake < self.wake_delay:
                wanted = 0.0
            rate = 20.0 if wanted < self.current else 8.0
            self.current = _toward(self.current, wanted, rate * dt)
        self.energy += self.power * dt / 3600

    def branches(self) -> tuple[complex, complex, complex]:
        """Return the complex power of each branch in VA."""
        return _spread(complex(self.power), self.phases, self.first_branch)


@dataclass(slots=True)
class Battery:
    """A battery with its converter: follows `target` W, charging positive."""

    rated_charge: float
    rated_discharge: float
    capacity: float
    """Wh."""
    feeder: Contactor
    state_of_charge: float = 55.0
    """%."""
    target: float = 0.0
    power: float = 0.0
    energy_charged: float = 0.0
    energy_discharged: float = 0.0
    efficiency: float = 0.96

    @property
    def max_charge(self) -> float:
        """W that it accepts now."""
        return 0.0 if self.state_of_charge >= 100 else self.rated_charge

    @property
    def max_discharge(self) -> float:
        """W, positive, that it delivers now."""
        return 0.0 if self.state_of_charge <= 0 else self.rated_discharge

    def step(self, dt: float) -> None:
        """Move power toward the target and account for the energy."""
        if not self.feeder.closed:
            self.power = 0.0
            return
        wanted = min(max(self.target, -self.max_discharge), self.max_charge)
        self.power = _toward(self.power, wanted, 15_000 * dt)
        energy = self.power * dt / 3600
        if energy > 0:
            self.energy_charged += energy
            stored = energy * self.efficiency
        else:
            self.energy_discharged -= energy
            stored = energy / self.efficiency
        charge = self.state_of_charge + 100 * stored / self.capacity
        self.state_of_charge = min(100.0, max(0.0, charge))

    def branches(self) -> tuple[complex, complex, complex]:
        """Return the complex power of each branch in VA."""
        return _spread(complex(self.power), 3, 0)


@dataclass(slots=True)
class Boiler:
    """A resistive water heater behind a contactor, on one branch."""

    contactor: Contactor
    rated_power: float = 2_400.0
    branch: int = 1
    temperature: float = 48.0
    """Degrees C."""
    thermostat: float = 65.0
    _heating: bool = True

    @property
    def power(self) -> float:
        """W drawn now."""
        return self.rated_power if self.contactor.closed and self._heating else 0.0

    def step(self, dt: float) -> None:
        """Heat 200 l of water, lose a little, obey the thermostat."""
        if self.temperature >= self.thermostat:
            self._heating = False
        elif self.temperature < self.thermostat - 4:
            self._heating = True
        heat_capacity = 200 * 4186
        losses = 1.5 * (self.temperature - 18)
        self.temperature += (self.power - losses) * dt / heat_capacity

    def branches(self) -> tuple[complex, complex, complex]:
        """Return the complex power of each branch in VA."""
        return _spread(complex(self.power), 1, self.branch)


class PlantPart(Protocol):
    """Whatever draws or feeds power behind the meter."""

    def step(self, dt: float) -> None:
        """Advance by `dt` s."""

    def branches(self) -> tuple[complex, complex, complex]:
        """Return the complex power of each branch in VA."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionState:
    """What flows at the connection point at one moment; import positive.

    Per line W, var, A (RMS, unsigned) and V as the site's meter would measure
    them; in a delta grid L2 is the reference, as Belgian meters do it: no power
    and no voltage of its own, but a current.
    """

    power: tuple[float, float, float]
    reactive_power: tuple[float, float, float]
    current: tuple[float, float, float]
    voltage: tuple[float, float, float]
    frequency: float

    @property
    def total_power(self) -> float:
        """W over all lines."""
        return sum(self.power)

    @property
    def total_reactive_power(self) -> float:
        """Var over all lines."""
        return sum(self.reactive_power)


@dataclass(slots=True)
class Plant:
    """The whole site: parts, grid type, and the sum that the meters see.

    In a delta grid a branch lies between two lines (L1-L2, L2-L3, L3-L1), in the
    other grids between a line and neutral.
    """

    grid_type: GridType
    parts: Sequence[PlantPart]
    generator: random.Random
    frequency: float = 50.0
    import_energy: float = 0.0
    """Wh since start."""
    export_energy: float = 0.0
    """Wh since start, positive."""
    connection: ConnectionState = field(init=False)

    def __post_init__(self) -> None:
        """Measure once, so that meters have something to show at once."""
        self.connection = self._measure()

    def step(self, dt: float) -> None:
        """Advance every part by `dt` s and measure."""
        for part in self.parts:
            part.step(dt)
        drift = self.generator.gauss(0, 0.002) - (self.frequency - 50) * 0.05
        self.frequency += drift * sqrt(dt)
        self.connection = self._measure()
        energy = self.connection.total_power * dt / 3600
        if energy > 0:
            self.import_energy += energy
        else:
            self.export_energy -= energy

    def _measure(self) -> ConnectionState:
        totals = [0j, 0j, 0j]
        for part in self.parts:
            for index, power in enumerate(part.branches()):
                totals[index] += power
        if self.grid_type is GridType.SINGLE_PHASE:
            totals = [sum(totals), 0j, 0j]
        if self.grid_type is GridType.DELTA:
            return self._measure_delta(totals)
        currents = [abs(power) / NOMINAL_VOLTAGE for power in totals]
        voltages = [
            NOMINAL_VOLTAGE - _LINE_RESISTANCE * power.real / NOMINAL_VOLTAGE
            for power in totals
        ]
        if self.grid_type is GridType.SINGLE_PHASE:
            voltages[1:] = [0.0, 0.0]
        return ConnectionState(
            power=_triple(power.real for power in totals),
            reactive_power=_triple(power.imag for power in totals),
            current=_triple(currents),
            voltage=_triple(voltages),
            frequency=self.frequency,
        )

    def _measure_delta(self, totals: Sequence[complex]) -> ConnectionState:
        """Measure with two elements against L2, as a delta meter does."""
        voltages = [NOMINAL_VOLTAGE * phasor for phasor in _UNIT_PHASORS]
        branch = [
            (power / voltage).conjugate()
            for power, voltage in zip(totals, voltages, strict=True)
        ]
        lines = [
            branch[0] - branch[2],
            branch[1] - branch[0],
            branch[2] - branch[1],
        ]
        first = voltages[0] * lines[0].conjugate()
        third = -voltages[1] * lines[2].conjugate()
        return ConnectionState(
            power=(first.real, 0.0, third.real),
            reactive_power=(first.imag, 0.0, third.imag),
            current=_triple(abs(current) for current in lines),
            voltage=(NOMINAL_VOLTAGE, 0.0, NOMINAL_VOLTAGE),
            frequency=self.frequency,
        )


def _toward(value: float, wanted: float, most: float) -> float:
    """Return `value` moved toward `wanted` by `most` at most."""
    if abs(wanted - value) <= most:
        return wanted
    return value + most if wanted > value else value - most


def _spread(
    power: complex, phases: int, first: int
) -> tuple[complex, complex, complex]:
    """Lay a power on one branch or evenly on all three."""
    if phases == 3:
        return power / 3, power / 3, power / 3
    return _triple(power if index == first else 0j for index in range(3))


def _triple[ValueT](values: Iterable[ValueT]) -> tuple[ValueT, ValueT, ValueT]:
    """Return three values as a tuple whose length the type checker knows."""
    first, second, third = values
    return first, second, third
