"""The imbalance of the system: its sign, its settlement period, and when it counts."""

from datetime import UTC, datetime, timedelta
import json

import pytest

from custom_components.netflex.control.modes.battery.system import (
    settlement_period,
    system_state,
)
from custom_components.netflex.model.market import Imbalance, ImbalanceQuality, Market
from custom_components.netflex.model.programme import (
    TRUSTED_AFTER,
    CurvePoint,
    ImbalanceChase,
    ImportAvoidanceWhenShort,
    Parameters,
    Prediction,
    ProgrammeMode,
    TimedPrice,
)
from custom_components.netflex.model.schedule import Schedule
from custom_components.netflex.northbound.elia import DataSet, read_records

from .programmes import between, imbalance, one, programme, short_market, why

QUARTER = datetime(2026, 1, 15, 12, tzinfo=UTC)
LATE = QUARTER + timedelta(minutes=10)
ALLOWED = Prediction(allow=True, volume_cutoff=50.0, time_cutoff=240.0)
FORBIDDEN = Prediction()


def believed(market: Market, utc: datetime, **rules: Prediction) -> float | None:
    """Return the volume that is acted upon."""
    found = system_state(
        market,
        utc,
        rules.get("short", FORBIDDEN),
        rules.get("long", FORBIDDEN),
        TRUSTED_AFTER,
    )
    return None if found is None else found.volume


def chase(**options: object) -> ImbalanceChase:
    """Charges below 50, fully below 0; discharges above 150, fully above 200."""
    return ImbalanceChase(
        charge_curve=(
            CurvePoint(price=0.0, charge=100.0),
            CurvePoint(price=50.0, charge=0.0),
        ),
        discharge_curve=(
            CurvePoint(price=150.0, charge=100.0),
            CurvePoint(price=200.0, charge=0.0),
        ),
        **options,  # type: ignore[arg-type]
    )


# -------------------------------------------------------------------------------- sign


def test_case_17_a_positive_volume_is_a_short_system() -> None:
    """NRV positive means short: the battery helps by not importing, long it rests."""
    mode = programme(ImportAvoidanceWhenShort())
    told, stands = one(mode, 2000.0, utc=LATE, market=short_market(80.0, at=LATE))
    assert told == -2000.0
    assert stands.effective is ProgrammeMode.IMPORT_AVOIDANCE_WHEN_SHORT
    told, stands = one(mode, 2000.0, utc=LATE, market=short_market(-80.0, at=LATE))
    assert told == 0.0
    assert stands.active is None
    assert not stands.inactive


def test_case_17_the_shift_goes_with_the_sign() -> None:
    """Short raises the price that the curves are asked for, long lowers it."""
    mode = programme(chase(shift_short=80.0, shift_long=90.0))
    for volume, sign in ((30.0, -1), (-30.0, 1), (0.0, 0)):
        market = short_market(volume, 100.0, at=LATE)
        told, _ = one(mode, 0.0, utc=LATE, market=market)
        assert told * sign > 0 or told == sign == 0


@pytest.mark.parametrize("mode", [ImportAvoidanceWhenShort(), chase()])
def test_without_a_clock_nobody_knows_which_period_it_is(mode: Parameters) -> None:
    market = short_market(80.0, at=LATE)
    told, stands = one(
        programme(mode), 2000.0, utc=LATE, market=market, synchronised=False
    )
    assert told == 0.0
    assert list(why(stands).values()) == ["clock_not_synchronised"]


def test_a_chase_of_a_battery_whose_charge_is_unknown_waits() -> None:
    market = short_market(80.0, at=LATE)
    told, stands = one(programme(chase()), 2000.0, utc=LATE, market=market, charge=None)
    assert told == 0.0
    assert list(why(stands).values()) == ["charge_unknown"]


def test_a_rate_by_an_entity_that_says_nothing_is_not_taken_for_zero() -> None:
    rate = TimedPrice(value=30.0, schedule=Schedule(entity="schedule.peak"))
    market = short_market(80.0, at=LATE)
    told, stands = one(
        programme(chase(import_rates=(rate,))), 0.0, utc=LATE, market=market
    )
    assert told == 0.0
    assert list(why(stands).values()) == ["schedule_unknown"]


