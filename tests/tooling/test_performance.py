"""The README's performance table is what the benchmarks measured."""

import json
from pathlib import Path

import pytest

from scripts import performance


def test_figures_become_rows_and_plain_benchmarks_their_median(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readme, results = tmp_path / "README.md", tmp_path / "results.json"
    readme.write_text(f"before\n{performance.BEGIN}\nold\n{performance.END}\nafter\n")
    results.write_text(
        json.dumps(
            {
                "datetime": "2026-11-22T10:00:00",
                "machine_info": {"python_version": "3.14.2", "cpu": {"count": 2}},
                "benchmarks": [
                    {
                        "name": "test_plain",
                        "extra_info": {},
                        "stats": {"median": 0.002},
                    },
                    {
                        "name": "test_nested_one",
                        "extra_info": {"ours": {"p99_ms": 1.23456}},
                        "stats": {"median": 1},
                    },
                ],
            }
        )
    )
    monkeypatch.setattr(performance, "README", readme)
    monkeypatch.setattr(performance, "RESULTS", results)
    assert performance.main() == 0
    text = readme.read_text()
    assert "| plain | median ms | 2 |" in text
    assert "| nested one | ours p99 ms | 1.235 |" in text
    assert "old" not in text
    assert text.startswith("before\n")
    assert text.endswith("after\n")


def test_without_results_it_says_what_to_run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(performance, "RESULTS", tmp_path / "none.json")
    assert performance.main() == 1
    assert "scripts/test --benchmarks" in capsys.readouterr().out
