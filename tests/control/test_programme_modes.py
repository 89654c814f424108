"""Each mode of a programme: what it wishes, and what it says when it cannot act."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from custom_components.netflex.model.demand import CapacityTariff, QuarterDemand
from custom_components.netflex.model.dispatch import DispatchAction, DispatchCommand
from custom_components.netflex.model.market import GridFrequency, Market
from custom_components.netflex.model.programme import (
    BackupReserve,
    ChargeTo,
    CheapestHours,
    DischargeTo,
    Dispatch,
    ExportAvoidance,
    FrequencyResponse,
    Hold,
    ImportAvoidance,
    Parameters,
    PeakApproach,
    PeakDischarge,
    PeakShaving,
    Prediction,
    PriceThreshold,
    ProgrammeMode,
    SelfConsumption,
    SolarCharge,
)
from custom_components.netflex.model.reading import MonthPeak
from custom_components.netflex.model.schedule import Schedule, Window

from .programmes import (
    between,
    decided,
    entry,
    one,
    prices,
    programme,
    short_market,
    store,
    told,
    why,
)
from .sites import START

AFTERNOON = between("12:00", "16:00")
"""From `START` on: 4 h."""


def asked(
    parameters: Parameters, power: float, schedule: Schedule | None = None, **known: Any
) -> float:
    """Return what a battery with one mode is told."""
    return one(programme(entry(parameters, schedule)), power, **known)[0]


def after(parameters: Parameters, power: float, **known: Any) -> float:
    """Return what a mode that wants to charge with all there is is left by another."""
    greedy = PriceThreshold(charge_below=1000.0)
    return one(
        programme(parameters, greedy),
        power,
        market=Market(import_price=prices(10.0)),
        **known,
    )[0]


def before(parameters: Parameters, power: float, **known: Any) -> float:
    """The same for one that wants to discharge with all there is."""
    greedy = PriceThreshold(discharge_above=0.0, export=True)
    return one(
        programme(parameters, greedy),
        power,
        market=Market(import_price=prices(10.0), export_price=prices(10.0)),
        **known,
    )[0]


# ---------------------------------------------------------------------------- avoidance


def test_import_avoidance_delivers_what_would_be_imported() -> None:
    assert asked(ImportAvoidance(), 2000.0) == -2000.0
    assert asked(ImportAvoidance(), -2000.0) == 0.0
    assert after(ImportAvoidance(), 2000.0) == -2000.0
    assert after(ImportAvoidance(), -1500.0) == 1500.0
    assert before(ImportAvoidance(), 2000.0) == -5000.0


def test_export_avoidance_takes_what_would_be_injected() -> None:
    assert asked(ExportAvoidance(), -2000.0) == 2000.0
    assert asked(ExportAvoidance(), 2000.0) == 0.0
    assert before(ExportAvoidance(), -2000.0) == 2000.0
    assert before(ExportAvoidance(), 1500.0) == -1500.0
    assert after(ExportAvoidance(), -2000.0) == 5000.0


# ------------------------------------------------------------------- to a state of charge


def test_charge_to_is_right_on_time() -> None:
    """30 % of 10 kWh in 4 h."""
    assert asked(ChargeTo(charge=80.0), 0.0, AFTERNOON) == 750.0
    at = START + timedelta(hours=3)
    assert asked(ChargeTo(charge=80.0), 0.0, AFTERNOON, utc=at) == 3000.0
    late = START + timedelta(hours=3, minutes=59, seconds=59)
    assert asked(ChargeTo(charge=80.0), 0.0, AFTERNOON, utc=late) == 5000.0
    assert asked(ChargeTo(charge=80.0), 0.0, AFTERNOON, charge=85.0) == 0.0


def test_charge_to_counts_what_charging_loses() -> None:
    result, _ = decided(
        programme(entry(ChargeTo(charge=80.0), AFTERNOON)),
        0.0,
        assets=(store(charge_efficiency=0.9),),
    )
    assert told(result) == 833.0
    # What cannot be does not end in a division by zero.
    result, _ = decided(
        programme(entry(ChargeTo(charge=80.0), AFTERNOON)),
        0.0,
        assets=(store(charge_efficiency=0.0),),
    )
    assert told(result) == 2500.0


def test_after_charge_to_one_may_charge_faster_and_not_discharge() -> None:
    faster = programme(entry(ChargeTo(charge=80.0), AFTERNOON), SelfConsumption())
    assert one(faster, -2000.0)[0] == 2000.0
    assert one(faster, 2000.0)[0] == 750.0
    # Once there, what is above it may be used, and nothing below.
    assert one(faster, 2000.0, charge=80.5)[0] == 0.0
    assert one(faster, 2000.0, charge=82.0)[0] == -2000.0


def test_discharge_to_is_right_on_time() -> None:
    mode = DischargeTo(charge=20.0)
    assert asked(mode, 0.0, AFTERNOON) == -750.0
    assert asked(mode, 0.0, AFTERNOON, charge=15.0) == 0.0
    faster = programme(entry(mode, AFTERNOON), SelfConsumption())
    assert one(faster, 2000.0)[0] == -2000.0
    assert one(faster, -2000.0)[0] == -750.0
    assert one(faster, -2000.0, charge=19.5)[0] == 0.0
    assert one(faster, -2000.0, charge=15.0)[0] == 2000.0


@pytest.mark.parametrize("mode", [ChargeTo(charge=80.0), DischargeTo(charge=20.0)])
def test_what_is_needed_to_reach_a_charge_is_said(mode: Parameters) -> None:
    given = programme(entry(mode, AFTERNOON))

    def missing(**options: Any) -> str:
        value, stands = one(given, 0.0, **options)
        assert value == 0.0
        (reason,) = why(stands).values()
        return reason

    assert missing(charge=None) == "charge_unknown"
    assert missing(assets=(store(capacity=None),)) == "capacity_unknown"
    assert missing(synchronised=False) == "clock_not_synchronised"
    open_end = programme(entry(mode, Schedule(entity="schedule.charge")))
    windows = {"schedule.charge": (Window(),)}
    _, stands = one(open_end, 0.0, entity_windows=windows)
    assert why(stands) == {MODES_OF[type(mode)]: "window_open"}
    _, stands = one(open_end, 0.0)
    assert why(stands) == {MODES_OF[type(mode)]: "schedule_unknown"}


def test_what_the_cheapest_hours_need_is_said() -> None:
    given = programme(entry(CheapestHours(hours=2.0), AFTERNOON))
    known = {"market": Market(import_price=prices(10.0, 20.0, 30.0, 40.0))}
    for missing, reason in (
        ({"synchronised": False}, "clock_not_synchronised"),
        ({"charge": None}, "charge_unknown"),
        ({"market": Market()}, "price_unknown"),
    ):
        value, stands = one(given, 0.0, **known | missing)
        assert value == 0.0
        assert list(why(stands).values()) == [reason]
    endless = programme(
        entry(CheapestHours(hours=2.0), Schedule(entity="schedule.cheap"))
    )
    _, stands = one(
        endless, 0.0, entity_windows={"schedule.cheap": (Window(),)}, **known
    )
    assert list(why(stands).values()) == ["window_open"]


MODES_OF = {
    ChargeTo: ProgrammeMode.CHARGE_TO,
    DischargeTo: ProgrammeMode.DISCHARGE_TO,
}


# -------------------------------------------------------------------------------- peaks

PEAK = between("17:00", "20:00")


def at(clock: str) -> datetime:
    hours, minutes = clock.split(":")
    return START.replace(hour=int(hours), minute=int(minutes))


def peak(mode: PeakDischarge, clock: str, charge: float = 50.0, **known: Any) -> float:
    """Return what is told in the peak at a house that imports 1 kW."""
    return asked(
        mode, known.pop("power", 1000.0), PEAK, utc=at(clock), charge=charge, **known
    )


def test_peak_discharge_waits_until_it_only_just_can() -> None:
    """40 % above the target are 4 kWh: 48 min at 5 kW."""
    mode = PeakDischarge(charge=10.0)
    assert peak(mode, "18:00") == 0.0
    assert peak(mode, "19:11") == 0.0
    assert peak(mode, "19:13") == -5000.0
    assert peak(mode, "19:13", charge=10.0) == 0.0
    assert peak(mode, "16:00") == 0.0


def test_peak_discharge_never_charges_in_the_peak() -> None:
    for charge in (5.0, 50.0):
        given = programme(entry(PeakDischarge(charge=10.0), PEAK), SelfConsumption())
        assert one(given, -3000.0, utc=at("18:00"), charge=charge)[0] == 0.0
        assert one(given, 3000.0, utc=at("18:00"), charge=charge)[0] == -3000.0


def test_peak_discharge_spends_at_once_while_the_system_is_short() -> None:
    mode, now = PeakDischarge(charge=10.0), at("18:10")
    short = short_market(50.0, at=now)
    assert peak(mode, "18:10", market=short) == -5000.0
    assert peak(mode, "18:10", market=short_market(-50.0, at=now)) == 0.0


def test_peak_discharge_may_keep_what_the_site_needs_until_the_end() -> None:
    mode, now = PeakDischarge(charge=10.0, prioritise_load=True), at("18:10")
    short = short_market(50.0, at=now)
    # 1 kW for 1 h 50 min is less than the 4 kWh that are there, 3 kW is more.
    assert peak(mode, "18:10", market=short) == -5000.0
    assert peak(mode, "18:10", market=short, power=3000.0) == -3000.0
    assert peak(mode, "18:10", power=800.0) == -800.0
    assert peak(mode, "18:10", power=-800.0) == 0.0


APPROACH = PeakApproach(
    peak=PEAK,
    force_charge=60.0,
    encourage_charge=90.0,
    assumed_power=3000.0,
    cushion=1800.0,
)
"""6 kWh take 2 h with 3 kW, 9 kWh 3 h; both lines end at 16:30."""


@pytest.mark.parametrize(
    ("clock", "charge", "volume", "power"),
    [
        ("13:00", 0.0, None, 0.0),
        ("14:29", 0.0, None, 0.0),
        # Half of its line, and below it: what is left to the end of the line.
        ("15:30", 31.0, None, 0.0),
        ("15:30", 29.0, None, 3100.0),
        ("15:30", 29.0, 50.0, 3100.0),
        ("16:40", 50.0, None, 5000.0),
        ("16:40", 61.0, None, 0.0),
        # The other line counts while the system is long, and only then.
        ("14:55", 40.0, -50.0, 3158.0),
        ("14:55", 43.0, -50.0, 0.0),
        ("14:55", 40.0, 50.0, 0.0),
        ("14:55", 40.0, None, 0.0),
        ("13:25", 0.0, -50.0, 0.0),
        # In the peak itself it has nothing to say.
        ("18:00", 0.0, -50.0, 0.0),
    ],
)
def test_peak_approach_follows_its_lines(
    clock: str, charge: float, volume: float | None, power: float
) -> None:
    now = at(clock)
    market = Market() if volume is None else short_market(volume, at=now)
    value = asked(APPROACH, 0.0, utc=now, charge=charge, market=market)
    assert value == pytest.approx(power, abs=1.0)


def test_peak_approach_leaves_faster_charging_to_others() -> None:
    given = programme(APPROACH, SelfConsumption())
    assert one(given, -4000.0, utc=at("15:30"), charge=29.0)[0] == 4000.0
    assert one(given, 4000.0, utc=at("15:30"), charge=29.0)[0] == 3100.0


def test_peak_approach_by_a_calendar() -> None:
    mode = replace(APPROACH, peak=Schedule(entity="calendar.peak"))
    now = at("15:30")
    event = Window(start=at("17:00"), end=at("20:00"))

    def asks(windows: dict[str, tuple[Window, ...]]) -> tuple[float, dict[Any, str]]:
        value, stands = one(
            programme(mode), 0.0, utc=now, charge=29.0, entity_windows=windows
        )
        return value, why(stands)

    assert asks({"calendar.peak": (event,)}) == (3100.0, {})
    assert asks({"calendar.peak": ()}) == (0.0, {})
    assert asks({}) == (0.0, {ProgrammeMode.PEAK_APPROACH: "schedule_unknown"})


def test_peak_approach_by_the_period_before() -> None:
    rule = Prediction(allow=True, time_cutoff=240.0)
    mode = PeakApproach(
        peak=PEAK,
        force_charge=0.0,
        encourage_charge=90.0,
        assumed_power=3000.0,
        prediction=rule,
    )
    now = at("15:46")
    market = short_market(-50.0, at=now - timedelta(minutes=2))
    assert asked(mode, 0.0, utc=now, market=market) > 0.0


# ----------------------------------------------------------------------------- dispatch


def command(action: DispatchAction, **options: Any) -> DispatchCommand:
    return DispatchCommand(
        **{  # type: ignore[arg-type]
            "source": "axle",
            "action": action,
            "start": START - timedelta(minutes=5),
            "end": START + timedelta(minutes=25),
        }
        | options
    )


def dispatched(action: DispatchAction, meter: float, **options: Any) -> float:
    orders = (command(action, **options),)
    return one(programme(Dispatch(), SelfConsumption()), meter, dispatches=orders)[0]


def test_dispatch_does_what_it_is_told() -> None:
    assert dispatched(DispatchAction.CHARGE_MAX, 1000.0) == 5000.0
    assert dispatched(DispatchAction.DISCHARGE_MAX, -1000.0) == -5000.0
    assert dispatched(DispatchAction.POWER, -1000.0, power=-1234.0) == -1234.0
    assert dispatched(DispatchAction.AVOID_IMPORT, 1000.0) == -1000.0
    assert dispatched(DispatchAction.AVOID_EXPORT, -1000.0) == 1000.0
    over = {"end": START - timedelta(seconds=1)}
    assert dispatched(DispatchAction.CHARGE_MAX, 1000.0, **over) == -1000.0


def test_only_a_dispatch_that_allows_it_is_deviated_from() -> None:
    greedy = PriceThreshold(discharge_above=0.0, export=True)

    def value(action: DispatchAction, meter: float, **options: Any) -> float:
        return one(
            programme(Dispatch(), greedy),
            meter,
            dispatches=(command(action, **options),),
            market=Market(import_price=prices(9.0), export_price=prices(9.0)),
        )[0]

    avoid = DispatchAction.AVOID_IMPORT
    assert value(avoid, 1000.0) == -1000.0
    assert value(avoid, 1000.0, allow_deviation=True) == -5000.0
    given = {"power": -2000.0}
    assert value(DispatchAction.POWER, 0.0, **given) == -2000.0
    assert value(DispatchAction.POWER, 0.0, allow_deviation=True, **given) == -5000.0
    # Of the same, not of the opposite.
    given = {"power": 2000.0, "allow_deviation": True}
    assert value(DispatchAction.POWER, 0.0, **given) == 2000.0
    avoid = DispatchAction.AVOID_EXPORT
    assert value(avoid, -1000.0, allow_deviation=True) == 1000.0


def test_dispatch_listens_to_its_sources_by_their_priority() -> None:
    orders = (
        command(DispatchAction.CHARGE_MAX, source="flex", priority=1),
        command(DispatchAction.DISCHARGE_MAX, source="axle", priority=2),
        command(DispatchAction.CHARGE_MAX, source="x", assets=frozenset({"other"})),
    )
    assert asked(Dispatch(), 0.0, dispatches=orders) == 5000.0
    only = Dispatch(sources=frozenset({"axle", "x"}))
    assert asked(only, 0.0, dispatches=orders) == -5000.0


def test_a_power_for_several_batteries_is_shared_by_what_they_can() -> None:
    small, large = store("small", rated_production=1000.0), store("large")
    given = {"small": programme(Dispatch()), "large": programme(Dispatch())}
    orders = (command(DispatchAction.POWER, power=-3000.0),)
    result, _ = decided(given, 0.0, assets=(small, large), dispatches=orders)
    assert told(result, "small") == -500.0
    assert told(result, "large") == -2500.0
    alone = (command(DispatchAction.POWER, power=-3000.0, assets=frozenset({"large"})),)
    result, _ = decided(given, 0.0, assets=(small, large), dispatches=alone)
    assert told(result, "small") == 0.0
    assert told(result, "large") == -3000.0


# ------------------------------------------------------------------------ and the others


def test_self_consumption_keeps_its_reserve() -> None:
    mode = SelfConsumption(reserve=30.0)
    assert asked(mode, 2000.0) == -2000.0
    assert asked(mode, -2000.0) == 2000.0
    assert asked(mode, 2000.0, charge=30.0) == 0.0
    assert asked(mode, -2000.0, charge=30.0) == 2000.0
    assert asked(mode, 2000.0, charge=None) == 0.0


def test_peak_shaving_to_a_power() -> None:
    mode = PeakShaving(limit=3000.0, recharge_to=80.0)
    assert asked(mode, 4500.0) == -1500.0
    assert asked(mode, 1000.0) == 2000.0
    assert asked(mode, 1000.0, charge=80.0) == 0.0
    assert after(mode, 1000.0, charge=80.0) == 2000.0
    assert after(PeakShaving(limit=3000.0), 4500.0) == -1500.0


def test_peak_shaving_to_the_capacity_tariff() -> None:
    """4 kW are free, half of the quarter at 5 kW is over: 3 kW are left."""
    quarter = QuarterDemand(
        start=START,
        elapsed=450.0,
        average=2500.0,
        power=5000.0,
        complete=True,
        month_peak=MonthPeak(power=4000.0, at=None),
    )
    options = {"tariff": CapacityTariff()}
    mode = PeakShaving()
    assert asked(mode, 5000.0, quarter=quarter, options=options) == -2000.0
    value, stands = one(programme(mode), 5000.0, options=options)
    assert value == 0.0
    assert why(stands) == {ProgrammeMode.PEAK_SHAVING: "quarter_unknown"}


def test_hold_does_nothing() -> None:
    assert asked(Hold(), 3000.0) == 0.0
    assert after(Hold(), -3000.0) == 0.0


def test_backup_reserve_is_kept_and_restored() -> None:
    mode = BackupReserve(charge=40.0, power=2000.0)
    assert asked(mode, 0.0, charge=30.0) == 2000.0
    assert before(mode, 0.0, charge=30.0) == 2000.0
    assert before(mode, 0.0, charge=40.5) == 0.0
    assert before(mode, 0.0, charge=42.0) == -5000.0
    assert after(mode, 0.0, charge=30.0) == 5000.0
    sun = BackupReserve(charge=40.0, from_grid=False)
    assert asked(sun, 1000.0, charge=30.0) == 0.0
    assert asked(sun, -1000.0, charge=30.0) == 1000.0


@pytest.mark.parametrize(
    ("hertz", "power"),
    [(50.0, 0.0), (49.98, 0.0), (49.89, -1500.0), (50.11, 1500.0), (50.9, 3000.0)],
)
def test_frequency_response_by_its_droop(hertz: float, power: float) -> None:
    mode = FrequencyResponse(power=3000.0)
    measured = GridFrequency(value=hertz, received=99.0)
    value = asked(mode, 0.0, frequency=measured)
    assert value == pytest.approx(power, abs=1.0)


def test_frequency_response_needs_a_fresh_frequency() -> None:
    for measured in (None, GridFrequency(value=49.0, received=90.0)):
        value, stands = one(
            programme(FrequencyResponse(power=3000.0)), 0.0, frequency=measured
        )
        assert value == 0.0
        assert why(stands) == {ProgrammeMode.FREQUENCY_RESPONSE: "frequency_unknown"}


def test_solar_charge_takes_the_sun_alone() -> None:
    mode = SolarCharge(charge=90.0)
    assert asked(mode, -2000.0) == 2000.0
    assert asked(mode, 2000.0) == 0.0
    assert asked(mode, -2000.0, charge=90.0) == 0.0
    assert after(mode, 2000.0) == 0.0
    assert after(mode, -2000.0, charge=95.0) == 2000.0
    assert before(mode, -2000.0) == 2000.0
    assert before(mode, 2000.0) == -5000.0


def priced(
    mode: PriceThreshold, paid: float, got: float = 0.0, power: float = 0.0
) -> float:
    market = Market(import_price=prices(paid), export_price=prices(got))
    return asked(mode, power, market=market)


def test_price_threshold_buys_cheap_and_sells_dear() -> None:
    mode = PriceThreshold(charge_below=50.0, discharge_above=200.0, power=3000.0)
    assert priced(mode, 49.0) == 3000.0
    assert priced(mode, 50.0) == 0.0
    assert priced(mode, 200.0, power=2000.0) == 0.0
    assert priced(mode, 201.0, power=2000.0) == -2000.0
    assert priced(mode, 201.0, power=9000.0) == -3000.0
    assert priced(mode, 201.0, power=-2000.0) == 0.0
    sells = PriceThreshold(discharge_above=200.0, export=True)
    assert priced(sells, 300.0, got=100.0) == 0.0
    assert priced(sells, 100.0, got=201.0) == -5000.0
    # A negative price is a price.
    assert priced(PriceThreshold(charge_below=0.0), -1.0) == 5000.0


def test_stale_prices_are_never_acted_upon() -> None:
    old = START - timedelta(hours=7)
    market = Market(import_price=prices(1.0, start=START, received=old))
    for mode in (
        entry(PriceThreshold(charge_below=50.0)),
        entry(CheapestHours(hours=1.0), AFTERNOON),
    ):
        value, stands = one(programme(mode), 0.0, market=market)
        assert value == 0.0
        assert why(stands) == {mode.mode: "price_unknown"}


def test_cheapest_hours_of_its_window() -> None:
    market = Market(import_price=prices(30.0, 10.0, 20.0, 10.0, 5.0))
    mode = CheapestHours(hours=2.5, power=2000.0)

    def value(hours: float, **options: Any) -> float:
        now = START + timedelta(hours=hours)
        return asked(mode, 0.0, AFTERNOON, utc=now, market=market, **options)

    # 12 to 16: the two hours at 10, and half an hour at 20. That at 5 is outside.
    assert [value(h) for h in (0.5, 1.0, 1.9, 2.2, 2.6, 3.5)] == [
        0.0, 2000.0, 2000.0, 2000.0, 0.0, 2000.0,
    ]  # fmt: skip
    assert value(1.0, charge=100.0) == 0.0
    assert value(4.5) == 0.0
