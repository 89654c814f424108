"""Every mode of a programme on a simulated site in closed loop, drawn into the report.

The battery has 5 kW and 10 kWh and loses 5 % while it charges; it follows two seconds
late, and the meter is noisy. One step is ten seconds.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from math import pi, sin
from typing import Any

import pytest

from custom_components.netflex.model.demand import CapacityTariff
from custom_components.netflex.model.dispatch import DispatchAction, DispatchCommand
from custom_components.netflex.model.market import GridFrequency, Market, PriceSeries
from custom_components.netflex.model.orders import NO_ORDERS
from custom_components.netflex.model.programme import (
    BackupReserve,
    ChargeTo,
    CheapestHours,
    Constraint,
    CurvePoint,
    DischargeTo,
    Dispatch,
    ExportAvoidance,
    FrequencyResponse,
    Hold,
    ImbalanceChase,
    ImportAvoidance,
    ImportAvoidanceWhenShort,
    ModeEntry,
    Parameters,
    PeakApproach,
    PeakDischarge,
    PeakShaving,
    PriceThreshold,
    Programme,
    ProgrammeMode,
    SelfConsumption,
    SolarCharge,
)

from .closed_loop import STARTED, Device, Loop, Sample, devices_of, swings
from .programmes import between, entry, imbalance, prices, programme, store
from .sites import START, inverter, orders, site
from .test_days import BEGIN, HOUR, at_hour, hour, house, lasting, live, sunshine

MIDNIGHT = START + timedelta(seconds=BEGIN)
STEP = 10.0


def utc(at: float) -> datetime:
    """Return the UTC of a loop's time."""
    return START + timedelta(seconds=at)


def day(
    *modes: Parameters | ModeEntry,
    hours: tuple[float, float],
    charge: float = 50.0,
    peak: float = 0.0,
    programmes: dict[str, Programme] | None = None,
    options: dict[str, Any] | None = None,
    **loop: Any,
) -> list[Sample]:
    """Live some hours with a battery and, at `peak` W, the sun; return all of it."""
    given = programmes or {"battery": programme(*modes)}
    batteries = [store(name, charge_efficiency=0.95, reserve=5.0) for name in given]
    sun = [inverter(rated=max(peak, 1000.0))] if peak else []
    model = site(*batteries, *sun, programmes=given, **(options or {}))
    charges = charge if isinstance(charge, dict) else dict.fromkeys(given, charge)
    devices: list[Device] = devices_of(
        model,
        **{name: {"charge": charges[name], "efficiency": 0.95} for name in given},
        **({"sun": {"sun": sunshine(peak)}} if peak else {}),
    )
    started = Loop(site=model, devices=devices, **({"base": house} | loop))
    samples = live(started, STEP, hours=hours)
    for sample in samples:
        for value in sample.charges.values():
            assert 4.5 <= value <= 100.5
    return samples


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def energy(samples: list[Sample], sign: int, name: str = "battery") -> float:
    """Return the Wh that a battery took (1) or delivered (-1)."""
    return sum(max(0.0, sign * s.devices[name]) * STEP / 3600 for s in samples)


def effective(
    samples: list[Sample], name: str = "battery"
) -> set[ProgrammeMode | None]:
    return {s.plan.programmes[name].effective for s in samples}


def imported(samples: list[Sample]) -> list[float]:
    return [max(0.0, s.power) for s in samples]


def injected(samples: list[Sample]) -> list[float]:
    return [max(0.0, -s.power) for s in samples]


def quiet(at: float) -> tuple[float, float, float]:
    """Return a household that a battery of 5 kW can always carry."""
    first, second, third = house(at)
    return 0.6 * first, 0.6 * second, 0.6 * third


def test_import_avoidance() -> None:
    """An evening without import, as long as there is something in the battery."""
    samples = day(
        ImportAvoidance(), hours=(15.0, 22.0), charge=90.0, peak=3000.0, base=quiet
    )
    assert max(s.devices["battery"] for s in samples) <= 0.0
    full = [s for s in at_hour(samples, 15.1, 22.0) if s.charges["battery"] > 5.5]
    # A kettle is imported until the battery has heard of it.
    assert mean(imported(full)) < 40.0
    assert lasting(full, lambda s: s.power > 300.0) <= 4
    assert full[-1].charges["battery"] < 50.0


