"""What a dispatch delivered: against a baseline, or said to be without proof."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from custom_components.netflex.model.dispatch import DispatchAction, DispatchCommand
from custom_components.netflex.site.dispatch_proof import DAYS_NEEDED, DispatchLedger
from custom_components.netflex.site.economy import Baseline, DispatchProof
from custom_components.netflex.telecontrol.journal_format import RecordKind

BRUSSELS = ZoneInfo("Europe/Brussels")
START = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
STEP = 5

type Notes = list[Mapping[str, Any]]


class House:
    """A connection point whose meter a test decides, looked at every 5 s."""

    def __init__(self) -> None:
        self.notes: Notes = []
        self.saves = 0
        self.ledger = DispatchLedger(
            record=self._record, zone=lambda: BRUSSELS, save=self._save
        )
        self.now = START
        self.commands: tuple[DispatchCommand, ...] = ()
        self.method = Baseline.BEFORE_START

    def _record(self, kind: RecordKind, data: Mapping[str, Any]) -> None:
        assert kind is RecordKind.DISPATCH
        self.notes.append(data)

    def _save(self) -> None:
        self.saves += 1

    def run(self, minutes: float, power: float | None) -> None:
        for _ in range(round(minutes * 60 / STEP)):
            self.look(power)
            self.now += timedelta(seconds=STEP)
        self.look(power)

    def look(self, power: float | None) -> None:
        self.ledger.take(
            self.now,
            power,
            self.commands,
            {"axle": "Axle"},
            dict.fromkeys(("axle", "other"), self.method),
        )

    def order(self, action: DispatchAction, minutes: float, **more: Any) -> None:
        command = DispatchCommand(
            **{
                "source": "axle",
                "action": action,
                "start": self.now,
                "end": self.now + timedelta(minutes=minutes),
            }
            | more
        )
        self.commands = (*self.commands, command)

    @property
    def proof(self) -> DispatchProof:
        return self.ledger.proofs[0]


@pytest.fixture
def house() -> House:
    return House()


def test_discharging_delivers_what_is_imported_less_than_before(house: House) -> None:
    house.run(15, 2000.0)
    house.order(DispatchAction.DISCHARGE_MAX, 30)
    house.run(30, -3000.0)
    assert house.proof.ended == house.now
    assert house.proof.delivered == pytest.approx(2500.0, rel=1e-2)
    assert house.proof.baseline == pytest.approx(2000.0)
    assert house.proof.power == pytest.approx(5000.0, rel=1e-2)
    assert house.proof.proved == 1800.0
    assert house.proof.unproved == 0.0


@pytest.mark.parametrize(
    ("action", "more", "delivered"),
    [
        (DispatchAction.CHARGE_MAX, {}, 2500.0),
        (DispatchAction.AVOID_EXPORT, {}, 2500.0),
        (DispatchAction.POWER, {"power": 5000.0}, 2500.0),
        (DispatchAction.POWER, {"power": -5000.0}, -2500.0),
        (DispatchAction.AVOID_IMPORT, {}, -2500.0),
    ],
)
def test_energy_counts_in_the_direction_that_was_asked(
    house: House, action: DispatchAction, more: dict[str, Any], delivered: float
) -> None:
    house.run(15, 1000.0)
    house.order(action, 30, **more)
    house.run(30, 6000.0)
    assert house.proof.delivered == pytest.approx(delivered, rel=1e-2)


def test_without_a_measured_quarter_before_nothing_is_proved(house: House) -> None:
    house.run(5, 1000.0)
    house.order(DispatchAction.DISCHARGE_MAX, 10)
    house.run(10, -3000.0)
    assert house.proof.delivered == 0.0
    assert house.proof.power is None
    assert house.proof.unproved == 600.0
    assert house.notes[-1]["delivered"] is None
    assert house.notes[-1]["unproved"] == 600


def test_what_nobody_measures_is_time_without_proof(house: House) -> None:
    house.run(15, 2000.0)
    house.order(DispatchAction.DISCHARGE_MAX, 30)
    house.run(10, -3000.0)
    house.run(10, None)
    house.run(10, -3000.0)
    assert house.proof.proved == 1200.0
    assert house.proof.unproved == 600.0
    assert house.proof.delivered == pytest.approx(5000 * 1200 / 3600, rel=1e-2)


def test_a_pause_of_the_program_is_not_measured(house: House) -> None:
    house.run(15, 2000.0)
    house.order(DispatchAction.DISCHARGE_MAX, 30)
    house.run(10, -3000.0)
    house.now += timedelta(minutes=10)
    house.run(10, -3000.0)
    assert house.proof.proved == 1200.0
    assert house.proof.unproved == 600.0


def test_the_days_before_count_at_the_same_quarter_of_the_wall_clock(
    house: House,
) -> None:
    house.method = Baseline.DAYS_BEFORE
    # Over the end of summer time: 18:00 stays 18:00.
    house.now = datetime(2026, 10, 23, 16, 0, tzinfo=UTC)
    for power in (1000.0, 2000.0, 3000.0):
        assert house.now.astimezone(BRUSSELS).hour == 18
        house.run(20, power)
        local = house.now.astimezone(BRUSSELS) + timedelta(days=1)
        house.now = local.replace(hour=18, minute=0, second=0).astimezone(UTC)
    house.look(0.0)
    assert house.ledger.usual(house.now) == pytest.approx(2000.0)
    house.order(DispatchAction.DISCHARGE_MAX, 15)
    house.run(15, -500.0)
    assert house.proof.delivered == pytest.approx(2500 / 4, rel=1e-2)


def test_fewer_days_are_no_baseline(house: House) -> None:
    for _ in range(DAYS_NEEDED - 1):
        house.run(20, 1000.0)
        house.now += timedelta(days=1) - timedelta(minutes=20)
    assert house.ledger.usual(house.now) is None


def test_a_day_with_a_dispatch_is_left_out(house: House) -> None:
    for power in (1000.0, 1000.0, -8000.0, 1000.0):
        if power < 0:
            house.order(DispatchAction.DISCHARGE_MAX, 15)
        house.run(20, power)
        house.now += timedelta(days=1) - timedelta(minutes=20)
    assert house.ledger.usual(house.now) == pytest.approx(1000.0)


def test_a_quarter_that_was_measured_in_part_is_no_day(house: House) -> None:
    for _ in range(DAYS_NEEDED):
        house.run(8, 1000.0)
        house.run(12, None)
        house.now += timedelta(days=1) - timedelta(minutes=20)
    assert house.ledger.usual(house.now) is None


def test_the_sources_own_baseline_goes_before_ours(house: House) -> None:
    house.run(15, 2000.0)
    house.order(DispatchAction.DISCHARGE_MAX, 30, baseline=500.0)
    house.run(30, -500.0)
    assert house.proof.delivered == pytest.approx(500.0, rel=1e-2)


def test_a_withdrawn_command_ends_at_once_and_a_longer_one_goes_on(
    house: House,
) -> None:
    house.run(15, 2000.0)
    house.order(DispatchAction.DISCHARGE_MAX, 60)
    house.run(10, 0.0)
    (command,) = house.commands
    later = house.now + timedelta(hours=2)
    house.commands = (
        DispatchCommand(
            source=command.source, action=command.action, start=command.start, end=later
        ),
    )
    house.run(5, 0.0)
    assert len(house.ledger.proofs) == 1
    assert house.proof.command.end == later
    house.commands = ()
    house.run(1, 0.0)
    assert house.proof.ended is not None
    assert house.proof.proved == pytest.approx(900, abs=STEP)


def test_beginning_and_end_are_recorded_with_what_was_delivered(house: House) -> None:
    house.run(15, 2000.0)
    house.order(DispatchAction.DISCHARGE_MAX, 30)
    house.run(30, -3000.0)
    begin, end = house.notes
    assert begin["value"] is True
    assert begin["source"] == "Axle"
    assert begin["action"] == "discharge_max"
    assert end["value"] is False
    assert end["delivered"] == pytest.approx(2500.0, rel=1e-2)
    assert end["baseline"] == pytest.approx(2000.0)
    assert end["method"] == "before_start"


def test_the_second_of_two_has_no_quarter_before_of_its_own(house: House) -> None:
    house.run(15, 2000.0)
    house.order(DispatchAction.DISCHARGE_MAX, 30)
    house.run(20, -3000.0)
    house.order(DispatchAction.DISCHARGE_MAX, 10, source="other")
    house.run(10, -3000.0)
    by_source = {item.command.source: item for item in house.ledger.proofs}
    assert by_source["axle"].delivered == pytest.approx(2500.0, rel=1e-2)
    assert by_source["other"].power is None


def test_the_days_before_outlive_a_restart(house: House) -> None:
    for _ in range(DAYS_NEEDED):
        house.run(20, 1500.0)
        house.now += timedelta(days=1) - timedelta(minutes=20)
    house.look(0.0)
    assert house.saves
    other = House()
    other.ledger.restore(house.ledger.to_dict())
    assert other.ledger.usual(house.now) == pytest.approx(1500.0)


@pytest.mark.parametrize("broken", [{"yesterday": 1.0}, {START.isoformat(): "much"}])
def test_what_is_stored_otherwise_is_refused(
    house: House, broken: dict[str, Any]
) -> None:
    with pytest.raises(ValueError):
        house.ledger.restore(broken)


def test_ended_ones_are_kept_newest_first_and_bounded(house: House) -> None:
    house.run(15, 1000.0)
    for _ in range(12):
        house.order(DispatchAction.CHARGE_MAX, 1)
        house.run(2, 1000.0)
    ends = [item.ended for item in house.ledger.proofs]
    assert len(ends) == 10
    assert ends == sorted(ends, reverse=True)  # type: ignore[type-var]
