"""The result of a check: a table for people, a list of objects for programs."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
import json
from pathlib import Path
import textwrap

_WIDTHS = (24, 40, 48, 7, 6)
_TITLES = ("step", "expected", "seen", "ms", "passed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: what was expected, what was seen, how long it took in ms."""

    step: str
    expected: str
    seen: str
    ms: float | None
    passed: bool


def write_json(path: Path, steps: Iterable[Step]) -> None:
    """Write the steps as a list of objects."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(step) for step in steps], indent=2) + "\n")


def table(steps: Sequence[Step]) -> str:
    """Return the steps as a table."""
    rule = "-+-".join("-" * width for width in _WIDTHS)
    rows = [_row(_TITLES), rule]
    for step in steps:
        milliseconds = "" if step.ms is None else f"{step.ms:.0f}"
        passed = "yes" if step.passed else "NO"
        cells = (step.step, step.expected, step.seen, milliseconds, passed)
        rows += [_row(cells), rule]
    return "\n".join(rows)


def _row(cells: Sequence[str]) -> str:
    columns = [
        textwrap.wrap(cell, width) or [""]
        for cell, width in zip(cells, _WIDTHS, strict=True)
    ]
    height = max(len(column) for column in columns)
    lines = [
        " | ".join(
            (column[line] if line < len(column) else "").ljust(width)
            for column, width in zip(columns, _WIDTHS, strict=True)
        ).rstrip()
        for line in range(height)
    ]
    return "\n".join(lines)
