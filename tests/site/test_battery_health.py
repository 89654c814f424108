"""What is wrong with a battery for long enough that somebody should look."""

from collections.abc import Iterator
from typing import Any

import pytest

from custom_components.netflex.model.asset import Asset, AssetState, Category, Nature
from custom_components.netflex.model.phrase import Phrase
from custom_components.netflex.site.battery_health import (
    BATTERY_FAULT,
    BATTERY_HOT,
    BATTERY_LOW,
    BATTERY_SILENT,
    BatteryHealth,
)
from custom_components.netflex.site.config import HealthLimits

BATTERY = Asset(
    id="battery", name="Battery", nature=Nature.BATTERY, category=Category.STORAGE
)
CHARGER = Asset(
    id="charger", name="Charger", nature=Nature.CHARGER, category=Category.EV
)


class Watch:
    """Looks at a battery once a second."""

    def __init__(self) -> None:
        self.health = BatteryHealth()
        self.limits = HealthLimits(low_charge=10.0, hot=50.0)
        self.locked = frozenset[str]()
        self.now = 1000.0

    def run(self, seconds: float, **state: Any) -> list[str]:
        """Return what is wrong after some s in a state."""
        for asset in (0.0, seconds):
            at = self.now + asset
            shown = AssetState(
                **{"asset_id": "battery", "available": True, "at": at} | state
            )
            away = AssetState(asset_id="charger", available=False)
            self.health.look(
                {"battery": BATTERY, "charger": CHARGER},
                {"battery": shown, "charger": away},
                {"battery": self.limits},
                self.locked,
                at,
            )
        self.now += seconds
        return [problem.key for problem in self.health.problems]


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_a_low_charge_is_said_after_five_minutes(watch: Watch) -> None:
    assert watch.run(299.0, state_of_charge=9.9) == []
    assert watch.run(1.0, state_of_charge=9.9) == [BATTERY_LOW]
    assert watch.run(1.0, state_of_charge=10.0) == []
    assert watch.run(299.0, state_of_charge=9.0) == []


@pytest.mark.parametrize("charge", [None, 10.0, 55.0])
def test_a_charge_that_is_unknown_or_enough_is_not_low(
    watch: Watch, charge: float | None
) -> None:
    assert watch.run(3600.0, state_of_charge=charge) == []


def test_a_limit_of_zero_is_never_low(watch: Watch) -> None:
    watch.limits = HealthLimits(low_charge=0.0)
    assert watch.run(3600.0, state_of_charge=0.0) == []


def test_silence_is_said_after_five_minutes_and_hides_what_was_said_before(
    watch: Watch,
) -> None:
    away: dict[str, Any] = {
        "available": False,
        "state_of_charge": 2.0,
        "problem": "It refuses the connection",
    }
    assert watch.run(299.0, **away) == []
    assert watch.run(1.0, **away) == [BATTERY_SILENT]
    assert "refuses" in watch.health.problems[0].text


def test_a_battery_that_repeats_an_old_answer_is_silent(watch: Watch) -> None:
    assert watch.run(10.0, at=700.0, state_of_charge=50.0) == []
    assert watch.run(300.0, at=700.0, state_of_charge=50.0) == [BATTERY_SILENT]


@pytest.mark.parametrize(
    "state",
    [
        {"temperature": 50.0},
        {"details": {"temperature": 51}},
        {"details": {"battery_temperature": 64.5}},
        {"temperature": 20.0, "details": {"cell_temperature_max": 55.0}},
    ],
)
def test_a_temperature_is_said_where_a_limit_is_named(
    watch: Watch, state: dict[str, Any]
) -> None:
    assert watch.run(10.0, **state) == [BATTERY_HOT]
    watch.limits = HealthLimits()
    assert watch.run(10.0, **state) == []


def test_a_temperature_below_its_limit_and_a_word_are_none(watch: Watch) -> None:
    assert watch.run(60.0, temperature=49.9, details={"temperature": "hot"}) == []


@pytest.mark.parametrize(
    "details", [{"fault": 3}, {"alarm": True}, {"error": "E41"}, {"faults": 0x8000}]
)
def test_faults_that_a_profile_names_are_said(
    watch: Watch, details: dict[str, Any]
) -> None:
    assert watch.run(9.0, details=details) == []
    assert watch.run(1.0, details=details) == [BATTERY_FAULT]
    ((name, value),) = details.items()
    said = name if value is True else f"{name}: {value}"
    assert watch.health.problems[0].text.endswith(f"reports {said}")


def test_known_words_of_a_fault_can_be_said_in_another_language(watch: Watch) -> None:
    details = {"fault_code": 7, "alarm": "high temperature", "error": "E41"}
    assert watch.run(10.0, details=details) == [BATTERY_FAULT]
    text = watch.health.problems[0].text
    assert text.endswith("fault code: 7; alarm: high temperature; error: E41")
    assert isinstance(text, Phrase)
    words = list(phrases(text))
    assert "device_hot" in [phrase.key for phrase in words]
    # What the device says in its own words stays as it is.
    assert "E41" not in words


def phrases(text: str) -> Iterator[Phrase]:
    """Yield everything in a text that can be said in another language."""
    if isinstance(text, Phrase):
        yield text
        for figure in text.figures.values():
            yield from phrases(figure)


@pytest.mark.parametrize(
    "details", [{}, {"fault": 0}, {"alarm": False}, {"error": "none"}, {"fault": None}]
)
def test_no_fault_is_none(watch: Watch, details: dict[str, Any]) -> None:
    assert watch.run(60.0, details=details) == []


def test_maintenance_leaves_a_battery_alone(watch: Watch) -> None:
    watch.locked = frozenset({"battery"})
    assert watch.run(3600.0, available=False) == []
    watch.locked = frozenset()
    assert watch.run(299.0, available=False) == []


def test_other_assets_are_not_looked_at(watch: Watch) -> None:
    watch.run(3600.0, state_of_charge=50.0)
    assert watch.health.problems == ()
