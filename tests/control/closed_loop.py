"""A small physical site that runs the decision in closed loop, in fast time.

Devices obey late, the meter is noisy, and every device is asked at a moment of its
own, a little before the meter's. One step is one second unless told otherwise.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random

from custom_components.netflex.control.decide import decide
from custom_components.netflex.control.memory import EMPTY, Memory
from custom_components.netflex.model.asset import (
    Asset,
    AssetState,
    ChargerState,
    Nature,
)
from custom_components.netflex.model.connection import GridType, Line, LineValues
from custom_components.netflex.model.demand import QUARTER, QuarterDemand
from custom_components.netflex.model.orders import NO_ORDERS, GridOrders
from custom_components.netflex.model.plan import Plan
from custom_components.netflex.model.reading import MeterReading, MonthPeak
from custom_components.netflex.model.remote import RemoteCommand
from custom_components.netflex.model.snapshot import (
    Clock,
    SiteModel,
    Snapshot,
    UserLimits,
)

from .sites import START

INDEX = {Line.L1: 0, Line.L2: 1, Line.L3: 2}


@dataclass(kw_only=True)
class Device:
    """One asset as it behaves: late, measured now and then, not always answering."""

    asset: Asset
    delay: float = 2.0
    """s until a setpoint is followed."""
    poll: float = 1.0
    """s between two answers."""
    measures: bool = True
    online: Callable[[float], bool] = lambda _: True
    told: float | None = None
    power: float = 0.0
    answer: AssetState | None = None
    asked: float = -1e9
    on_the_way: deque[tuple[float, float | None]] = field(default_factory=deque)

    def tell(self, at: float, value: float | None) -> None:
        """Take a setpoint that will be followed later."""
        newest = self.on_the_way[-1][1] if self.on_the_way else self.told
        if value != newest or not (self.on_the_way or self.told is not None):
            self.on_the_way.append((at + self.delay, value))

    def tell_phases(self, at: float, phases: int | None) -> None:
        """Take a number of phases, where it has a choice."""

    def move(self, at: float, seconds: float) -> None:
        """Follow what has arrived."""
        while self.on_the_way and self.on_the_way[0][0] <= at:
            self.told = self.on_the_way.popleft()[1]
        self.power = self.physics(at, seconds)

    def physics(self, at: float, seconds: float) -> float:
        """Return the power in W that flows now."""
        raise TypeError(f"{type(self).__name__} has no physics of its own")

    def details(self, at: float) -> dict[str, object]:
        """Return what it says besides its power."""
        return {}

    def currents(self) -> list[float]:
        """Return the signed A on the three lines."""
        result = [0.0, 0.0, 0.0]
        lines = self.lines()
        for line in lines:
            result[INDEX[line]] = self.power / self.watts(len(lines))
        return result

    def lines(self) -> tuple[Line, ...]:
        """Return the lines in use."""
        return self.asset.lines

    grid: GridType = GridType.STAR

    def watts(self, lines: int) -> float:
        """Return the W of 1 A on each line in use."""
        if self.grid is GridType.DELTA:
            return 230.0 if lines < 3 else 230.0 * 3**0.5
        return 230.0 * lines

    def ask(self, at: float) -> AssetState:
        """Return its newest answer, asking again when it is due."""
        if not self.online(at):
            return AssetState(asset_id=self.asset.id, available=False)
        if self.answer is None or at - self.asked >= self.poll - 1e-6:
            self.asked = at
            lines = dict(zip(Line, map(abs, self.currents()), strict=True))
            self.answer = AssetState(
                asset_id=self.asset.id,
                available=True,
                at=at,
                power=self.power if self.measures else None,
                currents=(
                    LineValues.of({line: lines[line] for line in self.asset.lines})
                    if self.measures
                    else LineValues()
                ),
                **self.details(at),  # type: ignore[arg-type]
            )
        return self.answer


@dataclass(kw_only=True)
class Car(Device):
    """A charger with a car that takes up to `appetite` A on its own lines."""

    appetite: Callable[[float], float] = lambda _: 32.0
    phases: tuple[Line, ...] | None = None

    def lines(self) -> tuple[Line, ...]:
        return self.phases or self.asset.lines

    def physics(self, at: float, seconds: float) -> float:
        limit = self.told or 0.0
        wanted = self.appetite(at)
        amps = min(limit, wanted) if limit >= 6 else 0.0
        return amps * self.watts(len(self.lines()))

    def details(self, at: float) -> dict[str, object]:
        if self.appetite(at) <= 0:
            return {"charger_state": ChargerState.IDLE}
        busy = self.power > 0
        return {
            "charger_state": ChargerState.CHARGING if busy else ChargerState.CONNECTED,
            "current_limit": self.told,
        }


@dataclass(kw_only=True)
class SwitchingCar(Car):
    """A charger that pauses, changes its phases and rests, all by itself."""

    rest: float = 20.0
    used: int = 3
    resting_until: float = -1.0
    switches: list[tuple[float, int]] = field(default_factory=list)

    def lines(self) -> tuple[Line, ...]:
        lines = super().lines()
        return lines[:1] if self.used == 1 else lines

    def tell_phases(self, at: float, phases: int | None) -> None:
        if phases is not None and phases != self.used:
            self.used = phases
            self.resting_until = at + self.rest
            self.switches.append((at, phases))

    def physics(self, at: float, seconds: float) -> float:
        return 0.0 if at < self.resting_until else super().physics(at, seconds)

    def details(self, at: float) -> dict[str, object]:
        return {**super().details(at), "phase_choices": (1, 3)}


@dataclass(kw_only=True)
class Store(Device):
    """A battery with a state of charge."""

    charge: float = 50.0
    capacity: float = 10_000.0
    efficiency: float = 1.0
    """Of charging."""

    def physics(self, at: float, seconds: float) -> float:
        power = self.told or 0.0
        power = min(
            max(power, -self.asset.rated_production), self.asset.rated_consumption
        )
        if (power > 0 and self.charge >= 100) or (power < 0 and self.charge <= 0):
            power = 0.0
        stored = power * self.efficiency if power > 0 else power
        self.charge += stored * seconds / 3600 / self.capacity * 100
        return power

    def details(self, at: float) -> dict[str, object]:
        return {"state_of_charge": self.charge}


@dataclass(kw_only=True)
class Sun(Device):
    """An inverter: the sun, up to its limit."""

    sun: Callable[[float], float] = lambda _: 0.0

    def physics(self, at: float, seconds: float) -> float:
        limit = self.asset.rated_production if self.told is None else self.told
        return -min(limit, self.sun(at), self.asset.rated_production)


@dataclass(kw_only=True)
class Switched(Device):
    """A load behind a switch, on at the start."""

    duty: Callable[[float], bool] = lambda _: True

    def __post_init__(self) -> None:
        self.told = 1.0

    def physics(self, at: float, seconds: float) -> float:
        return self.asset.rated_consumption if self.told and self.duty(at) else 0.0

    def details(self, at: float) -> dict[str, object]:
        return {"enabled": bool(self.told)}


@dataclass(kw_only=True)
class Sample:
    """One second: true flows and the plan."""

    at: float
    power: float
    currents: tuple[float, float, float]
    plan: Plan
    devices: dict[str, float]
    charges: dict[str, float] = field(default_factory=dict)
    """% of the batteries."""


@dataclass(kw_only=True)
class Loop:
    """A site in closed loop."""

    site: SiteModel
    devices: list[Device]
    base: Callable[[float], tuple[float, float, float]] = lambda _: (
        500.0,
        500.0,
        500.0,
    )
    """W of each line that nothing controls."""
    orders: Callable[[float], GridOrders] = lambda _: NO_ORDERS
    user: Callable[[float], dict[str, UserLimits]] = lambda _: {}
    remote: Callable[[float], dict[str, tuple[RemoteCommand, ...]]] = lambda _: {}
    known: Callable[[float], dict[str, object]] = lambda _: {}
    """What else a snapshot knows: prices, dispatches, the frequency."""
    signals: dict[str, Callable[[float], float]] = field(default_factory=dict)
    """What a chart shows besides, by name and unit."""
    meter_works: Callable[[float], bool] = lambda _: True
    noise: float = 10.0
    """W, standard deviation of the meter's sample."""
    latency: float = 0.0
    """s that the meter's figures are older than their arrival."""
    unsigned: bool = False
    synchronised: bool = True
    month_peak: float = 0.0
    """W that the month has reached; the loop's own quarters raise it."""
    quarters: list[float] = field(default_factory=list)
    """W of each finished quarter hour."""
    step: float = 1.0
    seed: int = 1
    memory: Memory = EMPTY
    samples: list[Sample] = field(default_factory=list)
    now: float = 1000.0
    newest: MeterReading | None = None
    _quarter_start: datetime | None = None
    _imported: float = 0.0
    _random: Random = field(init=False)
    _past: deque[tuple[float, float, tuple[float, float, float]]] = field(
        default_factory=deque
    )

    def __post_init__(self) -> None:
        STARTED.append(self)
        self._random = Random(self.seed)
        for device in self.devices:
            device.grid = self.site.connection.grid_type
            device.move(self.now, 0.0)

    def quarter(self, power: float) -> QuarterDemand:
        """Count the import of this step; return the running quarter as a meter does."""
        at = START + timedelta(seconds=self.now)
        start = at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0)
        if start != self._quarter_start:
            if self._quarter_start is not None:
                self.quarters.append(self._imported / QUARTER)
                self.month_peak = max(self.month_peak, self.quarters[-1])
            self._quarter_start, self._imported = start, 0.0
        self._imported += max(0.0, power) * self.step
        return QuarterDemand(
            start=start,
            elapsed=(at - start).total_seconds(),
            average=self._imported / QUARTER,
            power=max(0.0, power),
            complete=True,
            month_peak=MonthPeak(power=self.month_peak, at=None),
        )

    def flows(self) -> tuple[float, tuple[float, float, float]]:
        """Return the true power and signed currents at the connection point."""
        base = self.base(self.now)
        delta = self.site.connection.grid_type is GridType.DELTA
        per = 230.0 / 3**0.5 if delta else 230.0
        currents = [
            value / per / (3 if delta else 1) * (3 if delta else 1) for value in base
        ]
        power = sum(base)
        for device in self.devices:
            power += device.power
            for index, value in enumerate(device.currents()):
                currents[index] += value
        return power, (currents[0], currents[1], currents[2])

    def run(self, seconds: float) -> list[Sample]:
        """Run for some time; return the samples of that time."""
        first = len(self.samples)
        end = self.now + seconds
        while self.now < end - 1e-6:
            self.tick()
        return self.samples[first:]

    def tick(self) -> None:
        """Run one step: physics, the devices' answers, the meter, a decision."""
        self.now += self.step
        states = {}
        for device in self.devices:
            answer = device.ask(self.now - min(self.step, 1.0) * 0.4)
            states[device.asset.id] = answer
            device.move(self.now, self.step)
        power, currents = self.flows()
        self._past.append((self.now, power, currents))
        while len(self._past) > 1 and self._past[1][0] <= self.now - self.latency:
            self._past.popleft()
        if self.meter_works(self.now):
            self.newest = self._read(*self._past[0][1:])
        quarter = self.quarter(power)
        snapshot = Snapshot(
            orders=self.orders(self.now),
            reading=self.newest,
            states=states,
            user=self.user(self.now),
            remote=self.remote(self.now),
            quarter=quarter,
            **self.known(self.now),  # type: ignore[arg-type]
        )
        clock = Clock(
            monotonic=self.now,
            utc=START + timedelta(seconds=self.now),
            synchronised=self.synchronised,
        )
        plan, self.memory = decide(self.site, snapshot, self.memory, clock)
        self.decided(snapshot, clock, plan)
        for device in self.devices:
            if (setpoint := plan.setpoints.get(device.asset.id)) is not None:
                if device.online(self.now):
                    device.tell_phases(self.now, setpoint.phases)
                    device.tell(self.now, setpoint.value)
        self.samples.append(
            Sample(
                at=self.now,
                power=power,
                currents=currents,
                plan=plan,
                devices={d.asset.id: d.power for d in self.devices},
                charges={
                    d.asset.id: d.charge for d in self.devices if isinstance(d, Store)
                },
            )
        )

    def decided(self, snapshot: Snapshot, clock: Clock, plan: Plan) -> None:
        """Be told what each decision was taken with."""

    def _read(self, power: float, currents: tuple[float, float, float]) -> MeterReading:
        error = self._random.gauss(0.0, self.noise)
        share = error / 690.0
        measured = [value + share for value in currents]
        if self.unsigned:
            measured = [abs(value) for value in measured]
        return MeterReading(
            meter_id="meter",
            received=self.now,
            grid_type=self.site.connection.grid_type,
            power=power + error,
            line_current=LineValues(l1=measured[0], l2=measured[1], l3=measured[2]),
            signed_currents=not self.unsigned,
        )


