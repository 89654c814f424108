"""A rehearsal's evidence as one HTML file that a person can read and print."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Final

from ..model.phrase import Phrase
from .rehearsal import CHAPTERS
from .rehearsal_charts import draw_predictions, draw_trace
from .rehearsal_order_steps import kilowatts
from .rehearsal_plant import RehearsalMode
from .rehearsal_record import Evidence, Outcome, PointSeen, RehearsalResult, Step
from .rehearsal_style import STYLE

type Say = Callable[[str], str]
"""Puts a phrase into the words of a language; other texts stay as they are."""

JSON_HASH: Final = Phrase("report_json", "This report as data (JSON), SHA-256")
_SHOWS: Final = {chapter.title: chapter.shows for chapter in CHAPTERS} | {
    "End": Phrase("rehearsal_end_shows", "What is left when the rehearsal is over.")
}
_OUTCOMES: Final[Mapping[Outcome, tuple[str, Phrase]]] = {
    Outcome.PASSED: (
        "good",
        Phrase("rehearsal_all_passed", "Everything that was judged was passed"),
    ),
    Outcome.FAILED: ("bad", Phrase("rehearsal_not_all", "Not every step was passed")),
    Outcome.ENDED_EARLY: (
        "bad",
        Phrase("rehearsal_cut_short", "The rehearsal ended before the end of its list"),
    ),
}
_MODES: Final[Mapping[RehearsalMode, tuple[Phrase, Phrase]]] = {
    RehearsalMode.REAL: (
        Phrase("rehearsal_real", "Real"),
        Phrase(
            "rehearsal_real_means",
            "The orders of this rehearsal were carried out by the real assets and "
            "emergency outputs. Powers are measured.",
        ),
    ),
    RehearsalMode.SHADOW: (
        Phrase("rehearsal_shadow", "Shadow"),
        Phrase(
            "rehearsal_shadow_means",
            "The orders of this rehearsal were taken, decided and explained. Nothing "
            "was written to any device or relay. Powers under orders are predicted.",
        ),
    ),
    RehearsalMode.WIRE: (
        Phrase("rehearsal_wire", "Station only"),
        Phrase(
            "rehearsal_wire_means",
            "Only the answers of the station were judged, not what the plant does.",
        ),
    ),
}


def report(
    evidence: Evidence, json_hash: str, *, say: Say = str, language: str = "en"
) -> str:
    """Return the report; `json_hash` is the SHA-256 of the same evidence as JSON.

    `say` puts a phrase into the report's language, whose code is `language`.
    """
    return _Page(say, language).draw(evidence, json_hash)


class _Page:
    """The report in one language."""

    def __init__(self, say: Say, language: str) -> None:
        self._say = say
        self._language = language

    def _text(self, text: str) -> str:
        """Return a text in the report's language, ready for HTML."""
        return escape(self._say(text))

    def _heads(self, *heads: Phrase | None, numbers: Iterable[int] = ()) -> str:
        """Return the heads of a table; those of the columns in `numbers` are right."""
        right = frozenset(numbers)
        return "".join(
            f"<th{' class=n' if number in right else ''}>"
            f"{'' if head is None else self._text(head)}</th>"
            for number, head in enumerate(heads)
        )

    def draw(self, evidence: Evidence, json_hash: str) -> str:
        """Return the whole page."""
        result = evidence.result
        title = Phrase("rehearsal_of", "Netflex rehearsal, {site}", site=evidence.site)
        body = "".join(
            (
                self._head(evidence),
                self._warnings(evidence.warnings),
                self._summary(result),
                self._effects(result),
                self._chapters(result),
                self._points(result.points),
                self._facts(evidence),
                self._record(evidence, json_hash),
                self._signatures(),
            )
        )
        return (
            f'<!DOCTYPE html>\n<html lang="{escape(self._language)}">\n<head>\n'
            '<meta charset="utf-8">\n'
            '<meta http-equiv="Content-Security-Policy" '
            "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{self._text(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
            f"<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
        )

    def _head(self, evidence: Evidence) -> str:
        result = evidence.result
        tone, outcome = _OUTCOMES[result.outcome]
        mode, meaning = _MODES[result.mode]
        early = (
            ""
            if result.ended_early is None
            else f"<p><strong>{self._text(result.ended_early)}.</strong></p>"
        )
        kind = Phrase(
            "rehearsal_kind",
            "Rehearsal of the grid operator’s telecontrol (Netflex, IEC 60870-5-104)",
        )
        when = Phrase(
            "rehearsal_span",
            "{begin} to {end} UTC",
            begin=_moment(result.started),
            end=_moment(result.ended),
        )
        counts = [
            Phrase(
                "rehearsal_counts",
                "{passed} passed, {failed} not passed",
                passed=str(result.count(True)),
                failed=str(result.count(False)),
            )
        ]
        if unjudged := result.count(None):
            counts.append(
                Phrase("rehearsal_unjudged", "{count} not judged", count=str(unjudged))
            )
        how = Phrase(
            "rehearsal_how",
            "A built-in controlling station played the grid operator’s RTU over a TCP "
            "connection and went through the commissioning list. It had a listener and "
            "a set of orders of its own; the operator’s own orders kept holding all "
            "along, and every order carries the reason code 99 (test).",
        )
        return (
            f"<header><p class=kind>{self._text(kind)}</p>"
            f"<h1>{escape(evidence.site)}</h1>"
            f"<p class=when>{self._text(when)}</p>"
            f'<div class="verdict {tone}"><strong>{self._text(outcome)}</strong>'
            f"<span>{', '.join(map(self._text, counts))}</span></div>{early}"
            f'<p class="mode"><strong>{self._text(mode)}.</strong> '
            f"{self._text(meaning)}</p><p>{self._text(how)}</p></header>"
        )

    def _warnings(self, warnings: Iterable[str]) -> str:
        items = "".join(f"<li>{self._text(text)}</li>" for text in warnings)
        if not items:
            return ""
        title = Phrase("rehearsal_warnings", "Before you rely on this")
        return (
            f'<section class="warn"><h2>{self._text(title)}</h2>'
            f"<ul>{items}</ul></section>"
        )

    def _summary(self, result: RehearsalResult) -> str:
        rows = []
        for number, (title, steps) in enumerate(result.chapters.items(), start=1):
            passed = sum(step.passed is True for step in steps)
            judged = sum(step.passed is not None for step in steps)
            slowest = max(
                (step.ms for step in steps if step.ms is not None), default=None
            )
            share = Phrase(
                "rehearsal_share",
                "{passed} of {judged}",
                passed=str(passed),
                judged=str(judged),
            )
            rows.append(
                f'<tr><td><a href="#c{number}">{number}. {self._text(title)}</a></td>'
                f"<td>{self._mark(passed == judged)}</td>"
                f"<td class=n>{self._text(share)}</td>"
                f"<td class=n>{_ms(slowest)}</td></tr>"
            )
        not_begun = self._text(Phrase("rehearsal_not_begun", "not begun"))
        rows.extend(
            f"<tr><td>{self._text(title)}</td><td>{not_begun}</td><td></td><td></td></tr>"
            for title in result.left_out
        )
        heads = self._heads(
            Phrase("rehearsal_part", "Part of the list"),
            _RESULT,
            Phrase("rehearsal_steps_passed", "Steps passed"),
            Phrase("rehearsal_longest", "Longest answer"),
            numbers=(2, 3),
        )
        title = Phrase("rehearsal_in_short", "In short")
        return _section(self._text(title), "", heads, "".join(rows))

    def _effects(self, result: RehearsalResult) -> str:
        """Show what limits and stops did, and how fast."""
        steps = [step for step in result.steps if step.effect is not None]
        if not steps:
            return ""
        predicted = result.mode is RehearsalMode.SHADOW
        rows, what = [], ""
        for step in steps:
            if step.effect is not None and step.effect.what != what:
                what = step.effect.what
                rows.append(
                    f"<tr class=group><th colspan=6>{self._text(what)}</th></tr>"
                )
            rows.append(self._effect_row(step, predicted=predicted))
        after = (
            Phrase("rehearsal_predicted", "Predicted")
            if predicted
            else Phrase("rehearsal_after", "After")
        )
        how = (
            Phrase(
                "rehearsal_effects_predicted",
                "What would flow if every asset did what it would be told, and nothing "
                "else changed.",
            )
            if predicted
            else Phrase(
                "rehearsal_effects_real",
                "Time until the first measurement within the limit that a second one "
                "confirmed. “No change needed”: less flowed already, so the step shows "
                "that the order is taken, not how fast the plant obeys.",
            )
        )
        last = () if predicted else (Phrase("rehearsal_kept_after", "Kept after"),)
        heads = self._heads(
            Phrase("rehearsal_order", "Order"),
            Phrase("rehearsal_at_most", "At most"),
            Phrase("rehearsal_before", "Before"),
            after,
            *last,
            _RESULT,
            numbers=range(1, 4 + len(last)),
        )
        title = Phrase("rehearsal_effects", "What the orders did")
        how_shown = f"<p>{self._text(how)}</p>"
        return _section(self._text(title), how_shown, heads, "".join(rows))

    def _effect_row(self, step: Step, *, predicted: bool) -> str:
        effect = step.effect
        assert effect is not None
        if effect.exercised:
            kept = "" if effect.seconds is None else f"{max(0.0, effect.seconds):.1f} s"
        else:
            kept = self._text(Phrase("rehearsal_no_change", "no change needed"))
        last = "" if predicted else f"<td class=n>{kept}</td>"
        powers = "".join(
            f"<td class=n>{self._text(kilowatts(value))}</td>"
            for value in (effect.limit, effect.before, effect.after)
        )
        return (
            f"<tr><td>{self._text(step.title)}</td>{powers}{last}"
            f"<td>{self._mark(step.passed)}</td></tr>"
        )

    def _chapters(self, result: RehearsalResult) -> str:
        pictures = self._pictures(result)
        title = Phrase("rehearsal_step_by_step", "Step by step")
        parts = [f"<h2 class=part>{self._text(title)}</h2>"]
        heads = self._heads(
            Phrase("rehearsal_step", "Step"),
            Phrase("rehearsal_expected", "Expected"),
            Phrase("report_seen", "Seen"),
            Phrase("rehearsal_answer", "Answer"),
            _RESULT,
            numbers=(3,),
        )
        for number, (chapter, steps) in enumerate(result.chapters.items(), start=1):
            rows = "".join(self._step_row(step) for step in steps)
            picture = pictures.get(chapter, "")
            figure = f"<figure>{picture}</figure>" if picture else ""
            parts.append(
                f'<section class="chapter" id="c{number}">'
                f"<h3>{number}. {self._text(chapter)}</h3>"
                f"<p>{self._text(_SHOWS.get(chapter, ''))}</p>{figure}"
                f"<table class=steps><thead><tr>{heads}</tr></thead>"
                f"<tbody>{rows}</tbody></table></section>"
            )
        return "".join(parts)

    def _pictures(self, result: RehearsalResult) -> dict[str, str]:
        """Return the picture of each chapter that has one, by its title."""
        found: dict[str, str] = {}
        for title, steps in result.chapters.items():
            if not any(step.effect for step in steps):
                continue
            for trace in result.traces:
                if not steps[0].title.startswith(_first_words(trace.name)):
                    continue
                if trace.predicted:
                    found[title] = draw_predictions(trace.what, steps, self._say)
                else:
                    found[title] = draw_trace(trace, self._say)
        return found

    def _step_row(self, step: Step) -> str:
        notes = "".join(f"<li>{self._text(note)}</li>" for note in step.notes)
        shown = f"<ul class=notes>{notes}</ul>" if notes else ""
        return (
            f"<tr><td><strong>{self._text(step.title)}</strong>"
            f"<span class=at>{_moment(step.at, only_time=True)}</span></td>"
            f"<td>{self._text(step.expected)}</td>"
            f"<td>{self._text(step.seen)}{shown}</td>"
            f"<td class=n>{_ms(step.ms)}</td><td>{self._mark(step.passed)}</td></tr>"
        )

    def _points(self, points: Sequence[PointSeen]) -> str:
        if not points:
            return ""
        by_orders = self._text(Phrase("rehearsal_by_orders", "by its orders"))
        rows = "".join(
            f"<tr><td>{escape(point.name)}</td>"
            f"<td>{self._text(_DIRECTIONS[point.direction])}</td>"
            f"<td class=n>{point.type_id}</td><td class=n>{point.ioa}</td>"
            f"<td>{escape(point.unit)}</td><td>{self._text(point.value)}</td>"
            f"<td>{by_orders if point.present is None else self._mark(point.present)}"
            "</td></tr>"
            for point in points
        )
        heads = self._heads(
            Phrase("rehearsal_point", "Point"),
            Phrase("rehearsal_direction", "Direction"),
            Phrase("rehearsal_type", "Type"),
            Phrase("rehearsal_address", "Address"),
            Phrase("rehearsal_unit", "Unit"),
            Phrase("rehearsal_value", "Value"),
            Phrase("rehearsal_present", "Present"),
            numbers=(2, 3),
        )
        title = Phrase("rehearsal_points", "The point table")
        how = Phrase(
            "rehearsal_points_how",
            "As configured, with what the first interrogation brought. Points of the "
            "control direction are shown by the orders above.",
        )
        how_shown = f"<p>{self._text(how)}</p>"
        return _section(self._text(title), how_shown, heads, rows, kind="points")

    def _facts(self, evidence: Evidence) -> str:
        parts = []
        for title, values in evidence.facts.items():
            rows = "".join(
                f"<tr><th>{self._text(label)}</th><td>{self._text(value)}</td></tr>"
                for label, value in values.items()
            )
            parts.append(
                f"<section><h2>{self._text(title)}</h2><table class=facts><tbody>{rows}"
                "</tbody></table></section>"
            )
        return "".join(parts)

    def _record(self, evidence: Evidence, json_hash: str) -> str:
        journal = evidence.journal
        rows: list[tuple[Phrase, str]] = [(JSON_HASH, json_hash)]
        if journal is not None:
            rows += [
                (
                    Phrase("rehearsal_records", "Journal, records of this rehearsal"),
                    Phrase(
                        "rehearsal_range",
                        "{first} to {last}",
                        first=str(journal.first),
                        last=str(journal.last),
                    ),
                ),
                (
                    Phrase("rehearsal_hash_before", "Hash of the record before"),
                    journal.hash_before,
                ),
                (
                    Phrase("rehearsal_hash_head", "Hash of the newest record"),
                    journal.head_hash,
                ),
            ]
        cells = "".join(
            f"<tr><th>{self._text(label)}</th>"
            f"<td class=hash>{self._text(value)}</td></tr>"
            for label, value in rows
        )
        title = Phrase("rehearsal_record", "The record behind this report")
        how = Phrase(
            "rehearsal_record_how",
            "Every step, order, write to a device and answer is in the site’s journal, "
            "whose records are chained: each carries the SHA-256 of the one before it. "
            "Export that period with the action “Netflex: export journal” and compare "
            "the numbers and hashes below.",
        )
        return (
            f"<section><h2>{self._text(title)}</h2><p>{self._text(how)}</p>"
            f"<table class=facts><tbody>{cells}</tbody></table></section>"
        )

    def _signatures(self) -> str:
        date = self._text(Phrase("rehearsal_date", "Date"))
        fields = "".join(
            f"<div><span>{self._text(who)}</span><span>{date}</span></div>"
            for who in (
                Phrase("rehearsal_installer", "Installer"),
                Phrase("rehearsal_owner", "Owner of the site"),
                Phrase("rehearsal_operator", "Grid operator"),
            )
        )
        title = Phrase("rehearsal_seen_by", "Seen by")
        return f'<section class="sign"><h2>{self._text(title)}</h2>{fields}</section>'

    def _mark(self, passed: bool | None) -> str:
        style, word = _MARKS[passed]
        return f"<span class={style}>{self._text(word)}</span>"


