"""Which meter counts, what stands in for it, and what its readings say of it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
import logging
from typing import Any

import pytest

from custom_components.netflex.devices.device import MeterStatus
from custom_components.netflex.metering import demand_store
from custom_components.netflex.metering.demand import DemandMemory
from custom_components.netflex.model.asset import Asset, AssetState, Category, Nature
from custom_components.netflex.model.connection import GridType, LineValues
from custom_components.netflex.model.demand import CapacityTariff, MinimumRule
from custom_components.netflex.model.reading import (
    BreakerState,
    MeterReading,
    MeterRole,
    MonthPeak,
)
from custom_components.netflex.site.config import MeterConfig
from custom_components.netflex.site.journal_notes import SiteNotes
from custom_components.netflex.site.meter_quality import ErrorRate
from custom_components.netflex.site.meters import RETURN_AFTER, AnyMeter, SiteMeters
from custom_components.netflex.site.problems import find_problems
from custom_components.netflex.site.view import SiteView
from custom_components.netflex.telecontrol.journal_format import RecordKind

from .fakes import FakeMeter

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CEILING = 40_000.0


class Bench:
    """Meters on a clock that the test turns."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.sources: dict[str, FakeMeter] = {}
        self.decisions = self.quarters = 0
        self.meters = SiteMeters(
            self._make, monotonic=lambda: self.now, local_time=lambda: self.time
        )
        self.meters.grid_type = GridType.STAR
        self.meters.on_reading = self._decide
        self.meters.on_quarter = self._quarter

    @property
    def time(self) -> datetime:
        return START + timedelta(seconds=self.now - 1000.0)

    def _make(self, config: MeterConfig) -> AnyMeter:
        source = self.sources[config.meter_id] = FakeMeter(config.meter_id)
        return source

    def _decide(self) -> None:
        self.decisions += 1

    def _quarter(self) -> None:
        self.quarters += 1

    def read(self, *meter_ids: str, **values: Any) -> None:
        for meter_id in meter_ids:
            reading = MeterReading(
                **{"meter_id": meter_id, "received": self.now, "power": 500.0} | values
            )
            self.sources[meter_id].read(reading)

    def run(self, seconds: float, *meter_ids: str, **values: Any) -> None:
        """Let time pass with a reading of each meter every second."""
        for _ in range(int(seconds)):
            self.now += 1.0
            self.read(*meter_ids, **values)
            self.used()

    def used(self) -> str | None:
        return self.meters.site_meter(self.now)

    def view(self) -> SiteView:
        return SiteView(
            meters=self.meters.views(self.now),
            site_meter=self.used(),
            meter_switch=self.meters.switch,
        )

    def problems(self) -> dict[str, tuple[str, str]]:
        found = find_problems(
            self.view(),
            names={},
            station={},
            inputs={},
            writing={},
            weak=(),
            decision=None,
        )
        return {item.key: (item.subject, item.text) for item in found}


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def add(bench: Bench, meter_id: str, **values: Any) -> None:
    await bench.meters.add(
        MeterConfig(
            **{"meter_id": meter_id, "name": meter_id.title(), "url": meter_id} | values
        )
    )


# ------------------------------------------------------------------------- redundancy


