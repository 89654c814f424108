"""Writes the README's performance table from .benchmarks/results.json."""

from collections.abc import Iterator, Mapping
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


def rows(benchmarks: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a table row per figure, a plain benchmark's being its median time."""
    for benchmark in benchmarks:
        title = benchmark["name"].removeprefix("test_").replace("_", " ")
        found = list(figures(benchmark["extra_info"]))
        if not found:
            found = [("median ms", 1000 * benchmark["stats"]["median"])]
        for name, value in found:
            shown = f"{value:.4g}" if isinstance(value, float) else str(value)
            yield f"| {title} | {name} | {shown} |"


def main() -> int:
    """Rewrite the table between its markers."""
    if not RESULTS.exists():
        print("There are no results: run scripts/test --benchmarks first")
        return 1
    results = json.loads(RESULTS.read_text())
    cpu = results["machine_info"]["cpu"]
    table = "\n".join(
        (
            BEGIN,
            "",
            f"Measured on {results['datetime'][:10]} with `scripts/test --benchmarks`, "
            f"Python {results['machine_info']['python_version']}, "
            f"{cpu.get('count')} cores ({cpu.get('brand_raw', 'unknown')}).",
            "",
            "| benchmark | figure | value |",
            "|---|---|---|",
            *rows(results["benchmarks"]),
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
    sys.exit(main())