@pytest.mark.parametrize(("published", "told"), [(-90.0, -2000.0), (90.0, 0.0)])
def test_case_17_from_the_wire_to_the_setpoint(published: float, told: float) -> None:
    """Elia publishes the system imbalance, whose sign is the other way round."""
    body = {
        "results": [
            {
                "datetime": "2026-01-15T12:09:00+00:00",
                "resolutioncode": "PT1M",
                "quarterhour": "2026-01-15T12:00:00+00:00",
                "qualitystatus": "NotValidated",
                "systemimbalance": published,
                "imbalanceprice": 187.24,
            }
        ]
    }
    (record,) = read_records(json.dumps(body).encode(), DataSet.MINUTES, LATE)
    market = Market(imbalance=record.imbalance())
    mode = programme(ImportAvoidanceWhenShort())
    assert one(mode, 2000.0, utc=LATE, market=market)[0] == told


# --------------------------------------------------------------------- settlement rules


@pytest.mark.parametrize(("period", "minutes"), [(900.0, 5), (1800.0, 10)])
def test_the_running_period_counts_from_a_third_of_it_on(
    period: float, minutes: int
) -> None:
    def at(utc: datetime) -> float | None:
        return believed(short_market(60.0, at=utc, period=period), utc)

    assert at(QUARTER + timedelta(minutes=minutes, seconds=-1)) is None
    assert at(QUARTER + timedelta(minutes=minutes)) == 60.0
    assert at(QUARTER + timedelta(seconds=period - 1)) == 60.0


def test_the_period_is_the_one_that_the_data_names() -> None:
    at = QUARTER + timedelta(minutes=20)
    assert settlement_period(Market(), at) == (QUARTER + timedelta(minutes=15), 900.0)
    half = short_market(1.0, at=at, period=1800.0)
    assert settlement_period(half, at) == (QUARTER, 1800.0)


def test_before_that_the_period_before_stands_for_it_where_it_may() -> None:
    early = QUARTER + timedelta(minutes=3)

    def market(volume: float) -> Market:
        return Market(
            imbalance=imbalance(-volume, at=early),
            previous_imbalance=imbalance(volume, at=early, back=1),
        )

    assert believed(market(60.0), early) is None
    assert believed(market(60.0), early, short=ALLOWED) == 60.0
    assert believed(market(60.0), early, long=ALLOWED) is None
    assert believed(market(-60.0), early, long=ALLOWED) == -60.0
    assert believed(market(-60.0), early, short=ALLOWED) is None


def test_cut_offs_of_volume_and_time() -> None:
    def market(volume: float, utc: datetime) -> Market:
        return Market(imbalance=imbalance(volume, at=utc, back=1))

    early = QUARTER + timedelta(seconds=239)
    assert believed(market(50.0, early), early, short=ALLOWED) == 50.0
    assert believed(market(49.9, early), early, short=ALLOWED) is None
    late = QUARTER + timedelta(seconds=240)
    assert believed(market(50.0, late), late, short=ALLOWED) is None


def test_only_the_period_right_before_stands_for_this_one() -> None:
    early = QUARTER + timedelta(minutes=1)
    older = Market(previous_imbalance=imbalance(90.0, at=early, back=2))
    assert believed(older, early, short=ALLOWED) is None


def test_a_forecast_goes_before_the_period_before_under_the_same_rules() -> None:
    early = QUARTER + timedelta(minutes=1)
    market = Market(
        previous_imbalance=imbalance(90.0, at=early, back=1),
        forecast=(imbalance(-70.0, at=early, quality=ImbalanceQuality.FORECAST),),
    )
    assert believed(market, early, short=ALLOWED, long=ALLOWED) == -70.0
    assert believed(market, early, short=ALLOWED) == 90.0


@pytest.mark.parametrize(
    "fault",
    [
        {"received": LATE - timedelta(seconds=301)},
        {"quality": ImbalanceQuality.DATA_ISSUE},
        {"start": QUARTER - timedelta(minutes=15)},
        {"volume": None},
    ],
)
def test_what_is_stale_doubtful_or_of_another_time_is_never_acted_upon(
    fault: dict[str, object],
) -> None:
    item = Imbalance(
        **({"start": QUARTER, "volume": 90.0, "price": 900.0, "received": LATE} | fault)  # type: ignore[arg-type]
    )
    market = Market(imbalance=item)
    assert believed(market, LATE, short=ALLOWED) is None
    told, stands = one(programme(chase()), 0.0, utc=LATE, market=market)
    assert told == 0.0
    assert why(stands) == {ProgrammeMode.IMBALANCE_CHASE: "imbalance_unknown"}