async def test_second_meter_takes_over_and_gives_back(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    await add(bench, "first")
    await add(bench, "second")
    bench.run(10, "first", "second")
    assert bench.used() == "first"
    assert bench.meters.switch is None

    with caplog.at_level(logging.INFO):
        bench.run(5, "second")
        assert bench.used() == "first"
        bench.run(1, "second")
        assert bench.used() == "second"
        switch = bench.meters.switch
        assert switch is not None
        assert (switch.preferred, switch.used) == ("first", "second")
        assert switch.at == bench.time
        assert "No good reading for 6 s" in switch.reason
        subject, text = bench.problems()["meter_replaced"]
        assert subject == "first"
        assert "Second measures the connection point instead" in text

        # Back only when it has been good for a while.
        bench.run(RETURN_AFTER - 1, "first", "second")
        assert bench.used() == "second"
        bench.run(2, "first", "second")
        assert bench.used() == "first"
    assert bench.meters.switch is None
    assert bench.problems() == {}
    assert "measured by Second in place of First" in caplog.text
    assert "measured by First again" in caplog.text


async def test_a_meter_that_flaps_is_not_returned_to(bench: Bench) -> None:
    await add(bench, "first")
    await add(bench, "second")
    bench.run(3, "first", "second")
    for _ in range(4):
        bench.run(7, "second")
        assert bench.used() == "second"
        bench.run(RETURN_AFTER / 2, "first", "second")
        assert bench.used() == "second"


async def test_a_stand_in_that_fails_too_is_left_at_once(bench: Bench) -> None:
    await add(bench, "first")
    await add(bench, "second")
    bench.run(3, "first", "second")
    bench.run(7, "second")
    assert bench.used() == "second"
    bench.run(7, "first")
    assert bench.used() == "first"


async def test_with_nothing_fresh_the_last_one_stays(bench: Bench) -> None:
    await add(bench, "first")
    await add(bench, "second")
    bench.run(3, "first", "second")
    bench.run(7, "second")
    bench.now += 100
    assert bench.used() == "second"
    assert set(bench.problems()) == {
        "meter_replaced",
        "meter_silent",
        "site_meter_silent",
    }


async def test_the_first_meter_is_waited_for_at_the_start(bench: Bench) -> None:
    await add(bench, "first")
    await add(bench, "second")
    bench.run(3, "second")
    assert bench.used() == "first"
    bench.run(3, "second")
    assert bench.used() == "second"
    assert bench.meters.switch is not None
    assert bench.meters.switch.reason == "It has brought no reading yet"


async def test_only_meters_of_the_connection_point_stand_in(bench: Bench) -> None:
    await add(bench, "first")
    await add(bench, "roof", role=MeterRole.PRODUCTION)
    await add(bench, "hall", role=MeterRole.SUBFEEDER)
    bench.run(3, "first", "roof", "hall")
    bench.run(30, "roof", "hall")
    assert bench.used() == "first"
    views = bench.meters.views(bench.now)
    assert views["roof"].role is MeterRole.PRODUCTION
    assert views["hall"].available
    await bench.meters.remove("first")
    assert bench.used() is None
    assert bench.meters.site_reading(bench.now) is None


async def test_every_meter_has_its_own_patience(bench: Bench) -> None:
    await add(bench, "sensors", stale_after=20.0)
    bench.run(1, "sensors")
    assert bench.meters.stale_after(bench.now) == 20.0
    bench.now += 19
    assert bench.meters.views(bench.now)["sensors"].available
    bench.now += 2
    assert not bench.meters.views(bench.now)["sensors"].available


async def test_a_port_that_sends_every_ten_seconds_does_not_flap(bench: Bench) -> None:
    await add(bench, "first")
    for _ in range(4):
        bench.read("first")
        bench.now += 10.0
    assert bench.meters.stale_after(bench.now) == 22.0
    for second in range(60):
        if second % 10 == 0 and second != 30:
            bench.read("first")
        assert bench.meters.views(bench.now)["first"].available
        bench.now += 1.0
    assert bench.meters.views(bench.now)["first"].period == 10.0
    subject, text = bench.problems()["meter_slow"]
    assert subject == "first"
    assert "every 10 s" in text
    assert "lost after 22 s" in text
    # Silence is a loss all the same, and a faster telegram takes the patience back.
    bench.now += 23.0
    assert not bench.meters.views(bench.now)["first"].available
    bench.run(2, "first")
    assert bench.meters.stale_after(bench.now) == 5.0
    bench.run(4, "first")
    assert bench.problems() == {}


async def test_what_is_asked_for_readings_gets_no_patience(bench: Bench) -> None:
    await add(bench, "modbus", url=None)
    for _ in range(5):
        bench.read("modbus")
        bench.now += 10.0
    assert bench.meters.stale_after(bench.now) == 5.0
    assert "meter_slow" not in bench.problems()


async def test_a_meter_that_answers_without_values_is_lost(bench: Bench) -> None:
    await add(bench, "first")
    await add(bench, "second")
    bench.run(3, "first", "second")
    decisions = bench.decisions
    for _ in range(7):
        bench.now += 1.0
        bench.read("first", power=None, line_voltage=LineValues(l1=230.0))
        bench.read("second")
        bench.used()
    assert bench.used() == "second"
    assert bench.decisions == decisions + 7
    assert bench.meters.switch is not None
    assert "neither power nor current" in bench.meters.switch.reason
    bench.read("first", power=None, line_current=LineValues(l1=1.0))
    assert bench.meters.views(bench.now)["first"].available


async def test_a_changed_meter_keeps_its_place(bench: Bench) -> None:
    await add(bench, "first")
    await add(bench, "second")
    bench.run(3, "first", "second")
    old = bench.sources["first"]
    await add(bench, "first", url="elsewhere")
    assert old.stops == 1
    bench.run(3, "second")
    assert bench.used() == "first"
    bench.read("first")
    assert bench.used() == "first"


async def test_what_does_not_concern_the_wire_does_not_touch_it(bench: Bench) -> None:
    await add(bench, "first")
    bench.run(1, "first")
    await add(bench, "first", name="Other", tariff=CapacityTariff(target=5000.0))
    assert bench.sources["first"].starts == 1
    assert bench.sources["first"].stops == 0
    assert bench.meters.views(bench.now)["first"].name == "Other"
    await add(bench, "first", stale_after=9.0)
    assert bench.sources["first"].starts == 1


async def test_stopping_stops_every_meter_and_forgets_no_demand(bench: Bench) -> None:
    await add(bench, "first")
    bench.run(2, "first", meter_time=START)
    await bench.meters.stop()
    assert bench.sources["first"].stops == 1
    assert "first" in bench.meters.demand_memories


# ------------------------------------------------------------------- what they say of it


async def test_the_meters_clock_is_compared_with_ours(bench: Bench) -> None:
    await add(bench, "first")
    bench.read("first", meter_time=START + timedelta(seconds=3.5))
    assert bench.meters.views(bench.now)["first"].clock_offset == 3.5
    assert bench.decisions == 1


def test_error_rate_looks_back_one_hour() -> None:
    errors = ErrorRate()
    assert errors.rate(0.0, 0, 0) is None
    assert errors.rate(60.0, 60, 0) == 0.0
    assert errors.rate(120.0, 99, 1) == 1.0
    good = damaged = 0
    for minute in range(3, 70):
        good, damaged = 100 + 60 * minute, 1
        errors.rate(60.0 * minute, good, damaged)
    assert errors.rate(4200.0, good, damaged) == 0.0
    # A source that begins to count anew.
    assert errors.rate(4260.0, 9, 1) == 10.0


async def test_a_bad_cable_is_said(bench: Bench) -> None:
    await add(bench, "first")
    source = bench.sources["first"]

    def run(minutes: int, damaged: int) -> None:
        for _ in range(minutes):
            bench.now += 60.0
            source.status = MeterStatus(
                good=source.status.good + 60 - damaged,
                damaged=source.status.damaged + damaged,
            )
            bench.read("first")
            bench.view()

    run(20, 0)
    run(5, 4)
    assert "meter_errors" not in bench.problems()
    run(60, 4)
    subject, text = bench.problems()["meter_errors"]
    assert subject == "first"
    assert "More than 5 %" in text
    run(60, 0)
    assert "meter_errors" not in bench.problems()


def star(**values: Any) -> dict[str, Any]:
    return {
        "grid_type": GridType.STAR,
        "line_voltage": LineValues(l1=230.0, l2=231.0, l3=229.0),
    } | values


@pytest.mark.parametrize(
    ("values", "key", "words"),
    [
        (
            star(line_voltage=LineValues(l1=230.0, l2=231.0, l3=3.0)),
            "phase_missing",
            "No voltage on L3",
        ),
        (star(grid_type=GridType.DELTA), "grid_type_differs", "3x230"),
        (
            star(power=5000.0, line_power=LineValues(l1=1000.0, l2=1000.0, l3=1000.0)),
            "meter_defective",
            "not the sum of its lines, 3000 W",
        ),
        (
            star(
                line_power=LineValues(l1=3000.0),
                line_current=LineValues(l1=1.0, l2=1.0, l3=1.0),
            ),
            "meter_defective",
            "3000 W at 230.0 V and 1.00 A cannot be",
        ),
    ],
)
async def test_what_lasts_is_said_and_goes_with_its_cause(
    bench: Bench, values: dict[str, Any], key: str, words: str
) -> None:
    await add(bench, "first")
    bench.run(9, "first", **values)
    assert bench.problems() == {}
    bench.run(1, "first", **values)
    subject, text = bench.problems()[key]
    assert subject == "first"
    assert words in text
    bench.run(1, "first", **star())
    assert bench.problems() == {}


async def test_a_clock_that_stands_still(bench: Bench) -> None:
    await add(bench, "first")
    bench.run(60, "first", meter_time=START)
    assert bench.problems() == {}
    bench.run(1, "first", meter_time=START)
    assert "clock stands still" in bench.problems()["meter_defective"][1]
    bench.run(1, "first", meter_time=START + timedelta(seconds=9))
    assert bench.problems() == {}


@pytest.mark.parametrize("period", [1.0, 10.0])
async def test_a_meter_whose_values_are_frozen(bench: Bench, period: float) -> None:
    await add(bench, "first", stale_after=15.0)
    values = star(power=500.0, line_current=LineValues(l1=1.0, l2=1.0, l3=1.0))

    def run(seconds: float) -> None:
        for _ in range(int(seconds / period)):
            bench.now += period
            # Its clock goes on.
            bench.read("first", meter_time=bench.time, **values)

    run(300.0)
    assert "meter_defective" not in bench.problems()
    run(period)
    assert "None of its 7 values has changed" in bench.problems()["meter_defective"][1]
    run(600.0)
    values["line_voltage"] = LineValues(l1=230.1, l2=231.0, l3=229.0)
    run(period)
    assert "meter_defective" not in bench.problems()


async def test_a_house_at_rest_on_a_coarse_meter_is_not_frozen(bench: Bench) -> None:
    await add(bench, "coarse")
    bench.run(900, "coarse", power=12.0, line_voltage=LineValues(l1=230.0))
    assert bench.problems() == {}
    await add(bench, "dark")
    bench.run(
        900,
        "coarse",
        "dark",
        **star(power=0.0, line_current=LineValues(l1=0.0, l2=0.0, l3=0.0)),
    )
    assert bench.problems() == {}


@pytest.mark.parametrize(
    ("voltage", "is_strange"),
    [
        (57.7, True),
        (133.0, True),
        (230.0, False),
        (400.0, False),
        (1150.0, True),
        (6350.0, False),
        (0.0, False),
    ],
)
async def test_a_ratio_of_voltage_transformers_that_cannot_be(
    bench: Bench, voltage: float, is_strange: bool
) -> None:
    await add(bench, "first")
    bench.run(10, "first", line_voltage=LineValues(l1=voltage))
    assert ("meter_ratio" in bench.problems()) is is_strange


async def test_a_switch_of_meters_is_recorded(bench: Bench) -> None:
    records: list[tuple[RecordKind, dict[str, Any]]] = []
    notes = SiteNotes(lambda kind, data: records.append((kind, dict(data))))

    def run(seconds: float, *meter_ids: str) -> None:
        for _ in range(int(seconds)):
            bench.run(1, *meter_ids)
            notes.meter(bench.meters.switch)

    await add(bench, "first")
    await add(bench, "second")
    run(10, "first", "second")
    assert records == []
    run(20, "second")
    (record,) = records
    assert record[0] is RecordKind.METER
    assert record[1] == {
        "value": True,
        "device": "second",
        "instead_of": "first",
        "reason": "No good reading for 6 s",
    }
    run(RETURN_AFTER + 2, "first", "second")
    assert records[1:] == [
        (
            RecordKind.METER,
            {"value": False, "device": "first", "instead_of": "second"},
        )
    ]


async def test_meters_are_compared_with_the_devices_behind_them(bench: Bench) -> None:
    await add(bench, "first")
    await add(bench, "roof", role=MeterRole.PRODUCTION)
    asset = Asset(
        id="charger",
        name="Charger",
        nature=Nature.CHARGER,
        category=Category.EV,
        rated_consumption=7000.0,
    )
    for number in range(300):
        bench.now += 1.0
        drawn = 7000.0 * (number // 50 % 2)
        state = AssetState(
            asset_id="charger", available=True, at=bench.now, power=drawn
        )
        bench.read("first", "roof", power=300.0 - drawn)
        bench.meters.compare({"charger": asset}, {"charger": state}, bench.now)
    assert set(bench.problems()) == {"meter_disagrees"}
    subject, text = bench.problems()["meter_disagrees"]
    assert subject == "first"
    assert "moved the other way" in text


async def test_a_house_without_any_voltage_is_no_missing_phase(bench: Bench) -> None:
    await add(bench, "first")
    bench.run(20, "first", line_voltage=LineValues(l1=0.0, l2=0.0, l3=0.0))
    assert bench.problems() == {}


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"breaker": BreakerState.DISCONNECTED}, "breaker_open"),
        ({"breaker": BreakerState.READY}, "breaker_open"),
        ({"power_threshold": 5000.0}, "meter_threshold"),
        ({"fuse_threshold": 25.0}, "meter_fuse_threshold"),
    ],
)
async def test_what_a_smart_meter_bounds_is_said(
    bench: Bench, values: dict[str, Any], key: str
) -> None:
    await add(bench, "first")
    bench.run(1, "first", **values)
    assert set(bench.problems()) == {key}