def test_export_avoidance() -> None:
    """A day of sun without injection until the battery is full; it never discharges."""
    samples = day(ExportAvoidance(), hours=(7.0, 16.0), charge=10.0, peak=4000.0)
    assert min(s.devices["battery"] for s in samples) >= 0.0
    empty = [s for s in samples if s.charges["battery"] < 98.0]
    assert mean(injected(empty)) < 40.0
    assert lasting(empty, lambda s: s.power < -300.0) <= 4
    assert samples[-1].charges["battery"] > 98.0


def wavering(at: float) -> float:
    """Return MW of an imbalance that changes its sign every three quarters of an hour."""
    return 120.0 if int(hour(at) * 4) // 3 % 2 == 0 else -120.0


def quarter_market(at: float, price: Callable[[float], float] | None = None) -> Market:
    """Return the imbalance as a publisher would: of this quarter, and of the last."""
    now = utc(at)
    begins = at - at % 900.0

    def figure(time: float, back: int) -> Any:
        cost = 100.0 + wavering(time) if price is None else price(time)
        return imbalance(wavering(time), cost, at=now, back=back)

    return Market(
        imbalance=figure(begins, 0), previous_imbalance=figure(begins - 900.0, 1)
    )


def test_import_avoidance_when_short() -> None:
    """It delivers while the system is short: from the fifth minute of a quarter on."""
    samples = day(
        ImportAvoidanceWhenShort(),
        hours=(16.0, 22.0),
        charge=95.0,
        known=lambda at: {"market": quarter_market(at)},
        signals={"Imbalance, short positive in MW": wavering},
    )
    for sample in samples:
        trusted = sample.at % 900.0 >= 300.0
        value = sample.plan.setpoints["battery"].value or 0.0
        if trusted and wavering(sample.at) > 0:
            assert value < 0.0
        else:
            assert value == 0.0
    short = [s for s in samples if s.at % 900.0 >= 360.0 and wavering(s.at) > 0]
    assert mean(imported(short)) < 40.0


def test_charge_to_a_state_of_charge_by_a_time() -> None:
    """From 30 to 90 % between one and six, evenly, whatever the house does."""
    samples = day(
        entry(ChargeTo(charge=90.0), between("01:00", "06:00")),
        hours=(0.5, 6.5),
        charge=30.0,
    )
    (end,) = at_hour(samples, 6.0, 6.0 + STEP / HOUR)
    assert end.charges["battery"] == pytest.approx(90.0, abs=0.5)
    # 6 kWh and what is lost, in five hours.
    even = [s.devices["battery"] for s in at_hour(samples, 1.1, 5.7)]
    assert max(abs(value - 6000.0 / 0.95 / 5) for value in even) < 60.0
    assert swings(samples, "battery", 100.0) <= 1


def test_discharge_to_a_state_of_charge_by_a_time() -> None:
    """From 80 to 20 % between five and eight, into the grid where it must."""
    samples = day(
        entry(DischargeTo(charge=20.0), between("17:00", "20:00")),
        hours=(16.5, 20.5),
        charge=80.0,
    )
    assert at_hour(samples, 20.0, 20.1)[0].charges["battery"] == pytest.approx(
        20.0, abs=0.5
    )
    even = [s.devices["battery"] for s in at_hour(samples, 17.1, 19.7)]
    assert max(abs(value + 2000.0) for value in even) < 60.0


def imbalance_price(at: float) -> float:
    """Return a price of the imbalance that swings between -80 and 280 in two hours."""
    begins = at - at % 900.0
    return 100.0 + 180.0 * sin(2 * pi * hour(begins) / 2)


def test_imbalance_chase() -> None:
    """It charges while the system is long and cheap, discharges while short and dear."""
    chase = ImbalanceChase(
        charge_curve=(
            CurvePoint(price=-50.0, charge=100.0),
            CurvePoint(price=60.0, charge=5.0),
        ),
        discharge_curve=(
            CurvePoint(price=140.0, charge=100.0),
            CurvePoint(price=260.0, charge=10.0),
        ),
    )
    samples = day(
        chase,
        hours=(0.0, 12.0),
        known=lambda at: {"market": quarter_market(at, imbalance_price)},
        signals={"Imbalance price in per MWh": imbalance_price},
    )

    def earned(sign: int) -> float:
        """Return the mean price of what was bought (1) or sold (-1)."""
        powers = [(max(0.0, sign * s.devices["battery"]), s.at) for s in samples]
        whole = sum(power for power, _ in powers)
        assert whole > 0
        return sum(power * imbalance_price(at) for power, at in powers) / whole

    assert earned(1) < 30.0
    assert earned(-1) > 170.0
    assert energy(samples, 1) > 10_000.0
    # In the first five minutes of a quarter it is not known yet.
    early = [s for s in samples if 20.0 <= s.at % 900.0 < 290.0]
    assert all(s.plan.setpoints["battery"].value == 0.0 for s in early)


