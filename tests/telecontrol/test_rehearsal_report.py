"""The evidence of a rehearsal: what a reader finds in it, and where it lies."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from html.parser import HTMLParser
import json
from pathlib import Path
from typing import Any

import pytest

from custom_components.netflex.model.orders import OrderName
from custom_components.netflex.telecontrol.rehearsal import CHAPTERS
from custom_components.netflex.telecontrol.rehearsal_charts import (
    draw_predictions,
    draw_trace,
)
from custom_components.netflex.telecontrol.rehearsal_files import (
    newest_report,
    write_evidence,
)
from custom_components.netflex.telecontrol.rehearsal_plant import RehearsalMode
from custom_components.netflex.telecontrol.rehearsal_record import (
    Effect,
    Evidence,
    JournalRange,
    Outcome,
    PointSeen,
    RehearsalResult,
    Sample,
    Step,
    Trace,
    to_json,
)
from custom_components.netflex.telecontrol.rehearsal_report import report

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
LIMIT = next(chapter.title for chapter in CHAPTERS if "(MAXSETP)" in chapter.title)


def step(**changes: Any) -> Step:
    return Step(
        **{
            "chapter": LIMIT,
            "title": "MAXSETP 50 %",
            "expected": "Confirmed",
            "seen": "Confirmed, feedback 50",
            "passed": True,
            "at": NOW,
            "ms": 1.25,
            "effect": Effect(
                what="Consumption at the connection point",
                limit=5_000.0,
                before=9_000.0,
                after=4_900.0,
                seconds=2.5,
                exercised=True,
                predicted=False,
            ),
        }
        | changes
    )


def evidence(**changes: Any) -> Evidence:
    result = RehearsalResult(
        **{
            "mode": RehearsalMode.REAL,
            "started": NOW,
            "ended": NOW + timedelta(seconds=90),
            "steps": (step(),),
            "traces": (
                Trace(
                    name=OrderName.MAXSETP,
                    what="consumption at the connection point",
                    samples=(
                        Sample(at=0.0, value=9_000.0, ordered=None),
                        Sample(at=1.0, value=9_000.0, ordered=5_000.0),
                        Sample(at=3.0, value=4_900.0, ordered=5_000.0),
                    ),
                    marks=((0.5, "50 %"),),
                    predicted=False,
                ),
            ),
            "points": (
                PointSeen(
                    name="p_solar",
                    direction="monitor",
                    type_id=13,
                    ioa=3001,
                    unit="kW",
                    value="1.5",
                    quality="good",
                    present=True,
                ),
            ),
        }
        | changes
    )
    return Evidence(
        site="Bakery <b>",
        result=result,
        facts={"Versions": {"Netflex": "1.2.3"}},
        warnings=("Unconfirmed: nobody has compared this point table",),
        journal=JournalRange(
            first=7, last=40, hash_before="a" * 64, head_hash="b" * 64
        ),
    )


class Reader(HTMLParser):
    """Collects text and everything that would be loaded from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.loaded: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attrs)
        for key in ("src", "href"):
            value = values.get(key)
            if value is not None and not value.startswith("#"):
                self.loaded.append(value)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    return reader


def test_the_report_says_what_a_reader_asks() -> None:
    found = read(report(evidence(), "c" * 64))
    text = " ".join(found.text)
    for words in (
        "Bakery <b>",
        "Everything that was judged was passed",
        "1 passed, 0 not passed",
        "carried out by the real assets",
        "Unconfirmed: nobody",
        "MAXSETP 50 %",
        "5.00 kW",
        "9.00 kW",
        "4.90 kW",
        "2.5 s",
        "Confirmed, feedback 50",
        "1.2 ms",
        "p_solar",
        "Netflex",
        "1.2.3",
        "7 to 40",
        "a" * 64,
        "b" * 64,
        "c" * 64,
        "2026-06-01 12:00:00",
        "reason code 99",
    ):
        assert words in text, words
    assert "svg" in found.tags


def test_the_report_loads_nothing_and_runs_nothing() -> None:
    html = report(evidence(steps=(step(seen="<script>alert(1)</script>"),)), "c" * 64)
    found = read(html)
    assert found.loaded == []
    assert "script" not in found.tags
    assert "b" not in found.tags, "the site's name is text, not markup"
    assert "url(" not in html
    assert "@import" not in html


def test_a_failed_and_an_unjudged_step_are_not_hidden() -> None:
    shown = evidence(
        steps=(step(), step(passed=False, title="MAXSETP 0 %"), step(passed=None))
    )
    text = " ".join(read(report(shown, "c" * 64)).text)
    assert "Not every step was passed" in text
    assert "1 passed, 1 not passed, 1 not judged" in text
    assert "✗ not passed" in text


