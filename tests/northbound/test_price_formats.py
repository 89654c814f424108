"""Tests of prices as other integrations write them."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from custom_components.netflex.model.market import PriceSeries, PriceSlot
from custom_components.netflex.northbound.price_formats import (
    MOST_ROWS,
    PER_KWH,
    PER_MWH,
    PriceUnit,
    Tariff,
    read_forecast,
    read_response,
    read_unit,
    slots,
)

BRUSSELS = ZoneInfo("Europe/Brussels")
CET = timezone(timedelta(hours=1))
TODAY = date(2026, 11, 28)
MIDNIGHT = datetime(2026, 11, 27, 23, tzinfo=UTC)


def local(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, 28, hour, minute, tzinfo=CET)


def read(
    attributes: dict[str, Any], unit: PriceUnit = PER_KWH, attribute: str | None = None
) -> list[tuple[str, float, float]]:
    """Return what is read: start in UTC, length in minutes, currency per MWh."""
    found = slots(read_forecast(attributes, unit, BRUSSELS, TODAY, attribute))
    return [
        (
            f"{slot.start:%d %H:%M}",
            (slot.end - slot.start).total_seconds() / 60,
            round(slot.value, 6),
        )
        for slot in found
    ]


EXPECTED = [("27 23:00", 60, 81.2), ("28 00:00", 60, -5.0)]

SHAPES: dict[str, tuple[dict[str, Any], PriceUnit]] = {
    "nordpool_custom": (
        {
            "raw_today": [
                {"start": local(0), "end": local(1), "value": 0.0812},
                {"start": local(1), "end": local(2), "value": -0.005},
            ],
            "raw_tomorrow": [],
            "tomorrow_valid": False,
        },
        PER_KWH,
    ),
    "nordpool_custom_in_cents": (
        {
            "raw_today": [
                {"start": local(0), "end": local(1), "value": 8.12},
                {"start": local(1), "end": local(2), "value": -0.5},
            ],
            "price_in_cents": True,
        },
        PER_KWH,
    ),
    "entso_e": (
        {
            "prices_today": [
                {"time": "2026-11-28 00:00:00+01:00", "price": 0.0812},
                {"time": "2026-11-28 01:00:00+01:00", "price": -0.005},
            ],
            "prices_tomorrow": [],
        },
        PER_KWH,
    ),
    "epex_spot": (
        {
            "data": [
                {
                    "start_time": "2026-11-28T00:00:00+01:00",
                    "end_time": "2026-11-28T01:00:00+01:00",
                    "price_per_kwh": 0.0812,
                },
                {
                    "start_time": "2026-11-28T01:00:00+01:00",
                    "end_time": "2026-11-28T02:00:00+01:00",
                    "price_per_kwh": -0.005,
                },
            ]
        },
        PER_MWH,
    ),
    "epex_spot_older": (
        {
            "data": [
                {
                    "start_time": "2026-11-28T00:00:00+01:00",
                    "end_time": "2026-11-28T01:00:00+01:00",
                    "price_ct_per_kwh": 8.12,
                },
                {
                    "start_time": "2026-11-28T01:00:00+01:00",
                    "end_time": "2026-11-28T02:00:00+01:00",
                    "price_eur_per_mwh": -5.0,
                },
            ]
        },
        PER_KWH,
    ),
    "tibber_like": (
        {
            "today": [
                {"startsAt": "2026-11-28T00:00:00.000+01:00", "total": 0.0812},
                {"startsAt": "2026-11-28T01:00:00.000+01:00", "total": -0.005},
            ],
            "tomorrow": [],
        },
        PER_KWH,
    ),
    "from_and_till": (
        {
            "prices": [
                {
                    "from": "2026-11-27T23:00:00Z",
                    "till": "2026-11-28T00:00:00Z",
                    "price": 81.2,
                },
                {
                    "from": "2026-11-28T00:00:00Z",
                    "till": "2026-11-28T01:00:00Z",
                    "price": -5,
                },
            ]
        },
        PER_MWH,
    ),
    "awattar": (
        {
            "prices": [
                {
                    "start_timestamp": int(MIDNIGHT.timestamp()) * 1000,
                    "end_timestamp": int(MIDNIGHT.timestamp() + 3600) * 1000,
                    "marketprice": 81.2,
                },
                {
                    "start_timestamp": int(MIDNIGHT.timestamp() + 3600) * 1000,
                    "end_timestamp": int(MIDNIGHT.timestamp() + 7200) * 1000,
                    "marketprice": -5.0,
                },
            ]
        },
        PER_MWH,
    ),
    "octopus_in_pence": (
        {
            "rates": [
                {
                    "valid_from": "2026-11-28T00:00:00+01:00",
                    "valid_to": "2026-11-28T01:00:00+01:00",
                    "value_inc_vat": 8.12,
                },
                {
                    "valid_from": "2026-11-28T01:00:00+01:00",
                    "valid_to": "2026-11-28T02:00:00+01:00",
                    "value_inc_vat": -0.5,
                },
            ]
        },
        PriceUnit(factor=10),
    ),
    "local_times_without_zone": (
        {
            "forecast": [
                {"datetime": "2026-11-28T00:00:00", "value": 0.0812},
                {"datetime": "2026-11-28T01:00:00", "value": -0.005},
            ]
        },
        PER_KWH,
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_of_other_integrations(shape: str) -> None:
    attributes, unit = SHAPES[shape]
    assert read(attributes, unit) == EXPECTED


def test_today_and_tomorrow_are_one_series() -> None:
    attributes = {
        "raw_today": [
            {"start": local(22), "end": local(23), "value": 0.1},
            {"start": local(23), "end": local(23) + timedelta(hours=1), "value": 0.2},
        ],
        "raw_tomorrow": [
            {
                "start": local(0) + timedelta(days=1),
                "end": local(1) + timedelta(days=1),
                "value": 0.3,
            },
        ],
    }
    assert [value for _, _, value in read(attributes)] == [100, 200, 300]


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        (date(2026, 3, 29), 23),
        (date(2026, 10, 25), 25),
        (date(2026, 11, 28), 24),
    ],
)
@pytest.mark.parametrize("parts", [1, 2, 4])
def test_a_list_of_numbers_is_a_day_as_long_as_the_clock_makes_it(
    day: date, hours: int, parts: int
) -> None:
    numbers = [float(number) for number in range(hours * parts)]
    rows = read_forecast({"today": numbers}, PER_MWH, BRUSSELS, day)
    assert [row.price for row in rows] == numbers
    assert rows[0].start.astimezone(BRUSSELS).hour == 0
    assert rows[-1].end.astimezone(BRUSSELS).date() == day + timedelta(days=1)
    assert {row.end - row.start for row in rows} == {timedelta(hours=1 / parts)}


def test_a_list_of_numbers_of_another_length_is_no_day() -> None:
    assert read({"today": [0.1] * 24, "tomorrow": []}) != []
    assert read({"today": [0.1] * 23}) == []
    assert (
        read_forecast({"today": [0.1] * 24}, PER_KWH, BRUSSELS, date(2026, 3, 29)) == ()
    )


def test_a_missing_number_is_a_gap_and_not_zero() -> None:
    numbers: list[float | None] = [0.1] * 24
    numbers[3] = None
    rows = read_forecast({"today": numbers}, PER_KWH, BRUSSELS, TODAY)
    assert len(rows) == 23
    series = PriceSeries(slots=slots(rows), received=MIDNIGHT, stale_after=86400)
    assert series.at(MIDNIGHT + timedelta(hours=3, minutes=30)) is None


def test_a_row_without_an_end_lasts_as_long_as_the_others() -> None:
    rows = [
        {"time": "2026-11-28T00:00:00+01:00", "price": 0.1},
        {"time": "2026-11-28T00:15:00+01:00", "price": 0.2},
        {"time": "2026-11-28T02:00:00+01:00", "price": 0.3},
    ]
    assert read({"prices": rows}) == [
        ("27 23:00", 15, 100),
        ("27 23:15", 15, 200),
        ("28 01:00", 15, 300),
    ]


def test_one_row_without_an_end_says_nothing_of_its_length() -> None:
    assert read({"prices": [{"time": "2026-11-28T00:00:00+01:00", "price": 1}]}) == []


def test_rows_that_overlap_are_cut_and_repeated_ones_count_once() -> None:
    rows = [
        {"start": local(1), "end": local(2), "price": 0.2},
        {"start": local(0), "end": local(2), "price": 0.1},
        {"start": local(1), "end": local(2), "price": 0.25},
    ]
    assert read({"prices": rows}) == [("27 23:00", 60, 100), ("28 00:00", 60, 250)]


@pytest.mark.parametrize(
    "row",
    [
        {"start": "soon", "end": "later", "price": 1},
        {"start": "2026-11-28T00:00:00Z", "end": "2026-11-27T00:00:00Z", "price": 1},
        {"start": "2026-11-28T00:00:00Z", "end": "2026-11-28T01:00:00Z"},
        {"start": local(0), "end": local(1), "price": None},
        {"start": local(0), "end": local(1), "price": "0.1"},
        {"start": local(0), "end": local(1), "price": True},
        {"start": local(0), "end": local(1), "price": float("nan")},
        {"start": True, "end": local(1), "price": 1},
        {"start": 1e300, "end": local(1), "price": 1},
        "12",
        None,
        12,
    ],
)
def test_a_row_that_is_not_understood_is_left_out(row: Any) -> None:
    good = {"start": local(5), "end": local(6), "price": 0.3}
    assert read({"prices": [row, good]}) == [("28 04:00", 60, 300)]


@pytest.mark.parametrize("content", [None, "prices", 12, {"a": 1}, [], [[]]])
def test_attributes_that_are_no_list_are_none(content: Any) -> None:
    assert read({"prices": content, "friendly_name": "Price"}) == []


def test_a_list_without_end_is_not_read() -> None:
    rows = [
        {"start": MIDNIGHT + timedelta(minutes=n), "price": 1.0}
        for n in range(MOST_ROWS + 1)
    ]
    assert read({"prices": rows}) == []
    assert len(read({"prices": rows[1:]})) == MOST_ROWS


def test_the_attribute_may_be_named() -> None:
    rows = SHAPES["from_and_till"][0]["prices"]
    attributes = {"my_curve": rows, "prices": []}
    assert read(attributes, PER_MWH) == []
    assert read(attributes, PER_MWH, "my_curve") == EXPECTED


def test_a_forecast_of_the_imbalance_has_price_and_volume_with_its_sign() -> None:
    rows = [
        {"start": local(0), "end": local(0, 15), "price": 190.0, "volume": 120.0},
        {"start": local(0, 15), "end": local(0, 30), "systemimbalance": 75.0},
        {"start": local(0, 30), "end": local(0, 45), "niv": -30.0},
    ]
    found = read_forecast({"forecast": rows}, PER_MWH, BRUSSELS, TODAY)
    assert [(row.price, row.volume) for row in found] == [
        (190.0, 120.0),
        (None, -75.0),
        (None, -30.0),
    ]
    assert len(slots(found)) == 1


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("EUR/kWh", PriceUnit(factor=1000, currency="EUR")),
        ("€/kWh", PriceUnit(factor=1000, currency="EUR")),
        ("€/MWh", PriceUnit(factor=1, currency="EUR")),
        ("EUR / MWh", PriceUnit(factor=1, currency="EUR")),
        ("SEK/kWh", PriceUnit(factor=1000, currency="SEK")),
        ("ct/kWh", PriceUnit(factor=10)),
        ("c€/kWh", PriceUnit(factor=10)),
        ("öre/kWh", PriceUnit(factor=10)),
        ("p/kWh", PriceUnit(factor=10)),
        ("EUR/Wh", PriceUnit(factor=1e6, currency="EUR")),
        ("kWh", None),
        ("EUR", None),
        ("EUR/m³", None),
        ("/kWh", None),
        ("EUR/kWh/h", None),
        (None, None),
    ],
)
def test_units(text: str | None, unit: PriceUnit | None) -> None:
    assert read_unit(text) == unit


ROWS = [
    {
        "start": "2026-11-28T00:00:00+01:00",
        "end": "2026-11-28T01:00:00+01:00",
        "price": 1,
    },
]


def test_answers_of_actions() -> None:
    energyzero = {"prices": [{"timestamp": "2026-11-27 23:00:00+00:00", **ROWS[0]}]}
    nordpool = {"BE": ROWS}
    tibber = {
        "prices": {
            "Home": [
                {"start_time": "2026-11-28T00:00:00.000+01:00", "price": 1},
                {"start_time": "2026-11-28T01:00:00.000+01:00", "price": 2},
            ]
        }
    }
    for answer in (energyzero, nordpool, tibber):
        rows = read_response(answer, PER_MWH, BRUSSELS)
        assert rows[0].start == MIDNIGHT
        assert rows[0].price == 1


def test_of_several_areas_one_has_to_be_named() -> None:
    answer = {"BE": ROWS, "NL": [{**ROWS[0], "price": 9}]}
    with pytest.raises(ValueError, match="BE, NL"):
        read_response(answer, PER_MWH, BRUSSELS)
    assert read_response(answer, PER_MWH, BRUSSELS, "NL")[0].price == 9
    assert read_response(answer, PER_MWH, BRUSSELS, "FR") == ()


@pytest.mark.parametrize("answer", [{}, {"prices": []}, {"BE": []}, {"prices": "x"}])
def test_an_answer_without_prices_is_none(answer: dict[str, Any]) -> None:
    assert read_response(answer, PER_MWH, BRUSSELS) == ()


def test_a_tariff_makes_a_market_price_the_users_own() -> None:
    slot = PriceSlot(start=MIDNIGHT, end=MIDNIGHT + timedelta(hours=1), value=-20.0)
    (own,) = Tariff(multiplier=1.06, addition=120.0).apply([slot])
    assert own.value == pytest.approx(98.8)
    assert (own.start, own.end) == (slot.start, slot.end)
