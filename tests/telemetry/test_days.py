"""Days for a back-test, in every form that they may come in."""

from datetime import UTC, datetime
import json
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from custom_components.netflex.model.orders import OrderName
from custom_components.netflex.telemetry.days import DaysError, read_days, with_prices
from custom_components.netflex.telemetry.store import TelemetryStore
from custom_components.netflex.telemetry.values import Reading, Series, SeriesKind

BRUSSELS = ZoneInfo("Europe/Brussels")


def csv(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "days.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_rows_have_what_their_columns_say_and_gaps_are_named(tmp_path: Path) -> None:
    path = csv(
        tmp_path,
        "# of a house\n"
        "time,load,production,import_price,minsetp\n"
        "2025-06-01T00:00:00+02:00,500,0,120.5,\n"
        "2025-06-01T00:15:00+02:00,,,,\n"
        "2025-06-01T00:30:00+02:00,700,100,-3,50\n"
        "2025-06-01T01:00:00+02:00,800,0,90,\n",
    )
    found = read_days(path, BRUSSELS)
    assert [row.load for row in found] == [500.0, None, 700.0, None, 800.0]
    assert [row.seconds for row in found] == [900.0] * 5
    assert found[0].start == datetime(2025, 5, 31, 22, tzinfo=UTC)
    assert found[0].orders == {}
    assert found[2].orders == {OrderName.MINSETP: 50.0}
    assert (found[2].import_price, found[2].production) == (-3.0, 100.0)
    assert found[1].import_price is None
    filled = with_prices(found, 7.0, 1.0)
    assert [row.import_price for row in filled] == [120.5, 7.0, -3.0, 7.0, 90.0]


def test_what_was_recorded_at_the_meter_is_brought_to_the_load(tmp_path: Path) -> None:
    path = csv(
        tmp_path,
        "time,grid,battery,production\n"
        "2025-06-01T00:00Z,-500,1000,2500\n"
        "2025-06-01T01:00Z,200,,\n",
    )
    assert [row.load for row in read_days(path, BRUSSELS)] == [1000.0, 200.0]


@pytest.mark.parametrize(
    ("times", "hours"),
    [
        (["2025-10-26T01:00", "2025-10-26T02:00", "2025-10-26T02:00"], [23, 0, 1]),
        (["2025-03-30T01:00", "2025-03-30T03:00", "2025-03-30T04:00"], [0, 1, 2]),
    ],
)
def test_local_times_are_followed_over_a_change_of_the_clock(
    tmp_path: Path, times: list[str], hours: list[int]
) -> None:
    lines = "".join(f"{time},1\n" for time in times)
    found = read_days(csv(tmp_path, f"time,load\n{lines}"), BRUSSELS)
    assert [row.start.hour for row in found] == hours


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("time,load,colour\n", "'colour' is not known"),
        ("time,production\n", "time and load"),
        ("time,load\nnoon,1\n", "row 2: 'noon' is no time"),
        ("time,load\n2025-01-01T00:00Z,much\n", "row 2: load: 'much' is no number"),
        ("time,load\n2025-01-01T00:00Z,nan\n", "finite"),
        ("time,load\n2025-01-01T00:00Z,1\n", "two rows"),
        ("time,load\n2025-01-01T00:00Z\n", "2 fields"),
        ("time,load\n2025-01-01T01:00Z,1\n2025-01-01T00:00Z,1\n", "after a later row"),
        ("time,load\n2025-01-01T00:00Z,1\n2025-01-01T00:00:10Z,1\n", "rows of 10"),
        ('{"meter.p1.power": {}}', "site.power is missing"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(DaysError, match=said):
        read_days(csv(tmp_path, text), BRUSSELS)


POWERS = [(0, 900.0), (300, 1200.0), (900, 600.0)]


def test_an_answer_of_get_readings_and_the_store_say_the_same(tmp_path: Path) -> None:
    series = {
        "site.power": [(at, value) for at, value in POWERS],
        "site.battery_power": [(0, 400.0), (300, -800.0)],
        "site.production": [(0, 100.0)],
        "market.import_price": [(0, 80.0), (300, 90.0)],
        "orders.maxsetp": [(300, 30.0)],
    }
    answer = {
        key: {
            "kind": "gauge",
            "readings": [
                {"start": datetime.fromtimestamp(at, UTC).isoformat(), "mean": value}
                for at, value in values
            ],
        }
        for key, values in series.items()
    }
    path = csv(tmp_path, json.dumps({"service_response": answer}))
    found = read_days(path, BRUSSELS)
    assert [row.load for row in found] == [600.0, 2000.0, None, 600.0]
    assert found[1].orders == {OrderName.MAXSETP: 30.0}
    assert [row.import_price for row in found] == [80.0, 90.0, None, None]
    with TelemetryStore(tmp_path / "store.db") as store:
        store.write(
            {
                Series(key=key, kind=SeriesKind.GAUGE): [
                    Reading(at + 60 * minute, value)
                    for at, value in values
                    for minute in range(5)
                ]
                for key, values in series.items()
            }
        )
    assert read_days(tmp_path / "store.db", BRUSSELS) == found