PEAK = between("17:00", "20:00")


@pytest.mark.parametrize("prioritise", [False, True])
def test_dynamic_peak_discharge(prioritise: bool) -> None:
    """90 % are spent down to 10 % by the end of the peak, and never in vain before."""
    samples = day(
        entry(PeakDischarge(charge=10.0, prioritise_load=prioritise), PEAK),
        hours=(16.5, 20.5),
        charge=90.0,
    )
    end = at_hour(samples, 20.0, 20.1)[0]
    assert end.charges["battery"] == pytest.approx(10.0, abs=3.5)
    assert max(s.devices["battery"] for s in at_hour(samples, 17.0, 20.0)) <= 0.0
    first = at_hour(samples, 17.1, 18.0)
    if prioritise:
        assert mean(imported(first)) < 40.0
    else:
        assert energy(first, -1) == 0.0
    assert swings(samples, "battery", 3000.0) <= 2


def test_dynamic_peak_approach() -> None:
    """Full enough before the peak by force, fuller where the system was long."""
    approach = PeakApproach(
        peak=PEAK,
        force_charge=60.0,
        encourage_charge=95.0,
        assumed_power=2500.0,
        encourage_factor=2.0,
    )

    def lived(volume: float) -> list[Sample]:
        def market(at: float) -> Market:
            return Market(imbalance=imbalance(volume, at=utc(at)))

        return day(
            approach,
            hours=(8.0, 17.5),
            charge=10.0,
            known=lambda at: {"market": market(at)},
        )

    forced = lived(100.0)
    assert at_hour(forced, 16.75, 16.8)[0].charges["battery"] == pytest.approx(
        60.0, abs=1.0
    )
    assert energy(at_hour(forced, 8.0, 14.0), 1) == 0.0
    assert swings(forced, "battery", 600.0) <= 1
    encouraged = lived(-100.0)
    assert at_hour(encouraged, 16.75, 16.8)[0].charges["battery"] > 85.0


def command(start: float, end: float, **options: Any) -> DispatchCommand:
    return DispatchCommand(
        **{  # type: ignore[arg-type]
            "source": "axle",
            "action": DispatchAction.DISCHARGE_MAX,
            "start": MIDNIGHT + timedelta(hours=start),
            "end": MIDNIGHT + timedelta(hours=end),
        }
        | options
    )


OPERATOR = Constraint.GRID_OPERATOR


def test_dispatch() -> None:
    """Discharge from six to seven, no injection from half past on: the order bounds it."""
    commands = (
        command(15.0, 16.0, action=DispatchAction.CHARGE_MAX),
        command(18.0, 19.0),
        command(19.0, 20.0, action=DispatchAction.AVOID_IMPORT),
    )
    samples = day(
        Dispatch(),
        hours=(14.5, 20.5),
        known=lambda at: {"dispatches": commands},
        orders=lambda at: orders(minsetp=5.0) if 18.5 <= hour(at) < 20.0 else NO_ORDERS,
    )
    assert mean([s.devices["battery"] for s in at_hour(samples, 15.1, 15.9)]) > 4500.0
    free = at_hour(samples, 18.1, 18.45)
    assert max(s.devices["battery"] for s in free) == -5000.0
    assert all(not s.plan.programmes["battery"].constraints for s in free)
    bound = at_hour(samples, 18.51, 19.0)
    # 5 % of 10 kW; a kettle that ends is injected until the battery has heard of it.
    assert lasting(bound, lambda s: s.power < -560.0) <= 2
    flags = [s.plan.programmes["battery"].constraints for s in bound]
    # While a kettle is on it may do all that it is asked.
    assert {flag or None for flag in flags} == {frozenset({OPERATOR}), None}
    assert flags.count(frozenset({OPERATOR})) > 0.9 * len(flags)
    assert mean(imported(at_hour(samples, 19.1, 20.0))) < 40.0
    after = at_hour(samples, 20.05, 20.5)
    assert energy(after, -1) == 0.0
    assert effective(samples) == {ProgrammeMode.DISPATCH, None}


