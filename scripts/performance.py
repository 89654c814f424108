"""Writes the README's performance table from .benchmarks/results.json.

Other files of results may be named instead, from runs that were not of one piece; of a
benchmark that is in several, the last file's figures are shown.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
import json
from pathlib import Path
import re
import sys
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / ".benchmarks" / "results.json"
README = ROOT / "README.md"
BEGIN = "<!-- performance: begin -->"
END = "<!-- performance: end -->"


def figures(extra: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield names and values of a benchmark's own figures, nested ones flattened."""
    for name, value in extra.items():
        if isinstance(value, Mapping):
            yield from figures(value, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}".replace("_", " "), value


def rows(benchmarks: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a table row per figure, a plain benchmark's being its median time."""
    for benchmark in benchmarks:
        title = benchmark["name"].removeprefix("test_").replace("_", " ")
        found = list(figures(benchmark["extra_info"]))
        if not found:
            found = [("median ms", 1000 * benchmark["stats"]["median"])]
        for name, value in found:
            if isinstance(value, str) and "\n" in value:
                # A drawing, which is for the run's own output.
                continue
            shown = f"{value:.4g}" if isinstance(value, float) else str(value)
            yield f"| {title} | {name} | {shown} |"


def main(paths: Sequence[Path] = ()) -> int:
    """Rewrite the table between its markers."""
    runs = [
        json.loads(path.read_text()) for path in paths or (RESULTS,) if path.exists()
    ]
    if not runs:
        print("There are no results: run scripts/test --benchmarks first")
        return 1
    benchmarks = {one["fullname"]: one for run in runs for one in run["benchmarks"]}
    days = sorted({run["datetime"][:10] for run in runs})
    machine = runs[-1]["machine_info"]
    cpu = machine["cpu"]
    table = "\n".join(
        (
            BEGIN,
            "",
            f"Measured on {' and '.join(days)} with `scripts/test --benchmarks`, "
            f"Python {machine['python_version']}, "
            f"{cpu.get('count')} cores ({cpu.get('brand_raw', 'unknown')}).",
            "",
            "| benchmark | figure | value |",
            "|---|---|---|",
            *rows(benchmarks[name] for name in sorted(benchmarks)),
            "",
            END,
        )
    )
    text = README.read_text()
    pattern = re.compile(re.escape(BEGIN) + ".*" + re.escape(END), re.DOTALL)
    if not pattern.search(text):
        print("README.md has no performance section")
        return 1
    README.write_text(pattern.sub(lambda _: table, text))
    return 0


if __name__ == "__main__":
    sys.exit(main([Path(name) for name in sys.argv[1:]]))
