"""Whether a meter sees what the devices behind it do."""

from collections.abc import Iterator
from dataclasses import dataclass, field
import random

import pytest

from custom_components.netflex.model.asset import Asset, AssetState, Category, Nature
from custom_components.netflex.model.connection import GridType, Line, LineValues
from custom_components.netflex.model.reading import MeterReading
from custom_components.netflex.site.meter_wiring import MeterWiring

CHARGER = Asset(
    id="charger",
    name="Charger",
    nature=Nature.CHARGER,
    category=Category.EV,
    rated_consumption=7360.0,
)
SOLAR = Asset(
    id="solar",
    name="Solar",
    nature=Nature.INVERTER,
    category=Category.SOLAR,
    rated_production=5000.0,
)


@dataclass(slots=True)
class House:
    """A house with a charger on one line and a meter that may be wired wrongly."""

    ratio: float = 1.0
    charger_line: Line = Line.L2
    seen_on: Line = Line.L2
    period: float = 1.0
    delay: float = 0.0
    """s by which the charger's own word comes late."""
    house: float = 400.0
    solar: float = 0.0
    sees_charger: bool = True
    three_phase: bool = False
    turned: tuple[Line, ...] = ()
    """Lines whose transformer looks the other way."""
    now: float = 1000.0
    wiring: MeterWiring = field(default_factory=MeterWiring)
    random: random.Random = field(default_factory=lambda: random.Random(7))
    _drawn: list[tuple[float, float]] = field(default_factory=list)

    def run(self, seconds: float, current: float) -> None:
        """Let the charger draw a current for a while."""
        for _ in range(int(seconds / self.period)):
            self.now += self.period
            if not self._drawn or self._drawn[-1][1] != current:
                self._drawn.append((self.now, current))
            self.wiring.take(
                self._reading(current),
                {"charger": CHARGER, "solar": SOLAR},
                dict(self._states()),
                self.now,
            )

    def charge(self, times: int, seconds: float = 60.0) -> None:
        for _ in range(times):
            self.run(seconds, 0.0)
            self.run(seconds, 16.0)

    def _reading(self, current: float) -> MeterReading:
        noise = self.random.uniform(-40.0, 40.0)
        lines = dict.fromkeys(Line, 1.0)
        for line in Line if self.three_phase else (self.seen_on,):
            lines[line] += current if self.sees_charger else 0.0
        powers = {
            line: value * (-230.0 if line in self.turned else 230.0)
            for line, value in lines.items()
        }
        house = self.house + noise - self.solar - 3 * 230.0
        return MeterReading(
            meter_id="meter",
            received=self.now,
            power=(house + sum(powers.values())) * self.ratio,
            grid_type=GridType.STAR,
            line_current=LineValues.of(lines),
            line_power=LineValues.of(powers if self.turned else {}),
        )

    def _states(self) -> Iterator[tuple[str, AssetState]]:
        known = [value for at, value in self._drawn if at <= self.now - self.delay]
        current = known[-1] if known else 0.0
        lines = tuple(Line) if self.three_phase else (self.charger_line,)
        yield (
            "charger",
            AssetState(
                asset_id="charger",
                available=True,
                at=self.now,
                power=current * 230.0 * len(lines),
                currents=LineValues.of(dict.fromkeys(lines, current)),
            ),
        )
        yield (
            "solar",
            AssetState(
                asset_id="solar", available=True, at=self.now, power=-self.solar
            ),
        )

    @property
    def said(self) -> dict[str, str]:
        return {finding.key: finding.text for finding in self.wiring.findings}


@pytest.mark.parametrize("period", [0.125, 1.0, 10.0])
@pytest.mark.parametrize("delay", [0.0, 4.0])
def test_a_meter_that_is_wired_rightly_is_left_alone(
    period: float, delay: float
) -> None:
    house = House(period=period, delay=delay)
    house.charge(8, 120.0)
    assert house.said == {}
    assert len(house.wiring._ratios) == 3


def test_transformers_that_look_the_other_way() -> None:
    house = House(ratio=-1.0)
    house.charge(1)
    assert house.said == {}
    house.charge(2)
    assert house.said == {
        "meter_disagrees": (
            "The devices changed by 3680 W and the meter moved the other way"
        )
    }
    # Turned round.
    house.ratio = 1.0
    house.charge(1)
    assert house.said == {}


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (5.0, "the meter by 5 times as much"),
        (0.2, "the meter by 0.2 times as much"),
        (-10.0, "moved the other way, by 10 times as much"),
    ],
)
def test_a_ratio_of_transformers_that_is_wrong(ratio: float, words: str) -> None:
    house = House(ratio=ratio)
    house.charge(4)
    assert words in house.said["meter_disagrees"]


@pytest.mark.parametrize("three_phase", [True, False])
def test_one_transformer_that_looks_the_other_way(three_phase: bool) -> None:
    house = House(turned=(Line.L2,), three_phase=three_phase)
    house.charge(4)
    words = "L2 of the meter moved" if three_phase else "the meter moved"
    assert words in house.said["meter_disagrees"]
    assert house.said.keys() == {"meter_disagrees"}


@pytest.mark.parametrize("delay", [45.0, 120.0])
def test_a_device_that_speaks_late_through_a_cloud_proves_nothing(
    delay: float,
) -> None:
    house = House(delay=delay)
    house.charge(6, 400.0)
    assert house.said == {}


def test_a_device_that_is_not_behind_the_meter() -> None:
    house = House(sees_charger=False)
    house.charge(2)
    assert house.said == {}
    house.charge(4)
    assert "the meter did not move" in house.said["meter_disagrees"]


def test_sun_that_follows_the_charger_is_no_step() -> None:
    house = House()
    for _ in range(4):
        house.solar = 0.0
        house.run(60, 0.0)
        house.solar = 16.0 * 230.0
        house.run(60, 16.0)
    assert not house.wiring._ratios
    assert house.said == {}


def test_a_house_that_moves_too_is_no_proof() -> None:
    house = House(ratio=-1.0)
    for _ in range(6):
        house.run(60, 0.0)
        for second in range(60):
            house.house = 400.0 + 3000.0 * (second % 2)
            house.run(1, 16.0)
        house.house = 400.0
    assert "meter_disagrees" not in house.said


@pytest.mark.parametrize("seen_on", [Line.L1, Line.L3])
def test_lines_that_are_interchanged(seen_on: Line) -> None:
    house = House(seen_on=seen_on)
    house.charge(2)
    assert house.said == {
        "phase_order": f"What devices draw comes on another line: L2 → {seen_on}",
    }
    house.charger_line = seen_on
    house.charge(2)
    # What is said of L2 stands until something is drawn there again.
    house.charger_line = house.seen_on = Line.L2
    house.charge(2)
    assert house.said == {}


def test_what_is_unknown_is_not_compared() -> None:
    wiring = MeterWiring()
    silent = AssetState(asset_id="charger", available=False, at=0.0, power=0.0)
    for second in range(200):
        wiring.take(
            MeterReading(meter_id="meter", received=second, power=3000.0 * second),
            {"charger": CHARGER},
            {"charger": silent},
            float(second),
        )
    assert not wiring._samples
    assert wiring.findings == ()
