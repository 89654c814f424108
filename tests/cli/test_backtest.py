"""The back-test from the command line."""

import json
from pathlib import Path
import subprocess
import sys

import pytest

from custom_components.netflex.cli.backtest import ModeError, programme_of
from custom_components.netflex.cli.control import main
from custom_components.netflex.model.programme import (
    CheapestHours,
    CurvePoint,
    ImbalanceChase,
    SelfConsumption,
)

ROOT = Path(__file__).parents[2]
CURVES = (
    '{"charge_curve": [{"price": -50, "charge": 1e+2}, {"price": 0, "charge": 0}], '
    '"discharge_curve": [{"price": 100, "charge": 100}, {"price": 300, "charge": 0}]}'
)


@pytest.fixture
def days(tmp_path: Path) -> Path:
    """Return two days of a house: the sun at noon, its use in the evening."""
    lines = ["time,load,production,import_price,export_price"]
    for hour in range(48):
        load = 2000 if hour % 24 >= 18 else 300
        sun = 3000 if 11 <= hour % 24 < 15 else 0
        day, clock = divmod(hour, 24)
        lines.append(f"2025-06-{day + 1:02}T{clock:02}:00,{load},{sun},300,50")
    path = tmp_path / "days.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_modes_stand_side_by_side_with_no_battery(
    days: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    modes = ("--mode", "self_consumption", "--mode", "hold")
    status = main(
        ["backtest", "--days", str(days), *modes, "--json", "--set", "tariff.price=50"]
    )
    assert status == 0
    none, self_use, hold = json.loads(capsys.readouterr().out)
    assert none["mode"] == "no battery"
    assert none["figures"]["saved"] == 0.0
    assert self_use["figures"]["saved"] > 1.0
    assert self_use["figures"]["tariff_saved"] == 0.0, "below the minimum anyway"
    assert hold["figures"]["saved"] == pytest.approx(0.0)
    assert list(self_use["periods"]) == ["2025-06"]


def test_the_site_and_the_decision_are_changed_by_their_names(
    days: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def charged(*more: str) -> float:
        arguments = ["backtest", "--days", str(days), "--mode", "self_consumption"]
        assert main([*arguments, "--json", *more]) == 0
        totals = json.loads(capsys.readouterr().out)[1]["totals"]
        return float(totals["charged"])

    large = charged("--charge", "0")
    small = charged("--charge", "0", "--set", "assets.battery.capacity=2000")
    assert 3500 < small < 5000 < large


def test_the_comparison_is_printed_by_day(
    days: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mode = "cheapest_hours:hours=2,charge=60@01:00-05:00+self_consumption:reserve=20"
    assert main(["backtest", "--days", str(days), "--mode", mode, "--by", "day"]) == 0
    printed = capsys.readouterr().out
    assert f"[1] {mode}" in printed
    assert "self-sufficiency" in printed
    assert "2025-06-01" in printed
    assert "2025-06-02" in printed


def test_a_programme_is_read_from_words_and_from_a_file(tmp_path: Path) -> None:
    words = f"imbalance_chase:{CURVES}+cheapest_hours:hours=3@22:00-06:00"
    found = programme_of(f"{words}+self_consumption", "Europe/Brussels")
    chase, cheap, rest = (entry.parameters for entry in found.entries)
    assert isinstance(chase, ImbalanceChase)
    assert chase.charge_curve[0] == CurvePoint(price=-50.0, charge=100.0)
    assert cheap == CheapestHours(hours=3.0)
    assert rest == SelfConsumption()
    schedule = found.entries[1].schedule
    assert schedule is not None
    assert schedule.periods[0].time_zone == "Europe/Brussels"
    path = tmp_path / "programme.json"
    path.write_text(
        '{"entries": [{"mode": "self_consumption", "parameters": {"reserve": 5}}]}',
        encoding="utf-8",
    )
    read = programme_of(f"@{path}", "UTC")
    assert read.entries[0].parameters == SelfConsumption(reserve=5.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("earn_money", "is no mode; known are"),
        ("self_consumption:reserve=200", "0 to 100"),
        ("self_consumption:colour=1", "not known here"),
        ("self_consumption:reserve", "NAME=VALUE"),
        ("cheapest_hours:hours=3", "needs a schedule"),
        ("hold@noon", "MODE"),
    ],
)
def test_a_mode_that_is_none_is_said(text: str, said: str) -> None:
    with pytest.raises(ModeError, match=said):
        programme_of(text, "UTC")


def test_what_cannot_be_run_is_said_without_a_traceback(days: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "custom_components.netflex.control", "backtest"),
            *("--days", str(days.with_name("none.csv")), "--mode", "hold"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 1
    assert "none.csv" in done.stderr
    assert "Traceback" not in done.stderr