_RESULT: Final = Phrase("rehearsal_result", "Result")
_DIRECTIONS: Final[Mapping[str, Phrase]] = {
    "monitor": Phrase("rehearsal_monitor", "monitor"),
    "control": Phrase("rehearsal_control", "control"),
}
_MARKS: Final[Mapping[bool | None, tuple[str, Phrase]]] = {
    None: ("open", Phrase("rehearsal_mark_open", "– not judged")),
    True: ("yes", Phrase("rehearsal_mark_yes", "✓ passed")),
    False: ("no", Phrase("rehearsal_mark_no", "✗ not passed")),
}


def _section(title: str, how: str, heads: str, rows: str, kind: str = "") -> str:
    """Return a table with its title; everything is HTML already."""
    style = f" class={kind}" if kind else ""
    return (
        f"<section><h2>{title}</h2>{how}<table{style}><thead><tr>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table></section>"
    )


def _first_words(name: str) -> str:
    words = name.replace("_", " ")
    if words.startswith("emergency stop "):
        return words.replace("emergency stop", "Emergency stop of")
    return words.upper()


def _ms(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1f} ms" if value < 1000 else f"{value / 1000:.2f} s"


def _moment(at: datetime, *, only_time: bool = False) -> str:
    return f"{at:%H:%M:%S}" if only_time else f"{at:%Y-%m-%d %H:%M:%S}"
