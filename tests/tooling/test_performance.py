"""The README's performance table is what the benchmarks measured."""

import json
from pathlib import Path

import pytest

from scripts import performance


@pytest.fixture
def readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{performance.BEGIN}\nold\n{performance.END}\nafter\n")
    monkeypatch.setattr(performance, "README", readme)
    return readme


def results(path: Path, day: str, **figures: dict[str, object]) -> Path:
    """Write what pytest-benchmark writes, with the figures of each benchmark."""
    benchmarks = [
        {
            "name": f"test_{name}",
            "fullname": f"tests/benchmarks/test_{name}.py::test_{name}",
            "extra_info": extra,
            "stats": {"median": 0.002},
        }
        for name, extra in figures.items()
    ]
    machine = {"python_version": "3.14.2", "cpu": {"count": 2}}
    path.write_text(
        json.dumps({"datetime": day, "machine_info": machine, "benchmarks": benchmarks})
    )
    return path


def test_figures_become_rows_and_plain_benchmarks_their_median(
    tmp_path: Path, readme: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = results(
        tmp_path / "results.json",
        "2026-11-22T10:00:00",
        plain={},
        nested_one={"ours": {"p99_ms": 1.23456}},
    )
    monkeypatch.setattr(performance, "RESULTS", written)
    assert performance.main() == 0
    text = readme.read_text()
    assert "| plain | median ms | 2 |" in text
    assert "| nested one | ours p99 ms | 1.235 |" in text
    assert "old" not in text
    assert text.startswith("before\n")
    assert text.endswith("after\n")


def test_several_runs_become_one_table(tmp_path: Path, readme: Path) -> None:
    early = results(
        tmp_path / "a.json", "2026-11-21T10:00:00", one={"ms": 1}, two={"ms": 2}
    )
    late = results(tmp_path / "b.json", "2026-11-22T10:00:00", two={"ms": 3})
    assert performance.main([early, late]) == 0
    text = readme.read_text()
    assert "Measured on 2026-11-21 and 2026-11-22" in text
    assert "| one | ms | 1 |\n| two | ms | 3 |\n" in text


def test_without_results_it_says_what_to_run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(performance, "RESULTS", tmp_path / "none.json")
    assert performance.main() == 1
    assert "scripts/test --benchmarks" in capsys.readouterr().out