def test_self_consumption_with_a_reserve() -> None:
    """A whole day of sun and house; the last 30 % are not used for it."""
    samples = day(
        SelfConsumption(reserve=30.0), hours=(6.0, 22.0), charge=45.0, peak=4500.0
    )
    assert min(s.charges["battery"] for s in samples) >= 29.7
    assert max(s.charges["battery"] for s in samples) > 90.0
    free = [s for s in samples if 31.5 < s.charges["battery"] < 99.0]
    assert mean([abs(s.power) for s in free]) < 70.0


def test_peak_shaving_to_a_power() -> None:
    """Import stays below 2 kW in the evening, and what is below refills the battery."""
    samples = day(
        PeakShaving(limit=2000.0, recharge_to=55.0), hours=(15.0, 23.0), charge=40.0
    )
    later = at_hour(samples, 15.1, 23.0)
    assert lasting(later, lambda s: s.power > 2150.0) <= 3
    assert at_hour(samples, 16.75, 16.8)[0].charges["battery"] == pytest.approx(
        55.0, abs=0.5
    )
    lowest = min(later, key=lambda s: s.charges["battery"])
    assert 20.0 < hour(lowest.at) < 21.5
    assert later[-1].charges["battery"] > lowest.charges["battery"] + 10.0


def test_peak_shaving_to_the_capacity_tariff() -> None:
    """No quarter of the evening is above the 2.5 kW that are billed in any case."""
    samples = day(
        PeakShaving(),
        hours=(16.0, 22.0),
        charge=90.0,
        options={"tariff": CapacityTariff()},
        base=lambda at: tuple(1.4 * value for value in house(at)),
    )
    (loop,) = STARTED
    assert len(loop.quarters) >= 20
    assert max(loop.quarters[1:]) <= 2560.0
    assert energy(samples, -1) > 300.0


def test_hold() -> None:
    """Two hours at noon in which nothing moves, self-consumption around them."""
    samples = day(
        entry(Hold(), between("11:00", "13:00")),
        SelfConsumption(),
        hours=(10.0, 14.0),
        peak=4000.0,
    )
    held = at_hour(samples, 11.01, 13.0)
    assert energy(held, 1) == energy(held, -1) == 0.0
    assert effective(held) == {ProgrammeMode.HOLD}
    assert energy(at_hour(samples, 10.0, 10.9), 1) > 500.0
    assert energy(at_hour(samples, 13.1, 14.0), 1) > 500.0


def test_backup_reserve() -> None:
    """20 % are brought to 40 % at 1.5 kW, and the evening does not go below."""
    samples = day(
        BackupReserve(charge=40.0, power=1500.0),
        SelfConsumption(),
        hours=(14.0, 23.0),
        charge=20.0,
    )
    assert mean([s.devices["battery"] for s in at_hour(samples, 14.1, 15.3)]) == (
        pytest.approx(1500.0, abs=20.0)
    )
    later = at_hour(samples, 15.6, 23.0)
    assert min(s.charges["battery"] for s in later) >= 39.9
    assert swings(later, "battery", 1000.0) <= 1


def frequency(at: float) -> float:
    return 50.0 + 0.12 * sin(at / 180.0) * sin(at / 1500.0)


def test_frequency_response() -> None:
    """An hour of droop: 3 kW at 0.2 Hz, nothing within 20 mHz."""
    samples = day(
        FrequencyResponse(power=3000.0),
        hours=(10.0, 11.0),
        known=lambda at: {
            "frequency": GridFrequency(value=frequency(at), received=at - 0.5)
        },
        signals={"Frequency in Hz": lambda at: frequency(at) - 50.0},
    )
    moved = 0
    for sample in samples:
        beyond = abs(frequency(sample.at) - 50.0) - 0.02
        wanted = 0.0 if beyond <= 0 else beyond / 0.18 * 3000.0
        if frequency(sample.at) < 50.0:
            wanted = -wanted
        value = sample.plan.setpoints["battery"].value or 0.0
        assert value == pytest.approx(wanted, abs=1.0)
        moved += abs(value) > 500.0
    assert moved > 30


