"""Keeps the evidence of rehearsals as files, a bounded number of them."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
import json
import os
from pathlib import Path
import re
from typing import Any, Final

from .rehearsal_record import FORMAT, Evidence, to_json
from .rehearsal_report import report

KEPT: Final = 30
"""Reports that are kept; with the next one the oldest goes."""
NAME: Final = re.compile(r"rehearsal_\d{8}T\d{6}Z_[a-z]+\.(?:html|json)")
_STEM: Final = "rehearsal_{at:%Y%m%dT%H%M%SZ}_{mode}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFiles:
    """Where the evidence of one rehearsal lies."""

    html: Path
    json: Path
    json_hash: str


def write_evidence(
    folder: Path, evidence: Evidence, *, kept: int = KEPT
) -> ReportFiles:
    """Write report and data into a folder, which is made. Blocking; OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    result = evidence.result
    stem = _STEM.format(at=result.started, mode=result.mode.value)
    data = json.dumps(to_json(evidence), indent=1, allow_nan=False).encode()
    digest = sha256(data).hexdigest()
    files = ReportFiles(
        html=folder / f"{stem}.html", json=folder / f"{stem}.json", json_hash=digest
    )
    _write(files.json, data)
    _write(files.html, report(evidence, digest).encode())
    _tidy(folder, kept)
    return files


def newest_report(folder: Path) -> tuple[Path, Mapping[str, Any]] | None:
    """Return the newest report with its data, None where there is none. Blocking."""
    for path in reversed(_reports(folder)):
        with suppress(OSError, ValueError):
            data = json.loads(path.with_suffix(".json").read_bytes())
            if data["format"] == FORMAT:
                return path, data
    return None


def _reports(folder: Path) -> list[Path]:
    """Return all reports, oldest first: their names sort by time."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.glob("*.html") if NAME.fullmatch(path.name))


def _write(path: Path, content: bytes) -> None:
    """Write a file so that nobody ever sees half of it."""
    draft = path.with_suffix(f"{path.suffix}.part")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _tidy(folder: Path, kept: int) -> None:
    for path in _reports(folder)[:-kept]:
        path.unlink(missing_ok=True)
        path.with_suffix(".json").unlink(missing_ok=True)
