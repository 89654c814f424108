"""A commissioning's checklist as data and as one HTML file to read and print.

The data is English, as the journal is; the page speaks the language of its readers.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any, Final

from ..control.codec import encode
from ..model.phrase import Phrase
from ..telecontrol.rehearsal_files import ReportFiles, write_report
from ..telecontrol.rehearsal_report import JSON_HASH, Say
from ..telecontrol.rehearsal_style import STYLE
from .commissioning_checklist import Item, Standing
from .commissioning_record import Result

FORMAT: Final = "netflex-commissioning"
VERSION: Final = 1
KEYS: Final[Mapping[str, Phrase]] = {
    "contract": Phrase("checklist_contract", "Contract and fuse"),
    "meter": Phrase("checklist_meter", "Sign and scale of the meter"),
    "response": Phrase("checklist_response", "Follows small steps"),
    "lines": Phrase("checklist_lines", "Phase map"),
    "software_stop": Phrase("checklist_software_stop", "Stop by its own setpoint"),
    "fallback": Phrase("checklist_fallback", "What it does when left alone"),
    "relay": Phrase("checklist_relay", "Emergency output"),
    "stop_input": Phrase("checklist_stop_input", "Stop button"),
    "rehearsal": Phrase("checklist_rehearsal", "Operator's list"),
}
STANDINGS: Final[Mapping[Standing, tuple[str, Phrase]]] = {
    Standing.PROVEN: ("yes", Phrase("standing_proven", "✓ proven")),
    Standing.FAILED: ("no", Phrase("standing_failed", "✗ failed")),
    Standing.NOT_SHOWN: ("open", Phrase("standing_not_shown", "– tried, not shown")),
    Standing.OUTDATED: (
        "open",
        Phrase("standing_outdated", "– changed since it was proven"),
    ),
    Standing.CONFIGURED: ("open", Phrase("standing_configured", "– only configured")),
}

_TITLE: Final = Phrase("report_commissioning", "Commissioning")
_SHOWS: Final = Phrase(
    "report_commissioning_shows",
    "Commissioning: what is proven, and what is only configured",
)
_CHECKLIST: Final = Phrase("report_checklist", "Checklist")
_HEADS: Final = (
    Phrase("report_what", "What"),
    Phrase("report_of", "Of"),
    Phrase("report_standing", "Standing"),
    Phrase("report_seen", "Seen"),
    Phrase("report_when", "When (UTC)"),
)
_VERSIONS: Final = Phrase("report_versions", "Versions")


def to_json(
    site: str,
    at: datetime,
    items: Iterable[Item],
    results: Iterable[Result],
    versions: Mapping[str, str],
) -> dict[str, Any]:
    """Return a checklist with the results behind it, ready for JSON."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "site": site,
        "at": at.isoformat(),
        "versions": dict(versions),
        "checklist": [encode(item) for item in items],
        "results": [encode(result) for result in results],
    }


def counted(items: Sequence[Item]) -> tuple[Phrase, Phrase]:
    """Return how many lines are proven and have failed, and how many are neither."""
    standings = [item.standing for item in items]
    proven, failed = map(standings.count, (Standing.PROVEN, Standing.FAILED))
    return (
        Phrase(
            "report_proven",
            "{proven} proven, {failed} failed",
            proven=str(proven),
            failed=str(failed),
        ),
        Phrase(
            "report_not_proven",
            "{count} not proven",
            count=str(len(standings) - proven - failed),
        ),
    )


def write(
    folder: Path,
    data: Mapping[str, Any],
    items: Sequence[Item],
    *,
    say: Say = str,
    language: str = "en",
) -> ReportFiles:
    """Write report and data into a folder, which is made. Blocking; OSError.

    `say` puts a phrase into the report's language, whose code is `language`.
    """
    at = datetime.fromisoformat(data["at"])
    return write_report(
        folder,
        f"commissioning_{at:%Y%m%dT%H%M%SZ}_site",
        data,
        lambda digest: to_html(
            data["site"],
            at,
            items,
            data["versions"],
            digest,
            say=say,
            language=language,
        ),
    )


def to_html(
    site: str,
    at: datetime,
    items: Sequence[Item],
    versions: Mapping[str, str],
    json_hash: str,
    *,
    say: Say = str,
    language: str = "en",
) -> str:
    """Return the report as one page."""

    def text(phrase: str) -> str:
        return escape(say(phrase))

    failed = any(item.standing is Standing.FAILED for item in items)
    tone = "bad" if failed else "good"
    proven, others = counted(items)
    heads = "".join(f"<th>{text(head)}</th>" for head in _HEADS)
    rows = "".join(_row(item, text) for item in items)
    facts = "".join(
        f"<tr><th>{text(label)}</th><td>{escape(value)}</td></tr>"
        for label, value in versions.items()
    )
    return (
        f'<!DOCTYPE html>\n<html lang="{escape(language)}">\n<head>\n'
        '<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(_TITLE)}, {escape(site)}</title>\n"
        f"<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<main>\n<header><p class=kind>{text(_SHOWS)}</p><h1>{escape(site)}</h1>"
        f"<p class=when>{at:%Y-%m-%d %H:%M:%S} UTC</p>"
        f'<div class="verdict {tone}"><strong>{text(proven)}</strong>'
        f"<span>{text(others)}</span></div></header>"
        f"<section><h2>{text(_CHECKLIST)}</h2><table><thead><tr>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table></section>"
        f"<section><h2>{text(_VERSIONS)}</h2><table class=facts><tbody>"
        f"{facts}<tr><th>{text(JSON_HASH)}</th>"
        f"<td class=hash>{escape(json_hash)}</td></tr></tbody></table></section>\n"
        "</main>\n</body>\n</html>\n"
    )


def _row(item: Item, text: Callable[[str], str]) -> str:
    style, word = STANDINGS[item.standing]
    when = "" if item.at is None else f"{item.at:%Y-%m-%d %H:%M}"
    return (
        f"<tr><td>{text(KEYS[item.key])}</td><td>{text(item.name)}</td>"
        f"<td><span class={style}>{text(word)}</span></td>"
        f"<td>{text(item.text)}</td><td class=n>{when}</td></tr>"
    )
