"""The battery of a back-test: it follows at once, between its ends, and stores its part."""

from dataclasses import dataclass
from math import inf

from ..model.asset import Asset


@dataclass(slots=True)
class Store:
    """A battery that follows at once: `power` W charging positive, `energy` Wh."""

    asset: Asset
    capacity: float
    energy: float
    power: float = 0.0

    @property
    def charge(self) -> float:
        """Return its charge in %."""
        return self.energy / self.capacity * 100

    def follow(self, told: float) -> None:
        """Take a setpoint in W, as far as it can and has room."""
        asset = self.asset
        power = min(max(told, -asset.rated_production), asset.rated_consumption)
        self.power = 0.0 if power * self._room(power) == 0 else power

    def _room(self, power: float) -> float:
        """Return the Wh to the end that a power leads to: what it keeps, then none."""
        if power > 0:
            top = self.asset.ceiling / 100 * self.capacity
            return max(0.0, (top if self.energy < top else self.capacity) - self.energy)
        floor = self.asset.reserve / 100 * self.capacity
        return max(0.0, self.energy - (floor if self.energy > floor else 0.0))

    @property
    def _rate(self) -> float:
        """Wh/s that are stored."""
        efficiency = self.asset.charge_efficiency if self.power > 0 else 1.0
        return self.power * efficiency / 3600

    def lasts(self, charge_step: float) -> float:
        """Return the s until it has moved so far that it is worth another thought."""
        if not self.power:
            return inf
        most = min(self._room(self.power), charge_step / 100 * self.capacity)
        return most / abs(self._rate)

    def move(self, seconds: float) -> None:
        """Take or deliver its power, as far as there is room for it."""
        rate = self._rate
        room = self._room(self.power)
        if abs(rate) * seconds > room:
            share = room / (abs(rate) * seconds)
            self.power *= share
            rate *= share
        self.energy += rate * seconds