def test_charge_from_solar_only() -> None:
    """A day of sun and clouds fills the battery, and none of it comes from the grid."""
    samples = day(SolarCharge(), hours=(7.0, 18.0), charge=10.0, peak=4500.0)
    assert min(s.devices["battery"] for s in samples) >= 0.0
    charging = [s for s in samples if s.devices["battery"] > 100.0]
    # A cloud is imported until the battery has heard of it, no longer.
    assert lasting(charging, lambda s: s.power > 300.0) <= 3
    assert mean(imported(charging)) < 60.0
    assert samples[-1].charges["battery"] > 95.0


DAY_AHEAD = (
    95.0, 88.0, 61.0, 40.0, 35.0, 52.0, 90.0, 140.0, 120.0, 80.0, 45.0, 12.0,
    -8.0, -15.0, 5.0, 38.0, 85.0, 160.0, 240.0, 220.0, 170.0, 120.0, 105.0, 98.0,
)  # fmt: skip


def day_ahead(at: float) -> float:
    return DAY_AHEAD[min(23, max(0, int(hour(at))))]


def day_market(at: float) -> Market:
    series = prices(*DAY_AHEAD, start=MIDNIGHT, received=utc(at))
    return Market(import_price=series, export_price=series)


PRICES = {"Price in per MWh": day_ahead}


def test_price_threshold() -> None:
    """Charged below 20, spent on the house above 150."""
    samples = day(
        PriceThreshold(charge_below=20.0, discharge_above=150.0),
        hours=(10.0, 21.5),
        charge=10.0,
        base=quiet,
        known=lambda at: {"market": day_market(at)},
        signals=PRICES,
    )
    for sample in samples:
        value = sample.plan.setpoints["battery"].value or 0.0
        assert value <= 0.0 or day_ahead(sample.at) < 20.0
        assert value >= 0.0 or day_ahead(sample.at) > 150.0
    assert at_hour(samples, 14.9, 15.0)[-1].charges["battery"] > 95.0
    assert mean(imported(at_hour(samples, 17.1, 18.5))) < 60.0
    assert mean(injected(at_hour(samples, 17.1, 18.5))) < 60.0


def test_cheapest_hours() -> None:
    """The three cheapest hours of the night and nothing else."""
    samples = day(
        entry(CheapestHours(hours=3.0, power=2000.0), between("00:00", "07:00")),
        hours=(0.0, 8.0),
        charge=10.0,
        known=lambda at: {"market": day_market(at)},
        signals=PRICES,
    )
    on = {int(hour(s.at)) for s in samples if s.plan.setpoints["battery"].value}
    assert on == {3, 4, 5}
    assert energy(samples, 1) == pytest.approx(6000.0, abs=30.0)


def test_cheapest_hours_of_a_night_whose_source_forgets_yesterday() -> None:
    """Three hours from ten to six: one of them before midnight, two after it."""
    evening = [50.0, 5.0]
    first = [30.0, 8.0, 9.0, 40.0, 45.0, 50.0, 60.0]
    start = MIDNIGHT - 2 * timedelta(hours=1)
    known: PriceSeries | None = None

    def market(at: float) -> dict[str, Market]:
        nonlocal known
        now = utc(at)
        if now < MIDNIGHT:
            series = prices(*evening, *first, start=start, received=now)
        else:
            series = prices(*first, start=MIDNIGHT, received=now)
        known = series.remembering(known, now - timedelta(days=1))
        return {"market": Market(import_price=known)}

    samples = day(
        entry(CheapestHours(hours=3.0, power=1000.0), between("22:00", "06:00")),
        hours=(-2.0, 6.5),
        charge=10.0,
        known=market,
    )
    on = {int(hour(s.at) + 24) for s in samples if s.plan.setpoints["battery"].value}
    assert on == {23, 25, 26}