@pytest.mark.parametrize(
    ("problem_key", "key"),
    [
        ("no_data", "meter_no_data"),
        ("not_p1", "meter_not_p1"),
        ("encrypted", "meter_encrypted"),
        ("cannot_connect", "site_meter_silent"),
        (None, "site_meter_silent"),
    ],
)
async def test_why_a_meter_is_silent_has_a_remedy_of_its_own(
    bench: Bench, problem_key: str | None, key: str
) -> None:
    await add(bench, "first")
    bench.sources["first"].status = MeterStatus(
        problem="In words", problem_key=problem_key
    )
    assert bench.problems() == {key: ("first", "In words")}


async def test_a_port_that_cannot_be_shared_is_said(bench: Bench) -> None:
    await add(bench, "first")
    bench.run(1, "first")
    bench.sources["first"].status = MeterStatus(details={"share_problem": "In use"})
    assert bench.problems() == {"share_failed": ("first", "In use")}


# ----------------------------------------------------------------------------- demand


async def test_demand_follows_the_meter_in_use(bench: Bench) -> None:
    await add(bench, "first", tariff=CapacityTariff(price=50.0))
    await add(bench, "second", tariff=CapacityTariff(target=6000.0))
    for _ in range(301):
        bench.read("first", power=3600.0, meter_time=bench.time)
        bench.read("second", power=3000.0, energy_import=9e9, meter_time=bench.time)
        bench.used()
        bench.now += 1.0
    demand = bench.meters.demand(bench.now, CEILING)
    assert demand is not None
    assert demand.quarter.average == pytest.approx(1200.0)
    assert demand.quarter.forecast == pytest.approx(3600.0)
    assert demand.target == 2500.0
    assert demand.headroom == pytest.approx((2500.0 - 1200.0) * 900 / 600)
    assert demand.billed is None
    assert demand.cost is None

    bench.run(10, "second", energy_import=9e9, meter_time=bench.time)
    assert bench.used() == "second"
    demand = bench.meters.demand(bench.now, CEILING)
    assert demand is not None
    # The registers of the two meters have nothing to do with each other.
    assert demand.quarter.average < 1200.0
    assert demand.target == 6000.0


