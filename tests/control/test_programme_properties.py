"""Properties of programmes: whatever the modes, prices and batteries of a site."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings, strategies as st

from custom_components.netflex.control.decide import decide
from custom_components.netflex.control.memory import EMPTY, Memory
from custom_components.netflex.model.asset import Asset, Direction, Nature
from custom_components.netflex.model.dispatch import DispatchAction, DispatchCommand
from custom_components.netflex.model.market import (
    GridFrequency,
    ImbalanceQuality,
    Market,
    PriceSeries,
)
from custom_components.netflex.model.orders import Stops
from custom_components.netflex.model.plan import Plan
from custom_components.netflex.model.programme import (
    BackupReserve,
    ChargeTo,
    CheapestHours,
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
    PeakApproach,
    PeakDischarge,
    PeakShaving,
    Prediction,
    PriceThreshold,
    Programme,
    ProgrammeMode,
    SelfConsumption,
    SolarCharge,
)
from custom_components.netflex.model.snapshot import (
    Clock,
    SiteModel,
    Snapshot,
    UserLimits,
)

from .programmes import between, entry, imbalance, prices, programme, store
from .sites import START, reading, site, state
from .strategies import cases

CHARGES = st.sampled_from([0.0, 30.0, 60.0, 100.0])
SCHEDULES = st.sampled_from([between("11:00", "13:00"), between("12:00", "18:00")])
OPTIONAL = st.sampled_from([None, between("11:00", "13:00"), between("14:00", "15:00")])
PREDICTIONS = st.builds(
    Prediction,
    allow=st.booleans(),
    volume_cutoff=st.sampled_from([0.0, 50.0]),
    time_cutoff=st.sampled_from([60.0, 600.0]),
)
POWERS = st.sampled_from([None, 500.0, 3000.0])
CURVES = {
    "charge_curve": (
        CurvePoint(price=0.0, charge=100.0),
        CurvePoint(price=80.0, charge=0.0),
    ),
    "discharge_curve": (
        CurvePoint(price=120.0, charge=100.0),
        CurvePoint(price=300.0, charge=0.0),
    ),
}
MARKET_MODES = frozenset(
    {
        ProgrammeMode.IMBALANCE_CHASE,
        ProgrammeMode.IMPORT_AVOIDANCE_WHEN_SHORT,
        ProgrammeMode.PRICE_THRESHOLD,
        ProgrammeMode.CHEAPEST_HOURS,
    }
)
PARAMETERS = st.one_of(
    st.just(ImportAvoidance()),
    st.just(ExportAvoidance()),
    st.just(Hold()),
    st.just(Dispatch()),
    st.builds(ImportAvoidanceWhenShort, prediction=PREDICTIONS),
    st.builds(
        ImbalanceChase,
        charge_curve=st.just(CURVES["charge_curve"]),
        discharge_curve=st.just(CURVES["discharge_curve"]),
        shift_short=st.sampled_from([0.0, 100.0]),
        shift_long=st.sampled_from([0.0, 100.0]),
        when_short=PREDICTIONS,
        when_long=PREDICTIONS,
    ),
    st.builds(
        PeakApproach,
        peak=st.just(between("13:00", "15:00")),
        force_charge=CHARGES,
        encourage_charge=CHARGES,
        assumed_power=st.just(2000.0),
        prediction=PREDICTIONS,
    ),
    st.builds(SelfConsumption, reserve=CHARGES),
    st.builds(PeakShaving, limit=st.sampled_from([0.0, 2000.0]), recharge_to=CHARGES),
    st.builds(BackupReserve, charge=CHARGES, power=POWERS, from_grid=st.booleans()),
    st.builds(FrequencyResponse, power=st.just(4000.0)),
    st.builds(SolarCharge, charge=CHARGES),
    st.builds(
        PriceThreshold,
        charge_below=st.sampled_from([None, 0.0, 100.0]),
        discharge_above=st.just(150.0),
        power=POWERS,
        export=st.booleans(),
    ),
)
SCHEDULED = st.one_of(
    st.builds(ChargeTo, charge=CHARGES),
    st.builds(DischargeTo, charge=CHARGES),
    st.builds(
        PeakDischarge,
        charge=CHARGES,
        prediction=PREDICTIONS,
        prioritise_load=st.booleans(),
    ),
    st.builds(CheapestHours, hours=st.sampled_from([0.5, 2.0]), power=POWERS),
)
ENTRIES = st.one_of(
    st.builds(entry, PARAMETERS, OPTIONAL), st.builds(entry, SCHEDULED, SCHEDULES)
)
PROGRAMMES = st.builds(
    Programme,
    entries=st.lists(ENTRIES, max_size=6).map(tuple),
    dead_band=st.sampled_from([None, 0.0]),
    ramp=st.sampled_from([None, None, 1000.0]),
)
FOLLOWERS = st.builds(
    Programme,
    entries=st.lists(
        st.builds(
            entry,
            st.one_of(
                st.just(ImportAvoidance()),
                st.just(ExportAvoidance()),
                st.just(SolarCharge()),
                st.just(PeakShaving(limit=1000.0)),
                st.builds(SelfConsumption, reserve=CHARGES),
            ),
        ),
        min_size=1,
        max_size=1,
    ).map(tuple),
)
"""Modes that do what the site needs, and nothing of their own."""
GREEDY = st.builds(
    programme,
    st.one_of(
        st.builds(
            PriceThreshold,
            charge_below=st.sampled_from([500.0, 0.0]),
            power=POWERS,
        ),
        st.builds(
            PriceThreshold,
            discharge_above=st.just(-100.0),
            power=POWERS,
            export=st.just(True),
        ),
    ),
)
"""Modes that want something of their own, most of the time."""
HOUSES = st.one_of(
    st.integers(-9000, 9000).map(float),
    st.sampled_from([-2500.0, -1400.0, -800.0, 800.0, 1400.0, 2500.0]),
)
VALUES = st.lists(st.sampled_from([-20.0, 40.0, 110.0, 400.0]), min_size=8, max_size=8)


@dataclass(frozen=True)
class Case:
    """A site of batteries with programmes, and what is known at one moment."""

    model: SiteModel
    snapshot: Snapshot
    utc: datetime


@st.composite
def markets(draw: st.DrawFn, utc: datetime, *, stale: bool = False) -> Market:
    """Draw prices and an imbalance, some of them out of date; or all of them."""
    age = timedelta(hours=12) if stale else timedelta(0)

    def series() -> PriceSeries:
        late = age or timedelta(hours=draw(st.sampled_from([0, 0, 12])))
        return prices(
            *draw(VALUES), start=START - timedelta(hours=2), received=utc - late
        )

    volume = draw(st.sampled_from([-80.0, -10.0, 10.0, 80.0]))
    return Market(
        import_price=series(),
        export_price=series(),
        imbalance=imbalance(
            volume,
            draw(st.sampled_from([-50.0, 90.0, 400.0])),
            at=utc,
            back=draw(st.sampled_from([0, 0, 1])),
            received=utc - age,
            quality=draw(st.sampled_from(ImbalanceQuality)),
            period=draw(st.sampled_from([900.0, 1800.0])),
        ),
        forecast=(imbalance(-volume, at=utc, received=utc - age),),
    )


@st.composite
def sites(
    draw: st.DrawFn,
    *,
    first: ModeEntry | None = None,
    stale: bool = False,
    own: st.SearchStrategy[Programme] = PROGRAMMES,
) -> Case:
    """Draw one to three batteries; `first` leads each of their programmes."""
    utc = START + timedelta(seconds=draw(st.integers(0, 3 * 3600)))
    batteries = [
        store(
            name,
            rated_consumption=draw(st.sampled_from([1000.0, 5000.0])),
            rated_production=draw(st.sampled_from([1000.0, 5000.0])),
            reserve=draw(st.sampled_from([0.0, 20.0])),
            ceiling=draw(st.sampled_from([80.0, 100.0])),
            capacity=draw(st.sampled_from([None, 10_000.0])),
        )
        for name in "abc"[: draw(st.integers(1, 3))]
    ]
    programmes = {}
    for asset in batteries:
        mine = draw(own)
        if first is not None:
            mine = replace(mine, entries=(first, *mine.entries))
        programmes[asset.id] = mine
    model = site(
        *batteries,
        programmes=programmes,
        main_fuse=draw(st.sampled_from([25.0, 63.0])),
    )
    states = {
        asset.id: state(
            asset,
            draw(st.sampled_from([0.0, 700.0, -700.0])),
            state_of_charge=draw(st.sampled_from([None, 0.0, 20.0, 55.0, 80.0, 100.0])),
        )
        for asset in batteries
    }
    drawn = sum(item.power or 0.0 for item in states.values())
    action = draw(st.sampled_from(DispatchAction))
    command = DispatchCommand(
        source="axle",
        action=action,
        start=START + timedelta(hours=draw(st.integers(-1, 2))),
        end=START + timedelta(hours=3),
        power=2500.0 if action is DispatchAction.POWER else None,
        allow_deviation=draw(st.booleans()),
    )
    house = draw(HOUSES)
    snapshot = Snapshot(
        reading=reading(house + drawn),
        states=states,
        market=draw(markets(utc, stale=stale)),
        dispatches=(command,) if draw(st.booleans()) else (),
        frequency=draw(
            st.sampled_from([None, GridFrequency(value=49.9, received=99.0)])
        ),
    )
    return Case(model=model, snapshot=snapshot, utc=utc)


def house(case: Case) -> float:
    """Return what everything but the batteries draws, W."""
    assert case.snapshot.reading is not None
    assert case.snapshot.reading.power is not None
    drawn = sum(item.power or 0.0 for item in case.snapshot.states.values())
    return case.snapshot.reading.power - drawn


def decided(case: Case, memory: Memory = EMPTY, at: float = 100.0) -> Plan:
    now = Clock(monotonic=at, utc=case.utc)
    return decide(case.model, case.snapshot, memory, now)[0]


def powers(case: Case, result: Plan) -> dict[str, float]:
    return {name: result.setpoints[name].value or 0.0 for name in case.model.assets}


ANY = st.one_of(PROGRAMMES, GREEDY)


def next_second(case: Case, memory: Memory, power: float) -> tuple[Case, Memory]:
    """Return the case a second later: batteries have followed, the house has changed."""
    result, after = decide(
        case.model, case.snapshot, memory, Clock(monotonic=100.0, utc=case.utc)
    )
    told = powers(case, result)
    states = {
        name: replace(item, power=told[name], at=101.0)
        for name, item in case.snapshot.states.items()
    }
    snapshot = replace(
        case.snapshot,
        reading=reading(power + sum(told.values()), 101.0),
        states=states,
        frequency=None,
    )
    later = case.utc + timedelta(seconds=1)
    return replace(case, snapshot=snapshot, utc=later), after


@settings(max_examples=300, deadline=None)
@given(sites(first=entry(ImportAvoidance()), own=ANY), HOUSES)
def test_nothing_charges_into_an_import_that_is_to_be_avoided(
    case: Case, later: float
) -> None:
    told = powers(case, decided(case))
    charging = sum(max(0.0, value) for value in told.values())
    assert charging <= max(0.0, -house(case)) + 1.0
    if house(case) > 0:
        # And what is imported is delivered, as far as it can be.
        assert sum(told.values()) <= 0.0
    # Neither dead band nor ramp charges on when there is less of the sun.
    case, memory = next_second(case, EMPTY, later)
    told = powers(case, decided(case, memory, 101.0))
    base = memory_base(case, memory)
    charging = sum(max(0.0, value) for value in told.values())
    assert charging <= max(0.0, -base) + 1.0


@settings(max_examples=300, deadline=None)
@given(sites(first=entry(ExportAvoidance()), own=ANY), HOUSES)
def test_nothing_discharges_into_an_injection_that_is_to_be_avoided(
    case: Case, later: float
) -> None:
    told = powers(case, decided(case))
    delivered = sum(max(0.0, -value) for value in told.values())
    assert delivered <= max(0.0, house(case)) + 1.0
    case, memory = next_second(case, EMPTY, later)
    told = powers(case, decided(case, memory, 101.0))
    delivered = sum(max(0.0, -value) for value in told.values())
    assert delivered <= max(0.0, memory_base(case, memory)) + 1.0


SPARING = st.builds(
    programme, st.builds(PriceThreshold, discharge_above=st.just(-100.0), power=POWERS)
)


@settings(max_examples=100, deadline=None)
@given(sites(own=SPARING))
def test_a_price_is_spared_and_nothing_sold_without_leave(case: Case) -> None:
    told = powers(case, decided(case))
    delivered = sum(max(0.0, -value) for value in told.values())
    assert delivered <= max(0.0, house(case)) + 1.0


def memory_base(case: Case, memory: Memory) -> float:
    """Return what is believed of the house: a change that lasts is taken over time."""
    _, after = decide(
        case.model, case.snapshot, memory, Clock(monotonic=101.0, utc=case.utc)
    )
    assert after.base[0] is not None
    return after.base[0]


@settings(max_examples=300, deadline=None)
@given(sites(own=FOLLOWERS))
def test_the_sum_of_batteries_never_exceeds_the_wish_of_the_site(case: Case) -> None:
    told = powers(case, decided(case))
    total, wish = sum(told.values()), -house(case)
    assert min(0.0, wish) - 1.0 <= total <= max(0.0, wish) + 1.0
    # None works against another one.
    assert all(value * wish >= 0.0 for value in told.values())


@settings(max_examples=300, deadline=None)
@given(sites())
def test_energy_and_power_stay_inside_their_bounds(case: Case) -> None:
    result = decided(case)
    for name, value in powers(case, result).items():
        asset = case.model.assets[name]
        assert -asset.rated_production <= value <= asset.rated_consumption
        charge = case.snapshot.states[name].state_of_charge
        if charge is None:
            assert value >= 0.0 or asset.reserve == 0.0
            continue
        assert charge > asset.reserve or value >= 0.0
        assert charge < asset.ceiling or value <= 0.0


@settings(max_examples=200, deadline=None)
@given(sites(stale=True))
def test_nothing_acts_on_stale_prices_or_a_stale_imbalance(case: Case) -> None:
    """What is out of date is as good as not there at all."""
    result = decided(case)
    nothing = replace(case, snapshot=replace(case.snapshot, market=Market()))
    blind = decided(nothing)
    assert powers(case, result) == powers(case, blind)
    for stands in result.programmes.values():
        assert stands.effective not in MARKET_MODES
        assert stands.active not in MARKET_MODES


@settings(max_examples=200, deadline=None)
@given(sites(), st.booleans())
def test_no_programme_breaks_a_limit_that_batteries_can_keep(
    case: Case, consumption: bool
) -> None:
    """The fuse, and no less a stop."""
    told = powers(case, decided(case))
    total = house(case) + sum(told.values())
    fuse = case.model.connection.fuse_power
    if abs(house(case)) <= fuse:
        assert abs(total) <= fuse + 3.0
    direction = Direction.CONSUMPTION if consumption else Direction.PRODUCTION
    stops = case.snapshot.local_stops.with_holder(direction, "key", held=True)
    stopped = replace(case, snapshot=replace(case.snapshot, local_stops=stops))
    for value in powers(stopped, decided(stopped)).values():
        assert value <= 0.0 if consumption else value >= 0.0


@settings(max_examples=100, deadline=None)
@given(sites())
def test_the_same_again_gives_the_same_plan(case: Case) -> None:
    assert decided(case) == decided(case)


@settings(max_examples=100, deadline=None)
@given(sites())
def test_a_locked_battery_does_nothing(case: Case) -> None:
    locked = {name: UserLimits(locked=True) for name in case.model.assets}
    case = replace(case, snapshot=replace(case.snapshot, user=locked))
    assert set(powers(case, decided(case)).values()) == {0.0}


@settings(max_examples=100, deadline=None)
@given(cases(), st.data())
def test_stops_and_devices_win_over_programmes_on_any_site(
    case: Any, data: st.DataObject
) -> None:
    """Chargers, loads and inverters beside the batteries, orders in force."""
    model = replace(
        case.model,
        programmes={
            name: data.draw(PROGRAMMES)
            for name, asset in case.model.assets.items()
            if asset.nature is Nature.BATTERY
        },
    )
    snapshot = Snapshot(
        orders=case.given,
        local_stops=case.local,
        reading=case.measured,
        states=case.states,
        market=data.draw(markets(START)),
    )
    result, _ = decide(model, snapshot, EMPTY, Clock(monotonic=100.0, utc=START))
    stops = Stops(orders=case.given, local=case.local)
    for name in model.programmes:
        asset: Asset = model.assets[name]
        value = result.setpoints[name].value or 0.0
        if stops.stopped(Direction.PRODUCTION):
            assert value >= 0.0
        if stops.stopped(Direction.CONSUMPTION):
            assert value <= 0.0
        assert -asset.rated_production <= value <= asset.rated_consumption
        assert result.setpoints[name].causes


@settings(max_examples=150, deadline=None)
@given(
    sites(own=st.one_of(PROGRAMMES, GREEDY, FOLLOWERS)),
    st.lists(HOUSES, min_size=6, max_size=6),
)
def test_whatever_differs_from_a_wish_says_why_over_time(
    case: Case, houses: list[float]
) -> None:
    """Six minutes of a changing house, with batteries that follow."""
    memory, states = EMPTY, dict(case.snapshot.states)
    for minute, power in enumerate(houses):
        at = 100.0 + minute * 60.0
        drawn = sum(item.power or 0.0 for item in states.values())
        snapshot = replace(
            case.snapshot,
            reading=reading(power + drawn, at),
            states={name: replace(item, at=at) for name, item in states.items()},
        )
        now = Clock(monotonic=at, utc=case.utc + timedelta(minutes=minute))
        result, memory = decide(case.model, snapshot, memory, now)
        for name, value in powers(case, result).items():
            stands = result.programmes[name]
            assert stands.wish is not None
            assert stands.constraints or abs(value - stands.wish) <= 1.0
            assert result.setpoints[name].causes
            states[name] = replace(states[name], power=value)
        assert result.next_change is None or result.next_change > at
