"""A commissioning's checklist as data and as one HTML file to read and print."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any, Final

from ..control.codec import encode
from ..model.phrase import Phrase
from ..telecontrol.rehearsal_files import ReportFiles, write_report
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


def write(folder: Path, data: Mapping[str, Any], items: Sequence[Item]) -> ReportFiles:
    """Write report and data into a folder, which is made. Blocking; OSError."""
    at = datetime.fromisoformat(data["at"])
    return write_report(
        folder,
        f"commissioning_{at:%Y%m%dT%H%M%SZ}_site",
        data,
        lambda digest: to_html(data["site"], at, items, data["versions"], digest),
    )


def to_html(
    site: str,
    at: datetime,
    items: Sequence[Item],
    versions: Mapping[str, str],
    json_hash: str,
) -> str:
    """Return the report as one page."""
    title = f"Commissioning, {site}"
    counts = {
        standing: sum(item.standing is standing for item in items)
        for standing in Standing
    }
    tone = "bad" if counts[Standing.FAILED] else "good"
    rest = len(items) - counts[Standing.PROVEN] - counts[Standing.FAILED]
    rows = "".join(map(_row, items))
    facts = "".join(
        f"<tr><th>{escape(label)}</th><td>{escape(value)}</td></tr>"
        for label, value in versions.items()
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        "<main>\n<header><p class=kind>Commissioning: what is proven, and what is only "
        f"configured</p><h1>{escape(site)}</h1>"
        f"<p class=when>{at:%Y-%m-%d %H:%M:%S} UTC</p>"
        f'<div class="verdict {tone}"><strong>{counts[Standing.PROVEN]} proven, '
        f"{counts[Standing.FAILED]} failed</strong><span>{rest} not proven</span></div>"
        "</header><section><h2>Checklist</h2><table><thead><tr><th>What</th>"
        "<th>Of</th><th>Standing</th><th>Seen</th><th>When (UTC)</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></section>"
        "<section><h2>Versions</h2><table class=facts><tbody>"
        f"{facts}<tr><th>This report as data (JSON), SHA-256</th>"
        f"<td class=hash>{escape(json_hash)}</td></tr></tbody></table></section>\n"
        "</main>\n</body>\n</html>\n"
    )


def _row(item: Item) -> str:
    style, word = STANDINGS[item.standing]
    when = "" if item.at is None else f"{item.at:%Y-%m-%d %H:%M}"
    return (
        f"<tr><td>{escape(KEYS[item.key])}</td><td>{escape(item.name)}</td>"
        f"<td><span class={style}>{word}</span></td>"
        f"<td>{escape(item.text)}</td><td class=n>{when}</td></tr>"
    )