async def test_the_peak_of_the_month_is_the_target_once_it_is_paid(
    bench: Bench,
) -> None:
    await add(bench, "first", tariff=CapacityTariff(target=4000.0, price=50.0))
    history = (
        MonthPeak(
            power=3000.0,
            at=datetime(2026, 10, 5, tzinfo=UTC),
            month_end=datetime(2026, 11, 1, tzinfo=UTC),
        ),
        MonthPeak(
            power=1000.0,
            at=datetime(2026, 9, 5, tzinfo=UTC),
            month_end=datetime(2026, 10, 1, tzinfo=UTC),
        ),
    )
    peak = MonthPeak(power=5000.0, at=START - timedelta(days=1))
    values = {
        "month_peak": peak,
        "peak_history": history[::-1],
        "quarter_demand": 100.0,
        "meter_time": START + timedelta(seconds=60),
    }
    bench.read("first", **values)
    demand = bench.meters.demand(bench.now, CEILING)
    assert demand is not None
    assert demand.target == 5000.0
    assert demand.billed == pytest.approx((3000 + 2500 + 5000) / 3)
    assert demand.cost == pytest.approx(demand.billed / 1000 * 50.0)

    await add(
        bench,
        "first",
        tariff=CapacityTariff(minimum=6000.0, rule=MinimumRule.ON_MEAN),
    )
    demand = bench.meters.demand(bench.now, CEILING)
    assert demand is not None
    assert (demand.target, demand.billed, demand.cost) == (6000.0, 6000.0, None)


