"""Replay: scenarios are read strictly, run again, and explained line by line."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
import json
from pathlib import Path
import subprocess
import sys
from typing import Any

from hypothesis import given, settings
import pytest

from custom_components.netflex.cli.control import main
from custom_components.netflex.control.codec import CodecError, decode, encode
from custom_components.netflex.control.decide import decide
from custom_components.netflex.control.memory import EMPTY
from custom_components.netflex.control.replay import Summary, changes, replay
from custom_components.netflex.control.scenario import (
    Frame,
    ScenarioError,
    open_scenario,
    write_frame,
    write_head,
)
from custom_components.netflex.model.connection import Line
from custom_components.netflex.model.dispatch import DispatchAction, DispatchCommand
from custom_components.netflex.model.market import GridFrequency, Market
from custom_components.netflex.model.modes import LoadMode
from custom_components.netflex.model.orders import NO_ORDERS, GridOrders
from custom_components.netflex.model.plan import Plan
from custom_components.netflex.model.programme import Dispatch, SelfConsumption
from custom_components.netflex.model.schedule import Schedule, Window
from custom_components.netflex.model.snapshot import Clock, Snapshot, UserLimits

from . import strategies
from .closed_loop import Loop, devices_of
from .programmes import between, entry, imbalance, prices, programme, store
from .sites import START, battery, charger, inverter, load, orders, site

ROOT = Path(__file__).parents[2]

HEAD = {
    "format": "netflex-replay",
    "version": 1,
    "start": START.isoformat(),
    "repeat": 1.0,
    "site": encode(site(charger(), inverter())),
}


def text(*moments: dict[str, Any], **head: Any) -> list[str]:
    return [json.dumps(item) for item in ({**HEAD, **head}, *moments)]


WRITTEN = text(
    {
        "t": 0,
        "reading": {"power": 15000, "line_current": {"l1": 22, "l2": 22, "l3": 22}},
        "states": {
            "car": {"power": 11000, "charger_state": "charging"},
            "sun": {"power": 0},
        },
    },
    {"t": 60, "orders": {"maxsetp": 50}},
    {"t": 120, "orders": {"emergency_stop_consumption": True}},
    {"t": 180},
)


def run(lines: Iterable[str], **options: Any) -> list[Any]:
    head, moments = open_scenario(lines, options.pop("changes", None))
    return list(replay(moments, repeat=head.repeat, **options))


def test_a_hand_written_scenario_runs_between_its_lines() -> None:
    steps = run(["# a comment", "", *WRITTEN[:1], "", *WRITTEN[1:]])
    assert len(steps) == 181
    limited = [step for step in steps if 60 <= step.clock.monotonic < 120]
    assert all(step.plan.ordered[0].value == 10_000.0 for step in limited)
    assert steps[-1].plan.setpoints["car"].value == 0.0


def test_every_setpoint_is_explained_in_one_readable_line() -> None:
    said, before = [], None
    for step in run(WRITTEN, changes={"connection.main_fuse": "25"}):
        said += list(changes(step, before))
        before = step.plan
    assert all("\n" not in line for line in said)
    assert any(line.startswith("car: ") and "Main fuse 25.0 A" in line for line in said)
    assert any(
        line.startswith("car: ") and "Grid operator limits consumption" in line
        for line in said
    )
    assert any("paused: Emergency stop of consumption" in line for line in said)


def test_what_cannot_be_kept_and_what_is_switched_is_said() -> None:
    head = encode(site(load(), battery(), inverter()))
    lines = text(
        {
            "t": 0,
            "reading": {"power": 15000, "line_current": {"l1": 22, "l2": 22, "l3": 22}},
            "states": {
                "boiler": {"power": 3000, "enabled": True},
                "battery": {"power": 0, "state_of_charge": 5},
                "sun": {"power": 0},
            },
        },
        {"t": 5, "orders": {"maxsetp": 10}},
        {"t": 10},
        site=head,
    )
    said, before, summary = [], None, Summary()
    for step in run(lines):
        said += list(changes(step, before))
        summary.add(step)
        before = step.plan
    assert any(line.startswith("boiler: on -> off: ") for line in said)
    assert any(line.startswith("sun: no limit: nothing bounds it") for line in said)
    infeasible = [line for line in said if line.startswith("INFEASIBLE by ")]
    assert len(infeasible) == 1
    assert " W: Grid operator limits consumption" in infeasible[0]
    assert any(
        line.startswith("infeasible by ") and "Grid operator" in line
        for line in summary.lines()
    )


def test_changes_are_made_by_their_place() -> None:
    def fuse(changes: dict[str, str]) -> float:
        return run(WRITTEN, changes=changes)[0].site.connection.main_fuse

    assert fuse({}) == 40.0
    assert fuse({"connection.main_fuse": "25"}) == 25.0
    changed = run(WRITTEN, changes={"assets.car.maximum_current": "16"})
    assert changed[0].site.assets["car"].maximum_current == 16.0
    with pytest.raises(ScenarioError, match=r"line 1: .*main_fuss"):
        fuse({"connection.main_fuss": "25"})


@pytest.mark.parametrize(
    ("lines", "line", "said"),
    [
        ([], 1, "there is no head"),
        (["{"], 1, "is no JSON"),
        (["[]"], 1, "must be an object"),
        (['{"format": "csv"}'], 1, "format: must be 'netflex-replay'"),
        (text(version=2), 1, "version: must be 1"),
        (text(repeat=0), 1, "repeat: must be more than 0"),
        (text(start="2026-01-15"), 1, "start: must be a time with its offset"),
        (text(colour="red"), 1, "colour: is not known here"),
        (text({"power": 1}), 2, "power: is not known here"),
        (text({}), 2, "t: must be"),
        (text({"t": 1}, {"t": 1}), 3, "t: must be later than 1"),
        (text({"t": 1, "states": {"car": {"power": "x"}}}), 2, "states.car.power"),
        (text({"t": 1, "states": {"car": {"colour": 1}}}), 2, "states.car.colour"),
        (text({"t": 1, "states": []}), 2, "states: must be an object"),
        (text({"t": 1, "reading": {"power": True}}), 2, "reading.power: must be a n"),
        (text({"t": 1, "orders": {"maxsetp": "all"}}), 2, "orders.maxsetp.value"),
        (text({"t": 1, "orders": {"maxset": 1}}), 2, "orders.maxset: is not known"),
        (text({"t": 1, "quarter": {"elapsed": 3}}), 2, "quarter.start: is missing"),
        (text({"t": 1, "user": {"car": {"mode": "turbo"}}}), 2, "user.car.mode"),
    ],
)
def test_what_is_wrong_is_said_with_its_line_and_place(
    lines: list[str], line: int, said: str
) -> None:
    with pytest.raises(ScenarioError) as caught:
        run(lines)
    assert caught.value.line == line
    assert said in str(caught.value)


def recorded(seconds: float = 240.0) -> tuple[list[Frame], list[Plan]]:
    """Return what a site in closed loop was decided with, and its plans."""
    frames: list[Frame] = []
    plans: list[Plan] = []

    class Recorder(Loop):
        def decided(self, snapshot: Snapshot, clock: Clock, plan: Plan) -> None:
            frames.append(Frame(site=self.site, snapshot=snapshot, clock=clock))
            plans.append(plan)

    model = site(
        charger(),
        charger("two", lines=(Line.L2,)),
        battery(),
        inverter(),
        load(comfort_low=40.0),
    )

    def ordered(at: float) -> GridOrders:
        if at > 1180:
            return orders(minsetp=0.0, maxsetp=30.0, emergency_stop_production=True)
        return orders(maxsetp=60.0) if at > 1060 else NO_ORDERS

    loop = Recorder(
        site=model,
        devices=devices_of(
            model,
            sun={"sun": lambda at: 4000.0},
            two={"online": lambda at: not 1100 < at < 1120},
        ),
        orders=ordered,
        user=lambda at: (
            {"boiler": UserLimits(mode=LoadMode.SOLAR)} if at > 1100 else {}
        ),
        meter_works=lambda at: not 1150 < at < 1165,
    )
    loop.run(seconds)
    return frames, plans


def lines_of(frames: list[Frame]) -> list[str]:
    before = [None, *frames[:-1]]
    return [
        write_head(frames[0]),
        *(write_frame(f, b) for f, b in zip(frames, before, strict=True)),
    ]


def test_a_recorded_site_decides_the_same_again() -> None:
    frames, plans = recorded()
    steps = run(lines_of(frames))
    assert [step.snapshot for step in steps] == [f.snapshot for f in frames]
    assert [step.plan for step in steps] == plans
    # What did not change is not said again.
    assert len("\n".join(lines_of(frames))) < 2500 * len(frames)


def test_a_complete_line_forgets_what_was_before() -> None:
    frames, _ = recorded(20.0)
    first, last = frames[0], frames[-1]
    gone = Frame(
        site=last.site,
        snapshot=Snapshot(reading=last.snapshot.reading),
        clock=last.clock,
    )
    steps = run([*lines_of([first]), write_frame(gone, None)])
    assert dict(steps[-1].snapshot.states) == {}


@given(strategies.cases(strategies.overridden))
@settings(max_examples=50, deadline=None)
def test_any_site_and_snapshot_come_back_as_they_were(case: strategies.Case) -> None:
    frame = Frame(
        site=case.model,
        snapshot=Snapshot(
            orders=case.given,
            local_stops=case.local,
            reading=case.measured,
            states=case.states,
            user=case.user,
        ),
        clock=Clock(monotonic=100.0, utc=START + timedelta(seconds=100)),
    )
    (step,) = run(lines_of([frame]))
    assert step.site == frame.site
    assert step.snapshot == frame.snapshot
    assert step.plan == decide(frame.site, frame.snapshot, EMPTY, frame.clock)[0]


def test_the_summary_counts_peaks_energy_and_violations() -> None:
    summary = Summary()
    for step in run(WRITTEN):
        summary.add(step)
    said = "\n".join(summary.lines())
    assert "181 in 0:03:00" in said.replace("decisions: ", "")
    assert "15.00 kW to 15.00 kW, 0.75 kWh in" in said
    assert "car: 0.55 kWh" in said
    # What was recorded does not follow other setpoints: the limit is not reached.
    assert "maxsetp: reached never" in said


def test_not_a_number_is_neither_read_nor_written() -> None:
    with pytest.raises(CodecError, match="finite"):
        decode(float, float("nan"), "power")


# ------------------------------------------------------------------------ command line


def test_the_command_line_replays_without_home_assistant(tmp_path: Path) -> None:
    file = tmp_path / "scenario.jsonl"
    file.write_text("\n".join(WRITTEN))
    code = (
        "import sys, runpy; sys.argv = ['control', 'replay', sys.argv[1], "
        "'--set', 'connection.main_fuse=25'];\n"
        "try: runpy.run_module('custom_components.netflex.control', "
        "run_name='__main__')\n"
        "finally: assert 'homeassistant' not in sys.modules"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (found.returncode, found.stderr) == (0, "")
    assert "Main fuse 25.0 A on L1" in found.stdout
    assert "decisions: 181" in found.stdout


def test_the_command_line_says_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "scenario.jsonl"
    file.write_text("\n".join([*WRITTEN, '{"t": 5}']))
    assert main(["replay", str(file), "--quiet"]) == 1
    assert "line 6: t: must be later than 180" in capsys.readouterr().err
    assert main(["replay", str(tmp_path / "none.jsonl")]) == 1
    assert main(["replay", str(file), "--set", "raise_delay=soon"]) == 1
    assert "'soon' is no number" in capsys.readouterr().err
    assert main(["replay", str(file), "--set", "raise_delay"]) == 1
    assert main(["schema"]) == 0
    assert "netflex-replay" in capsys.readouterr().out


def test_times_of_the_decision_can_be_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "scenario.jsonl"
    file.write_text("\n".join(WRITTEN))
    assert main(["replay", str(file), "--set", "raise_delay=200", "--quiet"]) == 0
    quiet = capsys.readouterr().out
    assert "car: " in quiet
    assert main(["replay", str(file)]) == 0
    assert len(capsys.readouterr().out) > len(quiet)


def test_what_batteries_earn_by_is_written_and_read_whole() -> None:
    """Programmes, prices, imbalance, dispatches, frequency, holidays and calendars."""
    model = site(
        store(),
        programmes={
            "battery": programme(
                entry(Dispatch(), Schedule(entity="calendar.x")),
                entry(SelfConsumption(reserve=20.0), between("12:00", "14:00")),
            )
        },
    )
    known = Snapshot(
        market=Market(
            import_price=prices(10.0, -20.0),
            imbalance=imbalance(-40.0),
            forecast=(imbalance(5.0, back=-1),),
        ),
        dispatches=(
            DispatchCommand(
                source="axle",
                action=DispatchAction.POWER,
                power=-1000.0,
                start=START,
                end=START + timedelta(hours=1),
            ),
        ),
        frequency=GridFrequency(value=49.98, received=7.0),
        holidays=frozenset({START.date()}),
        entity_windows={
            "calendar.x": (Window(start=START, end=None),),
            "schedule.y": (),
        },
    )
    frames = [
        Frame(site=model, snapshot=snapshot, clock=Clock(monotonic=at, utc=START))
        for at, snapshot in (
            (10.0, known),
            (11.0, replace(known, frequency=None, dispatches=())),
            (12.0, Snapshot()),
            (13.0, known),
        )
    ]
    lines = [write_head(frames[0])]
    before = None
    for frame in frames:
        lines.append(write_frame(frame, before))
        before = frame
    _, moments = open_scenario(lines)
    for frame, moment in zip(frames, moments, strict=True):
        assert moment.site == frame.site
        assert moment.snapshot == frame.snapshot
    # What stays the same is not written again.
    assert "import_price" not in lines[2]