def test_too_early_is_said_apart_from_not_known() -> None:
    early = QUARTER + timedelta(minutes=1)
    for market, reason in (
        (short_market(60.0, at=early), "imbalance_early"),
        (Market(imbalance=imbalance(60.0, at=early, back=1)), "imbalance_early"),
        (Market(), "imbalance_unknown"),
    ):
        for mode in (chase(), ImportAvoidanceWhenShort()):
            _, stands = one(programme(mode), 0.0, utc=early, market=market)
            assert list(why(stands).values()) == [reason]


# ------------------------------------------------------------------------------- chase


@pytest.mark.parametrize("period", [900.0, 1800.0])
def test_what_lies_between_charge_and_curve_is_moved_by_the_end_of_the_period(
    period: float,
) -> None:
    """At 40 the curve says 20 %: 10 % of 10 kWh are charged; at 190, 20 % stay."""
    at = QUARTER + timedelta(minutes=12)
    hours = (period - 720.0) / 3600
    low = short_market(0.0, 40.0, at=at, period=period)
    told, _ = one(programme(chase()), 0.0, utc=at, charge=10.0, market=low)
    assert told == pytest.approx(min(5000.0, 1000.0 / hours), abs=1.0)
    high = short_market(0.0, 190.0, at=at, period=period)
    told, _ = one(programme(chase()), 0.0, utc=at, charge=30.0, market=high)
    assert told == pytest.approx(max(-5000.0, -1000.0 / hours), abs=1.0)


def test_rates_make_import_dearer_and_injection_worth_less() -> None:
    mode = programme(
        chase(
            import_rates=(
                TimedPrice(value=5.0),
                TimedPrice(value=6.0, schedule=between("12:00", "13:00")),
                TimedPrice(value=99.0, schedule=between("13:00", "14:00")),
            ),
            export_rates=(TimedPrice(value=20.0),),
        )
    )
    at = LATE
    # 35 + 11 = 46: 8 %; from 7 % that is 1 % of 10 kWh in 5 min.
    told, _ = one(mode, 0.0, utc=at, charge=7.0, market=short_market(0.0, 35.0, at=at))
    assert told == pytest.approx(100.0 / (300 / 3600), abs=1.0)
    # 185 - 20 = 165: 70 %; from 71 % that is 1 %.
    told, _ = one(
        mode, 0.0, utc=at, charge=71.0, market=short_market(0.0, 185.0, at=at)
    )
    assert told == pytest.approx(-100.0 / (300 / 3600), abs=1.0)


def test_default_prices_stand_for_what_nobody_knows() -> None:
    mode = programme(
        chase(
            shift_short=500.0,
            default_prices=(
                TimedPrice(value=-10.0, schedule=between("03:00", "04:00")),
                TimedPrice(value=300.0, schedule=between("12:00", "13:00")),
            ),
        )
    )
    told, stands = one(mode, 0.0, utc=LATE)
    assert told == -5000.0
    assert not stands.inactive
    night = QUARTER - timedelta(hours=9)
    told, _ = one(mode, 0.0, utc=night)
    assert told > 1000.0
    told, stands = one(mode, 0.0, utc=QUARTER - timedelta(hours=3))
    assert told == 0.0
    assert why(stands) == {ProgrammeMode.IMBALANCE_CHASE: "imbalance_unknown"}


@pytest.mark.parametrize("period", [900.0, 1800.0])
def test_a_default_price_knows_the_length_of_a_period(period: float) -> None:
    prices = (TimedPrice(value=40.0),)
    mode = programme(chase(default_prices=prices, settlement_period=period))
    told, _ = one(mode, 0.0, utc=LATE, charge=19.0)
    assert told == pytest.approx(100.0 / ((period - 600.0) / 3600), abs=1.0)


def test_the_end_of_a_period_does_not_run_away() -> None:
    """Half a second before the end it counts as a minute."""
    at = QUARTER + timedelta(seconds=899.5)
    market = short_market(0.0, 49.0, at=at)
    told, _ = one(programme(chase()), 0.0, utc=at, charge=1.0, market=market)
    assert told == pytest.approx(100.0 * 60, abs=1.0) or told == 5000.0
    told, _ = one(programme(chase()), 0.0, utc=at, charge=1.9, market=market)
    assert told == pytest.approx(10.0 * 60, abs=1.0)