def test_an_early_end_names_its_reason_and_what_was_left_out() -> None:
    shown = evidence(ended_early="The operator is there", left_out=("Clock",))
    assert shown.result.outcome is Outcome.ENDED_EARLY
    text = " ".join(read(report(shown, "c" * 64)).text)
    assert "The operator is there" in text
    assert "not begun" in text


def test_shadow_says_that_powers_are_predicted() -> None:
    effect = replace(step().effect, predicted=True, seconds=None)  # type: ignore[type-var]
    shown = evidence(
        mode=RehearsalMode.SHADOW,
        steps=(step(effect=effect),),
        traces=(replace(evidence().result.traces[0], predicted=True),),
    )
    text = " ".join(read(report(shown, "c" * 64)).text)
    assert "Nothing was written to any device or relay" in text
    assert "Predicted" in text
    assert "predicted under the order" in text
    assert "Kept after" not in text


def test_what_there_is_nothing_of_has_no_section() -> None:
    shown = replace(
        evidence(steps=(step(effect=None),), traces=(), points=()), warnings=()
    )
    found = read(report(shown, "c" * 64))
    text = " ".join(found.text)
    assert "MAXSETP 50 %" in text
    assert "What the orders did" not in text
    assert "Before you rely on this" not in text
    assert "by its orders" not in text
    assert "svg" not in found.tags


def test_a_limit_below_which_everything_flowed_already_has_no_time() -> None:
    effect = replace(step().effect, exercised=False, seconds=0.0)  # type: ignore[type-var]
    text = " ".join(read(report(evidence(steps=(step(effect=effect),)), "c")).text)
    assert "no change needed" in text
    assert "0.0 s" not in text


def test_a_limit_that_was_never_kept_has_no_time() -> None:
    effect = replace(step().effect, seconds=None)  # type: ignore[type-var]
    text = " ".join(read(report(evidence(steps=(step(effect=effect),)), "c")).text)
    assert "no change needed" not in text
    assert "2.5 s" not in text


def test_a_stop_has_its_picture_and_only_its_own() -> None:
    stop = OrderName.EMERGENCY_STOP_PRODUCTION
    chapter = next(
        chapter.title
        for chapter in CHAPTERS
        if chapter.title.startswith("Emergency stop of production")
    )
    trace = evidence().result.traces[0]
    shown = evidence(
        steps=(
            step(chapter=chapter, title="Emergency stop of production on", ms=1234.0),
            step(chapter="Test command", title="Test on", effect=None),
        ),
        traces=(trace, replace(trace, name=stop, what="production of the assets")),
    )
    html = report(shown, "c" * 64)
    assert html.count("<svg") == 1
    assert "production of the assets, measured and ordered" in html
    assert "1.23 s" in html


def test_a_trace_without_values_and_effects_without_powers_have_no_picture() -> None:
    trace = evidence().result.traces[0]
    silent = replace(
        trace, samples=tuple(replace(one, value=None) for one in trace.samples)
    )
    assert draw_trace(silent) == ""
    effect = replace(step().effect, before=None, after=None)  # type: ignore[type-var]
    assert draw_predictions("production", (step(effect=effect),)) == ""


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None])
def test_the_data_is_plain_json(value: float | None) -> None:
    effect = Effect(
        what="x",
        limit=0.0,
        before=value,
        after=value,
        seconds=value,
        exercised=False,
        predicted=False,
    )
    text = json.dumps(to_json(evidence(steps=(step(effect=effect),))), allow_nan=False)
    assert json.loads(text)["steps"][0]["effect"]["before_w"] is None


def test_files_are_written_whole_and_bounded_in_number(tmp_path: Path) -> None:
    folder = tmp_path / "rehearsals"
    for minute in range(5):
        at = NOW + timedelta(minutes=minute)
        files = write_evidence(folder, evidence(started=at, ended=at), kept=3)
    names = sorted(path.name for path in folder.iterdir())
    assert len(names) == 6
    assert names[0] == "rehearsal_20260601T120200Z_real.html"
    data = files.json.read_bytes()
    assert sha256(data).hexdigest() == files.json_hash
    assert files.json_hash in files.html.read_text(encoding="utf-8")
    found = newest_report(folder)
    assert found is not None
    assert found[0] == files.html
    assert found[1]["outcome"] == "passed"


def test_a_damaged_report_is_passed_over(tmp_path: Path) -> None:
    assert newest_report(tmp_path / "missing") is None
    first = write_evidence(tmp_path, evidence())
    later = NOW + timedelta(minutes=1)
    second = write_evidence(tmp_path, evidence(started=later))
    second.json.write_bytes(b"{")
    found = newest_report(tmp_path)
    assert found is not None
    assert found[0] == first.html