async def test_headroom_never_promises_more_than_the_fuse(bench: Bench) -> None:
    await add(bench, "first")
    bench.read("first", quarter_demand=0.0, meter_time=START + timedelta(seconds=899))
    demand = bench.meters.demand(bench.now, CEILING)
    assert demand is not None
    assert demand.headroom == CEILING


async def test_no_demand_without_a_fresh_meter(bench: Bench) -> None:
    await add(bench, "first")
    assert bench.meters.demand(bench.now, CEILING) is None
    bench.read("first", meter_time=START)
    assert bench.meters.demand(bench.now, CEILING) is not None
    bench.now += 6
    assert bench.meters.demand(bench.now, CEILING) is None


async def test_a_feeder_has_no_demand(bench: Bench) -> None:
    await add(bench, "hall", role=MeterRole.SUBFEEDER)
    bench.read("hall", meter_time=START)
    assert bench.meters.demand_memories == {}


async def test_demand_goes_on_after_a_restart(bench: Bench) -> None:
    await add(bench, "first")
    energy = 0.0
    for _ in range(450):
        bench.read(
            "first", power=3600.0, energy_import=1e6 + energy, meter_time=bench.time
        )
        energy += 1.0
        bench.now += 1.0
    stored = demand_store.to_dict(bench.meters.demand_memories)

    after = Bench()
    after.meters.restore_demand(demand_store.from_dict(stored))
    after.now = bench.now + 149.0
    await add(after, "first")
    after.read(
        "first", power=0.0, energy_import=1e6 + energy + 148.0, meter_time=after.time
    )
    demand = after.meters.demand(after.now, CEILING)
    assert demand is not None
    assert demand.quarter.average == pytest.approx((energy + 148.0) * 4, abs=5.0)
    assert after.quarters == 0
    after.now += 400
    after.read("first", power=0.0, energy_import=1e6 + 600.0, meter_time=after.time)
    assert after.quarters == 1


def test_demand_survives_json_unchanged_and_nothing_is_guessed() -> None:
    peak = MonthPeak(power=1.0, at=START, month_end=START)
    memory = DemandMemory(
        time=1.0,
        counter=2.0,
        quarter_start=3.0,
        whole=True,
        register=4.0,
        power=5.0,
        finished=6.0,
        month=(2026, 11),
        peak=replace(peak, month_end=None),
        months=(peak, replace(peak, at=None)),
    )
    memories = {"a": memory, "b": DemandMemory()}
    assert demand_store.from_dict(demand_store.to_dict(memories)) == memories
    with pytest.raises(demand_store.UnknownDemandVersionError):
        demand_store.from_dict(demand_store.to_dict(memories) | {"version": 2})
    for damaged in ({}, {"a": {}}, {"a": {"counter": None}}, []):
        with pytest.raises(ValueError, match="damaged"):
            demand_store.from_dict({"version": 1, "meters": damaged or None})