STARTED: list[Loop] = []
"""The loops of the running test, for its report."""


def worst(samples: list[Sample], figure: Callable[[Sample], float]) -> float:
    """Return the largest value of a figure."""
    return max(figure(sample) for sample in samples)


def changes(samples: list[Sample], name: str) -> int:
    """Return how often an asset was told something else."""
    told = [sample.plan.setpoints[name].value for sample in samples]
    return sum(before != after for before, after in pairwise(told))


def swings(samples: list[Sample], name: str, size: float) -> int:
    """Return how often a setpoint turned round by more than `size`: oscillation."""
    told = [sample.plan.setpoints[name].value or 0.0 for sample in samples]
    turns, direction, extreme = 0, 0, told[0]
    for value in told:
        if direction >= 0 and value < extreme - size:
            turns += direction > 0
            direction, extreme = -1, value
        elif direction <= 0 and value > extreme + size:
            turns += direction < 0
            direction, extreme = 1, value
        elif direction >= 0:
            extreme = max(extreme, value)
        else:
            extreme = min(extreme, value)
    return turns


def devices_of(model: SiteModel, **options: dict[str, object]) -> list[Device]:
    """Return one device for each asset, with options by asset id."""
    kinds = {
        Nature.CHARGER: Car,
        Nature.BATTERY: Store,
        Nature.INVERTER: Sun,
        Nature.LOAD: Switched,
    }
    return [
        kinds[asset.nature](asset=asset, **options.get(name, {}))  # type: ignore[arg-type]
        for name, asset in model.assets.items()
    ]
