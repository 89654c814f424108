"""Keeps the evidence of rehearsals as files, a bounded number of them."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
import json
import os
from pathlib import Path
import re
from typing import Any, Final

from .rehearsal_record import FORMAT, Evidence, to_json
from .rehearsal_report import Say, report

KEPT: Final = 30
"""Reports that are kept; with the next one the oldest goes."""
NAME: Final = re.compile(r"([a-z]+)_\d{8}T\d{6}Z_[a-z]+\.(?:html|json)")
"""Of a report; its first word says of what."""
_KIND: Final = "rehearsal"
_STEM: Final = _KIND + "_{at:%Y%m%dT%H%M%SZ}_{mode}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFiles:
    """Where the evidence of one rehearsal lies."""

    html: Path
    json: Path
    json_hash: str


def write_evidence(
    folder: Path,
    evidence: Evidence,
    *,
    kept: int = KEPT,
    say: Say = str,
    language: str = "en",
) -> ReportFiles:
    """Write report and data into a folder, which is made. Blocking; OSError.

    `say` puts a phrase into the report's language, whose code is `language`; the data
    is English.
    """
    result = evidence.result
    return write_report(
        folder,
        _STEM.format(at=result.started, mode=result.mode.value),
        to_json(evidence),
        lambda digest: report(evidence, digest, say=say, language=language),
        kept=kept,
    )


def write_report(
    folder: Path,
    stem: str,
    data: Mapping[str, Any],
    page: Callable[[str], str],
    *,
    kept: int = KEPT,
) -> ReportFiles:
    """Write data and the page about it, which names their SHA-256. Blocking; OSError.

    Of each kind, the first word of `stem`, the newest `kept` stay.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = json.dumps(data, indent=1, allow_nan=False).encode()
    digest = sha256(content).hexdigest()
    files = ReportFiles(
        html=folder / f"{stem}.html", json=folder / f"{stem}.json", json_hash=digest
    )
    _write(files.json, content)
    _write(files.html, page(digest).encode())
    _tidy(folder, stem.partition("_")[0], kept)
    return files


def newest_report(folder: Path) -> tuple[Path, Mapping[str, Any]] | None:
    """Return the newest report with its data, None where there is none. Blocking."""
    for path in reversed(_reports(folder, _KIND)):
        with suppress(OSError, ValueError):
            data = json.loads(path.with_suffix(".json").read_bytes())
            if data["format"] == FORMAT:
                return path, data
    return None


def _reports(folder: Path, kind: str) -> list[Path]:
    """Return all reports of a kind, oldest first: their names sort by time."""
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.glob(f"{kind}_*.html")
        if (found := NAME.fullmatch(path.name)) is not None and found[1] == kind
    )


def _write(path: Path, content: bytes) -> None:
    """Write a file so that nobody ever sees half of it."""
    draft = path.with_suffix(f"{path.suffix}.part")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _tidy(folder: Path, kind: str, kept: int) -> None:
    for path in _reports(folder, kind)[:-kept]:
        path.unlink(missing_ok=True)
        path.with_suffix(".json").unlink(missing_ok=True)