def test_a_day_of_four_modes_that_orders_of_the_operator_bound() -> None:
    """Cheapest hours by night, the sun by day, the peak in the evening.

    The operator limits consumption at four and injection from six in the evening on.
    """
    samples = day(
        entry(PeakDischarge(charge=20.0), PEAK),
        entry(CheapestHours(hours=2.0, power=2000.0), between("02:00", "06:00")),
        entry(SolarCharge(), between("08:00", "17:00")),
        entry(SelfConsumption(reserve=20.0), between("20:00", "23:00")),
        hours=(1.0, 23.5),
        charge=10.0,
        peak=4500.0,
        known=lambda at: {"market": day_market(at)},
        signals=PRICES,
        options={"contract_consumption": 10_000.0},
        orders=lambda at: (
            orders(maxsetp=15.0)
            if 4.0 <= hour(at) < 5.0
            else orders(minsetp=10.0)
            if 18.0 <= hour(at) < 20.5
            else NO_ORDERS
        ),
    )
    night = at_hour(samples, 4.02, 4.98)
    assert max(s.power for s in night) <= 1600.0
    flags = [s.plan.programmes["battery"].constraints for s in night]
    assert {Constraint.GRID_OPERATOR} in flags
    assert effective(at_hour(samples, 3.1, 3.4)) == {ProgrammeMode.CHEAPEST_HOURS}
    evening = at_hour(samples, 18.02, 20.0)
    assert lasting(evening, lambda s: s.power < -1060.0) <= 2
    assert {Constraint.GRID_OPERATOR} in [
        s.plan.programmes["battery"].constraints for s in evening
    ]
    assert effective(samples) >= {
        ProgrammeMode.CHEAPEST_HOURS,
        ProgrammeMode.SOLAR_CHARGE,
        ProgrammeMode.PEAK_DISCHARGE,
        ProgrammeMode.SELF_CONSUMPTION,
    }
    # Every change is announced: the plan before a window's start names it.
    (before,) = at_hour(samples, 16.99, 16.99 + STEP / HOUR)
    assert before.plan.next_change is not None
    assert before.plan.next_change <= BEGIN + 17.0 * HOUR


def test_three_batteries_share_a_day() -> None:
    """Different charges and one wish: they come together and never work against it."""
    names = ("low", "middle", "full")
    samples = day(
        programmes={name: programme(SelfConsumption()) for name in names},
        charge=dict(zip(names, (20.0, 50.0, 80.0), strict=True)),  # type: ignore[arg-type]
        hours=(6.0, 20.0),
        peak=9000.0,
    )
    for sample in samples:
        told = [sample.plan.setpoints[name].value or 0.0 for name in names]
        assert min(told) >= 0.0 or max(told) <= 0.0
    spread = [max(s.charges.values()) - min(s.charges.values()) for s in samples]
    assert spread[-1] < 25.0
    free = [
        s for s in samples if all(6.5 < value < 98.0 for value in s.charges.values())
    ]
    assert len(free) > 1000
    assert mean([abs(s.power) for s in free]) < 90.0


def test_the_sun_is_stored_where_nothing_may_be_injected() -> None:
    """MINSETP 0: the inverter is curtailed, and let go as the battery takes it."""
    samples = day(
        SolarCharge(),
        hours=(9.0, 15.0),
        charge=10.0,
        peak=5000.0,
        base=lambda at: (200.0, 200.0, 200.0),
        orders=lambda at: orders(minsetp=0.0),
    )
    later = at_hour(samples, 9.3, 15.0)
    assert lasting(later, lambda s: s.power < -300.0) <= 3
    assert samples[-1].charges["battery"] > 95.0


def test_a_price_that_goes_stale_ends_what_lived_from_it() -> None:
    """The source is silent from one o'clock on; after an hour nothing is bought."""

    def market(at: float) -> Market:
        heard = utc(min(at, BEGIN + 12.5 * HOUR))
        series = prices(*DAY_AHEAD, start=MIDNIGHT, received=heard, stale_after=3600.0)
        return Market(import_price=series)

    samples = day(
        PriceThreshold(charge_below=20.0, power=500.0),
        hours=(12.0, 15.0),
        charge=10.0,
        known=lambda at: {"market": market(at)},
        signals=PRICES,
    )
    assert energy(at_hour(samples, 12.1, 13.5), 1) > 500.0
    late = at_hour(samples, 13.51, 15.0)
    assert all(s.plan.setpoints["battery"].value == 0.0 for s in late)
    (reason,) = late[-1].plan.programmes["battery"].inactive
    assert (reason.mode, reason.key) == (
        ProgrammeMode.PRICE_THRESHOLD,
        "price_unknown",
    )


def test_setpoints_are_not_told_anew_for_nothing() -> None:
    """A quiet night of an even charge: a setpoint every few minutes, not every step."""
    samples = day(
        entry(ChargeTo(charge=90.0), between("01:00", "06:00")),
        hours=(1.5, 5.0),
        charge=40.0,
    )
    told = [s.plan.setpoints["battery"] for s in samples]
    assert sum(a is not b for a, b in pairwise(told)) < len(told) / 20
    assert samples[0].plan.setpoints["battery"].value is not None
