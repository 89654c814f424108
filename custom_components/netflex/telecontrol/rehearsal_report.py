"""A rehearsal's evidence as one HTML file that a person can read and print."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Final

from .rehearsal import CHAPTERS
from .rehearsal_charts import draw_predictions, draw_trace
from .rehearsal_order_steps import kilowatts
from .rehearsal_plant import RehearsalMode
from .rehearsal_record import Evidence, Outcome, PointSeen, RehearsalResult, Step
from .rehearsal_style import STYLE

_SHOWS: Final = {chapter.title: chapter.shows for chapter in CHAPTERS} | {
    "End": "What is left when the rehearsal is over."
}
_OUTCOMES: Final[Mapping[Outcome, tuple[str, str]]] = {
    Outcome.PASSED: ("good", "Everything that was judged was passed"),
    Outcome.FAILED: ("bad", "Not every step was passed"),
    Outcome.ENDED_EARLY: ("bad", "The rehearsal ended before the end of its list"),
}
_MODES: Final[Mapping[RehearsalMode, tuple[str, str]]] = {
    RehearsalMode.REAL: (
        "Real",
        "The orders of this rehearsal were carried out by the real assets and emergency "
        "outputs. Powers are measured.",
    ),
    RehearsalMode.SHADOW: (
        "Shadow",
        "The orders of this rehearsal were taken, decided and explained. Nothing was "
        "written to any device or relay. Powers under orders are predicted.",
    ),
    RehearsalMode.WIRE: (
        "Station only",
        "Only the answers of the station were judged, not what the plant does.",
    ),
}


def report(evidence: Evidence, json_hash: str) -> str:
    """Return the report; `json_hash` is the SHA-256 of the same evidence as JSON."""
    result = evidence.result
    title = f"Netflex rehearsal, {evidence.site}"
    body = "".join(
        (
            _head(evidence),
            _warnings(evidence.warnings),
            _summary(result),
            _effects(result),
            _chapters(result),
            _points(result.points),
            _facts(evidence),
            _record(evidence, json_hash),
            _signatures(),
        )
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )


def _head(evidence: Evidence) -> str:
    result = evidence.result
    tone, outcome = _OUTCOMES[result.outcome]
    mode, meaning = _MODES[result.mode]
    early = (
        ""
        if result.ended_early is None
        else f"<p><strong>{escape(result.ended_early)}.</strong></p>"
    )
    return (
        "<header>"
        "<p class=kind>Rehearsal of the grid operator’s telecontrol (Netflex, "
        "IEC 60870-5-104)</p>"
        f"<h1>{escape(evidence.site)}</h1>"
        f"<p class=when>{_moment(result.started)} to {_moment(result.ended)} UTC</p>"
        f'<div class="verdict {tone}"><strong>{outcome}</strong>'
        f"<span>{result.count(True)} passed, {result.count(False)} not passed"
        f"{_unjudged(result)}</span></div>{early}"
        f'<p class="mode"><strong>{mode}.</strong> {meaning}</p>'
        "<p>A built-in controlling station played the grid operator’s RTU over a TCP "
        "connection and went through the commissioning list. It had a listener and a "
        "set of orders of its own; the operator’s own orders kept holding all along, "
        "and every order carries the reason code 99 (test).</p>"
        "</header>"
    )


def _unjudged(result: RehearsalResult) -> str:
    count = result.count(None)
    return f", {count} not judged" if count else ""


def _warnings(warnings: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(text)}</li>" for text in warnings)
    if not items:
        return ""
    return f'<section class="warn"><h2>Before you rely on this</h2><ul>{items}</ul></section>'


def _summary(result: RehearsalResult) -> str:
    rows = []
    for number, (title, steps) in enumerate(result.chapters.items(), start=1):
        passed = sum(step.passed is True for step in steps)
        judged = sum(step.passed is not None for step in steps)
        slowest = max((step.ms for step in steps if step.ms is not None), default=None)
        rows.append(
            f'<tr><td><a href="#c{number}">{number}. {escape(title)}</a></td>'
            f"<td>{_mark(passed == judged)}</td>"
            f"<td class=n>{passed} of {judged}</td>"
            f"<td class=n>{_ms(slowest)}</td></tr>"
        )
    rows.extend(
        f"<tr><td>{escape(title)}</td><td>not begun</td><td></td><td></td></tr>"
        for title in result.left_out
    )
    return (
        "<section><h2>In short</h2><table><thead><tr><th>Part of the list</th>"
        "<th>Result</th><th class=n>Steps passed</th><th class=n>Longest answer</th>"
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table></section>"
    )


def _effects(result: RehearsalResult) -> str:
    """Show what limits and stops did, and how fast."""
    steps = [step for step in result.steps if step.effect is not None]
    if not steps:
        return ""
    predicted = result.mode is RehearsalMode.SHADOW
    rows, what = [], ""
    for step in steps:
        if step.effect is not None and step.effect.what != what:
            what = step.effect.what
            rows.append(f"<tr class=group><th colspan=6>{escape(what)}</th></tr>")
        rows.append(_effect_row(step, predicted=predicted))
    after = "Predicted" if predicted else "After"
    how = (
        "What would flow if every asset did what it would be told, and nothing else "
        "changed."
        if predicted
        else "Time until the first measurement within the limit that a second one "
        "confirmed. “No change needed”: less flowed already, so the step shows that "
        "the order is taken, not how fast the plant obeys."
    )
    last = "" if predicted else "<th class=n>Kept after</th>"
    return (
        "<section><h2>What the orders did</h2>"
        f"<p>{how}</p><table><thead><tr><th>Order</th><th class=n>At most</th>"
        f"<th class=n>Before</th><th class=n>{after}</th>{last}<th>Result</th></tr>"
        f"</thead><tbody>{''.join(rows)}</tbody></table></section>"
    )


def _effect_row(step: Step, *, predicted: bool) -> str:
    effect = step.effect
    assert effect is not None
    if effect.exercised:
        kept = "" if effect.seconds is None else f"{max(0.0, effect.seconds):.1f} s"
    else:
        kept = "no change needed"
    last = "" if predicted else f"<td class=n>{kept}</td>"
    return (
        f"<tr><td>{escape(step.title)}</td>"
        f"<td class=n>{kilowatts(effect.limit)}</td>"
        f"<td class=n>{kilowatts(effect.before)}</td>"
        f"<td class=n>{kilowatts(effect.after)}</td>{last}"
        f"<td>{_mark(step.passed)}</td></tr>"
    )


def _chapters(result: RehearsalResult) -> str:
    pictures = _pictures(result)
    parts = ["<h2 class=part>Step by step</h2>"]
    for number, (title, steps) in enumerate(result.chapters.items(), start=1):
        rows = "".join(_step_row(step) for step in steps)
        picture = pictures.get(title, "")
        figure = f"<figure>{picture}</figure>" if picture else ""
        parts.append(
            f'<section class="chapter" id="c{number}"><h3>{number}. {escape(title)}</h3>'
            f"<p>{escape(_SHOWS.get(title, ''))}</p>{figure}"
            "<table class=steps><thead><tr><th>Step</th><th>Expected</th><th>Seen</th>"
            "<th class=n>Answer</th><th>Result</th></tr></thead>"
            f"<tbody>{rows}</tbody></table></section>"
        )
    return "".join(parts)


def _pictures(result: RehearsalResult) -> dict[str, str]:
    """Return the picture of each chapter that has one, by its title."""
    found: dict[str, str] = {}
    for title, steps in result.chapters.items():
        if not any(step.effect for step in steps):
            continue
        for trace in result.traces:
            if not steps[0].title.startswith(_first_words(trace.name)):
                continue
            if trace.predicted:
                found[title] = draw_predictions(trace.what.capitalize(), steps)
            else:
                found[title] = draw_trace(trace)
    return found


def _first_words(name: str) -> str:
    words = name.replace("_", " ")
    if words.startswith("emergency stop "):
        return words.replace("emergency stop", "Emergency stop of")
    return words.upper()


def _step_row(step: Step) -> str:
    notes = "".join(f"<li>{escape(note)}</li>" for note in step.notes)
    shown = f"<ul class=notes>{notes}</ul>" if notes else ""
    return (
        f"<tr><td><strong>{escape(step.title)}</strong>"
        f"<span class=at>{_moment(step.at, only_time=True)}</span></td>"
        f"<td>{escape(step.expected)}</td><td>{escape(step.seen)}{shown}</td>"
        f"<td class=n>{_ms(step.ms)}</td><td>{_mark(step.passed)}</td></tr>"
    )


def _points(points: Sequence[PointSeen]) -> str:
    if not points:
        return ""
    rows = "".join(
        f"<tr><td>{escape(point.name)}</td><td>{point.direction}</td>"
        f"<td class=n>{point.type_id}</td><td class=n>{point.ioa}</td>"
        f"<td>{escape(point.unit)}</td><td>{escape(point.value)}</td>"
        f"<td>{'by its orders' if point.present is None else _mark(point.present)}</td>"
        "</tr>"
        for point in points
    )
    return (
        "<section><h2>The point table</h2><p>As configured, with what the first "
        "interrogation brought. Points of the control direction are shown by the "
        "orders above.</p><table class=points><thead><tr><th>Point</th>"
        "<th>Direction</th><th class=n>Type</th><th class=n>Address</th><th>Unit</th>"
        f"<th>Value</th><th>Present</th></tr></thead><tbody>{rows}</tbody></table>"
        "</section>"
    )


def _facts(evidence: Evidence) -> str:
    parts = []
    for title, values in evidence.facts.items():
        rows = "".join(
            f"<tr><th>{escape(label)}</th><td>{escape(value)}</td></tr>"
            for label, value in values.items()
        )
        parts.append(
            f"<section><h2>{escape(title)}</h2><table class=facts><tbody>{rows}"
            "</tbody></table></section>"
        )
    return "".join(parts)


def _record(evidence: Evidence, json_hash: str) -> str:
    journal = evidence.journal
    rows = [("This report as data (JSON), SHA-256", json_hash)]
    if journal is not None:
        rows += [
            (
                "Journal, records of this rehearsal",
                f"{journal.first} to {journal.last}",
            ),
            ("Hash of the record before", journal.hash_before),
            ("Hash of the newest record", journal.head_hash),
        ]
    cells = "".join(
        f"<tr><th>{escape(label)}</th><td class=hash>{escape(value)}</td></tr>"
        for label, value in rows
    )
    return (
        "<section><h2>The record behind this report</h2><p>Every step, order, write to "
        "a device and answer is in the site’s journal, whose records are chained: each "
        "carries the SHA-256 of the one before it. Export that period with the action "
        "“Netflex: export journal” and compare the numbers and hashes below.</p>"
        f"<table class=facts><tbody>{cells}</tbody></table></section>"
    )


def _signatures() -> str:
    fields = "".join(
        f"<div><span>{who}</span><span>Date</span></div>"
        for who in ("Installer", "Owner of the site", "Grid operator")
    )
    return f'<section class="sign"><h2>Seen by</h2>{fields}</section>'


def _mark(passed: bool | None) -> str:
    if passed is None:
        return "<span class=open>– not judged</span>"
    if passed:
        return "<span class=yes>✓ passed</span>"
    return "<span class=no>✗ not passed</span>"


def _ms(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1f} ms" if value < 1000 else f"{value / 1000:.2f} s"


def _moment(at: datetime, *, only_time: bool = False) -> str:
    return f"{at:%H:%M:%S}" if only_time else f"{at:%Y-%m-%d %H:%M:%S}"
